/* The inside of an echo index: segments as they lie in the file, and what is read from them. What the
 * builder, the scan and the confirmation share. Internal to src/detect. */
#ifndef SL_DETECT_ECHO_INDEX_H
#define SL_DETECT_ECHO_INDEX_H

#include "detect/echo.h"
#include "detect/echo_map.h"

/* Tokens of a shingle in each view. */
#define SL_ECHO_K_WORDS 5U
#define SL_ECHO_K_NUMBERS 4U
#define SL_ECHO_K_STRUCTURES 1U /* what a run of characters gives stands for itself */
#define SL_ECHO_STRIDE_MAX 64U

#define SL_ECHO_HEAD_BYTES ((size_t)64)
#define SL_ECHO_MAC_BYTES ((size_t)16)
#define SL_ECHO_SEGMENT_HEAD ((size_t)192)
/* With a third view, which a segment has when its texts hold structures. */
#define SL_ECHO_SEGMENT_HEAD_MAX ((size_t)256)
#define SL_ECHO_ANCHOR_EVERY 64U
#define SL_ECHO_ANCHOR_BYTES ((size_t)24)
#define SL_ECHO_SOURCE_BYTES ((size_t)12)
/* Blocks of one segment: their numbers leave at least five check bits in a slot. */
#define SL_ECHO_BLOCKS_MAX ((uint64_t)1 << 27)

typedef struct {
    uint32_t k;
    uint32_t stride;
    uint64_t tokens;
    uint64_t blocks;
    uint64_t fingerprints;
    sl_echo_shape shape;
    uint32_t filter_words;
    uint32_t block_bits;
    uint32_t common_words;
    const uint8_t *slots;
    const uint8_t *filter;
    const uint8_t *common; /* filter of shingles too common to be indexed */
} sl_echo_lane_index;

typedef struct {
    uint64_t bytes;
    uint64_t source_bytes;
    uint64_t records;
    uint64_t blob_bytes;
    uint32_t sources;
    uint32_t name_bytes;
    uint32_t sketch_log2;
    sl_echo_lane_index lane[SL_ECHO_VIEWS]; /* of structures: block is the record's number */
    const uint8_t *anchors;
    const uint8_t *blob;
    const uint8_t *source_table;
    const uint8_t *names;
    const uint8_t *sketch;
} sl_echo_segment;

struct sl_echo_index {
    sl_echo_key key;
    sl_view bytes;
    size_t count;
    sl_echo_segment segments[SL_ECHO_SEGMENTS_MAX];
};

typedef struct {
    uint32_t block[SL_ECHO_LANES];
    uint64_t offset;
    uint64_t length;
} sl_echo_record;

size_t sl_echo_segment_head_bytes(const sl_echo_segment *segment);
/* Writes `segment`'s head; its sizes must be set. */
void sl_echo_segment_head(const sl_echo_segment *segment, uint8_t head[SL_ECHO_SEGMENT_HEAD_MAX]);
/* Reads the segment at the front of `rest`. SL_E_INTEGRITY or SL_E_VERSION if it cannot be one. */
SL_MUST sl_res sl_echo_segment_read(sl_view rest, sl_echo_segment *ret);
/* Writes the file's head, and behind all segments the keyed hash. `head_at`: where the head begins in
 * `out`. */
SL_MUST sl_res sl_echo_file_begin(const sl_echo_key *key, sl_buf *out);
SL_MUST sl_res sl_echo_file_end(const sl_echo_key *key, size_t head_at, uint32_t segments,
                                sl_buf *out);

/* The record that holds a lane's block; false if there is none. */
bool sl_echo_record_of(const sl_echo_segment *segment, sl_echo_lane lane, uint32_t block,
                       uint32_t *ret_record);
bool sl_echo_record_get(const sl_echo_segment *segment, uint32_t record, sl_echo_record *ret);

/* ---- how surprising a word is ---------------------------------------------------------------------
 * Counts of words, of pairs of words, and of numbers, as eighths of log2, in one table of keyed cells.
 * Two cells each, the smaller counts (Cormode and Muthukrishnan 2005). */

/* What is counted: a word, a word behind another, a number. */
typedef enum { SL_ECHO_ONE, SL_ECHO_PAIR, SL_ECHO_NUMBER } sl_echo_counted;

static inline uint64_t sl_echo_cell(uint64_t before, uint64_t hash, sl_echo_counted what)
{
    uint64_t x = hash * 0x9E3779B97F4A7C15U + before * 0xC2B2AE3D27D4EB4FU + (uint64_t)what;
    return sl_echo_mix(x, 0x165667B19E3779F9U);
}

/* Is the shingle one of those too common to be indexed? Now and then so by mistake. */
static inline bool sl_echo_is_common(const sl_echo_lane_index *lane, uint64_t tag)
{
    if (lane->common_words == 0) {
        return false;
    }
    uint64_t bits = sl_echo_filter_bits(tag);
    size_t at = sl_echo_filter_at(tag, lane->common_words);
    return (sl_get_le64(lane->common + 8 * at) & bits) == bits;
}

/* The word that stands before token `i`: numbers are passed over, because what follows a number is
 * told by what stood before it. 0: unknown. */
static inline uint64_t sl_echo_before(const uint64_t *hash, size_t i, uint64_t number)
{
    if (i > 0 && hash[i - 1] != number) {
        return hash[i - 1];
    }
    return i > 1 ? hash[i - 2] : 0;
}

/* What a shingle's first word may count for: nobody knows what stood before it. */
#define SL_ECHO_FIRST_BITS 8.0

/* Bits of surprise in `hash` behind the word `before` (0: at the beginning) as if this one occurrence
 * had not been counted; of a number by itself. Never negative. */
double sl_echo_surprise(const sl_echo_segment *segment, sl_echo_lane lane, uint64_t before,
                        uint64_t hash);

#endif
