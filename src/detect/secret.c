/* What makes a string a secret: randomness where a secret stands, a token's own form.
 * Provider forms are patterns (data/patterns/secrets.tsv); here are the checks that need counting. */
#include "base/encode.h"
#include "detect/patterns.h"

/* Shorter strings do not tell randomness from a word. */
#define ENTROPY_BYTES_MIN ((size_t)16)

/* log2 in 1/64 bits by repeated squaring would be exact enough; a table of n*log2(n) is simpler:
 * the sum over symbols gives n*H = n*log2(n) - sum(c*log2(c)). */
static uint32_t log2_64(uint32_t n)
{
    uint32_t whole = 31U - (uint32_t)__builtin_clz(n);
    /* Linear between powers of two: at most 0.09 bits low, always to the same side. */
    uint32_t part = whole == 0 ? 0 : ((n - (1U << whole)) * 64U) >> whole;
    return whole * 64U + part;
}

/* Shannon entropy per byte in 1/64 bits. */
static uint32_t entropy_64(sl_view v)
{
    uint32_t counts[256] = { 0 };
    size_t n = v.n < 4096 ? v.n : 4096;
    if (n < 2) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        counts[v.p[i]]++;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < 256; i++) {
        if (counts[i] != 0) {
            sum += (uint64_t)counts[i] * log2_64(counts[i]);
        }
    }
    return (uint32_t)(log2_64((uint32_t)n) - sum / n);
}

typedef struct {
    size_t lower;
    size_t upper;
    size_t digit;
} kinds;

static kinds kinds_of(sl_view v)
{
    kinds k = { 0 };
    for (size_t i = 0; i < v.n; i++) {
        uint8_t b = v.p[i];
        k.lower += b >= 'a' && b <= 'z';
        k.upper += b >= 'A' && b <= 'Z';
        k.digit += b >= '0' && b <= '9';
    }
    return k;
}

/* Random-looking: 3.2 bits a byte and digits among the letters, or 3.9 bits of mixed case. */
static bool check_entropy(sl_view v)
{
    kinds k = kinds_of(v);
    uint32_t e = entropy_64(v);
    bool mixed = k.digit >= 2 && k.lower + k.upper >= 2;
    if (v.n < ENTROPY_BYTES_MIN) {
        return false;
    }
    return (mixed && e >= 64 * 32 / 10) || (k.lower >= 4 && k.upper >= 4 && e >= 64 * 39 / 10);
}

/* A JSON Web Token's first part decodes to an object that names an algorithm (RFC 7519). */
static bool check_jwt(sl_view v)
{
    sl_view head;
    sl_view rest;
    if (!sl_view_cut(v, '.', &head, &rest) || head.n > 4096) {
        return false;
    }
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 4096 };
    return sl_ok(sl_base64url_decode(head, &json)) && json.n > 2 && json.p[0] == '{' &&
           sl_view_find(sl_buf_view(&json), SL_LIT("\"alg\""), 0) != SIZE_MAX;
}

/* Not a placeholder: more than one kind of character, no template's brackets. */
static bool check_password(sl_view v)
{
    static const char *const PLACEHOLDERS[] = { "password", "changeme", "required", "protected",
                                                "********", "reset",    "string",   "expired" };
    kinds k = kinds_of(v);
    for (size_t i = 0; i < SL_COUNT_OF(PLACEHOLDERS); i++) {
        if (sl_view_eq_nocase(v, sl_view_str(PLACEHOLDERS[i]))) {
            return false;
        }
    }
    size_t other = v.n - k.lower - k.upper - k.digit;
    bool bracket = v.p[0] == '<' || v.p[0] == '{' || v.p[0] == '$' || v.p[0] == '[';
    int variety = (k.lower != 0) + (k.upper != 0) + (k.digit != 0) + (other != 0);
    return !bracket && variety >= 2 && (k.digit != 0 || (other != 0 && k.upper != 0));
}

sl_secret_check_fn *sl_secret_check_by_name(sl_view name)
{
    if (sl_view_eq_str(name, "entropy")) {
        return check_entropy;
    }
    if (sl_view_eq_str(name, "jwt")) {
        return check_jwt;
    }
    return sl_view_eq_str(name, "password") ? check_password : NULL;
}

size_t sl_private_key_end(sl_view text, size_t start)
{
    size_t end = sl_view_find(text, SL_LIT("-----END "), start);
    if (end == SIZE_MAX) {
        return text.n;
    }
    size_t close = sl_view_find(text, SL_LIT("-----"), end + 9);
    return close == SIZE_MAX ? text.n : close + 5;
}
