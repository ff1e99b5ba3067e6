/* What the trainer works with: rows, their cached features, weights in floating point. */
#ifndef SL_TOOLS_INJECT_MODEL_H
#define SL_TOOLS_INJECT_MODEL_H

#include "detect/inject_features.h"
#include "disguise.h"
#include "grammar.h"

#define BITS 18U
#define BUCKETS ((size_t)1 << BITS)
#define EPOCHS 8
#define MODEL_SLOPE 0.5 /* how fast scores leave 500 as the logit leaves the threshold */
#define FRAME_BUCKETS ((size_t)1 << SL_INJECT_FRAME_BITS)

/* One folded text of a row: the features of all its tokens in order. */
typedef struct cached {
    struct cached *next;
    uint32_t tokens;
    uint32_t *ends;     /* by token: features up to and with it */
    uint32_t *features; /* indexes of weights */
    bool decoded;
} cached;

/* Families of the grammar are held out by parts; carriers and ordinary texts belong to none. */
#define FAMILY_PARTS 5U
unsigned family_part(sl_view family); /* FAMILY_PARTS: none */

typedef enum { KIND_BENIGN, KIND_HARD, KIND_ATTACK, KIND_OTHER } row_kind;

typedef struct {
    sl_view text;
    cached *texts;
    const char *source; /* of a data file, or "grammar" */
    const char *language;
    const char *family; /* of the grammar */
    int label;
    row_kind kind;
    grammar_lines lines;
    uint8_t parts; /* of the grammar's families that have a share in the text, a bit each */
    bool ships;    /* its licence lets weights ship */
    bool dev;
    float weight;
    float score;
} row;

typedef struct {
    row *items;
    size_t n;
    size_t cap;
    sl_arena arena;
    sl_inject_words words;
    sl_inject_texts texts;
    sl_inject_tokens tokens;
} rows;

typedef struct {
    float *w;
    float *g;
    float *frame; /* weights of what stands around a window */
    float *frame_g;
    float bound; /* what a frame says at most */
    float biases[8];
    float bias_g[8];
    float decoded;
    float decoded_g;
    float hard; /* how much more a harmless text that looks like an attack counts */
} model;

/* Word list of concepts: "concept: word word* ..." a line. */
SL_MUST sl_res rows_words(rows *all, const char *path);
SL_MUST sl_res rows_add(rows *all, row one);
/* Every *.jsonl of FOLDER/train and FOLDER/dev that belongs to the channel. */
SL_MUST sl_res rows_load(rows *all, const char *folder, sl_inject_channel channel);
/* Every template of the folder `voices` of tools/notes-generator, filled once, as harmless. */
SL_MUST sl_res rows_voices(rows *all, const char *folder);
/* Texts by the grammar; `lines` says which. */
SL_MUST sl_res rows_generate(rows *all, const grammar *g, sl_inject_channel channel,
                             grammar_lines lines, size_t attacks, size_t benign, uint64_t seed);
/* Harmless texts of the families `look.`, which never train and were written before any was scored: of
 * source "look_en" and "look_other", half of `count` each. */
SL_MUST sl_res rows_look(rows *all, const grammar *g, sl_inject_channel channel, size_t count,
                         uint64_t seed);
SL_MUST sl_res rows_cache(rows *all, row *r);

SL_MUST sl_res model_init(model *m, sl_inject_channel channel);
void model_free(model *m);
/* The worst window's logit; gives the window when `ret_text` is not NULL. */
float model_score(const model *m, const row *r, cached **ret_text, int *ret_scale, size_t *ret_from,
                  size_t *ret_to);
/* Learns the rows for which `use` says so. The same rows and seed give the same weights. */
typedef bool row_filter(const row *r, const void *context);
SL_MUST sl_res model_learn(model *m, rows *all, row_filter *use, const void *context,
                           uint64_t seed);
SL_MUST sl_res model_pack(const model *m, const rows *all, sl_inject_channel channel,
                          double threshold, sl_buf *out);

#endif
