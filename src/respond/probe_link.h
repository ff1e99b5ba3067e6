/* Between the warden and the probe (drill/probe.h). The order holds what the probe is to send to the keeper:
 * its type u16, then its body. The answer is one byte: 1 if the keeper gave anything, 0 if it did not. */
#ifndef SL_RESPOND_PROBE_LINK_H
#define SL_RESPOND_PROBE_LINK_H

#include "base/ipc.h"

enum { SL_PROBE_TRY = SL_IPC_TYPE_FIRST_FREE, SL_PROBE_TRY_BYTES_MAX = 512 };

#endif
