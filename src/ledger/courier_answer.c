/* What comes to the courier from outside, read strictly and without I/O (courier.h). */
#include "ledger/courier.h"

#include "ledger/checkpoint.h"

sl_res sl_courier_answer_read(sl_view whole, sl_courier_answer *ret)
{
    sl_view line;
    sl_view rest;
    uint64_t status = 0;

    SL_NEED(sl_view_cut(whole, '\n', &line, &rest), SL_E_TRUNCATED);
    SL_NEED(sl_view_starts(line, SL_LIT("HTTP/1.")) && line.n >= 12 && line.p[8] == ' ',
            SL_E_SYNTAX);
    SL_TRY(sl_parse_u64(sl_view_sub(line, 9, 12), 599, &status));
    do {
        SL_NEED(sl_view_cut(rest, '\n', &line, &rest), SL_E_TRUNCATED);
    } while (line.n != 0 && !sl_view_eq_str(line, "\r"));
    *ret = (sl_courier_answer){ (int)status, rest };
    return SL_DONE;
}

sl_res sl_courier_judge(const sl_courier_answer *answer, uint64_t old, uint64_t size,
                        uint64_t *ret_seen)
{
    sl_view text = answer->body;
    uint64_t seen = 0;

    switch (answer->status) {
    case 200:
        return SL_DONE;
    case 409:
        if (text.n != 0 && text.p[text.n - 1] == '\n') {
            text.n--;
        }
        if (!sl_ok(sl_parse_u64(text, SL_TREE_SIZE_MAX, &seen))) {
            return sl_fail(SL_E_UNAVAILABLE);
        }
        *ret_seen = seen;
        if (seen > size) {
            return sl_fail_at(SL_E_ROLLBACK, "size that the witness has seen", seen);
        }
        /* The size we named is the one it has, and yet it would not: another root at that size. */
        return sl_fail(seen == old ? SL_E_INTEGRITY : SL_E_AGAIN);
    case 422:
        return sl_fail(SL_E_INTEGRITY);
    case 403:
    case 404:
        return sl_fail(SL_E_DENIED);
    default:
        return sl_fail(SL_E_UNAVAILABLE);
    }
}

sl_res sl_courier_growth_read(sl_view body, sl_proof *ret_proof, sl_view *ret_note,
                              uint64_t *ret_size)
{
    sl_note note;
    sl_checkpoint checkpoint;

    SL_NEED(body.n >= 4, SL_E_TRUNCATED);
    size_t n = sl_get_le32(body.p);
    SL_NEED(n <= SL_PROOF_HASHES_MAX, SL_E_RANGE);
    SL_NEED(body.n >= 4 + n * SL_DIGEST_BYTES, SL_E_TRUNCATED);
    ret_proof->n = n;
    memcpy(ret_proof->hashes, body.p + 4, n * SL_DIGEST_BYTES);
    *ret_note = sl_view_sub(body, 4 + n * SL_DIGEST_BYTES, body.n);
    SL_TRY(sl_note_split(*ret_note, &note));
    SL_TRY(sl_checkpoint_parse(note.text, &checkpoint));
    *ret_size = checkpoint.size;
    return SL_DONE;
}
