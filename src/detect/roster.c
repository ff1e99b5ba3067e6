/* The keyed index of protected values (roster.h): building, opening, matching.
 * No value is kept anywhere: a value is folded, normalised and hashed in the call that brings it. */
#include "detect/roster.h"

#include "base/secret.h"
#include "detect/fold.h"
#include "detect/siphash.h"
#include "detect/words.h"

#define HEADER_BYTES ((size_t)40)
#define LENGTHS_AT HEADER_BYTES
#define SLOTS_AT (HEADER_BYTES + 8 * SL_ROSTER_WORDS_MAX)
#define SLOT_BYTES ((size_t)24)
#define TRAILER_BYTES ((size_t)16)
#define ENTRIES_MAX ((size_t)1 << 26)
/* Words of one value stand at most this many bytes apart: ", " and " - " but not a column of a table. */
#define GAP_MAX ((size_t)3)

typedef struct {
    uint64_t tag;
    uint64_t attribution;
    uint16_t kind;
    uint16_t flags;
    uint32_t view;
} entry;

struct sl_roster_builder {
    uint8_t key[32];
    entry *entries;
    size_t n;
    size_t cap;
    uint64_t lengths[SL_ROSTER_WORDS_MAX];
    sl_fold_work fold;
};

struct sl_roster {
    uint8_t key[32];
    sl_view slots;
    uint32_t mask;
    uint32_t count;
    uint64_t lengths[SL_ROSTER_WORDS_MAX];
};

typedef struct {
    uint8_t bytes[SL_ROSTER_VALUE_BYTES_MAX];
    size_t n;
    size_t words;
    size_t letters;
    size_t digits;
} normal;

/* Words that are names and also plain words: alone they say nothing about a person. */
static const char *const PLAIN_WORDS[] = {
    "will",      "may",      "mark",     "grant",  "rose",      "hope",   "faith",    "grace",
    "art",       "bill",     "pat",      "sue",    "chase",     "young",  "long",     "white",
    "brown",     "black",    "green",    "day",    "june",      "april",  "august",   "summer",
    "autumn",    "dawn",     "eve",      "joy",    "may",       "drew",   "jack",     "king",
    "cook",      "baker",    "cross",    "rich",   "price",     "page",   "park",     "hill",
    "lake",      "wood",     "stone",    "rice",   "case",      "close",  "cash",     "dean",
    "earnest",   "frank",    "gay",      "gene",   "guy",       "harm",   "head",     "heart",
    "hand",      "hall",     "house",    "hunter", "jewel",     "john",   "law",      "lane",
    "love",      "major",    "male",     "female", "mercy",     "miles",  "mother",   "father",
    "north",     "south",    "east",     "west",   "peace",     "pain",   "pearl",    "pierce",
    "ray",       "ruby",     "sale",     "short",  "small",     "smart",  "sterling", "strong",
    "tab",       "trial",    "unknown",  "other",  "none",      "null",   "yes",      "not",
    "white",     "asian",    "hispanic", "the",    "and",       "for",    "placebo",  "treatment",
    "screening", "baseline", "week",     "visit",  "completed", "normal", "abnormal", "negative",
    "positive",  "mild",     "moderate", "severe", "left",      "right",
};

static bool is_plain_word(const normal *v)
{
    for (size_t i = 0; i < SL_COUNT_OF(PLAIN_WORDS); i++) {
        if (sl_view_eq_str(sl_view_of(v->bytes, v->n), PLAIN_WORDS[i])) {
            return true;
        }
    }
    return false;
}

/* The normal form of folded text; false if it is too long. */
static bool normalise(sl_view folded, normal *out)
{
    *out = (normal){ 0 };
    bool inside = false;
    for (size_t i = 0; i < folded.n; i++) {
        uint8_t b = folded.p[i];
        if (!sl_is_word(b)) {
            inside = false;
            continue;
        }
        if (out->n == SL_ROSTER_VALUE_BYTES_MAX) {
            return false;
        }
        out->words += !inside;
        inside = true;
        out->digits += sl_is_digit(b);
        out->letters += !sl_is_digit(b);
        out->bytes[out->n++] = sl_lower(b);
    }
    return out->words <= SL_ROSTER_WORDS_MAX;
}

static uint64_t tag_of(const uint8_t key[32], sl_view bytes)
{
    uint64_t tag = sl_siphash(key, bytes);
    return tag == 0 ? 1 : tag;
}

static unsigned length_bit(size_t n)
{
    return n < 63 ? (unsigned)n : 63U;
}

/* ---- building ------------------------------------------------------------------------------ */

sl_res sl_roster_builder_new(const uint8_t match_key[32], sl_roster_builder **ret_builder)
{
    sl_roster_builder *b = calloc(1, sizeof *b);
    SL_NEED(b != NULL, SL_E_MEMORY);
    memcpy(b->key, match_key, sizeof b->key);
    *ret_builder = b;
    return SL_DONE;
}

void sl_roster_builder_free(sl_roster_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    sl_wipe(builder->key, sizeof builder->key);
    sl_fold_work_free(&builder->fold);
    free(builder->entries);
    free(builder);
}

static sl_res keep_entry(sl_roster_builder *b, const entry *e)
{
    if (b->n == b->cap) {
        size_t cap = b->cap == 0 ? 1024 : b->cap * 2;
        SL_NEED(cap <= ENTRIES_MAX, SL_E_LIMIT);
        entry *more = realloc(b->entries, cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        b->entries = more;
        b->cap = cap;
    }
    b->entries[b->n++] = *e;
    return SL_DONE;
}

static sl_res add_entry(sl_roster_builder *b, const normal *v, size_t words, entry e)
{
    e.tag = tag_of(b->key, sl_view_of(v->bytes, v->n));
    SL_TRY(keep_entry(b, &e));
    b->lengths[words - 1] |= (uint64_t)1 << length_bit(v->n);
    b->lengths[0] |= (uint64_t)1 << length_bit(v->n);
    return SL_DONE;
}

static normal reversed(const normal *v)
{
    normal out = *v;
    for (size_t i = 0; i < v->n; i++) {
        out.bytes[i] = v->bytes[v->n - 1 - i];
    }
    return out;
}

/* A Caesar shift (`by` 1 to 25) or Atbash (`by` 0) of the letters. */
static normal substituted(const normal *v, unsigned by)
{
    normal out = *v;
    for (size_t i = 0; i < v->n; i++) {
        uint8_t c = v->bytes[i];
        if (c >= 'a' && c <= 'z') {
            unsigned at = c - 'a';
            out.bytes[i] = (uint8_t)('a' + (by == 0 ? 25 - at : (at + by) % 26));
        }
    }
    return out;
}

static sl_res add_disguised(sl_roster_builder *b, const normal *v, entry e)
{
    normal backwards = reversed(v);
    if (memcmp(backwards.bytes, v->bytes, v->n) != 0) {
        e.view = SL_VIEW_REVERSED;
        SL_TRY(add_entry(b, &backwards, v->words, e));
    }
    if (v->letters >= 3) {
        /* Every shift of what was planted; of other values the one that people use. */
        bool planted = (e.flags & SL_ROSTER_CANARY) != 0;
        for (unsigned by = planted ? 1 : 13; by < (planted ? 26U : 14U); by++) {
            normal rotated = substituted(v, by);
            e.view = SL_VIEW_ROTATED;
            SL_TRY(add_entry(b, &rotated, v->words, e));
        }
        normal mirrored = substituted(v, 0);
        e.view = SL_VIEW_ATBASH;
        SL_TRY(add_entry(b, &mirrored, v->words, e));
    }
    return SL_DONE;
}

static bool is_year(const normal *v)
{
    return v->n == 4 && v->letters == 0 &&
           ((v->bytes[0] == '1' && v->bytes[1] == '9') ||
            (v->bytes[0] == '2' && v->bytes[1] == '0'));
}

static sl_res add_value(sl_roster_builder *builder, sl_class kind, sl_view value,
                        uint64_t attribution, uint16_t flags, bool *ret_added)
{
    sl_folded folded;
    normal v;
    bool canary = (flags & SL_ROSTER_CANARY) != 0;
    SL_TRY(sl_fold(value, false, &builder->fold, &folded, NULL));
    bool fits = normalise(folded.text, &v);
    bool tells = fits && v.words > 0 && (v.letters >= 3 || v.digits >= 5) &&
                 !(v.words == 1 && is_plain_word(&v)) && !is_year(&v);
    if (!tells) {
        if (canary) {
            return sl_fail_at(SL_E_RANGE, "canary", v.n);
        }
        *ret_added = false;
        return SL_DONE;
    }
    entry e = {
        .attribution = attribution, .kind = (uint16_t)kind, .flags = flags, .view = SL_VIEW_PLAIN
    };
    SL_TRY(add_entry(builder, &v, v.words, e));
    if (canary || v.n >= 8) {
        SL_TRY(add_disguised(builder, &v, e));
    }
    sl_wipe(&v, sizeof v);
    *ret_added = true;
    return SL_DONE;
}

sl_res sl_roster_add(sl_roster_builder *builder, sl_class kind, sl_view value, uint64_t attribution,
                     uint16_t flags, bool *ret_added)
{
    sl_view last;
    sl_view first;
    SL_TRY(add_value(builder, kind, value, attribution, flags, ret_added));
    if (kind != SL_CLASS_NAME || !sl_view_cut(value, ',', &last, &first)) {
        return SL_DONE;
    }
    /* "Doe, Jane" is also "Jane Doe". */
    SL_OWN(sl_buf, turned, sl_buf_free) = { .max = value.n + 1 };
    bool added = false;
    SL_TRY(sl_buf_add(&turned, first));
    SL_TRY(sl_buf_add_byte(&turned, ' '));
    SL_TRY(sl_buf_add(&turned, last));
    return add_value(builder, kind, sl_buf_view(&turned), attribution, flags, &added);
}

static void put_slot(uint8_t *p, const entry *e)
{
    sl_put_le64(p, e->tag);
    sl_put_le64(p + 8, e->attribution);
    sl_put_le16(p + 16, e->kind);
    sl_put_le16(p + 18, e->flags);
    sl_put_le32(p + 20, e->view);
}

/* Inserts; a value that several records share is attributed to none of them. */
static bool insert(uint8_t *slots, uint32_t mask, const entry *e)
{
    for (uint32_t at = (uint32_t)e->tag & mask;; at = (at + 1) & mask) {
        uint8_t *p = slots + at * SLOT_BYTES;
        uint64_t tag = sl_get_le64(p);
        if (tag == 0) {
            put_slot(p, e);
            return true;
        }
        if (tag == e->tag) {
            if (sl_get_le64(p + 8) != e->attribution) {
                sl_put_le64(p + 8, SL_NO_ATTRIBUTION);
            }
            sl_put_le16(p + 18, (uint16_t)(sl_get_le16(p + 18) | e->flags));
            return false;
        }
    }
}

static void keyed_pair(const uint8_t key[32], sl_view v, uint8_t out[16])
{
    uint8_t other[16];
    memcpy(other, key + 16, 16);
    sl_put_le64(out, sl_siphash(other, v));
    memcpy(other, key, 16); /* both halves count: a key that shares one of them is another key */
    other[0] ^= 0x5C;       /* never the key of the tags */
    sl_put_le64(out + 8, sl_siphash(other, v));
    sl_wipe(other, sizeof other);
}

sl_res sl_roster_finish(sl_roster_builder *builder, sl_buf *out)
{
    uint32_t slots = 16;
    while (slots < builder->n * 2) {
        slots *= 2;
    }
    size_t total = SLOTS_AT + slots * SLOT_BYTES + TRAILER_BYTES;
    size_t begin = out->n;
    SL_TRY(sl_buf_reserve(out, total));
    uint8_t *p = out->p + begin;
    memset(p, 0, total);
    memcpy(p, "SLROSTR1", 8);
    sl_put_le32(p + 8, 1);
    sl_put_le32(p + 12, slots);
    keyed_pair(builder->key, SL_LIT("stoplog roster v1"), p + 24);
    for (size_t i = 0; i < SL_ROSTER_WORDS_MAX; i++) {
        sl_put_le64(p + LENGTHS_AT + 8 * i, builder->lengths[i]);
    }
    uint32_t count = 0;
    for (size_t i = 0; i < builder->n; i++) {
        count += insert(p + SLOTS_AT, slots - 1, &builder->entries[i]);
    }
    sl_put_le32(p + 16, count);
    keyed_pair(builder->key, sl_view_of(p, total - TRAILER_BYTES), p + total - TRAILER_BYTES);
    out->n += total;
    return SL_DONE;
}

/* ---- matching ------------------------------------------------------------------------------ */

sl_res sl_roster_open(sl_view index, const uint8_t match_key[32], sl_roster **ret_roster)
{
    SL_NEED(index.n >= SLOTS_AT + TRAILER_BYTES, SL_E_TRUNCATED);
    SL_NEED(memcmp(index.p, "SLROSTR1", 8) == 0, SL_E_SYNTAX);
    SL_NEED(sl_get_le32(index.p + 8) == 1, SL_E_VERSION);
    uint32_t slots = sl_get_le32(index.p + 12);
    bool power = slots >= 16 && (slots & (slots - 1)) == 0;
    SL_NEED(power && index.n == SLOTS_AT + slots * SLOT_BYTES + TRAILER_BYTES, SL_E_TRUNCATED);
    uint8_t check[16];
    keyed_pair(match_key, SL_LIT("stoplog roster v1"), check);
    SL_NEED(sl_equal_constant_time(check, index.p + 24, 16), SL_E_KEY);
    keyed_pair(match_key, sl_view_sub(index, 0, index.n - TRAILER_BYTES), check);
    SL_NEED(sl_equal_constant_time(check, index.p + index.n - TRAILER_BYTES, 16), SL_E_INTEGRITY);
    /* At least half the slots are empty, so that probing ends. */
    SL_NEED(sl_get_le32(index.p + 16) <= slots / 2, SL_E_INTEGRITY);
    sl_roster *r = calloc(1, sizeof *r);
    SL_NEED(r != NULL, SL_E_MEMORY);
    memcpy(r->key, match_key, sizeof r->key);
    r->slots = sl_view_sub(index, SLOTS_AT, index.n - TRAILER_BYTES);
    r->mask = slots - 1;
    r->count = sl_get_le32(index.p + 16);
    for (size_t i = 0; i < SL_ROSTER_WORDS_MAX; i++) {
        r->lengths[i] = sl_get_le64(index.p + LENGTHS_AT + 8 * i);
    }
    *ret_roster = r;
    return SL_DONE;
}

void sl_roster_free(sl_roster *roster)
{
    if (roster != NULL) {
        sl_wipe(roster->key, sizeof roster->key);
        free(roster);
    }
}

static sl_res merge_slot(sl_roster_builder *b, const uint8_t *slot)
{
    entry e = { .tag = sl_get_le64(slot),
                .attribution = sl_get_le64(slot + 8),
                .kind = sl_get_le16(slot + 16),
                .flags = sl_get_le16(slot + 18),
                .view = sl_get_le32(slot + 20) };
    return e.tag == 0 ? SL_DONE : keep_entry(b, &e);
}

sl_res sl_roster_merge(sl_roster_builder *builder, sl_view index)
{
    sl_roster *old = NULL;
    SL_TRY(sl_roster_open(index, builder->key, &old));
    sl_res r = SL_DONE;
    for (size_t at = 0; at < old->slots.n && sl_ok(r); at += SLOT_BYTES) {
        r = merge_slot(builder, old->slots.p + at);
    }
    for (size_t i = 0; i < SL_ROSTER_WORDS_MAX; i++) {
        builder->lengths[i] |= old->lengths[i];
    }
    sl_roster_free(old);
    return r;
}

size_t sl_roster_count(const sl_roster *roster)
{
    return roster->count;
}

static const uint8_t *find_slot(const sl_roster *r, sl_view bytes)
{
    uint64_t tag = tag_of(r->key, bytes);
    for (uint32_t at = (uint32_t)tag & r->mask, seen = 0; seen <= r->mask;
         at = (at + 1) & r->mask, seen++) {
        const uint8_t *p = r->slots.p + at * SLOT_BYTES;
        uint64_t have = sl_get_le64(p);
        if (have == tag) {
            return p;
        }
        if (have == 0) {
            return NULL;
        }
    }
    return NULL;
}

static sl_finding finding_of(const uint8_t *slot, size_t start, size_t end)
{
    uint16_t kind = sl_get_le16(slot + 16);
    uint32_t view = sl_get_le32(slot + 20);
    bool canary = (sl_get_le16(slot + 18) & SL_ROSTER_CANARY) != 0;
    return (sl_finding){ .start = start,
                         .end = end,
                         .attribution = sl_get_le64(slot + 8),
                         .rule = SL_NO_RULE,
                         .policy_rule = SL_NO_RULE,
                         .score_permille = 1000,
                         .detector = canary ? SL_DETECTOR_CANARY : SL_DETECTOR_ROSTER,
                         .kind = (uint8_t)(kind < SL_CLASS_COUNT ? kind : SL_CLASS_ROSTER_VALUE),
                         .view = (uint8_t)(view < SL_VIEW_COUNT ? view : SL_VIEW_PLAIN) };
}

/* The values that begin with the word at `start`; the longest one counts. */
static sl_res match_at(const sl_roster *r, sl_view t, size_t start, sl_findings *findings)
{
    uint8_t bytes[SL_ROSTER_VALUE_BYTES_MAX];
    size_t n = 0;
    size_t at = start;
    const uint8_t *best = NULL;
    size_t best_end = 0;
    for (size_t words = 0; words < SL_ROSTER_WORDS_MAX; words++) {
        while (at < t.n && sl_is_word(t.p[at]) && n < sizeof bytes) {
            bytes[n++] = sl_lower(t.p[at++]);
        }
        if (at < t.n && sl_is_word(t.p[at])) {
            break;
        }
        if ((r->lengths[words] >> length_bit(n) & 1) != 0) {
            const uint8_t *slot = find_slot(r, sl_view_of(bytes, n));
            best = slot != NULL ? slot : best;
            best_end = slot != NULL ? at : best_end;
        }
        size_t next = at;
        while (next < t.n && !sl_is_word(t.p[next]) && next - at <= GAP_MAX) {
            next++;
        }
        if (next >= t.n || next - at > GAP_MAX) {
            break;
        }
        at = next;
    }
    return best == NULL ? SL_DONE : sl_findings_add(findings, finding_of(best, start, best_end));
}

sl_res sl_roster_scan(const sl_roster *roster, sl_view folded, sl_findings *findings)
{
    if (roster->count == 0) {
        return SL_DONE;
    }
    for (size_t i = 0; i < folded.n;) {
        if (!sl_is_word(folded.p[i])) {
            i++;
            continue;
        }
        SL_TRY(match_at(roster, folded, i, findings));
        while (i < folded.n && sl_is_word(folded.p[i])) {
            i++;
        }
    }
    return SL_DONE;
}

bool sl_roster_lookup(const sl_roster *roster, sl_view value, sl_class *ret_kind,
                      uint64_t *ret_attribution, uint16_t *ret_flags)
{
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    sl_folded folded;
    normal v;
    if (!sl_ok(sl_fold(value, false, &work, &folded, NULL)) || !normalise(folded.text, &v) ||
        v.n == 0) {
        return false;
    }
    const uint8_t *slot = find_slot(roster, sl_view_of(v.bytes, v.n));
    if (slot == NULL) {
        return false;
    }
    sl_finding f = finding_of(slot, 0, 1);
    *ret_kind = (sl_class)f.kind;
    *ret_attribution = f.attribution;
    *ret_flags = sl_get_le16(slot + 18);
    return true;
}
