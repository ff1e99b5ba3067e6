/* API keys: `slg_` and 56 characters, shown once, kept only as a keyed hash.
 *
 * The text holds 8 bytes of id, 32 random bytes and 2 bytes of check (so that a scanner for leaked
 * secrets, and a person who mistypes, learn at once that it is none). The hash is HMAC-SHA256 under
 * a key bound to the site; its secrecy rests on the 256 random bits, not on that key. Pure.
 * Must never be written to a leaf, a log or an error as text. */
#ifndef SL_VAULT_APIKEY_H
#define SL_VAULT_APIKEY_H

#include "vault/statement.h"

enum {
    SL_API_KEY_ID_BYTES = 8,
    SL_API_KEY_RANDOM_BYTES = 40, /* id and secret */
    SL_API_KEY_CHARS = 60,
};

typedef struct {
    char text[SL_API_KEY_CHARS + 1]; /* wipe it after use */
    sl_id id;
} sl_api_key_text;

/* Makes the text from random bytes. */
SL_MUST sl_res sl_api_key_make(const uint8_t random[SL_API_KEY_RANDOM_BYTES], sl_api_key_text *ret);
/* Is this the form of a key, and which id has it? Errors: SL_E_KEY and nothing more exact. */
SL_MUST sl_res sl_api_key_parse(sl_view text, uint8_t ret_id[SL_API_KEY_ID_BYTES]);
/* What is kept of it. `site` is the site id's text. */
SL_MUST sl_res sl_api_key_hash(sl_view text, const char *site, sl_digest *ret);

#endif
