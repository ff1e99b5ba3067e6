/* JSON (RFC 8259) read strictly and written canonically: the one parser of the whole project, since
 * two parsers that disagree are a way round a door.
 *
 * Reading refuses: malformed UTF-8, raw control characters, lone surrogates, duplicate member names
 * (after decoding escapes), anything after the value, a byte order mark, nesting, node counts and
 * names beyond limits.h. Nothing is converted while reading: strings and numbers stay views into the
 * text, with byte offsets for evidence and errors. No recursion.
 *
 * The text must outlive the document; the document never copies it. */
#ifndef SL_BASE_JSON_H
#define SL_BASE_JSON_H

#include "base/arena.h"
#include "base/limits.h"

typedef enum {
    SL_JSON_OBJECT,
    SL_JSON_OBJECT_END, /* lexer only */
    SL_JSON_ARRAY,
    SL_JSON_ARRAY_END, /* lexer only */
    SL_JSON_KEY,
    SL_JSON_STRING,
    SL_JSON_NUMBER,
    SL_JSON_TRUE,
    SL_JSON_FALSE,
    SL_JSON_NULL,
    SL_JSON_END, /* lexer only: the whole text was read */
} sl_json_kind;

typedef struct {
    sl_json_kind kind;
    bool escaped;  /* a string or key that holds a backslash */
    sl_view raw;   /* string, key: between the quotes, still escaped; number: its text */
    size_t offset; /* of the token's first byte in the text */
} sl_json_token;

/* The lexer checks the whole grammar but for duplicate names; sl_json_parse checks those too. */
typedef struct {
    sl_view text;
    size_t at;
    size_t depth;
    uint64_t objects; /* bit d: level d is an object */
    uint8_t expect;
} sl_json_lexer;

void sl_json_lexer_init(sl_json_lexer *lexer, sl_view text);
/* SL_E_SYNTAX, SL_E_UTF8, SL_E_DEPTH, SL_E_TRUNCATED, SL_E_TRAILING or SL_E_LIMIT, with the offset. */
SL_MUST sl_res sl_json_next(sl_json_lexer *lexer, sl_json_token *ret_token);

/* A document: nodes in the order of the text. A key node is followed by its value's node. */
typedef struct {
    uint8_t kind; /* sl_json_kind */
    bool escaped;
    uint32_t end;    /* index behind this node and all below it */
    uint32_t count;  /* members of an object, items of an array */
    uint32_t offset; /* of the first byte in the text */
    sl_view raw;
} sl_json_node;

typedef struct {
    sl_view text;
    sl_json_node *nodes; /* nodes[0] is the value itself */
    size_t count;
    size_t capacity;
} sl_json_doc;

/* Parses one value. `ret_doc` is to be freed with sl_json_doc_free; it is empty on failure.
 * Texts of 4 GiB and more: SL_E_LIMIT. Duplicate names: SL_E_DUPLICATE with the later one's offset. */
SL_MUST sl_res sl_json_parse(sl_view text, sl_json_doc *ret_doc);
void sl_json_doc_free(sl_json_doc *doc);

static inline const sl_json_node *sl_json_root(const sl_json_doc *doc)
{
    return &doc->nodes[0];
}

static inline bool sl_json_is(const sl_json_node *node, sl_json_kind kind)
{
    return node != NULL && node->kind == kind;
}

/* The member's value, or NULL if `object` is NULL, not an object, or has no such member. */
const sl_json_node *sl_json_get(const sl_json_doc *doc, const sl_json_node *object,
                                const char *name);
/* As sl_json_get, but only if the value is of this kind. */
const sl_json_node *sl_json_get_kind(const sl_json_doc *doc, const sl_json_node *object,
                                     const char *name, sl_json_kind kind);

/* Walks the members of an object or the items of an array:
 *   sl_json_iter it = { 0 };
 *   while (sl_json_each(doc, parent, &it)) { use it.key (NULL in an array) and it.value }
 * NULL or a scalar has none. */
typedef struct {
    const sl_json_node *key;
    const sl_json_node *value;
    size_t next;
} sl_json_iter;
bool sl_json_each(const sl_json_doc *doc, const sl_json_node *parent, sl_json_iter *iter);

/* Does the decoded string or key equal `text`? */
bool sl_json_text_is(const sl_json_node *string, const char *text);
/* Appends the decoded string or key. */
SL_MUST sl_res sl_json_add_text(const sl_json_node *string, sl_buf *out);
/* The decoded string or key: borrowed from the text, or copied into the arena if it has escapes.
 * SL_E_TYPE if `string` is NULL or not a string or key. */
SL_MUST sl_res sl_json_text(const sl_json_node *string, sl_arena *arena, sl_view *ret_text);
/* The decoded text of a member, or empty where it is absent, no string, or the arena is full. */
sl_view sl_json_member_text(const sl_json_doc *doc, const sl_json_node *object, const char *name,
                            sl_arena *arena);
/* Integers written without fraction or exponent; SL_E_TYPE, SL_E_RANGE otherwise. */
SL_MUST sl_res sl_json_i64(const sl_json_node *number, int64_t *ret_value);
SL_MUST sl_res sl_json_u64(const sl_json_node *number, uint64_t *ret_value);
SL_MUST sl_res sl_json_f64(const sl_json_node *number, double *ret_value);
SL_MUST sl_res sl_json_bool(const sl_json_node *value, bool *ret_value);
/* The value's own bytes in the text, from its first to its last. */
sl_view sl_json_source(const sl_json_doc *doc, const sl_json_node *value);

/* Writes JSON into a buffer. Errors stick: the first is kept and returned by sl_json_finish, and
 * what is written after it is lost, so callers check once. Strings must be valid UTF-8. */
typedef struct {
    sl_buf *out;
    uint64_t filled; /* bit d: level d has an item already */
    size_t depth;
    bool after_key;
    sl_res failed;
} sl_json_writer;

void sl_json_writer_init(sl_json_writer *w, sl_buf *out);
void sl_json_object_begin(sl_json_writer *w);
void sl_json_object_end(sl_json_writer *w);
void sl_json_array_begin(sl_json_writer *w);
void sl_json_array_end(sl_json_writer *w);
void sl_json_key(sl_json_writer *w, const char *name);
void sl_json_key_view(sl_json_writer *w, sl_view name);
void sl_json_string(sl_json_writer *w, sl_view text);
void sl_json_int(sl_json_writer *w, int64_t value);
void sl_json_uint(sl_json_writer *w, uint64_t value);
void sl_json_true_false(sl_json_writer *w, bool value);
void sl_json_null(sl_json_writer *w);
/* Text that is JSON already (a number's raw text, a value's source). Not checked. */
void sl_json_raw(sl_json_writer *w, sl_view json);
/* name and value in one */
void sl_json_put_string(sl_json_writer *w, const char *name, sl_view text);
void sl_json_put_str(sl_json_writer *w, const char *name, const char *text);
void sl_json_put_int(sl_json_writer *w, const char *name, int64_t value);
void sl_json_put_uint(sl_json_writer *w, const char *name, uint64_t value);
void sl_json_put_bool(sl_json_writer *w, const char *name, bool value);
/* SL_E_BUG if a level is still open; else the first error. */
SL_MUST sl_res sl_json_finish(sl_json_writer *w);

/* Appends `node` in canonical form (RFC 8785) for the part of JSON that leaves use: names are ASCII,
 * numbers are integers within +-(2^53-1). Anything else: SL_E_TYPE or SL_E_RANGE with the offset. */
SL_MUST sl_res sl_json_canonical(const sl_json_doc *doc, const sl_json_node *node, sl_buf *out);

#endif
