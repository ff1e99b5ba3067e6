/* What the kernel tells of a process's mappings: taken apart whole, or refused. */
#include "test.h"

#include "supply/maps.h"

#define HEAD "7f00-7f10 r--p 00000000 08:01 1311                       /m/w.safetensors\n"

static void one_mapping_with_its_details(void **state)
{
    sl_view text = SL_LIT("00400000-00401000 r-xp 00000000 fd:1f 77      /usr/bin/server\n"
                          "Size:                  4 kB\nAnonymous:             0 kB\n"
                          "VmFlags: rd ex mr\n" HEAD "Size: 16 kB\nAnonymous:             8 kB\n"
                          "7f20-7f30 rw-p 00000000 00:00 0 \nAnonymous: 12 kB\n"
                          "7ffd0-7ffd1 rw-p 00000000 00:00 0                  [stack]\n"
                          "8000-9000 r--s 00000000 08:01 9      /m/a b (deleted)\n");
    sl_mapping m;
    bool more = false;
    assert_done(sl_maps_next(&text, &more, &m));
    assert_true(more && m.executable && !m.deleted);
    assert_int_equal(m.device, UINT64_C(0xfd) << 32 | 0x1f);
    assert_int_equal(m.inode, 77);
    assert_done(sl_maps_next(&text, &more, &m));
    assert_true(more && !m.executable);
    assert_int_equal(m.start, 0x7f00);
    assert_int_equal(m.end, 0x7f10);
    assert_int_equal(m.changed_kb, 8);
    assert_view(m.path, "/m/w.safetensors");
    assert_done(sl_maps_next(&text, &more, &m)); /* past memory of no file and the stack */
    assert_true(more && m.deleted);
    assert_view(m.path, "/m/a b");
    assert_done(sl_maps_next(&text, &more, &m));
    assert_false(more);
}

static void what_is_no_mapping_is_refused(void **state)
{
    static const char *const cases[] = {
        "x",
        "7f00-7f10",
        "7f10-7f00 r--p 00000000 08:01 1 /a",
        "7f00-7f10 r--p 00000000 0801 1 /a",
        "7f00-7f10 r-p 00000000 08:01 1 /a",
        "7f00-7f10 r--p 00000000 08:01 -1 /a",
        "7f00-7fffffffffffffff0 r--p 00000000 08:01 1 /a",
        "7f00-7f10 r--p 00000000 100000000:01 1 /a",
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_view text = sl_view_str(cases[i]);
        sl_mapping m;
        bool more = false;
        sl_res r = sl_maps_next(&text, &more, &m);
        if (!sl_is(r, SL_E_SYNTAX)) {
            print_error("%s: %s\n", cases[i], sl_res_name(r));
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_mapping_with_its_details),
        cmocka_unit_test(what_is_no_mapping_is_refused),
    };
    return cmocka_run_group_tests_name("maps", tests, NULL, NULL);
}
