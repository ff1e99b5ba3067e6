/* Property tests: a claim is tried with many random inputs, and a counterexample is made small before
 * it is shown.
 *
 * A property is a function that draws its input with the sl_prop_* generators and returns whether the
 * claim held. It must depend on nothing but what it draws. Every draw is recorded as a number; to
 * shrink, the record is cut and its numbers are lowered, and the property runs again on the new
 * record, so that any combination of generators shrinks without code of its own. Simple input is
 * small numbers: generators give their simplest value for 0.
 *
 *     static bool reversing_twice_is_nothing(sl_prop *p) { ... }
 *     SL_PROP_HOLDS(reversing_twice_is_nothing, 1000);
 *
 * A failure names the seed: SL_PROP_SEED=0x... repeats it. SL_PROP_SEED=random takes a new seed each
 * time, SL_PROP_RUNS_FACTOR=10 runs ten times as many. Header only, for tests alone.
 */
#ifndef SL_TESTS_PROP_H
#define SL_TESTS_PROP_H

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"

/* Draws of one run; a run that draws more is not counted, like one that calls sl_prop_discard. */
#define SL_PROP_DRAWS_MAX ((size_t)20000)
/* Runs spent on making a counterexample smaller. */
#define SL_PROP_SHRINKS_MAX 20000
#define SL_PROP_SEED_DEFAULT UINT64_C(0x5709106)
#define SL_PROP_NOTE_BYTES 4096

typedef struct {
    uint64_t *draws; /* the record: drawn so far, or to be replayed */
    size_t drawn;
    size_t recorded; /* when replaying: how many there are; the rest are 0 */
    bool replaying;
    bool discarded;
    uint64_t random; /* splitmix64's state */
    size_t note_n;
    char note[SL_PROP_NOTE_BYTES];
} sl_prop;

typedef bool sl_prop_claim(sl_prop *p);

static inline uint64_t sl_prop_splitmix(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* A number from 0 to `max`, both included; small ones and the edges come more often. */
static inline uint64_t sl_prop_upto(sl_prop *p, uint64_t max)
{
    if (p->drawn == SL_PROP_DRAWS_MAX) {
        p->discarded = true;
        return 0;
    }
    uint64_t value = 0;
    if (p->replaying) {
        value = p->drawn < p->recorded ? p->draws[p->drawn] : 0;
        value = value > max ? max : value;
    } else {
        uint64_t how = sl_prop_splitmix(&p->random);
        uint64_t any = sl_prop_splitmix(&p->random);
        uint64_t range = how % 8 == 0 && max > 8 ? 8 : max;
        value = range == UINT64_MAX ? any : any % (range + 1);
        value = how % 16 == 1 ? max - (max > 0 && any % 2 == 0) : value;
    }
    p->draws[p->drawn++] = value;
    return value;
}

static inline int64_t sl_prop_between(sl_prop *p, int64_t low, int64_t high)
{
    return (int64_t)((uint64_t)low + sl_prop_upto(p, (uint64_t)high - (uint64_t)low));
}

static inline bool sl_prop_bool(sl_prop *p)
{
    return sl_prop_upto(p, 1) == 1;
}

/* True once in about `n` calls. */
static inline bool sl_prop_one_in(sl_prop *p, uint64_t n)
{
    return sl_prop_upto(p, n - 1) == n - 1;
}

/* Any bytes, up to `max`, into `out`; returns how many. Each is preceded by a draw "one more?", so
 * that cutting a piece out of the record cuts a piece out of the bytes. */
static inline size_t sl_prop_bytes(sl_prop *p, uint8_t *out, size_t max)
{
    size_t n = 0;
    while (n < max && sl_prop_upto(p, 15) != 0) {
        out[n++] = (uint8_t)sl_prop_upto(p, 255);
    }
    return n;
}

/* As above with bytes of `alphabet` only; its first is the simplest. */
static inline size_t sl_prop_text(sl_prop *p, const char *alphabet, uint8_t *out, size_t max)
{
    size_t n = 0;
    size_t letters = strlen(alphabet);
    assert(letters > 0);
    while (n < max && sl_prop_upto(p, 15) != 0) {
        out[n++] = (uint8_t)alphabet[sl_prop_upto(p, letters - 1)];
    }
    return n;
}

/* Well formed UTF-8 of all lengths, up to `max` bytes. */
static inline size_t sl_prop_utf8(sl_prop *p, uint8_t *out, size_t max)
{
    static const uint32_t starts[] = { 'a', 0x20, 0xA0, 0x800, 0x10000, 0 };
    static const uint32_t ends[] = { 'z', 0x7E, 0x7FF, 0xD7FF, 0x10FFFF, 0x1F };
    size_t n = 0;
    while (max - n >= 4 && sl_prop_upto(p, 15) != 0) {
        size_t range = (size_t)sl_prop_upto(p, SL_COUNT_OF(starts) - 1);
        uint32_t c = starts[range] + (uint32_t)sl_prop_upto(p, ends[range] - starts[range]);
        if (c < 0x80) {
            out[n++] = (uint8_t)c;
        } else if (c < 0x800) {
            out[n++] = (uint8_t)(0xC0 | (c >> 6));
            out[n++] = (uint8_t)(0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
            out[n++] = (uint8_t)(0xE0 | (c >> 12));
            out[n++] = (uint8_t)(0x80 | ((c >> 6) & 0x3F));
            out[n++] = (uint8_t)(0x80 | (c & 0x3F));
        } else {
            out[n++] = (uint8_t)(0xF0 | (c >> 18));
            out[n++] = (uint8_t)(0x80 | ((c >> 12) & 0x3F));
            out[n++] = (uint8_t)(0x80 | ((c >> 6) & 0x3F));
            out[n++] = (uint8_t)(0x80 | (c & 0x3F));
        }
    }
    return n;
}

/* This input is none of the claim's business: the run does not count. */
static inline bool sl_prop_discard(sl_prop *p)
{
    p->discarded = true;
    return true;
}

/* Says something about the input, shown for the smallest counterexample. */
__attribute__((format(printf, 2, 3))) static inline void sl_prop_note(sl_prop *p,
                                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(p->note + p->note_n, sizeof(p->note) - p->note_n, format, args);
    va_end(args);
    if (n > 0) {
        size_t room = sizeof(p->note) - 1 - p->note_n;
        p->note_n += (size_t)n < room ? (size_t)n : room;
    }
}

/* Bytes as a C string literal, for notes. */
static inline void sl_prop_note_bytes(sl_prop *p, const char *name, sl_view v)
{
    sl_prop_note(p, "%s = \"", name);
    for (size_t i = 0; i < v.n; i++) {
        bool plain = v.p[i] >= 0x20 && v.p[i] < 0x7F && v.p[i] != '"' && v.p[i] != '\\';
        sl_prop_note(p, plain ? "%c" : "\\x%02x", v.p[i]);
    }
    sl_prop_note(p, "\" (%zu bytes)\n", v.n);
}

/* Does the claim fail on this record? Then `best` is replaced by what was really drawn. */
static inline bool sl_prop_still_fails(sl_prop_claim *claim, const uint64_t *record, size_t n,
                                       sl_prop *best)
{
    sl_prop p = { .draws = calloc(SL_PROP_DRAWS_MAX, sizeof(uint64_t)),
                  .recorded = n,
                  .replaying = true };
    assert(p.draws != NULL);
    if (n > 0) {
        memcpy(p.draws, record, n * sizeof(*record));
    }
    bool fails = !claim(&p) && !p.discarded;
    bool simpler = p.drawn < best->drawn;
    if (p.drawn == best->drawn) {
        simpler = false;
        for (size_t i = 0; i < p.drawn && !simpler; i++) {
            if (p.draws[i] > best->draws[i]) {
                break;
            }
            simpler = p.draws[i] < best->draws[i];
        }
    }
    if (!fails || !simpler) {
        free(p.draws);
        return false;
    }
    free(best->draws);
    *best = p;
    return true;
}

/* Tries the record without each piece of `length` draws. */
static inline bool sl_prop_cut(sl_prop_claim *claim, sl_prop *best, size_t length, int *budget)
{
    bool better = false;
    uint64_t *record = calloc(SL_PROP_DRAWS_MAX, sizeof(uint64_t));
    assert(record != NULL);
    for (size_t at = 0; at + length <= best->drawn && *budget > 0; (*budget)--) {
        size_t rest = best->drawn - at - length;
        memcpy(record, best->draws, at * sizeof(*record));
        memcpy(record + at, best->draws + at + length, rest * sizeof(*record));
        if (sl_prop_still_fails(claim, record, at + rest, best)) {
            better = true;
        } else {
            at++;
        }
    }
    free(record);
    return better;
}

/* Lowers each draw as far as it goes, by halving the distance. */
static inline bool sl_prop_lower(sl_prop_claim *claim, sl_prop *best, int *budget)
{
    bool better = false;
    uint64_t *record = calloc(SL_PROP_DRAWS_MAX, sizeof(uint64_t));
    assert(record != NULL);
    for (size_t i = 0; i<best->drawn && * budget> 0; i++) {
        uint64_t low = 0;
        while (i < best->drawn && low < best->draws[i] && *budget > 0) {
            uint64_t before = best->draws[i];
            memcpy(record, best->draws, best->drawn * sizeof(*record));
            record[i] = low + (before - low) / 2;
            (*budget)--;
            if (sl_prop_still_fails(claim, record, best->drawn, best)) {
                better = true;
            } else {
                low = low + (before - low) / 2 + 1;
            }
        }
    }
    free(record);
    return better;
}

static inline void sl_prop_shrink(sl_prop_claim *claim, sl_prop *best)
{
    int budget = SL_PROP_SHRINKS_MAX;
    bool better = true;
    while (better && budget > 0) {
        better = false;
        for (size_t length = 32; length > 0; length /= 2) {
            better |= sl_prop_cut(claim, best, length, &budget);
        }
        better |= sl_prop_lower(claim, best, &budget);
    }
}

static inline uint64_t sl_prop_seed(void)
{
    const char *text = getenv("SL_PROP_SEED");
    if (text == NULL) {
        return SL_PROP_SEED_DEFAULT;
    }
    if (strcmp(text, "random") == 0) {
        struct timespec now = { 0 };
        (void)clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * 1000000007U + (uint64_t)now.tv_nsec;
    }
    return strtoull(text, NULL, 0);
}

/* Tries the claim `runs` times. True if it held; else `ret_smallest` is the smallest counterexample
 * found, whose draws the caller frees. Used by SL_PROP_HOLDS and by the tests of this file. */
static inline bool sl_prop_try(sl_prop_claim *claim, uint64_t seed, size_t runs,
                               sl_prop *ret_smallest)
{
    uint64_t random = seed;
    for (size_t run = 0; run < runs; run++) {
        sl_prop p = { .draws = calloc(SL_PROP_DRAWS_MAX, sizeof(uint64_t)),
                      .random = sl_prop_splitmix(&random) };
        assert(p.draws != NULL);
        if (!claim(&p) && !p.discarded) {
            /* Run once more from the record, for its note. */
            sl_prop best = { .draws = calloc(1, sizeof(uint64_t)), .drawn = SIZE_MAX };
            assert(best.draws != NULL);
            if (!sl_prop_still_fails(claim, p.draws, p.drawn, &best)) {
                (void)fprintf(stderr, "the property does not depend on its draws alone\n");
                abort();
            }
            free(p.draws);
            sl_prop_shrink(claim, &best);
            *ret_smallest = best;
            return false;
        }
        free(p.draws);
    }
    return true;
}

static inline bool sl_prop_holds(const char *name, sl_prop_claim *claim, size_t runs)
{
    const char *factor = getenv("SL_PROP_RUNS_FACTOR");
    uint64_t seed = sl_prop_seed();
    sl_prop smallest = { 0 };
    if (sl_prop_try(claim, seed, runs * (factor != NULL ? strtoul(factor, NULL, 10) : 1),
                    &smallest)) {
        return true;
    }
    (void)fprintf(stderr, "%s does not hold; repeat with SL_PROP_SEED=0x%" PRIx64 "\n", name, seed);
    (void)fprintf(stderr, "smallest counterexample:\n%sdraws:", smallest.note);
    for (size_t i = 0; i < smallest.drawn && i < 64; i++) {
        (void)fprintf(stderr, " %" PRIu64, smallest.draws[i]);
    }
    (void)fprintf(stderr, "\n");
    free(smallest.draws);
    return false;
}

/* Inside a cmocka test. */
#define SL_PROP_HOLDS(claim, runs) assert_true(sl_prop_holds(#claim, claim, runs))

#endif
