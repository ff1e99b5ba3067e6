/* The keeper's requests as bytes, and the table of who may ask what. Pure.
 * Design: src/vault/keeper.h. */
#include <string.h>

#include "vault/keeper.h"

static const uint32_t allowed[SL_KEEPER_TYPE_END] = {
    [SL_KEEPER_UNLOCK] = 1U << SL_KEEPER_WARDEN,
    [SL_KEEPER_STATUS] = 1U << SL_KEEPER_WARDEN,
    [SL_KEEPER_KEY_NEW] = 1U << SL_KEEPER_INGEST | 1U << SL_KEEPER_RELEASE,
    [SL_KEEPER_KEY_OPEN] = 1U << SL_KEEPER_INGEST | 1U << SL_KEEPER_RELEASE,
    [SL_KEEPER_KEY_FORGET] = 1U << SL_KEEPER_INGEST | 1U << SL_KEEPER_RELEASE,
    [SL_KEEPER_ECHO_CONFIRM] = 1U << SL_KEEPER_ASK,
    [SL_KEEPER_LEASE] = 1U << SL_KEEPER_INGEST | 1U << SL_KEEPER_ASK | 1U << SL_KEEPER_RELEASE,
};

bool sl_keeper_may(sl_keeper_peer peer, uint16_t type)
{
    return type < SL_KEEPER_TYPE_END && (allowed[type] & (1U << peer)) != 0;
}

const char *sl_keeper_peer_name(sl_keeper_peer peer)
{
    static const char *const names[SL_KEEPER_PEER_COUNT] = { "warden", "ingest", "ask", "release",
                                                             "probe" };
    return names[peer];
}

/* A padded name: the text, then nothing but zeroes. */
static sl_res read_name(const uint8_t *p, sl_name ret)
{
    char text[SL_NAME_BYTES_MAX + 1];
    SL_TRY(sl_padded_read(p, SL_NAME_BYTES_MAX, text));
    return sl_name_set(ret, sl_view_str(text));
}

sl_res sl_key_request_encode(const sl_key_request *request, sl_buf *out)
{
    uint8_t numbers[24] = { 0 };
    sl_put_le64(numbers, request->version);
    sl_put_le64(numbers + 8, request->intent);
    sl_put_le32(numbers + 16, (uint32_t)request->kind);
    SL_TRY(sl_buf_add_padded(out, sl_view_str(request->compartment), SL_NAME_BYTES_MAX));
    SL_TRY(sl_buf_add_padded(out, sl_view_str(request->name), SL_NAME_BYTES_MAX));
    SL_TRY(sl_buf_add_padded(out, sl_view_str(request->principal), SL_UID_CHARS));
    return sl_buf_add(out, sl_view_of(numbers, sizeof numbers));
}

sl_res sl_key_request_decode(sl_view body, sl_key_request *ret)
{
    SL_NEED(body.n == SL_KEY_REQUEST_BYTES, SL_E_SYNTAX);
    const uint8_t *numbers = body.p + 160;
    sl_key_request r = { .version = sl_get_le64(numbers),
                         .intent = sl_get_le64(numbers + 8),
                         .kind = (sl_wrap_kind)sl_get_le32(numbers + 16) };
    SL_TRY(read_name(body.p, r.compartment));
    SL_TRY(read_name(body.p + 64, r.name));
    memcpy(r.principal, body.p + 128, SL_UID_CHARS);
    SL_NEED(strspn(r.principal, "0123456789abcdef") == SL_UID_CHARS, SL_E_SYNTAX);
    SL_NEED(sl_get_le32(numbers + 16) <= SL_WRAP_SUBJECT && sl_get_le32(numbers + 20) == 0,
            SL_E_SYNTAX);
    SL_NEED((r.kind == SL_WRAP_OBJECT) == (r.version > 0) && r.version <= INT64_MAX, SL_E_SYNTAX);
    *ret = r;
    return SL_DONE;
}

sl_res sl_lease_request_encode(const sl_lease_request *request, sl_buf *out)
{
    SL_TRY(sl_buf_add_padded(out, sl_view_str(request->compartment), SL_NAME_BYTES_MAX));
    return sl_buf_add_padded(out, sl_view_str(request->purpose), SL_NAME_BYTES_MAX);
}

sl_res sl_lease_request_decode(sl_view body, sl_lease_request *ret)
{
    SL_NEED(body.n == SL_LEASE_REQUEST_BYTES, SL_E_SYNTAX);
    sl_lease_request r = { 0 };
    SL_TRY(read_name(body.p, r.compartment));
    SL_TRY(read_name(body.p + 64, r.purpose));
    *ret = r;
    return SL_DONE;
}
