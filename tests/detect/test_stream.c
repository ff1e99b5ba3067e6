/* Streams: P2 (the same text in any split gives the same released text, verdict and cut offset), and
 * that nothing protected is released before its verdict. */
#include "test.h"

#include "detect/engines.h"
#include "detect/stream.h"

typedef struct {
    engines e;
    sl_policy *policy;
    sl_pseudonyms *map;
    sl_flow *flow; /* or NULL */
} fixture;

typedef struct {
    sl_buf text;
    sl_stream_report report;
} outcome;

static uint32_t random_next(uint32_t *x)
{
    *x = *x * 1664525U + 1013904223U;
    return *x >> 8;
}

/* Runs `text` in pieces: of `fixed` bytes, or of random sizes up to 40 when it is 0. */
static outcome run(fixture *f, sl_view text, size_t fixed, uint32_t seed)
{
    sl_stream_options options = { .detect = f->e.detect,
                                  .scratch = f->e.scratch,
                                  .policy = f->policy,
                                  .context = { .door = SL_DOOR_ASK, .channel = SL_CHANNEL_ANSWER },
                                  .pseudonyms = f->map,
                                  .restore = true,
                                  .flow = f->flow };
    sl_stream *s = NULL;
    outcome o = { .text = { .max = (size_t)1 << 24 } };
    assert_done(sl_stream_new(&options, &s));
    for (size_t at = 0; at < text.n;) {
        size_t n = fixed != 0 ? fixed : 1 + random_next(&seed) % 40;
        n = n < text.n - at ? n : text.n - at;
        assert_done(sl_stream_feed(s, sl_view_sub(text, at, at + n), &o.text));
        at += n;
    }
    assert_done(sl_stream_finish(s, &o.text));
    o.report = *sl_stream_report_get(s);
    sl_stream_free(s);
    return o;
}

static void same(const outcome *a, const outcome *b)
{
    assert_true(sl_view_eq(sl_buf_view(&a->text), sl_buf_view(&b->text)));
    assert_int_equal(a->report.verdict, b->report.verdict);
    assert_true(a->report.cut_offset == b->report.cut_offset);
    assert_int_equal(a->report.transforms, b->report.transforms);
    assert_int_equal(a->report.restored, b->report.restored);
    assert_true(a->report.bytes_released == b->report.bytes_released);
    assert_true(a->report.rewritten_at == b->report.rewritten_at);
    assert_true(a->report.bytes_too_late == b->report.bytes_too_late);
}

static void check_splits(fixture *f, sl_view text, uint32_t seed)
{
    static const size_t SIZES[] = { 1, 2, 7, 63, 64, 65, 1000 };
    outcome whole = run(f, text, text.n + 1, 0);
    for (size_t i = 0; i < SL_COUNT_OF(SIZES); i++) {
        outcome o = run(f, text, SIZES[i], 0);
        same(&whole, &o);
        sl_buf_free(&o.text);
    }
    for (uint32_t i = 0; i < 5; i++) {
        outcome o = run(f, text, 0, seed + i);
        same(&whole, &o);
        sl_buf_free(&o.text);
    }
    sl_buf_free(&whole.text);
}

/* Fragments that begin, end and disguise findings; joined at random they make texts that cut, mask,
 * hold and restore in every order. */
static const char *const FRAGMENTS[] = {
    "The patient reports feeling better. ",
    "Seen on 03/14/2024 ",
    "SSN 123-45-6789, ",
    "call (415) 555-0132 ",
    "Anneliese Quirinsdottir ",
    "zx7-310-0042\n",
    "jos\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c ",
    "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 ",
    "aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQgdGV4dA== ",
    "v i o l e t ",
    "1 2 3 - 4 5 - 6 7 8 9 ",
    "01001010 01100001 01101110 ",
    "see <https://example.org/x> and https://elsewhere.test/y?z=1 ",
    "{\"a\":[1,2,3],\"b\":\"x\"} ",
    "%4Aane%20Doe ",
    "MRN: ",
    "00483921 ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\xff\xfe broken ",
    "-----BEGIN ",
};

static void random_text(sl_buf *out, uint32_t *seed, size_t fragments)
{
    sl_buf_clear(out);
    for (size_t i = 0; i < fragments; i++) {
        size_t k = random_next(seed) % SL_COUNT_OF(FRAGMENTS);
        assert_done(sl_buf_add_str(out, FRAGMENTS[k]));
    }
    if (random_next(seed) % 4 == 0) {
        assert_done(sl_buf_add_str(out, "the violet heron 88213 "));
        for (size_t i = 0; i < 20; i++) {
            assert_done(sl_buf_add_str(out, FRAGMENTS[random_next(seed) % 4]));
        }
    }
}

static void every_split_gives_the_same(void **state)
{
    fixture *f = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    uint32_t seed = 20240314;
    for (uint32_t round = 0; round < 30; round++) {
        random_text(&text, &seed, 1 + random_next(&seed) % 60);
        check_splits(f, sl_buf_view(&text), round);
    }
}

static void a_long_token_gives_the_same_and_is_cut(void **state)
{
    fixture *f = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    assert_done(sl_buf_add_str(&text, "It begins here. "));
    for (size_t i = 0; i < 20000; i++) {
        assert_done(sl_buf_add_byte(&text, (uint8_t)('a' + i % 7)));
    }
    outcome whole = run(f, sl_buf_view(&text), text.n, 0);
    outcome bytes = run(f, sl_buf_view(&text), 1, 0);
    same(&whole, &bytes);
    assert_int_equal(whole.report.verdict, SL_VERDICT_CUT);
    assert_int_equal(whole.report.cause.kind, SL_CLASS_OVERLONG);
    assert_view(sl_buf_view(&whole.text), "It begins here. ");
    sl_buf_free(&whole.text);
    sl_buf_free(&bytes.text);
}

static void a_canary_is_cut_before_its_first_byte(void **state)
{
    fixture *f = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    for (size_t before = 0; before < 1200; before += 37) {
        sl_buf_clear(&text);
        while (text.n < before) {
            assert_done(sl_buf_add_str(&text, "quiet words "));
        }
        size_t at = text.n;
        assert_done(sl_buf_add_str(&text, "violet heron 88213 and much more after it"));
        outcome o = run(f, sl_buf_view(&text), 3, 0);
        assert_int_equal(o.report.verdict, SL_VERDICT_CUT);
        assert_int_equal(o.report.cause.detector, SL_DETECTOR_CANARY);
        assert_int_equal(o.report.cause.start, at);
        assert_true(o.report.cut_offset <= at);
        assert_int_equal(o.report.bytes_too_late, 0);
        assert_true(sl_view_find(sl_buf_view(&o.text), SL_LIT("viol"), 0) == SIZE_MAX);
        sl_buf_free(&o.text);
    }
}

static void identifiers_are_masked_whole_in_every_split(void **state)
{
    fixture *f = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    for (size_t i = 0; i < 60; i++) {
        assert_done(sl_buf_addf(&text, "Note %zu. SSN 123-45-6789 and (415) 555-0132. ", i + 1));
    }
    outcome o = run(f, sl_buf_view(&text), 1, 0);
    assert_int_equal(o.report.verdict, SL_VERDICT_TRANSFORM);
    assert_int_equal(o.report.transforms, 120);
    assert_int_equal(o.report.rewritten_at, strlen("Note 1. SSN "));
    assert_true(sl_view_find(sl_buf_view(&o.text), SL_LIT("6789"), 0) == SIZE_MAX);
    assert_true(sl_view_find(sl_buf_view(&o.text), SL_LIT("0132"), 0) == SIZE_MAX);
    assert_true(sl_view_find(sl_buf_view(&o.text), SL_LIT("Note 60. SSN ***"), 0) != SIZE_MAX);
    sl_buf_free(&o.text);
}

static void surrogates_come_back_in_every_split(void **state)
{
    fixture *f = *state;
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = 100 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 16 };
    assert_done(sl_pseudonyms_get(f->map, SL_CLASS_NAME, SL_LIT("Jane Doe"), &name));
    for (size_t i = 0; i < 40; i++) {
        assert_done(sl_buf_addf(&text, "I told %.*s so. ", SL_FMT(sl_buf_view(&name))));
    }
    outcome o = run(f, sl_buf_view(&text), 1, 0);
    assert_int_equal(o.report.restored, 80); /* two words each */
    size_t count = 0;
    for (size_t at = 0;
         (at = sl_view_find(sl_buf_view(&o.text), SL_LIT("Jane Doe"), at)) != SIZE_MAX; at++) {
        count++;
    }
    assert_int_equal(count, 40);
    sl_buf_free(&o.text);
    check_splits(f, sl_buf_view(&text), 3);
}

/* What a document said before: its addresses and words need leave in links and images. */
static void open_flow(fixture *f, sl_flow_rules **ret_rules)
{
    assert_done(sl_flow_rules_load_default(ret_rules));
    assert_done(sl_flow_new(*ret_rules, &f->flow));
    assert_done(sl_flow_take(f->flow, SL_CHANNEL_DOCUMENT, 1, (sl_view){ 0 },
                             SL_LIT("All is at https://example.org/share and the grey heron sleeps "
                                    "behind the old mill since the spring.")));
}

static void close_flow(fixture *f, sl_flow_rules *rules)
{
    sl_flow_free(f->flow);
    f->flow = NULL;
    sl_flow_rules_free(rules);
}

/* Whatever comes before it, an address is held until it is whole, and the cut is at its beginning. */
static void links_are_held_and_judged_in_every_split(void **state)
{
    static const struct {
        const char *link;
        bool cut;
    } CASES[] = {
        { "![a picture](https://example.org/share?d=a,b;c) ", true },
        { "[it](https://example.org/share/1) ", true },
        { "[it](https://example.org/share) ", false },
        { "<https://example.com/a,b,c,the+grey,heron;sleeps(behind[the{old+mill> ", true },
        { "https://example.com/a,b;c(d[e{f ", false },
        { "![an image whose words of explanation go on for so long that the beginning of them is out of "
          "sight when the address comes, which is not until more than two hundred letters have been "
          "told about it, and told again, until in the end it comes](https://example.org/share) ",
          true },
    };
    fixture *f = *state;
    sl_flow_rules *rules = NULL;
    open_flow(f, &rules);
    for (size_t i = 0; i < 40 * SL_COUNT_OF(CASES); i++) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
        size_t k = i / 40;
        while (text.n < i % 40 * 17) {
            assert_done(sl_buf_add_str(&text, "quiet words "));
        }
        size_t at = text.n + sl_view_find(sl_view_str(CASES[k].link), SL_LIT("https"), 0);
        assert_done(sl_buf_add_str(&text, CASES[k].link));
        assert_done(sl_buf_add_str(&text, "and that is all there is to be said about it."));
        outcome o = run(f, sl_buf_view(&text), 3, 0);
        if ((o.report.verdict == SL_VERDICT_CUT) != CASES[k].cut) {
            fail_msg("verdict %d on %.*s", o.report.verdict, SL_FMT(sl_buf_view(&text)));
        }
        assert_true(CASES[k].cut ? o.text.n <= at : o.report.bytes_released == text.n);
        assert_int_equal(o.report.bytes_too_late, 0);
        sl_buf_free(&o.text);
        if (i % 13 == 0) {
            check_splits(f, sl_buf_view(&text), 7);
        }
    }
    close_flow(f, rules);
}

static void clean_text_passes_unchanged_and_in_time(void **state)
{
    fixture *f = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)1 << 20 };
    for (size_t i = 0; i < 400; i++) {
        assert_done(sl_buf_add_str(&text, "Take one tablet with food and rest. "));
    }
    sl_stream_options options = { .detect = f->e.detect,
                                  .scratch = f->e.scratch,
                                  .policy = f->policy,
                                  .context = { .door = SL_DOOR_ASK,
                                               .channel = SL_CHANNEL_ANSWER } };
    sl_stream *s = NULL;
    assert_done(sl_stream_new(&options, &s));
    for (size_t at = 0; at < text.n; at += 5) {
        assert_done(sl_stream_feed(s, sl_view_sub(sl_buf_view(&text), at, at + 5), &out));
        size_t seen = at + 5 < text.n ? at + 5 : text.n;
        /* No more than the hold-back, a step and a token behind. */
        assert_true(seen - out.n < 256 + 64 + 16);
    }
    assert_done(sl_stream_finish(s, &out));
    assert_true(sl_view_eq(sl_buf_view(&text), sl_buf_view(&out)));
    assert_int_equal(sl_stream_report_get(s)->verdict, SL_VERDICT_ALLOW);
    sl_stream_free(s);
}

int main(void)
{
    static const uint8_t KEY[32] = { 77 };
    fixture f = { .e = engines_new() };
    assert_done(sl_policy_load_default(&f.policy));
    assert_done(sl_pseudonyms_new(KEY, f.e.detect, 1 << 20, &f.map));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_split_gives_the_same, &f),
        cmocka_unit_test_prestate(a_long_token_gives_the_same_and_is_cut, &f),
        cmocka_unit_test_prestate(a_canary_is_cut_before_its_first_byte, &f),
        cmocka_unit_test_prestate(identifiers_are_masked_whole_in_every_split, &f),
        cmocka_unit_test_prestate(surrogates_come_back_in_every_split, &f),
        cmocka_unit_test_prestate(links_are_held_and_judged_in_every_split, &f),
        cmocka_unit_test_prestate(clean_text_passes_unchanged_and_in_time, &f),
    };
    int failed = cmocka_run_group_tests_name("stream", tests, NULL, NULL);
    sl_pseudonyms_free(f.map);
    sl_policy_free(f.policy);
    engines_free(&f.e);
    return failed;
}
