/* The echo index file (echo.h): reading segments, records and counts. Files are hostile until their
 * keyed hash was checked, and the bounds of every part are checked even then: a lookup never leaves
 * its part.
 *
 * Segment, little endian, parts padded to 8 bytes: u64 bytes  u64 source bytes  u64 records  u64 blob
 * bytes  u32 sources  u32 name bytes  u32 log2 of sketch cells  u32 views (0 stands for 2)  zeros to 64; for each
 * view { u32 k  u32
 * stride  u64 tokens  u64 blocks  u64 fingerprints  u32 segment length  u32 segment count  u64 seed  u32
 * filter words  u32 block bits  zeros to 64 }; slots and filter of each lane; anchors { u64 offset  u32
 * block of words  u32 block of numbers  u32 place in the blob  u32 0 }; blob of records (varints: blocks
 * since the one before, gap in bytes, length); sources { u32 first record  u32 name  u32 bytes }; names;
 * sketch. */
#include "detect/echo_index.h"

#include <assert.h>
#include <math.h>

#include "base/secret.h"
#include "detect/siphash.h"

static const uint8_t MAGIC[8] = { 'S', 'L', 'E', 'C', 'H', 'O', '0', '1' };
#define VERSION 2U
#define VERSION_OLDEST 1U

/* ---- heads --------------------------------------------------------------------------------------- */

static void put_lane(const sl_echo_lane_index *lane, uint8_t *p)
{
    sl_put_le32(p, lane->k);
    sl_put_le32(p + 4, lane->stride);
    sl_put_le64(p + 8, lane->tokens);
    sl_put_le64(p + 16, lane->blocks);
    sl_put_le64(p + 24, lane->fingerprints);
    sl_put_le32(p + 32, lane->shape.length);
    sl_put_le32(p + 36, lane->shape.count);
    sl_put_le64(p + 40, lane->shape.seed);
    sl_put_le32(p + 48, lane->filter_words);
    sl_put_le32(p + 52, lane->block_bits);
    sl_put_le32(p + 56, lane->common_words);
}

static bool get_lane(const uint8_t *p, uint32_t k, sl_echo_lane_index *lane)
{
    *lane = (sl_echo_lane_index){ .k = sl_get_le32(p),
                                  .stride = sl_get_le32(p + 4),
                                  .tokens = sl_get_le64(p + 8),
                                  .blocks = sl_get_le64(p + 16),
                                  .fingerprints = sl_get_le64(p + 24),
                                  .shape = { .length = sl_get_le32(p + 32),
                                             .count = sl_get_le32(p + 36),
                                             .seed = sl_get_le64(p + 40) },
                                  .filter_words = sl_get_le32(p + 48),
                                  .block_bits = sl_get_le32(p + 52),
                                  .common_words = sl_get_le32(p + 56) };
    return lane->k == k && lane->stride >= 1 && lane->stride <= SL_ECHO_STRIDE_MAX &&
           lane->blocks <= SL_ECHO_BLOCKS_MAX && lane->block_bits >= 1 && lane->block_bits <= 27 &&
           sl_echo_shape_valid(&lane->shape) &&
           (lane->shape.length == 0) == (lane->fingerprints == 0) &&
           (lane->filter_words == 0) == (lane->fingerprints == 0);
}

size_t sl_echo_segment_head_bytes(const sl_echo_segment *s)
{
    return s->lane[SL_ECHO_STRUCTURES].k != 0 ? SL_ECHO_SEGMENT_HEAD_MAX : SL_ECHO_SEGMENT_HEAD;
}

void sl_echo_segment_head(const sl_echo_segment *s, uint8_t head[SL_ECHO_SEGMENT_HEAD_MAX])
{
    memset(head, 0, SL_ECHO_SEGMENT_HEAD_MAX);
    sl_put_le64(head, s->bytes);
    sl_put_le64(head + 8, s->source_bytes);
    sl_put_le64(head + 16, s->records);
    sl_put_le64(head + 24, s->blob_bytes);
    sl_put_le32(head + 32, s->sources);
    sl_put_le32(head + 36, s->name_bytes);
    sl_put_le32(head + 40, s->sketch_log2);
    put_lane(&s->lane[SL_ECHO_WORDS], head + 64);
    put_lane(&s->lane[SL_ECHO_NUMBERS], head + 128);
    if (s->lane[SL_ECHO_STRUCTURES].k != 0) {
        sl_put_le32(head + 44, SL_ECHO_VIEWS);
        put_lane(&s->lane[SL_ECHO_STRUCTURES], head + 192);
    }
}

/* Takes the next part of `n` bytes, padded to 8, or fails for good. */
static const uint8_t *part(sl_view whole, uint64_t *at, uint64_t n)
{
    uint64_t padded = (n + 7) & ~(uint64_t)7;
    if (padded < n || *at > whole.n || padded > whole.n - *at) {
        *at = UINT64_MAX;
        return NULL;
    }
    const uint8_t *p = whole.p + *at;
    *at += padded;
    return p;
}

static bool find_parts(sl_view whole, sl_echo_segment *s)
{
    uint64_t at = sl_echo_segment_head_bytes(s);
    for (size_t l = 0; l < SL_ECHO_VIEWS; l++) {
        sl_echo_lane_index *lane = &s->lane[l];
        lane->slots = part(whole, &at, 4 * sl_echo_slots(&lane->shape));
        lane->filter = part(whole, &at, 8 * (uint64_t)lane->filter_words);
        lane->common = part(whole, &at, 8 * (uint64_t)lane->common_words);
    }
    uint64_t anchors = (s->records + SL_ECHO_ANCHOR_EVERY - 1) / SL_ECHO_ANCHOR_EVERY;
    s->anchors = part(whole, &at, anchors * SL_ECHO_ANCHOR_BYTES);
    s->blob = part(whole, &at, s->blob_bytes);
    s->source_table = part(whole, &at, s->sources * SL_ECHO_SOURCE_BYTES);
    s->names = part(whole, &at, s->name_bytes);
    s->sketch = part(whole, &at, (uint64_t)1 << s->sketch_log2);
    return at == whole.n;
}

sl_res sl_echo_segment_read(sl_view rest, sl_echo_segment *ret)
{
    SL_NEED(rest.n >= SL_ECHO_SEGMENT_HEAD, SL_E_INTEGRITY);
    const uint8_t *p = rest.p;
    *ret = (sl_echo_segment){ .bytes = sl_get_le64(p),
                              .source_bytes = sl_get_le64(p + 8),
                              .records = sl_get_le64(p + 16),
                              .blob_bytes = sl_get_le64(p + 24),
                              .sources = sl_get_le32(p + 32),
                              .name_bytes = sl_get_le32(p + 36),
                              .sketch_log2 = sl_get_le32(p + 40) };
    uint32_t views = sl_get_le32(p + 44);
    bool structures = views == SL_ECHO_VIEWS;
    bool ok =
        (views == 0 || structures) &&
        ret->bytes >= (structures ? SL_ECHO_SEGMENT_HEAD_MAX : SL_ECHO_SEGMENT_HEAD) &&
        ret->bytes <= rest.n && ret->records <= UINT32_MAX && ret->sketch_log2 >= 3 &&
        ret->sketch_log2 <= 32 && get_lane(p + 64, SL_ECHO_K_WORDS, &ret->lane[SL_ECHO_WORDS]) &&
        get_lane(p + 128, SL_ECHO_K_NUMBERS, &ret->lane[SL_ECHO_NUMBERS]) &&
        (!structures || get_lane(p + 192, SL_ECHO_K_STRUCTURES, &ret->lane[SL_ECHO_STRUCTURES])) &&
        find_parts(sl_view_sub(rest, 0, (size_t)ret->bytes), ret);
    return ok ? SL_DONE : sl_fail_at(SL_E_INTEGRITY, "echo segment", 0);
}

/* ---- files --------------------------------------------------------------------------------------- */

static void mac_of(const sl_echo_key *key, sl_view bytes, uint8_t mac[SL_ECHO_MAC_BYTES])
{
    sl_put_le64(mac, sl_siphash(key->mac, bytes));
    sl_put_le64(mac + 8, sl_siphash(key->mac + 16, bytes));
}

sl_res sl_echo_file_begin(const sl_echo_key *key, sl_buf *out)
{
    uint8_t head[SL_ECHO_HEAD_BYTES] = { 0 };
    memcpy(head, MAGIC, sizeof MAGIC);
    sl_put_le32(head + 8, VERSION);
    memcpy(head + 16, key->check, sizeof key->check);
    return sl_buf_add(out, sl_view_of(head, sizeof head));
}

sl_res sl_echo_file_end(const sl_echo_key *key, size_t head_at, uint32_t segments, sl_buf *out)
{
    uint8_t mac[SL_ECHO_MAC_BYTES];
    uint8_t *head = out->p + head_at;
    sl_put_le32(head + 12, segments);
    sl_put_le64(head + 32, out->n - head_at + SL_ECHO_MAC_BYTES);
    mac_of(key, sl_view_sub(sl_buf_view(out), head_at, out->n), mac);
    return sl_buf_add(out, sl_view_of(mac, sizeof mac));
}

static sl_res check_file(const sl_echo_key *key, sl_view bytes)
{
    uint8_t mac[SL_ECHO_MAC_BYTES];
    SL_NEED(bytes.n >= SL_ECHO_HEAD_BYTES + SL_ECHO_MAC_BYTES, SL_E_TRUNCATED);
    SL_NEED(memcmp(bytes.p, MAGIC, sizeof MAGIC) == 0, SL_E_VERSION);
    uint32_t version = sl_get_le32(bytes.p + 8);
    SL_NEED(version >= VERSION_OLDEST && version <= VERSION, SL_E_VERSION);
    SL_NEED(sl_equal_constant_time(bytes.p + 16, key->check, sizeof key->check), SL_E_KEY);
    SL_NEED(sl_get_le64(bytes.p + 32) == bytes.n, SL_E_TRUNCATED);
    mac_of(key, sl_view_sub(bytes, 0, bytes.n - sizeof mac), mac);
    SL_NEED(sl_equal_constant_time(mac, bytes.p + bytes.n - sizeof mac, sizeof mac),
            SL_E_INTEGRITY);
    return SL_DONE;
}

static sl_res read_segments(sl_echo_index *index)
{
    uint32_t count = sl_get_le32(index->bytes.p + 12);
    sl_view rest =
        sl_view_sub(index->bytes, SL_ECHO_HEAD_BYTES, index->bytes.n - SL_ECHO_MAC_BYTES);
    SL_NEED(count <= SL_ECHO_SEGMENTS_MAX, SL_E_LIMIT);
    for (uint32_t i = 0; i < count; i++) {
        SL_TRY(sl_echo_segment_read(rest, &index->segments[i]));
        rest = sl_view_sub(rest, (size_t)index->segments[i].bytes, rest.n);
        index->count++;
    }
    SL_NEED(rest.n == 0, SL_E_TRAILING);
    return SL_DONE;
}

sl_res sl_echo_open(sl_view bytes, const uint8_t match_key[32], sl_echo_index **ret_index)
{
    sl_echo_index *index = calloc(1, sizeof *index);
    SL_NEED(index != NULL, SL_E_MEMORY);
    sl_echo_key_init(&index->key, match_key);
    index->bytes = bytes;
    sl_res r = check_file(&index->key, bytes);
    if (sl_ok(r)) {
        r = read_segments(index);
    }
    if (!sl_ok(r)) {
        sl_echo_index_free(index);
        return r;
    }
    *ret_index = index;
    return SL_DONE;
}

void sl_echo_index_free(sl_echo_index *index)
{
    if (index != NULL) {
        sl_echo_key_wipe(&index->key);
        free(index);
    }
}

void sl_echo_index_stats(const sl_echo_index *index, sl_echo_stats *ret)
{
    *ret = (sl_echo_stats){ .bytes = index->bytes.n, .segments = index->count };
    for (size_t i = 0; i < index->count; i++) {
        const sl_echo_segment *s = &index->segments[i];
        ret->source_bytes += s->source_bytes;
        ret->records += s->records;
        ret->sources += s->sources;
        for (size_t l = 0; l < SL_ECHO_VIEWS; l++) {
            uint32_t stride = s->lane[l].stride;
            ret->tokens[l] += s->lane[l].tokens;
            ret->fingerprints[l] += s->lane[l].fingerprints;
            ret->stride_max[l] = stride > ret->stride_max[l] ? stride : ret->stride_max[l];
        }
    }
}

sl_res sl_echo_join(const uint8_t match_key[32], const sl_view *indexes, size_t count, sl_buf *out)
{
    sl_echo_key key;
    size_t head_at = out->n;
    uint32_t segments = 0;
    sl_echo_key_init(&key, match_key);
    sl_res r = sl_echo_file_begin(&key, out);
    for (size_t i = 0; i < count && sl_ok(r); i++) {
        sl_echo_index *one = NULL;
        r = sl_echo_open(indexes[i], match_key, &one);
        if (sl_ok(r)) {
            segments += (uint32_t)one->count;
            r = sl_buf_add(
                out, sl_view_sub(indexes[i], SL_ECHO_HEAD_BYTES, indexes[i].n - SL_ECHO_MAC_BYTES));
            sl_echo_index_free(one);
        }
        if (sl_ok(r) && segments > SL_ECHO_SEGMENTS_MAX) {
            r = sl_fail_at(SL_E_LIMIT, "segments of an echo index", SL_ECHO_SEGMENTS_MAX);
        }
    }
    if (sl_ok(r)) {
        r = sl_echo_file_end(&key, head_at, segments, out);
    }
    out->n = sl_ok(r) ? out->n : head_at;
    sl_echo_key_wipe(&key);
    return r;
}

/* ---- records ------------------------------------------------------------------------------------- */

static bool varint(const sl_echo_segment *s, uint64_t *at, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
        if (*at >= s->blob_bytes) {
            return false;
        }
        uint8_t b = s->blob[(*at)++];
        value |= (uint64_t)(b & 0x7F) << shift;
        if ((b & 0x80) == 0) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static void anchor(const sl_echo_segment *s, uint32_t group, sl_echo_record *ret, uint64_t *ret_at)
{
    const uint8_t *p = s->anchors + group * SL_ECHO_ANCHOR_BYTES;
    *ret = (sl_echo_record){ .offset = sl_get_le64(p),
                             .block = { sl_get_le32(p + 8), sl_get_le32(p + 12) } };
    *ret_at = sl_get_le32(p + 16);
}

/* The next record behind `r` (at an anchor: the anchor's own, with length 0 before it). */
static bool advance(const sl_echo_segment *s, uint64_t *at, sl_echo_record *r)
{
    uint64_t words = 0;
    uint64_t numbers = 0;
    uint64_t gap = 0;
    uint64_t length = 0;
    if (!varint(s, at, &words) || !varint(s, at, &numbers) || !varint(s, at, &gap) ||
        !varint(s, at, &length)) {
        return false;
    }
    r->block[SL_ECHO_WORDS] += (uint32_t)words;
    r->block[SL_ECHO_NUMBERS] += (uint32_t)numbers;
    /* A new source begins at 0 again: the gap then leads back. */
    r->offset += r->length + ((gap & 1) != 0 ? ~(gap >> 1) : gap >> 1);
    r->length = length;
    return true;
}

bool sl_echo_record_get(const sl_echo_segment *s, uint32_t record, sl_echo_record *ret)
{
    uint64_t at = 0;
    if (record >= s->records) {
        return false;
    }
    anchor(s, record / SL_ECHO_ANCHOR_EVERY, ret, &at);
    for (uint32_t i = 0; i <= record % SL_ECHO_ANCHOR_EVERY; i++) {
        if (!advance(s, &at, ret)) {
            return false;
        }
    }
    return true;
}

bool sl_echo_record_of(const sl_echo_segment *s, sl_echo_lane lane, uint32_t block,
                       uint32_t *ret_record)
{
    uint32_t low = 0;
    uint32_t high = (uint32_t)((s->records + SL_ECHO_ANCHOR_EVERY - 1) / SL_ECHO_ANCHOR_EVERY);
    sl_echo_record r;
    uint64_t at = 0;
    if (lane == SL_ECHO_STRUCTURES) {
        *ret_record = block;
        return block < s->records;
    }
    if (high == 0) {
        return false;
    }
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        anchor(s, mid, &r, &at);
        if (r.block[lane] <= block) {
            low = mid;
        } else {
            high = mid;
        }
    }
    anchor(s, low, &r, &at);
    uint32_t record = low * SL_ECHO_ANCHOR_EVERY;
    uint32_t best = record;
    for (uint32_t i = 0; i < SL_ECHO_ANCHOR_EVERY && record + i < s->records; i++) {
        if (!advance(s, &at, &r) || r.block[lane] > block) {
            break;
        }
        best = record + i;
    }
    *ret_record = best;
    return true;
}

static sl_view source_of(const sl_echo_segment *s, uint32_t record, uint32_t *ret_first)
{
    uint32_t best = 0;
    *ret_first = 0;
    for (uint32_t low = 0, high = s->sources; low < high;) {
        uint32_t mid = low + (high - low) / 2;
        if (sl_get_le32(s->source_table + mid * SL_ECHO_SOURCE_BYTES) <= record) {
            best = mid;
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (best >= s->sources) {
        return (sl_view){ 0 };
    }
    const uint8_t *p = s->source_table + best * SL_ECHO_SOURCE_BYTES;
    uint64_t from = sl_get_le32(p + 4);
    uint64_t to = from + sl_get_le32(p + 8);
    *ret_first = sl_get_le32(p);
    return to <= s->name_bytes ? sl_view_of(s->names + from, (size_t)(to - from)) : (sl_view){ 0 };
}

bool sl_echo_find_source(const sl_echo_index *index, sl_view name, uint32_t *ret_segment)
{
    for (size_t i = 0; i < index->count; i++) {
        const sl_echo_segment *s = &index->segments[i];
        for (uint32_t k = 0; k < s->sources; k++) {
            const uint8_t *p = s->source_table + k * SL_ECHO_SOURCE_BYTES;
            uint64_t from = sl_get_le32(p + 4);
            uint64_t n = sl_get_le32(p + 8);
            if (n == name.n && from + n <= s->name_bytes &&
                sl_view_eq(sl_view_of(s->names + from, name.n), name)) {
                *ret_segment = (uint32_t)i;
                return true;
            }
        }
    }
    return false;
}

bool sl_echo_place_of(const sl_echo_index *index, const sl_echo_match *match, sl_echo_place *ret)
{
    sl_echo_record r;
    uint32_t first = 0;
    if (match->segment >= index->count ||
        !sl_echo_record_get(&index->segments[match->segment], match->record, &r)) {
        return false;
    }
    *ret = (sl_echo_place){ .segment = match->segment,
                            .record = match->record,
                            .source =
                                source_of(&index->segments[match->segment], match->record, &first),
                            .offset = r.offset,
                            .length = r.length };
    ret->number = match->record - first;
    return true;
}

/* ---- surprise ------------------------------------------------------------------------------------ */

static double count_of(const sl_echo_segment *s, uint64_t before, uint64_t hash,
                       sl_echo_counted what)
{
    uint64_t cell = sl_echo_cell(before, hash, what);
    uint64_t mask = ((uint64_t)1 << s->sketch_log2) - 1;
    uint8_t a = s->sketch[cell & mask];
    uint8_t b = s->sketch[cell >> 32 & mask];
    unsigned least = a < b ? a : b;
    /* 2 to the power of eighths. */
    static const double PART[8] = { 1.0,
                                    1.0905077326652577,
                                    1.189207115002721,
                                    1.2968395546510096,
                                    1.4142135623730951,
                                    1.5422108254079407,
                                    1.681792830507429,
                                    1.8340080864093424 };
    return least == 0 ? 0 : PART[(least - 1) % 8] * (double)((uint64_t)1 << (least - 1) / 8);
}

/* Words nobody has seen share this many places. */
#define UNSEEN 25000.0
/* How much a pair leans on the word alone. */
#define LEAN 2.0

double sl_echo_surprise(const sl_echo_segment *s, sl_echo_lane lane, uint64_t before, uint64_t hash)
{
    double total = (double)s->lane[lane].tokens;
    assert(lane < SL_ECHO_LANES);
    if (lane == SL_ECHO_NUMBERS) {
        double others = fmax(count_of(s, 0, hash, SL_ECHO_NUMBER) - 1, 0);
        return -log2(fmin((others + 0.5) / (total + 500.0), 1));
    }
    double alone = fmax(count_of(s, 0, hash, SL_ECHO_ONE) - 1, 0);
    double p = (alone + 0.5) / (total + UNSEEN);
    if (before != 0) {
        double pairs = fmax(count_of(s, before, hash, SL_ECHO_PAIR) - 1, 0);
        double firsts = fmax(count_of(s, 0, before, SL_ECHO_ONE) - 1, pairs);
        p = (pairs + LEAN * p) / (firsts + LEAN);
    }
    return -log2(fmin(p, 1));
}

void sl_echo_file_name(const char *compartment, char ret[SL_ECHO_FILE_BYTES])
{
    (void)snprintf(ret, SL_ECHO_FILE_BYTES, "%s:echo", compartment);
}
