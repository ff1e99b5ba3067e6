/* One ingest crossing, from request to leaves: identify, inspect, decide, record, act.
 * The file goes in sealed, with its report and its roster, or nothing of it does: every failure behind
 * the intent leaf takes back the key and the draft and says so in the outcome leaf. What it needs of
 * others (ledger, keeper, valves, randomness) comes through sl_ingest_world, so that tests and the
 * process run the same code. It must never parse the file itself (worker.h does) and never hold the
 * data key longer than it seals. */
#ifndef SL_DOORS_INGEST_DOOR_H
#define SL_DOORS_INGEST_DOOR_H

#include "doors/ingest/worker.h"
#include "vault/keeper.h"
#include "vault/object.h"

typedef struct {
    sl_name compartment;
    sl_uid compartment_id;
    sl_uid principal; /* whose grant covers the crossing */
    sl_name purpose;  /* as the grant names it */
    sl_name
        object; /* "": made from the file's name, or from the object's id where that names a person */
    sl_name record_id; /* column that names the subject; "": found */
    char file_name[256];
    uint64_t canaries; /* to plant, as the policy asks; at most SL_CANARIES_MAX */
    sl_name label;     /* as the policy states it; "": it does not */
    sl_name legal_basis;
} sl_ingest_request;

/* What the register knows of an artefact's bytes. */
typedef struct {
    sl_name vendor; /* "": no vendor answers for them */
    bool admitted;  /* operators let them in although the scan cannot clear them, and still do */
    uint64_t admission_leaf;
} sl_ingest_standing;

typedef struct {
    void *context;
    bool confined; /* false: tests and sanitizer builds */
    /* Names that pickles may use, borrowed. NULL: the pack that the program carries. */
    const sl_allow *allow;
    /* Is the door open to this principal and compartment now? SL_E_VALVE, SL_E_NO_GRANT. */
    sl_res (*admit)(void *context, const sl_ingest_request *request);
    /* Appends and waits until durable. */
    sl_res (*append)(void *context, sl_view event, uint64_t *ret_index);
    sl_res (*key_new)(void *context, const sl_key_request *request, uint8_t ret_key[SL_KEY_BYTES]);
    sl_res (*key_forget)(void *context, const sl_key_request *request);
    /* A key of the compartment for one purpose ("roster"). */
    sl_res (*lease)(void *context, const char *compartment, const char *purpose,
                    uint8_t ret_key[SL_KEY_BYTES]);
    sl_res (*random)(void *context, void *p, size_t n);
    /* Puts the object's identifiers into the compartment's roster, before the object can be used. What
     * is there too much after a failure only protects more. */
    sl_res (*publish)(void *context, const char *compartment, sl_view index);
    /* Likewise the index of its records, by which the ask door knows them when they are recited
     * (detect/echo.h). `*ret_records`: what the compartment's whole index now holds. NULL: none is made. */
    sl_res (*publish_echo)(void *context, const char *compartment, sl_view index,
                           uint64_t *ret_records);
    /* Of an artefact with this SHA-256 that is to enter this compartment. NULL: nothing is known of any. */
    void (*standing)(void *context, const char *compartment, const sl_digest *digest,
                     sl_ingest_standing *ret);
} sl_ingest_world;

typedef struct {
    sl_manifest manifest;
    sl_inspection inspection;
    uint64_t intent_index; /* of the leaf; UINT64_MAX: none was written */
    uint64_t outcome_index;
    uint64_t roster_entries;
} sl_ingest_result;

/* Takes the regular file `fd` into the vault. On failure nothing is there; where the crossing got as
 * far as the ledger, `ret_result->intent_index` says which leaf, also then.
 * Errors: SL_E_ARTEFACT, SL_E_HELD (nobody lets these bytes in), those of admit, of the worker, of the object store; SL_E_AGAIN (the file changed). */
SL_MUST sl_res sl_ingest_cross(const sl_ingest_world *world, int vault_fd, int fd,
                               const sl_ingest_request *request, sl_ingest_result *ret_result);

#endif
