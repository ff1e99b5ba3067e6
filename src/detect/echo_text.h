/* Text as the echo engine sees it: a stream of folded bytes, cut into the tokens of its two views.
 * Folding is fold.h's, one character at a time and always in favour of Latin letters; ASCII, which is
 * most of any text, never goes through it. Bytes that are not UTF-8 are read as Windows-1252. What
 * comes out does not depend on how the text was split. Internal to src/detect. */
#ifndef SL_DETECT_ECHO_TEXT_H
#define SL_DETECT_ECHO_TEXT_H

#include "detect/echo_kernel.h"
#include "detect/fold.h"

/* Text is taken in at most so many bytes at a time. */
#define SL_ECHO_BATCH ((size_t)16384)
/* One character folds to at most so many bytes. */
#define SL_ECHO_FOLD_BYTES ((size_t)8)

/* What a stream of text remembers between pieces: small, one for each stream. */
typedef struct {
    uint64_t seen;      /* bytes of the text taken in */
    uint8_t partial[4]; /* a character cut by the end of a piece */
    uint8_t partial_n;
    bool after_number;
    uint8_t tail_n; /* folded bytes of the token that is still open */
    uint8_t tail[SL_ECHO_TOKEN_BYTES];
    uint64_t origin[SL_ECHO_TOKEN_BYTES]; /* where each of them stands in the text */
} sl_echo_cursor;

typedef struct {
    uint32_t at;          /* in the folded text */
    uint32_t origin : 31; /* bytes from the batch's begin */
    uint32_t single : 1;  /* all folded bytes from here to the next step come from this one place */
} sl_echo_step;

typedef struct {
    uint32_t cp;
    uint8_t n;
    uint8_t bytes[SL_ECHO_FOLD_BYTES];
} sl_echo_folded;

/* Working memory, one for each thread: about two megabytes. */
typedef struct {
    const sl_echo_kernel *kernel;
    uint8_t *text; /* folded */
    size_t n;
    sl_echo_step *steps;
    size_t step_count;
    uint32_t *edges;
    sl_echo_tokens tokens;
    sl_echo_folded cache[256];
    sl_fold_work fold;
    uint64_t begin; /* of the batch in the text */
    uint64_t end;
    size_t tail_n; /* folded bytes that came from the cursor, and where they stand in the text */
    uint64_t origin[SL_ECHO_TOKEN_BYTES];
} sl_echo_text;

SL_MUST sl_res sl_echo_text_init(sl_echo_text *text, const sl_echo_kernel *kernel);
void sl_echo_text_free(sl_echo_text *text);

/* Takes the next piece, at most SL_ECHO_BATCH bytes, and appends the tokens that it completes to
 * `text->tokens` (its arrays hold what the caller put in front). `last`: the text ends here. */
SL_MUST sl_res sl_echo_text_take(sl_echo_text *text, sl_echo_cursor *cursor, const sl_echo_key *key,
                                 sl_view piece, bool last);
/* Where the token that begins at the folded byte `at` stands in the text. Until the next take. */
void sl_echo_text_span(const sl_echo_text *text, uint32_t at, uint64_t *ret_start,
                       uint64_t *ret_end);

/* Most tokens that one batch can give in one view. */
#define SL_ECHO_TOKENS_MAX (SL_ECHO_BATCH * 2 + SL_ECHO_TOKEN_BYTES)
/* Room in front of them for tokens carried over from before. */
#define SL_ECHO_CARRY_MAX ((size_t)16)

#endif
