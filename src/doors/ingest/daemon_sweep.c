/* Sealed objects read back and compared with the ledger, without any key, each at least once a day: what was changed
 * or lost on the disk is known before somebody needs it (daemon_internal.h). A pass is spread over half a day, so that
 * commands wait for few of them and the ledger is not always growing. It must never say that something is well which
 * it did not read. */
#include "doors/ingest/daemon_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "ledger/events.gen.h"

enum {
    TURN_MS = 1000,
    FIRST_MS = 5 * 1000,
    REST_MS_MAX = 30 * 1000, /* between two of them, where there are few */
    LOOKS_MAX = 8,           /* in one turn, where there are very many */
    LINE_BYTES_MAX = 256,
};

/* Evidence counts for a day (data/checks/seal.yml): half of that, so that a slow pass is no gap. */
#define PASS_MS UINT64_C(43200000)

static sl_res add_line(void *context, const char *compartment, const char *object, uint64_t version)
{
    sl_ingestd *d = context;
    d->sweep.waiting++;
    return sl_buf_addf(&d->sweep.queue, "%s %s %llu\n", compartment, object,
                       (unsigned long long)version);
}

void sl_ingestd_sweep_soon(sl_ingestd *d, const sl_manifest *m)
{
    sl_res r = add_line(d, m->ref.compartment, m->ref.object, m->ref.version);
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_WARN, "a new object waits for the next pass to be read back", r);
    }
}

static sl_res tell(sl_ingestd *d, const sl_manifest *m, bool ok)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    uint64_t index = 0;
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(m->ref.compartment));
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    sl_event_head head = { .door = SL_LIT("ingest"), .compartment = sl_view_str(c->id) };
    sl_event_seal_verified fields = { .object = sl_view_str(m->ref.uid),
                                      .version = m->ref.version,
                                      .ok = ok,
                                      .alg = SL_LIT("cobblestone_256") };
    SL_TRY(sl_emit_seal_verified(&head, &fields, &event));
    return sl_ingestd_append(d, sl_buf_view(&event), &index);
}

/* A version whose crossing never ended well counts for nobody, and is not spoken of. */
static sl_res look_at(sl_ingestd *d, const char *compartment, const char *object, uint64_t version)
{
    sl_manifest m;
    SL_TRY(sl_peers_follow(&d->peers));
    SL_TRY(sl_manifest_read(d->vault_fd, compartment, object, version, &m));
    const sl_admitted *admitted = sl_ingest_known_find(&d->known, m.ref.uid, version);
    if (admitted == NULL) {
        return SL_DONE;
    }
    sl_res r = sl_ingestd_verify(d, &m, admitted);
    if (!sl_ok(r) && !sl_is(r, SL_E_INTEGRITY)) {
        return r; /* not read, so nothing is known */
    }
    return tell(d, &m, sl_ok(r));
}

static sl_res look_at_line(sl_ingestd *d, sl_view line)
{
    sl_name compartment = { 0 };
    sl_name object = { 0 };
    sl_view first;
    sl_view second;
    uint64_t version = 0;
    (void)sl_view_cut(line, ' ', &first, &line);
    (void)sl_view_cut(line, ' ', &second, &line);
    SL_TRY(sl_name_set(compartment, first));
    SL_TRY(sl_name_set(object, second));
    SL_TRY(sl_parse_u64(line, INT64_MAX, &version));
    return look_at(d, compartment, object, version);
}

static sl_res look_at_first(sl_ingestd *d)
{
    sl_buf *queue = &d->sweep.queue;
    char line[LINE_BYTES_MAX] = { 0 };
    sl_view first;
    sl_view rest;
    (void)sl_view_cut(sl_buf_view(queue), '\n', &first, &rest);
    size_t taken = queue->n - rest.n;
    if (first.n < sizeof line) {
        memcpy(line, first.p, first.n);
    }
    sl_buf_drop_front(queue, taken);
    d->sweep.waiting = queue->n == 0 ? 0 : d->sweep.waiting - 1;
    return look_at_line(d, sl_view_str(line));
}

static uint64_t rest_ms(const sl_ingestd *d)
{
    uint64_t even = PASS_MS / (d->sweep.waiting + 1);
    return even < REST_MS_MAX ? even : REST_MS_MAX;
}

static void on_turn(void *context)
{
    sl_ingestd *d = context;
    uint64_t now_ms = sl_clock_boot_ns() / 1000000;
    if (d->peers.ledger == NULL || now_ms < d->sweep.begun_ms + FIRST_MS) {
        return;
    }
    sl_res r = SL_DONE;
    if (d->sweep.queue.n == 0 && now_ms >= d->sweep.pass_ms) {
        d->sweep.pass_ms = now_ms + PASS_MS;
        r = sl_vault_each(d->vault_fd, NULL, add_line, d);
    }
    for (int i = 0;
         i < LOOKS_MAX && sl_ok(r) && d->sweep.queue.n != 0 && now_ms >= d->sweep.look_ms; i++) {
        r = look_at_first(d);
        uint64_t due_ms = d->sweep.look_ms + TURN_MS > now_ms ? d->sweep.look_ms : now_ms - TURN_MS;
        d->sweep.look_ms = due_ms + rest_ms(d);
    }
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_WARN, "a sealed object could not be read back", r);
    }
}

sl_res sl_ingestd_sweep_start(sl_ingestd *d)
{
    uint64_t timer = 0;
    d->sweep.queue.max = 64 * SL_MIB;
    d->sweep.begun_ms = sl_clock_boot_ns() / 1000000;
    return sl_loop_every(d->commands.loop, TURN_MS, on_turn, d, &timer);
}
