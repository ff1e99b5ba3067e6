/* The ask door on sockets: accepts SCGI connections from the front, keeps a pool of connections to
 * egress, carries bytes between them and the crossings' cores, and hands leaves to a recorder.
 *
 * It decides nothing about a request: everything that is decided is decided in door.c. One thread,
 * one loop; a slow reader stops only its own stream. Design: ARCHITECTURE.md section 3. */
#ifndef SL_DOORS_ASK_SERVE_H
#define SL_DOORS_ASK_SERVE_H

#include "base/loop.h"
#include "doors/ask/door.h"

/* Where leaves go. Appending must not block; the answer comes later through
 * sl_ask_server_recorded with the same token. */
typedef struct {
    void *context;
    /* When it returns, the leaf does not die with this process; of one that may be durable `soon` nobody
     * waits for the acknowledgement. Fails: SL_E_AGAIN (queue full), SL_E_CLOSED (no ledger). The event
     * is borrowed. */
    sl_res (*append)(void *context, sl_view event, uint64_t token, bool soon);
    /* Count a refusal of somebody unknown; `source` is an address as text. May be NULL. */
    void (*knock)(void *context, const char *source, sl_res why);
    /* Count a request for egress under the minute it bears (counts.h): before its first bytes are
     * sent, after that, when egress was heard or had time enough, or when it went away at once without
     * a word. May be NULL, all four. */
    void (*sending)(void *context, uint64_t minute);
    void (*sent)(void *context, uint64_t minute, bool went_out);
    void (*counted)(void *context, uint64_t minute);
    void (*doubted)(void *context, uint64_t minute);
} sl_ask_recorder;

/* Who compares records (detect/echo.h). Asking must not block; the answer comes later through
 * sl_ask_server_compared with the same token. */
typedef struct {
    void *context;
    /* False: nobody compares now. The question is borrowed for the call. NULL: nobody ever does. */
    bool (*ask)(void *context, const sl_echo_question *question, uint64_t token);
    /* The answer to this token is not waited for any more. May be NULL. */
    void (*late)(void *context, uint64_t token);
} sl_ask_comparer;

typedef struct {
    const sl_ask_site *site; /* borrowed */
    int listen_fd;           /* borrowed; non-blocking stream socket */
    const char *egress_path; /* Unix socket */
    size_t connections_max;  /* 1..SL_ASK_CONNECTIONS_MAX */
    size_t pool_max;         /* idle connections to egress kept */
    uint64_t stall_ms_max;   /* a client that takes nothing for so long is gone */
    uint8_t process;         /* number of this process: the first byte of its crossings' ids */
    uint64_t compare_ms_max; /* an answer waits for a comparison at most so long, and a sweep */
    sl_ask_recorder recorder;
    sl_ask_comparer comparer;
} sl_ask_server_options;

enum { SL_ASK_CONNECTIONS_MAX = 8192 };

typedef struct sl_ask_server sl_ask_server;

/* Begin to serve on `loop` (borrowed). Fails: SL_E_MEMORY, SL_E_RANGE, the loop's errors. */
SL_MUST sl_res sl_ask_server_new(sl_loop *loop, const sl_ask_server_options *options,
                                 sl_ask_server **ret_server);
/* Ends every crossing where it stands; nothing more is released. */
void sl_ask_server_free(sl_ask_server *server);

/* The recorder's answer for a token: durable at `index`, or not when `ok` is false. False for a token of a
 * crossing that waits no more: its leaf came too late for it. */
bool sl_ask_server_recorded(sl_ask_server *server, uint64_t token, bool ok, uint64_t index);
/* The ledger is gone: every crossing that waits for it ends. */
void sl_ask_server_ledger_lost(sl_ask_server *server);

/* For sl_scratch_confirm, with the server as context: the crossing that asks is set aside until the answer
 * is there, and the others go on; nothing of it leaves meanwhile. */
sl_echo_answer sl_ask_server_compare(void *server, const sl_echo_question *question);
/* The answer to a question: its crossing goes on. A token of nobody who waits is ignored. */
void sl_ask_server_compared(sl_ask_server *server, uint64_t token, sl_echo_answer answer);

/* Is the crossing of this id (32 hex digits) being served, and not at its end? */
bool sl_ask_server_serves(const sl_ask_server *server, sl_view crossing);

/* From now on new crossings use this site (a new policy snapshot); running ones keep theirs, and
 * `site` must live until sl_ask_server_uses says false for it. */
void sl_ask_server_set_site(sl_ask_server *server, const sl_ask_site *site);
bool sl_ask_server_uses(const sl_ask_server *server, const sl_ask_site *site);

typedef struct {
    uint64_t accepted;
    uint64_t open;
    uint64_t forwarded; /* requests sent to egress, retries counted */
    uint64_t compared;  /* questions that a crossing waited for */
    uint64_t late;      /* of them without an answer in time */
} sl_ask_server_counts;
sl_ask_server_counts sl_ask_server_count(const sl_ask_server *server);

#endif
