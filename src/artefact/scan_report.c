/* Findings of a scan: rules, evidence made printable, paths, budgets (scan.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "artefact/scan_impl.h"

#define FINDINGS_MAX ((size_t)1000)
#define OUTSIDE_MAX ((size_t)1000)
#define SAME_RULE_MAX 24

static const sl_rule_info rules[] = {
#define R(id, name, severity, class, title, remedy, refs)                                          \
    [SL_RULE_##id] = { name, severity, class, title, remedy, refs },
#include "artefact/rules.def"
#undef R
};

const sl_rule_info *sl_rule_get(sl_rule rule)
{
    return &rules[rule];
}

const char *sl_scan_class_name(sl_scan_class class)
{
    static const char *const names[] = { "clean", "unknown", "malformed", "dangerous" };
    return names[class];
}

const char *sl_severity_name(sl_severity severity)
{
    static const char *const names[] = { "info", "low", "medium", "high", "critical" };
    return names[severity];
}

bool sl_probe_begins(const sl_probe *probe, const char *magic, size_t n)
{
    return probe->head.n > n && memcmp(probe->head.p, magic, n) == 0;
}

sl_res sl_scan_printable(sl_arena *arena, sl_view bytes, size_t max, sl_view *ret_text)
{
    static const char hex[] = "0123456789abcdef";
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = max + 8 };
    for (size_t i = 0; i < bytes.n && out.n < max; i++) {
        uint8_t c = bytes.p[i];
        if (c >= 0x20 && c < 0x7f && c != '\\') {
            SL_TRY(sl_buf_add_byte(&out, c));
        } else if (c == '\n') {
            SL_TRY(sl_buf_add_str(&out, "\\n"));
        } else {
            const char escaped[] = { '\\', 'x', hex[c >> 4], hex[c & 15], 0 };
            SL_TRY(sl_buf_add_str(&out, c == '\\' ? "\\\\" : escaped));
        }
    }
    return sl_arena_dup(arena, sl_buf_view(&out), ret_text);
}

/* Room for one more; false when there is none: then the finding is counted alone. */
static bool room(void **array, size_t count, size_t *cap, size_t size, size_t max)
{
    if (count < *cap) {
        return true;
    }
    size_t wanted = *cap == 0 ? 16 : *cap * 2;
    if (count >= max) {
        return false;
    }
    void *grown = reallocarray(*array, wanted, size);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    *cap = wanted;
    return true;
}

void sl_scan_report(sl_scan *scan, sl_rule rule, uint64_t offset, sl_view evidence)
{
    sl_scan_result *result = &scan->result;
    if (rules[rule].class > result->class) {
        result->class = rules[rule].class;
    }
    void *findings = result->findings;
    if (scan->told[rule] >= SAME_RULE_MAX ||
        !room(&findings, result->finding_count, &scan->finding_room, sizeof *result->findings,
              FINDINGS_MAX)) {
        result->suppressed++;
        return;
    }
    result->findings = findings;
    scan->told[rule]++;
    sl_scan_finding finding = { .rule = rule, .offset = offset };
    if (scan->item != NULL) {
        finding.member = scan->item->path;
    }
    if (!sl_ok(
            sl_scan_printable(&scan->arena, evidence, SL_EVIDENCE_BYTES_MAX, &finding.evidence))) {
        finding.evidence = SL_LIT("(no room for the evidence)");
    }
    result->findings[result->finding_count++] = finding;
}

void sl_scan_report_str(sl_scan *scan, sl_rule rule, uint64_t offset, const char *evidence)
{
    sl_scan_report(scan, rule, offset, sl_view_str(evidence));
}

void sl_scan_reportf(sl_scan *scan, sl_rule rule, uint64_t offset, const char *format, ...)
{
    char text[2 * SL_EVIDENCE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (n < 0) {
        n = 0;
    }
    size_t length = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    sl_scan_report(scan, rule, offset, sl_view_of(text, length));
}

void sl_scan_failed(sl_scan *scan, sl_res failed)
{
    const sl_detail *detail = sl_detail_get();
    uint64_t offset = detail->offset;
    const char *kind = sl_kind_name(scan->kind);
    scan->result.complete = false;
    if (sl_is(failed, SL_E_LIMIT) || sl_is(failed, SL_E_DEPTH)) {
        if (scan->told[SL_RULE_SCAN_LIMIT] == 0) {
            sl_scan_reportf(scan, SL_RULE_SCAN_LIMIT, offset, "%s: %s", kind,
                            detail->field[0] == 0 ? "limit" : detail->field);
        }
    } else if (sl_is(failed, SL_E_INTEGRITY)) {
        sl_scan_report_str(scan, SL_RULE_SCAN_CHANGED, offset, "");
    } else if (sl_is(failed, SL_E_IO)) {
        sl_scan_report_str(scan, SL_RULE_SCAN_READ, offset, "");
    } else if (sl_is(failed, SL_E_MEMORY)) {
        sl_scan_report_str(scan, SL_RULE_SCAN_MEMORY, SL_NOWHERE, kind);
    } else {
        sl_scan_reportf(scan, SL_RULE_SCAN_MALFORMED, offset, "%s: %s%s%s", kind,
                        sl_res_text(failed), detail->field[0] == 0 ? "" : ": ", detail->field);
    }
}

/* ---- budgets ---- */

const sl_scan_budget sl_scan_budget_default = {
    .spend = { [SL_SPEND_MEMBERS] = 100000,
               [SL_SPEND_EXPANDED] = (uint64_t)64 << 30,
               [SL_SPEND_OPCODES] = 200000000,
               [SL_SPEND_NODES] = 50000000 },
    .depth = 8,
    .ratio = 200,
    .stack = 4000000,
    .memo = 64000000,
    .json_depth = 64,
    .protobuf_depth = 100,
    .string_bytes = (uint64_t)64 << 20,
};

const sl_scan_budget *sl_scan_budget_get(const sl_scan *scan)
{
    return scan->budget;
}

sl_res sl_scan_spend(sl_scan *scan, sl_spend what, uint64_t amount)
{
    static const char *const names[] = { "members", "expanded bytes", "opcodes", "nodes" };
    uint64_t most = what == SL_SPEND_EXPANDED ? scan->expanded_max : scan->budget->spend[what];
    if (amount <= most && scan->spent[what] <= most - amount) {
        scan->spent[what] += amount;
        return SL_DONE;
    }
    scan->result.complete = false;
    if (scan->told[SL_RULE_SCAN_LIMIT] == 0) {
        sl_scan_reportf(scan, SL_RULE_SCAN_LIMIT, SL_NOWHERE, "more than %llu %s",
                        (unsigned long long)most, names[what]);
    }
    return sl_fail_at(SL_E_LIMIT, names[what], most);
}

/* ---- paths ---- */

static bool climbs(sl_view path)
{
    sl_view rest = path;
    for (;;) {
        size_t cut = 0;
        while (cut < rest.n && rest.p[cut] != '/' && rest.p[cut] != '\\') {
            cut++;
        }
        if (sl_view_eq(sl_view_sub(rest, 0, cut), SL_LIT(".."))) {
            return true;
        }
        if (cut == rest.n) {
            return false;
        }
        rest = sl_view_sub(rest, cut + 1, rest.n);
    }
}

bool sl_scan_path(sl_scan *scan, sl_view path, uint64_t offset)
{
    bool good = true;
    bool drive = path.n >= 2 && path.p[1] == ':' && ((path.p[0] | 0x20) >= 'a') &&
                 ((path.p[0] | 0x20) <= 'z');
    if (drive || (path.n != 0 && (path.p[0] == '/' || path.p[0] == '\\'))) {
        sl_scan_report(scan, SL_RULE_PATH_ABSOLUTE, offset, path);
        good = false;
    }
    if (climbs(path)) {
        sl_scan_report(scan, SL_RULE_PATH_TRAVERSAL, offset, path);
        good = false;
    }
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] < 0x20 || path.p[i] == 0x7f) {
            sl_scan_report(scan, SL_RULE_PATH_CONTROL, offset, path);
            return false;
        }
    }
    if (good && sl_view_find_byte(path, '\\', 0) != SIZE_MAX) {
        sl_scan_report(scan, SL_RULE_PATH_BACKSLASH, offset, path);
        good = false;
    }
    return good;
}

void sl_scan_external(sl_scan *scan, sl_view path, uint64_t offset, uint64_t length)
{
    sl_scan_result *result = &scan->result;
    void *outside = result->outside;
    sl_scan_outside one = { .member = scan->item->path, .offset = offset, .length = length };
    if (!room(&outside, result->outside_count, &scan->outside_room, sizeof *result->outside,
              OUTSIDE_MAX) ||
        !sl_ok(sl_arena_dup(&scan->arena, path, &one.path))) {
        scan->result.complete = false;
        sl_scan_report_str(scan, SL_RULE_SCAN_LIMIT, SL_NOWHERE, "files outside of this one");
        return;
    }
    result->outside = outside;
    result->outside[result->outside_count++] = one;
}
