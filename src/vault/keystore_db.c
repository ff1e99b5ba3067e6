/* The keystore's statements, transactions and named values. It knows SQLite and nothing of keys.
 * Design: src/vault/keystore.h. */
#include <string.h>

#include "vault/keystore_internal.h"

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
sl_res sl_keystore_finish(sl_keystore *ks, sqlite3_stmt *stmt)
{
    return sqlite3_step(stmt) == SQLITE_DONE ? SL_DONE : db_fail(ks);
}

/* Steps to the one row wanted; SL_E_NOT_FOUND when there is none. */
sl_res sl_keystore_row(sl_keystore *ks, sqlite3_stmt *stmt)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_DONE) {
        return sl_fail_at(SL_E_NOT_FOUND, "keystore", SL_NOWHERE);
    }
    return code == SQLITE_ROW ? SL_DONE : db_fail(ks);
}

void sl_stmt_text(sqlite3_stmt *stmt, int at, const char *text)
{
    (void)sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

void sl_stmt_blob(sqlite3_stmt *stmt, int at, sl_view v)
{
    (void)sqlite3_bind_blob(stmt, at, v.p, (int)v.n, SQLITE_STATIC);
}

sl_view sl_stmt_column(sqlite3_stmt *stmt, int at)
{
    const void *p = sqlite3_column_blob(stmt, at);
    return sl_view_of(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, at));
}

sl_res sl_keystore_meta_get(sl_keystore *ks, const char *name, sl_buf *out)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "SELECT value FROM meta WHERE name = ?1", &stmt));
    sl_stmt_text(stmt, 1, name);
    SL_TRY(sl_keystore_row(ks, stmt));
    return sl_buf_add(out, sl_stmt_column(stmt, 0));
}

sl_res sl_keystore_meta_put(sl_keystore *ks, const char *name, sl_view value)
{
    SL_OWN(sqlite3_stmt *, stmt, sl_stmt_free) = NULL;
    SL_TRY(sl_keystore_prepare(ks, "INSERT OR REPLACE INTO meta VALUES (?1, ?2)", &stmt));
    sl_stmt_text(stmt, 1, name);
    sl_stmt_blob(stmt, 2, value);
    return sl_keystore_finish(ks, stmt);
}

sl_res sl_keystore_meta_u64(sl_keystore *ks, const char *name, uint64_t *ret)
{
    SL_OWN(sl_buf, value, sl_buf_free) = { .max = 8 };
    SL_TRY(sl_keystore_meta_get(ks, name, &value));
    SL_NEED(value.n == 8, SL_E_INTEGRITY);
    *ret = sl_get_le64(value.p);
    return SL_DONE;
}

sl_res sl_keystore_meta_put_u64(sl_keystore *ks, const char *name, uint64_t value)
{
    uint8_t b[8];
    sl_put_le64(b, value);
    return sl_keystore_meta_put(ks, name, sl_view_of(b, sizeof b));
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

sl_res sl_keystore_step(sl_keystore *ks)
{
    uint64_t sequence = 0;
    SL_TRY(sl_keystore_meta_u64(ks, "sequence", &sequence));
    return sl_keystore_meta_put_u64(ks, "sequence", sequence + 1);
}
