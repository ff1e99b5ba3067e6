/* The admin link and signing (see admin.h). */
#include "cli/admin.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"

enum {
    /* The warden answers an act when its leaf is durable; a slow disk is no reason to give up. */
    ANSWER_MS_MAX = 30000,
    APPROVAL_LIFE_MS = 24 * 3600 * 1000,
    KEY_PATH_BYTES_MAX = 4096,
};

static const sl_ipc_rule answer_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_IPC_BYTES_MAX - SL_IPC_HEADER_BYTES, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table answers = { "warden", answer_rules, SL_COUNT_OF(answer_rules) };

void sl_admin_close(sl_admin *admin)
{
    sl_ipc_close_at(&admin->link);
    for (size_t i = 0; i < admin->keys_count; i++) {
        sl_sign_key_free(&admin->keys[i]);
    }
    admin->keys_count = 0;
}

static sl_res read_site(sl_admin *admin)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_admin_ask(admin, SL_ADMIN_SITE, SL_LIT(""), &text));
    SL_TRY(sl_json_parse(sl_buf_view(&text), &doc));
    const sl_json_node *site = sl_json_get_kind(&doc, sl_json_root(&doc), "site", SL_JSON_STRING);
    SL_NEED(site != NULL && site->raw.n == SL_SITE_ID_CHARS, SL_E_SYNTAX);
    memcpy(admin->site, site->raw.p, SL_SITE_ID_CHARS);
    return SL_DONE;
}

sl_res sl_admin_open(const sl_cli *cli, sl_admin *admin)
{
    int fd = -1;
    SL_TRY(sl_ipc_dial(cli->site, "admin", &fd));
    SL_TRY(sl_ipc_open(fd, &answers, &admin->link));
    return read_site(admin);
}

sl_res sl_admin_ask(sl_admin *admin, uint16_t type, sl_view body, sl_buf *out)
{
    sl_ipc_msg answer;
    SL_TRY(sl_ipc_ask(admin->link, type, body, ANSWER_MS_MAX, &answer));
    sl_res r = sl_buf_add(out, answer.body);
    sl_ipc_msg_clear(&answer);
    return r;
}

sl_res sl_admin_key_add(sl_admin *admin, const char *path)
{
    SL_NEED(admin->keys_count < SL_ADMIN_KEYS_GIVEN_MAX, SL_E_LIMIT);
    SL_TRY(sl_sign_key_load(path, &admin->keys[admin->keys_count]));
    admin->keys_count++;
    return SL_DONE;
}

sl_res sl_admin_keys_default(sl_admin *admin)
{
    const char *paths = getenv("STOPLOG_OPERATOR_KEY");
    if (admin->keys_count > 0) {
        return SL_DONE;
    }
    if (paths == NULL || paths[0] == 0) {
        return sl_fail_at(SL_E_MISSING_FIELD, "--key FILE or $STOPLOG_OPERATOR_KEY", SL_NOWHERE);
    }
    sl_view rest = sl_view_str(paths);
    bool more = true;
    while (more) {
        sl_view one;
        more = sl_view_cut(rest, ':', &one, &rest);
        SL_OWN(sl_buf, path, sl_buf_free) = { .max = KEY_PATH_BYTES_MAX };
        SL_TRY(sl_buf_add(&path, one));
        const char *text = sl_buf_cstr(&path);
        SL_NEED(text != NULL, SL_E_MEMORY);
        SL_TRY(sl_admin_key_add(admin, text));
    }
    return SL_DONE;
}

bool sl_admin_key_option(sl_admin *admin, int argc, char **argv, int *i, sl_res *failed)
{
    if (strcmp(argv[*i], "--key") != 0 || *i + 1 >= argc) {
        return false;
    }
    *i += 1;
    if (sl_ok(*failed)) {
        *failed = sl_admin_key_add(admin, argv[*i]);
    }
    return true;
}

/* What the warden says the statement needs now. */
static sl_res ask_need(sl_admin *admin, sl_view text, uint64_t *ret_epoch, int64_t *ret_role)
{
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_admin_ask(admin, SL_ADMIN_NEED, text, &answer));
    SL_TRY(sl_json_parse(sl_buf_view(&answer), &doc));
    const sl_json_node *root = sl_json_root(&doc);
    const sl_json_node *role = sl_json_get_kind(&doc, root, "role", SL_JSON_STRING);
    SL_NEED(role != NULL, SL_E_SYNTAX);
    SL_TRY(sl_roles_parse(role->raw, ret_role));
    return sl_json_u64(sl_json_get(&doc, root, "epoch"), ret_epoch);
}

static sl_res sign_all(sl_admin *admin, sl_view text, uint64_t epoch, int64_t role, sl_buf *out)
{
    sl_approval list[SL_ADMIN_KEYS_GIVEN_MAX];
    for (size_t i = 0; i < admin->keys_count; i++) {
        list[i] = (sl_approval){ .action = sl_statement_digest(text),
                                 .epoch = epoch,
                                 .expiry_ms = sl_clock_wall_ms() + APPROVAL_LIFE_MS,
                                 .role = role };
        memcpy(list[i].site, admin->site, sizeof list[i].site);
        SL_TRY(sl_random_bytes(list[i].nonce, sizeof list[i].nonce));
        SL_TRY(sl_approval_sign(&list[i], &admin->keys[i]));
    }
    return sl_approvals_encode(list, admin->keys_count, out);
}

sl_res sl_admin_submit_text(sl_admin *admin, sl_view text, sl_buf *out)
{
    uint64_t epoch = 0;
    int64_t role = 0;
    SL_TRY(ask_need(admin, text, &epoch, &role));
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_ADMIN_SUBMIT_BYTES_MAX };
    SL_TRY(sl_buf_add(&body, text));
    SL_TRY(sl_buf_add_byte(&body, '\n'));
    SL_TRY(sign_all(admin, text, epoch, role, &body));
    return sl_admin_ask(admin, SL_ADMIN_SUBMIT, sl_buf_view(&body), out);
}

sl_res sl_admin_submit(sl_admin *admin, const sl_statement *statement, sl_buf *out)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_STATEMENT_BYTES_MAX };
    SL_TRY(sl_statement_encode(statement, &text));
    return sl_admin_submit_text(admin, sl_buf_view(&text), out);
}

/* ---- printing ---- */

static sl_res summary_line(sl_view members_of, sl_buf *out)
{
    SL_TRY(sl_buf_add_str(out, "{\"summary\":"));
    SL_TRY(sl_buf_add(out, members_of));
    return sl_buf_add_byte(out, '}');
}

static sl_res tell(const sl_cli *cli, const char *what, sl_view answer, bool *ret_approved)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    uint64_t have = 0;
    uint64_t need = 0;
    while (answer.n > 0 && answer.p[answer.n - 1] == '\n') {
        answer.n--;
    }
    SL_TRY(sl_json_parse(answer, &doc));
    const sl_json_node *root = sl_json_root(&doc);
    const sl_json_node *action = sl_json_get_kind(&doc, root, "action", SL_JSON_STRING);
    const sl_json_node *state = sl_json_get(&doc, root, "state");
    SL_NEED(action != NULL && sl_json_is(state, SL_JSON_STRING), SL_E_SYNTAX);
    SL_TRY(sl_json_u64(sl_json_get(&doc, root, "have"), &have));
    SL_TRY(sl_json_u64(sl_json_get(&doc, root, "need"), &need));
    *ret_approved = sl_json_text_is(state, "approved");
    if (cli->json) {
        SL_TRY(summary_line(answer, &line));
    } else if (*ret_approved) {
        SL_TRY(sl_buf_addf(&line, "%s: done", what));
    } else {
        SL_TRY(sl_buf_addf(&line,
                           "%s: waits, %llu of %llu persons signed; the next one runs\n"
                           "  stoplog approve %.16s --key FILE",
                           what, (unsigned long long)have, (unsigned long long)need,
                           (const char *)action->raw.p));
    }
    return sl_cli_line(sl_buf_view(&line));
}

int sl_admin_tell(const sl_cli *cli, const char *what, sl_view answer)
{
    bool approved = false;
    sl_res r = tell(cli, what, answer, &approved);
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, what, r);
    }
    return approved ? 0 : 1;
}

int sl_admin_act(const sl_cli *cli, sl_admin *admin, sl_statement *s)
{
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    const char *what = sl_action_name(s->action);
    sl_res r = admin->link == NULL ? sl_admin_open(cli, admin) : SL_DONE;
    r = sl_ok(r) ? sl_admin_keys_default(admin) : r;
    if (sl_ok(r)) {
        memcpy(s->site, admin->site, sizeof s->site);
        r = sl_admin_submit(admin, s, &answer);
    }
    return sl_ok(r) ? sl_admin_tell(cli, what, sl_buf_view(&answer)) : sl_cli_fail(cli, what, r);
}

/* One value as people read it: a flag by its name or not at all, a time as a date, a budget with its period. */
static sl_res add_column(const sl_json_doc *doc, const char *column, sl_buf *out)
{
    sl_view name = sl_view_str(column);
    const sl_json_node *value = sl_json_get(doc, sl_json_root(doc), column);
    const char *gap = out->n > 0 ? "  " : "";
    uint64_t n = 0;
    if (value == NULL || value->kind == SL_JSON_NULL) {
        return sl_buf_addf(out, "%s-", gap);
    }
    if (value->kind == SL_JSON_STRING) {
        return sl_buf_addf(out, "%s%.*s", gap, SL_FMT(value->raw));
    }
    if (value->kind == SL_JSON_TRUE || value->kind == SL_JSON_FALSE) {
        return value->kind == SL_JSON_TRUE ? sl_buf_addf(out, "%s%s", gap, column) : SL_DONE;
    }
    bool counted = value->kind == SL_JSON_NUMBER && sl_ok(sl_json_u64(value, &n));
    if (counted && sl_view_eq(name, SL_LIT("until_ms"))) {
        char when[SL_CLOCK_TEXT_BYTES];
        sl_clock_text((int64_t)n, when);
        return sl_buf_addf(out, "%suntil %s", gap, when);
    }
    if (counted && (sl_view_ends(name, SL_LIT("_h")) || sl_view_ends(name, SL_LIT("_d")))) {
        return n == 0 ? SL_DONE
                      : sl_buf_addf(out, "%s%llu %.*s/%c", gap, (unsigned long long)n,
                                    (int)(name.n - 2), column, column[name.n - 1]);
    }
    sl_view source = sl_json_source(doc, value);
    return sl_buf_addf(out, "%s%.*s", gap, SL_FMT(source));
}

static sl_res print_columns(sl_view line, const char *const *columns)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 16 * SL_KIB };
    SL_TRY(sl_json_parse(line, &doc));
    for (size_t i = 0; columns[i] != NULL; i++) {
        SL_TRY(add_column(&doc, columns[i], &out));
    }
    return sl_cli_line(sl_buf_view(&out));
}

static sl_res print_lines(const sl_cli *cli, sl_view text, const char *const *columns)
{
    size_t count = 0;
    while (text.n > 0) {
        sl_view line;
        (void)sl_view_cut(text, '\n', &line, &text);
        SL_TRY(cli->json ? sl_cli_line(line) : print_columns(line, columns));
        count++;
    }
    if (!cli->json) {
        return SL_DONE;
    }
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 128 };
    SL_TRY(sl_buf_addf(&line, "{\"summary\":{\"count\":%zu}}", count));
    return sl_cli_line(sl_buf_view(&line));
}

int sl_admin_list(const sl_cli *cli, uint16_t type, const char *const *columns)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    sl_res r = sl_admin_open(cli, &admin);
    r = sl_ok(r) ? sl_admin_ask(&admin, type, SL_LIT(""), &text) : r;
    r = sl_ok(r) ? print_lines(cli, sl_buf_view(&text), columns) : r;
    return sl_ok(r) ? 0 : sl_cli_fail(cli, cli->command, r);
}
