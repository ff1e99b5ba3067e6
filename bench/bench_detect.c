/* Speed of detection in CPU time: MB/s of whole texts and nanoseconds per streamed piece, each beside a yardstick
 * of the same run (memchr over the same bytes). Prints the load; asserts no time.
 * usage: bench_detect DENSE.txt [SPARSE.txt ...]   (any text; see docs/performance.md) */
#include <fcntl.h>

#include "base/file.h"
#include "base/limits.h"
#include "detect/stream.h"

#define DOCUMENT_BYTES ((size_t)1024)
#define ROUNDS 3

/* CPU time of this process: other work on the machine does not count. */
static uint64_t cpu_ns(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static double seconds_since(uint64_t begin_ns)
{
    return (double)(cpu_ns() - begin_ns) / 1e9;
}

/* The yardstick: how fast the same bytes can be read at all. */
static double read_speed(sl_view text)
{
    uint64_t begin = cpu_ns();
    size_t count = 0;
    for (size_t at = 0; at < text.n; at += DOCUMENT_BYTES) {
        sl_view part = sl_view_sub(text, at, at + DOCUMENT_BYTES);
        count += memchr(part.p, 0x7F, part.n) != NULL;
    }
    double s = seconds_since(begin);
    return count == SIZE_MAX ? 0 : (double)text.n / s / 1e6;
}

static sl_res whole(const sl_detect *d, sl_scratch *scratch, sl_view text, size_t piece,
                    double *ret_speed, size_t *ret_findings)
{
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begin = cpu_ns();
        *ret_findings = 0;
        for (size_t at = 0; at < text.n; at += piece) {
            sl_findings_clear(&found);
            SL_TRY(sl_detect_inspect(d, scratch, sl_view_sub(text, at, at + piece), SL_CHANNEL_USER,
                                     &found));
            *ret_findings += found.n;
        }
        double s = seconds_since(begin);
        best = s < best ? s : best;
    }
    *ret_speed = (double)text.n / best / 1e6;
    return SL_DONE;
}

/* Answers of 2 KiB in pieces of 4 bytes, as models send them. */
static sl_res streamed(const sl_detect *d, sl_scratch *scratch, const sl_policy *policy,
                       sl_view text, double *ret_ns)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_MIB };
    sl_stream_options options = { .detect = d,
                                  .scratch = scratch,
                                  .policy = policy,
                                  .context = { .door = SL_DOOR_ASK,
                                               .channel = SL_CHANNEL_REASONING } };
    size_t pieces = 0;
    text = sl_view_sub(text, 0, SL_MIB);
    uint64_t begin = cpu_ns();
    for (size_t at = 0; at < text.n; at += 2048) {
        sl_stream *s = NULL;
        SL_TRY(sl_stream_new(&options, &s));
        sl_buf_clear(&out);
        sl_view answer = sl_view_sub(text, at, at + 2048);
        sl_res r = SL_DONE;
        for (size_t i = 0; i < answer.n && sl_ok(r); i += 4, pieces++) {
            r = sl_stream_feed(s, sl_view_sub(answer, i, i + 4), &out);
        }
        sl_stream_free(s);
        SL_TRY(r);
    }
    *ret_ns = (double)(cpu_ns() - begin) / (double)pieces;
    return SL_DONE;
}

static sl_res bench_file(const sl_detect *d, sl_scratch *scratch, const sl_policy *policy,
                         const char *path)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 30 };
    double small = 0;
    double large = 0;
    double ns = 0;
    size_t findings = 0;
    SL_TRY(sl_file_read(AT_FDCWD, path, &text));
    sl_view v = sl_buf_view(&text);
    double yard = read_speed(v);
    SL_TRY(whole(d, scratch, v, DOCUMENT_BYTES, &small, &findings));
    SL_TRY(whole(d, scratch, v, v.n, &large, &findings));
    SL_TRY(streamed(d, scratch, policy, v, &ns));
    printf("%s: %.1f MB, %.1f findings/KB\n", path, (double)v.n / 1e6,
           (double)findings * 1024 / (double)v.n);
    printf("  1 KiB strings   %7.1f MB/s  %5.2f us/KB  ratio to memchr 1:%.0f\n", small,
           1024.0 / small, yard / small);
    printf("  whole file      %7.1f MB/s  %5.2f us/KB  ratio to memchr 1:%.0f\n", large,
           1024.0 / large, yard / large);
    printf("  4-byte pieces   %7.0f ns each\n", ns);
    return SL_DONE;
}

int main(int argc, char **argv)
{
    sl_detect *detect = NULL;
    sl_scratch *scratch = NULL;
    sl_policy *policy = NULL;
    double load[3] = { 0 };
    uint64_t begin = cpu_ns();
    sl_res r = sl_detect_build_default(&detect);
    double built = seconds_since(begin);
    if (sl_ok(r)) {
        r = sl_scratch_new(detect, &scratch);
    }
    if (sl_ok(r)) {
        r = sl_policy_load_default(&policy);
    }
    if (getloadavg(load, 3) > 0) {
        printf("load %.2f, engines built in %.2f s\n", load[0], built);
    }
    for (int i = 1; i < argc && sl_ok(r); i++) {
        r = bench_file(detect, scratch, policy, argv[i]);
    }
    sl_policy_free(policy);
    sl_scratch_free(scratch);
    sl_detect_free(detect);
    if (!sl_ok(r)) {
        fprintf(stderr, "bench_detect: %s\n", sl_res_text(r));
    }
    return sl_res_exit(r);
}
