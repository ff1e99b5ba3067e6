/* Building the node tree from libyaml's events, and everything the strict dialect refuses.
 *
 * libyaml does the grammar; this file must never let through what two readers of the same file could
 * take differently, and never recurses: open maps and lists stand in a stack of fixed depth. What is
 * made of the tree by a schema is in yaml_read.c. The dialect is told in yaml.h.
 */
#include <assert.h>
#include <yaml.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "base/yaml.h"

/* One map or list that is still open. */
typedef struct {
    sl_yaml_node *node;
    sl_yaml_node *last;
    sl_view key;
    bool has_key;
} frame;

typedef struct {
    sl_arena *arena;
    frame open[SL_YAML_DEPTH_MAX];
    size_t depth;
    size_t nodes;
    sl_yaml_node *root;
    bool done;
} builder;

static uint64_t line_of_event(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

/* What the strict dialect refuses whatever its place: anchors and tags. */
static sl_res refuse_marks(const yaml_char_t *anchor, const yaml_char_t *tag, uint64_t line)
{
    if (anchor != NULL) {
        return sl_fail_at(SL_E_UNSUPPORTED, "anchor", line);
    }
    if (tag != NULL) {
        return sl_fail_at(SL_E_UNSUPPORTED, "tag", line);
    }
    return SL_DONE;
}

/* Printable text, tabs and line ends; an escape in quotes could smuggle in anything else. */
static bool is_plain_text(sl_view text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static sl_res take_key(builder *b, const yaml_event_t *event, sl_view text)
{
    frame *top = &b->open[b->depth - 1];
    uint64_t line = line_of_event(event);
    if (text.n == 0 || text.n > SL_YAML_KEY_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "length of a key", line);
    }
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && sl_view_eq_str(text, "<<")) {
        return sl_fail_at(SL_E_UNSUPPORTED, "merge key", line);
    }
    for (const sl_yaml_node *old = top->node->first; old != NULL; old = old->next) {
        if (sl_view_eq(old->key, text)) {
            return sl_fail_at(SL_E_DUPLICATE, "key", line);
        }
    }
    SL_TRY(sl_arena_dup(b->arena, text, &top->key));
    top->has_key = true;
    return SL_DONE;
}

/* Hangs a new node where it belongs. */
static sl_res add_node(builder *b, sl_yaml_kind kind, uint64_t line, sl_yaml_node **ret_node)
{
    b->nodes++;
    if (b->nodes > SL_YAML_NODES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "number of nodes", line);
    }
    sl_yaml_node *node = sl_arena_alloc(b->arena, sizeof(*node));
    SL_NEED(node != NULL, SL_E_LIMIT);
    node->kind = kind;
    node->line = (uint32_t)line;
    if (b->depth == 0) {
        b->root = node;
    } else {
        frame *top = &b->open[b->depth - 1];
        if (top->node->kind == SL_YAML_MAP && top->node->children >= SL_YAML_MAP_KEYS_MAX) {
            return sl_fail_at(SL_E_LIMIT, "number of keys", line);
        }
        node->key = top->key;
        top->key = (sl_view){ 0 };
        top->has_key = false;
        if (top->last == NULL) {
            top->node->first = node;
        } else {
            top->last->next = node;
        }
        top->last = node;
        top->node->children++;
    }
    *ret_node = node;
    return SL_DONE;
}

static bool wants_key(const builder *b)
{
    if (b->depth == 0) {
        return false;
    }
    const frame *top = &b->open[b->depth - 1];
    assert(top->node != NULL);
    return top->node->kind == SL_YAML_MAP && !top->has_key;
}

static sl_res on_scalar(builder *b, const yaml_event_t *event)
{
    uint64_t line = line_of_event(event);
    SL_TRY(refuse_marks(event->data.scalar.anchor, event->data.scalar.tag, line));
    sl_view text = sl_view_of(event->data.scalar.value, event->data.scalar.length);
    if (!is_plain_text(text)) {
        return sl_fail_at(SL_E_SYNTAX, "control character", line);
    }
    if (wants_key(b)) {
        return take_key(b, event, text);
    }
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (text.n == 0 && !quoted) {
        return sl_fail_at(SL_E_SYNTAX, "empty value", line);
    }
    sl_yaml_node *node = NULL;
    SL_TRY(add_node(b, SL_YAML_SCALAR, line, &node));
    node->quoted = quoted;
    return sl_arena_dup(b->arena, text, &node->text);
}

static sl_res on_open(builder *b, sl_yaml_kind kind, uint64_t line)
{
    if (wants_key(b)) {
        return sl_fail_at(SL_E_UNSUPPORTED, "key that is not text", line);
    }
    if (b->depth == SL_YAML_DEPTH_MAX) {
        return sl_fail_at(SL_E_DEPTH, "depth", line);
    }
    sl_yaml_node *node = NULL;
    SL_TRY(add_node(b, kind, line, &node));
    b->open[b->depth] = (frame){ .node = node };
    b->depth++;
    return SL_DONE;
}

static sl_res on_document(builder *b, const yaml_event_t *event)
{
    uint64_t line = line_of_event(event);
    if (b->root != NULL) {
        return sl_fail_at(SL_E_UNSUPPORTED, "second document", line);
    }
    if (event->data.document_start.version_directive != NULL ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end) {
        return sl_fail_at(SL_E_UNSUPPORTED, "directive", line);
    }
    return SL_DONE;
}

static sl_res on_event(builder *b, const yaml_event_t *event)
{
    uint64_t line = line_of_event(event);
    switch (event->type) {
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return SL_DONE;
    case YAML_DOCUMENT_START_EVENT:
        return on_document(b, event);
    case YAML_ALIAS_EVENT:
        return sl_fail_at(SL_E_UNSUPPORTED, "alias", line);
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        SL_TRY(
            refuse_marks(event->data.sequence_start.anchor, event->data.sequence_start.tag, line));
        return on_open(b, SL_YAML_LIST, line);
    case YAML_MAPPING_START_EVENT:
        SL_TRY(refuse_marks(event->data.mapping_start.anchor, event->data.mapping_start.tag, line));
        return on_open(b, SL_YAML_MAP, line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return SL_DONE;
    case YAML_STREAM_END_EVENT:
        b->done = true;
        return b->root != NULL ? SL_DONE : sl_fail_at(SL_E_SYNTAX, "empty document", 1);
    case YAML_NO_EVENT:
    default:
        return sl_fail(SL_E_BUG);
    }
}

/* The reader counts bytes where the scanner counts lines. */
static uint64_t line_of_offset(sl_view text, size_t offset)
{
    uint64_t line = 1;
    for (size_t i = 0; i < offset && i < text.n; i++) {
        line += text.p[i] == '\n';
    }
    return line;
}

static sl_res parser_failure(const yaml_parser_t *parser, sl_view text)
{
    switch (parser->error) {
    case YAML_MEMORY_ERROR:
        return sl_fail(SL_E_MEMORY);
    case YAML_READER_ERROR:
        return sl_fail_at(SL_E_SYNTAX, "control character",
                          line_of_offset(text, parser->problem_offset));
    case YAML_NO_ERROR:
    case YAML_SCANNER_ERROR:
    case YAML_PARSER_ERROR:
    case YAML_COMPOSER_ERROR:
    case YAML_WRITER_ERROR:
    case YAML_EMITTER_ERROR:
    default:
        return sl_fail_at(SL_E_SYNTAX, "YAML", parser->problem_mark.line + 1);
    }
}

static sl_res run_parser(yaml_parser_t *parser, sl_view text, builder *b)
{
    while (!b->done) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            return parser_failure(parser, text);
        }
        sl_res r = on_event(b, &event);
        yaml_event_delete(&event);
        SL_TRY(r);
    }
    return SL_DONE;
}

sl_res sl_yaml_parse(sl_arena *arena, sl_view text, const sl_yaml_node **ret_root)
{
    SL_NEED(text.n <= SL_CONFIG_BYTES_MAX, SL_E_LIMIT);
    size_t bad = sl_utf8_check(text);
    if (bad != text.n) {
        return sl_fail_at(SL_E_UTF8, "text", line_of_offset(text, bad));
    }
    yaml_parser_t parser;
    SL_NEED(yaml_parser_initialize(&parser) != 0, SL_E_MEMORY);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.n > 0 ? text.p : (const uint8_t *)"", text.n);
    builder b = { .arena = arena };
    sl_res r = run_parser(&parser, text, &b);
    yaml_parser_delete(&parser);
    SL_TRY(r);
    *ret_root = b.root;
    return SL_DONE;
}

const sl_yaml_node *sl_yaml_get(const sl_yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != SL_YAML_MAP) {
        return NULL;
    }
    for (const sl_yaml_node *child = map->first; child != NULL; child = child->next) {
        if (sl_view_eq_str(child->key, key)) {
            return child;
        }
    }
    return NULL;
}
