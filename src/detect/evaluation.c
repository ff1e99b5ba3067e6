/* Counting what detection found against what people marked (evaluation.h). Linear in text and spans. */
#include "detect/evaluation.h"

#include "detect/words.h"

static const char *const LABELS[SL_LABEL_COUNT] = { "NAME", "DATE",    "LOCATION",
                                                    "ID",   "CONTACT", "AGE" };

const char *sl_label_name(sl_label label)
{
    return label < SL_LABEL_COUNT ? LABELS[label] : "OTHER";
}

sl_label sl_label_by_name(sl_view name)
{
    for (size_t i = 0; i < SL_LABEL_COUNT; i++) {
        if (sl_view_eq_nocase(name, sl_view_str(LABELS[i]))) {
            return (sl_label)i;
        }
    }
    return SL_LABEL_OTHER;
}

sl_label sl_label_of_class(sl_class kind)
{
    switch (sl_class_group(kind)) {
    case SL_GROUP_CONTACT:
        return SL_LABEL_CONTACT;
    case SL_GROUP_TRIAL:
    case SL_GROUP_NATIONAL:
    case SL_GROUP_DEVICE:
    case SL_GROUP_MONEY:
        return SL_LABEL_ID;
    case SL_GROUP_PHI:
        break;
    case SL_GROUP_SECRET:
    case SL_GROUP_LINK:
    case SL_GROUP_HIDDEN:
    case SL_GROUP_PROTECTED:
    case SL_GROUP_INSTRUCTION:
    case SL_GROUP_COUNT:
    default:
        return SL_LABEL_OTHER;
    }
    if (kind == SL_CLASS_NAME) {
        return SL_LABEL_NAME;
    }
    if (kind == SL_CLASS_DATE) {
        return SL_LABEL_DATE;
    }
    if (kind == SL_CLASS_AGE90) {
        return SL_LABEL_AGE;
    }
    bool place = kind == SL_CLASS_LOCATION || kind == SL_CLASS_ZIP || kind == SL_CLASS_STREET;
    return place ? SL_LABEL_LOCATION : SL_LABEL_ID;
}

/* ---- one document -------------------------------------------------------------------------- */

/* For every byte of the text the label over it plus one: of gold and of the findings. 0 is none; in
 * `mine` the longest of overlapping findings counts. OTHER is SL_LABEL_OTHER + 1. */
typedef struct {
    sl_view text;
    uint8_t *gold;
    uint8_t *mine;
} paint;

static bool is_sign(uint8_t b)
{
    return b < 0x80 && !sl_is_word(b);
}

static void fill(uint8_t *layer, size_t start, size_t end, sl_label label)
{
    for (size_t i = start; i < end; i++) {
        layer[i] = layer[i] == 0 ? (uint8_t)(label + 1) : layer[i];
    }
}

static int longest_first(const void *a, const void *b)
{
    const sl_finding *x = a;
    const sl_finding *y = b;
    size_t m = x->end - x->start;
    size_t n = y->end - y->start;
    return m != n ? (m < n) - (m > n) : (x->start > y->start) - (x->start < y->start);
}

static void count_tokens(sl_evaluation *e, const paint *p)
{
    for (size_t i = 0; i < p->text.n;) {
        uint8_t gold = 0;
        uint8_t mine = 0;
        size_t start = i;
        for (; i < p->text.n && sl_is_word(p->text.p[i]); i++) {
            gold = gold == 0 ? p->gold[i] : gold;
            mine = mine == 0 ? p->mine[i] : mine;
        }
        if (i == start) {
            i++;
            continue;
        }
        bool wanted = gold != 0 && gold <= SL_LABEL_COUNT;
        bool claimed = mine != 0 && mine <= SL_LABEL_COUNT && gold != SL_LABEL_OTHER + 1;
        if (wanted) {
            e->token[gold - 1].wanted++;
            e->token[gold - 1].found += mine == gold;
        }
        if (claimed) {
            e->token[mine - 1].claimed++;
            e->token[mine - 1].right += mine == gold;
        }
        e->any_token.wanted += wanted;
        e->any_token.found += wanted && mine != 0;
        e->any_token.claimed += claimed;
        e->any_token.right += claimed && wanted;
    }
}

static void count_clean(sl_evaluation *e, const paint *p)
{
    for (size_t i = 0; i < p->text.n; i++) {
        if (p->gold[i] == 0 && sl_is_word(p->text.p[i])) {
            e->clean_chars++;
            e->clean_chars_touched += p->mine[i] != 0 && p->mine[i] <= SL_LABEL_COUNT;
        }
    }
}

static bool any_between(const uint8_t *layer, size_t start, size_t end)
{
    for (size_t i = start; i < end; i++) {
        if (layer[i] != 0) {
            return true;
        }
    }
    return false;
}

static bool is_covered(const paint *p, const sl_gold_span *g)
{
    for (size_t i = g->start; i < g->end; i++) {
        if (p->mine[i] == 0 && !is_sign(p->text.p[i])) {
            return false;
        }
    }
    return true;
}

static bool is_same(sl_view text, const sl_gold_span *g, const sl_finding *f)
{
    if (g->end != f->end || sl_label_of_class((sl_class)f->kind) != g->label) {
        return false;
    }
    bool name = g->label == SL_LABEL_NAME;
    return g->start == f->start || (name && sl_after_titles(text, g->start, g->end) ==
                                                sl_after_titles(text, f->start, f->end));
}

static void count_span(sl_evaluation *e, const paint *p, const sl_gold_span *g,
                       const sl_findings *findings, sl_evaluation_row *row)
{
    bool found = any_between(p->mine, g->start, g->end);
    bool same = false;
    for (size_t k = 0; k < findings->n && !same; k++) {
        same = is_same(p->text, g, &findings->items[k]);
    }
    e->overlap[g->label].wanted++;
    e->overlap[g->label].found += found;
    e->exact[g->label].wanted++;
    e->exact[g->label].found += same;
    row->wanted++;
    row->missed += !found;
}

static void count_finding(sl_evaluation *e, const paint *p, const sl_gold_span *gold, size_t gold_n,
                          const sl_finding *f, sl_evaluation_row *row)
{
    sl_label label = sl_label_of_class((sl_class)f->kind);
    bool right = false;
    bool other = false;
    bool same = false;
    for (size_t i = f->start; i < f->end; i++) {
        right = right || (p->gold[i] != 0 && p->gold[i] <= SL_LABEL_COUNT);
        other = other || p->gold[i] == SL_LABEL_OTHER + 1;
    }
    for (size_t k = 0; k < gold_n && !same; k++) {
        same = is_same(p->text, &gold[k], f);
    }
    row->findings += label != SL_LABEL_OTHER;
    if (label != SL_LABEL_OTHER && (right || !other)) {
        e->overlap[label].claimed++;
        e->overlap[label].right += right;
        e->exact[label].claimed++;
        e->exact[label].right += same;
    }
}

static void count(sl_evaluation *e, const paint *p, const sl_gold_span *gold, size_t gold_n,
                  const sl_findings *findings, sl_evaluation_row *row)
{
    bool whole = true;
    for (size_t i = 0; i < gold_n; i++) {
        if (gold[i].label < SL_LABEL_OTHER) {
            count_span(e, p, &gold[i], findings, row);
            whole = whole && is_covered(p, &gold[i]);
        }
    }
    for (size_t i = 0; i < findings->n; i++) {
        count_finding(e, p, gold, gold_n, &findings->items[i], row);
    }
    count_tokens(e, p);
    count_clean(e, p);
    e->documents++;
    e->with_gold += row->wanted != 0;
    e->covered += row->wanted != 0 && whole;
    e->clean += row->wanted == 0;
    e->touched += row->wanted == 0 && row->findings != 0;
}

sl_res sl_evaluation_add(sl_evaluation *evaluation, sl_view text, const sl_gold_span *gold,
                         size_t gold_n, const sl_findings *findings, sl_evaluation_row *ret_row)
{
    SL_OWN(sl_findings, sorted, sl_findings_free) = { 0 };
    SL_OWN(sl_buf, layers, sl_buf_free) = { .max = text.n * 2 + 1 };
    SL_TRY(sl_buf_reserve(&layers, text.n * 2 + 1));
    memset(layers.p, 0, text.n * 2 + 1);
    paint p = { .text = text, .gold = layers.p, .mine = layers.p + text.n };
    for (size_t i = 0; i < gold_n; i++) {
        SL_NEED(gold[i].start < gold[i].end && gold[i].end <= text.n, SL_E_RANGE);
        fill(p.gold, gold[i].start, gold[i].end, gold[i].label);
    }
    for (size_t i = 0; i < findings->n; i++) {
        SL_TRY(sl_findings_add(&sorted, findings->items[i]));
    }
    if (sorted.n != 0) {
        qsort(sorted.items, sorted.n, sizeof *sorted.items, longest_first);
    }
    for (size_t i = 0; i < sorted.n; i++) {
        const sl_finding *f = &sorted.items[i];
        fill(p.mine, f->start, f->end, sl_label_of_class((sl_class)f->kind));
    }
    *ret_row = (sl_evaluation_row){ 0 };
    count(evaluation, &p, gold, gold_n, findings, ret_row);
    return SL_DONE;
}

/* ---- scores -------------------------------------------------------------------------------- */

static int by_score(const void *a, const void *b)
{
    double x = ((const sl_scored *)a)->score;
    double y = ((const sl_scored *)b)->score;
    return (x > y) - (x < y);
}

void sl_ranking_of(sl_scored *rows, size_t n, double fpr, sl_ranking *ret_ranking)
{
    sl_ranking r = { .auroc = 0.5 };
    double sum = 0; /* pairs that are in the right order, ties half */
    if (n != 0) {
        qsort(rows, n, sizeof *rows, by_score);
    }
    for (size_t i = 0; i < n;) {
        uint64_t attacks = 0;
        uint64_t ordinary = 0;
        for (double score = rows[i].score; i < n && rows[i].score <= score; i++) {
            attacks += rows[i].attack;
            ordinary += !rows[i].attack;
        }
        sum += (double)attacks * ((double)r.ordinary + (double)ordinary / 2);
        r.attacks += attacks;
        r.ordinary += ordinary;
    }
    if (r.attacks != 0 && r.ordinary != 0) {
        r.auroc = sum / ((double)r.attacks * (double)r.ordinary);
    }
    uint64_t allowed = (uint64_t)((double)r.ordinary * fpr);
    size_t at = n; /* rows from here on lie above the threshold */
    while (at > 0) {
        size_t from = at;
        uint64_t ordinary = 0;
        while (from > 0 && rows[from - 1].score >= rows[at - 1].score) {
            from--;
            ordinary += !rows[from].attack;
        }
        if (r.alarms + ordinary > allowed) {
            break;
        }
        r.alarms += ordinary;
        r.caught += at - from - ordinary;
        at = from;
    }
    r.threshold = n == 0 ? 0 : rows[at == 0 ? 0 : at - 1].score;
    *ret_ranking = r;
}
