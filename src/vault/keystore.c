/* The keystore on SQLite: opening, unlocking, wraps, what else is remembered. Statements are in keystore_db.c,
 * roots and the journal of KMS keys in keystore_roots.c, destruction in keystore_erase.c.
 * Design: src/vault/keystore.h. */
#include "vault/keystore.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "crypto/hash.h"
#include "crypto/seal.h"
#include "vault/keystore_internal.h"

enum { SECRET_BYTES_MIN = 8, SALT_BYTES = 32 };

static const char schema_sql[] =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
    "CREATE TABLE kms_key (id TEXT PRIMARY KEY, compartment TEXT NOT NULL, state TEXT NOT NULL"
    "  CHECK (state IN ('making', 'live', 'ending'))) STRICT;"
    "CREATE TABLE root (compartment TEXT NOT NULL, kind INTEGER NOT NULL, generation INTEGER NOT "
    "NULL, kms_id TEXT NOT NULL REFERENCES kms_key (id), kms_part BLOB NOT NULL, keeper_part BLOB "
    "NOT NULL, PRIMARY KEY (compartment, kind)) STRICT;"
    "CREATE TABLE wrap (compartment TEXT NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL,"
    "  version INTEGER NOT NULL, wrapped BLOB NOT NULL,"
    "  PRIMARY KEY (compartment, kind, name, version)) STRICT;";

/* ---- opening ---- */

static sl_res open_db(const char *path, int flags, sl_keystore **ret)
{
    sl_keystore *ks = calloc(1, sizeof *ks);
    SL_NEED(ks != NULL, SL_E_MEMORY);
    int code =
        sqlite3_open_v2(path, &ks->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (code != SQLITE_OK || ks->db == NULL) {
        sl_keystore_free(ks);
        return sl_fail_at(code == SQLITE_CANTOPEN ? SL_E_NOT_FOUND : SL_E_IO, "keystore",
                          SL_NOWHERE);
    }
    /* One process, so no shared memory is needed; deleted content is overwritten with zeroes. */
    sl_res r = sl_keystore_exec(ks, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                                    "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
                                    "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                                    "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;");
    if (!sl_ok(r)) {
        sl_keystore_free(ks);
        return r;
    }
    *ret = ks;
    return SL_DONE;
}

static sl_res derive_master(sl_view secret, sl_view salt, sl_scrypt_cost cost, sl_secret *master)
{
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, master));
    return sl_scrypt(secret, salt, cost, master->p, master->n);
}

/* Roots from the master, and the value that tells a wrong secret. */
static sl_res derive_roots(sl_keystore *ks, const sl_secret *master, uint8_t ret_check[32])
{
    sl_view key = sl_secret_view(master);
    sl_view site = sl_view_str(ks->site);
    SL_TRY(sl_secret_alloc(2 * SL_KEY_BYTES, &ks->roots));
    SL_TRY(sl_hkdf(key, site, SL_LIT("stoplog/keeper-root/v1"), ks->roots.p, SL_KEY_BYTES));
    SL_TRY(sl_hkdf(key, site, SL_LIT("stoplog/kms-file-root/v1"), ks->roots.p + SL_KEY_BYTES,
                   SL_KEY_BYTES));
    return sl_hkdf(key, site, SL_LIT("stoplog/keystore-check/v1"), ret_check, 32);
}

static sl_res fill_new(sl_keystore *ks, const char *driver, const sl_unlock *unlock)
{
    uint8_t salt[SALT_BYTES];
    uint8_t cost[12];
    uint8_t check[32];
    SL_TRY(sl_random_bytes(salt, sizeof salt));
    sl_put_le32(cost, unlock->cost.log2_n);
    sl_put_le32(cost + 4, unlock->cost.r);
    sl_put_le32(cost + 8, unlock->cost.p);
    SL_OWN(sl_secret, master, sl_secret_free) = { 0 };
    SL_TRY(derive_master(unlock->secret, sl_view_of(salt, sizeof salt), unlock->cost, &master));
    SL_TRY(derive_roots(ks, &master, check));
    SL_TRY(sl_keystore_exec(ks, schema_sql));
    SL_TRY(sl_keystore_meta_put_u64(ks, "schema", SL_KEYSTORE_SCHEMA));
    SL_TRY(sl_keystore_meta_put_u64(ks, "sequence", 0));
    SL_TRY(sl_keystore_meta_put(ks, "site", sl_view_str(ks->site)));
    SL_TRY(sl_keystore_meta_put(ks, "driver", sl_view_str(driver)));
    SL_TRY(sl_keystore_meta_put(ks, "salt", sl_view_of(salt, sizeof salt)));
    SL_TRY(sl_keystore_meta_put(ks, "cost", sl_view_of(cost, sizeof cost)));
    return sl_keystore_meta_put(ks, "check", sl_view_of(check, sizeof check));
}

static void remove_database(const char *path)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < SL_COUNT_OF(ends); i++) {
        SL_OWN(sl_buf, name, sl_buf_free) = { .max = 4096 };
        if (sl_ok(sl_buf_addf(&name, "%s%s", path, ends[i]))) {
            const char *text = sl_buf_cstr(&name);
            if (text != NULL) {
                (void)unlink(text);
            }
        }
    }
}

sl_res sl_keystore_create(const char *path, const char *site, const char *driver,
                          const sl_unlock *unlock)
{
    SL_NEED(unlock->secret.n >= SECRET_BYTES_MIN, SL_E_LIMIT);
    SL_NEED(strlen(site) == SL_SITE_ID_CHARS, SL_E_SYNTAX);
    /* Created here with its mode, so that SQLite never makes it readable to others. */
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        return sl_fail_os(access(path, F_OK) == 0 ? SL_E_EXISTS : SL_E_IO, "keystore");
    }
    (void)close(fd);
    sl_keystore *ks = NULL;
    sl_res r = open_db(path, SQLITE_OPEN_READWRITE, &ks);
    if (sl_ok(r)) {
        memcpy(ks->site, site, sizeof ks->site);
        r = sl_keystore_begin(ks);
        r = sl_ok(r) ? sl_keystore_end(ks, fill_new(ks, driver, unlock)) : r;
        sl_keystore_free(ks);
    }
    if (!sl_ok(r)) {
        remove_database(path);
    }
    return r;
}

static sl_res read_head(sl_keystore *ks, const char *site)
{
    uint64_t schema = 0;
    SL_OWN(sl_buf, found, sl_buf_free) = { .max = SL_SITE_ID_CHARS };
    SL_OWN(sl_buf, driver, sl_buf_free) = { .max = sizeof ks->driver - 1 };
    SL_TRY(sl_keystore_meta_u64(ks, "schema", &schema));
    SL_NEED(schema <= SL_KEYSTORE_SCHEMA, SL_E_VERSION);
    SL_TRY(sl_keystore_meta_get(ks, "site", &found));
    if (!sl_view_eq_str(sl_buf_view(&found), site)) {
        return sl_fail_at(SL_E_REFUSED, "site", SL_NOWHERE);
    }
    memcpy(ks->site, site, sizeof ks->site);
    SL_TRY(sl_keystore_meta_get(ks, "driver", &driver));
    memcpy(ks->driver, driver.p, driver.n);
    return SL_DONE;
}

sl_res sl_keystore_open(const char *path, const char *site, sl_keystore **ret_keystore)
{
    SL_NEED(strlen(site) == SL_SITE_ID_CHARS, SL_E_SYNTAX);
    sl_keystore *ks = NULL;
    SL_TRY(open_db(path, SQLITE_OPEN_READWRITE, &ks));
    sl_res r = read_head(ks, site);
    /* Without its tables it is no keystore of ours, however well SQLite can read it. */
    if (sl_is(r, SL_E_IO) || sl_is(r, SL_E_NOT_FOUND)) {
        r = sl_fail_at(SL_E_INTEGRITY, "keystore", SL_NOWHERE);
    }
    if (!sl_ok(r)) {
        sl_keystore_free(ks);
        return r;
    }
    *ret_keystore = ks;
    return SL_DONE;
}

void sl_keystore_free(sl_keystore *keystore)
{
    if (keystore == NULL) {
        return;
    }
    for (size_t i = 0; i < SL_KEYSTORE_LOADED_MAX; i++) {
        sl_secret_free(&keystore->loaded[i].keys);
    }
    sl_secret_free(&keystore->roots);
    (void)sqlite3_close_v2(keystore->db);
    free(keystore);
}

void sl_keystore_free_at(sl_keystore **keystore)
{
    sl_keystore_free(*keystore);
    *keystore = NULL;
}

const char *sl_keystore_driver(const sl_keystore *keystore)
{
    return keystore->driver;
}

bool sl_keystore_unlocked(const sl_keystore *keystore)
{
    return keystore->roots.p != NULL;
}

sl_res sl_keystore_unlock(sl_keystore *keystore, sl_view secret)
{
    SL_NEED(!sl_keystore_unlocked(keystore), SL_E_EXISTS);
    SL_OWN(sl_buf, salt, sl_buf_free) = { .max = SALT_BYTES };
    SL_OWN(sl_buf, cost, sl_buf_free) = { .max = 12 };
    SL_OWN(sl_buf, check, sl_buf_free) = { .max = 32 };
    SL_TRY(sl_keystore_meta_get(keystore, "salt", &salt));
    SL_TRY(sl_keystore_meta_get(keystore, "cost", &cost));
    SL_TRY(sl_keystore_meta_get(keystore, "check", &check));
    SL_NEED(salt.n == SALT_BYTES && cost.n == 12 && check.n == 32, SL_E_INTEGRITY);
    sl_scrypt_cost c = { .log2_n = sl_get_le32(cost.p),
                         .r = sl_get_le32(cost.p + 4),
                         .p = sl_get_le32(cost.p + 8) };
    uint8_t found[32];
    SL_OWN(sl_secret, master, sl_secret_free) = { 0 };
    SL_TRY(derive_master(secret, sl_buf_view(&salt), c, &master));
    sl_res r = derive_roots(keystore, &master, found);
    if (sl_ok(r) && !sl_equal_constant_time(found, check.p, sizeof found)) {
        r = sl_fail(SL_E_PASSPHRASE);
    }
    if (!sl_ok(r)) {
        sl_secret_free(&keystore->roots);
    }
    return r;
}

sl_res sl_keystore_kms_root(const sl_keystore *keystore, uint8_t ret_root[SL_KEY_BYTES])
{
    SL_NEED(sl_keystore_unlocked(keystore), SL_E_LOCKED);
    memcpy(ret_root, keystore->roots.p + SL_KEY_BYTES, SL_KEY_BYTES);
    return SL_DONE;
}

uint64_t sl_keystore_sequence(const sl_keystore *keystore)
{
    sl_keystore *ks = (sl_keystore *)(uintptr_t)keystore; /* reading needs a statement, no change */
    uint64_t sequence = 0;
    return sl_ok(sl_keystore_meta_u64(ks, "sequence", &sequence)) ? sequence : 0;
}

sl_res sl_keystore_check(const sl_keystore *keystore, uint64_t ledger_sequence)
{
    if (sl_keystore_sequence(keystore) < ledger_sequence) {
        return sl_fail_at(SL_E_ROLLBACK, "keystore", ledger_sequence);
    }
    return SL_DONE;
}
/* ---- wraps ---- */

static void bind_wrap(sqlite3_stmt *stmt, const char *compartment, sl_wrap_kind kind,
                      const char *name, int64_t version)
{
    sl_stmt_text(stmt, 1, compartment);
    (void)sqlite3_bind_int(stmt, 2, (int)kind);
    sl_stmt_text(stmt, 3, name);
    (void)sqlite3_bind_int64(stmt, 4, version);
}

sl_res sl_keystore_key_new(sl_keystore *keystore, const char *compartment, sl_wrap_kind kind,
                           const char *name, int64_t version, uint8_t ret_key[SL_KEY_BYTES])
{
    const sl_keystore_loaded_keys *l = sl_keystore_loaded_at(keystore, compartment);
    SL_NEED(l != NULL, SL_E_LOCKED);
    SL_NEED(sl_name_ok(sl_view_str(name)) && version >= 0, SL_E_SYNTAX);
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    uint8_t wrapped[SL_WRAPPED_KEY_BYTES];
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    SL_TRY(sl_random_bytes(key.p, key.n));
    SL_TRY(sl_wrap_key(l->keys.p + SL_KEY_BYTES, key.p, wrapped));
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(keystore, "INSERT INTO wrap VALUES (?1, ?2, ?3, ?4, ?5)", &stmt));
    bind_wrap(stmt, compartment, kind, name, version);
    sl_stmt_blob(stmt, 5, sl_view_of(wrapped, sizeof wrapped));
    SL_TRY(sl_keystore_finish(keystore, stmt));
    memcpy(ret_key, key.p, key.n);
    return SL_DONE;
}

sl_res sl_keystore_key_open(sl_keystore *keystore, const char *compartment, sl_wrap_kind kind,
                            const char *name, int64_t version, uint8_t ret_key[SL_KEY_BYTES])
{
    const sl_keystore_loaded_keys *l = sl_keystore_loaded_at(keystore, compartment);
    SL_NEED(l != NULL, SL_E_LOCKED);
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(keystore,
                               "SELECT wrapped FROM wrap WHERE compartment = ?1 AND kind = ?2 AND "
                               "name = ?3 AND version = ?4",
                               &stmt));
    bind_wrap(stmt, compartment, kind, name, version);
    SL_TRY(sl_keystore_row(keystore, stmt));
    sl_view wrapped = sl_stmt_column(stmt, 0);
    SL_NEED(wrapped.n == SL_WRAPPED_KEY_BYTES, SL_E_INTEGRITY);
    return sl_unwrap_key(l->keys.p + SL_KEY_BYTES, wrapped.p, ret_key);
}

sl_res sl_keystore_wrap_delete(sl_keystore *ks, const char *compartment, sl_wrap_kind kind,
                               const char *name, int64_t version)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(
        sl_keystore_prepare(ks,
                            "DELETE FROM wrap WHERE compartment = ?1 AND kind = ?2 AND name = ?3 "
                            "AND version = ?4",
                            &stmt));
    bind_wrap(stmt, compartment, kind, name, version);
    SL_TRY(sl_keystore_finish(ks, stmt));
    SL_NEED(sqlite3_changes(ks->db) == 1, SL_E_NOT_FOUND);
    return SL_DONE;
}

sl_res sl_keystore_key_forget(sl_keystore *keystore, const char *compartment, sl_wrap_kind kind,
                              const char *name, int64_t version)
{
    return sl_keystore_wrap_delete(keystore, compartment, kind, name, version);
}
/* ---- what else is remembered ---- */

sl_res sl_keystore_order_seen(sl_keystore *keystore, uint64_t order, uint64_t now_ms,
                              uint64_t *ret_seen_ms)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = 64 };
    SL_TRY(sl_buf_addf(&name, "order %llu", (unsigned long long)order));
    const char *text = sl_buf_cstr(&name);
    SL_NEED(text != NULL, SL_E_MEMORY);
    uint64_t seen_ms = 0;
    sl_res r = sl_keystore_meta_u64(keystore, text, &seen_ms);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        seen_ms = now_ms;
        r = sl_keystore_meta_put_u64(keystore, text, now_ms);
    }
    SL_TRY(r);
    *ret_seen_ms = seen_ms;
    return SL_DONE;
}

static sl_res pin_key(const sl_keystore *ks, uint8_t ret_key[SL_KEY_BYTES])
{
    SL_NEED(sl_keystore_unlocked(ks), SL_E_LOCKED);
    return sl_hkdf(sl_view_of(ks->roots.p, SL_KEY_BYTES), sl_view_str(ks->site),
                   SL_LIT("stoplog/pin/v1"), ret_key, SL_KEY_BYTES);
}

sl_res sl_keystore_pin_put(sl_keystore *keystore, sl_view pin)
{
    uint8_t key[SL_KEY_BYTES];
    uint8_t salt[SL_SEAL_SALT_BYTES];
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = 1024 };
    SL_NEED(pin.n > 0 && pin.n <= 256, SL_E_LIMIT);
    SL_TRY(pin_key(keystore, key));
    sl_res r = sl_random_bytes(salt, sizeof salt);
    r = sl_ok(r) ? sl_seal_all(key, salt, SL_LIT("stoplog/pin"), pin, &sealed) : r;
    sl_wipe(key, sizeof key);
    SL_TRY(r);
    return sl_keystore_meta_put(keystore, "pin", sl_buf_view(&sealed));
}

sl_res sl_keystore_pin_get(sl_keystore *keystore, sl_buf *out)
{
    uint8_t key[SL_KEY_BYTES];
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = 1024 };
    SL_TRY(sl_keystore_meta_get(keystore, "pin", &sealed));
    SL_TRY(pin_key(keystore, key));
    sl_res r = sl_open_all(key, SL_LIT("stoplog/pin"), sl_buf_view(&sealed), out);
    sl_wipe(key, sizeof key);
    return r;
}
