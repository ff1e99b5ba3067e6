/* Writing and reading of batches and segment headers (wal.h). */
#include "ledger/wal.h"

#include <inttypes.h>

#include "ledger/checkpoint.h"

static const char BATCH_MAGIC[4] = { 'S', 'L', 'W', 'B' };
static const char SEGMENT_MAGIC[8] = { 'S', 'L', 'W', 'A', 'L', '0', '0', '1' };
enum { SUMMED_HEADER_BYTES = 32 };

size_t sl_wal_batch_bytes(size_t entries_bytes, size_t note_bytes)
{
    return (SL_WAL_BATCH_HEADER_BYTES + entries_bytes + note_bytes + 7) & ~(size_t)7;
}

static sl_digest batch_sum(const uint8_t *header, sl_view entries, sl_view note)
{
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };

    sl_hasher_start(&h);
    sl_hasher_add(&h, sl_view_of(header, SUMMED_HEADER_BYTES));
    sl_hasher_add(&h, entries);
    sl_hasher_add(&h, note);
    return sl_hasher_end(&h);
}

sl_res sl_wal_batch_write(uint64_t first, uint32_t count, sl_view entries, sl_view note,
                          sl_buf *out)
{
    uint8_t header[SL_WAL_BATCH_HEADER_BYTES] = { 0 };
    static const uint8_t zeros[8];
    size_t whole = sl_wal_batch_bytes(entries.n, note.n);

    SL_NEED(entries.n <= SL_WAL_ENTRIES_BYTES_MAX && count <= SL_WAL_COUNT_MAX, SL_E_LIMIT);
    memcpy(header, BATCH_MAGIC, sizeof BATCH_MAGIC);
    sl_put_le32(header + 4, (uint32_t)entries.n);
    sl_put_le64(header + 8, first);
    sl_put_le32(header + 16, count);
    sl_put_le32(header + 20, (uint32_t)note.n);
    sl_digest sum = batch_sum(header, entries, note);
    memcpy(header + SUMMED_HEADER_BYTES, sum.b, sizeof sum.b);
    SL_TRY(sl_buf_reserve(out, whole));
    SL_TRY(sl_buf_add(out, sl_view_of(header, sizeof header)));
    SL_TRY(sl_buf_add(out, entries));
    SL_TRY(sl_buf_add(out, note));
    return sl_buf_add(out, sl_view_of(zeros, whole - sizeof header - entries.n - note.n));
}

static bool all_zero(sl_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] != 0) {
            return false;
        }
    }
    return true;
}

sl_res sl_wal_batch_read(sl_view at, sl_wal_batch *ret)
{
    sl_wal_batch b = { 0 };
    sl_view header = sl_view_sub(at, 0, SL_WAL_BATCH_HEADER_BYTES);

    SL_NEED(!all_zero(header), SL_E_NOT_FOUND);
    SL_NEED(header.n == SL_WAL_BATCH_HEADER_BYTES, SL_E_INTEGRITY);
    SL_NEED(memcmp(header.p, BATCH_MAGIC, sizeof BATCH_MAGIC) == 0, SL_E_INTEGRITY);
    size_t entries_n = sl_get_le32(header.p + 4);
    size_t note_n = sl_get_le32(header.p + 20);
    b.first = sl_get_le64(header.p + 8);
    b.count = sl_get_le32(header.p + 16);
    SL_NEED(entries_n <= SL_WAL_ENTRIES_BYTES_MAX && note_n <= SL_CHECKPOINT_BYTES_MAX &&
                b.count <= SL_WAL_COUNT_MAX && b.first <= SL_TREE_SIZE_MAX,
            SL_E_INTEGRITY);
    b.bytes = sl_wal_batch_bytes(entries_n, note_n);
    SL_NEED(b.bytes <= at.n, SL_E_INTEGRITY);
    b.entries = sl_view_sub(at, SL_WAL_BATCH_HEADER_BYTES, SL_WAL_BATCH_HEADER_BYTES + entries_n);
    b.note = sl_view_sub(at, SL_WAL_BATCH_HEADER_BYTES + entries_n,
                         SL_WAL_BATCH_HEADER_BYTES + entries_n + note_n);
    sl_digest sum = batch_sum(header.p, b.entries, b.note);
    SL_NEED(memcmp(sum.b, header.p + SUMMED_HEADER_BYTES, sizeof sum.b) == 0, SL_E_INTEGRITY);
    *ret = b;
    return SL_DONE;
}

void sl_wal_segment_header(uint64_t first, uint8_t ret[SL_WAL_SEGMENT_HEADER_BYTES])
{
    memcpy(ret, SEGMENT_MAGIC, sizeof SEGMENT_MAGIC);
    sl_put_le64(ret + 8, first);
}

sl_res sl_wal_segment_first(sl_view segment, uint64_t *ret_first)
{
    sl_view header = sl_view_sub(segment, 0, SL_WAL_SEGMENT_HEADER_BYTES);

    SL_NEED(!all_zero(header), SL_E_NOT_FOUND);
    SL_NEED(header.n == SL_WAL_SEGMENT_HEADER_BYTES, SL_E_INTEGRITY);
    SL_NEED(memcmp(header.p, SEGMENT_MAGIC, 5) == 0, SL_E_INTEGRITY);
    for (size_t i = 5; i < sizeof SEGMENT_MAGIC; i++) {
        SL_NEED(header.p[i] >= '0' && header.p[i] <= '9', SL_E_INTEGRITY);
    }
    SL_NEED(memcmp(header.p, SEGMENT_MAGIC, sizeof SEGMENT_MAGIC) == 0, SL_E_VERSION);
    *ret_first = sl_get_le64(header.p + 8);
    return SL_DONE;
}

void sl_wal_name(uint64_t first, char ret[SL_WAL_NAME_BYTES])
{
    (void)snprintf(ret, SL_WAL_NAME_BYTES, "wal/%020" PRIu64, first);
}

sl_res sl_wal_name_parse(const char *name, uint64_t *ret_first)
{
    sl_view digits = sl_view_str(name);

    SL_NEED(digits.n == 20, SL_E_SYNTAX);
    while (digits.n > 1 && digits.p[0] == '0') {
        digits = sl_view_sub(digits, 1, digits.n);
    }
    return sl_parse_u64(digits, SL_TREE_SIZE_MAX, ret_first);
}
