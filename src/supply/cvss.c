/* Base scores (cvss.h). */
#include "supply/cvss.h"

#include <math.h>

typedef struct {
    char value;
    double weight;
    double changed; /* where the scope changes; else the same */
} level;

static const struct {
    const char *name;
    level levels[5];
} metrics[] = {
    { "AV", { { 'N', 0.85, 0.85 }, { 'A', 0.62, 0.62 }, { 'L', 0.55, 0.55 }, { 'P', 0.2, 0.2 } } },
    { "AC", { { 'L', 0.77, 0.77 }, { 'H', 0.44, 0.44 } } },
    { "PR", { { 'N', 0.85, 0.85 }, { 'L', 0.62, 0.68 }, { 'H', 0.27, 0.5 } } },
    { "UI", { { 'N', 0.85, 0.85 }, { 'R', 0.62, 0.62 } } },
    { "S", { { 'U', 0, 0 }, { 'C', 1, 1 } } },
    { "C", { { 'H', 0.56, 0.56 }, { 'L', 0.22, 0.22 }, { 'N', 0, 0 } } },
    { "I", { { 'H', 0.56, 0.56 }, { 'L', 0.22, 0.22 }, { 'N', 0, 0 } } },
    { "A", { { 'H', 0.56, 0.56 }, { 'L', 0.22, 0.22 }, { 'N', 0, 0 } } },
};
enum { AV, AC, PR, UI, S, C, I, A, METRICS };

/* Reads "AV:N/AC:L/..." into levels; each base metric once, others (temporal) are passed over. */
static bool read_vector(sl_view text, const level *ret[METRICS])
{
    sl_view part = { 0 };
    sl_view rest = text;
    for (bool more = true; more;) {
        sl_view name;
        sl_view value;
        more = sl_view_cut(rest, '/', &part, &rest);
        if (!sl_view_cut(part, ':', &name, &value) || value.n != 1) {
            return false;
        }
        for (size_t m = 0; m < METRICS; m++) {
            if (!sl_view_eq_str(name, metrics[m].name)) {
                continue;
            }
            if (ret[m] != NULL) {
                return false;
            }
            for (size_t l = 0;
                 l < SL_COUNT_OF(metrics[m].levels) && metrics[m].levels[l].value != 0; l++) {
                ret[m] =
                    metrics[m].levels[l].value == (char)value.p[0] ? &metrics[m].levels[l] : ret[m];
            }
        }
    }
    for (size_t m = 0; m < METRICS; m++) {
        if (ret[m] == NULL) {
            return false;
        }
    }
    return true;
}

/* The smallest number with one decimal that is not below it (appendix A). */
static int round_up_tenths(double score)
{
    long whole = lround(score * 100000);
    return whole % 10000 == 0 ? (int)(whole / 10000) : (int)(whole / 10000) + 1;
}

static int score_of(const level *const m[METRICS])
{
    bool changed = m[S]->value == 'C';
    double rights = changed ? m[PR]->changed : m[PR]->weight;
    double iss = 1 - (1 - m[C]->weight) * (1 - m[I]->weight) * (1 - m[A]->weight);
    double impact = changed ? 7.52 * (iss - 0.029) - 3.25 * pow(iss - 0.02, 15) : 6.42 * iss;
    double reach = 8.22 * m[AV]->weight * m[AC]->weight * rights * m[UI]->weight;
    if (impact <= 0) {
        return 0;
    }
    double sum = (changed ? 1.08 : 1) * (impact + reach);
    return round_up_tenths(sum > 10 ? 10 : sum);
}

static bool is_word(sl_view text, const char *upper)
{
    size_t n = strlen(upper);
    for (size_t i = 0; i < n && text.n == n; i++) {
        if ((text.p[i] & 0xDF) != (uint8_t)upper[i]) {
            return false;
        }
    }
    return text.n == n;
}

int sl_severity_tenths(sl_view severity)
{
    static const struct {
        const char *word;
        int tenths;
    } words[] = {
        { "CRITICAL", 90 }, { "HIGH", 70 }, { "MODERATE", 40 }, { "MEDIUM", 40 }, { "LOW", 1 }
    };
    const level *vector[METRICS] = { NULL };
    for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
        if (is_word(severity, words[i].word)) {
            return words[i].tenths;
        }
    }
    bool three = sl_view_starts(severity, SL_LIT("CVSS:3.0/")) ||
                 sl_view_starts(severity, SL_LIT("CVSS:3.1/"));
    return three && read_vector(sl_view_sub(severity, 9, severity.n), vector) ? score_of(vector)
                                                                              : -1;
}
