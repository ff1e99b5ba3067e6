/* The release door with a ledger and a keeper made of memory: what is held is what was signed for, it comes out once
 * and only by two persons, and a failure of any part at any moment leaves nothing behind and lets nothing out. */
#include "release_help.h"

/* ---- tests ---- */

static void comes_out_once_by_two_persons(void **state)
{
    world w = begin(2);
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    hold_note(&w);
    assert_code(take(&w, &out), SL_E_APPROVAL);
    assert_string_equal(sl_detail_get()->field, "nobody approved it");
    assert_int_equal(out.n + w.opened, 0);
    assert_done(approve(&w, "2", SITE));
    assert_done(take(&w, &out));
    assert_true(sl_view_eq_str(sl_buf_view(&out), NOTE));
    assert_int_equal(w.outcomes, 1);
    w.now_ms += HOUR_MS;
    assert_code(take(&w, &out), SL_E_APPROVAL);
    assert_string_equal(sl_detail_get()->field, "it was taken already");
    assert_int_equal(sl_detail_get()->offset, release(&w)->taken_leaf);
    assert_int_equal(release(&w)->taken_ms, NOW_MS);
    assert_int_equal(release(&w)->taken_count, 1);
    assert_string_equal(sl_roll_signer_person(w.roll, release(&w)->taken_by[0]), "p2");
    assert_null(sl_roll_signer_person(w.roll, "0000000000000000"));
    assert_int_equal(out.n, 0);
    assert_int_equal(w.opened, 1);
    end(&w);
}

static void who_asked_cannot_let_it_out(void **state)
{
    world w = begin(2);
    hold_note(&w);
    assert_code(approve(&w, "1", SITE), SL_E_APPROVAL);
    assert_code(approve(&w, "4", SITE), SL_E_APPROVAL); /* another key of the same person */
    assert_code(approve(&w, "24", SITE), SL_E_APPROVAL);
    assert_code(approve(&w, "2", OTHER_SITE), SL_E_APPROVAL);
    assert_int_equal(release(&w)->state, SL_RELEASE_HELD);
    end(&w);
}

static void the_quorum_counts_who_asked_and_one_asks(void **state)
{
    world w = begin(3);
    SL_OWN(int, fd, sl_fd_close) = file_of(NOTE, sizeof NOTE - 1);
    assert_code(ask(&w, fd, "file", "12"), SL_E_APPROVAL);
    hold_note(&w);
    assert_code(approve(&w, "2", SITE), SL_E_APPROVAL);
    assert_done(approve(&w, "23", SITE));
    assert_int_equal(release(&w)->approved_persons, 2);
    end(&w);
}

static void an_approval_is_for_these_bytes_and_ends(void **state)
{
    world w = begin(2);
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    hold_note(&w);
    sl_statement other = help_on(SL_ACTION_RELEASE_APPROVE, "c");
    memcpy(other.item, RELEASE_ID, sizeof RELEASE_ID);
    other.hash = release(&w)->held;
    other.hash.b[0] ^= 1;
    assert_code(sign(&w, &other, "2", SITE), SL_E_REFUSED);
    assert_done(approve(&w, "2", SITE));
    assert_code(approve(&w, "3", SITE), SL_E_EXISTS);
    w.now_ms += SL_RELEASE_APPROVAL_MS_MAX;
    assert_code(take(&w, &out), SL_E_APPROVAL);
    w.now_ms = NOW_MS;
    assert_done(sl_roll_contain(w.roll, SL_LIT("c"), SL_COMPARTMENT_CLOSED));
    assert_code(take(&w, &out), SL_E_APPROVAL);
    sl_statement opens = help_on(SL_ACTION_COMPARTMENT_OPEN, "c");
    assert_done(help_do(w.roll, &opens, 1, NOW_MS));
    assert_code(take(&w, &out), SL_E_APPROVAL); /* of the state before */
    assert_int_equal(w.opened + out.n, 0);
    end(&w);
}

static void only_what_was_signed_for_is_held(void **state)
{
    world w = begin(2);
    sl_release_result result;
    SL_OWN(int, fd, sl_fd_close) = file_of(NOTE, sizeof NOTE - 1);
    SL_OWN(int, changed, sl_fd_close) = file_of(NOTE, sizeof NOTE - 2);
    assert_done(ask(&w, fd, "file", "1"));
    assert_code(cross(&w, changed, &result), SL_E_INTEGRITY);
    assert_int_equal(files_held(), 0);
    assert_code(cross(&w, fd, &result), SL_E_APPROVAL); /* a request is used once */
    end(&w);
    w = begin(2);
    assert_done(ask(&w, fd, "file", "1"));
    w.now_ms += SL_RELEASE_ASK_MS_MAX;
    assert_code(cross(&w, fd, &result), SL_E_APPROVAL);
    end(&w);
}

static void what_runs_code_is_refused(void **state)
{
    static const char pickle[] = "\x80\x02"
                                 "cos\nsystem\nX\x0a\0\0\0echo inert\x85R.";
    world w = begin(2);
    sl_release_result result;
    SL_OWN(int, fd, sl_fd_close) = file_of(pickle, sizeof pickle - 1);
    assert_done(ask(&w, fd, "model", "1"));
    assert_code(cross(&w, fd, &result), SL_E_ARTEFACT);
    assert_int_equal(files_held() + w.keys, 0);
    assert_int_equal(release(&w)->state, SL_RELEASE_ENDED);
    assert_int_equal(w.outcomes, 1);
    end(&w);
}

/* A class that nobody reviewed waits for a person as what is unknown; a site's own pack may know it, or forbid it. */
static void a_model_is_judged_by_the_sites_own_names(void **state)
{
    static const char pickle[] = "\x80\x02"
                                 "cmylib\nModel\n)\x81.";
    static const struct {
        const char *pack;
        bool held;
    } cases[] = { { NULL, true },
                  { "pack 2099.01.01\nnew mylib.Model\n", true },
                  { "pack 2099.01.01\ndeny mylib.Model\n", false } };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        world w = begin(2);
        sl_release_result result;
        SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
        SL_OWN(int, fd, sl_fd_close) = file_of(pickle, sizeof pickle - 1);
        if (cases[i].pack != NULL) {
            assert_done(sl_allow_read(sl_view_str(cases[i].pack), &allow));
        }
        w.allow = allow;
        w.file_name = "model.pkl";
        assert_done(ask(&w, fd, "file", "1"));
        sl_res r = cross(&w, fd, &result);
        assert_int_equal(sl_ok(r), cases[i].held);
        assert_int_equal(result.inspection.artefact == SL_SCAN_CLEAN, i == 1);
        if (cases[i].held) {
            sl_release gone = *release(&w);
            sl_release_world calls = calls_of(&w);
            assert_done(sl_release_clear(&calls, held_fd, &gone, 0));
        }
        end(&w);
    }
}

static void a_table_with_a_small_count_stays(void **state)
{
    static const struct {
        const char *table;
        int64_t min_cell;
        size_t leaves;
        bool held;
    } cases[] = {
        { "arm,n,mean\nA,40,1.5\nB,3,1.2\n", 0, 0, true }, /* the site has no rule */
        { "arm,n,mean\nA,40,1.5\nB,3,1.2\n", 5, 1, false },
        { "arm,n,mean\nA,40,1.5\nB,35,3\n", 5, 1, true },
        { "arm,mean\nA,3\nB,2\n", 5, 1, true },
        { "arm,n\nA,40\n\"B\nC\",3\n", 5, 1, true }, /* not read: a person looks */
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        world w = begin(2);
        sl_release_result result;
        SL_OWN(int, fd, sl_fd_close) = file_of(cases[i].table, strlen(cases[i].table));
        w.file_name = "table.csv";
        w.min_cell = cases[i].min_cell;
        assert_done(ask(&w, fd, "file", "1"));
        sl_res r = cross(&w, fd, &result);
        if (!cases[i].held) {
            assert_code(r, SL_E_REFUSED);
            assert_string_equal(sl_detail_get()->field,
                                "a count below policy/release.yml: min_cell");
            assert_int_equal(files_held() + w.keys, 0);
        }
        assert_int_equal(sl_ok(r), cases[i].held);
        assert_int_equal(w.disclosures, cases[i].leaves);
        assert_int_equal(result.disclosure.unread != 0, i == 4);
        sl_release_world calls = calls_of(&w);
        assert_done(sl_release_clear(&calls, held_fd, release(&w), 0));
        end(&w);
    }
}

static void a_failure_at_any_call_holds_nothing(void **state)
{
    for (long calls = 0;; calls++) {
        world w = begin(2);
        sl_release_result result;
        SL_OWN(int, fd, sl_fd_close) = file_of(NOTE, sizeof NOTE - 1);
        assert_done(ask(&w, fd, "file", "1"));
        w.calls_left = calls;
        sl_res r = cross(&w, fd, &result);
        bool done = sl_ok(r);
        if (!done) {
            assert_code(r, SL_E_UNAVAILABLE);
            assert_int_equal(files_held() + w.keys, 0);
            assert_int_equal(release(&w)->state, SL_RELEASE_ENDED);
        }
        end(&w);
        if (done) {
            assert_true(calls > 5);
            return;
        }
    }
}

static void nothing_leaves_before_its_leaf_or_through_a_closed_valve(void **state)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    world w = begin(2);
    hold_note(&w);
    assert_done(approve(&w, "2", SITE));
    for (long calls = 0; calls < 3; calls++) { /* admit, key, leaf */
        w.calls_left = calls;
        assert_code(take(&w, &out), SL_E_UNAVAILABLE);
        assert_int_equal(out.n + w.outcomes, 0);
    }
    w.calls_left = -1;
    w.pieces_left = 0;
    assert_code(take(&w, &out), SL_E_VALVE);
    assert_int_equal(out.n + w.outcomes, 0);
    /* Closed behind the leaf: it counts as released, and takes another approval. */
    w.pieces_left = 1;
    assert_code(take(&w, &out), SL_E_VALVE);
    assert_int_equal(out.n, 0);
    assert_int_equal(w.outcomes, 1);
    w.pieces_left = -1;
    assert_code(take(&w, &out), SL_E_APPROVAL);
    assert_done(approve(&w, "3", SITE));
    assert_done(take(&w, &out));
    assert_true(sl_view_eq_str(sl_buf_view(&out), NOTE));
    end(&w);
}

static void a_changed_byte_on_the_disk_lets_nothing_out(void **state)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    world w = begin(2);
    hold_note(&w);
    assert_done(approve(&w, "2", SITE));
    assert_true(files_held() > 0);
    assert_int_equal(chmod(data_path, 0600), 0);
    SL_OWN(int, fd, sl_fd_close) = open(data_path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;
    assert_done(sl_fd_pread_all(fd, &byte, 1, 70));
    byte ^= 1;
    assert_done(sl_fd_pwrite_all(fd, sl_view_of(&byte, 1), 70));
    assert_code(take(&w, &out), SL_E_INTEGRITY);
    assert_int_equal(out.n + w.outcomes, 0);
    end(&w);
}

static void what_is_over_is_destroyed(void **state)
{
    world w = begin(2);
    hold_note(&w);
    sl_statement s = help_on(SL_ACTION_RELEASE_REJECT, "c");
    memcpy(s.item, RELEASE_ID, sizeof RELEASE_ID);
    assert_done(sign(&w, &s, "1", SITE)); /* who asked may take it back */
    assert_code(approve(&w, "2", SITE), SL_E_REFUSED);
    sl_release_world calls = calls_of(&w);
    sl_release gone = *release(&w);
    w.calls_left = 0;
    assert_code(
        sl_release_end(&calls, held_fd, &gone, "aaaaaaaabbbbbbbbccccccccdddddddd", "rejected"),
        SL_E_UNAVAILABLE);
    assert_true(files_held() > 0); /* the leaf comes first */
    w.calls_left = -1;
    assert_done(
        sl_release_end(&calls, held_fd, &gone, "aaaaaaaabbbbbbbbccccccccdddddddd", "rejected"));
    assert_int_equal(files_held() + w.keys, 0);
    assert_int_equal(release(&w)->state, SL_RELEASE_ENDED);
    end(&w);
}

static const char OBJECT_ID[] = "99112233445566778899aabbccddeeff";

static sl_manifest seal_object(const world *w, const char *bytes, size_t n)
{
    static const uint8_t salt[SL_SEAL_SALT_BYTES] = { 3 };
    sl_manifest m;
    SL_OWN(sl_draft *, draft, sl_draft_free) = NULL;
    sl_object_ref ref = { .compartment = "c", .object = "visits.txt", .version = 2 };
    memcpy(ref.uid, OBJECT_ID, sizeof OBJECT_ID);
    assert_done(sl_draft_begin(held_fd, &ref, w->key, &draft));
    assert_done(sl_draft_part(draft, SL_PART_DATA, salt));
    assert_done(sl_draft_add(draft, sl_view_of(bytes, n)));
    assert_done(sl_draft_end_part(draft));
    assert_done(sl_draft_settle(draft, &m));
    assert_done(sl_draft_commit(draft));
    return m;
}

static void ask_for_object(world *w, const sl_digest *digest)
{
    sl_statement s = help_on(SL_ACTION_RELEASE_REQUEST, "c");
    memcpy(s.item, RELEASE_ID, sizeof RELEASE_ID);
    memcpy(s.about, OBJECT_ID, sizeof OBJECT_ID);
    help_name(s.kind, "object");
    s.count = 2;
    s.hash = *digest;
    assert_done(sign(w, &s, "1", SITE));
}

static sl_res cross_object(world *w, sl_release_result *ret)
{
    sl_release_world calls = calls_of(w);
    sl_release_request request = request_of(w);
    return sl_release_cross(&calls, -1, held_fd, -1, &request, ret);
}

static void a_sealed_object_is_looked_at_where_it_lies(void **state)
{
    world w = begin(2);
    sl_release_result result;
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    for (size_t i = 0; i < 3000; i++) { /* several pieces of a pipe */
        assert_done(sl_buf_add_str(&text, NOTE));
    }
    sl_manifest m = seal_object(&w, (const char *)text.p, text.n);
    size_t files_before = files_held();
    ask_for_object(&w, &m.digest);
    assert_done(cross_object(&w, &result));
    assert_true(result.classes[SL_CLASS_SSN] >= 3000);
    assert_int_equal(release(&w)->state, SL_RELEASE_HELD);
    assert_int_equal(files_held(), files_before);
    assert_done(approve(&w, "2", SITE));
    assert_done(take(&w, &out));
    assert_true(sl_view_eq(sl_buf_view(&out), sl_buf_view(&text)));
    end(&w);
}

static void an_object_that_is_not_the_one_signed_for_stays(void **state)
{
    world w = begin(2);
    sl_release_result result;
    sl_manifest m = seal_object(&w, NOTE, sizeof NOTE - 1);
    m.digest.b[0] ^= 1;
    ask_for_object(&w, &m.digest);
    assert_code(cross_object(&w, &result), SL_E_INTEGRITY);
    assert_int_equal(release(&w)->state, SL_RELEASE_ENDED);
    assert_true(files_held() > 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(comes_out_once_by_two_persons),
        IN_FOLDER(who_asked_cannot_let_it_out),
        IN_FOLDER(the_quorum_counts_who_asked_and_one_asks),
        IN_FOLDER(an_approval_is_for_these_bytes_and_ends),
        IN_FOLDER(only_what_was_signed_for_is_held),
        IN_FOLDER(what_runs_code_is_refused),
        IN_FOLDER(a_model_is_judged_by_the_sites_own_names),
        IN_FOLDER(a_table_with_a_small_count_stays),
        IN_FOLDER(a_failure_at_any_call_holds_nothing),
        IN_FOLDER(nothing_leaves_before_its_leaf_or_through_a_closed_valve),
        IN_FOLDER(a_changed_byte_on_the_disk_lets_nothing_out),
        IN_FOLDER(what_is_over_is_destroyed),
        IN_FOLDER(a_sealed_object_is_looked_at_where_it_lies),
        IN_FOLDER(an_object_that_is_not_the_one_signed_for_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
