/* CRC-32 as in zip, gzip and PNG (reflected 0x04C11DB7). With carry-less multiplication where the
 * processor has it: a check sum must not cost as much as the digest beside it. */
#ifndef SL_ARTEFACT_CRC32_H
#define SL_ARTEFACT_CRC32_H

#include "base/bytes.h"

/* Continues `crc` (0 at first). */
uint32_t sl_crc32(uint32_t crc, sl_view bytes);

#endif
