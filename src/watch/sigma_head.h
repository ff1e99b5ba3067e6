/* The members that every Sigma file begins with, rule or correlation: the first member of the struct that
 * a table of fields fills. Private to this folder. */
#ifndef SL_WATCH_SIGMA_HEAD_H
#define SL_WATCH_SIGMA_HEAD_H

#include "base/yaml.h"

typedef struct {
    sl_view title;
    sl_view id;
    sl_view status;
    sl_view description;
    sl_view author;
    sl_view date;
    int level; /* sl_level */
    sl_yaml_texts tags;
    sl_yaml_texts falsepositives;
} sl_sigma_head;

extern const char *const sl_sigma_levels[]; /* NULL-terminated, in the order of sl_level */

#define SL_SIGMA_FIELD(part, name, how, must)                                                      \
    {                                                                                              \
        .key = #name, .type = how, .required = must, .offset = offsetof(part, name)                \
    }
#define SL_SIGMA_HEAD_FIELDS                                                                       \
    SL_SIGMA_FIELD(sl_sigma_head, title, SL_YAML_AS_TEXT, true),                                   \
        SL_SIGMA_FIELD(sl_sigma_head, id, SL_YAML_AS_TEXT, true),                                  \
        SL_SIGMA_FIELD(sl_sigma_head, status, SL_YAML_AS_TEXT, false),                             \
        SL_SIGMA_FIELD(sl_sigma_head, description, SL_YAML_AS_TEXT, false),                        \
        SL_SIGMA_FIELD(sl_sigma_head, author, SL_YAML_AS_TEXT, false),                             \
        SL_SIGMA_FIELD(sl_sigma_head, date, SL_YAML_AS_TEXT, false),                               \
        SL_SIGMA_FIELD(sl_sigma_head, tags, SL_YAML_AS_TEXTS, false),                              \
        SL_SIGMA_FIELD(sl_sigma_head, falsepositives, SL_YAML_AS_TEXTS, false),                    \
    {                                                                                              \
        .key = "level", .type = SL_YAML_AS_CHOICE, .required = true,                               \
        .offset = offsetof(sl_sigma_head, level), .names = sl_sigma_levels                         \
    }

#endif
