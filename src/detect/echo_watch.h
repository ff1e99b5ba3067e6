/* Echo over one text that is being decided piece by piece: all indexes of an engine set, each with a scan
 * of its own, and their matches as findings. Where somebody can compare the record itself (sl_scratch_confirm),
 * a suspicion is asked about as soon as enough text stands behind it, which is within what a stream holds back;
 * else strong matches alone count. What it says after so many bytes is a function of those bytes and of the
 * answers. Internal to src/detect. */
#ifndef SL_DETECT_ECHO_WATCH_H
#define SL_DETECT_ECHO_WATCH_H

#include "detect/finding.h"
#include "detect/window.h"

typedef struct sl_echo_watch sl_echo_watch;

/* `*ret_watch` is NULL where the set has no index. Borrows both for its life. `asks`: may ask. */
SL_MUST sl_res sl_echo_watch_new(const sl_detect *detect, sl_scratch *scratch, bool asks,
                                 sl_echo_watch **ret_watch);
void sl_echo_watch_free(sl_echo_watch *watch);
/* The text goes on, or ends. A text given whole (the first piece is the last) is borrowed until the findings
 * were taken. */
SL_MUST sl_res sl_echo_watch_feed(sl_echo_watch *watch, sl_view text, bool last);
/* Appends a finding for each match that counts and ends behind `decided` (bytes of the whole text); spans
 * count from `base` and are cut there. `*ret_early`: the most bytes that one of them has before it. */
SL_MUST sl_res sl_echo_watch_findings(sl_echo_watch *watch, uint64_t base, uint64_t decided,
                                      sl_findings *findings, uint64_t *ret_early);

#endif
