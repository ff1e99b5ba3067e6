/* Making a site: its directories, its ledger key, its configuration and leaf 0. Either the whole site
 * is there afterwards or nothing is. */
#ifndef SL_HOST_INIT_H
#define SL_HOST_INIT_H

#include "ledger/checkpoint.h"
#include "vault/roll.h"

typedef struct {
    const char *directory;
    const char *origin;      /* of the ledger; NULL: stoplog.local/SITE */
    sl_genesis_roll genesis; /* operators, quorum, delay; the site's id is drawn here */
    const char *kms;         /* "file" or "pkcs11" */
    sl_view passphrase;      /* of the vault; empty: a key file, for demos */
    const char *module;      /* pkcs11: the module's absolute path */
    const char *token;       /* pkcs11: the token's label */
    sl_view pin;             /* pkcs11: kept sealed in the vault */
} sl_init_options;

typedef struct {
    char site[SL_SITE_ID_CHARS + 1];
    char origin[SL_ORIGIN_BYTES_MAX + 1];
    char vkey[512];
    sl_digest genesis; /* RFC 6962 leaf hash of leaf 0: what an auditor writes down */
    sl_digest root;
} sl_init_report;

/* SL_E_EXISTS: the directory is there and not empty. SL_E_RANGE: the quorum cannot be met. */
SL_MUST sl_res sl_site_init(const sl_init_options *options, sl_init_report *ret_report);

#endif
