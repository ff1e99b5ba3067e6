/* `stoplog approve`: what waits for approvals, and one's own signature under it. */
#include "cli/admin.h"

#define USAGE "approve [ACTION [--key FILE]...]"

/* The statement is printed before it is signed: who signs must see what. */
static sl_res approve(const sl_cli *cli, sl_admin *admin, const char *action, sl_buf *answer)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_STATEMENT_BYTES_MAX };
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 2 * SL_STATEMENT_BYTES_MAX };
    sl_statement s;
    SL_TRY(sl_admin_open(cli, admin));
    SL_TRY(sl_admin_keys_default(admin));
    SL_TRY(sl_admin_ask(admin, SL_ADMIN_STATEMENT, sl_view_str(action), &text));
    SL_TRY(sl_statement_decode(sl_buf_view(&text), &s));
    SL_TRY(sl_buf_addf(&line, cli->json ? "{\"statement\":%.*s}" : "%.*s",
                       SL_FMT(sl_buf_view(&text))));
    SL_TRY(sl_cli_line(sl_buf_view(&line)));
    return sl_admin_submit_text(admin, sl_buf_view(&text), answer);
}

int sl_cmd_approve(sl_cli *cli, int argc, char **argv)
{
    static const char *const columns[] = { "action", "have", "statement", NULL };
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    const char *action = NULL;
    sl_res r = SL_DONE;
    if (argc == 1) {
        return sl_admin_list(cli, SL_ADMIN_PENDING, columns);
    }
    for (int i = 1; i < argc; i++) {
        if (sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            continue;
        }
        if (action != NULL || argv[i][0] == '-') {
            return sl_cli_usage(cli, USAGE);
        }
        action = argv[i];
    }
    if (action == NULL) {
        return sl_cli_usage(cli, USAGE);
    }
    r = sl_ok(r) ? approve(cli, &admin, action, &answer) : r;
    return sl_ok(r) ? sl_admin_tell(cli, "approve", sl_buf_view(&answer))
                    : sl_cli_fail(cli, "approve", r);
}
