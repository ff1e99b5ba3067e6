/* Speed of the injection engine and of flow rules in CPU time: microseconds for a prompt of 2 KiB in each
 * pack, how they grow with the text, beside a yardstick of the same run (a pass of word hashing over the
 * same bytes). Prints the load; asserts no time. usage: bench_inject [FILE] (any text) */
#include <fcntl.h>

#include "base/file.h"
#include "base/limits.h"
#include "detect/flow.h"
#include "detect/inject.h"

#define PROMPT_BYTES ((size_t)2048)
#define ROUNDS 5

static const char SENTENCES[] =
    "The committee met on Tuesday and looked at the minutes of the last visit. Please summarise the "
    "adverse events of site 12 in a table, and leave out what was reported before the first dose. "
    "What does the protocol say about missed doses of metformin, and who has to be told? ";

static uint64_t cpu_ns(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* The yardstick: every byte read once and mixed in. */
static double hash_us(sl_view text)
{
    uint64_t best = UINT64_MAX;
    volatile uint32_t sink = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begin = cpu_ns();
        uint32_t h = 0;
        for (size_t i = 0; i < text.n; i++) {
            h = (h ^ text.p[i]) * 16777619U;
        }
        sink ^= h;
        uint64_t ns = cpu_ns() - begin;
        best = ns < best ? ns : best;
    }
    return sink == 1 ? 0 : (double)best / 1e3; /* the sum is needed, so it is computed */
}

static sl_res inject_us(const sl_inject *in, sl_inject_work *work, sl_view text, size_t piece,
                        double *ret_us)
{
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begin = cpu_ns();
        for (size_t at = 0; at < text.n; at += piece) {
            sl_inject_result result;
            SL_TRY(sl_inject_score(in, work, sl_view_sub(text, at, at + piece), &result));
        }
        uint64_t ns = cpu_ns() - begin;
        best = ns < best ? ns : best;
    }
    *ret_us = (double)best / 1e3 * (double)PROMPT_BYTES / (double)text.n;
    return SL_DONE;
}

static sl_res flow_us(const sl_flow_rules *rules, sl_view text, double *ret_us)
{
    uint64_t begin = cpu_ns();
    size_t n = 0;
    for (size_t at = 0; at + PROMPT_BYTES <= text.n; at += PROMPT_BYTES, n++) {
        sl_flow *flow = NULL;
        sl_flow_findings found = { 0 };
        SL_TRY(sl_flow_new(rules, &flow));
        sl_res r = sl_flow_take(flow, SL_CHANNEL_TOOL_RESULT, 1, (sl_view){ 0 },
                                sl_view_sub(text, at, at + PROMPT_BYTES));
        if (sl_ok(r)) {
            r = sl_flow_answer(flow, SL_LIT("see https://a.example/x"), NULL, &found, NULL);
        }
        sl_flow_free(flow);
        SL_TRY(r);
    }
    *ret_us = n == 0 ? 0 : (double)(cpu_ns() - begin) / 1e3 / (double)n;
    return SL_DONE;
}

static sl_res bench(sl_view text)
{
    static const char *const NAMES[] = { "user", "data" };
    sl_inject_work *work = NULL;
    sl_flow_rules *rules = NULL;
    double us = 0;
    double yard = hash_us(sl_view_sub(text, 0, PROMPT_BYTES));
    SL_TRY(sl_inject_work_new(&work));
    for (sl_inject_channel i = 0; i < SL_INJECT_CHANNELS; i++) {
        sl_inject *in = NULL;
        SL_TRY(sl_inject_open_default(i, &in));
        for (size_t piece = 256; piece <= 262144; piece *= 4) {
            SL_TRY(inject_us(in, work, text, piece, &us));
            printf("inject %s, texts of %6zu bytes: %6.1f us for 2 KiB, 1:%.0f to hashing\n",
                   NAMES[i], piece, us, us / yard);
        }
        sl_inject_free(in);
    }
    SL_TRY(sl_flow_rules_load_default(&rules));
    SL_TRY(flow_us(rules, text, &us));
    printf("flow, 2 KiB taken and judged: %6.1f us\n", us);
    sl_flow_rules_free(rules);
    sl_inject_work_free(work);
    return SL_DONE;
}

int main(int argc, char **argv)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = (size_t)1 << 30 };
    double load[3] = { 0 };
    sl_res r = argc > 1 ? sl_file_read(AT_FDCWD, argv[1], &text) : SL_DONE;
    while (argc == 1 && sl_ok(r) && text.n < SL_MIB) {
        r = sl_buf_add_str(&text, SENTENCES);
    }
    if (getloadavg(load, 3) > 0) {
        printf("load %.2f\n", load[0]);
    }
    if (sl_ok(r)) {
        r = bench(sl_buf_view(&text));
    }
    if (!sl_ok(r)) {
        fprintf(stderr, "bench_inject: %s\n", sl_res_text(r));
    }
    return sl_res_exit(r);
}
