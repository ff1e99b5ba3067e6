/* Columns by name and by the shapes of their values (classify.h). The table of names covers SDTM and
 * ADaM, Synthea, FHIR paths and common English headers. */
#include "doors/ingest/classify.h"

/* `name` is matched without case and without any sign that is neither letter nor digit nor dot;
 * one that begins with a dot is the end of a JSON path, one that begins with '*' a suffix. */
typedef struct {
    const char *name;
    sl_class kind;
    sl_column_role role;
    bool identifier;
    uint8_t rank;
} known_name;

#define ID true
#define QUASI false

static const known_name known_names[] = {
    { "usubjid", SL_CLASS_SUBJECT, SL_ROLE_SUBJECT, ID, 1 },
    { "subjid", SL_CLASS_SUBJECT, SL_ROLE_SUBJECT, ID, 2 },
    { "subjectid", SL_CLASS_SUBJECT, SL_ROLE_SUBJECT, ID, 2 },
    { "subject", SL_CLASS_SUBJECT, SL_ROLE_SUBJECT, ID, 3 },
    { "patientid", SL_CLASS_SUBJECT, SL_ROLE_SUBJECT, ID, 3 },
    { "patient", SL_CLASS_SUBJECT, SL_ROLE_SUBJECT, ID, 4 },
    { "participantid", SL_CLASS_SUBJECT, SL_ROLE_SUBJECT, ID, 3 },
    { ".subject.reference", SL_CLASS_SUBJECT, SL_ROLE_SUBJECT, ID, 5 },
    { ".patient.reference", SL_CLASS_SUBJECT, SL_ROLE_SUBJECT, ID, 6 },
    { "mrn", SL_CLASS_MRN, SL_ROLE_SUBJECT, ID, 7 },
    { "medicalrecordnumber", SL_CLASS_MRN, SL_ROLE_SUBJECT, ID, 7 },
    { "id", SL_CLASS_OTHER_ID, SL_ROLE_ID, QUASI, 9 },
    { "patient.id", SL_CLASS_SUBJECT, SL_ROLE_SUBJECT, ID, 4 },
    { ".identifier.value", SL_CLASS_OTHER_ID, SL_ROLE_NONE, ID, 0 },
    { "first", SL_CLASS_NAME, SL_ROLE_GIVEN, ID, 0 },
    { "firstname", SL_CLASS_NAME, SL_ROLE_GIVEN, ID, 0 },
    { "givenname", SL_CLASS_NAME, SL_ROLE_GIVEN, ID, 0 },
    { "forename", SL_CLASS_NAME, SL_ROLE_GIVEN, ID, 0 },
    { "last", SL_CLASS_NAME, SL_ROLE_FAMILY, ID, 0 },
    { "lastname", SL_CLASS_NAME, SL_ROLE_FAMILY, ID, 0 },
    { "surname", SL_CLASS_NAME, SL_ROLE_FAMILY, ID, 0 },
    { "familyname", SL_CLASS_NAME, SL_ROLE_FAMILY, ID, 0 },
    { "maiden", SL_CLASS_NAME, SL_ROLE_FAMILY, ID, 0 },
    { "name", SL_CLASS_NAME, SL_ROLE_NONE, ID, 0 },
    { "patientname", SL_CLASS_NAME, SL_ROLE_NONE, ID, 0 },
    { "fullname", SL_CLASS_NAME, SL_ROLE_NONE, ID, 0 },
    { "invnam", SL_CLASS_NAME, SL_ROLE_NONE, ID, 0 },
    { ".name.given", SL_CLASS_NAME, SL_ROLE_GIVEN, ID, 0 },
    { ".name.family", SL_CLASS_NAME, SL_ROLE_FAMILY, ID, 0 },
    { ".name.text", SL_CLASS_NAME, SL_ROLE_NONE, ID, 0 },
    { "ssn", SL_CLASS_SSN, SL_ROLE_NONE, ID, 0 },
    { "socialsecuritynumber", SL_CLASS_SSN, SL_ROLE_NONE, ID, 0 },
    { "nhsnumber", SL_CLASS_NHS, SL_ROLE_NONE, ID, 0 },
    { "drivers", SL_CLASS_LICENCE, SL_ROLE_NONE, ID, 0 },
    { "driverslicense", SL_CLASS_LICENCE, SL_ROLE_NONE, ID, 0 },
    { "passport", SL_CLASS_NATIONAL_ID, SL_ROLE_NONE, ID, 0 },
    { "address", SL_CLASS_STREET, SL_ROLE_NONE, ID, 0 },
    { "street", SL_CLASS_STREET, SL_ROLE_NONE, ID, 0 },
    { ".address.line", SL_CLASS_STREET, SL_ROLE_NONE, ID, 0 },
    { "city", SL_CLASS_LOCATION, SL_ROLE_NONE, QUASI, 0 },
    { ".address.city", SL_CLASS_LOCATION, SL_ROLE_NONE, QUASI, 0 },
    { "county", SL_CLASS_LOCATION, SL_ROLE_NONE, QUASI, 0 },
    { "birthplace", SL_CLASS_LOCATION, SL_ROLE_NONE, QUASI, 0 },
    { "lat", SL_CLASS_LOCATION, SL_ROLE_NONE, QUASI, 0 },
    { "lon", SL_CLASS_LOCATION, SL_ROLE_NONE, QUASI, 0 },
    { "zip", SL_CLASS_ZIP, SL_ROLE_NONE, QUASI, 0 },
    { "postcode", SL_CLASS_ZIP, SL_ROLE_NONE, QUASI, 0 },
    { ".address.postalcode", SL_CLASS_ZIP, SL_ROLE_NONE, QUASI, 0 },
    { "phone", SL_CLASS_PHONE, SL_ROLE_NONE, ID, 0 },
    { "telephone", SL_CLASS_PHONE, SL_ROLE_NONE, ID, 0 },
    { "fax", SL_CLASS_PHONE, SL_ROLE_NONE, ID, 0 },
    { ".telecom.value", SL_CLASS_PHONE, SL_ROLE_NONE, ID, 0 },
    { "email", SL_CLASS_EMAIL, SL_ROLE_NONE, ID, 0 },
    { "account", SL_CLASS_ACCOUNT, SL_ROLE_NONE, ID, 0 },
    { "accountnumber", SL_CLASS_ACCOUNT, SL_ROLE_NONE, ID, 0 },
    { "healthplan", SL_CLASS_HEALTH_PLAN, SL_ROLE_NONE, ID, 0 },
    { "memberid", SL_CLASS_HEALTH_PLAN, SL_ROLE_NONE, ID, 0 },
    { "udi", SL_CLASS_DEVICE, SL_ROLE_NONE, ID, 0 },
    { ".serialnumber", SL_CLASS_DEVICE, SL_ROLE_NONE, ID, 0 },
    { ".deviceidentifier", SL_CLASS_DEVICE, SL_ROLE_NONE, ID, 0 },
    { "siteid", SL_CLASS_SITE, SL_ROLE_NONE, QUASI, 0 },
    { "invid", SL_CLASS_SITE, SL_ROLE_NONE, QUASI, 0 },
    { "birthdate", SL_CLASS_DATE, SL_ROLE_NONE, QUASI, 0 },
    { ".birthdate", SL_CLASS_DATE, SL_ROLE_NONE, QUASI, 0 },
    { "dob", SL_CLASS_DATE, SL_ROLE_NONE, QUASI, 0 },
    { "deathdate", SL_CLASS_DATE, SL_ROLE_NONE, QUASI, 0 },
    { "*dtc", SL_CLASS_DATE, SL_ROLE_NONE, QUASI, 0 },
    { "age", SL_CLASS_AGE90, SL_ROLE_AGE, QUASI, 0 },
};

/* Lower case, letters, digits and dots only; long names are cut: none in the table is. */
static sl_view normal_name(sl_view name, uint8_t out[64])
{
    size_t n = 0;
    for (size_t i = 0; i < name.n && n < 64; i++) {
        uint8_t c = name.p[i];
        if (c >= 'A' && c <= 'Z') {
            c = (uint8_t)(c | 0x20);
        }
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.') {
            out[n++] = c;
        }
    }
    return sl_view_of(out, n);
}

static bool matches(const char *pattern, sl_view name)
{
    if (pattern[0] == '.') {
        return sl_view_ends(name, sl_view_str(pattern));
    }
    if (pattern[0] == '*') {
        return name.n > strlen(pattern + 1) && sl_view_ends(name, sl_view_str(pattern + 1));
    }
    return sl_view_eq_str(name, pattern);
}

/* The names of organisations, devices and drugs are no persons' names. */
static bool is_person_path(sl_view name)
{
    static const char *const others[] = { "organization.", "location.", "medication.", "device.",
                                          "healthcareservice." };
    for (size_t i = 0; i < SL_COUNT_OF(others); i++) {
        if (sl_view_starts(name, sl_view_str(others[i]))) {
            return false;
        }
    }
    return true;
}

sl_column_class sl_classify_name(sl_view name)
{
    uint8_t room[64];
    sl_view normal = normal_name(name, room);
    for (size_t i = 0; i < SL_COUNT_OF(known_names); i++) {
        const known_name *k = &known_names[i];
        if (matches(k->name, normal) && (k->kind != SL_CLASS_NAME || is_person_path(normal))) {
            return (sl_column_class){ .known = true,
                                      .identifier = k->identifier,
                                      .kind = k->kind,
                                      .role = k->role,
                                      .rank = k->rank };
        }
    }
    return (sl_column_class){ .kind = SL_CLASS_COUNT };
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Does the value begin with this picture? 9: digit, A: letter, x: hexadecimal digit, others: themselves. */
static bool pictured(sl_view value, const char *picture)
{
    size_t n = strlen(picture);
    if (value.n < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t c = value.p[i];
        bool hex = is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        bool fits = picture[i] == '9'   ? is_digit(c)
                    : picture[i] == 'A' ? is_letter(c)
                    : picture[i] == 'x' ? hex
                                        : c == (uint8_t)picture[i];
        if (!fits) {
            return false;
        }
    }
    return true;
}

static bool is_date(sl_view value)
{
    static const char *const whole[] = { "99AAA9999",  "9/9/9999", "99/9/9999", "9/99/9999",
                                         "99/99/9999", "9999-99",  "9999-99-99" };
    for (size_t i = 0; i < SL_COUNT_OF(whole); i++) {
        if (value.n == strlen(whole[i]) && pictured(value, whole[i])) {
            return true;
        }
    }
    return pictured(value, "9999-99-99T99:99") || pictured(value, "9999-99-99 99:99");
}

typedef struct {
    size_t digits;
    size_t letters;
    size_t blanks;
    size_t dashes;
    size_t points; /* . and , */
    size_t signs;  /* ( ) + */
    size_t others;
} census;

static census take_census(sl_view value)
{
    census c = { 0 };
    for (size_t i = 0; i < value.n; i++) {
        uint8_t b = value.p[i];
        c.digits += is_digit(b) ? 1 : 0;
        c.letters += is_letter(b) || b >= 0x80 ? 1 : 0;
        c.blanks += b == ' ' ? 1 : 0;
        c.dashes += b == '-' ? 1 : 0;
        c.points += b == '.' || b == ',' ? 1 : 0;
        c.signs += b == '(' || b == ')' || b == '+' ? 1 : 0;
        c.others += b == '@' || b == '/' || b == ':' ? 1 : 0;
    }
    return c;
}

static bool is_number(sl_view value, const census *c)
{
    size_t sign = value.n != 0 && (value.p[0] == '-' || value.p[0] == '+') ? 1 : 0;
    bool exponent = c->letters == 1 && sl_view_find_byte(value, 'E', 0) != SIZE_MAX;
    return c->digits != 0 && c->points <= 1 && (c->letters == 0 || exponent) &&
           c->digits + c->points + sign + (exponent ? 2 : 0) >= value.n;
}

static bool is_place(sl_view value)
{
    static const char *const words[] = { "HOSPITAL", "CLINIC", "CENTER",  "CENTRE",  "HEALTH",
                                         " INC",     " LLC",   "MEDICAL", "PHARMACY" };
    uint8_t upper[128];
    size_t n = value.n < sizeof upper ? value.n : sizeof upper;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = value.p[i];
        upper[i] = c >= 'a' && c <= 'z' ? (uint8_t)(c & 0xDF) : c;
    }
    for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
        if (sl_view_find(sl_view_of(upper, n), sl_view_str(words[i]), 0) != SIZE_MAX) {
            return true;
        }
    }
    return false;
}

static bool is_mail(sl_view value)
{
    size_t at = sl_view_find_byte(value, '@', 0);
    return at != SIZE_MAX && at != 0 && sl_view_find_byte(value, ' ', 0) == SIZE_MAX &&
           sl_view_find_byte(value, '.', at) != SIZE_MAX;
}

sl_shape sl_shape_of(sl_view value)
{
    census c = take_census(value);
    if (value.n == 36 && pictured(value, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")) {
        return SL_SHAPE_UUID;
    }
    if (is_date(value)) {
        return SL_SHAPE_DATE;
    }
    if (value.n == 11 && pictured(value, "999-99-9999")) {
        return SL_SHAPE_SSN;
    }
    if (is_number(value, &c)) {
        return SL_SHAPE_NUMBER;
    }
    if (is_mail(value)) {
        return SL_SHAPE_MAIL;
    }
    size_t separators = c.dashes + c.points + c.signs + c.blanks;
    if (c.letters == 0 && c.others == 0 && c.digits >= 10 && c.digits <= 15 && separators != 0 &&
        (c.dashes <= 3 || c.signs != 0)) {
        return SL_SHAPE_PHONE;
    }
    if (c.dashes != 0 && c.digits >= 6 && c.letters <= 8 && c.blanks + c.points + c.others == 0) {
        return SL_SHAPE_SUBJECT;
    }
    if (is_place(value)) {
        return SL_SHAPE_PLACE;
    }
    return c.blanks >= 3 && c.letters > c.digits ? SL_SHAPE_WORDS : SL_SHAPE_OTHER;
}

/* The class that a shape stands for where the name says nothing. */
static sl_column_class class_of_shape(sl_shape shape)
{
    static const struct {
        sl_shape shape;
        sl_class kind;
        bool identifier;
    } table[] = {
        { SL_SHAPE_DATE, SL_CLASS_DATE, QUASI },     { SL_SHAPE_SSN, SL_CLASS_SSN, ID },
        { SL_SHAPE_MAIL, SL_CLASS_EMAIL, ID },       { SL_SHAPE_PHONE, SL_CLASS_PHONE, ID },
        { SL_SHAPE_UUID, SL_CLASS_OTHER_ID, QUASI }, { SL_SHAPE_SUBJECT, SL_CLASS_SUBJECT, ID },
    };
    for (size_t i = 0; i < SL_COUNT_OF(table); i++) {
        if (table[i].shape == shape) {
            return (sl_column_class){ .identifier = table[i].identifier, .kind = table[i].kind };
        }
    }
    return (sl_column_class){ .kind = SL_CLASS_COUNT };
}

sl_column_class sl_classify_column(sl_view name, const uint64_t shapes[SL_SHAPE_COUNT],
                                   uint64_t filled)
{
    sl_column_class by_name = sl_classify_name(name);
    if (by_name.kind == SL_CLASS_NAME && by_name.role == SL_ROLE_NONE &&
        shapes[SL_SHAPE_PLACE] * 10 > filled * 3) {
        return (sl_column_class){ .known = true, .kind = SL_CLASS_LOCATION };
    }
    if (by_name.kind == SL_CLASS_PHONE && shapes[SL_SHAPE_MAIL] * 2 > filled) {
        by_name.kind = SL_CLASS_EMAIL;
    }
    if (by_name.known) {
        return by_name;
    }
    for (size_t shape = 0; shape < SL_SHAPE_COUNT; shape++) {
        if (filled != 0 && shapes[shape] * 5 >= filled * 4) {
            return class_of_shape((sl_shape)shape);
        }
    }
    return by_name;
}
