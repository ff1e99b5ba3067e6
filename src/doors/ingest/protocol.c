/* The ingest process's requests as bytes, and the command's side of its socket (protocol.h). */
#include "doors/ingest/protocol.h"

#include <string.h>

static sl_res add_padded(sl_buf *out, const char *text, size_t room)
{
    size_t used = strnlen(text, room);
    SL_NEED(used < room || room == SL_NAME_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_buf_add(out, sl_view_of(text, used)));
    for (size_t i = used; i < room; i++) {
        SL_TRY(sl_buf_add_byte(out, 0));
    }
    return SL_DONE;
}

sl_res sl_ingest_ask_encode(const sl_ingest_ask *ask, sl_buf *out)
{
    uint8_t version[8];
    sl_put_le64(version, ask->version);
    SL_TRY(add_padded(out, ask->compartment, SL_NAME_BYTES_MAX));
    SL_TRY(add_padded(out, ask->object, SL_NAME_BYTES_MAX));
    SL_TRY(add_padded(out, ask->record_id, SL_NAME_BYTES_MAX));
    SL_TRY(sl_buf_add(out, sl_view_of(version, sizeof version)));
    return add_padded(out, ask->file_name, SL_INGEST_FILE_NAME_BYTES);
}

/* A text and nothing but zeroes behind it. */
static sl_res take_padded(const uint8_t *p, size_t room, char *ret)
{
    size_t used = strnlen((const char *)p, room);
    for (size_t i = used; i < room; i++) {
        SL_NEED(p[i] == 0, SL_E_SYNTAX);
    }
    memcpy(ret, p, used);
    ret[used] = 0;
    return SL_DONE;
}

sl_res sl_ingest_ask_decode(sl_view body, sl_ingest_ask *ret)
{
    SL_NEED(body.n == SL_INGEST_ASK_BYTES, SL_E_SYNTAX);
    sl_ingest_ask ask = { .version = sl_get_le64(body.p + 192) };
    SL_TRY(take_padded(body.p, SL_NAME_BYTES_MAX, ask.compartment));
    SL_TRY(take_padded(body.p + 64, SL_NAME_BYTES_MAX, ask.object));
    SL_TRY(take_padded(body.p + 128, SL_NAME_BYTES_MAX, ask.record_id));
    SL_NEED(body.p[SL_INGEST_ASK_BYTES - 1] == 0, SL_E_SYNTAX);
    SL_TRY(take_padded(body.p + 200, SL_INGEST_FILE_NAME_BYTES, ask.file_name));
    const char *const names[] = { ask.compartment, ask.object };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        SL_NEED(names[i][0] == 0 || sl_name_ok(sl_view_str(names[i])), SL_E_SYNTAX);
    }
    *ret = ask;
    return SL_DONE;
}

static const sl_ipc_rule answer_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_IPC_BYTES_MAX, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table answer_table = { "ingest", answer_rules, SL_COUNT_OF(answer_rules) };

static sl_res wait_answer(sl_ipc *link, uint64_t id, sl_buf *reply)
{
    sl_ipc_msg answer;
    SL_TRY(sl_ipc_receive_wait(link, SL_INGEST_WAIT_MS_MAX, &answer));
    sl_res r = answer.id != id                ? sl_fail(SL_E_REFUSED)
               : answer.type == SL_IPC_FAILED ? sl_ipc_failed_res(&answer)
                                              : sl_buf_add(reply, answer.body);
    sl_ipc_msg_clear(&answer);
    return r;
}

sl_res sl_ingest_call(const char *site, sl_ingest_type type, const sl_ingest_ask *ask, int fd,
                      sl_buf *reply)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_INGEST_ASK_BYTES };
    SL_TRY(sl_ingest_ask_encode(ask, &body));
    return sl_door_call(site, "ingest", (uint16_t)type, sl_buf_view(&body), fd, reply);
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
