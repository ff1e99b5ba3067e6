/* A write-ahead log of anything: recovery opens what was signed by our key or refuses, and never
 * invents a leaf; a ledger that opens can be written on and opened again. */
#include <assert.h>

#include "ledger/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A disk that holds the one segment and forgets everything else. */
typedef struct {
    sl_disk disk;
    sl_view segment;
    sl_buf written;
} one_segment;

static sl_res do_list(sl_disk *disk, const char *folder, sl_disk_name *call, void *ctx)
{
    (void)disk;
    return strcmp(folder, "wal") == 0 ? call(ctx, "00000000000000000000") : SL_DONE;
}

static sl_res do_read(sl_disk *disk, const char *path, sl_buf *out)
{
    const one_segment *d = (const one_segment *)(const void *)disk;

    return strncmp(path, "wal/", 4) == 0 ? sl_buf_add(out, d->segment) : sl_fail(SL_E_NOT_FOUND);
}

static sl_res do_open(sl_disk *disk, const char *path, int *ret_file)
{
    (void)disk;
    (void)path;
    *ret_file = 3;
    return SL_DONE;
}

static sl_res do_create(sl_disk *disk, const char *path, uint64_t bytes)
{
    (void)disk;
    (void)path;
    (void)bytes;
    return SL_DONE;
}

static sl_res do_write(sl_disk *disk, int file, uint64_t offset, sl_view bytes)
{
    const one_segment *d = (const one_segment *)(const void *)disk;

    (void)file;
    assert(offset <= d->segment.n && bytes.n <= d->segment.n - offset);
    return SL_DONE;
}

static sl_res do_sync(sl_disk *disk, int file)
{
    (void)disk;
    (void)file;
    return SL_DONE;
}

static void do_close(sl_disk *disk, int file)
{
    (void)disk;
    (void)file;
}

static sl_res do_remove(sl_disk *disk, const char *path, bool durable)
{
    (void)disk;
    (void)path;
    (void)durable;
    return SL_DONE;
}

static uint64_t do_room(sl_disk *disk)
{
    (void)disk;
    return UINT64_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sl_sign_key key;
    uint8_t seed[SL_SEED_BYTES];
    one_segment d = { .disk = { .list = do_list,
                                .read = do_read,
                                .create = do_create,
                                .open = do_open,
                                .write = do_write,
                                .sync = do_sync,
                                .close = do_close,
                                .remove = do_remove,
                                .room = do_room },
                      .segment = sl_view_of(data, size) };
    sl_tlog_report report;
    sl_tlog *log = NULL;

    if (key.pkey == NULL) {
        memset(seed, 0x42, sizeof seed);
        assert(sl_ok(sl_sign_key_from_seed(seed, &key)));
    }
    sl_tlog_options options = { .disk = &d.disk, .origin = "example.com/bench", .key = &key };
    sl_res r = sl_tlog_open(&options, &log, &report);
    if (sl_ok(r)) {
        assert(sl_tlog_size(log) == report.replayed);
        sl_tlog_free(log);
    }
    return 0;
}
