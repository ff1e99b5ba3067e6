/* The inner loops of the echo engine, each written once for any machine and once or twice for those
 * that have wide registers and AES instructions: lower case, word edges, keyed hashes, the filter
 * probe. All forms give the same bits; tests compare them. Internal to src/detect. */
#ifndef SL_DETECT_ECHO_KERNEL_H
#define SL_DETECT_ECHO_KERNEL_H

#include "base/bytes.h"

/* A token is at most this many folded bytes; a longer run of letters is several tokens. */
#define SL_ECHO_TOKEN_BYTES ((size_t)64)
/* Texts handed to the loops are followed by this many readable bytes. */
#define SL_ECHO_PAD ((size_t)64)
#define SL_ECHO_SHINGLE_MAX ((size_t)8)

typedef enum {
    SL_ECHO_PORTABLE,
    SL_ECHO_AVX2,   /* with AES-NI */
    SL_ECHO_AVX512, /* with VAES */
    SL_ECHO_SPEED_COUNT
} sl_echo_speed;

/* Derived from a match key; secret. Words are hashed by two AES rounds under secret keys, shingles
 * by a secret multilinear sum and then by AES-128, so that an index says nothing without its key. */
typedef struct {
    uint8_t round[11][16]; /* AES-128 */
    uint8_t word[2][16];
    uint64_t low[SL_ECHO_SHINGLE_MAX];
    uint64_t high[SL_ECHO_SHINGLE_MAX];
    uint64_t number; /* the one symbol that stands for every number */
    uint8_t check[16];
    uint8_t mac[32];     /* of index files */
    uint32_t table[256]; /* AES round table of the portable form */
} sl_echo_key;

void sl_echo_key_init(sl_echo_key *key, const uint8_t match_key[32]);
void sl_echo_key_wipe(sl_echo_key *key);

/* The views of a text: words with runs of numbers as one symbol, the numbers alone, and beside these two views of
 * folded tokens chemical structures by their characters (echo_structure.h). */
typedef enum {
    SL_ECHO_WORDS,
    SL_ECHO_NUMBERS,
    SL_ECHO_LANES,
    SL_ECHO_STRUCTURES = SL_ECHO_LANES,
    SL_ECHO_VIEWS,
} sl_echo_lane;

typedef struct {
    uint64_t *hash[SL_ECHO_LANES];
    uint32_t *at[SL_ECHO_LANES]; /* where the token begins in the folded text */
    size_t n[SL_ECHO_LANES];
    bool after_number;
} sl_echo_tokens;

typedef struct {
    const char *name;
    /* Copies ASCII bytes in lower case until the first other byte; returns how many. May write up to
     * SL_ECHO_PAD bytes more. */
    size_t (*lower)(const uint8_t *in, size_t n, uint8_t *out);
    /* Where runs of word bytes (0-9, a-z, 0x80 and above) begin and end, in turn. */
    size_t (*edges)(const uint8_t *text, size_t n, uint32_t *edges);
    /* Appends the tokens of `pairs` runs. */
    void (*words)(const sl_echo_key *key, const uint8_t *text, const uint32_t *edges, size_t pairs,
                  sl_echo_tokens *out);
    /* Tags and checks of the `count` shingles that begin at hash[0], hash[1]...; the hashes are
     * followed by 8 readable ones. Writes up to 7 more. */
    void (*shingles)(const sl_echo_key *key, const uint64_t *hash, size_t count, size_t k,
                     uint64_t *tag, uint64_t *check);
    /* Those of `count` tags that the filter may know, as positions; returns how many. */
    size_t (*probe)(const uint8_t *filter, uint32_t words, const uint64_t *tag, size_t count,
                    uint32_t *ret_positions);
} sl_echo_kernel;

/* NULL where this machine or build cannot. */
const sl_echo_kernel *sl_echo_kernel_get(sl_echo_speed speed);
/* The fastest there is. */
const sl_echo_kernel *sl_echo_kernel_best(void);

/* Where a tag's word stands in a filter of `words` 64-bit words, and its four bits. */
static inline uint32_t sl_echo_filter_at(uint64_t tag, uint32_t words)
{
    return (uint32_t)(((tag >> 32) * words) >> 32);
}

static inline uint64_t sl_echo_filter_bits(uint64_t tag)
{
    return (uint64_t)1 << (tag & 63) | (uint64_t)1 << (tag >> 6 & 63) |
           (uint64_t)1 << (tag >> 12 & 63) | (uint64_t)1 << (tag >> 18 & 63);
}

/* Adds one token to both views: what it hashes to, whether it is a number. */
static inline void sl_echo_push(sl_echo_tokens *out, uint64_t number, uint64_t hash, uint32_t at,
                                bool numeric)
{
    size_t w = out->n[SL_ECHO_WORDS];
    size_t n = out->n[SL_ECHO_NUMBERS];
    out->hash[SL_ECHO_WORDS][w] = numeric ? number : hash;
    out->at[SL_ECHO_WORDS][w] = at;
    out->n[SL_ECHO_WORDS] = w + !(numeric && out->after_number);
    out->hash[SL_ECHO_NUMBERS][n] = hash;
    out->at[SL_ECHO_NUMBERS][n] = at;
    out->n[SL_ECHO_NUMBERS] = n + numeric;
    out->after_number = numeric;
}

/* The machine's own forms; NULL where it has none. */
const sl_echo_kernel *sl_echo_kernel_x86(sl_echo_speed speed);

#endif
