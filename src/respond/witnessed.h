/* What a witness signed, as the warden takes it from a command: checked, then an event.
 * A command's word counts for nothing here: the checkpoint must bear the site's own signature and
 * that of a witness named in config.yml, just given. Cosignatures: C2SP tlog-cosignature. */
#ifndef SL_RESPOND_WITNESSED_H
#define SL_RESPOND_WITNESSED_H

#include "crypto/note.h"

/* An older or newer cosignature is not evidence of now. */
enum { SL_WITNESSED_AGE_S_MAX = 300 };

/* `body`: "FROM_SIZE NOTE", where the witness's proof began and the cosigned checkpoint. Appends the
 * event ledger.witnessed with ok true. Errors: SL_E_SYNTAX, SL_E_SIGNATURE (not our checkpoint),
 * SL_E_DENIED (cosigned by no witness of the configuration, or by ourselves), SL_E_RANGE (sizes, or
 * the time of the cosignature), SL_E_LIMIT. */
SL_MUST sl_res sl_witnessed(sl_view body, const sl_vkey *log, const sl_view *witnesses,
                            size_t witness_count, int64_t now_s, sl_buf *ret_event);

#endif
