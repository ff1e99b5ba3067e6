/* Links that would carry data out: anything a client may fetch by itself or one click away, to a host
 * that is not on the allow-list. Markdown images, links and references, HTML attributes, autolinks. */
#ifndef SL_DETECT_EXFIL_H
#define SL_DETECT_EXFIL_H

#include "detect/finding.h"

/* One link of a text; offsets in it. */
typedef struct {
    size_t start; /* with what makes it a link: "![alt](" */
    size_t end;
    size_t address; /* the scheme, or the slashes where there is none */
    size_t address_end;
    sl_view host; /* without user and port */
    sl_class kind;
    uint16_t score;
    bool unsure; /* "](" whose beginning is out of sight: may be an image */
} sl_exfil_link;

/* Calls `take` for every link to any host, in order. An address longer than SL_EXFIL_URL_MAX ends there. */
#define SL_EXFIL_URL_MAX ((size_t)4096)
typedef sl_res sl_exfil_take(void *context, const sl_exfil_link *link);
SL_MUST sl_res sl_exfil_each(sl_view folded, sl_exfil_take *take, void *context);

/* `allowed`: hosts as in sl_detect_source. Offsets are those of `folded`. */
SL_MUST sl_res sl_exfil_scan(sl_view allowed, sl_view folded, sl_findings *findings);
/* Is this host on the list? "*.example.org" stands for every host below it. */
bool sl_exfil_allowed(sl_view allowed, sl_view host);

#endif
