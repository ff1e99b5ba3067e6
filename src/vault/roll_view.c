/* Writing and reading the roll's snapshot. Design and layout: src/vault/roll_view.h. */
#include "vault/roll_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret.h"

static const char magic[8] = "SLROLL1\n";
enum { VIEW_VERSION = 1 };

/* ---- writing ---- */

static sl_res add_u32(sl_buf *out, uint64_t value)
{
    uint8_t b[4];
    sl_put_le32(b, (uint32_t)value);
    return sl_buf_add(out, sl_view_of(b, sizeof b));
}

static sl_res add_u64(sl_buf *out, uint64_t value)
{
    uint8_t b[8];
    sl_put_le64(b, value);
    return sl_buf_add(out, sl_view_of(b, sizeof b));
}

static sl_res add_hex(sl_buf *out, const char *hex)
{
    uint8_t b[16];
    size_t n = strlen(hex) / 2;
    SL_NEED(n <= sizeof b, SL_E_BUG);
    SL_TRY(sl_hex_decode(sl_view_str(hex), b, n));
    return sl_buf_add(out, sl_view_of(b, n));
}

/* A sl_name has 65 bytes with its NUL; the record keeps the first 64. */
static sl_res add_name(sl_buf *out, const sl_name name)
{
    uint8_t b[SL_NAME_BYTES_MAX] = { 0 };
    memcpy(b, name, strlen(name));
    return sl_buf_add(out, sl_view_of(b, sizeof b));
}

static bool key_lives(const sl_api_key *k, int64_t now_ms)
{
    return !k->revoked && (k->until_ms == 0 || now_ms < k->until_ms);
}

static bool grant_lives(const sl_grant *g, int64_t now_ms)
{
    return !g->revoked && now_ms < g->until_ms;
}

static int by_key_id(const void *a, const void *b)
{
    const sl_api_key *const *x = a;
    const sl_api_key *const *y = b;
    return strcmp((*x)->id, (*y)->id);
}

static int by_principal(const void *a, const void *b)
{
    const sl_grant *const *x = a;
    const sl_grant *const *y = b;
    int order = strcmp((*x)->principal, (*y)->principal);
    return order != 0 ? order : strcmp((*x)->id, (*y)->id);
}

static size_t live_keys(const sl_roll *roll, int64_t now_ms, const sl_api_key **ret)
{
    size_t count = 0;
    size_t live = 0;
    const sl_api_key *keys = sl_roll_keys(roll, &count);
    for (size_t i = 0; i < count; i++) {
        if (key_lives(&keys[i], now_ms)) {
            ret[live++] = &keys[i];
        }
    }
    if (live > 0) {
        qsort(ret, live, sizeof(const sl_api_key *), by_key_id);
    }
    return live;
}

static size_t live_grants(const sl_roll *roll, int64_t now_ms, const sl_grant **ret)
{
    size_t count = 0;
    size_t live = 0;
    const sl_grant *grants = sl_roll_grants(roll, &count);
    for (size_t i = 0; i < count; i++) {
        if (grant_lives(&grants[i], now_ms)) {
            ret[live++] = &grants[i];
        }
    }
    if (live > 0) {
        qsort(ret, live, sizeof(const sl_grant *), by_principal);
    }
    return live;
}

static sl_res write_compartments(const sl_roll *roll, sl_buf *out)
{
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(roll, &count);
    for (size_t i = 0; i < count; i++) {
        SL_TRY(add_hex(out, list[i].id));
        SL_TRY(add_name(out, list[i].name));
        SL_TRY(add_u32(out, (uint64_t)list[i].state));
        SL_TRY(add_u32(out, 0));
    }
    return SL_DONE;
}

static sl_res write_key(const sl_api_key *k, sl_buf *out)
{
    SL_TRY(add_hex(out, k->id));
    SL_TRY(add_hex(out, k->principal));
    SL_TRY(add_hex(out, k->lineage));
    SL_TRY(sl_buf_add(out, sl_digest_view(&k->hash)));
    return add_u64(out, (uint64_t)k->until_ms);
}

static sl_res write_grant(const sl_roll *roll, const sl_grant *g, sl_buf *out)
{
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(roll, &count);
    size_t at = 0;
    while (at < count && strcmp(list[at].name, g->compartment) != 0) {
        at++;
    }
    SL_NEED(at < count, SL_E_BUG);
    SL_TRY(add_hex(out, g->principal));
    SL_TRY(add_u32(out, at));
    SL_TRY(add_u32(out, (uint64_t)g->doors));
    SL_TRY(add_u64(out, (uint64_t)g->until_ms));
    SL_TRY(add_u64(out, (uint64_t)g->requests_h));
    SL_TRY(add_u64(out, (uint64_t)g->tokens_d));
    SL_TRY(add_u64(out, (uint64_t)g->records_d));
    SL_TRY(add_hex(out, g->id));
    return add_name(out, g->purpose);
}

static sl_res write_header(const sl_roll *roll, int64_t now_ms, size_t compartments, size_t keys,
                           size_t grants, sl_buf *out)
{
    SL_TRY(sl_buf_add(out, sl_view_of(magic, sizeof magic)));
    SL_TRY(add_u32(out, VIEW_VERSION));
    SL_TRY(add_u32(out, 0));
    SL_TRY(add_u64(out, (uint64_t)now_ms));
    SL_TRY(add_u64(out, sl_roll_next(roll)));
    SL_TRY(sl_buf_add(out, sl_view_of(sl_roll_site(roll), SL_SITE_ID_CHARS)));
    SL_TRY(add_u32(out, compartments));
    SL_TRY(add_u32(out, keys));
    SL_TRY(add_u32(out, grants));
    return add_u32(out, 0);
}

static void free_at(void *pointer)
{
    free(*(void **)pointer);
}

sl_res sl_roll_view_write(const sl_roll *roll, int64_t now_ms, sl_buf *out)
{
    SL_NEED(sl_roll_site(roll)[0] != 0, SL_E_UNAVAILABLE);
    size_t compartments = 0;
    size_t keys_all = 0;
    size_t grants_all = 0;
    (void)sl_roll_compartments(roll, &compartments);
    (void)sl_roll_keys(roll, &keys_all);
    (void)sl_roll_grants(roll, &grants_all);
    SL_OWN(const sl_api_key **, keys, free_at) = calloc(keys_all + 1, sizeof *keys);
    SL_OWN(const sl_grant **, grants, free_at) = calloc(grants_all + 1, sizeof *grants);
    SL_NEED(keys != NULL && grants != NULL, SL_E_MEMORY);
    size_t keys_live = live_keys(roll, now_ms, keys);
    size_t grants_live = live_grants(roll, now_ms, grants);

    SL_OWN(sl_buf, all, sl_buf_free) = { .max = SL_ROLL_VIEW_BYTES_MAX };
    SL_TRY(write_header(roll, now_ms, compartments, keys_live, grants_live, &all));
    SL_TRY(write_compartments(roll, &all));
    for (size_t i = 0; i < keys_live; i++) {
        SL_TRY(write_key(keys[i], &all));
    }
    for (size_t i = 0; i < grants_live; i++) {
        SL_TRY(write_grant(roll, grants[i], &all));
    }
    return sl_buf_add(out, sl_buf_view(&all));
}

/* ---- reading ---- */

static const uint8_t *compartment_bytes(const sl_roll_view *v, size_t at)
{
    return v->bytes.p + SL_ROLL_VIEW_HEADER_BYTES + at * SL_ROLL_VIEW_COMPARTMENT_BYTES;
}

static const uint8_t *key_bytes(const sl_roll_view *v, size_t at)
{
    return compartment_bytes(v, v->compartments) + at * SL_ROLL_VIEW_KEY_BYTES;
}

static const uint8_t *grant_bytes(const sl_roll_view *v, size_t at)
{
    return key_bytes(v, v->keys) + at * SL_ROLL_VIEW_GRANT_BYTES;
}

static sl_view padded_name(const uint8_t *p)
{
    return sl_view_of(p, strnlen((const char *)p, SL_NAME_BYTES_MAX));
}

/* A name of ours, and only zeroes behind it. */
static bool padded_name_ok(const uint8_t *p)
{
    sl_view name = padded_name(p);
    for (size_t i = name.n; i < SL_NAME_BYTES_MAX; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return sl_name_ok(name);
}

static sl_res bad_record(const sl_roll_view *v, const uint8_t *record)
{
    return sl_fail_at(SL_E_SYNTAX, "snapshot", (uint64_t)(record - v->bytes.p));
}

static sl_res check_compartments(const sl_roll_view *v)
{
    for (size_t i = 0; i < v->compartments; i++) {
        const uint8_t *c = compartment_bytes(v, i);
        if (!padded_name_ok(c + 16) || sl_get_le32(c + 80) > SL_COMPARTMENT_SHREDDED ||
            sl_get_le32(c + 84) != 0) {
            return bad_record(v, c);
        }
    }
    return SL_DONE;
}

static sl_res check_keys(const sl_roll_view *v)
{
    for (size_t i = 0; i < v->keys; i++) {
        const uint8_t *k = key_bytes(v, i);
        if ((i > 0 && memcmp(key_bytes(v, i - 1), k, SL_API_KEY_ID_BYTES) >= 0) ||
            (int64_t)sl_get_le64(k + 72) < 0) {
            return bad_record(v, k);
        }
    }
    return SL_DONE;
}

static bool grant_order_ok(const uint8_t *a, const uint8_t *b)
{
    int order = memcmp(a, b, 16);
    return order < 0 || (order == 0 && memcmp(a + 56, b + 56, 8) < 0);
}

static sl_res check_grants(const sl_roll_view *v)
{
    for (size_t i = 0; i < v->grants; i++) {
        const uint8_t *g = grant_bytes(v, i);
        bool good = sl_get_le32(g + 16) < v->compartments && padded_name_ok(g + 64) &&
                    (sl_get_le32(g + 20) & ~(uint32_t)SL_DOORS_ALL) == 0;
        for (size_t at = 24; at <= 48; at += 8) {
            good = good && (int64_t)sl_get_le64(g + at) >= 0;
        }
        if (!good || (i > 0 && !grant_order_ok(grant_bytes(v, i - 1), g))) {
            return bad_record(v, g);
        }
    }
    return SL_DONE;
}

sl_res sl_roll_view_open(sl_view bytes, sl_roll_view *ret)
{
    SL_NEED(bytes.n >= SL_ROLL_VIEW_HEADER_BYTES, SL_E_TRUNCATED);
    SL_NEED(memcmp(bytes.p, magic, sizeof magic) == 0, SL_E_SYNTAX);
    SL_NEED(sl_get_le32(bytes.p + 8) == VIEW_VERSION, SL_E_VERSION);
    sl_roll_view v = { .bytes = bytes,
                       .made_ms = (int64_t)sl_get_le64(bytes.p + 16),
                       .next_leaf_index = sl_get_le64(bytes.p + 24),
                       .compartments = sl_get_le32(bytes.p + 64),
                       .keys = sl_get_le32(bytes.p + 68),
                       .grants = sl_get_le32(bytes.p + 72) };
    memcpy(v.site, bytes.p + 32, SL_SITE_ID_CHARS);
    SL_NEED(strspn(v.site, "0123456789abcdef") == SL_SITE_ID_CHARS, SL_E_SYNTAX);
    SL_NEED(sl_get_le32(bytes.p + 12) == 0 && sl_get_le32(bytes.p + 76) == 0, SL_E_SYNTAX);
    SL_NEED(v.compartments <= SL_ROLL_COMPARTMENTS_MAX && v.keys <= SL_ROLL_KEYS_MAX &&
                v.grants <= SL_ROLL_GRANTS_MAX,
            SL_E_LIMIT);
    size_t want = SL_ROLL_VIEW_HEADER_BYTES + v.compartments * SL_ROLL_VIEW_COMPARTMENT_BYTES +
                  v.keys * SL_ROLL_VIEW_KEY_BYTES + v.grants * SL_ROLL_VIEW_GRANT_BYTES;
    SL_NEED(bytes.n >= want, SL_E_TRUNCATED);
    SL_NEED(bytes.n == want, SL_E_TRAILING);
    SL_TRY(check_compartments(&v));
    SL_TRY(check_keys(&v));
    SL_TRY(check_grants(&v));
    *ret = v;
    return SL_DONE;
}

sl_view_compartment sl_roll_view_compartment(const sl_roll_view *view, size_t at)
{
    const uint8_t *c = compartment_bytes(view, at);
    sl_view_compartment found = { .name = padded_name(c + 16),
                                  .state = (sl_compartment_state)sl_get_le32(c + 80) };
    memcpy(found.id.bytes, c, sizeof found.id.bytes);
    return found;
}

size_t sl_roll_view_compartment_named(const sl_roll_view *view, sl_view name)
{
    for (size_t i = 0; i < view->compartments; i++) {
        if (sl_view_eq(padded_name(compartment_bytes(view, i) + 16), name)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static const uint8_t *key_find(const sl_roll_view *view, const uint8_t id[SL_API_KEY_ID_BYTES])
{
    size_t low = 0;
    size_t high = view->keys;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const uint8_t *k = key_bytes(view, middle);
        int order = memcmp(k, id, SL_API_KEY_ID_BYTES);
        if (order == 0) {
            return k;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

sl_res sl_roll_view_key(const sl_roll_view *view, sl_view key_text, int64_t now_ms,
                        sl_view_key *ret)
{
    uint8_t id[SL_API_KEY_ID_BYTES];
    SL_TRY(sl_api_key_parse(key_text, id));
    sl_digest hash;
    SL_TRY(sl_api_key_hash(key_text, view->site, &hash));
    const uint8_t *k = key_find(view, id);
    SL_NEED(k != NULL, SL_E_KEY);
    SL_NEED(sl_equal_constant_time(k + 40, hash.b, sizeof hash.b), SL_E_KEY);
    int64_t until_ms = (int64_t)sl_get_le64(k + 72);
    SL_NEED(until_ms == 0 || now_ms < until_ms, SL_E_KEY);
    memcpy(ret->id, k, sizeof ret->id);
    memcpy(ret->principal.bytes, k + 8, sizeof ret->principal.bytes);
    memcpy(ret->lineage.bytes, k + 24, sizeof ret->lineage.bytes);
    return SL_DONE;
}

/* The first grant of the principal, or the number of grants. */
static size_t grants_of(const sl_roll_view *view, sl_valve_id principal)
{
    size_t low = 0;
    size_t high = view->grants;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(grant_bytes(view, middle), principal.bytes, 16) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static sl_view_grant grant_read(const uint8_t *g)
{
    sl_view_grant grant = { .compartment = sl_get_le32(g + 16),
                            .doors = (int64_t)sl_get_le32(g + 20),
                            .until_ms = (int64_t)sl_get_le64(g + 24),
                            .requests_h = (int64_t)sl_get_le64(g + 32),
                            .tokens_d = (int64_t)sl_get_le64(g + 40),
                            .records_d = (int64_t)sl_get_le64(g + 48),
                            .purpose = padded_name(g + 64) };
    memcpy(grant.id, g + 56, sizeof grant.id);
    return grant;
}

sl_res sl_roll_view_grant(const sl_roll_view *view, sl_valve_id principal, size_t compartment,
                          sl_door door, int64_t now_ms, sl_view_grant *ret)
{
    SL_NEED(compartment < view->compartments, SL_E_NO_GRANT);
    sl_view_grant best = { 0 };
    for (size_t i = grants_of(view, principal); i < view->grants; i++) {
        const uint8_t *bytes = grant_bytes(view, i);
        if (memcmp(bytes, principal.bytes, sizeof principal.bytes) != 0) {
            break;
        }
        sl_view_grant g = grant_read(bytes);
        if (g.compartment == compartment && (g.doors & SL_DOOR_BIT(door)) != 0 &&
            now_ms < g.until_ms && g.until_ms > best.until_ms) {
            best = g;
        }
    }
    SL_NEED(best.until_ms > 0, SL_E_NO_GRANT);
    /* Who has a grant may know that the compartment is closed; nobody else learns it. */
    SL_NEED(sl_roll_view_compartment(view, compartment).state == SL_COMPARTMENT_OPEN, SL_E_VALVE);
    *ret = best;
    return SL_DONE;
}
