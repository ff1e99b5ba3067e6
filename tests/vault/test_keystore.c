/* The keystore: what opens, what no longer opens, and that a crash leaves one or the other. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "vault/keystore_internal.h"
#include "vault_help.h"

#define PASSPHRASE SL_LIT("correct horse battery")

static const sl_unlock quick = { .secret = { (const uint8_t *)"correct horse battery", 21 },
                                 .cost = { .log2_n = 10, .r = 8, .p = 1 } };

typedef struct {
    char dir[64];
    char path[96];
    int kms_dir;
    sl_keystore *ks;
    sl_kms *kms;
} fixture;

static void open_again(fixture *f)
{
    uint8_t root[SL_KEY_BYTES];
    assert_done(sl_keystore_open(f->path, SITE, &f->ks));
    assert_done(sl_keystore_unlock(f->ks, PASSPHRASE));
    assert_done(sl_keystore_kms_root(f->ks, root));
    assert_done(sl_kms_file_open(f->kms_dir, root, &f->kms));
    assert_done(sl_keystore_attach(f->ks, f->kms));
}

static void close_both(fixture *f)
{
    sl_keystore_free_at(&f->ks);
    sl_kms_free_at(&f->kms);
}

static fixture make(void)
{
    fixture f = { .dir = "/tmp/sl-keystore-XXXXXX" };
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof f.path, "%s/keystore.db", f.dir);
    assert_done(sl_dir_open(AT_FDCWD, f.dir, &f.kms_dir));
    assert_int_equal(mkdirat(f.kms_dir, "kms", 0700), 0);
    int site = f.kms_dir;
    assert_done(sl_dir_open(site, "kms", &f.kms_dir));
    (void)close(site);
    assert_done(sl_keystore_create(f.path, SITE, "file", &quick));
    open_again(&f);
    return f;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static void copy(const char *from, const char *to)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SL_MIB };
    assert_done(sl_file_read(AT_FDCWD, from, &bytes));
    assert_done(sl_file_replace(AT_FDCWD, to, sl_buf_view(&bytes), 0600));
}

static void drop(fixture *f)
{
    close_both(f);
    (void)close(f->kms_dir);
    assert_int_equal(nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void create_loaded(fixture *f, const char *name)
{
    assert_done(sl_keystore_compartment_create(f->ks, name));
    assert_done(sl_keystore_load(f->ks, name));
}

static size_t kms_files(const fixture *f)
{
    size_t count = 0;
    int fd = openat(f->kms_dir, ".", O_RDONLY | O_DIRECTORY);
    DIR *dir = fdopendir(fd);
    assert_non_null(dir);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        count += e->d_name[0] != '.' ? 1 : 0;
    }
    (void)closedir(dir);
    return count;
}

/* Changes byte `at` of the one value that `read` selects, with the statement `put`. */
static void flip(sl_keystore *ks, const char *read, const char *put, size_t at)
{
    SL_OWN(sqlite3_stmt *, from, sl_stmt_free) = NULL;
    SL_OWN(sqlite3_stmt *, to, sl_stmt_free) = NULL;
    uint8_t bytes[SL_WRAPPED_KEY_BYTES];
    assert_done(sl_keystore_prepare(ks, read, &from));
    assert_done(sl_keystore_prepare(ks, put, &to));
    assert_int_equal(sqlite3_step(from), SQLITE_ROW);
    assert_int_equal(sqlite3_column_bytes(from, 0), sizeof bytes);
    memcpy(bytes, sqlite3_column_blob(from, 0), sizeof bytes);
    (void)sqlite3_reset(from);
    bytes[at] ^= 0x10;
    assert_int_equal(sqlite3_bind_blob(to, 1, bytes, sizeof bytes, SQLITE_STATIC), SQLITE_OK);
    assert_int_equal(sqlite3_step(to), SQLITE_DONE);
}

static void keys_come_back_the_same(void **state)
{
    fixture f = make();
    uint8_t made[SL_KEY_BYTES];
    uint8_t found[SL_KEY_BYTES];
    uint8_t derived[2][SL_KEY_BYTES];
    create_loaded(&f, "c");
    assert_done(sl_keystore_key_new(f.ks, "c", SL_WRAP_OBJECT, "o1", 1, made));
    assert_code(sl_keystore_key_new(f.ks, "c", SL_WRAP_OBJECT, "o1", 1, found), SL_E_EXISTS);
    assert_done(sl_keystore_derive(f.ks, "c", "roster", derived[0]));
    close_both(&f);
    open_again(&f);
    assert_code(sl_keystore_key_open(f.ks, "c", SL_WRAP_OBJECT, "o1", 1, found), SL_E_LOCKED);
    assert_done(sl_keystore_load(f.ks, "c"));
    assert_done(sl_keystore_key_open(f.ks, "c", SL_WRAP_OBJECT, "o1", 1, found));
    assert_memory_equal(made, found, sizeof made);
    assert_done(sl_keystore_derive(f.ks, "c", "roster", derived[1]));
    assert_memory_equal(derived[0], derived[1], SL_KEY_BYTES);
    assert_done(sl_keystore_derive(f.ks, "c", "canary", derived[1]));
    assert_memory_not_equal(derived[0], derived[1], SL_KEY_BYTES);
    assert_code(sl_keystore_key_open(f.ks, "c", SL_WRAP_OBJECT, "o1", 2, found), SL_E_NOT_FOUND);
    sl_keystore_unload(f.ks, "c");
    assert_code(sl_keystore_derive(f.ks, "c", "roster", derived[1]), SL_E_LOCKED);
    drop(&f);
}

static void opens_for_its_passphrase_site_and_program_alone(void **state)
{
    fixture f = make();
    assert_code(sl_keystore_create(f.path, SITE, "file", &quick), SL_E_EXISTS);
    close_both(&f);
    sl_keystore *ks = NULL;
    assert_code(sl_keystore_open(f.path, "ffffffffffffffffffffffffffffffff", &ks), SL_E_REFUSED);
    assert_done(sl_keystore_open(f.path, SITE, &ks));
    assert_code(sl_keystore_unlock(ks, SL_LIT("correct horse batterz")), SL_E_PASSPHRASE);
    assert_false(sl_keystore_unlocked(ks));
    assert_code(sl_keystore_compartment_create(ks, "c"), SL_E_LOCKED);
    assert_done(sl_keystore_unlock(ks, PASSPHRASE));
    assert_done(sl_keystore_exec(ks, "UPDATE meta SET value = x'0200000000000000' WHERE name = "
                                     "'schema'"));
    sl_keystore_free_at(&ks);
    assert_code(sl_keystore_open(f.path, SITE, &ks), SL_E_VERSION);
    struct stat st;
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    drop(&f);
}

static void a_keystore_older_than_the_ledger_is_refused(void **state)
{
    fixture f = make();
    create_loaded(&f, "c");
    uint64_t sequence = sl_keystore_sequence(f.ks);
    assert_int_equal(sequence, 1);
    assert_done(sl_keystore_check(f.ks, sequence));
    assert_code(sl_keystore_check(f.ks, sequence + 1), SL_E_ROLLBACK);
    drop(&f);
}

static void flipped_bits_in_wraps_never_give_a_key(void **state)
{
    fixture f = make();
    uint8_t key[SL_KEY_BYTES];
    create_loaded(&f, "c");
    assert_done(sl_keystore_key_new(f.ks, "c", SL_WRAP_OBJECT, "o1", 1, key));
    static const struct {
        const char *read;
        const char *put;
        bool root;
    } cases[] = {
        { "SELECT wrapped FROM wrap", "UPDATE wrap SET wrapped = ?1", false },
        { "SELECT kms_part FROM root WHERE kind = 1",
          "UPDATE root SET kms_part = ?1 WHERE kind = 1", true },
        { "SELECT keeper_part FROM root WHERE kind = 0",
          "UPDATE root SET keeper_part = ?1 WHERE kind = 0", true },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        for (size_t at = 0; at < SL_WRAPPED_KEY_BYTES; at += 3) {
            assert_done(sl_keystore_exec(f.ks, "SAVEPOINT before"));
            flip(f.ks, cases[i].read, cases[i].put, at);
            sl_keystore_unload(f.ks, "c");
            sl_res r = sl_keystore_load(f.ks, "c");
            if (!cases[i].root) {
                assert_done(r);
                r = sl_keystore_key_open(f.ks, "c", SL_WRAP_OBJECT, "o1", 1, key);
            }
            assert_int_equal(r.code, SL_E_INTEGRITY);
            assert_done(sl_keystore_exec(f.ks, "ROLLBACK TO before; RELEASE before"));
        }
    }
    sl_keystore_unload(f.ks, "c");
    assert_done(sl_keystore_load(f.ks, "c"));
    assert_done(sl_keystore_key_open(f.ks, "c", SL_WRAP_OBJECT, "o1", 1, key));
    drop(&f);
}

static void an_older_backup_no_longer_opens_the_erased(void **state)
{
    fixture f = make();
    uint8_t keys[3][SL_KEY_BYTES];
    uint8_t found[SL_KEY_BYTES];
    create_loaded(&f, "c");
    create_loaded(&f, "other");
    assert_done(sl_keystore_key_new(f.ks, "c", SL_WRAP_SUBJECT, "s1", 0, keys[0]));
    assert_done(sl_keystore_key_new(f.ks, "c", SL_WRAP_SUBJECT, "s2", 0, keys[1]));
    assert_done(sl_keystore_key_new(f.ks, "other", SL_WRAP_SUBJECT, "s1", 0, keys[2]));
    close_both(&f);
    char backup[128];
    (void)snprintf(backup, sizeof backup, "%s.backup", f.path);
    copy(f.path, backup);
    open_again(&f);
    assert_done(sl_keystore_load(f.ks, "c"));
    assert_done(sl_keystore_load(f.ks, "other"));
    sl_erased erased;
    assert_code(sl_keystore_erase(f.ks, "c", SL_WRAP_SUBJECT, "s9", 0, &erased), SL_E_NOT_FOUND);
    assert_done(sl_keystore_erase(f.ks, "c", SL_WRAP_SUBJECT, "s1", 0, &erased));
    assert_int_equal(erased.rewrapped, 1);
    assert_true(erased.proved);
    assert_code(sl_keystore_key_open(f.ks, "c", SL_WRAP_SUBJECT, "s1", 0, found), SL_E_NOT_FOUND);
    assert_done(sl_keystore_key_open(f.ks, "c", SL_WRAP_SUBJECT, "s2", 0, found));
    assert_memory_equal(found, keys[1], sizeof found);
    assert_done(sl_keystore_key_open(f.ks, "other", SL_WRAP_SUBJECT, "s1", 0, found));
    /* The survivor also after a restart, under the new generation. */
    close_both(&f);
    open_again(&f);
    assert_done(sl_keystore_load(f.ks, "c"));
    assert_done(sl_keystore_key_open(f.ks, "c", SL_WRAP_SUBJECT, "s2", 0, found));
    assert_memory_equal(found, keys[1], sizeof found);
    close_both(&f);
    /* The backup still has the wrap, but the KMS has no key for it. */
    copy(backup, f.path);
    open_again(&f);
    assert_code(sl_keystore_load(f.ks, "c"), SL_E_NOT_FOUND);
    assert_code(sl_keystore_check(f.ks, 3), SL_E_ROLLBACK);
    assert_done(sl_keystore_load(f.ks, "other"));
    drop(&f);
}

static void shredding_leaves_nothing_that_opens(void **state)
{
    fixture f = make();
    uint8_t key[SL_KEY_BYTES];
    create_loaded(&f, "c");
    create_loaded(&f, "other");
    assert_done(sl_keystore_key_new(f.ks, "c", SL_WRAP_OBJECT, "o1", 1, key));
    assert_int_equal(kms_files(&f), 4);
    sl_erased erased;
    assert_done(sl_keystore_shred(f.ks, "c", &erased));
    assert_true(erased.proved);
    assert_int_equal(erased.destroyed, 1);
    assert_int_equal(kms_files(&f), 2);
    assert_code(sl_keystore_load(f.ks, "c"), SL_E_NOT_FOUND);
    assert_code(sl_keystore_key_open(f.ks, "c", SL_WRAP_OBJECT, "o1", 1, key), SL_E_LOCKED);
    assert_code(sl_keystore_shred(f.ks, "c", &erased), SL_E_NOT_FOUND);
    assert_true(sl_keystore_loaded(f.ks, "other"));
    drop(&f);
}

static void erased_wraps_do_not_linger_in_the_file(void **state)
{
    fixture f = make();
    uint8_t key[SL_KEY_BYTES];
    create_loaded(&f, "c");
    assert_done(sl_keystore_key_new(f.ks, "c", SL_WRAP_SUBJECT, "subject-marker-77", 0, key));
    sl_erased erased;
    assert_done(sl_keystore_erase(f.ks, "c", SL_WRAP_SUBJECT, "subject-marker-77", 0, &erased));
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SL_MIB };
    char wal[128];
    (void)snprintf(wal, sizeof wal, "%s-wal", f.path);
    assert_done(sl_file_read(AT_FDCWD, f.path, &bytes));
    assert_done(sl_file_read(AT_FDCWD, wal, &bytes));
    assert_int_equal(sl_view_find(sl_buf_view(&bytes), SL_LIT("subject-marker-77"), 0), SIZE_MAX);
    drop(&f);
}

/* ---- crashes ---- */

static int deaths_left; /* the process ends at the boundary that brings this to zero */

static void boundary(void)
{
    if (--deaths_left == 0) {
        _exit(99);
    }
}

static int before_commit(void *unused)
{
    boundary();
    return 0;
}

static int after_commit(void *unused, sqlite3 *db, const char *name, int pages)
{
    boundary();
    return SQLITE_OK;
}

/* A KMS that stops the process before and after every act of the real one. */
typedef struct {
    sl_kms kms;
    sl_kms *real;
} deadly_kms;

static sl_res deadly_create(sl_kms *kms, const sl_uid id)
{
    boundary();
    sl_kms *real = ((deadly_kms *)kms)->real;
    sl_res r = real->driver->create(real, id);
    boundary();
    return r;
}

static sl_res deadly_wrap(sl_kms *kms, const sl_uid id, const uint8_t part[SL_KEY_BYTES],
                          sl_buf *out)
{
    boundary();
    sl_kms *real = ((deadly_kms *)kms)->real;
    return real->driver->wrap(real, id, part, out);
}

static sl_res deadly_unwrap(sl_kms *kms, const sl_uid id, sl_view wrapped,
                            uint8_t ret_part[SL_KEY_BYTES])
{
    sl_kms *real = ((deadly_kms *)kms)->real;
    return real->driver->unwrap(real, id, wrapped, ret_part);
}

static sl_res deadly_destroy(sl_kms *kms, const sl_uid id, bool *ret_proved)
{
    boundary();
    sl_kms *real = ((deadly_kms *)kms)->real;
    sl_res r = real->driver->destroy(real, id, ret_proved);
    boundary();
    return r;
}

static sl_res deadly_health(sl_kms *kms)
{
    return SL_DONE;
}

static void deadly_free(sl_kms *kms)
{
}

typedef enum { DO_CREATE, DO_ERASE, DO_SHRED } deed;

static sl_res act(sl_keystore *ks, deed d)
{
    sl_erased erased;
    switch (d) {
    case DO_CREATE:
        return sl_keystore_compartment_create(ks, "new");
    case DO_ERASE:
        return sl_keystore_erase(ks, "c", SL_WRAP_SUBJECT, "s1", 0, &erased);
    case DO_SHRED:
        return sl_keystore_shred(ks, "c", &erased);
    }
    return sl_fail(SL_E_BUG);
}

/* In a child: the deed, dying at boundary number `death`. Returns whether it died. */
static bool run_child(const fixture *f, deed d, int death)
{
    static const sl_kms_driver driver = { .driver = "file",
                                          .create = deadly_create,
                                          .wrap = deadly_wrap,
                                          .unwrap = deadly_unwrap,
                                          .destroy = deadly_destroy,
                                          .health = deadly_health,
                                          .free = deadly_free };
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fixture g = *f;
        open_again(&g);
        deadly_kms deadly = { .kms = { .driver = &driver }, .real = g.kms };
        g.ks->kms = &deadly.kms;
        assert_done(sl_keystore_load(g.ks, "c"));
        deaths_left = death;
        (void)sqlite3_commit_hook(g.ks->db, before_commit, NULL);
        (void)sqlite3_wal_hook(g.ks->db, after_commit, NULL);
        _exit(sl_ok(act(g.ks, d)) ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99);
    return WEXITSTATUS(status) == 99;
}

/* After recovery the deed is done or undone, and the KMS holds exactly the keys that are in use. */
static void check_after(fixture *f, deed d, const uint8_t survivor[SL_KEY_BYTES])
{
    open_again(f);
    uint8_t found[SL_KEY_BYTES];
    size_t want = 2;
    if (d == DO_CREATE) {
        want += sl_keystore_compartment_exists(f->ks, "new") ? 2 : 0;
        if (want == 4) {
            assert_done(sl_keystore_load(f->ks, "new"));
        }
    }
    bool shredded = !sl_keystore_compartment_exists(f->ks, "c");
    assert_true(!shredded || d == DO_SHRED);
    if (shredded) {
        want = 0;
        assert_code(sl_keystore_load(f->ks, "c"), SL_E_NOT_FOUND);
    } else {
        assert_done(sl_keystore_load(f->ks, "c"));
        assert_done(sl_keystore_key_open(f->ks, "c", SL_WRAP_SUBJECT, "s2", 0, found));
        assert_memory_equal(found, survivor, SL_KEY_BYTES);
        sl_res gone = sl_keystore_key_open(f->ks, "c", SL_WRAP_SUBJECT, "s1", 0, found);
        assert_true(sl_ok(gone) || (d == DO_ERASE && sl_is(gone, SL_E_NOT_FOUND)));
    }
    assert_int_equal(kms_files(f), want);
    close_both(f);
}

static void crash_everywhere(deed d, int boundaries_min)
{
    int death = 1;
    for (bool died = true; died; death++) {
        fixture f = make();
        uint8_t key[SL_KEY_BYTES];
        uint8_t survivor[SL_KEY_BYTES];
        create_loaded(&f, "c");
        assert_done(sl_keystore_key_new(f.ks, "c", SL_WRAP_SUBJECT, "s1", 0, key));
        assert_done(sl_keystore_key_new(f.ks, "c", SL_WRAP_SUBJECT, "s2", 0, survivor));
        close_both(&f);
        died = run_child(&f, d, death);
        check_after(&f, d, survivor);
        drop(&f);
        assert_true(death < 100);
    }
    assert_true(death > boundaries_min);
}

static void a_crash_while_creating_is_undone_or_done(void **state)
{
    crash_everywhere(DO_CREATE, 8);
}

static void a_crash_while_erasing_is_undone_or_done(void **state)
{
    crash_everywhere(DO_ERASE, 8);
}

static void a_crash_while_shredding_is_undone_or_done(void **state)
{
    crash_everywhere(DO_SHRED, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_back_the_same),
        cmocka_unit_test(opens_for_its_passphrase_site_and_program_alone),
        cmocka_unit_test(a_keystore_older_than_the_ledger_is_refused),
        cmocka_unit_test(flipped_bits_in_wraps_never_give_a_key),
        cmocka_unit_test(an_older_backup_no_longer_opens_the_erased),
        cmocka_unit_test(shredding_leaves_nothing_that_opens),
        cmocka_unit_test(erased_wraps_do_not_linger_in_the_file),
        cmocka_unit_test(a_crash_while_creating_is_undone_or_done),
        cmocka_unit_test(a_crash_while_erasing_is_undone_or_done),
        cmocka_unit_test(a_crash_while_shredding_is_undone_or_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
