/* Reading and verifying a ledger from outside (reader.h). */
#include "ledger/reader.h"

#include <assert.h>

/* An sl_tile_fetch over a source. A partial tile may be gone once the full one is there. */
static sl_res fetch_tile(void *ctx, int level, uint64_t index, unsigned width, sl_buf *out)
{
    sl_reader *r = ctx;
    char path[SL_TILE_PATH_BYTES];

    sl_tile_path(level, index, width, path);
    sl_res done = r->source->fetch(r->source, path, out);
    if (!sl_is(done, SL_E_NOT_FOUND) || width == SL_TILE_WIDTH || level == SL_TILE_ENTRIES) {
        return done;
    }
    SL_OWN(sl_buf, full, sl_buf_free) = { .max = SL_TILE_BYTES };
    sl_tile_path(level, index, SL_TILE_WIDTH, path);
    SL_TRY(r->source->fetch(r->source, path, &full));
    return sl_buf_add(out, sl_view_sub(sl_buf_view(&full), 0, (size_t)width * SL_DIGEST_BYTES));
}

static sl_res fetch_bundle(sl_reader *r, uint64_t index, unsigned width, sl_buf *out)
{
    sl_res done = fetch_tile(r, SL_TILE_ENTRIES, index, width, out);

    if (sl_is(done, SL_E_NOT_FOUND) && width < SL_TILE_WIDTH) {
        return fetch_tile(r, SL_TILE_ENTRIES, index, SL_TILE_WIDTH, out);
    }
    return done;
}

static sl_res find_key(sl_source *source, sl_vkey *ret)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };

    SL_TRY(source->fetch(source, "vkey", &text));
    sl_view line = sl_buf_view(&text);
    while (line.n != 0 && line.p[line.n - 1] == '\n') {
        line.n--;
    }
    return sl_vkey_parse(line, ret);
}

static void use_checkpoint(sl_reader *r, const sl_checkpoint *c)
{
    sl_tile_reader_free(&r->tiles);
    r->tiles = (sl_tile_reader){ .size = c->size, .fetch = fetch_tile, .ctx = r };
    r->checkpoint = *c;
}

sl_res sl_reader_open(sl_source *source, const sl_vkey *key, sl_reader *ret)
{
    sl_checkpoint c;

    *ret = (sl_reader){ .source = source, .note = { .max = SL_CHECKPOINT_BYTES_MAX } };
    sl_res r = SL_DONE;
    if (key != NULL) {
        ret->key = *key;
    } else {
        r = find_key(source, &ret->key);
    }
    if (sl_ok(r)) {
        r = source->fetch(source, "checkpoint", &ret->note);
    }
    if (sl_ok(r)) {
        r = sl_checkpoint_open(sl_buf_view(&ret->note), &ret->key, &c);
    }
    if (!sl_ok(r)) {
        sl_reader_close(ret);
        return r;
    }
    use_checkpoint(ret, &c);
    return SL_DONE;
}

void sl_reader_close(sl_reader *r)
{
    sl_tile_reader_free(&r->tiles);
    sl_buf_free(&r->note);
    r->source = NULL;
}

sl_res sl_reader_growth(sl_reader *r, uint64_t size, sl_proof *ret)
{
    return sl_tree_prove_growth(size, r->checkpoint.size, sl_tile_node, &r->tiles, ret);
}

sl_res sl_reader_refresh(sl_reader *r)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_CHECKPOINT_BYTES_MAX };
    sl_checkpoint before = r->checkpoint;
    sl_checkpoint now;
    sl_proof proof;

    SL_TRY(r->source->fetch(r->source, "checkpoint", &note));
    SL_TRY(sl_checkpoint_open(sl_buf_view(&note), &r->key, &now));
    if (now.size < before.size) {
        return sl_fail_at(SL_E_ROLLBACK, "checkpoint", now.size);
    }
    use_checkpoint(r, &now);
    sl_res grown = sl_reader_growth(r, before.size, &proof);
    if (sl_ok(grown)) {
        grown = sl_tree_check_growth(before.size, &before.root, now.size, &now.root, &proof);
    }
    if (!sl_ok(grown)) {
        use_checkpoint(r, &before);
        return grown;
    }
    sl_buf_free(&r->note);
    r->note = sl_buf_take(&note);
    return SL_DONE;
}

sl_res sl_reader_leaf(sl_reader *r, uint64_t index, sl_buf *ret_leaf, sl_proof *ret_proof)
{
    SL_OWN(sl_buf, bundle, sl_buf_free) = { .max = SL_BUNDLE_BYTES_MAX };
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    sl_view entry = { 0 };
    sl_proof proof;

    SL_NEED(index < r->checkpoint.size, SL_E_RANGE);
    uint64_t number = index / SL_TILE_WIDTH;
    SL_TRY(fetch_bundle(r, number, sl_tile_width(0, number, r->checkpoint.size), &bundle));
    sl_view rest = sl_buf_view(&bundle);
    for (uint64_t i = 0; i <= index % SL_TILE_WIDTH; i++) {
        bool more = false;
        SL_TRY(sl_bundle_next(&rest, &more, &entry));
        SL_NEED(more, SL_E_INTEGRITY);
    }
    sl_digest leaf = sl_merkle_leaf(&h, entry);
    SL_TRY(sl_tree_prove(index, r->checkpoint.size, sl_tile_node, &r->tiles, &proof));
    SL_TRY(sl_tree_check(index, r->checkpoint.size, &leaf, &proof, &r->checkpoint.root));
    SL_TRY(sl_buf_add(ret_leaf, entry));
    *ret_proof = proof;
    return SL_DONE;
}

sl_res sl_reader_receipt(sl_reader *r, uint64_t index, sl_buf *out)
{
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_proof proof;

    SL_TRY(sl_reader_leaf(r, index, &leaf, &proof));
    return sl_receipt_write(sl_buf_view(&leaf), index, &proof, sl_buf_view(&r->note), out);
}

/* ---- verification ---- */

typedef struct {
    sl_reader *r;
    sl_frontier frontier;
    sl_hasher hasher;
    sl_buf bundle;
    sl_buf hashes; /* of the level 0 tile */
    sl_reader_each *each;
    void *ctx;
    uint64_t first_bad;
    sl_res upper; /* what comparing with a tile of a higher level gave */
} verification;

static void verification_free(verification *v)
{
    sl_hasher_free(&v->hasher);
    sl_buf_free(&v->bundle);
    sl_buf_free(&v->hashes);
}

static sl_res bad_at(verification *v, uint64_t index)
{
    v->first_bad = index;
    return sl_fail_at(SL_E_INTEGRITY, "leaf", index);
}

/* Every full tile is one hash of the tile above it: compared as soon as it is complete. */
static void compare_upper(void *ctx, unsigned level, uint64_t index, const sl_digest *node)
{
    verification *v = ctx;
    sl_digest stored;

    if (level == 0 || level % 8 != 0 || !sl_ok(v->upper)) {
        return;
    }
    v->upper = sl_tile_node(&v->r->tiles, level, index, &stored);
    if (sl_is(v->upper, SL_E_NOT_FOUND) || (sl_ok(v->upper) && !sl_digest_eq(&stored, node))) {
        v->upper = bad_at(v, index << level);
    }
}

static sl_res verify_entry(verification *v, sl_view entry, size_t place)
{
    uint64_t index = v->frontier.size;
    sl_digest leaf = sl_merkle_leaf(&v->hasher, entry);

    if (memcmp(leaf.b, v->hashes.p + place * SL_DIGEST_BYTES, SL_DIGEST_BYTES) != 0) {
        return bad_at(v, index);
    }
    if (v->each != NULL) {
        SL_TRY(v->each(v->ctx, index, entry));
    }
    sl_frontier_add(&v->frontier, &v->hasher, &leaf, compare_upper, v);
    return v->upper;
}

/* Verifies the rest of the bundle in which the next leaf stands. */
static sl_res verify_bundle(verification *v)
{
    uint64_t number = v->frontier.size / SL_TILE_WIDTH;
    size_t skip = (size_t)(v->frontier.size % SL_TILE_WIDTH);
    unsigned width = sl_tile_width(0, number, v->r->checkpoint.size);
    sl_view entry = { 0 };

    sl_buf_clear(&v->bundle);
    sl_buf_clear(&v->hashes);
    v->first_bad = v->frontier.size;
    sl_res r = fetch_bundle(v->r, number, width, &v->bundle);
    if (sl_ok(r)) {
        r = fetch_tile(v->r, 0, number, width, &v->hashes);
    }
    if (sl_is(r, SL_E_NOT_FOUND)) {
        return bad_at(v, v->frontier.size);
    }
    SL_TRY(r);
    if (v->hashes.n != (size_t)width * SL_DIGEST_BYTES) {
        return bad_at(v, v->frontier.size);
    }
    sl_view rest = sl_buf_view(&v->bundle);
    for (size_t i = 0; i < width; i++) {
        bool more = false;
        if (!sl_ok(sl_bundle_next(&rest, &more, &entry)) || !more) {
            return bad_at(v, number * SL_TILE_WIDTH + i);
        }
        if (i >= skip) {
            SL_TRY(verify_entry(v, entry, i));
        }
    }
    v->first_bad = SL_NOWHERE;
    return SL_DONE;
}

static sl_res begin_from(verification *v, const sl_checkpoint *from)
{
    if (from == NULL) {
        return SL_DONE;
    }
    v->first_bad = 0;
    if (from->size > v->r->checkpoint.size) {
        v->first_bad = v->r->checkpoint.size;
        return sl_fail_at(SL_E_ROLLBACK, "checkpoint, which is older than the trusted one",
                          v->r->checkpoint.size);
    }
    SL_TRY(sl_tree_frontier(from->size, sl_tile_node, &v->r->tiles, &v->frontier));
    sl_digest root = sl_frontier_root(&v->frontier, &v->hasher);
    if (!sl_digest_eq(&root, &from->root)) {
        return sl_fail_at(SL_E_INTEGRITY, "root of the trusted checkpoint", from->size);
    }
    v->first_bad = SL_NOWHERE;
    return SL_DONE;
}

static sl_res verify_all(verification *v, const sl_checkpoint *from)
{
    const sl_checkpoint *c = &v->r->checkpoint;

    SL_TRY(begin_from(v, from));
    while (v->frontier.size < c->size) {
        SL_TRY(verify_bundle(v));
    }
    sl_digest root = sl_frontier_root(&v->frontier, &v->hasher);
    if (!sl_digest_eq(&root, &c->root)) {
        /* All full tiles agree with those above them, so what is wrong is at the right edge. */
        return bad_at(v, c->size - c->size % SL_TILE_WIDTH);
    }
    return SL_DONE;
}

sl_res sl_reader_verify(sl_reader *r, const sl_checkpoint *from, sl_reader_each *each, void *ctx,
                        sl_verdict_report *ret_report)
{
    SL_OWN(verification, v, verification_free) = {
        .r = r,
        .bundle = { .max = SL_BUNDLE_BYTES_MAX },
        .hashes = { .max = SL_TILE_BYTES },
        .each = each,
        .ctx = ctx,
        .first_bad = SL_NOWHERE,
        .upper = SL_DONE,
    };
    sl_res done = verify_all(&v, from);

    *ret_report = (sl_verdict_report){
        .size = r->checkpoint.size,
        .root = r->checkpoint.root,
        .first_bad = v.first_bad,
        .checked =
            v.frontier.size - (from != NULL && v.frontier.size >= from->size ? from->size : 0),
    };
    return done;
}
