/* Two passes over the records of a file (survey.h): profile, settle, harvest, report. */
#include "doors/ingest/survey.h"

#include <assert.h>
#include <math.h>

#include "base/json.h"
#include "detect/fold.h"
#include "detect/words.h"

#define SLOTS (4 * SL_SURVEY_COLUMNS_MAX)

static uint64_t hash_bytes(uint64_t seed, sl_view v)
{
    uint64_t h = seed ^ 0xCBF29CE484222325ULL;
    for (size_t i = 0; i < v.n; i++) {
        h = (h ^ v.p[i]) * 0x100000001B3ULL;
    }
    h ^= h >> 33;
    h *= 0xFF51AFD7ED558CCDULL;
    return h ^ (h >> 33);
}

sl_res sl_survey_init(sl_survey *survey, sl_format format,
                      sl_res (*take)(void *ctx, sl_class kind, sl_view value, uint64_t record),
                      void *take_ctx)
{
    *survey = (sl_survey){ .subject = SIZE_MAX, .take = take, .take_ctx = take_ctx };
    survey->table = format == SL_FORMAT_CSV || format == SL_FORMAT_TSV || format == SL_FORMAT_XPT ||
                    format == SL_FORMAT_SAS7BDAT;
    survey->slots = calloc(SLOTS, sizeof *survey->slots);
    SL_NEED(survey->slots != NULL, SL_E_MEMORY);
    return SL_DONE;
}

struct sl_survey_people {
    const sl_tagger *tagger; /* borrowed */
    sl_tagger_work *work;
    sl_fold_work fold;
    sl_findings found;
};

static void free_people(struct sl_survey_people *people)
{
    if (people != NULL) {
        sl_tagger_work_free(people->work);
        sl_fold_work_free(&people->fold);
        sl_findings_free(&people->found);
        free(people);
    }
}

void sl_survey_free(sl_survey *survey)
{
    for (size_t i = 0; i < survey->column_count; i++) {
        free(survey->columns[i].name);
    }
    free(survey->columns);
    free(survey->slots);
    free_people(survey->people);
    *survey = (sl_survey){ 0 };
}

sl_res sl_survey_names(sl_survey *survey, const sl_tagger *tagger)
{
    struct sl_survey_people *people = calloc(1, sizeof *people);
    SL_NEED(people != NULL, SL_E_MEMORY);
    people->tagger = tagger;
    sl_res r = sl_tagger_work_new(&people->work);
    if (!sl_ok(r)) {
        free_people(people);
        return r;
    }
    free_people(survey->people);
    survey->people = people;
    return SL_DONE;
}

static sl_res add_column(sl_survey *survey, sl_view name, size_t position)
{
    if (survey->column_count == survey->column_cap) {
        size_t cap = survey->column_cap == 0 ? 32 : survey->column_cap * 2;
        sl_survey_column *columns = reallocarray(survey->columns, cap, sizeof *columns);
        SL_NEED(columns != NULL, SL_E_MEMORY);
        survey->columns = columns;
        survey->column_cap = cap;
    }
    sl_survey_column *column = &survey->columns[survey->column_count];
    *column = (sl_survey_column){ .position = position, .is = { .kind = SL_CLASS_COUNT } };
    column->name = strndup(name.n == 0 ? "" : (const char *)name.p, name.n);
    SL_NEED(column->name != NULL, SL_E_MEMORY);
    survey->column_count++;
    return SL_DONE;
}

/* The cell's column; made on sight while profiling, the overflow column when there are too many. */
static sl_res find_column(sl_survey *survey, const sl_cell *cell, sl_survey_column **ret_column)
{
    size_t position = survey->table ? cell->column : 0;
    size_t slot = hash_bytes(position, cell->name) % SLOTS;
    for (; survey->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        sl_survey_column *column = &survey->columns[survey->slots[slot] - 1];
        if (column->position == position && sl_view_eq_str(cell->name, column->name)) {
            *ret_column = column;
            return SL_DONE;
        }
    }
    bool full = survey->column_count >= SL_SURVEY_COLUMNS_MAX;
    if (!full || survey->column_count == SL_SURVEY_COLUMNS_MAX) {
        SL_TRY(add_column(survey, full ? (sl_view){ 0 } : cell->name, full ? SIZE_MAX : position));
    }
    if (!full) {
        survey->slots[slot] = survey->column_count;
    }
    *ret_column = &survey->columns[survey->column_count - 1];
    return SL_DONE;
}

/* HyperLogLog (Flajolet et al., 2007) with 256 registers. */
static void count_distinct(sl_survey_column *column, sl_view value)
{
    uint64_t h = hash_bytes(0, value);
    size_t bucket = (size_t)(h >> 56);
    uint64_t rest = h << 8;
    uint8_t rank = (uint8_t)(rest == 0 ? 57 : __builtin_clzll(rest) + 1);
    if (rank > column->ranks[bucket]) {
        column->ranks[bucket] = rank;
    }
}

uint64_t sl_survey_distinct(const sl_survey_column *column)
{
    double sum = 0;
    double empty = 0;
    for (size_t i = 0; i < SL_COUNT_OF(column->ranks); i++) {
        sum += ldexp(1.0, -column->ranks[i]);
        empty += column->ranks[i] == 0 ? 1 : 0;
    }
    size_t ranks = SL_COUNT_OF(column->ranks);
    double m = (double)ranks;
    double estimate = 0.7183 * m * m / sum;
    if (estimate < 2.5 * m && empty > 0) {
        estimate = m * log(m / empty); /* linear counting where it is the better one */
    }
    return (uint64_t)llround(estimate);
}

/* "NA" and the like stand for nothing. */
static bool is_blank(sl_view value)
{
    sl_view text = sl_view_trim(value);
    return text.n == 0 || sl_view_eq_str(text, "NA") || sl_view_eq_str(text, "N/A") ||
           sl_view_eq_str(text, "null") || sl_view_eq_str(text, ".");
}

static sl_res profile_record(void *ctx, const sl_record *record)
{
    sl_survey *survey = ctx;
    for (size_t i = 0; i < record->cell_count; i++) {
        const sl_cell *cell = &record->cells[i];
        sl_survey_column *column = NULL;
        SL_TRY(find_column(survey, cell, &column));
        column->cells++;
        if (is_blank(cell->value)) {
            continue;
        }
        column->filled++;
        sl_shape shape = cell->number ? SL_SHAPE_NUMBER : sl_shape_of(sl_view_trim(cell->value));
        column->shapes[shape]++;
        count_distinct(column, cell->value);
    }
    return SL_DONE;
}

sl_record_sink sl_survey_profile(sl_survey *survey)
{
    return (sl_record_sink){ .ctx = survey, .record = profile_record };
}

/* A table describes persons if it has their names or numbers; then its own `id` is theirs. */
static bool describes_persons(const sl_survey *survey)
{
    for (size_t i = 0; i < survey->column_count; i++) {
        const sl_survey_column *column = &survey->columns[i];
        if (column->is.kind == SL_CLASS_SSN || column->is.role == SL_ROLE_FAMILY) {
            return true;
        }
    }
    return false;
}

static size_t find_subject(const sl_survey *survey)
{
    size_t best = SIZE_MAX;
    bool persons = describes_persons(survey);
    for (size_t i = 0; i < survey->column_count; i++) {
        const sl_column_class *is = &survey->columns[i].is;
        bool fits = is->role == SL_ROLE_SUBJECT || (is->role == SL_ROLE_ID && persons);
        if (fits && (best == SIZE_MAX || is->rank < survey->columns[best].is.rank)) {
            best = i;
        }
    }
    return best;
}

sl_res sl_survey_settle(sl_survey *survey, sl_view record_id)
{
    for (size_t i = 0; i < survey->column_count; i++) {
        sl_survey_column *column = &survey->columns[i];
        column->is = sl_classify_column(sl_view_str(column->name), column->shapes, column->filled);
    }
    survey->subject = find_subject(survey);
    for (size_t i = 0; i < survey->column_count && record_id.n != 0; i++) {
        if (sl_view_eq_nocase(sl_view_str(survey->columns[i].name), record_id)) {
            survey->subject = i;
            record_id.n = 0;
        }
    }
    if (record_id.n != 0) {
        return sl_fail_at(SL_E_NOT_FOUND, "record id column", SL_NOWHERE);
    }
    if (survey->subject != SIZE_MAX) {
        sl_survey_column *column = &survey->columns[survey->subject];
        column->is.identifier = true;
        column->is.kind = column->is.kind == SL_CLASS_MRN ? SL_CLASS_MRN : SL_CLASS_SUBJECT;
        survey->subjects = sl_survey_distinct(column);
    }
    survey->settled = true;
    return SL_DONE;
}

static sl_res take(sl_survey *survey, sl_class kind, sl_view value, uint64_t record)
{
    if (value.n == 0 || value.n > SL_IDENTIFIER_BYTES_MAX || survey->take == NULL) {
        return SL_DONE;
    }
    survey->identifiers++;
    return survey->take(survey->take_ctx, kind, value, record);
}

/* FHIR calls a subject "Patient/7a" or "urn:uuid:7a": the id is what stands behind the last sign. */
static sl_view bare_reference(sl_view value)
{
    size_t at = value.n;
    while (at > 0 && value.p[at - 1] != '/' && value.p[at - 1] != ':') {
        at--;
    }
    return sl_view_sub(value, at, value.n);
}

static bool is_sentence_sign(uint8_t c)
{
    return c == '.' || c == ',' || c == ';' || c == ':' || c == '(' || c == ')' || c == '"' ||
           c == '\'' || c == '[' || c == ']';
}

static sl_class class_of_token(sl_view token)
{
    sl_shape shape = sl_shape_of(token);
    return shape == SL_SHAPE_SUBJECT ? SL_CLASS_SUBJECT
           : shape == SL_SHAPE_SSN   ? SL_CLASS_SSN
           : shape == SL_SHAPE_MAIL  ? SL_CLASS_EMAIL
           : shape == SL_SHAPE_PHONE ? SL_CLASS_PHONE
           : shape == SL_SHAPE_DATE  ? SL_CLASS_DATE
                                     : SL_CLASS_COUNT;
}

/* ---- names in running text ----------------------------------------------------------------- */

#define RUNNING_WORDS_MIN ((size_t)5)

/* Sentences, not codes or terms: enough words, most of them in lower case. */
static bool is_running(sl_view text)
{
    size_t words = 0;
    size_t lower = 0;
    for (size_t i = 0; i < text.n; i++) {
        bool begins = sl_is_word(text.p[i]) && (i == 0 || !sl_is_word(text.p[i - 1]));
        words += begins;
        lower += begins && text.p[i] >= 'a' && text.p[i] <= 'z';
    }
    return words >= RUNNING_WORDS_MIN && lower * 2 >= words;
}

/* The name without its titles; `*ret_words` counts what is left, `*ret_titled` says that there were. */
static sl_view bare_name(sl_view name, size_t *ret_words, bool *ret_titled)
{
    size_t start = 0;
    *ret_words = 0;
    *ret_titled = false;
    for (size_t i = 0; i < name.n;) {
        size_t end = i;
        while (end < name.n && sl_is_word(name.p[end])) {
            end++;
        }
        if (end > i && *ret_words == 0 && sl_is_title(sl_view_sub(name, i, end))) {
            *ret_titled = true;
            start = end;
            while (start < name.n && !sl_is_word(name.p[start])) {
                start++;
            }
            i = start;
            continue;
        }
        *ret_words += end - i > 1;
        i = end > i ? end : i + 1;
    }
    return sl_view_sub(name, start, name.n);
}

static sl_res harvest_people(sl_survey *survey, sl_survey_column *column, sl_view text,
                             uint64_t record)
{
    sl_folded folded;
    struct sl_survey_people *people = survey->people;
    if (people == NULL || !is_running(text)) {
        return SL_DONE;
    }
    SL_TRY(sl_fold(text, false, &people->fold, &folded, NULL));
    sl_findings_clear(&people->found);
    SL_TRY(sl_tagger_scan(people->tagger, people->work, folded.text, &people->found));
    for (size_t i = 0; i < people->found.n; i++) {
        const sl_finding *f = &people->found.items[i];
        size_t words = 0;
        bool titled = false;
        if (f->kind != SL_CLASS_NAME) {
            continue;
        }
        survey->classes[SL_CLASS_NAME]++;
        column->identifiers++;
        sl_view name = bare_name(sl_view_sub(folded.text, f->start, f->end), &words, &titled);
        /* A given name alone says little. */
        if (words >= 2 || (titled && words == 1)) {
            SL_TRY(take(survey, SL_CLASS_NAME, name, record));
        }
    }
    return SL_DONE;
}

/* Identifiers that stand as words of their own in running text. */
static sl_res harvest_text(sl_survey *survey, sl_survey_column *column, sl_view text,
                           uint64_t record)
{
    for (size_t at = 0; at < text.n;) {
        size_t end = at;
        while (end < text.n && text.p[end] > ' ') {
            end++;
        }
        sl_view token = sl_view_sub(text, at, end);
        while (token.n != 0 && is_sentence_sign(token.p[token.n - 1])) {
            token.n--;
        }
        while (token.n != 0 && is_sentence_sign(token.p[0])) {
            token = sl_view_sub(token, 1, token.n);
        }
        sl_class kind = token.n < 6 ? SL_CLASS_COUNT : class_of_token(token);
        if (kind != SL_CLASS_COUNT) {
            survey->classes[kind]++;
            column->identifiers++;
            SL_TRY(kind == SL_CLASS_DATE ? SL_DONE : take(survey, kind, token, record));
        }
        at = end + 1;
    }
    return SL_DONE;
}

static bool over_89(sl_view value)
{
    uint64_t age = 0;
    sl_view whole;
    sl_view fraction;
    (void)sl_view_cut(sl_view_trim(value), '.', &whole, &fraction);
    return sl_ok(sl_parse_u64(whole, 150, &age)) && age > 89;
}

static sl_res harvest_cell(sl_survey *survey, sl_survey_column *column, const sl_cell *cell,
                           uint64_t record)
{
    sl_view value = sl_view_trim(cell->value);
    if (column->is.kind == SL_CLASS_COUNT) {
        bool text = !cell->number && value.n >= 6;
        SL_TRY(text ? harvest_people(survey, column, cell->value, record) : SL_DONE);
        return text ? harvest_text(survey, column, cell->value, record) : SL_DONE;
    }
    if (column->is.role == SL_ROLE_AGE && !over_89(value)) {
        return SL_DONE;
    }
    survey->classes[column->is.kind]++;
    column->identifiers++;
    if (!column->is.identifier) {
        return SL_DONE;
    }
    if (column->is.kind == SL_CLASS_SUBJECT) {
        value = bare_reference(value);
    }
    /* A given name alone says little; it is taken together with the family name. */
    return column->is.role == SL_ROLE_GIVEN ? SL_DONE
                                            : take(survey, column->is.kind, value, record);
}

/* Joins the record's given names with its family names: "Ann Roe". */
static sl_res harvest_names(sl_survey *survey, const sl_record *record)
{
    sl_view given = { 0 };
    uint8_t room[SL_IDENTIFIER_BYTES_MAX];
    for (size_t i = 0; i < record->cell_count; i++) {
        sl_survey_column *column = NULL;
        SL_TRY(find_column(survey, &record->cells[i], &column));
        if (column->is.role == SL_ROLE_GIVEN && given.n == 0) {
            given = sl_view_trim(record->cells[i].value);
        }
    }
    for (size_t i = 0; i < record->cell_count && given.n != 0; i++) {
        sl_survey_column *column = NULL;
        sl_view family = sl_view_trim(record->cells[i].value);
        SL_TRY(find_column(survey, &record->cells[i], &column));
        bool fits = family.n != 0 && given.n + 1 + family.n <= sizeof room;
        if (column->is.role != SL_ROLE_FAMILY || !fits) {
            continue;
        }
        memcpy(room, given.p, given.n);
        room[given.n] = ' ';
        memcpy(room + given.n + 1, family.p, family.n);
        sl_view full = sl_view_of(room, given.n + 1 + family.n);
        SL_TRY(take(survey, SL_CLASS_NAME, full, record->number));
    }
    return SL_DONE;
}

static sl_res harvest_record(void *ctx, const sl_record *record)
{
    sl_survey *survey = ctx;
    bool names = false;
    for (size_t i = 0; i < record->cell_count; i++) {
        const sl_cell *cell = &record->cells[i];
        sl_survey_column *column = NULL;
        SL_TRY(find_column(survey, cell, &column));
        if (!is_blank(cell->value)) {
            SL_TRY(harvest_cell(survey, column, cell, record->number));
            names = names || column->is.role == SL_ROLE_GIVEN;
        }
    }
    return names ? harvest_names(survey, record) : SL_DONE;
}

/* A header can hold identifiers as well, above all one that is no header. */
static sl_res harvest_header(void *ctx, const sl_cell *cells, size_t count)
{
    sl_survey *survey = ctx;
    sl_survey_column nowhere = { 0 };
    for (size_t i = 0; i < count; i++) {
        if (!cells[i].number) {
            SL_TRY(harvest_text(survey, &nowhere, cells[i].value, 0));
        }
    }
    return SL_DONE;
}

sl_record_sink sl_survey_harvest(sl_survey *survey)
{
    assert(survey->settled);
    return (sl_record_sink){ .ctx = survey, .header = harvest_header, .record = harvest_record };
}

static void report_column(sl_json_writer *w, const sl_survey_column *column, bool subject)
{
    sl_json_object_begin(w);
    sl_json_put_uint(w, "cells", column->cells);
    if (column->is.kind != SL_CLASS_COUNT) {
        sl_json_put_str(w, "class", sl_class_name(column->is.kind));
    }
    sl_json_put_uint(w, "distinct", sl_survey_distinct(column));
    sl_json_put_uint(w, "filled", column->filled);
    sl_json_put_bool(w, "identifier", column->is.identifier);
    sl_json_put_uint(w, "identifiers", column->identifiers);
    sl_json_put_str(w, "name", column->name);
    sl_json_put_bool(w, "subject", subject);
    sl_json_put_uint(w, "text", column->shapes[SL_SHAPE_WORDS]);
    sl_json_object_end(w);
}

sl_res sl_survey_report(const sl_survey *survey, sl_format format, sl_encoding encoding,
                        const sl_reader_stats *stats, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "bytes", stats->bytes);
    sl_json_put_uint(&w, "cells", stats->cells);
    sl_json_key(&w, "classes");
    sl_json_object_begin(&w);
    for (size_t i = 0; i < SL_CLASS_COUNT; i++) {
        if (survey->classes[i] != 0) {
            sl_json_put_uint(&w, sl_class_name((sl_class)i), survey->classes[i]);
        }
    }
    sl_json_object_end(&w);
    sl_json_key(&w, "columns");
    sl_json_array_begin(&w);
    for (size_t i = 0; i < survey->column_count; i++) {
        report_column(&w, &survey->columns[i], i == survey->subject);
    }
    sl_json_array_end(&w);
    sl_json_put_str(&w, "encoding", sl_encoding_name(encoding));
    sl_json_put_bool(&w, "fhir", stats->fhir);
    sl_json_put_str(&w, "format", sl_format_name(format));
    sl_json_put_bool(&w, "headerless", stats->headerless);
    sl_json_put_uint(&w, "identifiers", survey->identifiers);
    sl_json_put_uint(&w, "ragged", stats->ragged);
    sl_json_put_uint(&w, "records", stats->records);
    sl_json_put_uint(&w, "subjects", survey->subjects);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}
