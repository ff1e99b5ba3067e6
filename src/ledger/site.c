/* Opening the ledger of a site (site.h). */
#include "ledger/site.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

void sl_ledger_files_close(sl_ledger_files *files)
{
    for (size_t i = 0; i < files->outside_n; i++) {
        sl_buf_free(&files->outside[i]);
    }
    sl_sign_key_free(&files->key);
    if (files->dir_fd >= 0) {
        sl_fd_close(&files->lock_fd);
    }
    sl_fd_close(&files->dir_fd);
    files->outside_n = 0;
}

static sl_res read_vkey(int dir_fd, sl_vkey *ret)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };

    SL_TRY(sl_file_read(dir_fd, "vkey", &text));
    sl_view line = sl_buf_view(&text);
    while (line.n != 0 && line.p[line.n - 1] == '\n') {
        line.n--;
    }
    return sl_vkey_parse(line, ret);
}

static sl_res note_outside(void *ctx, const char *name)
{
    sl_ledger_files *files = ctx;
    char path[300];

    SL_NEED(files->outside_n < SL_LEDGER_OUTSIDE_MAX, SL_E_LIMIT);
    (void)snprintf(path, sizeof path, "outside/%s", name);
    sl_buf *to = &files->outside[files->outside_n];
    *to = (sl_buf){ .max = SL_CHECKPOINT_BYTES_MAX };
    SL_TRY(sl_file_read(files->dir_fd, path, to));
    files->outside_n++;
    return SL_DONE;
}

/* One writer: two would sign two histories. */
static sl_res lock(sl_ledger_files *files)
{
    files->lock_fd = openat(files->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (files->lock_fd < 0) {
        return sl_fail_os(SL_E_IO, "ledger lock");
    }
    if (flock(files->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return sl_fail_os(SL_E_UNAVAILABLE, "the ledger, which another process is writing");
    }
    return SL_DONE;
}

static sl_res open_parts(const char *ledger_dir, const char *key_path, sl_ledger_files *files)
{
    SL_TRY(sl_dir_open(AT_FDCWD, ledger_dir, &files->dir_fd));
    SL_TRY(lock(files));
    sl_disk_dir_init(&files->disk, files->dir_fd);
    SL_TRY(read_vkey(files->dir_fd, &files->vkey));
    SL_TRY(sl_sign_key_load(key_path, &files->key));
    if (files->vkey.type != SL_NOTE_ED25519 ||
        memcmp(files->vkey.public_key.b, files->key.public_key.b, SL_PUBLIC_KEY_BYTES) != 0) {
        return sl_fail_at(SL_E_SIGNATURE, "ledger key, which is not that of ledger/vkey",
                          SL_NOWHERE);
    }
    return files->disk.disk.list(&files->disk.disk, "outside", note_outside, files);
}

sl_res sl_ledger_files_open(const char *ledger_dir, const char *key_path, sl_ledger_files *ret)
{
    *ret = (sl_ledger_files){ .dir_fd = -1, .lock_fd = -1 };
    sl_res r = open_parts(ledger_dir, key_path, ret);

    if (!sl_ok(r)) {
        sl_ledger_files_close(ret);
    }
    return r;
}

sl_res sl_ledger_open(sl_ledger_files *files, sl_tlog **ret, sl_tlog_report *ret_report)
{
    sl_view outside[SL_LEDGER_OUTSIDE_MAX];

    for (size_t i = 0; i < files->outside_n; i++) {
        outside[i] = sl_buf_view(&files->outside[i]);
    }
    sl_tlog_options options = { .disk = &files->disk.disk,
                                .origin = files->vkey.name,
                                .key = &files->key,
                                .outside = outside,
                                .outside_n = files->outside_n };
    return sl_tlog_open(&options, ret, ret_report);
}
