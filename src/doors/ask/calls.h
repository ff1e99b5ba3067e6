/* Which tool a result in a request came from: every dialect names the tool where it was called and gives
 * only the call's id with the result.
 *
 * The names are the client's word, as its results are. It must never give a name where two calls of one
 * id differ: what is not certain is untrusted. Design: README.md here. */
#ifndef SL_DOORS_ASK_CALLS_H
#define SL_DOORS_ASK_CALLS_H

#include "base/arena.h"
#include "base/json.h"

enum { SL_ASK_CALLS_MAX = 1024 }; /* of one request; results of calls beyond have no name */

typedef struct {
    sl_view id;
    sl_view tool; /* empty: two calls of this id name different tools */
} sl_ask_call;

typedef struct {
    sl_ask_call *items; /* in the arena */
    size_t n;
} sl_ask_calls;

/* All calls that a request holds (chat: `tool_calls`, responses: `function_call`, messages: `tool_use`).
 * Fails: SL_E_MEMORY. */
SL_MUST sl_res sl_ask_calls_read(const sl_json_doc *doc, sl_arena *arena, sl_ask_calls *ret_calls);

/* The tool whose result `object` is, or an empty view: it is no result, or nobody knows. */
sl_view sl_ask_calls_tool(const sl_ask_calls *calls, const sl_json_doc *doc,
                          const sl_json_node *object, sl_arena *arena);

#endif
