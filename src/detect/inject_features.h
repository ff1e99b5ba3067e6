/* Words of folded text and their hashed features, shared by the engine (inject.c) and the trainer
 * (tools/inject): what is learned is what is looked up. A change here needs new packs and a new pack
 * version. Internal to src/detect and tools/inject. */
#ifndef SL_DETECT_INJECT_FEATURES_H
#define SL_DETECT_INJECT_FEATURES_H

#include "detect/fold.h"
#include "detect/inject.h"
#include "detect/views.h"

/* Windows of 8, 16 ... 512 words and signs. */
#define SL_INJECT_SCALES 7
#define SL_INJECT_SCALE_WORDS(scale) ((size_t)8 << (scale))
#define SL_INJECT_FEATURES_MAX 200
#define SL_INJECT_CONCEPTS 16

/* The frame of a window: so many tokens before it and behind it, and of each its first features (itself;
 * itself and the one before), looked up in a smaller table. */
#define SL_INJECT_FRAME_TOKENS ((size_t)24)
#define SL_INJECT_FRAME_FEATURES ((size_t)2)
#define SL_INJECT_FRAME_BITS 16U

/* How an entry of the word list matches. */
enum {
    SL_INJECT_FORM_WORD = 1,   /* the whole word */
    SL_INJECT_FORM_PREFIX = 2, /* a word that begins so */
    SL_INJECT_FORM_RUN = 4,    /* characters of a script without blanks */
};

typedef struct {
    uint32_t *hashes; /* open addressing; 0 is empty */
    uint16_t *concepts;
    uint8_t *forms;
    uint32_t mask;
    uint32_t count;
    uint8_t prefixes[1024]; /* a filter: no bit, no prefix of that hash */
} sl_inject_words;

typedef struct {
    uint32_t start; /* in the folded text */
    uint32_t end;
    uint32_t hash;
    uint32_t unit; /* of its first character in `units` */
    uint16_t units_n;
    uint16_t concepts;
    uint8_t
        kind; /* 0 word, 1 single character of a script without blanks, 2 number, 3 sign, 4 line */
    bool shouted; /* all capitals, three letters or more */
} sl_inject_token;

typedef struct {
    sl_inject_token *items;
    size_t n;
    size_t cap;
    uint16_t *units; /* lower-case characters, folded to 16 bits */
    size_t units_n;
    size_t units_cap;
    uint32_t seen[SL_INJECT_CONCEPTS]; /* while features are drawn: token + 1 that last had it */
    uint16_t trail[2];                 /* the last two tokens with concepts */
    uint32_t trail_at[2];
} sl_inject_tokens;

void sl_inject_tokens_free(sl_inject_tokens *tokens);
SL_MUST sl_res sl_inject_words_init(sl_inject_words *words, uint32_t count);
/* Adds concepts to an entry; `text` is folded. SL_E_RANGE for an entry of no letters. */
SL_MUST sl_res sl_inject_words_add(sl_inject_words *words, sl_view text, uint8_t form,
                                   uint16_t concepts);
/* The same by hash, as a pack holds it. */
SL_MUST sl_res sl_inject_words_put(sl_inject_words *words, uint32_t hash, uint8_t form,
                                   uint16_t concepts);
void sl_inject_words_free(sl_inject_words *words);

/* Empties `tokens` and fills them from folded text of at most 2^30 bytes. */
SL_MUST sl_res sl_inject_tokenise(const sl_inject_words *words, sl_view folded,
                                  sl_inject_tokens *tokens);
/* The features that end with token `at`, as hashes; to be called for each token in order from 0. */
size_t sl_inject_features(sl_inject_tokens *tokens, size_t at,
                          uint32_t ret_features[SL_INJECT_FEATURES_MAX]);

/* A text that is looked at: a chunk's folded self, or what a run in it decodes to. */
typedef struct {
    sl_view folded;
    const sl_folded *map; /* back to the chunk; NULL for a decoded run */
    size_t base;          /* of the chunk in the text */
    size_t start;         /* of the run in the chunk, when decoded */
    size_t end;
    uint8_t view; /* sl_view_kind */
} sl_inject_text;
typedef sl_res sl_inject_take(void *context, const sl_inject_text *text);
typedef struct {
    sl_fold_work plain[3];
    sl_fold_work unescaped;
    sl_views views[2];
    sl_findings hidden;
    sl_buf turned;
} sl_inject_texts;
void sl_inject_texts_free(sl_inject_texts *texts);
/* Calls `take` for each text of a document, in chunks that overlap by more than a window. */
SL_MUST sl_res sl_inject_each_text(sl_inject_texts *texts, sl_view document, sl_inject_take *take,
                                   void *context);

/* Calls `take` for each stretch of folded text whose letters were turned into others (rotated, Atbash,
 * written backwards, digits for letters), turned back; `work` is reused. */
typedef sl_res sl_inject_take_turned(void *context, sl_view turned, size_t start, size_t end,
                                     uint8_t view);
SL_MUST sl_res sl_inject_each_turned(sl_view text, sl_buf *work, sl_inject_take_turned *take,
                                     void *context);

/* Has this view been decoded by us, so that its writer hid it? */
static inline bool sl_inject_is_decoded(uint8_t view)
{
    return view > SL_VIEW_FOLDED && view != SL_VIEW_PERCENT && view != SL_VIEW_ENTITY &&
           view != SL_VIEW_ESCAPE;
}

/* The next window after (*scale, *at) over `n` tokens, smallest scale first: [*at, *ret_end). Begins
 * with *scale = -1. False when there is none left. Windows overlap by three quarters; a text shorter
 * than a scale is one window of it, and no larger scale is looked at. */
bool sl_inject_next_window(size_t n, int *scale, size_t *at, size_t *ret_end);
/* What a window's sum of weights is divided by: the root of its features, of 48 at least. */
double sl_inject_norm(uint32_t features);

/* The tokens of a window's frame: [*ret_low, from) and [to, *ret_high). Returns what the sum of their
 * weights is divided by. */
double sl_inject_frame(size_t tokens, size_t from, size_t to, size_t *ret_low, size_t *ret_high);
/* From any number to one between -1 and 1; the same on every machine. */
static inline double sl_inject_squash(double x)
{
    return x < 0 ? x / (1 - x) : x / (1 + x);
}

uint64_t sl_inject_pack_check(sl_view pack_without_check);

#endif
