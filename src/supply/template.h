/* The chat template of a model as one digest: what a model is told before it is asked lies there, and a
 * changed one is a changed model with the same weights. Pure. */
#ifndef SL_SUPPLY_TEMPLATE_H
#define SL_SUPPLY_TEMPLATE_H

#include "base/bytes.h"
#include "crypto/hash.h"

/* Of tokenizer_config.json: its member "chat_template", a text, or a list of {name, template} in any order
 * of members. `*ret_found` false: it has none. Errors: those of JSON, SL_E_TYPE. */
SL_MUST sl_res sl_template_digest(sl_view json, bool *ret_found, sl_digest *ret);

#endif
