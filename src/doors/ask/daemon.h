/* The process `ask` of a site, for the supervisor's table. */
#ifndef SL_DOORS_ASK_DAEMON_H
#define SL_DOORS_ASK_DAEMON_H

#include "base/proc.h"

extern const sl_proc_decl sl_ask_decl;

#endif
