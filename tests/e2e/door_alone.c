/* The ask door's process without the rest of a site, for end-to-end tests and benchmarks of the door
 * itself: a fixed key and model, the detection stand-in of tests/doors/ask, a file as ledger (one
 * event a line, durable before it is acknowledged), and a valve that SIGUSR1 closes and SIGUSR2
 * opens.
 *   door_alone serve DOOR.sock EGRESS.sock LEDGER [nosync] [patience=MS] [text=BYTES]
 *   door_alone front DIR LISTEN DOOR.sock BODY_MAX [CERT KEY]
 *   door_alone egress DIR EGRESS.sock COUNT.sock UPSTREAM.sock */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "doors/ask/serve.h"
#include "host/nginx_conf.h"

enum { QUEUE_MAX = 16384 };

typedef struct {
    sl_ask_server *server;
    int fd;
    bool sync;
    uint64_t index;
    uint64_t queue[QUEUE_MAX];
    size_t queue_n;
    sl_buf line;
    uint64_t knocks;
} file_ledger;

static volatile sig_atomic_t closed;
static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    if (number == SIGTERM) {
        ended = 1;
    } else {
        closed = number == SIGUSR1;
    }
}

/* Written at once, so that a leaf outlives this process as one does which a link has taken. */
static sl_res append(void *context, sl_view event, uint64_t token, bool soon)
{
    file_ledger *l = context;
    (void)soon;
    SL_NEED(l->queue_n < QUEUE_MAX, SL_E_AGAIN);
    sl_buf_clear(&l->line);
    SL_TRY(sl_buf_add(&l->line, event));
    SL_TRY(sl_buf_add_str(&l->line, "\n"));
    SL_TRY(sl_fd_write_all(l->fd, sl_buf_view(&l->line)));
    l->queue[l->queue_n++] = token;
    return SL_DONE;
}

static void knock(void *context, const char *source, sl_res why)
{
    file_ledger *l = context;
    l->knocks++;
    (void)!dprintf(l->fd, "{\"knock\":\"%s\",\"source\":\"%s\"}\n", sl_res_name(why), source);
}

/* One sync for all leaves of a turn. */
static void commit(void *context)
{
    file_ledger *l = context;
    while (l->queue_n != 0) {
        size_t n = l->queue_n;
        bool ok = !l->sync || fdatasync(l->fd) == 0;
        static uint64_t tokens[QUEUE_MAX];
        memcpy(tokens, l->queue, n * sizeof tokens[0]);
        l->queue_n = 0;
        for (size_t i = 0; i < n; i++) {
            (void)sl_ask_server_recorded(l->server, tokens[i], ok, l->index++);
        }
    }
}

/* Goes on where a killed door stopped: counts the leaves, cuts off a torn last line (it was never
 * acknowledged). */
static sl_res go_on(file_ledger *l)
{
    SL_OWN(sl_buf, old, sl_buf_free) = { .max = 1 << 30 };
    struct stat st;
    SL_NEED(fstat(l->fd, &st) == 0, SL_E_IO);
    SL_TRY(sl_buf_reserve(&old, (size_t)st.st_size + 1));
    SL_TRY(sl_fd_pread_all(l->fd, old.p, (size_t)st.st_size, 0));
    sl_view rest = sl_view_of(old.p, (size_t)st.st_size);
    size_t whole = 0;
    sl_view line;
    while (sl_view_cut(rest, '\n', &line, &rest)) {
        whole += line.n + 1;
        l->index += !sl_view_starts(line, SL_LIT("{\"knock\""));
    }
    return ftruncate(l->fd, (off_t)whole) == 0 ? SL_DONE : sl_fail_os(SL_E_IO, "ledger");
}

static sl_res key(const void *context, sl_view text, int64_t wall_ms, sl_ask_identity *ret)
{
    (void)context;
    (void)wall_ms;
    SL_NEED(sl_view_eq_str(text, "slg_test"), SL_E_KEY);
    *ret = (sl_ask_identity){ .principal = { { 1 } },
                              .lineage = { { 2 } },
                              .compartments_n = 1,
                              .grant = "00112233aabbccdd",
                              .purpose = "research" };
    return SL_DONE;
}

static sl_res grant(const void *context, const sl_ask_route *route, int64_t wall_ms,
                    sl_ask_identity *identity)
{
    (void)context;
    (void)route;
    (void)wall_ms;
    (void)identity;
    return SL_DONE;
}

static sl_res route(const void *context, sl_view model, sl_ask_route *ret)
{
    (void)context;
    SL_NEED(sl_view_starts(model, SL_LIT("scripted")), SL_E_NOT_FOUND);
    *ret = (sl_ask_route){
        .name = model, .upstream_model = model, .upstreams = { SL_LIT("main") }, .upstreams_n = 1
    };
    return SL_DONE;
}

static sl_valve_state state_now(void)
{
    return closed ? SL_VALVE_COMPARTMENT : SL_VALVE_OPEN;
}

static sl_valve_state take(const void *context, uint64_t now_ms, sl_valve_slot principal,
                           const sl_valve_slot *compartments, size_t n, sl_valve_ticket *ret)
{
    (void)context;
    (void)now_ms;
    (void)principal;
    (void)compartments;
    (void)n;
    *ret = (sl_valve_ticket){ .door = SL_DOOR_ASK };
    return state_now();
}

static sl_valve_state holds(const void *context, uint64_t now_ms, const sl_valve_ticket *ticket)
{
    (void)context;
    (void)now_ms;
    (void)ticket;
    return state_now();
}

static int listen_at(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof at.sun_path) {
        return -1;
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)unlink(path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
        chmod(path, 0666) != 0 || listen(fd, 4096) != 0) {
        return -1;
    }
    return fd;
}

/* What a crowded machine does not reach, unless a test asks for less. */
enum { PATIENCE_MS = 20 * 1000, STALL_MS = 2000 };

/* A number after `name`, else `otherwise`. */
static uint64_t option(char **argv, int argc, const char *name, uint64_t otherwise)
{
    for (int i = 3; i < argc; i++) {
        sl_view word = sl_view_str(argv[i]);
        uint64_t n = 0;
        if (sl_view_starts(word, sl_view_str(name)) &&
            sl_ok(sl_parse_u64(sl_view_sub(word, strlen(name), word.n), UINT32_MAX, &n))) {
            return n;
        }
    }
    return otherwise;
}

static sl_res serve(char **argv, int argc)
{
    static file_ledger ledger = { .line = { .max = 1 << 20 } };
    static const sl_compartment_keys held = { .keys = { { 3 }, { 4 } } };
    static sl_ask_keys keys;
    static sl_ask_site site;
    static const sl_ask_roll roll = { .key = key, .grant = grant, .route = route };
    static const sl_ask_valves valves = { .take = take, .holds = holds };
    sl_loop *loop = NULL;
    ledger.fd = open(argv[2], O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ledger.sync = argc <= 3 || strcmp(argv[3], "nosync") != 0;
    SL_TRY(sl_ask_keys_init(&keys));
    SL_TRY(sl_ask_keys_set(&keys, &held));
    site = (sl_ask_site){ .roll = &roll,
                          .valves = &valves,
                          .keys = &keys,
                          .budget = calloc(1, sl_budget_bytes()),
                          .origin = "example.org/log",
                          .limits = sl_ask_limits_default };
    site.limits.first_ms_max = option(argv, argc, "patience=", PATIENCE_MS);
    site.limits.silence_ms_max = site.limits.first_ms_max;
    site.limits.text_bytes_max = (size_t)option(argv, argc, "text=", site.limits.text_bytes_max);
    sl_ask_server_options options = { .site = &site,
                                      .listen_fd = listen_at(argv[0]),
                                      .egress_path = argv[1],
                                      .connections_max = 4096,
                                      .pool_max = 256,
                                      .stall_ms_max = STALL_MS,
                                      .recorder = { &ledger, append, knock, NULL } };
    SL_NEED(ledger.fd >= 0, SL_E_IO);
    SL_TRY(go_on(&ledger));
    SL_NEED(ledger.fd >= 0 && options.listen_fd >= 0 && site.budget != NULL, SL_E_IO);
    SL_TRY(sl_loop_new(&loop));
    SL_TRY(sl_ask_server_new(loop, &options, &ledger.server));
    sl_loop_after_turn(loop, commit, &ledger);
    while (!ended) {
        sl_res r = sl_loop_turn(loop, 100);
        if (!sl_ok(r) && errno != EINTR) {
            return r;
        }
    }
    sl_ask_server_free(ledger.server);
    sl_loop_free(loop);
    free(site.budget);
    sl_buf_free(&ledger.line);
    return SL_DONE;
}

static sl_res front(char **argv, int argc, sl_buf *out)
{
    uint64_t body_max = 0;
    SL_TRY(sl_parse_u64(sl_view_str(argv[3]), UINT32_MAX, &body_max));
    sl_nginx_front f = { .run_dir = argv[0],
                         .listen = argv[1],
                         .ask_socket = argv[2],
                         .body_bytes_max = (size_t)body_max,
                         .tls_cert = argc > 5 ? argv[4] : NULL,
                         .tls_key = argc > 5 ? argv[5] : NULL,
                         .user = getuid() == 0 ? "root" : NULL,
                         .workers = 1,
                         .connections_max = 4096 };
    return sl_nginx_front_write(&f, out);
}

static sl_res egress(char **argv, sl_buf *out)
{
    sl_nginx_upstream upstream = {
        .name = "main", .kind = SL_UPSTREAM_HTTP_UNIX, .host = argv[3], .base_path = "/v1"
    };
    sl_nginx_egress e = { .run_dir = argv[0],
                          .user = getuid() == 0 ? "root" : NULL,
                          .listen_socket = argv[1],
                          .count_socket = argv[2],
                          .ca_file = "/etc/ssl/certs/ca-certificates.crt",
                          .body_bytes_max = 64 << 20,
                          .workers = 1,
                          .connections_max = 4096,
                          .silence_s_max = 60,
                          .upstreams = &upstream,
                          .upstreams_n = 1 };
    return sl_nginx_egress_write(&e, out);
}

int main(int argc, char **argv)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1 << 20 };
    sl_res r = sl_fail(SL_E_USAGE);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGUSR1, on_signal);
    (void)signal(SIGUSR2, on_signal);
    (void)signal(SIGTERM, on_signal);
    if (argc >= 5 && strcmp(argv[1], "serve") == 0) {
        r = serve(argv + 2, argc - 2);
    } else if (argc >= 6 && strcmp(argv[1], "front") == 0) {
        r = front(argv + 2, argc - 2, &text);
    } else if (argc == 6 && strcmp(argv[1], "egress") == 0) {
        r = egress(argv + 2, &text);
    }
    if (!sl_ok(r)) {
        (void)fprintf(stderr, "door_alone: %s\n", sl_res_text(r));
        return 1;
    }
    return text.n == 0 || fwrite(text.p, 1, text.n, stdout) == text.n ? 0 : 1;
}
