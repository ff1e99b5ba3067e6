/* The engine set: building, saving, whole-string inspection (inspect.h).
 * Long texts are looked at in windows that overlap by what is still undecided, so that memory is
 * bounded and cost linear; a short one is one window. */
#include "detect/window.h"

#include "base/secret.h"
#include "detect/echo_watch.h"
#include "detect/embedded.h"
#include "detect/scan_frontier.h"

#define WINDOW_BYTES ((size_t)32768)
#define HOSTS_BYTES_MAX ((size_t)1 << 20)
#define ROSTER_BYTES_MAX ((size_t)1 << 31)

/* An engine set that changed is another one: what was found before does not count for it. */
static void renumber(sl_detect *detect)
{
    static _Atomic uint64_t last;
    detect->number = ++last;
}

sl_res sl_detect_add_roster(sl_detect *detect, sl_view index, const uint8_t match_key[32])
{
    renumber(detect);
    SL_NEED(detect->roster_count < SL_DETECT_ROSTERS_MAX, SL_E_LIMIT);
    size_t n = detect->roster_count + 1;
    sl_detect_roster *more = realloc(detect->rosters, n * sizeof *more);
    SL_NEED(more != NULL, SL_E_MEMORY);
    detect->rosters = more;
    sl_detect_roster one = { .bytes = { .max = ROSTER_BYTES_MAX } };
    sl_res r = sl_buf_add(&one.bytes, index);
    if (sl_ok(r)) {
        r = sl_roster_open(sl_buf_view(&one.bytes), match_key, &one.roster);
    }
    if (!sl_ok(r)) {
        sl_buf_free(&one.bytes);
        return r;
    }
    detect->rosters[detect->roster_count++] = one;
    return SL_DONE;
}

sl_res sl_detect_add_echo(sl_detect *detect, sl_view name, sl_view index,
                          const uint8_t match_key[32])
{
    renumber(detect);
    SL_NEED(detect->echo_count < SL_DETECT_ECHOES_MAX && name.n <= SL_NAME_BYTES_MAX, SL_E_LIMIT);
    sl_detect_echo *more = realloc(detect->echoes, (detect->echo_count + 1) * sizeof *more);
    SL_NEED(more != NULL, SL_E_MEMORY);
    detect->echoes = more;
    sl_detect_echo one = { .bytes = { .max = SL_ECHO_INDEX_BYTES_MAX }, .name_n = name.n };
    memcpy(one.name, name.p, name.n);
    sl_res r = sl_buf_add(&one.bytes, index);
    if (sl_ok(r)) {
        r = sl_echo_open(sl_buf_view(&one.bytes), match_key, &one.index);
    }
    if (!sl_ok(r)) {
        sl_buf_free(&one.bytes);
        return r;
    }
    detect->echoes[detect->echo_count++] = one;
    return SL_DONE;
}

static sl_res set_roster(sl_detect *d, sl_view roster, const uint8_t match_key[32])
{
    return roster.n == 0 ? SL_DONE : sl_detect_add_roster(d, roster, match_key);
}

static sl_res fill(sl_detect *d, const sl_detect_source *source)
{
    SL_TRY(sl_patterns_compile(source->pattern_tables, source->pattern_table_count, &d->patterns));
    SL_TRY(sl_buf_add(&d->allowed_hosts, source->allowed_hosts));
    return set_roster(d, source->roster, source->match_key);
}

static sl_res detect_new(sl_detect **ret)
{
    sl_detect *d = calloc(1, sizeof *d);
    SL_NEED(d != NULL, SL_E_MEMORY);
    d->allowed_hosts.max = HOSTS_BYTES_MAX;
    renumber(d);
    *ret = d;
    return SL_DONE;
}

sl_res sl_detect_add_names(sl_detect *detect)
{
    renumber(detect);
    return detect->tagger != NULL ? SL_DONE : sl_tagger_open_default(&detect->tagger);
}

sl_res sl_detect_add_names_of(sl_detect *detect, sl_view pack)
{
    SL_NEED(detect->tagger == NULL, SL_E_DUPLICATE);
    renumber(detect);
    return sl_tagger_open(pack, &detect->tagger);
}

sl_res sl_detect_add_inject(sl_detect *detect)
{
    renumber(detect);
    for (size_t i = 0; i < SL_INJECT_CHANNELS; i++) {
        if (detect->inject[i] == NULL) {
            SL_TRY(sl_inject_open_default((sl_inject_channel)i, &detect->inject[i]));
        }
    }
    return SL_DONE;
}

const sl_inject *sl_detect_inject(const sl_detect *detect, sl_inject_channel channel)
{
    return detect->inject[channel];
}

sl_res sl_detect_derive(const sl_detect *detect, sl_detect **ret_detect)
{
    sl_detect *d = NULL;
    SL_TRY(detect_new(&d));
    sl_res r = sl_buf_add(&d->allowed_hosts, sl_buf_view(&detect->allowed_hosts));
    if (!sl_ok(r)) {
        sl_detect_free(d);
        return r;
    }
    d->patterns = sl_patterns_share(detect->patterns);
    d->tagger = detect->tagger == NULL ? NULL : sl_tagger_share(detect->tagger);
    for (size_t i = 0; i < SL_INJECT_CHANNELS; i++) {
        d->inject[i] = detect->inject[i] == NULL ? NULL : sl_inject_share(detect->inject[i]);
    }
    *ret_detect = d;
    return SL_DONE;
}

sl_res sl_detect_build(const sl_detect_source *source, sl_detect **ret_detect)
{
    sl_detect *d = NULL;
    SL_TRY(detect_new(&d));
    sl_res r = fill(d, source);
    if (!sl_ok(r)) {
        sl_detect_free(d);
        return r;
    }
    *ret_detect = d;
    return SL_DONE;
}

/* The built-in tables as the build compiled them; false when this library or processor needs its own. */
static bool open_built_in(sl_patterns **ret_patterns)
{
    for (size_t i = 0; i < sl_embedded_count; i++) {
        if (sl_view_eq(sl_view_str(sl_embedded[i].name), SL_LIT("patterns.automata"))) {
            return sl_ok(sl_patterns_open_for_this(
                sl_view_of(sl_embedded[i].bytes, sl_embedded[i].n), ret_patterns));
        }
    }
    return false;
}

static sl_res fill_built_in(sl_detect *d, sl_view extra_patterns, bool own_hosts,
                            sl_view allowed_hosts)
{
    sl_view tables[16];
    size_t n = 0;
    sl_view hosts = { 0 };
    for (size_t i = 0; i < sl_embedded_count && n + 1 < SL_COUNT_OF(tables); i++) {
        sl_view name = sl_view_str(sl_embedded[i].name);
        sl_view text = sl_view_of(sl_embedded[i].bytes, sl_embedded[i].n);
        if (sl_view_ends(name, SL_LIT(".tsv"))) {
            tables[n++] = text;
        } else if (sl_view_ends(name, SL_LIT("allowed-hosts.txt"))) {
            hosts = text;
        }
    }
    if (extra_patterns.n != 0 || !open_built_in(&d->patterns)) {
        tables[n++] = extra_patterns;
        SL_TRY(sl_patterns_compile(tables, n, &d->patterns));
    }
    return sl_buf_add(&d->allowed_hosts, own_hosts ? allowed_hosts : hosts);
}

sl_res sl_detect_build_with(sl_view extra_patterns, bool own_hosts, sl_view allowed_hosts,
                            sl_detect **ret_detect)
{
    sl_detect *d = NULL;
    SL_TRY(detect_new(&d));
    sl_res r = fill_built_in(d, extra_patterns, own_hosts, allowed_hosts);
    if (!sl_ok(r)) {
        sl_detect_free(d);
        return r;
    }
    *ret_detect = d;
    return SL_DONE;
}

sl_res sl_detect_build_default(sl_detect **ret_detect)
{
    sl_detect *d = NULL;
    SL_TRY(sl_detect_build_with((sl_view){ 0 }, false, (sl_view){ 0 }, &d));
    sl_res r = sl_detect_add_names(d);
    if (!sl_ok(r)) {
        sl_detect_free(d);
        return r;
    }
    *ret_detect = d;
    return SL_DONE;
}

void sl_detect_free(sl_detect *detect)
{
    if (detect == NULL) {
        return;
    }
    sl_patterns_free(detect->patterns);
    sl_tagger_free(detect->tagger);
    for (size_t i = 0; i < SL_INJECT_CHANNELS; i++) {
        sl_inject_free(detect->inject[i]);
    }
    for (size_t i = 0; i < detect->roster_count; i++) {
        sl_roster_free(detect->rosters[i].roster);
        sl_buf_free(&detect->rosters[i].bytes);
    }
    free(detect->rosters);
    for (size_t i = 0; i < detect->echo_count; i++) {
        sl_echo_index_free(detect->echoes[i].index);
        sl_buf_free(&detect->echoes[i].bytes);
    }
    free(detect->echoes);
    sl_buf_free(&detect->allowed_hosts);
    free(detect);
}

/* ---- saved form: "SLDETEC1", then sections { u32 id, u64 length, bytes } ------------------------ */

/* The sections of names and injection are empty: they say that the program's own pack is to be used. */
enum {
    SECTION_PATTERNS = 1,
    SECTION_HOSTS = 2,
    SECTION_ROSTER = 3,
    SECTION_NAMES = 4,
    SECTION_INJECT = 5
};

static sl_res add_section(sl_buf *out, uint32_t id, sl_view bytes)
{
    uint8_t head[12];
    sl_put_le32(head, id);
    sl_put_le64(head + 4, bytes.n);
    SL_TRY(sl_buf_add(out, sl_view_of(head, sizeof head)));
    return sl_buf_add(out, bytes);
}

sl_res sl_detect_save(const sl_detect *detect, sl_buf *out)
{
    SL_OWN(sl_buf, patterns, sl_buf_free) = { .max = (size_t)1 << 28 };
    SL_TRY(sl_patterns_save(detect->patterns, &patterns));
    SL_TRY(sl_buf_add(out, SL_LIT("SLDETEC1")));
    SL_TRY(add_section(out, SECTION_PATTERNS, sl_buf_view(&patterns)));
    SL_TRY(add_section(out, SECTION_HOSTS, sl_buf_view(&detect->allowed_hosts)));
    if (detect->tagger != NULL) {
        SL_TRY(add_section(out, SECTION_NAMES, (sl_view){ 0 }));
    }
    if (detect->inject[SL_INJECT_USER] != NULL) {
        SL_TRY(add_section(out, SECTION_INJECT, (sl_view){ 0 }));
    }
    for (size_t i = 0; i < detect->roster_count; i++) {
        SL_TRY(add_section(out, SECTION_ROSTER, sl_buf_view(&detect->rosters[i].bytes)));
    }
    return SL_DONE;
}

static sl_res open_section(sl_detect *d, uint32_t id, sl_view bytes, const uint8_t match_key[32])
{
    switch (id) {
    case SECTION_PATTERNS:
        SL_NEED(d->patterns == NULL, SL_E_DUPLICATE);
        return sl_patterns_open(bytes, &d->patterns);
    case SECTION_HOSTS:
        return sl_buf_add(&d->allowed_hosts, bytes);
    case SECTION_ROSTER:
        return set_roster(d, bytes, match_key);
    case SECTION_NAMES:
        SL_NEED(bytes.n == 0, SL_E_VERSION);
        return sl_detect_add_names(d);
    case SECTION_INJECT:
        SL_NEED(bytes.n == 0, SL_E_VERSION);
        return sl_detect_add_inject(d);
    default:
        return sl_fail_at(SL_E_VERSION, "detection snapshot section", id);
    }
}

static sl_res open_all(sl_detect *d, sl_view saved, const uint8_t match_key[32])
{
    SL_NEED(sl_view_starts(saved, SL_LIT("SLDETEC1")), SL_E_VERSION);
    size_t at = 8;
    while (at < saved.n) {
        SL_NEED(saved.n - at >= 12, SL_E_TRUNCATED);
        uint64_t n = sl_get_le64(saved.p + at + 4);
        SL_NEED(n <= saved.n - at - 12, SL_E_TRUNCATED);
        SL_TRY(open_section(d, sl_get_le32(saved.p + at),
                            sl_view_sub(saved, at + 12, at + 12 + (size_t)n), match_key));
        at += 12 + (size_t)n;
    }
    SL_NEED(d->patterns != NULL, SL_E_MISSING_FIELD);
    return SL_DONE;
}

sl_res sl_detect_open(sl_view saved, const uint8_t match_key[32], sl_detect **ret_detect)
{
    sl_detect *d = NULL;
    SL_TRY(detect_new(&d));
    sl_res r = open_all(d, saved, match_key);
    if (!sl_ok(r)) {
        sl_detect_free(d);
        return r;
    }
    *ret_detect = d;
    return SL_DONE;
}

/* ---- scratch ------------------------------------------------------------------------------- */

sl_res sl_scratch_new(const sl_detect *detect, sl_scratch **ret_scratch)
{
    sl_scratch *s = calloc(1, sizeof *s);
    SL_NEED(s != NULL, SL_E_MEMORY);
    sl_res r = sl_pattern_work_new(detect->patterns, &s->patterns);
    if (sl_ok(r)) {
        r = sl_tagger_work_new(&s->tagger);
    }
    if (sl_ok(r)) {
        r = sl_inject_work_new(&s->inject);
    }
    if (!sl_ok(r)) {
        sl_scratch_free(s);
        return r;
    }
    *ret_scratch = s;
    return SL_DONE;
}

void sl_scratch_free(sl_scratch *scratch)
{
    if (scratch == NULL) {
        return;
    }
    sl_pattern_work_free(scratch->patterns);
    sl_tagger_work_free(scratch->tagger);
    sl_inject_work_free(scratch->inject);
    sl_echo_scratch_free(scratch->echo);
    for (size_t i = 0; i < SL_VIEW_LEVELS; i++) {
        sl_fold_work_free(&scratch->plain[i]);
        sl_views_free(&scratch->views[i]);
    }
    sl_ciphers_free(&scratch->ciphers[0]);
    sl_ciphers_free(&scratch->ciphers[1]);
    sl_fold_work_free(&scratch->unescaped);
    sl_findings_free(&scratch->raw);
    sl_findings_free(&scratch->found);
    sl_recall_free(scratch->recall);
    free(scratch);
}

sl_res sl_scratch_remember(sl_scratch *scratch, const uint8_t key[32], size_t bytes_max)
{
    SL_NEED(scratch->recall == NULL, SL_E_DUPLICATE);
    return sl_recall_new(key, bytes_max, &scratch->recall);
}

void sl_scratch_scope(sl_scratch *scratch, sl_view who)
{
    if (scratch->recall != NULL) {
        sl_recall_scope(scratch->recall, who);
    }
}

void sl_scratch_confirm(sl_scratch *scratch, sl_echo_ask ask, void *context)
{
    scratch->ask = ask;
    scratch->ask_context = context;
}

/* ---- whole strings ------------------------------------------------------------------------- */

static sl_res inspect_windows(const sl_detect *detect, sl_scratch *scratch, sl_view text,
                              sl_channel channel, sl_findings *findings)
{
    SL_OWN(sl_findings, window_findings, sl_findings_free) = { 0 };
    size_t decided = 0;
    size_t from = 0;
    while (decided < text.n) {
        size_t to = text.n - from > WINDOW_BYTES ? from + WINDOW_BYTES : text.n;
        bool last = to == text.n;
        sl_view window = sl_view_sub(text, from, to);
        size_t open = window.n;
        sl_findings_clear(&window_findings);
        SL_TRY(sl_window_inspect(detect, scratch, window, channel, &window_findings, &open));
        size_t frontier = window.n;
        if (!last) {
            frontier = sl_scan_frontier(window, &window_findings, open);
            /* A single run longer than half a window is decided where the hold-back ends. */
            if (frontier < WINDOW_BYTES / 2) {
                frontier = sl_fold_back(window, window.n, SL_HOLD_CHARS);
                frontier = frontier < WINDOW_BYTES / 2 ? WINDOW_BYTES / 2 : frontier;
            }
        }
        for (size_t i = 0; i < window_findings.n; i++) {
            sl_finding f = window_findings.items[i];
            if (f.start >= frontier || f.start + from < decided) {
                continue;
            }
            f.start += from;
            f.end += from;
            SL_TRY(sl_findings_add(findings, f));
        }
        decided = from + frontier;
        size_t back = last ? decided : sl_scan_context(text, decided);
        from = back > from ? back : decided;
    }
    return SL_DONE;
}

/* Records are looked for where text may leave a compartment; who sends one in has it already. */
static bool may_recite(sl_channel channel)
{
    return channel == SL_CHANNEL_ANSWER || channel == SL_CHANNEL_TOOL_ARGUMENTS ||
           channel == SL_CHANNEL_REASONING || channel == SL_CHANNEL_REFUSAL ||
           channel == SL_CHANNEL_DOCUMENT;
}

static sl_res inspect_echo(const sl_detect *detect, sl_scratch *scratch, sl_view text,
                           sl_channel channel, sl_findings *findings)
{
    sl_echo_watch *watch = NULL;
    uint64_t early = 0;
    if (may_recite(channel)) {
        SL_TRY(sl_echo_watch_new(detect, scratch, channel != SL_CHANNEL_DOCUMENT, &watch));
    }
    if (watch == NULL) {
        return SL_DONE;
    }
    sl_res r = sl_echo_watch_feed(watch, text, true);
    if (sl_ok(r)) {
        r = sl_echo_watch_findings(watch, 0, 0, findings, &early);
    }
    sl_echo_watch_free(watch);
    return r;
}

static sl_res inspect_afresh(const sl_detect *detect, sl_scratch *scratch, sl_view text,
                             sl_channel channel, sl_findings *findings)
{
    size_t from = findings->n;
    sl_inject_channel kind;
    SL_TRY(inspect_windows(detect, scratch, text, channel, findings));
    size_t windows = findings->n;
    SL_TRY(inspect_echo(detect, scratch, text, channel, findings));
    if (findings->n > windows) {
        sl_findings own = { .items = findings->items + from, .n = findings->n - from };
        sl_findings_sort(&own);
    }
    if (!sl_inject_channel_for(channel, &kind) || detect->inject[kind] == NULL) {
        return SL_DONE;
    }
    size_t before = findings->n;
    SL_TRY(sl_inject_scan(detect->inject[kind], scratch->inject, text, findings));
    if (findings->n > before) {
        sl_findings own = { .items = findings->items + from, .n = findings->n - from };
        sl_findings_sort(&own);
    }
    return SL_DONE;
}

/* What is asked of others may be answered differently the next time: not remembered. */
static bool may_ask(const sl_detect *detect, const sl_scratch *scratch, sl_channel channel)
{
    return scratch->ask != NULL && detect->echo_count != 0 && may_recite(channel) &&
           channel != SL_CHANNEL_DOCUMENT;
}

sl_res sl_detect_inspect(const sl_detect *detect, sl_scratch *scratch, sl_view text,
                         sl_channel channel, sl_findings *findings)
{
    sl_recall_key key;
    bool known = false;
    size_t from = findings->n;
    if (scratch->recall == NULL || may_ask(detect, scratch, channel) ||
        !sl_recall_key_of(scratch->recall, detect->number, channel, text, &key)) {
        return inspect_afresh(detect, scratch, text, channel, findings);
    }
    SL_TRY(sl_recall_find(scratch->recall, &key, findings, &known));
    if (!known) {
        SL_TRY(inspect_afresh(detect, scratch, text, channel, findings));
        sl_recall_keep(scratch->recall, &key, findings->items + from, findings->n - from);
    }
    return SL_DONE;
}

sl_res sl_scratch_inject(sl_scratch *scratch, const sl_inject *inject, sl_inject_work *work,
                         sl_view text, sl_findings *findings)
{
    sl_recall_key key;
    bool known = false;
    SL_OWN(sl_findings, own, sl_findings_free) = { .max = findings->max };
    if (scratch->recall == NULL ||
        !sl_recall_key_of(scratch->recall, sl_inject_check(inject), SL_CHANNEL_COUNT, text, &key)) {
        return sl_inject_scan(inject, work, text, findings);
    }
    SL_TRY(sl_recall_find(scratch->recall, &key, findings, &known));
    if (known) {
        return SL_DONE;
    }
    /* Apart from the others: this engine joins its findings with those before it. */
    SL_TRY(sl_inject_scan(inject, work, text, &own));
    sl_recall_keep(scratch->recall, &key, own.items, own.n);
    for (size_t i = 0; i < own.n; i++) {
        SL_TRY(sl_findings_add(findings, own.items[i]));
    }
    return SL_DONE;
}

const char *sl_detect_rule_name(const sl_detect *detect, uint16_t rule)
{
    return sl_pattern_name(detect->patterns, rule);
}

bool sl_detect_in_roster(const sl_detect *detect, sl_view value)
{
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    sl_folded folded;
    if (detect->roster_count == 0) {
        return false;
    }
    /* When it cannot be told, it counts as being there. */
    bool told = sl_ok(sl_fold(value, false, &work, &folded, NULL));
    for (size_t i = 0; i < detect->roster_count && told; i++) {
        told = sl_ok(sl_roster_scan(detect->rosters[i].roster, folded.text, &found));
    }
    return !told || found.n != 0;
}
