/* Between the warden and the probe (drill/probe.h). The order holds what the probe is to send to the keeper:
 * its type u16, then its body. The answer is one byte: 1 if the keeper gave anything, 0 if it did not. */
#ifndef SL_RESPOND_PROBE_LINK_H
#define SL_RESPOND_PROBE_LINK_H

#include "base/ipc.h"

enum {
    SL_PROBE_TRY = SL_IPC_TYPE_FIRST_FREE,
    /* No body. The answer has a byte for each way of egress_ways.def: 1 if it was open, 0 if it was not. */
    SL_PROBE_EGRESS,
    SL_PROBE_TRY_BYTES_MAX = 512,
};

typedef enum {
#define X(name, ...) SL_EGRESS_##name,
#include "respond/egress_ways.def"
#undef X
    SL_EGRESS_WAYS
} sl_egress_way;

#endif
