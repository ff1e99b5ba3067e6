/* The PKCS#11 driver. Design: src/vault/kms_pkcs11.h. */
#include "vault/kms_pkcs11.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/secret.h"

enum {
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    WRAP_BYTES = NONCE_BYTES + SL_KEY_BYTES + TAG_BYTES,
    SLOTS_MAX = 64,
    LABEL_BYTES = 32,
};

struct sl_pkcs11 {
    void *library;
    CK_FUNCTION_LIST *f;
};

typedef struct {
    sl_kms kms;
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session;
} token_kms;

static token_kms *self_of(sl_kms *kms)
{
    return (token_kms *)kms;
}

/* What a return value means to us; the number itself stands in the detail. */
static sl_res failed(CK_RV rv)
{
    switch (rv) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_LOCKED:
    case CKR_PIN_LEN_RANGE:
        return sl_fail_at(SL_E_PASSPHRASE, "PKCS#11 PIN", rv);
    case CKR_ENCRYPTED_DATA_INVALID:
    case CKR_ENCRYPTED_DATA_LEN_RANGE:
    case CKR_GENERAL_ERROR: /* SoftHSM's answer to a GCM tag that does not verify */
        return sl_fail_at(SL_E_INTEGRITY, "PKCS#11", rv);
    case CKR_MECHANISM_INVALID:
        return sl_fail_at(SL_E_UNSUPPORTED, "PKCS#11 AES-GCM", rv);
    default:
        return sl_fail_at(SL_E_UNAVAILABLE, "PKCS#11", rv);
    }
}

#define CK_TRY(call)                                                                               \
    do {                                                                                           \
        CK_RV rv_ = (call);                                                                        \
        if (rv_ != CKR_OK) {                                                                       \
            return failed(rv_);                                                                    \
        }                                                                                          \
    } while (0)

sl_res sl_pkcs11_load(const char *module, sl_pkcs11 **ret_module)
{
    sl_pkcs11 *m = calloc(1, sizeof *m);
    SL_NEED(m != NULL, SL_E_MEMORY);
    m->library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    if (m->library == NULL) {
        free(m);
        return sl_fail_at(SL_E_NOT_FOUND, "PKCS#11 module", SL_NOWHERE);
    }
    /* ISO C has no conversion from an object pointer to a function; POSIX requires it to work. */
    CK_C_GetFunctionList get = NULL;
    void *symbol = dlsym(m->library, "C_GetFunctionList");
    memcpy(&get, &symbol, sizeof get);
    if (get == NULL || get(&m->f) != CKR_OK) {
        (void)dlclose(m->library);
        free(m);
        return sl_fail_at(SL_E_UNSUPPORTED, "PKCS#11 module", SL_NOWHERE);
    }
    *ret_module = m;
    return SL_DONE;
}

void sl_pkcs11_free(sl_pkcs11 *module)
{
    if (module != NULL) {
        (void)module->f->C_Finalize(NULL);
        (void)dlclose(module->library);
        free(module);
    }
}

/* Labels are padded with blanks to 32 bytes. */
static bool label_is(const CK_TOKEN_INFO *info, const char *label)
{
    uint8_t padded[LABEL_BYTES];
    size_t n = strlen(label);
    if (n > LABEL_BYTES) {
        return false;
    }
    memset(padded, ' ', sizeof padded);
    memcpy(padded, label, n);
    return memcmp(padded, info->label, sizeof padded) == 0;
}

static sl_res find_slot(CK_FUNCTION_LIST *f, const char *label, CK_SLOT_ID *ret_slot)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;
    CK_TRY(f->C_GetSlotList(CK_TRUE, slots, &count));
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK && label_is(&info, label)) {
            *ret_slot = slots[i];
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_NOT_FOUND, "PKCS#11 token", SL_NOWHERE);
}

/* The one key of this id; SL_E_NOT_FOUND. */
static sl_res find_key(token_kms *t, const sl_uid id, CK_OBJECT_HANDLE *ret_key)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    sl_uid label;
    memcpy(label, id, sizeof label);
    CK_ATTRIBUTE want[] = { { CKA_CLASS, &class, sizeof class },
                            { CKA_LABEL, label, SL_UID_CHARS } };
    CK_ULONG count = 0;
    CK_TRY(t->f->C_FindObjectsInit(t->session, want, SL_COUNT_OF(want)));
    CK_RV rv = t->f->C_FindObjects(t->session, ret_key, 1, &count);
    CK_TRY(t->f->C_FindObjectsFinal(t->session));
    CK_TRY(rv);
    return count == 1 ? SL_DONE : sl_fail_at(SL_E_NOT_FOUND, "PKCS#11 key", SL_NOWHERE);
}

static sl_res token_create(sl_kms *kms, const sl_uid id)
{
    token_kms *t = self_of(kms);
    CK_OBJECT_HANDLE key;
    sl_res r = find_key(t, id, &key);
    SL_NEED(!sl_ok(r), SL_E_EXISTS);
    if (!sl_is(r, SL_E_NOT_FOUND)) {
        return r;
    }
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    CK_ULONG bytes = SL_KEY_BYTES;
    sl_uid label;
    memcpy(label, id, sizeof label);
    CK_ATTRIBUTE key_is[] = {
        { CKA_TOKEN, &yes, sizeof yes },         { CKA_PRIVATE, &yes, sizeof yes },
        { CKA_SENSITIVE, &yes, sizeof yes },     { CKA_EXTRACTABLE, &no, sizeof no },
        { CKA_ENCRYPT, &yes, sizeof yes },       { CKA_DECRYPT, &yes, sizeof yes },
        { CKA_VALUE_LEN, &bytes, sizeof bytes }, { CKA_LABEL, label, SL_UID_CHARS },
    };
    CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
    CK_TRY(t->f->C_GenerateKey(t->session, &generate, key_is, SL_COUNT_OF(key_is), &key));
    return SL_DONE;
}

static CK_GCM_PARAMS gcm_of(uint8_t nonce[NONCE_BYTES], sl_uid id)
{
    CK_GCM_PARAMS gcm = { .pIv = nonce,
                          .ulIvLen = NONCE_BYTES,
                          .ulIvBits = 8 * NONCE_BYTES,
                          .pAAD = (CK_BYTE *)id,
                          .ulAADLen = SL_UID_CHARS,
                          .ulTagBits = 8 * TAG_BYTES };
    return gcm;
}

static sl_res token_wrap(sl_kms *kms, const sl_uid id, const uint8_t part[SL_KEY_BYTES],
                         sl_buf *out)
{
    token_kms *t = self_of(kms);
    CK_OBJECT_HANDLE key;
    uint8_t wrap[WRAP_BYTES];
    uint8_t plain[SL_KEY_BYTES];
    sl_uid aad;
    memcpy(aad, id, sizeof aad);
    SL_TRY(find_key(t, id, &key));
    SL_TRY(sl_random_bytes(wrap, NONCE_BYTES));
    CK_GCM_PARAMS gcm = gcm_of(wrap, aad);
    CK_MECHANISM mechanism = { CKM_AES_GCM, &gcm, sizeof gcm };
    CK_ULONG n = WRAP_BYTES - NONCE_BYTES;
    memcpy(plain, part, sizeof plain);
    CK_RV rv = t->f->C_EncryptInit(t->session, &mechanism, key);
    if (rv == CKR_OK) {
        rv = t->f->C_Encrypt(t->session, plain, sizeof plain, wrap + NONCE_BYTES, &n);
    }
    sl_wipe(plain, sizeof plain);
    CK_TRY(rv);
    SL_NEED(n == WRAP_BYTES - NONCE_BYTES, SL_E_UNSUPPORTED);
    return sl_buf_add(out, sl_view_of(wrap, sizeof wrap));
}

static sl_res token_unwrap(sl_kms *kms, const sl_uid id, sl_view wrapped,
                           uint8_t ret_part[SL_KEY_BYTES])
{
    token_kms *t = self_of(kms);
    CK_OBJECT_HANDLE key;
    uint8_t wrap[WRAP_BYTES];
    uint8_t plain[SL_KEY_BYTES + TAG_BYTES];
    sl_uid aad;
    memcpy(aad, id, sizeof aad);
    SL_NEED(wrapped.n == WRAP_BYTES, SL_E_INTEGRITY);
    memcpy(wrap, wrapped.p, wrapped.n);
    SL_TRY(find_key(t, id, &key));
    CK_GCM_PARAMS gcm = gcm_of(wrap, aad);
    CK_MECHANISM mechanism = { CKM_AES_GCM, &gcm, sizeof gcm };
    CK_ULONG n = sizeof plain;
    CK_RV rv = t->f->C_DecryptInit(t->session, &mechanism, key);
    if (rv == CKR_OK) {
        rv = t->f->C_Decrypt(t->session, wrap + NONCE_BYTES, WRAP_BYTES - NONCE_BYTES, plain, &n);
    }
    sl_res r = rv == CKR_OK && n == SL_KEY_BYTES ? SL_DONE : failed(rv);
    if (sl_ok(r)) {
        memcpy(ret_part, plain, SL_KEY_BYTES);
    }
    sl_wipe(plain, sizeof plain);
    return r;
}

static sl_res token_destroy(sl_kms *kms, const sl_uid id, bool *ret_proved)
{
    token_kms *t = self_of(kms);
    CK_OBJECT_HANDLE key;
    sl_res r = find_key(t, id, &key);
    if (sl_ok(r)) {
        CK_TRY(t->f->C_DestroyObject(t->session, key));
    } else if (!sl_is(r, SL_E_NOT_FOUND)) {
        return r;
    }
    *ret_proved = sl_is(find_key(t, id, &key), SL_E_NOT_FOUND);
    return SL_DONE;
}

static sl_res token_health(sl_kms *kms)
{
    token_kms *t = self_of(kms);
    CK_SESSION_INFO info;
    CK_TRY(t->f->C_GetSessionInfo(t->session, &info));
    return info.state == CKS_RW_USER_FUNCTIONS ? SL_DONE : sl_fail(SL_E_LOCKED);
}

static void token_free(sl_kms *kms)
{
    token_kms *t = self_of(kms);
    (void)t->f->C_Logout(t->session);
    (void)t->f->C_CloseSession(t->session);
    free(t);
}

static sl_res log_in(token_kms *t, const char *label, sl_view pin)
{
    CK_SLOT_ID slot = 0;
    uint8_t copy[256];
    SL_NEED(pin.n > 0 && pin.n <= sizeof copy, SL_E_LIMIT);
    CK_RV rv = t->f->C_Initialize(NULL);
    if (rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
        CK_TRY(rv);
    }
    SL_TRY(find_slot(t->f, label, &slot));
    CK_TRY(t->f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &t->session));
    memcpy(copy, pin.p, pin.n);
    rv = t->f->C_Login(t->session, CKU_USER, copy, pin.n);
    sl_wipe(copy, sizeof copy);
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) {
        (void)t->f->C_CloseSession(t->session);
        return failed(rv);
    }
    return SL_DONE;
}

sl_res sl_kms_pkcs11_open(sl_pkcs11 *module, const char *token_label, sl_view pin, sl_kms **ret_kms)
{
    static const sl_kms_driver driver = { .driver = "pkcs11",
                                          .create = token_create,
                                          .wrap = token_wrap,
                                          .unwrap = token_unwrap,
                                          .destroy = token_destroy,
                                          .health = token_health,
                                          .free = token_free };
    token_kms *t = calloc(1, sizeof *t);
    SL_NEED(t != NULL, SL_E_MEMORY);
    t->kms.driver = &driver;
    t->f = module->f;
    sl_res r = log_in(t, token_label, pin);
    if (!sl_ok(r)) {
        free(t);
        return r;
    }
    *ret_kms = &t->kms;
    return SL_DONE;
}
