/* Structures that two texts have in common (echo_structure.h): all that the record's runs give, sorted by tag,
 * and the text's looked up in it. Nothing is kept. */
#include <stdlib.h>

#include "detect/echo_structure.h"

/* Where something stands in the record. */
typedef struct {
    uint64_t tag;
    uint64_t at;
} standing;

typedef struct {
    standing *items;
    size_t n;
    size_t cap;
} standings;

/* The text's structures, one behind the other, against the record's. */
typedef struct {
    const standings *record;
    sl_echo_structure_match *best;
    uint64_t text_next; /* where a part would go on with the stretch that is open */
    uint64_t record_next;
    uint64_t text_start;
    uint32_t characters; /* of the stretch; 0: none is open */
} comparing;

static void standings_free(standings *s)
{
    free(s->items);
}

static sl_res take_record(void *context, const sl_echo_structure *s)
{
    standings *all = context;
    if (all->n == all->cap) {
        size_t cap = all->cap == 0 ? 256 : 2 * all->cap;
        standing *more = realloc(all->items, cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        all->items = more;
        all->cap = cap;
    }
    all->items[all->n++] = (standing){ s->tag, s->run + s->at };
    return SL_DONE;
}

static int in_order(const void *a, const void *b)
{
    const standing *x = a;
    const standing *y = b;
    if (x->tag != y->tag) {
        return x->tag < y->tag ? -1 : 1;
    }
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The first place with this tag at or behind `at`, or NULL. */
static const standing *find_from(const standings *all, uint64_t tag, uint64_t at)
{
    size_t low = 0;
    size_t high = all->n;
    standing wanted = { tag, at };
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (in_order(&all->items[mid], &wanted) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < all->n && all->items[low].tag == tag ? &all->items[low] : NULL;
}

static const standing *find(const standings *all, uint64_t tag, uint64_t at)
{
    const standing *there = find_from(all, tag, at);
    return there != NULL ? there : find_from(all, tag, 0);
}

static void offer(const comparing *c, uint32_t bits, uint64_t text_start, uint64_t record_start,
                  uint32_t n)
{
    if (bits > c->best->bits) {
        *c->best = (sl_echo_structure_match){ .bits = bits,
                                              .characters = n,
                                              .text_start = (size_t)text_start,
                                              .text_end = (size_t)text_start + n,
                                              .record_start = (size_t)record_start,
                                              .record_end = (size_t)record_start + n };
    }
}

static void take_part(comparing *c, const sl_echo_structure *s)
{
    uint64_t at = s->run + s->at;
    bool goes_on = c->characters != 0 && at == c->text_next;
    const standing *there = find(c->record, s->tag, goes_on ? c->record_next : 0);
    if (there == NULL) {
        c->characters = 0;
        return;
    }
    goes_on = goes_on && there->at == c->record_next;
    c->text_start = goes_on ? c->text_start : at;
    c->characters = goes_on ? c->characters + 1 : s->n;
    c->text_next = at + 1;
    c->record_next = there->at + 1;
    offer(c, sl_echo_structure_bits(c->characters, s->inchi), c->text_start,
          there->at + s->n - c->characters, c->characters);
}

static sl_res take_text(void *context, const sl_echo_structure *s)
{
    comparing *c = context;
    if (s->kind == SL_ECHO_PART) {
        take_part(c, s);
        return SL_DONE;
    }
    const standing *there = find(c->record, s->tag, 0);
    if (there == NULL) {
        return SL_DONE;
    }
    uint32_t bits = s->kind == SL_ECHO_WHOLE ? sl_echo_structure_bits(s->n, s->inchi)
                    : s->kind == SL_ECHO_INCHIKEY
                        ? SL_ECHO_KEY_BITS
                        : SL_ECHO_KEY_BITS / 2; /* the same bonds, another molecule */
    offer(c, bits, s->run + s->at, there->at, s->n);
    return SL_DONE;
}

sl_res sl_echo_structures_compare(const sl_echo_key *key, sl_view text, sl_view record,
                                  sl_echo_structure_match *ret)
{
    SL_OWN(standings, all, standings_free) = { 0 };
    sl_echo_structure_cursor cursor = { 0 };
    comparing c = { .record = &all, .best = ret };
    *ret = (sl_echo_structure_match){ 0 };
    SL_TRY(sl_echo_structures_take(&cursor, key, record, true, take_record, &all));
    if (all.n == 0) {
        return SL_DONE;
    }
    qsort(all.items, all.n, sizeof *all.items, in_order);
    return sl_echo_structures_take(&cursor, key, text, true, take_text, &c);
}
