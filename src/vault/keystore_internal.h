/* The inside of a keystore, for the keystore*.c files and for their crash tests. */
#ifndef SL_VAULT_KEYSTORE_INTERNAL_H
#define SL_VAULT_KEYSTORE_INTERNAL_H

#include <sqlite3.h>

#include "vault/keystore.h"

/* As many as a site may have compartments. */
#define SL_KEYSTORE_LOADED_MAX SL_VALVE_COMPARTMENTS_MAX

enum { ROOT_COMPARTMENT = 0, ROOT_ERASURE = 1 };

/* Keys of one loaded compartment: compartment key, then erasure key. */
typedef struct {
    sl_name compartment;
    sl_secret keys; /* p NULL: the slot is free */
} sl_keystore_loaded_keys;

struct sl_keystore {
    sqlite3 *db;
    char site[SL_SITE_ID_CHARS + 1];
    char driver[32];
    sl_secret roots; /* keeper root, then file-KMS root; p NULL: locked */
    sl_kms *kms;
    sl_keystore_loaded_keys loaded[SL_KEYSTORE_LOADED_MAX];
};

/* keystore_db.c */
void sl_stmt_free(sqlite3_stmt **stmt);
/* Bind text or bytes, both borrowed until the statement is freed; the bytes of a column, borrowed likewise. */
void sl_stmt_text(sqlite3_stmt *stmt, int at, const char *text);
void sl_stmt_blob(sqlite3_stmt *stmt, int at, sl_view v);
sl_view sl_stmt_column(sqlite3_stmt *stmt, int at);
SL_MUST sl_res sl_keystore_prepare(sl_keystore *ks, const char *sql, sqlite3_stmt **ret);
SL_MUST sl_res sl_keystore_exec(sl_keystore *ks, const char *sql);
/* Runs a statement that returns no row. */
SL_MUST sl_res sl_keystore_finish(sl_keystore *ks, sqlite3_stmt *stmt);
/* Steps to the one row wanted; SL_E_NOT_FOUND when there is none. */
SL_MUST sl_res sl_keystore_row(sl_keystore *ks, sqlite3_stmt *stmt);
SL_MUST sl_res sl_keystore_begin(sl_keystore *ks);
SL_MUST sl_res sl_keystore_end(sl_keystore *ks, sl_res so_far);
/* Named values. SL_E_NOT_FOUND, SL_E_INTEGRITY (not eight bytes). */
SL_MUST sl_res sl_keystore_meta_get(sl_keystore *ks, const char *name, sl_buf *out);
SL_MUST sl_res sl_keystore_meta_put(sl_keystore *ks, const char *name, sl_view value);
SL_MUST sl_res sl_keystore_meta_u64(sl_keystore *ks, const char *name, uint64_t *ret);
SL_MUST sl_res sl_keystore_meta_put_u64(sl_keystore *ks, const char *name, uint64_t value);
/* One more transition (sl_keystore_sequence), within its transaction. */
SL_MUST sl_res sl_keystore_step(sl_keystore *ks);

/* keystore_roots.c */
typedef struct {
    int64_t generation;
    sl_uid kms_id;
} sl_keystore_root;
/* Unlocked and with a KMS, else SL_E_LOCKED. */
SL_MUST sl_res sl_keystore_ready(const sl_keystore *ks);
/* NULL: the compartment is not loaded. */
sl_keystore_loaded_keys *sl_keystore_loaded_at(const sl_keystore *ks, const char *compartment);
/* Journals a new id, then has the KMS make the key: in that order, so that no key is ever lost. */
SL_MUST sl_res sl_keystore_kms_make(sl_keystore *ks, const char *compartment, sl_uid ret_id);
SL_MUST sl_res sl_keystore_kms_state(sl_keystore *ks, const char *id, const char *state);
SL_MUST sl_res sl_keystore_destroy_ended(sl_keystore *ks, bool *ret_proved);
/* Stores a new root under a KMS key that exists; its joined key goes to `ret_key`. */
SL_MUST sl_res sl_keystore_root_put(sl_keystore *ks, const char *compartment, int kind,
                                    int64_t generation, const char *kms_id,
                                    uint8_t ret_key[SL_KEY_BYTES]);
/* Reads a root; `ret_key` may be NULL when only its head is wanted. */
SL_MUST sl_res sl_keystore_root_get(sl_keystore *ks, const char *compartment, int kind,
                                    sl_keystore_root *ret_head, uint8_t *ret_key);

/* keystore.c */
SL_MUST sl_res sl_keystore_wrap_delete(sl_keystore *ks, const char *compartment, sl_wrap_kind kind,
                                       const char *name, int64_t version);

#endif
