/* The catalogue that the program carries. */
#ifndef SL_ASSURE_SHIPPED_H
#define SL_ASSURE_SHIPPED_H

#include "assure/catalogue.h"

/* SL_E_BUG with the file's line if what was built in does not read. */
SL_MUST sl_res sl_catalogue_shipped(sl_catalogue **ret_catalogue);

#endif
