/* Stock nginx as processes of a site: what each finds in its root, what it may do, and its
 * configuration from config.yml. The front reaches the doors' sockets and no network but the one
 * socket it inherits; the egress reaches the network and no other process's socket. Neither may
 * see the other's secrets: the TLS key is in the front's root only, the upstreams' credentials are
 * in the egress's. */
#include "host/nginx_proc.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/site_config.h"
#include "host/nginx_conf.h"

/* What any program of the system needs to start. */
#define PROGRAM                                                                                    \
    { "/usr/sbin/nginx", "/usr/sbin/nginx", SL_PATH_READ | SL_PATH_EXEC },                         \
        { "/usr/lib", "/usr/lib", SL_PATH_READ | SL_PATH_EXEC },                                   \
        { "/usr/lib", "/lib", SL_PATH_READ | SL_PATH_EXEC },                                       \
        { "/usr/lib64", "/lib64", SL_PATH_READ | SL_PATH_EXEC | SL_PATH_OPTIONAL },                \
        { "/etc/ld.so.cache", "/etc/ld.so.cache", SL_PATH_READ | SL_PATH_OPTIONAL },               \
        { "/etc/ssl", "/etc/ssl", SL_PATH_READ | SL_PATH_OPTIONAL },                               \
    {                                                                                              \
        "/dev/null", "/dev/null", SL_PATH_READ | SL_PATH_WRITE | SL_PATH_DEVICE                    \
    }

static const sl_confine_path front_paths[] = {
    PROGRAM,
    { "run/conf/front.conf", "/nginx.conf", SL_PATH_READ },
    { "run/front", "/run", SL_PATH_READ | SL_PATH_WRITE },
    { "tls", "/tls", SL_PATH_READ | SL_PATH_OPTIONAL },
    { "run/sock/ask.sock", "/ask.sock", SL_PATH_SOCKET },
};

static const sl_confine_path egress_paths[] = {
    PROGRAM,
    { "run/conf/egress.conf", "/nginx.conf", SL_PATH_READ },
    { "run/egress", "/run", SL_PATH_READ | SL_PATH_WRITE },
    { "run/counted", "/counted", SL_PATH_READ | SL_PATH_WRITE },
    { "credentials", "/credentials", SL_PATH_READ | SL_PATH_OPTIONAL },
    { "/usr/share/ca-certificates", "/usr/share/ca-certificates", SL_PATH_READ | SL_PATH_OPTIONAL },
    { "/etc/resolv.conf", "/etc/resolv.conf", SL_PATH_READ | SL_PATH_OPTIONAL },
    { "/etc/hosts", "/etc/hosts", SL_PATH_READ | SL_PATH_OPTIONAL },
    { "/etc/nsswitch.conf", "/etc/nsswitch.conf", SL_PATH_READ | SL_PATH_OPTIONAL },
};

static const sl_confine_profile front_profile = {
    .name = "front",
    .may = SL_MAY_FILES | SL_MAY_CONNECT | SL_MAY_ACCEPT | SL_MAY_FORK | SL_MAY_EXEC,
    .paths = front_paths,
    .path_count = SL_COUNT_OF(front_paths),
    .files_max = 4096,
};

static const sl_confine_profile egress_profile = {
    .name = "egress",
    .may = SL_MAY_FILES | SL_MAY_NET | SL_MAY_ACCEPT | SL_MAY_FORK | SL_MAY_EXEC,
    .paths = egress_paths,
    .path_count = SL_COUNT_OF(egress_paths),
    .files_max = 4096,
};

static const char *const arguments[] = { "-e", "stderr", "-p", "/run", "-c", "/nginx.conf", NULL };

/* A C string of a view, in the arena; NULL for an empty one. SL_E_LIMIT. */
static sl_res c_string(sl_arena *arena, sl_view v, const char **ret)
{
    *ret = NULL;
    if (v.n != 0) {
        sl_view copy;
        SL_TRY(sl_arena_dup(arena, v, &copy));
        *ret = (const char *)copy.p;
    }
    return SL_DONE;
}

static sl_res configure_front(sl_view site_config, sl_buf *out)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 4 * SL_MIB };
    static sl_site_config c; /* large */
    SL_TRY(sl_site_config_read(&arena, site_config, &c));
    sl_nginx_front front = { .run_dir = "/run",
                             .ask_socket = "/ask.sock",
                             .body_bytes_max = (size_t)c.front.body_bytes_max,
                             .workers = 2,
                             .connections_max = (unsigned)c.front.connections_max,
                             .per_source_max = (unsigned)c.front.per_source_max };
    SL_TRY(c_string(&arena, c.front.listen, &front.listen));
    SL_TRY(c_string(&arena, c.front.certificate, &front.tls_cert));
    SL_TRY(c_string(&arena, c.front.key, &front.tls_key));
    return sl_nginx_front_write(&front, out);
}

/* "https://host:port/path", "http://...", "unix:PATH", "scgi:PATH"; `base` stands for a path that is not there. */
static sl_res read_url(sl_arena *arena, sl_view url, const char *base, sl_nginx_upstream *u)
{
    static const struct {
        const char *prefix;
        sl_upstream_kind kind;
        unsigned port;
    } kinds[] = {
        { "https://", SL_UPSTREAM_HTTPS, 443 },
        { "http://", SL_UPSTREAM_HTTP, 80 },
        { "unix:", SL_UPSTREAM_HTTP_UNIX, 0 },
        { "scgi:", SL_UPSTREAM_SCGI_UNIX, 0 },
    };
    size_t k = 0;
    while (k < SL_COUNT_OF(kinds) && !sl_view_starts(url, sl_view_str(kinds[k].prefix))) {
        k++;
    }
    if (k == SL_COUNT_OF(kinds)) {
        return sl_fail_at(SL_E_CONFIG, "upstream url", SL_NOWHERE);
    }
    sl_view rest = sl_view_sub(url, strlen(kinds[k].prefix), url.n);
    u->kind = kinds[k].kind;
    u->port = kinds[k].port;
    u->base_path = base;
    if (u->port == 0) {
        return c_string(arena, rest, &u->host);
    }
    size_t slash = sl_view_find_byte(rest, '/', 0);
    sl_view host = sl_view_sub(rest, 0, slash);
    if (slash != SIZE_MAX) {
        sl_view path = sl_view_sub(rest, slash, rest.n);
        while (path.n != 0 && path.p[path.n - 1] == '/') {
            path.n--;
        }
        u->base_path = "";
        SL_TRY(path.n == 0 ? SL_DONE : c_string(arena, path, &u->base_path));
    }
    sl_view name;
    sl_view port;
    bool bracket = host.n != 0 && host.p[0] == '['; /* an IPv6 address holds colons of its own */
    size_t end = bracket ? sl_view_find_byte(host, ']', 0) : 0;
    size_t colon = sl_view_find_byte(host, ':', end == SIZE_MAX ? 0 : end);
    name = sl_view_sub(host, 0, colon);
    if (colon != SIZE_MAX) {
        uint64_t number = 0;
        port = sl_view_sub(host, colon + 1, host.n);
        SL_TRY(sl_parse_u64(port, 65535, &number));
        u->port = (unsigned)number;
    }
    return c_string(arena, name, &u->host);
}

/* The host's name servers, as nginx wants them: addresses with blanks between. None is no failure: a
 * witness that is given by its address needs none. */
static sl_res read_resolvers(sl_buf *out)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_KIB };
    sl_res r = sl_file_read(AT_FDCWD, "/etc/resolv.conf", &text);
    sl_view rest = sl_ok(r) ? sl_buf_view(&text) : (sl_view){ NULL, 0 };
    while (rest.n != 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        sl_view address = sl_view_sub(line, strlen("nameserver "), line.n);
        bool good = sl_view_starts(line, SL_LIT("nameserver ")) && address.n != 0;
        bool v6 = sl_view_find_byte(address, ':', 0) != SIZE_MAX;
        for (size_t i = 0; good && i < address.n; i++) {
            uint8_t c = address.p[i];
            good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '.' || c == ':';
        }
        if (good) {
            SL_TRY(sl_buf_addf(out, v6 ? "%s[%.*s]" : "%s%.*s", out->n != 0 ? " " : "",
                               SL_FMT(address)));
        }
    }
    return SL_DONE;
}

static bool is_address(sl_view host)
{
    bool digits = host.n != 0;
    for (size_t i = 0; i < host.n; i++) {
        digits = digits && ((host.p[i] >= '0' && host.p[i] <= '9') || host.p[i] == '.');
    }
    return digits || (host.n != 0 && host.p[0] == '[');
}

/* Is the name in /etc/hosts, which nginx reads at its start and its resolver does not? */
static bool in_hosts(sl_view hosts, sl_view name)
{
    sl_view rest = hosts;
    while (rest.n != 0) {
        sl_view line;
        sl_view comment;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        (void)sl_view_cut(line, '#', &line, &comment);
        for (size_t from = 0, i = 0; i <= line.n; i++) {
            if (i == line.n || line.p[i] == ' ' || line.p[i] == '\t') {
                if (sl_view_eq_nocase(sl_view_sub(line, from, i), name)) {
                    return true;
                }
                from = i + 1;
            }
        }
    }
    return false;
}

/* A name that nobody can resolve now would keep nginx from starting, and the site with it. */
static void mark_names(sl_nginx_upstream *upstreams, size_t n)
{
    SL_OWN(sl_buf, hosts, sl_buf_free) = { .max = SL_MIB };
    sl_res read = sl_file_read(AT_FDCWD, "/etc/hosts", &hosts);
    for (size_t i = 0; i < n; i++) {
        bool network =
            upstreams[i].kind == SL_UPSTREAM_HTTPS || upstreams[i].kind == SL_UPSTREAM_HTTP;
        sl_view host = network ? sl_view_str(upstreams[i].host) : (sl_view){ NULL, 0 };
        upstreams[i].looked_up =
            network && !is_address(host) && !(sl_ok(read) && in_hosts(sl_buf_view(&hosts), host));
    }
}

/* Witnesses with a place, named by their number in config.yml: the courier asks for "/w3/...". */
static sl_res read_witnesses(sl_arena *arena, const sl_site_config *c, sl_nginx_upstream *to,
                             size_t *ret_n)
{
    static char names[SL_CONFIG_WITNESSES_MAX][8];
    *ret_n = 0;
    for (size_t i = 0; i < c->ledger.witness_count; i++) {
        sl_view url = c->ledger.witnesses[i].url;
        if (url.n == 0) {
            continue;
        }
        (void)snprintf(names[i], sizeof names[i], "w%zu", i);
        sl_nginx_upstream *w = &to[(*ret_n)++];
        *w = (sl_nginx_upstream){ .name = names[i] };
        SL_TRY(read_url(arena, url, "", w));
    }
    return SL_DONE;
}

static sl_res configure_egress(sl_view site_config, sl_buf *out)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 4 * SL_MIB };
    static sl_site_config c; /* large */
    static sl_nginx_upstream upstreams[SL_UPSTREAMS_MAX];
    SL_TRY(sl_site_config_read(&arena, site_config, &c));
    for (size_t i = 0; i < c.egress.upstream_count; i++) {
        const sl_config_upstream *from = &c.egress.upstreams[i];
        upstreams[i] = (sl_nginx_upstream){ .name = NULL };
        SL_TRY(c_string(&arena, from->name, &upstreams[i].name));
        SL_TRY(c_string(&arena, from->credential, &upstreams[i].credential));
        SL_TRY(read_url(&arena, from->url, "/v1", &upstreams[i]));
    }
    mark_names(upstreams, c.egress.upstream_count);
    sl_nginx_egress egress = { .run_dir = "/run",
                               .listen_socket = "egress.sock",
                               .count_socket = "count.sock",
                               .count_dir = "/counted",
                               .body_bytes_max = SL_ASK_BODY_BYTES_MAX,
                               .workers = 2,
                               .connections_max = 4096,
                               .silence_s_max = (unsigned)(c.egress.silence_ms_max / 1000),
                               .upstreams = upstreams,
                               .upstreams_n = c.egress.upstream_count };
    static sl_nginx_upstream witnesses[SL_CONFIG_WITNESSES_MAX];
    SL_OWN(sl_buf, resolvers, sl_buf_free) = { .max = 4096 };
    SL_TRY(read_resolvers(&resolvers));
    SL_NEED(sl_buf_cstr(&resolvers) != NULL, SL_E_MEMORY);
    egress.witness_socket = "witness.sock";
    egress.resolvers = (const char *)resolvers.p;
    egress.witnesses = witnesses;
    SL_TRY(read_witnesses(&arena, &c, witnesses, &egress.witnesses_n));
    SL_TRY(c_string(&arena, c.egress.ca_file, &egress.ca_file));
    return sl_nginx_egress_write(&egress, out);
}

static const sl_proc_external front_program = { "/usr/sbin/nginx", arguments, configure_front };
static const sl_proc_external egress_program = { "/usr/sbin/nginx", arguments, configure_egress };

const sl_proc_decl sl_front_decl = {
    .name = "front",
    .external = &front_program,
    .profile = &front_profile,
    .listens = { { .name = "front", .tcp = "front.listen" } },
};

const sl_proc_decl sl_egress_decl = {
    .name = "egress",
    .external = &egress_program,
    .profile = &egress_profile,
    .listens = { { .name = "egress" }, { .name = "count" }, { .name = "witness" } },
};
