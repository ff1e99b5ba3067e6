/* The review copy: shown to who may let it out and did not ask, once for each signature, after its leaf, with what was
 * found marked where it stands. */
#include "release_help.h"

#include "base/json.h"
#include "doors/release/review.h"

static sl_res sign_review(world *w, const char *keys, const char *site)
{
    sl_statement s = help_on(SL_ACTION_RELEASE_REVIEW, "c");
    memcpy(s.item, w->id, sizeof RELEASE_ID);
    s.hash = release(w)->held;
    return sign(w, &s, keys, site);
}

static sl_res show(world *w, sl_buf *out, sl_release_shown *shown)
{
    sl_release_world calls = calls_of(w);
    sl_release_request request = request_of(w);
    SL_OWN(int, fd, sl_fd_close) = memfd_create("out", MFD_CLOEXEC);
    sl_res r = sl_release_review(&calls, held_fd, fd, w->roll, &request,
                                 sl_release_known_facts(&w->known, w->id)->format, shown);
    sl_buf_clear(out);
    assert_true(lseek(fd, 0, SEEK_SET) == 0);
    assert_done(sl_fd_read_all(fd, out));
    return r;
}

static void hold(world *w, const char *name, const char *bytes, size_t n)
{
    sl_release_result result;
    SL_OWN(int, fd, sl_fd_close) = file_of(bytes, n);
    w->file_name = name;
    assert_done(ask(w, fd, "file", "1"));
    assert_done(cross(w, fd, &result));
}

/* The copy's text, with [class:...] round what is marked; what lies inside another mark is part of it. */
static void render(sl_view copy, sl_buf *out)
{
    while (copy.n != 0) {
        sl_view line;
        size_t at = 0;
        SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
        (void)sl_view_cut(copy, '\n', &line, &copy);
        assert_done(sl_json_parse(line, &doc));
        const sl_json_node *root = sl_json_root(&doc);
        assert_done(sl_json_add_text(sl_json_get(&doc, root, "text"), &text));
        sl_json_iter it = { 0 };
        const sl_json_node *marks = sl_json_get(&doc, root, "marks");
        while (sl_json_each(&doc, marks, &it)) {
            uint64_t start = 0;
            uint64_t end = 0;
            assert_done(sl_json_u64(sl_json_get(&doc, it.value, "start"), &start));
            assert_done(sl_json_u64(sl_json_get(&doc, it.value, "end"), &end));
            assert_true(start < end && end <= text.n);
            if (start >= at) {
                assert_done(sl_buf_add(out, sl_view_sub(sl_buf_view(&text), at, start)));
                assert_done(sl_buf_addf(out, "[%.*s:%.*s]",
                                        SL_FMT(sl_json_get(&doc, it.value, "class")->raw),
                                        SL_FMT(sl_view_sub(sl_buf_view(&text), start, end))));
                at = end;
            }
        }
        assert_done(sl_buf_add(out, sl_view_sub(sl_buf_view(&text), at, text.n)));
    }
}

static bool says(const sl_buf *copy, const char *what)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 16 * SL_MIB };
    render(sl_buf_view(copy), &text);
    return sl_view_find(sl_buf_view(&text), sl_view_str(what), 0) != SIZE_MAX;
}

static void who_may_let_it_out_reads_it_once(void **state)
{
    world w = begin(2);
    sl_release_shown shown;
    SL_OWN(sl_buf, copy, sl_buf_free) = { .max = 16 * SL_MIB };
    hold_note(&w);
    assert_code(show(&w, &copy, &shown), SL_E_APPROVAL);
    assert_int_equal(copy.n + w.read, 0);
    assert_done(sign_review(&w, "2", SITE));
    assert_done(show(&w, &copy, &shown));
    assert_true(says(&copy, "Visit report. SSN [ssn:999-17-5017], seen on "));
    assert_true(shown.complete && shown.marks >= 1);
    assert_true(shown.bytes >= sizeof NOTE - 1 && shown.texts == 1);
    assert_int_equal(w.read, 1);
    assert_int_equal(release(&w)->times_shown, 1);
    assert_int_equal(w.opened + w.outcomes, 0); /* nothing left */
    assert_code(show(&w, &copy, &shown), SL_E_APPROVAL);
    assert_int_equal(copy.n, 0);
    assert_int_equal(w.read, 1);
    assert_done(approve(&w, "2", SITE));
    assert_code(sign_review(&w, "3", SITE), SL_E_REFUSED); /* it was let out */
    end(&w);
}

static void who_asked_cannot_read_it_and_no_stranger_can(void **state)
{
    world w = begin(2);
    hold_note(&w);
    assert_code(sign_review(&w, "1", SITE), SL_E_APPROVAL);
    assert_code(sign_review(&w, "4", SITE), SL_E_APPROVAL); /* another key of the same person */
    assert_code(sign_review(&w, "2", OTHER_SITE), SL_E_APPROVAL);
    sl_statement other = help_on(SL_ACTION_RELEASE_REVIEW, "c");
    memcpy(other.item, RELEASE_ID, sizeof RELEASE_ID);
    other.hash = release(&w)->held;
    other.hash.b[0] ^= 1;
    assert_code(sign(&w, &other, "2", SITE), SL_E_REFUSED);
    assert_int_equal(release(&w)->review_leaf, 0);
    end(&w);
}

static void a_signature_to_read_ends(void **state)
{
    world w = begin(2);
    sl_release_shown shown;
    SL_OWN(sl_buf, copy, sl_buf_free) = { .max = SL_MIB };
    hold_note(&w);
    assert_done(sign_review(&w, "2", SITE));
    w.now_ms += SL_RELEASE_REVIEW_MS_MAX;
    assert_code(show(&w, &copy, &shown), SL_E_APPROVAL);
    assert_string_equal(sl_detail_get()->field, "it was signed for too long ago");
    assert_done(sign_review(&w, "2", SITE));
    assert_done(sl_roll_contain(w.roll, SL_LIT("c"), SL_COMPARTMENT_CLOSED));
    sl_statement opens = help_on(SL_ACTION_COMPARTMENT_OPEN, "c");
    assert_done(help_do(w.roll, &opens, 1, w.now_ms));
    assert_code(show(&w, &copy, &shown), SL_E_APPROVAL); /* of the state before */
    assert_int_equal(copy.n + w.read, 0);
    end(&w);
}

static void nothing_is_shown_before_its_leaf_or_through_a_closed_valve(void **state)
{
    world w = begin(2);
    sl_release_shown shown;
    SL_OWN(sl_buf, copy, sl_buf_free) = { .max = SL_MIB };
    hold_note(&w);
    assert_done(sign_review(&w, "2", SITE));
    for (long calls = 0; calls < 5;
         calls++) { /* admit, key, what protects, a random id, the leaf */
        w.calls_left = calls;
        assert_code(show(&w, &copy, &shown), SL_E_UNAVAILABLE);
        assert_int_equal(copy.n + w.shown, 0);
    }
    w.calls_left = -1;
    w.pieces_left = 0;
    assert_code(show(&w, &copy, &shown), SL_E_VALVE);
    assert_int_equal(copy.n + w.shown, 0);
    w.pieces_left = -1;
    assert_done(show(&w, &copy, &shown));
    assert_int_equal(w.shown, 1);
    end(&w);
}

static void a_table_is_marked_by_its_columns(void **state)
{
    static const char table[] = "USUBJID,LAST,ARM\n01-701-1015,Mosciski,A\n01-701-1016,Ziemann,B\n"
                                "01-701-1017,Kovacek,A\n01-701-1018,Langworth,B\n";
    world w = begin(2);
    sl_release_shown shown;
    SL_OWN(sl_buf, copy, sl_buf_free) = { .max = SL_MIB };
    hold(&w, "subjects.csv", table, sizeof table - 1);
    assert_done(sign_review(&w, "3", SITE));
    assert_done(show(&w, &copy, &shown));
    assert_int_equal(shown.texts, 5); /* the names of the columns, and a text for each row */
    assert_true(says(&copy, "USUBJID\nLAST\nARM\n"));
    assert_true(says(&copy, ":Kovacek]\nA\n"));
    assert_true(says(&copy, ":01-701-1018]\n"));
    end(&w);
}

/* A long text comes in parts: what lies over their seam is marked in both, and no character is cut. */
static void a_mark_over_a_seam_is_in_both_parts(void **state)
{
    world w = begin(2);
    sl_release_shown shown;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, copy, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, back, sl_buf_free) = { .max = SL_MIB };
    static const char before[] = "{\"note\":\"";
    assert_done(sl_buf_add_str(&text, before));
    while (text.n < SL_INGEST_TEXT_BYTES + sizeof before - 16) {
        assert_done(sl_buf_add_str(&text, "\xC3\xA9t\xC3\xA9 "));
    }
    assert_done(sl_buf_add_str(&text, " SSN 999-17-5017 \xC3\xA9\xC3\xA9\xC3\xA9 "));
    while (text.n < 3 * SL_INGEST_TEXT_BYTES) {
        assert_done(sl_buf_add_str(&text, "\xE2\x82\xAC\xE2\x82\xAC "));
    }
    assert_done(sl_buf_add_str(&text, "\"}\n"));
    hold(&w, "long.ndjson", (const char *)text.p, text.n);
    assert_done(sign_review(&w, "2", SITE));
    assert_done(show(&w, &copy, &shown));
    assert_true(shown.complete);
    assert_true(shown.texts >= 4);
    render(sl_buf_view(&copy), &back);
    assert_true(sl_view_find(sl_buf_view(&back), SL_LIT("[ssn:9"), 0) != SIZE_MAX);
    assert_true(sl_view_find(sl_buf_view(&back), SL_LIT("999-17-5017"), 0) == SIZE_MAX);
    assert_true(sl_view_find(sl_buf_view(&back), SL_LIT("7] \xC3\xA9"), 0) != SIZE_MAX);
    assert_true(sl_view_find(sl_buf_view(&back), SL_LIT("?"), 0) == SIZE_MAX);
    end(&w);
}

static void what_is_too_long_says_so(void **state)
{
    world w = begin(2);
    sl_release_shown shown;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 8 * SL_MIB };
    SL_OWN(sl_buf, copy, sl_buf_free) = { .max = 64 * SL_MIB };
    while (text.n <= SL_REVIEW_TEXT_BYTES_MAX) {
        assert_done(sl_buf_add_str(&text, "one line of a text without anything in it\n"));
    }
    hold(&w, "long.txt", (const char *)text.p, text.n);
    assert_done(sign_review(&w, "2", SITE));
    assert_done(show(&w, &copy, &shown));
    assert_false(shown.complete);
    assert_true(shown.bytes <= SL_REVIEW_TEXT_BYTES_MAX);
    end(&w);
}

static void a_changed_byte_on_the_disk_shows_nothing(void **state)
{
    world w = begin(2);
    sl_release_shown shown;
    SL_OWN(sl_buf, copy, sl_buf_free) = { .max = SL_MIB };
    hold_note(&w);
    assert_done(sign_review(&w, "2", SITE));
    assert_true(files_held() > 0);
    assert_int_equal(chmod(data_path, 0600), 0);
    SL_OWN(int, fd, sl_fd_close) = open(data_path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;
    assert_done(sl_fd_pread_all(fd, &byte, 1, 70));
    byte ^= 1; /* what is sealed may be any byte */
    assert_done(sl_fd_pwrite_all(fd, sl_view_of(&byte, 1), 70));
    assert_false(sl_ok(show(&w, &copy, &shown)));
    assert_int_equal(copy.n + w.shown, 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(who_may_let_it_out_reads_it_once),
        IN_FOLDER(who_asked_cannot_read_it_and_no_stranger_can),
        IN_FOLDER(a_signature_to_read_ends),
        IN_FOLDER(nothing_is_shown_before_its_leaf_or_through_a_closed_valve),
        IN_FOLDER(a_table_is_marked_by_its_columns),
        IN_FOLDER(a_mark_over_a_seam_is_in_both_parts),
        IN_FOLDER(what_is_too_long_says_so),
        IN_FOLDER(a_changed_byte_on_the_disk_shows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
