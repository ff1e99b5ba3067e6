/* Pins of tool definitions: a tool that means today something else than yesterday is told.
 *
 * Two kinds. What the site's flow rules pin (`tool_pins`, by SHA-256) is the operator's word and binds from
 * the first request on. What they do not name is learned: the first definition that a principal uses under a
 * name. The intent leaf of the crossing tells it (`tools`), and every process of the door folds it from there,
 * so that it lasts as long as the ledger. A change of either is a finding of the class `tool_changed`; the
 * policy says what follows. An operator accepts a change by a line in policy/flow.yml
 * (`stoplog policy tools FILE` prints it).
 *
 * It must never take a definition for the same because it looks alike: blanks and escapes apart, every byte
 * counts, the order of members too. Design: README.md here. */
#ifndef SL_DOORS_ASK_PINS_H
#define SL_DOORS_ASK_PINS_H

#include "base/json.h"
#include "crypto/hash.h"
#include "detect/flow.h"

enum {
    SL_ASK_PINS_MAX = 8192, /* learned; beyond, the oldest slots are taken over */
    SL_ASK_PIN_BYTES = 32,
    SL_ASK_PIN_CHARS = 2 * SL_ASK_PIN_BYTES,
    SL_ASK_PINS_TOLD_MAX = 256, /* by one crossing; what is beyond is learned by a later one */
};

typedef struct sl_ask_pins sl_ask_pins;

SL_MUST sl_res sl_ask_pins_new(sl_ask_pins **ret_pins);
void sl_ask_pins_free(sl_ask_pins *pins);

/* One definition of a request: an item of its `tools`. */
typedef struct {
    sl_view name; /* decoded, in the buffer given */
    sl_digest digest;
} sl_ask_tool;

/* Reads the name (of the item or of its `function`) and the digest of the item: SHA-256 over its tokens,
 * decoded. `name` is emptied first. SL_E_MISSING_FIELD: no name (a hosted tool has a `type` instead). */
SL_MUST sl_res sl_ask_tool_read(const sl_json_doc *doc, const sl_json_node *item, sl_buf *name,
                                sl_ask_tool *ret_tool);

typedef enum {
    SL_TOOL_SAME,
    SL_TOOL_LEARNED,
    SL_TOOL_CHANGED,
    SL_TOOL_NOT_AS_PINNED
} sl_tool_state;

/* What is learned of a tool: who uses it under which name, and its definition, each a hash of 16 bytes. */
typedef struct {
    uint8_t who[16];
    uint8_t definition[16];
} sl_ask_pin;

/* Compares. `principal` tells principals apart; `pins` may be NULL: then only the rules bind. `*ret_pin` is
 * what there is to learn, when the answer is LEARNED or CHANGED and the crossing is recorded. */
sl_tool_state sl_ask_pins_check(const sl_ask_pins *pins, const sl_flow_rules *rules,
                                sl_view principal, const sl_ask_tool *tool, sl_ask_pin *ret_pin);
void sl_ask_pins_learn(sl_ask_pins *pins, const sl_ask_pin *pin);
/* The pin as it stands in an intent leaf: SL_ASK_PIN_CHARS characters. */
SL_MUST sl_res sl_ask_pin_put(const sl_ask_pin *pin, sl_buf *out);
/* Learns what a leaf of the door told, from any process and any time. */
void sl_ask_pins_leaf(sl_ask_pins *pins, sl_view leaf);

/* "NAME HEX", an item of `tool_pins`. */
SL_MUST sl_res sl_ask_tool_line(const sl_ask_tool *tool, sl_buf *out);

#endif
