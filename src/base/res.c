/* Results and their table (res.h, codes.def). Holds one thread-local detail and nothing else. */
#include "base/res.h"

#undef sl_fail
#undef sl_fail_at
#undef sl_fail_os

#include <errno.h>

typedef struct {
    const char *name;
    const char *text;
    const char *remedy;
    int exit_status;
    int http_status;
} code_row;

static const code_row rows[] = {
#define X(name, exit_status, http_status, text, remedy)                                            \
    { #name, text, remedy, exit_status, http_status },
#include "base/codes.def"
#undef X
};

static _Thread_local sl_detail last_detail = { "", SL_NOWHERE, 0 };

sl_res sl_fail(sl_code code)
{
    return sl_fail_at(code, "", SL_NOWHERE);
}

sl_res sl_fail_at(sl_code code, const char *field, uint64_t offset)
{
    last_detail = (sl_detail){ field, offset, 0 };
    return (sl_res){ (int32_t)code };
}

sl_res sl_fail_os(sl_code code, const char *field)
{
    int saved = errno;
    if (saved == ENOSPC || saved == EDQUOT) {
        code = SL_E_DISK_FULL;
    } else if (saved == ENOMEM) {
        code = SL_E_MEMORY;
    }
    last_detail = (sl_detail){ field, SL_NOWHERE, saved };
    return (sl_res){ (int32_t)code };
}

const sl_detail *sl_detail_get(void)
{
    return &last_detail;
}

static const code_row *row_of(sl_res r)
{
    if (r.code < 0 || (size_t)r.code >= SL_COUNT_OF(rows)) {
        return &rows[SL_E_BUG];
    }
    return &rows[r.code];
}

const char *sl_res_name(sl_res r)
{
    return row_of(r)->name;
}

const char *sl_res_text(sl_res r)
{
    return row_of(r)->text;
}

const char *sl_res_remedy(sl_res r)
{
    return row_of(r)->remedy;
}

int sl_res_exit(sl_res r)
{
    return row_of(r)->exit_status;
}

int sl_res_http(sl_res r)
{
    return row_of(r)->http_status;
}
