/* Counts of refusals by source prefix. What it is for is told in strangers.h. */
#include "doors/ask/strangers.h"

#include <arpa/inet.h>
#include <string.h>

void sl_strangers_prefix(const char *source, char ret_prefix[SL_PREFIX_BYTES_MAX])
{
    uint8_t address[16] = { 0 };
    char text[INET6_ADDRSTRLEN] = { 0 };
    const char *form = "local";
    if (inet_pton(AF_INET, source, address) == 1) {
        address[3] = 0;
        form = inet_ntop(AF_INET, address, text, sizeof text) == NULL ? "local" : "%s/24";
    } else if (inet_pton(AF_INET6, source, address) == 1) {
        memset(address + 6, 0, 10);
        form = inet_ntop(AF_INET6, address, text, sizeof text) == NULL ? "local" : "%s/48";
    }
    const char *end = form[0] == '%' ? form + 2 : "";
    (void)snprintf(ret_prefix, SL_PREFIX_BYTES_MAX, "%s%s", form[0] == '%' ? text : form, end);
}

static sl_stranger *find(sl_strangers *all, const char *prefix, int32_t code, uint64_t second)
{
    for (size_t i = 0; i < all->n; i++) {
        sl_stranger *one = &all->items[i];
        if (one->code == code && one->second == second && strcmp(one->prefix, prefix) == 0) {
            return one;
        }
    }
    return NULL;
}

bool sl_strangers_add(sl_strangers *all, const char *source, sl_res why, int64_t wall_ms)
{
    char prefix[SL_PREFIX_BYTES_MAX];
    uint64_t second = wall_ms < 0 ? 0 : (uint64_t)wall_ms / 1000;
    sl_strangers_prefix(source, prefix);
    sl_stranger *one = find(all, prefix, why.code, second);
    if (one == NULL && all->n >= SL_STRANGERS_MAX) {
        (void)snprintf(prefix, sizeof prefix, "other");
        one = find(all, prefix, why.code, second);
    }
    if (one == NULL) {
        if (all->n == SL_STRANGERS_MAX + 1) {
            return false;
        }
        one = &all->items[all->n++];
        *one = (sl_stranger){ .code = why.code, .second = second };
        memcpy(one->prefix, prefix, sizeof one->prefix);
    }
    one->count++;
    return true;
}

bool sl_strangers_take(sl_strangers *all, int64_t wall_ms, sl_stranger *ret_one)
{
    uint64_t second = wall_ms < 0 ? 0 : (uint64_t)wall_ms / 1000;
    for (size_t i = 0; i < all->n; i++) {
        if (all->items[i].second < second) {
            *ret_one = all->items[i];
            all->items[i] = all->items[--all->n];
            return true;
        }
    }
    return false;
}
