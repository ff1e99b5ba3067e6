/* Sources (source.h): memory, parts, and functions that read. A reader keeps a few aligned chunks, so
 * that a parser which goes back and forth (a zip's directory and its members) does not read the same
 * bytes again and again; a window that crosses chunks is put together in a buffer of its own. */
#include "artefact/source.h"

#include <stdlib.h>
#include <string.h>

#include "artefact/source_impl.h"

uint64_t sl_source_size(const sl_source *source)
{
    return source->size;
}

sl_res sl_source_at(sl_source *source, uint64_t offset, size_t want, sl_view *ret_view)
{
    if (want > SL_SOURCE_WINDOW_MAX) {
        return sl_fail_at(SL_E_LIMIT, "window", offset);
    }
    if (offset >= source->size || want == 0) {
        *ret_view = (sl_view){ 0 };
        return SL_DONE;
    }
    if (want > source->size - offset) {
        want = (size_t)(source->size - offset);
    }
    return source->ops->at(source, offset, want, ret_view);
}

sl_res sl_source_need(sl_source *source, uint64_t offset, size_t want, sl_view *ret_view)
{
    sl_view got = { 0 };
    SL_TRY(sl_source_at(source, offset, want, &got));
    if (got.n != want) {
        return sl_fail_at(SL_E_TRUNCATED, "byte", offset);
    }
    *ret_view = got;
    return SL_DONE;
}

sl_res sl_source_some(sl_source *source, uint64_t offset, sl_view *ret_view)
{
    if (offset >= source->size || source->ops->some == NULL) {
        return sl_source_at(source, offset, SL_SOURCE_CHUNK_BYTES, ret_view);
    }
    return source->ops->some(source, offset, ret_view);
}

sl_source *sl_source_keep(sl_source *source)
{
    source->refs++;
    return source;
}

void sl_source_drop(sl_source *source)
{
    if (source == NULL || --source->refs != 0) {
        return;
    }
    source->ops->end(source);
    free(source);
}

void sl_source_free(sl_source **source)
{
    sl_source_drop(*source);
    *source = NULL;
}

/* ---- memory ---- */

typedef struct {
    sl_source base;
    sl_view bytes;
    sl_buf owned;
} memory;

static sl_res memory_at(sl_source *self, uint64_t offset, size_t want, sl_view *ret_view)
{
    const memory *m = (const memory *)self;
    *ret_view = sl_view_of(m->bytes.p + offset, want);
    return SL_DONE;
}

static sl_res memory_some(sl_source *self, uint64_t offset, sl_view *ret_view)
{
    uint64_t left = self->size - offset;
    return memory_at(self, offset,
                     left < SL_SOURCE_WINDOW_MAX ? (size_t)left : SL_SOURCE_WINDOW_MAX, ret_view);
}

static void memory_end(sl_source *self)
{
    sl_buf_free(&((memory *)self)->owned);
}

static const sl_source_ops memory_ops = { memory_at, memory_some, memory_end };

sl_res sl_source_memory(sl_view bytes, sl_source **ret_source)
{
    memory *m = calloc(1, sizeof *m);
    SL_NEED(m != NULL, SL_E_MEMORY);
    m->base = (sl_source){ .ops = &memory_ops, .size = bytes.n, .refs = 1 };
    m->bytes = bytes;
    *ret_source = &m->base;
    return SL_DONE;
}

sl_res sl_source_buffer(sl_buf *bytes, sl_source **ret_source)
{
    SL_OWN(sl_buf, taken, sl_buf_free) = sl_buf_take(bytes);
    sl_source *made = NULL;
    SL_TRY(sl_source_memory(sl_buf_view(&taken), &made));
    ((memory *)made)->owned = sl_buf_take(&taken);
    *ret_source = made;
    return SL_DONE;
}

/* ---- a part of another ---- */

typedef struct {
    sl_source base;
    sl_source *parent;
    uint64_t from;
} part;

static sl_res part_at(sl_source *self, uint64_t offset, size_t want, sl_view *ret_view)
{
    const part *p = (const part *)self;
    return p->parent->ops->at(p->parent, p->from + offset, want, ret_view);
}

static sl_res part_some(sl_source *self, uint64_t offset, sl_view *ret_view)
{
    const part *p = (const part *)self;
    sl_view got = { 0 };
    SL_TRY(sl_source_some(p->parent, p->from + offset, &got));
    uint64_t left = self->size - offset;
    *ret_view = got.n > left ? sl_view_of(got.p, (size_t)left) : got;
    return SL_DONE;
}

static void part_end(sl_source *self)
{
    sl_source_drop(((part *)self)->parent);
}

static const sl_source_ops part_ops = { part_at, part_some, part_end };

sl_res sl_source_part(sl_source *parent, uint64_t from, uint64_t size, sl_source **ret_source)
{
    if (from > parent->size || size > parent->size - from) {
        return sl_fail_at(SL_E_RANGE, "part", from);
    }
    if (parent->ops == &part_ops) { /* parts of parts stay one step away from the bytes */
        from += ((const part *)parent)->from;
        parent = ((const part *)parent)->parent;
    }
    part *p = calloc(1, sizeof *p);
    SL_NEED(p != NULL, SL_E_MEMORY);
    p->base = (sl_source){ .ops = &part_ops, .size = size, .refs = 1 };
    p->parent = sl_source_keep(parent);
    p->from = from;
    *ret_source = &p->base;
    return SL_DONE;
}

/* ---- a function that reads ---- */

#define SLOTS ((size_t)8)
#define NO_CHUNK UINT64_MAX

typedef struct {
    uint64_t chunk;
    uint64_t used; /* the larger, the later */
    uint8_t *bytes;
    size_t n;
} slot;

typedef struct {
    sl_source base;
    sl_source_read read;
    void *ctx;
    slot slots[SLOTS];
    uint64_t clock;
    sl_buf joined; /* a window that crosses chunks */
} reader;

static slot *slot_of(reader *r, uint64_t chunk)
{
    slot *oldest = &r->slots[0];
    for (size_t i = 0; i < SLOTS; i++) {
        if (r->slots[i].chunk == chunk) {
            return &r->slots[i];
        }
        if (r->slots[i].used < oldest->used) {
            oldest = &r->slots[i];
        }
    }
    return oldest;
}

static sl_res load(reader *r, uint64_t chunk, slot **ret_slot)
{
    slot *s = slot_of(r, chunk);
    s->used = ++r->clock;
    *ret_slot = s;
    if (s->chunk == chunk) {
        return SL_DONE;
    }
    uint64_t offset = chunk * SL_SOURCE_CHUNK_BYTES;
    uint64_t left = r->base.size - offset;
    size_t want = left < SL_SOURCE_CHUNK_BYTES ? (size_t)left : SL_SOURCE_CHUNK_BYTES;
    if (s->bytes == NULL) {
        s->bytes = malloc(r->base.size < SL_SOURCE_CHUNK_BYTES ? want : SL_SOURCE_CHUNK_BYTES);
        SL_NEED(s->bytes != NULL, SL_E_MEMORY);
    }
    s->chunk = NO_CHUNK; /* whatever happens, the old bytes are gone */
    size_t got = 0;
    SL_TRY(r->read(r->ctx, offset, s->bytes, want, &got));
    if (got != want) {
        return sl_fail_at(SL_E_INTEGRITY, "size", offset + got);
    }
    s->chunk = chunk;
    s->n = want;
    return SL_DONE;
}

static sl_res reader_some(sl_source *self, uint64_t offset, sl_view *ret_view)
{
    slot *s = NULL;
    SL_TRY(load((reader *)self, offset / SL_SOURCE_CHUNK_BYTES, &s));
    size_t in = (size_t)(offset % SL_SOURCE_CHUNK_BYTES);
    *ret_view = sl_view_of(s->bytes + in, s->n - in);
    return SL_DONE;
}

static sl_res reader_at(sl_source *self, uint64_t offset, size_t want, sl_view *ret_view)
{
    reader *r = (reader *)self;
    sl_view got = { 0 };
    SL_TRY(reader_some(self, offset, &got));
    if (got.n >= want) {
        *ret_view = sl_view_of(got.p, want);
        return SL_DONE;
    }
    sl_buf_clear(&r->joined);
    while (r->joined.n < want) {
        SL_TRY(reader_some(self, offset + r->joined.n, &got));
        SL_TRY(sl_buf_add(&r->joined, sl_view_sub(got, 0, want - r->joined.n)));
    }
    *ret_view = sl_buf_view(&r->joined);
    return SL_DONE;
}

static void reader_end(sl_source *self)
{
    reader *r = (reader *)self;
    for (size_t i = 0; i < SLOTS; i++) {
        free(r->slots[i].bytes);
    }
    sl_buf_free(&r->joined);
}

static const sl_source_ops reader_ops = { reader_at, reader_some, reader_end };

sl_res sl_source_reader(sl_source_read read, void *ctx, uint64_t size, sl_source **ret_source)
{
    reader *r = calloc(1, sizeof *r);
    SL_NEED(r != NULL, SL_E_MEMORY);
    r->base = (sl_source){ .ops = &reader_ops, .size = size, .refs = 1 };
    r->read = read;
    r->ctx = ctx;
    r->joined.max = SL_SOURCE_WINDOW_MAX;
    for (size_t i = 0; i < SLOTS; i++) {
        r->slots[i].chunk = NO_CHUNK;
    }
    *ret_source = &r->base;
    return SL_DONE;
}

/* ---- cursors ---- */

sl_cursor sl_cursor_over(sl_source *source)
{
    return (sl_cursor){ source, 0, source->size };
}

sl_cursor sl_cursor_part(sl_source *source, uint64_t from, uint64_t to)
{
    uint64_t end = to < source->size ? to : source->size;
    return (sl_cursor){ source, from < end ? from : end, end };
}

sl_res sl_cursor_take(sl_cursor *c, uint64_t n, sl_view *ret_view)
{
    if (n > c->end - c->at) {
        return sl_fail_at(SL_E_TRUNCATED, "byte", c->at);
    }
    if (n > SL_SOURCE_WINDOW_MAX) {
        return sl_fail_at(SL_E_LIMIT, "byte", c->at);
    }
    SL_TRY(sl_source_need(c->source, c->at, (size_t)n, ret_view));
    c->at += n;
    return SL_DONE;
}

sl_res sl_cursor_skip(sl_cursor *c, uint64_t n)
{
    if (n > c->end - c->at) {
        return sl_fail_at(SL_E_TRUNCATED, "byte", c->at);
    }
    c->at += n;
    return SL_DONE;
}

sl_res sl_cursor_copy(sl_cursor *c, uint64_t n, sl_buf *out)
{
    if (n > c->end - c->at) {
        return sl_fail_at(SL_E_TRUNCATED, "byte", c->at);
    }
    while (n != 0) {
        sl_view piece = { 0 };
        uint64_t step = n < SL_SOURCE_CHUNK_BYTES ? n : SL_SOURCE_CHUNK_BYTES;
        SL_TRY(sl_cursor_take(c, step, &piece));
        SL_TRY(sl_buf_add(out, piece));
        n -= step;
    }
    return SL_DONE;
}

#define FIXED(name, type, bytes, get)                                                              \
    sl_res sl_cursor_##name(sl_cursor *c, type *ret_value)                                         \
    {                                                                                              \
        sl_view v = { 0 };                                                                         \
        SL_TRY(sl_cursor_take(c, bytes, &v));                                                      \
        *ret_value = get(v.p);                                                                     \
        return SL_DONE;                                                                            \
    }

FIXED(u8, uint8_t, 1, *)
FIXED(u16le, uint16_t, 2, sl_get_le16)
FIXED(u32le, uint32_t, 4, sl_get_le32)
FIXED(u64le, uint64_t, 8, sl_get_le64)
FIXED(u16be, uint16_t, 2, sl_get_be16)
FIXED(u32be, uint32_t, 4, sl_get_be32)
FIXED(u64be, uint64_t, 8, sl_get_be64)

sl_res sl_cursor_varint(sl_cursor *c, uint64_t *ret_value)
{
    sl_view v = { 0 };
    uint64_t left = c->end - c->at;
    SL_TRY(sl_source_need(c->source, c->at, left < 10 ? (size_t)left : 10, &v));
    uint64_t value = 0;
    for (size_t i = 0; i < v.n; i++) {
        value |= (uint64_t)(v.p[i] & 0x7f) << (7 * i);
        if ((v.p[i] & 0x80) == 0) {
            if (i == 9 && v.p[i] > 1) {
                return sl_fail_at(SL_E_RANGE, "byte", c->at);
            }
            c->at += i + 1;
            *ret_value = value;
            return SL_DONE;
        }
    }
    return sl_fail_at(v.n == 10 ? SL_E_RANGE : SL_E_TRUNCATED, "byte", c->at);
}
