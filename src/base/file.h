/* Files: whole reads with a ceiling, replacements that are either there or not.
 * Everything is relative to a directory descriptor (AT_FDCWD is fine) and closed on exec. */
#ifndef SL_BASE_FILE_H
#define SL_BASE_FILE_H

#include <sys/types.h>

#include "base/bytes.h"

/* Closes and sets to -1; nothing if negative. Fit for SL_OWN(int, fd, sl_fd_close) = -1. */
void sl_fd_close(int *fd);
/* All of it, over short writes and EINTR. */
SL_MUST sl_res sl_fd_write_all(int fd, sl_view v);
SL_MUST sl_res sl_fd_pwrite_all(int fd, sl_view v, uint64_t offset);
/* Up to n bytes: fewer only at the end of the file. */
SL_MUST sl_res sl_fd_pread(int fd, void *p, size_t n, uint64_t offset, size_t *ret_got);
/* Exactly n bytes, else SL_E_TRUNCATED. */
SL_MUST sl_res sl_fd_pread_all(int fd, void *p, size_t n, uint64_t offset);

/* Appends what comes from `fd` until its end. Above the ceiling of `out`: SL_E_LIMIT. */
SL_MUST sl_res sl_fd_read_all(int fd, sl_buf *out);

/* Appends the file's bytes to `out`, whose ceiling decides: larger is SL_E_LIMIT. Regular files only. */
SL_MUST sl_res sl_file_read(int dir_fd, const char *path, sl_buf *out);
/* Puts `content` at `path` with `mode`: a temporary file beside it, synced, renamed, directory synced.
 * After a crash the old or the new content is there, whole. */
SL_MUST sl_res sl_file_replace(int dir_fd, const char *path, sl_view content, mode_t mode);
/* As above but SL_E_EXISTS if `path` is there. */
SL_MUST sl_res sl_file_create(int dir_fd, const char *path, sl_view content, mode_t mode);
/* Makes the directory and those above it; existing ones are fine. */
SL_MUST sl_res sl_dir_make(int dir_fd, const char *path, mode_t mode);
SL_MUST sl_res sl_dir_open(int dir_fd, const char *path, int *ret_fd);
/* Makes entries created, renamed or removed in the directory durable. */
SL_MUST sl_res sl_dir_sync(int dir_fd, const char *path);
bool sl_path_exists(int dir_fd, const char *path);

#endif
