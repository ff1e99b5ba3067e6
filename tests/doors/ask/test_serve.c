/* The door's sockets when a text has to be compared with a record: who compares may be slow, frozen or away, and only the
 * crossing that asked waits, within its time, without leaking a descriptor. Real detection, a real index of records, a
 * loop and sockets; model server and ledger are played here. */
#include "rig.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "doors/ask/serve.h"

static const uint8_t KEY[32] = { 0xEC, 0x80 };
static const char record[] =
    "Keeps two hives behind the chapel and swears the stings loosen her stiff wrist; declined gold salts twice, "
    "asked instead for liniment with camphor and a letter to the harbour board about the noise.";
#define FIFTEEN                                                                                    \
    "behind the chapel and swears the stings loosen her stiff wrist; declined gold salts twice"
#define SEVEN                                                                                      \
    "So he swears the stings loosen her stiff wrist, or so I am told by those who ought to know about it"
static const char ordinary[] =
    "Bread is baked, ships float, and the price of tea rose again in the spring.";

enum { PEOPLE = 4, TURNS = 3000, LEAVES = 64 };

typedef struct {
    int fd; /* -1: gone */
    sl_buf got;
} person;

typedef struct {
    real_rig real;
    sl_loop *loop;
    sl_ask_server *server;
    char folder[64];
    int listen_fd;
    int egress_fd;
    int egress[PEOPLE];
    sl_buf answer; /* what the model server says next */
    person people[PEOPLE];
    uint64_t leaves[LEAVES]; /* appended, to be acknowledged */
    size_t leaves_n;
    uint64_t index;
    /* who compares */
    bool away;
    size_t asked;
    uint64_t token; /* of the newest question */
    size_t late;
    bool saw_chapel; /* in the newest question */
} place;

/* ---- ledger, comparer, model server -------------------------------------------------------------- */

static sl_res append(void *context, sl_view event, uint64_t token, bool soon)
{
    place *p = context;
    assert_true(p->leaves_n < LEAVES && event.n != 0);
    p->leaves[p->leaves_n++] = token;
    return SL_DONE;
}

static void acknowledge(void *context)
{
    place *p = context;
    while (p->leaves_n != 0) {
        (void)sl_ask_server_recorded(p->server, p->leaves[--p->leaves_n], true, p->index++);
    }
}

static bool ask(void *context, const sl_echo_question *q, uint64_t token)
{
    place *p = context;
    assert_non_null(sl_fiber_current());
    p->asked += !p->away;
    p->token = token;
    p->saw_chapel = sl_view_find(q->text, SL_LIT("chapel"), 0) != SIZE_MAX;
    return !p->away;
}

static void late(void *context, uint64_t token)
{
    place *p = context;
    assert_int_equal(token, p->token);
    p->late++;
}

static int listen_at(const place *p, const char *name)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/%s", p->folder, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static void play_egress(place *p)
{
    char dropped[4096];
    int fd = accept4(p->egress_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (size_t i = 0; i < PEOPLE; i++) {
        if (fd >= 0 && p->egress[i] < 0) {
            p->egress[i] = fd;
            fd = -1;
        }
        ssize_t n = p->egress[i] < 0 ? -1 : recv(p->egress[i], dropped, sizeof dropped, 0);
        if (n > 0 && memmem(dropped, (size_t)n, "POST ", 5) != NULL) {
            assert_int_equal(send(p->egress[i], p->answer.p, p->answer.n, MSG_NOSIGNAL),
                             p->answer.n);
        } else if (n == 0) {
            sl_fd_close(&p->egress[i]);
        }
    }
    assert_true(fd < 0);
}

static void hear(person *who)
{
    uint8_t some[4096];
    for (ssize_t n; who->fd >= 0 && (n = recv(who->fd, some, sizeof some, MSG_DONTWAIT)) >= 0;) {
        if (n == 0) {
            sl_fd_close(&who->fd);
        } else {
            assert_done(sl_buf_add(&who->got, sl_view_of(some, (size_t)n)));
        }
    }
}

static void turn(place *p)
{
    assert_done(sl_loop_turn(p->loop, 5));
    play_egress(p);
    for (size_t i = 0; i < PEOPLE; i++) {
        hear(&p->people[i]);
    }
}

/* ---- clients -------------------------------------------------------------------------------------- */

static person *come(place *p, bool stream, const char *says)
{
    static const char *const bodies[] = {
        "{\"model\":\"trial-model\",\"messages\":[{\"role\":\"user\",\"content\":\"Go on\"}]}",
        "{\"model\":\"trial-model\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Go on\"}]}",
    };
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 65536 };
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t i = 0;
    while (p->people[i].got.max != 0) {
        i++;
    }
    assert_true(i < PEOPLE);
    person *who = &p->people[i];
    sl_buf_clear(&p->answer);
    if (stream) {
        rig_sse_head(&p->answer);
        rig_sse_delta(&p->answer, says);
        rig_sse_finish(&p->answer);
    } else {
        assert_done(sl_buf_addf(
            &json,
            "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},"
            "\"finish_reason\":\"stop\"}]}",
            says));
        rig_json_answer(&p->answer, sl_buf_cstr(&json));
    }
    rig_scgi(&request, "/v1/chat/completions", RIG_KEY, sl_view_str(bodies[stream]), NULL, 0);
    *who = (person){ .got = { .max = 1 << 20 } };
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/door", p->folder);
    who->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(who->fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(send(who->fd, request.p, request.n, MSG_NOSIGNAL), request.n);
    return who;
}

static void until_asked(place *p, size_t n)
{
    for (int i = 0; i < TURNS && p->asked < n; i++) {
        turn(p);
    }
    assert_int_equal(p->asked, n);
}

static void until_gone(place *p, const person *who)
{
    for (int i = 0; i < TURNS && who->fd >= 0; i++) {
        turn(p);
    }
    assert_true(who->fd < 0);
}

static bool says(const person *who, const char *what)
{
    return sl_view_find(sl_buf_view(&who->got), sl_view_str(what), 0) != SIZE_MAX;
}

/* ---- the place ------------------------------------------------------------------------------------ */

static void index_record(sl_detect *detect)
{
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = SL_MIB };
    sl_echo_builder *b = NULL;
    sl_echo_build_options options = { .bytes = sizeof record };
    assert_done(sl_echo_builder_new(KEY, &options, &b));
    assert_done(sl_echo_builder_count(b, sl_view_str(record), false));
    assert_done(sl_echo_builder_settle(b));
    assert_done(sl_echo_builder_source(b, SL_LIT("one")));
    assert_done(sl_echo_builder_add(b, sl_view_str(record), false, 0, sizeof record - 1));
    assert_done(sl_echo_builder_finish(b, &index));
    sl_echo_builder_free(b);
    assert_done(sl_detect_add_echo(detect, SL_LIT("trial-a"), sl_buf_view(&index), KEY));
}

static sl_echo_answer compare(void *context, const sl_echo_question *question)
{
    place *p = context;
    return sl_ask_server_compare(p->server, question);
}

static void open_place(place *p, uint64_t compare_ms_max)
{
    *p = (place){ .answer = { .max = SL_MIB }, .index = 7 };
    real_rig_init(&p->real);
    index_record(p->real.detect);
    sl_scratch_confirm(p->real.scratch, compare, p);
    (void)snprintf(p->folder, sizeof p->folder, "/tmp/sl-serve-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    p->listen_fd = listen_at(p, "door");
    p->egress_fd = listen_at(p, "egress");
    for (size_t i = 0; i < PEOPLE; i++) {
        p->egress[i] = p->people[i].fd = -1;
    }
    static char path[108];
    (void)snprintf(path, sizeof path, "%s/egress", p->folder);
    sl_ask_server_options options = { .site = &p->real.r.site,
                                      .listen_fd = p->listen_fd,
                                      .egress_path = path,
                                      .connections_max = 16,
                                      .pool_max = 4,
                                      .stall_ms_max = 1000 * 1000,
                                      .compare_ms_max = compare_ms_max,
                                      .recorder = { .context = p, .append = append },
                                      .comparer = { .context = p, .ask = ask, .late = late } };
    assert_done(sl_loop_new(&p->loop));
    assert_done(sl_ask_server_new(p->loop, &options, &p->server));
    sl_loop_after_turn(p->loop, acknowledge, p);
}

static void close_place(place *p)
{
    sl_ask_server_free(p->server);
    sl_loop_free(p->loop);
    for (size_t i = 0; i < PEOPLE; i++) {
        sl_fd_close(&p->egress[i]);
        sl_fd_close(&p->people[i].fd);
        sl_buf_free(&p->people[i].got);
    }
    sl_fd_close(&p->listen_fd);
    sl_fd_close(&p->egress_fd);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/door", p->folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/egress", p->folder);
    (void)unlink(path);
    (void)rmdir(p->folder);
    sl_buf_free(&p->answer);
    real_rig_free(&p->real);
}

#define FOREVER ((uint64_t)1 << 40)

static void who_is_frozen_holds_its_own_stream_alone(void **state)
{
    for (int stream = 0; stream < 2; stream++) {
        place p;
        open_place(&p, FOREVER);
        const person *slow = come(&p, stream == 1, "He said: " FIFTEEN " and then left.");
        until_asked(&p, 1);
        assert_true(p.saw_chapel);
        for (int others = 0; others < 2; others++) {
            const person *other = come(&p, others == 1, ordinary);
            until_gone(&p, other);
            assert_true(says(other, "price of tea"));
        }
        assert_true(slow->fd >= 0 && !says(slow, "chapel") && !says(slow, "swears"));
        assert_int_equal(sl_ask_server_count(p.server).compared, 1);
        uint64_t token = p.token;
        sl_ask_server_compared(p.server, token + 1, SL_ECHO_OTHER); /* nobody's */
        assert_true(slow->fd >= 0 && !says(slow, "chapel"));
        sl_ask_server_compared(p.server, token, SL_ECHO_SAME);
        until_gone(&p, slow);
        assert_true(says(slow, "content_filter") && !says(slow, "chapel") && !says(slow, "swears"));
        close_place(&p);
    }
}

static void what_is_refuted_passes_whole(void **state)
{
    place p;
    open_place(&p, FOREVER);
    const person *who = come(&p, true, "He said: " FIFTEEN " and then left.");
    for (size_t n = 1; who->fd >= 0 && n < 8; n++) {
        size_t before = p.asked;
        for (int i = 0; i < TURNS && p.asked == before && who->fd >= 0; i++) {
            turn(&p);
        }
        if (p.asked != before) {
            sl_ask_server_compared(p.server, p.token, SL_ECHO_OTHER);
        }
    }
    until_gone(&p, who);
    assert_true(p.asked >= 1 && says(who, "gold salts twice") && says(who, "then left"));
    assert_false(says(who, "content_filter"));
    close_place(&p);
}

/* In its time, by what the match alone says: a whole record is cut. */
static void who_is_late_decides_nothing(void **state)
{
    place p;
    open_place(&p, 1);
    const person *who = come(&p, true, record);
    until_gone(&p, who);
    assert_true(p.asked >= 1 && p.late == p.asked);
    assert_int_equal(sl_ask_server_count(p.server).late, p.asked);
    assert_true(says(who, "content_filter") && !says(who, "harbour board"));
    close_place(&p);
}

static void nobody_there_is_nobody_waited_for(void **state)
{
    place p;
    open_place(&p, FOREVER);
    p.away = true;
    const person *who = come(&p, true, record);
    until_gone(&p, who);
    assert_true(says(who, "content_filter"));
    assert_int_equal(sl_ask_server_count(p.server).compared, 0);
    close_place(&p);
}

static size_t open_files(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    (void)closedir(dir);
    return n;
}

/* A client that left, a model server that left, and a server that ends, all while a comparison is out. */
static void nothing_stays_open(void **state)
{
    size_t before = open_files();
    for (int how = 0; how < 3; how++) {
        place p;
        open_place(&p, FOREVER);
        person *who = come(&p, true, "He said: " FIFTEEN " and then left.");
        until_asked(&p, 1);
        uint64_t token = p.token;
        if (how == 0) {
            sl_fd_close(&who->fd);
        } else if (how == 1) {
            for (size_t i = 0; i < PEOPLE; i++) {
                sl_fd_close(&p.egress[i]);
            }
        }
        for (int i = 0; i < 20; i++) {
            turn(&p);
        }
        if (how != 2) {
            sl_ask_server_compared(p.server, token, SL_ECHO_SAME);
            for (int i = 0; i < TURNS && sl_ask_server_count(p.server).open != 0; i++) {
                turn(&p);
            }
            assert_int_equal(sl_ask_server_count(p.server).open, 0);
        }
        close_place(&p);
        assert_int_equal(open_files(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_frozen_holds_its_own_stream_alone),
        cmocka_unit_test(what_is_refuted_passes_whole),
        cmocka_unit_test(who_is_late_decides_nothing),
        cmocka_unit_test(nobody_there_is_nobody_waited_for),
        cmocka_unit_test(nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
