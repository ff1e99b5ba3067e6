/* Checkpoints and receipts as text (checkpoint.h). */
#include "ledger/checkpoint.h"

#include <inttypes.h>

#include "base/encode.h"
#include "base/limits.h"

sl_res sl_checkpoint_text(const sl_checkpoint *c, sl_buf *out)
{
    SL_TRY(sl_buf_addf(out, "%s\n%" PRIu64 "\n", c->origin, c->size));
    SL_TRY(sl_base64_add(out, sl_digest_view(&c->root)));
    return sl_buf_add_byte(out, '\n');
}

sl_res sl_checkpoint_sign(const sl_checkpoint *c, const sl_sign_key *key, sl_buf *out)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CHECKPOINT_BYTES_MAX };

    SL_TRY(sl_checkpoint_text(c, &text));
    return sl_note_sign(out, sl_buf_view(&text), sl_view_str(c->origin), key);
}

static sl_res next_line(sl_view *rest, sl_view *ret_line)
{
    SL_NEED(sl_view_find_byte(*rest, '\n', 0) != SIZE_MAX, SL_E_TRUNCATED);
    (void)sl_view_cut(*rest, '\n', ret_line, rest);
    return SL_DONE;
}

static sl_res parse_digest(sl_view line, sl_digest *ret)
{
    SL_OWN(sl_buf, raw, sl_buf_free) = { .max = 64 };

    SL_NEED(line.n == 44, SL_E_SYNTAX);
    SL_TRY(sl_base64_decode(line, &raw));
    SL_NEED(raw.n == sizeof ret->b, SL_E_SYNTAX);
    memcpy(ret->b, raw.p, raw.n);
    return SL_DONE;
}

sl_res sl_checkpoint_parse(sl_view text, sl_checkpoint *ret)
{
    sl_checkpoint c = { 0 };
    sl_view line;

    SL_TRY(next_line(&text, &line));
    SL_NEED(line.n != 0, SL_E_SYNTAX);
    SL_NEED(line.n <= SL_ORIGIN_BYTES_MAX, SL_E_LIMIT);
    memcpy(c.origin, line.p, line.n);
    SL_TRY(next_line(&text, &line));
    SL_TRY(sl_parse_u64(line, SL_TREE_SIZE_MAX, &c.size));
    SL_TRY(next_line(&text, &line));
    SL_TRY(parse_digest(line, &c.root));
    while (text.n != 0) {
        SL_TRY(next_line(&text, &line));
        SL_NEED(line.n != 0, SL_E_SYNTAX);
    }
    *ret = c;
    return SL_DONE;
}

sl_res sl_checkpoint_open(sl_view note, const sl_vkey *log_key, sl_checkpoint *ret)
{
    sl_note opened;
    sl_checkpoint c;

    SL_NEED(note.n <= SL_CHECKPOINT_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_note_open(note, log_key, 1, &opened));
    SL_TRY(sl_checkpoint_parse(opened.text, &c));
    if (strcmp(c.origin, log_key->name) != 0) {
        return sl_fail_at(SL_E_SIGNATURE, "origin", SL_NOWHERE);
    }
    *ret = c;
    return SL_DONE;
}

sl_res sl_proof_add_lines(const sl_proof *proof, sl_buf *out)
{
    for (size_t i = 0; i < proof->n; i++) {
        SL_TRY(sl_base64_add(out, sl_digest_view(&proof->hashes[i])));
        SL_TRY(sl_buf_add_byte(out, '\n'));
    }
    return SL_DONE;
}

sl_res sl_proof_parse_lines(sl_view *rest, sl_proof *ret)
{
    sl_proof p = { 0 };
    sl_view line;

    for (;;) {
        SL_TRY(next_line(rest, &line));
        if (line.n == 0) {
            break;
        }
        SL_NEED(p.n < SL_PROOF_HASHES_MAX, SL_E_LIMIT);
        SL_TRY(parse_digest(line, &p.hashes[p.n]));
        p.n++;
    }
    *ret = p;
    return SL_DONE;
}

static const char RECEIPT_HEADER[] = "c2sp.org/tlog-proof@v1";

sl_res sl_receipt_write(sl_view leaf, uint64_t index, const sl_proof *proof,
                        sl_view checkpoint_note, sl_buf *out)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_RECEIPT_BYTES_MAX };

    SL_TRY(sl_buf_addf(&text, "%s\n", RECEIPT_HEADER));
    if (leaf.n != 0) {
        SL_TRY(sl_buf_add_str(&text, "extra "));
        SL_TRY(sl_base64_add(&text, leaf));
        SL_TRY(sl_buf_add_byte(&text, '\n'));
    }
    SL_TRY(sl_buf_addf(&text, "index %" PRIu64 "\n", index));
    SL_TRY(sl_proof_add_lines(proof, &text));
    SL_TRY(sl_buf_add_byte(&text, '\n'));
    SL_TRY(sl_buf_add(&text, checkpoint_note));
    return sl_buf_add(out, sl_buf_view(&text));
}

sl_res sl_receipt_parse(sl_view text, sl_receipt *ret)
{
    sl_receipt r = { 0 };
    sl_view line;

    SL_NEED(text.n <= SL_RECEIPT_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(next_line(&text, &line));
    SL_NEED(sl_view_eq_str(line, RECEIPT_HEADER), SL_E_SYNTAX);
    SL_TRY(next_line(&text, &line));
    if (sl_view_starts(line, SL_LIT("extra "))) {
        SL_OWN(sl_buf, extra, sl_buf_free) = { .max = SL_RECEIPT_BYTES_MAX };
        r.extra = sl_view_sub(line, 6, line.n);
        SL_TRY(sl_base64_decode(r.extra, &extra));
        SL_TRY(next_line(&text, &line));
    }
    SL_NEED(sl_view_starts(line, SL_LIT("index ")), SL_E_SYNTAX);
    SL_TRY(sl_parse_u64(sl_view_sub(line, 6, line.n), SL_TREE_SIZE_MAX, &r.index));
    SL_TRY(sl_proof_parse_lines(&text, &r.proof));
    r.checkpoint_note = text;
    *ret = r;
    return SL_DONE;
}

sl_res sl_receipt_leaf(sl_view receipt, sl_buf *ret_leaf)
{
    sl_receipt r;

    SL_TRY(sl_receipt_parse(receipt, &r));
    SL_NEED(r.extra.n != 0, SL_E_NOT_FOUND);
    return sl_base64_decode(r.extra, ret_leaf);
}

sl_res sl_receipt_check(sl_view receipt, sl_view entry, const sl_vkey *log_key,
                        sl_checkpoint *ret_checkpoint, uint64_t *ret_index)
{
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    sl_receipt r;
    sl_checkpoint c;

    SL_TRY(sl_receipt_parse(receipt, &r));
    SL_TRY(sl_checkpoint_open(r.checkpoint_note, log_key, &c));
    sl_digest leaf = sl_merkle_leaf(&h, entry);
    SL_TRY(sl_tree_check(r.index, c.size, &leaf, &r.proof, &c.root));
    *ret_checkpoint = c;
    *ret_index = r.index;
    return SL_DONE;
}
