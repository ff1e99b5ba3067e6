/* Letters put in place of letters: any Caesar shift, Atbash, text written backwards, leetspeak.
 * Such a stretch is known by common words that stand in it: the steps between a word's letters do not
 * change under a shift, so one look-up per word tells the shift. What is decoded has the length of what
 * was encoded. Internal to src/detect; pure, linear, bounded. */
#ifndef SL_DETECT_CIPHER_H
#define SL_DETECT_CIPHER_H

#include "detect/finding.h"

#define SL_CIPHER_STRETCHES_MAX 16

/* Bits for ten lengths, and the distances of a word's second and third letter from its first, -25 to 25. */
#define SL_CIPHER_DISTANCES ((10 * 51 * 51 + 63) / 64)

typedef struct {
    size_t start; /* in the text given */
    size_t end;
    size_t at;    /* of the decoded stretch, end - start bytes, in sl_ciphers.bytes */
    uint8_t kind; /* sl_view_kind: ROTATED, ATBASH, REVERSED, LEET */
} sl_stretch;

/* Reused from call to call. */
typedef struct {
    sl_buf bytes;
    sl_stretch items[SL_CIPHER_STRETCHES_MAX];
    size_t n;
    uint32_t table[512]; /* of common words by their steps; filled at first use */
    uint8_t first[512];
    bool filled;
    /* By length and two distances between letters: words that no cipher may turn into a common one. A bit for words
     * as they begin, one for words as they end. */
    uint64_t begins[SL_CIPHER_DISTANCES];
    uint64_t ends[SL_CIPHER_DISTANCES];
    /* Words that were met lately and what they are: a pure function of their letters. */
    struct {
        uint64_t low; /* eight letters in lower case */
        uint32_t high;
        uint32_t mode;
    } met[1024];
} sl_ciphers;

void sl_ciphers_free(sl_ciphers *ciphers);
/* Empties `ciphers` and fills it from `text`. */
SL_MUST sl_res sl_ciphers_find(sl_view text, sl_ciphers *ciphers);

/* Where in the text the decoded bytes [from, to) of a stretch stand. */
void sl_stretch_origin(const sl_stretch *stretch, size_t from, size_t to, size_t *ret_start,
                       size_t *ret_end);

#endif
