/* Models that are numbers and words in a layout of their own: fastText, word2vec, CatBoost, MATLAB's files.
 * None of them holds code, except what MATLAB calls objects and function handles; each is read to its last
 * byte, so that nothing hides behind the numbers. What its layout does not account for is malformed.
 * Source: fastText's fasttext.cc and productquantizer.cc (version 12), word2vec.c, CatBoost's model.fbs, MATLAB's
 * "MAT-File Format" (R2019b, level 5). */
#include <string.h>

#include "artefact/expand.h"
#include "artefact/scan_impl.h"

#define WORD_BYTES_MAX ((size_t)4096)

static sl_res nothing_left(const sl_cursor *c, const char *what)
{
    return c->at == c->end ? SL_DONE : sl_fail_at(SL_E_TRAILING, what, c->at);
}

/* Passes over `count` items of `bytes` each. */
static sl_res skip_items(sl_cursor *c, uint64_t count, uint64_t bytes)
{
    uint64_t all = 0;
    if (__builtin_mul_overflow(count, bytes, &all) || all > sl_cursor_left(c)) {
        return sl_fail_at(SL_E_TRUNCATED, "numbers", c->at);
    }
    return sl_cursor_skip(c, all);
}

/* A count that the format keeps in a signed number. */
static sl_res count_of(sl_cursor *c, uint64_t *ret_count)
{
    SL_TRY(sl_cursor_u64le(c, ret_count));
    return *ret_count <= INT64_MAX ? SL_DONE : sl_fail_at(SL_E_RANGE, "count", c->at);
}

static sl_res small_count(sl_cursor *c, uint32_t *ret_count)
{
    SL_TRY(sl_cursor_u32le(c, ret_count));
    return *ret_count <= INT32_MAX ? SL_DONE : sl_fail_at(SL_E_RANGE, "count", c->at);
}

/* The bytes up to `stop`, and that byte; the view is good until the next read. */
static sl_res take_word(sl_cursor *c, uint8_t stop, sl_view *ret_word)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_some(c->source, c->at, &v));
    size_t n = sl_view_find_byte(v, stop, 0);
    if (n == SIZE_MAX) {
        SL_TRY(sl_source_at(c->source, c->at, WORD_BYTES_MAX, &v));
        n = sl_view_find_byte(v, stop, 0);
    }
    if (n == SIZE_MAX || n >= WORD_BYTES_MAX || n + 1 > sl_cursor_left(c)) {
        return sl_fail_at(SL_E_SYNTAX, "word", c->at);
    }
    *ret_word = sl_view_sub(v, 0, n);
    return sl_cursor_skip(c, n + 1);
}

/* ---- fastText ---- */

#define FASTTEXT_MAGIC "\xba\x16\x4f\x2f"
#define FASTTEXT_ARGUMENTS_BYTES 56U
#define FASTTEXT_CENTROIDS 256U

sl_identity sl_identify_fasttext(const sl_probe *probe)
{
    bool good = probe->head.n >= 8 && memcmp(probe->head.p, FASTTEXT_MAGIC, 4) == 0 &&
                sl_get_le32(probe->head.p + 4) <= 12;
    return good ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

static sl_res fasttext_words(sl_scan *scan, sl_cursor *c)
{
    uint32_t size = 0;
    uint32_t words = 0;
    uint32_t labels = 0;
    uint64_t pruned = 0;
    SL_TRY(small_count(c, &size));
    SL_TRY(small_count(c, &words));
    SL_TRY(small_count(c, &labels));
    if ((uint64_t)words + labels != size) {
        return sl_fail_at(SL_E_RANGE, "fasttext words and labels", c->at);
    }
    SL_TRY(sl_cursor_skip(c, 8));        /* tokens */
    SL_TRY(sl_cursor_u64le(c, &pruned)); /* all ones: it was never pruned */
    SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, size));
    for (uint32_t i = 0; i < size; i++) {
        sl_view word = { 0 };
        uint8_t type = 0;
        SL_TRY(take_word(c, 0, &word));
        SL_TRY(sl_cursor_skip(c, 8));
        SL_TRY(sl_cursor_u8(c, &type));
        if (type > 1) {
            return sl_fail_at(SL_E_RANGE, "fasttext entry", c->at);
        }
    }
    return pruned > INT64_MAX ? SL_DONE : skip_items(c, pruned, 8);
}

static sl_res fasttext_quantizer(sl_cursor *c)
{
    uint32_t dim = 0;
    SL_TRY(small_count(c, &dim));
    SL_TRY(sl_cursor_skip(c, 12));
    return skip_items(c, dim, 4 * FASTTEXT_CENTROIDS);
}

static sl_res fasttext_matrix(sl_cursor *c, bool quantised)
{
    uint8_t norm = 0;
    uint64_t rows = 0;
    uint64_t columns = 0;
    uint32_t codes = 0;
    if (quantised) {
        SL_TRY(sl_cursor_u8(c, &norm));
    }
    SL_TRY(count_of(c, &rows));
    SL_TRY(count_of(c, &columns));
    if (!quantised) {
        if (columns > UINT32_MAX) {
            return sl_fail_at(SL_E_RANGE, "fasttext columns", c->at);
        }
        return skip_items(c, rows, 4 * columns);
    }
    SL_TRY(small_count(c, &codes));
    SL_TRY(sl_cursor_skip(c, codes));
    SL_TRY(fasttext_quantizer(c));
    if (norm == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_cursor_skip(c, rows));
    return fasttext_quantizer(c);
}

sl_res sl_scan_fasttext(sl_scan *scan, sl_source *source)
{
    sl_cursor c = sl_cursor_over(source);
    uint8_t quantised = 0;
    uint8_t output = 0;
    SL_TRY(sl_cursor_skip(&c, 8 + FASTTEXT_ARGUMENTS_BYTES));
    SL_TRY(fasttext_words(scan, &c));
    SL_TRY(sl_cursor_u8(&c, &quantised));
    SL_TRY(fasttext_matrix(&c, quantised != 0));
    SL_TRY(sl_cursor_u8(&c, &output));
    SL_TRY(fasttext_matrix(&c, quantised != 0 && output != 0));
    if (quantised > 1 || output > 1) {
        return sl_fail_at(SL_E_RANGE, "fasttext flag", c.at);
    }
    return nothing_left(&c, "fasttext");
}

/* ---- word2vec, the binary form ---- */

static bool digits(sl_view text, uint64_t most, uint64_t *ret_value)
{
    return text.n != 0 && text.n <= 10 && sl_ok(sl_parse_u64(text, most, ret_value));
}

/* "COUNT SIZE\n". */
static bool word2vec_head(sl_view head, uint64_t *ret_count, uint64_t *ret_size, size_t *ret_n)
{
    sl_view line = { 0 };
    sl_view rest = { 0 };
    sl_view count = { 0 };
    sl_view size = { 0 };
    if (!sl_view_cut(sl_view_sub(head, 0, 32), '\n', &line, &rest) ||
        !sl_view_cut(line, ' ', &count, &size)) {
        return false;
    }
    *ret_n = line.n + 1;
    return digits(count, INT32_MAX, ret_count) && digits(size, 65536, ret_size) &&
           *ret_count != 0 && *ret_size != 0;
}

sl_identity sl_identify_word2vec(const sl_probe *probe)
{
    uint64_t count = 0;
    uint64_t size = 0;
    size_t n = 0;
    bool binary = false;
    for (size_t i = 0; i < probe->head.n && !binary; i++) {
        binary = probe->head.p[i] < 9;
    }
    bool good = binary && word2vec_head(probe->head, &count, &size, &n) &&
                probe->size >= n + count * (4 * size + 2);
    return good ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

sl_res sl_scan_word2vec(sl_scan *scan, sl_source *source)
{
    sl_cursor c = sl_cursor_over(source);
    uint64_t count = 0;
    uint64_t size = 0;
    size_t n = 0;
    sl_view v = { 0 };
    SL_TRY(sl_source_at(source, 0, 32, &v));
    if (!word2vec_head(v, &count, &size, &n)) {
        return sl_fail_at(SL_E_SYNTAX, "word2vec", 0);
    }
    SL_TRY(sl_cursor_skip(&c, n));
    SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, count));
    for (uint64_t i = 0; i < count; i++) {
        SL_TRY(take_word(&c, ' ', &v));
        SL_TRY(skip_items(&c, size, 4));
        SL_TRY(sl_source_at(source, c.at, 1, &v));
        c.at += v.n == 1 && v.p[0] == '\n'; /* some writers end a word's line, some do not */
    }
    return nothing_left(&c, "word2vec");
}

/* ---- CatBoost ---- */

sl_identity sl_identify_catboost(const sl_probe *probe)
{
    return sl_probe_begins(probe, "CBM1", 4) ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

/* A FlatBuffer of trees, and behind it tables of categorical features, whose layout is not public. */
sl_res sl_scan_catboost(sl_scan *scan, sl_source *source)
{
    sl_cursor c = sl_cursor_over(source);
    sl_view v = { 0 };
    uint32_t size = 0;
    SL_TRY(sl_cursor_skip(&c, 4));
    SL_TRY(sl_cursor_u32le(&c, &size));
    if (size < 8 || size > sl_cursor_left(&c)) {
        return sl_fail_at(SL_E_TRUNCATED, "catboost core", c.at);
    }
    SL_TRY(sl_source_need(source, c.at, 4, &v));
    uint64_t root = sl_get_le32(v.p);
    if (root < 4 || root > (uint64_t)size - 4) {
        return sl_fail_at(SL_E_RANGE, "catboost root", c.at);
    }
    SL_TRY(sl_source_need(source, c.at + root, 4, &v));
    int64_t table = (int64_t)root - (int32_t)sl_get_le32(v.p);
    if (table < 0 || (uint64_t)table > (uint64_t)size - 4) {
        return sl_fail_at(SL_E_RANGE, "catboost table", c.at + root);
    }
    SL_TRY(sl_cursor_skip(&c, size));
    if (c.at != c.end) {
        sl_scan_report_str(scan, SL_RULE_CATBOOST_TABLES, c.at, "");
    }
    return SL_DONE;
}

/* ---- MATLAB ---- */

enum {
    MI_UINT32 = 6,
    MI_MATRIX = 14,
    MI_COMPRESSED = 15,
    MX_FUNCTION = 16,
    MX_OPAQUE = 17,
    MX_OBJECT = 3
};
#define MATLAB_HEAD_BYTES 128U

sl_identity sl_identify_matlab(const sl_probe *probe)
{
    bool good =
        probe->head.n >= MATLAB_HEAD_BYTES && memcmp(probe->head.p, "MATLAB 5.0 MAT-file", 19) == 0;
    return good ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

typedef struct {
    sl_scan *scan;
    bool big;
    bool top; /* not inside of a compressed element */
} matlab;

static uint32_t number(const matlab *m, const uint8_t *p)
{
    return m->big ? sl_get_be32(p) : sl_get_le32(p);
}

/* What a matrix begins with: its class. Cells and structures hold matrices, which come next in line, so that
 * no stack is needed. */
static sl_res matlab_class(const matlab *m, sl_cursor *c)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_need(c->source, c->at, 16, &v));
    uint32_t class = number(m, v.p + 8) & 0xff;
    if (number(m, v.p) != MI_UINT32 || number(m, v.p + 4) != 8) {
        return sl_fail_at(SL_E_SYNTAX, "matlab class", c->at);
    }
    if (class == MX_FUNCTION || class == MX_OPAQUE || class == MX_OBJECT) {
        sl_scan_report_str(m->scan, SL_RULE_MATLAB_OBJECT, c->at,
                           class == MX_FUNCTION ? "a function handle" : "an object");
    } else if (class == 0 || class > MX_OPAQUE) {
        return sl_fail_at(SL_E_RANGE, "matlab class", c->at);
    }
    return sl_cursor_skip(c, 16);
}

/* One element; of a compressed one, the inside as `*ret_inside`. */
static sl_res matlab_element(const matlab *m, sl_cursor *c, sl_source **ret_inside)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_need(c->source, c->at, 8, &v));
    uint32_t type = number(m, v.p);
    uint32_t size = number(m, v.p + 4);
    SL_TRY(sl_scan_spend(m->scan, SL_SPEND_NODES, 1));
    if (type >> 16 != 0) { /* a small element holds its data in its tag */
        bool good = (type >> 16) <= 4 && (type & 0xffff) != MI_MATRIX;
        return good ? sl_cursor_skip(c, 8) : sl_fail_at(SL_E_SYNTAX, "matlab element", c->at);
    }
    SL_TRY(sl_cursor_skip(c, 8));
    if (size > sl_cursor_left(c)) {
        return sl_fail_at(SL_E_TRUNCATED, "matlab element", c->at);
    }
    if (type == MI_MATRIX) {
        return size == 0 ? SL_DONE : matlab_class(m, c);
    }
    if (type == 0 || type > 18 || (type == MI_COMPRESSED && !m->top)) {
        return sl_fail_at(SL_E_SYNTAX, "matlab element", c->at);
    }
    if (type != MI_COMPRESSED) {
        uint64_t padded = ((uint64_t)size + 7) & ~(uint64_t)7;
        return sl_cursor_skip(c, padded < sl_cursor_left(c) ? padded : sl_cursor_left(c));
    }
    SL_OWN(sl_source *, packed, sl_source_free) = NULL;
    sl_expanded about = { 0 };
    SL_TRY(sl_source_part(c->source, c->at, size, &packed));
    SL_TRY(sl_expand(m->scan, packed, SL_CODEC_ZLIB, &about, ret_inside));
    return sl_cursor_skip(c, size);
}

static sl_res matlab_inside(const matlab *m, sl_source *inside)
{
    const matlab within = { .scan = m->scan, .big = m->big };
    sl_cursor c = sl_cursor_over(inside);
    sl_source *none = NULL;
    while (c.at < c.end) {
        SL_TRY(matlab_element(&within, &c, &none));
    }
    return SL_DONE;
}

sl_res sl_scan_matlab(sl_scan *scan, sl_source *source)
{
    sl_cursor c = sl_cursor_over(source);
    sl_view v = { 0 };
    SL_TRY(sl_source_need(source, MATLAB_HEAD_BYTES - 4, 4, &v));
    const matlab m = { .scan = scan, .big = memcmp(v.p + 2, "MI", 2) == 0, .top = true };
    if (!m.big && memcmp(v.p + 2, "IM", 2) != 0) {
        return sl_fail_at(SL_E_SYNTAX, "matlab byte order", MATLAB_HEAD_BYTES - 2);
    }
    SL_TRY(sl_cursor_skip(&c, MATLAB_HEAD_BYTES));
    while (c.at < c.end) {
        SL_OWN(sl_source *, inside, sl_source_free) = NULL;
        SL_TRY(matlab_element(&m, &c, &inside));
        if (inside != NULL) {
            SL_TRY(matlab_inside(&m, inside));
        }
    }
    return SL_DONE;
}
