/* Questions and answers of echo confirmation, and the comparison (confirm.h). Reads one record of one version;
 * must never keep it, nor say anything of it but how much agrees. */
#include "vault/confirm.h"

#include <string.h>

#include "artefact/record.h"
#include "base/secret.h"
#include "detect/echo_confirm.h"

sl_res sl_echo_source_name(const sl_object_ref *ref, sl_buf *out)
{
    return sl_buf_addf(out, "%s/%llu/%s", ref->object, (unsigned long long)ref->version, ref->uid);
}

sl_res sl_echo_source_read(sl_view name, sl_object_ref *ret)
{
    sl_object_ref ref = { 0 };
    sl_view object;
    sl_view version;
    sl_view uid;
    bool whole = sl_view_cut(name, '/', &object, &name) && sl_view_cut(name, '/', &version, &uid);
    if (!whole || !sl_object_name_ok(object) || uid.n != SL_OBJECT_UID_CHARS ||
        !sl_ok(sl_parse_u64(version, INT64_MAX / 1024, &ref.version)) || ref.version == 0) {
        return sl_fail_at(SL_E_SYNTAX, "source of the index", SL_NOWHERE);
    }
    memcpy(ref.object, object.p, object.n);
    memcpy(ref.uid, uid.p, uid.n);
    SL_NEED(strspn(ref.uid, "0123456789abcdef") == SL_OBJECT_UID_CHARS, SL_E_SYNTAX);
    *ret = ref;
    return SL_DONE;
}

/* ---- as bytes ------------------------------------------------------------------------------------ */

sl_res sl_confirm_request_encode(const sl_confirm_request *q, sl_buf *out)
{
    uint8_t head[64 + 8 + 8 + 2] = { 0 };
    SL_NEED(q->source.n <= SL_CONFIRM_SOURCE_BYTES_MAX && q->text.n <= SL_CONFIRM_TEXT_BYTES_MAX &&
                q->text.n != 0,
            SL_E_LIMIT);
    memcpy(head, q->compartment, strlen(q->compartment));
    sl_put_le64(head + 64, q->offset);
    sl_put_le64(head + 72, q->length);
    sl_put_le16(head + 80, (uint16_t)q->source.n);
    SL_TRY(sl_buf_add(out, sl_view_of(head, sizeof head)));
    SL_TRY(sl_buf_add(out, q->source));
    return sl_buf_add(out, q->text);
}

sl_res sl_confirm_request_decode(sl_view body, sl_confirm_request *ret)
{
    sl_confirm_request q = { 0 };
    SL_NEED(body.n >= SL_CONFIRM_REQUEST_BYTES_MIN && body.n <= SL_CONFIRM_REQUEST_BYTES_MAX,
            SL_E_SYNTAX);
    size_t used = strnlen((const char *)body.p, SL_NAME_BYTES_MAX);
    for (size_t i = used; i < SL_NAME_BYTES_MAX; i++) {
        SL_NEED(body.p[i] == 0, SL_E_SYNTAX);
    }
    SL_TRY(sl_name_set(q.compartment, sl_view_of(body.p, used)));
    q.offset = sl_get_le64(body.p + 64);
    q.length = sl_get_le64(body.p + 72);
    size_t source = sl_get_le16(body.p + 80);
    sl_view rest = sl_view_sub(body, 82, body.n);
    SL_NEED(source <= SL_CONFIRM_SOURCE_BYTES_MAX && source < rest.n &&
                q.offset <= SL_OBJECT_BYTES_MAX && q.length <= SL_OBJECT_BYTES_MAX,
            SL_E_SYNTAX);
    q.source = sl_view_sub(rest, 0, source);
    q.text = sl_view_sub(rest, source, rest.n);
    SL_NEED(q.text.n <= SL_CONFIRM_TEXT_BYTES_MAX, SL_E_SYNTAX);
    *ret = q;
    return SL_DONE;
}

sl_res sl_confirm_answer_encode(const sl_confirm_answer *a, sl_buf *out)
{
    uint8_t bytes[SL_CONFIRM_ANSWER_BYTES];
    sl_put_le32(bytes, a->confirmed ? 1 : 0);
    sl_put_le32(bytes + 4, a->bits);
    sl_put_le32(bytes + 8, a->bits_needed);
    sl_put_le32(bytes + 12, a->words_same);
    sl_put_le32(bytes + 16, a->words_changed);
    sl_put_le32(bytes + 20, a->permille);
    return sl_buf_add(out, sl_view_of(bytes, sizeof bytes));
}

sl_res sl_confirm_answer_decode(sl_view body, sl_confirm_answer *ret)
{
    SL_NEED(body.n == SL_CONFIRM_ANSWER_BYTES && sl_get_le32(body.p) <= 1 &&
                sl_get_le32(body.p + 20) <= 1000,
            SL_E_SYNTAX);
    *ret = (sl_confirm_answer){ .confirmed = sl_get_le32(body.p) == 1,
                                .bits = sl_get_le32(body.p + 4),
                                .bits_needed = sl_get_le32(body.p + 8),
                                .words_same = sl_get_le32(body.p + 12),
                                .words_changed = sl_get_le32(body.p + 16),
                                .permille = sl_get_le32(body.p + 20) };
    return SL_DONE;
}

/* ---- the record ---------------------------------------------------------------------------------- */

static sl_res keep_text(void *ctx, const sl_record *record)
{
    for (size_t i = 0; i < record->cell_count; i++) {
        SL_TRY(sl_buf_add(ctx, record->cells[i].value));
        SL_TRY(sl_buf_add_byte(ctx, '\n'));
    }
    return SL_DONE;
}

sl_res sl_confirm_record_text(sl_view raw, sl_buf *out)
{
    SL_OWN(sl_reader *, reader, sl_reader_free) = NULL;
    sl_record_sink sink = { .ctx = out, .record = keep_text };
    sl_reader_options options = { .format = SL_FORMAT_JSON, .encoding = SL_ENCODING_UTF8 };
    size_t from = out->n;
    sl_view text = sl_view_trim(raw);
    if (text.n != 0 && text.p[0] == '{') {
        SL_TRY(sl_reader_new(&options, sink, &reader));
        sl_res read = sl_reader_feed(reader, text);
        if (sl_ok(read) && sl_ok(sl_reader_finish(reader, NULL)) && out->n > from) {
            return SL_DONE;
        }
        out->n = from;
    }
    return sl_buf_add(out, raw);
}

static void wipe_free(sl_buf *b)
{
    if (b->p != NULL) {
        sl_wipe(b->p, b->cap);
    }
    sl_buf_free(b);
}

sl_res sl_confirm_record(const sl_echo_index *index, uint32_t segment, sl_view raw, size_t lead,
                         size_t length, sl_view text, sl_echo_verdict *ret)
{
    SL_OWN(sl_buf, record, wipe_free) = { .max = SL_ECHO_CONFIRM_RECORD_BYTES };
    sl_view own = sl_view_sub(raw, lead, lead + length);
    SL_TRY(sl_confirm_record_text(own, &record));
    SL_TRY(sl_echo_confirm(index, segment, sl_buf_view(&record), text, ret));
    bool object = own.n > 0 && own.p[0] == '{';
    if (ret->confirmed || object || raw.n == own.n) {
        return SL_DONE;
    }
    /* A text that was indexed in parts: what is recited may begin in the part before. */
    SL_TRY(sl_echo_confirm(index, segment, raw, text, ret));
    ret->confirmed = ret->confirmed && ret->record_start < lead + own.n && ret->record_end > lead;
    return SL_DONE;
}

static sl_res read_raw(int vault_fd, const sl_confirm_request *q, const uint8_t key[32],
                       sl_buf *raw, size_t *ret_lead)
{
    sl_object_ref ref;
    sl_manifest manifest;
    sl_object *object = NULL;
    SL_TRY(sl_echo_source_read(q->source, &ref));
    SL_TRY(sl_manifest_read(vault_fd, q->compartment, ref.object, ref.version, &manifest));
    SL_NEED(strcmp(manifest.ref.uid, ref.uid) == 0, SL_E_INTEGRITY);
    /* The key is this version's alone, and every chunk's tag is checked under it: another object cannot stand
     * in for this one whatever the manifest says. */
    SL_TRY(sl_object_open(vault_fd, &manifest, SL_PART_DATA, key,
                          &manifest.parts[SL_PART_DATA].root, &object));
    *ret_lead = q->offset > SL_CONFIRM_MARGIN_BYTES ? SL_CONFIRM_MARGIN_BYTES : (size_t)q->offset;
    size_t n = *ret_lead + (size_t)q->length + SL_CONFIRM_MARGIN_BYTES;
    sl_res r = n <= raw->max ? sl_buf_reserve(raw, n)
                             : sl_fail_at(SL_E_LIMIT, "record to compare", raw->max);
    if (sl_ok(r)) {
        r = sl_object_read(object, q->offset - *ret_lead, raw->p, n, &raw->n);
    }
    sl_object_close(&object);
    return r;
}

/* Does what was read hold what was indexed at that place? A compressed table, say, reads otherwise than it was
 * indexed: then no comparison can refute anything. */
static sl_res scan_record(const sl_echo_index *index, sl_view text, sl_echo_matches *found)
{
    sl_echo_scratch *scratch = NULL;
    sl_echo_scan *scan = NULL;
    SL_TRY(sl_echo_scratch_new(NULL, &scratch));
    sl_res r = sl_echo_scan_new(index, scratch, &scan);
    r = sl_ok(r) ? sl_echo_scan_feed(scan, text, found) : r;
    r = sl_ok(r) ? sl_echo_scan_finish(scan, found) : r;
    sl_echo_scan_free(scan);
    sl_echo_scratch_free(scratch);
    return r;
}

static sl_res is_as_indexed(const sl_echo_index *index, const sl_confirm_request *q, sl_view text)
{
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    sl_echo_place place;
    SL_TRY(scan_record(index, text, &found));
    for (size_t i = 0; i < found.n; i++) {
        if (sl_echo_place_of(index, &found.items[i], &place) && place.offset == q->offset &&
            sl_view_eq(place.source, q->source)) {
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_UNSUPPORTED, "record: not readable as it was indexed", SL_NOWHERE);
}

static void tell(const sl_echo_verdict *v, size_t record_n, sl_confirm_answer *ret)
{
    uint64_t part = (uint64_t)(v->record_end - v->record_start) * 1000 / (record_n + 1);
    *ret = (sl_confirm_answer){ .confirmed = v->confirmed,
                                .bits = v->bits,
                                .bits_needed = v->bits_needed,
                                .words_same = v->words_same,
                                .words_changed = v->words_changed,
                                .permille = part > 1000 ? 1000 : (uint32_t)part };
}

sl_res sl_confirm_compare(int vault_fd, const sl_echo_index *index, const sl_confirm_request *q,
                          const uint8_t key[32], sl_confirm_answer *ret_answer)
{
    SL_OWN(sl_buf, raw, wipe_free) = { .max = SL_ECHO_CONFIRM_RECORD_BYTES };
    sl_echo_verdict verdict;
    uint32_t segment = 0;
    size_t lead = 0;
    if (!sl_echo_find_source(index, q->source, &segment)) {
        return sl_fail_at(SL_E_NOT_FOUND, "source of the index", SL_NOWHERE);
    }
    SL_TRY(read_raw(vault_fd, q, key, &raw, &lead));
    sl_view own = sl_view_sub(sl_buf_view(&raw), lead, lead + (size_t)q->length);
    SL_TRY(sl_confirm_record(index, segment, sl_buf_view(&raw), lead, (size_t)q->length, q->text,
                             &verdict));
    if (!verdict.confirmed) {
        SL_OWN(sl_buf, record, wipe_free) = { .max = SL_ECHO_CONFIRM_RECORD_BYTES };
        bool object = own.n > 0 && own.p[0] == '{';
        SL_TRY(sl_confirm_record_text(object ? own : sl_buf_view(&raw), &record));
        SL_TRY(is_as_indexed(index, q, sl_buf_view(&record)));
    }
    tell(&verdict, own.n, ret_answer);
    return SL_DONE;
}

/* ---- how often ----------------------------------------------------------------------------------- */

bool sl_confirm_budget_take(sl_confirm_budget *b, uint64_t now_ms)
{
    if (!b->begun) {
        *b = (sl_confirm_budget){ .filled_ms = now_ms, .left = SL_CONFIRM_BURST, .begun = true };
    }
    uint64_t more =
        now_ms > b->filled_ms ? (now_ms - b->filled_ms) * SL_CONFIRM_EACH_SECOND / 1000 : 0;
    if (more != 0) {
        b->left = b->left + more > SL_CONFIRM_BURST ? SL_CONFIRM_BURST : b->left + (uint32_t)more;
        b->filled_ms = now_ms;
    }
    if (b->left == 0) {
        return false;
    }
    b->left--;
    return true;
}
