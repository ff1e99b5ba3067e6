/* What formats share: texts that occur inside of several of them. Each call reports what it finds at
 * `offset` of the present artefact and fails only where the scan itself cannot go on. */
#ifndef SL_ARTEFACT_FORMAT_PARTS_H
#define SL_ARTEFACT_FORMAT_PARTS_H

#include "artefact/scan.h"

/* A chat template (GGUF, tokenizer_config.json, *.jinja). */
SL_MUST sl_res sl_scan_template_text(sl_scan *scan, sl_view text, uint64_t offset);

/* The whole of a source in memory: SL_E_LIMIT beyond `max` bytes. */
SL_MUST sl_res sl_scan_load(sl_source *source, size_t max, sl_buf *ret_bytes);

#endif
