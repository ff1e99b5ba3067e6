/* `stoplog echo index|query|stats`: recited records recognised, on files and without a site.
 * Prints places and figures, never a text. The index and its key together are as sensitive as a
 * pseudonymised copy of what was indexed; the key alone opens it. Fields: docs/man/stoplog.1. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/echo_files.h"
#include "detect/echo_confirm.h"
#include "vault/confirm.h"

#define BACKGROUND_MAX ((size_t)64)
#define CONFIRM_MAX ((size_t)64)
#define STDIN_BYTES_MAX ((size_t)1 << 30)

static const char USAGE[] =
    "echo index (--key FILE | --key-new FILE) -o INDEX [--add] [--background FILE]... FILE...\n"
    "       echo query --key FILE INDEX [--confirm SOURCE]... [--strong] [FILE...]\n"
    "       echo stats --key FILE INDEX\n"
    "\n"
    "Recognises protected records that come back, word for word or changed, from an index that holds\n"
    "keyed hashes and no text. Texts, Markdown, CSV, JSON lines and JSON are read record by record.\n"
    "  --key FILE         32 bytes or 64 hex digits; whoever has key and index can test guesses\n"
    "  --key-new FILE     make a key first\n"
    "  -o INDEX           where the index goes; with --add it joins what is there, else it must be new\n"
    "  --background FILE  text that is nobody's (templates, forms): never indexed\n"
    "  --confirm SOURCE   compare each suspected record itself: the folder in which the index was made,\n"
    "                     or the files indexed; the exit status is 1 only for what was confirmed\n"
    "  --strong           leave out matches that need to be confirmed\n"
    "\n"
    "query reads standard input when no file is named. Exit status 1 when something was found.\n";

typedef struct {
    sl_cli *cli;
    uint8_t key[32];
    const char *key_path;
    const char *key_new;
    const char *out;
    const char *confirm[CONFIRM_MAX];
    size_t confirm_count;
    const char *background[BACKGROUND_MAX];
    size_t background_count;
    bool add;
    bool strong;
    sl_echo_bar bar;
    char where[1024]; /* what a failure is about */
} echo_call;

/* A failure tells which of the files it is about. */
static sl_res about(echo_call *e, const char *what, const char *path, sl_res r)
{
    if (sl_ok(r)) {
        return r;
    }
    (void)snprintf(e->where, sizeof e->where, "%s %s", what, path);
    return sl_fail_at((sl_code)r.code, e->where, SL_NOWHERE);
}

static sl_res load_key(echo_call *e)
{
    if (e->key_new != NULL) {
        return about(e, "key", e->key_new, sl_echo_key_make(e->key_new, e->key));
    }
    sl_res r = sl_echo_key_read(e->key_path, e->key);
    bool form = sl_is(r, SL_E_KEY) || sl_is(r, SL_E_LIMIT);
    return form ? about(e, "32 bytes or 64 hex digits are a key, not", e->key_path,
                        sl_fail(SL_E_SYNTAX))
                : about(e, "key", e->key_path, r);
}

/* As many bytes as a person reads at a glance. */
static const char *size_text(uint64_t bytes, char text[16])
{
    static const char UNITS[] = " kMGT";
    size_t unit = 0;
    double n = (double)bytes;
    for (; n >= 999.5 && unit < sizeof UNITS - 2; unit++) {
        n /= 1000;
    }
    (void)snprintf(text, 16, unit == 0 ? "%.0f bytes" : "%.3g %cB", n, UNITS[unit]);
    return text;
}

/* ---- index --------------------------------------------------------------------------------------- */

typedef struct {
    sl_echo_builder *builder;
    uint64_t records;
} indexing;

static sl_res count_record(void *ctx, sl_view text, bool continues, uint64_t offset,
                           uint64_t length)
{
    indexing *in = ctx;
    (void)offset;
    (void)length;
    return sl_echo_builder_count(in->builder, text, continues);
}

static sl_res background_record(void *ctx, sl_view text, bool continues, uint64_t offset,
                                uint64_t length)
{
    indexing *in = ctx;
    (void)offset;
    (void)length;
    return sl_echo_builder_background(in->builder, text, continues);
}

static sl_res add_record(void *ctx, sl_view text, bool continues, uint64_t offset, uint64_t length)
{
    indexing *in = ctx;
    in->records++;
    return sl_echo_builder_add(in->builder, text, continues, offset, length);
}

static sl_res read_files(echo_call *e, indexing *in, int count, char **paths, sl_buf *out)
{
    sl_echo_sink counting = { .ctx = in, .take = count_record };
    sl_echo_sink background = { .ctx = in, .take = background_record };
    sl_echo_sink adding = { .ctx = in, .take = add_record };
    e->bar.what = "counting";
    for (int i = 0; i < count; i++) {
        SL_TRY(about(e, "file", paths[i], sl_echo_file_read(paths[i], counting, &e->bar)));
    }
    for (size_t i = 0; i < e->background_count; i++) {
        SL_TRY(about(e, "background", e->background[i],
                     sl_echo_file_read(e->background[i], background, &e->bar)));
    }
    SL_TRY(sl_echo_builder_settle(in->builder));
    e->bar.what = "indexing";
    e->bar.done = 0;
    for (int i = 0; i < count; i++) {
        SL_TRY(sl_echo_builder_source(in->builder, sl_view_str(paths[i])));
        SL_TRY(about(e, "file", paths[i], sl_echo_file_read(paths[i], adding, &e->bar)));
    }
    sl_echo_bar_end(&e->bar);
    return sl_echo_builder_finish(in->builder, out);
}

static sl_res join_old(const echo_call *e, sl_buf *fresh)
{
    SL_OWN(sl_buf, old, sl_buf_free) = { .max = SL_ECHO_INDEX_BYTES_MAX };
    SL_OWN(sl_buf, both, sl_buf_free) = { .max = SL_ECHO_INDEX_BYTES_MAX };
    SL_TRY(sl_cli_read(e->out, &old));
    sl_view parts[] = { sl_buf_view(&old), sl_buf_view(fresh) };
    SL_TRY(sl_echo_join(e->key, parts, 2, &both));
    sl_buf_free(fresh);
    *fresh = sl_buf_take(&both);
    return SL_DONE;
}

static sl_res write_index(const echo_call *e, sl_buf *fresh)
{
    if (e->add && sl_path_exists(AT_FDCWD, e->out)) {
        SL_TRY(join_old(e, fresh));
        return sl_file_replace(AT_FDCWD, e->out, sl_buf_view(fresh), 0600);
    }
    return sl_file_create(AT_FDCWD, e->out, sl_buf_view(fresh), 0600);
}

static sl_res print_index(const echo_call *e, const sl_buf *bytes, uint64_t records)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    if (!e->cli->json) {
        char index[16];
        char text[16];
        printf("%s: %s for %s of text in %zu record%s and parts", e->out,
               size_text(bytes->n, index), size_text(e->bar.all, text), (size_t)records,
               records == 1 ? "" : "s");
        if (e->bar.all >= SL_MIB) { /* a small index is mostly tables */
            printf(" (%.1f %%)", 100.0 * (double)bytes->n / (double)e->bar.all);
        }
        (void)putchar('\n');
        return SL_DONE;
    }
    SL_TRY(sl_buf_addf(&line, "{\"summary\":{\"bytes\":%zu,\"source_bytes\":%zu,\"records\":%zu}}",
                       bytes->n, (size_t)e->bar.all, (size_t)records));
    return sl_cli_line(sl_buf_view(&line));
}

static sl_res make_index(echo_call *e, int count, char **paths)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SL_ECHO_INDEX_BYTES_MAX };
    sl_echo_build_options options = { 0 };
    indexing in = { 0 };
    if (!e->add && sl_path_exists(AT_FDCWD, e->out)) {
        return about(e, "name another index, or --add to", e->out, sl_fail(SL_E_EXISTS));
    }
    for (int i = 0; i < count; i++) {
        uint64_t size = 0;
        SL_TRY(about(e, "file", paths[i], sl_echo_file_size(paths[i], &size)));
        e->bar.all += size;
    }
    options.bytes = e->bar.all;
    SL_TRY(load_key(e));
    SL_TRY(sl_echo_builder_new(e->key, &options, &in.builder));
    sl_res r = read_files(e, &in, count, paths, &bytes);
    sl_echo_bar_end(&e->bar);
    sl_echo_builder_free(in.builder);
    SL_TRY(r);
    size_t fresh = bytes.n;
    SL_TRY(about(e, "index", e->out, write_index(e, &bytes)));
    bytes.n = fresh < bytes.n ? fresh : bytes.n; /* the figures of what was added */
    return print_index(e, &bytes, in.records);
}

static const char *const VIEWS[SL_ECHO_VIEWS] = { "words", "numbers", "structures" };

/* ---- query --------------------------------------------------------------------------------------- */

typedef struct {
    echo_call *call;
    sl_buf bytes;
    sl_echo_index *index;
    sl_echo_scratch *scratch;
    const char *path;
    sl_buf held; /* standard input, where matches are to be confirmed */
    bool hold;
    size_t files;
    uint64_t read;
    size_t matches;
    size_t strong;
    size_t confirmed;
} query;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* A source named in the index, under one --confirm: inside that folder, or that file itself (of several, the
 * one with its name). SL_E_NOT_FOUND: not this one. */
static sl_res read_under(const query *q, const char *under, const char *path, uint64_t from,
                         size_t n, sl_buf *raw)
{
    struct stat st;
    if (stat(under, &st) != 0) {
        return sl_fail_os(SL_E_NOT_FOUND, "source to confirm with");
    }
    if (S_ISDIR(st.st_mode)) {
        SL_OWN(int, dir, sl_fd_close) = open(under, O_PATH | O_DIRECTORY | O_CLOEXEC);
        SL_NEED(dir >= 0, SL_E_IO);
        return sl_echo_file_part(dir, path, from, n, raw);
    }
    if (q->call->confirm_count > 1 && strcmp(base_name(under), base_name(path)) != 0) {
        return sl_fail_at(SL_E_NOT_FOUND, "source to confirm with", SL_NOWHERE);
    }
    return sl_echo_file_part(AT_FDCWD, under, from, n, raw);
}

static sl_res read_source(const query *q, const sl_echo_place *place, sl_buf *raw)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = SL_ECHO_NAME_BYTES_MAX + 1 };
    SL_TRY(sl_buf_add(&name, place->source));
    const char *path = sl_buf_cstr(&name);
    SL_NEED(path != NULL, SL_E_MEMORY);
    uint64_t from =
        place->offset > SL_CONFIRM_MARGIN_BYTES ? place->offset - SL_CONFIRM_MARGIN_BYTES : 0;
    uint64_t length = place->length;
    /* Parts of a text run on into one another; rows and objects stand for themselves. */
    length = length > SL_ECHO_CONFIRM_RECORD_BYTES - 2 * SL_CONFIRM_MARGIN_BYTES
                 ? SL_ECHO_CONFIRM_RECORD_BYTES - 2 * SL_CONFIRM_MARGIN_BYTES
                 : length;
    size_t n = (size_t)(place->offset - from + length + SL_CONFIRM_MARGIN_BYTES);
    sl_res r = SL_DONE;
    for (size_t i = 0; i < q->call->confirm_count; i++) {
        r = read_under(q, q->call->confirm[i], path, from, n, raw);
        if (!sl_is(r, SL_E_NOT_FOUND)) {
            break;
        }
    }
    return r;
}

/* The match's surroundings in the text that was asked about. */
static sl_res asked_text(const query *q, const sl_echo_match *m, sl_buf *out, uint64_t *ret_from)
{
    uint64_t from = m->start > SL_CONFIRM_MARGIN_BYTES ? m->start - SL_CONFIRM_MARGIN_BYTES : 0;
    uint64_t n = m->end - from + SL_CONFIRM_MARGIN_BYTES;
    n = n > SL_ECHO_CONFIRM_TEXT_BYTES ? SL_ECHO_CONFIRM_TEXT_BYTES : n;
    *ret_from = from;
    if (q->hold) {
        return sl_buf_add(out,
                          sl_view_sub(sl_buf_view(&q->held), (size_t)from, (size_t)(from + n)));
    }
    return sl_echo_file_part(AT_FDCWD, q->path, from, (size_t)n, out);
}

static sl_res confirm(const query *q, const sl_echo_match *m, const sl_echo_place *place,
                      sl_echo_verdict *ret, uint64_t *ret_from)
{
    SL_OWN(sl_buf, raw, sl_buf_free) = { .max = SL_ECHO_CONFIRM_RECORD_BYTES };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_ECHO_CONFIRM_TEXT_BYTES };
    size_t lead =
        place->offset > SL_CONFIRM_MARGIN_BYTES ? SL_CONFIRM_MARGIN_BYTES : (size_t)place->offset;
    SL_TRY(read_source(q, place, &raw));
    SL_TRY(asked_text(q, m, &text, ret_from));
    return sl_confirm_record(q->index, m->segment, sl_buf_view(&raw), lead, (size_t)place->length,
                             sl_buf_view(&text), ret);
}

static void put_verdict(sl_json_writer *w, const sl_echo_verdict *v, uint64_t from)
{
    sl_json_put_bool(w, "confirmed", v->confirmed);
    sl_json_put_uint(w, "evidence_bits", v->bits);
    sl_json_put_uint(w, "words_same", v->words_same);
    sl_json_put_uint(w, "words_changed", v->words_changed);
    sl_json_put_uint(w, "structure_characters", v->characters_same);
    sl_json_key(w, "changes");
    sl_json_array_begin(w);
    for (size_t i = 0; v->confirmed && i < v->change_count; i++) {
        sl_json_object_begin(w);
        sl_json_put_uint(w, "start", from + v->changes[i].text_start);
        sl_json_put_uint(w, "end", from + v->changes[i].text_end);
        sl_json_object_end(w);
    }
    sl_json_array_end(w);
}

static void put_printable(sl_json_writer *w, const char *key, sl_view text)
{
    char clean[SL_ECHO_NAME_BYTES_MAX];
    size_t n = text.n < sizeof clean ? text.n : sizeof clean;
    for (size_t i = 0; i < n; i++) {
        clean[i] = text.p[i] >= 0x20 && text.p[i] < 0x7F ? (char)text.p[i] : '?';
    }
    sl_json_put_string(w, key, sl_view_of(clean, n));
}

/* Where and what, as it is told. */
typedef struct {
    uint64_t start;
    uint64_t end;
    const sl_echo_match *match;
    const sl_echo_place *place;
    const sl_echo_verdict *verdict; /* NULL: nobody compared */
    uint64_t from;
} told;

static sl_res print_json(const query *q, const told *t)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 65536 };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    put_printable(&w, "path", sl_view_str(q->path));
    sl_json_put_uint(&w, "start", t->start);
    sl_json_put_uint(&w, "end", t->end);
    sl_json_put_str(&w, "unit", "bytes");
    put_printable(&w, "source", t->place->source);
    sl_json_put_uint(&w, "record", t->place->number);
    sl_json_put_uint(&w, "offset", t->place->offset);
    sl_json_put_uint(&w, "length", t->place->length);
    sl_json_put_str(&w, "view", VIEWS[t->match->lane]);
    sl_json_put_uint(&w, "hits", t->match->hits);
    sl_json_put_uint(&w, "score", t->match->bits);
    sl_json_put_str(&w, "strength", sl_echo_is_strong(t->match) ? "strong" : "weak");
    if (t->verdict != NULL) {
        put_verdict(&w, t->verdict, t->from);
    }
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static void print_people(const query *q, const told *t)
{
    const char *how = sl_echo_is_strong(t->match) ? "strong match" : "weak match, to be confirmed";
    if (t->verdict != NULL) {
        how = t->verdict->confirmed ? "confirmed" : "not confirmed";
    }
    printf("%s:%zu-%zu: record %zu of %.*s, offset %zu: %s (%u hit%s, %u bits)", q->path,
           (size_t)t->start, (size_t)t->end, (size_t)t->place->number, SL_FMT(t->place->source),
           (size_t)t->place->offset, how, t->match->hits, t->match->hits == 1 ? "" : "s",
           t->match->bits);
    if (t->verdict != NULL && t->verdict->confirmed) {
        if (t->verdict->characters_same != 0) {
            printf(", %u characters of a structure the same", t->verdict->characters_same);
        } else {
            printf(", %u words the same, %u changed", t->verdict->words_same,
                   t->verdict->words_changed);
        }
    }
    (void)putchar('\n');
}

static sl_res take_match(query *q, const sl_echo_match *m)
{
    sl_echo_place place;
    sl_echo_verdict verdict = { 0 };
    bool strong = sl_echo_is_strong(m);
    told t = { .start = m->start, .end = m->end, .match = m, .place = &place };
    if (!sl_echo_place_of(q->index, m, &place)) {
        return sl_fail_at(SL_E_INTEGRITY, "record of the index", m->record);
    }
    if (q->call->strong && !strong) {
        return SL_DONE;
    }
    if (q->call->confirm_count != 0) {
        SL_TRY(confirm(q, m, &place, &verdict, &t.from));
        t.verdict = &verdict;
        if (!verdict.confirmed && !strong) {
            return SL_DONE; /* a suspicion that was looked into and is none */
        }
        t.start = verdict.confirmed ? t.from + verdict.text_start : t.start;
        t.end = verdict.confirmed ? t.from + verdict.text_end : t.end;
    }
    q->matches++;
    q->strong += strong;
    q->confirmed += verdict.confirmed;
    sl_echo_bar_end(&q->call->bar);
    if (q->call->cli->json) {
        return print_json(q, &t);
    }
    print_people(q, &t);
    return SL_DONE;
}

static sl_res take_matches(query *q, sl_echo_matches *found)
{
    for (size_t i = 0; i < found->n; i++) {
        SL_TRY(take_match(q, &found->items[i]));
    }
    found->n = 0;
    return SL_DONE;
}

static sl_res read_piece(int fd, uint8_t *piece, size_t *ret_n)
{
    for (;;) {
        ssize_t n = read(fd, piece, SL_READER_PIECE_BYTES);
        if (n >= 0) {
            *ret_n = (size_t)n;
            return SL_DONE;
        }
        if (errno != EINTR) {
            return sl_fail_os(SL_E_IO, "file");
        }
    }
}

static sl_res ask_pieces(query *q, int fd, sl_echo_scan *scan, sl_echo_matches *found)
{
    SL_OWN(sl_buf, piece, sl_buf_free) = { .max = SL_READER_PIECE_BYTES };
    SL_TRY(sl_buf_reserve(&piece, SL_READER_PIECE_BYTES));
    for (;;) {
        SL_TRY(read_piece(fd, piece.p, &piece.n));
        if (piece.n == 0) {
            return sl_echo_scan_finish(scan, found);
        }
        if (q->hold) {
            SL_TRY(sl_buf_add(&q->held, sl_buf_view(&piece)));
        }
        q->read += piece.n;
        sl_echo_bar_add(&q->call->bar, piece.n);
        SL_TRY(sl_echo_scan_feed(scan, sl_buf_view(&piece), found));
        if (!q->hold) {
            SL_TRY(take_matches(q, found));
        }
    }
}

static sl_res ask_file(query *q, const char *path)
{
    SL_OWN(int, fd, sl_fd_close) = -1;
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    sl_echo_scan *scan = NULL;
    bool standard = strcmp(path, "-") == 0;
    if (!standard) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        bool there = fd >= 0 && fstat(fd, &st) == 0;
        if (!there || S_ISDIR(st.st_mode)) {
            return about(q->call, there ? "a folder, not a text:" : "file", path,
                         sl_fail(there             ? SL_E_TYPE
                                 : errno == ENOENT ? SL_E_NOT_FOUND
                                                   : SL_E_IO));
        }
    }
    q->path = path;
    q->hold = standard && q->call->confirm_count != 0;
    q->held.max = STDIN_BYTES_MAX;
    q->files++;
    SL_TRY(sl_echo_scan_new(q->index, q->scratch, &scan));
    sl_res r = ask_pieces(q, standard ? STDIN_FILENO : fd, scan, &found);
    sl_echo_scan_free(scan);
    SL_TRY(r);
    return take_matches(q, &found);
}

static sl_res print_query(const query *q)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    sl_echo_bar_end(&q->call->bar);
    if (!q->call->cli->json) {
        char text[16];
        printf("%zu file%s, %s: %zu match%s, %zu strong", q->files, q->files == 1 ? "" : "s",
               size_text(q->read, text), q->matches, q->matches == 1 ? "" : "es", q->strong);
        if (q->call->confirm_count != 0) {
            printf(", %zu confirmed", q->confirmed);
        }
        (void)putchar('\n');
        return SL_DONE;
    }
    SL_TRY(sl_buf_addf(&line,
                       "{\"summary\":{\"files\":%zu,\"bytes\":%zu,\"matches\":%zu,\"strong\":%zu,"
                       "\"confirmed\":%zu}}",
                       q->files, (size_t)q->read, q->matches, q->strong, q->confirmed));
    return sl_cli_line(sl_buf_view(&line));
}

static void query_free(query *q)
{
    sl_echo_scratch_free(q->scratch);
    sl_echo_index_free(q->index);
    sl_buf_free(&q->bytes);
    sl_buf_free(&q->held);
}

static sl_res open_index(query *q, const char *path)
{
    q->bytes.max = SL_ECHO_INDEX_BYTES_MAX;
    SL_TRY(load_key(q->call));
    SL_TRY(about(q->call, "index", path, sl_file_read(AT_FDCWD, path, &q->bytes)));
    sl_res opened = sl_echo_open(sl_buf_view(&q->bytes), q->call->key, &q->index);
    bool other = sl_is(opened, SL_E_KEY);
    /* Not E_KEY: its exit status is the one of a match. */
    SL_TRY(about(q->call, other ? "made under another key: index" : "index", path,
                 other ? sl_fail(SL_E_SYNTAX) : opened));
    return sl_echo_scratch_new(NULL, &q->scratch);
}

static sl_res run_query(query *q, int count, char **args)
{
    static char standard[] = "-";
    static char *standard_input[] = { standard };
    SL_TRY(open_index(q, args[0]));
    char **paths = count > 1 ? args + 1 : standard_input;
    int files = count > 1 ? count - 1 : 1;
    q->call->bar.what = "asking";
    for (int i = 0; i < files; i++) {
        uint64_t size = 0;
        q->call->bar.all += sl_ok(sl_echo_file_size(paths[i], &size)) ? size : 0;
    }
    for (int i = 0; i < files; i++) {
        SL_TRY(ask_file(q, paths[i]));
    }
    return print_query(q);
}

/* ---- stats --------------------------------------------------------------------------------------- */

static sl_res print_stats(query *q, const char *path)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    sl_echo_stats s;
    SL_TRY(open_index(q, path));
    sl_echo_index_stats(q->index, &s);
    if (q->call->cli->json) {
        SL_TRY(sl_buf_addf(
            &line,
            "{\"summary\":{\"bytes\":%zu,\"source_bytes\":%zu,\"records\":%zu,\"sources\":%zu,"
            "\"segments\":%zu,\"words\":%zu,\"numbers\":%zu,\"word_fingerprints\":%zu,"
            "\"number_fingerprints\":%zu,\"word_stride\":%u,\"number_stride\":%u,"
            "\"structure_characters\":%zu,\"structure_fingerprints\":%zu}}",
            (size_t)s.bytes, (size_t)s.source_bytes, (size_t)s.records, (size_t)s.sources,
            (size_t)s.segments, (size_t)s.tokens[0], (size_t)s.tokens[1], (size_t)s.fingerprints[0],
            (size_t)s.fingerprints[1], s.stride_max[0], s.stride_max[1],
            (size_t)s.tokens[SL_ECHO_STRUCTURES], (size_t)s.fingerprints[SL_ECHO_STRUCTURES]));
        return sl_cli_line(sl_buf_view(&line));
    }
    char index[16];
    char text[16];
    printf("%s for %s of text: %zu record%s and parts of %zu source%s in %zu segment%s\n",
           size_text(s.bytes, index), size_text(s.source_bytes, text), (size_t)s.records,
           s.records == 1 ? "" : "s", (size_t)s.sources, s.sources == 1 ? "" : "s",
           (size_t)s.segments, s.segments == 1 ? "" : "s");
    printf("words: %zu, %zu fingerprints, one in %u; numbers: %zu, %zu fingerprints, one in %u\n",
           (size_t)s.tokens[0], (size_t)s.fingerprints[0], s.stride_max[0], (size_t)s.tokens[1],
           (size_t)s.fingerprints[1], s.stride_max[1]);
    printf("chemical structures: %zu characters, %zu fingerprints\n",
           (size_t)s.tokens[SL_ECHO_STRUCTURES], (size_t)s.fingerprints[SL_ECHO_STRUCTURES]);
    return SL_DONE;
}

/* ---- the command --------------------------------------------------------------------------------- */

static bool take_option(echo_call *e, int option)
{
    switch (option) {
    case 'k':
        e->key_path = optarg;
        return true;
    case 'n':
        e->key_new = optarg;
        return true;
    case 'o':
        e->out = optarg;
        return true;
    case 'c':
        if (e->confirm_count == CONFIRM_MAX) {
            return false;
        }
        e->confirm[e->confirm_count++] = optarg;
        return true;
    case 'b':
        if (e->background_count == BACKGROUND_MAX) {
            return false;
        }
        e->background[e->background_count++] = optarg;
        return true;
    case 'a':
        e->add = true;
        return true;
    case 's':
        e->strong = true;
        return true;
    case 'j':
        e->cli->json = true;
        return true;
    default:
        return false;
    }
}

static int run(echo_call *e, const char *verb, int count, char **args)
{
    bool has_key = (e->key_path != NULL) != (e->key_new != NULL);
    bool to_index = strcmp(verb, "index") == 0;
    if (to_index && has_key && e->out != NULL && count > 0) {
        sl_res r = make_index(e, count, args);
        return sl_ok(r) ? 0 : sl_cli_fail(e->cli, "echo index", r);
    }
    bool asks = strcmp(verb, "query") == 0;
    if (to_index || e->key_path == NULL || count == 0 || (!asks && count != 1) ||
        (!asks && strcmp(verb, "stats") != 0)) {
        return sl_cli_usage(e->cli, USAGE);
    }
    SL_OWN(query, q, query_free) = { .call = e };
    sl_res r = asks ? run_query(&q, count, args) : print_stats(&q, args[0]);
    if (!sl_ok(r)) {
        sl_echo_bar_end(&e->bar);
        return sl_cli_fail(e->cli, asks ? "echo query" : "echo stats", r);
    }
    return (e->confirm_count != 0 ? q.confirmed : q.matches) != 0 ? 1 : 0;
}

int sl_cmd_echo(sl_cli *cli, int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "key", required_argument, NULL, 'k' },
        { "key-new", required_argument, NULL, 'n' },
        { "output", required_argument, NULL, 'o' },
        { "confirm", required_argument, NULL, 'c' },
        { "background", required_argument, NULL, 'b' },
        { "add", no_argument, NULL, 'a' },
        { "strong", no_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { 0 },
    };
    echo_call e = { .cli = cli };
    if (argc < 2) {
        return sl_cli_usage(cli, USAGE);
    }
    const char *verb = argv[1];
    optind = 2;
    for (int c; (c = getopt_long(argc, argv, "o:", OPTIONS, NULL)) != -1;) {
        if (!take_option(&e, c)) {
            return sl_cli_usage(cli, USAGE);
        }
    }
    e.bar.shown = !cli->json && isatty(STDERR_FILENO) == 1;
    int status = run(&e, verb, argc - optind, argv + optind);
    sl_wipe(e.key, sizeof e.key);
    return status;
}
