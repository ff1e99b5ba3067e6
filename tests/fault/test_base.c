/* The ground under faults: every allocation, write, sync, rename and open of these calls fails once;
 * each time the failure is typed, nothing leaks, and a file is the old one or the new one. */
#include "test.h"

#include "fault.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/yaml.h"

#define NEEDS_FAULTS()                                                                             \
    do {                                                                                           \
        if (!sl_fault_available()) {                                                               \
            print_message("skipped: the sanitizers own malloc\n");                                 \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

static sl_res read_yaml(void *context)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = SL_MIB };
    const sl_yaml_node *root = NULL;
    return sl_yaml_parse(&arena, *(const sl_view *)context, &root);
}

static void yaml_survives_every_failed_allocation(void **state)
{
    NEEDS_FAULTS();
    sl_view text = SL_LIT("name: one\nrules:\n  - {id: a, when: \"x: y\"}\n  - id: b\n");
    uint64_t points = 0;
    assert_true(sl_fault_sweep(SL_FAULT_MALLOC, read_yaml, NULL, &text, &points));
    assert_true(points > 5);
}

static sl_res read_json(void *context)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    SL_TRY(sl_json_parse(*(const sl_view *)context, &doc));
    return sl_json_canonical(&doc, sl_json_root(&doc), &out);
}

static void json_survives_every_failed_allocation(void **state)
{
    NEEDS_FAULTS();
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    assert_done(sl_buf_add_str(&text, "{\"list\":["));
    for (int i = 0; i < 500; i++) {
        assert_done(sl_buf_addf(&text, "%s{\"b\":%d,\"a\":\"\\u00e9\"}", i > 0 ? "," : "", i));
    }
    assert_done(sl_buf_add_str(&text, "]}"));
    sl_view view = sl_buf_view(&text);
    uint64_t points = 0;
    assert_true(sl_fault_sweep(SL_FAULT_MALLOC, read_json, NULL, &view, &points));
    assert_true(points > 500);
}

typedef struct {
    int dir_fd;
    char path[64];
} place;

static sl_res replace_file(void *context)
{
    const place *at = context;
    return sl_file_replace(at->dir_fd, "file", SL_LIT("the new content"), 0600);
}

/* The old or the new content, whole, and no other file beside it. */
static bool old_or_new(sl_res result, void *context)
{
    const place *at = context;
    SL_OWN(sl_buf, got, sl_buf_free) = { .max = 1024 };
    if (!sl_ok(sl_file_read(at->dir_fd, "file", &got))) {
        return false;
    }
    bool is_new = sl_view_eq_str(sl_buf_view(&got), "the new content");
    bool is_old = sl_view_eq_str(sl_buf_view(&got), "the old content");
    bool alone =
        unlinkat(at->dir_fd, "file", 0) == 0 && rmdir(at->path) == 0 && mkdir(at->path, 0700) == 0;
    (void)result;
    return (sl_ok(result) ? is_new : is_new || is_old) && alone;
}

static bool again(sl_res result, void *context)
{
    place *at = context;
    bool held = old_or_new(result, context);
    sl_fd_close(&at->dir_fd);
    return held && sl_ok(sl_dir_open(AT_FDCWD, at->path, &at->dir_fd)) &&
           sl_ok(sl_file_replace(at->dir_fd, "file", SL_LIT("the old content"), 0600));
}

static void a_replaced_file_is_the_old_or_the_new_one(void **state)
{
    NEEDS_FAULTS();
    static const unsigned kinds[] = { SL_FAULT_WRITE, SL_FAULT_SYNC, SL_FAULT_RENAME, SL_FAULT_OPEN,
                                      SL_FAULT_MALLOC };
    for (size_t i = 0; i < SL_COUNT_OF(kinds); i++) {
        place at = { .dir_fd = -1 };
        (void)snprintf(at.path, sizeof(at.path), "/tmp/stoplog-fault-XXXXXX");
        assert_non_null(mkdtemp(at.path));
        assert_done(sl_dir_open(AT_FDCWD, at.path, &at.dir_fd));
        assert_done(sl_file_replace(at.dir_fd, "file", SL_LIT("the old content"), 0600));
        uint64_t points = 0;
        assert_true(sl_fault_sweep(kinds[i], replace_file, again, &at, &points));
        assert_true(points > 0 || kinds[i] == SL_FAULT_MALLOC);
        assert_int_equal(unlinkat(at.dir_fd, "file", 0), 0);
        sl_fd_close(&at.dir_fd);
        assert_int_equal(rmdir(at.path), 0);
    }
}

static sl_res leaks_when_memory_is_short(void *context)
{
    /* Volatile, or the compiler sees through the blocks and leaves them out. */
    void *volatile first = malloc(10);
    void *volatile second = malloc(10);
    (void)context;
    if (second == NULL) {
        return sl_fail(SL_E_MEMORY); /* forgets the first */
    }
    free(second);
    free(first);
    return SL_DONE;
}

static void a_leak_on_the_way_out_is_caught(void **state)
{
    NEEDS_FAULTS();
    assert_false(sl_fault_sweep(SL_FAULT_MALLOC, leaks_when_memory_is_short, NULL, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_survives_every_failed_allocation),
        cmocka_unit_test(json_survives_every_failed_allocation),
        cmocka_unit_test(a_replaced_file_is_the_old_or_the_new_one),
        cmocka_unit_test(a_leak_on_the_way_out_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
