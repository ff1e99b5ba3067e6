/* The taint index: which runs of words and which values a conversation holds, and where from.
 * Internal to src/detect (flow.h). */
#ifndef SL_DETECT_FLOW_INDEX_H
#define SL_DETECT_FLOW_INDEX_H

#include "detect/flow.h"
#include "detect/fold.h"

#define SL_FLOW_RUN 3 /* words of one entry */

typedef struct {
    uint64_t hash; /* 0 is empty */
    uint32_t message;
    uint32_t from; /* first place in its message */
    uint32_t to;
    uint8_t trust; /* of all texts that hold it, OR-ed */
    uint8_t channel;
    bool by_user; /* the user typed it, without a "not" before it; no other text can set this */
} sl_flow_entry;

typedef struct {
    sl_flow_entry *items;
    size_t cap; /* a power of two */
    size_t n;
    size_t bytes;   /* of text taken */
    uint8_t trusts; /* of all texts */
    sl_fold_work work;
} sl_flow_index;

/* A word or a value of folded text. */
typedef struct {
    uint32_t start; /* in the folded text */
    uint32_t end;
    uint64_t hash;
    uint8_t kind; /* sl_flow_value */
} sl_flow_item;

typedef struct {
    sl_flow_item *items;
    size_t n;
    size_t cap;
} sl_flow_items;

/* An address by its parts, from the host on: without user, "www.", usual ports and slashes at the end. */
#define SL_FLOW_PARENTS 12
typedef struct {
    uint64_t host;
    uint64_t page;                     /* to '?' or '#' */
    uint64_t whole;                    /* with what follows */
    uint64_t parents[SL_FLOW_PARENTS]; /* cut at a '/' */
    size_t parents_n;
} sl_flow_url;
/* `address` begins at its scheme, its slashes or its host. */
sl_flow_url sl_flow_url_of(sl_view address);

/* Words (SL_FLOW_WORDS) in order, then values. Empties `items` first. */
SL_MUST sl_res sl_flow_split(sl_view folded, sl_flow_items *items);
/* Addresses that are spelled: " at ", "(at)", " dot ", blanks around the signs become the signs. Leaves
 * `out` empty when nothing changed. */
SL_MUST sl_res sl_flow_unspell(sl_view folded, sl_buf *out);
SL_MUST sl_res sl_flow_index_add(sl_flow_index *index, sl_flow_entry one);
const sl_flow_entry *sl_flow_index_find(const sl_flow_index *index, uint64_t hash);
/* A word alone is kept under a hash of its own, to tell what was asked for. */
static inline uint64_t sl_flow_word_hash(const sl_flow_item *word)
{
    return word->hash ^ UINT64_C(0xA5A5A5A5A5A5A5A5);
}
void sl_flow_index_free(sl_flow_index *index);
/* The hash of the run of words that begins at `at`; there must be SL_FLOW_RUN of them. */
uint64_t sl_flow_run_hash(const sl_flow_item *words);

#endif
