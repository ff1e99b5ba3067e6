/* `stoplog assure status|check|report|export`: the checks, asked of the site's ledger here and now. */
#include <fcntl.h>

#include "assure/posture.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/site_assure.h"

static const char USAGE[] =
    "assure status            every check, and what bears on which framework\n"
    "       stoplog assure check ID           one check with its evidence\n"
    "       stoplog assure report [--html] [--receipts DIR]   a page for auditors\n"
    "       stoplog assure export             OSCAL assessment results";

typedef struct {
    sl_cli *cli;
    sl_site_assure site;
    size_t totals[4]; /* by sl_state */
} assure_call;

static void close_call(assure_call *call)
{
    sl_site_assure_close(&call->site);
}

static void put_evidence(sl_json_writer *w, const sl_answer *answer)
{
    sl_json_key(w, "evidence");
    sl_json_array_begin(w);
    for (size_t i = 0; i < answer->evidence_count; i++) {
        sl_json_uint(w, answer->evidence[i]);
    }
    sl_json_array_end(w);
}

static sl_res print_json(const sl_check *check, const sl_answer *answer, bool whole)
{
    char fresh[SL_CLOCK_TEXT_BYTES];
    sl_clock_text(answer->fresh_until_ms, fresh);
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 64 * SL_KIB };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_put_string(&w, "id", check->id);
    sl_json_put_str(&w, "state", sl_state_name(answer->state));
    sl_json_put_string(&w, "severity", check->severity);
    sl_json_key(&w, "fresh_until");
    if (answer->fresh_until_ms == 0) {
        sl_json_null(&w);
    } else {
        sl_json_string(&w, sl_view_str(fresh));
    }
    put_evidence(&w, answer);
    sl_json_put_str(&w, "why", answer->why);
    if (answer->state == SL_STATE_UNKNOWN) {
        sl_json_put_string(&w, "needs", check->needs);
    }
    if (whole) {
        sl_json_put_string(&w, "states", check->states);
        sl_json_put_string(&w, "query", check->query_text);
        sl_json_put_string(&w, "owner", check->owner);
        sl_json_put_string(&w, "remedy", check->remedy);
    }
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res print_text(const sl_check *check, const sl_answer *answer)
{
    static const char *const marks[] = { "pass   ", "FAIL   ", "unknown", "outside" };
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    SL_TRY(
        sl_buf_addf(&line, "%s  %-22.*s %s", marks[answer->state], SL_FMT(check->id), answer->why));
    if (answer->evidence_count > 0) {
        SL_TRY(sl_buf_addf(&line, " (leaf %llu)", (unsigned long long)answer->evidence[0]));
    }
    if (answer->state == SL_STATE_FAIL) {
        SL_TRY(sl_buf_addf(&line, "\n         %.*s: %.*s", SL_FMT(check->owner),
                           SL_FMT(check->remedy)));
    } else if (answer->gated) {
        SL_TRY(sl_buf_add_str(&line, "\n         its own evidence holds: see ledger.consistent and "
                                     "ledger.complete"));
    } else if (answer->state == SL_STATE_UNKNOWN) {
        SL_TRY(sl_buf_addf(&line, "\n         to decide it: %.*s", SL_FMT(check->needs)));
    }
    return sl_cli_line(sl_buf_view(&line));
}

/* ---- frameworks: a control is as good as the worst of the checks that bear on it ---- */

typedef struct {
    sl_view framework;
    sl_view control;
    sl_state state;
} control_state;

#define CONTROLS_MAX ((size_t)4096)

static sl_state worst(sl_state a, sl_state b)
{
    static const int rank[] = { 1, 3, 2, 0 }; /* outside < pass < unknown < fail */
    return rank[a] >= rank[b] ? a : b;
}

static void bear(control_state *all, size_t *count, sl_view framework, sl_view control,
                 sl_state state)
{
    for (size_t i = 0; i < *count; i++) {
        if (sl_view_eq(all[i].framework, framework) && sl_view_eq(all[i].control, control)) {
            all[i].state = worst(all[i].state, state);
            return;
        }
    }
    if (*count < CONTROLS_MAX) {
        all[(*count)++] = (control_state){ framework, control, state };
    }
}

static void bear_all(control_state *all, size_t *count, const sl_check *check, sl_state state)
{
    for (size_t m = 0; m < check->map_count; m++) {
        sl_view rest = check->maps[m].controls;
        while (rest.n > 0) {
            sl_view control;
            (void)sl_view_cut(rest, ' ', &control, &rest);
            bear(all, count, check->maps[m].framework, control, state);
        }
    }
}

static void put_counts(sl_json_writer *w, const size_t counts[4])
{
    for (int s = SL_STATE_PASS; s <= SL_STATE_OUTSIDE; s++) {
        sl_json_put_uint(w, sl_state_name((sl_state)s), counts[s]);
    }
}

static void put_frameworks(sl_json_writer *w, const control_state *all, size_t count)
{
    sl_json_key(w, "frameworks");
    sl_json_object_begin(w);
    for (size_t i = 0; i < count; i++) {
        bool first = true;
        for (size_t j = 0; j < i; j++) {
            first = first && !sl_view_eq(all[j].framework, all[i].framework);
        }
        if (!first) {
            continue;
        }
        size_t counts[4] = { 0 };
        for (size_t j = i; j < count; j++) {
            counts[all[j].state] += sl_view_eq(all[j].framework, all[i].framework);
        }
        sl_json_key_view(w, all[i].framework);
        sl_json_object_begin(w);
        put_counts(w, counts);
        sl_json_object_end(w);
    }
    sl_json_object_end(w);
}

static sl_res print_summary(const assure_call *call, const control_state *all, size_t count)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 64 * SL_KIB };
    if (!call->cli->json) {
        SL_TRY(sl_buf_addf(&line,
                           "\n%zu pass, %zu fail, %zu unknown, %zu outside. "
                           "Unknown counts against us.",
                           call->totals[SL_STATE_PASS], call->totals[SL_STATE_FAIL],
                           call->totals[SL_STATE_UNKNOWN], call->totals[SL_STATE_OUTSIDE]));
        return sl_cli_line(sl_buf_view(&line));
    }
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_key(&w, "summary");
    sl_json_object_begin(&w);
    put_counts(&w, call->totals);
    put_frameworks(&w, all, count);
    sl_json_key(&w,
                "days_behind"); /* needs a register of assets over time, which is not kept yet */
    sl_json_null(&w);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res print_all(assure_call *call, control_state *all)
{
    size_t count = 0;
    for (size_t i = 0; i < sl_catalogue_count(call->site.catalogue); i++) {
        const sl_check *check = sl_catalogue_check(call->site.catalogue, i);
        sl_answer answer = sl_assurance_answer(call->site.run, i, call->site.now_ms, true);
        call->totals[answer.state]++;
        bear_all(all, &count, check, answer.state);
        SL_TRY(call->cli->json ? print_json(check, &answer, false) : print_text(check, &answer));
    }
    return print_summary(call, all, count);
}

static int status_of(const size_t totals[4])
{
    if (totals[SL_STATE_FAIL] > 0) {
        return 1;
    }
    return totals[SL_STATE_UNKNOWN] > 0 ? 5 : 0;
}

static int do_status(sl_cli *cli)
{
    SL_OWN(assure_call, call, close_call) = { .cli = cli };
    sl_res r = sl_site_assure_open(cli, NULL, NULL, &call.site);
    if (sl_ok(r)) {
        control_state *all = calloc(CONTROLS_MAX, sizeof(*all));
        r = all == NULL ? sl_fail(SL_E_MEMORY) : print_all(&call, all);
        free(all);
    }
    return sl_ok(r) ? status_of(call.totals) : sl_cli_fail(cli, "assure status", r);
}

static int do_check(sl_cli *cli, const char *id)
{
    SL_OWN(assure_call, call, close_call) = { .cli = cli };
    sl_res r = sl_site_assure_open(cli, NULL, NULL, &call.site);
    size_t at = SIZE_MAX;
    if (sl_ok(r)) {
        at = sl_catalogue_find(call.site.catalogue, sl_view_str(id));
        r = at == SIZE_MAX ? sl_fail_at(SL_E_NOT_FOUND, "check", SL_NOWHERE) : SL_DONE;
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "assure check", r);
    }
    const sl_check *check = sl_catalogue_check(call.site.catalogue, at);
    sl_answer answer = sl_assurance_answer(call.site.run, at, call.site.now_ms, true);
    call.totals[answer.state]++;
    r = cli->json ? print_json(check, &answer, true) : print_text(check, &answer);
    if (sl_ok(r) && !cli->json) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 8192 };
        r = sl_buf_addf(&text,
                        "\n%.*s.\n\n  asked    %.*s\n  owner    %.*s\n  if not   %.*s\n"
                        "  look     stoplog ledger show N",
                        SL_FMT(check->states), SL_FMT(check->query_text), SL_FMT(check->owner),
                        SL_FMT(check->remedy));
        r = sl_ok(r) ? sl_cli_line(sl_buf_view(&text)) : r;
    }
    return sl_ok(r) ? status_of(call.totals) : sl_cli_fail(cli, "assure check", r);
}

/* ---- report and export ---- */

typedef sl_res posture_writer(const sl_posture *p, sl_buf *out);

/* A receipt for each leaf that the page names, beside it: whoever has them needs neither site nor ledger. */
static sl_res write_receipts(const assure_call *call, const sl_answer *answers, const char *folder)
{
    char place[4096];
    SL_OWN(sl_source *, source, sl_source_close) = NULL;
    (void)snprintf(place, sizeof place, "%s/ledger", call->cli->site);
    SL_TRY(sl_dir_make(AT_FDCWD, folder, 0755));
    SL_TRY(sl_source_open(place, &source));
    sl_reader reader;
    SL_TRY(sl_reader_open(source, NULL, &reader));
    sl_res r = SL_DONE;
    for (size_t i = 0; i < sl_catalogue_count(call->site.catalogue); i++) {
        for (size_t e = 0; e < answers[i].evidence_count && sl_ok(r); e++) {
            SL_OWN(sl_buf, receipt, sl_buf_free) = { .max = SL_RECEIPT_BYTES_MAX };
            (void)snprintf(place, sizeof place, "%s/leaf-%llu.receipt", folder,
                           (unsigned long long)answers[i].evidence[e]);
            r = sl_reader_receipt(&reader, answers[i].evidence[e], &receipt);
            r = sl_ok(r) ? sl_file_replace(AT_FDCWD, place, sl_buf_view(&receipt), 0644) : r;
        }
    }
    sl_reader_close(&reader);
    return r;
}

static sl_res write_posture(assure_call *call, posture_writer *write, const char *receipts,
                            sl_answer *answers)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 16 * SL_MIB };
    SL_TRY(sl_site_assure_open(call->cli, NULL, NULL, &call->site));
    for (size_t i = 0; i < sl_catalogue_count(call->site.catalogue); i++) {
        answers[i] = sl_assurance_answer(call->site.run, i, call->site.now_ms, true);
        call->totals[answers[i].state]++;
    }
    SL_TRY(receipts == NULL ? SL_DONE : write_receipts(call, answers, receipts));
    sl_posture posture = { .catalogue = call->site.catalogue,
                           .answers = answers,
                           .origin = sl_buf_view(&call->site.origin),
                           .size = call->site.ledger.size,
                           .root = call->site.ledger.root,
                           .now_ms = call->site.now_ms,
                           .receipts = receipts };
    SL_TRY(write(&posture, &out));
    SL_NEED(out.n != 0, SL_E_BUG);
    out.n -= out.p[out.n - 1] == '\n' ? 1 : 0; /* sl_cli_line ends the last line */
    return sl_cli_line(sl_buf_view(&out));
}

/* A page that was written is a success, whatever it says: `assure status` and `drill gate` judge. */
static int do_posture(sl_cli *cli, posture_writer *write, const char *receipts)
{
    SL_OWN(assure_call, call, close_call) = { .cli = cli };
    sl_answer *answers = calloc(SL_CHECKS_MAX, sizeof *answers);
    sl_res r =
        answers == NULL ? sl_fail(SL_E_MEMORY) : write_posture(&call, write, receipts, answers);
    free(answers);
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "assure", r);
}

static int do_report(sl_cli *cli, int argc, char **argv)
{
    bool html = false;
    const char *receipts = NULL;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--html") == 0) {
            html = true;
        } else if (strcmp(argv[i], "--receipts") == 0 && i + 1 < argc) {
            receipts = argv[++i];
        } else {
            return sl_cli_usage(cli, USAGE);
        }
    }
    return do_posture(cli, html ? sl_posture_html : sl_posture_markdown, receipts);
}

int sl_cmd_assure(sl_cli *cli, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "status") == 0) {
        return do_status(cli);
    }
    if (argc == 3 && strcmp(argv[1], "check") == 0) {
        return do_check(cli, argv[2]);
    }
    if (argc >= 2 && strcmp(argv[1], "report") == 0) {
        return do_report(cli, argc, argv);
    }
    if (argc == 2 && strcmp(argv[1], "export") == 0) {
        return do_posture(cli, sl_posture_oscal, NULL);
    }
    return sl_cli_usage(cli, USAGE);
}
