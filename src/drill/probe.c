/* The process `probe` (probe.h). It keeps nothing of what it may get: a byte says whether there was anything. */
#include "drill/probe.h"

#include "base/loop.h"
#include "drill/egress.h"
#include "respond/probe_link.h"

enum { ANSWER_MS_MAX = 3000 };

typedef struct {
    sl_proc *self;
    sl_loop *loop;
    sl_ipc *keeper; /* NULL: lost */
    sl_ipc *warden;
    sl_res result;
} probe;

static const sl_ipc_rule keeper_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_IPC_BYTES_MAX, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table keeper_table = { "keeper", keeper_rules, SL_COUNT_OF(keeper_rules) };

/* Asks, and looks whether anything came. A link that is closed is an answer too, and the last on it. */
static sl_res try_keeper(probe *p, sl_view order, bool *ret_got)
{
    sl_ipc_msg answer = { 0 };
    SL_NEED(p->keeper != NULL, SL_E_UNAVAILABLE);
    SL_NEED(order.n >= 2, SL_E_TRUNCATED);
    uint16_t type = (uint16_t)(order.p[0] | order.p[1] << 8);
    sl_res r =
        sl_ipc_send(p->keeper, type, sl_ipc_next_id(p->keeper), sl_view_sub(order, 2, order.n));
    r = sl_ok(r) ? sl_ipc_receive_wait(p->keeper, ANSWER_MS_MAX, &answer) : r;
    *ret_got = sl_ok(r) && answer.type == SL_IPC_OK;
    if (sl_ok(r)) {
        sl_ipc_msg_clear(&answer);
    } else {
        sl_ipc_close_at(&p->keeper);
    }
    return SL_DONE;
}

static sl_res on_try(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    probe *p = context;
    bool got = false;
    sl_res r = try_keeper(p, msg->body, &got);
    uint8_t byte = got;
    return sl_ok(r) ? sl_ipc_send(link, SL_IPC_OK, msg->id, sl_view_of(&byte, 1))
                    : sl_ipc_send_failed(link, msg->id, r);
}

static sl_res on_egress(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)context;
    uint8_t open_ways[SL_EGRESS_WAYS];
    for (size_t i = 0; i < SL_EGRESS_WAYS; i++) {
        open_ways[i] = sl_egress_open((sl_egress_way)i);
    }
    return sl_ipc_send(link, SL_IPC_OK, msg->id, sl_view_of(open_ways, sizeof open_ways));
}

static const sl_ipc_rule warden_rules[] = {
    { SL_PROBE_EGRESS, SL_IPC_ANY_PHASE, 0, 0, 0, on_egress },
    { SL_PROBE_TRY, SL_IPC_ANY_PHASE, 2, SL_PROBE_TRY_BYTES_MAX, 0, on_try },
};
static const sl_ipc_table warden_table = { "warden", warden_rules, SL_COUNT_OF(warden_rules) };

static void end_with(probe *p, sl_res why)
{
    p->result = why;
    sl_loop_stop(p->loop);
}

static void on_warden(void *context, int fd, unsigned events)
{
    probe *p = context;
    (void)events;
    if (!sl_ok(sl_ipc_dispatch(p->warden, 1, p))) {
        sl_loop_remove(p->loop, fd);
        sl_ipc_close_at(&p->warden);
    }
}

static void take_links(probe *p)
{
    int keeper = sl_proc_take_link(p->self, "keeper", 0);
    int warden = sl_proc_take_link(p->self, "warden", 0);
    sl_res r = SL_DONE;
    if (keeper >= 0) {
        sl_ipc_close_at(&p->keeper);
        r = sl_ipc_open(keeper, &keeper_table, &p->keeper);
    }
    if (warden >= 0 && sl_ok(r)) {
        if (p->warden != NULL) {
            sl_loop_remove(p->loop, sl_ipc_fd(p->warden));
            sl_ipc_close_at(&p->warden);
        }
        r = sl_ipc_open(warden, &warden_table, &p->warden);
        r = sl_ok(r) ? sl_loop_add(p->loop, warden, SL_LOOP_READ, on_warden, p) : r;
    }
    if (!sl_ok(r)) {
        end_with(p, r);
    }
}

static void on_relink(void *context, const char *peer, unsigned index)
{
    (void)peer;
    (void)index;
    take_links(context);
}

static void on_control(void *context, int fd, unsigned events)
{
    probe *p = context;
    (void)fd;
    (void)events;
    sl_res r = sl_proc_pump(p->self);
    if (!sl_ok(r)) {
        end_with(p, r);
    }
}

static sl_res serve(probe *p)
{
    sl_proc_on_relink(p->self, on_relink, p);
    SL_TRY(sl_loop_add(p->loop, sl_proc_control_fd(p->self), SL_LOOP_READ, on_control, p));
    take_links(p);
    SL_TRY(p->result);
    SL_TRY(sl_proc_serving(p->self));
    SL_TRY(sl_loop_run(p->loop));
    return sl_is(p->result, SL_E_CLOSED) ? SL_DONE : p->result;
}

static sl_res entry(sl_proc *self)
{
    probe p = { .self = self, .result = SL_DONE };
    SL_TRY(sl_loop_new(&p.loop));
    sl_res r = serve(&p);
    sl_ipc_close_at(&p.keeper);
    sl_ipc_close_at(&p.warden);
    sl_loop_free(p.loop);
    return r;
}

static const sl_confine_profile profile = { .name = "probe" };

const sl_proc_decl sl_probe_decl = {
    .name = "probe",
    .entry = entry,
    .profile = &profile,
    .peers = { "keeper", "warden" },
    .when_dead = SL_PROC_RESTART,
};
