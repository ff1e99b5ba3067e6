/* The inside of sources, for the files that make kinds of them: source.c and expand.c. */
#ifndef SL_ARTEFACT_SOURCE_IMPL_H
#define SL_ARTEFACT_SOURCE_IMPL_H

#include "artefact/source.h"

typedef struct {
    /* `offset` < size, 0 < want <= SL_SOURCE_WINDOW_MAX, offset + want <= size. */
    sl_res (*at)(sl_source *self, uint64_t offset, size_t want, sl_view *ret_view);
    /* As much as costs no copying; `offset` < size. NULL: `at` is used. */
    sl_res (*some)(sl_source *self, uint64_t offset, sl_view *ret_view);
    void (*end)(sl_source *self); /* frees all but `self` */
} sl_source_ops;

struct sl_source {
    const sl_source_ops *ops;
    uint64_t size;
    size_t refs;
};

#endif
