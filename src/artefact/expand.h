/* Sources over compressed bytes. The whole is decompressed once when the source is made, to learn its
 * size and check sum and to stop a bomb early; small results are kept, large ones are decompressed
 * again, window by window, when they are read. Memory stays bounded either way. */
#ifndef SL_ARTEFACT_EXPAND_H
#define SL_ARTEFACT_EXPAND_H

#include "artefact/scan.h"

typedef enum {
    SL_CODEC_DEFLATE, /* bare, as in zip */
    SL_CODEC_ZLIB,
    SL_CODEC_GZIP,  /* several members in a row are one result, as every reader has it */
    SL_CODEC_OTHER, /* bzip2, xz, lzma, zstd, lz4: known by their magic, through libarchive */
} sl_codec;

typedef struct {
    uint64_t used; /* compressed bytes taken: what is left is trailing */
    uint64_t size; /* of the result */
    uint32_t crc;  /* CRC-32 of the result */
} sl_expanded;

/* `packed` is kept. Spends SL_SPEND_EXPANDED; more than budget.ratio times the input is SL_E_LIMIT
 * ("ratio") after a finding. SL_E_SYNTAX, SL_E_TRUNCATED: not what the codec makes; `ret_about` tells
 * how far it came in every case. */
SL_MUST sl_res sl_expand(sl_scan *scan, sl_source *packed, sl_codec codec, sl_expanded *ret_about,
                         sl_source **ret_source);

/* CRC-32 (ISO-HDLC, as in zip) of a whole source. */
SL_MUST sl_res sl_source_crc(sl_source *source, uint32_t *ret_crc);

#endif
