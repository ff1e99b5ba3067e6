/* Reading pickle opcodes, one at a time, forward, with their arguments' places. What an opcode does
 * is pickle.c's business; how it reads is here alone, so that the machine and the explanation of a
 * file can never disagree about where an opcode ends. */
#ifndef SL_ARTEFACT_PICKLE_READ_H
#define SL_ARTEFACT_PICKLE_READ_H

#include "artefact/source.h"

typedef struct {
    sl_source *source; /* borrowed */
    uint64_t at;       /* of the next opcode */
    uint64_t end;      /* of the artefact */
    sl_view window;    /* what is at hand, from `base` on */
    uint64_t base;
} sl_pickle_reader;

/* An argument longer than this is passed over and not shown. */
#define SL_PICKLE_SHOWN_MAX ((size_t)64 << 10)

typedef struct {
    uint64_t at;     /* of the opcode */
    uint64_t data;   /* of the argument's bytes, behind a length prefix */
    uint64_t n;      /* of the argument's bytes; a line without its newline */
    uint64_t number; /* a fixed argument, little-endian */
    sl_view shown;   /* the bytes, if at most SL_PICKLE_SHOWN_MAX; until the next call */
    sl_view second;  /* GLOBAL, INST: `shown` is the module's line, this the name's */
    uint8_t code;
} sl_pickle_op;

sl_pickle_reader sl_pickle_read_from(sl_source *source, uint64_t at);
/* The next opcode. SL_E_TRUNCATED (ends within it; its argument is longer than what is left: then
 * with the field "length"), SL_E_SYNTAX (no opcode), SL_E_LIMIT (a line beyond a window). On failure
 * `at` stays at the opcode. */
SL_MUST sl_res sl_pickle_next(sl_pickle_reader *reader, sl_pickle_op *ret_op);
/* To be called after the source was read elsewhere: the window is gone. */
static inline void sl_pickle_window_lost(sl_pickle_reader *reader)
{
    reader->window = (sl_view){ 0 };
}

/* "REDUCE", or NULL: no opcode. */
const char *sl_pickle_op_name(uint8_t code);

#endif
