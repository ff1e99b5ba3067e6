/* The socket of commands: what the table allows is answered, a failure is told as its code, who sends something else is
 * hung up on and the others go on. */
#include "test.h"

#include <unistd.h>

#include "doors/commands.h"

enum { PLAIN = SL_IPC_TYPE_FIRST_FREE, WITH_FILE, UNKNOWN };

static const sl_ipc_rule rules[] = {
    { PLAIN, SL_IPC_ANY_PHASE, 1, 8, 0, sl_commands_on_request },
    { WITH_FILE, SL_IPC_ANY_PHASE, 1, 8, 1, sl_commands_on_request },
};
static const sl_ipc_table table = { "command", rules, SL_COUNT_OF(rules) };

static const sl_ipc_rule reply_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, 64, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table reply_table = { "door", reply_rules, SL_COUNT_OF(reply_rules) };

/* "no" fails; else the body comes back, with what stands in the file that came. */
static sl_res echo(void *context, uint16_t type, sl_view body, int fd, sl_buf *reply)
{
    char text[8];
    size_t *asked = context;
    (*asked)++;
    assert_int_equal(fd >= 0, type == WITH_FILE);
    if (sl_view_eq(body, SL_LIT("no"))) {
        return sl_fail(SL_E_NOT_FOUND);
    }
    SL_TRY(sl_buf_add(reply, body));
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof text);
        assert_true(n > 0);
        return sl_buf_add(reply, sl_view_of(text, (size_t)n));
    }
    return SL_DONE;
}

static sl_commands begin(size_t *asked)
{
    sl_commands c = { .table = &table, .answer = echo, .context = asked };
    assert_done(sl_loop_new(&c.loop));
    return c;
}

static sl_ipc *sit(sl_commands *c)
{
    int ends[2];
    sl_ipc *link = NULL;
    assert_done(sl_ipc_pair(ends));
    assert_done(sl_commands_seat_add(c, ends[0]));
    assert_done(sl_ipc_open(ends[1], &reply_table, &link));
    return link;
}

static sl_res say(sl_commands *c, sl_ipc *link, uint16_t type, const char *body, int fd,
                  sl_ipc_msg *ret)
{
    SL_TRY(sl_ipc_send_fds(link, type, 7, sl_view_str(body), &fd, fd < 0 ? 0 : 1));
    assert_done(sl_loop_turn(c->loop, 0));
    return sl_ipc_receive(link, ret);
}

static void a_request_is_answered_with_its_id(void **state)
{
    size_t asked = 0;
    int pipe_fds[2];
    sl_ipc_msg msg;
    SL_OWN(sl_commands, c, sl_commands_end) = begin(&asked);
    SL_OWN(sl_ipc *, link, sl_ipc_close_at) = sit(&c);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(write(pipe_fds[1], "file", 4), 4);
    assert_done(say(&c, link, PLAIN, "word", -1, &msg));
    assert_true(msg.type == SL_IPC_OK && msg.id == 7 && sl_view_eq(msg.body, SL_LIT("word")));
    assert_done(say(&c, link, WITH_FILE, "a ", pipe_fds[0], &msg));
    assert_true(msg.type == SL_IPC_OK && sl_view_eq(msg.body, SL_LIT("a file")));
    assert_done(say(&c, link, PLAIN, "no", -1, &msg));
    assert_true(msg.type == SL_IPC_FAILED && sl_is(sl_ipc_failed_res(&msg), SL_E_NOT_FOUND));
    assert_done(say(&c, link, PLAIN, "word", -1, &msg)); /* a failure is no end */
    assert_int_equal(asked, 4);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void who_sends_what_it_may_not_is_hung_up_on(void **state)
{
    size_t asked = 0;
    sl_ipc_msg msg;
    SL_OWN(sl_commands, c, sl_commands_end) = begin(&asked);
    SL_OWN(sl_ipc *, good, sl_ipc_close_at) = sit(&c);
    static const struct {
        uint16_t type;
        const char *body;
    } cases[] = {
        { UNKNOWN, "word" }, { PLAIN, "" }, { PLAIN, "much too long" }, { WITH_FILE, "none" }
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_ipc *, bad, sl_ipc_close_at) = sit(&c);
        assert_code(say(&c, bad, cases[i].type, cases[i].body, -1, &msg), SL_E_CLOSED);
    }
    assert_int_equal(asked, 0);
    assert_done(say(&c, good, PLAIN, "word", -1, &msg));
    assert_int_equal(asked, 1);
}

static void seats_are_few_and_become_free(void **state)
{
    size_t asked = 0;
    int ends[2];
    sl_ipc *links[SL_COMMANDS_SEATS];
    SL_OWN(sl_commands, c, sl_commands_end) = begin(&asked);
    for (size_t i = 0; i < SL_COMMANDS_SEATS; i++) {
        links[i] = sit(&c);
    }
    assert_done(sl_ipc_pair(ends));
    assert_code(sl_commands_seat_add(&c, ends[0]), SL_E_LIMIT);
    assert_int_equal(read(ends[1], &asked, 1), 0); /* who found no seat is not left waiting */
    close(ends[1]);
    sl_ipc_close_at(&links[3]);
    assert_done(sl_loop_turn(c.loop, 0));
    links[3] = sit(&c);
    for (size_t i = 0; i < SL_COMMANDS_SEATS; i++) {
        sl_ipc_close_at(&links[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_with_its_id),
        cmocka_unit_test(who_sends_what_it_may_not_is_hung_up_on),
        cmocka_unit_test(seats_are_few_and_become_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
