/* The n-gram model: its probabilities are probabilities, training helps, seeds repeat, what it was
 * trained on it recites, and its file form refuses what is not whole. */
#include "test.h"

#include <math.h>

#include "run.h"

static const char *const documents[] = {
    "Subject 1001 was seen at week 4. Blood pressure was 120/80 mmHg and the dose was kept.\n",
    "Subject 1002 was seen at week 4. Blood pressure was 131/85 mmHg and the dose was lowered.\n",
    "Subject 1003 was seen at week 8. Heart rate was 71 and the dose was kept.\n",
    "El paciente 1004 acudi\xC3\xB3 a la visita de la semana 8 sin s\xC3\xADntomas.\n",
};

static void train(ngram_model *model, size_t count, unsigned passes)
{
    assert_done(ngram_model_init(model, 16, passes));
    for (size_t i = 0; i < count; i++) {
        assert_done(ngram_model_document(model, sl_view_str(documents[i])));
    }
    assert_done(ngram_model_sort(model));
}

/* In nats over the whole text, so that it does not depend on how the text falls into tokens. */
static double surprise(const ngram_model *model, const char *text)
{
    double sum = 0;
    size_t tokens = 0;
    assert_done(ngram_model_score(model, sl_view_str(text), &sum, &tokens));
    return -sum;
}

static void continue_text(const ngram_model *model, const char *prompt,
                          const ngram_sampling *sampling, sl_buf *out)
{
    SL_OWN(ngram_run, run, ngram_run_free) = { .model = NULL };
    assert_done(ngram_run_start(&run, model, sampling, sl_view_str(prompt)));
    while (run.finish == NULL) {
        ngram_choice choice;
        assert_done(ngram_run_step(&run, &choice));
        assert_true(choice.log_p <= 0);
        assert_done(sl_buf_add(out, ngram_run_release(&run)));
    }
    assert_done(sl_buf_add(out, ngram_run_release(&run)));
    assert_true(sl_view_eq(sl_buf_view(out), sl_buf_view(&run.text)));
}

static void distributions_sum_to_one_and_agree_with_single_probabilities(void **state)
{
    SL_OWN(ngram_model, model, ngram_model_free) = { .order = 0 };
    train(&model, SL_COUNT_OF(documents), 3);
    SL_OWN(ngram_tokens, context, ngram_tokens_free) = { .max = 100 };
    assert_done(ngram_encode(&model.vocabulary, SL_LIT("Subject 1003 was seen at"), &context));
    double *p = calloc(model.vocabulary.count, sizeof *p);
    for (size_t n = 0; n <= context.n; n++) {
        ngram_model_distribution(&model, context.p, n, p);
        double sum = 0;
        for (size_t t = 0; t < model.vocabulary.count; t++) {
            double one = ngram_model_probability(&model, context.p, n, (uint32_t)t);
            assert_true(one > 0 && fabs(one - p[t]) < 1e-12);
            sum += p[t];
        }
        assert_true(fabs(sum - 1) < 1e-9);
    }
    free(p);
}

/* Sentences of a small grammar, so that there is something to learn beyond the words. */
static void write_sentence(sl_prng *prng, sl_buf *out)
{
    static const char *const who[] = { "The patient", "The nurse", "The sponsor", "Her doctor" };
    static const char *const did[] = { "reported", "noted", "denied", "asked about" };
    static const char *const what[] = { "mild headache", "severe nausea", "the dose", "a rash" };
    static const char *const when[] = { "at week", "before week", "after week" };
    assert_done(sl_buf_addf(out, "%s %s %s %s %u.\n", who[sl_prng_below(prng, 4)],
                            did[sl_prng_below(prng, 4)], what[sl_prng_below(prng, 4)],
                            when[sl_prng_below(prng, 3)], (unsigned)sl_prng_below(prng, 9)));
}

static void surprise_falls_with_training(void **state)
{
    SL_OWN(sl_buf, held_out, sl_buf_free) = { .max = SL_MIB };
    sl_prng prng;
    sl_prng_seed(&prng, 99);
    for (size_t i = 0; i < 30; i++) {
        write_sentence(&prng, &held_out);
    }
    assert_done(sl_buf_add_byte(&held_out, 0));
    double before = INFINITY;
    for (size_t count = 5; count <= 500; count *= 10) {
        SL_OWN(ngram_model, model, ngram_model_free) = { .order = 0 };
        assert_done(ngram_model_init(&model, 5, 1));
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
        sl_prng_seed(&prng, 1);
        for (size_t i = 0; i < count; i++) {
            write_sentence(&prng, &text);
        }
        assert_done(ngram_model_document(&model, sl_buf_view(&text)));
        assert_done(ngram_model_sort(&model));
        double now = surprise(&model, (const char *)held_out.p);
        assert_true(now < before * 0.9);
        before = now;
    }
}

static void a_memorised_record_is_continued_verbatim(void **state)
{
    SL_OWN(ngram_model, model, ngram_model_free) = { .order = 0 };
    train(&model, SL_COUNT_OF(documents), 1);
    ngram_sampling sampling = { .temperature = 0, .top_p = 1, .tokens_max = 100 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4096 };
    continue_text(&model, "Subject 1002 was", &sampling, &out);
    assert_view(sl_buf_view(&out), documents[1] + strlen("Subject 1002 was"));
}

static void the_same_seed_gives_the_same_text_and_another_seed_another(void **state)
{
    SL_OWN(ngram_model, model, ngram_model_free) = { .order = 0 };
    train(&model, SL_COUNT_OF(documents), 1);
    SL_OWN(sl_buf, first, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_buf, other, sl_buf_free) = { .max = 65536 };
    ngram_sampling sampling = { .temperature = 1.5, .top_p = 0.95, .seed = 7, .tokens_max = 60 };
    continue_text(&model, "Subject", &sampling, &first);
    continue_text(&model, "Subject", &sampling, &again);
    sampling.seed = 8;
    continue_text(&model, "Subject", &sampling, &other);
    assert_true(sl_view_eq(sl_buf_view(&first), sl_buf_view(&again)));
    assert_false(sl_view_eq(sl_buf_view(&first), sl_buf_view(&other)));
}

static void a_stop_string_across_tokens_is_never_released(void **state)
{
    SL_OWN(ngram_model, model, ngram_model_free) = { .order = 0 };
    train(&model, SL_COUNT_OF(documents), 1);
    ngram_sampling sampling = { .temperature = 0,
                                .top_p = 1,
                                .tokens_max = 100,
                                .stops = { SL_LIT("ssure was"), SL_LIT("pressure was 9") },
                                .stop_count = 2 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4096 };
    continue_text(&model, "Subject 1001 was", &sampling, &out);
    assert_view(sl_buf_view(&out), " seen at week 4. Blood pre");
}

static void limits_end_with_length(void **state)
{
    SL_OWN(ngram_model, model, ngram_model_free) = { .order = 0 };
    train(&model, 1, 1);
    ngram_sampling sampling = { .temperature = 0, .top_p = 1, .tokens_max = 3 };
    SL_OWN(ngram_run, run, ngram_run_free) = { .model = NULL };
    assert_done(ngram_run_start(&run, &model, &sampling, SL_LIT("Subject")));
    ngram_choice choice;
    for (size_t i = 0; i < 3; i++) {
        assert_null(run.finish);
        assert_done(ngram_run_step(&run, &choice));
    }
    assert_string_equal(run.finish, "length");
}

static void the_file_form_round_trips_and_every_shorter_file_is_refused(void **state)
{
    SL_OWN(ngram_model, model, ngram_model_free) = { .order = 0 };
    train(&model, 2, 2);
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SL_MIB };
    assert_done(ngram_model_write(&model, &bytes));
    for (size_t n = 0; n < bytes.n; n++) {
        ngram_model broken = { .order = 0 };
        sl_res r = ngram_model_read(sl_view_of(bytes.p, n), &broken);
        assert_false(sl_ok(r));
    }
    SL_OWN(ngram_model, back, ngram_model_free) = { .order = 0 };
    assert_done(ngram_model_read(sl_buf_view(&bytes), &back));
    assert_true(fabs(surprise(&back, documents[0]) - surprise(&model, documents[0])) < 1e-9);
    bytes.p[0] ^= 1;
    ngram_model other = { .order = 0 };
    assert_code(ngram_model_read(sl_buf_view(&bytes), &other), SL_E_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distributions_sum_to_one_and_agree_with_single_probabilities),
        cmocka_unit_test(surprise_falls_with_training),
        cmocka_unit_test(a_memorised_record_is_continued_verbatim),
        cmocka_unit_test(the_same_seed_gives_the_same_text_and_another_seed_another),
        cmocka_unit_test(a_stop_string_across_tokens_is_never_released),
        cmocka_unit_test(limits_end_with_length),
        cmocka_unit_test(the_file_form_round_trips_and_every_shorter_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
