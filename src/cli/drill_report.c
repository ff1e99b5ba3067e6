/* `stoplog drill gate|report|replay`: what earlier drills left in the ledger, for a pipeline, for a reader, and
 * judged again. Arguments and printing only; the judgement is in src/drill/results.h. */
#include <stdlib.h>

#include "assure/shipped.h"
#include "base/clock.h"
#include "cli/drill_call.h"
#include "cli/site_assure.h"
#include "cli/site_ledger.h"
#include "drill/drills_embedded.h"
#include "drill/results.h"

static const char USAGE[] =
    "drill gate [--max-age DURATION] [--max-mttc MS] [--drill ID]... [--check ID]...\n"
    "       stoplog drill report\n"
    "       stoplog drill replay LEAF";

#define DAY_MS ((int64_t)86400000)

enum { NAMES_MAX = 32 };

typedef struct {
    sl_cli *cli;
    sl_drill_results results;
    sl_drill_gate gate;
    const char *drills[NAMES_MAX];
    size_t drill_count;
    const char *checks[NAMES_MAX];
    size_t check_count;
    size_t totals[3]; /* by sl_drill_result */
} report_call;

static sl_res fold(void *context, uint64_t index, sl_view leaf)
{
    sl_drill_results_fold(&((report_call *)context)->results, index, leaf);
    return SL_DONE;
}

typedef sl_res each_scenario(report_call *call, const sl_scenario *scenario);

static sl_res for_each_scenario(report_call *call, each_scenario *each)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    for (size_t i = 0; i < sl_drill_drills_count; i++) {
        const sl_embedded_file *file = &sl_drill_drills[i];
        sl_scenario scenario;
        SL_TRY(sl_scenario_read(sl_view_of(file->bytes, file->n), &arena, &scenario));
        SL_TRY(each(call, &scenario));
    }
    return SL_DONE;
}

/* ---- gate ---- */

static sl_res print_verdict(report_call *call, const char *kind, sl_view id, sl_drill_result result,
                            const char *why, const uint64_t *leaf)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    call->totals[result]++;
    if (!call->cli->json) {
        static const char *const marks[] = { "pass     ", "FAIL     ", "not shown" };
        SL_TRY(sl_buf_addf(&line, "%s  %-5s %.*s: %s", marks[result], kind, SL_FMT(id), why));
        SL_TRY(leaf == NULL ? SL_DONE
                            : sl_buf_addf(&line, " (leaf %llu)", (unsigned long long)*leaf));
        return sl_cli_line(sl_buf_view(&line));
    }
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_put_string(&w, kind, id);
    sl_json_put_str(&w, "result",
                    result == SL_DRILL_NOT_SHOWN ? "not shown" : sl_drill_result_name(result));
    sl_json_put_str(&w, "why", why);
    if (leaf != NULL) {
        sl_json_put_uint(&w, "leaf", *leaf);
    }
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static bool wanted(const report_call *call, sl_view id)
{
    for (size_t i = 0; i < call->drill_count; i++) {
        if (sl_view_eq_str(id, call->drills[i])) {
            return true;
        }
    }
    return call->drill_count == 0;
}

static sl_res gate_scenario(report_call *call, const sl_scenario *scenario)
{
    if (!wanted(call, scenario->id)) {
        return SL_DONE;
    }
    const char *why = NULL;
    const sl_drill_record *record = sl_drill_results_of(&call->results, scenario->id);
    sl_drill_result result = sl_drill_gate_one(&call->gate, record, &why);
    return print_verdict(call, "drill", scenario->id, result, why,
                         record == NULL ? NULL : &record->index);
}

/* Checks that are named must pass; of the others only a failure counts. */
static sl_res gate_check(report_call *call, const sl_site_assure *site, size_t at)
{
    const sl_check *check = sl_catalogue_check(site->catalogue, at);
    sl_answer answer = sl_assurance_answer(site->run, at, site->now_ms, true);
    bool named = false;
    for (size_t i = 0; i < call->check_count; i++) {
        named = named || sl_view_eq_str(check->id, call->checks[i]);
    }
    if (!named && (call->check_count != 0 || answer.state != SL_STATE_FAIL)) {
        return SL_DONE;
    }
    sl_drill_result result = answer.state == SL_STATE_FAIL      ? SL_DRILL_FAIL
                             : answer.state == SL_STATE_UNKNOWN ? SL_DRILL_NOT_SHOWN
                                                                : SL_DRILL_PASS;
    return print_verdict(call, "check", check->id, result, answer.why,
                         answer.evidence_count == 0 ? NULL : &answer.evidence[0]);
}

static sl_res check_names(const report_call *call, const sl_site_assure *site)
{
    for (size_t i = 0; i < call->check_count; i++) {
        if (sl_catalogue_find(site->catalogue, sl_view_str(call->checks[i])) == SIZE_MAX) {
            return sl_fail_at(SL_E_NOT_FOUND, "check", i);
        }
    }
    return SL_DONE;
}

static sl_res gate(report_call *call)
{
    SL_OWN(sl_site_assure, site, sl_site_assure_close) = { 0 };
    SL_TRY(sl_site_assure_open(call->cli, fold, call, &site));
    SL_TRY(check_names(call, &site));
    call->gate.now_ms = site.now_ms;
    SL_TRY(for_each_scenario(call, gate_scenario));
    SL_NEED(call->drill_count == 0 ||
                call->totals[0] + call->totals[1] + call->totals[2] == call->drill_count,
            SL_E_NOT_FOUND);
    for (size_t i = 0; i < sl_catalogue_count(site.catalogue); i++) {
        SL_TRY(gate_check(call, &site, i));
    }
    if (!call->cli->json) {
        return SL_DONE;
    }
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 256 };
    SL_TRY(sl_buf_addf(&line, "{\"summary\":{\"pass\":%zu,\"fail\":%zu,\"not_shown\":%zu}}",
                       call->totals[SL_DRILL_PASS], call->totals[SL_DRILL_FAIL],
                       call->totals[SL_DRILL_NOT_SHOWN]));
    return sl_cli_line(sl_buf_view(&line));
}

static bool duration(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { "d", DAY_MS } };
    size_t digits = strspn(text, "0123456789");
    uint64_t n = 0;
    if (digits == 0 || !sl_ok(sl_parse_u64(sl_view_of(text, digits), 100000000, &n))) {
        return false;
    }
    for (size_t i = 0; i < SL_COUNT_OF(units); i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            *ret_ms = (int64_t)n * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool parse_gate(report_call *call, int argc, char **argv)
{
    for (int i = 2; i < argc; i += 2) {
        bool drill = strcmp(argv[i], "--drill") == 0 && call->drill_count < NAMES_MAX;
        bool check = strcmp(argv[i], "--check") == 0 && call->check_count < NAMES_MAX;
        if (i + 1 == argc) {
            return false;
        }
        if (drill) {
            call->drills[call->drill_count++] = argv[i + 1];
        } else if (check) {
            call->checks[call->check_count++] = argv[i + 1];
        } else if (strcmp(argv[i], "--max-age") == 0) {
            if (!duration(argv[i + 1], &call->gate.age_ms_max)) {
                return false;
            }
        } else if (strcmp(argv[i], "--max-mttc") == 0) {
            if (!sl_ok(sl_parse_u64(sl_view_str(argv[i + 1]), 86400000, &call->gate.mttc_ms_max))) {
                return false;
            }
        } else {
            return false;
        }
    }
    return true;
}

int sl_drill_gate_main(sl_cli *cli, int argc, char **argv)
{
    static report_call call; /* large */
    call = (report_call){ .cli = cli, .gate = { .age_ms_max = 7 * DAY_MS } };
    if (!parse_gate(&call, argc, argv)) {
        return sl_cli_usage(cli, USAGE);
    }
    sl_res r = gate(&call);
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "drill gate", r);
    }
    if (call.totals[SL_DRILL_FAIL] > 0) {
        return 1;
    }
    return call.totals[SL_DRILL_NOT_SHOWN] > 0 || call.results.full ? 5 : 0;
}

/* ---- report ---- */

static sl_res report_scenario(report_call *call, const sl_scenario *s)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    const sl_drill_record *r = sl_drill_results_of(&call->results, s->id);
    SL_TRY(sl_buf_addf(&line, "| %.*s | %.*s | %.*s ", SL_FMT(s->id), SL_FMT(s->title),
                       SL_FMT(s->techniques)));
    if (r == NULL) {
        SL_TRY(sl_buf_add_str(&line, "| never ran | | | | | | |"));
        return sl_cli_line(sl_buf_view(&line));
    }
    char when[SL_CLOCK_TEXT_BYTES];
    sl_clock_text(r->time_ms, when);
    const char *result =
        r->result == SL_DRILL_NOT_SHOWN ? "not shown" : sl_drill_result_name(r->result);
    SL_TRY(sl_buf_addf(&line, "| **%s** | %s | %s | %s | %s ", result, sl_fact_word(r->no_effect),
                       sl_fact_word(r->refused), sl_fact_word(r->signalled),
                       sl_fact_word(r->contained)));
    SL_TRY(r->has_mttc ? sl_buf_addf(&line, "(%llu ms) ", (unsigned long long)r->mttc_ms)
                       : SL_DONE);
    SL_TRY(sl_buf_addf(&line, "| %llu of %llu, at most %llu.%llu %% | leaf %llu, %s |",
                       (unsigned long long)r->hits, (unsigned long long)r->trials,
                       (unsigned long long)(r->upper95_ppm / 10000),
                       (unsigned long long)(r->upper95_ppm / 1000 % 10),
                       (unsigned long long)r->index, when));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res report(report_call *call)
{
    SL_OWN(sl_buf, head, sl_buf_free) = { .max = 4096 };
    SL_TRY(sl_site_ledger_read(call->cli, fold, call, &head));
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 8192 };
    SL_TRY(
        sl_buf_addf(&text,
                    "# Drills of %.*s\n\nThe newest run of each drill. The first fact is what the "
                    "drill saw at its own receiving end; each of\nthe others is a leaf that "
                    "somebody else wrote. `stoplog drill replay LEAF` judges a run again.\n\n"
                    "| drill | attack | techniques | result | no effect | refused | signalled | "
                    "contained | trials with an effect (95 %%) | evidence |\n"
                    "|---|---|---|---|---|---|---|---|---|---|",
                    (int)head.n, (const char *)head.p));
    SL_TRY(sl_cli_line(sl_buf_view(&text)));
    return for_each_scenario(call, report_scenario);
}

int sl_drill_report_main(sl_cli *cli)
{
    static report_call call; /* large */
    call = (report_call){ .cli = cli };
    sl_res r = report(&call);
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "drill report", r);
}

/* ---- replay ---- */

typedef struct {
    uint64_t wanted;
    bool found;
    sl_drill_record record;
    const sl_scenario *scenario;
    sl_drill_judge judge;
} replay_call;

static sl_res find_record(void *context, uint64_t index, sl_view leaf)
{
    replay_call *r = context;
    if (index == r->wanted) {
        r->found = sl_drill_record_read(index, leaf, &r->record);
    }
    return SL_DONE;
}

static sl_res judge_leaf(void *context, uint64_t index, sl_view leaf)
{
    replay_call *r = context;
    if (index >= r->record.from_size && index < r->record.index) {
        sl_drill_judge_leaf(&r->judge, index, leaf);
    }
    return SL_DONE;
}

static sl_res add_replayed(sl_json_writer *w, const char *name, sl_fact_state recorded,
                           const sl_fact *found)
{
    sl_json_key(w, name);
    sl_json_object_begin(w);
    sl_json_put_str(w, "recorded", sl_fact_word(recorded));
    bool none = found->state == SL_FACT_PENDING;
    sl_json_put_str(w, "found", sl_fact_word(none ? SL_FACT_FAILED : found->state));
    if (found->after_ms >= 0) {
        sl_json_put_int(w, "after_ms", found->after_ms);
        sl_json_put_uint(w, "leaf", found->index);
    }
    sl_json_object_end(w);
    return SL_DONE;
}

static sl_res print_replay(const replay_call *r, bool agrees)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 8192 };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_key(&w, "summary");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "scenario", r->record.scenario);
    sl_json_put_uint(&w, "leaf", r->record.index);
    sl_json_put_bool(&w, "agrees", agrees);
    SL_TRY(add_replayed(&w, "refused", r->record.refused, &r->judge.refused));
    SL_TRY(add_replayed(&w, "signalled", r->record.signalled, &r->judge.signalled));
    SL_TRY(add_replayed(&w, "contained", r->record.contained, &r->judge.contained));
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res replay(sl_cli *cli, replay_call *r, bool *ret_agrees)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    sl_scenario scenario;
    SL_TRY(sl_site_ledger_read(cli, find_record, r, NULL));
    SL_NEED(r->found, SL_E_NOT_FOUND);
    if (r->record.from_size == 0 || r->record.start_ms == 0) {
        return sl_fail_at(SL_E_UNKNOWN, "beginning of the drill, which its leaf does not tell",
                          r->wanted);
    }
    SL_TRY(sl_drill_scenario_named(sl_view_str(r->record.scenario), &arena, &scenario));
    sl_drill_judge_init(&r->judge, &scenario, r->record.start_ms);
    sl_drill_judge_principal(&r->judge, sl_view_str(r->record.principal));
    r->judge.bound =
        r->judge.bound && r->record.principal[0] != '\0'; /* older records name nobody */
    SL_TRY(sl_site_ledger_read(cli, judge_leaf, r, NULL));
    *ret_agrees = sl_drill_agrees(&r->record, &r->judge);
    return print_replay(r, *ret_agrees);
}

int sl_drill_replay_main(sl_cli *cli, const char *leaf)
{
    replay_call call = { 0 };
    bool agrees = false;
    if (!sl_ok(sl_parse_u64(sl_view_str(leaf), SL_TREE_SIZE_MAX, &call.wanted))) {
        return sl_cli_usage(cli, USAGE);
    }
    sl_res r = replay(cli, &call, &agrees);
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "drill replay", r);
    }
    return agrees ? 0 : 4;
}
