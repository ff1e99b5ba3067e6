/* Check digits of national, financial and device identifiers (table: docs/detection.md).
 * Each takes the text as matched, skips separators, and never allocates. A value of the wrong
 * length is simply not one of these. */
#include "detect/check_digits.h"

#define CHARS_MAX 40

/* The letters (as capitals) and digits of a value. */
typedef struct {
    char c[CHARS_MAX];
    size_t n;
    bool digits_only;
} clean;

static clean clean_of(sl_view v)
{
    clean out = { .digits_only = true };
    for (size_t i = 0; i < v.n; i++) {
        uint8_t b = v.p[i];
        if (b >= 'a' && b <= 'z') {
            b = (uint8_t)(b - 'a' + 'A');
        }
        bool digit = b >= '0' && b <= '9';
        if (!digit && !(b >= 'A' && b <= 'Z')) {
            continue;
        }
        if (out.n == CHARS_MAX) {
            out.n = 0;
            out.digits_only = false;
            return out;
        }
        out.digits_only = out.digits_only && digit;
        out.c[out.n++] = (char)b;
    }
    return out;
}

static unsigned digit_at(const clean *c, size_t i)
{
    return (unsigned)(c->c[i] - '0');
}

static bool is_digits(const clean *c, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (c->c[i] < '0' || c->c[i] > '9') {
            return false;
        }
    }
    return true;
}

static bool digits_of_length(const clean *c, size_t n)
{
    return c->digits_only && c->n == n;
}

static unsigned weighted(const clean *c, const uint8_t *weights, size_t n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += digit_at(c, i) * weights[i];
    }
    return sum;
}

static bool all_same(const clean *c)
{
    for (size_t i = 1; i < c->n; i++) {
        if (c->c[i] != c->c[0]) {
            return false;
        }
    }
    return true;
}

/* Luhn's sum (ISO/IEC 7812-1 annex B), counted from the right; `carry` is what a fixed prefix adds. */
static bool luhn_from(const clean *c, size_t from, unsigned carry)
{
    unsigned sum = carry;
    bool twice = false;
    for (size_t i = c->n; i > from; i--) {
        unsigned d = digit_at(c, i - 1);
        if (twice) {
            d = d * 2 > 9 ? d * 2 - 9 : d * 2;
        }
        sum += d;
        twice = !twice;
    }
    return sum % 10 == 0;
}

static bool check_luhn(sl_view v)
{
    clean c = clean_of(v);
    return c.digits_only && c.n >= 8 && luhn_from(&c, 0, 0);
}

static bool check_card(sl_view v)
{
    clean c = clean_of(v);
    return c.digits_only && c.n >= 13 && c.n <= 19 && !all_same(&c) && luhn_from(&c, 0, 0);
}

/* US National Provider Identifier: Luhn over 80840 and the number (45 CFR 162.406). */
static bool check_npi(sl_view v)
{
    clean c = clean_of(v);
    return digits_of_length(&c, 10) && luhn_from(&c, 0, 24);
}

/* US DEA registration: (d1+d3+d5) + 2(d2+d4+d6) ends in d7. */
static bool check_dea(sl_view v)
{
    clean c = clean_of(v);
    if (c.n != 9 || !is_digits(&c, 2, 9)) {
        return false;
    }
    unsigned sum = digit_at(&c, 2) + digit_at(&c, 4) + digit_at(&c, 6) +
                   2 * (digit_at(&c, 3) + digit_at(&c, 5) + digit_at(&c, 7));
    return sum % 10 == digit_at(&c, 8);
}

/* US social security number: areas 000, 666 and 9xx, group 00 and serial 0000 are never issued. */
static bool check_ssn(sl_view v)
{
    clean c = clean_of(v);
    if (!digits_of_length(&c, 9)) {
        return false;
    }
    unsigned area = digit_at(&c, 0) * 100 + digit_at(&c, 1) * 10 + digit_at(&c, 2);
    unsigned group = digit_at(&c, 3) * 10 + digit_at(&c, 4);
    bool serial = digit_at(&c, 5) + digit_at(&c, 6) + digit_at(&c, 7) + digit_at(&c, 8) != 0;
    return area != 0 && area != 666 && area < 900 && group != 0 && serial;
}

/* NHS number (England, Wales): weights 10..2, mod 11. */
static bool check_nhs(sl_view v)
{
    static const uint8_t W[9] = { 10, 9, 8, 7, 6, 5, 4, 3, 2 };
    clean c = clean_of(v);
    if (!digits_of_length(&c, 10) || all_same(&c)) {
        return false;
    }
    unsigned check = 11 - weighted(&c, W, 9) % 11;
    check = check == 11 ? 0 : check;
    return check != 10 && check == digit_at(&c, 9);
}

static bool day_month(unsigned day, unsigned month)
{
    static const uint8_t DAYS[13] = { 0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return month >= 1 && month <= 12 && day >= 1 && day <= DAYS[month];
}

static unsigned two(const clean *c, size_t at)
{
    return digit_at(c, at) * 10 + digit_at(c, at + 1);
}

/* Scottish CHI number: as the NHS number, beginning with the date of birth. */
static bool check_chi(sl_view v)
{
    clean c = clean_of(v);
    return digits_of_length(&c, 10) && day_month(two(&c, 0), two(&c, 2)) && check_nhs(v);
}

/* Vehicle identification number (ISO 3779, 49 CFR 565.15): mod 11, ninth character. */
static bool check_vin(sl_view v)
{
    static const uint8_t W[17] = { 8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2 };
    static const uint8_t LETTER[26] = { 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4,
                                        5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9 };
    clean c = clean_of(v);
    if (c.n != 17 || c.digits_only) {
        return false;
    }
    unsigned sum = 0;
    for (size_t i = 0; i < 17; i++) {
        bool digit = is_digits(&c, i, i + 1);
        sum += (digit ? digit_at(&c, i) : LETTER[c.c[i] - 'A']) * W[i];
    }
    unsigned check = sum % 11;
    return c.c[8] == (check == 10 ? 'X' : (char)('0' + check));
}

/* ISO 7064 mod 97-10 over digits and letters (A=10 .. Z=35), starting at `from`, wrapping around. */
static unsigned mod97_wrapped(const clean *c, size_t from)
{
    unsigned rest = 0;
    for (size_t k = 0; k < c->n; k++) {
        char ch = c->c[(from + k) % c->n];
        if (ch >= '0' && ch <= '9') {
            rest = (rest * 10 + (unsigned)(ch - '0')) % 97;
        } else {
            rest = (rest * 100 + (unsigned)(ch - 'A') + 10) % 97;
        }
    }
    return rest;
}

/* IBAN (ISO 13616): the first four characters moved to the end, mod 97 is 1. */
static bool check_iban(sl_view v)
{
    clean c = clean_of(v);
    return c.n >= 15 && c.n <= 34 && is_digits(&c, 2, 4) && mod97_wrapped(&c, 4) == 1;
}

static uint64_t number(const clean *c, size_t from, size_t to)
{
    uint64_t n = 0;
    for (size_t i = from; i < to; i++) {
        n = n * 10 + digit_at(c, i);
    }
    return n;
}

/* French NIR: 97 - n mod 97; Corsica's 2A and 2B count as 19 and 18. */
static bool check_nir(sl_view v)
{
    clean c = clean_of(v);
    if (c.n != 15) {
        return false;
    }
    if (c.c[5] == '2' && (c.c[6] == 'A' || c.c[6] == 'B')) {
        c.c[5] = '1';
        c.c[6] = c.c[6] == 'A' ? '9' : '8';
    }
    if (!is_digits(&c, 0, 15) || (c.c[0] != '1' && c.c[0] != '2')) {
        return false;
    }
    return 97 - number(&c, 0, 13) % 97 == number(&c, 13, 15);
}

/* German tax number (Steuer-ID): ISO 7064 mod 11,10, no leading zero. */
static bool check_steuer_id(sl_view v)
{
    clean c = clean_of(v);
    if (!digits_of_length(&c, 11) || c.c[0] == '0') {
        return false;
    }
    unsigned product = 10;
    for (size_t i = 0; i < 10; i++) {
        unsigned sum = (digit_at(&c, i) + product) % 10;
        product = (sum == 0 ? 10 : sum) * 2 % 11;
    }
    return (11 - product) % 10 == digit_at(&c, 10);
}

/* German health insurance number (KVNR): letter as two digits, weights 1,2 with cross sums. */
static bool check_kvnr(sl_view v)
{
    clean c = clean_of(v);
    if (c.n != 10 || c.c[0] < 'A' || !is_digits(&c, 1, 10)) {
        return false;
    }
    unsigned letter = (unsigned)(c.c[0] - 'A') + 1;
    unsigned d[10] = { letter / 10, letter % 10 };
    for (size_t i = 1; i < 9; i++) {
        d[i + 1] = digit_at(&c, i);
    }
    unsigned sum = 0;
    for (size_t i = 0; i < 10; i++) {
        unsigned p = d[i] * (i % 2 == 0 ? 1 : 2);
        sum += p / 10 + p % 10;
    }
    return sum % 10 == digit_at(&c, 9);
}

/* Spanish DNI and NIE: remainder mod 23 names the letter. */
static bool check_dni(sl_view v)
{
    static const char LETTERS[] = "TRWAGMYFPDXBNJZSQVHLCKE";
    clean c = clean_of(v);
    if (c.n != 9) {
        return false;
    }
    if (c.c[0] >= 'X' && c.c[0] <= 'Z') {
        c.c[0] = (char)('0' + (c.c[0] - 'X'));
    }
    return is_digits(&c, 0, 8) && LETTERS[number(&c, 0, 8) % 23] == c.c[8];
}

/* Italian codice fiscale: odd places by table, even places by value, mod 26. */
static bool check_codice_fiscale(sl_view v)
{
    static const uint8_t ODD[26] = { 1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                     20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23 };
    clean c = clean_of(v);
    if (c.n != 16 || c.digits_only || is_digits(&c, 15, 16)) {
        return false;
    }
    unsigned sum = 0;
    for (size_t i = 0; i < 15; i++) {
        unsigned value = is_digits(&c, i, i + 1) ? digit_at(&c, i) : (unsigned)(c.c[i] - 'A');
        sum += i % 2 == 0 ? ODD[value] : value;
    }
    return (char)('A' + sum % 26) == c.c[15];
}

/* Dutch BSN: the eleven test with weights 9..2 and -1. */
static bool check_bsn(sl_view v)
{
    static const uint8_t W[8] = { 9, 8, 7, 6, 5, 4, 3, 2 };
    clean c = clean_of(v);
    if (!digits_of_length(&c, 9) || all_same(&c)) {
        return false;
    }
    return (weighted(&c, W, 8) + 11 - digit_at(&c, 8)) % 11 == 0;
}

/* Belgian national number: 97 - n mod 97, with 2 before the number for births from 2000 on. */
static bool check_belgian(sl_view v)
{
    clean c = clean_of(v);
    if (!digits_of_length(&c, 11)) {
        return false;
    }
    uint64_t n = number(&c, 0, 9);
    uint64_t check = number(&c, 9, 11);
    return 97 - n % 97 == check || 97 - (n + 2000000000U) % 97 == check;
}

/* Polish PESEL: weights 1379. */
static bool check_pesel(sl_view v)
{
    static const uint8_t W[10] = { 1, 3, 7, 9, 1, 3, 7, 9, 1, 3 };
    clean c = clean_of(v);
    if (!digits_of_length(&c, 11) || all_same(&c)) {
        return false;
    }
    return (10 - weighted(&c, W, 10) % 10) % 10 == digit_at(&c, 10);
}

/* Swedish personnummer: date, then Luhn over the last ten digits. */
static bool check_personnummer(sl_view v)
{
    clean c = clean_of(v);
    if (!c.digits_only || (c.n != 10 && c.n != 12)) {
        return false;
    }
    size_t from = c.n - 10;
    unsigned day = two(&c, from + 4);
    return day_month(day > 60 ? day - 60 : day, two(&c, from + 2)) && luhn_from(&c, from, 0);
}

/* Norwegian foedselsnummer: two check digits mod 11. */
static bool check_fnr(sl_view v)
{
    static const uint8_t W1[9] = { 3, 7, 6, 1, 8, 9, 4, 5, 2 };
    static const uint8_t W2[10] = { 5, 4, 3, 2, 7, 6, 5, 4, 3, 2 };
    clean c = clean_of(v);
    if (!digits_of_length(&c, 11) || all_same(&c)) {
        return false;
    }
    unsigned a = (11 - weighted(&c, W1, 9) % 11) % 11;
    unsigned b = (11 - weighted(&c, W2, 10) % 11) % 11;
    return a < 10 && b < 10 && a == digit_at(&c, 9) && b == digit_at(&c, 10);
}

/* Finnish HETU: date and serial mod 31 name the last character. */
static bool check_hetu(sl_view v)
{
    static const char LETTERS[] = "0123456789ABCDEFHJKLMNPRSTUVWXY";
    clean c = clean_of(v);
    /* The century sign is '-' or '+' (dropped by cleaning) or a letter. */
    size_t serial = c.n == 11 ? 7 : 6;
    if ((c.n != 10 && c.n != 11) || !is_digits(&c, 0, 6) || !is_digits(&c, serial, serial + 3)) {
        return false;
    }
    uint64_t n = number(&c, 0, 6) * 1000 + number(&c, serial, serial + 3);
    return day_month(two(&c, 0), two(&c, 2)) && LETTERS[n % 31] == c.c[c.n - 1];
}

/* Canadian SIN: Luhn over nine digits. */
static bool check_sin(sl_view v)
{
    clean c = clean_of(v);
    return digits_of_length(&c, 9) && c.c[0] != '0' && c.c[0] != '8' && !all_same(&c) &&
           luhn_from(&c, 0, 0);
}

/* Australian Medicare card: weights 1379 1379, mod 10 is the ninth digit. */
static bool check_medicare_au(sl_view v)
{
    static const uint8_t W[8] = { 1, 3, 7, 9, 1, 3, 7, 9 };
    clean c = clean_of(v);
    if (!c.digits_only || (c.n != 10 && c.n != 11) || c.c[0] < '2' || c.c[0] > '6') {
        return false;
    }
    return weighted(&c, W, 8) % 10 == digit_at(&c, 8);
}

/* Indian Aadhaar: Verhoeff's dihedral check. The tables are computed from the group's law. */
static unsigned dihedral(unsigned a, unsigned b)
{
    if (a < 5) {
        return b < 5 ? (a + b) % 5 : 5 + (a + b - 5) % 5;
    }
    return b < 5 ? 5 + (a - 5 + 5 - b) % 5 : (a - 5 + 5 - (b - 5)) % 5;
}

static bool check_aadhaar(sl_view v)
{
    static const uint8_t P[10] = { 1, 5, 7, 6, 2, 8, 3, 0, 9, 4 };
    clean c = clean_of(v);
    if (!digits_of_length(&c, 12) || c.c[0] < '2') {
        return false;
    }
    unsigned sum = 0;
    for (size_t i = 0; i < 12; i++) {
        unsigned d = digit_at(&c, 11 - i);
        for (size_t k = 0; k < i % 8; k++) {
            d = P[d];
        }
        sum = dihedral(sum, d);
    }
    return sum == 0;
}

/* Brazilian CPF: two check digits mod 11. */
static bool check_cpf(sl_view v)
{
    clean c = clean_of(v);
    if (!digits_of_length(&c, 11) || all_same(&c)) {
        return false;
    }
    for (size_t n = 9; n < 11; n++) {
        unsigned sum = 0;
        for (size_t i = 0; i < n; i++) {
            sum += digit_at(&c, i) * (unsigned)(n + 1 - i);
        }
        if (sum * 10 % 11 % 10 != digit_at(&c, n)) {
            return false;
        }
    }
    return true;
}

/* Korean resident number: weights 2..9,2..5, mod 11. */
static bool check_rrn(sl_view v)
{
    static const uint8_t W[12] = { 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5 };
    clean c = clean_of(v);
    if (!digits_of_length(&c, 13) || !day_month(two(&c, 4), two(&c, 2))) {
        return false;
    }
    return (11 - weighted(&c, W, 12) % 11) % 10 == digit_at(&c, 12);
}

/* Chinese resident number: ISO 7064 mod 11-2, last may be X. */
static bool check_cn_id(sl_view v)
{
    static const uint8_t W[17] = { 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2 };
    static const char LAST[] = "10X98765432";
    clean c = clean_of(v);
    if (c.n != 18 || !is_digits(&c, 0, 17) || !day_month(two(&c, 12), two(&c, 10))) {
        return false;
    }
    return LAST[weighted(&c, W, 17) % 11] == c.c[17];
}

/* GS1 key inside a device identifier: mod 10 over the 14 digits that follow "(01)". */
static bool check_gtin(sl_view v)
{
    clean c = clean_of(v);
    if (c.n < 16 || !is_digits(&c, 0, 16)) {
        return false;
    }
    unsigned sum = 0;
    for (size_t i = 0; i < 13; i++) {
        sum += digit_at(&c, 2 + i) * (i % 2 == 0 ? 3 : 1);
    }
    return (10 - sum % 10) % 10 == digit_at(&c, 15);
}

/* IMEI: 15 digits with Luhn (3GPP TS 23.003). */
static bool check_imei(sl_view v)
{
    clean c = clean_of(v);
    return digits_of_length(&c, 15) && !all_same(&c) && luhn_from(&c, 0, 0);
}

/* SIM card number: 18 to 20 digits from 89; the longer forms end in a Luhn digit. */
static bool check_iccid(sl_view v)
{
    clean c = clean_of(v);
    return c.digits_only && (c.n == 19 || c.n == 20) && luhn_from(&c, 0, 0);
}

/* An address that stands for no one: unspecified, loopback, broadcast, documentation masks. */
static bool check_ipv4(sl_view v)
{
    return !sl_view_eq_str(v, "0.0.0.0") && !sl_view_starts(v, SL_LIT("127.")) &&
           !sl_view_starts(v, SL_LIT("255."));
}

/* A telephone number has seven to fifteen digits (E.164). */
static bool check_phone(sl_view value)
{
    size_t digits = 0;
    for (size_t i = 0; i < value.n; i++) {
        digits += value.p[i] >= '0' && value.p[i] <= '9';
    }
    return digits >= 7 && digits <= 15;
}

/* "138-312" and "1998-2003" go from one number to a greater one of as many digits. */
static bool check_no_range(sl_view value)
{
    sl_view from;
    sl_view to;
    if (!sl_view_cut(value, '-', &from, &to) || from.n != to.n || from.n == 0) {
        return true;
    }
    bool years =
        from.n == 4 && (sl_view_starts(from, SL_LIT("19")) || sl_view_starts(from, SL_LIT("20")));
    return (from.n > 3 && !years) || from.p[0] == '0' || memcmp(from.p, to.p, from.n) >= 0;
}

static const struct {
    const char *name;
    sl_check_digit_fn *check;
} CHECKS[] = {
    { "luhn", check_luhn },
    { "card", check_card },
    { "npi", check_npi },
    { "dea", check_dea },
    { "ssn", check_ssn },
    { "nhs", check_nhs },
    { "chi", check_chi },
    { "vin", check_vin },
    { "iban", check_iban },
    { "nir", check_nir },
    { "steuer_id", check_steuer_id },
    { "kvnr", check_kvnr },
    { "dni", check_dni },
    { "codice_fiscale", check_codice_fiscale },
    { "bsn", check_bsn },
    { "belgian", check_belgian },
    { "pesel", check_pesel },
    { "personnummer", check_personnummer },
    { "fnr", check_fnr },
    { "hetu", check_hetu },
    { "sin", check_sin },
    { "medicare_au", check_medicare_au },
    { "aadhaar", check_aadhaar },
    { "cpf", check_cpf },
    { "rrn", check_rrn },
    { "cn_id", check_cn_id },
    { "gtin", check_gtin },
    { "imei", check_imei },
    { "iccid", check_iccid },
    { "ipv4", check_ipv4 },
    { "phone", check_phone },
    { "no_range", check_no_range },
};

sl_check_digit_fn *sl_check_digit_by_name(sl_view name)
{
    for (size_t i = 0; i < SL_COUNT_OF(CHECKS); i++) {
        if (sl_view_eq_str(name, CHECKS[i].name)) {
            return CHECKS[i].check;
        }
    }
    return NULL;
}
