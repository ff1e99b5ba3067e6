/* What the tests of formats share: an artefact built in memory is scanned under a name, and its
 * findings are looked up by rule. */
#ifndef SL_TESTS_FORMAT_CASE_H
#define SL_TESTS_FORMAT_CASE_H

#include <stdio.h>
#include <string.h>

#include "test.h"

#include "artefact/scan.h"
#include "base/limits.h"

static inline sl_res format_read(void *ctx, uint64_t offset, void *to, size_t n, size_t *ret_got)
{
    const sl_view *bytes = ctx;
    sl_view part = offset > bytes->n ? (sl_view){ 0 }
                                     : sl_view_sub(*bytes, (size_t)offset, (size_t)offset + n);
    if (part.n > 0) {
        memcpy(to, part.p, part.n);
    }
    *ret_got = part.n;
    return SL_DONE;
}

/* Free the result with sl_scan_result_free. */
static inline sl_scan_result format_scan(sl_view bytes, const char *name)
{
    static sl_allow *allow; /* read once: thousands of small cases */
    sl_scan_result result = { 0 };
    if (allow == NULL) {
        assert_done(sl_allow_read(sl_allow_pack(), &allow));
    }
    const sl_scan_input input = { .read = format_read,
                                  .allow = allow,
                                  .ctx = &bytes,
                                  .size = bytes.n,
                                  .name = sl_view_str(name),
                                  .key = { 1, 2 } };
    assert_done(sl_scan_run(&input, &result));
    return result;
}

static inline bool format_found(const sl_scan_result *result, sl_rule rule)
{
    for (size_t i = 0; i < result->finding_count; i++) {
        if (result->findings[i].rule == rule) {
            return true;
        }
    }
    return false;
}

static inline void format_print(const sl_scan_result *result, const char *what)
{
    print_error("%s: %s%s, %s\n", what, sl_scan_class_name(result->class),
                result->complete ? "" : " (partial)", sl_kind_name(result->kind));
    for (size_t i = 0; i < result->finding_count; i++) {
        const sl_scan_finding *f = &result->findings[i];
        print_error("  %s at %lld in \"%.*s\": %.*s\n", sl_rule_get(f->rule)->name,
                    (long long)f->offset, SL_FMT(f->member), SL_FMT(f->evidence));
    }
}

/* The artefact must be found to break `rule`. */
static inline void assert_rule_of(sl_view bytes, const char *name, sl_rule rule, const char *what)
{
    sl_scan_result result = format_scan(bytes, name);
    bool found = format_found(&result, rule);
    if (!found) {
        print_error("%s is missing\n", sl_rule_get(rule)->name);
        format_print(&result, what);
    }
    sl_scan_result_free(&result);
    assert_true(found);
}

/* The artefact must be clean, of the kind named, and read to its end. */
static inline void assert_clean_of(sl_view bytes, const char *name, sl_kind kind, const char *what)
{
    sl_scan_result result = format_scan(bytes, name);
    bool good =
        result.class == SL_SCAN_CLEAN && result.complete && result.hashed && result.kind == kind;
    if (!good) {
        format_print(&result, what);
    }
    sl_scan_result_free(&result);
    assert_true(good);
}

/* No prefix of a good artefact, and no good artefact with any one byte changed, may break the parser;
 * and no proper prefix longer than `least` may be clean. */
static inline void assert_sturdy_of(sl_view good, const char *name, size_t least)
{
    for (size_t n = 0; n < good.n; n++) {
        sl_scan_result result = format_scan(sl_view_sub(good, 0, n), name);
        bool clean = result.class == SL_SCAN_CLEAN;
        if (clean && n > least) {
            format_print(&result, "a prefix");
        }
        sl_scan_result_free(&result);
        assert_false(clean && n > least);
    }
    uint8_t changed[8192];
    assert_true(good.n <= sizeof(changed));
    for (size_t i = 0; i < good.n; i++) {
        memcpy(changed, good.p, good.n);
        for (unsigned bit = 0; bit < 9; bit++) {
            changed[i] = bit == 8 ? (uint8_t)~good.p[i] : (uint8_t)(good.p[i] ^ (1u << bit));
            sl_scan_result result = format_scan(sl_view_of(changed, good.n), name);
            sl_scan_result_free(&result);
        }
    }
}

#endif
