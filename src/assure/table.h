/* A table from short byte strings to slots, for subjects and open cases. Owned copies, a ceiling,
 * no removal (an evaluator forgets by time, see evaluate.c). */
#ifndef SL_ASSURE_TABLE_H
#define SL_ASSURE_TABLE_H

#include "base/bytes.h"

#define SL_TABLE_ENTRIES_MAX ((size_t)1 << 20)
#define SL_TABLE_KEY_BYTES_MAX ((size_t)512)

typedef struct {
    sl_view key; /* owned by the table */
    int64_t time_ms;
    int64_t done_ms; /* 0: still open */
    uint64_t index;
    uint64_t left;
    uint64_t right;
    bool has_left;
    bool has_right;
    bool broken; /* a counter-example */
    sl_view raw; /* a leaf, owned by the table, or empty */
} sl_table_entry;

typedef struct {
    sl_table_entry *entries;
    size_t count;
    size_t capacity;
    uint32_t *slots; /* index + 1; 0 empty */
    size_t slot_count;
} sl_table;

void sl_table_free(sl_table *table);
/* NULL if it is not there. */
sl_table_entry *sl_table_find(const sl_table *table, sl_view key);
/* The entry, made empty if it was not there. SL_E_LIMIT, SL_E_MEMORY. */
SL_MUST sl_res sl_table_put(sl_table *table, sl_view key, sl_table_entry **ret_entry);
/* Replaces the entry's leaf by a copy. */
SL_MUST sl_res sl_table_keep(sl_table_entry *entry, sl_view raw);

#endif
