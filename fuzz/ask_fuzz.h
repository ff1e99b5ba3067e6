/* The ask door with a fixed key, model and open valves, for the fuzzers: everything it puts out is
 * taken up at once, every leaf is acknowledged, and the promises that must hold for any input are
 * checked on the way. */
#ifndef SL_FUZZ_ASK_FUZZ_H
#define SL_FUZZ_ASK_FUZZ_H

#include <assert.h>
#include <stdlib.h>

#include "doors/ask/door.h"

typedef struct {
    sl_ask_door *door;
    sl_buf client;
    uint64_t index;
    unsigned leaves;
    bool connected;
} fuzz_run;

static sl_res fuzz_key(const void *context, sl_view key, int64_t wall_ms, sl_ask_identity *ret)
{
    (void)context;
    (void)wall_ms;
    SL_NEED(sl_view_eq_str(key, "k"), SL_E_KEY);
    *ret = (sl_ask_identity){
        .principal = { { 1 } }, .lineage = { { 2 } }, .compartments_n = 1, .grant = "00"
    };
    return SL_DONE;
}

static sl_res fuzz_grant(const void *context, const sl_ask_route *route, int64_t wall_ms,
                         sl_ask_identity *identity)
{
    (void)context;
    (void)route;
    (void)wall_ms;
    (void)identity;
    return SL_DONE;
}

static sl_res fuzz_route(const void *context, sl_view model, sl_ask_route *ret)
{
    (void)context;
    SL_NEED(sl_view_eq_str(model, "m"), SL_E_NOT_FOUND);
    *ret = (sl_ask_route){ .name = SL_LIT("m"),
                           .upstream_model = SL_LIT("m"),
                           .upstreams = { SL_LIT("up") },
                           .upstreams_n = 1 };
    return SL_DONE;
}

static sl_valve_state fuzz_take(const void *context, uint64_t now_ms, sl_valve_slot principal,
                                const sl_valve_slot *compartments, size_t n, sl_valve_ticket *ret)
{
    (void)context;
    (void)now_ms;
    (void)principal;
    (void)compartments;
    (void)n;
    *ret = (sl_valve_ticket){ .door = SL_DOOR_ASK };
    return SL_VALVE_OPEN;
}

static sl_valve_state fuzz_holds(const void *context, uint64_t now_ms,
                                 const sl_valve_ticket *ticket)
{
    (void)context;
    (void)now_ms;
    (void)ticket;
    return SL_VALVE_OPEN;
}

/* Detection is compiled once for the whole process. */
static const sl_ask_site *fuzz_site(void)
{
    static const sl_ask_roll roll = { .key = fuzz_key, .grant = fuzz_grant, .route = fuzz_route };
    static const sl_ask_valves valves = { .take = fuzz_take, .holds = fuzz_holds };
    static const sl_compartment_keys held = { .keys = { { 3 }, { 4 } } };
    static sl_ask_keys keys;
    static sl_ask_inject inject;
    static sl_ask_site site;
    static sl_detect *detect;
    static sl_scratch *scratch;
    static sl_policy *policy;
    if (detect == NULL) {
        bool ok = sl_ok(sl_detect_build_default(&detect)) &&
                  sl_ok(sl_scratch_new(detect, &scratch)) &&
                  sl_ok(sl_policy_load_default(&policy)) && sl_ok(sl_ask_keys_init(&keys)) &&
                  sl_ok(sl_ask_keys_set(&keys, &held)) &&
                  sl_ok(sl_inject_open_default(SL_INJECT_USER, &inject.packs[SL_INJECT_USER])) &&
                  sl_ok(sl_inject_open_default(SL_INJECT_DATA, &inject.packs[SL_INJECT_DATA])) &&
                  sl_ok(sl_inject_work_new(&inject.work));
        assert(ok);
        site = (sl_ask_site){ .detect = detect,
                              .scratch = scratch,
                              .policy = policy,
                              .roll = &roll,
                              .valves = &valves,
                              .keys = &keys,
                              .inject = &inject,
                              .origin = "o",
                              .limits = sl_ask_limits_default };
        site.limits.body_bytes_max = 1 << 20;
        site.budget = calloc(1, sl_budget_bytes());
        assert(site.budget != NULL);
    }
    return &site;
}

static const sl_ask_now FUZZ_NOW = { .boot_ms = 1000, .wall_ms = 1795266000000, .mono_us = 1 };

static void fuzz_pump(fuzz_run *r)
{
    sl_ask_out *out = sl_ask_door_out(r->door);
    for (;;) {
        if (out->connect.n != 0) {
            /* Law 1: nothing is forwarded before a leaf is durable. */
            assert(r->leaves != 0);
            r->connected = true;
            out->connect = sl_view_of(NULL, 0);
        }
        assert(r->connected || out->upstream.n == 0);
        sl_buf_clear(&out->upstream);
        sl_res r1 = sl_buf_add(&r->client, sl_buf_view(&out->client));
        assert(sl_ok(r1));
        sl_buf_clear(&out->client);
        if (out->leaf.n == 0) {
            return;
        }
        sl_buf_clear(&out->leaf);
        r->leaves++;
        sl_ask_door_handed_over(r->door, FUZZ_NOW);
        sl_ask_door_recorded(r->door, r->index++, FUZZ_NOW);
    }
}

static void fuzz_begin(fuzz_run *r)
{
    static const uint8_t random[16] = { 7 };
    *r = (fuzz_run){ .client = { .max = (size_t)1 << 28 }, .index = 1 };
    sl_res made = sl_ask_door_new(fuzz_site(), random, FUZZ_NOW, &r->door);
    assert(sl_ok(made));
}

static void fuzz_end(fuzz_run *r)
{
    sl_ask_door_free(r->door);
    sl_buf_free(&r->client);
}

static void fuzz_client(fuzz_run *r, sl_view bytes, size_t step)
{
    for (size_t at = 0; at < bytes.n; at += step) {
        sl_ask_door_client_bytes(r->door, sl_view_sub(bytes, at, at + step), FUZZ_NOW);
        fuzz_pump(r);
    }
}

/* A request around a body for the dialect's path. */
static void fuzz_wrap(sl_buf *out, const char *path, sl_view body)
{
    SL_OWN(sl_buf, head, sl_buf_free) = { .max = 4096 };
    sl_res r = sl_buf_addf(&head,
                           "CONTENT_LENGTH%c%zu%cSCGI%c1%cREQUEST_METHOD%cPOST%cREQUEST_URI%c%s%c"
                           "CONTENT_TYPE%capplication/json%cHTTP_X_API_KEY%ck%c",
                           0, body.n, 0, 0, 0, 0, 0, 0, path, 0, 0, 0, 0, 0);
    assert(sl_ok(r));
    r = sl_buf_addf(out, "%zu:", head.n);
    assert(sl_ok(r));
    r = sl_buf_add(out, sl_buf_view(&head));
    assert(sl_ok(r));
    r = sl_buf_add_str(out, ",");
    assert(sl_ok(r));
    r = sl_buf_add(out, body);
    assert(sl_ok(r));
}

#endif
