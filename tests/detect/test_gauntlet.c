/* The encodings gauntlet: a note with a canary, a social security number, a record number, a mail
 * address and a name in every disguise of the design. What is found in plain text must be found in at
 * least 95 of 100 disguises, and what people really write must not be taken for one. */
#include "test.h"

#include "base/encode.h"
#include "base/utf8.h"
#include "detect/engines.h"

static const char NOTE[] =
    "The patient Jane Holloway (SSN 123-45-6789, MRN: 00483921) has written from "
    "jane.holloway@example.org about the violet heron 88213 and was seen today.";

static const sl_class WANTED[] = { SL_CLASS_CANARY, SL_CLASS_SSN, SL_CLASS_MRN, SL_CLASS_EMAIL,
                                   SL_CLASS_NAME };

typedef void (*disguise)(const char *text, unsigned n, sl_buf *out);

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void put_cp(sl_buf *out, uint32_t cp)
{
    uint8_t bytes[4];
    size_t n = 0;
    if (cp < 0x80) {
        bytes[n++] = (uint8_t)cp;
    } else if (cp < 0x800) {
        bytes[n++] = (uint8_t)(0xC0 | cp >> 6);
        bytes[n++] = (uint8_t)(0x80 | (cp & 0x3F));
    } else if (cp < 0x10000) {
        bytes[n++] = (uint8_t)(0xE0 | cp >> 12);
        bytes[n++] = (uint8_t)(0x80 | (cp >> 6 & 0x3F));
        bytes[n++] = (uint8_t)(0x80 | (cp & 0x3F));
    } else {
        bytes[n++] = (uint8_t)(0xF0 | cp >> 18);
        bytes[n++] = (uint8_t)(0x80 | (cp >> 12 & 0x3F));
        bytes[n++] = (uint8_t)(0x80 | (cp >> 6 & 0x3F));
        bytes[n++] = (uint8_t)(0x80 | (cp & 0x3F));
    }
    assert_done(sl_buf_add(out, sl_view_of(bytes, n)));
}

static void plain(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    assert_done(sl_buf_add_str(out, text));
}

static void full_width(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    for (const char *c = text; *c != 0; c++) {
        put_cp(out, *c > ' ' ? 0xFF00U + (uint32_t)(*c - ' ') : (uint32_t)*c);
    }
}

static void mathematical(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    for (const char *c = text; *c != 0; c++) {
        uint32_t cp = (uint32_t)*c;
        cp = *c >= 'a' && *c <= 'z' ? 0x1D41AU + (uint32_t)(*c - 'a') : cp;
        cp = *c >= 'A' && *c <= 'Z' ? 0x1D400U + (uint32_t)(*c - 'A') : cp;
        cp = *c >= '0' && *c <= '9' ? 0x1D7CEU + (uint32_t)(*c - '0') : cp;
        put_cp(out, cp);
    }
}

/* `n` after every letter and digit: a zero-width space, a soft hyphen, a combining mark ... */
static void followed(const char *text, unsigned n, sl_buf *out)
{
    for (const char *c = text; *c != 0; c++) {
        put_cp(out, (uint32_t)*c);
        if (is_letter(*c) || (*c >= '0' && *c <= '9' && n != 0x301)) {
            put_cp(out, n);
        }
    }
}

static void homoglyphs(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    for (const char *c = text; *c != 0; c++) {
        uint32_t cp = *c == 'a' ? 0x430U : *c == 'e' ? 0x435U : *c == 'o' ? 0x43EU : (uint32_t)*c;
        put_cp(out, cp);
    }
}

static void tags(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    assert_done(sl_buf_add_str(out, "Hello."));
    for (const char *c = text; *c != 0; c++) {
        put_cp(out, 0xE0000U + (uint32_t)*c);
    }
}

/* A byte as a variation selector: 0 to 15 at U+FE00, the rest at U+E0100. */
static void selectors(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    assert_done(sl_buf_add_str(out, "Hi \xf0\x9f\x98\x80"));
    for (const char *c = text; *c != 0; c++) {
        uint32_t b = (uint32_t)(uint8_t)*c;
        put_cp(out, b < 16 ? 0xFE00U + b : 0xE0100U + b - 16);
    }
}

static void spelled(const char *text, unsigned n, sl_buf *out)
{
    for (const char *c = text; *c != 0; c++) {
        bool last = c[1] == 0 || c[1] == ' ' || *c == ' ';
        put_cp(out, (uint32_t)*c);
        if (!last) {
            put_cp(out, n);
        } else if (n == ' ' && *c == ' ') {
            put_cp(out, ' ');
            put_cp(out, ' ');
        }
    }
}

static void leetspeak(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    for (const char *c = text; *c != 0; c++) {
        const char *at = strchr("oieast", *c);
        put_cp(out, (uint32_t)(at == NULL ? *c : "013457"[at - strchr("oieast", 'o')]));
    }
}

static void base64(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    assert_done(sl_base64_add(out, sl_view_str(text)));
}

static void base32(const char *text, unsigned n, sl_buf *out)
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint64_t bits = 0;
    unsigned have = 0;
    (void)n;
    for (const char *c = text; *c != 0; c++) {
        bits = bits << 8 | (uint8_t)*c;
        for (have += 8; have >= 5; have -= 5) {
            put_cp(out, (uint32_t)LETTERS[bits >> (have - 5) & 31]);
        }
    }
    if (have != 0) {
        put_cp(out, (uint32_t)LETTERS[bits << (5 - have) & 31]);
    }
    while (out->n % 8 != 0) {
        put_cp(out, '=');
    }
}

static void hex(const char *text, unsigned n, sl_buf *out)
{
    for (const char *c = text; *c != 0; c++) {
        assert_done(
            sl_buf_addf(out, n != 0 && c != text ? " %02x" : "%02x", (unsigned)(uint8_t)*c));
    }
}

static void percent(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    for (const char *c = text; *c != 0; c++) {
        assert_done(sl_buf_addf(out, "%%%02X", (unsigned)(uint8_t)*c));
    }
}

static void entities(const char *text, unsigned n, sl_buf *out)
{
    for (const char *c = text; *c != 0; c++) {
        assert_done(sl_buf_addf(out, n != 0 ? "&#x%X;" : "&#%u;", (unsigned)(uint8_t)*c));
    }
}

static void escapes(const char *text, unsigned n, sl_buf *out)
{
    for (const char *c = text; *c != 0; c++) {
        assert_done(sl_buf_addf(out, n != 0 ? "\\x%02x" : "\\u%04x", (unsigned)(uint8_t)*c));
    }
}

static void binary(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    for (const char *c = text; *c != 0; c++) {
        for (unsigned bit = 8; bit > 0; bit--) {
            put_cp(out, ((unsigned)(uint8_t)*c >> (bit - 1) & 1) != 0 ? '1' : '0');
        }
        put_cp(out, ' ');
    }
}

static void rotated(const char *text, unsigned n, sl_buf *out)
{
    for (const char *c = text; *c != 0; c++) {
        char base = *c >= 'a' ? 'a' : 'A';
        put_cp(out, (uint32_t)(is_letter(*c) ? base + (int)((unsigned)(*c - base) + n) % 26 : *c));
    }
}

static void atbash(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    for (const char *c = text; *c != 0; c++) {
        char base = *c >= 'a' ? 'a' : 'A';
        put_cp(out, (uint32_t)(is_letter(*c) ? base + 25 - (*c - base) : *c));
    }
}

static void backwards(const char *text, unsigned n, sl_buf *out)
{
    (void)n;
    for (size_t i = strlen(text); i > 0; i--) {
        put_cp(out, (uint32_t)text[i - 1]);
    }
}

static void twice(disguise first, unsigned n, disguise second, const char *text, sl_buf *out)
{
    SL_OWN(sl_buf, inner, sl_buf_free) = { .max = 1 << 16 };
    first(text, n, &inner);
    second(sl_buf_cstr(&inner), 0, out);
}

static void base64_twice(const char *text, unsigned n, sl_buf *out)
{
    twice(base64, n, base64, text, out);
}

static void hex_in_base64(const char *text, unsigned n, sl_buf *out)
{
    twice(hex, n, base64, text, out);
}

static void rotated_in_base64(const char *text, unsigned n, sl_buf *out)
{
    twice(rotated, n, base64, text, out);
}

static void percent_of_base64(const char *text, unsigned n, sl_buf *out)
{
    twice(base64, n, percent, text, out);
}

static const struct {
    const char *name;
    disguise apply;
    unsigned n;
} FORMS[] = {
    { "full width", full_width, 0 },
    { "mathematical letters", mathematical, 0 },
    { "zero-width spaces", followed, 0x200B },
    { "word joiners", followed, 0x2060 },
    { "soft hyphens", followed, 0xAD },
    { "combining marks", followed, 0x301 },
    { "left-to-right marks", followed, 0x200E },
    { "variation selectors between", followed, 0xFE0F },
    { "homoglyphs", homoglyphs, 0 },
    { "tag characters", tags, 0 },
    { "variation selector payload", selectors, 0 },
    { "spaced letters", spelled, ' ' },
    { "dashed letters", spelled, '-' },
    { "leetspeak", leetspeak, 0 },
    { "base64", base64, 0 },
    { "base32", base32, 0 },
    { "hex", hex, 0 },
    { "hex in pairs", hex, 1 },
    { "percent", percent, 0 },
    { "decimal entities", entities, 0 },
    { "hexadecimal entities", entities, 1 },
    { "\\u escapes", escapes, 0 },
    { "\\x escapes", escapes, 1 },
    { "binary digits", binary, 0 },
    { "Atbash", atbash, 0 },
    { "backwards", backwards, 0 },
    { "base64 twice", base64_twice, 0 },
    { "hex in base64", hex_in_base64, 0 },
    { "ROT13 in base64", rotated_in_base64, 13 },
    { "percent of base64", percent_of_base64, 0 },
};

/* How many of the wanted classes are found. */
static size_t found_in(engines *e, sl_view text, const char *form)
{
    SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
    size_t count = 0;
    assert_done(sl_detect_inspect(e->detect, e->scratch, text, SL_CHANNEL_USER, &all));
    for (size_t k = 0; k < SL_COUNT_OF(WANTED); k++) {
        bool found = false;
        for (size_t i = 0; i < all.n; i++) {
            assert_true(all.items[i].end <= text.n);
            found = found || all.items[i].kind == WANTED[k];
        }
        count += found;
        if (!found) {
            print_message("%s: %s not found\n", form, sl_class_name(WANTED[k]));
        }
    }
    return count;
}

static void what_is_plain_is_found(void **state)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1 << 16 };
    plain(NOTE, 0, &text);
    assert_int_equal(found_in(*state, sl_buf_view(&text), "plain"), SL_COUNT_OF(WANTED));
}

static void every_disguise_keeps_95_of_100(void **state)
{
    size_t found = 0;
    size_t wanted = 0;
    for (size_t i = 0; i < SL_COUNT_OF(FORMS); i++) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1 << 16 };
        FORMS[i].apply(NOTE, FORMS[i].n, &text);
        size_t here = found_in(*state, sl_buf_view(&text), FORMS[i].name);
        found += here;
        wanted += SL_COUNT_OF(WANTED);
        if (here + 1 < SL_COUNT_OF(WANTED)) {
            fail_msg("%s: only %zu found", FORMS[i].name, here);
        }
    }
    print_message("%zu of %zu found in %zu disguises\n", found, wanted, SL_COUNT_OF(FORMS));
    assert_true(found * 100 >= wanted * 95);
}

static void every_shift_is_undone(void **state)
{
    size_t found = 0;
    for (unsigned n = 1; n < 26; n++) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1 << 16 };
        SL_OWN(sl_buf, name, sl_buf_free) = { .max = 100 };
        assert_done(sl_buf_addf(&name, "shift by %u", n));
        rotated(NOTE, n, &text);
        found += found_in(*state, sl_buf_view(&text), sl_buf_cstr(&name));
    }
    assert_true(found * 100 >= 25 * SL_COUNT_OF(WANTED) * 95);
}

/* Joiners, emoji and units as people write them. */
static void what_people_write_is_no_disguise(void **state)
{
    static const char *const CLEAN[] = {
        "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae\xd9\x88\xd8\xa7\xd9\x87\xd9\x85",      /* Persian */
        "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d\xe0\xa4\xb7 \xe0\xa4\xb9\xe0\xa5\x88", /* Hindi */
        "Thanks \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 \xe2\x9d\xa4\xef\xb8\x8f "
        "\xf0\x9f\x8f\xb3\xef\xb8\x8f\xe2\x80\x8d\xf0\x9f\x8c\x88 see you",
        "\xf0\x9f\x8f\xb4\xf3\xa0\x81\xa7\xf3\xa0\x81\xa2\xf3\xa0\x81\xa5\xf3\xa0\x81\xae\xf3\xa0\x81"
        "\xa7\xf3\xa0\x81\xbf won the match", /* the flag of England, made of tags */
        "HbA1c 7.2 on 500mg q8h, B12 low, H1N1 negative, CYP2D6 normal, 30min walk.",
        "Check T4, A1c and CA-125; give 0.5mL of 1:1000 and 10mg PO q6h for 3d.",
    };
    engines *e = *state;
    for (size_t i = 0; i < SL_COUNT_OF(CLEAN); i++) {
        SL_OWN(sl_findings, all, sl_findings_free) = { 0 };
        assert_done(
            sl_detect_inspect(e->detect, e->scratch, sl_view_str(CLEAN[i]), SL_CHANNEL_USER, &all));
        for (size_t k = 0; k < all.n; k++) {
            fail_msg("%s in: %s", sl_class_name((sl_class)all.items[k].kind), CLEAN[i]);
        }
    }
}

int main(void)
{
    engines e = engines_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(what_is_plain_is_found, &e),
        cmocka_unit_test_prestate(every_disguise_keeps_95_of_100, &e),
        cmocka_unit_test_prestate(every_shift_is_undone, &e),
        cmocka_unit_test_prestate(what_people_write_is_no_disguise, &e),
    };
    int failed = cmocka_run_group_tests_name("gauntlet", tests, NULL, NULL);
    engines_free(&e);
    return failed;
}
