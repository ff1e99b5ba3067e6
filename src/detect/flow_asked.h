/* What the user's own words ask for and confirm (flow.h). Untrusted text can take a confirmation away (a
 * second account beside the first), it can never give one: every word that speaks for a call is looked up
 * among those that the user typed. Internal to src/detect. */
#ifndef SL_DETECT_FLOW_ASKED_H
#define SL_DETECT_FLOW_ASKED_H

#include "detect/flow_index.h"

#define SL_FLOW_AMOUNTS_MAX 16
#define SL_FLOW_OFFERS_MAX 64
#define SL_FLOW_NAMED_MAX 8

/* Sums of money that the user wrote, in hundredths. */
typedef struct {
    uint64_t items[SL_FLOW_AMOUNTS_MAX];
    size_t n;
} sl_flow_amounts;

/* Numbers that untrusted text offers to pay to. */
typedef struct {
    uint64_t hashes[SL_FLOW_OFFERS_MAX];
    size_t n;
    bool more; /* than fit */
} sl_flow_offers;

typedef struct {
    bool
        asked; /* trusted words ask for the verb in the tool's name, or (no verb) hold a word of it */
    bool commanded;      /* the user typed the verb, without a "not" before it */
    bool named_by_data;  /* two of its words, or its only one, stand in untrusted text alone */
    sl_flow_entry named; /* where */
} sl_flow_asking;

/* What of a call's arguments the user typed himself. */
typedef struct {
    bool commanded;
    bool amount_agrees;                /* no sum was typed, or the call has it */
    bool pointed;                      /* a sum that agrees was typed, or a word for "bill" */
    uint32_t named[SL_FLOW_NAMED_MAX]; /* messages that hold a recipient whom user and call name */
    size_t named_n;
} sl_flow_grant;

sl_flow_asking sl_flow_look_at_name(const sl_flow_index *index, sl_view tool);

/* Sums in a folded text of the user. */
void sl_flow_amounts_take(sl_flow_amounts *amounts, sl_view folded);
/* A number of untrusted text, unless a word before it says that it is a telephone's or the like. */
void sl_flow_offer(sl_flow_offers *offers, sl_view folded, const sl_flow_item *number);
/* Is this folded word a "not"? */
bool sl_flow_is_negation(sl_view word);

/* `arguments` may be NULL. */
SL_MUST sl_res sl_flow_grant_of(const sl_flow_index *index, const sl_flow_amounts *amounts,
                                const sl_flow_asking *asking, const sl_json_doc *arguments,
                                sl_flow_grant *ret_grant);
/* Did the user confirm this account or address of the call? Of accounts: he typed its last digits, or he
 * pointed at what is to be paid and no other number is on offer. Of addresses: he typed all its words. */
bool sl_flow_is_confirmed(const sl_flow_index *index, const sl_flow_offers *offers,
                          const sl_flow_grant *grant, sl_view folded, const sl_flow_item *item);

#endif
