/* Drawing canaries (canary.h): HMAC-SHA256 of the object and number, rendered as values that look like
 * the others. Names are made of syllables that form no word, so that they occur nowhere else. */
#include "vault/canary.h"

#include "base/json.h"
#include "base/secret.h"
#include "crypto/mac.h"

static const char *const syllables[32] = {
    "tor", "ven", "da",  "mal", "ik",  "or",  "sa",  "bel", "qua", "rin", "os",
    "ted", "ul",  "mar", "zan", "ke",  "lo",  "fir", "wen", "ghi", "pra", "du",
    "nes", "cal", "ty",  "vor", "lun", "hes", "ja",  "rok", "sil", "ebo",
};

/* Takes bits from the front of the digest's bytes. */
typedef struct {
    sl_digest digest;
    size_t at;
} draws;

static uint32_t draw(draws *d, uint32_t bound)
{
    uint32_t value = sl_get_le16(d->digest.b + d->at);
    d->at += 2;
    return value % bound;
}

static size_t add_word(char *out, size_t n, size_t room, draws *d, unsigned count)
{
    size_t begin = n;
    for (unsigned i = 0; i < count; i++) {
        const char *s = syllables[draw(d, SL_COUNT_OF(syllables))];
        size_t length = strlen(s);
        if (n + length + 1 < room) {
            memcpy(out + n, s, length);
            n += length;
        }
    }
    out[begin] = (char)(out[begin] - 'a' + 'A');
    out[n] = 0;
    return n;
}

void sl_canary_make(const uint8_t key[32], const char *uid, uint64_t number, sl_canary *ret)
{
    uint8_t le[8];
    SL_OWN(sl_keyed, keyed, sl_keyed_free) = { 0 };
    sl_put_le64(le, number);
    sl_keyed_set(&keyed, sl_view_of(key, 32));
    sl_keyed_start(&keyed);
    sl_keyed_add(&keyed, SL_LIT("stoplog canary v1\0"));
    sl_keyed_add(&keyed, sl_view_str(uid));
    sl_keyed_add(&keyed, sl_view_of(le, sizeof le));
    draws d = { .digest = sl_keyed_end(&keyed) };
    *ret = (sl_canary){ 0 };
    size_t n = add_word(ret->name, 0, sizeof ret->name, &d, 3);
    ret->name[n++] = ' ';
    (void)add_word(ret->name, n, sizeof ret->name, &d, 4);
    (void)snprintf(ret->mrn, sizeof ret->mrn, "%04u%04u", 1000 + draw(&d, 9000), draw(&d, 10000));
    (void)snprintf(ret->compound, sizeof ret->compound, "SLX-%05u-%c%c", 10000 + draw(&d, 55535),
                   (char)('A' + draw(&d, 26)), (char)('A' + draw(&d, 26)));
    sl_wipe(&d, sizeof d);
}

sl_res sl_canary_write(const sl_canary *canary, uint64_t number, uint64_t after_record, sl_buf *out)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 512 };
    sl_json_writer w;
    SL_TRY(sl_buf_addf(&text, "Patient %s, medical record number %s, was given %s at week 12.",
                       canary->name, canary->mrn, canary->compound));
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "after_record", after_record);
    sl_json_put_str(&w, "compound", canary->compound);
    sl_json_put_str(&w, "mrn", canary->mrn);
    sl_json_put_str(&w, "name", canary->name);
    sl_json_put_uint(&w, "number", number);
    sl_json_put_string(&w, "text", sl_buf_view(&text));
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(out, '\n');
}
