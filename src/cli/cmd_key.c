/* `stoplog key issue|revoke|list`: API keys. A new key is printed once and kept nowhere. */
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "cli/admin.h"

#define USAGE                                                                                      \
    "key issue PRINCIPAL [--lineage NAME] [--until T] [--key FILE]... | key revoke KEY "           \
    "[--key FILE]... | key list"

static sl_res fill(const sl_cli *cli, const char *principal, const char *lineage,
                   const sl_admin *admin, sl_statement *s, sl_api_key_text *ret_text)
{
    uint8_t random[SL_API_KEY_RANDOM_BYTES];
    SL_TRY(sl_principal_id(cli, principal, true, s->principal));
    SL_TRY(sl_principal_id(cli, lineage != NULL ? lineage : principal, true, s->lineage));
    SL_TRY(sl_random_bytes(random, sizeof random));
    sl_res r = sl_api_key_make(random, ret_text);
    sl_wipe(random, sizeof random);
    SL_TRY(r);
    memcpy(s->key, ret_text->id, sizeof s->key);
    memcpy(s->site, admin->site, sizeof s->site);
    return sl_api_key_hash(sl_view_str(ret_text->text), admin->site, &s->hash);
}

/* The key stands on stdout alone, so that a script can take it; what became of it on stderr. */
static sl_res print_key(const sl_cli *cli, const sl_statement *s, const sl_api_key_text *text)
{
    SL_OWN(sl_buf, line, sl_passphrase_free) = { .max = 512 };
    SL_TRY(sl_buf_reserve(&line, 512));
    if (cli->json) {
        SL_TRY(sl_buf_addf(&line,
                           "{\"summary\":{\"key\":\"%s\",\"id\":\"%s\",\"principal\":\"%s\"}}",
                           text->text, s->key, s->principal));
        return sl_cli_line(sl_buf_view(&line));
    }
    (void)fprintf(stderr, "key %s of principal %s; it is shown this once:\n", s->key, s->principal);
    return sl_cli_line(sl_view_str(text->text));
}

static int issue(sl_cli *cli, sl_admin *admin, const char *principal, const char *lineage,
                 sl_statement *s)
{
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    sl_api_key_text text = { 0 };
    sl_res r = sl_admin_open(cli, admin);
    r = sl_ok(r) ? sl_admin_keys_default(admin) : r;
    r = sl_ok(r) ? fill(cli, principal, lineage, admin, s, &text) : r;
    r = sl_ok(r) ? sl_admin_submit(admin, s, &answer) : r;
    r = sl_ok(r) ? print_key(cli, s, &text) : r;
    sl_wipe(&text, sizeof text);
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "key issue", r);
}

static int do_issue(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_statement s = { .action = SL_ACTION_KEY_ISSUE };
    const char *principal = NULL;
    const char *lineage = NULL;
    sl_res r = SL_DONE;
    for (int i = 2; i < argc && sl_ok(r); i++) {
        bool more = i + 1 < argc;
        if (sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            continue;
        }
        if (strcmp(argv[i], "--lineage") == 0 && more) {
            lineage = argv[++i];
        } else if (strcmp(argv[i], "--until") == 0 && more) {
            r = sl_until_parse(argv[++i], sl_clock_wall_ms(), &s.until_ms);
        } else if (argv[i][0] != '-' && principal == NULL) {
            principal = argv[i];
        } else {
            return sl_cli_usage(cli, USAGE);
        }
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "key issue", r);
    }
    return principal != NULL ? issue(cli, &admin, principal, lineage, &s)
                             : sl_cli_usage(cli, USAGE);
}

static int do_revoke(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_statement s = { .action = SL_ACTION_KEY_REVOKE };
    sl_res r = SL_DONE;
    for (int i = 2; i < argc && sl_ok(r); i++) {
        if (sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            continue;
        }
        if (argv[i][0] == '-' || s.key[0] != 0 || strlen(argv[i]) != SL_ID_CHARS) {
            return sl_cli_usage(cli, USAGE);
        }
        memcpy(s.key, argv[i], sizeof s.key);
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "key revoke", r);
    }
    return s.key[0] != 0 ? sl_admin_act(cli, &admin, &s) : sl_cli_usage(cli, USAGE);
}

int sl_cmd_key(sl_cli *cli, int argc, char **argv)
{
    static const char *const columns[] = { "key", "principal", "lineage", "revoked", NULL };
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return sl_admin_list(cli, SL_ADMIN_KEYS, columns);
    }
    if (argc > 2 && strcmp(argv[1], "issue") == 0) {
        return do_issue(cli, argc, argv);
    }
    if (argc > 2 && strcmp(argv[1], "revoke") == 0) {
        return do_revoke(cli, argc, argv);
    }
    return sl_cli_usage(cli, USAGE);
}
