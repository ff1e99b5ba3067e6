/* The review copy: what is held, as text with what was found in it marked, for a person who may let it out and did not
 * ask. It is a crossing of its own, recorded before a byte of it is shown, and good once for each signature.
 * It must never parse what is held in this process, never go anywhere but to who signed, and never be kept. */
#ifndef SL_DOORS_RELEASE_REVIEW_H
#define SL_DOORS_RELEASE_REVIEW_H

#include "doors/release/door.h"

/* More text than a person reads; what follows is not shown, and the copy says so. */
#define SL_REVIEW_TEXT_BYTES_MAX (4 * SL_MIB)
#define SL_REVIEW_MARKS_MAX ((size_t)65536)

typedef struct {
    uint64_t bytes; /* of text in the copy */
    uint64_t marks;
    uint64_t texts;
    bool complete;
    uint64_t index; /* of the leaf that says that it is shown */
} sl_release_shown;

/* Writes the copy of what is held below `at_fd` (the vault's folder, or the held one) to `out_fd`: JSON lines, one for
 * each text or part of one, with its marks (start and end in bytes of the text, class). `format`: as the intent's leaf
 * names it. Errors: SL_E_APPROVAL (nobody signed to read it now), SL_E_VALVE, SL_E_INTEGRITY, those of the worker. */
SL_MUST sl_res sl_release_review(const sl_release_world *world, int at_fd, int out_fd,
                                 const sl_roll *roll, const sl_release_request *request,
                                 const char *format, sl_release_shown *ret);

#endif
