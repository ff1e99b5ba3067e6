/* R objects: a row for each item that is told, in the three encodings, and objects that are data. */
#include "artefact/format_case.h"

/* Big-endian numbers spelled out: type and flags of an item, a length. */
#define I(a) "\0\0\0" a
#define HEAD                                                                                       \
    "X\n" I("\2") "\0\4\4\1"                                                                       \
                  "\0\2\3\0"
#define HEAD3                                                                                      \
    "X\n" I("\3") "\0\4\4\1"                                                                       \
                  "\0\3\5\0" I("\5") "UTF-8"
#define NIL_ITEM I("\376")
#define SYMBOL_ITEM(length, text) I("\1") "\0\4\0\11" I(length) text
#define LAST_TAGGED "\0\0\4"

typedef struct {
    const char *what;
    sl_view bytes;
    sl_rule rule;
} row;

static const row bad_rows[] = {
    { "promise",
      { (const uint8_t *)HEAD I("\5") NIL_ITEM NIL_ITEM,
        sizeof(HEAD I("\5") NIL_ITEM NIL_ITEM) - 1 },
      SL_RULE_RDS_PROMISE },
#define ROW(what, bytes, rule)                                                                     \
    {                                                                                              \
        what, { (const uint8_t *)(bytes), sizeof(bytes) - 1 }, rule                                \
    }
    ROW("promise, version 3", HEAD3 I("\5") NIL_ITEM NIL_ITEM, SL_RULE_RDS_PROMISE),
    ROW("promise in RData", "RDX2\n" HEAD I("\5") NIL_ITEM NIL_ITEM, SL_RULE_RDS_PROMISE),
    ROW("promise in a list",
        HEAD I("\23") I("\2") I("\15") I("\1") I("\7") I("\5") NIL_ITEM NIL_ITEM,
        SL_RULE_RDS_PROMISE),
    ROW("promise in attributes",
        HEAD "\0\0\2\15" I("\1") I("\7") "\0\0\4\2" SYMBOL_ITEM("\1", "a") I("\5")
            NIL_ITEM NIL_ITEM NIL_ITEM,
        SL_RULE_RDS_PROMISE),
    ROW("promise in an environment",
        HEAD I("\4") I("\0") NIL_ITEM I("\5") NIL_ITEM NIL_ITEM NIL_ITEM NIL_ITEM,
        SL_RULE_RDS_PROMISE),
    ROW("promise as text", "A\n2\n263169\n131840\n5\n254\n254\n", SL_RULE_RDS_PROMISE),
    ROW("promise, little-endian", "B\n\2\0\0\0\1\4\4\0\0\3\2\0\5\0\0\0\376\0\0\0\376\0\0\0",
        SL_RULE_RDS_PROMISE),
    ROW("promise behind ALTREP", HEAD I("\356") NIL_ITEM I("\5") NIL_ITEM NIL_ITEM NIL_ITEM,
        SL_RULE_RDS_PROMISE),
    ROW("function", HEAD I("\3") NIL_ITEM NIL_ITEM, SL_RULE_RDS_FUNCTION),
    ROW("byte code", HEAD I("\25") I("\1"), SL_RULE_RDS_BYTECODE),
    ROW("pointer", HEAD I("\26") NIL_ITEM NIL_ITEM, SL_RULE_RDS_NATIVE),
    ROW("weak reference", HEAD I("\27"), SL_RULE_RDS_NATIVE),
    ROW("call", HEAD I("\6") SYMBOL_ITEM("\6", "system") NIL_ITEM, SL_RULE_RDS_CALL),
    ROW("call with attributes", HEAD "\0\0\2\6" NIL_ITEM SYMBOL_ITEM("\6", "system") NIL_ITEM,
        SL_RULE_RDS_CALL),
    ROW("call by reference",
        HEAD I("\23") I("\2") SYMBOL_ITEM("\6", "system") I("\6") "\0\0\1\377" NIL_ITEM,
        SL_RULE_RDS_CALL),
    ROW("builtin", HEAD I("\10") I("\6") "system", SL_RULE_RDS_CALL),
    ROW("trailing", HEAD NIL_ITEM "x", SL_RULE_RDS_TRAILING),
    ROW("no such item", HEAD I("\143"), SL_RULE_SCAN_MALFORMED),
    ROW("no such reference", HEAD "\0\0\1\377", SL_RULE_SCAN_MALFORMED),
    ROW("vector too long", HEAD I("\15") "\177\377\377\377", SL_RULE_SCAN_MALFORMED),
    ROW("long vector too long", HEAD I("\16") "\377\377\377\377\377\377\377\377\377\377\377\377",
        SL_RULE_SCAN_MALFORMED),
    ROW("version 1",
        "X\n" I("\1") "\0\4\4\1"
                      "\0\2\3\0" NIL_ITEM,
        SL_RULE_SCAN_MALFORMED),
};

static const row good_rows[] = {
    ROW("null", HEAD NIL_ITEM, 0),
    ROW("numbers", HEAD I("\15") I("\2") I("\1") I("\2"), 0),
    ROW("text", HEAD3 I("\20") I("\2") "\0\4\0\11" I("\1") "a" I("\11") "\377\377\377\377", 0),
    ROW("data frame",
        HEAD "\0\0\3\23" I("\1") I("\16") I("\1") "\0\0\0\0\0\0\0\0"
                                                  "\0\0\4\2" SYMBOL_ITEM("\5", "names") I("\20")
                                                      I("\1") I("\11") I("\1") "x" NIL_ITEM,
        0),
    ROW("a call of lm", HEAD I("\6") SYMBOL_ITEM("\2", "lm") NIL_ITEM, 0),
    ROW("as text", "A\n3\n263169\n197888\n5\nUTF-8\n13\n2\n1\nNA\n", 0),
};

static void every_rule_has_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(bad_rows); i++) {
        assert_rule_of(bad_rows[i].bytes, "m.rds", bad_rows[i].rule, bad_rows[i].what);
    }
}

static void good_files_are_clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(good_rows); i++) {
        assert_clean_of(good_rows[i].bytes, "m.rds", SL_KIND_RDS, good_rows[i].what);
    }
}

/* Lists are chains of pairs: a million of them need no depth. */
static void long_lists_are_flat(void **state)
{
    (void)state;
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 16 * SL_MIB };
    assert_done(sl_buf_add(&bytes, SL_LIT(HEAD)));
    for (size_t i = 0; i < 300000; i++) {
        assert_done(sl_buf_add(&bytes, SL_LIT(I("\2") NIL_ITEM)));
    }
    assert_done(sl_buf_add(&bytes, SL_LIT(NIL_ITEM)));
    assert_clean_of(sl_buf_view(&bytes), "m.rds", SL_KIND_RDS, "long list");
    sl_buf_clear(&bytes);
    assert_done(sl_buf_add(&bytes, SL_LIT(HEAD)));
    for (size_t i = 0; i < 300000; i++) {
        assert_done(sl_buf_add(&bytes, SL_LIT(I("\2")))); /* nested in the head instead */
    }
    assert_rule_of(sl_buf_view(&bytes), "m.rds", SL_RULE_SCAN_LIMIT, "deep list");
}

static void any_bytes_are_survived(void **state)
{
    (void)state;
    for (size_t i = 0; i < SL_COUNT_OF(good_rows); i++) {
        assert_sturdy_of(good_rows[i].bytes, "m.rds", 14); /* shorter ones are text */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_its_row),
        cmocka_unit_test(good_files_are_clean),
        cmocka_unit_test(long_lists_are_flat),
        cmocka_unit_test(any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
