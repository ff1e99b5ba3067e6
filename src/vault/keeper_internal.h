/* The inside of the keeper's core, for keeper.c, keeper_answer.c and keeper_confirm.c alone. */
#ifndef SL_VAULT_KEEPER_INTERNAL_H
#define SL_VAULT_KEEPER_INTERNAL_H

#include "ledger/event.h"
#include "vault/confirm.h"
#include "vault/keeper.h"

/* Intents are asked for within a crossing's life; older ones than this many leaves are forgotten, and
 * their crossings refused. */
enum { INTENTS_MAX = 4096 };

/* An intent is good for keys this long in ledger time and on the boot clock, so that an old one is no standing
 * licence, also when the wall clock was set back. */
#define INTENT_LIFE_MS INT64_C(600000)

typedef struct {
    uint64_t index;
    int64_t time_ms;
    uint64_t seen_ms; /* on the boot clock, which nobody sets back */
    sl_uid principal;
    sl_uid compartment_id;
    char crossing[SL_EVENT_WORD_BYTES_MAX + 1];
    char object[SL_EVENT_WORD_BYTES_MAX + 1];
    sl_door door;
    bool live;
} sl_keeper_intent;

/* How often the records of a compartment were compared of late. */
typedef struct {
    sl_uid compartment_id;
    sl_confirm_budget budget;
    bool told; /* that it was too often */
} sl_keeper_confirms;

enum { CONFIRMS_MAX = 64, COMPARE_PAUSE_MS = 2000 };

/* Rosters that operators let the ingest door rebuild, a ring; each approval for an hour. */
enum { REBUILDS_MAX = 8, REBUILD_LIFE_MS = 3600 * 1000 };
typedef struct {
    bool live;
    uint64_t index;
    int64_t time_ms;
    sl_name compartment;
} sl_keeper_rebuild;

/* Keys that the ingest door was given under an intent, a ring. Under that intent it may have them again or
 * forget them; no other key of the compartment, or whoever took the door over could open and destroy all. */
enum { MADE_MAX = 4096 };
typedef struct {
    bool live;
    uint64_t intent;
    uint64_t version;
    sl_wrap_kind kind;
    sl_name name;
} sl_keeper_made;

struct sl_keeper {
    sl_keeper_world world;
    char dir[4096];
    int kms_dir;
    sl_roll *roll;
    sl_keystore *keystore;
    sl_kms *kms;
    sl_keeper_intent intents[INTENTS_MAX];
    size_t intents_next;
    sl_keeper_confirms confirms[CONFIRMS_MAX];
    size_t confirms_next;
    uint64_t compare_from_ms; /* on the boot clock: not before, nobody answered the last time */
    sl_keeper_rebuild rebuilds[REBUILDS_MAX];
    size_t rebuilds_next;
    sl_keeper_made made[MADE_MAX];
    size_t made_next;
    bool told; /* why the request is refused stands in a leaf already, or would only repeat one */
};

/* The compartment of this name, if the roll has it open. SL_E_NOT_FOUND, SL_E_VALVE. */
SL_MUST sl_res sl_keeper_compartment(const sl_keeper *k, const char *name,
                                     const sl_compartment **ret);
/* Is the compartment open for data keys? Unlike those that are derived for matching, they wait until somebody
 * opened a valve in this life of the site: an epoch of 0 says that nobody did. SL_E_VALVE. */
SL_MUST sl_res sl_keeper_opened_for_data(sl_keeper *k, sl_door door, const sl_compartment *c,
                                         uint64_t *ret_epoch);
/* keeper_confirm.c: a request of confirm.h, answered. */
SL_MUST sl_res sl_keeper_confirm(sl_keeper *k, sl_view body, sl_buf *reply);

#endif
