/* Decoded views: what encoded runs in folded text say.
 * Runs are maximal and found in one pass; each is decoded whole, never by chunk; what does not decode
 * to readable text is no view. Bounded: all views together hold at most twice the text and 4 KiB. */
#ifndef SL_DETECT_VIEWS_H
#define SL_DETECT_VIEWS_H

#include "detect/finding.h"

typedef struct {
    size_t start; /* of the run, in the text given */
    size_t end;
    size_t at; /* of the decoded text in sl_views.bytes */
    size_t n;
    uint8_t kind; /* sl_view_kind */
} sl_segment;

typedef struct {
    sl_buf bytes;
    sl_segment *items;
    size_t n;
    size_t cap;
    /* Where a run begins that reaches the end of the text and may go on; text.n if there is none. */
    size_t open_from;
} sl_views;

void sl_views_free(sl_views *views);
/* Empties `views` and fills them from `text`. */
SL_MUST sl_res sl_views_find(sl_view text, sl_views *views);

#endif
