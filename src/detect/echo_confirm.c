/* Aligning a text with a record (echo_confirm.h): three-word seeds choose a diagonal, a banded local
 * alignment (Smith and Waterman 1981) follows it, and the path is weighed. */
#include "detect/echo_confirm.h"

#include <assert.h>
#include <math.h>

#include "detect/echo_index.h"
#include "detect/echo_structure.h"
#include "detect/echo_text.h"

#define SEED 3U
/* The alignment may leave the seeds' diagonal by so many tokens to either side. */
#define BAND 24
#define WIDTH ((size_t)(2 * BAND + 1))
#define DIAGONAL_STEP 8U
#define VOTES ((size_t)1 << 14)
/* Scores are eighths of a bit. A word that differs speaks against a rendering, a word that a template
 * gives away neither way; of a surprise some is kept back, because records resemble one another in
 * more than pairs of words. */
#define BIT 8.0
#define OTHER (-32)
#define GAP (-24)
#define ALONE 4
#define TEMPLATE_BITS 0.3
#define TRUST 0.9
/* One word may say a third of what a place in the collection says: words come in phrases that are learnt
 * from no small collection. In the smallest one, what any word of a language says at least: thirteen words that
 * agree are then a rendering. */
#define MOST_PART 3.0
#define MOST_LEAST 4.0
/* Of a number: the choice among places where it might have stood. */
#define NUMBER_COST 2.5

typedef struct {
    uint64_t *hash;
    uint64_t *value; /* of the symbol for numbers: what they were */
    uint32_t *start;
    uint32_t *end;
    size_t n;
    size_t cap;
} token_list;

/* Everything one comparison works with. */
typedef struct {
    const sl_echo_segment *segment;
    uint64_t number; /* the symbol for numbers */
    double most;     /* that one word may count for */
    sl_echo_lane lane;
    const token_list *text;
    const token_list *record;
    int64_t diagonal; /* record token minus text token at the band's middle */
    int32_t *gain;    /* of each token of the text behind the one before it */
    int32_t *extra;   /* of the numbers that a symbol stands for */
    int32_t *score;   /* two rows */
    uint8_t *from;    /* a step back for each cell */
    size_t best_i;    /* where the best alignment ends */
    size_t best_w;
    int32_t best;
} alignment;

enum { STOP, BOTH, TEXT_ONLY, RECORD_ONLY };

static void tokens_free(token_list *t)
{
    free(t->hash);
    free(t->value);
    free(t->start);
    free(t->end);
    *t = (token_list){ 0 };
}

/* Hashes behind the last one that may be read. */
#define SPARE ((size_t)16)

/* ---- tokens of a whole text ---------------------------------------------------------------------- */

static sl_res grow(token_list *t, size_t more)
{
    more += SPARE;
    if (t->n + more <= t->cap) {
        return SL_DONE;
    }
    size_t cap = (t->n + more) * 2;
    uint64_t *hash = realloc(t->hash, cap * sizeof *hash);
    t->hash = hash != NULL ? hash : t->hash;
    uint64_t *value = realloc(t->value, cap * sizeof *value);
    t->value = value != NULL ? value : t->value;
    uint32_t *start = realloc(t->start, cap * sizeof *start);
    t->start = start != NULL ? start : t->start;
    uint32_t *end = realloc(t->end, cap * sizeof *end);
    t->end = end != NULL ? end : t->end;
    SL_NEED(hash != NULL && value != NULL && start != NULL && end != NULL, SL_E_MEMORY);
    t->cap = cap;
    return SL_DONE;
}

static sl_res take_tokens(const sl_echo_text *text, sl_echo_lane l, token_list *out)
{
    SL_TRY(grow(out, text->tokens.n[l]));
    assert(out->hash != NULL && out->value != NULL);
    for (size_t i = 0; i < text->tokens.n[l]; i++) {
        uint64_t start = 0;
        uint64_t end = 0;
        sl_echo_text_span(text, text->tokens.at[l][i], &start, &end);
        out->hash[out->n] = text->tokens.hash[l][i];
        out->value[out->n] = 0;
        out->start[out->n] = (uint32_t)start;
        out->end[out->n++] = (uint32_t)end;
    }
    return SL_DONE;
}

/* Gives every symbol for numbers the numbers that it stands for: those up to the next word. */
static void set_values(const sl_echo_index *index, token_list lists[SL_ECHO_LANES])
{
    token_list *words = &lists[SL_ECHO_WORDS];
    const token_list *numbers = &lists[SL_ECHO_NUMBERS];
    size_t n = 0;
    for (size_t i = 0; i < words->n; i++) {
        uint32_t next = i + 1 < words->n ? words->start[i + 1] : UINT32_MAX;
        for (; n < numbers->n && numbers->start[n] < next; n++) {
            if (words->hash[i] == index->key.number) {
                words->value[i] = sl_echo_mix(numbers->hash[n], words->value[i] | 1);
            }
        }
    }
}

static sl_res tokens_of(const sl_echo_index *index, sl_view bytes, token_list lists[SL_ECHO_LANES])
{
    SL_OWN(sl_echo_text, text, sl_echo_text_free) = { 0 };
    sl_echo_cursor cursor = { 0 };
    SL_TRY(sl_echo_text_init(&text, sl_echo_kernel_best()));
    for (size_t at = 0;; at += SL_ECHO_BATCH) {
        bool last = at + SL_ECHO_BATCH >= bytes.n;
        memset(text.tokens.n, 0, sizeof text.tokens.n);
        SL_TRY(sl_echo_text_take(&text, &cursor, &index->key,
                                 sl_view_sub(bytes, at, at + SL_ECHO_BATCH), last));
        SL_TRY(take_tokens(&text, SL_ECHO_WORDS, &lists[SL_ECHO_WORDS]));
        SL_TRY(take_tokens(&text, SL_ECHO_NUMBERS, &lists[SL_ECHO_NUMBERS]));
        if (last) {
            set_values(index, lists);
            return SL_DONE;
        }
    }
}

/* ---- seeds --------------------------------------------------------------------------------------- */

static uint64_t seed_at(const token_list *t, size_t i)
{
    return t->hash[i] * 3 + sl_echo_mix(t->hash[i + 1], 1) * 5 + sl_echo_mix(t->hash[i + 2], 2) * 7;
}

/* Where in the text each seed stands: a table of twice as many places, the first occurrence wins. */
typedef struct {
    uint64_t *seed;
    uint32_t *at;
    size_t mask;
    uint32_t *votes;
} seeds;

static void seeds_free(seeds *s)
{
    free(s->seed);
    free(s->at);
    free(s->votes);
}

static sl_res seeds_of(const token_list *text, seeds *s)
{
    size_t places = 16;
    while (places < 2 * text->n) {
        places *= 2;
    }
    s->mask = places - 1;
    s->seed = calloc(places, sizeof *s->seed);
    s->at = calloc(places, sizeof *s->at);
    s->votes = calloc(VOTES, sizeof *s->votes);
    SL_NEED(s->seed != NULL && s->at != NULL && s->votes != NULL, SL_E_MEMORY);
    for (size_t i = 0; i + SEED <= text->n; i++) {
        uint64_t seed = seed_at(text, i) | 1;
        size_t place = (size_t)sl_echo_mix(seed, 3) & s->mask;
        while (s->seed[place] != 0 && s->seed[place] != seed) {
            place = (place + 1) & s->mask;
        }
        if (s->seed[place] == 0) {
            s->seed[place] = seed;
            s->at[place] = (uint32_t)i;
        }
    }
    return SL_DONE;
}

static bool find_seed(const seeds *s, uint64_t seed, uint32_t *ret_at)
{
    seed |= 1;
    for (size_t place = (size_t)sl_echo_mix(seed, 3) & s->mask; s->seed[place] != 0;
         place = (place + 1) & s->mask) {
        if (s->seed[place] == seed) {
            *ret_at = s->at[place];
            return true;
        }
    }
    return false;
}

/* The diagonal with most seeds, by votes for stretches of diagonals; a seed votes for two stretches, so
 * that no line between them divides a crowd. False: no seed is shared. */
static bool vote(const token_list *text, const token_list *record, const seeds *s,
                 int64_t *ret_diagonal)
{
    uint32_t most = 0;
    for (size_t j = 0; j + SEED <= record->n; j++) {
        uint32_t i = 0;
        if (!find_seed(s, seed_at(record, j), &i)) {
            continue;
        }
        uint64_t stretch = ((uint64_t)j + text->n - i) / DIAGONAL_STEP;
        uint32_t votes = ++s->votes[stretch % VOTES];
        s->votes[(stretch + 1) % VOTES]++;
        if (votes > most) {
            most = votes;
            *ret_diagonal = (int64_t)j - (int64_t)i;
        }
    }
    return most > 0;
}

/* ---- what a token is worth ------------------------------------------------------------------------ */

/* What was counted, so that each counts once. */
typedef struct {
    uint64_t *seen;
    size_t mask;
} counted;

static void counted_free(counted *c)
{
    free(c->seen);
}

static bool is_new(counted *c, uint64_t thing)
{
    thing |= 1;
    size_t place = (size_t)(thing >> 8) & c->mask;
    while (c->seen[place] != 0) {
        if (c->seen[place] == thing) {
            return false;
        }
        place = (place + 1) & c->mask;
    }
    c->seen[place] = thing;
    return true;
}

static int32_t number_gain(const sl_echo_segment *segment, uint64_t hash)
{
    double bits = sl_echo_surprise(segment, SL_ECHO_NUMBERS, 0, hash) - NUMBER_COST;
    return bits > 0 ? (int32_t)(bits * BIT) : 0;
}

/* Of the numbers between a word and the next; `*n` runs along. */
static int32_t numbers_gain(const alignment *a, const token_list *numbers, size_t i, size_t *n)
{
    const token_list *words = a->text;
    uint32_t next = i + 1 < words->n ? words->start[i + 1] : UINT32_MAX;
    int32_t sum = 0;
    for (; *n < numbers->n && numbers->start[*n] < next; (*n)++) {
        sum += words->value[i] != 0 ? number_gain(a->segment, numbers->hash[*n]) : 0;
    }
    return sum;
}

/* Which pairs of words stand in a run that many records hold: their surprise is none. */
static void find_common(const alignment *a, const sl_echo_key *key, bool *common)
{
    const sl_echo_lane_index *lane = &a->segment->lane[a->lane];
    size_t k = lane->k;
    size_t count = a->text->n >= k ? a->text->n - k + 1 : 0;
    uint64_t tag[64 + 8];
    uint64_t check[64 + 8];
    for (size_t at = 0; at < count; at += 64) {
        size_t n = count - at < 64 ? count - at : 64;
        sl_echo_kernel_best()->shingles(key, a->text->hash + at, n, k, tag, check);
        for (size_t i = 0; i < n; i++) {
            if (sl_echo_is_common(lane, tag[i])) {
                memset(common + at + i + 1, 1, k - 1);
            }
        }
    }
}

static void set_gains(alignment *a, const token_list *numbers, const bool *common, counted *c)
{
    size_t n = 0;
    for (size_t i = 0; i < a->text->n; i++) {
        uint64_t hash = a->text->hash[i];
        if (a->lane == SL_ECHO_NUMBERS) {
            bool counts = is_new(c, sl_echo_mix(hash, 9)) && !common[i];
            a->gain[i] = counts ? number_gain(a->segment, hash) : 0;
            continue;
        }
        uint64_t before = sl_echo_before(a->text->hash, i, a->number);
        double bits = is_new(c, sl_echo_mix(hash, before | 1)) && !common[i]
                          ? sl_echo_surprise(a->segment, a->lane, before, hash)
                          : 0;
        bits = bits < a->most ? bits : a->most;
        a->gain[i] = (int32_t)((bits * TRUST - TEMPLATE_BITS) * BIT);
        a->extra[i] = numbers_gain(a, numbers, i, &n);
    }
}

/* ---- alignment ----------------------------------------------------------------------------------- */

/* What it says that the text's token `i` and the record's token `j` stand in one place. */
static int32_t worth(const alignment *a, size_t i, size_t j)
{
    if (a->text->hash[i] != a->record->hash[j]) {
        return OTHER;
    }
    if (a->lane == SL_ECHO_NUMBERS) {
        return a->gain[i];
    }
    bool after_same = i > 0 && j > 0 && a->text->hash[i - 1] == a->record->hash[j - 1];
    int32_t pair = after_same || a->gain[i] < ALONE ? a->gain[i] : ALONE;
    return pair + (a->text->value[i] == a->record->value[j] ? a->extra[i] : 0);
}

static void step(alignment *a, size_t i, size_t w, const int32_t *before, int32_t *now)
{
    int64_t j = (int64_t)i + a->diagonal + (int64_t)w - BAND;
    uint8_t *from = &a->from[i * WIDTH + w];
    now[w] = 0;
    *from = STOP;
    if (j < 0 || j >= (int64_t)a->record->n) {
        return;
    }
    int32_t both = before[w] + worth(a, i, (size_t)j);
    int32_t text_only = w + 1 < WIDTH ? before[w + 1] + GAP : 0;
    int32_t record_only = w > 0 ? now[w - 1] + GAP : 0;
    int32_t best = both > text_only ? both : text_only;
    best = best > record_only ? best : record_only;
    if (best <= 0) {
        return;
    }
    now[w] = best;
    *from = best == both ? BOTH : (best == text_only ? TEXT_ONLY : RECORD_ONLY);
    if (best > a->best) {
        a->best = best;
        a->best_i = i;
        a->best_w = w;
    }
}

static void align(alignment *a)
{
    int32_t *rows[2] = { a->score, a->score + WIDTH };
    for (size_t i = 0; i < a->text->n; i++) {
        for (size_t w = 0; w < WIDTH; w++) {
            step(a, i, w, rows[(i + 1) % 2], rows[i % 2]);
        }
    }
}

static void add_change(const alignment *a, size_t i0, size_t i1, size_t j0, size_t j1,
                       sl_echo_verdict *v)
{
    if (v->change_count == SL_ECHO_CHANGES_MAX || a->lane != SL_ECHO_WORDS) {
        return;
    }
    const token_list *t = a->text;
    const token_list *r = a->record;
    sl_echo_change c = { .text_start = i0 < t->n ? t->start[i0] : t->end[t->n - 1],
                         .record_start = j0 < r->n ? r->start[j0] : r->end[r->n - 1] };
    c.text_end = i1 > i0 ? t->end[i1 - 1] : c.text_start;
    c.record_end = j1 > j0 ? r->end[j1 - 1] : c.record_start;
    v->changes[v->change_count++] = c;
}

/* Both ends of the alignment in tokens. */
typedef struct {
    size_t i0, i1, j0, j1; /* half open */
    uint32_t same;
    uint32_t changed;
} path;

/* Walks the path back from its end. Changes come out last first. */
static path walk(const alignment *a, sl_echo_verdict *v)
{
    int64_t i = (int64_t)a->best_i;
    int64_t w = (int64_t)a->best_w;
    int64_t j = i + a->diagonal + w - BAND;
    path p = { .i1 = (size_t)i + 1, .j1 = (size_t)j + 1 };
    size_t open_i = p.i1;
    size_t open_j = p.j1;
    while (i >= 0 && j >= 0) {
        uint8_t from = a->from[(size_t)i * WIDTH + (size_t)w];
        if (from == STOP) {
            break;
        }
        bool same = from == BOTH && a->text->hash[i] == a->record->hash[j];
        if (same) {
            if (open_i > (size_t)i + 1 || open_j > (size_t)j + 1) {
                add_change(a, (size_t)i + 1, open_i, (size_t)j + 1, open_j, v);
            }
            p.same++;
            p.i0 = open_i = (size_t)i;
            p.j0 = open_j = (size_t)j;
        } else {
            p.changed++;
        }
        i -= from != RECORD_ONLY;
        j -= from != TEXT_ONLY;
        w += from == TEXT_ONLY ? 1 : (from == RECORD_ONLY ? -1 : 0);
    }
    return p;
}

static void alignment_free(alignment *a)
{
    free(a->gain);
    free(a->extra);
    free(a->score);
    free(a->from);
}

static sl_res prepare(alignment *a, const sl_echo_key *key, const token_list *numbers)
{
    SL_OWN(counted, c, counted_free) = { .mask = 15 };
    while (c.mask < 2 * a->text->n) {
        c.mask = 2 * c.mask + 1;
    }
    c.seen = calloc(c.mask + 1, sizeof *c.seen);
    a->gain = calloc(a->text->n, sizeof *a->gain);
    a->extra = calloc(a->text->n, sizeof *a->extra);
    a->score = calloc(2 * WIDTH, sizeof *a->score);
    a->from = calloc(a->text->n * WIDTH, 1);
    SL_NEED(c.seen != NULL && a->gain != NULL && a->extra != NULL && a->score != NULL &&
                a->from != NULL,
            SL_E_MEMORY);
    bool *common = calloc(a->text->n + SPARE, sizeof *common);
    SL_NEED(common != NULL, SL_E_MEMORY);
    find_common(a, key, common);
    set_gains(a, numbers, common, &c);
    free(common);
    return SL_DONE;
}

static double most_of_a_word(const sl_echo_segment *segment)
{
    return fmax(MOST_LEAST, log2((double)segment->lane[SL_ECHO_WORDS].tokens + 2) / MOST_PART);
}

/* What one view says; `*ret` has no tokens the same where nothing is shared. */
static sl_res compare(const sl_echo_index *index, uint32_t segment, sl_echo_lane lane,
                      const token_list text[SL_ECHO_LANES], const token_list record[SL_ECHO_LANES],
                      path *ret, double *ret_bits, sl_echo_verdict *v)
{
    SL_OWN(seeds, s, seeds_free) = { 0 };
    SL_OWN(alignment, a, alignment_free) = {
        .segment = &index->segments[segment],
        .number = index->key.number,
        .most = most_of_a_word(&index->segments[segment]),
        .lane = lane,
        .text = &text[lane],
        .record = &record[lane],
    };
    *ret = (path){ 0 };
    *ret_bits = 0;
    if (a.text->n < SEED || a.record->n < SEED) {
        return SL_DONE;
    }
    SL_TRY(seeds_of(a.text, &s));
    if (!vote(a.text, a.record, &s, &a.diagonal)) {
        return SL_DONE;
    }
    SL_TRY(prepare(&a, &index->key, &text[SL_ECHO_NUMBERS]));
    align(&a);
    if (a.best > 0) {
        *ret = walk(&a, v);
        *ret_bits = a.best / BIT;
    }
    return SL_DONE;
}

static void take_span(const token_list *text, const token_list *record, const path *p,
                      sl_echo_verdict *v)
{
    if (p->same != 0) {
        v->text_start = text->start[p->i0];
        v->text_end = text->end[p->i1 - 1];
        v->record_start = record->start[p->j0];
        v->record_end = record->end[p->j1 - 1];
    }
}

static void in_order(sl_echo_verdict *v)
{
    for (size_t i = 0; i < v->change_count / 2; i++) {
        sl_echo_change c = v->changes[i];
        v->changes[i] = v->changes[v->change_count - 1 - i];
        v->changes[v->change_count - 1 - i] = c;
    }
}

static sl_res judge(const sl_echo_index *index, uint32_t segment,
                    const token_list text[SL_ECHO_LANES], const token_list record[SL_ECHO_LANES],
                    sl_echo_verdict *v)
{
    path words;
    path numbers;
    double word_bits = 0;
    double number_bits = 0;
    SL_TRY(compare(index, segment, SL_ECHO_WORDS, text, record, &words, &word_bits, v));
    SL_TRY(compare(index, segment, SL_ECHO_NUMBERS, text, record, &numbers, &number_bits, v));
    bool by_words = word_bits >= number_bits;
    sl_echo_lane lane = by_words ? SL_ECHO_WORDS : SL_ECHO_NUMBERS;
    take_span(&text[lane], &record[lane], by_words ? &words : &numbers, v);
    v->change_count = by_words ? v->change_count : 0;
    v->bits = (uint32_t)(by_words ? word_bits : number_bits);
    v->words_same = words.same;
    v->words_changed = words.changed;
    v->numbers_same = numbers.same;
    double tokens = (double)index->segments[segment].lane[SL_ECHO_WORDS].tokens;
    v->bits_needed = SL_ECHO_CONFIRM_BITS + (uint32_t)log2(tokens + 1);
    v->bits_needed =
        v->bits_needed < SL_ECHO_CONFIRM_LEAST ? SL_ECHO_CONFIRM_LEAST : v->bits_needed;
    v->confirmed = v->bits >= v->bits_needed;
    in_order(v);
    return SL_DONE;
}

/* A structure both texts hold says more than the words around it, or nothing. */
static sl_res judge_structures(const sl_echo_index *index, uint32_t segment, sl_view record,
                               sl_view text, sl_echo_verdict *v)
{
    const sl_echo_lane_index *lane = &index->segments[segment].lane[SL_ECHO_STRUCTURES];
    sl_echo_structure_match m;
    if (lane->fingerprints == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_echo_structures_compare(&index->key, text, record, &m));
    uint32_t needed = SL_ECHO_CONFIRM_BITS + (uint32_t)log2((double)lane->tokens + 1);
    needed = needed < SL_ECHO_CONFIRM_LEAST ? SL_ECHO_CONFIRM_LEAST : needed;
    if (m.bits >= needed && !v->confirmed) {
        *v = (sl_echo_verdict){ .confirmed = true,
                                .bits = m.bits,
                                .bits_needed = needed,
                                .characters_same = m.characters,
                                .text_start = m.text_start,
                                .text_end = m.text_end,
                                .record_start = m.record_start,
                                .record_end = m.record_end };
    }
    return SL_DONE;
}

sl_res sl_echo_confirm(const sl_echo_index *index, uint32_t segment, sl_view record, sl_view text,
                       sl_echo_verdict *ret)
{
    token_list t[SL_ECHO_LANES] = { 0 };
    token_list r[SL_ECHO_LANES] = { 0 };
    SL_NEED(segment < index->count, SL_E_RANGE);
    SL_NEED(text.n <= SL_ECHO_CONFIRM_TEXT_BYTES && record.n <= SL_ECHO_CONFIRM_RECORD_BYTES,
            SL_E_LIMIT);
    *ret = (sl_echo_verdict){ 0 };
    sl_res done = tokens_of(index, text, t);
    if (sl_ok(done)) {
        done = tokens_of(index, record, r);
    }
    if (sl_ok(done)) {
        done = judge(index, segment, t, r, ret);
    }
    if (sl_ok(done)) {
        done = judge_structures(index, segment, record, text, ret);
    }
    for (size_t l = 0; l < SL_ECHO_LANES; l++) {
        tokens_free(&t[l]);
        tokens_free(&r[l]);
    }
    return done;
}
