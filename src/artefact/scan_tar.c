/* Tar: headers of 512 bytes, members between them. Own reader, since members are parts of the file and
 * need no copy, and since links, devices and names that climb are what we look for. Formats: POSIX
 * ustar and pax, GNU long names. */
#include <string.h>

#include "artefact/scan_impl.h"

#define BLOCK ((size_t)512)
#define LONG_NAME_MAX ((uint64_t)65536)

typedef struct {
    sl_scan *scan;
    sl_source *source;
    uint64_t at;
    sl_buf long_name; /* of the next member, from a pax or GNU header; empty: none */
    uint64_t long_size;
    bool has_size;
} tar;

/* Octal with blanks or NULs around, or GNU's base 256. */
static bool number(sl_view field, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t i = 0;
    if (field.p[0] == 0x80) {
        for (i = 1; i < field.n; i++) {
            if (value >> 56 != 0) {
                return false;
            }
            value = value << 8 | field.p[i];
        }
        *ret_value = value;
        return true;
    }
    while (i < field.n && field.p[i] == ' ') {
        i++;
    }
    for (; i < field.n && field.p[i] >= '0' && field.p[i] <= '7'; i++) {
        value = value << 3 | (uint64_t)(field.p[i] - '0');
    }
    *ret_value = value;
    return i == field.n || field.p[i] == 0 || field.p[i] == ' ';
}

/* The sum of all bytes with its own field as blanks; old writers took bytes as signed. */
static bool summed(sl_view header)
{
    uint64_t want = 0;
    uint64_t plain = 0;
    int64_t with_sign = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        uint8_t c = i >= 148 && i < 156 ? ' ' : header.p[i];
        plain += c;
        with_sign += (int8_t)c;
    }
    return number(sl_view_sub(header, 148, 156), &want) &&
           (want == plain || (int64_t)want == with_sign);
}

static bool empty_block(sl_view block)
{
    for (size_t i = 0; i < block.n; i++) {
        if (block.p[i] != 0) {
            return false;
        }
    }
    return true;
}

sl_identity sl_identify_tar(const sl_probe *probe)
{
    if (probe->head.n < BLOCK) {
        return SL_IDENTIFY_NO;
    }
    bool magic = memcmp(probe->head.p + 257, "ustar", 5) == 0;
    bool named = probe->head.p[0] != 0;
    return named && summed(probe->head) ? magic ? SL_IDENTIFY_YES : SL_IDENTIFY_MAYBE
                                        : SL_IDENTIFY_NO;
}

static sl_view text_field(sl_view header, size_t from, size_t n)
{
    sl_view v = sl_view_sub(header, from, from + n);
    size_t end = sl_view_find_byte(v, 0, 0);
    return end == SIZE_MAX ? v : sl_view_sub(v, 0, end);
}

static sl_res name_of(tar *t, sl_view header, sl_buf *out)
{
    sl_view prefix =
        memcmp(header.p + 257, "ustar\0", 6) == 0 ? text_field(header, 345, 155) : (sl_view){ 0 };
    if (t->long_name.n != 0) {
        return sl_buf_add(out, sl_buf_view(&t->long_name));
    }
    SL_TRY(sl_buf_add(out, prefix));
    if (prefix.n != 0) {
        SL_TRY(sl_buf_add_byte(out, '/'));
    }
    return sl_buf_add(out, text_field(header, 0, 100));
}

/* A pax header's records, "LENGTH KEY=VALUE\n", as far as they concern us. */
static sl_res take_pax(tar *t, sl_view text)
{
    while (text.n != 0) {
        sl_view digits = { 0 };
        sl_view rest = { 0 };
        uint64_t n = 0;
        if (!sl_view_cut(text, ' ', &digits, &rest) || !sl_ok(sl_parse_u64(digits, text.n, &n)) ||
            n <= digits.n + 1) {
            return sl_fail_at(SL_E_SYNTAX, "pax record", t->at);
        }
        sl_view record = sl_view_sub(text, digits.n + 1, (size_t)n - 1);
        text = sl_view_sub(text, (size_t)n, text.n);
        if (sl_view_starts(record, SL_LIT("path="))) {
            sl_buf_clear(&t->long_name);
            SL_TRY(sl_buf_add(&t->long_name, sl_view_sub(record, 5, record.n)));
        } else if (sl_view_starts(record, SL_LIT("size="))) {
            t->has_size = true;
            SL_TRY(sl_parse_u64(sl_view_sub(record, 5, record.n), INT64_MAX, &t->long_size));
        }
    }
    return SL_DONE;
}

static sl_res take_about_next(tar *t, uint8_t type, uint64_t from, uint64_t size)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = LONG_NAME_MAX };
    sl_cursor c = sl_cursor_part(t->source, from, from + size);
    SL_TRY(sl_cursor_copy(&c, size, &text));
    if (type == 'x') {
        return take_pax(t, sl_buf_view(&text));
    }
    if (type == 'L') {
        sl_buf_clear(&t->long_name);
        sl_view name = sl_buf_view(&text);
        return sl_buf_add(&t->long_name, text_field(name, 0, name.n));
    }
    return SL_DONE; /* g, K: global records and names of link targets */
}

static sl_res take_member(tar *t, sl_view name, uint8_t type, uint64_t from, uint64_t size)
{
    SL_OWN(sl_source *, part, sl_source_free) = NULL;
    (void)sl_scan_path(t->scan, name, t->at);
    if (type == '1' || type == '2') {
        sl_scan_report(t->scan, SL_RULE_PATH_LINK, t->at, name);
        return SL_DONE;
    }
    if (type == '3' || type == '4' || type == '6') {
        sl_scan_report(t->scan, SL_RULE_PATH_DEVICE, t->at, name);
        return SL_DONE;
    }
    if (type == '5') {
        return SL_DONE;
    }
    if (type != '0' && type != 0 && type != '7') {
        sl_scan_partial(t->scan);
        sl_scan_report(t->scan, SL_RULE_TAR_TYPE, t->at, name);
    }
    SL_TRY(sl_source_part(t->source, from, size, &part));
    return sl_scan_member(t->scan, name, part);
}

static sl_res step(tar *t, sl_view header)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = LONG_NAME_MAX + 300 };
    uint64_t size = 0;
    uint8_t type = header.p[156];
    bool about = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    bool links = type >= '1' && type <= '6';
    if (!summed(header) || !number(sl_view_sub(header, 124, 136), &size)) {
        return sl_fail_at(SL_E_SYNTAX, "tar header", t->at);
    }
    SL_TRY(name_of(t, header, &name));
    size = !about && t->has_size ? t->long_size : size;
    size = links ? 0 : size;
    uint64_t from = t->at + BLOCK;
    if (size > sl_source_size(t->source) - from) {
        sl_scan_report(t->scan, SL_RULE_TAR_SIZE, t->at, sl_buf_view(&name));
        return sl_fail_at(SL_E_TRUNCATED, "tar member", t->at);
    }
    if (about) {
        SL_TRY(take_about_next(t, type, from, size));
    } else {
        SL_TRY(take_member(t, sl_buf_view(&name), type, from, size));
        sl_buf_clear(&t->long_name);
        t->has_size = false;
    }
    uint64_t padded = (size + BLOCK - 1) / BLOCK * BLOCK;
    uint64_t left = sl_source_size(t->source) - from;
    t->at = from + (padded < left ? padded : left);
    return SL_DONE;
}

/* Behind the end mark there are zeros, up to a multiple of the writer's block. */
static sl_res check_rest(tar *t)
{
    while (t->at < sl_source_size(t->source)) {
        sl_view v = { 0 };
        SL_TRY(sl_source_some(t->source, t->at, &v));
        if (!empty_block(v)) {
            SL_OWN(sl_source *, rest, sl_source_free) = NULL;
            sl_scan_report_str(t->scan, SL_RULE_TAR_TRAILING, t->at, "");
            SL_TRY(sl_source_part(t->source, t->at, sl_source_size(t->source) - t->at, &rest));
            return sl_scan_member_on_trial(t->scan, SL_LIT("(trailing)"), rest);
        }
        t->at += v.n;
    }
    return SL_DONE;
}

static void tar_end(tar *t)
{
    sl_buf_free(&t->long_name);
}

sl_res sl_scan_tar(sl_scan *scan, sl_source *source)
{
    SL_OWN(tar, t, tar_end) = { .scan = scan, .source = source };
    t.long_name.max = LONG_NAME_MAX;
    while (t.at < sl_source_size(source)) {
        sl_view v = { 0 };
        uint8_t header[BLOCK];
        SL_TRY(sl_source_need(source, t.at, BLOCK, &v));
        if (empty_block(v)) {
            return check_rest(&t);
        }
        memcpy(header, v.p, BLOCK);
        SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, 1));
        SL_TRY(step(&t, sl_view_of(header, BLOCK)));
    }
    return SL_DONE;
}
