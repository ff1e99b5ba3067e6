/* The echo engine: what was indexed is found, changed or not, with its record; what was not is not; and
 * neither the processor nor the way a text is split makes a difference. */
#include "test.h"

#include "base/utf8.h"
#include "detect/echo_confirm.h"
#include "detect/echo_index.h"
#include "detect/echo_text.h"

static const uint8_t KEY[32] = { 7, 1, 2 };

/* ---- words without end, by seed ------------------------------------------------------------------ */

static uint64_t state;

static uint32_t draw(uint32_t n)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((state >> 33) * n >> 31);
}

static void add_word(sl_buf *out)
{
    static const char *const SYLLABLES[] = { "ka", "lo", "mir", "ten", "su", "bra", "vi", "gon" };
    uint32_t n = 1 + draw(3);
    for (uint32_t i = 0; i < n; i++) {
        assert_done(sl_buf_add_str(out, SYLLABLES[draw(8)]));
    }
}

static void add_record(sl_buf *out, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++) {
        if (draw(6) == 0) {
            assert_done(sl_buf_addf(out, "%u", draw(900)));
        } else {
            add_word(out);
        }
        assert_done(sl_buf_add_str(out, draw(9) == 0 ? ", " : " "));
    }
}

#define RECORDS 300
#define WORDS 120

typedef struct {
    sl_buf text;
    size_t at[RECORDS + 1];
    sl_buf bytes;
    sl_echo_index *index;
} corpus;

static void build(corpus *c)
{
    sl_echo_builder *b = NULL;
    sl_echo_build_options options = { .bytes = c->text.n };
    c->bytes = (sl_buf){ .max = (size_t)1 << 28 };
    assert_done(sl_echo_builder_new(KEY, &options, &b));
    for (size_t i = 0; i < RECORDS; i++) {
        assert_done(sl_echo_builder_count(
            b, sl_view_sub(sl_buf_view(&c->text), c->at[i], c->at[i + 1]), false));
    }
    assert_done(sl_echo_builder_settle(b));
    assert_done(sl_echo_builder_source(b, SL_LIT("notes")));
    for (size_t i = 0; i < RECORDS; i++) {
        assert_done(sl_echo_builder_add(b,
                                        sl_view_sub(sl_buf_view(&c->text), c->at[i], c->at[i + 1]),
                                        false, c->at[i], c->at[i + 1] - c->at[i]));
    }
    assert_done(sl_echo_builder_finish(b, &c->bytes));
    sl_echo_builder_free(b);
    assert_done(sl_echo_open(sl_buf_view(&c->bytes), KEY, &c->index));
}

static corpus *corpus_new(void)
{
    corpus *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->text.max = (size_t)1 << 28;
    state = 11;
    for (size_t i = 0; i < RECORDS; i++) {
        add_record(&c->text, WORDS);
        c->at[i + 1] = c->text.n;
    }
    build(c);
    return c;
}

static void corpus_free(corpus *c)
{
    sl_echo_index_free(c->index);
    sl_buf_free(&c->bytes);
    sl_buf_free(&c->text);
    free(c);
}

/* Words [from, from + n) of a record. */
static sl_view words_of(const corpus *c, size_t record, size_t from, size_t n)
{
    sl_view r = sl_view_sub(sl_buf_view(&c->text), c->at[record], c->at[record + 1]);
    size_t start = 0;
    size_t at = 0;
    for (size_t w = 0; w < from + n; w++) {
        start = w == from ? at : start;
        at = sl_view_find_byte(r, ' ', at) + 1;
    }
    return sl_view_sub(r, start, at);
}

static void scan(const corpus *c, const sl_echo_kernel *kernel, sl_view text, size_t piece,
                 sl_echo_matches *found)
{
    sl_echo_scratch *scratch = NULL;
    sl_echo_scan *s = NULL;
    assert_done(sl_echo_scratch_new(kernel, &scratch));
    assert_done(sl_echo_scan_new(c->index, scratch, &s));
    for (size_t at = 0; at < text.n; at += piece) {
        assert_done(sl_echo_scan_feed(s, sl_view_sub(text, at, at + piece), found));
    }
    assert_done(sl_echo_scan_finish(s, found));
    sl_echo_scan_free(s);
    sl_echo_scratch_free(scratch);
}

static bool finds(const corpus *c, size_t record, sl_view text, size_t *wrong)
{
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    bool right = false;
    scan(c, NULL, text, text.n, &found);
    for (size_t i = 0; i < found.n; i++) {
        right = right || found.items[i].record == record;
        *wrong += found.items[i].record != record && sl_echo_is_strong(&found.items[i]);
    }
    return right;
}

/* ---- tests --------------------------------------------------------------------------------------- */

static void fifteen_words_are_found_with_their_record(void **state_)
{
    corpus *c = corpus_new();
    size_t found = 0;
    size_t wrong = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        found += finds(c, i, words_of(c, i, 3 + i % 90, 15), &wrong);
    }
    assert_true(found * 100 >= RECORDS * 99);
    assert_int_equal(wrong, 0);
    corpus_free(c);
}

static void a_place_names_the_source_and_the_bytes(void **state_)
{
    corpus *c = corpus_new();
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    sl_echo_place place;
    scan(c, NULL, words_of(c, 77, 10, 80), 4096, &found);
    assert_true(found.n >= 1);
    assert_true(sl_echo_is_strong(&found.items[0]));
    assert_true(sl_echo_place_of(c->index, &found.items[0], &place));
    assert_view(place.source, "notes");
    assert_int_equal(place.number, 77);
    assert_int_equal(place.offset, c->at[77]);
    assert_int_equal(place.length, c->at[78] - c->at[77]);
    corpus_free(c);
}

static void other_words_are_not_found(void **state_)
{
    corpus *c = corpus_new();
    SL_OWN(sl_buf, other, sl_buf_free) = { .max = (size_t)1 << 24 };
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    state = 99;
    add_record(&other, 50000);
    scan(c, NULL, sl_buf_view(&other), 4096, &found);
    for (size_t i = 0; i < found.n; i++) {
        assert_false(sl_echo_is_strong(&found.items[i]));
    }
    corpus_free(c);
}

static void numbers_alone_are_found_when_every_word_was_changed(void **state_)
{
    corpus *c = corpus_new();
    SL_OWN(sl_buf, table, sl_buf_free) = { .max = 65536 };
    size_t wrong = 0;
    sl_view record = words_of(c, 5, 0, WORDS);
    for (size_t i = 0; i < record.n; i++) {
        bool digit = record.p[i] >= '0' && record.p[i] <= '9';
        assert_done(sl_buf_add_byte(&table, digit ? record.p[i] : ' '));
        if (!digit && i % 7 == 0) {
            assert_done(sl_buf_add_str(&table, " x "));
        }
    }
    assert_true(finds(c, 5, sl_buf_view(&table), &wrong));
    assert_int_equal(wrong, 0);
    corpus_free(c);
}

/* Case, full width, lookalikes, zero-width characters, soft hyphens, other blanks. */
static void disguise(sl_view text, sl_buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t b = text.p[i];
        bool letter = b >= 'a' && b <= 'z';
        uint32_t how = draw(10);
        if (letter && how == 0) {
            uint8_t wide[4];
            size_t n = sl_utf8_encode(0xFF41U + b - 'a', wide);
            assert_done(sl_buf_add(out, sl_view_of(wide, n)));
        } else if (b == 'o' && how < 4) {
            assert_done(sl_buf_add_str(out, "\xD0\xBE"));
        } else if (b == ' ' && how < 3) {
            assert_done(sl_buf_add_str(out, "\xC2\xA0"));
        } else {
            assert_done(sl_buf_add_byte(out, letter && how < 5 ? (uint8_t)(b - 32) : b));
        }
        if (letter && how == 6) {
            assert_done(sl_buf_add_str(out, "\xE2\x80\x8B\xC2\xAD"));
        }
    }
}

static void disguises_change_nothing(void **state_)
{
    corpus *c = corpus_new();
    SL_OWN(sl_echo_matches, plain, sl_echo_matches_free) = { 0 };
    SL_OWN(sl_echo_matches, other, sl_echo_matches_free) = { 0 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 65536 };
    sl_view words = words_of(c, 40, 5, 100);
    disguise(words, &text);
    scan(c, NULL, words, 4096, &plain);
    scan(c, NULL, sl_buf_view(&text), 4096, &other);
    assert_true(plain.n > 0);
    assert_int_equal(plain.n, other.n);
    for (size_t i = 0; i < plain.n; i++) {
        assert_int_equal(plain.items[i].first_block, other.items[i].first_block);
        assert_int_equal(plain.items[i].hits, other.items[i].hits);
    }
    corpus_free(c);
}

static bool same(const sl_echo_matches *a, const sl_echo_matches *b)
{
    bool equal = a->n == b->n;
    for (size_t i = 0; i < a->n && equal; i++) {
        bool there = false;
        for (size_t j = 0; j < b->n; j++) {
            const sl_echo_match *x = &a->items[i];
            const sl_echo_match *y = &b->items[j];
            there = there || (x->start == y->start && x->end == y->end && x->hits == y->hits &&
                              x->record == y->record && x->first_block == y->first_block &&
                              x->last_block == y->last_block && x->bits == y->bits);
        }
        equal = there;
    }
    return equal;
}

/* Recited text between noise, disguised, with bytes that are not UTF-8. */
static void mixture(const corpus *c, sl_buf *text)
{
    for (size_t i = 0; i < 40; i++) {
        add_record(text, draw(30));
        disguise(words_of(c, i * 7, draw(40), 10 + draw(60)), text);
        assert_done(sl_buf_add_str(text, i % 3 == 0 ? "\xE9\xFF \xF0\x9F" : " -- "));
        for (size_t k = 0; k < (i % 5) * 50; k++) {
            assert_done(sl_buf_add_byte(text, k % 9 == 8 ? 0xE2 : 'q'));
        }
    }
}

static void every_split_gives_the_same(void **state_)
{
    static const size_t PIECES[] = { 1, 2, 3, 7, 64, 1000, 5001 };
    corpus *c = corpus_new();
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 22 };
    SL_OWN(sl_echo_matches, whole, sl_echo_matches_free) = { 0 };
    mixture(c, &text);
    scan(c, NULL, sl_buf_view(&text), text.n, &whole);
    assert_true(whole.n > 30);
    for (size_t p = 0; p < SL_COUNT_OF(PIECES); p++) {
        SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
        scan(c, NULL, sl_buf_view(&text), PIECES[p], &found);
        assert_true(same(&whole, &found));
    }
    corpus_free(c);
}

static void every_processor_gives_the_same(void **state_)
{
    corpus *c = corpus_new();
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 22 };
    SL_OWN(sl_echo_matches, portable, sl_echo_matches_free) = { 0 };
    mixture(c, &text);
    scan(c, sl_echo_kernel_get(SL_ECHO_PORTABLE), sl_buf_view(&text), 700, &portable);
    assert_true(portable.n > 30);
    for (int speed = SL_ECHO_AVX2; speed < SL_ECHO_SPEED_COUNT; speed++) {
        const sl_echo_kernel *kernel = sl_echo_kernel_get((sl_echo_speed)speed);
        if (kernel == NULL) {
            print_message("this machine has no form %d of the loops\n", speed);
            continue;
        }
        SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
        scan(c, kernel, sl_buf_view(&text), 700, &found);
        assert_true(same(&portable, &found));
    }
    corpus_free(c);
}

/* The loops themselves, on bytes of all kinds: tokens and tags agree one by one. */
static void the_loops_agree_bit_for_bit(void **state_)
{
    static uint8_t text[4096 + 64];
    static uint32_t edges[2][4200];
    static uint64_t hash[2][2][4200];
    static uint32_t at[2][2][4200];
    static uint64_t tag[2][4200];
    static uint64_t check[2][4200];
    sl_echo_key key;
    sl_echo_key_init(&key, KEY);
    state = 3;
    for (int round = 0; round < 200; round++) {
        size_t n = draw(4096);
        for (size_t i = 0; i < n; i++) {
            text[i] = (uint8_t)(draw(4) == 0 ? draw(256) : (uint8_t) "a1 z9-Q"[draw(7)]);
        }
        memset(text + n, ' ', 64);
        size_t counts[2] = { 0 };
        sl_echo_tokens tokens[2] = { 0 };
        for (size_t k = 0; k < 2; k++) {
            sl_echo_speed speed = (sl_echo_speed)(1 + round % 2);
            const sl_echo_kernel *kernel = sl_echo_kernel_get(k == 0 ? SL_ECHO_PORTABLE : speed);
            kernel = kernel != NULL ? kernel : sl_echo_kernel_get(SL_ECHO_PORTABLE);
            counts[k] = kernel->edges(text, n, edges[k]) & ~(size_t)1;
            for (size_t l = 0; l < 2; l++) {
                tokens[k].hash[l] = hash[k][l];
                tokens[k].at[l] = at[k][l];
            }
            kernel->words(&key, text, edges[k], counts[k] / 2, &tokens[k]);
            size_t shingles = tokens[k].n[0] > 5 ? tokens[k].n[0] - 4 : 0;
            memset(hash[k][0] + tokens[k].n[0], 0, 64);
            kernel->shingles(&key, hash[k][0], shingles, 5, tag[k], check[k]);
        }
        assert_int_equal(counts[0], counts[1]);
        for (size_t l = 0; l < 2; l++) {
            assert_int_equal(tokens[0].n[l], tokens[1].n[l]);
            assert_memory_equal(hash[0][l], hash[1][l], 8 * tokens[0].n[l]);
            assert_memory_equal(at[0][l], at[1][l], 4 * tokens[0].n[l]);
        }
        size_t shingles = tokens[0].n[0] > 5 ? tokens[0].n[0] - 4 : 0;
        assert_memory_equal(tag[0], tag[1], 8 * shingles);
        assert_memory_equal(check[0], check[1], 8 * shingles);
    }
}

/* FIPS 197, appendix A.1: the last round key of its example. The rounds themselves are compared with
 * the processor's in the_loops_agree_bit_for_bit. */
static void the_key_schedule_is_that_of_the_standard(void **state_)
{
    static const uint8_t SECRET[32] = { 0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                        0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c };
    static const uint8_t LAST[16] = { 0xd0, 0x14, 0xf9, 0xa8, 0xc9, 0xee, 0x25, 0x89,
                                      0xe1, 0x3f, 0x0c, 0xc8, 0xb6, 0x63, 0x0c, 0xa6 };
    sl_echo_key key;
    sl_echo_key_init(&key, SECRET);
    assert_memory_equal(key.round[10], LAST, sizeof LAST);
}

static void every_flipped_bit_and_another_key_are_noticed(void **state_)
{
    corpus *c = corpus_new();
    sl_echo_index *index = NULL;
    static const uint8_t OTHER[32] = { 8 };
    assert_code(sl_echo_open(sl_buf_view(&c->bytes), OTHER, &index), SL_E_KEY);
    for (size_t i = 0; i < c->bytes.n; i += 97) {
        c->bytes.p[i] ^= 0x10;
        assert_false(sl_ok(sl_echo_open(sl_buf_view(&c->bytes), KEY, &index)));
        c->bytes.p[i] ^= 0x10;
    }
    sl_view cut = sl_view_sub(sl_buf_view(&c->bytes), 0, c->bytes.n - 1);
    assert_code(sl_echo_open(cut, KEY, &index), SL_E_TRUNCATED);
    corpus_free(c);
}

static void an_empty_index_finds_nothing(void **state_)
{
    sl_echo_builder *b = NULL;
    sl_echo_build_options options = { 0 };
    corpus c = { .bytes = { .max = 65536 } };
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    assert_done(sl_echo_builder_new(KEY, &options, &b));
    assert_done(sl_echo_builder_settle(b));
    assert_done(sl_echo_builder_finish(b, &c.bytes));
    sl_echo_builder_free(b);
    assert_done(sl_echo_open(sl_buf_view(&c.bytes), KEY, &c.index));
    scan(&c, NULL, SL_LIT("one two three four five six seven eight nine ten 1 2 3 4 5 6"), 5,
         &found);
    assert_int_equal(found.n, 0);
    sl_echo_index_free(c.index);
    SL_OWN(sl_buf, none, sl_buf_free) = { .max = 65536 };
    assert_done(sl_echo_join(KEY, NULL, 0, &none));
    assert_done(sl_echo_open(sl_buf_view(&none), KEY, &c.index));
    scan(&c, NULL, SL_LIT("one two three four five six seven eight nine ten"), 64, &found);
    assert_int_equal(found.n, 0);
    sl_echo_index_free(c.index);
    sl_buf_free(&c.bytes);
}

static void joined_indexes_know_what_each_knew(void **state_)
{
    corpus *c = corpus_new();
    corpus other = { .text = { .max = (size_t)1 << 24 } };
    state = 1234;
    for (size_t i = 0; i < RECORDS; i++) {
        add_record(&other.text, WORDS);
        other.at[i + 1] = other.text.n;
    }
    build(&other);
    sl_view both[] = { sl_buf_view(&c->bytes), sl_buf_view(&other.bytes) };
    corpus joined = { .bytes = { .max = (size_t)1 << 28 } };
    assert_done(sl_echo_join(KEY, both, 2, &joined.bytes));
    assert_done(sl_echo_open(sl_buf_view(&joined.bytes), KEY, &joined.index));
    for (uint32_t k = 0; k < 2; k++) {
        SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
        scan(&joined, NULL, words_of(k == 0 ? c : &other, 9, 0, 100), 50, &found);
        assert_true(found.n > 0 && found.items[0].segment == k && found.items[0].record == 9);
    }
    sl_echo_index_free(joined.index);
    sl_buf_free(&joined.bytes);
    sl_echo_index_free(other.index);
    sl_buf_free(&other.bytes);
    sl_buf_free(&other.text);
    corpus_free(c);
}

/* A line without end, a word without end, and a character that is cut for ever. */
static void endless_lines_are_taken_in_bounded_memory(void **state_)
{
    corpus *c = corpus_new();
    sl_echo_scratch *scratch = NULL;
    sl_echo_scan *s = NULL;
    static uint8_t piece[65536];
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    assert_done(sl_echo_scratch_new(NULL, &scratch));
    assert_done(sl_echo_scan_new(c->index, scratch, &s));
    for (size_t i = 0; i < 1600; i++) { /* 100 MiB */
        memset(piece, i % 3 == 0 ? 'a' : (i % 3 == 1 ? 0xF0 : 0xAD), sizeof piece);
        assert_done(sl_echo_scan_feed(s, sl_view_of(piece, sizeof piece), &found));
    }
    assert_done(sl_echo_scan_feed(s, SL_LIT(" "), &found));
    assert_done(sl_echo_scan_feed(s, words_of(c, 3, 0, 60), &found));
    assert_done(sl_echo_scan_finish(s, &found));
    assert_true(found.n >= 1 && found.items[found.n - 1].record == 3);
    assert_true(found.items[found.n - 1].start >= 1600 * sizeof piece);
    sl_echo_scan_free(s);
    sl_echo_scratch_free(scratch);
    corpus_free(c);
}

/* ---- the second stage ---------------------------------------------------------------------------- */

static sl_view record_of(const corpus *c, size_t i)
{
    return sl_view_sub(sl_buf_view(&c->text), c->at[i], c->at[i + 1]);
}

static void a_rendering_is_confirmed_and_its_changes_are_told(void **state_)
{
    static sl_echo_verdict v;
    corpus *c = corpus_new();
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 65536 };
    assert_done(sl_buf_add_str(&text, "nothing of this was ever indexed and then "));
    assert_done(sl_buf_add(&text, words_of(c, 8, 20, 12)));
    assert_done(sl_buf_add_str(&text, "INSTEAD "));
    assert_done(sl_buf_add(&text, words_of(c, 8, 33, 12)));
    assert_done(sl_buf_add_str(&text, "of which there is no more to say"));
    assert_done(sl_echo_confirm(c->index, 0, record_of(c, 8), sl_buf_view(&text), &v));
    assert_true(v.confirmed);
    assert_int_equal(v.text_start, 42);
    assert_true(v.text_end > text.n - 40 && v.text_end < text.n);
    assert_true(v.change_count >= 1);
    sl_view change =
        sl_view_sub(sl_buf_view(&text), v.changes[0].text_start, v.changes[0].text_end);
    assert_true(sl_view_find(change, SL_LIT("INSTEAD"), 0) != SIZE_MAX);
    corpus_free(c);
}

static void another_record_and_unrelated_text_are_not_confirmed(void **state_)
{
    static sl_echo_verdict v;
    corpus *c = corpus_new();
    for (size_t i = 0; i + 1 < RECORDS; i++) {
        assert_done(sl_echo_confirm(c->index, 0, record_of(c, i), words_of(c, i + 1, 10, 60), &v));
        assert_false(v.confirmed);
    }
    assert_done(sl_echo_confirm(c->index, 0, record_of(c, 0), (sl_view){ 0 }, &v));
    assert_false(v.confirmed);
    assert_done(sl_echo_confirm(c->index, 0, (sl_view){ 0 }, record_of(c, 0), &v));
    assert_false(v.confirmed);
    corpus_free(c);
}

/* What every record holds gives nobody away, however much of it is recited. */
static void a_template_alone_is_not_confirmed(void **state_)
{
    static const char TEMPLATE[] =
        "lungs clear to auscultation bilaterally without wheezes rales or rhonchi abdomen soft non tender "
        "bowel sounds present in all four quadrants extremities without clubbing cyanosis or oedema ";
    static sl_echo_verdict v;
    corpus *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->text.max = (size_t)1 << 24;
    state = 5;
    for (size_t i = 0; i < RECORDS; i++) {
        add_record(&c->text, 30);
        assert_done(sl_buf_add_str(&c->text, TEMPLATE));
        c->at[i + 1] = c->text.n;
    }
    build(c);
    assert_done(sl_echo_confirm(c->index, 0, record_of(c, 7), sl_view_str(TEMPLATE), &v));
    assert_false(v.confirmed);
    assert_true(v.bits < 10);
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    scan(c, NULL, sl_view_str(TEMPLATE), 100, &found);
    assert_int_equal(found.n, 0);
    assert_done(sl_echo_confirm(c->index, 0, record_of(c, 7), record_of(c, 7), &v));
    assert_true(v.confirmed);
    corpus_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_schedule_is_that_of_the_standard),
        cmocka_unit_test(the_loops_agree_bit_for_bit),
        cmocka_unit_test(fifteen_words_are_found_with_their_record),
        cmocka_unit_test(a_place_names_the_source_and_the_bytes),
        cmocka_unit_test(other_words_are_not_found),
        cmocka_unit_test(numbers_alone_are_found_when_every_word_was_changed),
        cmocka_unit_test(disguises_change_nothing),
        cmocka_unit_test(every_split_gives_the_same),
        cmocka_unit_test(every_processor_gives_the_same),
        cmocka_unit_test(every_flipped_bit_and_another_key_are_noticed),
        cmocka_unit_test(an_empty_index_finds_nothing),
        cmocka_unit_test(joined_indexes_know_what_each_knew),
        cmocka_unit_test(endless_lines_are_taken_in_bounded_memory),
        cmocka_unit_test(a_rendering_is_confirmed_and_its_changes_are_told),
        cmocka_unit_test(another_record_and_unrelated_text_are_not_confirmed),
        cmocka_unit_test(a_template_alone_is_not_confirmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
