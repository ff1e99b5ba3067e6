/* Which packages does an advisory speak of (advisory.h). */
#include "supply/advisory.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/limits.h"

enum { EVENTS_MAX = 512, SECONDS_BYTES = 19 /* "2026-11-01T00:00:00" */ };

typedef enum { NOT_AFFECTED, AFFECTED, CANNOT_TELL } finding;

typedef struct {
    const sl_json_doc *doc;
    sl_arena *arena;
} record;

static sl_view text_of(const record *r, const sl_json_node *object, const char *name)
{
    return sl_json_member_text(r->doc, object, name, r->arena);
}

/* "0" in an introduced event is before every version. */
static bool is_start(sl_view version)
{
    return sl_view_eq_str(version, "0");
}

static sl_res compare(const sl_package *p, sl_view version, int *ret_order)
{
    return sl_version_cmp(p->ecosystem, p->version, version, ret_order);
}

/* Events of one range in the order they are listed; each answers for the versions it speaks of. Since
 * introduced and fixed alternate by version, the state at the package's version is that of the greatest
 * event not above it, found without sorting. */
typedef struct {
    const sl_package *package;
    sl_view state_at; /* the greatest event so far; empty: none */
    bool affected;
    bool unknown;
    sl_view fixed;
} timeline;

static void take_event(timeline *t, sl_view version, bool opens, bool inclusive)
{
    int order = 1;
    if (!(opens && is_start(version)) && !sl_ok(compare(t->package, version, &order))) {
        t->unknown = true;
        return;
    }
    bool reached = inclusive ? order >= 0 : order > 0;
    int later = 1;
    if (!reached) {
        bool lower =
            t->fixed.n == 0 ||
            (sl_ok(sl_version_cmp(t->package->ecosystem, version, t->fixed, &later)) && later < 0);
        t->fixed = !opens && inclusive && lower ? version : t->fixed;
        return;
    }
    if (t->state_at.n > 0 && !is_start(t->state_at) && !is_start(version) &&
        !sl_ok(sl_version_cmp(t->package->ecosystem, version, t->state_at, &later))) {
        t->unknown = true;
        return;
    }
    if (is_start(version) && t->state_at.n > 0) {
        later = -1;
    } else if (is_start(t->state_at)) {
        later = 1;
    }
    /* At the same version a fix and a new introduction: the introduction counts. */
    if (later > 0 || (later == 0 && opens)) {
        t->state_at = version;
        t->affected = opens;
    }
}

static void take_range(const record *r, const sl_json_node *range, timeline *t)
{
    sl_json_iter it = { 0 };
    size_t n = 0;
    while (sl_json_each(r->doc, sl_json_get(r->doc, range, "events"), &it)) {
        sl_view introduced = text_of(r, it.value, "introduced");
        sl_view fixed = text_of(r, it.value, "fixed");
        sl_view last = text_of(r, it.value, "last_affected");
        if (++n > EVENTS_MAX) {
            t->unknown = true;
            return;
        }
        if (introduced.n > 0) {
            take_event(t, introduced, true, true);
        }
        if (fixed.n > 0) {
            take_event(t, fixed, false, true);
        }
        if (last.n > 0) {
            take_event(t, last, false, false);
        }
    }
}

static bool listed(const record *r, const sl_json_node *affected, sl_view version)
{
    sl_json_iter it = { 0 };
    while (sl_json_each(r->doc, sl_json_get(r->doc, affected, "versions"), &it)) {
        sl_view text = { 0 };
        if (sl_json_is(it.value, SL_JSON_STRING) &&
            sl_ok(sl_json_text(it.value, r->arena, &text)) && sl_view_eq(text, version)) {
            return true;
        }
    }
    return false;
}

static finding judge(const record *r, const sl_json_node *affected, const sl_package *package,
                     sl_view *ret_fixed)
{
    sl_json_iter it = { 0 };
    bool hit = false;
    bool unknown = package->version.n == 0;
    hit = !unknown && listed(r, affected, package->version);
    while (!unknown && sl_json_each(r->doc, sl_json_get(r->doc, affected, "ranges"), &it)) {
        sl_view type = text_of(r, it.value, "type");
        if (sl_view_eq_str(type, "ECOSYSTEM") || sl_view_eq_str(type, "SEMVER")) {
            timeline t = { .package = package };
            take_range(r, it.value, &t);
            hit = hit || (t.affected && !t.unknown);
            unknown = unknown || t.unknown;
            *ret_fixed = t.fixed.n > 0 ? t.fixed : *ret_fixed;
        }
    }
    return hit ? AFFECTED : unknown ? CANNOT_TELL : NOT_AFFECTED;
}

static void describe(const record *r, const sl_json_node *affected, sl_advisory *a)
{
    const sl_json_node *root = sl_json_root(r->doc);
    sl_json_iter it = { 0 };
    a->id = text_of(r, root, "id");
    while (sl_json_each(r->doc, sl_json_get(r->doc, root, "aliases"), &it)) {
        sl_view alias = { 0 };
        if (a->alias.n == 0 && sl_json_is(it.value, SL_JSON_STRING) &&
            sl_ok(sl_json_text(it.value, r->arena, &alias)) &&
            sl_view_starts(alias, SL_LIT("CVE-"))) {
            a->alias = alias;
        }
    }
    a->published = text_of(r, root, "published");
    a->summary = text_of(r, root, "summary");
    if (a->summary.n == 0) {
        sl_view details = text_of(r, root, "details");
        sl_view rest;
        (void)sl_view_cut(details, '\n', &a->summary, &rest);
    }
    a->severity = text_of(r, sl_json_get(r->doc, affected, "database_specific"), "severity");
    if (a->severity.n == 0) {
        a->severity = text_of(r, sl_json_get(r->doc, root, "database_specific"), "severity");
    }
    it = (sl_json_iter){ 0 };
    while (a->severity.n == 0 && sl_json_each(r->doc, sl_json_get(r->doc, root, "severity"), &it)) {
        a->severity = text_of(r, it.value, "score");
    }
}

static sl_res match_affected(const record *r, const sl_json_node *affected,
                             const sl_packages *packages, sl_advisory_found found, void *context)
{
    const sl_json_node *named = sl_json_get(r->doc, affected, "package");
    sl_ecosystem ecosystem = SL_ECOSYSTEM_COUNT;
    const sl_package *package = NULL;
    if (!sl_ecosystem_by_name(text_of(r, named, "ecosystem"), &ecosystem)) {
        return SL_DONE;
    }
    size_t n = sl_packages_find(packages, ecosystem, text_of(r, named, "name"), &package);
    for (size_t i = 0; i < n; i++) {
        sl_advisory a = { 0 };
        finding f = judge(r, affected, &package[i], &a.fixed);
        if (f != NOT_AFFECTED) {
            a.unknown = f == CANNOT_TELL;
            describe(r, affected, &a);
            SL_TRY(found(context, &package[i], &a));
        }
    }
    return SL_DONE;
}

sl_res sl_advisory_match(sl_view text, const sl_packages *packages, sl_advisory_found found,
                         void *context, char ret_modified[32])
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 2 * SL_ADVISORY_BYTES_MAX };
    record r = { &doc, &arena };
    SL_NEED(text.n <= SL_ADVISORY_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_json_parse(text, &doc));
    const sl_json_node *root = sl_json_root(&doc);
    if (text_of(&r, root, "id").n == 0) {
        return sl_fail_at(SL_E_MISSING_FIELD, "id of an advisory", SL_NOWHERE);
    }
    sl_view modified = text_of(&r, root, "modified");
    size_t n = modified.n < SECONDS_BYTES ? modified.n : SECONDS_BYTES;
    memcpy(ret_modified, modified.p != NULL ? modified.p : (const uint8_t *)"", n);
    ret_modified[n] = 0;
    if (sl_json_get(&doc, root, "withdrawn") != NULL) {
        return SL_DONE;
    }
    sl_json_iter it = { 0 };
    while (sl_json_each(&doc, sl_json_get(&doc, root, "affected"), &it)) {
        SL_TRY(match_affected(&r, it.value, packages, found, context));
    }
    return SL_DONE;
}
