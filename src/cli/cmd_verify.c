/* `stoplog verify`: is a model what a trusted signer signed, with nothing added, missing or changed?
 * Reads OpenSSF model signatures of any implementation; stands alone, without a site. */
#include <fcntl.h>
#include <getopt.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/yaml.h"
#include "cli/inventory.h"
#include "cli/supply_print.h"
#include "supply/verify.h"

static const char USAGE[] =
    "verify MODEL [--signature FILE] [--key PUBLIC.pem]... [--signers FILE]\n"
    "                      [--roots FILE] [--timestamp-roots FILE] [--allow-unsigned PATH]... [--json]\n"
    "       stoplog verify --loaded PID|PATH [--artefact NAME|LEAF|DIGEST] [--all] [--record] [--json]\n"
    "\n"
    "Checks the signature of MODEL (MODEL.sig, unless --signature names another file), who made it,\n"
    "and that every file is there as it was signed and none besides.\n"
    "  --key FILE              a public key to trust\n"
    "  --signers FILE          the register of trusted and revoked signers (man page: SIGNERS)\n"
    "  --roots FILE            certificates to trust; without --signers any signer under them\n"
    "  --timestamp-roots FILE  authorities whose RFC 3161 timestamps count\n"
    "  --allow-unsigned PATH   a file or directory of the model that need not be signed\n"
    "--loaded compares the files that a running process has mapped or open (or those at PATH) with the\n"
    "digests in the site's ledger: admitted at the ingest door, or pinned in the vendor register.\n"
    "  --artefact WHICH  this artefact must be among them: VENDOR/NAME or NAME of the register, a leaf's\n"
    "                    index, or the first digits of a SHA-256\n"
    "  --all             every file, not only what looks like a model\n"
    "  --record          writes a leaf for each (model.loaded); one that differs raises an alarm\n"
    "Exit status: 0 all is as signed, 1 the signer is not trusted, 3 it cannot be read, 4 it is not\n"
    "what was signed.\n";

enum { KEYS_MAX = 16, ALLOWED_MAX = 64 };

typedef struct {
    sl_cli *cli;
    const char *model;
    const char *signature;
    const char *keys[KEYS_MAX];
    size_t keys_n;
    const char *signers_path;
    const char *roots_path;
    const char *timestamp_roots_path;
    sl_view allowed[ALLOWED_MAX];
    size_t allowed_n;
    sl_signers signers;
    sl_certs roots;
    sl_certs timestamp_roots;
    sl_buf differences; /* JSON items, comma between */
    size_t changed;
    size_t missing;
    size_t unsigned_files;
    size_t problems; /* entries that cannot have been signed: links, devices, unreadable files */
} verification;

static sl_res load_certs(const char *path, sl_certs *ret)
{
    SL_OWN(sl_buf, pem, sl_buf_free) = { .max = SL_MIB };
    if (path == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_cli_read(path, &pem));
    return sl_certs_add_pem(ret, sl_buf_view(&pem));
}

static sl_res load_signers(verification *v)
{
    SL_OWN(sl_buf, yaml, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    if (v->signers_path != NULL) {
        SL_TRY(sl_cli_read(v->signers_path, &yaml));
        sl_res r = sl_signers_read(sl_buf_view(&yaml), &v->signers);
        SL_OWN(sl_buf, sentence, sl_buf_free) = { .max = 4096 };
        if (!sl_ok(r) && sl_ok(sl_yaml_explain(r, v->signers_path, &sentence))) {
            const char *text = sl_buf_cstr(&sentence);
            fprintf(stderr, "%s\n", text != NULL ? text : "");
        }
        SL_TRY(r);
    }
    for (size_t i = 0; i < v->keys_n; i++) {
        SL_OWN(sl_buf, pem, sl_buf_free) = { .max = 64 * SL_KIB };
        SL_TRY(sl_cli_read(v->keys[i], &pem));
        SL_TRY(sl_signers_add_key(&v->signers, v->keys[i], sl_buf_view(&pem)));
    }
    return SL_DONE;
}

static bool is_allowed(const verification *v, sl_view path)
{
    for (size_t i = 0; i < v->allowed_n; i++) {
        sl_view a = v->allowed[i];
        if (sl_view_starts(path, a) && (path.n == a.n || path.p[a.n] == '/')) {
            return true;
        }
    }
    return false;
}

/* One line for people, or one item of the JSON list. What cannot be printed is counted all the same. */
static void say_difference(verification *v, const char *word, sl_view path)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = 64 * SL_KIB };
    if (!sl_ok(sl_supply_add_name(&name, path))) {
        return;
    }
    if (!v->cli->json) {
        const char *text = sl_buf_cstr(&name);
        printf("%-10s  %s\n", word, text != NULL ? text : "?");
        return;
    }
    sl_json_writer w;
    size_t before = v->differences.n;
    sl_res r = before > 0 ? sl_buf_add_byte(&v->differences, ',') : SL_DONE;
    sl_json_writer_init(&w, &v->differences);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "difference", word);
    sl_json_put_string(&w, "path", sl_buf_view(&name));
    sl_json_object_end(&w);
    if (!sl_ok(r) || !sl_ok(sl_json_finish(&w))) {
        v->differences.n = before;
    }
}

static void note_difference(void *context, sl_oms_difference difference, sl_view path)
{
    static const char *const WORDS[] = {
        [SL_OMS_CHANGED] = "changed", [SL_OMS_MISSING] = "missing", [SL_OMS_UNSIGNED] = "unsigned"
    };
    verification *v = context;
    if (difference == SL_OMS_UNSIGNED && is_allowed(v, path)) {
        return;
    }
    v->changed += difference == SL_OMS_CHANGED;
    v->missing += difference == SL_OMS_MISSING;
    v->unsigned_files += difference == SL_OMS_UNSIGNED;
    say_difference(v, WORDS[difference], path);
}

static void note_problem(void *context, sl_tree_problem problem, sl_view path)
{
    static const char *const WORDS[] = {
        [SL_TREE_SKIPPED] = NULL,        [SL_TREE_LINK] = "link",
        [SL_TREE_SPECIAL] = "special",   [SL_TREE_UNREADABLE] = "unreadable",
        [SL_TREE_CHANGED] = "in motion", [SL_TREE_NAME] = "name",
    };
    if (WORDS[problem] != NULL) {
        say_difference(context, WORDS[problem], path);
    }
}

static void say_when(int64_t at_s, char *ret, size_t size)
{
    struct tm t = { 0 };
    time_t at = (time_t)at_s;
    if (gmtime_r(&at, &t) == NULL || strftime(ret, size, "%Y-%m-%d %H:%M:%S UTC", &t) == 0) {
        ret[0] = 0;
    }
}

static void print_people(const verification *v, const sl_oms_statement *s, const sl_verified *who,
                         bool whole)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    char when[40];
    sl_digest_hex(&s->root, hex);
    printf("%s: %s\n  digest  sha256:%s (%zu files)\n", v->model,
           whole ? "as signed" : "NOT what was signed", hex, s->files.n);
    sl_digest_hex(&who->id, hex);
    printf("  signer  %s%s%s%s\n", who->name[0] != 0 ? who->name : who->subject,
           who->name[0] != 0 || who->subject[0] != 0 ? ", " : "", "id ", hex);
    if (who->timestamped) {
        say_when(who->signed_at_s, when, sizeof when);
        printf("  signed  %s, by timestamp\n", when);
    }
    if (s->extension.n > 0) {
        printf("  the signer says of itself %.*s\n", SL_FMT(s->extension));
    }
    for (size_t i = 0; i < s->ignored_count; i++) {
        printf("%s%.*s%s", i == 0 ? "  the signer left out " : ", ", SL_FMT(s->ignored[i]),
               i + 1 == s->ignored_count ? "\n" : "");
    }
}

static sl_res print_json(const verification *v, const sl_oms_statement *s, const sl_verified *who,
                         bool whole)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = SL_OMS_BUNDLE_BYTES_MAX };
    char root[2 * SL_DIGEST_BYTES + 1];
    char id[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&s->root, root);
    sl_digest_hex(&who->id, id);
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_key(&w, "summary");
    sl_json_object_begin(&w);
    sl_json_put_bool(&w, "ok", whole);
    sl_json_put_str(&w, "digest", root);
    sl_json_put_uint(&w, "files", s->files.n);
    sl_json_put_str(&w, "signer", id);
    if (who->name[0] != 0) {
        sl_json_put_str(&w, "name", who->name);
    }
    if (who->subject[0] != 0) {
        sl_json_put_str(&w, "subject", who->subject);
    }
    if (who->timestamped) {
        sl_json_put_int(&w, "signed_at_s", who->signed_at_s);
    }
    sl_json_put_uint(&w, "changed", v->changed);
    sl_json_put_uint(&w, "missing", v->missing);
    sl_json_put_uint(&w, "unsigned", v->unsigned_files);
    sl_json_put_uint(&w, "problems", v->problems);
    sl_json_key(&w, "differences");
    sl_json_array_begin(&w);
    if (v->differences.n > 0) {
        sl_json_raw(&w, sl_buf_view(&v->differences));
    }
    sl_json_array_end(&w);
    if (s->extension.n > 0) {
        sl_json_key(&w, "stoplog");
        sl_json_raw(&w, s->extension);
    }
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res check_signer(verification *v, const sl_oms_bundle *bundle, sl_verified *who)
{
    sl_verify_trust trust = {
        .signers = &v->signers,
        .roots = &v->roots,
        .timestamp_roots = &v->timestamp_roots,
        .any_certificate = v->signers_path == NULL,
        .now_s = (int64_t)(sl_clock_wall_ms() / 1000),
    };
    sl_res r = sl_verify_bundle(bundle, &trust, who);
    if (!sl_ok(r) && who->reason[0] != 0) {
        fprintf(stderr, "the signer was revoked: %s\n", who->reason);
    }
    return r;
}

/* A signature lying inside the model is not part of it. */
static sl_res read_tree(verification *v, const sl_supply_paths *paths, sl_manifest *ret)
{
    sl_tree_options options = {
        .skip = paths->skip, .skip_count = paths->skip_count, .report = note_problem, .context = v
    };
    return sl_tree_read(v->model, &options, ret, &v->problems);
}

static sl_res verify_model(verification *v, bool *ret_whole)
{
    SL_OWN(sl_supply_paths, paths, sl_supply_paths_free) = { 0 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_OMS_BUNDLE_BYTES_MAX };
    SL_OWN(sl_oms_bundle, bundle, sl_oms_bundle_free) = { 0 };
    SL_OWN(sl_oms_statement, statement, sl_oms_statement_free) = { 0 };
    SL_OWN(sl_manifest, tree, sl_manifest_free) = { 0 };
    sl_verified who;
    SL_TRY(sl_supply_paths_make(v->model, v->signature, false, &paths));
    SL_TRY(sl_cli_read(paths.signature, &text));
    SL_TRY(sl_oms_bundle_read(sl_buf_view(&text), &bundle));
    SL_TRY(check_signer(v, &bundle, &who));
    SL_TRY(sl_oms_statement_read(sl_buf_view(&bundle.payload), &statement));
    SL_TRY(read_tree(v, &paths, &tree));
    (void)sl_oms_compare(&statement.files, &tree, note_difference, v);
    bool whole = v->changed + v->missing + v->unsigned_files + v->problems == 0;
    *ret_whole = whole;
    if (v->cli->json) {
        return print_json(v, &statement, &who, whole);
    }
    print_people(v, &statement, &who, whole);
    if (bundle.timestamp_count > 0 && v->timestamp_roots_path == NULL) {
        printf("  its timestamp was not checked: give --timestamp-roots\n");
    }
    return SL_DONE;
}

static sl_res load(verification *v)
{
    v->differences.max = SL_OMS_BUNDLE_BYTES_MAX;
    SL_TRY(load_signers(v));
    SL_TRY(load_certs(v->roots_path, &v->roots));
    return load_certs(v->timestamp_roots_path, &v->timestamp_roots);
}

static bool take_option(verification *v, int c)
{
    switch (c) {
    case 's':
        v->signature = optarg;
        return true;
    case 'k':
        if (v->keys_n < KEYS_MAX) {
            v->keys[v->keys_n++] = optarg;
            return true;
        }
        return false;
    case 'S':
        v->signers_path = optarg;
        return true;
    case 'r':
        v->roots_path = optarg;
        return true;
    case 't':
        v->timestamp_roots_path = optarg;
        return true;
    case 'a':
        if (v->allowed_n < ALLOWED_MAX && optarg[0] != 0) {
            v->allowed[v->allowed_n++] = sl_view_str(optarg);
            return true;
        }
        return false;
    case 'j':
        v->cli->json = true;
        return true;
    default:
        return false;
    }
}

static bool read_options(verification *v, int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "signature", required_argument, NULL, 's' },
        { "key", required_argument, NULL, 'k' },
        { "signers", required_argument, NULL, 'S' },
        { "roots", required_argument, NULL, 'r' },
        { "timestamp-roots", required_argument, NULL, 't' },
        { "allow-unsigned", required_argument, NULL, 'a' },
        { "json", no_argument, NULL, 'j' },
        { 0 },
    };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (!take_option(v, c)) {
            return false;
        }
    }
    v->model = optind < argc ? argv[optind] : NULL;
    bool trusts = v->keys_n > 0 || v->signers_path != NULL || v->roots_path != NULL;
    return argc - optind == 1 && trusts;
}

int sl_cmd_verify(sl_cli *cli, int argc, char **argv)
{
    verification v = { .cli = cli };
    bool whole = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--loaded") == 0) {
            return sl_verify_loaded(cli, argc, argv);
        }
    }
    if (!read_options(&v, argc, argv)) {
        return sl_cli_usage(cli, USAGE);
    }
    sl_res r = load(&v);
    if (sl_ok(r)) {
        r = verify_model(&v, &whole);
    }
    sl_signers_free(&v.signers);
    sl_certs_free(&v.roots);
    sl_certs_free(&v.timestamp_roots);
    sl_buf_free(&v.differences);
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "verify", r);
    }
    return whole ? 0 : sl_res_exit(sl_fail(SL_E_INTEGRITY));
}
