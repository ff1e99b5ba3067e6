/* The abstract pickle machine: what its files share. It runs a stream's opcodes on symbols instead of
 * objects; nothing is imported, called or kept but what a verdict needs. A value is one 64-bit word:
 *
 *   kind 8 | tag 16 | payload 40
 *
 *   STR, BYTES        tag: length (0xffff: longer, then not readable), payload: offset in the source
 *   INT               payload: the number
 *   TUPLE             tag: weight, payload: place in the ring of tuples (old ones are overwritten)
 *   LIST, DICT, SET   tag: weight, payload: memo index + 1 (24 bits) | depth (16 bits)
 *   GLOBAL            tag: index of the name
 *   RESULT            tag: index of the name that was called, payload: what pickle_array.c needs
 *
 * A weight is how many objects a walk through the value would visit, as a small floating number, with
 * its top bit set if the value holds a name that is not allowed. See README.md. */
#ifndef SL_ARTEFACT_PICKLE_VM_H
#define SL_ARTEFACT_PICKLE_VM_H

#include "artefact/allow.h"
#include "artefact/pickle_read.h"
#include "artefact/scan.h"
#include "base/arena.h"

typedef uint64_t sl_pvalue;

typedef enum {
    SL_PV_DATA, /* a plain value of no further interest */
    SL_PV_INT,
    SL_PV_STR,
    SL_PV_BYTES,
    SL_PV_TUPLE,
    SL_PV_LIST,
    SL_PV_DICT,
    SL_PV_SET,
    SL_PV_GLOBAL,
    SL_PV_RESULT,
    SL_PV_PERSISTENT,
    SL_PV_UNKNOWN, /* cannot be told: a missing memo entry, a computed name */
} sl_pkind;

static inline sl_pkind sl_pv_kind(sl_pvalue v)
{
    return (sl_pkind)(v >> 56);
}

static inline unsigned sl_pv_tag(sl_pvalue v)
{
    return (unsigned)(v >> 40) & 0xffff;
}

static inline uint64_t sl_pv_payload(sl_pvalue v)
{
    return v & 0xffffffffffU;
}

static inline sl_pvalue sl_pv(sl_pkind kind, unsigned tag, uint64_t payload)
{
    return ((sl_pvalue)kind << 56) | ((sl_pvalue)(tag & 0xffff) << 40) | (payload & 0xffffffffffU);
}

#define SL_PV_LONG 0xffffU /* tag of a STR or BYTES whose length does not fit */

/* What is special about a name. */
typedef enum {
    SL_ROLE_NONE,
    SL_ROLE_REBUILD,    /* copyreg._reconstructor and its like: makes its first argument empty */
    SL_ROLE_ENCODE,     /* _codecs.encode: bytes in disguise */
    SL_ROLE_LOAD_BYTES, /* torch.storage._load_from_bytes: a whole file in its argument */
    SL_ROLE_MAPPING,    /* takes items: OrderedDict */
    SL_ROLE_SEQUENCE,   /* takes appends: deque */
    SL_ROLE_DTYPE,
    SL_ROLE_ARRAY_WRAPPER, /* joblib's: raw bytes follow in the stream */
    SL_ROLE_STORAGE,       /* torch.FloatStorage */
    SL_ROLE_TORCH,         /* anything else of torch: item assignment writes memory */
    SL_ROLE_CALLER,        /* calls one of its arguments: numpy's and torch's rebuilders */
    SL_ROLE_UFUNC,         /* numpy's _ufunc_reconstruct: imports a module and takes a name of it */
    SL_ROLE_ATTRIBUTE, /* getattr: good only where the attribute of the class is a reviewed name */
    SL_ROLE_KEPT_CALL, /* functools.partial and its like: a call that is made, if ever, after loading */
    SL_ROLE_ROOM,      /* allocates as many bytes as its argument says */
} sl_prole;

typedef struct {
    sl_view module;
    sl_view name;
    sl_may may;
    sl_prole role;
} sl_pname;

/* What pickle_array.c knows about a numpy.dtype: referred to by RESULT's payload. */
typedef struct {
    uint32_t item_bytes;
    bool object; /* holds pickled objects */
    bool known;
} sl_pdtype;

/* One storage that a legacy torch file names. */
typedef struct {
    uint64_t key_hash; /* 0: free */
    uint64_t elements;
    uint32_t element_bytes;
} sl_pstorage;

/* State of joblib's wrapper that is being filled. */
typedef struct {
    bool filling;
    bool object;
    bool known;   /* dtype seen */
    bool aligned; /* numpy_array_alignment_bytes is a number */
    bool overflow;
    uint64_t bytes; /* of one item */
    uint64_t items; /* product of the shape */
    bool shaped;
} sl_parray;

#define SL_PCONTEXTS_MAX ((size_t)8)
typedef struct {
    size_t stack_from;
    size_t marks_from;
    sl_pvalue *memo;
    size_t memo_room;
    size_t memo_high; /* entries from here on were never written */
    size_t memo_count;
    sl_parray array;
} sl_pcontext;

typedef struct {
    sl_scan *scan; /* NULL: a trial run that reports nothing */
    const sl_allow *allow;
    const sl_scan_budget *budget;
    sl_source *source;
    sl_pickle_reader reader;
    sl_pickle_op op;

    sl_pvalue *stack;
    size_t depth;
    size_t stack_room;
    uint32_t *marks;
    size_t mark_count;
    size_t mark_room;
    sl_pvalue *ring; /* tuples: a header word, then the items */
    size_t ring_room;
    uint64_t ring_at;
    sl_pcontext context[SL_PCONTEXTS_MAX]; /* [0] the stream, then streams inside of it */
    size_t contexts;

    sl_arena arena; /* texts of names */
    sl_pname *names;
    size_t name_count;
    size_t name_room;
    uint32_t *name_slots; /* hash table of indexes + 1 */
    uint8_t *scratch;     /* two texts */

    sl_pdtype dtypes[256];
    size_t dtype_count;
    sl_pstorage *storages;
    size_t storage_room;
    size_t storage_count;
    bool keep_strings; /* the fifth stream of a legacy torch file: its list of keys */
    uint64_t *keys;
    size_t key_count;
    size_t key_room;

    uint64_t frame_end; /* 0: outside of a frame */
    uint64_t stream_at; /* first opcode of the present stream */
    unsigned proto;
    uint64_t ops;
    uint64_t dups;
    uint64_t dice; /* rounds weights at random, so that they are right on average */
    bool told_expansion;
    bool told_depth;
    uint32_t attributes; /* getattr named and not yet seen in a call that is good */
    uint64_t first_int;  /* a stream that is one number: the number; else UINT64_MAX */
    bool magic;          /* the stream is torch's legacy magic number */
    bool stopped;        /* STOP was reached */
    bool effects;        /* a name was resolved that could be one */
    bool called;         /* a name was called or given state */
    unsigned candidates; /* nested artefacts queued */
} sl_pickle;

void sl_pickle_free(sl_pickle *vm);

/* Runs one stream from `at` to its STOP. The end is vm->reader.at; vm->stopped says whether STOP was
 * reached. Fails for limits, reading and memory, not for what the stream does. */
SL_MUST sl_res sl_pickle_run(sl_pickle *vm, uint64_t at);
SL_MUST sl_res sl_pickle_start(sl_pickle *vm, sl_scan *scan, const sl_allow *allow,
                               const sl_scan_budget *budget, sl_source *source);

/* Reports unless this is a trial. */
void sl_pickle_tell(sl_pickle *vm, sl_rule rule, sl_view evidence);
void sl_pickle_tell_str(sl_pickle *vm, sl_rule rule, const char *evidence);

/* pickle_name.c: names and calls */
SL_MUST sl_res sl_pickle_name(sl_pickle *vm, sl_view module, sl_view name, sl_pvalue *ret_value);
typedef enum { SL_CALL_FUNCTION, SL_CALL_NEW } sl_pcall;
SL_MUST sl_res sl_pickle_call(sl_pickle *vm, sl_pvalue callee, sl_pvalue arguments, sl_pcall how,
                              sl_pvalue *ret_value);
SL_MUST sl_res sl_pickle_build(sl_pickle *vm, sl_pvalue target, sl_pvalue state);
/* pickle_special.c: names whose call means more than making an object. True: judged, and
 * `*ret_value` is what the call gives. */
SL_MUST sl_res sl_pickle_special(sl_pickle *vm, const sl_pname *callee, sl_pvalue arguments,
                                 sl_pvalue *ret_value, bool *ret_judged);
void sl_pickle_kept_state(sl_pickle *vm, const sl_pname *kept, sl_pvalue state);
/* Reports a rule with "module.name" as evidence. */
void sl_pickle_tell_name(sl_pickle *vm, sl_rule rule, const sl_pname *name);
/* Judges item assignment and appending to what is no plain container. */
void sl_pickle_fill(sl_pickle *vm, sl_pvalue target, bool items);
/* What a loader of torch makes of a persistent id. */
SL_MUST sl_res sl_pickle_persistent(sl_pickle *vm, sl_pvalue id, sl_pvalue *ret_value);

/* The text of a STR or BYTES (at most 1 KiB), copied to one of two places; false: not readable. */
SL_MUST sl_res sl_pickle_text(sl_pickle *vm, sl_pvalue value, unsigned place, sl_view *ret_text,
                              bool *ret_readable);
/* The items of a tuple; `ret_n` 0 if the ring was overwritten since. */
const sl_pvalue *sl_pickle_items(const sl_pickle *vm, sl_pvalue tuple, size_t *ret_n);

/* pickle_tail.c: a storage that the stream names, for what follows behind the streams. */
SL_MUST sl_res sl_pickle_storage(sl_pickle *vm, sl_view key, uint64_t elements, unsigned bytes);

/* pickle_nested.c: does this constant hold another artefact? Then it is queued. */
SL_MUST sl_res sl_pickle_constant(sl_pickle *vm, bool text);
/* The same for text whose characters are bytes (_codecs.encode(text, "latin1")). */
SL_MUST sl_res sl_pickle_disguised(sl_pickle *vm, sl_pvalue text);

/* pickle_array.c: joblib's arrays and numpy's types */
SL_MUST sl_res sl_pickle_dtype(sl_pickle *vm, sl_pvalue arguments, uint64_t *ret_index);
SL_MUST sl_res sl_pickle_array_item(sl_pickle *vm, sl_pvalue key, sl_pvalue value);
/* After BUILD of the wrapper: passes over the raw bytes, or opens a context for pickled objects. */
SL_MUST sl_res sl_pickle_array_data(sl_pickle *vm);

#endif
