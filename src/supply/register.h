/* The vendor register: who supplies what, by digest; what speaks for them, and until when.
 *
 * Every entry is a statement that operators signed (vault/statement.h), so the register is a function of
 * the ledger's leaves and nobody edits it behind their back; what people read as YAML is written from it.
 * A signature covers one thing said of one vendor: adding it again with other values replaces it.
 * Pure: leaves and time are arguments. Must never keep what the roll has not verified first.
 * Design: src/supply/README.md. */
#ifndef SL_SUPPLY_REGISTER_H
#define SL_SUPPLY_REGISTER_H

#include "vault/roll.h"

#define SL_REGISTER_VENDORS_MAX ((size_t)1024)
#define SL_REGISTER_ITEMS_MAX ((size_t)16384)
#define SL_REGISTER_ADMISSIONS_MAX ((size_t)4096)

/* What can be said of a vendor. `item` names it; the fields behind are those that it has. */
typedef enum {
    SL_ITEM_ARTEFACT,  /* hash: SHA-256 of a file, or the root over a directory; signer */
    SL_ITEM_TEMPLATE,  /* hash: of the chat template of the artefact with this name */
    SL_ITEM_MODEL,     /* as requests name it */
    SL_ITEM_UPSTREAM,  /* a server of the vendor, as config.yml names it */
    SL_ITEM_TOOL,      /* as requests name it; hash: of its definition */
    SL_ITEM_DATA,      /* compartment: the vendor's models see it */
    SL_ITEM_EVIDENCE,  /* until; hash: of the document */
    SL_ITEM_EXCEPTION, /* until; owner: an operator. Takes the quorum */
    SL_ITEM_REVIEW,    /* keep, conditions, end */
    SL_ITEM_KIND_COUNT
} sl_item_kind;

const char *sl_item_kind_name(sl_item_kind kind);
/* SL_ITEM_KIND_COUNT: none of that name. */
sl_item_kind sl_item_kind_by_name(sl_view name);

typedef struct {
    sl_name vendor;
    sl_item_kind kind;
    sl_name item;
    sl_name compartment; /* DATA; else empty */
    sl_name owner;       /* EXCEPTION */
    sl_digest hash;      /* all zero: none */
    sl_digest signer;    /* likewise */
    int64_t until_ms;    /* 0: no end */
    int64_t since_ms;    /* ledger time of the leaf */
    uint64_t leaf_index;
} sl_register_item;

typedef struct {
    sl_name name;
    sl_name tier;
    sl_name data_cap;
    int64_t since_ms;
    uint64_t leaf_index;
} sl_register_vendor;

/* Bytes that operators let in although the scan could not clear them. */
typedef struct {
    sl_name compartment;
    sl_digest digest; /* SHA-256 of the file */
    sl_name reason;   /* may be empty */
    int64_t until_ms;
    uint64_t leaf_index;
} sl_register_admission;

/* Zero-initialise; fit for SL_OWN. */
typedef struct {
    sl_register_vendor *vendors;
    size_t vendor_count;
    size_t vendor_cap;
    sl_register_item *items;
    size_t item_count;
    size_t item_cap;
    sl_register_admission *admissions;
    size_t admission_count;
    size_t admission_cap;
} sl_register;

void sl_register_free(sl_register *r);

/* Is the statement one that a register can keep: a known kind with the fields that the kind needs and no
 * others, a tier and a cap of the lists below, and a name that fits a leaf's id together with its vendor's
 * ("VENDOR/ITEM" of 64 bytes)? For who makes statements; what does not fit is passed over when folded.
 * Errors: SL_E_SYNTAX, SL_E_MISSING_FIELD, SL_E_UNKNOWN_FIELD, SL_E_LIMIT with the field. */
SL_MUST sl_res sl_register_check(const sl_statement *s);
extern const char *const sl_register_tiers[]; /* NULL-ended, the weightiest first */
extern const char *const sl_register_caps[];  /* NULL-ended, the most sensitive last */

/* One verified statement. Statements of other actions, and those about an unknown vendor, change nothing.
 * Errors: SL_E_LIMIT, SL_E_MEMORY. */
SL_MUST sl_res sl_register_apply(sl_register *r, const sl_statement *s, uint64_t index,
                                 int64_t time_ms);
/* The text of a leaf that the roll has just folded with SL_FOLD_APPLIED. */
SL_MUST sl_res sl_register_leaf(sl_register *r, uint64_t index, sl_view leaf);

/* NULL: there is none. Pointers are good until the next change. */
const sl_register_vendor *sl_register_vendor_find(const sl_register *r, sl_view name);
const sl_register_item *sl_register_item_find(const sl_register *r, sl_view vendor,
                                              sl_item_kind kind, sl_view item);
/* Of whichever vendor. */
const sl_register_item *sl_register_item_any(const sl_register *r, sl_item_kind kind, sl_view item);
const sl_register_item *sl_register_artefact(const sl_register *r, const sl_digest *hash);
/* A permission for these bytes in this compartment that is good at `now_ms`. */
const sl_register_admission *sl_register_admitted(const sl_register *r, sl_view compartment,
                                                  const sl_digest *digest, int64_t now_ms);

/* Appends the register, or one vendor of it (`vendor` not empty), as YAML for people. What is past its end
 * at `now_ms` is marked with a comment. SL_E_NOT_FOUND: no such vendor. */
SL_MUST sl_res sl_register_write(const sl_register *r, sl_view vendor, int64_t now_ms, sl_buf *out);
/* The same as JSON lines, one an entry; `*ret_ended` counts what is past its end. */
SL_MUST sl_res sl_register_write_json(const sl_register *r, sl_view vendor, int64_t now_ms,
                                      sl_buf *out, size_t *ret_ended);

#endif
