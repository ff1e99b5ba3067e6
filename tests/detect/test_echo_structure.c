/* Structures: what was indexed is known by its characters, whole or in part, with its record; what merely looks
 * technical is no structure; and neither the split of a text nor the sentence around a structure matters. */
#include "test.h"

#include "base/encode.h"
#include "detect/echo_confirm.h"
#include "detect/echo_index.h"
#include "detect/echo_structure.h"

static const uint8_t KEY[32] = { 9, 4 };

#define COMPOUNDS 400

typedef struct {
    char smiles[160];
    char inchikey[32];
} compound;

static compound compounds[COMPOUNDS];
static sl_buf bytes = { .max = (size_t)1 << 26 };
static sl_echo_index *idx;
static uint64_t state = 5;

static uint32_t draw(uint32_t n)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((state >> 33) * n >> 31);
}

/* Chains, rings and branches as they come; chemistry would object, the spelling is right. */
static void make_compound(compound *c)
{
    static const char *const BITS[] = { "C",        "CC",       "N",       "O",      "C(=O)",
                                        "c1ccccc1", "C(F)(F)F", "S",       "[C@@H]", "c1cnccn1",
                                        "N1CCOCC1", "C(Cl)",    "Br",      "C#N",    "[nH]",
                                        "C(O)",     "/C=C/",    "n2cccc2", "OC",     "P(=O)(O)" };
    size_t n = 0;
    for (uint32_t i = 0; i < 9 || n < 30; i++) {
        n += (size_t)snprintf(c->smiles + n, sizeof c->smiles - n, "%s", BITS[draw(20)]);
    }
    for (size_t i = 0; i < 27; i++) {
        c->inchikey[i] = (char)(i == 14 || i == 25 ? '-' : 'A' + (char)draw(26));
    }
}

static void add_row(sl_buf *out, const compound *c, size_t number)
{
    assert_done(sl_buf_addf(out, "%zu,site %u,\"%s\",%s", number, draw(9), c->smiles, c->inchikey));
}

static int build(void **s)
{
    sl_echo_builder *b = NULL;
    sl_echo_build_options options = { .bytes = COMPOUNDS * 100 };
    SL_OWN(sl_buf, rows, sl_buf_free) = { .max = (size_t)1 << 20 };
    size_t ends[COMPOUNDS];
    for (size_t i = 0; i < COMPOUNDS; i++) {
        make_compound(&compounds[i]);
        add_row(&rows, &compounds[i], i);
        ends[i] = rows.n;
    }
    sl_view all = sl_buf_view(&rows);
    assert_done(sl_echo_builder_new(KEY, &options, &b));
    for (size_t i = 0; i < COMPOUNDS; i++) {
        assert_done(
            sl_echo_builder_count(b, sl_view_sub(all, i == 0 ? 0 : ends[i - 1], ends[i]), false));
    }
    assert_done(sl_echo_builder_settle(b));
    assert_done(sl_echo_builder_source(b, SL_LIT("compounds")));
    for (size_t i = 0; i < COMPOUNDS; i++) {
        size_t from = i == 0 ? 0 : ends[i - 1];
        assert_done(
            sl_echo_builder_add(b, sl_view_sub(all, from, ends[i]), false, from, ends[i] - from));
    }
    assert_done(sl_echo_builder_finish(b, &bytes));
    sl_echo_builder_free(b);
    assert_done(sl_echo_open(sl_buf_view(&bytes), KEY, &idx));
    return 0;
}

static int drop(void **s)
{
    sl_echo_index_free(idx);
    sl_buf_free(&bytes);
    return 0;
}

/* Matches in the view of structures; `piece` bytes at a time. */
static void ask(sl_view text, size_t piece, sl_echo_matches *ret)
{
    sl_echo_scratch *scratch = NULL;
    sl_echo_scan *scan = NULL;
    size_t kept = 0;
    assert_done(sl_echo_scratch_new(NULL, &scratch));
    assert_done(sl_echo_scan_new(idx, scratch, &scan));
    for (size_t at = 0; at < text.n; at += piece) {
        assert_done(sl_echo_scan_feed(scan, sl_view_sub(text, at, at + piece), ret));
    }
    assert_done(sl_echo_scan_finish(scan, ret));
    for (size_t i = 0; i < ret->n; i++) {
        if (ret->items[i].lane == SL_ECHO_STRUCTURES) {
            ret->items[kept++] = ret->items[i];
        }
    }
    ret->n = kept;
    sl_echo_scan_free(scan);
    sl_echo_scratch_free(scratch);
}

static bool finds(const char *text, size_t record, uint32_t hits)
{
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    ask(sl_view_str(text), 16384, &found);
    for (size_t i = 0; i < found.n; i++) {
        if (found.items[i].record == record && found.items[i].hits >= hits) {
            return true;
        }
    }
    return false;
}

static void known_in_any_sentence(void **s)
{
    static const struct {
        const char *before;
        const char *behind;
    } FRAMES[] = { { "", "" },
                   { "The lead is ", "." },
                   { "the lead (", ") was made" },
                   { "see `", "`, and" },
                   { "smiles:", ";" },
                   { "{\"smiles\":\"", "\"}" },
                   { "<td>", "</td>" },
                   { "x=", "\n" } };
    for (size_t i = 0; i < 2 * COMPOUNDS; i++) {
        const compound *c = &compounds[i / 2];
        size_t f = i % SL_COUNT_OF(FRAMES);
        char text[256];
        (void)snprintf(text, sizeof text, "%s%s%s", FRAMES[f].before,
                       i % 2 == 0 ? c->smiles : c->inchikey, FRAMES[f].behind);
        assert_true(finds(text, i / 2, 2));
    }
}

static void known_in_part(void **s)
{
    size_t found = 0;
    for (size_t i = 0; i < COMPOUNDS; i++) {
        char text[160];
        size_t n = strlen(compounds[i].smiles);
        (void)snprintf(text, sizeof text, "%.*s", 32, compounds[i].smiles + (n > 40 ? 4 : 0));
        found += finds(text, i, 1);
    }
    assert_true(found > COMPOUNDS * 85 / 100);
}

static void another_spelling_is_another_text(void **s)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s", compounds[3].inchikey);
    text[2] = text[2] == 'A' ? 'B' : 'A';
    assert_false(finds(text, 3, 1));
    (void)snprintf(text, sizeof text, "%.26s",
                   compounds[3].inchikey); /* a key is twenty-seven characters */
    assert_false(finds(text, 3, 1));
    (void)snprintf(text, sizeof text, "%sX", compounds[3].inchikey);
    assert_false(finds(text, 3, 1));
}

/* ---- what is a structure --------------------------------------------------------------------------- */

typedef struct {
    size_t n;
    uint64_t sum;
    uint64_t start;
    uint32_t length; /* of the last whole */
} told;

static sl_res tell(void *context, const sl_echo_structure *st)
{
    told *t = context;
    t->n++;
    t->sum += st->tag ^ (st->run + st->at) * 3 ^ st->n;
    t->start = st->run;
    t->length = st->kind == SL_ECHO_PART ? t->length : st->n;
    return SL_DONE;
}

static told runs_of(sl_view text, size_t piece)
{
    sl_echo_key key;
    sl_echo_structure_cursor cursor = { 0 };
    told t = { 0 };
    sl_echo_key_init(&key, KEY);
    for (size_t at = 0; at < text.n; at += piece) {
        assert_done(sl_echo_structures_take(&cursor, &key, sl_view_sub(text, at, at + piece), false,
                                            tell, &t));
    }
    assert_done(sl_echo_structures_take(&cursor, &key, (sl_view){ 0 }, true, tell, &t));
    return t;
}

static void structures_and_nothing_else(void **s)
{
    static const struct {
        const char *text;
        uint32_t length; /* of the structure in it; 0: there is none */
    } CASES[] = {
        { "CC(=O)Oc1ccccc1C(=O)O", 21 },
        { "Take CC(=O)Oc1ccccc1C(=O)O, twice.", 21 },
        { "(CC(=O)Oc1ccccc1C(=O)O)", 21 },
        { "CC(=O)Oc1ccccc1C(=O)O.", 21 },
        { "C[C@H](N)C(=O)[O-].[Na+]", 24 },
        { "InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12).", 68 },
        { "BSYNRYMUTXBXSQ-UHFFFAOYSA-N", 27 },
        { "BSYNRYMUTXBXSQ-UHFFFAOYSA-NO", 0 },
        { "BSYNRYMUTXBXSQ-UHFFFAOYSA", 0 },
        { "aBSYNRYMUTXBXSQ-UHFFFAOYSA-N", 0 },
        { "CCO", 0 },
        { "Conscious and cooperative, no concussion; C4-C5 fusion, Th1-Th2, CO2 40", 0 },
        { "https://example.org/cn/OS/con-so-no?id=C1(2)&s=NN#ccc%20C", 0 },
        { "SGVsbG8gd29ybGQhIFRoaXMgaXMgYmFzZTY0IHRleHQsIG5vIG1vcmUu", 0 },
        { "for (i = 0; i < n; i++) { c[i] = (a[n-i] + b[i]) % 16; } // (c)(s)(n)", 0 },
        { "C9H8O4 C10H14N2 Na2SO4.10H2O CH3(CH2)16COOH", 0 },
        { "4f9c1bcc0bb05bcb1c5c0c2bb9cbbb11bc5c", 0 },
        { "UNITED-STATES-OF-AMERICA ABCDEFGHIJKLMN-OPQRSTUVWX", 0 },
        { "2024-11-21T23:05:00Z 10.1000/182 192.168.100.200 +1(555)010-0199", 0 },
        { "CCCCCCCCCCCCCCCCCCCCCCCCCCCC OOOOOOOOOOOOOOOOOOOOO ----------------------", 0 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(CASES); i++) {
        told t = runs_of(sl_view_str(CASES[i].text), 16384);
        if (t.length != CASES[i].length || (CASES[i].length == 0 && t.n != 0)) {
            fail_msg("%s: %u characters, %zu parts", CASES[i].text, t.length, t.n);
        }
    }
}

static void a_split_makes_no_difference(void **s)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    for (size_t i = 0; i < COMPOUNDS; i++) {
        static const char *const BETWEEN[] = {
            " is as said ", ", ", ")(", "\xC3\xA9", "a", "", ". "
        };
        assert_done(sl_buf_add_str(&text, compounds[i].smiles));
        assert_done(sl_buf_add_str(&text, BETWEEN[draw(7)]));
        assert_done(sl_buf_add_str(&text, compounds[i].inchikey));
        assert_done(sl_buf_add_str(&text, BETWEEN[draw(7)]));
    }
    told whole = runs_of(sl_buf_view(&text), text.n);
    assert_true(whole.n > COMPOUNDS);
    for (size_t piece = 1; piece < 70; piece += 1 + piece / 4) {
        told t = runs_of(sl_buf_view(&text), piece);
        assert_int_equal(t.n, whole.n);
        assert_true(t.sum == whole.sum);
    }
}

static void an_endless_run_ends(void **s)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 20 };
    for (size_t i = 0; i < 20000; i++) {
        assert_done(sl_buf_add_str(&text, "C(=O)N1"));
    }
    told t = runs_of(sl_buf_view(&text), 1000);
    assert_true(t.n > 1000 && t.length <= SL_ECHO_STRUCTURE_RUN_MAX);
}

/* ---- the second stage ------------------------------------------------------------------------------ */

static void confirmed_by_their_characters(void **s)
{
    SL_OWN(sl_buf, row, sl_buf_free) = { .max = 4096 };
    char text[256];
    sl_echo_verdict v;
    add_row(&row, &compounds[7], 7);
    (void)snprintf(text, sizeof text, "What of %s then?", compounds[7].smiles);
    assert_done(sl_echo_confirm(idx, 0, sl_buf_view(&row), sl_view_str(text), &v));
    assert_true(v.confirmed && v.characters_same == strlen(compounds[7].smiles));
    assert_int_equal(v.text_start, 8);
    assert_int_equal(v.text_end, 8 + strlen(compounds[7].smiles));
    (void)snprintf(text, sizeof text, "What of %s then?", compounds[8].smiles);
    assert_done(sl_echo_confirm(idx, 0, sl_buf_view(&row), sl_view_str(text), &v));
    assert_false(v.confirmed);
    (void)snprintf(text, sizeof text, "key: %s", compounds[7].inchikey);
    assert_done(sl_echo_confirm(idx, 0, sl_buf_view(&row), sl_view_str(text), &v));
    assert_true(v.confirmed && v.characters_same == 27);
    text[5 + 20] = text[5 + 20] == 'A' ? 'B' : 'A'; /* the same bonds, another molecule */
    assert_done(sl_echo_confirm(idx, 0, sl_buf_view(&row), sl_view_str(text), &v));
    assert_false(v.confirmed);
}

/* ---- the file -------------------------------------------------------------------------------------- */

static void indexes_of_both_kinds_join(void **s)
{
    SL_OWN(sl_buf, plain, sl_buf_free) = { .max = (size_t)1 << 20 };
    SL_OWN(sl_buf, both, sl_buf_free) = { .max = (size_t)1 << 26 };
    static const char note[] =
        "slept badly on the ferry and blamed the herring for nine long miles home";
    sl_echo_builder *b = NULL;
    sl_echo_build_options options = { .bytes = sizeof note };
    assert_done(sl_echo_builder_new(KEY, &options, &b));
    assert_done(sl_echo_builder_count(b, sl_view_str(note), false));
    assert_done(sl_echo_builder_settle(b));
    assert_done(sl_echo_builder_source(b, SL_LIT("note")));
    assert_done(sl_echo_builder_add(b, sl_view_str(note), false, 0, sizeof note - 1));
    assert_done(sl_echo_builder_finish(b, &plain));
    sl_echo_builder_free(b);
    sl_put_le32(plain.p + 8, 1); /* as an older program wrote it: the keyed hash is wrong now */
    sl_echo_index *old = NULL;
    assert_code(sl_echo_open(sl_buf_view(&plain), KEY, &old), SL_E_INTEGRITY);
    sl_put_le32(plain.p + 8, 2);
    sl_view parts[] = { sl_buf_view(&plain), sl_buf_view(&bytes) };
    assert_done(sl_echo_join(KEY, parts, 2, &both));
    sl_echo_index *joined = NULL;
    sl_echo_stats stats;
    assert_done(sl_echo_open(sl_buf_view(&both), KEY, &joined));
    sl_echo_index_stats(joined, &stats);
    assert_int_equal(stats.segments, 2);
    assert_int_equal(stats.records, COMPOUNDS + 1);
    assert_true(stats.fingerprints[SL_ECHO_STRUCTURES] >= 3 * COMPOUNDS);
    sl_echo_index_free(joined);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_in_any_sentence),
        cmocka_unit_test(known_in_part),
        cmocka_unit_test(another_spelling_is_another_text),
        cmocka_unit_test(structures_and_nothing_else),
        cmocka_unit_test(a_split_makes_no_difference),
        cmocka_unit_test(an_endless_run_ends),
        cmocka_unit_test(confirmed_by_their_characters),
        cmocka_unit_test(indexes_of_both_kinds_join),
    };
    return cmocka_run_group_tests(tests, build, drop);
}
