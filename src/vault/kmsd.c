/* The process `kms`: a PKCS#11 module on one side, the link with the keeper on the other.
 * The module is loaded before confinement and initialised within it: it sees /kms (state/kms of the
 * site) and nothing else. It must never be given a keeper's part. Design: src/vault/kms_link.h. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/serve_peer.h"
#include "base/site_config.h"
#include "crypto/crypto.h"
#include "vault/keeperd.h"
#include "vault/kms_link.h"
#include "vault/kms_pkcs11.h"

static const sl_confine_path PATHS[] = {
    { "state/kms", "/kms", SL_PATH_READ | SL_PATH_WRITE },
};

static const sl_confine_profile PROFILE = {
    .name = "kms",
    .may = SL_MAY_FILES,
    .paths = PATHS,
    .path_count = SL_COUNT_OF(PATHS),
};

typedef struct {
    sl_kms *kms;
} kms_state;

static sl_pkcs11 *module; /* loaded before confinement */
static char token[64];

static sl_res open_token(void *context, sl_view pin, sl_kms **ret_kms)
{
    (void)context;
    SL_NEED(module != NULL, SL_E_UNAVAILABLE);
    return sl_kms_pkcs11_open(module, token, pin, ret_kms);
}

static sl_res on_request(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    kms_state *s = context;
    sl_buf reply = { .max = SL_KMS_WRAP_BYTES_MAX };
    sl_res r = sl_kms_serve(&s->kms, open_token, s, msg->type, msg->body, &reply);
    if (!sl_ok(r) && !sl_is(r, SL_E_NOT_FOUND)) {
        sl_log_res(SL_LOG_WARN, "the token refused", r);
    }
    r = sl_ok(r) ? sl_ipc_send(link, SL_IPC_OK, msg->id, sl_buf_view(&reply))
                 : sl_ipc_send_failed(link, msg->id, r);
    if (reply.p != NULL) {
        sl_wipe(reply.p, reply.n);
    }
    sl_buf_free(&reply);
    return r;
}

#define RULE(type, least, most)                                                                    \
    {                                                                                              \
        type, SL_IPC_ANY_PHASE, least, most, 0, on_request                                         \
    }
static const sl_ipc_rule rules[] = {
    RULE(SL_KMS_OPEN, 1, SL_KMS_PIN_BYTES_MAX),
    RULE(SL_KMS_CREATE, SL_UID_CHARS, SL_UID_CHARS),
    RULE(SL_KMS_WRAP, SL_UID_CHARS + SL_KEY_BYTES, SL_UID_CHARS + SL_KEY_BYTES),
    RULE(SL_KMS_UNWRAP, SL_UID_CHARS + 1, SL_UID_CHARS + SL_KMS_WRAP_BYTES_MAX),
    RULE(SL_KMS_DESTROY, SL_UID_CHARS, SL_UID_CHARS),
    RULE(SL_KMS_HEALTH, 0, 0),
};
static const sl_ipc_table table = { "keeper", rules, SL_COUNT_OF(rules) };

/* A new keeper logs in by itself. */
static void on_gone(void *context)
{
    kms_state *s = context;
    sl_kms_free_at(&s->kms);
}

static sl_res entry(sl_proc *self)
{
    kms_state s = { 0 };
    return sl_serve_peer(self, "keeper", &table, &s, on_gone);
}

static bool uses_token(const sl_site_config *config)
{
    return sl_view_eq(config->keeper.kms, SL_LIT("pkcs11"));
}

static bool wanted(sl_view text)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    sl_site_config *config = malloc(sizeof *config);
    bool yes =
        config != NULL && sl_ok(sl_site_config_read(&arena, text, config)) && uses_token(config);
    free(config);
    return yes;
}

static sl_res load_module(const sl_site_config *config)
{
    char path[1024] = { 0 };
    SL_NEED(config->keeper.module.n < sizeof path && config->keeper.token.n < sizeof token,
            SL_E_LIMIT);
    if (config->keeper.module.n == 0 || config->keeper.token.n == 0) {
        return sl_fail_at(SL_E_CONFIG, "keeper.module and keeper.token", SL_NOWHERE);
    }
    memcpy(path, config->keeper.module.p, config->keeper.module.n);
    memcpy(token, config->keeper.token.p, config->keeper.token.n);
    /* SoftHSM's own way to say where its tokens are; other modules do not read it. */
    (void)setenv("SOFTHSM2_CONF", "/kms/softhsm2.conf", 0);
    return sl_pkcs11_load(path, &module);
}

static sl_res warm(sl_proc *self)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    sl_site_config *config = malloc(sizeof *config);
    SL_NEED(config != NULL, SL_E_MEMORY);
    sl_res r = sl_site_config_read(&arena, sl_proc_config(self), config);
    r = sl_ok(r) ? load_module(config) : r;
    free(config);
    return sl_ok(r) ? sl_crypto_init() : r;
}

const sl_proc_decl sl_kmsd_decl = {
    .name = "kms",
    .entry = entry,
    .profile = &PROFILE,
    .peers = { "keeper" },
    .when_dead = SL_PROC_RESTART,
    .wanted = wanted,
    .warm = warm,
};
