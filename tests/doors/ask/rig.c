/* The rig; what it is for is told in rig.h. */
#include "rig.h"

#include <stdlib.h>

static sl_res rig_key(const void *context, sl_view key, int64_t wall_ms,
                      sl_ask_identity *ret_identity)
{
    const rig *r = context;
    SL_NEED(sl_view_eq_str(key, RIG_KEY), SL_E_KEY);
    *ret_identity = r->who;
    return SL_DONE;
}

static sl_res rig_grant(const void *context, const sl_ask_route *route, int64_t wall_ms,
                        sl_ask_identity *identity)
{
    const rig *r = context;
    SL_NEED(r->who.grant[0] != '\0', SL_E_NO_GRANT);
    return SL_DONE;
}

static sl_res rig_route(const void *context, sl_view model, sl_ask_route *ret_route)
{
    const rig *r = context;
    if (!sl_view_eq(model, r->route.name)) {
        return sl_fail_at(SL_E_NOT_FOUND, "model", SL_NOWHERE);
    }
    *ret_route = r->route;
    return SL_DONE;
}

static sl_valve_state rig_take(const void *context, uint64_t now_ms, sl_valve_slot principal,
                               const sl_valve_slot *compartments, size_t compartments_n,
                               sl_valve_ticket *ret_ticket)
{
    const rig *r = context;
    if (r->state == SL_VALVE_OPEN) {
        *ret_ticket = (sl_valve_ticket){ .door = SL_DOOR_ASK, .door_epoch = 7 };
    }
    return r->state;
}

static sl_valve_state rig_holds(const void *context, uint64_t now_ms, const sl_valve_ticket *ticket)
{
    const rig *r = context;
    return r->state;
}

void rig_init(rig *r)
{
    *r = (rig){ .ledger_up = true, .next_index = 100 };
    r->client.max = r->upstream.max = r->leaves.max = (size_t)1 << 26;
    r->who = (sl_ask_identity){ .principal = { { 1, 2, 3 } },
                                .lineage = { { 4, 5, 6 } },
                                .compartment_ids = { { { 7, 8, 9 } } },
                                .compartments_n = 1,
                                .grant = "00112233aabbccdd",
                                .purpose = "research" };
    r->route = (sl_ask_route){ .name = SL_LIT("trial-model"),
                               .upstream_model = SL_LIT("ngram-1"),
                               .upstreams = { SL_LIT("main"), SL_LIT("spare") },
                               .upstreams_n = 2 };
    r->roll = (sl_ask_roll){ .context = r, .key = rig_key, .grant = rig_grant, .route = rig_route };
    r->valves = (sl_ask_valves){ .context = r, .take = rig_take, .holds = rig_holds };
    r->site = (sl_ask_site){ .roll = &r->roll,
                             .valves = &r->valves,
                             .keys = &r->keys,
                             .origin = RIG_ORIGIN,
                             .limits = sl_ask_limits_default };
    sl_compartment_keys held = { .compartment = r->who.compartment_ids[0],
                                 .keys = { RIG_COMMITMENT_KEY, RIG_PSEUDONYM_KEY } };
    assert_done(sl_ask_keys_init(&r->keys));
    assert_done(sl_ask_keys_set(&r->keys, &held));
    r->site.limits.body_bytes_max = 1 << 20;
    r->site.budget = calloc(1, sl_budget_bytes());
    assert_non_null(r->site.budget);
    r->now = (sl_ask_now){ .boot_ms = 1000, .wall_ms = 1795266000000, .mono_us = 5000 };
}

static void drop_door(rig *r)
{
    sl_ask_door_free(r->door);
    r->door = NULL;
}

void rig_free(rig *r)
{
    drop_door(r);
    free(r->site.budget);
    sl_ask_keys_free(&r->keys);
    sl_buf_free(&r->client);
    sl_buf_free(&r->upstream);
    sl_buf_free(&r->leaves);
}

void rig_begin(rig *r)
{
    uint8_t random[16] = { 0xAA, 0xBB, 0xCC };
    drop_door(r);
    sl_buf_clear(&r->client);
    sl_buf_clear(&r->upstream);
    sl_buf_clear(&r->leaves);
    r->connects = 0;
    r->upstream_closes = 0;
    r->knocks = 0;
    assert_done(sl_ask_door_new(&r->site, random, r->now, &r->door));
}

static void put_param(sl_buf *head, const char *name, const char *value)
{
    assert_done(sl_buf_addf(head, "%s%c%s%c", name, 0, value, 0));
}

void rig_scgi(sl_buf *out, const char *path, const char *key, sl_view body, const char *more,
              size_t more_n)
{
    SL_OWN(sl_buf, head, sl_buf_free) = { .max = 65536 };
    assert_done(sl_buf_addf(&head, "CONTENT_LENGTH%c%zu%c", 0, body.n, 0));
    put_param(&head, "SCGI", "1");
    put_param(&head, "REQUEST_METHOD", "POST");
    put_param(&head, "REQUEST_URI", path);
    put_param(&head, "REMOTE_ADDR", "192.0.2.7");
    put_param(&head, "CONTENT_TYPE", "application/json");
    if (key != NULL) {
        assert_done(sl_buf_addf(&head, "HTTP_AUTHORIZATION%cBearer %s%c", 0, key, 0));
    }
    if (more != NULL) {
        assert_done(sl_buf_add(&head, sl_view_of(more, more_n)));
    }
    assert_done(sl_buf_addf(out, "%zu:", head.n));
    assert_done(sl_buf_add(out, sl_buf_view(&head)));
    assert_done(sl_buf_add_str(out, ","));
    assert_done(sl_buf_add(out, body));
}

static bool take_outputs(rig *r)
{
    sl_ask_out *out = sl_ask_door_out(r->door);
    bool leaf = out->leaf.n != 0;
    assert_done(sl_buf_add(&r->client, sl_buf_view(&out->client)));
    sl_buf_clear(&out->client);
    assert_done(sl_buf_add(&r->upstream, sl_buf_view(&out->upstream)));
    sl_buf_clear(&out->upstream);
    if (out->connect.n != 0) {
        r->connects++;
        out->connect = sl_view_of(NULL, 0);
    }
    r->upstream_closes += out->upstream_close;
    out->upstream_close = false;
    r->knocks += out->knock;
    out->knock = false;
    if (leaf) {
        assert_done(sl_buf_add(&r->leaves, sl_buf_view(&out->leaf)));
        assert_done(sl_buf_add_str(&r->leaves, "\n"));
        sl_buf_clear(&out->leaf);
    }
    return leaf;
}

void rig_hand_over(rig *r)
{
    sl_ask_door_handed_over(r->door, r->now);
    rig_pump(r);
}

void rig_acknowledge(rig *r)
{
    sl_ask_door_recorded(r->door, r->next_index++, r->now);
    rig_pump(r);
}

void rig_pump(rig *r)
{
    while (take_outputs(r) && r->ledger_up) {
        sl_ask_door_handed_over(r->door, r->now);
        (void)take_outputs(r);
        sl_ask_door_recorded(r->door, r->next_index++, r->now);
    }
}

void rig_client(rig *r, sl_view bytes)
{
    sl_ask_door_client_bytes(r->door, bytes, r->now);
    rig_pump(r);
}

void rig_post(rig *r, const char *path, const char *json)
{
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = (size_t)1 << 26 };
    rig_begin(r);
    rig_scgi(&request, path, RIG_KEY, sl_view_str(json), NULL, 0);
    rig_client(r, sl_buf_view(&request));
}

void rig_chat(rig *r, const char *json)
{
    rig_post(r, "/v1/chat/completions", json);
}

void rig_upstream(rig *r, sl_view bytes, size_t step)
{
    for (size_t at = 0; at < bytes.n; at += step) {
        sl_ask_door_upstream_bytes(r->door, sl_view_sub(bytes, at, at + step), r->now);
        rig_pump(r);
    }
}

void rig_upstream_closes(rig *r)
{
    sl_ask_door_upstream_gone(r->door, r->now);
    rig_pump(r);
}

void rig_tick(rig *r, uint64_t ms)
{
    r->now.boot_ms += ms;
    r->now.mono_us += ms * 1000;
    sl_ask_door_tick(r->door, r->now);
    rig_pump(r);
}

bool rig_saw(const sl_buf *where, const char *needle)
{
    return sl_view_find(sl_buf_view(where), sl_view_str(needle), 0) != SIZE_MAX;
}

void rig_content(const rig *r, sl_buf *out)
{
    sl_view all = sl_buf_view(&r->client);
    sl_view mark = SL_LIT("\"content\":\"");
    size_t at = 0;
    while ((at = sl_view_find(all, mark, at)) != SIZE_MAX) {
        at += mark.n;
        size_t end = at;
        while (end < all.n && all.p[end] != '"') {
            end += all.p[end] == '\\' ? 2 : 1;
        }
        assert_done(sl_buf_add(out, sl_view_sub(all, at, end)));
        at = end;
    }
}

void rig_sse_head(sl_buf *out)
{
    assert_done(sl_buf_add_str(out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n"));
}

void rig_sse_event(sl_buf *out, const char *data)
{
    assert_done(sl_buf_addf(out, "%zx\r\ndata: %s\n\n\r\n", strlen(data) + 8, data));
}

void rig_sse_named(sl_buf *out, const char *name, const char *data)
{
    assert_done(sl_buf_addf(out, "%zx\r\nevent: %s\ndata: %s\n\n\r\n",
                            strlen(name) + strlen(data) + 16, name, data));
}

void rig_sse_delta(sl_buf *out, const char *text)
{
    SL_OWN(sl_buf, data, sl_buf_free) = { .max = 1 << 20 };
    assert_done(sl_buf_addf(&data,
                            "{\"id\":\"u\",\"object\":\"chat.completion.chunk\",\"choices\":"
                            "[{\"index\":0,\"delta\":{\"content\":\"%s\"},"
                            "\"finish_reason\":null}]}",
                            text));
    rig_sse_event(out, sl_buf_cstr(&data));
}

void rig_sse_finish(sl_buf *out)
{
    rig_sse_event(out, "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}");
    rig_sse_event(out, "[DONE]");
    assert_done(sl_buf_add_str(out, "0\r\n\r\n"));
}

void rig_json_answer(sl_buf *out, const char *json)
{
    assert_done(sl_buf_addf(out,
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\n\r\n%s",
                            strlen(json), json));
}
