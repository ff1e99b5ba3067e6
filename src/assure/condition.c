/* Parsing and running conditions (condition.h). Two stacks while parsing (Dijkstra's shunting yard),
 * one while running. */
#include "assure/condition.h"

#include <math.h>

typedef enum {
    OP_CONSTANT,
    OP_NAME,
    OP_NOW,
    OP_EQUAL,
    OP_UNEQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_IN, /* `count` values above the one looked for */
    OP_NOT_IN,
    OP_IN_NAMED, /* the value above is a text of words */
    OP_NOT_IN_NAMED,
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_NEGATE,
    OP_ABS,
    OP_NOT,
    OP_AND,
    OP_OR,
    OP_OPEN, /* parser only: a parenthesis */
} op_kind;

typedef struct {
    op_kind kind;
    size_t count; /* OP_IN */
    sl_value value;
    sl_view scope;
    sl_view name;
} op;

struct sl_condition {
    size_t count;
    op ops[];
};

typedef struct {
    sl_view text;
    size_t at;
    bool bare_words;
    bool want_value; /* an operand must come next */
    bool after_comparison;
    size_t open;
    op out[SL_CONDITION_OPS_MAX];
    size_t out_count;
    op stack[SL_CONDITION_OPS_MAX];
    size_t stack_count;
} parser;

static int strength(op_kind kind)
{
    switch ((int)kind) {
    case OP_OR:
        return 1;
    case OP_AND:
        return 2;
    case OP_NOT:
        return 3;
    case OP_EQUAL:
    case OP_UNEQUAL:
    case OP_LESS:
    case OP_LESS_EQUAL:
    case OP_GREATER:
    case OP_GREATER_EQUAL:
        return 4;
    case OP_ADD:
    case OP_SUBTRACT:
        return 5;
    case OP_MULTIPLY:
    case OP_DIVIDE:
        return 6;
    case OP_NEGATE:
        return 7;
    default:
        return 0; /* parentheses and functions are popped by their ')' */
    }
}

static sl_res bad_at(const parser *p, const char *what)
{
    return sl_fail_at(SL_E_SYNTAX, what, p->at);
}

static sl_res emit(parser *p, op one)
{
    SL_NEED(p->out_count < SL_CONDITION_OPS_MAX, SL_E_LIMIT);
    p->out[p->out_count++] = one;
    return SL_DONE;
}

static sl_res push_operator(parser *p, op one)
{
    bool prefix =
        one.kind == OP_NOT || one.kind == OP_NEGATE || one.kind == OP_OPEN || one.kind == OP_ABS;
    while (!prefix && p->stack_count > 0) {
        op top = p->stack[p->stack_count - 1];
        if (top.kind == OP_OPEN || top.kind == OP_ABS || strength(top.kind) < strength(one.kind)) {
            break;
        }
        SL_TRY(emit(p, top));
        p->stack_count--;
    }
    SL_NEED(p->stack_count < SL_CONDITION_OPS_MAX, SL_E_LIMIT);
    p->stack[p->stack_count++] = one;
    return SL_DONE;
}

static void skip_space(parser *p)
{
    while (p->at < p->text.n && (p->text.p[p->at] == ' ' || p->text.p[p->at] == '\n')) {
        p->at++;
    }
}

static bool word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

/* The word at `at` (letters, digits, '_' and '.'), without moving. */
static sl_view word_at(const parser *p)
{
    size_t to = p->at;
    while (to < p->text.n && word_byte(p->text.p[to])) {
        to++;
    }
    return sl_view_sub(p->text, p->at, to);
}

sl_res sl_duration_parse(sl_view text, int64_t *ret_ms)
{
    static const struct {
        sl_view unit;
        int64_t ms;
    } units[] = {
        { SL_LIT("ms"), 1 },      { SL_LIT("s"), 1000 },     { SL_LIT("m"), 60000 },
        { SL_LIT("h"), 3600000 }, { SL_LIT("d"), 86400000 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(units); i++) {
        if (sl_view_ends(text, units[i].unit)) {
            uint64_t n = 0;
            sl_view digits = sl_view_sub(text, 0, text.n - units[i].unit.n);
            if (sl_ok(sl_parse_u64(digits, 1000000, &n))) {
                *ret_ms = (int64_t)n * units[i].ms;
                return SL_DONE;
            }
        }
    }
    return sl_fail_at(SL_E_SYNTAX, "duration", SL_NOWHERE);
}

/* A number ("0.99", "259200") or a duration ("8h", in seconds). */
static sl_res number_or_duration(const parser *p, sl_view word, sl_value *ret_value)
{
    int64_t ms = 0;
    if (sl_ok(sl_duration_parse(word, &ms))) {
        *ret_value = (sl_value){ .kind = SL_VALUE_NUMBER, .number = (double)ms / 1000.0 };
        return SL_DONE;
    }
    sl_view whole;
    sl_view fraction;
    bool dotted = sl_view_cut(word, '.', &whole, &fraction);
    uint64_t n = 0;
    if (!sl_ok(sl_parse_u64(whole, (uint64_t)1 << 53, &n)) || (dotted && fraction.n == 0) ||
        fraction.n > 9) {
        return bad_at(p, "number");
    }
    double value = (double)n;
    double place = 0.1;
    for (size_t i = 0; i < fraction.n; i++) {
        if (fraction.p[i] < '0' || fraction.p[i] > '9') {
            return bad_at(p, "number");
        }
        value += place * (fraction.p[i] - '0');
        place /= 10;
    }
    *ret_value = (sl_value){ .kind = SL_VALUE_NUMBER, .number = value };
    return SL_DONE;
}

static bool constant_word(sl_view word, sl_value *ret_value)
{
    if (sl_view_eq(word, SL_LIT("true")) || sl_view_eq(word, SL_LIT("false"))) {
        *ret_value = (sl_value){ .kind = SL_VALUE_BOOL, .boolean = word.p[0] == 't' };
        return true;
    }
    if (sl_view_eq(word, SL_LIT("null"))) {
        *ret_value = (sl_value){ .kind = SL_VALUE_NULL, .boolean = true };
        return true;
    }
    return false;
}

static sl_res quoted_text(parser *p, sl_value *ret_value)
{
    size_t end = sl_view_find_byte(p->text, '\'', p->at + 1);
    if (end == SIZE_MAX) {
        return bad_at(p, "closing quote");
    }
    *ret_value = (sl_value){ .kind = SL_VALUE_TEXT, .text = sl_view_sub(p->text, p->at + 1, end) };
    p->at = end + 1;
    return SL_DONE;
}

/* A word where a value is wanted: constant, number, name or literal. */
static sl_res value_word(parser *p, sl_view word)
{
    op one = { .kind = OP_CONSTANT };
    if (word.p[0] >= '0' && word.p[0] <= '9') {
        SL_TRY(number_or_duration(p, word, &one.value));
    } else if (sl_view_eq(word, SL_LIT("now"))) {
        one.kind = OP_NOW;
    } else if (!constant_word(word, &one.value)) {
        bool dotted = sl_view_find_byte(word, '.', 0) != SIZE_MAX;
        if (p->bare_words && p->after_comparison && !dotted) {
            one.value = (sl_value){ .kind = SL_VALUE_TEXT, .text = word };
        } else {
            one.kind = OP_NAME;
            if (!dotted) {
                one.name = word;
            } else if (!sl_view_cut(word, '.', &one.scope, &one.name) || one.scope.n == 0 ||
                       one.name.n == 0) {
                return bad_at(p, "name");
            }
        }
    }
    p->at += word.n;
    p->want_value = false;
    return emit(p, one);
}

static sl_res read_operand(parser *p)
{
    uint8_t c = p->text.p[p->at];
    if (c == '(') {
        p->at++;
        p->open++;
        return push_operator(p, (op){ .kind = OP_OPEN });
    }
    if (c == '-') {
        p->at++;
        return push_operator(p, (op){ .kind = OP_NEGATE });
    }
    if (c == '\'') {
        op one = { .kind = OP_CONSTANT };
        SL_TRY(quoted_text(p, &one.value));
        p->want_value = false;
        return emit(p, one);
    }
    sl_view word = word_at(p);
    if (word.n == 0) {
        return bad_at(p, "value");
    }
    if (sl_view_eq(word, SL_LIT("NOT"))) {
        p->at += word.n;
        return push_operator(p, (op){ .kind = OP_NOT });
    }
    if (sl_view_eq(word, SL_LIT("abs"))) {
        p->at += word.n;
        skip_space(p);
        if (p->at >= p->text.n || p->text.p[p->at] != '(') {
            return bad_at(p, "abs(");
        }
        p->at++;
        p->open++;
        SL_TRY(push_operator(p, (op){ .kind = OP_ABS }));
        return SL_DONE;
    }
    return value_word(p, word);
}

/* A name behind IN ("policy.purposes"): it answers with words separated by blanks. */
static sl_res read_named_list(parser *p, op_kind kind)
{
    sl_view word = word_at(p);
    op name = { .kind = OP_NAME };
    if (!sl_view_cut(word, '.', &name.scope, &name.name) || name.scope.n == 0 || name.name.n == 0) {
        return bad_at(p, "list after IN");
    }
    p->at += word.n;
    p->want_value = false;
    SL_TRY(emit(p, name));
    return emit(p, (op){ .kind = kind == OP_IN ? OP_IN_NAMED : OP_NOT_IN_NAMED });
}

/* The list behind IN: values in parentheses, bare words being literals. */
static sl_res read_list(parser *p, op_kind kind)
{
    skip_space(p);
    if (p->at >= p->text.n || p->text.p[p->at] != '(') {
        return read_named_list(p, kind);
    }
    p->at++;
    size_t count = 0;
    for (;;) {
        skip_space(p);
        op one = { .kind = OP_CONSTANT };
        if (p->at < p->text.n && p->text.p[p->at] == '\'') {
            SL_TRY(quoted_text(p, &one.value));
        } else {
            sl_view word = word_at(p);
            if (word.n == 0) {
                return bad_at(p, "list value");
            }
            one.value = (sl_value){ .kind = SL_VALUE_TEXT, .text = word };
            p->at += word.n;
        }
        SL_TRY(emit(p, one));
        count++;
        skip_space(p);
        uint8_t c = p->at < p->text.n ? p->text.p[p->at] : 0;
        p->at += c != 0;
        if (c == ')') {
            break;
        }
        if (c != ',' || count >= SL_CONDITION_STACK_MAX - 2) {
            return bad_at(p, "list");
        }
    }
    return emit(p, (op){ .kind = kind, .count = count });
}

static sl_res close_parenthesis(parser *p)
{
    p->at++;
    p->open--;
    while (p->stack_count > 0) {
        op top = p->stack[--p->stack_count];
        if (top.kind == OP_OPEN) {
            return SL_DONE;
        }
        SL_TRY(emit(p, top));
        if (top.kind == OP_ABS) {
            return SL_DONE;
        }
    }
    return bad_at(p, "parenthesis");
}

static op_kind symbol_operator(const parser *p, size_t *ret_length)
{
    static const struct {
        sl_view symbol;
        op_kind kind;
    } symbols[] = {
        { SL_LIT("!="), OP_UNEQUAL },
        { SL_LIT("<="), OP_LESS_EQUAL },
        { SL_LIT(">="), OP_GREATER_EQUAL },
        { SL_LIT("="), OP_EQUAL },
        { SL_LIT("<"), OP_LESS },
        { SL_LIT(">"), OP_GREATER },
        { SL_LIT("+"), OP_ADD },
        { SL_LIT("-"), OP_SUBTRACT },
        { SL_LIT("*"), OP_MULTIPLY },
        { SL_LIT("/"), OP_DIVIDE },
    };
    sl_view rest = sl_view_sub(p->text, p->at, p->text.n);
    for (size_t i = 0; i < SL_COUNT_OF(symbols); i++) {
        if (sl_view_starts(rest, symbols[i].symbol)) {
            *ret_length = symbols[i].symbol.n;
            return symbols[i].kind;
        }
    }
    return OP_OPEN;
}

static sl_res read_operator(parser *p)
{
    if (p->text.p[p->at] == ')') {
        return close_parenthesis(p);
    }
    size_t length = 0;
    op_kind kind = symbol_operator(p, &length);
    sl_view word = word_at(p);
    if (kind != OP_OPEN) {
        p->after_comparison = strength(kind) == 4;
    } else if (sl_view_eq(word, SL_LIT("AND"))) {
        kind = OP_AND;
    } else if (sl_view_eq(word, SL_LIT("OR"))) {
        kind = OP_OR;
    } else if (sl_view_eq(word, SL_LIT("IN"))) {
        p->at += word.n;
        return read_list(p, OP_IN);
    } else if (sl_view_eq(word, SL_LIT("NOT"))) {
        p->at += word.n;
        skip_space(p);
        word = word_at(p);
        if (!sl_view_eq(word, SL_LIT("IN"))) {
            return bad_at(p, "NOT IN");
        }
        p->at += word.n;
        return read_list(p, OP_NOT_IN);
    } else {
        return bad_at(p, "operator");
    }
    if (kind == OP_AND || kind == OP_OR) {
        length = word.n;
        p->after_comparison = false;
    }
    p->at += length;
    p->want_value = true;
    return push_operator(p, (op){ .kind = kind });
}

static bool at_end(const parser *p, const char *const *ends, size_t ends_count)
{
    if (p->at >= p->text.n) {
        return true;
    }
    sl_view word = word_at(p);
    for (size_t i = 0; i < ends_count; i++) {
        size_t n = strlen(ends[i]);
        bool symbol = !word_byte((uint8_t)ends[i][0]);
        if (symbol ? sl_view_starts(sl_view_sub(p->text, p->at, p->text.n), sl_view_of(ends[i], n))
                   : sl_view_eq(word, sl_view_of(ends[i], n))) {
            return true;
        }
    }
    return false;
}

/* Does the program leave one value and never need more stack than there is? */
static bool balanced(const op *ops, size_t count)
{
    size_t depth = 0;
    for (size_t i = 0; i < count; i++) {
        size_t takes = 2;
        if (ops[i].kind <= OP_NOW) {
            takes = 0;
        } else if (ops[i].kind == OP_IN || ops[i].kind == OP_NOT_IN) {
            takes = ops[i].count + 1;
        } else if (ops[i].kind == OP_NEGATE || ops[i].kind == OP_ABS || ops[i].kind == OP_NOT) {
            takes = 1;
        }
        if (depth < takes) {
            return false;
        }
        depth = depth - takes + 1;
        if (depth > SL_CONDITION_STACK_MAX) {
            return false;
        }
    }
    return depth == 1;
}

sl_res sl_condition_parse(sl_view text, size_t *at, const char *const *ends, size_t ends_count,
                          bool bare_words, sl_arena *arena, const sl_condition **ret_condition)
{
    parser p = { .text = text, .at = *at, .bare_words = bare_words, .want_value = true };
    for (;;) {
        skip_space(&p);
        if (p.open == 0 && at_end(&p, ends, ends_count)) {
            break;
        }
        if (p.at >= text.n) {
            return bad_at(&p, "parenthesis");
        }
        SL_TRY(p.want_value ? read_operand(&p) : read_operator(&p));
    }
    while (p.stack_count > 0) {
        SL_TRY(emit(&p, p.stack[--p.stack_count]));
    }
    if (p.want_value || !balanced(p.out, p.out_count)) {
        return bad_at(&p, "condition");
    }
    sl_condition *made = sl_arena_alloc(arena, sizeof(*made) + p.out_count * sizeof(op));
    SL_NEED(made != NULL, SL_E_LIMIT);
    made->count = p.out_count;
    memcpy(made->ops, p.out, p.out_count * sizeof(op));
    *at = p.at;
    *ret_condition = made;
    return SL_DONE;
}

/* ---- running ---- */

static sl_value truth_value(sl_truth truth)
{
    if (truth == SL_TRUTH_UNKNOWN) {
        return (sl_value){ .kind = SL_VALUE_UNKNOWN };
    }
    return (sl_value){ .kind = SL_VALUE_BOOL, .boolean = truth == SL_TRUTH_TRUE };
}

static sl_truth truth_of(sl_value v)
{
    if (v.kind != SL_VALUE_BOOL) {
        return SL_TRUTH_UNKNOWN;
    }
    return v.boolean ? SL_TRUTH_TRUE : SL_TRUTH_FALSE;
}

static sl_truth equal(sl_value a, sl_value b)
{
    if (a.kind == SL_VALUE_UNKNOWN || b.kind == SL_VALUE_UNKNOWN) {
        return SL_TRUTH_UNKNOWN;
    }
    bool asks_null =
        (a.kind == SL_VALUE_NULL && a.boolean) || (b.kind == SL_VALUE_NULL && b.boolean);
    if (asks_null) {
        return a.kind == b.kind ? SL_TRUTH_TRUE : SL_TRUTH_FALSE;
    }
    if (a.kind == SL_VALUE_NULL || b.kind == SL_VALUE_NULL) {
        return SL_TRUTH_UNKNOWN; /* a field that is not there is neither equal nor different */
    }
    if (a.kind != b.kind) {
        return SL_TRUTH_UNKNOWN; /* a check that compares unlike things shows nothing */
    }
    bool same = a.kind == SL_VALUE_TEXT     ? sl_view_eq(a.text, b.text)
                : a.kind == SL_VALUE_NUMBER ? !(a.number < b.number) && !(b.number < a.number)
                                            : a.boolean == b.boolean;
    return same ? SL_TRUTH_TRUE : SL_TRUTH_FALSE;
}

static sl_truth negate(sl_truth t)
{
    if (t == SL_TRUTH_UNKNOWN) {
        return t;
    }
    return t == SL_TRUTH_TRUE ? SL_TRUTH_FALSE : SL_TRUTH_TRUE;
}

static sl_truth ordered(op_kind kind, sl_value a, sl_value b)
{
    if (a.kind != SL_VALUE_NUMBER || b.kind != SL_VALUE_NUMBER) {
        return SL_TRUTH_UNKNOWN;
    }
    bool yes = kind == OP_LESS         ? a.number < b.number
               : kind == OP_LESS_EQUAL ? a.number <= b.number
               : kind == OP_GREATER    ? a.number > b.number
                                       : a.number >= b.number;
    return yes ? SL_TRUTH_TRUE : SL_TRUTH_FALSE;
}

static sl_truth joined(op_kind kind, sl_truth a, sl_truth b)
{
    sl_truth decisive = kind == OP_AND ? SL_TRUTH_FALSE : SL_TRUTH_TRUE;
    if (a == decisive || b == decisive) {
        return decisive;
    }
    return a == SL_TRUTH_UNKNOWN || b == SL_TRUTH_UNKNOWN ? SL_TRUTH_UNKNOWN : negate(decisive);
}

static sl_value arithmetic(op_kind kind, sl_value a, sl_value b)
{
    bool numbers = a.kind == SL_VALUE_NUMBER && b.kind == SL_VALUE_NUMBER;
    if (!numbers || (kind == OP_DIVIDE && !(b.number < 0) && !(b.number > 0))) {
        return (sl_value){ .kind = SL_VALUE_UNKNOWN };
    }
    double n = kind == OP_ADD        ? a.number + b.number
               : kind == OP_SUBTRACT ? a.number - b.number
               : kind == OP_MULTIPLY ? a.number * b.number
                                     : a.number / b.number;
    return (sl_value){ .kind = SL_VALUE_NUMBER, .number = n };
}

static sl_value binary(op_kind kind, sl_value a, sl_value b)
{
    if (kind == OP_AND || kind == OP_OR) {
        return truth_value(joined(kind, truth_of(a), truth_of(b)));
    }
    if (kind == OP_EQUAL || kind == OP_UNEQUAL) {
        sl_truth t = equal(a, b);
        return truth_value(kind == OP_EQUAL ? t : negate(t));
    }
    if (strength(kind) == 4) {
        return truth_value(ordered(kind, a, b));
    }
    return arithmetic(kind, a, b);
}

static sl_value unary(op_kind kind, sl_value a)
{
    if (kind == OP_NOT) {
        return truth_value(negate(truth_of(a)));
    }
    if (a.kind != SL_VALUE_NUMBER) {
        return (sl_value){ .kind = SL_VALUE_UNKNOWN };
    }
    a.number = kind == OP_ABS ? fabs(a.number) : -a.number;
    return a;
}

static sl_value membership(op_kind kind, sl_value wanted, const sl_value *list, size_t count)
{
    sl_truth found = SL_TRUTH_FALSE;
    for (size_t i = 0; i < count; i++) {
        found = joined(OP_OR, found, equal(wanted, list[i]));
    }
    return truth_value(kind == OP_IN ? found : negate(found));
}

static sl_value word_membership(op_kind kind, sl_value wanted, sl_value words)
{
    if (wanted.kind != SL_VALUE_TEXT || words.kind != SL_VALUE_TEXT) {
        return (sl_value){ .kind = SL_VALUE_UNKNOWN };
    }
    bool found = false;
    for (sl_view rest = words.text; rest.n > 0;) {
        sl_view word;
        (void)sl_view_cut(rest, ' ', &word, &rest);
        found = found || (word.n > 0 && sl_view_eq(word, wanted.text));
    }
    return (sl_value){ .kind = SL_VALUE_BOOL, .boolean = found == (kind == OP_IN_NAMED) };
}

sl_truth sl_condition_test(const sl_condition *condition, const sl_names *names)
{
    sl_value stack[SL_CONDITION_STACK_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < condition->count; i++) {
        const op *one = &condition->ops[i];
        switch ((int)one->kind) {
        case OP_CONSTANT:
            stack[n++] = one->value;
            break;
        case OP_NAME:
            stack[n++] = names->look_up(names->context, one->scope, one->name);
            break;
        case OP_NOW:
            stack[n++] = (sl_value){ .kind = SL_VALUE_NUMBER, .number = names->now_s };
            break;
        case OP_IN:
        case OP_NOT_IN:
            n -= one->count;
            stack[n - 1] = membership(one->kind, stack[n - 1], stack + n, one->count);
            break;
        case OP_IN_NAMED:
        case OP_NOT_IN_NAMED:
            n--;
            stack[n - 1] = word_membership(one->kind, stack[n - 1], stack[n]);
            break;
        case OP_NEGATE:
        case OP_ABS:
        case OP_NOT:
            stack[n - 1] = unary(one->kind, stack[n - 1]);
            break;
        default:
            n--;
            stack[n - 1] = binary(one->kind, stack[n - 1], stack[n]);
            break;
        }
    }
    return truth_of(stack[0]);
}
