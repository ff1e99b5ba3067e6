/* 7z and RAR archives: any bytes are scanned to the end, with all that they hold. */
#include "format_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_format(data, size, "m.7z");
    return 0;
}
