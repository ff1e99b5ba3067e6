/* What a word says about being calm (tagger_calm.h). Small words are listed here because the pack's lists know no word
 * of two letters, and count some of them among the names. */
#include "detect/tagger_calm.h"

#include "detect/words.h"

#define SMALL_BYTES ((size_t)7)

/* In order. */
static const char *const SMALL[] = {
    "a",    "all",  "also", "am",   "an",   "and",  "any", "are",  "as",   "at",   "be",   "been",
    "but",  "by",   "can",  "con",  "dans", "das",  "did", "do",   "does", "ein",  "en",   "est",
    "for",  "from", "had",  "has",  "have", "he",   "her", "here", "him",  "his",  "how",  "i",
    "if",   "in",   "into", "is",   "ist",  "it",   "its", "just", "les",  "me",   "mit",  "more",
    "most", "my",   "no",   "not",  "of",   "on",   "or",  "our",  "out",  "over", "pas",  "por",
    "pour", "que",  "qui",  "she",  "so",   "some", "sur", "than", "that", "the",  "them", "then",
    "they", "this", "to",   "too",  "un",   "una",  "und", "une",  "up",   "us",   "very", "was",
    "we",   "well", "were", "what", "when", "who",  "why", "with", "yes",  "you",  "your",
};
static const char *const BEGINNING[] = {
    "also",  "and",  "are",  "at",   "but",   "can",   "could", "did",  "does",  "don't", "for",
    "had",   "has",  "have", "he",   "he's",  "his",   "how",   "i",    "i'm",   "i've",  "if",
    "in",    "is",   "it",   "it's", "my",    "not",   "okay",  "on",   "or",    "our",   "she",
    "she's", "that", "the",  "then", "there", "these", "they",  "this", "those", "was",   "we",
    "well",  "were", "what", "when", "who",   "with",  "would", "you",  "your",
};

static bool is_among(const char *const *words, size_t count, sl_view word)
{
    size_t low = 0;
    size_t high = count;
    char copy[SMALL_BYTES + 1] = { 0 };
    for (size_t i = 0; i < word.n; i++) {
        copy[i] = (char)sl_lower(word.p[i]);
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strncmp(words[middle], copy, sizeof copy);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return false;
}

static unsigned calm_word(uint32_t lists, sl_view word)
{
    const uint32_t announces = SL_LIST_TITLE | SL_LIST_RELATION;
    const uint32_t names =
        announces | SL_LIST_FIRST_COMMON | SL_LIST_CITY | SL_LIST_HOSPITAL | SL_LIST_STREET;
    const uint32_t rare = SL_LIST_FIRST_RARE | SL_LIST_LAST | SL_LIST_CITY_PART;
    bool plain = word.n > 3 && (lists & SL_LIST_PLAIN) != 0;
    bool small = word.n <= SMALL_BYTES && is_among(SMALL, SL_COUNT_OF(SMALL), word);
    bool ascii = true;
    for (size_t i = 0; i < word.n; i++) {
        ascii = ascii && word.p[i] < 0x80;
    }
    unsigned calm = SL_CALM_LOWER;
    calm |= (plain || small) && (lists & names) == 0 ? SL_CALM_PROSE : 0U;
    calm |= (small && word.n > 1) || (plain && ascii && (lists & (names | rare)) == 0)
                ? SL_CALM_WORD
                : 0U;
    calm |= small || (lists & (names & ~(uint32_t)SL_LIST_CITY)) == 0 ? SL_CALM_QUIET : 0U;
    return calm | ((lists & announces) != 0 ? SL_CALM_OPEN : 0U);
}

uint8_t sl_tag_calm(const sl_tag_token *token, sl_view word)
{
    if (token->capital == 0) {
        return (uint8_t)calm_word(token->lists, word);
    }
    if (token->capital == 4 && word.n == 1 && word.p[0] != 0) {
        bool stop = strchr(".?!:", word.p[0]) != NULL;
        bool sign = strchr(".?!,;()\"", word.p[0]) != NULL;
        return (uint8_t)((sign ? SL_CALM_SIGN : 0) | (stop ? SL_CALM_STOP : 0));
    }
    bool begins = token->capital == 1 || token->capital == 2 || token->capital == 6;
    bool small =
        begins && word.n <= SMALL_BYTES && is_among(BEGINNING, SL_COUNT_OF(BEGINNING), word);
    return small ? SL_CALM_SMALL : 0;
}
