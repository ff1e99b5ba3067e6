/* The walk over a template's tokens (jinja.h): an allow-list of names, filters, tests, methods and
 * statements, and the few shapes by which a template hides what it names. It must never trust a word
 * because it is spelled in pieces; where it cannot tell it reports SL_JINJA_UNKNOWN. */
#include "artefact/format_parts.h"
#include "artefact/jinja.h"
#include "artefact/jinja_words.h"

#include "base/limits.h"
#include "base/utf8.h"

#include <string.h>

#define ARENA_BYTES_MAX (96 * SL_MIB)
/* What looks back over a block is bounded by the block: more tokens than any template needs in one. */
#define BLOCK_TOKENS_MAX ((size_t)4096)
#define VARIABLES_MAX ((size_t)512)
#define LOOPS_MAX ((size_t)16)
/* Rounds of all loops inside each other: a conversation has no thousand times a thousand turns. */
#define ROUNDS_MAX ((uint64_t)1000000)
#define SPEECH_BYTES ((size_t)80)

typedef enum { MADE_OF_DATA, MADE_OF_LITERALS, MADE_BY_BUILDING } variable_maker;

typedef struct {
    sl_view name;
    variable_maker maker;
    bool content; /* holds a message's content */
    bool macro;
    bool dated;
} variable;

typedef struct {
    const sl_jinja_token *t;
    size_t count;
    sl_jinja_report *report;
    void *context;
    variable variables[VARIABLES_MAX];
    size_t variable_count;
    uint64_t loops[LOOPS_MAX]; /* rounds of each open loop */
    size_t loop_count;
    sl_buf joined; /* scratch */
} walk;

static void report(const walk *w, sl_jinja_issue issue, const sl_jinja_token *t)
{
    w->report(w->context, issue, t->offset, t->raw);
}

/* From token `from` to token `to`: the evidence is what stands in the template between them. */
static void report_span(const walk *w, sl_jinja_issue issue, size_t from, size_t to)
{
    const sl_jinja_token *a = &w->t[from];
    const sl_jinja_token *b = &w->t[to];
    w->report(w->context, issue, a->offset,
              sl_view_of(a->raw.p, (size_t)(b->raw.p + b->raw.n - a->raw.p)));
}

static bool is_op(const walk *w, size_t i, const char *op)
{
    return i < w->count && w->t[i].kind == SL_JINJA_OP && sl_view_eq_str(w->t[i].raw, op);
}

static bool is_name(const walk *w, size_t i, const char *name)
{
    return i < w->count && w->t[i].kind == SL_JINJA_NAME && sl_view_eq_str(w->t[i].raw, name);
}

static bool is_kind(const walk *w, size_t i, sl_jinja_kind kind)
{
    return i < w->count && w->t[i].kind == kind;
}

static bool is_variable(const walk *w, size_t i)
{
    return is_kind(w, i, SL_JINJA_NAME) && !sl_word_listed(jinja_keywords, w->t[i].raw);
}

/* Does the token end a value, so that `(`, `[` or `.` behind it asks something of it? */
static bool ends_value(const walk *w, size_t i)
{
    return is_variable(w, i) || is_kind(w, i, SL_JINJA_STRING) || is_op(w, i, ")") ||
           is_op(w, i, "]") || is_op(w, i, "}");
}

static variable *find_variable(walk *w, sl_view name)
{
    for (size_t i = 0; i < w->variable_count; i++) {
        if (sl_view_eq(w->variables[i].name, name)) {
            return &w->variables[i];
        }
    }
    return NULL;
}

/* Past the table's end the name stays unknown, which is reported where it is called. */
static variable *bind(walk *w, sl_view name)
{
    variable *v = find_variable(w, name);
    if (v == NULL && w->variable_count < VARIABLES_MAX) {
        v = &w->variables[w->variable_count++];
        *v = (variable){ .name = name };
    }
    return v;
}

/* The token that closes the bracket at `open`, or `end`. */
static size_t closing(const walk *w, size_t open, size_t end)
{
    size_t depth = 0;
    for (size_t i = open; i < end; i++) {
        if (w->t[i].kind != SL_JINJA_OP) {
            continue;
        }
        if (strchr("([{", (char)w->t[i].op) != NULL && w->t[i].op < 256) {
            depth++;
        } else if (strchr(")]}", (char)w->t[i].op) != NULL && w->t[i].op < 256 && --depth == 0) {
            return i;
        }
    }
    return end;
}

static size_t opening(const walk *w, size_t close, size_t begin)
{
    size_t depth = 0;
    for (size_t i = close; i > begin; i--) {
        if (is_op(w, i, ")") || is_op(w, i, "]") || is_op(w, i, "}")) {
            depth++;
        } else if ((is_op(w, i, "(") || is_op(w, i, "[") || is_op(w, i, "{")) && --depth == 0) {
            return i;
        }
    }
    return begin;
}

static bool has_dunder(sl_view v)
{
    return sl_view_find(v, SL_LIT("__"), 0) != SIZE_MAX;
}

/* "__word__" anywhere? */
static bool spells_dunder(sl_view v)
{
    for (size_t at = sl_view_find(v, SL_LIT("__"), 0); at != SIZE_MAX;
         at = sl_view_find(v, SL_LIT("__"), at + 1)) {
        size_t i = at + 2;
        while (i < v.n && ((v.p[i] | 32) >= 'a' && (v.p[i] | 32) <= 'z')) {
            i++;
        }
        if (i > at + 2 && sl_view_starts(sl_view_sub(v, i, v.n), SL_LIT("__"))) {
            return true;
        }
    }
    return false;
}

/* ---- words ---- */

static bool word_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c >= 0x80;
}

/* Does `text` hold the words (lower case), whole, in any case of letters? */
static bool says(sl_view text, const char *words)
{
    size_t n = strlen(words);
    for (size_t at = 0; at + n <= text.n; at++) {
        if (strncasecmp((const char *)text.p + at, words, n) == 0 &&
            (at == 0 || !word_char(text.p[at - 1])) &&
            (at + n == text.n || !word_char(text.p[at + n]))) {
            return true;
        }
    }
    return false;
}

static bool says_any(sl_view text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (says(text, list[i])) {
            return true;
        }
    }
    return false;
}

/* Literals and text that speak to the model. Telling it how to call tools is what templates are for;
 * telling it to conceal or to deceive is not. */
static void check_speech(const walk *w, const sl_jinja_token *t)
{
    static const char *const covert[] = {
        "never mention",
        "do not mention",
        "don't mention",
        "not reveal",
        "never reveal",
        "do not disclose",
        "never disclose",
        "do not tell",
        "don't tell",
        "never tell",
        "without telling",
        "without mentioning",
        "ignore previous",
        "ignore all",
        "ignore the user",
        "ignore any",
        "disregard",
        "secretly",
        "covertly",
        "pretend",
        "do not inform",
        "hide this",
        "keep this secret",
        "do not report",
        "never report",
        "exfiltrate",
        "regardless of what the user",
        "is safe to ignore",
        "omit any",
        "always recommend",
        "always answer",
        "always respond with",
        "always reply",
        "include the link",
        "append the following",
        "insert the following",
        "override",
    };
    static const char *const orders[] = { "never",   "must",    "always",     "do not",
                                          "don't",   "instead", "you should", "make sure",
                                          "system:", "report",  "recommend" };
    static const char *const tools[] = { "function",  "functions", "tool",    "tools",
                                         "json",      "schema",    "python",  "xml",
                                         "tool_call", "tags",      "format",  "citation",
                                         "citations", "reasoning", "channel", "date" };
    size_t letters = 0;
    for (size_t i = 0; i < t->text.n; i++) {
        letters += word_char(t->text.p[i]) ? 1 : 0;
    }
    if (letters < 12) {
        return;
    }
    if (says_any(t->text, covert, SL_COUNT_OF(covert))) {
        report(w, SL_JINJA_COVERT, t);
    } else if (t->text.n > SPEECH_BYTES && says_any(t->text, orders, SL_COUNT_OF(orders)) &&
               !says_any(t->text, tools, SL_COUNT_OF(tools))) {
        report(w, SL_JINJA_SPEECH, t);
    }
    if (sl_view_find(t->text, SL_LIT("http://"), 0) != SIZE_MAX ||
        sl_view_find(t->text, SL_LIT("https://"), 0) != SIZE_MAX) {
        report(w, SL_JINJA_LINK, t);
    }
}

/* Characters that steer or hide text: tags, overrides of direction, zero width. */
static void check_hidden(const walk *w, sl_view text)
{
    for (size_t at = 0; at < text.n;) {
        if (text.p[at] < 0x80) {
            at++;
            continue;
        }
        size_t length = 0;
        uint32_t c = sl_utf8_next(text, at, &length);
        bool hidden = (c >= 0xE0000 && c <= 0xE007F) || (c >= 0x202A && c <= 0x202E) ||
                      (c >= 0x2066 && c <= 0x2069) || c == 0x200B || c == 0x2060 ||
                      (c == 0xFEFF && at > 0) || c == SL_UTF8_BAD;
        if (hidden) {
            w->report(w->context, SL_JINJA_HIDDEN, at, sl_view_sub(text, at, at + length));
            return;
        }
        at += length;
    }
}

/* ---- one block ---- */

/* A literal that a person would type, not a mark of the template's own. */
static bool plain_words(sl_view v)
{
    sl_view s = sl_view_trim(v);
    size_t letters = 0;
    for (size_t i = 0; i < s.n; i++) {
        letters += word_char(s.p[i]) ? 1 : 0;
    }
    return letters >= 3 && memchr("<[{/`#|(*", s.p[0], 9) == NULL &&
           sl_view_find(s, SL_LIT("<"), 0) == SIZE_MAX && !sl_word_listed(jinja_content_kinds, s);
}

static bool names_content(walk *w, size_t i)
{
    static const char content[] = " content text prompt query ";
    const sl_jinja_token *t = &w->t[i];
    if (t->kind == SL_JINJA_STRING) {
        return sl_word_listed(content, t->text);
    }
    if (t->kind != SL_JINJA_NAME) {
        return false;
    }
    bool attribute = i > 0 && is_op(w, i - 1, ".");
    const variable *v = attribute ? NULL : find_variable(w, t->raw);
    return sl_word_listed(content, t->raw) || (v != NULL && v->content);
}

/* Does the value that ends at `last` come from a message's content? Steps back over calls of string
 * methods and filters to the last accessor. */
static bool content_before(walk *w, size_t last, size_t begin)
{
    size_t i = last;
    for (size_t steps = 0; steps < 32 && i > begin; steps++) {
        if (is_op(w, i, ")")) {
            size_t open = opening(w, i, begin);
            bool call = open > begin && is_kind(w, open - 1, SL_JINJA_NAME) &&
                        !sl_word_listed(jinja_keywords, w->t[open - 1].raw);
            begin = call ? begin : open;
            i = call ? open - 1 : i - 1;
            continue;
        }
        if (is_op(w, i, "]")) {
            size_t open = opening(w, i, begin);
            if (open + 2 == i && is_kind(w, open + 1, SL_JINJA_STRING)) {
                return names_content(w, open + 1);
            }
            i = open > begin ? open - 1 : begin; /* an index or a slice of it */
            continue;
        }
        if (!is_kind(w, i, SL_JINJA_NAME)) {
            return false;
        }
        bool piped = is_op(w, i - 1, "|");
        bool method = is_op(w, i - 1, ".") && sl_word_listed(jinja_methods, w->t[i].raw);
        if ((!piped && !method) || i < begin + 2) {
            return names_content(w, i);
        }
        i -= 2;
    }
    return false;
}

/* Does the value that begins at `first` come from a message's content? */
static bool content_after(walk *w, size_t first, size_t end)
{
    size_t i = first;
    while (is_op(w, i, "(")) {
        i++;
    }
    for (size_t last = i; last < end; last++) {
        bool goes_on = is_kind(w, last, SL_JINJA_NAME)
                           ? !sl_word_listed(jinja_keywords, w->t[last].raw)
                           : is_op(w, last, ".") || is_op(w, last, "|");
        if (is_op(w, last, "[") || is_op(w, last, "(")) {
            last = closing(w, last, end);
            goes_on = true;
        }
        if (!goes_on) {
            return last > i && content_before(w, last - 1, i > 0 ? i - 1 : 0);
        }
    }
    return content_before(w, end - 1, i > 0 ? i - 1 : 0);
}

static bool dated(walk *w, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        const variable *v = is_variable(w, i) ? find_variable(w, w->t[i].raw) : NULL;
        if (is_name(w, i, "strftime_now") || (v != NULL && v->dated)) {
            return true;
        }
    }
    return false;
}

/* A literal at `i` that the conversation is compared with. */
static bool compares_content(walk *w, size_t i, size_t begin, size_t end)
{
    static const char asking[] =
        " startswith endswith find rfind index rindex count removeprefix removesuffix split partition"
        " search match contains ";
    if (is_name(w, i + 1, "in") || (is_name(w, i + 1, "not") && is_name(w, i + 2, "in"))) {
        return content_after(w, i + (is_name(w, i + 1, "in") ? 2 : 3), end);
    }
    if (is_op(w, i + 1, "==") || is_op(w, i + 1, "!=")) {
        return content_after(w, i + 2, end);
    }
    if (i > begin + 1 && (is_op(w, i - 1, "==") || is_op(w, i - 1, "!="))) {
        return content_before(w, i - 2, begin);
    }
    if (i > begin + 3 && is_op(w, i - 1, "(") && is_op(w, i - 3, ".") &&
        is_kind(w, i - 2, SL_JINJA_NAME) && sl_word_listed(asking, w->t[i - 2].raw)) {
        return content_before(w, i - 4, begin);
    }
    if (i > begin + 3 && is_op(w, i - 1, "(") && is_name(w, i - 3, "is")) {
        return content_before(w, i - 4, begin); /* content is equalto('...') */
    }
    /* messages | selectattr('content', 'equalto', '...') */
    return i > begin + 5 && is_op(w, i - 1, ",") && is_kind(w, i - 2, SL_JINJA_STRING) &&
           is_op(w, i - 3, ",") && is_kind(w, i - 4, SL_JINJA_STRING) && names_content(w, i - 4);
}

static void check_trigger(walk *w, size_t i, size_t begin, size_t end)
{
    const sl_jinja_token *t = &w->t[i];
    if (plain_words(t->text) && compares_content(w, i, begin, end)) {
        report_span(w, SL_JINJA_TRIGGER, begin + 1, end - 1);
        return;
    }
    bool digits = t->text.n > 0 && t->text.p[0] >= '0' && t->text.p[0] <= '9';
    bool compared = false;
    for (size_t k = 0; k < 2; k++) {
        size_t j = k == 0 ? i + 1 : i - 1;
        compared |= is_op(w, j, "==") || is_op(w, j, "!=") || is_op(w, j, ">") ||
                    is_op(w, j, "<") || is_op(w, j, ">=") || is_op(w, j, "<=");
    }
    if (digits && compared && dated(w, begin, end)) {
        report_span(w, SL_JINJA_TRIGGER, begin + 1, end - 1);
    }
}

static void check_string(walk *w, size_t i, size_t begin, size_t end)
{
    const sl_jinja_token *t = &w->t[i];
    if (has_dunder(t->text)) {
        report(w, SL_JINJA_ESCAPE, t);
    } else if (t->escaped) {
        report(w, SL_JINJA_DISGUISE, t);
    }
    if (!is_name(w, i - 2,
                 "raise_exception")) { /* what it says goes to the caller, not to the model */
        check_speech(w, t);
    }
    check_trigger(w, i, begin, end);
}

/* A format spelled out right before the method, whose fields reach into nothing. */
static bool plain_format(const walk *w, size_t i)
{
    sl_view text = i >= 2 && is_kind(w, i - 2, SL_JINJA_STRING) ? w->t[i - 2].text : (sl_view){ 0 };
    bool field = false;
    for (size_t k = 0; k < text.n; k++) {
        field = text.p[k] == '{' || (field && text.p[k] != '}');
        if (field && (text.p[k] == '.' || text.p[k] == '[' || text.p[k] == '_')) {
            return false;
        }
    }
    return text.n > 0;
}

static void check_attribute(walk *w, size_t i)
{
    const sl_jinja_token *t = &w->t[i];
    if (t->raw.p[0] == '_' || has_dunder(t->raw) || sl_word_listed(jinja_attributes_out, t->raw)) {
        report(w, SL_JINJA_ESCAPE, t);
    } else if (is_op(w, i + 1, "(") && !sl_word_listed(jinja_methods, t->raw)) {
        bool field = sl_view_eq_str(t->raw, "format") || sl_view_eq_str(t->raw, "format_map");
        report(w, field && !plain_format(w, i) ? SL_JINJA_ESCAPE : SL_JINJA_UNKNOWN, t);
    }
}

/* The names of attributes and of filters that a filter takes as text must be spelled out. */
static void check_filter_arguments(walk *w, size_t i, size_t end)
{
    static const char by_name[] =
        " map selectattr rejectattr groupby sort sum unique min max select reject ";
    size_t open = i + 1;
    if (!is_op(w, open, "(") || !sl_word_listed(by_name, w->t[i].raw)) {
        return;
    }
    size_t close = closing(w, open, end);
    for (size_t k = open + 1; k < close; k++) {
        const sl_jinja_token *t = &w->t[k];
        bool is_attribute = is_name(w, k - 2, "attribute") && is_op(w, k - 1, "=");
        if (t->kind == SL_JINJA_STRING && is_name(w, i, "map") && k == open + 1) {
            if (sl_word_listed(jinja_filters_out, t->text)) {
                report(w, SL_JINJA_ESCAPE, t);
            } else if (!sl_word_listed(jinja_filters, t->text)) {
                report(w, SL_JINJA_UNKNOWN, t);
            }
        }
        bool spelled = t->kind == SL_JINJA_STRING && (is_op(w, k + 1, ")") || is_op(w, k + 1, ","));
        bool needs =
            is_attribute || (k == open + 1 && !is_op(w, k + 1, "=") &&
                             sl_word_listed(" map selectattr rejectattr groupby ", w->t[i].raw));
        if (needs && !spelled) {
            report_span(w, SL_JINJA_DISGUISE, i, close < end ? close : end - 1);
        } else if (needs && t->text.n > 0 && t->text.p[0] == '_') {
            report(w, SL_JINJA_ESCAPE, t);
        }
    }
}

static void check_filter(walk *w, size_t i, size_t begin, size_t end)
{
    const sl_jinja_token *t = &w->t[i];
    if (sl_word_listed(jinja_filters_out, t->raw)) {
        report(w, SL_JINJA_ESCAPE, t);
    } else if (!sl_word_listed(jinja_filters, t->raw)) {
        report(w, SL_JINJA_UNKNOWN, t);
    }
    bool replaces = sl_view_eq_str(t->raw, "replace") && i > begin + 2;
    if (replaces && is_kind(w, i - 2, SL_JINJA_STRING)) {
        report_span(w, SL_JINJA_DISGUISE, i - 2, i);
    }
    check_filter_arguments(w, i, end);
}

static void check_name(walk *w, size_t i, size_t begin, size_t end)
{
    const sl_jinja_token *t = &w->t[i];
    if (has_dunder(t->raw)) {
        report(w, SL_JINJA_ESCAPE, t);
        return;
    }
    if (i > begin + 1 && is_op(w, i - 1, ".")) {
        check_attribute(w, i);
        return;
    }
    if (i > begin + 1 && is_op(w, i - 1, "|")) {
        check_filter(w, i, begin, end);
        return;
    }
    bool test = is_name(w, i - 1, "is") || (is_name(w, i - 1, "not") && is_name(w, i - 2, "is"));
    if (test) {
        if (!sl_view_eq_str(t->raw, "not") && !sl_word_listed(jinja_tests, t->raw)) {
            report(w, SL_JINJA_UNKNOWN, t);
        }
        return;
    }
    bool call = is_op(w, i + 1, "(");
    const variable *v = find_variable(w, t->raw);
    bool argument = is_op(w, i + 1, "=") && !is_op(w, i + 1, "==");
    if (sl_word_listed(jinja_keywords, t->raw) || argument || (v != NULL && (v->macro || !call))) {
        return;
    }
    bool asked = call || is_op(w, i + 1, ".") || is_op(w, i + 1, "[") || is_op(w, i + 1, "|");
    if (sl_word_listed(jinja_names_out, t->raw) ||
        (asked && sl_word_listed(jinja_names_doubtful, t->raw))) {
        report_span(w, SL_JINJA_ESCAPE, i, end - 1);
    } else if (call && !sl_word_listed(jinja_callables, t->raw)) {
        report(w, SL_JINJA_UNKNOWN, t);
    }
}

/* What a key between brackets is made of. */
static void check_key(walk *w, size_t open, size_t close)
{
    bool data = false;
    bool built = false;
    bool filtered = false;
    size_t strings = 0;
    for (size_t i = open + 1; i < close; i++) {
        const sl_jinja_token *t = &w->t[i];
        if (is_op(w, i, "[") || is_op(w, i, "(")) {
            data = true;
            i = closing(w, i, close);
            continue;
        }
        const variable *v = is_variable(w, i) ? find_variable(w, t->raw) : NULL;
        bool accessor = is_op(w, i - 1, ".") || is_op(w, i - 1, "|");
        strings += t->kind == SL_JINJA_STRING ? 1 : 0;
        data |= is_variable(w, i) && !accessor && (v == NULL || v->maker == MADE_OF_DATA);
        built |=
            (v != NULL && v->maker == MADE_BY_BUILDING) || is_op(w, i, "~") || is_op(w, i, "%");
        built |= is_op(w, i, "+") && (strings > 0 || is_kind(w, i + 1, SL_JINJA_STRING));
        filtered |= is_op(w, i - 1, "|") &&
                    sl_word_listed(" join replace format reverse list string map ", t->raw);
    }
    if (close == open + 2 && strings == 1 && w->t[open + 1].text.n > 0 &&
        w->t[open + 1].text.p[0] == '_') {
        report(w, SL_JINJA_ESCAPE, &w->t[open + 1]);
    } else if ((built && !data) || filtered) {
        report_span(w, SL_JINJA_DISGUISE, open, close);
    }
}

static void check_operator(walk *w, size_t i, size_t begin, size_t end)
{
    const sl_jinja_token *t = &w->t[i];
    bool of_value = i > begin + 1 && ends_value(w, i - 1);
    if (is_op(w, i, "**")) {
        report_span(w, SL_JINJA_ENDLESS, i > begin + 1 ? i - 1 : i, i + 1 < end ? i + 1 : i);
    } else if (is_op(w, i, "*") && is_kind(w, i + 1, SL_JINJA_NUMBER) && w->t[i + 1].raw.n > 4) {
        report_span(w, SL_JINJA_ENDLESS, i, i + 1);
    } else if (is_op(w, i, "[") && of_value) {
        size_t close = closing(w, i, end);
        if (close < end) {
            check_key(w, i, close);
        }
    } else if (is_op(w, i, "(") && of_value && !is_kind(w, i - 1, SL_JINJA_NAME)) {
        report(w, SL_JINJA_ESCAPE, t); /* a call of something computed */
    } else if (is_op(w, i, "%") && i > begin + 1 && is_kind(w, i - 1, SL_JINJA_STRING)) {
        report(w, SL_JINJA_DISGUISE, t);
    } else if (is_op(w, i, ":") && is_op(w, i + 1, ":") && is_op(w, i + 2, "-") && i > begin + 2 &&
               is_kind(w, i - 2, SL_JINJA_STRING)) {
        report(w, SL_JINJA_DISGUISE, t); /* a literal read backwards */
    }
}

/* The literals of one block, one behind the other, may spell what none of them does. */
static sl_res check_joined(walk *w, size_t begin, size_t end)
{
    sl_buf_clear(&w->joined);
    size_t pieces = 0;
    for (size_t i = begin; i < end; i++) {
        if (w->t[i].kind == SL_JINJA_STRING) {
            if (has_dunder(w->t[i].text)) {
                return SL_DONE; /* was reported */
            }
            pieces++;
            SL_TRY(sl_buf_add(&w->joined, w->t[i].text));
        }
    }
    if (pieces > 1 && spells_dunder(sl_buf_view(&w->joined))) {
        report_span(w, SL_JINJA_ESCAPE, begin + 1, end - 1);
    }
    return SL_DONE;
}

/* ---- statements ---- */

/* The rounds that `range(...)` between two tokens asks for, UINT64_MAX if its numbers are computed. */
static uint64_t rounds(const walk *w, size_t begin, size_t end)
{
    uint64_t most = 1;
    for (size_t i = begin; i < end; i++) {
        if (!is_name(w, i, "range") || !is_op(w, i + 1, "(")) {
            continue;
        }
        size_t close = closing(w, i + 1, end);
        for (size_t k = i + 2; k < close; k++) {
            uint64_t value = 0;
            if (is_op(w, k, "**") || (is_op(w, k, "*") && is_kind(w, k + 1, SL_JINJA_NUMBER))) {
                return UINT64_MAX;
            }
            if (w->t[k].kind != SL_JINJA_NUMBER) {
                continue;
            }
            if (!sl_ok(sl_parse_u64(w->t[k].raw, UINT64_MAX, &value))) {
                return UINT64_MAX; /* 1e9, 1_000_000, 0x7fffffff */
            }
            most = value > most ? value : most;
        }
    }
    return most;
}

static void open_loop(walk *w, size_t begin, size_t end)
{
    uint64_t own = rounds(w, begin, end);
    uint64_t all = own;
    for (size_t i = 0; i < w->loop_count; i++) {
        all = __builtin_mul_overflow(all, w->loops[i], &all) ? UINT64_MAX : all;
    }
    if (all > ROUNDS_MAX || w->loop_count == LOOPS_MAX) {
        report_span(w, SL_JINJA_ENDLESS, begin + 1, end - 1);
    }
    if (w->loop_count < LOOPS_MAX) {
        w->loops[w->loop_count++] = own;
    }
}

static variable describe(walk *w, size_t from, size_t end)
{
    variable made = { .maker = MADE_OF_LITERALS };
    bool built = false;
    for (size_t i = from; i < end; i++) {
        const sl_jinja_token *t = &w->t[i];
        bool accessor = is_op(w, i - 1, ".") || is_op(w, i - 1, "|");
        const variable *v = is_variable(w, i) && !accessor ? find_variable(w, t->raw) : NULL;
        if (is_variable(w, i) && !accessor && (v == NULL || v->maker == MADE_OF_DATA)) {
            made.maker = MADE_OF_DATA;
        }
        built |= v != NULL && v->maker == MADE_BY_BUILDING;
        built |= is_op(w, i, "~") || is_op(w, i, "+") || is_op(w, i, "%");
        built |=
            accessor && sl_word_listed(" join replace format reverse list lower upper ", t->raw);
        made.dated |= is_name(w, i, "strftime_now") || (v != NULL && v->dated);
    }
    if (made.maker == MADE_OF_LITERALS && built) {
        made.maker = MADE_BY_BUILDING;
    }
    made.content = made.maker == MADE_OF_DATA && end > from && content_before(w, end - 1, from - 1);
    return made;
}

/* `set a, b = ...`: the names before the sign are bound. What is known of the value is kept if it is
 * the first that they hold or worse than what they held. */
static void bind_set(walk *w, size_t begin, size_t end)
{
    size_t sign = begin;
    while (sign < end && !is_op(w, sign, "=")) {
        sign++;
    }
    variable made = sign < end ? describe(w, sign + 1, end) : (variable){ 0 };
    for (size_t i = begin; i < sign; i++) {
        if (!is_variable(w, i) || is_op(w, i - 1, ".")) {
            continue;
        }
        bool fresh = find_variable(w, w->t[i].raw) == NULL;
        variable *v = bind(w, w->t[i].raw);
        if (v != NULL) {
            v->maker = fresh || made.maker > v->maker ? made.maker : v->maker;
            v->content |= made.content;
            v->dated |= made.dated;
        }
    }
}

static void bind_names(walk *w, size_t begin, size_t end, const char *until)
{
    for (size_t i = begin; i < end && !is_name(w, i, until); i++) {
        if (is_variable(w, i) && (is_op(w, i - 1, "(") || is_op(w, i - 1, ",") || i == begin)) {
            (void)bind(w, w->t[i].raw);
        }
    }
}

/* `for c in message.content`: parts of a content are content. */
static void bind_loop(walk *w, size_t begin, size_t end)
{
    size_t in = begin;
    while (in < end && !is_name(w, in, "in")) {
        in++;
    }
    bind_names(w, begin, in, "in");
    variable *v = in == begin + 1 ? find_variable(w, w->t[begin].raw) : NULL;
    if (v != NULL && in + 1 < end && content_after(w, in + 1, end)) {
        v->content = true;
    }
}

static void check_statement(walk *w, size_t begin, size_t end)
{
    const sl_jinja_token *tag = &w->t[begin + 1];
    if (tag->kind != SL_JINJA_NAME) {
        report(w, SL_JINJA_BROKEN, tag);
        return;
    }
    sl_view name = tag->raw;
    if (sl_word_listed(jinja_tags_out, name)) {
        report_span(w, SL_JINJA_ESCAPE, begin + 1, end - 1);
    } else if (!sl_word_listed(jinja_tags, name)) {
        report(w, SL_JINJA_UNKNOWN, tag);
    }
    if (sl_view_eq_str(name, "for")) {
        open_loop(w, begin, end);
        bind_loop(w, begin + 2, end);
    } else if (sl_view_eq_str(name, "endfor")) {
        w->loop_count -= w->loop_count > 0 ? 1 : 0;
    } else if (sl_view_eq_str(name, "set") || sl_view_eq_str(name, "with")) {
        bind_set(w, begin + 2, end);
    } else if (sl_view_eq_str(name, "macro") || sl_view_eq_str(name, "call")) {
        bind_names(w, begin + 2, end, "=");
    } else if (sl_view_eq_str(name, "filter") && is_kind(w, begin + 2, SL_JINJA_NAME)) {
        check_filter(w, begin + 2, begin, end);
    }
}

/* Macros may be called before they are written down. */
static void bind_macros(walk *w)
{
    for (size_t i = 0; i + 2 < w->count; i++) {
        if (w->t[i].kind == SL_JINJA_OPEN && is_name(w, i + 1, "macro") &&
            is_kind(w, i + 2, SL_JINJA_NAME)) {
            variable *v = bind(w, w->t[i + 2].raw);
            if (v != NULL) {
                v->macro = true;
            }
        }
    }
}

static sl_res check_block(walk *w, size_t begin, size_t end)
{
    bool statement = w->t[begin].op == '%';
    if (end - begin > BLOCK_TOKENS_MAX) {
        w->report(w->context, SL_JINJA_ENDLESS, w->t[begin].offset,
                  SL_LIT("a block of thousands of tokens"));
        end = begin + BLOCK_TOKENS_MAX;
    }
    if (statement) {
        check_statement(w, begin, end);
    } else if (rounds(w, begin, end) > ROUNDS_MAX) {
        report_span(w, SL_JINJA_ENDLESS, begin + 1, end - 1);
    }
    for (size_t i = begin + (statement ? 2 : 1); i < end; i++) {
        switch (w->t[i].kind) {
        case SL_JINJA_NAME:
            check_name(w, i, begin, end);
            break;
        case SL_JINJA_STRING:
            check_string(w, i, begin, end);
            break;
        case SL_JINJA_OP:
            check_operator(w, i, begin, end);
            break;
        case SL_JINJA_TEXT:
        case SL_JINJA_NUMBER:
        case SL_JINJA_OPEN:
        case SL_JINJA_CLOSE:
            break;
        }
    }
    return check_joined(w, begin, end);
}

static sl_res check_tokens(walk *w)
{
    bind_macros(w);
    for (size_t i = 0; i < w->count; i++) {
        if (w->t[i].kind == SL_JINJA_TEXT) {
            check_speech(w, &w->t[i]);
        } else if (w->t[i].kind == SL_JINJA_OPEN) {
            size_t end = i + 1;
            while (end < w->count && w->t[end].kind != SL_JINJA_CLOSE) {
                end++;
            }
            if (end > i + 1) {
                SL_TRY(check_block(w, i, end));
            }
            i = end;
        }
    }
    return SL_DONE;
}

sl_res sl_jinja_check(sl_view text, sl_jinja_report *report_issue, void *context)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = ARENA_BYTES_MAX };
    sl_jinja_tokens tokens = { 0 };
    sl_res r = sl_jinja_lex(text, &arena, &tokens);
    if (!sl_ok(r)) {
        report_issue(context, sl_is(r, SL_E_LIMIT) ? SL_JINJA_ENDLESS : SL_JINJA_BROKEN, 0,
                     sl_view_sub(text, 0, 60));
        /* What stands in it is read all the same: engines differ in what they refuse. */
        for (const char *const *word =
                 (const char *const[]){ "__", "lipsum", "cycler", "import", NULL };
             *word != NULL; word++) {
            size_t at = sl_view_find(text, sl_view_str(*word), 0);
            if (at != SIZE_MAX) {
                report_issue(context, SL_JINJA_ESCAPE, at, sl_view_sub(text, at, at + 60));
            }
        }
        return SL_DONE;
    }
    walk *w = sl_arena_alloc(&arena, sizeof(*w));
    SL_NEED(w != NULL, SL_E_MEMORY);
    *w = (walk){
        .t = tokens.items, .count = tokens.count, .report = report_issue, .context = context
    };
    w->joined.max = SL_JINJA_BYTES_MAX;
    check_hidden(w, text);
    sl_res done = check_tokens(w);
    sl_buf_free(&w->joined);
    return done;
}
