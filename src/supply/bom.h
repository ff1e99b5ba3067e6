/* Bills of materials of models: CycloneDX 1.6 with a model card, written. Pure.
 * (They are read by lockfile.h.) Source: CycloneDX 1.6, ECMA-424.
 */
#ifndef SL_SUPPLY_BOM_H
#define SL_SUPPLY_BOM_H

#include "base/json.h"
#include "supply/manifest.h"
#include "supply/package.h"

enum { SL_CARD_LIST_MAX = 32 };

/* What a model's own files say of it. Zero-initialise; sl_card_free is fit for SL_OWN. */
typedef struct {
    sl_arena arena;
    sl_view task;         /* "text-generation" */
    sl_view family;       /* "llama" */
    sl_view architecture; /* "LlamaForCausalLM" */
    sl_view version;
    sl_view description;
    sl_view licences[SL_CARD_LIST_MAX];
    size_t licences_n;
    sl_view datasets[SL_CARD_LIST_MAX];
    size_t datasets_n;
    sl_view bases[SL_CARD_LIST_MAX]; /* models it was made from */
    size_t bases_n;
    uint64_t parameters; /* 0: unknown */
    sl_view quantisation;
} sl_card;

void sl_card_free(sl_card *card);

/* Each adds what it finds and leaves alone what is known already. Unreadable content adds nothing and is
 * no error: a bill of materials says what is known. */
SL_MUST sl_res sl_card_add_config(sl_card *card, sl_view config_json);
/* The front matter of a model's README.md. */
SL_MUST sl_res sl_card_add_readme(sl_card *card, sl_view readme);
/* The first bytes of a safetensors file, at least its header. */
SL_MUST sl_res sl_card_add_safetensors(sl_card *card, sl_view head);

typedef struct {
    sl_view name;      /* of the model */
    sl_view timestamp; /* RFC 3339 */
    sl_view serial;    /* a UUID in its usual form */
    const char *tool_version;
    const sl_manifest *files;
    const sl_card *card;
    const sl_packages *packages;
    sl_view vulnerabilities; /* items of the array in CycloneDX's form, comma between; or empty */
} sl_bom;

SL_MUST sl_res sl_bom_write(const sl_bom *bom, sl_buf *out);

/* Appends the package URL of a package: "pkg:pypi/keras@2.13.1". */
SL_MUST sl_res sl_purl_add(sl_buf *out, const sl_package *package);

#endif
