/* Pins of tool definitions (pins.h). */
#include "doors/ask/pins.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define TEXT_BYTES_MAX SL_MIB

typedef struct {
    uint8_t who[16]; /* of principal and name; all zero: free */
    uint8_t definition[16];
} slot;

enum { WAYS = 8, SETS = SL_ASK_PINS_MAX / WAYS };

struct sl_ask_pins {
    slot slots[SETS][WAYS];
    uint8_t next[SETS]; /* the way to take over next */
};

sl_res sl_ask_pins_new(sl_ask_pins **ret_pins)
{
    *ret_pins = calloc(1, sizeof **ret_pins);
    return *ret_pins == NULL ? sl_fail(SL_E_MEMORY) : SL_DONE;
}

void sl_ask_pins_free(sl_ask_pins *pins)
{
    free(pins);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void add_token(sl_hasher *h, uint8_t kind, sl_view text)
{
    uint8_t head[9] = { kind };
    sl_put_le64(head + 1, text.n);
    sl_hasher_add(h, sl_view_of(head, sizeof head));
    sl_hasher_add(h, text);
}

/* Kind, text and number of members of every node below `item` say all that JSON can say. */
static sl_res digest_of(const sl_json_doc *doc, const sl_json_node *item, sl_buf *text,
                        sl_hasher *h)
{
    for (const sl_json_node *node = item; node < doc->nodes + item->end; node++) {
        bool written = node->kind == SL_JSON_STRING || node->kind == SL_JSON_KEY;
        bool inside = node->kind == SL_JSON_OBJECT || node->kind == SL_JSON_ARRAY;
        sl_buf_clear(text);
        if (written) {
            SL_TRY(sl_json_add_text(node, text));
        } else if (inside) {
            SL_TRY(sl_buf_addf(text, "%u", node->count));
        } else {
            SL_TRY(sl_buf_add(text, node->raw));
        }
        add_token(h, node->kind, sl_buf_view(text));
    }
    return SL_DONE;
}

sl_res sl_ask_tool_read(const sl_json_doc *doc, const sl_json_node *item, sl_buf *name,
                        sl_ask_tool *ret_tool)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = TEXT_BYTES_MAX };
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    const sl_json_node *function = sl_json_get_kind(doc, item, "function", SL_JSON_OBJECT);
    const sl_json_node *node =
        sl_json_get_kind(doc, function == NULL ? item : function, "name", SL_JSON_STRING);
    if (node == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "name", item->offset);
    }
    sl_buf_clear(name);
    SL_TRY(sl_json_add_text(node, name));
    sl_hasher_start(&h);
    SL_TRY(digest_of(doc, item, &text, &h));
    *ret_tool = (sl_ask_tool){ .name = sl_buf_view(name), .digest = sl_hasher_end(&h) };
    return SL_DONE;
}

/* ---- comparing ----------------------------------------------------------------------------- */

/* What the operator says: SL_TOOL_LEARNED when nothing. A name may have several definitions. */
static sl_tool_state by_rules(const sl_flow_rules *rules, const sl_ask_tool *tool)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_tool_state state = SL_TOOL_LEARNED;
    sl_digest_hex(&tool->digest, hex);
    for (size_t i = 0; rules != NULL && i < sl_flow_tool_pin_count(rules); i++) {
        sl_view name;
        sl_view digest;
        if (!sl_view_cut(sl_flow_tool_pin(rules, i), ' ', &name, &digest) ||
            !sl_view_eq(name, tool->name)) {
            continue;
        }
        if (sl_view_eq_str(digest, hex)) {
            return SL_TOOL_SAME;
        }
        state = SL_TOOL_NOT_AS_PINNED;
    }
    return state;
}

static sl_digest key_of(sl_view principal, sl_view name)
{
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    sl_hasher_start(&h);
    add_token(&h, 0, principal);
    add_token(&h, 1, name);
    return sl_hasher_end(&h);
}

/* The slot of a name that a principal has used, or NULL. */
static slot *find(sl_ask_pins *pins, const sl_digest *who, size_t set)
{
    for (size_t i = 0; i < WAYS; i++) {
        if (memcmp(pins->slots[set][i].who, who->b, sizeof pins->slots[set][i].who) == 0) {
            return &pins->slots[set][i];
        }
    }
    return NULL;
}

static size_t set_of(const sl_digest *who)
{
    return (size_t)(sl_get_le64(who->b + 16) % SETS);
}

sl_tool_state sl_ask_pins_check(sl_ask_pins *pins, const sl_flow_rules *rules, sl_view principal,
                                const sl_ask_tool *tool)
{
    sl_tool_state state = by_rules(rules, tool);
    if (state != SL_TOOL_LEARNED || pins == NULL) {
        return state;
    }
    sl_digest who = key_of(principal, tool->name);
    const slot *s = find(pins, &who, set_of(&who));
    if (s == NULL) {
        sl_ask_pins_learn(pins, principal, tool);
        return SL_TOOL_LEARNED;
    }
    bool same = memcmp(s->definition, tool->digest.b, sizeof s->definition) == 0;
    return same ? SL_TOOL_SAME : SL_TOOL_CHANGED;
}

void sl_ask_pins_learn(sl_ask_pins *pins, sl_view principal, const sl_ask_tool *tool)
{
    sl_digest who = key_of(principal, tool->name);
    size_t set = set_of(&who);
    slot *s = find(pins, &who, set);
    s = s == NULL ? &pins->slots[set][pins->next[set]++ % WAYS] : s;
    memcpy(s->who, who.b, sizeof s->who);
    memcpy(s->definition, tool->digest.b, sizeof s->definition);
}

sl_res sl_ask_tool_line(const sl_ask_tool *tool, sl_buf *out)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&tool->digest, hex);
    return sl_buf_addf(out, "%.*s %s", SL_FMT(tool->name), hex);
}
