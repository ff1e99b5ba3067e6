/* Where the arguments of what a model does come from: flow rules.
 *
 * The caller gives every text of a conversation with its channel. Text of the data channels (tool
 * results, documents) is untrusted, text of the user and the system trusted, text that must not leave
 * protected. When the model calls a tool, writes a link or an image, its arguments are compared with
 * all of these: runs of folded words, and addresses, URLs and long numbers exactly as folded. A rule
 * (data/policies/flow.yml) then says what needs leave: "no e-mail to an address that only untrusted
 * text mentioned". Polite instructions that no model of words can tell from business mail are stopped
 * here, at what they lead to.
 *
 * Pure and linear; keeps hashes and offsets. Trusted texts are copied and indexed only when something
 * untrusted or protected joins them: until then nothing can be found.
 * An address that somebody gave in full carries out nothing; what is added to it does. Design: src/detect/README.md. */
#ifndef SL_DETECT_FLOW_H
#define SL_DETECT_FLOW_H

#include "base/json.h"
#include "detect/finding.h"

typedef struct sl_flow_rules sl_flow_rules;
typedef struct sl_flow sl_flow;

typedef enum { SL_FLOW_CALL, SL_FLOW_LINK, SL_FLOW_IMAGE, SL_FLOW_ACTION_COUNT } sl_flow_action;

/* What was found to come from elsewhere. */
typedef enum {
    SL_FLOW_EMAIL,
    SL_FLOW_URL,
    SL_FLOW_NUMBER, /* accounts, phones: seven digits or more */
    SL_FLOW_WORDS,  /* a run of words */
    SL_FLOW_NAME,   /* the tool itself was named by untrusted text only */
    SL_FLOW_FILLED, /* an address at a host that only untrusted text named, and that nobody gave so */
    SL_FLOW_VALUE_COUNT
} sl_flow_value;

enum { SL_FLOW_TRUSTED = 1, SL_FLOW_UNTRUSTED = 2, SL_FLOW_PROTECTED = 4 };

typedef struct {
    uint16_t rule;   /* sl_flow_rule_id */
    uint8_t verdict; /* sl_verdict */
    uint8_t action;  /* sl_flow_action */
    uint8_t value;   /* sl_flow_value */
    uint8_t trust;   /* of the origin */
    uint32_t words;  /* of a run */
    size_t start;    /* in the argument's text, or of the link */
    size_t end;
    uint32_t argument;  /* number of the string in the arguments, in their order */
    uint32_t message;   /* the origin, as the caller numbered it */
    uint8_t channel;    /* of the origin */
    size_t origin_from; /* in the origin's text */
    size_t origin_to;
} sl_flow_finding;

#define SL_FLOW_FINDINGS_MAX 64
typedef struct {
    sl_flow_finding items[SL_FLOW_FINDINGS_MAX];
    size_t n; /* more than fit are dropped: the verdict still counts them */
    sl_verdict verdict;
} sl_flow_findings;

/* Rules from YAML (strict, as sl_policy_load), or those that the program carries. */
SL_MUST sl_res sl_flow_rules_load(sl_view yaml, sl_flow_rules **ret_rules);
SL_MUST sl_res sl_flow_rules_load_default(sl_flow_rules **ret_rules);
void sl_flow_rules_free(sl_flow_rules *rules);
size_t sl_flow_rule_count(const sl_flow_rules *rules);
const char *sl_flow_rule_id(const sl_flow_rules *rules, uint16_t rule);
const char *sl_flow_rule_why(const sl_flow_rules *rules, uint16_t rule);

/* One conversation. Borrows the rules for its life. At most SL_FLOW_TEXT_MAX bytes of text. */
#define SL_FLOW_TEXT_MAX ((size_t)16 << 20)
SL_MUST sl_res sl_flow_new(const sl_flow_rules *rules, sl_flow **ret_flow);
void sl_flow_free(sl_flow *flow);

/* A text of the conversation, in any order. `tool` is the name of the tool whose result it is (empty
 * if none): the rules may trust some. SL_E_LIMIT, SL_E_MEMORY. */
SL_MUST sl_res sl_flow_take(sl_flow *flow, sl_channel channel, uint32_t message, sl_view tool,
                            sl_view text);
/* A text that must not leave in a link, an image or a call, whoever wrote it. */
SL_MUST sl_res sl_flow_protect(sl_flow *flow, uint32_t message, sl_view text);
/* Is there anything untrusted or protected? If not, nothing can be found. */
bool sl_flow_is_clean(const sl_flow *flow);

/* Judges a tool call: every string and number in `arguments` (NULL: none). Appends findings. */
SL_MUST sl_res sl_flow_call(const sl_flow *flow, sl_view tool, const sl_json_doc *arguments,
                            sl_flow_findings *findings);
/* Judges all links and images (Markdown, HTML, bare, mailto) of a text that the model wrote. `known`
 * (or NULL) is what else was found in it: surrogates of protected values among it count as protected.
 * Findings of links have the address as their span. `*ret_open` becomes the start of a link that goes
 * on to the text's end and may still grow, and is left as it is otherwise. */
SL_MUST sl_res sl_flow_answer(const sl_flow *flow, sl_view text, const sl_findings *known,
                              sl_flow_findings *findings, size_t *ret_open);

/* The same in the words of the detectors, for a stream: `rule` is the flow rule's number. */
sl_finding sl_flow_as_finding(const sl_flow_finding *finding);
sl_verdict sl_flow_verdict_of(const sl_flow *flow, uint16_t rule);
/* The id of a rule of the conversation's rules; lives as long as they. */
const char *sl_flow_rule_of(const sl_flow *flow, uint16_t rule);
/* One finding as a line of JSON without any text: rule, why, spans, origin. */
SL_MUST sl_res sl_flow_explain(const sl_flow_rules *rules, const sl_flow_finding *finding,
                               sl_buf *out);
const char *sl_flow_action_name(sl_flow_action action);
const char *sl_flow_value_name(sl_flow_value value);

/* Definitions of tools that the site pins: "NAME HEX", SHA-256 as the ask door makes it
 * (src/doors/ask/pins.h). Borrowed from the rules; `i` is below the count. */
size_t sl_flow_tool_pin_count(const sl_flow_rules *rules);
sl_view sl_flow_tool_pin(const sl_flow_rules *rules, size_t i);

#endif
