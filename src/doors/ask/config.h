/* The ask door's part of config.yml: models and where they are served, abilities, limits. Pure. */
#ifndef SL_DOORS_ASK_CONFIG_H
#define SL_DOORS_ASK_CONFIG_H

#include "base/arena.h"
#include "base/site_config.h"
#include "doors/ask/door.h"

typedef struct {
    sl_ask_route route;
    bool all; /* compartments were not declared: it may draw on every one */
    sl_view compartments[SL_TICKET_COMPARTMENTS_MAX];
    size_t compartments_n;
} sl_ask_model;

typedef struct {
    sl_arena arena; /* owns every view below */
    sl_site_config site;
    sl_ask_model models[SL_ASK_MODELS_MAX];
    size_t models_n;
    uint32_t features; /* abilities that the policy names */
    sl_view restore_tools[SL_ASK_RESTORE_TOOLS_MAX];
    size_t restore_tools_n;
    sl_ask_limits limits;
    unsigned processes; /* 0: not said */
} sl_ask_config;

/* Read the section `ask` of a site's configuration:
 *
 *   ask:
 *     first_byte_max: 300s       # a model server that says nothing is given up
 *     silence_max: 120s
 *     processes: 2               # default: one for each core, at most 4
 *     abilities: [logprobs]      # what is refused or stripped unless named
 *     restore_tools: [lookup]    # tools whose arguments get originals back
 *     models:
 *       - name: trial-model      # as clients say it
 *         served_as: ngram-1     # as the model server knows it; default: name
 *         upstreams: [local]     # names of egress.upstreams, tried in order
 *         compartments: [trial]  # it draws on these; not said: on all
 *
 * A model that is not listed here is served by the upstreams of `egress` that list it among their
 * models or list none, and draws on their compartments. Fails as sl_yaml_read; `ret_config` is to be freed. */
SL_MUST sl_res sl_ask_config_read(sl_view yaml, sl_ask_config *ret_config);
void sl_ask_config_free(sl_ask_config *config);

/* The model of this name. Its views live as long as the configuration; `name` is borrowed where
 * only an upstream that serves any model serves it. Fails: SL_E_NOT_FOUND. */
SL_MUST sl_res sl_ask_config_model(const sl_ask_config *config, sl_view name,
                                   sl_ask_model *ret_model);

#endif
