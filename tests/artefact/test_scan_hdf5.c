/* HDF5: a row for each message that opens, loads, expands or describes more than the file shows, in
 * headers of both versions, and the structures that lead there. */
#include "artefact/format_case.h"

#define LAMBDA "{\"class_name\": \"Lambda\", \"config\": {}}"
#define DENSE "{\"class_name\": \"Dense\", \"config\": {}}"

typedef struct {
    uint8_t p[8192];
    size_t n;
} file;

static void put(file *f, const void *p, size_t n)
{
    memcpy(f->p + f->n, p, n);
    f->n += n;
}

static void num(file *f, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        f->p[f->n++] = i < 8 ? (uint8_t)(value >> (8 * i)) : 0;
    }
}

static void zeros(file *f, size_t n)
{
    memset(f->p + f->n, 0, n);
    f->n += n;
}

/* ---- message bodies ---- */

static size_t attribute(uint8_t *out, const char *name, const char *text)
{
    file m = { .n = 0 };
    size_t length = strlen(text);
    num(&m, 3, 1);
    num(&m, 0, 1);
    num(&m, strlen(name) + 1, 2);
    num(&m, 8, 2);
    num(&m, 4, 2);
    num(&m, 0, 1);
    put(&m, name, strlen(name) + 1);
    num(&m, 0x13, 1); /* a string of fixed length */
    num(&m, 0, 3);
    num(&m, length, 4);
    num(&m, 2, 1); /* a scalar dataspace */
    num(&m, 0, 3);
    put(&m, text, length);
    memcpy(out, m.p, m.n);
    return m.n;
}

static size_t long_attribute(uint8_t *out, const char *name, uint64_t heap)
{
    file m = { .n = 0 };
    size_t length = (strlen(name) + 8) & ~(size_t)7;
    num(&m, 1, 2);
    num(&m, strlen(name) + 1, 2);
    num(&m, 24, 2);
    num(&m, 8, 2);
    put(&m, name, strlen(name));
    zeros(&m, length - strlen(name));
    num(&m, 0x19, 1); /* of variable length */
    num(&m, 1, 3);
    num(&m, 16, 4);
    zeros(&m, 16);
    num(&m, 1, 1);
    zeros(&m, 7);
    num(&m, 40, 4);
    num(&m, heap, 8);
    num(&m, 1, 4);
    memcpy(out, m.p, m.n);
    return m.n;
}

static size_t link_to(uint8_t *out, const char *name, unsigned type, const void *to, size_t n)
{
    file m = { .n = 0 };
    num(&m, 1, 1);
    num(&m, 8, 1);
    num(&m, type, 1);
    num(&m, strlen(name), 1);
    put(&m, name, strlen(name));
    if (type > 0) {
        num(&m, n, 2);
    }
    put(&m, to, n);
    memcpy(out, m.p, m.n);
    return m.n;
}

/* ---- files ---- */

static void superblock(file *f, uint64_t root)
{
    f->n = 0;
    put(f, "\x89HDF\r\n\x1a\n", 8);
    put(f, "\0\0\0\0\0\10\10\0\4\0\20\0\0\0\0\0", 16);
    num(f, 0, 8);
    num(f, UINT64_MAX, 8);
    num(f, 0, 8); /* the end, see finish */
    num(f, UINT64_MAX, 8);
    num(f, 0, 8);
    num(f, root, 8);
    zeros(f, 24);
}

static void finish(file *f)
{
    sl_put_le64(f->p + 40, f->n);
}

/* An object header of version 1 with one message, padded to eight bytes. */
static void object(file *f, unsigned type, const void *body, size_t n)
{
    size_t padded = (n + 7) & ~(size_t)7;
    num(f, 1, 2);
    num(f, 1, 2);
    num(f, 1, 4);
    num(f, 8 + padded, 4);
    num(f, 0, 4);
    num(f, type, 2);
    num(f, padded, 2);
    num(f, 0, 4);
    put(f, body, n);
    zeros(f, padded - n);
}

static void one_message(file *f, unsigned type, const void *body, size_t n)
{
    superblock(f, 96);
    object(f, type, body, n);
    finish(f);
}

/* The same in the second version of everything. */
static void second_version(file *f, unsigned type, const void *body, size_t n)
{
    f->n = 0;
    put(f, "\x89HDF\r\n\x1a\n\2\10\10\0", 12);
    num(f, 0, 8);
    num(f, UINT64_MAX, 8);
    num(f, 48 + 12 + n, 8 + 0);
    num(f, 48, 8);
    num(f, 0, 4);
    put(f, "OHDR\2\0", 6);
    num(f, 4 + n, 1);
    num(f, type, 1);
    num(f, n, 2);
    num(f, 0, 1);
    put(f, body, n);
    num(f, 0, 4);
    sl_put_le64(f->p + 28, f->n);
}

/* Root object -> tree -> symbols -> an object with the message. */
static void old_group(file *f, unsigned type, const void *body, size_t n)
{
    file table = { .n = 0 };
    superblock(f, 96);
    num(&table, 96 + 40, 8);
    num(&table, UINT64_MAX, 8);
    object(f, 17, table.p, 16);
    put(f, "TREE\0\0\1\0", 8);
    num(f, UINT64_MAX, 8);
    num(f, UINT64_MAX, 8);
    num(f, 0, 8);
    num(f, 96 + 40 + 48, 8);
    num(f, 8, 8);
    put(f, "SNOD\1\0\1\0", 8);
    num(f, 8, 8);
    num(f, f->n + 32, 8);
    zeros(f, 24);
    object(f, type, body, n);
    finish(f);
}

/* Many links (or attributes) of the root in a fractal heap of one block. */
static void heap_group(file *f, unsigned type, const void *body, size_t n, size_t gap)
{
    file info = { .n = 0 };
    superblock(f, 96);
    num(&info, 0, 2);
    num(&info, 96 + 48, 8);
    num(&info, UINT64_MAX, 8);
    object(f, type, info.p, info.n);
    zeros(f, 96 + 48 - f->n);
    size_t at = f->n;
    put(f, "FRHP\0\7\0\0\0\0", 10);
    num(f, 4096, 4);
    num(f, 0, 8 + 8 + 8 + 8);
    num(f, 0, 8);
    num(f, 0, 8);
    zeros(f, 8 * 6);
    zeros(f, 14 + 16 + 80 - (f->n - at));
    num(f, 4, 2);
    num(f, 512, 8);
    num(f, 65536, 8);
    num(f, 32, 2);
    num(f, 1, 2);
    num(f, f->n + 8 + 2 + 4, 8);
    num(f, 0, 2);
    num(f, 0, 4);
    size_t direct = f->n;
    put(f, "FHDB\0", 5);
    num(f, at, 8);
    num(f, 0, 4);
    put(f, body, n);
    zeros(f, gap);
    if (gap > 0) {
        num(f, 7, 1);
    }
    zeros(f, direct + 512 - f->n);
    finish(f);
}

static sl_view view(const file *f)
{
    return sl_view_of(f->p, f->n);
}

/* ---- rows ---- */

static const uint8_t filter_blosc[16] = { 1, 1, 0, 0, 0, 0, 0, 0, 0x01, 0x7D };
static const uint8_t layout_virtual[18] = { 4, 3 };
static const uint8_t layout_far[18] = { 3, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 8 };

static const struct {
    unsigned type;
    const uint8_t *body;
    size_t n;
    sl_rule rule;
    const char *what;
} rows[] = {
    { 7, layout_virtual, 16, SL_RULE_HDF5_EXTERNAL, "external data files" },
    { 8, layout_virtual, 18, SL_RULE_HDF5_EXTERNAL, "virtual" },
    { 8, layout_far, 18, SL_RULE_SCAN_MALFORMED, "data behind the end" },
    { 11, filter_blosc, 16, SL_RULE_HDF5_PLUGIN, "filter of a plugin" },
    { 15, layout_virtual, 16, SL_RULE_HDF5_OPAQUE, "shared messages" },
    { 20, layout_virtual, 16, SL_RULE_HDF5_EXTERNAL, "driver" },
    { 12, layout_virtual, 16, SL_RULE_SCAN_MALFORMED, "attribute of version 4" },
};

static void every_message_has_its_row(void **state)
{
    (void)state;
    static file f;
    for (size_t i = 0; i < SL_COUNT_OF(rows); i++) {
        one_message(&f, rows[i].type, rows[i].body, rows[i].n);
        assert_rule_of(view(&f), "m.h5", rows[i].rule, rows[i].what);
        second_version(&f, rows[i].type, rows[i].body, rows[i].n);
        assert_rule_of(view(&f), "m.h5", rows[i].rule, rows[i].what);
        old_group(&f, rows[i].type, rows[i].body, rows[i].n);
        assert_rule_of(view(&f), "m.h5", rows[i].rule, rows[i].what);
    }
}

static void links_are_followed_or_told(void **state)
{
    (void)state;
    static file f;
    uint8_t body[256];
    size_t n = link_to(body, "x", 64, "\0other.h5\0/data", 16);
    one_message(&f, 6, body, n);
    assert_rule_of(view(&f), "m.h5", SL_RULE_HDF5_EXTERNAL, "external link");
    second_version(&f, 6, body, n);
    assert_rule_of(view(&f), "m.h5", SL_RULE_HDF5_EXTERNAL, "external link");
    heap_group(&f, 2, body, n, 0);
    assert_rule_of(view(&f), "m.h5", SL_RULE_HDF5_EXTERNAL, "external link in a heap");
    heap_group(&f, 2, body, n, 9);
    assert_rule_of(view(&f), "m.h5", SL_RULE_HDF5_OPAQUE, "a gap in a heap");
    one_message(&f, 6, body, link_to(body, "x", 100, "abc", 3));
    assert_rule_of(view(&f), "m.h5", SL_RULE_HDF5_PLUGIN, "a link of a user's own");
    uint8_t root[8] = { 96 };
    one_message(&f, 6, body, link_to(body, "loop", 0, root, 8));
    assert_clean_of(view(&f), "m.h5", SL_KIND_HDF5, "a group in itself");
    one_message(&f, 6, body, link_to(body, "x", 1, "/data", 5));
    assert_clean_of(view(&f), "m.h5", SL_KIND_HDF5, "soft link");
}

static void model_descriptions_are_read(void **state)
{
    (void)state;
    static file f;
    uint8_t body[512];
    size_t n = attribute(body, "model_config", LAMBDA);
    one_message(&f, 12, body, n);
    assert_rule_of(view(&f), "m.h5", SL_RULE_KERAS_LAMBDA, "fixed length");
    second_version(&f, 12, body, n);
    assert_rule_of(view(&f), "m.h5", SL_RULE_KERAS_LAMBDA, "fixed length, version 2");
    old_group(&f, 12, body, n);
    assert_rule_of(view(&f), "m.h5", SL_RULE_KERAS_LAMBDA, "of an inner object");
    heap_group(&f, 21, body, n, 0);
    assert_rule_of(view(&f), "m.h5", SL_RULE_KERAS_LAMBDA, "in a heap");
    one_message(&f, 12, body, attribute(body, "any_name", DENSE));
    assert_clean_of(view(&f), "m.h5", SL_KIND_HDF5, "a good description");
    one_message(&f, 12, body, attribute(body, "model_config", "{\"class_name\":"));
    assert_rule_of(view(&f), "m.h5", SL_RULE_KERAS_BROKEN, "a broken description");
    superblock(&f, 96);
    object(&f, 12, body, long_attribute(body, "training_config", 192));
    zeros(&f, 192 - f.n);
    put(&f, "GCOL\1\0\0\0", 8);
    num(&f, 96, 8);
    num(&f, 1, 8);
    num(&f, strlen(LAMBDA), 8);
    put(&f, LAMBDA, strlen(LAMBDA));
    zeros(&f, 192 + 96 - f.n);
    finish(&f);
    assert_rule_of(view(&f), "m.h5", SL_RULE_KERAS_LAMBDA, "variable length");
}

static void declared_sizes_are_weighed(void **state)
{
    (void)state;
    static file f;
    file m = { .n = 0 };
    num(&m, 1, 1); /* a dataspace of 2^40 */
    num(&m, 1, 1);
    zeros(&m, 6);
    num(&m, (uint64_t)1 << 40, 8);
    superblock(&f, 96);
    num(&f, 1, 2);
    num(&f, 2, 2);
    num(&f, 1, 4);
    num(&f, 8 + 16 + 8 + 16, 4);
    num(&f, 0, 4);
    num(&f, 1, 2);
    num(&f, 16, 2);
    num(&f, 0, 4);
    put(&f, m.p, 16);
    num(&f, 3, 2);
    num(&f, 16, 2);
    num(&f, 0, 4);
    put(&f, "\x11\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0", 16);
    finish(&f);
    assert_rule_of(view(&f), "m.h5", SL_RULE_HDF5_DECLARED, "4 TiB in 200 bytes");
}

static void whole_files_are_judged(void **state)
{
    (void)state;
    static file f;
    static file g;
    one_message(&f, 0, "", 0);
    assert_clean_of(view(&f), "m.h5", SL_KIND_HDF5, "empty group");
    f.n += 8;
    assert_rule_of(view(&f), "m.h5", SL_RULE_HDF5_LAYOUT, "bytes behind the end");
    f.n -= 16;
    assert_rule_of(view(&f), "m.h5", SL_RULE_SCAN_MALFORMED, "cut short");
    one_message(&f, 0, "", 0);
    g.n = 0;
    put(&g, "PK\3\4", 4);
    zeros(&g, 508);
    put(&g, f.p, f.n);
    sl_put_le64(g.p + 512 + 24, 512);
    assert_rule_of(view(&g), "m.h5", SL_RULE_HDF5_USER_BLOCK, "a zip before it");
    zeros(&f, 0);
    f.n = 8;
    zeros(&f, 88);
    assert_rule_of(view(&f), "m.h5", SL_RULE_HDF5_EMPTY, "a signature alone");
}

/* What cannot be followed is searched, so that a broken file does not hide code. */
static void broken_files_are_searched(void **state)
{
    (void)state;
    static file f;
    superblock(&f, 4000);
    put(&f, LAMBDA, strlen(LAMBDA));
    finish(&f);
    assert_rule_of(view(&f), "m.h5", SL_RULE_KERAS_LAMBDA, "no root");
}

static void any_bytes_are_survived(void **state)
{
    (void)state;
    static file f;
    uint8_t body[512];
    size_t n = attribute(body, "model_config", DENSE);
    old_group(&f, 12, body, n);
    assert_sturdy_of(view(&f), "m.h5", 13); /* shorter ones are a signature and zeros */
    second_version(&f, 12, body, n);
    assert_sturdy_of(view(&f), "m.h5", 13); /* shorter ones are a signature and zeros */
    heap_group(&f, 21, body, n, 0);
    assert_sturdy_of(view(&f), "m.h5", 13); /* shorter ones are a signature and zeros */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_has_its_row),   cmocka_unit_test(links_are_followed_or_told),
        cmocka_unit_test(model_descriptions_are_read), cmocka_unit_test(declared_sizes_are_weighed),
        cmocka_unit_test(whole_files_are_judged),      cmocka_unit_test(broken_files_are_searched),
        cmocka_unit_test(any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
