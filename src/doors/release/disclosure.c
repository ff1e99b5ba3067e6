/* Smallest cells of tables (disclosure.h). */
#include "doors/release/disclosure.h"

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool word_is(sl_view word, const char *lower)
{
    size_t n = strlen(lower);
    if (word.n != n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((word.p[i] | 0x20) != (uint8_t)lower[i]) {
            return false;
        }
    }
    return true;
}

/* A word of the name says that it counts: "n", "N (%)", "count_female", "Patients". */
bool sl_disclosure_is_count(sl_view name)
{
    static const char *const words[] = { "n",         "count",  "counts",   "freq",
                                         "frequency", "cases",  "controls", "deaths",
                                         "events",    "number", "patients", "participants",
                                         "persons",   "people", "subjects", "total" };
    size_t start = 0;
    for (size_t i = 0; i <= name.n; i++) {
        if (i < name.n && is_letter(name.p[i])) {
            continue;
        }
        for (size_t k = 0; k < SL_COUNT_OF(words); k++) {
            if (word_is(sl_view_sub(name, start, i), words[k])) {
                return true;
            }
        }
        start = i + 1;
    }
    return false;
}

void sl_disclosure_header(sl_disclosure *d, sl_view names)
{
    d->table = true;
    d->columns = 0;
    while (names.n != 0) {
        sl_view name;
        (void)sl_view_cut(names, '\n', &name, &names);
        if (d->columns < SL_DISCLOSURE_COLUMNS_MAX) {
            d->counts[d->columns] = sl_disclosure_is_count(name);
        }
        d->columns++;
    }
}

void sl_disclosure_unread(sl_disclosure *d)
{
    d->unread += d->table ? 1 : 0;
}

/* "12", "12.0", "12 (3.4 %)", "1,204"; false: no count, as "<5", "-" and nothing. */
static bool read_count(sl_view cell, uint64_t *ret)
{
    uint64_t value = 0;
    size_t digits = 0;
    size_t at = 0;
    while (at < cell.n && cell.p[at] == ' ') {
        at++;
    }
    for (; at < cell.n && (is_digit(cell.p[at]) || (digits != 0 && cell.p[at] == ',')); at++) {
        if (is_digit(cell.p[at])) {
            value = value < UINT64_MAX / 100 ? 10 * value + (uint64_t)(cell.p[at] - '0') : value;
            digits++;
        }
    }
    bool ends = at == cell.n || cell.p[at] == ' ' || cell.p[at] == '(' || cell.p[at] == '/' ||
                cell.p[at] == '.';
    *ret = value;
    return digits != 0 && ends;
}

static size_t lines_of(sl_view text)
{
    size_t lines = 0;
    while (text.n != 0) {
        sl_view line;
        (void)sl_view_cut(text, '\n', &line, &text);
        lines++;
    }
    return lines;
}

void sl_disclosure_row(sl_disclosure *d, sl_view cells)
{
    if (!d->table) {
        return;
    }
    if (d->columns > SL_DISCLOSURE_COLUMNS_MAX || lines_of(cells) != d->columns) {
        d->unread++;
        return;
    }
    for (size_t i = 0; i < d->columns; i++) {
        sl_view cell;
        uint64_t count = 0;
        (void)sl_view_cut(cells, '\n', &cell, &cells);
        if (d->counts[i] && read_count(cell, &count)) {
            d->cells++;
            d->small += count != 0 && count < d->min_cell;
        }
    }
}

sl_verdict sl_disclosure_verdict(const sl_disclosure *d)
{
    if (d->min_cell == 0 || !d->table) {
        return SL_VERDICT_ALLOW;
    }
    return d->small != 0 ? SL_VERDICT_REFUSE : d->unread != 0 ? SL_VERDICT_HOLD : SL_VERDICT_ALLOW;
}
