/* A process's start and its view of what it was given (see proc.h). Everything arrives on the control
 * link before the confinement; nothing is looked up by path. It must not run the entry when the
 * supervisor did not say GO, and must end when the control link ends. */
#include "base/proc.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/proc_wire.h"

#define LINKS_MAX 48

typedef struct {
    char peer[SL_NAME_BYTES_MAX];
    unsigned index;
    unsigned count; /* instances of the peer */
    int fd;
} proc_link;

typedef struct {
    char name[SL_NAME_BYTES_MAX];
    int fd;
} proc_listening;

struct sl_proc {
    const sl_proc_decl *decl;
    unsigned index;
    unsigned instances;
    void *shared[SL_PROC_MEMORIES_MAX]; /* as declared */
    sl_ipc *control;
    bool go;
    bool ended;
    const sl_valve *valve;
    void *memory;
    sl_buf config;
    size_t link_count;
    proc_link links[LINKS_MAX];
    size_t listening_count;
    proc_listening listening[SL_PROC_LISTENS_MAX];
    uid_t uid;
    gid_t gid;
    uint32_t skip;
    uint32_t flags;
    char site[4096];
    sl_confine_report report;
    sl_proc_relinked relinked;
    void *relinked_context;
    sl_proc_news news;
    void *news_context;
    sl_proc_answered answered;
    void *answered_context;
};

const char *sl_proc_name(const sl_proc *self)
{
    return self->decl->name;
}

unsigned sl_proc_index(const sl_proc *self)
{
    return self->index;
}

unsigned sl_proc_count(const sl_proc *self)
{
    return self->instances;
}

static size_t memory_of(const sl_proc_decl *decl, sl_view name)
{
    size_t i = 0;
    while (i < SL_PROC_MEMORIES_MAX && decl->memories[i].name != NULL &&
           !sl_view_eq_str(name, decl->memories[i].name)) {
        i++;
    }
    return i < SL_PROC_MEMORIES_MAX && decl->memories[i].name != NULL ? i : SL_PROC_MEMORIES_MAX;
}

void *sl_proc_shared(const sl_proc *self, const char *name)
{
    size_t at = memory_of(self->decl, sl_view_str(name));
    return at == SL_PROC_MEMORIES_MAX ? NULL : self->shared[at];
}

const sl_valve *sl_proc_valve(const sl_proc *self)
{
    return self->valve;
}

void *sl_proc_valve_memory(const sl_proc *self)
{
    return self->memory;
}

sl_view sl_proc_config(const sl_proc *self)
{
    return sl_buf_view(&self->config);
}

static proc_link *link_of(sl_proc *self, const char *peer, unsigned index)
{
    for (size_t i = 0; i < self->link_count; i++) {
        if (strcmp(self->links[i].peer, peer) == 0 && self->links[i].index == index) {
            return &self->links[i];
        }
    }
    return NULL;
}

int sl_proc_take_link(sl_proc *self, const char *peer, unsigned index)
{
    proc_link *link = link_of(self, peer, index);
    if (link == NULL) {
        return -1;
    }
    int fd = link->fd;
    link->fd = -1;
    return fd;
}

unsigned sl_proc_peer_count(const sl_proc *self, const char *peer)
{
    for (size_t i = 0; i < self->link_count; i++) {
        if (strcmp(self->links[i].peer, peer) == 0) {
            return self->links[i].count;
        }
    }
    return 0;
}

int sl_proc_listening(const sl_proc *self, const char *name)
{
    for (size_t i = 0; i < self->listening_count; i++) {
        if (strcmp(self->listening[i].name, name) == 0) {
            return self->listening[i].fd;
        }
    }
    return -1;
}

void sl_proc_on_relink(sl_proc *self, sl_proc_relinked call, void *context)
{
    self->relinked = call;
    self->relinked_context = context;
}

void sl_proc_on_news(sl_proc *self, sl_proc_news call, void *context)
{
    self->news = call;
    self->news_context = context;
}

void sl_proc_on_answer(sl_proc *self, sl_proc_answered call, void *context)
{
    self->answered = call;
    self->answered_context = context;
}

sl_res sl_proc_request(sl_proc *self, sl_proc_wish wish, sl_view body, uint64_t *ret_id)
{
    uint64_t id = sl_ipc_next_id(self->control);
    SL_TRY(sl_ipc_send(self->control, (uint16_t)wish, id, body));
    *ret_id = id;
    return SL_DONE;
}

const sl_confine_report *sl_proc_confinement(const sl_proc *self)
{
    return &self->report;
}

/* ---- what arrives ---- */

static sl_res name_from(sl_view text, char ret_name[SL_NAME_BYTES_MAX])
{
    SL_NEED(text.n > 0 && text.n < SL_NAME_BYTES_MAX, SL_E_LIMIT);
    memcpy(ret_name, text.p, text.n);
    ret_name[text.n] = '\0';
    return SL_DONE;
}

static sl_res on_valve(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    sl_proc *self = context;
    SL_NEED(self->valve == NULL, SL_E_DUPLICATE);
    int fd = sl_ipc_take_fd(msg, 0);
    sl_res mapped = sl_valve_map(fd, &self->valve);
    (void)close(fd);
    return mapped;
}

static sl_res on_listen(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    sl_proc *self = context;
    SL_NEED(self->listening_count < SL_PROC_LISTENS_MAX, SL_E_LIMIT);
    proc_listening *slot = &self->listening[self->listening_count];
    SL_TRY(name_from(msg->body, slot->name));
    slot->fd = sl_ipc_take_fd(msg, 0);
    self->listening_count++;
    return SL_DONE;
}

static sl_res map_shared(int fd, size_t bytes, void **ret_memory)
{
    struct stat st;
    SL_NEED(fstat(fd, &st) == 0 && st.st_size >= 0 && (size_t)st.st_size >= bytes, SL_E_VERSION);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return sl_fail_os(SL_E_IO, "shared memory");
    }
    *ret_memory = memory;
    return SL_DONE;
}

static sl_res on_memory(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    sl_proc *self = context;
    size_t at = memory_of(self->decl, msg->body);
    SL_NEED(at < SL_PROC_MEMORIES_MAX && self->shared[at] == NULL, SL_E_SYNTAX);
    int fd = sl_ipc_take_fd(msg, 0);
    sl_res mapped = map_shared(fd, self->decl->memories[at].bytes, &self->shared[at]);
    (void)close(fd);
    return mapped;
}

static sl_res on_link(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    sl_proc *self = context;
    char peer[SL_NAME_BYTES_MAX];
    SL_TRY(name_from(sl_view_sub(msg->body, 2, msg->body.n), peer));
    unsigned index = msg->body.p[0];
    proc_link *slot = link_of(self, peer, index);
    if (slot == NULL) {
        SL_NEED(self->link_count < LINKS_MAX, SL_E_LIMIT);
        slot = &self->links[self->link_count++];
        *slot = (proc_link){ .index = index, .fd = -1 };
        memcpy(slot->peer, peer, sizeof peer);
    } else if (slot->fd >= 0) {
        (void)close(slot->fd);
    }
    slot->count = msg->body.p[1];
    slot->fd = sl_ipc_take_fd(msg, 0);
    if (self->go && self->relinked != NULL) {
        self->relinked(self->relinked_context, slot->peer, index);
    }
    return SL_DONE;
}

static sl_res on_config(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    sl_proc *self = context;
    return sl_buf_add(&self->config, msg->body);
}

static sl_res on_go(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    sl_proc *self = context;
    self->index = sl_get_le32(msg->body.p);
    self->uid = (uid_t)sl_get_le32(msg->body.p + 4);
    self->gid = (gid_t)sl_get_le32(msg->body.p + 8);
    self->skip = sl_get_le32(msg->body.p + 12);
    self->flags = sl_get_le32(msg->body.p + 16);
    self->instances = sl_get_le32(msg->body.p + 20);
    sl_view site = sl_view_sub(msg->body, SL_PROC_GO_BYTES, msg->body.n);
    SL_NEED(site.n > 0 && site.n < sizeof self->site, SL_E_LIMIT);
    memcpy(self->site, site.p, site.n);
    self->site[site.n] = '\0';
    self->go = true;
    sl_ipc_phase_set(link, 1);
    return SL_DONE;
}

static sl_res on_end(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    (void)msg;
    sl_proc *self = context;
    self->ended = true;
    return SL_DONE;
}

static sl_res on_news(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    sl_proc *self = context;
    if (self->news != NULL) {
        self->news(self->news_context, sl_get_le32(msg->body.p),
                   (int32_t)sl_get_le32(msg->body.p + 4), sl_view_sub(msg->body, 8, msg->body.n));
    }
    return SL_DONE;
}

static sl_res on_answer(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    (void)link;
    sl_proc *self = context;
    sl_res done = msg->type == SL_IPC_FAILED ? sl_ipc_failed_res(msg) : SL_DONE;
    if (self->answered != NULL) {
        self->answered(self->answered_context, msg->id, done, msg->body);
    }
    return SL_DONE;
}

#define BEFORE SL_IPC_PHASE(0)
#define AFTER SL_IPC_PHASE(1)
static const sl_ipc_rule control_rules[] = {
    { SL_PROC_GIVE_VALVE, BEFORE, 0, 0, 1, on_valve },
    { SL_PROC_GIVE_LISTEN, BEFORE, 1, SL_NAME_BYTES_MAX - 1, 1, on_listen },
    { SL_PROC_GIVE_MEMORY, BEFORE, 1, SL_NAME_BYTES_MAX - 1, 1, on_memory },
    { SL_PROC_GIVE_LINK, BEFORE | AFTER, 3, SL_NAME_BYTES_MAX + 1, 1, on_link },
    { SL_PROC_GIVE_CONFIG, BEFORE, 0, SL_IPC_BYTES_MAX, 0, on_config },
    { SL_PROC_GO, BEFORE, SL_PROC_GO_BYTES + 1, SL_PROC_GO_BYTES + 4095, 0, on_go },
    { SL_PROC_END, BEFORE | AFTER, 0, 0, 0, on_end },
    { SL_PROC_NEWS, BEFORE | AFTER, 8, 8 + SL_NAME_BYTES_MAX, 0, on_news },
    { SL_IPC_OK, AFTER, 0, SL_IPC_BYTES_MAX, 0, on_answer },
    { SL_IPC_FAILED, AFTER, 4, 4, 0, on_answer },
};
static const sl_ipc_table control_table = { "supervisor", control_rules,
                                            SL_COUNT_OF(control_rules) };

int sl_proc_control_fd(const sl_proc *self)
{
    return sl_ipc_fd(self->control);
}

sl_res sl_proc_pump(sl_proc *self)
{
    SL_TRY(sl_ipc_dispatch(self->control, 16, self));
    return self->ended ? sl_fail(SL_E_CLOSED) : SL_DONE;
}

sl_res sl_proc_serving(sl_proc *self)
{
    return sl_ipc_send_wait(self->control, SL_PROC_SERVING, 0, (sl_view){ NULL, 0 }, 1000);
}

/* ---- the start ---- */

static sl_res wait_for_go(sl_proc *self)
{
    while (!self->go) {
        struct pollfd ready = { .fd = sl_ipc_fd(self->control), .events = POLLIN };
        if (poll(&ready, 1, -1) < 0 && errno != EINTR) {
            return sl_fail_os(SL_E_IO, "wait for the supervisor");
        }
        /* One at a time: what follows GO must find the process already confined. */
        SL_TRY(sl_ipc_dispatch(self->control, 1, self));
        SL_NEED(!self->ended, SL_E_CLOSED);
    }
    return SL_DONE;
}

static void report_pid(void *context, pid_t pid)
{
    sl_proc *self = context;
    uint8_t body[4];
    sl_put_le32(body, (uint32_t)pid);
    /* If this fails the supervisor is gone, and the confined process dies with it. */
    sl_res sent = sl_ipc_send(self->control, SL_PROC_PID, 0, sl_view_of(body, sizeof body));
    (void)sent;
}

static sl_res confine(sl_proc *self)
{
    if ((self->flags & SL_PROC_GO_NOT_CONFINED) == 0) {
        sl_confine_place place = { .site = self->site,
                                   .uid = self->uid,
                                   .gid = self->gid,
                                   .skip = self->skip,
                                   .stay_dumpable = self->decl->external != NULL,
                                   .report_pid = report_pid,
                                   .context = self };
        SL_TRY(sl_confine_enter(self->decl->profile, &place, &self->report));
    }
    uint8_t body[4 + 4 * SL_LAYER_COUNT];
    sl_put_le32(body, self->report.holds);
    for (size_t i = 0; i < SL_LAYER_COUNT; i++) {
        sl_put_le32(body + 4 + 4 * i, (uint32_t)self->report.why[i]);
    }
    return sl_ipc_send_wait(self->control, SL_PROC_READY, 0, sl_view_of(body, sizeof body), 1000);
}

/* Inherited listening sockets as stock nginx expects them. */
static sl_res run_external(sl_proc *self)
{
    const sl_proc_external *program = self->decl->external;
    SL_OWN(sl_buf, sockets, sl_buf_free) = { .max = 256 };
    SL_TRY(sl_buf_add_str(&sockets, "NGINX="));
    for (size_t i = 0; i < self->listening_count; i++) {
        int fd = dup(self->listening[i].fd); /* the copy survives exec */
        SL_NEED(fd >= 0, SL_E_IO);
        SL_TRY(sl_buf_addf(&sockets, "%d;", fd));
    }
    const char *arguments[16] = { program->program };
    for (size_t i = 0; program->arguments[i] != NULL; i++) {
        SL_NEED(i + 2 < SL_COUNT_OF(arguments), SL_E_LIMIT);
        arguments[i + 1] = program->arguments[i];
    }
    const char *environment[] = { sl_buf_cstr(&sockets), NULL };
    SL_TRY(sl_proc_serving(self));
    /* execve takes plain pointers although it only reads. */
    union {
        const char **from;
        char **to;
    } argv = { .from = arguments }, envp = { .from = environment };
    (void)execve(program->program, argv.to, envp.to);
    return sl_fail_os(SL_E_NOT_FOUND, "program");
}

static sl_res start(sl_proc *self)
{
    SL_TRY(wait_for_go(self));
    if (self->decl->warm != NULL) {
        SL_TRY(self->decl->warm(self));
    }
    SL_TRY(confine(self));
    return self->decl->external != NULL ? run_external(self) : self->decl->entry(self);
}

static void tell_trouble(sl_proc *self, sl_res why)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 256 };
    const sl_detail *detail = sl_detail_get();
    uint8_t numbers[8];
    sl_put_le32(numbers, (uint32_t)why.code);
    sl_put_le32(numbers + 4, (uint32_t)detail->os_error);
    sl_res told = sl_buf_add(&body, sl_view_of(numbers, sizeof numbers));
    if (sl_ok(told)) {
        told = sl_buf_add_str(&body, detail->field);
    }
    if (sl_ok(told)) {
        told = sl_ipc_send(self->control, SL_PROC_TROUBLE, 0, sl_buf_view(&body));
    }
    (void)told; /* the exit status says that something was wrong */
}

static void put_down(sl_proc *self)
{
    for (size_t i = 0; i < self->link_count; i++) {
        if (self->links[i].fd >= 0) {
            (void)close(self->links[i].fd);
        }
    }
    for (size_t i = 0; i < self->listening_count; i++) {
        (void)close(self->listening[i].fd);
    }
    for (size_t i = 0; i < SL_PROC_MEMORIES_MAX; i++) {
        if (self->shared[i] != NULL) {
            (void)munmap(self->shared[i], self->decl->memories[i].bytes);
        }
    }
    sl_valve_unmap(self->valve);
    sl_buf_free(&self->config);
    sl_ipc_close(self->control);
}

int sl_proc_run(const sl_proc_decl *decl, int control_fd, void *memory)
{
    static sl_proc self; /* too large for a stack, one for each process */
    self = (sl_proc){ .decl = decl, .memory = memory, .config = { .max = SL_CONFIG_BYTES_MAX } };
    (void)signal(SIGPIPE, SIG_IGN);
    if (!sl_ok(sl_ipc_open(control_fd, &control_table, &self.control))) {
        return 3;
    }
    sl_res done = start(&self);
    if (sl_is(done, SL_E_CLOSED)) {
        done = SL_DONE; /* told to end, or the supervisor is gone */
    }
    if (!sl_ok(done)) {
        tell_trouble(&self, done);
    }
    put_down(&self);
    return sl_res_exit(done);
}
