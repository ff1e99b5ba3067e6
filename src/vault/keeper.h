/* The keeper's core: the only holder of compartment keys, driven by the ledger.
 *
 * It folds the leaves into a roll of its own and makes the keystore follow it: keys are made for
 * compartments that operators created, unloaded when one is sealed, destroyed when a shredding or an
 * erasure was ordered by two persons and its delay has passed on the boot clock, in ledger time and,
 * where there is a witness, in the witness's time. Nobody commands it to do any of this.
 * What peers may ask is a table (keeper.c); every answer that carries a key is checked here: grant,
 * valve, and the intent leaf, read from the ledger. No I/O but the keystore's and the KMS's: leaves,
 * valves and clocks come through sl_keeper_world, so that tests and the daemon run the same code.
 * Must never answer with a key before the leaf that says so is durable.
 * Design: ARCHITECTURE section 3, src/vault/README.md. */
#ifndef SL_VAULT_KEEPER_H
#define SL_VAULT_KEEPER_H

#include "base/ipc.h"
#include "vault/keystore.h"
#include "vault/roll.h"

/* Who asks: known by the inherited descriptor. */
typedef enum {
    SL_KEEPER_WARDEN,
    SL_KEEPER_INGEST,
    SL_KEEPER_ASK,
    SL_KEEPER_RELEASE,
    SL_KEEPER_PROBE, /* may ask for nothing: what a process that got hold of a link by accident would be */
    SL_KEEPER_PEER_COUNT,
} sl_keeper_peer;

/* Requests. Bodies are of fixed size, little endian, names padded with zeroes. */
typedef enum {
    /* Warden: the passphrase (1..1024 bytes). Answer: nothing. SL_E_PASSPHRASE. */
    SL_KEEPER_UNLOCK = SL_IPC_TYPE_FIRST_FREE,
    /* Warden: nothing. Answer: JSON, see sl_keeper_status_add. */
    SL_KEEPER_STATUS,
    /* Ingest: sl_key_request. Makes a key for a new object version or subject. Answer: 32 bytes. Release: only for
     * the object that a request of this id becomes while it is held. */
    SL_KEEPER_KEY_NEW,
    /* Ingest: sl_key_request. Answer: 32 bytes. SL_E_DENIED: not made under this intent; only operators open
     * what is sealed (SL_KEY_REQUEST_NOBODY). Release: only of what operators let out or, to look at it, asked to
     * let out; `intent` is then the leaf of that. */
    SL_KEEPER_KEY_OPEN,
    /* Ingest: sl_key_request. Forgets a key whose crossing failed. Answer: nothing. SL_E_DENIED: not made under
     * this intent, since this keeper started. Release: also of what was held, when it is over; `intent` is then
     * the leaf of that. */
    SL_KEEPER_KEY_FORGET,
    /* Ask, ingest, release: sl_lease_request. A key derived from the compartment key ("roster", "canary",
     * "pseudonym", "commitment", "echo"). Answer: key[32] epoch u64: void when the valve's epoch is another. */
    SL_KEEPER_LEASE,
    /* Ask: a request of confirm.h. Is the text a rendering of that record? Answer: as there. SL_E_BUDGET: asked
     * too often of late. */
    SL_KEEPER_ECHO_CONFIRM,
    SL_KEEPER_TYPE_END,
} sl_keeper_type;

enum {
    SL_KEY_REQUEST_BYTES = 64 + 64 + 32 + 8 + 8 + 4 + 4,
    SL_LEASE_REQUEST_BYTES = 64 + 64,
    SL_UNLOCK_BYTES_MAX = 1024,
};

typedef struct {
    sl_name compartment;
    sl_name name;     /* object uid or subject id */
    sl_uid principal; /* whose grant covers it */
    uint64_t version; /* objects: from 1; subjects: 0 */
    uint64_t intent;  /* index of the crossing's intent leaf */
    sl_wrap_kind kind;
} sl_key_request;

typedef struct {
    sl_name compartment;
    sl_name purpose;
} sl_lease_request;

/* Errors of decode: SL_E_SYNTAX (size, padding, names). */
SL_MUST sl_res sl_key_request_encode(const sl_key_request *request, sl_buf *out);
SL_MUST sl_res sl_key_request_decode(sl_view body, sl_key_request *ret);
SL_MUST sl_res sl_lease_request_encode(const sl_lease_request *request, sl_buf *out);
SL_MUST sl_res sl_lease_request_decode(sl_view body, sl_lease_request *ret);

/* Whose request it is when operators approved it and no principal stands behind it: the key of a sealed object, to rebuild
 * a roster. `intent` is then the leaf of the approval. */
#define SL_KEY_REQUEST_NOBODY "00000000000000000000000000000000"

/* May this peer send this type at all? */
bool sl_keeper_may(sl_keeper_peer peer, uint16_t type);
const char *sl_keeper_peer_name(sl_keeper_peer peer);

typedef struct sl_confirm_answer sl_confirm_answer; /* confirm.h */

/* The world as the keeper sees it. */
typedef struct {
    void *context;
    /* Appends and waits until durable. */
    sl_res (*append)(void *context, sl_view event);
    /* The leaf with this index; SL_E_NOT_FOUND behind the end. */
    sl_res (*leaf)(void *context, uint64_t index, sl_buf *out);
    /* Are site, door, principal (NULL: none) and compartment open? The compartment's epoch; 0 with true: nobody
     * has turned a valve in this life of the site, enough for derived keys and for what operators had rebuilt (the doors
     * that would turn it wait for that), and not for other data keys. */
    bool (*open)(void *context, sl_door door, const char *principal, const char *compartment_id,
                 uint64_t *ret_epoch);
    uint64_t (*boot_ms)(void *context);
    int64_t (*wall_ms)(void *context);
    /* Logs in to the token behind the `kms` process; NULL where there is none. */
    sl_res (*token)(void *context, sl_view pin, sl_kms **ret_kms);
    /* Asks the process `confirm`: `body` is two keys and a request of confirm.h. NULL where there is none. */
    sl_res (*compare)(void *context, sl_view body, sl_confirm_answer *ret_answer);
} sl_keeper_world;

typedef struct sl_keeper sl_keeper;

/* `dir` holds keystore.db and the folder kms/. `world` is copied. Nothing is opened yet. */
SL_MUST sl_res sl_keeper_new(const char *dir, const sl_keeper_world *world, sl_keeper **ret_keeper);
void sl_keeper_free(sl_keeper *keeper);
void sl_keeper_free_at(sl_keeper **keeper);

const sl_roll *sl_keeper_roll(const sl_keeper *keeper);
bool sl_keeper_unlocked(const sl_keeper *keeper);

/* Reads what is new in the ledger and folds it. */
SL_MUST sl_res sl_keeper_follow(sl_keeper *keeper);
/* Opens the keystore of the site that the genesis leaf names and unlocks it.
 * Errors: SL_E_PASSPHRASE, SL_E_ROLLBACK (older than the ledger), those of keystore.h. */
SL_MUST sl_res sl_keeper_unlock(sl_keeper *keeper, sl_view secret);
/* Makes the keystore follow the roll: to be called after follow and now and then. The first failure
 * is returned; what it concerns stays closed, the rest is done. */
SL_MUST sl_res sl_keeper_work(sl_keeper *keeper);
/* Wipes the keys of everything: a stale warden, the end of the site. */
void sl_keeper_unload_all(sl_keeper *keeper);

/* Answers one request. `reply` holds the answer's body; wipe it after sending.
 * Errors: SL_E_DENIED (not in the peer's table), SL_E_LOCKED, SL_E_NO_GRANT, SL_E_VALVE,
 * SL_E_REFUSED with "intent", those of keystore.h. A refused lease is a leaf. */
SL_MUST sl_res sl_keeper_answer(sl_keeper *keeper, sl_keeper_peer peer, uint16_t type, sl_view body,
                                sl_buf *reply);

/* A peer sent what its table does not have, and lost its link: that is a leaf too. */
void sl_keeper_tell_broken(sl_keeper *keeper, sl_keeper_peer peer, sl_res why);

/* {"unlocked","kms","next_leaf","refused_leaves","compartments":[{"name","state","loaded"}]} */
SL_MUST sl_res sl_keeper_status_add(const sl_keeper *keeper, sl_buf *out);

/* Lower bound of the time that passed between two readings of the boot clock, the later after
 * possibly a reboot. Pure. */
uint64_t sl_boot_elapsed_ms(uint64_t then_ms, uint64_t now_ms);

/* For `init`: makes dir (mode 0700), keystore and kms folder. Without a passphrase a key file
 * dir/key (mode 0600) is made and read at every start: for demos, and said at every start.
 * `pin`: of the token, for the driver "pkcs11"; kept sealed in the keystore. */
SL_MUST sl_res sl_vault_init(const char *dir, const char *site, const char *driver,
                             sl_view passphrase, sl_view pin);
/* The key file's content when there is one; SL_E_NOT_FOUND, SL_E_DENIED (others may read it). */
SL_MUST sl_res sl_vault_key_file(const char *dir, sl_buf *out);

#endif
