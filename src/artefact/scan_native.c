/* Programs and libraries: what a processor or a virtual machine runs as it stands. There is no reading of it
 * that would make it good: it is told, wherever it stands and whatever its name.
 * Source: the magics of ELF, PE, Mach-O, Java classes, WebAssembly, Python's byte code, Windows' shortcuts; the portable executables of llamafile. */
#include <string.h>

#include "artefact/format_parts.h"

static bool is_pe(const sl_probe *probe)
{
    sl_view h = probe->head;
    if (!sl_view_starts(h, SL_LIT("MZ"))) {
        return false;
    }
    if (sl_view_starts(h, SL_LIT("MZqFpD"))) {
        return true;
    }
    sl_view at = { 0 };
    uint32_t offset = h.n >= 64 ? sl_get_le32(h.p + 60) : 0;
    return offset >= 4 && sl_ok(sl_source_need(probe->source, offset, 4, &at)) &&
           memcmp(at.p, "PE\0\0", 4) == 0;
}

static bool is_macho(sl_view h)
{
    static const uint8_t magics[][4] = { { 0xFE, 0xED, 0xFA, 0xCE },
                                         { 0xFE, 0xED, 0xFA, 0xCF },
                                         { 0xCE, 0xFA, 0xED, 0xFE },
                                         { 0xCF, 0xFA, 0xED, 0xFE },
                                         { 0xCA, 0xFE, 0xBA,
                                           0xBE } }; /* the last: Java classes too */
    for (size_t i = 0; i < SL_COUNT_OF(magics); i++) {
        if (h.n >= 8 && memcmp(h.p, magics[i], 4) == 0) {
            return true;
        }
    }
    return false;
}

/* Python's byte code: a magic number that ends in CR LF, a header, then a marshalled code object. */
static bool is_bytecode(sl_view h)
{
    static const size_t headers[] = { 8, 12, 16 };
    if (h.n < 20 || h.p[2] != '\r' || h.p[3] != '\n') {
        return false;
    }
    for (size_t i = 0; i < SL_COUNT_OF(headers); i++) {
        if ((h.p[headers[i]] & 0x7f) == 'c' && (h.p[headers[i] + 1] & 0xf0) == 0) {
            return true;
        }
    }
    return false;
}

sl_identity sl_identify_native(const sl_probe *probe)
{
    bool elf = sl_view_starts(probe->head, SL_LIT("\x7F"
                                                  "ELF"));
    bool wasm = sl_view_starts(probe->head, SL_LIT("\0asm\1\0\0\0"));
    bool shortcut = sl_view_starts(probe->head, SL_LIT("L\0\0\0\1\x14\2\0\0\0\0\0\xC0"));
    return elf || wasm || shortcut || is_bytecode(probe->head) || is_macho(probe->head) ||
                   is_pe(probe)
               ? SL_IDENTIFY_YES
               : SL_IDENTIFY_NO;
}

sl_res sl_scan_native(sl_scan *scan, sl_source *source)
{
    sl_view head = { 0 };
    SL_TRY(sl_source_at(source, 0, 8, &head));
    sl_scan_report(scan, SL_RULE_NATIVE_CODE, 0, head);
    return SL_DONE;
}
