/* Order, names and digest of a model's files. */
#include "test.h"

#include "supply/manifest.h"

static sl_digest digest_of(const char *text)
{
    return sl_sha256(sl_view_str(text));
}

static void paths_sort_by_their_components(void **state)
{
    (void)state;
    static const char *const SORTED[] = {
        "a", "a/b", "a/b/c", "a/b-c", "a-b", "a0", "b", "\xC3\xBC"
    };
    enum { N = sizeof SORTED / sizeof SORTED[0] };
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            int order = sl_path_cmp(sl_view_str(SORTED[i]), sl_view_str(SORTED[j]));
            assert_true(i < j ? order < 0 : i > j ? order > 0 : order == 0);
        }
    }
}

static void bad_paths_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        int32_t code;
    } CASES[] = {
        { "", 0, SL_E_LIMIT },     { "/etc/passwd", 11, SL_E_SYNTAX }, { "a//b", 4, SL_E_SYNTAX },
        { "a/", 2, SL_E_SYNTAX },  { "..", 2, SL_E_SYNTAX },           { "a/../b", 6, SL_E_SYNTAX },
        { "./a", 3, SL_E_SYNTAX }, { "a/.", 3, SL_E_SYNTAX },          { "a\0b", 3, SL_E_SYNTAX },
        { "\xFF", 1, SL_E_UTF8 },  { "a/\xED\xA0\x80", 5, SL_E_UTF8 },
    };
    sl_digest d = digest_of("x");
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
        assert_code(sl_manifest_add(&m, sl_view_of(CASES[i].text, CASES[i].n), &d), CASES[i].code);
        assert_int_equal(m.n, 0);
    }
}

static void the_same_path_twice_is_an_error(void **state)
{
    (void)state;
    SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
    sl_digest d = digest_of("x");
    assert_done(sl_manifest_add(&m, SL_LIT("b"), &d));
    assert_done(sl_manifest_add(&m, SL_LIT("a"), &d));
    assert_done(sl_manifest_add(&m, SL_LIT("b"), &d));
    assert_code(sl_manifest_sort(&m), SL_E_DUPLICATE);
}

/* SHA-256(SHA-256("1") || SHA-256("2")), by
 * printf '%s%s' $(printf 1 | sha256sum | cut -c1-64) $(printf 2 | sha256sum | cut -c1-64) |
 *   xxd -r -p | sha256sum */
static void the_root_covers_the_digests_in_order(void **state)
{
    (void)state;
    SL_OWN(sl_manifest, m, sl_manifest_free) = { 0 };
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest one = digest_of("1");
    sl_digest two = digest_of("2");
    assert_done(sl_manifest_add(&m, SL_LIT("a-b"), &two));
    assert_done(sl_manifest_add(&m, SL_LIT("a/b"), &one));
    assert_done(sl_manifest_sort(&m));
    assert_view(m.files[0].path, "a/b");
    sl_digest root = sl_manifest_root(&m);
    sl_digest_hex(&root, hex);
    assert_string_equal(hex, "4295f72eeb1e3507b8461e240e3b8d18c1e7bd2f1122b11fc9ec40a65894031a");
    assert_ptr_equal(sl_manifest_find(&m, SL_LIT("a-b")), &m.files[1]);
    assert_null(sl_manifest_find(&m, SL_LIT("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_sort_by_their_components),
        cmocka_unit_test(bad_paths_are_refused),
        cmocka_unit_test(the_same_path_twice_is_an_error),
        cmocka_unit_test(the_root_covers_the_digests_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
