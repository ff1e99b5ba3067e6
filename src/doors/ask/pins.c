/* Pins of tool definitions (pins.h). */
#include "doors/ask/pins.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/limits.h"

#define TEXT_BYTES_MAX SL_MIB

enum { WAYS = 8, SETS = SL_ASK_PINS_MAX / WAYS };

struct sl_ask_pins {
    sl_ask_pin slots[SETS][WAYS]; /* `who` all zero: free */
    uint8_t next[SETS];           /* the way to take over next */
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

static size_t set_of(const sl_ask_pin *pin)
{
    return (size_t)(sl_get_le64(pin->who) % SETS);
}

/* The slot of a name that a principal has used, or WAYS. */
static size_t find(const sl_ask_pins *pins, const sl_ask_pin *pin)
{
    const sl_ask_pin *set = pins->slots[set_of(pin)];
    size_t i = 0;
    while (i < WAYS && memcmp(set[i].who, pin->who, sizeof pin->who) != 0) {
        i++;
    }
    return i;
}

sl_tool_state sl_ask_pins_check(const sl_ask_pins *pins, const sl_flow_rules *rules,
                                sl_view principal, const sl_ask_tool *tool, sl_ask_pin *ret_pin)
{
    sl_tool_state state = by_rules(rules, tool);
    if (state != SL_TOOL_LEARNED || pins == NULL) {
        return state == SL_TOOL_LEARNED ? SL_TOOL_SAME : state;
    }
    sl_digest who = key_of(principal, tool->name);
    memcpy(ret_pin->who, who.b, sizeof ret_pin->who);
    memcpy(ret_pin->definition, tool->digest.b, sizeof ret_pin->definition);
    size_t way = find(pins, ret_pin);
    if (way == WAYS) {
        return SL_TOOL_LEARNED;
    }
    const sl_ask_pin *had = &pins->slots[set_of(ret_pin)][way];
    bool same = memcmp(had->definition, ret_pin->definition, sizeof had->definition) == 0;
    return same ? SL_TOOL_SAME : SL_TOOL_CHANGED;
}

void sl_ask_pins_learn(sl_ask_pins *pins, const sl_ask_pin *pin)
{
    size_t set = set_of(pin);
    size_t way = find(pins, pin);
    way = way == WAYS ? (size_t)pins->next[set]++ % WAYS : way;
    pins->slots[set][way] = *pin;
}

sl_res sl_ask_pin_put(const sl_ask_pin *pin, sl_buf *out)
{
    SL_TRY(sl_hex_add(out, sl_view_of(pin->who, sizeof pin->who)));
    return sl_hex_add(out, sl_view_of(pin->definition, sizeof pin->definition));
}

/* Leaves are canonical, and inside of a text no quotation mark stands alone: what is looked for is found
 * without reading the rest. Every process reads every leaf of the door, so this is cheap on purpose. */
void sl_ask_pins_leaf(sl_ask_pins *pins, sl_view leaf)
{
    const sl_view mark = SL_LIT("\"tools\":[");
    const sl_view intent = SL_LIT("\"type\":\"ask.intent\"");
    size_t at =
        sl_view_starts(leaf, SL_LIT("{\"by\":\"ask\",")) ? sl_view_find(leaf, mark, 0) : SIZE_MAX;
    if (at == SIZE_MAX || sl_view_find(leaf, intent, at) == SIZE_MAX) {
        return;
    }
    for (at += mark.n; at + SL_ASK_PIN_CHARS + 2 <= leaf.n && leaf.p[at] == '"';) {
        uint8_t bytes[SL_ASK_PIN_BYTES];
        sl_view text = sl_view_sub(leaf, at + 1, at + 1 + SL_ASK_PIN_CHARS);
        if (!sl_ok(sl_hex_decode(text, bytes, sizeof bytes))) {
            return;
        }
        sl_ask_pin pin;
        memcpy(pin.who, bytes, sizeof pin.who);
        memcpy(pin.definition, bytes + sizeof pin.who, sizeof pin.definition);
        sl_ask_pins_learn(pins, &pin);
        at += SL_ASK_PIN_CHARS + 2; /* and the comma */
        at += at < leaf.n && leaf.p[at] == ',';
    }
}

sl_res sl_ask_tool_line(const sl_ask_tool *tool, sl_buf *out)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&tool->digest, hex);
    return sl_buf_addf(out, "%.*s %s", SL_FMT(tool->name), hex);
}
