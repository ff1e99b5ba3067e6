/* The site's copy of advisories on the disk (feed.h). */
#include "supply/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"

#define SOURCE_BYTES_MAX (512 * SL_MIB)

typedef struct {
    sl_buf records;
    sl_feed_state state;
    sl_feed_report report;
    void *context;
} collection;

static sl_res nothing_found(void *context, const sl_package *package, const sl_advisory *advisory)
{
    (void)context;
    (void)package;
    (void)advisory;
    return SL_DONE;
}

/* One record in one line: JSON's own line ends are white space, so blanks may stand for them. */
static sl_res add_record(collection *c, sl_view record, const char *path, size_t line)
{
    static const sl_packages NONE = { 0 };
    char modified[32];
    if (!sl_ok(sl_advisory_match(record, &NONE, nothing_found, NULL, modified))) {
        if (c->report != NULL) {
            c->report(c->context, path, line);
        }
        return SL_DONE;
    }
    size_t begin = c->records.n;
    SL_TRY(sl_buf_add(&c->records, record));
    for (size_t i = begin; i < c->records.n; i++) {
        uint8_t *b = &c->records.p[i];
        *b = *b == '\n' || *b == '\r' ? ' ' : *b;
    }
    SL_TRY(sl_buf_add_byte(&c->records, '\n'));
    c->state.records++;
    if (strcmp(modified, c->state.newest) > 0) {
        memcpy(c->state.newest, modified, sizeof modified);
    }
    return SL_DONE;
}

static sl_res add_file(collection *c, const char *path)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SOURCE_BYTES_MAX };
    sl_res r = sl_file_read(AT_FDCWD, path, &text);
    if (!sl_ok(r)) {
        if (c->report != NULL) {
            c->report(c->context, path, 0);
        }
        return sl_is(r, SL_E_MEMORY) ? r : SL_DONE;
    }
    if (!sl_view_ends(sl_view_str(path), SL_LIT(".jsonl"))) {
        return add_record(c, sl_view_trim(sl_buf_view(&text)), path, 0);
    }
    sl_view rest = sl_buf_view(&text);
    size_t line = 0;
    for (bool more = rest.n > 0; more;) {
        sl_view record;
        more = sl_view_cut(rest, '\n', &record, &rest);
        line++;
        record = sl_view_trim(record);
        if (record.n > 0) {
            SL_TRY(add_record(c, record, path, line));
        }
    }
    return SL_DONE;
}

static bool is_source(sl_view name)
{
    return sl_view_ends(name, SL_LIT(".json")) || sl_view_ends(name, SL_LIT(".jsonl"));
}

static sl_res collect(collection *c, const char *from)
{
    char *path = strdup(from);
    SL_NEED(path != NULL, SL_E_MEMORY);
    char *const roots[] = { path, NULL };
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    sl_res r = tree != NULL ? SL_DONE : sl_fail_os(SL_E_IO, "directory of advisories");
    for (FTSENT *e; sl_ok(r) && tree != NULL && (e = fts_read(tree)) != NULL;) {
        bool file = e->fts_info == FTS_F && is_source(sl_view_str(e->fts_path));
        r = file ? add_file(c, e->fts_path) : SL_DONE;
    }
    if (tree != NULL) {
        (void)fts_close(tree);
    }
    free(path);
    return r;
}

sl_res sl_feed_update(const char *from, const char *path, int64_t now_ms, sl_feed_report report,
                      void *context, sl_feed_state *ret)
{
    SL_OWN(sl_buf, whole, sl_buf_free) = { .max = SL_FEED_BYTES_MAX };
    collection c = { .records = { .max = SL_FEED_BYTES_MAX - 4096 },
                     .report = report,
                     .context = context };
    c.state.made_ms = now_ms;
    sl_res r = sl_path_exists(AT_FDCWD, from) ? collect(&c, from) : sl_fail(SL_E_NOT_FOUND);
    if (sl_ok(r) && c.state.records == 0) {
        r = sl_fail_at(SL_E_NOT_FOUND, "advisories: OSV records in *.json or *.jsonl files",
                       SL_NOWHERE);
    }
    if (sl_ok(r)) {
        sl_json_writer w;
        sl_json_writer_init(&w, &whole);
        sl_json_object_begin(&w);
        sl_json_put_int(&w, "stoplog_feed", 1);
        sl_json_put_int(&w, "made_ms", now_ms);
        sl_json_put_uint(&w, "records", c.state.records);
        sl_json_put_str(&w, "newest", c.state.newest);
        sl_json_object_end(&w);
        r = sl_json_finish(&w);
    }
    if (sl_ok(r)) {
        r = sl_buf_add_byte(&whole, '\n');
    }
    if (sl_ok(r)) {
        r = sl_buf_add(&whole, sl_buf_view(&c.records));
    }
    sl_buf_free(&c.records);
    SL_TRY(r);
    SL_TRY(sl_file_replace(AT_FDCWD, path, sl_buf_view(&whole), 0644));
    *ret = c.state;
    return SL_DONE;
}

static sl_res read_head(sl_view line, sl_feed_state *ret)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    int64_t version = 0;
    SL_TRY(sl_json_parse(line, &doc));
    const sl_json_node *root = sl_json_root(&doc);
    const sl_json_node *newest = sl_json_get_kind(&doc, root, "newest", SL_JSON_STRING);
    if (!sl_ok(sl_json_i64(sl_json_get(&doc, root, "stoplog_feed"), &version)) || version != 1 ||
        newest == NULL || newest->raw.n >= sizeof ret->newest) {
        return sl_fail_at(SL_E_VERSION, "feed of advisories; make it anew with 'inventory update'",
                          SL_NOWHERE);
    }
    SL_TRY(sl_json_i64(sl_json_get(&doc, root, "made_ms"), &ret->made_ms));
    SL_TRY(sl_json_u64(sl_json_get(&doc, root, "records"), &ret->records));
    memcpy(ret->newest, newest->raw.p, newest->raw.n);
    ret->newest[newest->raw.n] = 0;
    return SL_DONE;
}

static sl_res match_all(sl_view feed, const sl_packages *packages, sl_advisory_found found,
                        void *context, sl_feed_state *ret)
{
    sl_view line;
    sl_view rest;
    uint64_t records = 0;
    char modified[32];
    bool more = sl_view_cut(feed, '\n', &line, &rest);
    SL_TRY(read_head(line, ret));
    while (more && rest.n > 0) {
        more = sl_view_cut(rest, '\n', &line, &rest);
        SL_TRY(sl_advisory_match(line, packages, found, context, modified));
        records++;
    }
    if (records != ret->records) {
        return sl_fail_at(SL_E_INTEGRITY,
                          "feed of advisories; make it anew with 'inventory update'", records);
    }
    return SL_DONE;
}

/* The feed is only ever replaced by renaming, so the mapped file does not shrink under us. */
sl_res sl_feed_match(const char *path, const sl_packages *packages, sl_advisory_found found,
                     void *context, sl_feed_state *ret)
{
    struct stat st;
    SL_OWN(int, fd, sl_fd_close) = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return sl_fail_os(SL_E_NOT_FOUND, "feed of advisories; make one with 'inventory update'");
    }
    SL_NEED(S_ISREG(st.st_mode) && st.st_size > 0, SL_E_VERSION);
    size_t n = (size_t)st.st_size;
    void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        return sl_fail_os(SL_E_IO, "feed of advisories");
    }
    sl_res r = match_all(sl_view_of(p, n), packages, found, context, ret);
    (void)munmap(p, n);
    return r;
}
