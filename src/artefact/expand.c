/* Decompression (expand.h). zlib is driven directly, everything else through libarchive's filters. Input is
 * copied before a library sees it, since a view dies at the next call on any source. */
#include "artefact/expand.h"

#include <archive.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "artefact/crc32.h"
#include "artefact/scan_impl.h"
#include "artefact/source_impl.h"

#define INPUT_BYTES ((size_t)64 << 10)
#define OUTPUT_BYTES SL_SOURCE_CHUNK_BYTES
#define KEPT_EACH_MAX ((size_t)8 << 20)
#define KEPT_ALL_MAX ((size_t)24 << 20)
/* A result this small is let through at any ratio: empty tables compress well. */
#define RATIO_FREE_BYTES ((uint64_t)1 << 20)

typedef struct {
    sl_source *packed; /* borrowed */
    sl_codec codec;
    z_stream z;
    struct archive *archive;
    uint64_t at; /* of the next input byte to fetch */
    uint8_t *input;
    bool begun;
    bool ended;
    sl_res failed; /* of reading inside of a call-back */
} decoder;

static void decoder_end(decoder *d)
{
    if (d->begun && d->codec != SL_CODEC_OTHER) {
        (void)inflateEnd(&d->z);
    }
    if (d->archive != NULL) {
        (void)archive_read_free(d->archive);
    }
    free(d->input);
    d->archive = NULL;
    d->input = NULL;
    d->begun = false;
    d->ended = false;
    d->at = 0;
}

static sl_res fetch(decoder *d, size_t *ret_n)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_some(d->packed, d->at, &v));
    size_t n = v.n < INPUT_BYTES ? v.n : INPUT_BYTES;
    if (n != 0) {
        memcpy(d->input, v.p, n);
    }
    d->at += n;
    *ret_n = n;
    return SL_DONE;
}

static ssize_t archive_input(struct archive *a, void *ctx, const void **ret_bytes)
{
    decoder *d = ctx;
    size_t n = 0;
    d->failed = fetch(d, &n);
    *ret_bytes = d->input;
    if (!sl_ok(d->failed)) {
        archive_set_error(a, ARCHIVE_FATAL, "input");
        return -1;
    }
    return (ssize_t)n;
}

static sl_res begin_other(decoder *d)
{
    struct archive_entry *entry = NULL;
    d->archive = archive_read_new();
    SL_NEED(d->archive != NULL, SL_E_MEMORY);
    (void)archive_read_support_filter_bzip2(d->archive);
    (void)archive_read_support_filter_xz(d->archive);
    (void)archive_read_support_filter_lzma(d->archive);
    (void)archive_read_support_filter_zstd(d->archive);
    (void)archive_read_support_filter_lz4(d->archive);
    (void)archive_read_support_format_raw(d->archive);
    d->failed = SL_DONE;
    bool good = archive_read_open(d->archive, d, NULL, archive_input, NULL) == ARCHIVE_OK &&
                archive_read_next_header(d->archive, &entry) == ARCHIVE_OK &&
                archive_filter_count(d->archive) == 2; /* the codec and the file itself */
    SL_TRY(d->failed);
    return good ? SL_DONE : sl_fail_at(SL_E_SYNTAX, "compressed data", 0);
}

static sl_res decoder_begin(decoder *d)
{
    d->input = malloc(INPUT_BYTES);
    SL_NEED(d->input != NULL, SL_E_MEMORY);
    if (d->codec == SL_CODEC_OTHER) {
        d->begun = true;
        return begin_other(d);
    }
    int window = d->codec == SL_CODEC_DEFLATE ? -15 : d->codec == SL_CODEC_ZLIB ? 15 : 31;
    d->z = (z_stream){ 0 };
    SL_NEED(inflateInit2(&d->z, window) == Z_OK, SL_E_MEMORY);
    d->begun = true;
    return SL_DONE;
}

/* After one gzip member: another right behind it goes on, anything else is left. */
static sl_res next_member(decoder *d)
{
    uint64_t here = d->at - d->z.avail_in;
    sl_view v = { 0 };
    d->ended = true;
    if (d->codec != SL_CODEC_GZIP) {
        return SL_DONE;
    }
    SL_TRY(sl_source_at(d->packed, here, 2, &v));
    if (v.n == 2 && v.p[0] == 0x1f && v.p[1] == 0x8b) {
        d->ended = inflateReset(&d->z) != Z_OK;
    }
    return SL_DONE;
}

static sl_res inflate_some(decoder *d, uint8_t *to, size_t room, size_t *ret_got)
{
    size_t got = 0;
    while (got < room && !d->ended) {
        if (d->z.avail_in == 0) {
            size_t n = 0;
            SL_TRY(fetch(d, &n));
            d->z.next_in = d->input;
            d->z.avail_in = (uInt)n;
        }
        bool dry = d->z.avail_in == 0;
        d->z.next_out = to + got;
        d->z.avail_out = (uInt)(room - got);
        int done = inflate(&d->z, Z_NO_FLUSH);
        size_t made = room - got - d->z.avail_out;
        got += made;
        if (done == Z_STREAM_END) {
            SL_TRY(next_member(d));
        } else if (done == Z_MEM_ERROR) {
            return sl_fail(SL_E_MEMORY);
        } else if (done != Z_OK && !(done == Z_BUF_ERROR && !dry)) {
            return sl_fail_at(dry ? SL_E_TRUNCATED : SL_E_SYNTAX, "compressed data",
                              d->at - d->z.avail_in);
        }
    }
    *ret_got = got;
    return SL_DONE;
}

static sl_res archive_some(decoder *d, uint8_t *to, size_t room, size_t *ret_got)
{
    size_t got = 0;
    while (got < room && !d->ended) {
        la_ssize_t n = archive_read_data(d->archive, to + got, room - got);
        SL_TRY(d->failed);
        if (n < 0) {
            return sl_fail_at(SL_E_SYNTAX, "compressed data", d->at);
        }
        d->ended = n == 0;
        got += (size_t)n;
    }
    *ret_got = got;
    return SL_DONE;
}

/* The next bytes; fewer than `room` only at the end. */
static sl_res decoder_some(decoder *d, uint8_t *to, size_t room, size_t *ret_got)
{
    if (!d->begun) {
        SL_TRY(decoder_begin(d));
    }
    return d->codec == SL_CODEC_OTHER ? archive_some(d, to, room, ret_got)
                                      : inflate_some(d, to, room, ret_got);
}

/* ---- the source ---- */

typedef struct {
    sl_source base;
    sl_source *packed;
    sl_scan *scan;
    decoder decoder;
    uint64_t reached; /* of the result, by the decoder */
    uint8_t *passed;  /* for what is decompressed only to be passed over */
    sl_source *inner; /* keeps chunks */
    sl_buf kept;      /* the whole result, if it is small */
} expanding;

/* Goes to `offset` and reads; back means from the start, and is paid for. */
static sl_res read_again(void *ctx, uint64_t offset, void *to, size_t n, size_t *ret_got)
{
    expanding *e = ctx;
    if (offset < e->reached) {
        decoder_end(&e->decoder);
        e->reached = 0;
    }
    while (e->reached < offset) {
        uint64_t gap = offset - e->reached;
        size_t got = 0;
        SL_TRY(decoder_some(&e->decoder, e->passed, gap < OUTPUT_BYTES ? (size_t)gap : OUTPUT_BYTES,
                            &got));
        SL_TRY(sl_scan_spend(e->scan, SL_SPEND_EXPANDED, got));
        if (got == 0) {
            return sl_fail_at(SL_E_INTEGRITY, "compressed data", offset);
        }
        e->reached += got;
    }
    SL_TRY(decoder_some(&e->decoder, to, n, ret_got));
    e->reached += *ret_got;
    return sl_scan_spend(e->scan, SL_SPEND_EXPANDED, *ret_got);
}

static sl_res need_inner(expanding *e)
{
    if (e->inner != NULL) {
        return SL_DONE;
    }
    if (e->passed == NULL) {
        e->passed = malloc(OUTPUT_BYTES);
        SL_NEED(e->passed != NULL, SL_E_MEMORY);
    }
    return sl_source_reader(read_again, e, e->base.size, &e->inner);
}

static sl_res expanding_at(sl_source *self, uint64_t offset, size_t want, sl_view *ret_view)
{
    expanding *e = (expanding *)self;
    if (e->kept.n != 0) {
        *ret_view = sl_view_of(e->kept.p + offset, want);
        return SL_DONE;
    }
    SL_TRY(need_inner(e));
    return sl_source_at(e->inner, offset, want, ret_view);
}

static sl_res expanding_some(sl_source *self, uint64_t offset, sl_view *ret_view)
{
    expanding *e = (expanding *)self;
    if (e->kept.n != 0) {
        *ret_view = sl_view_sub(sl_buf_view(&e->kept), (size_t)offset,
                                (size_t)offset + SL_SOURCE_WINDOW_MAX);
        return SL_DONE;
    }
    SL_TRY(need_inner(e));
    return sl_source_some(e->inner, offset, ret_view);
}

static void expanding_end(sl_source *self)
{
    expanding *e = (expanding *)self;
    decoder_end(&e->decoder);
    e->scan->held -= e->kept.n;
    sl_buf_free(&e->kept);
    free(e->passed);
    sl_source_drop(e->inner);
    sl_source_drop(e->packed);
}

static const sl_source_ops expanding_ops = { expanding_at, expanding_some, expanding_end };

/* ---- the first pass ---- */

static sl_res check_ratio(expanding *e, const sl_expanded *about)
{
    uint64_t used = about->used == 0 ? 1 : about->used;
    if (about->size <= RATIO_FREE_BYTES || about->size / used <= e->scan->budget->ratio) {
        return SL_DONE;
    }
    sl_scan_partial(e->scan);
    sl_scan_reportf(e->scan, SL_RULE_COMPRESS_RATIO, 0, "%llu bytes from %llu",
                    (unsigned long long)about->size, (unsigned long long)about->used);
    return sl_fail_at(SL_E_LIMIT, "ratio", about->used);
}

static void keep_or_forget(expanding *e, sl_view piece, bool *keep)
{
    if (!*keep) {
        return;
    }
    *keep =
        e->scan->held + e->kept.n + piece.n <= KEPT_ALL_MAX && sl_ok(sl_buf_add(&e->kept, piece));
    if (!*keep) {
        sl_buf_free(&e->kept);
    }
}

static sl_res pass_once(expanding *e, sl_expanded *about)
{
    bool keep = true;
    size_t got = OUTPUT_BYTES;
    e->kept.max = KEPT_EACH_MAX;
    e->passed = malloc(OUTPUT_BYTES);
    SL_NEED(e->passed != NULL, SL_E_MEMORY);
    while (got == OUTPUT_BYTES) {
        SL_TRY(decoder_some(&e->decoder, e->passed, OUTPUT_BYTES, &got));
        about->size += got;
        about->used =
            e->decoder.at - (e->decoder.codec == SL_CODEC_OTHER ? 0 : e->decoder.z.avail_in);
        about->crc = sl_crc32(about->crc, sl_view_of(e->passed, got));
        SL_TRY(sl_scan_spend(e->scan, SL_SPEND_EXPANDED, got));
        SL_TRY(check_ratio(e, about));
        keep_or_forget(e, sl_view_of(e->passed, got), &keep);
    }
    decoder_end(&e->decoder);
    free(e->passed);
    e->passed = NULL;
    e->scan->held += e->kept.n;
    return SL_DONE;
}

sl_res sl_expand(sl_scan *scan, sl_source *packed, sl_codec codec, sl_expanded *ret_about,
                 sl_source **ret_source)
{
    expanding *e = calloc(1, sizeof *e);
    SL_NEED(e != NULL, SL_E_MEMORY);
    *ret_about = (sl_expanded){ 0 };
    e->base = (sl_source){ .ops = &expanding_ops, .refs = 1 };
    e->packed = sl_source_keep(packed);
    e->scan = scan;
    e->decoder = (decoder){ .packed = packed, .codec = codec };
    sl_res r = pass_once(e, ret_about);
    if (!sl_ok(r)) {
        sl_buf_free(&e->kept);
        sl_source_drop(&e->base);
        return r;
    }
    e->base.size = ret_about->size;
    *ret_source = &e->base;
    return SL_DONE;
}

sl_res sl_source_crc(sl_source *source, uint32_t *ret_crc)
{
    uint32_t crc = 0;
    uint64_t at = 0;
    while (at < sl_source_size(source)) {
        sl_view v = { 0 };
        SL_TRY(sl_source_some(source, at, &v));
        crc = sl_crc32(crc, v);
        at += v.n;
    }
    *ret_crc = crc;
    return SL_DONE;
}
