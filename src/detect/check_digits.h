/* Check digits and form rules of identifiers: does this string of digits and letters prove itself?
 * Pure arithmetic on short ASCII strings; separators are skipped. Sources stand at each function. */
#ifndef SL_DETECT_CHECK_DIGITS_H
#define SL_DETECT_CHECK_DIGITS_H

#include "base/bytes.h"

/* A check takes the matched value (as found, with its separators) and says whether it holds. */
typedef bool sl_check_digit_fn(sl_view value);

/* By the name used in the pattern tables; NULL if there is no such check. */
sl_check_digit_fn *sl_check_digit_by_name(sl_view name);

#endif
