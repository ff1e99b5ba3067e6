/* KMS drivers: the same promises of both, on files and on a SoftHSM token. */
#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <p11-kit/pkcs11.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "vault/keystore.h"
#include "vault/kms_link.h"
#include "vault/kms_pkcs11.h"
#include "vault_help.h"

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define PIN "123456"

static char directory[] = "/tmp/sl-kms-XXXXXX";
static int kms_dir = -1;
static sl_pkcs11 *module;

static const uint8_t root[SL_KEY_BYTES] = { 7 };
static const uint8_t part[SL_KEY_BYTES] = { 1, 2, 3 };
#define ID_A "0000000000000000000000000000000a"
#define ID_B "0000000000000000000000000000000b"

static sl_kms *open_file(void)
{
    sl_kms *kms = NULL;
    assert_done(sl_kms_file_open(kms_dir, root, &kms));
    return kms;
}

static sl_kms *open_token(void)
{
    sl_kms *kms = NULL;
    if (module == NULL) {
        print_message("SoftHSM is not installed\n");
        skip();
    }
    assert_done(sl_kms_pkcs11_open(module, "stoplog", SL_LIT(PIN), &kms));
    return kms;
}

static void keeps_its_promises(sl_kms *kms)
{
    const sl_kms_driver *d = kms->driver;
    uint8_t found[SL_KEY_BYTES];
    SL_OWN(sl_buf, wrap, sl_buf_free) = { .max = SL_KMS_WRAP_BYTES_MAX };
    assert_done(d->health(kms));
    assert_code(d->wrap(kms, ID_A, part, &wrap), SL_E_NOT_FOUND);
    assert_done(d->create(kms, ID_A));
    assert_code(d->create(kms, ID_A), SL_E_EXISTS);
    assert_done(d->create(kms, ID_B));
    assert_done(d->wrap(kms, ID_A, part, &wrap));
    assert_done(d->unwrap(kms, ID_A, sl_buf_view(&wrap), found));
    assert_memory_equal(found, part, sizeof part);
    assert_code(d->unwrap(kms, ID_B, sl_buf_view(&wrap), found), SL_E_INTEGRITY);
    for (size_t i = 0; i < wrap.n; i++) {
        wrap.p[i] ^= 0x40;
        assert_code(d->unwrap(kms, ID_A, sl_buf_view(&wrap), found), SL_E_INTEGRITY);
        wrap.p[i] ^= 0x40;
    }
    assert_code(d->unwrap(kms, ID_A, sl_view_of(wrap.p, wrap.n - 1), found), SL_E_INTEGRITY);
    bool proved = false;
    assert_done(d->destroy(kms, ID_A, &proved));
    assert_true(proved);
    assert_code(d->unwrap(kms, ID_A, sl_buf_view(&wrap), found), SL_E_NOT_FOUND);
    proved = false;
    assert_done(d->destroy(kms, ID_A, &proved));
    assert_true(proved);
    assert_done(d->destroy(kms, ID_B, &proved));
}

static void the_file_driver_keeps_its_promises(void **state)
{
    SL_OWN(sl_kms *, kms, sl_kms_free_at) = open_file();
    keeps_its_promises(kms);
}

static void the_token_keeps_its_promises(void **state)
{
    SL_OWN(sl_kms *, kms, sl_kms_free_at) = open_token();
    keeps_its_promises(kms);
}

static void file_keys_open_under_their_root_alone(void **state)
{
    SL_OWN(sl_kms *, kms, sl_kms_free_at) = open_file();
    SL_OWN(sl_buf, wrap, sl_buf_free) = { .max = SL_KMS_WRAP_BYTES_MAX };
    assert_done(kms->driver->create(kms, ID_A));
    assert_done(kms->driver->wrap(kms, ID_A, part, &wrap));
    uint8_t other[SL_KEY_BYTES] = { 8 };
    SL_OWN(sl_kms *, stranger, sl_kms_free_at) = NULL;
    assert_done(sl_kms_file_open(kms_dir, other, &stranger));
    uint8_t found[SL_KEY_BYTES];
    assert_code(stranger->driver->unwrap(stranger, ID_A, sl_buf_view(&wrap), found),
                SL_E_INTEGRITY);
    assert_code(kms->driver->create(kms, "../../../../../../tmp/0000000000"), SL_E_SYNTAX);
}

static void the_token_asks_for_its_pin(void **state)
{
    SL_OWN(sl_kms *, kms, sl_kms_free_at) = NULL;
    if (module == NULL) {
        skip();
    }
    assert_code(sl_kms_pkcs11_open(module, "stoplog", SL_LIT("654321"), &kms), SL_E_PASSPHRASE);
    assert_code(sl_kms_pkcs11_open(module, "elsewhere", SL_LIT(PIN), &kms), SL_E_NOT_FOUND);
}

static void a_token_shreds_a_compartment(void **state)
{
    static const sl_unlock quick = { .secret = { (const uint8_t *)"correct horse", 13 },
                                     .cost = { .log2_n = 10, .r = 8, .p = 1 } };
    SL_OWN(sl_kms *, kms, sl_kms_free_at) = open_token();
    SL_OWN(sl_keystore *, ks, sl_keystore_free_at) = NULL;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/keystore.db", directory);
    assert_done(sl_keystore_create(path, SITE, "pkcs11", &quick));
    assert_done(sl_keystore_open(path, SITE, &ks));
    assert_done(sl_keystore_unlock(ks, quick.secret));
    assert_done(sl_keystore_attach(ks, kms));
    uint8_t key[SL_KEY_BYTES];
    sl_erased erased;
    assert_done(sl_keystore_compartment_create(ks, "c"));
    assert_done(sl_keystore_load(ks, "c"));
    assert_done(sl_keystore_key_new(ks, "c", SL_WRAP_SUBJECT, "s1", 0, key));
    assert_done(sl_keystore_key_new(ks, "c", SL_WRAP_SUBJECT, "s2", 0, key));
    assert_done(sl_keystore_erase(ks, "c", SL_WRAP_SUBJECT, "s1", 0, &erased));
    assert_true(erased.proved);
    assert_done(sl_keystore_key_open(ks, "c", SL_WRAP_SUBJECT, "s2", 0, key));
    assert_done(sl_keystore_shred(ks, "c", &erased));
    assert_true(erased.proved);
    assert_code(sl_keystore_load(ks, "c"), SL_E_NOT_FOUND);
}

/* ---- over the link: the same promises, with the driver on the other side ---- */

typedef struct {
    sl_ipc *link;
    sl_kms *kms;
    unsigned opened;
} far_side;

static sl_res far_open(void *context, sl_view pin, sl_kms **ret_kms)
{
    far_side *f = context;
    SL_NEED(sl_view_eq_str(pin, PIN), SL_E_PASSPHRASE);
    f->opened++;
    return sl_kms_file_open(kms_dir, root, ret_kms);
}

static sl_res far_request(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    far_side *f = context;
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_KMS_WRAP_BYTES_MAX };
    sl_res r = sl_kms_serve(&f->kms, far_open, f, msg->type, msg->body, &reply);
    return sl_ok(r) ? sl_ipc_send(link, SL_IPC_OK, msg->id, sl_buf_view(&reply))
                    : sl_ipc_send_failed(link, msg->id, r);
}

/* In a child, until the link ends. */
static pid_t far_start(int fd)
{
    static sl_ipc_rule rules[SL_KMS_HEALTH - SL_KMS_OPEN + 1];
    for (size_t i = 0; i < SL_COUNT_OF(rules); i++) {
        rules[i] =
            (sl_ipc_rule){ (uint16_t)(SL_KMS_OPEN + i), SL_IPC_ANY_PHASE, 0, 1024, 0, far_request };
    }
    static const sl_ipc_table table = { "keeper", rules, SL_COUNT_OF(rules) };
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        far_side f = { 0 };
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        if (!sl_ok(sl_ipc_open(fd, &table, &f.link))) {
            _exit(1);
        }
        while (poll(&ready, 1, 10000) > 0 && sl_ok(sl_ipc_dispatch(f.link, 1, &f))) {}
        _exit(0);
    }
    return child;
}

static void the_link_keeps_the_promises(void **state)
{
    int ends[2];
    sl_ipc *link = NULL;
    SL_OWN(sl_kms *, kms, sl_kms_free_at) = NULL;
    assert_done(sl_ipc_pair(ends));
    pid_t child = far_start(ends[1]);
    (void)close(ends[1]);
    assert_done(sl_ipc_open(ends[0], &sl_kms_keeper_table, &link));
    assert_code(sl_kms_link_open(link, SL_LIT("9"), &kms), SL_E_PASSPHRASE);
    assert_done(sl_kms_link_open(link, SL_LIT(PIN), &kms));
    keeps_its_promises(kms);
    assert_done(sl_kms_link_renew(kms, NULL));
    assert_code(kms->driver->health(kms), SL_E_UNAVAILABLE);
    assert_done(sl_kms_link_renew(kms, link));
    assert_done(kms->driver->health(kms));
    sl_ipc_close(link);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void the_far_side_is_strict(void **state)
{
    static const struct {
        uint16_t type;
        const char *body;
        int32_t code;
    } cases[] = {
        { SL_KMS_CREATE, "0000", SL_E_SYNTAX },
        { SL_KMS_CREATE, "../../../../../../../../etc/passwd", SL_E_SYNTAX },
        { SL_KMS_CREATE, ID_A "x", SL_E_SYNTAX },
        { SL_KMS_WRAP, ID_A "short", SL_E_SYNTAX },
        { SL_KMS_UNWRAP, ID_A "x", SL_E_INTEGRITY },
        { SL_KMS_DESTROY, ID_A "x", SL_E_SYNTAX },
        { SL_KMS_HEALTH + 1, ID_A, SL_E_DENIED },
    };
    far_side f = { 0 };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_KMS_WRAP_BYTES_MAX };
    assert_code(sl_kms_serve(&f.kms, far_open, &f, SL_KMS_HEALTH, SL_LIT(""), &reply), SL_E_LOCKED);
    assert_code(sl_kms_serve(&f.kms, far_open, &f, SL_KMS_CREATE, SL_LIT(ID_A), &reply),
                SL_E_LOCKED);
    assert_done(sl_kms_serve(&f.kms, far_open, &f, SL_KMS_OPEN, SL_LIT(PIN), &reply));
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_res r =
            sl_kms_serve(&f.kms, far_open, &f, cases[i].type, sl_view_str(cases[i].body), &reply);
        if (r.code != cases[i].code) {
            print_error("case %zu: %s\n", i, sl_res_name(r));
            fail();
        }
    }
    assert_int_equal(reply.n, 0);
    sl_kms_free_at(&f.kms);
}

/* ---- a token of this test's own ---- */

static void init_token(void)
{
    void *library = dlopen(MODULE, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    CK_C_GetFunctionList get = NULL;
    void *symbol = dlsym(library, "C_GetFunctionList");
    memcpy(&get, &symbol, sizeof get);
    CK_FUNCTION_LIST *f = NULL;
    assert_int_equal(get(&f), CKR_OK);
    assert_int_equal(f->C_Initialize(NULL), CKR_OK);
    CK_SLOT_ID slot = 0;
    CK_ULONG count = 1;
    CK_BYTE label[32];
    CK_BYTE pin[] = { '1', '2', '3', '4', '5', '6' };
    CK_SESSION_HANDLE session;
    memset(label, ' ', sizeof label);
    memcpy(label, "stoplog", 7);
    assert_int_equal(f->C_GetSlotList(CK_TRUE, &slot, &count), CKR_OK);
    assert_int_equal(f->C_InitToken(slot, pin, sizeof pin, label), CKR_OK);
    assert_int_equal(
        f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), CKR_OK);
    assert_int_equal(f->C_Login(session, CKU_SO, pin, sizeof pin), CKR_OK);
    assert_int_equal(f->C_InitPIN(session, pin, sizeof pin), CKR_OK);
    assert_int_equal(f->C_Finalize(NULL), CKR_OK);
}

static int begin(void **state)
{
    assert_non_null(mkdtemp(directory));
    int top = -1;
    assert_done(sl_dir_open(AT_FDCWD, directory, &top));
    assert_done(sl_dir_make(top, "kms", 0700));
    assert_done(sl_dir_make(top, "tokens", 0700));
    assert_done(sl_dir_open(top, "kms", &kms_dir));
    SL_OWN(sl_buf, config, sl_buf_free) = { .max = 1024 };
    assert_done(sl_buf_addf(&config, "directories.tokendir = %s/tokens\n", directory));
    assert_done(sl_file_replace(top, "softhsm2.conf", sl_buf_view(&config), 0600));
    (void)close(top);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/softhsm2.conf", directory);
    (void)setenv("SOFTHSM2_CONF", path, 1);
    if (access(MODULE, R_OK) == 0) {
        init_token();
        assert_done(sl_pkcs11_load(MODULE, &module));
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static int end(void **state)
{
    sl_pkcs11_free(module);
    (void)close(kms_dir);
    return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_driver_keeps_its_promises),
        cmocka_unit_test(the_token_keeps_its_promises),
        cmocka_unit_test(the_link_keeps_the_promises),
        cmocka_unit_test(the_far_side_is_strict),
        cmocka_unit_test(file_keys_open_under_their_root_alone),
        cmocka_unit_test(the_token_asks_for_its_pin),
        cmocka_unit_test(a_token_shreds_a_compartment),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
