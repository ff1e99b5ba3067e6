/* A grammar of texts: sections of lines, one folder file a language, expanded by a seeded generator.
 * Line form: "{name}" is a line of section `name` (of the language, else of common), "{a|b|}" one of
 * the alternatives as they stand (which may be references by "@name"), "\n" a line end. Section names
 * that begin with a family ("attack.", "benign.", "indirect.", "carrier.") are what is asked for. */
#ifndef SL_TOOLS_INJECT_GRAMMAR_H
#define SL_TOOLS_INJECT_GRAMMAR_H

#include "base/arena.h"
#include "base/random.h"

#define GRAMMAR_LANGUAGES_MAX 40

/* Which lines of the families' own sections are used: one in five is held out of training. */
typedef enum { LINES_ALL, LINES_LEARNED, LINES_HELD_OUT } grammar_lines;

typedef struct {
    sl_view name;
    sl_view *lines;
    size_t n;
    size_t cap;
} grammar_section;

typedef struct {
    char name[16];
    grammar_section *sections;
    size_t n;
    size_t cap;
} grammar_language;

typedef struct {
    sl_arena arena;
    grammar_language common;
    grammar_language languages[GRAMMAR_LANGUAGES_MAX];
    size_t n;
} grammar;

/* Reads FOLDER/common.txt and every other FOLDER/LANGUAGE.txt and FOLDER/LANGUAGE-AUTHOR.txt, in order of
 * name; a language's files share their sections, and no two name one alike (SL_E_DUPLICATE). Says on standard error
 * which reference of which line names no section: SL_E_NOT_FOUND. */
SL_MUST sl_res grammar_load(const char *folder, grammar *ret_grammar);
void grammar_free(grammar *g);
const grammar_language *grammar_find(const grammar *g, const char *language);
/* Sections whose names begin with `family`, as indexes into the language's; returns how many. */
size_t grammar_family(const grammar_language *l, const char *family, size_t *ret_sections,
                      size_t max);
/* Appends one text of a section. */
SL_MUST sl_res grammar_make(const grammar *g, const grammar_language *l, size_t section,
                            grammar_lines lines, sl_prng *prng, sl_buf *out);

#endif
