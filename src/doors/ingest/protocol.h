/* What commands ask of the ingest process at run/ingest.sock, and how they ask. One body for every
 * request, of fixed size. Descriptors travel with the packet: the file to read, or to write. */
#ifndef SL_DOORS_INGEST_PROTOCOL_H
#define SL_DOORS_INGEST_PROTOCOL_H

#include "doors/commands.h"
#include "vault/statement.h"

typedef enum {
    /* Takes the file behind the descriptor in. Answer: JSON of the object, or of the failure. */
    SL_INGEST_PUT = SL_IPC_TYPE_FIRST_FREE,
    /* JSON lines, one an object version; of all compartments if none is named. */
    SL_INGEST_LIST,
    /* JSON of one version: sizes, roots, the leaf that recorded it. */
    SL_INGEST_SHOW,
    /* Every chunk of every part against the root in the ledger, without a key. */
    SL_INGEST_VERIFY,
    /* JSON lines of the canaries planted beside one version, as many as policy/ingest.yml asks for now;
     * told only when the leaf that says so is durable. */
    SL_INGEST_CANARIES,
    /* Makes the roster of a compartment anew from the sealed ones, as operators approved. Answer: JSON. */
    SL_INGEST_REBUILD,
    SL_INGEST_TYPE_END,
} sl_ingest_type;

enum {
    SL_INGEST_FILE_NAME_BYTES = 256,
    SL_INGEST_ASK_BYTES = 3 * 64 + 8 + SL_INGEST_FILE_NAME_BYTES,
};

/* Fields that a request does not need are empty or 0 (version 0: the newest). */
typedef struct {
    sl_name compartment;
    sl_name object;
    sl_name record_id;
    uint64_t version;
    char file_name[SL_INGEST_FILE_NAME_BYTES]; /* NUL-terminated, without folder */
} sl_ingest_ask;

SL_MUST sl_res sl_ingest_ask_encode(const sl_ingest_ask *ask, sl_buf *out);
/* SL_E_SYNTAX: size, padding, a name that is none. Column and file names may hold anything. */
SL_MUST sl_res sl_ingest_ask_decode(sl_view body, sl_ingest_ask *ret);

/* For commands: asks the site's ingest process and waits; `fd` -1: none goes with it. The answer is
 * appended. SL_E_UNAVAILABLE: the site is not up. */
SL_MUST sl_res sl_ingest_call(const char *site, sl_ingest_type type, const sl_ingest_ask *ask,
                              int fd, sl_buf *reply);
#endif
