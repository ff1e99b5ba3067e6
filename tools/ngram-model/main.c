/* ngram-model: trains, scores, continues text, serves (README.md). Arguments and printing only. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/utf8.h"
#include "run.h"
#include "serve.h"

#define FILE_BYTES_MAX (512 * SL_MIB)
#define FILES_MAX 100000

typedef struct {
    const char *out, *prompt, *socket, *name;
    unsigned order, passes;
    double temperature, top_p;
    uint64_t seed, delay_ms;
    size_t tokens;
    unsigned skipped; /* files that are not text */
} arguments;

static int usage(void)
{
    fputs("usage: ngram-model train --out MODEL [--order N] [--passes N] PATH...\n"
          "       ngram-model perplexity MODEL PATH...\n"
          "       ngram-model complete MODEL --prompt TEXT [--tokens N] [--temperature T]\n"
          "                   [--top-p P] [--seed N]\n"
          "       ngram-model serve MODEL --socket PATH [--name NAME] [--delay-ms N] [--seed N]\n",
          stderr);
    return 2;
}

typedef sl_res (*each_text)(void *context, sl_view text);

static SL_MUST sl_res visit_file(arguments *a, const char *path, each_text call, void *context)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = FILE_BYTES_MAX };
    SL_TRY(sl_file_read(AT_FDCWD, path, &text));
    if (sl_utf8_check(sl_buf_view(&text)) != text.n ||
        sl_view_find_byte(sl_buf_view(&text), 0, 0) != SIZE_MAX) {
        a->skipped++;
        return SL_DONE;
    }
    return call(context, sl_buf_view(&text));
}

static int compare_names(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

typedef struct {
    char **p;
    size_t n;
} names;

static void names_free(names *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->p[i]);
    }
    free(list->p);
}

/* The paths below `root` that are files, sorted; not following links, with a stack of our own. */
static SL_MUST sl_res list_files(const char *root, names *list)
{
    SL_OWN(names, todo, names_free) = { .n = 0 };
    todo.p = calloc(FILES_MAX, sizeof *todo.p);
    list->p = calloc(FILES_MAX, sizeof *list->p);
    SL_NEED(todo.p != NULL && list->p != NULL, SL_E_MEMORY);
    todo.p[todo.n++] = strdup(root);
    while (todo.n != 0) {
        char *path = todo.p[--todo.n];
        struct stat st;
        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            SL_NEED(list->n < FILES_MAX, SL_E_LIMIT);
            list->p[list->n++] = path;
            continue;
        }
        DIR *dir = opendir(path);
        if (dir == NULL) {
            free(path);
            return sl_fail_os(SL_E_NOT_FOUND, "path");
        }
        const struct dirent *entry;
        while ((entry = readdir(dir)) != NULL && todo.n < FILES_MAX) {
            char *child = NULL;
            if (entry->d_name[0] != '.' && asprintf(&child, "%s/%s", path, entry->d_name) > 0) {
                todo.p[todo.n++] = child;
            }
        }
        closedir(dir);
        free(path);
    }
    qsort(list->p, list->n, sizeof *list->p, compare_names);
    return SL_DONE;
}

static SL_MUST sl_res visit(arguments *a, char **paths, int count, each_text call, void *context)
{
    for (int i = 0; i < count; i++) {
        SL_OWN(names, files, names_free) = { .n = 0 };
        SL_TRY(list_files(paths[i], &files));
        for (size_t k = 0; k < files.n; k++) {
            SL_TRY(visit_file(a, files.p[k], call, context));
        }
    }
    return SL_DONE;
}

static sl_res learn(void *context, sl_view text)
{
    return ngram_model_document(context, text);
}

static SL_MUST sl_res train(arguments *a, char **paths, int count)
{
    SL_OWN(ngram_model, model, ngram_model_free) = { .order = 0 };
    SL_TRY(ngram_model_init(&model, a->order, a->passes));
    SL_TRY(visit(a, paths, count, learn, &model));
    SL_TRY(ngram_model_sort(&model));
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 2 * FILE_BYTES_MAX };
    SL_TRY(ngram_model_write(&model, &bytes));
    SL_TRY(sl_file_replace(AT_FDCWD, a->out, sl_buf_view(&bytes), 0600));
    printf("{\"tokens\":%zu,\"vocabulary\":%zu,\"order\":%u,\"passes\":%u,\"skipped_files\":%u}\n",
           model.corpus.n, model.vocabulary.count, model.order, model.passes, a->skipped);
    return SL_DONE;
}

static SL_MUST sl_res load(const char *path, ngram_model *ret_model)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 2 * FILE_BYTES_MAX };
    SL_TRY(sl_file_read(AT_FDCWD, path, &bytes));
    return ngram_model_read(sl_buf_view(&bytes), ret_model);
}

typedef struct {
    const ngram_model *model;
    double sum;
    size_t tokens;
} score_sum;

static sl_res score(void *context, sl_view text)
{
    score_sum *total = context;
    double sum = 0;
    size_t tokens = 0;
    SL_TRY(ngram_model_score(total->model, text, &sum, &tokens));
    total->sum += sum;
    total->tokens += tokens;
    return SL_DONE;
}

static SL_MUST sl_res perplexity(arguments *a, const ngram_model *model, char **paths, int count)
{
    score_sum total = { .model = model };
    SL_TRY(visit(a, paths, count, score, &total));
    SL_NEED(total.tokens != 0, SL_E_RANGE);
    printf("{\"tokens\":%zu,\"perplexity\":%.3f}\n", total.tokens,
           exp(-total.sum / (double)total.tokens));
    return SL_DONE;
}

static SL_MUST sl_res complete(const arguments *a, const ngram_model *model)
{
    ngram_sampling sampling = {
        .temperature = a->temperature, .top_p = a->top_p, .seed = a->seed, .tokens_max = a->tokens
    };
    SL_OWN(ngram_run, run, ngram_run_free) = { .model = NULL };
    SL_TRY(ngram_run_start(&run, model, &sampling, sl_view_str(a->prompt)));
    while (run.finish == NULL) {
        ngram_choice choice;
        SL_TRY(ngram_run_step(&run, &choice));
    }
    printf("%.*s\n", SL_FMT(sl_buf_view(&run.text)));
    return SL_DONE;
}

static SL_MUST sl_res with_model(arguments *a, const char *command, char **rest, int count)
{
    SL_OWN(ngram_model, model, ngram_model_free) = { .order = 0 };
    SL_TRY(load(rest[0], &model));
    if (strcmp(command, "perplexity") == 0) {
        return perplexity(a, &model, rest + 1, count - 1);
    }
    if (strcmp(command, "complete") == 0) {
        return complete(a, &model);
    }
    ngram_service service = {
        .model = &model, .name = a->name, .seed = a->seed, .tokens_default = a->tokens
    };
    ngram_server server = { .service = &service,
                            .socket_path = a->socket,
                            .event_delay_ms = a->delay_ms };
    return ngram_serve(&server);
}

static bool read_u64(const char *text, uint64_t max, uint64_t *value)
{
    return sl_ok(sl_parse_u64(sl_view_str(text), max, value));
}

static bool read_unit(const char *text, double max, double *value)
{
    char *end = NULL;
    *value = strtod(text, &end);
    return end != text && *end == 0 && *value >= 0 && *value <= max;
}

static bool read_option(arguments *a, int option)
{
    uint64_t n = 0;
    switch (option) {
    case 'o':
        a->out = optarg;
        return true;
    case 'm':
        a->prompt = optarg;
        return true;
    case 's':
        a->socket = optarg;
        return true;
    case 'n':
        a->name = optarg;
        return true;
    case 't':
        return read_unit(optarg, 2, &a->temperature);
    case 'P':
        return read_unit(optarg, 1, &a->top_p);
    case 'S':
        return read_u64(optarg, UINT64_MAX, &a->seed);
    case 'd':
        return read_u64(optarg, 60000, &a->delay_ms);
    case 'N':
        if (!read_u64(optarg, NGRAM_ORDER_MAX, &n)) {
            return false;
        }
        a->order = (unsigned)n;
        return true;
    case 'p':
        if (!read_u64(optarg, 1000, &n)) {
            return false;
        }
        a->passes = (unsigned)n;
        return true;
    case 'k':
        if (!read_u64(optarg, 4096, &n)) {
            return false;
        }
        a->tokens = (size_t)n;
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "out", required_argument, NULL, 'o' },
        { "prompt", required_argument, NULL, 'm' },
        { "socket", required_argument, NULL, 's' },
        { "name", required_argument, NULL, 'n' },
        { "temperature", required_argument, NULL, 't' },
        { "top-p", required_argument, NULL, 'P' },
        { "seed", required_argument, NULL, 'S' },
        { "delay-ms", required_argument, NULL, 'd' },
        { "order", required_argument, NULL, 'N' },
        { "passes", required_argument, NULL, 'p' },
        { "tokens", required_argument, NULL, 'k' },
        { NULL, 0, NULL, 0 },
    };
    arguments a = { .order = NGRAM_ORDER_DEFAULT,
                    .passes = 1,
                    .temperature = 0,
                    .top_p = 1,
                    .seed = 1,
                    .tokens = 128,
                    .name = "ngram" };
    sl_log_setup("ngram-model", SL_LOG_INFO, false);
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (!read_option(&a, option)) {
            return usage();
        }
    }
    char **rest = argv + optind;
    int count = argc - optind;
    if (count < 2) {
        return usage();
    }
    sl_res r;
    if (strcmp(rest[0], "train") == 0 && a.out != NULL) {
        r = train(&a, rest + 1, count - 1);
    } else if ((strcmp(rest[0], "perplexity") == 0 && count > 2) ||
               (strcmp(rest[0], "complete") == 0 && a.prompt != NULL) ||
               (strcmp(rest[0], "serve") == 0 && a.socket != NULL)) {
        r = with_model(&a, rest[0], rest + 1, count - 1);
    } else {
        return usage();
    }
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, rest[0], r);
    }
    return sl_res_exit(r);
}
