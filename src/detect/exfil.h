/* Links that would carry data out: anything a client may fetch by itself or one click away, to a host
 * that is not on the allow-list. Markdown images, links and references, HTML attributes, autolinks. */
#ifndef SL_DETECT_EXFIL_H
#define SL_DETECT_EXFIL_H

#include "detect/finding.h"

/* `allowed`: hosts as in sl_detect_source. Offsets are those of `folded`. */
SL_MUST sl_res sl_exfil_scan(sl_view allowed, sl_view folded, sl_findings *findings);
/* Is this host on the list? "*.example.org" stands for every host below it. */
bool sl_exfil_allowed(sl_view allowed, sl_view host);

#endif
