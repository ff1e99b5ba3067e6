/* Reading the catalogue (catalogue.h): YAML to checks and to the rules by which subjects are known. */
#include "assure/catalogue_internal.h"

#include "base/yaml.h"

/* As the YAML has them; texts live in the catalogue's arena. */
typedef struct {
    sl_view id;
    sl_view pillar;
    sl_view owner;
    sl_view states;
    sl_view query;
    sl_view remedy;
    sl_view needs;
    sl_view sample_field;
    int severity;
    int kind;
    int64_t ttl_ms;
    int64_t sample_min;
    int reg;
    const sl_yaml_node *maps;
} check_file;

static const char *const severities[] = { "critical", "high", "medium", "low", NULL };
static const char *const kinds[] = { "automatic", "attested", NULL };
static const char *const registers[] = { "open", "whole", NULL };

#define FIELD(name, how, must)                                                                     \
    {                                                                                              \
        .key = #name, .type = how, .required = must, .offset = offsetof(check_file, name)          \
    }
static const sl_yaml_field check_fields[] = {
    FIELD(id, SL_YAML_AS_TEXT, true),
    FIELD(pillar, SL_YAML_AS_TEXT, true),
    FIELD(owner, SL_YAML_AS_TEXT, true),
    FIELD(states, SL_YAML_AS_TEXT, true),
    FIELD(query, SL_YAML_AS_TEXT, true),
    FIELD(remedy, SL_YAML_AS_TEXT, true),
    FIELD(needs, SL_YAML_AS_TEXT, true),
    { .key = "severity",
      .type = SL_YAML_AS_CHOICE,
      .required = true,
      .offset = offsetof(check_file, severity),
      .names = severities },
    { .key = "kind",
      .type = SL_YAML_AS_CHOICE,
      .offset = offsetof(check_file, kind),
      .names = kinds },
    { .key = "ttl",
      .type = SL_YAML_AS_DURATION,
      .required = true,
      .offset = offsetof(check_file, ttl_ms) },
    { .key = "sample_min", .type = SL_YAML_AS_INT, .offset = offsetof(check_file, sample_min) },
    FIELD(sample_field, SL_YAML_AS_TEXT, false),
    { .key = "register",
      .type = SL_YAML_AS_CHOICE,
      .offset = offsetof(check_file, reg),
      .names = registers },
    FIELD(maps, SL_YAML_AS_MAP, false),
    { .key = NULL },
};

typedef struct {
    sl_view kind;
    sl_view born;
    sl_view born_field;
    sl_view born_value;
    sl_view key;
    sl_view state;
    sl_view moves;
    sl_view moves_field;
    sl_view ends;
    sl_yaml_texts fixed;
    bool whole;
} subject_file;

#define SUBJECT(name, how, must)                                                                   \
    {                                                                                              \
        .key = #name, .type = how, .required = must, .offset = offsetof(subject_file, name)        \
    }
static const sl_yaml_field subject_fields[] = {
    SUBJECT(kind, SL_YAML_AS_TEXT, true),        SUBJECT(born, SL_YAML_AS_TEXT, false),
    SUBJECT(born_field, SL_YAML_AS_TEXT, false), SUBJECT(born_value, SL_YAML_AS_TEXT, false),
    SUBJECT(key, SL_YAML_AS_TEXT, false),        SUBJECT(state, SL_YAML_AS_TEXT, false),
    SUBJECT(moves, SL_YAML_AS_TEXT, false),      SUBJECT(moves_field, SL_YAML_AS_TEXT, false),
    SUBJECT(ends, SL_YAML_AS_TEXT, false),       SUBJECT(fixed, SL_YAML_AS_TEXTS, false),
    SUBJECT(whole, SL_YAML_AS_BOOL, true),       { .key = NULL },
};

static sl_res read_maps(sl_catalogue *catalogue, const sl_yaml_node *maps, sl_check *check)
{
    if (maps == NULL) {
        return SL_DONE;
    }
    SL_NEED(maps->children <= SL_FRAMEWORKS_MAX, SL_E_LIMIT);
    sl_check_map *all = sl_arena_array(&catalogue->arena, maps->children + 1, sizeof(*all));
    SL_NEED(all != NULL, SL_E_LIMIT);
    size_t n = 0;
    for (const sl_yaml_node *one = maps->first; one != NULL; one = one->next) {
        all[n].framework = one->key;
        SL_TRY(sl_yaml_text(one, "maps", &all[n].controls));
        n++;
    }
    check->maps = all;
    check->map_count = n;
    return SL_DONE;
}

static sl_res read_check(sl_catalogue *catalogue, const sl_yaml_node *node)
{
    check_file file = { 0 };
    SL_TRY(sl_yaml_read(&catalogue->arena, node, check_fields, &file));
    if (sl_catalogue_find(catalogue, file.id) != SIZE_MAX) {
        return sl_fail_at(SL_E_DUPLICATE, "id", node->line);
    }
    SL_NEED(catalogue->check_count < SL_CHECKS_MAX, SL_E_LIMIT);
    sl_check *check = &catalogue->checks[catalogue->check_count];
    *check = (sl_check){
        .id = file.id,
        .pillar = file.pillar,
        .severity = sl_view_str(severities[file.severity]),
        .owner = file.owner,
        .states = file.states,
        .query_text = file.query,
        .remedy = file.remedy,
        .needs = file.needs,
        .attested = file.kind == 1,
        .asked = { .ttl_ms = file.ttl_ms,
                   .sample_min = (uint64_t)file.sample_min,
                   .sample_field = file.sample_field,
                   .whole = file.reg == 1 },
    };
    SL_TRY(read_maps(catalogue, file.maps, check));
    sl_res r = sl_query_parse(file.query, &catalogue->arena, &check->query);
    if (!sl_ok(r) && !sl_is(r, SL_E_UNSUPPORTED)) {
        return sl_fail_at((sl_code)r.code, sl_detail_get()->field, node->line);
    }
    check->answerable = sl_ok(r);
    catalogue->check_count++;
    return SL_DONE;
}

static sl_res read_subject(sl_catalogue *catalogue, const sl_yaml_node *node)
{
    subject_file file = { 0 };
    SL_TRY(sl_yaml_read(&catalogue->arena, node, subject_fields, &file));
    bool folded = file.born.n > 0 && file.key.n > 0;
    if (folded == (file.fixed.n > 0) || (file.moves.n > 0) != (file.moves_field.n > 0) ||
        (file.born_field.n > 0) != (file.born_value.n > 0)) {
        return sl_fail_at(SL_E_CONFIG, "either 'fixed' or 'born' with 'key'", node->line);
    }
    SL_NEED(catalogue->kind_count < SL_SUBJECT_KINDS_MAX, SL_E_LIMIT);
    catalogue->kinds[catalogue->kind_count++] = (sl_subject_kind){
        .name = file.kind,
        .born = file.born,
        .born_field = file.born_field,
        .born_value = file.born_value,
        .key = file.key,
        .state = file.state,
        .moves = file.moves,
        .moves_field = file.moves_field,
        .ends = file.ends,
        .fixed = file.fixed.items,
        .fixed_count = file.fixed.n,
        .whole = file.whole,
    };
    return SL_DONE;
}

/* The items of the list that is the file's only member. */
static sl_res read_file(sl_catalogue *catalogue, sl_view text, const char *member,
                        sl_res (*read)(sl_catalogue *, const sl_yaml_node *))
{
    sl_view copy;
    SL_TRY(sl_arena_dup(&catalogue->arena, text, &copy));
    const sl_yaml_node *root = NULL;
    SL_TRY(sl_yaml_parse(&catalogue->arena, copy, &root));
    const char *keys[] = { member, NULL };
    SL_TRY(sl_yaml_keys(root, keys));
    const sl_yaml_node *list = sl_yaml_get(root, member);
    if (list == NULL || list->kind != SL_YAML_LIST) {
        return sl_fail_at(SL_E_MISSING_FIELD, "checks or subjects", 1);
    }
    for (const sl_yaml_node *one = list->first; one != NULL; one = one->next) {
        SL_TRY(read(catalogue, one));
    }
    return SL_DONE;
}

static sl_res load_all(sl_catalogue *catalogue, sl_view subjects, const sl_view *files,
                       size_t count, size_t *ret_file)
{
    *ret_file = count;
    SL_TRY(read_file(catalogue, subjects, "subjects", read_subject));
    for (size_t i = 0; i < count; i++) {
        *ret_file = i;
        SL_TRY(read_file(catalogue, files[i], "checks", read_check));
    }
    return SL_DONE;
}

sl_res sl_catalogue_load(sl_view subjects, const sl_view *files, size_t count, size_t *ret_file,
                         sl_catalogue **ret_catalogue)
{
    sl_catalogue *catalogue = calloc(1, sizeof(*catalogue));
    SL_NEED(catalogue != NULL, SL_E_MEMORY);
    catalogue->arena.max = 32 * SL_MIB;
    size_t file = 0;
    sl_res r = load_all(catalogue, subjects, files, count, &file);
    if (ret_file != NULL) {
        *ret_file = file;
    }
    if (!sl_ok(r)) {
        sl_catalogue_free(catalogue);
        return r;
    }
    *ret_catalogue = catalogue;
    return SL_DONE;
}

void sl_catalogue_free(sl_catalogue *catalogue)
{
    if (catalogue != NULL) {
        sl_arena_free(&catalogue->arena);
        free(catalogue);
    }
}

size_t sl_catalogue_count(const sl_catalogue *catalogue)
{
    return catalogue->check_count;
}

const sl_check *sl_catalogue_check(const sl_catalogue *catalogue, size_t at)
{
    return &catalogue->checks[at];
}

size_t sl_catalogue_find(const sl_catalogue *catalogue, sl_view id)
{
    for (size_t i = 0; i < catalogue->check_count; i++) {
        if (sl_view_eq(catalogue->checks[i].id, id)) {
            return i;
        }
    }
    return SIZE_MAX;
}
