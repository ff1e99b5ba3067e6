/* stoplog status, stoplog down: asking the warden. Arguments and printing only. */
#include <string.h>

#include "cli/cli.h"
#include "respond/admin.h"

static sl_res text_of(const sl_json_doc *doc, const sl_json_node *object, const char *name,
                      sl_buf *out)
{
    const sl_json_node *node = sl_json_get_kind(doc, object, name, SL_JSON_STRING);
    return node == NULL ? SL_DONE : sl_json_add_text(node, out);
}

static uint64_t number_of(const sl_json_doc *doc, const sl_json_node *object, const char *name)
{
    uint64_t value = 0;
    const sl_json_node *node = sl_json_get_kind(doc, object, name, SL_JSON_NUMBER);
    sl_res read = node == NULL ? SL_DONE : sl_json_u64(node, &value);
    return sl_ok(read) ? value : 0;
}

static sl_res print_site(const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *root = sl_json_root(doc);
    SL_TRY(sl_buf_add_str(out, "site  "));
    SL_TRY(text_of(doc, root, "site", out));
    SL_TRY(sl_buf_add_str(out, "  "));
    SL_TRY(text_of(doc, root, "state", out));
    SL_TRY(sl_buf_addf(out, " (epoch %llu), %llu leaves\n",
                       (unsigned long long)number_of(doc, root, "epoch"),
                       (unsigned long long)number_of(doc, root, "leaves")));
    const sl_json_node *witness = sl_json_get(doc, root, "witness");
    SL_TRY(sl_buf_add_str(out, "witness  "));
    SL_TRY(text_of(doc, witness, "state", out));
    SL_TRY(sl_buf_add_str(out, " "));
    SL_TRY(text_of(doc, witness, "reason", out));
    SL_TRY(sl_buf_addf(out, " (size %llu, leaf %llu)\n",
                       (unsigned long long)number_of(doc, witness, "size"),
                       (unsigned long long)number_of(doc, witness, "leaf")));
    const sl_json_node *doors = sl_json_get(doc, root, "doors");
    sl_json_iter it = { 0 };
    while (doors != NULL && sl_json_each(doc, doors, &it)) {
        SL_TRY(sl_buf_add_str(out, "door  "));
        SL_TRY(sl_json_add_text(it.key, out));
        SL_TRY(sl_buf_add_str(out, "  "));
        SL_TRY(sl_json_add_text(it.value, out));
        SL_TRY(sl_buf_add_byte(out, '\n'));
    }
    const sl_json_node *list = sl_json_get(doc, root, "compartments");
    it = (sl_json_iter){ 0 };
    while (list != NULL && sl_json_each(doc, list, &it)) {
        SL_TRY(sl_buf_add_str(out, "compartment  "));
        SL_TRY(text_of(doc, it.value, "name", out));
        SL_TRY(sl_buf_add_str(out, "  "));
        SL_TRY(text_of(doc, it.value, "state", out));
        SL_TRY(sl_buf_add_str(out, ", valve "));
        SL_TRY(text_of(doc, it.value, "valve", out));
        SL_TRY(sl_buf_add_byte(out, '\n'));
    }
    return SL_DONE;
}

static sl_res print_process(const sl_json_doc *doc, sl_buf *out)
{
    const sl_json_node *root = sl_json_root(doc);
    SL_TRY(sl_buf_add_str(out, "process  "));
    SL_TRY(text_of(doc, root, "process", out));
    SL_TRY(sl_buf_add_str(out, "  "));
    SL_TRY(text_of(doc, root, "state", out));
    SL_TRY(sl_buf_addf(out, ", pid %llu", (unsigned long long)number_of(doc, root, "pid")));
    const sl_json_node *missing = sl_json_get(doc, root, "missing");
    sl_json_iter it = { 0 };
    while (missing != NULL && sl_json_each(doc, missing, &it)) {
        SL_TRY(sl_buf_add_str(out, ", without "));
        SL_TRY(sl_json_add_text(it.value, out));
    }
    return sl_buf_add_byte(out, '\n');
}

static sl_res print_line(sl_view line, bool first, sl_buf *out)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(line, &doc));
    return first ? print_site(&doc, out) : print_process(&doc, out);
}

/* The warden's lines: the site's, which becomes the summary, then the processes'. */
static sl_res print(const sl_cli *cli, sl_view answer)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    sl_view site;
    sl_view rest;
    (void)sl_view_cut(answer, '\n', &site, &rest);
    if (!cli->json) {
        SL_TRY(print_line(site, true, &out));
    }
    while (rest.n > 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (cli->json) {
            SL_TRY(sl_cli_line(line));
        } else {
            SL_TRY(print_line(line, false, &out));
        }
    }
    if (cli->json) {
        SL_TRY(sl_buf_addf(&out, "{\"summary\":%.*s}", SL_FMT(site)));
    } else if (out.n > 0) {
        out.n--; /* sl_cli_line ends the last line */
    }
    return sl_cli_line(sl_buf_view(&out));
}

int sl_cmd_status(sl_cli *cli, int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        return sl_cli_usage(cli, "status");
    }
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    sl_res done = sl_warden_ask(cli->site, SL_ADMIN_STATUS, (sl_view){ NULL, 0 }, &answer);
    if (sl_ok(done)) {
        done = print(cli, sl_buf_view(&answer));
    }
    return sl_ok(done) ? 0 : sl_cli_fail(cli, "no status", done);
}

int sl_cmd_down(sl_cli *cli, int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        return sl_cli_usage(cli, "down");
    }
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = 256 };
    sl_res done = sl_warden_ask(cli->site, SL_ADMIN_DOWN, (sl_view){ NULL, 0 }, &answer);
    if (!sl_ok(done)) {
        return sl_cli_fail(cli, "the site was not told to go down", done);
    }
    done = sl_cli_line(cli->json ? SL_LIT("{\"summary\":{\"state\":\"going down\"}}")
                                 : SL_LIT("the site goes down"));
    return sl_res_exit(done);
}
