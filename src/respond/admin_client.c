/* The command's side of the admin socket (see admin.h). */
#include "respond/admin.h"

static const sl_ipc_rule answer_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_IPC_BYTES_MAX, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table answer_table = { "warden", answer_rules, SL_COUNT_OF(answer_rules) };

sl_res sl_warden_connect(const char *site, sl_ipc **ret_link)
{
    int fd = -1;
    SL_TRY(sl_ipc_dial(site, "admin", &fd));
    return sl_ipc_open(fd, &answer_table, ret_link);
}

sl_res sl_warden_ask(const char *site, uint16_t type, sl_view body, sl_buf *reply)
{
    SL_OWN(sl_ipc *, link, sl_ipc_close_at) = NULL;
    SL_TRY(sl_warden_connect(site, &link));
    sl_ipc_msg answer;
    SL_TRY(sl_ipc_ask(link, type, body, SL_ADMIN_WAIT_MS_MAX, &answer));
    sl_res kept = sl_buf_add(reply, answer.body);
    sl_ipc_msg_clear(&answer);
    return kept;
}
