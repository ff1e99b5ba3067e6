/* One peer's questions, answered (serve_peer.h). */
#include "base/serve_peer.h"

#include "base/log.h"
#include "base/loop.h"

enum { MESSAGES_A_TURN = 16 };

typedef struct {
    sl_proc *self;
    const char *peer;
    const sl_ipc_table *table;
    void *context;
    void (*gone)(void *context);
    sl_loop *loop;
    sl_ipc *link;
    sl_res result;
} serving;

static void drop_link(serving *s)
{
    if (s->link != NULL) {
        sl_loop_remove(s->loop, sl_ipc_fd(s->link));
        sl_ipc_close_at(&s->link);
    }
    if (s->gone != NULL) {
        s->gone(s->context);
    }
}

static void on_link(void *context, int fd, unsigned events)
{
    serving *s = context;
    (void)fd;
    (void)events;
    if (!sl_ok(sl_ipc_dispatch(s->link, MESSAGES_A_TURN, s->context))) {
        drop_link(s);
    }
}

static void take_link(serving *s)
{
    int fd = sl_proc_take_link(s->self, s->peer, 0);
    if (fd < 0) {
        return;
    }
    drop_link(s);
    sl_res r = sl_ipc_open(fd, s->table, &s->link);
    if (sl_ok(r)) {
        sl_ipc_set_secret(s->link); /* who is asked by one peer alone is asked about keys */
    }
    r = sl_ok(r) ? sl_loop_add(s->loop, sl_ipc_fd(s->link), SL_LOOP_READ, on_link, s) : r;
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_ERROR, "a link to the peer could not be taken", r);
        sl_ipc_close_at(&s->link);
    }
}

static void on_relink(void *context, const char *peer, unsigned index)
{
    (void)peer;
    (void)index;
    take_link(context);
}

static void on_control(void *context, int fd, unsigned events)
{
    serving *s = context;
    (void)fd;
    (void)events;
    s->result = sl_proc_pump(s->self);
    if (!sl_ok(s->result)) {
        sl_loop_stop(s->loop);
    }
}

static void drop_all(serving *s)
{
    drop_link(s);
    sl_loop_free(s->loop);
}

sl_res sl_serve_peer(sl_proc *self, const char *peer, const sl_ipc_table *table, void *context,
                     void (*gone)(void *context))
{
    SL_OWN(serving, s, drop_all) = {
        .self = self, .peer = peer, .table = table, .context = context, .gone = gone
    };
    SL_TRY(sl_loop_new(&s.loop));
    sl_proc_on_relink(self, on_relink, &s);
    SL_TRY(sl_loop_add(s.loop, sl_proc_control_fd(self), SL_LOOP_READ, on_control, &s));
    take_link(&s);
    SL_TRY(sl_proc_serving(self));
    SL_TRY(sl_loop_run(s.loop));
    return sl_is(s.result, SL_E_CLOSED) ? SL_DONE : s.result;
}
