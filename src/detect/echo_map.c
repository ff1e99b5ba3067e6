/* Building the static function (echo_map.h): slots that only one entry uses are peeled off, one after
 * another, until none is left; in the reverse order every entry then sets the slot that was its own.
 * When peeling gets stuck another seed is tried. */
#include "detect/echo_map.h"

#include <math.h>

#define LENGTH_MAX ((uint32_t)1 << 18)
#define ATTEMPTS 100

bool sl_echo_shape_valid(const sl_echo_shape *shape)
{
    if (shape->length == 0) {
        return shape->count == 0;
    }
    return (shape->length & (shape->length - 1)) == 0 && shape->length <= LENGTH_MAX &&
           shape->count >= 1 && sl_echo_slots(shape) <= 2 * (uint64_t)SL_ECHO_ENTRIES_MAX;
}

/* The published sizes: segments grow with the number of entries, the slack shrinks. */
static sl_echo_shape shape_for(size_t n)
{
    double log_n = log((double)(n < 2 ? 2 : n));
    double length = pow(2, floor(log_n / log(3.33) + 2.25));
    double factor = 0.875 + 0.25 * log(1e6) / log_n;
    factor = factor < 1.125 ? 1.125 : factor;
    length = length > LENGTH_MAX ? LENGTH_MAX : length;
    double segments = ceil((double)n * factor / length);
    return (sl_echo_shape){ .length = (uint32_t)length,
                            .count = segments > 3 ? (uint32_t)segments - 2 : 1 };
}

static uint64_t tag_of(const sl_echo_entry *e)
{
    return (uint64_t)e->high << 32 | e->low;
}

static int by_tag(const void *a, const void *b)
{
    const sl_echo_entry *x = a;
    const sl_echo_entry *y = b;
    uint64_t tx = tag_of(x);
    uint64_t ty = tag_of(y);
    if (tx != ty) {
        return tx < ty ? -1 : 1;
    }
    return x->value < y->value ? -1 : x->value > y->value;
}

/* Entries into 256 heaps by their first byte, in place: sorting heaps that fit the cache is twice as
 * fast as sorting the whole, and needs no second copy of it. */
static void partition(sl_echo_entry *entries, size_t n, size_t ends[256])
{
    size_t next[256];
    size_t count[256] = { 0 };
    for (size_t i = 0; i < n; i++) {
        count[entries[i].high >> 24]++;
    }
    size_t sum = 0;
    for (size_t b = 0; b < 256; b++) {
        next[b] = sum;
        sum += count[b];
        ends[b] = sum;
    }
    for (size_t b = 0; b < 256; b++) {
        while (next[b] < ends[b]) {
            sl_echo_entry e = entries[next[b]];
            size_t to = e.high >> 24;
            while (to != b) {
                sl_echo_entry other = entries[next[to]];
                entries[next[to]++] = e;
                e = other;
                to = e.high >> 24;
            }
            entries[next[b]++] = e;
        }
    }
}

size_t sl_echo_entries_sort(sl_echo_entry *entries, size_t n)
{
    size_t ends[256];
    if (n == 0) {
        return 0;
    }
    partition(entries, n, ends);
    size_t from = 0;
    for (size_t b = 0; b < 256; b++) {
        qsort(entries + from, ends[b] - from, sizeof *entries, by_tag);
        from = ends[b];
    }
    size_t kept = 1;
    for (size_t i = 1; i < n; i++) {
        if (tag_of(&entries[i]) != tag_of(&entries[kept - 1])) {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}

/* Working memory of one attempt. */
typedef struct {
    uint8_t *degree;  /* of a slot: entries that use it and are not peeled; 255 is too many */
    uint32_t *joined; /* XOR of their numbers */
    uint32_t *order;  /* entries as they were peeled */
    uint32_t *own;    /* the slot that each of them sets; before that, slots to look at */
    size_t peeled;
    size_t slots;
} peel;

static bool count_slots(const sl_echo_shape *shape, const sl_echo_entry *entries, size_t n, peel *p)
{
    memset(p->degree, 0, p->slots);
    memset(p->joined, 0, p->slots * sizeof *p->joined);
    for (size_t i = 0; i < n; i++) {
        uint32_t at[3];
        sl_echo_slots_of(shape, tag_of(&entries[i]), at);
        for (size_t j = 0; j < 3; j++) {
            if (p->degree[at[j]] == 255) {
                return false;
            }
            p->degree[at[j]]++;
            p->joined[at[j]] ^= (uint32_t)i;
        }
    }
    return true;
}

/* Peels what hangs on the slot `first`: peeling one entry may leave another alone in its slot. */
static void peel_from(const sl_echo_shape *shape, const sl_echo_entry *entries, size_t n,
                      uint32_t first, peel *p, uint32_t *stack)
{
    size_t depth = 0;
    stack[depth++] = first;
    while (depth > 0) {
        uint32_t slot = stack[--depth];
        if (p->degree[slot] != 1) {
            continue;
        }
        uint32_t entry = p->joined[slot];
        uint32_t at[3];
        p->order[p->peeled] = entry;
        p->own[p->peeled++] = slot;
        sl_echo_slots_of(shape, tag_of(&entries[entry]), at);
        for (size_t j = 0; j < 3; j++) {
            p->degree[at[j]]--;
            p->joined[at[j]] ^= entry;
            if (p->degree[at[j]] == 1 && depth < n) {
                stack[depth++] = at[j];
            }
        }
    }
}

static bool peel_all(const sl_echo_shape *shape, const sl_echo_entry *entries, size_t n, peel *p,
                     uint32_t *stack)
{
    p->peeled = 0;
    if (!count_slots(shape, entries, n, p)) {
        return false;
    }
    for (size_t slot = 0; slot < p->slots; slot++) {
        if (p->degree[slot] == 1) {
            peel_from(shape, entries, n, (uint32_t)slot, p, stack);
        }
    }
    return p->peeled == n;
}

static void fill(const sl_echo_shape *shape, const sl_echo_entry *entries, const peel *p,
                 uint64_t noise, uint8_t *slots)
{
    for (size_t i = 0; i < p->slots; i++) {
        sl_put_le32(slots + 4 * i, (uint32_t)sl_echo_mix(i, noise | 1));
    }
    for (size_t i = p->peeled; i > 0; i--) {
        const sl_echo_entry *e = &entries[p->order[i - 1]];
        uint8_t *own = slots + 4 * (size_t)p->own[i - 1];
        uint32_t now = sl_echo_map_get(shape, slots, tag_of(e)) ^ sl_get_le32(own);
        sl_put_le32(own, now ^ e->value);
    }
}

static void peel_free(peel *p)
{
    free(p->degree);
    free(p->joined);
    free(p->order);
    free(p->own);
}

static void stack_free(uint32_t **stack)
{
    free(*stack);
}

static sl_res build(const sl_echo_entry *entries, size_t n, uint64_t noise, sl_echo_shape *shape,
                    sl_buf *out)
{
    size_t slots = (size_t)sl_echo_slots(shape);
    SL_OWN(peel, p, peel_free) = { .slots = slots,
                                   .degree = malloc(slots + 1),
                                   .joined = malloc((slots + 1) * sizeof(uint32_t)),
                                   .order = malloc((n + 1) * sizeof(uint32_t)),
                                   .own = malloc((n + 1) * sizeof(uint32_t)) };
    SL_OWN(uint32_t *, stack, stack_free) = malloc((n + 3) * sizeof(uint32_t));
    SL_NEED(p.degree != NULL && p.joined != NULL && p.order != NULL && p.own != NULL &&
                stack != NULL,
            SL_E_MEMORY);
    for (uint64_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        shape->seed = attempt * 0x9E3779B97F4A7C15U;
        if (peel_all(shape, entries, n, &p, stack)) {
            SL_TRY(sl_buf_reserve(out, 4 * slots));
            fill(shape, entries, &p, noise, out->p + out->n);
            out->n += 4 * slots;
            return SL_DONE;
        }
    }
    return sl_fail(SL_E_BUG);
}

sl_res sl_echo_map_build(const sl_echo_entry *entries, size_t n, uint64_t noise,
                         sl_echo_shape *ret_shape, sl_buf *out)
{
    *ret_shape = (sl_echo_shape){ 0 };
    if (n == 0) {
        return SL_DONE;
    }
    SL_NEED(n <= SL_ECHO_ENTRIES_MAX, SL_E_LIMIT);
    *ret_shape = shape_for(n);
    return build(entries, n, noise, ret_shape, out);
}
