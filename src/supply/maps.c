/* Reading smaps (maps.h): a line of addresses, then lines "Name:   12 kB" until the next one. */
#include "supply/maps.h"

static sl_res parse_hex(sl_view text, uint64_t *ret)
{
    uint64_t value = 0;
    SL_NEED(text.n > 0 && text.n <= 16, SL_E_SYNTAX);
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        bool digit = c >= '0' && c <= '9';
        SL_NEED(digit || (c >= 'a' && c <= 'f'), SL_E_SYNTAX);
        value = value << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *ret = value;
    return SL_DONE;
}

static sl_view skip_blanks(sl_view v)
{
    while (v.n > 0 && v.p[0] == ' ') {
        v = sl_view_sub(v, 1, v.n);
    }
    return v;
}

/* The first line of a mapping: "55d0-55e0 r--p 00000000 08:01 1311    /path". */
static sl_res parse_head(sl_view line, sl_mapping *ret)
{
    sl_view word;
    sl_view part;
    sl_view rest;
    sl_view major;
    sl_view minor;
    uint64_t high = 0;
    uint64_t low = 0;
    SL_NEED(sl_view_cut(line, ' ', &word, &rest) && sl_view_cut(word, '-', &part, &word),
            SL_E_SYNTAX);
    SL_TRY(parse_hex(part, &ret->start));
    SL_TRY(parse_hex(word, &ret->end));
    SL_NEED(ret->start < ret->end && sl_view_cut(rest, ' ', &word, &rest) && word.n == 4,
            SL_E_SYNTAX);
    ret->executable = word.p[2] == 'x';
    SL_NEED(sl_view_cut(rest, ' ', &word, &rest), SL_E_SYNTAX); /* the offset */
    SL_NEED(sl_view_cut(rest, ' ', &word, &rest) && sl_view_cut(word, ':', &major, &minor),
            SL_E_SYNTAX);
    SL_TRY(parse_hex(major, &high));
    SL_TRY(parse_hex(minor, &low));
    SL_NEED(high <= UINT32_MAX && low <= UINT32_MAX, SL_E_SYNTAX);
    ret->device = high << 32 | low;
    (void)sl_view_cut(rest, ' ', &word, &rest);
    SL_TRY(sl_parse_u64(word, INT64_MAX, &ret->inode));
    ret->path = skip_blanks(rest);
    ret->deleted = sl_view_ends(ret->path, SL_LIT(" (deleted)"));
    ret->path.n -= ret->deleted ? strlen(" (deleted)") : 0;
    return SL_DONE;
}

/* "Anonymous:      12 kB": a detail of the mapping above; names of details begin with a capital. */
static bool is_detail(sl_view line)
{
    return line.n > 0 && line.p[0] >= 'A' && line.p[0] <= 'Z';
}

static void parse_detail(sl_view line, sl_mapping *m)
{
    sl_view name;
    sl_view value;
    sl_view number;
    sl_view unit;
    uint64_t kb = 0;
    if (!sl_view_cut(line, ':', &name, &value) || !sl_view_eq_str(name, "Anonymous")) {
        return;
    }
    (void)sl_view_cut(skip_blanks(value), ' ', &number, &unit);
    if (sl_ok(sl_parse_u64(number, INT64_MAX, &kb))) {
        m->changed_kb = kb;
    }
}

sl_res sl_maps_next(sl_view *text, bool *ret_more, sl_mapping *ret)
{
    sl_view line;
    sl_view rest;
    while (text->n > 0) {
        sl_mapping m = { 0 };
        (void)sl_view_cut(*text, '\n', &line, &rest);
        SL_TRY(parse_head(line, &m));
        *text = rest;
        while (text->n > 0) {
            (void)sl_view_cut(*text, '\n', &line, &rest);
            if (!is_detail(line)) {
                break;
            }
            parse_detail(line, &m);
            *text = rest;
        }
        if (m.inode != 0 && m.path.n > 0 && m.path.p[0] == '/') {
            *ret = m;
            *ret_more = true;
            return SL_DONE;
        }
    }
    *ret_more = false;
    return SL_DONE;
}
