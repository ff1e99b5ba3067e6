/* `stoplog operator key|add|remove|list`: operators' keys and who the operators are. */
#include <string.h>

#include "cli/admin.h"

#define USAGE                                                                                      \
    "operator key FILE | operator list | operator add NAME PUBKEY [--roles operator,checker] "     \
    "[--quorum N] [--key FILE]... | operator remove NAME [--quorum N] [--key FILE]..."

/* A new key: the private half in FILE (mode 0600), the public half printed. */
static int make_key(const sl_cli *cli, const char *path)
{
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = { 0 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 256 };
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 512 };
    sl_res r = sl_sign_key_generate(&key);
    r = sl_ok(r) ? sl_sign_key_save(&key, path) : r;
    r = sl_ok(r) ? sl_public_key_add(&text, &key.public_key) : r;
    if (sl_ok(r)) {
        r = cli->json ? sl_buf_addf(&line, "{\"summary\":{\"public_key\":\"%.*s\"}}",
                                    SL_FMT(sl_buf_view(&text)))
                      : sl_buf_add(&line, sl_buf_view(&text));
    }
    r = sl_ok(r) ? sl_cli_line(sl_buf_view(&line)) : r;
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "operator key", r);
}

static sl_res parse_quorum(const char *text, sl_statement *s)
{
    uint64_t quorum = 0;
    SL_TRY(sl_parse_u64(sl_view_str(text), SL_ROLL_OPERATORS_MAX, &quorum));
    s->quorum = (int64_t)quorum;
    return SL_DONE;
}

static sl_res parse_key(const char *text, sl_statement *s)
{
    sl_public_key key;
    SL_TRY(sl_public_key_parse(sl_view_str(text), &key));
    memcpy(s->operator_key, key.b, sizeof s->operator_key);
    return SL_DONE;
}

static int change(sl_cli *cli, sl_action action, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_statement s = { .action = action };
    bool adds = action == SL_ACTION_OPERATOR_ADD;
    int given = 0;
    sl_res r = SL_DONE;
    s.roles = adds ? SL_ROLE_ALL : 0;
    for (int i = 2; i < argc && sl_ok(r); i++) {
        bool more = i + 1 < argc;
        if (sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            continue;
        }
        if (strcmp(argv[i], "--quorum") == 0 && more) {
            r = parse_quorum(argv[++i], &s);
        } else if (strcmp(argv[i], "--roles") == 0 && more && adds) {
            r = sl_roles_parse(sl_view_str(argv[++i]), &s.roles);
        } else if (given == 0 && argv[i][0] != '-') {
            r = sl_name_set(s.operator_name, sl_view_str(argv[i]));
            given++;
        } else if (given == 1 && adds && argv[i][0] != '-') {
            r = parse_key(argv[i], &s);
            given++;
        } else {
            return sl_cli_usage(cli, USAGE);
        }
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "operator", r);
    }
    return given == (adds ? 2 : 1) ? sl_admin_act(cli, &admin, &s) : sl_cli_usage(cli, USAGE);
}

int sl_cmd_operator(sl_cli *cli, int argc, char **argv)
{
    static const char *const columns[] = { "operator", "roles", "public_key", NULL };
    if (argc == 3 && strcmp(argv[1], "key") == 0) {
        return make_key(cli, argv[2]);
    }
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return sl_admin_list(cli, SL_ADMIN_OPERATORS, columns);
    }
    if (argc > 2 && strcmp(argv[1], "add") == 0) {
        return change(cli, SL_ACTION_OPERATOR_ADD, argc, argv);
    }
    if (argc > 2 && strcmp(argv[1], "remove") == 0) {
        return change(cli, SL_ACTION_OPERATOR_REMOVE, argc, argv);
    }
    return sl_cli_usage(cli, USAGE);
}
