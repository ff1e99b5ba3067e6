/* The ledger's client (client.h). Outstanding appends stand in a ring by their number, since the
 * ledger answers in order. */
#include "ledger/client.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "ledger/protocol.h"
#include "ledger/tiles.h"

typedef struct {
    sl_ledger_acked *call;
    void *context;
} outstanding;

struct sl_ledger_client {
    sl_ipc *link;
    uint64_t next_id;  /* of the next event */
    uint64_t first_id; /* of the oldest outstanding event */
    outstanding ring[SL_LEDGER_OUTSTANDING_MAX];
    sl_ledger_leaves *leaves_call;
    void *leaves_context;
    uint64_t question_id;
    /* the answer to a receipt or state question */
    bool answered;
    sl_res answer;
    sl_buf answer_bytes;
    uint64_t answer_id;
    bool lost;
};

static sl_res on_ack(sl_ipc *link, sl_ipc_msg *msg, void *context);
static sl_res on_nack(sl_ipc *link, sl_ipc_msg *msg, void *context);
static sl_res on_leaves(sl_ipc *link, sl_ipc_msg *msg, void *context);
static sl_res on_answer(sl_ipc *link, sl_ipc_msg *msg, void *context);

static const sl_ipc_rule RULES[] = {
    { SL_LEDGER_ACK, SL_IPC_ANY_PHASE, SL_LEDGER_ACK_BYTES, SL_LEDGER_ACK_BYTES, 0, on_ack },
    { SL_LEDGER_NACK, SL_IPC_ANY_PHASE, SL_LEDGER_NACK_BYTES, SL_LEDGER_NACK_BYTES, 0, on_nack },
    { SL_LEDGER_LEAVES, SL_IPC_ANY_PHASE, SL_LEDGER_LEAVES_HEADER_BYTES, SL_IPC_BYTES_MAX, 0,
      on_leaves },
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_IPC_BYTES_MAX, 0, on_answer },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, on_answer },
};
static const sl_ipc_table TABLE = { "the ledger", RULES, SL_COUNT_OF(RULES) };

sl_res sl_ledger_client_new(int fd, sl_ledger_client **ret)
{
    sl_ipc *link = NULL;

    SL_TRY(sl_ipc_open(fd, &TABLE, &link));
    sl_ledger_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        sl_ipc_close(link);
        return sl_fail(SL_E_MEMORY);
    }
    c->link = link;
    c->next_id = 1;
    c->first_id = 1;
    c->answer_bytes.max = SL_IPC_BYTES_MAX;
    *ret = c;
    return SL_DONE;
}

/* Answers everything outstanding: nobody may wait for a ledger that is gone. */
static void lose(sl_ledger_client *c)
{
    sl_res gone = sl_fail(SL_E_UNAVAILABLE);

    c->lost = true;
    while (c->first_id < c->next_id) {
        outstanding *o = &c->ring[c->first_id % SL_LEDGER_OUTSTANDING_MAX];
        c->first_id++;
        o->call(o->context, gone, 0);
    }
    if (c->leaves_call != NULL) {
        sl_ledger_leaves *call = c->leaves_call;
        c->leaves_call = NULL;
        call(c->leaves_context, gone, 0, 0, (sl_view){ 0 }, 0);
    }
}

void sl_ledger_client_free(sl_ledger_client *c)
{
    if (c == NULL) {
        return;
    }
    lose(c);
    sl_ipc_close(c->link);
    sl_buf_free(&c->answer_bytes);
    free(c);
}

int sl_ledger_client_fd(const sl_ledger_client *c)
{
    return sl_ipc_fd(c->link);
}

size_t sl_ledger_client_outstanding(const sl_ledger_client *c)
{
    return (size_t)(c->next_id - c->first_id);
}

static sl_res append(sl_ledger_client *c, uint16_t type, sl_view event, outstanding o)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 2 + SL_LEAF_BYTES_MAX };

    SL_NEED(!c->lost, SL_E_CLOSED);
    SL_NEED(event.n <= SL_EVENT_BYTES_MAX, SL_E_LIMIT);
    SL_NEED(sl_ledger_client_outstanding(c) < SL_LEDGER_OUTSTANDING_MAX, SL_E_AGAIN);
    SL_TRY(sl_bundle_add(&body, event));
    SL_TRY(sl_ipc_send(c->link, type, c->next_id, sl_buf_view(&body)));
    c->ring[c->next_id % SL_LEDGER_OUTSTANDING_MAX] = o;
    c->next_id++;
    return SL_DONE;
}

sl_res sl_ledger_client_append(sl_ledger_client *c, sl_view event, sl_ledger_acked *call,
                               void *context)
{
    return append(c, SL_LEDGER_APPEND, event, (outstanding){ call, context });
}

sl_res sl_ledger_client_append_soon(sl_ledger_client *c, sl_view event, sl_ledger_acked *call,
                                    void *context)
{
    return append(c, SL_LEDGER_APPEND_SOON, event, (outstanding){ call, context });
}

sl_res sl_ledger_client_read(sl_ledger_client *c, uint64_t cursor, uint32_t bytes_max,
                             sl_ledger_leaves *call, void *context)
{
    uint8_t body[SL_LEDGER_READ_BYTES];

    SL_NEED(!c->lost, SL_E_CLOSED);
    SL_NEED(c->leaves_call == NULL, SL_E_AGAIN);
    sl_put_le64(body, cursor);
    sl_put_le32(body + 8, bytes_max);
    uint64_t id = sl_ipc_next_id(c->link);
    SL_TRY(sl_ipc_send(c->link, SL_LEDGER_READ, id, sl_view_of(body, sizeof body)));
    c->question_id = id;
    c->leaves_call = call;
    c->leaves_context = context;
    return SL_DONE;
}

/* Takes the outstanding events [first, last]; they must be the oldest ones. */
static sl_res answer_range(sl_ledger_client *c, uint64_t first, uint64_t last, sl_res result,
                           uint64_t index)
{
    SL_NEED(first == c->first_id && last >= first && last < c->next_id, SL_E_SYNTAX);
    for (uint64_t id = first; id <= last; id++) {
        outstanding o = c->ring[id % SL_LEDGER_OUTSTANDING_MAX];
        c->first_id = id + 1;
        o.call(o.context, result, sl_ok(result) ? index + (id - first) : 0);
    }
    return SL_DONE;
}

static sl_res on_ack(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    return answer_range(context, sl_get_le64(msg->body.p), sl_get_le64(msg->body.p + 8), SL_DONE,
                        sl_get_le64(msg->body.p + 16));
}

/* A code that this program does not know is a failure all the same. */
static sl_res res_of(uint32_t code)
{
    return sl_fail(code > SL_OK && code < SL_CODE_COUNT ? (sl_code)code : SL_E_SYNTAX);
}

static sl_res on_nack(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    return answer_range(context, sl_get_le64(msg->body.p), sl_get_le64(msg->body.p + 8),
                        res_of(sl_get_le32(msg->body.p + 16)), 0);
}

static sl_res on_leaves(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    sl_ledger_client *c = context;
    sl_ledger_leaves *call = c->leaves_call;

    (void)link;
    SL_NEED(call != NULL && msg->id == c->question_id, SL_E_SYNTAX);
    c->leaves_call = NULL;
    call(c->leaves_context, SL_DONE, sl_get_le64(msg->body.p), sl_get_le32(msg->body.p + 16),
         sl_view_sub(msg->body, SL_LEDGER_LEAVES_HEADER_BYTES, msg->body.n),
         sl_get_le64(msg->body.p + 8));
    return SL_DONE;
}

static sl_res on_answer(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    sl_ledger_client *c = context;
    sl_res r = msg->type == SL_IPC_OK ? SL_DONE : sl_ipc_failed_res(msg);

    (void)link;
    if (c->leaves_call != NULL && msg->id == c->question_id && !sl_ok(r)) {
        sl_ledger_leaves *call = c->leaves_call;
        c->leaves_call = NULL;
        call(c->leaves_context, r, 0, 0, (sl_view){ 0 }, 0);
        return SL_DONE;
    }
    if (msg->id != c->answer_id) {
        return SL_DONE; /* an answer that came after its question was given up */
    }
    c->answered = true;
    c->answer = r;
    sl_buf_clear(&c->answer_bytes);
    return sl_buf_add(&c->answer_bytes, msg->body);
}

sl_res sl_ledger_client_pump(sl_ledger_client *c)
{
    sl_res r = c->lost ? sl_fail(SL_E_CLOSED) : sl_ipc_dispatch(c->link, 1024, c);

    if (!sl_ok(r)) {
        lose(c);
        return sl_fail(SL_E_CLOSED);
    }
    return SL_DONE;
}

/* ---- waiting ---- */

/* Pumps until `*done` or the time is over. */
static sl_res wait_for(sl_ledger_client *c, const bool *done, int wait_ms_max)
{
    uint64_t until = sl_clock_mono_ns() + (uint64_t)wait_ms_max * 1000000;

    while (!*done) {
        uint64_t now = sl_clock_mono_ns();
        struct pollfd p = { .fd = sl_ledger_client_fd(c), .events = POLLIN };
        SL_NEED(now < until, SL_E_TIMEOUT);
        int n = poll(&p, 1, (int)((until - now) / 1000000) + 1);
        if (n < 0 && errno != EINTR) {
            return sl_fail_os(SL_E_IO, "poll");
        }
        if (n > 0) {
            sl_res r = sl_ledger_client_pump(c);
            if (!sl_ok(r) && !*done) {
                return sl_fail(SL_E_UNAVAILABLE);
            }
        }
    }
    return SL_DONE;
}

/* What a waiting append leaves behind: freed by whoever comes last, the answer or the wait. */
typedef struct {
    bool done;
    bool given_up;
    sl_res result;
    uint64_t index;
} waited;

static void note_ack(void *context, sl_res result, uint64_t index)
{
    waited *w = context;

    if (w->given_up) {
        free(w);
        return;
    }
    w->done = true;
    w->result = result;
    w->index = index;
}

sl_res sl_ledger_append_wait(sl_ledger_client *c, sl_view event, int wait_ms_max,
                             uint64_t *ret_index)
{
    waited *w = calloc(1, sizeof *w);

    SL_NEED(w != NULL, SL_E_MEMORY);
    sl_res r = sl_ledger_client_append(c, event, note_ack, w);
    if (!sl_ok(r)) {
        free(w);
        return r;
    }
    r = wait_for(c, &w->done, wait_ms_max);
    if (!w->done) {
        w->given_up = true;
        return r;
    }
    r = w->result;
    if (sl_ok(r)) {
        *ret_index = w->index;
    }
    free(w);
    return r;
}

typedef struct {
    bool done;
    sl_res result;
    sl_buf *out;
    uint32_t count;
    uint64_t size;
} waited_leaves;

static void note_leaves(void *context, sl_res result, uint64_t first, uint32_t count,
                        sl_view leaves, uint64_t size)
{
    waited_leaves *w = context;

    (void)first;
    w->done = true;
    w->result = sl_ok(result) ? sl_buf_add(w->out, leaves) : result;
    w->count = count;
    w->size = size;
}

static void ignore_leaves(void *context, sl_res result, uint64_t first, uint32_t count,
                          sl_view leaves, uint64_t size)
{
    (void)context;
    (void)result;
    (void)first;
    (void)count;
    (void)leaves;
    (void)size;
}

sl_res sl_ledger_read_wait(sl_ledger_client *c, uint64_t cursor, int wait_ms_max, sl_buf *out,
                           uint32_t *ret_count, uint64_t *ret_size)
{
    waited_leaves w = { .out = out, .result = SL_DONE };

    SL_TRY(sl_ledger_client_read(c, cursor, (uint32_t)SL_IPC_BYTES_MAX, note_leaves, &w));
    sl_res r = wait_for(c, &w.done, wait_ms_max);
    if (!w.done) {
        c->leaves_call = ignore_leaves;
        return r;
    }
    SL_TRY(w.result);
    *ret_count = w.count;
    *ret_size = w.size;
    return SL_DONE;
}

static sl_res ask(sl_ledger_client *c, uint16_t type, sl_view body, int wait_ms_max)
{
    SL_NEED(!c->lost, SL_E_CLOSED);
    c->answer_id = sl_ipc_next_id(c->link);
    c->answered = false;
    SL_TRY(sl_ipc_send(c->link, type, c->answer_id, body));
    SL_TRY(wait_for(c, &c->answered, wait_ms_max));
    return c->answer;
}

sl_res sl_ledger_receipt_wait(sl_ledger_client *c, uint64_t index, int wait_ms_max, sl_buf *out)
{
    uint8_t body[8];

    sl_put_le64(body, index);
    SL_TRY(ask(c, SL_LEDGER_RECEIPT, sl_view_of(body, sizeof body), wait_ms_max));
    return sl_buf_add(out, sl_buf_view(&c->answer_bytes));
}

sl_res sl_ledger_state_wait(sl_ledger_client *c, int wait_ms_max, sl_buf *out,
                            uint64_t *ret_time_ms)
{
    SL_TRY(ask(c, SL_LEDGER_STATE, (sl_view){ 0 }, wait_ms_max));
    SL_NEED(c->answer_bytes.n >= 8, SL_E_TRUNCATED);
    *ret_time_ms = sl_get_le64(c->answer_bytes.p);
    return sl_buf_add(out, sl_view_sub(sl_buf_view(&c->answer_bytes), 8, c->answer_bytes.n));
}

/* The size stands in the checkpoint's second line. */
sl_res sl_ledger_size_wait(sl_ledger_client *c, int wait_ms_max, uint64_t *ret_size)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    uint64_t time_ms = 0;
    SL_TRY(sl_ledger_state_wait(c, wait_ms_max, &text, &time_ms));
    sl_view origin;
    sl_view size;
    sl_view rest;
    (void)sl_view_cut(sl_buf_view(&text), '\n', &origin, &rest);
    (void)sl_view_cut(rest, '\n', &size, &rest);
    return sl_parse_u64(size, INT64_MAX, ret_size);
}
