/* `stoplog compartment ...` and `stoplog erase`: compartments' lives, and their subjects'. */
#include <string.h>

#include "base/random.h"
#include "cli/admin.h"
#include "respond/admin.h"

#define USAGE                                                                                      \
    "compartment list | compartment show NAME | compartment "                                      \
    "create|close|open|seal|unseal|shred|shred-cancel NAME [--key FILE]..."
#define ERASE_USAGE "erase COMPARTMENT --subject ID [--cancel] [--key FILE]..."

static const struct {
    const char *verb;
    sl_action action;
} verbs[] = {
    { "create", SL_ACTION_COMPARTMENT_CREATE },
    { "close", SL_ACTION_COMPARTMENT_CLOSE },
    { "open", SL_ACTION_COMPARTMENT_OPEN },
    { "seal", SL_ACTION_COMPARTMENT_SEAL },
    { "unseal", SL_ACTION_COMPARTMENT_UNSEAL },
    { "shred", SL_ACTION_COMPARTMENT_SHRED },
    { "shred-cancel", SL_ACTION_COMPARTMENT_SHRED_CANCEL },
};

static const char *const columns[] = { "name", "state", "id", "shred_ordered", NULL };

/* The line of one compartment out of all. */
static int show(const sl_cli *cli, const char *name)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_buf, start, sl_buf_free) = { .max = 128 };
    sl_res r = sl_admin_open(cli, &admin);
    r = sl_ok(r) ? sl_admin_ask(&admin, SL_ADMIN_COMPARTMENTS, SL_LIT(""), &text) : r;
    r = sl_ok(r) ? sl_buf_addf(&start, "{\"name\":\"%s\",", name) : r;
    sl_view rest = sl_buf_view(&text);
    while (sl_ok(r) && rest.n > 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (sl_view_starts(line, sl_buf_view(&start))) {
            r = sl_cli_line(line);
            return sl_ok(r) ? 0 : sl_cli_fail(cli, "compartment show", r);
        }
    }
    r = sl_ok(r) ? sl_fail_at(SL_E_NOT_FOUND, "compartment", SL_NOWHERE) : r;
    return sl_cli_fail(cli, "compartment show", r);
}

static sl_res new_id(sl_statement *s)
{
    uint8_t random[16];
    if (s->action != SL_ACTION_COMPARTMENT_CREATE) {
        return SL_DONE;
    }
    SL_TRY(sl_random_bytes(random, sizeof random));
    sl_uid_set(s->compartment_id, random);
    return SL_DONE;
}

static int act(const sl_cli *cli, sl_action action, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_statement s = { .action = action };
    sl_res r = new_id(&s);
    r = sl_ok(r) ? sl_name_set(s.compartment, sl_view_str(argv[2])) : r;
    for (int i = 3; i < argc && sl_ok(r); i++) {
        if (!sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            return sl_cli_usage(cli, USAGE);
        }
    }
    return sl_ok(r) ? sl_admin_act(cli, &admin, &s) : sl_cli_fail(cli, "compartment", r);
}

/* Closing waits for nobody and needs no signature: the valve turns, the leaf follows. */
static int close_now(const sl_cli *cli, const char *name)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = SL_ADMIN_CLOSE_BYTES_MAX };
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = 512 };
    sl_res r = sl_name_ok(sl_view_str(name)) ? SL_DONE : sl_fail_at(SL_E_SYNTAX, "name", 0);
    r = sl_ok(r) ? sl_buf_addf(&request, "compartment %s command", name) : r;
    r = sl_ok(r) ? sl_admin_open(cli, &admin) : r;
    r = sl_ok(r) ? sl_admin_ask(&admin, SL_ADMIN_CLOSE, sl_buf_view(&request), &answer) : r;
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 1024 };
    if (sl_ok(r)) {
        r = cli->json ? sl_buf_addf(&line, "{\"summary\":%.*s}", SL_FMT(sl_buf_view(&answer)))
                      : sl_buf_addf(&line, "closed %s", name);
    }
    r = sl_ok(r) ? sl_cli_line(sl_buf_view(&line)) : r;
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "compartment close", r);
}

int sl_cmd_compartment(sl_cli *cli, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return sl_admin_list(cli, SL_ADMIN_COMPARTMENTS, columns);
    }
    if (argc == 3 && strcmp(argv[1], "show") == 0) {
        return show(cli, argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "close") == 0) {
        return close_now(cli, argv[2]);
    }
    for (size_t i = 0; argc > 2 && i < SL_COUNT_OF(verbs); i++) {
        if (strcmp(argv[1], verbs[i].verb) == 0) {
            return act(cli, verbs[i].action, argc, argv);
        }
    }
    return sl_cli_usage(cli, USAGE);
}

int sl_cmd_erase(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_statement s = { .action = SL_ACTION_SUBJECT_ERASE };
    sl_res r = SL_DONE;
    for (int i = 1; i < argc && sl_ok(r); i++) {
        bool more = i + 1 < argc;
        if (sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            continue;
        }
        if (strcmp(argv[i], "--subject") == 0 && more) {
            r = sl_name_set(s.subject, sl_view_str(argv[++i]));
        } else if (strcmp(argv[i], "--cancel") == 0) {
            s.action = SL_ACTION_SUBJECT_ERASE_CANCEL;
        } else if (argv[i][0] != '-' && s.compartment[0] == 0) {
            r = sl_name_set(s.compartment, sl_view_str(argv[i]));
        } else {
            return sl_cli_usage(cli, ERASE_USAGE);
        }
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "erase", r);
    }
    return s.compartment[0] != 0 && s.subject[0] != 0 ? sl_admin_act(cli, &admin, &s)
                                                      : sl_cli_usage(cli, ERASE_USAGE);
}
