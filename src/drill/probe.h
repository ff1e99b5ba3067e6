/* `probe`: a process of the site that has nothing: no key, no file, no network, no right. It holds a link to the
 * keeper as a process would that got hold of one by accident, and on the warden's word it asks there for a
 * key. What comes back is what a drill calls the effect; the keeper's leaf, the watch's and the warden's
 * are the other facts. */
#ifndef SL_DRILL_PROBE_H
#define SL_DRILL_PROBE_H

#include "base/proc.h"

extern const sl_proc_decl sl_probe_decl;

#endif
