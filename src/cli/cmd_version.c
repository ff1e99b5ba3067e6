/* `stoplog version`: the program's version. */
#include "cli/cli.h"

int sl_cmd_version(sl_cli *cli, int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        return sl_cli_usage(cli, "version");
    }
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 256 };
    sl_res r = SL_DONE;
    if (cli->json) {
        sl_json_writer w;
        sl_json_writer_init(&w, &line);
        sl_json_object_begin(&w);
        sl_json_key(&w, "summary");
        sl_json_object_begin(&w);
        sl_json_put_str(&w, "version", SL_VERSION);
        sl_json_object_end(&w);
        sl_json_object_end(&w);
        r = sl_json_finish(&w);
    } else {
        r = sl_buf_addf(&line, "stoplog %s", SL_VERSION);
    }
    if (sl_ok(r)) {
        r = sl_cli_line(sl_buf_view(&line));
    }
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "version", r);
}
