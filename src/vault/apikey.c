/* The text form of API keys and the hash that is kept of them. Design: src/vault/apikey.h. */
#include "vault/apikey.h"

#include <string.h>

#include "base/encode.h"
#include "base/secret.h"
#include "crypto/kdf.h"
#include "crypto/mac.h"

enum { CHECK_BYTES = 2, RAW_BYTES = SL_API_KEY_RANDOM_BYTES + CHECK_BYTES };

static void check_bytes(const uint8_t *raw, uint8_t ret[CHECK_BYTES])
{
    sl_digest d = sl_sha256(sl_view_of(raw, SL_API_KEY_RANDOM_BYTES));
    memcpy(ret, d.b, CHECK_BYTES);
}

sl_res sl_api_key_make(const uint8_t random[SL_API_KEY_RANDOM_BYTES], sl_api_key_text *ret)
{
    uint8_t raw[RAW_BYTES];
    memcpy(raw, random, SL_API_KEY_RANDOM_BYTES);
    check_bytes(raw, raw + SL_API_KEY_RANDOM_BYTES);

    sl_buf text = { .max = SL_API_KEY_CHARS };
    sl_res r = sl_buf_add_str(&text, "slg_");
    if (sl_ok(r)) {
        r = sl_base64url_add(&text, sl_view_of(raw, sizeof raw));
    }
    if (sl_ok(r)) {
        memset(ret, 0, sizeof *ret);
        memcpy(ret->text, text.p, text.n);
        sl_id_set(ret->id, raw);
    }
    if (text.p != NULL) {
        sl_wipe(text.p, text.n);
    }
    sl_buf_free(&text);
    sl_wipe(raw, sizeof raw);
    return r;
}

sl_res sl_api_key_parse(sl_view text, uint8_t ret_id[SL_API_KEY_ID_BYTES])
{
    SL_NEED(text.n == SL_API_KEY_CHARS && sl_view_starts(text, SL_LIT("slg_")), SL_E_KEY);
    sl_buf raw = { .max = 64 };
    sl_res r = sl_base64url_decode(sl_view_sub(text, 4, text.n), &raw);
    bool good = sl_ok(r) && raw.n == RAW_BYTES;
    if (good) {
        uint8_t check[CHECK_BYTES];
        check_bytes(raw.p, check);
        good = memcmp(check, raw.p + SL_API_KEY_RANDOM_BYTES, CHECK_BYTES) == 0;
    }
    if (good) {
        memcpy(ret_id, raw.p, SL_API_KEY_ID_BYTES);
    }
    if (raw.p != NULL) {
        sl_wipe(raw.p, raw.n);
    }
    sl_buf_free(&raw);
    return good ? SL_DONE : sl_fail(SL_E_KEY);
}

sl_res sl_api_key_hash(sl_view text, const char *site, sl_digest *ret)
{
    uint8_t key[SL_DIGEST_BYTES];
    SL_TRY(sl_hkdf(sl_view_str(site), SL_LIT("stoplog"), SL_LIT("api-key/v1"), key, sizeof key));
    *ret = sl_hmac(sl_view_of(key, sizeof key), text);
    return SL_DONE;
}
