/* Zip, read from both ends. Python and torch trust the central directory, streaming readers the local
 * headers, and each forgives different things (CVE-2025-1944, CVE-2025-1945, CVE-2025-10156); so both views
 * are read, every difference is a finding, and members of either view are scanned, whatever their
 * flags say. Format: APPNOTE.TXT 6.3.10. */
#include "artefact/scan_zip.h"

#include <stdlib.h>
#include <string.h>

#include "artefact/expand.h"
#include "artefact/scan_impl.h"

#define END_BYTES ((size_t)22)
#define TAIL_BYTES (END_BYTES + 65535)
#define CENTRAL_BYTES ((size_t)46)
#define ARENA_BYTES_MAX ((size_t)24 << 20)

/* ---- the end record ---- */

/* Does a directory stand where the record at `at` of the window says? */
static sl_res directory_stands(sl_source *source, uint64_t at, const uint8_t *record,
                               bool *ret_stands)
{
    uint64_t size = sl_get_le32(record + 12);
    uint64_t offset = sl_get_le32(record + 16);
    bool empty = sl_get_le16(record + 10) == 0 && size == 0;
    bool far = size == UINT32_MAX || offset == UINT32_MAX; /* zip64 */
    sl_view v = { 0 };
    *ret_stands = far || empty;
    /* Right in front of the record; or where it says, with zip64 records between (torch). */
    const uint64_t places[] = { size <= at ? at - size : at, offset };
    for (size_t i = 0; i < 2 && !*ret_stands && size >= CENTRAL_BYTES; i++) {
        if (places[i] > at || size > at - places[i]) {
            continue;
        }
        SL_TRY(sl_source_at(source, places[i], 4, &v));
        *ret_stands = v.n == 4 && memcmp(v.p, "PK\1\2", 4) == 0;
    }
    return SL_DONE;
}

/* The last record in the tail whose directory stands; `ret_others`: how many more there are. */
static sl_res find_end(sl_source *source, uint64_t limit, uint64_t *ret_at, size_t *ret_others)
{
    uint64_t from = limit > TAIL_BYTES ? limit - TAIL_BYTES : 0;
    SL_OWN(sl_buf, tail, sl_buf_free) = { .max = TAIL_BYTES };
    sl_cursor c = sl_cursor_part(source, from, limit);
    SL_TRY(sl_cursor_copy(&c, limit - from, &tail));
    *ret_at = UINT64_MAX;
    *ret_others = 0;
    for (size_t i = tail.n < END_BYTES ? 0 : tail.n - END_BYTES + 1; i-- > 0;) {
        if (memcmp(tail.p + i, "PK\5\6", 4) != 0) {
            continue;
        }
        bool stands = false;
        SL_TRY(directory_stands(source, from + i, tail.p + i, &stands));
        if (stands && *ret_at == UINT64_MAX) {
            *ret_at = from + i;
        } else if (stands) {
            ++*ret_others;
        }
    }
    return SL_DONE;
}

sl_identity sl_identify_zip(const sl_probe *probe)
{
    sl_view h = probe->head;
    uint64_t at = UINT64_MAX;
    size_t others = 0;
    if (h.n >= 4 && (memcmp(h.p, "PK\3\4", 4) == 0 || memcmp(h.p, "PK\5\6", 4) == 0)) {
        return SL_IDENTIFY_YES;
    }
    if (probe->size < END_BYTES || !sl_ok(find_end(probe->source, probe->size, &at, &others))) {
        return SL_IDENTIFY_NO;
    }
    return at != UINT64_MAX ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

/* No record in the tail: readers that look further find one that others do not. */
static sl_res find_end_anywhere(sl_zip *zip, uint64_t *ret_at)
{
    uint64_t limit = sl_source_size(zip->source);
    size_t others = 0;
    while (limit >= END_BYTES) {
        SL_TRY(find_end(zip->source, limit, ret_at, &others));
        if (*ret_at != UINT64_MAX || limit <= TAIL_BYTES) {
            return SL_DONE;
        }
        limit -= TAIL_BYTES - END_BYTES;
    }
    return SL_DONE;
}

/* Fields that the end record cannot hold stand in the zip64 record; one that holds other values for
 * those it can is a second directory. */
static sl_res take_zip64(sl_zip *zip, uint64_t at, uint64_t *count, uint64_t *size,
                         uint64_t *offset)
{
    sl_view v = { 0 };
    if (at < 20) {
        return SL_DONE;
    }
    SL_TRY(sl_source_need(zip->source, at - 20, 20, &v));
    if (memcmp(v.p, "PK\6\7", 4) != 0) {
        return SL_DONE;
    }
    uint64_t record = sl_get_le64(v.p + 8);
    zip->directory_end = at - 20;
    SL_TRY(sl_source_need(zip->source, record, 56, &v));
    if (memcmp(v.p, "PK\6\6", 4) != 0) {
        return sl_fail_at(SL_E_SYNTAX, "zip64 end record", record);
    }
    uint64_t *const narrow[] = { count, size, offset };
    for (size_t i = 0; i < 3; i++) {
        uint64_t wide = sl_get_le64(v.p + 32 + 8 * i);
        if (*narrow[i] != (i == 0 ? UINT16_MAX : UINT32_MAX) && *narrow[i] != wide) {
            sl_scan_report_str(zip->scan, SL_RULE_ZIP_AMBIGUOUS, at, "zip64 says something else");
        }
        *narrow[i] = wide;
    }
    zip->directory_end = record;
    return SL_DONE;
}

static sl_res take_comment(sl_zip *zip, uint64_t at, size_t n)
{
    SL_OWN(sl_source *, comment, sl_source_free) = NULL;
    sl_view v = { 0 };
    if (n == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_source_at(zip->source, at, n < 60 ? n : 60, &v));
    sl_scan_report(zip->scan, SL_RULE_ZIP_COMMENT, at, v);
    SL_TRY(sl_source_part(zip->source, at, n, &comment));
    return sl_scan_member_on_trial(zip->scan, SL_LIT("(comment)"), comment);
}

static sl_res read_end(sl_zip *zip, uint64_t *ret_count)
{
    uint64_t at = UINT64_MAX;
    size_t others = 0;
    sl_view v = { 0 };
    SL_TRY(find_end(zip->source, sl_source_size(zip->source), &at, &others));
    if (at == UINT64_MAX) {
        SL_TRY(find_end_anywhere(zip, &at));
    }
    if (at == UINT64_MAX) {
        return sl_fail_at(SL_E_TRUNCATED, "zip end record", sl_source_size(zip->source));
    }
    if (others != 0) {
        sl_scan_report_str(zip->scan, SL_RULE_ZIP_AMBIGUOUS, at, "several end records");
    }
    SL_TRY(sl_source_need(zip->source, at, END_BYTES, &v));
    uint64_t count = sl_get_le16(v.p + 10);
    uint64_t size = sl_get_le32(v.p + 12);
    uint64_t offset = sl_get_le32(v.p + 16);
    size_t comment = sl_get_le16(v.p + 20);
    uint64_t left = sl_source_size(zip->source) - at - END_BYTES;
    zip->directory_end = at;
    zip->end = at + END_BYTES + (comment < left ? comment : left);
    SL_TRY(take_comment(zip, at + END_BYTES, comment < left ? comment : (size_t)left));
    SL_TRY(take_zip64(zip, at, &count, &size, &offset));
    if (size > zip->directory_end || offset > zip->directory_end - size) {
        return sl_fail_at(SL_E_SYNTAX, "zip directory", at);
    }
    zip->directory = zip->directory_end - size;
    zip->shift = zip->directory - offset;
    *ret_count = count;
    return SL_DONE;
}

/* ---- the central directory ---- */

/* Sizes and offset that did not fit stand in the zip64 extra field, in this order. */
static sl_res widen(sl_view extra, sl_zip_entry *e)
{
    while (extra.n >= 4) {
        size_t id = sl_get_le16(extra.p);
        size_t n = sl_get_le16(extra.p + 2);
        sl_view field = sl_view_sub(extra, 4, 4 + n);
        extra = sl_view_sub(extra, 4 + n, extra.n);
        uint64_t *const wide[] = { &e->size, &e->packed, &e->local };
        for (size_t i = 0; id == 1 && i < SL_COUNT_OF(wide); i++) {
            if (*wide[i] == UINT32_MAX) {
                SL_NEED(field.n >= 8, SL_E_TRUNCATED);
                *wide[i] = sl_get_le64(field.p);
                field = sl_view_sub(field, 8, field.n);
            }
        }
    }
    return SL_DONE;
}

static sl_res read_entry(sl_zip *zip, sl_cursor *c, sl_zip_entry *e)
{
    sl_view v = { 0 };
    uint64_t at = c->at;
    SL_TRY(sl_cursor_take(c, CENTRAL_BYTES, &v));
    if (memcmp(v.p, "PK\1\2", 4) != 0) {
        return sl_fail_at(SL_E_SYNTAX, "zip directory entry", at);
    }
    size_t name = sl_get_le16(v.p + 28);
    size_t extra = sl_get_le16(v.p + 30);
    size_t comment = sl_get_le16(v.p + 32);
    *e = (sl_zip_entry){ .maker = v.p[5],
                         .flags = sl_get_le16(v.p + 8),
                         .method = sl_get_le16(v.p + 10),
                         .crc = sl_get_le32(v.p + 16),
                         .packed = sl_get_le32(v.p + 20),
                         .size = sl_get_le32(v.p + 24),
                         .outside = sl_get_le32(v.p + 38),
                         .local = sl_get_le32(v.p + 42) };
    SL_TRY(sl_cursor_take(c, name, &v));
    SL_TRY(sl_arena_dup(&zip->arena, v, &e->name));
    SL_TRY(sl_cursor_take(c, extra, &v));
    SL_TRY(widen(v, e));
    e->local += zip->shift;
    if (comment != 0) {
        SL_TRY(sl_cursor_take(c, comment, &v));
        sl_scan_report(zip->scan, SL_RULE_ZIP_COMMENT, c->at - comment, v);
    }
    return SL_DONE;
}

static sl_res read_directory(sl_zip *zip, uint64_t count)
{
    sl_cursor c = sl_cursor_part(zip->source, zip->directory, zip->directory_end);
    uint64_t most = zip->scan->budget->spend[SL_SPEND_MEMBERS];
    if (count > most || count > sl_cursor_left(&c) / CENTRAL_BYTES) {
        return sl_fail_at(count > most ? SL_E_LIMIT : SL_E_SYNTAX, "zip members", zip->directory);
    }
    zip->entries = calloc((size_t)count + 1, sizeof *zip->entries);
    SL_NEED(zip->entries != NULL, SL_E_MEMORY);
    while (zip->count < count) {
        SL_TRY(read_entry(zip, &c, &zip->entries[zip->count]));
        zip->count++;
    }
    if (sl_cursor_left(&c) != 0) {
        sl_scan_report_str(zip->scan, SL_RULE_ZIP_AMBIGUOUS, c.at, "more directory than it says");
    }
    return SL_DONE;
}

/* ---- names ---- */

static int by_name(const void *a, const void *b)
{
    return sl_view_cmp(*(const sl_view *)a, *(const sl_view *)b);
}

/* Two members of one name (also when case is folded, as some file systems do): readers take one each. */
static sl_res judge_names(sl_zip *zip)
{
    sl_view *folded = calloc(zip->count + 1, sizeof *folded);
    SL_NEED(folded != NULL, SL_E_MEMORY);
    sl_res r = SL_DONE;
    for (size_t i = 0; i < zip->count && sl_ok(r); i++) {
        const sl_zip_entry *e = &zip->entries[i];
        (void)sl_scan_path(zip->scan, e->name, e->local);
        if (e->maker == 3 && (e->outside >> 16 & 0170000) == 0120000) {
            sl_scan_report(zip->scan, SL_RULE_PATH_LINK, e->local, e->name);
        }
        uint8_t *copy = sl_arena_alloc(&zip->arena, e->name.n + 1);
        r = copy == NULL ? sl_fail(SL_E_MEMORY) : SL_DONE;
        for (size_t k = 0; copy != NULL && k < e->name.n; k++) {
            uint8_t c = e->name.p[k];
            copy[k] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
        }
        folded[i] = sl_view_of(copy, e->name.n);
    }
    if (sl_ok(r)) {
        qsort(folded, zip->count, sizeof *folded, by_name);
    }
    for (size_t i = 1; i < zip->count && sl_ok(r); i++) {
        if (sl_view_eq(folded[i - 1], folded[i])) {
            sl_scan_report(zip->scan, SL_RULE_ZIP_DUPLICATE, SL_NOWHERE, folded[i]);
        }
    }
    free(folded);
    return r;
}

/* ---- content ---- */

/* Raw numbers by their place: X/data/0, and TorchScript's X/constants/0. */
static bool storage(const sl_zip_entry *e)
{
    size_t digits = e->name.n;
    while (digits > 0 && e->name.p[digits - 1] >= '0' && e->name.p[digits - 1] <= '9') {
        digits--;
    }
    if (digits < e->name.n &&
        sl_view_ends(sl_view_sub(e->name, 0, digits), SL_LIT("/constants/"))) {
        return true;
    }
    return sl_view_find(e->name, SL_LIT("/data/"), 0) != SIZE_MAX &&
           !sl_view_ends(e->name, SL_LIT(".pt")) && !sl_view_ends(e->name, SL_LIT(".pkl"));
}

/* Could a storage be something else than numbers? Asked while its first bytes are at hand. */
static sl_res numbers(sl_zip *zip, const sl_zip_entry *e, bool *ret_numbers)
{
    static const char first[] = "\x80(c]}\x1f"
                                "xB\xfdP\x93\x7fMG\x89\x5d\x28\x04";
    sl_view v = { 0 };
    SL_TRY(sl_source_at(zip->source, e->data, 1, &v));
    *ret_numbers = e->method == 0 && (v.n == 0 || memchr(first, v.p[0], sizeof first - 1) == NULL);
    return SL_DONE;
}

static sl_res open_content(sl_zip *zip, const sl_zip_entry *e, sl_expanded *about,
                           sl_source **ret_source)
{
    SL_OWN(sl_source *, packed, sl_source_free) = NULL;
    SL_TRY(sl_source_part(zip->source, e->data, e->packed, &packed));
    switch (e->method) {
    case 0:
        about->size = e->packed;
        about->used = e->packed;
        SL_TRY(sl_source_crc(packed, &about->crc));
        *ret_source = packed;
        packed = NULL;
        return SL_DONE;
    case 8:
        return sl_expand(zip->scan, packed, SL_CODEC_DEFLATE, about, ret_source);
    case 12:
    case 93:
    case 95:
        return sl_expand(zip->scan, packed, SL_CODEC_OTHER, about, ret_source);
    default:
        sl_scan_partial(zip->scan);
        sl_scan_reportf(zip->scan, SL_RULE_ZIP_METHOD, e->local, "method %u", e->method);
        return sl_fail(SL_E_UNSUPPORTED);
    }
}

static void judge_content(sl_zip *zip, const sl_zip_entry *e, const sl_expanded *about)
{
    if (about->size != e->size) {
        sl_scan_report(zip->scan, SL_RULE_ZIP_SIZE, e->local, e->name);
    }
    if (about->crc != e->crc) {
        sl_scan_report(zip->scan, SL_RULE_ZIP_CRC, e->local, e->name);
    }
    if (about->used != e->packed && e->method == 8) {
        sl_scan_report(zip->scan, SL_RULE_ZIP_GAP, e->data + about->used, e->name);
    }
}

sl_res sl_zip_content(sl_zip *zip, const sl_zip_entry *e, bool hidden)
{
    SL_OWN(sl_source *, content, sl_source_free) = NULL;
    sl_expanded about = { 0 };
    bool folder = e->name.n != 0 && e->name.p[e->name.n - 1] == '/';
    if (e->data == 0 || (folder && e->packed == 0)) {
        return SL_DONE;
    }
    bool plain = false;
    if (storage(e)) {
        SL_TRY(numbers(zip, e, &plain));
    }
    sl_res r = open_content(zip, e, &about, &content);
    if (sl_is(r, SL_E_UNSUPPORTED)) {
        return SL_DONE;
    }
    if (sl_is(r, SL_E_SYNTAX) || sl_is(r, SL_E_TRUNCATED) || sl_is(r, SL_E_RANGE)) {
        sl_scan_partial(zip->scan);
        sl_scan_report(zip->scan, SL_RULE_ZIP_CONTENT, e->local, e->name);
        return SL_DONE;
    }
    if (sl_is(r, SL_E_LIMIT)) {
        return SL_DONE; /* told; the other members are still scanned */
    }
    SL_TRY(r);
    if (!hidden) {
        judge_content(zip, e, &about);
        if (storage(e)) {
            SL_TRY(sl_scan_numbers(zip->scan, e->name, about.size));
        }
    }
    bool code = sl_view_find(e->name, SL_LIT("/code/"), 0) != SIZE_MAX &&
                sl_view_ends(e->name, SL_LIT(".py"));
    if (code) { /* the archive's own, compiled by the loader */
        return sl_scan_member_as(zip->scan, e->name, content, SL_KIND_TORCHSCRIPT);
    }
    if (plain) {
        return SL_DONE;
    }
    return storage(e) ? sl_scan_member_on_trial(zip->scan, e->name, content)
                      : sl_scan_member(zip->scan, e->name, content);
}

static void zip_end(sl_zip *zip)
{
    free(zip->entries);
    sl_arena_free(&zip->arena);
}

static sl_res scan_entries(sl_zip *zip)
{
    SL_TRY(judge_names(zip));
    for (size_t i = 0; i < zip->count;
         i++) { /* header and content together: one pass over the file */
        SL_TRY(sl_zip_local(zip, &zip->entries[i]));
        SL_TRY(sl_zip_content(zip, &zip->entries[i], false));
    }
    return sl_zip_gaps(zip);
}

sl_res sl_scan_zip(sl_scan *scan, sl_source *source)
{
    SL_OWN(sl_zip, zip, zip_end) = { .scan = scan, .source = source };
    uint64_t count = 0;
    zip.arena.max = ARENA_BYTES_MAX;
    sl_res r = read_end(&zip, &count);
    if (sl_ok(r)) {
        r = read_directory(&zip, count);
    }
    if (!sl_ok(r)) {
        sl_scan_failed(scan, r); /* what the front shows is still scanned */
        zip.directory = sl_source_size(source);
        zip.directory_end = zip.directory;
        zip.end = zip.directory;
        zip.count = 0;
        return sl_zip_gaps(&zip);
    }
    return scan_entries(&zip);
}
