/* `echo-trials`: how well recited records are recognised, on invented notes. Indexes some, changes
 * fragments of them in known ways and counts what is suspected, what is confirmed, and for whom; then
 * asks about notes that were never indexed, where nothing may be confirmed.
 * usage: echo-trials [--bytes N] [--unrelated N] [--trials N] [--seed N] [--records FILE [--other FILE]]
 * --print only writes notes. Files, in place of invented notes, hold records divided by the byte 0x1E. */
#include <fcntl.h>
#include <getopt.h>

#include "base/file.h"

#include "detect/echo_confirm.h"
#include "notes.h"

#define FRAGMENT_BYTES ((size_t)16384)
#define PIECE_BYTES ((size_t)32768)

static const uint8_t KEY[32] = { 3, 1, 4, 1, 5, 9 };

typedef enum {
    EXACT,
    DISGUISED,
    NUMBERS,
    NAMES,
    REPLACED_10,
    REPLACED_20,
    DELETED_10,
    ALL_WORDS,
    CHANGES
} change;

static const char *const CHANGE_NAMES[CHANGES] = {
    "exact",
    "case, zero width, lookalikes, full width",
    "all numbers changed",
    "capitalised words replaced",
    "10 % of words replaced",
    "20 % of words replaced",
    "10 % of words deleted",
    "every word replaced, numbers kept",
};

/* How much evidence there was, in bits from what is needed: so far below and above. */
enum { CURVE_BELOW = 24, CURVE_PLACES = 41 };

typedef struct {
    size_t trials; /* exact fragments of fifteen words */
    size_t right[CURVE_PLACES];
    size_t wrong[CURVE_PLACES];
    size_t unrelated[CURVE_PLACES];
} curve;

typedef struct {
    sl_buf text;
    size_t *at;
    size_t count;
    sl_buf bytes;
    sl_echo_index *index;
    sl_echo_scratch *scratch;
    note_maker maker;
    curve curve;
} collection;

typedef struct {
    size_t trials;
    size_t suspected; /* a match of the right record, of any strength */
    size_t strong;
    size_t confirmed;
    size_t wrong; /* another record was confirmed */
    size_t own; /* trials whose fragment is of the record's own words: a full stretch not common */
    size_t own_suspected;
    size_t own_confirmed;
} tally;

/* ---- the collection ------------------------------------------------------------------------------ */

static sl_res generate(collection *c, size_t bytes)
{
    size_t cap = bytes / 1000 + 16;
    c->text.max = bytes + (1U << 20);
    c->at = calloc(cap, sizeof *c->at);
    SL_NEED(c->at != NULL, SL_E_MEMORY);
    SL_TRY(sl_buf_reserve(&c->text, bytes + 16384));
    while (c->text.n < bytes && c->count + 1 < cap) {
        SL_TRY(note_add(&c->maker, &c->text));
        c->at[++c->count] = c->text.n;
    }
    return SL_DONE;
}

/* Records of a file. */
static sl_res load(collection *c, const char *path)
{
    c->text.max = (size_t)1 << 31;
    SL_TRY(sl_file_read(AT_FDCWD, path, &c->text));
    sl_view all = sl_buf_view(&c->text);
    c->at = calloc(all.n + 2, sizeof *c->at);
    SL_NEED(c->at != NULL, SL_E_MEMORY);
    for (size_t at = 0; at < all.n;) {
        size_t end = sl_view_find_byte(all, 0x1E, at);
        at = end == SIZE_MAX ? all.n : end + 1;
        c->at[++c->count] = at;
    }
    return SL_DONE;
}

static sl_view record_of(const collection *c, size_t i)
{
    return sl_view_sub(sl_buf_view(&c->text), c->at[i], c->at[i + 1]);
}

static sl_res fill(collection *c, sl_echo_builder *b)
{
    for (size_t i = 0; i < c->count; i++) {
        SL_TRY(sl_echo_builder_count(b, record_of(c, i), false));
    }
    SL_TRY(sl_echo_builder_settle(b));
    SL_TRY(sl_echo_builder_source(b, SL_LIT("notes")));
    for (size_t i = 0; i < c->count; i++) {
        sl_view r = record_of(c, i);
        SL_TRY(sl_echo_builder_add(b, r, false, c->at[i], r.n));
    }
    return sl_echo_builder_finish(b, &c->bytes);
}

static sl_res build(collection *c)
{
    sl_echo_builder *b = NULL;
    sl_echo_build_options options = { .bytes = c->text.n };
    c->bytes.max = SL_ECHO_INDEX_BYTES_MAX;
    SL_TRY(sl_echo_builder_new(KEY, &options, &b));
    sl_res r = fill(c, b);
    sl_echo_builder_free(b);
    SL_TRY(r);
    SL_TRY(sl_echo_open(sl_buf_view(&c->bytes), KEY, &c->index));
    return sl_echo_scratch_new(NULL, &c->scratch);
}

/* ---- changes ------------------------------------------------------------------------------------- */

static bool is_word(uint8_t b)
{
    return (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
}

static bool is_digit(uint8_t b)
{
    return b >= '0' && b <= '9';
}

static sl_res add_disguised(note_maker *m, uint8_t b, sl_buf *out)
{
    bool small = b >= 'a' && b <= 'z';
    uint32_t how = note_draw(m, 25);
    if (how == 0) {
        SL_TRY(sl_buf_add_str(out, "\xE2\x80\x8B"));
    }
    if (how == 1 && (b == 'a' || b == 'o')) {
        return sl_buf_add_str(out, b == 'a' ? "\xD0\xB0" : "\xD0\xBE");
    }
    if (how == 2 && small) {
        uint32_t wide = 0xFF41U + b - 'a';
        uint8_t bytes[3] = { (uint8_t)(0xE0 | wide >> 12), (uint8_t)(0x80 | (wide >> 6 & 63)),
                             (uint8_t)(0x80 | (wide & 63)) };
        return sl_buf_add(out, sl_view_of(bytes, sizeof bytes));
    }
    return sl_buf_add_byte(out, small && how < 12 ? (uint8_t)(b - 32) : b);
}

static sl_res change_word(note_maker *m, change kind, sl_view word, sl_buf *out)
{
    bool digit = is_digit(word.p[0]);
    uint32_t chance = note_draw(m, 100);
    bool replaced = (kind == REPLACED_10 && chance < 10) || (kind == REPLACED_20 && chance < 20) ||
                    (kind == ALL_WORDS && !digit);
    if (kind == NUMBERS && digit) {
        return sl_buf_addf(out, "%u", note_draw(m, 9000));
    }
    if (kind == NAMES && word.n > 2 && word.p[0] >= 'A' && word.p[0] <= 'Z') {
        return note_add_name(m, out);
    }
    if (replaced) {
        return note_add_word(m, out);
    }
    if (kind == DELETED_10 && chance < 10) {
        return SL_DONE;
    }
    for (size_t i = 0; i < word.n; i++) {
        SL_TRY(kind == DISGUISED ? add_disguised(m, word.p[i], out)
                                 : sl_buf_add_byte(out, word.p[i]));
    }
    return SL_DONE;
}

static sl_res change_text(note_maker *m, change kind, sl_view text, sl_buf *out)
{
    for (size_t at = 0; at < text.n;) {
        size_t end = at;
        while (end < text.n && is_word(text.p[end])) {
            end++;
        }
        if (end > at) {
            SL_TRY(change_word(m, kind, sl_view_sub(text, at, end), out));
            at = end;
        } else if (kind == DISGUISED && text.p[at] == ' ') {
            SL_TRY(sl_buf_add_str(out, note_draw(m, 4) == 0 ? "\xC2\xA0\n" : " "));
            at++;
        } else {
            SL_TRY(sl_buf_add_byte(out, text.p[at++]));
        }
    }
    return SL_DONE;
}

/* ---- asking -------------------------------------------------------------------------------------- */

static sl_res scan(const collection *c, sl_view text, sl_echo_matches *found)
{
    sl_echo_scan *s = NULL;
    SL_TRY(sl_echo_scan_new(c->index, c->scratch, &s));
    sl_res r = SL_DONE;
    for (size_t at = 0; at < text.n && sl_ok(r); at += PIECE_BYTES) {
        r = sl_echo_scan_feed(s, sl_view_sub(text, at, at + PIECE_BYTES), found);
    }
    if (sl_ok(r)) {
        r = sl_echo_scan_finish(s, found);
    }
    sl_echo_scan_free(s);
    return r;
}

/* The part of a longer text that a door would send to be confirmed. */
static sl_view around(sl_view text, const sl_echo_match *m)
{
    size_t from = m->start > 512 ? (size_t)m->start - 512 : 0;
    size_t to = (size_t)m->end + 512;
    to = to > from + SL_ECHO_CONFIRM_TEXT_BYTES ? from + SL_ECHO_CONFIRM_TEXT_BYTES : to;
    return sl_view_sub(text, from, to);
}

static sl_res confirm(const collection *c, sl_view text, const sl_echo_match *m,
                      sl_echo_verdict *ret)
{
    return sl_echo_confirm(c->index, m->segment, record_of(c, m->record), around(text, m), ret);
}

/* Is the fragment made of what every note has? Then reciting it gives nobody away. */
static bool is_own(sl_view fragment)
{
    static const char *const COMMON[] = {
        "denies fever",     "and oriented",      "to auscultation", "rate and rhythm",
        "soft, non-tender", "clubbing",          "consent was",     "serious adverse",
        "Concomitant",      "reminded to bring", "year-old",        "BP ",
        "LABS: ",           "Current therapy",   "Plan discussed",  "in no acute",
        "study procedure",  "bowel sounds",      "last scheduled",  "unused study drug",
        "weight loss",      "oedema, periph",    "appreciated",     "wheezes, rales",
        "PATIENT",          "source document"
    };
    for (size_t i = 0; i < SL_COUNT_OF(COMMON); i++) {
        if (sl_view_find(fragment, sl_view_str(COMMON[i]), 0) != SIZE_MAX) {
            return false;
        }
    }
    return true;
}

/* Where evidence stands against what is needed. */
static size_t place_on(const sl_echo_verdict *v)
{
    int64_t at = (int64_t)v->bits - (int64_t)v->bits_needed + CURVE_BELOW;
    return at < 0 ? 0 : at >= CURVE_PLACES ? CURVE_PLACES - 1 : (size_t)at;
}

static size_t reaches(const size_t places[CURVE_PLACES], size_t from)
{
    size_t n = 0;
    for (size_t i = from; i < CURVE_PLACES; i++) {
        n += places[i];
    }
    return n;
}

/* What another threshold would have confirmed. */
static void print_curve(const curve *c)
{
    double trials = (double)(c->trials == 0 ? 1 : c->trials) / 100;
    printf(
        "bits from what is needed: exact fragments of 15 words confirmed, another record with them, unrelated\n");
    for (size_t at = CURVE_BELOW % 4; at < CURVE_PLACES; at += 4) {
        printf("%+4d %7.1f %% %7.1f %% %8zu\n", (int)at - CURVE_BELOW,
               (double)reaches(c->right, at) / trials, (double)reaches(c->wrong, at) / trials,
               reaches(c->unrelated, at));
    }
}

static sl_res judge(collection *c, size_t record, bool own, sl_view text, bool on_curve, tally *t)
{
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    bool right = false;
    bool strong = false;
    bool confirmed = false;
    bool wrong = false;
    size_t best[2] = { 0 }; /* of the record, of others */
    SL_TRY(scan(c, text, &found));
    for (size_t i = 0; i < found.n; i++) {
        const sl_echo_match *m = &found.items[i];
        static sl_echo_verdict v;
        SL_TRY(confirm(c, text, m, &v));
        bool same = m->record == record;
        best[!same] = place_on(&v) > best[!same] ? place_on(&v) : best[!same];
        right = right || same;
        strong = strong || (same && sl_echo_is_strong(m));
        confirmed = confirmed || (same && v.confirmed);
        wrong = wrong || (!same && v.confirmed);
    }
    if (on_curve) {
        c->curve.trials++;
        c->curve.right[best[0]]++;
        c->curve.wrong[best[1]]++;
    }
    t->trials++;
    t->suspected += right;
    t->strong += strong;
    t->confirmed += confirmed;
    t->wrong += wrong;
    t->own += own;
    t->own_suspected += own && right;
    t->own_confirmed += own && confirmed;
    return SL_DONE;
}

/* `words` words of a record from a random one on; false if it has not so many. */
static bool fragment_of(collection *c, size_t words, size_t *ret_record, sl_view *ret)
{
    *ret_record = note_draw(&c->maker, (uint32_t)c->count);
    sl_view r = record_of(c, *ret_record);
    size_t start = note_draw(&c->maker, (uint32_t)r.n);
    while (start < r.n && r.p[start] != ' ' && r.p[start] != '\n') {
        start++;
    }
    size_t end = start;
    for (size_t w = 0; w < words; w++) {
        while (end < r.n && (r.p[end] == ' ' || r.p[end] == '\n')) {
            end++;
        }
        if (end == r.n) {
            return false;
        }
        while (end < r.n && r.p[end] != ' ' && r.p[end] != '\n') {
            end++;
        }
    }
    *ret = sl_view_sub(r, start, end);
    return true;
}

static bool has_ten_numbers(sl_view text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.n; i++) {
        count += is_digit(text.p[i]) && (i == 0 || !is_digit(text.p[i - 1]));
    }
    return count >= 10;
}

static sl_res run_trials(collection *c, change kind, size_t words, size_t trials)
{
    tally t = { 0 };
    SL_OWN(sl_buf, changed, sl_buf_free) = { .max = 16 * FRAGMENT_BYTES };
    for (size_t tries = 0; t.trials < trials && tries < 100 * trials; tries++) {
        size_t record = 0;
        sl_view fragment = { 0 };
        if (!fragment_of(c, words, &record, &fragment) || fragment.n > FRAGMENT_BYTES ||
            (kind == ALL_WORDS && !has_ten_numbers(fragment))) {
            continue;
        }
        sl_buf_clear(&changed);
        SL_TRY(change_text(&c->maker, kind, fragment, &changed));
        SL_TRY(judge(c, record, is_own(fragment), sl_buf_view(&changed),
                     kind == EXACT && words == 15, &t));
    }
    double n = (double)(t.trials == 0 ? 1 : t.trials) / 100;
    double own = (double)(t.own == 0 ? 1 : t.own) / 100;
    printf("%-42s %4zu %7.1f %7.1f %7.1f %11.1f %10.1f %6zu\n", CHANGE_NAMES[kind], words,
           (double)t.suspected / n, (double)t.strong / n, (double)t.confirmed / n,
           (double)t.own_suspected / own, (double)t.own_confirmed / own, t.wrong);
    (void)fflush(stdout);
    return SL_DONE;
}

/* Notes that were never indexed, of the same templates, words and names. */
static sl_res run_unrelated(collection *c, size_t bytes, const char *path)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 30 };
    note_maker other = { .state = c->maker.state ^ 0x5DEECE66D };
    size_t seen = 0;
    size_t suspected = 0;
    size_t strong = 0;
    size_t confirmed = 0;
    uint32_t most = 0;
    uint32_t needed = 0;
    while (seen < bytes) {
        SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
        sl_buf_clear(&text);
        if (path != NULL) {
            SL_TRY(sl_file_read(AT_FDCWD, path, &text));
            bytes = 0;
        }
        while (path == NULL && text.n < ((size_t)1 << 20)) {
            SL_TRY(note_add(&other, &text));
        }
        SL_TRY(scan(c, sl_buf_view(&text), &found));
        for (size_t i = 0; i < found.n; i++) {
            static sl_echo_verdict v;
            SL_TRY(confirm(c, sl_buf_view(&text), &found.items[i], &v));
            strong += sl_echo_is_strong(&found.items[i]);
            c->curve.unrelated[place_on(&v)]++;
            confirmed += v.confirmed;
            most = v.bits > most ? v.bits : most;
            needed = v.bits_needed;
            if (v.confirmed && confirmed <= 5) {
                sl_view t = around(sl_buf_view(&text), &found.items[i]);
                sl_view r = record_of(c, found.items[i].record);
                printf("CONFIRMED %u bits:\n  %.*s\n  %.*s\n", v.bits,
                       SL_FMT(sl_view_sub(t, v.text_start, v.text_end)),
                       SL_FMT(sl_view_sub(r, v.record_start, v.record_end)));
            }
        }
        suspected += found.n;
        seen += text.n;
    }
    printf(
        "unrelated: %.1f MB, suspected %zu (%.2f a MB), strong %zu, confirmed %zu, most evidence %u bits "
        "of %u\n",
        (double)seen / 1e6, suspected, (double)suspected * 1e6 / (double)seen, strong, confirmed,
        most, needed);
    print_curve(&c->curve);
    return SL_DONE;
}

static void print_index(const collection *c)
{
    sl_echo_stats s;
    sl_echo_index_stats(c->index, &s);
    printf("%zu notes, %.1f MB; index %.2f MB = %.1f kB a MB; words: %zu tokens, %zu fingerprints, "
           "stride %u; numbers: %zu, %zu, %u\n",
           c->count, (double)c->text.n / 1e6, (double)s.bytes / 1e6,
           1e3 * (double)s.bytes / (double)c->text.n, (size_t)s.tokens[0],
           (size_t)s.fingerprints[0], s.stride_max[0], (size_t)s.tokens[1],
           (size_t)s.fingerprints[1], s.stride_max[1]);
}

typedef struct {
    size_t bytes;
    size_t unrelated;
    size_t trials;
    uint64_t seed;
    const char *records;
    const char *other;
    bool print;
} settings;

static sl_res run(const settings *s, collection *c)
{
    static const size_t LENGTHS[] = { 15, 25, 50, 100 };
    c->maker.state = s->seed;
    SL_TRY(s->records == NULL ? generate(c, s->bytes) : load(c, s->records));
    SL_TRY(build(c));
    print_index(c);
    printf("%-42s %4s %7s %7s %7s %11s %10s %6s\n", "change", "words", "found%", "strong%",
           "conf.%", "found own%", "conf. own%", "wrong");
    for (int kind = EXACT; kind < CHANGES && s->trials > 0; kind++) {
        for (size_t l = 0; l < SL_COUNT_OF(LENGTHS); l++) {
            SL_TRY(run_trials(c, (change)kind, LENGTHS[l], s->trials));
        }
    }
    return run_unrelated(c, s->unrelated, s->other);
}

/* Notes on standard output, an empty line between them. */
static sl_res print_notes(const settings *s)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = (size_t)1 << 20 };
    note_maker maker = { .state = s->seed };
    for (size_t done = 0; done < s->bytes; done += note.n) {
        sl_buf_clear(&note);
        SL_TRY(note_add(&maker, &note));
        SL_TRY(sl_buf_add_byte(&note, '\n'));
        if (fwrite(note.p, 1, note.n, stdout) != note.n) {
            return sl_fail_os(SL_E_IO, "standard output");
        }
    }
    return SL_DONE;
}

static bool take_number(const char *text, uint64_t *ret)
{
    return sl_ok(sl_parse_u64(sl_view_str(text), (uint64_t)1 << 40, ret));
}

int main(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "bytes", required_argument, NULL, 'b' },  { "unrelated", required_argument, NULL, 'u' },
        { "trials", required_argument, NULL, 't' }, { "seed", required_argument, NULL, 's' },
        { "print", no_argument, NULL, 'p' },        { "records", required_argument, NULL, 'r' },
        { "other", required_argument, NULL, 'o' },  { 0 },
    };
    settings s = { .bytes = 20000000, .unrelated = 20000000, .trials = 500, .seed = 1 };
    for (int o; (o = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        uint64_t n = 0;
        if (o == 'p') {
            s.print = true;
            continue;
        }
        if (o == 'r' || o == 'o') {
            *(o == 'r' ? &s.records : &s.other) = optarg;
            continue;
        }
        if (o == '?' || !take_number(optarg, &n)) {
            (void)fputs("usage: echo-trials [--bytes N] [--unrelated N] [--trials N] [--seed N] "
                        "[--records FILE [--other FILE]] [--print]\n",
                        stderr);
            return 2;
        }
        s.bytes = o == 'b' ? (size_t)n : s.bytes;
        s.unrelated = o == 'u' ? (size_t)n : s.unrelated;
        s.trials = o == 't' ? (size_t)n : s.trials;
        s.seed = o == 's' ? n : s.seed;
    }
    collection c = { 0 };
    sl_res r = s.print ? print_notes(&s) : run(&s, &c);
    if (!sl_ok(r)) {
        (void)fprintf(stderr, "echo-trials: %s\n", sl_res_text(r));
    }
    sl_echo_scratch_free(c.scratch);
    sl_echo_index_free(c.index);
    sl_buf_free(&c.bytes);
    sl_buf_free(&c.text);
    free(c.at);
    return sl_ok(r) ? 0 : 3;
}
