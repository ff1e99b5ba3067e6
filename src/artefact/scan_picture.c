/* Pictures beside models: PNG, JPEG, GIF, WebP. Nothing runs them; they are told only when something stands
 * behind their end, where a second file may hide. */
#include <string.h>

#include "artefact/format_parts.h"

static bool is_png(sl_view h)
{
    return sl_view_starts(h, SL_LIT("\x89PNG\r\n\x1a\n"));
}

static bool is_webp(sl_view h)
{
    return h.n >= 12 && memcmp(h.p, "RIFF", 4) == 0 && memcmp(h.p + 8, "WEBP", 4) == 0;
}

sl_identity sl_identify_picture(const sl_probe *probe)
{
    sl_view h = probe->head;
    bool gif = sl_view_starts(h, SL_LIT("GIF87a")) || sl_view_starts(h, SL_LIT("GIF89a"));
    bool jpeg = h.n > 3 && h.p[0] == 0xFF && h.p[1] == 0xD8 && h.p[2] == 0xFF;
    return is_png(h) || is_webp(h) || gif || jpeg ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

static sl_res png_end(sl_source *source, uint64_t *ret_end)
{
    sl_cursor c = sl_cursor_over(source);
    SL_TRY(sl_cursor_skip(&c, 8));
    for (;;) {
        uint32_t length = 0;
        sl_view type = { 0 };
        SL_TRY(sl_cursor_u32be(&c, &length));
        SL_TRY(sl_cursor_take(&c, 4, &type));
        bool last = memcmp(type.p, "IEND", 4) == 0;
        SL_TRY(sl_cursor_skip(&c, (uint64_t)length + 4));
        if (last) {
            *ret_end = c.at;
            return SL_DONE;
        }
    }
}

sl_res sl_scan_picture(sl_scan *scan, sl_source *source)
{
    sl_view v = { 0 };
    uint64_t size = sl_source_size(source);
    uint64_t end = size;
    SL_TRY(sl_source_at(source, 0, 12, &v));
    if (is_png(v)) {
        SL_TRY(png_end(source, &end));
    } else if (is_webp(v)) {
        end = 8 + (uint64_t)sl_get_le32(v.p + 4);
        end += end & 1;
    } else {
        bool gif = v.p[0] == 'G';
        SL_TRY(sl_source_need(source, size - 2, 2, &v));
        bool whole = gif ? v.p[1] == ';' : v.p[0] == 0xFF && v.p[1] == 0xD9;
        end = whole ? size : size - 1;
    }
    if (end > size) {
        return sl_fail_at(SL_E_TRUNCATED, "picture", size);
    }
    if (end < size) {
        sl_scan_report_str(scan, SL_RULE_PICTURE_TRAILING, end, "");
    }
    return SL_DONE;
}
