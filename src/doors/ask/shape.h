/* Requests by table: which members a dialect's request may have, of which type, and what is done
 * with each. One walker reads the table against the parsed document and writes a new document from
 * it: a request is never spliced, and what no table names does not pass.
 *
 * Strings that a model could read are inspected, rewritten where the policy says so, and only then
 * written; running texts that stand side by side in the conversation also as one (look.h). Adding a member of an API is one line in a dialect's table. Design: ARCHITECTURE.md
 * section 4; the tables stand in the dialects' files. */
#ifndef SL_DOORS_ASK_SHAPE_H
#define SL_DOORS_ASK_SHAPE_H

#include "base/arena.h"
#include "base/json.h"
#include "doors/ask/calls.h"
#include "doors/ask/look.h"

/* Abilities that pass only when the policy names them for the grant. */
typedef enum {
    SL_FEATURE_NONE,
    SL_FEATURE_LOGPROBS,     /* log-probabilities: they undo masking and speed up extraction */
    SL_FEATURE_REMOTE_MEDIA, /* images, audio and files by address: the model server fetches */
    SL_FEATURE_OPAQUE_PARTS, /* inline images and audio, which no detector here can read */
    SL_FEATURE_HOSTED_TOOLS, /* tools that run at the model server: search, code, MCP */
    SL_FEATURE_FILE_IDS,     /* content stored at the model server earlier */
    SL_FEATURE_STORED_STATE, /* previous_response_id, conversation */
    SL_FEATURE_BACKGROUND,   /* answers fetched later, past the door */
    SL_FEATURE_THINKING,     /* what a model says to itself, inspected in a channel of its own */
    SL_FEATURE_COUNT
} sl_ask_feature;

/* The feature's name in policies and errors ("remote_media"). */
const char *sl_ask_feature_name(sl_ask_feature feature);
bool sl_ask_feature_by_name(sl_view name, sl_ask_feature *ret_feature);

/* Types that a value may have; a member lists several by OR. */
enum {
    SL_TAKES_NULL = 1,
    SL_TAKES_BOOL = 2,
    SL_TAKES_INT = 4,
    SL_TAKES_NUMBER = 8,
    SL_TAKES_WORD = 16,      /* a short protocol word, one of `words` when given */
    SL_TAKES_TEXT = 32,      /* inspected and rewritten */
    SL_TAKES_JSON_TEXT = 64, /* a string that holds JSON: inspected inside, written anew */
    SL_TAKES_OBJECT = 128,   /* members by `shape` */
    SL_TAKES_ITEMS = 256,    /* an array whose items follow `items` */
    SL_TAKES_FREE = 512,     /* any JSON; every string, key and number in it is inspected */
};

/* What happens to a member. */
typedef enum {
    SL_ACT_PASS,
    SL_ACT_DROP,    /* read past and not written */
    SL_ACT_FALSE,   /* written as false whatever was asked */
    SL_ACT_FEATURE, /* passes as SL_ACT_PASS when `feature` is granted, else refuses */
    SL_ACT_STRIP,   /* passes when `feature` is granted, else is dropped */
} sl_ask_act;

/* What the door learns from a member on the way. */
typedef enum {
    SL_LEARN_NOTHING,
    SL_LEARN_MODEL, /* the value is replaced by the name that the model server knows */
    SL_LEARN_STREAM,
    SL_LEARN_CHOICES,
    SL_LEARN_TRIES, /* answers that the model server makes to choose from: as bounded as choices */
    SL_LEARN_PROMPTS, /* a list of prompts: each is answered by as many choices as were asked for */
    SL_LEARN_TOKENS_MAX,
    SL_LEARN_USAGE_WANTED,
    SL_LEARN_TOOL_NAME,
    SL_LEARN_ROLE, /* of the message whose members follow: sets their channel */
} sl_ask_learn;

/* In place of an sl_channel: the channel that the enclosing object's role gives. */
#define SL_CHANNEL_OF_PLACE SL_CHANNEL_COUNT

typedef struct sl_ask_shape sl_ask_shape;
typedef struct sl_ask_member {
    const char *name;
    uint16_t takes;
    uint8_t channel;                   /* sl_channel or SL_CHANNEL_OF_PLACE */
    uint8_t act;                       /* sl_ask_act */
    uint8_t feature;                   /* sl_ask_feature */
    uint8_t learn;                     /* sl_ask_learn */
    const char *words;                 /* "a|b|c": the words allowed; NULL: any word */
    const sl_ask_shape *shape;         /* for SL_TAKES_OBJECT */
    const struct sl_ask_member *items; /* for SL_TAKES_ITEMS: the rule of each item */
    bool apart;                        /* a text that is never read together with its neighbours */
} sl_ask_member;

struct sl_ask_shape {
    const char *name; /* for errors */
    const sl_ask_member *members;
    size_t count;
    const char *role_member;    /* "role": read first, gives the channel of the members; or NULL */
    sl_ask_feature other_words; /* with this feature granted, words not listed pass too */
    const char *force_false;    /* a member written as false at the end, or NULL */
};

enum { SL_ASK_TOOLS_MAX = 128, SL_ASK_CHOICES_MAX = 16 };

typedef struct {
    bool stream;
    bool usage_wanted;
    uint32_t choices;                /* 1..SL_ASK_CHOICES_MAX */
    uint64_t tokens_max;             /* 0: not said */
    sl_view tools[SL_ASK_TOOLS_MAX]; /* names declared, in the arena */
    size_t tools_n;
} sl_ask_facts;

typedef struct {
    const sl_json_doc *doc;
    sl_arena *arena; /* decoded strings; freed with the crossing */
    sl_ask_look *look;
    sl_ask_calls calls;     /* of `doc`: whose result a text is */
    uint32_t features;      /* granted, bit by sl_ask_feature */
    sl_view upstream_model; /* written in place of the model's name */
    size_t nested_max;      /* bytes of JSON held in a string */
} sl_ask_walk;

/* Write the request in `walk->doc` anew to `out` by `shape`.
 * Fails: SL_E_UNKNOWN_FIELD, SL_E_TYPE, SL_E_RANGE, SL_E_MISSING_FIELD (with the member's name from
 * the table, never from the request), SL_E_FEATURE with the feature's name, SL_E_REFUSED by policy.
 * `out` is of no use after a failure. */
SL_MUST sl_res sl_ask_shape_write(const sl_ask_walk *walk, const sl_ask_shape *shape, sl_buf *out,
                                  sl_ask_facts *ret_facts);

/* Write any JSON value anew with every string, key and number in it inspected on `channel`. */
SL_MUST sl_res sl_ask_free_write(const sl_ask_walk *walk, sl_channel channel, sl_buf *out);

#endif
