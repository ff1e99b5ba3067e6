/* The reader's side of the valves (see valve.h). It only loads: the mapping has no write right, so
 * nothing here may take a lock or keep a count in the shared memory. */
#include "base/valve.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/encode.h"
#include "base/valve_layout.h"

static const char *const door_names[SL_DOOR_COUNT] = {
    [SL_DOOR_INGEST] = "ingest",
    [SL_DOOR_RUN] = "run",
    [SL_DOOR_RELEASE] = "release",
    [SL_DOOR_ASK] = "ask",
};

const char *sl_door_name(sl_door door)
{
    assert(door < SL_DOOR_COUNT);
    return door_names[door];
}

sl_res sl_door_parse(sl_view name, sl_door *ret_door)
{
    for (unsigned i = 0; i < SL_DOOR_COUNT; i++) {
        if (sl_view_eq_str(name, door_names[i])) {
            *ret_door = (sl_door)i;
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_NOT_FOUND, "door", SL_NOWHERE);
}

size_t sl_valve_bytes(void)
{
    return (sizeof(sl_valve) + 4095) / 4096 * 4096;
}

sl_res sl_valve_map(int fd, const sl_valve **ret_valve)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return sl_fail_os(SL_E_IO, "valve memory");
    }
    if (st.st_size < 0 || (size_t)st.st_size != sl_valve_bytes()) {
        return sl_fail_at(SL_E_VERSION, "valve memory size", (uint64_t)st.st_size);
    }
    int seals = fcntl(fd, F_GET_SEALS);
    int needed = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (seals < 0 || (seals & needed) != needed) {
        return sl_fail_at(SL_E_INTEGRITY, "valve memory seals", SL_NOWHERE);
    }
    const void *memory = mmap(NULL, sl_valve_bytes(), PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return sl_fail_os(SL_E_IO, "valve memory");
    }
    const sl_valve *valve = memory;
    if (atomic_load_explicit(&valve->magic, memory_order_acquire) != SL_VALVE_MAGIC) {
        sl_valve_unmap(valve);
        return sl_fail_at(SL_E_VERSION, "valve memory", SL_NOWHERE);
    }
    *ret_valve = valve;
    return SL_DONE;
}

void sl_valve_unmap(const sl_valve *valve)
{
    /* munmap takes a plain pointer although it reads nothing through it. */
    union {
        const sl_valve *from;
        void *to;
    } memory = { .from = valve };
    if (valve != NULL) {
        (void)munmap(memory.to, sl_valve_bytes());
    }
}

uint64_t sl_valve_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static sl_valve_slot find(const sl_valve_entry *entries, size_t count, sl_valve_id id)
{
    for (size_t i = 0; i < count; i++) {
        if (atomic_load_explicit(&entries[i].used, memory_order_acquire) == 0) {
            break; /* slots are filled in order */
        }
        if (memcmp(entries[i].id.bytes, id.bytes, sizeof id.bytes) == 0) {
            return (sl_valve_slot)i;
        }
    }
    return SL_VALVE_NO_SLOT;
}

sl_valve_slot sl_valve_find_compartment(const sl_valve *valve, sl_valve_id id)
{
    return find(valve->compartments, SL_VALVE_COMPARTMENTS_MAX, id);
}

sl_valve_slot sl_valve_find_principal(const sl_valve *valve, sl_valve_id id)
{
    return find(valve->principals, SL_VALVE_PRINCIPALS_MAX, id);
}

uint64_t sl_valve_site_epoch(const sl_valve *valve)
{
    return atomic_load_explicit(&valve->site_epoch, memory_order_acquire);
}

uint64_t sl_valve_door_epoch(const sl_valve *valve, sl_door door)
{
    assert(door < SL_DOOR_COUNT);
    return atomic_load_explicit(&valve->door_epochs[door], memory_order_acquire);
}

uint64_t sl_valve_compartment_epoch(const sl_valve *valve, sl_valve_slot slot)
{
    if (slot >= SL_VALVE_COMPARTMENTS_MAX) {
        return 0;
    }
    return atomic_load_explicit(&valve->compartments[slot].epoch, memory_order_acquire);
}

uint64_t sl_valve_principal_epoch(const sl_valve *valve, sl_valve_slot slot)
{
    if (slot >= SL_VALVE_PRINCIPALS_MAX) {
        return 0;
    }
    return atomic_load_explicit(&valve->principals[slot].epoch, memory_order_acquire);
}

bool sl_valve_fresh(const sl_valve *valve, uint64_t now_ms)
{
    uint64_t beat_ms = atomic_load_explicit(&valve->beat_ms, memory_order_acquire);
    /* The writer may be a moment ahead of this reader's `now_ms`. */
    return beat_ms != 0 && (now_ms <= beat_ms || now_ms - beat_ms <= SL_VALVE_STALE_MS);
}

const char *sl_valve_state_text(sl_valve_state state)
{
    switch (state) {
    case SL_VALVE_OPEN:
        return "open";
    case SL_VALVE_STALE:
        return "warden silent";
    case SL_VALVE_SITE:
        return "site closed";
    case SL_VALVE_DOOR:
        return "door closed";
    case SL_VALVE_COMPARTMENT:
        return "compartment closed";
    case SL_VALVE_PRINCIPAL:
        return "principal closed";
    default:
        return "unknown";
    }
}

sl_res sl_valve_id_parse(sl_view hex, sl_valve_id *ret)
{
    return sl_hex_decode(hex, ret->bytes, sizeof ret->bytes);
}

sl_valve_state sl_valve_take(const sl_valve *valve, uint64_t now_ms, sl_door door,
                             sl_valve_slot principal, const sl_valve_slot *compartments,
                             size_t compartment_count, sl_valve_ticket *ret_ticket)
{
    assert(compartment_count <= SL_TICKET_COMPARTMENTS_MAX);
    sl_valve_ticket ticket = {
        .door = door,
        .site_epoch = sl_valve_site_epoch(valve),
        .door_epoch = sl_valve_door_epoch(valve, door),
        .principal = principal,
        .principal_epoch = sl_valve_principal_epoch(valve, principal),
        .compartment_count = compartment_count,
    };
    for (size_t i = 0; i < compartment_count; i++) {
        ticket.compartments[i] = compartments[i];
        ticket.compartment_epochs[i] = sl_valve_compartment_epoch(valve, compartments[i]);
    }
    sl_valve_state state = sl_valve_holds(valve, now_ms, &ticket);
    if (state == SL_VALVE_OPEN) {
        *ret_ticket = ticket;
    }
    return state;
}

static bool still(uint64_t then, uint64_t now)
{
    return then == now && sl_epoch_open(now);
}

sl_valve_state sl_valve_holds(const sl_valve *valve, uint64_t now_ms, const sl_valve_ticket *ticket)
{
    if (!still(ticket->site_epoch, sl_valve_site_epoch(valve))) {
        return SL_VALVE_SITE;
    }
    if (!still(ticket->door_epoch, sl_valve_door_epoch(valve, ticket->door))) {
        return SL_VALVE_DOOR;
    }
    for (size_t i = 0; i < ticket->compartment_count; i++) {
        if (!still(ticket->compartment_epochs[i],
                   sl_valve_compartment_epoch(valve, ticket->compartments[i]))) {
            return SL_VALVE_COMPARTMENT;
        }
    }
    if (!still(ticket->principal_epoch, sl_valve_principal_epoch(valve, ticket->principal))) {
        return SL_VALVE_PRINCIPAL;
    }
    return sl_valve_fresh(valve, now_ms) ? SL_VALVE_OPEN : SL_VALVE_STALE;
}
