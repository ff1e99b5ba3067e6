/* Substituted, mirrored and backward text, leetspeak (cipher.h). */
#include "detect/cipher.h"

#include "detect/byte_masks.h"

#define TABLE ((uint32_t)512)
#define WORD_MIN ((size_t)3)
#define WORD_MAX ((size_t)12)
/* Two common words of one cipher at most so many words apart, of this weight together. */
#define APART ((size_t)8)
#define WEIGHT_MIN 4U
/* A stretch reaches this far beyond its common words, to a blank. */
#define AROUND ((size_t)40)
#define BYTES_MAX ((size_t)1 << 26)

/* Modes: 1 to 25 a shift, then these. */
enum { MODE_NONE = 0, MODE_ATBASH = 26, MODE_BACKWARDS = 27, MODES = 28 };

static const char COMMON[] =
    "the and for are was has had his her she you not but with from that this have they who what when "
    "patient name doctor date born phone number address mail email lives called seen said told about "
    "please ignore previous instructions system prompt send secret password print record insurance "
    "security social hospital medical street husband wife daughter mother father years contact their "
    "which will would your into were been all can out our one see today home admitted visit "
    "der die und ist das mit von nicht eine patientin adresse geboren les des est une pour dans avec "
    "nom los las una por con para paciente nombre";

void sl_ciphers_free(sl_ciphers *ciphers)
{
    sl_buf_free(&ciphers->bytes);
}

static inline uint8_t letter(uint8_t b)
{
    uint8_t low = (uint8_t)((b | 0x20) - 'a');
    return low < 26 ? low : 255;
}

/* A word's letters as numbers; false when it has others. */
static bool letters_of(sl_view word, uint8_t out[WORD_MAX])
{
    if (word.n < WORD_MIN || word.n > WORD_MAX) {
        return false;
    }
    for (size_t i = 0; i < word.n; i++) {
        out[i] = letter(word.p[i]);
        if (out[i] == 255) {
            return false;
        }
    }
    return true;
}

/* The steps between letters, taken forwards or with their sign turned (Atbash); never 0. */
static uint32_t steps(const uint8_t *w, size_t n, bool turned)
{
    uint32_t h = 2166136261U ^ (uint32_t)n;
    for (size_t i = 1; i < n; i++) {
        unsigned step = turned ? 26U + w[0] - w[i] : 26U + w[i] - w[0];
        h = (h ^ (step % 26)) * 16777619U;
    }
    h ^= h >> 13;
    return h == 0 ? 1 : h;
}

/* Which bit of sl_ciphers.begins or .ends: `n` letters, `b` and `c` are so far from the first (or last). */
static inline size_t distance_bit(size_t n, int b, int c)
{
    return ((n - WORD_MIN) * 51 + (size_t)(b + 25)) * 51 + (size_t)(c + 25);
}

static void mark(uint64_t *bits, size_t n, int b, int c)
{
    if (b >= -25 && b <= 25 && c >= -25 && c <= 25) {
        size_t at = distance_bit(n, b, c);
        bits[at / 64] |= (uint64_t)1 << at % 64;
    }
}

/* How the shifted, the mirrored and the backward form of a common word may begin and end. */
static void mark_word(sl_ciphers *c, const uint8_t *w, size_t n)
{
    int second = w[1] - w[0];
    int third = w[2] - w[0];
    mark(c->ends, n, second, third);
    mark(c->begins, n, -second, -third);
    for (int i = -26; i <= 26; i += 26) {
        for (int k = -26; k <= 26; k += 26) {
            mark(c->begins, n, second + i, third + k);
        }
    }
}

/* Is the word one of a cipher? Most of all words are neither of one nor common. */
static inline bool may_be_cipher(const sl_ciphers *c, const uint8_t *word, size_t n)
{
    if (n < WORD_MIN || n > WORD_MAX) {
        return false;
    }
    const uint8_t *end = word + n - 1;
    int first = word[0] | 0x20;
    int last = end[0] | 0x20;
    size_t from = distance_bit(n, (word[1] | 0x20) - first, (word[2] | 0x20) - first);
    size_t to = distance_bit(n, (end[-1] | 0x20) - last, (end[-2] | 0x20) - last);
    return ((c->begins[from / 64] >> from % 64 | c->ends[to / 64] >> to % 64) & 1) != 0;
}

static void fill_table(sl_ciphers *c)
{
    for (sl_view rest = sl_view_str(COMMON); rest.n != 0;) {
        sl_view word;
        uint8_t w[WORD_MAX];
        (void)sl_view_cut(rest, ' ', &word, &rest);
        if (!letters_of(word, w)) {
            continue;
        }
        uint32_t h = steps(w, word.n, false);
        size_t at = h % TABLE;
        while (c->table[at] != 0 && c->table[at] != h) {
            at = (at + 1) % TABLE;
        }
        c->table[at] = h;
        c->first[at] = w[0];
        mark_word(c, w, word.n);
    }
}

/* The first letter of the common word with these steps, or 255. */
static uint8_t common_first(const sl_ciphers *c, uint32_t h)
{
    for (size_t at = h % TABLE; c->table[at] != 0; at = (at + 1) % TABLE) {
        if (c->table[at] == h) {
            return c->first[at];
        }
    }
    return 255;
}

/* Which cipher turns the word into a common one; MODE_NONE also for common words as they are. */
static unsigned mode_of(const sl_ciphers *c, sl_view word)
{
    uint8_t w[WORD_MAX] = { 0 };
    uint8_t back[WORD_MAX] = { 0 };
    if (!letters_of(word, w)) {
        return MODE_NONE;
    }
    uint8_t first = common_first(c, steps(w, word.n, false));
    if (first != 255) {
        return (26U + w[0] - first) % 26; /* 0: it is common itself */
    }
    first = common_first(c, steps(w, word.n, true));
    if (first != 255 && first == 25 - w[0]) {
        return MODE_ATBASH;
    }
    for (size_t i = 0; i < word.n; i++) {
        back[i] = w[word.n - 1 - i];
    }
    first = common_first(c, steps(back, word.n, false));
    return first == back[0] ? MODE_BACKWARDS : MODE_NONE;
}

/* `n` letters at `start` in lower case, filled up with blanks. */
static void key_of(sl_view text, size_t start, size_t n, uint64_t *ret_low, uint32_t *ret_high)
{
    uint8_t bytes[WORD_MAX] = { 0 };
    uint64_t low = 0;
    uint32_t high = 0;
    if (text.n - start >= WORD_MAX) {
        memcpy(&low, text.p + start, sizeof low);
        memcpy(&high, text.p + start + sizeof low, sizeof high);
        unsigned past = n > 8 ? (unsigned)n - 8 : 0; /* letters in the upper part */
        low &= n >= 8 ? UINT64_MAX : ((uint64_t)1 << 8 * n) - 1;
        high &= past >= 4 ? UINT32_MAX : (UINT32_C(1) << 8 * past) - 1;
    } else {
        memcpy(bytes, text.p + start, n);
        memcpy(&low, bytes, sizeof low);
        memcpy(&high, bytes + sizeof low, sizeof high);
    }
    *ret_low = low | UINT64_C(0x2020202020202020);
    *ret_high = high | UINT32_C(0x20202020);
}

/* The same for `n` letters at `start`, from memory where the word was met before. */
static unsigned mode_at(sl_ciphers *c, sl_view text, size_t start, size_t n)
{
    uint64_t low = 0;
    uint32_t high = 0;
    if (n < WORD_MIN || n > WORD_MAX) {
        return MODE_NONE;
    }
    key_of(text, start, n, &low, &high);
    uint64_t h = (low ^ (uint64_t)high << 32 ^ high) * UINT64_C(0x9E3779B97F4A7C15);
    size_t slot = (size_t)(h >> 40) % SL_COUNT_OF(c->met);
    if (c->met[slot].low != low || c->met[slot].high != high) {
        c->met[slot].low = low;
        c->met[slot].high = high;
        c->met[slot].mode = mode_of(c, sl_view_sub(text, start, start + n));
    }
    return c->met[slot].mode;
}

static uint8_t decoded(uint8_t b, unsigned mode)
{
    uint8_t at = letter(b);
    if (at == 255) {
        return b;
    }
    uint8_t base = b >= 'a' ? 'a' : 'A';
    unsigned to = mode == MODE_ATBASH ? 25U - at : (26U + at - mode) % 26;
    return (uint8_t)(base + to);
}

static sl_res add_stretch(sl_view text, sl_ciphers *c, size_t start, size_t end, unsigned mode)
{
    if (c->n == SL_CIPHER_STRETCHES_MAX) {
        return SL_DONE;
    }
    sl_stretch s = { .start = start, .end = end, .at = c->bytes.n };
    s.kind = mode == MODE_ATBASH      ? SL_VIEW_ATBASH
             : mode == MODE_BACKWARDS ? SL_VIEW_REVERSED
                                      : SL_VIEW_ROTATED;
    for (size_t i = start; i < end; i++) {
        uint8_t b =
            mode == MODE_BACKWARDS ? text.p[end - 1 - (i - start)] : decoded(text.p[i], mode);
        SL_TRY(sl_buf_add_byte(&c->bytes, b));
    }
    c->items[c->n++] = s;
    return SL_DONE;
}

/* ---- shifts, Atbash, backwards ------------------------------------------------------------- */

/* Common words of one mode that stand near one another. */
typedef struct {
    size_t start;
    size_t end;
    size_t word; /* index of the last */
    unsigned weight;
} trail;

static size_t widen_back(sl_view text, size_t at)
{
    size_t low = at > AROUND ? at - AROUND : 0;
    while (at > low && text.p[at - 1] != '\n') {
        at--;
    }
    while (at > 0 && !sl_is_blank(text.p[at - 1]) && sl_is_word(text.p[at - 1])) {
        at--;
    }
    return at;
}

static size_t widen_on(sl_view text, size_t at)
{
    size_t high = text.n - at > AROUND ? at + AROUND : text.n;
    while (at < high && text.p[at] != '\n') {
        at++;
    }
    while (at < text.n && sl_is_word(text.p[at])) {
        at++;
    }
    return at;
}

static sl_res close_trail(sl_view text, sl_ciphers *c, trail *t, unsigned mode)
{
    bool enough = t->weight >= WEIGHT_MIN && t->end != 0;
    sl_res r = enough
                   ? add_stretch(text, c, widen_back(text, t->start), widen_on(text, t->end), mode)
                   : SL_DONE;
    *t = (trail){ 0 };
    return r;
}

__attribute__((noinline)) static sl_res take_word(sl_view text, sl_ciphers *c, trail *trails,
                                                  size_t start, size_t end, size_t index)
{
    unsigned mode = mode_at(c, text, start, end - start);
    if (mode == MODE_NONE) {
        return SL_DONE;
    }
    trail *t = &trails[mode];
    unsigned weight = (unsigned)(end - start) - 2;
    if (t->end != 0 && index - t->word > APART) {
        SL_TRY(close_trail(text, c, t, mode));
    }
    if (t->end == 0) {
        *t = (trail){ .start = start };
        weight = weight > WEIGHT_MIN - 1 ? WEIGHT_MIN - 1 : weight; /* one word alone is chance */
    }
    t->end = end;
    t->word = index;
    t->weight += weight;
    return SL_DONE;
}

/* Words of letters alone, while they are gone through. */
typedef struct {
    sl_view text;
    sl_ciphers *ciphers;
    trail trails[MODES];
    size_t index; /* of the word */
} word_walk;

static inline sl_res on_word(word_walk *w, size_t start, size_t end)
{
    size_t index = w->index++;
    return may_be_cipher(w->ciphers, w->text.p + start, end - start)
               ? take_word(w->text, w->ciphers, w->trails, start, end, index)
               : SL_DONE;
}

static sl_res find_shifts(sl_view text, sl_ciphers *c)
{
    word_walk w = { .text = text, .ciphers = c };
    uint64_t inside = 0; /* was the byte before a letter? */
    size_t start = 0;    /* of the last word that began */
    size_t i = 0;
    for (; i + 64 <= text.n; i += 64) {
        uint64_t letters = sl_mask_letters_64(text.p + i);
        uint64_t before = letters << 1 | inside;
        uint64_t begins = letters & ~before;
        for (uint64_t ends = before & ~letters; ends != 0; ends &= ends - 1) {
            uint64_t past = begins & ((ends & (~ends + 1)) - 1); /* begins before this end */
            size_t from = past == 0 ? start : i + 63 - (size_t)__builtin_clzll(past);
            SL_TRY(on_word(&w, from, i + (size_t)__builtin_ctzll(ends)));
        }
        start = begins == 0 ? start : i + 63 - (size_t)__builtin_clzll(begins);
        inside = letters >> 63;
    }
    for (; i <= text.n; i++) {
        bool letter = i < text.n && sl_is_letter(text.p[i]);
        if (letter && inside == 0) {
            start = i;
        } else if (!letter && inside != 0) {
            SL_TRY(on_word(&w, start, i));
        }
        inside = letter;
    }
    for (unsigned mode = 1; mode < MODES; mode++) {
        SL_TRY(close_trail(text, c, &w.trails[mode], mode));
    }
    return SL_DONE;
}

/* ---- leetspeak ----------------------------------------------------------------------------- */

/* The letter that a digit or sign stands for, or 0; `one` is what 1 stands for. */
static uint8_t leet(uint8_t b, uint8_t one)
{
    switch (b) {
    case '0':
        return 'o';
    case '1':
    case '!':
    case '|':
        return one;
    case '3':
        return 'e';
    case '4': /* not '@': it makes addresses */
        return 'a';
    case '5':
    case '$':
        return 's';
    case '7':
    case '+':
        return 't';
    case '8':
        return 'b';
    case '9':
        return 'g';
    default:
        return 0;
    }
}

static bool is_leet_byte(uint8_t b)
{
    return letter(b) != 255 || leet(b, 'i') != 0;
}

/* Four bytes, two letters, a substitute between letters: "J4n3", not "5mg", "q8h" or "HbA1c". */
static bool is_leet_word(sl_view word, bool *ret_one)
{
    size_t letters = 0;
    size_t between = 0;
    *ret_one = false;
    for (size_t i = 0; i < word.n; i++) {
        bool substitute = letter(word.p[i]) == 255;
        letters += !substitute;
        between += substitute && letters != 0 && i + 1 < word.n && letter(word.p[i + 1]) != 255;
        *ret_one = *ret_one || (substitute && leet(word.p[i], 'i') == 'i');
    }
    return word.n >= 4 && word.n <= 32 && letters >= 2 && between >= 1 &&
           !sl_view_eq_nocase(word, SL_LIT("hba1c"));
}

/* Where one word is leet, every word with letters and substitutes is read so: "0rg", "7h3". */
static bool is_mixed(sl_view word)
{
    size_t letters = 0;
    for (size_t i = 0; i < word.n; i++) {
        letters += letter(word.p[i]) != 255;
    }
    return letters != 0 && letters < word.n;
}

/* The stretch with its leet words in letters, others as they are. */
static sl_res add_leet(sl_view text, sl_ciphers *c, size_t start, size_t end, uint8_t one)
{
    if (c->n == SL_CIPHER_STRETCHES_MAX) {
        return SL_DONE;
    }
    c->items[c->n++] =
        (sl_stretch){ .start = start, .end = end, .at = c->bytes.n, .kind = SL_VIEW_LEET };
    for (size_t i = start; i < end;) {
        size_t from = i;
        while (i < end && is_leet_byte(text.p[i])) {
            i++;
        }
        sl_view word = sl_view_sub(text, from, i);
        bool is = is_mixed(word);
        bool upper = word.n > 1 && word.p[0] < 'a' && word.p[1] < 'a' && word.p[1] >= 'A';
        for (size_t k = 0; k < word.n; k++) {
            uint8_t to = is ? leet(word.p[k], one) : 0;
            to = upper && to != 0 ? (uint8_t)(to - 32) : to;
            SL_TRY(sl_buf_add_byte(&c->bytes, to == 0 ? word.p[k] : to));
        }
        if (i < end) {
            SL_TRY(sl_buf_add_byte(&c->bytes, text.p[i++]));
        }
    }
    return SL_DONE;
}

static sl_res close_leet(sl_view text, sl_ciphers *c, size_t start, size_t end, bool ones)
{
    if (end == 0) {
        return SL_DONE;
    }
    size_t from = widen_back(text, start);
    size_t to = widen_on(text, end);
    SL_TRY(add_leet(text, c, from, to, 'i'));
    return ones ? add_leet(text, c, from, to, 'l') : SL_DONE;
}

/* The next digit or sign from `i` on that stands where a letter may: behind a letter or another such,
 * before a letter. */
static size_t next_substitute(sl_view text, size_t i)
{
    i = i == 0 ? 1 : i;
    for (; i + SL_MASK_BYTES + 1 <= text.n; i += SL_MASK_BYTES) {
        const uint8_t *p = text.p + i;
        unsigned may = sl_mask_substitutes(p);
        if (may != 0) {
            may &= sl_mask_letters(p + 1) & (sl_mask_letters(p - 1) | sl_mask_substitutes(p - 1));
            if (may != 0) {
                return i + (size_t)__builtin_ctz(may);
            }
        }
    }
    for (; i + 1 < text.n; i++) {
        if (sl_is_substitute(text.p[i]) && sl_is_letter(text.p[i + 1]) &&
            (sl_is_letter(text.p[i - 1]) || sl_is_substitute(text.p[i - 1]))) {
            return i;
        }
    }
    return text.n;
}

static sl_res find_leet(sl_view text, sl_ciphers *c)
{
    size_t start = 0;
    size_t end = 0;
    size_t done = 0; /* no run begins before */
    bool ones = false;
    for (size_t i = next_substitute(text, 0); i < text.n; i = next_substitute(text, done)) {
        size_t from = i;
        bool one = false;
        while (from > done && is_leet_byte(text.p[from - 1])) {
            from--;
        }
        while (i < text.n && is_leet_byte(text.p[i])) {
            i++;
        }
        done = i;
        if (!is_leet_word(sl_view_sub(text, from, i), &one)) {
            continue;
        }
        if (end != 0 && from - end > AROUND) {
            SL_TRY(close_leet(text, c, start, end, ones));
            end = 0;
        }
        start = end == 0 ? from : start;
        ones = end == 0 ? one : ones || one;
        end = i;
    }
    return close_leet(text, c, start, end, ones);
}

sl_res sl_ciphers_find(sl_view text, sl_ciphers *ciphers)
{
    sl_buf_clear(&ciphers->bytes);
    ciphers->bytes.max = BYTES_MAX;
    ciphers->n = 0;
    if (!ciphers->filled) {
        fill_table(ciphers);
        ciphers->filled = true;
    }
    SL_TRY(find_shifts(text, ciphers));
    return find_leet(text, ciphers);
}

void sl_stretch_origin(const sl_stretch *stretch, size_t from, size_t to, size_t *ret_start,
                       size_t *ret_end)
{
    bool back = stretch->kind == SL_VIEW_REVERSED;
    *ret_start = back ? stretch->end - to : stretch->start + from;
    *ret_end = back ? stretch->end - from : stretch->start + to;
}
