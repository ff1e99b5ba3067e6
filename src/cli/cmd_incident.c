/* `stoplog incident list|show|undo`: incidents as the ledger tells them. They are folded from leaves
 * here, not asked of the warden, so that they can be read when the site is down. Undoing is an act that
 * operators sign; the warden opens when the leaf of their approval is durable. */
#include "base/clock.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/site_ledger.h"
#include "respond/incident.h"

static const char USAGE[] = "incident list\n"
                            "       stoplog incident show ID\n"
                            "       stoplog incident undo ID [ACTION] [--key FILE]...";

static void drop(sl_incidents **incidents)
{
    sl_incidents_free(*incidents);
}

static sl_res fold(void *context, uint64_t index, sl_view leaf)
{
    return sl_incidents_fold(context, index, leaf);
}

static const char *state_of(const sl_incident *incident)
{
    if (incident->closed_ms != 0) {
        return "closed";
    }
    size_t standing = 0;
    for (size_t i = 0; i < incident->action_count; i++) {
        const sl_incident_step *step = &incident->actions[i];
        standing += step->state == SL_STEP_TAKEN && step->kind != SL_CONTAIN_CUT &&
                    step->kind != SL_CONTAIN_KILL_PROCESS;
    }
    return standing > 0 ? "contained" : "open";
}

static void put_step(sl_json_writer *w, const sl_incident_step *step)
{
    static const char *const states[] = { "taken", "undone", "failed" };
    sl_json_object_begin(w);
    sl_json_put_str(w, "action", step->id.text);
    sl_json_put_str(w, "kind", sl_containment_word(step->kind));
    sl_json_put_str(w, "target", step->target.text);
    sl_json_put_str(w, "state", states[step->state]);
    sl_json_put_str(w, "inverse", sl_containment_inverse(step->kind));
    sl_json_put_uint(w, "duration_us", step->duration_us);
    sl_json_put_uint(w, "leaf", step->index);
    sl_json_object_end(w);
}

static sl_res print_json(const sl_incident *incident)
{
    char opened[SL_CLOCK_TEXT_BYTES];
    sl_clock_text(incident->opened_ms, opened);
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 64 * SL_KIB };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "incident", incident->id.text);
    sl_json_put_str(&w, "state", state_of(incident));
    sl_json_put_str(&w, "severity", incident->severity.text);
    sl_json_put_str(&w, "rule", incident->rule.text);
    sl_json_put_str(&w, "principal", incident->principal.text);
    sl_json_put_str(&w, "compartment", incident->compartment.text);
    sl_json_put_str(&w, "opened", opened);
    sl_json_put_uint(&w, "leaf", incident->index);
    if (incident->signal_index != UINT64_MAX) {
        sl_json_put_uint(&w, "signal_leaf", incident->signal_index);
    }
    sl_json_key(&w, "actions");
    sl_json_array_begin(&w);
    for (size_t i = 0; i < incident->action_count; i++) {
        put_step(&w, &incident->actions[i]);
    }
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res print_text(const sl_incident *incident, bool whole)
{
    static const char *const states[] = { "taken", "undone", "FAILED" };
    char opened[SL_CLOCK_TEXT_BYTES];
    sl_clock_text(incident->opened_ms, opened);
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 64 * SL_KIB };
    SL_TRY(sl_buf_addf(&line, "%s  %-9s %-8s %s  %s", incident->id.text, state_of(incident),
                       incident->severity.text, opened, incident->rule.text));
    for (size_t i = 0; whole && i < incident->action_count; i++) {
        const sl_incident_step *step = &incident->actions[i];
        SL_TRY(sl_buf_addf(&line, "\n  %s  %-6s %s %s, %llu us (leaf %llu; undone by: %s)",
                           step->id.text, states[step->state], sl_containment_word(step->kind),
                           step->target.text, (unsigned long long)step->duration_us,
                           (unsigned long long)step->index, sl_containment_inverse(step->kind)));
    }
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res do_list(const sl_cli *cli, const sl_incidents *incidents)
{
    size_t n = sl_incidents_count(incidents);
    for (size_t i = 0; i < n; i++) {
        const sl_incident *one = sl_incidents_at(incidents, i);
        SL_TRY(cli->json ? print_json(one) : print_text(one, false));
    }
    if (!cli->json) {
        return n > 0 ? SL_DONE : sl_cli_line(SL_LIT("no incidents"));
    }
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 256 };
    SL_TRY(sl_buf_addf(&line, "{\"summary\":{\"incidents\":%zu}}", n));
    return sl_cli_line(sl_buf_view(&line));
}

/* ---- undo ---- */

/* The statement that takes a step back; false for steps that are over by themselves. */
static bool undoing(const sl_incident_step *step, sl_statement *ret)
{
    sl_view target = sl_view_str(step->target.text);
    sl_door door = SL_DOOR_ASK;
    *ret = (sl_statement){ .action = SL_ACTION_NONE };
    switch (step->kind) {
    case SL_CONTAIN_CLOSE_PRINCIPAL:
        ret->action = SL_ACTION_PRINCIPAL_OPEN;
        memcpy(ret->principal, step->target.text, sizeof ret->principal);
        return target.n == SL_UID_CHARS;
    case SL_CONTAIN_CLOSE_COMPARTMENT:
        ret->action = SL_ACTION_COMPARTMENT_OPEN;
        return sl_ok(sl_name_set(ret->compartment, target));
    case SL_CONTAIN_CLOSE_DOOR:
        ret->action = SL_ACTION_DOOR_OPEN;
        return sl_ok(sl_door_parse(target, &door)) && (ret->doors = SL_DOOR_BIT(door)) != 0;
    case SL_CONTAIN_CLOSE_SITE:
        ret->action = SL_ACTION_SITE_OPEN;
        return true;
    case SL_CONTAIN_CUT:
    case SL_CONTAIN_REVOKE_LEASE:
    case SL_CONTAIN_KILL_PROCESS:
    case SL_CONTAIN_COUNT:
    default:
        return false;
    }
}

static int undo(const sl_cli *cli, sl_admin *admin, const sl_incident *incident, const char *action)
{
    int status = 0;
    size_t signed_off = 0;
    for (size_t i = 0; i < incident->action_count; i++) {
        const sl_incident_step *step = &incident->actions[i];
        sl_statement statement;
        bool wanted = action == NULL || strcmp(step->id.text, action) == 0;
        if (wanted && step->state == SL_STEP_TAKEN && undoing(step, &statement)) {
            int one = sl_admin_act(cli, admin, &statement);
            status = one > status ? one : status;
            signed_off++;
        }
    }
    if (signed_off == 0) {
        return sl_cli_fail(
            cli, "incident undo",
            sl_fail_at(SL_E_NOT_FOUND, "a step that stands and can be undone", SL_NOWHERE));
    }
    return status;
}

static int do_undo(sl_cli *cli, const sl_incidents *incidents, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    const sl_incident *one = sl_incidents_find(incidents, sl_view_str(argv[2]));
    const char *action = NULL;
    sl_res r = one == NULL ? sl_fail_at(SL_E_NOT_FOUND, "incident", SL_NOWHERE) : SL_DONE;
    for (int i = 3; i < argc && sl_ok(r); i++) {
        if (sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            continue;
        }
        if (argv[i][0] == '-' || action != NULL) {
            return sl_cli_usage(cli, USAGE);
        }
        action = argv[i];
    }
    return sl_ok(r) ? undo(cli, &admin, one, action) : sl_cli_fail(cli, "incident undo", r);
}

int sl_cmd_incident(sl_cli *cli, int argc, char **argv)
{
    bool list = argc == 2 && strcmp(argv[1], "list") == 0;
    bool undo_one = argc >= 3 && strcmp(argv[1], "undo") == 0;
    bool show = argc == 3 && strcmp(argv[1], "show") == 0;
    if (!list && !show && !undo_one) {
        return sl_cli_usage(cli, USAGE);
    }
    SL_OWN(sl_incidents *, incidents, drop) = NULL;
    sl_res r = sl_incidents_new(&incidents);
    if (sl_ok(r)) {
        r = sl_site_ledger_read(cli, fold, incidents, NULL);
    }
    if (sl_ok(r) && undo_one) {
        return do_undo(cli, incidents, argc, argv);
    }
    if (sl_ok(r) && list) {
        r = do_list(cli, incidents);
    } else if (sl_ok(r)) {
        const sl_incident *one = sl_incidents_find(incidents, sl_view_str(argv[2]));
        r = one == NULL ? sl_fail_at(SL_E_NOT_FOUND, "incident", SL_NOWHERE)
                        : (cli->json ? print_json(one) : print_text(one, true));
    }
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "incident", r);
}
