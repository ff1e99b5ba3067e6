/* Making a vault: its folder, keystore and KMS folder, and the key file of demos.
 * Design: src/vault/keeper.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/random.h"
#include "vault/keeper.h"

enum { KEY_FILE_BYTES_MAX = 1024 };

/* 32 random bytes as hex: a passphrase that nobody has to type. */
static sl_res make_key_file(int dir, sl_buf *out)
{
    uint8_t random[32];
    SL_TRY(sl_random_bytes(random, sizeof random));
    sl_res r = sl_hex_add(out, sl_view_of(random, sizeof random));
    sl_wipe(random, sizeof random);
    SL_TRY(r);
    return sl_file_create(dir, "key", sl_buf_view(out), 0600);
}

sl_res sl_vault_key_file(const char *dir, sl_buf *out)
{
    SL_OWN(int, fd, sl_fd_close) = -1;
    SL_TRY(sl_dir_open(AT_FDCWD, dir, &fd));
    struct stat st;
    if (fstatat(fd, "key", &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? sl_fail_at(SL_E_NOT_FOUND, "key file", SL_NOWHERE)
                               : sl_fail_os(SL_E_IO, "key file");
    }
    if ((st.st_mode & 077) != 0) {
        return sl_fail_at(SL_E_DENIED, "key file readable by others", SL_NOWHERE);
    }
    return sl_file_read(fd, "key", out);
}

static sl_res keep_pin(const char *path, const char *site, sl_view secret, sl_view pin)
{
    SL_OWN(sl_keystore *, ks, sl_keystore_free_at) = NULL;
    SL_TRY(sl_keystore_open(path, site, &ks));
    SL_TRY(sl_keystore_unlock(ks, secret));
    return sl_keystore_pin_put(ks, pin);
}

sl_res sl_vault_init(const char *dir, const char *site, const char *driver, sl_view passphrase,
                     sl_view pin)
{
    bool token = strcmp(driver, "pkcs11") == 0;
    if (!token && strcmp(driver, "file") != 0) {
        return sl_fail_at(SL_E_UNSUPPORTED, "kms", SL_NOWHERE);
    }
    if (token && pin.n == 0) {
        return sl_fail_at(SL_E_MISSING_FIELD, "PIN of the token", SL_NOWHERE);
    }
    SL_OWN(int, fd, sl_fd_close) = -1;
    SL_OWN(sl_buf, key, sl_buf_free) = { .max = KEY_FILE_BYTES_MAX };
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    SL_TRY(sl_dir_make(AT_FDCWD, dir, 0700));
    SL_TRY(sl_dir_open(AT_FDCWD, dir, &fd));
    SL_TRY(sl_dir_make(fd, "kms", 0700));
    SL_TRY(sl_buf_addf(&path, "%s/keystore.db", dir));
    const char *path_text = sl_buf_cstr(&path);
    SL_NEED(path_text != NULL, SL_E_MEMORY);
    SL_NEED(!sl_path_exists(fd, "keystore.db"), SL_E_EXISTS);
    /* A key file's content has all its strength already; scrypt's cost would only slow the start. */
    sl_unlock unlock = { .secret = passphrase, .cost = SL_SCRYPT_COST_DEFAULT };
    if (passphrase.n == 0) {
        SL_TRY(make_key_file(fd, &key));
        unlock.secret = sl_buf_view(&key);
        unlock.cost = (sl_scrypt_cost){ .log2_n = 12, .r = 8, .p = 1 };
    }
    sl_res r = sl_keystore_create(path_text, site, driver, &unlock);
    r = sl_ok(r) && token ? keep_pin(path_text, site, unlock.secret, pin) : r;
    if (key.p != NULL) {
        sl_wipe(key.p, key.n);
    }
    if (!sl_ok(r) && passphrase.n == 0) {
        (void)unlinkat(fd, "key", 0);
    }
    return r;
}
