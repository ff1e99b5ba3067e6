/* Check digits: published or computed examples hold, one changed digit does not. */
#include "test.h"

#include "detect/check_digits.h"

typedef struct {
    const char *check;
    const char *value;
} example;

static const example GOOD[] = {
    { "card", "4111 1111 1111 1111" },
    { "card", "378282246310005" },
    { "npi", "1234567893" },
    { "dea", "BJ6125341" },
    { "ssn", "123-45-6789" },
    { "nhs", "943 476 5919" },
    { "vin", "1M8GDM9AXKP042788" },
    { "iban", "GB82 WEST 1234 5698 7654 32" },
    { "iban", "DE89370400440532013000" },
    { "nir", "2 55 08 14 168 025 38" },
    { "steuer_id", "86095742719" },
    { "kvnr", "A123456780" },
    { "dni", "12345678Z" },
    { "dni", "X1234567L" },
    { "codice_fiscale", "RSSMRA85T10A562S" },
    { "bsn", "111222333" },
    { "belgian", "85.07.30-033.28" },
    { "pesel", "44051401359" },
    { "personnummer", "811228-9874" },
    { "hetu", "131052-308T" },
    { "sin", "130 692 544" },
    { "aadhaar", "2345 6789 1238" },
    { "cpf", "529.982.247-25" },
    { "cn_id", "11010519491231002X" },
    { "imei", "490154203237518" },
    { "gtin", "(01)09506000134352" },
};

static void known_examples_hold(void **state)
{
    for (size_t i = 0; i < SL_COUNT_OF(GOOD); i++) {
        sl_check_digit_fn *check = sl_check_digit_by_name(sl_view_str(GOOD[i].check));
        assert_non_null(check);
        if (!check(sl_view_str(GOOD[i].value))) {
            fail_msg("%s does not hold for %s", GOOD[i].check, GOOD[i].value);
        }
    }
}

static void a_changed_last_character_does_not_hold(void **state)
{
    for (size_t i = 0; i < SL_COUNT_OF(GOOD); i++) {
        if (strcmp(GOOD[i].check, "ssn") == 0) {
            continue; /* it has no check digit */
        }
        char changed[64] = { 0 };
        size_t n = strlen(GOOD[i].value);
        memcpy(changed, GOOD[i].value, n);
        char *last = &changed[n - 1];
        *last = *last == 'A' ? 'B' : (*last > '9' ? 'A' : (*last == '5' ? '7' : '5'));
        if (sl_check_digit_by_name(sl_view_str(GOOD[i].check))(sl_view_str(changed))) {
            fail_msg("%s holds for %s", GOOD[i].check, changed);
        }
    }
}

static void numbers_that_are_never_issued_do_not_hold(void **state)
{
    static const char *const BAD[] = { "000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567",
                                       "123-45-0000" };
    sl_check_digit_fn *ssn = sl_check_digit_by_name(SL_LIT("ssn"));
    for (size_t i = 0; i < SL_COUNT_OF(BAD); i++) {
        assert_false(ssn(sl_view_str(BAD[i])));
    }
    assert_null(sl_check_digit_by_name(SL_LIT("nonesuch")));
}

static void ranges_and_fractions_are_no_numbers_of_a_person(void **state)
{
    sl_check_digit_fn *range = sl_check_digit_by_name(SL_LIT("no_range"));
    sl_check_digit_fn *phone = sl_check_digit_by_name(SL_LIT("phone"));
    assert_false(range(SL_LIT("138-312")));
    assert_false(range(SL_LIT("1998-2003")));
    assert_true(range(SL_LIT("1042-2007")));
    assert_true(range(SL_LIT("042-107")));
    assert_true(range(SL_LIT("312-138")));
    assert_false(phone(SL_LIT("0.17-0.44")));
    assert_true(phone(SL_LIT("555-0134")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_examples_hold),
        cmocka_unit_test(a_changed_last_character_does_not_hold),
        cmocka_unit_test(numbers_that_are_never_issued_do_not_hold),
        cmocka_unit_test(ranges_and_fractions_are_no_numbers_of_a_person),
    };
    return cmocka_run_group_tests_name("check digits", tests, NULL, NULL);
}
