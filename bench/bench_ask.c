/* The ask door's core at memory speed, with real detection and without nginx, ledger or sockets:
 * CPU of a request as a + b per KB, and of a streamed event. The yardstick is our JSON parser over
 * the same bytes in the same run; the ratio says what inspection and rewriting cost beside reading.
 *   bench_ask [seconds per measurement, default 1] */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../fuzz/ask_fuzz.h"

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void must(sl_res r)
{
    if (!sl_ok(r)) {
        (void)fprintf(stderr, "bench_ask: %s\n", sl_res_text(r));
        exit(3);
    }
}

/* Ordinary clinical prose; a rare identifier, as in life. */
static void put_prose(sl_buf *out, size_t bytes)
{
    static const char *const sentences[] = {
        "The patient tolerated the second infusion well and reported mild fatigue only. ",
        "Laboratory values stayed within the reference range at every visit so far. ",
        "Dose was kept at the planned level; no action was taken with the study drug. ",
        "Please summarise the narrative below in two sentences for the safety board. ",
    };
    for (size_t i = 0; out->n < bytes; i++) {
        must(sl_buf_add_str(out, sentences[i % SL_COUNT_OF(sentences)]));
        if (i % 40 == 39) {
            must(sl_buf_add_str(out, "Reach the site at (212) 555-0187. "));
        }
    }
}

static void put_request(sl_buf *out, size_t bytes)
{
    must(sl_buf_add_str(out, "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\","
                             "\"content\":\""));
    put_prose(out, out->n + bytes);
    must(sl_buf_add_str(out, "\"}]}"));
}

static double parse_us(const sl_buf *body, double seconds)
{
    double began = cpu_s();
    unsigned n = 0;
    while (cpu_s() - began < seconds) {
        SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
        must(sl_json_parse(sl_buf_view(body), &doc));
        n++;
    }
    return (cpu_s() - began) * 1e6 / n;
}

static double request_us(const sl_buf *body, double seconds)
{
    SL_OWN(sl_buf, scgi, sl_buf_free) = { .max = 1 << 22 };
    fuzz_wrap(&scgi, "/v1/chat/completions", sl_buf_view(body));
    double began = cpu_s();
    unsigned n = 0;
    while (cpu_s() - began < seconds) {
        fuzz_run r;
        fuzz_begin(&r);
        fuzz_client(&r, sl_buf_view(&scgi), scgi.n);
        assert(r.connected);
        fuzz_end(&r);
        n++;
    }
    return (cpu_s() - began) * 1e6 / n;
}

/* One stream of events of a few words each; microseconds for each event. */
static double event_us(double seconds, unsigned events)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_buf, scgi, sl_buf_free) = { .max = 65536 };
    SL_OWN(sl_buf, prose, sl_buf_free) = { .max = 1 << 20 };
    put_request(&body, 100);
    put_prose(&prose, (size_t)events * 8);
    fuzz_wrap(&scgi, "/v1/chat/completions", sl_buf_view(&body));
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    double spent = 0;
    unsigned n = 0;
    while (spent < seconds) {
        fuzz_run r;
        fuzz_begin(&r);
        fuzz_client(&r, sl_buf_view(&scgi), scgi.n);
        sl_ask_door_upstream_bytes(r.door, sl_view_of(head, sizeof head - 1), FUZZ_NOW);
        double began = cpu_s();
        for (unsigned i = 0; i < events; i++) {
            char event[256];
            int size = snprintf(event, sizeof event,
                                "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\","
                                "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%.8s\"},"
                                "\"finish_reason\":null}]}\n\n",
                                (const char *)prose.p + (size_t)i * 8);
            sl_ask_door_upstream_bytes(r.door, sl_view_of(event, (size_t)size), FUZZ_NOW);
            fuzz_pump(&r);
        }
        spent += cpu_s() - began;
        n += events;
        fuzz_end(&r);
    }
    return spent * 1e6 / n;
}

/* Requests of several sizes: microseconds for each, and as a line. */
static void print_sizes(const char *what, double seconds)
{
    static const size_t sizes[] = { 1024, 4096, 16384, 65536 };
    double us[SL_COUNT_OF(sizes)];
    for (size_t i = 0; i < SL_COUNT_OF(sizes); i++) {
        SL_OWN(sl_buf, body, sl_buf_free) = { .max = 1 << 20 };
        put_request(&body, sizes[i]);
        double parse = parse_us(&body, seconds / 4);
        us[i] = request_us(&body, seconds);
        (void)printf(
            "%s, request of %3zu KB: %8.1f us of CPU, %6.1f times the JSON parser (%.1f us)\n",
            what, sizes[i] / 1024, us[i], us[i] / parse, parse);
    }
    size_t last = SL_COUNT_OF(sizes) - 1;
    double b = (us[last] - us[0]) / ((double)(sizes[last] - sizes[0]) / 1024);
    double a = us[0] - b * (double)sizes[0] / 1024;
    (void)printf("%s: a request is %.1f us + %.2f us per KB, all detectors on\n", what, a, b);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1.0;
    (void)fuzz_site(); /* the engines are built once */
    print_sizes("new", seconds);
    if (sl_ok(sl_scratch_remember(fuzz_site()->scratch, (const uint8_t[32]){ 1 }, SL_MIB))) {
        print_sizes("sent again", seconds);
    }
    (void)printf("an event of a stream is %.2f us (200 events), %.2f us (2000 events)\n",
                 event_us(seconds, 200), event_us(seconds, 2000));
    return 0;
}
