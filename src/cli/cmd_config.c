/* stoplog config check: reads config.yml as the site would. Arguments and printing only. */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/site_config.h"
#include "cli/cli.h"

static sl_res check(const sl_cli *cli, sl_buf *sentence)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4200 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    SL_TRY(sl_buf_addf(&path, "%s/config.yml", cli->site));
    const char *name = sl_buf_cstr(&path);
    SL_NEED(name != NULL, SL_E_MEMORY);
    SL_TRY(sl_cli_read(name, &text));
    static sl_site_config config;
    sl_res done = sl_site_config_read(&arena, sl_buf_view(&text), &config);
    if (!sl_ok(done)) {
        sl_res told = sl_yaml_explain(done, "config.yml", sentence);
        (void)told.code; /* the plain failure is printed as well */
    }
    return done;
}

int sl_cmd_config(sl_cli *cli, int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[1], "check") != 0) {
        return sl_cli_usage(cli, "config check");
    }
    SL_OWN(sl_buf, sentence, sl_buf_free) = { .max = 4096 };
    sl_res done = check(cli, &sentence);
    if (!sl_ok(done)) {
        if (!cli->json && sentence.n > 0) {
            (void)fprintf(stderr, "%.*s\n", SL_FMT(sl_buf_view(&sentence)));
        }
        return sl_cli_fail(cli, "config.yml", done);
    }
    done = sl_cli_line(cli->json ? SL_LIT("{\"summary\":{\"config\":\"good\"}}")
                                 : SL_LIT("config.yml is good"));
    return sl_res_exit(done);
}
