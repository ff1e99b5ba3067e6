/* The scanner against the corpus of inert attacks and of real, benign artefacts, through confined workers
 * as the command runs it. tests/artefact/scan_floor.json holds what each family reached; it may only be
 * made stricter. Skipped where the shared data does not lie (SL_SHARED). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/file.h"
#include "base/json.h"
#include "supply/scan_walk.h"

#include <fcntl.h>

typedef struct {
    char *path;
    sl_scan_class class;
    bool complete;
} seen;

typedef struct {
    seen *items;
    size_t count;
    size_t from; /* bytes of the root and its slash */
} all;

static void take(void *ctx, sl_view path, const sl_scan_result *result)
{
    all *a = ctx;
    a->items = reallocarray(a->items, a->count + 1, sizeof *a->items);
    assert_non_null(a->items);
    sl_view rest = sl_view_sub(path, a->from, path.n);
    a->items[a->count++] =
        (seen){ strndup((const char *)rest.p, rest.n), result->class, result->complete };
}

static all scan_tree(const char *root)
{
    all a = { .from = strlen(root) + 1 };
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    SL_OWN(sl_scan_pool *, pool, sl_scan_pool_free) = NULL;
    sl_scan_walk_count count = { 0 };
    assert_done(sl_allow_read(sl_allow_pack(), &allow));
    const sl_scan_pool_options options = { .allow = allow, .done = take, .ctx = &a, .workers = 2 };
    assert_done(sl_scan_pool_make(&options, &pool));
    assert_done(sl_scan_walk(pool, root, &count));
    assert_done(sl_scan_pool_finish(pool));
    return a;
}

static void free_all(all *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->items[i].path);
    }
    free(a->items);
}

/* The worst of a file, or of what lies below a folder. */
static bool worst(const all *a, const char *path, seen *ret)
{
    bool found = false;
    size_t n = strlen(path);
    *ret = (seen){ .complete = true };
    for (size_t i = 0; i < a->count; i++) {
        const seen *s = &a->items[i];
        if (strncmp(s->path, path, n) == 0 && (s->path[n] == 0 || s->path[n] == '/')) {
            found = true;
            ret->class = s->class > ret->class ? s->class : ret->class;
            ret->complete = ret->complete && s->complete;
        }
    }
    return found;
}

typedef struct {
    char name[64]; /* label/family */
    uint64_t files;
    uint64_t blocked;
    uint64_t held;
    uint64_t clean;
} family;

typedef struct {
    family items[64];
    size_t count;
} families;

static family *family_of(families *f, const char *name)
{
    size_t i = 0;
    while (i < f->count && strcmp(f->items[i].name, name) != 0) {
        i++;
    }
    if (i == f->count) {
        assert_true(f->count++ < SL_COUNT_OF(f->items));
        (void)snprintf(f->items[i].name, sizeof f->items[i].name, "%s", name);
    }
    return &f->items[i];
}

static void text_of(const sl_json_doc *doc, const char *name, char *to, size_t room)
{
    const sl_json_node *node = sl_json_get_kind(doc, sl_json_root(doc), name, SL_JSON_STRING);
    assert_non_null(node);
    (void)snprintf(to, room, "%.*s", SL_FMT(node->raw));
}

static void judge_line(sl_view line, const all *a, families *f)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    char label[16];
    char kind[40];
    char path[512];
    char name[64];
    seen s;
    assert_done(sl_json_parse(line, &doc));
    text_of(&doc, "label", label, sizeof label);
    text_of(&doc, "family", kind, sizeof kind);
    text_of(&doc, "path", path, sizeof path);
    if (!worst(a, path, &s)) {
        return; /* a part of the corpus is not here */
    }
    (void)snprintf(name, sizeof name, "%s/%s", label, kind);
    family *of = family_of(f, name);
    bool clean = s.class == SL_SCAN_CLEAN && s.complete;
    of->files++;
    of->blocked += s.class >= SL_SCAN_MALFORMED;
    of->held += s.class == SL_SCAN_UNKNOWN || (s.class == SL_SCAN_CLEAN && !s.complete);
    of->clean += clean;
    if (clean != (strcmp(label, "ben") == 0)) {
        print_message("%s: %s\n", path, sl_scan_class_name(s.class));
    }
}

static bool read_text(const char *path, sl_buf *out)
{
    return sl_ok(sl_file_read(AT_FDCWD, path, out));
}

static void judge(const char *root, families *f)
{
    SL_OWN(sl_buf, manifest, sl_buf_free) = { .max = (size_t)8 << 20 };
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/manifest.jsonl", root);
    assert_true(read_text(path, &manifest));
    all a = scan_tree(root);
    sl_view rest = sl_buf_view(&manifest);
    while (rest.n != 0) {
        sl_view line = { 0 };
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (line.n != 0) {
            judge_line(line, &a, f);
        }
    }
    free_all(&a);
}

static bool shared_root(char *to, size_t room, const char *part)
{
    const char *shared = getenv("SL_SHARED");
    (void)snprintf(to, room, "%s/data/supply/%s",
                   shared != NULL ? shared : SL_SOURCE_ROOT "/../shared", part);
    return sl_path_exists(AT_FDCWD, to);
}

/* Permille that each family must reach: attacks blocked, malformed and resource attacks not clean. */
static uint64_t floor_of(const sl_json_doc *doc, const char *name)
{
    uint64_t least = 0;
    const sl_json_node *node = sl_json_get(doc, sl_json_root(doc), name);
    if (node == NULL) {
        print_error("%s has no floor\n", name);
    }
    assert_non_null(node);
    assert_done(sl_json_u64(node, &least));
    return least;
}

static void every_family_keeps_its_floor(void **state)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    SL_OWN(sl_json_doc, floors, sl_json_doc_free) = { 0 };
    char root[4096];
    families f = { 0 };
    if (!shared_root(root, sizeof root, "corpus")) {
        print_message("skipped: no shared data; point SL_SHARED at it\n");
        skip();
    }
    assert_true(read_text(SL_SOURCE_ROOT "/tests/artefact/scan_floor.json", &text));
    assert_done(sl_json_parse(sl_buf_view(&text), &floors));
    judge(root, &f);
    bool kept = true;
    for (size_t i = 0; i < f.count; i++) {
        const family *x = &f.items[i];
        bool benign = strncmp(x->name, "ben/", 4) == 0;
        uint64_t good = benign                             ? x->clean
                        : strncmp(x->name, "mal/", 4) == 0 ? x->blocked
                                                           : x->files - x->clean;
        uint64_t least = floor_of(&floors, x->name);
        print_message("%-20s %4llu of %4llu (floor %llu permille)\n", x->name,
                      (unsigned long long)good, (unsigned long long)x->files,
                      (unsigned long long)least);
        kept = kept && good * 1000 >= least * x->files;
    }
    assert_true(kept);
}

static void real_artefacts_pass(void **state)
{
    char root[4096];
    families f = { 0 };
    family sum = { 0 };
    if (!shared_root(root, sizeof root, "benign")) {
        print_message("skipped: no shared data; point SL_SHARED at it\n");
        skip();
    }
    judge(root, &f);
    for (size_t i = 0; i < f.count; i++) {
        sum.files += f.items[i].files;
        sum.blocked += f.items[i].blocked;
        sum.held += f.items[i].held;
    }
    print_message("%llu real artefacts: %llu blocked, %llu held\n", (unsigned long long)sum.files,
                  (unsigned long long)sum.blocked, (unsigned long long)sum.held);
    assert_true(sum.files > 50);
    assert_true(sum.blocked * 50 <= sum.files); /* 2 % */
    assert_true(sum.held * 20 <= sum.files);    /* 5 % */
}

/* Sorting many members makes the C library ask for things that a worker may not; it must not die of it. */
static void an_archive_of_many_members_is_read_in_a_worker(void **state)
{
    char folder[] = "/tmp/sl-scan-XXXXXX";
    char path[64];
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = (size_t)4 << 20 };
    SL_OWN(sl_buf, directory, sl_buf_free) = { .max = (size_t)4 << 20 };
    assert_non_null(mkdtemp(folder));
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t front[30] = { 'P', 'K', 3, 4, 20, [26] = 4 };
        uint8_t entry[46] = { 'P', 'K', 1, 2, 20, 3, 20, [28] = 4 };
        char name[8];
        (void)snprintf(name, sizeof name, "%04u", i);
        sl_put_le32(entry + 42, (uint32_t)out.n);
        assert_done(sl_buf_add(&out, sl_view_of(front, sizeof front)));
        assert_done(sl_buf_add(&out, sl_view_of(name, 4)));
        assert_done(sl_buf_add(&directory, sl_view_of(entry, sizeof entry)));
        assert_done(sl_buf_add(&directory, sl_view_of(name, 4)));
    }
    uint8_t end[22] = { 'P', 'K', 5, 6 };
    sl_put_le16(end + 8, 2000);
    sl_put_le16(end + 10, 2000);
    sl_put_le32(end + 12, (uint32_t)directory.n);
    sl_put_le32(end + 16, (uint32_t)out.n);
    assert_done(sl_buf_add(&out, sl_buf_view(&directory)));
    assert_done(sl_buf_add(&out, sl_view_of(end, sizeof end)));
    (void)snprintf(path, sizeof path, "%s/many.zip", folder);
    assert_done(sl_file_create(AT_FDCWD, path, sl_buf_view(&out), 0600));
    all a = scan_tree(folder);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.items[0].class, SL_SCAN_CLEAN);
    assert_true(a.items[0].complete);
    free_all(&a);
    (void)remove(path);
    (void)remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_keeps_its_floor),
        cmocka_unit_test(real_artefacts_pass),
        cmocka_unit_test(an_archive_of_many_members_is_read_in_a_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
