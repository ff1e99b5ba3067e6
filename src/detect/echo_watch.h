/* Echo over one text that is being decided piece by piece: all indexes of an engine set, each with a scan
 * of its own, and their strong matches as findings. What it says after so many bytes is a function of
 * those bytes. Internal to src/detect. */
#ifndef SL_DETECT_ECHO_WATCH_H
#define SL_DETECT_ECHO_WATCH_H

#include "detect/finding.h"
#include "detect/window.h"

typedef struct sl_echo_watch sl_echo_watch;

/* `*ret_watch` is NULL where the set has no index. Borrows both for its life. */
SL_MUST sl_res sl_echo_watch_new(const sl_detect *detect, sl_scratch *scratch,
                                 sl_echo_watch **ret_watch);
void sl_echo_watch_free(sl_echo_watch *watch);
/* The text goes on, or ends. */
SL_MUST sl_res sl_echo_watch_feed(sl_echo_watch *watch, sl_view text, bool last);
/* Appends a finding for each strong match that ends behind `decided` (bytes of the whole text); spans
 * count from `base` and are cut there. `*ret_early`: the most bytes that one of them has before it. */
SL_MUST sl_res sl_echo_watch_findings(sl_echo_watch *watch, uint64_t base, uint64_t decided,
                                      sl_findings *findings, uint64_t *ret_early);

#endif
