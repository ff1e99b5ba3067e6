/* The ledger's speed: durable appends a second with one writer and with many, and verification
 * against `SHA-256 of the same bytes` measured in the same run. Prints the load beside each figure
 * and asserts nothing. With --make DIR N it writes a ledger of N leaves and ends, for other tools.
 *
 * usage: bench_ledger [--make DIR N]
 */
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "ledger/log.h"
#include "ledger/reader.h"

enum { LEAF_BYTES = 256 };

typedef struct {
    char path[4096];
    int dir_fd;
    sl_disk_dir disk;
    sl_sign_key key;
    sl_tlog *log;
} place;

static sl_res open_place(place *p, const char *dir)
{
    uint8_t seed[SL_SEED_BYTES];
    sl_tlog_report report;

    memset(seed, 0x42, sizeof seed);
    (void)snprintf(p->path, sizeof p->path, "%s", dir);
    SL_TRY(sl_dir_make(AT_FDCWD, dir, 0755));
    SL_TRY(sl_dir_open(AT_FDCWD, dir, &p->dir_fd));
    sl_disk_dir_init(&p->disk, p->dir_fd);
    SL_TRY(sl_sign_key_from_seed(seed, &p->key));
    sl_tlog_options options = { .disk = &p->disk.disk,
                                .origin = "example.com/bench",
                                .key = &p->key };
    return sl_tlog_open(&options, &p->log, &report);
}

static void close_place(place *p)
{
    sl_tlog_free(p->log);
    sl_sign_key_free(&p->key);
    sl_fd_close(&p->dir_fd);
}

static sl_res append(place *p, uint64_t from, uint64_t n, uint64_t batch)
{
    uint8_t leaf[LEAF_BYTES];
    uint64_t index = 0;

    memset(leaf, 'a', sizeof leaf);
    for (uint64_t i = from; i < from + n; i++) {
        sl_put_be64(leaf + 8, i);
        sl_res r = sl_tlog_add_leaf(p->log, sl_view_of(leaf, sizeof leaf), false, &index);
        if (sl_is(r, SL_E_AGAIN)) {
            SL_TRY(sl_tlog_commit(p->log));
            r = sl_tlog_add_leaf(p->log, sl_view_of(leaf, sizeof leaf), false, &index);
        }
        SL_TRY(r);
        if ((i + 1) % batch == 0) {
            SL_TRY(sl_tlog_commit(p->log));
        }
    }
    return sl_tlog_commit(p->log);
}

static double load_now(void)
{
    double load = -1;

    return getloadavg(&load, 1) == 1 ? load : -1;
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(sl_clock_mono_ns() - start_ns) / 1e9;
}

static sl_res bench_append(place *p, uint64_t n, uint64_t batch, const char *what)
{
    uint64_t from = sl_tlog_size(p->log);
    uint64_t start = sl_clock_mono_ns();

    SL_TRY(append(p, from, n, batch));
    double s = seconds_since(start);
    printf("append %-28s %9.0f leaves/s  %8.1f us a commit   load %.2f\n", what, (double)n / s,
           s * 1e6 / ((double)n / (double)batch), load_now());
    return SL_DONE;
}

/* CPU time: verification and its yardstick are both bound by it. */
static double cpu_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What SHA-256 costs for 64 KiB pieces: the yardstick that `openssl speed sha256` gives. */
static double hash_rate(void)
{
    static uint8_t block[65536];
    double start = cpu_s();
    uint64_t bytes = 0;

    while ((cpu_s() - start) < 0.5) {
        sl_digest d = sl_sha256(sl_view_of(block, sizeof block));
        block[0] ^= d.b[0];
        bytes += sizeof block;
    }
    return (double)bytes / (cpu_s() - start);
}

static sl_res bench_verify(place *p)
{
    SL_OWN(sl_source *, source, sl_source_close) = NULL;
    sl_reader r;
    sl_verdict_report report;

    SL_TRY(sl_tlog_publish(p->log));
    SL_TRY(sl_source_open(p->path, &source));
    SL_TRY(sl_reader_open(source, sl_tlog_vkey(p->log), &r));
    double yardstick = hash_rate();
    double start = cpu_s();
    sl_res done = sl_reader_verify(&r, NULL, NULL, NULL, &report);
    double s = (cpu_s() - start);
    sl_reader_close(&r);
    SL_TRY(done);
    /* Hashed bytes: each leaf with its prefix, and one node of 65 bytes for each leaf. */
    double bytes = (double)report.size * (LEAF_BYTES + 1 + 65);
    printf("verify %" PRIu64 " leaves  %.0f leaves/s  %.2f GB/s hashed; SHA-256 %.2f GB/s; "
           "ratio %.2f   load %.2f\n",
           report.size, (double)report.size / s, bytes / s / 1e9, yardstick / 1e9,
           bytes / s / yardstick, load_now());
    return SL_DONE;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

static sl_res bench_all(void)
{
    char dir[] = "./bench-ledger-XXXXXX";
    place p = { .dir_fd = -1 };

    SL_NEED(mkdtemp(dir) != NULL, SL_E_IO);
    sl_res r = open_place(&p, dir);
    if (sl_ok(r)) {
        r = bench_append(&p, 2000, 1, "one writer, one a commit");
    }
    if (sl_ok(r)) {
        r = bench_append(&p, 32000, 16, "16 writers");
    }
    if (sl_ok(r)) {
        r = bench_append(&p, 256000, 256, "256 writers");
    }
    if (sl_ok(r)) {
        r = bench_append(&p, 400000, 4096, "4096 writers");
    }
    if (sl_ok(r)) {
        r = bench_verify(&p);
    }
    close_place(&p);
    (void)nftw(dir, remove_one, 16, FTW_PHYS | FTW_DEPTH);
    return r;
}

static sl_res make_only(const char *dir, uint64_t n)
{
    SL_OWN(sl_buf, vkey, sl_buf_free) = { .max = 1024 };
    place p = { .dir_fd = -1 };
    sl_res r = open_place(&p, dir);

    if (sl_ok(r)) {
        r = append(&p, sl_tlog_size(p.log), n, 1000);
    }
    if (sl_ok(r)) {
        r = sl_tlog_publish(p.log);
    }
    if (sl_ok(r)) {
        r = sl_vkey_add(&vkey, sl_tlog_vkey(p.log));
    }
    if (sl_ok(r)) {
        r = sl_file_replace(p.dir_fd, "vkey", sl_buf_view(&vkey), 0644);
    }
    close_place(&p);
    return r;
}

int main(int argc, char **argv)
{
    uint64_t n = 0;
    sl_res r = SL_DONE;

    if (argc == 4 && strcmp(argv[1], "--make") == 0) {
        r = sl_parse_u64(sl_view_str(argv[3]), 100000000, &n);
        r = sl_ok(r) ? make_only(argv[2], n) : r;
    } else if (argc == 1) {
        r = bench_all();
    } else {
        return 2;
    }
    if (!sl_ok(r)) {
        fprintf(stderr, "bench_ledger: %s: %s\n", sl_res_text(r), sl_detail_get()->field);
    }
    return sl_res_exit(r);
}
