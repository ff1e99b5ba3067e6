/* joblib's arrays inside of a pickle: behind the BUILD of a NumpyArrayWrapper the loader takes raw
 * bytes (or a nested stream of objects) straight from the file. A machine that does not pass over
 * exactly those bytes reads an attacker's data as opcodes, or his opcodes as data. */
#include "artefact/pickle_vm.h"

/* "<f8", "|O", "U5": kind letter and size as numpy writes them. */
static sl_pdtype parse_dtype(sl_view text)
{
    sl_pdtype made = { 0 };
    uint64_t size = 0;
    if (text.n != 0 &&
        (text.p[0] == '<' || text.p[0] == '>' || text.p[0] == '|' || text.p[0] == '=')) {
        text = sl_view_sub(text, 1, text.n);
    }
    if (text.n == 0) {
        return made;
    }
    size_t digits = 1;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9') {
        digits++;
    }
    bool sized = sl_ok(sl_parse_u64(sl_view_sub(text, 1, digits), (uint64_t)1 << 29, &size));
    made.object = text.p[0] == 'O';
    made.item_bytes = (uint32_t)(text.p[0] == 'U' ? size * 4 : size);
    made.known = sized || made.object;
    return made;
}

sl_res sl_pickle_dtype(sl_pickle *vm, sl_pvalue arguments, uint64_t *ret_index)
{
    size_t n = 0;
    const sl_pvalue *items = sl_pickle_items(vm, arguments, &n);
    sl_view text = { 0 };
    bool readable = false;
    *ret_index = 0;
    if (n != 0 && sl_pv_kind(items[0]) == SL_PV_STR) {
        SL_TRY(sl_pickle_text(vm, items[0], 0, &text, &readable));
    }
    if (!readable) {
        return SL_DONE;
    }
    sl_pdtype made = parse_dtype(text);
    size_t at = 0;
    while (at < vm->dtype_count &&
           (vm->dtypes[at].item_bytes != made.item_bytes || vm->dtypes[at].object != made.object)) {
        at++;
    }
    if (at == vm->dtype_count) {
        if (at == SL_COUNT_OF(vm->dtypes)) {
            return SL_DONE; /* unknown, then: an array of it is a finding */
        }
        vm->dtypes[vm->dtype_count++] = made;
    }
    *ret_index = at + 1;
    return SL_DONE;
}

static void take_shape(sl_pickle *vm, sl_parray *a, sl_pvalue shape)
{
    size_t n = 0;
    const sl_pvalue *items = sl_pickle_items(vm, shape, &n);
    a->shaped = items != NULL;
    a->items = 1;
    for (size_t i = 0; i < n; i++) {
        a->shaped = a->shaped && sl_pv_kind(items[i]) == SL_PV_INT;
        a->overflow =
            a->overflow || __builtin_mul_overflow(a->items, sl_pv_payload(items[i]), &a->items);
    }
}

sl_res sl_pickle_array_item(sl_pickle *vm, sl_pvalue key, sl_pvalue value)
{
    sl_parray *a = &vm->context[vm->contexts].array;
    sl_view text = { 0 };
    bool readable = false;
    if (sl_pv_kind(key) == SL_PV_STR) {
        SL_TRY(sl_pickle_text(vm, key, 0, &text, &readable));
    }
    if (!readable) {
        return SL_DONE;
    }
    uint64_t type = sl_pv_payload(value);
    if (sl_view_eq_str(text, "shape")) {
        take_shape(vm, a, value);
    } else if (sl_view_eq_str(text, "numpy_array_alignment_bytes")) {
        a->aligned = sl_pv_kind(value) == SL_PV_INT;
    } else if (sl_view_eq_str(text, "dtype") && sl_pv_kind(value) == SL_PV_RESULT && type != 0 &&
               type <= vm->dtype_count) {
        a->known = vm->dtypes[type - 1].known;
        a->object = vm->dtypes[type - 1].object;
        a->bytes = vm->dtypes[type - 1].item_bytes;
    }
    return SL_DONE;
}

static sl_res open_objects(sl_pickle *vm)
{
    if (vm->contexts + 1 == SL_PCONTEXTS_MAX) {
        return sl_fail_at(SL_E_DEPTH, "pickled arrays in pickled arrays", vm->op.at);
    }
    vm->context[++vm->contexts] =
        (sl_pcontext){ .stack_from = vm->depth, .marks_from = vm->mark_count };
    vm->stream_at = vm->reader.at;
    return SL_DONE;
}

/* One byte with the length of the padding, then the padding, all 0xff. */
static sl_res skip_padding(sl_pickle *vm)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_need(vm->source, vm->reader.at, 1, &v));
    size_t n = v.p[0];
    SL_TRY(sl_source_need(vm->source, vm->reader.at, 1 + n, &v));
    for (size_t i = 1; i <= n; i++) {
        if (v.p[i] != 0xff) {
            sl_pickle_tell_str(vm, SL_RULE_PICKLE_ARRAY, "padding that is not padding");
            break;
        }
    }
    sl_pickle_window_lost(&vm->reader);
    vm->reader.at += 1 + n;
    return SL_DONE;
}

sl_res sl_pickle_array_data(sl_pickle *vm)
{
    sl_parray a = vm->context[vm->contexts].array;
    vm->context[vm->contexts].array = (sl_parray){ 0 };
    uint64_t bytes = 0;
    if (vm->frame_end == vm->reader.at) {
        vm->frame_end = 0;
    }
    if (!a.filling || !a.known || !a.shaped || a.overflow || vm->frame_end != 0) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_ARRAY, "an array whose size cannot be told");
        return sl_fail_at(SL_E_SYNTAX, "array", vm->op.at);
    }
    if (a.object) {
        return open_objects(vm);
    }
    if (a.aligned) {
        SL_TRY(skip_padding(vm));
    }
    if (__builtin_mul_overflow(a.items, a.bytes, &bytes) ||
        bytes > vm->reader.end - vm->reader.at) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_LENGTH, "array data");
        return sl_fail_at(SL_E_TRUNCATED, "array data", vm->op.at);
    }
    vm->reader.at += bytes;
    return SL_DONE;
}
