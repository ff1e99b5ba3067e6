/* The sealed object: C2SP chunked-encryption, instance Cobblestone-256, byte for byte.
 *
 *     salt[24] commitment[32] chunk 0 ... chunk k      chunk = AES-256-GCM ciphertext and tag[16]
 *
 * Every chunk holds 16,384 bytes of plaintext but the last, which is always shorter and may be
 * empty. Any chunk can be opened alone. Opened bytes may be used only after their own chunk has
 * verified; the whole length is authentic only once the last chunk has verified.
 * The caller owns the keys; a state holds them until it is freed, then they are wiped.
 */
#ifndef SL_CRYPTO_SEAL_H
#define SL_CRYPTO_SEAL_H

#include "base/bytes.h"
#include "base/res.h"

enum {
    SL_SEAL_KEY_BYTES = 32,
    SL_SEAL_SALT_BYTES = 24,
    SL_SEAL_COMMITMENT_BYTES = 32,
    SL_SEAL_HEADER_BYTES = SL_SEAL_SALT_BYTES + SL_SEAL_COMMITMENT_BYTES,
    SL_SEAL_TAG_BYTES = 16,
    SL_SEAL_CHUNK_BYTES = 16384,
    SL_SEAL_SEALED_CHUNK_BYTES = SL_SEAL_CHUNK_BYTES + SL_SEAL_TAG_BYTES,
    SL_SEAL_CONTEXT_BYTES_MAX = 1024,
};

/* The specification's limit: 2^38 chunks. */
#define SL_SEAL_CHUNKS_MAX (UINT64_C(1) << 38)

/* Sizes of a message sealed and opened, in bytes. */
uint64_t sl_sealed_bytes(uint64_t plain_bytes);
/* Errors: SL_E_TRUNCATED for lengths that no message has. */
SL_MUST sl_res sl_sealed_plain_bytes(uint64_t sealed_bytes, uint64_t *ret_plain_bytes);

/* Number of chunks of a message of so many plaintext bytes (at least one), and the place of
 * chunk k in the sealed bytes. */
uint64_t sl_sealed_chunks(uint64_t plain_bytes);
uint64_t sl_sealed_chunk_offset(uint64_t chunk);

/* Cipher state of one message, for sealing or for opening. Zero-initialise. */
typedef struct {
    void *ctx;
    uint8_t base_nonce[12];
    bool sealing;
    bool ended;
    uint64_t next_chunk; /* sealing: number of chunks written */
    sl_buf pending;      /* sealing: plaintext that does not fill a chunk yet */
} sl_seal;

/* Wipes and frees; fit for SL_OWN. */
void sl_seal_free(sl_seal *s);

/* Starts a message and appends its header to `out`. `salt` is 24 random bytes that never repeat
 * under `key`. Errors: SL_E_LIMIT (context longer than SL_SEAL_CONTEXT_BYTES_MAX), SL_E_CRYPTO. */
SL_MUST sl_res sl_seal_begin(sl_seal *s, const uint8_t key[SL_SEAL_KEY_BYTES],
                             const uint8_t salt[SL_SEAL_SALT_BYTES], sl_view context, sl_buf *out);

/* Adds plaintext; whole chunks appear in `out`. */
SL_MUST sl_res sl_seal_add(sl_seal *s, sl_view plain, sl_buf *out);

/* Ends the message: the last, short chunk appears in `out`. */
SL_MUST sl_res sl_seal_end(sl_seal *s, sl_buf *out);

/* Starts opening: checks key, context and commitment against the 56 bytes of the header.
 * Errors: SL_E_TRUNCATED, SL_E_INTEGRITY (wrong key, wrong context, changed header). */
SL_MUST sl_res sl_open_begin(sl_seal *s, const uint8_t key[SL_SEAL_KEY_BYTES], sl_view context,
                             sl_view header);

/* Opens chunk number `chunk` into `ret_plain` (room for SL_SEAL_CHUNK_BYTES). `*ret_n` is shorter
 * than SL_SEAL_CHUNK_BYTES exactly for the last chunk. On failure `ret_plain` is wiped.
 * Errors: SL_E_TRUNCATED (shorter than a tag), SL_E_LIMIT, SL_E_INTEGRITY. */
SL_MUST sl_res sl_open_chunk(sl_seal *s, uint64_t chunk, sl_view sealed, uint8_t *ret_plain,
                             size_t *ret_n);

/* Small messages in one call. On failure `out` is as before. */
SL_MUST sl_res sl_seal_all(const uint8_t key[SL_SEAL_KEY_BYTES],
                           const uint8_t salt[SL_SEAL_SALT_BYTES], sl_view context, sl_view plain,
                           sl_buf *out);
SL_MUST sl_res sl_open_all(const uint8_t key[SL_SEAL_KEY_BYTES], sl_view context, sl_view sealed,
                           sl_buf *out);

#endif
