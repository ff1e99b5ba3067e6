/* What the detectors say about the texts of something that wants to leave: every text whole, against the engines
 * that the program carries and the compartment's own roster and records. One look serves one crossing; its keys go
 * with it, because the process forks workers that parse, and no key may be in their memory.
 * It must never keep a byte of what it saw, and never count a text as inspected that was not. */
#ifndef SL_DOORS_RELEASE_LOOK_H
#define SL_DOORS_RELEASE_LOOK_H

#include "detect/inspect.h"
#include "detect/policy.h"

/* Adds what protects the compartment to a set made for this crossing. */
typedef sl_res (*sl_release_protect)(void *context, const char *compartment, sl_detect *set);

typedef struct {
    sl_detect *set;
    sl_scratch *scratch;
    sl_policy *policy;
    sl_view purpose; /* borrowed */
    sl_buf text;     /* the end of the text before, then the text */
    size_t overlap;
    sl_findings findings;
    sl_verdict verdict;
    uint64_t classes[SL_CLASS_COUNT];
    uint64_t texts;
} sl_release_look;

/* Builds the engines. `ret` is to be freed also after a failure. */
SL_MUST sl_res sl_release_look_begin(const char *compartment, sl_view purpose,
                                     sl_release_protect protect, void *context,
                                     sl_release_look *ret);
/* One text, or the next part of the text before (`continues`): what reaches over their seam is found too. */
SL_MUST sl_res sl_release_look_text(sl_release_look *look, sl_view text, bool continues);
/* `count` identifiers of this class that a survey found by their columns: judged as if a detector had. */
SL_MUST sl_res sl_release_look_class(sl_release_look *look, sl_class kind, uint64_t count);
void sl_release_look_free(sl_release_look *look);

#endif
