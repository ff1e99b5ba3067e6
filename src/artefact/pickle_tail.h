/* What follows a pickle stream in torch's legacy format (pickle_tail.c). */
#ifndef SL_ARTEFACT_PICKLE_TAIL_H
#define SL_ARTEFACT_PICKLE_TAIL_H

#include "artefact/pickle_vm.h"

/* A string of the fifth stream: the key of the next storage. */
SL_MUST sl_res sl_pickle_key(sl_pickle *vm, sl_view key);
/* Walks the storages from `at` on: each a count that must be the one named, then its elements; the last
 * ends the file. */
SL_MUST sl_res sl_pickle_storages_follow(sl_pickle *vm, uint64_t at);

#endif
