/* Valves: one page table of epochs in shared memory that says, for the site, each door, each
 * compartment and each principal, whether it is open. This is the reader's side; the only writer is
 * the warden (src/respond/valve_writer.h). A reader maps read-only and can map no other way: the
 * memory is sealed against future writes. An epoch's low bit is 1 when open; epochs only rise, so
 * that a value seen once never comes back. A beat older than SL_VALVE_STALE_MS means closed.
 * See ARCHITECTURE section 3. */
#ifndef SL_BASE_VALVE_H
#define SL_BASE_VALVE_H

#include "base/bytes.h"
#include "base/res.h"

/* The warden beats every 100 ms; a reader that saw no beat for this long treats all as closed. */
#define SL_VALVE_BEAT_MS 100
#define SL_VALVE_STALE_MS 3000

#define SL_VALVE_COMPARTMENTS_MAX ((size_t)256)
#define SL_VALVE_PRINCIPALS_MAX ((size_t)4096)

typedef enum {
    SL_DOOR_INGEST = 0,
    SL_DOOR_RUN = 1,
    SL_DOOR_RELEASE = 2,
    SL_DOOR_ASK = 3,
    SL_DOOR_COUNT = 4,
} sl_door;

/* "ingest", "run", "release", "ask" */
const char *sl_door_name(sl_door door);
SL_MUST sl_res sl_door_parse(sl_view name, sl_door *ret_door);

/* How compartments and principals are named in the valves: 16 bytes that the warden assigned (the
 * random id in their leaves). All zero is no id. */
typedef struct {
    uint8_t bytes[16];
} sl_valve_id;

/* From the 32 hexadecimal digits that leaves have. SL_E_SYNTAX: it is none; then `ret` may be written in part. */
SL_MUST sl_res sl_valve_id_parse(sl_view hex, sl_valve_id *ret);

/* A slot of an id; slots are never given to another id while the memory lives. */
typedef uint32_t sl_valve_slot;
#define SL_VALVE_NO_SLOT UINT32_MAX

typedef struct sl_valve sl_valve;

/* Size in bytes of the shared memory. */
size_t sl_valve_bytes(void);
/* Map the memory behind `fd` for reading. The descriptor may be closed afterwards. SL_E_VERSION: it
 * was laid out by another program version; SL_E_INTEGRITY: it can still be mapped for writing. */
SL_MUST sl_res sl_valve_map(int fd, const sl_valve **ret_valve);
void sl_valve_unmap(const sl_valve *valve);

/* Milliseconds of the boot clock, to be given as `now_ms` below. */
uint64_t sl_valve_now_ms(void);

/* The slot of an id, SL_VALVE_NO_SLOT if it has none (treat as closed). Linear: look up once. */
sl_valve_slot sl_valve_find_compartment(const sl_valve *valve, sl_valve_id id);
sl_valve_slot sl_valve_find_principal(const sl_valve *valve, sl_valve_id id);

/* Single epochs; low bit 1 = open. A missing slot reads 0. */
uint64_t sl_valve_site_epoch(const sl_valve *valve);
uint64_t sl_valve_door_epoch(const sl_valve *valve, sl_door door);
uint64_t sl_valve_compartment_epoch(const sl_valve *valve, sl_valve_slot slot);
uint64_t sl_valve_principal_epoch(const sl_valve *valve, sl_valve_slot slot);
bool sl_valve_fresh(const sl_valve *valve, uint64_t now_ms);

static inline bool sl_epoch_open(uint64_t epoch)
{
    return (epoch & 1) != 0;
}

/* What a stream, job or lease remembers: every valve that it depends on, at its start. */
#define SL_TICKET_COMPARTMENTS_MAX ((size_t)8)
typedef struct {
    sl_door door;
    uint64_t site_epoch;
    uint64_t door_epoch;
    sl_valve_slot principal;
    uint64_t principal_epoch;
    size_t compartment_count;
    sl_valve_slot compartments[SL_TICKET_COMPARTMENTS_MAX];
    uint64_t compartment_epochs[SL_TICKET_COMPARTMENTS_MAX];
} sl_valve_ticket;

/* Which valve is closed. */
typedef enum {
    SL_VALVE_OPEN = 0,
    SL_VALVE_STALE,
    SL_VALVE_SITE,
    SL_VALVE_DOOR,
    SL_VALVE_COMPARTMENT,
    SL_VALVE_PRINCIPAL,
} sl_valve_state;
/* "open", "warden silent", "site closed", "door closed", ... for leaves and refusals */
const char *sl_valve_state_text(sl_valve_state state);

/* Take a ticket through `door` for a principal and compartments, given by slot. Anything but
 * SL_VALVE_OPEN means refused, and the ticket is not written. At most SL_TICKET_COMPARTMENTS_MAX
 * compartments (asserted). */
sl_valve_state sl_valve_take(const sl_valve *valve, uint64_t now_ms, sl_door door,
                             sl_valve_slot principal, const sl_valve_slot *compartments,
                             size_t compartment_count, sl_valve_ticket *ret_ticket);

/* Does the ticket still hold? Costs a few loads: ask before every released piece. A valve that was
 * closed and opened again in between does not hold. */
sl_valve_state sl_valve_holds(const sl_valve *valve, uint64_t now_ms,
                              const sl_valve_ticket *ticket);

#endif
