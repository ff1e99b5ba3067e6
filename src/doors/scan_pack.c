/* A site's own pack of reviewed names (scan_pack.h). */
#include "doors/scan_pack.h"

#include "base/file.h"
#include "base/limits.h"

static sl_res read_pack(int policy_fd, sl_allow **ret_allow)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = SL_NOTE_BYTES_MAX };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    sl_allow_keys keys = { 0 };
    sl_res read = sl_file_read(policy_fd, "scan.pack", &note);
    if (sl_is(read, SL_E_NOT_FOUND)) {
        return sl_allow_own(ret_allow);
    }
    SL_TRY(read);
    SL_TRY(sl_allow_keys_own(&keys));
    read = sl_file_read(policy_fd, "scan.keys", &text);
    if (!sl_is(read, SL_E_NOT_FOUND)) {
        SL_TRY(read);
        SL_TRY(sl_allow_keys_read(sl_buf_view(&text), &keys));
    }
    return sl_allow_open(sl_buf_view(&note), &keys, (sl_view){ 0 }, ret_allow);
}

sl_res sl_scan_pack_read(int policy_fd, sl_allow **ret_allow)
{
    return sl_ok(read_pack(policy_fd, ret_allow))
               ? SL_DONE
               : sl_fail_at(SL_E_CONFIG, "policy/scan.pack", SL_NOWHERE);
}
