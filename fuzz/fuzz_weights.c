/* fastText, word2vec and CatBoost: any bytes are scanned to the end. */
#include "format_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_format(data, size, "m.bin");
    return 0;
}
