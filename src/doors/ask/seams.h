/* Texts that stand side by side and are read as one: the parts of a message, messages of one role in a
 * row, the blocks of an answer. What is split over several of them is found by looking at them
 * together: once joined as they are, and once with a line between them, since model servers and
 * clients do either. It must never change a text; look.c and the dialects act on what is found. Pure.
 * Design: README.md here. */
#ifndef SL_DOORS_ASK_SEAMS_H
#define SL_DOORS_ASK_SEAMS_H

#include "detect/inspect.h"

/* Bytes on each side of a seam that are looked at together: many times what engines hold back. */
#define SL_SEAM_BYTES ((size_t)4096)

/* Appends what is found around the seams of `texts`, with offsets in all of them joined without
 * anything between; `joined` is that text. What each text holds by itself may be among it.
 * Fails: the detectors' errors, SL_E_MEMORY. */
SL_MUST sl_res sl_seams_inspect(const sl_detect *detect, sl_scratch *scratch, const sl_view *texts,
                                size_t n, sl_view joined, sl_channel channel,
                                sl_findings *findings);

#endif
