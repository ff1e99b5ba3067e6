/* The page for readers (posture.h), in two forms of one text. Everything that is not a literal is escaped: ids and
 * names come from data files and from the ledger. */
#include "assure/posture.h"

#include <inttypes.h>

#include "base/clock.h"

void sl_posture_totals(const sl_posture *p, size_t ret_totals[4])
{
    memset(ret_totals, 0, 4 * sizeof *ret_totals);
    for (size_t i = 0; i < sl_catalogue_count(p->catalogue); i++) {
        ret_totals[p->answers[i].state]++;
    }
}

typedef struct {
    sl_buf *out;
    bool html;
    sl_res r; /* the first failure; later calls do nothing */
} page;

static void raw(page *g, const char *text)
{
    g->r = sl_ok(g->r) ? sl_buf_add_str(g->out, text) : g->r;
}

/* Text as text: no markup of either form comes out of it. */
static void text(page *g, sl_view v)
{
    for (size_t i = 0; i < v.n && sl_ok(g->r); i++) {
        uint8_t c = v.p[i];
        const char *instead = NULL;
        if (c == '<') {
            instead = "&lt;";
        } else if (c == '>') {
            instead = "&gt;";
        } else if (c == '&') {
            instead = "&amp;";
        } else if (c == '"') {
            instead = "&quot;";
        } else if (c == '|' && !g->html) {
            instead = "\\|";
        } else if (c < 0x20) {
            instead = " ";
        }
        g->r = instead != NULL ? sl_buf_add_str(g->out, instead) : sl_buf_add_byte(g->out, c);
    }
}

static void str(page *g, const char *s)
{
    text(g, sl_view_str(s));
}

static void number(page *g, uint64_t n)
{
    g->r = sl_ok(g->r) ? sl_buf_addf(g->out, "%" PRIu64, n) : g->r;
}

static void heading(page *g, const char *s)
{
    raw(g, g->html ? "\n<h2>" : "\n## ");
    str(g, s);
    raw(g, g->html ? "</h2>\n" : "\n\n");
}

static void begin_table(page *g, const char *const *columns, size_t n)
{
    raw(g, g->html ? "<table><tr>" : "|");
    for (size_t i = 0; i < n; i++) {
        raw(g, g->html ? "<th>" : " ");
        str(g, columns[i]);
        raw(g, g->html ? "</th>" : " |");
    }
    raw(g, g->html ? "</tr>\n" : "\n|");
    for (size_t i = 0; i < n && !g->html; i++) {
        raw(g, "---|");
    }
    raw(g, g->html ? "" : "\n");
}

static void begin_row(page *g)
{
    raw(g, g->html ? "<tr>" : "|");
}

static void begin_cell(page *g)
{
    raw(g, g->html ? "<td>" : " ");
}

static void end_cell(page *g)
{
    raw(g, g->html ? "</td>" : " |");
}

static void end_row(page *g)
{
    raw(g, g->html ? "</tr>\n" : "\n");
}

static void end_table(page *g)
{
    raw(g, g->html ? "</table>\n" : "");
}

static void cell(page *g, sl_view v)
{
    begin_cell(g);
    text(g, v);
    end_cell(g);
}

static void when(page *g, int64_t ms)
{
    char t[SL_CLOCK_TEXT_BYTES];
    sl_clock_text(ms, t);
    str(g, t);
}

/* The leaves that show it, each a link to its receipt where there are receipts. */
static void evidence(page *g, const sl_posture *p, const sl_answer *a)
{
    begin_cell(g);
    for (size_t i = 0; i < a->evidence_count; i++) {
        bool link = p->receipts != NULL;
        raw(g, i == 0 ? "" : " ");
        if (link && g->html) {
            raw(g, "<a href=\"");
            str(g, p->receipts);
            raw(g, "/leaf-");
            number(g, a->evidence[i]);
            raw(g, ".receipt\">");
        } else if (link) {
            raw(g, "[");
        }
        number(g, a->evidence[i]);
        if (link && g->html) {
            raw(g, "</a>");
        } else if (link) {
            raw(g, "](");
            str(g, p->receipts);
            raw(g, "/leaf-");
            number(g, a->evidence[i]);
            raw(g, ".receipt)");
        }
    }
    end_cell(g);
}

static void begin_page(page *g, const sl_posture *p)
{
    if (g->html) {
        raw(g, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
               "<meta http-equiv=\"Content-Security-Policy\" "
               "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>Assurance of ");
        text(g, p->origin);
        raw(g,
            "</title>\n<style>body{font:15px/1.45 sans-serif;max-width:76em;margin:2em auto;"
            "padding:0 1em}table{border-collapse:collapse;width:100%}th,td{text-align:left;"
            "vertical-align:top;border-bottom:1px solid #ccc;padding:.3em .6em}"
            "code{overflow-wrap:anywhere}@media print{body{font-size:11px}}</style></head><body>\n"
            "<h1>Assurance of ");
    } else {
        raw(g, "# Assurance of ");
    }
    text(g, p->origin);
    raw(g, g->html ? "</h1>\n<p>" : "\n\n");
}

static void put_ledger(page *g, const sl_posture *p)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&p->root, hex);
    raw(g, "Asked at ");
    when(g, p->now_ms);
    raw(g, " of a ledger of ");
    number(g, p->size);
    raw(g, " leaves, every one of which was proved to stand under the signed root ");
    raw(g, g->html ? "<code>" : "`");
    raw(g, hex);
    raw(g, g->html ? "</code>.</p>\n<p>" : "`.\n\n");
    raw(g, "Numbers under evidence are leaves: ");
    raw(g, g->html ? "<code>" : "`");
    raw(g, "stoplog ledger show N");
    raw(g, g->html ? "</code> prints one, <code>" : "` prints one, `");
    raw(g, "stoplog ledger prove N");
    raw(g, g->html ? "</code> a receipt that <code>" : "` a receipt that `");
    raw(g, "stoplog ledger verify-receipt");
    raw(g, g->html ? "</code> checks without us.</p>\n" : "` checks without us.\n");
}

static void put_figures(page *g, const sl_posture *p)
{
    static const char *const columns[] = { "pass", "fail", "unknown", "outside" };
    size_t totals[4];
    sl_posture_totals(p, totals);
    heading(g, "Where it stands");
    begin_table(g, columns, SL_COUNT_OF(columns));
    begin_row(g);
    for (size_t s = 0; s < 4; s++) {
        begin_cell(g);
        number(g, totals[s]);
        end_cell(g);
    }
    end_row(g);
    end_table(g);
    raw(g, g->html ? "<p>" : "\n");
    raw(g,
        "Unknown is not green: it counts against us until fresh evidence is there. Outside means that "
        "the ledger\nnames nothing that the check could be about.");
    raw(g, g->html ? "</p>\n" : "\n");
}

static void put_check(page *g, const sl_posture *p, size_t at)
{
    const sl_check *check = sl_catalogue_check(p->catalogue, at);
    const sl_answer *a = &p->answers[at];
    begin_row(g);
    cell(g, check->id);
    cell(g, check->severity);
    cell(g, check->states);
    cell(g, sl_view_str(a->why));
    evidence(g, p, a);
    begin_cell(g);
    if (a->fresh_until_ms != 0) {
        when(g, a->fresh_until_ms);
    }
    end_cell(g);
    begin_cell(g);
    text(g, check->owner);
    if (a->state == SL_STATE_FAIL) {
        raw(g, ": ");
        text(g, check->remedy);
    }
    end_cell(g);
    end_row(g);
}

static void put_state(page *g, const sl_posture *p, sl_state state, const char *title)
{
    static const char *const columns[] = { "check",   "severity", "what a pass states",
                                           "why",     "evidence", "fresh until",
                                           "who acts" };
    size_t totals[4];
    sl_posture_totals(p, totals);
    if (totals[state] == 0) {
        return;
    }
    heading(g, title);
    begin_table(g, columns, SL_COUNT_OF(columns));
    for (size_t i = 0; i < sl_catalogue_count(p->catalogue) && sl_ok(g->r); i++) {
        if (p->answers[i].state == state) {
            put_check(g, p, i);
        }
    }
    end_table(g);
}

static void put_drills(page *g, const sl_posture *p)
{
    if (p->drills.n == 0) {
        return;
    }
    heading(g, "Drills");
    raw(g, g->html ? "<pre>" : "");
    if (g->html) {
        sl_view rest = p->drills;
        while (rest.n != 0 && sl_ok(g->r)) {
            sl_view line;
            (void)sl_view_cut(rest, '\n', &line, &rest);
            text(g, line);
            raw(g, "\n");
        }
    } else if (sl_ok(g->r)) {
        g->r = sl_buf_add(g->out, p->drills);
    }
    raw(g, g->html ? "</pre>\n" : "");
}

static sl_res write_page(const sl_posture *p, bool html, sl_buf *out)
{
    page g = { out, html, SL_DONE };
    begin_page(&g, p);
    put_ledger(&g, p);
    put_figures(&g, p);
    put_state(&g, p, SL_STATE_FAIL, "What fails");
    put_state(&g, p, SL_STATE_UNKNOWN, "What is unknown");
    put_state(&g, p, SL_STATE_PASS, "What passes");
    put_state(&g, p, SL_STATE_OUTSIDE, "What is outside");
    put_drills(&g, p);
    raw(&g, html ? "</body></html>\n" : "");
    return g.r;
}

sl_res sl_posture_markdown(const sl_posture *p, sl_buf *out)
{
    return write_page(p, false, out);
}

sl_res sl_posture_html(const sl_posture *p, sl_buf *out)
{
    return write_page(p, true, out);
}
