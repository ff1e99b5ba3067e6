/* The roll's snapshot: any bytes are refused or give look-ups that stay inside them. */
#include "vault/roll_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_roll_view v;
    if (!sl_ok(sl_roll_view_open(sl_view_of(data, size), &v))) {
        return 0;
    }
    uint8_t random[SL_API_KEY_RANDOM_BYTES] = { 0 };
    sl_api_key_text text;
    sl_view_key key;
    if (sl_ok(sl_api_key_make(random, &text))) {
        sl_res found = sl_roll_view_key(&v, sl_view_str(text.text), 0, &key);
        (void)found.code; /* a refusal is as good as a key: only the reading is under test */
    }
    for (size_t c = 0; c < v.compartments; c++) {
        sl_view_compartment compartment = sl_roll_view_compartment(&v, c);
        sl_view_grant grant;
        (void)sl_roll_view_compartment_named(&v, compartment.name);
        sl_res found = sl_roll_view_grant(&v, compartment.id, c, SL_DOOR_ASK, 0, &grant);
        (void)found.code;
    }
    return 0;
}
