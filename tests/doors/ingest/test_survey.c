/* What a survey says of columns and text: classes by name and by shape, the subject's column, the
 * identifiers for the roster, counts. Real files are compared with counts made independently. */
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "doors/ingest/inspect.h"

static sl_res collect(void *ctx, sl_class kind, sl_view value, uint64_t record)
{
    return sl_buf_addf(ctx, "%s:%.*s@%llu|", sl_class_name(kind), SL_FMT(value),
                       (unsigned long long)record);
}

static int file_of(sl_view content)
{
    int fd = memfd_create("data", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_done(sl_fd_write_all(fd, content));
    return fd;
}

static void check(const char *name, sl_view content, const char *record_id, const char *expected,
                  sl_inspection *ret)
{
    SL_OWN(int, fd, sl_fd_close) = file_of(content);
    SL_OWN(sl_buf, taken, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, report, sl_buf_free) = { .max = SL_MIB };
    sl_ingest_taker taker = { .ctx = &taken, .take = collect };
    assert_done(
        sl_ingest_inspect(fd, sl_view_str(name), sl_view_str(record_id), taker, ret, &report));
    assert_non_null(sl_buf_cstr(&taken) != NULL ? "" : NULL);
    assert_string_equal(taken.n == 0 ? "" : sl_buf_cstr(&taken), expected);
}

static void identifiers_are_found_and_attributed(void **state)
{
    static const struct {
        const char *name;
        sl_view content;
        const char *record_id;
        const char *expected;
    } cases[] = {
        { "dm.csv", SL_LIT("USUBJID,AGE,BRTHDTC\n01-701-1015,63,1950-12-26\n01-701-1023,91,NA\n"),
          "", "subject:01-701-1015@0|subject:01-701-1023@1|" },
        { "patients.csv",
          SL_LIT("Id,FIRST,LAST,SSN,CITY\n3edac2e3-d223-6fae-d515-daf96ef6bc76,Maynard,Mosciski,"
                 "999-17-5017,Somerville\n"),
          "",
          "subject:3edac2e3-d223-6fae-d515-daf96ef6bc76@0|name:Mosciski@0|ssn:999-17-5017@0|"
          "name:Maynard Mosciski@0|" },
        { "x.csv", SL_LIT("CODE,TOTAL\nA17,5\nB18,6\n"), "code", "subject:A17@0|subject:B18@1|" },
        { "contacts.csv",
          SL_LIT("c1,c2\na@example.org,+1 555 010 9999\nb@example.org,555-010-9998\n"), "",
          "email:a@example.org@0|phone:+1 555 010 9999@0|email:b@example.org@1|phone:555-010-9998@1|" },
        { "note.txt",
          SL_LIT("Subject 01-701-1083, seen 2013-08-02, wrote (a@example.org). 12,500/mm3"), "",
          "subject:01-701-1083@0|email:a@example.org@0|" },
        { "visit.csv",
          SL_LIT(
              "USUBJID,NOTE\n01-701-1015,\"Seen with her husband, told us that Dr. Okafor and Jane "
              "Holloway called.\"\n01-701-1023,HEADACHE\n"),
          "", "subject:01-701-1015@0|name:Okafor@0|name:Jane Holloway@0|subject:01-701-1023@1|" },
        { "p.ndjson",
          SL_LIT(
              "{\"resourceType\":\"Patient\",\"id\":\"7a-11\",\"name\":[{\"family\":\"Roe\",\"given\":"
              "[\"Ann\",\"Bea\"]}]}\n{\"resourceType\":\"Organization\",\"id\":\"1\",\"name\":\"Roe "
              "Clinic\"}\n{\"resourceType\":\"Claim\",\"subject\":{\"reference\":\"Patient/7a-11\"}}\n"),
          "", "subject:7a-11@0|name:Roe@0|name:Ann Roe@0|subject:7a-11@2|" },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_inspection found;
        check(cases[i].name, cases[i].content, cases[i].record_id, cases[i].expected, &found);
    }
}

static void classes_are_counted(void **state)
{
    sl_inspection found;
    check(
        "dm.csv",
        SL_LIT(
            "USUBJID,AGE,BRTHDTC,NOTE\n01-701-1015,63,1950-12-26,\n01-701-1023,91,NA,see 01-701-1015\n"),
        "", "subject:01-701-1015@0|subject:01-701-1023@1|subject:01-701-1015@1|", &found);
    assert_int_equal(found.classes[SL_CLASS_SUBJECT], 3);
    assert_int_equal(found.classes[SL_CLASS_AGE90], 1);
    assert_int_equal(found.classes[SL_CLASS_DATE], 1);
    assert_int_equal(found.records, 2);
    assert_int_equal(found.subjects, 2);
    assert_int_equal(found.identifiers, 3);
}

static void an_unknown_record_id_column_is_an_error(void **state)
{
    SL_OWN(int, fd, sl_fd_close) = file_of(SL_LIT("A,B\n1,2\n"));
    SL_OWN(sl_buf, report, sl_buf_free) = { .max = SL_MIB };
    sl_inspection found;
    sl_ingest_taker nobody = { 0 };
    assert_code(sl_ingest_inspect(fd, SL_LIT("x.csv"), SL_LIT("C"), nobody, &found, &report),
                SL_E_NOT_FOUND);
}

static void shapes_of_values(void **state)
{
    static const struct {
        const char *value;
        sl_shape shape;
    } cases[] = {
        { "2014-01-02", SL_SHAPE_DATE },
        { "2014-01-02T11:45", SL_SHAPE_DATE },
        { "02JAN2014", SL_SHAPE_DATE },
        { "1/2/2014", SL_SHAPE_DATE },
        { "999-17-5017", SL_SHAPE_SSN },
        { "a.b@example.org", SL_SHAPE_MAIL },
        { "(555) 010-9999", SL_SHAPE_PHONE },
        { "42.36877442769006", SL_SHAPE_NUMBER },
        { "-7", SL_SHAPE_NUMBER },
        { "1.5E-3", SL_SHAPE_NUMBER },
        { "01-701-1015", SL_SHAPE_SUBJECT },
        { "CDISC01-701-1015", SL_SHAPE_SUBJECT },
        { "Headache", SL_SHAPE_OTHER },
        { "was seen again on the ward", SL_SHAPE_WORDS },
        { "Mercy Hospital", SL_SHAPE_PLACE },
        { "", SL_SHAPE_OTHER },
        { "3edac2e3-d223-6fae-d515-daf96ef6bc76", SL_SHAPE_UUID },
        { "WEEK 26", SL_SHAPE_OTHER },
        { "120/80", SL_SHAPE_OTHER },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        if (sl_shape_of(sl_view_str(cases[i].value)) != cases[i].shape) {
            fail_msg("%s: %d", cases[i].value, (int)sl_shape_of(sl_view_str(cases[i].value)));
        }
    }
}

/* Records and values of a class counted by Python's csv and json; subjects known from the data, with a
 * slack of an eighth (they are estimated by HyperLogLog). */
static void real_files_are_classified(void **state)
{
    static const struct {
        const char *path;
        uint64_t records;
        uint64_t subjects;
        sl_class kind;
        uint64_t count;
    } cases[] = {
        { "pharmaverse_sdtm/dm.csv", 306, 306, SL_CLASS_SITE, 306 },
        { "pharmaverse_sdtm/ae.csv", 1191, 225, SL_CLASS_SUBJECT, 1191 },
        { "synthea_csv/patients.csv", 27, 27, SL_CLASS_SSN, 27 },
        { "synthea_csv/encounters.csv", 604, 26, SL_CLASS_SUBJECT, 604 },
        { "cdisc_pilot/dm.xpt", 306, 306, SL_CLASS_SUBJECT, 612 },
        { "cdisc_pilot/ae.xpt", 1191, 225, SL_CLASS_SUBJECT, 1191 },
        { "cdisc_pilot/narratives.txt", 1, 0, SL_CLASS_SUBJECT, 3 },
        { "phuse/dm.sas7bdat", 162, 162, SL_CLASS_SUBJECT, 324 },
    };
    const char *shared = getenv("SL_SHARED");
    size_t read = 0;
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
        SL_OWN(sl_buf, report, sl_buf_free) = { .max = 4 * SL_MIB };
        assert_done(sl_buf_addf(&path, "%s/data/phi/structured/%s",
                                shared != NULL ? shared : SL_SOURCE_ROOT "/../shared",
                                cases[i].path));
        SL_OWN(int, fd, sl_fd_close) = open(sl_buf_cstr(&path), O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        sl_inspection found;
        sl_ingest_taker nobody = { 0 };
        assert_done(sl_ingest_inspect(fd, sl_view_str(cases[i].path), (sl_view){ 0 }, nobody,
                                      &found, &report));
        uint64_t slack = cases[i].subjects / 8;
        bool agree = found.records == cases[i].records &&
                     found.subjects + slack >= cases[i].subjects &&
                     found.subjects <= cases[i].subjects + slack &&
                     found.classes[cases[i].kind] == cases[i].count;
        if (!agree) {
            fail_msg("%s: %llu records, %llu subjects, %llu of %s", cases[i].path,
                     (unsigned long long)found.records, (unsigned long long)found.subjects,
                     (unsigned long long)found.classes[cases[i].kind],
                     sl_class_name(cases[i].kind));
        }
        read++;
    }
    if (read == 0) {
        print_message("no shared data: set SL_SHARED to survey real files\n");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers_are_found_and_attributed),
        cmocka_unit_test(classes_are_counted),
        cmocka_unit_test(an_unknown_record_id_column_is_an_error),
        cmocka_unit_test(shapes_of_values),
        cmocka_unit_test(real_files_are_classified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
