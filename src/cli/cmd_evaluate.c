/* `stoplog evaluate GOLD.jsonl`: how well detection does on a labelled set of your own.
 * A line is {"text":..., "spans":[{"start":..,"end":..,"label":..}]} with offsets in UTF-8 bytes and
 * labels NAME DATE LOCATION ID CONTACT AGE (others are neither required nor counted as wrong). Prints
 * figures only, never a text. Stands alone, without a site. */
#include <fcntl.h>
#include <getopt.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/stats.h"
#include "cli/cli.h"
#include "detect/inspect.h"

#define GOLD_BYTES_MAX ((size_t)1 << 31)
#define SPANS_MAX ((size_t)4096)

static const char USAGE[] =
    "evaluate [--no-names] [--rows] GOLD.jsonl\n"
    "\n"
    "Scores detection on a labelled set: recall with exact 95% intervals and precision by class, how\n"
    "many documents were covered whole, and how many clean ones were touched. A span counts as found\n"
    "when a finding of any class overlaps it.\n"
    "  --rows      one line more for each document: its gold spans and how many were missed\n"
    "  --no-names  without the tagger of names and places\n";

typedef enum {
    LABEL_NAME,
    LABEL_DATE,
    LABEL_LOCATION,
    LABEL_ID,
    LABEL_CONTACT,
    LABEL_AGE,
    LABEL_COUNT,
    LABEL_OTHER = LABEL_COUNT,
} label;

static const char *const LABELS[LABEL_COUNT] = {
    "NAME", "DATE", "LOCATION", "ID", "CONTACT", "AGE"
};

typedef struct {
    size_t start;
    size_t end;
    label kind;
} gold_span;

typedef struct {
    uint64_t gold;
    uint64_t found;
    uint64_t findings;
    uint64_t right;
} tally;

typedef struct {
    sl_cli *cli;
    bool rows;
    sl_detect *detect;
    sl_scratch *scratch;
    sl_buf pack;
    tally classes[LABEL_COUNT];
    uint64_t documents;
    uint64_t covered; /* documents with identifiers, all of them found whole */
    uint64_t with_gold;
    uint64_t clean;
    uint64_t touched;
    gold_span spans[SPANS_MAX];
    size_t count;
} evaluation;

static label label_of(const sl_json_node *node)
{
    for (size_t i = 0; i < LABEL_COUNT; i++) {
        if (sl_json_text_is(node, LABELS[i])) {
            return (label)i;
        }
    }
    return LABEL_OTHER;
}

/* The label that a finding's class stands for; secrets, links and forms stand for none. */
static label label_of_class(sl_class kind)
{
    switch (sl_class_group(kind)) {
    case SL_GROUP_CONTACT:
        return LABEL_CONTACT;
    case SL_GROUP_TRIAL:
    case SL_GROUP_NATIONAL:
    case SL_GROUP_DEVICE:
    case SL_GROUP_MONEY:
        return LABEL_ID;
    case SL_GROUP_PHI:
        break;
    case SL_GROUP_SECRET:
    case SL_GROUP_LINK:
    case SL_GROUP_HIDDEN:
    case SL_GROUP_PROTECTED:
    case SL_GROUP_INSTRUCTION:
    case SL_GROUP_COUNT:
    default:
        return LABEL_OTHER;
    }
    if (kind == SL_CLASS_NAME) {
        return LABEL_NAME;
    }
    if (kind == SL_CLASS_DATE) {
        return LABEL_DATE;
    }
    if (kind == SL_CLASS_AGE90) {
        return LABEL_AGE;
    }
    bool place = kind == SL_CLASS_LOCATION || kind == SL_CLASS_ZIP || kind == SL_CLASS_STREET;
    return place ? LABEL_LOCATION : LABEL_ID;
}

static bool is_sign(uint8_t b)
{
    return b < 0x80 &&
           !((b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z'));
}

/* Is every letter and digit of the span inside some finding? */
static bool is_covered(sl_view text, const gold_span *g, const sl_findings *all)
{
    for (size_t i = g->start; i < g->end; i++) {
        bool inside = is_sign(text.p[i]);
        for (size_t k = 0; k < all->n && !inside; k++) {
            inside = all->items[k].start <= i && i < all->items[k].end;
        }
        if (!inside) {
            return false;
        }
    }
    return true;
}

static bool is_overlapped(const gold_span *g, const sl_findings *all)
{
    for (size_t k = 0; k < all->n; k++) {
        if (all->items[k].start < g->end && g->start < all->items[k].end) {
            return true;
        }
    }
    return false;
}

/* The strongest thing that the gold standard says of a finding: an identifier, another, nothing. */
static void count_finding(evaluation *e, const sl_finding *f)
{
    label mine = label_of_class((sl_class)f->kind);
    bool other = false;
    bool right = false;
    for (size_t i = 0; i < e->count; i++) {
        bool overlap = e->spans[i].start < f->end && f->start < e->spans[i].end;
        right = right || (overlap && e->spans[i].kind != LABEL_OTHER);
        other = other || overlap;
    }
    if (mine != LABEL_OTHER && (right || !other)) {
        e->classes[mine].findings++;
        e->classes[mine].right += right;
    }
}

static sl_res print_row(const evaluation *e, uint64_t gold, uint64_t missed, size_t findings)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    SL_TRY(sl_buf_addf(&line, "{\"id\":%llu,\"gold\":%llu,\"missed\":%llu,\"findings\":%zu}",
                       (unsigned long long)e->documents, (unsigned long long)gold,
                       (unsigned long long)missed, findings));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res score(evaluation *e, sl_view text)
{
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    uint64_t gold = 0;
    uint64_t missed = 0;
    bool whole = true;
    SL_TRY(sl_detect_inspect(e->detect, e->scratch, text, SL_CHANNEL_DOCUMENT, &all));
    size_t counted = 0;
    for (size_t i = 0; i < all.n; i++) {
        count_finding(e, &all.items[i]);
        counted += label_of_class((sl_class)all.items[i].kind) != LABEL_OTHER;
    }
    for (size_t i = 0; i < e->count; i++) {
        const gold_span *g = &e->spans[i];
        if (g->kind == LABEL_OTHER) {
            continue;
        }
        bool found = is_overlapped(g, &all);
        e->classes[g->kind].gold++;
        e->classes[g->kind].found += found;
        whole = whole && is_covered(text, g, &all);
        gold++;
        missed += !found;
    }
    e->with_gold += gold != 0;
    e->covered += gold != 0 && whole;
    e->clean += gold == 0;
    e->touched += gold == 0 && counted != 0;
    SL_TRY(e->rows ? print_row(e, gold, missed, counted) : SL_DONE);
    e->documents++;
    return SL_DONE;
}

static sl_res read_spans(evaluation *e, const sl_json_doc *doc, const sl_json_node *list, size_t n)
{
    sl_json_iter it = { 0 };
    e->count = 0;
    while (sl_json_each(doc, list, &it)) {
        uint64_t start = 0;
        uint64_t end = 0;
        SL_TRY(sl_json_u64(sl_json_get(doc, it.value, "start"), &start));
        SL_TRY(sl_json_u64(sl_json_get(doc, it.value, "end"), &end));
        SL_NEED(start < end && end <= n, SL_E_RANGE);
        SL_NEED(e->count < SPANS_MAX, SL_E_LIMIT);
        e->spans[e->count++] = (gold_span){ (size_t)start, (size_t)end,
                                            label_of(sl_json_get(doc, it.value, "label")) };
    }
    return SL_DONE;
}

static sl_res take_document(evaluation *e, const sl_json_doc *doc)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_MIB };
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *spans = sl_json_get_kind(doc, root, "spans", SL_JSON_ARRAY);
    sl_view text;
    if (spans == NULL) {
        return sl_fail_at(SL_E_MISSING_FIELD, "spans", e->documents + 1);
    }
    SL_TRY(sl_json_text(sl_json_get(doc, root, "text"), &arena, &text));
    SL_TRY(read_spans(e, doc, spans, text.n));
    return score(e, text);
}

static sl_res evaluate_file(evaluation *e, const char *path)
{
    SL_OWN(sl_buf, gold, sl_buf_free) = { .max = GOLD_BYTES_MAX };
    SL_TRY(sl_file_read(AT_FDCWD, path, &gold));
    sl_view rest = sl_buf_view(&gold);
    while (rest.n != 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (sl_view_trim(line).n == 0) {
            continue;
        }
        SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
        SL_TRY(sl_json_parse(line, &doc));
        SL_TRY(take_document(e, &doc));
    }
    return SL_DONE;
}

static void add_share(sl_buf *out, const char *name, uint64_t part, uint64_t all)
{
    sl_res r = all == 0 ? sl_buf_addf(out, "\"%s\":null", name)
                        : sl_buf_addf(out, "\"%s\":%.4f", name, (double)part / (double)all);
    (void)r.code; /* the buffer is large enough; a cut line would not parse */
}

static sl_res add_class(const evaluation *e, size_t i, sl_buf *out)
{
    const tally *t = &e->classes[i];
    sl_interval range = { .low = 0, .high = 1 };
    SL_TRY(sl_buf_addf(out, "%s\"%s\":{\"gold\":%llu,\"found\":%llu,", i == 0 ? "" : ",", LABELS[i],
                       (unsigned long long)t->gold, (unsigned long long)t->found));
    add_share(out, "recall", t->found, t->gold);
    SL_TRY(sl_buf_add_byte(out, ','));
    add_share(out, "precision", t->right, t->findings);
    if (t->gold != 0) {
        SL_TRY(sl_stats_interval(t->found, t->gold, 0.95, &range));
    }
    return sl_buf_addf(out, ",\"recall_low\":%.4f,\"recall_high\":%.4f}", range.low, range.high);
}

static sl_res print_summary(const evaluation *e)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 64 * SL_KIB };
    tally all = { 0 };
    SL_TRY(sl_buf_addf(&out, "{\"summary\":{\"documents\":%llu,\"classes\":{",
                       (unsigned long long)e->documents));
    for (size_t i = 0; i < LABEL_COUNT; i++) {
        SL_TRY(add_class(e, i, &out));
        all.gold += e->classes[i].gold;
        all.found += e->classes[i].found;
        all.findings += e->classes[i].findings;
        all.right += e->classes[i].right;
    }
    SL_TRY(sl_buf_add_str(&out, "},\"overall\":{"));
    add_share(&out, "value_recall", all.found, all.gold);
    SL_TRY(sl_buf_add_byte(&out, ','));
    add_share(&out, "precision", all.right, all.findings);
    SL_TRY(sl_buf_add_byte(&out, ','));
    add_share(&out, "documents_covered", e->covered, e->with_gold);
    SL_TRY(sl_buf_addf(&out, "},\"clean\":{\"documents\":%llu,\"touched\":%llu}}}",
                       (unsigned long long)e->clean, (unsigned long long)e->touched));
    return sl_cli_line(sl_buf_view(&out));
}

static sl_res run(evaluation *e, bool names, const char *pack, const char *path)
{
    SL_TRY(sl_detect_build_with((sl_view){ 0 }, false, (sl_view){ 0 }, &e->detect));
    if (pack != NULL) {
        SL_TRY(sl_file_read(AT_FDCWD, pack, &e->pack));
        SL_TRY(sl_detect_add_names_of(e->detect, sl_buf_view(&e->pack)));
    } else if (names) {
        SL_TRY(sl_detect_add_names(e->detect));
    }
    SL_TRY(sl_scratch_new(e->detect, &e->scratch));
    SL_TRY(evaluate_file(e, path));
    return print_summary(e);
}

int sl_cmd_evaluate(sl_cli *cli, int argc, char **argv)
{
    static const struct option OPTIONS[] = { { "rows", no_argument, NULL, 'r' },
                                             { "no-names", no_argument, NULL, 'n' },
                                             { "json", no_argument, NULL, 'j' },
                                             { "names", required_argument, NULL, 'p' },
                                             { 0 } };
    static evaluation e;
    bool names = true;
    const char *pack = NULL;
    e = (evaluation){ .cli = cli, .pack = { .max = 64 * SL_MIB } };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (c == '?') {
            return sl_cli_usage(cli, USAGE);
        }
        e.rows = e.rows || c == 'r';
        names = names && c != 'n';
        pack = c == 'p' ? optarg : pack;
    }
    if (argc - optind != 1) {
        return sl_cli_usage(cli, USAGE);
    }
    sl_res r = run(&e, names, pack, argv[optind]);
    sl_scratch_free(e.scratch);
    sl_detect_free(e.detect);
    sl_buf_free(&e.pack);
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "evaluate", r);
}
