/* stoplog ingest: brings files into a compartment. Arguments and printing only; what happens is in
 * src/doors/ingest. A folder means the regular files in it. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"
#include "doors/ingest/protocol.h"

#define USAGE "ingest COMPARTMENT PATH... [--as NAME] [--record-id COLUMN]"

typedef struct {
    sl_cli *cli;
    sl_ingest_ask ask;
    size_t objects;
    uint64_t bytes;
    uint64_t records;
    sl_res failed; /* the first failure */
} job;

/* The code and place of a crossing that failed, or done. */
static sl_res result_of(const job *j, const sl_json_doc *doc)
{
    int64_t code = 0;
    uint64_t offset = SL_NOWHERE;
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *node = sl_json_get(doc, root, "code");
    if (node == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_json_i64(node, &code));
    SL_NEED(code > SL_OK && code < SL_CODE_COUNT, SL_E_SYNTAX);
    const sl_json_node *held = sl_json_get_kind(doc, root, "held", SL_JSON_STRING);
    if (held != NULL && !j->cli->json) {
        (void)fprintf(stderr,
                      "held: SHA-256 %.*s\n  operators let these bytes in with\n"
                      "  stoplog inventory admit %.16s %s --until 7d\n",
                      SL_FMT(held->raw), (const char *)held->raw.p, j->ask.compartment);
    }
    if (sl_json_get(doc, root, "offset") != NULL) {
        SL_TRY(sl_json_u64(sl_json_get(doc, root, "offset"), &offset));
    }
    return sl_fail_at((sl_code)code, "file", offset);
}

static uint64_t number(const sl_json_doc *doc, const char *name)
{
    uint64_t value = 0;
    sl_res read = sl_json_u64(sl_json_get(doc, sl_json_root(doc), name), &value);
    return sl_ok(read) ? value : 0;
}

static void print_object(job *j, const sl_json_doc *doc, sl_view text)
{
    const sl_json_node *name = sl_json_get(doc, sl_json_root(doc), "object");
    j->objects++;
    j->bytes += number(doc, "bytes");
    j->records += number(doc, "records");
    if (j->cli->json) {
        sl_res printed = sl_cli_line(text);
        j->failed = sl_ok(j->failed) ? printed : j->failed;
        return;
    }
    (void)printf(
        "%.*s version %llu: %llu records, %llu identifiers in the roster, leaf %llu\n",
        SL_FMT(name == NULL ? (sl_view){ 0 } : name->raw),
        (unsigned long long)number(doc, "version"), (unsigned long long)number(doc, "records"),
        (unsigned long long)number(doc, "roster"), (unsigned long long)number(doc, "leaf"));
}

static sl_res put(job *j, int dir_fd, const char *name)
{
    SL_OWN(int, fd, sl_fd_close) =
        openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return sl_fail_os(SL_E_NOT_FOUND, "file");
    }
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    const char *slash = strrchr(name, '/');
    (void)snprintf(j->ask.file_name, sizeof j->ask.file_name, "%s",
                   slash == NULL ? name : slash + 1);
    SL_TRY(sl_ingest_call(j->cli->site, SL_INGEST_PUT, &j->ask, fd, &reply));
    SL_TRY(sl_json_parse(sl_buf_view(&reply), &doc));
    SL_TRY(result_of(j, &doc));
    print_object(j, &doc, sl_buf_view(&reply));
    return SL_DONE;
}

/* Goes on with the other files after a failure; the first one decides the exit status. */
static void put_one(job *j, int dir_fd, const char *name)
{
    sl_res done = put(j, dir_fd, name);
    if (!sl_ok(done)) {
        (void)sl_cli_fail(j->cli, name, done);
        j->failed = sl_ok(j->failed) ? done : j->failed;
    }
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void put_folder(job *j, const char *path)
{
    struct dirent **entries = NULL;
    SL_OWN(int, fd, sl_fd_close) = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = fd < 0 ? -1 : scandir(path, &entries, NULL, by_name);
    if (count < 0) {
        put_one(j, AT_FDCWD, path);
        return;
    }
    for (int i = 0; i < count; i++) {
        struct stat st;
        bool regular = fstatat(fd, entries[i]->d_name, &st, 0) == 0 && S_ISREG(st.st_mode);
        if (regular && entries[i]->d_name[0] != '.') {
            put_one(j, fd, entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int finish(const job *j)
{
    if (j->cli->json) {
        (void)printf("{\"summary\":{\"bytes\":%llu,\"objects\":%zu,\"records\":%llu}}\n",
                     (unsigned long long)j->bytes, j->objects, (unsigned long long)j->records);
    }
    return sl_res_exit(j->failed);
}

/* Takes `--as` and `--record-id` out of the arguments; the rest moves to the front. */
static bool take_options(int *argc, char **argv, job *j)
{
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        bool as = strcmp(argv[i], "--as") == 0;
        bool record_id = strcmp(argv[i], "--record-id") == 0;
        if (!as && !record_id) {
            argv[kept++] = argv[i];
            continue;
        }
        char *to = as ? j->ask.object : j->ask.record_id;
        if (++i >= *argc || strlen(argv[i]) > SL_NAME_BYTES_MAX) {
            return false;
        }
        (void)snprintf(to, sizeof j->ask.object, "%s", argv[i]);
    }
    *argc = kept;
    return true;
}

int sl_cmd_ingest(sl_cli *cli, int argc, char **argv)
{
    job j = { .cli = cli, .failed = SL_DONE };
    bool good = take_options(&argc, argv, &j) && argc >= 3 && argv[1][0] != '-';
    if (!good || !sl_ok(sl_name_set(j.ask.compartment, sl_view_str(argv[1])))) {
        return sl_cli_usage(cli, USAGE);
    }
    if (j.ask.object[0] != 0 && (argc > 3 || is_folder(argv[2]))) {
        return sl_cli_usage(cli, USAGE " (--as goes with one file)");
    }
    for (int i = 2; i < argc; i++) {
        if (is_folder(argv[i])) {
            put_folder(&j, argv[i]);
        } else {
            put_one(&j, AT_FDCWD, argv[i]);
        }
    }
    return finish(&j);
}
