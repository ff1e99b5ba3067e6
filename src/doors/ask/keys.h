/* The keys that the door holds for compartments, derived by the keeper from the compartment's own and
 * leased: what they make is void once the compartment's key is destroyed.
 *
 * A commitment in a leaf is that of ledger/body.h: HMAC-SHA256(salt, name || 0x00 || value). The salt
 * of a crossing is HMAC-SHA256(commitment key of the first compartment, "stoplog/v1 salt" 0x00 id of the
 * crossing 0x00 and the commitment keys of the others, in the leaf's order). So whoever may lease the
 * keys can verify a captured body, and nobody can try bodies against a leaf without them.
 * It must never make anything for a crossing that draws on a compartment whose keys are missing. */
#ifndef SL_DOORS_ASK_KEYS_H
#define SL_DOORS_ASK_KEYS_H

#include "base/secret.h"
#include "doors/ask/identify.h"
#include "ledger/body.h"

typedef enum { SL_ASK_KEY_COMMITMENT, SL_ASK_KEY_PSEUDONYM, SL_ASK_KEY_COUNT } sl_ask_key_kind;
/* As the keeper knows them ("commitment"). */
const char *sl_ask_key_purpose(sl_ask_key_kind kind);

typedef struct {
    sl_valve_id compartment;
    uint8_t keys[SL_ASK_KEY_COUNT][32];
} sl_compartment_keys;

typedef struct {
    sl_secret pages;
    size_t n;
} sl_ask_keys;

SL_MUST sl_res sl_ask_keys_init(sl_ask_keys *keys);
void sl_ask_keys_free(sl_ask_keys *keys);
/* Copies `one` in, over what there was of the compartment. SL_E_LIMIT. */
SL_MUST sl_res sl_ask_keys_set(sl_ask_keys *keys, const sl_compartment_keys *one);
/* Wipes a compartment's keys; nothing when there are none. */
void sl_ask_keys_drop(sl_ask_keys *keys, sl_valve_id compartment);
bool sl_ask_keys_have(const sl_ask_keys *keys, sl_valve_id compartment);

/* A key for one use, of all compartments that `who` draws on: `label` and `about` tell uses apart.
 * Wipe it. SL_E_UNAVAILABLE where a key is missing. */
SL_MUST sl_res sl_ask_keys_derive(const sl_ask_keys *keys, const sl_ask_identity *who,
                                  sl_ask_key_kind kind, const char *label, sl_view about,
                                  uint8_t ret_key[32]);
/* The salt of a crossing's commitments; `crossing` is its id in hex. */
SL_MUST sl_res sl_ask_keys_salt(const sl_ask_keys *keys, const sl_ask_identity *who,
                                const char *crossing, uint8_t ret_salt[SL_SALT_BYTES]);

#endif
