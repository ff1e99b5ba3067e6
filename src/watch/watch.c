/* The watch's judgement (watch.h). Tables are fixed in size and open-addressed by name; a full table
 * is itself a signal (`watch_table_full`), never silence. */
#include "watch/watch.h"

#include "watch/correlation.h"

#include "ledger/event.h"
#include "vault/approved.h"

#include <assert.h>

typedef struct {
    sl_view rule;
    sl_view type;
    sl_view door;
    int64_t every_ms;
    int64_t last_ms;
    bool told;
} silence;

/* Requests of one grant in sixty slots of a minute, and tokens in twenty-four of an hour. */
typedef struct {
    uint8_t name[SL_NAME_BYTES_MAX];
    size_t name_bytes;
    uint64_t requests_cap; /* an hour; 0: none */
    uint64_t tokens_cap;   /* a day; 0: none */
    uint64_t requests[60];
    int64_t request_minute[60];
    uint64_t tokens[24];
    int64_t token_hour[24];
} grant_use;

typedef struct {
    uint64_t key; /* of rule and target; 0: free */
    int64_t last_ms;
    uint64_t held;
} repetition;

enum { REPETITIONS = 4096 };

/* A correlation with its rules found: numbers of rules, or of correlations behind them. */
typedef struct {
    sl_correlation c;
    size_t parts[SL_CORRELATION_RULES_MAX];
    bool quiet; /* part of another one that does not let it speak */
} correlated;

#define PART_CORRELATION SL_WATCH_RULES_MAX /* first number of correlations among parts */

struct sl_watch {
    sl_signal_call call;
    void *context;
    sl_arena arena;
    const sl_rule *rules[SL_WATCH_RULES_MAX];
    size_t rule_count;
    bool rule_quiet[SL_WATCH_RULES_MAX];
    bool rule_counted[SL_WATCH_RULES_MAX]; /* part of a correlation */
    correlated correlations[SL_CORRELATIONS_MAX];
    size_t correlation_count;
    size_t order[SL_CORRELATIONS_MAX]; /* parts before wholes; made by bind */
    bool bound;
    sl_correlator *correlator;
    silence silences[SL_WATCH_SILENCES_MAX];
    size_t silence_count;
    grant_use *grants[SL_WATCH_GRANTS_MAX];
    size_t grant_count;
    repetition repetitions[REPETITIONS];
    int64_t now_ms;
};

sl_res sl_watch_new(sl_signal_call call, void *context, sl_watch **ret_watch)
{
    sl_watch *watch = calloc(1, sizeof(*watch));
    SL_NEED(watch != NULL, SL_E_MEMORY);
    watch->call = call;
    watch->context = context;
    watch->arena.max = 32 * SL_MIB;
    sl_res made = sl_correlator_new(&watch->correlator);
    if (!sl_ok(made)) {
        free(watch);
        return made;
    }
    *ret_watch = watch;
    return SL_DONE;
}

void sl_watch_free(sl_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    for (size_t i = 0; i < watch->grant_count; i++) {
        free(watch->grants[i]);
    }
    sl_correlator_free(watch->correlator);
    sl_arena_free(&watch->arena);
    free(watch);
}

size_t sl_watch_rule_count(const sl_watch *watch)
{
    return watch->rule_count;
}

/* The part with this id: a rule or a correlation; SIZE_MAX if there is none. */
static size_t part_named(const sl_watch *watch, sl_view id)
{
    for (size_t i = 0; i < watch->rule_count; i++) {
        if (sl_view_eq(sl_rule_id(watch->rules[i]), id)) {
            return i;
        }
    }
    for (size_t i = 0; i < watch->correlation_count; i++) {
        if (sl_view_eq(watch->correlations[i].c.id, id)) {
            return PART_CORRELATION + i;
        }
    }
    return SIZE_MAX;
}

static sl_res add_correlation(sl_watch *watch, sl_view yaml)
{
    sl_correlation c;
    SL_NEED(watch->correlation_count < SL_CORRELATIONS_MAX, SL_E_LIMIT);
    SL_TRY(sl_correlation_read(yaml, &watch->arena, &c));
    SL_NEED(part_named(watch, c.id) == SIZE_MAX, SL_E_DUPLICATE);
    watch->correlations[watch->correlation_count++] = (correlated){ .c = c };
    return SL_DONE;
}

sl_res sl_watch_add_rule(sl_watch *watch, sl_view yaml)
{
    watch->bound = false;
    if (sl_correlation_is(yaml)) {
        return add_correlation(watch, yaml);
    }
    SL_NEED(watch->rule_count < SL_WATCH_RULES_MAX, SL_E_LIMIT);
    const sl_rule *rule = NULL;
    SL_TRY(sl_rule_read(yaml, &watch->arena, &rule));
    SL_NEED(part_named(watch, sl_rule_id(rule)) == SIZE_MAX, SL_E_DUPLICATE);
    watch->rules[watch->rule_count++] = rule;
    return SL_DONE;
}

static sl_res find_parts(sl_watch *watch, correlated *one)
{
    for (size_t i = 0; i < one->c.rule_count; i++) {
        size_t part = part_named(watch, one->c.rules[i]);
        if (part == SIZE_MAX) {
            return sl_fail_at(SL_E_NOT_FOUND, "rule of a correlation", i);
        }
        one->parts[i] = part;
        bool *quiet = part < PART_CORRELATION ? &watch->rule_quiet[part]
                                              : &watch->correlations[part - PART_CORRELATION].quiet;
        sl_level level = part < PART_CORRELATION
                             ? sl_rule_level(watch->rules[part])
                             : watch->correlations[part - PART_CORRELATION].c.level;
        *quiet = *quiet || !one->c.generate || level == SL_LEVEL_INFORMATIONAL;
        if (part < PART_CORRELATION) {
            watch->rule_counted[part] = true;
        }
    }
    return SL_DONE;
}

/* Are all correlations that this one is made of placed already? */
static bool ready(const correlated *one, const bool *placed)
{
    for (size_t i = 0; i < one->c.rule_count; i++) {
        if (one->parts[i] >= PART_CORRELATION && !placed[one->parts[i] - PART_CORRELATION]) {
            return false;
        }
    }
    return true;
}

sl_res sl_watch_bind(sl_watch *watch)
{
    bool placed[SL_CORRELATIONS_MAX] = { false };
    size_t count = 0;
    memset(watch->rule_quiet, 0, sizeof watch->rule_quiet);
    memset(watch->rule_counted, 0, sizeof watch->rule_counted);
    for (size_t i = 0; i < watch->correlation_count; i++) {
        SL_TRY(find_parts(watch, &watch->correlations[i]));
    }
    for (size_t before = SIZE_MAX; before != count && count < watch->correlation_count;) {
        before = count;
        for (size_t i = 0; i < watch->correlation_count; i++) {
            if (!placed[i] && ready(&watch->correlations[i], placed)) {
                placed[i] = true;
                watch->order[count++] = i;
            }
        }
    }
    if (count < watch->correlation_count) {
        return sl_fail_at(SL_E_SYNTAX, "correlations that are made of each other", SL_NOWHERE);
    }
    watch->bound = true;
    return SL_DONE;
}

sl_res sl_watch_add_silence(sl_watch *watch, sl_view rule, sl_view type, sl_view door,
                            int64_t every_ms, int64_t since_ms)
{
    SL_NEED(watch->silence_count < SL_WATCH_SILENCES_MAX && every_ms > 0, SL_E_LIMIT);
    silence one = { .every_ms = every_ms, .last_ms = since_ms };
    SL_TRY(sl_arena_dup(&watch->arena, rule, &one.rule));
    SL_TRY(sl_arena_dup(&watch->arena, type, &one.type));
    SL_TRY(sl_arena_dup(&watch->arena, door, &one.door));
    watch->silences[watch->silence_count++] = one;
    return SL_DONE;
}

/* ---- signals ---- */

static uint64_t mix(uint64_t h, sl_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        h = (h ^ v.p[i]) * 0x100000001B3u;
    }
    return (h ^ 0xFF) * 0x100000001B3u;
}

/* Says it unless the same was said within the minute. Different targets never silence each other:
 * when the table has no room, it is said. */
static void say(sl_watch *watch, sl_signal signal)
{
    uint64_t key = mix(0xCBF29CE484222325u, signal.rule);
    key = mix(key, signal.principal);
    key = mix(key, signal.compartment);
    key = mix(key, signal.target) | 1;
    repetition *found = NULL;
    for (size_t probe = 0; probe < 16; probe++) {
        repetition *r = &watch->repetitions[(key + probe) % REPETITIONS];
        if (r->key == key) {
            found = r;
            break;
        }
        bool over = r->key == 0 || watch->now_ms - r->last_ms > SL_WATCH_REPEAT_MS;
        if (over && r->held == 0 && found == NULL) {
            found = r;
        }
    }
    if (found != NULL && found->key == key && watch->now_ms - found->last_ms < SL_WATCH_REPEAT_MS) {
        found->held++;
        return;
    }
    if (found != NULL) {
        signal.repeated = found->key == key ? found->held : 0;
        *found = (repetition){ .key = key, .last_ms = watch->now_ms };
    }
    watch->call(watch->context, &signal);
}

static sl_view text_field(const sl_json_doc *leaf, const char *name)
{
    const sl_json_node *node = sl_leaf_field(leaf, sl_view_str(name));
    return sl_json_is(node, SL_JSON_STRING) && !node->escaped ? node->raw : (sl_view){ 0 };
}

static uint64_t count_field(const sl_json_doc *leaf, const char *name)
{
    uint64_t value = 0;
    const sl_json_node *node = sl_leaf_field(leaf, sl_view_str(name));
    return node != NULL && sl_ok(sl_json_u64(node, &value)) ? value : 0;
}

/* What a leaf is about, besides its principal and compartment: containment needs to know it, and the same
 * rule about two of them is two signals. */
static sl_view target_of(const sl_json_doc *leaf)
{
    static const char *const names[] = { "door", "process", "what" };
    sl_view target = { 0 };
    for (size_t i = 0; i < SL_COUNT_OF(names) && target.n == 0; i++) {
        target = text_field(leaf, names[i]);
    }
    return target;
}

static sl_signal about(const sl_json_doc *leaf, sl_view rule, sl_level severity, uint64_t index)
{
    return (sl_signal){
        .rule = rule,
        .severity = severity,
        .principal = text_field(leaf, "principal"),
        .compartment = text_field(leaf, "compartment"),
        .target = target_of(leaf),
        .evidence = index,
    };
}

/* ---- budgets ---- */

static grant_use *grant_named(sl_watch *watch, sl_view name, bool make)
{
    for (size_t i = 0; i < watch->grant_count; i++) {
        grant_use *g = watch->grants[i];
        if (sl_view_eq(sl_view_of(g->name, g->name_bytes), name)) {
            return g;
        }
    }
    if (!make || watch->grant_count == SL_WATCH_GRANTS_MAX || name.n > SL_NAME_BYTES_MAX) {
        return NULL;
    }
    grant_use *g = calloc(1, sizeof(*g));
    if (g != NULL) {
        memcpy(g->name, name.p, name.n);
        g->name_bytes = name.n;
        watch->grants[watch->grant_count++] = g;
    }
    return g;
}

/* Adds to the slot of `period` and returns the sum over all slots still within the window. */
static uint64_t add_to_window(uint64_t *counts, int64_t *periods, size_t slots, int64_t period,
                              uint64_t amount)
{
    size_t slot = (size_t)((uint64_t)period % slots);
    if (periods[slot] != period) {
        periods[slot] = period;
        counts[slot] = 0;
    }
    counts[slot] += amount;
    uint64_t sum = 0;
    for (size_t i = 0; i < slots; i++) {
        bool within = periods[i] > period - (int64_t)slots && periods[i] <= period;
        sum += within ? counts[i] : 0;
    }
    return sum;
}

static void over_budget(sl_watch *watch, const sl_json_doc *leaf, uint64_t index, sl_view rule,
                        uint64_t used, uint64_t cap)
{
    sl_signal signal = about(leaf, rule, SL_LEVEL_HIGH, index);
    signal.target = text_field(leaf, "grant");
    signal.value = used;
    signal.limit = cap;
    say(watch, signal);
}

static void count_budgets(sl_watch *watch, sl_view type, const sl_json_doc *leaf, uint64_t index,
                          int64_t time_ms, bool history)
{
    sl_view name = text_field(leaf, "grant");
    if (name.n == 0) {
        return;
    }
    if (sl_view_eq(type, SL_LIT("grant.issued"))) {
        grant_use *g = grant_named(watch, name, true);
        if (g == NULL) {
            say(watch, about(leaf, SL_LIT("watch_table_full"), SL_LEVEL_HIGH, index));
            return;
        }
        g->requests_cap = count_field(leaf, "requests_per_h");
        g->tokens_cap = count_field(leaf, "tokens_per_d");
        return;
    }
    grant_use *g = grant_named(watch, name, false);
    if (g == NULL) {
        return;
    }
    if (sl_view_eq(type, SL_LIT("ask.intent"))) {
        uint64_t used = add_to_window(g->requests, g->request_minute, SL_COUNT_OF(g->requests),
                                      time_ms / 60000, 1);
        if (g->requests_cap > 0 && used > g->requests_cap && !history) {
            over_budget(watch, leaf, index, SL_LIT("budget_requests"), used, g->requests_cap);
        }
    } else if (sl_view_eq(type, SL_LIT("ask.outcome"))) {
        uint64_t tokens = count_field(leaf, "input_tokens") + count_field(leaf, "output_tokens");
        uint64_t used = add_to_window(g->tokens, g->token_hour, SL_COUNT_OF(g->tokens),
                                      time_ms / 3600000, tokens);
        if (g->tokens_cap > 0 && used > g->tokens_cap && !history) {
            over_budget(watch, leaf, index, SL_LIT("budget_tokens"), used, g->tokens_cap);
        }
    }
}

void sl_watch_budgets(sl_watch *watch, int64_t now_ms,
                      void (*call)(void *context, const sl_budget_use *use), void *context)
{
    for (size_t i = 0; i < watch->grant_count; i++) {
        grant_use *g = watch->grants[i];
        sl_view name = sl_view_of(g->name, g->name_bytes);
        uint64_t requests = add_to_window(g->requests, g->request_minute, SL_COUNT_OF(g->requests),
                                          now_ms / 60000, 0);
        uint64_t tokens =
            add_to_window(g->tokens, g->token_hour, SL_COUNT_OF(g->tokens), now_ms / 3600000, 0);
        if (g->requests_cap > 0 && requests > 0) {
            call(context, &(sl_budget_use){ name, "hour", requests, g->requests_cap });
        }
        if (g->tokens_cap > 0 && tokens > 0) {
            call(context, &(sl_budget_use){ name, "day", tokens, g->tokens_cap });
        }
    }
}

/* ---- silence ---- */

static void hear(sl_watch *watch, sl_view type, const sl_json_doc *leaf, int64_t time_ms)
{
    for (size_t i = 0; i < watch->silence_count; i++) {
        silence *s = &watch->silences[i];
        bool ours = sl_view_eq(s->type, type) &&
                    (s->door.n == 0 || sl_view_eq(s->door, text_field(leaf, "door")));
        if (ours && time_ms > s->last_ms) {
            s->last_ms = time_ms;
            s->told = false;
        }
    }
}

void sl_watch_tick(sl_watch *watch, int64_t now_ms)
{
    watch->now_ms = now_ms > watch->now_ms ? now_ms : watch->now_ms;
    for (size_t i = 0; i < watch->silence_count; i++) {
        silence *s = &watch->silences[i];
        if (s->told || watch->now_ms - s->last_ms <= s->every_ms) {
            continue;
        }
        s->told = true; /* once for each silence; a leaf ends it */
        sl_signal signal = {
            .rule = s->rule,
            .severity = SL_LEVEL_HIGH,
            .target = s->door.n > 0 ? s->door : s->type,
            .evidence = UINT64_MAX,
            .value = (uint64_t)(watch->now_ms - s->last_ms) / 1000,
            .limit = (uint64_t)s->every_ms / 1000,
        };
        say(watch, signal);
    }
}

/* ---- rules and what is made of them ---- */

/* Only what its groups are told apart by may be named: anything else belongs to the last leaf alone, and
 * containment would hit whoever happened to be it. */
static sl_signal about_group(const sl_json_doc *leaf, const sl_correlation *c, uint64_t index)
{
    sl_signal signal = about(leaf, c->id, c->level, index);
    if (!sl_correlation_groups_by(c, "principal")) {
        signal.principal = (sl_view){ 0 };
    }
    if (!sl_correlation_groups_by(c, "compartment")) {
        signal.compartment = (sl_view){ 0 };
    }
    signal.target = (sl_view){ 0 };
    for (size_t i = 0; i < c->group_count && signal.target.n == 0; i++) {
        bool head = sl_view_eq_str(c->group_by[i], "principal") ||
                    sl_view_eq_str(c->group_by[i], "compartment");
        const sl_json_node *node = head ? NULL : sl_leaf_field(leaf, c->group_by[i]);
        if (node != NULL && sl_json_is(node, SL_JSON_STRING)) {
            signal.target = node->raw;
        }
    }
    signal.value = c->least;
    signal.limit = c->least == 0 ? 0 : c->least - 1;
    return signal;
}

typedef struct {
    const sl_json_doc *leaf;
    uint64_t index;
    int64_t time_ms;
    bool history;
    bool hits[SL_WATCH_RULES_MAX + SL_CORRELATIONS_MAX];
} judging;

static void judge_correlation(sl_watch *watch, size_t number, judging *j)
{
    const correlated *one = &watch->correlations[number];
    bool crowded = false;
    bool holds = false;
    /* From the last part to the first: one leaf is not two steps of a row. */
    for (size_t i = one->c.rule_count; i-- > 0;) {
        if (j->hits[one->parts[i]] && sl_correlator_match(watch->correlator, number, &one->c, i,
                                                          j->leaf, j->time_ms, &crowded)) {
            holds = true;
        }
    }
    j->hits[PART_CORRELATION + number] = holds;
    if (crowded && !j->history) {
        say(watch, (sl_signal){ .rule = SL_LIT("watch_table_full"),
                                .severity = SL_LEVEL_MEDIUM,
                                .target = one->c.id,
                                .evidence = j->index });
    }
    if (holds && !one->quiet && !j->history) {
        say(watch, about_group(j->leaf, &one->c, j->index));
    }
}

static void judge(sl_watch *watch, judging *j)
{
    for (size_t i = 0; i < watch->rule_count; i++) {
        const sl_rule *rule = watch->rules[i];
        if (j->history && !watch->rule_counted[i]) {
            continue;
        }
        j->hits[i] = sl_rule_matches(rule, j->leaf);
        if (j->hits[i] && !watch->rule_quiet[i] && !j->history) {
            say(watch, about(j->leaf, sl_rule_id(rule), sl_rule_level(rule), j->index));
        }
    }
    for (size_t i = 0; i < watch->correlation_count; i++) {
        judge_correlation(watch, watch->order[i], j);
    }
}

static sl_res feed_one(sl_watch *watch, uint64_t index, sl_view text, bool history)
{
    SL_OWN(sl_json_doc, leaf, sl_json_doc_free) = { 0 };
    SL_TRY(sl_json_parse(text, &leaf));
    sl_view type = text_field(&leaf, "type");
    int64_t time_ms = 0;
    SL_TRY(sl_json_i64(sl_json_get(&leaf, sl_json_root(&leaf), "time"), &time_ms));
    SL_NEED(type.n > 0, SL_E_MISSING_FIELD);
    watch->now_ms = time_ms > watch->now_ms ? time_ms : watch->now_ms;
    hear(watch, type, &leaf, time_ms);
    count_budgets(watch, type, &leaf, index, time_ms, history);
    judging j = { .leaf = &leaf, .index = index, .time_ms = time_ms, .history = history };
    judge(watch, &j);
    return SL_DONE;
}

sl_res sl_watch_feed(sl_watch *watch, uint64_t index, sl_view text, bool history)
{
    SL_OWN(sl_buf, unfolded, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    bool approved = false;
    if (!watch->bound) {
        SL_TRY(sl_watch_bind(watch));
    }
    SL_TRY(feed_one(watch, index, text, history));
    SL_TRY(sl_approved_unfold(text, &unfolded, &approved));
    return approved ? feed_one(watch, index, sl_buf_view(&unfolded), history) : SL_DONE;
}
