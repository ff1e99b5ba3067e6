/* Leases of compartment keys (leases.h). */
#include "doors/ask/leases.h"

#include "base/encode.h"

static sl_res lease_all(const sl_compartment *c, sl_ask_lease lease, void *context,
                        sl_compartment_keys *one)
{
    for (sl_ask_key_kind kind = 0; kind < SL_ASK_KEY_COUNT; kind++) {
        SL_TRY(lease(context, c->name, sl_ask_key_purpose(kind), one->keys[kind]));
    }
    return SL_DONE;
}

static sl_res refresh_one(sl_ask_keys *keys, const sl_compartment *c, sl_ask_lease lease,
                          void *context)
{
    sl_compartment_keys one = { 0 };
    SL_TRY(sl_hex_decode(sl_view_str(c->id), one.compartment.bytes, sizeof one.compartment.bytes));
    if (c->state != SL_COMPARTMENT_OPEN) {
        sl_ask_keys_drop(keys, one.compartment);
        return SL_DONE;
    }
    if (!c->keys_made || sl_ask_keys_have(keys, one.compartment)) {
        return SL_DONE;
    }
    sl_res r = lease_all(c, lease, context, &one);
    if (sl_ok(r)) {
        r = sl_ask_keys_set(keys, &one);
    }
    sl_wipe(&one, sizeof one);
    return r;
}

sl_res sl_ask_leases_refresh(sl_ask_keys *keys, const sl_roll *roll, sl_ask_lease lease,
                             void *context)
{
    sl_res first = SL_DONE;
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(roll, &count);
    for (size_t i = 0; i < count; i++) {
        sl_res r = refresh_one(keys, &list[i], lease, context);
        first = sl_ok(first) ? r : first;
    }
    return first;
}
