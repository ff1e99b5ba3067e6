/* An arena: memory that lives as long as one crossing or one parse and is freed whole.
 * It has a ceiling; what does not fit is SL_E_LIMIT, so a hostile input cannot eat the process. */
#ifndef SL_BASE_ARENA_H
#define SL_BASE_ARENA_H

#include "base/bytes.h"

typedef struct sl_arena_block sl_arena_block;
typedef struct {
    size_t max;  /* bytes handed out at most; set it before the first use */
    size_t used; /* bytes handed out so far */
    sl_arena_block *blocks;
} sl_arena;

/* Zeroed memory aligned for any type; NULL when the ceiling or the memory is reached. */
SL_MUST void *sl_arena_alloc(sl_arena *arena, size_t n);
/* The same for an array: guards the multiplication. */
SL_MUST void *sl_arena_array(sl_arena *arena, size_t count, size_t size);
/* A copy with a NUL behind it that is not counted. */
SL_MUST sl_res sl_arena_dup(sl_arena *arena, sl_view v, sl_view *ret_copy);
/* Frees everything and keeps the ceiling. Fit for SL_OWN. */
void sl_arena_free(sl_arena *arena);

#endif
