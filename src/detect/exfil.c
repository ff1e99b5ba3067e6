/* The exfil engine (exfil.h): every "//" with a host behind it, judged by what stands around it.
 * It looks back a bounded distance, so cost is linear; it never resolves or fetches anything. */
#include "detect/exfil.h"

#include "detect/words.h"

#define LOOK_BACK ((size_t)512)

static bool is_slash(uint8_t b)
{
    return b == '/' || b == '\\';
}

static bool ends_url(uint8_t b)
{
    return sl_is_blank(b) || b == '"' || b == '\'' || b == '<' || b == '>' || b == ')' ||
           b == ']' || b == '`' || b < 0x20;
}

bool sl_exfil_allowed(sl_view allowed, sl_view host)
{
    while (allowed.n != 0) {
        sl_view line;
        (void)sl_view_cut(allowed, '\n', &line, &allowed);
        line = sl_view_trim(line);
        if (line.n == 0 || line.p[0] == '#') {
            continue;
        }
        if (line.n > 2 && line.p[0] == '*' && line.p[1] == '.') {
            sl_view tail = sl_view_sub(line, 1, line.n);
            if (host.n > tail.n &&
                sl_view_eq_nocase(sl_view_sub(host, host.n - tail.n, host.n), tail)) {
                return true;
            }
        } else if (sl_view_eq_nocase(line, host)) {
            return true;
        }
    }
    return false;
}

/* The host of the authority that begins at `at`: without user information and port. */
static sl_view host_at(sl_view t, size_t at)
{
    size_t end = at;
    size_t start = at;
    while (end < t.n && end - at < 512 && !ends_url(t.p[end]) && !is_slash(t.p[end]) &&
           t.p[end] != '?' && t.p[end] != '#') {
        if (t.p[end] == '@') {
            start = end + 1;
        }
        end++;
    }
    size_t stop = start;
    while (stop < end && t.p[stop] != ':') {
        stop++;
    }
    while (stop > start && t.p[stop - 1] == '.') {
        stop--;
    }
    return sl_view_sub(t, start, stop);
}

static bool is_host(sl_view host)
{
    if (host.n == 0) {
        return false;
    }
    bool dot = false;
    for (size_t i = 0; i < host.n; i++) {
        if (!sl_is_word(host.p[i]) && host.p[i] != '-' && host.p[i] != '.' && host.p[i] != '_') {
            return false;
        }
        dot = dot || host.p[i] == '.';
    }
    return dot || sl_view_eq_str(host, "localhost");
}

static size_t url_end(sl_view t, size_t at)
{
    size_t limit = t.n - at > SL_EXFIL_URL_MAX ? at + SL_EXFIL_URL_MAX : t.n;
    while (at < limit && !ends_url(t.p[at])) {
        at++;
    }
    return at;
}

/* Where the bracket that `close` (a ']') ends was opened, or SIZE_MAX. */
static size_t bracket_open(sl_view t, size_t close)
{
    size_t depth = 0;
    for (size_t i = close; close - i < LOOK_BACK; i--) {
        if (t.p[i] == ']') {
            depth++;
        } else if (t.p[i] == '[' && --depth == 0) {
            return i;
        }
        if (i == 0) {
            break;
        }
    }
    return SIZE_MAX;
}

static bool name_before(sl_view t, size_t end, const char *name)
{
    size_t n = strlen(name);
    return end >= n && sl_view_eq_nocase(sl_view_sub(t, end - n, end), sl_view_str(name));
}

/* Does an HTML attribute or CSS url( end right before `at` (blanks and a quote aside)? */
static bool attribute_before(sl_view t, size_t at, sl_class *ret_kind)
{
    static const char *const SOURCES[] = { "src",  "srcset", "poster",     "background",
                                           "data", "action", "formaction", "code",
                                           "cite", "lowsrc", "dynsrc" };
    while (at > 0 && (t.p[at - 1] == '"' || t.p[at - 1] == '\'' || t.p[at - 1] == ' ')) {
        at--;
    }
    if (name_before(t, at, "url(")) {
        *ret_kind = SL_CLASS_HTML_SOURCE;
        return true;
    }
    if (at == 0 || t.p[at - 1] != '=') {
        return false;
    }
    at--;
    while (at > 0 && sl_is_blank(t.p[at - 1])) {
        at--;
    }
    if (name_before(t, at, "href")) {
        *ret_kind = SL_CLASS_REMOTE_LINK;
        return true;
    }
    for (size_t i = 0; i < SL_COUNT_OF(SOURCES); i++) {
        if (name_before(t, at, SOURCES[i])) {
            *ret_kind = SL_CLASS_HTML_SOURCE;
            return true;
        }
    }
    return false;
}

/* "](URL" and "]: URL": images, links, reference definitions. */
static bool markdown_before(sl_view t, size_t at, sl_exfil_link *out)
{
    size_t i = at;
    while (i > 0 && (t.p[i - 1] == ' ' || t.p[i - 1] == '<' || t.p[i - 1] == '\t')) {
        i--;
    }
    bool inline_link = i >= 2 && t.p[i - 1] == '(' && t.p[i - 2] == ']';
    bool reference = i >= 2 && t.p[i - 1] == ':' && t.p[i - 2] == ']';
    if (!inline_link && !reference) {
        return false;
    }
    size_t open = bracket_open(t, i - 2);
    bool image = inline_link && open != SIZE_MAX && open > 0 && t.p[open - 1] == '!';
    out->kind = image ? SL_CLASS_REMOTE_IMAGE : SL_CLASS_REMOTE_LINK;
    out->score = image || reference ? 950 : 850;
    out->unsure = open == SIZE_MAX;
    if (open != SIZE_MAX) {
        out->start = image ? open - 1 : open;
    }
    if (inline_link && out->end < t.n && t.p[out->end] == ')') {
        out->end++;
    }
    return true;
}

static void classify(sl_view t, size_t scheme_start, sl_exfil_link *out)
{
    sl_class kind;
    if (markdown_before(t, scheme_start, out)) {
        return;
    }
    if (attribute_before(t, scheme_start, &kind)) {
        out->kind = kind;
        out->score = kind == SL_CLASS_HTML_SOURCE ? 950 : 800;
        return;
    }
    out->kind = SL_CLASS_AUTOLINK;
    out->score = scheme_start > 0 && t.p[scheme_start - 1] == '<' ? 800 : 500;
}

/* The scheme's first letter when "scheme:" stands before the slashes, else the slashes' own place. */
static size_t scheme_start(sl_view t, size_t slashes, bool *ret_scheme)
{
    *ret_scheme = slashes > 0 && t.p[slashes - 1] == ':';
    if (!*ret_scheme) {
        return slashes;
    }
    size_t at = slashes - 1;
    while (at > 0 && slashes - at < 16 && sl_is_word(t.p[at - 1])) {
        at--;
    }
    return at;
}

/* Slashes without a scheme name a host only where a link is expected. */
static bool relative_expected(sl_view t, size_t at)
{
    if (at == 0) {
        return false;
    }
    uint8_t b = t.p[at - 1];
    return b == '(' || b == '"' || b == '\'' || b == '=' ||
           (b == ' ' && at > 1 && t.p[at - 2] == ':');
}

sl_res sl_exfil_each(sl_view folded, sl_exfil_take *take, void *context)
{
    size_t slash = sl_view_find_byte(folded, '/', 1);
    size_t turned = sl_view_find_byte(folded, '\\', 1);
    for (size_t i = 1;; i++) {
        slash = slash < i ? sl_view_find_byte(folded, '/', i) : slash;
        turned = turned < i ? sl_view_find_byte(folded, '\\', i) : turned;
        i = slash < turned ? slash : turned;
        if (i == SIZE_MAX) {
            return SL_DONE;
        }
        if (i + 1 >= folded.n || !is_slash(folded.p[i + 1])) {
            continue;
        }
        bool scheme = false;
        size_t start = scheme_start(folded, i, &scheme);
        sl_view host = host_at(folded, i + 2);
        if (is_host(host) && (scheme || relative_expected(folded, i))) {
            size_t end = url_end(folded, i + 2);
            sl_exfil_link one = {
                .start = start, .end = end, .address = start, .address_end = end, .host = host
            };
            classify(folded, start, &one);
            SL_TRY(take(context, &one));
        }
        i += 1;
    }
}

typedef struct {
    sl_view allowed;
    sl_findings *findings;
} scanning;

static sl_res take_stranger(void *context, const sl_exfil_link *link)
{
    scanning *s = context;
    if (sl_exfil_allowed(s->allowed, link->host)) {
        return SL_DONE;
    }
    return sl_findings_add(s->findings, (sl_finding){ .start = link->start,
                                                      .end = link->end,
                                                      .attribution = SL_NO_ATTRIBUTION,
                                                      .rule = SL_NO_RULE,
                                                      .policy_rule = SL_NO_RULE,
                                                      .score_permille = link->score,
                                                      .detector = SL_DETECTOR_EXFIL,
                                                      .kind = (uint8_t)link->kind,
                                                      .view = SL_VIEW_PLAIN });
}

sl_res sl_exfil_scan(sl_view allowed, sl_view folded, sl_findings *findings)
{
    scanning s = { allowed, findings };
    return sl_exfil_each(folded, take_stranger, &s);
}
