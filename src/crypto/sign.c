/* Ed25519 through EVP_PKEY, and key files (sign.h). */
#include "crypto/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>

#include "base/encode.h"
#include "crypto/internal.h"
#include "crypto/note.h"

/* A PEM file of one Ed25519 key has about 120 bytes. */
enum { KEY_FILE_BYTES_MAX = 4096 };

void sl_sign_key_free(sl_sign_key *key)
{
    EVP_PKEY_free(key->pkey);
    *key = (sl_sign_key){ 0 };
}

/* Takes `pkey`, also on failure. */
static sl_res adopt(EVP_PKEY *pkey, sl_sign_key *ret)
{
    sl_sign_key key = { .pkey = pkey };
    size_t n = sizeof key.public_key.b;

    if (pkey == NULL || EVP_PKEY_is_a(pkey, "ED25519") != 1 ||
        EVP_PKEY_get_raw_public_key(pkey, key.public_key.b, &n) != 1 ||
        n != sizeof key.public_key.b) {
        EVP_PKEY_free(pkey);
        return sl_fail_at(SL_E_SYNTAX, "Ed25519 key", SL_NOWHERE);
    }
    *ret = key;
    return SL_DONE;
}

sl_res sl_sign_key_generate(sl_sign_key *ret)
{
    SL_TRY(sl_crypto_init());
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    SL_NEED(pkey != NULL, SL_E_CRYPTO);
    return adopt(pkey, ret);
}

sl_res sl_sign_key_from_seed(const uint8_t seed[SL_SEED_BYTES], sl_sign_key *ret)
{
    SL_TRY(sl_crypto_init());
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed, SL_SEED_BYTES);
    SL_NEED(pkey != NULL, SL_E_CRYPTO);
    return adopt(pkey, ret);
}

/* Reads at most `max` bytes of a file that only its owner may read. */
static sl_res read_private_file(const char *path, uint8_t *ret, size_t max, size_t *ret_n)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0) {
        return sl_fail_os(errno == ENOENT ? SL_E_NOT_FOUND : SL_E_DENIED, "key file");
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        close(fd);
        return sl_fail_at(SL_E_DENIED, "key file mode, which must be 0600", SL_NOWHERE);
    }
    ssize_t n = read(fd, ret, max);
    close(fd);
    if (n < 0) {
        return sl_fail_os(SL_E_IO, "key file");
    }
    *ret_n = (size_t)n;
    return SL_DONE;
}

sl_res sl_sign_key_load(const char *path, sl_sign_key *ret)
{
    uint8_t text[KEY_FILE_BYTES_MAX];
    size_t n = 0;
    sl_res r = sl_crypto_init();

    if (sl_ok(r)) {
        r = read_private_file(path, text, sizeof text, &n);
    }
    if (sl_ok(r) && n == SL_SEED_BYTES) {
        r = sl_sign_key_from_seed(text, ret);
    } else if (sl_ok(r)) {
        BIO *bio = BIO_new_mem_buf(text, (int)n);
        EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
        BIO_free(bio);
        r = adopt(pkey, ret);
    }
    OPENSSL_cleanse(text, sizeof text);
    return r;
}

/* Writes the key into an open, empty file and makes it durable. */
static bool write_pem(EVP_PKEY *pkey, int fd)
{
    BIO *bio = BIO_new_fd(fd, BIO_NOCLOSE);
    bool written = bio != NULL &&
                   PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
                   fsync(fd) == 0;

    BIO_free(bio);
    return written;
}

sl_res sl_sign_key_save(const sl_sign_key *key, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        return sl_fail_os(errno == EEXIST ? SL_E_EXISTS : SL_E_IO, "key file");
    }
    bool written = write_pem(key->pkey, fd);
    if (close(fd) != 0 || !written) {
        unlink(path);
        return sl_fail_os(SL_E_IO, "key file");
    }
    return SL_DONE;
}

sl_res sl_sign(const sl_sign_key *key, sl_view message, sl_signature *ret)
{
    sl_signature signature;
    size_t n = sizeof signature.b;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool made =
        ctx != NULL && EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key->pkey, NULL) == 1 &&
        EVP_DigestSign(ctx, signature.b, &n, message.p, message.n) == 1 && n == sizeof signature.b;

    EVP_MD_CTX_free(ctx);
    SL_NEED(made, SL_E_CRYPTO);
    *ret = signature;
    return SL_DONE;
}

sl_res sl_verify(const sl_public_key *key, sl_view message, const sl_signature *signature)
{
    SL_TRY(sl_crypto_init());
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key->b, sizeof key->b);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = pkey != NULL && ctx != NULL &&
                EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
                EVP_DigestVerify(ctx, signature->b, sizeof signature->b, message.p, message.n) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    SL_NEED(good, SL_E_SIGNATURE);
    return SL_DONE;
}

static sl_view without_space(sl_view text)
{
    while (text.n != 0 && (text.p[text.n - 1] <= ' ')) {
        text.n--;
    }
    while (text.n != 0 && text.p[0] <= ' ') {
        text.p++;
        text.n--;
    }
    return text;
}

static sl_res parse_public_pem(sl_view text, sl_public_key *ret)
{
    SL_NEED(text.n <= KEY_FILE_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_crypto_init());

    BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
    sl_sign_key key = { 0 };
    sl_res r = adopt(bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL, &key);
    BIO_free(bio);
    SL_TRY(r);
    *ret = key.public_key;
    sl_sign_key_free(&key);
    return SL_DONE;
}

sl_res sl_public_key_parse(sl_view text, sl_public_key *ret)
{
    sl_public_key key;

    text = without_space(text);
    if (sl_view_starts(text, SL_LIT("-----BEGIN PUBLIC KEY-----"))) {
        return parse_public_pem(text, ret);
    }
    if (text.n == 2 * sizeof key.b) {
        SL_TRY(sl_hex_decode(text, key.b, sizeof key.b));
        *ret = key;
        return SL_DONE;
    }
    if (text.n == 44) {
        SL_OWN(sl_buf, raw, sl_buf_free) = { .max = 64 };
        SL_TRY(sl_base64_decode(text, &raw));
        SL_NEED(raw.n == sizeof key.b, SL_E_SYNTAX);
        memcpy(ret->b, raw.p, raw.n);
        return SL_DONE;
    }
    sl_vkey vkey;
    SL_TRY(sl_vkey_parse(text, &vkey));
    SL_NEED(vkey.type == SL_NOTE_ED25519, SL_E_SYNTAX);
    *ret = vkey.public_key;
    return SL_DONE;
}

sl_res sl_public_key_add(sl_buf *out, const sl_public_key *key)
{
    return sl_base64_add(out, sl_view_of(key->b, sizeof key->b));
}
