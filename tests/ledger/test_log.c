/* The log on a real directory: what is committed is there again, and what was signed is never
 * undone. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/events.gen.h"
#include "ledger/log_read.h"
#include "log_fixture.h"

typedef struct {
    char path[64];
    int dir_fd;
    sl_disk_dir disk;
    sl_sign_key key;
    sl_tlog_options options;
} ledger;

static ledger *make(uint64_t segment_bytes)
{
    ledger *l = calloc(1, sizeof *l);

    assert_non_null(l);
    snprintf(l->path, sizeof l->path, "/tmp/stoplog-log-XXXXXX");
    assert_non_null(mkdtemp(l->path));
    l->dir_fd = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(l->dir_fd >= 0);
    sl_disk_dir_init(&l->disk, l->dir_fd);
    l->key = log_key(3);
    l->options = (sl_tlog_options){ .disk = &l->disk.disk,
                                    .origin = "example.com/log",
                                    .key = &l->key,
                                    .segment_bytes = segment_bytes,
                                    .reserve_bytes = 16384 };
    return l;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

static void drop(ledger **l)
{
    nftw((*l)->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    close((*l)->dir_fd);
    sl_sign_key_free(&(*l)->key);
    free(*l);
}

static sl_tlog *open_log(ledger *l, sl_tlog_report *report)
{
    sl_tlog *log = NULL;

    assert_done(sl_tlog_open(&l->options, &log, report));
    return log;
}

static void flip(ledger *l, const char *name, off_t at)
{
    uint8_t byte = 0;
    int fd = openat(l->dir_fd, name, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void sizes_and_roots_survive_reopening(void **state)
{
    static const uint64_t segments[] = { 8192 + 65536, 1 << 20 };

    for (size_t s = 0; s < SL_COUNT_OF(segments); s++) {
        SL_OWN(ledger *, l, drop) = make(segments[s]);
        sl_tlog_report report;
        sl_digest root = { 0 };
        uint64_t size = 0;
        for (int round = 0; round < 6; round++) {
            sl_tlog *log = open_log(l, &report);
            assert_int_equal(sl_tlog_size(log), size);
            assert_false(report.torn);
            if (round > 0) {
                sl_digest again = sl_tlog_root(log);
                assert_true(sl_digest_eq(&again, &root));
            }
            assert_done(log_fill(log, size, size + 700, 7));
            size += 700;
            if (round % 2 == 1) {
                assert_done(sl_tlog_publish(log));
            }
            root = sl_tlog_root(log);
            sl_tlog_free(log);
        }
    }
}

static void old_segments_are_let_go_and_the_rest_still_opens(void **state)
{
    SL_OWN(ledger *, l, drop) = make(128 * 1024);
    sl_tlog_report report;
    sl_tlog *log = open_log(l, &report);

    assert_done(log_fill(log, 0, 20000, 300));
    sl_digest root = sl_tlog_root(log);
    sl_tlog_free(log);
    assert_false(sl_path_exists(l->dir_fd, "wal/00000000000000000000"));
    log = open_log(l, &report);
    sl_digest again = sl_tlog_root(log);
    assert_true(sl_digest_eq(&again, &root));
    assert_true(report.replayed < 10000);
    sl_tlog_free(log);
}

static void uncommitted_leaves_are_not_there(void **state)
{
    SL_OWN(ledger *, l, drop) = make(1 << 20);
    SL_OWN(sl_buf, leaf, sl_buf_free) = leaf_of(9);
    sl_tlog_report report;
    uint64_t index = 0;
    sl_tlog *log = open_log(l, &report);

    assert_done(log_fill(log, 0, 5, 5));
    assert_done(sl_tlog_add_leaf(log, sl_buf_view(&leaf), false, &index));
    assert_int_equal(index, 5);
    assert_int_equal(sl_tlog_size(log), 5);
    sl_tlog_free(log);
    log = open_log(l, &report);
    assert_int_equal(sl_tlog_size(log), 5);
    sl_tlog_free(log);
}

static void a_torn_tail_is_cut_and_a_torn_middle_is_refused(void **state)
{
    SL_OWN(ledger *, l, drop) = make(1 << 20);
    sl_tlog_report report;
    sl_tlog *log = open_log(l, &report);

    assert_done(log_fill(log, 0, 10, 5));
    sl_tlog_free(log);
    /* 5 leaves a batch: the second begins behind the first. */
    SL_OWN(sl_buf, wal, sl_buf_free) = { .max = 2 << 20 };
    sl_wal_batch first;
    assert_done(sl_file_read(l->dir_fd, "wal/00000000000000000000", &wal));
    assert_done(sl_wal_batch_read(sl_view_sub(sl_buf_view(&wal), 16, wal.n), &first));
    off_t second = (off_t)(16 + first.bytes);

    flip(l, "wal/00000000000000000000", second + 70);
    log = open_log(l, &report);
    assert_true(report.torn);
    assert_int_equal(sl_tlog_size(log), 5);
    assert_done(log_fill(log, 5, 10, 5));
    sl_tlog_free(log);
    flip(l, "wal/00000000000000000000", 16 + 70);
    sl_tlog *none = NULL;
    assert_code(sl_tlog_open(&l->options, &none, &report), SL_E_INTEGRITY);
    assert_int_equal(report.first_bad, 0);
}

static void a_tail_cut_behind_the_published_checkpoint_is_a_rollback(void **state)
{
    SL_OWN(ledger *, l, drop) = make(1 << 20);
    sl_tlog_report report;
    sl_tlog *none = NULL;
    sl_tlog *log = open_log(l, &report);

    assert_done(log_fill(log, 0, 10, 10));
    assert_done(sl_tlog_publish(log));
    sl_tlog_free(log);
    flip(l, "wal/00000000000000000000", 16 + 70);
    assert_code(sl_tlog_open(&l->options, &none, &report), SL_E_ROLLBACK);
    /* It was refused and left as it was found: undoing the flip makes it whole. */
    flip(l, "wal/00000000000000000000", 16 + 70);
    log = open_log(l, &report);
    assert_int_equal(sl_tlog_size(log), 10);
    sl_tlog_free(log);
}

/* It is replaced whole or not at all, so an empty or cut one is somebody's work. */
static void a_damaged_checkpoint_is_no_missing_one(void **state)
{
    SL_OWN(ledger *, l, drop) = make(1 << 20);
    SL_OWN(sl_buf, whole, sl_buf_free) = { .max = 4096 };
    sl_tlog_report report;
    sl_tlog *none = NULL;
    sl_tlog *log = open_log(l, &report);

    assert_done(log_fill(log, 0, 10, 10));
    assert_done(sl_tlog_publish(log));
    sl_tlog_free(log);
    assert_done(sl_file_read(l->dir_fd, "checkpoint", &whole));
    for (size_t keep = 0; keep < whole.n; keep += 20) {
        sl_view part = sl_view_sub(sl_buf_view(&whole), 0, keep);
        assert_done(sl_file_replace(l->dir_fd, "checkpoint", part, 0644));
        assert_code(sl_tlog_open(&l->options, &none, &report), SL_E_INTEGRITY);
    }
}

static void a_checkpoint_from_outside_tells_a_rollback_and_a_fork(void **state)
{
    SL_OWN(ledger *, l, drop) = make(1 << 20);
    SL_OWN(ledger *, fork_of, drop) = make(1 << 20);
    SL_OWN(sl_buf, outside, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, other, sl_buf_free) = leaf_of(77);
    sl_tlog_report report;
    sl_tlog *none = NULL;
    uint64_t index = 0;
    sl_tlog *log = open_log(l, &report);

    assert_done(log_fill(log, 0, 10, 5));
    assert_done(sl_buf_add(&outside, sl_tlog_checkpoint(log)));
    sl_tlog_free(log);
    sl_view notes[] = { sl_buf_view(&outside) };
    l->options.outside = notes;
    l->options.outside_n = 1;
    log = open_log(l, &report);
    sl_tlog_free(log);

    /* The same key signs another history of the same length, and a shorter one. */
    log = open_log(fork_of, &report);
    assert_done(log_fill(log, 0, 5, 5));
    sl_tlog_free(log);
    fork_of->options.outside = notes;
    fork_of->options.outside_n = 1;
    assert_code(sl_tlog_open(&fork_of->options, &none, &report), SL_E_ROLLBACK);
    fork_of->options.outside_n = 0;
    log = open_log(fork_of, &report);
    for (int i = 0; i < 5; i++) {
        assert_done(sl_tlog_add_leaf(log, sl_buf_view(&other), false, &index));
    }
    assert_done(sl_tlog_commit(log));
    sl_tlog_free(log);
    fork_of->options.outside_n = 1;
    assert_code(sl_tlog_open(&fork_of->options, &none, &report), SL_E_INTEGRITY);
}

static void another_key_cannot_open_it(void **state)
{
    SL_OWN(ledger *, l, drop) = make(1 << 20);
    SL_OWN(sl_sign_key, other, sl_sign_key_free) = log_key(4);
    sl_tlog_report report;
    sl_tlog *none = NULL;
    sl_tlog *log = open_log(l, &report);

    assert_done(log_fill(log, 0, 10, 5));
    sl_tlog_free(log);
    l->options.key = &other;
    assert_code(sl_tlog_open(&l->options, &none, &report), SL_E_SIGNATURE);
}

static void ledger_time_never_decreases(void **state)
{
    SL_OWN(ledger *, l, drop) = make(1 << 20);
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 4096 };
    sl_event_watch_heartbeat beat = { .cursor = 4, .lag_ms = 2 };
    sl_tlog_report report;
    uint64_t index = 0;
    sl_tlog *log = open_log(l, &report);

    assert_done(sl_emit_watch_heartbeat(&(sl_event_head){ 0 }, &beat, &event));
    assert_done(sl_tlog_add(log, sl_buf_view(&event), "watchd", 5000, &index));
    assert_done(sl_tlog_add(log, sl_buf_view(&event), "watchd", 4000, &index));
    assert_int_equal(sl_tlog_time_ms(log), 5000);
    assert_code(sl_tlog_add(log, sl_buf_view(&event), "ask", 6000, &index), SL_E_DENIED);
    assert_int_equal(sl_tlog_next(log), 2);
    assert_done(sl_tlog_commit(log));
    sl_tlog_free(log);
    log = open_log(l, &report);
    assert_int_equal(sl_tlog_time_ms(log), 5000);
    assert_done(sl_tlog_add(log, sl_buf_view(&event), "watchd", 10, &index));
    assert_int_equal(sl_tlog_time_ms(log), 5000);
    sl_tlog_free(log);
}

/* A directory whose disk gives out: create fails from now on. */
static bool disk_is_full;
static sl_res (*real_create)(sl_disk *disk, const char *path, uint64_t bytes);

static sl_res create_or_full(sl_disk *disk, const char *path, uint64_t bytes)
{
    return disk_is_full ? sl_fail(SL_E_DISK_FULL) : real_create(disk, path, bytes);
}

static uint64_t room_or_none(sl_disk *disk)
{
    return disk_is_full ? 0 : UINT64_MAX;
}

static void a_full_disk_refuses_ordinary_leaves_and_still_takes_containment(void **state)
{
    SL_OWN(ledger *, l, drop) = make(16384);
    sl_tlog_report report;
    uint64_t index = 0;
    sl_tlog *log = NULL;
    uint64_t n = 0;

    real_create = l->disk.disk.create;
    l->disk.disk.create = create_or_full;
    l->disk.disk.room = room_or_none;
    log = open_log(l, &report);
    assert_done(log_fill(log, 0, 4, 1));
    disk_is_full = true;
    sl_res r = SL_DONE;
    for (n = 4; sl_ok(r) && n < 1000; n++) {
        r = log_fill(log, n, n + 1, 1);
    }
    assert_true(sl_is(r, SL_E_DISK_FULL));
    SL_OWN(sl_buf, leaf, sl_buf_free) = leaf_of(50);
    uint64_t size = sl_tlog_size(log);
    for (int i = 0; i < 20; i++) {
        assert_done(sl_tlog_add_leaf(log, sl_buf_view(&leaf), true, &index));
        assert_done(sl_tlog_commit(log));
    }
    assert_code(sl_tlog_add_leaf(log, sl_buf_view(&leaf), false, &index), SL_E_DISK_FULL);
    assert_false(sl_tlog_has_room(log));
    disk_is_full = false;
    assert_true(sl_tlog_has_room(log));
    assert_done(sl_tlog_add_leaf(log, sl_buf_view(&leaf), false, &index));
    assert_done(sl_tlog_commit(log));
    sl_tlog_free(log);
    log = open_log(l, &report);
    assert_int_equal(sl_tlog_size(log), size + 21);
    sl_tlog_free(log);
}

static void what_others_are_served_is_read_back(void **state)
{
    static const struct {
        const char *path;
        uint64_t first_bad; /* the leaf that holds the flipped byte, or its bundle's first */
    } cases[] = {
        { "tile/entries/002.p/88", 600 - 88 },
        { "tile/entries/000", 0 },
        { "tile/entries/001", 256 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(ledger *, l, drop) = make(1 << 20);
        sl_tlog_report report;
        sl_tlog *log = open_log(l, &report);
        uint64_t cursor = 0;
        sl_scrub_found found = { 0 };
        assert_done(log_fill(log, 0, 600, 50));
        assert_done(sl_tlog_scrub(log, &cursor, &found)); /* not published yet */
        assert_null(found.what);
        assert_done(sl_tlog_publish(log));
        for (int round = 0; round < 4; round++) {
            assert_done(sl_tlog_scrub(log, &cursor, &found));
            assert_null(found.what);
        }
        flip(l, cases[i].path, 10);
        for (int round = 0; round < 3 && found.what == NULL; round++) {
            assert_done(sl_tlog_scrub(log, &cursor, &found));
        }
        assert_int_equal(found.first_bad, cases[i].first_bad);
        assert_string_equal(found.what, "bundle_changed");
        assert_int_equal(unlinkat(l->dir_fd, cases[i].path, 0), 0);
        found = (sl_scrub_found){ 0 };
        for (int round = 0; round < 3 && found.what == NULL; round++) {
            assert_done(sl_tlog_scrub(log, &cursor, &found));
        }
        assert_int_equal(found.first_bad, cases[i].first_bad); /* taken away is not well either */
        assert_string_equal(found.what, "bundle_short");
        sl_tlog_free(log);
    }
}

static void the_oldest_leaf_is_read_back_and_proven(void **state)
{
    static const uint64_t sizes[] = { 1, 200, 700 };
    for (size_t i = 0; i < SL_COUNT_OF(sizes); i++) {
        SL_OWN(ledger *, l, drop) = make(1 << 20);
        sl_tlog_report report;
        sl_tlog *log = open_log(l, &report);
        bool ok = false;
        char path[64];
        assert_code(sl_tlog_read_oldest(log, &ok), SL_E_RANGE);
        assert_done(log_fill(log, 0, sizes[i], 50));
        assert_done(sl_tlog_publish(log));
        assert_done(sl_tlog_read_oldest(log, &ok));
        assert_true(ok);
        (void)snprintf(path, sizeof path,
                       sizes[i] < 256 ? "tile/entries/000.p/%u" : "tile/entries/000",
                       (unsigned)sizes[i]);
        flip(l, path, 10);
        assert_done(sl_tlog_read_oldest(log, &ok));
        assert_false(ok);
        assert_int_equal(unlinkat(l->dir_fd, path, 0), 0);
        ok = true;
        assert_done(sl_tlog_read_oldest(log, &ok));
        assert_false(ok);
        sl_tlog_free(log);
    }
}

static void an_older_checkpoint_in_the_place_of_the_newest_is_found(void **state)
{
    SL_OWN(ledger *, l, drop) = make(1 << 20);
    SL_OWN(sl_buf, older, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_buf, newest, sl_buf_free) = { .max = 65536 };
    sl_tlog_report report;
    sl_scrub_found found;
    uint64_t cursor = 0;
    sl_tlog *log = open_log(l, &report);
    assert_done(log_fill(log, 0, 300, 50));
    assert_done(sl_tlog_publish(log));
    assert_done(sl_file_read(l->dir_fd, "checkpoint", &older));
    assert_done(log_fill(log, 300, 600, 50));
    assert_done(sl_tlog_publish(log));
    assert_done(sl_file_read(l->dir_fd, "checkpoint", &newest));
    assert_done(sl_file_replace(l->dir_fd, "checkpoint", sl_buf_view(&older), 0644));
    assert_done(sl_tlog_scrub(log, &cursor, &found));
    assert_string_equal(found.what, "checkpoint");
    assert_int_equal(found.first_bad, 300);
    assert_int_equal(unlinkat(l->dir_fd, "checkpoint", 0), 0);
    assert_done(sl_tlog_scrub(log, &cursor, &found));
    assert_string_equal(found.what, "checkpoint");
    assert_done(sl_file_replace(l->dir_fd, "checkpoint", sl_buf_view(&newest), 0644));
    assert_done(sl_tlog_scrub(log, &cursor, &found));
    assert_null(found.what);
    sl_tlog_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_are_served_is_read_back),
        cmocka_unit_test(the_oldest_leaf_is_read_back_and_proven),
        cmocka_unit_test(an_older_checkpoint_in_the_place_of_the_newest_is_found),
        cmocka_unit_test(sizes_and_roots_survive_reopening),
        cmocka_unit_test(old_segments_are_let_go_and_the_rest_still_opens),
        cmocka_unit_test(uncommitted_leaves_are_not_there),
        cmocka_unit_test(a_torn_tail_is_cut_and_a_torn_middle_is_refused),
        cmocka_unit_test(a_tail_cut_behind_the_published_checkpoint_is_a_rollback),
        cmocka_unit_test(a_damaged_checkpoint_is_no_missing_one),
        cmocka_unit_test(a_checkpoint_from_outside_tells_a_rollback_and_a_fork),
        cmocka_unit_test(another_key_cannot_open_it),
        cmocka_unit_test(ledger_time_never_decreases),
        cmocka_unit_test(a_full_disk_refuses_ordinary_leaves_and_still_takes_containment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
