/* The public scanning API (include/stoplog/scan.h) over src/artefact. Adapts only. */
#include "stoplog/scan.h"

#include <stdlib.h>
#include <string.h>

#include "artefact/scan.h"
#include "base/random.h"

#define EXPORT __attribute__((visibility("default")))

struct stoplog_scanner {
    sl_allow *allow;
    uint64_t key[2];
};

/* The texts of findings, NUL-ended, lie in the result's own arena. */
struct stoplog_scan {
    sl_scan_result result;
    stoplog_scan_finding *findings;
};

static sl_res fill(stoplog_scanner *s)
{
    SL_TRY(sl_random_bytes(s->key, sizeof s->key));
    return sl_allow_own(&s->allow);
}

EXPORT stoplog_scanner *stoplog_scanner_new(const char **ret_why)
{
    stoplog_scanner *s = calloc(1, sizeof *s);
    sl_res r = s == NULL ? sl_fail(SL_E_MEMORY) : fill(s);
    if (sl_ok(r)) {
        return s;
    }
    if (ret_why != NULL) {
        *ret_why = sl_res_text(r);
    }
    stoplog_scanner_free(s);
    return NULL;
}

EXPORT void stoplog_scanner_free(stoplog_scanner *scanner)
{
    if (scanner != NULL) {
        sl_allow_free(&scanner->allow);
        free(scanner);
    }
}

static sl_res read_bytes(void *ctx, uint64_t offset, void *to, size_t n, size_t *ret_got)
{
    const sl_view *bytes = ctx;
    size_t from = offset > bytes->n ? bytes->n : (size_t)offset;
    *ret_got = bytes->n - from < n ? bytes->n - from : n;
    if (*ret_got > 0) {
        memcpy(to, bytes->p + from, *ret_got);
    }
    return SL_DONE;
}

static const char *text_of(sl_arena *arena, sl_view text)
{
    char *copy = sl_arena_alloc(arena, text.n + 1);
    if (copy != NULL && text.n > 0) {
        memcpy(copy, text.p, text.n);
    }
    if (copy != NULL) {
        copy[text.n] = 0;
    }
    return copy;
}

/* One finding as callers see it; false: no memory for its texts. */
static bool show(sl_arena *arena, const sl_scan_finding *f, stoplog_scan_finding *ret)
{
    const sl_rule_info *rule = sl_rule_get(f->rule);
    *ret = (stoplog_scan_finding){ .rule = rule->name,
                                   .severity = sl_severity_name(rule->severity),
                                   .verdict = sl_scan_class_name(rule->class),
                                   .member = text_of(arena, f->member),
                                   .evidence = text_of(arena, f->evidence),
                                   .title = rule->title,
                                   .remedy = rule->remedy,
                                   .refs = rule->refs,
                                   .offset = f->offset };
    return ret->member != NULL && ret->evidence != NULL;
}

static sl_res scan(const stoplog_scanner *scanner, sl_view bytes, const char *name, stoplog_scan *s)
{
    const sl_scan_input input = { .read = read_bytes,
                                  .ctx = &bytes,
                                  .size = bytes.n,
                                  .name = sl_view_str(name),
                                  .allow = scanner->allow,
                                  .key = { scanner->key[0], scanner->key[1] } };
    SL_TRY(sl_scan_run(&input, &s->result));
    s->findings = sl_arena_array(&s->result.arena, s->result.finding_count + 1, sizeof *s->findings);
    SL_NEED(s->findings != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < s->result.finding_count; i++) {
        SL_NEED(show(&s->result.arena, &s->result.findings[i], &s->findings[i]), SL_E_MEMORY);
    }
    return SL_DONE;
}

EXPORT stoplog_scan *stoplog_scan_bytes(const stoplog_scanner *scanner, const void *bytes, size_t length,
                                        const char *name)
{
    stoplog_scan *s = calloc(1, sizeof *s);
    if (s != NULL && !sl_ok(scan(scanner, sl_view_of(bytes, length), name, s))) {
        stoplog_scan_free(s);
        return NULL;
    }
    return s;
}

EXPORT void stoplog_scan_free(stoplog_scan *scan)
{
    if (scan != NULL) {
        sl_scan_result_free(&scan->result);
        free(scan);
    }
}

EXPORT const char *stoplog_scan_class(const stoplog_scan *scan)
{
    return sl_scan_class_name(scan->result.class);
}

EXPORT bool stoplog_scan_complete(const stoplog_scan *scan)
{
    return scan->result.complete;
}

EXPORT const char *stoplog_scan_kind(const stoplog_scan *scan)
{
    return sl_kind_name(scan->result.kind);
}

EXPORT bool stoplog_scan_names_others(const stoplog_scan *scan)
{
    return scan->result.outside_count > 0;
}

EXPORT size_t stoplog_scan_finding_count(const stoplog_scan *scan)
{
    return scan->result.finding_count;
}

EXPORT stoplog_scan_finding stoplog_scan_finding_get(const stoplog_scan *scan, size_t index)
{
    return index < scan->result.finding_count ? scan->findings[index] : (stoplog_scan_finding){ 0 };
}
