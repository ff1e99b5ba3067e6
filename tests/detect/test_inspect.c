/* Whole texts: identifiers, secrets, links, the roster, and all of them in disguise. */
#include "test.h"

#include "detect/engines.h"
#include "detect/patterns.h"

typedef struct {
    const char *text;
    sl_class kind;
    const char *span; /* the part of the text that is to be covered; NULL: any */
} sample;

static const sample FOUND[] = {
    { "Seen on 03/14/2024 by the team", SL_CLASS_DATE, "03/14/2024" },
    { "admitted 22 July 2013, stable", SL_CLASS_DATE, "22 July 2013" },
    { "on 2014-01-02T11:45 she", SL_CLASS_DATE, "2014-01-02T11:45" },
    { "wait 3/9-3/12 then", SL_CLASS_DATE, "3/9-3/12" },
    { "neck pain since 12/28, worse", SL_CLASS_DATE, "12/28" },
    { "hasta el 27-octubre-2016 en", SL_CLASS_DATE, "27-octubre-2016" },
    { "a 92-year-old woman", SL_CLASS_AGE90, "92-year-old" },
    { "he turned 94 and fell", SL_CLASS_AGE90, "94" },
    { "the label MR971342 was", SL_CLASS_MRN, "MR971342" },
    { "Apt. 033, second floor", SL_CLASS_STREET, "Apt. 033" },
    { "MRN: 00483921 was", SL_CLASS_MRN, "00483921" },
    { "SSN 123-45-6789.", SL_CLASS_SSN, "123-45-6789" },
    { "NHS number 943 476 5919", SL_CLASS_NHS, "943 476 5919" },
    { "call (415) 555-0132 today", SL_CLASS_PHONE, "(415) 555-0132" },
    { "Dr. Haddad, pager 4471, re", SL_CLASS_PHONE, "4471" },
    { "subject 12 at site 118 withdrew", SL_CLASS_SITE, "118" },
    { "mail jane.doe@hospital.org now", SL_CLASS_EMAIL, "jane.doe@hospital.org" },
    { "Subject 01-701-1083, a woman", SL_CLASS_SUBJECT, "01-701-1083" },
    { "USUBJID CDISC01-701-1015 withdrew", SL_CLASS_SUBJECT, "CDISC01-701-1015" },
    { "Kit number: K-20931", SL_CLASS_KIT, "K-20931" },
    { "randomization number: R-1042", SL_CLASS_RANDOMISATION, "R-1042" },
    { "card 4111 1111 1111 1111 exp", SL_CLASS_CARD, "4111 1111 1111 1111" },
    { "IBAN DE89370400440532013000", SL_CLASS_IBAN, "DE89370400440532013000" },
    { "lives at 12 Maple Street, Boston, MA 02115", SL_CLASS_STREET, "12 Maple Street" },
    { "Boston, MA 02115", SL_CLASS_ZIP, "02115" },
    { "at Eircode D02 X285 since", SL_CLASS_ZIP, "Eircode D02 X285" },
    { "a veteran, last four 6671, fell", SL_CLASS_SSN, "6671" },
    { "her login is jdoe_84 there", SL_CLASS_ACCOUNT, "jdoe_84" },
    { "matched as UNOS AGHT244 today", SL_CLASS_OTHER_ID, "AGHT244" },
    { "Pt is a 93 y/o male with falls", SL_CLASS_AGE90, "93 y/o" },
    { "deaf; she's 96, so", SL_CLASS_AGE90, "96" },
    { "her grandma is 101 and", SL_CLASS_AGE90, "101" },
    { "M/93 from the ward", SL_CLASS_AGE90, "93" },
    { "age approx 95, found down", SL_CLASS_AGE90, "95" },
    { "is on Tuesday, May 6 at 9", SL_CLASS_DATE, "Tuesday, May 6" },
    { "admitted Wednesday 15 Jan.", SL_CLASS_DATE, "Wednesday 15 Jan" },
    { "ask on thursday the 14th", SL_CLASS_DATE, "thursday the 14th" },
    { "op is march the 2nd", SL_CLASS_DATE, "march the 2nd" },
    { "no diarrhoea since 8.10. and", SL_CLASS_DATE, "8.10." },
    { "he said 7/17, walked", SL_CLASS_DATE, "7/17" },
    { "Hospital number GH/22/01847. She", SL_CLASS_MRN, "GH/22/01847" },
    { "IP No.: IP/2024/55673", SL_CLASS_MRN, "IP/2024/55673" },
    { "Gallant ICD SN 810445927, VT", SL_CLASS_DEVICE, "810445927" },
    { "NRIC S7654321F, allergic", SL_CLASS_NATIONAL_ID, "S7654321F" },
    { "IC 850712-10-5543, tel", SL_CLASS_NATIONAL_ID, "850712-10-5543" },
    { "RAMQ VAIE 8306 1412, 41", SL_CLASS_HEALTH_PLAN, "VAIE 8306 1412" },
    { "notify Sato at ext. 5-0192 if", SL_CLASS_PHONE, "5-0192" },
    { "adverse event: 101-003 nausea", SL_CLASS_SUBJECT, "101-003" },
    { "last four of his social 4471.", SL_CLASS_SSN, "4471" },
    { "PPSN 7719340TA. Asthma", SL_CLASS_NATIONAL_ID, "7719340TA" },
    { "NHI ZBB4417, lives", SL_CLASS_NATIONAL_ID, "ZBB4417" },
    { "HCN 4417 882 903 KL; knee", SL_CLASS_HEALTH_PLAN, "4417 882 903 KL" },
    { "card no. is GHO/23/00817. We", SL_CLASS_OTHER_ID, "GHO/23/00817" },
    { "funding ref IFR/0921/B, for", SL_CLASS_OTHER_ID, "IFR/0921/B" },
    { "INCIDENT (Datix W118204): wrong", SL_CLASS_ACCOUNT, "W118204" },
    { "EDD 03/Dec, G4P2", SL_CLASS_DATE, "03/Dec" },
    { "Kontrolle am 19.11. in der Ambulanz", SL_CLASS_DATE, "19.11." },
    { "einbestellt Do 6.6. mittags", SL_CLASS_DATE, "6.6." },
    { "OP 9. Apr. geplant", SL_CLASS_DATE, "9. Apr" },
    { "Officer Okafor brought him in", SL_CLASS_NAME, "Officer Okafor" },
    { "from 203.0.113.9 at", SL_CLASS_IP, "203.0.113.9" },
    { "DNI 12345678Z", SL_CLASS_DNI, "12345678Z" },
    { "NIR 2 55 08 14 168 025 38", SL_CLASS_NIR, "2 55 08 14 168 025 38" },
    { "please call 0477 11 28 98 now", SL_CLASS_PHONE, "0477 11 28 98" },
    { "NHC: 4502567. NASS: 47 68526394 05", SL_CLASS_MRN, "47 68526394 05" },
    { "DOBBYN, JANE   P9195914", SL_CLASS_OTHER_ID, "P9195914" },
    { "Member ID: XKJ123456789", SL_CLASS_HEALTH_PLAN, "XKJ123456789" },
    { "key ghp_abcdefghijklmnopqrstuvwxyz0123456789", SL_CLASS_PROVIDER_KEY, NULL },
    { "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", SL_CLASS_PRIVATE_KEY,
      "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----" },
    { "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", SL_CLASS_JWT, NULL },
    { "api_key = 'k3J9x0QmZt71LwYp4RsV'", SL_CLASS_HIGH_ENTROPY, "k3J9x0QmZt71LwYp4RsV" },
    { "password: Tr0ub4dor&3", SL_CLASS_PASSWORD, "Tr0ub4dor&3" },
    { "see ![x](https://evil.test/a?q=1) ok", SL_CLASS_REMOTE_IMAGE,
      "![x](https://evil.test/a?q=1)" },
    { "[here](https://evil.test/a)", SL_CLASS_REMOTE_LINK, NULL },
    { "[r]: https://evil.test/a", SL_CLASS_REMOTE_LINK, NULL },
    { "<img src=\"//evil.test/p.png\">", SL_CLASS_HTML_SOURCE, NULL },
    { "go to <https://evil.test/a>", SL_CLASS_AUTOLINK, NULL },
    { "Ms. Anneliese Quirinsdottir said", SL_CLASS_NAME, "Anneliese Quirinsdottir" },
    { "tadhg o'brien", SL_CLASS_NAME, NULL },
    { "zx7 310 0042", SL_CLASS_SUBJECT, NULL },
    { "Violet-Heron 88213!", SL_CLASS_CANARY, "Violet-Heron 88213" },
};

static bool is_found(engines *e, sl_view text, sl_class kind, const char *span)
{
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    assert_done(sl_detect_inspect(e->detect, e->scratch, text, SL_CHANNEL_USER, &found));
    size_t start = span == NULL ? 0 : sl_view_find(text, sl_view_str(span), 0);
    for (size_t i = 0; i < found.n; i++) {
        const sl_finding *f = &found.items[i];
        assert_true(f->start < f->end && f->end <= text.n);
        bool covers = span == NULL || (f->start <= start && f->end >= start + strlen(span));
        if (f->kind == kind && covers) {
            return true;
        }
    }
    return false;
}

static void what_is_there_is_found(void **state)
{
    engines *e = *state;
    for (size_t i = 0; i < SL_COUNT_OF(FOUND); i++) {
        if (!is_found(e, sl_view_str(FOUND[i].text), FOUND[i].kind, FOUND[i].span)) {
            fail_msg("%s not found in: %s", sl_class_name(FOUND[i].kind), FOUND[i].text);
        }
    }
}

static void ordinary_clinical_text_is_not_touched(void **state)
{
    static const char *const CLEAN[] = {
        "Strength 5/5 in all extremities, reflexes 2/4, pain 3/10.",
        "BP 120/80, HR 72, RR 16, SpO2 98% on room air.",
        "Start metformin 500 mg twice daily; A1c 7.2, LDL 130.",
        "A 45-year-old man with Parkinson disease diagnosed in 2015.",
        "Hemoglobin 13.4 g/dL, WBC 6.8, platelets 250.",
        "in the last four 2024 trials we log in 2 times, user id column 3",
        "CYP2D6*4 carrier, HER2 negative, KRAS G12C.",
        "The study enrolled 254 patients over 26 weeks in 2013.",
        "The patient's IV site 22 gauge, extension set 100 cm, our site 2024 report.",
        "Dilute 1:1000 and give 0.3 mL IM.",
        "Follow up in 2 weeks; repeat the MRI in 6 months.",
        "See Smith et al., PMID 31562797, and chr7:55191822 (GRCh38).",
        "Levels at 10.5 - 12.4 mmol/L are normal at home.",
        "See figure 3-2 and table 4.1 for doses of 10-20 mg.",
        "The ratio was 1.5 (95% CI 1.2-1.9, p=0.003).",
        "See https://example.org/guideline for the guideline.",
        "She is 94% on room air, he was 96 kg, HR 93, dose 95 mg, sats 93.",
        "He is 98 percent sure; 7/17 patients improved. A 1/20 dilution, 3/21 samples.",
        "The incident at 9 was no complaint; SGLT2/2019 and AHA/ACC 2017 agree; fir 20 cm.",
        "The A1c was 7.1. The pH rose to 7.3. Section 2.4. is on diet; HbA1c bei 7.8 %.",
        "Patients aged over 90 and ages 65-95; the 90 day mortality.",
    };
    engines *e = *state;
    for (size_t i = 0; i < SL_COUNT_OF(CLEAN); i++) {
        SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
        assert_done(sl_detect_inspect(e->detect, e->scratch, sl_view_str(CLEAN[i]), SL_CHANNEL_USER,
                                      &found));
        for (size_t k = 0; k < found.n; k++) {
            if (found.items[k].kind != SL_CLASS_URL) {
                fail_msg("%s (%s) in: %s", sl_class_name((sl_class)found.items[k].kind),
                         sl_detect_rule_name(e->detect, found.items[k].rule), CLEAN[i]);
            }
        }
    }
}

/* "violet heron 88213" in the disguises of the gauntlet. */
static const char *const DISGUISED[] = {
    "VIOLET HERON 88213",
    "v\xe2\x80\x8bi\xe2\x80\x8bo\xe2\x80\x8b"
    "let heron 88213",
    "\xef\xbd\x96\xef\xbd\x89\xef\xbd\x8f"
    "let heron \xef\xbc\x98\xef\xbc\x98"
    "213",
    "vi\xd0\xbe"
    "let her\xd0\xben 88213",
    "v i o l e t   h e r o n   8 8 2 1 3",
    "v-i-o-l-e-t h-e-r-o-n 8-8-2-1-3",
    "dmlvbGV0IGhlcm9uIDg4MjEz",
    "xx dmlvbGV0IGhlcm9uIDg4MjEz, yy",
    "OZUW63DFOQQGQZLSN5XCAOBYGIYTG===",
    "76696f6c6574206865726f6e203838323133",
    "76 69 6f 6c 65 74 20 68 65 72 6f 6e 20 38 38 32 31 33",
    "%76iolet%20heron%2088213",
    "&#118;iolet heron &#56;8213",
    "\\u0076iolet heron 88213",
    "01110110 01101001 01101111 01101100 01100101 01110100 00100000 01101000 01100101 01110010 "
    "01101111 01101110 00100000 00111000 00111000 00110010 00110001 00110011",
    "ivbyrg ureba 88213",
    "erlovg svilm 88213",
    "31288 noreh teloiv",
    "ZG1sdmJHVjBJR2hsY205dUlEZzRNakV6", /* base64 twice */
};

static void disguises_are_seen_through(void **state)
{
    engines *e = *state;
    for (size_t i = 0; i < SL_COUNT_OF(DISGUISED); i++) {
        if (!is_found(e, sl_view_str(DISGUISED[i]), SL_CLASS_CANARY, NULL)) {
            fail_msg("canary not found in disguise %zu: %s", i, DISGUISED[i]);
        }
    }
}

static void a_value_deep_in_a_long_text_is_found(void **state)
{
    engines *e = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    /* At every offset around the window's edge. */
    for (size_t shift = 32768 - 40; shift < 32768 + 8; shift += 3) {
        sl_buf_clear(&text);
        while (text.n < shift) {
            assert_done(sl_buf_add_str(&text, "some prose here "));
        }
        text.n = shift;
        assert_done(sl_buf_add_str(&text, " SSN 123-45-6789 and violet heron 88213 "));
        for (size_t i = 0; i < 3000; i++) {
            assert_done(sl_buf_add_str(&text, "more prose there "));
        }
        SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
        assert_done(
            sl_detect_inspect(e->detect, e->scratch, sl_buf_view(&text), SL_CHANNEL_USER, &found));
        size_t ssn = 0;
        size_t canary = 0;
        for (size_t i = 0; i < found.n; i++) {
            ssn += found.items[i].kind == SL_CLASS_SSN;
            canary += found.items[i].detector == SL_DETECTOR_CANARY;
        }
        assert_int_equal(ssn, 1);
        assert_int_equal(canary, 1);
    }
}

/* Windows are cut around digits and the like: what begins in one may end outside. */
static void a_value_at_a_windows_edge_is_found(void **state)
{
    engines *e = *state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 16 };
    for (size_t gap = 1; gap < 140; gap++) {
        sl_buf_clear(&text);
        assert_done(sl_buf_add_str(&text, "Weight 1610 g "));
        for (size_t i = 0; i < gap; i++) {
            assert_done(sl_buf_add_byte(&text, i % 6 == 5 ? ' ' : 'q'));
        }
        assert_done(sl_buf_add_str(&text, " since 1 Feb. "));
        for (size_t i = 0; i < 600; i++) {
            assert_done(sl_buf_add_byte(&text, i % 6 == 5 ? ' ' : 'q'));
        }
        assert_true(is_found(e, sl_buf_view(&text), SL_CLASS_DATE, "1 Feb"));
    }
}

static size_t count_all(engines *e, sl_view text, sl_class kind)
{
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    size_t n = 0;
    assert_done(sl_detect_inspect(e->detect, e->scratch, text, SL_CHANNEL_USER, &found));
    for (size_t i = 0; i < found.n; i++) {
        n += found.items[i].kind == kind;
    }
    return n;
}

/* The library's engines differ in how they read the edges of memory blocks. */
static void matches_do_not_depend_on_the_address_of_the_text(void **state)
{
    static const char TEXT[] = "he lives in boston, united states, with her wife. ip 33.29.55.4. \n"
                               "\ndr. vancise\n8/1936\nand 03/14/2024, MRN 00483921, 123-45-6789, "
                               "(415) 555-0132, GB82 WEST 1234 5698 7654 32.\n";
    engines *e = *state;
    _Alignas(64) static uint8_t memory[1024];
    for (size_t at = 0; at < 64; at++) {
        for (size_t skip = 0; skip < 40; skip += 3) {
            sl_view text = sl_view_sub(sl_view_str(TEXT), skip, sizeof TEXT - 1);
            memcpy(memory + at, text.p, text.n);
            text.p = memory + at;
            assert_int_equal(count_all(e, text, SL_CLASS_DATE), 2);
            assert_int_equal(count_all(e, text, SL_CLASS_SSN), 1);
            assert_int_equal(count_all(e, text, SL_CLASS_MRN), 1);
            assert_int_equal(count_all(e, text, SL_CLASS_PHONE), 1);
            assert_int_equal(count_all(e, text, SL_CLASS_IBAN), 1);
            assert_int_equal(count_all(e, text, SL_CLASS_IP), 1);
        }
    }
}

/* The built-in tables were compiled with the program; one comment more, and they are compiled now. */
static void what_the_build_compiled_finds_the_same(void **state)
{
    sl_detect *sets[2] = { 0 };
    assert_done(sl_detect_build_with((sl_view){ 0 }, false, (sl_view){ 0 }, &sets[0]));
    assert_done(sl_detect_build_with(SL_LIT("# none\n"), false, (sl_view){ 0 }, &sets[1]));
    for (size_t i = 0; i < SL_COUNT_OF(FOUND); i++) {
        SL_OWN(sl_findings, a, sl_findings_free) = { 0 };
        SL_OWN(sl_findings, b, sl_findings_free) = { 0 };
        sl_view text = sl_view_str(FOUND[i].text);
        sl_scratch *work[2] = { 0 };
        assert_done(sl_scratch_new(sets[0], &work[0]));
        assert_done(sl_scratch_new(sets[1], &work[1]));
        assert_done(sl_detect_inspect(sets[0], work[0], text, SL_CHANNEL_USER, &a));
        assert_done(sl_detect_inspect(sets[1], work[1], text, SL_CHANNEL_USER, &b));
        assert_int_equal(a.n, b.n);
        for (size_t k = 0; k < a.n; k++) {
            assert_int_equal(a.items[k].start, b.items[k].start);
            assert_int_equal(a.items[k].end, b.items[k].end);
            assert_int_equal(a.items[k].kind, b.items[k].kind);
        }
        sl_scratch_free(work[0]);
        sl_scratch_free(work[1]);
    }
    sl_detect_free(sets[0]);
    sl_detect_free(sets[1]);
}

static void automata_for_several_processors_are_whole_or_refused(void **state)
{
    sl_view table = SL_LIT("@x\tmrn|id\n=D\t\\d\np\tmrn\ti\tlast\t-\t+x\t900\tmrn {{D}}{{D}}+\n");
    SL_OWN(sl_buf, saved, sl_buf_free) = { .max = (size_t)1 << 24 };
    sl_patterns *p = NULL;
    assert_done(sl_patterns_save_for_all(&table, 1, &saved));
    assert_code(sl_patterns_open_for_this(sl_view_sub(sl_buf_view(&saved), 0, 3), &p),
                SL_E_TRUNCATED);
    sl_res r = sl_patterns_open_for_this(sl_buf_view(&saved), &p);
    if (r.code == SL_E_VERSION) {
        print_message("skipped: this processor compiles its own automata\n");
        skip();
    }
    assert_done(r);
    assert_int_equal(sl_patterns_count(p), 1);
    sl_patterns_free(p);
}

/* Nor may they where a pattern's beginning is asked for: the library skips through such text in blocks. */
static void beginnings_do_not_depend_on_the_address_of_the_text(void **state)
{
    static const char TEXT[] =
        "ironworks\n52 58 Marmalade Avenue North Harbour\nSaltpans\n, nan\n Barataryaa 71366\n"
        "078 6657 2626 office\n223-087-9502 fax\n(764)722-5949 mobile";
    engines *e = *state;
    _Alignas(64) static uint8_t memory[1024];
    for (size_t at = 0; at < 64; at++) {
        for (size_t skip = 0; skip < 64; skip++) {
            sl_view text = sl_view_sub(sl_view_str(TEXT), skip, sizeof TEXT - 1);
            memcpy(memory + at, text.p, text.n);
            text.p = memory + at;
            assert_int_equal(count_all(e, text, SL_CLASS_PHONE), 3);
        }
    }
}

static void any_bytes_are_accepted(void **state)
{
    engines *e = *state;
    uint8_t bytes[4096];
    uint32_t x = 1;
    for (size_t round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            x = x * 1664525U + 1013904223U;
            bytes[i] = (uint8_t)(x >> 24);
        }
        SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
        assert_done(sl_detect_inspect(e->detect, e->scratch, sl_view_of(bytes, sizeof bytes),
                                      SL_CHANNEL_USER, &found));
    }
}

static void a_changed_or_foreign_snapshot_is_refused(void **state)
{
    engines *e = *state;
    sl_detect *d = NULL;
    uint8_t other[32] = { 9 };
    assert_code(sl_detect_open(sl_buf_view(&e->saved), other, &d), SL_E_KEY);
    assert_code(
        sl_detect_open(sl_view_sub(sl_buf_view(&e->saved), 0, e->saved.n - 1), ENGINES_KEY, &d),
        SL_E_TRUNCATED);
    e->saved.p[e->saved.n - 40] ^= 1;
    assert_code(sl_detect_open(sl_buf_view(&e->saved), ENGINES_KEY, &d), SL_E_INTEGRITY);
    e->saved.p[e->saved.n - 40] ^= 1;
    assert_code(sl_detect_open(SL_LIT("SLDETEC2"), ENGINES_KEY, &d), SL_E_VERSION);
}

static void a_derived_set_shares_patterns_and_has_rosters_of_its_own(void **state)
{
    engines *e = *state;
    sl_detect *d = NULL;
    sl_roster_builder *b = NULL;
    static const uint8_t OTHER_KEY[32] = { 91 };
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = (size_t)1 << 20 };
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    bool added = false;
    assert_done(sl_roster_builder_new(OTHER_KEY, &b));
    assert_done(sl_roster_add(b, SL_CLASS_NAME, SL_LIT("Bartholomew Oxley"), 3, 0, &added));
    assert_done(sl_roster_finish(b, &index));
    sl_roster_builder_free(b);
    assert_done(sl_detect_derive(e->detect, &d));
    assert_code(sl_detect_add_roster(d, sl_buf_view(&index), ENGINES_KEY), SL_E_KEY);
    assert_done(sl_detect_add_roster(d, sl_buf_view(&index), OTHER_KEY));
    sl_view text = SL_LIT("bartholomew oxley, violet heron 88213, SSN 123-45-6789");
    assert_done(sl_detect_inspect(d, e->scratch, text, SL_CHANNEL_USER, &found));
    /* Its own roster and the shared patterns, not the other set's canary. */
    size_t numbers = 0;
    size_t own = 0;
    for (size_t i = 0; i < found.n; i++) {
        const sl_finding *f = &found.items[i];
        assert_int_not_equal(f->kind, SL_CLASS_CANARY);
        numbers += f->kind == SL_CLASS_SSN;
        own += f->detector == SL_DETECTOR_ROSTER && f->attribution == 3 && f->rule == 0;
    }
    assert_int_equal(numbers, 1);
    assert_int_equal(own, 1);
    sl_detect_free(d);
    assert_true(is_found(e, text, SL_CLASS_CANARY, NULL));
}

int main(void)
{
    engines e = engines_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(what_is_there_is_found, &e),
        cmocka_unit_test_prestate(ordinary_clinical_text_is_not_touched, &e),
        cmocka_unit_test_prestate(disguises_are_seen_through, &e),
        cmocka_unit_test_prestate(a_value_deep_in_a_long_text_is_found, &e),
        cmocka_unit_test_prestate(a_value_at_a_windows_edge_is_found, &e),
        cmocka_unit_test_prestate(matches_do_not_depend_on_the_address_of_the_text, &e),
        cmocka_unit_test(what_the_build_compiled_finds_the_same),
        cmocka_unit_test(automata_for_several_processors_are_whole_or_refused),
        cmocka_unit_test_prestate(beginnings_do_not_depend_on_the_address_of_the_text, &e),
        cmocka_unit_test_prestate(any_bytes_are_accepted, &e),
        cmocka_unit_test_prestate(a_derived_set_shares_patterns_and_has_rosters_of_its_own, &e),
        cmocka_unit_test_prestate(a_changed_or_foreign_snapshot_is_refused, &e),
    };
    int failed = cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
    engines_free(&e);
    return failed;
}
