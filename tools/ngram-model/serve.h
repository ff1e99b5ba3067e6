/* The n-gram model behind nginx: an SCGI server on a Unix socket, one thread, bounded connections.
 * It is a demonstration and test upstream: it trusts its socket's directory and asks for no key. */
#ifndef NGRAM_SERVE_H
#define NGRAM_SERVE_H

#include "api.h"

typedef struct {
    const ngram_service *service;
    const char *socket_path; /* an old socket there is replaced */
    uint64_t event_delay_ms; /* between the events of a stream, as slow models have it */
} ngram_server;

/* Runs until SIGTERM or SIGINT. */
SL_MUST sl_res ngram_serve(const ngram_server *server);

#endif
