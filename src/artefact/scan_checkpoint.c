/* Weights and records that TensorFlow keeps beside a model: the index of a checkpoint (a table of LevelDB),
 * its data shards and ONNX's external data (numbers only, known by their names), and files of records.
 * Nothing in them is run by a reader; what is checked is that they are what they say, to the last byte.
 * Source: LevelDB doc/table_format.md; tensorflow tensor_bundle.proto, record_writer. */
#include <string.h>

#include "artefact/format_parts.h"

#define FOOTER_BYTES ((size_t)48)
#define TRAILER_BYTES ((uint64_t)5) /* behind each block: its compression and check sum */
#define BLOCK_BYTES_MAX ((uint64_t)64 << 20)
#define RECORD_HEAD_BYTES ((size_t)12)

/* ---- the table ---- */

static const uint8_t table_magic[] = { 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb };

sl_identity sl_identify_checkpoint(const sl_probe *probe)
{
    sl_view tail = { 0 };
    bool good = probe->size > FOOTER_BYTES &&
                sl_ok(sl_source_need(probe->source, probe->size - 8, 8, &tail)) &&
                memcmp(tail.p, table_magic, sizeof table_magic) == 0;
    return good ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

typedef struct {
    uint64_t at;
    uint64_t n;
} handle;

static sl_res read_handle(sl_cursor *c, uint64_t end, handle *ret_handle)
{
    handle h = { 0 };
    SL_TRY(sl_cursor_varint(c, &h.at));
    SL_TRY(sl_cursor_varint(c, &h.n));
    bool fits = h.at <= end && h.n <= end - h.at && end - h.at - h.n >= TRAILER_BYTES;
    if (!fits || h.n < 4 || h.n > BLOCK_BYTES_MAX) {
        return sl_fail_at(SL_E_RANGE, "block", c->at);
    }
    *ret_handle = h;
    return SL_DONE;
}

/* The entries of one block: where they end, without the list of restarts. */
static sl_res open_block(sl_source *source, handle block, sl_cursor *ret_entries)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_need(source, block.at + block.n, 1, &v));
    if (v.p[0] != 0) {
        return sl_fail_at(SL_E_UNSUPPORTED, "compressed block", block.at);
    }
    SL_TRY(sl_source_need(source, block.at + block.n - 4, 4, &v));
    uint64_t restarts = sl_get_le32(v.p);
    if (restarts > (block.n - 4) / 4) {
        return sl_fail_at(SL_E_RANGE, "restarts", block.at);
    }
    *ret_entries = sl_cursor_part(source, block.at, block.at + block.n - 4 - 4 * restarts);
    return SL_DONE;
}

/* Passes over one entry and says where its value stands. */
static sl_res next_entry(sl_cursor *c, uint64_t *ret_from)
{
    uint64_t shared = 0;
    uint64_t own = 0;
    uint64_t value = 0;
    SL_TRY(sl_cursor_varint(c, &shared));
    SL_TRY(sl_cursor_varint(c, &own));
    SL_TRY(sl_cursor_varint(c, &value));
    SL_TRY(sl_cursor_skip(c, own));
    *ret_from = c->at;
    return sl_cursor_skip(c, value);
}

static sl_res read_block(sl_source *source, handle block)
{
    sl_cursor c;
    uint64_t from = 0;
    SL_TRY(open_block(source, block, &c));
    while (sl_cursor_left(&c) != 0) {
        SL_TRY(next_entry(&c, &from));
    }
    return SL_DONE;
}

/* The index: each value is the handle of a block, whose bytes are counted. */
static sl_res read_index(sl_source *source, handle index, uint64_t end, uint64_t *ret_blocks_n)
{
    sl_cursor c;
    uint64_t from = 0;
    SL_TRY(open_block(source, index, &c));
    while (sl_cursor_left(&c) != 0) {
        handle h = { 0 };
        SL_TRY(next_entry(&c, &from));
        sl_cursor inside = sl_cursor_part(source, from, c.at);
        SL_TRY(read_handle(&inside, end, &h));
        SL_TRY(read_block(source, h));
        *ret_blocks_n += h.n + TRAILER_BYTES;
    }
    return SL_DONE;
}

sl_res sl_scan_checkpoint(sl_scan *scan, sl_source *source)
{
    uint64_t end = sl_source_size(source) - FOOTER_BYTES;
    sl_cursor footer = sl_cursor_part(source, end, end + FOOTER_BYTES);
    handle about = { 0 };
    handle index = { 0 };
    uint64_t blocks_n = 0;
    SL_TRY(read_handle(&footer, end, &about));
    SL_TRY(read_handle(&footer, end, &index));
    SL_TRY(read_block(source, about));
    SL_TRY(read_index(source, index, end, &blocks_n));
    blocks_n += about.n + index.n + 2 * TRAILER_BYTES;
    if (blocks_n != end) {
        sl_scan_report_str(scan, SL_RULE_CHECKPOINT_LAYOUT, SL_NOWHERE,
                           "bytes that no block holds");
    }
    return SL_DONE;
}

/* ---- numbers that another file describes ---- */

/* "NAME.data-00000-of-00001", "NAME.onnx_data", "NAME.onnx.data". */
sl_identity sl_identify_shard(const sl_probe *probe)
{
    sl_view name = probe->name;
    size_t at = sl_view_find(name, SL_LIT(".data-"), 0);
    bool shard = at != SIZE_MAX && name.n == at + 20 &&
                 sl_view_eq(sl_view_sub(name, at + 11, at + 15), SL_LIT("-of-"));
    bool onnx =
        sl_view_ends(name, SL_LIT(".onnx_data")) || sl_view_ends(name, SL_LIT(".onnx.data"));
    return (shard || onnx) && probe->size != 0 ? SL_IDENTIFY_MAYBE : SL_IDENTIFY_NO;
}

sl_res sl_scan_shard(sl_scan *scan, sl_source *source)
{
    (void)scan; /* hashed, and looked at by every identifier: there is nothing more to a number */
    (void)source;
    return SL_DONE;
}

/* ---- records ---- */

/* CRC-32C (RFC 3720), turned as TensorFlow stores it. Of a few bytes for each record. */
static uint32_t masked_crc(sl_view bytes)
{
    uint32_t crc = 0xffffffffU;
    for (size_t i = 0; i < bytes.n; i++) {
        crc ^= bytes.p[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0x82f63b78U & (0U - (crc & 1)));
        }
    }
    crc = ~crc;
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

static bool record_head(sl_view head)
{
    return head.n >= RECORD_HEAD_BYTES &&
           sl_get_le32(head.p + 8) == masked_crc(sl_view_sub(head, 0, 8));
}

sl_identity sl_identify_records(const sl_probe *probe)
{
    return record_head(probe->head) ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

sl_res sl_scan_records(sl_scan *scan, sl_source *source)
{
    (void)scan;
    sl_cursor c = sl_cursor_over(source);
    while (sl_cursor_left(&c) != 0) {
        sl_view head = { 0 };
        SL_TRY(sl_cursor_take(&c, RECORD_HEAD_BYTES, &head));
        if (!record_head(head)) {
            return sl_fail_at(SL_E_SYNTAX, "record", c.at - RECORD_HEAD_BYTES);
        }
        uint64_t n = sl_get_le64(head.p);
        SL_TRY(sl_cursor_skip(&c, n));
        SL_TRY(sl_cursor_skip(&c, 4));
    }
    return SL_DONE;
}
