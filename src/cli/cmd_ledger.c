/* `stoplog ledger ...`: verify, prove, verify-receipt, tail, show, export, recover, witness.
 * Arguments and printing; the work is in src/ledger. Reading needs no site: a directory or a URL of
 * any C2SP tlog-tiles log will do.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "ledger/reader.h"
#include "ledger/site.h"

/* cmd_ledger_witness.c */
int sl_cmd_ledger_witness(sl_cli *cli, int argc, char **argv);

/* What the sub-commands take. */
typedef struct {
    sl_cli *cli;
    const char *words[4]; /* after the sub-command */
    size_t words_n;
    const char *key;
    const char *from;
    bool follow;
    bool told; /* the outcome, a failure too, is printed already */
} ledger_call;

static const char USAGE[] =
    "ledger verify [DIR|URL] [--from CHECKPOINT] [--key VKEY]\n"
    "       stoplog ledger prove N [DIR|URL] [--key VKEY]        prints a receipt\n"
    "       stoplog ledger verify-receipt FILE --key VKEY [LEAF]\n"
    "       stoplog ledger show N [DIR|URL] [--key VKEY]\n"
    "       stoplog ledger tail [DIR|URL] [--follow] [--key VKEY]\n"
    "       stoplog ledger export [DIR|URL] [--key VKEY]\n"
    "       stoplog ledger recover\n"
    "       stoplog ledger witness ...                           see 'ledger witness'";

enum { TAIL_LEAVES = 10, FOLLOW_EVERY_MS = 250 };

static sl_res read_text(const char *path, size_t max, sl_buf *ret)
{
    *ret = (sl_buf){ .max = max };
    return sl_cli_read(path, ret);
}

/* A verifier key as an argument: the text itself, or a file that holds it. */
static sl_res parse_key(const char *text, sl_vkey *ret)
{
    if (sl_ok(sl_vkey_parse(sl_view_str(text), ret))) {
        return SL_DONE;
    }
    SL_OWN(sl_buf, file, sl_buf_free) = { 0 };
    SL_TRY(read_text(text, 4096, &file));
    sl_view line = sl_buf_view(&file);
    while (line.n != 0 && line.p[line.n - 1] == '\n') {
        line.n--;
    }
    return sl_vkey_parse(line, ret);
}

typedef struct {
    sl_source *source;
    sl_reader reader;
} opened;

static void close_opened(opened *o)
{
    if (o->source != NULL) {
        sl_reader_close(&o->reader);
    }
    sl_source_close(&o->source);
}

/* Opens the place named, or the site's ledger. */
static sl_res open_place(const ledger_call *call, const char *place, opened *ret)
{
    char site_ledger[4096];
    sl_vkey key;

    if (place == NULL) {
        (void)snprintf(site_ledger, sizeof site_ledger, "%s/ledger", call->cli->site);
        place = site_ledger;
        SL_NEED(access(place, F_OK) == 0 || errno != ENOENT, SL_E_NO_SITE);
    }
    if (call->key != NULL) {
        SL_TRY(parse_key(call->key, &key));
    }
    SL_TRY(sl_source_open(place, &ret->source));
    sl_res r = sl_reader_open(ret->source, call->key != NULL ? &key : NULL, &ret->reader);
    if (!sl_ok(r)) {
        sl_source_close(&ret->source);
    }
    return r;
}

static sl_res read_from(const ledger_call *call, const sl_vkey *key, sl_checkpoint *ret)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { 0 };

    SL_TRY(read_text(call->from, SL_CHECKPOINT_BYTES_MAX, &note));
    return sl_checkpoint_open(sl_buf_view(&note), key, ret);
}

static sl_res print_verdict(const sl_verdict_report *report, bool ok, bool json)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    char root[2 * SL_DIGEST_BYTES + 1];
    sl_json_writer w;

    sl_digest_hex(&report->root, root);
    if (!json) {
        SL_TRY(sl_buf_addf(&line, "%s: %" PRIu64 " leaves, root %s", ok ? "whole" : "NOT WHOLE",
                           report->size, root));
        if (report->first_bad != SL_NOWHERE) {
            SL_TRY(sl_buf_addf(&line, ", first bad leaf %" PRIu64, report->first_bad));
        }
        return sl_cli_line(sl_buf_view(&line));
    }
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_key(&w, "summary");
    sl_json_object_begin(&w);
    sl_json_put_bool(&w, "ok", ok);
    sl_json_put_uint(&w, "size", report->size);
    sl_json_put_str(&w, "root", root);
    if (report->first_bad != SL_NOWHERE) {
        sl_json_put_uint(&w, "first_bad", report->first_bad);
    } else {
        sl_json_key(&w, "first_bad");
        sl_json_null(&w);
    }
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res do_verify(ledger_call *call)
{
    SL_OWN(opened, o, close_opened) = { 0 };
    sl_verdict_report report;
    sl_checkpoint from;

    SL_TRY(open_place(call, call->words_n > 0 ? call->words[0] : NULL, &o));
    if (call->from != NULL) {
        SL_TRY(read_from(call, &o.reader.key, &from));
    }
    sl_res r = sl_reader_verify(&o.reader, call->from != NULL ? &from : NULL, NULL, NULL, &report);
    sl_detail detail = *sl_detail_get();
    bool judged = sl_ok(r) || sl_is(r, SL_E_INTEGRITY) || sl_is(r, SL_E_ROLLBACK);
    if (judged) {
        SL_TRY(print_verdict(&report, sl_ok(r), call->cli->json));
        call->told = call->cli->json;
        /* Printing may have used the detail; a failure keeps its own place. */
        return sl_ok(r) ? r : sl_fail_at((sl_code)r.code, detail.field, detail.offset);
    }
    return r;
}

static sl_res parse_index(const ledger_call *call, uint64_t *ret)
{
    SL_NEED(call->words_n >= 1, SL_E_USAGE);
    sl_res r = sl_parse_u64(sl_view_str(call->words[0]), SL_TREE_SIZE_MAX, ret);
    return sl_ok(r) ? r : sl_fail_at(SL_E_USAGE, "index", SL_NOWHERE);
}

static sl_res print_whole(sl_view text)
{
    (void)fflush(stdout);
    return sl_fd_write_all(1, text);
}

static sl_res do_prove(ledger_call *call)
{
    SL_OWN(opened, o, close_opened) = { 0 };
    SL_OWN(sl_buf, receipt, sl_buf_free) = { .max = SL_RECEIPT_BYTES_MAX };
    uint64_t index = 0;

    SL_TRY(parse_index(call, &index));
    SL_TRY(open_place(call, call->words_n > 1 ? call->words[1] : NULL, &o));
    SL_TRY(sl_reader_receipt(&o.reader, index, &receipt));
    return print_whole(sl_buf_view(&receipt));
}

static sl_res print_leaf(uint64_t index, sl_view leaf)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 2 * SL_LEAF_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };

    SL_TRY(sl_buf_addf(&line, "{\"index\":%" PRIu64 ",", index));
    if (sl_ok(sl_json_parse(leaf, &doc))) {
        SL_TRY(sl_buf_add_str(&line, "\"leaf\":"));
        SL_TRY(sl_buf_add(&line, leaf));
    } else {
        /* Another log's entries may be anything. */
        SL_TRY(sl_buf_add_str(&line, "\"base64\":\""));
        SL_TRY(sl_base64_add(&line, leaf));
        SL_TRY(sl_buf_add_byte(&line, '"'));
    }
    SL_TRY(sl_buf_add_byte(&line, '}'));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res do_verify_receipt(ledger_call *call)
{
    SL_OWN(sl_buf, receipt, sl_buf_free) = { 0 };
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_checkpoint c;
    sl_vkey key;
    uint64_t index = 0;

    SL_NEED(call->words_n >= 1 && call->key != NULL, SL_E_USAGE);
    SL_TRY(parse_key(call->key, &key));
    SL_TRY(read_text(call->words[0], SL_RECEIPT_BYTES_MAX, &receipt));
    if (call->words_n > 1) {
        SL_TRY(read_text(call->words[1], SL_LEAF_BYTES_MAX, &leaf));
    } else {
        SL_TRY(sl_receipt_leaf(sl_buf_view(&receipt), &leaf));
    }
    SL_TRY(sl_receipt_check(sl_buf_view(&receipt), sl_buf_view(&leaf), &key, &c, &index));
    return print_leaf(index, sl_buf_view(&leaf));
}

static sl_res do_show(ledger_call *call)
{
    SL_OWN(opened, o, close_opened) = { 0 };
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_proof proof;
    uint64_t index = 0;

    SL_TRY(parse_index(call, &index));
    SL_TRY(open_place(call, call->words_n > 1 ? call->words[1] : NULL, &o));
    SL_TRY(sl_reader_leaf(&o.reader, index, &leaf, &proof));
    return print_leaf(index, sl_buf_view(&leaf));
}

static sl_res each_printed(void *ctx, uint64_t index, sl_view leaf)
{
    const uint64_t *first = ctx;

    return index < *first ? SL_DONE : print_leaf(index, leaf);
}

/* Prints the leaves from `first` on; each is verified on the way, starting at its bundle. */
static sl_res print_from(sl_reader *r, uint64_t first)
{
    sl_verdict_report report;
    sl_checkpoint start = { .size = first - first % SL_TILE_WIDTH };

    /* The part before is what this very reader has found consistent. */
    memcpy(start.origin, r->checkpoint.origin, sizeof start.origin);
    SL_TRY(sl_tree_root(start.size, sl_tile_node, &r->tiles, &start.root));
    return sl_reader_verify(r, &start, each_printed, &first, &report);
}

static sl_res do_tail(ledger_call *call)
{
    SL_OWN(opened, o, close_opened) = { 0 };
    struct timespec pause = { .tv_nsec = FOLLOW_EVERY_MS * 1000000L };

    SL_TRY(open_place(call, call->words_n > 0 ? call->words[0] : NULL, &o));
    uint64_t size = o.reader.checkpoint.size;
    SL_TRY(print_from(&o.reader, size > TAIL_LEAVES ? size - TAIL_LEAVES : 0));
    while (call->follow) {
        (void)nanosleep(&pause, NULL);
        SL_TRY(sl_reader_refresh(&o.reader));
        if (o.reader.checkpoint.size > size) {
            SL_TRY(print_from(&o.reader, size));
            size = o.reader.checkpoint.size;
        }
    }
    return SL_DONE;
}

static sl_res do_export(ledger_call *call)
{
    SL_OWN(opened, o, close_opened) = { 0 };
    sl_verdict_report report;
    uint64_t first = 0;

    SL_TRY(open_place(call, call->words_n > 0 ? call->words[0] : NULL, &o));
    return sl_reader_verify(&o.reader, NULL, each_printed, &first, &report);
}

static sl_res do_recover(ledger_call *call)
{
    SL_OWN(sl_ledger_files, files, sl_ledger_files_close) = { .dir_fd = -1, .lock_fd = -1 };
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    sl_tlog_report report;
    sl_tlog *log = NULL;
    char dir[4096];
    char key[4096];

    (void)snprintf(dir, sizeof dir, "%s/ledger", call->cli->site);
    (void)snprintf(key, sizeof key, "%s/%s", call->cli->site, SL_LEDGER_KEY_PATH);
    SL_TRY(sl_ledger_files_open(dir, key, &files));
    SL_TRY(sl_ledger_open(&files, &log, &report));
    sl_res r = sl_tlog_publish(log);
    sl_tlog_free(log);
    SL_TRY(r);
    SL_TRY(sl_buf_addf(&line,
                       "{\"summary\":{\"size\":%" PRIu64 ",\"replayed\":%" PRIu64 ",\"torn\":%s}}",
                       report.size, report.replayed, report.torn ? "true" : "false"));
    return sl_cli_line(sl_buf_view(&line));
}

static const struct {
    const char *name;
    sl_res (*run)(ledger_call *call);
} PARTS[] = {
    { "verify", do_verify },   { "prove", do_prove }, { "verify-receipt", do_verify_receipt },
    { "show", do_show },       { "tail", do_tail },   { "export", do_export },
    { "recover", do_recover },
};

static sl_res parse_call(int argc, char **argv, ledger_call *call)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--follow") == 0) {
            call->follow = true;
        } else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc) {
            call->key = argv[++i];
        } else if (strcmp(argv[i], "--from") == 0 && i + 1 < argc) {
            call->from = argv[++i];
        } else if (argv[i][0] == '-' || call->words_n == SL_COUNT_OF(call->words)) {
            return sl_fail_at(SL_E_USAGE, "arguments", (uint64_t)i);
        } else {
            call->words[call->words_n++] = argv[i];
        }
    }
    return SL_DONE;
}

int sl_cmd_ledger(sl_cli *cli, int argc, char **argv)
{
    ledger_call call = { .cli = cli };

    if (argc >= 2 && strcmp(argv[1], "witness") == 0) {
        return sl_cmd_ledger_witness(cli, argc - 1, argv + 1);
    }
    for (size_t i = 0; argc >= 2 && i < SL_COUNT_OF(PARTS); i++) {
        if (strcmp(argv[1], PARTS[i].name) == 0) {
            sl_res r = parse_call(argc, argv, &call);
            if (sl_ok(r)) {
                r = PARTS[i].run(&call);
            }
            if (sl_ok(r) || call.told) {
                return sl_res_exit(r);
            }
            return sl_is(r, SL_E_USAGE) ? sl_cli_usage(cli, USAGE) : sl_cli_fail(cli, "ledger", r);
        }
    }
    return sl_cli_usage(cli, USAGE);
}
