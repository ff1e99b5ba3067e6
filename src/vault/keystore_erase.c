/* Erasing one key and shredding a compartment: one transaction between two acts of the KMS, so that what an older
 * copy of the database still wraps opens under nothing. Design: src/vault/keystore.h. */
#include <string.h>

#include "vault/keystore_internal.h"

/* Wraps every remaining key of the compartment under `to` instead of `from`. */
static sl_res rewrap_all(sl_keystore *ks, const char *compartment, const uint8_t *from,
                         const uint8_t *to, uint64_t *ret_count)
{
    SL_OWN(sqlite3_stmt *, read, sl_stmt_free) = NULL;
    SL_OWN(sqlite3_stmt *, put, sl_stmt_free) = NULL;
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    SL_TRY(sl_keystore_prepare(ks,
                               "SELECT rowid, wrapped FROM wrap WHERE compartment = ?1 AND rowid > "
                               "?2 ORDER BY rowid LIMIT 1",
                               &read));
    SL_TRY(sl_keystore_prepare(ks, "UPDATE wrap SET wrapped = ?2 WHERE rowid = ?1", &put));
    uint64_t count = 0;
    sqlite3_int64 last = INT64_MIN;
    for (;;) {
        sl_stmt_text(read, 1, compartment);
        (void)sqlite3_bind_int64(read, 2, last);
        sl_res r = sl_keystore_row(ks, read);
        if (sl_is(r, SL_E_NOT_FOUND)) {
            break;
        }
        SL_TRY(r);
        last = sqlite3_column_int64(read, 0);
        sl_view wrapped = sl_stmt_column(read, 1);
        uint8_t again[SL_WRAPPED_KEY_BYTES];
        SL_NEED(wrapped.n == SL_WRAPPED_KEY_BYTES, SL_E_INTEGRITY);
        SL_TRY(sl_unwrap_key(from, wrapped.p, key.p));
        SL_TRY(sl_wrap_key(to, key.p, again));
        (void)sqlite3_reset(read);
        (void)sqlite3_bind_int64(put, 1, last);
        sl_stmt_blob(put, 2, sl_view_of(again, sizeof again));
        SL_TRY(sl_keystore_finish(ks, put));
        (void)sqlite3_reset(put);
        count++;
    }
    *ret_count = count;
    return SL_DONE;
}

typedef struct {
    const char *compartment;
    sl_wrap_kind kind;
    const char *name;
    int64_t version;
    sl_uid new_kms_id;
    uint8_t *new_key; /* guarded */
} erasure_plan;

static sl_res erase_in_transaction(sl_keystore *ks, const erasure_plan *plan, uint64_t *ret_count)
{
    const sl_keystore_loaded_keys *l = sl_keystore_loaded_at(ks, plan->compartment);
    sl_keystore_root old;
    SL_TRY(sl_keystore_wrap_delete(ks, plan->compartment, plan->kind, plan->name, plan->version));
    SL_TRY(sl_keystore_root_get(ks, plan->compartment, ROOT_ERASURE, &old, NULL));
    SL_TRY(sl_keystore_root_put(ks, plan->compartment, ROOT_ERASURE, old.generation + 1,
                                plan->new_kms_id, plan->new_key));
    SL_TRY(rewrap_all(ks, plan->compartment, l->keys.p + SL_KEY_BYTES, plan->new_key, ret_count));
    SL_TRY(sl_keystore_kms_state(ks, old.kms_id, "ending"));
    return sl_keystore_step(ks);
}

sl_res sl_keystore_erase(sl_keystore *keystore, const char *compartment, sl_wrap_kind kind,
                         const char *name, int64_t version, sl_erased *ret_erased)
{
    SL_TRY(sl_keystore_ready(keystore));
    sl_keystore_loaded_keys *l = sl_keystore_loaded_at(keystore, compartment);
    SL_NEED(l != NULL, SL_E_LOCKED);
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    erasure_plan plan = {
        .compartment = compartment, .kind = kind, .name = name, .version = version, .new_key = key.p
    };
    sl_erased erased = { .destroyed = 1 };
    SL_TRY(sl_keystore_kms_make(keystore, compartment, plan.new_kms_id));
    SL_TRY(sl_keystore_begin(keystore));
    SL_TRY(sl_keystore_end(keystore, erase_in_transaction(keystore, &plan, &erased.rewrapped)));
    memcpy(l->keys.p + SL_KEY_BYTES, key.p, key.n);
    SL_TRY(sl_keystore_destroy_ended(keystore, &erased.proved));
    *ret_erased = erased;
    return SL_DONE;
}

static sl_res shred_in_transaction(sl_keystore *ks, const char *compartment, uint64_t *ret_count)
{
    static const char *const sql[] = {
        "DELETE FROM wrap WHERE compartment = ?1",
        "DELETE FROM root WHERE compartment = ?1",
        "UPDATE kms_key SET state = 'ending' WHERE compartment = ?1",
    };
    for (size_t i = 0; i < SL_COUNT_OF(sql); i++) {
        SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
        SL_TRY(sl_keystore_prepare(ks, sql[i], &stmt));
        sl_stmt_text(stmt, 1, compartment);
        SL_TRY(sl_keystore_finish(ks, stmt));
        if (i == 0) {
            *ret_count = (uint64_t)sqlite3_changes(ks->db);
        }
    }
    return sl_keystore_step(ks);
}

sl_res sl_keystore_shred(sl_keystore *keystore, const char *compartment, sl_erased *ret_erased)
{
    SL_TRY(sl_keystore_ready(keystore));
    SL_NEED(sl_keystore_compartment_exists(keystore, compartment), SL_E_NOT_FOUND);
    sl_keystore_unload(keystore, compartment);
    sl_erased erased = { 0 };
    SL_TRY(sl_keystore_begin(keystore));
    SL_TRY(
        sl_keystore_end(keystore, shred_in_transaction(keystore, compartment, &erased.destroyed)));
    SL_TRY(sl_keystore_destroy_ended(keystore, &erased.proved));
    *ret_erased = erased;
    return SL_DONE;
}
