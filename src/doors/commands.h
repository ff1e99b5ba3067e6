/* The socket run/NAME.sock that commands speak to, and the loop of a process that has one: seats for a few at a time, one
 * request after the other, and the end when the supervisor says so. What a request is, the door's own protocol.h says.
 * It must never hand on a request that the door's table does not allow. Design: src/doors/README.md. */
#ifndef SL_DOORS_COMMANDS_H
#define SL_DOORS_COMMANDS_H

#include "base/ipc.h"
#include "base/loop.h"
#include "base/proc.h"

enum { SL_COMMANDS_SEATS = 16 };

/* Answers one request into `reply`; a failure is told to who asked, as its code. `fd` is borrowed, -1 where none came. */
typedef sl_res (*sl_commands_answer)(void *context, uint16_t type, sl_view body, int fd,
                                     sl_buf *reply);

typedef struct sl_commands sl_commands;

typedef struct {
    sl_commands *commands;
    sl_ipc *link; /* NULL: free */
} sl_commands_seat;

struct sl_commands {
    sl_proc *self;
    sl_loop *loop;             /* the process's own: timers may be added to it */
    const sl_ipc_table *table; /* its rules have the handler sl_commands_on_request */
    sl_commands_answer answer;
    void *context; /* of `answer` */
    sl_commands_seat seats[SL_COMMANDS_SEATS];
    sl_res result;
};

/* Makes the loop and watches the supervisor. `commands` must stay where it is until sl_commands_end, which is due also
 * after a failure. */
SL_MUST sl_res sl_commands_begin(sl_commands *commands, sl_proc *self, const sl_ipc_table *table,
                                 sl_commands_answer answer, void *context);
/* Serves the listening socket `name` until the supervisor ends this process. */
SL_MUST sl_res sl_commands_serve(sl_commands *commands, const char *name);
void sl_commands_end(sl_commands *commands);

/* Gives a connected socket a seat; takes over `fd`. SL_E_LIMIT: all are taken. */
SL_MUST sl_res sl_commands_seat_add(sl_commands *commands, int fd);
/* The handler of every rule of the table. */
SL_MUST sl_res sl_commands_on_request(sl_ipc *link, sl_ipc_msg *msg, void *context);

/* For commands: asks the site's process that listens at run/NAME.sock and waits; `fd` -1: none goes with it. The answer
 * is appended. SL_E_UNAVAILABLE: the site is not up. */
SL_MUST sl_res sl_door_call(const char *site, const char *name, uint16_t type, sl_view body, int fd,
                            sl_buf *reply);

#endif
