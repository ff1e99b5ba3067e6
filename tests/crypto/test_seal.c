/* The sealed-object format: values computed with another implementation, the published vectors
 * where they are at hand, and damage anywhere. */
#include "test.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <zlib.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "crypto/seal.h"

enum { VECTOR_BYTES_MAX = 32 << 20 };

static const uint8_t KEY[32] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };
static const uint8_t SALT[24] = { 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111,
                                  112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123 };

static sl_buf plain_of(size_t n)
{
    sl_buf b = { .max = n + 1 };

    assert_true(sl_ok(sl_buf_reserve(&b, n + 1)));
    for (size_t i = 0; i < n; i++) {
        b.p[i] = (uint8_t)(i * 7 + i / 256);
    }
    b.n = n;
    return b;
}

/* Digests of whole sealed messages made by a separate implementation (Python's cryptography). */
static const struct {
    sl_view context;
    size_t plain_n;
    const char *sealed_sha256;
} KNOWN[] = {
    { { NULL, 0 }, 0, "fa6f2af807d2038dc1e15bb9a9d3e0b6ac4901e83cc09b9f5b0f3848c782cb15" },
    { { (const uint8_t *)"stoplog/v1\0trial\0visits", 23 },
      11,
      "a642b47593e0f3712a659074c982ba246f30c90b4e3c34e4ed8d445a3fbdcf11" },
    { { (const uint8_t *)"c", 1 },
      16383,
      "f91f75466ac2e25cbb26f1a28b792545eff907b96ceb1e16bfc3fef2526878cd" },
    { { (const uint8_t *)"c", 1 },
      16384,
      "1ca1455dea4de8f02aa7d1be383045a9aaf71751a5355761d20ac52207ce89ce" },
    { { (const uint8_t *)"c", 1 },
      16385,
      "bf37431b2acba028411db45ca0f5a9cb90265d339d37906abf9de642a348a06f" },
    { { (const uint8_t *)"c", 1 },
      4915207,
      "a24b5684d4870228395eacc3e198e08b776b216542fcc6b7f2e5af4396b97a7b" },
};

static void sealing_agrees_with_another_implementation_in_any_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = { SIZE_MAX, 1000, 16384, 16385, 40000 };

    for (size_t i = 0; i < SL_COUNT_OF(KNOWN); i++) {
        for (size_t j = 0; j < SL_COUNT_OF(pieces); j++) {
            SL_OWN(sl_buf, plain, sl_buf_free) = plain_of(KNOWN[i].plain_n);
            SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = 8 << 20 };
            SL_OWN(sl_seal, s, sl_seal_free) = { 0 };
            char hex[2 * SL_DIGEST_BYTES + 1];

            assert_true(sl_ok(sl_seal_begin(&s, KEY, SALT, KNOWN[i].context, &sealed)));
            for (size_t at = 0; at < plain.n;) {
                sl_view piece = sl_view_sub(sl_buf_view(&plain), at,
                                            pieces[j] > plain.n - at ? plain.n : at + pieces[j]);
                assert_true(sl_ok(sl_seal_add(&s, piece, &sealed)));
                at += piece.n;
            }
            assert_true(sl_ok(sl_seal_end(&s, &sealed)));
            assert_int_equal(sealed.n, sl_sealed_bytes(plain.n));
            sl_digest d = sl_sha256(sl_buf_view(&sealed));
            sl_digest_hex(&d, hex);
            assert_string_equal(hex, KNOWN[i].sealed_sha256);
        }
    }
}

static void every_chunk_opens_alone_and_only_in_its_place(void **state)
{
    (void)state;
    SL_OWN(sl_buf, plain, sl_buf_free) = plain_of(3 * SL_SEAL_CHUNK_BYTES + 5);
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_seal, s, sl_seal_free) = { 0 };
    static uint8_t out[SL_SEAL_CHUNK_BYTES];
    size_t n = 0;

    assert_true(sl_ok(sl_seal_all(KEY, SALT, SL_LIT("x"), sl_buf_view(&plain), &sealed)));
    assert_true(sl_ok(sl_open_begin(&s, KEY, SL_LIT("x"), sl_buf_view(&sealed))));
    for (uint64_t k = 4; k-- > 0;) {
        size_t at = (size_t)sl_sealed_chunk_offset(k);
        sl_view chunk = sl_view_sub(sl_buf_view(&sealed), at, at + SL_SEAL_SEALED_CHUNK_BYTES);
        assert_true(sl_ok(sl_open_chunk(&s, k, chunk, out, &n)));
        assert_int_equal(n, k == 3 ? 5 : SL_SEAL_CHUNK_BYTES);
        assert_memory_equal(out, plain.p + k * SL_SEAL_CHUNK_BYTES, n);
        assert_true(sl_is(sl_open_chunk(&s, k + 1, chunk, out, &n), SL_E_INTEGRITY));
        assert_int_equal(out[0], 0);
    }
}

static void a_flipped_bit_anywhere_is_an_integrity_failure(void **state)
{
    (void)state;
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = 1 << 16 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 1 << 16 };

    assert_true(sl_ok(sl_seal_all(KEY, SALT, SL_LIT("x"), SL_LIT("visit 3: stable"), &sealed)));
    for (size_t bit = 0; bit < 8 * sealed.n; bit++) {
        sealed.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(
            sl_is(sl_open_all(KEY, SL_LIT("x"), sl_buf_view(&sealed), &out), SL_E_INTEGRITY));
        assert_int_equal(out.n, 0);
        sealed.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(sl_ok(sl_open_all(KEY, SL_LIT("x"), sl_buf_view(&sealed), &out)));
    assert_true(sl_view_eq_str(sl_buf_view(&out), "visit 3: stable"));
    assert_false(sl_ok(sl_open_all(KEY, SL_LIT("y"), sl_buf_view(&sealed), &out)));
}

static void no_truncation_opens(void **state)
{
    (void)state;
    SL_OWN(sl_buf, plain, sl_buf_free) = plain_of(2 * SL_SEAL_CHUNK_BYTES);
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 1 << 20 };

    assert_true(sl_ok(sl_seal_all(KEY, SALT, SL_LIT("x"), sl_buf_view(&plain), &sealed)));
    for (size_t n = 0; n < sealed.n; n += n < 200 || n > sealed.n - 40 ? 1 : 97) {
        assert_false(
            sl_ok(sl_open_all(KEY, SL_LIT("x"), sl_view_sub(sl_buf_view(&sealed), 0, n), &out)));
        assert_int_equal(out.n, 0);
    }
}

static void sizes_agree_with_each_other(void **state)
{
    (void)state;
    static const uint64_t sizes[] = { 0, 1, 16383, 16384, 16385, 32768, UINT64_C(1) << 40 };

    for (size_t i = 0; i < SL_COUNT_OF(sizes); i++) {
        uint64_t back = 0;
        assert_true(sl_ok(sl_sealed_plain_bytes(sl_sealed_bytes(sizes[i]), &back)));
        assert_int_equal(back, sizes[i]);
    }
    uint64_t back = 0;
    assert_false(sl_ok(sl_sealed_plain_bytes(56, &back)));
    assert_false(sl_ok(sl_sealed_plain_bytes(56 + 16400, &back)));
    assert_false(sl_ok(sl_sealed_plain_bytes(56 + 16400 + 15, &back)));
    assert_true(sl_ok(sl_sealed_plain_bytes(56 + 16400 + 16, &back)));
}

/* ---- the 35 published vectors, where the data directory is at hand ---- */

static sl_buf text_member(const sl_json_doc *doc, const sl_json_node *test, const char *name)
{
    sl_buf b = { .max = VECTOR_BYTES_MAX };

    assert_true(sl_ok(sl_json_add_text(sl_json_get(doc, test, name), &b)));
    return b;
}

static sl_buf hex_member(const sl_json_doc *doc, const sl_json_node *test, const char *name)
{
    SL_OWN(sl_buf, hex, sl_buf_free) = text_member(doc, test, name);
    sl_buf b = { .max = VECTOR_BYTES_MAX };

    assert_true(sl_ok(sl_buf_reserve(&b, hex.n / 2 + 1)));
    assert_true(sl_ok(sl_hex_decode(sl_buf_view(&hex), b.p, hex.n / 2)));
    b.n = hex.n / 2;
    return b;
}

/* Ciphertexts are stored compressed (RFC 1950). */
static sl_buf inflated(sl_view packed)
{
    sl_buf b = { .max = VECTOR_BYTES_MAX };
    z_stream z = { 0 };

    assert_true(sl_ok(sl_buf_reserve(&b, VECTOR_BYTES_MAX)));
    assert_int_equal(inflateInit(&z), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)packed.p;
    z.avail_in = (uInt)packed.n;
    z.next_out = b.p;
    z.avail_out = VECTOR_BYTES_MAX;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    b.n = z.total_out;
    inflateEnd(&z);
    return b;
}

static void check_vector(const sl_json_doc *doc, const sl_json_node *test)
{
    SL_OWN(sl_buf, key, sl_buf_free) = hex_member(doc, test, "key");
    SL_OWN(sl_buf, context, sl_buf_free) = hex_member(doc, test, "ctx");
    SL_OWN(sl_buf, packed, sl_buf_free) = hex_member(doc, test, "ct");
    SL_OWN(sl_buf, sealed, sl_buf_free) = inflated(sl_buf_view(&packed));
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = VECTOR_BYTES_MAX };
    bool valid = sl_json_text_is(sl_json_get(doc, test, "result"), "valid");

    if (key.n != SL_SEAL_KEY_BYTES) {
        /* The interface takes exactly 32 bytes: another length cannot be expressed. */
        assert_false(valid);
        return;
    }
    sl_res r = sl_open_all(key.p, sl_buf_view(&context), sl_buf_view(&sealed), &out);
    assert_int_equal(sl_ok(r), valid);
    if (!valid) {
        assert_int_equal(out.n, 0);
        return;
    }
    SL_OWN(sl_buf, want, sl_buf_free) = hex_member(doc, test, "msgSha512");
    uint8_t got[64];
    assert_int_equal(
        EVP_Q_digest(NULL, "SHA512", NULL, out.p != NULL ? out.p : got, out.n, got, NULL), 1);
    assert_memory_equal(got, want.p, sizeof got);
    /* Sealing again with the same salt gives the same bytes. */
    SL_OWN(sl_buf, again, sl_buf_free) = { .max = VECTOR_BYTES_MAX };
    assert_true(
        sl_ok(sl_seal_all(key.p, sealed.p, sl_buf_view(&context), sl_buf_view(&out), &again)));
    assert_true(sl_view_eq(sl_buf_view(&again), sl_buf_view(&sealed)));
}

static void all_published_vectors_hold(void **state)
{
    (void)state;
    const char *shared = getenv("SL_SHARED");
    char path[4096];
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = VECTOR_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    sl_json_iter groups = { 0 };
    size_t count = 0;

    snprintf(path, sizeof path, "%s/data/formats/cobblestone/vectors_aes_256_gcm.json",
             shared != NULL ? shared : SL_SOURCE_ROOT "/../shared");
    if (!sl_ok(sl_file_read(AT_FDCWD, path, &text))) {
        print_message("skipped: the published vectors are not at %s\n", path);
        skip();
    }
    assert_true(sl_ok(sl_json_parse(sl_buf_view(&text), &doc)));
    while (sl_json_each(&doc, sl_json_get(&doc, sl_json_root(&doc), "testGroups"), &groups)) {
        sl_json_iter tests = { 0 };
        while (sl_json_each(&doc, sl_json_get(&doc, groups.value, "tests"), &tests)) {
            check_vector(&doc, tests.value);
            count++;
        }
    }
    assert_int_equal(count, 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealing_agrees_with_another_implementation_in_any_pieces),
        cmocka_unit_test(every_chunk_opens_alone_and_only_in_its_place),
        cmocka_unit_test(a_flipped_bit_anywhere_is_an_integrity_failure),
        cmocka_unit_test(no_truncation_opens),
        cmocka_unit_test(sizes_agree_with_each_other),
        cmocka_unit_test(all_published_vectors_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
