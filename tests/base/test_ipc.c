/* Links between processes: what the table allows arrives whole, everything else breaks the link and
 * leaves no descriptor behind. */
#include "base/ipc.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { T_ASK = 32, T_LATER = 33, T_FD = 34 };

static const sl_ipc_rule rules[] = {
    { T_ASK, SL_IPC_ANY_PHASE, 1, 8, 0, NULL },
    { T_LATER, SL_IPC_PHASE(1), 0, 8, 0, NULL },
    { T_FD, SL_IPC_ANY_PHASE, 0, 0, 1, NULL },
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_IPC_BYTES_MAX, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table table = { "test", rules, SL_COUNT_OF(rules) };

typedef struct {
    sl_ipc *a;
    sl_ipc *b;
} pair;

static pair make_pair(void)
{
    int fds[2];
    pair p;
    assert_true(sl_ok(sl_ipc_pair(fds)));
    assert_true(sl_ok(sl_ipc_open(fds[0], &table, &p.a)));
    assert_true(sl_ok(sl_ipc_open(fds[1], &table, &p.b)));
    return p;
}

static void drop_pair(pair p)
{
    sl_ipc_close(p.a);
    sl_ipc_close(p.b);
}

static size_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    size_t n = 0;
    while (readdir(dir) != NULL) {
        n++;
    }
    (void)closedir(dir);
    return n;
}

static void an_allowed_message_arrives_whole(void **state)
{
    pair p = make_pair();
    sl_ipc_msg msg;
    assert_int_equal(sl_ipc_receive(p.b, &msg).code, SL_E_AGAIN);
    assert_true(sl_ok(sl_ipc_send(p.a, T_ASK, 7, SL_LIT("hello"))));
    assert_true(sl_ok(sl_ipc_receive_wait(p.b, 1000, &msg)));
    assert_int_equal(msg.type, T_ASK);
    assert_int_equal(msg.id, 7);
    assert_true(sl_view_eq(msg.body, SL_LIT("hello")));
    assert_int_equal(sl_ipc_receive_wait(p.b, 1, &msg).code, SL_E_TIMEOUT);
    drop_pair(p);
}

static void the_largest_message_passes_and_one_more_byte_does_not(void **state)
{
    pair p = make_pair();
    static uint8_t bytes[SL_IPC_BYTES_MAX + 1];
    assert_int_equal(sl_ipc_send(p.a, SL_IPC_OK, 1, sl_view_of(bytes, sizeof bytes)).code,
                     SL_E_LIMIT);
    assert_true(sl_ok(sl_ipc_send(p.a, SL_IPC_OK, 1, sl_view_of(bytes, sizeof bytes - 1))));
    sl_ipc_msg msg;
    assert_true(sl_ok(sl_ipc_receive(p.b, &msg)));
    assert_int_equal(msg.body.n, SL_IPC_BYTES_MAX);
    drop_pair(p);
}

static void what_the_table_does_not_allow_breaks_the_link(void **state)
{
    static const struct {
        uint16_t type;
        size_t bytes;
        uint32_t phase;
        sl_code code;
    } cases[] = {
        { 99, 1, 0, SL_E_REFUSED },
        { T_ASK, 0, 0, SL_E_LIMIT },
        { T_ASK, 9, 0, SL_E_LIMIT },
        { T_LATER, 1, 0, SL_E_REFUSED },
        { T_LATER, 1, 1, SL_OK },
        { T_FD, 0, 0, SL_E_LIMIT },
        { SL_IPC_FAILED, 3, 0, SL_E_LIMIT },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        pair p = make_pair();
        sl_ipc_phase_set(p.b, cases[i].phase);
        uint8_t bytes[16] = { 0 };
        assert_true(sl_ok(sl_ipc_send(p.a, cases[i].type, 1, sl_view_of(bytes, cases[i].bytes))));
        sl_ipc_msg msg;
        assert_int_equal(sl_ipc_receive(p.b, &msg).code, cases[i].code);
        if (cases[i].code != SL_OK) {
            assert_int_equal(sl_ipc_receive(p.b, &msg).code, SL_E_CLOSED);
            assert_int_equal(sl_ipc_send(p.a, T_ASK, 1, SL_LIT("x")).code, SL_E_CLOSED);
        }
        drop_pair(p);
    }
}

static void a_malformed_packet_breaks_the_link(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        sl_code code;
    } cases[] = {
        { "\1\0\x20\0\1\0\0\0\0\0\0\0\0\0\0", 15, SL_E_SYNTAX },
        { "\2\0\x20\0\1\0\0\0\0\0\0\0\0\0\0\0x", 17, SL_E_VERSION },
        { "\1\0\x20\0\2\0\0\0\0\0\0\0\0\0\0\0x", 17, SL_E_SYNTAX },
        { "\1\0\x20\0\1\0\0\0\0\0\0\0\0\0\0\0x", 17, SL_OK },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        pair p = make_pair();
        assert_int_equal(send(sl_ipc_fd(p.a), cases[i].bytes, cases[i].n, 0), cases[i].n);
        sl_ipc_msg msg;
        assert_int_equal(sl_ipc_receive(p.b, &msg).code, cases[i].code);
        drop_pair(p);
    }
}

static void descriptors_travel_and_refused_ones_are_closed(void **state)
{
    size_t before = open_descriptors();
    pair p = make_pair();
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_true(sl_ok(sl_ipc_send_fds(p.a, T_FD, 1, (sl_view){ NULL, 0 }, &ends[1], 1)));
    sl_ipc_msg msg;
    assert_true(sl_ok(sl_ipc_receive(p.b, &msg)));
    int got = sl_ipc_take_fd(&msg, 0);
    assert_true(got >= 0);
    assert_int_equal(sl_ipc_take_fd(&msg, 1), -1);
    assert_int_equal(write(got, "x", 1), 1);
    sl_ipc_msg_clear(&msg);
    assert_int_equal(close(got), 0);

    int two[2] = { ends[0], ends[1] };
    assert_true(sl_ok(sl_ipc_send_fds(p.a, T_FD, 2, (sl_view){ NULL, 0 }, two, 2)));
    assert_int_equal(sl_ipc_receive(p.b, &msg).code, SL_E_LIMIT);
    drop_pair(p);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(open_descriptors(), before);
}

static void a_full_queue_says_again_and_loses_nothing(void **state)
{
    pair p = make_pair();
    size_t sent = 0;
    sl_res r = SL_DONE;
    while (sl_ok(r) && sent < 100000) {
        uint8_t number[4];
        sl_put_le32(number, (uint32_t)sent);
        r = sl_ipc_send(p.a, T_ASK, 1, sl_view_of(number, 4));
        sent += sl_ok(r) ? 1 : 0;
    }
    assert_int_equal(r.code, SL_E_AGAIN);
    assert_int_equal(sl_ipc_send_wait(p.a, T_ASK, 1, SL_LIT("x"), 5).code, SL_E_TIMEOUT);
    for (size_t i = 0; i < sent; i++) {
        sl_ipc_msg msg;
        assert_true(sl_ok(sl_ipc_receive(p.b, &msg)));
        assert_int_equal(sl_get_le32(msg.body.p), i);
    }
    drop_pair(p);
}

static void a_failed_answer_carries_its_code(void **state)
{
    pair p = make_pair();
    assert_true(sl_ok(sl_ipc_send_failed(p.a, 1, sl_fail(SL_E_BUDGET))));
    sl_ipc_msg msg;
    assert_true(sl_ok(sl_ipc_receive(p.b, &msg)));
    assert_int_equal(sl_ipc_failed_res(&msg).code, SL_E_BUDGET);
    drop_pair(p);
}

static sl_res count_one(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (*(int *)context)++;
    return sl_view_eq_str(msg->body, "bad") ? sl_fail(SL_E_TYPE) : SL_DONE;
}

static void dispatch_handles_what_waits_and_stops_at_a_failing_handler(void **state)
{
    static const sl_ipc_rule counting[] = { { T_ASK, SL_IPC_ANY_PHASE, 1, 8, 0, count_one } };
    static const sl_ipc_table counter = { "test", counting, 1 };
    int fds[2];
    pair p;
    assert_true(sl_ok(sl_ipc_pair(fds)));
    assert_true(sl_ok(sl_ipc_open(fds[0], &table, &p.a)));
    assert_true(sl_ok(sl_ipc_open(fds[1], &counter, &p.b)));
    int seen = 0;
    for (int i = 0; i < 5; i++) {
        assert_true(sl_ok(sl_ipc_send(p.a, T_ASK, 1, SL_LIT("ok"))));
    }
    assert_true(sl_ok(sl_ipc_dispatch(p.b, 3, &seen)));
    assert_int_equal(seen, 3);
    assert_true(sl_ok(sl_ipc_dispatch(p.b, 16, &seen)));
    assert_int_equal(seen, 5);
    assert_true(sl_ok(sl_ipc_send(p.a, T_ASK, 1, SL_LIT("bad"))));
    assert_int_equal(sl_ipc_dispatch(p.b, 16, &seen).code, SL_E_TYPE);
    assert_int_equal(sl_ipc_dispatch(p.b, 16, &seen).code, SL_E_CLOSED);
    drop_pair(p);
}

static sl_res remember_body(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    *(sl_view *)context = msg->body;
    return SL_DONE;
}

/* What is left in memory of a message with a key in it: nothing. */
static void a_secret_link_forgets_what_it_received(void **state)
{
    static const sl_ipc_rule remembering[] = { { T_ASK, SL_IPC_ANY_PHASE, 1, 8, 0,
                                                 remember_body } };
    static const sl_ipc_table rememberer = { "test", remembering, 1 };
    for (int i = 0; i < 2; i++) {
        int fds[2];
        pair p;
        sl_view body = { 0 };
        assert_true(sl_ok(sl_ipc_pair(fds)));
        assert_true(sl_ok(sl_ipc_open(fds[0], &table, &p.a)));
        assert_true(sl_ok(sl_ipc_open(fds[1], &rememberer, &p.b)));
        if (i == 1) {
            sl_ipc_set_secret(p.b);
        }
        assert_true(sl_ok(sl_ipc_send(p.a, T_ASK, 1, SL_LIT("password"))));
        assert_true(sl_ok(sl_ipc_dispatch(p.b, 1, &body)));
        assert_true(sl_view_eq(body, i == 0 ? SL_LIT("password") : SL_LIT("\0\0\0\0\0\0\0\0")));
        sl_ipc_forget(p.b);
        assert_true(sl_view_eq(body, SL_LIT("\0\0\0\0\0\0\0\0")));
        drop_pair(p);
    }
}

/* A peer that is hostile and never stops: answers to a request that was given up. */
static void answer_late_for_ever(sl_ipc *link)
{
    while (!sl_is(sl_ipc_send_wait(link, SL_IPC_OK, 1, (sl_view){ 0 }, 1000), SL_E_CLOSED)) {}
    _exit(0);
}

static void late_answers_do_not_lengthen_the_wait(void **state)
{
    pair p = make_pair();
    sl_ipc_msg answer;
    assert_int_equal(sl_ipc_next_id(p.a), 1); /* was given up */
    pid_t peer = fork();
    assert_true(peer >= 0);
    if (peer == 0) {
        sl_ipc_close(p.a);
        answer_late_for_ever(p.b);
    }
    sl_ipc_close(p.b);
    (void)alarm(20); /* it would wait for ever */
    assert_int_equal(sl_ipc_ask(p.a, T_ASK, SL_LIT("x"), 50, &answer).code, SL_E_TIMEOUT);
    (void)alarm(0);
    sl_ipc_close(p.a);
    assert_int_equal(waitpid(peer, NULL, 0), peer);
}

/* A folder far deeper than a socket's address is long. */
static void a_site_is_dialled_by_its_folder(void **state)
{
    char site[512] = "/tmp/stoplog-ipc-XXXXXX";
    int fd = -1;
    assert_non_null(mkdtemp(site));
    size_t top = strlen(site);
    assert_int_equal(sl_ipc_dial("/tmp/stoplog-ipc-no-such-site", "admin", &fd).code, SL_E_NO_SITE);
    for (int i = 0; i < 6; i++) {
        (void)snprintf(site + strlen(site), sizeof site - strlen(site), "/%030d", i);
        assert_int_equal(mkdir(site, 0700), 0);
    }
    assert_int_equal(sl_ipc_dial(site, "admin", &fd).code, SL_E_UNAVAILABLE);
    size_t folder = strlen(site);
    (void)snprintf(site + folder, sizeof site - folder, "/run");
    assert_int_equal(mkdir(site, 0700), 0);
    int run = open(site, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(run >= 0);
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    (void)snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/admin.sock", run);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&at, sizeof at), 0);
    site[folder] = 0;
    assert_int_equal(sl_ipc_dial(site, "admin", &fd).code, SL_E_UNAVAILABLE); /* nobody listens */
    assert_int_equal(listen(listener, 1), 0);
    assert_true(sl_ok(sl_ipc_dial(site, "admin", &fd)));
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_int_equal(sl_ipc_dial(site, "another", &(int){ -1 }).code, SL_E_UNAVAILABLE);
    (void)close(fd);
    (void)close(listener);
    assert_int_equal(unlinkat(run, "admin.sock", 0), 0);
    (void)close(run);
    for (site[folder] = '/'; strlen(site) > top; *strrchr(site, '/') = 0) {
        assert_int_equal(rmdir(site), 0);
    }
    assert_int_equal(rmdir(site), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allowed_message_arrives_whole),
        cmocka_unit_test(the_largest_message_passes_and_one_more_byte_does_not),
        cmocka_unit_test(what_the_table_does_not_allow_breaks_the_link),
        cmocka_unit_test(a_malformed_packet_breaks_the_link),
        cmocka_unit_test(descriptors_travel_and_refused_ones_are_closed),
        cmocka_unit_test(a_full_queue_says_again_and_loses_nothing),
        cmocka_unit_test(a_failed_answer_carries_its_code),
        cmocka_unit_test(a_secret_link_forgets_what_it_received),
        cmocka_unit_test(a_site_is_dialled_by_its_folder),
        cmocka_unit_test(late_answers_do_not_lengthen_the_wait),
        cmocka_unit_test(dispatch_handles_what_waits_and_stops_at_a_failing_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
