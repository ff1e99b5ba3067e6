/* A witness (C2SP tlog-witness): cosigns checkpoints that grow, and nothing else.
 *
 * The core is a function from a request to a response over a small store; it is served by
 * witness_serve.c and driven by tests and the fuzzer. The new state is durable before the answer
 * is given. The client half asks any witness of that protocol.
 */
#ifndef SL_LEDGER_WITNESS_H
#define SL_LEDGER_WITNESS_H

#include "ledger/checkpoint.h"
#include "ledger/disk.h"
#include "ledger/reader.h"

enum { SL_WITNESS_LOGS_MAX = 32, SL_WITNESS_REQUEST_BYTES_MAX = 64 * 1024 };

typedef struct {
    const char *name;       /* of the witness, in its cosignatures */
    const sl_sign_key *key; /* borrowed */
    sl_vkey logs[SL_WITNESS_LOGS_MAX];
    size_t logs_n;
    sl_disk *disk; /* "log/<sha-256 of the origin>": the last cosigned checkpoint */
} sl_witness;

typedef struct {
    int status;
    const char *content_type;
    sl_buf body;
} sl_witness_response;

/* Answers one request at `now_s` (seconds since 1970). Failures of the witness itself (disk, key)
 * are returned and answered by the server with 500; nothing was cosigned then. */
SL_MUST sl_res sl_witness_answer(sl_witness *w, sl_view method, sl_view path, sl_view body,
                                 uint64_t now_s, sl_witness_response *ret);

/* The body of an add-checkpoint request, appended. */
SL_MUST sl_res sl_witness_request(uint64_t old_size, const sl_proof *proof, sl_view checkpoint,
                                  sl_buf *out);

/* Serves HTTP/1.1 on a Unix socket ("unix:PATH") or "127.0.0.1:PORT", one request a connection,
 * until `*stop` is set. Strangers come through nginx. `ready` is called once it listens. */
SL_MUST sl_res sl_witness_serve(sl_witness *w, const char *address, const volatile int *stop,
                                void (*ready)(void *ctx), void *ctx);

/* Asks the witness at `url` to cosign the reader's checkpoint and checks what it says under `key`
 * (type 4). `ret_note` gets the checkpoint with the log's and the witness's signatures.
 * Errors: SL_E_ROLLBACK (the witness has seen a longer ledger: `*ret_seen` is its size),
 * SL_E_INTEGRITY (it has seen another one), SL_E_UNAVAILABLE, SL_E_SIGNATURE, SL_E_DENIED. */
SL_MUST sl_res sl_witness_ask(sl_reader *r, const char *url, const sl_vkey *key, sl_buf *ret_note,
                              uint64_t *ret_seen, uint64_t *ret_time_s);

#endif
