/* Asking an echo index about a text in pieces (echo.h): every shingle of the text is looked up, and
 * what is found is joined along diagonals: blocks that rise with the tokens. What it says is a function
 * of the text alone, however it was split. */
#include "detect/echo_index.h"
#include "detect/echo_structure.h"
#include "detect/echo_text.h"

#define CARRY ((size_t)SL_ECHO_SHINGLE_MAX)
#define CHAINS ((size_t)24) /* of each view */
/* A hit joins a match that was hit at most so many tokens ago. */
#define REACH ((uint64_t)96)
#define PAIRS ((size_t)24)

typedef struct {
    sl_echo_match match;
    uint64_t token; /* of the last hit */
    double bits;
    uint32_t pairs[PAIRS]; /* counted already: a name that comes again is no new surprise */
    uint32_t pair_count;
} chain;

typedef struct {
    size_t carry;
    uint64_t base; /* number of the token in front */
    uint64_t start[CARRY];
    uint64_t end[CARRY];
    uint64_t hash[CARRY];
} lane_cursor;

/* A record that may hold the structure that is being read. */
typedef struct {
    uint32_t segment;
    uint32_t record;
    uint32_t hits;
    uint32_t from; /* characters of the run */
    uint32_t to;
    uint32_t bits;
} candidate;

#define CANDIDATES ((size_t)8)

typedef struct {
    uint64_t run; /* where it begins */
    size_t n;
    candidate items[CANDIDATES];
} structure_state;

struct sl_echo_scratch {
    sl_echo_text text;
    uint64_t *tag;
    uint64_t *check;
    uint32_t *found;
};

struct sl_echo_scan {
    const sl_echo_index *index;
    sl_echo_scratch *scratch;
    sl_echo_cursor cursor;
    lane_cursor lane[SL_ECHO_LANES];
    chain chains[SL_ECHO_LANES][CHAINS];
    size_t chain_count[SL_ECHO_LANES];
    bool has_structures; /* a segment has: who has none pays nothing for them */
    sl_echo_structure_cursor structure_cursor;
    structure_state structure;
};

void sl_echo_matches_free(sl_echo_matches *matches)
{
    free(matches->items);
    *matches = (sl_echo_matches){ 0 };
}

static sl_res push_match(sl_echo_matches *all, const sl_echo_match *m)
{
    if (all->n == all->cap) {
        size_t cap = all->cap == 0 ? 16 : all->cap * 2;
        sl_echo_match *more = realloc(all->items, cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        all->items = more;
        all->cap = cap;
    }
    all->items[all->n++] = *m;
    return SL_DONE;
}

static sl_res add_match(sl_echo_matches *all, const chain *c)
{
    sl_echo_match m = c->match;
    m.bits = (uint32_t)c->bits;
    return push_match(all, &m);
}

/* ---- life ---------------------------------------------------------------------------------------- */

sl_res sl_echo_scratch_new(const sl_echo_kernel *kernel, sl_echo_scratch **ret_scratch)
{
    const size_t tokens = SL_ECHO_CARRY_MAX + SL_ECHO_TOKENS_MAX + 32;
    sl_echo_scratch *s = calloc(1, sizeof *s);
    SL_NEED(s != NULL, SL_E_MEMORY);
    sl_res r = sl_echo_text_init(&s->text, kernel != NULL ? kernel : sl_echo_kernel_best());
    s->tag = calloc(tokens, sizeof *s->tag);
    s->check = calloc(tokens, sizeof *s->check);
    s->found = calloc(tokens, sizeof *s->found);
    if (sl_ok(r) && (s->tag == NULL || s->check == NULL || s->found == NULL)) {
        r = sl_fail(SL_E_MEMORY);
    }
    if (!sl_ok(r)) {
        sl_echo_scratch_free(s);
        return r;
    }
    *ret_scratch = s;
    return SL_DONE;
}

void sl_echo_scratch_free(sl_echo_scratch *scratch)
{
    if (scratch != NULL) {
        sl_echo_text_free(&scratch->text);
        free(scratch->tag);
        free(scratch->check);
        free(scratch->found);
        free(scratch);
    }
}

sl_res sl_echo_scan_new(const sl_echo_index *index, sl_echo_scratch *scratch,
                        sl_echo_scan **ret_scan)
{
    sl_echo_scan *s = calloc(1, sizeof *s);
    SL_NEED(s != NULL, SL_E_MEMORY);
    s->index = index;
    s->scratch = scratch;
    for (size_t i = 0; i < index->count; i++) {
        s->has_structures =
            s->has_structures || index->segments[i].lane[SL_ECHO_STRUCTURES].fingerprints != 0;
    }
    *ret_scan = s;
    return SL_DONE;
}

void sl_echo_scan_free(sl_echo_scan *scan)
{
    free(scan);
}

/* ---- matches ------------------------------------------------------------------------------------- */

/* One lookup that succeeded. */
typedef struct {
    const uint64_t *hash; /* of the shingle's tokens */
    uint64_t token;       /* number of the first of them */
    uint64_t start;
    uint64_t end;
    uint32_t segment;
    uint32_t block;
    sl_echo_lane lane;
} hit;

static bool is_new_pair(chain *c, uint64_t before, uint64_t hash)
{
    uint32_t pair = (uint32_t)(sl_echo_mix(hash, before | 1) >> 32);
    for (uint32_t i = 0; i < c->pair_count; i++) {
        if (c->pairs[i] == pair) {
            return false;
        }
    }
    c->pairs[c->pair_count < PAIRS ? c->pair_count++ : (uint32_t)(hash % PAIRS)] = pair;
    return true;
}

static void weigh(const sl_echo_scan *scan, const hit *h, chain *c)
{
    const sl_echo_segment *segment = &scan->index->segments[h->segment];
    uint64_t number = scan->index->key.number;
    uint32_t k = segment->lane[h->lane].k;
    for (uint32_t i = 0; i < k; i++) {
        uint64_t before = h->lane == SL_ECHO_NUMBERS ? 0 : sl_echo_before(h->hash, i, number);
        if (!is_new_pair(c, before, h->hash[i])) {
            continue;
        }
        double bits = sl_echo_surprise(segment, h->lane, before, h->hash[i]);
        bool first = before == 0 && h->lane == SL_ECHO_WORDS;
        c->bits += first && bits > SL_ECHO_FIRST_BITS ? SL_ECHO_FIRST_BITS : bits;
    }
}

/* May the hit be of the same record at the same distance? */
static bool joins(const chain *c, const hit *h, uint32_t stride)
{
    const sl_echo_match *m = &c->match;
    if (m->segment != h->segment || m->lane != h->lane || h->block <= m->last_block ||
        h->token <= c->token || h->token - c->token > REACH) {
        return false;
    }
    int64_t text = (int64_t)(h->token - c->token);
    int64_t record = (int64_t)(h->block - m->last_block) * stride;
    int64_t off = record > text ? record - text : text - record;
    return 20 * off <= 40 * (int64_t)stride + 7 * text;
}

static bool expired(const sl_echo_scan *scan, const chain *c)
{
    const lane_cursor *lane = &scan->lane[c->match.lane];
    return lane->base > c->token && lane->base - c->token > REACH;
}

static void drop_chain(sl_echo_scan *scan, size_t l, size_t i)
{
    size_t n = --scan->chain_count[l];
    memmove(&scan->chains[l][i], &scan->chains[l][i + 1], (n - i) * sizeof(chain));
}

/* Gives out what nothing more can join. */
static sl_res close_chains(sl_echo_scan *scan, bool all, sl_echo_matches *matches)
{
    for (size_t l = 0; l < SL_ECHO_LANES; l++) {
        for (size_t i = 0; i < scan->chain_count[l];) {
            if (all || expired(scan, &scan->chains[l][i])) {
                SL_TRY(add_match(matches, &scan->chains[l][i]));
                drop_chain(scan, l, i);
            } else {
                i++;
            }
        }
    }
    return SL_DONE;
}

static chain *best_chain(sl_echo_scan *scan, const hit *h, uint32_t stride)
{
    chain *best = NULL;
    for (size_t i = 0; i < scan->chain_count[h->lane]; i++) {
        chain *c = &scan->chains[h->lane][i];
        if (joins(c, h, stride) && (best == NULL || c->match.hits > best->match.hits)) {
            best = c;
        }
    }
    return best;
}

/* Makes room by giving out the match that was hit longest ago. That is one that nothing can join any
 * more if there is such a one, so that it does not matter when those were given out. */
static sl_res make_room(sl_echo_scan *scan, sl_echo_lane l, sl_echo_matches *matches)
{
    size_t oldest = 0;
    if (scan->chain_count[l] < CHAINS) {
        return SL_DONE;
    }
    for (size_t i = 1; i < CHAINS; i++) {
        if (scan->chains[l][i].token < scan->chains[l][oldest].token) {
            oldest = i;
        }
    }
    SL_TRY(add_match(matches, &scan->chains[l][oldest]));
    drop_chain(scan, l, oldest);
    return SL_DONE;
}

static sl_res begin_chain(sl_echo_scan *scan, const hit *h, sl_echo_matches *matches, chain **ret)
{
    uint32_t record = 0;
    *ret = NULL;
    if (!sl_echo_record_of(&scan->index->segments[h->segment], h->lane, h->block, &record)) {
        return SL_DONE;
    }
    SL_TRY(make_room(scan, h->lane, matches));
    chain *c = &scan->chains[h->lane][scan->chain_count[h->lane]++];
    *c = (chain){ .match = { .start = h->start,
                             .segment = h->segment,
                             .record = record,
                             .first_block = h->block,
                             .lane = (uint8_t)h->lane } };
    *ret = c;
    return SL_DONE;
}

static sl_res take_hit(sl_echo_scan *scan, const hit *h, sl_echo_matches *matches)
{
    const sl_echo_segment *segment = &scan->index->segments[h->segment];
    chain *c = best_chain(scan, h, segment->lane[h->lane].stride);
    if (c == NULL) {
        SL_TRY(begin_chain(scan, h, matches, &c));
    }
    if (c == NULL) {
        return SL_DONE;
    }
    weigh(scan, h, c);
    c->token = h->token;
    c->match.last_block = h->block;
    c->match.end = h->end;
    c->match.hits++;
    return SL_DONE;
}

/* ---- lookups ------------------------------------------------------------------------------------- */

/* Where token `i` of the lane stands: one of those carried over, or one of this batch. */
static void span_of(const sl_echo_scan *scan, sl_echo_lane l, size_t i, uint64_t *ret_start,
                    uint64_t *ret_end)
{
    const lane_cursor *lane = &scan->lane[l];
    const sl_echo_text *text = &scan->scratch->text;
    if (i < lane->carry) {
        *ret_start = lane->start[i];
        *ret_end = lane->end[i];
    } else {
        sl_echo_text_span(text, text->tokens.at[l][i], ret_start, ret_end);
    }
}

static sl_res look_up(sl_echo_scan *scan, uint32_t segment, sl_echo_lane l, size_t shingles,
                      sl_echo_matches *matches)
{
    sl_echo_scratch *s = scan->scratch;
    const sl_echo_lane_index *lane = &scan->index->segments[segment].lane[l];
    if (lane->fingerprints == 0 || shingles == 0) {
        return SL_DONE;
    }
    uint32_t number = ((uint32_t)1 << lane->block_bits) - 1;
    size_t found =
        s->text.kernel->probe(lane->filter, lane->filter_words, s->tag, shingles, s->found);
    for (size_t f = 0; f < found; f++) {
        size_t i = s->found[f];
        uint32_t value = sl_echo_map_get(&lane->shape, lane->slots, s->tag[i]);
        if (((value ^ (uint32_t)(s->check[i] >> 32)) & ~number) != 0) {
            continue;
        }
        hit h = { .hash = s->text.tokens.hash[l] + i,
                  .token = scan->lane[l].base + i,
                  .segment = segment,
                  .block = value & number,
                  .lane = l };
        uint64_t between = 0;
        span_of(scan, l, i, &h.start, &between);
        span_of(scan, l, i + lane->k - 1, &between, &h.end);
        SL_TRY(take_hit(scan, &h, matches));
    }
    return SL_DONE;
}

/* Keeps the last k - 1 tokens, with their places, in front of what comes. */
static void carry_over(sl_echo_scan *scan, sl_echo_lane l, size_t n, size_t k)
{
    lane_cursor *lane = &scan->lane[l];
    size_t keep = n < k - 1 ? n : k - 1;
    uint64_t start[CARRY];
    uint64_t end[CARRY];
    for (size_t i = 0; i < keep; i++) {
        span_of(scan, l, n - keep + i, &start[i], &end[i]);
        lane->hash[i] = scan->scratch->text.tokens.hash[l][n - keep + i];
    }
    memcpy(lane->start, start, keep * sizeof start[0]);
    memcpy(lane->end, end, keep * sizeof end[0]);
    lane->base += n - keep;
    lane->carry = keep;
}

static sl_res scan_lane(sl_echo_scan *scan, sl_echo_lane l, sl_echo_matches *matches)
{
    sl_echo_scratch *s = scan->scratch;
    size_t k = l == SL_ECHO_WORDS ? SL_ECHO_K_WORDS : SL_ECHO_K_NUMBERS;
    size_t n = s->text.tokens.n[l];
    size_t shingles = n >= k ? n - k + 1 : 0;
    s->text.kernel->shingles(&scan->index->key, s->text.tokens.hash[l], shingles, k, s->tag,
                             s->check);
    for (uint32_t g = 0; g < scan->index->count; g++) {
        SL_TRY(look_up(scan, g, l, shingles, matches));
    }
    if (n > scan->lane[l].carry) {
        carry_over(scan, l, n, k);
    }
    return SL_DONE;
}

/* ---- structures ---------------------------------------------------------------------------------- */

/* The candidate for this record; of too many, the one with the fewest hits makes room. */
static candidate *candidate_for(structure_state *s, uint32_t segment, uint32_t record, uint32_t at)
{
    candidate *least = &s->items[0];
    for (size_t i = 0; i < s->n; i++) {
        candidate *c = &s->items[i];
        if (c->segment == segment && c->record == record) {
            return c;
        }
        least = c->hits < least->hits ? c : least;
    }
    candidate *c = s->n < CANDIDATES ? &s->items[s->n++] : least;
    *c = (candidate){ .segment = segment, .record = record, .from = at, .to = at };
    return c;
}

static void weigh_structure(candidate *c, const sl_echo_structure *s)
{
    uint32_t end = s->at + s->n;
    uint32_t more = end > c->to ? end - (s->at > c->to ? s->at : c->to) : 0;
    switch (s->kind) {
    case SL_ECHO_PART:
        c->bits += sl_echo_structure_bits(more, s->inchi);
        break;
    case SL_ECHO_WHOLE:
        c->bits = sl_echo_structure_bits(s->n, s->inchi);
        break;
    case SL_ECHO_SKELETON:
    case SL_ECHO_INCHIKEY:
        c->bits = SL_ECHO_KEY_BITS;
        break;
    }
    c->from = s->at < c->from ? s->at : c->from;
    c->to = end > c->to ? end : c->to;
    c->hits++;
}

/* What is found in one run: a match for each record that may hold it. */
static sl_res add_structures(const sl_echo_scan *scan, sl_echo_matches *matches)
{
    const structure_state *s = &scan->structure;
    for (size_t i = 0; i < s->n; i++) {
        const candidate *c = &s->items[i];
        sl_echo_match m = { .start = s->run + c->from,
                            .end = s->run + c->to,
                            .segment = c->segment,
                            .record = c->record,
                            .first_block = c->record,
                            .last_block = c->record,
                            .hits = c->hits,
                            .bits = c->bits,
                            .lane = SL_ECHO_STRUCTURES };
        SL_TRY(push_match(matches, &m));
    }
    return SL_DONE;
}

typedef struct {
    sl_echo_scan *scan;
    sl_echo_matches *matches;
} structure_taker;

static void look_up_structure(sl_echo_scan *scan, uint32_t segment, const sl_echo_structure *s)
{
    const sl_echo_lane_index *lane = &scan->index->segments[segment].lane[SL_ECHO_STRUCTURES];
    uint32_t number = ((uint32_t)1 << (lane->block_bits & 31)) - 1;
    uint64_t bits = sl_echo_filter_bits(s->tag);
    if (lane->fingerprints == 0 ||
        (sl_get_le64(lane->filter + 8 * (size_t)sl_echo_filter_at(s->tag, lane->filter_words)) &
         bits) != bits) {
        return;
    }
    uint32_t value = sl_echo_map_get(&lane->shape, lane->slots, s->tag);
    uint32_t record = value & number;
    if (((value ^ (uint32_t)(s->check >> 32)) & ~number) == 0 &&
        record < scan->index->segments[segment].records) {
        weigh_structure(candidate_for(&scan->structure, segment, record, s->at), s);
    }
}

static sl_res take_structure(void *context, const sl_echo_structure *s)
{
    structure_taker *t = context;
    if (t->scan->structure.n != 0 && t->scan->structure.run != s->run) {
        SL_TRY(add_structures(t->scan, t->matches));
        t->scan->structure.n = 0;
    }
    t->scan->structure.run = s->run;
    for (uint32_t g = 0; g < t->scan->index->count; g++) {
        look_up_structure(t->scan, g, s);
    }
    return SL_DONE;
}

static sl_res take_structures(sl_echo_scan *scan, sl_view piece, bool last,
                              sl_echo_matches *matches)
{
    structure_taker taker = { scan, matches };
    if (!scan->has_structures) {
        return SL_DONE;
    }
    SL_TRY(sl_echo_structures_take(&scan->structure_cursor, &scan->index->key, piece, last,
                                   take_structure, &taker));
    if (sl_echo_structure_open(&scan->structure_cursor) != scan->structure.run) {
        SL_TRY(add_structures(scan, matches));
        scan->structure.n = 0;
    }
    return SL_DONE;
}

static sl_res take_piece(sl_echo_scan *scan, sl_view piece, bool last, sl_echo_matches *matches)
{
    SL_TRY(take_structures(scan, piece, last, matches));
    sl_echo_tokens *tokens = &scan->scratch->text.tokens;
    for (size_t l = 0; l < SL_ECHO_LANES; l++) {
        memcpy(tokens->hash[l], scan->lane[l].hash, scan->lane[l].carry * sizeof(uint64_t));
        tokens->n[l] = scan->lane[l].carry;
    }
    SL_TRY(sl_echo_text_take(&scan->scratch->text, &scan->cursor, &scan->index->key, piece, last));
    SL_TRY(scan_lane(scan, SL_ECHO_WORDS, matches));
    return scan_lane(scan, SL_ECHO_NUMBERS, matches);
}

sl_res sl_echo_scan_feed(sl_echo_scan *scan, sl_view piece, sl_echo_matches *matches)
{
    for (size_t at = 0; at < piece.n; at += SL_ECHO_BATCH) {
        SL_TRY(take_piece(scan, sl_view_sub(piece, at, at + SL_ECHO_BATCH), false, matches));
        SL_TRY(close_chains(scan, false, matches));
    }
    return SL_DONE;
}

sl_res sl_echo_scan_finish(sl_echo_scan *scan, sl_echo_matches *matches)
{
    SL_TRY(take_piece(scan, (sl_view){ 0 }, true, matches));
    SL_TRY(close_chains(scan, true, matches));
    scan->cursor = (sl_echo_cursor){ 0 };
    memset(scan->lane, 0, sizeof scan->lane);
    return SL_DONE;
}

sl_res sl_echo_scan_open(const sl_echo_scan *scan, sl_echo_matches *matches)
{
    for (size_t l = 0; l < SL_ECHO_LANES; l++) {
        for (size_t i = 0; i < scan->chain_count[l]; i++) {
            SL_TRY(add_match(matches, &scan->chains[l][i]));
        }
    }
    return add_structures(scan, matches);
}
