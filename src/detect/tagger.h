/* Names, places, organisations and numbers of persons by a trained sequence tagger: words, shapes, neighbours and word
 * lists as hashed features, scored by an averaged perceptron (Collins 2002), decoded by Viterbi.
 * The pack (data/models) holds quantised weights and hashed word lists; tools/tagger trains it with
 * the very features of this module. Deterministic, integer arithmetic only.
 *
 * Pack, little endian: "SLTAGGR1"  u32 version (5)  u32 buckets (power of two)  u32 words  u32 bias
 * (signed)  u32 kinds  u32 bytes of all  i16 transitions[9][8]  i8 weights[buckets][8]
 * u32 lists[kinds]
 * { step from the hash before, 7 bits a byte, highest bit: more follows; u16 kind }[words, by hash]
 * u64 check */
#ifndef SL_DETECT_TAGGER_H
#define SL_DETECT_TAGGER_H

#include "detect/finding.h"

enum {
    SL_TAG_OUTSIDE,
    SL_TAG_NAME,
    SL_TAG_NAME_ON,
    SL_TAG_PLACE,
    SL_TAG_PLACE_ON,
    SL_TAG_ORGANISATION,
    SL_TAG_ORGANISATION_ON,
    SL_TAG_NUMBER, /* of a person: every token of it, signs too */
    SL_TAG_COUNT,
    SL_TAG_LANES = 8,
    SL_TAG_BEGIN = 8, /* row of transitions from a segment's beginning */
};

/* A token's case beyond those that describe() finds: in a text without case; outside the text. */
enum { SL_TAG_EDGE = 7, SL_TAG_NO_CASE = 8 };

/* Word lists: what a word is known as. */
enum {
    SL_LIST_FIRST_COMMON = 1 << 0,
    SL_LIST_FIRST_RARE = 1 << 1,
    SL_LIST_LAST = 1 << 2,
    SL_LIST_CITY = 1 << 3,
    SL_LIST_CITY_PART = 1 << 4,
    SL_LIST_REGION = 1 << 5, /* countries too */
    SL_LIST_REGION_SHORT = 1 << 6,
    SL_LIST_THING = 1 << 7, /* what is named after people: disease, score, trial */
    SL_LIST_HOSPITAL = 1 << 8,
    SL_LIST_TITLE = 1 << 9,
    SL_LIST_EPONYM = 1 << 10,
    SL_LIST_PLAIN = 1 << 11, /* seen in lower case */
    SL_LIST_DRUG = 1 << 12,
    SL_LIST_CALENDAR = 1 << 13,
    SL_LIST_STREET = 1 << 14,
    SL_LIST_RELATION = 1 << 15,
    SL_LIST_NAMED = 0xFFFF, /* all of these */
};

/* Above the lists: what an English dictionary says of the word in lower case, one of sl_tag_sense; 0: it has no such word.
 * Nobody has seen all verbs that stand behind a name; the dictionary knows that they are verbs. */
#define SL_TAG_SENSE_SHIFT 16
typedef enum {
    SL_SENSE_NONE,
    SL_SENSE_OTHER, /* a word of which nothing more is known */
    SL_SENSE_ADJECTIVE,
    SL_SENSE_ADVERB,
    SL_SENSE_PERSON,
    SL_SENSE_LIVING, /* bodies, animals, plants */
    SL_SENSE_MADE,   /* artefacts, food, substances */
    SL_SENSE_PLACE,
    SL_SENSE_SAID, /* communication, groups */
    SL_SENSE_TIME,
    SL_SENSE_ABSTRACT,
    SL_SENSE_VERB,       /* as it stands in a dictionary */
    SL_SENSE_VERB_SAYS,  /* the third person or the past, of communication */
    SL_SENSE_VERB_DOES,  /* the same, of anything else */
    SL_SENSE_VERB_DOING, /* "-ing" */
    SL_SENSE_COUNT,
} sl_tag_sense;

typedef struct {
    uint32_t start;
    uint32_t end;
    uint32_t lower; /* hashes: in lower case, shape */
    uint32_t shape;
    uint32_t lists;
    uint32_t word;   /* in tagging: its entry of tagger_words.h */
    uint8_t capital; /* 0 lower, 1 Capital, 2 miXed, 3 UPPER, 4 sign, 5 digits, 6 one capital, 8 */
    uint8_t lines;   /* line ends before it, at most 2 */
    uint8_t label;   /* of the tagger, or of the gold standard in training */
    uint8_t calm;    /* in tagging: flags of tagger_calm.h */
} sl_tag_token;

typedef struct {
    sl_view text; /* borrowed */
    sl_tag_token *items;
    size_t n;
    size_t cap;
} sl_tag_tokens;

#define SL_TAG_FEATURES_MAX 80

typedef struct sl_tagger sl_tagger;
typedef struct sl_tagger_work sl_tagger_work;

/* Borrows the pack for its life. SL_E_VERSION, SL_E_TRUNCATED, SL_E_INTEGRITY. */
SL_MUST sl_res sl_tagger_open(sl_view pack, sl_tagger **ret_tagger);
/* The pack that the program carries (data/models/names.pack). */
SL_MUST sl_res sl_tagger_open_default(sl_tagger **ret_tagger);
/* One more owner; each owner frees. */
sl_tagger *sl_tagger_share(sl_tagger *tagger);
void sl_tagger_free(sl_tagger *tagger);
SL_MUST sl_res sl_tagger_work_new(sl_tagger_work **ret_work);
void sl_tagger_work_free(sl_tagger_work *work);

/* Appends names, places and numbers in folded text. */
SL_MUST sl_res sl_tagger_scan(const sl_tagger *tagger, sl_tagger_work *work, sl_view folded,
                              sl_findings *findings);

/* For training, the same code as for tagging: tokens of a text (lists not yet set), the hash of a
 * lower-case word, the features of token `at` of the segment's tokens, a segment's end, and the check
 * at the pack's end. */
SL_MUST sl_res sl_tag_tokenise(sl_view text, sl_tag_tokens *tokens);
uint32_t sl_tag_word_hash(sl_view word);
size_t sl_tag_features(const sl_tag_tokens *tokens, size_t at, uint32_t mask,
                       uint32_t features[SL_TAG_FEATURES_MAX]);
size_t sl_tag_segment_end(const sl_tag_tokens *tokens, size_t begin);
bool sl_tag_may_follow(unsigned before, unsigned tag);
uint64_t sl_tag_pack_check(sl_view pack_without_check);

#endif
