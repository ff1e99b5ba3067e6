/* The rosters at the ask door: what the ingest process wrote is in force after a refresh, what cannot
 * be opened is a failure, and sets given out before stay as they were. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "detect/echo.h"
#include "detect/roster.h"
#include "doors/ask/rosters.h"

static const uint8_t match_key[32] = { 7 };
static char folder[64];
static int dir_fd = -1;
static sl_detect *base;
static sl_roll *roll;

static sl_res lease(void *context, const char *compartment, const char *purpose,
                    uint8_t ret_key[32])
{
    SL_NEED(context == NULL, SL_E_LOCKED);
    memcpy(ret_key, match_key, 32);
    return SL_DONE;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int begin(void **state)
{
    static sl_genesis_roll genesis = { .site = "00112233445566778899aabbccddeeff", .quorum = 1 };
    genesis.operators[0] = (sl_operator){ .person = "one", .roles = SL_ROLE_ALL };
    genesis.operators_count = 1;
    sl_statement create = { .action = SL_ACTION_COMPARTMENT_CREATE };
    memcpy(create.site, genesis.site, sizeof create.site);
    memcpy(create.compartment_id, "aa112233445566778899aabbccddeeff", 33);
    (void)snprintf(folder, sizeof folder, "/tmp/sl-rosters-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_done(sl_dir_open(AT_FDCWD, folder, &dir_fd));
    assert_done(sl_name_set(create.compartment, SL_LIT("trial-a")));
    assert_done(sl_roll_new(&roll));
    assert_done(sl_roll_begin(roll, &genesis));
    assert_done(sl_roll_apply(roll, &create, NULL, 0, 1, 1000));
    assert_done(sl_detect_build_default(&base));
    return 0;
}

static int end(void **state)
{
    sl_detect_free(base);
    sl_roll_free(roll);
    sl_fd_close(&dir_fd);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_index(const uint8_t key[32], const char *value)
{
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = SL_MIB };
    sl_roster_builder *builder = NULL;
    bool added = false;
    assert_done(sl_roster_builder_new(key, &builder));
    assert_done(sl_roster_add(builder, SL_CLASS_NAME, sl_view_str(value), 1, 0, &added));
    assert_true(added);
    assert_done(sl_roster_finish(builder, &index));
    sl_roster_builder_free(builder);
    assert_done(sl_file_replace(dir_fd, "trial-a", sl_buf_view(&index), 0444));
}

static void what_enters_is_protected_after_a_refresh(void **state)
{
    sl_ask_rosters *rosters = NULL;
    const sl_detect *first = NULL;
    const sl_detect *second = NULL;
    const sl_detect *third = NULL;
    assert_done(sl_ask_rosters_new(base, dir_fd, &rosters));
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &first));
    assert_true(first == base);
    write_index(match_key, "Maynard Mosciski");
    sl_digest before = sl_ask_snapshot_digest(rosters, SL_LIT("c"), SL_LIT("p"), SL_LIT("f"));
    sl_digest other = sl_ask_snapshot_digest(rosters, SL_LIT("c"), SL_LIT("p2"), SL_LIT("f"));
    assert_false(sl_digest_eq(&before, &other));
    other = sl_ask_snapshot_digest(rosters, SL_LIT("cp"), SL_LIT(""), SL_LIT("f"));
    assert_false(sl_digest_eq(&before, &other));
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &second));
    other = sl_ask_snapshot_digest(rosters, SL_LIT("c"), SL_LIT("p"), SL_LIT("f"));
    assert_false(sl_digest_eq(&before, &other)); /* a roster came */
    assert_true(sl_detect_in_roster(second, SL_LIT("maynard mosciski")));
    assert_false(sl_detect_in_roster(first, SL_LIT("maynard mosciski")));
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &third));
    assert_true(third == second);
    write_index(match_key, "Curtis Schmidtke");
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &third));
    assert_true(sl_detect_in_roster(third, SL_LIT("curtis schmidtke")));
    assert_true(sl_detect_in_roster(second, SL_LIT("maynard mosciski")));
    assert_true(sl_ask_rosters_count(rosters) >= 1);
    sl_ask_rosters_free(rosters);
}

static void what_cannot_be_opened_is_a_failure(void **state)
{
    static const uint8_t other[32] = { [31] = 8 };
    sl_ask_rosters *rosters = NULL;
    const sl_detect *set = NULL;
    int locked = 0;
    assert_done(sl_ask_rosters_new(base, dir_fd, &rosters));
    write_index(match_key, "Maynard Mosciski");
    assert_code(sl_ask_rosters_refresh(rosters, roll, lease, &locked, &set), SL_E_LOCKED);
    write_index(other, "Maynard Mosciski");
    assert_code(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set), SL_E_KEY);
    write_index(match_key, "Maynard Mosciski");
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set));
    sl_ask_rosters_free(rosters);
}

static void a_roster_that_the_ledger_names_and_nobody_has_is_a_failure(void **state)
{
    static const char leaf[] =
        "{\"by\":\"%s\",\"event\":{\"compartment\":\"%s\",\"fields\":{\"digest\":\"%s\","
        "\"entries\":1,\"records\":1},\"type\":\"roster.built\"},\"time\":1,\"v\":1}";
    static const char digest[] = "ab112233445566778899aabbccddeeffab112233445566778899aabbccddeeff";
    static const char ours[] = "aa112233445566778899aabbccddeeff";
    sl_ask_rosters *rosters = NULL;
    const sl_detect *set = NULL;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    assert_done(sl_ask_rosters_new(base, dir_fd, &rosters));
    assert_done(sl_buf_addf(&text, leaf, "ingest", "bb112233445566778899aabbccddeeff", digest));
    assert_done(sl_ask_rosters_leaf(rosters, sl_buf_view(&text))); /* another compartment's */
    sl_buf_clear(&text);
    assert_done(sl_buf_addf(&text, leaf, "watchd", ours, digest));
    assert_done(sl_ask_rosters_leaf(rosters, sl_buf_view(&text))); /* not from who writes rosters */
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set));
    sl_buf_clear(&text);
    assert_done(sl_buf_addf(&text, leaf, "ingest", ours, digest));
    assert_done(sl_ask_rosters_leaf(rosters, sl_buf_view(&text)));
    assert_code(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set), SL_E_INTEGRITY);
    write_index(match_key, "Maynard Mosciski");
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set));
    assert_true(sl_detect_in_roster(set, SL_LIT("maynard mosciski")));
    sl_ask_rosters_free(rosters);
}

static const char record[] =
    "keeps two hives behind the chapel and swears the stings loosen her stiff wrist, declined gold salts "
    "twice, asked instead for liniment with camphor and a letter to the harbour board";

static void write_echo(const uint8_t key[32])
{
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = SL_MIB };
    sl_echo_builder *b = NULL;
    sl_echo_build_options options = { .bytes = sizeof record };
    assert_done(sl_echo_builder_new(key, &options, &b));
    assert_done(sl_echo_builder_count(b, sl_view_str(record), false));
    assert_done(sl_echo_builder_settle(b));
    assert_done(sl_echo_builder_source(b, SL_LIT("one")));
    assert_done(sl_echo_builder_add(b, sl_view_str(record), false, 0, sizeof record - 1));
    assert_done(sl_echo_builder_finish(b, &index));
    sl_echo_builder_free(b);
    assert_done(sl_file_replace(dir_fd, "trial-a:echo", sl_buf_view(&index), 0444));
}

static void tell(sl_ask_rosters *rosters, const char *by, const char *fields, const char *type)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_addf(
        &text,
        "{\"by\":\"%s\",\"event\":{\"compartment\":\"aa112233445566778899aabbccddeeff\",\"fields\":"
        "{%s},\"type\":\"%s\"},\"time\":1,\"v\":1}",
        by, fields, type));
    assert_done(sl_ask_rosters_leaf(rosters, sl_buf_view(&text)));
}

#define DIGEST "\"digest\":\"ab112233445566778899aabbccddeeffab112233445566778899aabbccddeeff\""

static void tell_echo(sl_ask_rosters *rosters, const char *by, unsigned records)
{
    char fields[256];
    (void)snprintf(fields, sizeof fields,
                   DIGEST ",\"object\":\"cc112233445566778899aabbccddeeff\",\"records\":%u",
                   records);
    tell(rosters, by, fields, "echo.built");
}

static void tell_rebuilt(sl_ask_rosters *rosters, const char *by, unsigned records)
{
    char fields[256];
    (void)snprintf(fields, sizeof fields, "\"approval\":3," DIGEST ",\"objects\":1,\"records\":%u",
                   records);
    tell(rosters, by, fields, "echo.rebuilt");
}

static size_t records_in(const sl_detect *set)
{
    sl_scratch *scratch = NULL;
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    size_t count = 0;
    assert_done(sl_scratch_new(set, &scratch));
    assert_done(sl_detect_inspect(set, scratch, sl_view_str(record), SL_CHANNEL_ANSWER, &found));
    for (size_t i = 0; i < found.n; i++) {
        count += found.items[i].detector == SL_DETECTOR_ECHO;
    }
    sl_scratch_free(scratch);
    return count;
}

static void recited_records_are_known_after_a_refresh(void **state)
{
    static const uint8_t other[32] = { [31] = 8 };
    sl_ask_rosters *rosters = NULL;
    const sl_detect *set = NULL;
    assert_done(sl_ask_rosters_new(base, dir_fd, &rosters));
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set));
    assert_int_equal(records_in(set), 0);
    write_echo(match_key);
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set));
    assert_true(records_in(set) >= 1);
    write_echo(other);
    assert_code(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set), SL_E_KEY);
    sl_ask_rosters_free(rosters);
}

static void an_index_of_records_that_was_lost_damaged_or_put_back_is_a_failure(void **state)
{
    sl_ask_rosters *rosters = NULL;
    const sl_detect *set = NULL;
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SL_MIB };
    assert_done(sl_ask_rosters_new(base, dir_fd, &rosters));
    tell_echo(rosters, "watchd", 1); /* not from who writes it */
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set));
    tell_echo(rosters, "ingest", 1);
    assert_code(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set), SL_E_INTEGRITY);
    write_echo(match_key);
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set));
    assert_true(records_in(set) >= 1);
    tell_echo(rosters, "ingest", 2); /* the file is from before the last object */
    assert_code(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set), SL_E_INTEGRITY);
    tell_rebuilt(rosters, "watchd", 1);
    assert_code(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set), SL_E_INTEGRITY);
    tell_rebuilt(rosters, "ingest", 1);
    assert_done(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set));
    assert_done(sl_file_read(dir_fd, "trial-a:echo", &bytes));
    bytes.p[bytes.n / 2] ^= 1;
    assert_done(sl_file_replace(dir_fd, "trial-a:echo", sl_buf_view(&bytes), 0444));
    assert_code(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set), SL_E_INTEGRITY);
    assert_int_equal(unlinkat(dir_fd, "trial-a:echo", 0), 0);
    assert_code(sl_ask_rosters_refresh(rosters, roll, lease, NULL, &set), SL_E_INTEGRITY);
    sl_ask_rosters_free(rosters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_enters_is_protected_after_a_refresh, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_opened_is_a_failure, begin, end),
        cmocka_unit_test_setup_teardown(a_roster_that_the_ledger_names_and_nobody_has_is_a_failure,
                                        begin, end),
        cmocka_unit_test_setup_teardown(recited_records_are_known_after_a_refresh, begin, end),
        cmocka_unit_test_setup_teardown(
            an_index_of_records_that_was_lost_damaged_or_put_back_is_a_failure, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
