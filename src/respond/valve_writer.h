/* The writer's side of the valves. The supervisor makes and seals the memory; the warden alone
 * writes, through the mapping that it keeps because it is forked without exec. Epochs only rise:
 * there is no call that lowers or repeats one. */
#ifndef SL_RESPOND_VALVE_WRITER_H
#define SL_RESPOND_VALVE_WRITER_H

#include "base/valve.h"

typedef struct sl_valve sl_valve_memory;

/* For the supervisor: make, map and seal the memory; all valves are closed and no beat was given.
 * The mapping is left without any access; the warden's sl_valve_writer_take opens it. */
SL_MUST sl_res sl_valve_memory_make(int *ret_fd, sl_valve_memory **ret_memory);

/* For the warden: make the mapping writable. Its content survives the warden's restarts. */
SL_MUST sl_res sl_valve_writer_take(sl_valve_memory *memory);

/* Every 100 ms; with `now_ms` of the boot clock. Readers treat a silent warden as closed. */
void sl_valve_beat(sl_valve_memory *memory, uint64_t now_ms);

/* The slot of an id, made (closed) if it is new. SL_E_LIMIT: the table is full. */
SL_MUST sl_res sl_valve_add_compartment(sl_valve_memory *memory, sl_valve_id id,
                                        sl_valve_slot *ret_slot);
SL_MUST sl_res sl_valve_add_principal(sl_valve_memory *memory, sl_valve_id id,
                                      sl_valve_slot *ret_slot);

/* Which word of the valves is meant. */
typedef enum {
    SL_VALVE_OF_SITE,
    SL_VALVE_OF_DOOR,        /* slot is an sl_door */
    SL_VALVE_OF_COMPARTMENT, /* slot */
    SL_VALVE_OF_PRINCIPAL,   /* slot */
} sl_valve_kind;

/* Close (or leave closed) and open (or leave open); return the epoch that now stands. */
uint64_t sl_valve_close(sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot);
uint64_t sl_valve_open(sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot);
/* Close and open at once, so that whatever runs under the old epoch ends; stays closed if it was. */
uint64_t sl_valve_renew(sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot);
/* After a restart of the site: raise the epoch to at least `epoch` (from the ledger), closed. */
void sl_valve_raise(sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot,
                    uint64_t epoch);
uint64_t sl_valve_epoch(const sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot);

#endif
