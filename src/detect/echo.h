/* Echo: protected records that come back, word for word or changed, recognised without keeping them.
 *
 * An index holds keyed hashes of shingles (runs of k tokens), one for each stretch of s tokens, in a
 * static function that gives the place of a shingle but cannot be listed. Three views: words, with every
 * number as one symbol (so that changed numbers still match, and no number is in the index), the
 * numbers alone (so that a table matches although its labels were changed), and the characters of chemical
 * structures (echo_structure.h). A text is asked about at
 * every token; what is found on one diagonal is one match, weighed by how surprising its words are in
 * the indexed text. A match is a suspicion until the record itself was compared (echo_confirm.h).
 *
 * An index says nothing without its match key. With the key it is as sensitive as a pseudonymised
 * copy: short runs of words can be guessed and tested against it. Paraphrase and translation are
 * not found. Formulas and measurements: docs/detection.md, bench/bench_echo.c.
 *
 * File, little endian: "SLECHO01"  u32 version (2; 1 had no structures)  u32 segments  key check 16  u64 bytes in all  zeros to
 * 64; segments (echo_index.c); 16 bytes keyed hash of all that precedes. */
#ifndef SL_DETECT_ECHO_H
#define SL_DETECT_ECHO_H

#include "base/bytes.h"
#include "base/limits.h"
#include "detect/echo_kernel.h"

/* One index is made of segments, one for each object or build; each costs every token a probe: some
 * nanoseconds. */
#define SL_ECHO_SEGMENTS_MAX ((size_t)4096)
#define SL_ECHO_INDEX_BYTES_MAX ((size_t)4 << 30)
/* Names of sources (files, object versions). */
#define SL_ECHO_NAME_BYTES_MAX ((size_t)1024)

/* ---- building ----------------------------------------------------------------------------------- */

typedef struct sl_echo_builder sl_echo_builder;

typedef struct {
    uint64_t bytes;    /* of all texts together, about; sets the size of the working memory */
    uint32_t permille; /* of them that the index may take: 0 stands for 125 */
} sl_echo_build_options;

/* Two passes over the same texts: in the first the builder learns what is common and how much there
 * is, in the second it keeps fingerprints. Working memory: about 0.35 bytes for each byte of text in
 * the first pass, up to 256 MiB, and 0.7 in the second. */
SL_MUST sl_res sl_echo_builder_new(const uint8_t match_key[32],
                                   const sl_echo_build_options *options,
                                   sl_echo_builder **ret_builder);
void sl_echo_builder_free(sl_echo_builder *builder);
/* First pass: the text of a record, or of its next part if it `continues`. */
SL_MUST sl_res sl_echo_builder_count(sl_echo_builder *builder, sl_view text, bool continues);
/* Boilerplate that is not of these records: what occurs in it is never indexed. First pass only. */
SL_MUST sl_res sl_echo_builder_background(sl_echo_builder *builder, sl_view text, bool continues);
/* Between the passes. */
SL_MUST sl_res sl_echo_builder_settle(sl_echo_builder *builder);
/* Second pass: the records that follow are of this source. */
SL_MUST sl_res sl_echo_builder_source(sl_echo_builder *builder, sl_view name);
/* Second pass: the source that began last has another name after all. */
SL_MUST sl_res sl_echo_builder_rename(sl_echo_builder *builder, sl_view name);
/* Second pass: as counted, with the record's place in its source. */
SL_MUST sl_res sl_echo_builder_add(sl_echo_builder *builder, sl_view text, bool continues,
                                   uint64_t offset, uint64_t length);
/* Appends a whole index of one segment. The builder is used up. */
SL_MUST sl_res sl_echo_builder_finish(sl_echo_builder *builder, sl_buf *out);

/* All segments of several indexes under the same key as one index. Errors as sl_echo_open; SL_E_LIMIT
 * for more than SL_ECHO_SEGMENTS_MAX. */
SL_MUST sl_res sl_echo_join(const uint8_t match_key[32], const sl_view *indexes, size_t count,
                            sl_buf *out);

/* How the index of a compartment's records is called beside its roster; a compartment's name holds no colon. */
enum { SL_ECHO_FILE_BYTES = SL_NAME_BYTES_MAX + 8 };
void sl_echo_file_name(const char *compartment, char ret[SL_ECHO_FILE_BYTES]);

/* ---- an index ------------------------------------------------------------------------------------ */

typedef struct sl_echo_index sl_echo_index;

/* Borrows `bytes` for its life. SL_E_KEY for another key, SL_E_VERSION, SL_E_INTEGRITY when it was
 * changed. Reads all of it once. */
SL_MUST sl_res sl_echo_open(sl_view bytes, const uint8_t match_key[32], sl_echo_index **ret_index);
void sl_echo_index_free(sl_echo_index *index);

typedef struct {
    uint64_t bytes;        /* of the index */
    uint64_t source_bytes; /* of the texts */
    uint64_t records;
    uint64_t sources;
    uint64_t segments;
    uint64_t tokens[SL_ECHO_VIEWS]; /* of structures: characters */
    uint64_t fingerprints[SL_ECHO_VIEWS];
    uint32_t stride_max[SL_ECHO_VIEWS];
} sl_echo_stats;

void sl_echo_index_stats(const sl_echo_index *index, sl_echo_stats *ret);

/* A place in the indexed texts. */
typedef struct {
    uint32_t segment;
    uint32_t record; /* of the segment */
    sl_view source;  /* name; borrowed from the index */
    uint64_t number; /* of the record (or passage) in its source, from 0 */
    uint64_t offset; /* bytes in the source */
    uint64_t length;
} sl_echo_place;

/* ---- asking -------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t start; /* bytes of the text: from the first to the last matching shingle */
    uint64_t end;
    uint32_t segment;
    uint32_t record;
    uint32_t first_block; /* of the lane, in the segment; of structures: the record */
    uint32_t last_block;
    uint32_t hits;
    uint32_t bits; /* how surprising: twice as many bits, squared as unlikely by chance */
    uint8_t lane;  /* sl_echo_lane */
} sl_echo_match;

typedef struct {
    sl_echo_match *items;
    size_t n;
    size_t cap;
} sl_echo_matches;

void sl_echo_matches_free(sl_echo_matches *matches);

/* A match of so many hits and bits stands by itself; a lesser one needs its record compared. */
#define SL_ECHO_STRONG_HITS 2U
#define SL_ECHO_STRONG_BITS 60U

static inline bool sl_echo_is_strong(const sl_echo_match *m)
{
    return m->hits >= SL_ECHO_STRONG_HITS && m->bits >= SL_ECHO_STRONG_BITS;
}

typedef struct sl_echo_scratch sl_echo_scratch; /* working memory of one thread: some megabytes */
typedef struct sl_echo_scan sl_echo_scan;       /* one text in pieces: some kilobytes */

/* `kernel` NULL: the fastest. */
SL_MUST sl_res sl_echo_scratch_new(const sl_echo_kernel *kernel, sl_echo_scratch **ret_scratch);
void sl_echo_scratch_free(sl_echo_scratch *scratch);
/* Borrows both for its life. */
SL_MUST sl_res sl_echo_scan_new(const sl_echo_index *index, sl_echo_scratch *scratch,
                                sl_echo_scan **ret_scan);
void sl_echo_scan_free(sl_echo_scan *scan);
/* Takes the next piece of the text; matches that nothing more can join are appended. */
SL_MUST sl_res sl_echo_scan_feed(sl_echo_scan *scan, sl_view piece, sl_echo_matches *matches);
/* The text ends: the rest of the matches. The scan begins anew. */
SL_MUST sl_res sl_echo_scan_finish(sl_echo_scan *scan, sl_echo_matches *matches);
/* The matches that may still grow, as they are now. */
SL_MUST sl_res sl_echo_scan_open(const sl_echo_scan *scan, sl_echo_matches *matches);
/* Where the matched record stands. False: the index does not say (a damaged file). */
bool sl_echo_place_of(const sl_echo_index *index, const sl_echo_match *match, sl_echo_place *ret);
/* The first segment that holds records of the source with this name. */
bool sl_echo_find_source(const sl_echo_index *index, sl_view name, uint32_t *ret_segment);

/* ---- asking somebody who may read the record ------------------------------------------------------ */

/* Is `text` a rendering of the record at `place`? All borrowed for the call. */
typedef struct {
    sl_view index; /* the name that the index was added under */
    const sl_echo_place *place;
    sl_view text;
} sl_echo_question;

typedef enum {
    SL_ECHO_UNKNOWN, /* nobody compared, now: what the match alone says stands */
    SL_ECHO_SAME,
    SL_ECHO_OTHER,
} sl_echo_answer;

/* Must answer soon, and the same question always alike as long as it does not say UNKNOWN. */
typedef sl_echo_answer (*sl_echo_ask)(void *context, const sl_echo_question *question);

/* A match with fewer bits is not worth a question. */
#define SL_ECHO_ASK_BITS 20U

#endif
