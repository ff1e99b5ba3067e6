/* A small event loop for all daemons: descriptors and timers on epoll, one thread.
 * Callbacks may add, change and remove anything, themselves included; what is removed is not called
 * again, also not for events already fetched in the same turn. */
#ifndef SL_BASE_LOOP_H
#define SL_BASE_LOOP_H

#include "base/res.h"

typedef struct sl_loop sl_loop;

enum {
    SL_LOOP_READ = 1,
    SL_LOOP_WRITE = 2,
    SL_LOOP_HANGUP = 4, /* error or hang-up: told always, asked for never */
};

typedef void (*sl_loop_io)(void *context, int fd, unsigned events);
typedef void (*sl_loop_tick)(void *context);

SL_MUST sl_res sl_loop_new(sl_loop **ret_loop);
void sl_loop_free(sl_loop *loop);

/* Watches `fd` (borrowed; not closed by the loop). SL_E_EXISTS if it is watched already. */
SL_MUST sl_res sl_loop_add(sl_loop *loop, int fd, unsigned events, sl_loop_io call, void *context);
SL_MUST sl_res sl_loop_change(sl_loop *loop, int fd, unsigned events);
/* To be called before the descriptor is closed. Unknown descriptors are ignored. */
void sl_loop_remove(sl_loop *loop, int fd);

/* Calls `call` every `period_ms` (first after one period). The id is never 0. */
SL_MUST sl_res sl_loop_every(sl_loop *loop, uint64_t period_ms, sl_loop_tick call, void *context,
                             uint64_t *ret_id);
/* Calls `call` once, `delay_ms` from now. */
SL_MUST sl_res sl_loop_after(sl_loop *loop, uint64_t delay_ms, sl_loop_tick call, void *context,
                             uint64_t *ret_id);
void sl_loop_cancel(sl_loop *loop, uint64_t timer_id);

/* `call` runs after each turn's callbacks, before the loop waits again (for group commits). One only;
 * NULL removes it. */
void sl_loop_after_turn(sl_loop *loop, sl_loop_tick call, void *context);

/* Runs until sl_loop_stop. */
SL_MUST sl_res sl_loop_run(sl_loop *loop);
/* One turn, waiting `wait_ms` at most (0: not at all). */
SL_MUST sl_res sl_loop_turn(sl_loop *loop, int wait_ms);
void sl_loop_stop(sl_loop *loop);

#endif
