/* Seams between texts. What it is for is told in seams.h. */
#include "doors/ask/seams.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* A region begins and ends in the midst of a text: what is found at such an edge may be half of
 * something and is left to the inspection of the text alone. */
enum { EDGE_BYTES = 512 };

typedef struct {
    const sl_view *texts;
    size_t n;
    size_t *starts; /* in the joined text */
    sl_view whole;  /* the texts with `between` bytes between each two */
    size_t between;
} row;

static size_t seam_of(const row *r, size_t at)
{
    return r->starts[at] + at * r->between;
}

/* The offset in the text joined without anything between. */
static size_t joined_offset(const row *r, size_t at)
{
    size_t low = 0;
    size_t high = r->n;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (seam_of(r, mid) <= at) {
            low = mid;
        } else {
            high = mid;
        }
    }
    size_t inside = at - seam_of(r, low);
    return r->starts[low] + (inside < r->texts[low].n ? inside : r->texts[low].n);
}

static sl_res take_over(const row *r, size_t from, size_t to, const sl_findings *found,
                        sl_findings *findings)
{
    for (size_t i = 0; i < found->n; i++) {
        sl_finding f = found->items[i];
        bool half = (from != 0 && f.start < EDGE_BYTES) ||
                    (to != r->whole.n && f.end + EDGE_BYTES > to - from);
        f.start = joined_offset(r, from + f.start);
        f.end = joined_offset(r, from + f.end);
        if (!half && f.start < f.end) {
            SL_TRY(sl_findings_add(findings, f));
        }
    }
    return SL_DONE;
}

/* Regions around the seams; those that touch are one. */
static sl_res inspect_row(const sl_detect *detect, sl_scratch *scratch, const row *r,
                          sl_channel channel, sl_findings *findings)
{
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    for (size_t i = 1; i < r->n;) {
        size_t seam = seam_of(r, i);
        size_t from = seam > SL_SEAM_BYTES ? seam - SL_SEAM_BYTES : 0;
        while (i < r->n && seam_of(r, i) <= seam + SL_SEAM_BYTES) {
            seam = seam_of(r, i++);
        }
        size_t to = r->whole.n - seam > SL_SEAM_BYTES ? seam + SL_SEAM_BYTES : r->whole.n;
        while (!sl_utf8_boundary(r->whole, from)) {
            from--;
        }
        while (!sl_utf8_boundary(r->whole, to)) {
            to++;
        }
        sl_findings_clear(&found);
        SL_TRY(
            sl_detect_inspect(detect, scratch, sl_view_sub(r->whole, from, to), channel, &found));
        SL_TRY(take_over(r, from, to, &found, findings));
    }
    return SL_DONE;
}

static sl_res join_by_lines(const sl_view *texts, size_t n, sl_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        SL_TRY(i == 0 ? SL_DONE : sl_buf_add_byte(out, '\n'));
        SL_TRY(sl_buf_add(out, texts[i]));
    }
    return SL_DONE;
}

sl_res sl_seams_inspect(const sl_detect *detect, sl_scratch *scratch, const sl_view *texts,
                        size_t n, sl_view joined, sl_channel channel, sl_findings *findings)
{
    SL_OWN(sl_buf, starts, sl_buf_free) = { .max = n * sizeof(size_t) };
    SL_OWN(sl_buf, lines, sl_buf_free) = { .max = joined.n + n };
    SL_TRY(sl_buf_reserve(&starts, n * sizeof(size_t)));
    row r = { .texts = texts, .n = n, .starts = (void *)starts.p, .whole = joined };
    for (size_t i = 0, at = 0; i < n; at += texts[i++].n) {
        r.starts[i] = at;
    }
    SL_TRY(inspect_row(detect, scratch, &r, channel, findings));
    SL_TRY(join_by_lines(texts, n, &lines));
    r.whole = sl_buf_view(&lines);
    r.between = 1;
    return inspect_row(detect, scratch, &r, channel, findings);
}
