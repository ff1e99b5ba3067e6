/* Reads a directory tree (or one file) into a manifest: every regular file, hashed.
 *
 * Never follows a symbolic link, never opens a device, FIFO or socket: such entries are reported as
 * problems, since what stands there can change without the files changing. A file whose size or times
 * change while it is read is one too.
 */
#ifndef SL_SUPPLY_TREE_H
#define SL_SUPPLY_TREE_H

#include "supply/manifest.h"

typedef enum {
    SL_TREE_SKIPPED,    /* named in `skip`: not read, not an error */
    SL_TREE_LINK,       /* a symbolic link */
    SL_TREE_SPECIAL,    /* neither file nor directory */
    SL_TREE_UNREADABLE, /* permissions, or it went away */
    SL_TREE_CHANGED,    /* changed while it was read */
    SL_TREE_NAME,       /* its name is no UTF-8, so no manifest can hold it */
} sl_tree_problem;

/* Told of every entry that is not simply read. `path` is as it stands on the disk: escape it before
 * printing. */
typedef void (*sl_tree_report)(void *context, sl_tree_problem problem, sl_view path);

typedef struct {
    const sl_view *skip; /* paths relative to the tree; a directory is skipped whole */
    size_t skip_count;
    sl_tree_report report; /* may be NULL */
    void *context;
} sl_tree_options;

/* In words, for messages. */
const char *sl_tree_problem_text(sl_tree_problem problem);

/* `ret` must be empty; it is sorted. A path that is one file gives one entry named ".". An entry that is
 * a problem is not in `ret`; `ret_problems` counts those other than SL_TREE_SKIPPED, and a tree with
 * any is neither to be signed nor to be taken for what was signed.
 * Errors: SL_E_NOT_FOUND, SL_E_DENIED, SL_E_UNSUPPORTED (the path itself is no file and no directory),
 * SL_E_LIMIT, SL_E_DEPTH, SL_E_IO. */
SL_MUST sl_res sl_tree_read(const char *path, const sl_tree_options *options, sl_manifest *ret,
                            size_t *ret_problems);

#endif
