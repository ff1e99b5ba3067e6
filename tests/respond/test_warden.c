/* The warden's laws: nothing opens before a durable leaf says so; closing turns the valve before anything
 * else and survives a crash; epochs never go back. The ledger here is a list that delivers when told. */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/events.gen.h"
#include "respond/warden.h"

#define EVENTS_MAX 64
#define NOW_MS INT64_C(1795000000000)
#define TRIAL "trial"
#define TRIAL_ID "0123456789abcdef0123456789abcdef"

typedef struct {
    sl_buf event;
    uint64_t token;
    bool delivered;
} queued;

static struct {
    bool away; /* the ledger does not answer */
    queued events[EVENTS_MAX];
    size_t count;
    uint64_t next; /* index of the next leaf */
    sl_buf leaves[EVENTS_MAX];
    sl_warden *warden;
    sl_valve_memory *valves;
    int state_fd;
    sl_res done;
    uint64_t done_ticket;
    sl_sign_key key;
} t;

static char directory[] = "/tmp/stoplog-warden-XXXXXX";

static sl_res take(void *context, sl_view event, uint64_t *ret_token)
{
    SL_NEED(!t.away, SL_E_CLOSED);
    assert_true(t.count < EVENTS_MAX);
    queued *q = &t.events[t.count];
    *q = (queued){ .event = { .max = SL_LEAF_BYTES_MAX }, .token = t.count + 1 };
    assert_done(sl_buf_add(&q->event, event));
    t.count++;
    *ret_token = q->token;
    return SL_DONE;
}

static void on_done(void *context, uint64_t ticket, sl_res done, uint64_t index)
{
    t.done = done;
    t.done_ticket = ticket;
}

static void new_warden(void)
{
    sl_warden_options options = {
        .valves = t.valves, .ledger = { take, NULL }, .state_fd = t.state_fd, .done = on_done
    };
    assert_done(sl_warden_new(&options, &t.warden));
}

/* The leaf stands in the ledger and is read back. */
static void add_leaf(sl_view event, const char *by)
{
    sl_buf *leaf = &t.leaves[t.next];
    *leaf = (sl_buf){ .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_leaf_wrap(event, by, (uint64_t)NOW_MS, leaf));
    uint64_t index = t.next++;
    assert_done(sl_warden_leaf(t.warden, index, sl_buf_view(leaf)));
}

/* The ledger makes everything that waits durable. */
static void deliver(void)
{
    for (size_t i = 0; i < t.count; i++) {
        if (!t.events[i].delivered) {
            t.events[i].delivered = true;
            assert_done(sl_warden_durable(t.warden, t.events[i].token, t.next));
            add_leaf(sl_buf_view(&t.events[i].event), "warden");
        }
    }
}

static void add_genesis(void)
{
    static sl_genesis_roll genesis; /* large */
    genesis = (sl_genesis_roll){ .quorum = 1, .delay_ms = 1000, .operators_count = 1 };
    (void)snprintf(genesis.site, sizeof genesis.site, "%s", "00112233445566778899aabbccddeeff");
    (void)snprintf(genesis.operators[0].person, sizeof(sl_name), "alice");
    genesis.operators[0].key = t.key.public_key;
    genesis.operators[0].roles = SL_ROLE_ALL;
    SL_OWN(sl_buf, statements, sl_buf_free) = { .max = 8192 };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_genesis_encode(&genesis, &statements));
    sl_view person = SL_LIT("alice");
    sl_event_ledger_genesis fields = { .site = sl_view_str(genesis.site),
                                       .origin = SL_LIT("test"),
                                       .vkey = SL_LIT("test"),
                                       .operators = { &person, 1 },
                                       .statements = sl_buf_view(&statements),
                                       .quorum = 1,
                                       .kms = SL_LIT("file"),
                                       .version = 1 };
    sl_event_head head = { 0 };
    assert_done(sl_emit_ledger_genesis(&head, &fields, &event));
    add_leaf(sl_buf_view(&event), "host");
}

static void start(void)
{
    sl_digest digest = { { 0 } };
    assert_done(sl_warden_start(t.warden, "test", NULL, 0, &digest));
}

/* A statement signed (with `key`) and submitted under ticket 7. */
static sl_res submit(sl_action action, const sl_sign_key *key)
{
    sl_statement s = { .action = action };
    (void)snprintf(s.site, sizeof s.site, "%s", sl_roll_site(sl_warden_roll(t.warden)));
    assert_done(sl_name_set(s.compartment, SL_LIT(TRIAL)));
    if (action == SL_ACTION_COMPARTMENT_CREATE) {
        (void)snprintf(s.compartment_id, sizeof s.compartment_id, TRIAL_ID);
    }
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_ADMIN_SUBMIT_BYTES_MAX };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 4096 };
    assert_done(sl_statement_encode(&s, &body));
    sl_approval_need need;
    assert_done(sl_roll_need(sl_warden_roll(t.warden), &s, &need));
    static uint8_t nonce;
    sl_approval a = { .action = sl_statement_digest(sl_buf_view(&body)),
                      .epoch = need.epoch,
                      .expiry_ms = NOW_MS + 60000,
                      .nonce = { ++nonce },
                      .role = need.role };
    memcpy(a.site, s.site, sizeof a.site);
    assert_done(sl_approval_sign(&a, key));
    assert_done(sl_buf_add_byte(&body, '\n'));
    assert_done(sl_approvals_encode(&a, 1, &body));
    bool waits = false;
    return sl_warden_desk(t.warden, SL_ADMIN_SUBMIT, sl_buf_view(&body), NOW_MS, 7, &reply, &waits);
}

static bool trial_open(void)
{
    sl_valve_id id;
    assert_done(sl_valve_id_parse(SL_LIT(TRIAL_ID), &id));
    return sl_epoch_open(
        sl_valve_compartment_epoch(t.valves, sl_valve_find_compartment(t.valves, id)));
}

static bool site_open(void)
{
    return sl_epoch_open(sl_valve_site_epoch(t.valves));
}

/* A site that is open, with an open compartment. */
static void open_everything(void)
{
    add_genesis();
    start();
    deliver();
    assert_done(submit(SL_ACTION_COMPARTMENT_CREATE, &t.key));
    deliver();
    assert_true(site_open() && trial_open());
}

static int set_up(void **state)
{
    memset(&t, 0, sizeof t);
    uint8_t seed[SL_SEED_BYTES] = { 1 };
    assert_done(sl_sign_key_from_seed(seed, &t.key));
    int fd;
    assert_done(sl_valve_memory_make(&fd, &t.valves));
    assert_int_equal(close(fd), 0);
    assert_done(sl_valve_writer_take(t.valves));
    assert_done(sl_dir_open(AT_FDCWD, directory, &t.state_fd));
    new_warden();
    return 0;
}

static int tear_down(void **state)
{
    sl_warden_free(t.warden);
    sl_valve_unmap(t.valves);
    sl_sign_key_free(&t.key);
    for (size_t i = 0; i < EVENTS_MAX; i++) {
        sl_buf_free(&t.events[i].event);
        sl_buf_free(&t.leaves[i]);
    }
    (void)unlinkat(t.state_fd, "journal", 0);
    return close(t.state_fd);
}

static void nothing_opens_before_the_start_is_durable(void **state)
{
    add_genesis();
    start();
    assert_int_equal(t.count, 2);
    assert_false(site_open());
    deliver();
    assert_true(site_open());
    assert_true(sl_epoch_open(sl_valve_door_epoch(t.valves, SL_DOOR_ASK)));
    assert_false(sl_epoch_open(sl_valve_door_epoch(t.valves, SL_DOOR_RUN)));
}

static void a_compartment_opens_when_its_leaf_is_durable_not_before(void **state)
{
    add_genesis();
    start();
    deliver();
    assert_done(submit(SL_ACTION_COMPARTMENT_CREATE, &t.key));
    assert_false(trial_open());
    assert_int_equal(t.done_ticket, 0);
    deliver();
    assert_true(trial_open());
    assert_int_equal(t.done_ticket, 7);
    assert_true(sl_ok(t.done));
}

static void a_strangers_signature_opens_nothing(void **state)
{
    open_everything();
    assert_done(
        sl_warden_close(t.warden, SL_VALVE_OF_COMPARTMENT, SL_LIT(TRIAL), SL_LIT("test"), 0, NULL));
    deliver();
    uint8_t seed[SL_SEED_BYTES] = { 9 };
    SL_OWN(sl_sign_key, stranger, sl_sign_key_free) = { 0 };
    assert_done(sl_sign_key_from_seed(seed, &stranger));
    size_t before = t.count;
    assert_false(sl_ok(submit(SL_ACTION_COMPARTMENT_OPEN, &stranger)));
    assert_int_equal(t.count, before);
    assert_false(trial_open());
    assert_done(submit(SL_ACTION_COMPARTMENT_OPEN, &t.key));
    deliver();
    assert_true(trial_open());
}

static void closing_turns_the_valve_although_the_ledger_is_away(void **state)
{
    open_everything();
    t.away = true;
    uint64_t epoch = 0;
    assert_done(sl_warden_close(t.warden, SL_VALVE_OF_COMPARTMENT, SL_LIT(TRIAL), SL_LIT("test"), 3,
                                &epoch));
    assert_false(trial_open());
    assert_int_equal(epoch & 1, 0);
    assert_int_equal(sl_warden_journal_waiting(t.warden), 1);
    assert_int_equal(submit(SL_ACTION_COMPARTMENT_CLOSE, &t.key).code, SL_E_CLOSED);
    t.away = false;
    sl_warden_retry(t.warden);
    deliver();
    assert_int_equal(sl_warden_journal_waiting(t.warden), 0);
    assert_int_equal(t.done_ticket, 3);
    assert_int_equal(sl_roll_compartment(sl_warden_roll(t.warden), SL_LIT(TRIAL))->state,
                     SL_COMPARTMENT_CLOSED);
}

/* The warden dies between the journal and the ledger; the next one has the same memory and journal. */
static void a_closing_act_survives_the_wardens_death(void **state)
{
    open_everything();
    sl_valve_beat(t.valves, 1000);
    t.away = true;
    assert_done(
        sl_warden_close(t.warden, SL_VALVE_OF_COMPARTMENT, SL_LIT(TRIAL), SL_LIT("test"), 0, NULL));
    sl_warden_free(t.warden);
    t.away = false;
    new_warden();
    assert_int_equal(sl_warden_journal_waiting(t.warden), 1);
    for (uint64_t i = 0; i < t.next; i++) {
        assert_done(sl_warden_leaf(t.warden, i, sl_buf_view(&t.leaves[i])));
    }
    start();
    assert_false(trial_open());
    sl_warden_retry(t.warden);
    deliver();
    assert_false(trial_open());
    assert_int_equal(sl_roll_compartment(sl_warden_roll(t.warden), SL_LIT(TRIAL))->state,
                     SL_COMPARTMENT_CLOSED);
    assert_int_equal(sl_warden_journal_waiting(t.warden), 0);
}

/* It dies between the valve and the journal: the valve alone knows, and is believed. */
static void a_valve_found_closed_stays_closed_and_is_told(void **state)
{
    open_everything();
    sl_valve_beat(t.valves, 1000);
    sl_valve_id id;
    assert_done(sl_valve_id_parse(SL_LIT(TRIAL_ID), &id));
    (void)sl_valve_close(t.valves, SL_VALVE_OF_COMPARTMENT,
                         sl_valve_find_compartment(t.valves, id));
    sl_warden_free(t.warden);
    new_warden();
    for (uint64_t i = 0; i < t.next; i++) {
        assert_done(sl_warden_leaf(t.warden, i, sl_buf_view(&t.leaves[i])));
    }
    size_t before = t.count;
    start();
    deliver();
    assert_true(t.count > before);
    assert_false(trial_open());
    assert_int_equal(sl_roll_compartment(sl_warden_roll(t.warden), SL_LIT(TRIAL))->state,
                     SL_COMPARTMENT_CLOSED);
}

static void epochs_rise_over_a_restart_of_the_site(void **state)
{
    open_everything();
    assert_done(
        sl_warden_close(t.warden, SL_VALVE_OF_COMPARTMENT, SL_LIT(TRIAL), SL_LIT("test"), 0, NULL));
    deliver();
    assert_done(submit(SL_ACTION_COMPARTMENT_OPEN, &t.key));
    deliver();
    sl_valve_id id;
    assert_done(sl_valve_id_parse(SL_LIT(TRIAL_ID), &id));
    uint64_t site = sl_valve_site_epoch(t.valves);
    uint64_t trial = sl_valve_compartment_epoch(t.valves, sl_valve_find_compartment(t.valves, id));
    sl_warden_free(t.warden);
    sl_valve_unmap(t.valves);
    int fd;
    assert_done(sl_valve_memory_make(&fd, &t.valves));
    assert_int_equal(close(fd), 0);
    assert_done(sl_valve_writer_take(t.valves));
    new_warden();
    for (uint64_t i = 0; i < t.next; i++) {
        assert_done(sl_warden_leaf(t.warden, i, sl_buf_view(&t.leaves[i])));
    }
    assert_false(site_open());
    start();
    deliver();
    assert_true(site_open() && trial_open());
    assert_true(sl_valve_site_epoch(t.valves) > site);
    assert_true(sl_valve_compartment_epoch(t.valves, sl_valve_find_compartment(t.valves, id)) >
                trial);
}

static int make_directory(void **state)
{
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_directory(void **state)
{
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_opens_before_the_start_is_durable, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_compartment_opens_when_its_leaf_is_durable_not_before,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_strangers_signature_opens_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closing_turns_the_valve_although_the_ledger_is_away, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_closing_act_survives_the_wardens_death, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_valve_found_closed_stays_closed_and_is_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(epochs_rise_over_a_restart_of_the_site, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
