/* Files for `stoplog echo`: their records as texts, match keys, a bar for those who wait. */
#ifndef SL_CLI_ECHO_FILES_H
#define SL_CLI_ECHO_FILES_H

#include "base/bytes.h"

#define SL_ECHO_FILE_BYTES_MAX ((size_t)8 << 30)

typedef struct {
    void *ctx;
    /* One record's text, or its next part if it `continues`; where it stands in the file. */
    sl_res (*take)(void *ctx, sl_view text, bool continues, uint64_t offset, uint64_t length);
} sl_echo_sink;

/* Done and to be done, in bytes; drawn on standard error if that is a terminal. */
typedef struct {
    const char *what;
    uint64_t done;
    uint64_t all;
    uint64_t drawn_ns;
    bool shown; /* false: nobody is looking */
} sl_echo_bar;

void sl_echo_bar_add(sl_echo_bar *bar, uint64_t bytes);
void sl_echo_bar_end(sl_echo_bar *bar);

/* Size of a regular file. */
SL_MUST sl_res sl_echo_file_size(const char *path, uint64_t *ret_bytes);
/* All records of a file in the order of the file. Formats are found by content and name; a file that
 * no reader understands is taken as bytes, in parts of 64 KiB. */
SL_MUST sl_res sl_echo_file_read(const char *path, sl_echo_sink sink, sl_echo_bar *bar);
/* `n` bytes at most from `offset` on, appended. */
SL_MUST sl_res sl_echo_file_part(int dir_fd, const char *path, uint64_t offset, size_t n,
                                 sl_buf *out);
/* 32 bytes, or 64 hex digits. SL_E_KEY if it is neither. */
SL_MUST sl_res sl_echo_key_read(const char *path, uint8_t ret_key[32]);
/* A new key, readable by its owner only; SL_E_EXISTS if the file is there. */
SL_MUST sl_res sl_echo_key_make(const char *path, uint8_t ret_key[32]);

#endif
