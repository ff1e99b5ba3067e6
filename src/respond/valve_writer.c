/* The writer's side of the valves (see valve_writer.h). One thread of one process writes; readers
 * load each word by itself, so a word is changed in one store and an id is published after it is
 * whole. */
#include "respond/valve_writer.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/valve_layout.h"

sl_res sl_valve_memory_make(int *ret_fd, sl_valve_memory **ret_memory)
{
    SL_OWN(int, fd, sl_fd_close) = memfd_create("stoplog-valves", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return sl_fail_os(SL_E_UNSUPPORTED, "memory file");
    }
    if (ftruncate(fd, (off_t)sl_valve_bytes()) != 0) {
        return sl_fail_os(SL_E_IO, "valve memory");
    }
    void *memory = mmap(NULL, sl_valve_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return sl_fail_os(SL_E_IO, "valve memory");
    }
    sl_valve_memory *valves = memory;
    atomic_store_explicit(&valves->magic, SL_VALVE_MAGIC, memory_order_release);
    int seals = F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    if (fcntl(fd, F_ADD_SEALS, seals) != 0 || mprotect(memory, sl_valve_bytes(), PROT_NONE) != 0) {
        sl_res failed = sl_fail_os(SL_E_UNSUPPORTED, "seal the valve memory");
        (void)munmap(memory, sl_valve_bytes());
        return failed;
    }
    *ret_fd = fd;
    fd = -1;
    *ret_memory = valves;
    return SL_DONE;
}

sl_res sl_valve_writer_take(sl_valve_memory *memory)
{
    if (mprotect(memory, sl_valve_bytes(), PROT_READ | PROT_WRITE) != 0) {
        return sl_fail_os(SL_E_DENIED, "valve memory");
    }
    return SL_DONE;
}

void sl_valve_beat(sl_valve_memory *memory, uint64_t now_ms)
{
    atomic_store_explicit(&memory->beat_ms, now_ms, memory_order_release);
}

static sl_res add(sl_valve_entry *entries, size_t count, sl_valve_id id, sl_valve_slot *ret_slot)
{
    for (size_t i = 0; i < count; i++) {
        if (atomic_load_explicit(&entries[i].used, memory_order_relaxed) == 0) {
            entries[i].id = id;
            atomic_store_explicit(&entries[i].used, 1, memory_order_release);
            *ret_slot = (sl_valve_slot)i;
            return SL_DONE;
        }
        if (memcmp(entries[i].id.bytes, id.bytes, sizeof id.bytes) == 0) {
            *ret_slot = (sl_valve_slot)i;
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_LIMIT, "valves", count);
}

sl_res sl_valve_add_compartment(sl_valve_memory *memory, sl_valve_id id, sl_valve_slot *ret_slot)
{
    return add(memory->compartments, SL_VALVE_COMPARTMENTS_MAX, id, ret_slot);
}

sl_res sl_valve_add_principal(sl_valve_memory *memory, sl_valve_id id, sl_valve_slot *ret_slot)
{
    return add(memory->principals, SL_VALVE_PRINCIPALS_MAX, id, ret_slot);
}

static _Atomic uint64_t *word(sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot)
{
    switch (kind) {
    case SL_VALVE_OF_SITE:
        return &memory->site_epoch;
    case SL_VALVE_OF_DOOR:
        assert(slot < SL_DOOR_COUNT);
        return &memory->door_epochs[slot];
    case SL_VALVE_OF_COMPARTMENT:
        assert(slot < SL_VALVE_COMPARTMENTS_MAX);
        return &memory->compartments[slot].epoch;
    case SL_VALVE_OF_PRINCIPAL:
    default:
        assert(kind == SL_VALVE_OF_PRINCIPAL && slot < SL_VALVE_PRINCIPALS_MAX);
        return &memory->principals[slot].epoch;
    }
}

/* The only store to an epoch: upwards or not at all. */
static uint64_t raise_to(sl_valve_memory *memory, _Atomic uint64_t *epoch, uint64_t next)
{
    uint64_t now = atomic_load_explicit(epoch, memory_order_relaxed);
    if (next <= now) {
        return now;
    }
    atomic_store_explicit(epoch, next, memory_order_release);
    (void)atomic_fetch_add_explicit(&memory->generation, 1, memory_order_release);
    return next;
}

uint64_t sl_valve_close(sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot)
{
    _Atomic uint64_t *epoch = word(memory, kind, slot);
    uint64_t now = atomic_load_explicit(epoch, memory_order_relaxed);
    return raise_to(memory, epoch, now + (now & 1));
}

uint64_t sl_valve_open(sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot)
{
    _Atomic uint64_t *epoch = word(memory, kind, slot);
    return raise_to(memory, epoch, atomic_load_explicit(epoch, memory_order_relaxed) | 1);
}

uint64_t sl_valve_renew(sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot)
{
    _Atomic uint64_t *epoch = word(memory, kind, slot);
    return raise_to(memory, epoch, atomic_load_explicit(epoch, memory_order_relaxed) + 2);
}

void sl_valve_raise(sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot, uint64_t epoch)
{
    (void)raise_to(memory, word(memory, kind, slot), epoch + (epoch & 1));
}

uint64_t sl_valve_epoch(const sl_valve_memory *memory, sl_valve_kind kind, sl_valve_slot slot)
{
    switch (kind) {
    case SL_VALVE_OF_SITE:
        return sl_valve_site_epoch(memory);
    case SL_VALVE_OF_DOOR:
        return sl_valve_door_epoch(memory, (sl_door)slot);
    case SL_VALVE_OF_COMPARTMENT:
        return sl_valve_compartment_epoch(memory, slot);
    case SL_VALVE_OF_PRINCIPAL:
    default:
        return sl_valve_principal_epoch(memory, slot);
    }
}
