/* What a pickle would do, as lines that read like Python. For people: the machine (pickle_vm.h) judges,
 * this shows. It reads opcodes with the same reader, so both see the same stream. */
#ifndef SL_ARTEFACT_PICKLE_EXPLAIN_H
#define SL_ARTEFACT_PICKLE_EXPLAIN_H

#include "artefact/source.h"

/* Appends printable ASCII, at most `out->max` bytes: what does not fit is told in a last line. Streams
 * follow each other until one breaks; the line then says where. SL_E_MEMORY, SL_E_IO. */
SL_MUST sl_res sl_pickle_explain(sl_source *source, sl_buf *out);

#endif
