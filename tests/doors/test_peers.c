/* What a door asks of others, with a ledger and a keeper in a process of their own: keys leave no trace in the link, a link
 * that failed is not asked again, and following folds each leaf once and in order. */
#include "test.h"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doors/peers.h"
#include "ledger/protocol.h"
#include "ledger/tiles.h"

enum { LEAVES = 5, LEAVES_AT_ONCE = 2 };

#define KEY "an exact key of thirty-two bytes"

/* ---- the others ---- */

static size_t nothing = 0;
static size_t an_end = 8;

static sl_res keeper_answers(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    const size_t *behind = context; /* the leases' ends stand behind them */
    sl_view key = sl_view_of(KEY "12345678", SL_KEY_BYTES + *behind);
    if (msg->type == SL_KEEPER_KEY_FORGET) {
        return sl_ipc_send(link, SL_IPC_OK, msg->id, (sl_view){ 0 });
    }
    return sl_ipc_send(link, SL_IPC_OK, msg->id, key);
}

static const sl_ipc_rule keeper_rules[] = {
    { SL_KEEPER_KEY_OPEN, SL_IPC_ANY_PHASE, SL_KEY_REQUEST_BYTES, SL_KEY_REQUEST_BYTES, 0,
      keeper_answers },
    { SL_KEEPER_KEY_FORGET, SL_IPC_ANY_PHASE, SL_KEY_REQUEST_BYTES, SL_KEY_REQUEST_BYTES, 0,
      keeper_answers },
    { SL_KEEPER_LEASE, SL_IPC_ANY_PHASE, SL_LEASE_REQUEST_BYTES, SL_LEASE_REQUEST_BYTES, 0,
      keeper_answers },
};
static const sl_ipc_table keeper_table = { "door", keeper_rules, SL_COUNT_OF(keeper_rules) };

static sl_res ledger_state(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 64 };
    uint8_t time_ms[8] = { 0 };
    assert_done(sl_buf_add(&body, sl_view_of(time_ms, sizeof time_ms)));
    assert_done(sl_buf_addf(&body, "example.com/log\n%d\nroot\n", LEAVES));
    return sl_ipc_send(link, SL_IPC_OK, msg->id, sl_buf_view(&body));
}

static sl_res ledger_read(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 256 };
    uint8_t header[SL_LEDGER_LEAVES_HEADER_BYTES];
    uint64_t first = sl_get_le64(msg->body.p);
    uint32_t count = 0;
    assert_done(sl_buf_add(&body, sl_view_of(header, sizeof header)));
    for (uint64_t i = first; i < LEAVES && count < LEAVES_AT_ONCE; i++, count++) {
        char leaf = (char)('a' + i);
        assert_done(sl_bundle_add(&body, sl_view_of(&leaf, 1)));
    }
    sl_put_le64(body.p, first);
    sl_put_le64(body.p + 8, LEAVES);
    sl_put_le32(body.p + 16, count);
    return sl_ipc_send(link, SL_LEDGER_LEAVES, msg->id, sl_buf_view(&body));
}

static const sl_ipc_rule ledger_rules[] = {
    { SL_LEDGER_STATE, SL_IPC_ANY_PHASE, 0, 0, 0, ledger_state },
    { SL_LEDGER_READ, SL_IPC_ANY_PHASE, SL_LEDGER_READ_BYTES, SL_LEDGER_READ_BYTES, 0,
      ledger_read },
};
static const sl_ipc_table ledger_table = { "door", ledger_rules, SL_COUNT_OF(ledger_rules) };

/* Serves until the door hangs up, or at most `messages`. */
static pid_t serve(const sl_ipc_table *table, void *context, int messages, int *ret_fd)
{
    int ends[2];
    assert_done(sl_ipc_pair(ends));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sl_ipc *link = NULL;
        sl_ipc_msg msg;
        close(ends[1]);
        sl_res r = sl_ipc_open(ends[0], table, &link);
        for (int i = 0; sl_ok(r) && i < messages; i++) {
            r = sl_ipc_receive_wait(link, 10000, &msg);
            for (size_t k = 0; sl_ok(r) && k < table->count; k++) {
                r = table->rules[k].type == msg.type ? table->rules[k].handler(link, &msg, context)
                                                     : r;
            }
        }
        _exit(0);
    }
    close(ends[0]);
    *ret_fd = ends[1];
    return child;
}

static void end(sl_peers *peers, pid_t child)
{
    int status = 0;
    sl_peers_end(peers);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static bool holds(const void *memory, size_t n, sl_view what)
{
    return sl_view_find(sl_view_of(memory, n), what, 0) != SIZE_MAX;
}

/* ---- the keeper ---- */

static sl_key_request a_request(void)
{
    sl_key_request q = { .version = 1, .kind = SL_WRAP_OBJECT };
    memcpy(q.compartment, "trial-a", 8);
    memcpy(q.name, "0123456789abcdef", 17);
    memcpy(q.principal, SL_KEY_REQUEST_NOBODY, sizeof q.principal);
    return q;
}

/* The worker that parses strangers' bytes is forked from this process: no key may be left in it. */
static void a_key_leaves_no_trace_in_the_link(void **state)
{
    int fd = -1;
    uint8_t key[SL_KEY_BYTES] = { 0 };
    sl_peers peers = { 0 };
    sl_key_request q = a_request();
    pid_t child = serve(&keeper_table, &nothing, 100, &fd);
    assert_done(sl_peers_link(&peers, "keeper", fd));
    assert_done(sl_peers_key(&peers, SL_KEEPER_KEY_OPEN, &q, key));
    assert_memory_equal(key, KEY, sizeof key);
    assert_false(holds(peers.keeper, malloc_usable_size(peers.keeper), SL_LIT("exact key")));
    assert_done(sl_peers_key(&peers, SL_KEEPER_KEY_FORGET, &q, NULL));
    /* A key is no lease: an answer of another size is none, and leaves no trace either. */
    memset(key, 0, sizeof key);
    assert_code(sl_peers_lease(&peers, "trial-a", "roster", key), SL_E_SYNTAX);
    assert_int_equal(key[0], 0);
    assert_false(holds(peers.keeper, malloc_usable_size(peers.keeper), SL_LIT("exact key")));
    end(&peers, child);
}

static void a_lease_is_a_key_and_its_end(void **state)
{
    int fd = -1;
    uint8_t key[SL_KEY_BYTES] = { 0 };
    sl_peers peers = { 0 };
    pid_t child = serve(&keeper_table, &an_end, 100, &fd);
    assert_done(sl_peers_link(&peers, "keeper", fd));
    assert_done(sl_peers_lease(&peers, "trial-a", "roster", key));
    assert_memory_equal(key, KEY, sizeof key);
    assert_false(holds(peers.keeper, malloc_usable_size(peers.keeper), SL_LIT("exact key")));
    end(&peers, child);
}

static void a_link_that_failed_is_not_asked_again(void **state)
{
    int fd = -1;
    uint8_t key[SL_KEY_BYTES];
    sl_peers peers = { 0 };
    assert_code(sl_peers_lease(&peers, "trial-a", "roster", key), SL_E_UNAVAILABLE);
    pid_t child = serve(&keeper_table, &an_end, 1, &fd);
    assert_done(sl_peers_link(&peers, "keeper", fd));
    assert_done(sl_peers_lease(&peers, "trial-a", "roster", key));
    assert_code(sl_peers_lease(&peers, "trial-a", "roster", key), SL_E_CLOSED);
    assert_null(peers.keeper);
    assert_code(sl_peers_lease(&peers, "trial-a", "roster", key), SL_E_UNAVAILABLE);
    end(&peers, child);
}

/* ---- the ledger ---- */

static uint64_t next(const void *known)
{
    return ((const sl_buf *)known)->n;
}

static sl_res fold(void *known, uint64_t index, sl_view leaf)
{
    sl_buf *b = known;
    assert_int_equal(index, b->n);
    return sl_buf_add(b, leaf);
}

static void following_folds_each_leaf_once_and_in_order(void **state)
{
    int fd = -1;
    uint64_t index = 0;
    SL_OWN(sl_buf, known, sl_buf_free) = { .max = 64 };
    sl_peers peers = { .fold = { &known, next, fold } };
    assert_code(sl_peers_follow(&peers), SL_E_UNAVAILABLE);
    pid_t child = serve(&ledger_table, NULL, 100, &fd);
    assert_done(sl_peers_link(&peers, "ledgerd", fd));
    assert_done(sl_peers_follow(&peers));
    assert_true(sl_view_eq(sl_buf_view(&known), SL_LIT("abcde")));
    assert_done(sl_peers_follow(&peers));
    assert_int_equal(known.n, LEAVES);
    sl_peers_end(&peers);
    assert_code(sl_peers_append(&peers, SL_LIT("{}"), &index), SL_E_UNAVAILABLE);
    end(&peers, child);
}

static void a_ledger_that_ends_is_lost(void **state)
{
    int fd = -1;
    SL_OWN(sl_buf, known, sl_buf_free) = { .max = 64 };
    sl_peers peers = { .fold = { &known, next, fold } };
    pid_t child = serve(&ledger_table, NULL, 2, &fd);
    assert_done(sl_peers_link(&peers, "ledgerd", fd));
    assert_false(sl_ok(sl_peers_follow(&peers)));
    assert_true(sl_view_eq(sl_buf_view(&known), SL_LIT("ab"))); /* what came is not lost */
    assert_false(sl_ok(sl_peers_follow(&peers)));               /* by now it is known to be gone */
    assert_null(peers.ledger);
    assert_code(sl_peers_follow(&peers), SL_E_UNAVAILABLE);
    end(&peers, child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_leaves_no_trace_in_the_link),
        cmocka_unit_test(a_lease_is_a_key_and_its_end),
        cmocka_unit_test(a_link_that_failed_is_not_asked_again),
        cmocka_unit_test(following_folds_each_leaf_once_and_in_order),
        cmocka_unit_test(a_ledger_that_ends_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
