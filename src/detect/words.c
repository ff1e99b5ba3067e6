/* Words that all engines must agree on (words.h). */
#include "detect/words.h"

bool sl_is_title(sl_view word)
{
    static const char *const TITLES[] = {
        "dr",  "mr",   "mrs",    "ms",     "miss",     "mister",  "mx",         "prof", "professor",
        "sir", "rev",  "doctor", "nurse",  "sister",   "dra",     "doctora",    "sra",  "srta",
        "sr",  "don",  "dona",   "herr",   "frau",     "med",     "pd",         "oa",   "schwester",
        "mme", "mlle", "m",      "madame", "monsieur", "docteur", "professeur", "pr",
    };
    for (size_t i = 0; i < SL_COUNT_OF(TITLES); i++) {
        if (sl_view_eq_nocase(word, sl_view_str(TITLES[i]))) {
            return true;
        }
    }
    return false;
}

size_t sl_after_titles(sl_view text, size_t start, size_t end)
{
    for (;;) {
        size_t at = start;
        while (at < end && sl_is_word(text.p[at])) {
            at++;
        }
        bool title = sl_is_title(sl_view_sub(text, start, at));
        while (at < end && (text.p[at] == '.' || sl_is_blank(text.p[at]))) {
            at++;
        }
        if (!title || at >= end) {
            return start;
        }
        start = at;
    }
}
