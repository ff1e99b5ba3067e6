/* Echo in streams: a recited record is cut at one place for every split (P2), whole strings say the same,
 * what was released before is counted, and other text passes untouched. */
#include "test.h"

#include "detect/echo.h"
#include "detect/engines.h"
#include "detect/stream.h"

static const uint8_t KEY[32] = { 77, 3 };

static const char RECORD[] =
    "Anamnesis of the harbour pilot: in the wet autumn he slipped from a barge near Ostrava, bruised the "
    "left scapula, hid it from his crew for eleven days, then fainted while tuning a borrowed cello. "
    "Cold marsh air wakes him before dawn; liquorice helps, the grey lozenges never did. His aunt keeps "
    "finches and blames the feathers. We palpated a walnut-sized knot below the clavicle, sent scrapings "
    "to Uppsala, and taught him to sleep propped against a flour sack until the second frost.";

static const char OTHER[] =
    "The model answers at length about ordinary things: gardens, kettles, the price of tea, how bread is "
    "baked, why ships float, when trains were invented, and what a good night of sleep is worth. ";

typedef struct {
    engines e;
    sl_policy *policy;
    sl_detect *detect;
} fixture;

static void make_index(sl_buf *out)
{
    sl_echo_builder *b = NULL;
    sl_echo_build_options options = { .bytes = sizeof RECORD };
    assert_done(sl_echo_builder_new(KEY, &options, &b));
    assert_done(sl_echo_builder_count(b, sl_view_str(RECORD), false));
    assert_done(sl_echo_builder_settle(b));
    assert_done(sl_echo_builder_source(b, SL_LIT("pilot")));
    assert_done(sl_echo_builder_add(b, sl_view_str(RECORD), false, 0, sizeof RECORD - 1));
    assert_done(sl_echo_builder_finish(b, out));
    sl_echo_builder_free(b);
}

static int set_up(void **state)
{
    static fixture f;
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = (size_t)1 << 20 };
    f.e = engines_new();
    assert_done(sl_policy_load_default(&f.policy));
    make_index(&index);
    assert_done(sl_detect_derive(f.e.detect, &f.detect));
    assert_done(sl_detect_add_echo(f.detect, SL_LIT("harbour"), sl_buf_view(&index), KEY));
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sl_detect_free(f->detect);
    sl_policy_free(f->policy);
    engines_free(&f->e);
    return 0;
}

static sl_stream_report run(const fixture *f, const sl_detect *detect, sl_view text, size_t piece,
                            sl_buf *out)
{
    sl_stream_options options = { .detect = detect,
                                  .scratch = f->e.scratch,
                                  .policy = f->policy,
                                  .context = { .door = SL_DOOR_ASK,
                                               .channel = SL_CHANNEL_ANSWER } };
    sl_stream *s = NULL;
    sl_buf_clear(out);
    assert_done(sl_stream_new(&options, &s));
    for (size_t at = 0; at < text.n; at += piece) {
        assert_done(sl_stream_feed(s, sl_view_sub(text, at, at + piece), out));
    }
    assert_done(sl_stream_finish(s, out));
    sl_stream_report report = *sl_stream_report_get(s);
    sl_stream_free(s);
    return report;
}

static void recite(sl_buf *text, size_t before, size_t after)
{
    for (size_t i = 0; i < before; i++) {
        assert_done(sl_buf_add_str(text, OTHER));
    }
    assert_done(sl_buf_add_str(text, RECORD));
    assert_done(sl_buf_add_byte(text, ' '));
    for (size_t i = 0; i < after; i++) {
        assert_done(sl_buf_add_str(text, OTHER));
    }
}

static void a_recited_record_is_cut_at_one_place_in_every_split(void **state)
{
    static const size_t PIECES[] = { 1, 2, 7, 63, 64, 65, 1000 };
    const fixture *f = *state;
    for (size_t before = 0; before < 12; before += 3) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
        SL_OWN(sl_buf, whole, sl_buf_free) = { .max = (size_t)1 << 20 };
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)1 << 20 };
        recite(&text, before, 10);
        sl_stream_report a = run(f, f->detect, sl_buf_view(&text), text.n + 1, &whole);
        assert_int_equal(a.verdict, SL_VERDICT_CUT);
        assert_int_equal(a.cause.detector, SL_DETECTOR_ECHO);
        assert_true(a.cut_offset < before * (sizeof OTHER - 1) + sizeof RECORD / 2);
        for (size_t i = 0; i < SL_COUNT_OF(PIECES); i++) {
            sl_stream_report b = run(f, f->detect, sl_buf_view(&text), PIECES[i], &out);
            assert_true(a.cut_offset == b.cut_offset);
            assert_true(a.bytes_too_late == b.bytes_too_late);
            assert_true(sl_view_eq(sl_buf_view(&whole), sl_buf_view(&out)));
        }
    }
}

/* With the index taken away the very same text passes: the test can fail. */
static void without_an_index_the_record_passes(void **state)
{
    const fixture *f = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)1 << 20 };
    recite(&text, 2, 2);
    sl_stream_report r = run(f, f->e.detect, sl_buf_view(&text), 40, &out);
    assert_int_not_equal(r.verdict, SL_VERDICT_CUT);
}

static void what_was_released_of_it_is_counted(void **state)
{
    const fixture *f = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)1 << 20 };
    recite(&text, 4, 4);
    size_t start = 4 * (sizeof OTHER - 1);
    sl_stream_report r = run(f, f->detect, sl_buf_view(&text), 50, &out);
    /* From the first matching word on, which is at most a stretch behind the record's first. */
    uint64_t released = r.cut_offset > start ? r.cut_offset - start : 0;
    assert_true(r.bytes_too_late <= released);
    assert_true(r.bytes_too_late + 80 >= released);
}

static void other_text_passes_untouched(void **state)
{
    const fixture *f = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)1 << 20 };
    for (size_t i = 0; i < 50; i++) {
        assert_done(sl_buf_add_str(&text, OTHER));
    }
    sl_stream_report r = run(f, f->detect, sl_buf_view(&text), 33, &out);
    assert_int_equal(r.verdict, SL_VERDICT_ALLOW);
    assert_true(sl_view_eq(sl_buf_view(&text), sl_buf_view(&out)));
}

static void whole_strings_are_told_on_the_way_out_only(void **state)
{
    const fixture *f = *state;
    SL_OWN(sl_findings, out, sl_findings_free) = { 0 };
    SL_OWN(sl_findings, in, sl_findings_free) = { 0 };
    size_t records[2] = { 0 };
    assert_done(
        sl_detect_inspect(f->detect, f->e.scratch, sl_view_str(RECORD), SL_CHANNEL_ANSWER, &out));
    assert_done(
        sl_detect_inspect(f->detect, f->e.scratch, sl_view_str(RECORD), SL_CHANNEL_USER, &in));
    for (size_t i = 0; i < out.n; i++) {
        records[0] += out.items[i].detector == SL_DETECTOR_ECHO;
    }
    for (size_t i = 0; i < in.n; i++) {
        records[1] += in.items[i].detector == SL_DETECTOR_ECHO;
    }
    assert_true(records[0] >= 1);
    assert_int_equal(records[1], 0);
}

/* ---- with somebody to ask ---- */

typedef struct {
    size_t asked;
    bool gone; /* nobody answers */
    bool denies;
} reader;

/* Compares with the record: are sixty bytes of it in the text? */
static sl_echo_answer compare(void *context, const sl_echo_question *q)
{
    reader *r = context;
    r->asked++;
    assert_view(q->index, "harbour");
    assert_view(q->place->source, "pilot");
    assert_int_equal(q->place->offset, 0);
    assert_true(q->text.n <= 8192);
    for (size_t at = 0; !r->denies && at + 60 <= sizeof RECORD - 1; at++) {
        if (sl_view_find(q->text, sl_view_of(RECORD + at, 60), 0) != SIZE_MAX) {
            return SL_ECHO_SAME;
        }
    }
    return r->gone ? SL_ECHO_UNKNOWN : SL_ECHO_OTHER;
}

/* Fifteen words of the record in an ordinary text. */
static size_t quote(sl_buf *text, size_t word, size_t words)
{
    const char *p = RECORD;
    for (size_t i = 0; i < word; i++) {
        p = strchr(p, ' ') + 1;
    }
    const char *end = p;
    for (size_t i = 0; i < words; i++) {
        end = strchr(end, ' ') + 1;
    }
    for (size_t i = 0; i < 4; i++) {
        assert_done(sl_buf_add_str(text, OTHER));
    }
    size_t start = text->n;
    assert_done(sl_buf_add(text, sl_view_of(p, (size_t)(end - p))));
    for (size_t i = 0; i < 6; i++) {
        assert_done(sl_buf_add_str(text, OTHER));
    }
    return start;
}

static void fifteen_words_that_were_compared_are_cut_before_any_of_them_left(void **state)
{
    static const size_t PIECES[] = { 1, 3, 64, 100, 5000 };
    const fixture *f = *state;
    for (size_t word = 0; word < 45; word += 9) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
        SL_OWN(sl_buf, whole, sl_buf_free) = { .max = (size_t)1 << 20 };
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)1 << 20 };
        reader r = { 0 };
        size_t start = quote(&text, word, 15);
        sl_scratch_confirm(f->e.scratch, compare, &r);
        sl_stream_report a = run(f, f->detect, sl_buf_view(&text), text.n + 1, &whole);
        assert_true(r.asked >= 1 && r.asked < 20);
        assert_int_equal(a.verdict, SL_VERDICT_CUT);
        assert_int_equal(a.cause.detector, SL_DETECTOR_ECHO);
        assert_int_equal(a.cause.score_permille, 1000);
        assert_int_equal(a.bytes_too_late, 0);
        assert_true(a.cut_offset < start + 60); /* the first words may be no shingle of the index */
        for (size_t i = 0; i < SL_COUNT_OF(PIECES); i++) {
            sl_stream_report b = run(f, f->detect, sl_buf_view(&text), PIECES[i], &out);
            assert_true(a.cut_offset == b.cut_offset && a.bytes_too_late == b.bytes_too_late);
            assert_true(sl_view_eq(sl_buf_view(&whole), sl_buf_view(&out)));
        }
        sl_scratch_confirm(f->e.scratch, NULL, NULL);
    }
}

static void what_a_comparison_refutes_is_not_cut_however_strong(void **state)
{
    const fixture *f = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)1 << 20 };
    reader r = { .denies = true };
    recite(&text, 3, 8);
    sl_scratch_confirm(f->e.scratch, compare, &r);
    sl_stream_report a = run(f, f->detect, sl_buf_view(&text), 40, &out);
    sl_scratch_confirm(f->e.scratch, NULL, NULL);
    assert_true(r.asked >= 2 && r.asked <= 12); /* again as it grows, and not for ever */
    assert_int_equal(a.verdict, SL_VERDICT_ALLOW);
    assert_true(sl_view_eq(sl_buf_view(&text), sl_buf_view(&out)));
    assert_int_equal(a.by_class[SL_CLASS_RECORD], 0);
}

static void when_nobody_answers_strong_matches_count_as_ever(void **state)
{
    const fixture *f = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)1 << 20 };
    reader r = { .gone = true, .denies = true };
    recite(&text, 3, 8);
    sl_scratch_confirm(f->e.scratch, compare, &r);
    sl_stream_report a = run(f, f->detect, sl_buf_view(&text), 40, &out);
    sl_scratch_confirm(f->e.scratch, NULL, NULL);
    assert_true(r.asked >= 1);
    assert_int_equal(a.verdict, SL_VERDICT_CUT);
}

static void whole_strings_are_asked_about_too_but_no_documents(void **state)
{
    const fixture *f = *state;
    static const sl_channel CHANNELS[] = { SL_CHANNEL_ANSWER, SL_CHANNEL_DOCUMENT };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    size_t sure[2] = { 0 };
    size_t asked[2] = { 0 };
    (void)quote(&text, 20, 15);
    for (size_t i = 0; i < 2; i++) {
        SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
        reader r = { 0 };
        sl_scratch_confirm(f->e.scratch, compare, &r);
        assert_done(
            sl_detect_inspect(f->detect, f->e.scratch, sl_buf_view(&text), CHANNELS[i], &found));
        sl_scratch_confirm(f->e.scratch, NULL, NULL);
        asked[i] = r.asked;
        for (size_t k = 0; k < found.n; k++) {
            sure[i] += found.items[k].detector == SL_DETECTOR_ECHO &&
                       found.items[k].score_permille == 1000;
        }
    }
    assert_true(sure[0] >= 1 && asked[0] >= 1);
    assert_int_equal(asked[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recited_record_is_cut_at_one_place_in_every_split),
        cmocka_unit_test(without_an_index_the_record_passes),
        cmocka_unit_test(what_was_released_of_it_is_counted),
        cmocka_unit_test(other_text_passes_untouched),
        cmocka_unit_test(whole_strings_are_told_on_the_way_out_only),
        cmocka_unit_test(fifteen_words_that_were_compared_are_cut_before_any_of_them_left),
        cmocka_unit_test(what_a_comparison_refutes_is_not_cut_however_strong),
        cmocka_unit_test(when_nobody_answers_strong_matches_count_as_ever),
        cmocka_unit_test(whole_strings_are_asked_about_too_but_no_documents),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
