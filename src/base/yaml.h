/* YAML for people's files (configuration, policy, rules, drills), read strictly.
 *
 * One document of maps, lists and scalars in UTF-8. Refused, each with its line: anchors, aliases,
 * tags, directives, merge keys, several documents, keys that are not plain text, the same key twice,
 * values left empty, and nesting or size beyond the limits. Nothing is guessed: a scalar is text
 * until a field of a schema says what it must be, and a text that other YAML readers would take for
 * a number, a truth value or null has to stand in quotes.
 *
 * Nodes and their texts live in the caller's arena. In a failure's detail the offset is a line,
 * counted from 1, and the field names the rule that was broken, the field's key, or for
 * SL_E_UNKNOWN_FIELD the nearest right key. Source: YAML 1.1 as libyaml reads it, cut down.
 */
#ifndef SL_BASE_YAML_H
#define SL_BASE_YAML_H

#include "base/arena.h"

typedef enum { SL_YAML_SCALAR, SL_YAML_LIST, SL_YAML_MAP } sl_yaml_kind;

typedef struct sl_yaml_node sl_yaml_node;
struct sl_yaml_node {
    sl_yaml_kind kind;
    bool quoted;               /* a scalar in quotes or a block scalar */
    uint32_t line;             /* from 1 */
    uint32_t children;         /* of a list or map */
    sl_view key;               /* its key, if it stands in a map; NUL behind it */
    sl_view text;              /* of a scalar; NUL behind it, none inside */
    const sl_yaml_node *first; /* child */
    const sl_yaml_node *next;  /* sibling */
};

/* Reads one document. Errors: SL_E_LIMIT, SL_E_UTF8, SL_E_SYNTAX, SL_E_DEPTH, SL_E_DUPLICATE,
 * SL_E_UNSUPPORTED (what is refused on purpose), SL_E_MEMORY. */
SL_MUST sl_res sl_yaml_parse(sl_arena *arena, sl_view text, const sl_yaml_node **ret_root);

/* The child of a map with this key, or NULL (also when `map` is not a map). */
const sl_yaml_node *sl_yaml_get(const sl_yaml_node *map, const char *key);

/* Reading one scalar. A wrong kind is SL_E_TYPE, a wrong value SL_E_TYPE or SL_E_RANGE; `field` is a
 * literal that names it in the detail. */
SL_MUST sl_res sl_yaml_text(const sl_yaml_node *node, const char *field, sl_view *ret_text);
/* true or false, nothing else, not in quotes. */
SL_MUST sl_res sl_yaml_bool(const sl_yaml_node *node, const char *field, bool *ret_value);
/* Decimal digits with an optional '-', not in quotes, within [min, max]. */
SL_MUST sl_res sl_yaml_int(const sl_yaml_node *node, const char *field, int64_t min, int64_t max,
                           int64_t *ret_value);
/* A number with its unit, one of ms, s, min, h, d: "100ms", "15min", "7d"; milliseconds within
 * [min, max]. */
SL_MUST sl_res sl_yaml_duration(const sl_yaml_node *node, const char *field, int64_t min_ms,
                                int64_t max_ms, int64_t *ret_ms);
/* A number with its unit, one of B, KiB, MiB, GiB: "64KiB"; bytes within [min, max]. */
SL_MUST sl_res sl_yaml_size(const sl_yaml_node *node, const char *field, int64_t min, int64_t max,
                            int64_t *ret_bytes);
/* One of `names`, which ends with NULL; gives its index. */
SL_MUST sl_res sl_yaml_choice(const sl_yaml_node *node, const char *field, const char *const *names,
                              int *ret_index);

/* Reading a whole map by a table of its fields. */
typedef enum {
    SL_YAML_AS_TEXT,     /* sl_view */
    SL_YAML_AS_BOOL,     /* bool */
    SL_YAML_AS_INT,      /* int64_t */
    SL_YAML_AS_DURATION, /* int64_t, milliseconds */
    SL_YAML_AS_SIZE,     /* int64_t, bytes */
    SL_YAML_AS_CHOICE,   /* int, index into names */
    SL_YAML_AS_TEXTS,    /* sl_yaml_texts: a list of texts */
    SL_YAML_AS_LIST,     /* const sl_yaml_node *: a list the caller reads on */
    SL_YAML_AS_MAP,      /* const sl_yaml_node *: a map the caller reads on */
    SL_YAML_AS_SECTION,  /* a nested struct, by a table of its own */
} sl_yaml_type;

typedef struct {
    const sl_view *items; /* in the arena */
    size_t n;
} sl_yaml_texts;

typedef struct sl_yaml_field sl_yaml_field;
struct sl_yaml_field {
    const char *key; /* NULL ends the table */
    sl_yaml_type type;
    bool required;
    size_t offset;               /* offsetof the member in the struct that is filled */
    int64_t min, max;            /* numbers; max 0 with min 0 means any from 0 */
    const char *const *names;    /* SL_YAML_AS_CHOICE */
    const sl_yaml_field *fields; /* SL_YAML_AS_SECTION; its offsets count from the section's */
};

/* Fills `ret_struct` from `map` by `fields`. The caller puts defaults in first: a field that is
 * absent and not required keeps what it held. A key that no field names is SL_E_UNKNOWN_FIELD, a
 * required field that is absent SL_E_MISSING_FIELD (with the line of the map). On failure the struct
 * is partly filled and must not be used. A schema has at most 32 sections. */
SL_MUST sl_res sl_yaml_read(sl_arena *arena, const sl_yaml_node *map, const sl_yaml_field *fields,
                            void *ret_struct);

/* Checks only the keys of a map: each must be among `keys`, which ends with NULL. */
SL_MUST sl_res sl_yaml_keys(const sl_yaml_node *map, const char *const *keys);

/* The failure as a sentence for the person who wrote the file: "NAME line 12: a field that is not
 * known here; the nearest right key is 'doors'". Uses the last detail of this thread. */
SL_MUST sl_res sl_yaml_explain(sl_res failure, const char *name, sl_buf *out);

#endif
