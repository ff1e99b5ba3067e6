/* The release door: the only way for bytes to leave a compartment other than an answer to a question.
 * A crossing begins with an operator's signed request and ends with the bytes sealed and held, or refused; handing
 * out is a second act, after somebody else's signature. What it needs of others (ledger, keeper, valves,
 * randomness) comes through sl_release_world, so that tests and the process run the same code. It must never parse
 * what wants to leave (a worker does), never give a byte whose leaf is not durable, and never hold a data key
 * longer than it seals or opens. */
#ifndef SL_DOORS_RELEASE_DOOR_H
#define SL_DOORS_RELEASE_DOOR_H

#include "doors/ingest/worker.h"
#include "doors/release/disclosure.h"
#include "doors/release/look.h"
#include "vault/keeper.h"
#include "vault/object.h"

enum { SL_RELEASE_SALT_BYTES = 32 };

typedef struct {
    sl_release asked; /* the request as the ledger holds it */
    sl_uid compartment_id;
    sl_uid principal; /* whose grant for this door covers the crossing */
    sl_name purpose;  /* as that grant names it */
    char file_name[256];
    uint8_t salt[SL_RELEASE_SALT_BYTES]; /* of the digest that was signed */
    int64_t held_ms_max;                 /* how long it may be held, as the policy says */
    int64_t min_cell; /* smallest count in a table that leaves, likewise; 0: no rule */
} sl_release_request;

typedef struct {
    void *context;
    bool confined; /* false: tests and sanitizer builds */
    int64_t (*wall_ms)(void *context);
    /* Is the door open to this compartment and principal? SL_E_VALVE, SL_E_NO_GRANT. From now on `still` compares. */
    sl_res (*admit)(void *context, const sl_release_request *request);
    /* Does what `admit` saw still hold? Asked before every piece that leaves. SL_E_VALVE. */
    sl_res (*still)(void *context);
    /* Appends and waits until durable. */
    sl_res (*append)(void *context, sl_view event, uint64_t *ret_index);
    /* Folds all that the ledger holds now. */
    sl_res (*follow)(void *context);
    /* SL_KEEPER_KEY_NEW, _OPEN, _FORGET (vault/keeper.h); `ret_key` is NULL for the last. */
    sl_res (*key)(void *context, uint16_t type, const sl_key_request *request,
                  uint8_t ret_key[SL_KEY_BYTES]);
    sl_res (*random)(void *context, void *p, size_t n);
    sl_release_protect protect;
    const sl_allow
        *allow; /* by which pickles are judged; NULL: the pack that the program carries */
} sl_release_world;

typedef struct {
    sl_inspection inspection;
    sl_verdict verdict;
    uint64_t classes[SL_CLASS_COUNT]; /* what policy does not simply allow, by class */
    sl_disclosure disclosure;
    sl_manifest manifest;   /* of what is held */
    uint64_t intent_index;  /* UINT64_MAX: no leaf was written */
    uint64_t outcome_index; /* of the leaf that says that it is held, or how it ended */
} sl_release_result;

/* The digest that a request signs: SHA-256 of a prefix, the salt and the file's bytes. A leaf with a plain digest
 * would tell whoever guesses a short text what it says. SL_E_IO, SL_E_TYPE. */
SL_MUST sl_res sl_release_commit(int fd, const uint8_t salt[SL_RELEASE_SALT_BYTES],
                                 sl_digest *ret_digest);

/* Takes the regular file `fd` in, to be held below `held_fd`; a sealed object (`fd` -1) is looked at where it lies,
 * below `vault_fd`, and held there. On failure nothing is held; the outcome leaf says why.
 * Errors: SL_E_APPROVAL (no live request), SL_E_ARTEFACT, SL_E_REFUSED (policy), SL_E_INTEGRITY with
 * "request" (not the bytes that were signed for), those of the worker and of the object store. */
SL_MUST sl_res sl_release_cross(const sl_release_world *world, int held_fd, int vault_fd, int fd,
                                const sl_release_request *request, sl_release_result *ret_result);

/* Writes what is held below `at_fd` (the vault's folder, or the held one) to `out_fd`, once it is approved. The
 * leaf that says so is durable before the first byte. `*ret_digest`: SHA-256 of all bytes. After a failure
 * behind that leaf the bytes count as released, and it takes another approval. */
SL_MUST sl_res sl_release_hand_out(const sl_release_world *world, int at_fd, int out_fd,
                                   const sl_roll *roll, const sl_release_request *request,
                                   sl_digest *ret_digest, uint64_t *ret_bytes);

/* Ends a release that was turned down or whose time is over: the leaf, then the key, then the bytes. `outcome`:
 * "rejected", "expired" or, for a crossing that a crash cut off, "unknown". */
SL_MUST sl_res sl_release_end(const sl_release_world *world, int held_fd, const sl_release *release,
                              const char *compartment_id, const char *outcome);
/* The second half of that, for what a crash left behind the leaf `leaf_index` (0: no leaf names it). */
SL_MUST sl_res sl_release_clear(const sl_release_world *world, int held_fd,
                                const sl_release *release, uint64_t leaf_index);

/* Under which name a held file lies: "release-ID". */
void sl_release_ref(const sl_release *release, sl_object_ref *ret);

#endif
