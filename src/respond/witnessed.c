/* What a witness signed (see witnessed.h). It must never make an event of what it has not verified. */
#include "respond/witnessed.h"

#include "ledger/checkpoint.h"
#include "ledger/events.gen.h"

/* The one of the configured witnesses that cosigned, and when. */
static sl_res find_witness(sl_view note, const sl_vkey *log, const sl_view *witnesses, size_t count,
                           sl_vkey *ret_key, uint64_t *ret_time_s)
{
    for (size_t i = 0; i < count; i++) {
        sl_vkey key;
        sl_note opened;
        SL_TRY(sl_vkey_parse(witnesses[i], &key));
        bool self = memcmp(&key.public_key, &log->public_key, sizeof key.public_key) == 0;
        if (self || key.type != SL_NOTE_COSIGNATURE_V1) {
            continue;
        }
        if (sl_ok(sl_note_open(note, &key, 1, &opened)) && opened.verified == 1) {
            *ret_key = key;
            *ret_time_s = opened.time_s[0];
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_DENIED, "cosignature of a witness in config.yml", SL_NOWHERE);
}

sl_res sl_witnessed(sl_view body, const sl_vkey *log, const sl_view *witnesses,
                    size_t witness_count, int64_t now_s, sl_buf *ret_event)
{
    sl_view from_text;
    sl_view note;
    uint64_t from = 0;
    uint64_t time_s = 0;
    sl_checkpoint checkpoint;
    sl_vkey key;
    if (!sl_view_cut(body, ' ', &from_text, &note)) {
        return sl_fail_at(SL_E_SYNTAX, "witnessed", SL_NOWHERE);
    }
    SL_TRY(sl_parse_u64(from_text, SL_TREE_SIZE_MAX, &from));
    SL_TRY(sl_checkpoint_open(note, log, &checkpoint));
    SL_TRY(find_witness(note, log, witnesses, witness_count, &key, &time_s));
    SL_NEED(from <= checkpoint.size, SL_E_RANGE);
    uint64_t now = now_s < 0 ? 0 : (uint64_t)now_s;
    uint64_t apart = now > time_s ? now - time_s : time_s - now;
    if (apart > SL_WITNESSED_AGE_S_MAX) {
        return sl_fail_at(SL_E_RANGE, "seconds between the cosignature and now", apart);
    }
    sl_event_head head = { 0 };
    sl_event_ledger_witnessed fields = {
        .witness = sl_view_str(key.name),
        .from_size = from,
        .to_size = checkpoint.size,
        .root = &checkpoint.root,
        .has_ok = true,
        .ok = true,
        .has_time_s = true,
        .time_s = time_s,
    };
    return sl_emit_ledger_witnessed(&head, &fields, ret_event);
}
