/* OpenAI embeddings: texts in, vectors of numbers out. The texts are inspected like any other; the
 * numbers are written anew one by one, so that nothing else can stand among them. Vectors as base64
 * are not taken: they could hold anything. Reference: OpenAI API, "Create embeddings". */
#include "doors/ask/dialect.h"

enum { NUMBER_BYTES_MAX = 32, VECTORS_MAX = 4096, DIMENSIONS_MAX = 65536 };

static const sl_ask_member input_item = {
    .name = "input", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_USER, .apart = true
};

static const sl_ask_member request_members[] = {
    { .name = "model", .takes = SL_TAKES_WORD, .learn = SL_LEARN_MODEL },
    { .name = "input",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_USER,
      .items = &input_item },
    { .name = "dimensions", .takes = SL_TAKES_INT },
    { .name = "encoding_format",
      .takes = SL_TAKES_WORD,
      .words = "float|base64",
      .act = SL_ACT_DROP },
    { .name = "user", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_METADATA },
};
static const sl_ask_shape request_shape = { .name = "request",
                                            .members = request_members,
                                            .count = SL_COUNT_OF(request_members) };

static sl_res put_vector(const sl_json_doc *doc, const sl_json_node *item, uint64_t index,
                         sl_json_writer *w)
{
    const sl_json_node *vector = sl_json_get_kind(doc, item, "embedding", SL_JSON_ARRAY);
    sl_json_iter it = { 0 };
    SL_NEED(vector != NULL && vector->count <= DIMENSIONS_MAX, SL_E_MISSING_FIELD);
    sl_json_object_begin(w);
    sl_json_put_str(w, "object", "embedding");
    sl_json_put_uint(w, "index", index);
    sl_json_key(w, "embedding");
    sl_json_array_begin(w);
    while (sl_json_each(doc, vector, &it)) {
        SL_NEED(sl_json_is(it.value, SL_JSON_NUMBER), SL_E_TYPE);
        SL_NEED(it.value->raw.n <= NUMBER_BYTES_MAX, SL_E_RANGE);
        sl_json_raw(w, it.value->raw);
    }
    sl_json_array_end(w);
    sl_json_object_end(w);
    return SL_DONE;
}

static sl_res embeddings_whole(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *data = sl_json_get_kind(doc, root, "data", SL_JSON_ARRAY);
    const sl_json_node *usage = sl_json_get_kind(doc, root, "usage", SL_JSON_OBJECT);
    sl_json_iter it = { 0 };
    uint64_t index = 0;
    sl_json_writer w;
    SL_NEED(!sl_ask_says_error(doc), SL_E_UPSTREAM);
    SL_NEED(data != NULL && data->count <= VECTORS_MAX, SL_E_MISSING_FIELD);
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "object", "list");
    sl_json_key(&w, "data");
    sl_json_array_begin(&w);
    while (sl_json_each(doc, data, &it)) {
        SL_TRY(put_vector(doc, it.value, index++, &w));
    }
    sl_json_array_end(&w);
    sl_json_put_string(&w, "model", a->options.model);
    a->has_usage = usage != NULL;
    a->prompt_tokens = sl_ask_count(doc, usage, "prompt_tokens");
    sl_json_key(&w, "usage");
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "prompt_tokens", a->prompt_tokens);
    sl_json_put_uint(&w, "total_tokens", a->prompt_tokens);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    a->choices[0].ended = true;
    a->done = true;
    return sl_json_finish(&w);
}

/* There is no stream of embeddings: a request cannot ask for one, so events never come. */
static sl_res no_event(sl_answer *a, const sl_json_doc *doc, sl_buf *out)
{
    (void)a;
    (void)doc;
    (void)out;
    return sl_fail(SL_E_UPSTREAM);
}

static sl_res no_close(sl_answer *a, sl_buf *out)
{
    (void)a;
    (void)out;
    return SL_DONE;
}

const sl_ask_dialect sl_ask_openai_embeddings = {
    .name = "openai.embeddings",
    .path = "/v1/embeddings",
    .method = "POST",
    .upstream_path = "/v1/embeddings",
    .shape = &request_shape,
    .event = no_event,
    .whole = embeddings_whole,
    .close = no_close,
    .broken = sl_ask_openai_broken,
    .error = sl_ask_openai_error,
};
