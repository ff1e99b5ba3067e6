/* Roots of compartments: made of a part that the KMS holds and one of the keeper's, joined into guarded memory.
 *
 * The journal of KMS keys is the table kms_key: a row is `making` before the KMS makes the key and `ending` from
 * the transaction that stops using it until the KMS has destroyed it. Recovery destroys both kinds.
 * Design: src/vault/keystore.h. */
#include <string.h>

#include "base/random.h"
#include "vault/keystore_internal.h"

/* ---- KMS keys and their journal ---- */

sl_res sl_keystore_kms_state(sl_keystore *ks, const char *id, const char *state)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "UPDATE kms_key SET state = ?2 WHERE id = ?1", &stmt));
    sl_stmt_text(stmt, 1, id);
    sl_stmt_text(stmt, 2, state);
    return sl_keystore_finish(ks, stmt);
}

/* Journals a new id, then has the KMS make the key: in that order, so that no key is ever lost. */
sl_res sl_keystore_kms_make(sl_keystore *ks, const char *compartment, sl_uid ret_id)
{
    uint8_t random[16];
    SL_TRY(sl_random_bytes(random, sizeof random));
    sl_uid_set(ret_id, random);
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "INSERT INTO kms_key VALUES (?1, ?2, 'making')", &stmt));
    sl_stmt_text(stmt, 1, ret_id);
    sl_stmt_text(stmt, 2, compartment);
    SL_TRY(sl_keystore_finish(ks, stmt));
    return ks->kms->driver->create(ks->kms, ret_id);
}

static sl_res kms_forget(sl_keystore *ks, const char *id)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "DELETE FROM kms_key WHERE id = ?1", &stmt));
    sl_stmt_text(stmt, 1, id);
    return sl_keystore_finish(ks, stmt);
}

/* One key that no root uses: `making` after a crash, or `ending`. */
static sl_res next_ended(sl_keystore *ks, sl_uid ret_id)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "SELECT id FROM kms_key WHERE state <> 'live' LIMIT 1", &stmt));
    SL_TRY(sl_keystore_row(ks, stmt));
    sl_view id = sl_view_str((const char *)sqlite3_column_text(stmt, 0));
    SL_NEED(id.n == SL_UID_CHARS, SL_E_INTEGRITY);
    memcpy(ret_id, id.p, id.n + 1);
    return SL_DONE;
}

/* Destroys every key that is no longer used. First the log is folded into the database and emptied,
 * so that no old page with a former wrap lies on the disk when its key is gone. */
sl_res sl_keystore_destroy_ended(sl_keystore *ks, bool *ret_proved)
{
    SL_TRY(sl_keystore_exec(ks, "PRAGMA wal_checkpoint(TRUNCATE)"));
    bool all_proved = true;
    for (;;) {
        sl_uid id;
        bool proved = false;
        sl_res r = next_ended(ks, id);
        if (sl_is(r, SL_E_NOT_FOUND)) {
            break;
        }
        SL_TRY(r);
        SL_TRY(ks->kms->driver->destroy(ks->kms, id, &proved));
        SL_TRY(kms_forget(ks, id));
        all_proved = all_proved && proved;
    }
    *ret_proved = all_proved;
    return SL_DONE;
}

sl_res sl_keystore_attach(sl_keystore *keystore, sl_kms *kms)
{
    SL_NEED(strcmp(keystore->driver, kms->driver->driver) == 0, SL_E_CONFIG);
    keystore->kms = kms;
    bool proved = false;
    return sl_keystore_destroy_ended(keystore, &proved);
}

/* ---- roots ---- */

/* The key of two halves. */
static sl_res join(sl_keystore *ks, const char *compartment, int kind, int64_t generation,
                   const uint8_t halves[2 * SL_KEY_BYTES], uint8_t ret_key[SL_KEY_BYTES])
{
    SL_OWN(sl_buf, info, sl_buf_free) = { .max = 256 };
    SL_TRY(sl_buf_addf(&info, "stoplog/%s/v1 %s %lld",
                       kind == ROOT_ERASURE ? "erasure" : "compartment", compartment,
                       (long long)generation));
    return sl_hkdf(sl_view_of(halves, 2 * SL_KEY_BYTES), sl_view_str(ks->site), sl_buf_view(&info),
                   ret_key, SL_KEY_BYTES);
}

/* Stores a new root under a KMS key that exists; its joined key goes to `ret_key`. */
sl_res sl_keystore_root_put(sl_keystore *ks, const char *compartment, int kind, int64_t generation,
                            const char *kms_id, uint8_t ret_key[SL_KEY_BYTES])
{
    SL_OWN(sl_secret, halves, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(2 * SL_KEY_BYTES, &halves));
    SL_TRY(sl_random_bytes(halves.p, halves.n));
    SL_OWN(sl_buf, kms_part, sl_buf_free) = { .max = SL_KMS_WRAP_BYTES_MAX };
    uint8_t keeper_part[SL_WRAPPED_KEY_BYTES];
    SL_TRY(ks->kms->driver->wrap(ks->kms, kms_id, halves.p, &kms_part));
    SL_TRY(sl_wrap_key(ks->roots.p, halves.p + SL_KEY_BYTES, keeper_part));
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "INSERT OR REPLACE INTO root VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                               &stmt));
    sl_stmt_text(stmt, 1, compartment);
    (void)sqlite3_bind_int(stmt, 2, kind);
    (void)sqlite3_bind_int64(stmt, 3, generation);
    sl_stmt_text(stmt, 4, kms_id);
    sl_stmt_blob(stmt, 5, sl_buf_view(&kms_part));
    sl_stmt_blob(stmt, 6, sl_view_of(keeper_part, sizeof keeper_part));
    SL_TRY(sl_keystore_finish(ks, stmt));
    SL_TRY(sl_keystore_kms_state(ks, kms_id, "live"));
    return join(ks, compartment, kind, generation, halves.p, ret_key);
}

/* Reads a root; `ret_key` may be NULL when only its head is wanted. */
sl_res sl_keystore_root_get(sl_keystore *ks, const char *compartment, int kind,
                            sl_keystore_root *ret_head, uint8_t *ret_key)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks,
                               "SELECT generation, kms_id, kms_part, keeper_part FROM root WHERE "
                               "compartment = ?1 AND kind = ?2",
                               &stmt));
    sl_stmt_text(stmt, 1, compartment);
    (void)sqlite3_bind_int(stmt, 2, kind);
    SL_TRY(sl_keystore_row(ks, stmt));
    ret_head->generation = sqlite3_column_int64(stmt, 0);
    sl_view id = sl_view_str((const char *)sqlite3_column_text(stmt, 1));
    SL_NEED(id.n == SL_UID_CHARS, SL_E_INTEGRITY);
    memcpy(ret_head->kms_id, id.p, id.n + 1);
    if (ret_key == NULL) {
        return SL_DONE;
    }
    sl_view keeper_part = sl_stmt_column(stmt, 3);
    SL_NEED(keeper_part.n == SL_WRAPPED_KEY_BYTES, SL_E_INTEGRITY);
    SL_OWN(sl_secret, halves, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(2 * SL_KEY_BYTES, &halves));
    SL_TRY(ks->kms->driver->unwrap(ks->kms, ret_head->kms_id, sl_stmt_column(stmt, 2), halves.p));
    SL_TRY(sl_unwrap_key(ks->roots.p, keeper_part.p, halves.p + SL_KEY_BYTES));
    return join(ks, compartment, kind, ret_head->generation, halves.p, ret_key);
}

sl_keystore_loaded_keys *sl_keystore_loaded_at(const sl_keystore *ks, const char *compartment)
{
    sl_keystore *writable = (sl_keystore *)(uintptr_t)ks;
    for (size_t i = 0; i < SL_KEYSTORE_LOADED_MAX; i++) {
        sl_keystore_loaded_keys *l = &writable->loaded[i];
        if (l->keys.p != NULL && strcmp(l->compartment, compartment) == 0) {
            return l;
        }
    }
    return NULL;
}

static sl_res loaded_new(sl_keystore *ks, const char *compartment, sl_keystore_loaded_keys **ret)
{
    for (size_t i = 0; i < SL_KEYSTORE_LOADED_MAX; i++) {
        sl_keystore_loaded_keys *l = &ks->loaded[i];
        if (l->keys.p == NULL) {
            SL_TRY(sl_name_set(l->compartment, sl_view_str(compartment)));
            SL_TRY(sl_secret_alloc(2 * SL_KEY_BYTES, &l->keys));
            *ret = l;
            return SL_DONE;
        }
    }
    return sl_fail(SL_E_LIMIT);
}

sl_res sl_keystore_ready(const sl_keystore *ks)
{
    SL_NEED(sl_keystore_unlocked(ks) && ks->kms != NULL, SL_E_LOCKED);
    return SL_DONE;
}

bool sl_keystore_compartment_exists(const sl_keystore *keystore, const char *compartment)
{
    sl_keystore_root head;
    sl_keystore *ks = (sl_keystore *)(uintptr_t)keystore;
    return sl_ok(sl_keystore_root_get(ks, compartment, ROOT_ERASURE, &head, NULL));
}

static sl_res create_roots(sl_keystore *ks, const char *compartment, sl_uid ids[2])
{
    uint8_t key[SL_KEY_BYTES];
    sl_res r = sl_keystore_root_put(ks, compartment, ROOT_COMPARTMENT, 1, ids[0], key);
    if (sl_ok(r)) {
        r = sl_keystore_root_put(ks, compartment, ROOT_ERASURE, 1, ids[1], key);
    }
    sl_wipe(key, sizeof key);
    SL_TRY(r);
    return sl_keystore_step(ks);
}

sl_res sl_keystore_compartment_create(sl_keystore *keystore, const char *compartment)
{
    SL_TRY(sl_keystore_ready(keystore));
    SL_NEED(sl_name_ok(sl_view_str(compartment)), SL_E_SYNTAX);
    SL_NEED(!sl_keystore_compartment_exists(keystore, compartment), SL_E_EXISTS);
    sl_uid ids[2];
    SL_TRY(sl_keystore_kms_make(keystore, compartment, ids[0]));
    SL_TRY(sl_keystore_kms_make(keystore, compartment, ids[1]));
    SL_TRY(sl_keystore_begin(keystore));
    return sl_keystore_end(keystore, create_roots(keystore, compartment, ids));
}

sl_res sl_keystore_load(sl_keystore *keystore, const char *compartment)
{
    SL_TRY(sl_keystore_ready(keystore));
    if (sl_keystore_loaded_at(keystore, compartment) != NULL) {
        return SL_DONE;
    }
    sl_keystore_root head;
    SL_OWN(sl_secret, keys, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(2 * SL_KEY_BYTES, &keys));
    SL_TRY(sl_keystore_root_get(keystore, compartment, ROOT_COMPARTMENT, &head, keys.p));
    SL_TRY(sl_keystore_root_get(keystore, compartment, ROOT_ERASURE, &head, keys.p + SL_KEY_BYTES));
    sl_keystore_loaded_keys *l = NULL;
    SL_TRY(loaded_new(keystore, compartment, &l));
    memcpy(l->keys.p, keys.p, keys.n);
    return SL_DONE;
}

void sl_keystore_unload(sl_keystore *keystore, const char *compartment)
{
    sl_keystore_loaded_keys *l = sl_keystore_loaded_at(keystore, compartment);
    if (l != NULL) {
        sl_secret_free(&l->keys);
    }
}

bool sl_keystore_loaded(const sl_keystore *keystore, const char *compartment)
{
    return sl_keystore_loaded_at(keystore, compartment) != NULL;
}

sl_res sl_keystore_derive(sl_keystore *keystore, const char *compartment, const char *purpose,
                          uint8_t ret_key[SL_KEY_BYTES])
{
    const sl_keystore_loaded_keys *l = sl_keystore_loaded_at(keystore, compartment);
    SL_NEED(l != NULL, SL_E_LOCKED);
    SL_NEED(sl_name_ok(sl_view_str(purpose)), SL_E_SYNTAX);
    SL_OWN(sl_buf, info, sl_buf_free) = { .max = 256 };
    SL_TRY(sl_buf_addf(&info, "stoplog/derived/v1 %s", purpose));
    return sl_hkdf(sl_view_of(l->keys.p, SL_KEY_BYTES), sl_view_str(keystore->site),
                   sl_buf_view(&info), ret_key, SL_KEY_BYTES);
}
