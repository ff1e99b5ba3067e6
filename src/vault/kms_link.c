/* Both ends of the KMS link. Design: src/vault/kms_link.h. */
#include "vault/kms_link.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

/* A token over a network may be slow; the keeper waits, its doors say that the vault is busy. */
enum { ANSWER_MS_MAX = 10000, BODY_BYTES_MAX = SL_UID_CHARS + SL_KMS_WRAP_BYTES_MAX };

static const sl_ipc_rule answer_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_KMS_WRAP_BYTES_MAX, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
const sl_ipc_table sl_kms_keeper_table = { "kms", answer_rules, SL_COUNT_OF(answer_rules) };

/* ---- the keeper's side ---- */

typedef struct {
    sl_kms kms;
    sl_ipc *link;
    sl_secret pin; /* to log in again after a restart of the KMS process */
    size_t pin_bytes;
} link_kms;

static link_kms *self_of(sl_kms *kms)
{
    return (link_kms *)kms;
}

static sl_res ask(sl_kms *kms, sl_kms_type type, const char *id, sl_view rest, sl_buf *out)
{
    link_kms *k = self_of(kms);
    SL_NEED(k->link != NULL, SL_E_UNAVAILABLE);
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = BODY_BYTES_MAX };
    SL_TRY(sl_buf_reserve(&body, BODY_BYTES_MAX));
    SL_TRY(sl_buf_add(&body, sl_view_str(id)));
    SL_TRY(sl_buf_add(&body, rest));
    sl_ipc_msg answer;
    sl_res r = sl_ipc_ask(k->link, (uint16_t)type, sl_buf_view(&body), ANSWER_MS_MAX, &answer);
    sl_wipe(body.p, body.n);
    SL_TRY(r);
    r = out != NULL ? sl_buf_add(out, answer.body) : SL_DONE;
    sl_ipc_msg_clear(&answer);
    sl_ipc_forget(k->link);
    return r;
}

static sl_res link_create(sl_kms *kms, const sl_uid id)
{
    return ask(kms, SL_KMS_CREATE, id, SL_LIT(""), NULL);
}

static sl_res link_wrap(sl_kms *kms, const sl_uid id, const uint8_t part[SL_KEY_BYTES], sl_buf *out)
{
    return ask(kms, SL_KMS_WRAP, id, sl_view_of(part, SL_KEY_BYTES), out);
}

static sl_res link_unwrap(sl_kms *kms, const sl_uid id, sl_view wrapped,
                          uint8_t ret_part[SL_KEY_BYTES])
{
    sl_buf part = { .max = SL_KMS_WRAP_BYTES_MAX };
    sl_res r = ask(kms, SL_KMS_UNWRAP, id, wrapped, &part);
    if (sl_ok(r) && part.n != SL_KEY_BYTES) {
        r = sl_fail(SL_E_SYNTAX);
    }
    if (sl_ok(r)) {
        memcpy(ret_part, part.p, SL_KEY_BYTES);
    }
    if (part.p != NULL) {
        sl_wipe(part.p, part.n);
    }
    sl_buf_free(&part);
    return r;
}

static sl_res link_destroy(sl_kms *kms, const sl_uid id, bool *ret_proved)
{
    SL_OWN(sl_buf, proved, sl_buf_free) = { .max = SL_KMS_WRAP_BYTES_MAX };
    SL_TRY(ask(kms, SL_KMS_DESTROY, id, SL_LIT(""), &proved));
    *ret_proved = proved.n == 1 && proved.p[0] == 1;
    return SL_DONE;
}

static sl_res link_health(sl_kms *kms)
{
    return ask(kms, SL_KMS_HEALTH, "", SL_LIT(""), NULL);
}

static void link_free(sl_kms *kms)
{
    sl_secret_free(&self_of(kms)->pin);
    free(kms);
}

static sl_res log_in(link_kms *k)
{
    return ask(&k->kms, SL_KMS_OPEN, "", sl_view_of(k->pin.p, k->pin_bytes), NULL);
}

sl_res sl_kms_link_open(sl_ipc *link, sl_view pin, sl_kms **ret_kms)
{
    static const sl_kms_driver driver = { .driver = "pkcs11",
                                          .create = link_create,
                                          .wrap = link_wrap,
                                          .unwrap = link_unwrap,
                                          .destroy = link_destroy,
                                          .health = link_health,
                                          .free = link_free };
    SL_NEED(pin.n > 0 && pin.n <= SL_KMS_PIN_BYTES_MAX, SL_E_LIMIT);
    link_kms *k = calloc(1, sizeof *k);
    SL_NEED(k != NULL, SL_E_MEMORY);
    k->kms.driver = &driver;
    k->link = link;
    k->pin_bytes = pin.n;
    sl_res r = sl_secret_alloc(SL_KMS_PIN_BYTES_MAX, &k->pin);
    if (sl_ok(r)) {
        memcpy(k->pin.p, pin.p, pin.n);
        r = log_in(k);
    }
    if (!sl_ok(r)) {
        link_free(&k->kms);
        return r;
    }
    *ret_kms = &k->kms;
    return SL_DONE;
}

sl_res sl_kms_link_renew(sl_kms *kms, sl_ipc *link)
{
    link_kms *k = self_of(kms);
    k->link = link;
    return link != NULL ? log_in(k) : SL_DONE;
}

/* ---- the KMS's side ---- */

static sl_res serve_key(sl_kms *kms, uint16_t type, const sl_uid id, sl_view rest, sl_buf *reply)
{
    bool proved = false;
    uint8_t part[SL_KEY_BYTES];
    sl_res r = SL_DONE;
    switch (type) {
    case SL_KMS_CREATE:
        SL_NEED(rest.n == 0, SL_E_SYNTAX);
        return kms->driver->create(kms, id);
    case SL_KMS_WRAP:
        SL_NEED(rest.n == SL_KEY_BYTES, SL_E_SYNTAX);
        return kms->driver->wrap(kms, id, rest.p, reply);
    case SL_KMS_UNWRAP:
        r = kms->driver->unwrap(kms, id, rest, part);
        r = sl_ok(r) ? sl_buf_add(reply, sl_view_of(part, sizeof part)) : r;
        sl_wipe(part, sizeof part);
        return r;
    case SL_KMS_DESTROY:
        SL_NEED(rest.n == 0, SL_E_SYNTAX);
        SL_TRY(kms->driver->destroy(kms, id, &proved));
        return sl_buf_add_byte(reply, proved ? 1 : 0);
    default:
        return sl_fail(SL_E_DENIED);
    }
}

sl_res sl_kms_serve(sl_kms **kms, sl_kms_opener open, void *context, uint16_t type, sl_view body,
                    sl_buf *reply)
{
    if (type == SL_KMS_OPEN) {
        sl_kms_free_at(kms);
        return open(context, body, kms);
    }
    SL_NEED(*kms != NULL, SL_E_LOCKED);
    if (type == SL_KMS_HEALTH) {
        return (*kms)->driver->health(*kms);
    }
    sl_uid id = { 0 };
    SL_NEED(body.n >= SL_UID_CHARS, SL_E_SYNTAX);
    memcpy(id, body.p, SL_UID_CHARS);
    SL_NEED(strspn(id, "0123456789abcdef") == SL_UID_CHARS, SL_E_SYNTAX);
    return serve_key(*kms, type, id, sl_view_sub(body, SL_UID_CHARS, body.n), reply);
}
