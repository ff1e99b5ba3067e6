/* The ledger's files within a site: where they are, how they are opened.
 *
 *     ledger/vkey                the verifier key: origin, key id, public key
 *     ledger/{wal,checkpoint,tile}
 *     ledger/outside/NAME        checkpoints kept by others (witnesses); opening compares with them
 *    state/ledgerd/ledger.key   the signing key, mode 0600
 */
#ifndef SL_LEDGER_SITE_H
#define SL_LEDGER_SITE_H

#include "ledger/log.h"

#define SL_LEDGER_KEY_PATH "state/ledgerd/ledger.key"
enum { SL_LEDGER_OUTSIDE_MAX = 32 };

/* Open files of a ledger that is about to be written. */
typedef struct {
    int dir_fd;
    sl_disk_dir disk;
    sl_sign_key key;
    sl_vkey vkey;
    sl_buf outside[SL_LEDGER_OUTSIDE_MAX];
    size_t outside_n;
    int lock_fd;
} sl_ledger_files;

void sl_ledger_files_close(sl_ledger_files *files);

/* Opens directory, key and verifier key, which must belong together, and reads the checkpoints from
 * outside. Takes the lock: a second writer gets SL_E_UNAVAILABLE. */
SL_MUST sl_res sl_ledger_files_open(const char *ledger_dir, const char *key_path,
                                    sl_ledger_files *ret);

/* Opens the log in them; `files` must stay as long as the log. */
SL_MUST sl_res sl_ledger_open(sl_ledger_files *files, sl_tlog **ret, sl_tlog_report *ret_report);

#endif
