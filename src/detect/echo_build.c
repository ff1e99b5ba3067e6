/* Building an echo index (echo.h) in two passes over the same texts. The first counts shingles and
 * words; between them the strides are chosen so that the index stays within its share of the text;
 * the second keeps, of every stretch of `stride` shingles, the first that is not common. It must not
 * keep a word: only counts, keyed hashes and places. */
#include <math.h>

#include "base/secret.h"
#include "detect/echo_index.h"
#include "detect/echo_structure.h"
#include "detect/echo_text.h"

/* A shingle that occurs more often says nothing about a record. */
#define COMMON_ABOVE 4
#define PERMILLE 125U
#define FILTER_BITS 12U
/* Map (36 bits) and filter together. */
#define BYTES_EACH 6.1
/* What the words may take of the budget; the numbers get the rest. */
#define WORDS_SHARE 0.78
#define COUNTS_LOG2_MAX 28U
/* The filter of common shingles may take so much of the text. */
#define COMMON_PERMILLE 12U
/* A shingle that says less than this is nobody's: rather the next one of its stretch. */
#define LEAST_WORD_BITS 12.0
#define LEAST_NUMBER_BITS 16.0
/* So little is not worth saving: small collections are indexed as densely as can be. */
#define SMALL_BYTES 262144.0
#define SMALL_COMMON 16384U

typedef struct {
    uint32_t k;
    uint32_t stride;
    uint32_t block_bits;
    size_t carry;         /* hashes that wait in front of the next tokens */
    uint64_t base;        /* number in the document of the first of them */
    uint64_t done;        /* blocks of this document before this one need nothing more */
    uint64_t first_block; /* of the document */
    uint64_t tokens;
    uint64_t shingles;
    uint8_t *counts;
    uint64_t counts_mask;
    uint8_t known_above; /* shingles that occur more often go into the filter of common ones */
    uint32_t common_words;
    uint8_t *common;
    sl_echo_entry *entries;
    size_t n;
    size_t cap;
} lane_state;

typedef enum { COUNTING, ADDING, FINISHED } phase;

/* What a run of structure characters gave so far: it is known at its end what it is. */
typedef struct {
    sl_echo_structure *items;
    size_t n;
    size_t cap;
    uint64_t record;
} run_state;

struct sl_echo_builder {
    sl_echo_key key;
    sl_echo_text text;
    sl_echo_cursor cursor;
    sl_echo_structure_cursor structure_cursor;
    run_state run;
    phase phase;
    bool open; /* a document is open */
    bool background;
    uint32_t permille;
    lane_state lane[SL_ECHO_VIEWS];
    uint64_t *tag;
    uint64_t *check;
    uint32_t *sketch;
    uint32_t sketch_log2;
    uint8_t *logs;            /* the sketch as it goes into the file */
    sl_echo_segment sketched; /* that and the numbers of tokens, for asking */
    uint64_t source_bytes;
    uint64_t documents;
    uint64_t counted; /* records of the first pass */
    uint64_t records;
    sl_echo_record before; /* the record added last */
    sl_buf anchors;
    sl_buf blob;
    sl_buf sources;
    sl_buf names;
};

/* ---- life ---------------------------------------------------------------------------------------- */

static uint32_t log2_of(uint64_t n, uint32_t least, uint32_t most)
{
    uint32_t bits = n < 2 ? 0 : 63 - (uint32_t)__builtin_clzll(n);
    bits = bits < least ? least : bits;
    return bits > most ? most : bits;
}

static sl_res builder_alloc(sl_echo_builder *b, uint64_t bytes)
{
    const size_t tokens = SL_ECHO_CARRY_MAX + SL_ECHO_TOKENS_MAX + 32;
    SL_TRY(sl_echo_text_init(&b->text, sl_echo_kernel_best()));
    b->tag = calloc(tokens, sizeof *b->tag);
    b->check = calloc(tokens, sizeof *b->check);
    b->sketch_log2 = log2_of(bytes / 8, 12, 18);
    uint32_t large = log2_of(bytes / 100, 12, 24);
    b->sketch_log2 = large > b->sketch_log2 ? large : b->sketch_log2;
    b->sketch = calloc((size_t)1 << b->sketch_log2, sizeof *b->sketch);
    bool ok = b->tag != NULL && b->check != NULL && b->sketch != NULL;
    for (uint32_t l = 0; l < SL_ECHO_LANES; l++) {
        uint32_t bits = log2_of(bytes / 2, 16, COUNTS_LOG2_MAX) - 2 * l;
        b->lane[l].counts = calloc((size_t)1 << bits, 1);
        b->lane[l].counts_mask = ((uint64_t)1 << bits) - 1;
        b->lane[l].k = l == SL_ECHO_WORDS ? SL_ECHO_K_WORDS : SL_ECHO_K_NUMBERS;
        ok = ok && b->lane[l].counts != NULL;
    }
    lane_state *structures = &b->lane[SL_ECHO_STRUCTURES];
    size_t cells = (size_t)1 << log2_of(bytes / 4, 14, 26);
    structures->counts = calloc(cells, 1);
    structures->counts_mask = cells - 1;
    structures->k = SL_ECHO_K_STRUCTURES;
    structures->stride = SL_ECHO_STRUCTURE_STRIDE;
    ok = ok && structures->counts != NULL;
    return ok ? SL_DONE : sl_fail(SL_E_MEMORY);
}

sl_res sl_echo_builder_new(const uint8_t match_key[32], const sl_echo_build_options *options,
                           sl_echo_builder **ret_builder)
{
    sl_echo_builder *b = calloc(1, sizeof *b);
    SL_NEED(b != NULL, SL_E_MEMORY);
    sl_echo_key_init(&b->key, match_key);
    b->permille = options->permille == 0 ? PERMILLE : options->permille;
    b->anchors.max = b->blob.max = b->sources.max = b->names.max = (size_t)UINT32_MAX;
    sl_res r = builder_alloc(b, options->bytes);
    if (!sl_ok(r)) {
        sl_echo_builder_free(b);
        return r;
    }
    *ret_builder = b;
    return SL_DONE;
}

void sl_echo_builder_free(sl_echo_builder *b)
{
    if (b == NULL) {
        return;
    }
    free(b->run.items);
    for (size_t l = 0; l < SL_ECHO_VIEWS; l++) {
        free(b->lane[l].counts);
        free(b->lane[l].entries);
        free(b->lane[l].common);
    }
    sl_echo_text_free(&b->text);
    free(b->tag);
    free(b->check);
    free(b->sketch);
    free(b->logs);
    sl_buf_free(&b->anchors);
    sl_buf_free(&b->blob);
    sl_buf_free(&b->sources);
    sl_buf_free(&b->names);
    sl_echo_key_wipe(&b->key);
    free(b);
}

/* ---- tokens of a batch --------------------------------------------------------------------------- */

static void count_word(sl_echo_builder *b, uint64_t before, uint64_t hash, sl_echo_counted what)
{
    uint64_t cell = sl_echo_cell(before, hash, what);
    uint64_t mask = ((uint64_t)1 << b->sketch_log2) - 1;
    uint32_t *one = &b->sketch[cell & mask];
    uint32_t *two = &b->sketch[cell >> 32 & mask];
    uint32_t least = *one < *two ? *one : *two;
    if (least < UINT32_MAX) {
        *one = *one <= least ? least + 1 : *one;
        *two = *two <= least ? least + 1 : *two;
    }
}

static void count_words(sl_echo_builder *b, sl_echo_lane l)
{
    const uint64_t *hash = b->text.tokens.hash[l];
    for (size_t i = b->lane[l].carry; i < b->text.tokens.n[l]; i++) {
        if (l == SL_ECHO_NUMBERS) {
            count_word(b, 0, hash[i], SL_ECHO_NUMBER);
            continue;
        }
        count_word(b, 0, hash[i], SL_ECHO_ONE);
        uint64_t before = sl_echo_before(hash, i, b->key.number);
        if (before != 0) {
            count_word(b, before, hash[i], SL_ECHO_PAIR);
        }
    }
}

static void count_shingles(sl_echo_builder *b, lane_state *lane, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t *c = &lane->counts[b->check[i] & lane->counts_mask];
        *c = b->background ? 255 : (uint8_t)(*c + (*c < 255));
    }
    lane->shingles += b->background ? 0 : n;
}

static sl_res add_entry(lane_state *lane, uint64_t tag, uint64_t check, uint64_t block)
{
    uint32_t number = ((uint32_t)1 << lane->block_bits) - 1;
    SL_NEED(block <= number && lane->n < SL_ECHO_ENTRIES_MAX, SL_E_LIMIT);
    if (lane->n == lane->cap) {
        size_t cap = lane->cap == 0 ? 1024 : lane->cap + lane->cap / 2;
        sl_echo_entry *more = realloc(lane->entries, cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        lane->entries = more;
        lane->cap = cap;
    }
    lane->entries[lane->n++] =
        (sl_echo_entry){ .low = (uint32_t)tag,
                         .high = (uint32_t)(tag >> 32),
                         .value = ((uint32_t)(check >> 32) & ~number) | (uint32_t)block };
    return SL_DONE;
}

/* As sl_echo_surprise counts, from the counts of the first pass. */
static double bits_of(const sl_echo_builder *b, const lane_state *lane, sl_echo_lane l, size_t i)
{
    const uint64_t *hash = b->text.tokens.hash[l] + i;
    double bits = 0;
    for (size_t k = 0; k < lane->k; k++) {
        uint64_t before = l == SL_ECHO_NUMBERS ? 0 : sl_echo_before(hash, k, b->key.number);
        double one = sl_echo_surprise(&b->sketched, l, before, hash[k]);
        bits += before == 0 && l == SL_ECHO_WORDS && one > SL_ECHO_FIRST_BITS ? SL_ECHO_FIRST_BITS
                                                                              : one;
    }
    return bits;
}

static void add_common(lane_state *lane, uint64_t tag)
{
    uint8_t *word = lane->common + 8 * (size_t)sl_echo_filter_at(tag, lane->common_words);
    sl_put_le64(word, sl_get_le64(word) | sl_echo_filter_bits(tag));
}

static sl_res keep_shingles(sl_echo_builder *b, sl_echo_lane l, size_t n)
{
    lane_state *lane = &b->lane[l];
    double least = l == SL_ECHO_WORDS ? LEAST_WORD_BITS : LEAST_NUMBER_BITS;
    for (size_t i = 0; i < n; i++) {
        uint64_t block = (lane->base + i) / lane->stride;
        uint8_t count = lane->counts[b->check[i] & lane->counts_mask];
        if (count > COMMON_ABOVE) {
            if (count > lane->known_above && lane->common_words != 0) {
                add_common(lane, b->tag[i]);
            }
        } else if (block >= lane->done && bits_of(b, lane, l, i) >= least) {
            SL_TRY(add_entry(lane, b->tag[i], b->check[i], lane->first_block + block));
            lane->done = block + 1;
        }
    }
    return SL_DONE;
}

static sl_res take_lane(sl_echo_builder *b, sl_echo_lane l)
{
    lane_state *lane = &b->lane[l];
    uint64_t *hash = b->text.tokens.hash[l];
    size_t n = b->text.tokens.n[l];
    size_t shingles = n >= lane->k ? n - lane->k + 1 : 0;
    if (b->phase == COUNTING && !b->background) {
        count_words(b, l);
        lane->tokens += n - lane->carry;
    }
    b->text.kernel->shingles(&b->key, hash, shingles, lane->k, b->tag, b->check);
    if (b->phase == COUNTING) {
        count_shingles(b, lane, shingles);
    } else {
        SL_TRY(keep_shingles(b, l, shingles));
    }
    size_t keep = n < lane->k - 1 ? n : lane->k - 1;
    memmove(hash, hash + n - keep, keep * sizeof *hash);
    lane->base += n - keep;
    lane->carry = keep;
    return SL_DONE;
}

/* ---- structures ---------------------------------------------------------------------------------- */

/* The same compound in many rows is one compound; what many compounds share says nothing of one. */
static void count_run(sl_echo_builder *b)
{
    lane_state *lane = &b->lane[SL_ECHO_STRUCTURES];
    const run_state *run = &b->run;
    uint8_t *whole = &lane->counts[run->items[run->n - 1].check & lane->counts_mask];
    bool fresh = run->items[run->n - 1].kind == SL_ECHO_PART || *whole == 0;
    for (size_t i = 0; i < run->n; i++) {
        uint8_t *c = &lane->counts[run->items[i].check & lane->counts_mask];
        if (b->background) {
            *c = 255;
        } else if (fresh && *c < 254) {
            (*c)++;
        }
    }
}

static sl_res add_run(sl_echo_builder *b)
{
    lane_state *lane = &b->lane[SL_ECHO_STRUCTURES];
    uint32_t done = 0; /* parts before this one need nothing more */
    for (size_t i = 0; i < b->run.n; i++) {
        const sl_echo_structure *s = &b->run.items[i];
        uint8_t count = lane->counts[s->check & lane->counts_mask];
        bool part = s->kind == SL_ECHO_PART;
        uint32_t block = s->at / (s->inchi ? 2 * lane->stride : lane->stride);
        if (part ? count <= COMMON_ABOVE && block >= done : count < 255) {
            SL_TRY(add_entry(lane, s->tag, s->check, b->run.record));
            done = part ? block + 1 : done;
        }
    }
    return SL_DONE;
}

static sl_res close_run(sl_echo_builder *b)
{
    const run_state *run = &b->run;
    if (run->n == 0) {
        return SL_DONE;
    }
    lane_state *lane = &b->lane[SL_ECHO_STRUCTURES];
    const sl_echo_structure *end = &run->items[run->n - 1];
    sl_res r = SL_DONE;
    if (b->phase == ADDING) {
        r = add_run(b);
    } else {
        count_run(b);
        lane->tokens += b->background ? 0 : (uint64_t)end->at + end->n;
    }
    b->run.n = 0;
    return r;
}

static sl_res take_structure(void *context, const sl_echo_structure *s)
{
    sl_echo_builder *b = context;
    run_state *run = &b->run;
    if (run->n != 0 && run->items[0].run != s->run) {
        SL_TRY(close_run(b));
    }
    if (run->n == run->cap) {
        size_t cap = run->cap == 0 ? 256 : 2 * run->cap;
        sl_echo_structure *more = realloc(run->items, cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        run->items = more;
        run->cap = cap;
    }
    run->record = run->n == 0 && b->records != 0 ? b->records - 1 : run->record;
    run->items[run->n++] = *s;
    return SL_DONE;
}

static sl_res take_structures(sl_echo_builder *b, sl_view piece, bool last)
{
    SL_TRY(sl_echo_structures_take(&b->structure_cursor, &b->key, piece, last, take_structure, b));
    bool open =
        b->run.n != 0 && sl_echo_structure_open(&b->structure_cursor) == b->run.items[0].run;
    return open ? SL_DONE : close_run(b);
}

static sl_res take_piece(sl_echo_builder *b, sl_view piece, bool last)
{
    SL_TRY(take_structures(b, piece, last));
    for (size_t l = 0; l < SL_ECHO_LANES; l++) {
        b->text.tokens.n[l] = b->lane[l].carry;
    }
    SL_TRY(sl_echo_text_take(&b->text, &b->cursor, &b->key, piece, last));
    SL_TRY(take_lane(b, SL_ECHO_WORDS));
    return take_lane(b, SL_ECHO_NUMBERS);
}

static sl_res end_document(sl_echo_builder *b)
{
    if (!b->open) {
        return SL_DONE;
    }
    SL_TRY(take_piece(b, (sl_view){ 0 }, true));
    for (size_t l = 0; l < SL_ECHO_LANES; l++) {
        lane_state *lane = &b->lane[l];
        uint64_t tokens = lane->base + lane->carry;
        lane->first_block += b->phase == ADDING ? (tokens + lane->stride - 1) / lane->stride : 0;
        lane->base = lane->carry = lane->done = 0;
    }
    b->cursor = (sl_echo_cursor){ 0 };
    b->open = false;
    return SL_DONE;
}

static sl_res take_text(sl_echo_builder *b, sl_view text)
{
    b->open = true;
    for (size_t at = 0; at < text.n; at += SL_ECHO_BATCH) {
        SL_TRY(take_piece(b, sl_view_sub(text, at, at + SL_ECHO_BATCH), false));
    }
    return SL_DONE;
}

/* ---- first pass ---------------------------------------------------------------------------------- */

static sl_res count(sl_echo_builder *b, sl_view text, bool continues, bool background)
{
    SL_NEED(b->phase == COUNTING, SL_E_BUG);
    if (!continues || b->background != background) {
        SL_TRY(end_document(b));
        b->documents += !background;
    }
    b->background = background;
    return take_text(b, text);
}

sl_res sl_echo_builder_count(sl_echo_builder *b, sl_view text, bool continues)
{
    b->source_bytes += text.n;
    b->counted++;
    return count(b, text, continues, false);
}

sl_res sl_echo_builder_background(sl_echo_builder *b, sl_view text, bool continues)
{
    return count(b, text, continues, true);
}

/* The share of shingles that are not common, a little more than the blocks that will be kept. */
static double kept_share(const lane_state *lane)
{
    uint64_t rare = 0;
    for (uint64_t i = 0; i <= lane->counts_mask; i++) {
        rare += lane->counts[i] <= COMMON_ABOVE ? lane->counts[i] : 0;
    }
    double share = lane->shingles == 0 ? 0 : (double)rare / (double)lane->shingles;
    return fmin(1, 0.02 + 1.2 * share);
}

static double choose_stride(lane_state *lane, uint32_t least, uint32_t most, double budget)
{
    double all = (double)lane->shingles * kept_share(lane) * BYTES_EACH;
    lane->stride = least;
    while (lane->stride < most && all / lane->stride > budget) {
        lane->stride++;
    }
    return all / lane->stride;
}

/* Counts as eighths of log2, so that a byte holds any. */
static sl_res take_logs(sl_echo_builder *b)
{
    size_t cells = (size_t)1 << b->sketch_log2;
    b->logs = malloc(cells);
    SL_NEED(b->logs != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < cells; i++) {
        double count = b->sketch[i];
        b->logs[i] = count < 1 ? 0 : (uint8_t)(1 + lround(8 * log2(count)));
    }
    free(b->sketch);
    b->sketch = NULL;
    b->sketched.sketch = b->logs;
    b->sketched.sketch_log2 = b->sketch_log2;
    b->sketched.lane[SL_ECHO_WORDS].tokens = b->lane[SL_ECHO_WORDS].tokens;
    b->sketched.lane[SL_ECHO_NUMBERS].tokens = b->lane[SL_ECHO_NUMBERS].tokens;
    return SL_DONE;
}

/* What recurs in one of this many records is the manner of a place, not the story of a person. */
#define MANNER_RECORDS 256U
#define MANNER_LEAST 16U

/* Room for the shingles that speak for nothing, twelve bits each; of too many, only the commonest. */
static sl_res make_common(const sl_echo_builder *b, lane_state *lane)
{
    uint64_t least = MANNER_LEAST + b->counted / MANNER_RECORDS;
    least = least > 254 ? 254 : least;
    uint64_t above[256] = { 0 };
    for (uint64_t i = 0; i <= lane->counts_mask; i++) {
        above[lane->counts[i]]++;
    }
    uint64_t most = (SMALL_COMMON + b->source_bytes * COMMON_PERMILLE / 1000) * 8 / FILTER_BITS;
    uint64_t sum = 0;
    uint32_t from = 255;
    while (from > least && sum + above[from] <= most) {
        sum += above[from--];
    }
    lane->known_above = (uint8_t)from;
    lane->common_words = sum == 0 ? 0 : (uint32_t)(sum * FILTER_BITS / 64 + 1);
    lane->common = calloc(lane->common_words + 1, 8);
    return lane->common == NULL ? sl_fail(SL_E_MEMORY) : SL_DONE;
}

sl_res sl_echo_builder_settle(sl_echo_builder *b)
{
    SL_NEED(b->phase == COUNTING, SL_E_BUG);
    SL_TRY(end_document(b));
    double budget = SMALL_BYTES + (double)b->source_bytes * b->permille / 1000 -
                    (double)((size_t)1 << b->sketch_log2) - 6.0 * (double)b->counted;
    lane_state *words = &b->lane[SL_ECHO_WORDS];
    lane_state *numbers = &b->lane[SL_ECHO_NUMBERS];
    SL_TRY(take_logs(b));
    SL_TRY(make_common(b, words));
    SL_TRY(make_common(b, numbers));
    budget -= 8.0 * (words->common_words + numbers->common_words);
    double used = choose_stride(words, SL_ECHO_K_WORDS, 12, budget * WORDS_SHARE);
    (void)choose_stride(numbers, 2, 8, budget - used);
    for (size_t l = 0; l < SL_ECHO_LANES; l++) {
        lane_state *lane = &b->lane[l];
        uint64_t blocks = lane->tokens / lane->stride + b->documents + 1;
        SL_NEED(blocks < SL_ECHO_BLOCKS_MAX, SL_E_LIMIT);
        lane->block_bits = log2_of(blocks, 1, 27) + 1;
        lane->block_bits = lane->block_bits > 27 ? 27 : lane->block_bits;
    }
    uint32_t bits = log2_of(b->counted, 1, 27) + 1;
    b->lane[SL_ECHO_STRUCTURES].block_bits = bits > 27 ? 27 : bits;
    b->phase = ADDING;
    b->background = false;
    return SL_DONE;
}

/* ---- second pass --------------------------------------------------------------------------------- */

sl_res sl_echo_builder_source(sl_echo_builder *b, sl_view name)
{
    uint8_t entry[SL_ECHO_SOURCE_BYTES];
    SL_NEED(b->phase == ADDING, SL_E_BUG);
    SL_NEED(name.n <= SL_ECHO_NAME_BYTES_MAX, SL_E_LIMIT);
    sl_put_le32(entry, (uint32_t)b->records);
    sl_put_le32(entry + 4, (uint32_t)b->names.n);
    sl_put_le32(entry + 8, (uint32_t)name.n);
    SL_TRY(sl_buf_add(&b->sources, sl_view_of(entry, sizeof entry)));
    return sl_buf_add(&b->names, name);
}

sl_res sl_echo_builder_rename(sl_echo_builder *b, sl_view name)
{
    SL_NEED(b->phase == ADDING && b->sources.n != 0, SL_E_BUG);
    SL_NEED(name.n <= SL_ECHO_NAME_BYTES_MAX, SL_E_LIMIT);
    uint8_t *entry = b->sources.p + b->sources.n - SL_ECHO_SOURCE_BYTES;
    b->names.n = sl_get_le32(entry + 4);
    sl_put_le32(entry + 8, (uint32_t)name.n);
    return sl_buf_add(&b->names, name);
}

static sl_res add_varint(sl_buf *out, uint64_t value)
{
    while (value >= 0x80) {
        SL_TRY(sl_buf_add_byte(out, (uint8_t)(value | 0x80)));
        value >>= 7;
    }
    return sl_buf_add_byte(out, (uint8_t)value);
}

static sl_res add_anchor(sl_echo_builder *b, const sl_echo_record *r)
{
    uint8_t anchor[SL_ECHO_ANCHOR_BYTES] = { 0 };
    sl_put_le64(anchor, r->offset);
    sl_put_le32(anchor + 8, r->block[SL_ECHO_WORDS]);
    sl_put_le32(anchor + 12, r->block[SL_ECHO_NUMBERS]);
    sl_put_le32(anchor + 16, (uint32_t)b->blob.n);
    return sl_buf_add(&b->anchors, sl_view_of(anchor, sizeof anchor));
}

static sl_res add_record(sl_echo_builder *b, uint64_t offset, uint64_t length)
{
    sl_echo_record r = { .offset = offset, .length = length };
    for (size_t l = 0; l < SL_ECHO_LANES; l++) {
        const lane_state *lane = &b->lane[l];
        uint64_t tokens = b->open ? lane->base + lane->carry : 0;
        r.block[l] = (uint32_t)(lane->first_block + tokens / lane->stride);
    }
    SL_NEED(b->records < UINT32_MAX, SL_E_LIMIT);
    if (b->records % SL_ECHO_ANCHOR_EVERY == 0) {
        SL_TRY(add_anchor(b, &r));
        b->before = r;
        b->before.length = 0;
    }
    int64_t gap = (int64_t)(r.offset - (b->before.offset + b->before.length));
    SL_TRY(add_varint(&b->blob, r.block[SL_ECHO_WORDS] - b->before.block[SL_ECHO_WORDS]));
    SL_TRY(add_varint(&b->blob, r.block[SL_ECHO_NUMBERS] - b->before.block[SL_ECHO_NUMBERS]));
    SL_TRY(add_varint(&b->blob, gap < 0 ? (~(uint64_t)gap << 1) | 1 : (uint64_t)gap << 1));
    SL_TRY(add_varint(&b->blob, r.length));
    b->before = r;
    b->records++;
    return SL_DONE;
}

sl_res sl_echo_builder_add(sl_echo_builder *b, sl_view text, bool continues, uint64_t offset,
                           uint64_t length)
{
    SL_NEED(b->phase == ADDING && b->sources.n != 0, SL_E_BUG);
    SL_NEED(offset <= INT64_MAX / 4 && length <= INT64_MAX / 4, SL_E_RANGE);
    if (!continues) {
        SL_TRY(end_document(b));
    }
    SL_TRY(add_record(b, offset, length));
    return take_text(b, text);
}

/* ---- the file ------------------------------------------------------------------------------------ */

static sl_res pad(sl_buf *out)
{
    static const uint8_t ZEROS[8] = { 0 };
    return sl_buf_add(out, sl_view_of(ZEROS, (8 - out->n % 8) % 8));
}

static sl_res add_part(sl_buf *out, sl_view part)
{
    SL_TRY(sl_buf_add(out, part));
    return pad(out);
}

static sl_res add_filter(const lane_state *lane, uint32_t words, sl_buf *out)
{
    SL_TRY(sl_buf_reserve(out, 8 * (size_t)words));
    uint8_t *filter = out->p + out->n;
    memset(filter, 0, 8 * (size_t)words);
    for (size_t i = 0; i < lane->n; i++) {
        uint64_t tag = (uint64_t)lane->entries[i].high << 32 | lane->entries[i].low;
        uint8_t *word = filter + 8 * (size_t)sl_echo_filter_at(tag, words);
        sl_put_le64(word, sl_get_le64(word) | sl_echo_filter_bits(tag));
    }
    out->n += 8 * (size_t)words;
    return SL_DONE;
}

static sl_res add_lane(sl_echo_builder *b, sl_echo_lane l, sl_echo_lane_index *ret, sl_buf *out)
{
    lane_state *lane = &b->lane[l];
    lane->n = sl_echo_entries_sort(lane->entries, lane->n);
    *ret = (sl_echo_lane_index){ .k = lane->k,
                                 .stride = lane->stride,
                                 .tokens = lane->tokens,
                                 .blocks = lane->first_block,
                                 .fingerprints = lane->n,
                                 .block_bits = lane->block_bits,
                                 .common_words = lane->common_words };
    SL_TRY(sl_echo_map_build(lane->entries, lane->n, b->key.number, &ret->shape, out));
    SL_TRY(pad(out));
    if (lane->n != 0) {
        ret->filter_words = (uint32_t)(lane->n * FILTER_BITS / 64 + 1);
        SL_TRY(add_filter(lane, ret->filter_words, out));
    }
    free(lane->entries);
    lane->entries = NULL;
    return lane->common_words == 0
               ? SL_DONE
               : sl_buf_add(out, sl_view_of(lane->common, 8 * (size_t)lane->common_words));
}

static sl_res add_segment(sl_echo_builder *b, sl_buf *out)
{
    size_t from = out->n;
    sl_echo_segment s = { .source_bytes = b->source_bytes,
                          .records = b->records,
                          .blob_bytes = b->blob.n,
                          .sources = (uint32_t)(b->sources.n / SL_ECHO_SOURCE_BYTES),
                          .name_bytes = (uint32_t)b->names.n,
                          .sketch_log2 = b->sketch_log2 };
    uint8_t head[SL_ECHO_SEGMENT_HEAD_MAX] = { 0 };
    bool structures = b->lane[SL_ECHO_STRUCTURES].n != 0;
    s.lane[SL_ECHO_STRUCTURES].k = structures ? SL_ECHO_K_STRUCTURES : 0;
    size_t head_bytes = sl_echo_segment_head_bytes(&s);
    SL_TRY(sl_buf_add(out, sl_view_of(head, head_bytes)));
    SL_TRY(add_lane(b, SL_ECHO_WORDS, &s.lane[SL_ECHO_WORDS], out));
    SL_TRY(add_lane(b, SL_ECHO_NUMBERS, &s.lane[SL_ECHO_NUMBERS], out));
    if (structures) {
        b->lane[SL_ECHO_STRUCTURES].first_block = b->records;
        SL_TRY(add_lane(b, SL_ECHO_STRUCTURES, &s.lane[SL_ECHO_STRUCTURES], out));
    }
    SL_TRY(add_part(out, sl_buf_view(&b->anchors)));
    SL_TRY(add_part(out, sl_buf_view(&b->blob)));
    SL_TRY(add_part(out, sl_buf_view(&b->sources)));
    SL_TRY(add_part(out, sl_buf_view(&b->names)));
    SL_TRY(add_part(out, sl_view_of(b->logs, (size_t)1 << b->sketch_log2)));
    s.bytes = out->n - from;
    sl_echo_segment_head(&s, head);
    memcpy(out->p + from, head, head_bytes);
    return SL_DONE;
}

sl_res sl_echo_builder_finish(sl_echo_builder *b, sl_buf *out)
{
    size_t head_at = out->n;
    SL_NEED(b->phase == ADDING && head_at % 8 == 0, SL_E_BUG);
    SL_TRY(end_document(b));
    b->phase = FINISHED;
    for (size_t l = 0; l < SL_ECHO_VIEWS; l++) {
        free(b->lane[l].counts);
        b->lane[l].counts = NULL;
    }
    SL_TRY(sl_echo_file_begin(&b->key, out));
    SL_TRY(add_segment(b, out));
    return sl_echo_file_end(&b->key, head_at, 1, out);
}
