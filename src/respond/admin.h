/* The site's admin socket (run/admin.sock): what commands ask of the warden, and how they ask. Requests
 * about operators, compartments, grants and keys are those of vault/desk.h (numbers 64 on); the
 * warden's own stand here. New ones: a number here, a row in the table of wardend.c.
 * Opening acts are answered when their leaf is durable and folded; closing acts as soon as the valve
 * has turned and the journal holds it. */
#ifndef SL_RESPOND_ADMIN_H
#define SL_RESPOND_ADMIN_H

#include "base/ipc.h"
#include "vault/desk.h"

typedef enum {
    /* Nothing. Answer: JSON lines: one of the site, then one for each process. */
    SL_ADMIN_STATUS = SL_IPC_TYPE_FIRST_FREE,
    /* "SCOPE TARGET REASON": "compartment NAME why", "door ask why", "principal ID why", "site - why";
     * REASON is a word. Answer: JSON {"closed","epoch","turned_us"}. */
    SL_ADMIN_CLOSE,
    /* Nothing. Answer: nothing, then the site goes down. */
    SL_ADMIN_DOWN,
    /* An event that a command measured (a drill's end, a comparison with the register or the inventory, a
     * bill of materials' match, a loaded model: the table is in wardend_admin.c). It is that command's
     * word. Answer: nothing. */
    SL_ADMIN_TELL,
    /* "FROM_SIZE NOTE": a checkpoint that a witness of config.yml cosigned just now, and where its proof
     * began. Answer: nothing, when the leaf ledger.witnessed is durable. */
    SL_ADMIN_WITNESSED,
    /* "NAME" of a compartment: have the probe ask the keeper for its key, as a process that may not.
     * Answer: one byte, 1 if it got anything. */
    SL_ADMIN_PROBE,
    SL_ADMIN_WARDEN_END,
} sl_admin_warden_type;

enum { SL_ADMIN_WITNESSED_BYTES_MAX = 100 * 1024 };
enum { SL_ADMIN_CLOSE_BYTES_MAX = 256, SL_ADMIN_WAIT_MS_MAX = 30000 };

/* For commands: connect to the site's warden. SL_E_UNAVAILABLE: the site is not up. */
SL_MUST sl_res sl_warden_connect(const char *site, sl_ipc **ret_link);
/* Ask and wait; the answer's body is appended to `reply`. A failed answer comes back as its code. */
SL_MUST sl_res sl_warden_ask(const char *site, uint16_t type, sl_view body, sl_buf *reply);

#endif
