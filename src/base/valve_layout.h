/* The layout of the valves' shared memory, for the reader (valve.c) and the writer
 * (src/respond/valve_writer.c) only. It never leaves the host: native byte order, atomic words. */
#ifndef SL_BASE_VALVE_LAYOUT_H
#define SL_BASE_VALVE_LAYOUT_H

#include <stdatomic.h>

#include "base/valve.h"

#define SL_VALVE_MAGIC UINT64_C(0x31766c76706f7473) /* "stopvlv1" */

/* An id is written once, before `used` becomes 1 with release order. */
typedef struct {
    _Atomic uint64_t epoch;
    _Atomic uint64_t used;
    sl_valve_id id;
} sl_valve_entry;

struct sl_valve {
    _Atomic uint64_t magic; /* written last, when the memory is ready */
    _Atomic uint64_t beat_ms;
    _Atomic uint64_t site_epoch;
    _Atomic uint64_t door_epochs[SL_DOOR_COUNT];
    _Atomic uint64_t generation; /* rises with every change; a cheap "did anything change" */
    sl_valve_entry compartments[SL_VALVE_COMPARTMENTS_MAX];
    sl_valve_entry principals[SL_VALVE_PRINCIPALS_MAX];
};

_Static_assert(sizeof(sl_valve_entry) == 32, "one entry is half a cache line");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "epochs must be readable from read-only memory");

#endif
