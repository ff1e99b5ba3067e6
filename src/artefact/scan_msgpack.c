/* MessagePack as Flax saves parameters: maps of names to arrays. The types of its own that Flax reads (arrays,
 * complex numbers, scalars) are data; any other is for code that is not here to judge.
 * Source: the MessagePack specification; flax/serialization.py. */
#include "artefact/format_parts.h"

#define DEPTH_MAX 256u
#define TRIAL_BYTES_MAX ((uint64_t)16 << 20)

typedef struct {
    sl_scan *scan;
    sl_cursor at;
    uint64_t left[DEPTH_MAX];
    unsigned depth;
} reader;

static sl_res big_endian(reader *r, unsigned bytes, uint64_t *ret_value)
{
    sl_view v = { 0 };
    SL_TRY(sl_cursor_take(&r->at, bytes, &v));
    *ret_value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        *ret_value = *ret_value << 8 | v.p[i];
    }
    return SL_DONE;
}

static sl_res push(reader *r, uint64_t items)
{
    if (items > sl_cursor_left(&r->at)) {
        return sl_fail_at(SL_E_TRUNCATED, "msgpack items", r->at.at);
    }
    if (r->depth == DEPTH_MAX) {
        return sl_fail_at(SL_E_DEPTH, "msgpack depth", r->at.at);
    }
    r->left[r->depth++] = items;
    return SL_DONE;
}

static sl_res skip_extension(reader *r, uint64_t bytes)
{
    uint8_t type = 0;
    uint64_t at = r->at.at;
    SL_TRY(sl_cursor_u8(&r->at, &type));
    if (r->scan != NULL && (type < 1 || type > 3)) {
        sl_scan_reportf(r->scan, SL_RULE_MSGPACK_TYPE, at, "type %u", type);
    }
    return sl_cursor_skip(&r->at, bytes);
}

/* What follows a length of `bytes` bytes: text and blobs, arrays, maps, types of their own. */
static sl_res read_long(reader *r, uint8_t tag)
{
    uint64_t n = 0;
    switch (tag) {
    case 0xC4:
    case 0xC5:
    case 0xC6:
        SL_TRY(big_endian(r, 1u << (tag - 0xC4), &n));
        return sl_cursor_skip(&r->at, n);
    case 0xC7:
    case 0xC8:
    case 0xC9:
        SL_TRY(big_endian(r, 1u << (tag - 0xC7), &n));
        return skip_extension(r, n);
    case 0xD9:
    case 0xDA:
    case 0xDB:
        SL_TRY(big_endian(r, 1u << (tag - 0xD9), &n));
        return sl_cursor_skip(&r->at, n);
    case 0xDC:
    case 0xDD:
        SL_TRY(big_endian(r, 2u << (tag - 0xDC), &n));
        return push(r, n);
    case 0xDE:
    case 0xDF:
        SL_TRY(big_endian(r, 2u << (tag - 0xDE), &n));
        return push(r, 2 * n);
    default:
        return sl_fail_at(SL_E_SYNTAX, "msgpack tag", r->at.at - 1);
    }
}

static sl_res read_value(reader *r)
{
    static const uint8_t fixed[] = { [0xCA - 0xC0] = 4, [0xCB - 0xC0] = 8, [0xCC - 0xC0] = 1,
                                     [0xCD - 0xC0] = 2, [0xCE - 0xC0] = 4, [0xCF - 0xC0] = 8,
                                     [0xD0 - 0xC0] = 1, [0xD1 - 0xC0] = 2, [0xD2 - 0xC0] = 4,
                                     [0xD3 - 0xC0] = 8 };
    uint8_t tag = 0;
    SL_TRY(sl_cursor_u8(&r->at, &tag));
    if (r->scan != NULL) {
        SL_TRY(sl_scan_spend(r->scan, SL_SPEND_NODES, 1));
    }
    if (tag < 0x80 || tag >= 0xE0 || tag == 0xC0 || tag == 0xC2 || tag == 0xC3) {
        return SL_DONE;
    }
    if (tag < 0x90) {
        return push(r, 2 * (uint64_t)(tag & 15));
    }
    if (tag < 0xA0) {
        return push(r, tag & 15);
    }
    if (tag < 0xC0) {
        return sl_cursor_skip(&r->at, tag & 31);
    }
    if (tag >= 0xD4 && tag <= 0xD8) {
        return skip_extension(r, (uint64_t)1 << (tag - 0xD4));
    }
    if (tag - 0xC0u < sizeof(fixed) && fixed[tag - 0xC0] != 0) {
        return sl_cursor_skip(&r->at, fixed[tag - 0xC0]);
    }
    return read_long(r, tag);
}

static sl_res read_all(reader *r)
{
    SL_TRY(push(r, 1));
    while (r->depth > 0) {
        if (r->left[r->depth - 1] == 0) {
            r->depth--;
            continue;
        }
        r->left[r->depth - 1]--;
        SL_TRY(read_value(r));
    }
    return sl_cursor_left(&r->at) == 0 ? SL_DONE : sl_fail_at(SL_E_TRAILING, "msgpack", r->at.at);
}

/* A map whose first key is text. */
static bool begins_with_text(sl_view h)
{
    size_t at = h.n == 0                  ? 0
                : (h.p[0] & 0xF0) == 0x80 ? 1
                : h.p[0] == 0xDE          ? 3
                : h.p[0] == 0xDF          ? 5
                                          : 0;
    if (at == 0 || h.n < at + 3 || h.p[0] == 0x80) {
        return false;
    }
    uint8_t tag = h.p[at];
    size_t length = (tag & 0xE0) == 0xA0 ? tag & 31u : tag == 0xD9 ? h.p[at + 1] : 0;
    size_t text = at + (tag == 0xD9 ? 2 : 1);
    if (length == 0 || h.n < text + length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        uint8_t c = h.p[text + i];
        if (c < 0x20 || c >= 0x7F) {
            return false;
        }
    }
    return true;
}

/* Maps and lists of numbers have nothing that stands out (spaCy's tables of keys): they are known by
 * being read to their end. */
sl_identity sl_identify_msgpack(const sl_probe *probe)
{
    if (begins_with_text(probe->head)) {
        return SL_IDENTIFY_MAYBE;
    }
    uint8_t tag = probe->head.n == 0 ? 0 : probe->head.p[0];
    bool composed = (tag > 0x80 && tag < 0xA0) || (tag >= 0xDC && tag <= 0xDF);
    if (!composed || probe->size < 8 || probe->size > TRIAL_BYTES_MAX) {
        return SL_IDENTIFY_NO;
    }
    reader r = { .at = sl_cursor_over(probe->source) };
    return sl_ok(read_all(&r)) ? SL_IDENTIFY_MAYBE : SL_IDENTIFY_NO;
}

sl_res sl_scan_msgpack(sl_scan *scan, sl_source *source)
{
    reader r = { .scan = scan, .at = sl_cursor_over(source) };
    return read_all(&r);
}
