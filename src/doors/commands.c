/* The sockets of commands and the loop around them; the command's own side (commands.h). */
#include "doors/commands.h"

#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"

enum {
    SEND_MS_MAX = 10 * 1000,
    CALL_MS_MAX = 30 * 60 * 1000, /* a large file takes its time */
};

sl_res sl_commands_on_request(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    const sl_commands *c = context;
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX - SL_IPC_HEADER_BYTES };
    SL_OWN(int, fd, sl_fd_close) = sl_ipc_take_fd(msg, 0);
    sl_res done = c->answer(c->context, msg->type, msg->body, fd, &reply);
    if (!sl_ok(done)) {
        return sl_ipc_send_failed(link, msg->id, done);
    }
    return sl_ipc_send_wait(link, SL_IPC_OK, msg->id, sl_buf_view(&reply), SEND_MS_MAX);
}

static void on_client(void *context, int fd, unsigned events)
{
    sl_commands_seat *s = context;
    (void)events;
    if (!sl_ok(sl_ipc_dispatch(s->link, 1, s->commands))) {
        sl_loop_remove(s->commands->loop, fd);
        sl_ipc_close_at(&s->link);
    }
}

sl_res sl_commands_seat_add(sl_commands *commands, int fd)
{
    for (size_t i = 0; i < SL_COMMANDS_SEATS; i++) {
        sl_commands_seat *s = &commands->seats[i];
        if (s->link != NULL) {
            continue;
        }
        s->commands = commands;
        SL_TRY(sl_ipc_open(fd, commands->table, &s->link));
        sl_res added = sl_loop_add(commands->loop, sl_ipc_fd(s->link), SL_LOOP_READ, on_client, s);
        if (!sl_ok(added)) {
            sl_ipc_close_at(&s->link);
        }
        return added;
    }
    sl_fd_close(&fd);
    return sl_fail(SL_E_LIMIT);
}

static void on_accept(void *context, int fd, unsigned events)
{
    (void)events;
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted >= 0) {
        sl_res seated = sl_commands_seat_add(context, accepted);
        if (!sl_ok(seated)) {
            sl_log_res(SL_LOG_WARN, "a command could not be served", seated);
        }
    }
}

static void on_control(void *context, int fd, unsigned events)
{
    sl_commands *c = context;
    (void)fd;
    (void)events;
    c->result = sl_proc_pump(c->self);
    if (!sl_ok(c->result)) {
        sl_loop_stop(c->loop);
    }
}

sl_res sl_commands_begin(sl_commands *commands, sl_proc *self, const sl_ipc_table *table,
                         sl_commands_answer answer, void *context)
{
    *commands = (sl_commands){
        .self = self, .table = table, .answer = answer, .context = context, .result = SL_DONE
    };
    SL_TRY(sl_loop_new(&commands->loop));
    return sl_loop_add(commands->loop, sl_proc_control_fd(self), SL_LOOP_READ, on_control,
                       commands);
}

sl_res sl_commands_serve(sl_commands *commands, const char *name)
{
    int listening = sl_proc_listening(commands->self, name);
    SL_NEED(listening >= 0, SL_E_UNAVAILABLE);
    SL_TRY(sl_loop_add(commands->loop, listening, SL_LOOP_READ, on_accept, commands));
    SL_TRY(sl_proc_serving(commands->self));
    SL_TRY(sl_loop_run(commands->loop));
    return sl_is(commands->result, SL_E_CLOSED) ? SL_DONE : commands->result;
}

void sl_commands_end(sl_commands *commands)
{
    for (size_t i = 0; i < SL_COMMANDS_SEATS; i++) {
        sl_ipc_close_at(&commands->seats[i].link);
    }
    sl_loop_free(commands->loop);
    commands->loop = NULL;
}

/* ---- the command's side ---- */

static const sl_ipc_rule answer_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_IPC_BYTES_MAX, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table answer_table = { "door", answer_rules, SL_COUNT_OF(answer_rules) };

static sl_res wait_answer(sl_ipc *link, uint64_t id, sl_buf *reply)
{
    sl_ipc_msg answer;
    SL_TRY(sl_ipc_receive_wait(link, CALL_MS_MAX, &answer));
    sl_res r = answer.id != id                ? sl_fail(SL_E_REFUSED)
               : answer.type == SL_IPC_FAILED ? sl_ipc_failed_res(&answer)
                                              : sl_buf_add(reply, answer.body);
    sl_ipc_msg_clear(&answer);
    return r;
}

sl_res sl_door_call(const char *site, const char *name, uint16_t type, sl_view body, int fd,
                    sl_buf *reply)
{
    SL_OWN(sl_ipc *, link, sl_ipc_close_at) = NULL;
    int socket_fd = -1;
    SL_TRY(sl_ipc_dial(site, name, &socket_fd));
    SL_TRY(sl_ipc_open(socket_fd, &answer_table, &link));
    uint64_t id = sl_ipc_next_id(link);
    SL_TRY(sl_ipc_send_fds(link, type, id, body, &fd, fd < 0 ? 0 : 1));
    return wait_answer(link, id, reply);
}
