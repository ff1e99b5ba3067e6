/* `stoplog inspect`: what is in a file and what the policy makes of it; stands alone, without a site.
 * Prints findings without their text; --redact, --pseudonymise and --explain say more. Output fields:
 * ARCHITECTURE section 6. */
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"
#include "cli/cli.h"
#include "cli/inspect_file.h"
#include "detect/policy.h"
#include "detect/transform.h"

#define FILE_BYTES_MAX ((size_t)1 << 31)
#define MAP_BYTES_MAX (64 * SL_MIB)
#define FINDINGS_MAX ((size_t)1 << 25)

static const char USAGE[] =
    "inspect [--policy FILE] [--channel NAME] [--patterns FILE] [--hosts FILE]\n"
    "                       [--redact | --pseudonymise | --explain] [--json] [FILE...]\n"
    "\n"
    "Finds identifiers, secrets, hidden text and links in files (standard input when none is named) and\n"
    "says what the policy makes of them: text, CSV, TSV, JSON lines, FHIR, Dataset-JSON, XPT, SAS7BDAT,\n"
    "HL7 v2, C-CDA, and PDF where pdftotext is installed. Exit status 1 when something was found.\n"
    "  --policy FILE    rules instead of the built-in ones (data/policies/default.yml)\n"
    "  --channel NAME   judge as this channel: document (default), user, answer, tool_result ...\n"
    "  --patterns FILE  one more table of patterns (data/patterns/README.md)\n"
    "  --hosts FILE     hosts that links may name, instead of the built-in ones\n"
    "  --no-names       leave out the tagger of names and places, which costs most of the time\n"
    "  --redact         print the text with every finding replaced by its class\n"
    "  --pseudonymise   print the text with stand-ins of the same form\n"
    "  --explain        say for every finding which rule decided and why\n";

typedef enum { PRINT_FINDINGS, PRINT_REDACTED, PRINT_PSEUDONYMS, PRINT_EXPLAINED } print_mode;

typedef struct {
    sl_cli *cli;
    sl_detect *detect;
    sl_scratch *scratch;
    sl_policy *policy;
    sl_pseudonyms *map;
    sl_policy_context context;
    print_mode mode;
    bool progress;
    size_t files;
    size_t with_findings;
    size_t findings;
} inspection;

static const char *unit_name(const sl_inspect_seen *seen)
{
    static const char *const NAMES[] = { "bytes", "bytes of the value", "bytes of the text" };
    return NAMES[seen->unit];
}

static void put_finding(sl_json_writer *w, const inspection *in, const sl_inspect_seen *seen,
                        const sl_finding *f)
{
    sl_json_object_begin(w);
    sl_json_put_str(w, "detector", sl_detector_name((sl_detector)f->detector));
    sl_json_put_str(w, "class", sl_class_name((sl_class)f->kind));
    sl_json_put_uint(w, "start", f->start);
    sl_json_put_uint(w, "end", f->end);
    sl_json_put_str(w, "unit", unit_name(seen));
    if (seen->records) {
        sl_json_put_uint(w, "record", sl_inspect_record(f));
        sl_json_put_uint(w, "column", sl_inspect_column(f));
    }
    sl_json_put_uint(w, "score", f->score_permille);
    sl_json_put_str(w, "view", sl_view_kind_name((sl_view_kind)f->view));
    sl_json_put_str(w, "verdict", sl_verdict_name((sl_verdict)f->verdict));
    bool pattern = f->detector == SL_DETECTOR_PHI || f->detector == SL_DETECTOR_SECRET;
    if (pattern && f->rule != SL_NO_RULE) {
        sl_json_put_str(w, "pattern", sl_detect_rule_name(in->detect, f->rule));
    }
    if (in->mode == PRINT_EXPLAINED) {
        sl_json_put_str(w, "rule", sl_policy_rule_id(in->policy, f->policy_rule));
        sl_json_put_str(w, "why", sl_policy_rule_why(in->policy, f->policy_rule));
    }
    sl_json_object_end(w);
}

/* Paths need not be UTF-8: what is not is shown as '?'. */
static sl_res put_path(sl_json_writer *w, const char *path)
{
    SL_OWN(sl_buf, clean, sl_buf_free) = { .max = 8192 };
    for (const char *c = path; *c != 0; c++) {
        uint8_t b = (uint8_t)*c;
        SL_TRY(sl_buf_add_byte(&clean, b >= 0x20 && b < 0x7F ? b : '?'));
    }
    sl_json_put_string(w, "path", sl_buf_view(&clean));
    return SL_DONE;
}

static sl_res print_json(const inspection *in, const char *path, const sl_inspect_seen *seen,
                         sl_verdict verdict, const sl_findings *all)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = (size_t)1 << 30 };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    SL_TRY(put_path(&w, path));
    sl_json_put_str(&w, "format", seen->format);
    if (seen->as_text) {
        sl_json_put_bool(&w, "read_as_text", true);
    }
    sl_json_put_str(&w, "verdict", sl_verdict_name(verdict));
    sl_json_key(&w, "findings");
    sl_json_array_begin(&w);
    for (size_t i = 0; i < all->n; i++) {
        put_finding(&w, in, seen, &all->items[i]);
    }
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static void print_people(const inspection *in, const char *path, const sl_inspect_seen *seen,
                         sl_verdict verdict, const sl_findings *all)
{
    if (seen->as_text) {
        (void)fprintf(stderr, "stoplog: %s: malformed %s, looked at as text\n", path, seen->format);
    }
    for (size_t i = 0; i < all->n; i++) {
        const sl_finding *f = &all->items[i];
        printf("%s:", path);
        if (seen->records) {
            printf("record %llu, column %zu:", (unsigned long long)sl_inspect_record(f) + 1,
                   sl_inspect_column(f) + 1);
        }
        printf("%zu-%zu: %s (%s", f->start, f->end, sl_class_name((sl_class)f->kind),
               sl_detector_name((sl_detector)f->detector));
        if (f->view != SL_VIEW_PLAIN) {
            printf(", %s", sl_view_kind_name((sl_view_kind)f->view));
        }
        printf(") %s\n", sl_verdict_name((sl_verdict)f->verdict));
        if (in->mode == PRINT_EXPLAINED) {
            printf("    rule %s: %s\n", sl_policy_rule_id(in->policy, f->policy_rule),
                   sl_policy_rule_why(in->policy, f->policy_rule));
        }
    }
    printf("%s: %s, %zu finding%s\n", path, sl_verdict_name(verdict), all->n,
           all->n == 1 ? "" : "s");
}

/* For --redact and --pseudonymise the person asked for a rewritten text, whatever the policy says of
 * refusing: every finding that is not allowed is replaced. */
static sl_res print_rewritten(inspection *in, sl_view text, sl_findings *all)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = text.n * 16 + SL_MIB };
    for (size_t i = 0; i < all->n; i++) {
        sl_finding *f = &all->items[i];
        /* A request to the model identifies no one: it is reported, not rewritten. */
        if (f->verdict == SL_VERDICT_ALLOW || f->detector == SL_DETECTOR_INJECT) {
            f->verdict = SL_VERDICT_ALLOW;
            continue;
        }
        bool stand_in = in->mode == PRINT_PSEUDONYMS &&
                        sl_class_group((sl_class)f->kind) != SL_GROUP_SECRET &&
                        f->detector != SL_DETECTOR_FOLD && f->view <= SL_VIEW_FOLDED;
        f->verdict = SL_VERDICT_TRANSFORM;
        f->transform = stand_in ? SL_TRANSFORM_PSEUDONYM : SL_TRANSFORM_CLASS;
    }
    size_t applied = 0;
    SL_TRY(sl_transform_apply(text, all, in->map, &out, &applied));
    if (fwrite(out.p, 1, out.n, stdout) != out.n) {
        return sl_fail_os(SL_E_IO, "standard output");
    }
    return SL_DONE;
}

static sl_res show(inspection *in, const char *path, sl_view bytes, const sl_inspect_seen *seen,
                   sl_verdict verdict, sl_findings *all)
{
    if (in->mode == PRINT_REDACTED || in->mode == PRINT_PSEUDONYMS) {
        if (seen->unit == SL_UNIT_VALUE) {
            return sl_fail_at(SL_E_UNSUPPORTED, "rewriting a SAS file", SL_NOWHERE);
        }
        return print_rewritten(in, seen->rewritten ? sl_buf_view(&seen->text) : bytes, all);
    }
    if (in->cli->json) {
        return print_json(in, path, seen, verdict, all);
    }
    print_people(in, path, seen, verdict, all);
    return SL_DONE;
}

static sl_res inspect_one(inspection *in, const char *path)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = FILE_BYTES_MAX };
    SL_OWN(sl_findings, all, sl_findings_free) = { .max = FINDINGS_MAX };
    sl_inspect_seen seen;
    bool standard_input = strcmp(path, "-") == 0;
    SL_TRY(standard_input ? sl_fd_read_all(STDIN_FILENO, &bytes) : sl_cli_read(path, &bytes));
    sl_inspect_job job = { .detect = in->detect,
                           .scratch = in->scratch,
                           .channel = in->context.channel,
                           .name = standard_input ? "" : path,
                           .progress = in->progress };
    sl_res r = sl_inspect_file(&job, sl_buf_view(&bytes), &all, &seen);
    if (sl_ok(r)) {
        sl_verdict verdict = sl_policy_judge(in->policy, &in->context, &all, 0);
        in->files++;
        in->findings += all.n;
        in->with_findings += all.n != 0;
        r = show(in, path, sl_buf_view(&bytes), &seen, verdict, &all);
    }
    sl_buf_free(&seen.text);
    return r;
}

typedef struct {
    const char *policy;
    const char *patterns;
    const char *hosts;
    bool names;
} sources;

static sl_res load_policy(const char *path, sl_policy **ret)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    if (path == NULL) {
        return sl_policy_load_default(ret);
    }
    SL_TRY(sl_cli_read(path, &text));
    return sl_policy_load(sl_buf_view(&text), ret);
}

static sl_res prepare(inspection *in, const sources *from)
{
    SL_OWN(sl_buf, patterns, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    SL_OWN(sl_buf, hosts, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    uint8_t key[32];
    SL_TRY(load_policy(from->policy, &in->policy));
    if (from->patterns != NULL) {
        SL_TRY(sl_cli_read(from->patterns, &patterns));
    }
    if (from->hosts != NULL) {
        SL_TRY(sl_cli_read(from->hosts, &hosts));
    }
    SL_TRY(sl_detect_build_with(sl_buf_view(&patterns), from->hosts != NULL, sl_buf_view(&hosts),
                                &in->detect));
    if (from->names) {
        SL_TRY(sl_detect_add_names(in->detect));
    }
    SL_TRY(sl_detect_add_inject(in->detect));
    SL_TRY(sl_scratch_new(in->detect, &in->scratch));
    /* A key of this call only: two calls give different stand-ins, one call the same in all files. */
    SL_TRY(sl_random_bytes(key, sizeof key));
    return sl_pseudonyms_new(key, in->detect, MAP_BYTES_MAX, &in->map);
}

static void finish(inspection *in)
{
    sl_pseudonyms_free(in->map);
    sl_scratch_free(in->scratch);
    sl_detect_free(in->detect);
    sl_policy_free(in->policy);
}

static sl_res print_summary(const inspection *in)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    if (!in->cli->json || in->mode == PRINT_REDACTED || in->mode == PRINT_PSEUDONYMS) {
        return SL_DONE;
    }
    SL_TRY(sl_buf_addf(&line,
                       "{\"summary\":{\"files\":%zu,\"with_findings\":%zu,\"findings\":%zu}}",
                       in->files, in->with_findings, in->findings));
    return sl_cli_line(sl_buf_view(&line));
}

static int run(inspection *in, const sources *from, int argc, char **argv)
{
    char *standard_input[] = { (char[]){ '-', 0 } };
    sl_res r = prepare(in, from);
    if (argc == 0) {
        argc = 1;
        argv = standard_input;
    }
    for (int i = 0; i < argc && sl_ok(r); i++) {
        r = inspect_one(in, argv[i]);
    }
    if (sl_ok(r)) {
        r = print_summary(in);
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(in->cli, "inspect", r);
    }
    return in->findings != 0 ? 1 : 0;
}

int sl_cmd_inspect(sl_cli *cli, int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "policy", required_argument, NULL, 'p' },   { "channel", required_argument, NULL, 'c' },
        { "patterns", required_argument, NULL, 't' }, { "hosts", required_argument, NULL, 'h' },
        { "redact", no_argument, NULL, 'r' },         { "pseudonymise", no_argument, NULL, 's' },
        { "explain", no_argument, NULL, 'e' },        { "no-names", no_argument, NULL, 'n' },
        { "json", no_argument, NULL, 'j' },           { 0 },
    };
    inspection in = { .cli = cli,
                      .context = { .door = SL_DOOR_ASK, .channel = SL_CHANNEL_DOCUMENT } };
    sources from = { .names = true };
    in.progress = isatty(STDERR_FILENO) == 1;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (c) {
        case 'p':
            from.policy = optarg;
            break;
        case 't':
            from.patterns = optarg;
            break;
        case 'h':
            from.hosts = optarg;
            break;
        case 'r':
            in.mode = PRINT_REDACTED;
            break;
        case 's':
            in.mode = PRINT_PSEUDONYMS;
            break;
        case 'e':
            in.mode = PRINT_EXPLAINED;
            break;
        case 'n':
            from.names = false;
            break;
        case 'j':
            cli->json = true;
            break;
        case 'c':
            if (sl_channel_by_name(sl_view_str(optarg), &in.context.channel)) {
                break;
            }
            return sl_cli_usage(cli, USAGE);
        default:
            return sl_cli_usage(cli, USAGE);
        }
    }
    int status = run(&in, &from, argc - optind, argv + optind);
    finish(&in);
    return status;
}
