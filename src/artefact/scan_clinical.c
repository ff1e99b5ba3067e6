/* Files of trials and hospitals that hold data alone: SAS transport and SAS data sets, DICOM. Nothing of them
 * runs; they are known here so that they are not held for being strange. DICOM begins with 128 bytes
 * that no reader looks at, where another format can stand.
 * Source: SAS technical note TS-140; DICOM part 10, section 7.1; CVE-2019-11687. */
#include <string.h>

#include "artefact/format_parts.h"

#define CARD_BYTES 80u

sl_identity sl_identify_sas_transport(const sl_probe *probe)
{
    return sl_view_starts(probe->head, SL_LIT("HEADER RECORD*******LIB")) ? SL_IDENTIFY_YES
                                                                          : SL_IDENTIFY_NO;
}

/* Cards of eighty bytes to the end. */
sl_res sl_scan_sas_transport(sl_scan *scan, sl_source *source)
{
    uint64_t size = sl_source_size(source);
    sl_view v = { 0 };
    (void)scan;
    SL_TRY(sl_source_need(source, 0, 3 * CARD_BYTES, &v));
    return size % CARD_BYTES == 0 ? SL_DONE : sl_fail_at(SL_E_TRUNCATED, "card", size);
}

sl_identity sl_identify_sas_data(const sl_probe *probe)
{
    static const uint8_t magic[] = { 0,    0,    0,    0,    0,    0,    0,    0,
                                     0,    0,    0,    0,    0xC2, 0xEA, 0x81, 0x60,
                                     0xB3, 0x14, 0x11, 0xCF, 0xBD, 0x92, 0x08, 0x00,
                                     0x09, 0xC7, 0x31, 0x8C, 0x18, 0x1F, 0x10, 0x11 };
    bool starts =
        probe->head.n >= sizeof(magic) && memcmp(probe->head.p, magic, sizeof(magic)) == 0;
    return starts ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

/* The header says how long it is and how long and how many the pages are: they fill the file. */
sl_res sl_scan_sas_data(sl_scan *scan, sl_source *source)
{
    sl_view v = { 0 };
    uint64_t size = sl_source_size(source);
    SL_TRY(sl_source_need(source, 0, 288, &v));
    bool little = v.p[37] == 1;
    size_t at = 196 + (v.p[35] == 0x33 ? 4 : 0);
    uint64_t head = little ? sl_get_le32(v.p + at) : sl_get_be32(v.p + at);
    uint64_t page = little ? sl_get_le32(v.p + at + 4) : sl_get_be32(v.p + at + 4);
    bool wide = v.p[32] == 0x33;
    uint64_t pages = little ? sl_get_le32(v.p + at + 8) : sl_get_be32(v.p + at + 8);
    pages = wide ? (little ? sl_get_le64(v.p + at + 8) : sl_get_be64(v.p + at + 8)) : pages;
    uint64_t all = 0;
    if (head < 288 || page == 0 || __builtin_mul_overflow(page, pages, &all) ||
        __builtin_add_overflow(all, head, &all) || all > size) {
        return sl_fail_at(SL_E_TRUNCATED, "page", size);
    }
    if (all < size) {
        sl_scan_report_str(scan, SL_RULE_CLINICAL_TRAILING, all, "behind the last page");
    }
    return SL_DONE;
}

sl_identity sl_identify_dicom(const sl_probe *probe)
{
    return probe->head.n >= 132 && memcmp(probe->head.p + 128, "DICM", 4) == 0 ? SL_IDENTIFY_YES
                                                                               : SL_IDENTIFY_NO;
}

/* The preamble is empty, or begins a TIFF as the standard allows. */
sl_res sl_scan_dicom(sl_scan *scan, sl_source *source)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_need(source, 0, 136, &v));
    bool tiff = memcmp(v.p, "II*\0", 4) == 0 || memcmp(v.p, "MM\0*", 4) == 0;
    for (size_t i = 0; i < 128 && !tiff; i++) {
        if (v.p[i] != 0) {
            sl_scan_report(scan, SL_RULE_CLINICAL_PREAMBLE, i, sl_view_sub(v, i, 128));
            break;
        }
    }
    /* The first element is the length of the group that says how the rest is written. */
    return memcmp(v.p + 132, "\2\0\0\0", 4) == 0 ? SL_DONE
                                                 : sl_fail_at(SL_E_SYNTAX, "dicom group", 132);
}
