/* Checks as shipped, each with leaves that make it pass, fail and stay unknown; and the gate. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>

#include "assure/catalogue.h"
#include "base/file.h"

/* The time of asking, in seconds, and leaves as "type|seconds before it|fields|head members". */
#define NOW_S 2000000000
#define LEAVES_MAX 8

typedef struct {
    const char *check;
    sl_state state;
    const char *leaves[LEAVES_MAX];
} fixture;

static sl_catalogue *catalogue;

static int load_catalogue(void **state)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 8 * SL_MIB };
    sl_view files[64];
    sl_view subjects = { 0 };
    size_t count = 0;
    DIR *dir = opendir(SL_SOURCE_ROOT "/data/checks");
    if (dir == NULL) {
        return -1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        sl_view name = sl_view_str(entry->d_name);
        if (!sl_view_ends(name, SL_LIT(".yml"))) {
            continue;
        }
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
        sl_view copy;
        if (!sl_ok(sl_file_read(dirfd(dir), entry->d_name, &text)) ||
            !sl_ok(sl_arena_dup(&arena, sl_buf_view(&text), &copy))) {
            return -1;
        }
        if (sl_view_eq(name, SL_LIT("subjects.yml"))) {
            subjects = copy;
        } else {
            files[count++] = copy;
        }
    }
    closedir(dir);
    size_t file = 0;
    sl_res r = sl_catalogue_load(subjects, files, count, &file, &catalogue);
    if (!sl_ok(r)) {
        print_error("file %zu: %s %s line %d\n", file, sl_res_name(r), sl_detail_get()->field,
                    (int)sl_detail_get()->offset);
        return -1;
    }
    return 0;
}

static int drop_catalogue(void **state)
{
    sl_catalogue_free(catalogue);
    return 0;
}

static sl_value parameter(void *context, sl_view scope, sl_view name)
{
    if (sl_view_eq(name, SL_LIT("self"))) {
        return (sl_value){ .kind = SL_VALUE_TEXT, .text = SL_LIT("us") };
    }
    if (sl_view_eq(name, SL_LIT("max_records")) || sl_view_eq(name, SL_LIT("max_compartments"))) {
        return (sl_value){ .kind = SL_VALUE_NUMBER, .number = 100 };
    }
    if (sl_view_eq(name, SL_LIT("retain_from"))) {
        return (sl_value){ .kind = SL_VALUE_NUMBER, .number = 256 };
    }
    if (sl_view_eq(name, SL_LIT("purposes"))) {
        return (sl_value){ .kind = SL_VALUE_TEXT, .text = SL_LIT("care research ") };
    }
    if (sl_view_eq(scope, SL_LIT("regime")) && !sl_view_eq(name, SL_LIT("hipaa"))) {
        return (sl_value){ .kind = SL_VALUE_NUMBER,
                           .number = sl_view_eq(name, SL_LIT("gdpr")) ? 72 * 3600 : 24 * 3600 };
    }
    return (sl_value){ .kind = SL_VALUE_UNKNOWN };
}

static void feed(sl_assurance *run, uint64_t index, const char *spec)
{
    sl_view rest = sl_view_str(spec);
    sl_view type;
    sl_view age;
    sl_view fields;
    (void)sl_view_cut(rest, '|', &type, &rest);
    (void)sl_view_cut(rest, '|', &age, &rest);
    (void)sl_view_cut(rest, '|', &fields, &rest);
    uint64_t age_s = 0;
    assert_done(sl_parse_u64(age, NOW_S, &age_s));
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 8192 };
    assert_done(sl_buf_addf(&leaf,
                            "{\"by\":\"warden\",\"event\":{%.*s%s\"fields\":{%.*s},\"type\":"
                            "\"%.*s\"},\"time\":%llu,\"v\":1}",
                            SL_FMT(rest), rest.n > 0 ? "," : "", SL_FMT(fields), SL_FMT(type),
                            (unsigned long long)(NOW_S - age_s) * 1000));
    assert_done(sl_assurance_feed(run, index, sl_buf_view(&leaf)));
}

/* What opens the gate for checks other than the ledger's own. */
static const char *const gate_leaves[] = {
    "ledger.witnessed|60|\"ok\":true,\"witness\":\"other\"",
    "door.counted|50|\"door\":\"release\",\"count\":0,\"from_s\":1,\"to_s\":2|\"door\":\"release\"",
    "egress.counted|50|\"door\":\"release\",\"count\":0,\"from_s\":1,\"to_s\":2",
};

static sl_state ask(const fixture *f, bool gate)
{
    sl_assurance *run = NULL;
    assert_done(sl_assurance_new(catalogue, parameter, NULL, &run));
    for (size_t i = 0; gate && i < SL_COUNT_OF(gate_leaves); i++) {
        feed(run, i, gate_leaves[i]);
    }
    for (size_t i = 0; i < LEAVES_MAX && f->leaves[i] != NULL; i++) {
        feed(run, 100 + i, f->leaves[i]);
    }
    size_t at = sl_catalogue_find(catalogue, sl_view_str(f->check));
    assert_true(at != SIZE_MAX);
    sl_answer answer = sl_assurance_answer(run, at, (int64_t)NOW_S * 1000, true);
    if (answer.state != f->state) {
        print_error("%s: %s (%s), wanted %s\n", f->check, sl_state_name(answer.state), answer.why,
                    sl_state_name(f->state));
    }
    sl_assurance_free(run);
    return answer.state;
}

#define DOOR_COUNT(age, n, from)                                                                   \
    "door.counted|" age "|\"door\":\"ask\",\"count\":" n ",\"from_s\":" from ",\"to_s\":9"
#define EGRESS_COUNT(age, n, from)                                                                 \
    "egress.counted|" age "|\"door\":\"ask\",\"count\":" n ",\"from_s\":" from ",\"to_s\":9"

static void the_ledgers_own_checks(void **state)
{
    static const fixture cases[] = {
        { "ledger.consistent",
          SL_STATE_PASS,
          { "ledger.witnessed|60|\"ok\":true,\"witness\":\"w\"" } },
        { "ledger.consistent",
          SL_STATE_FAIL,
          { "ledger.witnessed|60|\"ok\":false,\"witness\":\"w\"" } },
        { "ledger.consistent",
          SL_STATE_FAIL,
          { "ledger.witnessed|60|\"ok\":true,\"witness\":\"us\"" } },
        { "ledger.consistent",
          SL_STATE_UNKNOWN,
          { "ledger.witnessed|3700|\"ok\":true,\"witness\":\"w\"" } },
        { "ledger.consistent", SL_STATE_UNKNOWN, { NULL } },
        { "ledger.complete",
          SL_STATE_PASS,
          { DOOR_COUNT("60", "7", "1"), EGRESS_COUNT("50", "7", "1") } },
        { "ledger.complete",
          SL_STATE_FAIL,
          { DOOR_COUNT("160", "7", "1"), EGRESS_COUNT("150", "8", "1") } },
        { "ledger.complete", /* young enough to close, but nothing agreed yet */
          SL_STATE_UNKNOWN,
          { DOOR_COUNT("60", "7", "1"), EGRESS_COUNT("50", "8", "1") } },
        { "ledger.complete", /* pending beside an interval that agreed */
          SL_STATE_PASS,
          { DOOR_COUNT("160", "3", "1"), EGRESS_COUNT("150", "3", "1"), DOOR_COUNT("60", "7", "5"),
            EGRESS_COUNT("50", "6", "5") } },
        { "ledger.complete", /* increments are summed */
          SL_STATE_PASS,
          { DOOR_COUNT("160", "7", "1"), EGRESS_COUNT("150", "5", "1"),
            EGRESS_COUNT("120", "2", "1") } },
        { "ledger.complete", /* one side lived when the other did not, and nothing crossed */
          SL_STATE_PASS,
          { DOOR_COUNT("5000", "0", "1"), DOOR_COUNT("160", "3", "5"),
            EGRESS_COUNT("150", "3", "5") } },
        { "ledger.complete", /* something crossed that the egress never counted */
          SL_STATE_UNKNOWN,
          { DOOR_COUNT("5000", "1", "1"), DOOR_COUNT("160", "3", "5"),
            EGRESS_COUNT("150", "3", "5") } },
        { "ledger.complete",
          SL_STATE_FAIL,
          { DOOR_COUNT("900", "3", "1"), EGRESS_COUNT("899", "2", "1"), DOOR_COUNT("60", "7", "5"),
            EGRESS_COUNT("50", "7", "5") } },
        { "ledger.complete", SL_STATE_UNKNOWN, { DOOR_COUNT("60", "7", "1") } },
        { "ledger.complete",
          SL_STATE_UNKNOWN,
          { DOOR_COUNT("4000", "7", "1"), EGRESS_COUNT("4000", "7", "1") } },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        assert_int_equal(ask(&cases[i], false), cases[i].state);
    }
}

#define CREATED "compartment.created|9000|\"owner\":\"o\"|\"compartment\":\"c1\""

static void checks_pass_fail_and_stay_unknown(void **state)
{
    static const fixture cases[] = {
        { "time.synced", SL_STATE_PASS, { "time.checked|10|\"offset_ms\":-99,\"sources\":2" } },
        { "time.synced", SL_STATE_FAIL, { "time.checked|10|\"offset_ms\":-100,\"sources\":2" } },
        { "time.synced", SL_STATE_UNKNOWN, { "time.checked|301|\"offset_ms\":0,\"sources\":2" } },

        { "compartment.isolated",
          SL_STATE_PASS,
          { CREATED,
            "compartment.attested|60|\"policy_digest\":\"a\",\"approved_digest\":\"a\"|\"compartment\":\"c1\"" } },
        { "compartment.isolated",
          SL_STATE_FAIL,
          { CREATED,
            "compartment.attested|60|\"policy_digest\":\"a\",\"approved_digest\":\"b\"|\"compartment\":\"c1\"" } },
        { "compartment.isolated", SL_STATE_UNKNOWN, { CREATED } },
        { "compartment.isolated", SL_STATE_OUTSIDE, { NULL } },

        { "compartment.no_egress", SL_STATE_UNKNOWN, { "probe.egress|60|\"blocked\":true" } },

        { "ask.inspected",
          SL_STATE_PASS,
          { "ask.outcome|60|\"verdict\":\"allow\",\"outcome\":\"delivered\"" } },
        { "ask.inspected",
          SL_STATE_FAIL,
          { "ask.outcome|90|\"outcome\":\"delivered\"",
            "ask.outcome|60|\"verdict\":\"allow\",\"outcome\":\"delivered\"" } },
        { "ask.inspected", SL_STATE_UNKNOWN, { NULL } },

        { "ask.no_leak", SL_STATE_PASS, { "ask.selftest|60|\"seeded\":1000,\"caught\":990" } },
        { "ask.no_leak", SL_STATE_FAIL, { "ask.selftest|60|\"seeded\":1000,\"caught\":989" } },
        { "ask.no_leak", SL_STATE_UNKNOWN, { "ask.selftest|60|\"seeded\":299,\"caught\":299" } },

        { "ask.budgets",
          SL_STATE_PASS,
          { "ask.budget|60|\"used\":9,\"cap\":5,\"decision\":\"refuse\"" } },
        { "ask.budgets",
          SL_STATE_FAIL,
          { "ask.budget|60|\"used\":9,\"cap\":5,\"decision\":\"allow\"" } },
        { "ask.budgets",
          SL_STATE_PASS,
          { "ask.budget|60|\"used\":5,\"cap\":5,\"decision\":\"allow\"" } },
        { "ask.budgets", SL_STATE_UNKNOWN, { "ask.budget|60|\"cap\":5,\"decision\":\"allow\"" } },
        { "ask.budgets", SL_STATE_UNKNOWN, { NULL } },

        { "access.breakglass",
          SL_STATE_PASS,
          { "breakglass.used|90000|\"use\":\"u1\"", "breakglass.reviewed|10|\"use\":\"u1\"" } },
        { "access.breakglass",
          SL_STATE_FAIL,
          { "breakglass.used|190000|\"use\":\"u1\"", "breakglass.used|100|\"use\":\"u2\"" } },
        { "access.breakglass",
          SL_STATE_FAIL,
          { "breakglass.used|190000|\"use\":\"u1\"", "breakglass.reviewed|10|\"use\":\"u1\"" } },
        { "access.breakglass", SL_STATE_OUTSIDE, { NULL } }, /* none without its leaf */

        { "seal.erasure",
          SL_STATE_PASS,
          { "erasure.ordered|900|\"order\":\"e1\"", "erasure.done|800|\"order\":\"e1\"" } },
        { "seal.erasure", SL_STATE_FAIL, { "erasure.ordered|300000|\"order\":\"e1\"" } },
        { "seal.erasure", SL_STATE_OUTSIDE, { NULL } },

        { "run.sandboxed", SL_STATE_OUTSIDE, { NULL } },
        { "run.sandboxed", SL_STATE_PASS, { "run.intent|60|\"profile\":\"full\"" } },
        { "run.sandboxed",
          SL_STATE_FAIL,
          { "run.intent|60|\"profile\":\"full\"", "run.intent|50|\"profile\":\"none\"" } },
        { "run.code_pinned", SL_STATE_OUTSIDE, { NULL } },
        { "run.code_pinned", SL_STATE_FAIL, { "run.intent|60|\"signature_ok\":false" } },
        { "run.output_held", SL_STATE_OUTSIDE, { NULL } },
        { "release.dual_control", SL_STATE_OUTSIDE, { NULL } },
        { "release.dual_control",
          SL_STATE_FAIL,
          { "release.outcome|60|\"outcome\":\"released\",\"persons\":1" } },
        { "release.dual_control",
          SL_STATE_PASS,
          { "release.outcome|60|\"outcome\":\"released\",\"persons\":2",
            "release.outcome|50|\"outcome\":\"refused\",\"persons\":1" } },
        { "release.disclosure", SL_STATE_OUTSIDE, { NULL } },
        { "release.artefact_safe", SL_STATE_OUTSIDE, { NULL } },
        { "release.artefact_safe",
          SL_STATE_FAIL,
          { "release.scanned|60|\"unsafe\":true,\"verdict\":\"hold\"" } },
        { "release.artefact_safe",
          SL_STATE_PASS,
          { "release.scanned|60|\"unsafe\":true,\"verdict\":\"refuse\"" } },
        { "access.blinding", SL_STATE_OUTSIDE, { NULL } },
        { "respond.lessons", SL_STATE_OUTSIDE, { NULL } },
        { "respond.lessons", SL_STATE_FAIL, { "incident.closed|2700000|\"incident\":\"i\"" } },
        { "ask.tools", SL_STATE_UNKNOWN, { NULL } }, /* tools are called without a leaf */

        { "access.blast_radius",
          SL_STATE_PASS,
          { "grant.reach|60|\"grant\":\"g\",\"max_records\":100,\"max_compartments\":2" } },
        { "access.blast_radius",
          SL_STATE_FAIL,
          { "grant.reach|60|\"grant\":\"g\",\"max_records\":9007199254740991,\"max_compartments\":1" } },
        { "access.blast_radius", SL_STATE_UNKNOWN, { NULL } },

        { "seal.keys_rotated",
          SL_STATE_PASS,
          { "key.created|7000000|\"key\":\"k\"", "key.created|60|\"key\":\"l\"" } },
        { "seal.keys_rotated", SL_STATE_UNKNOWN, { "key.created|7800000|\"key\":\"k\"" } },
        { "seal.keys_rotated", SL_STATE_OUTSIDE, { NULL } },

        { "watch.selftest",
          SL_STATE_PASS,
          { "watch.selftest|60|\"scenario\":\"canary\",\"ok\":true,\"delay_ms\":1",
            "watch.selftest|60|\"scenario\":\"stolen_key\",\"ok\":true,\"delay_ms\":1",
            "watch.selftest|60|\"scenario\":\"tamper_flip\",\"ok\":true,\"delay_ms\":1",
            "watch.selftest|60|\"scenario\":\"keeper_probe\",\"ok\":true,\"delay_ms\":1" } },
        { "watch.selftest",
          SL_STATE_FAIL,
          { "watch.selftest|60|\"scenario\":\"canary\",\"ok\":false,\"delay_ms\":1" } },
        { "watch.selftest",
          SL_STATE_UNKNOWN,
          { "watch.selftest|60|\"scenario\":\"canary\",\"ok\":true,\"delay_ms\":1" } },

        { "ingest.provenance", SL_STATE_OUTSIDE, { NULL } },
        { "ingest.provenance", /* it exists, and nobody told where it is from */
          SL_STATE_UNKNOWN,
          { "ingest.outcome|60|\"object\":\"o\",\"outcome\":\"admitted\"" } },
        { "ingest.provenance", /* what was refused does not exist */
          SL_STATE_OUTSIDE,
          { "ingest.outcome|60|\"object\":\"o\",\"outcome\":\"refused\"" } },

        { "watch.alive",
          SL_STATE_PASS,
          { "watch.scored|60|\"events\":10,\"scored\":10",
            "watch.scored|30|\"events\":5,\"scored\":5" } },
        { "watch.alive",
          SL_STATE_FAIL,
          { "watch.scored|60|\"events\":1000,\"scored\":999",
            "watch.scored|30|\"events\":5,\"scored\":5" } },
        { "watch.alive", SL_STATE_UNKNOWN, { "watch.scored|1000|\"events\":10,\"scored\":10" } },

        { "drill.cadence",
          SL_STATE_PASS,
          { "drill.ended|60|\"result\":\"pass\"|\"door\":\"ask\"",
            "drill.ended|60|\"result\":\"pass\"|\"door\":\"ingest\"" } },
        { "drill.cadence",
          SL_STATE_FAIL,
          { "drill.ended|60|\"result\":\"fail\"|\"door\":\"ask\"" } },
        { "drill.cadence",
          SL_STATE_UNKNOWN,
          { "drill.ended|60|\"result\":\"pass\"|\"door\":\"ask\"" } },

        { "drill.contain_time", SL_STATE_UNKNOWN, { "drill.ended|60|\"mttc_ms\":5" } },

        { "access.no_standing",
          SL_STATE_PASS,
          { "grant.issued|60|\"grant\":\"g\",\"standing\":false,\"until_s\":2000000900" } },
        { "access.no_standing",
          SL_STATE_FAIL,
          { "grant.issued|60|\"grant\":\"g\",\"until_s\":2007776001" } },
        { "access.no_standing",
          SL_STATE_OUTSIDE,
          { "grant.issued|60|\"grant\":\"g\",\"standing\":true,\"until_s\":2000000900",
            "grant.revoked|50|\"grant\":\"g\"" } },
        { "access.no_standing",
          SL_STATE_UNKNOWN,
          { "grant.issued|60|\"grant\":\"g\",\"standing\":false" } },

        { "release.signed",
          SL_STATE_PASS,
          { "model.loaded|60|\"model\":\"m\",\"signature_ok\":true" } },
        { "release.signed",
          SL_STATE_FAIL,
          { "model.loaded|60|\"model\":\"m\",\"signature_ok\":false" } },
        { "release.signed", SL_STATE_UNKNOWN, { "model.loaded|60|\"model\":\"m\"" } },

        /* Documents and exceptions have an end; one past its end fails, one struck off does not count. */
        { "vendor.evidence",
          SL_STATE_PASS,
          { "vendor.evidence|9000000|\"evidence\":\"a/soc2\",\"until_s\":2000000001" } },
        { "vendor.evidence",
          SL_STATE_FAIL,
          { "vendor.evidence|60|\"evidence\":\"a/iso\",\"until_s\":2000000001",
            "vendor.evidence|60|\"evidence\":\"a/soc2\",\"until_s\":2000000000" } },
        { "vendor.evidence",
          SL_STATE_PASS,
          { "vendor.evidence|60|\"evidence\":\"a/iso\",\"until_s\":2000000001",
            "vendor.evidence|60|\"evidence\":\"a/soc2\",\"until_s\":2000000000",
            "vendor.evidence_ended|50|\"evidence\":\"a/soc2\"" } },
        { "vendor.evidence",
          SL_STATE_PASS, /* renewed under its own name */
          { "vendor.evidence|60|\"evidence\":\"a/soc2\",\"until_s\":2000000000",
            "vendor.evidence|50|\"evidence\":\"a/soc2\",\"until_s\":2000000001" } },
        { "vendor.evidence", SL_STATE_UNKNOWN, { "vendor.registered|60|\"vendor\":\"a\"" } },

        { "gov.waivers",
          SL_STATE_PASS,
          { "waiver.granted|9000000|\"waiver\":\"a/x\",\"until_s\":2000000001" } },
        { "gov.waivers",
          SL_STATE_FAIL,
          { "waiver.granted|60|\"waiver\":\"a/x\",\"until_s\":2000000000" } },
        { "gov.waivers",
          SL_STATE_OUTSIDE,
          { "waiver.granted|60|\"waiver\":\"a/x\",\"until_s\":2000000000",
            "waiver.ended|50|\"waiver\":\"a/x\"" } },

        { "vendor.reviewed",
          SL_STATE_PASS,
          { "vendor.registered|60|\"vendor\":\"a\"",
            "vendor.reviewed|50|\"vendor\":\"a\",\"outcome\":\"conditions\"" } },
        { "vendor.reviewed",
          SL_STATE_FAIL,
          { "vendor.registered|60|\"vendor\":\"a\"",
            "vendor.reviewed|50|\"vendor\":\"a\",\"outcome\":\"end\"" } },
        { "vendor.reviewed", SL_STATE_UNKNOWN, { "vendor.registered|60|\"vendor\":\"a\"" } },

        { "vendor.vulns",
          SL_STATE_PASS,
          { "bom.scanned|60|\"component\":\"a\",\"open_kev\":0,\"open_critical\":2,\"oldest_days\":15" } },
        { "vendor.vulns",
          SL_STATE_FAIL,
          { "bom.scanned|60|\"component\":\"a\",\"open_kev\":0,\"open_critical\":2,\"oldest_days\":16" } },
        { "vendor.vulns",
          SL_STATE_FAIL,
          { "bom.scanned|60|\"component\":\"a\",\"open_kev\":1,\"open_critical\":0,\"oldest_days\":0" } },
        { "vendor.vulns",
          SL_STATE_UNKNOWN,
          { "bom.scanned|90000|\"component\":\"a\",\"open_kev\":0,\"open_critical\":0,\"oldest_days\":0" } },

        { "vendor.pinned",
          SL_STATE_PASS,
          { "vendor.pinned|60|\"artefact\":\"a/m\"",
            "vendor.checked|50|\"artefact\":\"a/m\",\"pinned\":true,\"signature_ok\":true,"
            "\"drift\":false" } },
        { "vendor.pinned",
          SL_STATE_FAIL,
          { "vendor.pinned|60|\"artefact\":\"a/m\"",
            "vendor.checked|50|\"artefact\":\"a/m\",\"pinned\":true,\"signature_ok\":true,"
            "\"drift\":true" } },
        { "vendor.pinned", SL_STATE_UNKNOWN, { "vendor.pinned|60|\"artefact\":\"a/m\"" } },

        { "respond.clocks", SL_STATE_UNKNOWN, { NULL } },
        { "respond.clocks",
          SL_STATE_UNKNOWN,
          { "incident.opened|60|\"incident\":\"i\",\"regimes\":[]" } },
        { "respond.clocks", /* two clocks run, neither is out */
          SL_STATE_PASS,
          { "incident.opened|80000|\"incident\":\"i\",\"regimes\":[\"gdpr\",\"nis2\"]" } },
        { "respond.clocks", /* a day is over, three are not */
          SL_STATE_FAIL,
          { "incident.opened|90000|\"incident\":\"i\",\"regimes\":[\"gdpr\",\"nis2\"]" } },
        { "respond.clocks",
          SL_STATE_PASS,
          { "incident.opened|90000|\"incident\":\"i\",\"regimes\":[\"gdpr\",\"nis2\"]",
            "incident.notified|80000|\"incident\":\"i\",\"regime\":\"nis2\"" } },
        { "respond.clocks", /* too late is too late, also when it is done */
          SL_STATE_FAIL,
          { "incident.opened|190000|\"incident\":\"i\",\"regimes\":[\"nis2\"]",
            "incident.notified|90000|\"incident\":\"i\",\"regime\":\"nis2\"" } },
        { "respond.clocks", /* the notice of another case, or to another */
          SL_STATE_FAIL,
          { "incident.opened|90000|\"incident\":\"i\",\"regimes\":[\"nis2\"]",
            "incident.notified|80000|\"incident\":\"i\",\"regime\":\"gdpr\"",
            "incident.notified|80000|\"incident\":\"j\",\"regime\":\"nis2\"" } },
        { "respond.clocks", /* nobody said how long this one gives */
          SL_STATE_UNKNOWN,
          { "incident.opened|60|\"incident\":\"i\",\"regimes\":[\"hipaa\"]" } },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        assert_int_equal(ask(&cases[i], true), cases[i].state);
    }
}

#define FACT(name, rest) "site.checked|60|\"fact\":\"" name "\",\"reason\":\"r\",\"count\":0" rest
#define EACH_FACT(check, name)                                                                     \
    { check, SL_STATE_PASS, { FACT("other", ",\"ok\":false"), FACT(name, ",\"ok\":true") } },      \
        { check, SL_STATE_FAIL, { FACT(name, ",\"ok\":true"), FACT(name, ",\"ok\":false") } },     \
        { check, SL_STATE_UNKNOWN, { FACT(name, "") } },                                           \
        { check, SL_STATE_UNKNOWN, { FACT("other", ",\"ok\":true") } },                            \
    {                                                                                              \
        check, SL_STATE_UNKNOWN,                                                                   \
        {                                                                                          \
            NULL                                                                                   \
        }                                                                                          \
    }

#define DIGEST_A "\"aa\""
#define DIGEST_B "\"bb\""

static void what_machine_and_people_tell_decides(void **state)
{
    static const fixture cases[] = {
        EACH_FACT("host.disk_sealed", "disk"),
        EACH_FACT("host.swap_sealed", "swap"),
        EACH_FACT("host.no_cores", "core_dumps"),
        EACH_FACT("host.key_files", "key_files"),
        EACH_FACT("host.confined", "confinement"),
        EACH_FACT("host.two_persons", "quorum"),

        { "time.synced", SL_STATE_FAIL, { "time.checked|10|\"sources\":1" } },
        { "time.synced", SL_STATE_UNKNOWN, { "time.checked|10|\"sources\":2" } },

        { "build.running_signed",
          SL_STATE_PASS,
          { "host.attested|60|\"ok\":true,\"binary_digest\":" DIGEST_A
            ",\"release_digest\":" DIGEST_A } },
        { "build.running_signed",
          SL_STATE_FAIL,
          { "host.attested|60|\"ok\":false,\"binary_digest\":" DIGEST_B
            ",\"release_digest\":" DIGEST_A } },
        { "build.running_signed",
          SL_STATE_UNKNOWN,
          { "host.attested|60|\"binary_digest\":" DIGEST_A } },

        { "build.config_held",
          SL_STATE_PASS,
          { "config.attested|60|\"scope\":\"policy\",\"digest\":" DIGEST_A
            ",\"approved_digest\":" DIGEST_A,
            "config.attested|60|\"scope\":\"configuration\",\"digest\":" DIGEST_B
            ",\"approved_digest\":" DIGEST_B } },
        { "build.config_held",
          SL_STATE_FAIL,
          { "config.attested|60|\"scope\":\"policy\",\"digest\":" DIGEST_A
            ",\"approved_digest\":" DIGEST_B } },
        { "build.config_held",
          SL_STATE_UNKNOWN,
          { "config.attested|60|\"scope\":\"policy\",\"digest\":" DIGEST_A
            ",\"approved_digest\":" DIGEST_A,
            "config.attested|60|\"scope\":\"configuration\",\"digest\":" DIGEST_B } },

        { "ledger.attributable",
          SL_STATE_PASS,
          { "config.changed|60|\"scope\":\"policy\",\"approvals\":[\"k\"]|\"actor\":\"k\"" } },
        { "ledger.attributable",
          SL_STATE_FAIL,
          { "config.changed|60|\"scope\":\"policy\",\"approvals\":[]|\"actor\":\"k\"" } },
        { "ledger.attributable", SL_STATE_UNKNOWN, { NULL } },

        { "ledger.reviewed",
          SL_STATE_PASS,
          { CREATED, "trail.reviewed|60|\"scope\":\"c1\",\"reviewer\":\"k\",\"findings\":0" } },
        { "ledger.reviewed", SL_STATE_UNKNOWN, { CREATED } },
        { "ledger.reviewed",
          SL_STATE_UNKNOWN,
          { CREATED, "trail.reviewed|2700000|\"scope\":\"c1\",\"reviewer\":\"k\"" } },

        { "access.reviewed",
          SL_STATE_PASS,
          { "grant.issued|90|\"grant\":\"g\",\"until_s\":2000000900",
            "grant.reviewed|60|\"grant\":\"g\",\"decision\":\"keep\"" } },
        { "access.reviewed", /* the owner said that it should go, and it lives */
          SL_STATE_FAIL,
          { "grant.issued|90|\"grant\":\"g\",\"until_s\":2000000900",
            "grant.reviewed|60|\"grant\":\"g\",\"decision\":\"remove\"" } },
        { "access.reviewed",
          SL_STATE_UNKNOWN,
          { "grant.issued|90|\"grant\":\"g\",\"until_s\":2000000900" } },

        { "watch.triaged",
          SL_STATE_PASS,
          { "watch.signal|20000|\"signal\":\"s\",\"severity\":\"high\"",
            "watch.triaged|10000|\"signal\":\"s\",\"outcome\":\"benign\"" } },
        { "watch.triaged",
          SL_STATE_FAIL,
          { "watch.signal|20000|\"signal\":\"s\",\"severity\":\"high\"" } },
        { "watch.triaged", SL_STATE_UNKNOWN, { NULL } },

        { "access.leavers",
          SL_STATE_PASS,
          { "leaver.notified|9000|\"leaver\":\"p\"|\"principal\":\"p\"",
            "grant.revoked|8000|\"grant\":\"g\"|\"principal\":\"p\"" } },
        { "access.leavers",
          SL_STATE_FAIL,
          { "leaver.notified|9000|\"leaver\":\"p\"|\"principal\":\"p\"" } },
        { "access.leavers", SL_STATE_UNKNOWN, { NULL } },

        { "gov.board_report",
          SL_STATE_PASS,
          { "board.signed|60|\"signer\":\"k\",\"report_digest\":" DIGEST_A } },
        { "gov.board_report",
          SL_STATE_UNKNOWN,
          { "board.signed|3100000|\"signer\":\"k\",\"report_digest\":" DIGEST_A } },

        { "gov.waivers",
          SL_STATE_PASS,
          { "waiver.granted|60|\"waiver\":\"w\",\"control\":\"c\",\"until_s\":2000000001" } },
        { "gov.waivers",
          SL_STATE_FAIL,
          { "waiver.granted|60|\"waiver\":\"w\",\"control\":\"c\",\"until_s\":1999999999" } },
        { "gov.waivers", SL_STATE_OUTSIDE, { NULL } },

        { "drill.findings_closed", SL_STATE_OUTSIDE, { NULL } },
        { "drill.findings_closed",
          SL_STATE_FAIL,
          { "finding.opened|2700000|\"finding\":\"f\",\"severity\":\"high\"" } },
        { "drill.findings_closed",
          SL_STATE_PASS,
          { "finding.opened|90|\"finding\":\"f\",\"severity\":\"high\"",
            "finding.closed|60|\"finding\":\"f\",\"change\":\"c\"" } },

        { "run.purpose", SL_STATE_OUTSIDE, { NULL } },
        { "run.purpose", SL_STATE_PASS, { "run.intent|60|\"purpose\":\"research\"" } },
        { "run.purpose", SL_STATE_FAIL, { "run.intent|60|\"purpose\":\"marketing\"" } },
        { "run.purpose", SL_STATE_UNKNOWN, { "run.intent|60|\"profile\":\"full\"" } },

        { "ledger.retained",
          SL_STATE_PASS,
          { "ledger.restored|60|\"ok\":true,\"from_size\":0,\"to_size\":9" } },
        { "ledger.retained",
          SL_STATE_FAIL,
          { "ledger.restored|60|\"ok\":true,\"from_size\":300,\"to_size\":900" } },
        { "ledger.retained", SL_STATE_UNKNOWN, { NULL } },

        { "respond.switch_works", /* one of them was never tried */
          SL_STATE_UNKNOWN,
          { "respond.tested|60|\"action_kind\":\"cut\",\"ok\":true,\"duration_ms\":1" } },
        { "respond.switch_works",
          SL_STATE_FAIL,
          { "respond.tested|60|\"action_kind\":\"cut\",\"ok\":true,\"duration_ms\":1001" } },
        { "respond.switch_works",
          SL_STATE_PASS,
          { "respond.tested|60|\"action_kind\":\"cut\",\"ok\":true,\"duration_ms\":1",
            "respond.tested|60|\"action_kind\":\"close_principal\",\"ok\":true,\"duration_ms\":1",
            "respond.tested|60|\"action_kind\":\"revoke_lease\",\"ok\":true,\"duration_ms\":1",
            "respond.tested|60|\"action_kind\":\"close_compartment\",\"ok\":true,\"duration_ms\":1",
            "respond.tested|60|\"action_kind\":\"close_door\",\"ok\":true,\"duration_ms\":1",
            "respond.tested|60|\"action_kind\":\"kill_process\",\"ok\":true,\"duration_ms\":1",
            "respond.tested|60|\"action_kind\":\"close_site\",\"ok\":true,\"duration_ms\":1" } },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        assert_int_equal(ask(&cases[i], true), cases[i].state);
    }
}

static void a_closed_gate_holds_everything_back(void **state)
{
    const fixture good = { "time.synced",
                           SL_STATE_UNKNOWN,
                           { "time.checked|10|\"offset_ms\":0,\"sources\":2" } };
    assert_int_equal(ask(&good, false), SL_STATE_UNKNOWN);
    const fixture bad = { "time.synced",
                          SL_STATE_FAIL,
                          { "time.checked|10|\"offset_ms\":900,\"sources\":2" } };
    assert_int_equal(ask(&bad, false), SL_STATE_FAIL); /* a failure is never hidden */
}

static void an_unverified_ledger_shows_nothing(void **state)
{
    sl_assurance *run = NULL;
    assert_done(sl_assurance_new(catalogue, parameter, NULL, &run));
    feed(run, 0, "ledger.witnessed|60|\"ok\":true,\"witness\":\"w\"");
    size_t at = sl_catalogue_find(catalogue, SL_LIT("ledger.consistent"));
    int64_t now_ms = (int64_t)NOW_S * 1000;
    assert_int_equal(sl_assurance_answer(run, at, now_ms, false).state, SL_STATE_UNKNOWN);
    sl_answer answer = sl_assurance_answer(run, at, now_ms, true);
    assert_int_equal(answer.state, SL_STATE_PASS);
    assert_int_equal(answer.evidence_count, 1);
    assert_true(answer.fresh_until_ms == now_ms - 60000 + 3600000);
    sl_assurance_free(run);
}

static void quantiles_need_their_number_of_samples(void **state)
{
    static const char *const slow_ones[] = {
        "drill.ended|60|\"mttc_ms\":9000",
        "drill.ended|60|\"contained\":\"failed\"", /* no time is worse than a long one */
    };
    for (int n = 2; n <= 5; n++) {
        int slow = n / 2;
        sl_assurance *run = NULL;
        assert_done(sl_assurance_new(catalogue, parameter, NULL, &run));
        for (size_t i = 0; i < SL_COUNT_OF(gate_leaves); i++) {
            feed(run, i, gate_leaves[i]);
        }
        for (int i = 0; i < 20; i++) {
            feed(run, 10 + (uint64_t)i,
                 i < slow ? slow_ones[n % 2] : "drill.ended|60|\"mttc_ms\":40");
        }
        size_t at = sl_catalogue_find(catalogue, SL_LIT("drill.contain_time"));
        sl_answer answer = sl_assurance_answer(run, at, (int64_t)NOW_S * 1000, true);
        /* of twenty, one may be slow: the 95th percentile is the nineteenth */
        assert_int_equal(answer.state, slow == 1 ? SL_STATE_PASS : SL_STATE_FAIL);
        sl_assurance_free(run);
    }
}

static void ratios_name_too_few_trials_unknown(void **state)
{
    for (int n = 19; n <= 21; n++) {
        sl_assurance *run = NULL;
        assert_done(sl_assurance_new(catalogue, parameter, NULL, &run));
        for (size_t i = 0; i < SL_COUNT_OF(gate_leaves); i++) {
            feed(run, i, gate_leaves[i]);
        }
        for (int i = 0; i < n; i++) {
            feed(run, 10,
                 i == 20 ? "probe.egress|60|\"blocked\":false"
                         : "probe.egress|60|\"blocked\":true");
        }
        size_t at = sl_catalogue_find(catalogue, SL_LIT("compartment.no_egress"));
        sl_answer answer = sl_assurance_answer(run, at, (int64_t)NOW_S * 1000, true);
        sl_state wanted = n == 19 ? SL_STATE_UNKNOWN : n == 20 ? SL_STATE_PASS : SL_STATE_FAIL;
        assert_int_equal(answer.state, wanted);
        sl_assurance_free(run);
    }
}

static void a_broken_catalogue_names_its_line(void **state)
{
    static const struct {
        const char *text;
        sl_code code;
        uint64_t line;
    } cases[] = {
        { "checks:\n  - id: a\n", SL_E_MISSING_FIELD, 2 },
        { "checks:\n  - id: a\n    colour: red\n", SL_E_UNKNOWN_FIELD, 3 },
        { "checks:\n  - id: a\n    pillar: p\n    owner: o\n    states: s\n    severity: high\n"
          "    ttl: 1h\n    remedy: r\n    needs: x\n    query: \"SOME a.b\"\n",
          SL_E_SYNTAX, 2 },
        { "list: []\n", SL_E_UNKNOWN_FIELD, 1 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_view file = sl_view_str(cases[i].text);
        sl_catalogue *none = NULL;
        sl_res r = sl_catalogue_load(SL_LIT("subjects: []\n"), &file, 1, NULL, &none);
        if (r.code != (int32_t)cases[i].code || sl_detail_get()->offset != cases[i].line) {
            print_error("case %zu: %s line %d\n", i, sl_res_name(r), (int)sl_detail_get()->offset);
        }
        assert_int_equal(r.code, cases[i].code);
        assert_int_equal(sl_detail_get()->offset, cases[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ledgers_own_checks),
        cmocka_unit_test(checks_pass_fail_and_stay_unknown),
        cmocka_unit_test(what_machine_and_people_tell_decides),
        cmocka_unit_test(a_closed_gate_holds_everything_back),
        cmocka_unit_test(an_unverified_ledger_shows_nothing),
        cmocka_unit_test(quantiles_need_their_number_of_samples),
        cmocka_unit_test(ratios_name_too_few_trials_unknown),
        cmocka_unit_test(a_broken_catalogue_names_its_line),
    };
    return cmocka_run_group_tests_name("checks", tests, load_catalogue, drop_catalogue);
}
