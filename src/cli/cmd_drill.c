/* `stoplog drill list|run`: attacks on our own doors, judged by what came back and by the leaves that
 * others wrote. A drill is a stranger with the knowledge of what was planted: it reaches the door over
 * HTTP and the ledger as any auditor does. Its own result becomes a leaf through the warden. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/random.h"
#include "cli/cli.h"
#include "cli/site_ledger.h"
#include "drill/attack.h"
#include "drill/drills_embedded.h"
#include "drill/scenario.h"
#include "ledger/events.gen.h"
#include "ledger/tiles.h"
#include "respond/admin.h"

static const char USAGE[] =
    "drill list\n"
    "       stoplog drill run ID... [--url URL --api-key KEY --model MODEL]\n"
    "                               [--prompt TEXT --canary TEXT]...";

enum { CANARIES_MAX = 16, REQUESTS_MAX = 500, WAIT_MS_MAX = 15000, POLL_MS = 200, FLIPS_MAX = 8 };

typedef struct {
    sl_cli *cli;
    sl_attack_target target;
    const char *prompt;
    const char *canaries[CANARIES_MAX];
    size_t canary_count;
    const char *wanted[16];
    size_t wanted_count;
    size_t totals[3]; /* by sl_drill_result */
} drill_call;

/* ---- reading the ledger while the drill goes on ---- */

typedef struct {
    sl_drill_judge *judge;
    uint64_t from; /* leaves before this one are older than the drill */
    uint64_t size;
} follower;

static sl_res follow_leaf(void *context, uint64_t index, sl_view leaf)
{
    follower *f = context;
    if (f->judge != NULL && index >= f->from) {
        sl_drill_judge_leaf(f->judge, index, leaf);
    }
    f->size = index + 1;
    return SL_DONE;
}

/* Looks at the ledger until every fact is decided or the time is over. While a published tile is
 * tampered with, reading fails, which is as it should be: it is tried again. */
static void follow(const drill_call *call, sl_drill_judge *judge, uint64_t from)
{
    uint64_t until = sl_clock_mono_ns() + (uint64_t)WAIT_MS_MAX * 1000000u;
    while (!sl_drill_judge_settled(judge) && sl_clock_mono_ns() < until) {
        follower f = { .judge = judge, .from = from };
        sl_res r = sl_site_ledger_read(call->cli, follow_leaf, &f, NULL);
        (void)r.code;
        struct timespec pause = { 0, POLL_MS * 1000000L };
        (void)nanosleep(&pause, NULL);
    }
}

static sl_res ledger_size(const drill_call *call, uint64_t *ret_size)
{
    follower f = { 0 };
    SL_TRY(sl_site_ledger_read(call->cli, follow_leaf, &f, NULL));
    *ret_size = f.size;
    return SL_DONE;
}

/* ---- the attacks ---- */

static sl_res need_target(const drill_call *call)
{
    bool named = call->target.url != NULL && call->target.key != NULL && call->target.model != NULL;
    return named ? SL_DONE
                 : sl_fail_at(SL_E_USAGE, "--url, --api-key and --model are needed", SL_NOWHERE);
}

static sl_res recite(const drill_call *call, sl_drill_judge *judge)
{
    SL_TRY(need_target(call));
    if (call->prompt == NULL || call->canary_count == 0) {
        return sl_fail_at(SL_E_USAGE, "--prompt and --canary are needed", SL_NOWHERE);
    }
    for (uint64_t i = 0; i < judge->scenario->trials; i++) {
        SL_OWN(sl_buf, answer, sl_buf_free) = { .max = 4 * SL_MIB };
        long status = 0;
        SL_TRY(sl_attack_chat(&call->target, call->prompt, &answer, &status));
        bool effect = false;
        for (size_t c = 0; c < call->canary_count; c++) {
            effect =
                effect || sl_attack_holds(sl_buf_view(&answer), sl_view_str(call->canaries[c]));
        }
        sl_drill_judge_trial(judge, effect);
    }
    return SL_DONE;
}

/* Asks until the first refusal, then on: an answer behind it is an effect. */
static sl_res overspend(const drill_call *call, sl_drill_judge *judge)
{
    SL_TRY(need_target(call));
    bool refused = false;
    for (int i = 0; i < REQUESTS_MAX && judge->trials < judge->scenario->trials; i++) {
        SL_OWN(sl_buf, answer, sl_buf_free) = { .max = 4 * SL_MIB };
        long status = 0;
        SL_TRY(sl_attack_chat(&call->target, "more", &answer, &status));
        if (refused) {
            sl_drill_judge_trial(judge, status == 200);
        }
        refused = refused || status != 200;
    }
    return SL_DONE;
}

/* Waits until nothing new was published for a moment: a growing bundle is soon written anew, and with it
 * whatever was done to the old one. */
static sl_res settle(const drill_call *call)
{
    uint64_t before = 0;
    uint64_t after = 0;
    SL_TRY(ledger_size(call, &after));
    for (int tries = 0; tries < 10 && after != before; tries++) {
        struct timespec pause = { 2, 0 }; /* twice as long as publishing takes */
        before = after;
        (void)nanosleep(&pause, NULL);
        SL_TRY(ledger_size(call, &after));
    }
    return after == before ? SL_DONE : sl_fail_at(SL_E_TIMEOUT, "ledger", SL_NOWHERE);
}

/* The newest published bundle of the site. */
static sl_res newest_bundle(const drill_call *call, char path[4096])
{
    uint64_t size = 0;
    char tile[SL_TILE_PATH_BYTES];
    SL_TRY(ledger_size(call, &size));
    SL_NEED(size > 0, SL_E_NOT_FOUND);
    unsigned width = (unsigned)(size % SL_TILE_WIDTH);
    uint64_t index = size / SL_TILE_WIDTH - (width == 0 ? 1 : 0);
    sl_tile_path(SL_TILE_ENTRIES, index, width == 0 ? (unsigned)SL_TILE_WIDTH : width, tile);
    int n = snprintf(path, 4096, "%s/ledger/%s", call->cli->site, tile);
    return n > 0 && n < 4096 ? SL_DONE : sl_fail(SL_E_LIMIT);
}

static bool whole(const char *site)
{
    sl_cli cli = { .site = site };
    follower f = { 0 };
    return sl_ok(sl_site_ledger_read(&cli, follow_leaf, &f, NULL));
}

/* One try: flips a bit of the newest bundle and looks on until somebody has said so, or the bundle was
 * written anew because of some other leaf (then nothing was shown and it is tried again). */
static sl_res flip_once(const drill_call *call, sl_drill_judge *judge, uint64_t from,
                        bool *ret_seen, bool *refused_by_reader)
{
    char path[4096];
    *ret_seen = false;
    SL_TRY(settle(call));
    SL_TRY(newest_bundle(call, path));
    judge->start_ms = sl_clock_wall_ms();
    SL_TRY(sl_attack_flip(path, 12));
    bool served = !whole(call->cli->site);
    *refused_by_reader = *refused_by_reader || served;
    uint64_t until = sl_clock_mono_ns() + UINT64_C(5) * 1000000000u;
    while (served && !*ret_seen && sl_clock_mono_ns() < until) {
        struct timespec pause = { 0, POLL_MS * 1000000L };
        (void)nanosleep(&pause, NULL);
        follower f = { .judge = judge, .from = from };
        bool readable = sl_ok(sl_site_ledger_read(call->cli, follow_leaf, &f, NULL));
        *ret_seen = judge->refused.state != SL_FACT_PENDING;
        if (readable && !*ret_seen) {
            break; /* written anew */
        }
    }
    if (sl_path_exists(AT_FDCWD, path)) {
        SL_TRY(sl_attack_flip(path, 12)); /* as we found it */
    }
    return SL_DONE;
}

/* Flips a bit of what the site serves, waits for what others make of it, and puts it back. */
static sl_res flip(const drill_call *call, sl_drill_judge *judge, uint64_t from)
{
    bool seen = false;
    bool refused_by_reader = false;
    for (int tries = 0; tries < FLIPS_MAX && !seen; tries++) {
        SL_TRY(flip_once(call, judge, from, &seen, &refused_by_reader));
    }
    sl_drill_judge_trial(judge, !refused_by_reader);
    return SL_DONE;
}

static sl_res copy_of_ledger(const drill_call *call, char site[64])
{
    char from[4096];
    char to[128];
    memcpy(site, "/tmp/stoplog-drill-XXXXXX", 26);
    if (mkdtemp(site) == NULL) {
        return sl_fail_os(SL_E_IO, "temporary directory");
    }
    (void)snprintf(from, sizeof from, "%s/ledger", call->cli->site);
    (void)snprintf(to, sizeof to, "%s/ledger", site);
    return sl_attack_copy_tree(from, to);
}

/* Cuts a few bytes off the newest bundle of a copy. */
static sl_res cut_tail(const drill_call *call, sl_drill_judge *judge)
{
    char site[64];
    char live[4096];
    char path[4096];
    SL_TRY(settle(call)); /* else the copy may have a newer bundle, and this one is not read */
    SL_TRY(newest_bundle(call, live));
    SL_TRY(copy_of_ledger(call, site));
    (void)snprintf(path, sizeof path, "%s%s", site, live + strlen(call->cli->site));
    struct stat st;
    if (stat(path, &st) != 0 || truncate(path, st.st_size - 5) != 0) {
        return sl_fail_os(SL_E_IO, "copy");
    }
    sl_drill_judge_trial(judge, whole(site));
    return SL_DONE;
}

/* An older copy is offered to one who has a newer checkpoint. */
static sl_res roll_back(const drill_call *call, sl_drill_judge *judge)
{
    char site[64];
    char place[128];
    char newer[4096];
    uint64_t before = 0;
    uint64_t after = 0;
    SL_TRY(ledger_size(call, &before));
    SL_TRY(copy_of_ledger(call, site));
    uint64_t until = sl_clock_mono_ns() + UINT64_C(70) * 1000000000u;
    while (after <= before && sl_clock_mono_ns() < until) {
        struct timespec pause = { 0, POLL_MS * 1000000L };
        (void)nanosleep(&pause, NULL);
        SL_TRY(ledger_size(call, &after));
    }
    SL_NEED(after > before, SL_E_TIMEOUT); /* nothing happened: there is nothing newer */
    (void)snprintf(newer, sizeof newer, "%s/ledger/checkpoint", call->cli->site);
    (void)snprintf(place, sizeof place, "%s/ledger", site);
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = 64 * SL_KIB };
    SL_TRY(sl_file_read(AT_FDCWD, newer, &note));
    SL_OWN(sl_source *, source, sl_source_close) = NULL;
    SL_TRY(sl_source_open(place, &source));
    sl_reader reader;
    SL_TRY(sl_reader_open(source, NULL, &reader));
    sl_checkpoint trusted;
    sl_verdict_report report;
    sl_res r = sl_checkpoint_open(sl_buf_view(&note), &reader.key, &trusted);
    if (sl_ok(r)) {
        r = sl_reader_verify(&reader, &trusted, NULL, NULL, &report);
    }
    sl_reader_close(&reader);
    sl_drill_judge_trial(judge, sl_ok(r));
    return SL_DONE;
}

static sl_res attack(const drill_call *call, sl_drill_judge *judge, uint64_t from)
{
    const sl_scenario *s = judge->scenario;
    switch (s->kind) {
    case SL_DRILL_RECITE:
        return recite(call, judge);
    case SL_DRILL_BUDGET:
        return overspend(call, judge);
    case SL_DRILL_TAMPER:
        if (sl_view_eq(s->variant, SL_LIT("flip"))) {
            return flip(call, judge, from);
        }
        return sl_view_eq(s->variant, SL_LIT("truncate")) ? cut_tail(call, judge)
                                                          : roll_back(call, judge);
    case SL_DRILL_KIND_COUNT:
    default:
        return sl_fail(SL_E_UNSUPPORTED);
    }
}

/* ---- the result ---- */

static const char *fact_word(sl_fact_state state)
{
    static const char *const words[] = { "not_asked", "pending", "held", "failed" };
    return words[state];
}

static uint64_t ms_of(const sl_fact *fact)
{
    return fact->after_ms < 0 ? 0 : (uint64_t)fact->after_ms;
}

static sl_res record(const drill_call *call, const sl_drill_judge *j, const char *id,
                     sl_drill_result result, double upper95)
{
    sl_event_head head = { .door = j->scenario->door };
    sl_event_drill_ended fields = {
        .drill = sl_view_str(id),
        .scenario = j->scenario->id,
        .result = sl_view_str(sl_drill_result_name(result)),
        .no_effect = sl_view_str(fact_word(j->no_effect.state)),
        .refused = sl_view_str(fact_word(j->refused.state)),
        .signalled = sl_view_str(fact_word(j->signalled.state)),
        .contained = sl_view_str(fact_word(j->contained.state)),
        .trials = j->trials,
        .hits = j->hits,
        .upper95_ppm = (uint64_t)(upper95 * 1e6 + 0.5),
        .has_mttd_ms = j->signalled.state == SL_FACT_HELD,
        .mttd_ms = ms_of(&j->signalled),
        .has_mttc_ms = j->contained.state == SL_FACT_HELD,
        .mttc_ms = ms_of(&j->contained),
    };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 256 };
    SL_TRY(sl_emit_drill_ended(&head, &fields, &event));
    return sl_warden_ask(call->cli->site, SL_ADMIN_DRILL, sl_buf_view(&event), &reply);
}

static void put_fact(sl_json_writer *w, const char *name, const sl_fact *fact)
{
    sl_json_key(w, name);
    sl_json_object_begin(w);
    sl_json_put_str(w, "state", fact_word(fact->state));
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
    SL_TRY(sl_buf_addf(out, "\n  %-10s %s", name, fact_word(fact->state)));
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
    SL_TRY(ledger_size(call, &from));
    sl_drill_judge judge;
    sl_drill_judge_init(&judge, scenario, sl_clock_wall_ms());
    SL_TRY(attack(call, &judge, from));
    follow(call, &judge, from);
    double upper95 = 1;
    sl_drill_result result = sl_drill_judge_result(&judge, &upper95);
    call->totals[result]++;
    SL_TRY(call->cli->json ? print_json(&judge, result, upper95)
                           : print_text(&judge, result, upper95));
    return record(call, &judge, (const char *)id.p, result, upper95);
}

/* ---- the commands ---- */

static sl_res scenario_named(sl_view id, sl_arena *arena, sl_scenario *ret)
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
        sl_res r = scenario_named(sl_view_str(call->wanted[i]), &arena, &scenario);
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
    static const char *const names[] = { "--url", "--api-key", "--model", "--prompt", "--canary" };
    const char **places[] = {
        &call->target.url, &call->target.key, &call->target.model, &call->prompt,
        call->canary_count < CANARIES_MAX ? &call->canaries[call->canary_count] : NULL
    };
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
