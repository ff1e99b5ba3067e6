/* Trees against the definition of RFC 6962, written here the slow way. */
#include "test.h"

#include "ledger/tree.h"

enum { LEAVES = 70 };

static sl_digest leaves[LEAVES];
static sl_hasher hasher;

static sl_digest leaf_hash(size_t i)
{
    uint8_t b[2] = { (uint8_t)i, 7 };

    return sl_merkle_leaf(&hasher, sl_view_of(b, sizeof b));
}

/* MTH of leaves [from, to) straight from the definition; depth is bounded by LEAVES. */
static sl_digest slow_root(size_t from, size_t to)
{
    sl_digest stack[2 * LEAVES];
    size_t n = to - from;
    size_t split = 1;

    if (n == 0) {
        return sl_tree_empty_root();
    }
    if (n == 1) {
        return leaves[from];
    }
    while (split * 2 < n) {
        split *= 2;
    }
    stack[0] = slow_root(from, from + split);
    stack[1] = slow_root(from + split, to);
    return sl_merkle_node(&hasher, &stack[0], &stack[1]);
}

static sl_res node_of(void *ctx, unsigned level, uint64_t index, sl_digest *ret)
{
    uint64_t size = *(uint64_t *)ctx;

    SL_NEED(((index + 1) << level) <= size, SL_E_RANGE);
    *ret = slow_root((size_t)(index << level), (size_t)((index + 1) << level));
    return SL_DONE;
}

static int setup(void **state)
{
    for (size_t i = 0; i < LEAVES; i++) {
        leaves[i] = leaf_hash(i);
    }
    return 0;
}

static void the_frontier_has_the_defined_root_at_every_size(void **state)
{
    sl_frontier f = { 0 };

    for (uint64_t size = 0; size <= LEAVES; size++) {
        sl_digest got = sl_frontier_root(&f, &hasher);
        sl_digest want = slow_root(0, (size_t)size);
        sl_digest from_nodes;
        assert_true(sl_digest_eq(&got, &want));
        assert_done(sl_tree_root(size, node_of, &size, &from_nodes));
        assert_true(sl_digest_eq(&from_nodes, &want));
        if (size < LEAVES) {
            sl_frontier_add(&f, &hasher, &leaves[size], NULL, NULL);
        }
    }
}

static void every_inclusion_proof_holds_and_no_changed_one_does(void **state)
{
    for (uint64_t size = 1; size <= LEAVES; size++) {
        sl_digest root = slow_root(0, (size_t)size);
        for (uint64_t i = 0; i < size; i++) {
            sl_proof proof;
            assert_done(sl_tree_prove(i, size, node_of, &size, &proof));
            assert_done(sl_tree_check(i, size, &leaves[i], &proof, &root));
            sl_digest other = leaves[(i + 1) % LEAVES];
            assert_code(sl_tree_check(i, size, &other, &proof, &root), SL_E_INTEGRITY);
            if (proof.n > 0) {
                proof.hashes[size % proof.n].b[3] ^= 1;
                assert_code(sl_tree_check(i, size, &leaves[i], &proof, &root), SL_E_INTEGRITY);
                proof.hashes[size % proof.n].b[3] ^= 1;
                proof.n--;
                assert_code(sl_tree_check(i, size, &leaves[i], &proof, &root), SL_E_INTEGRITY);
                proof.n++;
            }
            proof.hashes[proof.n++] = root;
            assert_code(sl_tree_check(i, size, &leaves[i], &proof, &root), SL_E_INTEGRITY);
        }
        sl_proof none;
        assert_code(sl_tree_prove(size, size, node_of, &size, &none), SL_E_RANGE);
    }
}

static void every_growth_proof_holds_and_no_changed_one_does(void **state)
{
    for (uint64_t to = 0; to <= LEAVES; to++) {
        sl_digest to_root = slow_root(0, (size_t)to);
        for (uint64_t from = 0; from <= to; from++) {
            sl_digest from_root = slow_root(0, (size_t)from);
            sl_proof proof;
            assert_done(sl_tree_prove_growth(from, to, node_of, &to, &proof));
            assert_done(sl_tree_check_growth(from, &from_root, to, &to_root, &proof));
            sl_digest wrong = from_root;
            wrong.b[0] ^= 1;
            assert_code(sl_tree_check_growth(from, &wrong, to, &to_root, &proof), SL_E_INTEGRITY);
            if (proof.n > 0) {
                assert_code(sl_tree_check_growth(from, &from_root, to, &wrong, &proof),
                            SL_E_INTEGRITY);
                proof.hashes[to % proof.n].b[9] ^= 1;
                assert_code(sl_tree_check_growth(from, &from_root, to, &to_root, &proof),
                            SL_E_INTEGRITY);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frontier_has_the_defined_root_at_every_size),
        cmocka_unit_test(every_inclusion_proof_holds_and_no_changed_one_does),
        cmocka_unit_test(every_growth_proof_holds_and_no_changed_one_does),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
