/* What formats share (format_parts.h): loading, and looking for words. */
#include <string.h>
#include <strings.h>

#include "artefact/format_parts.h"

sl_res sl_scan_load(sl_source *source, size_t max, sl_buf *ret_bytes)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = max };
    uint64_t size = sl_source_size(source);
    if (size > max) {
        return sl_fail_at(SL_E_LIMIT, "bytes held whole", max);
    }
    SL_TRY(sl_buf_reserve(&bytes, (size_t)size));
    sl_cursor cursor = sl_cursor_over(source);
    SL_TRY(sl_cursor_copy(&cursor, size, &bytes));
    *ret_bytes = sl_buf_take(&bytes);
    return SL_DONE;
}

bool sl_word_listed(const char *list, sl_view word)
{
    if (word.n == 0 || word.n > 64 || memchr(word.p, ' ', word.n) != NULL) {
        return false;
    }
    const char *at = list;
    while ((at = memmem(at, strlen(at), word.p, word.n)) != NULL) {
        if (at[-1] == ' ' && at[word.n] == ' ') {
            return true;
        }
        at++;
    }
    return false;
}

bool sl_text_holds(sl_view text, const char *words)
{
    size_t n = strlen(words);
    for (size_t at = 0; n > 0 && at + n <= text.n; at++) {
        if ((text.p[at] | 32) == ((uint8_t)words[0] | 32) &&
            strncasecmp((const char *)text.p + at, words, n) == 0) {
            return true;
        }
    }
    return false;
}
