/* A progress bar on stderr (cli.h). It must stay silent where nobody looks: no terminal, no bar. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"

#define CELLS 24
#define EVERY_MS 100

static uint64_t last_ms;
static bool drawn;

void sl_cli_progress(const char *what, uint64_t done, uint64_t total)
{
    uint64_t now = sl_clock_mono_ns() / 1000000;
    if (isatty(STDERR_FILENO) == 0 || (drawn && now - last_ms < EVERY_MS)) {
        return;
    }
    char bar[CELLS + 1];
    size_t full = total == 0 ? 0 : (size_t)((double)done / (double)total * CELLS);
    full = full > CELLS ? CELLS : full;
    memset(bar, ' ', CELLS);
    memset(bar, '#', full);
    bar[CELLS] = 0;
    (void)fprintf(stderr, "\r%s [%s] %.1f MB", what, bar, (double)done / 1e6);
    (void)fflush(stderr);
    last_ms = now;
    drawn = true;
}

void sl_cli_progress_end(void)
{
    if (drawn) {
        (void)fprintf(stderr, "\r%*s\r", CELLS + 40, "");
        (void)fflush(stderr);
        drawn = false;
    }
}
