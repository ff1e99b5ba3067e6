/* Applying judged findings to a text (transform.h). One pass from left to right over the union of
 * overlapping findings; what is not in a finding is copied byte for byte. */
#include "detect/transform.h"

#include "base/utf8.h"
#include "detect/words.h"

static bool acts(const sl_finding *f)
{
    return f->verdict == SL_VERDICT_TRANSFORM && f->transform != SL_TRANSFORM_NONE;
}

/* Overlapping findings rewritten as one: the transform that keeps least wins, and a restoration only
 * stands alone. */
static unsigned strength(uint8_t transform)
{
    static const uint8_t ORDER[SL_TRANSFORM_COUNT] = {
        [SL_TRANSFORM_NONE] = 0,       [SL_TRANSFORM_RESTORE] = 1, [SL_TRANSFORM_PSEUDONYM] = 2,
        [SL_TRANSFORM_GENERALISE] = 3, [SL_TRANSFORM_CLASS] = 4,   [SL_TRANSFORM_MASK] = 5,
        [SL_TRANSFORM_REMOVE] = 6,
    };
    return ORDER[transform];
}

static sl_res add_mask(sl_view text, sl_buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if (sl_utf8_boundary(text, i)) {
            SL_TRY(sl_buf_add_byte(out, '*'));
        }
    }
    return SL_DONE;
}

static sl_res add_class(sl_class kind, sl_buf *out)
{
    SL_TRY(sl_buf_add_byte(out, '['));
    for (const char *c = sl_class_name(kind); *c != 0; c++) {
        uint8_t b = (uint8_t)*c;
        SL_TRY(sl_buf_add_byte(out, b >= 'a' && b <= 'z' ? (uint8_t)(b - 32) : b));
    }
    return sl_buf_add_byte(out, ']');
}

/* A four digit year in a date, or SIZE_MAX. */
static size_t year_at(sl_view text)
{
    for (size_t i = 0; i + 4 <= text.n; i++) {
        bool four = sl_is_digit(text.p[i]) && sl_is_digit(text.p[i + 1]) &&
                    sl_is_digit(text.p[i + 2]) && sl_is_digit(text.p[i + 3]);
        bool alone = (i == 0 || !sl_is_digit(text.p[i - 1])) &&
                     (i + 4 == text.n || !sl_is_digit(text.p[i + 4]));
        if (four && alone) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* What Safe Harbor leaves: a date's year, three digits of a ZIP code, "90+". */
static sl_res add_general(sl_class kind, sl_view text, sl_buf *out)
{
    if (kind == SL_CLASS_DATE && year_at(text) != SIZE_MAX) {
        return sl_buf_add(out, sl_view_sub(text, year_at(text), year_at(text) + 4));
    }
    if (kind == SL_CLASS_ZIP && text.n >= 5 && sl_is_digit(text.p[0])) {
        SL_TRY(sl_buf_add(out, sl_view_sub(text, 0, 3)));
        return sl_buf_add_str(out, "**");
    }
    if (kind == SL_CLASS_AGE90) {
        return sl_buf_add_str(out, "90+");
    }
    return add_class(kind, out);
}

static sl_res apply_one(const sl_finding *f, sl_view text, sl_pseudonyms *map, sl_buf *out)
{
    switch ((sl_transform)f->transform) {
    case SL_TRANSFORM_MASK:
        return add_mask(text, out);
    case SL_TRANSFORM_CLASS:
        return add_class((sl_class)f->kind, out);
    case SL_TRANSFORM_PSEUDONYM:
        SL_NEED(map != NULL, SL_E_BUG);
        return sl_pseudonyms_get(map, (sl_class)f->kind, text, out);
    case SL_TRANSFORM_GENERALISE:
        return add_general((sl_class)f->kind, text, out);
    case SL_TRANSFORM_RESTORE:
        SL_NEED(map != NULL, SL_E_BUG);
        return sl_pseudonyms_restore(map, text, out);
    case SL_TRANSFORM_REMOVE:
        return SL_DONE;
    case SL_TRANSFORM_NONE:
    case SL_TRANSFORM_COUNT:
    default:
        return sl_fail(SL_E_BUG);
    }
}

sl_res sl_transform_apply(sl_view text, const sl_findings *findings, sl_pseudonyms *map,
                          sl_buf *out, size_t *ret_applied)
{
    size_t at = 0;
    size_t applied = 0;
    for (size_t i = 0; i < findings->n;) {
        sl_finding all = findings->items[i++];
        if (!acts(&all)) {
            continue;
        }
        /* The longest of a union names its class. */
        size_t longest = all.end - all.start;
        for (; i < findings->n; i++) {
            const sl_finding *next = &findings->items[i];
            if (!acts(next)) {
                continue;
            }
            if (next->start >= all.end) {
                break;
            }
            if (next->end - next->start > longest) {
                longest = next->end - next->start;
                all.kind = next->kind;
            }
            all.end = next->end > all.end ? next->end : all.end;
            if (strength(next->transform) > strength(all.transform)) {
                all.transform = next->transform;
            }
        }
        SL_TRY(sl_buf_add(out, sl_view_sub(text, at, all.start)));
        SL_TRY(apply_one(&all, sl_view_sub(text, all.start, all.end), map, out));
        at = all.end;
        applied++;
    }
    SL_TRY(sl_buf_add(out, sl_view_sub(text, at, text.n)));
    *ret_applied = applied;
    return SL_DONE;
}

sl_res sl_transform_restore(sl_view text, const sl_pseudonyms *map, sl_buf *out)
{
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    SL_TRY(sl_pseudonyms_find(map, text, &found));
    sl_findings_sort(&found);
    size_t at = 0;
    for (size_t i = 0; i < found.n; i++) {
        const sl_finding *f = &found.items[i];
        if (f->start < at) {
            continue;
        }
        SL_TRY(sl_buf_add(out, sl_view_sub(text, at, f->start)));
        SL_TRY(sl_pseudonyms_restore(map, sl_view_sub(text, f->start, f->end), out));
        at = f->end;
    }
    return sl_buf_add(out, sl_view_sub(text, at, text.n));
}
