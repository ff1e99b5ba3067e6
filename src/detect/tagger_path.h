/* The best path of tags through a segment: each token's scores and the step of the trellis (Viterbi), written once for
 * any machine and once for those with wide registers. All forms give the same bits. Internal to src/detect. */
#ifndef SL_DETECT_TAGGER_PATH_H
#define SL_DETECT_TAGGER_PATH_H

#include "detect/tagger_words.h"

/* All that one token says about its tag: rows of the features around it (where each begins in the weights) and rows
 * that were added up before. */
typedef struct {
    uint32_t rows[SL_TAG_CONTEXT_LANES];
    const int16_t *own;
    const int8_t *near[SL_TAG_NEAR];
} sl_tag_evidence;

typedef struct {
    const char *name;
    /* From values of SL_TAG_TEMPLATES to the places of their rows. */
    void (*find_rows)(const sl_tag_model *model, const uint32_t values[SL_TAG_CONTEXT_LANES],
                      uint32_t rows[SL_TAG_CONTEXT_LANES]);
    /* Scores of the paths that end in each tag here, and the tag that each came from; `before` is NULL
     * at a segment's beginning and may be `now`. */
    void (*step)(const sl_tag_model *model, const sl_tag_evidence *evidence, const int32_t *before,
                 int32_t now[SL_TAG_LANES], uint8_t from[SL_TAG_LANES]);
} sl_tag_kernel;

extern const sl_tag_kernel SL_TAG_KERNEL_PORTABLE;
/* The machine's own; NULL where it has none. */
const sl_tag_kernel *sl_tag_kernel_x86(void);

typedef struct {
    uint8_t (*from)[SL_TAG_LANES]; /* for each token */
    size_t cap;
} sl_tag_path;

/* Sets the labels of all tokens. */
SL_MUST sl_res sl_tag_path_find(const sl_tag_kernel *kernel, const sl_tag_words *words,
                                sl_tag_tokens *tokens, sl_tag_path *path);
void sl_tag_path_free(sl_tag_path *path);

#endif
