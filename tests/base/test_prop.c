/* The property tester itself (it finds, shrinks and repeats), and properties of the ground: JSON,
 * YAML, UTF-8. */
#include "test.h"

#include "prop.h"

#include "base/json.h"
#include "base/utf8.h"
#include "base/yaml.h"

static bool numbers_are_below_a_thousand(sl_prop *p)
{
    uint64_t n = sl_prop_upto(p, 1000000);
    sl_prop_note(p, "n = %llu\n", (unsigned long long)n);
    return n < 1000;
}

static bool texts_have_no_z(sl_prop *p)
{
    uint8_t text[200];
    size_t n = sl_prop_text(p, "abcxyz", text, sizeof(text));
    sl_prop_note_bytes(p, "text", sl_view_of(text, n));
    return memchr(text, 'z', n) == NULL;
}

static bool sums_stay_small(sl_prop *p)
{
    uint64_t sum = 0;
    while (sl_prop_upto(p, 20) != 0) {
        sum += sl_prop_upto(p, 100);
    }
    return sum < 150;
}

static bool discarded_runs_do_not_count(sl_prop *p)
{
    if (sl_prop_upto(p, 100) > 10) {
        return sl_prop_discard(p);
    }
    return true;
}

static void a_counterexample_is_found_and_made_as_small_as_it_gets(void **state)
{
    sl_prop least = { 0 };
    assert_false(sl_prop_try(numbers_are_below_a_thousand, 1, 1000, &least));
    assert_int_equal(least.drawn, 1);
    assert_int_equal(least.draws[0], 1000);
    assert_string_equal(least.note, "n = 1000\n");
    free(least.draws);

    assert_false(sl_prop_try(texts_have_no_z, 2, 1000, &least));
    assert_string_equal(least.note, "text = \"z\" (1 bytes)\n");
    free(least.draws);

    assert_false(sl_prop_try(sums_stay_small, 3, 1000, &least));
    /* Two or three numbers, each behind "one more", and the end: none can be cut or lowered. */
    assert_true(least.drawn == 5 || least.drawn == 7);
    uint64_t sum = 0;
    for (size_t i = 1; i < least.drawn; i += 2) {
        sum += least.draws[i];
    }
    assert_int_equal(sum, 150);
    free(least.draws);
}

static void the_same_seed_gives_the_same_counterexample(void **state)
{
    sl_prop a = { 0 };
    sl_prop b = { 0 };
    assert_false(sl_prop_try(sums_stay_small, 77, 1000, &a));
    assert_false(sl_prop_try(sums_stay_small, 77, 1000, &b));
    assert_int_equal(a.drawn, b.drawn);
    assert_memory_equal(a.draws, b.draws, a.drawn * sizeof(uint64_t));
    free(a.draws);
    free(b.draws);
}

static void what_holds_holds(void **state)
{
    SL_PROP_HOLDS(discarded_runs_do_not_count, 200);
}

/* Writes a random JSON value without recursion: a stack of open levels. Names are numbered, hence
 * unique. */
static void write_json(sl_prop *p, sl_json_writer *w, bool canonical)
{
    bool object[8];
    int depth = 0;
    int members = 0;
    do {
        if (depth > 0 && (sl_prop_upto(p, 3) == 0 || members > 200)) {
            depth--;
            object[depth] ? sl_json_object_end(w) : sl_json_array_end(w);
            continue;
        }
        if (depth > 0 && object[depth - 1]) {
            char name[32];
            uint64_t salt = sl_prop_upto(p, 99);
            (void)snprintf(name, sizeof(name), "%llu/%d", (unsigned long long)salt, members);
            sl_json_key(w, name);
        }
        members++;
        uint8_t text[64];
        switch (sl_prop_upto(p, depth < 8 ? 5 : 3)) {
        case 0:
            sl_json_null(w);
            break;
        case 1:
            sl_json_true_false(w, sl_prop_bool(p));
            break;
        case 2:
            sl_json_int(w, sl_prop_between(p, -((int64_t)1 << (canonical ? 52 : 62)),
                                           (int64_t)1 << (canonical ? 52 : 62)));
            break;
        case 3:
            sl_json_string(w, sl_view_of(text, sl_prop_utf8(p, text, sizeof(text))));
            break;
        case 4:
            sl_json_array_begin(w);
            object[depth++] = false;
            break;
        default:
            sl_json_object_begin(w);
            object[depth++] = true;
            break;
        }
    } while (depth > 0);
}

static bool what_we_write_we_read(sl_prop *p)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    sl_json_writer w;
    sl_json_writer_init(&w, &text);
    write_json(p, &w, false);
    sl_res r = sl_json_finish(&w);
    sl_prop_note_bytes(p, "json", sl_buf_view(&text));
    return sl_ok(r) && sl_ok(sl_json_parse(sl_buf_view(&text), &doc));
}

static bool canonical_form_is_a_fixed_point(sl_prop *p)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, once, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, twice, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_json_doc, first, sl_json_doc_free) = { 0 };
    SL_OWN(sl_json_doc, second, sl_json_doc_free) = { 0 };
    sl_json_writer w;
    sl_json_writer_init(&w, &text);
    write_json(p, &w, true);
    sl_prop_note_bytes(p, "json", sl_buf_view(&text));
    return sl_ok(sl_json_finish(&w)) && sl_ok(sl_json_parse(sl_buf_view(&text), &first)) &&
           sl_ok(sl_json_canonical(&first, sl_json_root(&first), &once)) &&
           sl_ok(sl_json_parse(sl_buf_view(&once), &second)) &&
           sl_ok(sl_json_canonical(&second, sl_json_root(&second), &twice)) &&
           sl_view_eq(sl_buf_view(&once), sl_buf_view(&twice));
}

/* A prefix of a good text is never a good text of a container; and no cut reads past its end (the
 * sanitizers watch). */
static bool a_cut_container_is_refused(sl_prop *p)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    sl_json_writer w;
    sl_json_writer_init(&w, &text);
    sl_json_array_begin(&w);
    write_json(p, &w, false);
    sl_json_array_end(&w);
    if (!sl_ok(sl_json_finish(&w))) {
        return false;
    }
    size_t cut = (size_t)sl_prop_upto(p, text.n - 1);
    uint8_t *exact = malloc(cut > 0 ? cut : 1);
    assert_non_null(exact);
    memcpy(exact, text.p, cut);
    sl_json_doc doc = { 0 };
    bool refused = !sl_ok(sl_json_parse(sl_view_of(exact, cut), &doc));
    sl_json_doc_free(&doc);
    free(exact);
    return refused;
}

static void json_keeps_its_promises(void **state)
{
    SL_PROP_HOLDS(what_we_write_we_read, 2000);
    SL_PROP_HOLDS(canonical_form_is_a_fixed_point, 1000);
    SL_PROP_HOLDS(a_cut_container_is_refused, 1000);
}

/* JSON texts are YAML: what our JSON writer writes without control characters, the loader reads. */
static bool quoted_texts_survive_yaml(sl_prop *p)
{
    uint8_t text[60];
    size_t n = sl_prop_text(p, "ab \"\\:#-{}[]&*!'%@`,?|>\n\t~", text, sizeof(text));
    SL_OWN(sl_buf, yaml, sl_buf_free) = { .max = 1024 };
    sl_json_writer w;
    sl_json_writer_init(&w, &yaml);
    sl_json_array_begin(&w);
    sl_json_string(&w, sl_view_of(text, n));
    sl_json_array_end(&w);
    sl_prop_note_bytes(p, "text", sl_view_of(text, n));
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 65536 };
    const sl_yaml_node *root = NULL;
    sl_view got = { 0 };
    return sl_ok(sl_json_finish(&w)) && sl_ok(sl_yaml_parse(&arena, sl_buf_view(&yaml), &root)) &&
           root->children == 1 && sl_ok(sl_yaml_text(root->first, "text", &got)) &&
           sl_view_eq(got, sl_view_of(text, n));
}

static void yaml_keeps_its_promises(void **state)
{
    SL_PROP_HOLDS(quoted_texts_survive_yaml, 2000);
}

static bool generated_utf8_is_well_formed(sl_prop *p)
{
    uint8_t text[64];
    sl_view v = sl_view_of(text, sl_prop_utf8(p, text, sizeof(text)));
    sl_prop_note_bytes(p, "text", v);
    return sl_utf8_check(v) == v.n;
}

static void the_generator_of_utf8_makes_utf8(void **state)
{
    SL_PROP_HOLDS(generated_utf8_is_well_formed, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counterexample_is_found_and_made_as_small_as_it_gets),
        cmocka_unit_test(the_same_seed_gives_the_same_counterexample),
        cmocka_unit_test(what_holds_holds),
        cmocka_unit_test(json_keeps_its_promises),
        cmocka_unit_test(yaml_keeps_its_promises),
        cmocka_unit_test(the_generator_of_utf8_makes_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
