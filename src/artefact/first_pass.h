/* The first pass over a file: every chunk goes through SHA-256 once, in order, as parsers happen to
 * read it; what they read out of order or again is compared with a keyed hash of the first reading.
 * So one pass suffices where a format allows it, and a file that changes meanwhile is caught. */
#ifndef SL_ARTEFACT_FIRST_PASS_H
#define SL_ARTEFACT_FIRST_PASS_H

#include "artefact/source.h"
#include "crypto/hash.h"

typedef struct {
    sl_source_read read;
    void *ctx;
    uint64_t size;
    uint64_t key[2]; /* secret, so that nobody can choose a chunk with the hash of another */
    uint64_t next;   /* chunk that SHA-256 wants */
    uint64_t *seen;  /* of each chunk, the keyed hash; 0: not read yet */
    uint64_t chunks;
    sl_hasher hasher;
    uint8_t *rest; /* for what no parser read */
} sl_first_pass;

/* SL_E_MEMORY; SL_E_LIMIT for more than 2^24 chunks (4 TiB). */
SL_MUST sl_res sl_first_pass_start(sl_first_pass *pass, sl_source_read read, void *ctx,
                                   uint64_t size, const uint64_t key[2]);
/* An sl_source_read whose `ctx` is the pass. SL_E_INTEGRITY: the chunk is not what it was. */
SL_MUST sl_res sl_first_pass_read(void *pass, uint64_t offset, void *to, size_t n, size_t *ret_got);
/* Reads what is left and gives the digest of the whole file. */
SL_MUST sl_res sl_first_pass_finish(sl_first_pass *pass, sl_digest *ret_sha256);
void sl_first_pass_free(sl_first_pass *pass);

#endif
