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
/* Bytes of each opcode that has no argument or a fixed one; 0: it is another. */
extern const uint8_t sl_pickle_fixed[256];
extern const uint64_t sl_pickle_masks[10]; /* of the argument, by these bytes */

/* The common opcodes when they stand whole in the window; false: ask sl_pickle_next. One table and no
 * branch for all fixed ones, since dense streams are read at a few nanoseconds an opcode. */
static inline bool sl_pickle_at_hand(sl_pickle_reader *r, sl_pickle_op *op)
{
    size_t in = (size_t)(r->at - r->base);
    if (r->window.n < 16 || in > r->window.n - 16) {
        return false;
    }
    const uint8_t *p = r->window.p + in;
    size_t bytes = sl_pickle_fixed[p[0]];
    op->code = p[0];
    op->at = r->at;
    if (bytes != 0) {
        op->number = sl_get_le64(p + 1) & sl_pickle_masks[bytes];
        r->at += bytes;
        return true;
    }
    if (p[0] != 0x8c || p[1] > r->window.n - in - 2) { /* SHORT_BINUNICODE */
        return false;
    }
    op->n = p[1];
    op->data = r->at + 2;
    op->shown = (sl_view){ p + 2, p[1] };
    r->at += 2 + (uint64_t)p[1];
    return true;
}

/* To be called after the source was read elsewhere: the window is gone. */
static inline void sl_pickle_window_lost(sl_pickle_reader *reader)
{
    reader->window = (sl_view){ 0 };
}

/* "REDUCE", or NULL: no opcode. */
const char *sl_pickle_op_name(uint8_t code);

#endif
