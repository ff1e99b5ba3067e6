/* The processes of a site, in the order of their start. A module declares its process and its profile
 * beside its code; here they come together. Who talks to whom can be read off the declarations. */
#include "host/host.h"

const sl_proc_decl *const sl_host_table[] = { NULL };
const size_t sl_host_table_count = 0;
