/* Words and values of folded text, and the index over them (flow_index.h). Linear. */
#include "detect/flow_index.h"

#include "base/utf8.h"
#include "detect/words.h"

#define NUMBER_DIGITS_MIN 7U
#define VALUE_BYTES_MAX ((size_t)2048)

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

/* ---- the index ----------------------------------------------------------------------------- */

void sl_flow_index_free(sl_flow_index *index)
{
    free(index->items);
    sl_fold_work_free(&index->work);
    *index = (sl_flow_index){ 0 };
}

static sl_flow_entry *slot_of(sl_flow_entry *items, size_t cap, uint64_t hash)
{
    size_t at = (size_t)hash & (cap - 1);
    while (items[at].hash != 0 && items[at].hash != hash) {
        at = (at + 1) & (cap - 1);
    }
    return &items[at];
}

static sl_res grow(sl_flow_index *index)
{
    size_t cap = index->cap == 0 ? 1024 : index->cap * 2;
    sl_flow_entry *items = calloc(cap, sizeof *items);
    SL_NEED(items != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < index->cap; i++) {
        if (index->items[i].hash != 0) {
            *slot_of(items, cap, index->items[i].hash) = index->items[i];
        }
    }
    free(index->items);
    index->items = items;
    index->cap = cap;
    return SL_DONE;
}

sl_res sl_flow_index_add(sl_flow_index *index, sl_flow_entry one)
{
    if (index->n * 2 >= index->cap) {
        SL_TRY(grow(index));
    }
    sl_flow_entry *slot = slot_of(index->items, index->cap, one.hash);
    if (slot->hash == 0) {
        *slot = one;
        index->n++;
        return SL_DONE;
    }
    /* The place told is that of the least trusted text. */
    uint8_t trust = slot->trust | one.trust;
    bool by_user = slot->by_user || one.by_user;
    if (one.trust > slot->trust) {
        *slot = one;
    }
    slot->trust = trust;
    slot->by_user = by_user;
    return SL_DONE;
}

const sl_flow_entry *sl_flow_index_find(const sl_flow_index *index, uint64_t hash)
{
    if (index->cap == 0) {
        return NULL;
    }
    const sl_flow_entry *slot = slot_of(index->items, index->cap, hash);
    return slot->hash == 0 ? NULL : slot;
}

uint64_t sl_flow_run_hash(const sl_flow_item *words)
{
    uint64_t h = 7;
    for (size_t i = 0; i < SL_FLOW_RUN; i++) {
        h = mix(h, words[i].hash);
    }
    return h == 0 ? 1 : h;
}

/* ---- words and values ---------------------------------------------------------------------- */

static sl_res add_item(sl_flow_items *items, sl_flow_item one)
{
    if (items->n == items->cap) {
        size_t cap = items->cap == 0 ? 64 : items->cap * 2;
        sl_flow_item *more = realloc(items->items, cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        items->items = more;
        items->cap = cap;
    }
    items->items[items->n++] = one;
    return SL_DONE;
}

/* Characters of scripts without blanks stand each for a word. */
static size_t word_end(sl_view v, size_t at)
{
    size_t begin = at;
    while (at < v.n && sl_is_word(v.p[at])) {
        if (v.p[at] < 0x80) {
            at++;
            continue;
        }
        size_t n = 1;
        uint32_t cp = sl_utf8_next(v, at, &n);
        bool alone = (cp >= 0x2E80 && cp <= 0x9FFF) || (cp >= 0x0E00 && cp <= 0x0EFF) ||
                     (cp >= 0xF900 && cp <= 0xFAFF) || (cp >= 0x20000 && cp <= 0x3FFFF);
        if (alone) {
            return at == begin ? at + n : at;
        }
        at += n;
    }
    return at;
}

static uint64_t hash_lower(sl_view v, uint64_t seed)
{
    for (size_t i = 0; i < v.n; i++) {
        seed = mix(seed, sl_lower(v.p[i]));
    }
    return seed == 0 ? 1 : seed;
}

static sl_res split_words(sl_view v, sl_flow_items *items)
{
    for (size_t at = 0; at < v.n;) {
        if (!sl_is_word(v.p[at])) {
            at++;
            continue;
        }
        size_t end = word_end(v, at);
        SL_TRY(add_item(items, (sl_flow_item){ .start = (uint32_t)at,
                                               .end = (uint32_t)end,
                                               .hash = hash_lower(sl_view_sub(v, at, end), 11),
                                               .kind = SL_FLOW_WORDS }));
        at = end;
    }
    return SL_DONE;
}

static bool in_address(uint8_t b)
{
    return sl_is_word(b) || b == '.' || b == '-' || b == '_' || b == '+' || b == '%';
}

/* name@host.tld around the sign at `at`; bounded, so that a row of signs costs little. */
static bool email_at(sl_view v, size_t at, sl_flow_item *ret)
{
    size_t from = at;
    size_t to = at + 1;
    while (from > 0 && at - from < 80 && in_address(v.p[from - 1])) {
        from--;
    }
    while (to < v.n && to - at < 260 && in_address(v.p[to])) {
        to++;
    }
    while (to > at + 1 && !sl_is_word(v.p[to - 1])) {
        to--;
    }
    size_t dot = sl_view_find_byte(sl_view_sub(v, at, to), '.', 0);
    if (from == at || dot == SIZE_MAX) {
        return false;
    }
    *ret = (sl_flow_item){ .start = (uint32_t)from,
                           .end = (uint32_t)to,
                           .hash = hash_lower(sl_view_sub(v, from, to), 101),
                           .kind = SL_FLOW_EMAIL };
    return true;
}

static bool in_url(uint8_t b)
{
    return b > ' ' && b != '"' && b != '<' && b != '>' && b != ')' && b != ']' && b != '}' &&
           b != '`' && b != '\'' && b != 0x7F;
}

static bool ends_sentence(uint8_t b)
{
    return b == '.' || b == ',' || b == ';' || b == ':' || b == '!' || b == '?' || b == '*' ||
           b == '_' || b == '|';
}

static size_t host_from(sl_view v)
{
    size_t from = sl_view_find_byte(v, ':', 0);
    bool scheme = from < 16 && from + 1 < v.n && (v.p[from + 1] == '/' || v.p[from + 1] == '\\');
    from = scheme ? from + 1 : 0;
    while (from < v.n && (v.p[from] == '/' || v.p[from] == '\\')) {
        from++;
    }
    for (size_t i = from; i < v.n && v.p[i] != '/' && v.p[i] != '?' && v.p[i] != '#'; i++) {
        from = v.p[i] == '@' ? i + 1 : from;
    }
    return sl_view_starts(sl_view_sub(v, from, from + 4), SL_LIT("www.")) ? from + 4 : from;
}

/* Where host and port end in what is compared, and where in the text. */
static size_t host_to(sl_view v, size_t from, size_t *ret_end)
{
    size_t end = from;
    while (end < v.n && v.p[end] != '/' && v.p[end] != '\\' && v.p[end] != '?' && v.p[end] != '#') {
        end++;
    }
    sl_view host = sl_view_sub(v, from, end);
    size_t to = end;
    to -= sl_view_ends(host, SL_LIT(":443")) ? 4 : 0;
    to -= sl_view_ends(host, SL_LIT(":80")) ? 3 : 0;
    to -= to > from && v.p[to - 1] == '.' ? 1 : 0;
    *ret_end = end;
    return to;
}

sl_flow_url sl_flow_url_of(sl_view v)
{
    sl_flow_url url = { 0 };
    while (v.n > 0 && ends_sentence(v.p[v.n - 1])) {
        v.n--;
    }
    size_t at = 0;
    size_t from = host_from(v);
    size_t to = host_to(v, from, &at);
    url.host = hash_lower(sl_view_sub(v, from, to), 103);
    uint64_t h = url.host;
    uint64_t bare = h; /* without the slashes at its end */
    bool asks = false;
    for (; at < v.n; at++) {
        uint8_t b = v.p[at] == '\\' ? '/' : sl_lower(v.p[at]);
        bool query = !asks && (b == '?' || b == '#');
        if (query) {
            asks = true;
            url.page = bare;
            h = bare;
        } else if (b == '/' && url.parents_n < SL_FLOW_PARENTS) {
            url.parents[url.parents_n++] = bare;
        }
        h = mix(h, b);
        h = h == 0 ? 1 : h;
        bare = b == '/' && !asks ? bare : h;
    }
    url.whole = bare;
    url.page = asks ? url.page : bare;
    return url;
}

/* From the scheme to where it ends; compared by host and path, since what follows '?' is what would
 * be carried out. */
static size_t url_at(sl_view v, size_t at, sl_flow_item *ret)
{
    size_t end = at;
    while (end < v.n && end - at < VALUE_BYTES_MAX && in_url(v.p[end])) {
        end++;
    }
    while (end > at && ends_sentence(v.p[end - 1])) {
        end--;
    }
    *ret = (sl_flow_item){ .start = (uint32_t)at,
                           .end = (uint32_t)end,
                           .hash = sl_flow_url_of(sl_view_sub(v, at, end)).page,
                           .kind = SL_FLOW_URL };
    return end;
}

static bool joins_digits(uint8_t b)
{
    return b == ' ' || b == '-' || b == '.' || b == '(' || b == ')' || b == '/';
}

/* Seven digits or more, in groups with single signs between; letters before belong (IBAN). */
static size_t number_at(sl_view v, size_t at, sl_flow_item *ret, bool *ret_found)
{
    size_t from = at;
    while (from > 0 && at - from < 4 && v.p[from - 1] >= 'A' && v.p[from - 1] <= 'Z') {
        from--;
    }
    uint64_t h = 107;
    unsigned digits = 0;
    size_t end = at;
    for (size_t i = at; i < v.n && i - at < 64; i++) {
        if (sl_is_digit(v.p[i])) {
            h = mix(h, v.p[i]);
            digits++;
            end = i + 1;
        } else if (!joins_digits(v.p[i]) || i + 1 >= v.n ||
                   (!sl_is_digit(v.p[i + 1]) && !joins_digits(v.p[i + 1]))) {
            break;
        }
    }
    *ret_found = digits >= NUMBER_DIGITS_MIN;
    *ret = (sl_flow_item){ .start = (uint32_t)from,
                           .end = (uint32_t)end,
                           .hash = h == 0 ? 1 : h,
                           .kind = SL_FLOW_NUMBER };
    return end;
}

static sl_res split_values(sl_view v, sl_flow_items *items)
{
    for (size_t i = 0; i < v.n; i++) {
        sl_flow_item one;
        bool found = false;
        size_t next = i + 1;
        bool begins = i == 0 || !sl_is_word(v.p[i - 1]);
        if (v.p[i] == '@') {
            found = email_at(v, i, &one);
        } else if (v.p[i] == ':' && sl_view_starts(sl_view_sub(v, i, i + 3), SL_LIT("://"))) {
            size_t from = i;
            while (from > 0 && i - from < 12 && sl_is_word(v.p[from - 1])) {
                from--;
            }
            next = url_at(v, from, &one);
            next = next > i ? next : i + 1;
            found = one.end > one.start + 4;
        } else if (begins && sl_view_starts(sl_view_sub(v, i, i + 4), SL_LIT("www."))) {
            next = url_at(v, i, &one);
            found = one.end > one.start + 4;
        } else if (sl_is_digit(v.p[i]) && (i == 0 || !sl_is_digit(v.p[i - 1]))) {
            next = number_at(v, i, &one, &found);
        }
        if (found) {
            SL_TRY(add_item(items, one));
        }
        i = next - 1;
    }
    return SL_DONE;
}

sl_res sl_flow_split(sl_view folded, sl_flow_items *items)
{
    items->n = 0;
    SL_TRY(split_words(folded, items));
    return split_values(folded, items);
}

/* ---- spelled addresses --------------------------------------------------------------------- */

/* How many bytes at `at` spell a sign of addresses, with the blanks and brackets around it. */
static size_t spelled_at(sl_view v, size_t at, uint8_t *ret_sign)
{
    static const struct {
        const char *text;
        uint8_t sign;
    } FORMS[] = { { " at ", '@' },    { " @ ", '@' },    { "(at)", '@' },   { "[at]", '@' },
                  { " (at) ", '@' },  { " [at] ", '@' }, { " @", '@' },     { "@ ", '@' },
                  { " dot ", '.' },   { " . ", '.' },    { "(dot)", '.' },  { "[dot]", '.' },
                  { " (dot) ", '.' }, { "[.]", '.' },    { " [dot] ", '.' } };
    size_t longest = 0;
    for (size_t i = 0; i < SL_COUNT_OF(FORMS); i++) {
        size_t n = strlen(FORMS[i].text);
        bool fits = n > longest && at + n <= v.n &&
                    sl_view_eq_nocase(sl_view_sub(v, at, at + n), sl_view_str(FORMS[i].text));
        if (fits) {
            longest = n;
            *ret_sign = FORMS[i].sign;
        }
    }
    return longest;
}

sl_res sl_flow_unspell(sl_view folded, sl_buf *out)
{
    size_t from = 0;
    for (size_t at = 0; at < folded.n;) {
        uint8_t b = folded.p[at];
        uint8_t sign = 0;
        size_t n = b == ' ' || b == '(' || b == '[' || b == '@' ? spelled_at(folded, at, &sign) : 0;
        if (n == 0) {
            at++;
            continue;
        }
        SL_TRY(sl_buf_add(out, sl_view_sub(folded, from, at)));
        SL_TRY(sl_buf_add_byte(out, sign));
        at += n;
        from = at;
    }
    return from == 0 ? SL_DONE : sl_buf_add(out, sl_view_sub(folded, from, folded.n));
}
