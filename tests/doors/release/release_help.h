/* A release door with a ledger and a keeper made of memory, for its tests: persons, files, folders, and the acts in
 * order. */
#ifndef SL_TESTS_RELEASE_HELP_H
#define SL_TESTS_RELEASE_HELP_H

#include "../../vault/vault_help.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "doors/release/door.h"
#include "doors/release/known.h"
#include "ledger/event.h"

#ifdef SL_SANITIZED
#define CONFINED false
#else
#define CONFINED true
#endif

#define RELEASE_ID "0123456789abcdef0123456789abcdee"
#define RELEASE_ID_2 "ff23456789abcdef0123456789abcdee"
#define OTHER_SITE "ff112233445566778899aabbccddeeff"

static const char NOTE[] = "Visit report. SSN 999-17-5017, seen on 4 May 2021 in Springfield.\n";

typedef struct {
    const char *id; /* of the release that is spoken of */
    sl_release_known known;
    sl_roll *roll;   /* of `known` */
    uint64_t count;  /* leaves */
    size_t outcomes; /* leaves release.outcome */
    size_t keys;     /* made and not forgotten */
    size_t disclosures;
    size_t shown;  /* leaves release.shown */
    size_t read;   /* keys that were given to read something that is held */
    size_t opened; /* keys that were given to hand something out */
    uint8_t key[32];
    const sl_allow *allow;
    int64_t min_cell;
    const char *file_name; /* NULL: "report.txt" */
    int64_t now_ms;
    long calls_left;  /* negative: never fail */
    bool dead_after;  /* once failed, all fails */
    long pieces_left; /* likewise, of the valve */
} world;

static inline sl_res fail_now(world *w)
{
    if (w->calls_left >= 0 && w->calls_left-- == 0) {
        w->calls_left = w->dead_after ? 0 : w->calls_left;
        return sl_fail(SL_E_UNAVAILABLE);
    }
    return SL_DONE;
}

static inline int64_t wall_ms(void *context)
{
    return ((world *)context)->now_ms;
}

static inline sl_res admit(void *context, const sl_release_request *request)
{
    return fail_now(context);
}

static inline sl_res still(void *context)
{
    world *w = context;
    return w->pieces_left >= 0 && w->pieces_left-- == 0 ? sl_fail(SL_E_VALVE) : SL_DONE;
}

static inline sl_res append(void *context, sl_view event, uint64_t *ret_index)
{
    world *w = context;
    bool containment = false;
    SL_OWN(sl_buf, leaf, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_TRY(fail_now(w));
    assert_done(sl_event_check(event, "release", &containment));
    assert_true(sl_view_find(event, SL_LIT("999-17"), 0) == SIZE_MAX);
    w->disclosures += sl_view_find(event, SL_LIT("release.disclosure"), 0) != SIZE_MAX;
    w->outcomes += sl_view_find(event, SL_LIT("release.outcome"), 0) != SIZE_MAX;
    w->shown += sl_view_find(event, SL_LIT("release.shown"), 0) != SIZE_MAX;
    assert_done(sl_leaf_wrap(event, "release", (uint64_t)w->now_ms, &leaf));
    *ret_index = sl_roll_next(w->roll);
    assert_done(sl_release_known_leaf(&w->known, *ret_index, sl_buf_view(&leaf)));
    return SL_DONE;
}

static inline sl_res follow(void *context)
{
    return SL_DONE; /* what is appended is folded at once */
}

static inline sl_res key_of(void *context, uint16_t type, const sl_key_request *q, uint8_t *ret_key)
{
    world *w = context;
    if (type == SL_KEEPER_KEY_FORGET) {
        w->keys--;
        return SL_DONE;
    }
    SL_TRY(fail_now(w));
    if (type == SL_KEEPER_KEY_NEW) {
        w->key[0]++;
        w->keys++;
    } else {
        const sl_release *r = sl_roll_release(w->roll, sl_view_str(w->id));
        assert_string_equal(q->name, r->object);
        assert_int_equal(q->intent, r->state == SL_RELEASE_ASKED  ? r->asked_leaf
                                    : r->state == SL_RELEASE_HELD ? r->review_leaf
                                                                  : r->approved_leaf);
        w->opened += r->state == SL_RELEASE_APPROVED;
        w->read += r->state == SL_RELEASE_HELD;
    }
    memcpy(ret_key, w->key, sizeof w->key);
    return SL_DONE;
}

static inline sl_res draw(void *context, void *p, size_t n)
{
    SL_TRY(fail_now(context));
    return sl_random_bytes(p, n);
}

static inline sl_res protect(void *context, const char *compartment, sl_detect *set)
{
    assert_string_equal(compartment, "c");
    return fail_now(context);
}

static inline sl_release_world calls_of(world *w)
{
    return (sl_release_world){ .context = w,
                               .confined = CONFINED,
                               .wall_ms = wall_ms,
                               .admit = admit,
                               .still = still,
                               .append = append,
                               .follow = follow,
                               .key = key_of,
                               .random = draw,
                               .protect = protect,
                               .allow = w->allow };
}

/* ---- a folder for each test ---- */

static char folder[64];
static int held_fd = -1;

static inline int make_folder(void **state)
{
    (void)snprintf(folder, sizeof folder, "/tmp/sl-release-XXXXXX");
    return mkdtemp(folder) == NULL || !sl_ok(sl_dir_open(AT_FDCWD, folder, &held_fd));
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static inline int drop_folder(void **state)
{
    sl_fd_close(&held_fd);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static size_t files;
static char data_path[256];

static inline int count_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    files += type == FTW_F ? 1 : 0;
    if (strcmp(path + ftw->base, "data") == 0) {
        (void)snprintf(data_path, sizeof data_path, "%s", path);
    }
    return 0;
}

static inline size_t files_held(void)
{
    files = 0;
    assert_int_equal(nftw(folder, count_file, 8, FTW_PHYS), 0);
    return files;
}

/* ---- persons ---- */

/* p1 with the keys 1 and 4, p2 and p3 with one each; all may do all. */
static inline world begin(int64_t quorum)
{
    world w = { .id = RELEASE_ID, .now_ms = NOW_MS, .calls_left = -1, .pieces_left = -1 };
    sl_genesis_roll g = { .site = SITE, .quorum = quorum, .delay_ms = 0 };
    static const char *const persons[] = { "p1", "p2", "p3", "p1" };
    for (size_t i = 0; i < SL_COUNT_OF(persons); i++) {
        g.operators[g.operators_count++] = help_operator(persons[i], (uint8_t)(i + 1), SL_ROLE_ALL);
    }
    assert_done(sl_release_known_init(&w.known));
    w.roll = w.known.roll;
    assert_done(sl_roll_begin(w.roll, &g));
    sl_statement create = help_create("c");
    assert_done(help_do(w.roll, &create, 1, NOW_MS));
    return w;
}

static inline void end(world *w)
{
    sl_release_known_free(&w->known);
}

/* Signed by these keys, for this site, in the role and at the epoch that are needed. */
static inline sl_res sign(world *w, const sl_statement *s, const char *keys, const char *site)
{
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(s);
    sl_approval_need need = { 0 };
    sl_approval list[4];
    size_t count = strlen(keys);
    SL_TRY(sl_roll_need(w->roll, s, &need));
    for (size_t i = 0; i < count; i++) {
        uint8_t n = (uint8_t)(keys[i] - '0');
        list[i] = help_approve(sl_buf_view(&text), need.epoch, n);
        list[i].role = need.role;
        list[i].expiry_ms = w->now_ms + HOUR_MS;
        memcpy(list[i].site, site, sizeof list[i].site);
        SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key(n);
        SL_TRY(sl_approval_sign(&list[i], &key));
    }
    sl_statement admitted;
    SL_TRY(sl_roll_admit(w->roll, sl_buf_view(&text), list, count, w->now_ms, &admitted));
    return sl_roll_apply(w->roll, &admitted, list, count, 1 + w->count++, w->now_ms);
}

static const uint8_t SALT[SL_RELEASE_SALT_BYTES] = { 5 };

static inline int file_of(const char *bytes, size_t n)
{
    int fd = memfd_create("data", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_done(sl_fd_write_all(fd, sl_view_of(bytes, n)));
    return fd;
}

static inline const sl_release *release(const world *w)
{
    return sl_roll_release(w->roll, sl_view_str(w->id));
}

static inline sl_res ask(world *w, int fd, const char *kind, const char *keys)
{
    sl_statement s = help_on(SL_ACTION_RELEASE_REQUEST, "c");
    memcpy(s.item, w->id, sizeof RELEASE_ID);
    help_name(s.kind, kind);
    assert_done(sl_release_commit(fd, SALT, &s.hash));
    return sign(w, &s, keys, SITE);
}

static inline sl_release_request request_of(const world *w)
{
    sl_release_request r = { .asked = *release(w),
                             .purpose = "study",
                             .held_ms_max = 100 * HOUR_MS,
                             .min_cell = w->min_cell };
    memcpy(r.compartment_id, "aaaaaaaabbbbbbbbccccccccdddddddd", 33);
    memcpy(r.principal, PRINCIPAL, 33);
    memcpy(r.salt, SALT, sizeof SALT);
    (void)snprintf(r.file_name, sizeof r.file_name, "%s",
                   w->file_name == NULL ? "report.txt" : w->file_name);
    return r;
}

static inline sl_res cross(world *w, int fd, sl_release_result *ret)
{
    sl_release_world calls = calls_of(w);
    sl_release_request request = request_of(w);
    return sl_release_cross(&calls, held_fd, -1, fd, &request, ret);
}

static inline sl_res approve(world *w, const char *keys, const char *site)
{
    sl_statement s = help_on(SL_ACTION_RELEASE_APPROVE, "c");
    memcpy(s.item, w->id, sizeof RELEASE_ID);
    s.hash = release(w)->held;
    return sign(w, &s, keys, site);
}

static inline sl_res take(world *w, sl_buf *out)
{
    sl_digest digest;
    uint64_t bytes = 0;
    sl_release_world calls = calls_of(w);
    sl_release_request request = request_of(w);
    SL_OWN(int, fd, sl_fd_close) = memfd_create("out", MFD_CLOEXEC);
    sl_res r = sl_release_hand_out(&calls, held_fd, fd, w->roll, &request, &digest, &bytes);
    sl_buf_clear(out);
    assert_true(lseek(fd, 0, SEEK_SET) == 0);
    assert_done(sl_fd_read_all(fd, out));
    return r;
}

/* Asked for by p1, and held. */
static inline void hold_note(world *w)
{
    sl_release_result result;
    SL_OWN(int, fd, sl_fd_close) = file_of(NOTE, sizeof NOTE - 1);
    assert_done(ask(w, fd, "file", "1"));
    assert_done(cross(w, fd, &result));
    assert_int_equal(result.verdict, SL_VERDICT_HOLD);
    assert_true(result.classes[SL_CLASS_SSN] > 0);
    assert_int_equal(release(w)->state, SL_RELEASE_HELD);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

#endif
