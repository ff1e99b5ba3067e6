/* Texts whose letters were turned into others: rotated alphabets, Atbash, written backwards, digits for
 * letters. Prose is told from what it was turned into by its pairs of letters, piece by piece of some
 * sixty letters, so that one turned line in a long text is found; ordinary prose costs one look per
 * letter. Linear. Made for the injection engine (inject_features.h): languages in Latin letters only. */
#include "base/utf8.h"
#include "detect/inject_features.h"
#include "detect/words.h"

#define PIECE_LETTERS 56U
#define LETTERS_MIN 14U
#define PROSE 14 /* quarters of a bit a pair, over chance: as a piece of prose has at least */
#define SURELY_PROSE 22
#define BETTER 8 /* by so much the turned piece must be better */
#define LEET_WORDS_MIN 2U

/* How often one letter follows another in words of ten languages, in quarters of a bit over chance;
 * counted on texts of our own. */
/* clang-format off */
static const int8_t PAIRS[26][26] = {
    { -6, 3, 7, 5, -13, -3, 2, -4, 6, -10, 2, 10, 6, 14, -5, 3, -16, 12, 10, 12, -2, 1, -8, -13, 5, -4 },
    { 2, -27, -24, -28, 8, -21, -17, -15, -1, -4, -21, -2, -20, -17, 4, -23, -24, -3, -14, -19, -3, -22, -18, -23, 1, -17 },
    { 5, -17, -3, -19, 6, -27, -17, 9, 2, -18, 1, -2, -16, -17, 10, -22, -25, 0, -9, 7, 0, -22, -30, -30, -6, -9 },
    { 6, -19, -17, -8, 11, -17, -7, -20, 7, -17, -19, -7, -5, -8, 6, -15, -20, -4, 0, -18, -2, -10, -19, -24, -6, -12 },
    { 8, -6, 7, 9, 4, 0, 3, -7, 1, -9, -3, 9, 6, 13, -9, 2, -9, 14, 13, 8, -4, 5, -1, 5, -2, -5 },
    { -1, -24, -19, -18, -1, -4, -15, -22, 5, -24, -24, -10, -18, -16, 7, -20, -24, 1, -14, -8, -4, -20, -19, -20, -11, -19 },
    { 2, -17, -17, -17, 7, -16, -8, -7, 2, -19, -13, -4, -24, 1, -3, -17, -24, 1, -9, -15, -1, -14, -30, -19, -13, -15 },
    { 10, -15, -17, -16, 14, -24, -17, -22, 6, -20, -20, -12, -8, -14, 7, -22, -24, -3, -11, -3, -4, -15, -21, -32, -6, -24 },
    { 3, -2, 6, 6, 7, -2, 5, -11, -13, -7, -3, 7, 4, 15, 8, -3, -14, 3, 11, 10, -10, 1, -21, -15, -11, -5 },
    { -1, -14, -30, -18, 1, -14, -27, -24, -18, -24, -24, -16, -21, -13, -5, -24, -25, -19, -9, -19, -4, -19, -19, -21, -27, -20 },
    { 0, -16, -17, -16, 5, -27, -19, -10, 0, -24, -14, -5, -17, -8, -3, -17, -25, -9, -5, -9, -4, -20, -24, -27, -11, -20 },
    { 8, -10, -12, 3, 12, -13, -13, -13, 8, -19, -8, 8, -12, -10, 7, -7, -21, -12, -1, 0, 0, -12, -12, -21, 2, -17 },
    { 9, -2, -25, -14, 10, -17, -4, -19, 4, -19, -17, -6, -2, -10, 5, 6, -22, -19, -5, -14, -1, -15, -21, -17, -4, -20 },
    { 7, -12, 3, 10, 10, -3, 9, -7, 5, -9, -5, -3, -12, -4, 7, -11, -18, -12, 9, 11, 1, -5, -11, -18, 0, -10 },
    { -6, 0, 1, 3, -3, 6, -4, -16, -1, -10, -2, 7, 9, 13, 1, 3, -24, 13, 5, 6, 11, 2, 6, -10, -11, -7 },
    { 6, -19, -23, -10, 5, -15, -20, -5, 1, -27, -19, 6, -15, -13, 5, 0, -20, 9, -7, 2, -2, -24, -12, -25, -11, -20 },
    { -30, -21, -27, -28, -21, -24, -17, -18, -28, -25, -22, -17, -21, -18, -27, -27, -22, -24, -24, -28, 2, -25, -22, -21, -28, -24 },
    { 10, -13, -4, 5, 15, -8, -2, -10, 9, -19, -3, -4, 0, -2, 8, -11, -22, -2, 4, 4, 6, -5, -11, -24, 1, -8 },
    { 6, -14, 3, -17, 11, -13, -17, 1, 7, -32, 0, -2, -11, -12, 3, 1, -13, -7, 5, 13, 4, -8, -2, -21, 1, -8 },
    { 10, -12, -7, -24, 14, -10, -22, 14, 10, -22, -11, -6, -4, -9, 10, -7, -19, 8, 4, 1, 2, -13, -6, -19, -5, -14 },
    { -1, -4, 3, -5, 2, -13, -7, -18, -1, -8, -5, 5, 3, 6, -5, -2, -19, 7, 6, 5, -17, -14, -14, -17, -10, -8 },
    { 3, -20, -18, -19, 9, -20, -21, -20, 4, -22, -17, -20, -18, -12, -1, -19, -28, -10, -11, -17, -11, -16, -16, -22, -9, -13 },
    { 4, -17, -17, -14, 2, -17, -18, 5, 4, -24, -21, -17, -18, -3, 2, -28, -27, -2, -9, -22, -19, -17, -18, -19, -9, -21 },
    { -2, -24, -14, -24, -9, -25, -17, -25, -7, -18, -22, -20, -22, -19, -24, -3, -21, -20, -21, -3, -21, -19, -20, -22, -24, -22 },
    { -2, -13, -12, -14, -4, -27, -19, -27, -9, -16, -20, -11, -10, -7, 6, -8, -21, -15, 2, -3, -12, -15, -16, -19, -17, -14 },
    { -3, -20, -13, -16, -2, -19, -16, -17, -4, -19, -15, -14, -14, -13, -12, -16, -22, -15, -17, -15, -10, -13, -15, -16, -10, -10 },
};
/* clang-format on */

typedef struct {
    size_t start;
    size_t end;
    uint8_t kind; /* sl_view_kind; plain: nothing was turned */
    uint8_t by;   /* letters to go forward */
} piece;

static int letter(uint8_t b)
{
    b = sl_lower(b);
    return b >= 'a' && b <= 'z' ? b - 'a' : -1;
}

static bool is_leet(uint8_t b)
{
    return b == '0' || b == '1' || b == '3' || b == '4' || b == '5' || b == '7' || b == '@' ||
           b == '$';
}

/* The letters' pairs of a piece: how often each occurs is looked at in every turned form. */
typedef struct {
    uint8_t first[512];
    uint8_t second[512];
    size_t n;
} pairs;

static void collect(sl_view t, pairs *ret)
{
    ret->n = 0;
    for (size_t i = 0; i + 1 < t.n && ret->n < SL_COUNT_OF(ret->first); i++) {
        int a = letter(t.p[i]);
        int b = letter(t.p[i + 1]);
        if (a >= 0 && b >= 0) {
            ret->first[ret->n] = (uint8_t)a;
            ret->second[ret->n++] = (uint8_t)b;
        }
    }
}

static int rotated_score(const pairs *p, unsigned by)
{
    int sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        unsigned a = p->first[i] + by;
        unsigned b = p->second[i] + by;
        sum += PAIRS[a >= 26 ? a - 26 : a][b >= 26 ? b - 26 : b];
    }
    return sum;
}

static int atbash_score(const pairs *p)
{
    int sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        sum += PAIRS[25 - p->first[i]][25 - p->second[i]];
    }
    return sum;
}

static int reversed_score(const pairs *p)
{
    int sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        sum += PAIRS[p->second[i]][p->first[i]];
    }
    return sum;
}

/* What a piece was turned by, if turning it back makes prose of what is none. */
static void judge_letters(sl_view text, piece *one)
{
    pairs p;
    collect(sl_view_sub(text, one->start, one->end), &p);
    int n = (int)p.n;
    int plain = rotated_score(&p, 0);
    if (p.n < LETTERS_MIN / 2 || plain >= SURELY_PROSE * n / 4) {
        return;
    }
    /* Prose written backwards still looks a little like prose; in other letters it does not at all. */
    int best = reversed_score(&p);
    one->kind = SL_VIEW_REVERSED;
    int atbash = plain < PROSE * n / 4 ? atbash_score(&p) : best;
    if (atbash > best) {
        best = atbash;
        one->kind = SL_VIEW_ATBASH;
    }
    for (unsigned by = 1; by < 26 && plain < PROSE * n / 4; by++) {
        int score = rotated_score(&p, by);
        if (score > best) {
            best = score;
            one->kind = SL_VIEW_ROTATED;
            one->by = (uint8_t)by;
        }
    }
    if (best < PROSE * n / 4 || best < plain + BETTER * n / 4) {
        one->kind = SL_VIEW_PLAIN;
    }
}

static bool is_leet_word(sl_view text, size_t at, size_t *ret_end)
{
    size_t letters = 0;
    size_t digits = 0;
    size_t others = 0;
    size_t end = at;
    while (end < text.n && (sl_is_word(text.p[end]) || is_leet(text.p[end]))) {
        letters += letter(text.p[end]) >= 0;
        digits += is_leet(text.p[end]);
        others += letter(text.p[end]) < 0 && !is_leet(text.p[end]);
        end++;
    }
    *ret_end = end;
    return letters > 0 && digits > 0 && others == 0 && letters + digits >= 3;
}

static bool is_leet_piece(sl_view text, const piece *one)
{
    size_t words = 0;
    size_t leet = 0;
    for (size_t i = one->start; i < one->end;) {
        size_t end = i;
        bool is = is_leet_word(text, i, &end);
        words += end > i;
        leet += is;
        i = end > i ? end : i + 1;
    }
    return leet >= LEET_WORDS_MIN && leet * 4 >= words;
}

/* The next piece from `at`: to a blank after enough letters, or to a line's end. */
static piece next_piece(sl_view text, size_t at)
{
    piece one = { .start = at, .kind = SL_VIEW_PLAIN };
    size_t letters = 0;
    size_t i = at;
    for (; i < text.n && i - at < 400; i++) {
        letters += letter(text.p[i]) >= 0 || is_leet(text.p[i]);
        bool enough = letters >= (text.p[i] == '\n' ? LETTERS_MIN : PIECE_LETTERS);
        if (enough && sl_is_blank(text.p[i])) {
            i++;
            break;
        }
    }
    while (i < text.n && !sl_utf8_boundary(text, i)) {
        i++;
    }
    one.end = i;
    judge_letters(text, &one);
    if (one.kind == SL_VIEW_PLAIN && is_leet_piece(text, &one)) {
        one.kind = SL_VIEW_LEET;
    }
    return one;
}

static uint8_t turned(uint8_t b, const piece *run)
{
    static const char LEET_FROM[] = "013457@$";
    static const char LEET_TO[] = "oieastas";
    int at = letter(b);
    uint8_t base = b <= 'Z' ? 'A' : 'a';
    if (run->kind == SL_VIEW_LEET) {
        const char *found = is_leet(b) ? strchr(LEET_FROM, b) : NULL;
        return found == NULL ? b : (uint8_t)LEET_TO[found - LEET_FROM];
    }
    if (at < 0) {
        return b;
    }
    return (uint8_t)(base + (run->kind == SL_VIEW_ATBASH ? 25 - at : (at + run->by) % 26));
}

static sl_res turn_back(sl_view text, const piece *run, sl_buf *out)
{
    sl_buf_clear(out);
    out->max = text.n + 1;
    if (run->kind != SL_VIEW_REVERSED) {
        for (size_t i = run->start; i < run->end; i++) {
            SL_TRY(sl_buf_add_byte(out, turned(text.p[i], run)));
        }
        return SL_DONE;
    }
    for (size_t end = run->end; end > run->start;) {
        size_t at = end - 1;
        while (at > run->start && !sl_utf8_boundary(text, at)) {
            at--;
        }
        SL_TRY(sl_buf_add(out, sl_view_sub(text, at, end)));
        end = at;
    }
    return SL_DONE;
}

static bool same_turn(const piece *a, const piece *b)
{
    return a->kind == b->kind && a->by == b->by;
}

sl_res sl_inject_each_turned(sl_view text, sl_buf *work, sl_inject_take_turned *take, void *context)
{
    piece run = { .kind = SL_VIEW_PLAIN };
    for (size_t at = 0; at < text.n || run.kind != SL_VIEW_PLAIN;) {
        piece one = { .start = at, .end = at, .kind = SL_VIEW_PLAIN };
        if (at < text.n) {
            one = next_piece(text, at);
            at = one.end;
        }
        if (run.kind != SL_VIEW_PLAIN && same_turn(&run, &one)) {
            run.end = one.end;
            continue;
        }
        if (run.kind != SL_VIEW_PLAIN) {
            SL_TRY(turn_back(text, &run, work));
            SL_TRY(take(context, sl_buf_view(work), run.start, run.end, run.kind));
        }
        run = one;
    }
    return SL_DONE;
}
