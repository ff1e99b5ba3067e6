/* What processes say to the supervisor on their control links. Only the warden may ask for something
 * (freeze, thaw, kill, down, list, facts); all others report. A link that breaks its table is closed and the
 * process behind it killed. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "host/supervisor.h"

static void put_in_cgroup(sl_instance *instance)
{
    sl_supervisor *host = instance->host;
    instance->missing |= SL_LAYER_BIT(SL_LAYER_CGROUP);
    if (host->cgroup.kind != SL_CGROUP_NONE &&
        sl_ok(sl_cgroup_join(&host->cgroup, instance->name, instance->pid))) {
        instance->missing &= ~SL_LAYER_BIT(SL_LAYER_CGROUP);
    }
}

/* Layers that a stock program cannot have: exec makes it dumpable again; in its own user namespace
 * and user no neighbour can use that. */
uint32_t sl_host_not_expected(const sl_instance *instance)
{
    return instance->decl->external != NULL ? SL_LAYER_BIT(SL_LAYER_NOT_DUMPABLE) : 0;
}

/* What the process lacks, once it said what it has and its number is known. */
static void judge(sl_instance *instance)
{
    sl_supervisor *host = instance->host;
    bool numbered = instance->pid != instance->first_pid ||
                    (instance->holds & SL_LAYER_BIT(SL_LAYER_PID_NS)) == 0;
    if (!instance->ready || !numbered || instance->judged) {
        return;
    }
    instance->judged = true;
    if (host->options->unconfined) {
        return;
    }
    uint32_t all = ((uint32_t)1 << SL_LAYER_COUNT) - 1;
    uint32_t holds = instance->holds | SL_LAYER_BIT(SL_LAYER_CGROUP);
    instance->missing = all & ~holds & ~sl_host_not_expected(instance);
    put_in_cgroup(instance);
    uint32_t unaccepted = instance->missing & ~host->options->accept_missing;
    for (unsigned i = 0; i < SL_LAYER_COUNT; i++) {
        if ((unaccepted & SL_LAYER_BIT(i)) != 0) {
            sl_host_say(host, SL_HOST_MISSING, instance->name, (int)i);
        }
    }
    if (unaccepted != 0) {
        sl_host_go_down(host, sl_fail_at(SL_E_UNSUPPORTED, "confinement", SL_NOWHERE));
    }
}

static sl_res on_pid(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    sl_instance *instance = context;
    uint32_t pid = sl_get_le32(msg->body.p);
    /* It is told once, before the process counts as confined; later it would be the confined process's own word,
     * and we signal that number with our rights. */
    SL_NEED(pid > 1 && pid <= INT32_MAX && instance->pid == instance->first_pid &&
                !instance->judged,
            SL_E_RANGE);
    instance->pid = (pid_t)pid;
    judge(instance); /* the outer process may have been slower than the inner one's READY */
    sl_host_check_all_up(instance->host);
    return SL_DONE;
}

static sl_res on_ready(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    sl_instance *instance = context;
    instance->holds = sl_get_le32(msg->body.p);
    instance->ready = true;
    judge(instance);
    return SL_DONE;
}

static sl_res on_serving(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    (void)msg;
    sl_instance *instance = context;
    SL_NEED(instance->ready, SL_E_REFUSED);
    if (instance->state == SL_INSTANCE_STARTING) {
        instance->state = SL_INSTANCE_SERVING;
        sl_host_say(instance->host, SL_HOST_SERVING, instance->name, 0);
        sl_host_check_all_up(instance->host);
    }
    return SL_DONE;
}

static sl_res on_trouble(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    sl_instance *instance = context;
    uint32_t code = sl_get_le32(msg->body.p);
    SL_NEED(code < SL_CODE_COUNT, SL_E_RANGE);
    /* The place is a literal of ours, unless the process lies: printable letters only, and no colour codes. */
    char place[SL_NAME_BYTES_MAX + 1] = { 0 };
    for (size_t i = 8; i < msg->body.n && i - 8 < SL_NAME_BYTES_MAX; i++) {
        uint8_t c = msg->body.p[i];
        place[i - 8] = c >= ' ' && c < 0x7f ? (char)c : '?';
    }
    const char *os = strerrordesc_np((int)sl_get_le32(msg->body.p + 4));
    bool says_why = sl_get_le32(msg->body.p + 4) != 0 && os != NULL;
    sl_res why = { (int32_t)code };
    sl_log(SL_LOG_ERROR, "%s: %s%s%s%s%s%s; %s", instance->name, sl_res_text(why),
           place[0] != 0 ? " (" : "", place, place[0] != 0 ? ")" : "", says_why ? ": " : "",
           says_why ? os : "", sl_res_remedy(why));
    instance->trouble = (int32_t)code;
    sl_host_say(instance->host, SL_HOST_TROUBLE, instance->name, (int)code);
    return SL_DONE;
}

/* ---- the warden's requests ---- */

static sl_res answer(sl_ipc *link, uint64_t id, sl_res done, sl_view body)
{
    return sl_ok(done) ? sl_ipc_send(link, SL_IPC_OK, id, body)
                       : sl_ipc_send_failed(link, id, done);
}

/* Everything in its namespace dies with process 1, in a control group or not. */
static sl_res kill_instance(sl_instance *instance)
{
    sl_supervisor *host = instance->host;
    if (host->cgroup.kind != SL_CGROUP_NONE &&
        (instance->missing & SL_LAYER_BIT(SL_LAYER_CGROUP)) == 0 &&
        sl_ok(sl_cgroup_kill(&host->cgroup, instance->name))) {
        return SL_DONE;
    }
    SL_NEED(instance->pid > 1, SL_E_NOT_FOUND);
    return kill(instance->pid, SIGKILL) == 0 ? SL_DONE : sl_fail_os(SL_E_NOT_FOUND, "process");
}

/* Without a control group a stop signal is the next best thing: also not to be ignored. */
static sl_res freeze_instance(sl_instance *instance, bool freeze)
{
    sl_supervisor *host = instance->host;
    sl_res done = sl_fail(SL_E_UNSUPPORTED);
    if (host->cgroup.kind != SL_CGROUP_NONE) {
        done = freeze ? sl_cgroup_freeze(&host->cgroup, instance->name, 1000)
                      : sl_cgroup_thaw(&host->cgroup, instance->name);
    }
    if (!sl_ok(done) && instance->pid > 1) {
        done = kill(instance->pid, freeze ? SIGSTOP : SIGCONT) == 0
                   ? SL_DONE
                   : sl_fail_os(SL_E_NOT_FOUND, "process");
    }
    instance->frozen = sl_ok(done) ? freeze : instance->frozen;
    return done;
}

static sl_res on_force(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    sl_instance *asker = context;
    sl_instance *target = sl_host_find(asker->host, msg->body);
    if (target == NULL || target == asker) {
        return answer(link, msg->id, sl_fail(SL_E_NOT_FOUND), (sl_view){ NULL, 0 });
    }
    sl_res done = msg->type == SL_PROC_KILL ? kill_instance(target)
                                            : freeze_instance(target, msg->type == SL_PROC_FREEZE);
    return answer(link, msg->id, done, (sl_view){ NULL, 0 });
}

static sl_res on_down(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    sl_instance *asker = context;
    SL_TRY(answer(link, msg->id, SL_DONE, (sl_view){ NULL, 0 }));
    sl_host_go_down(asker->host, SL_DONE);
    return SL_DONE;
}

static const char *state_name(const sl_instance *instance)
{
    static const char *const names[] = { "waiting", "starting", "serving", "ended" };
    return instance->frozen ? "frozen" : names[instance->state];
}

static sl_res describe(const sl_instance *instance, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "process", instance->name);
    sl_json_put_str(&w, "state", state_name(instance));
    sl_json_put_uint(&w, "pid", instance->pid > 0 ? (uint64_t)instance->pid : 0);
    sl_json_put_uint(&w, "deaths", instance->deaths);
    sl_json_key(&w, "missing");
    sl_json_array_begin(&w);
    for (unsigned i = 0; i < SL_LAYER_COUNT; i++) {
        if ((instance->missing & SL_LAYER_BIT(i)) != 0) {
            sl_json_string(&w, sl_view_str(sl_layer_name((sl_layer)i)));
        }
    }
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(out, '\n');
}

static sl_res on_list(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    sl_supervisor *host = ((sl_instance *)context)->host;
    SL_OWN(sl_buf, lines, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    for (size_t i = 0; i < host->instance_count; i++) {
        SL_TRY(describe(&host->instances[i], &lines));
    }
    return answer(link, msg->id, SL_DONE, sl_buf_view(&lines));
}

static sl_res on_facts(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    SL_OWN(sl_buf, lines, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    sl_res done = sl_host_attest(((sl_instance *)context)->host, &lines);
    return answer(link, msg->id, done, sl_buf_view(&lines));
}

#define REPORTS                                                                                    \
    { SL_PROC_PID, SL_IPC_ANY_PHASE, 4, 4, 0, on_pid },                                            \
        { SL_PROC_READY, SL_IPC_ANY_PHASE, 4 + 4 * SL_LAYER_COUNT, 4 + 4 * SL_LAYER_COUNT, 0,      \
          on_ready },                                                                              \
        { SL_PROC_SERVING, SL_IPC_ANY_PHASE, 0, 0, 0, on_serving },                                \
    {                                                                                              \
        SL_PROC_TROUBLE, SL_IPC_ANY_PHASE, 8, 256, 0, on_trouble                                   \
    }

static const sl_ipc_rule report_rules[] = { REPORTS };
static const sl_ipc_rule warden_rules[] = {
    REPORTS,
    { SL_PROC_FREEZE, SL_IPC_ANY_PHASE, 1, SL_NAME_BYTES_MAX, 0, on_force },
    { SL_PROC_THAW, SL_IPC_ANY_PHASE, 1, SL_NAME_BYTES_MAX, 0, on_force },
    { SL_PROC_KILL, SL_IPC_ANY_PHASE, 1, SL_NAME_BYTES_MAX, 0, on_force },
    { SL_PROC_DOWN, SL_IPC_ANY_PHASE, 0, 0, 0, on_down },
    { SL_PROC_LIST, SL_IPC_ANY_PHASE, 0, 0, 0, on_list },
    { SL_PROC_FACTS, SL_IPC_ANY_PHASE, 0, 0, 0, on_facts },
};
static const sl_ipc_table report_table = { "process", report_rules, SL_COUNT_OF(report_rules) };
static const sl_ipc_table warden_table = { "warden", warden_rules, SL_COUNT_OF(warden_rules) };

static void on_control(void *context, int fd, unsigned events)
{
    (void)events;
    sl_instance *instance = context;
    sl_res done = sl_ipc_dispatch(instance->control, 32, instance);
    if (sl_ok(done)) {
        sl_host_claim(instance->host);
        return;
    }
    /* Either it ended, which SIGCHLD tells too, or it said what it may not. */
    sl_loop_remove(instance->host->loop, fd);
    sl_ipc_close(instance->control);
    instance->control = NULL;
    if (!sl_is(done, SL_E_CLOSED)) {
        sl_host_say(instance->host, SL_HOST_TROUBLE, instance->name, done.code);
        (void)kill(instance->pid, SIGKILL);
    }
    sl_host_claim(instance->host);
}

sl_res sl_host_watch(sl_instance *instance, int control_fd)
{
    const sl_ipc_table *table = instance->decl->no_exec ? &warden_table : &report_table;
    SL_TRY(sl_ipc_open(control_fd, table, &instance->control));
    return sl_loop_add(instance->host->loop, control_fd, SL_LOOP_READ, on_control, instance);
}

void sl_host_unwatch(sl_instance *instance)
{
    if (instance->control == NULL) {
        return;
    }
    int fd = sl_ipc_fd(instance->control);
    /* What it still said counts: why it ended, above all. */
    sl_res last = sl_ipc_dispatch(instance->control, 32, instance);
    (void)last.code;
    sl_loop_remove(instance->host->loop, fd);
    sl_ipc_close(instance->control);
    instance->control = NULL;
}
