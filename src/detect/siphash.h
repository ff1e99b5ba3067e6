/* SipHash-2-4 (Aumasson and Bernstein, 2012): the keyed hash of match keys. A pseudorandom function
 * of 16 secret bytes that costs tens of nanoseconds for a word, where HMAC costs a microsecond. It
 * keys indexes and draws surrogates; it never authenticates a leaf or wraps a key. */
#ifndef SL_DETECT_SIPHASH_H
#define SL_DETECT_SIPHASH_H

#include "base/bytes.h"

uint64_t sl_siphash(const uint8_t key[16], sl_view bytes);
/* The form of the same function that gives 128 bits. */
void sl_siphash128(const uint8_t key[16], sl_view bytes, uint64_t ret[2]);

#endif
