/* Work that may pause: a function on a stack of its own, which hands the thread back in the middle and is
 * taken up again where it stood. For cores that are written as plain calls and must wait for an answer
 * while others go on; nothing runs at the same time. The stack ends in a page that faults.
 * It must never be used to hide a wait from a caller: who runs a fiber is told that it paused. */
#ifndef SL_BASE_FIBER_H
#define SL_BASE_FIBER_H

#include <stddef.h>

#include "base/res.h"

typedef struct sl_fiber sl_fiber;

/* `stack_bytes` is rounded up to pages; they are taken as they are touched. SL_E_MEMORY. */
SL_MUST sl_res sl_fiber_new(size_t stack_bytes, sl_fiber **ret_fiber);
/* Not while it is paused: what its work owns would be lost. */
void sl_fiber_free(sl_fiber *fiber);

/* Runs `work` until it returns (true) or pauses (false). A fiber may be used again when its work has returned. */
bool sl_fiber_run(sl_fiber *fiber, void (*work)(void *context), void *context);
/* Goes on with a paused one; true when its work has returned. */
bool sl_fiber_resume(sl_fiber *fiber);

/* The fiber that this code runs in, or NULL. */
sl_fiber *sl_fiber_current(void);
/* Hands back to who runs this fiber; returns when it is resumed. Only inside of one. */
void sl_fiber_pause(void);

#endif
