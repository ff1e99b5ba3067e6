/* Findings of a tagged text (tagger_report.h): names with their titles, hospitals with their town, numbers without the
 * signs at their ends. */
#include "detect/tagger_report.h"

#include "detect/words.h"

/* A title has at most so many tokens, full stops among them. */
#define TITLE_TOKENS ((size_t)8)

static bool is_sign(const sl_tag_tokens *tokens, size_t at, sl_view text, char sign)
{
    const sl_tag_token *t = &tokens->items[at];
    return t->end - t->start == 1 && text.p[t->start] == (uint8_t)sign;
}

/* A title belongs to the name that follows it: "Dr. Roe", "Herr Prof. Dr. med. Roe". */
static size_t with_title(const sl_tag_tokens *tokens, sl_view text, size_t first)
{
    size_t at = first;
    for (size_t i = first; i > 0 && first - i < TITLE_TOKENS && tokens->items[i].lines == 0;) {
        size_t before = i - 1;
        if (is_sign(tokens, before, text, '.') && before > 0 && tokens->items[before].lines == 0) {
            before--;
        }
        const sl_tag_token *t = &tokens->items[before];
        if (t->label != SL_TAG_OUTSIDE || !sl_is_title(sl_view_sub(text, t->start, t->end))) {
            break;
        }
        i = before;
        at = before;
    }
    return at;
}

static size_t span_end(const sl_tag_tokens *tokens, size_t first)
{
    size_t last = first;
    unsigned tag = tokens->items[first].label;
    while (last + 1 < tokens->n && tokens->items[last + 1].label == tag + 1) {
        last++;
    }
    return last;
}

static bool is_joint(const sl_tag_tokens *tokens, size_t at, sl_view text)
{
    const sl_tag_token *t = &tokens->items[at];
    sl_view word = sl_view_sub(text, t->start, t->end);
    return t->lines == 0 && (sl_view_eq_nocase(word, SL_LIT("in")) || sl_view_eq_str(word, ",") ||
                             sl_view_eq_nocase(word, SL_LIT("at")));
}

/* A hospital and its town are one place: "Mercy Clinic in Springfield". */
static size_t with_town(const sl_tag_tokens *tokens, sl_view text, size_t first, size_t last)
{
    bool hospital = false;
    for (size_t i = first; i <= last; i++) {
        hospital = hospital || (tokens->items[i].lists & SL_LIST_HOSPITAL) != 0;
    }
    bool joins = hospital && last + 2 < tokens->n && is_joint(tokens, last + 1, text) &&
                 tokens->items[last + 1].label == SL_TAG_OUTSIDE &&
                 tokens->items[last + 2].label == SL_TAG_PLACE &&
                 tokens->items[last + 2].lines == 0;
    return joins ? span_end(tokens, last + 2) : last;
}

static sl_res add(const sl_tag_tokens *tokens, sl_class kind, size_t first, size_t last,
                  sl_findings *findings)
{
    return sl_findings_add(findings, (sl_finding){ .start = tokens->items[first].start,
                                                   .end = tokens->items[last].end,
                                                   .attribution = SL_NO_ATTRIBUTION,
                                                   .rule = SL_NO_RULE,
                                                   .policy_rule = SL_NO_RULE,
                                                   .score_permille = 700,
                                                   .detector = SL_DETECTOR_PHI,
                                                   .kind = (uint8_t)kind,
                                                   .view = SL_VIEW_PLAIN });
}

/* Does the word before say that the number is of a paper, a gene, a catalogue? */
static bool is_reference(const sl_tag_tokens *tokens, sl_view text, size_t first)
{
    static const char *const WORDS[] = { "pmid",  "pmc", "doi",  "isbn",   "issn",   "nct", "loinc",
                                         "icd",   "cpt", "omim", "snomed", "rxnorm", "ndc", "rs",
                                         "hcpcs", "drg", "chr",  "exon",   "page",   "grch" };
    for (size_t back = 1; back <= 3 && back <= first + 1; back++) {
        const sl_tag_token *t = &tokens->items[first + 1 - back];
        size_t n = t->start;
        while (n < t->end && !sl_is_digit(text.p[n])) {
            n++;
        }
        sl_view word = sl_view_sub(text, t->start, n);
        for (size_t i = 0; i < SL_COUNT_OF(WORDS) && word.n > 1; i++) {
            if (sl_view_eq_nocase(word, sl_view_str(WORDS[i]))) {
                return true;
            }
        }
    }
    return false;
}

/* A number of a person has three digits or more and does not begin or end with a sign. */
static sl_res add_number(const sl_tag_tokens *tokens, sl_view text, size_t first, size_t last,
                         sl_findings *findings)
{
    while (first < last && tokens->items[first].capital == 4) {
        first++;
    }
    while (last > first && tokens->items[last].capital == 4) {
        last--;
    }
    size_t digits = 0;
    for (size_t i = tokens->items[first].start; i < tokens->items[last].end; i++) {
        digits += sl_is_digit(text.p[i]);
    }
    return digits < 3 || is_reference(tokens, text, first)
               ? SL_DONE
               : add(tokens, SL_CLASS_OTHER_ID, first, last, findings);
}

sl_res sl_tag_report(const sl_tag_tokens *tokens, sl_findings *findings)
{
    sl_view text = tokens->text;
    for (size_t i = 0; i < tokens->n; i++) {
        unsigned tag = tokens->items[i].label;
        size_t last = i;
        if (tag == SL_TAG_NAME) {
            last = span_end(tokens, i);
            SL_TRY(add(tokens, SL_CLASS_NAME, with_title(tokens, text, i), last, findings));
        } else if (tag == SL_TAG_PLACE) {
            last = with_town(tokens, text, i, span_end(tokens, i));
            if (!sl_is_region(sl_view_sub(text, tokens->items[i].start, tokens->items[last].end))) {
                SL_TRY(add(tokens, SL_CLASS_LOCATION, i, last, findings));
            }
        } else if (tag == SL_TAG_NUMBER) {
            while (last + 1 < tokens->n && tokens->items[last + 1].label == SL_TAG_NUMBER &&
                   tokens->items[last + 1].lines == 0) {
                last++;
            }
            SL_TRY(add_number(tokens, text, i, last, findings));
        }
        i = last;
    }
    return SL_DONE;
}
