/* Constants that hold another artefact: a pickle or a compressed one in bytes, or either as base64 or
 * hex in text. A loader further on may unpack and load them, out of sight of whoever looked at the
 * outer stream alone. Candidates are queued on trial: what turns out to be no artefact says nothing. */
#include "artefact/pickle_vm.h"
#include "artefact/scan_impl.h"
#include "base/encode.h"
#include <stdio.h>
#include <string.h>

#define CANDIDATES_MAX 20000U
#define HEAD_BYTES ((size_t)64)
#define DECODED_TEXT_MAX ((size_t)16 << 20)

/* The first bytes of what is worth a trial. */
static bool promising(sl_view v)
{
    if (v.n < 4) {
        return false;
    }
    const uint8_t *p = v.p;
    bool pickle = (p[0] == 0x80 && p[1] <= 5) || p[0] == 'c' || p[0] == '(';
    bool gzip = p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
    bool zlib = p[0] == 0x78 && (p[1] == 0x01 || p[1] == 0x5e || p[1] == 0x9c || p[1] == 0xda);
    bool bzip2 = p[0] == 'B' && p[1] == 'Z' && p[2] == 'h';
    bool xz = p[0] == 0xfd && p[1] == '7' && p[2] == 'z';
    bool zip = p[0] == 'P' && p[1] == 'K' && p[2] == 3;
    return pickle || gzip || zlib || bzip2 || xz || zip;
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Lenient, as attackers' decoders are: line breaks and padding are passed over; false at any other byte
 * that is no digit. */
static sl_res decode(sl_view text, unsigned bits, sl_buf *out, bool *ret_good)
{
    uint32_t held = 0;
    unsigned have = 0;
    *ret_good = true;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        int digit = bits == 4 ? sl_hex_digit(c) : base64_digit(c);
        if (c == '\n' || c == '\r' || c == '=' || c == ' ') {
            continue;
        }
        if (digit < 0) {
            *ret_good = false;
            return SL_DONE;
        }
        held = (held << bits) | (uint32_t)digit;
        have += bits;
        if (have >= 8) {
            have -= 8;
            SL_TRY(sl_buf_add_byte(out, (uint8_t)(held >> have)));
        }
    }
    return SL_DONE;
}

static sl_res queue(sl_pickle *vm, const char *form, sl_source *source)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s@%llu", form, (unsigned long long)vm->op.at);
    vm->candidates++;
    return sl_scan_member_on_trial(vm->scan, sl_view_str(name), source);
}

static sl_res queue_part(sl_pickle *vm, uint64_t at, uint64_t n)
{
    SL_OWN(sl_source *, part, sl_source_free) = NULL;
    SL_TRY(sl_source_part(vm->source, at, n, &part));
    return queue(vm, "bytes", part);
}

static sl_res queue_decoded(sl_pickle *vm, sl_buf *decoded, const char *form)
{
    SL_OWN(sl_source *, made, sl_source_free) = NULL;
    SL_TRY(sl_scan_spend(vm->scan, SL_SPEND_EXPANDED, decoded->n));
    SL_TRY(sl_source_buffer(decoded, &made));
    return queue(vm, form, made);
}

/* Decodes the whole constant, after its head has shown promise. */
static sl_res try_text(sl_pickle *vm, unsigned bits)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = DECODED_TEXT_MAX };
    SL_OWN(sl_buf, decoded, sl_buf_free) = { .max = DECODED_TEXT_MAX };
    sl_cursor c = sl_cursor_part(vm->source, vm->op.data, vm->op.data + vm->op.n);
    bool good = false;
    if (vm->op.n > DECODED_TEXT_MAX) {
        return sl_fail_at(SL_E_LIMIT, "encoded text", vm->op.at);
    }
    SL_TRY(sl_cursor_copy(&c, vm->op.n, &text));
    sl_pickle_window_lost(&vm->reader);
    SL_TRY(decode(sl_buf_view(&text), bits, &decoded, &good));
    return good ? queue_decoded(vm, &decoded, bits == 4 ? "hex" : "base64") : SL_DONE;
}

static sl_res look_through(sl_view head, unsigned bits, bool *ret_promising)
{
    SL_OWN(sl_buf, decoded, sl_buf_free) = { .max = HEAD_BYTES };
    bool good = false;
    SL_TRY(decode(head, bits, &decoded, &good));
    *ret_promising = good && decoded.n >= 4 && promising(sl_buf_view(&decoded));
    return SL_DONE;
}

sl_res sl_pickle_constant(sl_pickle *vm, bool text)
{
    uint8_t kept[HEAD_BYTES];
    if (vm->scan == NULL || vm->candidates >= CANDIDATES_MAX) {
        return SL_DONE;
    }
    sl_view head = sl_view_sub(vm->op.shown, 0, HEAD_BYTES);
    if (vm->op.n > SL_PICKLE_SHOWN_MAX) {
        SL_TRY(sl_source_at(vm->source, vm->op.data, HEAD_BYTES, &head));
        sl_pickle_window_lost(&vm->reader);
    }
    if (!text && promising(head)) {
        return queue_part(vm, vm->op.data, vm->op.n);
    }
    if (vm->op.n < 16 || (base64_digit(head.p[0]) < 0)) {
        return SL_DONE;
    }
    head.n = head.n < HEAD_BYTES ? head.n : HEAD_BYTES;
    memcpy(kept, head.p, head.n);
    head.p = kept;
    bool encoded = false;
    SL_TRY(look_through(head, 4, &encoded));
    if (encoded) {
        return try_text(vm, 4);
    }
    SL_TRY(look_through(head, 6, &encoded));
    return encoded ? try_text(vm, 6) : SL_DONE;
}

/* UTF-8 of U+0000 to U+00FF back to bytes; false: other characters. */
static sl_res narrow(sl_view text, sl_buf *out, bool *ret_good)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        bool two = (c == 0xc2 || c == 0xc3) && i + 1 < text.n;
        *ret_good = two || c < 0x80;
        if (!*ret_good) {
            return SL_DONE;
        }
        uint8_t byte = two ? (uint8_t)((c & 3) << 6 | (text.p[i + 1] & 0x3f)) : c;
        i += two;
        SL_TRY(sl_buf_add_byte(out, byte));
    }
    return SL_DONE;
}

sl_res sl_pickle_disguised(sl_pickle *vm, sl_pvalue value)
{
    size_t n = sl_pv_tag(value);
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_PV_LONG };
    SL_OWN(sl_buf, decoded, sl_buf_free) = { .max = SL_PV_LONG };
    bool good = false;
    if (vm->scan == NULL || n < 4 || n == SL_PV_LONG || vm->candidates >= CANDIDATES_MAX) {
        return SL_DONE;
    }
    sl_cursor c = sl_cursor_part(vm->source, sl_pv_payload(value), sl_pv_payload(value) + n);
    SL_TRY(sl_cursor_copy(&c, n, &text));
    sl_pickle_window_lost(&vm->reader);
    SL_TRY(narrow(sl_buf_view(&text), &decoded, &good));
    return good && promising(sl_buf_view(&decoded)) ? queue_decoded(vm, &decoded, "latin1")
                                                    : SL_DONE;
}
