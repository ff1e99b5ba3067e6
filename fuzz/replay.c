/* Runs a fuzz target over every file of its corpus, for compilers and builds without libFuzzer.
 * An input that once failed stays in the corpus and is tried by every test run. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>

#include "base/file.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES_MAX (16 * SL_MIB)

static int replay_file(const char *folder, const char *name)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return 1;
    }
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = INPUT_BYTES_MAX };
    sl_res r = sl_file_read(AT_FDCWD, path, &text);
    if (!sl_ok(r)) {
        fprintf(stderr, "%s: %s\n", path, sl_res_text(r));
        return 1;
    }
    /* Printed first: a target that dies leaves the name of what killed it. */
    fprintf(stderr, "%s\n", path);
    return LLVMFuzzerTestOneInput(text.p, text.n);
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (folder == NULL) {
        fprintf(stderr, "usage: replay_NAME FOLDER\n");
        return 2;
    }
    int failed = LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    int files = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] != '.') {
            failed |= replay_file(argv[1], entry->d_name);
            files++;
        }
    }
    closedir(folder);
    return failed != 0 || files == 0;
}
