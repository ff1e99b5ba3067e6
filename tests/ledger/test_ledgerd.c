/* `ledgerd` and its client over real links in one process: order, acknowledgements, refusals,
 * readers that do not read, and a ledger that goes away. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/client.h"
#include "ledger/events.gen.h"
#include "ledger/ledgerd.h"
#include "ledger/protocol.h"
#include "log_fixture.h"

typedef struct {
    char path[64];
    int dir_fd;
    sl_disk_dir disk;
    sl_sign_key key;
    sl_vkey vkey;
    sl_loop *loop;
    sl_ledgerd *ledgerd;
} place;

static uint64_t fixed_ms(void)
{
    return 1795266000000;
}

static int setup(void **state)
{
    place *p = calloc(1, sizeof *p);
    sl_tlog *log = NULL;
    sl_tlog_report report;

    assert_non_null(p);
    snprintf(p->path, sizeof p->path, "/tmp/stoplog-ledgerd-XXXXXX");
    assert_non_null(mkdtemp(p->path));
    p->dir_fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sl_disk_dir_init(&p->disk, p->dir_fd);
    p->key = log_key(5);
    sl_tlog_options options = {
        .disk = &p->disk.disk, .origin = "example.com/d", .key = &p->key, .segment_bytes = 1 << 20
    };
    assert_done(sl_tlog_open(&options, &log, &report));
    p->vkey = *sl_tlog_vkey(log);
    assert_done(sl_loop_new(&p->loop));
    assert_done(sl_ledgerd_new(log, p->loop, fixed_ms, &p->ledgerd));
    *state = p;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

static int teardown(void **state)
{
    place *p = *state;

    sl_ledgerd_free(p->ledgerd);
    sl_loop_free(p->loop);
    sl_sign_key_free(&p->key);
    close(p->dir_fd);
    nftw(p->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static sl_ledger_client *join(place *p, const char *by)
{
    int fds[2];
    sl_ledger_client *c = NULL;

    assert_done(sl_ipc_pair(fds));
    assert_done(sl_ledgerd_add_peer(p->ledgerd, by, fds[0]));
    assert_done(sl_ledger_client_new(fds[1], &c));
    return c;
}

static void beat(uint64_t cursor, sl_buf *out)
{
    sl_event_watch_heartbeat e = { .cursor = cursor, .lag_ms = 1 };

    sl_buf_clear(out);
    assert_done(sl_emit_watch_heartbeat(&(sl_event_head){ 0 }, &e, out));
}

typedef struct {
    size_t calls;
    sl_res result;
    uint64_t index;
} told;

static void note(void *context, sl_res result, uint64_t index)
{
    told *t = context;

    t->calls++;
    t->result = result;
    t->index = index;
}

static void turns(place *p, int n)
{
    for (int i = 0; i < n; i++) {
        assert_done(sl_loop_turn(p->loop, 0));
    }
}

static void appends_are_acknowledged_once_with_their_index(void **state)
{
    place *p = *state;
    sl_ledger_client *a = join(p, "watchd");
    sl_ledger_client *b = join(p, "watchd");
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
    told from_a[20] = { 0 };
    told from_b[20] = { 0 };
    bool seen[40] = { false };

    for (size_t i = 0; i < 20; i++) {
        beat(i, &event);
        assert_done(sl_ledger_client_append(a, sl_buf_view(&event), note, &from_a[i]));
        assert_done(sl_ledger_client_append(b, sl_buf_view(&event), note, &from_b[i]));
    }
    assert_done(sl_ledger_client_pump(a));
    assert_int_equal(from_a[0].calls, 0);
    turns(p, 4);
    assert_done(sl_ledger_client_pump(a));
    assert_done(sl_ledger_client_pump(b));
    assert_int_equal(sl_ledger_client_outstanding(a), 0);
    for (size_t i = 0; i < 20; i++) {
        const told *both[] = { &from_a[i], &from_b[i] };
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(both[j]->calls, 1);
            assert_done(both[j]->result);
            assert_true(both[j]->index < 40 && !seen[both[j]->index]);
            seen[both[j]->index] = true;
        }
        assert_true(i == 0 || from_a[i].index > from_a[i - 1].index);
    }
    sl_ledger_client_free(a);
    sl_ledger_client_free(b);
}

static void a_refused_event_is_told_and_the_link_stays(void **state)
{
    place *p = *state;
    sl_ledger_client *door = join(p, "ask");
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
    told t = { 0 };

    beat(1, &event);
    assert_done(sl_ledger_client_append(door, sl_buf_view(&event), note, &t));
    turns(p, 3);
    assert_done(sl_ledger_client_pump(door));
    assert_int_equal(t.calls, 1);
    assert_code(t.result, SL_E_DENIED);
    assert_done(sl_ledger_client_append(door, SL_LIT("{}"), note, &t));
    turns(p, 3);
    assert_done(sl_ledger_client_pump(door));
    assert_int_equal(t.calls, 2);
    assert_code(t.result, SL_E_MISSING_FIELD);
    sl_ledger_client_free(door);
}

typedef struct {
    uint64_t next;
    uint64_t size;
    size_t calls;
} followed;

static void follow(void *context, sl_res result, uint64_t first, uint32_t count, sl_view leaves,
                   uint64_t size)
{
    followed *f = context;
    sl_view entry;
    uint32_t n = 0;

    if (sl_is(result, SL_E_UNAVAILABLE)) {
        return; /* the question that was open when the test ended */
    }
    assert_done(result);
    assert_int_equal(first, f->next);
    for (bool more = true;; n++) {
        SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
        uint64_t cursor = 0;
        assert_done(sl_bundle_next(&leaves, &more, &entry));
        if (!more) {
            break;
        }
        assert_done(sl_leaf_read(entry, &leaf));
        assert_true(sl_leaf_count(&leaf, "cursor", &cursor));
        assert_int_equal(cursor, f->next + n);
    }
    assert_int_equal(n, count);
    f->next += n;
    f->size = size;
    f->calls++;
}

static void a_reader_follows_by_cursor_and_waits_at_the_end(void **state)
{
    place *p = *state;
    sl_ledger_client *writer = join(p, "watchd");
    sl_ledger_client *reader = join(p, "watchd");
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
    told t = { 0 };
    followed f = { 0 };

    assert_done(sl_ledger_client_read(reader, 0, 100000, follow, &f));
    assert_code(sl_ledger_client_read(reader, 0, 100000, follow, &f), SL_E_AGAIN);
    turns(p, 3);
    assert_done(sl_ledger_client_pump(reader));
    assert_int_equal(f.calls, 0);
    for (uint64_t i = 0; i < 1000; i++) {
        beat(i, &event);
        assert_done(sl_ledger_client_append(writer, sl_buf_view(&event), note, &t));
        turns(p, 1);
        assert_done(sl_ledger_client_pump(writer));
    }
    for (int i = 0; i < 1000 && f.next < 1000; i++) {
        assert_done(sl_loop_turn(p->loop, 10)); /* the last few may have to wait for the timer */
        size_t calls = f.calls;
        assert_done(sl_ledger_client_pump(reader));
        if (f.calls > calls) {
            assert_done(sl_ledger_client_read(reader, f.next, 5000, follow, &f));
        }
    }
    assert_int_equal(f.next, 1000);
    assert_int_equal(f.size, 1000);
    sl_ledger_client_free(writer);
    sl_ledger_client_free(reader);
}

/* Turns until `*done` says so; the loop sleeps while nothing is due. */
static void turns_until(place *p, const size_t *calls, size_t wanted, sl_ledger_client *c)
{
    for (int i = 0; i < 1000 && *calls < wanted; i++) {
        assert_done(sl_loop_turn(p->loop, 10));
        assert_done(sl_ledger_client_pump(c));
    }
    assert_int_equal(*calls, wanted);
}

static void what_nobody_waits_for_shares_the_sync_of_what_somebody_does(void **state)
{
    place *p = *state;
    sl_ledger_client *c = join(p, "watchd");
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
    told soon = { 0 };
    told now = { 0 };

    beat(1, &event);
    assert_done(sl_ledger_client_append_soon(c, sl_buf_view(&event), note, &soon));
    turns(p, 1);
    assert_done(sl_ledger_client_pump(c));
    assert_int_equal(soon.calls, 0); /* nothing else came: it waits a little */
    assert_done(sl_ledger_client_append(c, sl_buf_view(&event), note, &now));
    turns_until(p, &now.calls, 1, c);
    assert_int_equal(soon.calls, 1);
    assert_done(soon.result);
    assert_int_equal(soon.index, 0);
    assert_int_equal(now.index, 1);

    assert_done(sl_ledger_client_append_soon(c, sl_buf_view(&event), note, &soon));
    turns_until(p, &soon.calls, 2, c); /* and without company it gets a sync of its own */
    assert_int_equal(soon.index, 2);
    sl_ledger_client_free(c);
}

static void what_waits_for_company_is_written_when_the_ledger_stops(void **state)
{
    place *p = *state;
    sl_ledger_client *c = join(p, "watchd");
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
    told soon = { 0 };

    beat(1, &event);
    assert_done(sl_ledger_client_append_soon(c, sl_buf_view(&event), note, &soon));
    turns(p, 1);
    sl_ledgerd_free(p->ledgerd);
    p->ledgerd = NULL;
    sl_res lost = sl_ledger_client_pump(c); /* the acknowledgement, then the end */
    (void)lost.code;
    assert_int_equal(soon.calls, 1);
    assert_done(soon.result);
    sl_ledger_client_free(c);
}

static void a_peer_that_takes_no_answers_is_dropped_and_others_go_on(void **state)
{
    place *p = *state;
    sl_ledger_client *deaf = join(p, "watchd");
    sl_ledger_client *other = join(p, "watchd");
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
    told lost = { 0 };
    told t = { 0 };
    sl_res r = SL_DONE;

    for (uint64_t i = 0; sl_ok(r) && i < 6000; i++) {
        beat(i, &event);
        r = sl_ledger_client_append(deaf, sl_buf_view(&event), note, &lost);
        turns(p, 1);
    }
    assert_false(sl_ok(r));
    assert_done(sl_ledger_client_append(other, sl_buf_view(&event), note, &t));
    turns(p, 3);
    assert_done(sl_ledger_client_pump(other));
    assert_int_equal(t.calls, 1);
    assert_done(t.result);
    sl_ledger_client_free(deaf);
    sl_ledger_client_free(other);
}

static void a_lost_ledger_answers_everything_outstanding(void **state)
{
    place *p = *state;
    sl_ledger_client *c = join(p, "watchd");
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
    told t = { 0 };

    beat(1, &event);
    assert_done(sl_ledger_client_append(c, sl_buf_view(&event), note, &t));
    assert_done(sl_ledger_client_append(c, sl_buf_view(&event), note, &t));
    sl_ledgerd_free(p->ledgerd);
    p->ledgerd = NULL;
    assert_code(sl_ledger_client_pump(c), SL_E_CLOSED);
    assert_int_equal(t.calls, 2);
    assert_code(t.result, SL_E_UNAVAILABLE);
    assert_code(sl_ledger_client_append(c, sl_buf_view(&event), note, &t), SL_E_CLOSED);
    sl_ledger_client_free(c);
}

static void a_message_that_no_client_sends_breaks_the_link(void **state)
{
    place *p = *state;
    int fds[2];
    uint8_t header[SL_IPC_HEADER_BYTES] = { 0 };

    assert_done(sl_ipc_pair(fds));
    assert_done(sl_ledgerd_add_peer(p->ledgerd, "ask", fds[0]));
    sl_put_le16(header, SL_IPC_VERSION);
    sl_put_le16(header + 2, SL_LEDGER_ACK);
    assert_int_equal(write(fds[1], header, sizeof header), sizeof header);
    turns(p, 3);
    assert_int_equal(read(fds[1], header, sizeof header), 0);
    close(fds[1]);
}

/* The waiting calls need the ledger in another process. */
static void waiting_calls_append_read_and_prove(void **state)
{
    place *p = *state;
    int fds[2];
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, leaves, sl_buf_free) = { .max = 200000 };
    SL_OWN(sl_buf, receipt, sl_buf_free) = { .max = SL_RECEIPT_BYTES_MAX };
    SL_OWN(sl_buf, checkpoint, sl_buf_free) = { .max = SL_CHECKPOINT_BYTES_MAX };
    sl_ledger_client *c = NULL;
    uint64_t index = 0;
    uint64_t size = 0;
    uint64_t time_ms = 0;
    uint32_t count = 0;
    sl_checkpoint c_read;
    sl_view entry;
    bool more = false;

    assert_done(sl_ipc_pair(fds));
    pid_t child = fork();
    if (child == 0) {
        close(fds[1]);
        sl_res r = sl_ledgerd_add_peer(p->ledgerd, "watchd", fds[0]);
        for (int i = 0; sl_ok(r) && i < 2000; i++) {
            r = sl_loop_turn(p->loop, 10);
        }
        _exit(0);
    }
    close(fds[0]);
    assert_done(sl_ledger_client_new(fds[1], &c));
    for (uint64_t i = 0; i < 5; i++) {
        beat(i, &event);
        assert_done(sl_ledger_append_wait(c, sl_buf_view(&event), 5000, &index));
        assert_int_equal(index, i);
    }
    assert_done(sl_ledger_read_wait(c, 2, 5000, &leaves, &count, &size));
    assert_int_equal(count, 3);
    assert_int_equal(size, 5);
    assert_code(sl_ledger_read_wait(c, 5, 50, &leaves, &count, &size), SL_E_TIMEOUT);
    assert_done(sl_ledger_receipt_wait(c, 2, 5000, &receipt));
    assert_code(sl_ledger_receipt_wait(c, 5, 5000, &receipt), SL_E_RANGE);
    assert_done(sl_ledger_state_wait(c, 5000, &checkpoint, &time_ms));
    assert_int_equal(time_ms, fixed_ms());
    assert_done(sl_ledger_size_wait(c, 5000, &size));
    assert_int_equal(size, 5);
    sl_view rest = sl_buf_view(&leaves);
    assert_done(sl_bundle_next(&rest, &more, &entry));
    assert_done(sl_receipt_check(sl_buf_view(&receipt), entry, &p->vkey, &c_read, &index));
    assert_int_equal(index, 2);
    assert_int_equal(c_read.size, 5);
    assert_done(sl_bundle_next(&rest, &more, &entry));
    assert_code(sl_receipt_check(sl_buf_view(&receipt), entry, &p->vkey, &c_read, &index),
                SL_E_INTEGRITY);
    sl_ledger_client_free(c);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appends_are_acknowledged_once_with_their_index, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_refused_event_is_told_and_the_link_stays, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_reader_follows_by_cursor_and_waits_at_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_nobody_waits_for_shares_the_sync_of_what_somebody_does,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_for_company_is_written_when_the_ledger_stops,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_takes_no_answers_is_dropped_and_others_go_on,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_ledger_answers_everything_outstanding, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_message_that_no_client_sends_breaks_the_link, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(waiting_calls_append_read_and_prove, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
