/* Looking at whole strings on their way to a model server: detectors, policy, rewriting.
 *
 * One look serves one crossing: it adds up what was found over all strings, keeps the surrogates
 * of the crossing and the strongest verdict. It must never keep a byte of what it saw beyond the
 * crossing, and never let a string pass whose inspection failed.
 * Design: ARCHITECTURE.md section 4, the step "inspect". */
#ifndef SL_DOORS_ASK_LOOK_H
#define SL_DOORS_ASK_LOOK_H

#include "detect/flow.h"
#include "detect/inject.h"
#include "detect/inspect.h"
#include "detect/policy.h"
#include "detect/transform.h"

/* The packs that look for instructions in requests, and their working memory. */
typedef struct {
    sl_inject *packs[SL_INJECT_CHANNELS];
    sl_inject_work *work;
} sl_ask_inject;

typedef struct {
    /* Given by the owner; all borrowed, all must outlive the look. */
    const sl_detect *detect;
    sl_scratch *scratch;
    const sl_policy *policy;
    sl_view purpose;
    sl_pseudonyms *pseudonyms;
    const sl_ask_inject *inject; /* NULL: instructions are not looked for */
    sl_flow *flow;               /* takes every text as the model will read it; or NULL */
    sl_view tool;                /* whose result the next text is; empty: nobody's, or unknown */
    /* Working memory, owned. */
    sl_findings findings;
    sl_buf rewritten;
    sl_buf joined;
    /* What was seen so far. */
    sl_verdict verdict;
    sl_finding cause; /* the finding of the strongest verdict beyond ALLOW */
    sl_channel cause_channel;
    bool has_cause;
    uint64_t strings;
    uint64_t text_bytes;
    uint64_t transforms;
    uint32_t by_class[SL_CLASS_COUNT];
} sl_ask_look;

/* Prepare after the borrowed members are set; `rewritten_max` bounds one rewritten string. */
void sl_ask_look_init(sl_ask_look *look, size_t rewritten_max);
void sl_ask_look_free(sl_ask_look *look);

/* Inspect one string that the door can rewrite. `*ret_text` is what may go on: `text` itself or
 * the rewritten string, borrowed from the look until its next call.
 * Fails: SL_E_REFUSED when the verdict is stronger than TRANSFORM, and the detectors' errors. */
SL_MUST sl_res sl_ask_look_text(sl_ask_look *look, sl_view text, sl_channel channel,
                                sl_view *ret_text);

/* Inspect strings that stand side by side in one channel and are read as one: each alone and all
 * together (seams.h). `texts[i]` becomes what may go on in its place, borrowed from the look until
 * its next call. What reaches over a seam is rewritten as one and stands in the text where it began.
 * `tools[i]` is the tool whose result `texts[i]` is, or empty.
 * Fails as sl_ask_look_text. */
SL_MUST sl_res sl_ask_look_row(sl_ask_look *look, sl_view *texts, const sl_view *tools, size_t n,
                               sl_channel channel);

/* Drops names and places that the tagger guessed: it knows them by their sentence, and a key, a number or a
 * protocol word stands in none. */
void sl_ask_look_drop_guesses(sl_findings *findings);

/* Inspect one string that cannot be rewritten without changing what it means to the protocol (a
 * name, a number, a member's key). Fails: SL_E_REFUSED also when a transform would be due. */
SL_MUST sl_res sl_ask_look_fixed(sl_ask_look *look, sl_view text, sl_channel channel);

/* Judge a definition of a tool that is not what it was: `score` 500 for one that was learned, 999 for one
 * that the site pins. Fails: SL_E_REFUSED when the policy wants more than a record. */
SL_MUST sl_res sl_ask_look_tool_changed(sl_ask_look *look, uint16_t score);

#endif
