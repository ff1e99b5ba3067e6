/* The witness: cosigns what grows, answers everything else as the protocol says, forgets nothing. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/log_read.h"
#include "ledger/witness.h"
#include "log_fixture.h"

typedef struct {
    char path[64];
    int log_fd;
    int state_fd;
    sl_disk_dir log_disk;
    sl_disk_dir state_disk;
    sl_sign_key log_key;
    sl_sign_key witness_key;
    sl_vkey witness_vkey;
    sl_tlog *log;
    sl_witness witness;
} place;

static int setup(void **state)
{
    place *p = calloc(1, sizeof *p);
    sl_tlog_report report;

    assert_non_null(p);
    snprintf(p->path, sizeof p->path, "/tmp/stoplog-witness-XXXXXX");
    assert_non_null(mkdtemp(p->path));
    int fd = open(p->path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdirat(fd, "ledger", 0755), 0);
    assert_int_equal(mkdirat(fd, "state", 0755), 0);
    p->log_fd = openat(fd, "ledger", O_RDONLY | O_DIRECTORY);
    p->state_fd = openat(fd, "state", O_RDONLY | O_DIRECTORY);
    close(fd);
    sl_disk_dir_init(&p->log_disk, p->log_fd);
    sl_disk_dir_init(&p->state_disk, p->state_fd);
    p->log_key = log_key(1);
    p->witness_key = log_key(2);
    sl_tlog_options options = { .disk = &p->log_disk.disk,
                                .origin = "example.com/log",
                                .key = &p->log_key,
                                .segment_bytes = 1 << 20 };
    assert_done(sl_tlog_open(&options, &p->log, &report));
    p->witness = (sl_witness){ .name = "w.example/1",
                               .key = &p->witness_key,
                               .logs = { *sl_tlog_vkey(p->log) },
                               .logs_n = 1,
                               .disk = &p->state_disk.disk };
    assert_done(sl_vkey_make(SL_LIT("w.example/1"), SL_NOTE_COSIGNATURE_V1,
                             &p->witness_key.public_key, &p->witness_vkey));
    *state = p;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

static int teardown(void **state)
{
    place *p = *state;

    sl_tlog_free(p->log);
    sl_sign_key_free(&p->log_key);
    sl_sign_key_free(&p->witness_key);
    close(p->log_fd);
    close(p->state_fd);
    nftw(p->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static void grow(place *p, uint64_t to)
{
    assert_done(log_fill(p->log, sl_tlog_size(p->log), to, 10));
    assert_done(sl_tlog_publish(p->log));
}

/* Posts the log's checkpoint as grown from `old`; `spoil` is a bit of the body to flip, or 0. */
static int post(place *p, uint64_t old, uint64_t proof_from, size_t spoil, sl_buf *ret_body)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_WITNESS_REQUEST_BYTES_MAX };
    sl_witness_response response = { 0 };
    sl_proof proof = { 0 };

    assert_done(sl_tlog_growth(p->log, proof_from, &proof));
    assert_done(sl_witness_request(old, &proof, sl_tlog_checkpoint(p->log), &body));
    if (spoil != 0) {
        body.p[spoil] ^= 2;
    }
    assert_done(sl_witness_answer(&p->witness, SL_LIT("POST"), SL_LIT("/add-checkpoint"),
                                  sl_buf_view(&body), 1795266000, &response));
    if (ret_body != NULL) {
        sl_buf_clear(ret_body);
        assert_done(sl_buf_add(ret_body, sl_buf_view(&response.body)));
    }
    sl_buf_free(&response.body);
    return response.status;
}

static void it_cosigns_growth_and_only_growth(void **state)
{
    place *p = *state;
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = 65536 };
    sl_note opened;

    grow(p, 100);
    assert_int_equal(post(p, 0, 0, 0, &body), 200);
    assert_done(sl_buf_add(&note, sl_tlog_checkpoint(p->log)));
    assert_done(sl_buf_add(&note, sl_buf_view(&body)));
    assert_done(sl_note_open(sl_buf_view(&note), &p->witness_vkey, 1, &opened));
    assert_int_equal(opened.time_s[0], 1795266000);
    assert_int_equal(post(p, 0, 0, 0, &body), 409);
    assert_view(sl_buf_view(&body), "100\n");
    grow(p, 777);
    assert_int_equal(post(p, 100, 100, 20, NULL), 422);
    assert_int_equal(post(p, 100, 99, 0, NULL), 422);
    assert_int_equal(post(p, 1000, 0, 0, NULL), 400);
    assert_int_equal(post(p, 100, 100, 0, NULL), 200);
    assert_int_equal(post(p, 777, 777, 0, NULL), 200);
    assert_int_equal(post(p, 777, 3, 0, NULL), 422);
}

static void strangers_and_nonsense_are_refused(void **state)
{
    place *p = *state;
    static const char *const bodies[] = {
        "", "old 0", "old 0\n", "old x\n\n", "old 00\n\n", "new 0\n\nx\n", "old 0\nAAAA\n\nx\n1\n\n"
    };
    sl_witness_response response = { 0 };

    grow(p, 10);
    for (size_t i = 0; i < SL_COUNT_OF(bodies); i++) {
        assert_done(sl_witness_answer(&p->witness, SL_LIT("POST"), SL_LIT("/add-checkpoint"),
                                      sl_view_str(bodies[i]), 1, &response));
        assert_int_equal(response.status, 400);
    }
    p->witness.logs[0].public_key.b[0] ^= 1;
    assert_int_equal(post(p, 0, 0, 0, NULL), 403);
    p->witness.logs_n = 0;
    assert_int_equal(post(p, 0, 0, 0, NULL), 404);
    assert_done(sl_witness_answer(&p->witness, SL_LIT("GET"), SL_LIT("/../../etc/passwd"),
                                  (sl_view){ 0 }, 1, &response));
    assert_int_equal(response.status, 404);
    sl_buf_free(&response.body);
}

static void a_fork_by_the_log_itself_is_not_cosigned(void **state)
{
    place *p = *state;
    sl_tlog *honest = p->log;
    sl_tlog_report report;
    sl_disk_dir other;
    uint64_t index = 0;

    grow(p, 50);
    assert_int_equal(post(p, 0, 0, 0, NULL), 200);
    /* The same key signs another history in another directory. */
    assert_int_equal(mkdirat(p->state_fd, "fork", 0755), 0);
    int fd = openat(p->state_fd, "fork", O_RDONLY | O_DIRECTORY);
    sl_disk_dir_init(&other, fd);
    sl_tlog_options options = { .disk = &other.disk,
                                .origin = "example.com/log",
                                .key = &p->log_key,
                                .segment_bytes = 1 << 20 };
    assert_done(sl_tlog_open(&options, &p->log, &report));
    assert_done(sl_tlog_add_leaf(p->log, SL_LIT("another past"), false, &index));
    assert_done(log_fill(p->log, 1, 60, 10));
    assert_int_equal(post(p, 50, 50, 0, NULL), 422);
    sl_tlog_free(p->log);
    close(fd);
    p->log = honest;
    grow(p, 60);
    assert_int_equal(post(p, 50, 50, 0, NULL), 200);
}

static void nothing_is_signed_when_the_state_cannot_be_kept(void **state)
{
    place *p = *state;
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_WITNESS_REQUEST_BYTES_MAX };
    sl_witness_response response = { 0 };
    sl_proof none = { 0 };

    grow(p, 10);
    assert_int_equal(mkdirat(p->state_fd, "closed", 0755), 0);
    assert_done(sl_witness_request(0, &none, sl_tlog_checkpoint(p->log), &body));
    sl_disk_dir gone;
    sl_disk_dir_init(&gone, -2);
    p->witness.disk = &gone.disk;
    assert_false(sl_ok(sl_witness_answer(&p->witness, SL_LIT("POST"), SL_LIT("/add-checkpoint"),
                                         sl_buf_view(&body), 1, &response)));
    assert_int_equal(response.body.n, 0);
    sl_buf_free(&response.body);
}

/* ---- over a socket, with the asking half ---- */

typedef struct {
    place *p;
    char address[128];
    volatile int stop;
    volatile int ready;
    sl_res result;
} server;

static void note_ready(void *ctx)
{
    ((server *)ctx)->ready = 1;
}

static void *serve(void *ctx)
{
    server *s = ctx;

    s->result = sl_witness_serve(&s->p->witness, s->address, &s->stop, note_ready, s);
    s->ready = 1;
    return NULL;
}

static void asking_over_a_socket_catches_up_and_finds_a_rollback(void **state)
{
    place *p = *state;
    server s = { .p = p, .result = SL_DONE };
    pthread_t thread;
    char ledger[128];
    SL_OWN(sl_source *, source, sl_source_close) = NULL;
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = 65536 };
    sl_reader r;
    uint64_t seen = 0;
    uint64_t time_s = 0;

    snprintf(s.address, sizeof s.address, "unix:%s/w.sock", p->path);
    snprintf(ledger, sizeof ledger, "%s/ledger", p->path);
    assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
    while (!s.ready) {
        usleep(1000);
    }
    grow(p, 40);
    assert_done(sl_source_open(ledger, &source));
    assert_done(sl_reader_open(source, sl_tlog_vkey(p->log), &r));
    assert_done(sl_witness_ask(&r, s.address, &p->witness_vkey, &note, &seen, &time_s));
    assert_int_equal(seen, 0);
    assert_true(time_s > 1700000000);
    grow(p, 500);
    assert_done(sl_reader_refresh(&r));
    sl_buf_clear(&note);
    assert_done(sl_witness_ask(&r, s.address, &p->witness_vkey, &note, &seen, &time_s));
    assert_int_equal(seen, 40);
    /* A reader that stayed at the old checkpoint is behind what the witness has seen. */
    grow(p, 510);
    assert_done(sl_reader_refresh(&r));
    sl_reader_close(&r);
    assert_done(sl_reader_open(source, sl_tlog_vkey(p->log), &r));
    assert_done(sl_witness_ask(&r, s.address, &p->witness_vkey, &note, &seen, &time_s));
    r.checkpoint.size = 509;
    assert_code(sl_witness_ask(&r, s.address, &p->witness_vkey, &note, &seen, &time_s),
                SL_E_ROLLBACK);
    sl_reader_close(&r);
    s.stop = 1;
    pthread_join(thread, NULL);
    assert_done(s.result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_cosigns_growth_and_only_growth, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_and_nonsense_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fork_by_the_log_itself_is_not_cosigned, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_signed_when_the_state_cannot_be_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(asking_over_a_socket_catches_up_and_finds_a_rollback, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
