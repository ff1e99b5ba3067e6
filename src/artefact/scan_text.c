/* Plain text: what is UTF-8 from end to end, without control characters, and nothing else claims.
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

sl_identity sl_identify_text(const sl_probe *probe)
{
    sl_view head = probe->head;
    size_t good = sl_utf8_check(head);
    size_t open = probe->size > head.n ? sl_utf8_open_tail(head) : 0;
    bool text = head.n != 0 && good + open >= head.n && plain(sl_view_sub(head, 0, good));
    return text ? SL_IDENTIFY_MAYBE : SL_IDENTIFY_NO;
}

sl_res sl_scan_text(sl_scan *scan, sl_source *source)
{
    (void)scan;
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
        if (good != whole.n) {
            return sl_fail_at(SL_E_UTF8, "byte", at + good);
        }
        if (!plain(whole)) {
            return sl_fail_at(SL_E_SYNTAX, "control character", at);
        }
        at += whole.n;
    }
    return SL_DONE;
}
