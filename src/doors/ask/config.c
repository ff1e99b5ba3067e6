/* The ask door's configuration; the form is told in config.h. */
#include "doors/ask/config.h"

#include <stddef.h>

#include "base/proc.h"
#include "base/yaml.h"

typedef struct {
    int64_t first_byte_max;
    int64_t silence_max;
    int64_t processes;
    sl_yaml_texts abilities;
    sl_yaml_texts restore_tools;
    const sl_yaml_node *models;
} section;

typedef struct {
    sl_view name;
    sl_view served_as;
    sl_yaml_texts upstreams;
    sl_yaml_texts compartments;
} model_fields;

static const sl_yaml_field section_fields[] = {
    { .key = "first_byte_max",
      .type = SL_YAML_AS_DURATION,
      .offset = offsetof(section, first_byte_max),
      .min = 100,
      .max = 86400000 },
    { .key = "silence_max",
      .type = SL_YAML_AS_DURATION,
      .offset = offsetof(section, silence_max),
      .min = 100,
      .max = 86400000 },
    { .key = "processes",
      .type = SL_YAML_AS_INT,
      .offset = offsetof(section, processes),
      .min = 1,
      .max = SL_PROC_INSTANCES_MAX },
    { .key = "abilities", .type = SL_YAML_AS_TEXTS, .offset = offsetof(section, abilities) },
    { .key = "restore_tools",
      .type = SL_YAML_AS_TEXTS,
      .offset = offsetof(section, restore_tools) },
    { .key = "models", .type = SL_YAML_AS_LIST, .offset = offsetof(section, models) },
    { 0 },
};

static const sl_yaml_field model_table[] = {
    { .key = "name",
      .type = SL_YAML_AS_TEXT,
      .required = true,
      .offset = offsetof(model_fields, name) },
    { .key = "served_as", .type = SL_YAML_AS_TEXT, .offset = offsetof(model_fields, served_as) },
    { .key = "upstreams",
      .type = SL_YAML_AS_TEXTS,
      .required = true,
      .offset = offsetof(model_fields, upstreams) },
    { .key = "compartments",
      .type = SL_YAML_AS_TEXTS,
      .offset = offsetof(model_fields, compartments) },
    { 0 },
};

static sl_res copy_texts(const sl_yaml_texts *from, const char *field, sl_view *to, size_t max,
                         size_t *ret_n)
{
    if (from->n > max) {
        return sl_fail_at(SL_E_LIMIT, field, max);
    }
    for (size_t i = 0; i < from->n; i++) {
        to[i] = from->items[i];
    }
    *ret_n = from->n;
    return SL_DONE;
}

static sl_res read_model(sl_ask_config *config, const sl_yaml_node *node)
{
    if (config->models_n == SL_ASK_MODELS_MAX) {
        return sl_fail_at(SL_E_LIMIT, "models", node->line);
    }
    model_fields fields = { 0 };
    SL_TRY(sl_yaml_read(&config->arena, node, model_table, &fields));
    sl_ask_model *model = &config->models[config->models_n];
    *model = (sl_ask_model){ .all = fields.compartments.items == NULL };
    model->route.name = fields.name;
    model->route.upstream_model = fields.served_as.n == 0 ? fields.name : fields.served_as;
    SL_TRY(copy_texts(&fields.upstreams, "upstreams", model->route.upstreams, SL_ASK_UPSTREAMS_MAX,
                      &model->route.upstreams_n));
    SL_TRY(copy_texts(&fields.compartments, "compartments", model->compartments,
                      SL_TICKET_COMPARTMENTS_MAX, &model->compartments_n));
    config->models_n++;
    return SL_DONE;
}

static sl_res read_abilities(sl_ask_config *config, const sl_yaml_texts *names)
{
    for (size_t i = 0; i < names->n; i++) {
        sl_ask_feature feature = SL_FEATURE_NONE;
        if (!sl_ask_feature_by_name(names->items[i], &feature)) {
            return sl_fail_at(SL_E_UNKNOWN_FIELD, "abilities", i);
        }
        config->features |= 1U << feature;
    }
    return SL_DONE;
}

static sl_res read_section(sl_ask_config *config, const sl_yaml_node *node)
{
    section all = { .first_byte_max = (int64_t)config->limits.first_ms_max,
                    .silence_max = (int64_t)config->limits.silence_ms_max };
    SL_TRY(sl_yaml_read(&config->arena, node, section_fields, &all));
    config->limits.first_ms_max = (uint64_t)all.first_byte_max;
    config->limits.silence_ms_max = (uint64_t)all.silence_max;
    config->processes = (unsigned)all.processes;
    SL_TRY(read_abilities(config, &all.abilities));
    SL_TRY(copy_texts(&all.restore_tools, "restore_tools", config->restore_tools,
                      SL_ASK_RESTORE_TOOLS_MAX, &config->restore_tools_n));
    const sl_yaml_node *model = all.models == NULL ? NULL : all.models->first;
    for (; model != NULL; model = model->next) {
        SL_TRY(read_model(config, model));
    }
    return SL_DONE;
}

static sl_res read_all(sl_ask_config *config, sl_view yaml)
{
    const sl_yaml_node *root = NULL;
    SL_TRY(sl_site_config_read(&config->arena, yaml, &config->site));
    config->limits.body_bytes_max = (size_t)config->site.front.body_bytes_max;
    SL_TRY(sl_yaml_parse(&config->arena, yaml, &root));
    const sl_yaml_node *node = sl_yaml_get(root, "ask");
    return node == NULL ? SL_DONE : read_section(config, node);
}

sl_res sl_ask_config_read(sl_view yaml, sl_ask_config *ret_config)
{
    *ret_config =
        (sl_ask_config){ .arena = { .max = 4 * SL_MIB }, .limits = sl_ask_limits_default };
    sl_res r = read_all(ret_config, yaml);
    if (!sl_ok(r)) {
        sl_ask_config_free(ret_config);
    }
    return r;
}

void sl_ask_config_free(sl_ask_config *config)
{
    sl_arena_free(&config->arena);
    *config = (sl_ask_config){ 0 };
}

static bool lists(const sl_yaml_texts *texts, sl_view name)
{
    for (size_t i = 0; i < texts->n; i++) {
        if (sl_view_eq(texts->items[i], name)) {
            return true;
        }
    }
    return false;
}

static sl_res add_compartments(const sl_yaml_texts *names, sl_ask_model *model)
{
    for (size_t i = 0; i < names->n; i++) {
        if (model->compartments_n == SL_TICKET_COMPARTMENTS_MAX) {
            return sl_fail_at(SL_E_LIMIT, "compartments", SL_TICKET_COMPARTMENTS_MAX);
        }
        model->compartments[model->compartments_n++] = names->items[i];
    }
    return SL_DONE;
}

/* A model that only the upstreams know. Where one of them does not say what it draws on, the model
 * may draw on everything. */
static sl_res model_of_upstreams(const sl_ask_config *config, sl_view name, sl_ask_model *ret_model)
{
    sl_ask_model model = { .route = { .name = name, .upstream_model = name } };
    for (size_t i = 0; i < config->site.egress.upstream_count; i++) {
        const sl_config_upstream *u = &config->site.egress.upstreams[i];
        bool serves = u->models.n == 0 || lists(&u->models, name);
        if (!serves || model.route.upstreams_n == SL_ASK_UPSTREAMS_MAX) {
            continue;
        }
        model.route.upstreams[model.route.upstreams_n++] = u->name;
        model.all = model.all || u->compartments.n == 0;
        SL_TRY(add_compartments(&u->compartments, &model));
    }
    if (model.route.upstreams_n == 0) {
        return sl_fail_at(SL_E_NOT_FOUND, "model", SL_NOWHERE);
    }
    *ret_model = model;
    return SL_DONE;
}

sl_res sl_ask_config_model(const sl_ask_config *config, sl_view name, sl_ask_model *ret_model)
{
    for (size_t i = 0; i < config->models_n; i++) {
        if (sl_view_eq(config->models[i].route.name, name)) {
            *ret_model = config->models[i];
            return SL_DONE;
        }
    }
    return model_of_upstreams(config, name, ret_model);
}
