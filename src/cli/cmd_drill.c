/* `stoplog drill list|run`: attacks on our own doors, judged by what came back and by the leaves that
 * others wrote. A drill is a stranger with the knowledge of what was planted: it reaches the door over
 * HTTP and the ledger as any auditor does. Its own result becomes a leaf through the warden. */
#include "base/clock.h"
#include "base/encode.h"
#include "base/random.h"
#include "cli/drill_call.h"
#include "drill/drills_embedded.h"
#include "drill/results.h"
#include "ledger/events.gen.h"
#include "respond/admin.h"

static const char USAGE[] =
    "drill list | report | replay LEAF\n"
    "       stoplog drill gate [--max-age DURATION] [--max-mttc MS] [--drill ID]... [--check ID]...\n"
    "       stoplog drill run ID... [--url URL --api-key KEY --model MODEL]\n"
    "                               [--prompt TEXT --canary TEXT]... [--compartment NAME]";

/* ---- the result ---- */

static uint64_t ms_of(const sl_fact *fact)
{
    return fact->after_ms < 0 ? 0 : (uint64_t)fact->after_ms;
}

static sl_res record(const drill_call *call, const sl_drill_judge *j, const char *id,
                     sl_drill_result result, double upper95, uint64_t from)
{
    sl_event_head head = { .door = j->scenario->door, .principal = sl_view_str(j->principal) };
    sl_event_drill_ended fields = {
        .drill = sl_view_str(id),
        .scenario = j->scenario->id,
        .result = sl_view_str(sl_drill_result_name(result)),
        .no_effect = sl_view_str(sl_fact_word(j->no_effect.state)),
        .refused = sl_view_str(sl_fact_word(j->refused.state)),
        .signalled = sl_view_str(sl_fact_word(j->signalled.state)),
        .contained = sl_view_str(sl_fact_word(j->contained.state)),
        .trials = j->trials,
        .hits = j->hits,
        .upper95_ppm = (uint64_t)(upper95 * 1e6 + 0.5),
        .has_mttd_ms = j->signalled.state == SL_FACT_HELD,
        .mttd_ms = ms_of(&j->signalled),
        .has_mttc_ms = j->contained.state == SL_FACT_HELD,
        .mttc_ms = ms_of(&j->contained),
        .has_from_size = true,
        .from_size = from,
        .has_start_ms = true,
        .start_ms = (uint64_t)j->start_ms,
    };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 256 };
    SL_TRY(sl_emit_drill_ended(&head, &fields, &event));
    return sl_warden_ask(call->cli->site, SL_ADMIN_TELL, sl_buf_view(&event), &reply);
}

static void put_fact(sl_json_writer *w, const char *name, const sl_fact *fact)
{
    sl_json_key(w, name);
    sl_json_object_begin(w);
    sl_json_put_str(w, "state", sl_fact_word(fact->state));
    if (fact->after_ms >= 0) {
        sl_json_put_int(w, "after_ms", fact->after_ms);
        sl_json_put_uint(w, "leaf", fact->index);
    }
    sl_json_object_end(w);
}

static sl_res print_json(const sl_drill_judge *j, sl_drill_result result, double upper95)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 8192 };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_put_string(&w, "id", j->scenario->id);
    sl_json_put_str(&w, "result",
                    result == SL_DRILL_NOT_SHOWN ? "not shown" : sl_drill_result_name(result));
    sl_json_key(&w, "facts");
    sl_json_object_begin(&w);
    put_fact(&w, "no_effect", &j->no_effect);
    put_fact(&w, "refused", &j->refused);
    put_fact(&w, "signalled", &j->signalled);
    put_fact(&w, "contained", &j->contained);
    sl_json_object_end(&w);
    sl_json_put_int(&w, "mttd_ms", j->signalled.after_ms);
    sl_json_put_int(&w, "mttc_ms", j->contained.after_ms);
    sl_json_put_uint(&w, "trials", j->trials);
    sl_json_put_uint(&w, "hits", j->hits);
    sl_json_key(&w, "upper95");
    SL_OWN(sl_buf, number, sl_buf_free) = { .max = 64 };
    SL_TRY(sl_buf_addf(&number, "%.6f", upper95));
    sl_json_raw(&w, sl_buf_view(&number));
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res add_fact(sl_buf *out, const char *name, const sl_fact *fact)
{
    SL_TRY(sl_buf_addf(out, "\n  %-10s %s", name, sl_fact_word(fact->state)));
    if (fact->after_ms >= 0) {
        SL_TRY(sl_buf_addf(out, " after %lld ms (leaf %llu)", (long long)fact->after_ms,
                           (unsigned long long)fact->index));
    }
    return SL_DONE;
}

static sl_res print_text(const sl_drill_judge *j, sl_drill_result result, double upper95)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 8192 };
    SL_TRY(sl_buf_addf(&text,
                       "%.*s: %s, %llu of %llu trials had an effect (at most %.1f %%, 95 %%)",
                       SL_FMT(j->scenario->id),
                       result == SL_DRILL_PASS   ? "pass"
                       : result == SL_DRILL_FAIL ? "FAIL"
                                                 : "not shown",
                       (unsigned long long)j->hits, (unsigned long long)j->trials, 100 * upper95));
    SL_TRY(add_fact(&text, "no effect", &j->no_effect));
    SL_TRY(add_fact(&text, "refused", &j->refused));
    SL_TRY(add_fact(&text, "signalled", &j->signalled));
    SL_TRY(add_fact(&text, "contained", &j->contained));
    return sl_cli_line(sl_buf_view(&text));
}

static sl_res run_one(drill_call *call, const sl_scenario *scenario)
{
    uint8_t random[8];
    uint64_t from = 0;
    SL_OWN(sl_buf, id, sl_buf_free) = { .max = 32 };
    SL_TRY(sl_random_bytes(random, sizeof random));
    SL_TRY(sl_hex_add(&id, sl_view_of(random, sizeof random)));
    SL_NEED(sl_buf_cstr(&id) != NULL, SL_E_MEMORY);
    SL_TRY(sl_drill_ledger_size(call, &from));
    sl_drill_judge judge;
    sl_drill_judge_init(&judge, scenario, sl_clock_wall_ms());
    SL_TRY(sl_drill_attack(call, &judge, from));
    sl_drill_follow(call, &judge, from);
    double upper95 = 1;
    sl_drill_result result = sl_drill_judge_result(&judge, &upper95);
    call->totals[result]++;
    SL_TRY(call->cli->json ? print_json(&judge, result, upper95)
                           : print_text(&judge, result, upper95));
    return record(call, &judge, (const char *)id.p, result, upper95, from);
}

/* ---- the commands ---- */

sl_res sl_drill_scenario_named(sl_view id, sl_arena *arena, sl_scenario *ret)
{
    for (size_t i = 0; i < sl_drill_drills_count; i++) {
        const sl_embedded_file *file = &sl_drill_drills[i];
        sl_scenario one;
        SL_TRY(sl_scenario_read(sl_view_of(file->bytes, file->n), arena, &one));
        if (sl_view_eq(one.id, id)) {
            *ret = one;
            return SL_DONE;
        }
    }
    return sl_fail_at(SL_E_NOT_FOUND, "drill", SL_NOWHERE);
}

static int do_list(const sl_cli *cli)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    for (size_t i = 0; i < sl_drill_drills_count; i++) {
        const sl_embedded_file *file = &sl_drill_drills[i];
        SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
        sl_scenario one;
        sl_res r = sl_scenario_read(sl_view_of(file->bytes, file->n), &arena, &one);
        if (sl_ok(r) && cli->json) {
            r = sl_buf_addf(&line, "{\"id\":\"%.*s\",\"door\":\"%.*s\",\"trials\":%llu}",
                            SL_FMT(one.id), SL_FMT(one.door), (unsigned long long)one.trials);
        } else if (sl_ok(r)) {
            r = sl_buf_addf(&line, "%-16.*s %-8.*s %.*s", SL_FMT(one.id), SL_FMT(one.door),
                            SL_FMT(one.title));
        }
        r = sl_ok(r) ? sl_cli_line(sl_buf_view(&line)) : r;
        if (!sl_ok(r)) {
            return sl_cli_fail(cli, "drill list", r);
        }
    }
    return 0;
}

static int do_run(drill_call *call)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    for (size_t i = 0; i < call->wanted_count; i++) {
        sl_scenario scenario;
        sl_res r = sl_drill_scenario_named(sl_view_str(call->wanted[i]), &arena, &scenario);
        r = sl_ok(r) ? run_one(call, &scenario) : r;
        if (!sl_ok(r)) {
            return sl_cli_fail(call->cli, "drill run", r);
        }
    }
    if (call->cli->json) {
        SL_OWN(sl_buf, line, sl_buf_free) = { .max = 256 };
        sl_res r = sl_buf_addf(&line, "{\"summary\":{\"pass\":%zu,\"fail\":%zu,\"not_shown\":%zu}}",
                               call->totals[SL_DRILL_PASS], call->totals[SL_DRILL_FAIL],
                               call->totals[SL_DRILL_NOT_SHOWN]);
        r = sl_ok(r) ? sl_cli_line(sl_buf_view(&line)) : r;
        if (!sl_ok(r)) {
            return sl_cli_fail(call->cli, "drill run", r);
        }
    }
    if (call->totals[SL_DRILL_FAIL] > 0) {
        return 1;
    }
    return call->totals[SL_DRILL_NOT_SHOWN] > 0 ? 5 : 0;
}

static bool take_option(drill_call *call, int argc, char **argv, int *i)
{
    static const char *const names[] = { "--url",    "--api-key", "--model",
                                         "--prompt", "--canary",  "--compartment" };
    const char **places[] = { &call->target.url,
                              &call->target.key,
                              &call->target.model,
                              &call->prompt,
                              call->canary_count < CANARIES_MAX
                                  ? &call->canaries[call->canary_count]
                                  : NULL,
                              &call->compartment };
    for (size_t n = 0; n < SL_COUNT_OF(names); n++) {
        if (strcmp(argv[*i], names[n]) == 0 && *i + 1 < argc && places[n] != NULL) {
            *places[n] = argv[++*i];
            call->canary_count += n == 4 ? 1 : 0;
            return true;
        }
    }
    return false;
}

int sl_cmd_drill(sl_cli *cli, int argc, char **argv)
{
    drill_call call = { .cli = cli };
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return do_list(cli);
    }
    if (argc >= 2 && strcmp(argv[1], "gate") == 0) {
        return sl_drill_gate_main(cli, argc, argv);
    }
    if (argc == 2 && strcmp(argv[1], "report") == 0) {
        return sl_drill_report_main(cli);
    }
    if (argc == 3 && strcmp(argv[1], "replay") == 0) {
        return sl_drill_replay_main(cli, argv[2]);
    }
    if (argc < 3 || strcmp(argv[1], "run") != 0) {
        return sl_cli_usage(cli, USAGE);
    }
    for (int i = 2; i < argc; i++) {
        if (take_option(&call, argc, argv, &i)) {
            continue;
        }
        if (argv[i][0] == '-' || call.wanted_count == SL_COUNT_OF(call.wanted)) {
            return sl_cli_usage(cli, USAGE);
        }
        call.wanted[call.wanted_count++] = argv[i];
    }
    return call.wanted_count > 0 ? do_run(&call) : sl_cli_usage(cli, USAGE);
}
