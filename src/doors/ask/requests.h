/* What requests may look like, a table for each dialect that has a file of its own for it; the dialects alone include
 * this. What a table says is told in shape.h. */
#ifndef SL_DOORS_ASK_REQUESTS_H
#define SL_DOORS_ASK_REQUESTS_H

#include "doors/ask/shape.h"

extern const sl_ask_shape sl_ask_openai_chat_request;
extern const sl_ask_shape sl_ask_openai_responses_request;
extern const sl_ask_shape sl_ask_anthropic_messages_request;

#endif
