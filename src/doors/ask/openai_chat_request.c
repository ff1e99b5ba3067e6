/* OpenAI chat completions: every member that a request may have (shape.h).
 * Reference: OpenAI API, "Create chat completion". */
#include "doors/ask/requests.h"

#define ANY_TEXT (SL_TAKES_TEXT | SL_TAKES_NULL)

static const sl_ask_member part_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "text|refusal" },
    { .name = "text", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_OF_PLACE },
    { .name = "refusal", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_OF_PLACE },
    { .name = "image_url",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_REMOTE_MEDIA },
    { .name = "input_audio",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_OPAQUE_PARTS },
    { .name = "file",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_FILE_IDS },
};
static const sl_ask_shape part_shape = { "content", part_members, SL_COUNT_OF(part_members),
                                         .other_words = SL_FEATURE_REMOTE_MEDIA };
static const sl_ask_member part_item = { .name = "content",
                                         .takes = SL_TAKES_OBJECT,
                                         .channel = SL_CHANNEL_OF_PLACE,
                                         .shape = &part_shape };

static const sl_ask_member call_function_members[] = {
    { .name = "name", .takes = SL_TAKES_WORD },
    { .name = "arguments", .takes = SL_TAKES_JSON_TEXT, .channel = SL_CHANNEL_ASSISTANT },
};
static const sl_ask_shape call_function_shape = {
    "function", call_function_members, SL_COUNT_OF(call_function_members),
    NULL,       SL_FEATURE_NONE,       NULL
};
static const sl_ask_member call_members[] = {
    { .name = "id", .takes = SL_TAKES_WORD },
    { .name = "type", .takes = SL_TAKES_WORD, .words = "function" },
    { .name = "index", .takes = SL_TAKES_INT },
    { .name = "function", .takes = SL_TAKES_OBJECT, .shape = &call_function_shape },
};
static const sl_ask_shape call_shape = { "tool_calls", call_members,    SL_COUNT_OF(call_members),
                                         NULL,         SL_FEATURE_NONE, NULL };
static const sl_ask_member call_item = { .name = "tool_calls",
                                         .takes = SL_TAKES_OBJECT,
                                         .shape = &call_shape };

static const sl_ask_member message_members[] = {
    { .name = "role", .takes = SL_TAKES_WORD, .words = "system|developer|user|assistant|tool" },
    { .name = "content",
      .takes = ANY_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_OF_PLACE,
      .items = &part_item },
    { .name = "name", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "refusal", .takes = ANY_TEXT, .channel = SL_CHANNEL_OF_PLACE },
    { .name = "reasoning_content", .takes = ANY_TEXT, .channel = SL_CHANNEL_OF_PLACE },
    { .name = "tool_calls", .takes = SL_TAKES_ITEMS | SL_TAKES_NULL, .items = &call_item },
    { .name = "tool_call_id", .takes = SL_TAKES_WORD },
    { .name = "audio",
      .takes = SL_TAKES_FREE | SL_TAKES_NULL,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_STORED_STATE },
    { .name = "annotations", .takes = SL_TAKES_FREE, .act = SL_ACT_DROP },
    { .name = "function_call", .takes = SL_TAKES_NULL, .act = SL_ACT_PASS },
};
static const sl_ask_shape message_shape = {
    "messages", message_members, SL_COUNT_OF(message_members), "role", SL_FEATURE_NONE, NULL
};
static const sl_ask_member message_item = { .name = "messages",
                                            .takes = SL_TAKES_OBJECT,
                                            .channel = SL_CHANNEL_USER,
                                            .shape = &message_shape };

static const sl_ask_member tool_function_members[] = {
    { .name = "name", .takes = SL_TAKES_WORD, .learn = SL_LEARN_TOOL_NAME },
    { .name = "description", .takes = ANY_TEXT, .channel = SL_CHANNEL_TOOL_DEFINITION },
    { .name = "parameters", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_TOOL_DEFINITION },
    { .name = "strict", .takes = SL_TAKES_BOOL | SL_TAKES_NULL },
};
static const sl_ask_shape tool_function_shape = {
    "function", tool_function_members, SL_COUNT_OF(tool_function_members),
    NULL,       SL_FEATURE_NONE,       NULL
};
static const sl_ask_member tool_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "function" },
    { .name = "function", .takes = SL_TAKES_OBJECT, .shape = &tool_function_shape },
};
static const sl_ask_shape tool_shape = {
    "tools", tool_members, SL_COUNT_OF(tool_members), NULL, SL_FEATURE_HOSTED_TOOLS, NULL
};
static const sl_ask_member tool_item = { .name = "tools",
                                         .takes = SL_TAKES_OBJECT,
                                         .shape = &tool_shape };

static const sl_ask_member choice_function_members[] = {
    { .name = "name", .takes = SL_TAKES_WORD },
};
static const sl_ask_shape choice_function_shape = {
    "tool_choice", choice_function_members, SL_COUNT_OF(choice_function_members),
    NULL,          SL_FEATURE_NONE,         NULL
};
static const sl_ask_member tool_choice_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "function" },
    { .name = "function", .takes = SL_TAKES_OBJECT, .shape = &choice_function_shape },
};
static const sl_ask_shape tool_choice_shape = {
    "tool_choice", tool_choice_members,     SL_COUNT_OF(tool_choice_members),
    NULL,          SL_FEATURE_HOSTED_TOOLS, NULL
};

static const sl_ask_member schema_members[] = {
    { .name = "name", .takes = SL_TAKES_WORD },
    { .name = "description", .takes = ANY_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "schema", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_METADATA },
    { .name = "strict", .takes = SL_TAKES_BOOL | SL_TAKES_NULL },
};
static const sl_ask_shape schema_shape = {
    "json_schema", schema_members, SL_COUNT_OF(schema_members), NULL, SL_FEATURE_NONE, NULL
};
static const sl_ask_member format_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "text|json_object|json_schema" },
    { .name = "json_schema", .takes = SL_TAKES_OBJECT, .shape = &schema_shape },
};
static const sl_ask_shape format_shape = {
    "response_format", format_members, SL_COUNT_OF(format_members), NULL, SL_FEATURE_NONE, NULL
};
static const sl_ask_member stream_options_members[] = {
    { .name = "include_usage", .takes = SL_TAKES_BOOL, .learn = SL_LEARN_USAGE_WANTED },
    { .name = "include_obfuscation", .takes = SL_TAKES_BOOL, .act = SL_ACT_DROP },
};
static const sl_ask_shape stream_options_shape = { "stream_options",
                                                   stream_options_members,
                                                   SL_COUNT_OF(stream_options_members),
                                                   NULL,
                                                   SL_FEATURE_NONE,
                                                   NULL };
static const sl_ask_member stop_item = { .name = "stop",
                                         .takes = SL_TAKES_TEXT,
                                         .channel = SL_CHANNEL_METADATA };

#define NUMBER_OR_NULL (SL_TAKES_NUMBER | SL_TAKES_NULL)
#define INT_OR_NULL (SL_TAKES_INT | SL_TAKES_NULL)

static const sl_ask_member request_members[] = {
    { .name = "model", .takes = SL_TAKES_WORD, .learn = SL_LEARN_MODEL },
    { .name = "messages", .takes = SL_TAKES_ITEMS, .items = &message_item },
    { .name = "stream", .takes = SL_TAKES_BOOL | SL_TAKES_NULL, .learn = SL_LEARN_STREAM },
    { .name = "stream_options",
      .takes = SL_TAKES_OBJECT | SL_TAKES_NULL,
      .shape = &stream_options_shape },
    { .name = "n", .takes = INT_OR_NULL, .learn = SL_LEARN_CHOICES },
    { .name = "temperature", .takes = NUMBER_OR_NULL },
    { .name = "top_p", .takes = NUMBER_OR_NULL },
    { .name = "frequency_penalty", .takes = NUMBER_OR_NULL },
    { .name = "presence_penalty", .takes = NUMBER_OR_NULL },
    { .name = "seed", .takes = INT_OR_NULL },
    { .name = "max_tokens", .takes = INT_OR_NULL, .learn = SL_LEARN_TOKENS_MAX },
    { .name = "max_completion_tokens", .takes = INT_OR_NULL, .learn = SL_LEARN_TOKENS_MAX },
    { .name = "stop",
      .takes = ANY_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_METADATA,
      .items = &stop_item },
    { .name = "tools", .takes = SL_TAKES_ITEMS, .items = &tool_item },
    { .name = "tool_choice",
      .takes = SL_TAKES_WORD | SL_TAKES_OBJECT,
      .words = "none|auto|required",
      .shape = &tool_choice_shape },
    { .name = "parallel_tool_calls", .takes = SL_TAKES_BOOL },
    { .name = "response_format", .takes = SL_TAKES_OBJECT, .shape = &format_shape },
    { .name = "reasoning_effort",
      .takes = SL_TAKES_WORD | SL_TAKES_NULL,
      .words = "none|minimal|low|medium|high|xhigh" },
    { .name = "verbosity", .takes = SL_TAKES_WORD | SL_TAKES_NULL, .words = "low|medium|high" },
    { .name = "user", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "safety_identifier", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "metadata", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_METADATA },
    { .name = "store", .takes = SL_TAKES_BOOL | SL_TAKES_NULL, .act = SL_ACT_FALSE },
    { .name = "service_tier", .takes = SL_TAKES_WORD | SL_TAKES_NULL, .act = SL_ACT_DROP },
    { .name = "prompt_cache_key", .takes = SL_TAKES_TEXT, .act = SL_ACT_DROP },
    { .name = "logprobs",
      .takes = SL_TAKES_BOOL | SL_TAKES_NULL,
      .act = SL_ACT_STRIP,
      .feature = SL_FEATURE_LOGPROBS },
    { .name = "top_logprobs",
      .takes = INT_OR_NULL,
      .act = SL_ACT_STRIP,
      .feature = SL_FEATURE_LOGPROBS },
    { .name = "logit_bias",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_LOGPROBS },
    { .name = "modalities",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_OPAQUE_PARTS },
    { .name = "audio",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_OPAQUE_PARTS },
    { .name = "web_search_options",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_HOSTED_TOOLS },
};
const sl_ask_shape sl_ask_openai_chat_request = {
    "request", request_members, SL_COUNT_OF(request_members), NULL, SL_FEATURE_NONE, "store"
};
