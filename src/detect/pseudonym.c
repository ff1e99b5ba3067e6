/* Pseudonyms (transform.h): surrogates of the same form, drawn by a keyed hash, and the way back.
 * Two kinds of entries: words of names and places, which may come back one by one and in another
 * case, and whole values. Nothing is stored beyond the crossing; originals are wiped with the map. */
#include "base/secret.h"
#include "detect/siphash.h"
#include "detect/transform.h"
#include "detect/words.h"

#define BUCKETS ((size_t)1024)
#define ENTRIES_MAX ((size_t)65536)
#define VALUE_BYTES_MAX ((size_t)4096)
#define ATTEMPTS_MAX 64U

typedef struct {
    size_t original; /* offsets in `bytes` */
    size_t original_n;
    size_t surrogate;
    size_t surrogate_n;
    uint32_t next_original; /* chains, by index + 1 */
    uint32_t next_surrogate;
    bool word; /* matched without case */
} entry;

struct sl_pseudonyms {
    uint8_t key[32];
    const sl_detect *detect;
    sl_buf bytes;
    entry *entries;
    size_t n;
    size_t cap;
    uint32_t by_original[BUCKETS];
    uint32_t by_surrogate[BUCKETS]; /* of the first three bytes in lower case */
    bool has_digit_first;
};

sl_res sl_pseudonyms_new(const uint8_t key[32], const sl_detect *detect, size_t bytes_max,
                         sl_pseudonyms **ret_map)
{
    sl_pseudonyms *m = calloc(1, sizeof *m);
    SL_NEED(m != NULL, SL_E_MEMORY);
    memcpy(m->key, key, sizeof m->key);
    m->detect = detect;
    m->bytes.max = bytes_max;
    *ret_map = m;
    return SL_DONE;
}

void sl_pseudonyms_free(sl_pseudonyms *map)
{
    if (map == NULL) {
        return;
    }
    if (map->bytes.p != NULL) {
        sl_wipe(map->bytes.p, map->bytes.cap);
    }
    sl_buf_free(&map->bytes);
    free(map->entries);
    sl_wipe(map, sizeof *map);
    free(map);
}

size_t sl_pseudonyms_count(const sl_pseudonyms *map)
{
    return map->n;
}

/* ---- the map ------------------------------------------------------------------------------- */

static sl_view original_of(const sl_pseudonyms *m, const entry *e)
{
    return sl_view_of(m->bytes.p + e->original, e->original_n);
}

static sl_view surrogate_of(const sl_pseudonyms *m, const entry *e)
{
    return sl_view_of(m->bytes.p + e->surrogate, e->surrogate_n);
}

static bool same(sl_view a, sl_view b, bool word)
{
    return word ? sl_view_eq_nocase(a, b) : sl_view_eq(a, b);
}

static size_t bucket_of(const sl_pseudonyms *m, sl_view v, size_t take)
{
    uint8_t low[VALUE_BYTES_MAX];
    size_t n = v.n < take ? v.n : take;
    for (size_t i = 0; i < n; i++) {
        low[i] = sl_lower(v.p[i]);
    }
    return (size_t)(sl_siphash(m->key, sl_view_of(low, n)) % BUCKETS);
}

static const entry *find_original(const sl_pseudonyms *m, sl_view v, bool word)
{
    for (uint32_t i = m->by_original[bucket_of(m, v, VALUE_BYTES_MAX)]; i != 0;) {
        const entry *e = &m->entries[i - 1];
        if (e->word == word && same(original_of(m, e), v, word)) {
            return e;
        }
        i = e->next_original;
    }
    return NULL;
}

/* The longest surrogate that `text` begins with and that ends at a word boundary. */
static const entry *find_surrogate(const sl_pseudonyms *m, sl_view text)
{
    const entry *best = NULL;
    for (uint32_t i = m->by_surrogate[bucket_of(m, text, 3)]; i != 0;) {
        const entry *e = &m->entries[i - 1];
        sl_view s = surrogate_of(m, e);
        bool here = s.n <= text.n && same(s, sl_view_sub(text, 0, s.n), e->word) &&
                    (s.n == text.n || !sl_is_word(text.p[s.n]) || !sl_is_word(s.p[s.n - 1]));
        if (here && (best == NULL || s.n > best->surrogate_n)) {
            best = e;
        }
        i = e->next_surrogate;
    }
    return best;
}

/* Would this surrogate be mistaken for something else? */
static bool taken(const sl_pseudonyms *m, sl_view surrogate)
{
    const entry *e = find_surrogate(m, surrogate);
    return (e != NULL && e->surrogate_n == surrogate.n) ||
           find_original(m, surrogate, true) != NULL ||
           find_original(m, surrogate, false) != NULL ||
           (m->detect != NULL && sl_detect_in_roster(m->detect, surrogate));
}

static sl_res add_entry(sl_pseudonyms *m, sl_view original, sl_view surrogate, bool word)
{
    SL_NEED(m->n < ENTRIES_MAX, SL_E_LIMIT);
    if (m->n == m->cap) {
        size_t cap = m->cap == 0 ? 32 : m->cap * 2;
        entry *more = realloc(m->entries, cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        m->entries = more;
        m->cap = cap;
    }
    entry e = { .original = m->bytes.n, .original_n = original.n, .word = word };
    SL_TRY(sl_buf_add(&m->bytes, original));
    e.surrogate = m->bytes.n;
    e.surrogate_n = surrogate.n;
    SL_TRY(sl_buf_add(&m->bytes, surrogate));
    size_t o = bucket_of(m, original, VALUE_BYTES_MAX);
    size_t s = bucket_of(m, surrogate, 3);
    e.next_original = m->by_original[o];
    e.next_surrogate = m->by_surrogate[s];
    m->entries[m->n++] = e;
    m->by_original[o] = (uint32_t)m->n;
    m->by_surrogate[s] = (uint32_t)m->n;
    return SL_DONE;
}

/* ---- drawing ------------------------------------------------------------------------------- */

/* A source of keyed numbers for one value and attempt. */
typedef struct {
    uint8_t key[16];
    uint64_t seed;
    uint64_t counter;
} draw;

static draw draw_of(const sl_pseudonyms *m, sl_view original, bool word, unsigned attempt)
{
    draw d = { .counter = 0 };
    uint8_t low[VALUE_BYTES_MAX];
    memcpy(d.key, m->key + 16, sizeof d.key);
    size_t n = original.n < sizeof low ? original.n : sizeof low;
    for (size_t i = 0; i < n; i++) {
        low[i] = word ? sl_lower(original.p[i]) : original.p[i];
    }
    d.seed = sl_siphash(m->key, sl_view_of(low, n)) + attempt;
    sl_wipe(low, n);
    return d;
}

static unsigned draw_below(draw *d, unsigned limit)
{
    uint8_t block[16];
    sl_put_le64(block, d->seed);
    sl_put_le64(block + 8, d->counter++);
    return (unsigned)(sl_siphash(d->key, sl_view_of(block, sizeof block)) % limit);
}

/* Digits for digits, letters for letters. A leading digit stays other than 0. */
static sl_res draw_like(draw *d, sl_view original, sl_buf *out)
{
    for (size_t i = 0; i < original.n; i++) {
        uint8_t b = original.p[i];
        bool first = i == 0 || !sl_is_word(original.p[i - 1]);
        uint8_t c = b;
        if (sl_is_digit(b)) {
            c = (uint8_t)(first && b != '0' ? '1' + draw_below(d, 9) : '0' + draw_below(d, 10));
        } else if (b >= 'a' && b <= 'z') {
            c = (uint8_t)('a' + draw_below(d, 26));
        } else if (b >= 'A' && b <= 'Z') {
            c = (uint8_t)('A' + draw_below(d, 26));
        } else if (b >= 0xC0) {
            c = (uint8_t)('a' + draw_below(d, 26));
        } else if (b >= 0x80) {
            continue;
        }
        SL_TRY(sl_buf_add_byte(out, c));
    }
    return SL_DONE;
}

/* A word of two or three syllables that means nothing, written like the original. */
static sl_res draw_word(draw *d, sl_view original, sl_buf *out)
{
    static const char ONSETS[] = "bdfgklmnprstvz";
    static const char VOWELS[] = "aeiou";
    static const char CODAS[] = "lmnrsk";
    size_t begin = out->n;
    unsigned syllables = 2 + draw_below(d, 2);
    for (unsigned i = 0; i < syllables; i++) {
        SL_TRY(sl_buf_add_byte(out, (uint8_t)ONSETS[draw_below(d, sizeof ONSETS - 1)]));
        SL_TRY(sl_buf_add_byte(out, (uint8_t)VOWELS[draw_below(d, sizeof VOWELS - 1)]));
    }
    SL_TRY(sl_buf_add_byte(out, (uint8_t)CODAS[draw_below(d, sizeof CODAS - 1)]));
    bool upper = original.p[0] < 'a';
    bool all_upper = upper && original.n > 1 && original.p[1] >= 'A' && original.p[1] <= 'Z';
    for (size_t i = begin; i < out->n; i++) {
        if (all_upper || (upper && i == begin)) {
            out->p[i] = (uint8_t)(out->p[i] - 32);
        }
    }
    return SL_DONE;
}

/* Keeps the number of digits and the words around an age; only the last digit changes. */
static sl_res draw_age(draw *d, sl_view original, sl_buf *out)
{
    size_t last = SIZE_MAX;
    for (size_t i = 0; i < original.n; i++) {
        last = sl_is_digit(original.p[i]) ? i : last;
    }
    if (last == SIZE_MAX) {
        return sl_buf_addf(out, "%u-year-old", 90 + draw_below(d, 10));
    }
    SL_TRY(sl_buf_add(out, sl_view_sub(original, 0, last)));
    SL_TRY(sl_buf_add_byte(out, (uint8_t)('0' + draw_below(d, 10))));
    return sl_buf_add(out, sl_view_sub(original, last + 1, original.n));
}

/* An area that is never issued, so that no surrogate is anybody's number. */
static sl_res draw_ssn(draw *d, sl_view original, sl_buf *out)
{
    size_t begin = out->n;
    SL_TRY(draw_like(d, original, out));
    if (original.n >= 9 && sl_is_digit(out->p[begin])) {
        out->p[begin] = '9';
    }
    return SL_DONE;
}

static sl_res draw_email(draw *d, sl_view original, sl_buf *out)
{
    sl_view local;
    sl_view domain;
    (void)sl_view_cut(original, '@', &local, &domain);
    SL_TRY(draw_like(d, local, out));
    return sl_buf_add_str(out, "@example.net");
}

static sl_res draw_value(draw *d, sl_class kind, sl_view original, sl_buf *out)
{
    if (kind == SL_CLASS_AGE90) {
        return draw_age(d, original, out);
    }
    if (kind == SL_CLASS_SSN) {
        return draw_ssn(d, original, out);
    }
    if (kind == SL_CLASS_EMAIL) {
        return draw_email(d, original, out);
    }
    if (kind == SL_CLASS_IP && sl_view_find_byte(original, ':', 0) == SIZE_MAX) {
        /* RFC 2544's range for tests of network devices. */
        return sl_buf_addf(out, "198.%u.%u.%u", 18 + draw_below(d, 2), draw_below(d, 256),
                           draw_below(d, 256));
    }
    if (kind == SL_CLASS_URL || kind == SL_CLASS_AUTOLINK || kind == SL_CLASS_REMOTE_LINK) {
        return sl_buf_addf(out, "https://example.net/%u%06u", 1 + draw_below(d, 9),
                           draw_below(d, 1000000));
    }
    return draw_like(d, original, out);
}

/* ---- dates --------------------------------------------------------------------------------- */

/* Days since 1970-01-01 of a civil date and back (proleptic Gregorian; Howard Hinnant's method). */
static int64_t days_of(int64_t y, int64_t m, int64_t day)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_of(int64_t days, int64_t *y, int64_t *m, int64_t *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = yoe + era * 400 + (*m <= 2);
}

static const char *const MONTHS[12] = { "January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December" };

typedef struct {
    size_t at[3]; /* of the numbers, in order */
    size_t n[3];
    int64_t value[3];
    size_t numbers;
    size_t month_at; /* of a month's name */
    size_t month_n;
    int64_t month;
    size_t end; /* where the date part ends (a time of day may follow) */
} date_parts;

static bool month_name(sl_view word, int64_t *ret)
{
    for (size_t k = 0; k < 12; k++) {
        sl_view name = sl_view_str(MONTHS[k]);
        bool full = sl_view_eq_nocase(word, name);
        bool brief = (word.n == 3 || (word.n == 4 && k == 8)) &&
                     sl_view_eq_nocase(word, sl_view_sub(name, 0, word.n));
        if (full || brief) {
            *ret = (int64_t)k + 1;
            return true;
        }
    }
    return false;
}

static bool split_date(sl_view t, date_parts *p)
{
    *p = (date_parts){ .month_at = SIZE_MAX, .end = t.n };
    for (size_t i = 0; i < t.n;) {
        size_t start = i;
        if (sl_is_digit(t.p[i])) {
            int64_t value = 0;
            while (i < t.n && sl_is_digit(t.p[i]) && i - start < 9) {
                value = value * 10 + (t.p[i++] - '0');
            }
            p->at[p->numbers] = start;
            p->n[p->numbers] = i - start;
            p->value[p->numbers++] = value;
            if (p->numbers + (p->month_at != SIZE_MAX) == 3) {
                p->end = i;
                return true;
            }
        } else if (sl_is_word(t.p[i])) {
            while (i < t.n && sl_is_word(t.p[i]) && !sl_is_digit(t.p[i])) {
                i++;
            }
            int64_t month = 0;
            if (month_name(sl_view_sub(t, start, i), &month) && p->month_at == SIZE_MAX) {
                p->month_at = start;
                p->month_n = i - start;
                p->month = month;
            }
        } else {
            i++;
        }
    }
    return p->numbers > 0;
}

/* Which number is which: 0 day, 1 month, 2 year; false if the form is not known. */
static bool roles_of(const date_parts *p, int role[3])
{
    if (p->month_at != SIZE_MAX) {
        if (p->numbers == 1) {
            role[0] = p->value[0] > 31 || p->n[0] == 4 ? 2 : 0;
            return true;
        }
        role[0] = p->n[0] == 4 ? 2 : 0;
        role[1] = p->n[0] == 4 ? 0 : 2;
        return p->numbers == 2;
    }
    if (p->numbers == 3) {
        bool year_first = p->n[0] == 4;
        bool day_first = !year_first && p->value[0] > 12;
        role[0] = year_first ? 2 : (day_first ? 0 : 1);
        role[1] = year_first ? 1 : (day_first ? 1 : 0);
        role[2] = year_first ? 0 : 2;
        return true;
    }
    if (p->numbers == 2) {
        bool with_year = p->n[1] == 4 || p->n[0] == 4;
        bool day_first = !with_year && p->value[0] > 12;
        role[0] = p->n[0] == 4 ? 2 : (day_first ? 0 : 1);
        role[1] = with_year ? (p->n[0] == 4 ? 1 : 2) : (day_first ? 1 : 0);
        return true;
    }
    return false;
}

static int64_t full_year(int64_t y, size_t digits)
{
    if (digits > 2) {
        return y;
    }
    return y < 50 ? 2000 + y : 1900 + y;
}

static sl_res add_number(sl_buf *out, int64_t value, size_t width)
{
    return sl_buf_addf(out, width == 2 ? "%02d" : (width == 4 ? "%04d" : "%d"), (int)value);
}

static sl_res add_month(sl_buf *out, sl_view as, int64_t month)
{
    sl_view name = sl_view_str(MONTHS[month - 1]);
    bool sept = as.n == 4 && sl_lower(as.p[0]) == 's';
    bool brief = sept || (as.n == 3 && !sl_view_eq_nocase(as, SL_LIT("may")));
    size_t n = brief ? 3 : name.n;
    bool upper = as.p[1] < 'a';
    bool lower_all = as.p[0] >= 'a';
    for (size_t i = 0; i < n; i++) {
        uint8_t c = name.p[i];
        c = upper && c >= 'a' ? (uint8_t)(c - 32) : c;
        SL_TRY(sl_buf_add_byte(out, lower_all ? sl_lower(c) : c));
    }
    return SL_DONE;
}

/* The date moved by the map's offset in the same form; *ret_known false if the form is not known. */
static sl_res shift_date(const sl_pseudonyms *m, sl_view t, unsigned attempt, sl_buf *out,
                         bool *ret_known)
{
    date_parts p;
    int role[3] = { 0 };
    int64_t part[3] = { 15, 6, 2001 }; /* where a part is not written */
    *ret_known = split_date(t, &p) && roles_of(&p, role);
    if (!*ret_known) {
        return SL_DONE;
    }
    for (size_t i = 0; i < p.numbers; i++) {
        part[role[i]] = role[i] == 2 ? full_year(p.value[i], p.n[i]) : p.value[i];
    }
    part[1] = p.month_at != SIZE_MAX ? p.month : part[1];
    if (part[1] < 1 || part[1] > 12 || part[0] < 1 || part[0] > 31) {
        *ret_known = false;
        return SL_DONE;
    }
    draw d = draw_of(m, SL_LIT("date offset"), false, 0);
    int64_t offset = 30 + (int64_t)draw_below(&d, 335);
    offset = draw_below(&d, 2) == 0 ? offset : -offset;
    civil_of(days_of(part[2], part[1], part[0]) + offset + (int64_t)attempt * 7, &part[2], &part[1],
             &part[0]);
    size_t at = 0;
    size_t next = 0;
    bool named = p.month_at == SIZE_MAX;
    while (next < p.numbers || !named) {
        bool month_first = !named && (next >= p.numbers || p.month_at < p.at[next]);
        size_t begin = month_first ? p.month_at : p.at[next];
        SL_TRY(sl_buf_add(out, sl_view_sub(t, at, begin)));
        if (month_first) {
            SL_TRY(add_month(out, sl_view_sub(t, begin, begin + p.month_n), part[1]));
            at = begin + p.month_n;
            named = true;
            continue;
        }
        int64_t value = part[role[next]];
        value = role[next] == 2 && p.n[next] <= 2 ? value % 100 : value;
        SL_TRY(add_number(out, value, p.n[next]));
        at = begin + p.n[next];
        next++;
    }
    return sl_buf_add(out, sl_view_sub(t, at, t.n));
}

/* ---- surrogates ---------------------------------------------------------------------------- */

/* Titles, degrees and the small words between names stay as they are. */
static bool names_no_one(sl_view word)
{
    static const char *const SMALL[] = { "md", "phd", "rn", "jr",  "the", "of",
                                         "de", "la",  "in", "von", "van", "del" };
    for (size_t i = 0; i < SL_COUNT_OF(SMALL); i++) {
        if (sl_view_eq_nocase(word, sl_view_str(SMALL[i]))) {
            return true;
        }
    }
    return word.n > 1 && sl_is_title(word);
}

static sl_res one_word(sl_pseudonyms *m, sl_view word, sl_buf *out)
{
    const entry *have = find_original(m, word, true);
    if (have != NULL) {
        return sl_buf_add(out, surrogate_of(m, have));
    }
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        SL_OWN(sl_buf, made, sl_buf_free) = { .max = VALUE_BYTES_MAX };
        draw d = draw_of(m, word, true, attempt * 7919U);
        SL_TRY(draw_word(&d, word, &made));
        if (!taken(m, sl_buf_view(&made))) {
            SL_TRY(add_entry(m, word, sl_buf_view(&made), true));
            return sl_buf_add(out, sl_buf_view(&made));
        }
    }
    return sl_fail(SL_E_LIMIT);
}

/* Names: each word by itself, so that "Ms. Doe" and "Jane Doe" agree; initials stay initials. */
static sl_res by_words(sl_pseudonyms *m, sl_view original, sl_buf *out)
{
    for (size_t i = 0; i < original.n;) {
        size_t start = i;
        while (i < original.n && sl_is_word(original.p[i])) {
            i++;
        }
        sl_view word = sl_view_sub(original, start, i);
        if (word.n == 0) {
            SL_TRY(sl_buf_add_byte(out, original.p[i++]));
        } else if (names_no_one(word) ||
                   (word.n == 1 && start > 0 && original.p[start - 1] == '\'')) {
            /* Titles, and the s of "Mary's", name no one. */
            SL_TRY(sl_buf_add(out, word));
        } else if (word.n == 1) {
            draw d = draw_of(m, word, true, 0);
            SL_TRY(draw_like(&d, word, out));
        } else {
            SL_TRY(one_word(m, word, out));
        }
    }
    return SL_DONE;
}

static bool has_digit(sl_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (sl_is_digit(v.p[i])) {
            return true;
        }
    }
    return false;
}

sl_res sl_pseudonyms_get(sl_pseudonyms *map, sl_class kind, sl_view original, sl_buf *out)
{
    SL_NEED(original.n > 0 && original.n <= VALUE_BYTES_MAX, SL_E_LIMIT);
    bool in_words = kind == SL_CLASS_NAME || kind == SL_CLASS_LOCATION ||
                    (kind == SL_CLASS_ROSTER_VALUE && !has_digit(original));
    if (in_words) {
        return by_words(map, original, out);
    }
    const entry *have = find_original(map, original, false);
    if (have != NULL) {
        return sl_buf_add(out, surrogate_of(map, have));
    }
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        SL_OWN(sl_buf, made, sl_buf_free) = { .max = 2 * VALUE_BYTES_MAX };
        bool known = false;
        if (kind == SL_CLASS_DATE) {
            SL_TRY(shift_date(map, original, attempt, &made, &known));
        }
        if (!known) {
            draw d = draw_of(map, original, false, attempt * 7919U);
            sl_buf_clear(&made);
            SL_TRY(draw_value(&d, kind, original, &made));
        }
        if (!sl_view_eq(sl_buf_view(&made), original) && !taken(map, sl_buf_view(&made))) {
            SL_TRY(add_entry(map, original, sl_buf_view(&made), false));
            return sl_buf_add(out, sl_buf_view(&made));
        }
    }
    return sl_fail(SL_E_LIMIT);
}

/* ---- the way back -------------------------------------------------------------------------- */

sl_res sl_pseudonyms_find(const sl_pseudonyms *map, sl_view text, sl_findings *findings)
{
    if (map->n == 0) {
        return SL_DONE;
    }
    for (size_t i = 0; i < text.n;) {
        bool edge = i == 0 || !sl_is_word(text.p[i - 1]) || !sl_is_word(text.p[i]);
        const entry *e = edge ? find_surrogate(map, sl_view_sub(text, i, text.n)) : NULL;
        if (e == NULL) {
            i++;
            continue;
        }
        SL_TRY(sl_findings_add(findings, (sl_finding){ .start = i,
                                                       .end = i + e->surrogate_n,
                                                       .attribution = SL_NO_ATTRIBUTION,
                                                       .rule = SL_NO_RULE,
                                                       .policy_rule = SL_NO_RULE,
                                                       .score_permille = 1000,
                                                       .detector = SL_DETECTOR_PSEUDONYM,
                                                       .kind = SL_CLASS_OWN_PSEUDONYM,
                                                       .verdict = SL_VERDICT_TRANSFORM,
                                                       .transform = SL_TRANSFORM_RESTORE }));
        i += e->surrogate_n;
    }
    return SL_DONE;
}

static bool may_be_shadowed(const sl_finding *f)
{
    return f->detector == SL_DETECTOR_PHI || f->detector == SL_DETECTOR_EXFIL;
}

/* Is the word [start, end) inside a surrogate? The findings are sorted by start. */
static bool is_own(const sl_findings *findings, size_t start, size_t end)
{
    size_t low = 0;
    size_t high = findings->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (findings->items[middle].start <= start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (size_t k = low; k > 0 && low - k < 16; k--) {
        const sl_finding *s = &findings->items[k - 1];
        if (s->detector == SL_DETECTOR_PSEUDONYM && s->start <= start && end <= s->end) {
            return true;
        }
    }
    return false;
}

/* Is everything in the finding that could name someone a surrogate of ours? */
static bool is_shadowed(sl_view text, const sl_findings *findings, const sl_finding *f)
{
    bool own = false;
    for (size_t i = f->start; i < f->end;) {
        size_t start = i;
        while (i < f->end && sl_is_word(text.p[i])) {
            i++;
        }
        if (i == start) {
            i++;
            continue;
        }
        bool inside = is_own(findings, start, i);
        own = own || inside;
        if (!inside && i - start > 1 && !names_no_one(sl_view_sub(text, start, i))) {
            return false;
        }
    }
    return own;
}

void sl_pseudonyms_shadow(sl_view text, sl_findings *findings)
{
    size_t kept = 0;
    for (size_t i = 0; i < findings->n; i++) {
        sl_finding *f = &findings->items[i];
        if (may_be_shadowed(f) && is_shadowed(text, findings, f)) {
            f->end = f->start; /* marked: nothing moves while the list is searched */
        }
    }
    for (size_t i = 0; i < findings->n; i++) {
        if (findings->items[i].end != findings->items[i].start) {
            findings->items[kept++] = findings->items[i];
        }
    }
    findings->n = kept;
}

/* Writes `original` in the case in which its surrogate came back. */
static sl_res add_in_case(sl_view original, sl_view surrogate, sl_view as, sl_buf *out)
{
    if (sl_view_eq(surrogate, as)) {
        return sl_buf_add(out, original);
    }
    bool upper = as.n > 1 && as.p[1] >= 'A' && as.p[1] <= 'Z';
    bool lower = as.p[0] >= 'a';
    for (size_t i = 0; i < original.n; i++) {
        uint8_t b = original.p[i];
        uint8_t low = sl_lower(b);
        bool capital = upper || (!lower && i == 0);
        SL_TRY(
            sl_buf_add_byte(out, capital && low >= 'a' && low <= 'z' ? (uint8_t)(low - 32) : low));
    }
    return SL_DONE;
}

sl_res sl_pseudonyms_restore(const sl_pseudonyms *map, sl_view surrogate, sl_buf *out)
{
    const entry *e = surrogate.n == 0 ? NULL : find_surrogate(map, surrogate);
    SL_NEED(e != NULL && e->surrogate_n == surrogate.n, SL_E_NOT_FOUND);
    if (!e->word) {
        return sl_buf_add(out, original_of(map, e));
    }
    return add_in_case(original_of(map, e), surrogate_of(map, e), surrogate, out);
}
