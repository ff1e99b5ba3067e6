/* OpenAI responses: every member that a request may have (shape.h). Nothing may be kept at the model
 * server, so ids of items are not sent back. Reference: OpenAI API, "Create a model response". */
#include "doors/ask/requests.h"

#define ANY_TEXT (SL_TAKES_TEXT | SL_TAKES_NULL)
#define ANY_WORD (SL_TAKES_WORD | SL_TAKES_NULL)
#define NUMBER_OR_NULL (SL_TAKES_NUMBER | SL_TAKES_NULL)
#define INT_OR_NULL (SL_TAKES_INT | SL_TAKES_NULL)
#define BOOL_OR_NULL (SL_TAKES_BOOL | SL_TAKES_NULL)

/* A part of any other kind says so by its type, but what it holds is what needs the ability. */
static const sl_ask_member part_members[] = {
    { .name = "type",
      .takes = SL_TAKES_WORD,
      .words = "input_text|output_text|refusal|input_image|input_file|input_audio" },
    { .name = "text", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_OF_PLACE },
    { .name = "refusal", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_OF_PLACE },
    { .name = "annotations", .takes = SL_TAKES_FREE, .act = SL_ACT_DROP },
    { .name = "logprobs", .takes = SL_TAKES_FREE, .act = SL_ACT_DROP },
    { .name = "image_url",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_REMOTE_MEDIA },
    { .name = "detail", .takes = ANY_WORD, .words = "low|high|auto|original" },
    { .name = "file_url",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_REMOTE_MEDIA },
    { .name = "file_id", .takes = ANY_WORD, .act = SL_ACT_FEATURE, .feature = SL_FEATURE_FILE_IDS },
    { .name = "file_data",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_OPAQUE_PARTS },
    { .name = "filename",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_OPAQUE_PARTS },
    { .name = "input_audio",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_OPAQUE_PARTS },
};
static const sl_ask_shape part_shape = { .name = "content",
                                         .members = part_members,
                                         .count = SL_COUNT_OF(part_members) };
static const sl_ask_member part_item = { .name = "content",
                                         .takes = SL_TAKES_OBJECT,
                                         .channel = SL_CHANNEL_OF_PLACE,
                                         .shape = &part_shape };

/* Ids of items name what the model server stored; nothing is stored. */
static const sl_ask_member item_members[] = {
    { .name = "type",
      .takes = SL_TAKES_WORD,
      .words = "message|function_call|function_call_output" },
    { .name = "role", .takes = SL_TAKES_WORD, .words = "system|developer|user|assistant" },
    { .name = "content",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_OF_PLACE,
      .items = &part_item },
    { .name = "id", .takes = ANY_WORD, .act = SL_ACT_STRIP, .feature = SL_FEATURE_STORED_STATE },
    { .name = "status", .takes = ANY_WORD, .words = "in_progress|completed|incomplete" },
    { .name = "phase", .takes = ANY_WORD, .words = "commentary|final_answer" },
    { .name = "call_id", .takes = SL_TAKES_WORD },
    { .name = "name", .takes = SL_TAKES_WORD },
    { .name = "arguments", .takes = SL_TAKES_JSON_TEXT, .channel = SL_CHANNEL_ASSISTANT },
    { .name = "output",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_TOOL_RESULT,
      .items = &part_item },
};
static const sl_ask_shape item_shape = { .name = "input",
                                         .members = item_members,
                                         .count = SL_COUNT_OF(item_members),
                                         .role_member = "role",
                                         .other_words = SL_FEATURE_STORED_STATE };
static const sl_ask_member input_item = {
    .name = "input", .takes = SL_TAKES_OBJECT, .channel = SL_CHANNEL_USER, .shape = &item_shape
};

static const sl_ask_member tool_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "function" },
    { .name = "name", .takes = SL_TAKES_WORD, .learn = SL_LEARN_TOOL_NAME },
    { .name = "description", .takes = ANY_TEXT, .channel = SL_CHANNEL_TOOL_DEFINITION },
    { .name = "parameters", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_TOOL_DEFINITION },
    { .name = "strict", .takes = BOOL_OR_NULL },
};
static const sl_ask_shape tool_shape = { .name = "tools",
                                         .members = tool_members,
                                         .count = SL_COUNT_OF(tool_members),
                                         .other_words = SL_FEATURE_HOSTED_TOOLS };
static const sl_ask_member tool_item = { .name = "tools",
                                         .takes = SL_TAKES_OBJECT,
                                         .shape = &tool_shape };

static const sl_ask_member allowed_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "function" },
    { .name = "name", .takes = SL_TAKES_WORD },
};
static const sl_ask_shape allowed_shape = { .name = "tool_choice",
                                            .members = allowed_members,
                                            .count = SL_COUNT_OF(allowed_members),
                                            .other_words = SL_FEATURE_HOSTED_TOOLS };
static const sl_ask_member allowed_item = { .name = "tools",
                                            .takes = SL_TAKES_OBJECT,
                                            .shape = &allowed_shape };
static const sl_ask_member tool_choice_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "function|allowed_tools" },
    { .name = "name", .takes = SL_TAKES_WORD },
    { .name = "mode", .takes = SL_TAKES_WORD, .words = "auto|required" },
    { .name = "tools", .takes = SL_TAKES_ITEMS, .items = &allowed_item },
};
static const sl_ask_shape tool_choice_shape = { .name = "tool_choice",
                                                .members = tool_choice_members,
                                                .count = SL_COUNT_OF(tool_choice_members),
                                                .other_words = SL_FEATURE_HOSTED_TOOLS };

static const sl_ask_member format_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "text|json_object|json_schema" },
    { .name = "name", .takes = SL_TAKES_WORD },
    { .name = "description", .takes = ANY_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "schema", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_METADATA },
    { .name = "strict", .takes = BOOL_OR_NULL },
};
static const sl_ask_shape format_shape = { .name = "format",
                                           .members = format_members,
                                           .count = SL_COUNT_OF(format_members) };
static const sl_ask_member text_members[] = {
    { .name = "format", .takes = SL_TAKES_OBJECT, .shape = &format_shape },
    { .name = "verbosity", .takes = ANY_WORD, .words = "low|medium|high" },
};
static const sl_ask_shape text_shape = { .name = "text",
                                         .members = text_members,
                                         .count = SL_COUNT_OF(text_members) };

/* Reasoning never leaves, so its summary is not asked for. */
static const sl_ask_member reasoning_members[] = {
    { .name = "effort", .takes = ANY_WORD, .words = "none|minimal|low|medium|high|xhigh" },
    { .name = "summary", .takes = ANY_WORD, .act = SL_ACT_DROP },
    { .name = "generate_summary", .takes = ANY_WORD, .act = SL_ACT_DROP },
};
static const sl_ask_shape reasoning_shape = { .name = "reasoning",
                                              .members = reasoning_members,
                                              .count = SL_COUNT_OF(reasoning_members) };
static const sl_ask_member stream_options_members[] = {
    { .name = "include_obfuscation", .takes = SL_TAKES_BOOL, .act = SL_ACT_DROP },
};
static const sl_ask_shape stream_options_shape = { .name = "stream_options",
                                                   .members = stream_options_members,
                                                   .count = SL_COUNT_OF(stream_options_members) };

static const sl_ask_member include_item = { .name = "include",
                                            .takes = SL_TAKES_WORD,
                                            .words = "message.output_text.logprobs" };

static const sl_ask_member request_members[] = {
    { .name = "model", .takes = SL_TAKES_WORD, .learn = SL_LEARN_MODEL },
    { .name = "input",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_USER,
      .items = &input_item },
    { .name = "instructions", .takes = ANY_TEXT, .channel = SL_CHANNEL_SYSTEM },
    { .name = "stream", .takes = BOOL_OR_NULL, .learn = SL_LEARN_STREAM },
    { .name = "stream_options",
      .takes = SL_TAKES_OBJECT | SL_TAKES_NULL,
      .shape = &stream_options_shape },
    { .name = "tools", .takes = SL_TAKES_ITEMS, .items = &tool_item },
    { .name = "tool_choice",
      .takes = SL_TAKES_WORD | SL_TAKES_OBJECT,
      .words = "none|auto|required",
      .shape = &tool_choice_shape },
    { .name = "parallel_tool_calls", .takes = BOOL_OR_NULL },
    { .name = "max_tool_calls", .takes = INT_OR_NULL },
    { .name = "max_output_tokens", .takes = INT_OR_NULL, .learn = SL_LEARN_TOKENS_MAX },
    { .name = "temperature", .takes = NUMBER_OR_NULL },
    { .name = "top_p", .takes = NUMBER_OR_NULL },
    { .name = "truncation", .takes = ANY_WORD, .words = "auto|disabled" },
    { .name = "text", .takes = SL_TAKES_OBJECT, .shape = &text_shape },
    { .name = "reasoning", .takes = SL_TAKES_OBJECT | SL_TAKES_NULL, .shape = &reasoning_shape },
    { .name = "user", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "safety_identifier", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_METADATA },
    { .name = "metadata", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_METADATA },
    { .name = "store", .takes = BOOL_OR_NULL, .act = SL_ACT_FALSE },
    { .name = "service_tier", .takes = ANY_WORD, .act = SL_ACT_DROP },
    { .name = "prompt_cache_key", .takes = SL_TAKES_TEXT, .act = SL_ACT_DROP },
    { .name = "prompt_cache_retention", .takes = ANY_WORD, .act = SL_ACT_DROP },
    { .name = "top_logprobs",
      .takes = INT_OR_NULL,
      .act = SL_ACT_STRIP,
      .feature = SL_FEATURE_LOGPROBS },
    /* What can be included besides is nothing that leaves. */
    { .name = "include",
      .takes = SL_TAKES_ITEMS | SL_TAKES_NULL,
      .items = &include_item,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_LOGPROBS },
    { .name = "previous_response_id",
      .takes = ANY_WORD,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_STORED_STATE },
    { .name = "conversation",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_STORED_STATE },
    { .name = "prompt",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_USER,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_STORED_STATE },
    { .name = "background",
      .takes = BOOL_OR_NULL,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_BACKGROUND },
};
const sl_ask_shape sl_ask_openai_responses_request = { .name = "request",
                                                       .members = request_members,
                                                       .count = SL_COUNT_OF(request_members),
                                                       .force_false = "store" };
