/* safetensors: a row for each way in which readers could disagree about the tensors. */
#include "artefact/format_case.h"

typedef struct {
    const char *header;
    size_t data; /* bytes behind it */
    sl_rule rule;
} row;

#define F32X2 "\"dtype\":\"F32\",\"shape\":[2],"

static const row bad_rows[] = {
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8]},\"a\":{" F32X2 "\"data_offsets\":[8,16]}}", 16,
      SL_RULE_SAFETENSORS_DUPLICATE },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8]},\"\\u0061\":{" F32X2 "\"data_offsets\":[8,16]}}",
      16, SL_RULE_SAFETENSORS_DUPLICATE },
    { "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, SL_RULE_SAFETENSORS_DUPLICATE },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, SL_RULE_SAFETENSORS_DUPLICATE },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8]}}\n", 8, SL_RULE_SAFETENSORS_HEADER },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8]}}", 9, SL_RULE_SAFETENSORS_LAYOUT },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8]}}", 7, SL_RULE_SAFETENSORS_LAYOUT },
    { "{\"a\":{" F32X2 "\"data_offsets\":[1,9]}}", 9, SL_RULE_SAFETENSORS_LAYOUT },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8]},\"b\":{" F32X2 "\"data_offsets\":[4,12]}}", 12,
      SL_RULE_SAFETENSORS_LAYOUT },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8]},\"b\":{" F32X2 "\"data_offsets\":[9,17]}}", 17,
      SL_RULE_SAFETENSORS_LAYOUT },
    { "{\"a\":{" F32X2 "\"data_offsets\":[8,0]}}", 8, SL_RULE_SAFETENSORS_TENSOR },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,4]}}", 4, SL_RULE_SAFETENSORS_TENSOR },
    { "{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
      SL_RULE_SAFETENSORS_TENSOR },
    { "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2,
      SL_RULE_SAFETENSORS_TENSOR },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
      SL_RULE_SAFETENSORS_TENSOR },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8],\"x\":1}}", 8, SL_RULE_SCAN_MALFORMED },
    { "{\"a\":{" F32X2 "\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, SL_RULE_SCAN_MALFORMED },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8.0]}}", 8, SL_RULE_SCAN_MALFORMED },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8e0]}}", 8, SL_RULE_SCAN_MALFORMED },
    { "{\"a\":{" F32X2 "\"data_offsets\":[-0,8]}}", 8, SL_RULE_SCAN_MALFORMED },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8,16]}}", 8, SL_RULE_SCAN_MALFORMED },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0]}}", 8, SL_RULE_SCAN_MALFORMED },
    { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, SL_RULE_SCAN_MALFORMED },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[[2]],\"data_offsets\":[0,8]}}", 8,
      SL_RULE_SCAN_MALFORMED },
    { "{\"a\":[]}", 0, SL_RULE_SCAN_MALFORMED },
    { "{\"__metadata__\":{\"k\":1}}", 0, SL_RULE_SCAN_MALFORMED },
    { "{\"__metadata__\":[]}", 0, SL_RULE_SCAN_MALFORMED },
    { "{\"a\xFF\":{" F32X2 "\"data_offsets\":[0,8]}}", 8, SL_RULE_SCAN_MALFORMED },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8]}} {}", 8, SL_RULE_SCAN_MALFORMED },
};

static const row good_rows[] = {
    { "{}", 0, SL_RULE_COUNT },
    { "{\"a\":{" F32X2 "\"data_offsets\":[0,8]}}      ", 8, SL_RULE_COUNT },
    { "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[4,6]},"
      "\"a\":{\"dtype\":\"F4\",\"shape\":[2,4],\"data_offsets\":[0,4]},"
      "\"empty\":{\"dtype\":\"I64\",\"shape\":[0,7],\"data_offsets\":[4,4]}}",
      6, SL_RULE_COUNT },
};

static sl_view build(const row *r, uint8_t *out)
{
    size_t n = strlen(r->header);
    sl_put_le64(out, n);
    memcpy(out + 8, r->header, n);
    memset(out + 8 + n, 0, r->data);
    return sl_view_of(out, 8 + n + r->data);
}

static void every_rule_has_its_row(void **state)
{
    (void)state;
    uint8_t bytes[2048];
    for (size_t i = 0; i < SL_COUNT_OF(bad_rows); i++) {
        assert_rule_of(build(&bad_rows[i], bytes), "m.safetensors", bad_rows[i].rule,
                       bad_rows[i].header);
    }
}

static void good_files_are_clean(void **state)
{
    (void)state;
    uint8_t bytes[2048];
    for (size_t i = 0; i < SL_COUNT_OF(good_rows); i++) {
        assert_clean_of(build(&good_rows[i], bytes), "m.safetensors", SL_KIND_SAFETENSORS,
                        good_rows[i].header);
    }
}

static void header_lengths_are_checked(void **state)
{
    (void)state;
    static const uint64_t lengths[] = { 3, 1000, 100000001, UINT64_MAX >> 16, UINT64_MAX };
    for (size_t i = 0; i < SL_COUNT_OF(lengths); i++) {
        uint8_t bytes[10] = { [8] = '{', [9] = '}' };
        sl_put_le64(bytes, lengths[i]);
        sl_scan_result result = format_scan(sl_view_of(bytes, sizeof(bytes)), "m.safetensors");
        assert_true(result.class == SL_SCAN_MALFORMED);
        sl_scan_result_free(&result);
    }
    assert_rule_of(sl_view_of("\0\0\0\0\0\0\0\0", 8), "m.safetensors", SL_RULE_TYPE_DIFFERENT,
                   "zero");
}

static void any_bytes_are_survived(void **state)
{
    (void)state;
    uint8_t bytes[2048];
    assert_sturdy_of(build(&good_rows[2], bytes), "m.safetensors", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_its_row),
        cmocka_unit_test(good_files_are_clean),
        cmocka_unit_test(header_lengths_are_checked),
        cmocka_unit_test(any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
