/* `stoplog policy check|explain`: is a policy file right, and what does it say in sentences?
 * Stands alone; without a file it speaks of the built-in policy. */
#include <fcntl.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/yaml.h"
#include "cli/cli.h"
#include "detect/policy.h"
#include "doors/ask/pins.h"

static const char USAGE[] =
    "policy check [FILE]\n"
    "       stoplog policy explain [FILE]\n"
    "       stoplog policy tools FILE\n"
    "\n"
    "check    reads the rules and names the line of a mistake (exit status 3)\n"
    "explain  prints each rule with its reason, in the order they are asked\n"
    "tools    prints a line for `tool_pins` of policy/flow.yml for each tool of a request in JSON\n";

static sl_res load(const char *path, sl_policy **ret)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    if (path == NULL) {
        return sl_policy_load_default(ret);
    }
    SL_TRY(sl_cli_read(path, &text));
    sl_res r = sl_policy_load(sl_buf_view(&text), ret);
    SL_OWN(sl_buf, sentence, sl_buf_free) = { .max = 4096 };
    if (!sl_ok(r) && sl_ok(sl_yaml_explain(r, path, &sentence))) {
        fprintf(stderr, "%s\n", sl_buf_cstr(&sentence));
    }
    return r;
}

static void print_rule(const sl_policy *p, uint16_t rule, sl_view then)
{
    printf("%3u. %s: %.*s, because %s\n", rule + 1U, sl_policy_rule_id(p, rule), SL_FMT(then),
           sl_policy_rule_why(p, rule));
}

static sl_res explain(const sl_cli *cli, const sl_policy *p)
{
    for (size_t i = 0; i < sl_policy_rule_count(p); i++) {
        SL_OWN(sl_buf, line, sl_buf_free) = { .max = 65536 };
        SL_TRY(sl_policy_describe(p, (uint16_t)i, cli->json, &line));
        if (cli->json) {
            SL_TRY(sl_cli_line(sl_buf_view(&line)));
        } else {
            print_rule(p, (uint16_t)i, sl_buf_view(&line));
        }
    }
    if (!cli->json) {
        printf("  *. everything else is refused\n");
    }
    return SL_DONE;
}

/* A request with `tools`, or such an array alone. */
static sl_res print_tools(const char *path)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = SL_KIB };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_cli_read(path, &text));
    SL_TRY(sl_json_parse(sl_buf_view(&text), &doc));
    const sl_json_node *root = sl_json_root(&doc);
    const sl_json_node *tools = sl_json_is(root, SL_JSON_ARRAY)
                                    ? root
                                    : sl_json_get_kind(&doc, root, "tools", SL_JSON_ARRAY);
    SL_NEED(tools != NULL, SL_E_MISSING_FIELD);
    sl_json_iter it = { 0 };
    while (sl_json_each(&doc, tools, &it)) {
        SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
        sl_ask_tool tool;
        SL_TRY(sl_ask_tool_read(&doc, it.value, &name, &tool));
        SL_TRY(sl_ask_tool_line(&tool, &line));
        SL_TRY(sl_cli_line(sl_buf_view(&line)));
    }
    return SL_DONE;
}

int sl_cmd_policy(sl_cli *cli, int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        return sl_cli_usage(cli, USAGE);
    }
    if (argc == 3 && strcmp(argv[1], "tools") == 0) {
        sl_res r = print_tools(argv[2]);
        return sl_ok(r) ? 0 : sl_cli_fail(cli, "policy", r);
    }
    bool check = strcmp(argv[1], "check") == 0;
    if (!check && strcmp(argv[1], "explain") != 0) {
        return sl_cli_usage(cli, USAGE);
    }
    sl_policy *p = NULL;
    sl_res r = load(argc == 3 ? argv[2] : NULL, &p);
    if (sl_ok(r) && !check) {
        r = explain(cli, p);
    }
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    if (sl_ok(r)) {
        r = sl_buf_addf(&line,
                        cli->json ? "{\"summary\":{\"ok\":true,\"rules\":%zu}}" : "%zu rules",
                        sl_policy_rule_count(p));
    }
    if (sl_ok(r)) {
        r = sl_cli_line(sl_buf_view(&line));
    }
    sl_policy_free(p);
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "policy", r);
}
