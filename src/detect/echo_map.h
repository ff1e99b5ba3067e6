/* A static function from 64-bit tags to 32-bit values that stores no tag: a three-wise binary fuse
 * structure (Graf and Lemire 2022) used as a Bloomier filter (Chazelle et al. 2004). About 36 bits a
 * tag. Asked about a tag that was not put in, it answers with random bits. Internal to src/detect. */
#ifndef SL_DETECT_ECHO_MAP_H
#define SL_DETECT_ECHO_MAP_H

#include "base/bytes.h"

typedef struct {
    uint32_t length; /* of a segment: a power of two; 0: the map is empty */
    uint32_t count;  /* of segments where a tag's first slot may be */
    uint64_t seed;
} sl_echo_shape;

typedef struct {
    uint32_t low; /* the tag in two halves: twelve bytes an entry instead of sixteen */
    uint32_t high;
    uint32_t value;
} sl_echo_entry;

#define SL_ECHO_ENTRIES_MAX ((size_t)1 << 27)

static inline uint64_t sl_echo_slots(const sl_echo_shape *shape)
{
    return shape->length == 0 ? 0 : ((uint64_t)shape->count + 2) * shape->length;
}

/* Could a shape read from a file be one of ours? Then no tag leads outside of its slots. */
bool sl_echo_shape_valid(const sl_echo_shape *shape);

static inline uint64_t sl_echo_mix(uint64_t tag, uint64_t seed)
{
    if (seed == 0) {
        return tag; /* tags are pseudorandom as they come; and in order, so that building is fast */
    }
    tag += seed;
    tag = (tag ^ tag >> 33) * 0xFF51AFD7ED558CCDU;
    tag = (tag ^ tag >> 33) * 0xC4CEB9FE1A85EC53U;
    return tag ^ tag >> 33;
}

static inline void sl_echo_slots_of(const sl_echo_shape *shape, uint64_t tag, uint32_t ret[3])
{
    uint64_t h = sl_echo_mix(tag, shape->seed);
    uint32_t mask = shape->length - 1;
    ret[0] = (uint32_t)(((unsigned __int128)h * ((uint64_t)shape->count * shape->length)) >> 64);
    ret[1] = (ret[0] + shape->length) ^ ((uint32_t)(h >> 18) & mask);
    ret[2] = (ret[0] + 2 * shape->length) ^ ((uint32_t)h & mask);
}

static inline uint32_t sl_echo_map_get(const sl_echo_shape *shape, const uint8_t *slots,
                                       uint64_t tag)
{
    uint32_t at[3];
    sl_echo_slots_of(shape, tag, at);
    return sl_get_le32(slots + 4 * (size_t)at[0]) ^ sl_get_le32(slots + 4 * (size_t)at[1]) ^
           sl_get_le32(slots + 4 * (size_t)at[2]);
}

/* Sorts, keeps of equal tags the smallest value, and returns how many are left. */
size_t sl_echo_entries_sort(sl_echo_entry *entries, size_t n);
/* Appends the slots of the map of sorted, distinct entries to `out`. Slots that no tag needs get the
 * bits of `noise`, so that the file does not say which they are. Takes about 13 bytes an entry
 * beside. */
SL_MUST sl_res sl_echo_map_build(const sl_echo_entry *entries, size_t n, uint64_t noise,
                                 sl_echo_shape *ret_shape, sl_buf *out);

#endif
