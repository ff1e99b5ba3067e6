/* How fast JSON is read, against jansson on the same texts in the same run, and as gigabytes per second
 * of one core. Prints ratios; never judges. */
#include <jansson.h>
#include <time.h>

#include "base/json.h"
#include "base/limits.h"

#define ROUNDS 40
#define REPEATS 50

static double cpu_s(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void read_ours(sl_view text)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    if (!sl_ok(sl_json_parse(text, &doc))) {
        abort();
    }
}

static void read_jansson(sl_view text)
{
    json_t *value = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    if (value == NULL) {
        abort();
    }
    json_decref(value);
}

/* Best of the rounds, in seconds for one text. */
static double best(void (*work)(sl_view), sl_view text)
{
    double least = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double from = cpu_s();
        for (int i = 0; i < REPEATS; i++) {
            work(text);
        }
        double took = (cpu_s() - from) / REPEATS;
        least = took < least ? took : least;
    }
    return least;
}

static void compare(const char *name, const sl_buf *text)
{
    double ours = best(read_ours, sl_buf_view(text));
    double theirs = best(read_jansson, sl_buf_view(text));
    printf("json %-22s %6zu bytes  %7.1f us  %5.2f GB/s  jansson %7.1f us  ratio %.1f\n", name,
           text->n, ours * 1e6, (double)text->n / ours * 1e-9, theirs * 1e6, theirs / ours);
}

int main(void)
{
    SL_OWN(sl_buf, chat, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, small, sl_buf_free) = { .max = SL_MIB };
    bool made = sl_ok(sl_buf_add_str(&chat, "{\"model\":\"m\",\"messages\":["));
    for (int i = 0; i < 20 && made; i++) {
        made = sl_ok(sl_buf_addf(&chat, "%s{\"role\":\"user\",\"content\":\"", i > 0 ? "," : ""));
        for (int line = 0; line < 12 && made; line++) {
            made =
                sl_ok(sl_buf_add_str(&chat, "The subject reported a mild headache after the second "
                                            "dose; it resolved by itself.\\n"));
        }
        made = made && sl_ok(sl_buf_add_str(&chat, "\"}"));
    }
    made = made && sl_ok(sl_buf_add_str(&chat, "]}")) && sl_ok(sl_buf_add_str(&small, "["));
    for (int i = 0; i < 500 && made; i++) {
        made =
            sl_ok(sl_buf_addf(&small, "%s{\"id\":%d,\"visit\":\"V%d\",\"value\":%d.5,\"ok\":true}",
                              i > 0 ? "," : "", i, i % 12, i * 3));
    }
    if (!made || !sl_ok(sl_buf_add_str(&small, "]"))) {
        return 3;
    }
    compare("chat text", &chat);
    compare("many small values", &small);
    return 0;
}
