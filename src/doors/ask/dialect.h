/* An API dialect: how its requests look, how its answers are taken apart and put together again,
 * and how it says no. One file per dialect; the door knows them only through this table.
 *
 * A dialect must never pass bytes of the model server: it gives text to sl_answer, takes back what
 * may leave, and writes its own events around it. Pure. ARCHITECTURE.md section 4. */
#ifndef SL_DOORS_ASK_DIALECT_H
#define SL_DOORS_ASK_DIALECT_H

#include "doors/ask/answer.h"
#include "doors/ask/row.h"
#include "doors/ask/shape.h"

/* A refusal or failure, in our words only. */
typedef struct {
    sl_res res;
    unsigned status;     /* HTTP */
    const char *field;   /* literal: the member or feature concerned, or NULL */
    const char *receipt; /* "origin/index" or NULL */
} sl_ask_error;

struct sl_ask_dialect {
    const char *name;          /* "openai.chat", as in leaves */
    const char *path;          /* "/v1/chat/completions" */
    const char *method;        /* "POST" */
    const char *upstream_path; /* behind the upstream's name */
    const sl_ask_shape *shape; /* of the request; NULL for GET */
    const char *history;       /* the request's member that a client repeats from turn to turn */
    /* What an event says about running texts; NULL where no two stand side by side in an answer.
     * Its text is decoded into the answer's event arena. */
    sl_res (*hear)(sl_answer *a, const sl_json_doc *doc, sl_ask_heard *ret_heard);
    bool begin_ends; /* a text that begins ends the one that runs; else that is an error */
    /* Take one event of a stream, an object, or NULL for "[DONE]"; append what may leave now as
     * events of ours. */
    sl_res (*event)(sl_answer *a, const sl_json_doc *doc, sl_buf *out);
    /* Take a whole answer; append the whole body of ours. */
    sl_res (*whole)(sl_answer *a, const sl_json_doc *doc, sl_buf *out);
    /* The answer is over (finished or cut): append how a stream ends, also for choices that were
     * cut from outside and have not said so yet. */
    sl_res (*close)(sl_answer *a, sl_buf *out);
    /* The stream broke: append the dialect's error event. What earlier calls appended since the
     * answer was over has not left and will not. */
    sl_res (*broken)(const sl_answer *a, const sl_ask_error *error, sl_buf *out);
    /* The body of an error answer. */
    sl_res (*error)(const sl_ask_error *error, sl_buf *out);
};

extern const sl_ask_dialect sl_ask_openai_chat;
extern const sl_ask_dialect sl_ask_openai_completions;
extern const sl_ask_dialect sl_ask_openai_embeddings;
extern const sl_ask_dialect sl_ask_openai_responses;
extern const sl_ask_dialect sl_ask_anthropic_messages;

/* Which dialect serves this path; NULL when none does. */
const sl_ask_dialect *sl_ask_dialect_for(sl_view path);
/* All of them, for tests and lists. */
const sl_ask_dialect *const *sl_ask_dialects(size_t *ret_count);

/* Shared by the OpenAI dialects. */
sl_res sl_ask_openai_error(const sl_ask_error *error, sl_buf *out);
sl_res sl_ask_openai_broken(const sl_answer *a, const sl_ask_error *error, sl_buf *out);
/* Usage in the names of OpenAI's older APIs, and the number of a choice that was asked for. */
void sl_ask_openai_take_usage(sl_answer *a, const sl_json_doc *doc);
void sl_ask_openai_put_usage(const sl_answer *a, sl_json_writer *w);
SL_MUST sl_res sl_ask_openai_choice(const sl_answer *a, const sl_json_doc *doc,
                                    const sl_json_node *choice, uint32_t *ret_number);
/* Ends the object of a server-sent event and the event. */
SL_MUST sl_res sl_ask_event_end(sl_buf *out, sl_json_writer *w);
/* Does the document say that the model server failed (an "error" member at its root)? */
bool sl_ask_says_error(const sl_json_doc *doc);
/* Read an unsigned count at `name`, 0 when absent or not a count. */
uint64_t sl_ask_count(const sl_json_doc *doc, const sl_json_node *object, const char *name);
/* The member when it is of this kind, NULL when it is absent or null; SL_E_TYPE when it is anything
 * else. */
SL_MUST sl_res sl_ask_member_kind(const sl_json_doc *doc, const sl_json_node *object,
                                  const char *name, sl_json_kind kind,
                                  const sl_json_node **ret_member);
/* Decode a member's string into the answer's event arena; false when absent or null.
 * Fails with SL_E_TYPE when it is neither a string nor null. */
SL_MUST sl_res sl_ask_member_text(sl_answer *a, const sl_json_doc *doc, const sl_json_node *object,
                                  const char *name, bool *ret_has, sl_view *ret_text);

#endif
