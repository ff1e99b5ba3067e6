/* Randomness (random.h). */
#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

sl_res sl_random_bytes(void *p, size_t n)
{
    uint8_t *at = p;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return sl_fail_os(SL_E_IO, "getrandom");
        }
        at += got;
        n -= (size_t)got;
    }
    return SL_DONE;
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void sl_prng_seed(sl_prng *prng, uint64_t seed)
{
    for (size_t i = 0; i < SL_COUNT_OF(prng->s); i++) {
        prng->s[i] = splitmix(&seed);
    }
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

uint64_t sl_prng_next(sl_prng *prng)
{
    uint64_t *s = prng->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t sl_prng_below(sl_prng *prng, uint64_t bound)
{
    assert(bound > 0);
    uint64_t reject_below = (0 - bound) % bound; /* the part that would favour small values */
    for (;;) {
        uint64_t x = sl_prng_next(prng);
        if (x >= reject_below) {
            return x % bound;
        }
    }
}

double sl_prng_unit(sl_prng *prng)
{
    return (double)(sl_prng_next(prng) >> 11) * 0x1.0p-53;
}
