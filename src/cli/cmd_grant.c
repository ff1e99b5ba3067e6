/* `stoplog grant` and `stoplog revoke`: who may cross which door of which compartment, and no more. */
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "cli/admin.h"

#define USAGE                                                                                      \
    "grant PRINCIPAL COMPARTMENT --door D... --purpose P --until T [--requests N/h] "              \
    "[--tokens N/d] [--records N/d] [--key FILE]... | grant list"
#define REVOKE_USAGE "revoke GRANT [--key FILE]..."

static sl_res add_doors(const char *words, sl_statement *s)
{
    int64_t doors = 0;
    SL_TRY(sl_doors_parse(sl_view_str(words), &doors));
    s->doors |= doors;
    return SL_DONE;
}

/* Options with a value; false if `name` is none of them. */
static bool option(const char *name, const char *value, sl_statement *s, sl_res *r)
{
    if (strcmp(name, "--door") == 0) {
        *r = add_doors(value, s);
    } else if (strcmp(name, "--purpose") == 0) {
        *r = sl_name_set(s->purpose, sl_view_str(value));
    } else if (strcmp(name, "--until") == 0) {
        *r = sl_until_parse(value, sl_clock_wall_ms(), &s->until_ms);
    } else if (strcmp(name, "--requests") == 0) {
        *r = sl_budget_parse(value, 'h', &s->requests_h);
    } else if (strcmp(name, "--tokens") == 0) {
        *r = sl_budget_parse(value, 'd', &s->tokens_d);
    } else if (strcmp(name, "--records") == 0) {
        *r = sl_budget_parse(value, 'd', &s->records_d);
    } else {
        return false;
    }
    return true;
}

static sl_res new_id(const sl_cli *cli, const char *principal, sl_statement *s)
{
    uint8_t random[8];
    SL_TRY(sl_principal_id(cli, principal, true, s->principal));
    SL_TRY(sl_random_bytes(random, sizeof random));
    sl_id_set(s->grant, random);
    return SL_DONE;
}

int sl_cmd_grant(sl_cli *cli, int argc, char **argv)
{
    static const char *const columns[] = { "grant",     "principal", "compartment", "doors",
                                           "purpose",   "until_ms",  "requests_h",  "tokens_d",
                                           "records_d", "revoked",   NULL };
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_statement s = { .action = SL_ACTION_GRANT_ISSUE };
    const char *principal = NULL;
    sl_res r = SL_DONE;
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return sl_admin_list(cli, SL_ADMIN_GRANTS, columns);
    }
    for (int i = 1; i < argc && sl_ok(r); i++) {
        if (sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            continue;
        }
        if (argv[i][0] == '-') {
            if (i + 1 >= argc || !option(argv[i], argv[i + 1], &s, &r)) {
                return sl_cli_usage(cli, USAGE);
            }
            i++;
        } else if (principal == NULL) {
            principal = argv[i];
        } else if (s.compartment[0] == 0) {
            r = sl_name_set(s.compartment, sl_view_str(argv[i]));
        } else {
            return sl_cli_usage(cli, USAGE);
        }
    }
    bool whole = principal != NULL && s.compartment[0] != 0 && s.doors != 0 && s.purpose[0] != 0 &&
                 s.until_ms != 0;
    if (sl_ok(r) && !whole) {
        return sl_cli_usage(cli, USAGE);
    }
    r = sl_ok(r) ? new_id(cli, principal, &s) : r;
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "grant", r);
    }
    if (!cli->json) {
        (void)fprintf(stderr, "grant %s for principal %s\n", s.grant, s.principal);
    }
    return sl_admin_act(cli, &admin, &s);
}

int sl_cmd_revoke(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_statement s = { .action = SL_ACTION_GRANT_REVOKE };
    sl_res r = SL_DONE;
    for (int i = 1; i < argc && sl_ok(r); i++) {
        if (sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            continue;
        }
        if (argv[i][0] == '-' || s.grant[0] != 0 || strlen(argv[i]) != SL_ID_CHARS) {
            return sl_cli_usage(cli, REVOKE_USAGE);
        }
        memcpy(s.grant, argv[i], sizeof s.grant);
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "revoke", r);
    }
    return s.grant[0] != 0 ? sl_admin_act(cli, &admin, &s) : sl_cli_usage(cli, REVOKE_USAGE);
}
