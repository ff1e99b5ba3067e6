/* stoplog release and object export: lets something out of a compartment, by two persons. Arguments, the file that is written, and
 * printing; what happens is in src/doors/release. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/release.h"
#include "doors/release/protocol.h"

#define USAGE                                                                                      \
    "release COMPARTMENT PATH [--model] [--as NAME] [--key FILE]\n"                                \
    "       stoplog release list [COMPARTMENT] | show ID\n"                                        \
    "       stoplog release review ID [--key FILE] | approve|reject ID [--key FILE]... | take ID FILE"

static sl_view word(const sl_json_doc *doc, const char *name)
{
    const sl_json_node *node = sl_json_get_kind(doc, sl_json_root(doc), name, SL_JSON_STRING);
    return node == NULL ? (sl_view){ 0 } : node->raw;
}

static uint64_t number(const sl_json_doc *doc, const char *name)
{
    uint64_t value = 0;
    sl_res read = sl_json_u64(sl_json_get(doc, sl_json_root(doc), name), &value);
    return sl_ok(read) ? value : 0;
}

/* The code and place of a crossing that failed, or done. */
sl_res sl_cli_release_result(const sl_json_doc *doc)
{
    int64_t code = 0;
    const sl_json_node *node = sl_json_get(doc, sl_json_root(doc), "code");
    if (node == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_json_i64(node, &code));
    SL_NEED(code > SL_OK && code < SL_CODE_COUNT, SL_E_SYNTAX);
    static const char *const places[] = { "request",
                                          "approval",
                                          "manifest",
                                          "model",
                                          "nobody approved it",
                                          "it was taken already",
                                          "the compartment was closed since",
                                          "it was approved too long ago",
                                          "a count below policy/release.yml: min_cell",
                                          "nobody signed to read it",
                                          "it was signed for too long ago" };
    const char *where = "file";
    for (size_t i = 0; i < SL_COUNT_OF(places); i++) {
        where = sl_view_eq_str(word(doc, "where"), places[i]) ? places[i] : where;
    }
    return sl_fail_at((sl_code)code, where, SL_NOWHERE);
}

static void print_classes(const sl_json_doc *doc)
{
    const sl_json_node *classes = sl_json_get(doc, sl_json_root(doc), "classes");
    sl_json_iter it = { 0 };
    size_t shown = 0;
    while (sl_json_is(classes, SL_JSON_OBJECT) && sl_json_each(doc, classes, &it)) {
        sl_view count = sl_json_source(doc, it.value);
        (void)printf("%s%.*s %.*s", shown++ == 0 ? "  found: " : ", ", SL_FMT(it.key->raw),
                     SL_FMT(count));
    }
    (void)printf(shown == 0 ? "  found: nothing\n" : "\n");
}

/* The state in a person's word: what was let out, or never got so far, is no longer "held" or merely "ended". */
static sl_view state_of(const sl_json_doc *doc)
{
    sl_view outcome = word(doc, "outcome");
    const sl_json_node *approved = sl_json_get(doc, sl_json_root(doc), "approved_by");
    if (number(doc, "times_out") > 0 && !sl_view_eq_str(word(doc, "state"), "approved")) {
        return SL_LIT("released");
    }
    if (sl_view_eq_str(word(doc, "state"), "ended")) {
        return outcome.n != 0 ? outcome : SL_LIT("refused");
    }
    return sl_json_is(approved, SL_JSON_ARRAY) && sl_json_each(doc, approved, &(sl_json_iter){ 0 })
               ? SL_LIT("approved")
               : word(doc, "state");
}

static void print_time(FILE *out, const char *before, const sl_json_doc *doc, const char *name)
{
    time_t at = (time_t)(number(doc, name) / 1000);
    struct tm parts;
    char text[32];
    if (at != 0 && gmtime_r(&at, &parts) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts) != 0) {
        (void)fprintf(out, "%s%s UTC", before, text);
    }
}

/* When it was handed out last, and by whose word. */
static void print_taken(FILE *out, const sl_json_doc *doc)
{
    const sl_json_node *by = sl_json_get(doc, sl_json_root(doc), "taken_by");
    sl_json_iter it = { 0 };
    size_t shown = 0;
    print_time(out, " on ", doc, "taken_ms");
    (void)fprintf(out, " (leaf %llu)", (unsigned long long)number(doc, "taken_leaf"));
    while (sl_json_is(by, SL_JSON_ARRAY) && sl_json_each(doc, by, &it)) {
        (void)fprintf(out, "%s%.*s", shown++ == 0 ? ", let out by " : " and ",
                      SL_FMT(it.value->raw));
    }
}

sl_res sl_cli_release_print(const sl_cli *cli, sl_view line)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    if (cli->json) {
        return sl_cli_line(line);
    }
    SL_TRY(sl_json_parse(line, &doc));
    sl_view label = word(&doc, "label");
    sl_view state = state_of(&doc);
    (void)printf("%.*s  %.*s  %.*s", SL_FMT(word(&doc, "id")), SL_FMT(word(&doc, "compartment")),
                 SL_FMT(state));
    if (sl_view_eq_str(state, "held") || sl_view_eq_str(state, "approved")) {
        print_time(stdout, " until ", &doc, "until_ms");
    } else if (sl_view_eq_str(state, "released")) {
        print_taken(stdout, &doc);
    }
    (void)printf("  %.*s%s%.*s  asked by %.*s\n", SL_FMT(word(&doc, "kind")),
                 label.n != 0 ? " " : "", SL_FMT(label), SL_FMT(word(&doc, "asked_by")));
    if (word(&doc, "reason").n != 0) {
        (void)printf("  why: %.*s\n", SL_FMT(word(&doc, "reason")));
    }
    if (word(&doc, "scan").n != 0) {
        (void)printf("  %llu bytes, %.*s, scan: %.*s\n", (unsigned long long)number(&doc, "bytes"),
                     SL_FMT(word(&doc, "format")), SL_FMT(word(&doc, "scan")));
        print_classes(&doc);
    }
    return SL_DONE;
}

/* ---- list, show ---- */

static sl_res fetch(const sl_cli *cli, const char *compartment, const char *id, sl_buf *reply)
{
    sl_release_ask ask = { 0 };
    SL_NEED(strlen(id) <= SL_UID_CHARS, SL_E_SYNTAX);
    (void)snprintf(ask.id, sizeof ask.id, "%s", id);
    if (compartment != NULL) {
        SL_TRY(sl_name_set(ask.compartment, sl_view_str(compartment)));
    }
    return sl_release_call(cli->site, SL_RELEASE_LIST, &ask, -1, reply);
}

static int list(const sl_cli *cli, const char *compartment, const char *id)
{
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    size_t count = 0;
    sl_res r = fetch(cli, compartment, id, &reply);
    sl_view text = sl_buf_view(&reply);
    while (sl_ok(r) && text.n != 0) {
        sl_view line;
        (void)sl_view_cut(text, '\n', &line, &text);
        r = line.n == 0 ? SL_DONE : sl_cli_release_print(cli, line);
        count += line.n != 0;
    }
    if (sl_ok(r) && id[0] != 0 && count == 0) {
        r = sl_fail_at(SL_E_NOT_FOUND, "release", SL_NOWHERE);
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "release", r);
    }
    if (cli->json) {
        (void)printf("{\"summary\":{\"releases\":%zu}}\n", count);
    }
    return 0;
}

/* The one release whose id begins so. */
sl_res sl_cli_release_find(const sl_cli *cli, const char *prefix, sl_json_doc *doc, sl_buf *reply)
{
    sl_view rest;
    sl_view line;
    SL_NEED(strlen(prefix) >= 8, SL_E_SYNTAX);
    SL_TRY(fetch(cli, NULL, prefix, reply));
    (void)sl_view_cut(sl_buf_view(reply), '\n', &line, &rest);
    if (line.n == 0 || rest.n != 0) {
        return sl_fail_at(line.n == 0 ? SL_E_NOT_FOUND : SL_E_DUPLICATE, "release", SL_NOWHERE);
    }
    return sl_json_parse(line, doc);
}

/* ---- asking ---- */

typedef struct {
    const char *compartment;
    const char *path;
    const char *label;
    bool model;
} wish;

static sl_res draw_id(sl_release_ask *ask)
{
    uint8_t random[16];
    SL_TRY(sl_random_bytes(random, sizeof random));
    SL_TRY(sl_random_bytes(ask->salt, sizeof ask->salt));
    sl_uid_set(ask->id, random);
    return SL_DONE;
}

static sl_res sign_request(const sl_cli *cli, sl_admin *admin, const wish *w, int fd,
                           sl_release_ask *ask)
{
    sl_statement s = { .action = SL_ACTION_RELEASE_REQUEST };
    SL_TRY(draw_id(ask));
    SL_TRY(sl_release_commit(fd, ask->salt, &s.hash));
    SL_TRY(sl_name_set(s.compartment, sl_view_str(w->compartment)));
    SL_TRY(sl_item_set(s.item, sl_view_str(ask->id)));
    SL_TRY(sl_name_set(s.kind, sl_view_str(w->model ? "model" : "file")));
    if (w->label != NULL) {
        SL_TRY(sl_name_set(s.says, sl_view_str(w->label)));
    }
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_TRY(sl_admin_open(cli, admin));
    SL_TRY(sl_admin_keys_default(admin));
    memcpy(s.site, admin->site, sizeof s.site);
    return sl_admin_submit(admin, &s, &answer);
}

/* What the door answered about something that is now held. */
static sl_res tell_held(const sl_cli *cli, sl_view text)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(text, &doc));
    SL_TRY(sl_cli_release_result(&doc));
    SL_TRY(sl_cli_release_print(cli, text));
    if (!cli->json) {
        (void)printf("held: somebody else lets it out with\n  stoplog release approve %.16s\n",
                     (const char *)word(&doc, "id").p);
    }
    return SL_DONE;
}

static sl_res ask_for(const sl_cli *cli, sl_admin *admin, const wish *w)
{
    sl_release_ask ask = { 0 };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(int, fd, sl_fd_close) = open(w->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return sl_fail_os(SL_E_NOT_FOUND, "file");
    }
    SL_TRY(sign_request(cli, admin, w, fd, &ask));
    const char *slash = strrchr(w->path, '/');
    (void)snprintf(ask.file_name, sizeof ask.file_name, "%s", slash == NULL ? w->path : slash + 1);
    SL_TRY(sl_release_call(cli->site, SL_RELEASE_FILE, &ask, fd, &reply));
    return tell_held(cli, sl_buf_view(&reply));
}

static sl_res ask_for_object(const sl_cli *cli, sl_admin *admin, const char *compartment,
                             sl_view shown)
{
    sl_release_ask ask = { 0 };
    sl_statement s = { .action = SL_ACTION_RELEASE_REQUEST };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(shown, &doc));
    SL_TRY(draw_id(&ask));
    SL_TRY(sl_digest_parse(word(&doc, "digest"), &s.hash));
    SL_TRY(sl_name_set(s.about, word(&doc, "id")));
    SL_TRY(sl_name_set(s.says, word(&doc, "object")));
    SL_TRY(sl_name_set(s.kind, SL_LIT("object")));
    SL_TRY(sl_name_set(s.compartment, sl_view_str(compartment)));
    SL_TRY(sl_item_set(s.item, sl_view_str(ask.id)));
    s.count = (int64_t)number(&doc, "version");
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_TRY(sl_admin_open(cli, admin));
    SL_TRY(sl_admin_keys_default(admin));
    memcpy(s.site, admin->site, sizeof s.site);
    SL_TRY(sl_admin_submit(admin, &s, &answer));
    SL_TRY(sl_release_call(cli->site, SL_RELEASE_OBJECT, &ask, -1, &reply));
    return tell_held(cli, sl_buf_view(&reply));
}

int sl_cli_release_object(const sl_cli *cli, sl_admin *admin, const char *compartment,
                          sl_view shown)
{
    sl_res r = ask_for_object(cli, admin, compartment, shown);
    return sl_ok(r) ? 1 : sl_cli_fail(cli, "object export", r);
}

static int request(sl_cli *cli, int argc, char **argv)
{
    wish w = { 0 };
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_res r = SL_DONE;
    for (int i = 1; i < argc; i++) {
        if (sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            continue;
        }
        if (strcmp(argv[i], "--model") == 0) {
            w.model = true;
        } else if (strcmp(argv[i], "--as") == 0 && i + 1 < argc) {
            w.label = argv[++i];
        } else if (argv[i][0] == '-' || w.path != NULL) {
            return sl_cli_usage(cli, USAGE);
        } else if (w.compartment == NULL) {
            w.compartment = argv[i];
        } else {
            w.path = argv[i];
        }
    }
    if (w.path == NULL) {
        return sl_cli_usage(cli, USAGE);
    }
    r = sl_ok(r) ? ask_for(cli, &admin, &w) : r;
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, w.path, r);
    }
    /* Held is no failure of the command, and no release either. */
    return 1;
}

/* ---- approve, reject ---- */

static sl_res fill_verdict(const sl_json_doc *doc, bool approves, sl_statement *s)
{
    s->action = approves ? SL_ACTION_RELEASE_APPROVE : SL_ACTION_RELEASE_REJECT;
    SL_TRY(sl_name_set(s->compartment, word(doc, "compartment")));
    SL_TRY(sl_item_set(s->item, word(doc, "id")));
    return approves ? sl_digest_parse(word(doc, "digest"), &s->hash) : SL_DONE;
}

static int judge(sl_cli *cli, int argc, char **argv, bool approves)
{
    sl_statement s = { 0 };
    sl_release_ask ask = { 0 };
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    sl_res r = SL_DONE;
    for (int i = 3; i < argc; i++) {
        if (!sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            return sl_cli_usage(cli, USAGE);
        }
    }
    r = sl_ok(r) ? sl_cli_release_find(cli, argv[2], &doc, &reply) : r;
    r = sl_ok(r) ? fill_verdict(&doc, approves, &s) : r;
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "release", r);
    }
    int status = sl_admin_act(cli, &admin, &s);
    if (status != 0 && approves && !cli->json) {
        (void)fprintf(stderr, "%.*s asked for it, and whoever asked cannot let it out\n",
                      SL_FMT(word(&doc, "asked_by")));
    }
    if (status != 0 || approves) {
        return status;
    }
    sl_buf_clear(&reply);
    memcpy(ask.id, s.item, sizeof ask.id);
    r = sl_release_call(cli->site, SL_RELEASE_SETTLE, &ask, -1, &reply);
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "release", r);
}

static int review(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_res r = SL_DONE;
    for (int i = 3; i < argc; i++) {
        if (!sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            return sl_cli_usage(cli, USAGE);
        }
    }
    return sl_ok(r) ? sl_cli_release_review(cli, argv[2], &admin) : sl_cli_fail(cli, "release", r);
}

/* ---- taking ---- */

/* Is the file what the door says that it wrote? */
static sl_res check_written(int fd, const sl_json_doc *doc)
{
    sl_digest said;
    uint8_t piece[16 * 1024];
    size_t got = sizeof piece;
    SL_OWN(sl_hasher, hasher, sl_hasher_free) = { 0 };
    SL_TRY(sl_digest_parse(word(doc, "digest"), &said));
    sl_hasher_start(&hasher);
    for (uint64_t at = 0; got == sizeof piece; at += got) {
        SL_TRY(sl_fd_pread(fd, piece, sizeof piece, at, &got));
        sl_hasher_add(&hasher, sl_view_of(piece, got));
    }
    sl_digest is = sl_hasher_end(&hasher);
    if (!sl_digest_eq(&is, &said)) {
        return sl_fail_at(SL_E_INTEGRITY, "file", SL_NOWHERE);
    }
    return fsync(fd) == 0 ? SL_DONE : sl_fail_os(SL_E_IO, "file");
}

static sl_res take_into(const sl_cli *cli, const sl_release_ask *ask, int fd, const char *draft,
                        const char *path)
{
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_release_call(cli->site, SL_RELEASE_TAKE, ask, fd, &reply));
    SL_TRY(sl_json_parse(sl_buf_view(&reply), &doc));
    SL_TRY(sl_cli_release_result(&doc));
    SL_TRY(check_written(fd, &doc));
    /* A name that is taken meanwhile is not replaced. */
    if (link(draft, path) != 0) {
        return sl_fail_os(errno == EEXIST ? SL_E_EXISTS : SL_E_IO, "file");
    }
    if (cli->json) {
        return sl_cli_line(sl_buf_view(&reply));
    }
    (void)printf("%s: %llu bytes, SHA-256 %.*s\n", path, (unsigned long long)number(&doc, "bytes"),
                 SL_FMT(word(&doc, "digest")));
    return SL_DONE;
}

/* What was taken once is held on, but it takes another approval. */
static void tell_if_taken(const sl_cli *cli, const sl_json_doc *doc)
{
    if (number(doc, "times_out") > 0 && sl_view_eq_str(word(doc, "state"), "held") && !cli->json) {
        (void)fprintf(stderr, "it was taken already");
        print_taken(stderr, doc);
        (void)fprintf(stderr, "; to take it again, somebody else than %.*s approves it again\n",
                      SL_FMT(word(doc, "asked_by")));
    }
}

static sl_res take(const sl_cli *cli, const char *prefix, const char *path)
{
    sl_release_ask ask = { 0 };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_buf, draft, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_cli_release_find(cli, prefix, &doc, &reply));
    (void)snprintf(ask.id, sizeof ask.id, "%.*s", SL_FMT(word(&doc, "id")));
    tell_if_taken(cli, &doc);
    if (access(path, F_OK) == 0) {
        return sl_fail_at(SL_E_EXISTS, "file", SL_NOWHERE);
    }
    SL_TRY(sl_buf_addf(&draft, "%s.%.8s.part", path, ask.id));
    const char *name = sl_buf_cstr(&draft);
    SL_NEED(name != NULL, SL_E_MEMORY);
    SL_OWN(int, fd, sl_fd_close) = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return sl_fail_os(errno == EEXIST ? SL_E_EXISTS : SL_E_IO, "file");
    }
    sl_res r = take_into(cli, &ask, fd, name, path);
    (void)unlink(name);
    return r;
}

int sl_cmd_release(sl_cli *cli, int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "";
    if (strcmp(what, "list") == 0 && argc <= 3) {
        return list(cli, argc == 3 ? argv[2] : NULL, "");
    }
    if (strcmp(what, "show") == 0 && argc == 3) {
        return list(cli, NULL, argv[2]);
    }
    bool approves = strcmp(what, "approve") == 0;
    if (approves || strcmp(what, "reject") == 0) {
        return argc >= 3 ? judge(cli, argc, argv, approves) : sl_cli_usage(cli, USAGE);
    }
    if (strcmp(what, "review") == 0) {
        return argc >= 3 ? review(cli, argc, argv) : sl_cli_usage(cli, USAGE);
    }
    if (strcmp(what, "take") == 0 && argc == 4) {
        sl_res r = take(cli, argv[2], argv[3]);
        return sl_ok(r) ? 0 : sl_cli_fail(cli, "release", r);
    }
    return argc >= 3 ? request(cli, argc, argv) : sl_cli_usage(cli, USAGE);
}
