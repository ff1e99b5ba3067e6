/* Scanning files in throw-away workers. Each worker is forked with the descriptors of its files and one
 * pipe, confines itself (seccomp: read, memory, exit; limits of memory and time; no file system, no
 * network) and tells what it found. One that dies, hangs or talks nonsense has told us too: that file
 * is not clean.
 *
 * Files of at least SL_SCAN_ALONE_BYTES have a worker of their own. Smaller ones share one in batches,
 * because a fork costs more than scanning them: a file that took its worker over could then lie about
 * those behind it in the same batch. `alone` gives every file its own. */
#ifndef SL_SUPPLY_SCAN_POOL_H
#define SL_SUPPLY_SCAN_POOL_H

#include "artefact/scan.h"

#define SL_SCAN_ALONE_BYTES ((uint64_t)1 << 20)

typedef struct sl_scan_pool sl_scan_pool;

/* Called once for each file, in the order of adding. `path` and `result` are borrowed. */
typedef void (*sl_scan_done)(void *ctx, sl_view path, const sl_scan_result *result);

typedef struct {
    unsigned workers;      /* at once; 0: one for each processor */
    bool alone;            /* never two files in one worker */
    bool unconfined;       /* for tests that need a debugger or a sanitizer's report */
    const sl_allow *allow; /* borrowed */
    sl_scan_done done;
    void *ctx;
} sl_scan_pool_options;

SL_MUST sl_res sl_scan_pool_make(const sl_scan_pool_options *options, sl_scan_pool **ret_pool);
/* Takes `fd` (a regular file, open for reading) in any case. Waits while all workers are busy. `name`:
 * the last component of `path`. SL_E_MEMORY, SL_E_IO (no process or pipe to be had). */
SL_MUST sl_res sl_scan_pool_add(sl_scan_pool *pool, int fd, sl_view path);
/* A file that is not scanned, with the reason as a finding, in the same order. */
SL_MUST sl_res sl_scan_pool_note(sl_scan_pool *pool, sl_view path, sl_rule rule, const char *why);
/* Waits for all. */
SL_MUST sl_res sl_scan_pool_finish(sl_scan_pool *pool);
/* Ends workers that still run. Fit for SL_OWN(sl_scan_pool *, p, sl_scan_pool_free). */
void sl_scan_pool_free(sl_scan_pool **pool);

#endif
