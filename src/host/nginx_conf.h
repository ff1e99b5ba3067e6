/* The two nginx configurations of a site: the front that clients meet and the egress that alone
 * has outbound sockets. Pure text: nothing here touches a file or starts a process.
 *
 * It must never let a value break out of its directive: every value is checked against a small
 * alphabet first and refused otherwise. What each directive closes is told in host/README.md,
 * the division of labour in ARCHITECTURE.md section 3. */
#ifndef SL_HOST_NGINX_CONF_H
#define SL_HOST_NGINX_CONF_H

#include "base/bytes.h"
#include "base/res.h"

typedef struct {
    const char *run_dir;        /* absolute; pid file and a temp directory that stays empty */
    const char *user;           /* user for the workers when started as root, else NULL */
    const char *listen;         /* "127.0.0.1:8443", "[::1]:8443" or "unix:/path" */
    const char *tls_cert;       /* PEM chain, NULL for plain HTTP (loopback quickstart only) */
    const char *tls_key;        /* PEM key, with tls_cert */
    const char *ask_socket;     /* path of the ask door's SCGI socket */
    const char *console_socket; /* path of the console's SCGI socket, NULL when there is none */
    size_t body_bytes_max;      /* a longer body is 413; also the size of the memory buffer */
    unsigned workers;           /* 1..64 */
    unsigned connections_max;   /* per worker, 16..65536 */
    unsigned per_source_max;    /* open connections per client address, 0 for no limit */
} sl_nginx_front;

typedef enum {
    SL_UPSTREAM_HTTPS,     /* TLS, certificate verified */
    SL_UPSTREAM_HTTP,      /* plain; only for a server on this host */
    SL_UPSTREAM_HTTP_UNIX, /* plain over a Unix socket */
    SL_UPSTREAM_SCGI_UNIX, /* SCGI over a Unix socket */
} sl_upstream_kind;

typedef struct {
    const char *name; /* [a-z0-9-]{1,32}: the first path segment between door and egress */
    sl_upstream_kind kind;
    const char *host;       /* host name or address, or the socket's path */
    unsigned port;          /* 1..65535; not used for Unix sockets */
    const char *base_path;  /* what replaces "/NAME/v1" upstream, for example "/v1"; may be "" */
    const char *credential; /* absolute path of an include file readable by egress only, or NULL */
    bool looked_up;         /* `host` is a name that only `resolvers` know: asked at each request */
} sl_nginx_upstream;

typedef struct {
    const char *run_dir;
    const char *user;
    const char *listen_socket; /* Unix socket the ask doors connect to */
    const char *count_socket;  /* Unix socket that tells egress's own count, NULL for none */
    const char *count_dir;     /* where egress counts requests by minute, NULL for nowhere */
    const char *ca_file;       /* PEM bundle that upstream certificates are verified against */
    size_t body_bytes_max;
    unsigned workers;
    unsigned connections_max;
    unsigned silence_s_max; /* an upstream that sends nothing for so long is given up, 1..86400 */
    const sl_nginx_upstream *upstreams;
    size_t upstreams_n; /* at most SL_NGINX_UPSTREAMS_MAX */
    /* Unix socket on which the courier reaches the ledger's witnesses, "/NAME/add-checkpoint" for
     * each; NULL for none. Their names are resolved when they are asked, by `resolvers` (addresses
     * with blanks between, or empty): one that is gone keeps nothing from starting. */
    const char *witness_socket;
    const char *resolvers;
    const sl_nginx_upstream *witnesses;
    size_t witnesses_n; /* at most SL_NGINX_UPSTREAMS_MAX */
} sl_nginx_egress;

enum { SL_NGINX_UPSTREAMS_MAX = 64 };

/* Requests are counted in files of `count_dir`: two bytes for each request before it is passed on, in
 * the file named by the last three digits of the minute that the door stamped on it, or "other" when it bore
 * none. Nothing else of a request is in them. */
#define SL_NGINX_COUNT_SLOTS 1000
#define SL_NGINX_COUNT_BYTES 2

/* Append the configuration to `out`. Fails: SL_E_CONFIG with the field's name in the detail when
 * a value is outside its alphabet or range, SL_E_LIMIT when `out` is full; `out` is then
 * unchanged. */
SL_MUST sl_res sl_nginx_front_write(const sl_nginx_front *front, sl_buf *out);
SL_MUST sl_res sl_nginx_egress_write(const sl_nginx_egress *egress, sl_buf *out);

/* Append the include file that gives one upstream's credential: `header` is the field's name
 * ("Authorization" or "x-api-key"), `value` its value. The result is a secret: write it mode 0400
 * for egress's user and wipe the buffer. Fails: SL_E_CONFIG. */
SL_MUST sl_res sl_nginx_credential_write(const char *header, const char *value, sl_buf *out);

#endif
