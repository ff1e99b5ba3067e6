/* The supervisor: starts every process of a site, gives each its descriptors and nothing else, and
 * starts it again when it dies. It holds no data and no key, parses nothing that a stranger wrote,
 * and never writes a valve. See ARCHITECTURE section 3 and host/README.md. */
#ifndef SL_HOST_HOST_H
#define SL_HOST_HOST_H

#include "base/proc.h"

/* Told as it happens; `text` is one line of ours, for people. May be NULL. */
typedef enum {
    SL_HOST_STARTED, /* a process was started */
    SL_HOST_SERVING, /* a process is at work */
    SL_HOST_ENDED,   /* a process ended, `status` as waitpid gives it */
    SL_HOST_MISSING, /* a layer of confinement is missing, `status` is the sl_layer */
    SL_HOST_TROUBLE, /* a process says why it ends, `status` is an sl_code */
    SL_HOST_ALL_UP,  /* every process is at work */
    SL_HOST_GOING,   /* the site goes down */
} sl_host_news;
typedef void (*sl_host_tell)(void *context, sl_host_news news, const char *process, int status);

typedef struct {
    const char *site;                 /* absolute path of the site's directory */
    sl_view config;                   /* config.yml */
    const sl_proc_decl *const *table; /* in the order of starting; stopped in reverse */
    size_t count;
    uint32_t accept_missing; /* mask of layers that may be missing */
    uint32_t skip_layers;    /* tests: layers not even tried */
    bool unconfined;         /* tests: to show that the layers do the work */
    uid_t uid_base;          /* as root: process n runs as uid_base + n; 0: stay root */
    sl_host_tell tell;
    void *context;
    /* A TCP address for a declared socket: the text ADDRESS:PORT of configuration key `key`. */
    sl_res (*address)(void *context, const char *key, char *ret_text, size_t size);
} sl_host_options;

/* Run the site in the foreground until it is told to go down (SIGTERM, SIGINT, `stoplog down`).
 * SL_E_EXISTS: it is up already. SL_E_UNSUPPORTED: a layer is missing that was not accepted.
 * SL_E_UNAVAILABLE: a process without which there is no site ended. */
SL_MUST sl_res sl_host_run(const sl_host_options *options);

/* The start of a process that the supervisor executed: `main` calls this when argv[1] is
 * SL_PROC_ARGUMENT. Returns the exit status. */
int sl_host_process(const sl_proc_decl *const *table, size_t count, const char *name);

/* The processes of a real site: src/host/table.c. */
extern const sl_proc_decl *const sl_host_table[];
extern const size_t sl_host_table_count;

#endif
