/* What the site's witnesses say of its ledger, and what is to be done about it: the courier's reports
 * come in, leaves and cosigned checkpoints go out. Pure: sizes, roots and time are arguments.
 *
 * A cosignature is believed under the witness's own key and the log's. A refusal closes the site by way
 * of its leaf; the courier's word is enough for that, since it can only close. Nobody to ask is neither
 * good nor bad: a leaf without `ok`, which leaves the check `ledger.consistent` unknown. */
#ifndef SL_LEDGER_WITNESSING_H
#define SL_LEDGER_WITNESSING_H

#include "base/site_config.h"
#include "ledger/checkpoint.h"

/* A cosignature bears the witness's time; further from ours than this it shows nothing. */
#define SL_WITNESS_APART_S_MAX ((uint64_t)600)
/* The same state is said again after this time. */
#define SL_WITNESS_SAY_MS ((uint64_t)15 * 60 * 1000)

typedef enum {
    SL_WITNESS_UNASKED,
    SL_WITNESS_COSIGNED,
    SL_WITNESS_UNREACHABLE,
    SL_WITNESS_REFUSED,
} sl_witness_word;

typedef struct {
    sl_vkey key;
    bool by_hand; /* the site does not ask it */
    bool is_self; /* the log's own key: no witness */
    sl_witness_word word;
    uint64_t kept; /* size of the newest checkpoint it cosigned */
} sl_witness_seat;

typedef struct {
    sl_vkey log;
    size_t count;
    sl_witness_seat seats[SL_CONFIG_WITNESSES_MAX];
    sl_witness_word said;
    uint64_t said_ms;
} sl_witnessing;

/* Reads config.yml's witnesses. Errors: SL_E_CONFIG (a key that is not one). */
SL_MUST sl_res sl_witnessing_init(sl_witnessing *w, const sl_vkey *log,
                                  const sl_config_witness *witnesses, size_t count);

typedef struct {
    uint32_t witness; /* its number in config.yml */
    int32_t code;     /* sl_code of the asking; SL_OK: cosigned */
    uint64_t seen;    /* the size it had seen before */
    sl_view note;     /* SL_OK: the checkpoint with its cosignature */
} sl_witness_report;

SL_MUST sl_res sl_witness_report_read(sl_view body, sl_witness_report *ret);
SL_MUST sl_res sl_witness_report_add(const sl_witness_report *report, sl_buf *out);

/* Takes in one report. `event` gets the leaf to write, or stays empty; `ret_keep` is true when the note
 * is the newest of this witness and is to be kept. Errors: SL_E_ROLLBACK, SL_E_INTEGRITY: by the first
 * word of a witness in this life the ledger is not the one that it saw: it must not be written on.
 * SL_E_RANGE: a number that no witness has. */
SL_MUST sl_res sl_witnessing_take(sl_witnessing *w, const sl_witness_report *report, uint64_t size,
                                  const sl_digest *root, uint64_t now_ms, sl_buf *event,
                                  bool *ret_keep);

#endif
