/* Containers: zip from both ends, tar, compressed files, and what is inside of them; npy. Archives are
 * built here, byte by byte, so that each row can break one thing. */
#include "artefact/format_case.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

typedef struct {
    uint8_t p[65536];
    size_t n;
} file;

static void raw(file *f, const void *p, size_t n)
{
    assert_true(f->n + n <= sizeof f->p);
    if (n != 0) {
        memcpy(f->p + f->n, p, n);
    }
    f->n += n;
}

static sl_view whole(const file *f)
{
    return sl_view_of(f->p, f->n);
}

static const char evil[] = "\x80\2cos\nsystem\n(S'x'\ntR.";
#define EVIL evil, sizeof evil - 1
#define PLAIN "plain text\n", 11

/* ---- zip ---- */

typedef struct {
    const char *what;
    sl_rule rule;
    uint16_t local_flags;
    uint16_t central_flags;
    const char *local_name; /* NULL: the same */
    const char *name;
    int crc_off;  /* added to the sum in both headers */
    int size_off; /* added to the size in the directory */
    bool twice;   /* the member stands there twice */
    bool hidden;  /* a second member, not in the directory, holds a call */
    bool link;    /* Unix mode of a symbolic link */
    const char *before;
    const char *between;
    const char *behind;
    const char *comment;
    uint16_t method; /* in both headers */
} zip_case;

static size_t local(file *f, const zip_case *c, const char *name, const void *data, size_t n)
{
    uint8_t h[30] = { 'P', 'K', 3, 4, 20 };
    size_t at = f->n;
    sl_put_le16(h + 6, c->local_flags);
    sl_put_le16(h + 8, c->method);
    sl_put_le32(h + 14, (uint32_t)crc32(0, data, (uInt)n) + (uint32_t)c->crc_off);
    sl_put_le32(h + 18, (uint32_t)n);
    sl_put_le32(h + 22, (uint32_t)n);
    sl_put_le16(h + 26, (uint16_t)strlen(name));
    raw(f, h, sizeof h);
    raw(f, name, strlen(name));
    raw(f, data, n);
    return at;
}

static void central(file *f, const zip_case *c, const char *name, const void *data, size_t n,
                    size_t at)
{
    uint8_t h[46] = { 'P', 'K', 1, 2, 20, 3, 20 };
    sl_put_le16(h + 8, c->central_flags);
    sl_put_le16(h + 10, c->method);
    sl_put_le32(h + 16, (uint32_t)crc32(0, data, (uInt)n) + (uint32_t)c->crc_off);
    sl_put_le32(h + 20, (uint32_t)n);
    sl_put_le32(h + 24, (uint32_t)n + (uint32_t)c->size_off);
    sl_put_le16(h + 28, (uint16_t)strlen(name));
    sl_put_le32(h + 38, c->link ? 0120777U << 16 : 0100644U << 16);
    sl_put_le32(h + 42, (uint32_t)at);
    raw(f, h, sizeof h);
    raw(f, name, strlen(name));
}

static void end(file *f, const zip_case *c, size_t entries, size_t directory, size_t size)
{
    uint8_t h[22] = { 'P', 'K', 5, 6 };
    const char *comment = c->comment == NULL ? "" : c->comment;
    sl_put_le16(h + 8, (uint16_t)entries);
    sl_put_le16(h + 10, (uint16_t)entries);
    sl_put_le32(h + 12, (uint32_t)size);
    sl_put_le32(h + 16, (uint32_t)directory);
    sl_put_le16(h + 20, (uint16_t)strlen(comment));
    raw(f, h, sizeof h);
    raw(f, comment, strlen(comment));
}

static void some(file *f, const char *text)
{
    raw(f, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

static void build(file *f, const zip_case *c, const void *data, size_t n)
{
    const char *name = c->name == NULL ? "a.txt" : c->name;
    f->n = 0;
    some(f, c->before);
    size_t shift = f->n;
    size_t first = local(f, c, c->local_name == NULL ? name : c->local_name, data, n);
    some(f, c->between);
    if (c->hidden) {
        (void)local(f, &(zip_case){ 0 }, "b.pkl", EVIL);
    }
    size_t second = c->twice ? local(f, c, name, data, n) : 0;
    size_t directory = f->n;
    central(f, c, name, data, n, first - shift);
    if (c->twice) {
        central(f, c, name, data, n, second - shift);
    }
    end(f, c, c->twice ? 2 : 1, directory - shift, f->n - directory);
    some(f, c->behind);
}

static const zip_case zips[] = {
    { .what = "names differ", .rule = SL_RULE_ZIP_NAME, .local_name = "b.txt" },
    { .what = "flags differ", .rule = SL_RULE_ZIP_MISMATCH, .local_flags = 0x20 },
    { .what = "encrypted, it says",
      .rule = SL_RULE_ZIP_ENCRYPTED,
      .local_flags = 1,
      .central_flags = 1 },
    { .what = "odd flags", .rule = SL_RULE_ZIP_FLAGS, .local_flags = 0x20, .central_flags = 0x20 },
    { .what = "a wrong sum", .rule = SL_RULE_ZIP_CRC, .crc_off = 1 },
    { .what = "a wrong size", .rule = SL_RULE_ZIP_SIZE, .size_off = 1 },
    { .what = "one name twice", .rule = SL_RULE_ZIP_DUPLICATE, .twice = true },
    { .what = "a hidden member", .rule = SL_RULE_ZIP_HIDDEN, .hidden = true },
    { .what = "a call in a hidden member", .rule = SL_RULE_PICKLE_CALL_DENIED, .hidden = true },
    { .what = "bytes in front", .rule = SL_RULE_ZIP_PREFIX, .before = "#!/bin/sh\n" },
    { .what = "bytes between", .rule = SL_RULE_ZIP_GAP, .between = "gap" },
    { .what = "bytes behind", .rule = SL_RULE_ZIP_TRAILING, .behind = "more" },
    { .what = "a comment", .rule = SL_RULE_ZIP_COMMENT, .comment = "hello" },
    { .what = "a link", .rule = SL_RULE_PATH_LINK, .link = true },
    { .what = "a path that climbs", .rule = SL_RULE_PATH_TRAVERSAL, .name = "../a" },
    { .what = "an absolute path", .rule = SL_RULE_PATH_ABSOLUTE, .name = "/a" },
    { .what = "a drive", .rule = SL_RULE_PATH_ABSOLUTE, .name = "C:/a" },
    { .what = "a backslash", .rule = SL_RULE_PATH_BACKSLASH, .name = "a\\b" },
    { .what = "a control character", .rule = SL_RULE_PATH_CONTROL, .name = "a\nb" },
    { .what = "an unknown method", .rule = SL_RULE_ZIP_METHOD, .method = 99 },
    { .what = "packed bytes that are not", .rule = SL_RULE_ZIP_CONTENT, .method = 8 },
};

static void every_zip_rule_finds_its_case(void **state)
{
    static file f;
    build(&f, &(zip_case){ 0 }, PLAIN);
    assert_clean_of(whole(&f), "a.zip", SL_KIND_ZIP, "a good zip");
    for (size_t i = 0; i < SL_COUNT_OF(zips); i++) {
        build(&f, &zips[i], PLAIN);
        assert_rule_of(whole(&f), "a.zip", zips[i].rule, zips[i].what);
        build(&f, &zips[i], EVIL); /* whatever else is wrong with it, the call is found */
        bool opened = zips[i].method == 0;
        if (opened) {
            assert_rule_of(whole(&f), "a.zip", SL_RULE_PICKLE_CALL_DENIED, zips[i].what);
        }
    }
}

static void a_zip_without_its_end_is_still_read(void **state)
{
    static file f;
    build(&f, &(zip_case){ 0 }, EVIL);
    sl_view cut = sl_view_sub(whole(&f), 0, f.n - 30);
    assert_rule_of(cut, "a.zip", SL_RULE_PICKLE_CALL_DENIED, "no end record");
    assert_rule_of(cut, "a.zip", SL_RULE_SCAN_MALFORMED, "no end record");
}

static void zips_in_zips_end_somewhere(void **state)
{
    static file inner;
    static file outer;
    build(&inner, &(zip_case){ 0 }, EVIL);
    for (unsigned i = 0; i < 6; i++) {
        build(&outer, &(zip_case){ .name = "a.zip" }, inner.p, inner.n);
        inner = outer;
    }
    assert_rule_of(whole(&inner), "a.zip", SL_RULE_PICKLE_CALL_DENIED, "seven deep");
    for (unsigned i = 0; i < 6; i++) {
        build(&outer, &(zip_case){ .name = "a.zip" }, inner.p, inner.n);
        inner = outer;
    }
    assert_rule_of(whole(&inner), "a.zip", SL_RULE_SCAN_LIMIT, "thirteen deep");
}

/* ---- compressed ---- */

static void pack(file *f, const void *data, size_t n, int window)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)n;
    z.next_out = f->p + f->n;
    z.avail_out = (uInt)(sizeof f->p - f->n);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    f->n = sizeof f->p - z.avail_out;
    (void)deflateEnd(&z);
}

static void what_is_compressed_is_opened(void **state)
{
    static file f;
    static uint8_t zeros[4 << 20];
    pack(&f, EVIL, 31);
    assert_rule_of(whole(&f), "m.gz", SL_RULE_PICKLE_CALL_DENIED, "gzip");
    pack(&f, EVIL, 31); /* a second gzip member: one stream for every reader */
    assert_rule_of(whole(&f), "m.gz", SL_RULE_PICKLE_STACKED, "two members");
    f.n = 0;
    pack(&f, EVIL, 15);
    assert_rule_of(whole(&f), "m.joblib", SL_RULE_PICKLE_CALL_DENIED, "zlib");
    raw(&f, "more", 4);
    assert_rule_of(whole(&f), "m.joblib", SL_RULE_COMPRESS_TRAILING, "bytes behind");
    f.n = 0;
    pack(&f, zeros, sizeof zeros, 31);
    assert_rule_of(whole(&f), "m.gz", SL_RULE_COMPRESS_RATIO, "a bomb");
    assert_rule_of(sl_view_sub(whole(&f), 0, f.n / 2), "m.gz", SL_RULE_COMPRESS_RATIO,
                   "half of it");
    f.n = 0;
    pack(&f, EVIL, 31);
    assert_rule_of(sl_view_sub(whole(&f), 0, f.n - 12), "m.gz", SL_RULE_SCAN_MALFORMED,
                   "cut short");
}

/* ---- torch ---- */

/* An archive of torch whose pickle takes three floats of storage 0. */
static void torch_archive(file *f, const char *key, size_t bytes)
{
    static const char stream[] =
        "\x80\2ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
        "0X\3\0\0\0cpuK\3tQK\0K\3\x85K\1\x85\x89"
        "ccollections\nOrderedDict\n)RtR.";
    static const uint8_t numbers[64] = { 0 };
    const zip_case plain = { 0 };
    char name[64];
    (void)snprintf(name, sizeof name, "\xd0\xbc/data/%s", key);
    f->n = 0;
    size_t first = local(f, &plain, "\xd0\xbc/data.pkl", stream, sizeof stream - 1);
    size_t second = local(f, &plain, name, numbers, bytes);
    size_t directory = f->n;
    central(f, &plain, "\xd0\xbc/data.pkl", stream, sizeof stream - 1, first);
    central(f, &plain, name, numbers, bytes, second);
    end(f, &plain, 2, directory, f->n - directory);
}

static void storages_hold_what_the_stream_takes(void **state)
{
    static file f;
    torch_archive(&f, "0", 12);
    assert_clean_of(whole(&f), "m.pt", SL_KIND_ZIP, "as torch writes it");
    torch_archive(&f, "0", 16);
    assert_clean_of(whole(&f), "m.pt", SL_KIND_ZIP, "a storage that more tensors share");
    torch_archive(&f, "0", 8);
    assert_rule_of(whole(&f), "m.pt", SL_RULE_PICKLE_STORAGE, "a storage that is too short");
    torch_archive(&f, "1", 12);
    assert_rule_of(whole(&f), "m.pt", SL_RULE_PICKLE_STORAGE, "a storage that is not there");
}

/* ---- tar ---- */

static void tar_member(file *f, const char *name, char type, const void *data, size_t n)
{
    uint8_t h[512] = { 0 };
    unsigned sum = 0;
    memcpy(h, name, strlen(name));
    memcpy(h + 100, "0000644", 8);
    (void)snprintf((char *)h + 124, 12, "%011o", (unsigned)n);
    h[156] = (uint8_t)type;
    memcpy(h + 257, "ustar\00000", 8);
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < sizeof h; i++) {
        sum += h[i];
    }
    (void)snprintf((char *)h + 148, 8, "%06o", sum);
    raw(f, h, sizeof h);
    raw(f, data, n);
    static const uint8_t zeros[512];
    raw(f, zeros, (512 - n % 512) % 512);
}

static void tar_end(file *f)
{
    static const uint8_t zeros[1024];
    raw(f, zeros, sizeof zeros);
}

static void every_tar_rule_finds_its_case(void **state)
{
    static const struct {
        const char *name;
        char type;
        sl_rule rule;
    } rows[] = { { "../a", '0', SL_RULE_PATH_TRAVERSAL }, { "a", '2', SL_RULE_PATH_LINK },
                 { "a", '1', SL_RULE_PATH_LINK },         { "a", '3', SL_RULE_PATH_DEVICE },
                 { "a", '6', SL_RULE_PATH_DEVICE },       { "a", 'Z', SL_RULE_TAR_TYPE } };
    static file f;
    tar_member(&f, "a.txt", '0', PLAIN);
    tar_end(&f);
    assert_clean_of(whole(&f), "a.tar", SL_KIND_TAR, "a good tar");
    raw(&f, "x", 1);
    assert_rule_of(whole(&f), "a.tar", SL_RULE_TAR_TRAILING, "bytes behind");
    for (size_t i = 0; i < SL_COUNT_OF(rows); i++) {
        f.n = 0;
        tar_member(&f, rows[i].name, rows[i].type, "", 0);
        tar_end(&f);
        assert_rule_of(whole(&f), "a.tar", rows[i].rule, rows[i].name);
    }
    f.n = 0;
    tar_member(&f, "m.bin", '0', EVIL);
    tar_end(&f);
    assert_rule_of(whole(&f), "a.tar", SL_RULE_PICKLE_CALL_DENIED, "a call inside");
    f.n = 0;
    tar_member(&f, "long", 'L', "../x", 5); /* GNU: the next member's name */
    tar_member(&f, "good", '0', PLAIN);
    tar_end(&f);
    assert_rule_of(whole(&f), "a.tar", SL_RULE_PATH_TRAVERSAL, "a long name that climbs");
    f.n = 0;
    tar_member(&f, "pax", 'x', "13 path=../x\n", 13);
    tar_member(&f, "good", '0', PLAIN);
    tar_end(&f);
    assert_rule_of(whole(&f), "a.tar", SL_RULE_PATH_TRAVERSAL, "a pax name that climbs");
    assert_rule_of(sl_view_sub(whole(&f), 0, 1540), "a.tar", SL_RULE_TAR_SIZE, "cut short");
}

/* ---- npy ---- */

static void npy(file *f, const char *header, const void *data, size_t n)
{
    uint8_t h[10] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0 };
    f->n = 0;
    sl_put_le16(h + 8, (uint16_t)strlen(header));
    raw(f, h, sizeof h);
    raw(f, header, strlen(header));
    raw(f, data, n);
}

static void npy_headers_are_read_by_grammar(void **state)
{
    static const char *const bad[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}\n",
        "{'descr': '<f4', 'fortran_order': False}\n",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9)}\n",
        "{'descr': '<f4', 'fortran_order': __import__('os'), 'shape': (2,)}\n",
        "{'descr': eval('1'), 'fortran_order': False, 'shape': (2,)}\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}  x\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}\n",
    };
    static file f;
    npy(&f, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", "12345678", 8);
    assert_clean_of(whole(&f), "a.npy", SL_KIND_NPY, "a good array");
    npy(&f,
        "{'descr': [('a', '<i2'), ('b', [('c', '<i2')], (2,))], 'fortran_order': True, "
        "'shape': ()}\n",
        "123456", 6);
    assert_clean_of(whole(&f), "a.npy", SL_KIND_NPY, "a structured array");
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        npy(&f, bad[i], "12345678", 8);
        assert_rule_of(whole(&f), "a.npy", SL_RULE_SCAN_MALFORMED, bad[i]);
    }
    npy(&f, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", "12345678", 8);
    assert_rule_of(whole(&f), "a.npy", SL_RULE_NPY_TRAILING, "bytes behind");
    npy(&f, "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", EVIL);
    assert_rule_of(whole(&f), "a.npy", SL_RULE_PICKLE_CALL_DENIED, "objects");
}

/* ---- 7z ---- */

static void packed(file *f, int (*format)(struct archive *), const char *name, int type,
                   const void *data, size_t n)
{
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    assert_int_equal(format(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(a, f->p, sizeof f->p, &f->n), ARCHIVE_OK);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, (unsigned)type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, type == AE_IFREG ? (la_int64_t)n : 0);
    if (type == AE_IFLNK) {
        archive_entry_set_symlink(entry, "/etc/passwd");
    }
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    if (type == AE_IFREG) {
        assert_int_equal(archive_write_data(a, data, n), (la_ssize_t)n);
    }
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_entry_free(entry);
    (void)archive_write_free(a);
}

static void other_archives_are_opened(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int (*format)(struct archive *);
    } FORMATS[] = { { "7z", archive_write_set_format_7zip } };
    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++) {
        static file f;
        packed(&f, FORMATS[i].format, "a/model.pkl", AE_IFREG, EVIL);
        assert_rule_of(whole(&f), "m.bin", SL_RULE_PICKLE_GLOBAL_DENIED, FORMATS[i].what);
        packed(&f, FORMATS[i].format, "a/readme.txt", AE_IFREG, PLAIN);
        assert_clean_of(whole(&f), "m.7z", SL_KIND_ARCHIVE, FORMATS[i].what);
        packed(&f, FORMATS[i].format, "a/link", AE_IFLNK, "", 0);
        assert_rule_of(whole(&f), "m.7z", SL_RULE_ARCHIVE_LINK, FORMATS[i].what);
        packed(&f, FORMATS[i].format, "../../a", AE_IFREG, PLAIN);
        assert_rule_of(whole(&f), "m.7z", SL_RULE_PATH_TRAVERSAL, FORMATS[i].what);
    }
}

static void a_bomb_in_an_archive_is_stopped(void **state)
{
    (void)state;
    static file f;
    static uint8_t zeros[32 << 20];
    packed(&f, archive_write_set_format_7zip, "zeros.bin", AE_IFREG, zeros, sizeof zeros);
    sl_scan_result result = format_scan(whole(&f), "m.7z");
    assert_false(result.complete);
    assert_true(result.class != SL_SCAN_CLEAN && format_found(&result, SL_RULE_SCAN_LIMIT));
    sl_scan_result_free(&result);
}

static void archives_survive_cuts_and_flips(void **state)
{
    static file f;
    build(&f, &(zip_case){ .twice = true }, PLAIN);
    assert_sturdy_of(whole(&f), "a.zip", 3);
    npy(&f, "{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (2,), }\n", "1234", 4);
    assert_sturdy_of(whole(&f), "a.npy", 0);
    f.n = 0;
    tar_member(&f, "a", '0', PLAIN);
    assert_sturdy_of(sl_view_sub(whole(&f), 0, 1024), "a.tar", 1023);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storages_hold_what_the_stream_takes),
        cmocka_unit_test(every_zip_rule_finds_its_case),
        cmocka_unit_test(a_zip_without_its_end_is_still_read),
        cmocka_unit_test(zips_in_zips_end_somewhere),
        cmocka_unit_test(what_is_compressed_is_opened),
        cmocka_unit_test(every_tar_rule_finds_its_case),
        cmocka_unit_test(npy_headers_are_read_by_grammar),
        cmocka_unit_test(other_archives_are_opened),
        cmocka_unit_test(a_bomb_in_an_archive_is_stopped),
        cmocka_unit_test(archives_survive_cuts_and_flips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
