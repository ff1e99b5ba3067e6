/* Substituted, mirrored and backward words are found wherever they stand: what passes over plain words passes over none
 * of these. */
#include "test.h"

#include "base/random.h"
#include "detect/cipher.h"

static char shifted(char c, unsigned by)
{
    return c == ' ' ? c : (char)('a' + (c - 'a' + (int)by) % 26);
}

static char mirrored(char c)
{
    return c == ' ' ? c : (char)('z' - (c - 'a'));
}

/* Words of every length that is looked for, two by two: one alone may be chance. */
static const char *const PAIRS[] = { "the patient",     "her doctor",        "security number",
                                     "medical address", "instructions and",  "previous system",
                                     "insurance name",  "please ignore",     "secret password",
                                     "hospital street", "mother and father", "contact phone" };

/* Is one stretch of this kind found that covers [at, at + n)? */
static void assert_found(sl_ciphers *c, sl_view text, size_t at, size_t n, sl_view_kind kind)
{
    bool found = false;
    assert_done(sl_ciphers_find(text, c));
    for (size_t i = 0; i < c->n; i++) {
        found = found ||
                (c->items[i].kind == kind && c->items[i].start <= at && c->items[i].end >= at + n);
    }
    assert_true(found);
}

static size_t filler(sl_prng *prng, uint8_t *out)
{
    static const char LETTERS[] = "qxzjkvw.,  ";
    size_t n = (size_t)sl_prng_below(prng, 150);
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)LETTERS[sl_prng_below(prng, sizeof LETTERS - 1)];
    }
    out[n] = ' ';
    return n + 1;
}

static void every_cipher_at_every_place(void **state)
{
    (void)state;
    sl_ciphers *c = calloc(1, sizeof *c);
    sl_prng prng;
    uint8_t text[512];
    assert_non_null(c);
    sl_prng_seed(&prng, 11);
    for (size_t round = 0; round < 3000; round++) {
        const char *pair = PAIRS[round % SL_COUNT_OF(PAIRS)];
        size_t n = strlen(pair);
        unsigned mode = 1 + (unsigned)(round % 27); /* 1 to 25 a shift, mirrored, backward */
        size_t at = filler(&prng, text);
        for (size_t i = 0; i < n; i++) {
            char b = mode <= 25 ? shifted(pair[i], mode)
                                : (mode == 26 ? mirrored(pair[i]) : pair[n - 1 - i]);
            bool upper = b != ' ' && sl_prng_below(&prng, 4) == 0;
            text[at + i] = (uint8_t)(upper ? b - 32 : b);
        }
        text[at + n] = ' ';
        size_t end = at + n + 1;
        end += filler(&prng, text + end);
        assert_found(c, sl_view_of(text, end), at, n,
                     mode <= 25 ? SL_VIEW_ROTATED
                                : (mode == 26 ? SL_VIEW_ATBASH : SL_VIEW_REVERSED));
    }
    sl_ciphers_free(c);
    free(c);
}

static void leet_at_every_place(void **state)
{
    (void)state;
    sl_ciphers *c = calloc(1, sizeof *c);
    uint8_t text[256];
    assert_non_null(c);
    for (size_t at = 0; at < 100; at++) {
        memset(text, ' ', sizeof text);
        memcpy(text + at, "J4n3 R0e", 8);
        assert_found(c, sl_view_of(text, at + 8 + at % 3), at, 8, SL_VIEW_LEET);
        memcpy(text + at, "J2n6 R6e", 8);
        assert_done(sl_ciphers_find(sl_view_of(text, at + 8), c));
        assert_int_equal(c->n, 0);
    }
    sl_ciphers_free(c);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_cipher_at_every_place),
                                        cmocka_unit_test(leet_at_every_place) };
    return cmocka_run_group_tests_name("cipher", tests, NULL, NULL);
}
