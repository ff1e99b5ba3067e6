/* The process `confirm`: compares a text with one protected record, for the keeper alone.
 * It sees the sealed objects and the keyed indexes, both of which say nothing without the keys that come with
 * each question; the data key is wiped with its answer. It must never write, connect or keep a record.
 * Design: src/vault/confirm.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/serve_peer.h"
#include "crypto/crypto.h"
#include "vault/confirm.h"
#include "vault/keeperd.h"

enum { INDEXES_MAX = 4 };

static const sl_confine_path PATHS[] = {
    { "vault", "/vault", SL_PATH_READ },
    { "state/roster", "/roster", SL_PATH_READ },
};

static const sl_confine_profile PROFILE = {
    .name = "confirm",
    .may = SL_MAY_FILES,
    .paths = PATHS,
    .path_count = SL_COUNT_OF(PATHS),
};

/* An index that was read; it is read again when its file is another. */
typedef struct {
    sl_name compartment;
    struct stat seen;
    sl_buf bytes;
    sl_echo_index *index; /* NULL: free */
} opened;

typedef struct {
    int vault_fd;
    int roster_fd;
    opened indexes[INDEXES_MAX];
    size_t next;
} confirm_state;

static void forget(opened *o)
{
    sl_echo_index_free(o->index);
    sl_buf_free(&o->bytes);
    *o = (opened){ 0 };
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static sl_res read_index(confirm_state *s, opened *o, const char *file, const uint8_t key[32])
{
    o->bytes.max = SL_ECHO_INDEX_BYTES_MAX;
    SL_TRY(sl_file_read(s->roster_fd, file, &o->bytes));
    return sl_echo_open(sl_buf_view(&o->bytes), key, &o->index);
}

static sl_res index_of(confirm_state *s, const char *compartment, const uint8_t key[32],
                       sl_echo_index **ret)
{
    struct stat st;
    char file[SL_ECHO_FILE_BYTES];
    sl_echo_file_name(compartment, file);
    if (fstatat(s->roster_fd, file, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return sl_fail_os(SL_E_NOT_FOUND, "index of records");
    }
    size_t at = s->next;
    for (size_t i = 0; i < INDEXES_MAX; i++) {
        opened *o = &s->indexes[i];
        if (o->index != NULL && strcmp(o->compartment, compartment) == 0) {
            if (same_file(&o->seen, &st)) {
                *ret = o->index;
                return SL_DONE;
            }
            at = i;
        }
    }
    opened *o = &s->indexes[at];
    forget(o);
    sl_res r = read_index(s, o, file, key);
    if (!sl_ok(r)) {
        forget(o);
        return r;
    }
    s->next = (at + 1) % INDEXES_MAX;
    o->seen = st;
    memcpy(o->compartment, compartment, strlen(compartment) + 1);
    *ret = o->index;
    return SL_DONE;
}

static sl_res compare(confirm_state *s, sl_view body, sl_buf *reply)
{
    sl_confirm_request q;
    sl_confirm_answer answer;
    sl_echo_index *index = NULL;
    SL_NEED(body.n > SL_CONFIRM_KEYS_BYTES, SL_E_SYNTAX);
    SL_TRY(sl_confirm_request_decode(sl_view_sub(body, SL_CONFIRM_KEYS_BYTES, body.n), &q));
    SL_TRY(index_of(s, q.compartment, body.p, &index));
    SL_TRY(sl_confirm_compare(s->vault_fd, index, &q, body.p + 32, &answer));
    return sl_confirm_answer_encode(&answer, reply);
}

static sl_res on_compare(sl_ipc *link, sl_ipc_msg *msg, void *context)
{
    confirm_state *s = context;
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = SL_CONFIRM_ANSWER_BYTES };
    sl_res r = compare(s, msg->body, &reply);
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_WARN, "a record could not be compared", r);
        return sl_ipc_send_failed(link, msg->id, r);
    }
    return sl_ipc_send(link, SL_IPC_OK, msg->id, sl_buf_view(&reply));
}

static const sl_ipc_rule rules[] = {
    { SL_CONFIRM_COMPARE, SL_IPC_ANY_PHASE, SL_CONFIRM_KEYS_BYTES + SL_CONFIRM_REQUEST_BYTES_MIN,
      SL_CONFIRM_KEYS_BYTES + SL_CONFIRM_REQUEST_BYTES_MAX, 0, on_compare },
};
static const sl_ipc_table table = { "keeper", rules, SL_COUNT_OF(rules) };

static void drop_all(confirm_state *s)
{
    for (size_t i = 0; i < INDEXES_MAX; i++) {
        forget(&s->indexes[i]);
    }
    sl_fd_close(&s->vault_fd);
    sl_fd_close(&s->roster_fd);
}

static sl_res entry(sl_proc *self)
{
    SL_OWN(confirm_state, s, drop_all) = { .vault_fd = -1, .roster_fd = -1 };
    SL_TRY(sl_dir_open(AT_FDCWD, "/vault", &s.vault_fd));
    SL_TRY(sl_dir_open(AT_FDCWD, "/roster", &s.roster_fd));
    return sl_serve_peer(self, "keeper", &table, &s, NULL);
}

static sl_res warm(sl_proc *self)
{
    (void)self;
    return sl_crypto_init();
}

const sl_proc_decl sl_confirmd_decl = {
    .name = "confirm",
    .entry = entry,
    .profile = &PROFILE,
    .peers = { "keeper" },
    .when_dead = SL_PROC_RESTART,
    .warm = warm,
};
