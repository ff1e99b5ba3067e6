/* The keystore on SQLite: opening, unlocking, roots, wraps, and the transitions with their journal.
 *
 * The journal is the table kms_key: a row is `making` before the KMS makes the key and `ending` from
 * the transaction that stops using it until the KMS has destroyed it. Recovery destroys both kinds.
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

/* ---- statements ---- */

static sl_res db_fail(const sl_keystore *ks)
{
    int code = sqlite3_errcode(ks->db) & 0xff;
    switch (code) {
    case SQLITE_FULL:
        return sl_fail_at(SL_E_DISK_FULL, "keystore", SL_NOWHERE);
    case SQLITE_NOMEM:
        return sl_fail_at(SL_E_MEMORY, "keystore", SL_NOWHERE);
    case SQLITE_CONSTRAINT:
        return sl_fail_at(SL_E_EXISTS, "keystore", SL_NOWHERE);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return sl_fail_at(SL_E_INTEGRITY, "keystore", SL_NOWHERE);
    default:
        return sl_fail_at(SL_E_IO, "keystore", (uint64_t)code);
    }
}

void sl_stmt_free(sqlite3_stmt **stmt)
{
    (void)sqlite3_finalize(*stmt);
    *stmt = NULL;
}

sl_res sl_keystore_prepare(sl_keystore *ks, const char *sql, sqlite3_stmt **ret)
{
    return sqlite3_prepare_v2(ks->db, sql, -1, ret, NULL) == SQLITE_OK ? SL_DONE : db_fail(ks);
}

sl_res sl_keystore_exec(sl_keystore *ks, const char *sql)
{
    return sqlite3_exec(ks->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SL_DONE : db_fail(ks);
}

/* Runs a statement that returns no row. */
static sl_res finish(sl_keystore *ks, sqlite3_stmt *stmt)
{
    return sqlite3_step(stmt) == SQLITE_DONE ? SL_DONE : db_fail(ks);
}

/* Steps to the one row wanted; SL_E_NOT_FOUND when there is none. */
static sl_res row(sl_keystore *ks, sqlite3_stmt *stmt)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_DONE) {
        return sl_fail_at(SL_E_NOT_FOUND, "keystore", SL_NOWHERE);
    }
    return code == SQLITE_ROW ? SL_DONE : db_fail(ks);
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    (void)sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static void bind_blob(sqlite3_stmt *stmt, int at, sl_view v)
{
    (void)sqlite3_bind_blob(stmt, at, v.p, (int)v.n, SQLITE_STATIC);
}

static sl_view column_blob(sqlite3_stmt *stmt, int at)
{
    const void *p = sqlite3_column_blob(stmt, at);
    return sl_view_of(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, at));
}

static sl_res meta_get(sl_keystore *ks, const char *name, sl_buf *out)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "SELECT value FROM meta WHERE name = ?1", &stmt));
    bind_text(stmt, 1, name);
    SL_TRY(row(ks, stmt));
    return sl_buf_add(out, column_blob(stmt, 0));
}

static sl_res meta_put(sl_keystore *ks, const char *name, sl_view value)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "INSERT OR REPLACE INTO meta VALUES (?1, ?2)", &stmt));
    bind_text(stmt, 1, name);
    bind_blob(stmt, 2, value);
    return finish(ks, stmt);
}

static sl_res meta_get_u64(sl_keystore *ks, const char *name, uint64_t *ret)
{
    SL_OWN(sl_buf, value, sl_buf_free) = { .max = 8 };
    SL_TRY(meta_get(ks, name, &value));
    SL_NEED(value.n == 8, SL_E_INTEGRITY);
    *ret = sl_get_le64(value.p);
    return SL_DONE;
}

static sl_res meta_put_u64(sl_keystore *ks, const char *name, uint64_t value)
{
    uint8_t b[8];
    sl_put_le64(b, value);
    return meta_put(ks, name, sl_view_of(b, sizeof b));
}

sl_res sl_keystore_begin(sl_keystore *ks)
{
    return sl_keystore_exec(ks, "BEGIN IMMEDIATE");
}

/* Ends the transaction either way; the first failure is what is told. */
sl_res sl_keystore_end(sl_keystore *ks, sl_res so_far)
{
    if (sl_ok(so_far)) {
        so_far = sl_keystore_exec(ks, "COMMIT");
    }
    if (!sl_ok(so_far) && sqlite3_get_autocommit(ks->db) == 0) {
        (void)sqlite3_exec(ks->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return so_far;
}

static sl_res step_sequence(sl_keystore *ks)
{
    uint64_t sequence = 0;
    SL_TRY(meta_get_u64(ks, "sequence", &sequence));
    return meta_put_u64(ks, "sequence", sequence + 1);
}

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
    SL_TRY(meta_put_u64(ks, "schema", SL_KEYSTORE_SCHEMA));
    SL_TRY(meta_put_u64(ks, "sequence", 0));
    SL_TRY(meta_put(ks, "site", sl_view_str(ks->site)));
    SL_TRY(meta_put(ks, "driver", sl_view_str(driver)));
    SL_TRY(meta_put(ks, "salt", sl_view_of(salt, sizeof salt)));
    SL_TRY(meta_put(ks, "cost", sl_view_of(cost, sizeof cost)));
    return meta_put(ks, "check", sl_view_of(check, sizeof check));
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
    SL_TRY(meta_get_u64(ks, "schema", &schema));
    SL_NEED(schema <= SL_KEYSTORE_SCHEMA, SL_E_VERSION);
    SL_TRY(meta_get(ks, "site", &found));
    if (!sl_view_eq_str(sl_buf_view(&found), site)) {
        return sl_fail_at(SL_E_REFUSED, "site", SL_NOWHERE);
    }
    memcpy(ks->site, site, sizeof ks->site);
    SL_TRY(meta_get(ks, "driver", &driver));
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
    SL_TRY(meta_get(keystore, "salt", &salt));
    SL_TRY(meta_get(keystore, "cost", &cost));
    SL_TRY(meta_get(keystore, "check", &check));
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
    return sl_ok(meta_get_u64(ks, "sequence", &sequence)) ? sequence : 0;
}

sl_res sl_keystore_check(const sl_keystore *keystore, uint64_t ledger_sequence)
{
    if (sl_keystore_sequence(keystore) < ledger_sequence) {
        return sl_fail_at(SL_E_ROLLBACK, "keystore", ledger_sequence);
    }
    return SL_DONE;
}

/* ---- KMS keys and their journal ---- */

static sl_res kms_state(sl_keystore *ks, const char *id, const char *state)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "UPDATE kms_key SET state = ?2 WHERE id = ?1", &stmt));
    bind_text(stmt, 1, id);
    bind_text(stmt, 2, state);
    return finish(ks, stmt);
}

/* Journals a new id, then has the KMS make the key: in that order, so that no key is ever lost. */
static sl_res kms_make(sl_keystore *ks, const char *compartment, sl_uid ret_id)
{
    uint8_t random[16];
    SL_TRY(sl_random_bytes(random, sizeof random));
    sl_uid_set(ret_id, random);
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "INSERT INTO kms_key VALUES (?1, ?2, 'making')", &stmt));
    bind_text(stmt, 1, ret_id);
    bind_text(stmt, 2, compartment);
    SL_TRY(finish(ks, stmt));
    return ks->kms->driver->create(ks->kms, ret_id);
}

static sl_res kms_forget(sl_keystore *ks, const char *id)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "DELETE FROM kms_key WHERE id = ?1", &stmt));
    bind_text(stmt, 1, id);
    return finish(ks, stmt);
}

/* One key that no root uses: `making` after a crash, or `ending`. */
static sl_res next_ended(sl_keystore *ks, sl_uid ret_id)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "SELECT id FROM kms_key WHERE state <> 'live' LIMIT 1", &stmt));
    SL_TRY(row(ks, stmt));
    sl_view id = sl_view_str((const char *)sqlite3_column_text(stmt, 0));
    SL_NEED(id.n == SL_UID_CHARS, SL_E_INTEGRITY);
    memcpy(ret_id, id.p, id.n + 1);
    return SL_DONE;
}

/* Destroys every key that is no longer used. First the log is folded into the database and emptied,
 * so that no old page with a former wrap lies on the disk when its key is gone. */
static sl_res destroy_ended(sl_keystore *ks, bool *ret_proved)
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
    return destroy_ended(keystore, &proved);
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
static sl_res root_put(sl_keystore *ks, const char *compartment, int kind, int64_t generation,
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
    bind_text(stmt, 1, compartment);
    (void)sqlite3_bind_int(stmt, 2, kind);
    (void)sqlite3_bind_int64(stmt, 3, generation);
    bind_text(stmt, 4, kms_id);
    bind_blob(stmt, 5, sl_buf_view(&kms_part));
    bind_blob(stmt, 6, sl_view_of(keeper_part, sizeof keeper_part));
    SL_TRY(finish(ks, stmt));
    SL_TRY(kms_state(ks, kms_id, "live"));
    return join(ks, compartment, kind, generation, halves.p, ret_key);
}

typedef struct {
    int64_t generation;
    sl_uid kms_id;
} root_head;

/* Reads a root; `ret_key` may be NULL when only its head is wanted. */
static sl_res root_get(sl_keystore *ks, const char *compartment, int kind, root_head *ret_head,
                       uint8_t *ret_key)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks,
                               "SELECT generation, kms_id, kms_part, keeper_part FROM root WHERE "
                               "compartment = ?1 AND kind = ?2",
                               &stmt));
    bind_text(stmt, 1, compartment);
    (void)sqlite3_bind_int(stmt, 2, kind);
    SL_TRY(row(ks, stmt));
    ret_head->generation = sqlite3_column_int64(stmt, 0);
    sl_view id = sl_view_str((const char *)sqlite3_column_text(stmt, 1));
    SL_NEED(id.n == SL_UID_CHARS, SL_E_INTEGRITY);
    memcpy(ret_head->kms_id, id.p, id.n + 1);
    if (ret_key == NULL) {
        return SL_DONE;
    }
    sl_view keeper_part = column_blob(stmt, 3);
    SL_NEED(keeper_part.n == SL_WRAPPED_KEY_BYTES, SL_E_INTEGRITY);
    SL_OWN(sl_secret, halves, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(2 * SL_KEY_BYTES, &halves));
    SL_TRY(ks->kms->driver->unwrap(ks->kms, ret_head->kms_id, column_blob(stmt, 2), halves.p));
    SL_TRY(sl_unwrap_key(ks->roots.p, keeper_part.p, halves.p + SL_KEY_BYTES));
    return join(ks, compartment, kind, ret_head->generation, halves.p, ret_key);
}

static sl_keystore_loaded_keys *loaded_at(const sl_keystore *ks, const char *compartment)
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

static sl_res ready(const sl_keystore *ks)
{
    SL_NEED(sl_keystore_unlocked(ks) && ks->kms != NULL, SL_E_LOCKED);
    return SL_DONE;
}

bool sl_keystore_compartment_exists(const sl_keystore *keystore, const char *compartment)
{
    root_head head;
    sl_keystore *ks = (sl_keystore *)(uintptr_t)keystore;
    return sl_ok(root_get(ks, compartment, ROOT_ERASURE, &head, NULL));
}

static sl_res create_roots(sl_keystore *ks, const char *compartment, sl_uid ids[2])
{
    uint8_t key[SL_KEY_BYTES];
    sl_res r = root_put(ks, compartment, ROOT_COMPARTMENT, 1, ids[0], key);
    if (sl_ok(r)) {
        r = root_put(ks, compartment, ROOT_ERASURE, 1, ids[1], key);
    }
    sl_wipe(key, sizeof key);
    SL_TRY(r);
    return step_sequence(ks);
}

sl_res sl_keystore_compartment_create(sl_keystore *keystore, const char *compartment)
{
    SL_TRY(ready(keystore));
    SL_NEED(sl_name_ok(sl_view_str(compartment)), SL_E_SYNTAX);
    SL_NEED(!sl_keystore_compartment_exists(keystore, compartment), SL_E_EXISTS);
    sl_uid ids[2];
    SL_TRY(kms_make(keystore, compartment, ids[0]));
    SL_TRY(kms_make(keystore, compartment, ids[1]));
    SL_TRY(sl_keystore_begin(keystore));
    return sl_keystore_end(keystore, create_roots(keystore, compartment, ids));
}

sl_res sl_keystore_load(sl_keystore *keystore, const char *compartment)
{
    SL_TRY(ready(keystore));
    if (loaded_at(keystore, compartment) != NULL) {
        return SL_DONE;
    }
    root_head head;
    SL_OWN(sl_secret, keys, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(2 * SL_KEY_BYTES, &keys));
    SL_TRY(root_get(keystore, compartment, ROOT_COMPARTMENT, &head, keys.p));
    SL_TRY(root_get(keystore, compartment, ROOT_ERASURE, &head, keys.p + SL_KEY_BYTES));
    sl_keystore_loaded_keys *l = NULL;
    SL_TRY(loaded_new(keystore, compartment, &l));
    memcpy(l->keys.p, keys.p, keys.n);
    return SL_DONE;
}

void sl_keystore_unload(sl_keystore *keystore, const char *compartment)
{
    sl_keystore_loaded_keys *l = loaded_at(keystore, compartment);
    if (l != NULL) {
        sl_secret_free(&l->keys);
    }
}

bool sl_keystore_loaded(const sl_keystore *keystore, const char *compartment)
{
    return loaded_at(keystore, compartment) != NULL;
}

sl_res sl_keystore_derive(sl_keystore *keystore, const char *compartment, const char *purpose,
                          uint8_t ret_key[SL_KEY_BYTES])
{
    const sl_keystore_loaded_keys *l = loaded_at(keystore, compartment);
    SL_NEED(l != NULL, SL_E_LOCKED);
    SL_NEED(sl_name_ok(sl_view_str(purpose)), SL_E_SYNTAX);
    SL_OWN(sl_buf, info, sl_buf_free) = { .max = 256 };
    SL_TRY(sl_buf_addf(&info, "stoplog/derived/v1 %s", purpose));
    return sl_hkdf(sl_view_of(l->keys.p, SL_KEY_BYTES), sl_view_str(keystore->site),
                   sl_buf_view(&info), ret_key, SL_KEY_BYTES);
}

/* ---- wraps ---- */

static void bind_wrap(sqlite3_stmt *stmt, const char *compartment, sl_wrap_kind kind,
                      const char *name, int64_t version)
{
    bind_text(stmt, 1, compartment);
    (void)sqlite3_bind_int(stmt, 2, (int)kind);
    bind_text(stmt, 3, name);
    (void)sqlite3_bind_int64(stmt, 4, version);
}

sl_res sl_keystore_key_new(sl_keystore *keystore, const char *compartment, sl_wrap_kind kind,
                           const char *name, int64_t version, uint8_t ret_key[SL_KEY_BYTES])
{
    const sl_keystore_loaded_keys *l = loaded_at(keystore, compartment);
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
    bind_blob(stmt, 5, sl_view_of(wrapped, sizeof wrapped));
    SL_TRY(finish(keystore, stmt));
    memcpy(ret_key, key.p, key.n);
    return SL_DONE;
}

sl_res sl_keystore_key_open(sl_keystore *keystore, const char *compartment, sl_wrap_kind kind,
                            const char *name, int64_t version, uint8_t ret_key[SL_KEY_BYTES])
{
    const sl_keystore_loaded_keys *l = loaded_at(keystore, compartment);
    SL_NEED(l != NULL, SL_E_LOCKED);
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(keystore,
                               "SELECT wrapped FROM wrap WHERE compartment = ?1 AND kind = ?2 AND "
                               "name = ?3 AND version = ?4",
                               &stmt));
    bind_wrap(stmt, compartment, kind, name, version);
    SL_TRY(row(keystore, stmt));
    sl_view wrapped = column_blob(stmt, 0);
    SL_NEED(wrapped.n == SL_WRAPPED_KEY_BYTES, SL_E_INTEGRITY);
    return sl_unwrap_key(l->keys.p + SL_KEY_BYTES, wrapped.p, ret_key);
}

static sl_res wrap_delete(sl_keystore *ks, const char *compartment, sl_wrap_kind kind,
                          const char *name, int64_t version)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(
        sl_keystore_prepare(ks,
                            "DELETE FROM wrap WHERE compartment = ?1 AND kind = ?2 AND name = ?3 "
                            "AND version = ?4",
                            &stmt));
    bind_wrap(stmt, compartment, kind, name, version);
    SL_TRY(finish(ks, stmt));
    SL_NEED(sqlite3_changes(ks->db) == 1, SL_E_NOT_FOUND);
    return SL_DONE;
}

sl_res sl_keystore_key_forget(sl_keystore *keystore, const char *compartment, sl_wrap_kind kind,
                              const char *name, int64_t version)
{
    return wrap_delete(keystore, compartment, kind, name, version);
}

/* ---- erasing and shredding ---- */

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
        bind_text(read, 1, compartment);
        (void)sqlite3_bind_int64(read, 2, last);
        sl_res r = row(ks, read);
        if (sl_is(r, SL_E_NOT_FOUND)) {
            break;
        }
        SL_TRY(r);
        last = sqlite3_column_int64(read, 0);
        sl_view wrapped = column_blob(read, 1);
        uint8_t again[SL_WRAPPED_KEY_BYTES];
        SL_NEED(wrapped.n == SL_WRAPPED_KEY_BYTES, SL_E_INTEGRITY);
        SL_TRY(sl_unwrap_key(from, wrapped.p, key.p));
        SL_TRY(sl_wrap_key(to, key.p, again));
        (void)sqlite3_reset(read);
        (void)sqlite3_bind_int64(put, 1, last);
        bind_blob(put, 2, sl_view_of(again, sizeof again));
        SL_TRY(finish(ks, put));
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
    const sl_keystore_loaded_keys *l = loaded_at(ks, plan->compartment);
    root_head old;
    SL_TRY(wrap_delete(ks, plan->compartment, plan->kind, plan->name, plan->version));
    SL_TRY(root_get(ks, plan->compartment, ROOT_ERASURE, &old, NULL));
    SL_TRY(root_put(ks, plan->compartment, ROOT_ERASURE, old.generation + 1, plan->new_kms_id,
                    plan->new_key));
    SL_TRY(rewrap_all(ks, plan->compartment, l->keys.p + SL_KEY_BYTES, plan->new_key, ret_count));
    SL_TRY(kms_state(ks, old.kms_id, "ending"));
    return step_sequence(ks);
}

sl_res sl_keystore_erase(sl_keystore *keystore, const char *compartment, sl_wrap_kind kind,
                         const char *name, int64_t version, sl_erased *ret_erased)
{
    SL_TRY(ready(keystore));
    sl_keystore_loaded_keys *l = loaded_at(keystore, compartment);
    SL_NEED(l != NULL, SL_E_LOCKED);
    SL_OWN(sl_secret, key, sl_secret_free) = { 0 };
    SL_TRY(sl_secret_alloc(SL_KEY_BYTES, &key));
    erasure_plan plan = {
        .compartment = compartment, .kind = kind, .name = name, .version = version, .new_key = key.p
    };
    sl_erased erased = { .destroyed = 1 };
    SL_TRY(kms_make(keystore, compartment, plan.new_kms_id));
    SL_TRY(sl_keystore_begin(keystore));
    SL_TRY(sl_keystore_end(keystore, erase_in_transaction(keystore, &plan, &erased.rewrapped)));
    memcpy(l->keys.p + SL_KEY_BYTES, key.p, key.n);
    SL_TRY(destroy_ended(keystore, &erased.proved));
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
        bind_text(stmt, 1, compartment);
        SL_TRY(finish(ks, stmt));
        if (i == 0) {
            *ret_count = (uint64_t)sqlite3_changes(ks->db);
        }
    }
    return step_sequence(ks);
}

sl_res sl_keystore_shred(sl_keystore *keystore, const char *compartment, sl_erased *ret_erased)
{
    SL_TRY(ready(keystore));
    SL_NEED(sl_keystore_compartment_exists(keystore, compartment), SL_E_NOT_FOUND);
    sl_keystore_unload(keystore, compartment);
    sl_erased erased = { 0 };
    SL_TRY(sl_keystore_begin(keystore));
    SL_TRY(
        sl_keystore_end(keystore, shred_in_transaction(keystore, compartment, &erased.destroyed)));
    SL_TRY(destroy_ended(keystore, &erased.proved));
    *ret_erased = erased;
    return SL_DONE;
}

sl_res sl_keystore_order_seen(sl_keystore *keystore, uint64_t order, uint64_t now_ms,
                              uint64_t *ret_seen_ms)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = 64 };
    SL_TRY(sl_buf_addf(&name, "order %llu", (unsigned long long)order));
    const char *text = sl_buf_cstr(&name);
    SL_NEED(text != NULL, SL_E_MEMORY);
    uint64_t seen_ms = 0;
    sl_res r = meta_get_u64(keystore, text, &seen_ms);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        seen_ms = now_ms;
        r = meta_put_u64(keystore, text, now_ms);
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
    return meta_put(keystore, "pin", sl_buf_view(&sealed));
}

sl_res sl_keystore_pin_get(sl_keystore *keystore, sl_buf *out)
{
    uint8_t key[SL_KEY_BYTES];
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = 1024 };
    SL_TRY(meta_get(keystore, "pin", &sealed));
    SL_TRY(pin_key(keystore, key));
    sl_res r = sl_open_all(key, SL_LIT("stoplog/pin"), sl_buf_view(&sealed), out);
    sl_wipe(key, sizeof key);
    return r;
}
