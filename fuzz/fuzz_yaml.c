/* The strict YAML loader on hostile bytes: it ends, keeps its limits, and every tree it returns is
 * well formed: keys are unique and plain, texts hold no control characters. */
#include <assert.h>

#include "base/limits.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_texts(sl_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        assert(v.p[i] >= 0x20 || v.p[i] == '\t' || v.p[i] == '\n');
    }
    assert(v.n == 0 || v.p[v.n] == 0);
}

static void check_keys(const sl_yaml_node *map)
{
    uint32_t children = 0;
    for (const sl_yaml_node *child = map->first; child != NULL; child = child->next) {
        assert((child->key.n > 0) == (map->kind == SL_YAML_MAP));
        if (map->kind == SL_YAML_MAP && children < 64) {
            assert(sl_yaml_get(map, (const char *)child->key.p) == child);
        }
        children++;
    }
    assert(children == map->children);
}

/* Walks the tree with a stack of its own, since the depth is the input's. */
static void check_tree(const sl_yaml_node *root)
{
    const sl_yaml_node *open[SL_YAML_DEPTH_MAX + 1] = { root };
    size_t depth = 1;
    while (depth > 0) {
        const sl_yaml_node *node = open[depth - 1];
        if (node == NULL) {
            depth--;
            continue;
        }
        open[depth - 1] = depth > 1 ? node->next : NULL;
        check_texts(node->key);
        check_texts(node->text);
        if (node->kind == SL_YAML_SCALAR) {
            assert(node->first == NULL);
        } else {
            assert(depth <= SL_YAML_DEPTH_MAX);
            check_keys(node);
            open[depth] = node->first;
            depth++;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 16 * SL_MIB };
    const sl_yaml_node *root = NULL;
    if (sl_ok(sl_yaml_parse(&arena, sl_view_of(data, size), &root))) {
        check_tree(root);
        static const char *const keys[] = { "name", "rules", "limits", NULL };
        sl_res ignored = sl_yaml_keys(root, keys);
        (void)ignored;
    }
    return 0;
}
