/* What came by the doors, folded from leaves: artefacts, models that were asked for, the servers that
 * answered, tools that were called. Compared with the register it gives the shadow list: what is in use
 * and nobody vouches for. Pure. Must never need more memory than its ceiling: what does not fit is
 * counted, and an incomplete list says so. Design: src/supply/README.md. */
#ifndef SL_SUPPLY_SEEN_H
#define SL_SUPPLY_SEEN_H

#include "supply/register.h"

#define SL_SEEN_MAX ((size_t)65536)

typedef enum {
    SL_SEEN_OPEN, /* an artefact whose crossing has no outcome */
    SL_SEEN_ADMITTED,
    SL_SEEN_HELD,
    SL_SEEN_REFUSED,
} sl_seen_state;

const char *sl_seen_state_name(sl_seen_state state);

typedef struct {
    sl_item_kind kind; /* ARTEFACT, MODEL, UPSTREAM or TOOL */
    sl_name name;      /* as the leaf has it; an artefact's: its object's id */
    uint64_t times;
    uint64_t first_leaf;
    uint64_t last_leaf;
    int64_t last_ms;
    /* Of artefacts: one entry a digest and compartment. */
    sl_digest digest;
    sl_uid compartment_id;
    sl_name format;
    char class[16];      /* the scan's: clean, unknown, malformed, dangerous */
    char rules[256];     /* "pickle.global_unknown 2, ..." */
    uint64_t admission;  /* leaf of the permission under which it came in; 0: it needed none */
    sl_seen_state state; /* of the last time */
    bool inside;         /* it came in at least once */
} sl_seen;

/* Zero-initialise; fit for SL_OWN. */
typedef struct {
    sl_seen *items;
    size_t count;
    size_t cap;
    uint64_t lost;   /* that found no room */
    sl_uid crossing; /* the ingest crossing that is open, and its item */
    size_t crossing_item;
} sl_seen_list;

void sl_seen_free(sl_seen_list *list);
/* Any leaf, in the order of the ledger. Errors: SL_E_MEMORY and those of reading the leaf. */
SL_MUST sl_res sl_seen_leaf(sl_seen_list *list, uint64_t index, sl_view leaf);

/* What the register says of it; NULL: nothing. */
const sl_register_item *sl_seen_registered(const sl_register *r, const sl_seen *one);
/* Is it something that the register should know: in use, that is, not refused or held at the door? */
bool sl_seen_counts(const sl_seen *one);

/* Artefacts by the first hex digits of their digest (8 at least). SL_E_NOT_FOUND, SL_E_DUPLICATE (they
 * begin several digests), SL_E_SYNTAX. Where they came to several compartments: what came to this one, or
 * else the last. */
SL_MUST sl_res sl_seen_artefact(const sl_seen_list *list, sl_view digits, sl_view compartment_id,
                                const sl_seen **ret);

#endif
