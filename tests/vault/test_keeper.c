/* The keeper: keys only for what the ledger shows, destruction only after order and delay. */
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/events.gen.h"
#include "vault/confirm.h"
#include "vault/keeper.h"
#include "vault_help.h"

#define ID_C "aaaaaaaabbbbbbbbccccccccdddddddd"
#define OBJECT "00000000000000000000000000000001"

enum { LEAVES_MAX = 256 };

/* A ledger in memory, valves that a test closes, clocks that a test moves. */
typedef struct {
    char dir[64];
    sl_buf leaves[LEAVES_MAX];
    size_t count;
    bool full;
    bool closed;
    bool unturned; /* nobody has turned a valve yet */
    uint64_t boot_ms;
    int64_t wall_ms;
    sl_keeper *keeper;
    bool away;       /* nobody compares records */
    size_t compared; /* questions that came with keys */
    uint8_t keys[SL_CONFIRM_KEYS_BYTES];
} world;

static sl_res append_by(world *w, const char *by, sl_view event)
{
    SL_NEED(!w->full && w->count < LEAVES_MAX, SL_E_DISK_FULL);
    bool containment = false;
    SL_TRY(sl_event_check(event, by, &containment));
    w->leaves[w->count] = (sl_buf){ .max = SL_LEAF_BYTES_MAX };
    SL_TRY(sl_leaf_wrap(event, by, (uint64_t)w->wall_ms, &w->leaves[w->count]));
    w->count++;
    return SL_DONE;
}

static sl_res world_append(void *context, sl_view event)
{
    return append_by(context, "keeper", event);
}

static sl_res world_leaf(void *context, uint64_t index, sl_buf *out)
{
    const world *w = context;
    SL_NEED(index < w->count, SL_E_NOT_FOUND);
    return sl_buf_add(out, sl_buf_view(&w->leaves[index]));
}

static bool world_open(void *context, sl_door door, const char *principal, const char *compartment,
                       uint64_t *ret_epoch)
{
    const world *w = context;
    *ret_epoch = w->unturned ? 0 : 41;
    return !w->closed && (principal == NULL || !w->unturned);
}

static uint64_t world_boot(void *context)
{
    return ((world *)context)->boot_ms;
}

static int64_t world_wall(void *context)
{
    return ((world *)context)->wall_ms;
}

static sl_res world_compare(void *context, sl_view body, sl_confirm_answer *ret_answer)
{
    world *w = context;
    sl_confirm_request q;
    SL_NEED(!w->away, SL_E_TIMEOUT);
    w->compared++;
    memcpy(w->keys, body.p, sizeof w->keys);
    SL_TRY(sl_confirm_request_decode(sl_view_sub(body, SL_CONFIRM_KEYS_BYTES, body.n), &q));
    *ret_answer = (sl_confirm_answer){ .confirmed = sl_view_eq(q.text, SL_LIT("the record")),
                                       .bits = 50,
                                       .bits_needed = 40,
                                       .words_same = 20,
                                       .permille = 500 };
    return SL_DONE;
}

static void genesis(world *w, size_t persons)
{
    sl_genesis_roll g = { .site = SITE, .quorum = 1, .delay_ms = HOUR_MS };
    for (size_t i = 0; i < persons; i++) {
        char person[8] = { 'p', (char)('1' + i), 0 };
        g.operators[g.operators_count++] = help_operator(person, (uint8_t)(i + 1), SL_ROLE_ALL);
    }
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 32 * SL_KIB };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_genesis_encode(&g, &text));
    sl_view person = SL_LIT("p1");
    sl_event_head head = { 0 };
    sl_event_ledger_genesis event = { .site = SL_LIT(SITE),
                                      .origin = SL_LIT("example.org/site"),
                                      .vkey = SL_LIT("example.org/site+00000000+AA"),
                                      .operators = { &person, 1 },
                                      .statements = sl_buf_view(&text),
                                      .quorum = 1,
                                      .kms = SL_LIT("file"),
                                      .version = 1 };
    assert_done(sl_emit_ledger_genesis(&head, &event, &out));
    assert_done(append_by(w, "host", sl_buf_view(&out)));
}

static void keeper_start(world *w)
{
    sl_keeper_world view = { .context = w,
                             .append = world_append,
                             .leaf = world_leaf,
                             .open = world_open,
                             .boot_ms = world_boot,
                             .wall_ms = world_wall,
                             .compare = world_compare };
    assert_done(sl_keeper_new(w->dir, &view, &w->keeper));
    assert_done(sl_keeper_follow(w->keeper));
}

static void keeper_unlock(world *w)
{
    SL_OWN(sl_buf, key, sl_buf_free) = { .max = 1024 };
    assert_done(sl_vault_key_file(w->dir, &key));
    assert_done(sl_keeper_unlock(w->keeper, sl_buf_view(&key)));
}

static void keeper_again(world *w)
{
    sl_keeper_free_at(&w->keeper);
    keeper_start(w);
    keeper_unlock(w);
}

static world *begin(void)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/sl-keeper-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->boot_ms = 1000;
    w->wall_ms = NOW_MS;
    genesis(w, 2);
    assert_done(sl_vault_init(w->dir, SITE, "file", SL_LIT(""), SL_LIT("")));
    keeper_start(w);
    keeper_unlock(w);
    return w;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static void end(world *w)
{
    sl_keeper_free_at(&w->keeper);
    assert_int_equal(nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    for (size_t i = 0; i < w->count; i++) {
        sl_buf_free(&w->leaves[i]);
    }
    free(w);
}

/* The operators' leaf, then the keeper at work. */
static void act(world *w, const sl_statement *s, size_t signers)
{
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(s);
    sl_approval_need need;
    assert_done(sl_roll_need(sl_keeper_roll(w->keeper), s, &need));
    sl_approval list[4];
    for (size_t i = 0; i < signers; i++) {
        list[i] = help_approve(sl_buf_view(&text), need.epoch, (uint8_t)(i + 1));
        list[i].expiry_ms = w->wall_ms + HOUR_MS;
        SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key((uint8_t)(i + 1));
        assert_done(sl_approval_sign(&list[i], &key));
    }
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_roll_event(sl_buf_view(&text), list, signers, &event));
    assert_done(append_by(w, "warden", sl_buf_view(&event)));
    assert_done(sl_keeper_follow(w->keeper));
    assert_done(sl_keeper_work(w->keeper));
}

static world *with_compartment(void)
{
    world *w = begin();
    sl_statement create = help_create("c");
    act(w, &create, 1);
    sl_statement grant =
        help_grant("0011223344556677", "c", SL_DOOR_BIT(SL_DOOR_INGEST), NOW_MS + 100 * HOUR_MS);
    act(w, &grant, 1);
    return w;
}

static uint64_t intent(world *w, const char *by, const char *principal, const char *object)
{
    sl_event_head head = { .principal = sl_view_str(principal),
                           .compartment = SL_LIT(ID_C),
                           .door = sl_view_str(by),
                           .crossing = SL_LIT("x1") };
    sl_event_ingest_intent event = { .object = sl_view_str(object),
                                     .bytes = 10,
                                     .kind = SL_LIT("table"),
                                     .media = SL_LIT("text/csv"),
                                     .purpose = SL_LIT("study") };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_emit_ingest_intent(&head, &event, &out));
    assert_done(append_by(w, by, sl_buf_view(&out)));
    return w->count - 1;
}

static sl_key_request request(uint64_t index)
{
    sl_key_request q = { .compartment = "c",
                         .name = OBJECT,
                         .principal = PRINCIPAL,
                         .version = 1,
                         .intent = index,
                         .kind = SL_WRAP_OBJECT };
    return q;
}

static sl_res ask(world *w, sl_keeper_peer peer, uint16_t type, const sl_key_request *q)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 1024 };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 1024 };
    SL_TRY(sl_key_request_encode(q, &body));
    SL_TRY(sl_keeper_answer(w->keeper, peer, type, sl_buf_view(&body), &reply));
    assert_int_equal(reply.n, type == SL_KEEPER_KEY_FORGET ? 0 : SL_KEY_BYTES);
    return SL_DONE;
}

static bool last_leaf_is(const world *w, const char *type)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    assert_done(sl_leaf_read(sl_buf_view(&w->leaves[w->count - 1]), &leaf));
    return sl_leaf_is(&leaf, type);
}

static void gives_keys_for_a_crossing_that_the_ledger_shows(void **state)
{
    world *w = with_compartment();
    sl_key_request q = request(intent(w, "ingest", PRINCIPAL, OBJECT));
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q));
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q));
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_FORGET, &q));
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q), SL_E_DENIED);
    end(w);
}

/* Whoever took the ingest door over can write intents of its own, about every object whose id it knows. That
 * opens nothing that is sealed, and destroys nothing: destroying takes two persons and a delay. */
static void an_intent_gives_no_key_of_another_crossing(void **state)
{
    world *w = with_compartment();
    sl_key_request q = request(intent(w, "ingest", PRINCIPAL, OBJECT));
    sl_key_request subject = q;
    subject.kind = SL_WRAP_SUBJECT;
    subject.version = 0;
    help_name(subject.name, "s1");
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q));
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &subject));
    sl_key_request again = q;
    again.intent = intent(w, "ingest", PRINCIPAL, OBJECT);
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &again), SL_E_DENIED);
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_FORGET, &again), SL_E_DENIED);
    assert_true(last_leaf_is(w, "key.lease_refused"));
    subject.intent = again.intent;
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &subject), SL_E_DENIED);
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_FORGET, &subject), SL_E_DENIED);
    keeper_again(w); /* nor after a restart, which remembers nothing */
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_FORGET, &q), SL_E_DENIED);
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q), SL_E_EXISTS);
    end(w);
}

static void refuses_keys_without_grant_valve_or_intent(void **state)
{
    world *w = with_compartment();
    uint64_t index = intent(w, "ingest", PRINCIPAL, OBJECT);
    sl_key_request good = request(index);
    sl_key_request q = good;
    q.intent = index + 1;
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q), SL_E_REFUSED);
    assert_true(last_leaf_is(w, "key.lease_refused"));
    q = good;
    q.intent = 0;
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q), SL_E_REFUSED);
    q = good;
    q.name[0] = '1';
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q), SL_E_REFUSED);
    q = good;
    q.principal[0] = 'f';
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q), SL_E_NO_GRANT);
    /* Another principal with a grant of its own cannot ride on this one's intent. */
    sl_statement grant =
        help_grant("0011223344556699", "c", SL_DOOR_BIT(SL_DOOR_INGEST), NOW_MS + 100 * HOUR_MS);
    grant.principal[0] = 'e';
    act(w, &grant, 1);
    q = good;
    q.principal[0] = 'e';
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q), SL_E_REFUSED);
    q = good;
    q.compartment[0] = 'd';
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q), SL_E_NOT_FOUND);
    w->closed = true;
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &good), SL_E_VALVE);
    w->closed = false;
    assert_code(ask(w, SL_KEEPER_ASK, SL_KEEPER_KEY_NEW, &good), SL_E_DENIED);
    assert_code(ask(w, SL_KEEPER_WARDEN, SL_KEEPER_KEY_OPEN, &good), SL_E_DENIED);
    w->wall_ms += 11 * 60 * 1000;
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &good), SL_E_REFUSED);
    w->wall_ms = NOW_MS;
    w->boot_ms += UINT64_C(11) * 60 * 1000; /* and the wall clock was set back meanwhile */
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &good), SL_E_REFUSED);
    good.intent = intent(w, "ingest", PRINCIPAL, OBJECT);
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &good));
    end(w);
}

/* Nobody's request opens a sealed key only on an approval that the roll took: for its compartment, once, for an hour, and
 * never to make or forget one. */
static void opens_for_a_rebuild_that_operators_approved(void **state)
{
    (void)state;
    world *w = with_compartment();
    sl_key_request q = request(intent(w, "ingest", PRINCIPAL, OBJECT));
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q));
    sl_statement rebuild = help_statement(SL_ACTION_ROSTER_REBUILD);
    help_name(rebuild.compartment, "c");
    memcpy(q.principal, SL_KEY_REQUEST_NOBODY, sizeof q.principal);
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q),
                SL_E_REFUSED); /* an intent is none */
    /* Whoever can append a leaf has not approved anything: signatures under another statement are none. */
    sl_statement other = help_statement(SL_ACTION_COMPARTMENT_CLOSE);
    help_name(other.compartment, "c");
    SL_OWN(sl_buf, other_text, sl_buf_free) = help_text(&other);
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&rebuild);
    sl_approval forged = help_approve(sl_buf_view(&other_text), 1, 1);
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key(1);
    assert_done(sl_approval_sign(&forged, &key));
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_roll_event(sl_buf_view(&text), &forged, 1, &event));
    assert_done(append_by(w, "warden", sl_buf_view(&event)));
    q.intent = w->count - 1;
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED);
    act(w, &rebuild, 2);
    q.intent = w->count - 1;
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q));
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q), SL_E_DENIED);
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_FORGET, &q), SL_E_DENIED);
    assert_code(ask(w, SL_KEEPER_ASK, SL_KEEPER_KEY_OPEN, &q), SL_E_DENIED);
    w->closed = true;
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q), SL_E_VALVE);
    w->closed = false;
    w->unturned = true; /* the site is coming up, and its doors wait for what is rebuilt */
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q));
    w->unturned = false;
    w->wall_ms += HOUR_MS;
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED);
    w->wall_ms = NOW_MS - HOUR_MS; /* a clock that is set back does not give it again */
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED);
    w->wall_ms = NOW_MS;
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q));
    sl_digest digest = { { 1 } };
    sl_event_head head = { .compartment = SL_LIT(ID_C) };
    sl_event_roster_rebuilt done = { .objects = 1, .digest = &digest, .approval = q.intent };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_emit_roster_rebuilt(&head, &done, &out));
    assert_done(append_by(w, "ingest", sl_buf_view(&out)));
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED);
    end(w);
}

static world *with_object(void)
{
    world *w = with_compartment();
    sl_key_request q = request(intent(w, "ingest", PRINCIPAL, OBJECT));
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q));
    return w;
}

/* What operators asked to let out opens for the release door, and not before a valve was turned. */
static void a_release_waits_for_the_valves(void **state)
{
    world *w = with_object();
    sl_statement asks = help_statement(SL_ACTION_RELEASE_REQUEST);
    help_name(asks.compartment, "c");
    memcpy(asks.item, "00000000000000000000000000000009", sizeof(sl_uid));
    memcpy(asks.about, OBJECT, sizeof(sl_uid));
    (void)snprintf(asks.kind, sizeof asks.kind, "object");
    asks.count = 1;
    asks.hash.b[0] = 7;
    act(w, &asks, 1);
    sl_key_request q = request(w->count - 1);
    memcpy(q.principal, SL_KEY_REQUEST_NOBODY, sizeof q.principal);
    w->unturned = true;
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q), SL_E_VALVE);
    w->unturned = false;
    assert_done(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q));
    end(w);
}

/* ---- the release door ---- */

#define HELD "00000000000000000000000000000002"
static const sl_digest SEALED = { { 9 } };

static uint64_t tell_release(world *w, const char *what, const char *outcome)
{
    sl_event_head head = { .principal = SL_LIT(PRINCIPAL),
                           .compartment = SL_LIT(ID_C),
                           .door = SL_LIT("release"),
                           .crossing = SL_LIT(HELD) };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_event_release_intent asks = { .object = SL_LIT(HELD),
                                     .requester = SL_LIT("k1"),
                                     .format = SL_LIT("text"),
                                     .kind = SL_LIT("file"),
                                     .purpose = SL_LIT("study") };
    sl_event_release_held held = { .object = SL_LIT(HELD),
                                   .sealed = SL_LIT(HELD),
                                   .version = 1,
                                   .digest = &SEALED,
                                   .until_s = (uint64_t)(NOW_MS + 100 * HOUR_MS) / 1000 };
    sl_event_release_outcome ends = { .object = SL_LIT(HELD), .outcome = sl_view_str(outcome) };
    assert_done(strcmp(what, "intent") == 0 ? sl_emit_release_intent(&head, &asks, &out)
                : strcmp(what, "held") == 0 ? sl_emit_release_held(&head, &held, &out)
                                            : sl_emit_release_outcome(&head, &ends, &out));
    assert_done(append_by(w, "release", sl_buf_view(&out)));
    return w->count - 1;
}

/* p2 lets it out, or signs to read it. */
static uint64_t sign_held(world *w, sl_action action)
{
    sl_statement s = help_on(action, "c");
    memcpy(s.item, HELD, sizeof HELD);
    s.hash = SEALED;
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(&s);
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_approval_need need;
    assert_done(sl_keeper_follow(w->keeper));
    assert_done(sl_roll_need(sl_keeper_roll(w->keeper), &s, &need));
    sl_approval approval = help_approve(sl_buf_view(&text), need.epoch, 2);
    approval.role = need.role;
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key(2);
    assert_done(sl_approval_sign(&approval, &key));
    assert_done(sl_roll_event(sl_buf_view(&text), &approval, 1, &event));
    assert_done(append_by(w, "warden", sl_buf_view(&event)));
    return w->count - 1;
}

static uint64_t tell_shown(world *w, uint64_t review)
{
    sl_event_head head = { .principal = SL_LIT(PRINCIPAL),
                           .compartment = SL_LIT(ID_C),
                           .door = SL_LIT("release"),
                           .crossing = SL_LIT("00000000000000000000000000000077") };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    sl_event_release_shown shown = { .object = SL_LIT(HELD),
                                     .reviewer = SL_LIT("k2"),
                                     .bytes = 10,
                                     .complete = true,
                                     .review = review };
    assert_done(sl_emit_release_shown(&head, &shown, &out));
    assert_done(append_by(w, "release", sl_buf_view(&out)));
    return w->count - 1;
}

static world *with_request(void)
{
    world *w = with_compartment();
    sl_statement grant =
        help_grant("0011223344556688", "c", SL_DOOR_BIT(SL_DOOR_RELEASE), NOW_MS + 100 * HOUR_MS);
    act(w, &grant, 1);
    sl_statement s = help_on(SL_ACTION_RELEASE_REQUEST, "c");
    memcpy(s.item, HELD, sizeof HELD);
    help_name(s.kind, "file");
    s.hash.b[0] = 1;
    act(w, &s, 1);
    return w;
}

/* To read it is not to let it out: the key comes for the signature to read, once, and for nothing else. */
static void the_release_door_opens_what_another_signed_to_read(void **state)
{
    world *w = with_request();
    sl_key_request q = request(tell_release(w, "intent", NULL));
    memcpy(q.name, HELD, sizeof HELD);
    assert_done(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_NEW, &q));
    (void)tell_release(w, "held", NULL);
    memcpy(q.principal, SL_KEY_REQUEST_NOBODY, sizeof q.principal);
    q.intent = sign_held(w, SL_ACTION_RELEASE_REVIEW);
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED);
    assert_done(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q));
    assert_true(last_leaf_is(w, "key.leased"));
    q.intent++;
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED);
    q.intent--;
    w->closed = true;
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q), SL_E_VALVE);
    w->closed = false;
    (void)tell_shown(w, q.intent);
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED); /* once */
    end(w);
}

static void the_release_door_opens_only_what_another_let_out(void **state)
{
    world *w = with_request();
    uint64_t asked = w->count - 1;
    /* Something else lies in the vault. */
    sl_key_request other = request(intent(w, "ingest", PRINCIPAL, OBJECT));
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &other));
    sl_key_request q = request(asked);
    memcpy(q.name, HELD, sizeof HELD);
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_NEW, &q), SL_E_REFUSED); /* no intent */
    q.intent = tell_release(w, "intent", NULL);
    assert_done(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_NEW, &q));
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q), SL_E_DENIED);
    (void)tell_release(w, "held", NULL);
    memcpy(q.principal, SL_KEY_REQUEST_NOBODY, sizeof q.principal);
    q.intent = asked;
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED);
    q.intent = sign_held(w, SL_ACTION_RELEASE_APPROVE);
    assert_done(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q));
    assert_true(last_leaf_is(w, "key.leased"));
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED);
    memcpy(q.name, OBJECT, sizeof OBJECT);
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED);
    memcpy(q.name, HELD, sizeof HELD);
    w->closed = true;
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q), SL_E_VALVE);
    w->closed = false;
    (void)tell_release(w, "outcome", "released");
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_OPEN, &q), SL_E_REFUSED); /* once */
    end(w);
}

static void the_release_door_forgets_only_what_is_over(void **state)
{
    world *w = with_request();
    sl_key_request other = request(intent(w, "ingest", PRINCIPAL, OBJECT));
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &other));
    sl_key_request q = request(tell_release(w, "intent", NULL));
    memcpy(q.name, HELD, sizeof HELD);
    assert_done(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_NEW, &q));
    uint64_t held = tell_release(w, "held", NULL);
    memcpy(q.principal, SL_KEY_REQUEST_NOBODY, sizeof q.principal);
    q.intent = held;
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_FORGET, &q), SL_E_REFUSED);
    q.intent = tell_release(w, "outcome", "expired");
    sl_key_request object = q;
    memcpy(object.name, OBJECT, sizeof OBJECT);
    assert_code(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_FORGET, &object), SL_E_REFUSED);
    assert_done(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_FORGET, &q));
    assert_done(ask(w, SL_KEEPER_RELEASE, SL_KEEPER_KEY_FORGET, &q)); /* after a crash, again */
    assert_code(ask(w, SL_KEEPER_ASK, SL_KEEPER_KEY_FORGET, &q), SL_E_DENIED);
    end(w);
}

static void an_outcome_ends_the_intent(void **state)
{
    world *w = with_compartment();
    sl_key_request q = request(intent(w, "ingest", PRINCIPAL, OBJECT));
    sl_event_head head = { .compartment = SL_LIT(ID_C), .crossing = SL_LIT("x1") };
    sl_event_ingest_outcome event = { .object = SL_LIT(OBJECT), .outcome = SL_LIT("refused") };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_emit_ingest_outcome(&head, &event, &out));
    assert_done(append_by(w, "ingest", sl_buf_view(&out)));
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q), SL_E_REFUSED);
    end(w);
}

static sl_res lease(world *w, sl_keeper_peer peer, const char *purpose, uint8_t ret_key[32])
{
    sl_lease_request q = { .compartment = "c" };
    help_name(q.purpose, purpose);
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 1024 };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 1024 };
    SL_TRY(sl_lease_request_encode(&q, &body));
    SL_TRY(sl_keeper_answer(w->keeper, peer, SL_KEEPER_LEASE, sl_buf_view(&body), &reply));
    assert_int_equal(reply.n, 40);
    assert_int_equal(sl_get_le64(reply.p + 32), 41);
    memcpy(ret_key, reply.p, 32);
    return SL_DONE;
}

static void leases_are_told_first_and_name_their_epoch(void **state)
{
    world *w = with_compartment();
    uint8_t a[32];
    uint8_t b[32];
    assert_done(lease(w, SL_KEEPER_INGEST, "roster", a));
    assert_true(last_leaf_is(w, "key.leased"));
    assert_done(lease(w, SL_KEEPER_ASK, "roster", b));
    assert_memory_equal(a, b, 32);
    assert_code(lease(w, SL_KEEPER_INGEST, "pseudonym", a), SL_E_DENIED);
    assert_code(lease(w, SL_KEEPER_ASK, "wrap", a), SL_E_DENIED);
    w->full = true;
    assert_code(lease(w, SL_KEEPER_ASK, "roster", a), SL_E_DISK_FULL);
    end(w);
}

static sl_res confirm(world *w, sl_keeper_peer peer, const char *text, bool *ret_confirmed)
{
    sl_confirm_request q = { .compartment = "c",
                             .length = 100,
                             .source = SL_LIT("notes.csv/1/" OBJECT),
                             .text = sl_view_str(text) };
    sl_confirm_answer a;
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_CONFIRM_REQUEST_BYTES_MAX };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 1024 };
    SL_TRY(sl_confirm_request_encode(&q, &body));
    SL_TRY(sl_keeper_answer(w->keeper, peer, SL_KEEPER_ECHO_CONFIRM, sl_buf_view(&body), &reply));
    SL_TRY(sl_confirm_answer_decode(sl_buf_view(&reply), &a));
    *ret_confirmed = a.confirmed;
    return SL_DONE;
}

static void a_record_is_compared_with_its_own_keys_and_the_ledger_says_so(void **state)
{
    world *w = with_object();
    uint8_t echo[32];
    bool same = true;
    assert_code(confirm(w, SL_KEEPER_INGEST, "the record", &same), SL_E_DENIED);
    assert_done(confirm(w, SL_KEEPER_ASK, "other words", &same));
    assert_false(same);
    assert_true(last_leaf_is(w, "echo.compared"));
    assert_done(confirm(w, SL_KEEPER_ASK, "the record", &same));
    assert_true(same);
    assert_true(last_leaf_is(w, "echo.confirmed"));
    assert_done(lease(w, SL_KEEPER_ASK, "echo", echo));
    assert_memory_equal(w->keys, echo, 32);
    assert_memory_not_equal(w->keys + 32, echo, 32);
    end(w);
}

static void no_record_is_compared_without_leaf_valve_key_or_budget(void **state)
{
    world *w = with_object();
    bool same = false;
    w->full = true;
    assert_code(confirm(w, SL_KEEPER_ASK, "the record", &same), SL_E_DISK_FULL);
    w->full = false;
    w->closed = true;
    assert_code(confirm(w, SL_KEEPER_ASK, "the record", &same), SL_E_VALVE);
    w->closed = false;
    w->unturned = true;
    assert_code(confirm(w, SL_KEEPER_ASK, "the record", &same), SL_E_VALVE);
    w->unturned = false;
    assert_int_equal(w->compared, 0); /* no key left the keeper */
    w->away = true;
    size_t leaves = w->count;
    assert_code(confirm(w, SL_KEEPER_ASK, "the record", &same), SL_E_TIMEOUT);
    assert_int_equal(w->count, leaves + 1); /* what was begun, and no refusal */
    w->away = false; /* it is left alone for a moment: who waits for it makes everybody wait */
    assert_code(confirm(w, SL_KEEPER_ASK, "the record", &same), SL_E_UNAVAILABLE);
    assert_int_equal(w->count, leaves + 1);
    w->boot_ms += 60000;
    for (unsigned i = 0; i < SL_CONFIRM_BURST; i++) {
        assert_done(confirm(w, SL_KEEPER_ASK, "words", &same));
    }
    leaves = w->count;
    assert_code(confirm(w, SL_KEEPER_ASK, "the record", &same), SL_E_BUDGET);
    assert_true(last_leaf_is(w, "echo.throttled"));
    assert_code(confirm(w, SL_KEEPER_ASK, "the record", &same), SL_E_BUDGET);
    assert_int_equal(w->count, leaves + 1); /* told once */
    assert_int_equal(w->compared, SL_CONFIRM_BURST);
    w->boot_ms += 1000;
    assert_done(confirm(w, SL_KEEPER_ASK, "the record", &same));
    assert_true(same);
    sl_statement seal = help_on(SL_ACTION_COMPARTMENT_SEAL, "c");
    act(w, &seal, 1);
    assert_code(confirm(w, SL_KEEPER_ASK, "the record", &same), SL_E_VALVE);
    end(w);
}

static void sealing_unloads_and_unsealing_loads(void **state)
{
    world *w = with_compartment();
    uint8_t key[32];
    sl_statement seal = help_on(SL_ACTION_COMPARTMENT_SEAL, "c");
    sl_statement unseal = help_on(SL_ACTION_COMPARTMENT_UNSEAL, "c");
    sl_statement open = help_on(SL_ACTION_COMPARTMENT_OPEN, "c");
    act(w, &seal, 1);
    assert_code(lease(w, SL_KEEPER_ASK, "roster", key), SL_E_VALVE);
    keeper_again(w);
    assert_done(sl_keeper_work(w->keeper));
    SL_OWN(sl_buf, status, sl_buf_free) = { .max = 4096 };
    assert_done(sl_keeper_status_add(w->keeper, &status));
    assert_true(sl_view_find(sl_buf_view(&status), SL_LIT("\"state\":\"sealed\",\"loaded\":false"),
                             0) != SIZE_MAX);
    act(w, &unseal, 1);
    assert_code(lease(w, SL_KEEPER_ASK, "roster", key), SL_E_VALVE);
    act(w, &open, 1);
    assert_done(lease(w, SL_KEEPER_ASK, "roster", key));
    end(w);
}

static sl_compartment_state state_of(const world *w)
{
    return sl_roll_compartment(sl_keeper_roll(w->keeper), SL_LIT("c"))->state;
}

static void shredding_waits_for_every_clock(void **state)
{
    world *w = with_compartment();
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    act(w, &shred, 2);
    assert_int_equal(state_of(w), SL_COMPARTMENT_SEALED);
    w->wall_ms += 2 * HOUR_MS; /* somebody set the clock forward */
    assert_done(sl_keeper_work(w->keeper));
    assert_int_equal(state_of(w), SL_COMPARTMENT_SEALED);
    w->boot_ms = (uint64_t)HOUR_MS; /* just short of the delay */
    assert_done(sl_keeper_work(w->keeper));
    assert_int_equal(state_of(w), SL_COMPARTMENT_SEALED);
    w->boot_ms += 1000;
    size_t before = w->count;
    assert_done(sl_keeper_work(w->keeper));
    assert_int_equal(state_of(w), SL_COMPARTMENT_SHREDDED);
    assert_int_equal(w->count, before + 2);
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    assert_done(sl_leaf_read(sl_buf_view(&w->leaves[before]), &leaf));
    assert_true(sl_leaf_is(&leaf, "key.destroyed"));
    assert_true(sl_leaf_bool(&leaf, "proved"));
    keeper_again(w);
    assert_done(sl_keeper_work(w->keeper));
    assert_int_equal(w->count, before + 2);
    end(w);
}

static void shredding_waits_for_the_ledgers_time(void **state)
{
    world *w = with_compartment();
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    act(w, &shred, 2);
    w->boot_ms += 2 * (uint64_t)HOUR_MS;
    w->wall_ms += HOUR_MS - 1;
    size_t before = w->count;
    assert_done(sl_keeper_work(w->keeper));
    assert_int_equal(w->count, before);
    w->wall_ms += 1;
    assert_done(sl_keeper_work(w->keeper));
    assert_int_equal(state_of(w), SL_COMPARTMENT_SHREDDED);
    end(w);
}

static void witnessed(world *w, uint64_t time_s)
{
    sl_digest root = { { 1 } };
    sl_event_head head = { 0 };
    sl_event_ledger_witnessed event = { .witness = SL_LIT("witness"),
                                        .from_size = 1,
                                        .to_size = 2,
                                        .root = &root,
                                        .has_ok = true,
                                        .ok = true,
                                        .reason = SL_LIT("cosigned"),
                                        .has_time_s = true,
                                        .time_s = time_s };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = SL_LEAF_BYTES_MAX };
    assert_done(sl_emit_ledger_witnessed(&head, &event, &out));
    assert_done(append_by(w, "ledgerd", sl_buf_view(&out)));
    assert_done(sl_keeper_follow(w->keeper));
}

static void shredding_waits_for_the_witness_too(void **state)
{
    world *w = with_compartment();
    witnessed(w, 5000);
    sl_statement shred = help_on(SL_ACTION_COMPARTMENT_SHRED, "c");
    act(w, &shred, 2);
    w->wall_ms += 2 * HOUR_MS;
    w->boot_ms += 2 * (uint64_t)HOUR_MS;
    assert_done(sl_keeper_work(w->keeper));
    assert_int_equal(state_of(w), SL_COMPARTMENT_SEALED);
    witnessed(w, 5000 + 3599);
    assert_done(sl_keeper_work(w->keeper));
    assert_int_equal(state_of(w), SL_COMPARTMENT_SEALED);
    witnessed(w, 5000 + 3600);
    assert_done(sl_keeper_work(w->keeper));
    assert_int_equal(state_of(w), SL_COMPARTMENT_SHREDDED);
    end(w);
}

static void erasing_a_subject_spares_the_others(void **state)
{
    world *w = with_compartment();
    sl_key_request q = request(intent(w, "ingest", PRINCIPAL, OBJECT));
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q));
    sl_key_request subject = q;
    subject.kind = SL_WRAP_SUBJECT;
    subject.version = 0;
    help_name(subject.name, "s1");
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &subject));
    sl_statement erase = help_on(SL_ACTION_SUBJECT_ERASE, "c");
    help_name(erase.subject, "s1");
    act(w, &erase, 2);
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &subject));
    w->wall_ms += HOUR_MS;
    w->boot_ms += (uint64_t)HOUR_MS;
    assert_done(sl_keeper_work(w->keeper));
    assert_true(last_leaf_is(w, "erasure.done"));
    w->wall_ms -= HOUR_MS; /* the crossing would still have its keys */
    w->boot_ms -= (uint64_t)HOUR_MS;
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &subject), SL_E_NOT_FOUND);
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_OPEN, &q));
    end(w);
}

static void a_vault_without_its_keystore_is_a_rollback(void **state)
{
    world *w = with_compartment();
    sl_keeper_free_at(&w->keeper);
    assert_int_equal(nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    assert_done(sl_vault_init(w->dir, SITE, "file", SL_LIT(""), SL_LIT("")));
    keeper_start(w);
    SL_OWN(sl_buf, key, sl_buf_free) = { .max = 1024 };
    assert_done(sl_vault_key_file(w->dir, &key));
    assert_code(sl_keeper_unlock(w->keeper, sl_buf_view(&key)), SL_E_ROLLBACK);
    assert_false(sl_keeper_unlocked(w->keeper));
    end(w);
}

static void locked_it_answers_with_no_key(void **state)
{
    world *w = with_compartment();
    sl_keeper_free_at(&w->keeper);
    keeper_start(w);
    sl_key_request q = request(intent(w, "ingest", PRINCIPAL, OBJECT));
    assert_code(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q), SL_E_LOCKED);
    assert_code(sl_keeper_unlock(w->keeper, SL_LIT("not the passphrase")), SL_E_PASSPHRASE);
    assert_false(sl_keeper_unlocked(w->keeper));
    keeper_unlock(w);
    assert_done(sl_keeper_work(w->keeper));
    assert_done(ask(w, SL_KEEPER_INGEST, SL_KEEPER_KEY_NEW, &q));
    end(w);
}

static void boot_time_passed_is_never_overstated(void **state)
{
    static const struct {
        uint64_t then_ms;
        uint64_t now_ms;
        uint64_t want_ms;
    } cases[] = { { 100, 100, 0 }, { 100, 250, 150 }, { 100, 40, 40 }, { 0, 5, 5 } };
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        assert_int_equal(sl_boot_elapsed_ms(cases[i].then_ms, cases[i].now_ms), cases[i].want_ms);
    }
}

static void requests_on_the_wire_are_strict(void **state)
{
    sl_key_request q = request(7);
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 1024 };
    assert_done(sl_key_request_encode(&q, &body));
    assert_int_equal(body.n, SL_KEY_REQUEST_BYTES);
    sl_key_request back;
    assert_done(sl_key_request_decode(sl_buf_view(&body), &back));
    assert_string_equal(back.name, q.name);
    assert_int_equal(back.intent, 7);
    static const struct {
        size_t at;
        uint8_t byte;
    } spoils[] = { { 0, '/' }, { 63, 'x' }, { 128, 'Z' }, { 176, 2 }, { 180, 1 }, { 160, 0 } };
    for (size_t i = 0; i < SL_COUNT_OF(spoils); i++) {
        uint8_t kept = body.p[spoils[i].at];
        body.p[spoils[i].at] = spoils[i].byte;
        assert_code(sl_key_request_decode(sl_buf_view(&body), &back), SL_E_SYNTAX);
        body.p[spoils[i].at] = kept;
    }
    assert_code(sl_key_request_decode(sl_view_of(body.p, body.n - 1), &back), SL_E_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_keys_for_a_crossing_that_the_ledger_shows),
        cmocka_unit_test(an_intent_gives_no_key_of_another_crossing),
        cmocka_unit_test(refuses_keys_without_grant_valve_or_intent),
        cmocka_unit_test(opens_for_a_rebuild_that_operators_approved),
        cmocka_unit_test(a_release_waits_for_the_valves),
        cmocka_unit_test(the_release_door_opens_what_another_signed_to_read),
        cmocka_unit_test(the_release_door_opens_only_what_another_let_out),
        cmocka_unit_test(the_release_door_forgets_only_what_is_over),
        cmocka_unit_test(an_outcome_ends_the_intent),
        cmocka_unit_test(leases_are_told_first_and_name_their_epoch),
        cmocka_unit_test(a_record_is_compared_with_its_own_keys_and_the_ledger_says_so),
        cmocka_unit_test(no_record_is_compared_without_leaf_valve_key_or_budget),
        cmocka_unit_test(sealing_unloads_and_unsealing_loads),
        cmocka_unit_test(shredding_waits_for_every_clock),
        cmocka_unit_test(shredding_waits_for_the_ledgers_time),
        cmocka_unit_test(shredding_waits_for_the_witness_too),
        cmocka_unit_test(erasing_a_subject_spares_the_others),
        cmocka_unit_test(a_vault_without_its_keystore_is_a_rollback),
        cmocka_unit_test(locked_it_answers_with_no_key),
        cmocka_unit_test(boot_time_passed_is_never_overstated),
        cmocka_unit_test(requests_on_the_wire_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
