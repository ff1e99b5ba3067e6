/* Orders of version numbers, one per ecosystem (version.h). Numbers are compared as digits, so that no
 * length overflows. */
#include "supply/version.h"

static const struct {
    const char *osv;
    const char *purl;
} ECOSYSTEMS[SL_ECOSYSTEM_COUNT] = {
    [SL_ECOSYSTEM_PYPI] = { "PyPI", "pypi" },
    [SL_ECOSYSTEM_NPM] = { "npm", "npm" },
    [SL_ECOSYSTEM_CRATES] = { "crates.io", "cargo" },
    [SL_ECOSYSTEM_CRAN] = { "CRAN", "cran" },
    [SL_ECOSYSTEM_BIOCONDUCTOR] = { "Bioconductor", "bioconductor" },
    [SL_ECOSYSTEM_DEBIAN] = { "Debian", "deb" },
    [SL_ECOSYSTEM_CONDA] = { "conda", "conda" },
};

const char *sl_ecosystem_name(sl_ecosystem e)
{
    return ECOSYSTEMS[e].osv;
}

const char *sl_ecosystem_purl(sl_ecosystem e)
{
    return ECOSYSTEMS[e].purl;
}

bool sl_ecosystem_by_name(sl_view name, sl_ecosystem *ret)
{
    sl_view family;
    sl_view release;
    (void)sl_view_cut(name, ':', &family, &release);
    for (int i = 0; i < SL_ECOSYSTEM_COUNT; i++) {
        if (sl_view_eq_nocase(family, sl_view_str(ECOSYSTEMS[i].osv))) {
            *ret = (sl_ecosystem)i;
            return true;
        }
    }
    return false;
}

bool sl_ecosystem_by_purl(sl_view type, sl_ecosystem *ret)
{
    for (int i = 0; i < SL_ECOSYSTEM_COUNT; i++) {
        if (sl_view_eq_nocase(type, sl_view_str(ECOSYSTEMS[i].purl))) {
            *ret = (sl_ecosystem)i;
            return true;
        }
    }
    return false;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static int sign(long difference)
{
    return (difference > 0) - (difference < 0);
}

/* The digits at the front, taken away from `rest`; empty when there are none. */
static sl_view take_digits(sl_view *rest)
{
    size_t n = 0;
    while (n < rest->n && is_digit(rest->p[n])) {
        n++;
    }
    sl_view digits = sl_view_sub(*rest, 0, n);
    *rest = sl_view_sub(*rest, n, rest->n);
    return digits;
}

/* Two runs of digits as numbers of any length; an empty run is zero. */
static int number_cmp(sl_view a, sl_view b)
{
    while (a.n > 0 && a.p[0] == '0') {
        a = sl_view_sub(a, 1, a.n);
    }
    while (b.n > 0 && b.p[0] == '0') {
        b = sl_view_sub(b, 1, b.n);
    }
    return a.n != b.n ? (a.n < b.n ? -1 : 1) : sl_view_cmp(a, b);
}

/* PEP 440 */

typedef struct {
    sl_view epoch;
    sl_view release[SL_VERSION_PARTS_MAX];
    size_t release_n;
    int pre_kind; /* 0 none, 1 a, 2 b, 3 rc */
    sl_view pre;
    bool has_post;
    sl_view post;
    bool has_dev;
    sl_view dev;
    sl_view local; /* without '+' */
} pep440;

static bool take_word(sl_view *rest, const char *word)
{
    size_t n = strlen(word);
    if (rest->n < n || !sl_view_eq_nocase(sl_view_sub(*rest, 0, n), sl_view_str(word))) {
        return false;
    }
    *rest = sl_view_sub(*rest, n, rest->n);
    return true;
}

static void skip_separator(sl_view *rest)
{
    if (rest->n > 0 && (rest->p[0] == '.' || rest->p[0] == '-' || rest->p[0] == '_')) {
        *rest = sl_view_sub(*rest, 1, rest->n);
    }
}

/* A phase: [separator] word [separator] [number]. Longer words stand before those they begin with. */
static bool take_phase(sl_view *rest, const char *const *words, size_t *ret_word,
                       sl_view *ret_number)
{
    sl_view at = *rest;
    skip_separator(&at);
    for (size_t i = 0; words[i] != NULL; i++) {
        if (!take_word(&at, words[i])) {
            continue;
        }
        sl_view after = at;
        skip_separator(&after);
        sl_view number = take_digits(&after);
        if (number.n > 0) {
            at = after;
        }
        *ret_word = i;
        *ret_number = number;
        *rest = at;
        return true;
    }
    return false;
}

static void take_pre(sl_view *rest, pep440 *v)
{
    static const char *const WORDS[] = { "alpha", "a",  "beta", "b", "preview",
                                         "pre",   "rc", "c",    NULL };
    static const int KINDS[] = { 1, 1, 2, 2, 3, 3, 3, 3 };
    size_t word = 0;
    if (take_phase(rest, WORDS, &word, &v->pre)) {
        v->pre_kind = KINDS[word];
    }
}

static void take_post(sl_view *rest, pep440 *v)
{
    static const char *const WORDS[] = { "post", "rev", "r", NULL };
    size_t word = 0;
    if (take_phase(rest, WORDS, &word, &v->post)) {
        v->has_post = true;
        return;
    }
    /* "1.0-1" is post-release 1 */
    if (rest->n > 1 && rest->p[0] == '-' && is_digit(rest->p[1])) {
        *rest = sl_view_sub(*rest, 1, rest->n);
        v->post = take_digits(rest);
        v->has_post = true;
    }
}

static bool local_is_right(sl_view local)
{
    bool part = false;
    for (size_t i = 0; i < local.n; i++) {
        bool letter = is_digit(local.p[i]) || is_alpha(local.p[i]);
        bool separator = local.p[i] == '.' || local.p[i] == '-' || local.p[i] == '_';
        if (!letter && !(separator && part)) {
            return false;
        }
        part = letter;
    }
    return part;
}

static bool take_release(sl_view *rest, pep440 *v)
{
    for (;;) {
        sl_view number = take_digits(rest);
        if (number.n == 0 || v->release_n == SL_VERSION_PARTS_MAX) {
            return false;
        }
        v->release[v->release_n] = number;
        v->release_n++;
        if (rest->n < 2 || rest->p[0] != '.' || !is_digit(rest->p[1])) {
            break;
        }
        *rest = sl_view_sub(*rest, 1, rest->n);
    }
    while (v->release_n > 1 && number_cmp(v->release[v->release_n - 1], SL_LIT("0")) == 0) {
        v->release_n--; /* 1.0.0 is 1 */
    }
    return true;
}

static bool pep440_parse(sl_view text, pep440 *v)
{
    static const char *const DEV[] = { "dev", NULL };
    sl_view rest = sl_view_trim(text);
    size_t word = 0;
    *v = (pep440){ 0 };
    (void)take_word(&rest, "v");
    sl_view before = rest;
    v->epoch = take_digits(&rest);
    if (v->epoch.n == 0 || rest.n == 0 || rest.p[0] != '!') {
        v->epoch = (sl_view){ 0 };
        rest = before;
    } else {
        rest = sl_view_sub(rest, 1, rest.n);
    }
    if (!take_release(&rest, v)) {
        return false;
    }
    take_pre(&rest, v);
    take_post(&rest, v);
    v->has_dev = take_phase(&rest, DEV, &word, &v->dev);
    if (rest.n > 0 && rest.p[0] == '+') {
        v->local = sl_view_sub(rest, 1, rest.n);
        return local_is_right(v->local);
    }
    return rest.n == 0;
}

static int release_cmp(const pep440 *a, const pep440 *b)
{
    size_t n = a->release_n > b->release_n ? a->release_n : b->release_n;
    for (size_t i = 0; i < n; i++) {
        sl_view x = i < a->release_n ? a->release[i] : SL_LIT("0");
        sl_view y = i < b->release_n ? b->release[i] : SL_LIT("0");
        int order = number_cmp(x, y);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

/* A dev release of nothing else comes before every pre-release, a final release behind them. */
static int pre_rank(const pep440 *v)
{
    if (v->pre_kind != 0) {
        return v->pre_kind;
    }
    return v->has_dev && !v->has_post ? 0 : 4;
}

static sl_view local_part(sl_view *rest)
{
    size_t n = 0;
    while (n < rest->n && (is_digit(rest->p[n]) || is_alpha(rest->p[n]))) {
        n++;
    }
    sl_view part = sl_view_sub(*rest, 0, n);
    *rest = sl_view_sub(*rest, n + 1, rest->n);
    return part;
}

static bool all_digits(sl_view v)
{
    sl_view rest = v;
    (void)take_digits(&rest);
    return v.n > 0 && rest.n == 0;
}

static int nocase_cmp(sl_view a, sl_view b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++) {
        int order = sign((long)lower(a.p[i]) - (long)lower(b.p[i]));
        if (order != 0) {
            return order;
        }
    }
    return sign((long)a.n - (long)b.n);
}

/* Part by part; a number is above a word, more parts above fewer, none below any. */
static int local_cmp(sl_view a, sl_view b)
{
    while (a.n > 0 && b.n > 0) {
        sl_view x = local_part(&a);
        sl_view y = local_part(&b);
        bool nx = all_digits(x);
        bool ny = all_digits(y);
        int order = nx != ny ? (nx ? 1 : -1) : nx ? number_cmp(x, y) : nocase_cmp(x, y);
        if (order != 0) {
            return order;
        }
    }
    return sign((long)a.n - (long)b.n);
}

static int pep440_cmp(const pep440 *a, const pep440 *b)
{
    int order = number_cmp(a->epoch, b->epoch);
    order = order != 0 ? order : release_cmp(a, b);
    order = order != 0 ? order : sign((long)pre_rank(a) - (long)pre_rank(b));
    order = order != 0 || a->pre_kind == 0 ? order : number_cmp(a->pre, b->pre);
    order = order != 0 ? order : sign((long)a->has_post - (long)b->has_post);
    order = order != 0 ? order : number_cmp(a->post, b->post);
    order = order != 0 ? order : sign((long)b->has_dev - (long)a->has_dev);
    order = order != 0 ? order : number_cmp(a->dev, b->dev);
    return order != 0 ? order : local_cmp(a->local, b->local);
}

static sl_res pypi_cmp(sl_view a, sl_view b, int *ret_order)
{
    pep440 x;
    pep440 y;
    SL_NEED(pep440_parse(a, &x) && pep440_parse(b, &y), SL_E_SYNTAX);
    *ret_order = pep440_cmp(&x, &y);
    return SL_DONE;
}

/* Semantic versions: three numbers, then identifiers behind '-'; what follows '+' does not count. */

typedef struct {
    sl_view core[3];
    sl_view pre;
} semver;

static bool semver_parse(sl_view text, semver *v)
{
    sl_view rest = sl_view_trim(text);
    sl_view build;
    *v = (semver){ 0 };
    if (rest.n > 0 && (rest.p[0] == 'v' || rest.p[0] == '=')) {
        rest = sl_view_sub(rest, 1, rest.n);
    }
    (void)sl_view_cut(rest, '+', &rest, &build);
    sl_view core = rest;
    (void)sl_view_cut(rest, '-', &core, &v->pre);
    for (size_t i = 0; i < 3; i++) {
        v->core[i] = take_digits(&core);
        bool dot = core.n > 0 && core.p[0] == '.';
        if (v->core[i].n == 0 || (i < 2 && !dot && core.n > 0)) {
            return false;
        }
        if (core.n == 0) {
            return true; /* "1" and "1.2" occur in advisories */
        }
        core = i < 2 ? sl_view_sub(core, 1, core.n) : core;
    }
    return core.n == 0;
}

static int semver_pre_cmp(sl_view a, sl_view b)
{
    if (a.n == 0 || b.n == 0) {
        return sign((long)(a.n == 0) - (long)(b.n == 0)); /* a release is above its pre-releases */
    }
    bool more_a = true;
    bool more_b = true;
    while (more_a && more_b) {
        sl_view x;
        sl_view y;
        more_a = sl_view_cut(a, '.', &x, &a);
        more_b = sl_view_cut(b, '.', &y, &b);
        bool nx = all_digits(x);
        bool ny = all_digits(y);
        int order = nx != ny ? (nx ? -1 : 1) : nx ? number_cmp(x, y) : sl_view_cmp(x, y);
        if (order != 0) {
            return order;
        }
    }
    return sign((long)more_a - (long)more_b);
}

static sl_res semver_cmp(sl_view a, sl_view b, int *ret_order)
{
    semver x;
    semver y;
    SL_NEED(semver_parse(a, &x) && semver_parse(b, &y), SL_E_SYNTAX);
    int order = 0;
    for (size_t i = 0; i < 3 && order == 0; i++) {
        order = number_cmp(x.core[i], y.core[i]);
    }
    *ret_order = order != 0 ? order : semver_pre_cmp(x.pre, y.pre);
    return SL_DONE;
}

/* R: numbers between '.' and '-', the longer list is the newer. */
static bool r_is_right(sl_view v)
{
    for (;;) {
        if (take_digits(&v).n == 0) {
            return false;
        }
        if (v.n == 0) {
            return true;
        }
        if (v.p[0] != '.' && v.p[0] != '-') {
            return false;
        }
        v = sl_view_sub(v, 1, v.n);
    }
}

static sl_res r_cmp(sl_view a, sl_view b, int *ret_order)
{
    SL_NEED(r_is_right(a) && r_is_right(b), SL_E_SYNTAX);
    int order = 0;
    while (a.n > 0 && b.n > 0 && order == 0) {
        sl_view x = take_digits(&a);
        sl_view y = take_digits(&b);
        order = number_cmp(x, y);
        a = sl_view_sub(a, 1, a.n);
        b = sl_view_sub(b, 1, b.n);
    }
    *ret_order = order != 0 ? order : sign((long)(a.n > 0) - (long)(b.n > 0));
    return SL_DONE;
}

/* Debian: '~' below the end, letters below all else. */
static long debian_rank(sl_view v, size_t at)
{
    if (at >= v.n || is_digit(v.p[at])) {
        return 0;
    }
    if (v.p[at] == '~') {
        return -1;
    }
    return is_alpha(v.p[at]) ? (long)v.p[at] : (long)v.p[at] + 256;
}

static int debian_part_cmp(sl_view a, sl_view b)
{
    while (a.n > 0 || b.n > 0) {
        size_t i = 0;
        while ((i < a.n && !is_digit(a.p[i])) || (i < b.n && !is_digit(b.p[i]))) {
            long x = debian_rank(a, i);
            long y = debian_rank(b, i);
            if (x != y) {
                return sign(x - y);
            }
            i++;
        }
        a = sl_view_sub(a, i, a.n);
        b = sl_view_sub(b, i, b.n);
        sl_view x = take_digits(&a);
        sl_view y = take_digits(&b);
        int order = number_cmp(x, y);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

static bool debian_split(sl_view text, sl_view *ret_epoch, sl_view *ret_upstream,
                         sl_view *ret_revision)
{
    sl_view rest = sl_view_trim(text);
    sl_view after;
    *ret_epoch = (sl_view){ 0 };
    *ret_revision = (sl_view){ 0 };
    if (sl_view_cut(rest, ':', ret_epoch, &after)) {
        rest = after;
        if (!all_digits(*ret_epoch)) {
            return false;
        }
    } else {
        *ret_epoch = (sl_view){ 0 };
    }
    size_t dash = rest.n;
    while (dash > 0 && rest.p[dash - 1] != '-') {
        dash--;
    }
    *ret_upstream = dash > 0 ? sl_view_sub(rest, 0, dash - 1) : rest;
    *ret_revision = dash > 0 ? sl_view_sub(rest, dash, rest.n) : *ret_revision;
    for (size_t i = 0; i < rest.n; i++) {
        uint8_t c = rest.p[i];
        if (!is_digit(c) && !is_alpha(c) && strchr(".+-~:", c) == NULL) {
            return false;
        }
    }
    return ret_upstream->n > 0 && is_digit(ret_upstream->p[0]);
}

static sl_res debian_cmp(sl_view a, sl_view b, int *ret_order)
{
    sl_view epoch[2];
    sl_view upstream[2];
    sl_view revision[2];
    SL_NEED(debian_split(a, &epoch[0], &upstream[0], &revision[0]), SL_E_SYNTAX);
    SL_NEED(debian_split(b, &epoch[1], &upstream[1], &revision[1]), SL_E_SYNTAX);
    int order = number_cmp(epoch[0], epoch[1]);
    order = order != 0 ? order : debian_part_cmp(upstream[0], upstream[1]);
    *ret_order = order != 0 ? order : debian_part_cmp(revision[0], revision[1]);
    return SL_DONE;
}

sl_res sl_version_cmp(sl_ecosystem e, sl_view a, sl_view b, int *ret_order)
{
    if (a.n > SL_VERSION_BYTES_MAX || b.n > SL_VERSION_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "bytes of a version", SL_VERSION_BYTES_MAX);
    }
    switch (e) {
    case SL_ECOSYSTEM_PYPI:
    case SL_ECOSYSTEM_CONDA:
        return pypi_cmp(a, b, ret_order);
    case SL_ECOSYSTEM_NPM:
    case SL_ECOSYSTEM_CRATES:
        return semver_cmp(a, b, ret_order);
    case SL_ECOSYSTEM_CRAN:
    case SL_ECOSYSTEM_BIOCONDUCTOR:
        return r_cmp(a, b, ret_order);
    case SL_ECOSYSTEM_DEBIAN:
        return debian_cmp(a, b, ret_order);
    case SL_ECOSYSTEM_COUNT:
        break;
    }
    return sl_fail(SL_E_BUG);
}
