/* How much of a window is decided: the rule that whole strings and streams share. Internal. */
#ifndef SL_DETECT_SCAN_FRONTIER_H
#define SL_DETECT_SCAN_FRONTIER_H

#include "detect/finding.h"

/* ARCHITECTURE section 4: the last 256 folded characters are held. */
#define SL_HOLD_CHARS ((size_t)256)
/* Folded characters before the frontier that the next window sees again, for context words. */
#define SL_CONTEXT_CHARS ((size_t)128)

/* The frontier in the window: not in the last 256 folded characters, not in the open token, not in
 * an open run (`open`), not inside a finding. */
size_t sl_scan_frontier(sl_view window, const sl_findings *findings, size_t open);
/* Where the window that goes on at `decided` begins, so that context is seen: at a token's start. */
size_t sl_scan_context(sl_view text, size_t decided);

#endif
