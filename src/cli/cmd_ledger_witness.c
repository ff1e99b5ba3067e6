/* `stoplog ledger witness`: ask a witness to cosign our checkpoint, or be one.
 * Arguments and printing; the work is in src/ledger/witness*.c. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>

#include "base/file.h"
#include "cli/cli.h"
#include "ledger/witness.h"
#include "respond/admin.h"

int sl_cmd_ledger_witness(sl_cli *cli, int argc, char **argv);

static const char USAGE[] =
    "ledger witness --ask URL --witness VKEY [--ledger DIR|URL] [--key VKEY]\n"
    "       stoplog ledger witness serve --name NAME --key-file FILE --state DIR\n"
    "               --listen unix:PATH|127.0.0.1:PORT --log VKEY...\n"
    "       stoplog ledger witness key --name NAME --key-file FILE   prints its verifier key";

typedef struct {
    const char *ask;
    const char *witness;
    const char *ledger;
    const char *key;
    const char *name;
    const char *key_file;
    const char *state;
    const char *listen;
    const char *logs[SL_WITNESS_LOGS_MAX];
    size_t logs_n;
} witness_call;

static sl_res parse_call(int argc, char **argv, int from, witness_call *call)
{
    const struct {
        const char *name;
        const char **to;
    } options[] = {
        { "--ask", &call->ask },       { "--witness", &call->witness },
        { "--ledger", &call->ledger }, { "--key", &call->key },
        { "--name", &call->name },     { "--key-file", &call->key_file },
        { "--state", &call->state },   { "--listen", &call->listen },
    };

    for (int i = from; i < argc; i += 2) {
        bool known = false;
        SL_NEED(i + 1 < argc, SL_E_USAGE);
        if (strcmp(argv[i], "--log") == 0) {
            SL_NEED(call->logs_n < SL_WITNESS_LOGS_MAX, SL_E_LIMIT);
            call->logs[call->logs_n++] = argv[i + 1];
            continue;
        }
        for (size_t j = 0; j < SL_COUNT_OF(options) && !known; j++) {
            known = strcmp(argv[i], options[j].name) == 0;
            if (known) {
                *options[j].to = argv[i + 1];
            }
        }
        SL_NEED(known, SL_E_USAGE);
    }
    return SL_DONE;
}

/* Keeps what the witness signed beside the ledger, where opening compares with it. */
static sl_res keep_outside(const char *site, const sl_vkey *witness, sl_view note)
{
    char path[4400];

    (void)snprintf(path, sizeof path, "%s/ledger/outside", site);
    SL_TRY(sl_dir_make(AT_FDCWD, path, 0755));
    (void)snprintf(path, sizeof path, "%s/ledger/outside/%08" PRIx32, site, witness->id);
    return sl_file_replace(AT_FDCWD, path, note, 0644);
}

/* A running site makes a leaf of it; while it is down the file beside the ledger has to do. */
static sl_res hand_over(const char *site, uint64_t from, sl_view note, bool *ret_recorded)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_ADMIN_WITNESSED_BYTES_MAX };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 16 };
    SL_TRY(sl_buf_addf(&body, "%" PRIu64 " ", from));
    SL_TRY(sl_buf_add(&body, note));
    sl_res told = sl_warden_ask(site, SL_ADMIN_WITNESSED, sl_buf_view(&body), &reply);
    *ret_recorded = sl_ok(told);
    return sl_is(told, SL_E_UNAVAILABLE) || sl_is(told, SL_E_NOT_FOUND) ? SL_DONE : told;
}

static void close_reader(sl_reader *r)
{
    if (r->source != NULL) {
        sl_reader_close(r);
    }
}

static sl_res do_ask(sl_cli *cli, const witness_call *call)
{
    SL_OWN(sl_source *, source, sl_source_close) = NULL;
    SL_OWN(sl_reader, r, close_reader) = { 0 };
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = 2 * SL_CHECKPOINT_BYTES_MAX };
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    char place[4096];
    uint64_t seen = 0;
    uint64_t time_s = 0;
    bool recorded = false;
    sl_vkey witness;
    sl_vkey log;

    SL_NEED(call->ask != NULL && call->witness != NULL, SL_E_USAGE);
    SL_TRY(sl_vkey_parse(sl_view_str(call->witness), &witness));
    if (call->key != NULL) {
        SL_TRY(sl_vkey_parse(sl_view_str(call->key), &log));
    }
    (void)snprintf(place, sizeof place, "%s/ledger", cli->site);
    SL_TRY(sl_source_open(call->ledger != NULL ? call->ledger : place, &source));
    SL_TRY(sl_reader_open(source, call->key != NULL ? &log : NULL, &r));
    SL_TRY(sl_witness_ask(&r, call->ask, &witness, &note, &seen, &time_s));
    if (call->ledger == NULL) {
        SL_TRY(keep_outside(cli->site, &witness, sl_buf_view(&note)));
        SL_TRY(hand_over(cli->site, seen, sl_buf_view(&note), &recorded));
    }
    SL_TRY(sl_buf_addf(&line,
                       "{\"summary\":{\"witness\":\"%s\",\"from\":%" PRIu64 ",\"to\":%" PRIu64
                       ",\"time\":%" PRIu64 ",\"recorded\":%s}}",
                       witness.name, seen, r.checkpoint.size, time_s, recorded ? "true" : "false"));
    return sl_cli_line(sl_buf_view(&line));
}

static volatile int stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static void say_ready(void *ctx)
{
    (void)fprintf(stderr, "the witness %s listens at %s\n", ((const witness_call *)ctx)->name,
                  ((const witness_call *)ctx)->listen);
}

static sl_res load_or_make_key(const char *path, sl_sign_key *ret)
{
    sl_res r = sl_sign_key_load(path, ret);

    if (!sl_is(r, SL_E_NOT_FOUND)) {
        return r;
    }
    SL_TRY(sl_sign_key_generate(ret));
    return sl_sign_key_save(ret, path);
}

static sl_res do_serve(witness_call *call)
{
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = { 0 };
    SL_OWN(int, dir, sl_fd_close) = -1;
    sl_disk_dir disk;
    sl_witness w = { .name = call->name, .key = &key };
    struct sigaction on = { .sa_handler = on_signal };

    SL_NEED(call->name != NULL && call->key_file != NULL && call->state != NULL &&
                call->listen != NULL && call->logs_n != 0,
            SL_E_USAGE);
    SL_TRY(load_or_make_key(call->key_file, &key));
    for (size_t i = 0; i < call->logs_n; i++) {
        SL_TRY(sl_vkey_parse(sl_view_str(call->logs[i]), &w.logs[i]));
        w.logs_n++;
    }
    SL_TRY(sl_dir_make(AT_FDCWD, call->state, 0700));
    SL_TRY(sl_dir_open(AT_FDCWD, call->state, &dir));
    sl_disk_dir_init(&disk, dir);
    w.disk = &disk.disk;
    (void)sigaction(SIGTERM, &on, NULL);
    (void)sigaction(SIGINT, &on, NULL);
    return sl_witness_serve(&w, call->listen, &stop_asked, say_ready, call);
}

static sl_res do_key(const witness_call *call)
{
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = { 0 };
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    sl_vkey vkey;

    SL_NEED(call->name != NULL && call->key_file != NULL, SL_E_USAGE);
    SL_TRY(load_or_make_key(call->key_file, &key));
    SL_TRY(sl_vkey_make(sl_view_str(call->name), SL_NOTE_COSIGNATURE_V1, &key.public_key, &vkey));
    SL_TRY(sl_vkey_add(&line, &vkey));
    return sl_cli_line(sl_buf_view(&line));
}

int sl_cmd_ledger_witness(sl_cli *cli, int argc, char **argv)
{
    witness_call call = { 0 };
    bool serve = argc >= 2 && strcmp(argv[1], "serve") == 0;
    bool key = argc >= 2 && strcmp(argv[1], "key") == 0;
    sl_res r = parse_call(argc, argv, serve || key ? 2 : 1, &call);

    if (sl_ok(r)) {
        r = serve ? do_serve(&call) : key ? do_key(&call) : do_ask(cli, &call);
    }
    if (sl_is(r, SL_E_USAGE)) {
        return sl_cli_usage(cli, USAGE);
    }
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "ledger witness", r);
}
