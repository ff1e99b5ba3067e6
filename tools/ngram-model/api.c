/* The OpenAI-shaped face of the n-gram model: see api.h. */
#include "api.h"

#include "base/encode.h"
#include "base/json.h"
#include "base/utf8.h"
#include "run.h"

#define ANSWER_BYTES_MAX (8 * SL_MIB)
#define TOKENS_MAX 4096

typedef struct {
    bool chat;
    bool stream;
    bool usage;
    bool echo;
    bool logprobs;
    size_t top;
    size_t choices;
    bool seeded;
    ngram_sampling sampling;
    sl_view prompt;
} options;

struct ngram_stream {
    const ngram_service *service;
    sl_arena arena; /* the prompt and the stop strings */
    options options;
    int64_t now_s;
    uint64_t id;
    size_t choice; /* the one being written; options.choices: only the tail is left */
    bool begun;    /* the choice's first event is out */
    bool running;  /* `run` is live */
    bool tail_done;
    size_t prompt_tokens;
    size_t tokens;
    ngram_run run;
};

/* --- reading a request --- */

static SL_MUST sl_res read_number(const sl_json_doc *doc, const char *name, double low, double high,
                                  double *value)
{
    const sl_json_node *node = sl_json_get(doc, sl_json_root(doc), name);
    if (node == NULL || node->kind == SL_JSON_NULL) {
        return SL_DONE;
    }
    double read = 0;
    SL_TRY(sl_json_f64(node, &read));
    if (!(read >= low && read <= high)) {
        return sl_fail_at(SL_E_RANGE, "a number of the request", node->offset);
    }
    *value = read;
    return SL_DONE;
}

static SL_MUST sl_res read_count(const sl_json_doc *doc, const char *name, size_t low, size_t high,
                                 size_t *value)
{
    const sl_json_node *node = sl_json_get(doc, sl_json_root(doc), name);
    if (node == NULL || node->kind == SL_JSON_NULL) {
        return SL_DONE;
    }
    uint64_t read = 0;
    SL_TRY(sl_json_u64(node, &read));
    if (read < low || read > high) {
        return sl_fail_at(SL_E_RANGE, "a count of the request", node->offset);
    }
    *value = (size_t)read;
    return SL_DONE;
}

static SL_MUST sl_res read_flag(const sl_json_doc *doc, const sl_json_node *object,
                                const char *name, bool *value)
{
    const sl_json_node *node = sl_json_get(doc, object, name);
    if (node == NULL || node->kind == SL_JSON_NULL) {
        return SL_DONE;
    }
    return sl_json_bool(node, value);
}

static SL_MUST sl_res read_stops(const sl_json_doc *doc, sl_arena *arena, ngram_sampling *sampling)
{
    const sl_json_node *stop = sl_json_get(doc, sl_json_root(doc), "stop");
    if (stop == NULL || stop->kind == SL_JSON_NULL) {
        return SL_DONE;
    }
    if (stop->kind == SL_JSON_STRING) {
        sampling->stop_count = 1;
        return sl_json_text(stop, arena, &sampling->stops[0]);
    }
    SL_NEED(stop->kind == SL_JSON_ARRAY, SL_E_TYPE);
    SL_NEED(stop->count <= NGRAM_STOPS_MAX, SL_E_LIMIT);
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, stop, &it)) {
        SL_TRY(sl_json_text(it.value, arena, &sampling->stops[sampling->stop_count]));
        sampling->stop_count++;
    }
    return SL_DONE;
}

/* Text of a message: a string, or the text parts of an array joined. */
static SL_MUST sl_res read_content(const sl_json_doc *doc, const sl_json_node *content,
                                   sl_arena *arena, sl_view *ret_text)
{
    if (sl_json_is(content, SL_JSON_STRING)) {
        return sl_json_text(content, arena, ret_text);
    }
    SL_NEED(sl_json_is(content, SL_JSON_ARRAY), SL_E_TYPE);
    SL_OWN(sl_buf, joined, sl_buf_free) = { .max = NGRAM_BODY_BYTES_MAX };
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, content, &it)) {
        const sl_json_node *text = sl_json_get_kind(doc, it.value, "text", SL_JSON_STRING);
        SL_NEED(text != NULL, SL_E_UNSUPPORTED);
        SL_TRY(sl_json_add_text(text, &joined));
    }
    return sl_arena_dup(arena, sl_buf_view(&joined), ret_text);
}

static SL_MUST sl_res read_last_user_message(const sl_json_doc *doc, sl_arena *arena,
                                             sl_view *ret_text)
{
    const sl_json_node *messages =
        sl_json_get_kind(doc, sl_json_root(doc), "messages", SL_JSON_ARRAY);
    SL_NEED(messages != NULL, SL_E_MISSING_FIELD);
    const sl_json_node *last = NULL;
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, messages, &it)) {
        const sl_json_node *role = sl_json_get_kind(doc, it.value, "role", SL_JSON_STRING);
        SL_NEED(role != NULL, SL_E_MISSING_FIELD);
        if (sl_json_text_is(role, "user")) {
            last = it.value;
        }
    }
    SL_NEED(last != NULL, SL_E_MISSING_FIELD);
    return read_content(doc, sl_json_get(doc, last, "content"), arena, ret_text);
}

static SL_MUST sl_res read_logprobs(const sl_json_doc *doc, options *o)
{
    if (o->chat) {
        SL_TRY(read_flag(doc, sl_json_root(doc), "logprobs", &o->logprobs));
        return read_count(doc, "top_logprobs", 0, NGRAM_TOP_MAX, &o->top);
    }
    const sl_json_node *node = sl_json_get(doc, sl_json_root(doc), "logprobs");
    o->logprobs = node != NULL && node->kind != SL_JSON_NULL;
    SL_TRY(read_count(doc, "logprobs", 0, NGRAM_TOP_MAX, &o->top));
    return read_flag(doc, sl_json_root(doc), "echo", &o->echo);
}

static SL_MUST sl_res read_options(const sl_json_doc *doc, sl_arena *arena, options *o)
{
    SL_NEED(sl_json_is(sl_json_root(doc), SL_JSON_OBJECT), SL_E_TYPE);
    SL_TRY(read_flag(doc, sl_json_root(doc), "stream", &o->stream));
    const sl_json_node *stream = sl_json_get(doc, sl_json_root(doc), "stream_options");
    SL_TRY(read_flag(doc, stream, "include_usage", &o->usage));
    SL_TRY(read_number(doc, "temperature", 0, 2, &o->sampling.temperature));
    SL_TRY(read_number(doc, "top_p", 0.0001, 1, &o->sampling.top_p));
    SL_TRY(read_count(doc, "n", 1, NGRAM_CHOICES_MAX, &o->choices));
    SL_TRY(read_count(doc, "max_tokens", o->chat ? 1 : 0, TOKENS_MAX, &o->sampling.tokens_max));
    SL_TRY(read_count(doc, "max_completion_tokens", 1, TOKENS_MAX, &o->sampling.tokens_max));
    const sl_json_node *seed = sl_json_get(doc, sl_json_root(doc), "seed");
    if (seed != NULL && seed->kind != SL_JSON_NULL) {
        int64_t value = 0;
        SL_TRY(sl_json_i64(seed, &value));
        o->sampling.seed = (uint64_t)value;
        o->seeded = true;
    }
    SL_TRY(read_stops(doc, arena, &o->sampling));
    SL_TRY(read_logprobs(doc, o));
    if (o->chat) {
        return read_last_user_message(doc, arena, &o->prompt);
    }
    return sl_json_text(sl_json_get(doc, sl_json_root(doc), "prompt"), arena, &o->prompt);
}

/* --- writing --- */

static void put_f64(sl_json_writer *w, double value)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%.6f", value);
    sl_json_raw(w, sl_view_of(text, (size_t)n));
}

/* A token as text; a byte that is no character by itself is spelled out. */
static sl_view token_text(const ngram_model *model, uint32_t token, char room[16])
{
    sl_view piece = model->vocabulary.pieces[token];
    if (token == NGRAM_END) {
        return SL_LIT("<|end|>");
    }
    if (sl_utf8_check(piece) == piece.n) {
        return piece;
    }
    int n = snprintf(room, 16, "bytes:\\x%02x", piece.p[0]);
    return sl_view_of(room, (size_t)n);
}

static void put_choice_body(sl_json_writer *w, const ngram_model *model, ngram_choice choice)
{
    char room[16];
    sl_json_put_string(w, "token", token_text(model, choice.token, room));
    sl_json_key(w, "logprob");
    put_f64(w, choice.log_p);
    sl_json_key(w, "bytes");
    sl_json_array_begin(w);
    sl_view piece = model->vocabulary.pieces[choice.token];
    for (size_t i = 0; i < piece.n; i++) {
        sl_json_uint(w, piece.p[i]);
    }
    sl_json_array_end(w);
}

/* One item of a chat answer's logprobs.content. */
static void put_chat_logprob(sl_json_writer *w, const ngram_run *run, ngram_choice choice,
                             size_t top)
{
    sl_json_object_begin(w);
    put_choice_body(w, run->model, choice);
    sl_json_key(w, "top_logprobs");
    sl_json_array_begin(w);
    ngram_choice best[NGRAM_TOP_MAX];
    size_t n = ngram_run_top(run, top, best);
    for (size_t i = 0; i < n; i++) {
        sl_json_object_begin(w);
        put_choice_body(w, run->model, best[i]);
        sl_json_object_end(w);
    }
    sl_json_array_end(w);
    sl_json_object_end(w);
}

static void put_head(sl_json_writer *w, const ngram_service *service, const options *o, uint64_t id,
                     int64_t now_s)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%s-%016llx", o->chat ? "chatcmpl" : "cmpl",
                     (unsigned long long)id);
    sl_json_put_string(w, "id", sl_view_of(text, (size_t)n));
    const char *object = !o->chat    ? "text_completion"
                         : o->stream ? "chat.completion.chunk"
                                     : "chat.completion";
    sl_json_put_str(w, "object", object);
    sl_json_put_int(w, "created", now_s);
    sl_json_put_str(w, "model", service->name);
    sl_json_put_str(w, "system_fingerprint", "ngram");
}

static void put_usage(sl_json_writer *w, size_t prompt, size_t completion)
{
    sl_json_key(w, "usage");
    sl_json_object_begin(w);
    sl_json_put_uint(w, "prompt_tokens", prompt);
    sl_json_put_uint(w, "completion_tokens", completion);
    sl_json_put_uint(w, "total_tokens", prompt + completion);
    sl_json_object_end(w);
}

static SL_MUST sl_res answer_error(sl_buf *out, unsigned status, const char *message)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 4096 };
    sl_json_writer w;
    sl_json_writer_init(&w, &body);
    sl_json_object_begin(&w);
    sl_json_key(&w, "error");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "message", message);
    sl_json_put_str(&w, "type", "invalid_request_error");
    sl_json_key(&w, "param");
    sl_json_null(&w);
    sl_json_key(&w, "code");
    sl_json_null(&w);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_scgi_answer(out, status, "application/json", sl_buf_view(&body));
}

static SL_MUST sl_res count_tokens(const ngram_model *model, sl_view text, size_t *ret_count)
{
    SL_OWN(ngram_tokens, tokens, ngram_tokens_free) = { .max = NGRAM_CORPUS_TOKENS_MAX };
    SL_TRY(ngram_encode(&model->vocabulary, text, &tokens));
    *ret_count = tokens.n;
    return SL_DONE;
}

/* Each choice has its own seed, so that several differ. */
static SL_MUST sl_res start_choice(const ngram_service *service, const options *o, uint64_t id,
                                   size_t choice, ngram_run *ret_run)
{
    ngram_sampling sampling = o->sampling;
    sampling.seed = (o->seeded ? sampling.seed : service->seed + id) + choice * 0x9E3779B97F4A7C15u;
    return ngram_run_start(ret_run, service->model, &sampling, o->prompt);
}

/* --- whole answers --- */

/* What a completion's logprobs collect: four lists that must stay in step. */
typedef struct {
    sl_buf tokens, values, tops, offsets;
} lists;

static void lists_free(lists *l)
{
    sl_buf_free(&l->tokens);
    sl_buf_free(&l->values);
    sl_buf_free(&l->tops);
    sl_buf_free(&l->offsets);
}

static SL_MUST sl_res lists_top(const ngram_run *run, size_t top, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    ngram_choice best[NGRAM_TOP_MAX];
    size_t n = ngram_run_top(run, top, best);
    for (size_t i = 0; i < n; i++) {
        char room[16];
        sl_json_key_view(&w, token_text(run->model, best[i].token, room));
        put_f64(&w, best[i].log_p);
    }
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static SL_MUST sl_res lists_add(lists *l, const ngram_run *run, ngram_choice choice, size_t top,
                                size_t offset)
{
    sl_buf *all[] = { &l->tokens, &l->values, &l->tops, &l->offsets };
    for (size_t i = 0; i < SL_COUNT_OF(all) && l->tokens.n != 0; i++) {
        if (all[i]->n != 0) {
            SL_TRY(sl_buf_add_byte(all[i], ','));
        }
    }
    char room[16];
    sl_json_writer w;
    sl_json_writer_init(&w, &l->tokens);
    sl_json_string(&w, token_text(run->model, choice.token, room));
    SL_TRY(sl_json_finish(&w));
    if (choice.log_p > 0) { /* the first token of an echoed prompt has nothing before it */
        SL_TRY(sl_buf_add_str(&l->values, "null"));
        SL_TRY(sl_buf_add_str(&l->tops, "null"));
    } else {
        SL_TRY(sl_buf_addf(&l->values, "%.6f", choice.log_p));
        SL_TRY(lists_top(run, top, &l->tops));
    }
    return sl_buf_add_u64(&l->offsets, offset);
}

static void lists_put(sl_json_writer *w, const lists *l)
{
    static const char *const names[] = { "tokens", "token_logprobs", "top_logprobs",
                                         "text_offset" };
    const sl_buf *all[] = { &l->tokens, &l->values, &l->tops, &l->offsets };
    sl_json_object_begin(w);
    for (size_t i = 0; i < SL_COUNT_OF(all); i++) {
        SL_OWN(sl_buf, array, sl_buf_free) = { .max = ANSWER_BYTES_MAX };
        sl_res r = sl_buf_add_byte(&array, '[');
        r = sl_ok(r) ? sl_buf_add(&array, sl_buf_view(all[i])) : r;
        r = sl_ok(r) ? sl_buf_add_byte(&array, ']') : r;
        if (!sl_ok(r) && sl_ok(w->failed)) {
            w->failed = r;
        }
        sl_json_key(w, names[i]);
        sl_json_raw(w, sl_buf_view(&array));
    }
    sl_json_object_end(w);
}

/* The prompt's own tokens with their probabilities (completions with echo). */
static SL_MUST sl_res echo_prompt(const ngram_service *service, const options *o, ngram_run *run,
                                  lists *l, size_t *ret_offset)
{
    SL_OWN(ngram_tokens, tokens, ngram_tokens_free) = { .max = NGRAM_CORPUS_TOKENS_MAX };
    SL_TRY(ngram_encode(&service->model->vocabulary, o->prompt, &tokens));
    size_t offset = 0;
    for (size_t i = 0; i < tokens.n; i++) {
        ngram_choice choice = { tokens.p[i], 1 };
        if (i != 0) {
            ngram_model_distribution(service->model, tokens.p, i, run->p);
            choice.log_p = __builtin_log(run->p[tokens.p[i]]);
        }
        SL_TRY(lists_add(l, run, choice, o->top, offset));
        offset += service->model->vocabulary.pieces[tokens.p[i]].n;
    }
    *ret_offset = offset;
    return SL_DONE;
}

static SL_MUST sl_res write_text_choice(sl_json_writer *w, const ngram_service *service,
                                        const options *o, ngram_run *run)
{
    lists l __attribute__((cleanup(lists_free))) = { { .max = ANSWER_BYTES_MAX },
                                                     { .max = ANSWER_BYTES_MAX },
                                                     { .max = ANSWER_BYTES_MAX },
                                                     { .max = ANSWER_BYTES_MAX } };
    size_t offset = 0;
    if (o->echo && o->logprobs) {
        SL_TRY(echo_prompt(service, o, run, &l, &offset));
    }
    while (run->finish == NULL) {
        ngram_choice choice;
        SL_TRY(ngram_run_step(run, &choice));
        if (o->logprobs && choice.token != NGRAM_END) {
            SL_TRY(lists_add(&l, run, choice, o->top, offset));
            offset += service->model->vocabulary.pieces[choice.token].n;
        }
    }
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = ANSWER_BYTES_MAX };
    if (o->echo) {
        SL_TRY(sl_buf_add(&text, o->prompt));
    }
    SL_TRY(sl_buf_add(&text, sl_buf_view(&run->text)));
    sl_json_put_string(w, "text", sl_buf_view(&text));
    sl_json_key(w, "logprobs");
    if (o->logprobs) {
        lists_put(w, &l);
    } else {
        sl_json_null(w);
    }
    return SL_DONE;
}

static SL_MUST sl_res write_chat_choice(sl_json_writer *w, const options *o, ngram_run *run)
{
    SL_OWN(sl_buf, probabilities, sl_buf_free) = { .max = ANSWER_BYTES_MAX };
    sl_json_writer p;
    sl_json_writer_init(&p, &probabilities);
    sl_json_array_begin(&p);
    while (run->finish == NULL) {
        ngram_choice choice;
        SL_TRY(ngram_run_step(run, &choice));
        if (o->logprobs && choice.token != NGRAM_END) {
            put_chat_logprob(&p, run, choice, o->top);
        }
    }
    sl_json_array_end(&p);
    SL_TRY(sl_json_finish(&p));
    sl_json_key(w, "message");
    sl_json_object_begin(w);
    sl_json_put_str(w, "role", "assistant");
    sl_json_put_string(w, "content", sl_buf_view(&run->text));
    sl_json_key(w, "refusal");
    sl_json_null(w);
    sl_json_object_end(w);
    sl_json_key(w, "logprobs");
    if (o->logprobs) {
        sl_json_object_begin(w);
        sl_json_key(w, "content");
        sl_json_raw(w, sl_buf_view(&probabilities));
        sl_json_object_end(w);
    } else {
        sl_json_null(w);
    }
    return SL_DONE;
}

static SL_MUST sl_res answer_whole(const ngram_service *service, const options *o, int64_t now_s,
                                   uint64_t id, size_t prompt_tokens, sl_buf *out)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = ANSWER_BYTES_MAX };
    sl_json_writer w;
    sl_json_writer_init(&w, &body);
    sl_json_object_begin(&w);
    put_head(&w, service, o, id, now_s);
    sl_json_key(&w, "choices");
    sl_json_array_begin(&w);
    size_t tokens = 0;
    for (size_t i = 0; i < o->choices; i++) {
        SL_OWN(ngram_run, run, ngram_run_free) = { .model = NULL };
        SL_TRY(start_choice(service, o, id, i, &run));
        sl_json_object_begin(&w);
        sl_json_put_uint(&w, "index", i);
        SL_TRY(o->chat ? write_chat_choice(&w, o, &run) : write_text_choice(&w, service, o, &run));
        sl_json_put_str(&w, "finish_reason", run.finish);
        sl_json_object_end(&w);
        tokens += run.tokens;
    }
    sl_json_array_end(&w);
    put_usage(&w, prompt_tokens, tokens);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_scgi_answer(out, 200, "application/json", sl_buf_view(&body));
}

/* --- streams --- */

static SL_MUST sl_res event_end(sl_json_writer *w, sl_buf *out)
{
    SL_TRY(sl_json_finish(w));
    return sl_buf_add_str(out, "\n\n");
}

/* One event for one choice. `choice` is NULL for events without a token. */
static SL_MUST sl_res write_event(ngram_stream *s, sl_view text, bool first,
                                  const ngram_choice *choice, const char *finish, sl_buf *out)
{
    SL_TRY(sl_buf_add_str(out, "data: "));
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    put_head(&w, s->service, &s->options, s->id, s->now_s);
    sl_json_key(&w, "choices");
    sl_json_array_begin(&w);
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "index", s->choice);
    if (s->options.chat) {
        sl_json_key(&w, "delta");
        sl_json_object_begin(&w);
        if (first) {
            sl_json_put_str(&w, "role", "assistant");
        }
        if (finish == NULL) {
            sl_json_put_string(&w, "content", text);
        }
        sl_json_object_end(&w);
    } else {
        sl_json_put_string(&w, "text", text);
    }
    sl_json_key(&w, "logprobs");
    if (s->options.chat && s->options.logprobs && choice != NULL) {
        sl_json_object_begin(&w);
        sl_json_key(&w, "content");
        sl_json_array_begin(&w);
        put_chat_logprob(&w, &s->run, *choice, s->options.top);
        sl_json_array_end(&w);
        sl_json_object_end(&w);
    } else {
        sl_json_null(&w);
    }
    sl_json_key(&w, "finish_reason");
    if (finish != NULL) {
        sl_json_string(&w, sl_view_str(finish));
    } else {
        sl_json_null(&w);
    }
    sl_json_object_end(&w);
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    return event_end(&w, out);
}

static SL_MUST sl_res write_tail(ngram_stream *s, sl_buf *out)
{
    if (s->options.usage) {
        SL_TRY(sl_buf_add_str(out, "data: "));
        sl_json_writer w;
        sl_json_writer_init(&w, out);
        sl_json_object_begin(&w);
        put_head(&w, s->service, &s->options, s->id, s->now_s);
        sl_json_key(&w, "choices");
        sl_json_array_begin(&w);
        sl_json_array_end(&w);
        put_usage(&w, s->prompt_tokens, s->tokens);
        sl_json_object_end(&w);
        SL_TRY(event_end(&w, out));
    }
    return sl_buf_add_str(out, "data: [DONE]\n\n");
}

/* The end of a choice: the next call begins the next one, or the tail. */
static SL_MUST sl_res end_choice(ngram_stream *s, sl_buf *out)
{
    SL_TRY(write_event(s, SL_LIT(""), false, NULL, s->run.finish, out));
    s->tokens += s->run.tokens;
    ngram_run_free(&s->run);
    s->running = false;
    s->choice++;
    return SL_DONE;
}

SL_MUST sl_res ngram_stream_next(ngram_stream *stream, sl_buf *out, bool *ret_done)
{
    *ret_done = false;
    if (stream->choice == stream->options.choices) {
        *ret_done = true;
        return write_tail(stream, out);
    }
    if (!stream->running) {
        SL_TRY(start_choice(stream->service, &stream->options, stream->id, stream->choice,
                            &stream->run));
        stream->running = true;
        if (stream->options.chat) {
            return write_event(stream, SL_LIT(""), true, NULL, NULL, out);
        }
    }
    if (stream->run.finish != NULL) {
        return end_choice(stream, out);
    }
    for (;;) {
        ngram_choice choice;
        SL_TRY(ngram_run_step(&stream->run, &choice));
        sl_view text = ngram_run_release(&stream->run);
        if (text.n != 0) {
            const ngram_choice *shown = choice.token == NGRAM_END ? NULL : &choice;
            return write_event(stream, text, false, shown, NULL, out);
        }
        if (stream->run.finish != NULL) {
            return end_choice(stream, out);
        }
    }
}

void ngram_stream_free(ngram_stream *stream)
{
    if (stream != NULL) {
        if (stream->running) {
            ngram_run_free(&stream->run);
        }
        sl_arena_free(&stream->arena);
        free(stream);
    }
}

static SL_MUST sl_res start_stream(const ngram_service *service, const options *o, sl_arena *arena,
                                   int64_t now_s, uint64_t id, size_t prompt_tokens, sl_buf *out,
                                   ngram_stream **ret_stream)
{
    SL_TRY(sl_scgi_answer_status(out, 200));
    SL_TRY(sl_scgi_answer_field(out, "Content-Type", SL_LIT("text/event-stream")));
    SL_TRY(sl_scgi_answer_field(out, "Cache-Control", SL_LIT("no-store")));
    SL_TRY(sl_scgi_answer_end(out));
    ngram_stream *stream = calloc(1, sizeof *stream);
    SL_NEED(stream != NULL, SL_E_MEMORY);
    *stream = (ngram_stream){ .service = service,
                              .arena = *arena,
                              .options = *o,
                              .now_s = now_s,
                              .id = id,
                              .prompt_tokens = prompt_tokens };
    *arena = (sl_arena){ .max = 0 };
    *ret_stream = stream;
    return SL_DONE;
}

static SL_MUST sl_res answer_generation(const ngram_service *service, bool chat, sl_view body,
                                        int64_t now_s, uint64_t id, sl_buf *out,
                                        ngram_stream **ret_stream)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { .count = 0 };
    sl_res r = sl_json_parse(body, &doc);
    if (!sl_ok(r)) {
        return answer_error(out, 400, "the body is not valid JSON");
    }
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 4 * NGRAM_BODY_BYTES_MAX };
    options o = { .chat = chat,
                  .choices = 1,
                  .sampling = {
                      .temperature = 1, .top_p = 1, .tokens_max = service->tokens_default } };
    r = read_options(&doc, &arena, &o);
    if (!sl_ok(r)) {
        return answer_error(out, 400, sl_res_text(r));
    }
    /* Views into the body must outlive it when the answer is streamed. */
    SL_TRY(sl_arena_dup(&arena, o.prompt, &o.prompt));
    for (size_t i = 0; i < o.sampling.stop_count; i++) {
        SL_TRY(sl_arena_dup(&arena, o.sampling.stops[i], &o.sampling.stops[i]));
    }
    size_t prompt_tokens = 0;
    SL_TRY(count_tokens(service->model, o.prompt, &prompt_tokens));
    if (o.stream) {
        return start_stream(service, &o, &arena, now_s, id, prompt_tokens, out, ret_stream);
    }
    return answer_whole(service, &o, now_s, id, prompt_tokens, out);
}

/* --- models and embeddings --- */

static void put_model(sl_json_writer *w, const ngram_service *service)
{
    sl_json_object_begin(w);
    sl_json_put_str(w, "id", service->name);
    sl_json_put_str(w, "object", "model");
    sl_json_put_int(w, "created", 0);
    sl_json_put_str(w, "owned_by", "ngram-model");
    sl_json_object_end(w);
}

static SL_MUST sl_res answer_models(const ngram_service *service, sl_view path, sl_buf *out)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 4096 };
    sl_json_writer w;
    sl_json_writer_init(&w, &body);
    if (sl_view_eq_str(path, "/v1/models")) {
        sl_json_object_begin(&w);
        sl_json_put_str(&w, "object", "list");
        sl_json_key(&w, "data");
        sl_json_array_begin(&w);
        put_model(&w, service);
        sl_json_array_end(&w);
        sl_json_object_end(&w);
    } else if (sl_view_eq_str(sl_view_sub(path, strlen("/v1/models/"), path.n), service->name)) {
        put_model(&w, service);
    } else {
        return answer_error(out, 404, "there is no such model");
    }
    SL_TRY(sl_json_finish(&w));
    return sl_scgi_answer(out, 200, "application/json", sl_buf_view(&body));
}

/* Hashed tokens and pairs of tokens, signed, normalised: close texts get close vectors. */
static SL_MUST sl_res embed(const ngram_model *model, sl_view text, float out[NGRAM_EMBEDDING_SIZE],
                            size_t *ret_tokens)
{
    SL_OWN(ngram_tokens, tokens, ngram_tokens_free) = { .max = NGRAM_CORPUS_TOKENS_MAX };
    SL_TRY(ngram_encode(&model->vocabulary, text, &tokens));
    double sums[NGRAM_EMBEDDING_SIZE] = { 0 };
    for (size_t i = 0; i < tokens.n * 2; i++) {
        bool pair = i >= tokens.n;
        size_t at = pair ? i - tokens.n : i;
        uint64_t h = tokens.p[at] * 0x9E3779B97F4A7C15u;
        if (pair) {
            h ^= (at == 0 ? 0 : tokens.p[at - 1] + 1) * 0xC2B2AE3D27D4EB4Fu;
        }
        h = (h ^ (h >> 29)) * 0xBF58476D1CE4E5B9u;
        sums[(h >> 32) % NGRAM_EMBEDDING_SIZE] += (h >> 63) != 0 ? 1 : -1;
    }
    double norm = 0;
    for (size_t i = 0; i < NGRAM_EMBEDDING_SIZE; i++) {
        norm += sums[i] * sums[i];
    }
    norm = norm > 0 ? __builtin_sqrt(norm) : 1;
    for (size_t i = 0; i < NGRAM_EMBEDDING_SIZE; i++) {
        out[i] = (float)(sums[i] / norm);
    }
    *ret_tokens += tokens.n;
    return SL_DONE;
}

static SL_MUST sl_res put_embedding(sl_json_writer *w, const ngram_model *model, sl_view text,
                                    size_t index, bool base64, size_t *tokens)
{
    float vector[NGRAM_EMBEDDING_SIZE];
    SL_TRY(embed(model, text, vector, tokens));
    sl_json_object_begin(w);
    sl_json_put_str(w, "object", "embedding");
    sl_json_put_uint(w, "index", index);
    sl_json_key(w, "embedding");
    if (base64) {
        uint8_t bytes[NGRAM_EMBEDDING_SIZE * 4];
        for (size_t i = 0; i < NGRAM_EMBEDDING_SIZE; i++) {
            uint32_t bits;
            memcpy(&bits, &vector[i], sizeof bits);
            sl_put_le32(bytes + i * 4, bits);
        }
        SL_OWN(sl_buf, encoded, sl_buf_free) = { .max = 4096 };
        SL_TRY(sl_base64_add(&encoded, sl_view_of(bytes, sizeof bytes)));
        sl_json_string(w, sl_buf_view(&encoded));
    } else {
        sl_json_array_begin(w);
        for (size_t i = 0; i < NGRAM_EMBEDDING_SIZE; i++) {
            put_f64(w, (double)vector[i]);
        }
        sl_json_array_end(w);
    }
    sl_json_object_end(w);
    return SL_DONE;
}

static SL_MUST sl_res write_embeddings(const ngram_service *service, const sl_json_doc *doc,
                                       sl_buf *body)
{
    const sl_json_node *input = sl_json_get(doc, sl_json_root(doc), "input");
    const sl_json_node *format =
        sl_json_get_kind(doc, sl_json_root(doc), "encoding_format", SL_JSON_STRING);
    bool base64 = format != NULL && sl_json_text_is(format, "base64");
    SL_NEED(sl_json_is(input, SL_JSON_STRING) || sl_json_is(input, SL_JSON_ARRAY), SL_E_TYPE);
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = NGRAM_BODY_BYTES_MAX };
    sl_json_writer w;
    sl_json_writer_init(&w, body);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "object", "list");
    sl_json_put_str(&w, "model", service->name);
    sl_json_key(&w, "data");
    sl_json_array_begin(&w);
    size_t tokens = 0;
    sl_view text;
    if (input->kind == SL_JSON_STRING) {
        SL_TRY(sl_json_text(input, &arena, &text));
        SL_TRY(put_embedding(&w, service->model, text, 0, base64, &tokens));
    }
    sl_json_iter it = { 0 };
    for (size_t i = 0; input->kind == SL_JSON_ARRAY && sl_json_each(doc, input, &it); i++) {
        SL_TRY(sl_json_text(it.value, &arena, &text));
        SL_TRY(put_embedding(&w, service->model, text, i, base64, &tokens));
    }
    sl_json_array_end(&w);
    sl_json_key(&w, "usage");
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "prompt_tokens", tokens);
    sl_json_put_uint(&w, "total_tokens", tokens);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static SL_MUST sl_res answer_embeddings(const ngram_service *service, sl_view body, sl_buf *out)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { .count = 0 };
    if (!sl_ok(sl_json_parse(body, &doc))) {
        return answer_error(out, 400, "the body is not valid JSON");
    }
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = ANSWER_BYTES_MAX };
    sl_res r = write_embeddings(service, &doc, &answer);
    if (!sl_ok(r)) {
        return answer_error(out, 400, sl_res_text(r));
    }
    return sl_scgi_answer(out, 200, "application/json", sl_buf_view(&answer));
}

SL_MUST sl_res ngram_answer(const ngram_service *service, const sl_scgi_request *request,
                            sl_view body, int64_t now_s, uint64_t id, sl_buf *out,
                            ngram_stream **ret_stream)
{
    *ret_stream = NULL;
    sl_view path;
    sl_view query;
    (void)sl_view_cut(sl_scgi_get(request, "REQUEST_URI"), '?', &path, &query);
    sl_view method = sl_scgi_get(request, "REQUEST_METHOD");
    if (sl_view_eq_str(path, "/v1/models") || sl_view_starts(path, SL_LIT("/v1/models/"))) {
        return sl_view_eq_str(method, "GET") ? answer_models(service, path, out)
                                             : answer_error(out, 405, "use GET");
    }
    bool chat = sl_view_eq_str(path, "/v1/chat/completions");
    bool known =
        chat || sl_view_eq_str(path, "/v1/completions") || sl_view_eq_str(path, "/v1/embeddings");
    if (!known) {
        return answer_error(out, 404, "there is no such endpoint");
    }
    if (!sl_view_eq_str(method, "POST")) {
        return answer_error(out, 405, "use POST");
    }
    if (sl_view_eq_str(path, "/v1/embeddings")) {
        return answer_embeddings(service, body, out);
    }
    return answer_generation(service, chat, body, now_s, id, out, ret_stream);
}
