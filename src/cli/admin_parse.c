/* Principals' ids, times, budgets and passphrases as people give them (see admin.h). */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "cli/admin.h"

enum { PRINCIPALS_BYTES_MAX = 4 * 1024 * 1024 };

/* ---- principals ---- */

static bool is_uid(sl_view v)
{
    if (v.n != SL_UID_CHARS) {
        return false;
    }
    for (size_t i = 0; i < v.n; i++) {
        if (memchr("0123456789abcdef", v.p[i], 16) == NULL) {
            return false;
        }
    }
    return true;
}

/* Lines of "id name". */
static bool find_principal(sl_view text, sl_view name, sl_uid ret_id)
{
    while (text.n > 0) {
        sl_view line;
        sl_view id;
        sl_view found;
        (void)sl_view_cut(text, '\n', &line, &text);
        if (sl_view_cut(line, ' ', &id, &found) && sl_view_eq(found, name) && is_uid(id)) {
            memcpy(ret_id, id.p, SL_UID_CHARS);
            ret_id[SL_UID_CHARS] = 0;
            return true;
        }
    }
    return false;
}

static sl_res look_up(int state, sl_view name, bool make, sl_uid ret_id)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = PRINCIPALS_BYTES_MAX };
    sl_res r = sl_file_read(state, "principals", &text);
    if (!sl_ok(r) && !sl_is(r, SL_E_NOT_FOUND)) {
        return r;
    }
    if (find_principal(sl_buf_view(&text), name, ret_id)) {
        return SL_DONE;
    }
    if (!make) {
        return sl_fail_at(SL_E_NOT_FOUND, "principal", SL_NOWHERE);
    }
    uint8_t random[16];
    SL_TRY(sl_random_bytes(random, sizeof random));
    sl_uid_set(ret_id, random);
    SL_TRY(sl_buf_addf(&text, "%s %.*s\n", ret_id, SL_FMT(name)));
    return sl_file_replace(state, "principals", sl_buf_view(&text), 0600);
}

sl_res sl_principal_id(const sl_cli *cli, const char *name, bool make, sl_uid ret_id)
{
    sl_view text = sl_view_str(name);
    if (is_uid(text)) {
        memcpy(ret_id, name, SL_UID_CHARS + 1);
        return SL_DONE;
    }
    if (!sl_name_ok(text)) {
        return sl_fail_at(SL_E_SYNTAX, "principal", SL_NOWHERE);
    }
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    SL_TRY(sl_buf_addf(&path, "%s/state", cli->site));
    const char *path_text = sl_buf_cstr(&path);
    SL_NEED(path_text != NULL, SL_E_MEMORY);
    SL_OWN(int, state, sl_fd_close) = -1;
    SL_TRY(sl_dir_open(AT_FDCWD, path_text, &state));
    /* Two commands at once must not give one name two ids. */
    if (flock(state, LOCK_EX) != 0) {
        return sl_fail_os(SL_E_IO, "state");
    }
    return look_up(state, text, make, ret_id);
}

/* ---- times ---- */

/* Days since 1970 of a date of the Gregorian calendar, which repeats every 400 years. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    static const int16_t before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int64_t past = year - 1;
    int64_t days = past * 365 + past / 4 - past / 100 + past / 400 - 719162;
    return days + before[month - 1] + (leap && month > 2 ? 1 : 0) + day - 1;
}

/* `count` digits at `at`. */
static bool digits(sl_view v, size_t at, size_t count, int64_t *ret)
{
    int64_t value = 0;
    for (size_t i = at; i < at + count; i++) {
        if (i >= v.n || v.p[i] < '0' || v.p[i] > '9') {
            return false;
        }
        value = value * 10 + (v.p[i] - '0');
    }
    *ret = value;
    return true;
}

static bool parse_date(sl_view v, int64_t *ret_ms)
{
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    bool good = digits(v, 0, 4, &year) && digits(v, 5, 2, &month) && digits(v, 8, 2, &day) &&
                v.p[4] == '-' && v.p[7] == '-';
    if (good && v.n != 10) {
        good = v.n == 20 && v.p[10] == 'T' && v.p[13] == ':' && v.p[16] == ':' && v.p[19] == 'Z' &&
               digits(v, 11, 2, &hour) && digits(v, 14, 2, &minute) && digits(v, 17, 2, &second);
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    static const int8_t lengths[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    good = good && year >= 1970 && month >= 1 && month <= 12 && day >= 1 &&
           day <= lengths[month - 1] && hour < 24 && minute < 60 && second < 60;
    if (good && !(month == 2 && day == 29 && !leap)) {
        int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
        *ret_ms = seconds * 1000;
        return true;
    }
    return false;
}

sl_res sl_until_parse(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    sl_view v = sl_view_str(text);
    if (v.n == 10 || v.n == 20) {
        return parse_date(v, ret_ms) ? SL_DONE : sl_fail_at(SL_E_SYNTAX, "time", SL_NOWHERE);
    }
    if (v.n < 2) {
        return sl_fail_at(SL_E_SYNTAX, "time", SL_NOWHERE);
    }
    int64_t unit_ms = v.p[v.n - 1] == 'd'   ? INT64_C(86400000)
                      : v.p[v.n - 1] == 'h' ? INT64_C(3600000)
                      : v.p[v.n - 1] == 'm' ? INT64_C(60000)
                                            : 0;
    uint64_t count = 0;
    if (unit_ms == 0 || !sl_ok(sl_parse_u64(sl_view_sub(v, 0, v.n - 1), 36500, &count))) {
        return sl_fail_at(SL_E_SYNTAX, "time", SL_NOWHERE);
    }
    *ret_ms = now_ms + (int64_t)count * unit_ms;
    return SL_DONE;
}

sl_res sl_budget_parse(const char *text, char unit, int64_t *ret)
{
    sl_view number;
    sl_view rest;
    uint64_t value = 0;
    if (!sl_view_cut(sl_view_str(text), '/', &number, &rest) || rest.n != 1 ||
        rest.p[0] != (uint8_t)unit ||
        !sl_ok(sl_parse_u64(number, (UINT64_C(1) << 53) - 1, &value)) || value == 0) {
        return sl_fail_at(SL_E_SYNTAX, "budget", SL_NOWHERE);
    }
    *ret = (int64_t)value;
    return SL_DONE;
}

/* ---- passphrases ---- */

void sl_passphrase_free(sl_buf *passphrase)
{
    if (passphrase->p != NULL) {
        sl_wipe(passphrase->p, passphrase->cap);
    }
    sl_buf_free(passphrase);
}

/* From standard input, where sl_file_read cannot go: it may be a pipe or a terminal. */
static sl_res read_input(sl_buf *ret)
{
    for (;;) {
        SL_TRY(sl_buf_reserve(ret, 1));
        ssize_t n = read(STDIN_FILENO, ret->p + ret->n, 1);
        if (n < 0) {
            return sl_fail_os(SL_E_IO, "standard input");
        }
        if (n == 0 || ret->p[ret->n] == '\n') {
            return SL_DONE;
        }
        ret->n++;
    }
}

sl_res sl_passphrase_read(const char *path, sl_buf *ret)
{
    /* Room at once, so that no copy is left behind by growing. */
    SL_TRY(sl_buf_reserve(ret, ret->max));
    if (strcmp(path, "-") == 0) {
        SL_TRY(read_input(ret));
    } else {
        SL_TRY(sl_file_read(AT_FDCWD, path, ret));
    }
    size_t end = sl_view_find_byte(sl_buf_view(ret), '\n', 0);
    ret->n = end < ret->n ? end : ret->n;
    if (ret->n == 0) {
        return sl_fail_at(SL_E_MISSING_FIELD, "passphrase", SL_NOWHERE);
    }
    return SL_DONE;
}
