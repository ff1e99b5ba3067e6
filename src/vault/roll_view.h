/* The roll as bytes: what the doors need of it, in the policy snapshot.
 *
 * Holds only what lives at the time of writing: open compartments and others by name and state, live
 * grants, live keys as hashes. Fixed-size records, little endian, sorted, so that a door looks up
 * without parsing or allocating. Opening checks every record once; lookups then need no checks.
 *
 *   "SLROLL1\n"  u32 version (1)  u32 reserved (0)  i64 made_ms  u64 next_leaf_index
 *   site 32 chars   u32 compartments  u32 keys  u32 grants  u32 reserved (0)
 *   compartment: id[16] name[64, zero padded] u32 state u32 reserved            (88 bytes)
 *   key:         id[8] principal[16] lineage[16] hash[32] i64 until_ms          (80), by id
 *   grant:       principal[16] u32 compartment u32 doors i64 until_ms i64 requests_h i64 tokens_d
 *                i64 records_d id[8] purpose[64, zero padded]        (128), by principal, then id
 *
 * Pure. Must never hold a key's text or a principal's name. */
#ifndef SL_VAULT_ROLL_VIEW_H
#define SL_VAULT_ROLL_VIEW_H

#include "vault/roll.h"

enum {
    SL_ROLL_VIEW_HEADER_BYTES = 80,
    SL_ROLL_VIEW_COMPARTMENT_BYTES = 88,
    SL_ROLL_VIEW_KEY_BYTES = 80,
    SL_ROLL_VIEW_GRANT_BYTES = 128,
};

/* Every limit of the roll at once. */
#define SL_ROLL_VIEW_BYTES_MAX                                                                     \
    (SL_ROLL_VIEW_HEADER_BYTES + SL_ROLL_COMPARTMENTS_MAX * SL_ROLL_VIEW_COMPARTMENT_BYTES +       \
     SL_ROLL_KEYS_MAX * SL_ROLL_VIEW_KEY_BYTES + SL_ROLL_GRANTS_MAX * SL_ROLL_VIEW_GRANT_BYTES)

/* Appends what lives at `now_ms`. */
SL_MUST sl_res sl_roll_view_write(const sl_roll *roll, int64_t now_ms, sl_buf *out);

/* An opened snapshot; borrows its bytes. */
typedef struct {
    sl_view bytes;
    char site[SL_SITE_ID_CHARS + 1];
    int64_t made_ms;
    uint64_t next_leaf_index;
    size_t compartments;
    size_t keys;
    size_t grants;
} sl_roll_view;

/* Errors: SL_E_VERSION, SL_E_TRUNCATED, SL_E_TRAILING, SL_E_SYNTAX with the record's offset. */
SL_MUST sl_res sl_roll_view_open(sl_view bytes, sl_roll_view *ret);

typedef struct {
    sl_valve_id id;
    sl_view name;
    sl_compartment_state state;
} sl_view_compartment;

typedef struct {
    uint8_t id[SL_API_KEY_ID_BYTES];
    sl_valve_id principal;
    sl_valve_id lineage;
} sl_view_key;

typedef struct {
    uint8_t id[8];
    size_t compartment; /* number in this snapshot */
    int64_t doors;
    int64_t until_ms;
    int64_t requests_h; /* budgets; 0: no limit of this kind */
    int64_t tokens_d;
    int64_t records_d;
    sl_view purpose;
} sl_view_grant;

/* Compartment number `at` (below view->compartments). */
sl_view_compartment sl_roll_view_compartment(const sl_roll_view *view, size_t at);
/* SIZE_MAX when there is none of this name. */
size_t sl_roll_view_compartment_named(const sl_roll_view *view, sl_view name);

/* Whose key is this text? Constant time in the secret part. Errors: SL_E_KEY for every reason. */
SL_MUST sl_res sl_roll_view_key(const sl_roll_view *view, sl_view key_text, int64_t now_ms,
                                sl_view_key *ret);

/* The principal's live grant for this compartment and door; the one that lives longest.
 * Errors: SL_E_NO_GRANT; SL_E_VALVE: there is one, but the compartment is not open. */
SL_MUST sl_res sl_roll_view_grant(const sl_roll_view *view, sl_valve_id principal,
                                  size_t compartment, sl_door door, int64_t now_ms,
                                  sl_view_grant *ret);

#endif
