/* A scan's result as bytes (scan_wire.h). Little endian; texts are u16 length and printable ASCII. */
#include "supply/scan_wire.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES ((size_t)(3 + 2 + 8 + 8 + 8 + SL_DIGEST_BYTES + 4 + 4))
#define FINDINGS_MAX 1000U

static sl_res put_text(sl_buf *out, sl_view text)
{
    uint8_t n[2];
    sl_view kept = sl_view_sub(text, 0, 8192);
    sl_put_le16(n, (uint16_t)kept.n);
    SL_TRY(sl_buf_add(out, sl_view_of(n, sizeof n)));
    return sl_buf_add(out, kept);
}

static sl_res put_u64(sl_buf *out, uint64_t value)
{
    uint8_t b[8];
    sl_put_le64(b, value);
    return sl_buf_add(out, sl_view_of(b, sizeof b));
}

static sl_res put_head(const sl_scan_result *r, sl_buf *out)
{
    uint8_t head[HEAD_BYTES] = { (uint8_t)r->class, r->complete, r->hashed };
    sl_put_le16(head + 3, (uint16_t)r->kind);
    sl_put_le64(head + 5, r->bytes);
    sl_put_le64(head + 13, r->members);
    sl_put_le64(head + 21, r->suppressed);
    memcpy(head + 29, r->sha256.b, SL_DIGEST_BYTES);
    sl_put_le32(head + 29 + SL_DIGEST_BYTES, (uint32_t)r->finding_count);
    sl_put_le32(head + 33 + SL_DIGEST_BYTES, (uint32_t)r->outside_count);
    return sl_buf_add(out, sl_view_of(head, sizeof head));
}

static sl_res put_body(const sl_scan_result *r, sl_buf *out)
{
    for (size_t i = 0; i < r->finding_count; i++) {
        uint8_t rule[2];
        sl_put_le16(rule, (uint16_t)r->findings[i].rule);
        SL_TRY(sl_buf_add(out, sl_view_of(rule, sizeof rule)));
        SL_TRY(put_u64(out, r->findings[i].offset));
        SL_TRY(put_text(out, r->findings[i].member));
        SL_TRY(put_text(out, r->findings[i].evidence));
    }
    for (size_t i = 0; i < r->outside_count; i++) {
        SL_TRY(put_u64(out, r->outside[i].offset));
        SL_TRY(put_u64(out, r->outside[i].length));
        SL_TRY(put_text(out, r->outside[i].member));
        SL_TRY(put_text(out, r->outside[i].path));
    }
    return SL_DONE;
}

sl_res sl_scan_wire_put(const sl_scan_result *result, sl_buf *out)
{
    uint8_t length[4] = { 0 };
    size_t at = out->n;
    SL_TRY(sl_buf_add(out, sl_view_of(length, sizeof length)));
    SL_TRY(put_head(result, out));
    SL_TRY(put_body(result, out));
    SL_NEED(out->n - at - 4 <= SL_SCAN_WIRE_BYTES_MAX, SL_E_LIMIT);
    sl_put_le32(out->p + at, (uint32_t)(out->n - at - 4));
    return SL_DONE;
}

/* ---- reading ---- */

static sl_res take(sl_view *rest, size_t n, const uint8_t **ret_bytes)
{
    SL_NEED(n <= rest->n, SL_E_SYNTAX);
    *ret_bytes = rest->p;
    *rest = sl_view_sub(*rest, n, rest->n);
    return SL_DONE;
}

static sl_res take_text(sl_view *rest, bool printable, sl_view *ret_text)
{
    const uint8_t *b = NULL;
    SL_TRY(take(rest, 2, &b));
    size_t n = sl_get_le16(b);
    SL_TRY(take(rest, n, &b));
    for (size_t i = 0; i < n; i++) {
        SL_NEED(!printable || (b[i] >= 0x20 && b[i] < 0x7f), SL_E_SYNTAX);
    }
    *ret_text = sl_view_of(b, n);
    return SL_DONE;
}

static sl_res take_head(sl_view *rest, sl_scan_result *r)
{
    const uint8_t *b = NULL;
    SL_TRY(take(rest, HEAD_BYTES, &b));
    SL_NEED(b[0] < SL_SCAN_CLASS_COUNT && b[1] <= 1 && b[2] <= 1, SL_E_SYNTAX);
    SL_NEED(sl_get_le16(b + 3) < SL_KIND_COUNT, SL_E_SYNTAX);
    r->class = (sl_scan_class)b[0];
    r->complete = b[1] != 0;
    r->hashed = b[2] != 0;
    r->kind = (sl_kind)sl_get_le16(b + 3);
    r->bytes = sl_get_le64(b + 5);
    r->members = sl_get_le64(b + 13);
    r->suppressed = sl_get_le64(b + 21);
    memcpy(r->sha256.b, b + 29, SL_DIGEST_BYTES);
    r->finding_count = sl_get_le32(b + 29 + SL_DIGEST_BYTES);
    r->outside_count = sl_get_le32(b + 33 + SL_DIGEST_BYTES);
    SL_NEED(r->finding_count <= FINDINGS_MAX && r->outside_count <= FINDINGS_MAX, SL_E_SYNTAX);
    /* A worker cannot call clean what it did not finish, or what it has findings of a class about. */
    SL_NEED(r->class != SL_SCAN_CLEAN || r->complete, SL_E_SYNTAX);
    return SL_DONE;
}

static sl_res take_body(sl_view rest, sl_scan_result *r)
{
    const uint8_t *b = NULL;
    for (size_t i = 0; i < r->finding_count; i++) {
        sl_scan_finding *f = &r->findings[i];
        SL_TRY(take(&rest, 10, &b));
        SL_NEED(sl_get_le16(b) < SL_RULE_COUNT, SL_E_SYNTAX);
        f->rule = (sl_rule)sl_get_le16(b);
        f->offset = sl_get_le64(b + 2);
        SL_NEED(sl_rule_get(f->rule)->class <= r->class, SL_E_SYNTAX);
        SL_TRY(take_text(&rest, true, &f->member));
        SL_TRY(take_text(&rest, true, &f->evidence));
    }
    for (size_t i = 0; i < r->outside_count; i++) {
        sl_scan_outside *o = &r->outside[i];
        SL_TRY(take(&rest, 16, &b));
        o->offset = sl_get_le64(b);
        o->length = sl_get_le64(b + 8);
        SL_TRY(take_text(&rest, true, &o->member));
        SL_TRY(take_text(&rest, false, &o->path));
    }
    return rest.n == 0 ? SL_DONE : sl_fail(SL_E_SYNTAX);
}

static sl_res take_all(sl_view frame, sl_scan_result *r)
{
    sl_view kept = { 0 };
    r->arena.max = 2 * SL_SCAN_WIRE_BYTES_MAX;
    SL_TRY(sl_arena_dup(&r->arena, frame, &kept));
    SL_TRY(take_head(&kept, r));
    r->findings = calloc(r->finding_count + 1, sizeof *r->findings);
    r->outside = calloc(r->outside_count + 1, sizeof *r->outside);
    SL_NEED(r->findings != NULL && r->outside != NULL, SL_E_MEMORY);
    return take_body(kept, r);
}

sl_res sl_scan_wire_get(sl_view frame, sl_scan_result *ret_result)
{
    sl_scan_result made = { 0 };
    sl_res r = take_all(frame, &made);
    if (sl_ok(r)) {
        *ret_result = made;
    } else {
        sl_scan_result_free(&made);
    }
    return r;
}
