/* Results: what every fallible function returns.
 * A struct, so that it can be neither ignored nor mixed up with a number. The code says what went
 * wrong, the thread-local detail says where (a field's name, an offset, a limit) and never holds a
 * byte of input. Codes, their texts and their remedies stand in codes.def. */
#ifndef SL_BASE_RES_H
#define SL_BASE_RES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_MUST __attribute__((warn_unused_result))

typedef struct {
    int32_t code; /* one of sl_code */
} sl_res;

typedef enum {
#define X(name, exit_status, http_status, text, remedy) SL_##name,
#include "base/codes.def"
#undef X
    SL_CODE_COUNT
} sl_code;

/* Where the last failure of this thread happened. `field` is a string literal of ours, never input;
 * `offset` counts bytes, lines or items as `field` implies, or is SL_NOWHERE. */
#define SL_NOWHERE UINT64_MAX
typedef struct {
    const char *field;
    uint64_t offset;
    int os_error; /* errno at the time, or 0 */
} sl_detail;

#define SL_DONE ((sl_res){ SL_OK })

static inline bool sl_ok(sl_res r)
{
    return r.code == SL_OK;
}

/* Is `r` this very code? */
static inline bool sl_is(sl_res r, sl_code code)
{
    return r.code == (int32_t)code;
}

/* A failure without a place; clears the detail. */
SL_MUST sl_res sl_fail(sl_code code);
/* A failure at a place: `field` must be a string literal. */
SL_MUST sl_res sl_fail_at(sl_code code, const char *field, uint64_t offset);
/* A failure of the operating system: keeps errno in the detail. */
SL_MUST sl_res sl_fail_os(sl_code code, const char *field);

#ifdef __clang_analyzer__
/* The analyser reads one file at a time; without this it takes a failure for a possible success. */
static inline SL_MUST sl_res sl_analysed_failure(int32_t code)
{
    return (sl_res){ code };
}
#define sl_fail(code) sl_analysed_failure((int32_t)(code))
#define sl_fail_at(code, field, offset) sl_analysed_failure((int32_t)(code))
#define sl_fail_os(code, field) sl_analysed_failure((int32_t)(code))
#endif

const sl_detail *sl_detail_get(void);

/* The table: name ("E_SYNTAX"), what happened, what to do, and the statuses of ARCHITECTURE
 * section 6 (exit 0..5) and of HTTP. All strings are static. */
const char *sl_res_name(sl_res r);
const char *sl_res_text(sl_res r);
const char *sl_res_remedy(sl_res r);
int sl_res_exit(sl_res r);
int sl_res_http(sl_res r);

#define SL_TRY(call)                                                                               \
    do {                                                                                           \
        sl_res sl_r_ = (call);                                                                     \
        if (!sl_ok(sl_r_)) {                                                                       \
            return sl_r_;                                                                          \
        }                                                                                          \
    } while (0)

#define SL_NEED(cond, code)                                                                        \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            return sl_fail(code);                                                                  \
        }                                                                                          \
    } while (0)

/* `SL_OWN(sl_buf, text, sl_buf_free) = { .max = 100 };` is freed when it goes out of scope. */
#define SL_OWN(type, name, free_fn) __attribute__((cleanup(free_fn))) type name

#define SL_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
