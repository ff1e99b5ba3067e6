/* Erasing a subject: the key that opens the bodies about them is destroyed, nobody can read the
 * bodies or try values against the commitments any more, and every proof still verifies. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/random.h"
#include "base/secret.h"
#include "ledger/body.h"
#include "ledger/events.gen.h"
#include "ledger/log.h"
#include "ledger/reader.h"
#include "log_fixture.h"

static const char QUESTION[] = "Which dose did Mrs Example of ward 3 receive?";

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    return remove(path);
}

/* An intent leaf whose request is committed to and sealed under the subject's key. */
static void write_intent(sl_tlog *log, const uint8_t *key, uint64_t *ret_index)
{
    uint8_t salt[SL_SALT_BYTES];
    uint8_t seal_salt[SL_SEAL_SALT_BYTES];
    SL_OWN(sl_body, body, sl_body_free) = { 0 };
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = 8192 };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = 16384 };
    sl_digest commitment;

    assert_done(sl_random_bytes(salt, sizeof salt));
    assert_done(sl_random_bytes(seal_salt, sizeof seal_salt));
    assert_done(sl_body_commit(&body, "request", sl_view_str(QUESTION), true, salt, &commitment));
    assert_done(sl_body_seal(&body, key, seal_salt, SL_LIT("subject-17"), &sealed));
    sl_event_head head = { .door = SL_LIT("ask"),
                           .crossing = SL_LIT("c1"),
                           .body_key = SL_LIT("subject-17"),
                           .body = sl_buf_view(&sealed) };
    sl_event_ask_outcome e = { .outcome = SL_LIT("delivered"),
                               .verdict = SL_LIT("allow"),
                               .answer = &commitment };
    assert_done(sl_emit_ask_outcome(&head, &e, &event));
    assert_done(sl_tlog_add(log, sl_buf_view(&event), "ask", 1795266000000, ret_index));
    assert_done(sl_tlog_commit(log));
}

static bool holds(sl_view text, const char *word)
{
    return sl_view_find(text, sl_view_str(word), 0) != SIZE_MAX;
}

/* Opens the body in a leaf and shows that the commitment is to the question. */
static sl_res show(sl_view leaf_text, const uint8_t *key)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = 8192 };
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 8192 };
    sl_digest commitment;

    SL_TRY(sl_leaf_read(leaf_text, &leaf));
    SL_TRY(sl_base64_decode(sl_json_get(&leaf.doc, leaf.sealed, "body")->raw, &sealed));
    SL_TRY(sl_body_open(sl_buf_view(&sealed), key, SL_LIT("subject-17"), &json));
    SL_TRY(sl_digest_parse(sl_leaf_text(&leaf, "answer"), &commitment));
    return sl_body_show(sl_buf_view(&json), "request", sl_view_str(QUESTION), &commitment);
}

static void after_the_key_is_gone_nothing_reads_and_everything_verifies(void **state)
{
    char dir[] = "/tmp/stoplog-erase-XXXXXX";
    uint8_t key[SL_SEAL_KEY_BYTES];
    SL_OWN(sl_sign_key, log_signer, sl_sign_key_free) = log_key(2);
    SL_OWN(sl_source *, source, sl_source_close) = NULL;
    SL_OWN(sl_buf, receipt, sl_buf_free) = { .max = SL_RECEIPT_BYTES_MAX };
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_disk_dir disk;
    sl_tlog_report opened;
    sl_verdict_report verdict;
    sl_checkpoint c;
    sl_reader reader;
    sl_tlog *log = NULL;
    uint64_t index = 0;

    assert_non_null(mkdtemp(dir));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sl_disk_dir_init(&disk, fd);
    sl_tlog_options options = { .disk = &disk.disk,
                                .origin = "example.com/erase",
                                .key = &log_signer,
                                .segment_bytes = 1 << 20 };
    assert_done(sl_tlog_open(&options, &log, &opened));
    assert_done(log_fill(log, 0, 300, 10));
    assert_done(sl_random_bytes(key, sizeof key));
    write_intent(log, key, &index);
    assert_done(sl_tlog_publish(log));
    assert_done(sl_source_open(dir, &source));
    assert_done(sl_reader_open(source, sl_tlog_vkey(log), &reader));
    assert_done(sl_reader_receipt(&reader, index, &receipt));
    assert_done(sl_receipt_leaf(sl_buf_view(&receipt), &leaf));
    assert_done(show(sl_buf_view(&leaf), key));
    assert_false(holds(sl_buf_view(&leaf), "Example"));

    sl_wipe(key, sizeof key);
    assert_code(show(sl_buf_view(&leaf), key), SL_E_INTEGRITY);
    assert_done(
        sl_receipt_check(sl_buf_view(&receipt), sl_buf_view(&leaf), sl_tlog_vkey(log), &c, &index));
    assert_done(sl_reader_verify(&reader, NULL, NULL, NULL, &verdict));
    assert_int_equal(verdict.checked, 301);

    sl_reader_close(&reader);
    sl_tlog_free(log);
    close(fd);
    nftw(dir, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_the_key_is_gone_nothing_reads_and_everything_verifies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
