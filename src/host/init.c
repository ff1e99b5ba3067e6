/* Making a site (see init.h): everything is built in a directory beside the target, synced, and put in
 * place by one rename. A failure leaves nothing behind but at most that unfinished directory. */
#include "host/init.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "ledger/events.gen.h"
#include "ledger/log.h"
#include "vault/keeper.h"

static const char *const directories[] = { "policy",       "state",         "state/warden",
                                           "state/keeper", "state/ledgerd", "ledger",
                                           "vault",        "run",           "run/sock",
                                           "run/conf" };

static const char config_text[] =
    "# Configuration of this Stoplog site. Unknown keys are errors: 'stoplog config check'.\n"
    "# Who may do what is not here: operators, grants and keys stand in the ledger.\n"
    "front:\n"
    "  listen: \"127.0.0.1:8443\"\n"
    "  # certificate: /etc/ssl/certs/site.pem\n"
    "  # key: /etc/ssl/private/site.key\n"
    "egress:\n"
    "  silence_max: 120s\n"
    "  # upstreams:\n"
    "  #   - name: local\n"
    "  #     url: \"http://127.0.0.1:8000/v1\"\n"
    "# assure: # limits that checks compare with\n"
    "#   max_records: 100000\n"
    "#   max_compartments: 2\n"
    "# ledger:\n"
    "#   witnesses: # who cosigns the ledger; asked once a minute while it grows\n"
    "#     - key: \"NAME+ID+KEY\"\n"
    "#       url: \"https://witness.example\"\n";

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* The unfinished directory; removed unless it was put in place. */
typedef struct {
    char path[4096];
    bool made;
} draft;

static void draft_drop(draft *d)
{
    if (d->made) {
        (void)nftw(d->path, remove_one, 16, FTW_PHYS | FTW_DEPTH | FTW_MOUNT);
    }
}

static sl_res draft_make(const char *directory, draft *d)
{
    uint8_t random[8];
    SL_TRY(sl_random_bytes(random, sizeof random));
    size_t n = strlen(directory);
    while (n > 1 && directory[n - 1] == '/') {
        n--;
    }
    int wrote = snprintf(d->path, sizeof d->path, "%.*s.new-%016llx", (int)n, directory,
                         (unsigned long long)sl_get_be64(random));
    SL_NEED(wrote > 0 && (size_t)wrote < sizeof d->path, SL_E_LIMIT);
    if (mkdir(d->path, 0700) != 0) {
        return sl_fail_os(errno == ENOENT ? SL_E_NOT_FOUND : SL_E_DENIED, "site directory");
    }
    d->made = true;
    return SL_DONE;
}

static sl_res check_genesis(const sl_genesis_roll *g)
{
    if (g->operators_count == 0) {
        return sl_fail_at(SL_E_MISSING_FIELD, "operator", SL_NOWHERE);
    }
    if (g->quorum < 1 || (size_t)g->quorum > g->operators_count) {
        return sl_fail_at(SL_E_RANGE, "quorum", g->operators_count);
    }
    return SL_DONE;
}

static sl_res check_kms(const sl_init_options *o)
{
    bool token = strcmp(o->kms, "pkcs11") == 0;
    if (token != (o->module != NULL && o->token != NULL)) {
        return sl_fail_at(SL_E_USAGE, "--pkcs11-module and --pkcs11-token", SL_NOWHERE);
    }
    return SL_DONE;
}

static sl_res genesis_event(const sl_init_options *options, const sl_genesis_roll *genesis,
                            const sl_init_report *report, sl_buf *out)
{
    SL_OWN(sl_buf, statements, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_TRY(sl_genesis_encode(genesis, &statements));
    sl_view names[SL_ROLL_OPERATORS_MAX];
    for (size_t i = 0; i < genesis->operators_count; i++) {
        names[i] = sl_view_str(genesis->operators[i].person);
    }
    sl_event_head head = { 0 };
    sl_event_ledger_genesis fields = { .site = sl_view_str(report->site),
                                       .origin = sl_view_str(report->origin),
                                       .vkey = sl_view_str(report->vkey),
                                       .operators = { names, genesis->operators_count },
                                       .statements = sl_buf_view(&statements),
                                       .quorum = (uint64_t)genesis->quorum,
                                       .kms = sl_view_str(options->kms),
                                       .version = 1 };
    return sl_emit_ledger_genesis(&head, &fields, out);
}

static sl_res write_leaf_0(int site_fd, sl_view event, const sl_sign_key *key,
                           sl_init_report *report)
{
    SL_OWN(int, ledger_fd, sl_fd_close) = -1;
    SL_TRY(sl_dir_open(site_fd, "ledger", &ledger_fd));
    sl_disk_dir disk;
    sl_disk_dir_init(&disk, ledger_fd);
    sl_tlog_options options = { .disk = &disk.disk, .origin = report->origin, .key = key };
    sl_tlog *log = NULL;
    sl_tlog_report opened;
    SL_TRY(sl_tlog_open(&options, &log, &opened));
    uint64_t index = 0;
    sl_res done = sl_tlog_add(log, event, "host", (uint64_t)sl_clock_wall_ms(), &index);
    if (sl_ok(done)) {
        done = sl_tlog_commit(log);
    }
    if (sl_ok(done)) {
        done = sl_tlog_publish(log);
    }
    if (sl_ok(done)) {
        report->root = sl_tlog_root(log); /* of one leaf: that leaf's hash */
        report->genesis = report->root;
    }
    sl_tlog_free(log);
    return done;
}

static sl_res make_key(const draft *d, sl_sign_key *key)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/state/ledgerd/ledger.key", d->path);
    SL_TRY(sl_sign_key_generate(key));
    return sl_sign_key_save(key, path);
}

static sl_res name_ledger(const sl_init_options *options, const sl_sign_key *key,
                          sl_init_report *report)
{
    int n = options->origin != NULL
                ? snprintf(report->origin, sizeof report->origin, "%s", options->origin)
                : snprintf(report->origin, sizeof report->origin, "stoplog.local/%s", report->site);
    SL_NEED(n > 0 && (size_t)n < sizeof report->origin, SL_E_LIMIT);
    sl_vkey vkey;
    SL_TRY(sl_vkey_make(sl_view_str(report->origin), SL_NOTE_ED25519, &key->public_key, &vkey));
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = sizeof report->vkey - 1 };
    SL_TRY(sl_vkey_add(&text, &vkey));
    memcpy(report->vkey, text.p, text.n);
    report->vkey[text.n] = '\0';
    return SL_DONE;
}

static sl_res make_vault(const sl_init_options *options, const draft *d,
                         const sl_init_report *report)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/state/keeper", d->path);
    return sl_vault_init(path, report->site, options->kms, options->passphrase, options->pin);
}

static sl_res write_config(const sl_init_options *options, int site_fd)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    SL_TRY(sl_buf_add_str(&text, config_text));
    if (options->module != NULL && options->token != NULL) {
        SL_TRY(sl_buf_addf(&text, "keeper:\n  kms: pkcs11\n  module: \"%s\"\n  token: \"%s\"\n",
                           options->module, options->token));
    }
    return sl_file_create(site_fd, "config.yml", sl_buf_view(&text), 0644);
}

static sl_res fill(const sl_init_options *options, const draft *d, sl_init_report *report)
{
    SL_OWN(int, site_fd, sl_fd_close) = -1;
    SL_TRY(sl_dir_open(AT_FDCWD, d->path, &site_fd));
    for (size_t i = 0; i < SL_COUNT_OF(directories); i++) {
        /* Policies are no secret: doors read them under users of their own. */
        bool policy = strcmp(directories[i], "policy") == 0;
        SL_TRY(sl_dir_make(site_fd, directories[i], policy ? 0755 : 0700));
    }
    uint8_t random[16];
    SL_TRY(sl_random_bytes(random, sizeof random));
    sl_uid site;
    sl_uid_set(site, random);
    memcpy(report->site, site, sizeof report->site);
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = { 0 };
    SL_TRY(make_key(d, &key));
    SL_TRY(name_ledger(options, &key, report));
    sl_genesis_roll *genesis = malloc(sizeof *genesis);
    SL_NEED(genesis != NULL, SL_E_MEMORY);
    *genesis = options->genesis;
    memcpy(genesis->site, report->site, sizeof genesis->site);
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_res made = genesis_event(options, genesis, report, &event);
    free(genesis);
    SL_TRY(made);
    SL_TRY(write_leaf_0(site_fd, sl_buf_view(&event), &key, report));
    SL_TRY(make_vault(options, d, report));
    SL_TRY(sl_file_create(site_fd, "ledger/vkey", sl_view_str(report->vkey), 0644));
    SL_TRY(write_config(options, site_fd));
    return sl_dir_sync(site_fd, ".");
}

sl_res sl_site_init(const sl_init_options *options, sl_init_report *ret_report)
{
    SL_TRY(check_genesis(&options->genesis));
    SL_TRY(check_kms(options));
    struct stat st;
    bool there = stat(options->directory, &st) == 0;
    if (there && (!S_ISDIR(st.st_mode) || access(options->directory, W_OK) != 0)) {
        return sl_fail_at(SL_E_EXISTS, "site directory", SL_NOWHERE);
    }
    SL_OWN(draft, d, draft_drop) = { .made = false };
    SL_TRY(draft_make(options->directory, &d));
    sl_init_report report = { 0 };
    SL_TRY(fill(options, &d, &report));
    /* Onto nothing or onto an empty directory; anything else stays as it is. */
    if (rename(d.path, options->directory) != 0) {
        return errno == ENOTEMPTY || errno == EEXIST
                   ? sl_fail_at(SL_E_EXISTS, "site directory", SL_NOWHERE)
                   : sl_fail_os(SL_E_IO, "site directory");
    }
    d.made = false;
    *ret_report = report;
    char parent[4200];
    (void)snprintf(parent, sizeof parent, "%s/..", options->directory);
    return sl_dir_sync(AT_FDCWD, parent);
}
