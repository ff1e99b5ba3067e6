/* Text of the nginx front and egress. What it is for is told in nginx_conf.h. It must never write
 * a directive that logs, stores or compresses request data (egress's count is one point for each
 * request), and never leave nginx a choice that the door then does not see: each such choice is
 * closed here and tried in tests/e2e. */
#include "host/nginx_conf.h"

#include <string.h>

enum { CONF_WORD_MAX = 512, CONF_SECRET_MAX = 4096 };

/* The paths a model server may be asked for. Everything else ends at egress with 404. */
static const char *const upstream_paths[] = {
    "/chat/completions", "/completions", "/responses", "/embeddings", "/models", "/messages",
};

static bool in_alphabet(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("/._-:[]@+", c) != NULL);
}

/* A value that cannot end its directive, begin a block, a variable or a comment. */
static sl_res check_word(const char *value, const char *field)
{
    size_t n = value == NULL ? 0 : strnlen(value, CONF_WORD_MAX + 1);
    if (n == 0 || n > CONF_WORD_MAX) {
        return sl_fail_at(SL_E_CONFIG, field, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (!in_alphabet(value[i])) {
            return sl_fail_at(SL_E_CONFIG, field, i);
        }
    }
    return SL_DONE;
}

static sl_res check_optional(const char *value, const char *field)
{
    return value == NULL || value[0] == '\0' ? SL_DONE : check_word(value, field);
}

static sl_res check_path(const char *value, const char *field)
{
    SL_TRY(check_word(value, field));
    return value[0] == '/' ? SL_DONE : sl_fail_at(SL_E_CONFIG, field, 0);
}

static sl_res check_range(size_t value, size_t low, size_t high, const char *field)
{
    return value >= low && value <= high ? SL_DONE : sl_fail_at(SL_E_CONFIG, field, 0);
}

static sl_res put_user(const char *user, sl_buf *out)
{
    return user == NULL ? SL_DONE : sl_buf_addf(out, "user %s;\n", user);
}

/* Every temporary path is one directory that nobody may write to; with buffers as large as the
 * limits nothing ever asks for it, and if something did, nginx would answer 500. */
static sl_res put_no_files(const char *run_dir, sl_buf *out)
{
    static const char *const kinds[] = { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        SL_TRY(sl_buf_addf(out, "    %s_temp_path %s/no-files;\n", kinds[i], run_dir));
    }
    return SL_DONE;
}

static sl_res put_process(const char *run_dir, const char *which, const char *user,
                          unsigned workers, unsigned connections, sl_buf *out)
{
    SL_TRY(put_user(user, out));
    SL_TRY(sl_buf_addf(out, "daemon off;\nworker_processes %u;\npid %s/nginx-%s.pid;\n", workers,
                       run_dir, which));
    return sl_buf_addf(out,
                       "error_log stderr emerg;\nworker_rlimit_core 0;\n"
                       "events {\n    worker_connections %u;\n}\n",
                       connections);
}

static sl_res put_http_common(const char *run_dir, size_t body_max, sl_buf *out)
{
    SL_TRY(sl_buf_add_str(out, "http {\n    access_log off;\n    log_not_found off;\n"
                               "    server_tokens off;\n    gzip off;\n    max_ranges 0;\n"
                               "    merge_slashes off;\n    ignore_invalid_headers on;\n"
                               "    default_type application/octet-stream;\n"
                               "    reset_timedout_connection on;\n    tcp_nodelay on;\n"));
    SL_TRY(sl_buf_addf(out,
                       "    client_max_body_size %zu;\n    client_body_buffer_size %zu;\n"
                       "    client_body_in_single_buffer on;\n    client_body_in_file_only off;\n",
                       body_max, body_max));
    return put_no_files(run_dir, out);
}

/* The only facts of a request that reach a door. Header fields are named one by one, so that a
 * new field of a client is never passed unseen. */
static sl_res put_scgi_params(sl_buf *out)
{
    static const char *const params[][2] = {
        { "SCGI", "1" },
        { "REQUEST_METHOD", "$request_method" },
        { "REQUEST_URI", "$request_uri" },
        { "SERVER_PROTOCOL", "$server_protocol" },
        { "REMOTE_ADDR", "$remote_addr" },
        { "CONTENT_TYPE", "$content_type" },
        { "HTTP_AUTHORIZATION", "$http_authorization" },
        { "HTTP_X_API_KEY", "$http_x_api_key" },
        { "HTTP_ACCEPT", "$http_accept" },
        { "HTTP_CONTENT_ENCODING", "$http_content_encoding" },
        { "HTTP_TRANSFER_ENCODING", "$http_transfer_encoding" },
        { "HTTP_UPGRADE", "$http_upgrade" },
        { "HTTP_EXPECT", "$http_expect" },
        { "HTTP_RANGE", "$http_range" },
        { "HTTP_ANTHROPIC_VERSION", "$http_anthropic_version" },
        { "HTTP_ANTHROPIC_BETA", "$http_anthropic_beta" },
        { "HTTP_OPENAI_BETA", "$http_openai_beta" },
        { "HTTP_X_STOPLOG_PURPOSE", "$http_x_stoplog_purpose" },
        { "HTTP_X_STOPLOG_CONVERSATION", "$http_x_stoplog_conversation" },
    };
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        SL_TRY(sl_buf_addf(out, "    scgi_param %s %s;\n", params[i][0], params[i][1]));
    }
    return sl_buf_add_str(out, "    scgi_pass_request_headers off;\n    scgi_buffering off;\n"
                               "    scgi_buffer_size 32k;\n    scgi_buffers 8 32k;\n"
                               "    scgi_request_buffering on;\n    scgi_max_temp_file_size 0;\n"
                               "    scgi_ignore_client_abort off;\n"
                               "    scgi_intercept_errors off;\n    scgi_next_upstream off;\n"
                               "    scgi_store off;\n    scgi_read_timeout 3600s;\n"
                               "    scgi_send_timeout 30s;\n    scgi_connect_timeout 5s;\n"
                               "    scgi_ignore_headers X-Accel-Redirect X-Accel-Expires "
                               "X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset "
                               "Expires Cache-Control Set-Cookie Vary;\n");
}

/* What the front itself turns away is still answered and recorded by the door. The body is not
 * passed; only the status tells why. */
static sl_res put_refusals(const char *ask_socket, sl_buf *out)
{
    static const unsigned refused[] = { 413, 414, 429, 431 };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        SL_TRY(sl_buf_addf(out, "        error_page %u @refused_%u;\n", refused[i], refused[i]));
        SL_TRY(sl_buf_addf(out,
                           "        location @refused_%u {\n"
                           "            scgi_pass_request_body off;\n"
                           "            scgi_param SCGI 1;\n"
                           "            scgi_param REQUEST_METHOD $request_method;\n"
                           "            scgi_param REQUEST_URI $request_uri;\n"
                           "            scgi_param REMOTE_ADDR $remote_addr;\n"
                           "            scgi_param STOPLOG_FRONT %u;\n"
                           "            scgi_pass unix:%s;\n        }\n",
                           refused[i], refused[i], ask_socket));
    }
    return SL_DONE;
}

static sl_res put_tls(const sl_nginx_front *front, sl_buf *out)
{
    if (front->tls_cert == NULL) {
        return sl_buf_addf(out, "        listen %s backlog=1024;\n", front->listen);
    }
    SL_TRY(sl_buf_addf(out, "        listen %s ssl http2 backlog=1024;\n", front->listen));
    return sl_buf_addf(out,
                       "        ssl_certificate %s;\n        ssl_certificate_key %s;\n"
                       "        ssl_protocols TLSv1.2 TLSv1.3;\n        ssl_session_tickets off;\n"
                       "        ssl_session_cache shared:tls:1m;\n"
                       "        http2_max_concurrent_streams 64;\n",
                       front->tls_cert, front->tls_key);
}

static sl_res put_front_server(const sl_nginx_front *front, sl_buf *out)
{
    SL_TRY(sl_buf_add_str(out, "    client_header_timeout 10s;\n    client_body_timeout 15s;\n"
                               "    send_timeout 60s;\n    keepalive_timeout 60s;\n"
                               "    keepalive_requests 10000;\n    lingering_close always;\n"
                               "    client_header_buffer_size 2k;\n"
                               "    large_client_header_buffers 4 8k;\n"));
    SL_TRY(put_scgi_params(out));
    if (front->per_source_max != 0) {
        SL_TRY(sl_buf_addf(out,
                           "    limit_conn_zone $binary_remote_addr zone=source:1m;\n"
                           "    limit_conn source %u;\n    limit_conn_status 429;\n"
                           "    limit_conn_log_level error;\n",
                           front->per_source_max));
    }
    SL_TRY(sl_buf_add_str(out, "    server {\n"));
    SL_TRY(put_tls(front, out));
    SL_TRY(put_refusals(front->ask_socket, out));
    if (front->console_socket != NULL) {
        SL_TRY(sl_buf_addf(out,
                           "        location /console/ {\n            scgi_pass unix:%s;\n"
                           "        }\n",
                           front->console_socket));
    }
    return sl_buf_addf(
        out, "        location / {\n            scgi_pass unix:%s;\n        }\n    }\n}\n",
        front->ask_socket);
}

static sl_res check_front(const sl_nginx_front *front)
{
    SL_TRY(check_path(front->run_dir, "run_dir"));
    SL_TRY(check_optional(front->user, "user"));
    SL_TRY(check_word(front->listen, "listen"));
    SL_TRY(check_path(front->ask_socket, "ask_socket"));
    SL_TRY(check_optional(front->console_socket, "console_socket"));
    if (front->tls_cert != NULL) {
        SL_TRY(check_path(front->tls_cert, "tls_cert"));
        SL_TRY(check_path(front->tls_key, "tls_key"));
    }
    SL_TRY(check_range(front->body_bytes_max, 1024, (size_t)1 << 30, "body_bytes_max"));
    SL_TRY(check_range(front->workers, 1, 64, "workers"));
    return check_range(front->connections_max, 16, 65536, "connections_max");
}

static sl_res front_text(const sl_nginx_front *front, sl_buf *out)
{
    SL_TRY(put_process(front->run_dir, "front", front->user, front->workers, front->connections_max,
                       out));
    SL_TRY(put_http_common(front->run_dir, front->body_bytes_max, out));
    return put_front_server(front, out);
}

/* Drop what a failed writer left behind: nothing half done. */
static sl_res all_or_nothing(sl_res r, size_t n_before, sl_buf *out)
{
    if (!sl_ok(r)) {
        out->n = n_before;
    }
    return r;
}

sl_res sl_nginx_front_write(const sl_nginx_front *front, sl_buf *out)
{
    SL_TRY(check_front(front));
    size_t n_before = out->n;
    return all_or_nothing(front_text(front, out), n_before, out);
}

static bool is_unix(sl_upstream_kind kind)
{
    return kind == SL_UPSTREAM_HTTP_UNIX || kind == SL_UPSTREAM_SCGI_UNIX;
}

static sl_res check_upstream(const sl_nginx_upstream *u)
{
    SL_TRY(check_word(u->name, "upstream.name"));
    size_t n = strlen(u->name);
    SL_TRY(check_range(n, 1, 32, "upstream.name"));
    for (size_t i = 0; i < n; i++) {
        char c = u->name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return sl_fail_at(SL_E_CONFIG, "upstream.name", i);
        }
    }
    SL_TRY(check_optional(u->base_path, "upstream.base_path"));
    if (u->credential != NULL) {
        SL_TRY(check_path(u->credential, "upstream.credential"));
    }
    if (is_unix(u->kind)) {
        return check_path(u->host, "upstream.host");
    }
    SL_TRY(check_word(u->host, "upstream.host"));
    return check_range(u->port, 1, 65535, "upstream.port");
}

static sl_res check_egress(const sl_nginx_egress *egress)
{
    SL_TRY(check_path(egress->run_dir, "run_dir"));
    SL_TRY(check_optional(egress->user, "user"));
    SL_TRY(check_word(egress->listen_socket, "listen_socket"));
    SL_TRY(check_optional(egress->count_socket, "count_socket"));
    SL_TRY(check_optional(egress->count_dir, "count_dir"));
    SL_TRY(check_path(egress->ca_file, "ca_file"));
    SL_TRY(check_range(egress->body_bytes_max, 1024, (size_t)1 << 30, "body_bytes_max"));
    SL_TRY(check_range(egress->workers, 1, 64, "workers"));
    SL_TRY(check_range(egress->connections_max, 16, 65536, "connections_max"));
    SL_TRY(check_range(egress->silence_s_max, 1, 86400, "silence_s_max"));
    SL_TRY(check_range(egress->upstreams_n, 0, SL_NGINX_UPSTREAMS_MAX, "upstreams"));
    for (size_t i = 0; i < egress->upstreams_n; i++) {
        SL_TRY(check_upstream(&egress->upstreams[i]));
    }
    SL_TRY(check_optional(egress->witness_socket, "witness_socket"));
    SL_TRY(check_range(egress->witnesses_n, 0, SL_NGINX_UPSTREAMS_MAX, "witnesses"));
    for (size_t i = 0; i < egress->witnesses_n; i++) {
        SL_TRY(check_upstream(&egress->witnesses[i]));
    }
    return SL_DONE;
}

static sl_res put_servers(const sl_nginx_egress *egress, sl_buf *out)
{
    for (size_t i = 0; i < egress->upstreams_n; i++) {
        const sl_nginx_upstream *u = &egress->upstreams[i];
        if (u->looked_up) {
            continue;
        }
        SL_TRY(sl_buf_addf(out, "    upstream up_%s {\n        server ", u->name));
        if (is_unix(u->kind)) {
            SL_TRY(sl_buf_addf(out, "unix:%s", u->host));
        } else {
            SL_TRY(sl_buf_addf(out, "%s:%u", u->host, u->port));
        }
        SL_TRY(sl_buf_add_str(out, " max_fails=0;\n        keepalive 64;\n    }\n"));
    }
    return SL_DONE;
}

/* One exact location per upstream and path: nothing else has a way out. */
static sl_res put_location(const sl_nginx_upstream *u, const char *path, sl_buf *out)
{
    const char *base = u->base_path == NULL ? "" : u->base_path;
    SL_TRY(sl_buf_addf(out, "        location = /%s/v1%s {\n", u->name, path));
    if (u->kind == SL_UPSTREAM_SCGI_UNIX) {
        SL_TRY(sl_buf_addf(out,
                           "            scgi_param REQUEST_URI %s%s;\n"
                           "            scgi_param REQUEST_METHOD $request_method;\n"
                           "            scgi_param CONTENT_TYPE application/json;\n"
                           "            scgi_param SCGI 1;\n"
                           "            scgi_pass up_%s;\n        }\n",
                           base, path, u->name));
        return SL_DONE;
    }
    if (u->credential != NULL) {
        SL_TRY(sl_buf_addf(out, "            include %s;\n", u->credential));
    }
    SL_TRY(sl_buf_addf(out,
                       "            proxy_set_header Host %s;\n"
                       "            proxy_set_header Connection \"\";\n"
                       "            proxy_set_header Content-Type application/json;\n"
                       "            proxy_set_header Accept \"application/json, "
                       "text/event-stream\";\n"
                       "            proxy_set_header Accept-Encoding identity;\n"
                       "            proxy_set_header anthropic-version "
                       "$http_anthropic_version;\n",
                       is_unix(u->kind) ? "upstream" : u->host));
    if (u->kind == SL_UPSTREAM_HTTPS) {
        SL_TRY(sl_buf_addf(out, "            proxy_ssl_name %s;\n", u->host));
    }
    const char *scheme = u->kind == SL_UPSTREAM_HTTPS ? "https" : "http";
    if (u->looked_up) { /* a name that is not known now must not stop nginx: it may be, later */
        return sl_buf_addf(out,
                           "            set $stoplog_to \"%s:%u\";\n"
                           "            proxy_pass %s://$stoplog_to%s%s;\n        }\n",
                           u->host, u->port, scheme, base, path);
    }
    return sl_buf_addf(out, "            proxy_pass %s://up_%s%s%s;\n        }\n", scheme, u->name,
                       base, path);
}

static sl_res put_locations(const sl_nginx_egress *egress, sl_buf *out)
{
    for (size_t i = 0; i < egress->upstreams_n; i++) {
        for (size_t k = 0; k < sizeof upstream_paths / sizeof upstream_paths[0]; k++) {
            SL_TRY(put_location(&egress->upstreams[i], upstream_paths[k], out));
        }
    }
    return SL_DONE;
}

/* A witness's one path. The variable makes nginx look its name up at the request, not at its start. */
static sl_res put_witness(const sl_nginx_upstream *w, sl_buf *out)
{
    const char *base = w->base_path == NULL ? "" : w->base_path;
    SL_TRY(
        sl_buf_addf(out,
                    "        location = /%s/add-checkpoint {\n"
                    "            proxy_set_header Host %s;\n"
                    "            proxy_set_header Connection \"\";\n"
                    "            proxy_set_header Content-Type text/plain;\n"
                    "            proxy_connect_timeout 2s;\n            proxy_read_timeout 3s;\n",
                    w->name, is_unix(w->kind) ? "witness" : w->host));
    if (is_unix(w->kind)) {
        return sl_buf_addf(out,
                           "            proxy_pass http://unix:%s:%s/add-checkpoint;\n        }\n",
                           w->host, base);
    }
    bool https = w->kind == SL_UPSTREAM_HTTPS;
    if (https) {
        SL_TRY(sl_buf_addf(out, "            proxy_ssl_name %s;\n", w->host));
    }
    return sl_buf_addf(out,
                       "            set $stoplog_to \"%s:%u\";\n"
                       "            proxy_pass %s://$stoplog_to%s/add-checkpoint;\n        }\n",
                       w->host, w->port, https ? "https" : "http", base);
}

static sl_res put_witness_server(const sl_nginx_egress *egress, sl_buf *out)
{
    SL_TRY(sl_buf_addf(out, "    server {\n        listen unix:%s;\n", egress->witness_socket));
    for (size_t i = 0; i < egress->witnesses_n; i++) {
        SL_TRY(put_witness(&egress->witnesses[i], out));
    }
    return sl_buf_add_str(out, "        location / {\n            return 404;\n        }\n    }\n");
}

static sl_res put_egress_defaults(const sl_nginx_egress *egress, sl_buf *out)
{
    SL_TRY(sl_buf_addf(
        out,
        "    proxy_http_version 1.1;\n    proxy_pass_request_headers off;\n"
        "    proxy_buffering off;\n    proxy_buffer_size 32k;\n    proxy_buffers 8 32k;\n"
        "    proxy_request_buffering on;\n    proxy_max_temp_file_size 0;\n"
        "    proxy_store off;\n    proxy_redirect off;\n"
        "    proxy_intercept_errors off;\n    proxy_next_upstream off;\n"
        "    proxy_ignore_client_abort off;\n    proxy_connect_timeout 5s;\n"
        "    proxy_send_timeout 30s;\n    proxy_read_timeout %us;\n"
        "    proxy_ignore_headers X-Accel-Redirect X-Accel-Expires "
        "X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset Expires "
        "Cache-Control Set-Cookie Vary;\n",
        egress->silence_s_max));
    SL_TRY(sl_buf_addf(out,
                       "    scgi_pass_request_headers off;\n    scgi_buffering off;\n"
                       "    scgi_max_temp_file_size 0;\n    scgi_intercept_errors off;\n"
                       "    scgi_next_upstream off;\n    scgi_read_timeout %us;\n"
                       "    scgi_ignore_headers X-Accel-Redirect X-Accel-Expires "
                       "X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset Expires "
                       "Cache-Control Set-Cookie Vary;\n",
                       egress->silence_s_max));
    return sl_buf_addf(out,
                       "    proxy_ssl_verify on;\n    proxy_ssl_verify_depth 4;\n"
                       "    proxy_ssl_server_name on;\n    proxy_ssl_protocols TLSv1.2 TLSv1.3;\n"
                       "    proxy_ssl_session_reuse on;\n"
                       "    proxy_ssl_trusted_certificate %s;\n",
                       egress->ca_file);
}

/* The slot of the minute that the door stamped on a request. One point and a line feed count it. */
static sl_res put_count_map(sl_buf *out)
{
    return sl_buf_add_str(out, "    log_format count \".\";\n"
                               "    map $http_x_stoplog_minute $stoplog_count {\n"
                               "        default other;\n"
                               "        \"~^[0-9]+(?<stoplog_slot>[0-9][0-9][0-9])$\" "
                               "$stoplog_slot;\n    }\n");
}

/* nginx writes a log of a variable name only where the request's root exists. */
static sl_res put_count_log(const sl_nginx_egress *egress, sl_buf *out)
{
    return egress->count_dir == NULL
               ? SL_DONE
               : sl_buf_addf(out,
                             "            root %s;\n"
                             "            access_log %s/$stoplog_count count;\n",
                             egress->count_dir, egress->count_dir);
}

/* A log is written when a request is over, and an egress that dies would take with it what it had passed
 * on. So a request is counted by a subrequest of its own before it is passed on. */
static sl_res put_count_location(const sl_nginx_egress *egress, sl_buf *out)
{
    if (egress->count_dir == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_buf_add_str(out, "        auth_request /counted;\n"
                               "        location = /counted {\n            internal;\n"
                               "            auth_request off;\n"
                               "            log_subrequest on;\n"));
    SL_TRY(put_count_log(egress, out));
    return sl_buf_add_str(out, "            return 204;\n        }\n");
}

static sl_res egress_text(const sl_nginx_egress *egress, sl_buf *out)
{
    SL_TRY(put_process(egress->run_dir, "egress", egress->user, egress->workers,
                       egress->connections_max, out));
    SL_TRY(put_http_common(egress->run_dir, egress->body_bytes_max, out));
    SL_TRY(put_egress_defaults(egress, out));
    SL_TRY(put_servers(egress, out));
    if (egress->resolvers != NULL && egress->resolvers[0] != '\0') {
        SL_TRY(sl_buf_addf(out, "    resolver %s valid=60s;\n    resolver_timeout 2s;\n",
                           egress->resolvers));
    }
    if (egress->count_dir != NULL) {
        SL_TRY(put_count_map(out));
    }
    if (egress->count_socket != NULL) {
        SL_TRY(sl_buf_addf(out,
                           "    server {\n        listen unix:%s;\n"
                           "        location = /count {\n            stub_status;\n        }\n"
                           "        location / {\n            return 404;\n        }\n    }\n",
                           egress->count_socket));
    }
    if (egress->witness_socket != NULL) {
        SL_TRY(put_witness_server(egress, out));
    }
    SL_TRY(sl_buf_addf(out,
                       "    server {\n        listen unix:%s backlog=4096;\n"
                       "        keepalive_timeout 300s;\n        keepalive_requests 100000;\n"
                       "        send_timeout 60s;\n        client_body_timeout 30s;\n",
                       egress->listen_socket));
    SL_TRY(put_count_location(egress, out));
    SL_TRY(put_locations(egress, out));
    SL_TRY(sl_buf_add_str(out, "        location / {\n"));
    SL_TRY(put_count_log(egress, out));
    return sl_buf_add_str(out, "            return 404;\n        }\n    }\n}\n");
}

sl_res sl_nginx_egress_write(const sl_nginx_egress *egress, sl_buf *out)
{
    SL_TRY(check_egress(egress));
    size_t n_before = out->n;
    return all_or_nothing(egress_text(egress, out), n_before, out);
}

sl_res sl_nginx_credential_write(const char *header, const char *value, sl_buf *out)
{
    SL_TRY(check_word(header, "header"));
    size_t n = strnlen(value, CONF_SECRET_MAX + 1);
    SL_TRY(check_range(n, 1, CONF_SECRET_MAX, "credential"));
    for (size_t i = 0; i < n; i++) {
        if (!in_alphabet(value[i]) && strchr(" =~", value[i]) == NULL) {
            return sl_fail_at(SL_E_CONFIG, "credential", i);
        }
    }
    return sl_buf_addf(out, "proxy_set_header %s \"%s\";\n", header, value);
}
