/* What comes to the courier: a witness's answer by way of the egress, and ledgerd's own. */
#include "ledger/courier.h"
#include "ledger/witnessing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sl_proof proof;
    sl_view input = sl_view_of(data, size);
    sl_courier_answer answer;
    sl_witness_report report;
    sl_view note;
    uint64_t number = 0;

    if (sl_ok(sl_courier_answer_read(input, &answer))) {
        sl_res r = sl_courier_judge(&answer, 3, 9, &number);
        (void)r.code;
    }
    sl_res r = sl_courier_growth_read(input, &proof, &note, &number);
    r = sl_ok(r) ? r : sl_witness_report_read(input, &report);
    (void)r.code;
    return 0;
}
