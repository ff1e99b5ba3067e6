/* The forms in which an instruction may be hidden: what issue lists and evaluation tables call
 * encodings. Each takes a text and gives the same text as an attacker would send it. */
#ifndef SL_TOOLS_INJECT_DISGUISE_H
#define SL_TOOLS_INJECT_DISGUISE_H

#include "base/bytes.h"
#include "base/random.h"

typedef struct {
    const char *name;
    sl_res (*apply)(sl_view text, sl_prng *prng, sl_buf *out);
} disguise;

extern const disguise DISGUISES[];
extern const size_t DISGUISE_COUNT;

/* Breaks between turns, words or lines as people split an attack over several messages. */
SL_MUST sl_res disguise_split(sl_view text, sl_prng *prng, sl_buf *out);
/* Small slips of the keyboard: a letter dropped, doubled or swapped in one word of six. */
SL_MUST sl_res disguise_typos(sl_view text, sl_prng *prng, sl_buf *out);

#endif
