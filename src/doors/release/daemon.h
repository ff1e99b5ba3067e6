/* The process `release` of a site: declared here for the supervisor's table. */
#ifndef SL_DOORS_RELEASE_DAEMON_H
#define SL_DOORS_RELEASE_DAEMON_H

#include "base/proc.h"

extern const sl_proc_decl sl_release_decl;

#endif
