/* The files that a running process holds: mapped or open, each read through the process's own reference to
 * it, so that a name which leads elsewhere by now (renamed, replaced, deleted) deceives nobody. Linux.
 * What a process has read into its memory and closed again cannot be seen from outside. */
#ifndef SL_SUPPLY_LOADED_H
#define SL_SUPPLY_LOADED_H

#include "base/bytes.h"
#include "crypto/hash.h"

enum { SL_LOADED_MAX = 4096, SL_LOADED_PATH_BYTES_MAX = 4096 };

typedef enum {
    SL_LOADED_READ,       /* `digest` is that of its bytes now */
    SL_LOADED_UNREADABLE, /* no permission, or it went away */
    SL_LOADED_IN_MOTION,  /* it changed while it was read */
} sl_loaded_state;

typedef struct {
    sl_view path; /* as the process's system tells it; escape it before printing */
    bool mapped;
    bool deleted;
    uint64_t bytes;
    uint64_t changed_kb; /* mapped pages that are the process's own and not the file's any more */
    sl_loaded_state state;
    sl_digest digest;
} sl_loaded;

/* Called for every file once; `f` is good for the call. */
typedef sl_res (*sl_loaded_each)(void *context, const sl_loaded *f);

/* Goes over the files of process `pid`. Without `all` only those that look like weights, datasets or
 * archives by name or first bytes, so that not every library is hashed.
 * Errors: SL_E_NOT_FOUND (no such process), SL_E_DENIED (it is somebody else's), SL_E_AGAIN with
 * "process" (it ended meanwhile), SL_E_LIMIT, those of `each`. */
SL_MUST sl_res sl_loaded_files(int64_t pid, bool all, sl_loaded_each each, void *context);

/* The same word for word about a file's name and first bytes: for the table of the test. */
bool sl_loaded_is_model(sl_view path, sl_view head);

#endif
