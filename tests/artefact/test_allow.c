/* The allow-list: the pack is the one that was signed, names mean what they say, and a site's own names
 * need a reason, an approver and an end. */
#include <stdio.h>
#include <string.h>

#include "test.h"

#include "artefact/allow.h"

static sl_allow *built_in(void)
{
    sl_allow *allow = NULL;
    assert_done(sl_allow_read(sl_allow_pack(), &allow));
    return allow;
}

static void the_carried_pack_is_signed(void **state)
{
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    assert_done(sl_allow_own(&allow));
    assert_true(sl_allow_version(allow).n != 0);
}

/* ---- packs from outside ---- */

static const char PACK[] =
    "# names\npack %s\n\ncall collections.OrderedDict\nnew mylib.Model\nstd os\n";

typedef struct {
    sl_sign_key key;
    sl_allow_keys keys;
} signer;

static void free_signer(signer *s)
{
    sl_sign_key_free(&s->key);
}

static void make_signer(signer *s, uint8_t fill)
{
    uint8_t seed[SL_SEED_BYTES];
    memset(seed, fill, sizeof seed);
    assert_done(sl_sign_key_from_seed(seed, &s->key));
    assert_done(sl_vkey_make(SL_LIT("lab"), SL_NOTE_ED25519, &s->key.public_key, &s->keys.keys[0]));
    s->keys.count = 1;
}

static void sign_pack(const signer *s, const char *version, sl_buf *out)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_addf(&text, PACK, version));
    assert_done(sl_note_sign(out, sl_buf_view(&text), SL_LIT("lab"), &s->key));
}

/* The day behind the carried pack's, so that this test outlives its changes. */
#define LATER "2099.01.01"

static void a_newer_signed_pack_takes_the_place(void **state)
{
    SL_OWN(signer, s, free_signer) = { 0 };
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    make_signer(&s, 1);
    sign_pack(&s, LATER, &note);
    assert_done(sl_allow_open(sl_buf_view(&note), &s.keys, (sl_view){ 0 }, &allow));
    assert_view(sl_allow_version(allow), LATER);
    assert_int_equal(sl_allow_find(allow, SL_LIT("mylib"), SL_LIT("Model")), SL_MAY_NEW);
    assert_int_equal(sl_allow_find(allow, SL_LIT("os"), SL_LIT("system")), SL_MAY_NOT);
    assert_int_equal(sl_allow_find(allow, SL_LIT("torch"), SL_LIT("float32")), SL_MAY_NOT_KNOWN);
}

static void the_carried_pack_is_no_rollback_of_itself(void **state)
{
    SL_OWN(signer, s, free_signer) = { 0 };
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    make_signer(&s, 1);
    assert_done(sl_note_sign(&note, sl_allow_pack(), SL_LIT("lab"), &s.key));
    assert_done(sl_allow_open(sl_buf_view(&note), &s.keys, (sl_view){ 0 }, &allow));
}

static void an_older_pack_is_refused(void **state)
{
    SL_OWN(sl_allow *, own, sl_allow_free) = built_in();
    SL_OWN(sl_buf, same, sl_buf_free) = { .max = 64 };
    assert_done(sl_buf_add(&same, sl_allow_version(own)));
    const struct {
        const char *version;
        const char *oldest;
        sl_code code;
    } rows[] = {
        { "2026.11.20", "", SL_E_ROLLBACK },
        { sl_buf_cstr(&same), "", SL_E_ROLLBACK }, /* the same day, other names */
        { LATER, LATER ".1", SL_E_ROLLBACK },
        { LATER ".2", LATER ".10", SL_E_ROLLBACK },
        { LATER ".10", LATER ".2", SL_OK },
        { LATER, LATER, SL_OK },
        { LATER, "tomorrow", SL_E_SYNTAX },
        { "2099.13.01", "", SL_E_SYNTAX },
        { "2099.01", "", SL_E_SYNTAX },
        { "2099.01.01.1.1", "", SL_E_SYNTAX },
        { "newest", "", SL_E_SYNTAX },
    };
    SL_OWN(signer, s, free_signer) = { 0 };
    make_signer(&s, 1);
    for (size_t i = 0; i < SL_COUNT_OF(rows); i++) {
        SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };
        SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
        sign_pack(&s, rows[i].version, &note);
        assert_code(sl_allow_open(sl_buf_view(&note), &s.keys, sl_view_str(rows[i].oldest), &allow),
                    rows[i].code);
        assert_int_equal(allow != NULL, rows[i].code == SL_OK);
    }
}

static void what_nobody_trusted_signed_is_refused(void **state)
{
    SL_OWN(signer, s, free_signer) = { 0 };
    SL_OWN(signer, other, free_signer) = { 0 };
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    make_signer(&s, 1);
    make_signer(&other, 2);
    sign_pack(&s, LATER, &note);
    assert_code(sl_allow_open(sl_buf_view(&note), &other.keys, (sl_view){ 0 }, &allow),
                SL_E_SIGNATURE);
    assert_done(sl_buf_addf(&text, PACK, LATER)); /* not signed at all */
    assert_false(sl_ok(sl_allow_open(sl_buf_view(&text), &s.keys, (sl_view){ 0 }, &allow)));
    for (size_t i = 0; i < note.n; i++) { /* a bit changed, or the end missing, anywhere */
        note.p[i] ^= 1;
        assert_false(sl_ok(sl_allow_open(sl_buf_view(&note), &s.keys, (sl_view){ 0 }, &allow)));
        note.p[i] ^= 1;
        sl_view cut = sl_view_of(note.p, i);
        assert_false(sl_ok(sl_allow_open(cut, &s.keys, (sl_view){ 0 }, &allow)));
    }
    sl_allow_keys none = { 0 };
    assert_code(sl_allow_open(sl_buf_view(&note), &none, (sl_view){ 0 }, &allow), SL_E_SIGNATURE);
    assert_null(allow);
}

static void keys_are_read_strictly(void **state)
{
    sl_allow_keys keys = { 0 };
    assert_done(sl_allow_keys_own(&keys));
    assert_true(keys.count >= 1);
    assert_code(sl_allow_keys_read(SL_LIT("# mine\n\nlab+00000000+AAAA\n"), &keys), SL_E_SYNTAX);
    assert_int_equal(sl_detail_get()->offset, 3);
}

static void names_may_what_they_were_reviewed_for(void **state)
{
    static const struct {
        const char *module;
        const char *name;
        sl_may may;
    } rows[] = {
        { "collections", "OrderedDict", SL_MAY_CALL },
        { "__builtin__", "set", SL_MAY_CALL }, /* Python 2's name */
        { "__builtin__", "eval", SL_MAY_NOT },
        { "builtins", "getattr", SL_MAY_NOT },
        { "os", "system", SL_MAY_NOT },
        { "os.path", "join", SL_MAY_NOT }, /* the standard library, whatever it is */
        { "numpy.core.multiarray", "_reconstruct", SL_MAY_CALL },
        { "numpy", "load", SL_MAY_NOT },
        { "sklearn.svm._classes", "SVC", SL_MAY_NEW },
        { "sklearn.svm._classes", "helper", SL_MAY_NOT_KNOWN }, /* new: classes alone */
        { "sklearn.datasets._base", "Loader", SL_MAY_NOT },     /* deny beats a library's classes */
        { "torch", "float32", SL_MAY_REFER },
        { "torch.hub", "load", SL_MAY_NOT },
        { "joblib", "load", SL_MAY_NOT },
        { "joblib.numpy_pickle", "NumpyArrayWrapper", SL_MAY_NEW },
        { "mylib", "Model", SL_MAY_NOT_KNOWN },
        { "osmium", "Reader", SL_MAY_NOT_KNOWN }, /* begins like a module, is another */
    };
    SL_OWN(sl_allow *, allow, sl_allow_free) = built_in();
    for (size_t i = 0; i < SL_COUNT_OF(rows); i++) {
        sl_may may = sl_allow_find(allow, sl_view_str(rows[i].module), sl_view_str(rows[i].name));
        if (may != rows[i].may) {
            print_error("%s.%s: %d\n", rows[i].module, rows[i].name, (int)may);
        }
        assert_int_equal(may, rows[i].may);
    }
}

#define ENTRY(name, may, reason, approver, expires)                                                \
    "allow:\n  - name: " name "\n    may: " may "\n    reason: " reason                            \
    "\n    approver: " approver "\n    expires: \"" expires "\"\n"

static void a_sites_own_names_need_their_papers(void **state)
{
    static const struct {
        const char *yaml;
        sl_code code;
    } bad[] = {
        { ENTRY("os.system", "call", "because", "me", "2030-01-01"), SL_E_REFUSED },
        { ENTRY("mylib.*", "new", "because", "me", "2030-01-01"), SL_E_SYNTAX },
        { ENTRY("mylib", "new", "because", "me", "2030-01-01"), SL_E_SYNTAX },
        { ENTRY("mylib.Model", "new", "because", "me", "2030-13-01"), SL_E_RANGE },
        { ENTRY("mylib.Model", "new", "because", "me", "soon"), SL_E_SYNTAX },
        { "allow:\n  - name: mylib.Model\n    may: new\n", SL_E_TYPE },
    };
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        SL_OWN(sl_allow *, allow, sl_allow_free) = built_in();
        size_t expired = 0;
        assert_code(sl_allow_add(allow, sl_view_str(bad[i].yaml), 20000, &expired), bad[i].code);
    }
}

static void an_entry_holds_until_its_day(void **state)
{
    static const char yaml[] = ENTRY("mylib.Model", "new", "reviewed", "A. Person", "2026-11-21");
    const int64_t day = 20778; /* 2026-11-21 */
    for (int64_t today = day - 1; today <= day + 1; today++) {
        SL_OWN(sl_allow *, allow, sl_allow_free) = built_in();
        size_t expired = 0;
        assert_done(sl_allow_add(allow, sl_view_str(yaml), today, &expired));
        assert_int_equal(expired, today > day);
        assert_int_equal(sl_allow_find(allow, SL_LIT("mylib"), SL_LIT("Model")),
                         today > day ? SL_MAY_NOT_KNOWN : SL_MAY_NEW);
    }
}

static void a_broken_pack_is_refused(void **state)
{
    static const char *const packs[] = { "", "pack 1\ncall\n", "pack 1\nallow a.b\n",
                                         "pack 1\ncall a.b\ncall a.b\n", "pack 1\ncall a.*\n" };
    for (size_t i = 0; i < SL_COUNT_OF(packs); i++) {
        sl_allow *allow = NULL;
        assert_false(sl_ok(sl_allow_read(sl_view_str(packs[i]), &allow)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_carried_pack_is_signed),
        cmocka_unit_test(a_newer_signed_pack_takes_the_place),
        cmocka_unit_test(the_carried_pack_is_no_rollback_of_itself),
        cmocka_unit_test(an_older_pack_is_refused),
        cmocka_unit_test(what_nobody_trusted_signed_is_refused),
        cmocka_unit_test(keys_are_read_strictly),
        cmocka_unit_test(names_may_what_they_were_reviewed_for),
        cmocka_unit_test(a_sites_own_names_need_their_papers),
        cmocka_unit_test(an_entry_holds_until_its_day),
        cmocka_unit_test(a_broken_pack_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
