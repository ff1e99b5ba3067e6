/* C2SP signed-note and cosignature/v1 (note.h). Pure: bytes in, bytes out.
 * Unknown signatures are ignored as the specification demands; known ones must verify.
 */
#include "crypto/note.h"

#include <inttypes.h>

#include "base/encode.h"
#include "base/utf8.h"
#include "crypto/hash.h"

static const sl_view DASH = { (const uint8_t *)"\xe2\x80\x94 ", 4 };

/* A space as Unicode has it, beyond ASCII: the code points of category Z and U+0085. */
static bool is_wide_space(sl_view s, size_t at)
{
    static const char *const spaces[] = { "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
                                          "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
                                          "\xe2\x81\x9f", "\xe3\x80\x80" };
    sl_view rest = sl_view_sub(s, at, s.n);

    for (size_t i = 0; i < SL_COUNT_OF(spaces); i++) {
        if (sl_view_starts(rest, sl_view_str(spaces[i]))) {
            return true;
        }
    }
    return rest.n >= 3 && rest.p[0] == 0xe2 && rest.p[1] == 0x80 && rest.p[2] >= 0x80 &&
           rest.p[2] <= 0x8a;
}

static sl_res check_name(sl_view name)
{
    SL_NEED(name.n != 0, SL_E_SYNTAX);
    SL_NEED(name.n <= SL_NOTE_NAME_BYTES_MAX, SL_E_LIMIT);
    SL_NEED(sl_utf8_check(name) == name.n, SL_E_SYNTAX);
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        SL_NEED(c > ' ' && c != '+' && c != 0x7f && !is_wide_space(name, i), SL_E_SYNTAX);
    }
    return SL_DONE;
}

static uint32_t key_id(sl_view name, sl_note_type type, const sl_public_key *key)
{
    uint8_t separator[2] = { '\n', (uint8_t)type };
    sl_hasher h = { 0 };

    sl_hasher_start(&h);
    sl_hasher_add(&h, name);
    sl_hasher_add(&h, sl_view_of(separator, sizeof separator));
    sl_hasher_add(&h, sl_view_of(key->b, sizeof key->b));
    sl_digest d = sl_hasher_end(&h);
    sl_hasher_free(&h);
    return sl_get_be32(d.b);
}

sl_res sl_vkey_make(sl_view name, sl_note_type type, const sl_public_key *key, sl_vkey *ret)
{
    sl_vkey vkey = { .type = type, .public_key = *key };

    SL_TRY(check_name(name));
    memcpy(vkey.name, name.p, name.n);
    vkey.id = key_id(name, type, key);
    *ret = vkey;
    return SL_DONE;
}

sl_res sl_vkey_parse(sl_view text, sl_vkey *ret)
{
    sl_view name;
    sl_view id_text;
    sl_view key_text;
    uint8_t id[4];
    sl_public_key key;
    sl_vkey vkey;
    SL_OWN(sl_buf, raw, sl_buf_free) = { .max = 4096 };

    /* The name has no plus, the key material may: cut from the front. */
    SL_NEED(sl_view_cut(text, '+', &name, &key_text), SL_E_SYNTAX);
    SL_NEED(sl_view_cut(key_text, '+', &id_text, &key_text), SL_E_SYNTAX);
    SL_TRY(sl_hex_decode(id_text, id, sizeof id));
    SL_TRY(sl_base64_decode(key_text, &raw));
    SL_NEED(raw.n == 1 + sizeof key.b, SL_E_SYNTAX);
    SL_NEED(raw.p[0] == SL_NOTE_ED25519 || raw.p[0] == SL_NOTE_COSIGNATURE_V1, SL_E_UNSUPPORTED);
    memcpy(key.b, raw.p + 1, sizeof key.b);
    SL_TRY(sl_vkey_make(name, (sl_note_type)raw.p[0], &key, &vkey));
    SL_NEED(vkey.id == sl_get_be32(id), SL_E_SYNTAX);
    *ret = vkey;
    return SL_DONE;
}

sl_res sl_vkey_add(sl_buf *out, const sl_vkey *vkey)
{
    uint8_t raw[1 + SL_PUBLIC_KEY_BYTES];

    raw[0] = (uint8_t)vkey->type;
    memcpy(raw + 1, vkey->public_key.b, sizeof vkey->public_key.b);
    SL_TRY(sl_buf_addf(out, "%s+%08" PRIx32 "+", vkey->name, vkey->id));
    return sl_base64_add(out, sl_view_of(raw, sizeof raw));
}

/* No control characters but newline, valid UTF-8, within the limit. */
static sl_res check_form(sl_view note)
{
    SL_NEED(note.n <= SL_NOTE_BYTES_MAX, SL_E_LIMIT);
    SL_NEED(note.n != 0 && note.p[note.n - 1] == '\n', SL_E_TRUNCATED);
    for (size_t i = 0; i < note.n; i++) {
        SL_NEED(note.p[i] >= ' ' || note.p[i] == '\n', SL_E_SYNTAX);
    }
    SL_NEED(sl_utf8_check(note) == note.n, SL_E_UTF8);
    return SL_DONE;
}

sl_res sl_note_next_line(sl_view *lines, bool *ret_more, sl_note_line *ret)
{
    sl_note_line line = { 0 };
    sl_view content;
    sl_view rest;
    sl_view encoded;
    SL_OWN(sl_buf, raw, sl_buf_free) = { .max = 8192 };

    if (lines->n == 0) {
        *ret_more = false;
        return SL_DONE;
    }
    SL_NEED(sl_view_cut(*lines, '\n', &content, &rest), SL_E_TRUNCATED);
    line.line = sl_view_sub(*lines, 0, content.n + 1);
    SL_NEED(sl_view_starts(content, DASH), SL_E_SYNTAX);
    content = sl_view_sub(content, DASH.n, content.n);
    SL_NEED(sl_view_cut(content, ' ', &line.name, &encoded), SL_E_SYNTAX);
    SL_TRY(check_name(line.name));
    SL_TRY(sl_base64_decode(encoded, &raw));
    SL_NEED(raw.n > 4, SL_E_SYNTAX);
    line.id = sl_get_be32(raw.p);
    line.signature_n = raw.n - 4;
    memcpy(line.signature, raw.p + 4,
           line.signature_n < sizeof line.signature ? line.signature_n : sizeof line.signature);
    *lines = rest;
    *ret = line;
    *ret_more = true;
    return SL_DONE;
}

sl_res sl_note_split(sl_view note, sl_note *ret)
{
    sl_note out = { 0 };
    sl_note_line line;
    size_t count = 0;
    size_t cut = SIZE_MAX;

    SL_TRY(check_form(note));
    for (size_t i = note.n - 1; i > 0; i--) {
        if (note.p[i] == '\n' && note.p[i - 1] == '\n') {
            cut = i;
            break;
        }
    }
    SL_NEED(cut != SIZE_MAX, SL_E_SYNTAX);
    out.text = sl_view_sub(note, 0, cut);
    out.signature_lines = sl_view_sub(note, cut + 1, note.n);
    SL_NEED(out.signature_lines.n != 0, SL_E_SIGNATURE);

    sl_view lines = out.signature_lines;
    for (bool more = true;;) {
        SL_TRY(sl_note_next_line(&lines, &more, &line));
        if (!more) {
            break;
        }
        SL_NEED(++count <= SL_NOTE_SIGNATURES_MAX, SL_E_LIMIT);
    }
    *ret = out;
    return SL_DONE;
}

static sl_res cosigned_text(sl_buf *out, sl_view text, uint64_t time_s)
{
    SL_TRY(sl_buf_addf(out, "cosignature/v1\ntime %" PRIu64 "\n", time_s));
    return sl_buf_add(out, text);
}

/* Verifies one line under the key that it names. */
static sl_res verify_line(const sl_note_line *line, const sl_vkey *key, sl_view text,
                          uint64_t *ret_time_s)
{
    sl_signature signature;

    if (key->type == SL_NOTE_ED25519) {
        SL_NEED(line->signature_n == sizeof signature.b, SL_E_SIGNATURE);
        memcpy(signature.b, line->signature, sizeof signature.b);
        SL_TRY(sl_verify(&key->public_key, text, &signature));
        *ret_time_s = 0;
        return SL_DONE;
    }
    SL_NEED(line->signature_n == 8 + sizeof signature.b, SL_E_SIGNATURE);
    uint64_t time_s = sl_get_be64(line->signature);
    SL_NEED(time_s != 0 && time_s <= INT64_MAX, SL_E_SIGNATURE);
    memcpy(signature.b, line->signature + 8, sizeof signature.b);

    SL_OWN(sl_buf, signed_text, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX + 64 };
    SL_TRY(cosigned_text(&signed_text, text, time_s));
    SL_TRY(sl_verify(&key->public_key, sl_buf_view(&signed_text), &signature));
    *ret_time_s = time_s;
    return SL_DONE;
}

sl_res sl_note_open(sl_view note, const sl_vkey *keys, size_t keys_n, sl_note *ret)
{
    sl_note out;
    sl_note_line line;

    SL_NEED(keys_n <= SL_NOTE_KEYS_MAX, SL_E_LIMIT);
    SL_TRY(sl_note_split(note, &out));
    sl_view lines = out.signature_lines;
    for (bool more = true;;) {
        SL_TRY(sl_note_next_line(&lines, &more, &line));
        if (!more) {
            break;
        }
        for (size_t i = 0; i < keys_n; i++) {
            if (keys[i].id == line.id && sl_view_eq_str(line.name, keys[i].name)) {
                SL_TRY(verify_line(&line, &keys[i], out.text, &out.time_s[i]));
                out.verified |= UINT64_C(1) << i;
            }
        }
    }
    SL_NEED(out.verified != 0, SL_E_SIGNATURE);
    *ret = out;
    return SL_DONE;
}

static sl_res add_line(sl_buf *out, sl_view name, sl_note_type type, const sl_sign_key *key,
                       sl_view signature)
{
    uint8_t raw[4 + 8 + SL_SIGNATURE_BYTES];

    sl_put_be32(raw, key_id(name, type, &key->public_key));
    memcpy(raw + 4, signature.p, signature.n);
    SL_TRY(sl_buf_add(out, DASH));
    SL_TRY(sl_buf_add(out, name));
    SL_TRY(sl_buf_add_byte(out, ' '));
    SL_TRY(sl_base64_add(out, sl_view_of(raw, 4 + signature.n)));
    return sl_buf_add_byte(out, '\n');
}

sl_res sl_note_sign_line(sl_buf *out, sl_view text, sl_view name, const sl_sign_key *key)
{
    sl_signature signature;

    SL_TRY(check_name(name));
    SL_NEED(text.n != 0 && text.p[text.n - 1] == '\n', SL_E_SYNTAX);
    SL_TRY(sl_sign(key, text, &signature));
    return add_line(out, name, SL_NOTE_ED25519, key, sl_view_of(signature.b, sizeof signature.b));
}

sl_res sl_note_cosign_line(sl_buf *out, sl_view text, sl_view name, const sl_sign_key *key,
                           uint64_t time_s)
{
    sl_signature signature;
    uint8_t stamped[8 + SL_SIGNATURE_BYTES];
    SL_OWN(sl_buf, signed_text, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX + 64 };

    SL_TRY(check_name(name));
    SL_NEED(time_s != 0 && time_s <= INT64_MAX, SL_E_RANGE);
    SL_TRY(cosigned_text(&signed_text, text, time_s));
    SL_TRY(sl_sign(key, sl_buf_view(&signed_text), &signature));
    sl_put_be64(stamped, time_s);
    memcpy(stamped + 8, signature.b, sizeof signature.b);
    return add_line(out, name, SL_NOTE_COSIGNATURE_V1, key, sl_view_of(stamped, sizeof stamped));
}

sl_res sl_note_sign(sl_buf *out, sl_view text, sl_view name, const sl_sign_key *key)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };

    SL_TRY(sl_buf_add(&note, text));
    SL_TRY(sl_buf_add_byte(&note, '\n'));
    SL_TRY(sl_note_sign_line(&note, text, name, key));
    return sl_buf_add(out, sl_buf_view(&note));
}
