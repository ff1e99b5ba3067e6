/* RFC 6962 trees without recursion (tree.h). A range of leaves that starts on a multiple of its
 * own size is cut into perfect subtrees, largest first, and folded from the right.
 */
#include "ledger/tree.h"

#include <assert.h>

sl_digest sl_tree_empty_root(void)
{
    return sl_sha256((sl_view){ 0 });
}

void sl_frontier_add(sl_frontier *f, sl_hasher *h, const sl_digest *leaf, sl_node_sink *sink,
                     void *ctx)
{
    sl_digest node = *leaf;
    uint64_t index = f->size;
    unsigned level = 0;

    assert(f->size < SL_TREE_SIZE_MAX);
    if (sink != NULL) {
        sink(ctx, 0, index, &node);
    }
    for (; (index & 1) != 0; index >>= 1) {
        node = sl_merkle_node(h, &f->nodes[level], &node);
        level++;
        if (sink != NULL) {
            sink(ctx, level, index >> 1, &node);
        }
    }
    f->nodes[level] = node;
    f->size++;
}

sl_digest sl_frontier_root(const sl_frontier *f, sl_hasher *h)
{
    sl_digest root = { 0 };
    bool started = false;

    for (unsigned level = 0; level < SL_TREE_LEVELS; level++) {
        if ((f->size >> level & 1) != 0) {
            root = started ? sl_merkle_node(h, &f->nodes[level], &root) : f->nodes[level];
            started = true;
        }
    }
    return started ? root : sl_tree_empty_root();
}

sl_res sl_tree_frontier(uint64_t size, sl_node_source *source, void *ctx, sl_frontier *ret)
{
    sl_frontier f = { .size = size };
    uint64_t at = 0;

    SL_NEED(size <= SL_TREE_SIZE_MAX, SL_E_RANGE);
    for (unsigned level = SL_TREE_LEVELS; level-- > 0;) {
        if ((size >> level & 1) != 0) {
            SL_TRY(source(ctx, level, at >> level, &f.nodes[level]));
            at += UINT64_C(1) << level;
        }
    }
    *ret = f;
    return SL_DONE;
}

sl_res sl_tree_root(uint64_t size, sl_node_source *source, void *ctx, sl_digest *ret)
{
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    sl_frontier f;

    SL_TRY(sl_tree_frontier(size, source, ctx, &f));
    *ret = sl_frontier_root(&f, &h);
    return SL_DONE;
}

/* The hash of the leaves [from, to), where `from` is a multiple of every power of two below its
 * distance to `to`, as all ranges of RFC 6962 proofs are. */
static sl_res range_hash(uint64_t from, uint64_t to, sl_node_source *source, void *ctx,
                         sl_digest *ret)
{
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    sl_digest hash = { 0 };
    bool started = false;

    for (unsigned level = 0; from < to; level++) {
        uint64_t width = UINT64_C(1) << level;
        if (((to - from) & width) != 0) {
            sl_digest node;
            to -= width;
            SL_TRY(source(ctx, level, to >> level, &node));
            hash = started ? sl_merkle_node(&h, &node, &hash) : node;
            started = true;
        }
    }
    *ret = hash;
    return SL_DONE;
}

/* The largest power of two smaller than n (n >= 2). */
static uint64_t split_of(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

static sl_res push_range(sl_proof *p, uint64_t from, uint64_t to, sl_node_source *source, void *ctx)
{
    assert(p->n < SL_PROOF_HASHES_MAX);
    SL_TRY(range_hash(from, to, source, ctx, &p->hashes[p->n]));
    p->n++;
    return SL_DONE;
}

/* Collected from the root downwards, handed out from the leaf upwards. */
static void reverse(sl_proof *p)
{
    for (size_t i = 0; i < p->n / 2; i++) {
        sl_digest other = p->hashes[i];
        p->hashes[i] = p->hashes[p->n - 1 - i];
        p->hashes[p->n - 1 - i] = other;
    }
}

sl_res sl_tree_prove(uint64_t index, uint64_t size, sl_node_source *source, void *ctx,
                     sl_proof *ret)
{
    sl_proof p = { 0 };
    uint64_t from = 0;
    uint64_t to = size;

    SL_NEED(size <= SL_TREE_SIZE_MAX && index < size, SL_E_RANGE);
    while (to - from > 1) {
        uint64_t middle = from + split_of(to - from);
        if (index < middle) {
            SL_TRY(push_range(&p, middle, to, source, ctx));
            to = middle;
        } else {
            SL_TRY(push_range(&p, from, middle, source, ctx));
            from = middle;
        }
    }
    reverse(&p);
    *ret = p;
    return SL_DONE;
}

sl_res sl_tree_prove_growth(uint64_t from_size, uint64_t to_size, sl_node_source *source, void *ctx,
                            sl_proof *ret)
{
    sl_proof p = { 0 };
    uint64_t from = 0;
    uint64_t to = to_size;
    uint64_t old = from_size;
    bool whole = true;

    SL_NEED(to_size <= SL_TREE_SIZE_MAX && from_size <= to_size, SL_E_RANGE);
    if (from_size == 0 || from_size == to_size) {
        *ret = p;
        return SL_DONE;
    }
    while (old != to - from) {
        uint64_t split = split_of(to - from);
        if (old <= split) {
            SL_TRY(push_range(&p, from + split, to, source, ctx));
            to = from + split;
        } else {
            SL_TRY(push_range(&p, from, from + split, source, ctx));
            from += split;
            old -= split;
            whole = false;
        }
    }
    if (!whole) {
        SL_TRY(push_range(&p, from, to, source, ctx));
    }
    reverse(&p);
    *ret = p;
    return SL_DONE;
}

/* RFC 9162 section 2.1.3.2. */
sl_res sl_tree_check(uint64_t index, uint64_t size, const sl_digest *leaf, const sl_proof *proof,
                     const sl_digest *root)
{
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    sl_digest hash = *leaf;

    SL_NEED(size <= SL_TREE_SIZE_MAX && index < size, SL_E_INTEGRITY);
    uint64_t at = index;
    uint64_t last = size - 1;
    for (size_t i = 0; i < proof->n; i++) {
        SL_NEED(last != 0, SL_E_INTEGRITY);
        if ((at & 1) != 0 || at == last) {
            hash = sl_merkle_node(&h, &proof->hashes[i], &hash);
            for (; (at & 1) == 0 && at != 0; at >>= 1) {
                last >>= 1;
            }
        } else {
            hash = sl_merkle_node(&h, &hash, &proof->hashes[i]);
        }
        at >>= 1;
        last >>= 1;
    }
    SL_NEED(last == 0 && sl_digest_eq(&hash, root), SL_E_INTEGRITY);
    return SL_DONE;
}

/* RFC 9162 section 2.1.4.2, after the cases without a proof. */
static sl_res check_growth_path(uint64_t from, const sl_digest *from_root, uint64_t to,
                                const sl_digest *to_root, const sl_proof *proof)
{
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    uint64_t at = from - 1;
    uint64_t last = to - 1;
    size_t i = 0;
    sl_digest old_hash;
    sl_digest new_hash;

    for (; (at & 1) != 0; at >>= 1) {
        last >>= 1;
    }
    /* A perfect old tree is itself the first hash and is left out of the proof. */
    old_hash = at == 0 ? *from_root : proof->hashes[i++];
    new_hash = old_hash;
    for (; i < proof->n; i++) {
        SL_NEED(last != 0, SL_E_INTEGRITY);
        if ((at & 1) != 0 || at == last) {
            old_hash = sl_merkle_node(&h, &proof->hashes[i], &old_hash);
            new_hash = sl_merkle_node(&h, &proof->hashes[i], &new_hash);
            for (; (at & 1) == 0 && at != 0; at >>= 1) {
                last >>= 1;
            }
        } else {
            new_hash = sl_merkle_node(&h, &new_hash, &proof->hashes[i]);
        }
        at >>= 1;
        last >>= 1;
    }
    SL_NEED(last == 0, SL_E_INTEGRITY);
    SL_NEED(sl_digest_eq(&old_hash, from_root), SL_E_INTEGRITY);
    SL_NEED(sl_digest_eq(&new_hash, to_root), SL_E_INTEGRITY);
    return SL_DONE;
}

sl_res sl_tree_check_growth(uint64_t from, const sl_digest *from_root, uint64_t to,
                            const sl_digest *to_root, const sl_proof *proof)
{
    SL_NEED(to <= SL_TREE_SIZE_MAX && from <= to, SL_E_INTEGRITY);
    if (from == 0) {
        sl_digest empty = sl_tree_empty_root();
        SL_NEED(proof->n == 0 && sl_digest_eq(from_root, &empty), SL_E_INTEGRITY);
        return SL_DONE;
    }
    if (from == to) {
        SL_NEED(proof->n == 0 && sl_digest_eq(from_root, to_root), SL_E_INTEGRITY);
        return SL_DONE;
    }
    SL_NEED(proof->n != 0, SL_E_INTEGRITY);
    return check_growth_path(from, from_root, to, to_root, proof);
}
