/* Clopper-Pearson bounds by bisection on the binomial tail.
 *
 * The tail is the regularised incomplete beta function, evaluated by its continued fraction with the
 * modified Lentz method. Of the maths library only log, log1p, exp, expm1, sqrt and fabs are used: no
 * lgamma, whose sign lives in a global. It must never loop without a bound. See stats.h.
 */
#include "base/stats.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* Bisection halves the interval from 1; 1,100 steps reach the smallest double, 200 any useful one. */
#define BISECT_STEPS 200
/* The fraction needs about the square root of the larger count; this is three times that. */
#define FRACTION_TERMS_MAX 100000
#define FRACTION_TINY 1e-300
#define FRACTION_CLOSE 1e-15
/* Below this the logarithm of a factorial is summed, above it Stirling's series is exact enough. */
#define FACTORIAL_SUM_MAX 32

static double log_factorial(double n)
{
    if (n < FACTORIAL_SUM_MAX) {
        double product = 1.0;
        for (int factor = 2; factor <= (int)n; factor++) {
            product *= (double)factor;
        }
        return log(product);
    }
    const double half_log_two_pi = 0.91893853320467274178;
    double r = 1.0 / n;
    double r2 = r * r;
    double series = r * (1.0 / 12.0 - r2 * (1.0 / 360.0 - r2 * (1.0 / 1260.0 - r2 / 1680.0)));
    return (n + 0.5) * log(n) - n + half_log_two_pi + series;
}

static double not_zero(double x)
{
    return fabs(x) < FRACTION_TINY ? FRACTION_TINY : x;
}

/* The continued fraction of the incomplete beta function (DLMF 8.17.22). */
static double beta_fraction(double a, double b, double x)
{
    double c = 1.0;
    double d = 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0));
    double value = d;
    for (int term = 1; term <= FRACTION_TERMS_MAX; term++) {
        double m = (double)term;
        double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / not_zero(1.0 + even * d);
        c = not_zero(1.0 + even / c);
        value *= d * c;
        double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / not_zero(1.0 + odd * d);
        c = not_zero(1.0 + odd / c);
        value *= d * c;
        if (fabs(d * c - 1.0) < FRACTION_CLOSE) {
            break;
        }
    }
    return value;
}

/* I_x(a, b) for whole a, b >= 1: the chance of at least `a` hits in a + b - 1 trials at share x. */
static double incomplete_beta(double a, double b, double x)
{
    if (x <= 0.0) {
        return 0.0;
    }
    if (x >= 1.0) {
        return 1.0;
    }
    double log_beta = log_factorial(a - 1.0) + log_factorial(b - 1.0) - log_factorial(a + b - 1.0);
    double front = exp(a * log(x) + b * log1p(-x) - log_beta);
    if (x < (a + 1.0) / (a + b + 2.0)) {
        return front * beta_fraction(a, b, x) / a;
    }
    return 1.0 - front * beta_fraction(b, a, 1.0 - x) / b;
}

/* The share at which I_x(a, b) equals `level`; the function rises with x. */
static double beta_quantile(double a, double b, double level)
{
    double low = 0.0;
    double high = 1.0;
    for (int step = 0; step < BISECT_STEPS; step++) {
        double middle = low + (high - low) / 2.0;
        if (middle <= low || middle >= high) {
            break;
        }
        if (incomplete_beta(a, b, middle) < level) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low + (high - low) / 2.0;
}

static bool arguments_hold(uint64_t hits, uint64_t trials, double confidence)
{
    return trials > 0 && trials <= SL_STATS_TRIALS_MAX && hits <= trials && confidence > 0.0 &&
           confidence < 1.0;
}

static double upper(uint64_t hits, uint64_t trials, double error)
{
    if (hits == trials) {
        return 1.0;
    }
    if (hits == 0) {
        return -expm1(log(error) / (double)trials);
    }
    return beta_quantile((double)hits + 1.0, (double)(trials - hits), 1.0 - error);
}

static double lower(uint64_t hits, uint64_t trials, double error)
{
    if (hits == 0) {
        return 0.0;
    }
    if (hits == trials) {
        return exp(log(error) / (double)trials);
    }
    return beta_quantile((double)hits, (double)(trials - hits) + 1.0, error);
}

SL_MUST sl_res sl_stats_upper(uint64_t hits, uint64_t trials, double confidence, double *ret_high)
{
    SL_NEED(arguments_hold(hits, trials, confidence), SL_E_RANGE);
    *ret_high = upper(hits, trials, 1.0 - confidence);
    return SL_DONE;
}

SL_MUST sl_res sl_stats_lower(uint64_t hits, uint64_t trials, double confidence, double *ret_low)
{
    SL_NEED(arguments_hold(hits, trials, confidence), SL_E_RANGE);
    *ret_low = lower(hits, trials, 1.0 - confidence);
    return SL_DONE;
}

SL_MUST sl_res sl_stats_interval(uint64_t hits, uint64_t trials, double confidence,
                                 sl_interval *ret_interval)
{
    SL_NEED(arguments_hold(hits, trials, confidence), SL_E_RANGE);
    double error = (1.0 - confidence) / 2.0;
    *ret_interval =
        (sl_interval){ .low = lower(hits, trials, error), .high = upper(hits, trials, error) };
    return SL_DONE;
}
