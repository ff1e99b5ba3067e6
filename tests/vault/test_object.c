/* The object store: what is sealed comes back, from any place; a flipped bit anywhere is named; a
 * failure at any call leaves nothing behind. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "vault/object.h"

/* ---- failing the n-th call of the system: the linker sends these calls here (--wrap) ---- */

static long calls_left = -1; /* negative: never fail */

static bool fail_now(void)
{
    if (calls_left < 0) {
        return false;
    }
    errno = ENOSPC;
    return calls_left-- == 0;
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    return fail_now() ? -1 : __real_write(fd, p, n);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return fail_now() ? -1 : __real_fsync(fd);
}

int __real_mkdirat(int fd, const char *path, mode_t mode);
int __wrap_mkdirat(int fd, const char *path, mode_t mode);
int __wrap_mkdirat(int fd, const char *path, mode_t mode)
{
    return fail_now() ? -1 : __real_mkdirat(fd, path, mode);
}

int __real_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
    return fail_now() ? -1 : __real_renameat2(a, from, b, to, flags);
}

/* ---- a vault of its own for each test ---- */

static const uint8_t key[32] = { 1, 2, 3 };
static const uint8_t salts[3][24] = { { 1 }, { 2 }, { 3 } };
static char folder[64];
static int vault_fd = -1;

static int make_vault(void **state)
{
    (void)snprintf(folder, sizeof folder, "/tmp/sl-object-XXXXXX");
    return mkdtemp(folder) == NULL || !sl_ok(sl_dir_open(AT_FDCWD, folder, &vault_fd));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int drop_vault(void **state)
{
    calls_left = -1;
    sl_fd_close(&vault_fd);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static sl_object_ref a_ref(uint64_t version)
{
    sl_object_ref ref = { .compartment = "trial-a", .object = "dm.csv", .version = version };
    memcpy(ref.uid, "00112233445566778899aabbccddeeff", 33);
    return ref;
}

static void fill(sl_buf *plain, size_t n)
{
    plain->max = n + 1;
    assert_done(sl_buf_reserve(plain, n));
    for (size_t i = 0; i < n; i++) {
        plain->p[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    plain->n = n;
}

static sl_res seal(uint64_t version, sl_view data, size_t piece, sl_manifest *ret_manifest)
{
    sl_object_ref ref = a_ref(version);
    SL_OWN(sl_draft *, draft, sl_draft_free) = NULL;
    SL_TRY(sl_draft_begin(vault_fd, &ref, key, &draft));
    SL_TRY(sl_draft_part(draft, SL_PART_DATA, salts[0]));
    for (size_t at = 0; at < data.n; at += piece) {
        SL_TRY(sl_draft_add(draft, sl_view_sub(data, at, at + piece)));
    }
    SL_TRY(sl_draft_end_part(draft));
    SL_TRY(sl_draft_part(draft, SL_PART_ABOUT, salts[1]));
    SL_TRY(sl_draft_add(draft, SL_LIT("{}")));
    SL_TRY(sl_draft_end_part(draft));
    SL_TRY(sl_draft_settle(draft, ret_manifest));
    return sl_draft_commit(draft);
}

static sl_res read_back(const sl_manifest *m, size_t piece, sl_buf *out)
{
    SL_OWN(sl_object *, object, sl_object_close) = NULL;
    SL_TRY(sl_object_open(vault_fd, m, SL_PART_DATA, key, &m->parts[SL_PART_DATA].root, &object));
    out->max = sl_object_bytes(object) + piece;
    for (size_t got = 1; got != 0;) {
        SL_TRY(sl_buf_reserve(out, piece));
        SL_TRY(sl_object_read(object, out->n, out->p + out->n, piece, &got));
        out->n += got;
    }
    return SL_DONE;
}

static void what_is_sealed_comes_back(void **state)
{
    static const size_t sizes[] = { 0, 1, 16383, 16384, 16385, 32768, 100000 };
    static const size_t pieces[] = { 1000, 16384, 1 << 20 };
    for (size_t i = 0; i < SL_COUNT_OF(sizes); i++) {
        SL_OWN(sl_buf, plain, sl_buf_free) = { 0 };
        fill(&plain, sizes[i]);
        sl_manifest sealed;
        sl_manifest read;
        assert_done(seal(i + 1, sl_buf_view(&plain), pieces[i % 3], &sealed));
        assert_done(sl_manifest_read(vault_fd, "trial-a", "dm.csv", i + 1, &read));
        assert_true(sl_digest_eq(&sealed.digest, &read.digest));
        assert_int_equal(read.parts[SL_PART_DATA].plain_bytes, sizes[i]);
        for (size_t p = 0; p < SL_COUNT_OF(pieces); p++) {
            SL_OWN(sl_buf, back, sl_buf_free) = { 0 };
            assert_done(read_back(&read, pieces[p], &back));
            assert_true(sl_view_eq(sl_buf_view(&back), sl_buf_view(&plain)));
        }
        assert_done(sl_object_verify(vault_fd, &read, SL_PART_DATA, &read.parts[0].root));
    }
    uint64_t newest = 0;
    assert_done(sl_object_newest(vault_fd, "trial-a", "dm.csv", &newest));
    assert_int_equal(newest, SL_COUNT_OF(sizes));
    assert_done(sl_object_newest(vault_fd, "trial-a", "none", &newest));
    assert_int_equal(newest, 0);
}

static void reads_begin_anywhere(void **state)
{
    SL_OWN(sl_buf, plain, sl_buf_free) = { 0 };
    SL_OWN(sl_object *, object, sl_object_close) = NULL;
    sl_manifest m;
    fill(&plain, 70000);
    assert_done(seal(1, sl_buf_view(&plain), 5000, &m));
    assert_done(sl_object_open(vault_fd, &m, SL_PART_DATA, key, &m.parts[0].root, &object));
    for (uint64_t offset = 0; offset < 70000; offset += 4999) {
        uint8_t got[20000];
        size_t n = 0;
        assert_done(sl_object_read(object, offset, got, sizeof got, &n));
        assert_int_equal(n, 70000 - offset < sizeof got ? 70000 - offset : sizeof got);
        assert_memory_equal(got, plain.p + offset, n);
    }
}

static void flip(const char *path, off_t at)
{
    uint8_t byte = 0;
    assert_int_equal(fchmodat(vault_fd, path, 0600, 0), 0);
    SL_OWN(int, fd, sl_fd_close) = openat(vault_fd, path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void a_flipped_bit_anywhere_is_named(void **state)
{
    SL_OWN(sl_buf, plain, sl_buf_free) = { 0 };
    sl_manifest m;
    fill(&plain, 40000);
    assert_done(seal(1, sl_buf_view(&plain), 5000, &m));
    static const struct {
        off_t at;
        uint64_t chunk; /* UINT64_MAX: the header, which the key's holder notices */
    } cases[] = { { 0, UINT64_MAX },     { 55, UINT64_MAX }, { 56, 0 },
                  { 56 + 16399, 0 },     { 56 + 16400, 1 },  { 56 + 2 * 16400, 2 },
                  { 56 + 40000 + 47, 2 } };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, back, sl_buf_free) = { 0 };
        flip("trial-a/dm.csv/1/data", cases[i].at);
        assert_code(read_back(&m, 1000, &back), SL_E_INTEGRITY);
        if (cases[i].chunk != UINT64_MAX) {
            assert_int_equal(sl_detail_get()->offset, cases[i].chunk);
            assert_code(sl_object_verify(vault_fd, &m, SL_PART_DATA, &m.parts[0].root),
                        SL_E_INTEGRITY);
            assert_int_equal(sl_detail_get()->offset, cases[i].chunk);
        }
        flip("trial-a/dm.csv/1/data", cases[i].at);
    }
    assert_done(sl_object_verify(vault_fd, &m, SL_PART_DATA, &m.parts[0].root));
    flip("trial-a/dm.csv/1/data.tree", 40);
    assert_code(sl_object_verify(vault_fd, &m, SL_PART_DATA, &m.parts[0].root), SL_E_INTEGRITY);
    assert_string_equal(sl_detail_get()->field, "tree");
}

static void other_keys_roots_versions_and_parts_do_not_open(void **state)
{
    SL_OWN(sl_buf, plain, sl_buf_free) = { 0 };
    SL_OWN(sl_object *, object, sl_object_close) = NULL;
    static const uint8_t other_key[32] = { 9 };
    sl_manifest m;
    sl_manifest n;
    fill(&plain, 20000);
    assert_done(seal(1, sl_buf_view(&plain), 5000, &m));
    plain.p[0]++;
    assert_done(seal(2, sl_buf_view(&plain), 5000, &n));
    const sl_digest *root = &m.parts[SL_PART_DATA].root;
    assert_code(sl_object_open(vault_fd, &m, SL_PART_DATA, other_key, root, &object),
                SL_E_INTEGRITY);
    assert_code(sl_object_open(vault_fd, &n, SL_PART_DATA, key, root, &object), SL_E_INTEGRITY);
    /* An old copy in the place of the new one: the ledger's root tells. */
    static const char *const files[] = { "data", "data.tree", "about", "about.tree", "manifest" };
    for (size_t i = 0; i < SL_COUNT_OF(files); i++) {
        char from[64];
        char to[64];
        (void)snprintf(from, sizeof from, "trial-a/dm.csv/1/%s", files[i]);
        (void)snprintf(to, sizeof to, "trial-a/dm.csv/2/%s", files[i]);
        assert_int_equal(renameat(vault_fd, from, vault_fd, to), 0);
    }
    sl_manifest moved;
    assert_code(sl_manifest_read(vault_fd, "trial-a", "dm.csv", 2, &moved), SL_E_INTEGRITY);
    assert_code(sl_object_open(vault_fd, &n, SL_PART_DATA, key, &n.parts[0].root, &object),
                SL_E_INTEGRITY);
}

static void a_version_is_never_replaced(void **state)
{
    sl_manifest m;
    assert_done(seal(1, SL_LIT("one"), 10, &m));
    assert_code(seal(1, SL_LIT("two"), 10, &m), SL_E_EXISTS);
    SL_OWN(sl_buf, back, sl_buf_free) = { 0 };
    assert_done(sl_manifest_read(vault_fd, "trial-a", "dm.csv", 1, &m));
    assert_done(read_back(&m, 10, &back));
    assert_view(sl_buf_view(&back), "one");
}

static void bad_names_are_refused(void **state)
{
    static const char *const names[] = {
        "", ".", "..", ".hidden", "a/b", "a b", "a\xC3\xA4", "-a"
    };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        SL_OWN(sl_draft *, draft, sl_draft_free) = NULL;
        sl_object_ref ref = a_ref(1);
        (void)snprintf(ref.object, sizeof ref.object, "%s", names[i]);
        assert_code(sl_draft_begin(vault_fd, &ref, key, &draft), SL_E_SYNTAX);
        ref = a_ref(1);
        (void)snprintf(ref.compartment, sizeof ref.compartment, "%s", names[i]);
        assert_code(sl_draft_begin(vault_fd, &ref, key, &draft), SL_E_SYNTAX);
    }
}

static size_t entries;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    entries += ftw->level > 1 && type != FTW_D && type != FTW_DP ? 1 : 0;
    entries += strstr(path, "dm.csv") != NULL ? 1 : 0;
    return 0;
}

static void a_failure_at_any_call_leaves_nothing_behind(void **state)
{
    SL_OWN(sl_buf, plain, sl_buf_free) = { 0 };
    fill(&plain, 40000);
    long failures = 0;
    for (;; failures++) {
        sl_manifest m;
        calls_left = failures;
        sl_res r = seal(1, sl_buf_view(&plain), 9000, &m);
        bool reached = calls_left < 0;
        calls_left = -1;
        if (!reached) {
            assert_done(r);
            break;
        }
        assert_false(sl_ok(r));
        assert_true(sl_is(r, SL_E_DISK_FULL) || sl_is(r, SL_E_IO));
        entries = 0;
        assert_int_equal(nftw(folder, count_one, 8, FTW_PHYS), 0);
        assert_int_equal(entries, 0);
    }
    assert_true(failures > 20);
    sl_manifest m;
    assert_done(sl_manifest_read(vault_fd, "trial-a", "dm.csv", 1, &m));
}

static void drafts_of_a_crash_are_swept(void **state)
{
    sl_object_ref ref = a_ref(7);
    pid_t child = fork();
    if (child == 0) {
        sl_draft *draft = NULL;
        bool good = sl_ok(sl_draft_begin(vault_fd, &ref, key, &draft)) &&
                    sl_ok(sl_draft_part(draft, SL_PART_DATA, salts[0])) &&
                    sl_ok(sl_draft_add(draft, SL_LIT("half")));
        _exit(good ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    size_t removed = 0;
    assert_done(sl_drafts_sweep(vault_fd, "trial-a", &removed));
    assert_int_equal(removed, 1);
    assert_done(sl_drafts_sweep(vault_fd, "trial-a", &removed));
    assert_int_equal(removed, 0);
    assert_done(sl_drafts_sweep(vault_fd, "none", &removed));
    sl_manifest m;
    assert_code(sl_manifest_read(vault_fd, "trial-a", "dm.csv", 7, &m), SL_E_NOT_FOUND);
}

/* ---- files and walks ---- */

static sl_res seal_named(const char *compartment, const char *object, uint64_t version, int fd,
                         uint64_t bytes, const sl_digest *expected)
{
    sl_object_ref ref = a_ref(version);
    sl_manifest m;
    (void)snprintf(ref.compartment, sizeof ref.compartment, "%s", compartment);
    (void)snprintf(ref.object, sizeof ref.object, "%s", object);
    SL_OWN(sl_draft *, draft, sl_draft_free) = NULL;
    SL_TRY(sl_draft_begin(vault_fd, &ref, key, &draft));
    SL_TRY(sl_draft_add_file(draft, fd, bytes, salts[0], expected));
    SL_TRY(sl_draft_settle(draft, &m));
    return sl_draft_commit(draft);
}

static void a_file_is_sealed_as_it_was_read(void **state)
{
    SL_OWN(sl_buf, plain, sl_buf_free) = { 0 };
    SL_OWN(sl_buf, back, sl_buf_free) = { 0 };
    sl_manifest m;
    fill(&plain, 700000);
    SL_OWN(int, fd, sl_fd_close) = openat(vault_fd, ".file", O_RDWR | O_CREAT, 0600);
    assert_done(sl_fd_write_all(fd, sl_buf_view(&plain)));
    sl_digest digest = sl_sha256(sl_buf_view(&plain));
    assert_done(seal_named("trial-a", "dm.csv", 1, fd, plain.n, &digest));
    assert_done(sl_manifest_read(vault_fd, "trial-a", "dm.csv", 1, &m));
    assert_done(read_back(&m, 16384, &back));
    assert_true(sl_view_eq(sl_buf_view(&back), sl_buf_view(&plain)));
    /* Changed since, or shorter: no version. */
    assert_int_equal(pwrite(fd, "x", 1, 699999), 1);
    assert_code(seal_named("trial-a", "dm.csv", 2, fd, plain.n, &digest), SL_E_AGAIN);
    assert_false(sl_ok(seal_named("trial-a", "dm.csv", 3, fd, plain.n + 1, &digest)));
    uint64_t newest = 0;
    assert_done(sl_object_newest(vault_fd, "trial-a", "dm.csv", &newest));
    assert_int_equal(newest, 1);
}

static sl_res note_version(void *ctx, const char *compartment, const char *object, uint64_t version)
{
    sl_buf *out = ctx;
    if (strcmp(object, "stop") == 0) {
        return sl_fail(SL_E_REFUSED);
    }
    return sl_buf_addf(out, "%s/%s/%d ", compartment, object, (int)version);
}

static void a_walk_meets_every_version_in_order(void **state)
{
    SL_OWN(sl_buf, met, sl_buf_free) = { .max = 1024 };
    sl_digest digest = sl_sha256((sl_view){ 0 });
    SL_OWN(int, fd, sl_fd_close) = openat(vault_fd, ".file", O_RDWR | O_CREAT, 0600);
    static const char *const objects[] = { "b", "a.csv" };
    for (uint64_t version = 1; version <= 2; version++) {
        for (size_t i = 0; i < SL_COUNT_OF(objects); i++) {
            assert_done(seal_named("trial-b", objects[i], version, fd, 0, &digest));
        }
    }
    assert_done(seal_named("trial-a", "c", 1, fd, 0, &digest));
    assert_int_equal(mkdirat(vault_fd, "trial-a/c/lost+found", 0700), 0); /* no version */
    assert_done(sl_vault_each(vault_fd, NULL, note_version, &met));
    assert_string_equal(sl_buf_cstr(&met),
                        "trial-a/c/1 trial-b/a.csv/1 trial-b/a.csv/2 trial-b/b/1 trial-b/b/2 ");
    sl_buf_clear(&met);
    assert_done(sl_vault_each(vault_fd, "trial-a", note_version, &met));
    assert_string_equal(sl_buf_cstr(&met), "trial-a/c/1 ");
    assert_code(sl_vault_each(vault_fd, "trial-c", note_version, &met), SL_E_NOT_FOUND);
    assert_done(seal_named("trial-a", "stop", 1, fd, 0, &digest));
    sl_buf_clear(&met);
    assert_code(sl_vault_each(vault_fd, NULL, note_version, &met), SL_E_REFUSED);
    assert_string_equal(sl_buf_cstr(&met), "trial-a/c/1 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_sealed_comes_back, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(reads_begin_anywhere, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(a_flipped_bit_anywhere_is_named, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(other_keys_roots_versions_and_parts_do_not_open, make_vault,
                                        drop_vault),
        cmocka_unit_test_setup_teardown(a_version_is_never_replaced, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(bad_names_are_refused, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(a_failure_at_any_call_leaves_nothing_behind, make_vault,
                                        drop_vault),
        cmocka_unit_test_setup_teardown(drafts_of_a_crash_are_swept, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(a_file_is_sealed_as_it_was_read, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(a_walk_meets_every_version_in_order, make_vault,
                                        drop_vault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
