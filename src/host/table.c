/* The processes of a site, in the order of their start. A module declares its process and its profile
 * beside its code; here they come together. Who talks to whom can be read off the declarations. */
#include "doors/ask/daemon.h"
#include "doors/ingest/daemon.h"
#include "doors/release/daemon.h"
#include "drill/probe.h"
#include "host/host.h"
#include "host/nginx_proc.h"
#include "ledger/courier.h"
#include "ledger/ledgerd.h"
#include "respond/wardend.h"
#include "vault/keeperd.h"
#include "watch/watchd.h"

const sl_proc_decl *const sl_host_table[] = {
    &sl_ledgerd_decl, &sl_wardend_decl, &sl_kmsd_decl,   &sl_keeperd_decl, &sl_confirmd_decl,
    &sl_ingest_decl,  &sl_release_decl, &sl_watchd_decl, &sl_egress_decl,  &sl_ask_decl,
    &sl_front_decl,   &sl_courier_decl, &sl_probe_decl,
};
const size_t sl_host_table_count = SL_COUNT_OF(sl_host_table);
