/* Crossings that a crash left without an end. Law 1: they end as `outcome: unknown` and count as
 * delivered.
 *
 * A crossing's id begins with the number of the process that serves it. Each process follows its own
 * intents and outcomes in the ledger; when it is started, or has lost the ledger and found it again,
 * what it finds open there and is not serving was cut off. Pure: leaves in, events out. */
#ifndef SL_DOORS_ASK_ORPHANS_H
#define SL_DOORS_ASK_ORPHANS_H

#include "base/bytes.h"
#include "base/res.h"

enum { SL_ASK_ORPHANS_MAX = 8192, SL_ASK_ORPHAN_NAME_MAX = 64 };

/* Is this crossing (32 hex digits) being served? */
typedef bool sl_ask_serving(void *context, sl_view crossing);

typedef struct {
    char crossing[33];
    char principal[SL_ASK_ORPHAN_NAME_MAX];
    char compartment[SL_ASK_ORPHAN_NAME_MAX];
    char grant[SL_ASK_ORPHAN_NAME_MAX];
    bool suspect;
} sl_ask_open;

typedef struct {
    unsigned process;   /* ours */
    unsigned processes; /* how many there are; the first ends what more of them left behind */
    bool catching_up;   /* intents that nobody serves are suspect */
    sl_ask_serving *serving;
    void *context;
    size_t n;
    sl_ask_open open[SL_ASK_ORPHANS_MAX];
    uint64_t missed; /* intents for which there was no room */
} sl_ask_orphans;

/* The next leaf of the ledger. */
void sl_ask_orphans_leaf(sl_ask_orphans *orphans, sl_view leaf);

/* The ledger's link is new: nothing was appended through it yet. */
void sl_ask_orphans_begin(sl_ask_orphans *orphans);
/* One of ours may have ended without a leaf: what is open and not being served is suspect. */
void sl_ask_orphans_look(sl_ask_orphans *orphans);
/* All that the ledger held then was read: later intents are our own business. */
void sl_ask_orphans_caught_up(sl_ask_orphans *orphans);

/* The outcome event of one that was cut off, written to `out`; false: there is none. It is forgotten
 * with its leaf, and suspect again when it is looked for and that did not come. To be called only when
 * everything that was appended before sl_ask_orphans_caught_up (or _look) and acknowledged has been read.
 * Fails as the emitter. */
SL_MUST sl_res sl_ask_orphans_next(sl_ask_orphans *orphans, sl_buf *out, bool *ret_any);

#endif
