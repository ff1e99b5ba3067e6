/* The warden's journal (see journal.h). Record: u32 length, u32 check, event; little-endian. */
#include "respond/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"

#define HEADER_BYTES 8
#define JOURNAL_BYTES_MAX (64 * SL_MIB)

/* FNV-1a: finds torn records, guards against nothing else. */
static uint32_t check_of(sl_view event)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < event.n; i++) {
        h = (h ^ event.p[i]) * 16777619U;
    }
    return h;
}

/* The whole record at the start of `rest`; false when there is none. */
static bool next_record(sl_view rest, sl_view *ret_event)
{
    if (rest.n < HEADER_BYTES) {
        return false;
    }
    size_t n = sl_get_le32(rest.p);
    if (n == 0 || n > SL_LEAF_BYTES_MAX || n > rest.n - HEADER_BYTES) {
        return false;
    }
    sl_view event = sl_view_sub(rest, HEADER_BYTES, HEADER_BYTES + n);
    if (check_of(event) != sl_get_le32(rest.p + 4)) {
        return false;
    }
    *ret_event = event;
    return true;
}

sl_res sl_journal_open(int dir_fd, const char *name, sl_journal *ret, sl_journal_found found,
                       void *context)
{
    SL_OWN(int, fd, sl_fd_close) = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "journal");
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return sl_fail_os(SL_E_IO, "journal");
    }
    SL_OWN(sl_buf, all, sl_buf_free) = { .max = JOURNAL_BYTES_MAX };
    SL_NEED(st.st_size >= 0 && (size_t)st.st_size <= JOURNAL_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_buf_reserve(&all, (size_t)st.st_size + 1));
    SL_TRY(sl_fd_pread_all(fd, all.p, (size_t)st.st_size, 0));
    all.n = (size_t)st.st_size;
    sl_journal journal = { .fd = -1 };
    sl_view event;
    while (next_record(sl_view_sub(sl_buf_view(&all), journal.end, all.n), &event)) {
        SL_TRY(found(context, event));
        journal.end += HEADER_BYTES + event.n;
        journal.waiting++;
    }
    if (ftruncate(fd, (off_t)journal.end) != 0 || fdatasync(fd) != 0) {
        return sl_fail_os(SL_E_IO, "journal");
    }
    journal.fd = fd;
    fd = -1;
    *ret = journal;
    return SL_DONE;
}

void sl_journal_close(sl_journal *journal)
{
    sl_fd_close(&journal->fd);
}

sl_res sl_journal_add(sl_journal *journal, sl_view event)
{
    SL_NEED(event.n > 0 && event.n <= SL_LEAF_BYTES_MAX, SL_E_LIMIT);
    SL_OWN(sl_buf, record, sl_buf_free) = { .max = HEADER_BYTES + SL_LEAF_BYTES_MAX };
    uint8_t header[HEADER_BYTES];
    sl_put_le32(header, (uint32_t)event.n);
    sl_put_le32(header + 4, check_of(event));
    SL_TRY(sl_buf_add(&record, sl_view_of(header, sizeof header)));
    SL_TRY(sl_buf_add(&record, event));
    SL_TRY(sl_fd_pwrite_all(journal->fd, sl_buf_view(&record), journal->end));
    if (fdatasync(journal->fd) != 0) {
        return sl_fail_os(SL_E_IO, "journal");
    }
    journal->end += record.n;
    journal->waiting++;
    return SL_DONE;
}

sl_res sl_journal_done(sl_journal *journal)
{
    if (journal->waiting > 0) {
        journal->waiting--;
    }
    if (journal->waiting == 0 && journal->end > 0) {
        if (ftruncate(journal->fd, 0) != 0) {
            return sl_fail_os(SL_E_IO, "journal");
        }
        journal->end = 0;
    }
    return SL_DONE;
}
