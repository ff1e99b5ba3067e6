/* From signal to containment and back to the ledger: closing first, nothing twice, nothing lost. */
#include "test.h"

#include <fcntl.h>

#include "base/file.h"
#include "ledger/events.gen.h"
#include "respond/responder.h"

#define NOW_MS ((int64_t)2000000000000)

typedef struct {
    char told[64][96]; /* "contain cut p1", "record incident.opened" */
    size_t n;
    sl_code fail; /* what containing says, SL_OK at first */
    unsigned ids;
    uint64_t time_us;
    char regimes[64]; /* of the incident opened last, as written */
} world;

static void tell(world *w, const char *what, sl_view a, sl_view b)
{
    assert_true(w->n < SL_COUNT_OF(w->told));
    (void)snprintf(w->told[w->n++], sizeof(w->told[0]), "%s %.*s%s%.*s", what, SL_FMT(a),
                   b.n > 0 ? " " : "", SL_FMT(b));
}

static sl_res contain(void *context, sl_containment kind, sl_view target, uint64_t *ret_epoch)
{
    world *w = context;
    tell(w, "contain", sl_view_str(sl_containment_word(kind)), target);
    *ret_epoch = 8;
    w->time_us += 40;
    return w->fail == SL_OK ? SL_DONE : sl_fail(w->fail);
}

static sl_res record(void *context, sl_view event)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(event, &doc));
    const sl_json_node *root = sl_json_root(&doc);
    const sl_json_node *kind = sl_json_get(&doc, sl_json_get(&doc, root, "fields"), "action_kind");
    const sl_json_node *regimes = sl_json_get(&doc, sl_json_get(&doc, root, "fields"), "regimes");
    if (regimes != NULL) {
        sl_view regimes_text = sl_json_source(&doc, regimes);
        (void)snprintf(((world *)context)->regimes, sizeof((world *)context)->regimes, "%.*s",
                       SL_FMT(regimes_text));
    }
    bool containment = false;
    assert_done(sl_event_check(event, "warden", &containment));
    assert_true(containment); /* it may use the space kept for closing */
    tell(context, "record", sl_json_get(&doc, root, "type")->raw,
         kind == NULL ? (sl_view){ 0 } : kind->raw);
    return SL_DONE;
}

static sl_res fresh_id(void *context, char ret_id[17])
{
    world *w = context;
    (void)snprintf(ret_id, 17, "%016x", ++w->ids);
    return SL_DONE;
}

static uint64_t mono_us(void *context)
{
    return ((world *)context)->time_us;
}

static sl_responder *begin(world *w)
{
    sl_responder_ways ways = { contain, record, fresh_id, mono_us, w };
    sl_responder *r = NULL;
    assert_done(sl_responder_new(&ways, &r));
    static const char *const names[] = { "leak", "stolen_key", "tampered_ledger" };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/data/playbooks/%s.json", SL_SOURCE_ROOT, names[i]);
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1 * SL_MIB };
        assert_done(sl_file_read(AT_FDCWD, path, &text));
        assert_done(sl_responder_add_playbook(r, sl_buf_view(&text)));
    }
    return r;
}

static void signal_leaf(sl_responder *r, uint64_t index, int64_t age_ms, const char *rule,
                        const char *severity, const char *principal)
{
    sl_event_head head = { .principal = sl_view_str(principal) };
    sl_event_watch_signal fields = { .signal = SL_LIT("s1"),
                                     .severity = sl_view_str(severity),
                                     .rule = sl_view_str(rule) };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_emit_watch_signal(&head, &fields, &event));
    assert_done(sl_leaf_wrap(sl_buf_view(&event), "watchd", (uint64_t)(NOW_MS - age_ms), &leaf));
    assert_done(sl_responder_leaf(r, index, sl_buf_view(&leaf)));
}

static void expect(const world *w, size_t from, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(from + i < w->n);
        assert_string_equal(w->told[from + i], lines[i]);
    }
    assert_int_equal(w->n, from + count);
}

static void closing_comes_before_writing(void **state)
{
    world w = { 0 };
    sl_responder *r = begin(&w);
    assert_done(sl_responder_live(r, NOW_MS));
    signal_leaf(r, 5, 0, "budget_refused", "high", "p1");
    static const char *const lines[] = {
        "contain cut p1",          "contain close_principal p1",          "record incident.opened",
        "record action.taken cut", "record action.taken close_principal",
    };
    expect(&w, 0, lines, SL_COUNT_OF(lines));
    const sl_incident *incident = sl_incidents_at(sl_responder_incidents(r), 0);
    assert_int_equal(incident->signal_index, 5);
    assert_int_equal(incident->actions[1].duration_us, 40);

    /* the same again at once: the door is shut already, the answer that runs is cut */
    signal_leaf(r, 6, 0, "budget_refused", "high", "p1");
    static const char *const again[] = { "contain cut p1", "record incident.joined",
                                         "record action.taken cut" };
    expect(&w, SL_COUNT_OF(lines), again, SL_COUNT_OF(again));
    assert_int_equal(sl_incidents_count(sl_responder_incidents(r)), 1);
    sl_responder_free(r);
}

/* A grave incident names the rules that ask for its notice, and no other does. */
static void grave_incidents_start_their_clocks(void **state)
{
    static const sl_view regimes[] = { { (const uint8_t *)"gdpr", 4 },
                                       { (const uint8_t *)"nis2", 4 } };
    static const char *const severities[] = { "low", "medium", "high", "critical" };
    for (size_t i = 0; i < SL_COUNT_OF(severities); i++) {
        world w = { 0 };
        sl_responder *r = begin(&w);
        assert_done(sl_responder_regimes(r, regimes, SL_COUNT_OF(regimes)));
        assert_done(sl_responder_live(r, NOW_MS));
        signal_leaf(r, 5, 0, "budget_refused", severities[i], "p1");
        assert_string_equal(w.regimes, i < 2 ? "[]" : "[\"gdpr\",\"nis2\"]");
        sl_responder_free(r);
    }
}

static void what_fails_is_written_as_failed(void **state)
{
    world w = { .fail = SL_E_NOT_FOUND };
    sl_responder *r = begin(&w);
    assert_done(sl_responder_live(r, NOW_MS));
    signal_leaf(r, 5, 0, "proof_failed", "critical", "");
    static const char *const lines[] = {
        "contain close_site site",
        "record incident.opened",
        "record action.failed close_site",
    };
    expect(&w, 0, lines, SL_COUNT_OF(lines));
    w.fail = SL_OK; /* what failed does not stand: it is tried again */
    signal_leaf(r, 9, 0, "proof_failed", "critical", "");
    assert_string_equal(w.told[3], "contain close_site site");
    sl_responder_free(r);
}

static void the_past_is_acted_on_once(void **state)
{
    world w = { 0 };
    sl_responder *r = begin(&w);
    signal_leaf(r, 1, 2 * SL_RESPONDER_LATE_MS, "budget_refused", "high", "old");
    signal_leaf(r, 2, 5000, "budget_refused", "high", "p1");
    signal_leaf(r, 3, 4000, "budget_refused", "high", "p2");
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_event_head head = { .principal = SL_LIT("p2") };
    static const sl_view none[1];
    sl_event_incident_opened opened = { .incident = SL_LIT("i9"),
                                        .severity = SL_LIT("high"),
                                        .rule = SL_LIT("budget_refused"),
                                        .has_signal_index = true,
                                        .signal_index = 3,
                                        .regimes = { none, 0 } };
    assert_done(sl_emit_incident_opened(&head, &opened, &event));
    assert_done(sl_leaf_wrap(sl_buf_view(&event), "warden", (uint64_t)NOW_MS - 3900, &leaf));
    assert_done(sl_responder_leaf(r, 4, sl_buf_view(&leaf)));
    assert_int_equal(w.n, 0);
    assert_done(sl_responder_live(r, NOW_MS));
    assert_int_equal(w.n, 5); /* p1 alone: the oldest is for an operator, p2 has its incident */
    assert_string_equal(w.told[0], "contain cut p1");
    sl_responder_free(r);
}

/* A signal that joined an open case was answered too: after a restart, and after operators opened again what it had
 * closed, it must close nothing. */
static void what_joined_a_case_is_not_acted_on_again(void **state)
{
    (void)state;
    for (int joined = 0; joined <= 1; joined++) {
        world w = { 0 };
        sl_responder *r = begin(&w);
        SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
        SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
        sl_event_head head = { 0 };
        static const sl_view none[1];
        sl_event_incident_opened opened = { .incident = SL_LIT("i9"),
                                            .severity = SL_LIT("critical"),
                                            .rule = SL_LIT("proof_failed"),
                                            .has_signal_index = true,
                                            .signal_index = 2,
                                            .regimes = { none, 0 } };
        sl_event_incident_joined second = { .incident = SL_LIT("i9"),
                                            .rule = SL_LIT("proof_failed"),
                                            .signal_index = 3 };
        signal_leaf(r, 2, 5000, "proof_failed", "critical", "");
        signal_leaf(r, 3, 4000, "proof_failed", "critical", "");
        assert_done(sl_emit_incident_opened(&head, &opened, &event));
        assert_done(sl_leaf_wrap(sl_buf_view(&event), "warden", (uint64_t)NOW_MS - 3900, &leaf));
        assert_done(sl_responder_leaf(r, 4, sl_buf_view(&leaf)));
        sl_buf_clear(&event);
        sl_buf_clear(&leaf);
        if (joined == 1) {
            assert_done(sl_emit_incident_joined(&head, &second, &event));
            assert_done(
                sl_leaf_wrap(sl_buf_view(&event), "warden", (uint64_t)NOW_MS - 3800, &leaf));
            assert_done(sl_responder_leaf(r, 5, sl_buf_view(&leaf)));
        }
        assert_done(sl_responder_live(r, NOW_MS));
        assert_int_equal(w.n, joined == 1 ? 0 : 3); /* else the site is closed once more */
        sl_responder_free(r);
    }
}

static void small_things_without_a_playbook_open_no_incident(void **state)
{
    world w = { 0 };
    sl_responder *r = begin(&w);
    assert_done(sl_responder_live(r, NOW_MS));
    signal_leaf(r, 5, 0, "process_died", "medium", "");
    assert_int_equal(w.n, 0);
    signal_leaf(r, 6, 0, "policy_drift", "high", "");
    static const char *const lines[] = { "record incident.opened" };
    expect(&w, 0, lines, 1);
    sl_responder_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closing_comes_before_writing),
        cmocka_unit_test(grave_incidents_start_their_clocks),
        cmocka_unit_test(what_fails_is_written_as_failed),
        cmocka_unit_test(the_past_is_acted_on_once),
        cmocka_unit_test(what_joined_a_case_is_not_acted_on_again),
        cmocka_unit_test(small_things_without_a_playbook_open_no_incident),
    };
    return cmocka_run_group_tests_name("responder", tests, NULL, NULL);
}
