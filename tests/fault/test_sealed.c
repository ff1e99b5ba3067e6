/* Sealing under faults: every allocation fails once in the cipher, and every write, sync, rename and
 * open fails once in the object store (not allocations: hashing without memory ends the process by
 * design, crypto/hash.h). Each failure is typed, nothing leaks, plaintext is
 * never given after a failure, and an object is there whole or not at all. */
#include "test.h"

#include "fault.h"

#include <fcntl.h>
#include <ftw.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

#include "base/file.h"
#include "crypto/crypto.h"
#include "vault/object.h"

static const uint8_t key[SL_SEAL_KEY_BYTES] = { 1, 2, 3 };
static const uint8_t salt[SL_SEAL_SALT_BYTES] = { 4, 5, 6 };
static const char text[] = "Subject 1001-004 reported a mild headache.";

/* OpenSSL keeps what it allocated for a thread's error messages; that is no leak of ours. */
static sl_res without_openssls_memory(sl_res (*work)(void *), void *context)
{
    sl_res r = work(context);
    OPENSSL_thread_stop();
    return r;
}

static sl_res seal_and_open_once(void *context)
{
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, opened, sl_buf_free) = { .max = SL_MIB };
    SL_TRY(sl_seal_all(key, salt, SL_LIT("c"), sl_view_str(text), &sealed));
    sl_res r = sl_open_all(key, SL_LIT("c"), sl_buf_view(&sealed), &opened);
    bool *silent = context;
    *silent = sl_ok(r) || opened.n == 0;
    return r;
}

static sl_res seal_and_open(void *context)
{
    return without_openssls_memory(seal_and_open_once, context);
}

static bool nothing_was_said(sl_res result, void *context)
{
    return sl_ok(result) || *(bool *)context;
}

static void the_cipher_survives_every_failed_allocation(void **state)
{
    if (!sl_fault_available()) {
        print_message("skipped: the sanitizers own malloc\n");
        skip();
    }
    bool silent = true;
    uint64_t points = 0;
    assert_true(sl_fault_sweep(SL_FAULT_MALLOC, seal_and_open, nothing_was_said, &silent, &points));
    assert_true(points > 3);
}

typedef struct {
    char path[64];
    int fd;
    sl_object_ref ref;
} vault;

static sl_res write_and_read_once(void *context)
{
    vault *v = context;
    SL_OWN(sl_draft *, draft, sl_draft_free) = NULL;
    sl_manifest manifest = { 0 };
    SL_TRY(sl_draft_begin(v->fd, &v->ref, key, &draft));
    SL_TRY(sl_draft_part(draft, SL_PART_DATA, salt));
    SL_TRY(sl_draft_add(draft, sl_view_str(text)));
    SL_TRY(sl_draft_end_part(draft));
    SL_TRY(sl_draft_settle(draft, &manifest));
    SL_TRY(sl_draft_commit(draft));

    SL_OWN(sl_object *, object, sl_object_close) = NULL;
    uint8_t got[100];
    size_t n = 0;
    SL_TRY(sl_object_open(v->fd, &manifest, SL_PART_DATA, key, &manifest.parts[SL_PART_DATA].root,
                          &object));
    SL_TRY(sl_object_read(object, 0, got, sizeof(got), &n));
    SL_NEED(sl_view_eq(sl_view_of(got, n), sl_view_str(text)), SL_E_BUG);
    return SL_DONE;
}

static sl_res write_and_read(void *context)
{
    return without_openssls_memory(write_and_read_once, context);
}

/* Whole or not at all: a version that is listed reads back, and one that was reported is listed. */
static bool is_whole_or_absent(sl_res result, void *context)
{
    vault *v = context;
    uint64_t newest = 0;
    sl_manifest manifest = { 0 };
    if (!sl_ok(sl_object_newest(v->fd, "c", "o", &newest))) {
        return false;
    }
    if (newest >= v->ref.version) {
        SL_OWN(sl_object *, object, sl_object_close) = NULL;
        if (!sl_ok(sl_manifest_read(v->fd, "c", "o", newest, &manifest)) ||
            !sl_ok(sl_object_open(v->fd, &manifest, SL_PART_DATA, key,
                                  &manifest.parts[SL_PART_DATA].root, &object)) ||
            sl_object_bytes(object) != sizeof(text) - 1) {
            return false;
        }
        v->ref.version++; /* the next attempt writes the next one */
    } else if (sl_ok(result)) {
        return false;
    }
    size_t drafts = 0;
    return sl_ok(sl_drafts_sweep(v->fd, "c", &drafts));
}

static bool whole_or_absent(sl_res result, void *context)
{
    bool held = is_whole_or_absent(result, context);
    OPENSSL_thread_stop();
    return held;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void an_object_is_there_whole_or_not_at_all(void **state)
{
    static const unsigned kinds[] = { SL_FAULT_WRITE, SL_FAULT_SYNC, SL_FAULT_RENAME,
                                      SL_FAULT_OPEN };
    if (!sl_fault_available()) {
        print_message("skipped: the sanitizers own malloc\n");
        skip();
    }
    for (size_t i = 0; i < SL_COUNT_OF(kinds); i++) {
        vault v = { .fd = -1,
                    .ref = { .compartment = "c",
                             .object = "o",
                             .uid = "00112233445566778899aabbccddeeff",
                             .version = 1 } };
        (void)snprintf(v.path, sizeof(v.path), "/tmp/stoplog-fault-XXXXXX");
        assert_non_null(mkdtemp(v.path));
        assert_done(sl_dir_open(AT_FDCWD, v.path, &v.fd));
        uint64_t points = 0;
        bool held = sl_fault_sweep(kinds[i], write_and_read, whole_or_absent, &v, &points);
        sl_fd_close(&v.fd);
        assert_int_equal(nftw(v.path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        assert_true(held);
        assert_true(points > 0);
    }
}

static int start(void **state)
{
    return !sl_ok(sl_crypto_init());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cipher_survives_every_failed_allocation),
        cmocka_unit_test(an_object_is_there_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
