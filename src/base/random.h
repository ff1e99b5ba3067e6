/* Randomness: the system's for secrets and ids; a seeded generator for tests, drills and demos. */
#ifndef SL_BASE_RANDOM_H
#define SL_BASE_RANDOM_H

#include "base/res.h"

/* Fills `p` from the kernel; SL_E_IO if it cannot (then nothing may be made of it). */
SL_MUST sl_res sl_random_bytes(void *p, size_t n);

/* xoshiro256** (Blackman and Vigna, 2018) seeded by splitmix64: repeatable, not for secrets. */
typedef struct {
    uint64_t s[4];
} sl_prng;
void sl_prng_seed(sl_prng *prng, uint64_t seed);
uint64_t sl_prng_next(sl_prng *prng);
/* Uniform in [0, bound); bound > 0. */
uint64_t sl_prng_below(sl_prng *prng, uint64_t bound);
/* Uniform in [0, 1). */
double sl_prng_unit(sl_prng *prng);

#endif
