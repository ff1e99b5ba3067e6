/* Calls that do more than make an object: those that call what they are given, import by name, take an
 * attribute, or allocate as much as they are told. Every one of them is written by a library that means well,
 * and turned round by a stream that does not. Rules: docs/scan.md, section "Pickle". */
#include "artefact/pickle_vm.h"

#define ROOM_BYTES_MAX ((uint64_t)1 << 30)

static bool upper_case(sl_view name)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool letter = c >= 'A' && c <= 'Z';
        if (!letter && (i == 0 || (c != '_' && (c < '0' || c > '9')))) {
            return false;
        }
    }
    return name.n != 0;
}

/* getattr(Class, "name"): a member of an enumeration, or a method that was reviewed by its full name. */
static sl_res attribute(sl_pickle *vm, const sl_pvalue *items, sl_pvalue *ret_value,
                        bool *ret_judged)
{
    const sl_pname owner = vm->names[sl_pv_tag(items[0])];
    SL_OWN(sl_buf, full, sl_buf_free) = { .max = 4096 };
    sl_view text = { 0 };
    bool readable = false;
    SL_TRY(sl_pickle_text(vm, items[1], 0, &text, &readable));
    if (!readable || vm->allow == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_buf_add(&full, owner.name));
    SL_TRY(sl_buf_add_byte(&full, '.'));
    SL_TRY(sl_buf_add(&full, text));
    if (owner.may == SL_MAY_CALL && upper_case(text)) {
        *ret_value = sl_pv(SL_PV_DATA, 0, 0);
        *ret_judged = true;
    } else if (sl_allow_find(vm->allow, owner.module, sl_buf_view(&full)) >= SL_MAY_REFER) {
        *ret_judged = true;
        SL_TRY(sl_pickle_name(vm, owner.module, sl_buf_view(&full), ret_value));
    }
    vm->attributes -= *ret_judged && vm->attributes != 0;
    return SL_DONE;
}

/* _ufunc_reconstruct("module", "name") imports: it is the name itself, and judged as one. */
static sl_res ufunc(sl_pickle *vm, const sl_pvalue *items, sl_pvalue *ret_value, bool *ret_judged)
{
    sl_view module = { 0 };
    sl_view name = { 0 };
    bool readable[2] = { false };
    SL_TRY(sl_pickle_text(vm, items[0], 0, &module, &readable[0]));
    SL_TRY(sl_pickle_text(vm, items[1], 1, &name, &readable[1]));
    if (readable[0] && readable[1]) {
        *ret_judged = true;
        SL_TRY(sl_pickle_name(vm, module, name, ret_value));
    }
    return SL_DONE;
}

/* What a caller is given to call must itself be fit for a call with arguments: numpy's call any of their
 * arguments, torch's the first. */
static void caller(sl_pickle *vm, const sl_pname *callee, const sl_pvalue *items, size_t n)
{
    const bool torch = sl_view_starts(callee->module, SL_LIT("torch"));
    if (torch && (n == 0 || sl_pv_kind(items[0]) != SL_PV_GLOBAL)) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_CALL_COMPUTED, "a rebuilder that is no constant");
    }
    for (size_t i = 0; i < n && (i == 0 || !torch); i++) {
        const sl_pname *given = &vm->names[sl_pv_tag(items[i])];
        sl_pkind kind = sl_pv_kind(items[i]);
        if ((kind == SL_PV_GLOBAL && given->may != SL_MAY_CALL) ||
            (kind == SL_PV_RESULT && given->role == SL_ROLE_KEPT_CALL)) {
            sl_pickle_tell_name(vm, SL_RULE_PICKLE_CALLABLE_ARGUMENT, given);
        }
    }
}

/* ---- calls that are kept ---- */

/* A name of an attribute or column, as people choose them: nothing private, no path, no sentence. */
static bool plain_name(sl_view text, bool column)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        bool letter = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c >= 0x80;
        if (!letter && !(c >= '0' && c <= '9') && !(column && (c == '-' || c == '.'))) {
            return false;
        }
    }
    return text.n != 0 && (column || text.p[0] != '_');
}

/* methodcaller names what it calls first, attrgetter nothing else than names; itemgetter takes any key. */
static sl_res kept_names(sl_pickle *vm, const sl_pname *callee, const sl_pvalue *items, size_t n,
                         bool *ret_good)
{
    const bool column = sl_view_eq_str(callee->name, "itemgetter");
    const size_t names = sl_view_eq_str(callee->name, "methodcaller") ? 1 : n;
    *ret_good = n != 0;
    for (size_t i = 0; i < names && i < n && *ret_good; i++) {
        sl_view text = { 0 };
        bool readable = false;
        if (sl_pv_kind(items[i]) == SL_PV_STR) {
            SL_TRY(sl_pickle_text(vm, items[i], 0, &text, &readable));
            *ret_good = readable && plain_name(text, column);
        } else {
            *ret_good = column && sl_pv_kind(items[i]) <= SL_PV_INT;
        }
    }
    return SL_DONE;
}

/* functools.partial and operator's getters run nothing while they are made. What they keep is called by
 * whoever uses the object, so that they are for a person (SL_MAY_HOLD), and only with what can be told: a
 * function by its name, an attribute by its name. Names that are refused were told when they were named. */
static sl_res keep_call(sl_pickle *vm, const sl_pname *callee, const sl_pvalue *items, size_t n,
                        sl_pvalue *ret_value, bool *ret_judged)
{
    const sl_pname kept = *callee; /* the table may move */
    const uint32_t tag = (uint32_t)(callee - vm->names);
    bool good = n != 0 && sl_pv_kind(items[0]) == SL_PV_GLOBAL;
    if (!sl_view_eq_str(kept.name, "partial")) {
        SL_TRY(kept_names(vm, &kept, items, n, &good));
    }
    if (!good) {
        sl_pickle_tell_name(vm, SL_RULE_PICKLE_CALL_DENIED, &kept);
    }
    *ret_value = sl_pv(SL_PV_RESULT, tag, 0);
    *ret_judged = true;
    return SL_DONE;
}

/* partial's state is the whole of it once more: (function, arguments, keywords, attributes). */
void sl_pickle_kept_state(sl_pickle *vm, const sl_pname *kept, sl_pvalue state)
{
    size_t n = 0;
    const sl_pvalue *items = sl_pickle_items(vm, state, &n);
    if (n != 4 || sl_pv_kind(items[0]) != SL_PV_GLOBAL) {
        sl_pickle_tell_name(vm, SL_RULE_PICKLE_CALL_DENIED, kept);
    }
}

sl_res sl_pickle_special(sl_pickle *vm, const sl_pname *callee, sl_pvalue arguments,
                         sl_pvalue *ret_value, bool *ret_judged)
{
    const sl_prole role = callee->role;
    const bool good = callee->may == SL_MAY_CALL;
    size_t n = 0;
    const sl_pvalue *items = sl_pickle_items(vm, arguments, &n);
    sl_pkind first = n == 0 ? SL_PV_UNKNOWN : sl_pv_kind(items[0]);
    sl_pkind second = n < 2 ? SL_PV_UNKNOWN : sl_pv_kind(items[1]);
    if (role == SL_ROLE_KEPT_CALL && callee->may == SL_MAY_HOLD) {
        return keep_call(vm, callee, items, n, ret_value, ret_judged);
    }
    if (role == SL_ROLE_ATTRIBUTE && n == 1 && first == SL_PV_DATA &&
        sl_view_eq_str(callee->name, "type")) { /* type(None): pickle's way to write NoneType */
        *ret_value = sl_pv(SL_PV_DATA, 0, 0);
        *ret_judged = true;
        vm->attributes -= vm->attributes != 0;
        return SL_DONE;
    }
    if (role == SL_ROLE_ATTRIBUTE && n == 2 && first == SL_PV_GLOBAL && second == SL_PV_STR &&
        sl_view_eq_str(callee->name, "getattr")) {
        return attribute(vm, items, ret_value, ret_judged);
    }
    if (role == SL_ROLE_UFUNC && good && n == 2 && first == SL_PV_STR && second == SL_PV_STR) {
        SL_TRY(ufunc(vm, items, ret_value, ret_judged));
    }
    if (role == SL_ROLE_UFUNC && good && !*ret_judged) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_GLOBAL_COMPUTED, "a name that is no constant");
    }
    if (role == SL_ROLE_CALLER && good && items == NULL) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_CALL_COMPUTED, "arguments that cannot be told");
    } else if (role == SL_ROLE_CALLER && good) {
        caller(vm, callee, items, n);
    } else if (role == SL_ROLE_ROOM && first == SL_PV_INT &&
               sl_pv_payload(items[0]) > ROOM_BYTES_MAX) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_EXPANSION, "an allocation of more than 1 GiB");
    }
    return SL_DONE;
}
