/* Code, YAML and CSV, by the first byte: any bytes are scanned to the end. */
#include "format_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "m.py", "m.yaml", "t.csv", "t.txt" };
    if (size > 0) {
        fuzz_format(data + 1, size - 1, names[data[0] & 3]);
    }
    return 0;
}
