/* The allow-list: the pack is the one that was pinned, names mean what they say, and a site's own names
 * need a reason, an approver and an end. */
#include <stdio.h>
#include <string.h>

#include "test.h"

#include <fcntl.h>

#include "artefact/allow.h"
#include "base/file.h"

static sl_allow *built_in(void)
{
    sl_allow *allow = NULL;
    assert_done(sl_allow_read(sl_allow_pack(), &allow));
    return allow;
}

static void the_pack_is_the_pinned_one(void **state)
{
    SL_OWN(sl_allow *, allow, sl_allow_free) = built_in();
    SL_OWN(sl_buf, pin, sl_buf_free) = { .max = 200 };
    char hex[2 * SL_DIGEST_BYTES + 1];
    assert_done(sl_file_read(AT_FDCWD, SL_SOURCE_ROOT "/data/allow/PIN", &pin));
    sl_digest_hex(sl_allow_digest(allow), hex);
    assert_view(sl_view_trim(sl_view_sub(sl_buf_view(&pin), 0, 64)), hex);
    assert_true(sl_allow_version(allow).n != 0);
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
        cmocka_unit_test(the_pack_is_the_pinned_one),
        cmocka_unit_test(names_may_what_they_were_reviewed_for),
        cmocka_unit_test(a_sites_own_names_need_their_papers),
        cmocka_unit_test(an_entry_holds_until_its_day),
        cmocka_unit_test(a_broken_pack_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
