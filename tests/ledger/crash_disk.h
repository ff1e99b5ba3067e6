/* A disk in memory that loses power: whatever was written and not synced may be there, may be
 * missing, and may be torn in 512-byte sectors, in any order; names made without a sync may be
 * missing; removed names may be back. What a sync has returned for is there for good.
 */
#ifndef SL_TESTS_LEDGER_CRASH_DISK_H
#define SL_TESTS_LEDGER_CRASH_DISK_H

#include "base/random.h"
#include "ledger/disk.h"

typedef struct {
    sl_disk disk;
    struct crash_file *files;
    size_t files_n;
    uint64_t operations; /* done so far */
    uint64_t fail_at;    /* power is lost in this one; 0: never */
    bool dark;           /* it is lost: everything fails */
    sl_prng random;
} crash_disk;

void crash_disk_init(crash_disk *d, uint64_t seed);
void crash_disk_free(crash_disk *d);

/* Power comes back: settles what survived. Open files are closed. */
void crash_disk_reboot(crash_disk *d);

#endif
