/* What commands ask of the release process (daemon_internal.h): let a file or an object be looked at and held, list,
 * hand out. It must never answer with anything of what is held but through sl_release_hand_out. */
#include "doors/release/daemon_internal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/yaml.h"
#include "doors/release/review.h"
#include "doors/scan_pack.h"

#define HELD_MS_DEFAULT (INT64_C(7) * 24 * 3600 * 1000)
#define HELD_MS_MAX (INT64_C(90) * 24 * 3600 * 1000)
#define MIN_CELL_MAX 1000

/* ---- requests ---- */

/* policy/release.yml, if there is one: for how long something is held, and the smallest count in a table that leaves. Read at every crossing, so that a change
 * needs no restart; a file that cannot be read refuses the crossing. */
static sl_res read_policy(sl_release_request *request)
{
    static const sl_yaml_field fields[] = {
        { "hold", SL_YAML_AS_DURATION, .offset = offsetof(sl_release_request, held_ms_max),
          .min = 60 * 1000, .max = HELD_MS_MAX },
        { "min_cell", SL_YAML_AS_INT, .offset = offsetof(sl_release_request, min_cell), .min = 0,
          .max = MIN_CELL_MAX },
        { 0 },
    };
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 2 * SL_CONFIG_BYTES_MAX };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    const sl_yaml_node *root = NULL;
    request->held_ms_max = HELD_MS_DEFAULT;
    sl_res read = sl_file_read(AT_FDCWD, "/policy/release.yml", &text);
    if (sl_is(read, SL_E_NOT_FOUND)) {
        return SL_DONE;
    }
    SL_TRY(read);
    SL_TRY(sl_yaml_parse(&arena, sl_buf_view(&text), &root));
    return sl_yaml_read(&arena, root, fields, request);
}

static sl_res fill_request(const sl_release_daemon *d, const sl_release_ask *ask,
                           sl_release_request *ret)
{
    const sl_release *r = sl_roll_release(d->known.roll, sl_view_str(ask->id));
    if (r == NULL) {
        return sl_fail_at(SL_E_NOT_FOUND, "release", SL_NOWHERE);
    }
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(r->compartment));
    /* NULL: nobody was granted that anything leaves. */
    const sl_grant *grant = sl_roll_grant_through(d->known.roll, sl_view_str(r->compartment),
                                                  SL_DOOR_RELEASE, sl_clock_wall_ms());
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    *ret = (sl_release_request){ .asked = *r };
    memcpy(ret->compartment_id, c->id, sizeof ret->compartment_id);
    memcpy(ret->file_name, ask->file_name, sizeof ret->file_name);
    memcpy(ret->salt, ask->salt, sizeof ret->salt);
    if (grant != NULL) {
        memcpy(ret->principal, grant->principal, sizeof ret->principal);
        memcpy(ret->purpose, grant->purpose, sizeof ret->purpose);
    }
    return SL_DONE;
}

static void write_classes(sl_json_writer *w, const uint64_t classes[SL_CLASS_COUNT])
{
    sl_json_key(w, "classes");
    sl_json_object_begin(w);
    for (size_t i = 0; i < SL_CLASS_COUNT; i++) {
        if (classes[i] != 0) {
            sl_json_put_uint(w, sl_class_name((sl_class)i), classes[i]);
        }
    }
    sl_json_object_end(w);
}

static void write_signers(sl_json_writer *w, const sl_release *r)
{
    sl_json_key(w, "approved_by");
    sl_json_array_begin(w);
    for (size_t i = 0; i < r->approved_count; i++) {
        sl_json_string(w, sl_view_str(r->approved_by[i]));
    }
    sl_json_array_end(w);
}

/* Whoever may not act any more is called by the key. */
static void write_taken(sl_json_writer *w, const sl_roll *roll, const sl_release *r)
{
    sl_json_key(w, "taken_by");
    sl_json_array_begin(w);
    for (size_t i = 0; i < r->taken_count; i++) {
        const char *person = sl_roll_signer_person(roll, r->taken_by[i]);
        sl_json_string(w, sl_view_str(person != NULL ? person : r->taken_by[i]));
    }
    sl_json_array_end(w);
    sl_json_put_uint(w, "taken_leaf", r->taken_leaf);
    sl_json_put_int(w, "taken_ms", r->taken_ms);
}

static void write_facts(sl_json_writer *w, const sl_release_facts *facts)
{
    static const sl_release_facts NOTHING;
    const sl_release_facts *f = facts == NULL ? &NOTHING : facts;
    sl_json_put_uint(w, "bytes", f->bytes);
    write_classes(w, f->classes);
    sl_json_put_str(w, "format", f->format);
    sl_json_put_str(w, "outcome", f->outcome);
    sl_json_put_str(w, "reason", f->reason);
    sl_json_put_str(w, "scan", f->scan);
    sl_json_put_uint(w, "scan_findings", f->scan_findings);
    sl_json_put_str(w, "verdict", f->verdict);
}

static sl_res write_release(const sl_release_daemon *d, const sl_release *r, sl_buf *reply)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_json_writer w;
    sl_json_writer_init(&w, reply);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "asked_by", r->person);
    write_signers(&w, r);
    sl_json_put_str(&w, "compartment", r->compartment);
    sl_digest_hex(&r->held, hex);
    sl_json_put_str(&w, "digest", r->held_leaf == 0 ? "" : hex);
    write_facts(&w, sl_release_known_facts(&d->known, r->id));
    sl_json_put_str(&w, "id", r->id);
    sl_json_put_str(&w, "kind", r->kind);
    sl_json_put_str(&w, "label", r->label);
    sl_json_put_uint(&w, "leaf", r->held_leaf == 0 ? r->asked_leaf : r->held_leaf);
    sl_json_put_str(&w, "state", sl_release_state_name(r->state));
    write_taken(&w, d->known.roll, r);
    sl_json_put_uint(&w, "times_out", r->times_out);
    sl_json_put_int(&w, "until_ms", r->until_ms);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

/* A crossing that failed is an answer too: which code, where in the file. */
static sl_res write_failure(const sl_release_ask *ask, sl_res why, sl_buf *reply)
{
    const sl_detail where = *sl_detail_get();
    sl_json_writer w;
    sl_json_writer_init(&w, reply);
    sl_json_object_begin(&w);
    sl_json_put_int(&w, "code", why.code);
    sl_json_put_str(&w, "id", ask->id);
    if (where.offset != SL_NOWHERE && where.offset < (uint64_t)1 << 52) {
        sl_json_put_uint(&w, "offset", where.offset);
    }
    sl_json_put_str(&w, "where", where.field == NULL ? "" : where.field);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static sl_res do_file(sl_release_daemon *d, const sl_release_ask *ask, int fd, sl_buf *reply)
{
    sl_release_request request;
    sl_release_result result;
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    SL_OWN(int, policy_fd, sl_fd_close) = -1;
    sl_release_world world = sl_release_daemon_world(d);
    SL_TRY(sl_peers_follow(&d->peers));
    SL_TRY(fill_request(d, ask, &request));
    SL_TRY(read_policy(&request));
    SL_TRY(sl_dir_open(AT_FDCWD, "/policy", &policy_fd));
    SL_TRY(sl_scan_pack_read(policy_fd, &allow));
    world.allow = allow;
    sl_res crossed = sl_release_cross(&world, d->held_fd, d->vault_fd, fd, &request, &result);
    sl_buf_free(&d->roster);
    sl_buf_free(&d->echo);
    if (!sl_ok(crossed)) {
        return write_failure(ask, crossed, reply);
    }
    SL_TRY(sl_peers_follow(&d->peers));
    const sl_release *r = sl_roll_release(d->known.roll, sl_view_str(ask->id));
    SL_NEED(r != NULL, SL_E_BUG);
    return write_release(d, r, reply);
}

static sl_res do_list(sl_release_daemon *d, const sl_release_ask *ask, sl_buf *reply)
{
    size_t count = 0;
    SL_TRY(sl_peers_follow(&d->peers));
    const sl_release *list = sl_roll_releases(d->known.roll, &count);
    for (size_t i = 0; i < count; i++) {
        const sl_release *r = &list[i];
        bool here = ask->compartment[0] == 0 || strcmp(ask->compartment, r->compartment) == 0;
        if (here && strncmp(r->id, ask->id, strlen(ask->id)) == 0) {
            SL_TRY(write_release(d, r, reply));
            SL_TRY(sl_buf_add_byte(reply, '\n'));
        }
    }
    return SL_DONE;
}

/* Bytes go to a file and nowhere else: a pipe that nobody reads would hold the door up. */
static sl_res is_empty_file(int fd)
{
    struct stat st;
    bool good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
    return good ? SL_DONE : sl_fail_at(SL_E_TYPE, "file to write to", SL_NOWHERE);
}

static sl_res do_take(sl_release_daemon *d, const sl_release_ask *ask, int fd, sl_buf *reply)
{
    sl_release_request request;
    sl_release_world world = sl_release_daemon_world(d);
    sl_digest digest;
    uint64_t bytes = 0;
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_json_writer w;
    SL_TRY(is_empty_file(fd));
    SL_TRY(sl_peers_follow(&d->peers));
    SL_TRY(fill_request(d, ask, &request));
    int at_fd = strcmp(request.asked.kind, "object") == 0 ? d->vault_fd : d->held_fd;
    sl_res out = sl_release_hand_out(&world, at_fd, fd, d->known.roll, &request, &digest, &bytes);
    if (!sl_ok(out)) {
        return write_failure(ask, out, reply);
    }
    sl_digest_hex(&digest, hex);
    sl_json_writer_init(&w, reply);
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "bytes", bytes);
    sl_json_put_str(&w, "digest", hex);
    sl_json_put_str(&w, "id", request.asked.id);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static sl_res write_shown(const sl_release *r, const sl_release_shown *shown, sl_buf *reply)
{
    sl_json_writer w;
    sl_json_writer_init(&w, reply);
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "bytes", shown->bytes);
    sl_json_put_bool(&w, "complete", shown->complete);
    sl_json_put_str(&w, "id", r->id);
    sl_json_put_uint(&w, "leaf", shown->index);
    sl_json_put_uint(&w, "marks", shown->marks);
    sl_json_put_uint(&w, "texts", shown->texts);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

static sl_res do_review(sl_release_daemon *d, const sl_release_ask *ask, int fd, sl_buf *reply)
{
    sl_release_request request;
    sl_release_shown shown;
    SL_OWN(sl_allow *, allow, sl_allow_free) = NULL;
    SL_OWN(int, policy_fd, sl_fd_close) = -1;
    sl_release_world world = sl_release_daemon_world(d);
    SL_TRY(is_empty_file(fd));
    SL_TRY(sl_peers_follow(&d->peers));
    SL_TRY(fill_request(d, ask, &request));
    SL_TRY(sl_dir_open(AT_FDCWD, "/policy", &policy_fd));
    SL_TRY(sl_scan_pack_read(policy_fd, &allow));
    world.allow = allow;
    const sl_release *r = &request.asked;
    const sl_release_facts *facts = sl_release_known_facts(&d->known, r->id);
    int at_fd = strcmp(r->kind, "object") == 0 ? d->vault_fd : d->held_fd;
    sl_res done = sl_release_review(&world, at_fd, fd, d->known.roll, &request,
                                    facts == NULL ? "" : facts->format, &shown);
    sl_buf_free(&d->roster);
    sl_buf_free(&d->echo);
    return sl_ok(done) ? write_shown(r, &shown, reply) : write_failure(ask, done, reply);
}

/* A request that names a release waits for that one alone: others that cannot be ended now are not its failure. */
static sl_res do_settle(sl_release_daemon *d, const sl_release_ask *ask, sl_buf *reply)
{
    sl_release_ends ends;
    sl_json_writer w;
    SL_TRY(sl_release_daemon_settle(d, &ends));
    const sl_release *r = sl_roll_release(d->known.roll, sl_view_str(ask->id));
    if (r != NULL && sl_release_is_over(&d->known, r, sl_clock_wall_ms())) {
        return sl_ok(ends.why) ? sl_fail(SL_E_AGAIN) : ends.why;
    }
    sl_json_writer_init(&w, reply);
    sl_json_object_begin(&w);
    sl_json_put_uint(&w, "ended", ends.ended);
    sl_json_put_uint(&w, "failed", ends.failed);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

sl_res sl_release_daemon_answer(void *context, uint16_t type, sl_view body, int fd, sl_buf *reply)
{
    sl_release_daemon *d = context;
    sl_release_ask ask;
    SL_TRY(sl_release_ask_decode(body, &ask));
    switch (type) {
    case SL_RELEASE_FILE:
    case SL_RELEASE_OBJECT:
        return do_file(d, &ask, fd, reply);
    case SL_RELEASE_LIST:
        return do_list(d, &ask, reply);
    case SL_RELEASE_TAKE:
        return do_take(d, &ask, fd, reply);
    case SL_RELEASE_REVIEW:
        return do_review(d, &ask, fd, reply);
    default:
        return do_settle(d, &ask, reply);
    }
}
