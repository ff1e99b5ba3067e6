/* What the writing and the reading of events share, for event.c and event_read.c alone. */
#ifndef SL_LEDGER_EVENT_INTERNAL_H
#define SL_LEDGER_EVENT_INTERNAL_H

#include "ledger/event.h"

/* 2^53 - 1: integers beyond it are not exact in every reader of JSON (RFC 8785). */
#define SL_EVENT_INTEGER_MAX INT64_C(9007199254740991)

/* Ids and words: letters, digits and a few marks that need no escape anywhere. */
bool sl_event_is_id(sl_view v);
/* An id, and one of `values` where there are any. */
bool sl_event_is_word(sl_view v, const char *const *values);
SL_MUST sl_res sl_event_bad_field(const sl_field_def *f, sl_code code);

#endif
