/* The inside of a scan, for the driver's own files: scan.c and scan_report.c. */
#ifndef SL_ARTEFACT_SCAN_IMPL_H
#define SL_ARTEFACT_SCAN_IMPL_H

#include "artefact/scan.h"
#include "base/arena.h"

/* A container whose members are queued: their names, for sl_scan_sibling. */
typedef struct {
    size_t refs;
    sl_buf names; /* each ends in a NUL */
    struct sl_scan_numbers_entry {
        uint64_t name_hash; /* 0: free */
        uint64_t size;
    } * numbers; /* a hash table of the members that are numbers alone */
    size_t numbers_room;
    size_t numbers_count;
} sl_scan_family;

/* One artefact of the work list. */
typedef struct sl_scan_item {
    struct sl_scan_item *next;
    sl_source *source;
    sl_scan_family *family; /* it is a member of; NULL for the file itself */
    sl_view path;           /* inside the file, escaped; lives in the arena */
    sl_view name;           /* last component as it stands in the container; in the arena */
    sl_view folder; /* of a torch archive's data.pkl: what stands before its name; in the arena */
    unsigned depth;
    bool told;  /* the container said what kind it is */
    bool trial; /* may be nothing: what is no artefact says nothing */
    sl_kind kind;
} sl_scan_item;

struct sl_scan {
    const sl_scan_budget *budget;
    const sl_allow *allow;
    sl_buf *explain; /* NULL, or as in sl_scan_input */
    sl_view explain_member;
    uint64_t spent[SL_SPEND_COUNT];
    size_t held;           /* bytes of small decompressed sources */
    uint64_t expanded_max; /* budget or a multiple of the file's size */
    sl_arena arena;
    sl_scan_item *todo;           /* a stack: members before what comes after their container */
    sl_scan_item *children;       /* of the present item, newest first */
    sl_scan_item *item;           /* the present one */
    sl_kind kind;                 /* whose parser runs */
    sl_scan_family *family;       /* of the children */
    uint16_t told[SL_RULE_COUNT]; /* reports of each rule in the present item */
    size_t finding_room;
    size_t outside_room;
    sl_scan_result result;
};

/* Does it begin with these bytes, and go on? */
bool sl_probe_begins(const sl_probe *probe, const char *magic, size_t n);
/* Escapes to printable ASCII ("\n", "\xff") into the arena, cut to `max` output bytes. */
SL_MUST sl_res sl_scan_printable(sl_arena *arena, sl_view bytes, size_t max, sl_view *ret_text);
/* Does the container that the present item came from hold a member whose name contains `part`? */
bool sl_scan_family_has(const sl_scan *scan, sl_view part);
/* Queues what may or may not be an artefact: only what convinces is scanned. */
SL_MUST sl_res sl_scan_member_on_trial(sl_scan *scan, sl_view name, sl_source *source);
/* What was told already ended the parsing of this artefact early. */
void sl_scan_partial(sl_scan *scan);
/* Is this a pickle beyond doubt? pickle.c. */
bool sl_pickle_on_trial(const sl_allow *allow, sl_source *source);
/* Turns what a parser failed with into a finding of the present item. */
void sl_scan_failed(sl_scan *scan, sl_res failed);

#endif
