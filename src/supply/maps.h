/* What a process has mapped, as Linux tells it in /proc/PID/smaps and maps (proc(5)): one entry a mapped
 * file's piece, with how much of it was changed in memory. Pure: the text is an argument. The process
 * chooses its files' names: they are bytes and never trusted as paths. */
#ifndef SL_SUPPLY_MAPS_H
#define SL_SUPPLY_MAPS_H

#include "base/bytes.h"

typedef struct {
    uint64_t start; /* addresses */
    uint64_t end;
    uint64_t device; /* major << 32 | minor */
    uint64_t inode;
    bool executable;
    bool deleted;        /* no name leads to it any more */
    uint64_t changed_kb; /* pages of its own in place of the file's; smaps alone tells */
    sl_view path;        /* as the kernel writes it (newlines as \012), without " (deleted)" */
} sl_mapping;

/* Takes the next mapping of a file from the front of `text`; `*ret_more` false: there is none. Mappings of no
 * file are passed over. Views point into the text. Errors: SL_E_SYNTAX. */
SL_MUST sl_res sl_maps_next(sl_view *text, bool *ret_more, sl_mapping *ret);

#endif
