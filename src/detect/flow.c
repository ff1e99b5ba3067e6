/* Judging what a model does by where its arguments come from (flow.h). The index keeps hashes, never text;
 * every comparison is of folded words, so that case, accents and invisible characters do not help.
 * What only trusted people said needs no index: such texts wait until the first untrusted one. */
#include "detect/flow.h"

#include <assert.h>

#include "detect/exfil.h"
#include "detect/flow_asked.h"
#include "detect/flow_rules.h"
#include "detect/views.h"
#include "detect/words.h"

#define TEXTS_OF_CALL_MAX 4096U
#define BAG_MAX 128
#define PAIR_BYTES_MAX 80U
#define ADDRESS_BYTES_MAX ((size_t)256)
#define BAG_WORD_BYTES 4U
#define BAG_WEIGHT_MIN 4U
#define NEGATED_WORDS 4U

/* A text that waits; its bytes stand in the buffer of all that wait, in their order. */
typedef struct {
    sl_flow_entry entry;
    size_t bytes;
} waiting_text;

struct sl_flow {
    const sl_flow_rules *rules;
    sl_flow_index index;
    sl_flow_items items;
    sl_buf waiting;
    waiting_text *waiting_texts;
    size_t waiting_n;
    size_t waiting_cap;
    sl_flow_amounts amounts;
    sl_flow_offers offers;
};

sl_res sl_flow_new(const sl_flow_rules *rules, sl_flow **ret_flow)
{
    sl_flow *f = calloc(1, sizeof *f);
    SL_NEED(f != NULL, SL_E_MEMORY);
    f->rules = rules;
    f->waiting.max = SL_FLOW_TEXT_MAX;
    *ret_flow = f;
    return SL_DONE;
}

void sl_flow_free(sl_flow *flow)
{
    if (flow != NULL) {
        sl_flow_index_free(&flow->index);
        free(flow->items.items);
        sl_buf_free(&flow->waiting);
        free(flow->waiting_texts);
        free(flow);
    }
}

bool sl_flow_is_clean(const sl_flow *flow)
{
    return (flow->index.trusts & (SL_FLOW_UNTRUSTED | SL_FLOW_PROTECTED)) == 0;
}

/* ---- taking texts -------------------------------------------------------------------------- */

/* What the model said before is neither: it may repeat what it read. */
static uint8_t trust_of(const sl_flow *flow, sl_channel channel, sl_view tool)
{
    switch (channel) {
    case SL_CHANNEL_SYSTEM:
    case SL_CHANNEL_USER:
        return SL_FLOW_TRUSTED;
    case SL_CHANNEL_TOOL_RESULT:
        return tool.n != 0 && sl_flow_fits_any(&flow->rules->trusted_tools, tool)
                   ? SL_FLOW_TRUSTED
                   : SL_FLOW_UNTRUSTED;
    case SL_CHANNEL_DOCUMENT:
        return SL_FLOW_UNTRUSTED;
    case SL_CHANNEL_TOOL_DEFINITION: /* pinned instead */
    case SL_CHANNEL_METADATA:
    case SL_CHANNEL_ASSISTANT:
    case SL_CHANNEL_ANSWER:
    case SL_CHANNEL_TOOL_ARGUMENTS:
    case SL_CHANNEL_REASONING:
    case SL_CHANNEL_REFUSAL:
    case SL_CHANNEL_COUNT:
    default:
        return 0;
    }
}

/* A protected value of one or two words is kept as a whole: it makes no run. */
static uint64_t short_entry(const sl_flow_item *words, size_t n)
{
    uint64_t h = words[0].hash * UINT64_C(0xD6E8FEB86659FD93);
    return n == 1 ? h : (h ^ words[1].hash) * UINT64_C(0xD6E8FEB86659FD93);
}

static uint32_t place_start(const sl_folded *folded, size_t at, uint32_t otherwise)
{
    return folded == NULL ? otherwise : (uint32_t)sl_folded_start(folded, at);
}

static uint32_t place_end(const sl_folded *folded, size_t at, uint32_t otherwise)
{
    return folded == NULL ? otherwise : (uint32_t)sl_folded_end(folded, at);
}

/* An address is known by its host, by every page above it, without and with its query. */
static sl_res add_url(sl_flow *flow, sl_view address, sl_flow_entry one)
{
    sl_flow_url url = sl_flow_url_of(address);
    uint64_t parts[3] = { url.host, url.page, url.whole };
    for (size_t i = 0; i < SL_COUNT_OF(parts) + url.parents_n; i++) {
        one.hash = i < SL_COUNT_OF(parts) ? parts[i] : url.parents[i - SL_COUNT_OF(parts)];
        SL_TRY(sl_flow_index_add(&flow->index, one));
    }
    return SL_DONE;
}

/* The values of a text, or only its addresses; `folded` as for add_items. */
static sl_res add_value(sl_flow *flow, sl_view text, const sl_folded *folded,
                        const sl_flow_item *item, sl_flow_entry one)
{
    one.from = place_start(folded, item->start, one.from);
    one.to = place_end(folded, item->end, one.to);
    one.hash = item->hash;
    if (item->kind == SL_FLOW_NUMBER && one.trust == SL_FLOW_UNTRUSTED) {
        sl_flow_offer(&flow->offers, text, item);
    }
    if (item->kind == SL_FLOW_URL) {
        return add_url(flow, sl_view_sub(text, item->start, item->end), one);
    }
    return sl_flow_index_add(&flow->index, one);
}

/* `folded` is NULL for what was decoded: all of it stands where `one` says. */
static sl_res add_items(sl_flow *flow, sl_view text, const sl_folded *folded, sl_flow_entry one)
{
    const sl_flow_items *all = &flow->items;
    size_t words = 0;
    while (words < all->n && all->items[words].kind == SL_FLOW_WORDS) {
        words++;
    }
    if (one.trust == SL_FLOW_PROTECTED && words > 0 && words < SL_FLOW_RUN) {
        one.to = place_end(folded, all->items[words - 1].end, one.to);
        one.hash = short_entry(all->items, words);
        SL_TRY(sl_flow_index_add(&flow->index, one));
    }
    bool by_user = one.by_user;
    size_t negated = 0; /* so many words still */
    for (size_t i = 0; i < words; i++) {
        const sl_flow_item *item = &all->items[i];
        bool negation = by_user && sl_flow_is_negation(sl_view_sub(text, item->start, item->end));
        negated = negation ? NEGATED_WORDS : negated - (negated > 0);
        one.by_user = by_user && negated == 0;
        one.from = place_start(folded, item->start, one.from);
        one.to = place_end(folded, item->end, one.to);
        one.hash = sl_flow_word_hash(item);
        SL_TRY(sl_flow_index_add(&flow->index, one));
        if (i + SL_FLOW_RUN <= words) {
            one.to = place_end(folded, all->items[i + SL_FLOW_RUN - 1].end, one.to);
            one.hash = sl_flow_run_hash(item);
            SL_TRY(sl_flow_index_add(&flow->index, one));
        }
    }
    for (size_t i = words; i < all->n; i++) {
        SL_TRY(add_value(flow, text, folded, &all->items[i], one));
    }
    return SL_DONE;
}

/* What a text says in base64, hex or another code, or in words ("audit at host dot tld"); the caller
 * gives it a home. */
typedef sl_res take_hidden(void *context, sl_view text, size_t start, size_t end);

static sl_res each_hidden(const sl_folded *folded, take_hidden *take, void *context)
{
    SL_OWN(sl_views, views, sl_views_free) = { 0 };
    SL_OWN(sl_buf, spelled, sl_buf_free) = { .max = 2 * SL_FLOW_TEXT_MAX };
    size_t end = folded->text.n == 0 ? 0 : sl_folded_end(folded, folded->text.n);
    SL_TRY(sl_views_find(folded->text, &views));
    for (size_t i = 0; i < views.n; i++) {
        const sl_segment *v = &views.items[i];
        SL_TRY(take(context, sl_view_sub(sl_buf_view(&views.bytes), v->at, v->at + v->n),
                    sl_folded_start(folded, v->start), sl_folded_end(folded, v->end)));
    }
    SL_TRY(sl_flow_unspell(folded->text, &spelled));
    for (size_t at = 0; (at = sl_view_find_byte(sl_buf_view(&spelled), '@', at)) != SIZE_MAX;) {
        size_t from = at;
        size_t to = at;
        while (from > 0 && at - from < ADDRESS_BYTES_MAX && !sl_is_blank(spelled.p[from - 1])) {
            from--;
        }
        while (to < spelled.n && to - at < ADDRESS_BYTES_MAX && !sl_is_blank(spelled.p[to])) {
            to++;
        }
        SL_TRY(take(context, sl_view_sub(sl_buf_view(&spelled), from, to), 0, end));
        at = to;
    }
    return SL_DONE;
}

typedef struct {
    sl_flow *flow;
    sl_flow_entry one;
} indexing;

static sl_res index_hidden(void *context, sl_view text, size_t start, size_t end)
{
    indexing *in = context;
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    sl_flow *flow = in->flow;
    sl_flow_entry one = in->one;
    one.by_user = false; /* nobody hides what he asks for */
    sl_folded folded;
    SL_TRY(sl_fold(text, sl_fold_has_escapes(text), &work, &folded, NULL));
    SL_TRY(sl_flow_split(folded.text, &flow->items));
    one.from = (uint32_t)start;
    one.to = (uint32_t)end;
    return add_items(flow, folded.text, NULL, one);
}

/* Addresses as they are written, escapes and all: who repeats one in full adds nothing to it. */
static sl_res index_addresses(sl_flow *flow, sl_view text, sl_flow_entry one)
{
    sl_folded folded;
    SL_TRY(sl_fold(text, false, &flow->index.work, &folded, NULL));
    SL_TRY(sl_flow_split(folded.text, &flow->items));
    for (size_t i = 0; i < flow->items.n; i++) {
        if (flow->items.items[i].kind == SL_FLOW_URL) {
            SL_TRY(add_value(flow, folded.text, &folded, &flow->items.items[i], one));
        }
    }
    return SL_DONE;
}

static sl_res index_text(sl_flow *flow, sl_view text, sl_flow_entry one)
{
    sl_folded folded;
    indexing in = { flow, one };
    bool escapes = sl_fold_has_escapes(text);
    if (escapes) {
        SL_TRY(index_addresses(flow, text, one));
    }
    SL_TRY(sl_fold(text, escapes, &flow->index.work, &folded, NULL));
    SL_TRY(sl_flow_split(folded.text, &flow->items));
    if (one.by_user) {
        sl_flow_amounts_take(&flow->amounts, folded.text);
    }
    SL_TRY(add_items(flow, folded.text, &folded, one));
    return each_hidden(&folded, index_hidden, &in);
}

static sl_res let_wait(sl_flow *flow, sl_view text, sl_flow_entry one)
{
    if (flow->waiting_n == flow->waiting_cap) {
        size_t cap = flow->waiting_cap == 0 ? 16 : flow->waiting_cap * 2;
        waiting_text *more = reallocarray(flow->waiting_texts, cap, sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        flow->waiting_texts = more;
        flow->waiting_cap = cap;
    }
    SL_TRY(sl_buf_add(&flow->waiting, text));
    flow->waiting_texts[flow->waiting_n++] = (waiting_text){ one, text.n };
    return SL_DONE;
}

static sl_res end_waiting(sl_flow *flow)
{
    size_t at = 0;
    for (size_t i = 0; i < flow->waiting_n; i++) {
        const waiting_text *w = &flow->waiting_texts[i];
        sl_view text = sl_view_sub(sl_buf_view(&flow->waiting), at, at + w->bytes);
        SL_TRY(index_text(flow, text, w->entry));
        at += w->bytes;
    }
    flow->waiting_n = 0;
    sl_buf_free(&flow->waiting);
    return SL_DONE;
}

static sl_res take(sl_flow *flow, sl_view text, sl_flow_entry one)
{
    SL_NEED(text.n <= SL_FLOW_TEXT_MAX - flow->index.bytes, SL_E_LIMIT);
    flow->index.bytes += text.n;
    flow->index.trusts |= one.trust;
    if (sl_flow_is_clean(flow)) {
        return let_wait(flow, text, one);
    }
    SL_TRY(end_waiting(flow));
    return index_text(flow, text, one);
}

sl_res sl_flow_take(sl_flow *flow, sl_channel channel, uint32_t message, sl_view tool, sl_view text)
{
    uint8_t trust = trust_of(flow, channel, tool);
    if (trust == 0) {
        return SL_DONE;
    }
    return take(flow, text,
                (sl_flow_entry){ .message = message,
                                 .trust = trust,
                                 .channel = (uint8_t)channel,
                                 .by_user = channel == SL_CHANNEL_USER });
}

sl_res sl_flow_protect(sl_flow *flow, uint32_t message, sl_view text)
{
    return take(flow, text, (sl_flow_entry){ .message = message, .trust = SL_FLOW_PROTECTED });
}

/* ---- judging ------------------------------------------------------------------------------- */

typedef struct {
    const sl_flow *flow;
    sl_flow_action action;
    sl_view tool;
    sl_flow_asking asking;
    sl_flow_grant grant; /* of a call */
    bool confirmed;      /* the user confirmed the value looked at */
    uint32_t argument;
    sl_flow_findings *out;
    uint64_t bag[BAG_MAX]; /* different long words of all arguments */
    size_t bag_n;
    bool in_bag; /* the text looked at is an argument's value, not its name */
    bool given;  /* the address was given in full: only protected values count in it */
    size_t bag_tainted;
    size_t bag_weight; /* longer words weigh more: they say what it is about */
    size_t bag_tainted_weight;
    sl_flow_entry bag_first; /* where the first tainted one comes from */
} judging;

static bool rule_fits(const sl_flow_rule *r, const judging *j, const sl_flow_finding *f)
{
    bool right = (r->actions >> j->action & 1) != 0 && (r->values >> f->value & 1) != 0 &&
                 (r->from & f->trust) != 0;
    bool run = f->value == SL_FLOW_WORDS && (f->trust & SL_FLOW_PROTECTED) == 0;
    if (!right || (run && f->words < (uint64_t)r->words)) {
        return false;
    }
    if (j->action != SL_FLOW_CALL) {
        return r->tools.n == 0 && !(r->only_unasked && j->asking.asked);
    }
    return (r->tools.n == 0 || sl_flow_fits_any(&r->tools, j->tool)) &&
           !sl_flow_fits_any(&r->not_tools, j->tool) && !(r->only_unasked && j->asking.asked) &&
           !(r->only_unconfirmed && j->confirmed);
}

static void judge(judging *j, sl_flow_finding f)
{
    const sl_flow_rules *rules = j->flow->rules;
    bool passes = j->given && f.value != SL_FLOW_URL && (f.trust & SL_FLOW_PROTECTED) == 0;
    for (size_t i = 0; i < rules->n && !passes; i++) {
        if (!rule_fits(&rules->items[i], j, &f)) {
            continue;
        }
        f.rule = (uint16_t)i;
        f.verdict = rules->items[i].verdict;
        f.action = (uint8_t)j->action;
        f.argument = j->argument;
        j->out->verdict = f.verdict > j->out->verdict ? (sl_verdict)f.verdict : j->out->verdict;
        if (j->out->n < SL_FLOW_FINDINGS_MAX) {
            j->out->items[j->out->n++] = f;
        }
        return;
    }
}

/* What speaks against an entry: protected always; untrusted where no trusted text has it too. */
static uint8_t taint_of(const sl_flow_entry *e)
{
    if (e == NULL) {
        return 0;
    }
    uint8_t untrusted = (e->trust & SL_FLOW_TRUSTED) == 0 ? e->trust & SL_FLOW_UNTRUSTED : 0;
    return (uint8_t)((e->trust & SL_FLOW_PROTECTED) | untrusted);
}

static sl_flow_finding finding_of(const sl_flow_entry *e, sl_flow_value value)
{
    assert(e != NULL);
    return (sl_flow_finding){ .value = (uint8_t)value,
                              .trust = taint_of(e),
                              .message = e->message,
                              .channel = e->channel,
                              .origin_from = e->from,
                              .origin_to = e->to };
}

/* Runs of words that stand in tainted text: each maximal run is one finding. */
static void judge_runs(judging *j, const sl_flow_items *items, size_t words,
                       const sl_folded *folded)
{
    for (size_t i = 0; i + SL_FLOW_RUN <= words;) {
        const sl_flow_entry *first =
            sl_flow_index_find(&j->flow->index, sl_flow_run_hash(&items->items[i]));
        uint8_t taint = taint_of(first);
        if (taint == 0) {
            i++;
            continue;
        }
        sl_flow_finding f = finding_of(first, SL_FLOW_WORDS);
        size_t k = i;
        while (k + SL_FLOW_RUN <= words) {
            const sl_flow_entry *e =
                sl_flow_index_find(&j->flow->index, sl_flow_run_hash(&items->items[k]));
            if (taint_of(e) == 0) {
                break;
            }
            f.trust |= taint_of(e);
            f.origin_to = e->message == f.message && e->to > f.origin_to ? e->to : f.origin_to;
            k++;
        }
        f.words = (uint32_t)(k - i + SL_FLOW_RUN - 1);
        f.start = sl_folded_start(folded, items->items[i].start);
        f.end = sl_folded_end(folded, items->items[k + SL_FLOW_RUN - 2].end);
        judge(j, f);
        i = k + SL_FLOW_RUN - 1;
    }
}

/* Protected values of one or two words, which make no run. */
static void judge_short(judging *j, const sl_flow_items *items, size_t words,
                        const sl_folded *folded)
{
    bool any = (j->flow->index.trusts & SL_FLOW_PROTECTED) != 0;
    for (size_t i = 0; any && i < words; i++) {
        for (size_t n = 1; n <= 2 && i + n <= words; n++) {
            const sl_flow_entry *e =
                sl_flow_index_find(&j->flow->index, short_entry(&items->items[i], n));
            if (e != NULL) {
                sl_flow_finding f = finding_of(e, SL_FLOW_WORDS);
                f.words = (uint32_t)n;
                f.start = sl_folded_start(folded, items->items[i].start);
                f.end = sl_folded_end(folded, items->items[i + n - 1].end);
                judge(j, f);
            }
        }
    }
}

static size_t weight_of(size_t bytes)
{
    return bytes < BAG_WORD_BYTES ? 0 : (bytes < 6 ? 1 : (bytes < 9 ? 2 : 3));
}

static void add_to_bag(judging *j, const sl_flow_item *word)
{
    size_t weight = weight_of(word->end - word->start);
    bool known = weight == 0 || j->bag_n == BAG_MAX;
    for (size_t i = 0; i < j->bag_n && !known; i++) {
        known = j->bag[i] == word->hash;
    }
    if (known) {
        return;
    }
    j->bag[j->bag_n++] = word->hash;
    j->bag_weight += weight;
    const sl_flow_entry *e = sl_flow_index_find(&j->flow->index, sl_flow_word_hash(word));
    if (taint_of(e) == SL_FLOW_UNTRUSTED) {
        j->bag_first = j->bag_tainted == 0 ? *e : j->bag_first;
        j->bag_tainted++;
        j->bag_tainted_weight += weight;
    }
}

/* The same task in another order, or with words between: two in five of its long words stand in
 * untrusted text alone, three of them or two that are long. */
static void judge_bag(judging *j)
{
    bool three = j->bag_tainted >= SL_FLOW_RUN && j->bag_tainted * 5 >= j->bag_n * 2;
    bool two = j->bag_tainted >= 2 && j->bag_tainted_weight >= BAG_WEIGHT_MIN &&
               j->bag_tainted_weight * 5 >= j->bag_weight * 2;
    if (three || two) {
        sl_flow_finding f = finding_of(&j->bag_first, SL_FLOW_WORDS);
        f.words = (uint32_t)(three ? j->bag_tainted : SL_FLOW_RUN);
        judge(j, f);
    }
}

static sl_res judge_text(judging *j, sl_view text)
{
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    sl_flow_items items = { 0 };
    sl_folded folded;
    SL_TRY(sl_fold(text, sl_fold_has_escapes(text), &work, &folded, NULL));
    sl_res r = sl_flow_split(folded.text, &items);
    size_t words = 0;
    while (sl_ok(r) && words < items.n && items.items[words].kind == SL_FLOW_WORDS) {
        if (j->in_bag) {
            add_to_bag(j, &items.items[words]);
        }
        words++;
    }
    for (size_t i = words; i < items.n && sl_ok(r); i++) {
        const sl_flow_item *item = &items.items[i];
        const sl_flow_entry *e = sl_flow_index_find(&j->flow->index, item->hash);
        if (item->kind == SL_FLOW_URL && j->action != SL_FLOW_CALL) {
            continue; /* an address inside of an address goes with it */
        }
        if (e == NULL && item->kind == SL_FLOW_URL) {
            sl_view url = sl_view_sub(folded.text, item->start, item->end);
            e = sl_flow_index_find(&j->flow->index, sl_flow_url_of(url).host);
        }
        if (taint_of(e) != 0) {
            sl_flow_finding f = finding_of(e, (sl_flow_value)item->kind);
            f.start = sl_folded_start(&folded, item->start);
            f.end = sl_folded_end(&folded, item->end);
            j->confirmed = sl_flow_is_confirmed(&j->flow->index, &j->flow->offers, &j->grant,
                                                folded.text, item);
            judge(j, f);
            j->confirmed = false;
        }
    }
    if (sl_ok(r)) {
        judge_runs(j, &items, words, &folded);
        judge_short(j, &items, words, &folded);
    }
    free(items.items);
    return r;
}

static sl_res judge_hidden(void *context, sl_view text, size_t start, size_t end)
{
    judging *j = context;
    size_t first = j->out->n;
    SL_TRY(judge_text(j, text));
    for (size_t i = first; i < j->out->n; i++) {
        j->out->items[i].start = start;
        j->out->items[i].end = end;
    }
    return SL_DONE;
}

/* An address in two arguments: "audit" and "host.tld". */
static sl_res judge_pair(judging *j, sl_view before, sl_view now)
{
    bool dots = sl_view_find_byte(now, '.', 0) != SIZE_MAX;
    bool fits = before.n > 0 && now.n > 0 && before.n <= PAIR_BYTES_MAX && now.n <= PAIR_BYTES_MAX;
    if (!fits || dots == (sl_view_find_byte(before, '.', 0) != SIZE_MAX)) {
        return SL_DONE;
    }
    SL_OWN(sl_buf, address, sl_buf_free) = { .max = 2 * PAIR_BYTES_MAX + 1 };
    SL_TRY(sl_buf_add(&address, dots ? before : now));
    SL_TRY(sl_buf_add_byte(&address, '@'));
    SL_TRY(sl_buf_add(&address, dots ? now : before));
    return judge_hidden(j, sl_buf_view(&address), 0, now.n);
}

static sl_res judge_argument(judging *j, sl_view text)
{
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    sl_folded folded;
    SL_TRY(judge_text(j, text));
    SL_TRY(sl_fold(text, sl_fold_has_escapes(text), &work, &folded, NULL));
    return each_hidden(&folded, judge_hidden, j);
}

static sl_res judge_node(judging *j, const sl_json_node *node, sl_buf *text, sl_buf *before)
{
    bool written = node->kind == SL_JSON_STRING || node->kind == SL_JSON_KEY;
    if (!written && node->kind != SL_JSON_NUMBER) {
        return SL_DONE;
    }
    j->argument++;
    SL_NEED(j->argument <= TEXTS_OF_CALL_MAX, SL_E_LIMIT);
    sl_buf_clear(text);
    SL_TRY(written ? sl_json_add_text(node, text) : sl_buf_add(text, node->raw));
    j->in_bag = node->kind != SL_JSON_KEY;
    if (node->kind != SL_JSON_STRING) {
        return judge_text(j, sl_buf_view(text));
    }
    SL_TRY(judge_argument(j, sl_buf_view(text)));
    SL_TRY(judge_pair(j, sl_buf_view(before), sl_buf_view(text)));
    sl_buf_clear(before);
    return text->n <= PAIR_BYTES_MAX ? sl_buf_add(before, sl_buf_view(text)) : SL_DONE;
}

sl_res sl_flow_call(const sl_flow *flow, sl_view tool, const sl_json_doc *arguments,
                    sl_flow_findings *findings)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_FLOW_TEXT_MAX };
    SL_OWN(sl_buf, before, sl_buf_free) = { .max = PAIR_BYTES_MAX };
    judging j = { .flow = flow, .action = SL_FLOW_CALL, .tool = tool, .out = findings };
    if (sl_flow_is_clean(flow)) {
        return SL_DONE;
    }
    j.asking = sl_flow_look_at_name(&flow->index, tool);
    SL_TRY(sl_flow_grant_of(&flow->index, &flow->amounts, &j.asking, arguments, &j.grant));
    if (j.asking.named_by_data) {
        judge(&j, finding_of(&j.asking.named, SL_FLOW_NAME));
    }
    for (size_t i = 0; arguments != NULL && i < arguments->count; i++) {
        SL_TRY(judge_node(&j, &arguments->nodes[i], &text, &before));
    }
    judge_bag(&j);
    return SL_DONE;
}

/* ---- links and images ---------------------------------------------------------------------- */

typedef struct {
    judging judging;
    const sl_folded *folded;
    const sl_findings *known;
    size_t *open;
} answering;

/* A source is fetched without a click, and so may be what a definition of a reference stands for. */
static sl_flow_action action_of(const sl_exfil_link *link)
{
    bool fetched = link->kind == SL_CLASS_REMOTE_IMAGE || link->kind == SL_CLASS_HTML_SOURCE;
    bool reference = link->kind == SL_CLASS_REMOTE_LINK && link->score >= 950;
    return fetched || reference || link->unsure ? SL_FLOW_IMAGE : SL_FLOW_LINK;
}

/* Protected values that stand in the address as surrogates. */
static void judge_surrogates(answering *a, size_t start, size_t end)
{
    for (size_t i = 0; a->known != NULL && i < a->known->n; i++) {
        const sl_finding *f = &a->known->items[i];
        if (f->detector == SL_DETECTOR_PSEUDONYM && f->start < end && f->end > start) {
            judge(&a->judging,
                  (sl_flow_finding){ .value = SL_FLOW_WORDS, .trust = SL_FLOW_PROTECTED });
        }
    }
}

/* The words and values that an address spells, in plain or in code. */
static sl_res judge_spelled(judging *j, sl_view address)
{
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    SL_OWN(sl_buf, spaced, sl_buf_free) = { .max = address.n + 1 };
    sl_folded folded;
    for (size_t i = 0; i < address.n; i++) {
        bool blank = address.p[i] == '+' || address.p[i] == '_';
        SL_TRY(sl_buf_add_byte(&spaced, blank ? ' ' : address.p[i]));
    }
    SL_TRY(judge_text(j, sl_buf_view(&spaced)));
    SL_TRY(sl_fold(address, sl_fold_has_escapes(address), &work, &folded, NULL));
    return each_hidden(&folded, judge_hidden, j);
}

/* Whose the address is, and what it holds besides its host. */
static sl_res judge_url(judging *j, sl_view address, bool cut_short)
{
    const sl_flow_index *index = &j->flow->index;
    sl_flow_url url = sl_flow_url_of(address);
    const sl_flow_entry *host = sl_flow_index_find(index, url.host);
    const sl_flow_entry *page = sl_flow_index_find(index, url.page);
    bool known = sl_flow_index_find(index, url.whole) != NULL && !cut_short;
    j->asking.asked = host != NULL && (host->trust & SL_FLOW_TRUSTED) != 0;
    if (page != NULL && taint_of(page) != 0) {
        judge(j, finding_of(page, SL_FLOW_URL));
    }
    if (!known && host != NULL && taint_of(host) != 0) {
        judge(j, finding_of(host, SL_FLOW_FILLED));
    }
    j->given = known;
    SL_TRY(judge_spelled(j, address));
    j->given = false;
    return SL_DONE;
}

static sl_res judge_address(answering *a, sl_flow_action action, size_t start, size_t end)
{
    judging *j = &a->judging;
    size_t first = j->out->n;
    size_t from = sl_folded_start(a->folded, start);
    size_t to = sl_folded_end(a->folded, end);
    j->action = action;
    if (end == a->folded->text.n && a->open != NULL && from < *a->open) {
        *a->open = from;
    }
    SL_TRY(judge_url(j, sl_view_sub(a->folded->text, start, end), end - start >= SL_EXFIL_URL_MAX));
    judge_surrogates(a, from, to);
    for (size_t i = first; i < j->out->n; i++) {
        j->out->items[i].start = from;
        j->out->items[i].end = to;
    }
    return SL_DONE;
}

static sl_res judge_link(void *context, const sl_exfil_link *link)
{
    return judge_address(context, action_of(link), link->address, link->address_end);
}

/* Addresses without a scheme, and letters: a client makes links of them, too. */
static sl_res judge_bare(answering *a, const sl_flow_item *item)
{
    sl_view t = a->folded->text;
    size_t end = item->end;
    if (item->kind == SL_FLOW_URL && t.p[item->start] == 'w' &&
        sl_view_starts(sl_view_sub(t, item->start, end), SL_LIT("www."))) {
        return judge_address(a, SL_FLOW_LINK, item->start, end);
    }
    bool letter =
        item->kind == SL_FLOW_EMAIL && item->start >= 7 &&
        sl_view_eq_nocase(sl_view_sub(t, item->start - 7, item->start), SL_LIT("mailto:"));
    if (!letter) {
        return SL_DONE;
    }
    while (end < t.n && end - item->start < SL_EXFIL_URL_MAX && !sl_is_blank(t.p[end]) &&
           t.p[end] != ')' && t.p[end] != '"' && t.p[end] != '>') {
        end++;
    }
    return judge_address(a, SL_FLOW_LINK, item->start, end);
}

static sl_res judge_answer(const sl_flow *flow, sl_view text, bool escapes,
                           const sl_findings *known, sl_flow_findings *findings, size_t *ret_open)
{
    SL_OWN(sl_fold_work, work, sl_fold_work_free) = { 0 };
    sl_flow_items items = { 0 };
    sl_folded folded;
    SL_TRY(sl_fold(text, escapes, &work, &folded, NULL));
    answering a = { .judging = { .flow = flow, .out = findings },
                    .folded = &folded,
                    .known = known,
                    .open = ret_open };
    SL_TRY(sl_exfil_each(folded.text, judge_link, &a));
    sl_res r = sl_flow_split(folded.text, &items);
    for (size_t i = 0; i < items.n && sl_ok(r); i++) {
        r = judge_bare(&a, &items.items[i]);
    }
    free(items.items);
    return r;
}

/* A text of plain letters without any sign of an address costs one look at each byte. */
static bool may_link(sl_view text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t b = text.p[i];
        if (b >= 0x80 || b == '/' || b == '\\' || b == '@' || b == '&' || b == '%' ||
            (b == '.' && i >= 3 && sl_lower(text.p[i - 1]) == 'w')) {
            return true;
        }
    }
    return false;
}

sl_res sl_flow_answer(const sl_flow *flow, sl_view text, const sl_findings *known,
                      sl_flow_findings *findings, size_t *ret_open)
{
    if (sl_flow_is_clean(flow) || !may_link(text)) {
        return SL_DONE;
    }
    SL_TRY(judge_answer(flow, text, false, known, findings, ret_open));
    return sl_fold_has_escapes(text) ? judge_answer(flow, text, true, known, findings, ret_open)
                                     : SL_DONE;
}

sl_finding sl_flow_as_finding(const sl_flow_finding *finding)
{
    return (sl_finding){ .start = finding->start,
                         .end = finding->end,
                         .attribution = SL_NO_ATTRIBUTION,
                         .rule = finding->rule,
                         .policy_rule = SL_NO_RULE,
                         .score_permille = 1000,
                         .detector = SL_DETECTOR_FLOW,
                         .kind = SL_CLASS_TAINTED };
}

sl_verdict sl_flow_verdict_of(const sl_flow *flow, uint16_t rule)
{
    return rule < flow->rules->n ? (sl_verdict)flow->rules->items[rule].verdict : SL_VERDICT_CUT;
}

const char *sl_flow_rule_of(const sl_flow *flow, uint16_t rule)
{
    return sl_flow_rule_id(flow->rules, rule);
}

/* ---- explaining ---------------------------------------------------------------------------- */

sl_res sl_flow_explain(const sl_flow_rules *rules, const sl_flow_finding *finding, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "rule", sl_flow_rule_id(rules, finding->rule));
    sl_json_put_str(&w, "verdict", sl_verdict_name((sl_verdict)finding->verdict));
    sl_json_put_str(&w, "detector", sl_detector_name(SL_DETECTOR_FLOW));
    sl_json_put_str(&w, "action", sl_flow_action_name((sl_flow_action)finding->action));
    sl_json_put_str(&w, "value", sl_flow_value_name((sl_flow_value)finding->value));
    if (finding->value == SL_FLOW_WORDS) {
        sl_json_put_uint(&w, "words", finding->words);
    }
    sl_json_put_uint(&w, "argument", finding->argument);
    sl_json_put_uint(&w, "start", finding->start);
    sl_json_put_uint(&w, "end", finding->end);
    sl_json_put_str(&w, "unit", "bytes");
    sl_json_key(&w, "origin");
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "message", finding->message);
    sl_json_put_str(&w, "channel", sl_channel_name((sl_channel)finding->channel));
    sl_json_put_uint(&w, "start", finding->origin_from);
    sl_json_put_uint(&w, "end", finding->origin_to);
    sl_json_object_end(&w);
    sl_json_put_str(&w, "why", sl_flow_rule_why(rules, finding->rule));
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}
