/* stoplog up: runs the site in the foreground. Arguments and printing only; the work is in src/host. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/site_config.h"
#include "cli/cli.h"
#include "host/host.h"

#define USAGE "up [--accept-missing LAYER]..."

typedef struct {
    const sl_cli *cli;
    sl_site_config *config;
    uint32_t accept;
} up;

static const char *const news_words[] = { "started", "serving", "ended", "missing",
                                          "trouble", "up",      "going" };

static void tell_json(sl_host_news news, const char *process, int status)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 1024 };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "news", news_words[news]);
    if (process[0] != '\0') {
        sl_json_put_str(&w, "process", process);
    }
    if (news == SL_HOST_MISSING) {
        sl_json_put_str(&w, "layer", sl_layer_name((sl_layer)status));
        sl_json_put_str(&w, "cost", sl_layer_cost((sl_layer)status));
    } else if (news == SL_HOST_TROUBLE || news == SL_HOST_GOING) {
        sl_json_put_str(&w, "code", sl_res_name((sl_res){ status }));
    } else if (news == SL_HOST_ENDED) {
        sl_json_put_int(&w, WIFSIGNALED(status) ? "signal" : "exit",
                        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    sl_json_object_end(&w);
    if (sl_ok(sl_json_finish(&w))) {
        sl_res printed = sl_cli_line(sl_buf_view(&line));
        (void)printed.code; /* nobody reads: the site runs on */
    }
}

static void tell_missing(uint32_t layers)
{
    for (unsigned i = 0; i < SL_LAYER_COUNT; i++) {
        if ((layers & SL_LAYER_BIT(i)) != 0) {
            (void)fprintf(stderr, "  without %s (accepted): %s\n", sl_layer_name((sl_layer)i),
                          sl_layer_cost((sl_layer)i));
        }
    }
}

/* Every process lacks the same layers: once is enough for people. */
static bool told_before(int layer)
{
    static uint32_t told;
    bool before = (told & SL_LAYER_BIT(layer)) != 0;
    told |= SL_LAYER_BIT(layer);
    return before;
}

static bool up_before(void)
{
    static bool was;
    bool before = was;
    was = true;
    return before;
}

static void tell_text(sl_host_news news, const char *process, int status)
{
    switch (news) {
    case SL_HOST_ENDED:
        if (WIFSIGNALED(status)) {
            (void)fprintf(stderr, "%s ended by signal %d\n", process, WTERMSIG(status));
        } else {
            (void)fprintf(stderr, "%s ended with status %d\n", process, WEXITSTATUS(status));
        }
        break;
    case SL_HOST_MISSING:
        if (told_before(status)) {
            break;
        }
        (void)fprintf(stderr, "%s lacks the layer %s: %s\n  accept it with --accept-missing %s\n",
                      process, sl_layer_name((sl_layer)status), sl_layer_cost((sl_layer)status),
                      sl_layer_name((sl_layer)status));
        break;
    case SL_HOST_TROUBLE:
        (void)fprintf(stderr, "%s: %s\n", process, sl_res_text((sl_res){ status }));
        break;
    case SL_HOST_ALL_UP:
        if (up_before()) {
            (void)fprintf(stderr, "every process is at work again\n");
            break;
        }
        (void)fprintf(stderr, "the site is up; Ctrl-C or 'stoplog down' ends it\n");
        tell_missing((uint32_t)status);
        break;
    case SL_HOST_GOING:
        (void)fprintf(stderr, "the site goes down\n");
        break;
    case SL_HOST_STARTED:
    case SL_HOST_SERVING:
    default:
        break;
    }
}

static void tell(void *context, sl_host_news news, const char *process, int status)
{
    const up *u = context;
    if (u->cli->json) {
        tell_json(news, process, status);
    } else {
        tell_text(news, process, status);
    }
}

static sl_res address(void *context, const char *key, char *ret_text, size_t size)
{
    const up *u = context;
    SL_NEED(strcmp(key, "front.listen") == 0, SL_E_CONFIG);
    sl_view listen = u->config->front.listen;
    SL_NEED(listen.n < size, SL_E_LIMIT);
    memcpy(ret_text, listen.p, listen.n);
    ret_text[listen.n] = '\0';
    return SL_DONE;
}

static sl_res parse(int argc, char **argv, up *u, bool *ret_usage)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--accept-missing") != 0 || i + 1 == argc) {
            *ret_usage = true;
            return SL_DONE;
        }
        sl_layer layer;
        SL_TRY(sl_layer_parse(sl_view_str(argv[++i]), &layer));
        u->accept |= SL_LAYER_BIT(layer);
    }
    return SL_DONE;
}

static sl_res run(up *u)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4200 };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    char *site = realpath(u->cli->site, NULL);
    SL_NEED(site != NULL, SL_E_NOT_FOUND);
    sl_res done = sl_buf_addf(&path, "%s/config.yml", site);
    const char *name = sl_ok(done) ? sl_buf_cstr(&path) : NULL;
    if (name != NULL) {
        done = sl_file_read(AT_FDCWD, name, &text);
    }
    static sl_site_config config;
    u->config = &config;
    if (sl_ok(done)) {
        done = sl_site_config_read(&arena, sl_buf_view(&text), &config);
    }
    if (sl_ok(done)) {
        sl_host_options options = { .site = site,
                                    .config = sl_buf_view(&text),
                                    .table = sl_host_table,
                                    .count = sl_host_table_count,
                                    .accept_missing = u->accept,
                                    .uid_base = geteuid() == 0 ? (uid_t)config.host.uid_base : 0,
                                    .tell = tell,
                                    .context = u,
                                    .address = address };
        done = sl_host_run(&options);
    }
    free(site);
    return done;
}

int sl_cmd_up(sl_cli *cli, int argc, char **argv)
{
    up u = { .cli = cli };
    bool usage = false;
    sl_res done = parse(argc, argv, &u, &usage);
    if (usage) {
        return sl_cli_usage(cli, USAGE);
    }
    if (sl_ok(done)) {
        done = run(&u);
    }
    if (!sl_ok(done)) {
        return sl_cli_fail(cli, "the site does not run", done);
    }
    if (cli->json) {
        done = sl_cli_line(SL_LIT("{\"summary\":{\"ended\":\"in good order\"}}"));
    }
    return sl_res_exit(done);
}
