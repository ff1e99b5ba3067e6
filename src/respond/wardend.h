/* The process `warden`: the loop around warden.c. */
#ifndef SL_RESPOND_WARDEND_H
#define SL_RESPOND_WARDEND_H

#include "base/proc.h"

/* Declared for the supervisor: forked without exec, keeps the writable mapping of the valves. */
extern const sl_proc_decl sl_wardend_decl;

/* What the supervisor's news mean to the warden; the numbers of src/host/host.h. */
enum {
    SL_NEWS_STARTED = 0,
    SL_NEWS_SERVING = 1,
    SL_NEWS_ENDED = 2,
    SL_NEWS_ALL_UP = 5, /* status: mask of the layers that are missing */
    SL_NEWS_GOING = 6,
};

#endif
