/* Anthropic messages: every member that a request may have (shape.h).
 * Reference: Anthropic API, "Messages". */
#include "doors/ask/requests.h"

static const sl_ask_member plain_block_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "text" },
    { .name = "text", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_OF_PLACE },
    { .name = "cache_control", .takes = SL_TAKES_FREE, .act = SL_ACT_DROP },
    { .name = "source",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_REMOTE_MEDIA },
};
static const sl_ask_shape plain_block_shape = { .name = "content",
                                                .members = plain_block_members,
                                                .count = SL_COUNT_OF(plain_block_members),
                                                .other_words = SL_FEATURE_REMOTE_MEDIA };
static const sl_ask_member plain_block = { .name = "content",
                                           .takes = SL_TAKES_OBJECT,
                                           .channel = SL_CHANNEL_OF_PLACE,
                                           .shape = &plain_block_shape };

static const sl_ask_member block_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "text|tool_use|tool_result" },
    { .name = "text", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_OF_PLACE },
    { .name = "id", .takes = SL_TAKES_WORD },
    { .name = "name", .takes = SL_TAKES_WORD },
    { .name = "input", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_ASSISTANT },
    { .name = "tool_use_id", .takes = SL_TAKES_WORD },
    { .name = "content",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_TOOL_RESULT,
      .items = &plain_block },
    { .name = "is_error", .takes = SL_TAKES_BOOL },
    { .name = "cache_control", .takes = SL_TAKES_FREE, .act = SL_ACT_DROP },
    { .name = "citations", .takes = SL_TAKES_FREE, .act = SL_ACT_DROP },
    { .name = "source",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_OF_PLACE,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_REMOTE_MEDIA },
};
static const sl_ask_shape block_shape = { .name = "content",
                                          .members = block_members,
                                          .count = SL_COUNT_OF(block_members),
                                          .other_words = SL_FEATURE_REMOTE_MEDIA };
static const sl_ask_member block_item = { .name = "content",
                                          .takes = SL_TAKES_OBJECT,
                                          .channel = SL_CHANNEL_OF_PLACE,
                                          .shape = &block_shape };

static const sl_ask_member message_members[] = {
    { .name = "role", .takes = SL_TAKES_WORD, .words = "user|assistant" },
    { .name = "content",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_OF_PLACE,
      .items = &block_item },
};
static const sl_ask_shape message_shape = { .name = "messages",
                                            .members = message_members,
                                            .count = SL_COUNT_OF(message_members),
                                            .role_member = "role" };
static const sl_ask_member message_item = { .name = "messages",
                                            .takes = SL_TAKES_OBJECT,
                                            .channel = SL_CHANNEL_USER,
                                            .shape = &message_shape };

static const sl_ask_member tool_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "custom" },
    { .name = "name", .takes = SL_TAKES_WORD, .learn = SL_LEARN_TOOL_NAME },
    { .name = "description", .takes = SL_TAKES_TEXT, .channel = SL_CHANNEL_TOOL_DEFINITION },
    { .name = "input_schema", .takes = SL_TAKES_FREE, .channel = SL_CHANNEL_TOOL_DEFINITION },
    { .name = "cache_control", .takes = SL_TAKES_FREE, .act = SL_ACT_DROP },
};
static const sl_ask_shape tool_shape = { .name = "tools",
                                         .members = tool_members,
                                         .count = SL_COUNT_OF(tool_members),
                                         .other_words = SL_FEATURE_HOSTED_TOOLS };
static const sl_ask_member tool_item = { .name = "tools",
                                         .takes = SL_TAKES_OBJECT,
                                         .shape = &tool_shape };

static const sl_ask_member tool_choice_members[] = {
    { .name = "type", .takes = SL_TAKES_WORD, .words = "auto|any|tool|none" },
    { .name = "name", .takes = SL_TAKES_WORD },
    { .name = "disable_parallel_tool_use", .takes = SL_TAKES_BOOL },
};
static const sl_ask_shape tool_choice_shape = { .name = "tool_choice",
                                                .members = tool_choice_members,
                                                .count = SL_COUNT_OF(tool_choice_members) };

static const sl_ask_member metadata_members[] = {
    { .name = "user_id", .takes = SL_TAKES_TEXT | SL_TAKES_NULL, .channel = SL_CHANNEL_METADATA },
};
static const sl_ask_shape metadata_shape = { .name = "metadata",
                                             .members = metadata_members,
                                             .count = SL_COUNT_OF(metadata_members) };
static const sl_ask_member stop_item = { .name = "stop_sequences",
                                         .takes = SL_TAKES_TEXT,
                                         .channel = SL_CHANNEL_METADATA };

static const sl_ask_member request_members[] = {
    { .name = "model", .takes = SL_TAKES_WORD, .learn = SL_LEARN_MODEL },
    { .name = "messages", .takes = SL_TAKES_ITEMS, .items = &message_item },
    { .name = "system",
      .takes = SL_TAKES_TEXT | SL_TAKES_ITEMS,
      .channel = SL_CHANNEL_SYSTEM,
      .items = &plain_block },
    { .name = "max_tokens", .takes = SL_TAKES_INT, .learn = SL_LEARN_TOKENS_MAX },
    { .name = "stream", .takes = SL_TAKES_BOOL, .learn = SL_LEARN_STREAM },
    { .name = "stop_sequences", .takes = SL_TAKES_ITEMS, .items = &stop_item },
    { .name = "temperature", .takes = SL_TAKES_NUMBER },
    { .name = "top_p", .takes = SL_TAKES_NUMBER },
    { .name = "top_k", .takes = SL_TAKES_INT },
    { .name = "tools", .takes = SL_TAKES_ITEMS, .items = &tool_item },
    { .name = "tool_choice", .takes = SL_TAKES_OBJECT, .shape = &tool_choice_shape },
    { .name = "metadata", .takes = SL_TAKES_OBJECT, .shape = &metadata_shape },
    { .name = "service_tier", .takes = SL_TAKES_WORD, .act = SL_ACT_DROP },
    { .name = "thinking",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_THINKING },
    { .name = "container",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_STORED_STATE },
    { .name = "mcp_servers",
      .takes = SL_TAKES_FREE,
      .channel = SL_CHANNEL_METADATA,
      .act = SL_ACT_FEATURE,
      .feature = SL_FEATURE_HOSTED_TOOLS },
};
const sl_ask_shape sl_ask_anthropic_messages_request = { .name = "request",
                                                         .members = request_members,
                                                         .count = SL_COUNT_OF(request_members) };
