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

static sl_view word_at(const sl_tag_tokens *tokens, sl_view text, size_t at)
{
    return sl_view_sub(text, tokens->items[at].start, tokens->items[at].end);
}

/* Does a word before or in it say that the number is of a paper, a gene, a catalogue, a trial? */
static bool is_reference(const sl_tag_tokens *tokens, sl_view text, size_t first, size_t last)
{
    static const sl_view WORDS[] = {
        SL_LIT("pmid"),   SL_LIT("pmc"),      SL_LIT("doi"),    SL_LIT("isbn"),      SL_LIT("issn"),
        SL_LIT("nct"),    SL_LIT("loinc"),    SL_LIT("icd"),    SL_LIT("cpt"),       SL_LIT("omim"),
        SL_LIT("ndc"),    SL_LIT("snomed"),   SL_LIT("rs"),     SL_LIT("drg"),       SL_LIT("chr"),
        SL_LIT("exon"),   SL_LIT("page"),     SL_LIT("rxnorm"), SL_LIT("grch"),      SL_LIT("snp"),
        SL_LIT("hcpcs"),  SL_LIT("keynote"),  SL_LIT("cas"),    SL_LIT("checkmate"), SL_LIT("atc"),
        SL_LIT("meddra"), SL_LIT("orphanet"), SL_LIT("clinvar")
    };
    for (size_t i = first > 2 ? first - 2 : 0; i <= last; i++) {
        sl_view word = word_at(tokens, text, i);
        size_t n = 0;
        while (n < word.n && !sl_is_digit(word.p[n])) {
            n++;
        }
        if (n > 1 && sl_is_one_of(sl_view_sub(word, 0, n), WORDS, SL_COUNT_OF(WORDS))) {
            return true;
        }
    }
    return false;
}

/* Units and what is counted: "135-145 mmol", "223 patients". */
static bool is_measured(const sl_tag_tokens *tokens, sl_view text, size_t last)
{
    static const sl_view UNITS[] = {
        SL_LIT("%"),         SL_LIT("mg"),        SL_LIT("g"),         SL_LIT("kg"),
        SL_LIT("mcg"),       SL_LIT("ng"),        SL_LIT("ml"),        SL_LIT("l"),
        SL_LIT("dl"),        SL_LIT("mmol"),      SL_LIT("nmol"),      SL_LIT("umol"),
        SL_LIT("meq"),       SL_LIT("miu"),       SL_LIT("iu"),        SL_LIT("u"),
        SL_LIT("units"),     SL_LIT("unit"),      SL_LIT("kcal"),      SL_LIT("cal"),
        SL_LIT("cm"),        SL_LIT("mm"),        SL_LIT("m"),         SL_LIT("km"),
        SL_LIT("min"),       SL_LIT("minutes"),   SL_LIT("hours"),     SL_LIT("h"),
        SL_LIT("hrs"),       SL_LIT("days"),      SL_LIT("weeks"),     SL_LIT("months"),
        SL_LIT("years"),     SL_LIT("bpm"),       SL_LIT("mmhg"),      SL_LIT("msec"),
        SL_LIT("ms"),        SL_LIT("patients"),  SL_LIT("people"),    SL_LIT("women"),
        SL_LIT("men"),       SL_LIT("subjects"),  SL_LIT("persons"),   SL_LIT("participants"),
        SL_LIT("children"),  SL_LIT("infants"),   SL_LIT("cases"),     SL_LIT("controls"),
        SL_LIT("adults"),    SL_LIT("samples"),   SL_LIT("specimens"), SL_LIT("eyes"),
        SL_LIT("cells"),     SL_LIT("steps"),     SL_LIT("times"),     SL_LIT("beats"),
        SL_LIT("gy"),        SL_LIT("hz"),        SL_LIT("khz"),       SL_LIT("mhz"),
        SL_LIT("kda"),       SL_LIT("bp"),        SL_LIT("kb"),        SL_LIT("nm"),
        SL_LIT("patienten"), SL_LIT("pacientes"), SL_LIT("mosm"),      SL_LIT("osm"),
        SL_LIT("ppm"),       SL_LIT("psi"),       SL_LIT("lb"),        SL_LIT("lbs")
    };
    return last + 1 < tokens->n && tokens->items[last + 1].lines == 0 &&
           sl_is_one_of(word_at(tokens, text, last + 1), UNITS, SL_COUNT_OF(UNITS));
}

typedef struct {
    size_t digits;
    size_t letters;
    size_t signs;
    size_t blanks;
    uint8_t sign; /* the last one */
} makeup;

static makeup makeup_of(sl_view value)
{
    makeup m = { 0 };
    for (size_t i = 0; i < value.n; i++) {
        bool digit = sl_is_digit(value.p[i]);
        bool letter = !digit && sl_is_word(value.p[i]) && value.p[i] < 0x80;
        bool blank = sl_is_blank(value.p[i]);
        m.digits += digit;
        m.letters += letter;
        m.blanks += blank;
        if (!digit && !letter && !blank) {
            m.signs++;
            m.sign = value.p[i];
        }
    }
    return m;
}

/* "135-145", "1998-2003": from one number to a greater one of as many digits. */
static bool is_range(sl_view value)
{
    sl_view from;
    sl_view to;
    if (!sl_view_cut(value, '-', &from, &to) || from.n != to.n || from.n == 0) {
        return false;
    }
    bool years =
        from.n == 4 && (sl_view_starts(from, SL_LIT("19")) || sl_view_starts(from, SL_LIT("20")));
    return (from.n <= 3 || years) && from.p[0] != '0' && memcmp(from.p, to.p, from.n) < 0;
}

/* Part of a fraction, or behind a plus-minus, a price's sign or another number's comma? */
static bool follows_number(sl_view text, size_t start)
{
    if (start == 0) {
        return false;
    }
    uint8_t before = text.p[start - 1];
    bool joined = before == '.' || before == ',';
    return before == '$' || before == '-' || before == '+' || before == '<' || before == '>' ||
           (before >= 0x80 && start > 1 && text.p[start - 2] == 0xC2) ||
           (joined && start > 1 && sl_is_digit(text.p[start - 2]));
}

/* What looks like an identifier and measures, counts or names a thing. */
static bool is_figure(const sl_tag_tokens *tokens, sl_view text, size_t first, size_t last)
{
    sl_view value = sl_view_sub(text, tokens->items[first].start, tokens->items[last].end);
    makeup m = makeup_of(value);
    if (m.digits < 3 || (m.letters == 0 && m.digits < 4) || (m.blanks != 0 && m.digits < 6)) {
        return true;
    }
    if (m.letters == 0) {
        bool opens = tokens->items[first].lines != 0; /* a line that begins with its patient */
        return (!opens && is_range(value)) || (m.signs == 1 && m.sign == '.') ||
               memchr(value.p, 0xB1, value.n) != NULL || memchr(value.p, 0xB7, value.n) != NULL ||
               is_measured(tokens, text, last) || follows_number(text, tokens->items[first].start);
    }
    return m.letters >= 5 && m.digits <= 4 && m.signs <= 1;
}

/* A number of a person does not begin or end with a sign. */
static sl_res add_number(const sl_tag_tokens *tokens, sl_view text, size_t first, size_t last,
                         sl_findings *findings)
{
    while (first < last && tokens->items[first].capital == 4) {
        first++;
    }
    while (last > first && tokens->items[last].capital == 4) {
        last--;
    }
    return is_figure(tokens, text, first, last) || is_reference(tokens, text, first, last)
               ? SL_DONE
               : add(tokens, SL_CLASS_OTHER_ID, first, last, findings);
}

/* A name has letters. */
static bool is_name(const sl_tag_tokens *tokens, sl_view text, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++) {
        makeup m = makeup_of(word_at(tokens, text, i));
        if (m.digits + m.signs < tokens->items[i].end - tokens->items[i].start && m.digits < 3) {
            return true;
        }
    }
    return false;
}

/* "Berg 41", "Hct 29" and "CPT 99497" are no places. */
static bool is_place(const sl_tag_tokens *tokens, sl_view text, size_t first, size_t last)
{
    const sl_tag_token *one = &tokens->items[first];
    sl_view value = sl_view_sub(text, one->start, tokens->items[last].end);
    bool number =
        tokens->items[last].capital == 5 && makeup_of(word_at(tokens, text, last)).letters == 0;
    bool alone = first == last && one->lines == 0 && value.n < 4;
    bool thing = (one->lists & (SL_LIST_EPONYM | SL_LIST_DRUG)) != 0 || one->end - one->start <= 3;
    bool figure =
        number && (alone || (first + 1 == last && thing && (one->lists & SL_LIST_STREET) == 0));
    return !figure && !sl_is_region(value) && !is_reference(tokens, text, first, first);
}

/* "Ruth Roe, 93, fell", "Jo (91)": an age over 89 behind a name. */
static sl_res add_age(const sl_tag_tokens *tokens, sl_view text, size_t last, sl_findings *findings)
{
    if (last + 3 >= tokens->n) {
        return SL_DONE;
    }
    bool open = is_sign(tokens, last + 1, text, '(');
    bool comma = is_sign(tokens, last + 1, text, ',');
    sl_view number = word_at(tokens, text, last + 2);
    uint64_t age = 0;
    bool ends = (open && is_sign(tokens, last + 3, text, ')')) ||
                ((open || comma) && is_sign(tokens, last + 3, text, ','));
    bool old = ends && sl_ok(sl_parse_u64(number, 119, &age)) && age > 89;
    return old ? add(tokens, SL_CLASS_AGE90, last + 2, last + 2, findings) : SL_DONE;
}

sl_res sl_tag_report(const sl_tag_tokens *tokens, sl_findings *findings)
{
    sl_view text = tokens->text;
    for (size_t i = 0; i < tokens->n; i++) {
        unsigned tag = tokens->items[i].label;
        size_t last = i;
        if (tag == SL_TAG_NAME) {
            last = span_end(tokens, i);
            if (is_name(tokens, text, i, last)) {
                SL_TRY(add(tokens, SL_CLASS_NAME, with_title(tokens, text, i), last, findings));
                SL_TRY(add_age(tokens, text, last, findings));
            }
        } else if (tag == SL_TAG_PLACE) {
            last = with_town(tokens, text, i, span_end(tokens, i));
            if (is_place(tokens, text, i, last)) {
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
