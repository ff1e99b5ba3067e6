/* Writing of events and leaves, and what an id is (event.h); reading is in event_read.c. Pure: the declarations come
 * from the generated table, bytes in, bytes out.
 */
#include "ledger/event_internal.h"

#include <assert.h>

#include "base/encode.h"

const sl_event_def *sl_event_find(sl_view type)
{
    size_t low = 0;
    size_t high = sl_event_defs_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = sl_view_cmp(type, sl_view_str(sl_event_defs[middle].type));
        if (order == 0) {
            return &sl_event_defs[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

bool sl_event_is_id(sl_view v)
{
    if (v.n == 0 || v.n > SL_EVENT_WORD_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (i == 0 || memchr("._:/@-", c, 6) == NULL)) {
            return false;
        }
    }
    return true;
}

bool sl_event_is_word(sl_view v, const char *const *values)
{
    if (!sl_event_is_id(v)) {
        return false;
    }
    for (size_t i = 0; values != NULL; i++) {
        if (values[i] == NULL) {
            return false;
        }
        if (sl_view_eq_str(v, values[i])) {
            return true;
        }
    }
    return true;
}

sl_res sl_event_bad_field(const sl_field_def *f, sl_code code)
{
    return sl_fail_at(code, f->name, SL_NOWHERE);
}

static sl_res write_digest(sl_json_writer *w, const sl_digest *d)
{
    char hex[2 * SL_DIGEST_BYTES + 1];

    sl_digest_hex(d, hex);
    sl_json_string(w, sl_view_of(hex, sizeof hex - 1));
    return SL_DONE;
}

static sl_res write_bytes(sl_json_writer *w, sl_view bytes)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };

    SL_TRY(sl_base64_add(&text, bytes));
    sl_json_string(w, sl_buf_view(&text));
    return SL_DONE;
}

static sl_res write_list(sl_json_writer *w, const sl_field_def *f, const sl_views *list)
{
    if (list->n > SL_EVENT_LIST_MAX) {
        return sl_event_bad_field(f, SL_E_LIMIT);
    }
    sl_json_array_begin(w);
    for (size_t i = 0; i < list->n; i++) {
        if (!sl_event_is_id(list->items[i])) {
            return sl_event_bad_field(f, SL_E_TYPE);
        }
        sl_json_string(w, list->items[i]);
    }
    sl_json_array_end(w);
    return SL_DONE;
}

static sl_res write_tallies(sl_json_writer *w, const sl_field_def *f, const sl_tallies *list)
{
    const sl_tally *order[SL_EVENT_LIST_MAX];

    if (list->n > SL_EVENT_LIST_MAX) {
        return sl_event_bad_field(f, SL_E_LIMIT);
    }
    for (size_t i = 0; i < list->n; i++) {
        size_t at = i;
        while (at > 0 && sl_view_cmp(list->items[i].word, order[at - 1]->word) < 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = &list->items[i];
    }
    sl_json_object_begin(w);
    for (size_t i = 0; i < list->n; i++) {
        bool twice = i > 0 && sl_view_eq(order[i]->word, order[i - 1]->word);
        if (twice || !sl_event_is_id(order[i]->word) ||
            order[i]->count > (uint64_t)SL_EVENT_INTEGER_MAX) {
            return sl_event_bad_field(f, SL_E_TYPE);
        }
        sl_json_key_view(w, order[i]->word);
        sl_json_uint(w, order[i]->count);
    }
    sl_json_object_end(w);
    return SL_DONE;
}

/* Is the field there, and if not, may it be absent? */
static sl_res find_field(const sl_field_def *f, const uint8_t *base, bool *ret_there)
{
    const uint8_t *at = base + f->offset;
    bool there = true;

    switch (f->kind) {
    case SL_FIELD_ID:
    case SL_FIELD_WORD:
    case SL_FIELD_LABEL:
    case SL_FIELD_BYTES:
        there = ((const sl_view *)(const void *)at)->n != 0;
        break;
    case SL_FIELD_DIGEST:
    case SL_FIELD_COMMITMENT:
        there = *(const sl_digest *const *)(const void *)at != NULL;
        break;
    case SL_FIELD_COUNT:
    case SL_FIELD_INT:
    case SL_FIELD_BOOL:
        there = f->has_offset == SIZE_MAX || *(const bool *)(base + f->has_offset);
        break;
    case SL_FIELD_IDS:
    case SL_FIELD_WORDS:
        there = !f->optional || ((const sl_views *)(const void *)at)->items != NULL;
        break;
    case SL_FIELD_COUNTS:
        there = !f->optional || ((const sl_tallies *)(const void *)at)->items != NULL;
        break;
    }
    if (!there && !f->optional) {
        return sl_event_bad_field(f, SL_E_MISSING_FIELD);
    }
    *ret_there = there;
    return SL_DONE;
}

static sl_res write_text(sl_json_writer *w, const sl_field_def *f, sl_view v)
{
    bool fits = f->kind == SL_FIELD_LABEL  ? v.n <= SL_EVENT_LABEL_BYTES_MAX
                : f->kind == SL_FIELD_WORD ? sl_event_is_word(v, f->values)
                                           : sl_event_is_id(v);
    if (!fits) {
        return sl_event_bad_field(f, SL_E_TYPE);
    }
    sl_json_string(w, v);
    return SL_DONE;
}

static sl_res write_value(sl_json_writer *w, const sl_field_def *f, const void *at)
{
    switch (f->kind) {
    case SL_FIELD_ID:
    case SL_FIELD_WORD:
    case SL_FIELD_LABEL:
        return write_text(w, f, *(const sl_view *)at);
    case SL_FIELD_BYTES:
        return write_bytes(w, *(const sl_view *)at);
    case SL_FIELD_DIGEST:
    case SL_FIELD_COMMITMENT:
        return write_digest(w, *(const sl_digest *const *)at);
    case SL_FIELD_COUNT:
        if (*(const uint64_t *)at > (uint64_t)SL_EVENT_INTEGER_MAX) {
            return sl_event_bad_field(f, SL_E_RANGE);
        }
        sl_json_uint(w, *(const uint64_t *)at);
        return SL_DONE;
    case SL_FIELD_INT:
        if (*(const int64_t *)at > SL_EVENT_INTEGER_MAX ||
            *(const int64_t *)at < -SL_EVENT_INTEGER_MAX) {
            return sl_event_bad_field(f, SL_E_RANGE);
        }
        sl_json_int(w, *(const int64_t *)at);
        return SL_DONE;
    case SL_FIELD_BOOL:
        sl_json_true_false(w, *(const bool *)at);
        return SL_DONE;
    case SL_FIELD_IDS:
    case SL_FIELD_WORDS:
        return write_list(w, f, at);
    case SL_FIELD_COUNTS:
        return write_tallies(w, f, at);
    }
    return sl_event_bad_field(f, SL_E_BUG);
}

static sl_res write_head_id(sl_json_writer *w, const char *name, sl_view v)
{
    if (v.n == 0) {
        return SL_DONE;
    }
    if (!sl_event_is_id(v)) {
        return sl_fail_at(SL_E_TYPE, name, SL_NOWHERE);
    }
    sl_json_put_string(w, name, v);
    return SL_DONE;
}

static sl_res write_fields(sl_json_writer *w, const sl_event_def *def, const void *fields)
{
    const uint8_t *base = fields;

    sl_json_key(w, "fields");
    sl_json_object_begin(w);
    for (size_t i = 0; i < def->fields_n; i++) {
        const sl_field_def *f = &def->fields[i];
        bool there = false;
        SL_TRY(find_field(f, base, &there));
        if (there) {
            sl_json_key(w, f->name);
            SL_TRY(write_value(w, f, base + f->offset));
        }
    }
    sl_json_object_end(w);
    return SL_DONE;
}

static sl_res write_sealed(sl_json_writer *w, const sl_event_head *head)
{
    if (head->body.n == 0) {
        return SL_DONE;
    }
    if (!sl_event_is_id(head->body_key)) {
        return sl_fail_at(SL_E_TYPE, "body_key", SL_NOWHERE);
    }
    sl_json_key(w, "sealed");
    sl_json_object_begin(w);
    sl_json_key(w, "body");
    SL_TRY(write_bytes(w, head->body));
    sl_json_put_string(w, "key", head->body_key);
    sl_json_object_end(w);
    return SL_DONE;
}

sl_res sl_event_write(const sl_event_def *def, const sl_event_head *head, const void *fields,
                      sl_buf *ret_event)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_json_writer w;

    /* Names in the order of their bytes: canonical form. */
    sl_json_writer_init(&w, &text);
    sl_json_object_begin(&w);
    SL_TRY(write_head_id(&w, "actor", head->actor));
    SL_TRY(write_head_id(&w, "compartment", head->compartment));
    SL_TRY(write_head_id(&w, "crossing", head->crossing));
    SL_TRY(write_head_id(&w, "door", head->door));
    SL_TRY(write_fields(&w, def, fields));
    SL_TRY(write_head_id(&w, "principal", head->principal));
    SL_TRY(write_sealed(&w, head));
    sl_json_put_str(&w, "type", def->type);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add(ret_event, sl_buf_view(&text));
}

sl_res sl_leaf_wrap(sl_view event, const char *by, uint64_t time_ms, sl_buf *ret_leaf)
{
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_json_writer w;

    assert(sl_event_is_id(sl_view_str(by)));
    sl_json_writer_init(&w, &leaf);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "by", by);
    sl_json_key(&w, "event");
    sl_json_raw(&w, event);
    sl_json_put_uint(&w, "time", time_ms);
    sl_json_put_uint(&w, "v", SL_LEAF_VERSION);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add(ret_leaf, sl_buf_view(&leaf));
}
