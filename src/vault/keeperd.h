/* The process `keeper` of a site: the core of keeper.h on its links, its valves and its clocks. */
#ifndef SL_VAULT_KEEPERD_H
#define SL_VAULT_KEEPERD_H

#include "base/proc.h"

/* Its declaration for the supervisor. It may open its keystore and its KMS folder and nothing else. */
extern const sl_proc_decl sl_keeperd_decl;
/* The process `kms`, which a site has when config.yml says keeper.kms: pkcs11. */
extern const sl_proc_decl sl_kmsd_decl;
/* The process `confirm`, which compares recited text with the one record it resembles (confirm.h). */
extern const sl_proc_decl sl_confirmd_decl;

#endif
