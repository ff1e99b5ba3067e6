/* What catalogue.c reads and assurance.c runs; not for other modules. */
#ifndef SL_ASSURE_CATALOGUE_INTERNAL_H
#define SL_ASSURE_CATALOGUE_INTERNAL_H

#include "assure/catalogue.h"

#define SL_SUBJECT_KINDS_MAX ((size_t)32)

/* How the subjects of a kind are known: named once, or born, moved and ended by leaves. */
typedef struct {
    sl_view name;
    sl_view born;       /* type of the leaf */
    sl_view born_field; /* and a field with this value; empty: every such leaf */
    sl_view born_value;
    sl_view key;   /* the field that names the subject, in all of these leaves */
    sl_view state; /* at birth */
    sl_view moves;
    sl_view moves_field; /* holds the new state */
    sl_view ends;
    const sl_view *fixed;
    size_t fixed_count;
    bool whole; /* the ledger names every such subject, so that none means none */
} sl_subject_kind;

struct sl_catalogue {
    sl_arena arena;
    sl_check checks[SL_CHECKS_MAX];
    size_t check_count;
    sl_subject_kind kinds[SL_SUBJECT_KINDS_MAX];
    size_t kind_count;
};

#endif
