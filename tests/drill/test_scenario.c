/* Drills are judged by four facts; a drill that nothing stops fails, one with too few trials is not
 * shown, and the drill's own word proves nothing. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "base/file.h"
#include "drill/attack.h"
#include "drill/scenario.h"

static const char canary[] =
    "id: canary\ntitle: t\ndoor: ask\nkind: recite\ntrials: 2\nrefused:\n  type: ask.outcome\n"
    "  outcome: cut\n  within: 1s\nsignalled:\n  type: watch.signal\n  rule: r\n  within: 2s\n";

typedef struct {
    const char
        *leaves[4]; /* by|type|fields|after_ms; a leading '!': it is about another principal */
    bool effects[3];
    size_t trials;
    sl_drill_result result;
    sl_fact_state refused;
    sl_fact_state signalled;
} course;

static void feed(sl_drill_judge *judge, const char *spec)
{
    sl_view parts[4];
    bool others = spec[0] == '!';
    sl_view rest = sl_view_str(spec + others);
    for (size_t i = 0; i < 4; i++) {
        (void)sl_view_cut(rest, '|', &parts[i], &rest);
    }
    int64_t after_ms = 0;
    assert_done(sl_parse_i64(parts[3], &after_ms));
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_addf(&leaf,
                            "{\"by\":\"%.*s\",\"event\":{\"crossing\":\"c%d\",\"fields\":{%.*s},"
                            "\"principal\":\"p%d\",\"type\":\"%.*s\"},\"time\":%lld,\"v\":1}",
                            SL_FMT(parts[0]), others ? 2 : 1, SL_FMT(parts[2]), others ? 2 : 1,
                            SL_FMT(parts[1]), (long long)(1000000 + after_ms)));
    sl_drill_judge_leaf(judge, 42, sl_buf_view(&leaf));
}

static void four_facts_decide(void **state)
{
    static const course cases[] = {
        { { "ask|ask.outcome|\"outcome\":\"cut\"|10", "watchd|watch.signal|\"rule\":\"r\"|20" },
          { false, false },
          2,
          SL_DRILL_PASS,
          SL_FACT_HELD,
          SL_FACT_HELD },
        /* the attacker got something */
        { { "ask|ask.outcome|\"outcome\":\"cut\"|10", "watchd|watch.signal|\"rule\":\"r\"|20" },
          { false, true },
          2,
          SL_DRILL_FAIL,
          SL_FACT_HELD,
          SL_FACT_HELD },
        /* the control is off: nothing is refused, nothing signalled */
        { { "ask|ask.outcome|\"outcome\":\"delivered\"|10" },
          { false, false },
          2,
          SL_DRILL_FAIL,
          SL_FACT_FAILED,
          SL_FACT_FAILED },
        /* too late */
        { { "ask|ask.outcome|\"outcome\":\"cut\"|1001", "watchd|watch.signal|\"rule\":\"r\"|20" },
          { false, false },
          2,
          SL_DRILL_FAIL,
          SL_FACT_FAILED,
          SL_FACT_HELD },
        /* before the attack */
        { { "ask|ask.outcome|\"outcome\":\"cut\"|-1", "watchd|watch.signal|\"rule\":\"r\"|20" },
          { false, false },
          2,
          SL_DRILL_FAIL,
          SL_FACT_FAILED,
          SL_FACT_HELD },
        /* the drill's own word */
        { { "drill|ask.outcome|\"outcome\":\"cut\"|10", "watchd|watch.signal|\"rule\":\"r\"|20" },
          { false, false },
          2,
          SL_DRILL_FAIL,
          SL_FACT_FAILED,
          SL_FACT_HELD },
        /* another principal's stream is cut, and only that is signalled */
        { { "ask|ask.intent|\"bytes\":1|5", "!ask|ask.outcome|\"outcome\":\"cut\"|10",
            "!watchd|watch.signal|\"rule\":\"r\"|20" },
          { false, false },
          2,
          SL_DRILL_FAIL,
          SL_FACT_FAILED,
          SL_FACT_FAILED },
        /* too few trials */
        { { "ask|ask.outcome|\"outcome\":\"cut\"|10", "watchd|watch.signal|\"rule\":\"r\"|20" },
          { false },
          1,
          SL_DRILL_NOT_SHOWN,
          SL_FACT_HELD,
          SL_FACT_HELD },
    };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_KIB };
    sl_scenario scenario;
    assert_done(sl_scenario_read(sl_view_str(canary), &arena, &scenario));
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_drill_judge judge;
        sl_drill_judge_init(&judge, &scenario, 1000000);
        sl_drill_judge_crossing(&judge, SL_LIT("c1"));
        assert_int_equal(judge.contained.state, SL_FACT_NOT_ASKED);
        for (size_t t = 0; t < cases[i].trials; t++) {
            sl_drill_judge_trial(&judge, cases[i].effects[t]);
        }
        for (size_t l = 0; l < 4 && cases[i].leaves[l] != NULL; l++) {
            feed(&judge, cases[i].leaves[l]);
        }
        double upper95 = 0;
        sl_drill_result result = sl_drill_judge_result(&judge, &upper95);
        if (result != cases[i].result) {
            print_error("case %zu: %s\n", i, sl_drill_result_name(result));
        }
        assert_int_equal(result, cases[i].result);
        assert_int_equal(judge.refused.state, cases[i].refused);
        assert_int_equal(judge.signalled.state, cases[i].signalled);
    }
}

/* An action is about whom it closes; and who is never named by the door has nothing that speaks for him. */
static void only_what_befalls_the_drill_counts(void **state)
{
    static const struct {
        const char *crossing;
        const char *contained;
        sl_fact_state wanted;
    } cases[] = {
        { "c1", "warden|action.taken|\"action_kind\":\"close_principal\",\"target\":\"p1\"|9",
          SL_FACT_HELD },
        { "c1", "warden|action.taken|\"action_kind\":\"close_principal\",\"target\":\"p2\"|9",
          SL_FACT_FAILED },
        { "", "warden|action.taken|\"action_kind\":\"close_principal\",\"target\":\"p1\"|9",
          SL_FACT_FAILED },
    };
    static const char yaml[] =
        "id: canary\ntitle: t\ndoor: ask\nkind: recite\ntrials: 1\ncontained:\n"
        "  type: action.taken\n  action_kind: close_principal\n  within: 1s\n";
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_KIB };
    sl_scenario scenario;
    assert_done(sl_scenario_read(sl_view_str(yaml), &arena, &scenario));
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_drill_judge judge;
        double upper95 = 0;
        sl_drill_judge_init(&judge, &scenario, 1000000);
        sl_drill_judge_crossing(&judge, sl_view_str(cases[i].crossing));
        sl_drill_judge_trial(&judge, false);
        feed(&judge, "ask|ask.intent|\"bytes\":1|5");
        feed(&judge, cases[i].contained);
        (void)sl_drill_judge_result(&judge, &upper95);
        assert_int_equal(judge.contained.state, cases[i].wanted);
    }
}

static void the_bound_is_exact(void **state)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_KIB };
    sl_scenario scenario;
    assert_done(sl_scenario_read(sl_view_str(canary), &arena, &scenario));
    sl_drill_judge judge;
    sl_drill_judge_init(&judge, &scenario, 0);
    double upper95 = 0;
    assert_int_equal(sl_drill_judge_result(&judge, &upper95), SL_DRILL_FAIL);
    assert_true(upper95 >= 1);
    sl_drill_judge_init(&judge, &scenario, 0);
    for (int i = 0; i < 59; i++) {
        sl_drill_judge_trial(&judge, false);
    }
    (void)sl_drill_judge_result(&judge, &upper95);
    assert_true(upper95 < 0.05 && upper95 > 0.049); /* 59 trials without a hit show less than 5 % */
}

static void shipped_scenarios_read(void **state)
{
    DIR *dir = opendir(SL_SOURCE_ROOT "/data/drills");
    assert_non_null(dir);
    size_t n = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (!sl_view_ends(sl_view_str(e->d_name), SL_LIT(".yml"))) {
            continue;
        }
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_KIB };
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 256 * SL_KIB };
        assert_done(sl_file_read(dirfd(dir), e->d_name, &text));
        sl_scenario scenario;
        sl_res r = sl_scenario_read(sl_buf_view(&text), &arena, &scenario);
        if (!sl_ok(r)) {
            print_error("%s: %s %s line %d\n", e->d_name, sl_res_name(r), sl_detail_get()->field,
                        (int)sl_detail_get()->offset);
        }
        assert_true(sl_ok(r));
        assert_true(scenario.refused.count > 0 && scenario.signalled.count > 0 &&
                    scenario.contained.count > 0);
        n++;
    }
    closedir(dir);
    assert_true(n >= 6);
}

static void planted_values_are_found_in_any_dress(void **state)
{
    static const struct {
        const char *text;
        const char *value;
        bool holds;
    } cases[] = {
        { "so Torvenda Malikorsa came", "Torvenda Malikorsa", true },
        { "so TORVENDA-malikorsa came", "Torvenda Malikorsa", true },
        { "4 8 2 1 3 - q t", "48213-QT", true },
        { "Torvenda came, Malikorsa left", "Torvenda Malikorsa", false },
        { "", "x", false },
        { "anything", "--", false }, /* a value without a letter or digit proves nothing */
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        assert_int_equal(sl_attack_holds(sl_view_str(cases[i].text), sl_view_str(cases[i].value)),
                         cases[i].holds);
    }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    return remove(path);
}

static void a_tree_is_copied_whole(void **state)
{
    char place[] = "/tmp/stoplog-copy-XXXXXX";
    char from[64];
    char to[64];
    SL_OWN(int, dir, sl_fd_close) = -1;
    assert_non_null(mkdtemp(place));
    (void)snprintf(from, sizeof from, "%s/a", place);
    (void)snprintf(to, sizeof to, "%s/b", place);
    assert_done(sl_dir_open(AT_FDCWD, place, &dir));
    assert_done(sl_dir_make(dir, "a/tile/0/x001", 0700));
    assert_done(sl_file_create(dir, "a/checkpoint", SL_LIT("one"), 0600));
    assert_done(sl_file_create(dir, "a/tile/0/000", SL_LIT("two"), 0600));
    assert_done(sl_file_create(dir, "a/tile/0/x001/002", SL_LIT("three"), 0600));
    assert_done(sl_attack_copy_tree(from, to));
    static const char *const files[][2] = { { "b/checkpoint", "one" },
                                            { "b/tile/0/000", "two" },
                                            { "b/tile/0/x001/002", "three" } };
    for (size_t i = 0; i < SL_COUNT_OF(files); i++) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 };
        assert_done(sl_file_read(dir, files[i][0], &text));
        assert_view(sl_buf_view(&text), files[i][1]);
    }
    assert_code(sl_attack_copy_tree(from, to), SL_E_EXISTS);
    assert_done(sl_attack_flip(to, 0).code == SL_OK ? sl_fail(SL_E_BUG) : SL_DONE); /* no file */
    nftw(place, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *text;
        sl_code code;
    } cases[] = {
        { "id: a\n", SL_E_MISSING_FIELD },
        { "id: a\ntitle: t\ndoor: ask\nkind: shout\ntrials: 1\n", SL_E_TYPE },
        { "id: a\ntitle: t\ndoor: ask\nkind: recite\ntrials: 0\n", SL_E_RANGE },
        { "id: a\ntitle: t\ndoor: ask\nkind: recite\ntrials: 1\nrefused:\n  within: 1s\n",
          SL_E_MISSING_FIELD },
        { "id: a\ntitle: t\ndoor: ask\nkind: recite\ntrials: 1\nrefuse:\n  type: x\n",
          SL_E_UNKNOWN_FIELD },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 64 * SL_KIB };
        sl_scenario scenario;
        assert_code(sl_scenario_read(sl_view_str(cases[i].text), &arena, &scenario), cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_facts_decide),
        cmocka_unit_test(only_what_befalls_the_drill_counts),
        cmocka_unit_test(the_bound_is_exact),
        cmocka_unit_test(shipped_scenarios_read),
        cmocka_unit_test(planted_values_are_found_in_any_dress),
        cmocka_unit_test(a_tree_is_copied_whole),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests_name("scenario", tests, NULL, NULL);
}
