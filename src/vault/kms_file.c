/* The file KMS driver. A key is a file named by its id: 40 bytes of AES-KWP under the root.
 * Destroying overwrites, syncs, removes and looks again. Design: src/vault/kms.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "base/secret.h"
#include "vault/kms.h"

typedef struct {
    sl_kms kms;
    int dir_fd;
    sl_secret root;
} file_kms;

static file_kms *self_of(sl_kms *kms)
{
    return (file_kms *)kms;
}

static bool id_ok(const sl_uid id)
{
    return strlen(id) == SL_UID_CHARS && strspn(id, "0123456789abcdef") == SL_UID_CHARS;
}

static sl_res load(file_kms *k, const sl_uid id, uint8_t ret_key[SL_KEY_BYTES])
{
    SL_NEED(id_ok(id), SL_E_SYNTAX);
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SL_WRAPPED_KEY_BYTES };
    SL_TRY(sl_file_read(k->dir_fd, id, &bytes));
    SL_NEED(bytes.n == SL_WRAPPED_KEY_BYTES, SL_E_INTEGRITY);
    return sl_unwrap_key(k->root.p, bytes.p, ret_key);
}

static sl_res file_create(sl_kms *kms, const sl_uid id)
{
    file_kms *k = self_of(kms);
    SL_NEED(id_ok(id), SL_E_SYNTAX);
    uint8_t key[SL_KEY_BYTES];
    uint8_t wrapped[SL_WRAPPED_KEY_BYTES];
    SL_TRY(sl_random_bytes(key, sizeof key));
    sl_res r = sl_wrap_key(k->root.p, key, wrapped);
    sl_wipe(key, sizeof key);
    SL_TRY(r);
    return sl_file_create(k->dir_fd, id, sl_view_of(wrapped, sizeof wrapped), 0600);
}

static sl_res file_wrap(sl_kms *kms, const sl_uid id, const uint8_t part[SL_KEY_BYTES], sl_buf *out)
{
    uint8_t key[SL_KEY_BYTES];
    uint8_t wrapped[SL_WRAPPED_KEY_BYTES];
    SL_TRY(load(self_of(kms), id, key));
    sl_res r = sl_wrap_key(key, part, wrapped);
    sl_wipe(key, sizeof key);
    SL_TRY(r);
    return sl_buf_add(out, sl_view_of(wrapped, sizeof wrapped));
}

static sl_res file_unwrap(sl_kms *kms, const sl_uid id, sl_view wrapped,
                          uint8_t ret_part[SL_KEY_BYTES])
{
    uint8_t key[SL_KEY_BYTES];
    SL_NEED(wrapped.n == SL_WRAPPED_KEY_BYTES, SL_E_INTEGRITY);
    SL_TRY(load(self_of(kms), id, key));
    sl_res r = sl_unwrap_key(key, wrapped.p, ret_part);
    sl_wipe(key, sizeof key);
    return r;
}

/* A disk may keep the old blocks all the same: the wrap under the root is what protects them. */
static sl_res overwrite(file_kms *k, const sl_uid id)
{
    SL_OWN(int, fd, sl_fd_close) = openat(k->dir_fd, id, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? SL_DONE : sl_fail_os(SL_E_IO, "kms key");
    }
    uint8_t noise[SL_WRAPPED_KEY_BYTES];
    SL_TRY(sl_random_bytes(noise, sizeof noise));
    SL_TRY(sl_fd_pwrite_all(fd, sl_view_of(noise, sizeof noise), 0));
    return fdatasync(fd) == 0 ? SL_DONE : sl_fail_os(SL_E_IO, "kms key");
}

static sl_res file_destroy(sl_kms *kms, const sl_uid id, bool *ret_proved)
{
    file_kms *k = self_of(kms);
    SL_NEED(id_ok(id), SL_E_SYNTAX);
    SL_TRY(overwrite(k, id));
    if (unlinkat(k->dir_fd, id, 0) != 0 && errno != ENOENT) {
        return sl_fail_os(SL_E_IO, "kms key");
    }
    if (fsync(k->dir_fd) != 0) {
        return sl_fail_os(SL_E_IO, "kms directory");
    }
    uint8_t key[SL_KEY_BYTES];
    sl_res again = load(k, id, key);
    sl_wipe(key, sizeof key);
    *ret_proved = sl_is(again, SL_E_NOT_FOUND);
    return SL_DONE;
}

static sl_res file_health(sl_kms *kms)
{
    if (faccessat(self_of(kms)->dir_fd, ".", W_OK | X_OK, 0) != 0) {
        return sl_fail_os(SL_E_UNAVAILABLE, "kms directory");
    }
    return SL_DONE;
}

static void file_free(sl_kms *kms)
{
    file_kms *k = self_of(kms);
    sl_secret_free(&k->root);
    free(k);
}

sl_res sl_kms_file_open(int dir_fd, const uint8_t root[SL_KEY_BYTES], sl_kms **ret_kms)
{
    static const sl_kms_driver driver = { .driver = "file",
                                          .create = file_create,
                                          .wrap = file_wrap,
                                          .unwrap = file_unwrap,
                                          .destroy = file_destroy,
                                          .health = file_health,
                                          .free = file_free };
    file_kms *k = calloc(1, sizeof *k);
    SL_NEED(k != NULL, SL_E_MEMORY);
    sl_res r = sl_secret_alloc(SL_KEY_BYTES, &k->root);
    if (!sl_ok(r)) {
        free(k);
        return r;
    }
    memcpy(k->root.p, root, SL_KEY_BYTES);
    k->kms.driver = &driver;
    k->dir_fd = dir_fd;
    *ret_kms = &k->kms;
    return SL_DONE;
}
