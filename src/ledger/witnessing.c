/* Judging what witnesses say (witnessing.h). It must never call a ledger witnessed on the courier's word
 * alone, nor while one witness refuses. */
#include "ledger/witnessing.h"

#include "ledger/events.gen.h"
#include "ledger/protocol.h"

sl_res sl_witnessing_init(sl_witnessing *w, const sl_vkey *log, const sl_config_witness *witnesses,
                          size_t count)
{
    SL_NEED(count <= SL_CONFIG_WITNESSES_MAX, SL_E_LIMIT);
    *w = (sl_witnessing){ .log = *log, .count = count };
    for (size_t i = 0; i < count; i++) {
        sl_witness_seat *seat = &w->seats[i];
        sl_res r = sl_vkey_parse(witnesses[i].key, &seat->key);
        if (!sl_ok(r) || seat->key.type != SL_NOTE_COSIGNATURE_V1) {
            return sl_fail_at(SL_E_CONFIG, "ledger.witnesses", i);
        }
        seat->by_hand = witnesses[i].url.n == 0;
        seat->is_self = memcmp(&seat->key.public_key, &log->public_key, SL_PUBLIC_KEY_BYTES) == 0;
    }
    return SL_DONE;
}

sl_res sl_witness_report_read(sl_view body, sl_witness_report *ret)
{
    SL_NEED(body.n >= SL_LEDGER_WITNESSED_HEADER_BYTES, SL_E_TRUNCATED);
    uint32_t code = sl_get_le32(body.p + 4);
    SL_NEED(code < SL_CODE_COUNT, SL_E_RANGE);
    *ret = (sl_witness_report){
        .witness = sl_get_le32(body.p),
        .code = (int32_t)code,
        .seen = sl_get_le64(body.p + 8),
        .note = sl_view_sub(body, SL_LEDGER_WITNESSED_HEADER_BYTES, body.n),
    };
    return SL_DONE;
}

sl_res sl_witness_report_add(const sl_witness_report *report, sl_buf *out)
{
    uint8_t head[SL_LEDGER_WITNESSED_HEADER_BYTES];
    sl_put_le32(head, report->witness);
    sl_put_le32(head + 4, (uint32_t)report->code);
    sl_put_le64(head + 8, report->seen);
    SL_TRY(sl_buf_add(out, sl_view_of(head, sizeof head)));
    return sl_buf_add(out, report->note);
}

/* What a report comes down to. */
typedef struct {
    sl_witness_word word;
    const char *reason;
    uint64_t size;
    uint64_t time_s;
    sl_digest root;
    sl_res fatal; /* if it is the first word of this witness */
} verdict;

static verdict refused(sl_code code, uint64_t size, const sl_digest *root)
{
    return (verdict){ .word = SL_WITNESS_REFUSED,
                      .reason = code == SL_E_ROLLBACK ? "behind" : "fork",
                      .size = size,
                      .root = *root,
                      .fatal = { (int32_t)code } };
}

static verdict unreachable(const char *reason, uint64_t size, const sl_digest *root)
{
    return (verdict){ .word = SL_WITNESS_UNREACHABLE,
                      .reason = reason,
                      .size = size,
                      .root = *root,
                      .fatal = SL_DONE };
}

static verdict judge_note(const sl_witnessing *w, const sl_witness_seat *seat, sl_view note,
                          uint64_t size, const sl_digest *root, uint64_t now_s)
{
    sl_vkey keys[2] = { w->log, seat->key };
    sl_note opened;
    sl_checkpoint c;
    if (!sl_ok(sl_note_open(note, keys, 2, &opened)) || opened.verified != 3 ||
        !sl_ok(sl_checkpoint_open(note, &w->log, &c))) {
        return unreachable("signature", size, root);
    }
    if (c.size > size || (c.size == size && !sl_digest_eq(&c.root, root))) {
        return refused(c.size > size ? SL_E_ROLLBACK : SL_E_INTEGRITY, size, root);
    }
    uint64_t time_s = opened.time_s[1];
    if ((now_s > time_s ? now_s - time_s : time_s - now_s) > SL_WITNESS_APART_S_MAX) {
        return unreachable("clock", size, root);
    }
    return (verdict){ .word = SL_WITNESS_COSIGNED,
                      .size = c.size,
                      .time_s = time_s,
                      .root = c.root,
                      .fatal = SL_DONE };
}

static verdict judge(const sl_witnessing *w, const sl_witness_seat *seat,
                     const sl_witness_report *report, uint64_t size, const sl_digest *root,
                     uint64_t now_s)
{
    switch (report->code) {
    case SL_OK:
        return seat->is_self ? unreachable("self", size, root)
                             : judge_note(w, seat, report->note, size, root, now_s);
    case SL_E_ROLLBACK:
        /* The courier asked with an older checkpoint: the log has grown past what was seen. */
        return report->seen > size ? refused(SL_E_ROLLBACK, size, root)
                                   : unreachable("busy", size, root);
    case SL_E_INTEGRITY:
        return refused(SL_E_INTEGRITY, size, root);
    case SL_E_SIGNATURE:
        return unreachable("signature", size, root);
    case SL_E_DENIED:
        return unreachable("denied", size, root);
    default:
        return unreachable("unreachable", size, root);
    }
}

/* The state of all: one refusal outweighs everything, one cosignature every silence. */
static sl_witness_word word_of_all(const sl_witnessing *w)
{
    sl_witness_word all = SL_WITNESS_UNREACHABLE;
    for (size_t i = 0; i < w->count; i++) {
        sl_witness_word word = w->seats[i].word;
        if (word == SL_WITNESS_REFUSED) {
            return SL_WITNESS_REFUSED;
        }
        if (word == SL_WITNESS_COSIGNED) {
            all = SL_WITNESS_COSIGNED;
        } else if (word == SL_WITNESS_UNASKED && !w->seats[i].by_hand &&
                   all == SL_WITNESS_UNREACHABLE) {
            all = SL_WITNESS_UNASKED;
        }
    }
    return all;
}

static sl_res write_event(const sl_witness_seat *seat, const sl_witness_report *report,
                          const verdict *v, sl_buf *event)
{
    sl_event_head head = { 0 };
    sl_event_ledger_witnessed fields = {
        .witness = sl_view_str(seat->key.name),
        .from_size = report->seen,
        .to_size = v->size,
        .root = &v->root,
        .has_ok = v->word != SL_WITNESS_UNREACHABLE,
        .ok = v->word == SL_WITNESS_COSIGNED,
        .reason = v->reason == NULL ? (sl_view){ 0 } : sl_view_str(v->reason),
        .has_time_s = v->time_s != 0,
        .time_s = v->time_s,
    };
    return sl_emit_ledger_witnessed(&head, &fields, event);
}

sl_res sl_witnessing_take(sl_witnessing *w, const sl_witness_report *report, uint64_t size,
                          const sl_digest *root, uint64_t now_ms, sl_buf *event, bool *ret_keep)
{
    *ret_keep = false;
    SL_NEED(report->witness < w->count && !w->seats[report->witness].by_hand, SL_E_RANGE);
    sl_witness_seat *seat = &w->seats[report->witness];
    verdict v = judge(w, seat, report, size, root, now_ms / 1000);
    if (seat->word == SL_WITNESS_UNASKED && !sl_ok(v.fatal)) {
        return sl_fail_at((sl_code)v.fatal.code, "ledger, of which a witness saw more or other",
                          report->seen);
    }
    bool silent = v.word == SL_WITNESS_UNREACHABLE && seat->word == SL_WITNESS_REFUSED;
    seat->word = silent ? SL_WITNESS_REFUSED : v.word; /* silence takes nothing back */
    if (v.word == SL_WITNESS_COSIGNED && v.size >= seat->kept) {
        seat->kept = v.size;
        *ret_keep = true;
    }
    sl_witness_word all = word_of_all(w);
    bool news = all != w->said || now_ms >= w->said_ms + SL_WITNESS_SAY_MS;
    if (v.word == all && news) {
        SL_TRY(write_event(seat, report, &v, event));
        w->said = all;
        w->said_ms = now_ms;
    }
    return SL_DONE;
}
