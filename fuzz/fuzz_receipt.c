/* Receipts and proofs: parsing takes anything, and no proof that the fuzzer makes up holds. */
#include <assert.h>

#include "ledger/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_view input = sl_view_of(data, size);
    sl_receipt receipt;
    sl_checkpoint c;
    sl_vkey key = { .name = "example.com/log", .id = 1, .type = SL_NOTE_ED25519 };
    uint64_t index = 0;
    sl_digest leaf = { { 1 } };
    sl_digest root = { { 2 } };

    if (sl_ok(sl_receipt_parse(input, &receipt))) {
        assert(receipt.proof.n <= SL_PROOF_HASHES_MAX);
        assert(!sl_ok(sl_tree_check(receipt.index, 1000, &leaf, &receipt.proof, &root)));
        assert(!sl_ok(
            sl_tree_check_growth(receipt.index % 999 + 1, &leaf, 1000, &root, &receipt.proof)));
    }
    assert(!sl_ok(sl_receipt_check(input, SL_LIT("leaf"), &key, &c, &index)));
    return 0;
}
