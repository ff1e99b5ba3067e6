/* Ed25519 keys and C2SP notes: published examples, round trips, and every way to be refused. */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "crypto/note.h"
#include "crypto/sign.h"

/* The example key and note of C2SP signed-note. */
static const char EXAMPLE_KEY[] =
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
static const char EXAMPLE_NOTE[] =
    "This is an example message.\n\n\xe2\x80\x94 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
    "\n";

static sl_sign_key key_of(uint8_t fill)
{
    uint8_t seed[SL_SEED_BYTES];
    sl_sign_key key = { 0 };

    memset(seed, fill, sizeof seed);
    assert_true(sl_ok(sl_sign_key_from_seed(seed, &key)));
    return key;
}

static void ed25519_gives_rfc_8032(void **state)
{
    (void)state;
    uint8_t seed[SL_SEED_BYTES];
    sl_signature signature;
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = { 0 };
    SL_OWN(sl_buf, hex, sl_buf_free) = { .max = 256 };

    assert_true(sl_ok(sl_hex_decode(
        SL_LIT("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"), seed, 32)));
    assert_true(sl_ok(sl_sign_key_from_seed(seed, &key)));
    assert_true(sl_ok(sl_sign(&key, sl_view_of("\x72", 1), &signature)));
    assert_true(sl_ok(sl_hex_add(&hex, sl_view_of(signature.b, sizeof signature.b))));
    assert_true(sl_view_eq_str(
        sl_buf_view(&hex),
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613"
        "d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"));
    assert_true(sl_ok(sl_verify(&key.public_key, sl_view_of("\x72", 1), &signature)));
    assert_true(
        sl_is(sl_verify(&key.public_key, sl_view_of("\x73", 1), &signature), SL_E_SIGNATURE));
}

static void key_files_are_private_and_never_overwritten(void **state)
{
    (void)state;
    char dir[] = "/tmp/stoplog-key-XXXXXX";
    char path[64];
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = { 0 };
    SL_OWN(sl_sign_key, back, sl_sign_key_free) = { 0 };

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/key.pem", dir);
    assert_true(sl_is(sl_sign_key_load(path, &back), SL_E_NOT_FOUND));
    assert_true(sl_ok(sl_sign_key_generate(&key)));
    assert_true(sl_ok(sl_sign_key_save(&key, path)));
    assert_true(sl_is(sl_sign_key_save(&key, path), SL_E_EXISTS));
    assert_true(sl_ok(sl_sign_key_load(path, &back)));
    assert_memory_equal(back.public_key.b, key.public_key.b, sizeof key.public_key.b);
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(sl_is(sl_sign_key_load(path, &back), SL_E_DENIED));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void public_keys_are_read_in_four_forms(void **state)
{
    (void)state;
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = key_of(7);
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    sl_public_key got;
    sl_vkey vkey;

    assert_true(sl_ok(sl_public_key_add(&text, &key.public_key)));
    assert_true(sl_ok(sl_buf_add_str(&text, "\n")));
    assert_true(sl_ok(sl_public_key_parse(sl_buf_view(&text), &got)));
    assert_memory_equal(got.b, key.public_key.b, sizeof got.b);
    sl_buf_clear(&text);
    assert_true(sl_ok(sl_hex_add(&text, sl_view_of(key.public_key.b, 32))));
    assert_true(sl_ok(sl_public_key_parse(sl_buf_view(&text), &got)));
    assert_memory_equal(got.b, key.public_key.b, sizeof got.b);
    sl_buf_clear(&text);
    assert_true(sl_ok(sl_vkey_make(SL_LIT("a/b"), SL_NOTE_ED25519, &key.public_key, &vkey)));
    assert_true(sl_ok(sl_vkey_add(&text, &vkey)));
    assert_true(sl_ok(sl_public_key_parse(sl_buf_view(&text), &got)));
    assert_memory_equal(got.b, key.public_key.b, sizeof got.b);
    assert_false(sl_ok(sl_public_key_parse(SL_LIT("hello"), &got)));
    sl_view pem = SL_LIT("-----BEGIN PUBLIC KEY-----\n"
                         "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
                         "-----END PUBLIC KEY-----\n");
    assert_true(sl_ok(sl_public_key_parse(pem, &got)));
    assert_int_equal(got.b[0], 0x19);
}

static void the_published_example_opens_and_no_changed_byte_does(void **state)
{
    (void)state;
    sl_vkey key;
    sl_note note;
    char changed[sizeof EXAMPLE_NOTE];

    assert_true(sl_ok(sl_vkey_parse(sl_view_str(EXAMPLE_KEY), &key)));
    assert_true(sl_ok(sl_note_open(sl_view_str(EXAMPLE_NOTE), &key, 1, &note)));
    assert_true(sl_view_eq_str(note.text, "This is an example message.\n"));
    assert_int_equal(note.verified, 1);
    for (size_t i = 0; i < sizeof EXAMPLE_NOTE - 1; i++) {
        memcpy(changed, EXAMPLE_NOTE, sizeof changed);
        changed[i] ^= 1;
        assert_false(sl_ok(sl_note_open(sl_view_of(changed, sizeof changed - 1), &key, 1, &note)));
    }
    for (size_t n = 0; n < sizeof EXAMPLE_NOTE - 1; n++) {
        assert_false(sl_ok(sl_note_open(sl_view_of(EXAMPLE_NOTE, n), &key, 1, &note)));
    }
}

static void a_vkey_with_a_foreign_id_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "",
    };
    sl_vkey key;

    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        assert_false(sl_ok(sl_vkey_parse(sl_view_str(bad[i]), &key)));
    }
}

static void names_with_spaces_or_plus_cannot_sign(void **state)
{
    (void)state;
    static const char *const bad[] = { "",     "a b", "a+b", "a\xc2\xa0z", "a\xe2\x80\x83z",
                                       "a\tb", "\xff" };
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = key_of(1);
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4096 };

    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        assert_false(sl_ok(sl_note_sign(&out, SL_LIT("text\n"), sl_view_str(bad[i]), &key)));
        assert_int_equal(out.n, 0);
    }
}

static void cosignatures_carry_their_time_and_bind_it(void **state)
{
    (void)state;
    SL_OWN(sl_sign_key, log, sl_sign_key_free) = key_of(1);
    SL_OWN(sl_sign_key, witness, sl_sign_key_free) = key_of(2);
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4096 };
    sl_view text = SL_LIT("example.com/log\n3\nAAAA\n");
    sl_vkey keys[2];
    sl_note note;

    assert_true(sl_ok(sl_note_sign(&out, text, SL_LIT("example.com/log"), &log)));
    assert_true(
        sl_ok(sl_note_cosign_line(&out, text, SL_LIT("w.example/1"), &witness, 1679315147)));
    assert_true(
        sl_ok(sl_vkey_make(SL_LIT("example.com/log"), SL_NOTE_ED25519, &log.public_key, &keys[0])));
    assert_true(sl_ok(sl_vkey_make(SL_LIT("w.example/1"), SL_NOTE_COSIGNATURE_V1,
                                   &witness.public_key, &keys[1])));
    assert_true(sl_ok(sl_note_open(sl_buf_view(&out), keys, 2, &note)));
    assert_int_equal(note.verified, 3);
    assert_int_equal(note.time_s[0], 0);
    assert_int_equal(note.time_s[1], 1679315147);

    /* The witness's name under the log's key is an unknown key and is ignored. */
    assert_true(sl_ok(
        sl_vkey_make(SL_LIT("w.example/1"), SL_NOTE_COSIGNATURE_V1, &log.public_key, &keys[1])));
    assert_true(sl_ok(sl_note_open(sl_buf_view(&out), keys, 2, &note)));
    assert_int_equal(note.verified, 1);
    assert_true(sl_is(sl_note_open(sl_buf_view(&out), keys + 1, 1, &note), SL_E_SIGNATURE));
}

static void notes_of_wrong_form_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\n",
        "text\n",
        "text\n\n",
        "text\n\nno dash\n",
        "text\n\n\xe2\x80\x94 name\n",
        "text\n\n\xe2\x80\x94 name AAA\n",
        "text\n\n\xe2\x80\x94 name AAAA\n",
        "te\rxt\n\n\xe2\x80\x94 name AAAAAAAA\n",
        "te\xff\n\n\xe2\x80\x94 name AAAAAAAA\n",
        "text\n\n\xe2\x80\x94 name AAAAAAAA",
        "text\n\n\xe2\x80\x94  AAAAAAAA\n",
    };
    sl_note note;

    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        assert_false(sl_ok(sl_note_split(sl_view_str(bad[i]), &note)));
    }
    assert_true(sl_ok(sl_note_split(SL_LIT("text\n\n\xe2\x80\x94 name AAAAAAAA\n"), &note)));
}

static void sixty_four_signatures_are_read_and_one_more_is_refused(void **state)
{
    (void)state;
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 65536 };
    sl_note note;

    assert_true(sl_ok(sl_buf_add_str(&out, "text\n\n")));
    for (int i = 0; i < SL_NOTE_SIGNATURES_MAX; i++) {
        assert_true(sl_ok(sl_buf_addf(&out, "\xe2\x80\x94 name%d AAAAAAAA\n", i)));
    }
    assert_true(sl_ok(sl_note_split(sl_buf_view(&out), &note)));
    assert_true(sl_ok(sl_buf_add_str(&out, "\xe2\x80\x94 last AAAAAAAA\n")));
    assert_true(sl_is(sl_note_split(sl_buf_view(&out), &note), SL_E_LIMIT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ed25519_gives_rfc_8032),
        cmocka_unit_test(key_files_are_private_and_never_overwritten),
        cmocka_unit_test(public_keys_are_read_in_four_forms),
        cmocka_unit_test(the_published_example_opens_and_no_changed_byte_does),
        cmocka_unit_test(a_vkey_with_a_foreign_id_is_refused),
        cmocka_unit_test(names_with_spaces_or_plus_cannot_sign),
        cmocka_unit_test(cosignatures_carry_their_time_and_bind_it),
        cmocka_unit_test(notes_of_wrong_form_are_refused),
        cmocka_unit_test(sixty_four_signatures_are_read_and_one_more_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
