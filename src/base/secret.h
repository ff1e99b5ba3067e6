/* Memory for keys: pages of its own between guard pages, locked, left out of core dumps, wiped in a
 * forked child and when freed. */
#ifndef SL_BASE_SECRET_H
#define SL_BASE_SECRET_H

#include "base/bytes.h"

typedef struct {
    uint8_t *p; /* `n` bytes; the page behind them faults */
    size_t n;
    size_t mapped; /* of the whole mapping, guard pages included */
    bool locked;   /* false if the memory could not be locked (RLIMIT_MEMLOCK) */
} sl_secret;

/* Zeroed. SL_E_MEMORY if it cannot be mapped; failing to lock is told by `locked`, not an error. */
SL_MUST sl_res sl_secret_alloc(size_t n, sl_secret *ret_secret);
/* Wipes and unmaps. Fit for SL_OWN. */
void sl_secret_free(sl_secret *secret);
static inline sl_view sl_secret_view(const sl_secret *secret)
{
    return (sl_view){ secret->p, secret->n };
}

/* Zeroes in a way that the compiler may not leave out. */
void sl_wipe(void *p, size_t n);
/* In time that depends on `n` only. */
bool sl_equal_constant_time(const void *a, const void *b, size_t n);

#endif
