/* stoplog release review (release.h): signs to read what is held, has the door write the review copy into memory, and
 * prints it. What stands in it was written by whoever asks to let it out: nothing of it may act on the terminal. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/release.h"
#include "doors/release/protocol.h"

#define COPY_BYTES_MAX ((size_t)64 * SL_MIB)

static sl_view word(const sl_json_doc *doc, const char *name)
{
    const sl_json_node *node = sl_json_get_kind(doc, sl_json_root(doc), name, SL_JSON_STRING);
    return node == NULL ? (sl_view){ 0 } : node->raw;
}

static sl_res sign(sl_admin *admin, const sl_cli *cli, const sl_json_doc *doc)
{
    sl_statement s = { .action = SL_ACTION_RELEASE_REVIEW };
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_TRY(sl_name_set(s.compartment, word(doc, "compartment")));
    SL_TRY(sl_item_set(s.item, word(doc, "id")));
    SL_TRY(sl_digest_parse(word(doc, "digest"), &s.hash));
    SL_TRY(sl_admin_open(cli, admin));
    SL_TRY(sl_admin_keys_default(admin));
    memcpy(s.site, admin->site, sizeof s.site);
    return sl_admin_submit(admin, &s, &answer);
}

/* ---- printing ---- */

/* What turns a line round, joins or parts letters unseen, or steers a terminal. */
static bool is_unseen(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        { 0x00, 0x08 },      { 0x0B, 0x1F },     { 0x7F, 0x9F },     { 0xAD, 0xAD },
        { 0x61C, 0x61C },    { 0x180E, 0x180E }, { 0x200B, 0x200F }, { 0x2028, 0x202E },
        { 0x2060, 0x206F },  { 0xFE00, 0xFE0F }, { 0xFEFF, 0xFEFF }, { 0xFFF0, 0xFFFB },
        { 0xE0000, 0xE0FFF }
    };
    for (size_t i = 0; i < SL_COUNT_OF(ranges); i++) {
        if (c >= ranges[i][0] && c <= ranges[i][1]) {
            return true;
        }
    }
    return false;
}

/* The values of a table's row come one on a line; here they stand beside one another. */
static void print_text(sl_view text, bool row)
{
    size_t length = 1;
    for (size_t at = 0; at < text.n; at += length) {
        uint32_t c = sl_utf8_next(text, at, &length);
        if (row && c == '\n') {
            (void)printf("%s", at + 1 == text.n ? "" : " | ");
        } else if (c == SL_UTF8_BAD || is_unseen(c)) {
            (void)printf("<U+%04X>", c == SL_UTF8_BAD ? 0xFFFD : c);
        } else {
            (void)fwrite(text.p + at, 1, length, stdout);
        }
    }
}

static bool is_table(sl_view format)
{
    return sl_view_eq_str(format, "csv") || sl_view_eq_str(format, "tsv") ||
           sl_view_eq_str(format, "xpt") || sl_view_eq_str(format, "sas7bdat");
}

typedef struct {
    uint64_t start;
    uint64_t end;
    sl_view class;
} a_mark;

static sl_res read_mark(const sl_json_doc *doc, const sl_json_node *node, size_t n, a_mark *ret)
{
    SL_TRY(sl_json_u64(sl_json_get(doc, node, "start"), &ret->start));
    SL_TRY(sl_json_u64(sl_json_get(doc, node, "end"), &ret->end));
    const sl_json_node *class = sl_json_get_kind(doc, node, "class", SL_JSON_STRING);
    SL_NEED(class != NULL && ret->start < ret->end && ret->end <= n, SL_E_SYNTAX);
    ret->class = class->raw;
    return SL_DONE;
}

/* Marks come in order of their start; what begins inside of one that is printed is part of it. */
static sl_res print_marked(const sl_json_doc *doc, sl_view text, bool row)
{
    bool shade = isatty(STDOUT_FILENO) == 1;
    const sl_json_node *marks = sl_json_get(doc, sl_json_root(doc), "marks");
    sl_json_iter it = { 0 };
    size_t at = 0;
    while (sl_json_is(marks, SL_JSON_ARRAY) && sl_json_each(doc, marks, &it)) {
        a_mark m;
        SL_TRY(read_mark(doc, it.value, text.n, &m));
        if (m.start < at) {
            continue;
        }
        print_text(sl_view_sub(text, at, m.start), row);
        (void)printf("%s[%.*s: ", shade ? "\033[7m" : "", SL_FMT(m.class));
        print_text(sl_view_sub(text, m.start, m.end), row);
        (void)printf("]%s", shade ? "\033[0m" : "");
        at = m.end;
    }
    print_text(sl_view_sub(text, at, text.n), row);
    return SL_DONE;
}

static sl_res print_line(const sl_cli *cli, sl_view line, bool row)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    bool continues = false;
    if (cli->json) {
        return sl_cli_line(line);
    }
    SL_TRY(sl_json_parse(line, &doc));
    const sl_json_node *node = sl_json_get_kind(&doc, sl_json_root(&doc), "text", SL_JSON_STRING);
    SL_NEED(node != NULL, SL_E_SYNTAX);
    SL_TRY(sl_json_add_text(node, &text));
    SL_TRY(sl_json_bool(sl_json_get(&doc, sl_json_root(&doc), "continues"), &continues));
    if (!continues) {
        (void)printf("%s", row ? "\n" : "----\n");
    }
    return print_marked(&doc, sl_buf_view(&text), row);
}

static sl_res print_copy(const sl_cli *cli, int fd, bool table)
{
    SL_OWN(sl_buf, copy, sl_buf_free) = { .max = COPY_BYTES_MAX };
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return sl_fail_os(SL_E_IO, "review copy");
    }
    SL_TRY(sl_fd_read_all(fd, &copy));
    sl_view rest = sl_buf_view(&copy);
    while (rest.n != 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        SL_TRY(line.n == 0 ? SL_DONE : print_line(cli, line, table));
    }
    return SL_DONE;
}

static sl_res tell_end(const sl_cli *cli, const sl_json_doc *doc, bool table)
{
    bool complete = false;
    uint64_t texts = 0;
    SL_TRY(sl_json_bool(sl_json_get(doc, sl_json_root(doc), "complete"), &complete));
    SL_TRY(sl_json_u64(sl_json_get(doc, sl_json_root(doc), "texts"), &texts));
    if (!cli->json) {
        (void)printf("%s----\n%s\n", table ? "\n" : "",
                     texts == 0 ? "there is no text in it that could be shown"
                     : complete ? "that is all of its text"
                                : "there is more, which is not shown");
    }
    return SL_DONE;
}

static sl_res review(const sl_cli *cli, const char *prefix, sl_admin *admin)
{
    sl_release_ask ask = { 0 };
    SL_OWN(sl_buf, found, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_json_doc, told, sl_json_doc_free) = { 0 };
    SL_TRY(sl_cli_release_find(cli, prefix, &doc, &found));
    SL_TRY(sign(admin, cli, &doc));
    (void)snprintf(ask.id, sizeof ask.id, "%.*s", SL_FMT(word(&doc, "id")));
    SL_OWN(int, fd, sl_fd_close) = memfd_create("review", MFD_CLOEXEC); /* never on a disk */
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "review copy");
    }
    SL_TRY(sl_release_call(cli->site, SL_RELEASE_REVIEW, &ask, fd, &reply));
    SL_TRY(sl_json_parse(sl_buf_view(&reply), &told));
    SL_TRY(sl_cli_release_result(&told));
    sl_view line;
    sl_view rest;
    (void)sl_view_cut(sl_buf_view(&found), '\n', &line, &rest);
    SL_TRY(sl_cli_release_print(cli, line));
    bool table = is_table(word(&doc, "format"));
    SL_TRY(print_copy(cli, fd, table));
    return cli->json ? sl_cli_line(sl_buf_view(&reply)) : tell_end(cli, &told, table);
}

int sl_cli_release_review(sl_cli *cli, const char *prefix, sl_admin *admin)
{
    sl_res r = review(cli, prefix, admin);
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "release review", r);
}
