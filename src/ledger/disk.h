/* The files of a ledger as the log sees them: a small table of operations, so that the crash
 * simulator can stand where the file system stands.
 *
 * Names are relative to the ledger's directory. A file keeps what was written to it only after
 * sync(); a name made by create(), rename() and replace(durable) is there after a crash.
 */
#ifndef SL_LEDGER_DISK_H
#define SL_LEDGER_DISK_H

#include "base/bytes.h"

typedef struct sl_disk sl_disk;

/* Called for each name in a folder, without the folder. A failure ends the listing. */
typedef sl_res sl_disk_name(void *ctx, const char *name);

struct sl_disk {
    /* Names in a folder, in any order; a folder that is missing has none. */
    sl_res (*list)(sl_disk *disk, const char *folder, sl_disk_name *call, void *ctx);
    /* Appends a whole file; the buffer's ceiling holds. SL_E_NOT_FOUND. */
    sl_res (*read)(sl_disk *disk, const char *path, sl_buf *out);
    /* A new file of `bytes` zeros whose space is taken, durable by name. SL_E_EXISTS,
     * SL_E_DISK_FULL. */
    sl_res (*create)(sl_disk *disk, const char *path, uint64_t bytes);
    sl_res (*open)(sl_disk *disk, const char *path, int *ret_file);
    sl_res (*write)(sl_disk *disk, int file, uint64_t offset, sl_view bytes);
    sl_res (*sync)(sl_disk *disk, int file);
    void (*close)(sl_disk *disk, int file);
    /* Puts a whole file in place of another or none, making its folders. Readers see the old or the
     * new one; after a crash so, too, if durable, and anything otherwise. */
    sl_res (*replace)(sl_disk *disk, const char *path, sl_view bytes, bool durable);
    sl_res (*rename)(sl_disk *disk, const char *from, const char *to);
    /* Removes a file, or a folder with the files in it; none is fine. If not durable, a crash may
     * bring it back. */
    sl_res (*remove)(sl_disk *disk, const char *path, bool durable);
    /* Makes everything written so far durable. */
    sl_res (*sync_all)(sl_disk *disk);
    /* Bytes that an ordinary user may still write; UINT64_MAX when unknown. */
    uint64_t (*room)(sl_disk *disk);
};

/* The directory behind a descriptor, which stays the caller's and must outlive it. */
typedef struct {
    sl_disk disk;
    int dir_fd;
} sl_disk_dir;

void sl_disk_dir_init(sl_disk_dir *d, int dir_fd);

#endif
