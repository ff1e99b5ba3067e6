/* The system call filter of a confinement profile; used by confine.c alone. */
#ifndef SL_BASE_CONFINE_SECCOMP_H
#define SL_BASE_CONFINE_SECCOMP_H

#include <stdint.h>

/* Load the filter for the rights `may` (SL_MAY_...). 0, or errno: then no filter is in force.
 * Needs no-new-privs. In a sanitizer build: ENOTSUP. */
int sl_seccomp_enter(uint32_t may);

#endif
