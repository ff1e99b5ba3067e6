/* Events and leaves: what is written in the ledger and how it is read back.
 *
 * An event is the canonical JSON object (RFC 8785; integers, ASCII names) that a process writes
 * with one of the generated functions sl_emit_*(), declared in ledger/events.gen.h from
 * data/events. `ledgerd` wraps it into a leaf:
 *
 *     {"by":"ask","event":{"crossing":"...","fields":{...},"type":"ask.intent"},
 *      "time":1795266000123,"v":1}                      (one line, no blanks)
 *
 * `by` comes from the descriptor over which the event arrived and `time` from the ledger's clock,
 * which never decreases: an emitter can choose neither. The ledger takes an event only from the
 * processes that its declaration lists.
 * Nothing here may hold plaintext personal data: people and records appear by random id, texts as
 * commitments whose salts lie in the sealed body (body.h).
 */
#ifndef SL_LEDGER_EVENT_H
#define SL_LEDGER_EVENT_H

#include "base/bytes.h"
#include "base/json.h"
#include "crypto/hash.h"

/* The version of the leaf's form. A leaf of a later one is refused with SL_E_VERSION. */
enum { SL_LEAF_VERSION = 1 };

enum {
    SL_EVENT_LIST_MAX = 256,        /* items of a list or of a count by word */
    SL_EVENT_LABEL_BYTES_MAX = 512, /* a short text */
    SL_EVENT_WORD_BYTES_MAX = 64,   /* an id or a word */
    /* What the envelope of a leaf takes at most beside the event. */
    SL_LEAF_ENVELOPE_BYTES_MAX = 160,
};
#define SL_EVENT_BYTES_MAX (SL_LEAF_BYTES_MAX - SL_LEAF_ENVELOPE_BYTES_MAX)

typedef struct {
    const sl_view *items; /* NULL: the optional list is absent */
    size_t n;
} sl_views;

typedef struct {
    sl_view word;
    uint64_t count;
} sl_tally;

/* Counts by word; the writer sorts them. A word may occur once. */
typedef struct {
    const sl_tally *items;
    size_t n;
} sl_tallies;

/* What any event may name beside its own fields. Empty views are absent. */
typedef struct {
    sl_view actor;       /* random id of the person or process that acts */
    sl_view principal;   /* random id */
    sl_view door;        /* ingest, run, release, ask */
    sl_view compartment; /* its id */
    sl_view crossing;    /* random id shared by the intent and the outcome */
    sl_view body_key;    /* id of the per-subject key of the body */
    sl_view body;        /* sealed bytes (body.h); needs body_key */
} sl_event_head;

typedef enum {
    SL_FIELD_ID,
    SL_FIELD_WORD,
    SL_FIELD_LABEL,
    SL_FIELD_BYTES,
    SL_FIELD_DIGEST,
    SL_FIELD_COMMITMENT,
    SL_FIELD_COUNT,
    SL_FIELD_INT,
    SL_FIELD_BOOL,
    SL_FIELD_IDS,
    SL_FIELD_WORDS,
    SL_FIELD_COUNTS,
} sl_field_kind;

/* The declaration of a field; offsets are those of the generated structure. */
typedef struct {
    const char *name;
    sl_field_kind kind;
    bool optional;
    size_t offset;
    size_t has_offset;         /* of the has_ flag of an optional number, or SIZE_MAX */
    const char *const *values; /* allowed words, NULL-ended, or NULL */
} sl_field_def;

typedef struct {
    const char *type;
    const char *const *by;      /* processes that may emit it, NULL-ended */
    const sl_field_def *fields; /* by name */
    size_t fields_n;
    bool containment; /* fits into the reserved space when the disk is full */
} sl_event_def;

extern const sl_event_def sl_event_defs[]; /* by type */
extern const size_t sl_event_defs_n;

/* The declaration, or NULL. */
const sl_event_def *sl_event_find(sl_view type);

/* Writes an event; the generated functions call it. Nothing is appended on failure.
 * Errors: SL_E_MISSING_FIELD, SL_E_TYPE, SL_E_LIMIT, each with the field named. */
SL_MUST sl_res sl_event_write(const sl_event_def *def, const sl_event_head *head,
                              const void *fields, sl_buf *ret_event);

/* A leaf or an event, read. Views and nodes point into the text, which must outlive it. */
typedef struct {
    sl_json_doc doc;
    sl_view by;       /* empty for a bare event */
    uint64_t time_ms; /* 0 for a bare event */
    sl_view type;
    const sl_event_def *def; /* NULL: a type that this program does not know */
    sl_view actor, principal, door, compartment, crossing;
    const sl_json_node *event;
    const sl_json_node *fields;
    const sl_json_node *sealed; /* NULL: no body */
} sl_leaf;

void sl_leaf_free(sl_leaf *leaf);

/* Reads a leaf. It must be canonical and have the envelope's form; the fields of a known type must
 * be as declared. A type that is not known is read with `def` NULL.
 * Errors: those of sl_json_parse, SL_E_VERSION, SL_E_MISSING_FIELD, SL_E_UNKNOWN_FIELD, SL_E_TYPE. */
SL_MUST sl_res sl_leaf_read(sl_view text, sl_leaf *ret);

/* What the ledger asks before it takes an event from process `by`: canonical, of a known type, as
 * declared, at most SL_EVENT_BYTES_MAX, and `by` may emit it.
 * `*ret_containment`: the event closes something and may use the space kept for that.
 * Errors: as sl_leaf_read, SL_E_DENIED (not from this process), SL_E_UNSUPPORTED (unknown type). */
SL_MUST sl_res sl_event_check(sl_view event, const char *by, bool *ret_containment);

/* Wraps a checked event into a leaf, appended to `ret_leaf`. */
SL_MUST sl_res sl_leaf_wrap(sl_view event, const char *by, uint64_t time_ms, sl_buf *ret_leaf);

/* A field of a parsed leaf by its name: in the event's own fields, its head (actor, principal, door,
 * compartment, crossing), or the envelope (by, time); "a.b" is member b of field a. NULL: it has none. */
const sl_json_node *sl_leaf_field(const sl_json_doc *leaf, sl_view name);

/* Fields of a leaf by name; absent or of another kind: false, 0 or an empty view. */
sl_view sl_leaf_text(const sl_leaf *leaf, const char *name);
bool sl_leaf_count(const sl_leaf *leaf, const char *name, uint64_t *ret);
bool sl_leaf_bool(const sl_leaf *leaf, const char *name);
bool sl_leaf_is(const sl_leaf *leaf, const char *type);

#endif
