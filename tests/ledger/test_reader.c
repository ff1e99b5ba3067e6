/* Reading and verifying from outside: a whole ledger is whole, and every change is found and named. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/reader.h"
#include "log_fixture.h"

typedef struct {
    char path[64];
    int dir_fd;
    sl_disk_dir disk;
    sl_sign_key key;
    sl_vkey vkey;
    sl_tlog *log;
    sl_source *source;
    sl_reader reader;
} place;

static place *make(uint64_t leaves)
{
    place *p = calloc(1, sizeof *p);
    sl_tlog_report report;

    assert_non_null(p);
    snprintf(p->path, sizeof p->path, "/tmp/stoplog-reader-XXXXXX");
    assert_non_null(mkdtemp(p->path));
    p->dir_fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sl_disk_dir_init(&p->disk, p->dir_fd);
    p->key = log_key(8);
    sl_tlog_options options = { .disk = &p->disk.disk,
                                .origin = "example.com/reader",
                                .key = &p->key,
                                .segment_bytes = 1 << 20 };
    assert_done(sl_tlog_open(&options, &p->log, &report));
    p->vkey = *sl_tlog_vkey(p->log);
    assert_done(log_fill(p->log, 0, leaves, 100));
    assert_done(sl_tlog_publish(p->log));
    assert_done(sl_source_open(p->path, &p->source));
    assert_done(sl_reader_open(p->source, &p->vkey, &p->reader));
    return p;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

static void drop(place **pp)
{
    place *p = *pp;

    sl_reader_close(&p->reader);
    sl_source_close(&p->source);
    sl_tlog_free(p->log);
    sl_sign_key_free(&p->key);
    close(p->dir_fd);
    nftw(p->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
}

static void reopen(place *p)
{
    sl_reader_close(&p->reader);
    assert_done(sl_reader_open(p->source, &p->vkey, &p->reader));
}

/* Changes one byte of a file in place. */
static void flip(place *p, const char *name, size_t at)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 32 << 20 };

    assert_done(sl_file_read(p->dir_fd, name, &bytes));
    assert_true(at < bytes.n);
    bytes.p[at] ^= 1;
    assert_done(sl_file_replace(p->dir_fd, name, sl_buf_view(&bytes), 0644));
}

/* Offset of leaf `n` of a bundle. */
static size_t leaf_at(place *p, const char *name, size_t n)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 32 << 20 };
    sl_view entry = { 0 };
    bool more = false;

    assert_done(sl_file_read(p->dir_fd, name, &bytes));
    sl_view rest = sl_buf_view(&bytes);
    for (size_t i = 0; i <= n; i++) {
        assert_done(sl_bundle_next(&rest, &more, &entry));
        assert_true(more);
    }
    return (size_t)(entry.p - bytes.p);
}

static uint64_t first_bad(place *p)
{
    sl_verdict_report report;

    reopen(p);
    assert_code(sl_reader_verify(&p->reader, NULL, NULL, NULL, &report), SL_E_INTEGRITY);
    return report.first_bad;
}

static void whole_ledgers_of_many_sizes_verify(void **state)
{
    static const uint64_t sizes[] = { 0, 1, 2, 255, 256, 257, 511, 512, 1000, 66000 };

    for (size_t i = 0; i < SL_COUNT_OF(sizes); i++) {
        SL_OWN(place *, p, drop) = make(sizes[i]);
        sl_verdict_report report;
        assert_done(sl_reader_verify(&p->reader, NULL, NULL, NULL, &report));
        assert_int_equal(report.size, sizes[i]);
        assert_int_equal(report.checked, sizes[i]);
        assert_true(report.first_bad == SL_NOWHERE);
        sl_digest root = sl_tlog_root(p->log);
        assert_true(sl_digest_eq(&root, &report.root));
    }
}

static void a_flipped_bit_is_named_by_its_leaf(void **state)
{
    SL_OWN(place *, p, drop) = make(1000);
    static const struct {
        const char *bundle;
        size_t number;
        uint64_t index;
    } cases[] = {
        { "tile/entries/000", 0, 0 },
        { "tile/entries/000", 255, 255 },
        { "tile/entries/002", 7, 2 * 256 + 7 },
        { "tile/entries/003.p/232", 231, 999 },
    };

    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        size_t at = leaf_at(p, cases[i].bundle, cases[i].number);
        flip(p, cases[i].bundle, at + 3);
        assert_int_equal(first_bad(p), cases[i].index);
        flip(p, cases[i].bundle, at + 3);
    }
    sl_verdict_report report;
    reopen(p);
    assert_done(sl_reader_verify(&p->reader, NULL, NULL, NULL, &report));
}

static void changed_tiles_are_found_on_every_level(void **state)
{
    SL_OWN(place *, p, drop) = make(66000);

    flip(p, "tile/0/003", 32 * 9);
    assert_int_equal(first_bad(p), 3 * 256 + 9);
    flip(p, "tile/0/003", 32 * 9);
    flip(p, "tile/1/000", 32 * 5);
    assert_int_equal(first_bad(p), 5 * 256);
    flip(p, "tile/1/000", 32 * 5);
    flip(p, "tile/2/000.p/1", 0);
    assert_int_equal(first_bad(p), 0);
}

static void a_leaf_and_its_tile_changed_together_are_found_too(void **state)
{
    SL_OWN(place *, p, drop) = make(600);
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_buf, tile, sl_buf_free) = { .max = SL_TILE_BYTES };
    sl_view entry = { 0 };
    bool more = false;

    flip(p, "tile/entries/001", leaf_at(p, "tile/entries/001", 0) + 2);
    assert_done(sl_file_read(p->dir_fd, "tile/entries/001", &bytes));
    sl_view rest = sl_buf_view(&bytes);
    assert_done(sl_bundle_next(&rest, &more, &entry));
    sl_digest hash = sl_merkle_leaf(&h, entry);
    assert_done(sl_file_read(p->dir_fd, "tile/0/001", &tile));
    memcpy(tile.p, hash.b, sizeof hash.b);
    assert_done(sl_file_replace(p->dir_fd, "tile/0/001", sl_buf_view(&tile), 0644));
    assert_int_equal(first_bad(p), 256);
}

static void missing_and_cut_files_are_found(void **state)
{
    SL_OWN(place *, p, drop) = make(600);
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 1 << 20 };

    assert_done(sl_file_read(p->dir_fd, "tile/entries/001", &bytes));
    assert_done(sl_file_replace(p->dir_fd, "tile/entries/001",
                                sl_view_sub(sl_buf_view(&bytes), 0, bytes.n - 1), 0644));
    assert_int_equal(first_bad(p), 511);
    assert_int_equal(unlinkat(p->dir_fd, "tile/entries/001", 0), 0);
    assert_int_equal(first_bad(p), 256);
}

static void a_trusted_checkpoint_finds_rollback_and_fork(void **state)
{
    SL_OWN(place *, p, drop) = make(700);
    sl_verdict_report report;
    sl_checkpoint from = p->reader.checkpoint;

    assert_done(log_fill(p->log, 700, 1500, 100));
    assert_done(sl_tlog_publish(p->log));
    reopen(p);
    assert_done(sl_reader_verify(&p->reader, &from, NULL, NULL, &report));
    assert_int_equal(report.checked, 800);
    from.root.b[0] ^= 1;
    assert_code(sl_reader_verify(&p->reader, &from, NULL, NULL, &report), SL_E_INTEGRITY);
    from = p->reader.checkpoint;
    from.size++;
    assert_code(sl_reader_verify(&p->reader, &from, NULL, NULL, &report), SL_E_ROLLBACK);
}

static void refresh_follows_growth_and_refuses_the_past(void **state)
{
    SL_OWN(place *, p, drop) = make(300);
    SL_OWN(sl_buf, old, sl_buf_free) = { .max = 4096 };

    assert_done(sl_buf_add(&old, sl_buf_view(&p->reader.note)));
    assert_done(log_fill(p->log, 300, 900, 10));
    assert_done(sl_tlog_publish(p->log));
    assert_done(sl_reader_refresh(&p->reader));
    assert_int_equal(p->reader.checkpoint.size, 900);
    assert_done(sl_file_replace(p->dir_fd, "checkpoint", sl_buf_view(&old), 0644));
    assert_code(sl_reader_refresh(&p->reader), SL_E_ROLLBACK);
    assert_int_equal(p->reader.checkpoint.size, 900);
}

static void receipts_verify_offline_and_only_for_their_leaf(void **state)
{
    SL_OWN(place *, p, drop) = make(700);

    for (uint64_t i = 0; i < 700; i += 13) {
        SL_OWN(sl_buf, receipt, sl_buf_free) = { .max = SL_RECEIPT_BYTES_MAX };
        SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
        SL_OWN(sl_buf, want, sl_buf_free) = leaf_of(i);
        sl_checkpoint c;
        uint64_t index = 0;
        assert_done(sl_reader_receipt(&p->reader, i, &receipt));
        assert_done(sl_receipt_leaf(sl_buf_view(&receipt), &leaf));
        assert_true(sl_view_eq(sl_buf_view(&leaf), sl_buf_view(&want)));
        assert_done(
            sl_receipt_check(sl_buf_view(&receipt), sl_buf_view(&leaf), &p->vkey, &c, &index));
        assert_int_equal(index, i);
        leaf.p[0] ^= 1;
        assert_code(
            sl_receipt_check(sl_buf_view(&receipt), sl_buf_view(&leaf), &p->vkey, &c, &index),
            SL_E_INTEGRITY);
    }
}

static void another_key_reads_nothing(void **state)
{
    SL_OWN(place *, p, drop) = make(10);
    SL_OWN(sl_sign_key, other, sl_sign_key_free) = log_key(9);
    sl_reader r;
    sl_vkey vkey;

    assert_done(
        sl_vkey_make(SL_LIT("example.com/reader"), SL_NOTE_ED25519, &other.public_key, &vkey));
    assert_code(sl_reader_open(p->source, &vkey, &r), SL_E_SIGNATURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_ledgers_of_many_sizes_verify),
        cmocka_unit_test(a_flipped_bit_is_named_by_its_leaf),
        cmocka_unit_test(changed_tiles_are_found_on_every_level),
        cmocka_unit_test(a_leaf_and_its_tile_changed_together_are_found_too),
        cmocka_unit_test(missing_and_cut_files_are_found),
        cmocka_unit_test(a_trusted_checkpoint_finds_rollback_and_fork),
        cmocka_unit_test(refresh_follows_growth_and_refuses_the_past),
        cmocka_unit_test(receipts_verify_offline_and_only_for_their_leaf),
        cmocka_unit_test(another_key_reads_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
