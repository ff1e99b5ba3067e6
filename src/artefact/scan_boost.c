/* Gradient-boosted trees as text: XGBoost's JSON and LightGBM's own form. Loading runs nothing, but the
 * readers are C++ and index tables with the numbers of the file: every index must lie within its table
 * and every tree must be one. */
#include <stdlib.h>
#include <string.h>

#include "artefact/format_parts.h"

#define NODES_MAX ((uint64_t)1 << 24)
#define LINE_BYTES_MAX (16 * ((size_t)1 << 20))

static void tell(sl_scan *scan, uint64_t offset, const char *what)
{
    sl_scan_report_str(scan, SL_RULE_BOOST_INDEX, offset, what);
}

/* ---- XGBoost ---- */

/* A number, or text of one, as this format writes its parameters. */
static bool count_of(const sl_json_doc *doc, const sl_json_node *object, const char *name,
                     uint64_t *ret_value)
{
    const sl_json_node *value = sl_json_get(doc, object, name);
    return (sl_json_is(value, SL_JSON_STRING) || sl_json_is(value, SL_JSON_NUMBER)) &&
           sl_ok(sl_parse_u64(value->raw, NODES_MAX, ret_value));
}

/* Every item of `name` is -1 or below `end`; counts how often each node is a child. */
static bool check_children(sl_scan *scan, const sl_json_doc *doc, const sl_json_node *tree,
                           const char *name, uint64_t nodes, uint8_t *parents)
{
    const sl_json_node *list = sl_json_get_kind(doc, tree, name, SL_JSON_ARRAY);
    sl_json_iter it = { 0 };
    if (list == NULL || list->count != nodes) {
        tell(scan, tree->offset, "a list of children is not as long as the tree has nodes");
        return false;
    }
    while (sl_json_each(doc, list, &it)) {
        int64_t child = 0;
        bool number = sl_ok(sl_json_i64(it.value, &child));
        if (!number || child < -1 || child >= (int64_t)nodes) {
            tell(scan, it.value->offset, "a child that is no node of the tree");
            return false;
        }
        if (child >= 0 && (child == 0 || parents[child]++ != 0)) {
            tell(scan, it.value->offset, "a node with two parents: no tree");
            return false;
        }
    }
    return true;
}

static void check_features(sl_scan *scan, const sl_json_doc *doc, const sl_json_node *tree,
                           uint64_t nodes, uint64_t features)
{
    const sl_json_node *list = sl_json_get_kind(doc, tree, "split_indices", SL_JSON_ARRAY);
    sl_json_iter it = { 0 };
    if (list == NULL || list->count != nodes) {
        tell(scan, tree->offset, "the list of features is not as long as the tree has nodes");
        return;
    }
    while (sl_json_each(doc, list, &it)) {
        uint64_t feature = 0;
        if (!sl_ok(sl_json_u64(it.value, &feature)) || (features > 0 && feature >= features)) {
            tell(scan, it.value->offset, "a feature that the model does not have");
            return;
        }
    }
}

static void check_tree(sl_scan *scan, const sl_json_doc *doc, const sl_json_node *tree,
                       uint64_t features)
{
    uint64_t nodes = 0;
    const sl_json_node *param = sl_json_get_kind(doc, tree, "tree_param", SL_JSON_OBJECT);
    if (!count_of(doc, param, "num_nodes", &nodes) || nodes == 0 || nodes > doc->count) {
        tell(scan, tree->offset, "a tree without a sensible number of nodes");
        return;
    }
    uint8_t *parents = calloc((size_t)nodes, 1);
    bool good = parents != NULL &&
                check_children(scan, doc, tree, "left_children", nodes, parents) &&
                check_children(scan, doc, tree, "right_children", nodes, parents);
    free(parents);
    if (good) {
        check_features(scan, doc, tree, nodes, features);
    }
}

void sl_scan_xgboost_tree(sl_scan *scan, const sl_json_doc *doc)
{
    const sl_json_node *learner = sl_json_get(doc, sl_json_root(doc), "learner");
    const sl_json_node *param = sl_json_get(doc, learner, "learner_model_param");
    const sl_json_node *booster = sl_json_get(doc, learner, "gradient_booster");
    const sl_json_node *inner = sl_json_get_kind(doc, booster, "gbtree", SL_JSON_OBJECT);
    const sl_json_node *model = sl_json_get(doc, inner == NULL ? booster : inner, "model");
    const sl_json_node *trees = sl_json_get_kind(doc, model, "trees", SL_JSON_ARRAY);
    uint64_t features = 0;
    uint64_t count = 0;
    (void)count_of(doc, param, "num_feature", &features);
    if (trees == NULL) {
        return; /* a linear model */
    }
    if (!count_of(doc, sl_json_get(doc, model, "gbtree_model_param"), "num_trees", &count) ||
        count != trees->count) {
        tell(scan, trees->offset, "not as many trees as the model says");
    }
    sl_json_iter it = { 0 };
    while (sl_json_each(doc, trees, &it)) {
        check_tree(scan, doc, it.value, features);
    }
}

/* ---- LightGBM ---- */

sl_identity sl_identify_lightgbm(const sl_probe *probe)
{
    return sl_view_starts(probe->head, SL_LIT("tree\nversion=")) ||
                   sl_view_starts(probe->head, SL_LIT("tree\r\nversion="))
               ? SL_IDENTIFY_YES
               : SL_IDENTIFY_NO;
}

typedef struct {
    sl_scan *scan;
    uint64_t offset; /* of the present line */
    uint64_t leaves;
    uint64_t features;
    bool in_tree;
} reader;

/* A blank-separated list of `want` numbers, each within [-leaves, leaves - 2]: inner nodes count up from
 * zero, leaves down from minus one. */
static void check_links(reader *r, sl_view list)
{
    uint64_t count = 0;
    while (list.n > 0) {
        sl_view item = { 0 };
        int64_t value = 0;
        (void)sl_view_cut(list, ' ', &item, &list);
        if (item.n == 0) {
            continue;
        }
        count++;
        if (!sl_ok(sl_parse_i64(item, &value)) || value < -(int64_t)r->leaves ||
            value > (int64_t)r->leaves - 2) {
            tell(r->scan, r->offset, "a child that is no node of the tree");
            return;
        }
    }
    if (count != (r->leaves > 0 ? r->leaves - 1 : 0)) {
        tell(r->scan, r->offset, "a list of children is not as long as the tree has nodes");
    }
}

static void check_splits(reader *r, sl_view list)
{
    while (list.n > 0) {
        sl_view item = { 0 };
        uint64_t value = 0;
        (void)sl_view_cut(list, ' ', &item, &list);
        if (item.n > 0 && (!sl_ok(sl_parse_u64(item, UINT32_MAX, &value)) || value > r->features)) {
            tell(r->scan, r->offset, "a feature that the model does not have");
            return;
        }
    }
}

static void check_line(reader *r, sl_view line)
{
    sl_view name = { 0 };
    sl_view value = { 0 };
    if (!sl_view_cut(line, '=', &name, &value)) {
        return;
    }
    if (sl_view_eq_str(name, "Tree")) {
        r->in_tree = true;
        r->leaves = 0;
    } else if (sl_view_eq_str(name, "max_feature_idx")) {
        if (!sl_ok(sl_parse_u64(value, UINT32_MAX, &r->features))) {
            tell(r->scan, r->offset, "no sensible number of features");
        }
    } else if (sl_view_eq_str(name, "num_leaves")) {
        if (!sl_ok(sl_parse_u64(value, NODES_MAX, &r->leaves)) || r->leaves == 0) {
            tell(r->scan, r->offset, "a tree without a sensible number of leaves");
            r->leaves = 0;
        }
    } else if (r->in_tree && r->leaves > 1) {
        if (sl_view_eq_str(name, "left_child") || sl_view_eq_str(name, "right_child")) {
            check_links(r, value);
        } else if (sl_view_eq_str(name, "split_feature")) {
            check_splits(r, value);
        }
    }
}

sl_res sl_scan_lightgbm(sl_scan *scan, sl_source *source)
{
    reader r = { .scan = scan };
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = LINE_BYTES_MAX };
    uint64_t size = sl_source_size(source);
    for (uint64_t at = 0; at < size;) {
        sl_view rest = { 0 };
        SL_TRY(sl_source_at(source, at, SL_SOURCE_WINDOW_MAX, &rest));
        at += rest.n;
        SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, rest.n / 16));
        while (rest.n > 0) {
            sl_view piece = { 0 };
            bool ends = sl_view_cut(rest, '\n', &piece, &rest);
            SL_TRY(sl_buf_add(&line, piece));
            if (ends || at >= size) {
                sl_view whole = sl_buf_view(&line);
                whole.n -= sl_view_ends(whole, SL_LIT("\r")) ? 1 : 0;
                check_line(&r, whole);
                sl_buf_clear(&line);
                r.offset = at - rest.n;
            }
        }
    }
    return SL_DONE;
}
