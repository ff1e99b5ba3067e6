/* OpenAI's older text completions, streamed and whole: what small model servers speak.
 * Reference: OpenAI API, "Create completion (legacy)". Design: dialect.h. */
#include "doors/ask/dialect.h"

static const sl_ask_member prompt_item = {
    .name = "prompt", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_USER, .apart = true
};
static const sl_ask_member stop_item = { .name = "stop",
                                         .takes = SL_TAKES_TEXT,
                                         .channel = SL_CHANNEL_METADATA };
static const sl_ask_member stream_options_members[] = {
    { .name = "include_usage", .takes = SL_TAKES_BOOL, .learn = SL_LEARN_USAGE_WANTED },
};
static const sl_ask_shape stream_options_shape = { .name = "stream_options",
                                                   .members = stream_options_members,
                                                   .count = SL_COUNT_OF(stream_options_members) };

#define NUMBER_OR_NULL (SL_TAKES_NUMBER | SL_TAKES_NULL)
#define INT_OR_NULL (SL_TAKES_INT | SL_TAKES_NULL)

static const sl_ask_member request_members[] = {
    { .name = "model", .takes = SL_TAKES_WORD, .learn = SL_LEARN_MODEL },
    { .name = "prompt",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_USER,
      .learn = SL_LEARN_PROMPTS,
      .items = &prompt_item },
    { .name = "suffix", .takes = SL_TAKES_TEXT | SL_TAKES_NULL, .channel = SL_CHANNEL_USER },
    { .name = "stream", .takes = SL_TAKES_BOOL | SL_TAKES_NULL, .learn = SL_LEARN_STREAM },
    { .name = "stream_options",
      .takes = SL_TAKES_OBJECT | SL_TAKES_NULL,
      .shape = &stream_options_shape },
    { .name = "n", .takes = INT_OR_NULL, .learn = SL_LEARN_CHOICES },
    { .name = "best_of", .takes = INT_OR_NULL, .learn = SL_LEARN_TRIES },
    { .name = "max_tokens", .takes = INT_OR_NULL, .learn = SL_LEARN_TOKENS_MAX },
    { .name = "temperature", .takes = NUMBER_OR_NULL },
    { .name = "top_p", .takes = NUMBER_OR_NULL },
    { .name = "frequency_penalty", .takes = NUMBER_OR_NULL },
    { .name = "presence_penalty", .takes = NUMBER_OR_NULL },
    { .name = "seed", .takes = INT_OR_NULL },
    { .name = "echo", .takes = SL_TAKES_BOOL | SL_TAKES_NULL },
    { .name = "stop",
      .takes = SL_TAKES_TEXT | SL_TAKES_NULL | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_METADATA,
      .items = &stop_item },
    { .name = "user", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "logprobs",
      .takes = INT_OR_NULL,
      .act = SL_ACT_STRIP,
      .feature = SL_FEATURE_LOGPROBS },
    { .name = "logit_bias",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_LOGPROBS },
};
static const sl_ask_shape request_shape = { .name = "request",
                                            .members = request_members,
                                            .count = SL_COUNT_OF(request_members) };

/* Bits of sl_answer.wire_state, shifted by the choice's number. */
#define SAID_FINISH ((uint64_t)1 << SL_ASK_CHOICES_MAX)

static void put_head(const sl_answer *a, sl_json_writer *w)
{
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 64 };
    sl_json_object_begin(w);
    if (sl_ok(sl_buf_addf(&id, "cmpl-%s", a->options.id))) {
        sl_json_put_string(w, "id", sl_buf_view(&id));
    }
    sl_json_put_str(w, "object", "text_completion");
    sl_json_put_int(w, "created", a->options.created_s);
    sl_json_put_string(w, "model", a->options.model);
    sl_json_key(w, "choices");
    sl_json_array_begin(w);
}

static void put_choice(sl_answer *a, uint32_t choice, sl_view text, const char *finish,
                       sl_json_writer *w)
{
    uint64_t plain = sl_answer_plain(a, SL_CHANNEL_ANSWER, choice, 0);
    size_t ready = sl_logprobs_ready(&a->logprobs[choice], plain);
    sl_json_object_begin(w);
    sl_json_put_string(w, "text", text.n == 0 ? sl_view_str("") : text);
    sl_json_put_uint(w, "index", choice);
    sl_json_key(w, "logprobs");
    if (ready != 0) {
        sl_json_object_begin(w);
        sl_logprobs_put_lists(&a->logprobs[choice], ready, w);
        sl_json_object_end(w);
    } else {
        sl_json_null(w);
    }
    sl_json_key(w, "finish_reason");
    if (finish == NULL) {
        sl_json_null(w);
    } else {
        sl_json_string(w, sl_view_str(finish));
    }
    sl_json_object_end(w);
}

static sl_res put_chunk(sl_answer *a, uint32_t choice, sl_view text, const char *finish,
                        sl_buf *out)
{
    if (text.n == 0 && finish == NULL) {
        return SL_DONE;
    }
    sl_json_writer w;
    if (finish != NULL) {
        a->wire_state |= SAID_FINISH << choice;
    }
    SL_TRY(sl_buf_add_str(out, "data: "));
    sl_json_writer_init(&w, out);
    put_head(a, &w);
    put_choice(a, choice, text, finish, &w);
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_str(out, "\n\n");
}

static const char *finish_word(const sl_json_node *reason)
{
    return sl_json_text_is(reason, "length")           ? "length"
           : sl_json_text_is(reason, "content_filter") ? "content_filter"
                                                       : "stop";
}

/* Before the text itself is fed. */
static sl_res take_logprobs(sl_answer *a, const sl_json_doc *doc, const sl_json_node *node,
                            sl_view text, uint32_t choice)
{
    const sl_json_node *logprobs = NULL;
    if ((a->options.features >> SL_FEATURE_LOGPROBS & 1U) == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_ask_member_kind(doc, node, "logprobs", SL_JSON_OBJECT, &logprobs));
    return sl_logprobs_take_lists(&a->logprobs[choice], doc, sl_json_get(doc, logprobs, "tokens"),
                                  sl_json_get(doc, logprobs, "token_logprobs"), text, &a->event);
}

static sl_res take_choice(sl_answer *a, const sl_json_doc *doc, const sl_json_node *node,
                          sl_buf *out)
{
    uint32_t choice = 0;
    bool has = false;
    sl_view text;
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_TRY(sl_ask_openai_choice(a, doc, node, &choice));
    if (a->choices[choice].ended) {
        return SL_DONE;
    }
    const sl_json_node *reason = NULL;
    SL_TRY(sl_ask_member_kind(doc, node, "finish_reason", SL_JSON_STRING, &reason));
    SL_TRY(sl_ask_member_text(a, doc, node, "text", &has, &text));
    if (has) {
        SL_TRY(take_logprobs(a, doc, node, text, choice));
        SL_TRY(sl_answer_feed(a, SL_CHANNEL_ANSWER, choice, 0, text, &freed));
    }
    if (reason != NULL) {
        SL_TRY(sl_answer_end(a, SL_CHANNEL_ANSWER, choice, 0, &freed));
    }
    bool cut = a->choices[choice].cut;
    a->choices[choice].ended = a->choices[choice].ended || reason != NULL;
    return put_chunk(a, choice, sl_buf_view(&freed),
                     cut              ? "content_filter"
                     : reason == NULL ? NULL
                                      : finish_word(reason),
                     out);
}

static sl_res choices_of(const sl_json_doc *doc, const sl_json_node **ret_choices)
{
    SL_NEED(sl_json_is(sl_json_root(doc), SL_JSON_OBJECT), SL_E_TYPE);
    SL_NEED(!sl_ask_says_error(doc), SL_E_UPSTREAM);
    *ret_choices = sl_json_get_kind(doc, sl_json_root(doc), "choices", SL_JSON_ARRAY);
    SL_NEED(*ret_choices != NULL, SL_E_MISSING_FIELD);
    return SL_DONE;
}

static sl_res completions_event(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *choices = NULL;
    if (doc == NULL) {
        a->done = true;
        return SL_DONE;
    }
    SL_TRY(choices_of(doc, &choices));
    sl_ask_openai_take_usage(a, doc);
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, choices, &it)) {
        SL_TRY(take_choice(a, doc, it.value, out));
    }
    return SL_DONE;
}

static sl_res completions_close(sl_answer *a, sl_buf *out)
{
    for (uint32_t i = 0; i < a->options.request->choices; i++) {
        SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 64 * SL_MIB };
        if ((a->wire_state & SAID_FINISH << i) != 0) {
            continue;
        }
        SL_TRY(sl_answer_end(a, SL_CHANNEL_ANSWER, i, 0, &freed));
        SL_TRY(put_chunk(a, i, sl_buf_view(&freed), a->choices[i].cut ? "content_filter" : "stop",
                         out));
        a->choices[i].ended = true;
    }
    if (a->options.request->usage_wanted && a->has_usage) {
        sl_json_writer w;
        SL_TRY(sl_buf_add_str(out, "data: "));
        sl_json_writer_init(&w, out);
        put_head(a, &w);
        sl_json_array_end(&w);
        sl_ask_openai_put_usage(a, &w);
        sl_json_object_end(&w);
        SL_TRY(sl_json_finish(&w));
        SL_TRY(sl_buf_add_str(out, "\n\n"));
    }
    return sl_buf_add_str(out, "data: [DONE]\n\n");
}

static sl_res put_whole_choice(sl_answer *a, const sl_json_doc *doc, const sl_json_node *node,
                               sl_json_writer *w)
{
    uint32_t choice = 0;
    bool has = false;
    sl_view text;
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_TRY(sl_ask_openai_choice(a, doc, node, &choice));
    SL_NEED(!a->choices[choice].ended && !a->choices[choice].started, SL_E_DUPLICATE);
    SL_TRY(sl_ask_member_text(a, doc, node, "text", &has, &text));
    SL_NEED(has, SL_E_MISSING_FIELD);
    SL_TRY(take_logprobs(a, doc, node, text, choice));
    SL_TRY(sl_answer_feed(a, SL_CHANNEL_ANSWER, choice, 0, text, &freed));
    SL_TRY(sl_answer_end(a, SL_CHANNEL_ANSWER, choice, 0, &freed));
    const sl_json_node *reason = NULL;
    SL_TRY(sl_ask_member_kind(doc, node, "finish_reason", SL_JSON_STRING, &reason));
    put_choice(a, choice, sl_buf_view(&freed),
               a->choices[choice].cut ? "content_filter"
               : reason == NULL       ? "stop"
                                      : finish_word(reason),
               w);
    a->choices[choice].ended = true;
    return SL_DONE;
}

static sl_res completions_whole(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *choices = NULL;
    sl_json_writer w;
    SL_TRY(choices_of(doc, &choices));
    SL_NEED(choices->count != 0, SL_E_MISSING_FIELD);
    sl_json_writer_init(&w, out);
    put_head(a, &w);
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, choices, &it)) {
        SL_TRY(put_whole_choice(a, doc, it.value, &w));
    }
    sl_json_array_end(&w);
    sl_ask_openai_take_usage(a, doc);
    sl_ask_openai_put_usage(a, &w);
    sl_json_object_end(&w);
    a->done = true;
    return sl_json_finish(&w);
}

const sl_ask_dialect sl_ask_openai_completions = {
    .name = "openai.completions",
    .path = "/v1/completions",
    .method = "POST",
    .upstream_path = "/v1/completions",
    .shape = &request_shape,
    .event = completions_event,
    .whole = completions_whole,
    .close = completions_close,
    .broken = sl_ask_openai_broken,
    .error = sl_ask_openai_error,
};
