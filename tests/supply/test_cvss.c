/* Base scores: values as FIRST's calculator gives them, and what is no vector. */
#include "test.h"

#include "supply/cvss.h"

static void scores(void **state)
{
    static const struct {
        const char *text;
        int tenths;
    } cases[] = {
        { "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 98 },
        { "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 100 },
        { "CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 61 },
        { "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 78 },
        { "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 75 },
        { "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:N", 59 },
        { "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 99 },
        { "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0 },
        { "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:P", 98 },
        { "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", -1 },
        { "CVSS:3.1/AV:N/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", -1 },
        { "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", -1 },
        { "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", -1 },
        { "CVSS:3.1/", -1 },
        { "critical", 90 },
        { "MODERATE", 40 },
        { "High", 70 },
        { "", -1 },
        { "unimportant", -1 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        int got = sl_severity_tenths(sl_view_str(cases[i].text));
        if (got != cases[i].tenths) {
            print_error("%s: %d, wanted %d\n", cases[i].text, got, cases[i].tenths);
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(scores) };
    return cmocka_run_group_tests_name("cvss", tests, NULL, NULL);
}
