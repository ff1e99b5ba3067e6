/* The nginx configurations: the directives that close the ways round the door stand in them, and no
 * value can break out of its directive. That stock nginx obeys is tried in tests/e2e. */
#include "test.h"

#include "host/nginx_conf.h"

static sl_nginx_front front(void)
{
    return (sl_nginx_front){ .run_dir = "/site/run",
                             .listen = "127.0.0.1:8443",
                             .tls_cert = "/site/tls/cert.pem",
                             .tls_key = "/site/tls/key.pem",
                             .ask_socket = "/site/run/ask.sock",
                             .body_bytes_max = 1048576,
                             .workers = 2,
                             .connections_max = 1024 };
}

static const sl_nginx_upstream one_upstream[] = {
    { .name = "main",
      .kind = SL_UPSTREAM_HTTPS,
      .host = "models.example.org",
      .port = 443,
      .base_path = "/v1",
      .credential = "/site/state/egress/main.conf" },
    { .name = "ngram",
      .kind = SL_UPSTREAM_SCGI_UNIX,
      .host = "/site/run/ngram.sock",
      .base_path = "/v1" },
};

static sl_nginx_egress egress(void)
{
    return (sl_nginx_egress){ .run_dir = "/site/run",
                              .listen_socket = "/site/run/egress.sock",
                              .count_socket = "/site/run/egress-count.sock",
                              .count_dir = "/site/run/counted",
                              .ca_file = "/etc/ssl/certs/ca-certificates.crt",
                              .body_bytes_max = 1048576,
                              .workers = 1,
                              .connections_max = 1024,
                              .silence_s_max = 300,
                              .upstreams = one_upstream,
                              .upstreams_n = 2 };
}

static void holds(const sl_buf *text, const char *needle)
{
    if (sl_view_find(sl_buf_view(text), sl_view_str(needle), 0) == SIZE_MAX) {
        print_error("missing: %s\n", needle);
        fail();
    }
}

static void the_front_closes_what_it_must(void **state)
{
    static const char *const needles[] = {
        "scgi_buffering off;",
        "access_log off;",
        "error_log stderr emerg;",
        "client_max_body_size 1048576;",
        "client_body_buffer_size 1048576;",
        "client_body_in_single_buffer on;",
        "scgi_pass_request_headers off;",
        "scgi_param HTTP_UPGRADE $http_upgrade;",
        "gzip off;",
        "scgi_max_temp_file_size 0;",
        "listen 127.0.0.1:8443 ssl http2",
        "scgi_pass unix:/site/run/ask.sock;",
        "error_page 413 @refused_413;",
        "server_tokens off;",
    };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 65536 };
    sl_nginx_front f = front();
    assert_done(sl_nginx_front_write(&f, &text));
    for (size_t i = 0; i < SL_COUNT_OF(needles); i++) {
        holds(&text, needles[i]);
    }
}

static void egress_reaches_named_upstreams_only(void **state)
{
    static const char *const needles[] = {
        "listen unix:/site/run/egress.sock backlog=4096;",
        "location = /main/v1/chat/completions {",
        "include /site/state/egress/main.conf;",
        "proxy_pass https://up_main/v1/chat/completions;",
        "proxy_ssl_verify on;",
        "proxy_ssl_name models.example.org;",
        "proxy_ssl_server_name on;",
        "X-Accel-Redirect",
        "proxy_buffering off;",
        "Accept-Encoding identity",
        "proxy_pass_request_headers off;",
        "return 404;",
        "stub_status;",
        "access_log /site/run/counted/$stoplog_count count;",
        "log_format count \".\";",
        "scgi_pass up_ngram;",
        "server unix:/site/run/ngram.sock",
    };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 65536 };
    sl_nginx_egress e = egress();
    assert_done(sl_nginx_egress_write(&e, &text));
    for (size_t i = 0; i < SL_COUNT_OF(needles); i++) {
        holds(&text, needles[i]);
    }
}

static void the_courier_reaches_witnesses_and_nobody_else(void **state)
{
    static const sl_nginx_upstream witnesses[] = {
        { .name = "w0",
          .kind = SL_UPSTREAM_HTTPS,
          .host = "w.example",
          .port = 443,
          .base_path = "/a" },
        { .name = "w2", .kind = SL_UPSTREAM_HTTP_UNIX, .host = "/w.sock", .base_path = "" },
    };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 65536 };
    sl_nginx_egress e = egress();
    e.witness_socket = "/site/run/witness.sock";
    e.resolvers = "127.0.0.53 [::1]";
    e.witnesses = witnesses;
    e.witnesses_n = 2;
    assert_done(sl_nginx_egress_write(&e, &text));
    holds(&text, "    resolver 127.0.0.53 [::1] valid=60s;");
    holds(&text, "location = /w0/add-checkpoint {");
    /* a name that cannot be resolved must not keep nginx from starting: hence the variable */
    holds(&text, "set $stoplog_to \"w.example:443\";");
    holds(&text, "proxy_pass https://$stoplog_to/a/add-checkpoint;");
    holds(&text, "proxy_pass http://unix:/w.sock:/add-checkpoint;");
    sl_view all = sl_buf_view(&text);
    size_t from = sl_view_find(all, SL_LIT("listen unix:/site/run/witness.sock"), 0);
    size_t to = sl_view_find(all, SL_LIT("listen unix:/site/run/egress.sock"), 0);
    sl_view server = sl_view_sub(all, from, to);
    assert_true(from < to);
    assert_int_equal(sl_view_find(server, SL_LIT("up_main"), 0), SIZE_MAX);
    assert_true(sl_view_find(server, SL_LIT("return 404;"), 0) != SIZE_MAX);
}

static void a_name_may_be_looked_up_at_each_request(void **state)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 65536 };
    sl_nginx_upstream u = one_upstream[0];
    u.looked_up = true;
    sl_nginx_egress e = egress();
    e.upstreams = &u;
    e.upstreams_n = 1;
    assert_done(sl_nginx_egress_write(&e, &text));
    holds(&text, "set $stoplog_to \"models.example.org:443\";");
    holds(&text, "proxy_pass https://$stoplog_to/v1/chat/completions;");
    holds(&text, "proxy_ssl_name models.example.org;");
    assert_int_equal(sl_view_find(sl_buf_view(&text), SL_LIT("upstream up_main"), 0), SIZE_MAX);
}

static void a_value_cannot_leave_its_directive(void **state)
{
    static const char *const evil[] = {
        "/x; root /", "/x\n}", "/x$host", "/x{",      "/x\"",  "/x'",
        "/x y",       "/x#",   "",        "relative", "/x\\n",
    };
    for (size_t i = 0; i < SL_COUNT_OF(evil); i++) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 65536 };
        sl_nginx_front f = front();
        f.ask_socket = evil[i];
        assert_code(sl_nginx_front_write(&f, &text), SL_E_CONFIG);
        sl_nginx_upstream u = one_upstream[0];
        u.credential = evil[i];
        sl_nginx_egress e = egress();
        e.upstreams = &u;
        e.upstreams_n = 1;
        assert_code(sl_nginx_egress_write(&e, &text), SL_E_CONFIG);
        assert_int_equal(text.n, 0);
    }
    static const char *const names[] = { "A", "a/b", "a.b", "", "a b" };
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 65536 };
        sl_nginx_upstream u = one_upstream[0];
        u.name = names[i];
        sl_nginx_egress e = egress();
        e.upstreams = &u;
        e.upstreams_n = 1;
        assert_code(sl_nginx_egress_write(&e, &text), SL_E_CONFIG);
    }
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    sl_nginx_front f = front();
    for (size_t max = 1; max < 4000; max += 97) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = max };
        assert_done(sl_buf_add_str(&text, "#"));
        sl_res r = sl_nginx_front_write(&f, &text);
        assert_true(sl_ok(r) || text.n == 1);
    }
}

static void a_credential_is_one_header(void **state)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 1000 };
    assert_done(sl_nginx_credential_write("Authorization", "Bearer sk-abc_123=", &text));
    assert_view(sl_buf_view(&text), "proxy_set_header Authorization \"Bearer sk-abc_123=\";\n");
    assert_code(sl_nginx_credential_write("Authorization", "x\"; root /", &text), SL_E_CONFIG);
    assert_code(sl_nginx_credential_write("Authorization", "x\r\nHost: y", &text), SL_E_CONFIG);
    assert_code(sl_nginx_credential_write("Authorization", "$uri", &text), SL_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_front_closes_what_it_must),
        cmocka_unit_test(egress_reaches_named_upstreams_only),
        cmocka_unit_test(the_courier_reaches_witnesses_and_nobody_else),
        cmocka_unit_test(a_name_may_be_looked_up_at_each_request),
        cmocka_unit_test(a_value_cannot_leave_its_directive),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
        cmocka_unit_test(a_credential_is_one_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
