/* The disk that loses power (crash_disk.h). */
#include "crash_disk.h"

#include <assert.h>

enum { SECTOR = 512, FILES_MAX = 4096, NAME_BYTES = 96 };

/* `now` is what a running program sees; `safe` is what surely survives. */
struct crash_file {
    char name[NAME_BYTES];
    bool there;      /* as seen now */
    bool safe_there; /* survives for sure, as far as its name goes */
    bool settled;    /* name and its absence or presence are durable */
    sl_buf now;
    sl_buf safe;
};

static crash_disk *of(sl_disk *disk)
{
    return (crash_disk *)(void *)disk;
}

/* Counts an operation; true when power is gone, `*ret_dying` when it goes during this one. */
static bool dark(crash_disk *d, bool *ret_dying)
{
    *ret_dying = false;
    if (d->dark) {
        return true;
    }
    d->operations++;
    if (d->operations == d->fail_at) {
        d->dark = true;
        *ret_dying = true;
    }
    return false;
}

static struct crash_file *find(crash_disk *d, const char *name, bool make)
{
    for (size_t i = 0; i < d->files_n; i++) {
        if (strcmp(d->files[i].name, name) == 0) {
            return &d->files[i];
        }
    }
    if (!make) {
        return NULL;
    }
    assert(d->files_n < FILES_MAX && strlen(name) < NAME_BYTES);
    struct crash_file *f = &d->files[d->files_n++];
    *f = (struct crash_file){ .now = { .max = 64 << 20 }, .safe = { .max = 64 << 20 } };
    memcpy(f->name, name, strlen(name) + 1);
    return f;
}

static void set(sl_buf *b, sl_view v)
{
    sl_buf_clear(b);
    if (!sl_ok(sl_buf_add(b, v))) {
        abort();
    }
}

static void zeros(sl_buf *b, size_t n)
{
    sl_buf_clear(b);
    if (!sl_ok(sl_buf_reserve(b, n))) {
        abort();
    }
    memset(b->p, 0, n);
    b->n = n;
}

static sl_res do_list(sl_disk *disk, const char *folder, sl_disk_name *call, void *ctx)
{
    crash_disk *d = of(disk);
    size_t n = strlen(folder);

    SL_NEED(!d->dark, SL_E_IO);
    for (size_t i = 0; i < d->files_n; i++) {
        const struct crash_file *f = &d->files[i];
        if (f->there && strncmp(f->name, folder, n) == 0 && f->name[n] == '/' &&
            strchr(f->name + n + 1, '/') == NULL) {
            SL_TRY(call(ctx, f->name + n + 1));
        }
    }
    return SL_DONE;
}

static sl_res do_read(sl_disk *disk, const char *path, sl_buf *out)
{
    crash_disk *d = of(disk);
    const struct crash_file *f = find(d, path, false);

    SL_NEED(!d->dark, SL_E_IO);
    SL_NEED(f != NULL && f->there, SL_E_NOT_FOUND);
    return sl_buf_add(out, sl_buf_view(&f->now));
}

static sl_res do_create(sl_disk *disk, const char *path, uint64_t bytes)
{
    crash_disk *d = of(disk);
    bool dying = false;

    SL_NEED(!dark(d, &dying), SL_E_IO);
    struct crash_file *f = find(d, path, true);
    SL_NEED(!f->there, SL_E_EXISTS);
    f->there = true;
    f->settled = !dying;
    zeros(&f->now, dying ? (size_t)sl_prng_below(&d->random, bytes + 1) : (size_t)bytes);
    if (!dying) {
        f->safe_there = true;
        set(&f->safe, sl_buf_view(&f->now));
    }
    return dying ? sl_fail(SL_E_IO) : SL_DONE;
}

static sl_res do_open(sl_disk *disk, const char *path, int *ret_file)
{
    crash_disk *d = of(disk);
    const struct crash_file *f = find(d, path, false);

    SL_NEED(!d->dark, SL_E_IO);
    SL_NEED(f != NULL && f->there, SL_E_NOT_FOUND);
    *ret_file = (int)(f - d->files);
    return SL_DONE;
}

static sl_res do_write(sl_disk *disk, int file, uint64_t offset, sl_view bytes)
{
    crash_disk *d = of(disk);
    bool dying = false;

    SL_NEED(!dark(d, &dying), SL_E_IO);
    struct crash_file *f = &d->files[file];
    assert(offset + bytes.n <= f->now.n);
    size_t n = dying ? (size_t)sl_prng_below(&d->random, bytes.n + 1) : bytes.n;
    if (n != 0) {
        memcpy(f->now.p + offset, bytes.p, n);
    }
    return dying ? sl_fail(SL_E_IO) : SL_DONE;
}

static sl_res do_sync(sl_disk *disk, int file)
{
    crash_disk *d = of(disk);
    bool dying = false;

    SL_NEED(!dark(d, &dying), SL_E_IO);
    if (dying) {
        return sl_fail(SL_E_IO);
    }
    set(&d->files[file].safe, sl_buf_view(&d->files[file].now));
    return SL_DONE;
}

static void do_close(sl_disk *disk, int file)
{
    (void)disk;
    (void)file;
}

static sl_res do_replace(sl_disk *disk, const char *path, sl_view bytes, bool durable)
{
    crash_disk *d = of(disk);
    bool dying = false;

    SL_NEED(!dark(d, &dying), SL_E_IO);
    struct crash_file *f = find(d, path, true);
    if (durable && dying) {
        /* Either the old or the new one, whole. */
        if (sl_prng_below(&d->random, 2) == 0) {
            return sl_fail(SL_E_IO);
        }
    }
    set(&f->now, bytes);
    f->there = true;
    f->settled = durable;
    if (durable) {
        f->safe_there = true;
        set(&f->safe, bytes);
    }
    return dying ? sl_fail(SL_E_IO) : SL_DONE;
}

static sl_res do_rename(sl_disk *disk, const char *from, const char *to)
{
    crash_disk *d = of(disk);
    bool dying = false;

    SL_NEED(!dark(d, &dying), SL_E_IO);
    struct crash_file *target = find(d, to, true);
    struct crash_file *source = find(d, from, false);
    SL_NEED(source != NULL && source->there, SL_E_NOT_FOUND);
    if (dying && sl_prng_below(&d->random, 2) == 0) {
        return sl_fail(SL_E_IO);
    }
    set(&target->now, sl_buf_view(&source->now));
    set(&target->safe, sl_buf_view(&source->now));
    target->there = target->safe_there = target->settled = true;
    source->there = source->safe_there = false;
    source->settled = true;
    return dying ? sl_fail(SL_E_IO) : SL_DONE;
}

static sl_res do_remove(sl_disk *disk, const char *path, bool durable)
{
    crash_disk *d = of(disk);
    size_t n = strlen(path);
    bool dying = false;

    SL_NEED(!dark(d, &dying), SL_E_IO);
    for (size_t i = 0; i < d->files_n; i++) {
        struct crash_file *f = &d->files[i];
        bool inside = strncmp(f->name, path, n) == 0 && f->name[n] == '/';
        if (f->there && (inside || strcmp(f->name, path) == 0)) {
            f->there = false;
            f->settled = durable && !dying; /* else it may be back after a crash */
            f->safe_there = f->settled ? false : f->safe_there;
        }
    }
    return dying ? sl_fail(SL_E_IO) : SL_DONE;
}

static sl_res do_sync_all(sl_disk *disk)
{
    crash_disk *d = of(disk);
    bool dying = false;

    SL_NEED(!dark(d, &dying), SL_E_IO);
    for (size_t i = 0; i < d->files_n && !dying; i++) {
        struct crash_file *f = &d->files[i];
        f->safe_there = f->there;
        f->settled = true;
        set(&f->safe, sl_buf_view(&f->now));
    }
    return dying ? sl_fail(SL_E_IO) : SL_DONE;
}

static uint64_t do_room(sl_disk *disk)
{
    (void)disk;
    return UINT64_MAX;
}

void crash_disk_init(crash_disk *d, uint64_t seed)
{
    *d = (crash_disk){
        .disk = { .list = do_list,
                  .read = do_read,
                  .create = do_create,
                  .open = do_open,
                  .write = do_write,
                  .sync = do_sync,
                  .close = do_close,
                  .replace = do_replace,
                  .rename = do_rename,
                  .remove = do_remove,
                  .sync_all = do_sync_all,
                  .room = do_room },
        .files = calloc(FILES_MAX, sizeof(struct crash_file)),
    };
    assert(d->files != NULL);
    sl_prng_seed(&d->random, seed);
}

void crash_disk_free(crash_disk *d)
{
    for (size_t i = 0; i < d->files_n; i++) {
        sl_buf_free(&d->files[i].now);
        sl_buf_free(&d->files[i].safe);
    }
    free(d->files);
}

/* Mixes the safe and the unsynced content sector by sector. */
static void settle_content(crash_disk *d, struct crash_file *f)
{
    size_t n = f->now.n;

    if (f->safe.n != f->now.n) {
        /* Another length: one of the two, or the new one cut and with holes. */
        if (sl_prng_below(&d->random, 2) == 0 && f->safe_there) {
            set(&f->now, sl_buf_view(&f->safe));
            return;
        }
        n = (size_t)sl_prng_below(&d->random, n + 1);
        f->now.n = n;
        for (size_t at = 0; at < n; at += SECTOR) {
            if (sl_prng_below(&d->random, 4) == 0) {
                memset(f->now.p + at, 0, n - at < SECTOR ? n - at : SECTOR);
            }
        }
        return;
    }
    uint64_t keep_of_8 = sl_prng_below(&d->random, 9);
    for (size_t at = 0; at < n; at += SECTOR) {
        if (sl_prng_below(&d->random, 8) >= keep_of_8) {
            memcpy(f->now.p + at, f->safe.p + at, n - at < SECTOR ? n - at : SECTOR);
        }
    }
}

void crash_disk_reboot(crash_disk *d)
{
    for (size_t i = 0; i < d->files_n; i++) {
        struct crash_file *f = &d->files[i];
        if (!f->settled) {
            bool new_name = sl_prng_below(&d->random, 2) == 0;
            if (!new_name) {
                f->there = f->safe_there;
                set(&f->now, sl_buf_view(&f->safe));
            }
        }
        if (f->there) {
            settle_content(d, f);
        }
        f->safe_there = f->there;
        f->settled = true;
        set(&f->safe, sl_buf_view(&f->now));
    }
    d->dark = false;
    d->fail_at = 0;
    d->operations = 0;
}
