/* The answer of a model server on its way out: its channels and how far each may be released.
 *
 * A channel is one text that a reader will put together: the content, refusal, reasoning or one
 * tool call's arguments of one choice. Running text goes through a release frontier
 * (detect/stream.h). The arguments of a tool call are of no use before they are whole, so they are
 * held whole, read as JSON, inspected string by string and written anew.
 *
 * Nothing of what the model server sent is passed as bytes: ids, names and numbers are ours or are
 * checked. Pure: what leaves is a function of the events so far. ARCHITECTURE.md section 4. */
#ifndef SL_DOORS_ASK_ANSWER_H
#define SL_DOORS_ASK_ANSWER_H

#include "base/arena.h"
#include "base/json.h"
#include "detect/flow.h"
#include "detect/stream.h"
#include "doors/ask/logprobs.h"
#include "doors/ask/shape.h"

enum {
    SL_ASK_CHANNELS_MAX = 160, /* of one answer */
    SL_ASK_ID_CHARS = 32,
};

/* Why a choice ended early. */
typedef enum {
    SL_CUT_NONE,
    SL_CUT_FINDING, /* a detector and the policy */
    SL_CUT_TOOL,    /* a call of a tool that the request did not declare */
    SL_CUT_VALVE,   /* a valve closed */
    SL_CUT_LIMIT,   /* more text than the door allows */
    SL_CUT_CONTROL, /* a character that no reader sees */
    SL_CUT_FLOW, /* a call, a link or an image made of what only untrusted text said: `cut_rule` */
} sl_cut_reason;
const char *sl_cut_reason_name(sl_cut_reason reason);

typedef struct {
    /* All borrowed for the answer's life. */
    const sl_detect *detect;
    sl_scratch *scratch;
    const sl_policy *policy;
    sl_pseudonyms *pseudonyms;
    sl_view purpose;
    uint32_t features;            /* granted, bit by sl_ask_feature */
    sl_view model;                /* the name the client asked for */
    const sl_ask_facts *request;  /* choices, declared tools, what was asked */
    const sl_view *restore_tools; /* tools whose arguments get originals back */
    size_t restore_tools_n;
    char id[SL_ASK_ID_CHARS + 1]; /* of the crossing, in hex */
    int64_t created_s;            /* Unix time */
    size_t text_bytes_max;        /* of one channel */
    const sl_flow *flow;          /* where the request's texts came from; or NULL */
} sl_answer_options;

/* What one choice has come to. */
typedef struct {
    bool started;
    bool ended; /* finished or cut: nothing more is taken for it */
    bool cut;
    uint32_t tools_n; /* tool calls begun */
} sl_answer_choice;

typedef struct sl_answer_channel sl_answer_channel;

/* A finding for a text that has not begun yet: the text number `text` of its channel's kind. */
typedef struct {
    sl_channel kind;
    uint32_t text;
    sl_finding finding;
} sl_answer_note;

typedef struct sl_answer {
    sl_answer_options options;
    sl_answer_choice choices[SL_ASK_CHOICES_MAX];
    sl_logprobs logprobs[SL_ASK_CHOICES_MAX]; /* of each choice's content */
    sl_answer_channel *channels[SL_ASK_CHANNELS_MAX];
    size_t channels_n;
    bool done; /* the model server said that this is all */
    bool has_usage;
    uint64_t prompt_tokens;
    uint64_t completion_tokens;
    uint64_t wire_state; /* what a dialect must remember between events */
    void *wire;          /* likewise, more than fits above; owned, freed by wire_free */
    void (*wire_free)(void *wire);
    /* The first cut. */
    sl_cut_reason cut_reason;
    sl_finding cut_cause;
    sl_channel cut_channel;
    uint64_t cut_offset;
    const char *cut_rule; /* id of the flow rule, as long as the rules live */
    sl_arena event;       /* decoded strings of the event in hand */
    /* Running texts begun so far, by kind, and what is known of those to come. */
    uint32_t texts_n[SL_CHANNEL_COUNT];
    sl_answer_note *notes;
    size_t notes_n;
    size_t notes_cap;
    struct sl_row *row; /* texts that are read as one (row.h); NULL until there is one */
} sl_answer;

/* Totals over all channels, for the outcome leaf. */
typedef struct {
    uint64_t bytes_seen;
    uint64_t bytes_released;
    uint64_t bytes_too_late;
    uint64_t transforms;
    uint64_t restored;
    uint32_t by_class[SL_CLASS_COUNT];
} sl_answer_total;

void sl_answer_init(sl_answer *a, const sl_answer_options *options);
void sl_answer_free(sl_answer *a);

/* Give the next piece of a channel; what may now leave is appended to `released` (whole UTF-8
 * characters). `part` tells texts of one kind apart within a choice (tool calls, blocks). A verdict
 * that cuts ends the choice: then `choices[choice].cut` is set, and later pieces are dropped.
 * Fails: SL_E_RANGE (a choice that was not asked for), SL_E_LIMIT (too many channels). */
SL_MUST sl_res sl_answer_feed(sl_answer *a, sl_channel kind, uint32_t choice, uint32_t part,
                              sl_view piece, sl_buf *released);

/* The channel's text is complete: append the rest that may leave. */
SL_MUST sl_res sl_answer_end(sl_answer *a, sl_channel kind, uint32_t choice, uint32_t part,
                             sl_buf *released);
/* Note a finding, offsets in that text, for the running text number `text` of its kind in this
 * answer, which may have begun (then it must be the newest) or not. */
SL_MUST sl_res sl_answer_note_finding(sl_answer *a, const sl_answer_note *note);
/* The stream of the newest running text of a kind; NULL when there is none. Borrowed. */
sl_stream *sl_answer_newest(const sl_answer *a, sl_channel kind);

/* Up to where the channel's text has left exactly as it came. */
uint64_t sl_answer_plain(const sl_answer *a, sl_channel kind, uint32_t choice, uint32_t part);

/* A tool call begins: `part` is its number in the choice, `name` the tool's. A name that the
 * request did not declare cuts the choice. The name is kept for sl_answer_tool_name. */
SL_MUST sl_res sl_answer_tool(sl_answer *a, uint32_t choice, uint32_t part, sl_view name);
sl_view sl_answer_tool_name(const sl_answer *a, uint32_t choice, uint32_t part);

/* End a choice from outside; held text is dropped, never flushed. */
void sl_answer_cut(sl_answer *a, uint32_t choice, sl_cut_reason reason);
void sl_answer_cut_all(sl_answer *a, sl_cut_reason reason);

/* Have all choices ended? */
bool sl_answer_over(const sl_answer *a);
/* The strongest verdict so far. */
sl_verdict sl_answer_verdict(const sl_answer *a);
void sl_answer_sum(const sl_answer *a, sl_answer_total *ret_total);

#endif
