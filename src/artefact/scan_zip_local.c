/* Zip's view from the front (scan_zip.h): local headers, and the bytes between members. */
#include <stdlib.h>
#include <string.h>

#include "artefact/scan_impl.h"
#include "artefact/scan_zip.h"

#define LOCAL_BYTES ((size_t)30)
#define HIDDEN_MAX 4096U

static void differ(sl_zip *zip, const sl_zip_entry *e, const char *what)
{
    char text[128];
    (void)snprintf(text, sizeof text, "%s differs: %.*s", what,
                   (int)(e->name.n < 64 ? e->name.n : 64), (const char *)e->name.p);
    sl_scan_report(zip->scan, SL_RULE_ZIP_MISMATCH, e->local, sl_view_str(text));
}

/* Reads the header at e->local into `h`: name as a view that dies with the next read. */
static sl_res read_local(sl_zip *zip, uint64_t at, sl_zip_entry *h, sl_view *ret_name)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_need(zip->source, at, LOCAL_BYTES, &v));
    if (memcmp(v.p, "PK\3\4", 4) != 0) {
        return sl_fail_at(SL_E_SYNTAX, "zip local header", at);
    }
    size_t name = sl_get_le16(v.p + 26);
    size_t extra = sl_get_le16(v.p + 28);
    *h = (sl_zip_entry){ .flags = sl_get_le16(v.p + 6),
                         .method = sl_get_le16(v.p + 8),
                         .crc = sl_get_le32(v.p + 14),
                         .packed = sl_get_le32(v.p + 18),
                         .size = sl_get_le32(v.p + 22),
                         .local = at,
                         .data = at + LOCAL_BYTES + name + extra };
    SL_TRY(sl_source_need(zip->source, at + LOCAL_BYTES, name + extra, &v));
    *ret_name = sl_view_sub(v, 0, name);
    for (sl_view x = sl_view_sub(v, name, v.n); x.n >= 4;) { /* zip64: size, then packed */
        size_t n = sl_get_le16(x.p + 2);
        if (sl_get_le16(x.p) == 1 && n >= 16 && x.n >= 20) {
            h->size = h->size == UINT32_MAX ? sl_get_le64(x.p + 4) : h->size;
            h->packed = h->packed == UINT32_MAX ? sl_get_le64(x.p + 12) : h->packed;
        }
        x = sl_view_sub(x, 4 + n, x.n);
    }
    return SL_DONE;
}

static void compare(sl_zip *zip, const sl_zip_entry *e, const sl_zip_entry *h, sl_view name)
{
    bool later = (h->flags & 8) != 0; /* sizes stand in a descriptor behind the data */
    if (!sl_view_eq(name, e->name)) {
        sl_scan_report(zip->scan, SL_RULE_ZIP_NAME, e->local, name);
    }
    if (h->method != e->method) {
        differ(zip, e, "method");
    }
    if (h->flags != e->flags) {
        differ(zip, e, "flags");
    }
    if (!(later && h->crc == 0) && h->crc != e->crc) {
        differ(zip, e, "check sum");
    }
    if (!(later && h->packed == 0) && h->packed != e->packed) {
        differ(zip, e, "packed size");
    }
    if (!(later && h->size == 0) && h->size != e->size) {
        differ(zip, e, "size");
    }
    if (((h->flags | e->flags) & 0x2041) != 0) { /* encrypted, strongly, or its headers masked */
        sl_scan_report(zip->scan, SL_RULE_ZIP_ENCRYPTED, e->local, e->name);
    } else if (((h->flags | e->flags) & ~0x080eU) != 0) {
        sl_scan_report(zip->scan, SL_RULE_ZIP_FLAGS, e->local, e->name);
    }
}

/* Bytes of the data descriptor behind the data: 12 or 20, with a signature or without. */
static sl_res descriptor(sl_zip *zip, const sl_zip_entry *e, size_t *ret_n)
{
    sl_view v = { 0 };
    uint64_t at = e->data + e->packed;
    SL_TRY(sl_source_at(zip->source, at, 24, &v));
    size_t sign = v.n >= 4 && memcmp(v.p, "PK\7\x08", 4) == 0 ? 4 : 0;
    bool wide = v.n >= sign + 20 && sl_get_le64(v.p + sign + 4) == e->packed &&
                sl_get_le64(v.p + sign + 12) == e->size;
    bool narrow = v.n >= sign + 12 && sl_get_le32(v.p + sign + 4) == (uint32_t)e->packed &&
                  sl_get_le32(v.p + sign + 8) == (uint32_t)e->size;
    *ret_n = wide && !narrow ? sign + 20 : narrow ? sign + 12 : 0;
    return SL_DONE;
}

sl_res sl_zip_local(sl_zip *zip, sl_zip_entry *e)
{
    sl_zip_entry h = { 0 };
    sl_view name = { 0 };
    size_t behind = 0;
    sl_res r = read_local(zip, e->local, &h, &name);
    bool fits = sl_ok(r) && h.data <= zip->directory && e->packed <= zip->directory - h.data;
    if (!fits && (sl_ok(r) || sl_is(r, SL_E_SYNTAX) || sl_is(r, SL_E_TRUNCATED))) {
        sl_scan_report(zip->scan, SL_RULE_ZIP_LOCAL, e->local, e->name);
        e->end = e->local;
        return SL_DONE;
    }
    SL_TRY(r);
    compare(zip, e, &h, name);
    e->data = h.data;
    if (((h.flags | e->flags) & 8) != 0) {
        SL_TRY(descriptor(zip, e, &behind));
    }
    e->end = e->data + e->packed + behind;
    return SL_DONE;
}

/* ---- between members ---- */

static int by_place(const void *a, const void *b)
{
    const sl_zip_entry *x = a;
    const sl_zip_entry *y = b;
    return x->local < y->local ? -1 : x->local > y->local;
}

/* A local header in a gap: a member for streaming readers alone. */
static sl_res hidden(sl_zip *zip, uint64_t at, uint64_t to, uint64_t *ret_next)
{
    sl_zip_entry h = { 0 };
    sl_view name = { 0 };
    *ret_next = to;
    sl_res r = read_local(zip, at, &h, &name);
    if (!sl_ok(r) || h.data > to) {
        return SL_DONE;
    }
    SL_TRY(sl_arena_dup(&zip->arena, name, &h.name));
    sl_scan_report(zip->scan, SL_RULE_ZIP_HIDDEN, at, h.name);
    uint64_t left = to - h.data;
    bool sized = h.packed != 0 && h.packed <= left;
    h.packed = sized ? h.packed : left;
    *ret_next = sized ? h.data + h.packed : to;
    return sl_zip_content(zip, &h, true);
}

static sl_res gap(sl_zip *zip, uint64_t from, uint64_t to, sl_rule rule)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_at(zip->source, from, 60, &v));
    v = sl_view_sub(v, 0, to - from < v.n ? (size_t)(to - from) : v.n);
    sl_scan_report(zip->scan, rule, from, v);
    SL_OWN(sl_source *, part, sl_source_free) = NULL;
    SL_TRY(sl_source_part(zip->source, from, to - from, &part));
    return sl_scan_member_on_trial(zip->scan, SL_LIT("(gap)"), part);
}

/* From one accounted byte to the next: headers first, what is left is a gap. */
static sl_res between(sl_zip *zip, uint64_t from, uint64_t to, unsigned *found)
{
    while (from < to) {
        sl_view v = { 0 };
        uint64_t next = to;
        SL_TRY(sl_source_at(zip->source, from, 4, &v));
        bool header = v.n == 4 && memcmp(v.p, "PK\3\4", 4) == 0;
        if (!header || ++*found > HIDDEN_MAX) {
            return gap(zip, from, to, from == 0 ? SL_RULE_ZIP_PREFIX : SL_RULE_ZIP_GAP);
        }
        SL_TRY(hidden(zip, from, to, &next));
        from = next;
    }
    return SL_DONE;
}

sl_res sl_zip_gaps(sl_zip *zip)
{
    uint64_t at = 0;
    unsigned found = 0;
    if (zip->count != 0) {
        qsort(zip->entries, zip->count, sizeof *zip->entries, by_place);
    }
    for (size_t i = 0; i < zip->count; i++) {
        const sl_zip_entry *e = &zip->entries[i];
        if (e->local < at) {
            sl_scan_report(zip->scan, SL_RULE_ZIP_OVERLAP, e->local, e->name);
        } else {
            SL_TRY(between(zip, at, e->local, &found));
        }
        at = e->end > at ? e->end : at;
    }
    SL_TRY(between(zip, at, zip->directory, &found));
    uint64_t size = sl_source_size(zip->source);
    return zip->end < size ? gap(zip, zip->end, size, SL_RULE_ZIP_TRAILING) : SL_DONE;
}
