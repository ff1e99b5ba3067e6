/* The listening sockets of a site: the supervisor makes them once and keeps them, so that a process
 * that starts again loses no connection that waits. */
#ifndef SL_HOST_SOCKETS_H
#define SL_HOST_SOCKETS_H

#include "base/res.h"

/* Listen at site/`directory`/`name`.sock with `mode`. `packets`: SOCK_SEQPACKET, else a stream. The
 * socket's own name is the relative "`name`.sock". An old socket file there is replaced. */
SL_MUST sl_res sl_listen_unix(int site_fd, const char *directory, const char *name, bool packets,
                              unsigned mode, int *ret_fd);

/* Listen on ADDRESS:PORT or [ADDRESS]:PORT, numbers only. */
SL_MUST sl_res sl_listen_tcp(const char *address, int *ret_fd);

#endif
