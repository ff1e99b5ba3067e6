/* Fuzz target: the check of a packet between processes. The first byte is the link's phase, the
 * second the number of descriptors. What is accepted must be what the table allows. */
#include <assert.h>
#include <stdint.h>

#include "base/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const sl_ipc_rule rules[] = {
    { 32, SL_IPC_ANY_PHASE, 1, 8, 0, NULL },
    { 33, SL_IPC_PHASE(1), 0, 64, 0, NULL },
    { 34, SL_IPC_PHASE(0), 0, 0, 1, NULL },
};
static const sl_ipc_table table = { "fuzz", rules, SL_COUNT_OF(rules) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2) {
        return 0;
    }
    uint32_t phase = data[0] & 31;
    size_t fds = data[1];
    sl_view packet = sl_view_of(data + 2, n - 2);
    sl_ipc_msg msg;
    const sl_ipc_rule *rule = NULL;
    if (!sl_ok(sl_ipc_check(&table, phase, packet, fds, &msg, &rule))) {
        return 0;
    }
    assert(rule >= rules && rule < rules + SL_COUNT_OF(rules));
    assert(msg.type == rule->type && (rule->phases & SL_IPC_PHASE(phase)) != 0);
    assert(msg.body.n >= rule->bytes_min && msg.body.n <= rule->bytes_max);
    assert(msg.body.n + SL_IPC_HEADER_BYTES == packet.n && fds == rule->fd_count);
    return 0;
}
