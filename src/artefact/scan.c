/* The driver of a scan (scan.h): a work list of artefacts, each identified by content and given to
 * the parser of every kind that claims it. What the driver itself judges is types: two kinds at once,
 * or a name that promises what the content is not. */
#include <stdlib.h>
#include <string.h>

#include "artefact/first_pass.h"
#include "artefact/pickle_explain.h"
#include "artefact/scan_impl.h"

#define ARENA_BYTES_MAX ((size_t)32 << 20)
#define MEMBER_NAME_BYTES_MAX ((size_t)400)

typedef struct {
    const char *name;
    const char *extensions; /* space-separated, with their dots */
    unsigned traits;
    sl_identify identify;
    sl_scan_format scan;
} kind_info;

static const kind_info kinds[SL_KIND_COUNT] = {
    [SL_KIND_NONE] = { "unknown", "", 0, NULL, NULL },
#define F(id, name, extensions, traits, identify, scan)                                            \
    [SL_KIND_##id] = { name, extensions, traits, identify, scan },
#include "artefact/formats.def"
#undef F
};

const char *sl_kind_name(sl_kind kind)
{
    return kinds[kind].name;
}

unsigned sl_kind_traits(sl_kind kind)
{
    return kinds[kind].traits;
}

/* ---- the work list ---- */

static void family_drop(sl_scan_family *family)
{
    if (family != NULL && --family->refs == 0) {
        sl_buf_free(&family->names);
        free(family->numbers);
        free(family);
    }
}

static void item_free(sl_scan_item *item)
{
    sl_source_drop(item->source);
    family_drop(item->family);
    free(item);
}

static void items_free(sl_scan_item *item)
{
    while (item != NULL) {
        sl_scan_item *next = item->next;
        item_free(item);
        item = next;
    }
}

static sl_view leaf_of(sl_view path)
{
    size_t from = path.n;
    while (from > 0 && path.p[from - 1] != '/' && path.p[from - 1] != '\\') {
        from--;
    }
    return sl_view_sub(path, from, path.n);
}

/* The member's path for people: the container's, "!", the name made printable. */
static sl_res make_path(sl_scan *scan, sl_view name, sl_view *ret_path)
{
    sl_view own = { 0 };
    SL_TRY(sl_scan_printable(&scan->arena, name, MEMBER_NAME_BYTES_MAX, &own));
    if (scan->item->path.n == 0) {
        *ret_path = own;
        return SL_DONE;
    }
    SL_OWN(sl_buf, whole, sl_buf_free) = { .max = 16 * MEMBER_NAME_BYTES_MAX };
    SL_TRY(sl_buf_add(&whole, scan->item->path));
    SL_TRY(sl_buf_add_byte(&whole, '!'));
    SL_TRY(sl_buf_add(&whole, own));
    return sl_arena_dup(&scan->arena, sl_buf_view(&whole), ret_path);
}

static sl_res need_family(sl_scan *scan)
{
    if (scan->family == NULL) {
        scan->family = calloc(1, sizeof *scan->family);
        SL_NEED(scan->family != NULL, SL_E_MEMORY);
        scan->family->refs = 1;
        scan->family->names.max = ARENA_BYTES_MAX;
    }
    return SL_DONE;
}

static sl_res join_family(sl_scan *scan, sl_view name)
{
    SL_TRY(need_family(scan));
    SL_TRY(sl_buf_add(&scan->family->names, name));
    return sl_buf_add_byte(&scan->family->names, 0);
}

static sl_res queue(sl_scan *scan, sl_view name, sl_source *source, bool told, sl_kind kind)
{
    if (scan->item->depth + 1 > scan->budget->depth) {
        scan->result.complete = false;
        sl_scan_reportf(scan, SL_RULE_SCAN_LIMIT, SL_NOWHERE, "nested deeper than %u",
                        scan->budget->depth);
        return SL_DONE;
    }
    if (!sl_ok(sl_scan_spend(scan, SL_SPEND_MEMBERS, 1))) {
        return SL_DONE;
    }
    scan->result.members++;
    SL_TRY(join_family(scan, name));
    sl_scan_item *item = calloc(1, sizeof *item);
    SL_NEED(item != NULL, SL_E_MEMORY);
    *item = (sl_scan_item){ .source = sl_source_keep(source),
                            .depth = scan->item->depth + 1,
                            .told = told,
                            .kind = kind,
                            .next = scan->children };
    scan->children = item;
    item->family = scan->family;
    scan->family->refs++;
    SL_TRY(make_path(scan, name, &item->path));
    sl_view leaf = leaf_of(name);
    if (sl_view_eq_str(leaf, "data.pkl")) {
        SL_TRY(sl_arena_dup(&scan->arena, sl_view_sub(name, 0, name.n - leaf.n), &item->folder));
    }
    return sl_arena_dup(&scan->arena, sl_view_sub(leaf_of(name), 0, MEMBER_NAME_BYTES_MAX),
                        &item->name);
}

sl_res sl_scan_member(sl_scan *scan, sl_view name, sl_source *source)
{
    return queue(scan, name, source, false, SL_KIND_NONE);
}

sl_res sl_scan_member_as(sl_scan *scan, sl_view name, sl_source *source, sl_kind kind)
{
    return queue(scan, name, source, true, kind);
}

sl_res sl_scan_member_on_trial(sl_scan *scan, sl_view name, sl_source *source)
{
    const sl_scan_item *newest = scan->children;
    SL_TRY(queue(scan, name, source, false, SL_KIND_NONE));
    if (scan->children != newest) {
        scan->children->trial = true;
    }
    return SL_DONE;
}

void sl_scan_partial(sl_scan *scan)
{
    scan->result.complete = false;
}

sl_view sl_scan_name(const sl_scan *scan)
{
    return scan->item->name;
}

bool sl_scan_global_known(const sl_scan *scan, sl_view module, sl_view name)
{
    sl_may may = sl_allow_find(scan->allow, module, name);
    return may == SL_MAY_REFER || may == SL_MAY_NEW || may == SL_MAY_CALL;
}

bool sl_scan_sibling(const sl_scan *scan, const char *name)
{
    const sl_scan_family *family = scan->item->family;
    sl_view rest = family == NULL ? (sl_view){ 0 } : sl_buf_view(&family->names);
    while (rest.n != 0) {
        sl_view one = { 0 };
        (void)sl_view_cut(rest, 0, &one, &rest);
        if (sl_view_eq_str(one, name)) {
            return true;
        }
    }
    return false;
}

bool sl_scan_family_has(const sl_scan *scan, sl_view part)
{
    const sl_scan_family *family = scan->item->family;
    return family != NULL && sl_view_find(sl_buf_view(&family->names), part, 0) != SIZE_MAX;
}

/* ---- members that are numbers ---- */

static uint64_t hash_name(uint64_t h, sl_view name)
{
    for (size_t i = 0; i < name.n; i++) {
        h = (h ^ name.p[i]) * 1099511628211U;
    }
    return h;
}

static struct sl_scan_numbers_entry *numbers_slot(const sl_scan_family *f, uint64_t hash)
{
    size_t i = (hash ^ (hash >> 32)) & (f->numbers_room - 1);
    while (f->numbers[i].name_hash != 0 && f->numbers[i].name_hash != hash) {
        i = (i + 1) & (f->numbers_room - 1);
    }
    return &f->numbers[i];
}

static sl_res grow_numbers(sl_scan_family *f)
{
    const sl_scan_family old = *f;
    size_t wanted = old.numbers_room == 0 ? 64 : old.numbers_room * 2;
    struct sl_scan_numbers_entry *grown = calloc(wanted, sizeof *grown);
    SL_NEED(grown != NULL, SL_E_MEMORY);
    f->numbers = grown;
    f->numbers_room = wanted;
    for (size_t i = 0; i < old.numbers_room; i++) {
        if (old.numbers[i].name_hash != 0) {
            *numbers_slot(f, old.numbers[i].name_hash) = old.numbers[i];
        }
    }
    free(old.numbers);
    return SL_DONE;
}

#define NAME_HASH_START UINT64_C(14695981039346656037)

sl_res sl_scan_numbers(sl_scan *scan, sl_view name, uint64_t size)
{
    SL_TRY(need_family(scan));
    sl_scan_family *f = scan->family;
    if (2 * f->numbers_count >= f->numbers_room) { /* their number is bounded by that of members */
        SL_TRY(grow_numbers(f));
    }
    uint64_t hash = hash_name(NAME_HASH_START, name) | 1;
    struct sl_scan_numbers_entry *slot = numbers_slot(f, hash);
    f->numbers_count += slot->name_hash == 0;
    *slot = (struct sl_scan_numbers_entry){ hash, size };
    return SL_DONE;
}

bool sl_scan_numbers_beside(const sl_scan *scan, sl_view name, uint64_t *ret_size)
{
    const sl_scan_family *f = scan->item->family;
    if (f == NULL || f->numbers_room == 0) {
        return false;
    }
    uint64_t hash = hash_name(hash_name(NAME_HASH_START, scan->item->folder), name) | 1;
    const struct sl_scan_numbers_entry *slot = numbers_slot(f, hash);
    *ret_size = slot->size;
    return slot->name_hash != 0;
}

/* ---- types ---- */

static bool has_extension(sl_view name, const char *extensions)
{
    sl_view rest = sl_view_str(extensions);
    while (rest.n != 0) {
        sl_view one = { 0 };
        (void)sl_view_cut(rest, ' ', &one, &rest);
        if (one.n != 0 && name.n > one.n &&
            sl_view_eq_nocase(sl_view_sub(name, name.n - one.n, name.n), one)) {
            return true;
        }
    }
    return false;
}

/* The kind that the name promises, or NONE. */
static sl_kind promised(sl_view name)
{
    for (unsigned k = SL_KIND_NONE + 1; k < SL_KIND_COUNT; k++) {
        if (has_extension(name, kinds[k].extensions)) {
            return (sl_kind)k;
        }
    }
    return SL_KIND_NONE;
}

typedef struct {
    sl_kind kinds[SL_KIND_COUNT];
    size_t count;
    bool sure;
} claims;

static void identify(const sl_probe *probe, claims *ret_claims)
{
    *ret_claims = (claims){ 0 };
    claims maybe = { 0 };
    for (unsigned k = SL_KIND_NONE + 1; k < SL_KIND_COUNT; k++) {
        sl_identity id = kinds[k].identify(probe);
        if (id == SL_IDENTIFY_YES) {
            ret_claims->kinds[ret_claims->count++] = (sl_kind)k;
        } else if (id == SL_IDENTIFY_MAYBE) {
            maybe.kinds[maybe.count++] = (sl_kind)k;
        }
    }
    ret_claims->sure = ret_claims->count != 0;
    if (ret_claims->count == 0) {
        *ret_claims = maybe;
    }
}

static void judge_types(sl_scan *scan, const claims *c)
{
    const sl_kind promise = promised(scan->item->name);
    unsigned binary = 0;
    bool kept = false; /* what the name promised is among the claims */
    bool runs = false;
    for (size_t i = 0; i < c->count; i++) {
        binary += (kinds[c->kinds[i]].traits & SL_TRAIT_TEXT) == 0;
        runs = runs || (kinds[c->kinds[i]].traits & SL_TRAIT_RUNS) != 0;
    }
    for (size_t i = 0; i < c->count; i++) {
        const kind_info *k = &kinds[c->kinds[i]];
        bool outdone = (k->traits & SL_TRAIT_TEXT) != 0 && binary != 0 && c->sure;
        kept = kept || (!outdone && has_extension(scan->item->name, k->extensions));
    }
    const sl_kind first = c->count == 0 ? SL_KIND_NONE : c->kinds[0];
    if (c->sure && binary > 1) {
        sl_scan_reportf(scan, SL_RULE_TYPE_POLYGLOT, 0, "%s and %s", kinds[first].name,
                        kinds[c->kinds[c->count - 1]].name);
    }
    if (promise == SL_KIND_NONE || kept || (kinds[promise].traits & SL_TRAIT_INERT) == 0) {
        return;
    }
    if (runs && c->sure) {
        sl_scan_reportf(scan, SL_RULE_TYPE_MISMATCH, 0, "named as %s, is %s", kinds[promise].name,
                        kinds[first].name);
    } else {
        sl_scan_reportf(scan, SL_RULE_TYPE_DIFFERENT, 0, "named as %s, is %s", kinds[promise].name,
                        kinds[first].name);
    }
}

/* ---- one artefact ---- */

/* Two bytes make many a constant look like a pickle; it must run like one. */
static bool stands_trial(const sl_scan *scan, const claims *c)
{
    return c->kinds[0] != SL_KIND_PICKLE || sl_pickle_on_trial(scan->allow, scan->item->source);
}

/* Under the name of the member it stands in, where it is not the file itself. */
static sl_res explain(const sl_scan *scan)
{
    const sl_scan_item *item = scan->item;
    bool wanted = scan->explain_member.n == 0 || sl_view_eq(scan->explain_member, item->path);
    if (scan->explain == NULL || !wanted) {
        return SL_DONE;
    }
    if (item->path.n != 0) {
        SL_TRY(sl_buf_addf(scan->explain, "%s# %.*s\n", scan->explain->n == 0 ? "" : "\n",
                           SL_FMT(item->path)));
    }
    return sl_pickle_explain(item->source, scan->explain);
}

static void run_kind(sl_scan *scan, sl_kind kind)
{
    scan->kind = kind;
    if (kind == SL_KIND_PICKLE && !sl_ok(explain(scan))) {
        scan->explain = NULL; /* full: what stands there says so */
    }
    sl_res r = kinds[kind].scan(scan, scan->item->source);
    if (!sl_ok(r)) {
        sl_scan_failed(scan, r);
    }
}

static sl_res run_claims(sl_scan *scan)
{
    sl_scan_item *item = scan->item;
    sl_view head = { 0 };
    SL_TRY(sl_source_at(item->source, 0, SL_PROBE_HEAD_BYTES, &head));
    uint8_t kept[SL_PROBE_HEAD_BYTES];
    memcpy(kept, head.p == NULL ? kept : head.p, head.n);
    const sl_probe probe = { .source = item->source,
                             .size = sl_source_size(item->source),
                             .head = { kept, head.n },
                             .name = item->name };
    claims c;
    identify(&probe, &c);
    if (item->trial && (!c.sure || !stands_trial(scan, &c))) {
        return SL_DONE;
    }
    judge_types(scan, &c);
    if (item->depth == 0 && c.count != 0) {
        scan->result.kind = c.kinds[0];
    }
    if (c.count == 0 && probe.size != 0) {
        sl_scan_report(scan, SL_RULE_TYPE_UNKNOWN, 0, sl_view_sub(probe.head, 0, 8));
    }
    for (size_t i = 0; i < c.count; i++) {
        run_kind(scan, c.kinds[i]);
    }
    return SL_DONE;
}

static void run_item(sl_scan *scan)
{
    memset(scan->told, 0, sizeof scan->told);
    scan->kind = SL_KIND_NONE;
    if (scan->item->told) {
        if (scan->item->kind != SL_KIND_NONE) {
            run_kind(scan, scan->item->kind);
        }
        return;
    }
    sl_res r = run_claims(scan);
    if (!sl_ok(r)) {
        sl_scan_failed(scan, r);
    }
}

/* The children, newest first, go onto the stack so that the oldest is next. */
static void take_children(sl_scan *scan)
{
    while (scan->children != NULL) {
        sl_scan_item *child = scan->children;
        scan->children = child->next;
        child->next = scan->todo;
        scan->todo = child;
    }
    family_drop(scan->family);
    scan->family = NULL;
}

static void run_all(sl_scan *scan)
{
    while (scan->todo != NULL) {
        scan->item = scan->todo;
        scan->todo = scan->item->next;
        run_item(scan);
        take_children(scan);
        item_free(scan->item);
        scan->item = NULL;
    }
}

static void scan_end(sl_scan *scan)
{
    items_free(scan->todo);
    items_free(scan->children);
    family_drop(scan->family);
}

/* ---- the whole ---- */

static sl_res begin(sl_scan *scan, const sl_scan_input *input, sl_first_pass *pass)
{
    sl_source *source = NULL;
    SL_TRY(sl_source_reader(sl_first_pass_read, pass, input->size, &source));
    scan->todo = calloc(1, sizeof *scan->todo);
    if (scan->todo == NULL) {
        sl_source_drop(source);
        return sl_fail(SL_E_MEMORY);
    }
    scan->todo->source = source;
    return sl_arena_dup(&scan->arena, sl_view_sub(input->name, 0, MEMBER_NAME_BYTES_MAX),
                        &scan->todo->name);
}

static void finish(sl_scan *scan, sl_first_pass *pass)
{
    sl_res r = sl_first_pass_finish(pass, &scan->result.sha256);
    scan->result.hashed = sl_ok(r);
    if (!sl_ok(r)) {
        memset(scan->told, 0, sizeof scan->told);
        sl_scan_failed(scan, r);
    }
    if (!scan->result.complete && scan->result.class == SL_SCAN_CLEAN) {
        scan->result.class = SL_SCAN_UNKNOWN; /* never clean in part */
    }
}

static uint64_t expanded_max(const sl_scan_budget *budget, uint64_t size)
{
    const uint64_t floor = (uint64_t)64 << 20;
    uint64_t most = size > UINT64_MAX / 20 ? UINT64_MAX : size * 20;
    most = most < floor ? floor : most;
    return most < budget->spend[SL_SPEND_EXPANDED] ? most : budget->spend[SL_SPEND_EXPANDED];
}

static sl_res run(sl_scan *scan, const sl_scan_input *input)
{
    SL_OWN(sl_first_pass, pass, sl_first_pass_free) = { 0 };
    sl_res r = sl_first_pass_start(&pass, input->read, input->ctx, input->size, input->key);
    if (sl_is(r, SL_E_LIMIT)) {
        sl_scan_failed(scan, r); /* too large to hash: an answer, and not a clean one */
        return SL_DONE;
    }
    SL_TRY(r);
    r = begin(scan, input, &pass);
    if (sl_ok(r)) {
        run_all(scan);
        finish(scan, &pass);
    }
    scan_end(scan);
    return r;
}

sl_res sl_scan_run(const sl_scan_input *input, sl_scan_result *ret_result)
{
    SL_OWN(sl_allow *, own, sl_allow_free) = NULL;
    if (input->allow == NULL) {
        SL_TRY(sl_allow_read(sl_allow_pack(), &own));
    }
    sl_scan *scan = calloc(1, sizeof *scan);
    SL_NEED(scan != NULL, SL_E_MEMORY);
    scan->budget = input->budget == NULL ? &sl_scan_budget_default : input->budget;
    scan->allow = input->allow == NULL ? own : input->allow;
    scan->explain = input->explain;
    scan->explain_member = input->explain_member;
    scan->arena.max = ARENA_BYTES_MAX;
    scan->expanded_max = expanded_max(scan->budget, input->size);
    scan->result.complete = true;
    scan->result.bytes = input->size;
    sl_res r = run(scan, input);
    scan->result.arena = scan->arena;
    if (sl_ok(r)) {
        *ret_result = scan->result;
    } else {
        sl_scan_result_free(&scan->result);
    }
    free(scan);
    return r;
}

void sl_scan_result_free(sl_scan_result *result)
{
    free(result->findings);
    free(result->outside);
    sl_arena_free(&result->arena);
    *result = (sl_scan_result){ 0 };
}
