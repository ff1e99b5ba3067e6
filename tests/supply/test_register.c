/* The vendor register: what operators signed and nothing else, by kind, replaced and struck off. */
#include "../vault/vault_help.h"
#include "ledger/events.gen.h"
#include "supply/register.h"
#include "vault/approved.h"

static const sl_digest DIGEST = { { 7, 7, 7 } };

static sl_statement vendor(const char *name)
{
    sl_statement s = help_statement(SL_ACTION_VENDOR_ADD);
    help_name(s.vendor, name);
    help_name(s.tier, "high");
    help_name(s.data_cap, "confidential");
    return s;
}

static sl_statement item(const char *kind, const char *name)
{
    sl_statement s = help_statement(SL_ACTION_VENDOR_ITEM);
    help_name(s.vendor, "acme");
    help_name(s.kind, kind);
    assert_done(sl_item_set(s.item, sl_view_str(name)));
    return s;
}

/* Through the roll, as a leaf would go. */
static sl_res say(sl_roll *roll, sl_register *r, const sl_statement *s, size_t signers,
                  int64_t time_ms)
{
    SL_TRY(help_do(roll, s, signers, time_ms));
    return sl_register_apply(r, s, 9, time_ms);
}

static void a_vendor_and_what_is_said_of_it(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(1, 1, 0);
    SL_OWN(sl_register, r, sl_register_free) = { 0 };
    sl_statement s = item("model", "acme/small:7b");
    assert_code(say(roll, &r, &s, 1, NOW_MS), SL_E_NOT_FOUND); /* nobody knows the vendor yet */
    sl_statement v = vendor("acme");
    assert_done(say(roll, &r, &v, 1, NOW_MS));
    assert_done(say(roll, &r, &s, 1, NOW_MS));
    assert_non_null(sl_register_item_any(&r, SL_ITEM_MODEL, SL_LIT("acme/small:7b")));
    assert_null(sl_register_item_any(&r, SL_ITEM_TOOL, SL_LIT("acme/small:7b")));
    assert_null(sl_register_item_find(&r, SL_LIT("other"), SL_ITEM_MODEL, SL_LIT("acme/small:7b")));
    s = item("artefact", "small");
    s.hash = DIGEST;
    assert_done(say(roll, &r, &s, 1, NOW_MS));
    assert_string_equal(sl_register_artefact(&r, &DIGEST)->vendor, "acme");
    /* Said again with another digest, it is replaced, and the old bytes are strangers. */
    s.hash.b[0] = 8;
    assert_done(say(roll, &r, &s, 1, NOW_MS));
    assert_null(sl_register_artefact(&r, &DIGEST));
    assert_int_equal(r.item_count, 2);
    sl_statement gone = help_statement(SL_ACTION_VENDOR_DROP);
    help_name(gone.vendor, "acme");
    assert_done(say(roll, &r, &gone, 1, NOW_MS));
    assert_int_equal(r.item_count + r.vendor_count, 0);
    assert_code(say(roll, &r, &s, 1, NOW_MS), SL_E_NOT_FOUND);
}

static void what_a_kind_needs_and_may(void **state)
{
    static const struct {
        const char *kind;
        const char *name;
        bool hash, signer, until, owner;
        int32_t code;
    } cases[] = {
        { "artefact", "a", true, true, false, false, SL_OK },
        { "artefact", "a", false, true, false, false, SL_E_MISSING_FIELD },
        { "artefact", "a", true, false, true, false, SL_E_UNKNOWN_FIELD },
        { "evidence", "soc2", false, false, true, false, SL_OK },
        { "evidence", "soc2", true, false, false, false, SL_E_MISSING_FIELD },
        { "exception", "cve", false, false, true, true, SL_OK },
        { "exception", "cve", false, false, true, false, SL_E_MISSING_FIELD },
        { "exception", "cve", false, false, false, true, SL_E_MISSING_FIELD },
        { "tool", "t", true, false, false, false, SL_OK },
        { "review", "keep", false, false, false, false, SL_OK },
        { "review", "great", false, false, false, false, SL_E_SYNTAX },
        { "gossip", "x", false, false, false, false, SL_E_SYNTAX },
        { "model", "a-name-of-sixty-bytes-that-fits-no-leaf-beside-its-vendor-xx", false, false,
          false, false, SL_E_LIMIT },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_statement s = item(cases[i].kind, cases[i].name);
        s.hash = cases[i].hash ? DIGEST : s.hash;
        s.signer = cases[i].signer ? DIGEST : s.signer;
        s.until_ms = cases[i].until ? NOW_MS : 0;
        if (cases[i].owner) {
            help_name(s.operator_name, "p1");
        }
        sl_res r = sl_register_check(&s);
        if (r.code != cases[i].code) {
            print_error("%s %s: %s\n", cases[i].kind, cases[i].name, sl_res_name(r));
            fail();
        }
    }
}

static void an_exception_takes_the_quorum(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(2, 2, 0);
    SL_OWN(sl_register, r, sl_register_free) = { 0 };
    sl_statement v = vendor("acme");
    assert_done(say(roll, &r, &v, 1, NOW_MS));
    sl_statement s = item("exception", "no-sbom");
    s.until_ms = NOW_MS + HOUR_MS;
    help_name(s.operator_name, "p1");
    assert_code(say(roll, &r, &s, 1, NOW_MS), SL_E_APPROVAL);
    assert_done(say(roll, &r, &s, 2, NOW_MS));
    s.until_ms = NOW_MS - 1; /* one that is past its end is not taken at all */
    assert_code(say(roll, &r, &s, 2, NOW_MS), SL_E_RANGE);
}

static sl_statement admit(int64_t until_ms)
{
    sl_statement s = help_on(SL_ACTION_ARTEFACT_ADMIT, "c");
    s.hash = DIGEST;
    s.until_ms = until_ms;
    return s;
}

static void held_bytes_enter_one_compartment_for_a_while(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(2, 2, 0);
    SL_OWN(sl_register, r, sl_register_free) = { 0 };
    sl_statement create = help_create("c");
    assert_done(say(roll, &r, &create, 1, NOW_MS));
    sl_statement s = admit(NOW_MS + HOUR_MS);
    assert_code(say(roll, &r, &s, 1, NOW_MS), SL_E_APPROVAL); /* as many as the site's quorum */
    assert_done(say(roll, &r, &s, 2, NOW_MS));
    sl_digest other = DIGEST;
    other.b[31] ^= 1;
    assert_non_null(sl_register_admitted(&r, SL_LIT("c"), &DIGEST, NOW_MS));
    assert_null(sl_register_admitted(&r, SL_LIT("c"), &other, NOW_MS));
    assert_null(sl_register_admitted(&r, SL_LIT("d"), &DIGEST, NOW_MS));
    assert_null(sl_register_admitted(&r, SL_LIT("c"), &DIGEST, NOW_MS + HOUR_MS));
    s.action = SL_ACTION_ARTEFACT_WITHDRAW;
    s.until_ms = 0;
    assert_done(say(roll, &r, &s, 1, NOW_MS)); /* taking it back takes one */
    assert_null(sl_register_admitted(&r, SL_LIT("c"), &DIGEST, NOW_MS));
}

static void a_permission_is_of_this_site_and_not_for_ever(void **state)
{
    SL_OWN(sl_roll *, roll, sl_roll_free_at) = help_roll(1, 1, 0);
    SL_OWN(sl_register, r, sl_register_free) = { 0 };
    sl_statement create = help_create("c");
    assert_done(say(roll, &r, &create, 1, NOW_MS));
    sl_statement s = admit(NOW_MS + SL_ARTEFACT_ADMIT_MS_MAX + 1);
    assert_code(say(roll, &r, &s, 1, NOW_MS), SL_E_RANGE);
    s = admit(NOW_MS);
    assert_code(say(roll, &r, &s, 1, NOW_MS), SL_E_RANGE);
    s = admit(NOW_MS + HOUR_MS);
    s.site[0] = 'f'; /* signed for another site */
    assert_code(say(roll, &r, &s, 1, NOW_MS), SL_E_REFUSED);
}

static void it_reads_as_yaml(void **state)
{
    SL_OWN(sl_register, r, sl_register_free) = { 0 };
    SL_OWN(sl_buf, yaml, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, lines, sl_buf_free) = { .max = 4096 };
    sl_statement v = vendor("acme");
    assert_done(sl_register_apply(&r, &v, 3, NOW_MS));
    sl_statement s = item("evidence", "soc2-2026");
    s.until_ms = NOW_MS + HOUR_MS;
    assert_done(sl_register_apply(&r, &s, 4, NOW_MS));
    assert_done(sl_register_write(&r, SL_LIT("acme"), NOW_MS + HOUR_MS, &yaml));
    assert_view(sl_buf_view(&yaml),
                "vendors:\n  acme:\n    tier: high\n    data_cap: confidential\n"
                "    since: 2027-01-15T08:00:00.000Z\n    leaf: 3\n    evidence:\n"
                "      - { name: soc2-2026, until: 2027-01-15T09:00:00.000Z, leaf: 4 }"
                "  # past its end\n");
    size_t ended = 0;
    assert_done(sl_register_write_json(&r, (sl_view){ 0 }, NOW_MS, &lines, &ended));
    assert_int_equal(ended, 0);
    assert_done(sl_register_write_json(&r, (sl_view){ 0 }, NOW_MS + HOUR_MS, &lines, &ended));
    assert_int_equal(ended, 1);
    assert_code(sl_register_write(&r, SL_LIT("nobody"), NOW_MS, &yaml), SL_E_NOT_FOUND);
}

/* What assure and the watch read of it. */
static void it_unfolds_to_events(void **state)
{
    static const struct {
        const char *kind;
        const char *name;
        sl_action action;
        const char *has;
    } cases[] = {
        { "evidence", "soc2", SL_ACTION_VENDOR_ITEM,
          "{\"vendor\":\"acme\",\"evidence\":\"acme/soc2\",\"digest\":\"0707" },
        { "evidence", "soc2", SL_ACTION_VENDOR_DROP, "\"type\":\"vendor.evidence_ended\"" },
        { "exception", "cve", SL_ACTION_VENDOR_ITEM, "\"waiver\":\"acme/cve\"" },
        { "exception", "cve", SL_ACTION_VENDOR_DROP, "\"type\":\"waiver.ended\"" },
        { "artefact", "a/b", SL_ACTION_VENDOR_ITEM, "\"artefact\":\"acme/a/b\"" },
        { "review", "keep", SL_ACTION_VENDOR_ITEM, "\"outcome\":\"keep\"" },
        { "model", "m", SL_ACTION_VENDOR_ITEM, NULL },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_STATEMENT_BYTES_MAX };
        SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
        SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
        bool is = false;
        sl_statement s = item(cases[i].kind, cases[i].name);
        s.action = cases[i].action;
        s.hash = s.action == SL_ACTION_VENDOR_ITEM ? DIGEST : s.hash;
        assert_done(sl_statement_encode(&s, &text));
        sl_approval one = help_approve(sl_buf_view(&text), 1, 1);
        assert_done(sl_roll_event(sl_buf_view(&text), &one, 1, &event));
        assert_done(sl_leaf_wrap(sl_buf_view(&event), "warden", 5000, &leaf));
        assert_done(sl_approved_unfold(sl_buf_view(&leaf), &out, &is));
        assert_int_equal(is, cases[i].has != NULL);
        if (is) {
            assert_true(sl_view_find(sl_buf_view(&out), sl_view_str(cases[i].has), 0) != SIZE_MAX);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vendor_and_what_is_said_of_it),
        cmocka_unit_test(what_a_kind_needs_and_may),
        cmocka_unit_test(an_exception_takes_the_quorum),
        cmocka_unit_test(held_bytes_enter_one_compartment_for_a_while),
        cmocka_unit_test(a_permission_is_of_this_site_and_not_for_ever),
        cmocka_unit_test(it_reads_as_yaml),
        cmocka_unit_test(it_unfolds_to_events),
    };
    return cmocka_run_group_tests_name("register", tests, NULL, NULL);
}
