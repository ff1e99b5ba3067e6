/* Plain text: what is UTF-8 or Windows-1252 from end to end, as the readers of records take it, without
 * control characters, and nothing else claims.
 * It never runs by itself; the kinds that give text a meaning (JSON, templates, notebooks) have
 * identifiers of their own and come before this one. */
#include "artefact/scan.h"
#include "base/utf8.h"

static bool plain(sl_view text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b) ||
            c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Could these bytes be Windows-1252, and mostly letters that every encoding has? */
static bool western(sl_view text)
{
    size_t high = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == 0x81 || c == 0x8D || c == 0x8F || c == 0x90 || c == 0x9D) {
            return false; /* not given to any character */
        }
        high += c >= 0x80 ? 1 : 0;
    }
    return high <= text.n / 3;
}

sl_identity sl_identify_text(const sl_probe *probe)
{
    sl_view head = probe->head;
    size_t good = sl_utf8_check(head);
    size_t open = probe->size > head.n ? sl_utf8_open_tail(head) : 0;
    bool utf8 = good + open >= head.n;
    bool text = head.n != 0 && plain(head) && (utf8 || western(head));
    return text ? SL_IDENTIFY_MAYBE : SL_IDENTIFY_NO;
}

/* The whole is one of the two encodings; a piece that both could be decides nothing. */
sl_res sl_scan_text(sl_scan *scan, sl_source *source)
{
    (void)scan;
    bool utf8 = true;
    bool single = true;
    uint64_t bad = 0;
    uint64_t at = 0;
    while (at < sl_source_size(source)) {
        sl_view piece = { 0 };
        SL_TRY(sl_source_some(source, at, &piece));
        size_t open = at + piece.n < sl_source_size(source) ? sl_utf8_open_tail(piece) : 0;
        if (open == piece.n) { /* a character cut by a window's edge */
            SL_TRY(sl_source_at(source, at, 4, &piece));
            open = 0;
        }
        sl_view whole = sl_view_sub(piece, 0, piece.n - open);
        size_t good = sl_utf8_check(whole);
        bad = utf8 && good != whole.n ? at + good : bad;
        utf8 = utf8 && good == whole.n;
        single = single && western(whole);
        if (!utf8 && !single) {
            return sl_fail_at(SL_E_UTF8, "byte", bad);
        }
        if (!plain(whole)) {
            return sl_fail_at(SL_E_SYNTAX, "control character", at);
        }
        at += whole.n;
    }
    return SL_DONE;
}
