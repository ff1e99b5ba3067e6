/* The checks: read from the YAML files in data/checks, asked of every leaf, answered at any time.
 * Who the subjects of EACH are is folded from the same leaves by rules in data/checks/subjects.yml.
 * The ledger's own checks gate all others: while `ledger.consistent` or `ledger.complete` does not
 * pass, nothing else is better than unknown. Pure: texts and time are arguments. */
#ifndef SL_ASSURE_CATALOGUE_H
#define SL_ASSURE_CATALOGUE_H

#include "assure/evaluate.h"

#define SL_CHECKS_MAX ((size_t)256)
#define SL_FRAMEWORKS_MAX ((size_t)64)

typedef struct {
    sl_view framework; /* "iso27001" */
    sl_view controls;  /* "A.8.15 A.5.28": identifiers separated by blanks */
} sl_check_map;

typedef struct {
    sl_view id; /* "ledger.consistent" */
    sl_view pillar;
    sl_view severity; /* critical, high, medium, low */
    sl_view owner;
    sl_view states; /* what it says when it passes */
    sl_view query_text;
    sl_view remedy;
    sl_view needs;   /* what would decide it while it is unknown */
    bool attested;   /* rests on a person's word, not on a measurement */
    bool answerable; /* false: the language has this form, this version cannot ask it */
    sl_query query;
    sl_asked asked;
    const sl_check_map *maps;
    size_t map_count;
} sl_check;

typedef struct sl_catalogue sl_catalogue;

/* `subjects` and each of `files` are YAML; all are copied. Unknown keys, unknown forms and malformed
 * queries are errors with their line; `ret_file` (may be NULL) tells which file (count: subjects). */
SL_MUST sl_res sl_catalogue_load(sl_view subjects, const sl_view *files, size_t count,
                                 size_t *ret_file, sl_catalogue **ret_catalogue);
void sl_catalogue_free(sl_catalogue *catalogue);
size_t sl_catalogue_count(const sl_catalogue *catalogue);
const sl_check *sl_catalogue_check(const sl_catalogue *catalogue, size_t at);
/* SIZE_MAX if there is no such check. */
size_t sl_catalogue_find(const sl_catalogue *catalogue, sl_view id);

/* One run over a ledger. */
typedef struct sl_assurance sl_assurance;

/* `catalogue` is borrowed. `parameter` answers "policy.x" and "self". */
SL_MUST sl_res sl_assurance_new(const sl_catalogue *catalogue, sl_parameter parameter,
                                void *context, sl_assurance **ret_assurance);
void sl_assurance_free(sl_assurance *assurance);
/* One leaf, in the order of the ledger. A check that cannot hold more turns unknown, the others go
 * on; SL_E_SYNTAX if the leaf is not one. */
SL_MUST sl_res sl_assurance_feed(sl_assurance *assurance, uint64_t index, sl_view leaf);
/* The answer of one check. `verified`: every leaf fed was proved to be in a signed checkpoint; if
 * not, or while the gate does not pass, the answer is at best unknown. */
sl_answer sl_assurance_answer(const sl_assurance *assurance, size_t check, int64_t now_ms,
                              bool verified);

#endif
