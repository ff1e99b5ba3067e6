/* Exact counts of refusals by source prefix, reason and second (refusals.h). */
#include "ledger/refusals.h"

#include <arpa/inet.h>
#include <assert.h>

void sl_refusal_prefix(sl_view address, char ret[SL_REFUSAL_PREFIX_BYTES])
{
    char text[64];
    uint8_t v4[4];
    uint8_t v6[16];

    (void)snprintf(ret, SL_REFUSAL_PREFIX_BYTES, "%s", address.n == 0 ? "local" : "unknown");
    if (address.n == 0 || address.n >= sizeof text) {
        return;
    }
    memcpy(text, address.p, address.n);
    text[address.n] = '\0';
    if (inet_pton(AF_INET, text, v4) == 1) {
        (void)snprintf(ret, SL_REFUSAL_PREFIX_BYTES, "%u.%u.%u.0/24", v4[0], v4[1], v4[2]);
    } else if (inet_pton(AF_INET6, text, v6) == 1) {
        char network[INET6_ADDRSTRLEN];
        memset(v6 + 6, 0, 10);
        if (inet_ntop(AF_INET6, v6, network, sizeof network) != NULL) {
            (void)snprintf(ret, SL_REFUSAL_PREFIX_BYTES, "%s/48", network);
        }
    }
}

bool sl_refusals_due(const sl_refusals *r, uint64_t now_s)
{
    return (r->n != 0 || r->other_n != 0) && now_s > r->window_s;
}

static sl_refusal *find(sl_refusal *places, size_t n, const char *prefix, const char *reason)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(places[i].prefix, prefix) == 0 && strcmp(places[i].reason, reason) == 0) {
            return &places[i];
        }
    }
    return NULL;
}

static sl_res count_other(sl_refusals *r, const char *reason)
{
    sl_refusal *place = find(r->other, r->other_n, "other", reason);

    if (place == NULL) {
        SL_NEED(r->other_n < SL_REFUSAL_REASONS, SL_E_LIMIT);
        place = &r->other[r->other_n++];
        *place = (sl_refusal){ .prefix = "other", .reason = reason };
    }
    place->count++;
    return SL_DONE;
}

sl_res sl_refusals_count(sl_refusals *r, sl_view address, const char *reason, uint64_t now_s)
{
    char prefix[SL_REFUSAL_PREFIX_BYTES];

    assert(!sl_refusals_due(r, now_s));
    if (r->n == 0 && r->other_n == 0) {
        r->window_s = now_s;
    }
    sl_refusal_prefix(address, prefix);
    sl_refusal *place = find(r->places, r->n, prefix, reason);
    if (place == NULL && r->n == SL_REFUSAL_PLACES) {
        return count_other(r, reason);
    }
    if (place == NULL) {
        place = &r->places[r->n++];
        *place = (sl_refusal){ .reason = reason };
        memcpy(place->prefix, prefix, sizeof prefix);
    }
    place->count++;
    return SL_DONE;
}

sl_res sl_refusals_take(sl_refusals *r,
                        sl_res (*call)(void *ctx, const sl_refusal *refusal, uint64_t window_s),
                        void *ctx)
{
    while (r->n > 0) {
        SL_TRY(call(ctx, &r->places[r->n - 1], r->window_s));
        r->n--;
    }
    while (r->other_n > 0) {
        SL_TRY(call(ctx, &r->other[r->other_n - 1], r->window_s));
        r->other_n--;
    }
    return SL_DONE;
}
