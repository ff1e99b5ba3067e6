/* The strict YAML loader: what it refuses, with which line, and reading structs by a table. */
#include "test.h"

#include "base/yaml.h"

static sl_res parse(const char *text, sl_arena *arena, const sl_yaml_node **ret_root)
{
    return sl_yaml_parse(arena, sl_view_str(text), ret_root);
}

static void a_document_becomes_a_tree_with_lines(void **state)
{
    (void)state;
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 65536 };
    const sl_yaml_node *root = NULL;
    assert_done(
        parse("# comment\nname: trial one\nlist:\n  - a\n  - 'b: c'\nmap: {x: 1, y: \"two\"}\n",
              &arena, &root));
    assert_int_equal(root->kind, SL_YAML_MAP);
    assert_int_equal(root->children, 3);
    const sl_yaml_node *name = sl_yaml_get(root, "name");
    assert_string_equal((const char *)name->text.p, "trial one");
    assert_int_equal(name->line, 2);
    assert_false(name->quoted);
    const sl_yaml_node *list = sl_yaml_get(root, "list");
    assert_int_equal(list->children, 2);
    assert_string_equal((const char *)list->first->next->text.p, "b: c");
    assert_int_equal(list->first->next->line, 5);
    assert_true(list->first->next->quoted);
    assert_non_null(sl_yaml_get(sl_yaml_get(root, "map"), "y"));
    assert_null(sl_yaml_get(root, "absent"));
    assert_null(sl_yaml_get(list, "name"));
    assert_null(sl_yaml_get(NULL, "name"));
}

typedef struct {
    const char *text;
    sl_code code;
    const char *field;
    uint64_t line;
} refusal;

static void what_is_not_strict_is_refused_with_its_line(void **state)
{
    (void)state;
    static const refusal cases[] = {
        { "", SL_E_SYNTAX, "empty document", 1 },
        { "# only a comment\n", SL_E_SYNTAX, "empty document", 1 },
        { "a: 1\nb: &x 2\n", SL_E_UNSUPPORTED, "anchor", 2 },
        { "a: &x [1]\n", SL_E_UNSUPPORTED, "anchor", 1 },
        { "&k a: 1\n", SL_E_UNSUPPORTED, "anchor", 1 },
        { "a: *x\n", SL_E_UNSUPPORTED, "alias", 1 },
        { "a: !!str 1\n", SL_E_UNSUPPORTED, "tag", 1 },
        { "a: !x {b: 1}\n", SL_E_UNSUPPORTED, "tag", 1 },
        { "a: ! 1\n", SL_E_UNSUPPORTED, "tag", 1 },
        { "\n%YAML 1.1\n---\na: 1\n", SL_E_UNSUPPORTED, "directive", 2 },
        { "%TAG ! tag:x,2000:\n---\na: 1\n", SL_E_UNSUPPORTED, "directive", 1 },
        { "a: 1\n---\nb: 2\n", SL_E_UNSUPPORTED, "second document", 2 },
        { "<<: {a: 1}\n", SL_E_UNSUPPORTED, "merge key", 1 },
        { "? [a, b]\n: 1\n", SL_E_UNSUPPORTED, "key that is not text", 1 },
        { "a: 1\nb: 2\n'a': 3\n", SL_E_DUPLICATE, "key", 3 },
        { "a:\nb: 2\n", SL_E_SYNTAX, "empty value", 1 },
        { "a: [1, , 2]\n", SL_E_SYNTAX, "YAML", 1 },
        { "a: 1\n b: 2\n", SL_E_SYNTAX, "YAML", 2 },
        { "a: [1\n", SL_E_SYNTAX, "YAML", 2 },
        { "a: \"\\0\"\n", SL_E_SYNTAX, "control character", 1 },
        { "a: \"\\e[31m\"\n", SL_E_SYNTAX, "control character", 1 },
        { "a: 1\nb: x\001\n", SL_E_SYNTAX, "control character", 2 },
        { "a: 1\nb: \xff\n", SL_E_UTF8, "text", 2 },
        { "a: \xed\xa0\x80\n", SL_E_UTF8, "text", 1 },
        { "\xff\xfe"
          "a",
          SL_E_UTF8, "text", 1 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 65536 };
        const sl_yaml_node *root = NULL;
        sl_res r = parse(cases[i].text, &arena, &root);
        if (r.code != (int32_t)cases[i].code) {
            fail_msg("case %zu: %s instead of the expected code", i, sl_res_name(r));
        }
        assert_string_equal(sl_detail_get()->field, cases[i].field);
        if (sl_detail_get()->offset != cases[i].line) {
            fail_msg("case %zu: line %llu", i, (unsigned long long)sl_detail_get()->offset);
        }
        assert_null(root);
    }
}

static void nesting_and_counts_have_limits(void **state)
{
    (void)state;
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1 << 20 };
    for (int i = 0; i < 33; i++) {
        assert_done(sl_buf_add_byte(&text, '['));
    }
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 1 << 24 };
    const sl_yaml_node *root = NULL;
    assert_code(sl_yaml_parse(&arena, sl_buf_view(&text), &root), SL_E_DEPTH);

    sl_buf_clear(&text);
    for (int i = 0; i < 1025; i++) {
        assert_done(sl_buf_addf(&text, "key%d: 1\n", i));
    }
    assert_code(sl_yaml_parse(&arena, sl_buf_view(&text), &root), SL_E_LIMIT);

    SL_OWN(sl_arena, small, sl_arena_free) = { .max = 200 };
    assert_code(parse("a: [1, 2, 3, 4]\n", &small, &root), SL_E_LIMIT);
}

/* A bare text that another reader would take for something else has to stand in quotes. */
static void texts_are_never_guessed(void **state)
{
    (void)state;
    static const char *const guessed[] = { "no",   "Yes",      "true",  "NULL", "~",
                                           "1",    "-12",      "1.10",  "1e3",  "0x1F",
                                           "0o17", "0b11",     "1_000", ".5",   "+.inf",
                                           ".NaN", "12:30:45", "on",    "y" };
    static const char *const plain[] = { "nobody", "1.2.3", "2026-12-01", "0xyz",    "e3",
                                         ".",      "v1",    "1 mile",     "12:30 h", "-",
                                         "1e",     "one",   "0x",         "10s",     "trueish" };
    for (size_t i = 0; i < SL_COUNT_OF(guessed) + SL_COUNT_OF(plain); i++) {
        bool is_guessed = i < SL_COUNT_OF(guessed);
        const char *word = is_guessed ? guessed[i] : plain[i - SL_COUNT_OF(guessed)];
        sl_yaml_node node = { .kind = SL_YAML_SCALAR, .line = 7, .text = sl_view_str(word) };
        sl_view text = { 0 };
        sl_res r = sl_yaml_text(&node, "name", &text);
        if (sl_ok(r) == is_guessed) {
            fail_msg("%s: %s", word, sl_res_name(r));
        }
        node.quoted = true;
        assert_done(sl_yaml_text(&node, "name", &text));
    }
}

typedef struct {
    const char *text;
    bool good;
    int64_t value;
} quantity;

static void numbers_durations_and_sizes_are_exact(void **state)
{
    (void)state;
    static const quantity ints[] = {
        { "0", true, 0 },    { "-5", true, -5 },  { "100", true, 100 },
        { "101", false, 0 }, { "-6", false, 0 },  { "007", false, 0 },
        { "+1", false, 0 },  { "1.0", false, 0 }, { "99999999999999999999", false, 0 },
    };
    static const quantity durations[] = {
        { "100ms", true, 100 },    { "2s", true, 2000 },
        { "15min", true, 900000 }, { "1h", true, 3600000 },
        { "1d", true, 86400000 },  { "2d", false, 0 },
        { "10", false, 0 },        { "s", false, 0 },
        { "1m", false, 0 },        { "9999999999999999d", false, 0 },
    };
    static const quantity sizes[] = {
        { "64KiB", true, 65536 }, { "1MiB", true, 1048576 }, { "8B", true, 8 },
        { "1GiB", false, 0 },     { "64KB", false, 0 },      { "8589934592GiB", false, 0 },
    };
    int64_t value = 0;
    for (size_t i = 0; i < SL_COUNT_OF(ints); i++) {
        sl_yaml_node node = { .kind = SL_YAML_SCALAR, .text = sl_view_str(ints[i].text) };
        assert_int_equal(sl_ok(sl_yaml_int(&node, "n", -5, 100, &value)), ints[i].good);
        assert_true(!ints[i].good || value == ints[i].value);
    }
    for (size_t i = 0; i < SL_COUNT_OF(durations); i++) {
        sl_yaml_node node = { .kind = SL_YAML_SCALAR, .text = sl_view_str(durations[i].text) };
        assert_int_equal(sl_ok(sl_yaml_duration(&node, "t", 0, 86400000, &value)),
                         durations[i].good);
        assert_true(!durations[i].good || value == durations[i].value);
    }
    for (size_t i = 0; i < SL_COUNT_OF(sizes); i++) {
        sl_yaml_node node = { .kind = SL_YAML_SCALAR, .text = sl_view_str(sizes[i].text) };
        assert_int_equal(sl_ok(sl_yaml_size(&node, "s", 1, 1048576, &value)), sizes[i].good);
        assert_true(!sizes[i].good || value == sizes[i].value);
    }
    sl_yaml_node quoted = { .kind = SL_YAML_SCALAR, .quoted = true, .text = SL_LIT("1") };
    assert_code(sl_yaml_int(&quoted, "n", 0, 9, &value), SL_E_TYPE);
}

typedef struct {
    int64_t idle_ms;
    bool keep;
} limits_part;

typedef struct {
    sl_view name;
    int64_t port;
    int mode;
    limits_part limits;
    sl_yaml_texts doors;
    const sl_yaml_node *rules;
} sample;

static const char *const mode_names[] = { "watch", "enforce", NULL };
static const sl_yaml_field limit_fields[] = {
    { .key = "idle", .type = SL_YAML_AS_DURATION, .offset = offsetof(limits_part, idle_ms) },
    { .key = "keep", .type = SL_YAML_AS_BOOL, .offset = offsetof(limits_part, keep) },
    { 0 },
};
static const sl_yaml_field sample_fields[] = {
    { .key = "name", .type = SL_YAML_AS_TEXT, .required = true, .offset = offsetof(sample, name) },
    { .key = "port", .type = SL_YAML_AS_INT, .offset = offsetof(sample, port), .max = 65535 },
    { .key = "mode",
      .type = SL_YAML_AS_CHOICE,
      .offset = offsetof(sample, mode),
      .names = mode_names },
    { .key = "limits",
      .type = SL_YAML_AS_SECTION,
      .offset = offsetof(sample, limits),
      .fields = limit_fields },
    { .key = "doors", .type = SL_YAML_AS_TEXTS, .offset = offsetof(sample, doors) },
    { .key = "rules", .type = SL_YAML_AS_LIST, .offset = offsetof(sample, rules) },
    { 0 },
};

static void a_table_of_fields_fills_a_struct(void **state)
{
    (void)state;
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 65536 };
    const sl_yaml_node *root = NULL;
    assert_done(
        parse("name: one\nmode: enforce\nlimits:\n  idle: 5s\n  keep: true\ndoors: [ask, run]\n"
              "rules:\n  - {id: a}\n",
              &arena, &root));
    sample s = { .port = 8443 };
    assert_done(sl_yaml_read(&arena, root, sample_fields, &s));
    assert_true(sl_view_eq_str(s.name, "one"));
    assert_int_equal(s.port, 8443);
    assert_int_equal(s.mode, 1);
    assert_int_equal(s.limits.idle_ms, 5000);
    assert_true(s.limits.keep);
    assert_int_equal(s.doors.n, 2);
    assert_true(sl_view_eq_str(s.doors.items[1], "run"));
    assert_int_equal(s.rules->children, 1);
}

static void mistakes_in_a_struct_are_named_with_line_and_nearest_key(void **state)
{
    (void)state;
    static const refusal cases[] = {
        { "name: a\nlimts: {idle: 1s}\n", SL_E_UNKNOWN_FIELD, "limits", 2 },
        { "name: a\nlimits:\n  idel: 1s\n", SL_E_UNKNOWN_FIELD, "idle", 3 },
        { "name: a\nprot: 1\n", SL_E_UNKNOWN_FIELD, "port", 2 },
        { "port: 1\n", SL_E_MISSING_FIELD, "name", 1 },
        { "name: a\nport: '1'\n", SL_E_TYPE, "port", 2 },
        { "name: a\nport: 70000\n", SL_E_RANGE, "port", 2 },
        { "name: a\nmode: enforced\n", SL_E_TYPE, "mode", 2 },
        { "name: a\nlimits: [1]\n", SL_E_TYPE, "limits", 2 },
        { "name: a\nlimits: {keep: yes}\n", SL_E_TYPE, "keep", 2 },
        { "name: a\ndoors:\n  - ask\n  - [run]\n", SL_E_TYPE, "doors", 4 },
        { "name: [a]\n", SL_E_TYPE, "name", 1 },
        { "[a]\n", SL_E_TYPE, "map", 1 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 65536 };
        const sl_yaml_node *root = NULL;
        assert_done(parse(cases[i].text, &arena, &root));
        sample s = { 0 };
        sl_res r = sl_yaml_read(&arena, root, sample_fields, &s);
        if (r.code != (int32_t)cases[i].code) {
            fail_msg("case %zu: %s", i, sl_res_name(r));
        }
        assert_string_equal(sl_detail_get()->field, cases[i].field);
        assert_int_equal(sl_detail_get()->offset, cases[i].line);
    }
}

static void a_failure_is_explained_in_a_sentence(void **state)
{
    (void)state;
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 65536 };
    const sl_yaml_node *root = NULL;
    assert_done(parse("name: a\ndors: [ask]\n", &arena, &root));
    sample s = { 0 };
    sl_res r = sl_yaml_read(&arena, root, sample_fields, &s);
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1000 };
    assert_done(sl_yaml_explain(r, "config.yml", &text));
    assert_string_equal(sl_buf_cstr(&text), "config.yml line 2: a field that is not known here; "
                                            "the nearest right key is 'doors'");
}

static void a_list_of_keys_alone_can_be_checked(void **state)
{
    (void)state;
    static const char *const keys[] = { "title", "detection", NULL };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 65536 };
    const sl_yaml_node *root = NULL;
    assert_done(parse("title: a\ndetection: {}\n", &arena, &root));
    assert_done(sl_yaml_keys(root, keys));
    assert_done(parse("title: a\ndetectoin: {}\n", &arena, &root));
    assert_code(sl_yaml_keys(root, keys), SL_E_UNKNOWN_FIELD);
    assert_string_equal(sl_detail_get()->field, "detection");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_becomes_a_tree_with_lines),
        cmocka_unit_test(what_is_not_strict_is_refused_with_its_line),
        cmocka_unit_test(nesting_and_counts_have_limits),
        cmocka_unit_test(texts_are_never_guessed),
        cmocka_unit_test(numbers_durations_and_sizes_are_exact),
        cmocka_unit_test(a_table_of_fields_fills_a_struct),
        cmocka_unit_test(mistakes_in_a_struct_are_named_with_line_and_nearest_key),
        cmocka_unit_test(a_failure_is_explained_in_a_sentence),
        cmocka_unit_test(a_list_of_keys_alone_can_be_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
