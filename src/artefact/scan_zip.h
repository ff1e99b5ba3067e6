/* The zip reader's own types, shared by its two files. */
#ifndef SL_ARTEFACT_SCAN_ZIP_H
#define SL_ARTEFACT_SCAN_ZIP_H

#include "artefact/scan.h"
#include "base/arena.h"

typedef struct {
    sl_view name;
    uint16_t flags;
    uint16_t method;
    uint32_t crc;
    uint64_t packed;
    uint64_t size;
    uint64_t local;   /* offset of its local header */
    uint64_t data;    /* offset of its bytes; 0: the local header was no good */
    uint64_t end;     /* behind its bytes and descriptor */
    uint32_t outside; /* external attributes */
    uint8_t maker;    /* that made it */
} sl_zip_entry;

typedef struct {
    sl_scan *scan;
    sl_source *source;
    sl_arena arena;
    sl_zip_entry *entries;
    size_t count;
    uint64_t directory;     /* offset of the central directory */
    uint64_t directory_end; /* where the end records begin */
    uint64_t end;           /* behind the end record and its comment */
    uint64_t shift;         /* bytes in front that offsets do not count */
} sl_zip;

/* scan_zip_local.c: the view from the front. Reads the local header of an entry and compares. */
SL_MUST sl_res sl_zip_local(sl_zip *zip, sl_zip_entry *entry);
/* Looks at every byte that no entry accounts for: members that only this view has are queued. */
SL_MUST sl_res sl_zip_gaps(sl_zip *zip);
/* Queues one entry's content; `hidden`: it is in no directory. */
SL_MUST sl_res sl_zip_content(sl_zip *zip, const sl_zip_entry *entry, bool hidden);

#endif
