/* The ask door's part of config.yml: models and where they are served, abilities, limits. Pure. */
#ifndef SL_DOORS_ASK_CONFIG_H
#define SL_DOORS_ASK_CONFIG_H

#include "base/arena.h"
#include "doors/ask/door.h"

typedef struct {
    sl_ask_route route;
    bool all; /* compartments were not declared: it may draw on every one */
    sl_view compartments[SL_TICKET_COMPARTMENTS_MAX];
    size_t compartments_n;
} sl_ask_model;

typedef struct {
    sl_arena arena; /* owns every view below */
    sl_ask_model models[SL_ASK_MODELS_MAX];
    size_t models_n;
    uint32_t features; /* abilities that the policy names */
    sl_view restore_tools[SL_ASK_RESTORE_TOOLS_MAX];
    size_t restore_tools_n;
    sl_ask_limits limits;
} sl_ask_config;

/* Read the section `ask` of a site's configuration:
 *
 *   ask:
 *     body_max: 16MiB            # a longer request is refused
 *     first_byte_max: 300s       # a model server that says nothing is given up
 *     silence_max: 120s
 *     abilities: [logprobs]      # what is refused or stripped unless named
 *     restore_tools: [lookup]    # tools whose arguments get originals back
 *     models:
 *       - name: trial-model      # as clients say it
 *         served_as: ngram-1     # as the model server knows it; default: name
 *         upstreams: [local]     # names of egress.upstreams, tried in order
 *         compartments: [trial]  # it draws on these; not said: on all
 *
 * Without the section there are no models. Fails as sl_yaml_read; `ret_config` is to be freed. */
SL_MUST sl_res sl_ask_config_read(sl_view yaml, sl_ask_config *ret_config);
void sl_ask_config_free(sl_ask_config *config);

#endif
