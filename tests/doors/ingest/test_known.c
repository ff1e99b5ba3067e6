/* What the ingest process learns from leaves: admitted versions, crossings without an outcome. */
#include "test.h"

#include "doors/ingest/known.h"
#include "ledger/events.gen.h"

static const char object[] = "00112233445566778899aabbccddeeff";
static const char compartment[] = "aa112233445566778899aabbccddeeff";
static const char crossing_a[] = "bb112233445566778899aabbccddeeff";
static const char crossing_b[] = "cc112233445566778899aabbccddeeff";

static void tell(sl_ingest_known *known, const char *by, sl_view event)
{
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_leaf_wrap(event, by, 1000, &leaf));
    assert_done(sl_ingest_known_leaf(known, sl_ingest_known_next(known), sl_buf_view(&leaf)));
}

static sl_event_head head_of(const char *crossing)
{
    return (sl_event_head){ .door = SL_LIT("ingest"),
                            .compartment = sl_view_str(compartment),
                            .crossing = sl_view_str(crossing) };
}

static void tell_intent(sl_ingest_known *known, const char *crossing)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_event_head head = head_of(crossing);
    sl_event_ingest_intent fields = { .object = sl_view_str(object),
                                      .kind = SL_LIT("dataset"),
                                      .media = SL_LIT("csv"),
                                      .purpose = SL_LIT("analysis") };
    assert_done(sl_emit_ingest_intent(&head, &fields, &event));
    tell(known, "ingest", sl_buf_view(&event));
}

static void tell_outcome(sl_ingest_known *known, const char *by, const char *crossing,
                         const char *outcome, const sl_digest *digest)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_event_head head = head_of(crossing);
    sl_event_ingest_outcome fields = { .object = sl_view_str(object),
                                       .outcome = sl_view_str(outcome),
                                       .has_version = digest != NULL,
                                       .version = 1,
                                       .digest = digest,
                                       .chunks_root = digest };
    assert_done(sl_emit_ingest_outcome(&head, &fields, &event));
    tell(known, by, sl_buf_view(&event));
}

static void admitted_versions_and_open_crossings(void **state)
{
    SL_OWN(sl_ingest_known, known, sl_ingest_known_free) = { 0 };
    sl_digest digest = { { 5 } };
    assert_done(sl_ingest_known_init(&known));
    tell_intent(&known, crossing_a);
    tell_intent(&known, crossing_b);
    assert_int_equal(known.open_count, 2);
    tell_outcome(&known, "ingest", crossing_a, "failed", NULL);
    assert_int_equal(known.open_count, 1);
    assert_null(sl_ingest_known_find(&known, object, 1));
    tell_outcome(&known, "ingest", crossing_b, "admitted", &digest);
    assert_int_equal(known.open_count, 0);
    const sl_admitted *found = sl_ingest_known_find(&known, object, 1);
    assert_non_null(found);
    assert_int_equal(found->leaf_index, 3);
    assert_true(sl_digest_eq(&found->digest, &digest));
    assert_null(sl_ingest_known_find(&known, object, 2));
}

static void nobody_else_admits(void **state)
{
    SL_OWN(sl_ingest_known, known, sl_ingest_known_free) = { 0 };
    sl_digest digest = { { 5 } };
    assert_done(sl_ingest_known_init(&known));
    tell_outcome(&known, "warden", crossing_a, "admitted", &digest);
    assert_null(sl_ingest_known_find(&known, object, 1));
}

static void tell_echo(sl_ingest_known *known, const char *crossing, const sl_digest *digest)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    sl_event_head head = head_of(crossing);
    sl_event_echo_built fields = { .object = sl_view_str(object), .records = 7, .digest = digest };
    assert_done(sl_emit_echo_built(&head, &fields, &event));
    tell(known, "ingest", sl_buf_view(&event));
}

/* An index that was published in a crossing that then failed is nothing that could be made anew. */
static void indexes_of_records_count_when_their_object_is_admitted(void **state)
{
    SL_OWN(sl_ingest_known, known, sl_ingest_known_free) = { 0 };
    sl_digest digest = { { 5 } };
    assert_done(sl_ingest_known_init(&known));
    tell_intent(&known, crossing_a);
    tell_echo(&known, crossing_a, &digest);
    assert_true(sl_ingest_known_echoed(&known, compartment));
    tell_outcome(&known, "ingest", crossing_a, "failed", NULL);
    assert_int_equal(sl_ingest_known_echoes(&known, compartment), 0);
    tell_intent(&known, crossing_b);
    tell_outcome(&known, "ingest", crossing_b, "admitted", &digest);
    assert_int_equal(sl_ingest_known_echoes(&known, compartment), 0);
    tell_intent(&known, crossing_a);
    tell_echo(&known, crossing_a, &digest);
    assert_int_equal(sl_ingest_known_echoes(&known, compartment), 0);
    tell_outcome(&known, "ingest", crossing_a, "admitted", &digest);
    assert_int_equal(sl_ingest_known_echoes(&known, compartment), 1);
    assert_int_equal(sl_ingest_known_echoes(&known, object), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admitted_versions_and_open_crossings),
        cmocka_unit_test(nobody_else_admits),
        cmocka_unit_test(indexes_of_records_count_when_their_object_is_admitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
