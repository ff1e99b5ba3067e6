/* Walking what is to be scanned: files, and folders from top to bottom in order of their names. Symbolic
 * links inside of a tree are not followed (what they point to within the tree is met by its own name),
 * devices, FIFOs and sockets are not opened, nothing waits: each gets a note instead. */
#ifndef SL_SUPPLY_SCAN_WALK_H
#define SL_SUPPLY_SCAN_WALK_H

#include "supply/scan_pool.h"

typedef struct {
    uint64_t files;
    uint64_t noted; /* entries that were not scanned */
} sl_scan_walk_count;

/* Walks one path of the command line (which may itself be a symbolic link to a file or folder).
 * SL_E_NOT_FOUND if there is nothing; else only what the pool fails with. */
SL_MUST sl_res sl_scan_walk(sl_scan_pool *pool, const char *path, sl_scan_walk_count *count);

#endif
