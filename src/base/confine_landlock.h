/* The Landlock rules of a confinement profile; used by confine.c alone. */
#ifndef SL_BASE_CONFINE_LANDLOCK_H
#define SL_BASE_CONFINE_LANDLOCK_H

#include "base/confine.h"

/* Restrict this process to the profile's paths and, without SL_MAY_NET, from TCP. `site`: NULL where the process has
 * a root of its own with the paths at their places, else the site's directory, below which they are looked up.
 * 0, or errno: then nothing is restricted. Needs no-new-privs. */
int sl_landlock_enter(const sl_confine_profile *profile, const char *site);

#endif
