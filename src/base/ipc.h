/* Messages between our processes: one SOCK_SEQPACKET socket pair for every link.
 * Who the peer is follows from the inherited descriptor alone; what it may ask follows from a table
 * of ours per peer and phase. A message that the table does not allow breaks the link: such a peer
 * is broken or hostile, and nothing it sent before is undone by reading on.
 * No message is half read: a packet arrives whole or the link ends. See ARCHITECTURE section 3. */
#ifndef SL_BASE_IPC_H
#define SL_BASE_IPC_H

#include "base/bytes.h"
#include "base/limits.h"
#include "base/res.h"

/* The header of every packet, little-endian: version u16, type u16, length u32, id u64; then
 * `length` bytes. The id is chosen by who asks and repeated by who answers. */
#define SL_IPC_VERSION 1
#define SL_IPC_HEADER_BYTES ((size_t)16)
/* Descriptors in one packet: enough for a job's two ends and its object; never a list. */
#define SL_IPC_FDS_MAX ((size_t)4)

/* Types below 32 are common to all links; every module numbers its own from 32 on. */
typedef enum {
    SL_IPC_OK = 1,     /* answer: done; the body is the request's own */
    SL_IPC_FAILED = 2, /* answer: not done; the body is sl_code u32 */
    SL_IPC_TYPE_FIRST_FREE = 32,
} sl_ipc_common_type;

/* One received message. `body` borrows the link's buffer until the next receive on the link.
 * The descriptors belong to the receiver: take them with sl_ipc_take_fd or they are closed by
 * sl_ipc_msg_clear (and by sl_ipc_dispatch). All arrive close-on-exec. */
typedef struct {
    uint16_t type;
    uint64_t id;
    sl_view body;
    int fds[SL_IPC_FDS_MAX];
    size_t fd_count;
} sl_ipc_msg;

void sl_ipc_msg_clear(sl_ipc_msg *msg);
/* Take the descriptor at `index`; -1 when there is none. The caller closes it. */
int sl_ipc_take_fd(sl_ipc_msg *msg, size_t index);

typedef struct sl_ipc sl_ipc;

/* What a peer may send: `phases` is a mask of the link's phase numbers (bit 0 is phase 0), sizes
 * are of the body, `fd_count` is exact. A handler that fails breaks the link; a refusal that the
 * peer should learn of is an answer, not a failure. */
typedef sl_res (*sl_ipc_handler)(sl_ipc *link, sl_ipc_msg *msg, void *context);
typedef struct {
    uint16_t type;
    uint32_t phases;
    uint32_t bytes_min;
    uint32_t bytes_max;
    uint32_t fd_count;
    sl_ipc_handler handler; /* NULL: allowed, read by hand with sl_ipc_receive */
} sl_ipc_rule;
typedef struct {
    const char *peer; /* for messages of ours: a literal */
    const sl_ipc_rule *rules;
    size_t count;
} sl_ipc_table;

#define SL_IPC_PHASE(n) ((uint32_t)1 << (n))
#define SL_IPC_ANY_PHASE UINT32_MAX

/* A pair of connected sockets, both close-on-exec and non-blocking. */
SL_MUST sl_res sl_ipc_pair(int ret_fds[2]);

/* Connects to SITE/run/NAME.sock, however long the site's path is (a socket's address holds 107 bytes). The
 * descriptor is close-on-exec and non-blocking. SL_E_NO_SITE: there is no such folder; SL_E_UNAVAILABLE: the site is
 * not up; SL_E_DENIED: it is, but not for this user. */
SL_MUST sl_res sl_ipc_dial(const char *site, const char *name, int *ret_fd);

/* Wrap `fd` (owned by the link from now on, also when this fails). `table` is borrowed and must
 * outlive the link. The link is in phase 0. */
SL_MUST sl_res sl_ipc_open(int fd, const sl_ipc_table *table, sl_ipc **ret_link);
void sl_ipc_close(sl_ipc *link);
void sl_ipc_close_at(sl_ipc **link); /* for SL_OWN */

/* Valid until sl_ipc_close, also when the link is broken: take it out of loops before that. */
int sl_ipc_fd(const sl_ipc *link);
void sl_ipc_phase_set(sl_ipc *link, uint32_t phase);
/* Wipes the last message that was received; its body is gone. */
void sl_ipc_forget(sl_ipc *link);
/* Messages on this link hold keys or passphrases: each is wiped after its handler, before the next receive and
 * at the close. */
void sl_ipc_set_secret(sl_ipc *link);
/* A number for the next request of this side; never 0, never repeated on a link. */
uint64_t sl_ipc_next_id(sl_ipc *link);

/* Send without waiting. SL_E_AGAIN: the peer's queue is full, nothing was sent. SL_E_CLOSED: the
 * peer is gone. SL_E_LIMIT: too large. The descriptors stay the caller's. */
SL_MUST sl_res sl_ipc_send(sl_ipc *link, uint16_t type, uint64_t id, sl_view body);
SL_MUST sl_res sl_ipc_send_fds(sl_ipc *link, uint16_t type, uint64_t id, sl_view body,
                               const int *fds, size_t fd_count);
/* The same, waiting at most `wait_ms_max`; SL_E_TIMEOUT says that nothing was sent. */
SL_MUST sl_res sl_ipc_send_wait(sl_ipc *link, uint16_t type, uint64_t id, sl_view body,
                                int wait_ms_max);
/* Answer SL_IPC_FAILED with the code of `why`. */
SL_MUST sl_res sl_ipc_send_failed(sl_ipc *link, uint64_t id, sl_res why);
/* The result that an SL_IPC_FAILED answer carries; SL_E_SYNTAX when it carries none. */
SL_MUST sl_res sl_ipc_failed_res(const sl_ipc_msg *msg);

/* Receive one allowed message. SL_E_AGAIN: none waits. SL_E_CLOSED: the peer is gone.
 * SL_E_REFUSED, SL_E_SYNTAX, SL_E_VERSION, SL_E_LIMIT: the peer sent what it may not; the link is
 * broken and answers SL_E_CLOSED from now on. */
SL_MUST sl_res sl_ipc_receive(sl_ipc *link, sl_ipc_msg *ret_msg);
SL_MUST sl_res sl_ipc_receive_wait(sl_ipc *link, int wait_ms_max, sl_ipc_msg *ret_msg);

/* Ask and wait for the answer with the same id, `wait_ms_max` for both together; other messages that arrive
 * meanwhile break the link (late answers to requests that were given up do not), so use it only on links on
 * which the peer never speaks first. An SL_IPC_FAILED answer comes back as its code. */
SL_MUST sl_res sl_ipc_ask(sl_ipc *link, uint16_t type, sl_view body, int wait_ms_max,
                          sl_ipc_msg *ret_answer);

/* Receive and handle what waits, at most `count_max` messages (so that one peer cannot keep a
 * process to itself). SL_OK: more may come. Anything else: the link is of no use, close it. */
SL_MUST sl_res sl_ipc_dispatch(sl_ipc *link, size_t count_max, void *context);

/* The pure part, for tests and the fuzzer: is this packet well formed and allowed? */
SL_MUST sl_res sl_ipc_check(const sl_ipc_table *table, uint32_t phase, sl_view packet,
                            size_t fd_count, sl_ipc_msg *ret_msg, const sl_ipc_rule **ret_rule);

#endif
