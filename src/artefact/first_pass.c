/* The first pass (first_pass.h). The keyed hash is a folded 64 x 64 multiplication over 16 bytes at a
 * time: with a secret key it serves against a file that is rewritten between two readings, costs a
 * tenth of SHA-256, and is never shown to anybody. */
#include "artefact/first_pass.h"

#include <stdlib.h>
#include <string.h>

#define CHUNKS_MAX ((uint64_t)1 << 24)

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t v = 0;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t keyed(const sl_first_pass *pass, const uint8_t *p, size_t n)
{
    uint64_t lanes[4] = { pass->key[0], pass->key[1], ~pass->key[0], ~pass->key[1] };
    uint64_t total = n;
    for (; n >= 64; n -= 64, p += 64) {
        for (size_t i = 0; i < 4; i++) { /* four chains, so that multiplications overlap */
            lanes[i] = fold(load64(p + 16 * i) ^ pass->key[0] ^ (i * 0x9E3779B97F4A7C15U),
                            load64(p + 16 * i + 8) ^ lanes[i]);
        }
    }
    uint8_t last[64] = { 0 };
    memcpy(last, p, n);
    for (size_t i = 0; i < 4; i++) {
        lanes[i] = fold(load64(last + 16 * i) ^ pass->key[0] ^ (i * 0x9E3779B97F4A7C15U),
                        load64(last + 16 * i + 8) ^ lanes[i]);
    }
    uint64_t sum = fold(lanes[0] ^ total, lanes[1] ^ pass->key[1]);
    sum ^= fold(lanes[2] ^ pass->key[0], lanes[3] ^ pass->key[1]);
    return sum == 0 ? 1 : sum; /* 0 says: not read yet */
}

sl_res sl_first_pass_start(sl_first_pass *pass, sl_source_read read, void *ctx, uint64_t size,
                           const uint64_t key[2])
{
    uint64_t chunks = size / SL_SOURCE_CHUNK_BYTES + (size % SL_SOURCE_CHUNK_BYTES != 0);
    if (chunks > CHUNKS_MAX) {
        return sl_fail_at(SL_E_LIMIT, "size", size);
    }
    *pass = (sl_first_pass){
        .read = read, .ctx = ctx, .size = size, .key = { key[0], key[1] }, .chunks = chunks
    };
    pass->seen = calloc(chunks == 0 ? 1 : chunks, sizeof *pass->seen);
    SL_NEED(pass->seen != NULL, SL_E_MEMORY);
    sl_hasher_start(&pass->hasher);
    return SL_DONE;
}

sl_res sl_first_pass_read(void *pass, uint64_t offset, void *to, size_t n, size_t *ret_got)
{
    sl_first_pass *self = pass;
    size_t got = 0;
    SL_TRY(self->read(self->ctx, offset, to, n, &got));
    if (got != n) {
        return sl_fail_at(SL_E_INTEGRITY, "size", offset + got);
    }
    uint64_t chunk = offset / SL_SOURCE_CHUNK_BYTES;
    uint64_t hash = keyed(self, to, n);
    if (self->seen[chunk] != 0 && self->seen[chunk] != hash) {
        return sl_fail_at(SL_E_INTEGRITY, "chunk", offset);
    }
    self->seen[chunk] = hash;
    if (chunk == self->next) {
        sl_hasher_add(&self->hasher, sl_view_of(to, n));
        self->next++;
    }
    *ret_got = got;
    return SL_DONE;
}

sl_res sl_first_pass_finish(sl_first_pass *pass, sl_digest *ret_sha256)
{
    if (pass->next != pass->chunks && pass->rest == NULL) {
        pass->rest = malloc(SL_SOURCE_CHUNK_BYTES);
        SL_NEED(pass->rest != NULL, SL_E_MEMORY);
    }
    while (pass->next != pass->chunks) {
        uint64_t offset = pass->next * SL_SOURCE_CHUNK_BYTES;
        uint64_t left = pass->size - offset;
        size_t got = 0;
        SL_TRY(sl_first_pass_read(
            pass, offset, pass->rest,
            left < SL_SOURCE_CHUNK_BYTES ? (size_t)left : SL_SOURCE_CHUNK_BYTES, &got));
    }
    *ret_sha256 = sl_hasher_end(&pass->hasher);
    return SL_DONE;
}

void sl_first_pass_free(sl_first_pass *pass)
{
    sl_hasher_free(&pass->hasher);
    free(pass->seen);
    free(pass->rest);
    *pass = (sl_first_pass){ 0 };
}
