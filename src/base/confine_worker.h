/* The confinement of a worker: a forked child that parses one hostile file and tells its parent what
 * it found. Tighter than any profile of confine.h and made in the child itself, since it needs
 * nothing: its descriptors are open, its answers go into a pipe. A call outside of the short list
 * (reading, writing, memory, the end) kills it at once. */
#ifndef SL_BASE_CONFINE_WORKER_H
#define SL_BASE_CONFINE_WORKER_H

#include "base/res.h"

/* Address space and processor time of a worker: the largest document and its tree fit. */
#define SL_WORKER_MEMORY_BYTES_MAX ((uint64_t)1 << 30)
#define SL_WORKER_CPU_SECONDS_MAX 600

/* Confines the calling process, which must have one thread, for good: closes every descriptor but
 * those in `keep` (stderr stays only if it is among them), sets limits, loads the filter.
 * SL_E_DENIED: the filter could not be had; then the caller must end. In a sanitizer build the filter
 * is left out. */
SL_MUST sl_res sl_confine_worker(const int *keep, size_t count);

#endif
