/* The inside of a keystore, for keystore.c and for its crash tests. */
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

void sl_stmt_free(sqlite3_stmt **stmt);
SL_MUST sl_res sl_keystore_prepare(sl_keystore *ks, const char *sql, sqlite3_stmt **ret);
SL_MUST sl_res sl_keystore_exec(sl_keystore *ks, const char *sql);
SL_MUST sl_res sl_keystore_begin(sl_keystore *ks);
SL_MUST sl_res sl_keystore_end(sl_keystore *ks, sl_res so_far);

#endif
