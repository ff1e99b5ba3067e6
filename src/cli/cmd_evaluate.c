/* `stoplog evaluate GOLD.jsonl`: how well detection does on a labelled set of your own.
 * A line is {"text":..., "spans":[{"start":..,"end":..,"label":..}]} with offsets in UTF-8 bytes and
 * labels NAME DATE LOCATION ID CONTACT AGE (others are neither required nor counted as wrong), or
 * {"text":..., "label":0|1} where 1 is an attempt to instruct the model. Prints figures only, never a
 * text. Stands alone, without a site. Fields: ARCHITECTURE section 6. */
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/stats.h"
#include "cli/cli.h"
#include "detect/evaluation.h"
#include "detect/inject.h"
#include "detect/inspect.h"

#define GOLD_BYTES_MAX ((size_t)1 << 31)
#define PACK_BYTES_MAX (64 * SL_MIB)
#define SPANS_MAX ((size_t)4096)
#define PROGRESS_EVERY 50

static const char USAGE[] =
    "evaluate [--no-names | --names PACK] [--channel user|data] [--rows] [--json] GOLD.jsonl\n"
    "\n"
    "Scores detection on a labelled set: recall, precision and F1 by token, exact span and overlap, how\n"
    "many documents were covered whole, and what was touched that names no one, with exact 95%\n"
    "intervals. Lines {text, spans:[{start,end,label}]}; offsets in UTF-8 bytes. Lines {text, label}\n"
    "with label 1 for an attempt to instruct the model and 0 for none: AUROC, and the share that is\n"
    "caught where at most 1 % of the others are.\n"
    "  --rows        one line more for each document: how many were missed, and where it went wrong\n"
    "  --channel C   of labelled lines: user (typed by a person, default) or data (tools, documents)\n"
    "  --no-names    without the tagger of names and places\n"
    "  --names PACK  with this pack instead of the built-in one\n"
    "  --json        figures as JSON on a terminal too\n";

typedef struct {
    sl_cli *cli;
    bool rows;
    bool progress;
    sl_detect *detect;
    sl_scratch *scratch;
    sl_buf pack;
    sl_evaluation counts;
    sl_gold_span spans[SPANS_MAX];
    size_t span_count;
    sl_inject_channel channel;
    sl_inject *inject; /* opened when the first labelled line is met */
    sl_inject_work *work;
    sl_scored *scored;
    size_t scored_n;
    size_t scored_cap;
} evaluation;

/* ---- reading ------------------------------------------------------------------------------- */

static bool overlap(const sl_gold_span *g, const sl_finding *f)
{
    return g->start < f->end && f->start < g->end;
}

static void put_span(sl_json_writer *w, size_t start, size_t end, const char *what)
{
    sl_json_array_begin(w);
    sl_json_uint(w, start);
    sl_json_uint(w, end);
    sl_json_string(w, sl_view_str(what));
    sl_json_array_end(w);
}

/* Where it went wrong, as offsets: gold spans that nothing overlaps, findings that overlap none. */
static void put_errors(sl_json_writer *w, const evaluation *e, const sl_findings *all)
{
    sl_json_key(w, "missed_spans");
    sl_json_array_begin(w);
    for (size_t i = 0; i < e->span_count; i++) {
        const sl_gold_span *g = &e->spans[i];
        bool found = g->label == SL_LABEL_OTHER;
        for (size_t k = 0; k < all->n && !found; k++) {
            found = overlap(g, &all->items[k]);
        }
        if (!found) {
            put_span(w, g->start, g->end, sl_label_name(g->label));
        }
    }
    sl_json_array_end(w);
    sl_json_key(w, "extra_spans");
    sl_json_array_begin(w);
    for (size_t k = 0; k < all->n; k++) {
        const sl_finding *f = &all->items[k];
        bool right = sl_label_of_class((sl_class)f->kind) == SL_LABEL_OTHER;
        for (size_t i = 0; i < e->span_count && !right; i++) {
            right = overlap(&e->spans[i], f);
        }
        if (!right) {
            put_span(w, f->start, f->end, sl_class_name((sl_class)f->kind));
        }
    }
    sl_json_array_end(w);
}

static sl_res print_row(const evaluation *e, sl_view id, const sl_evaluation_row *row,
                        const sl_findings *all)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4 * SL_MIB };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    if (id.n != 0) {
        sl_json_put_string(&w, "id", id);
    } else {
        sl_json_put_uint(&w, "id", e->counts.documents - 1);
    }
    sl_json_put_uint(&w, "gold", row->wanted);
    sl_json_put_uint(&w, "missed", row->missed);
    sl_json_put_uint(&w, "findings", row->findings);
    put_errors(&w, e, all);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res read_spans(evaluation *e, const sl_json_doc *doc, const sl_json_node *list,
                         sl_arena *arena)
{
    sl_json_iter it = { 0 };
    e->span_count = 0;
    while (sl_json_each(doc, list, &it)) {
        uint64_t start = 0;
        uint64_t end = 0;
        sl_view label;
        SL_TRY(sl_json_u64(sl_json_get(doc, it.value, "start"), &start));
        SL_TRY(sl_json_u64(sl_json_get(doc, it.value, "end"), &end));
        SL_TRY(sl_json_text(sl_json_get(doc, it.value, "label"), arena, &label));
        SL_NEED(e->span_count < SPANS_MAX, SL_E_LIMIT);
        e->spans[e->span_count++] =
            (sl_gold_span){ (size_t)start, (size_t)end, sl_label_by_name(label) };
    }
    return SL_DONE;
}

/* ---- lines with a label -------------------------------------------------------------------- */

static sl_res read_label(const sl_json_node *node, uint64_t line, bool *ret_attack)
{
    static const char *const ATTACKS[] = { "1", "attack", "injection", "jailbreak", "malicious" };
    uint64_t number = 0;
    *ret_attack = false;
    if (node->kind == SL_JSON_TRUE || node->kind == SL_JSON_FALSE) {
        *ret_attack = node->kind == SL_JSON_TRUE;
        return SL_DONE;
    }
    if (node->kind == SL_JSON_NUMBER && sl_ok(sl_json_u64(node, &number)) && number <= 1) {
        *ret_attack = number == 1;
        return SL_DONE;
    }
    for (size_t i = 0; node->kind == SL_JSON_STRING && i < SL_COUNT_OF(ATTACKS); i++) {
        *ret_attack = *ret_attack || sl_json_text_is(node, ATTACKS[i]);
    }
    return node->kind == SL_JSON_STRING ? SL_DONE : sl_fail_at(SL_E_TYPE, "label", line);
}

static sl_res print_score(const evaluation *e, sl_view id, double score)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 64 * SL_KIB };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    if (id.n != 0) {
        sl_json_put_string(&w, "id", id);
    } else {
        sl_json_put_uint(&w, "id", e->scored_n - 1);
    }
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    line.n--; /* the score goes before the brace: the writer knows no fractions */
    SL_TRY(sl_buf_addf(&line, ",\"score\":%.3f}", score));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res add_scored(evaluation *e, sl_scored one)
{
    if (e->scored_n == e->scored_cap) {
        size_t cap = e->scored_cap == 0 ? 1024 : e->scored_cap * 2;
        sl_scored *more = reallocarray(e->scored, cap, sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        e->scored = more;
        e->scored_cap = cap;
    }
    e->scored[e->scored_n++] = one;
    return SL_DONE;
}

static sl_res take_labelled(evaluation *e, sl_view text, sl_view id, const sl_json_node *label,
                            uint64_t line)
{
    sl_inject_result result;
    bool attack = false;
    SL_TRY(read_label(label, line, &attack));
    if (e->inject == NULL) {
        SL_TRY(sl_inject_open_default(e->channel, &e->inject));
        SL_TRY(sl_inject_work_new(&e->work));
    }
    SL_TRY(sl_inject_score(e->inject, e->work, text, &result));
    double score = (double)result.logit / 1000;
    SL_TRY(add_scored(e, (sl_scored){ score, attack }));
    return e->rows ? print_score(e, id, score) : SL_DONE;
}

static sl_res take_document(evaluation *e, const sl_json_doc *doc, uint64_t line)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_MIB };
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *spans = sl_json_get_kind(doc, root, "spans", SL_JSON_ARRAY);
    const sl_json_node *id = sl_json_get_kind(doc, root, "id", SL_JSON_STRING);
    sl_evaluation_row row;
    sl_view text;
    sl_view name = { 0 };
    const sl_json_node *label = sl_json_get(doc, root, "label");
    if (spans == NULL && label == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "spans or label, in line", line);
    }
    SL_TRY(sl_json_text(sl_json_get(doc, root, "text"), &arena, &text));
    SL_TRY(id == NULL ? SL_DONE : sl_json_text(id, &arena, &name));
    if (spans == NULL) {
        return take_labelled(e, text, name, label, line);
    }
    SL_TRY(read_spans(e, doc, spans, &arena));
    SL_TRY(sl_detect_inspect(e->detect, e->scratch, text, SL_CHANNEL_DOCUMENT, &all));
    if (!sl_ok(sl_evaluation_add(&e->counts, text, e->spans, e->span_count, &all, &row))) {
        return sl_fail_at(SL_E_RANGE, "spans", line);
    }
    return e->rows ? print_row(e, name, &row, &all) : SL_DONE;
}

static sl_res evaluate_file(evaluation *e, const char *path)
{
    SL_OWN(sl_buf, gold, sl_buf_free) = { .max = GOLD_BYTES_MAX };
    SL_TRY(sl_cli_read(path, &gold));
    sl_view rest = sl_buf_view(&gold);
    for (uint64_t number = 1; rest.n != 0; number++) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (sl_view_trim(line).n == 0) {
            continue;
        }
        SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
        if (!sl_ok(sl_json_parse(line, &doc))) {
            return sl_fail_at(SL_E_SYNTAX, "line of the labelled set", number);
        }
        SL_TRY(take_document(e, &doc, number));
        if (e->progress && number % PROGRESS_EVERY == 0) {
            sl_cli_progress("evaluate", gold.n - rest.n, gold.n);
        }
    }
    if (e->progress) {
        sl_cli_progress_end();
    }
    return SL_DONE;
}

/* ---- figures ------------------------------------------------------------------------------- */

static double share(uint64_t part, uint64_t all)
{
    return all == 0 ? 0 : (double)part / (double)all;
}

static double f1_of(const sl_tally *t)
{
    double recall = share(t->found, t->wanted);
    double precision = share(t->right, t->claimed);
    return recall + precision > 0 ? 2 * recall * precision / (recall + precision) : 0;
}

static sl_interval range_of(uint64_t part, uint64_t all)
{
    sl_interval range = { .low = 0, .high = 1 };
    sl_res r = all == 0 ? SL_DONE : sl_stats_interval(part, all, 0.95, &range);
    return sl_ok(r) ? range : (sl_interval){ .low = 0, .high = 1 };
}

/* "NAME":0.9876,"NAME_low":...,"NAME_high":... or null when there is nothing to divide by. */
static sl_res add_share(sl_buf *out, const char *name, uint64_t part, uint64_t all)
{
    if (all == 0) {
        return sl_buf_addf(out, "\"%s\":null,\"%s_low\":0,\"%s_high\":1", name, name, name);
    }
    sl_interval range = range_of(part, all);
    return sl_buf_addf(out, "\"%s\":%.4f,\"%s_low\":%.4f,\"%s_high\":%.4f", name, share(part, all),
                       name, range.low, name, range.high);
}

static sl_res add_tally(sl_buf *out, const sl_tally *t)
{
    SL_TRY(sl_buf_addf(out, "\"gold\":%llu,\"found\":%llu,", (unsigned long long)t->wanted,
                       (unsigned long long)t->found));
    SL_TRY(add_share(out, "recall", t->found, t->wanted));
    SL_TRY(sl_buf_add_byte(out, ','));
    SL_TRY(add_share(out, "precision", t->right, t->claimed));
    return sl_buf_addf(out, ",\"f1\":%.4f", f1_of(t));
}

static sl_res add_class(const sl_evaluation *c, size_t i, sl_buf *out)
{
    SL_TRY(sl_buf_addf(out, "%s\"%s\":{", i == 0 ? "" : ",", sl_label_name((sl_label)i)));
    SL_TRY(add_tally(out, &c->overlap[i]));
    SL_TRY(sl_buf_add_str(out, ",\"exact\":{"));
    SL_TRY(add_tally(out, &c->exact[i]));
    SL_TRY(sl_buf_add_str(out, "},\"token\":{"));
    SL_TRY(add_tally(out, &c->token[i]));
    return sl_buf_add_str(out, "}}");
}

static sl_tally sum_of(const sl_tally *all)
{
    sl_tally sum = { 0 };
    for (size_t i = 0; i < SL_LABEL_COUNT; i++) {
        sum.wanted += all[i].wanted;
        sum.found += all[i].found;
        sum.claimed += all[i].claimed;
        sum.right += all[i].right;
    }
    return sum;
}

static sl_res print_json(const sl_evaluation *c)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 64 * SL_KIB };
    sl_tally all = sum_of(c->overlap);
    sl_tally exact = sum_of(c->exact);
    SL_TRY(sl_buf_addf(&out, "{\"summary\":{\"documents\":%llu,\"classes\":{",
                       (unsigned long long)c->documents));
    for (size_t i = 0; i < SL_LABEL_COUNT; i++) {
        SL_TRY(add_class(c, i, &out));
    }
    SL_TRY(sl_buf_add_str(&out, "},\"overall\":{"));
    SL_TRY(add_share(&out, "value_recall", all.found, all.wanted));
    SL_TRY(sl_buf_add_byte(&out, ','));
    SL_TRY(add_share(&out, "precision", all.right, all.claimed));
    SL_TRY(sl_buf_add_byte(&out, ','));
    SL_TRY(add_share(&out, "documents_covered", c->covered, c->with_gold));
    SL_TRY(sl_buf_add_str(&out, ",\"exact\":{"));
    SL_TRY(add_tally(&out, &exact));
    SL_TRY(sl_buf_add_str(&out, "},\"token\":{"));
    SL_TRY(add_tally(&out, &c->any_token));
    SL_TRY(sl_buf_addf(&out, "}},\"clean\":{\"documents\":%llu,\"touched\":%llu,",
                       (unsigned long long)c->clean, (unsigned long long)c->touched));
    SL_TRY(add_share(&out, "touched_share", c->touched, c->clean));
    SL_TRY(sl_buf_addf(&out,
                       ",\"characters\":%llu,\"characters_touched\":%llu,"
                       "\"characters_touched_share\":%.6f}}}",
                       (unsigned long long)c->clean_chars,
                       (unsigned long long)c->clean_chars_touched,
                       share(c->clean_chars_touched, c->clean_chars)));
    return sl_cli_line(sl_buf_view(&out));
}

static void print_tally(const char *name, const sl_tally *t)
{
    sl_interval recall = range_of(t->found, t->wanted);
    sl_interval precision = range_of(t->right, t->claimed);
    if (t->wanted == 0 && t->claimed == 0) {
        return;
    }
    printf("%-10s %8llu  %.3f (%.3f-%.3f)  %.3f (%.3f-%.3f)  %.3f\n", name,
           (unsigned long long)t->wanted, share(t->found, t->wanted), recall.low, recall.high,
           share(t->right, t->claimed), precision.low, precision.high, f1_of(t));
}

static void print_part(const char *title, const sl_tally *all)
{
    printf("\n%-10s %8s  %-19s  %-19s  %s\n", title, "gold", "recall", "precision", "F1");
    for (size_t i = 0; i < SL_LABEL_COUNT; i++) {
        print_tally(sl_label_name((sl_label)i), &all[i]);
    }
}

static void print_people(const sl_evaluation *c)
{
    sl_interval covered = range_of(c->covered, c->with_gold);
    sl_interval touched = range_of(c->touched, c->clean);
    sl_tally all = sum_of(c->overlap);
    printf("%llu documents; shares with exact 95%% intervals\n", (unsigned long long)c->documents);
    print_part("overlap", c->overlap);
    print_tally("all", &all);
    print_part("exact", c->exact);
    print_part("token", c->token);
    print_tally("any class", &c->any_token);
    printf("\ndocuments covered whole: %llu of %llu, %.3f (%.3f-%.3f)\n",
           (unsigned long long)c->covered, (unsigned long long)c->with_gold,
           share(c->covered, c->with_gold), covered.low, covered.high);
    printf("clean documents touched: %llu of %llu, %.3f (%.3f-%.3f); %.3f%% of clean text\n",
           (unsigned long long)c->touched, (unsigned long long)c->clean,
           share(c->touched, c->clean), touched.low, touched.high,
           100 * share(c->clean_chars_touched, c->clean_chars));
}

static sl_res print_ranking(const evaluation *e, bool json)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 64 * SL_KIB };
    sl_ranking r;
    sl_ranking_of(e->scored, e->scored_n, 0.01, &r);
    sl_interval caught = range_of(r.caught, r.attacks);
    sl_interval alarms = range_of(r.alarms, r.ordinary);
    if (!json) {
        printf("%llu attacks, %llu others; AUROC %.4f\n", (unsigned long long)r.attacks,
               (unsigned long long)r.ordinary, r.auroc);
        printf("above %.3f: %.3f (%.3f-%.3f) of attacks, %.4f (%.4f-%.4f) of others\n", r.threshold,
               share(r.caught, r.attacks), caught.low, caught.high, share(r.alarms, r.ordinary),
               alarms.low, alarms.high);
        return SL_DONE;
    }
    SL_TRY(sl_buf_addf(&out,
                       "{\"summary\":{\"attacks\":%llu,\"ordinary\":%llu,\"auroc\":%.6f,"
                       "\"at_fpr\":{\"0.01\":%.4f},\"at_fpr_low\":%.4f,\"at_fpr_high\":%.4f,"
                       "\"threshold\":%.3f,\"false_alarms\":%llu,\"false_alarms_low\":%.4f,"
                       "\"false_alarms_high\":%.4f,\"flagged_share\":%.4f}}",
                       (unsigned long long)r.attacks, (unsigned long long)r.ordinary, r.auroc,
                       share(r.caught, r.attacks), caught.low, caught.high, r.threshold,
                       (unsigned long long)r.alarms, alarms.low, alarms.high,
                       share(r.caught + r.alarms, r.attacks + r.ordinary)));
    return sl_cli_line(sl_buf_view(&out));
}

/* ---- the command --------------------------------------------------------------------------- */

static sl_res run(evaluation *e, bool names, const char *pack, const char *path)
{
    SL_TRY(sl_detect_build_with((sl_view){ 0 }, false, (sl_view){ 0 }, &e->detect));
    if (pack != NULL) {
        SL_TRY(sl_cli_read(pack, &e->pack));
        SL_TRY(sl_detect_add_names_of(e->detect, sl_buf_view(&e->pack)));
    } else if (names) {
        SL_TRY(sl_detect_add_names(e->detect));
    }
    SL_TRY(sl_scratch_new(e->detect, &e->scratch));
    SL_TRY(evaluate_file(e, path));
    bool json = e->cli->json || isatty(STDOUT_FILENO) == 0;
    if (e->scored_n != 0) {
        SL_TRY(print_ranking(e, json));
    }
    if (e->scored_n != 0 && e->counts.documents == 0) {
        return SL_DONE;
    }
    if (json) {
        return print_json(&e->counts);
    }
    print_people(&e->counts);
    return SL_DONE;
}

int sl_cmd_evaluate(sl_cli *cli, int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "rows", no_argument, NULL, 'r' },          { "no-names", no_argument, NULL, 'n' },
        { "json", no_argument, NULL, 'j' },          { "names", required_argument, NULL, 'p' },
        { "channel", required_argument, NULL, 'c' }, { 0 },
    };
    static evaluation e;
    bool names = true;
    const char *pack = NULL;
    e = (evaluation){ .cli = cli, .pack = { .max = PACK_BYTES_MAX } };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        bool data = c == 'c' && strcmp(optarg, "data") == 0;
        if (c == '?' || (c == 'c' && !data && strcmp(optarg, "user") != 0)) {
            return sl_cli_usage(cli, USAGE);
        }
        e.channel = data ? SL_INJECT_DATA : e.channel;
        e.rows = e.rows || c == 'r';
        cli->json = cli->json || c == 'j';
        names = names && c != 'n';
        pack = c == 'p' ? optarg : pack;
    }
    if (argc - optind != 1) {
        return sl_cli_usage(cli, USAGE);
    }
    e.progress = !e.rows && isatty(STDERR_FILENO) == 1;
    sl_res r = run(&e, names, pack, argv[optind]);
    sl_scratch_free(e.scratch);
    sl_detect_free(e.detect);
    sl_buf_free(&e.pack);
    sl_inject_free(e.inject);
    sl_inject_work_free(e.work);
    free(e.scored);
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "evaluate", r);
}
