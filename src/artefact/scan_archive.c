/* 7z and RAR archives through libarchive: their members are expanded into memory, one at a time and within
 * the budgets, and scanned as what they are. Which member comes out how is the library's to say, so these
 * formats are never clean by themselves where it warns. nullifAI's models were 7z files. cpio is left out:
 * the library asks for as much memory as a name claims to be long. */
#include <errno.h>

#include <archive.h>
#include <archive_entry.h>

#include "artefact/scan_impl.h"
#include "base/limits.h"

#define MEMBER_BYTES_MAX ((size_t)64 << 20)
#define PIECE_BYTES ((size_t)64 << 10)

typedef struct {
    sl_source *source;
    uint64_t at;
    sl_res failed; /* the source's own failure, which libarchive cannot carry */
} input;

sl_identity sl_identify_archive(const sl_probe *probe)
{
    bool seven = sl_probe_begins(probe, "7z\xbc\xaf\x27\x1c", 6);
    bool rar = sl_probe_begins(probe, "Rar!\x1a\x07", 6);
    return seven || rar ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

static la_ssize_t read_next(struct archive *a, void *ctx, const void **ret_bytes)
{
    input *in = ctx;
    sl_view view = { 0 };
    sl_res r = sl_source_at(in->source, in->at, PIECE_BYTES, &view);
    if (!sl_ok(r)) {
        in->failed = r;
        archive_set_error(a, EIO, "source");
        return ARCHIVE_FATAL;
    }
    in->at += view.n;
    *ret_bytes = view.p;
    return (la_ssize_t)view.n;
}

static la_int64_t skip(struct archive *a, void *ctx, la_int64_t request)
{
    (void)a;
    input *in = ctx;
    uint64_t left = sl_source_size(in->source) - in->at;
    uint64_t step = request > 0 && (uint64_t)request < left ? (uint64_t)request : left;
    in->at += step;
    return (la_int64_t)step;
}

static la_int64_t seek(struct archive *a, void *ctx, la_int64_t offset, int whence)
{
    (void)a;
    input *in = ctx;
    int64_t size = (int64_t)sl_source_size(in->source);
    int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (int64_t)in->at : size;
    int64_t to = 0;
    if (__builtin_add_overflow(from, offset, &to) || to < 0 || to > size) {
        return ARCHIVE_FATAL;
    }
    in->at = (uint64_t)to;
    return to;
}

static struct archive *open_archive(input *in)
{
    struct archive *a = archive_read_new();
    bool open = a != NULL && archive_read_support_format_7zip(a) == ARCHIVE_OK &&
                archive_read_support_format_rar(a) == ARCHIVE_OK &&
                archive_read_support_format_rar5(a) == ARCHIVE_OK &&
                archive_read_set_read_callback(a, read_next) == ARCHIVE_OK &&
                archive_read_set_skip_callback(a, skip) == ARCHIVE_OK &&
                archive_read_set_seek_callback(a, seek) == ARCHIVE_OK &&
                archive_read_set_callback_data(a, in) == ARCHIVE_OK &&
                archive_read_open1(a) == ARCHIVE_OK;
    if (!open && a != NULL) {
        (void)archive_read_free(a);
        a = NULL;
    }
    return a;
}

/* The member's bytes. Beyond the ratio or the budget it is SL_E_LIMIT. */
static sl_res expand(sl_scan *scan, struct archive *a, uint64_t packed, sl_buf *out)
{
    const sl_scan_budget *budget = sl_scan_budget_get(scan);
    for (;;) {
        SL_TRY(sl_buf_reserve(out, PIECE_BYTES));
        la_ssize_t n = archive_read_data(a, out->p + out->n, PIECE_BYTES);
        if (n == 0) {
            return SL_DONE;
        }
        if (n < 0) {
            return sl_fail_at(SL_E_SYNTAX, "member of an archive", out->n);
        }
        out->n += (size_t)n;
        SL_TRY(sl_scan_spend(scan, SL_SPEND_EXPANDED, (uint64_t)n));
        if (out->n > SL_MIB && out->n / budget->ratio > packed) {
            return sl_fail_at(SL_E_LIMIT, "ratio", budget->ratio);
        }
    }
}

static sl_res take_member(sl_scan *scan, struct archive *a, struct archive_entry *entry,
                          uint64_t packed)
{
    const char *text = archive_entry_pathname(entry);
    sl_view name = text != NULL ? sl_view_str(text) : SL_LIT("(no name)");
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = MEMBER_BYTES_MAX };
    SL_OWN(sl_source *, member, sl_source_free) = NULL;
    (void)sl_scan_path(scan, name, SL_NOWHERE);
    if (archive_entry_is_encrypted(entry) != 0) {
        sl_scan_report(scan, SL_RULE_ARCHIVE_ENCRYPTED, SL_NOWHERE, name);
        return SL_DONE;
    }
    if (archive_entry_filetype(entry) == AE_IFDIR) {
        return SL_DONE;
    }
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != NULL) {
        sl_scan_report(scan, SL_RULE_ARCHIVE_LINK, SL_NOWHERE, name);
        return SL_DONE;
    }
    SL_TRY(expand(scan, a, packed, &bytes));
    SL_TRY(sl_source_buffer(&bytes, &member));
    return sl_scan_member(scan, name, member);
}

static sl_res take_all(sl_scan *scan, struct archive *a, input *in)
{
    for (;;) {
        struct archive_entry *entry = NULL;
        int r = archive_read_next_header(a, &entry);
        if (r == ARCHIVE_EOF) {
            return SL_DONE;
        }
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
            SL_TRY(in->failed);
            return sl_fail_at(SL_E_SYNTAX, "archive", in->at);
        }
        if (r == ARCHIVE_WARN) {
            sl_scan_report_str(scan, SL_RULE_ARCHIVE_ODD, in->at, "");
        }
        SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, 1));
        SL_TRY(take_member(scan, a, entry, sl_source_size(in->source)));
    }
}

sl_res sl_scan_archive(sl_scan *scan, sl_source *source)
{
    input in = { .source = source, .failed = SL_DONE };
    struct archive *a = open_archive(&in);
    if (a == NULL) {
        SL_TRY(in.failed);
        return sl_fail_at(SL_E_SYNTAX, "archive", 0);
    }
    sl_res r = take_all(scan, a, &in);
    (void)archive_read_free(a);
    return r;
}
