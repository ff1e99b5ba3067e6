/* Words that the tagger has met: what each says by itself and to its neighbours, added up once. A pure function of pack
 * and word, so nothing that is found depends on what was met before; words of up to 16 bytes are kept,
 * and all are forgotten when there are too many. Internal to src/detect. */
#ifndef SL_DETECT_TAGGER_WORDS_H
#define SL_DETECT_TAGGER_WORDS_H

#include "detect/tagger_features.h"

/* What scoring needs of a pack. */
typedef struct {
    const int8_t *weights; /* rows of SL_TAG_LANES */
    uint32_t mask;
    int32_t bias; /* taken from "outside": more recall, less precision */
    /* From a row's tag to a lane's; what may not follow is SL_TAG_IMPOSSIBLE. */
    int32_t transitions[SL_TAG_LANES + 1][SL_TAG_LANES];
    uint32_t *hashes; /* words of the lists: open addressing, 0 is empty */
    uint32_t *lists;
    uint32_t slot_mask;
    uint64_t check; /* of the pack: tells models apart */
} sl_tag_model;

#define SL_TAG_IMPOSSIBLE (INT32_MIN / 4)

/* The first 64 bytes are all that a token needs which nobody asks about. */
typedef struct {
    uint64_t key[2]; /* the bytes, filled up with 0 */
    uint32_t lower;
    uint32_t shape;
    uint32_t lists;
    uint32_t caseless; /* the entry of the same word where case says nothing; 0: not yet known */
    uint8_t length;    /* 0: not to be found again */
    uint8_t capital;
    uint8_t calm;
    uint8_t spare[13];
    int16_t own[SL_TAG_LANES];
    int8_t near[SL_TAG_NEAR][SL_TAG_LANES];
    uint8_t spare_near[16];
} sl_tag_word;

#define SL_TAG_WORD_SLOTS ((size_t)65536)

struct sl_tag_words {
    const sl_tag_model *model; /* of the current text */
    uint64_t check;            /* of the model that the entries belong to */
    sl_tag_word *items;        /* the first is the edge of the text */
    size_t n;
    size_t cap;
    uint32_t slots[SL_TAG_WORD_SLOTS]; /* 0 is empty */
};

const sl_tag_model *sl_tagger_model(const sl_tagger *tagger);
/* What a pack knows about a word, by its `lower`. */
uint32_t sl_tag_lists_of(const sl_tag_model *model, uint32_t lower);
/* Before a text: forgets what belongs to another model, or all if it is too much. */
SL_MUST sl_res sl_tag_words_begin(sl_tag_words *words, const sl_tag_model *model);
void sl_tag_words_free(sl_tag_words *words);
/* Describes the token whose place in `text` is set, in three steps with other tokens between them, because the entries
 * lie all over the memory: the key, and where to look for it; the entry is asked for; it is there. */
typedef struct {
    uint64_t bytes[2];
    uint32_t slot;
} sl_tag_key;
void sl_tag_words_key(const sl_tag_words *words, sl_view text, const sl_tag_token *token,
                      sl_tag_key *ret_key);
void sl_tag_words_fetch(const sl_tag_words *words, const sl_tag_key *key);
SL_MUST sl_res sl_tag_words_find(sl_tag_words *words, sl_view text, const sl_tag_key *key,
                                 sl_tag_token *token);
/* The same token where case says nothing. */
SL_MUST sl_res sl_tag_words_caseless(sl_tag_words *words, sl_view word, sl_tag_token *token);

#endif
