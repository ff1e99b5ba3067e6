/* Principals, keys and grants from leaves. What it is for is told in known.h. It must never answer
 * from a roll that is older than the leaves it was given. */
#include "doors/ask/known.h"

#include <stdlib.h>
#include <string.h>

struct sl_ask_known {
    const sl_ask_config *config;
    const sl_valve *valve;
    sl_roll *roll;
    /* The roll in the form that is looked up; made anew when leaves changed it. */
    sl_buf bytes;
    sl_roll_view view;
    bool stale;
    sl_ask_roll tables;
    sl_ask_valves valves;
};

/* The view of the roll as of the newest leaf. Lookups are const to their callers: this is a cache. */
static sl_res fresh_view(const void *context, int64_t wall_ms, const sl_roll_view **ret_view)
{
    sl_ask_known *known = NULL;
    memcpy(&known, &context, sizeof known);
    if (known->stale) {
        SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = SL_ROLL_VIEW_BYTES_MAX };
        sl_roll_view view;
        SL_TRY(sl_roll_view_write(known->roll, wall_ms, &bytes));
        SL_TRY(sl_roll_view_open(sl_buf_view(&bytes), &view));
        sl_buf_free(&known->bytes);
        known->bytes = sl_buf_take(&bytes);
        known->view = view;
        known->stale = false;
    }
    *ret_view = &known->view;
    return SL_DONE;
}

static sl_res find_route(const void *context, sl_view model, sl_ask_route *ret_route)
{
    const sl_ask_known *known = context;
    sl_ask_model found;
    SL_TRY(sl_ask_config_model(known->config, model, &found));
    *ret_route = found.route;
    return SL_DONE;
}

/* Models listed in the section ask, then those that upstreams list, in their order. */
static bool nth_model(const void *context, size_t at, sl_ask_route *ret_route)
{
    const sl_ask_known *known = context;
    const sl_ask_config *config = known->config;
    if (at < config->models_n) {
        *ret_route = config->models[at].route;
        return true;
    }
    at -= config->models_n;
    for (size_t i = 0; i < config->site.egress.upstream_count; i++) {
        const sl_yaml_texts *models = &config->site.egress.upstreams[i].models;
        if (at < models->n) {
            return sl_ok(find_route(context, models->items[at], ret_route));
        }
        at -= models->n;
    }
    return false;
}

static sl_res find_key(const void *context, sl_view key, int64_t wall_ms,
                       sl_ask_identity *ret_identity)
{
    const sl_ask_known *known = context;
    const sl_roll_view *view = NULL;
    sl_view_key found;
    SL_TRY(fresh_view(context, wall_ms, &view));
    SL_TRY(sl_roll_view_key(view, key, wall_ms, &found));
    sl_ask_identity who = { .principal = found.principal,
                            .lineage = found.lineage,
                            .principal_slot =
                                sl_valve_find_principal(known->valve, found.principal),
                            .features = known->config->features,
                            .restore_tools_n = known->config->restore_tools_n };
    memcpy(who.restore_tools, known->config->restore_tools, sizeof who.restore_tools);
    *ret_identity = who;
    return SL_DONE;
}

static void put_hex(const uint8_t *bytes, size_t n, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_text[2 * n] = '\0';
}

/* The tighter of two caps, where 0 is none. */
static uint64_t tighter(uint64_t have, int64_t more)
{
    uint64_t cap = more <= 0 ? 0 : (uint64_t)more;
    if (have == 0 || cap == 0) {
        return have + cap;
    }
    return have < cap ? have : cap;
}

/* The grant for one compartment; the first one gives the leaf its names. */
static sl_res add_grant(const sl_ask_known *known, const sl_roll_view *view, size_t compartment,
                        int64_t wall_ms, sl_ask_identity *who)
{
    sl_view_grant grant;
    sl_view_compartment place = sl_roll_view_compartment(view, compartment);
    SL_TRY(sl_roll_view_grant(view, who->principal, compartment, SL_DOOR_ASK, wall_ms, &grant));
    if (who->compartments_n == SL_TICKET_COMPARTMENTS_MAX) {
        return sl_fail_at(SL_E_LIMIT, "compartments", SL_TICKET_COMPARTMENTS_MAX);
    }
    if (who->compartments_n == 0) {
        size_t n = grant.purpose.n < sizeof who->purpose ? grant.purpose.n : 0;
        memcpy(who->purpose, grant.purpose.p, n);
        who->purpose[n] = '\0';
        put_hex(grant.id, sizeof grant.id, who->grant);
    }
    who->compartment_ids[who->compartments_n] = place.id;
    who->compartments[who->compartments_n++] = sl_valve_find_compartment(known->valve, place.id);
    who->requests_h = tighter(who->requests_h, grant.requests_h);
    who->tokens_d = tighter(who->tokens_d, grant.tokens_d);
    return SL_DONE;
}

static sl_res add_named(const sl_ask_known *known, const sl_roll_view *view,
                        const sl_ask_model *model, int64_t wall_ms, sl_ask_identity *who)
{
    for (size_t i = 0; i < model->compartments_n; i++) {
        size_t at = sl_roll_view_compartment_named(view, model->compartments[i]);
        SL_NEED(at != SIZE_MAX, SL_E_NO_GRANT);
        SL_TRY(add_grant(known, view, at, wall_ms, who));
    }
    return SL_DONE;
}

/* A model that does not say what it draws on may draw on everything that is not destroyed. */
static sl_res add_all(const sl_ask_known *known, const sl_roll_view *view, int64_t wall_ms,
                      sl_ask_identity *who)
{
    for (size_t i = 0; i < view->compartments; i++) {
        if (sl_roll_view_compartment(view, i).state != SL_COMPARTMENT_SHREDDED) {
            SL_TRY(add_grant(known, view, i, wall_ms, who));
        }
    }
    return SL_DONE;
}

static sl_res find_grant(const void *context, const sl_ask_route *route, int64_t wall_ms,
                         sl_ask_identity *identity)
{
    const sl_ask_known *known = context;
    const sl_roll_view *view = NULL;
    sl_ask_identity who = *identity;
    sl_ask_model model;
    SL_TRY(sl_ask_config_model(known->config, route->name, &model));
    SL_TRY(fresh_view(context, wall_ms, &view));
    SL_TRY(model.all ? add_all(known, view, wall_ms, &who)
                     : add_named(known, view, &model, wall_ms, &who));
    SL_NEED(who.compartments_n != 0, SL_E_NO_GRANT);
    *identity = who;
    return SL_DONE;
}

static sl_valve_state take(const void *context, uint64_t now_ms, sl_valve_slot principal,
                           const sl_valve_slot *compartments, size_t n, sl_valve_ticket *ret_ticket)
{
    const sl_ask_known *known = context;
    return sl_valve_take(known->valve, now_ms, SL_DOOR_ASK, principal, compartments, n, ret_ticket);
}

static sl_valve_state holds(const void *context, uint64_t now_ms, const sl_valve_ticket *ticket)
{
    const sl_ask_known *known = context;
    return sl_valve_holds(known->valve, now_ms, ticket);
}

sl_res sl_ask_known_new(const sl_ask_config *config, const sl_valve *valve,
                        sl_ask_known **ret_known)
{
    sl_ask_known *known = calloc(1, sizeof *known);
    SL_NEED(known != NULL, SL_E_MEMORY);
    *known = (sl_ask_known){ .config = config, .valve = valve, .stale = true };
    known->tables = (sl_ask_roll){ .context = known,
                                   .route = find_route,
                                   .key = find_key,
                                   .grant = find_grant,
                                   .model = nth_model };
    known->valves = (sl_ask_valves){ .context = known, .take = take, .holds = holds };
    sl_res r = sl_roll_new(&known->roll);
    if (!sl_ok(r)) {
        free(known);
        return r;
    }
    *ret_known = known;
    return SL_DONE;
}

void sl_ask_known_free(sl_ask_known *known)
{
    if (known != NULL) {
        sl_roll_free(known->roll);
        sl_buf_free(&known->bytes);
        free(known);
    }
}

sl_res sl_ask_known_leaf(sl_ask_known *known, uint64_t index, sl_view leaf)
{
    sl_fold did = SL_FOLD_OTHER;
    SL_TRY(sl_roll_fold(known->roll, index, leaf, &did));
    known->stale = known->stale || did == SL_FOLD_APPLIED;
    return SL_DONE;
}

uint64_t sl_ask_known_next(const sl_ask_known *known)
{
    return sl_roll_next(known->roll);
}

const sl_ask_roll *sl_ask_known_roll(const sl_ask_known *known)
{
    return &known->tables;
}

const sl_ask_valves *sl_ask_known_valves(const sl_ask_known *known)
{
    return &known->valves;
}

const sl_roll *sl_ask_known_folded(const sl_ask_known *known)
{
    return known->roll;
}
