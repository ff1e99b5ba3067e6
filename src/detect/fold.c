/* The folding step (fold.h). It must never drop a visible byte and never read past the text.
 * Compatibility forms come from utf8proc's decomposition; lookalikes from our own table of the
 * scripts that matter, in the spirit of UTS #39 but chosen by hand. Design: README.md here. */
#include "detect/fold.h"

#include <utf8proc.h>

#include "base/utf8.h"

#define FOLD_BYTES_MAX ((size_t)1 << 31)
#define PAYLOAD_BYTES_MAX ((size_t)65536)

/* ---- single characters ------------------------------------------------------------------ */

typedef struct {
    uint16_t from;
    char to;
} lookalike;

/* Sorted by code point. */
static const lookalike LOOKALIKES[] = {
    { 0x0131, 'i' }, { 0x017F, 's' }, { 0x0237, 'j' }, { 0x0251, 'a' }, { 0x0261, 'g' },
    { 0x0262, 'G' }, { 0x0269, 'i' }, { 0x026A, 'I' }, { 0x0274, 'N' }, { 0x0280, 'R' },
    { 0x028F, 'Y' }, { 0x0299, 'B' }, { 0x029C, 'H' }, { 0x029F, 'L' }, { 0x0391, 'A' },
    { 0x0392, 'B' }, { 0x0395, 'E' }, { 0x0396, 'Z' }, { 0x0397, 'H' }, { 0x0399, 'I' },
    { 0x039A, 'K' }, { 0x039C, 'M' }, { 0x039D, 'N' }, { 0x039F, 'O' }, { 0x03A1, 'P' },
    { 0x03A4, 'T' }, { 0x03A5, 'Y' }, { 0x03A7, 'X' }, { 0x03B1, 'a' }, { 0x03B5, 'e' },
    { 0x03B9, 'i' }, { 0x03BA, 'k' }, { 0x03BD, 'v' }, { 0x03BF, 'o' }, { 0x03C1, 'p' },
    { 0x03C4, 't' }, { 0x03C5, 'u' }, { 0x03C7, 'x' }, { 0x03F2, 'c' }, { 0x03F3, 'j' },
    { 0x0405, 'S' }, { 0x0406, 'I' }, { 0x0408, 'J' }, { 0x0410, 'A' }, { 0x0412, 'B' },
    { 0x0415, 'E' }, { 0x041A, 'K' }, { 0x041C, 'M' }, { 0x041D, 'H' }, { 0x041E, 'O' },
    { 0x0420, 'P' }, { 0x0421, 'C' }, { 0x0422, 'T' }, { 0x0423, 'Y' }, { 0x0425, 'X' },
    { 0x0430, 'a' }, { 0x0432, 'b' }, { 0x0433, 'r' }, { 0x0435, 'e' }, { 0x0438, 'u' },
    { 0x043A, 'k' }, { 0x043C, 'm' }, { 0x043D, 'h' }, { 0x043E, 'o' }, { 0x043F, 'n' },
    { 0x0440, 'p' }, { 0x0441, 'c' }, { 0x0442, 't' }, { 0x0443, 'y' }, { 0x0445, 'x' },
    { 0x0455, 's' }, { 0x0456, 'i' }, { 0x0458, 'j' }, { 0x0475, 'v' }, { 0x04AE, 'Y' },
    { 0x04AF, 'y' }, { 0x04BA, 'H' }, { 0x04BB, 'h' }, { 0x04C0, 'I' }, { 0x04CF, 'l' },
    { 0x0501, 'd' }, { 0x050C, 'G' }, { 0x051B, 'q' }, { 0x051C, 'W' }, { 0x051D, 'w' },
    { 0x0555, 'O' }, { 0x0561, 'w' }, { 0x0563, 'q' }, { 0x0566, 'q' }, { 0x0570, 'h' },
    { 0x0578, 'n' }, { 0x057D, 'u' }, { 0x0581, 'g' }, { 0x0584, 'f' }, { 0x0585, 'o' },
    { 0x13A0, 'D' }, { 0x13A1, 'R' }, { 0x13A2, 'T' }, { 0x13AA, 'A' }, { 0x13AB, 'J' },
    { 0x13AC, 'E' }, { 0x13B3, 'W' }, { 0x13B7, 'M' }, { 0x13BB, 'H' }, { 0x13C0, 'G' },
    { 0x13C3, 'Z' }, { 0x13CF, 'b' }, { 0x13D2, 'R' }, { 0x13D4, 'W' }, { 0x13D5, 'S' },
    { 0x13D9, 'V' }, { 0x13DA, 'S' }, { 0x13DE, 'L' }, { 0x13DF, 'C' }, { 0x13E2, 'P' },
    { 0x13E6, 'K' }, { 0x13F4, 'B' }, { 0x1D00, 'A' }, { 0x1D04, 'C' }, { 0x1D05, 'D' },
    { 0x1D07, 'E' }, { 0x1D0A, 'J' }, { 0x1D0B, 'K' }, { 0x1D0D, 'M' }, { 0x1D0F, 'O' },
    { 0x1D18, 'P' }, { 0x1D1B, 'T' }, { 0x1D1C, 'U' }, { 0x1D20, 'V' }, { 0x1D21, 'W' },
    { 0x1D22, 'Z' }, { 0x2C9F, 'o' }, { 0xA730, 'F' }, { 0xA731, 'S' },
};

static char lookalike_of(uint32_t cp)
{
    size_t low = 0;
    size_t high = SL_COUNT_OF(LOOKALIKES);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (LOOKALIKES[mid].from < cp) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < SL_COUNT_OF(LOOKALIKES) && LOOKALIKES[low].from == cp ? LOOKALIKES[low].to : 0;
}

static bool in(uint32_t cp, uint32_t low, uint32_t high)
{
    return cp >= low && cp <= high;
}

/* Alike only to a hasty reader: they count inside Latin words, never in a word of their own script. */
static bool is_weak_lookalike(uint32_t cp)
{
    return cp == 0x0432 || cp == 0x0433 || cp == 0x0438 || in(cp, 0x043C, 0x043D) || cp == 0x043F ||
           cp == 0x0442 || cp == 0x03C5 || cp == 0x03B1 || cp == 0x03B5 || cp == 0x03BD;
}

/* Scripts whose letters are mapped only inside Latin or wholly lookalike words. */
static bool is_foreign(uint32_t cp)
{
    return in(cp, 0x0370, 0x058F) || in(cp, 0x13A0, 0x13FF) || in(cp, 0x2C80, 0x2CFF);
}

static bool is_tag(uint32_t cp)
{
    return in(cp, 0xE0000, 0xE007F);
}

static bool is_selector(uint32_t cp)
{
    return in(cp, 0xFE00, 0xFE0F) || in(cp, 0xE0100, 0xE01EF);
}

static bool is_zero_width(uint32_t cp)
{
    return in(cp, 0x200B, 0x200D) || in(cp, 0x2060, 0x2064) || cp == 0xFEFF || cp == 0x180E;
}

static bool is_override(uint32_t cp)
{
    return cp == 0x202D || cp == 0x202E;
}

/* Characters that show nothing and join nothing a reader sees. */
static bool is_invisible(uint32_t cp)
{
    return cp == 0x00AD || cp == 0x034F || cp == 0x061C || in(cp, 0x115F, 0x1160) ||
           in(cp, 0x17B4, 0x17B5) || in(cp, 0x180B, 0x180E) || in(cp, 0x200B, 0x200F) ||
           in(cp, 0x202A, 0x202E) || in(cp, 0x2060, 0x206F) || cp == 0x3164 ||
           in(cp, 0xFE00, 0xFE0F) || cp == 0xFEFF || cp == 0xFFA0 || in(cp, 0xFFF9, 0xFFFB) ||
           in(cp, 0x1BCA0, 0x1BCA3) || in(cp, 0x1D173, 0x1D17A) || in(cp, 0xE0000, 0xE0FFF);
}

/* Marks that sit on Latin, Greek and Cyrillic letters; vowels of other scripts stay. */
static bool is_mark(uint32_t cp)
{
    return in(cp, 0x0300, 0x036F) || in(cp, 0x0483, 0x0489) || in(cp, 0x1AB0, 0x1AFF) ||
           in(cp, 0x1DC0, 0x1DFF) || in(cp, 0x20D0, 0x20FF) || in(cp, 0xFE20, 0xFE2F);
}

/* Zero of the decimal digits of other scripts, each block ten long. */
static char other_digit(uint32_t cp)
{
    static const uint16_t ZEROS[] = { 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66,
                                      0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
                                      0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810 };
    for (size_t i = 0; i < SL_COUNT_OF(ZEROS); i++) {
        if (in(cp, ZEROS[i], (uint32_t)ZEROS[i] + 9)) {
            return (char)('0' + (cp - ZEROS[i]));
        }
    }
    return 0;
}

/* Punctuation and letters that decomposition leaves alone; 0 if there is nothing to say. */
static char plain_of(uint32_t cp)
{
    static const lookalike PLAIN[] = {
        { 0x00A0, ' ' }, { 0x00C6, 'A' }, { 0x00D0, 'D' },  { 0x00D8, 'O' },  { 0x00DE, 'T' },
        { 0x00E6, 'a' }, { 0x00F0, 'd' }, { 0x00F8, 'o' },  { 0x00FE, 't' },  { 0x0110, 'D' },
        { 0x0111, 'd' }, { 0x0126, 'H' }, { 0x0127, 'h' },  { 0x0141, 'L' },  { 0x0142, 'l' },
        { 0x0166, 'T' }, { 0x0167, 't' }, { 0x02B9, '\'' }, { 0x02BC, '\'' }, { 0x066A, '%' },
        { 0x06D4, '.' }, { 0x2024, '.' }, { 0x2027, '.' },  { 0x2028, '\n' }, { 0x2029, '\n' },
        { 0x202F, ' ' }, { 0x2043, '-' }, { 0x2044, '/' },  { 0x205F, ' ' },  { 0x2212, '-' },
        { 0x2215, '/' }, { 0x2236, ':' }, { 0x29F8, '/' },  { 0x3000, ' ' },  { 0x3002, '.' },
        { 0xFE58, '-' }, { 0xFE63, '-' }, { 0xFF0D, '-' },  { 0xFF61, '.' },
    };
    for (size_t i = 0; i < SL_COUNT_OF(PLAIN); i++) {
        if (PLAIN[i].from == cp) {
            return PLAIN[i].to;
        }
    }
    if (in(cp, 0x2010, 0x2015)) {
        return '-';
    }
    if (in(cp, 0x2000, 0x200A)) {
        return ' ';
    }
    if (in(cp, 0x2018, 0x201B) || cp == 0x2032) {
        return '\'';
    }
    if (in(cp, 0x201C, 0x201F) || cp == 0x2033) {
        return '"';
    }
    if (in(cp, 0xFF01, 0xFF5E)) {
        return (char)(cp - 0xFF01 + 0x21);
    }
    if (in(cp, 0x1F150, 0x1F169)) {
        return (char)('A' + (cp - 0x1F150));
    }
    if (in(cp, 0x1F170, 0x1F189)) {
        return (char)('A' + (cp - 0x1F170));
    }
    return other_digit(cp);
}

/* Windows-1252 for bytes that are not UTF-8: 0x80..0x9F have letters and quotes of their own. */
static uint32_t legacy_of(uint8_t byte)
{
    static const uint16_t HIGH[32] = {
        0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
        0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
        0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178,
    };
    return byte >= 0x80 && byte < 0xA0 ? HIGH[byte - 0x80] : byte;
}

/* ---- reading code points, escapes decoded on request -------------------------------------- */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* `digits` hex digits at `at`; false if there are not so many. */
static bool hex_at(sl_view t, size_t at, size_t digits, uint32_t *ret)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        int h = at + i < t.n ? hex_value(t.p[at + i]) : -1;
        if (h < 0) {
            return false;
        }
        value = value * 16 + (uint32_t)h;
    }
    *ret = value;
    return true;
}

/* "%4A" and sequences of them that make one UTF-8 character. */
static size_t read_percent(sl_view t, size_t at, uint32_t *ret)
{
    uint8_t bytes[4];
    size_t n = 0;
    uint32_t byte = 0;
    while (n < 4 && at + 3 * n < t.n && t.p[at + 3 * n] == '%' &&
           hex_at(t, at + 3 * n + 1, 2, &byte)) {
        bytes[n++] = (uint8_t)byte;
    }
    if (n == 0) {
        return 0;
    }
    size_t length = 1;
    uint32_t cp = sl_utf8_next(sl_view_of(bytes, n), 0, &length);
    *ret = cp == SL_UTF8_BAD ? legacy_of(bytes[0]) : cp;
    return 3 * (cp == SL_UTF8_BAD ? 1 : length);
}

static const struct {
    const char *name;
    char c;
} ENTITIES[] = {
    { "amp;", '&' },      { "lt;", '<' },    { "gt;", '>' },     { "quot;", '"' },
    { "apos;", '\'' },    { "nbsp;", ' ' },  { "commat;", '@' }, { "period;", '.' },
    { "colon;", ':' },    { "sol;", '/' },   { "num;", '#' },    { "lpar;", '(' },
    { "rpar;", ')' },     { "plus;", '+' },  { "hyphen;", '-' }, { "lowbar;", '_' },
    { "excl;", '!' },     { "lsqb;", '[' },  { "rsqb;", ']' },   { "equals;", '=' },
    { "quest;", '?' },    { "comma;", ',' }, { "percnt;", '%' }, { "Tab;", '\t' },
    { "NewLine;", '\n' }, { "shy;", '-' },
};

static size_t read_entity(sl_view t, size_t at, uint32_t *ret)
{
    if (at + 1 < t.n && t.p[at + 1] == '#') {
        bool hex = at + 2 < t.n && (t.p[at + 2] == 'x' || t.p[at + 2] == 'X');
        size_t i = at + (hex ? 3 : 2);
        size_t first = i;
        uint32_t value = 0;
        for (; i < t.n && i - first < 8; i++) {
            int d = hex_value(t.p[i]);
            if (d < 0 || (!hex && d > 9)) {
                break;
            }
            value = value * (hex ? 16 : 10) + (uint32_t)d;
        }
        bool ended = i < t.n && t.p[i] == ';';
        if (i == first || value == 0 || value > 0x10FFFF || in(value, 0xD800, 0xDFFF)) {
            return 0;
        }
        *ret = value;
        return i - at + (ended ? 1 : 0);
    }
    sl_view rest = sl_view_sub(t, at + 1, at + 10);
    for (size_t k = 0; k < SL_COUNT_OF(ENTITIES); k++) {
        if (sl_view_starts(rest, sl_view_str(ENTITIES[k].name))) {
            *ret = (uint8_t)ENTITIES[k].c;
            return 1 + strlen(ENTITIES[k].name);
        }
    }
    return 0;
}

/* \u0041, surrogate pairs, \u{1F600}, \U0001F600, \x41. */
static size_t read_backslash(sl_view t, size_t at, uint32_t *ret)
{
    uint32_t value = 0;
    uint8_t kind = at + 1 < t.n ? t.p[at + 1] : 0;
    size_t used = 0;
    if (kind == 'x' && hex_at(t, at + 2, 2, &value)) {
        used = 4;
    } else if (kind == 'U' && hex_at(t, at + 2, 8, &value)) {
        used = 10;
    } else if (kind == 'u' && hex_at(t, at + 2, 4, &value)) {
        used = 6;
        uint32_t low = 0;
        if (in(value, 0xD800, 0xDBFF) && at + 7 < t.n && t.p[at + 6] == '\\' &&
            t.p[at + 7] == 'u' && hex_at(t, at + 8, 4, &low) && in(low, 0xDC00, 0xDFFF)) {
            value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
            used = 12;
        }
    } else if (kind == 'u' && at + 2 < t.n && t.p[at + 2] == '{') {
        size_t i = at + 3;
        for (; i < t.n && i < at + 9 && hex_value(t.p[i]) >= 0; i++) {
            value = value * 16 + (uint32_t)hex_value(t.p[i]);
        }
        used = i < t.n && i > at + 3 && t.p[i] == '}' ? i - at + 1 : 0;
    }
    if (used == 0 || value > 0x10FFFF || in(value, 0xD800, 0xDFFF)) {
        return 0;
    }
    *ret = value;
    return used;
}

static size_t read_escape(sl_view t, size_t at, uint32_t *ret)
{
    switch (t.p[at]) {
    case '%':
        return read_percent(t, at, ret);
    case '&':
        return read_entity(t, at, ret);
    case '\\':
        return read_backslash(t, at, ret);
    default:
        return 0;
    }
}

bool sl_fold_has_escapes(sl_view text)
{
    static const uint8_t SIGNS[] = { '%', '&', '\\' };
    for (size_t k = 0; k < SL_COUNT_OF(SIGNS); k++) {
        uint32_t cp = 0;
        for (size_t i = sl_view_find_byte(text, SIGNS[k], 0); i < text.n;
             i = sl_view_find_byte(text, SIGNS[k], i + 1)) {
            if (read_escape(text, i, &cp) != 0) {
                return true;
            }
        }
    }
    return false;
}

static uint32_t read_one(sl_view t, size_t at, bool escapes, size_t *ret_length)
{
    uint32_t cp = 0;
    if (escapes) {
        size_t used = read_escape(t, at, &cp);
        if (used != 0) {
            *ret_length = used;
            return cp;
        }
    }
    if (t.p[at] < 0x80) {
        *ret_length = 1;
        return t.p[at];
    }
    cp = sl_utf8_next(t, at, ret_length);
    return cp == SL_UTF8_BAD ? legacy_of(t.p[at]) : cp;
}

/* ---- the pass ------------------------------------------------------------------------------ */

typedef struct {
    sl_view text;
    bool escapes;
    sl_fold_work *work;
    sl_findings *hidden;
    size_t word_end;     /* of the word last judged */
    bool word_maps;      /* lookalikes in it become Latin */
    size_t hidden_start; /* of the open run of invisible characters */
    size_t hidden_count;
    size_t tags;
    size_t selectors;
    size_t zero_width;
    size_t interleaved; /* invisible characters between ASCII letters of the open word */
    size_t interleaved_start;
    uint32_t before_hidden; /* the visible character before the run */
    size_t payload_at;
    uint8_t bits;
    unsigned bit_count;
} pass;

static sl_res emit(pass *s, const uint8_t *bytes, size_t n, size_t origin)
{
    sl_fold_work *w = s->work;
    SL_TRY(sl_buf_reserve(&w->text, n));
    if (w->text.n + n + 1 > w->map_cap) {
        size_t cap = (w->text.n + n + 64) * 2;
        uint32_t *map = realloc(w->map, cap * sizeof *map);
        SL_NEED(map != NULL, SL_E_MEMORY);
        w->map = map;
        w->map_cap = cap;
    }
    for (size_t i = 0; i < n; i++) {
        w->map[w->text.n] = (uint32_t)origin;
        w->text.p[w->text.n++] = bytes[i];
    }
    return SL_DONE;
}

static sl_res emit_cp(pass *s, uint32_t cp, size_t origin)
{
    uint8_t out[4];
    size_t n = sl_utf8_encode(cp, out);
    return n == 0 ? SL_DONE : emit(s, out, n, origin);
}

static bool is_ascii_alnum(uint32_t cp)
{
    return in(cp, '0', '9') || in(cp, 'A', 'Z') || in(cp, 'a', 'z');
}

/* Looks at the whole word around a lookalike once and remembers what it says. */
static void judge_word(pass *s, size_t at)
{
    size_t latin = 0;
    size_t alike = 0;
    size_t own = 0;
    size_t weak = 0;
    size_t start = at;
    while (start > 0 && at - start < 64 && is_ascii_alnum(s->text.p[start - 1])) {
        start--;
        latin++;
    }
    size_t i = at;
    while (i < s->text.n && i - at < 256) {
        size_t length = 1;
        uint32_t cp = read_one(s->text, i, s->escapes, &length);
        if (is_ascii_alnum(cp)) {
            latin++;
        } else if (lookalike_of(cp) != 0) {
            alike++;
            weak += is_weak_lookalike(cp);
        } else if (is_foreign(cp)) {
            own++;
        } else if (!is_invisible(cp) && !is_mark(cp) && cp < 0xC0) {
            break;
        }
        i += length;
    }
    s->word_end = i;
    s->word_maps = (own == 0 && (latin > 0 || weak == 0)) || latin > own;
    bool mixed = latin > 0 && alike > 0 && own == 0 && is_foreign(read_one(s->text, at, false, &i));
    if (mixed && latin + alike >= 4 && s->hidden != NULL) {
        sl_finding f = { .start = start,
                         .end = s->word_end,
                         .attribution = SL_NO_ATTRIBUTION,
                         .rule = SL_NO_RULE,
                         .policy_rule = SL_NO_RULE,
                         .score_permille = 600,
                         .detector = SL_DETECTOR_FOLD,
                         .kind = SL_CLASS_HOMOGLYPH,
                         .view = SL_VIEW_FOLDED };
        sl_res r = sl_findings_add(s->hidden, f);
        (void)r.code;
    }
}

static sl_res hidden_finding(pass *s, sl_class kind, size_t start, size_t end, uint16_t score)
{
    if (s->hidden == NULL) {
        return SL_DONE;
    }
    return sl_findings_add(s->hidden, (sl_finding){ .start = start,
                                                    .end = end,
                                                    .attribution = SL_NO_ATTRIBUTION,
                                                    .rule = SL_NO_RULE,
                                                    .policy_rule = SL_NO_RULE,
                                                    .score_permille = score,
                                                    .detector = SL_DETECTOR_FOLD,
                                                    .kind = (uint8_t)kind,
                                                    .view = SL_VIEW_HIDDEN });
}

/* One invisible character joins the open run; what it may carry goes to the payload. */
static void hidden_take(pass *s, uint32_t cp, size_t at)
{
    sl_buf *payload = &s->work->payload;
    if (s->hidden_count == 0) {
        s->hidden_start = at;
        s->tags = s->selectors = s->zero_width = 0;
        s->bits = 0;
        s->bit_count = 0;
        s->payload_at = payload->n;
    }
    s->hidden_count++;
    int byte = -1;
    if (in(cp, 0xE0020, 0xE007E)) {
        s->tags++;
        byte = (int)(cp - 0xE0000);
    } else if (is_tag(cp)) {
        s->tags++;
    } else if (is_selector(cp)) {
        s->selectors++;
        byte = cp <= 0xFE0F ? (int)(cp - 0xFE00) : (int)(cp - 0xE0100 + 16);
    } else if (is_zero_width(cp)) {
        s->zero_width++;
        s->bits = (uint8_t)((s->bits << 1) | (cp == 0x200B ? 0 : 1));
        if (++s->bit_count == 8) {
            byte = s->bits;
            s->bit_count = 0;
        }
    }
    if (byte >= 0 && payload->n < PAYLOAD_BYTES_MAX) {
        sl_res r = sl_buf_add_byte(payload, (uint8_t)byte);
        (void)r.code;
    }
}

/* The run of invisible characters ends before `at`: is it a payload or ordinary typography? */
static sl_res hidden_end(pass *s, size_t at, uint32_t next)
{
    if (s->hidden_count == 0) {
        return SL_DONE;
    }
    /* A black flag with at most six tags is the flag of a part of a country. */
    bool flag = s->before_hidden == 0x1F3F4 && s->tags <= 7;
    bool carries = (s->tags >= 2 && !flag) || s->selectors >= 3 || s->zero_width >= 8;
    if (carries) {
        SL_TRY(hidden_finding(s, SL_CLASS_INVISIBLE_TEXT, s->hidden_start, at, 950));
        SL_TRY(sl_buf_add_byte(&s->work->payload, '\n'));
    } else {
        s->work->payload.n = s->payload_at;
    }
    if (is_ascii_alnum(s->before_hidden) && is_ascii_alnum(next)) {
        if (s->interleaved == 0) {
            s->interleaved_start = s->hidden_start;
        }
        s->interleaved++;
    }
    s->hidden_count = 0;
    return SL_DONE;
}

static sl_res word_break(pass *s, size_t at)
{
    size_t count = s->interleaved;
    s->interleaved = 0;
    return count < 3 ? SL_DONE
                     : hidden_finding(s, SL_CLASS_INVISIBLE_TEXT, s->interleaved_start, at, 900);
}

/* A character beyond ASCII that is seen: its plain form, or itself. */
static sl_res fold_visible(pass *s, uint32_t cp, size_t at)
{
    char plain = plain_of(cp);
    if (plain != 0) {
        return emit_cp(s, (uint8_t)plain, at);
    }
    char alike = lookalike_of(cp);
    if (alike != 0 || is_foreign(cp)) {
        if (at >= s->word_end) {
            judge_word(s, at);
        }
        bool latin = alike != 0 && (s->word_maps || !is_foreign(cp));
        return emit_cp(s, latin ? (uint8_t)alike : cp, at);
    }
    utf8proc_int32_t parts[24];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(
        (utf8proc_int32_t)cp, parts, 24, (utf8proc_option_t)(UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE),
        &boundary);
    if (n <= 0 || n > 24 || in(cp, 0xAC00, 0xD7A3)) {
        return emit_cp(s, cp, at);
    }
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        uint32_t part = (uint32_t)parts[i];
        if (is_mark(part) || is_invisible(part)) {
            continue;
        }
        char p = part < 0x80 ? (char)part : plain_of(part);
        SL_TRY(emit_cp(s, p != 0 ? (uint8_t)p : part, at));
    }
    return SL_DONE;
}

static sl_res fold_one(pass *s, uint32_t cp, size_t at)
{
    if (is_override(cp)) {
        SL_TRY(hidden_finding(s, SL_CLASS_BIDI, at, at + 3 <= s->text.n ? at + 3 : s->text.n, 900));
    }
    if (cp >= 0x80 && is_invisible(cp)) {
        hidden_take(s, cp, at);
        return SL_DONE;
    }
    SL_TRY(hidden_end(s, at, cp));
    if (is_mark(cp)) {
        return SL_DONE;
    }
    s->before_hidden = cp;
    if (cp < 0x80) {
        if (s->interleaved != 0 && !is_ascii_alnum(cp)) {
            SL_TRY(word_break(s, at));
        }
        uint8_t byte = (uint8_t)cp;
        return emit(s, &byte, 1, at);
    }
    return fold_visible(s, cp, at);
}

static bool is_ascii(sl_view t)
{
    size_t i = 0;
    for (; i + 8 <= t.n; i += 8) {
        if ((sl_get_le64(t.p + i) & 0x8080808080808080U) != 0) {
            return false;
        }
    }
    for (; i < t.n; i++) {
        if (t.p[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static size_t ascii_run(sl_view t, size_t at)
{
    size_t i = at;
    while (i < t.n && t.p[i] < 0x80) {
        i++;
    }
    return i - at;
}

/* A run of plain characters at once: they fold to themselves. */
static sl_res emit_ascii(pass *s, size_t at, size_t n)
{
    size_t begin = s->work->text.n;
    SL_TRY(emit(s, s->text.p + at, n, at));
    for (size_t i = 0; i < n; i++) {
        s->work->map[begin + i] = (uint32_t)(at + i);
    }
    s->before_hidden = s->text.p[at + n - 1];
    return SL_DONE;
}

sl_res sl_fold(sl_view text, bool escapes, sl_fold_work *work, sl_folded *ret_folded,
               sl_findings *hidden)
{
    SL_NEED(text.n < FOLD_BYTES_MAX, SL_E_LIMIT);
    sl_buf_clear(&work->payload);
    if (!escapes && is_ascii(text)) {
        *ret_folded = (sl_folded){ .text = text };
        return SL_DONE;
    }
    /* A compatibility ligature may grow up to 18-fold; escapes only shrink. */
    work->text.max = text.n * 20 + 64;
    work->payload.max = PAYLOAD_BYTES_MAX * 2;
    sl_buf_clear(&work->text);
    pass s = { .text = text, .escapes = escapes, .work = work, .hidden = hidden };
    for (size_t at = 0; at < text.n;) {
        size_t plain =
            escapes || s.hidden_count != 0 || s.interleaved != 0 ? 0 : ascii_run(text, at);
        if (plain > 1) {
            SL_TRY(emit_ascii(&s, at, plain));
            at += plain;
            continue;
        }
        size_t length = 1;
        uint32_t cp = read_one(text, at, escapes, &length);
        SL_TRY(fold_one(&s, cp, at));
        at += length;
    }
    SL_TRY(hidden_end(&s, text.n, 0));
    SL_TRY(word_break(&s, text.n));
    SL_TRY(emit(&s, (const uint8_t *)"", 0, text.n));
    work->map[work->text.n] = (uint32_t)text.n;
    *ret_folded = (sl_folded){ .text = sl_buf_view(&work->text), .map = work->map };
    return SL_DONE;
}

size_t sl_folded_start(const sl_folded *folded, size_t at)
{
    return folded->map == NULL ? at : folded->map[at];
}

size_t sl_folded_end(const sl_folded *folded, size_t end)
{
    if (folded->map == NULL || end == 0) {
        return end;
    }
    size_t origin = folded->map[end - 1];
    while (end < folded->text.n && folded->map[end] == origin) {
        end++;
    }
    return folded->map[end];
}

size_t sl_fold_back(sl_view text, size_t end, size_t chars)
{
    size_t at = end < text.n ? end : text.n;
    while (at > 0 && chars > 0) {
        if (at >= 8 && chars >= 8 &&
            (sl_get_le64(text.p + at - 8) & UINT64_C(0x8080808080808080)) == 0) {
            at -= 8;
            chars -= 8;
            continue;
        }
        if (text.p[at - 1] < 0x80) {
            at--;
            chars--;
            continue;
        }
        size_t start = at - 1;
        while (start > 0 && at - start < 4 && (text.p[start] & 0xC0) == 0x80) {
            start--;
        }
        size_t length = 1;
        uint32_t cp = sl_utf8_next(text, start, &length);
        if (cp == SL_UTF8_BAD || start + length != at) {
            start = at - 1;
            cp = text.p[start];
        }
        if (!is_invisible(cp) && !is_mark(cp)) {
            chars--;
        }
        at = start;
    }
    return at;
}

void sl_fold_work_free(sl_fold_work *work)
{
    sl_buf_free(&work->text);
    sl_buf_free(&work->payload);
    free(work->map);
    *work = (sl_fold_work){ 0 };
}
