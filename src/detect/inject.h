/* Instructions to the model where none belong: how much a text looks like an attempt to override,
 * redirect or question the assistant, with the words that made it look so.
 *
 * Two packs that never share weights: what a person types (user) and what arrives as data (tool
 * results, documents, mail). Each is a quantised logistic regression over hashed word and character
 * n-grams and over pairs of concepts (a word list of the pack: "override", "earlier", "instructions"
 * ... in many languages), summed in overlapping windows of 8 to 512 words over the whole text and over
 * its decoded views. What stands around a window ("translate this sentence: ...") speaks for or against it
 * by at most the pack's bound, so that no frame hides an attack that is sure. Words only raise suspicion; what follows is the policy's and flow.h's affair.
 * Pure, linear in the text, the same result on every machine. Design: src/detect/README.md.
 *
 * Pack, little endian: "SLINJCT1"  u32 version (2)  u32 channel  u32 bits  u32 words
 * i32 step (millionths)  i32 threshold (thousandths)  i32 slope (thousandths)  i32 decoded (thousandths)
 * i32 biases[8] (thousandths)  i32 frame step (millionths)  i32 frame bound (thousandths)
 * { u32 hash, u16 concepts, u16 form }[words]  i8 weights[1 << bits]  i8 frame weights[1 << 16]
 * u64 check */
#ifndef SL_DETECT_INJECT_H
#define SL_DETECT_INJECT_H

#include "detect/finding.h"

typedef enum { SL_INJECT_USER, SL_INJECT_DATA, SL_INJECT_CHANNELS } sl_inject_channel;

typedef struct sl_inject sl_inject;           /* one opened pack */
typedef struct sl_inject_work sl_inject_work; /* working memory of one thread */

/* A stretch of the text that weighed most; offsets in the original (of a decoded run: the run). */
typedef struct {
    size_t start;
    size_t end;
    int32_t weight; /* thousandths of the score's unit; positive speaks for an attack */
} sl_inject_reason;

#define SL_INJECT_REASONS_MAX 8

/* A suspicious stretch. */
typedef struct {
    size_t start;
    size_t end;
    int32_t logit; /* thousandths */
    uint8_t view;  /* sl_view_kind */
    uint8_t reasons_n;
    sl_inject_reason reasons[SL_INJECT_REASONS_MAX]; /* heaviest first */
} sl_inject_hit;

typedef struct {
    int32_t logit;           /* of the worst window, thousandths; rises with suspicion */
    uint16_t score_permille; /* 500 at the pack's threshold: 1 % of ordinary texts lie above */
    sl_inject_hit worst;     /* end 0 when the text has no word */
} sl_inject_result;

/* Borrows the pack for its life. SL_E_VERSION, SL_E_TRUNCATED, SL_E_RANGE, SL_E_INTEGRITY. */
SL_MUST sl_res sl_inject_open(sl_view pack, sl_inject **ret_inject);
/* The pack that the program carries (data/models/inject_user.pack, inject_data.pack). */
SL_MUST sl_res sl_inject_open_default(sl_inject_channel channel, sl_inject **ret_inject);
/* One more owner; each owner frees. */
sl_inject *sl_inject_share(sl_inject *inject);
void sl_inject_free(sl_inject *inject);
sl_inject_channel sl_inject_channel_of(const sl_inject *inject);
/* The check at the pack's end: tells packs apart. */
uint64_t sl_inject_check(const sl_inject *inject);
SL_MUST sl_res sl_inject_work_new(sl_inject_work **ret_work);
void sl_inject_work_free(sl_inject_work *work);

/* The score of a whole text; any bytes, any length. */
SL_MUST sl_res sl_inject_score(const sl_inject *inject, sl_inject_work *work, sl_view text,
                               sl_inject_result *ret_result);

/* Appends a finding (class instruction) for each stretch above the threshold; of overlapping ones
 * the worst. Offsets lie on UTF-8 boundaries of well formed text. */
SL_MUST sl_res sl_inject_scan(const sl_inject *inject, sl_inject_work *work, sl_view text,
                              sl_findings *findings);

/* Which pack looks at texts of this channel; false for channels that carry no requests (answers). */
bool sl_inject_channel_for(sl_channel channel, sl_inject_channel *ret_channel);

#endif
