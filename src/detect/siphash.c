/* SipHash-2-4 as its authors specify it; tested against their vectors. */
#include "detect/siphash.h"

static uint64_t rotate(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

static void rounds(uint64_t v[4], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

/* The state after all of `bytes`; `wide` sets 128 bits apart from 64. */
static void absorb(const uint8_t key[16], sl_view bytes, uint64_t wide, uint64_t state[4])
{
    uint64_t k0 = sl_get_le64(key);
    uint64_t k1 = sl_get_le64(key + 8);
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU ^ wide,
                      k0 ^ 0x6c7967656e657261U, k1 ^ 0x7465646279746573U };
    size_t at = 0;
    for (; at + 8 <= bytes.n; at += 8) {
        uint64_t m = sl_get_le64(bytes.p + at);
        v[3] ^= m;
        rounds(v, 2);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)(bytes.n & 0xFF) << 56;
    for (size_t i = 0; at + i < bytes.n; i++) {
        last |= (uint64_t)bytes.p[at + i] << (8 * i);
    }
    v[3] ^= last;
    rounds(v, 2);
    v[0] ^= last;
    memcpy(state, v, sizeof v);
}

uint64_t sl_siphash(const uint8_t key[16], sl_view bytes)
{
    uint64_t v[4];
    absorb(key, bytes, 0, v);
    v[2] ^= 0xFF;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void sl_siphash128(const uint8_t key[16], sl_view bytes, uint64_t ret[2])
{
    uint64_t v[4];
    absorb(key, bytes, 0xEE, v);
    v[2] ^= 0xEE;
    rounds(v, 4);
    ret[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xDD;
    rounds(v, 4);
    ret[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}
