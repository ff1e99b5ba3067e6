/* Texts of an answer that are read as one: blocks, parts and items of one kind in a row.
 *
 * A text that ends may have a neighbour, and something may be split over the two. So its ending, and
 * all that follows, is held until something comes that no longer belongs to the row; then the texts are
 * looked at together (seams.h), what was found is noted at the texts concerned, and the held events are
 * taken as if they came now. While one text runs nothing is held for this: a row costs its latency only
 * where there are two. What leaves is a function of the text (P2): the row ends where it ends, however it
 * was cut into events. It must never pass a held event that was not looked at with its neighbours.
 * Design: README.md here. */
#ifndef SL_DOORS_ASK_ROW_H
#define SL_DOORS_ASK_ROW_H

#include "base/json.h"
#include "doors/ask/answer.h"

enum { SL_ROW_TEXTS_MAX = 128 };

typedef enum {
    SL_HEARD_OTHER,   /* ends a row */
    SL_HEARD_PASSING, /* says nothing that is read */
    SL_HEARD_BEGIN,   /* a running text of `kind` begins */
    SL_HEARD_TEXT,    /* a piece of it */
    SL_HEARD_REPEAT,  /* all of it again: counts when no piece came before */
    SL_HEARD_END,     /* the running text, if one is open, has ended */
    SL_HEARD_DROPPED, /* something begins that is dropped whatever it says */
    SL_HEARD_OVER,    /* it has ended, or the running text has */
} sl_heard_what;

typedef struct {
    sl_heard_what what;
    sl_channel kind;
    sl_view text;
} sl_ask_heard;

typedef struct sl_row sl_row;
void sl_row_free(sl_row *row);

typedef struct sl_ask_dialect sl_ask_dialect;

/* Take one event of a stream by its data; append what may leave now. Fails as the dialect does;
 * SL_E_SYNTAX and the parser's errors; SL_E_LIMIT (a row beyond its limits). */
SL_MUST sl_res sl_row_event(sl_answer *a, const sl_ask_dialect *dialect, sl_view data, sl_buf *out);
/* The stream has ended: take what is held. */
SL_MUST sl_res sl_row_flush(sl_answer *a, const sl_ask_dialect *dialect, sl_buf *out);

/* For whole answers, before any text is fed: the next running text of `kind`, in order, and where a row
 * of them ends. Empty texts do not count. The text may stand in the event arena, which is freed. */
SL_MUST sl_res sl_row_add(sl_answer *a, sl_channel kind, sl_view text);
SL_MUST sl_res sl_row_end(sl_answer *a);

#endif
