/* What every cmocka test includes: the headers in the order cmocka wants them, and small checks. */
#ifndef SL_TESTS_TEST_H
#define SL_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

/* Fails the test with the result's name unless it is done. */
#define assert_done(call)                                                                          \
    do {                                                                                           \
        sl_res sl_t_ = (call);                                                                     \
        if (!sl_ok(sl_t_)) {                                                                       \
            print_error("%s: %s (%s)\n", #call, sl_res_name(sl_t_), sl_detail_get()->field);       \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

/* Fails unless the call returned this very code. */
#define assert_code(call, code_name)                                                               \
    do {                                                                                           \
        sl_res sl_t_ = (call);                                                                     \
        if (sl_t_.code != (int32_t)(code_name)) {                                                  \
            print_error("%s: %s, wanted %s\n", #call, sl_res_name(sl_t_), #code_name);             \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#define assert_view(view, text)                                                                    \
    do {                                                                                           \
        sl_view sl_v_ = (view);                                                                    \
        sl_view sl_w_ = sl_view_str(text);                                                         \
        if (!sl_view_eq(sl_v_, sl_w_)) {                                                           \
            print_error("%s is \"%.*s\", wanted \"%s\"\n", #view, SL_FMT(sl_v_), text);            \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#endif
