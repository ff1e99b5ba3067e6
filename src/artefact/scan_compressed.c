/* Compressed files: one artefact inside, whatever the name says. joblib writes zlib, gzip, bzip2, xz and
 * lzma; readers of all of them go by the first bytes. */
#include <string.h>

#include "artefact/expand.h"
#include "artefact/scan_impl.h"

sl_identity sl_identify_gzip(const sl_probe *probe)
{
    return sl_probe_begins(probe, "\x1f\x8b\x08", 3) ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

/* joblib before 0.10: "ZF", the size in hexadecimal padded with blanks, then zlib. */
#define OLD_JOBLIB_HEAD ((size_t)21)

static bool old_joblib(const sl_probe *probe)
{
    return sl_probe_begins(probe, "ZF0x", 4) && probe->head.n > OLD_JOBLIB_HEAD + 2 &&
           probe->head.p[OLD_JOBLIB_HEAD] == 0x78;
}

sl_identity sl_identify_zlib(const sl_probe *probe)
{
    const uint8_t *p = probe->head.p;
    bool header = probe->head.n > 8 && p[0] == 0x78 && (p[0] * 256 + p[1]) % 31 == 0 &&
                  (p[1] & 0x20) == 0 && (p[2] & 6) != 6;
    return header || old_joblib(probe) ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

sl_identity sl_identify_bzip2(const sl_probe *probe)
{
    const uint8_t *p = probe->head.p;
    bool header = sl_probe_begins(probe, "BZh", 3) && p[3] >= '1' && p[3] <= '9' &&
                  probe->head.n > 10 &&
                  (memcmp(p + 4, "1AY&SY", 6) == 0 || memcmp(p + 4, "\x17rE8P\x90", 6) == 0);
    return header ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

sl_identity sl_identify_xz(const sl_probe *probe)
{
    bool xz = sl_probe_begins(probe,
                              "\xfd"
                              "7zXZ\0",
                              6);
    bool lzma = sl_probe_begins(probe, "\x5d\0\0", 3) && probe->head.n > 13 &&
                (memcmp(probe->head.p + 5, "\xff\xff\xff\xff\xff\xff\xff\xff", 8) == 0 ||
                 sl_get_le64(probe->head.p + 5) < (uint64_t)1 << 40);
    bool zstd = sl_probe_begins(probe, "\x28\xb5\x2f\xfd", 4);
    bool lz4 = sl_probe_begins(probe, "\x04\x22\x4d\x18", 4);
    return xz || lzma || zstd || lz4 ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

static sl_res unpack(sl_scan *scan, sl_source *source, sl_codec codec)
{
    SL_OWN(sl_source *, inside, sl_source_free) = NULL;
    sl_expanded about = { 0 };
    SL_TRY(sl_expand(scan, source, codec, &about, &inside));
    if (codec != SL_CODEC_OTHER && about.used != sl_source_size(source)) {
        SL_OWN(sl_source *, rest, sl_source_free) = NULL;
        uint64_t left = sl_source_size(source) - about.used;
        sl_scan_report_str(scan, SL_RULE_COMPRESS_TRAILING, about.used, "");
        SL_TRY(sl_source_part(source, about.used, left, &rest));
        SL_TRY(sl_scan_member_on_trial(scan, SL_LIT("(trailing)"), rest));
    }
    return sl_scan_member(scan, SL_LIT("(inside)"), inside);
}

sl_res sl_scan_gzip(sl_scan *s, sl_source *source)
{
    return unpack(s, source, SL_CODEC_GZIP);
}

sl_res sl_scan_zlib(sl_scan *s, sl_source *source)
{
    SL_OWN(sl_source *, body, sl_source_free) = NULL;
    sl_view head = { 0 };
    SL_TRY(sl_source_at(source, 0, 2, &head));
    if (sl_view_starts(head, SL_LIT("ZF"))) {
        uint64_t left = sl_source_size(source) - OLD_JOBLIB_HEAD;
        SL_TRY(sl_source_part(source, OLD_JOBLIB_HEAD, left, &body));
        return unpack(s, body, SL_CODEC_ZLIB);
    }
    return unpack(s, source, SL_CODEC_ZLIB);
}

sl_res sl_scan_bzip2(sl_scan *s, sl_source *source)
{
    return unpack(s, source, SL_CODEC_OTHER);
}

sl_res sl_scan_xz(sl_scan *s, sl_source *source)
{
    return unpack(s, source, SL_CODEC_OTHER);
}
