/* The release frontier (scan_frontier.h): a pure function of the window and its findings. */
#include "detect/scan_frontier.h"

#include "base/utf8.h"
#include "detect/fold.h"
#include "detect/window.h"
#include "detect/words.h"

#define TOKEN_BACK ((size_t)64)

size_t sl_scan_frontier(sl_view window, const sl_findings *findings, size_t open)
{
    size_t at = sl_window_token(window);
    size_t held = sl_fold_back(window, window.n, SL_HOLD_CHARS);
    at = held < at ? held : at;
    at = open < at ? open : at;
    /* A finding across the frontier pulls it to its start, where it may lie across another. The list
     * is sorted by start, so one pass from the last to the first settles it. */
    for (size_t i = findings->n; i > 0; i--) {
        const sl_finding *f = &findings->items[i - 1];
        if (f->start < at && f->end > at) {
            at = f->start;
        }
    }
    return at;
}

size_t sl_scan_context(sl_view text, size_t decided)
{
    size_t at = sl_fold_back(text, decided, SL_CONTEXT_CHARS);
    for (size_t i = 0; i < TOKEN_BACK && at > 0 && !sl_is_blank(text.p[at - 1]); i++) {
        at--;
    }
    while (at > 0 && decided - at < 4096 && !sl_utf8_boundary(text, at)) {
        at--;
    }
    return at;
}
