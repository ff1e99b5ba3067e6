/* Signed notes (C2SP signed-note), verifier keys, and timestamped cosignatures (C2SP
 * tlog-cosignature, cosignature/v1).
 *
 * A note is a text that ends in a newline, an empty line, and signature lines. Nothing of a
 * note may be believed before sl_note_open() has returned success under keys of the caller.
 */
#ifndef SL_CRYPTO_NOTE_H
#define SL_CRYPTO_NOTE_H

#include "base/bytes.h"
#include "base/res.h"
#include "crypto/sign.h"

enum {
    SL_NOTE_NAME_BYTES_MAX = 255,
    /* The specification asks for at least 16; more than 64 lines is an attack on our time. */
    SL_NOTE_SIGNATURES_MAX = 64,
    SL_NOTE_BYTES_MAX = 256 * 1024,
    SL_NOTE_KEYS_MAX = 64,
};

typedef enum {
    SL_NOTE_ED25519 = 0x01,
    SL_NOTE_COSIGNATURE_V1 = 0x04,
} sl_note_type;

/* A verifier key: who, which algorithm, and the public key. */
typedef struct {
    char name[SL_NOTE_NAME_BYTES_MAX + 1];
    uint32_t id;
    sl_note_type type;
    sl_public_key public_key;
} sl_vkey;

/* Builds a vkey and its key ID. Errors: SL_E_SYNTAX (empty name, spaces, plus or control
 * characters, bad UTF-8), SL_E_LIMIT (a name that is too long). */
SL_MUST sl_res sl_vkey_make(sl_view name, sl_note_type type, const sl_public_key *key,
                            sl_vkey *ret);

/* `name+hex8+base64`; the ID must be that of the key. Errors: SL_E_SYNTAX. */
SL_MUST sl_res sl_vkey_parse(sl_view text, sl_vkey *ret);
SL_MUST sl_res sl_vkey_add(sl_buf *out, const sl_vkey *vkey);

/* What sl_note_open found. Views point into the note. */
typedef struct {
    sl_view text; /* with its final newline */
    sl_view signature_lines;
    uint64_t verified;                 /* bit i: keys[i] signed */
    uint64_t time_s[SL_NOTE_KEYS_MAX]; /* of cosignatures, per verified key; else 0 */
} sl_note;

/* Checks the form of the whole note and every signature whose name and ID match one of `keys`.
 * Succeeds when at least one key verifies and none of the matching ones fails.
 * Errors: SL_E_SYNTAX, SL_E_UTF8, SL_E_LIMIT, SL_E_SIGNATURE. At most SL_NOTE_KEYS_MAX keys. */
SL_MUST sl_res sl_note_open(sl_view note, const sl_vkey *keys, size_t keys_n, sl_note *ret);

/* Cuts a note into text and signature lines with the same checks of form, verifying nothing. */
SL_MUST sl_res sl_note_split(sl_view note, sl_note *ret);

/* One signature line of a note that was split. */
typedef struct {
    sl_view name;
    uint32_t id;
    uint8_t signature[8 + SL_SIGNATURE_BYTES]; /* cut off where it is longer (other algorithms) */
    size_t signature_n;                        /* true length, without the key ID */
    sl_view line;                              /* with its newline */
} sl_note_line;

/* Steps through signature lines: false at the end. `*lines` moves on. Errors leave it. */
SL_MUST sl_res sl_note_next_line(sl_view *lines, bool *ret_more, sl_note_line *ret);

/* Appends one signature line over `text` (which ends in a newline) to `out`. */
SL_MUST sl_res sl_note_sign_line(sl_buf *out, sl_view text, sl_view name, const sl_sign_key *key);
SL_MUST sl_res sl_note_cosign_line(sl_buf *out, sl_view text, sl_view name, const sl_sign_key *key,
                                   uint64_t time_s);

/* Appends the whole note: text, empty line, one signature. */
SL_MUST sl_res sl_note_sign(sl_buf *out, sl_view text, sl_view name, const sl_sign_key *key);

#endif
