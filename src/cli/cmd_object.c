/* stoplog object: what the vault holds, and whether it is still what the ledger recorded. Arguments
 * and printing only; what happens is in src/doors/ingest. */
#include "base/json.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/release.h"
#include "doors/ingest/protocol.h"

#define USAGE                                                                                      \
    "object list [COMPARTMENT] | show|verify|canaries COMPARTMENT OBJECT[@VERSION]\n"              \
    "       stoplog object rebuild COMPARTMENT [--key FILE]...\n"                                  \
    "       stoplog object export COMPARTMENT OBJECT[@VERSION] [--key FILE]"

static sl_res ask_for(const char *compartment, const char *object, sl_ingest_ask *ret)
{
    sl_view name;
    sl_view version = { 0 };
    *ret = (sl_ingest_ask){ 0 };
    if (compartment != NULL) {
        SL_TRY(sl_name_set(ret->compartment, sl_view_str(compartment)));
    }
    if (object == NULL) {
        return SL_DONE;
    }
    if (sl_view_cut(sl_view_str(object), '@', &name, &version)) {
        SL_TRY(sl_parse_u64(version, INT64_MAX, &ret->version));
    }
    return sl_name_set(ret->object, name);
}

static uint64_t number(const sl_json_doc *doc, const char *name)
{
    uint64_t value = 0;
    sl_res read = sl_json_u64(sl_json_get(doc, sl_json_root(doc), name), &value);
    return sl_ok(read) ? value : 0;
}

static sl_view word(const sl_json_doc *doc, const char *name)
{
    const sl_json_node *node = sl_json_get_kind(doc, sl_json_root(doc), name, SL_JSON_STRING);
    return node == NULL ? (sl_view){ 0 } : node->raw;
}

static sl_res print_line(const sl_cli *cli, sl_view line)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(line, &doc));
    const sl_json_node *code = sl_json_get(&doc, sl_json_root(&doc), "code");
    if (code != NULL) {
        int64_t value = 0;
        SL_TRY(sl_json_i64(code, &value));
        SL_NEED(value > SL_OK && value < SL_CODE_COUNT, SL_E_SYNTAX);
        bool chunk = sl_view_eq_str(word(&doc, "where"), "chunk");
        return sl_fail_at((sl_code)value, chunk ? "chunk" : "object", number(&doc, "offset"));
    }
    if (cli->json) {
        return sl_cli_line(line);
    }
    bool recorded = false;
    SL_TRY(sl_json_bool(sl_json_get(&doc, sl_json_root(&doc), "recorded"), &recorded));
    (void)printf("%.*s/%.*s@%llu  %llu bytes  root %.*s  ", SL_FMT(word(&doc, "compartment")),
                 SL_FMT(word(&doc, "object")), (unsigned long long)number(&doc, "version"),
                 (unsigned long long)number(&doc, "bytes"), SL_FMT(word(&doc, "root")));
    if (recorded) {
        (void)printf("leaf %llu\n", (unsigned long long)number(&doc, "leaf"));
    } else {
        (void)printf("NOT in the ledger\n");
    }
    return SL_DONE;
}

static sl_res print_lines(const sl_cli *cli, sl_view text, size_t *ret_count)
{
    *ret_count = 0;
    while (text.n != 0) {
        sl_view line;
        (void)sl_view_cut(text, '\n', &line, &text);
        if (line.n != 0) {
            SL_TRY(print_line(cli, line));
            (*ret_count)++;
        }
    }
    return SL_DONE;
}

/* Canaries are told as they are, a line of JSON each: a program plants them. */
static int canaries(sl_cli *cli, const char *compartment, const char *object)
{
    sl_ingest_ask ask;
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    if (!sl_ok(ask_for(compartment, object, &ask))) {
        return sl_cli_usage(cli, USAGE);
    }
    sl_res done = sl_ingest_call(cli->site, SL_INGEST_CANARIES, &ask, -1, &reply);
    sl_view text = sl_buf_view(&reply);
    size_t count = 0;
    while (sl_ok(done) && text.n != 0) {
        sl_view line;
        (void)sl_view_cut(text, '\n', &line, &text);
        done = line.n == 0 ? SL_DONE : sl_cli_line(line);
        count += line.n != 0;
    }
    if (!sl_ok(done)) {
        return sl_cli_fail(cli, "object canaries", done);
    }
    if (cli->json) {
        (void)printf("{\"summary\":{\"canaries\":%zu}}\n", count);
    }
    return 0;
}

static int run(sl_cli *cli, sl_ingest_type type, const char *compartment, const char *object)
{
    sl_ingest_ask ask;
    size_t count = 0;
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    sl_res done = ask_for(compartment, object, &ask);
    if (!sl_ok(done)) {
        return sl_cli_usage(cli, USAGE);
    }
    done = sl_ingest_call(cli->site, type, &ask, -1, &reply);
    if (sl_ok(done)) {
        done = print_lines(cli, sl_buf_view(&reply), &count);
    }
    if (!sl_ok(done)) {
        return sl_cli_fail(cli, "object", done);
    }
    if (cli->json) {
        (void)printf("{\"summary\":{\"objects\":%zu}}\n", count);
    } else if (type == SL_INGEST_VERIFY) {
        (void)printf("every chunk is what the ledger recorded\n");
    }
    return 0;
}

/* A lost or damaged roster or index of records, made anew from the sealed ones: operators approve, the ingest door does it. */
static int rebuild(sl_cli *cli, int argc, char **argv)
{
    sl_ingest_ask ask;
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    sl_statement s = { .action = SL_ACTION_ROSTER_REBUILD };
    sl_res r = ask_for(argv[2], NULL, &ask);
    r = sl_ok(r) ? sl_name_set(s.compartment, sl_view_str(argv[2])) : r;
    for (int i = 3; i < argc && sl_ok(r); i++) {
        if (!sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            return sl_cli_usage(cli, USAGE);
        }
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "object rebuild", r);
    }
    /* Enough may have signed already. */
    r = sl_ingest_call(cli->site, SL_INGEST_REBUILD, &ask, -1, &reply);
    if (sl_is(r, SL_E_APPROVAL)) {
        int status = sl_admin_act(cli, &admin, &s);
        if (status != 0) {
            return status;
        }
        r = sl_ingest_call(cli->site, SL_INGEST_REBUILD, &ask, -1, &reply);
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "object rebuild", r);
    }
    if (cli->json) {
        r = sl_cli_line(sl_buf_view(&reply));
    } else {
        (void)printf(
            "the roster and the index of records of %s stand again; the ask door takes them "
            "up by itself\n",
            argv[2]);
    }
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "object rebuild", r);
}

/* A release of what is sealed: the release door holds it until somebody else signs. */
static int export(sl_cli *cli, int argc, char **argv)
{
    sl_ingest_ask ask;
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    SL_OWN(sl_buf, shown, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    sl_res r = ask_for(argv[2], argv[3], &ask);
    for (int i = 4; i < argc; i++) {
        if (!sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            return sl_cli_usage(cli, USAGE);
        }
    }
    r = sl_ok(r) ? sl_ingest_call(cli->site, SL_INGEST_SHOW, &ask, -1, &shown) : r;
    return sl_ok(r) ? sl_cli_release_object(cli, &admin, argv[2], sl_buf_view(&shown))
                    : sl_cli_fail(cli, "object export", r);
}

int sl_cmd_object(sl_cli *cli, int argc, char **argv)
{
    if (argc >= 2 && argc <= 3 && strcmp(argv[1], "list") == 0) {
        return run(cli, SL_INGEST_LIST, argc == 3 ? argv[2] : NULL, NULL);
    }
    if (argc == 4 && strcmp(argv[1], "show") == 0) {
        return run(cli, SL_INGEST_SHOW, argv[2], argv[3]);
    }
    if (argc == 4 && strcmp(argv[1], "verify") == 0) {
        return run(cli, SL_INGEST_VERIFY, argv[2], argv[3]);
    }
    if (argc == 4 && strcmp(argv[1], "canaries") == 0) {
        return canaries(cli, argv[2], argv[3]);
    }
    if (argc >= 3 && strcmp(argv[1], "rebuild") == 0) {
        return rebuild(cli, argc, argv);
    }
    if (argc >= 4 && strcmp(argv[1], "export") == 0) {
        return export(cli, argc, argv);
    }
    return sl_cli_usage(cli, USAGE);
}
