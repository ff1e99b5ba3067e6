/* Stock nginx as two processes of a site: `front`, which clients meet, and `egress`, which alone has
 * outbound sockets. Their configuration is made from config.yml by nginx_conf.h. */
#ifndef SL_HOST_NGINX_PROC_H
#define SL_HOST_NGINX_PROC_H

#include "base/proc.h"

extern const sl_proc_decl sl_front_decl;
extern const sl_proc_decl sl_egress_decl;

#endif
