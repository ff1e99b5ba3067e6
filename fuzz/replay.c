/* Runs a fuzz target over every file of the folders given: the committed corpus as a quick test, and
 * a crash found by the fuzzer without libFuzzer. */
#include <dirent.h>
#include <fcntl.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_folder(const char *folder, size_t *count)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        (void)fprintf(stderr, "%s: cannot be opened\n", folder);
        return 1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        SL_OWN(sl_buf, path, sl_buf_free) = { .max = SL_MIB };
        SL_OWN(sl_buf, data, sl_buf_free) = { .max = 16 * SL_MIB };
        if (entry->d_name[0] == '.') {
            continue;
        }
        if (!sl_ok(sl_buf_addf(&path, "%s/%s", folder, entry->d_name)) || sl_buf_cstr(&path) == NULL ||
            !sl_ok(sl_file_read(AT_FDCWD, sl_buf_cstr(&path), &data))) {
            (void)closedir(dir);
            return 1;
        }
        (void)LLVMFuzzerTestOneInput(data.p, data.n);
        (*count)++;
    }
    return closedir(dir);
}

int main(int argc, char **argv)
{
    size_t count = 0;
    for (int i = 1; i < argc; i++) {
        if (replay_folder(argv[i], &count) != 0) {
            return 1;
        }
    }
    (void)printf("%zu inputs\n", count);
    return count == 0;
}
