/* What the parts of the pattern engine share (patterns.h): compiled tables, working memory, bytes. Tables are read in
 * patterns_table.c, compiled and saved in patterns_compile.c, narrowed to windows in patterns_window.c, scanned in
 * patterns.c, proved in patterns_prove.c. Internal to src/detect. */
#ifndef SL_DETECT_PATTERNS_SET_H
#define SL_DETECT_PATTERNS_SET_H

#include <hs/hs.h>

#include "base/arena.h"
#include "detect/check_digits.h"
#include "detect/patterns.h"

#define SL_PATTERNS_MAX ((size_t)512)
#define SL_PATTERN_SETS_MAX ((size_t)64)
#define SL_PATTERN_MACROS_MAX ((size_t)16)
#define SL_PATTERN_CONTEXTS ((size_t)3)
#define SL_PATTERN_BACK_MAX ((uint16_t)160)
#define SL_PATTERN_TABLE_BYTES_MAX ((size_t)1 << 20)

typedef enum { VALUE_ALL, VALUE_LAST, VALUE_DIGIT, VALUE_REST, VALUE_NUMBER } sl_pattern_value;

typedef struct {
    const char *name;
    sl_check_digit_fn *check; /* or NULL */
    uint16_t score;
    uint8_t kind;
    uint8_t value;
    uint8_t group; /* sl_pattern_group */
    bool caseless;
    uint8_t context_count;
    bool negative[SL_PATTERN_CONTEXTS];
    uint8_t context[SL_PATTERN_CONTEXTS];
    uint16_t back; /* from a match's end so far back its beginning is looked for */
    const char *expression;
} sl_pattern;

typedef struct {
    sl_view name;
    sl_view text;
} sl_pattern_text;

/* A set's words by a 32-bit hash: a chance hit costs nothing but a context that is too kind. */
#define SET_SLOTS ((size_t)512)
typedef struct {
    uint32_t slots[SET_SLOTS]; /* 0 is empty */
} sl_word_set;

/* Patterns are asked only where their own sort of trigger stands; most are in the first group. */
typedef enum {
    GROUP_MAIN,
    GROUP_WORD,   /* a word that mixes letters and digits */
    GROUP_STREET, /* digits, a blank, a letter */
    GROUP_STATE,  /* two capitals, blanks, a digit */
    GROUP_MAIL,   /* '@' */
    GROUP_COUNT
} sl_pattern_group;

struct sl_patterns {
    size_t owners; /* beyond the first */
    sl_arena arena;
    sl_buf tables; /* all tables, one after another */
    /* A group's patterns together say quickly where something ends; a pattern alone then says where
     * it begins. Reporting starts for all at once would cost three times as much. */
    hs_database_t *groups[GROUP_COUNT]; /* or NULL: the group is empty */
    hs_database_t **single;
    sl_pattern *patterns;
    size_t count;
    sl_pattern_text sets[SL_PATTERN_SETS_MAX];
    sl_word_set *set_words;
    size_t set_count;
    sl_pattern_text macros[SL_PATTERN_MACROS_MAX];
    size_t macro_count;
};

typedef struct {
    size_t start;
    size_t end;
    uint32_t id;
} sl_pattern_match;

struct sl_pattern_work {
    hs_scratch_t *scratch;
    sl_pattern_match *matches;
    size_t n;
    size_t cap;
    size_t base;
    sl_pattern_match *ends; /* of the first pass: `start` is not set */
    size_t ends_n;
    size_t ends_cap;
    uint32_t id; /* of the pattern that is asked alone */
    sl_buf copy; /* of the part that it is asked about */
    bool failed;
};

/* Reads tables into an empty set. SL_E_SYNTAX at the line. */
SL_MUST sl_res sl_patterns_read(const sl_view *tables, size_t count, sl_patterns **ret_patterns);
/* FNV-1a of the word in lower case; never 0. */
uint32_t sl_word_set_hash(sl_view word);
/* The first trigger at or after `at`, or the text's end; the window around one, not before `floor`. */
size_t sl_pattern_trigger(sl_view text, size_t at);
/* The next trigger behind `trigger` whose window may reach beyond `window_end`. */
size_t sl_pattern_trigger_after(sl_view text, size_t trigger, size_t window_end);
size_t sl_pattern_window_start(sl_view text, size_t trigger, size_t floor);
size_t sl_pattern_window_end(sl_view text, size_t trigger);
/* Of each pattern's matches that share a start, the longest that proves itself; of overlapping ones of one pattern, the
 * first. Matches come by pattern, then start, then the longest first. */
SL_MUST sl_res sl_patterns_prove(const sl_patterns *patterns, const sl_pattern_work *work,
                                 sl_view text, sl_findings *findings);

static inline bool sl_pattern_is_blank(uint8_t b)
{
    return b == ' ' || b == '\t' || b == '\n' || b == '\r';
}

/* ASCII alone. */
static inline bool sl_pattern_is_word(uint8_t b)
{
    return (uint8_t)(b - '0') < 10 || (uint8_t)((b | 0x20) - 'a') < 26;
}

#endif
