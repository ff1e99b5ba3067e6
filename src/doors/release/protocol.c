/* The release process's requests as bytes, and the command's side of its socket (protocol.h). */
#include "doors/release/protocol.h"

sl_res sl_release_ask_encode(const sl_release_ask *ask, sl_buf *out)
{
    size_t file_name_bytes = strnlen(ask->file_name, sizeof ask->file_name);
    SL_NEED(file_name_bytes < sizeof ask->file_name, SL_E_LIMIT);
    SL_TRY(sl_buf_add_padded(out, sl_view_str(ask->compartment), SL_NAME_BYTES_MAX));
    SL_TRY(sl_buf_add_padded(out, sl_view_str(ask->id), SL_RELEASE_ID_BYTES));
    SL_TRY(sl_buf_add(out, sl_view_of(ask->salt, sizeof ask->salt)));
    return sl_buf_add_padded(out, sl_view_of(ask->file_name, file_name_bytes),
                             sizeof ask->file_name);
}

sl_res sl_release_ask_decode(sl_view body, sl_release_ask *ret)
{
    sl_release_ask ask = { 0 };
    SL_NEED(body.n == SL_RELEASE_ASK_BYTES && body.p[SL_RELEASE_ASK_BYTES - 1] == 0, SL_E_SYNTAX);
    const uint8_t *at = body.p;
    SL_TRY(sl_padded_read(at, SL_NAME_BYTES_MAX, ask.compartment));
    at += SL_NAME_BYTES_MAX;
    SL_TRY(sl_padded_read(at, SL_RELEASE_ID_BYTES, ask.id));
    at += SL_RELEASE_ID_BYTES;
    memcpy(ask.salt, at, sizeof ask.salt);
    at += sizeof ask.salt;
    SL_TRY(sl_padded_read(at, sizeof ask.file_name - 1, ask.file_name));
    SL_NEED(ask.compartment[0] == 0 || sl_name_ok(sl_view_str(ask.compartment)), SL_E_SYNTAX);
    SL_NEED(strspn(ask.id, "0123456789abcdef") == strlen(ask.id), SL_E_SYNTAX);
    *ret = ask;
    return SL_DONE;
}

sl_res sl_release_call(const char *site, sl_release_type type, const sl_release_ask *ask, int fd,
                       sl_buf *reply)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_RELEASE_ASK_BYTES };
    SL_TRY(sl_release_ask_encode(ask, &body));
    return sl_door_call(site, "release", (uint16_t)type, sl_buf_view(&body), fd, reply);
}
