/* allow-pack: makes signing keys for packs of reviewed names, and signs packs (data/allow/README.md). Only
 * the signed note or the public key is printed; the private key stays in its file of mode 0600. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "artefact/allow.h"
#include "base/file.h"
#include "crypto/crypto.h"

static const char USAGE[] =
    "allow-pack key NAME KEY.pem          makes KEY.pem if there is none; prints its verifier key\n"
    "allow-pack sign NAME KEY.pem TEXT    prints the pack TEXT as a signed note\n"
    "allow-pack seal NAME KEY.pem TEXT    prints the signature alone (data/allow/python.sig)\n"
    "NAME is who signs, without spaces or plus. TEXT is like data/allow/python.txt.\n";

static SL_MUST sl_res print_key(sl_view name, const char *path, sl_buf *out)
{
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = { 0 };
    sl_vkey vkey;
    sl_res r = sl_sign_key_load(path, &key);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        SL_TRY(sl_sign_key_generate(&key));
        r = sl_sign_key_save(&key, path);
    }
    SL_TRY(r);
    SL_TRY(sl_vkey_make(name, SL_NOTE_ED25519, &key.public_key, &vkey));
    SL_TRY(sl_vkey_add(out, &vkey));
    return sl_buf_add_byte(out, '\n');
}

/* What could not be opened afterwards is not signed: the version must be a date and the list readable. */
static SL_MUST sl_res check(sl_view text)
{
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    int order = 0;
    SL_TRY(sl_allow_read(text, &allow));
    sl_res r = sl_allow_version_compare(sl_allow_version(allow), sl_allow_version(allow), &order);
    return sl_ok(r) ? SL_DONE : sl_fail_at(SL_E_SYNTAX, "pack YEAR.MONTH.DAY[.NUMBER]", SL_NOWHERE);
}

static SL_MUST sl_res sign(sl_view name, const char *path, const char *file, bool whole,
                           sl_buf *out)
{
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = { 0 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };
    SL_TRY(sl_sign_key_load(path, &key));
    SL_TRY(sl_file_read(AT_FDCWD, file, &text));
    SL_TRY(check(sl_buf_view(&text)));
    return whole ? sl_note_sign(out, sl_buf_view(&text), name, &key)
                 : sl_note_sign_line(out, sl_buf_view(&text), name, &key);
}

static SL_MUST sl_res run(int argc, char **argv)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 2 * SL_NOTE_BYTES_MAX };
    const char *verb = argc >= 4 ? argv[1] : "";
    SL_TRY(sl_crypto_init());
    if (argc == 4 && strcmp(verb, "key") == 0) {
        SL_TRY(print_key(sl_view_str(argv[2]), argv[3], &out));
    } else if (argc == 5 && (strcmp(verb, "sign") == 0 || strcmp(verb, "seal") == 0)) {
        SL_TRY(sign(sl_view_str(argv[2]), argv[3], argv[4], verb[1] == 'i', &out));
    } else {
        return sl_fail(SL_E_USAGE);
    }
    return sl_fd_write_all(STDOUT_FILENO, sl_buf_view(&out));
}

int main(int argc, char **argv)
{
    sl_res r = run(argc, argv);
    if (sl_is(r, SL_E_USAGE)) {
        (void)fputs(USAGE, stderr);
        return 2;
    }
    if (!sl_ok(r)) {
        const sl_detail *detail = sl_detail_get();
        (void)fprintf(stderr, "allow-pack: %s%s%s\n", sl_res_text(r),
                      detail->field[0] == 0 ? "" : ": ", detail->field);
        return 1;
    }
    return 0;
}
