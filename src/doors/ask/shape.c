/* The request walker. What it is for is told in shape.h. It must never write a value that its table
 * does not name or a string that was not inspected, and it uses no recursion on input: the depth
 * of a document is bounded by the lexer and the walk keeps its own stack. */
#include "doors/ask/shape.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_BYTES_MAX = 256, NUMBER_BYTES_MAX = 32 };

static const char *const feature_names[SL_FEATURE_COUNT] = {
    "none",     "logprobs",     "remote_media", "opaque_parts", "hosted_tools",
    "file_ids", "stored_state", "background",   "thinking",
};

const char *sl_ask_feature_name(sl_ask_feature feature)
{
    return feature < SL_FEATURE_COUNT ? feature_names[feature] : "none";
}

bool sl_ask_feature_by_name(sl_view name, sl_ask_feature *ret_feature)
{
    for (size_t i = 1; i < SL_FEATURE_COUNT; i++) {
        if (sl_view_eq_str(name, feature_names[i])) {
            *ret_feature = (sl_ask_feature)i;
            return true;
        }
    }
    return false;
}

/* Everything below a free value, and the value itself, follows this one rule. */
static const sl_ask_member free_member = { .name = "value",
                                           .takes = SL_TAKES_FREE,
                                           .channel = SL_CHANNEL_OF_PLACE };

typedef struct {
    const sl_json_node *node;
    sl_json_iter it;
    const sl_ask_shape *shape;  /* of an object by table, else NULL */
    const sl_ask_member *items; /* of an array, or free_member for free values */
    sl_channel channel;
    sl_view tool; /* whose result this is part of, or empty */
} place;

/* A running text that waits for its neighbours: in the output stands an empty string. */
typedef struct {
    size_t at; /* of that string */
    sl_view text;
    sl_view tool;
    sl_channel channel;
    bool first;  /* of a row: texts that are read as one */
    size_t next; /* in its row, numbered from 1; 0: it is the last */
} hole;

typedef struct {
    const sl_ask_walk *in;
    sl_json_writer w;
    sl_ask_facts *facts;
    hole *holes;
    size_t holes_n;
    size_t holes_cap;
    size_t rows[SL_CHANNEL_COUNT]; /* last of each channel's open row, from 1; 0: none is open */
    uint32_t prompts;              /* SL_LEARN_PROMPTS */
    place stack[SL_JSON_DEPTH_MAX + 1];
    size_t depth;
} walk;

static bool granted(const walk *k, unsigned feature)
{
    return (k->in->features >> feature & 1U) != 0;
}

static const sl_ask_member *member_named(const sl_ask_shape *shape, const sl_json_node *key)
{
    for (size_t i = 0; i < shape->count; i++) {
        if (sl_json_text_is(key, shape->members[i].name)) {
            return &shape->members[i];
        }
    }
    return NULL;
}

/* Is `word` one of "a|b|c"? */
static bool word_listed(sl_view word, const char *words)
{
    sl_view rest = sl_view_str(words);
    while (rest.n != 0) {
        sl_view one;
        sl_view after;
        (void)sl_view_cut(rest, '|', &one, &after);
        if (sl_view_eq(one, word)) {
            return true;
        }
        rest = after;
    }
    return false;
}

/* Protocol words: printable ASCII of names and ids, no spaces, so that no sentence hides in one. */
static bool word_ok(sl_view word)
{
    if (word.n == 0 || word.n > WORD_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < word.n; i++) {
        uint8_t c = word.p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && memchr("_-.:/@+", c, 7) == NULL) {
            return false;
        }
    }
    return true;
}

static sl_channel channel_of_role(sl_view role)
{
    if (sl_view_eq_str(role, "system") || sl_view_eq_str(role, "developer")) {
        return SL_CHANNEL_SYSTEM;
    }
    if (sl_view_eq_str(role, "assistant")) {
        return SL_CHANNEL_ASSISTANT;
    }
    if (sl_view_eq_str(role, "tool") || sl_view_eq_str(role, "function")) {
        return SL_CHANNEL_TOOL_RESULT;
    }
    return SL_CHANNEL_USER;
}

static sl_res learn_number(walk *k, const sl_ask_member *m, const sl_json_node *value)
{
    uint64_t n = 0;
    SL_TRY(sl_json_u64(value, &n));
    if (m->learn == SL_LEARN_TOKENS_MAX) {
        k->facts->tokens_max = n;
        return SL_DONE;
    }
    if (n < 1 || n > SL_ASK_CHOICES_MAX) {
        return sl_fail_at(SL_E_RANGE, m->name, value->offset);
    }
    if (m->learn == SL_LEARN_CHOICES) {
        k->facts->choices = (uint32_t)n;
    }
    return SL_DONE;
}

static sl_res learn(walk *k, const sl_ask_member *m, const sl_json_node *value)
{
    switch ((sl_ask_learn)m->learn) {
    case SL_LEARN_STREAM:
        k->facts->stream = sl_json_is(value, SL_JSON_TRUE);
        return SL_DONE;
    case SL_LEARN_USAGE_WANTED:
        k->facts->usage_wanted = sl_json_is(value, SL_JSON_TRUE);
        return SL_DONE;
    case SL_LEARN_PROMPTS:
        k->prompts = sl_json_is(value, SL_JSON_ARRAY) ? value->count : 1;
        return SL_DONE;
    case SL_LEARN_CHOICES:
    case SL_LEARN_TRIES:
    case SL_LEARN_TOKENS_MAX:
        return sl_json_is(value, SL_JSON_NUMBER) ? learn_number(k, m, value) : SL_DONE;
    case SL_LEARN_TOOL_NAME:
        if (k->facts->tools_n == SL_ASK_TOOLS_MAX) {
            return sl_fail_at(SL_E_LIMIT, "tools", SL_ASK_TOOLS_MAX);
        }
        return sl_json_text(value, k->in->arena, &k->facts->tools[k->facts->tools_n++]);
    case SL_LEARN_NOTHING:
    case SL_LEARN_MODEL:
    case SL_LEARN_ROLE:
        break;
    }
    return SL_DONE;
}

static sl_res put_word(walk *k, const sl_ask_member *m, const place *at, sl_view word,
                       size_t offset)
{
    if (m->learn == SL_LEARN_MODEL) {
        sl_json_string(&k->w, k->in->upstream_model);
        return SL_DONE;
    }
    if (!word_ok(word)) {
        return sl_fail_at(SL_E_TYPE, m->name, offset);
    }
    if (m->words != NULL && word_listed(word, m->words)) {
        sl_json_string(&k->w, word);
        return SL_DONE;
    }
    if (m->words != NULL) {
        sl_ask_feature other = at->shape == NULL ? SL_FEATURE_NONE : at->shape->other_words;
        if (other == SL_FEATURE_NONE) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, m->name, offset);
        }
        if (!granted(k, other)) {
            return sl_fail_at(SL_E_FEATURE, sl_ask_feature_name(other), offset);
        }
    }
    SL_TRY(sl_ask_look_fixed(k->in->look, word, SL_CHANNEL_METADATA));
    sl_json_string(&k->w, word);
    return SL_DONE;
}

static sl_channel channel_of(const sl_ask_member *m, const place *at)
{
    return m->channel == SL_CHANNEL_OF_PLACE ? at->channel : (sl_channel)m->channel;
}

/* JSON inside a string: inspected in its decoded strings and written anew. What is not JSON after
 * all is inspected as the text that it is. */
static sl_res put_json_text(walk *k, sl_channel channel, sl_view text)
{
    SL_OWN(sl_json_doc, inner, sl_json_doc_free) = { 0 };
    SL_OWN(sl_buf, anew, sl_buf_free) = { .max = k->in->nested_max };
    if (sl_ok(sl_json_parse(text, &inner))) {
        sl_ask_walk nested = *k->in;
        nested.doc = &inner;
        nested.calls = (sl_ask_calls){ 0 };
        SL_TRY(sl_ask_free_write(&nested, channel, &anew));
        sl_json_string(&k->w, sl_buf_view(&anew));
        return SL_DONE;
    }
    sl_view passed;
    SL_TRY(sl_ask_look_text(k->in->look, text, channel, &passed));
    sl_json_string(&k->w, passed);
    return SL_DONE;
}

/* What the user and the assistant say by turns ends what others were saying. Instructions and
 * results of tools interrupt nobody. */
static void end_rows(walk *k, sl_channel channel, bool apart)
{
    bool user = channel == SL_CHANNEL_USER;
    if (user || channel == SL_CHANNEL_ASSISTANT) {
        k->rows[SL_CHANNEL_TOOL_RESULT] = 0;
        k->rows[user ? SL_CHANNEL_ASSISTANT : SL_CHANNEL_USER] = 0;
    }
    if (apart) {
        k->rows[channel] = 0;
    }
}

static sl_res put_hole(walk *k, sl_channel channel, sl_view tool, bool apart, sl_view text)
{
    if (k->holes_n == k->holes_cap) {
        size_t cap = k->holes_cap == 0 ? 32 : 2 * k->holes_cap;
        hole *more = reallocarray(k->holes, cap, sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        k->holes = more;
        k->holes_cap = cap;
    }
    end_rows(k, channel, apart);
    sl_json_string(&k->w, SL_LIT(""));
    size_t before = k->rows[channel];
    k->holes[k->holes_n++] = (hole){
        .at = k->w.out->n - 2, .text = text, .tool = tool, .channel = channel, .first = before == 0
    };
    if (before != 0) {
        k->holes[before - 1].next = k->holes_n;
    }
    k->rows[channel] = k->holes_n;
    return SL_DONE;
}

static sl_res put_string(walk *k, const sl_ask_member *m, const place *at,
                         const sl_json_node *value)
{
    sl_view text;
    SL_TRY(sl_json_text(value, k->in->arena, &text));
    k->in->look->tool = at->tool;
    if ((m->takes & SL_TAKES_JSON_TEXT) != 0) {
        return put_json_text(k, channel_of(m, at), text);
    }
    bool running = (m->takes & SL_TAKES_TEXT) != 0 && channel_of(m, at) != SL_CHANNEL_METADATA;
    if (running && text.n != 0) {
        return put_hole(k, channel_of(m, at), at->tool, m->apart, text);
    }
    if ((m->takes & (SL_TAKES_TEXT | SL_TAKES_FREE)) != 0) {
        sl_view passed;
        SL_TRY(sl_ask_look_text(k->in->look, text, channel_of(m, at), &passed));
        sl_json_string(&k->w, passed);
        return SL_DONE;
    }
    if ((m->takes & SL_TAKES_WORD) != 0) {
        return put_word(k, m, at, text, value->offset);
    }
    return sl_fail_at(SL_E_TYPE, m->name, value->offset);
}

static sl_res put_number(walk *k, const sl_ask_member *m, const place *at,
                         const sl_json_node *value)
{
    if ((m->takes & (SL_TAKES_INT | SL_TAKES_NUMBER | SL_TAKES_FREE)) == 0) {
        return sl_fail_at(SL_E_TYPE, m->name, value->offset);
    }
    if (value->raw.n > NUMBER_BYTES_MAX) {
        return sl_fail_at(SL_E_RANGE, m->name, value->offset);
    }
    if ((m->takes & SL_TAKES_FREE) != 0) {
        k->in->look->tool = at->tool;
        SL_TRY(sl_ask_look_fixed(k->in->look, value->raw, channel_of(m, at)));
    } else if ((m->takes & SL_TAKES_NUMBER) == 0) {
        int64_t whole = 0;
        SL_TRY(sl_json_i64(value, &whole));
    }
    sl_json_raw(&k->w, value->raw);
    return SL_DONE;
}

/* The channel that an object's role gives to its members. */
static sl_channel channel_below(const sl_ask_walk *in, const sl_ask_shape *shape,
                                const sl_json_node *object, sl_channel outer)
{
    if (shape->role_member == NULL) {
        return outer;
    }
    const sl_json_node *role =
        sl_json_get_kind(in->doc, object, shape->role_member, SL_JSON_STRING);
    sl_view word;
    if (role == NULL || !sl_ok(sl_json_text(role, in->arena, &word))) {
        return SL_CHANNEL_USER;
    }
    return channel_of_role(word);
}

static sl_res open_place(walk *k, const sl_ask_member *m, const place *at,
                         const sl_json_node *value)
{
    if (k->depth == SL_COUNT_OF(k->stack)) {
        return sl_fail_at(SL_E_DEPTH, m->name, value->offset);
    }
    place next = { .node = value, .channel = channel_of(m, at), .tool = at->tool };
    bool object = value->kind == SL_JSON_OBJECT;
    if ((m->takes & SL_TAKES_FREE) != 0) {
        next.items = &free_member;
    } else if (object && (m->takes & SL_TAKES_OBJECT) != 0) {
        next.shape = m->shape;
        next.channel = channel_below(k->in, m->shape, value, next.channel);
        sl_view tool = sl_ask_calls_tool(&k->in->calls, k->in->doc, value, k->in->arena);
        next.tool = tool.n == 0 ? next.tool : tool;
    } else if (!object && (m->takes & SL_TAKES_ITEMS) != 0) {
        next.items = m->items;
    } else {
        return sl_fail_at(SL_E_TYPE, m->name, value->offset);
    }
    if (object) {
        sl_json_object_begin(&k->w);
    } else {
        sl_json_array_begin(&k->w);
    }
    k->stack[k->depth++] = next;
    return SL_DONE;
}

static sl_res put_value(walk *k, const sl_ask_member *m, const place *at, const sl_json_node *value)
{
    uint16_t any = SL_TAKES_FREE;
    SL_TRY(learn(k, m, value));
    switch ((sl_json_kind)value->kind) {
    case SL_JSON_OBJECT:
    case SL_JSON_ARRAY:
        return open_place(k, m, at, value);
    case SL_JSON_STRING:
        return put_string(k, m, at, value);
    case SL_JSON_NUMBER:
        return put_number(k, m, at, value);
    case SL_JSON_TRUE:
    case SL_JSON_FALSE:
        if ((m->takes & (SL_TAKES_BOOL | any)) == 0) {
            return sl_fail_at(SL_E_TYPE, m->name, value->offset);
        }
        sl_json_true_false(&k->w, value->kind == SL_JSON_TRUE);
        return SL_DONE;
    case SL_JSON_NULL:
        if ((m->takes & (SL_TAKES_NULL | any)) == 0) {
            return sl_fail_at(SL_E_TYPE, m->name, value->offset);
        }
        sl_json_null(&k->w);
        return SL_DONE;
    case SL_JSON_KEY:
    case SL_JSON_OBJECT_END:
    case SL_JSON_ARRAY_END:
    case SL_JSON_END:
        break;
    }
    return sl_fail(SL_E_BUG);
}

/* A member of an object that has a table. */
static sl_res put_member(walk *k, const place *at, const sl_json_iter *it)
{
    const sl_ask_member *m = member_named(at->shape, it->key);
    if (m == NULL) {
        return sl_fail_at(SL_E_UNKNOWN_FIELD, at->shape->name, it->key->offset);
    }
    bool may = m->feature == SL_FEATURE_NONE || granted(k, m->feature);
    bool asks = !sl_json_is(it->value, SL_JSON_NULL) && !sl_json_is(it->value, SL_JSON_FALSE);
    if (m->act == SL_ACT_FEATURE && !may && asks) {
        return sl_fail_at(SL_E_FEATURE, sl_ask_feature_name((sl_ask_feature)m->feature),
                          it->key->offset);
    }
    bool out = m->act == SL_ACT_DROP || m->act == SL_ACT_FALSE || (!may && !asks);
    if (out || (m->act == SL_ACT_STRIP && !may)) {
        return SL_DONE;
    }
    sl_json_key(&k->w, m->name);
    return put_value(k, m, at, it->value);
}

static sl_res put_free_key(walk *k, const place *at, const sl_json_node *key)
{
    sl_view text;
    SL_TRY(sl_json_text(key, k->in->arena, &text));
    k->in->look->tool = at->tool;
    SL_TRY(sl_ask_look_fixed(k->in->look, text, at->channel));
    sl_json_key_view(&k->w, text);
    return SL_DONE;
}

static void close_place(walk *k)
{
    const place *at = &k->stack[--k->depth];
    if (at->node->kind == SL_JSON_ARRAY) {
        sl_json_array_end(&k->w);
        return;
    }
    if (at->shape != NULL && at->shape->force_false != NULL) {
        sl_json_put_bool(&k->w, at->shape->force_false, false);
    }
    sl_json_object_end(&k->w);
}

static sl_res run(walk *k)
{
    while (k->depth != 0) {
        place *at = &k->stack[k->depth - 1];
        if (!sl_json_each(k->in->doc, at->node, &at->it)) {
            close_place(k);
            continue;
        }
        sl_json_iter it = at->it;
        if (at->shape != NULL) {
            SL_TRY(put_member(k, at, &it));
            continue;
        }
        if (it.key != NULL) {
            SL_TRY(put_free_key(k, at, it.key));
        }
        SL_TRY(put_value(k, at->items, at, it.value));
    }
    return sl_json_finish(&k->w);
}

/* Look at the row that begins with hole `at`; its texts become what may go on, in the arena. */
static sl_res look_at_row(walk *k, size_t at, sl_view *texts)
{
    size_t n = 0;
    sl_view *tools = texts + k->holes_n;
    for (size_t i = at + 1; i != 0; i = k->holes[i - 1].next) {
        tools[n] = k->holes[i - 1].tool;
        texts[n++] = k->holes[i - 1].text;
    }
    SL_TRY(sl_ask_look_row(k->in->look, texts, tools, n, k->holes[at].channel));
    n = 0;
    for (size_t i = at + 1; i != 0; i = k->holes[i - 1].next) {
        sl_view *text = &k->holes[i - 1].text;
        bool changed = texts[n].p != text->p;
        SL_TRY(changed ? sl_arena_dup(k->in->arena, texts[n], text) : SL_DONE);
        n++;
    }
    return SL_DONE;
}

static sl_res look_at_rows(walk *k)
{
    sl_view *texts = calloc(k->holes_n, 2 * sizeof *texts); /* and as many tools */
    SL_NEED(texts != NULL, SL_E_MEMORY);
    sl_res r = SL_DONE;
    for (size_t i = 0; i < k->holes_n && sl_ok(r); i++) {
        r = k->holes[i].first ? look_at_row(k, i, texts) : SL_DONE;
    }
    free(texts);
    return r;
}

/* The document with every hole filled. */
static sl_res fill_holes(walk *k, sl_buf *out)
{
    SL_OWN(sl_buf, whole, sl_buf_free) = { .max = out->max };
    size_t from = 0;
    for (size_t i = 0; i < k->holes_n; i++) {
        sl_json_writer w;
        const hole *h = &k->holes[i];
        SL_TRY(sl_buf_add(&whole, sl_view_sub(sl_buf_view(out), from, h->at)));
        sl_json_writer_init(&w, &whole);
        sl_json_string(&w, h->text.n == 0 ? sl_view_str("") : h->text);
        SL_TRY(sl_json_finish(&w));
        from = h->at + 2;
    }
    SL_TRY(sl_buf_add(&whole, sl_view_sub(sl_buf_view(out), from, out->n)));
    sl_buf_free(out);
    *out = sl_buf_take(&whole);
    return SL_DONE;
}

static sl_res walk_and_fill(walk *k, const sl_ask_member *root, sl_channel channel, sl_buf *out)
{
    place nowhere = { .channel = channel };
    SL_TRY(put_value(k, root, &nowhere, sl_json_root(k->in->doc)));
    SL_TRY(run(k));
    if (k->holes_n == 0) {
        return SL_DONE;
    }
    SL_TRY(look_at_rows(k));
    return fill_holes(k, out);
}

static sl_res begin(const sl_ask_walk *in, const sl_ask_member *root, sl_channel channel,
                    sl_ask_facts *facts, sl_buf *out)
{
    walk k = { .in = in, .facts = facts, .prompts = 1 };
    sl_json_writer_init(&k.w, out);
    sl_res r = walk_and_fill(&k, root, channel, out);
    free(k.holes);
    SL_TRY(r);
    if (k.prompts > SL_ASK_CHOICES_MAX / facts->choices) {
        return sl_fail_at(SL_E_RANGE, "prompt", SL_NOWHERE);
    }
    facts->choices *= k.prompts == 0 ? 1 : k.prompts;
    return SL_DONE;
}

sl_res sl_ask_shape_write(const sl_ask_walk *in, const sl_ask_shape *shape, sl_buf *out,
                          sl_ask_facts *ret_facts)
{
    sl_ask_facts facts = { .choices = 1 };
    sl_ask_member root = { .name = shape->name,
                           .takes = SL_TAKES_OBJECT,
                           .channel = SL_CHANNEL_OF_PLACE,
                           .shape = shape };
    SL_TRY(begin(in, &root, SL_CHANNEL_USER, &facts, out));
    *ret_facts = facts;
    return SL_DONE;
}

sl_res sl_ask_free_write(const sl_ask_walk *in, sl_channel channel, sl_buf *out)
{
    sl_ask_facts unused = { .choices = 1 };
    return begin(in, &free_member, channel, &unused, out);
}
