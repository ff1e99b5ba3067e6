/* Hex and base64 (encode.h). Decoders accept one spelling only: two spellings of the same bytes
 * would let a digest or a signature be presented in two ways. */
#include "base/encode.h"

sl_res sl_hex_add(sl_buf *out, sl_view bytes)
{
    static const char digits[] = "0123456789abcdef";
    SL_NEED(bytes.n <= SIZE_MAX / 2, SL_E_LIMIT);
    SL_TRY(sl_buf_reserve(out, bytes.n * 2));
    for (size_t i = 0; i < bytes.n; i++) {
        out->p[out->n++] = (uint8_t)digits[bytes.p[i] >> 4];
        out->p[out->n++] = (uint8_t)digits[bytes.p[i] & 15];
    }
    return SL_DONE;
}

int sl_hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

sl_res sl_hex_decode(sl_view text, uint8_t *ret_bytes, size_t n)
{
    SL_NEED(text.n / 2 == n && text.n % 2 == 0, SL_E_TRUNCATED);
    for (size_t i = 0; i < text.n; i++) {
        if (sl_hex_digit(text.p[i]) < 0) {
            return sl_fail_at(SL_E_SYNTAX, "hex digit", i);
        }
    }
    for (size_t i = 0; i < n; i++) {
        ret_bytes[i] =
            (uint8_t)(sl_hex_digit(text.p[2 * i]) * 16 + sl_hex_digit(text.p[2 * i + 1]));
    }
    return SL_DONE;
}

static const char alphabet_std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static sl_res base64_encode(sl_buf *out, sl_view in, const char *alphabet, bool padded)
{
    SL_NEED(in.n <= SIZE_MAX / 2, SL_E_LIMIT);
    SL_TRY(sl_buf_reserve(out, (in.n + 2) / 3 * 4));
    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i;
        uint32_t word = (uint32_t)in.p[i] << 16;
        word |= left > 1 ? (uint32_t)in.p[i + 1] << 8 : 0;
        word |= left > 2 ? (uint32_t)in.p[i + 2] : 0;
        out->p[out->n++] = (uint8_t)alphabet[word >> 18];
        out->p[out->n++] = (uint8_t)alphabet[(word >> 12) & 63];
        if (left > 1) {
            out->p[out->n++] = (uint8_t)alphabet[(word >> 6) & 63];
        } else if (padded) {
            out->p[out->n++] = '=';
        }
        if (left > 2) {
            out->p[out->n++] = (uint8_t)alphabet[word & 63];
        } else if (padded) {
            out->p[out->n++] = '=';
        }
    }
    return SL_DONE;
}

sl_res sl_base64_add(sl_buf *out, sl_view bytes)
{
    return base64_encode(out, bytes, alphabet_std, true);
}

sl_res sl_base64url_add(sl_buf *out, sl_view bytes)
{
    return base64_encode(out, bytes, alphabet_url, false);
}

static int base64_value(uint8_t c, const char *alphabet)
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
    if (c == (uint8_t)alphabet[62]) {
        return 62;
    }
    return c == (uint8_t)alphabet[63] ? 63 : -1;
}

/* `digits` has no padding; its length modulo 4 is 0, 2 or 3. */
static sl_res base64_decode_digits(sl_view digits, const char *alphabet, sl_buf *out)
{
    SL_NEED(digits.n % 4 != 1, SL_E_TRUNCATED);
    SL_TRY(sl_buf_reserve(out, digits.n / 4 * 3 + 2));
    size_t start = out->n;
    uint32_t word = 0;
    for (size_t i = 0; i < digits.n; i++) {
        int value = base64_value(digits.p[i], alphabet);
        if (value < 0) {
            out->n = start;
            return sl_fail_at(SL_E_SYNTAX, "base64 digit", i);
        }
        word = (word << 6) | (uint32_t)value;
        if (i % 4 == 3) {
            out->p[out->n++] = (uint8_t)(word >> 16);
            out->p[out->n++] = (uint8_t)(word >> 8);
            out->p[out->n++] = (uint8_t)word;
            word = 0;
        }
    }
    size_t rest = digits.n % 4;
    uint32_t spare = rest == 2 ? word & 15 : rest == 3 ? word & 3 : 0;
    if (spare != 0) {
        out->n = start;
        return sl_fail_at(SL_E_SYNTAX, "base64 trailing bits", digits.n);
    }
    if (rest == 2) {
        out->p[out->n++] = (uint8_t)(word >> 4);
    } else if (rest == 3) {
        out->p[out->n++] = (uint8_t)(word >> 10);
        out->p[out->n++] = (uint8_t)(word >> 2);
    }
    return SL_DONE;
}

sl_res sl_base64_decode(sl_view text, sl_buf *out)
{
    SL_NEED(text.n % 4 == 0, SL_E_TRUNCATED);
    size_t n = text.n;
    for (int i = 0; i < 2 && n > 0 && text.p[n - 1] == '='; i++) {
        n--;
    }
    return base64_decode_digits(sl_view_sub(text, 0, n), alphabet_std, out);
}

sl_res sl_base64url_decode(sl_view text, sl_buf *out)
{
    return base64_decode_digits(text, alphabet_url, out);
}
