/* `stoplog sign`: signs a model's files in the way of OpenSSF model signing; stands alone, without a site.
 * The signature names every file with its digest; `stoplog verify` and other implementations read it. */
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/supply_print.h"
#include "ledger/checkpoint.h"
#include "supply/oms.h"
#include "supply/scan_manifest.h"
#include "supply/tree.h"

static const char USAGE[] =
    "sign MODEL --key KEY.pem [--certificate CHAIN.pem] [--signature FILE] [--include-git]\n"
    "                    [--policy FILE] [--receipt FILE] [--no-scan] [--json]\n"
    "       stoplog sign --new-key KEY.pem [--curve P-256|P-384|P-521]\n"
    "\n"
    "Scans every file of the directory MODEL (or the one file MODEL), signs them, and writes MODEL.sig\n"
    "with the scan's verdict in it. What is dangerous or malformed is not signed.\n"
    "  --key FILE          private key in PEM, mode 0600; --new-key makes one, with FILE.pub beside it\n"
    "  --certificate FILE  the signer's certificate, then the intermediate ones\n"
    "  --signature FILE    where the signature goes, instead of MODEL.sig\n"
    "  --include-git       sign .git, .github, .gitignore and .gitattributes too\n"
    "  --policy FILE       put the SHA-256 of this policy into the signature\n"
    "  --no-scan           sign without a scan; the signature then says nothing of one\n"
    "  --receipt FILE      put the ledger entry that this receipt proves into the signature\n";

typedef struct {
    sl_cli *cli;
    const char *model;
    const char *key;
    const char *certificate;
    const char *signature;
    const char *policy;
    const char *receipt;
    const char *new_key;
    const char *curve;
    bool include_git;
    bool no_scan;
    sl_scan_totals scan;
    sl_digest allow_list;
} signing;

/* The receipt's place in its log; that it is true, the reader checks with `ledger verify`. */
static sl_res put_receipt(sl_json_writer *w, const char *path)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_RECEIPT_BYTES_MAX };
    sl_receipt receipt;
    sl_note note;
    sl_checkpoint checkpoint;
    SL_TRY(sl_cli_read(path, &text));
    SL_TRY(sl_receipt_parse(sl_buf_view(&text), &receipt));
    SL_TRY(sl_note_split(receipt.checkpoint_note, &note));
    SL_TRY(sl_checkpoint_parse(note.text, &checkpoint));
    sl_json_key(w, "ledger");
    sl_json_object_begin(w);
    sl_json_put_str(w, "origin", checkpoint.origin);
    sl_json_put_uint(w, "index", receipt.index);
    sl_digest_put(w, "root", &checkpoint.root);
    sl_json_object_end(w);
    return SL_DONE;
}

/* The verdict over all files; which names the scan lets pass is part of what it means. */
static void put_scan(sl_json_writer *w, const signing *s)
{
    const uint64_t *n = s->scan.classes;
    const char *verdict = n[SL_SCAN_UNKNOWN] > 0 ? "unknown" : "clean";
    sl_json_key(w, "scan");
    sl_json_object_begin(w);
    sl_json_put_str(w, "verdict", verdict);
    sl_json_put_bool(w, "complete", s->scan.incomplete == 0);
    sl_json_put_uint(w, "files", s->scan.files);
    sl_json_put_uint(w, "unknown", n[SL_SCAN_UNKNOWN]);
    sl_digest_put(w, "allow_list_sha256", &s->allow_list);
    sl_json_object_end(w);
}

/* Our own member of the predicate; others ignore it. */
static sl_res extension(const signing *s, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "version", SL_VERSION);
    if (!s->no_scan) {
        put_scan(&w, s);
    }
    if (s->policy != NULL) {
        SL_OWN(sl_buf, policy, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
        SL_TRY(sl_cli_read(s->policy, &policy));
        sl_digest d = sl_sha256(sl_buf_view(&policy));
        sl_digest_put(&w, "policy_sha256", &d);
    }
    if (s->receipt != NULL) {
        SL_TRY(put_receipt(&w, s->receipt));
    }
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static sl_res load_chain(const signing *s, const sl_ecdsa_key *key, sl_certs *chain)
{
    SL_OWN(sl_buf, pem, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_ecdsa_key, certified, sl_ecdsa_key_free) = { 0 };
    if (s->certificate == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_cli_read(s->certificate, &pem));
    SL_TRY(sl_certs_add_pem(chain, sl_buf_view(&pem)));
    SL_TRY(sl_certs_key(chain, &certified));
    if (!sl_ecdsa_same(key, &certified)) {
        return sl_fail_at(SL_E_SIGNATURE, "certificate: it is of another key", SL_NOWHERE);
    }
    return SL_DONE;
}

static sl_res write_signature(const signing *s, const sl_manifest *files, const sl_supply_paths *p)
{
    SL_OWN(sl_ecdsa_key, key, sl_ecdsa_key_free) = { 0 };
    SL_OWN(sl_certs, chain, sl_certs_free) = { 0 };
    SL_OWN(sl_buf, ours, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, payload, sl_buf_free) = { .max = SL_OMS_BUNDLE_BYTES_MAX / 2 };
    SL_OWN(sl_buf, message, sl_buf_free) = { .max = SL_OMS_BUNDLE_BYTES_MAX };
    SL_OWN(sl_buf, signature, sl_buf_free) = { .max = SL_KIB };
    SL_OWN(sl_buf, bundle, sl_buf_free) = { .max = SL_OMS_BUNDLE_BYTES_MAX };
    sl_digest hint;
    SL_TRY(sl_ecdsa_load(s->key, &key));
    SL_TRY(load_chain(s, &key, &chain));
    SL_TRY(extension(s, &ours));
    SL_TRY(sl_oms_statement_write(files, p->model_name, p->skip, p->skip_count, sl_buf_view(&ours),
                                  &payload));
    SL_TRY(sl_oms_signed_bytes(sl_buf_view(&payload), &message));
    SL_TRY(sl_ecdsa_sign(&key, sl_buf_view(&message), &signature));
    SL_TRY(sl_ecdsa_hint(&key, &hint));
    SL_TRY(sl_oms_bundle_write(sl_buf_view(&payload), sl_buf_view(&signature), &hint, &chain,
                               &bundle));
    return sl_file_replace(AT_FDCWD, p->signature, sl_buf_view(&bundle), 0644);
}

static sl_res say_signed(const signing *s, const sl_manifest *files, const sl_supply_paths *p)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = SL_MIB };
    sl_digest root = sl_manifest_root(files);
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&root, hex);
    if (!s->cli->json) {
        printf("signed %zu file%s of %s\n  digest     sha256:%s\n  signature  %s\n", files->n,
               files->n == 1 ? "" : "s", s->model, hex, p->signature);
        return SL_DONE;
    }
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_key(&w, "summary");
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "files", files->n);
    sl_json_put_str(&w, "digest", hex);
    sl_json_put_str(&w, "signature", p->signature);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static void say_unclean(void *context, sl_view path, const sl_scan_result *result)
{
    static const char *const CLASSES[] = { "not read whole", "unknown", "malformed", "dangerous" };
    (void)context;
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = 64 * SL_KIB };
    const char *text = sl_ok(sl_supply_add_name(&name, path)) ? sl_buf_cstr(&name) : NULL;
    fprintf(stderr, "%s: %s; 'stoplog scan' says why\n", text != NULL ? text : "?",
            CLASSES[result->class]);
}

static sl_res scan_model(signing *s, const char *directory, const sl_manifest *files)
{
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    if (s->no_scan) {
        return SL_DONE;
    }
    SL_TRY(sl_allow_own(&allow));
    s->allow_list = *sl_allow_digest(allow);
    SL_TRY(sl_scan_manifest(directory, files, allow, say_unclean, NULL, &s->scan));
    uint64_t bad = s->scan.classes[SL_SCAN_DANGEROUS] + s->scan.classes[SL_SCAN_MALFORMED];
    return bad == 0 ? SL_DONE
                    : sl_fail_at(SL_E_ARTEFACT, "files of the model; nothing was signed", bad);
}

static sl_res sign_model(signing *s)
{
    SL_OWN(sl_supply_paths, paths, sl_supply_paths_free) = { 0 };
    SL_OWN(sl_manifest, files, sl_manifest_free) = { 0 };
    SL_TRY(sl_supply_paths_make(s->model, s->signature, !s->include_git, &paths));
    size_t problems = 0;
    sl_tree_options options = { .skip = paths.skip,
                                .skip_count = paths.skip_count,
                                .report = sl_supply_print_problem };
    SL_TRY(sl_tree_read(s->model, &options, &files, &problems));
    if (problems > 0) {
        return sl_fail_at(SL_E_TYPE, "entries of the model; nothing was signed", problems);
    }
    if (files.n == 0) {
        return sl_fail_at(SL_E_NOT_FOUND, "files of the model (the directory is empty)",
                          SL_NOWHERE);
    }
    SL_TRY(scan_model(s, paths.directory, &files));
    SL_TRY(write_signature(s, &files, &paths));
    return say_signed(s, &files, &paths);
}

static sl_res make_key(const signing *s)
{
    SL_OWN(sl_ecdsa_key, key, sl_ecdsa_key_free) = { 0 };
    SL_OWN(sl_buf, pem, sl_buf_free) = { .max = 8192 };
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 8192 };
    SL_TRY(sl_ecdsa_generate(s->curve != NULL ? s->curve : "P-256", &key));
    SL_TRY(sl_ecdsa_public_pem(&key, &pem));
    SL_TRY(sl_buf_addf(&path, "%s.pub", s->new_key));
    const char *public_path = sl_buf_cstr(&path);
    SL_NEED(public_path != NULL, SL_E_MEMORY);
    SL_TRY(sl_ecdsa_save(&key, s->new_key));
    sl_res r = sl_file_create(AT_FDCWD, public_path, sl_buf_view(&pem), 0644);
    if (!sl_ok(r)) {
        (void)unlink(s->new_key); /* half a pair is none */
        return r;
    }
    sl_digest hint;
    char hex[2 * SL_DIGEST_BYTES + 1];
    SL_TRY(sl_ecdsa_hint(&key, &hint));
    sl_digest_hex(&hint, hex);
    printf("made %s (keep it secret) and %s\n  id  %s\n", s->new_key, public_path, hex);
    return SL_DONE;
}

static bool read_options(signing *s, int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "key", required_argument, NULL, 'k' },
        { "certificate", required_argument, NULL, 'c' },
        { "signature", required_argument, NULL, 's' },
        { "include-git", no_argument, NULL, 'g' },
        { "policy", required_argument, NULL, 'p' },
        { "receipt", required_argument, NULL, 'r' },
        { "new-key", required_argument, NULL, 'n' },
        { "curve", required_argument, NULL, 'e' },
        { "no-scan", no_argument, NULL, 'S' },
        { "json", no_argument, NULL, 'j' },
        { 0 },
    };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        const char **texts[] = {
            ['k'] = &s->key,     ['c'] = &s->certificate, ['s'] = &s->signature, ['p'] = &s->policy,
            ['r'] = &s->receipt, ['n'] = &s->new_key,     ['e'] = &s->curve
        };
        if (c == 'g') {
            s->include_git = true;
        } else if (c == 'S') {
            s->no_scan = true;
        } else if (c == 'j') {
            s->cli->json = true;
        } else if (c == '?' || texts[c] == NULL) {
            return false;
        } else {
            *texts[c] = optarg;
        }
    }
    s->model = optind < argc ? argv[optind] : NULL;
    bool one_model = argc - optind == 1 && s->key != NULL && s->curve == NULL && s->new_key == NULL;
    bool one_key = argc == optind && s->new_key != NULL && s->key == NULL;
    return one_model || one_key;
}

int sl_cmd_sign(sl_cli *cli, int argc, char **argv)
{
    signing s = { .cli = cli };
    if (!read_options(&s, argc, argv)) {
        return sl_cli_usage(cli, USAGE);
    }
    sl_res r = s.new_key != NULL ? make_key(&s) : sign_model(&s);
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "sign", r);
}
