/* Sealing and opening of objects against bare AES-256-GCM in pieces of 16 KiB, in the same run.
 * Prints ratios and the load; asserts nothing. */
#include <unistd.h>

#include "crypto/seal.h"

enum { MESSAGE_BYTES = 64 << 20 };

/* CPU time, as `openssl speed` counts it: neighbours on the machine then weigh on both alike. */
static double cpu_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* `openssl speed -evp aes-256-gcm -bytes 16384`, encrypting, in bytes a second; 0 if it cannot be
 * run here. The pipe is read without a shell. */
static double yardstick(void)
{
    int fds[2];
    char text[4096] = "";
    size_t n = 0;

    if (pipe(fds) != 0) {
        return 0;
    }
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        execlp("openssl", "openssl", "speed", "-mr", "-seconds", "1", "-bytes", "16384", "-evp",
               "aes-256-gcm", (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    for (ssize_t got = 1; got > 0 && n < sizeof text - 1; n += (size_t)(got > 0 ? got : 0)) {
        got = read(fds[0], text + n, sizeof text - 1 - n);
    }
    close(fds[0]);
    const char *line = strstr(text, "+F:");
    const char *last = line != NULL ? strrchr(line, ':') : NULL;
    return last != NULL ? strtod(last + 1, NULL) : 0;
}

int main(void)
{
    uint8_t key[SL_SEAL_KEY_BYTES] = { 1 };
    uint8_t salt[SL_SEAL_SALT_BYTES] = { 2 };
    sl_buf plain = { .max = MESSAGE_BYTES };
    sl_buf sealed = { .max = MESSAGE_BYTES + (1 << 20) };
    sl_buf back = { .max = MESSAGE_BYTES };
    double best_seal = 0;
    double best_open = 0;
    double load = 0;

    if (!sl_ok(sl_buf_reserve(&plain, MESSAGE_BYTES)) ||
        !sl_ok(sl_buf_reserve(&sealed, sealed.max)) || !sl_ok(sl_buf_reserve(&back, back.max))) {
        return 3;
    }
    memset(plain.p, 0x5a, MESSAGE_BYTES);
    memset(sealed.p, 0, sealed.max);
    memset(back.p, 0, back.max);
    plain.n = MESSAGE_BYTES;
    for (int i = 0; i < 5; i++) {
        sl_buf_clear(&sealed);
        sl_buf_clear(&back);
        double start = cpu_s();
        sl_res r = sl_seal_all(key, salt, SL_LIT("bench"), sl_buf_view(&plain), &sealed);
        double s = cpu_s() - start;
        best_seal = MESSAGE_BYTES / s > best_seal ? MESSAGE_BYTES / s : best_seal;
        start = cpu_s();
        if (!sl_ok(r) || !sl_ok(sl_open_all(key, SL_LIT("bench"), sl_buf_view(&sealed), &back))) {
            return 3;
        }
        s = cpu_s() - start;
        best_open = MESSAGE_BYTES / s > best_open ? MESSAGE_BYTES / s : best_open;
    }
    double speed = yardstick();
    (void)getloadavg(&load, 1);
    printf("seal %.2f GB/s, open %.2f GB/s; openssl speed aes-256-gcm %.2f GB/s; ratios %.2f and "
           "%.2f   load %.2f\n",
           best_seal / 1e9, best_open / 1e9, speed / 1e9, speed > 0 ? best_seal / speed : 0,
           speed > 0 ? best_open / speed : 0, load);
    sl_buf_free(&plain);
    sl_buf_free(&sealed);
    sl_buf_free(&back);
    return 0;
}
