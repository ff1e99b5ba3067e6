/* Asking the ledger, the keeper and the valves (peers.h). */
#include "doors/peers.h"

#include "base/log.h"
#include "ledger/tiles.h"

enum { BUNDLE_BYTES_MAX = 256 * 1024 };

static const sl_ipc_rule keeper_rules[] = {
    { SL_IPC_OK, SL_IPC_ANY_PHASE, 0, SL_KEY_BYTES + 8, 0, NULL },
    { SL_IPC_FAILED, SL_IPC_ANY_PHASE, 4, 4, 0, NULL },
};
static const sl_ipc_table keeper_table = { "keeper", keeper_rules, SL_COUNT_OF(keeper_rules) };

/* ---- links ---- */

sl_res sl_peers_link(sl_peers *peers, const char *peer, int fd)
{
    if (strcmp(peer, "ledgerd") == 0) {
        sl_ledger_client_free(peers->ledger);
        peers->ledger = NULL;
        return sl_ledger_client_new(fd, &peers->ledger);
    }
    sl_ipc_close_at(&peers->keeper);
    SL_TRY(sl_ipc_open(fd, &keeper_table, &peers->keeper));
    sl_ipc_set_secret(peers->keeper);
    return SL_DONE;
}

static sl_res take_link(sl_peers *peers, const char *peer)
{
    int fd = sl_proc_take_link(peers->self, peer, 0);
    return fd < 0 ? SL_DONE : sl_peers_link(peers, peer, fd);
}

static void on_relink(void *context, const char *peer, unsigned index)
{
    (void)index;
    sl_res taken = take_link(context, peer);
    if (!sl_ok(taken)) {
        sl_log_res(SL_LOG_ERROR, "a link could not be taken", taken);
    }
}

sl_res sl_peers_begin(sl_peers *peers, sl_proc *self, sl_peers_fold fold)
{
    *peers = (sl_peers){ .self = self, .fold = fold };
    sl_proc_on_relink(self, on_relink, peers);
    SL_TRY(take_link(peers, "ledgerd"));
    return take_link(peers, "keeper");
}

void sl_peers_end(sl_peers *peers)
{
    sl_ledger_client_free(peers->ledger);
    peers->ledger = NULL;
    sl_ipc_close_at(&peers->keeper);
}

/* ---- the ledger ---- */

static sl_res ledger_done(sl_peers *peers, sl_res r)
{
    if (sl_is(r, SL_E_CLOSED) || sl_is(r, SL_E_TIMEOUT)) {
        sl_ledger_client_free(peers->ledger);
        peers->ledger = NULL;
    }
    return r;
}

static sl_res fold_bundle(const sl_peers_fold *fold, sl_view leaves)
{
    for (;;) {
        bool more = false;
        sl_view leaf;
        SL_TRY(sl_bundle_next(&leaves, &more, &leaf));
        if (!more) {
            return SL_DONE;
        }
        SL_TRY(fold->fold(fold->known, fold->next(fold->known), leaf));
    }
}

sl_res sl_peers_follow(sl_peers *peers)
{
    const sl_peers_fold *fold = &peers->fold;
    uint64_t size = 0;
    SL_OWN(sl_buf, leaves, sl_buf_free) = { .max = BUNDLE_BYTES_MAX };
    SL_NEED(peers->ledger != NULL, SL_E_UNAVAILABLE);
    SL_TRY(ledger_done(peers, sl_ledger_size_wait(peers->ledger, SL_PEERS_WAIT_MS_MAX, &size)));
    while (fold->next(fold->known) < size) {
        uint32_t count = 0;
        sl_buf_clear(&leaves);
        SL_TRY(
            ledger_done(peers, sl_ledger_read_wait(peers->ledger, fold->next(fold->known),
                                                   SL_PEERS_WAIT_MS_MAX, &leaves, &count, &size)));
        SL_TRY(fold_bundle(fold, sl_buf_view(&leaves)));
    }
    return SL_DONE;
}

sl_res sl_peers_append(sl_peers *peers, sl_view event, uint64_t *ret_index)
{
    SL_NEED(peers->ledger != NULL, SL_E_UNAVAILABLE);
    return ledger_done(
        peers, sl_ledger_append_wait(peers->ledger, event, SL_PEERS_WAIT_MS_MAX, ret_index));
}

/* ---- the keeper ---- */

/* Of the answer the first `n` bytes are kept, and it must be `size` long. */
static sl_res ask_keeper(sl_peers *peers, uint16_t type, sl_view body, uint8_t *ret, size_t n,
                         size_t size)
{
    sl_ipc_msg answer;
    SL_NEED(peers->keeper != NULL, SL_E_UNAVAILABLE);
    sl_res asked = sl_ipc_ask(peers->keeper, type, body, SL_PEERS_WAIT_MS_MAX, &answer);
    if (sl_is(asked, SL_E_CLOSED) || sl_is(asked, SL_E_TIMEOUT)) {
        sl_ipc_close_at(&peers->keeper);
    }
    SL_TRY(asked);
    sl_res kept = answer.body.n == size ? SL_DONE : sl_fail(SL_E_SYNTAX);
    if (sl_ok(kept) && n != 0) {
        memcpy(ret, answer.body.p, n);
    }
    sl_ipc_msg_clear(&answer);
    sl_ipc_forget(peers->keeper); /* workers are forked from this process */
    return kept;
}

sl_res sl_peers_key(sl_peers *peers, uint16_t type, const sl_key_request *request, uint8_t *ret_key)
{
    size_t n = type == SL_KEEPER_KEY_FORGET ? 0 : SL_KEY_BYTES;
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_KEY_REQUEST_BYTES };
    SL_TRY(sl_key_request_encode(request, &body));
    return ask_keeper(peers, type, sl_buf_view(&body), ret_key, n, n);
}

sl_res sl_peers_lease(sl_peers *peers, const char *compartment, const char *purpose,
                      uint8_t ret_key[SL_KEY_BYTES])
{
    sl_lease_request request = { 0 };
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_LEASE_REQUEST_BYTES };
    SL_TRY(sl_name_set(request.compartment, sl_view_str(compartment)));
    SL_TRY(sl_name_set(request.purpose, sl_view_str(purpose)));
    SL_TRY(sl_lease_request_encode(&request, &body));
    return ask_keeper(peers, SL_KEEPER_LEASE, sl_buf_view(&body), ret_key, SL_KEY_BYTES,
                      SL_KEY_BYTES + 8);
}

/* ---- the valves ---- */

static sl_res opened(sl_valve_state state)
{
    return state == SL_VALVE_OPEN ? SL_DONE
                                  : sl_fail_at(SL_E_VALVE, sl_valve_state_text(state), SL_NOWHERE);
}

sl_res sl_peers_admit(const sl_peers *peers, sl_door door, const char *compartment_id,
                      const char *principal, sl_valve_ticket *ret_ticket)
{
    const sl_valve *valve = sl_proc_valve(peers->self);
    sl_valve_id compartment;
    sl_valve_id who;
    SL_NEED(principal[0] != 0, SL_E_NO_GRANT);
    SL_NEED(sl_ok(sl_valve_id_parse(sl_view_str(compartment_id), &compartment)) &&
                sl_ok(sl_valve_id_parse(sl_view_str(principal), &who)),
            SL_E_VALVE);
    sl_valve_slot slot = sl_valve_find_compartment(valve, compartment);
    return opened(sl_valve_take(valve, sl_valve_now_ms(), door, sl_valve_find_principal(valve, who),
                                &slot, 1, ret_ticket));
}

sl_res sl_peers_still(const sl_peers *peers, const sl_valve_ticket *ticket)
{
    return opened(sl_valve_holds(sl_proc_valve(peers->self), sl_valve_now_ms(), ticket));
}
