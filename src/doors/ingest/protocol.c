/* The ingest process's requests as bytes, and the command's side of its socket (protocol.h). */
#include "doors/ingest/protocol.h"

sl_res sl_ingest_ask_encode(const sl_ingest_ask *ask, sl_buf *out)
{
    uint8_t version[8];
    sl_put_le64(version, ask->version);
    size_t file_name_bytes = strnlen(ask->file_name, sizeof ask->file_name);
    SL_NEED(file_name_bytes < sizeof ask->file_name, SL_E_LIMIT);
    SL_TRY(sl_buf_add_padded(out, sl_view_str(ask->compartment), SL_NAME_BYTES_MAX));
    SL_TRY(sl_buf_add_padded(out, sl_view_str(ask->object), SL_NAME_BYTES_MAX));
    SL_TRY(sl_buf_add_padded(out, sl_view_str(ask->record_id), SL_NAME_BYTES_MAX));
    SL_TRY(sl_buf_add(out, sl_view_of(version, sizeof version)));
    return sl_buf_add_padded(out, sl_view_of(ask->file_name, file_name_bytes),
                             SL_INGEST_FILE_NAME_BYTES);
}

sl_res sl_ingest_ask_decode(sl_view body, sl_ingest_ask *ret)
{
    SL_NEED(body.n == SL_INGEST_ASK_BYTES, SL_E_SYNTAX);
    sl_ingest_ask ask = { .version = sl_get_le64(body.p + 192) };
    SL_TRY(sl_padded_read(body.p, SL_NAME_BYTES_MAX, ask.compartment));
    SL_TRY(sl_padded_read(body.p + 64, SL_NAME_BYTES_MAX, ask.object));
    SL_TRY(sl_padded_read(body.p + 128, SL_NAME_BYTES_MAX, ask.record_id));
    SL_NEED(body.p[SL_INGEST_ASK_BYTES - 1] == 0, SL_E_SYNTAX);
    SL_TRY(sl_padded_read(body.p + 200, SL_INGEST_FILE_NAME_BYTES - 1, ask.file_name));
    const char *const names[] = { ask.compartment, ask.object };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        SL_NEED(names[i][0] == 0 || sl_name_ok(sl_view_str(names[i])), SL_E_SYNTAX);
    }
    *ret = ask;
    return SL_DONE;
}

sl_res sl_ingest_call(const char *site, sl_ingest_type type, const sl_ingest_ask *ask, int fd,
                      sl_buf *reply)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_INGEST_ASK_BYTES };
    SL_TRY(sl_ingest_ask_encode(ask, &body));
    return sl_door_call(site, "ingest", (uint16_t)type, sl_buf_view(&body), fd, reply);
}
