/* The scan: what a file would do if somebody loaded it, found out without loading it.
 * The driver identifies an artefact by its content, runs the parser of every format that claims it,
 * takes members out of containers into a work list (never recursion), and gathers findings. It is
 * pure: bytes come through sl_source, and nothing here opens, waits or reads a clock. It runs inside
 * a throw-away worker (scan_worker.h); a worker that dies is an answer too, and never a clean one.
 *
 * To add a format: a line in formats.def, its rules in rules.def, one file with sl_identify_NAME
 * and sl_scan_NAME, a fuzz target, a table test. Design: README.md beside this file. */
#ifndef SL_ARTEFACT_SCAN_H
#define SL_ARTEFACT_SCAN_H

#include "artefact/allow.h"
#include "artefact/source.h"
#include "base/arena.h"
#include "crypto/hash.h"

/* The lattice: an artefact's class is the highest among its findings'. */
typedef enum {
    SL_SCAN_CLEAN,
    SL_SCAN_UNKNOWN,   /* a person should look: nothing bad is known, not all is known to be good */
    SL_SCAN_MALFORMED, /* not what it says it is; readers may disagree about it */
    SL_SCAN_DANGEROUS, /* loading it runs, reads, writes or reaches what it must not */
    SL_SCAN_CLASS_COUNT
} sl_scan_class;

typedef enum {
    SL_SEVERITY_INFO,
    SL_SEVERITY_LOW,
    SL_SEVERITY_MEDIUM,
    SL_SEVERITY_HIGH,
    SL_SEVERITY_CRITICAL,
    SL_SEVERITY_COUNT
} sl_severity;

/* Words for output: "clean", "critical". Static. */
const char *sl_scan_class_name(sl_scan_class class);
const char *sl_severity_name(sl_severity severity);

/* Rules: rules.def says what each means. */
typedef enum {
#define R(id, name, severity, class, title, remedy, refs) SL_RULE_##id,
#include "artefact/rules.def"
#undef R
    SL_RULE_COUNT
} sl_rule;

typedef struct {
    const char *name; /* "pickle.call_denied": stable, scripts depend on it */
    sl_severity severity;
    sl_scan_class class;
    const char *title;
    const char *remedy;
    const char *refs; /* space-separated CVE, GHSA and ATLAS ids, or "" */
} sl_rule_info;

const sl_rule_info *sl_rule_get(sl_rule rule);

/* Kinds of artefact: formats.def. NONE: no format claimed it. */
typedef enum {
    SL_KIND_NONE,
#define F(id, name, extensions, traits, identify, scan) SL_KIND_##id,
#include "artefact/formats.def"
#undef F
    SL_KIND_COUNT
} sl_kind;

/* What kinds say about themselves. */
#define SL_TRAIT_RUNS 0x1u      /* loading one can run code: must not hide under an inert name */
#define SL_TRAIT_INERT 0x2u     /* its extensions promise plain data */
#define SL_TRAIT_CONTAINER 0x4u /* holds members */
#define SL_TRAIT_TEXT 0x8u /* recognised by its content as text: several kinds may claim one file */

const char *sl_kind_name(sl_kind kind);
unsigned sl_kind_traits(sl_kind kind);

/* What an identifier sees. The name is a hint for text formats alone (a JSON file's role); no binary
 * format may be recognised, or missed, because of it. */
typedef struct {
    sl_source *source;
    uint64_t size;
    sl_view head; /* the first bytes, at most SL_PROBE_HEAD_BYTES; good for the whole call */
    sl_view name; /* last component of the path or member name; may be empty */
} sl_probe;
#define SL_PROBE_HEAD_BYTES ((size_t)4096)

/* How sure an identifier is. Two YES of different kinds are a polyglot (rule type.polyglot) unless
 * both are text or one allows the other (scan.c); a MAYBE counts only where nobody says YES. */
typedef enum { SL_IDENTIFY_NO, SL_IDENTIFY_MAYBE, SL_IDENTIFY_YES } sl_identity;

typedef struct sl_scan sl_scan;

typedef sl_identity (*sl_identify)(const sl_probe *probe);
/* Parses the whole artefact and reports. Whatever fails (SL_TRY upwards) becomes a finding by the
 * driver: SL_E_LIMIT and SL_E_DEPTH scan.limit, SL_E_INTEGRITY scan.changed, SL_E_IO scan.read,
 * SL_E_MEMORY scan.memory, anything else scan.malformed with the kind's name and the offset of the
 * failure; findings made before stay. */
typedef sl_res (*sl_scan_format)(sl_scan *scan, sl_source *source);

#define F(id, name, extensions, traits, identify, scan)                                            \
    sl_identity identify(const sl_probe *probe);                                                   \
    SL_MUST sl_res scan(sl_scan *scan, sl_source *source);
#include "artefact/formats.def"
#undef F

/* ---- for parsers ---- */

/* Reports. `offset` counts bytes of the artefact or member now being parsed (SL_NOWHERE: the whole of
 * it). `evidence` is any bytes; the driver cuts them to SL_EVIDENCE_BYTES_MAX and escapes what is not
 * printable. Reports of the same rule in the same member beyond a few dozen are counted, not kept. */
void sl_scan_report(sl_scan *scan, sl_rule rule, uint64_t offset, sl_view evidence);
void sl_scan_report_str(sl_scan *scan, sl_rule rule, uint64_t offset, const char *evidence);
/* Formatted evidence: for text and numbers of ours, or input that was already checked to be text. */
void sl_scan_reportf(sl_scan *scan, sl_rule rule, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define SL_EVIDENCE_BYTES_MAX ((size_t)120)

/* Queues a nested artefact: identified and parsed on its own after the present parser returned, under
 * the present path with `name` (any bytes, escaped in output) appended. Takes its own reference of
 * `source`. Past the limits of depth, members or bytes it reports scan.limit and queues nothing:
 * SL_DONE then too, so that the rest is still scanned. */
SL_MUST sl_res sl_scan_member(sl_scan *scan, sl_view name, sl_source *source);
/* As above, but with a kind already known to the container (a torch storage is plain data; the
 * pickle in an object array): other kinds are then not tried. SL_KIND_NONE: not parsed at all. */
SL_MUST sl_res sl_scan_member_as(sl_scan *scan, sl_view name, sl_source *source, sl_kind kind);

/* A file outside of this one that loading it would open (ONNX external data): checked by the edge,
 * which alone can see the tree. `path` as the artefact gives it; bytes [offset, offset + length) are
 * wanted of it, length 0: all. Rules about the text of the path are the parser's (sl_scan_path). */
void sl_scan_external(sl_scan *scan, sl_view path, uint64_t offset, uint64_t length);

/* The rules about member names and other relative paths: absolute, drive letter, backslash, "..",
 * NUL and control characters. Reports path.* and returns true if the path is good. */
bool sl_scan_path(sl_scan *scan, sl_view path, uint64_t offset);

/* Remembers a member of the present container that is numbers alone, by its whole name, for the pickle
 * beside it that says how many there are. */
SL_MUST sl_res sl_scan_numbers(sl_scan *scan, sl_view name, uint64_t size);
/* Asked from a member: the size of "FOLDER/" `name` beside it; false: there is no such member. */
bool sl_scan_numbers_beside(const sl_scan *scan, sl_view name, uint64_t *ret_size);

/* Is `module`.`name` a Python global that may be referenced / called? The allow-list of the scan,
 * for formats that name Python classes without being pickles (skops, Keras). */
bool sl_scan_global_known(const sl_scan *scan, sl_view module, sl_view name);

/* The present member's last name component ("config.json"), for the role of text formats; and whether
 * the container that it came from directly holds a member of that full name. */
sl_view sl_scan_name(const sl_scan *scan);
bool sl_scan_sibling(const sl_scan *scan, const char *name);

/* Budgets of one scan. Spending past one reports scan.limit once, marks the scan partial, and returns
 * SL_E_LIMIT, which a parser passes up. */
typedef enum {
    SL_SPEND_MEMBERS,  /* nested artefacts in all */
    SL_SPEND_EXPANDED, /* bytes that decompressors made */
    SL_SPEND_OPCODES,  /* pickle */
    SL_SPEND_NODES,    /* JSON nodes, protobuf fields, HDF5 messages, table entries */
    SL_SPEND_COUNT
} sl_spend;
SL_MUST sl_res sl_scan_spend(sl_scan *scan, sl_spend what, uint64_t amount);

typedef struct {
    uint64_t spend[SL_SPEND_COUNT];
    unsigned depth; /* of members in members */
    unsigned ratio; /* expanded to compressed, per member, above 1 MiB */
    uint64_t stack; /* values on the pickle stack */
    uint64_t memo;  /* memo entries; never more than the opcodes seen */
    unsigned json_depth;
    unsigned protobuf_depth;
    uint64_t string_bytes; /* one string held whole */
} sl_scan_budget;

extern const sl_scan_budget sl_scan_budget_default;
const sl_scan_budget *sl_scan_budget_get(const sl_scan *scan);

/* ---- for the edge ---- */

typedef struct {
    sl_rule rule;
    uint64_t offset;  /* or SL_NOWHERE */
    sl_view member;   /* "a.zip!inner.pkl" style path inside the artefact; empty: the file itself */
    sl_view evidence; /* printable ASCII */
} sl_scan_finding;

typedef struct {
    sl_view member;
    sl_view path;
    uint64_t offset;
    uint64_t length;
} sl_scan_outside;

/* Views are owned by the result. */
typedef struct {
    sl_scan_class class;
    bool complete;
    sl_kind kind;
    sl_digest sha256;
    bool hashed; /* the whole file went through the hash */
    uint64_t bytes;
    uint64_t members;
    uint64_t suppressed; /* findings counted, not kept */
    sl_scan_finding *findings;
    size_t finding_count;
    sl_scan_outside *outside;
    size_t outside_count;
    sl_arena arena; /* holds what the views show */
} sl_scan_result;

typedef struct {
    sl_source_read read;
    void *ctx;
    uint64_t size;
    sl_view name;           /* the file's own name, without folders */
    sl_buf *explain;        /* NULL, or takes what the pickles inside would do, for people */
    sl_view explain_member; /* of which member alone, as findings name it; empty: of every one */
    const sl_allow *allow;  /* NULL: the pack built in, read anew each time */
    const sl_scan_budget *budget; /* NULL: the defaults */
    uint64_t key[2];              /* random: keys the hashes of chunks that may be read again */
} sl_scan_input;

/* Scans one artefact. Fails only where there is no answer at all (SL_E_MEMORY, SL_E_BUG); a file that
 * cannot be read or parsed is a result that is not clean. Free with sl_scan_result_free. */
SL_MUST sl_res sl_scan_run(const sl_scan_input *input, sl_scan_result *ret_result);
void sl_scan_result_free(sl_scan_result *result);

#endif
