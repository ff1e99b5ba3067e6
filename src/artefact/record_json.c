/* JSON lines and JSON documents: FHIR bundles and bulk data, Dataset-JSON, arrays of objects.
 * Every leaf becomes a cell named by its path with array positions left out; a FHIR path begins
 * with its resource type ("Patient.name.family"), so that rules can speak of elements. The strict
 * lexer of base/json.h is the only one that reads. A document is split into records by a first
 * pass of that lexer; only one record at a time becomes a tree. */
#include "artefact/record_impl.h"

#include "base/json.h"

/* Members of a document's top level: bundles and data sets have a dozen. */
#define MEMBERS_MAX ((size_t)256)

/* Where a value stands. */
typedef struct {
    sl_view key; /* raw */
    sl_json_kind kind;
    size_t start;
    size_t end;
} span;

typedef struct {
    size_t end; /* node index behind the container */
    size_t path_length;
    size_t items; /* seen so far */
    bool object;
} level;

static sl_res at_offset(sl_reader *reader, sl_res r, size_t base)
{
    const sl_detail *detail = sl_detail_get();
    if (sl_ok(r) || detail->offset == SL_NOWHERE) {
        return r;
    }
    return sl_fail_at((sl_code)r.code, "byte", reader->offset + base + detail->offset);
}

/* A bundle's entry wraps its resource; the wrapper is left out of the path. */
static sl_res extend_path(sl_reader *reader, const sl_json_node *key, bool entry)
{
    if (entry && sl_json_text_is(key, "resource")) {
        return SL_DONE;
    }
    if (reader->path.n != 0) {
        SL_TRY(sl_buf_add_byte(&reader->path, '.'));
    }
    return sl_json_add_text(key, &reader->path);
}

/* Turns a leaf into a cell of the record at hand. `base`: where the node's text begins in pending. */
static sl_res add_leaf(sl_reader *reader, const sl_json_node *node, size_t base, sl_view name)
{
    sl_cell cell = { .name = name,
                     .raw = node->raw,
                     .offset = reader->offset + base + node->offset,
                     .column = reader->cell_count,
                     .encoding = SL_ENCODING_UTF8,
                     .number = node->kind != SL_JSON_STRING };
    if (node->kind == SL_JSON_STRING) {
        cell.code = SL_CELL_JSON;
        cell.offset++; /* behind the quote */
    }
    if (node->kind == SL_JSON_NULL) {
        cell.raw.n = 0;
    }
    cell.value = cell.raw;
    if (node->escaped) {
        size_t before = reader->decoded.n;
        SL_TRY(sl_json_add_text(node, &reader->decoded));
        cell.value = sl_view_of(reader->decoded.p + before, reader->decoded.n - before);
    }
    return sl_reader_add_cell(reader, &cell);
}

/* A row of Dataset-JSON takes its names from the columns, everything else from its path. */
static sl_res name_leaf(sl_reader *reader, bool row, size_t item, sl_view *ret_name)
{
    if (row && item < reader->column_count) {
        *ret_name = reader->columns[item];
        return SL_DONE;
    }
    return sl_arena_dup(&reader->arena, sl_buf_view(&reader->path), ret_name);
}

/* Flattens one parsed value below the path at hand. */
static sl_res flatten(sl_reader *reader, const sl_json_doc *doc, size_t base, bool entry)
{
    level levels[SL_JSON_DEPTH_MAX + 2];
    size_t depth = 0;
    bool row = reader->column_count != 0 && sl_json_root(doc)->kind == SL_JSON_ARRAY;
    levels[0] = (level){ .end = doc->count, .path_length = reader->path.n };
    for (size_t i = 0; i < doc->count; i++) {
        const sl_json_node *node = &doc->nodes[i];
        while (i >= levels[depth].end) {
            depth--;
        }
        if (node->kind == SL_JSON_KEY || !levels[depth].object) {
            reader->path.n = levels[depth].path_length;
        }
        size_t item = levels[depth].items;
        levels[depth].items += node->kind == SL_JSON_KEY ? 0 : 1;
        if (node->kind == SL_JSON_KEY) {
            SL_TRY(extend_path(reader, node, entry && depth == 1));
        } else if (node->kind == SL_JSON_OBJECT || node->kind == SL_JSON_ARRAY) {
            levels[++depth] = (level){ .end = node->end,
                                       .path_length = reader->path.n,
                                       .object = node->kind == SL_JSON_OBJECT };
        } else {
            sl_view name = { 0 };
            SL_TRY(name_leaf(reader, row && depth == 1, item, &name));
            SL_TRY(add_leaf(reader, node, base, name));
        }
    }
    return SL_DONE;
}

/* "Patient/7a" of a FHIR resource, kept until the next; empty if it is none. */
static sl_res name_resource(sl_reader *reader, const sl_json_doc *doc, const sl_json_node *resource)
{
    const sl_json_node *type = sl_json_get_kind(doc, resource, "resourceType", SL_JSON_STRING);
    const sl_json_node *id = sl_json_get_kind(doc, resource, "id", SL_JSON_STRING);
    sl_buf_clear(&reader->id);
    sl_buf_clear(&reader->path);
    if (type == NULL) {
        return SL_DONE;
    }
    reader->resources++;
    SL_TRY(sl_json_add_text(type, &reader->path));
    SL_TRY(sl_json_add_text(type, &reader->id));
    SL_TRY(sl_buf_add_byte(&reader->id, '/'));
    return id == NULL ? SL_DONE : sl_json_add_text(id, &reader->id);
}

static sl_res flatten_text(sl_reader *reader, sl_view text, size_t base, bool record,
                           sl_view prefix)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(at_offset(reader, sl_json_parse(text, &doc), base));
    sl_buf_clear(&reader->id);
    sl_buf_clear(&reader->path);
    SL_TRY(sl_buf_add(&reader->path, prefix));
    const sl_json_node *inside = sl_json_get(&doc, sl_json_root(&doc), "resource");
    if (record) {
        SL_TRY(name_resource(reader, &doc, inside != NULL ? inside : sl_json_root(&doc)));
    }
    return flatten(reader, &doc, base, record && inside != NULL);
}

static sl_res give_record(sl_reader *reader, sl_view text, size_t base)
{
    sl_arena_free(&reader->arena);
    SL_TRY(sl_reader_begin(reader, text.n));
    SL_TRY(flatten_text(reader, text, base, true, (sl_view){ 0 }));
    sl_res given = sl_reader_emit(reader, (sl_record){ .number = reader->stats.records++,
                                                       .offset = reader->offset + base,
                                                       .length = text.n,
                                                       .id = sl_buf_view(&reader->id) });
    reader->stats.fhir = reader->resources == reader->stats.records;
    return given;
}

/* Keeps the names of Dataset-JSON's columns: [{"name": "USUBJID", ...}, ...]. */
static sl_res keep_dataset_columns(sl_reader *reader, sl_view text)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(text, &doc));
    size_t count = 0;
    sl_view *names = calloc(sl_json_root(&doc)->count + 1, sizeof *names);
    SL_NEED(names != NULL, SL_E_MEMORY);
    sl_json_iter it = { 0 };
    sl_res kept = SL_DONE;
    while (sl_ok(kept) && sl_json_each(&doc, sl_json_root(&doc), &it)) {
        const sl_json_node *name = sl_json_get_kind(&doc, it.value, "name", SL_JSON_STRING);
        kept = name == NULL ? sl_fail_at(SL_E_MISSING_FIELD, "name of a column", count)
                            : sl_json_text(name, &reader->arena, &names[count++]);
    }
    if (sl_ok(kept)) {
        kept = sl_reader_keep_columns(reader, names, count);
    }
    free(names);
    return kept;
}

/* Reads on to the end of the value that `token` begins. */
static sl_res skip_value(sl_json_lexer *lexer, sl_json_token token)
{
    size_t depth = 0;
    for (;;) {
        depth += token.kind == SL_JSON_OBJECT || token.kind == SL_JSON_ARRAY ? 1 : 0;
        depth -= token.kind == SL_JSON_OBJECT_END || token.kind == SL_JSON_ARRAY_END ? 1 : 0;
        if (depth == 0) {
            return SL_DONE;
        }
        SL_TRY(sl_json_next(lexer, &token));
    }
}

/* The members of the document's top level; none if it is not an object or has too many. */
static sl_res read_members(sl_view text, span *members, size_t *ret_count)
{
    sl_json_lexer lexer;
    sl_json_token token;
    sl_json_lexer_init(&lexer, text);
    SL_TRY(sl_json_next(&lexer, &token));
    *ret_count = 0;
    if (token.kind != SL_JSON_OBJECT) {
        SL_TRY(skip_value(&lexer, token));
        return sl_json_next(&lexer, &token);
    }
    for (;;) {
        SL_TRY(sl_json_next(&lexer, &token));
        if (token.kind == SL_JSON_OBJECT_END) {
            return sl_json_next(&lexer, &token);
        }
        if (*ret_count == MEMBERS_MAX) {
            *ret_count = 0;
            return SL_DONE; /* as wide as this it is a record; its parse checks the rest */
        }
        for (size_t i = 0; i < *ret_count; i++) {
            if (sl_view_eq(members[i].key, token.raw)) {
                return sl_fail_at(SL_E_DUPLICATE, "byte", token.offset);
            }
        }
        span *member = &members[(*ret_count)++];
        member->key = token.raw;
        SL_TRY(sl_json_next(&lexer, &token));
        member->kind = token.kind;
        member->start = token.offset;
        SL_TRY(skip_value(&lexer, token));
        member->end = lexer.at;
    }
}

static const span *find_member(const span *members, size_t count, const char *key,
                               sl_json_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        if (sl_view_eq_str(members[i].key, key) && members[i].kind == kind) {
            return &members[i];
        }
    }
    return NULL;
}

/* The array of the document that holds its records, or NULL. */
static const span *find_records(sl_view text, const span *members, size_t count)
{
    const span *type = find_member(members, count, "resourceType", SL_JSON_STRING);
    if (type != NULL && sl_view_eq_str(sl_view_sub(text, type->start, type->end), "\"Bundle\"")) {
        return find_member(members, count, "entry", SL_JSON_ARRAY);
    }
    if (find_member(members, count, "columns", SL_JSON_ARRAY) != NULL) {
        return find_member(members, count, "rows", SL_JSON_ARRAY);
    }
    return NULL;
}

static sl_res give_array(sl_reader *reader, sl_view text, size_t base)
{
    sl_json_lexer lexer;
    sl_json_token token;
    sl_json_lexer_init(&lexer, text);
    SL_TRY(sl_json_next(&lexer, &token));
    for (;;) {
        SL_TRY(sl_json_next(&lexer, &token));
        if (token.kind == SL_JSON_ARRAY_END) {
            return SL_DONE;
        }
        size_t start = token.offset;
        SL_TRY(skip_value(&lexer, token));
        SL_TRY(give_record(reader, sl_view_sub(text, start, lexer.at), base + start));
    }
}

/* Everything of the document but its records. */
static sl_res give_head(sl_reader *reader, sl_view text, const span *members, size_t count,
                        const span *records)
{
    size_t bytes = text.n - (records->end - records->start);
    SL_TRY(sl_reader_begin(reader, bytes));
    sl_arena_free(&reader->arena);
    for (size_t i = 0; i < count; i++) {
        const span *m = &members[i];
        sl_view value = sl_view_sub(text, m->start, m->end);
        if (m == records) {
            continue;
        }
        SL_TRY(flatten_text(reader, value, m->start, false, m->key));
    }
    SL_TRY(sl_reader_emit_header(reader));
    const span *columns = find_member(members, count, "columns", SL_JSON_ARRAY);
    bool dataset = columns != NULL && sl_view_eq_str(records->key, "rows");
    return dataset ? keep_dataset_columns(reader, sl_view_sub(text, columns->start, columns->end))
                   : SL_DONE;
}

sl_res sl_reader_step_json(sl_reader *reader, sl_view pending, bool last, size_t *ret_used)
{
    span members[MEMBERS_MAX];
    size_t count = 0;
    if (!last) {
        return SL_DONE;
    }
    *ret_used = pending.n;
    SL_TRY(at_offset(reader, read_members(pending, members, &count), 0));
    const span *records = find_records(pending, members, count);
    if (records != NULL) {
        SL_TRY(give_head(reader, pending, members, count, records));
        return give_array(reader, sl_view_sub(pending, records->start, records->end),
                          records->start);
    }
    size_t start = 0;
    while (pending.p[start] == ' ' || pending.p[start] == '\t' || pending.p[start] == '\n' ||
           pending.p[start] == '\r') {
        start++;
    }
    if (pending.p[start] == '[') {
        return give_array(reader, sl_view_sub(pending, start, pending.n), start);
    }
    return give_record(reader, pending, 0);
}

/* The first line of Dataset-JSON's line form says what the arrays behind it mean. */
static sl_res take_dataset_head(sl_reader *reader, sl_view line, bool *ret_taken)
{
    span members[MEMBERS_MAX];
    size_t count = 0;
    SL_TRY(at_offset(reader, read_members(line, members, &count), 0));
    const span *columns = find_member(members, count, "columns", SL_JSON_ARRAY);
    *ret_taken = columns != NULL &&
                 find_member(members, count, "datasetJSONVersion", SL_JSON_STRING) != NULL;
    if (!*ret_taken) {
        return SL_DONE;
    }
    sl_arena_free(&reader->arena);
    SL_TRY(sl_reader_begin(reader, line.n));
    SL_TRY(flatten_text(reader, line, 0, false, (sl_view){ 0 }));
    SL_TRY(sl_reader_emit_header(reader));
    return keep_dataset_columns(reader, sl_view_sub(line, columns->start, columns->end));
}

sl_res sl_reader_step_ndjson(sl_reader *reader, sl_view pending, bool last, size_t *ret_used)
{
    size_t end = sl_view_find_byte(pending, '\n', reader->scan);
    if (end == SIZE_MAX && !last) {
        reader->scan = pending.n;
        return SL_DONE;
    }
    *ret_used = end == SIZE_MAX ? pending.n : end + 1;
    sl_view line = sl_view_sub(pending, 0, end);
    while (line.n != 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' ')) {
        line.n--;
    }
    if (line.n == 0) {
        reader->stats.blank++;
        return SL_DONE;
    }
    bool head = false;
    if (!reader->begun) {
        reader->begun = true;
        SL_TRY(take_dataset_head(reader, line, &head));
    }
    return head ? SL_DONE : give_record(reader, line, 0);
}
