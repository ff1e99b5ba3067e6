/* Log-probabilities of an answer's text, with the ability `logprobs` alone (config.yml `ask.abilities`).
 *
 * A token's probability leaves when the token's text has left exactly as the model server said it. From
 * the first mask or restored name on none leaves any more: the tokens behind it were drawn with what is
 * hidden in view, and their numbers would tell of it. Alternatives (`top_logprobs`) never leave: they
 * are text that nobody inspected. What does not fit the text it came with ends them as well.
 * Numbers are read and written anew. Pure. Design: README.md here. */
#ifndef SL_DOORS_ASK_LOGPROBS_H
#define SL_DOORS_ASK_LOGPROBS_H

#include "base/arena.h"
#include "base/json.h"

typedef struct {
    uint64_t end;   /* of the token in its channel's text, in bytes */
    uint64_t start; /* of the token, in characters */
    uint32_t bytes; /* of the token */
    int32_t scaled; /* the logarithm times 100,000 */
} sl_logprob;

/* Those of one text that have not left; all zeros at first. */
typedef struct {
    sl_logprob *items;
    size_t n;
    size_t cap;
    sl_buf tokens; /* their bytes, one after the other */
    uint64_t bytes;
    uint64_t characters;
    bool over; /* none leaves any more */
} sl_logprobs;
void sl_logprobs_free(sl_logprobs *l);

/* What came with `text`, which is fed to the channel next: OpenAI's list of objects, or NULL for none.
 * Fails: SL_E_MEMORY, SL_E_LIMIT alone; what does not fit is dropped with all that would follow. */
SL_MUST sl_res sl_logprobs_take(sl_logprobs *l, const sl_json_doc *doc, const sl_json_node *list,
                                sl_view text, sl_arena *arena);
/* The same for the two lists of the older API. */
SL_MUST sl_res sl_logprobs_take_lists(sl_logprobs *l, const sl_json_doc *doc,
                                      const sl_json_node *tokens, const sl_json_node *numbers,
                                      sl_view text, sl_arena *arena);

/* How many leave when the channel's text left unchanged up to byte `plain`. */
size_t sl_logprobs_ready(const sl_logprobs *l, uint64_t plain);
/* Writes the first `n` as list items, or as the older API's members, and forgets them. */
void sl_logprobs_put(sl_logprobs *l, size_t n, sl_json_writer *w);
void sl_logprobs_put_lists(sl_logprobs *l, size_t n, sl_json_writer *w);

#endif
