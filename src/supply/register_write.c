/* The register as people and programs read it: YAML and JSON lines (register.h). Names are of a few plain
 * characters, so nothing needs quoting. */
#include "base/clock.h"
#include "base/json.h"
#include "supply/register.h"

static bool given(const sl_digest *d)
{
    static const sl_digest none = { 0 };
    return !sl_digest_eq(d, &none);
}

static bool ended(const sl_register_item *i, int64_t now_ms)
{
    return i->until_ms != 0 && i->until_ms <= now_ms;
}

static sl_res add_digest(sl_buf *out, const char *name, const sl_digest *digest)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    if (!given(digest)) {
        return SL_DONE;
    }
    sl_digest_hex(digest, hex);
    return sl_buf_addf(out, ", %s: %s", name, hex);
}

static sl_res add_item(const sl_register_item *i, int64_t now_ms, sl_buf *out)
{
    char time[SL_CLOCK_TEXT_BYTES];
    SL_TRY(sl_buf_addf(out, "      - { name: %s", i->item));
    if (i->compartment[0] != 0) {
        SL_TRY(sl_buf_addf(out, ", compartment: %s", i->compartment));
    }
    if (i->owner[0] != 0) {
        SL_TRY(sl_buf_addf(out, ", owner: %s", i->owner));
    }
    SL_TRY(add_digest(out, "digest", &i->hash));
    SL_TRY(add_digest(out, "signer", &i->signer));
    if (i->until_ms != 0) {
        sl_clock_text(i->until_ms, time);
        SL_TRY(sl_buf_addf(out, ", until: %s", time));
    }
    return sl_buf_addf(out, ", leaf: %llu }%s\n", (unsigned long long)i->leaf_index,
                       ended(i, now_ms) ? "  # past its end" : "");
}

static sl_res add_kind(const sl_register *r, const char *vendor, sl_item_kind kind, int64_t now_ms,
                       sl_buf *out)
{
    bool first = true;
    for (size_t i = 0; i < r->item_count; i++) {
        const sl_register_item *one = &r->items[i];
        if (one->kind != kind || strcmp(one->vendor, vendor) != 0) {
            continue;
        }
        if (first) {
            SL_TRY(sl_buf_addf(out, "    %s:\n", sl_item_kind_name(kind)));
            first = false;
        }
        SL_TRY(add_item(one, now_ms, out));
    }
    return SL_DONE;
}

sl_res sl_register_write(const sl_register *r, sl_view vendor, int64_t now_ms, sl_buf *out)
{
    SL_NEED(vendor.n == 0 || sl_register_vendor_find(r, vendor) != NULL, SL_E_NOT_FOUND);
    SL_TRY(sl_buf_add_str(out, "vendors:\n"));
    for (size_t i = 0; i < r->vendor_count; i++) {
        const sl_register_vendor *v = &r->vendors[i];
        if (vendor.n != 0 && !sl_view_eq_str(vendor, v->name)) {
            continue;
        }
        char time[SL_CLOCK_TEXT_BYTES];
        sl_clock_text(v->since_ms, time);
        SL_TRY(sl_buf_addf(out,
                           "  %s:\n    tier: %s\n    data_cap: %s\n    since: %s\n    leaf: %llu\n",
                           v->name, v->tier, v->data_cap, time, (unsigned long long)v->leaf_index));
        for (unsigned k = 0; k < SL_ITEM_KIND_COUNT; k++) {
            SL_TRY(add_kind(r, v->name, (sl_item_kind)k, now_ms, out));
        }
    }
    return SL_DONE;
}

static void put_text(sl_json_writer *w, const char *name, const char *text)
{
    if (text[0] != 0) {
        sl_json_put_str(w, name, text);
    }
}

static void put_digest(sl_json_writer *w, const char *name, const sl_digest *digest)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    if (given(digest)) {
        sl_digest_hex(digest, hex);
        sl_json_put_str(w, name, hex);
    }
}

static sl_res add_item_json(const sl_register_item *i, int64_t now_ms, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "vendor", i->vendor);
    sl_json_put_str(&w, "kind", sl_item_kind_name(i->kind));
    sl_json_put_str(&w, "name", i->item);
    put_text(&w, "compartment", i->compartment);
    put_text(&w, "owner", i->owner);
    put_digest(&w, "digest", &i->hash);
    put_digest(&w, "signer", &i->signer);
    if (i->until_ms != 0) {
        sl_json_put_int(&w, "until_s", i->until_ms / 1000);
        sl_json_put_bool(&w, "ended", ended(i, now_ms));
    }
    sl_json_put_uint(&w, "leaf", i->leaf_index);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(out, '\n');
}

static sl_res add_vendor_json(const sl_register_vendor *v, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "vendor", v->name);
    sl_json_put_str(&w, "tier", v->tier);
    sl_json_put_str(&w, "data_cap", v->data_cap);
    sl_json_put_uint(&w, "leaf", v->leaf_index);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(out, '\n');
}

sl_res sl_register_write_json(const sl_register *r, sl_view vendor, int64_t now_ms, sl_buf *out,
                              size_t *ret_ended)
{
    SL_NEED(vendor.n == 0 || sl_register_vendor_find(r, vendor) != NULL, SL_E_NOT_FOUND);
    *ret_ended = 0;
    for (size_t i = 0; i < r->vendor_count; i++) {
        if (vendor.n == 0 || sl_view_eq_str(vendor, r->vendors[i].name)) {
            SL_TRY(add_vendor_json(&r->vendors[i], out));
        }
    }
    for (size_t i = 0; i < r->item_count; i++) {
        if (vendor.n == 0 || sl_view_eq_str(vendor, r->items[i].vendor)) {
            SL_TRY(add_item_json(&r->items[i], now_ms, out));
            *ret_ended += ended(&r->items[i], now_ms) ? 1 : 0;
        }
    }
    return SL_DONE;
}
