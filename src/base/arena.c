/* The arena (arena.h): blocks in a list, bump allocation, freed whole. */
#include "base/arena.h"

#include <stdalign.h>

struct sl_arena_block {
    sl_arena_block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) uint8_t bytes[];
};

enum { BLOCK_BYTES_MIN = 4096 - 64, ALIGNMENT = alignof(max_align_t) };

static sl_arena_block *block_new(sl_arena *arena, size_t n)
{
    /* Blocks double with use, so that a large parse makes few of them. */
    size_t size = BLOCK_BYTES_MIN;
    if (size < arena->used / 2) {
        size = arena->used / 2;
    }
    if (size < n) {
        size = n;
    }
    sl_arena_block *block = malloc(sizeof(*block) + size);
    if (block == NULL) {
        return NULL;
    }
    *block = (sl_arena_block){ .next = arena->blocks, .size = size, .used = 0 };
    arena->blocks = block;
    return block;
}

void *sl_arena_alloc(sl_arena *arena, size_t n)
{
    if (n == 0) {
        n = 1;
    }
    if (n > SIZE_MAX - ALIGNMENT) {
        return NULL;
    }
    n = (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (arena->used > arena->max || n > arena->max - arena->used) {
        return NULL;
    }
    sl_arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < n) {
        block = block_new(arena, n);
        if (block == NULL) {
            return NULL;
        }
    }
    uint8_t *p = block->bytes + block->used;
    block->used += n;
    arena->used += n;
    memset(p, 0, n);
    return p;
}

void *sl_arena_array(sl_arena *arena, size_t count, size_t size)
{
    size_t n = 0;
    if (__builtin_mul_overflow(count, size, &n)) {
        return NULL;
    }
    return sl_arena_alloc(arena, n);
}

sl_res sl_arena_dup(sl_arena *arena, sl_view v, sl_view *ret_copy)
{
    SL_NEED(v.n < SIZE_MAX, SL_E_LIMIT);
    uint8_t *p = sl_arena_alloc(arena, v.n + 1);
    SL_NEED(p != NULL, SL_E_LIMIT);
    if (v.n != 0) {
        memcpy(p, v.p, v.n);
    }
    *ret_copy = (sl_view){ p, v.n };
    return SL_DONE;
}

void sl_arena_free(sl_arena *arena)
{
    sl_arena_block *block = arena->blocks;
    while (block != NULL) {
        sl_arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (sl_arena){ .max = arena->max };
}
