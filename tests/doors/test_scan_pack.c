/* A site's own pack of reviewed names: taken where it is signed by whom the site trusts, never passed over otherwise. */
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "doors/scan_pack.h"

#define PACK "pack 2099.01.01\n\nnew mylib.Model\nstd os\n"

static void put(int dir_fd, const char *name, sl_view bytes)
{
    assert_done(sl_file_replace(dir_fd, name, bytes, 0444));
}

static void a_signed_pack_is_taken_and_no_other(void **state)
{
    char folder[] = "/tmp/sl-scan-pack-XXXXXX";
    static const uint8_t seed[SL_SEED_BYTES] = { 7 };
    int dir_fd = -1;
    sl_vkey vkey;
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = { 0 };
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };
    SL_OWN(sl_buf, keys, sl_buf_free) = { .max = 4096 };
    assert_non_null(mkdtemp(folder));
    assert_done(sl_dir_open(AT_FDCWD, folder, &dir_fd));
    SL_OWN(sl_allow *, carried, sl_allow_free) = NULL;
    assert_done(sl_scan_pack_read(dir_fd, &carried));
    assert_int_equal(sl_allow_find(carried, SL_LIT("mylib"), SL_LIT("Model")), SL_MAY_NOT_KNOWN);
    assert_done(sl_sign_key_from_seed(seed, &key));
    assert_done(sl_vkey_make(SL_LIT("lab"), SL_NOTE_ED25519, &key.public_key, &vkey));
    assert_done(sl_note_sign(&note, SL_LIT(PACK), SL_LIT("lab"), &key));
    put(dir_fd, "scan.pack", sl_buf_view(&note));
    SL_OWN(sl_allow *, none, sl_allow_free) = NULL;
    assert_code(sl_scan_pack_read(dir_fd, &none), SL_E_CONFIG); /* nobody trusts this key */
    assert_string_equal(sl_detail_get()->field, "policy/scan.pack");
    assert_done(sl_vkey_add(&keys, &vkey));
    assert_done(sl_buf_add_byte(&keys, '\n'));
    put(dir_fd, "scan.keys", sl_buf_view(&keys));
    SL_OWN(sl_allow *, own, sl_allow_free) = NULL;
    assert_done(sl_scan_pack_read(dir_fd, &own));
    assert_int_equal(sl_allow_find(own, SL_LIT("mylib"), SL_LIT("Model")), SL_MAY_NEW);
    put(dir_fd, "scan.pack", SL_LIT("pack 2099.01.01\nnew mylib.Model\n"));
    assert_code(sl_scan_pack_read(dir_fd, &none), SL_E_CONFIG);
    put(dir_fd, "scan.pack", sl_buf_view(&note));
    put(dir_fd, "scan.keys", SL_LIT("no key\n"));
    assert_code(sl_scan_pack_read(dir_fd, &none), SL_E_CONFIG);
    assert_int_equal(unlinkat(dir_fd, "scan.pack", 0) + unlinkat(dir_fd, "scan.keys", 0), 0);
    sl_fd_close(&dir_fd);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_pack_is_taken_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
