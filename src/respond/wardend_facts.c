/* What the machine and the processes are like, told as leaves (wardend_internal.h): the supervisor looks (host/attest.c),
 * this writes. The same thing is said again only when the checks that rest on it would else run out of evidence. It
 * judges nothing but "as declared or not", and what could not be seen is written as that. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "ledger/events.gen.h"
#include "respond/wardend_internal.h"

/* A look costs the supervisor some hundred small reads; the clock's evidence lasts five minutes. */
#define LOOK_EVERY_MS ((uint64_t)120000)
#define AGAIN_SOON_MS ((uint64_t)20 * 60 * 1000)  /* evidence of an hour */
#define AGAIN_LATE_MS ((uint64_t)6 * 3600 * 1000) /* evidence of a day */
#define INTERFACES_MAX 1024

/* One look's answer, as far as it was read. */
typedef struct {
    daemon_state *d;
    bool clock_told;
    bool synced;
    int64_t offset_ms;
    bool config_told;
    sl_digest running;
    sl_digest stored;
    size_t processes;
    size_t weak;    /* processes that lack a layer */
    uint32_t lacks; /* layers that some process lacks */
    uint32_t lied;  /* layers that a process said and the kernel does not show */
    size_t cores;   /* processes that may write a core */
    uint64_t interfaces;
    sl_buf declared; /* a line a process: what the program declares */
    sl_buf in_force; /* and what holds */
} look;

/* ---- saying it once ---- */

static uint64_t now_ms(void)
{
    return sl_clock_boot_ns() / 1000000;
}

/* The place where it stands when this was last said; the oldest when the table is full. */
static said_fact *place_of(daemon_state *d, const char *name)
{
    said_fact *oldest = &d->said[0];
    for (size_t i = 0; i < SAID_MAX; i++) {
        said_fact *s = &d->said[i];
        if (strcmp(s->name, name) == 0) {
            return s;
        }
        oldest = s->at_ms < oldest->at_ms ? s : oldest;
    }
    *oldest = (said_fact){ 0 };
    (void)snprintf(oldest->name, sizeof oldest->name, "%s", name);
    return oldest;
}

static void say(daemon_state *d, const char *name, uint64_t again_ms, sl_res emitted,
                const sl_buf *event)
{
    if (!sl_ok(emitted)) {
        sl_log_res(SL_LOG_WARN, "a fact could not be written", emitted);
        return;
    }
    said_fact *s = place_of(d, name);
    sl_digest what = sl_sha256(sl_buf_view(event));
    if (s->at_ms != 0 && now_ms() - s->at_ms < again_ms && sl_digest_eq(&s->what, &what)) {
        return;
    }
    sl_res r = sl_warden_append(d->warden, sl_buf_view(event), 0);
    if (!sl_ok(r)) {
        sl_log_res(SL_LOG_WARN, "a fact could not be recorded; the next look says it", r);
        return;
    }
    s->what = what;
    s->at_ms = now_ms();
}

static void say_checked(daemon_state *d, const char *fact, bool known, bool ok, sl_view reason,
                        uint64_t count)
{
    sl_event_head head = { 0 };
    sl_event_site_checked fields = {
        .fact = sl_view_str(fact), .has_ok = known, .ok = ok, .reason = reason, .count = count
    };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    say(d, fact, AGAIN_LATE_MS, sl_emit_site_checked(&head, &fields, &event), &event);
}

/* ---- reading a look ---- */

static bool hear_fact(look *l, const sl_json_doc *doc, const sl_json_node *root)
{
    const sl_json_node *fact = sl_json_get_kind(doc, root, "fact", SL_JSON_STRING);
    const sl_json_node *known = sl_json_get_kind(doc, root, "known", SL_JSON_STRING);
    const sl_json_node *reason = sl_json_get_kind(doc, root, "reason", SL_JSON_STRING);
    uint64_t count = 0;
    char name[SL_NAME_BYTES_MAX] = { 0 };
    if (fact == NULL || known == NULL || reason == NULL || fact->raw.n >= sizeof name ||
        !sl_ok(sl_json_u64(sl_json_get(doc, root, "count"), &count))) {
        return false;
    }
    memcpy(name, fact->raw.p, fact->raw.n);
    bool good = sl_view_eq_str(known->raw, "good");
    say_checked(l->d, name, good || sl_view_eq_str(known->raw, "bad"), good, reason->raw, count);
    return true;
}

static bool hear_clock(look *l, const sl_json_doc *doc, const sl_json_node *root)
{
    const sl_json_node *synced = sl_json_get(doc, root, "synced");
    if (synced == NULL) {
        return false;
    }
    l->clock_told = sl_ok(sl_json_i64(sl_json_get(doc, root, "offset_ms"), &l->offset_ms));
    l->synced = l->clock_told && synced->kind == SL_JSON_TRUE;
    return true;
}

static bool hear_config(look *l, const sl_json_doc *doc, const sl_json_node *root)
{
    const sl_json_node *running = sl_json_get_kind(doc, root, "running", SL_JSON_STRING);
    const sl_json_node *stored = sl_json_get_kind(doc, root, "stored", SL_JSON_STRING);
    if (running == NULL) {
        return false;
    }
    l->config_told = stored != NULL && sl_ok(sl_digest_parse(running->raw, &l->running)) &&
                     sl_ok(sl_digest_parse(stored->raw, &l->stored));
    return true;
}

static sl_res add_layers(sl_buf *out, sl_view process, sl_view profile, uint64_t layers)
{
    return sl_buf_addf(out, "%.*s %.*s %llx\n", SL_FMT(process), SL_FMT(profile),
                       (unsigned long long)layers);
}

static bool hear_process(look *l, const sl_json_doc *doc, const sl_json_node *root)
{
    const sl_json_node *process = sl_json_get_kind(doc, root, "process", SL_JSON_STRING);
    const sl_json_node *profile = sl_json_get_kind(doc, root, "profile", SL_JSON_STRING);
    uint64_t expected = 0;
    uint64_t holds = 0;
    uint64_t said = 0;
    uint64_t interfaces = 0;
    if (process == NULL || profile == NULL ||
        !sl_ok(sl_json_u64(sl_json_get(doc, root, "expected"), &expected)) ||
        !sl_ok(sl_json_u64(sl_json_get(doc, root, "holds"), &holds)) ||
        !sl_ok(sl_json_u64(sl_json_get(doc, root, "said"), &said)) ||
        !sl_ok(sl_json_u64(sl_json_get(doc, root, "interfaces"), &interfaces))) {
        return false;
    }
    const sl_json_node *core = sl_json_get(doc, root, "core");
    l->processes++;
    l->weak += (expected & ~holds) != 0;
    l->lacks |= (uint32_t)(expected & ~holds);
    l->lied |= (uint32_t)(expected & said & ~holds);
    l->cores += core == NULL || core->kind != SL_JSON_FALSE;
    l->interfaces += interfaces < INTERFACES_MAX ? interfaces : INTERFACES_MAX;
    return sl_ok(add_layers(&l->declared, process->raw, profile->raw, expected)) &&
           sl_ok(add_layers(&l->in_force, process->raw, profile->raw, holds & expected));
}

static bool hear(look *l, sl_view line)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    if (!sl_ok(sl_json_parse(line, &doc))) {
        return false;
    }
    const sl_json_node *root = sl_json_root(&doc);
    return hear_fact(l, &doc, root) || hear_clock(l, &doc, root) || hear_config(l, &doc, root) ||
           hear_process(l, &doc, root);
}

/* ---- what follows from it ---- */

static void say_confinement(look *l)
{
    const char *reason = "every_layer";
    for (unsigned i = 0; i < SL_LAYER_COUNT && l->lacks != 0; i++) {
        if ((l->lacks & SL_LAYER_BIT(i)) != 0) {
            reason = sl_layer_name((sl_layer)i);
            break;
        }
    }
    reason = l->lied != 0 ? "said_but_not_seen" : reason;
    char word[SL_NAME_BYTES_MAX] = { 0 };
    for (size_t i = 0; i < sizeof word - 1 && reason[i] != '\0'; i++) {
        word[i] = reason[i] == '-' ? '_' : reason[i];
    }
    bool known = l->processes > 0;
    say_checked(l->d, "confinement", known, l->weak == 0, sl_view_str(known ? word : "not_seen"),
                l->weak);
    say_checked(l->d, "core_dumps", known, l->cores == 0,
                sl_view_str(!known          ? "not_seen"
                            : l->cores == 0 ? "none_possible"
                                            : "possible"),
                l->cores);
}

/* Every compartment's data meets the same processes: what holds of them holds of each. */
static void say_compartments(look *l)
{
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(sl_warden_roll(l->d->warden), &count);
    sl_digest declared = sl_sha256(sl_buf_view(&l->declared));
    sl_digest in_force = sl_sha256(sl_buf_view(&l->in_force));
    for (size_t i = 0; i < count && l->processes > 0; i++) {
        if (list[i].state == SL_COMPARTMENT_SHREDDED) {
            continue;
        }
        sl_event_head head = { .compartment = sl_view_str(list[i].id) };
        sl_event_compartment_attested fields = {
            .policy_digest = &in_force,
            .approved_digest = &declared,
            .network_interfaces = l->interfaces,
            .seccomp = (l->lacks & SL_LAYER_BIT(SL_LAYER_SECCOMP)) == 0,
            .landlock = (l->lacks & SL_LAYER_BIT(SL_LAYER_LANDLOCK)) == 0,
        };
        SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
        say(l->d, list[i].id, AGAIN_SOON_MS, sl_emit_compartment_attested(&head, &fields, &event),
            &event);
    }
}

/* Clocks that agree with ours: the kernel's own time service, and witnesses by the time in their cosignature. */
static void say_clock(look *l)
{
    daemon_state *d = l->d;
    uint64_t sources = l->synced;
    int64_t wall_s = sl_clock_wall_ms() / 1000;
    for (size_t i = 0; i < WITNESS_CLOCKS; i++) {
        sources += d->clocks[i].agreed && wall_s - d->clocks[i].at_s < WITNESS_CLOCK_S_MAX;
    }
    sl_event_head head = { 0 };
    sl_event_time_checked fields = { .has_offset_ms = l->synced,
                                     .offset_ms = l->offset_ms,
                                     .sources = sources };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    say(d, "clock", LOOK_EVERY_MS / 2, sl_emit_time_checked(&head, &fields, &event), &event);
}

static void say_scope(daemon_state *d, attested_scope scope, const sl_digest *digest)
{
    static const char *const names[] = { "program", "configuration", "policy" };
    const approved_digest *approved = &d->approved[scope];
    sl_event_head head = { 0 };
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_res r;
    bool ok = approved->known && sl_digest_eq(&approved->digest, digest);
    if (scope == SCOPE_PROGRAM) {
        sl_event_host_attested fields = { .binary_digest = digest,
                                          .release_digest =
                                              approved->known ? &approved->digest : NULL,
                                          .has_ok = approved->known,
                                          .ok = ok };
        r = sl_emit_host_attested(&head, &fields, &event);
    } else {
        sl_event_config_attested fields = { .scope = sl_view_str(names[scope]),
                                            .digest = digest,
                                            .approved_digest =
                                                approved->known ? &approved->digest : NULL,
                                            .has_ok = approved->known,
                                            .ok = ok };
        r = sl_emit_config_attested(&head, &fields, &event);
    }
    say(d, names[scope], AGAIN_SOON_MS, r, &event);
}

static void say_quorum(daemon_state *d)
{
    const sl_roll *roll = sl_warden_roll(d->warden);
    size_t persons = sl_roll_persons(roll, SL_ROLE_OPERATOR);
    bool two = persons >= 2 && sl_roll_quorum(roll) >= 2;
    say_checked(d, "quorum", true, two, sl_view_str(two ? "two_persons" : "one_person"), persons);
}

void sl_wardend_facts(daemon_state *d, sl_res done, sl_view body)
{
    look l = { .d = d, .declared = { .max = 64 * SL_KIB }, .in_force = { .max = 64 * SL_KIB } };
    bool whole = sl_ok(done);
    while (whole && body.n > 0) {
        sl_view line;
        (void)sl_view_cut(body, '\n', &line, &body);
        whole = hear(&l, line);
    }
    if (!whole) {
        sl_log_res(SL_LOG_WARN, "the machine could not be looked at",
                   sl_ok(done) ? sl_fail(SL_E_SYNTAX) : done);
    } else {
        say_confinement(&l);
        say_compartments(&l);
        say_quorum(d);
        say_scope(d, SCOPE_PROGRAM, sl_wardend_program());
        if (l.clock_told) {
            say_clock(&l);
        }
        if (l.config_told) {
            /* A file that was changed and not taken up yet is a configuration nobody runs: it counts as the one in
             * force from the moment it lies there. */
            say_scope(d, SCOPE_CONFIGURATION,
                      sl_digest_eq(&l.running, &l.stored) ? &l.running : &l.stored);
        }
        if (d->policy_known) {
            say_scope(d, SCOPE_POLICY, &d->policy);
        }
    }
    sl_buf_free(&l.declared);
    sl_buf_free(&l.in_force);
}

void sl_wardend_look(daemon_state *d)
{
    uint64_t now = now_ms();
    if (d->looked_ms != 0 && now - d->looked_ms < LOOK_EVERY_MS) {
        return;
    }
    d->looked_ms = now;
    sl_res asked = sl_proc_request(d->self, SL_PROC_FACTS, (sl_view){ NULL, 0 }, &d->facts_id);
    if (!sl_ok(asked)) {
        sl_log_res(SL_LOG_WARN, "the machine could not be looked at", asked);
    }
}

/* ---- what leaves tell ---- */

static void learn_approved(daemon_state *d, const sl_json_doc *doc)
{
    static const char *const names[] = { "program", "configuration", "policy" };
    const sl_json_node *scope = sl_leaf_field(doc, SL_LIT("scope"));
    const sl_json_node *digest = sl_leaf_field(doc, SL_LIT("digest"));
    for (size_t i = 0; i < SL_COUNT_OF(names); i++) {
        if (sl_json_is(scope, SL_JSON_STRING) && sl_json_is(digest, SL_JSON_STRING) &&
            sl_view_eq_str(scope->raw, names[i])) {
            d->approved[i].known = sl_ok(sl_digest_parse(digest->raw, &d->approved[i].digest));
            d->looked_ms = 0; /* what is in force is compared with it at once */
        }
    }
}

/* The witness's own place, or the first free one: places are taken in order. */
static witness_clock *clock_of(daemon_state *d, sl_view name)
{
    for (size_t i = 0; i < WITNESS_CLOCKS; i++) {
        witness_clock *one = &d->clocks[i];
        if (one->name[0] == '\0' || sl_view_eq_str(name, one->name)) {
            return one;
        }
    }
    return NULL;
}

/* The witness cosigned a checkpoint of this moment: its clock then, and ours in the leaf. */
static void learn_clock(daemon_state *d, const sl_leaf *leaf)
{
    uint64_t time_s = 0;
    sl_view name = sl_leaf_text(leaf, "witness");
    if (!sl_leaf_count(leaf, "time_s", &time_s) || !sl_leaf_bool(leaf, "ok") ||
        name.n >= sizeof d->clocks[0].name) {
        return;
    }
    witness_clock *place = clock_of(d, name);
    if (place == NULL) {
        return;
    }
    int64_t ours_s = (int64_t)(leaf->time_ms / 1000);
    int64_t gap_s = ours_s - (int64_t)time_s;
    memset(place->name, 0, sizeof place->name);
    memcpy(place->name, name.p, name.n);
    place->at_s = ours_s;
    place->agreed = gap_s >= -WITNESS_GAP_S_MAX && gap_s <= WITNESS_GAP_S_MAX;
}

void sl_wardend_facts_leaf(daemon_state *d, uint64_t index, sl_view text)
{
    SL_OWN(sl_buf, unfolded, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    bool approved = false;
    if (!sl_ok(sl_leaf_read(text, &leaf))) {
        return;
    }
    if (sl_leaf_is(&leaf, "ask.intent")) {
        sl_view policy = sl_leaf_text(&leaf, "policy");
        d->policy_known = sl_ok(sl_digest_parse(policy, &d->policy)) || d->policy_known;
    } else if (sl_leaf_is(&leaf, "ledger.witnessed")) {
        learn_clock(d, &leaf);
    } else if (sl_leaf_is(&leaf, "drill.ended")) {
        sl_wardend_drilled(d, index, &leaf);
    } else if (sl_ok(sl_approved_unfold(text, &unfolded, &approved)) && approved) {
        SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
        if (sl_ok(sl_json_parse(sl_buf_view(&unfolded), &doc)) &&
            sl_view_find(sl_buf_view(&unfolded), SL_LIT("\"config.changed\""), 0) != SIZE_MAX) {
            learn_approved(d, &doc);
        }
    }
}
