/* Disguises (disguise.h): encodings, invisible and lookalike characters, spacing, rotation. */
#include "disguise.h"

#include "base/utf8.h"

static sl_res add_cp(sl_buf *out, uint32_t cp)
{
    uint8_t bytes[4];
    size_t n = sl_utf8_encode(cp, bytes);
    return sl_buf_add(out, sl_view_of(bytes, n));
}

static bool is_letter(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
}

/* ---- digits -------------------------------------------------------------------------------- */

static sl_res in_bits(sl_view text, unsigned bits, const char *alphabet, size_t block, sl_buf *out)
{
    uint32_t acc = 0;
    unsigned have = 0;
    size_t written = 0;
    for (size_t i = 0; i < text.n || have > 0;) {
        if (have < bits && i < text.n) {
            acc = (acc << 8 | text.p[i++]) & 0xFFFFFF;
            have += 8;
            continue;
        }
        uint32_t value = have >= bits ? acc >> (have - bits) : acc << (bits - have);
        have = have >= bits ? have - bits : 0;
        SL_TRY(sl_buf_add_byte(out, (uint8_t)alphabet[value & ((1U << bits) - 1)]));
        written++;
    }
    for (; written % block != 0; written++) {
        SL_TRY(sl_buf_add_byte(out, '='));
    }
    return SL_DONE;
}

static sl_res base64(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return in_bits(text, 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 4,
                   out);
}

static sl_res base64_twice(sl_view text, sl_prng *prng, sl_buf *out)
{
    SL_OWN(sl_buf, once, sl_buf_free) = { .max = text.n * 2 + 16 };
    SL_TRY(base64(text, prng, &once));
    return base64(sl_buf_view(&once), prng, out);
}

static sl_res base32(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return in_bits(text, 5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 8, out);
}

static sl_res hex(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return in_bits(text, 4, "0123456789abcdef", 1, out);
}

static sl_res each_byte(sl_view text, const char *format, sl_buf *out)
{
    (void)format;
    for (size_t i = 0; i < text.n; i++) {
        SL_TRY(sl_buf_addf(out, "%%%02X", text.p[i]));
    }
    return SL_DONE;
}

static sl_res percent(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return each_byte(text, "", out);
}

static sl_res hex_spaced(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    for (size_t i = 0; i < text.n; i++) {
        SL_TRY(sl_buf_addf(out, i == 0 ? "%02x" : " %02x", text.p[i]));
    }
    return SL_DONE;
}

static sl_res entities(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    for (size_t i = 0, n = 1; i < text.n; i += n) {
        SL_TRY(sl_buf_addf(out, "&#%u;", sl_utf8_next(text, i, &n)));
    }
    return SL_DONE;
}

static sl_res escapes(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    for (size_t i = 0, n = 1; i < text.n; i += n) {
        uint32_t cp = sl_utf8_next(text, i, &n);
        if (cp > 0xFFFF) {
            cp -= 0x10000;
            SL_TRY(sl_buf_addf(out, "\\u%04x", 0xD800 + (cp >> 10)));
            cp = 0xDC00 + (cp & 0x3FF);
        }
        SL_TRY(sl_buf_addf(out, "\\u%04x", cp));
    }
    return SL_DONE;
}

static sl_res binary(sl_view text, sl_prng *prng, sl_buf *out)
{
    bool spaced = sl_prng_below(prng, 2) == 0;
    for (size_t i = 0; i < text.n; i++) {
        for (unsigned bit = 8; bit-- > 0;) {
            SL_TRY(sl_buf_add_byte(out, (uint8_t)('0' + (text.p[i] >> bit & 1))));
        }
        if (spaced && i + 1 < text.n) {
            SL_TRY(sl_buf_add_byte(out, ' '));
        }
    }
    return SL_DONE;
}

/* ---- letters for letters ------------------------------------------------------------------- */

static sl_res rotate(sl_view text, unsigned by, sl_buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t b = text.p[i];
        uint8_t base = b >= 'a' ? 'a' : 'A';
        b = is_letter(b) ? (uint8_t)(base + (b - base + by) % 26) : b;
        SL_TRY(sl_buf_add_byte(out, b));
    }
    return SL_DONE;
}

static sl_res rot13(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return rotate(text, 13, out);
}

static sl_res caesar(sl_view text, sl_prng *prng, sl_buf *out)
{
    return rotate(text, 1 + (unsigned)sl_prng_below(prng, 25), out);
}

static sl_res atbash(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t b = text.p[i];
        uint8_t sum = b >= 'a' ? 'a' + 'z' : 'A' + 'Z';
        SL_TRY(sl_buf_add_byte(out, is_letter(b) ? (uint8_t)(sum - b) : b));
    }
    return SL_DONE;
}

static sl_res reversed(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    for (size_t end = text.n; end > 0;) {
        size_t at = end - 1;
        while (at > 0 && !sl_utf8_boundary(text, at)) {
            at--;
        }
        SL_TRY(sl_buf_add(out, sl_view_sub(text, at, end)));
        end = at;
    }
    return SL_DONE;
}

static sl_res leet(sl_view text, sl_prng *prng, sl_buf *out)
{
    static const char FROM[] = "aeiostAEIOST";
    static const char TO[] = "431057431057";
    (void)prng;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = text.p[i] == 0 ? NULL : strchr(FROM, text.p[i]);
        SL_TRY(sl_buf_add_byte(out, at == NULL ? text.p[i] : (uint8_t)TO[at - FROM]));
    }
    return SL_DONE;
}

static sl_res homoglyphs(sl_view text, sl_prng *prng, sl_buf *out)
{
    static const char FROM[] = "aceopxyAEOCTMHPKB";
    static const uint16_t TO[] = { 0x430, 0x441, 0x435, 0x43E, 0x440, 0x445, 0x443, 0x410, 0x415,
                                   0x41E, 0x421, 0x422, 0x41C, 0x41D, 0x420, 0x41A, 0x412 };
    (void)prng;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = text.p[i] == 0 ? NULL : strchr(FROM, text.p[i]);
        SL_TRY(at == NULL ? sl_buf_add_byte(out, text.p[i]) : add_cp(out, TO[at - FROM]));
    }
    return SL_DONE;
}

static sl_res shifted(sl_view text, uint32_t upper, uint32_t lower, uint32_t others, sl_buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t b = text.p[i];
        if (b >= 'a' && b <= 'z') {
            SL_TRY(add_cp(out, lower + b - 'a'));
        } else if (b >= 'A' && b <= 'Z') {
            SL_TRY(add_cp(out, upper + b - 'A'));
        } else if (b > 0x20 && b < 0x7F && others != 0) {
            SL_TRY(add_cp(out, others + b));
        } else {
            SL_TRY(sl_buf_add_byte(out, b));
        }
    }
    return SL_DONE;
}

static sl_res full_width(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return shifted(text, 0xFF21, 0xFF41, 0xFEE0, out);
}

static sl_res mathematical(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return shifted(text, 0x1D400, 0x1D41A, 0, out);
}

/* ---- characters that are not seen ---------------------------------------------------------- */

static sl_res between(sl_view text, uint32_t cp, sl_buf *out)
{
    for (size_t i = 0, n = 1; i < text.n; i += n) {
        (void)sl_utf8_next(text, i, &n);
        SL_TRY(sl_buf_add(out, sl_view_sub(text, i, i + n)));
        if (text.p[i] != ' ' && text.p[i] != '\n') {
            SL_TRY(add_cp(out, cp));
        }
    }
    return SL_DONE;
}

static sl_res zero_width(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return between(text, 0x200B, out);
}

static sl_res soft_hyphens(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return between(text, 0xAD, out);
}

static sl_res combining(sl_view text, sl_prng *prng, sl_buf *out)
{
    return between(text, 0x300 + (uint32_t)sl_prng_below(prng, 4), out);
}

static sl_res tags(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    SL_TRY(sl_buf_add_str(out, "Hello "));
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < 0x7F) {
            SL_TRY(add_cp(out, 0xE0000 + text.p[i]));
        }
    }
    return SL_DONE;
}

static sl_res variation_bytes(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    SL_TRY(add_cp(out, 0x1F600));
    for (size_t i = 0; i < text.n; i++) {
        uint32_t b = text.p[i];
        SL_TRY(add_cp(out, b < 16 ? 0xFE00 + b : 0xE0100 + b - 16));
    }
    return SL_DONE;
}

static sl_res zero_width_bits(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    SL_TRY(sl_buf_add_str(out, "Good morning"));
    for (size_t i = 0; i < text.n; i++) {
        for (unsigned bit = 8; bit-- > 0;) {
            SL_TRY(add_cp(out, (text.p[i] >> bit & 1) != 0 ? 0x200C : 0x200B));
        }
    }
    return SL_DONE;
}

static sl_res right_to_left(sl_view text, sl_prng *prng, sl_buf *out)
{
    SL_TRY(add_cp(out, 0x202E));
    SL_TRY(reversed(text, prng, out));
    return add_cp(out, 0x202C);
}

/* ---- spacing and frames -------------------------------------------------------------------- */

static sl_res spread(sl_view text, uint8_t separator, sl_buf *out)
{
    bool first = true;
    for (size_t i = 0, n = 1; i < text.n; i += n) {
        (void)sl_utf8_next(text, i, &n);
        if (text.p[i] == ' ') {
            SL_TRY(sl_buf_add_str(out, separator == ' ' ? "  " : " "));
            first = true;
            continue;
        }
        if (!first) {
            SL_TRY(sl_buf_add_byte(out, separator));
        }
        SL_TRY(sl_buf_add(out, sl_view_sub(text, i, i + n)));
        first = false;
    }
    return SL_DONE;
}

static sl_res spaced(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return spread(text, ' ', out);
}

static sl_res dashed(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    return spread(text, '-', out);
}

static sl_res html_comment(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    SL_TRY(sl_buf_add_str(out, "<p>Our opening hours are below.</p><!-- "));
    SL_TRY(sl_buf_add(out, text));
    return sl_buf_add_str(out, " --><p>Monday to Friday, 9 to 5.</p>");
}

static sl_res upper(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    for (size_t i = 0; i < text.n; i++) {
        bool small = text.p[i] >= 'a' && text.p[i] <= 'z';
        SL_TRY(sl_buf_add_byte(out, small ? (uint8_t)(text.p[i] - 32) : text.p[i]));
    }
    return SL_DONE;
}

static sl_res lower(sl_view text, sl_prng *prng, sl_buf *out)
{
    (void)prng;
    for (size_t i = 0; i < text.n; i++) {
        bool big = text.p[i] >= 'A' && text.p[i] <= 'Z';
        SL_TRY(sl_buf_add_byte(out, big ? (uint8_t)(text.p[i] + 32) : text.p[i]));
    }
    return SL_DONE;
}

/* Between six thousand characters of something else. */
static sl_res buried(sl_view text, sl_prng *prng, sl_buf *out)
{
    static const char *const FILL[] = {
        "The committee met on Tuesday and looked at the minutes of the last meeting. ",
        "Rain is expected in the north, with sunny spells later in the week. ",
        "The new line carries twelve trains an hour between the harbour and the airport. ",
        "Add the flour slowly, stir, and leave the dough under a cloth for an hour. ",
        "Visitors may park behind the library; the gate closes at eight in the evening. ",
        "The second quarter brought more orders than the first, mostly from abroad. ",
    };
    for (size_t i = 0; i < 84; i++) {
        SL_TRY(sl_buf_add_str(out, FILL[sl_prng_below(prng, SL_COUNT_OF(FILL))]));
        if (i == 42) {
            SL_TRY(sl_buf_add(out, text));
            SL_TRY(sl_buf_add_str(out, " "));
        }
    }
    return SL_DONE;
}

const disguise DISGUISES[] = {
    { "lower case", lower },
    { "upper case", upper },
    { "tag characters", tags },
    { "zero width between", zero_width },
    { "soft hyphens", soft_hyphens },
    { "zero width bits", zero_width_bits },
    { "variation selectors", variation_bytes },
    { "homoglyphs", homoglyphs },
    { "combining marks", combining },
    { "full width", full_width },
    { "mathematical", mathematical },
    { "base64", base64 },
    { "base64 twice", base64_twice },
    { "base32", base32 },
    { "hex", hex },
    { "hex spaced", hex_spaced },
    { "percent", percent },
    { "HTML entities", entities },
    { "\\u escapes", escapes },
    { "binary digits", binary },
    { "ROT13", rot13 },
    { "Caesar", caesar },
    { "Atbash", atbash },
    { "reversed", reversed },
    { "leetspeak", leet },
    { "spaced letters", spaced },
    { "dashed letters", dashed },
    { "right-to-left override", right_to_left },
    { "HTML comment", html_comment },
    { "between 6,000 characters", buried },
};
const size_t DISGUISE_COUNT = SL_COUNT_OF(DISGUISES);

sl_res disguise_split(sl_view text, sl_prng *prng, sl_buf *out)
{
    static const char *const BREAKS[] = { "\n", "\nuser: ", "\n\n", " ... ", "\n[2] " };
    const char *mark = BREAKS[sl_prng_below(prng, SL_COUNT_OF(BREAKS))];
    uint64_t every = 2 + sl_prng_below(prng, 5);
    for (size_t i = 0; i < text.n; i++) {
        bool cut = text.p[i] == ' ' && sl_prng_below(prng, every) == 0;
        SL_TRY(cut ? sl_buf_add_str(out, mark) : sl_buf_add_byte(out, text.p[i]));
    }
    return SL_DONE;
}

sl_res disguise_typos(sl_view text, sl_prng *prng, sl_buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t b = text.p[i];
        bool inside = i > 0 && i + 1 < text.n && is_letter(b) && is_letter(text.p[i - 1]) &&
                      is_letter(text.p[i + 1]);
        uint64_t dice = inside ? sl_prng_below(prng, 90) : 9;
        if (dice == 0) {
            continue;
        }
        if (dice == 1) {
            SL_TRY(sl_buf_add_byte(out, b));
        }
        if (dice == 2) {
            SL_TRY(sl_buf_add_byte(out, text.p[i + 1]));
            SL_TRY(sl_buf_add_byte(out, b));
            i++;
            continue;
        }
        SL_TRY(sl_buf_add_byte(out, b));
    }
    return SL_DONE;
}
