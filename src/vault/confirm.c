/* Questions and answers of echo confirmation, and the comparison (confirm.h). Pure. */
#include "vault/confirm.h"

#include <string.h>

sl_res sl_echo_source_name(const sl_object_ref *ref, sl_buf *out)
{
    return sl_buf_addf(out, "%s/%llu/%s", ref->object, (unsigned long long)ref->version, ref->uid);
}

sl_res sl_echo_source_read(sl_view name, sl_object_ref *ret)
{
    sl_object_ref ref = { 0 };
    sl_view object;
    sl_view version;
    sl_view uid;
    bool whole = sl_view_cut(name, '/', &object, &name) && sl_view_cut(name, '/', &version, &uid);
    if (!whole || !sl_object_name_ok(object) || uid.n != SL_OBJECT_UID_CHARS ||
        !sl_ok(sl_parse_u64(version, INT64_MAX / 1024, &ref.version)) || ref.version == 0) {
        return sl_fail_at(SL_E_SYNTAX, "source of the index", SL_NOWHERE);
    }
    memcpy(ref.object, object.p, object.n);
    memcpy(ref.uid, uid.p, uid.n);
    SL_NEED(strspn(ref.uid, "0123456789abcdef") == SL_OBJECT_UID_CHARS, SL_E_SYNTAX);
    *ret = ref;
    return SL_DONE;
}
