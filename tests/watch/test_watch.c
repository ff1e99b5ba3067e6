/* The watch says what it knows for certain: shipped rules, budgets from leaves, silence. */
#include "test.h"

#include <dirent.h>

#include "base/file.h"
#include "watch/rules_embedded.h"
#include "watch/selftest.h"
#include "watch/watch.h"

typedef struct {
    char text[64][160];
    size_t n;
} heard;

static void on_signal(void *context, const sl_signal *s)
{
    heard *h = context;
    assert_true(h->n < SL_COUNT_OF(h->text));
    (void)snprintf(h->text[h->n++], sizeof(h->text[0]), "%.*s %s %.*s/%.*s %llu of %llu again %llu",
                   SL_FMT(s->rule), sl_level_name(s->severity), SL_FMT(s->principal),
                   SL_FMT(s->target), (unsigned long long)s->value, (unsigned long long)s->limit,
                   (unsigned long long)s->repeated);
}

static void feed(sl_watch *watch, int64_t time_s, const char *type, const char *head,
                 const char *fields)
{
    static uint64_t index;
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_addf(&leaf,
                            "{\"by\":\"ask\",\"event\":{%s\"fields\":{%s},\"type\":\"%s\"},"
                            "\"time\":%lld,\"v\":1}",
                            head, fields, type, (long long)time_s * 1000));
    assert_done(sl_watch_feed(watch, index++, sl_buf_view(&leaf), false));
}

#define HEAD_P1 "\"compartment\":\"c1\",\"door\":\"ask\","

static void shipped_rules_read_and_match(void **state)
{
    static const struct {
        const char *type;
        const char *fields;
        const char *rule; /* NULL: nothing is said */
    } cases[] = {
        { "ask.finding", "\"stage\":\"answer\",\"detector\":\"canary\"",
          "canary_released critical" },
        { "ask.finding", "\"stage\":\"request\",\"detector\":\"canary\"", NULL },
        { "ask.finding", "\"stage\":\"answer\",\"detector\":\"roster\"",
          "protected_value_released" },
        { "ledger.verified", "\"ok\":false", "proof_failed critical" },
        { "ledger.verified", "\"ok\":true", NULL },
        { "ask.outcome", "\"outcome\":\"cut\",\"classes\":{\"canary\":1}",
          "canary_released critical" },
        { "ask.outcome", "\"outcome\":\"cut\",\"rule\":\"canary-out\"",
          "canary_released critical" },
        { "ask.outcome", "\"outcome\":\"cut\",\"classes\":{\"date\":1}", NULL },
        { "ask.outcome", "\"classes\":{\"roster_value\":2}", "protected_value_released high" },
        { "ask.refused", "\"reason\":\"e_budget\"", "budget_refused high" },
        { "key.lease_refused", "\"process\":\"watchd\"", "lease_refused critical" },
        { "key.lease_refused", "\"process\":\"ask\",\"reason\":\"E_VALVE\"", NULL },
        { "key.lease_refused", "\"process\":\"ask\",\"reason\":\"E_DENIED\"",
          "lease_refused critical" },
        { "ask.budget", "\"decision\":\"refuse\"", "budget_refused high" },
        { "ask.budget", "\"decision\":\"allow\"", NULL },
        { "run.escape_refused", "\"layer\":\"seccomp\"", "escape_refused high" },
        { "probe.egress", "\"blocked\":false", "egress_open critical" },
        { "host.process", "\"state\":\"killed\",\"exit\":9", "process_died medium" },
        { "host.process", "\"state\":\"ended\",\"exit\":0", NULL },
        { "model.loaded", "\"signature_ok\":false", "model_unsigned critical" },
        { "ask.intent", "\"classes\":{\"tool_changed\":1}", "tool_changed high" },
        { "ask.refused", "\"classes\":{\"tool_changed\":2}", "tool_changed high" },
        { "ask.intent", "\"classes\":{\"date\":1}", NULL },
        { "vendor.checked", "\"drift\":true", "vendor_drift high" },
        { "vendor.checked", "\"drift\":false", NULL },
        { "artefact.scanned", "\"registered\":false,\"verdict\":\"allow\"",
          "artefact_unregistered low" },
        { "artefact.scanned", "\"registered\":false,\"verdict\":\"hold\"", NULL },
        { "artefact.scanned", "\"registered\":true,\"verdict\":\"allow\"", NULL },
        { "config.attested", "\"ok\":false", "policy_drift high" },
        { "seal.verified", "\"object\":\"o1\",\"ok\":false", "seal_broken critical" },
        { "seal.verified", "\"object\":\"o1\",\"ok\":true", NULL },
        { "ask.outcome", "\"outcome\":\"cut\",\"classes\":{\"tainted\":1}", "tainted_call medium" },
        { "ask.outcome", "\"outcome\":\"delivered\",\"classes\":{\"tainted\":1}", NULL },
    };
    static heard h;
    sl_watch *watch = NULL;
    assert_done(sl_watch_new(on_signal, &h, &watch));
    DIR *dir = opendir(SL_SOURCE_ROOT "/data/rules");
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (!sl_view_ends(sl_view_str(e->d_name), SL_LIT(".yml"))) {
            continue;
        }
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_KIB };
        assert_done(sl_file_read(dirfd(dir), e->d_name, &text));
        sl_res r = sl_watch_add_rule(watch, sl_buf_view(&text));
        if (!sl_ok(r)) {
            print_error("%s: %s %s line %d\n", e->d_name, sl_res_name(r), sl_detail_get()->field,
                        (int)sl_detail_get()->offset);
        }
        assert_true(sl_ok(r));
    }
    closedir(dir);
    assert_true(sl_watch_rule_count(watch) >= 10);
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        h.n = 0;
        feed(watch, 1000 + (int64_t)i * 100, cases[i].type, HEAD_P1, cases[i].fields);
        assert_int_equal(h.n, cases[i].rule == NULL ? 0 : 1);
        if (cases[i].rule != NULL &&
            strncmp(h.text[0], cases[i].rule, strlen(cases[i].rule)) != 0) {
            print_error("%s: %s\n", cases[i].type, h.text[0]);
            fail();
        }
    }
    static const struct {
        const char *type;
        const char *fields;
        const char *said;
    } about[] = {
        { "key.lease_refused", "\"process\":\"probe\"", "lease_refused critical /probe" },
        { "ledger.verified", "\"ok\":false,\"what\":\"checkpoint\"",
          "proof_failed critical /checkpoint" },
        { "ledger.verified", "\"ok\":false,\"what\":\"bundle_short\"",
          "proof_failed critical /bundle_short" }, /* within the minute, but something else */
    };
    for (size_t i = 0; i < SL_COUNT_OF(about); i++) {
        h.n = 0;
        feed(watch, 90000, about[i].type, "", about[i].fields);
        assert_int_equal(h.n, 1);
        assert_int_equal(strncmp(h.text[0], about[i].said, strlen(about[i].said)), 0);
    }
    sl_watch_free(watch);
}

static sl_res no_rules(sl_watch *watch)
{
    (void)watch;
    return SL_DONE;
}

static sl_res shipped_rules(sl_watch *watch)
{
    for (size_t i = 0; i < sl_watch_rules_count; i++) {
        SL_TRY(sl_watch_add_rule(watch, sl_view_of(sl_watch_rules[i].bytes, sl_watch_rules[i].n)));
    }
    return SL_DONE;
}

static void it_tries_itself_and_notices_that_its_rules_are_gone(void **state)
{
    for (size_t i = 0; i < SL_SELFTEST_SCENARIOS; i++) {
        bool seen = false;
        assert_done(sl_watch_selftest(i, shipped_rules, &seen));
        assert_true(seen);
        assert_done(sl_watch_selftest(i, no_rules, &seen));
        assert_false(seen);
    }
}

static void budgets_are_counted_from_leaves(void **state)
{
    static heard h;
    h.n = 0;
    sl_watch *watch = NULL;
    assert_done(sl_watch_new(on_signal, &h, &watch));
    feed(watch, 100, "grant.issued", "",
         "\"grant\":\"g1\",\"requests_per_h\":3,\"tokens_per_d\":100");
    for (int i = 0; i < 3; i++) {
        feed(watch, 200 + i, "ask.intent", HEAD_P1, "\"grant\":\"g1\"");
    }
    feed(watch, 210, "ask.intent", HEAD_P1, "\"grant\":\"other\"");
    assert_int_equal(h.n, 0);
    feed(watch, 211, "ask.intent", HEAD_P1, "\"grant\":\"g1\"");
    assert_int_equal(h.n, 1);
    assert_string_equal(h.text[0], "budget_requests high /g1 4 of 3 again 0");
    feed(watch, 212, "ask.intent", HEAD_P1, "\"grant\":\"g1\""); /* within the minute: held back */
    assert_int_equal(h.n, 1);
    feed(watch, 300, "ask.intent", HEAD_P1, "\"grant\":\"g1\"");
    assert_int_equal(h.n, 2);
    assert_string_equal(h.text[1], "budget_requests high /g1 6 of 3 again 1");
    feed(watch, 100 + 2 * 3600, "ask.intent", HEAD_P1, "\"grant\":\"g1\""); /* the hour is over */
    assert_int_equal(h.n, 2);
    feed(watch, 8000, "ask.outcome", HEAD_P1,
         "\"grant\":\"g1\",\"input_tokens\":60,\"output_tokens\":40");
    assert_int_equal(h.n, 2);
    feed(watch, 8001, "ask.outcome", HEAD_P1, "\"grant\":\"g1\",\"output_tokens\":1");
    assert_int_equal(h.n, 3);
    assert_string_equal(h.text[2], "budget_tokens high /g1 101 of 100 again 0");
    sl_watch_free(watch);
}

static void silence_is_heard_once_and_ends(void **state)
{
    static heard h;
    h.n = 0;
    sl_watch *watch = NULL;
    assert_done(sl_watch_new(on_signal, &h, &watch));
    assert_done(sl_watch_add_silence(watch, SL_LIT("silent_ask"), SL_LIT("door.counted"),
                                     SL_LIT("ask"), 90000, 1000000));
    sl_watch_tick(watch, 1090000);
    assert_int_equal(h.n, 0);
    sl_watch_tick(watch, 1091000);
    sl_watch_tick(watch, 1092000);
    assert_int_equal(h.n, 1);
    assert_string_equal(h.text[0], "silent_ask high /ask 91 of 90 again 0");
    feed(watch, 1200, "door.counted", "\"door\":\"ingest\",", "\"count\":0"); /* another door's */
    sl_watch_tick(watch, 1500000);
    assert_int_equal(h.n, 1);
    feed(watch, 1600, "door.counted", HEAD_P1, "\"count\":0");
    sl_watch_tick(watch, 1650000);
    assert_int_equal(h.n, 1);
    sl_watch_tick(watch, 1700000);
    assert_int_equal(h.n, 2);
    sl_watch_free(watch);
}

static void broken_leaves_are_named_not_fatal(void **state)
{
    static heard h;
    h.n = 0;
    sl_watch *watch = NULL;
    assert_done(sl_watch_new(on_signal, &h, &watch));
    assert_false(sl_ok(sl_watch_feed(watch, 1, SL_LIT("{}"), false)));
    assert_false(sl_ok(sl_watch_feed(watch, 2, SL_LIT("no json"), false)));
    feed(watch, 5, "ask.intent", HEAD_P1, "");
    assert_int_equal(h.n, 0);
    sl_watch_free(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_rules_read_and_match),
        cmocka_unit_test(it_tries_itself_and_notices_that_its_rules_are_gone),
        cmocka_unit_test(budgets_are_counted_from_leaves),
        cmocka_unit_test(silence_is_heard_once_and_ends),
        cmocka_unit_test(broken_leaves_are_named_not_fatal),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
