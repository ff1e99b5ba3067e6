/* The worker process and the frames that it sends (worker.h).
 *
 * A frame: u8 kind, u8 class, u16 zero, u32 length, u64 number, then `length` bytes, little endian.
 * 'I' an identifier (number: its record), 'T' a record's text (class: 1 to be kept, 2 it continues;
 * number: the record's offset; bytes: its length, then the text), 'R' a piece of the report, 'E' an error (number: its code,
 * bytes: its offset), 'D' the end (bytes: the inspection in numbers), 'Q' it asks for bytes (number: from
 * where, bytes: how many, u32), which come through a pipe of their own. */
#include "doors/ingest/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/confine_worker.h"
#include "base/file.h"
#include "base/secret.h"
#include "crypto/crypto.h"

enum { HEADER_BYTES = 16, FRAME_BYTES_MAX = 65536 };
/* format, encoding, bytes, records, subjects, identifiers, the scan's class, whether it is complete, its
 * kind and findings, classes..., rules and their counts..., digest */
#define DONE_FIRST ((size_t)10)
#define DONE_RULES (DONE_FIRST + (size_t)SL_CLASS_COUNT)
#define DONE_NUMBERS (DONE_RULES + (size_t)2 * SL_INSPECTION_RULES)
#define DONE_BYTES (DONE_NUMBERS * 8 + SL_DIGEST_BYTES)

/* What is asked for at once fits into an empty pipe: who gives it never waits for who asked. */
enum { PIECE_BYTES_MAX = 32768 };

typedef struct {
    int fd;
    int in; /* bytes that were asked for; -1: there is a file */
    sl_buf out;
} sender;

static sl_res flush(sender *s)
{
    SL_TRY(sl_fd_write_all(s->fd, sl_buf_view(&s->out)));
    sl_buf_clear(&s->out);
    return SL_DONE;
}

static sl_res send_frame(sender *s, char kind, uint8_t about, uint64_t number, sl_view bytes)
{
    uint8_t header[HEADER_BYTES] = { (uint8_t)kind, about };
    sl_put_le32(header + 4, (uint32_t)bytes.n);
    sl_put_le64(header + 8, number);
    if (s->out.n + HEADER_BYTES + bytes.n > s->out.max) {
        SL_TRY(flush(s));
    }
    SL_TRY(sl_buf_add(&s->out, sl_view_of(header, sizeof header)));
    return sl_buf_add(&s->out, bytes);
}

static sl_res send_identifier(void *ctx, sl_class kind, sl_view value, uint64_t record)
{
    return send_frame(ctx, 'I', (uint8_t)kind, record, value);
}

enum { TEXT_KEEP = 1, TEXT_CONTINUES = 2, TEXT_HEAD_BYTES = 8 };

static sl_res send_text(void *ctx, const sl_ingest_text *text)
{
    sender *s = ctx;
    uint8_t length[TEXT_HEAD_BYTES];
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = TEXT_HEAD_BYTES + SL_INGEST_TEXT_BYTES };
    sl_put_le64(length, text->length);
    SL_TRY(sl_buf_add(&bytes, sl_view_of(length, sizeof length)));
    SL_TRY(sl_buf_add(&bytes, text->text));
    uint8_t about =
        (uint8_t)((text->keep ? TEXT_KEEP : 0) | (text->continues ? TEXT_CONTINUES : 0));
    return send_frame(s, 'T', about, text->offset, sl_buf_view(&bytes));
}

static sl_res send_done(sender *s, const sl_inspection *found)
{
    uint8_t bytes[DONE_BYTES];
    const uint64_t first[DONE_FIRST] = {
        (uint64_t)found->format,
        (uint64_t)found->encoding,
        found->bytes,
        found->records,
        found->subjects,
        found->identifiers,
        (uint64_t)found->artefact,
        found->artefact_complete,
        (uint64_t)found->artefact_kind,
        found->artefact_findings,
    };
    for (size_t i = 0; i < DONE_RULES; i++) {
        sl_put_le64(bytes + i * 8, i < DONE_FIRST ? first[i] : found->classes[i - DONE_FIRST]);
    }
    for (size_t i = 0; i < SL_INSPECTION_RULES; i++) {
        uint8_t *at = bytes + (DONE_RULES + 2 * i) * 8;
        sl_put_le64(at, (uint64_t)found->artefact_rules[i].rule);
        sl_put_le64(at + 8, found->artefact_rules[i].count);
    }
    memcpy(bytes + DONE_NUMBERS * 8, found->digest.b, SL_DIGEST_BYTES);
    SL_TRY(send_frame(s, 'D', 0, 0, sl_view_of(bytes, sizeof bytes)));
    return flush(s);
}

static sl_res send_report(sender *s, sl_view report)
{
    for (size_t at = 0; at < report.n; at += FRAME_BYTES_MAX) {
        SL_TRY(send_frame(s, 'R', 0, 0, sl_view_sub(report, at, at + FRAME_BYTES_MAX)));
    }
    return SL_DONE;
}

static sl_res send_error(sender *s, sl_res why)
{
    uint8_t offset[8];
    sl_put_le64(offset, sl_detail_get()->offset);
    SL_TRY(send_frame(s, 'E', 0, (uint64_t)why.code, sl_view_of(offset, sizeof offset)));
    return flush(s);
}

static sl_res receive(int fd, uint8_t *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, p + at, n - at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        SL_NEED(got > 0, SL_E_CLOSED);
        at += (size_t)got;
    }
    return SL_DONE;
}

static sl_res ask_bytes(void *ctx, uint64_t offset, uint8_t *p, size_t n)
{
    sender *s = ctx;
    for (size_t at = 0; at < n;) {
        uint8_t count[4];
        size_t part = n - at < PIECE_BYTES_MAX ? n - at : PIECE_BYTES_MAX;
        sl_put_le32(count, (uint32_t)part);
        SL_TRY(send_frame(s, 'Q', 0, offset + at, sl_view_of(count, sizeof count)));
        SL_TRY(flush(s));
        SL_TRY(receive(s->in, p + at, part));
        at += part;
    }
    return SL_DONE;
}

static sl_res work(sender *s, int fd, sl_view name, sl_view record_id, const sl_ingest_taker *asked)
{
    sl_inspection found;
    SL_OWN(sl_buf, report, sl_buf_free) = { .max = SL_REPORT_BYTES_MAX };
    sl_ingest_taker taker = { .ctx = s,
                              .take = send_identifier,
                              .text = asked->text != NULL ? send_text : NULL,
                              .allow = asked->allow,
                              .headers = asked->headers,
                              .read = asked->read != NULL ? ask_bytes : NULL,
                              .bytes = asked->bytes };
    SL_TRY(sl_ingest_inspect(fd, name, record_id, taker, &found, &report));
    SL_TRY(send_report(s, sl_buf_view(&report)));
    return send_done(s, &found);
}

/* What the child does; never returns. `fd`: the file, or where the bytes come that it asks for. */
static _Noreturn void run_child(int fd, int pipe_fd, sl_view name, sl_view record_id,
                                const sl_ingest_taker *asked, bool confined)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 4 * FRAME_BYTES_MAX };
    sender s = { .fd = pipe_fd, .in = fd, .out = out };
    const int keep[] = { fd, pipe_fd };
    sl_res r = confined ? sl_confine_worker(keep, SL_COUNT_OF(keep)) : SL_DONE;
    if (sl_ok(r)) {
        r = work(&s, fd, name, record_id, asked);
    }
    if (!sl_ok(r)) {
        sl_buf_clear(&s.out);
        r = send_error(&s, r);
    }
    _exit(sl_ok(r) ? 0 : 1);
}

/* Each rule once: what the leaf counts by it could not be written else. */
static sl_res take_rules(sl_inspection *found, const uint64_t *numbers)
{
    for (size_t i = 0; i < SL_INSPECTION_RULES; i++) {
        SL_NEED(numbers[2 * i] < SL_RULE_COUNT, SL_E_SYNTAX);
        found->artefact_rules[i].rule = (sl_rule)numbers[2 * i];
        found->artefact_rules[i].count = numbers[2 * i + 1];
        for (size_t k = 0; k < i && numbers[2 * i + 1] != 0; k++) {
            bool twice = found->artefact_rules[k].count != 0 &&
                         found->artefact_rules[k].rule == found->artefact_rules[i].rule;
            SL_NEED(!twice, SL_E_SYNTAX);
        }
    }
    return SL_DONE;
}

static sl_res take_done(sl_worker_frames *frames, sl_view bytes)
{
    sl_inspection *found = &frames->inspection;
    uint64_t numbers[DONE_NUMBERS];
    SL_NEED(bytes.n == DONE_BYTES, SL_E_SYNTAX);
    for (size_t i = 0; i < DONE_NUMBERS; i++) {
        numbers[i] = sl_get_le64(bytes.p + i * 8);
        SL_NEED(numbers[i] <= (uint64_t)1 << 52, SL_E_SYNTAX); /* counts of leaves are this small */
    }
    SL_NEED(numbers[0] < SL_FORMAT_COUNT && numbers[1] < SL_ENCODING_COUNT, SL_E_SYNTAX);
    SL_NEED(numbers[6] <= SL_SCAN_DANGEROUS && numbers[7] <= 1 && numbers[8] < SL_KIND_COUNT,
            SL_E_SYNTAX);
    found->format = (sl_format)numbers[0];
    found->encoding = (sl_encoding)numbers[1];
    found->bytes = numbers[2];
    found->records = numbers[3];
    found->subjects = numbers[4];
    found->identifiers = numbers[5];
    found->artefact = (sl_scan_class)numbers[6];
    found->artefact_complete = numbers[7] == 1;
    found->artefact_kind = (sl_kind)numbers[8];
    found->artefact_findings = numbers[9];
    memcpy(found->classes, numbers + DONE_FIRST, sizeof found->classes);
    SL_TRY(take_rules(found, numbers + DONE_RULES));
    memcpy(found->digest.b, bytes.p + DONE_NUMBERS * 8, SL_DIGEST_BYTES);
    frames->done = true;
    return SL_DONE;
}

/* The worker's own error as ours: its code and offset, under a name of ours. */
static sl_res take_error(uint64_t code, sl_view bytes)
{
    SL_NEED(bytes.n == 8 && code > SL_OK && code < SL_CODE_COUNT, SL_E_SYNTAX);
    return sl_fail_at((sl_code)code, "file", sl_get_le64(bytes.p));
}

static sl_res take_text(sl_worker_frames *frames, uint8_t about, uint64_t offset, sl_view bytes)
{
    SL_NEED(frames->taker.text != NULL && about <= (TEXT_KEEP | TEXT_CONTINUES) &&
                bytes.n > TEXT_HEAD_BYTES && bytes.n <= TEXT_HEAD_BYTES + SL_INGEST_TEXT_BYTES,
            SL_E_SYNTAX);
    sl_ingest_text text = { .text = sl_view_sub(bytes, TEXT_HEAD_BYTES, bytes.n),
                            .keep = (about & TEXT_KEEP) != 0,
                            .continues = (about & TEXT_CONTINUES) != 0,
                            .offset = offset,
                            .length = sl_get_le64(bytes.p) };
    SL_NEED(offset <= SL_OBJECT_BYTES_MAX && text.length <= SL_OBJECT_BYTES_MAX &&
                text.keep >= frames->keeping,
            SL_E_SYNTAX);
    frames->keeping = text.keep;
    return frames->taker.text(frames->taker.ctx, &text);
}

static sl_res give_bytes(sl_worker_frames *frames, uint64_t offset, sl_view asked)
{
    uint8_t piece[PIECE_BYTES_MAX];
    SL_NEED(frames->taker.read != NULL && asked.n == 4, SL_E_SYNTAX);
    size_t n = sl_get_le32(asked.p);
    SL_NEED(n <= sizeof piece && offset <= frames->taker.bytes && n <= frames->taker.bytes - offset,
            SL_E_SYNTAX);
    SL_TRY(frames->taker.read(frames->taker.ctx, offset, piece, n));
    ssize_t given = n == 0 ? 0 : write(frames->give_fd, piece, n);
    sl_wipe(piece, sizeof piece);
    /* One that asks again before it has read is none of ours. */
    return given == (ssize_t)n ? SL_DONE : sl_fail(SL_E_SYNTAX);
}

static sl_res take_frame(sl_worker_frames *frames, const uint8_t header[HEADER_BYTES],
                         sl_view bytes)
{
    uint64_t number = sl_get_le64(header + 8);
    SL_NEED(!frames->done && sl_get_le16(header + 2) == 0, SL_E_SYNTAX);
    switch (header[0]) {
    case 'I':
        SL_NEED(header[1] < SL_CLASS_COUNT && bytes.n <= SL_IDENTIFIER_BYTES_MAX, SL_E_SYNTAX);
        return frames->taker.take(frames->taker.ctx, (sl_class)header[1], bytes, number);
    case 'T':
        return take_text(frames, header[1], number, bytes);
    case 'R':
        return sl_buf_add(frames->report, bytes);
    case 'Q':
        return give_bytes(frames, number, bytes);
    case 'E':
        return take_error(number, bytes);
    case 'D':
        return take_done(frames, bytes);
    default:
        return sl_fail(SL_E_SYNTAX);
    }
}

sl_res sl_worker_take(sl_worker_frames *frames, sl_buf *pending)
{
    size_t at = 0;
    sl_res r = SL_DONE;
    while (sl_ok(r) && pending->n - at >= HEADER_BYTES) {
        const uint8_t *header = pending->p + at;
        size_t length = sl_get_le32(header + 4);
        if (length > FRAME_BYTES_MAX) {
            r = sl_fail(SL_E_SYNTAX);
        } else if (pending->n - at - HEADER_BYTES < length) {
            break;
        } else {
            r = take_frame(frames, header, sl_view_of(header + HEADER_BYTES, length));
            at += HEADER_BYTES + length;
        }
    }
    sl_buf_drop_front(pending, at);
    return r;
}

/* Reads frames until the end of the pipe or the deadline. */
static sl_res listen_to(int pipe_fd, sl_worker_frames *frames)
{
    SL_OWN(sl_buf, pending, sl_buf_free) = { .max = 2 * FRAME_BYTES_MAX + HEADER_BYTES };
    uint64_t deadline = sl_clock_mono_ns() / 1000000 + SL_INSPECT_SECONDS_MAX * 1000;
    for (;;) {
        uint64_t now = sl_clock_mono_ns() / 1000000;
        struct pollfd wait = { .fd = pipe_fd, .events = POLLIN };
        if (now >= deadline || poll(&wait, 1, (int)(deadline - now)) == 0) {
            return sl_fail_at(SL_E_TIMEOUT, "worker", SL_INSPECT_SECONDS_MAX);
        }
        SL_TRY(sl_buf_reserve(&pending, FRAME_BYTES_MAX));
        ssize_t got = read(pipe_fd, pending.p + pending.n, FRAME_BYTES_MAX);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return frames->done && pending.n == 0 ? SL_DONE
                                                  : sl_fail_at(SL_E_CLOSED, "worker", SL_NOWHERE);
        }
        pending.n += (size_t)got;
        SL_TRY(sl_worker_take(frames, &pending));
    }
}

/* Hears the child out, or ends it. */
static sl_res hear(pid_t child, int in, sl_worker_frames *frames)
{
    sl_res heard = listen_to(in, frames);
    sl_detail detail = *sl_detail_get();
    if (!sl_ok(heard)) {
        (void)kill(child, SIGKILL);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return sl_ok(heard) ? SL_DONE : sl_fail_at((sl_code)heard.code, detail.field, detail.offset);
}

/* A pipe for the bytes that the worker asks for, its near end never waiting. */
static sl_res open_giving(int *ret_theirs, int *ret_ours)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return sl_fail_os(SL_E_IO, "pipe");
    }
    *ret_theirs = ends[0];
    *ret_ours = ends[1];
    return fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0 ? SL_DONE : sl_fail_os(SL_E_IO, "pipe");
}

sl_res sl_ingest_worker(int fd, sl_view name, sl_view record_id, bool confined,
                        sl_ingest_taker taker, sl_inspection *ret_inspection, sl_buf *report)
{
    int ends[2];
    SL_OWN(int, theirs, sl_fd_close) = -1;
    SL_OWN(int, ours, sl_fd_close) = -1;
    SL_TRY(sl_crypto_init()); /* the child may not open the provider's files any more */
    SL_TRY(taker.read == NULL ? SL_DONE : open_giving(&theirs, &ours));
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return sl_fail_os(SL_E_IO, "pipe");
    }
    SL_OWN(int, in, sl_fd_close) = ends[0];
    SL_OWN(int, out, sl_fd_close) = ends[1];
    pid_t child = fork();
    if (child < 0) {
        return sl_fail_os(SL_E_IO, "fork");
    }
    if (child == 0) {
        sl_fd_close(&ours); /* so that the end of the door ends it */
        run_child(taker.read == NULL ? fd : theirs, out, name, record_id, &taker, confined);
    }
    sl_fd_close(&out);
    sl_worker_frames frames = { .taker = taker, .report = report, .give_fd = ours };
    SL_TRY(hear(child, in, &frames));
    *ret_inspection = frames.inspection;
    return SL_DONE;
}
