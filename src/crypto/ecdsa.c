/* ECDSA through EVP_PKEY, and its key files (ecdsa.h). */
#include "crypto/ecdsa.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>

#include "crypto/internal.h"

/* A PEM file of one P-521 key has about 400 bytes. */
enum { KEY_FILE_BYTES_MAX = 8192 };

static const struct {
    const char *name;  /* as people say it */
    const char *group; /* as OpenSSL says it */
    const char *hash;
} CURVES[] = {
    { "P-256", "prime256v1", "SHA256" },
    { "P-384", "secp384r1", "SHA384" },
    { "P-521", "secp521r1", "SHA512" },
};
enum { CURVES_N = sizeof CURVES / sizeof CURVES[0] };

void sl_ecdsa_key_free(sl_ecdsa_key *key)
{
    EVP_PKEY_free(key->pkey);
    *key = (sl_ecdsa_key){ 0 };
}

/* The hash that belongs to the key's curve, or NULL for any other key. */
static const char *hash_name(EVP_PKEY *pkey)
{
    char group[32];
    if (pkey == NULL || EVP_PKEY_is_a(pkey, "EC") != 1 ||
        EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) != 1) {
        return NULL;
    }
    for (size_t i = 0; i < CURVES_N; i++) {
        if (strcmp(group, CURVES[i].group) == 0) {
            return CURVES[i].hash;
        }
    }
    return NULL;
}

/* Takes `pkey`, also on failure. */
static sl_res adopt(EVP_PKEY *pkey, sl_ecdsa_key *ret)
{
    if (hash_name(pkey) == NULL) {
        EVP_PKEY_free(pkey);
        return sl_fail_at(SL_E_SYNTAX, "ECDSA key (P-256, P-384 or P-521 in PEM)", SL_NOWHERE);
    }
    ret->pkey = pkey;
    return SL_DONE;
}

sl_res sl_ecdsa_generate(const char *curve, sl_ecdsa_key *ret)
{
    for (size_t i = 0; i < CURVES_N; i++) {
        if (strcmp(curve, CURVES[i].name) == 0) {
            EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", CURVES[i].group);
            SL_NEED(pkey != NULL, SL_E_CRYPTO);
            return adopt(pkey, ret);
        }
    }
    return sl_fail_at(SL_E_RANGE, "curve (P-256, P-384 or P-521)", SL_NOWHERE);
}

static sl_res open_private(const char *path, int *ret_fd)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return sl_fail_os(errno == ENOENT ? SL_E_NOT_FOUND : SL_E_DENIED, "key file");
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        close(fd);
        return sl_fail_at(SL_E_DENIED, "key file, which must be a file of mode 0600", SL_NOWHERE);
    }
    *ret_fd = fd;
    return SL_DONE;
}

/* A key file with a passphrase is refused at once: OpenSSL would ask on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *u)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)u;
    return 0;
}

sl_res sl_ecdsa_load(const char *path, sl_ecdsa_key *ret)
{
    uint8_t text[KEY_FILE_BYTES_MAX];
    int fd = -1;
    SL_TRY(sl_crypto_init());
    SL_TRY(open_private(path, &fd));
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    if (n < 0) {
        return sl_fail_os(SL_E_IO, "key file");
    }
    BIO *bio = BIO_new_mem_buf(text, (int)n);
    EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    OPENSSL_cleanse(text, sizeof text);
    return adopt(pkey, ret);
}

sl_res sl_ecdsa_save(const sl_ecdsa_key *key, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return sl_fail_os(errno == EEXIST ? SL_E_EXISTS : SL_E_IO, "key file");
    }
    BIO *bio = BIO_new_fd(fd, BIO_NOCLOSE);
    bool written = bio != NULL &&
                   PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
                   fsync(fd) == 0;
    BIO_free(bio);
    close(fd);
    if (!written) {
        (void)unlink(path);
        return sl_fail_at(SL_E_IO, "key file", SL_NOWHERE);
    }
    return SL_DONE;
}

sl_res sl_ecdsa_public_parse(sl_view pem, sl_ecdsa_key *ret)
{
    SL_TRY(sl_crypto_init());
    SL_NEED(pem.n <= KEY_FILE_BYTES_MAX, SL_E_LIMIT);
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return adopt(pkey, ret);
}

sl_res sl_ecdsa_public_pem(const sl_ecdsa_key *key, sl_buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n = 0;
    if (bio != NULL && PEM_write_bio_PUBKEY(bio, key->pkey) == 1) {
        n = BIO_get_mem_data(bio, &text);
    }
    sl_res r = n > 0 ? sl_buf_add(out, sl_view_of(text, (size_t)n)) : sl_fail(SL_E_CRYPTO);
    BIO_free(bio);
    return r;
}

sl_res sl_ecdsa_hint(const sl_ecdsa_key *key, sl_digest *ret)
{
    SL_OWN(sl_buf, pem, sl_buf_free) = { .max = KEY_FILE_BYTES_MAX };
    SL_TRY(sl_ecdsa_public_pem(key, &pem));
    *ret = sl_sha256(sl_buf_view(&pem));
    return SL_DONE;
}

bool sl_ecdsa_same(const sl_ecdsa_key *a, const sl_ecdsa_key *b)
{
    return EVP_PKEY_eq(a->pkey, b->pkey) == 1;
}

sl_res sl_ecdsa_sign(const sl_ecdsa_key *key, sl_view message, sl_buf *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t der[256];
    size_t n = sizeof der;
    bool made =
        ctx != NULL &&
        EVP_DigestSignInit_ex(ctx, NULL, hash_name(key->pkey), NULL, NULL, key->pkey, NULL) == 1 &&
        EVP_DigestSign(ctx, der, &n, message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    SL_NEED(made, SL_E_CRYPTO);
    return sl_buf_add(out, sl_view_of(der, n));
}

sl_res sl_ecdsa_verify(const sl_ecdsa_key *key, sl_view message, sl_view signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    SL_NEED(ctx != NULL, SL_E_MEMORY);
    bool valid = EVP_DigestVerifyInit_ex(ctx, NULL, hash_name(key->pkey), NULL, NULL, key->pkey,
                                         NULL) == 1 &&
                 EVP_DigestVerify(ctx, signature.p, signature.n, message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    SL_NEED(valid, SL_E_SIGNATURE);
    return SL_DONE;
}
