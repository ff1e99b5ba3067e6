/* Names and what is done with them: the half of the pickle machine that judges. Naming and calling are
 * kept apart, as PickleBall (CCS 2025) does: most of what a model needs is named or made empty, and only a
 * short list is called with arguments. Rules: docs/scan.md, section "Pickle". */
#include <stdlib.h>
#include <string.h>

#include "artefact/pickle_vm.h"
#include "artefact/scan_impl.h"

#define TEXT_MAX ((size_t)1024)
#define NAMES_MAX ((size_t)65000)

/* ---- the table of names ---- */

static uint32_t hash_of(sl_view module, sl_view name)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < module.n; i++) {
        h = (h ^ module.p[i]) * 16777619U;
    }
    h = (h ^ '\n') * 16777619U;
    for (size_t i = 0; i < name.n; i++) {
        h = (h ^ name.p[i]) * 16777619U;
    }
    return h ^ (h >> 15);
}

static uint32_t *slot_of(const sl_pickle *vm, sl_view module, sl_view name)
{
    size_t mask = 2 * vm->name_room - 1;
    size_t i = hash_of(module, name) & mask;
    while (vm->name_slots[i] != 0) {
        const sl_pname *n = &vm->names[vm->name_slots[i] - 1];
        if (sl_view_eq(n->module, module) && sl_view_eq(n->name, name)) {
            break;
        }
        i = (i + 1) & mask;
    }
    return &vm->name_slots[i];
}

static sl_res grow_names(sl_pickle *vm)
{
    size_t wanted = vm->name_room == 0 ? 64 : vm->name_room * 2;
    if (vm->name_count >= NAMES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "pickle names", vm->op.at);
    }
    sl_pname *grown = reallocarray(vm->names, wanted, sizeof *grown);
    SL_NEED(grown != NULL, SL_E_MEMORY);
    vm->names = grown;
    uint32_t *slots = calloc(2 * wanted, sizeof *slots);
    SL_NEED(slots != NULL, SL_E_MEMORY);
    free(vm->name_slots);
    vm->name_slots = slots;
    vm->name_room = wanted;
    for (size_t i = 0; i < vm->name_count; i++) {
        *slot_of(vm, grown[i].module, grown[i].name) = (uint32_t)i + 1;
    }
    return SL_DONE;
}

static sl_prole role_of(sl_view module, sl_view name)
{
    static const struct {
        const char *module; /* a trailing '*': begins with */
        const char *name;   /* a leading '*': ends with; NULL: any */
        sl_prole role;
    } roles[] = {
        { "copyreg", "_reconstructor", SL_ROLE_REBUILD },
        { "copy_reg", "_reconstructor", SL_ROLE_REBUILD },
        { "copyreg", "__newobj__", SL_ROLE_REBUILD },
        { "copyreg", "__newobj_ex__", SL_ROLE_REBUILD },
        { "_codecs", "encode", SL_ROLE_ENCODE },
        { "torch.storage", "_load_from_bytes", SL_ROLE_LOAD_BYTES },
        { "numpy.random._pickle", NULL, SL_ROLE_CALLER },
        { "torch*", "_rebuild_from_type", SL_ROLE_CALLER },
        { "torch*", "_rebuild_from_type_v2", SL_ROLE_CALLER },
        { "numpy.core", "_ufunc_reconstruct", SL_ROLE_UFUNC },
        { "numpy._core", "_ufunc_reconstruct", SL_ROLE_UFUNC },
        { "builtins", "getattr", SL_ROLE_ATTRIBUTE },
        { "__builtin__", "getattr", SL_ROLE_ATTRIBUTE },
        { "builtins", "type", SL_ROLE_ATTRIBUTE },
        { "functools", "partial", SL_ROLE_KEPT_CALL },
        { "operator", NULL, SL_ROLE_KEPT_CALL },
        { "builtins", "bytes", SL_ROLE_ROOM },
        { "builtins", "bytearray", SL_ROLE_ROOM },
        { "__builtin__", "bytearray", SL_ROLE_ROOM },
        { "collections", "deque", SL_ROLE_SEQUENCE },
        { "collections", NULL, SL_ROLE_MAPPING },
        { "builtins", "dict", SL_ROLE_MAPPING },
        { "__builtin__", "dict", SL_ROLE_MAPPING },
        { "builtins", "list", SL_ROLE_SEQUENCE },
        { "__builtin__", "list", SL_ROLE_SEQUENCE },
        { "builtins", "set", SL_ROLE_SEQUENCE },
        { "__builtin__", "set", SL_ROLE_SEQUENCE },
        { "sklearn.utils*", "Bunch", SL_ROLE_MAPPING },
        { "sklearn.datasets.base", "Bunch", SL_ROLE_MAPPING },
        { "numpy", "dtype", SL_ROLE_DTYPE },
        { "joblib.numpy_pickle", "NumpyArrayWrapper", SL_ROLE_ARRAY_WRAPPER },
        { "torch*", "*Storage", SL_ROLE_STORAGE },
        { "torch*", NULL, SL_ROLE_TORCH },
    };
    for (size_t i = 0; i < SL_COUNT_OF(roles); i++) {
        sl_view m = sl_view_str(roles[i].module);
        bool begins = m.p[m.n - 1] == '*';
        m.n -= begins;
        if (begins ? !sl_view_starts(module, m) : !sl_view_eq(module, m)) {
            continue;
        }
        sl_view n = sl_view_str(roles[i].name == NULL ? "" : roles[i].name);
        bool ends = n.n != 0 && n.p[0] == '*';
        if (n.n == 0 || (ends ? sl_view_ends(name, sl_view_sub(n, 1, n.n)) : sl_view_eq(name, n))) {
            return roles[i].role;
        }
    }
    return SL_ROLE_NONE;
}

/* ---- naming ---- */

static bool identifiers(sl_view dotted)
{
    bool first = true;
    for (size_t i = 0; i < dotted.n; i++) {
        uint8_t c = dotted.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (c == '.' ? first : !(letter || c == '_' || (!first && c >= '0' && c <= '9'))) {
            return false;
        }
        first = c == '.';
    }
    return dotted.n != 0 && !first;
}

static bool tampers(sl_view module)
{
    static const char *const tools[] = { "fickling",   "picklescan", "modelscan",
                                         "modelaudit", "aisbom",     "stoplog" };
    sl_view top = { 0 };
    sl_view rest = { 0 };
    (void)sl_view_cut(module, '.', &top, &rest);
    for (size_t i = 0; i < SL_COUNT_OF(tools); i++) {
        if (sl_view_eq_str(top, tools[i])) {
            return true;
        }
    }
    return false;
}

void sl_pickle_tell_name(sl_pickle *vm, sl_rule rule, const sl_pname *name)
{
    if (vm->scan != NULL) {
        SL_OWN(sl_buf, text, sl_buf_free) = { .max = 2 * TEXT_MAX };
        bool good = sl_ok(sl_buf_add(&text, name->module)) && sl_ok(sl_buf_add_byte(&text, '.')) &&
                    sl_ok(sl_buf_add(&text, name->name));
        sl_pickle_tell(vm, rule, good ? sl_buf_view(&text) : name->name);
    }
}

static void judge_name(sl_pickle *vm, sl_pname *n)
{
    bool real = identifiers(n->module) && identifiers(n->name);
    bool dotted = sl_view_find_byte(n->name, '.', 0) != SIZE_MAX;
    vm->effects = vm->effects || real;
    n->may = !real               ? SL_MAY_NOT
             : vm->allow == NULL ? SL_MAY_NOT_KNOWN /* a trial judges nothing */
                                 : sl_allow_find(vm->allow, n->module, n->name);
    if (vm->scan != NULL && sl_view_starts(n->module, SL_LIT("__torch__")) &&
        sl_scan_family_has(vm->scan, SL_LIT("/code/"))) {
        n->may = SL_MAY_NEW; /* TorchScript: a class of the archive itself, never imported */
    }
    if (dotted && n->may < SL_MAY_REFER) {
        n->may = SL_MAY_NOT;
    }
    n->role = role_of(n->module, n->name);
    if (tampers(n->module)) {
        sl_pickle_tell_name(vm, SL_RULE_PICKLE_TAMPER, n);
    }
    if (!real || (dotted && n->may == SL_MAY_NOT)) {
        sl_pickle_tell_name(vm, real ? SL_RULE_PICKLE_GLOBAL_DOTTED : SL_RULE_PICKLE_GLOBAL_STRANGE,
                            n);
    } else if (n->may == SL_MAY_HOLD) {
        sl_pickle_tell_name(vm, SL_RULE_PICKLE_HELD, n);
    } else if (n->may <= SL_MAY_NOT && n->role != SL_ROLE_ATTRIBUTE) {
        sl_pickle_tell_name(
            vm, n->may == SL_MAY_NOT ? SL_RULE_PICKLE_GLOBAL_DENIED : SL_RULE_PICKLE_GLOBAL_UNKNOWN,
            n);
    }
}

sl_res sl_pickle_name(sl_pickle *vm, sl_view module, sl_view name, sl_pvalue *ret_value)
{
    if (module.n != 0 && vm->op.code != 0x93 && module.p[module.n - 1] == '\r') {
        module.n--; /* a stream that went through a text mode: some readers strip it */
        sl_pickle_tell(vm, SL_RULE_PICKLE_TEXT, module);
    }
    if (name.n != 0 && vm->op.code != 0x93 && name.p[name.n - 1] == '\r') {
        name.n--;
    }
    if (module.n + name.n > 2 * TEXT_MAX) {
        sl_pickle_tell(vm, SL_RULE_PICKLE_GLOBAL_STRANGE, sl_view_sub(module, 0, 64));
        *ret_value = sl_pv(SL_PV_UNKNOWN, 0, 0);
        return SL_DONE;
    }
    if (vm->name_count == vm->name_room) {
        SL_TRY(grow_names(vm));
    }
    uint32_t *slot = slot_of(vm, module, name);
    if (*slot == 0) {
        sl_pname made = { .may = SL_MAY_NOT };
        SL_TRY(sl_arena_dup(&vm->arena, module, &made.module));
        SL_TRY(sl_arena_dup(&vm->arena, name, &made.name));
        judge_name(vm, &made);
        vm->names[vm->name_count++] = made;
        *slot = (uint32_t)vm->name_count;
    }
    vm->attributes += vm->names[*slot - 1].role == SL_ROLE_ATTRIBUTE;
    *ret_value = sl_pv(SL_PV_GLOBAL, *slot - 1, 0);
    return SL_DONE;
}

sl_res sl_pickle_text(sl_pickle *vm, sl_pvalue value, unsigned place, sl_view *ret_text,
                      bool *ret_readable)
{
    size_t n = sl_pv_tag(value);
    *ret_readable = n <= TEXT_MAX;
    if (!*ret_readable) {
        return SL_DONE;
    }
    sl_view v = { 0 };
    SL_TRY(sl_source_need(vm->source, sl_pv_payload(value), n, &v));
    sl_pickle_window_lost(&vm->reader);
    uint8_t *to = vm->scratch + place * TEXT_MAX;
    if (n != 0) {
        memcpy(to, v.p, n);
    }
    *ret_text = sl_view_of(to, n);
    return SL_DONE;
}

/* ---- calling ---- */

static bool class_like(const sl_pname *n)
{
    size_t i = 0;
    while (i < n->name.n && n->name.p[i] == '_') {
        i++;
    }
    return i < n->name.n && n->name.p[i] >= 'A' && n->name.p[i] <= 'Z';
}

static void judge_call(sl_pickle *vm, const sl_pname *n, sl_pcall how)
{
    switch (n->may) {
    case SL_MAY_NOT:
        sl_pickle_tell_name(vm, SL_RULE_PICKLE_CALL_DENIED, n);
        return;
    case SL_MAY_NOT_KNOWN:
        sl_pickle_tell_name(vm,
                            how == SL_CALL_NEW && class_like(n) ? SL_RULE_PICKLE_NEW_UNKNOWN
                                                                : SL_RULE_PICKLE_CALL_UNKNOWN,
                            n);
        return;
    case SL_MAY_REFER:
        sl_pickle_tell_name(vm, SL_RULE_PICKLE_CALL_UNKNOWN, n);
        return;
    case SL_MAY_HOLD: /* told when it was named; a call with arguments is another matter */
    case SL_MAY_NEW:
        if (how != SL_CALL_NEW) {
            sl_pickle_tell_name(vm, SL_RULE_PICKLE_CALL_CLASS, n);
        }
        return;
    case SL_MAY_CALL:
        return;
    }
}

/* A name that is not allowed, or a container that holds one, among the arguments from `from` on. */
static void judge_arguments(sl_pickle *vm, const sl_pname *callee, sl_pvalue arguments, size_t from)
{
    size_t n = 0;
    const sl_pvalue *items = sl_pickle_items(vm, arguments, &n);
    /* What the ring no longer holds is judged whole, by its taint. */
    bool found =
        n == 0 && sl_pv_kind(arguments) == SL_PV_TUPLE && (sl_pv_tag(arguments) & 0x8000U) != 0;
    for (size_t i = from; items != NULL && i < n; i++) {
        sl_pkind kind = sl_pv_kind(items[i]);
        if (kind == SL_PV_GLOBAL) {
            found = found || vm->names[sl_pv_tag(items[i])].may <= SL_MAY_NOT;
        } else if (kind >= SL_PV_TUPLE && kind <= SL_PV_SET) {
            found = found || (sl_pv_tag(items[i]) & 0x8000U) != 0;
        }
    }
    if (found) {
        sl_pickle_tell_name(vm, SL_RULE_PICKLE_CALLABLE_ARGUMENT, callee);
    }
}

/* bytes of protocols 0 to 2: text whose characters are the bytes. */
static sl_res decode_disguised(sl_pickle *vm, sl_pvalue arguments)
{
    size_t n = 0;
    const sl_pvalue *items = sl_pickle_items(vm, arguments, &n);
    if (n == 0 || sl_pv_kind(items[0]) != SL_PV_STR) {
        return SL_DONE;
    }
    return sl_pickle_disguised(vm, items[0]);
}

static void judge_load_bytes(sl_pickle *vm, const sl_pname *callee, sl_pvalue arguments)
{
    size_t n = 0;
    const sl_pvalue *items = sl_pickle_items(vm, arguments, &n);
    bool constant = n == 1 && sl_pv_kind(items[0]) == SL_PV_BYTES;
    if (!constant) {
        sl_pickle_tell_name(vm, SL_RULE_PICKLE_CALL_DENIED, callee);
    }
}

/* _reconstructor calls the constructor of its second argument, the base, with what the stream wants. */
static void judge_base(sl_pickle *vm, const sl_pname *callee, const sl_pvalue *items, size_t n)
{
    bool takes_base = sl_view_eq_str(callee->name, "_reconstructor");
    if (takes_base && n > 1 && sl_pv_kind(items[1]) == SL_PV_GLOBAL) {
        judge_call(vm, &vm->names[sl_pv_tag(items[1])], SL_CALL_FUNCTION);
    } else if (takes_base) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_CALL_COMPUTED, "a base that is no constant");
    }
}

/* copyreg's rebuilders: what they make is their first argument. */
static sl_pvalue rebuild(sl_pickle *vm, const sl_pname *callee, sl_pvalue arguments)
{
    size_t n = 0;
    const sl_pvalue *items = sl_pickle_items(vm, arguments, &n);
    judge_arguments(vm, callee, arguments, 1);
    if (n == 0 || sl_pv_kind(items[0]) != SL_PV_GLOBAL) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_CALL_COMPUTED, "a class that is no constant");
        return sl_pv(SL_PV_UNKNOWN, 0, 0);
    }
    judge_call(vm, &vm->names[sl_pv_tag(items[0])], SL_CALL_NEW);
    judge_base(vm, callee, items, n);
    return sl_pv(SL_PV_RESULT, sl_pv_tag(items[0]), 0);
}

static void open_wrapper(sl_pickle *vm)
{
    sl_parray *a = &vm->context[vm->contexts].array;
    if (a->filling) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_ARRAY, "an array inside an array's description");
    }
    *a = (sl_parray){ .filling = true };
}

sl_res sl_pickle_call(sl_pickle *vm, sl_pvalue callee, sl_pvalue arguments, sl_pcall how,
                      sl_pvalue *ret_value)
{
    vm->called = vm->called || sl_pv_kind(callee) == SL_PV_GLOBAL;
    if (sl_pv_kind(callee) != SL_PV_GLOBAL) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_CALL_COMPUTED, "what is called is no constant");
        *ret_value = sl_pv(SL_PV_UNKNOWN, 0, 0);
        return SL_DONE;
    }
    const sl_pname *n = &vm->names[sl_pv_tag(callee)];
    uint64_t extra = 0;
    bool judged = false;
    SL_TRY(sl_pickle_special(vm, n, arguments, ret_value, &judged));
    if (judged) {
        return SL_DONE;
    }
    n = &vm->names[sl_pv_tag(callee)]; /* the table may have grown */
    if (n->role == SL_ROLE_REBUILD && n->may == SL_MAY_CALL) {
        *ret_value = rebuild(vm, n, arguments);
        return SL_DONE;
    }
    judge_call(vm, n, how);
    judge_arguments(vm, n, arguments, 0);
    if (sl_pv_kind(arguments) != SL_PV_TUPLE) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_CALL_COMPUTED, "arguments that are no tuple");
    } else if (n->role == SL_ROLE_ENCODE) {
        SL_TRY(decode_disguised(vm, arguments));
    } else if (n->role == SL_ROLE_LOAD_BYTES) {
        judge_load_bytes(vm, n, arguments);
    } else if (n->role == SL_ROLE_DTYPE) {
        SL_TRY(sl_pickle_dtype(vm, arguments, &extra));
    } else if (n->role == SL_ROLE_ARRAY_WRAPPER) {
        open_wrapper(vm);
    }
    *ret_value = sl_pv(SL_PV_RESULT, sl_pv_tag(callee), extra);
    return SL_DONE;
}

/* ---- filling ---- */

sl_res sl_pickle_build(sl_pickle *vm, sl_pvalue target, sl_pvalue state)
{
    sl_pkind kind = sl_pv_kind(target);
    vm->called = vm->called || kind == SL_PV_GLOBAL;
    if (kind == SL_PV_GLOBAL) {
        sl_pickle_tell_name(vm, SL_RULE_PICKLE_BUILD_GLOBAL, &vm->names[sl_pv_tag(target)]);
        return SL_DONE;
    }
    if (kind != SL_PV_RESULT) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_BUILD_COMPUTED, "state for what is no new object");
        return SL_DONE;
    }
    const sl_pname *n = &vm->names[sl_pv_tag(target)];
    size_t items = 0;
    const sl_pvalue *item = sl_pickle_items(vm, state, &items);
    if (items == 2 && sl_pv_kind(item[1]) == SL_PV_DICT && n->may < SL_MAY_NEW) {
        sl_pickle_tell_name(vm, SL_RULE_PICKLE_BUILD_SLOTS, n);
    }
    if (n->role == SL_ROLE_ARRAY_WRAPPER) {
        return sl_pickle_array_data(vm);
    }
    if (n->role == SL_ROLE_KEPT_CALL && n->may == SL_MAY_HOLD) {
        sl_pickle_kept_state(vm, n, state);
    }
    return SL_DONE;
}

void sl_pickle_fill(sl_pickle *vm, sl_pvalue target, bool items)
{
    sl_pkind kind = sl_pv_kind(target);
    if (kind != SL_PV_RESULT) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_FILL_COMPUTED,
                           items ? "items set on what is no dictionary"
                                 : "items added to what is no list or set");
        return;
    }
    const sl_pname *n = &vm->names[sl_pv_tag(target)];
    if (n->role == SL_ROLE_MAPPING || n->role == SL_ROLE_SEQUENCE) {
        return;
    }
    bool memory = n->role == SL_ROLE_TORCH || n->role == SL_ROLE_STORAGE;
    sl_pickle_tell_name(vm, memory ? SL_RULE_PICKLE_FILL_COMPUTED : SL_RULE_PICKLE_FILL_OBJECT, n);
}

/* ---- persistent ids ---- */

static unsigned element_bytes(sl_view storage)
{
    static const struct {
        const char *name;
        unsigned bytes;
    } sizes[] = {
        { "DoubleStorage", 8 },         { "FloatStorage", 4 },        { "HalfStorage", 2 },
        { "BFloat16Storage", 2 },       { "LongStorage", 8 },         { "IntStorage", 4 },
        { "ShortStorage", 2 },          { "CharStorage", 1 },         { "ByteStorage", 1 },
        { "BoolStorage", 1 },           { "ComplexFloatStorage", 8 }, { "QInt8Storage", 1 },
        { "ComplexDoubleStorage", 16 }, { "QUInt8Storage", 1 },       { "QInt32Storage", 4 },
        { "QUInt4x2Storage", 1 },       { "QUInt2x4Storage", 1 },     { "UntypedStorage", 1 }
    };
    for (size_t i = 0; i < SL_COUNT_OF(sizes); i++) {
        if (sl_view_eq_str(storage, sizes[i].name)) {
            return sizes[i].bytes;
        }
    }
    return 0;
}

/* In an archive of torch the storage is a member, data/KEY, and must hold what the stream takes from it: a
 * reader that trusts the stream reads beyond it. */
static sl_res judge_member(sl_pickle *vm, sl_view key, uint64_t elements, unsigned bytes)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = 2 * TEXT_MAX };
    uint64_t held = 0;
    uint64_t wanted = 0;
    if (vm->scan == NULL || !sl_view_eq_str(sl_scan_name(vm->scan), "data.pkl")) {
        return SL_DONE;
    }
    SL_TRY(sl_buf_add_str(&name, "data/"));
    SL_TRY(sl_buf_add(&name, key));
    if (!sl_scan_numbers_beside(vm->scan, sl_buf_view(&name), &held) ||
        __builtin_mul_overflow(elements, bytes, &wanted) || wanted > held) {
        sl_pickle_tell(vm, SL_RULE_PICKLE_STORAGE, sl_buf_view(&name));
    }
    return SL_DONE;
}

/* torch's ('storage', torch.FloatStorage, key, location, elements[, view]) and, in legacy files,
 * ('module', class, file, source), which the loader compares with the source that it has. */
sl_res sl_pickle_persistent(sl_pickle *vm, sl_pvalue id, sl_pvalue *ret_value)
{
    size_t n = 0;
    const sl_pvalue *items = sl_pickle_items(vm, id, &n);
    sl_view word = { 0 };
    bool readable = false;
    *ret_value = sl_pv(SL_PV_PERSISTENT, 0, 0);
    if (n >= 2 && sl_pv_kind(items[0]) == SL_PV_STR && sl_pv_kind(items[1]) == SL_PV_GLOBAL) {
        SL_TRY(sl_pickle_text(vm, items[0], 0, &word, &readable));
    }
    if (readable && n == 4 && sl_view_eq_str(word, "module")) {
        *ret_value = items[1]; /* the class itself */
        return SL_DONE;
    }
    const sl_pname *storage = readable ? &vm->names[sl_pv_tag(items[1])] : NULL;
    bool good = readable && n >= 5 && sl_view_eq_str(word, "storage") &&
                storage->role == SL_ROLE_STORAGE && storage->may > SL_MAY_NOT &&
                sl_pv_kind(items[2]) == SL_PV_STR && sl_pv_kind(items[4]) == SL_PV_INT;
    if (!good) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_PERSISTENT, "not a storage of torch");
        return SL_DONE;
    }
    sl_view key = { 0 };
    const uint64_t elements = sl_pv_payload(items[4]);
    const unsigned bytes = element_bytes(storage->name);
    SL_TRY(sl_pickle_text(vm, items[2], 0, &key, &readable));
    if (!readable) {
        return SL_DONE;
    }
    SL_TRY(judge_member(vm, key, elements, bytes));
    return sl_pickle_storage(vm, key, elements, bytes);
}
