/* What follows a pickle stream: the raw storages of torch's legacy format, whose sizes the stream
 * named and whose order its last list gives. Every byte is accounted for, so that nothing hides there. */
#include <stdlib.h>

#include "artefact/pickle_tail.h"

#define STORAGES_MAX ((size_t)1 << 20)

static uint64_t hash_of(sl_view key)
{
    uint64_t h = 14695981039346656037U;
    for (size_t i = 0; i < key.n; i++) {
        h = (h ^ key.p[i]) * 1099511628211U;
    }
    h ^= h >> 29;
    return h == 0 ? 1 : h;
}

static sl_pstorage *slot_of(const sl_pickle *vm, uint64_t hash)
{
    size_t i = hash & (vm->storage_room - 1);
    while (vm->storages[i].key_hash != 0 && vm->storages[i].key_hash != hash) {
        i = (i + 1) & (vm->storage_room - 1);
    }
    return &vm->storages[i];
}

static sl_res grow(sl_pickle *vm)
{
    size_t old_room = vm->storage_room;
    sl_pstorage *old = vm->storages;
    if (vm->storage_count >= STORAGES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "torch storages", vm->op.at);
    }
    vm->storages = calloc(old_room == 0 ? 64 : old_room * 2, sizeof *vm->storages);
    if (vm->storages == NULL) {
        vm->storages = old;
        return sl_fail(SL_E_MEMORY);
    }
    vm->storage_room = old_room == 0 ? 64 : old_room * 2;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i].key_hash != 0) {
            *slot_of(vm, old[i].key_hash) = old[i];
        }
    }
    free(old);
    return SL_DONE;
}

sl_res sl_pickle_storage(sl_pickle *vm, sl_view key, uint64_t elements, unsigned bytes)
{
    if (vm->storage_count * 2 >= vm->storage_room) {
        SL_TRY(grow(vm));
    }
    uint64_t hash = hash_of(key);
    sl_pstorage *s = slot_of(vm, hash);
    if (s->key_hash == 0) {
        vm->storage_count++;
        *s = (sl_pstorage){ hash, elements, bytes };
    } else if (s->elements != elements || s->element_bytes != bytes) {
        sl_pickle_tell(vm, SL_RULE_PICKLE_STORAGE, key);
    }
    return SL_DONE;
}

sl_res sl_pickle_key(sl_pickle *vm, sl_view key)
{
    if (vm->key_count == vm->key_room) {
        size_t wanted = vm->key_room == 0 ? 64 : vm->key_room * 2;
        if (wanted > STORAGES_MAX) {
            return sl_fail_at(SL_E_LIMIT, "torch storages", vm->op.at);
        }
        uint64_t *grown = reallocarray(vm->keys, wanted, sizeof *grown);
        SL_NEED(grown != NULL, SL_E_MEMORY);
        vm->keys = grown;
        vm->key_room = wanted;
    }
    vm->keys[vm->key_count++] = hash_of(key);
    return SL_DONE;
}

sl_res sl_pickle_storages_follow(sl_pickle *vm, uint64_t at)
{
    sl_cursor c = sl_cursor_over(vm->source);
    bool good = sl_ok(sl_cursor_skip(&c, at));
    for (size_t i = 0; good && i < vm->key_count; i++) {
        const sl_pstorage *s = vm->storage_room == 0 ? NULL : slot_of(vm, vm->keys[i]);
        uint64_t elements = 0;
        uint64_t bytes = 0;
        vm->op.at = c.at;
        good = s != NULL && s->key_hash != 0 && sl_ok(sl_cursor_u64le(&c, &elements)) &&
               elements == s->elements &&
               !__builtin_mul_overflow(elements, s->element_bytes, &bytes) &&
               sl_ok(sl_cursor_skip(&c, bytes));
    }
    if (!good || sl_cursor_left(&c) != 0) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_STORAGE,
                           good ? "bytes behind the last storage" : "a storage that does not fit");
    }
    return SL_DONE;
}
