/* What came by the doors: counted once a thing, what was refused is not in use, and what the register knows. */
#include "test.h"

#include "supply/seen.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "aaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C1 "11111111111111111111111111111111"
#define C2 "22222222222222222222222222222222"

static uint64_t next_leaf;

static void leaf(sl_seen_list *list, const char *by, const char *head, const char *type,
                 const char *fields)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_addf(
        &text, "{\"by\":\"%s\",\"event\":{%s\"fields\":{%s},\"type\":\"%s\"},\"time\":5,\"v\":1}",
        by, head, fields, type));
    sl_res r = sl_seen_leaf(list, next_leaf++, sl_buf_view(&text));
    if (!sl_ok(r)) {
        print_error("%s: %s\n", type, sl_res_name(r));
        fail();
    }
}

static void intent(sl_seen_list *list, const char *model)
{
    SL_OWN(sl_buf, fields, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_addf(
        &fields,
        "\"bytes\":1,\"classes\":{},\"dialect\":\"openai_chat\",\"epoch\":1,\"grant\":\"g\","
        "\"latency_us\":1,\"model\":\"%s\",\"policy\":\"" A64
        "\",\"streamed\":false,\"upstream\":\"main\",\"verdict\":\"allow\"",
        model));
    leaf(list, "ask", "", "ask.intent", sl_buf_cstr(&fields));
}

static void artefact(sl_seen_list *list, const char *by, const char *crossing, const char *digest,
                     const char *compartment, const char *verdict)
{
    SL_OWN(sl_buf, fields, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, head, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_addf(&head,
                            "\"compartment\":\"%s\",\"crossing\":\"%s\",\"door\":\"ingest\",",
                            compartment, crossing));
    assert_done(
        sl_buf_addf(&fields,
                    "\"artefact\":\"o\",\"class\":\"unknown\",\"complete\":true,\"digest\":"
                    "\"%s\",\"engine\":\"artefact\",\"format\":\"pickle\",\"rules\":{\"a.b\":2},"
                    "\"unsafe\":false,\"verdict\":\"%s\"",
                    digest, verdict));
    leaf(list, by, sl_buf_cstr(&head), "artefact.scanned", sl_buf_cstr(&fields));
}

static void outcome(sl_seen_list *list, const char *crossing, const char *how)
{
    SL_OWN(sl_buf, fields, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, head, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_addf(&head, "\"crossing\":\"%s\",", crossing));
    assert_done(sl_buf_addf(&fields, "\"object\":\"o\",\"outcome\":\"%s\"", how));
    leaf(list, "ingest", sl_buf_cstr(&head), "ingest.outcome", sl_buf_cstr(&fields));
}

static void names_are_counted_once(void **state)
{
    SL_OWN(sl_seen_list, list, sl_seen_free) = { 0 };
    intent(&list, "small:7b");
    intent(&list, "small:7b");
    intent(&list, "large");
    assert_int_equal(list.count, 3); /* two models, one server */
    assert_int_equal(list.items[0].times, 2);
    assert_string_equal(list.items[0].name, "small:7b");
    assert_int_equal(list.items[0].kind, SL_ITEM_MODEL);
    assert_int_equal(list.items[1].kind, SL_ITEM_UPSTREAM);
    assert_int_equal(list.items[1].times, 3);
    /* Another server answered than was asked first. */
    leaf(
        &list, "ask", "", "ask.outcome",
        "\"classes\":{},\"events\":1,\"latency_us\":1,\"outcome\":\"delivered\",\"released_bytes\":1,"
        "\"status\":200,\"upstream\":\"spare\",\"verdict\":\"allow\"");
    assert_int_equal(list.count, 4);
    assert_string_equal(list.items[3].name, "spare");
}

static void an_artefact_is_in_use_once_it_came_in(void **state)
{
    static const struct {
        const char *verdict;
        const char *outcome;
        sl_seen_state state;
        bool counts;
    } cases[] = {
        { "allow", "admitted", SL_SEEN_ADMITTED, true },
        { "allow", "failed", SL_SEEN_REFUSED, false },
        { "allow", NULL, SL_SEEN_OPEN, false },
        { "hold", "refused", SL_SEEN_HELD, false },
        { "refuse", "refused", SL_SEEN_REFUSED, false },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_seen_list, list, sl_seen_free) = { 0 };
        artefact(&list, "ingest", "c1", A64, C1, cases[i].verdict);
        if (cases[i].outcome != NULL) {
            outcome(&list, "c0", "admitted"); /* of another crossing */
            outcome(&list, "c1", cases[i].outcome);
        }
        assert_int_equal(list.count, 1);
        assert_int_equal(list.items[0].state, cases[i].state);
        assert_int_equal(sl_seen_counts(&list.items[0]), cases[i].counts);
        assert_string_equal(list.items[0].rules, "a.b 2");
        /* Held the next time, the bytes of the first are still inside. */
        artefact(&list, "ingest", "c2", A64, C1, "hold");
        outcome(&list, "c2", "refused");
        assert_int_equal(list.items[0].state, SL_SEEN_HELD);
        assert_int_equal(sl_seen_counts(&list.items[0]), cases[i].counts);
    }
}

static void another_process_is_not_believed(void **state)
{
    SL_OWN(sl_seen_list, list, sl_seen_free) = { 0 };
    artefact(&list, "warden", "c1", A64, C1, "allow");
    assert_int_equal(list.count, 0);
}

static void artefacts_are_found_by_their_digest(void **state)
{
    SL_OWN(sl_seen_list, list, sl_seen_free) = { 0 };
    const sl_seen *found = NULL;
    artefact(&list, "ingest", "c1", A64, C1, "hold");
    artefact(&list, "ingest", "c2", A64, C2, "hold");
    artefact(&list, "ingest", "c3", B64, C1, "hold");
    assert_int_equal(list.count, 3);
    assert_code(sl_seen_artefact(&list, SL_LIT("aaaaaaa"), SL_LIT(C1), &found), SL_E_SYNTAX);
    assert_code(sl_seen_artefact(&list, SL_LIT("aaaaaaaa"), SL_LIT(C1), &found), SL_E_DUPLICATE);
    assert_code(sl_seen_artefact(&list, SL_LIT("bbbbbbbb"), SL_LIT(C1), &found), SL_E_NOT_FOUND);
    assert_done(sl_seen_artefact(&list, SL_LIT("aaaaaaaaa"), SL_LIT(C1), &found));
    assert_string_equal(found->compartment_id, C1);
    assert_done(sl_seen_artefact(&list, SL_LIT(A64), SL_LIT(C2), &found));
    assert_string_equal(found->compartment_id, C2);
    assert_done(sl_seen_artefact(&list, SL_LIT(B64), SL_LIT(C2), &found));
    assert_string_equal(found->compartment_id, C1);
}

static void the_register_takes_things_out_of_the_shadow(void **state)
{
    SL_OWN(sl_seen_list, list, sl_seen_free) = { 0 };
    SL_OWN(sl_register, r, sl_register_free) = { 0 };
    intent(&list, "small:7b");
    artefact(&list, "ingest", "c1", A64, C1, "allow");
    sl_statement add = {
        .action = SL_ACTION_VENDOR_ADD, .vendor = "acme", .tier = "low", .data_cap = "none"
    };
    sl_statement model = {
        .action = SL_ACTION_VENDOR_ITEM, .vendor = "acme", .kind = "model", .item = "small:7b"
    };
    sl_statement weights = {
        .action = SL_ACTION_VENDOR_ITEM, .vendor = "acme", .kind = "artefact", .item = "w"
    };
    assert_done(sl_digest_parse(SL_LIT(A64), &weights.hash));
    assert_null(sl_seen_registered(&r, &list.items[0]));
    assert_done(sl_register_apply(&r, &add, 1, 1));
    assert_done(sl_register_apply(&r, &model, 2, 1));
    assert_done(sl_register_apply(&r, &weights, 3, 1));
    assert_non_null(sl_seen_registered(&r, &list.items[0]));
    assert_null(sl_seen_registered(&r, &list.items[1])); /* the server is nobody's */
    assert_non_null(sl_seen_registered(&r, &list.items[2]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_counted_once),
        cmocka_unit_test(an_artefact_is_in_use_once_it_came_in),
        cmocka_unit_test(another_process_is_not_believed),
        cmocka_unit_test(artefacts_are_found_by_their_digest),
        cmocka_unit_test(the_register_takes_things_out_of_the_shadow),
    };
    return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}
