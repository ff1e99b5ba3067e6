/* The attacks of `stoplog drill run`, and the reader that looks on. A drill is a stranger with the knowledge of what
 * was planted: it reaches the door over HTTP and the ledger as any auditor does; what it changes of the
 * ledger's files it puts back. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/drill_call.h"
#include "cli/site_ledger.h"
#include "ledger/tiles.h"
#include "respond/admin.h"

enum {
    REQUESTS_MAX = 500,
    WAIT_MS_MAX = 15000,
    POLL_MS = 200,
    KEY_WAIT_MS_MAX = 10000,
    TAMPERS_MAX = 8
};

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
void sl_drill_follow(const drill_call *call, sl_drill_judge *judge, uint64_t from)
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

sl_res sl_drill_ledger_size(const drill_call *call, uint64_t *ret_size)
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

/* A key that was just issued takes the doors a moment to learn; one that they never know asks nobody anything. */
static sl_res chat(const drill_call *call, const char *prompt, sl_buf *answer,
                   sl_attack_reply *ret_reply)
{
    for (int tries = 0; tries < KEY_WAIT_MS_MAX / POLL_MS; tries++) {
        sl_buf_clear(answer);
        SL_TRY(sl_attack_chat(&call->target, prompt, answer, ret_reply));
        if (ret_reply->status != 401) {
            return SL_DONE;
        }
        struct timespec pause = { 0, POLL_MS * 1000000L };
        (void)nanosleep(&pause, NULL);
    }
    return sl_fail_at(SL_E_KEY, "--api-key", SL_NOWHERE);
}

static sl_res recite(const drill_call *call, sl_drill_judge *judge)
{
    SL_TRY(need_target(call));
    if (call->prompt == NULL || call->canary_count == 0) {
        return sl_fail_at(SL_E_USAGE, "--prompt and --canary are needed", SL_NOWHERE);
    }
    for (uint64_t i = 0; i < judge->scenario->trials; i++) {
        SL_OWN(sl_buf, answer, sl_buf_free) = { .max = 4 * SL_MIB };
        sl_attack_reply reply;
        SL_TRY(chat(call, call->prompt, &answer, &reply));
        if (i == 0) {
            sl_drill_judge_crossing(judge, sl_view_str(reply.id));
        }
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
        sl_attack_reply reply;
        SL_TRY(chat(call, "more", &answer, &reply));
        if (i == 0) {
            sl_drill_judge_crossing(judge, sl_view_str(reply.id));
        }
        if (refused) {
            sl_drill_judge_trial(judge, reply.status == 200);
        }
        refused = refused || reply.status != 200;
    }
    return SL_DONE;
}

/* Waits until nothing new was published for a moment: a growing bundle is soon written anew, and with it
 * whatever was done to the old one. */
static sl_res settle(const drill_call *call)
{
    uint64_t before = 0;
    uint64_t after = 0;
    SL_TRY(sl_drill_ledger_size(call, &after));
    for (int tries = 0; tries < 10 && after != before; tries++) {
        struct timespec pause = { 2, 0 }; /* twice as long as publishing takes */
        before = after;
        (void)nanosleep(&pause, NULL);
        SL_TRY(sl_drill_ledger_size(call, &after));
    }
    return after == before ? SL_DONE : sl_fail_at(SL_E_TIMEOUT, "ledger", SL_NOWHERE);
}

/* The newest published bundle of the site. */
static sl_res newest_bundle(const drill_call *call, char path[4096])
{
    uint64_t size = 0;
    char tile[SL_TILE_PATH_BYTES];
    SL_TRY(sl_drill_ledger_size(call, &size));
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

/* A change of what the site serves, put back afterwards. `spoil` returns SL_E_AGAIN where there was nothing to
 * change yet. Does it get past a reader? */
typedef struct {
    const char *path; /* that is changed */
    sl_buf before;    /* its content */
    bool truncates;   /* else: flips a bit, or with `instead` replaces the whole */
    sl_view instead;
} tampering;

static void tampering_drop(tampering *t)
{
    sl_buf_free(&t->before);
}

static sl_res spoil(const tampering *t)
{
    if (t->instead.n != 0) {
        return sl_file_replace(AT_FDCWD, t->path, t->instead, 0644);
    }
    if (t->truncates) {
        return t->before.n > 5 && truncate(t->path, (off_t)t->before.n - 5) == 0
                   ? SL_DONE
                   : sl_fail_os(SL_E_IO, "bundle");
    }
    return sl_attack_flip(t->path, 12);
}

static sl_res put_back(const tampering *t)
{
    SL_OWN(sl_buf, now, sl_buf_free) = { .max = 64 * SL_MIB };
    struct stat st = { 0 };
    if (stat(t->path, &st) != 0 || !sl_ok(sl_file_read(AT_FDCWD, t->path, &now))) {
        return SL_DONE; /* let go meanwhile: a fuller one took its place */
    }
    bool rewritten =
        now.n > t->before.n || (t->instead.n != 0 && !sl_view_eq(sl_buf_view(&now), t->instead));
    if (rewritten) {
        return SL_DONE; /* the ledger has written it anew */
    }
    SL_OWN(int, fd, sl_fd_close) = open(t->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    SL_NEED(fd >= 0, SL_E_IO);
    SL_TRY(sl_fd_pwrite_all(fd, sl_buf_view(&t->before), 0));
    return ftruncate(fd, (off_t)t->before.n) == 0 ? SL_DONE : sl_fail_os(SL_E_IO, "bundle");
}

static void look_on(const drill_call *call, sl_drill_judge *judge, uint64_t from)
{
    struct timespec pause = { 0, POLL_MS * 1000000L };
    (void)nanosleep(&pause, NULL);
    follower f = { .judge = judge, .from = from };
    sl_res r = sl_site_ledger_read(call->cli, follow_leaf, &f, NULL);
    (void)r.code; /* while it is tampered with, reading may fail: it is tried again */
}

/* One try: changes it and looks on until somebody has said so. The ledger may write the file anew because of
 * some other leaf before anybody looked: then nothing was shown. */
static sl_res tamper_once(const drill_call *call, sl_drill_judge *judge, uint64_t from,
                          const tampering *t)
{
    judge->start_ms = sl_clock_wall_ms();
    SL_TRY(spoil(t));
    uint64_t until = sl_clock_mono_ns() + UINT64_C(5) * 1000000000u;
    while (judge->refused.state == SL_FACT_PENDING && sl_clock_mono_ns() < until) {
        look_on(call, judge, from);
    }
    return put_back(t);
}

/* Flips a bit of the newest bundle, or cuts its tail off: does a reader take it? */
static sl_res spoil_bundle(const drill_call *call, sl_drill_judge *judge, uint64_t from,
                           bool truncates)
{
    char path[4096];
    bool served = true;
    for (int tries = 0; tries < TAMPERS_MAX && judge->refused.state == SL_FACT_PENDING; tries++) {
        SL_OWN(tampering, t, tampering_drop) = { .path = path, .truncates = truncates };
        t.before.max = 64 * SL_MIB;
        SL_TRY(settle(call));
        SL_TRY(newest_bundle(call, path));
        if (!sl_ok(sl_file_read(AT_FDCWD, path, &t.before))) {
            continue; /* it grew meanwhile */
        }
        SL_TRY(spoil(&t));
        served = served && whole(call->cli->site);
        SL_TRY(put_back(&t));
        SL_TRY(tamper_once(call, judge, from, &t));
    }
    sl_drill_judge_trial(judge, served);
    return SL_DONE;
}

/* Does one who has seen the newest checkpoint take the older copy? */
static sl_res offer(const char *site, sl_view newest, bool *ret_taken)
{
    char place[128];
    (void)snprintf(place, sizeof place, "%s/ledger", site);
    SL_OWN(sl_source *, source, sl_source_close) = NULL;
    SL_TRY(sl_source_open(place, &source));
    sl_reader reader;
    SL_TRY(sl_reader_open(source, NULL, &reader));
    sl_checkpoint trusted;
    sl_verdict_report report;
    sl_res r = sl_checkpoint_open(newest, &reader.key, &trusted);
    if (sl_ok(r)) {
        r = sl_reader_verify(&reader, &trusted, NULL, NULL, &report);
    }
    sl_reader_close(&reader);
    *ret_taken = sl_ok(r);
    return SL_DONE;
}

static sl_res wait_for_growth(const drill_call *call, uint64_t before)
{
    uint64_t after = before;
    uint64_t until = sl_clock_mono_ns() + UINT64_C(70) * 1000000000u;
    while (after <= before && sl_clock_mono_ns() < until) {
        struct timespec pause = { 0, POLL_MS * 1000000L };
        (void)nanosleep(&pause, NULL);
        SL_TRY(sl_drill_ledger_size(call, &after));
    }
    return after > before ? SL_DONE : sl_fail(SL_E_TIMEOUT); /* nothing newer came */
}

/* An older copy is offered to one who has a newer checkpoint; then the site itself serves the old one. */
static sl_res roll_back(const drill_call *call, sl_drill_judge *judge, uint64_t from)
{
    char site[64];
    char path[4096];
    uint64_t before = 0;
    bool taken = true;
    SL_OWN(sl_buf, old, sl_buf_free) = { .max = 64 * SL_KIB };
    (void)snprintf(path, sizeof path, "%s/ledger/checkpoint", call->cli->site);
    SL_TRY(sl_drill_ledger_size(call, &before));
    SL_TRY(copy_of_ledger(call, site));
    SL_TRY(sl_file_read(AT_FDCWD, path, &old));
    SL_TRY(wait_for_growth(call, before));
    for (int tries = 0; tries < TAMPERS_MAX && judge->refused.state == SL_FACT_PENDING; tries++) {
        SL_OWN(tampering, t, tampering_drop) = { .path = path, .instead = sl_buf_view(&old) };
        t.before.max = 64 * SL_KIB;
        SL_TRY(settle(call));
        SL_TRY(sl_file_read(AT_FDCWD, path, &t.before));
        SL_TRY(offer(site, sl_buf_view(&t.before), &taken));
        SL_TRY(tamper_once(call, judge, from, &t));
    }
    sl_drill_judge_trial(judge, taken);
    return SL_DONE;
}

/* ---- the keeper ---- */

/* The site's own probe, which has no right to anything, asks the keeper for a key. */
static sl_res probe_keeper(const drill_call *call, sl_drill_judge *judge)
{
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 16 };
    const char *compartment = call->compartment != NULL ? call->compartment : "any";
    SL_TRY(sl_warden_ask(call->cli->site, SL_ADMIN_PROBE, sl_view_str(compartment), &reply));
    sl_drill_judge_trial(judge, reply.n != 1 || reply.p[0] != 0);
    return SL_DONE;
}

sl_res sl_drill_attack(const drill_call *call, sl_drill_judge *judge, uint64_t from)
{
    const sl_scenario *s = judge->scenario;
    switch (s->kind) {
    case SL_DRILL_RECITE:
        return recite(call, judge);
    case SL_DRILL_BUDGET:
        return overspend(call, judge);
    case SL_DRILL_TAMPER:
        if (sl_view_eq(s->variant, SL_LIT("rollback"))) {
            return roll_back(call, judge, from);
        }
        return spoil_bundle(call, judge, from, sl_view_eq(s->variant, SL_LIT("truncate")));
    case SL_DRILL_PROBE:
        return probe_keeper(call, judge);
    case SL_DRILL_KIND_COUNT:
    default:
        return sl_fail(SL_E_UNSUPPORTED);
    }
}
