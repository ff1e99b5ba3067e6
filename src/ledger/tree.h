/* The Merkle tree of RFC 6962: growing it, its root, its proofs, and their verification.
 *
 * Pure. Hashes of perfect subtrees come from a function of the caller (tiles.h reads them from
 * tiles): node (level, index) covers the leaves [index << level, (index + 1) << level).
 */
#ifndef SL_LEDGER_TREE_H
#define SL_LEDGER_TREE_H

#include "crypto/hash.h"

enum { SL_TREE_LEVELS = 63, SL_PROOF_HASHES_MAX = 63 };

/* No tree is larger; sizes come from strangers and must not overflow. */
#define SL_TREE_SIZE_MAX (UINT64_C(1) << 62)

/* The right edge of a growing tree: the roots of the perfect subtrees that it is made of. */
typedef struct {
    uint64_t size;
    sl_digest nodes[SL_TREE_LEVELS]; /* nodes[k] counts where bit k of size is set */
} sl_frontier;

/* Called for every perfect subtree that a new leaf completes, from level 0 upwards. */
typedef void sl_node_sink(void *ctx, unsigned level, uint64_t index, const sl_digest *node);

/* Adds a leaf by its hash. `sink` may be NULL. */
void sl_frontier_add(sl_frontier *f, sl_hasher *h, const sl_digest *leaf, sl_node_sink *sink,
                     void *ctx);

sl_digest sl_frontier_root(const sl_frontier *f, sl_hasher *h);

/* Gives the hash of a perfect subtree. */
typedef sl_res sl_node_source(void *ctx, unsigned level, uint64_t index, sl_digest *ret);

/* The frontier and the root of the first `size` leaves, from their nodes. */
SL_MUST sl_res sl_tree_frontier(uint64_t size, sl_node_source *source, void *ctx, sl_frontier *ret);
SL_MUST sl_res sl_tree_root(uint64_t size, sl_node_source *source, void *ctx, sl_digest *ret);

typedef struct {
    size_t n;
    sl_digest hashes[SL_PROOF_HASHES_MAX];
} sl_proof;

/* RFC 6962 section 2.1.1, from the leaf's sibling upwards. Errors: SL_E_RANGE (index >= size), and
 * those of `source`. */
SL_MUST sl_res sl_tree_prove(uint64_t index, uint64_t size, sl_node_source *source, void *ctx,
                             sl_proof *ret);

/* RFC 6962 section 2.1.2; empty from size 0 and between equal sizes. Errors: SL_E_RANGE. */
SL_MUST sl_res sl_tree_prove_growth(uint64_t from, uint64_t to, sl_node_source *source, void *ctx,
                                    sl_proof *ret);

/* Is `leaf` number `index` of the tree with this size and root? Errors: SL_E_INTEGRITY. */
SL_MUST sl_res sl_tree_check(uint64_t index, uint64_t size, const sl_digest *leaf,
                             const sl_proof *proof, const sl_digest *root);

/* Does the tree (to, to_root) begin with the tree (from, from_root)? Errors: SL_E_INTEGRITY. */
SL_MUST sl_res sl_tree_check_growth(uint64_t from, const sl_digest *from_root, uint64_t to,
                                    const sl_digest *to_root, const sl_proof *proof);

/* The root of no leaves: SHA-256 of nothing. */
sl_digest sl_tree_empty_root(void);

#endif
