/* Speed of asking an echo index, in CPU time on one core: text of its own kind that is not in it, words of
 * nobody, and the indexed text itself; each form of the loops that this machine has; beside memchr over the
 * same bytes. Prints the load and the size of the index; asserts no time.
 * usage: bench_echo [MEGABYTES]   (indexed; 50 if not given) */
#include "base/limits.h"
#include "detect/echo.h"
#include "notes.h"

#define ASKED_BYTES ((size_t)32 << 20)
#define PIECE_BYTES ((size_t)32768)

static const uint8_t KEY[32] = { 9 };

static double cpu_seconds(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static sl_res make_notes(uint64_t seed, size_t bytes, sl_buf *out)
{
    note_maker maker = { .state = seed };
    out->max = bytes + SL_MIB;
    SL_TRY(sl_buf_reserve(out, bytes + 65536));
    while (out->n < bytes) {
        SL_TRY(note_add(&maker, out));
    }
    return SL_DONE;
}

static sl_res make_words(size_t bytes, sl_buf *out)
{
    note_maker maker = { .state = 77 };
    out->max = bytes + SL_MIB;
    SL_TRY(sl_buf_reserve(out, bytes + 4096));
    while (out->n < bytes) {
        SL_TRY(note_add_name(&maker, out));
        SL_TRY(sl_buf_add_byte(out, ' '));
    }
    return SL_DONE;
}

/* Notes are divided where the next begins; to the index a megabyte of them is one document. */
static sl_res make_index(sl_view text, sl_buf *out)
{
    sl_echo_builder *b = NULL;
    sl_echo_build_options options = { .bytes = text.n };
    SL_TRY(sl_echo_builder_new(KEY, &options, &b));
    sl_res r = SL_DONE;
    for (size_t at = 0; at < text.n && sl_ok(r); at += 4096) {
        r = sl_echo_builder_count(b, sl_view_sub(text, at, at + 4096), at % SL_MIB != 0);
    }
    r = sl_ok(r) ? sl_echo_builder_settle(b) : r;
    r = sl_ok(r) ? sl_echo_builder_source(b, SL_LIT("notes")) : r;
    for (size_t at = 0; at < text.n && sl_ok(r); at += 4096) {
        r = sl_echo_builder_add(b, sl_view_sub(text, at, at + 4096), at % SL_MIB != 0, at, 4096);
    }
    r = sl_ok(r) ? sl_echo_builder_finish(b, out) : r;
    sl_echo_builder_free(b);
    return r;
}

static double read_speed(sl_view text)
{
    double begin = cpu_seconds();
    size_t count = 0;
    for (size_t at = 0; at < text.n; at += PIECE_BYTES) {
        count += memchr(text.p + at, 0x7F, text.n - at < PIECE_BYTES ? text.n - at : PIECE_BYTES) !=
                 NULL;
    }
    double s = cpu_seconds() - begin;
    return count == SIZE_MAX ? 0 : (double)text.n / s / 1e6;
}

static sl_res ask(const sl_echo_index *index, const sl_echo_kernel *kernel, const char *what,
                  sl_view text, size_t piece)
{
    sl_echo_scratch *scratch = NULL;
    sl_echo_scan *scan = NULL;
    SL_OWN(sl_echo_matches, found, sl_echo_matches_free) = { 0 };
    SL_TRY(sl_echo_scratch_new(kernel, &scratch));
    sl_res r = sl_echo_scan_new(index, scratch, &scan);
    size_t matches = 0;
    double begin = cpu_seconds();
    for (size_t at = 0; at < text.n && sl_ok(r); at += piece) {
        r = sl_echo_scan_feed(scan, sl_view_sub(text, at, at + piece), &found);
        matches += found.n;
        found.n = 0;
    }
    double speed = (double)text.n / (cpu_seconds() - begin) / 1e6;
    sl_echo_scan_free(scan);
    sl_echo_scratch_free(scratch);
    printf("%-9s %-30s pieces of %5zu: %7.1f MB/s, 1/%.0f of memchr, %.1f matches a MB\n",
           kernel->name, what, piece, speed, read_speed(text) / speed,
           (double)matches * 1e6 / (double)text.n);
    return r;
}

static sl_res run(size_t bytes, sl_buf texts[3], sl_buf *index_bytes, sl_echo_index **ret_index)
{
    index_bytes->max = SL_ECHO_INDEX_BYTES_MAX;
    SL_TRY(make_notes(1, bytes, &texts[0]));
    double begin = cpu_seconds();
    SL_TRY(make_index(sl_buf_view(&texts[0]), index_bytes));
    double seconds = cpu_seconds() - begin;
    printf("index of %.1f MB: %.2f MB, %.1f kB a MB, built in %.1f s of CPU (%.0f MB/s)\n",
           (double)texts[0].n / 1e6, (double)index_bytes->n / 1e6,
           1e3 * (double)index_bytes->n / (double)texts[0].n, seconds,
           (double)texts[0].n / seconds / 1e6);
    SL_TRY(sl_echo_open(sl_buf_view(index_bytes), KEY, ret_index));
    SL_TRY(make_notes(2, ASKED_BYTES, &texts[1]));
    SL_TRY(make_words(ASKED_BYTES, &texts[2]));
    static const char *const WHAT[] = { "the indexed notes", "other notes", "words of nobody" };
    for (int speed = SL_ECHO_SPEED_COUNT - 1; speed >= SL_ECHO_PORTABLE; speed--) {
        const sl_echo_kernel *kernel = sl_echo_kernel_get((sl_echo_speed)speed);
        for (size_t t = 0; t < 3 && kernel != NULL; t++) {
            sl_view text = sl_view_sub(sl_buf_view(&texts[t]), 0,
                                       speed == SL_ECHO_PORTABLE ? ASKED_BYTES / 8 : ASKED_BYTES);
            SL_TRY(ask(*ret_index, kernel, WHAT[t], text, PIECE_BYTES));
        }
    }
    return ask(*ret_index, sl_echo_kernel_best(), WHAT[1],
               sl_view_sub(sl_buf_view(&texts[1]), 0, SL_MIB), 4);
}

int main(int argc, char **argv)
{
    uint64_t megabytes = 50;
    if (argc > 1 && !sl_ok(sl_parse_u64(sl_view_str(argv[1]), 4000, &megabytes))) {
        (void)fputs("usage: bench_echo [MEGABYTES]\n", stderr);
        return 2;
    }
    double load[1] = { 0 };
    (void)getloadavg(load, 1);
    printf("load %.1f\n", load[0]);
    sl_buf texts[3] = { 0 };
    sl_buf bytes = { 0 };
    sl_echo_index *index = NULL;
    sl_res r = run((size_t)megabytes * 1000000, texts, &bytes, &index);
    sl_echo_index_free(index);
    sl_buf_free(&bytes);
    for (size_t i = 0; i < 3; i++) {
        sl_buf_free(&texts[i]);
    }
    if (!sl_ok(r)) {
        (void)fprintf(stderr, "bench_echo: %s\n", sl_res_text(r));
    }
    return sl_ok(r) ? 0 : 3;
}
