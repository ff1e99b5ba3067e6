/* How bad a flaw is said to be, as one number: the base score of a CVSS 3 vector, or a database's word.
 * Source: FIRST, CVSS v3.1 specification, section 7. Pure. */
#ifndef SL_SUPPLY_CVSS_H
#define SL_SUPPLY_CVSS_H

#include "base/bytes.h"

/* Tenths: 98 is 9.8. -1: not told in a form that is read here (nothing, CVSS 2 or 4, a damaged vector).
 * Words give the lowest score of their range. */
int sl_severity_tenths(sl_view severity);

#endif
