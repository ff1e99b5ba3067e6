/* What commands ask of the release process at run/release.sock, and how they ask. One body for every request, of
 * fixed size. Descriptors travel with the packet: the file that wants to leave, or the one to write to. */
#ifndef SL_DOORS_RELEASE_PROTOCOL_H
#define SL_DOORS_RELEASE_PROTOCOL_H

#include "doors/commands.h"
#include "doors/release/door.h"

typedef enum {
    /* The file of a signed request is behind the descriptor. Answer: JSON of what is held, or of the failure. */
    SL_RELEASE_FILE = SL_IPC_TYPE_FIRST_FREE,
    /* A signed request for a sealed object: nothing comes with it. Answer: as above. */
    SL_RELEASE_OBJECT,
    /* JSON lines, one a release; of one compartment, of one id or its beginning. */
    SL_RELEASE_LIST,
    /* What is approved, into the empty file behind the descriptor. Answer: JSON with its digest. */
    SL_RELEASE_TAKE,
    /* The review copy of what somebody signed to read, into the empty file behind the descriptor, as JSON lines. Answer:
     * JSON. */
    SL_RELEASE_REVIEW,
    /* Ends what was turned down or whose time is over, now rather than within seconds; a failure only where the
     * release of the request's id is still to be ended. Answer: JSON. */
    SL_RELEASE_SETTLE,
    SL_RELEASE_TYPE_END,
} sl_release_type;

enum {
    SL_RELEASE_ID_BYTES = SL_UID_CHARS,
    SL_RELEASE_ASK_BYTES = 64 + SL_RELEASE_ID_BYTES + SL_RELEASE_SALT_BYTES + 256,
};

/* Fields that a request does not need are empty or zero. */
typedef struct {
    sl_name compartment;
    sl_uid id; /* of the release; its beginning for a list */
    uint8_t salt[SL_RELEASE_SALT_BYTES];
    char file_name[256]; /* NUL-terminated, without folder */
} sl_release_ask;

SL_MUST sl_res sl_release_ask_encode(const sl_release_ask *ask, sl_buf *out);
/* SL_E_SYNTAX: size, padding, a name or an id that is none. File names may hold anything. */
SL_MUST sl_res sl_release_ask_decode(sl_view body, sl_release_ask *ret);

/* For commands: asks the site's release process and waits; `fd` -1: none goes with it. The answer is
 * appended. SL_E_UNAVAILABLE: the site is not up. */
SL_MUST sl_res sl_release_call(const char *site, sl_release_type type, const sl_release_ask *ask,
                               int fd, sl_buf *reply);

#endif
