/* The table (table.h): entries in an array, slots beside it, linear probing. */
#include "assure/table.h"

#include <assert.h>

static uint64_t hash_of(sl_view key)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a; keys are names of ours, not hostile text */
    /* The analyser takes what realloc moved for garbage. */
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    for (size_t i = 0; i < key.n; i++) {
        h = (h ^ key.p[i]) * 0x100000001B3u;
    }
    return h ^ (h >> 32);
}

static void *copy_of(sl_view v)
{
    uint8_t *p = malloc(v.n + 1);
    if (p != NULL && v.n != 0) {
        memcpy(p, v.p, v.n);
    }
    return p;
}

static void release(sl_view v)
{
    void *p = NULL;
    memcpy(&p, &v.p, sizeof(p)); /* views are const; this memory is the table's own */
    free(p);
}

void sl_table_free(sl_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        release(table->entries[i].key);
        release(table->entries[i].raw);
    }
    free(table->entries);
    free(table->slots);
    *table = (sl_table){ 0 };
}

static size_t slot_of(const sl_table *table, sl_view key)
{
    size_t slot = (size_t)hash_of(key) & (table->slot_count - 1);
    while (table->slots[slot] != 0 &&
           !sl_view_eq(table->entries[table->slots[slot] - 1].key, key)) {
        slot = (slot + 1) & (table->slot_count - 1);
    }
    return slot;
}

sl_table_entry *sl_table_find(const sl_table *table, sl_view key)
{
    if (table->slot_count == 0) {
        return NULL;
    }
    uint32_t at = table->slots[slot_of(table, key)];
    return at == 0 ? NULL : &table->entries[at - 1];
}

static sl_res grow(sl_table *table)
{
    size_t capacity = table->capacity == 0 ? 32 : table->capacity * 2;
    sl_table_entry *entries = realloc(table->entries, capacity * sizeof(*entries));
    SL_NEED(entries != NULL, SL_E_MEMORY);
    table->entries = entries;
    uint32_t *slots = calloc(capacity * 2, sizeof(*slots));
    SL_NEED(slots != NULL, SL_E_MEMORY);
    free(table->slots);
    table->slots = slots;
    table->slot_count = capacity * 2;
    table->capacity = capacity;
    for (size_t i = 0; i < table->count; i++) {
        table->slots[slot_of(table, table->entries[i].key)] = (uint32_t)i + 1;
    }
    return SL_DONE;
}

sl_res sl_table_put(sl_table *table, sl_view key, sl_table_entry **ret_entry)
{
    sl_table_entry *known = sl_table_find(table, key);
    if (known != NULL) {
        *ret_entry = known;
        return SL_DONE;
    }
    SL_NEED(table->count < SL_TABLE_ENTRIES_MAX && key.n <= SL_TABLE_KEY_BYTES_MAX, SL_E_LIMIT);
    if (table->count == table->capacity) {
        SL_TRY(grow(table));
    }
    assert(table->entries != NULL && table->count < table->capacity);
    uint8_t *copy = copy_of(key);
    SL_NEED(copy != NULL, SL_E_MEMORY);
    size_t slot = slot_of(table, key);
    sl_table_entry *entry = &table->entries[table->count++];
    *entry = (sl_table_entry){ .key = { copy, key.n } };
    table->slots[slot] = (uint32_t)table->count;
    *ret_entry = entry;
    return SL_DONE;
}

sl_res sl_table_keep(sl_table_entry *entry, sl_view raw)
{
    uint8_t *copy = copy_of(raw);
    SL_NEED(copy != NULL, SL_E_MEMORY);
    release(entry->raw);
    entry->raw = (sl_view){ copy, raw.n };
    return SL_DONE;
}
