/* Anthropic messages, streamed and whole.
 *
 * An answer is a row of content blocks: text goes through a release frontier; a tool's input is
 * held until its block ends and written anew. Thinking leaves where it is granted, through a frontier of
 * its own and without its signature, which vouches for bytes that the door may have to change; else it
 * is dropped. A cut ends the message with the stop reason `refusal`.
 * Reference: Anthropic API, "Messages" and "Streaming messages". Design: dialect.h. */
#include "doors/ask/dialect.h"
#include "doors/ask/requests.h"

enum { BLOCKS_MAX = 64, THEIR_BLOCKS_MAX = 0xFFFF };

/* ---- answers ----
 * wire_state: the kind of the open block in bits 0..7, the number of our next block in bits 8..23,
 * the number of the model server's open block in bits 24..39, flags above. */

typedef enum { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL, BLOCK_DROPPED } block_kind;

/* How the blocks that hold running text are said. */
typedef struct {
    sl_channel channel;
    const char *type;
    const char *delta;
    const char *member;
} text_words;

static const text_words words_of[] = {
    [BLOCK_TEXT] = { SL_CHANNEL_ANSWER, "text", "text_delta", "text" },
    [BLOCK_THINKING] = { SL_CHANNEL_REASONING, "thinking", "thinking_delta", "thinking" },
    [BLOCK_TOOL] = { SL_CHANNEL_TOOL_ARGUMENTS, "tool_use", "input_json_delta", "partial_json" },
};

static bool runs(block_kind kind)
{
    return kind == BLOCK_TEXT || kind == BLOCK_THINKING;
}

static bool may_think(const sl_answer *a)
{
    return (a->options.features >> SL_FEATURE_THINKING & 1U) != 0;
}

/* What becomes of a block of the model server's; BLOCK_NONE when it does not say what it is. */
static block_kind kind_of(const sl_answer *a, const sl_json_node *type)
{
    return type == NULL                                        ? BLOCK_NONE
           : sl_json_text_is(type, "text")                     ? BLOCK_TEXT
           : sl_json_text_is(type, "tool_use")                 ? BLOCK_TOOL
           : sl_json_text_is(type, "thinking") && may_think(a) ? BLOCK_THINKING
                                                               : BLOCK_DROPPED;
}

#define SAID_START ((uint64_t)1 << 40)
#define SAID_STOP ((uint64_t)1 << 41)

static block_kind open_kind(const sl_answer *a)
{
    return (block_kind)(a->wire_state & 0xFF);
}

static uint32_t block_number(const sl_answer *a)
{
    return (uint32_t)(a->wire_state >> 8 & 0xFFFF);
}

static uint32_t their_number(const sl_answer *a)
{
    return (uint32_t)(a->wire_state >> 24 & 0xFFFF);
}

static void set_block(sl_answer *a, block_kind kind, uint32_t number, uint32_t theirs)
{
    a->wire_state = (a->wire_state & ~(uint64_t)0xFFFFFFFFFF) | (uint64_t)kind |
                    (uint64_t)number << 8 | (uint64_t)theirs << 24;
}

static sl_res event_begin(const char *name, sl_buf *out, sl_json_writer *w)
{
    SL_TRY(sl_buf_addf(out, "event: %s\ndata: ", name));
    sl_json_writer_init(w, out);
    sl_json_object_begin(w);
    sl_json_put_str(w, "type", name);
    return SL_DONE;
}

/* The members of a message before its content. */
static void put_message_head(const sl_answer *a, sl_json_writer *w)
{
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 64 };
    if (sl_ok(sl_buf_addf(&id, "msg_%s", a->options.id))) {
        sl_json_put_string(w, "id", sl_buf_view(&id));
    }
    sl_json_put_str(w, "type", "message");
    sl_json_put_str(w, "role", "assistant");
    sl_json_put_string(w, "model", a->options.model);
}

static void put_usage(const sl_answer *a, sl_json_writer *w)
{
    sl_json_key(w, "usage");
    sl_json_object_begin(w);
    sl_json_put_uint(w, "input_tokens", a->prompt_tokens);
    sl_json_put_uint(w, "output_tokens", a->completion_tokens);
    sl_json_object_end(w);
}

static sl_res put_start(sl_answer *a, sl_buf *out)
{
    sl_json_writer w;
    if ((a->wire_state & SAID_START) != 0) {
        return SL_DONE;
    }
    a->wire_state |= SAID_START;
    SL_TRY(event_begin("message_start", out, &w));
    sl_json_key(&w, "message");
    sl_json_object_begin(&w);
    put_message_head(a, &w);
    sl_json_key(&w, "content");
    sl_json_array_begin(&w);
    sl_json_array_end(&w);
    sl_json_key(&w, "stop_reason");
    sl_json_null(&w);
    sl_json_key(&w, "stop_sequence");
    sl_json_null(&w);
    put_usage(a, &w);
    sl_json_object_end(&w);
    return sl_ask_event_end(out, &w);
}

static sl_res put_tool_id(const sl_answer *a, uint32_t number, sl_json_writer *w)
{
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 64 };
    SL_TRY(sl_buf_addf(&id, "toolu_%.16s_%u", a->options.id, number));
    sl_json_put_string(w, "id", sl_buf_view(&id));
    return SL_DONE;
}

static sl_res put_block_start(sl_answer *a, block_kind kind, uint32_t number, sl_buf *out)
{
    sl_json_writer w;
    SL_TRY(event_begin("content_block_start", out, &w));
    sl_json_put_uint(&w, "index", number);
    sl_json_key(&w, "content_block");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "type", words_of[kind].type);
    if (runs(kind)) {
        sl_json_put_str(&w, words_of[kind].member, "");
        if (kind == BLOCK_THINKING) {
            sl_json_put_str(&w, "signature", "");
        }
    } else {
        SL_TRY(put_tool_id(a, number, &w));
        sl_json_put_string(&w, "name", sl_answer_tool_name(a, 0, number));
        sl_json_key(&w, "input");
        sl_json_object_begin(&w);
        sl_json_object_end(&w);
    }
    sl_json_object_end(&w);
    return sl_ask_event_end(out, &w);
}

static sl_res put_block_delta(block_kind kind, uint32_t number, sl_view text, sl_buf *out)
{
    sl_json_writer w;
    if (text.n == 0) {
        return SL_DONE;
    }
    SL_TRY(event_begin("content_block_delta", out, &w));
    sl_json_put_uint(&w, "index", number);
    sl_json_key(&w, "delta");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "type", words_of[kind].delta);
    sl_json_put_string(&w, words_of[kind].member, text);
    sl_json_object_end(&w);
    return sl_ask_event_end(out, &w);
}

static sl_res put_block_stop(uint32_t number, sl_buf *out)
{
    sl_json_writer w;
    SL_TRY(event_begin("content_block_stop", out, &w));
    sl_json_put_uint(&w, "index", number);
    return sl_ask_event_end(out, &w);
}

/* The open block is complete: what was held of it leaves, or the message is cut. A tool's block is
 * shown only now, so that a cut call never was. */
static sl_res end_block(sl_answer *a, sl_buf *out)
{
    block_kind kind = open_kind(a);
    uint32_t number = block_number(a);
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 64 * SL_MIB };
    if (runs(kind)) {
        SL_TRY(sl_answer_end(a, words_of[kind].channel, 0, number, &freed));
        SL_TRY(put_block_delta(kind, number, sl_buf_view(&freed), out));
        SL_TRY(put_block_stop(number, out));
    } else if (kind == BLOCK_TOOL) {
        SL_TRY(sl_answer_end(a, SL_CHANNEL_TOOL_ARGUMENTS, 0, number, &freed));
        if (!a->choices[0].cut) {
            SL_TRY(put_block_start(a, kind, number, out));
            SL_TRY(put_block_delta(kind, number, sl_buf_view(&freed), out));
            SL_TRY(put_block_stop(number, out));
        }
    }
    set_block(a, BLOCK_NONE, kind == BLOCK_DROPPED || kind == BLOCK_NONE ? number : number + 1, 0);
    return SL_DONE;
}

static sl_res begin_block(sl_answer *a, const sl_json_doc *doc, uint32_t theirs, sl_buf *out)
{
    const sl_json_node *block =
        sl_json_get_kind(doc, sl_json_root(doc), "content_block", SL_JSON_OBJECT);
    const sl_json_node *type = sl_json_get_kind(doc, block, "type", SL_JSON_STRING);
    uint32_t number = block_number(a);
    block_kind kind = kind_of(a, type);
    SL_NEED(kind != BLOCK_NONE && open_kind(a) == BLOCK_NONE && number < BLOCKS_MAX, SL_E_SYNTAX);
    SL_NEED(theirs <= THEIR_BLOCKS_MAX, SL_E_RANGE);
    set_block(a, kind, number, theirs);
    if (kind == BLOCK_TOOL) {
        bool has = false;
        sl_view name;
        SL_TRY(sl_ask_member_text(a, doc, block, "name", &has, &name));
        SL_NEED(has, SL_E_MISSING_FIELD);
        return sl_answer_tool(a, 0, number, name);
    }
    return runs(kind) ? put_block_start(a, kind, number, out) : SL_DONE;
}

static sl_res take_delta(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *delta = sl_json_get_kind(doc, sl_json_root(doc), "delta", SL_JSON_OBJECT);
    block_kind kind = open_kind(a);
    bool has = false;
    sl_view text;
    SL_NEED(delta != NULL && kind != BLOCK_NONE, SL_E_SYNTAX);
    if (kind == BLOCK_DROPPED) {
        return SL_DONE;
    }
    SL_TRY(sl_ask_member_text(a, doc, delta, words_of[kind].member, &has, &text));
    if (!has) {
        return SL_DONE; /* citations, signatures and the like */
    }
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_TRY(sl_answer_feed(a, words_of[kind].channel, 0, block_number(a), text, &freed));
    return put_block_delta(kind, block_number(a), sl_buf_view(&freed), out);
}

static const char *stop_word(const sl_json_node *reason)
{
    static const char *const words[] = { "max_tokens", "tool_use", "refusal", "stop_sequence" };
    for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
        if (reason != NULL && sl_json_text_is(reason, words[i])) {
            return words[i];
        }
    }
    return "end_turn";
}

static void take_usage(sl_answer *a, const sl_json_doc *doc, const sl_json_node *holder)
{
    const sl_json_node *usage = sl_json_get_kind(doc, holder, "usage", SL_JSON_OBJECT);
    if (usage != NULL) {
        uint64_t in = sl_ask_count(doc, usage, "input_tokens");
        uint64_t out = sl_ask_count(doc, usage, "output_tokens");
        a->has_usage = true;
        a->prompt_tokens = in == 0 ? a->prompt_tokens : in;
        a->completion_tokens = out == 0 ? a->completion_tokens : out;
    }
}

/* The message's last two events; said once. */
static sl_res put_stop(sl_answer *a, const char *reason, sl_buf *out)
{
    sl_json_writer w;
    if ((a->wire_state & SAID_STOP) != 0) {
        return SL_DONE;
    }
    a->wire_state |= SAID_STOP;
    SL_TRY(put_start(a, out));
    SL_TRY(event_begin("message_delta", out, &w));
    sl_json_key(&w, "delta");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "stop_reason", reason);
    sl_json_key(&w, "stop_sequence");
    sl_json_null(&w);
    sl_json_object_end(&w);
    sl_json_key(&w, "usage");
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "output_tokens", a->completion_tokens);
    sl_json_object_end(&w);
    SL_TRY(sl_ask_event_end(out, &w));
    SL_TRY(event_begin("message_stop", out, &w));
    return sl_ask_event_end(out, &w);
}

/* A cut message: the open text block is closed, a tool's block was never opened. */
static sl_res put_cut(sl_answer *a, sl_buf *out)
{
    if (runs(open_kind(a))) {
        SL_TRY(put_block_stop(block_number(a), out));
        set_block(a, BLOCK_NONE, block_number(a) + 1, 0);
    }
    return put_stop(a, "refusal", out);
}

static sl_res take_event(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *type = sl_json_get_kind(doc, root, "type", SL_JSON_STRING);
    uint32_t theirs = (uint32_t)sl_ask_count(doc, root, "index");
    SL_NEED(type != NULL, SL_E_MISSING_FIELD);
    if (sl_json_text_is(type, "message_start")) {
        take_usage(a, doc, sl_json_get_kind(doc, root, "message", SL_JSON_OBJECT));
        return put_start(a, out);
    }
    if (sl_json_text_is(type, "content_block_start")) {
        SL_TRY(put_start(a, out));
        return begin_block(a, doc, theirs, out);
    }
    if (sl_json_text_is(type, "content_block_delta")) {
        SL_NEED(theirs == their_number(a), SL_E_SYNTAX);
        return take_delta(a, doc, out);
    }
    if (sl_json_text_is(type, "content_block_stop")) {
        SL_NEED(open_kind(a) != BLOCK_NONE && theirs == their_number(a), SL_E_SYNTAX);
        return end_block(a, out);
    }
    if (sl_json_text_is(type, "message_delta")) {
        const sl_json_node *delta = sl_json_get_kind(doc, root, "delta", SL_JSON_OBJECT);
        take_usage(a, doc, root);
        SL_TRY(end_block(a, out));
        if (!a->choices[0].cut) {
            a->choices[0].ended = true;
            return put_stop(
                a, stop_word(sl_json_get_kind(doc, delta, "stop_reason", SL_JSON_STRING)), out);
        }
        return SL_DONE;
    }
    if (sl_json_text_is(type, "message_stop")) {
        a->done = true;
        return SL_DONE;
    }
    SL_NEED(sl_json_text_is(type, "ping"), SL_E_UPSTREAM);
    return SL_DONE;
}

/* Text blocks in a row are read as one; what is dropped between them does not part them. */
static sl_res messages_hear(sl_answer *a, const sl_json_doc *doc, sl_ask_heard *ret_heard)
{
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *type = sl_json_get_kind(doc, root, "type", SL_JSON_STRING);
    *ret_heard = (sl_ask_heard){ .what = SL_HEARD_OTHER, .kind = SL_CHANNEL_ANSWER };
    if (type == NULL) {
        return SL_DONE;
    }
    if (sl_json_text_is(type, "ping") || sl_json_text_is(type, "message_start")) {
        ret_heard->what = SL_HEARD_PASSING;
    } else if (sl_json_text_is(type, "content_block_stop")) {
        ret_heard->what = SL_HEARD_OVER;
    } else if (sl_json_text_is(type, "content_block_start")) {
        const sl_json_node *block = sl_json_get_kind(doc, root, "content_block", SL_JSON_OBJECT);
        const sl_json_node *kind = sl_json_get_kind(doc, block, "type", SL_JSON_STRING);
        static const sl_heard_what what[] = { [BLOCK_NONE] = SL_HEARD_OTHER,
                                              [BLOCK_TEXT] = SL_HEARD_BEGIN,
                                              [BLOCK_THINKING] = SL_HEARD_PASSING,
                                              [BLOCK_TOOL] = SL_HEARD_OTHER,
                                              [BLOCK_DROPPED] = SL_HEARD_DROPPED };
        ret_heard->what = what[kind_of(a, kind)];
    } else if (sl_json_text_is(type, "content_block_delta")) {
        bool has = false;
        const sl_json_node *delta = sl_json_get_kind(doc, root, "delta", SL_JSON_OBJECT);
        SL_TRY(sl_ask_member_text(a, doc, delta, "text", &has, &ret_heard->text));
        ret_heard->what = has ? SL_HEARD_TEXT : SL_HEARD_PASSING;
    }
    return SL_DONE;
}

static sl_res messages_event(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    SL_NEED(doc != NULL, SL_E_SYNTAX);
    if (!a->choices[0].ended || a->done) {
        SL_TRY(take_event(a, doc, out));
    } else {
        const sl_json_node *type = sl_json_get_kind(doc, sl_json_root(doc), "type", SL_JSON_STRING);
        a->done = type != NULL && sl_json_text_is(type, "message_stop");
    }
    return a->choices[0].cut ? put_cut(a, out) : SL_DONE;
}

static sl_res messages_close(sl_answer *a, sl_buf *out)
{
    if (!a->choices[0].ended) {
        SL_TRY(end_block(a, out));
        a->choices[0].ended = true;
    }
    return a->choices[0].cut ? put_cut(a, out) : put_stop(a, "end_turn", out);
}

/* ---- whole answers ---- */

static sl_res put_whole_tool(sl_answer *a, const sl_json_doc *doc, const sl_json_node *block,
                             uint32_t number, sl_json_writer *w)
{
    bool has = false;
    sl_view name;
    const sl_json_node *input = sl_json_get_kind(doc, block, "input", SL_JSON_OBJECT);
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 4 * SL_MIB };
    SL_TRY(sl_ask_member_text(a, doc, block, "name", &has, &name));
    SL_NEED(has && input != NULL, SL_E_MISSING_FIELD);
    SL_TRY(sl_answer_tool(a, 0, number, name));
    SL_TRY(sl_answer_feed(a, SL_CHANNEL_TOOL_ARGUMENTS, 0, number, sl_json_source(doc, input),
                          &freed));
    SL_TRY(sl_answer_end(a, SL_CHANNEL_TOOL_ARGUMENTS, 0, number, &freed));
    if (a->choices[0].cut) {
        return SL_DONE;
    }
    sl_json_object_begin(w);
    sl_json_put_str(w, "type", "tool_use");
    SL_TRY(put_tool_id(a, number, w));
    sl_json_put_string(w, "name", sl_answer_tool_name(a, 0, number));
    sl_json_key(w, "input");
    sl_json_raw(w, sl_buf_view(&freed));
    sl_json_object_end(w);
    return SL_DONE;
}

static sl_res put_whole_text(sl_answer *a, const sl_json_doc *doc, const sl_json_node *block,
                             block_kind kind, uint32_t number, sl_json_writer *w)
{
    const text_words *words = &words_of[kind];
    bool has = false;
    sl_view text;
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_TRY(sl_ask_member_text(a, doc, block, words->member, &has, &text));
    SL_NEED(has, SL_E_MISSING_FIELD);
    SL_TRY(sl_answer_feed(a, words->channel, 0, number, text, &freed));
    SL_TRY(sl_answer_end(a, words->channel, 0, number, &freed));
    sl_json_object_begin(w);
    sl_json_put_str(w, "type", words->type);
    sl_json_put_string(w, words->member, freed.n == 0 ? sl_view_str("") : sl_buf_view(&freed));
    if (kind == BLOCK_THINKING) {
        sl_json_put_str(w, "signature", "");
    }
    sl_json_object_end(w);
    return SL_DONE;
}

/* What the text blocks hold together, before any of them is written. */
static sl_res hear_whole_content(sl_answer *a, const sl_json_doc *doc, const sl_json_node *content)
{
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, content, &it)) {
        const sl_json_node *type = sl_json_get_kind(doc, it.value, "type", SL_JSON_STRING);
        if (type != NULL && sl_json_text_is(type, "text")) {
            bool has = false;
            sl_view text;
            SL_TRY(sl_ask_member_text(a, doc, it.value, "text", &has, &text));
            SL_TRY(has ? sl_row_add(a, SL_CHANNEL_ANSWER, text) : SL_DONE);
        } else if (type != NULL && sl_json_text_is(type, "tool_use")) {
            SL_TRY(sl_row_end(a));
        }
    }
    return sl_row_end(a);
}

static sl_res put_whole_content(sl_answer *a, const sl_json_doc *doc, const sl_json_node *content,
                                sl_json_writer *w)
{
    sl_json_iter it = { 0 };
    uint32_t number = 0;
    while (sl_json_each(doc, content, &it) && !a->choices[0].cut) {
        const sl_json_node *type = sl_json_get_kind(doc, it.value, "type", SL_JSON_STRING);
        block_kind kind = kind_of(a, type);
        SL_NEED(kind != BLOCK_NONE && number < BLOCKS_MAX, SL_E_SYNTAX);
        if (runs(kind)) {
            SL_TRY(put_whole_text(a, doc, it.value, kind, number++, w));
        } else if (kind == BLOCK_TOOL) {
            SL_TRY(put_whole_tool(a, doc, it.value, number++, w));
        }
    }
    return SL_DONE;
}

static sl_res messages_whole(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *content = sl_json_get_kind(doc, root, "content", SL_JSON_ARRAY);
    SL_NEED(!sl_ask_says_error(doc), SL_E_UPSTREAM);
    SL_NEED(content != NULL, SL_E_MISSING_FIELD);
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    put_message_head(a, &w);
    sl_json_key(&w, "content");
    sl_json_array_begin(&w);
    SL_TRY(hear_whole_content(a, doc, content));
    SL_TRY(put_whole_content(a, doc, content, &w));
    sl_json_array_end(&w);
    const sl_json_node *reason = sl_json_get_kind(doc, root, "stop_reason", SL_JSON_STRING);
    sl_json_put_str(&w, "stop_reason", a->choices[0].cut ? "refusal" : stop_word(reason));
    sl_json_key(&w, "stop_sequence");
    sl_json_null(&w);
    take_usage(a, doc, root);
    put_usage(a, &w);
    sl_json_object_end(&w);
    a->choices[0].ended = true;
    a->done = true;
    return sl_json_finish(&w);
}

/* ---- errors ---- */

static const char *error_type(unsigned status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    default:
        return status < 500 ? "invalid_request_error" : "api_error";
    }
}

static sl_res messages_error(const sl_ask_error *error, sl_buf *out)
{
    sl_json_writer w;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1024 };
    SL_TRY(sl_buf_addf(&text, "stoplog: %s; %s (%s)", sl_res_text(error->res),
                       sl_res_remedy(error->res), error->field == NULL ? "-" : error->field));
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "type", "error");
    sl_json_key(&w, "error");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "type", error_type(error->status));
    sl_json_put_string(&w, "message", sl_buf_view(&text));
    sl_json_put_str(&w, "code", sl_res_name(error->res));
    if (error->receipt != NULL) {
        sl_json_put_str(&w, "receipt", error->receipt);
    }
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static sl_res messages_broken(const sl_answer *a, const sl_ask_error *error, sl_buf *out)
{
    (void)a;
    SL_TRY(sl_buf_add_str(out, "event: error\ndata: "));
    SL_TRY(messages_error(error, out));
    return sl_buf_add_str(out, "\n\n");
}

const sl_ask_dialect sl_ask_anthropic_messages = {
    .name = "anthropic.messages",
    .path = "/v1/messages",
    .method = "POST",
    .upstream_path = "/v1/messages",
    .shape = &sl_ask_anthropic_messages_request,
    .history = "messages",
    .hear = messages_hear,
    .event = messages_event,
    .whole = messages_whole,
    .close = messages_close,
    .broken = messages_broken,
    .error = messages_error,
};
