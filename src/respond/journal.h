/* The warden's journal: closing acts that the ledger does not hold yet. A valve turns first; its event
 * is written here before anything else happens, and appended to the ledger as soon as that answers.
 * What a crash leaves behind is appended again at the next start: at least once, never lost. */
#ifndef SL_RESPOND_JOURNAL_H
#define SL_RESPOND_JOURNAL_H

#include "base/bytes.h"

typedef struct {
    int fd; /* -1: closed */
    uint64_t end;
    uint64_t waiting; /* records not known to be in the ledger */
} sl_journal;

/* A record found at the start. A failure ends the reading. */
typedef sl_res (*sl_journal_found)(void *context, sl_view event);

/* Opens (or makes) the file below `dir_fd` and tells every whole record in it, oldest first. A torn
 * last record is cut off: its act was never reported as done. */
SL_MUST sl_res sl_journal_open(int dir_fd, const char *name, sl_journal *ret,
                               sl_journal_found found, void *context);
void sl_journal_close(sl_journal *journal);

/* Writes one event and makes it durable. */
SL_MUST sl_res sl_journal_add(sl_journal *journal, sl_view event);
/* One of the records is in the ledger. When none waits any more the file is emptied. */
SL_MUST sl_res sl_journal_done(sl_journal *journal);

#endif
