/* Signed packs of reviewed names (allow.h): a signed note whose text is the pack. What no trusted key
 * signed is not even read as a list, and what is older than the floor is refused: a name that a newer pack
 * denies must not come back with an old file. Where keys are held: data/allow/README.md. */
#include "artefact/allow.h"

#include "artefact/allow_embedded.h"

#define VERSION_PARTS ((size_t)4)

static sl_view embedded(const char *name)
{
    for (size_t i = 0; i < sl_allow_embedded_count; i++) {
        if (sl_view_eq_str(sl_view_str(sl_allow_embedded[i].name), name)) {
            return (sl_view){ sl_allow_embedded[i].bytes, sl_allow_embedded[i].n };
        }
    }
    return (sl_view){ 0 };
}

sl_view sl_allow_pack(void)
{
    return embedded("python.txt");
}

/* ---- versions ---- */

static bool read_digits(sl_view text, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < text.n; i++) {
        *ret = *ret * 10 + (uint64_t)(text.p[i] - '0');
        if (text.p[i] < '0' || text.p[i] > '9' || i == 4) {
            return false;
        }
    }
    return text.n != 0;
}

/* "2026.11.22", or "2026.11.22.3" for the third of a day. */
static sl_res read_version(sl_view text, uint64_t parts[VERSION_PARTS])
{
    size_t n = 0;
    bool more = true;
    for (; more && n < VERSION_PARTS; n++) {
        sl_view part = { 0 };
        more = sl_view_cut(text, '.', &part, &text);
        SL_NEED(read_digits(part, &parts[n]), SL_E_SYNTAX);
    }
    bool date = n >= 3 && parts[0] >= 2020 && parts[1] >= 1 && parts[1] <= 12 && parts[2] >= 1 &&
                parts[2] <= 31;
    return date && !more ? SL_DONE : sl_fail(SL_E_SYNTAX);
}

sl_res sl_allow_version_compare(sl_view a, sl_view b, int *ret_order)
{
    uint64_t left[VERSION_PARTS] = { 0 };
    uint64_t right[VERSION_PARTS] = { 0 };
    SL_TRY(read_version(a, left));
    SL_TRY(read_version(b, right));
    *ret_order = 0;
    for (size_t i = 0; i < VERSION_PARTS && *ret_order == 0; i++) {
        *ret_order = (left[i] > right[i]) - (left[i] < right[i]);
    }
    return SL_DONE;
}

/* ---- keys ---- */

sl_res sl_allow_keys_read(sl_view text, sl_allow_keys *keys)
{
    for (uint64_t number = 1; text.n != 0; number++) {
        sl_view line = { 0 };
        (void)sl_view_cut(text, '\n', &line, &text);
        line = sl_view_trim(line);
        if (line.n == 0 || line.p[0] == '#') {
            continue;
        }
        if (keys->count == SL_ALLOW_KEYS_MAX) {
            return sl_fail_at(SL_E_LIMIT, "keys", number);
        }
        sl_res r = sl_vkey_parse(line, &keys->keys[keys->count]);
        if (!sl_ok(r) || keys->keys[keys->count].type != SL_NOTE_ED25519) {
            return sl_fail_at(SL_E_SYNTAX, "key at line", number);
        }
        keys->count++;
    }
    return SL_DONE;
}

sl_res sl_allow_keys_own(sl_allow_keys *keys)
{
    return sl_allow_keys_read(embedded("keys.txt"), keys);
}

/* ---- opening ---- */

/* Views of the list never point into the note: sl_allow_read copies. */
static sl_res open_note(sl_view note, const sl_allow_keys *keys, sl_allow **ret_allow)
{
    sl_note opened;
    sl_res r = sl_note_open(note, keys->keys, keys->count, &opened);
    if (!sl_ok(r)) {
        return sl_fail_at((sl_code)r.code, "pack of names", SL_NOWHERE);
    }
    return sl_allow_read(opened.text, ret_allow);
}

sl_res sl_allow_open(sl_view note, const sl_allow_keys *keys, sl_view oldest, sl_allow **ret_allow)
{
    SL_OWN(sl_allow *, own, sl_allow_free) = NULL;
    SL_OWN(sl_allow *, made, sl_allow_free) = NULL;
    int to_own = 0;
    int to_oldest = 0;
    SL_TRY(open_note(note, keys, &made));
    SL_TRY(sl_allow_own(&own));
    sl_view version = sl_allow_version(made);
    if (!sl_ok(sl_allow_version_compare(version, sl_allow_version(own), &to_own)) ||
        !sl_ok(sl_allow_version_compare(version, oldest.n != 0 ? oldest : version, &to_oldest))) {
        return sl_fail_at(SL_E_SYNTAX, "version of the pack", SL_NOWHERE);
    }
    bool same = sl_digest_eq(sl_allow_digest(made), sl_allow_digest(own));
    if (to_own < 0 || to_oldest < 0 || (to_own == 0 && !same)) {
        return sl_fail_at(SL_E_ROLLBACK, "pack of names", SL_NOWHERE);
    }
    *ret_allow = made;
    made = NULL;
    return SL_DONE;
}

sl_res sl_allow_own(sl_allow **ret_allow)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };
    sl_allow_keys keys = { 0 };
    SL_TRY(sl_allow_keys_own(&keys));
    SL_TRY(sl_buf_add(&note, sl_allow_pack()));
    SL_TRY(sl_buf_add_byte(&note, '\n'));
    SL_TRY(sl_buf_add(&note, embedded("python.sig")));
    return open_note(sl_buf_view(&note), &keys, ret_allow);
}
