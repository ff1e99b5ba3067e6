/* The fast way to the tags (remembered words, sums made in parts, wide registers) against the plain one that training
 * uses: every feature of every token, added one by one. Both must label every token alike. */
#include "test.h"

#include <ctype.h>

#include "base/limits.h"
#include "base/random.h"
#include "detect/tagger_calm.h"
#include "detect/tagger_path.h"

typedef struct {
    sl_tagger *tagger;
    const sl_tag_model *model;
    sl_tag_words *words;
    sl_tag_path path;
    sl_tag_tokens fast;
    sl_tag_tokens plain;
    size_t most; /* words ever kept at once */
} bench;

static bench bench_new(void)
{
    bench b = { 0 };
    assert_done(sl_tagger_open_default(&b.tagger));
    b.model = sl_tagger_model(b.tagger);
    b.words = calloc(1, sizeof *b.words);
    assert_non_null(b.words);
    return b;
}

static void bench_free(bench *b)
{
    sl_tag_words_free(b->words);
    free(b->words);
    sl_tag_path_free(&b->path);
    free(b->fast.items);
    free(b->plain.items);
    sl_tagger_free(b->tagger);
}

/* ---- the plain way --------------------------------------------------------------------------- */

static void plain_scores(const bench *b, size_t at, int64_t own[SL_TAG_LANES])
{
    uint32_t features[SL_TAG_FEATURES_MAX];
    size_t n = sl_tag_features(&b->plain, at, b->model->mask, features);
    for (size_t k = 0; k < SL_TAG_LANES; k++) {
        own[k] = k == SL_TAG_OUTSIDE ? -b->model->bias : 0;
        for (size_t i = 0; i < n; i++) {
            own[k] += b->model->weights[(size_t)features[i] * SL_TAG_LANES + k];
        }
    }
}

/* A token that is plain may only be outside. */
static bool is_open(const bench *b, size_t begin, size_t at, unsigned last, unsigned tag)
{
    if (sl_tag_is_plain(&b->plain, at) && tag != SL_TAG_OUTSIDE) {
        return false;
    }
    return at == begin ? last == 0 && sl_tag_may_follow(0, tag) : sl_tag_may_follow(last, tag);
}

static void plain_segment(bench *b, size_t begin, size_t end)
{
    static int64_t score[256][SL_TAG_LANES];
    static uint8_t from[256][SL_TAG_LANES];
    const int64_t never = INT64_MIN / 4;
    for (size_t i = begin; i < end; i++) {
        int64_t own[SL_TAG_LANES] = { 0 };
        bool plain = sl_tag_is_plain(&b->plain, i);
        if (!plain) {
            plain_scores(b, i, own);
        }
        for (unsigned tag = 0; tag < SL_TAG_COUNT; tag++) {
            int64_t best = never;
            for (unsigned last = 0; last < SL_TAG_COUNT; last++) {
                unsigned row = i == begin ? (unsigned)SL_TAG_BEGIN : last;
                int64_t step = plain && i == begin ? 0 : b->model->transitions[row][tag];
                int64_t sum = (i == begin ? 0 : score[i - begin - 1][last]) + step;
                if (is_open(b, begin, i, last, tag) && sum > best) {
                    best = sum;
                    from[i - begin][tag] = (uint8_t)last;
                }
            }
            score[i - begin][tag] = best == never ? never : best + own[tag];
        }
    }
    unsigned tag = 0;
    for (unsigned k = 1; k < SL_TAG_COUNT; k++) {
        tag = score[end - begin - 1][k] > score[end - begin - 1][tag] ? k : tag;
    }
    for (size_t i = end; i > begin; i--) {
        b->plain.items[i - 1].label = (uint8_t)tag;
        tag = from[i - begin - 1][tag];
    }
}

static void label_plainly(bench *b, sl_view text)
{
    assert_done(sl_tag_tokenise(text, &b->plain));
    for (size_t i = 0; i < b->plain.n; i++) {
        sl_tag_token *t = &b->plain.items[i];
        t->lists = sl_tag_lists_of(b->model, t->lower);
        t->calm = sl_tag_calm(t, sl_view_sub(text, t->start, t->end));
    }
    for (size_t begin = 0; begin < b->plain.n;) {
        size_t end = sl_tag_segment_end(&b->plain, begin);
        assert_true(end - begin <= 256);
        plain_segment(b, begin, end);
        begin = end;
    }
}

/* ---- both ------------------------------------------------------------------------------------ */

static void expect_alike(bench *b, const sl_tag_kernel *kernel, sl_view text)
{
    assert_done(sl_tag_words_begin(b->words, b->model));
    assert_done(sl_tag_tokenise_known(b->words, text, &b->fast));
    assert_done(sl_tag_path_find(kernel, b->words, &b->fast, &b->path));
    b->most = b->words->n > b->most ? b->words->n : b->most;
    assert_int_equal(b->fast.n, b->plain.n);
    for (size_t i = 0; i < b->fast.n; i++) {
        sl_tag_token one = b->fast.items[i];
        const sl_tag_token *other = &b->plain.items[i];
        one.word = other->word;
        if (one.start != other->start || one.end != other->end || one.lower != other->lower ||
            one.shape != other->shape || one.lists != other->lists ||
            one.capital != other->capital || one.calm != other->calm || one.label != other->label) {
            fail_msg("%s: token %zu \"%.*s\" is %u, plainly %u, in: %.*s", kernel->name, i,
                     (int)(one.end - one.start), (const char *)text.p + one.start, one.label,
                     other->label, (int)text.n, (const char *)text.p);
        }
    }
}

static void compare(bench *b, sl_view text)
{
    label_plainly(b, text);
    expect_alike(b, &SL_TAG_KERNEL_PORTABLE, text);
    if (sl_tag_kernel_x86() != NULL) {
        expect_alike(b, sl_tag_kernel_x86(), text);
    }
}

static const char *const PIECES[] = {
    "Mrs. Jane Holloway was seen by Dr. Okafor today.",
    "john smith",
    "Springfield",
    "Mercy Clinic in ",
    "GARCIA, MARIA",
    "Patient: ",
    "DOB: ",
    "MRN 00123-44",
    "O'Brien-Lee",
    "metformin 500 mg ",
    "the patient was ",
    "She lives in ",
    "\n",
    "\n\n",
    " ",
    " ",
    ", ",
    ". ",
    ":",
    "#",
    "/",
    "\t",
    "\xC3\xA9lodie",
    "M\xC3\xBCller",
    "ACTIVE PROBLEMS ",
    "husband ",
    "St. Mary's Hospital ",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "A1c",
    "X",
    "x",
    "12",
    "'",
    "a'b",
    "Dr ",
    "Roe",
    "allergies include penicillin and sulfa drugs ",
    "Nombre: Ernesto Rivera ",
    "The pain was worse. She said that it is better now, and (also) slept. ",
    "She ",
    "dr. he ",
    "an aunt called ",
    "I ",
};

static void put_random(sl_buf *out, sl_prng *prng, size_t pieces)
{
    for (size_t i = 0; i < pieces; i++) {
        size_t from = out->n;
        uint32_t what = (uint32_t)sl_prng_below(prng, 10);
        if (what == 0) {
            for (size_t k = 1 + sl_prng_below(prng, 20); k > 0; k--) {
                assert_done(sl_buf_add_byte(out, (uint8_t)sl_prng_below(prng, 256)));
            }
        } else {
            assert_done(sl_buf_add_str(out, PIECES[sl_prng_below(prng, SL_COUNT_OF(PIECES))]));
        }
        for (size_t k = from; k < out->n && what > 7; k++) {
            out->p[k] = (uint8_t)(what == 8 ? tolower(out->p[k]) : toupper(out->p[k]));
        }
        if (sl_prng_below(prng, 2) == 0) {
            assert_done(sl_buf_add_byte(out, ' '));
        }
    }
}

static void the_fast_way_and_the_plain_one_label_alike(void **state)
{
    bench b = bench_new();
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    sl_prng prng;
    sl_prng_seed(&prng, 20261121);
    for (size_t round = 0; round < 400; round++) {
        sl_buf_clear(&text);
        put_random(&text, &prng, 1 + sl_prng_below(&prng, round % 10 == 0 ? 400 : 40));
        compare(&b, sl_buf_view(&text));
    }
    compare(&b, (sl_view){ 0 });
    bench_free(&b);
}

/* More words than are kept, so that all are forgotten in between, and tokens right at a text's end. */
static void forgetting_words_changes_nothing(void **state)
{
    bench b = bench_new();
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4 * SL_MIB };
    sl_prng prng;
    sl_prng_seed(&prng, 7);
    for (size_t round = 0; round < 20; round++) {
        sl_buf_clear(&text);
        for (size_t i = 0; i < 3000; i++) {
            char word[32];
            int n = snprintf(word, sizeof word, "%s%llx ", i % 3 == 0 ? "Q" : "q",
                             (unsigned long long)sl_prng_below(&prng, UINT32_MAX));
            assert_done(sl_buf_add(&text, sl_view_of(word, (size_t)n)));
        }
        put_random(&text, &prng, 20);
        compare(&b, sl_buf_view(&text));
    }
    assert_true(b.most > 32768);
    assert_true(b.words->n < b.most);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fast_way_and_the_plain_one_label_alike),
        cmocka_unit_test(forgetting_words_changes_nothing),
    };
    return cmocka_run_group_tests_name("tagger path", tests, NULL, NULL);
}
