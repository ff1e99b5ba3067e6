/* Tagging (tagger.h): a pack, tokens with their lists, scores, the best path, findings.
 * It keeps nothing between texts. Words of a list are found by hash; a chance hit costs a feature. */
#include "detect/tagger.h"

#include "detect/embedded.h"
#include "detect/words.h"

#define HEADER_BYTES ((size_t)32)
#define TRANSITIONS_AT HEADER_BYTES
#define WEIGHTS_AT (HEADER_BYTES + (size_t)(SL_TAG_LANES + 1) * SL_TAG_LANES * 2)
#define VERSION 3
#define KINDS_MAX ((uint32_t)256)
#define IMPOSSIBLE (INT32_MIN / 4)
/* A title has at most so many tokens, full stops among them. */
#define TITLE_TOKENS ((size_t)8)
#define TEXT_BYTES_MAX ((size_t)1 << 26)

struct sl_tagger {
    size_t owners; /* beyond the first */
    const int8_t *weights;
    uint32_t mask;
    int32_t bias; /* taken from "outside": more recall, less precision */
    int32_t transitions[SL_TAG_LANES + 1][SL_TAG_LANES];
    uint32_t *hashes; /* open addressing, 0 is empty */
    uint16_t *lists;
    uint32_t slot_mask;
};

typedef struct {
    int32_t score[SL_TAG_LANES];
    uint8_t from[SL_TAG_LANES];
} column;

struct sl_tagger_work {
    sl_tag_tokens tokens;
    column *columns;
    size_t cap;
};

static void put_word(sl_tagger *t, uint32_t hash, uint16_t lists)
{
    uint32_t at = hash & t->slot_mask;
    while (t->hashes[at] != 0 && t->hashes[at] != hash) {
        at = (at + 1) & t->slot_mask;
    }
    t->hashes[at] = hash;
    t->lists[at] |= lists;
}

/* `kinds`: each combination of lists once. `words`: steps between hashes and an index into kinds. */
static sl_res fill_words(sl_tagger *t, sl_view kinds, sl_view words, uint32_t count)
{
    uint32_t slots = 1024;
    while (slots < count * 2) {
        slots *= 2;
    }
    t->slot_mask = slots - 1;
    t->hashes = calloc(slots, sizeof *t->hashes);
    t->lists = calloc(slots, sizeof *t->lists);
    SL_NEED(t->hashes != NULL && t->lists != NULL, SL_E_MEMORY);
    uint64_t hash = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t step = 0;
        for (unsigned shift = 0; shift < 35; shift += 7) {
            SL_NEED(at < words.n, SL_E_TRUNCATED);
            step |= (uint64_t)(words.p[at] & 0x7F) << shift;
            if ((words.p[at++] & 0x80) == 0) {
                break;
            }
        }
        hash += step;
        SL_NEED(at < words.n, SL_E_TRUNCATED);
        size_t kind = (size_t)words.p[at++] * 2;
        SL_NEED(step != 0 && hash <= UINT32_MAX && kind < kinds.n, SL_E_RANGE);
        put_word(t, (uint32_t)hash, sl_get_le16(kinds.p + kind));
    }
    SL_NEED(at == words.n, SL_E_TRAILING);
    return SL_DONE;
}

static sl_res fill(sl_tagger *t, sl_view pack)
{
    SL_NEED(pack.n >= WEIGHTS_AT + 8, SL_E_TRUNCATED);
    SL_NEED(memcmp(pack.p, "SLTAGGR1", 8) == 0, SL_E_VERSION);
    SL_NEED(sl_get_le32(pack.p + 8) == VERSION, SL_E_VERSION);
    uint32_t buckets = sl_get_le32(pack.p + 12);
    uint32_t words = sl_get_le32(pack.p + 16);
    uint32_t kinds = sl_get_le32(pack.p + 24);
    bool power = buckets >= 256 && buckets <= (1U << 24) && (buckets & (buckets - 1)) == 0;
    SL_NEED(power && words <= (1U << 22) && kinds <= KINDS_MAX, SL_E_RANGE);
    size_t kinds_at = WEIGHTS_AT + (size_t)buckets * SL_TAG_LANES;
    size_t words_at = kinds_at + (size_t)kinds * 2;
    SL_NEED(pack.n >= words_at + 8 && pack.n >= sl_get_le32(pack.p + 28), SL_E_TRUNCATED);
    SL_NEED(sl_get_le64(pack.p + pack.n - 8) == sl_tag_pack_check(sl_view_sub(pack, 0, pack.n - 8)),
            SL_E_INTEGRITY);
    t->mask = buckets - 1;
    t->bias = (int32_t)sl_get_le32(pack.p + 20);
    SL_NEED(t->bias > -100000 && t->bias < 100000, SL_E_RANGE);
    for (size_t i = 0; i <= SL_TAG_LANES; i++) {
        for (size_t k = 0; k < SL_TAG_LANES; k++) {
            t->transitions[i][k] =
                (int16_t)sl_get_le16(pack.p + TRANSITIONS_AT + (i * SL_TAG_LANES + k) * 2);
        }
    }
    t->weights = (const int8_t *)(pack.p + WEIGHTS_AT);
    return fill_words(t, sl_view_sub(pack, kinds_at, words_at),
                      sl_view_sub(pack, words_at, pack.n - 8), words);
}

sl_res sl_tagger_open(sl_view pack, sl_tagger **ret_tagger)
{
    sl_tagger *t = calloc(1, sizeof *t);
    SL_NEED(t != NULL, SL_E_MEMORY);
    sl_res r = fill(t, pack);
    if (!sl_ok(r)) {
        sl_tagger_free(t);
        return r;
    }
    *ret_tagger = t;
    return SL_DONE;
}

sl_res sl_tagger_open_default(sl_tagger **ret_tagger)
{
    for (size_t i = 0; i < sl_embedded_count; i++) {
        if (strcmp(sl_embedded[i].name, "names.pack") == 0) {
            return sl_tagger_open(sl_view_of(sl_embedded[i].bytes, sl_embedded[i].n), ret_tagger);
        }
    }
    return sl_fail(SL_E_BUG);
}

sl_tagger *sl_tagger_share(sl_tagger *tagger)
{
    tagger->owners++;
    return tagger;
}

void sl_tagger_free(sl_tagger *tagger)
{
    if (tagger == NULL) {
        return;
    }
    if (tagger->owners > 0) {
        tagger->owners--;
        return;
    }
    free(tagger->hashes);
    free(tagger->lists);
    free(tagger);
}

sl_res sl_tagger_work_new(sl_tagger_work **ret_work)
{
    *ret_work = calloc(1, sizeof **ret_work);
    return *ret_work == NULL ? sl_fail(SL_E_MEMORY) : SL_DONE;
}

void sl_tagger_work_free(sl_tagger_work *work)
{
    if (work != NULL) {
        free(work->tokens.items);
        free(work->columns);
        free(work);
    }
}

static uint32_t lists_of(const sl_tagger *t, uint32_t hash)
{
    uint32_t at = hash & t->slot_mask;
    while (t->hashes[at] != 0) {
        if (t->hashes[at] == hash) {
            return t->lists[at];
        }
        at = (at + 1) & t->slot_mask;
    }
    return 0;
}

typedef int8_t bytes8 __attribute__((vector_size(8)));
typedef int16_t shorts8 __attribute__((vector_size(16)));
_Static_assert(SL_TAG_LANES == 8, "a row is one vector");
_Static_assert(SL_TAG_FEATURES_MAX * 128 <= INT16_MAX, "sums of rows fit 16 bits");

/* Each tag's own score for one token: the sum of its features' rows. */
static void score_token(const sl_tagger *t, const sl_tag_tokens *tokens, size_t at,
                        int32_t ret_score[SL_TAG_LANES])
{
    uint32_t features[SL_TAG_FEATURES_MAX];
    size_t n = sl_tag_features(tokens, at, t->mask, features);
    shorts8 sum = { 0 };
    for (size_t i = 0; i < n; i++) {
        bytes8 row;
        memcpy(&row, t->weights + (size_t)features[i] * SL_TAG_LANES, sizeof row);
        sum += __builtin_convertvector(row, shorts8);
    }
    for (size_t k = 0; k < SL_TAG_LANES; k++) {
        ret_score[k] = sum[k];
    }
    ret_score[SL_TAG_OUTSIDE] -= t->bias;
}

/* One more column of the trellis; `before` is NULL at a segment's beginning. */
static void step(const sl_tagger *t, const column *before, column *now)
{
    int32_t own[SL_TAG_LANES];
    memcpy(own, now->score, sizeof own);
    for (unsigned tag = 0; tag < SL_TAG_COUNT; tag++) {
        int32_t best = IMPOSSIBLE;
        uint8_t from = 0;
        if (before == NULL) {
            best = sl_tag_may_follow(SL_TAG_OUTSIDE, tag) ? t->transitions[SL_TAG_BEGIN][tag]
                                                          : IMPOSSIBLE;
        }
        for (unsigned last = 0; before != NULL && last < SL_TAG_COUNT; last++) {
            int32_t score = before->score[last] + t->transitions[last][tag];
            if (sl_tag_may_follow(last, tag) && score > best) {
                best = score;
                from = (uint8_t)last;
            }
        }
        now->score[tag] = best <= IMPOSSIBLE ? IMPOSSIBLE : best + own[tag];
        now->from[tag] = from;
    }
}

/* A token that nobody need ask is outside, whatever came before it. */
static void outside(const column *before, column *now)
{
    uint8_t from = 0;
    for (unsigned tag = 1; before != NULL && tag < SL_TAG_COUNT; tag++) {
        from = before->score[tag] > before->score[from] ? (uint8_t)tag : from;
    }
    for (unsigned tag = 1; tag < SL_TAG_COUNT; tag++) {
        now->score[tag] = IMPOSSIBLE;
        now->from[tag] = 0;
    }
    now->score[SL_TAG_OUTSIDE] = before == NULL ? 0 : before->score[from];
    now->from[SL_TAG_OUTSIDE] = from;
}

static void tag_segment(const sl_tagger *t, sl_tagger_work *w, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        if (sl_tag_is_plain(&w->tokens, i)) {
            outside(i == begin ? NULL : &w->columns[i - 1], &w->columns[i]);
            continue;
        }
        score_token(t, &w->tokens, i, w->columns[i].score);
        step(t, i == begin ? NULL : &w->columns[i - 1], &w->columns[i]);
    }
    unsigned tag = 0;
    for (unsigned k = 1; k < SL_TAG_COUNT; k++) {
        tag = w->columns[end - 1].score[k] > w->columns[end - 1].score[tag] ? k : tag;
    }
    for (size_t i = end; i > begin; i--) {
        w->tokens.items[i - 1].label = (uint8_t)tag;
        tag = w->columns[i - 1].from[tag];
    }
}

static sl_res make_room(sl_tagger_work *w)
{
    if (w->cap < w->tokens.n) {
        column *more = realloc(w->columns, w->tokens.n * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        w->columns = more;
        w->cap = w->tokens.n;
    }
    return SL_DONE;
}

/* ---- findings ------------------------------------------------------------------------------ */

static bool is_sign(const sl_tagger_work *w, size_t at, sl_view text, char sign)
{
    const sl_tag_token *t = &w->tokens.items[at];
    return t->end - t->start == 1 && text.p[t->start] == (uint8_t)sign;
}

/* A title belongs to the name that follows it: "Dr. Roe", "Herr Prof. Dr. med. Roe". */
static size_t with_title(const sl_tagger_work *w, sl_view text, size_t first)
{
    size_t at = first;
    for (size_t i = first; i > 0 && first - i < TITLE_TOKENS && w->tokens.items[i].lines == 0;) {
        size_t before = i - 1;
        if (is_sign(w, before, text, '.') && before > 0 && w->tokens.items[before].lines == 0) {
            before--;
        }
        const sl_tag_token *t = &w->tokens.items[before];
        if (t->label != SL_TAG_OUTSIDE || !sl_is_title(sl_view_sub(text, t->start, t->end))) {
            break;
        }
        i = before;
        at = before;
    }
    return at;
}

static size_t span_end(const sl_tagger_work *w, size_t first)
{
    size_t last = first;
    unsigned tag = w->tokens.items[first].label;
    while (last + 1 < w->tokens.n && w->tokens.items[last + 1].label == tag + 1) {
        last++;
    }
    return last;
}

static bool is_joint(const sl_tagger_work *w, size_t at, sl_view text)
{
    const sl_tag_token *t = &w->tokens.items[at];
    sl_view word = sl_view_sub(text, t->start, t->end);
    return t->lines == 0 && (sl_view_eq_nocase(word, SL_LIT("in")) || sl_view_eq_str(word, ",") ||
                             sl_view_eq_nocase(word, SL_LIT("at")));
}

/* A hospital and its town are one place: "Mercy Clinic in Springfield". */
static size_t with_town(const sl_tagger_work *w, sl_view text, size_t first, size_t last)
{
    bool hospital = false;
    for (size_t i = first; i <= last; i++) {
        hospital = hospital || (w->tokens.items[i].lists & SL_LIST_HOSPITAL) != 0;
    }
    bool joins = hospital && last + 2 < w->tokens.n && is_joint(w, last + 1, text) &&
                 w->tokens.items[last + 1].label == SL_TAG_OUTSIDE &&
                 w->tokens.items[last + 2].label == SL_TAG_PLACE &&
                 w->tokens.items[last + 2].lines == 0;
    return joins ? span_end(w, last + 2) : last;
}

static sl_res add(const sl_tagger_work *w, sl_class kind, size_t first, size_t last,
                  sl_findings *findings)
{
    return sl_findings_add(findings, (sl_finding){ .start = w->tokens.items[first].start,
                                                   .end = w->tokens.items[last].end,
                                                   .attribution = SL_NO_ATTRIBUTION,
                                                   .rule = SL_NO_RULE,
                                                   .policy_rule = SL_NO_RULE,
                                                   .score_permille = 700,
                                                   .detector = SL_DETECTOR_PHI,
                                                   .kind = (uint8_t)kind,
                                                   .view = SL_VIEW_PLAIN });
}

/* Does the word before say that the number is of a paper, a gene, a catalogue? */
static bool is_reference(const sl_tagger_work *w, sl_view text, size_t first)
{
    static const char *const WORDS[] = { "pmid",  "pmc", "doi",  "isbn",   "issn",   "nct", "loinc",
                                         "icd",   "cpt", "omim", "snomed", "rxnorm", "ndc", "rs",
                                         "hcpcs", "drg", "chr",  "exon",   "page",   "grch" };
    for (size_t back = 1; back <= 3 && back <= first + 1; back++) {
        const sl_tag_token *t = &w->tokens.items[first + 1 - back];
        size_t n = t->start;
        while (n < t->end && !sl_is_digit(text.p[n])) {
            n++;
        }
        sl_view word = sl_view_sub(text, t->start, n);
        for (size_t i = 0; i < SL_COUNT_OF(WORDS) && word.n > 1; i++) {
            if (sl_view_eq_nocase(word, sl_view_str(WORDS[i]))) {
                return true;
            }
        }
    }
    return false;
}

/* A number of a person has three digits or more and does not begin or end with a sign. */
static sl_res add_number(const sl_tagger_work *w, sl_view text, size_t first, size_t last,
                         sl_findings *findings)
{
    while (first < last && w->tokens.items[first].capital == 4) {
        first++;
    }
    while (last > first && w->tokens.items[last].capital == 4) {
        last--;
    }
    size_t digits = 0;
    for (size_t i = w->tokens.items[first].start; i < w->tokens.items[last].end; i++) {
        digits += sl_is_digit(text.p[i]);
    }
    return digits < 3 || is_reference(w, text, first)
               ? SL_DONE
               : add(w, SL_CLASS_OTHER_ID, first, last, findings);
}

static sl_res report(const sl_tagger_work *w, sl_view text, sl_findings *findings)
{
    for (size_t i = 0; i < w->tokens.n; i++) {
        unsigned tag = w->tokens.items[i].label;
        size_t last = i;
        if (tag == SL_TAG_NAME) {
            last = span_end(w, i);
            SL_TRY(add(w, SL_CLASS_NAME, with_title(w, text, i), last, findings));
        } else if (tag == SL_TAG_PLACE) {
            last = with_town(w, text, i, span_end(w, i));
            SL_TRY(add(w, SL_CLASS_LOCATION, i, last, findings));
        } else if (tag == SL_TAG_NUMBER) {
            while (last + 1 < w->tokens.n && w->tokens.items[last + 1].label == SL_TAG_NUMBER &&
                   w->tokens.items[last + 1].lines == 0) {
                last++;
            }
            SL_TRY(add_number(w, text, i, last, findings));
        }
        i = last;
    }
    return SL_DONE;
}

sl_res sl_tagger_scan(const sl_tagger *tagger, sl_tagger_work *work, sl_view folded,
                      sl_findings *findings)
{
    SL_NEED(folded.n <= TEXT_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_tag_tokenise(folded, &work->tokens));
    SL_TRY(make_room(work));
    for (size_t i = 0; i < work->tokens.n; i++) {
        work->tokens.items[i].lists = lists_of(tagger, work->tokens.items[i].lower);
    }
    for (size_t begin = 0; begin < work->tokens.n;) {
        size_t end = sl_tag_segment_end(&work->tokens, begin);
        tag_segment(tagger, work, begin, end);
        begin = end;
    }
    return report(work, folded, findings);
}
