/* What `sign` and `verify` share: where the signature of a model is, what is left out of it, and how
 * names from the disk are printed. */
#ifndef SL_CLI_SUPPLY_PRINT_H
#define SL_CLI_SUPPLY_PRINT_H

#include "supply/tree.h"

enum { SL_SUPPLY_SKIP_MAX = 5 };

typedef struct {
    char *directory;    /* the model without a slash at its end */
    char *signature;    /* the signature's path */
    sl_view model_name; /* the last component of `directory` */
    char *inside;       /* the signature's path within the model, or NULL */
    sl_view skip[SL_SUPPLY_SKIP_MAX];
    size_t skip_count;
} sl_supply_paths;

void sl_supply_paths_free(sl_supply_paths *p);

/* `signature` NULL means MODEL.sig. Left out of the tree: the signature itself where it lies inside, and
 * with `skip_git` what git keeps. Errors: SL_E_NOT_FOUND, SL_E_MEMORY. */
SL_MUST sl_res sl_supply_paths_make(const char *model, const char *signature, bool skip_git,
                                    sl_supply_paths *ret);

/* For sl_tree_options: one line on stderr for everything but what is left out. */
void sl_supply_print_problem(void *context, sl_tree_problem problem, sl_view path);

/* Appends a name from the disk for people: control characters and bad UTF-8 as \xHH. */
SL_MUST sl_res sl_supply_add_name(sl_buf *out, sl_view name);

#endif
