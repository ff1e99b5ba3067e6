/* The list of dialects and what several share. What a dialect is stands in dialect.h. */
#include "doors/ask/dialect.h"

static const sl_ask_dialect *const dialects[] = {
    &sl_ask_openai_chat,       &sl_ask_openai_completions, &sl_ask_anthropic_messages,
    &sl_ask_openai_embeddings, &sl_ask_openai_responses,
};

const sl_ask_dialect *const *sl_ask_dialects(size_t *ret_count)
{
    *ret_count = SL_COUNT_OF(dialects);
    return dialects;
}

const sl_ask_dialect *sl_ask_dialect_for(sl_view path)
{
    for (size_t i = 0; i < SL_COUNT_OF(dialects); i++) {
        if (sl_view_eq_str(path, dialects[i]->path)) {
            return dialects[i];
        }
    }
    return NULL;
}

/* OpenAI's coarse kinds of error; the exact code of ours is in "code". */
static const char *openai_type(unsigned status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    default:
        return status < 500 ? "invalid_request_error" : "server_error";
    }
}

sl_res sl_ask_openai_error(const sl_ask_error *error, sl_buf *out)
{
    sl_json_writer w;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1024 };
    SL_TRY(
        sl_buf_addf(&text, "stoplog: %s; %s", sl_res_text(error->res), sl_res_remedy(error->res)));
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_key(&w, "error");
    sl_json_object_begin(&w);
    sl_json_put_string(&w, "message", sl_buf_view(&text));
    sl_json_put_str(&w, "type", openai_type(error->status));
    sl_json_key(&w, "param");
    if (error->field == NULL) {
        sl_json_null(&w);
    } else {
        sl_json_string(&w, sl_view_str(error->field));
    }
    sl_json_put_str(&w, "code", sl_res_name(error->res));
    if (error->receipt != NULL) {
        sl_json_put_str(&w, "receipt", error->receipt);
    }
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

sl_res sl_ask_openai_broken(const sl_answer *a, const sl_ask_error *error, sl_buf *out)
{
    (void)a;
    SL_TRY(sl_buf_add_str(out, "data: "));
    SL_TRY(sl_ask_openai_error(error, out));
    return sl_buf_add_str(out, "\n\n");
}

void sl_ask_openai_take_usage(sl_answer *a, const sl_json_doc *doc)
{
    const sl_json_node *usage = sl_json_get_kind(doc, sl_json_root(doc), "usage", SL_JSON_OBJECT);
    if (usage != NULL) {
        a->has_usage = true;
        a->prompt_tokens = sl_ask_count(doc, usage, "prompt_tokens");
        a->completion_tokens = sl_ask_count(doc, usage, "completion_tokens");
    }
}

void sl_ask_openai_put_usage(const sl_answer *a, sl_json_writer *w)
{
    sl_json_key(w, "usage");
    sl_json_object_begin(w);
    sl_json_put_uint(w, "prompt_tokens", a->prompt_tokens);
    sl_json_put_uint(w, "completion_tokens", a->completion_tokens);
    sl_json_put_uint(w, "total_tokens", a->prompt_tokens + a->completion_tokens);
    sl_json_object_end(w);
}

sl_res sl_ask_openai_choice(const sl_answer *a, const sl_json_doc *doc, const sl_json_node *choice,
                            uint32_t *ret_number)
{
    uint64_t n = 0;
    const sl_json_node *index = NULL;
    SL_NEED(sl_json_is(choice, SL_JSON_OBJECT), SL_E_TYPE);
    SL_TRY(sl_ask_member_kind(doc, choice, "index", SL_JSON_NUMBER, &index));
    SL_TRY(index == NULL ? SL_DONE : sl_json_u64(index, &n));
    SL_NEED(n < a->options.request->choices, SL_E_RANGE);
    *ret_number = (uint32_t)n;
    return SL_DONE;
}

sl_res sl_ask_event_end(sl_buf *out, sl_json_writer *w)
{
    sl_json_object_end(w);
    SL_TRY(sl_json_finish(w));
    return sl_buf_add_str(out, "\n\n");
}

bool sl_ask_says_error(const sl_json_doc *doc)
{
    const sl_json_node *error = sl_json_get(doc, sl_json_root(doc), "error");
    return error != NULL && !sl_json_is(error, SL_JSON_NULL);
}

uint64_t sl_ask_count(const sl_json_doc *doc, const sl_json_node *object, const char *name)
{
    uint64_t n = 0;
    const sl_json_node *value = sl_json_get_kind(doc, object, name, SL_JSON_NUMBER);
    if (value == NULL || !sl_ok(sl_json_u64(value, &n))) {
        return 0;
    }
    return n > UINT32_MAX ? UINT32_MAX : n;
}

sl_res sl_ask_member_kind(const sl_json_doc *doc, const sl_json_node *object, const char *name,
                          sl_json_kind kind, const sl_json_node **ret_member)
{
    const sl_json_node *member = sl_json_get(doc, object, name);
    bool none = member == NULL || sl_json_is(member, SL_JSON_NULL);
    SL_NEED(none || sl_json_is(member, kind), SL_E_TYPE);
    *ret_member = none ? NULL : member;
    return SL_DONE;
}

sl_res sl_ask_member_text(sl_answer *a, const sl_json_doc *doc, const sl_json_node *object,
                          const char *name, bool *ret_has, sl_view *ret_text)
{
    const sl_json_node *value = sl_json_get(doc, object, name);
    *ret_has = value != NULL && !sl_json_is(value, SL_JSON_NULL);
    return *ret_has ? sl_json_text(value, &a->event, ret_text) : SL_DONE;
}
