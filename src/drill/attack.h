/* How drills attack: over HTTP as any client would, and on the files that an intruder would change.
 * Nothing here knows what the site does about it. */
#ifndef SL_DRILL_ATTACK_H
#define SL_DRILL_ATTACK_H

#include "base/bytes.h"

typedef struct {
    const char *url;   /* of the front: "http://127.0.0.1:8443" */
    const char *key;   /* the API key in use; given or "stolen" */
    const char *model; /* that is asked for */
} sl_attack_target;

#define SL_ATTACK_ID_MAX ((size_t)64)

typedef struct {
    long status;                   /* HTTP */
    char id[SL_ATTACK_ID_MAX + 1]; /* X-Request-Id, as everybody is told; empty if there was none */
} sl_attack_reply;

/* One streamed chat request. The text of the answer (decoded, without its wrapping) is appended to
 * `answer`. Errors: SL_E_UNAVAILABLE (no answer at all). An answer that ends early is an answer. */
SL_MUST sl_res sl_attack_chat(const sl_attack_target *target, const char *prompt, sl_buf *answer,
                              sl_attack_reply *ret_reply);

/* Does the text hold the value, letters and digits compared alone and without case? */
bool sl_attack_holds(sl_view text, sl_view value);

/* Flips one bit of the file; doing it again puts it back. */
SL_MUST sl_res sl_attack_flip(const char *path, uint64_t offset);
/* Copies a directory of files and folders (regular files only). SL_E_EXISTS. */
SL_MUST sl_res sl_attack_copy_tree(const char *from, const char *to);

#endif
