/* What the parts of the dialect of OpenAI responses share: openai_responses.c reads and decides, openai_responses_write.c
 * writes; nobody else includes it. */
#ifndef SL_DOORS_ASK_OPENAI_RESPONSES_H
#define SL_DOORS_ASK_OPENAI_RESPONSES_H

#include "doors/ask/dialect.h"

typedef enum { ITEM_NONE, ITEM_MESSAGE, ITEM_CALL, ITEM_DROPPED } sl_responses_item;
typedef enum { PART_NONE, PART_TEXT, PART_REFUSAL } sl_responses_part;

typedef struct {
    sl_responses_item item; /* the open item */
    sl_responses_part part; /* the open part of the open message */
    bool fed;               /* the open part or call has been given text */
    bool started;           /* response.created was said */
    bool finished;          /* the last event was said */
    uint64_t theirs;        /* the model server's number of the open item */
    uint32_t items_n;       /* items shown and closed: the number of the open one */
    uint32_t parts_n;       /* likewise, of parts in the open message */
    uint32_t texts_n;       /* likewise, of parts in all messages */
    uint32_t calls_n;       /* likewise, of function calls */
    uint64_t sequence;      /* of the next event */
    uint64_t committed;     /* of the first event that the door may still take back */
    /* Released text only. Closed parts and items are JSON, joined by commas. */
    sl_buf text;
    sl_buf tokens; /* log-probabilities of `text`, likewise JSON */
    sl_buf parts;
    sl_buf items;
} sl_responses;

/* A response as a whole, as some events and the whole answer say it. */
typedef struct {
    const char *status;
    const char *reason;        /* of an incomplete response, or NULL */
    const sl_ask_error *error; /* of a failed one, or NULL */
    const sl_buf *items;       /* or NULL */
} sl_responses_whole;

/* A part's object; `text` NULL: nothing of it yet. */
void sl_responses_put_part(sl_responses_part kind, const sl_buf *text, const sl_buf *tokens,
                           sl_json_writer *w);
/* The open item, with the parts or arguments given. */
void sl_responses_put_item(const sl_answer *a, const sl_responses *m, const char *status,
                           const sl_buf *content, sl_json_writer *w);
void sl_responses_put_response(const sl_answer *a, const sl_responses_whole *r, sl_json_writer *w);

/* Events, each a whole server-sent one. `sequence` counts them all. */
SL_MUST sl_res sl_responses_put_response_event(const sl_answer *a, uint64_t sequence,
                                               const char *type, const sl_responses_whole *r,
                                               sl_buf *out);
SL_MUST sl_res sl_responses_put_text_event(const sl_answer *a, sl_responses *m, const char *type,
                                           const char *member, const sl_buf *text,
                                           const sl_buf *tokens, sl_buf *out);
SL_MUST sl_res sl_responses_put_part_event(const sl_answer *a, sl_responses *m, const char *type,
                                           const sl_buf *text, const sl_buf *tokens, sl_buf *out);
SL_MUST sl_res sl_responses_put_item_event(const sl_answer *a, sl_responses *m, const char *type,
                                           const char *status, const sl_buf *content, sl_buf *out);

#endif
