/* What a crossing needs of others (daemon_internal.h): the ledger, the keeper, the valves, and what protects the
 * compartment. Keys of rosters and records are here only while one crossing lasts. */
#include "doors/release/daemon_internal.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "base/secret.h"
#include "detect/echo.h"
#include "detect/roster.h"

/* ---- ledger, valves, keeper ---- */

static sl_res world_append(void *context, sl_view event, uint64_t *ret_index)
{
    return sl_peers_append(&((sl_release_daemon *)context)->peers, event, ret_index);
}

static sl_res world_follow(void *context)
{
    return sl_peers_follow(&((sl_release_daemon *)context)->peers);
}

static sl_res world_admit(void *context, const sl_release_request *request)
{
    sl_release_daemon *d = context;
    return sl_peers_admit(&d->peers, SL_DOOR_RELEASE, request->compartment_id, request->principal,
                          &d->ticket);
}

static sl_res world_still(void *context)
{
    const sl_release_daemon *d = context;
    return sl_peers_still(&d->peers, &d->ticket);
}

/* Are site, door and compartment open, whoever acts? */
static bool open_for(const sl_release_daemon *d, const char *compartment)
{
    const sl_valve *valve = sl_proc_valve(d->peers.self);
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(compartment));
    sl_valve_id id;
    return c != NULL && c->state == SL_COMPARTMENT_OPEN &&
           sl_ok(sl_valve_id_parse(sl_view_str(c->id), &id)) &&
           sl_epoch_open(sl_valve_site_epoch(valve)) &&
           sl_epoch_open(sl_valve_door_epoch(valve, SL_DOOR_RELEASE)) &&
           sl_epoch_open(sl_valve_compartment_epoch(valve, sl_valve_find_compartment(valve, id)));
}

/* A key that cannot be forgotten now is not asked for: each refusal of the keeper is a signal. */
static sl_res world_key(void *context, uint16_t type, const sl_key_request *request,
                        uint8_t ret_key[SL_KEY_BYTES])
{
    sl_release_daemon *d = context;
    if (type == SL_KEEPER_KEY_FORGET) {
        SL_NEED(open_for(d, request->compartment), SL_E_VALVE);
    }
    return sl_peers_key(&d->peers, type, request, ret_key);
}

static sl_res world_random(void *context, void *p, size_t n)
{
    (void)context;
    return sl_random_bytes(p, n);
}

static int64_t world_wall_ms(void *context)
{
    (void)context;
    return sl_clock_wall_ms();
}

/* ---- what protects a compartment ---- */

static sl_res read_index(const char *name, bool told, sl_buf *out)
{
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    SL_TRY(sl_dir_open(AT_FDCWD, "/roster", &dir_fd));
    return sl_protection_read(dir_fd, name, told, out);
}

static sl_res add_roster(sl_release_daemon *d, const sl_compartment *c, sl_detect *set)
{
    uint8_t key[SL_KEY_BYTES];
    SL_TRY(read_index(c->name, sl_release_known_rostered(&d->known, c->id), &d->roster));
    if (d->roster.n == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_peers_lease(&d->peers, c->name, "roster", key));
    sl_res added = sl_detect_add_roster(set, sl_buf_view(&d->roster), key);
    sl_wipe(key, sizeof key);
    return added;
}

static sl_res add_echo(sl_release_daemon *d, const sl_compartment *c, sl_detect *set)
{
    uint8_t key[SL_KEY_BYTES];
    char name[SL_ECHO_FILE_BYTES];
    sl_echo_file_name(c->name, name);
    SL_TRY(read_index(name, sl_release_known_echoed(&d->known, c->id), &d->echo));
    if (d->echo.n == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_peers_lease(&d->peers, c->name, "echo", key));
    sl_res added = sl_detect_add_echo(set, sl_view_str(c->name), sl_buf_view(&d->echo), key);
    sl_wipe(key, sizeof key);
    return added;
}

static sl_res world_protect(void *context, const char *compartment, sl_detect *set)
{
    sl_release_daemon *d = context;
    const sl_compartment *c = sl_roll_compartment(d->known.roll, sl_view_str(compartment));
    SL_NEED(c != NULL, SL_E_NOT_FOUND);
    SL_TRY(add_roster(d, c, set));
    return add_echo(d, c, set);
}

sl_release_world sl_release_daemon_world(sl_release_daemon *d)
{
    return (sl_release_world){ .context = d,
                               .confined = true,
                               .wall_ms = world_wall_ms,
                               .admit = world_admit,
                               .still = world_still,
                               .append = world_append,
                               .follow = world_follow,
                               .key = world_key,
                               .random = world_random,
                               .protect = world_protect };
}
