/* From matches to findings (patterns.h): the identifier in a match, its check digit, the words around it. */
#include "detect/patterns_set.h"
#include "detect/words.h"

/* How far context words may stand before and after a match. */
#define CONTEXT_BEFORE ((size_t)40)
#define CONTEXT_AFTER ((size_t)16)

static bool in_set(const sl_word_set *set, sl_view word)
{
    uint32_t hash = sl_word_set_hash(word);
    for (size_t at = hash % SET_SLOTS; set->slots[at] != 0; at = (at + 1) % SET_SLOTS) {
        if (set->slots[at] == hash) {
            return true;
        }
    }
    return false;
}

static bool set_within(const sl_word_set *set, sl_view text, size_t from, size_t to)
{
    for (size_t i = from; i < to;) {
        if (!sl_pattern_is_word(text.p[i])) {
            i++;
            continue;
        }
        size_t end = i;
        while (end < to && (sl_pattern_is_word(text.p[end]) || text.p[end] == '-')) {
            end++;
        }
        sl_view whole = sl_view_sub(text, i, end);
        size_t dash = i;
        while (dash < end && text.p[dash] != '-') {
            dash++;
        }
        sl_view head = sl_view_sub(text, i, dash);
        bool cut_off = i == from && from > 0 && sl_pattern_is_word(text.p[from - 1]);
        if (!cut_off && (in_set(set, whole) || (head.n < whole.n && in_set(set, head)))) {
            return true;
        }
        i = end;
    }
    return false;
}

static bool context_holds(const sl_patterns *p, const sl_pattern *one, sl_view text,
                          const sl_pattern_match *m)
{
    for (size_t i = 0; i < one->context_count; i++) {
        const sl_word_set *set = &p->set_words[one->context[i]];
        size_t from = m->start > CONTEXT_BEFORE ? m->start - CONTEXT_BEFORE : 0;
        bool found = set_within(set, text, from, m->start);
        if (one->negative[i]) {
            size_t to = text.n - m->end > CONTEXT_AFTER ? m->end + CONTEXT_AFTER : text.n;
            if (found || set_within(set, text, m->end, to)) {
                return false;
            }
        } else if (!found) {
            return false;
        }
    }
    return true;
}

/* Narrows a match to the identifier itself. */
static sl_pattern_match value_of(const sl_pattern *one, sl_view text, sl_pattern_match m)
{
    switch ((sl_pattern_value)one->value) {
    case VALUE_LAST: {
        size_t at = m.end;
        while (at > m.start && !sl_pattern_is_blank(text.p[at - 1]) && text.p[at - 1] != ':' &&
               text.p[at - 1] != '#' && text.p[at - 1] != '=') {
            at--;
        }
        m.start = at;
        break;
    }
    case VALUE_DIGIT:
        while (m.start < m.end && !sl_is_digit(text.p[m.start]) && text.p[m.start] != '+' &&
               text.p[m.start] != '(') {
            m.start++;
        }
        break;
    case VALUE_REST:
        while (m.start < m.end && text.p[m.start] != ':' && text.p[m.start] != '=') {
            m.start++;
        }
        while (m.start < m.end &&
               (sl_pattern_is_blank(text.p[m.start]) || text.p[m.start] == ':' ||
                text.p[m.start] == '=' || text.p[m.start] == '"' || text.p[m.start] == '\'')) {
            m.start++;
        }
        break;
    case VALUE_NUMBER:
        while (m.start < m.end && !sl_is_digit(text.p[m.start])) {
            m.start++;
        }
        for (size_t at = m.start; at < m.end; at++) {
            m.end = sl_is_digit(text.p[at]) ? m.end : at;
        }
        break;
    case VALUE_ALL:
    default:
        break;
    }
    return m;
}

static bool prove(const sl_patterns *p, sl_view text, const sl_pattern_match *m,
                  sl_pattern_match *ret_value)
{
    const sl_pattern *one = &p->patterns[m->id];
    sl_pattern_match value = value_of(one, text, *m);
    if (value.start >= value.end) {
        return false;
    }
    if (one->check != NULL && !one->check(sl_view_sub(text, value.start, value.end))) {
        return false;
    }
    if (!context_holds(p, one, text, m)) {
        return false;
    }
    *ret_value = value;
    return true;
}

static sl_res report(const sl_patterns *p, sl_view text, sl_pattern_match value, uint32_t id,
                     sl_findings *findings)
{
    const sl_pattern *one = &p->patterns[id];
    if (one->kind == SL_CLASS_PRIVATE_KEY && text.p[value.start] == '-') {
        value.end = sl_private_key_end(text, value.start);
    }
    bool secret = sl_class_group((sl_class)one->kind) == SL_GROUP_SECRET;
    return sl_findings_add(findings,
                           (sl_finding){ .start = value.start,
                                         .end = value.end,
                                         .attribution = SL_NO_ATTRIBUTION,
                                         .rule = (uint16_t)id,
                                         .policy_rule = SL_NO_RULE,
                                         .score_permille = one->score,
                                         .detector = secret ? SL_DETECTOR_SECRET : SL_DETECTOR_PHI,
                                         .kind = one->kind,
                                         .view = SL_VIEW_PLAIN });
}

sl_res sl_patterns_prove(const sl_patterns *patterns, const sl_pattern_work *work, sl_view text,
                         sl_findings *findings)
{
    uint32_t id = UINT32_MAX;
    size_t covered = 0;
    for (size_t i = 0; i < work->n; i++) {
        const sl_pattern_match *m = &work->matches[i];
        if (m->id != id) {
            id = m->id;
            covered = 0;
        }
        sl_pattern_match value;
        if (m->start >= covered && prove(patterns, text, m, &value)) {
            SL_TRY(report(patterns, text, value, id, findings));
            covered = m->end;
        }
    }
    return SL_DONE;
}
