/* Records, keys and a progress bar for `stoplog echo` (echo_files.h). Files are read in pieces; no
 * more than one record is held. */
#include "cli/echo_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artefact/record.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"

#define PART_BYTES ((size_t)65536)
#define HEAD_BYTES ((size_t)65536)
#define BAR_CELLS 30
#define BAR_EVERY_NS 200000000U

/* ---- the bar ------------------------------------------------------------------------------------- */

void sl_echo_bar_add(sl_echo_bar *bar, uint64_t bytes)
{
    bar->done += bytes;
    uint64_t now = sl_clock_mono_ns();
    if (!bar->shown || now - bar->drawn_ns < BAR_EVERY_NS || bar->all == 0) {
        return;
    }
    bar->drawn_ns = now;
    char cells[BAR_CELLS + 1];
    double share = (double)bar->done / (double)bar->all;
    share = share > 1 ? 1 : share;
    for (int i = 0; i < BAR_CELLS; i++) {
        cells[i] = i < (int)(share * BAR_CELLS) ? '#' : '.';
    }
    cells[BAR_CELLS] = 0;
    (void)fprintf(stderr, "\r%s [%s] %3.0f %% of %.1f MB ", bar->what, cells, share * 100,
                  (double)bar->all / 1e6);
}

void sl_echo_bar_end(sl_echo_bar *bar)
{
    if (bar->shown && bar->drawn_ns != 0) {
        (void)fputs("\r\033[K", stderr);
    }
    bar->drawn_ns = 0;
}

/* ---- files --------------------------------------------------------------------------------------- */

typedef struct {
    sl_echo_sink sink;
    sl_echo_bar *bar;
    sl_format format;
    sl_buf text;
    sl_buf piece;
    uint64_t number; /* of the document read last, plus one */
} reading;

static void free_reading(reading *r)
{
    sl_buf_free(&r->text);
    sl_buf_free(&r->piece);
}

static sl_res join_cells(const sl_cell *cells, size_t count, sl_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        SL_TRY(sl_buf_add(out, cells[i].value));
        SL_TRY(sl_buf_add_byte(out, '\n'));
    }
    return SL_DONE;
}

static sl_res take_record(void *ctx, const sl_record *record)
{
    reading *r = ctx;
    sl_buf_clear(&r->text);
    SL_TRY(join_cells(record->cells, record->cell_count, &r->text));
    bool continues = record->part > 0 && r->number == record->number + 1;
    r->number = record->number + 1;
    return r->sink.take(r->sink.ctx, sl_buf_view(&r->text), continues, record->offset,
                        record->length);
}

static sl_res open_regular(const char *path, int *ret_fd, uint64_t *ret_bytes)
{
    struct stat st;
    SL_OWN(int, fd, sl_fd_close) = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return sl_fail_os(errno == ENOENT ? SL_E_NOT_FOUND : SL_E_IO, "file");
    }
    if (fstat(fd, &st) != 0) {
        return sl_fail_os(SL_E_IO, "file");
    }
    if (!S_ISREG(st.st_mode)) {
        return sl_fail_at(SL_E_TYPE, "file: not a regular one", SL_NOWHERE);
    }
    *ret_bytes = (uint64_t)st.st_size;
    *ret_fd = fd;
    fd = -1;
    return SL_DONE;
}

sl_res sl_echo_file_size(const char *path, uint64_t *ret_bytes)
{
    SL_OWN(int, fd, sl_fd_close) = -1;
    return open_regular(path, &fd, ret_bytes);
}

static sl_res each_piece(reading *r, int fd, uint64_t bytes,
                         sl_res (*each)(void *ctx, sl_view piece), void *ctx)
{
    for (uint64_t at = 0; at < bytes; at += r->piece.n) {
        uint64_t left = bytes - at;
        r->piece.n = left < r->piece.cap ? (size_t)left : r->piece.cap;
        SL_TRY(sl_fd_pread_all(fd, r->piece.p, r->piece.n, at));
        SL_TRY(each(ctx, sl_buf_view(&r->piece)));
    }
    return SL_DONE;
}

static sl_res feed_encoding(void *ctx, sl_view piece)
{
    sl_encoding_feed(ctx, piece);
    return SL_DONE;
}

typedef struct {
    reading *r;
    sl_reader *reader; /* NULL: bytes */
    uint64_t offset;
} feeding;

static sl_res feed_records(void *ctx, sl_view piece)
{
    feeding *f = ctx;
    sl_echo_bar_add(f->r->bar, piece.n);
    if (f->reader != NULL) {
        return sl_reader_feed(f->reader, piece);
    }
    for (size_t at = 0; at < piece.n; at += PART_BYTES) {
        sl_view part = sl_view_sub(piece, at, at + PART_BYTES);
        SL_TRY(f->r->sink.take(f->r->sink.ctx, part, f->offset != 0, f->offset, part.n));
        f->offset += part.n;
    }
    return SL_DONE;
}

static bool is_readable(sl_format format)
{
    return format != SL_FORMAT_BINARY && format != SL_FORMAT_XPT && format != SL_FORMAT_SAS7BDAT;
}

static sl_res read_records(reading *r, int fd, uint64_t bytes, sl_encoding encoding)
{
    sl_record_sink sink = { .ctx = r, .record = take_record };
    sl_reader_options options = { .format = r->format, .encoding = encoding };
    SL_OWN(sl_reader *, reader, sl_reader_free) = NULL;
    if (is_readable(r->format)) {
        SL_TRY(sl_reader_new(&options, sink, &reader));
    }
    feeding f = { .r = r, .reader = reader };
    SL_TRY(each_piece(r, fd, bytes, feed_records, &f));
    return reader == NULL ? SL_DONE : sl_reader_finish(reader, NULL);
}

sl_res sl_echo_file_read(const char *path, sl_echo_sink sink, sl_echo_bar *bar)
{
    SL_OWN(int, fd, sl_fd_close) = -1;
    SL_OWN(reading, r, free_reading) = { .sink = sink,
                                         .bar = bar,
                                         .text.max = 2 * SL_DOCUMENT_BYTES_MAX,
                                         .piece.max = SL_READER_PIECE_BYTES };
    sl_encoding_scan scan = { 0 };
    uint64_t bytes = 0;
    SL_TRY(open_regular(path, &fd, &bytes));
    SL_NEED(bytes <= SL_ECHO_FILE_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_buf_reserve(&r.piece, SL_READER_PIECE_BYTES));
    SL_TRY(each_piece(&r, fd, bytes, feed_encoding, &scan));
    sl_encoding encoding = sl_encoding_decide(&scan);
    size_t head = bytes < HEAD_BYTES ? (size_t)bytes : HEAD_BYTES;
    SL_TRY(sl_fd_pread_all(fd, r.piece.p, head, 0));
    const char *slash = strrchr(path, '/');
    r.format = sl_format_detect(sl_view_of(r.piece.p, head),
                                sl_view_str(slash == NULL ? path : slash + 1), encoding);
    return read_records(&r, fd, bytes, encoding);
}

sl_res sl_echo_file_part(int dir_fd, const char *path, uint64_t offset, size_t n, sl_buf *out)
{
    SL_OWN(int, fd, sl_fd_close) = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return sl_fail_os(errno == ENOENT ? SL_E_NOT_FOUND : SL_E_IO, "source of the record");
    }
    SL_TRY(sl_buf_reserve(out, n));
    while (n > 0) {
        ssize_t got = pread(fd, out->p + out->n, n, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return sl_fail_os(SL_E_IO, "source of the record");
        }
        if (got == 0) {
            break;
        }
        out->n += (size_t)got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return SL_DONE;
}

/* ---- keys ---------------------------------------------------------------------------------------- */

sl_res sl_echo_key_read(const char *path, uint8_t ret_key[32])
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 256 };
    SL_TRY(sl_file_read(AT_FDCWD, path, &bytes));
    sl_view text = sl_buf_view(&bytes);
    if (text.n == 32) {
        memcpy(ret_key, text.p, 32);
        return SL_DONE;
    }
    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r')) {
        text.n--;
    }
    if (text.n != 64 || !sl_ok(sl_hex_decode(text, ret_key, 32))) {
        return sl_fail_at(SL_E_KEY, "key file: 32 bytes or 64 hex digits", SL_NOWHERE);
    }
    return SL_DONE;
}

sl_res sl_echo_key_make(const char *path, uint8_t ret_key[32])
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 128 };
    SL_TRY(sl_random_bytes(ret_key, 32));
    SL_TRY(sl_hex_add(&text, sl_view_of(ret_key, 32)));
    SL_TRY(sl_buf_add_byte(&text, '\n'));
    return sl_file_create(AT_FDCWD, path, sl_buf_view(&text), 0600);
}
