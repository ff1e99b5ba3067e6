/* Compiles the pattern tables that the program carries, for usual processors, when the program is
 * built: at each start of each process it would take about a second.
 * usage: compile-patterns OUTPUT TABLE.tsv...   (in the order in which the program reads them: by name) */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "detect/patterns.h"

#define TABLES_MAX ((size_t)16)
#define TABLE_BYTES_MAX ((size_t)1 << 20)
#define OUTPUT_BYTES_MAX ((size_t)1 << 28)

static sl_res compile(char **paths, size_t count, const char *output)
{
    sl_buf texts[TABLES_MAX] = { 0 };
    sl_view tables[TABLES_MAX];
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = OUTPUT_BYTES_MAX };
    sl_res r = count == 0 || count > TABLES_MAX ? sl_fail(SL_E_RANGE) : SL_DONE;
    for (size_t i = 0; sl_ok(r) && i < count; i++) {
        texts[i].max = TABLE_BYTES_MAX;
        r = sl_file_read(AT_FDCWD, paths[i], &texts[i]);
        tables[i] = sl_buf_view(&texts[i]);
    }
    if (sl_ok(r)) {
        r = sl_patterns_save_for_all(tables, count, &out);
    }
    for (size_t i = 0; i < TABLES_MAX; i++) {
        sl_buf_free(&texts[i]);
    }
    SL_TRY(r);
    return sl_file_replace(AT_FDCWD, output, sl_buf_view(&out), 0644);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: compile-patterns OUTPUT TABLE.tsv...\n");
        return 2;
    }
    sl_res r = compile(argv + 2, (size_t)argc - 2, argv[1]);
    if (!sl_ok(r)) {
        (void)fprintf(stderr, "compile-patterns: %s %s %" PRIu64 "\n", sl_res_name(r),
                      sl_detail_get()->field, sl_detail_get()->offset);
        return 1;
    }
    return 0;
}
