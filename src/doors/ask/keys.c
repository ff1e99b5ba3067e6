/* Compartment keys at the door. What they are for is told in keys.h. */
#include "doors/ask/keys.h"

#include <string.h>

#include "crypto/mac.h"

const char *sl_ask_key_purpose(sl_ask_key_kind kind)
{
    static const char *const names[] = { "commitment", "pseudonym" };
    return names[kind % SL_ASK_KEY_COUNT];
}

sl_res sl_ask_keys_init(sl_ask_keys *keys)
{
    *keys = (sl_ask_keys){ 0 };
    return sl_secret_alloc(SL_VALVE_COMPARTMENTS_MAX * sizeof(sl_compartment_keys), &keys->pages);
}

void sl_ask_keys_free(sl_ask_keys *keys)
{
    sl_secret_free(&keys->pages);
    *keys = (sl_ask_keys){ 0 };
}

static sl_compartment_keys *items(const sl_ask_keys *keys)
{
    return (void *)keys->pages.p;
}

static sl_compartment_keys *find(const sl_ask_keys *keys, sl_valve_id compartment)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (memcmp(&items(keys)[i].compartment, &compartment, sizeof compartment) == 0) {
            return &items(keys)[i];
        }
    }
    return NULL;
}

sl_res sl_ask_keys_set(sl_ask_keys *keys, const sl_compartment_keys *one)
{
    sl_compartment_keys *at = find(keys, one->compartment);
    if (at == NULL) {
        SL_NEED(keys->n < SL_VALVE_COMPARTMENTS_MAX, SL_E_LIMIT);
        at = &items(keys)[keys->n++];
    }
    *at = *one;
    return SL_DONE;
}

void sl_ask_keys_drop(sl_ask_keys *keys, sl_valve_id compartment)
{
    sl_compartment_keys *at = find(keys, compartment);
    if (at != NULL) {
        *at = items(keys)[--keys->n];
        sl_wipe(&items(keys)[keys->n], sizeof *at);
    }
}

bool sl_ask_keys_have(const sl_ask_keys *keys, sl_valve_id compartment)
{
    return find(keys, compartment) != NULL;
}

sl_res sl_ask_keys_derive(const sl_ask_keys *keys, const sl_ask_identity *who, sl_ask_key_kind kind,
                          const char *label, sl_view about, uint8_t ret_key[32])
{
    const sl_compartment_keys *held[SL_TICKET_COMPARTMENTS_MAX];
    SL_NEED(who->compartments_n != 0, SL_E_NO_GRANT);
    for (size_t i = 0; i < who->compartments_n; i++) {
        held[i] = find(keys, who->compartment_ids[i]);
        if (held[i] == NULL) {
            return sl_fail_at(SL_E_UNAVAILABLE, "compartment key", i);
        }
    }
    sl_keyed keyed = { 0 };
    sl_keyed_set(&keyed, sl_view_of(held[0]->keys[kind], 32));
    sl_keyed_start(&keyed);
    sl_keyed_add(&keyed, sl_view_of(label, strlen(label) + 1));
    sl_keyed_add(&keyed, about);
    sl_keyed_add(&keyed, sl_view_of("", 1));
    for (size_t i = 1; i < who->compartments_n; i++) {
        sl_keyed_add(&keyed, sl_view_of(held[i]->keys[kind], 32));
    }
    sl_digest key = sl_keyed_end(&keyed);
    sl_keyed_free(&keyed);
    memcpy(ret_key, key.b, 32);
    sl_wipe(&key, sizeof key);
    return SL_DONE;
}

sl_res sl_ask_keys_salt(const sl_ask_keys *keys, const sl_ask_identity *who, const char *crossing,
                        uint8_t ret_salt[SL_SALT_BYTES])
{
    return sl_ask_keys_derive(keys, who, SL_ASK_KEY_COMMITMENT, "stoplog/v1 salt",
                              sl_view_str(crossing), ret_salt);
}
