/* Parser of the check language (query.h). One cursor, one function a clause. Pure. */
#include "assure/query.h"

typedef struct {
    sl_view text;
    size_t at;
    sl_arena *arena;
} cursor;

static sl_res bad(const cursor *c, const char *what)
{
    return sl_fail_at(SL_E_SYNTAX, what, c->at);
}

static void skip_space(cursor *c)
{
    while (c->at < c->text.n && (c->text.p[c->at] == ' ' || c->text.p[c->at] == '\n')) {
        c->at++;
    }
}

static bool word_byte(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '_' ||
           b == '.';
}

static sl_view peek_word(cursor *c)
{
    skip_space(c);
    size_t to = c->at;
    while (to < c->text.n && word_byte(c->text.p[to])) {
        to++;
    }
    return sl_view_sub(c->text, c->at, to);
}

static sl_res take_word(cursor *c, const char *what, sl_view *ret_word)
{
    sl_view word = peek_word(c);
    if (word.n == 0) {
        return bad(c, what);
    }
    c->at += word.n;
    *ret_word = word;
    return SL_DONE;
}

static bool take_keyword(cursor *c, const char *keyword)
{
    sl_view word = peek_word(c);
    if (!sl_view_eq_str(word, keyword)) {
        return false;
    }
    c->at += word.n;
    return true;
}

static bool take_symbol(cursor *c, sl_view symbol)
{
    skip_space(c);
    if (!sl_view_starts(sl_view_sub(c->text, c->at, c->text.n), symbol)) {
        return false;
    }
    c->at += symbol.n;
    return true;
}

static sl_res need(bool found, const cursor *c, const char *what)
{
    return found ? SL_DONE : bad(c, what);
}

static sl_res take_duration(cursor *c, int64_t *ret_ms)
{
    sl_view word = { 0 };
    SL_TRY(take_word(c, "duration", &word));
    if (word.p[0] < '0' || word.p[0] > '9') {
        return sl_fail_at(SL_E_UNSUPPORTED, "a named duration", c->at - word.n);
    }
    sl_res r = sl_duration_parse(word, ret_ms);
    return sl_ok(r) ? r : sl_fail_at(SL_E_SYNTAX, "duration", c->at - word.n);
}

static sl_res take_number(cursor *c, double *ret_number)
{
    sl_view word = { 0 };
    SL_TRY(take_word(c, "number", &word));
    char text[32];
    if (word.n >= sizeof(text) || word.p[0] < '0' || word.p[0] > '9') {
        return sl_fail_at(SL_E_SYNTAX, "number", c->at - word.n);
    }
    memcpy(text, word.p, word.n);
    text[word.n] = 0;
    char *end = NULL;
    double value = strtod(text, &end);
    if (*end != 0) {
        return sl_fail_at(SL_E_SYNTAX, "number", c->at - word.n);
    }
    *ret_number = value;
    return SL_DONE;
}

static sl_res take_count(cursor *c, uint64_t *ret_count)
{
    sl_view word = { 0 };
    SL_TRY(take_word(c, "number", &word));
    sl_res r = sl_parse_u64(word, UINT32_MAX, ret_count);
    return sl_ok(r) ? r : sl_fail_at(SL_E_SYNTAX, "number", c->at - word.n);
}

static sl_res take_condition(cursor *c, bool bare_words, const sl_condition **ret_condition)
{
    static const char *const ends[] = { "WITHIN",    "SATISFIES", "OVER", "BEFORE", "LOOKBACK",
                                        "TOLERANCE", "BY",        "PER",  ":",      "]" };
    return sl_condition_parse(c->text, &c->at, ends, SL_COUNT_OF(ends), bare_words, c->arena,
                              ret_condition);
}

/* "type", "type.field" where a field may stand, and an optional "[condition]". */
static sl_res take_source(cursor *c, sl_query_source *ret_source)
{
    sl_view word = { 0 };
    SL_TRY(take_word(c, "event type", &word));
    size_t dot = sl_view_find_byte(word, '.', 0);
    size_t second = dot == SIZE_MAX ? SIZE_MAX : sl_view_find_byte(word, '.', dot + 1);
    if (dot == SIZE_MAX || dot == 0 || dot + 1 == word.n) {
        return sl_fail_at(SL_E_SYNTAX, "event type", c->at - word.n);
    }
    sl_query_source source = { .type = word };
    if (second != SIZE_MAX) {
        source.type = sl_view_sub(word, 0, second);
        source.field = sl_view_sub(word, second + 1, word.n);
        if (source.field.n == 0 || sl_view_find_byte(source.field, '.', 0) != SIZE_MAX) {
            return sl_fail_at(SL_E_SYNTAX, "field", c->at - word.n);
        }
    }
    if (take_symbol(c, SL_LIT("["))) {
        SL_TRY(take_condition(c, false, &source.filter));
        SL_TRY(need(take_symbol(c, SL_LIT("]")), c, "]"));
    }
    *ret_source = source;
    return SL_DONE;
}

static sl_res take_within(cursor *c, bool required, int64_t *ret_ms)
{
    if (take_keyword(c, "WITHIN")) {
        return take_duration(c, ret_ms);
    }
    return required ? bad(c, "WITHIN") : SL_DONE;
}

static sl_res parse_latest(cursor *c, sl_query *q)
{
    SL_TRY(take_source(c, &q->first));
    SL_TRY(take_within(c, false, &q->within_ms));
    SL_TRY(need(take_keyword(c, "SATISFIES"), c, "SATISFIES"));
    return take_condition(c, false, &q->satisfies);
}

/* EACH kind v [WHERE cond] : LAST type[field=v] [WITHIN d] SATISFIES cond */
static sl_res parse_each(cursor *c, sl_query *q)
{
    SL_TRY(take_word(c, "kind of subject", &q->subject_kind));
    SL_TRY(take_word(c, "variable", &q->variable));
    if (take_keyword(c, "WHERE")) {
        SL_TRY(take_condition(c, true, &q->where));
    }
    SL_TRY(need(take_symbol(c, SL_LIT(":")), c, ":"));
    SL_TRY(need(take_keyword(c, "LAST"), c, "LAST"));
    SL_TRY(take_word(c, "event type", &q->first.type));
    SL_TRY(need(take_symbol(c, SL_LIT("[")), c, "[field=variable]"));
    SL_TRY(take_word(c, "field", &q->subject_field));
    SL_TRY(need(take_symbol(c, SL_LIT("=")), c, "="));
    sl_view variable = { 0 };
    SL_TRY(take_word(c, "variable", &variable));
    SL_TRY(need(sl_view_eq(variable, q->variable), c, "the query's variable"));
    SL_TRY(need(take_symbol(c, SL_LIT("]")), c, "]"));
    SL_TRY(take_within(c, false, &q->within_ms));
    SL_TRY(need(take_keyword(c, "SATISFIES"), c, "SATISFIES"));
    return take_condition(c, false, &q->satisfies);
}

static sl_res parse_none(cursor *c, sl_query *q)
{
    SL_TRY(take_source(c, &q->first));
    if (take_keyword(c, "WHERE")) {
        SL_TRY(take_condition(c, false, &q->where));
    }
    return take_within(c, true, &q->within_ms);
}

static sl_res parse_ratio(cursor *c, sl_query *q)
{
    SL_TRY(take_source(c, &q->first));
    if (take_keyword(c, "WHERE")) {
        SL_TRY(take_condition(c, false, &q->where));
    }
    SL_TRY(need(take_keyword(c, "OVER"), c, "OVER"));
    SL_TRY(take_source(c, &q->second));
    SL_TRY(need((q->first.field.n == 0) == (q->second.field.n == 0), c, "a field on both sides"));
    SL_TRY(take_within(c, true, &q->within_ms));
    SL_TRY(need(take_symbol(c, SL_LIT(">=")), c, ">="));
    return take_number(c, &q->bound);
}

static sl_res parse_quantile(cursor *c, sl_query *q)
{
    SL_TRY(take_number(c, &q->quantile));
    SL_TRY(need(q->quantile > 0 && q->quantile <= 1, c, "quantile in (0,1]"));
    SL_TRY(take_source(c, &q->first));
    SL_TRY(need(q->first.field.n > 0, c, "type.field"));
    SL_TRY(take_within(c, true, &q->within_ms));
    SL_TRY(need(take_symbol(c, SL_LIT("<=")), c, "<="));
    SL_TRY(take_number(c, &q->bound));
    return take_keyword(c, "MIN") ? take_count(c, &q->sample_min) : SL_DONE;
}

/* WITHIN field.limit: the site says how long, by the value of one of the keys. */
static bool take_limit(cursor *c, sl_query *q)
{
    size_t before = c->at;
    sl_view word = { 0 };
    sl_view field;
    sl_view rest;
    if (take_keyword(c, "WITHIN") && sl_ok(take_word(c, "duration", &word)) &&
        sl_view_cut(word, '.', &field, &rest) && sl_view_eq(rest, SL_LIT("limit"))) {
        for (size_t i = 0; i < q->key_count; i++) {
            if (sl_view_eq(q->keys[i], field)) {
                q->limit_key = i + 1;
                return true;
            }
        }
    }
    c->at = before;
    return false;
}

static sl_res parse_follows(cursor *c, sl_query *q)
{
    SL_TRY(take_source(c, &q->first));
    SL_TRY(need(take_keyword(c, "BY"), c, "BY"));
    SL_TRY(take_source(c, &q->second));
    SL_TRY(need(take_keyword(c, "ON"), c, "ON"));
    do {
        SL_TRY(need(q->key_count < SL_QUERY_KEYS_MAX, c, "fewer fields"));
        SL_TRY(take_word(c, "field", &q->keys[q->key_count++]));
    } while (take_symbol(c, SL_LIT(",")));
    SL_TRY(take_limit(c, q) ? SL_DONE : take_within(c, false, &q->within_ms));
    if (take_keyword(c, "BEFORE")) {
        SL_TRY(take_source(c, &q->before));
    }
    SL_TRY(
        need(q->within_ms > 0 || q->limit_key != 0 || q->before.type.n > 0, c, "WITHIN or BEFORE"));
    q->lookback_ms = 90 * (int64_t)86400000;
    return take_keyword(c, "LOOKBACK") ? take_duration(c, &q->lookback_ms) : SL_DONE;
}

static sl_res parse_recon(cursor *c, sl_query *q)
{
    SL_TRY(take_source(c, &q->first));
    SL_TRY(need(take_symbol(c, SL_LIT("=")), c, "="));
    SL_TRY(take_source(c, &q->second));
    SL_TRY(need(take_keyword(c, "PER"), c, "PER"));
    q->key_count = 1;
    SL_TRY(take_word(c, "field", &q->keys[0]));
    SL_TRY(need(take_keyword(c, "EVERY"), c, "EVERY"));
    SL_TRY(take_duration(c, &q->every_ms));
    return take_keyword(c, "TOLERANCE") ? take_count(c, &q->tolerance) : SL_DONE;
}

sl_res sl_query_parse(sl_view text, sl_arena *arena, sl_query *ret_query)
{
    static const struct {
        const char *word;
        sl_query_form form;
        sl_res (*parse)(cursor *c, sl_query *q);
    } forms[] = {
        { "LATEST", SL_QUERY_LATEST, parse_latest },
        { "EACH", SL_QUERY_EACH, parse_each },
        { "NONE", SL_QUERY_NONE, parse_none },
        { "RATIO", SL_QUERY_RATIO, parse_ratio },
        { "QUANTILE", SL_QUERY_QUANTILE, parse_quantile },
        { "FOLLOWS", SL_QUERY_FOLLOWS, parse_follows },
        { "RECON", SL_QUERY_RECON, parse_recon },
    };
    cursor c = { .text = text, .arena = arena };
    for (size_t i = 0; i < SL_COUNT_OF(forms); i++) {
        if (!take_keyword(&c, forms[i].word)) {
            continue;
        }
        sl_query query = { .form = forms[i].form };
        SL_TRY(forms[i].parse(&c, &query));
        skip_space(&c);
        if (c.at != text.n) {
            return sl_fail_at(SL_E_TRAILING, "query", c.at);
        }
        *ret_query = query;
        return SL_DONE;
    }
    return bad(&c, "LATEST, EACH, NONE, RATIO, QUANTILE, FOLLOWS or RECON");
}
