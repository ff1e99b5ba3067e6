/* Comparing a text with one sealed record: who recites it is known, the record is read from its sealed file
 * alone, and what is asked too often, malformed, or of another key is refused. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "base/file.h"
#include "vault/confirm.h"

static const uint8_t data_key[32] = { 1, 2, 3 };
static const uint8_t echo_key[32] = { 7 };
static char folder[64];
static int vault_fd = -1;

static const char ROWS[] =
    "USUBJID,NOTE\n"
    "01-701-1015,\"Slept badly on the ferry, blamed the herring, then walked nine miles home\"\n"
    "01-701-1023,\"Keeps two hives behind the chapel and swears the stings loosen her stiff wrist; declined "
    "gold salts twice, asked instead for liniment with camphor and a letter to the harbour board\"\n";

static const char OBJECTS[] =
    "[{\"note\":\"Slept badly on the ferry, blamed the herring\"},{\"note\":\"Keeps two hives behind the chapel "
    "and swears the stings loosen her stiff wrist; declined gold salts \\u0074wice, asked instead for liniment "
    "with camphor and a letter to the harbour board\"}]";

static const char RECITED[] =
    "She keeps TWO hives behind the chapel and swears the stings loosen her stiff wrist; declined gold salts "
    "twice, asked instead for liniment";

static int make_vault(void **state)
{
    (void)snprintf(folder, sizeof folder, "/tmp/sl-confirm-XXXXXX");
    return mkdtemp(folder) == NULL || !sl_ok(sl_dir_open(AT_FDCWD, folder, &vault_fd));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int drop_vault(void **state)
{
    sl_fd_close(&vault_fd);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void seal(const char *name, const char *text, sl_object_ref *ret_ref)
{
    static const uint8_t salt[24] = { 9 };
    sl_manifest manifest;
    SL_OWN(sl_draft *, draft, sl_draft_free) = NULL;
    sl_object_ref ref = { .compartment = "trial-a", .version = 1 };
    memcpy(ref.object, name, strlen(name));
    memcpy(ref.uid, "00112233445566778899aabbccddeeff", 33);
    assert_done(sl_draft_begin(vault_fd, &ref, data_key, &draft));
    assert_done(sl_draft_part(draft, SL_PART_DATA, salt));
    assert_done(sl_draft_add(draft, sl_view_str(text)));
    assert_done(sl_draft_end_part(draft));
    assert_done(sl_draft_settle(draft, &manifest));
    assert_done(sl_draft_commit(draft));
    *ret_ref = ref;
}

/* An index of one record, at [offset, offset + length) of the sealed version. */
static sl_echo_index *index_of(const sl_object_ref *ref, sl_view text, uint64_t offset,
                               sl_buf *bytes)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = 1024 };
    sl_echo_builder *b = NULL;
    sl_echo_index *index = NULL;
    sl_echo_build_options options = { .bytes = text.n };
    assert_done(sl_echo_source_name(ref, &name));
    assert_done(sl_echo_builder_new(echo_key, &options, &b));
    assert_done(sl_echo_builder_count(b, text, false));
    assert_done(sl_echo_builder_settle(b));
    assert_done(sl_echo_builder_source(b, sl_buf_view(&name)));
    assert_done(sl_echo_builder_add(b, text, false, offset, text.n));
    assert_done(sl_echo_builder_finish(b, bytes));
    sl_echo_builder_free(b);
    assert_done(sl_echo_open(sl_buf_view(bytes), echo_key, &index));
    return index;
}

static void check(const char *name, const char *file, const char *record_begins)
{
    static const uint8_t other_key[32] = { 4 };
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = (size_t)1 << 22 };
    SL_OWN(sl_buf, source, sl_buf_free) = { .max = 1024 };
    sl_object_ref ref;
    sl_confirm_answer a = { 0 };
    const char *at = strstr(file, record_begins);
    const char *end = strchr(at, at[0] == '{' ? '}' : '\n') + 1;
    sl_view record = sl_view_of(at, (size_t)(end - at));
    seal(name, file, &ref);
    sl_echo_index *index = index_of(&ref, record, (uint64_t)(at - file), &bytes);
    assert_done(sl_echo_source_name(&ref, &source));
    sl_confirm_request q = { .compartment = "trial-a",
                             .offset = (uint64_t)(at - file),
                             .length = record.n,
                             .source = sl_buf_view(&source),
                             .text = sl_view_str(RECITED) };
    assert_done(sl_confirm_compare(vault_fd, index, &q, data_key, &a));
    assert_true(a.confirmed && a.bits >= a.bits_needed);
    assert_true(a.words_same >= 20 && a.words_changed <= 2);
    assert_in_range(a.permille, 400, 900);
    q.text =
        SL_LIT("an ordinary answer about gardens, bridges and the price of tea in small harbours");
    assert_done(sl_confirm_compare(vault_fd, index, &q, data_key, &a));
    assert_false(a.confirmed);
    q.text = sl_view_str(RECITED);
    assert_code(sl_confirm_compare(vault_fd, index, &q, other_key, &a), SL_E_INTEGRITY);
    q.source = SL_LIT("other/1/00112233445566778899aabbccddeeff");
    assert_code(sl_confirm_compare(vault_fd, index, &q, data_key, &a), SL_E_NOT_FOUND);
    q.source = sl_buf_view(&source);
    q.length = (uint64_t)1 << 32;
    assert_code(sl_confirm_compare(vault_fd, index, &q, data_key, &a), SL_E_LIMIT);
    sl_echo_index_free(index);
}

static void a_row_that_is_recited_is_known_from_its_sealed_file(void **state)
{
    check("notes.csv", ROWS, "01-701-1023");
}

static void an_object_of_a_document_too(void **state)
{
    check("notes.json", OBJECTS, "{\"note\":\"Keeps");
}

/* A table whose bytes are not its text (compressed, say) refutes nothing. */
static void what_does_not_read_as_it_was_indexed_refutes_nothing(void **state)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = (size_t)1 << 22 };
    SL_OWN(sl_buf, source, sl_buf_free) = { .max = 1024 };
    sl_object_ref ref;
    sl_confirm_answer a = { 0 };
    sl_view record = sl_view_str(ROWS);
    seal("packed.bin", "\x01\x02\x7F packed otherwise \x03\x04", &ref);
    sl_echo_index *index = index_of(&ref, record, 0, &bytes);
    assert_done(sl_echo_source_name(&ref, &source));
    sl_confirm_request q = { .compartment = "trial-a",
                             .length = record.n,
                             .source = sl_buf_view(&source),
                             .text = sl_view_str(RECITED) };
    assert_code(sl_confirm_compare(vault_fd, index, &q, data_key, &a), SL_E_UNSUPPORTED);
    sl_echo_index_free(index);
}

static void requests_and_answers_are_strict(void **state)
{
    SL_OWN(sl_buf, wire, sl_buf_free) = { .max = SL_CONFIRM_REQUEST_BYTES_MAX };
    sl_confirm_request q = { .compartment = "trial-a",
                             .offset = 5,
                             .length = 77,
                             .source = SL_LIT("a/1/00112233445566778899aabbccddeeff"),
                             .text = SL_LIT("some words") };
    sl_confirm_request back;
    sl_object_ref ref;
    assert_done(sl_confirm_request_encode(&q, &wire));
    assert_done(sl_confirm_request_decode(sl_buf_view(&wire), &back));
    assert_string_equal(back.compartment, "trial-a");
    assert_true(back.offset == 5 && back.length == 77);
    assert_true(sl_view_eq(back.source, q.source) && sl_view_eq(back.text, q.text));
    for (size_t n = 0; n < 82 + q.source.n + 1; n++) {
        assert_code(sl_confirm_request_decode(sl_view_sub(sl_buf_view(&wire), 0, n), &back),
                    SL_E_SYNTAX);
    }
    wire.p[63] = 'x'; /* behind the name's end */
    assert_code(sl_confirm_request_decode(sl_buf_view(&wire), &back), SL_E_SYNTAX);
    q.text = (sl_view){ 0 };
    assert_code(sl_confirm_request_encode(&q, &wire), SL_E_LIMIT);
    static const char *const bad[] = { "",
                                       "a",
                                       "a/1",
                                       "a/0/00112233445566778899aabbccddeeff",
                                       "../1/00112233445566778899aabbccddeeff",
                                       "a/1/00112233445566778899aabbccddeefG",
                                       "a/1/00112233445566778899aabbccddeeff0",
                                       "a/x/0" };
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        assert_code(sl_echo_source_read(sl_view_str(bad[i]), &ref), SL_E_SYNTAX);
    }
    static const uint8_t answer[SL_CONFIRM_ANSWER_BYTES] = { 2 };
    sl_confirm_answer a;
    assert_code(sl_confirm_answer_decode(sl_view_of(answer, sizeof answer), &a), SL_E_SYNTAX);
    assert_code(sl_confirm_answer_decode(sl_view_of(answer, 23), &a), SL_E_SYNTAX);
}

static void the_budget_is_spent_and_fills_again(void **state)
{
    sl_confirm_budget b = { 0 };
    for (unsigned i = 0; i < SL_CONFIRM_BURST; i++) {
        assert_true(sl_confirm_budget_take(&b, 1000));
    }
    assert_false(sl_confirm_budget_take(&b, 1000));
    assert_false(sl_confirm_budget_take(&b, 900)); /* a clock that goes back gives nothing */
    assert_true(sl_confirm_budget_take(&b, 1000 + 1000 / SL_CONFIRM_EACH_SECOND));
    unsigned taken = 0;
    for (uint64_t ms = 2000; ms < 12000; ms++) {
        taken += sl_confirm_budget_take(&b, ms);
    }
    assert_in_range(taken, SL_CONFIRM_EACH_SECOND * 10, SL_CONFIRM_EACH_SECOND * 11 + 2);
    (void)sl_confirm_budget_take(&b, (uint64_t)1 << 60); /* years later: a burst, no more */
    assert_true(b.left < SL_CONFIRM_BURST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_that_is_recited_is_known_from_its_sealed_file,
                                        make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(an_object_of_a_document_too, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(what_does_not_read_as_it_was_indexed_refutes_nothing,
                                        make_vault, drop_vault),
        cmocka_unit_test(requests_and_answers_are_strict),
        cmocka_unit_test(the_budget_is_spent_and_fills_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
