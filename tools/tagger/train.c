/* Trains the names tagger: reads gold texts and word lists, writes a pack (src/detect/tagger.h).
 * usage: train-tagger OUT.pack EPOCHS GAZETTEERS LISTS DICTIONARY GOLD.jsonl...
 * GAZETTEERS and LISTS are folders of word lists (data/models/names.md; tools/notes-generator/lists);
 * gold is {text, spans:[{start,end,label}]} with UTF-8 byte offsets. The same arguments give the same
 * pack. What is learned: no titles ("Dr."), no states or countries by themselves, folded text. */
#include <fcntl.h>
#include <math.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/random.h"
#include "detect/fold.h"
#include "detect/tagger.h"
#include "detect/words.h"

#define BUCKETS ((uint32_t)1 << 20)
#define LANES SL_TAG_LANES
/* By how much the right tag has to win in training. */
#define MISSED 12.0F
#define MISTAKEN 8.0F
/* The same in a text that names no one: there a single mistake spoils it. */
#define MISTAKEN_CLEAN 14.0F
/* What the tag "outside" loses when tagging: the operating point (docs/detection.md). */
#define OUTSIDE_LESS 16.0
/* In training one feature in so many is left out, another one each time: none may carry a decision alone. */
#define DROP 8
/* So many trainings, each in an order of its own, are averaged: what one of them believed by chance fades. */
#define RUNS 4
#define DOCUMENTS_MAX ((size_t)1 << 20)
#define TABLE ((uint32_t)1 << 20)

#define REGIONS                                                                                    \
    "alabama alaska arizona arkansas california colorado connecticut delaware florida "            \
    "georgia hawaii idaho illinois indiana iowa kansas kentucky louisiana maine maryland "         \
    "massachusetts michigan minnesota mississippi missouri montana nebraska nevada ohio "          \
    "oklahoma oregon pennsylvania tennessee texas utah vermont virginia washington "               \
    "wisconsin wyoming carolina dakota ontario quebec bavaria bayern sachsen andalusia"
#define COUNTRIES                                                                                  \
    "england scotland wales ireland france germany spain italy portugal netherlands "              \
    "belgium switzerland austria poland sweden norway denmark finland russia china japan "         \
    "korea india pakistan australia canada mexico brazil argentina chile egypt nigeria "           \
    "kenya israel turkey greece iran iraq america"

typedef struct {
    sl_view text;
    size_t (*spans)[3]; /* first byte, end, tag */
    size_t count;
} document;

#define SPANS_MAX ((size_t)512)

typedef struct {
    float w[LANES];
    double u[LANES];
    double sum[LANES]; /* of the averages of the runs so far */
} row;

typedef struct {
    sl_arena arena;
    sl_fold_work fold;
    document **documents;
    size_t count;
    row *rows;
    row transitions[LANES + 1];
    double steps;
    float mistaken; /* the margin against a mistake in this text */
    uint64_t drop;  /* which features are left out of this segment */
    uint32_t *hashes;
    uint32_t *lists;
    sl_tag_tokens tokens;
    float (*scores)[LANES];
    uint8_t (*from)[LANES];
    size_t cap;
    sl_prng prng;
} trainer;

static unsigned tag_of(const sl_json_node *label)
{
    if (sl_json_text_is(label, "NAME")) {
        return SL_TAG_NAME;
    }
    if (sl_json_text_is(label, "LOCATION")) {
        return SL_TAG_PLACE;
    }
    if (sl_json_text_is(label, "ID") || sl_json_text_is(label, "CONTACT")) {
        return SL_TAG_NUMBER;
    }
    return sl_json_text_is(label, "ORG") ? SL_TAG_ORGANISATION : 0;
}

/* Folded text, as the tagger sees it, and where in it the byte `at` of the original stands. */
static sl_res fold_copy(trainer *t, sl_view text, sl_view *ret_text, const sl_folded **ret_map)
{
    static sl_folded folded;
    SL_TRY(sl_fold(text, false, &t->fold, &folded, NULL));
    SL_TRY(sl_arena_dup(&t->arena, folded.text, ret_text));
    *ret_map = &folded;
    return SL_DONE;
}

static size_t folded_at(const sl_folded *folded, size_t at)
{
    if (folded->map == NULL) {
        return at;
    }
    size_t low = 0;
    size_t high = folded->text.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (folded->map[middle] < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Mail and web addresses are left to patterns. */
static bool is_number(sl_view value)
{
    size_t digits = 0;
    bool address = false;
    for (size_t i = 0; i < value.n; i++) {
        digits += sl_is_digit(value.p[i]);
        address = address || value.p[i] == '@' || value.p[i] == '/';
    }
    return digits >= 3 && !address;
}

static void add_span(document *d, const sl_folded *map, uint64_t start, uint64_t end, unsigned tag)
{
    size_t from = folded_at(map, (size_t)start);
    size_t to = folded_at(map, (size_t)end);
    if (tag == SL_TAG_NAME) {
        from = sl_after_titles(d->text, from, to);
    }
    bool place = tag == SL_TAG_PLACE && sl_is_region(sl_view_sub(d->text, from, to));
    bool address = tag == SL_TAG_NUMBER && !is_number(sl_view_sub(d->text, from, to));
    if (from < to && !place && !address) {
        size_t *s = d->spans[d->count++]; /* of SPANS_MAX */
        s[0] = from;
        s[1] = to;
        s[2] = tag;
    }
}

static sl_res load_line(trainer *t, sl_view line)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_MIB };
    SL_TRY(sl_json_parse(line, &doc));
    size_t spans[SPANS_MAX][3];
    document *d = sl_arena_alloc(&t->arena, sizeof *d);
    SL_NEED(d != NULL && t->count < DOCUMENTS_MAX, SL_E_LIMIT);
    d->spans = spans;
    const sl_json_node *root = sl_json_root(&doc);
    const sl_folded *map = NULL;
    sl_view text;
    SL_TRY(sl_json_text(sl_json_get(&doc, root, "text"), &arena, &text));
    SL_TRY(fold_copy(t, text, &d->text, &map));
    sl_json_iter it = { 0 };
    while (sl_json_each(&doc, sl_json_get(&doc, root, "spans"), &it) && d->count < SPANS_MAX) {
        uint64_t start = 0;
        uint64_t end = 0;
        SL_TRY(sl_json_u64(sl_json_get(&doc, it.value, "start"), &start));
        SL_TRY(sl_json_u64(sl_json_get(&doc, it.value, "end"), &end));
        unsigned tag = tag_of(sl_json_get(&doc, it.value, "label"));
        if (tag != 0) {
            add_span(d, map, start, end, tag);
        }
    }
    d->spans = sl_arena_alloc(&t->arena, d->count * sizeof *spans + 1);
    SL_NEED(d->spans != NULL, SL_E_MEMORY);
    memcpy(d->spans, spans, d->count * sizeof *spans);
    t->documents[t->count++] = d;
    return SL_DONE;
}

static sl_res load_set(trainer *t, const char *path)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 256 * SL_MIB };
    SL_TRY(sl_file_read(AT_FDCWD, path, &text));
    sl_view rest = sl_buf_view(&text);
    while (rest.n != 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (line.n != 0) {
            SL_TRY(load_line(t, line));
        }
    }
    return SL_DONE;
}

/* ---- word lists ---------------------------------------------------------------------------- */

static uint32_t *list_slot(trainer *t, uint32_t hash)
{
    uint32_t at = hash & (TABLE - 1);
    while (t->hashes[at] != 0 && t->hashes[at] != hash) {
        at = (at + 1) & (TABLE - 1);
    }
    t->hashes[at] = hash;
    return &t->lists[at];
}

static sl_res add_words(trainer *t, sl_view text, uint32_t first, uint32_t others)
{
    sl_folded folded;
    size_t index = 0;
    SL_TRY(sl_fold(text, false, &t->fold, &folded, NULL));
    sl_view entry = folded.text;
    for (size_t i = 0; i < entry.n;) {
        size_t begin = i;
        while (i < entry.n && (sl_is_word(entry.p[i]) || (entry.p[i] == '\'' && i == begin + 1))) {
            i++;
        }
        if (i - begin >= 2) {
            *list_slot(t, sl_tag_word_hash(sl_view_sub(entry, begin, i))) |=
                index == 0 ? first : others;
        }
        index += i > begin;
        i += i == begin || i < entry.n;
    }
    return SL_DONE;
}

static sl_res load_list(trainer *t, const char *folder, const char *name, uint32_t list,
                        uint32_t others)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_TRY(sl_buf_addf(&path, "%s/%s", folder, name));
    SL_TRY(sl_file_read(AT_FDCWD, sl_buf_cstr(&path), &text));
    sl_view rest = sl_buf_view(&text);
    while (rest.n != 0) {
        sl_view line;
        sl_view entry;
        sl_view more;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        (void)sl_view_cut(line, '\t', &entry, &more);
        uint64_t count = 0;
        bool rare = list == SL_LIST_FIRST_COMMON &&
                    (!sl_ok(sl_parse_u64(sl_view_trim(more), UINT32_MAX, &count)) || count < 600);
        SL_TRY(add_words(t, entry, rare ? SL_LIST_FIRST_RARE : list, others));
    }
    return SL_DONE;
}

static void add_literal(trainer *t, uint32_t list, const char *words)
{
    for (sl_view rest = sl_view_str(words); rest.n != 0;) {
        sl_view word;
        (void)sl_view_cut(rest, ' ', &word, &rest);
        *list_slot(t, sl_tag_word_hash(word)) |= list;
    }
}

static void add_literals(trainer *t)
{
    add_literal(t, SL_LIST_REGION, REGIONS);
    add_literal(
        t, SL_LIST_REGION_SHORT,
        "al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv "
        "nh nj nm ny nc nd oh ok or pa ri sc sd tn tx ut vt va wa wv wi wy dc uk usa");
    add_literal(t, SL_LIST_REGION, COUNTRIES);
    add_literal(
        t, SL_LIST_HOSPITAL,
        "hospital clinic center centre medical infirmary hospice rehabilitation health "
        "healthcare institute university pharmacy nursing memorial regional general college "
        "school hospitals clinics associates pediatrics orthopedics klinik krankenhaus "
        "clinique hopital clinica");
    add_literal(t, SL_LIST_TITLE,
                "dr mr mrs ms miss doctor prof professor nurse sir dra sra herr herrn "
                "frau monsieur madame md do rn np pa phd dds facs mbbs lpn aprn "
                "officer deputy detective sgt sergeant lt lieutenant capt captain cpl col colonel "
                "trooper coach councillor alderman judge mayor senator pastor reverend rabbi imam "
                "deacon chaplain matron midwife paramedic aunt auntie uncle grandma grandpa granny "
                "nana oma opa abuela abuelo");
    add_literal(t, SL_LIST_CALENDAR,
                "january february march april may june july august september october november "
                "december monday tuesday wednesday thursday friday saturday sunday jan feb mar apr "
                "jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun");
    add_literal(t, SL_LIST_STREET,
                "street st avenue ave road rd drive lane ln blvd boulevard court "
                "ct way place apt suite calle avenida plaza rue strasse");
    add_literal(
        t, SL_LIST_RELATION,
        "wife husband daughter son mother father sister brother patient pt name attending "
        "physician surgeon caregiver partner signed dictated subject paciente nombre "
        "mom dad mum grandmother grandfather nephew niece cousin girlfriend boyfriend "
        "fiance roommate neighbor neighbour friend guardian proxy interpreter gentleman lady "
        "twins siblings bed bay");
}

static void set_gold(trainer *t, const document *d)
{
    for (size_t i = 0; i < t->tokens.n; i++) {
        t->tokens.items[i].label = SL_TAG_OUTSIDE;
    }
    for (size_t s = 0; s < d->count; s++) {
        bool first = true;
        for (size_t i = 0; i < t->tokens.n; i++) {
            sl_tag_token *token = &t->tokens.items[i];
            if (token->start >= d->spans[s][0] && token->start < d->spans[s][1]) {
                bool begins = first || token->lines != 0;
                bool on = !begins && d->spans[s][2] != SL_TAG_NUMBER;
                token->label = (uint8_t)(d->spans[s][2] + (on ? 1 : 0));
                first = false;
            }
        }
    }
}

/* Words that the texts have in lower case at least three times, outside of names, are plain words. */
static sl_res learn_plain(trainer *t)
{
    uint8_t *seen = calloc(TABLE, 1);
    SL_NEED(seen != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < t->count; i++) {
        SL_TRY(sl_tag_tokenise(t->documents[i]->text, &t->tokens));
        set_gold(t, t->documents[i]);
        for (size_t k = 0; k < t->tokens.n; k++) {
            const sl_tag_token *token = &t->tokens.items[k];
            uint32_t slot = token->lower & (TABLE - 1);
            bool plain = token->capital == 0 && token->label == SL_TAG_OUTSIDE &&
                         token->end - token->start >= 3;
            if (plain && seen[slot] < 3 && ++seen[slot] == 3) {
                *list_slot(t, token->lower) |= SL_LIST_PLAIN;
            }
        }
    }
    free(seen);
    return SL_DONE;
}

static bool is_one_of(sl_view name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (sl_view_eq_str(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* "name: a, b, c" a line: what the list's name stands for, 0 when the tagger has no such list. */
static uint32_t list_of(sl_view name)
{
    if (sl_view_ends(name, SL_LIT(".first")) || sl_view_ends(name, SL_LIT(".nick"))) {
        return SL_LIST_FIRST_COMMON;
    }
    if (sl_view_ends(name, SL_LIT(".last"))) {
        return SL_LIST_LAST;
    }
    static const char *const DRUGS[] = { "generic", "brand", "farmaco_es", "mittel_de",
                                         "medicament_fr" };
    static const char *const THINGS[] = { "eponym", "score", "device", "bug",       "abbr",
                                          "gene",   "trial", "lab",    "eponimo_es" };
    if (is_one_of(name, DRUGS, SL_COUNT_OF(DRUGS))) {
        return SL_LIST_DRUG;
    }
    if (sl_view_eq_str(name, "eponym_noun")) {
        return SL_LIST_THING;
    }
    return is_one_of(name, THINGS, SL_COUNT_OF(THINGS)) ? SL_LIST_EPONYM : 0;
}

static bool starts_upper(sl_view word)
{
    return word.n > 2 && (word.p[0] >= 0x80 || (word.p[0] >= 'A' && word.p[0] <= 'Z'));
}

/* Of an eponym only words with a capital are names: not "disease". */
static sl_res add_own(trainer *t, uint32_t list, sl_view entries)
{
    for (sl_view rest = entries; rest.n != 0;) {
        sl_view entry;
        (void)sl_view_cut(rest, ',', &entry, &rest);
        for (sl_view words = sl_view_trim(entry); words.n != 0;) {
            sl_view word;
            (void)sl_view_cut(words, ' ', &word, &words);
            if (list != SL_LIST_EPONYM || starts_upper(word)) {
                SL_TRY(add_words(t, word, list, list));
            }
        }
    }
    return SL_DONE;
}

static sl_res load_own(trainer *t, const char *folder, const char *file)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 16 * SL_MIB };
    SL_TRY(sl_buf_addf(&path, "%s/%s", folder, file));
    SL_TRY(sl_file_read(AT_FDCWD, sl_buf_cstr(&path), &text));
    for (sl_view rest = sl_buf_view(&text); rest.n != 0;) {
        sl_view line;
        sl_view name;
        sl_view entries;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (line.n != 0 && line.p[0] != '#' && sl_view_cut(line, ':', &name, &entries) &&
            list_of(name) != 0) {
            SL_TRY(add_own(t, list_of(name), entries));
        }
    }
    return SL_DONE;
}

/* "word sense" a line (tools/tagger/dictionary.py). */
static sl_res load_dictionary(trainer *t, const char *path)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_TRY(sl_file_read(AT_FDCWD, path, &text));
    sl_view rest = sl_buf_view(&text);
    while (rest.n != 0) {
        sl_view line;
        sl_view entry;
        sl_view number;
        uint64_t sense = 0;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        (void)sl_view_cut(line, ' ', &entry, &number);
        SL_TRY(sl_parse_u64(number, SL_SENSE_COUNT - 1, &sense));
        *list_slot(t, sl_tag_word_hash(entry)) |= (uint32_t)sense << SL_TAG_SENSE_SHIFT;
    }
    return SL_DONE;
}

static sl_res load_lists(trainer *t, const char *folder, const char *own)
{
    SL_TRY(load_own(t, own, "names.txt"));
    SL_TRY(load_own(t, own, "words.txt"));
    SL_TRY(load_list(t, folder, "surnames_world.txt", SL_LIST_LAST, SL_LIST_LAST));
    SL_TRY(load_list(t, folder, "first_names_ssa.tsv", SL_LIST_FIRST_COMMON, 0));
    SL_TRY(load_list(t, folder, "first_names_world.txt", SL_LIST_FIRST_RARE, 0));
    SL_TRY(load_list(t, folder, "surnames_us.txt", SL_LIST_LAST, SL_LIST_LAST));
    SL_TRY(load_list(t, folder, "cities.tsv", SL_LIST_CITY, SL_LIST_CITY_PART));
    SL_TRY(load_list(t, folder, "eponyms.txt", SL_LIST_EPONYM, SL_LIST_EPONYM));
    SL_TRY(load_list(t, folder, "drugs.txt", SL_LIST_DRUG, 0));
    add_literals(t);
    return learn_plain(t);
}

/* ---- training ------------------------------------------------------------------------------ */

/* Some words are made unknown so that neighbours and shapes learn to carry them. */
static void set_lists(trainer *t)
{
    const uint32_t names =
        SL_LIST_FIRST_COMMON | SL_LIST_FIRST_RARE | SL_LIST_LAST | SL_LIST_CITY | SL_LIST_CITY_PART;
    const uint32_t things = SL_LIST_DRUG | SL_LIST_EPONYM;
    for (size_t i = 0; i < t->tokens.n; i++) {
        uint32_t lists = *list_slot(t, t->tokens.items[i].lower);
        lists = sl_prng_below(&t->prng, 5) == 0 ? lists & ~names : lists;
        lists = sl_prng_below(&t->prng, 6) == 0 ? lists & SL_LIST_NAMED : lists;
        t->tokens.items[i].lists = sl_prng_below(&t->prng, 5) == 0 ? lists & ~things : lists;
    }
}

static void update_row(trainer *t, row *r, unsigned gold, unsigned wrong)
{
    r->w[gold] += 1;
    r->u[gold] += t->steps;
    r->w[wrong] -= 1;
    r->u[wrong] -= t->steps;
}

/* A right answer has to win clearly; to overlook a name counts more than to see one too many. */
static void add_margin(const trainer *t, unsigned gold, float own[LANES])
{
    for (unsigned y = 0; y < SL_TAG_COUNT; y++) {
        own[y] += y == gold ? 0 : (y == SL_TAG_OUTSIDE ? MISSED : t->mistaken);
    }
}

/* Features of token `at`, without those that are left out this time. */
static size_t some_features(const trainer *t, size_t at, uint32_t features[SL_TAG_FEATURES_MAX])
{
    size_t n = sl_tag_features(&t->tokens, at, BUCKETS - 1, features);
    uint32_t seed = (uint32_t)t->drop ^ (uint32_t)at * 0x9E3779B1U;
    size_t kept = 0;
    for (size_t k = 0; k < n; k++) {
        uint32_t h = (seed + (uint32_t)k) * 0x85EBCA6BU;
        h ^= h >> 15;
        h *= 0xC2B2AE35U;
        features[kept] = features[k];
        kept += (h >> 8) % DROP != 0;
    }
    return kept;
}

static void decode(trainer *t, size_t begin, size_t end, uint8_t *ret_tags)
{
    for (size_t i = begin; i < end; i++) {
        uint32_t f[SL_TAG_FEATURES_MAX];
        size_t n = some_features(t, i, f);
        float own[LANES] = { 0 };
        for (size_t k = 0; k < n; k++) {
            for (unsigned y = 0; y < SL_TAG_COUNT; y++) {
                own[y] += t->rows[f[k]].w[y];
            }
        }
        add_margin(t, t->tokens.items[i].label, own);
        for (unsigned y = 0; y < SL_TAG_COUNT; y++) {
            float best = -1e30f;
            uint8_t from = 0;
            for (unsigned x = 0; x < SL_TAG_COUNT; x++) {
                bool open =
                    i == begin ? x == 0 && sl_tag_may_follow(0, y) : sl_tag_may_follow(x, y);
                float score = i == begin ? t->transitions[SL_TAG_BEGIN].w[y]
                                         : t->scores[i - 1][x] + t->transitions[x].w[y];
                if (open && score > best) {
                    best = score;
                    from = (uint8_t)x;
                }
            }
            t->scores[i][y] = best + own[y];
            t->from[i][y] = from;
        }
    }
    unsigned y = 0;
    for (unsigned k = 1; k < SL_TAG_COUNT; k++) {
        y = t->scores[end - 1][k] > t->scores[end - 1][y] ? k : y;
    }
    for (size_t i = end; i > begin; i--) {
        ret_tags[i - 1] = (uint8_t)y;
        y = t->from[i - 1][y];
    }
}

static size_t learn_segment(trainer *t, size_t begin, size_t end, uint8_t *tags)
{
    size_t wrong = 0;
    t->drop = sl_prng_below(&t->prng, UINT32_MAX);
    decode(t, begin, end, tags);
    t->steps += 1;
    for (size_t i = begin; i < end; i++) {
        unsigned gold = t->tokens.items[i].label;
        unsigned gold_before = i == begin ? SL_TAG_BEGIN : t->tokens.items[i - 1].label;
        unsigned tag_before = i == begin ? SL_TAG_BEGIN : tags[i - 1];
        if (gold != tags[i]) {
            uint32_t f[SL_TAG_FEATURES_MAX];
            size_t n = some_features(t, i, f);
            for (size_t k = 0; k < n; k++) {
                update_row(t, &t->rows[f[k]], gold, tags[i]);
            }
            wrong++;
        }
        if (gold != tags[i] || gold_before != tag_before) {
            t->transitions[gold_before].w[gold] += 1;
            t->transitions[gold_before].u[gold] += t->steps;
            t->transitions[tag_before].w[tags[i]] -= 1;
            t->transitions[tag_before].u[tags[i]] -= t->steps;
        }
    }
    return wrong;
}

/* One copy in three has no capitals: prompts are typed in haste, and old systems print in capitals. */
static sl_res learn_document(trainer *t, const document *d, size_t *tokens, size_t *wrong)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = d->text.n + 1 };
    SL_TRY(sl_buf_add(&text, d->text));
    bool caseless = sl_prng_below(&t->prng, 3) == 0;
    for (size_t i = 0; i < text.n && caseless; i++) {
        text.p[i] = sl_lower(text.p[i]);
    }
    SL_TRY(sl_tag_tokenise(sl_buf_view(&text), &t->tokens));
    set_lists(t);
    set_gold(t, d);
    t->mistaken = d->count == 0 ? MISTAKEN_CLEAN : MISTAKEN;
    if (t->tokens.n > t->cap) {
        t->cap = t->tokens.n;
        t->scores = realloc(t->scores, t->cap * sizeof *t->scores);
        t->from = realloc(t->from, t->cap * sizeof *t->from);
        SL_NEED(t->scores != NULL && t->from != NULL, SL_E_MEMORY);
    }
    uint8_t *tags = calloc(t->tokens.n + 1, 1);
    SL_NEED(tags != NULL, SL_E_MEMORY);
    for (size_t begin = 0; begin < t->tokens.n;) {
        size_t end = sl_tag_segment_end(&t->tokens, begin);
        *wrong += learn_segment(t, begin, end, tags);
        begin = end;
    }
    *tokens += t->tokens.n;
    free(tags);
    return SL_DONE;
}

static sl_res learn(trainer *t, size_t epochs)
{
    for (size_t epoch = 0; epoch < epochs; epoch++) {
        size_t tokens = 0;
        size_t wrong = 0;
        for (size_t i = t->count; i > 1; i--) {
            size_t k = (size_t)sl_prng_below(&t->prng, i);
            document *swap = t->documents[i - 1];
            t->documents[i - 1] = t->documents[k];
            t->documents[k] = swap;
        }
        for (size_t i = 0; i < t->count; i++) {
            SL_TRY(learn_document(t, t->documents[i], &tokens, &wrong));
        }
        fprintf(stderr, "epoch %zu: %zu tokens, %.3f%% wrong\n", epoch + 1, tokens,
                100.0 * (double)wrong / (double)tokens);
    }
    return SL_DONE;
}

static void end_run(const trainer *t, row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (unsigned y = 0; y < LANES; y++) {
            rows[i].sum[y] += (double)rows[i].w[y] - rows[i].u[y] / (t->steps + 1);
            rows[i].w[y] = 0;
            rows[i].u[y] = 0;
        }
    }
}

static sl_res learn_all(trainer *t, size_t epochs)
{
    for (size_t i = 0; i < RUNS; i++) {
        SL_TRY(learn(t, epochs));
        end_run(t, t->rows, BUCKETS);
        end_run(t, t->transitions, LANES + 1);
        t->steps = 0;
    }
    return SL_DONE;
}

/* ---- the pack ------------------------------------------------------------------------------ */

static double averaged(const row *r, unsigned lane)
{
    return r->sum[lane] / RUNS;
}

static double clamp(double x, double most)
{
    return x > most ? most : (x < -most ? -most : x);
}

typedef struct {
    uint32_t hash;
    uint32_t lists;
} word;

static int by_hash(const void *a, const void *b)
{
    uint32_t x = ((const word *)a)->hash;
    uint32_t y = ((const word *)b)->hash;
    return (x > y) - (x < y);
}

static sl_res put_step(sl_buf *out, uint32_t step)
{
    for (; step >= 0x80; step >>= 7) {
        SL_TRY(sl_buf_add_byte(out, (uint8_t)(step | 0x80)));
    }
    return sl_buf_add_byte(out, (uint8_t)step);
}

/* Words in order of their hashes; `kinds` collects the combinations of lists that occur. */
static sl_res pack_words(const trainer *t, uint32_t *ret_count, sl_buf *kinds, sl_buf *words)
{
    static uint32_t seen[4096];
    size_t seen_n = 0;
    word *all = calloc(TABLE, sizeof *all);
    SL_NEED(all != NULL, SL_E_MEMORY);
    uint32_t n = 0;
    for (uint32_t i = 0; i < TABLE; i++) {
        if (t->lists[i] != 0) {
            all[n++] = (word){ t->hashes[i], t->lists[i] };
        }
    }
    qsort(all, n, sizeof *all, by_hash);
    sl_res r = SL_DONE;
    for (uint32_t i = 0; i < n && sl_ok(r); i++) {
        size_t k = 0;
        while (k < seen_n && seen[k] != all[i].lists) {
            k++;
        }
        if (k == seen_n && seen_n < SL_COUNT_OF(seen)) {
            seen[seen_n++] = all[i].lists;
        }
        if (k == SL_COUNT_OF(seen)) {
            k = 0; /* of a rare combination too many, the word is known as the first kind only */
        }
        r = put_step(words, all[i].hash - (i == 0 ? 0 : all[i - 1].hash));
        if (sl_ok(r)) {
            uint8_t two[2];
            sl_put_le16(two, (uint16_t)k);
            r = sl_buf_add(words, sl_view_of(two, 2));
        }
    }
    for (size_t k = 0; k < seen_n && sl_ok(r); k++) {
        uint8_t four[4];
        sl_put_le32(four, seen[k]);
        r = sl_buf_add(kinds, sl_view_of(four, 4));
    }
    free(all);
    *ret_count = n;
    return r;
}

static sl_res put_weights(const trainer *t, double scale, sl_buf *out)
{
    for (unsigned x = 0; x <= LANES; x++) {
        for (unsigned y = 0; y < LANES; y++) {
            uint8_t two[2];
            double v = clamp(averaged(&t->transitions[x], y) * scale, 32000);
            sl_put_le16(two, (uint16_t)(int16_t)lround(v));
            SL_TRY(sl_buf_add(out, sl_view_of(two, 2)));
        }
    }
    for (uint32_t b = 0; b < BUCKETS; b++) {
        for (unsigned y = 0; y < LANES; y++) {
            double v = clamp(averaged(&t->rows[b], y) * scale, 127);
            SL_TRY(sl_buf_add_byte(out, (uint8_t)(int8_t)lround(v)));
        }
    }
    return SL_DONE;
}

static sl_res write_pack(const trainer *t, const char *path)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_OWN(sl_buf, kinds, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, words, sl_buf_free) = { .max = 64 * SL_MIB };
    double largest = 0;
    uint32_t count = 0;
    for (uint32_t b = 0; b < BUCKETS; b++) {
        for (unsigned y = 0; y < SL_TAG_COUNT; y++) {
            largest = fmax(largest, fabs(averaged(&t->rows[b], y)));
        }
    }
    SL_TRY(pack_words(t, &count, &kinds, &words));
    double scale = 127.0 / (largest * 0.7);
    uint8_t head[32];
    memcpy(head, "SLTAGGR1", 8);
    sl_put_le32(head + 8, 5);
    sl_put_le32(head + 12, BUCKETS);
    sl_put_le32(head + 16, count);
    sl_put_le32(head + 20, (uint32_t)(int32_t)lround(scale * OUTSIDE_LESS));
    sl_put_le32(head + 24, (uint32_t)(kinds.n / 4));
    sl_put_le32(head + 28, 0);
    SL_TRY(sl_buf_add(&out, sl_view_of(head, sizeof head)));
    SL_TRY(put_weights(t, scale, &out));
    SL_TRY(sl_buf_add(&out, sl_buf_view(&kinds)));
    SL_TRY(sl_buf_add(&out, sl_buf_view(&words)));
    uint8_t check[8];
    sl_put_le32(out.p + 28, (uint32_t)(out.n + sizeof check));
    sl_put_le64(check, sl_tag_pack_check(sl_buf_view(&out)));
    SL_TRY(sl_buf_add(&out, sl_view_of(check, 8)));
    fprintf(stderr, "pack: %zu bytes, %u words in %zu kinds, scale %.4f\n", out.n, count,
            kinds.n / 4, scale);
    return sl_file_replace(AT_FDCWD, path, sl_buf_view(&out), 0644);
}

static sl_res run(const char *out, size_t epochs, char **args, int count)
{
    trainer *t = calloc(1, sizeof *t);
    SL_NEED(t != NULL, SL_E_MEMORY);
    t->arena.max = 2048 * SL_MIB;
    t->documents = calloc(DOCUMENTS_MAX, sizeof *t->documents);
    t->rows = calloc(BUCKETS, sizeof *t->rows);
    t->hashes = calloc(TABLE, sizeof *t->hashes);
    t->lists = calloc(TABLE, sizeof *t->lists);
    SL_NEED(t->documents != NULL && t->rows != NULL && t->hashes != NULL && t->lists != NULL,
            SL_E_MEMORY);
    sl_prng_seed(&t->prng, 1);
    for (int i = 3; i < count; i++) {
        SL_TRY(load_set(t, args[i]));
    }
    SL_TRY(load_lists(t, args[0], args[1]));
    SL_TRY(load_dictionary(t, args[2]));
    SL_TRY(learn_all(t, epochs));
    return write_pack(t, out);
}

int main(int argc, char **argv)
{
    uint64_t epochs = 0;
    if (argc < 7 || !sl_ok(sl_parse_u64(sl_view_str(argv[2]), 100, &epochs))) {
        fprintf(stderr,
                "usage: train-tagger OUT.pack EPOCHS GAZETTEERS LISTS DICTIONARY GOLD.jsonl...\n");
        return 2;
    }
    sl_res r = run(argv[1], (size_t)epochs, argv + 3, argc - 3);
    if (!sl_ok(r)) {
        fprintf(stderr, "train-tagger: %s (%s)\n", sl_res_text(r), sl_detail_get()->field);
    }
    return sl_res_exit(r);
}
