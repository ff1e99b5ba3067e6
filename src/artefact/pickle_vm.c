/* The abstract pickle machine (pickle_vm.h): opcodes that move values, containers, the memo, frames.
 * Order of work follows the C unpickler, which most loaders use; where other readers differ there is a
 * finding, because a stream that two readers run differently hides from one of them. Findings stay
 * whatever comes after: a stream that breaks has already run up to that place. */
#include "artefact/pickle_tail.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "artefact/scan_impl.h"

#define TAINT 0x8000U
#define WEIGHT_MAX ((uint64_t)1 << 50)
#define NESTING_MAX 2000U
#define RING_MAX ((size_t)1 << 20)
#define INT_MOST (((uint64_t)1 << 40) - 1) /* stands for every larger number */
#define TRIAL_OPCODES_MAX ((uint64_t)1 << 18)

/* A table grows: `used` of its words stay. Large ones are written from front to back, and in large pages
 * that costs a tenth of the faults; moving them by mremap would break the pages up again. */
static sl_pvalue *grow_table(sl_pvalue *table, size_t used, size_t wanted)
{
    const size_t page = (size_t)2 << 20;
    size_t bytes = wanted * sizeof *table;
    if (bytes < 2 * page) {
        return reallocarray(table, wanted, sizeof *table);
    }
    bytes = (bytes + page - 1) & ~(page - 1);
    sl_pvalue *grown = aligned_alloc(page, bytes);
    if (grown == NULL) {
        return NULL;
    }
    (void)madvise(grown, bytes, MADV_HUGEPAGE); /* a wish: what becomes of it does not matter */
    if (used != 0) {
        memcpy(grown, table, used * sizeof *table);
    }
    free(table);
    return grown;
}

/* ---- values ---- */

static uint64_t weight_decode(unsigned w)
{
    unsigned e = (w >> 9) & 63;
    uint64_t m = w & 511;
    return e == 0 ? m : (512 + m) << (e - 1);
}

/* What does not fit is rounded up or down by chance: always down, and a sum of small parts would stand
 * still; always up, and a long list would seem endless. */
static unsigned weight_encode(sl_pickle *vm, uint64_t weight)
{
    unsigned e = 0;
    weight = weight > WEIGHT_MAX ? WEIGHT_MAX : weight;
    while (weight >> e >= 1024) {
        e++;
    }
    if (e != 0) {
        vm->dice = vm->dice * 6364136223846793005U + 1442695040888963407U;
        weight += (vm->dice >> 8) & (((uint64_t)1 << e) - 1);
        e += weight >> e >= 1024;
    }
    weight >>= e;
    return weight < 512 ? (unsigned)weight : ((e + 1) << 9) | (unsigned)(weight - 512);
}

static bool container(sl_pkind kind)
{
    return kind >= SL_PV_TUPLE && kind <= SL_PV_SET;
}

static bool tainted(const sl_pickle *vm, sl_pvalue v)
{
    sl_pkind kind = sl_pv_kind(v);
    if (kind == SL_PV_GLOBAL) {
        return vm->names[sl_pv_tag(v)].may <= SL_MAY_NOT;
    }
    return container(kind) && (sl_pv_tag(v) & TAINT) != 0;
}

/* A tuple's header in the ring: length 32 | depth 16. */
static const sl_pvalue *tuple_header(const sl_pickle *vm, sl_pvalue tuple)
{
    uint64_t place = sl_pv_payload(tuple);
    bool there = vm->ring_room != 0 && place < vm->ring_at && vm->ring_at - place <= vm->ring_room;
    return there ? &vm->ring[place & (vm->ring_room - 1)] : NULL;
}

static unsigned nesting(const sl_pickle *vm, sl_pvalue v)
{
    sl_pkind kind = sl_pv_kind(v);
    if (kind == SL_PV_TUPLE) {
        const sl_pvalue *header = tuple_header(vm, v);
        return header == NULL ? 1 : (unsigned)(*header >> 32) & 0xffff;
    }
    return container(kind) ? (unsigned)(sl_pv_payload(v) >> 24) & 0xffff : 0;
}

const sl_pvalue *sl_pickle_items(const sl_pickle *vm, sl_pvalue tuple, size_t *ret_n)
{
    const sl_pvalue *header = sl_pv_kind(tuple) == SL_PV_TUPLE ? tuple_header(vm, tuple) : NULL;
    *ret_n = header == NULL ? 0 : (size_t)(*header & 0xffffffffU);
    return header == NULL ? NULL : header + 1;
}

typedef struct {
    uint64_t weight;
    unsigned depth;
    bool taint;
} sums;

static void sum_up(sl_pickle *vm, sums *s, const sl_pvalue *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sl_pvalue v = items[i];
        if (sl_pv_kind(v) < SL_PV_TUPLE) {
            s->weight++;
            continue;
        }
        if (container(sl_pv_kind(v))) {
            unsigned deep = nesting(vm, v) + 1;
            s->weight += weight_decode(sl_pv_tag(v) & ~TAINT);
            s->depth = deep > s->depth ? deep : s->depth;
        } else {
            s->weight++;
        }
        s->taint = s->taint || tainted(vm, v);
    }
    if (s->weight > (uint64_t)1 << 32 && s->weight / 4096 > vm->ops && !vm->told_expansion) {
        vm->told_expansion = true;
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_EXPANSION, "objects that hold each other many times");
    }
    if (s->depth > NESTING_MAX && !vm->told_depth) {
        vm->told_depth = true;
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_DEPTH, "containers in containers");
    }
    s->depth = s->depth > NESTING_MAX ? NESTING_MAX + 1 : s->depth;
}

static unsigned tag_of(sl_pickle *vm, const sums *s)
{
    return weight_encode(vm, s->weight) | (s->taint ? TAINT : 0);
}

/* ---- reporting ---- */

void sl_pickle_tell(sl_pickle *vm, sl_rule rule, sl_view evidence)
{
    if (vm->scan != NULL) {
        sl_scan_report(vm->scan, rule, vm->op.at, evidence);
    }
}

void sl_pickle_tell_str(sl_pickle *vm, sl_rule rule, const char *evidence)
{
    sl_pickle_tell(vm, rule, sl_view_str(evidence));
}

/* What the stream does next has no meaning: no reader goes on. */
static sl_res broken(sl_pickle *vm, const char *why)
{
    sl_pickle_tell_str(vm, SL_RULE_PICKLE_BROKEN, why);
    return sl_fail_at(SL_E_SYNTAX, "pickle", vm->op.at);
}

/* ---- the stack ---- */

static size_t floor_of(const sl_pickle *vm)
{
    const sl_pcontext *c = &vm->context[vm->contexts];
    return vm->mark_count > c->marks_from ? vm->marks[vm->mark_count - 1] : c->stack_from;
}

static sl_res grow_stack(sl_pickle *vm)
{
    if (vm->depth >= vm->budget->stack) {
        return sl_fail_at(SL_E_LIMIT, "pickle stack", vm->op.at);
    }
    size_t wanted = vm->stack_room == 0 ? 256 : vm->stack_room * 2;
    sl_pvalue *grown = reallocarray(vm->stack, wanted, sizeof *grown);
    SL_NEED(grown != NULL, SL_E_MEMORY);
    vm->stack = grown;
    vm->stack_room = wanted;
    return SL_DONE;
}

static inline sl_res push(sl_pickle *vm, sl_pvalue v)
{
    if (vm->depth == vm->stack_room) {
        SL_TRY(grow_stack(vm));
    }
    vm->stack[vm->depth++] = v;
    return SL_DONE;
}

static bool has(const sl_pickle *vm, size_t n)
{
    return vm->depth - floor_of(vm) >= n;
}

static sl_res push_mark(sl_pickle *vm)
{
    if (vm->mark_count == vm->mark_room) {
        if (vm->mark_count >= vm->budget->stack) {
            return sl_fail_at(SL_E_LIMIT, "pickle marks", vm->op.at);
        }
        size_t wanted = vm->mark_room == 0 ? 64 : vm->mark_room * 2;
        uint32_t *grown = reallocarray(vm->marks, wanted, sizeof *grown);
        SL_NEED(grown != NULL, SL_E_MEMORY);
        vm->marks = grown;
        vm->mark_room = wanted;
    }
    vm->marks[vm->mark_count++] = (uint32_t)vm->depth;
    return SL_DONE;
}

/* Takes the topmost mark away and says where it stood; false: there is none. */
static bool pop_mark(sl_pickle *vm, size_t *ret_from)
{
    if (vm->mark_count <= vm->context[vm->contexts].marks_from) {
        return false;
    }
    *ret_from = vm->marks[--vm->mark_count];
    return true;
}

/* ---- containers ---- */

static sl_res ring_reserve(sl_pickle *vm, size_t n)
{
    if (vm->ring_room >= RING_MAX || (vm->ring_room != 0 && vm->ring_at + n <= vm->ring_room)) {
        return SL_DONE;
    }
    size_t wanted = vm->ring_room == 0 ? 256 : vm->ring_room;
    while (wanted < vm->ring_at + n && wanted < RING_MAX) {
        wanted *= 2;
    }
    sl_pvalue *grown = grow_table(vm->ring, (size_t)vm->ring_at, wanted);
    SL_NEED(grown != NULL, SL_E_MEMORY);
    vm->ring = grown;
    vm->ring_room = wanted;
    return SL_DONE;
}

/* The `n` topmost values become one tuple. Its items stay readable until the ring comes round; a
 * tuple that does not fit in one piece keeps its weight and taint alone. */
static sl_res make_tuple(sl_pickle *vm, size_t n)
{
    const sl_pvalue *items = vm->stack + vm->depth - n;
    sums s = { .weight = 1 };
    sum_up(vm, &s, items, n);
    size_t kept = n < 64 ? n : 64;
    SL_TRY(ring_reserve(vm, kept + 1));
    size_t in = (size_t)(vm->ring_at & (vm->ring_room - 1));
    if (in + kept + 1 > vm->ring_room) {
        vm->ring_at += vm->ring_room - in;
        in = 0;
    }
    vm->ring[in] = (n == kept ? n : 0) | ((uint64_t)s.depth << 32);
    if (kept != 0) {
        memcpy(vm->ring + in + 1, items, kept * sizeof *items);
    }
    sl_pvalue made = sl_pv(SL_PV_TUPLE, tag_of(vm, &s), vm->ring_at);
    vm->ring_at += kept + 1;
    vm->depth -= n;
    return push(vm, made);
}

static sl_pvalue make_container(sl_pickle *vm, sl_pkind kind, size_t from)
{
    sums s = { .weight = 1 };
    sum_up(vm, &s, vm->stack + from, vm->depth - from);
    return sl_pv(kind, tag_of(vm, &s), (uint64_t)s.depth << 24);
}

/* The container at `slot` took the values from `from` on. */
static void put_in(sl_pickle *vm, size_t slot, size_t from)
{
    sl_pvalue old = vm->stack[slot];
    sl_pcontext *c = &vm->context[vm->contexts];
    sums s = { .weight = weight_decode(sl_pv_tag(old) & ~TAINT),
               .depth = nesting(vm, old),
               .taint = (sl_pv_tag(old) & TAINT) != 0 };
    sum_up(vm, &s, vm->stack + from, vm->depth - from);
    size_t memo = (size_t)(sl_pv_payload(old) & 0xffffff);
    sl_pvalue now = sl_pv(sl_pv_kind(old), tag_of(vm, &s), ((uint64_t)s.depth << 24) | memo);
    vm->stack[slot] = now;
    if (memo != 0 && memo - 1 < c->memo_high && c->memo[memo - 1] == old) {
        c->memo[memo - 1] = now;
    }
}

static sl_res add_items(sl_pickle *vm, size_t slot, size_t from, sl_pkind want)
{
    sl_pkind kind = sl_pv_kind(vm->stack[slot]);
    if (kind == want) {
        put_in(vm, slot, from);
    } else {
        sl_pickle_fill(vm, vm->stack[slot], want == SL_PV_DICT);
    }
    if (want == SL_PV_DICT && vm->context[vm->contexts].array.filling) {
        for (size_t i = from; i + 1 < vm->depth; i += 2) {
            SL_TRY(sl_pickle_array_item(vm, vm->stack[i], vm->stack[i + 1]));
        }
    }
    vm->depth = from;
    return SL_DONE;
}

static sl_res op_add_one(sl_pickle *vm, size_t n, sl_pkind want)
{
    if (!has(vm, n + 1)) {
        return broken(vm, "stack underflow");
    }
    return add_items(vm, vm->depth - n - 1, vm->depth - n, want);
}

static sl_res op_add_all(sl_pickle *vm, sl_pkind want)
{
    size_t from = 0;
    if (!pop_mark(vm, &from) || from <= floor_of(vm)) {
        return broken(vm, "no mark, or nothing below it");
    }
    if (want == SL_PV_DICT && (vm->depth - from) % 2 != 0) {
        return broken(vm, "a key without a value");
    }
    return add_items(vm, from - 1, from, want);
}

static sl_res op_gather(sl_pickle *vm, sl_pkind kind)
{
    size_t from = 0;
    if (!pop_mark(vm, &from)) {
        return broken(vm, "no mark");
    }
    if (kind == SL_PV_TUPLE) {
        return make_tuple(vm, vm->depth - from);
    }
    sl_pvalue made = make_container(vm, kind, from);
    vm->depth = from;
    return push(vm, made);
}

/* ---- the memo ---- */

#define MEMO_FREE sl_pv(SL_PV_UNKNOWN, 1, 0)

static sl_res memo_grow(sl_pickle *vm, sl_pcontext *c, size_t index)
{
    size_t wanted = c->memo_room == 0 ? 64 : c->memo_room;
    while (wanted <= index) {
        wanted *= wanted < 65536 || wanted > vm->budget->memo / 8 ? 2 : 8;
    }
    if (wanted > vm->budget->memo) {
        return sl_fail_at(SL_E_LIMIT, "pickle memo", vm->op.at);
    }
    sl_pvalue *grown = grow_table(c->memo, c->memo_high, wanted);
    SL_NEED(grown != NULL, SL_E_MEMORY);
    c->memo = grown;
    c->memo_room = wanted;
    return SL_DONE;
}

/* There is room. A container learns its place, so that what it takes later counts in the memo too. */
static inline void memo_store(sl_pcontext *c, sl_pvalue *top, size_t index)
{
    sl_pkind kind = sl_pv_kind(*top);
    if (kind >= SL_PV_LIST && kind <= SL_PV_SET && index < 0xffffff) {
        *top = (*top & ~(sl_pvalue)0xffffff) | (index + 1);
    }
    while (c->memo_high <= index) {
        c->memo[c->memo_high++] = MEMO_FREE;
    }
    c->memo_count += c->memo[index] == MEMO_FREE;
    c->memo[index] = *top;
}

static sl_res memo_put(sl_pickle *vm, uint64_t index)
{
    sl_pcontext *c = &vm->context[vm->contexts];
    if (!has(vm, 1)) {
        return broken(vm, "nothing to memoize");
    }
    if (index > 65536 &&
        index / 2 > vm->ops) { /* a pickler counts up: a reader would allocate it */
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_MEMO, "a memo index far beyond what was stored");
        return SL_DONE;
    }
    if (index >= c->memo_room) {
        SL_TRY(memo_grow(vm, c, (size_t)index));
    }
    memo_store(c, &vm->stack[vm->depth - 1], (size_t)index);
    return SL_DONE;
}

static sl_res memo_get(sl_pickle *vm, uint64_t index)
{
    const sl_pcontext *c = &vm->context[vm->contexts];
    if (index >= c->memo_high || c->memo[index] == MEMO_FREE) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_BROKEN, "a memo entry that was never stored");
        return push(vm, sl_pv(SL_PV_UNKNOWN, 0, 0));
    }
    return push(vm, c->memo[index]);
}

static sl_res memo_line(sl_pickle *vm, uint64_t *ret_index)
{
    if (sl_ok(sl_parse_u64(vm->op.shown, UINT32_MAX, ret_index))) {
        return SL_DONE;
    }
    sl_pickle_tell(vm, SL_RULE_PICKLE_NUMBER, vm->op.shown);
    uint64_t value = 0; /* as lenient readers take it: the digits */
    for (size_t i = 0; i < vm->op.shown.n && value < UINT32_MAX; i++) {
        uint8_t c = vm->op.shown.p[i];
        value = c >= '0' && c <= '9' ? value * 10 + (uint64_t)(c - '0') : value;
    }
    *ret_index = value;
    return SL_DONE;
}

/* ---- constants ---- */

/* An integer as Python writes one: no sign but '-', no leading zero, nothing else. */
static bool plain_integer(sl_view text)
{
    size_t from = text.n != 0 && text.p[0] == '-' ? 1 : 0;
    if (from == text.n || (text.p[from] == '0' && text.n != from + 1)) {
        return false;
    }
    for (size_t i = from; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') {
            return false;
        }
    }
    return true;
}

static sl_res op_integer(sl_pickle *vm)
{
    sl_view text = vm->op.shown;
    uint64_t value = 0;
    if (vm->op.code == 'I' && (sl_view_eq(text, SL_LIT("00")) || sl_view_eq(text, SL_LIT("01")))) {
        return push(vm, sl_pv(SL_PV_DATA, 0, 0));
    }
    if (vm->op.code == 'L' && text.n > 1 && text.p[text.n - 1] == 'L') {
        text.n--;
    }
    if (!plain_integer(text)) {
        if (text.n == 0 || memchr("0123456789+-_ \t", text.p[0], 14) == NULL) {
            return broken(vm, "an integer that is none");
        }
        sl_pickle_tell(vm, SL_RULE_PICKLE_NUMBER, vm->op.shown);
    }
    bool small = sl_ok(sl_parse_u64(text, INT_MOST, &value));
    bool large = !small && text.n > 12 && text.p[0] != '-';
    return push(vm, small || large ? sl_pv(SL_PV_INT, 0, small ? value : INT_MOST)
                                   : sl_pv(SL_PV_DATA, 0, 0));
}

static sl_res op_float(sl_pickle *vm)
{
    static const char good[] = "0123456789.eE+-infa";
    for (size_t i = 0; i < vm->op.shown.n; i++) {
        if (memchr(good, vm->op.shown.p[i], sizeof good - 1) == NULL) {
            sl_pickle_tell(vm, SL_RULE_PICKLE_NUMBER, vm->op.shown);
            break;
        }
    }
    return push(vm, sl_pv(SL_PV_DATA, 0, 0));
}

static bool ascii(sl_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] > 0x7f) {
            return false;
        }
    }
    return true;
}

static sl_pvalue text_value(sl_pkind kind, uint64_t n, uint64_t at)
{
    return sl_pv(kind, n < SL_PV_LONG ? (unsigned)n : SL_PV_LONG, at);
}

/* STRING: quoted as Python 2's repr. */
static sl_res op_quoted(sl_pickle *vm)
{
    sl_view v = vm->op.shown;
    while (v.n != 0 && v.p[v.n - 1] == '\r') {
        v.n--; /* text-mode files of old: the C reader takes blanks at the end away */
    }
    bool quoted = v.n >= 2 && v.p[0] == v.p[v.n - 1] && (v.p[0] == '\'' || v.p[0] == '"');
    if (!quoted) {
        sl_pickle_tell(vm, SL_RULE_PICKLE_TEXT, v);
        return push(vm, sl_pv(SL_PV_UNKNOWN, 0, 0));
    }
    sl_view inner = sl_view_sub(v, 1, v.n - 1);
    if (!ascii(inner)) {
        sl_pickle_tell(vm, SL_RULE_PICKLE_LATIN, sl_view_sub(inner, 0, 32));
    }
    bool escaped = sl_view_find_byte(inner, '\\', 0) != SIZE_MAX;
    return push(vm, text_value(SL_PV_STR, escaped ? SL_PV_LONG : inner.n, vm->op.data + 1));
}

static sl_res op_unicode_line(sl_pickle *vm)
{
    bool escaped = sl_view_find_byte(vm->op.shown, '\\', 0) != SIZE_MAX;
    return push(vm, text_value(SL_PV_STR, escaped ? SL_PV_LONG : vm->op.n, vm->op.data));
}

static sl_res op_text(sl_pickle *vm, bool eight_bit)
{
    if (eight_bit && !ascii(vm->op.shown)) {
        sl_pickle_tell(vm, SL_RULE_PICKLE_LATIN, sl_view_sub(vm->op.shown, 0, 32));
    }
    if (vm->keep_strings) {
        SL_TRY(sl_pickle_key(vm, vm->op.shown));
    } else if (vm->op.n >= 16) {
        sl_pickle_op op = vm->op;
        SL_TRY(sl_pickle_constant(vm, true));
        vm->op = op;
    }
    return push(vm, text_value(SL_PV_STR, vm->op.n, vm->op.data));
}

static sl_res op_bytes(sl_pickle *vm)
{
    if (vm->op.n >= 2) {
        sl_pickle_op op = vm->op;
        SL_TRY(sl_pickle_constant(vm, false));
        vm->op = op;
    }
    return push(vm, text_value(SL_PV_BYTES, vm->op.n, vm->op.data));
}

/* torch's legacy magic number, 0x1950a86a20f9469cfc6c. */
static sl_res op_long(sl_pickle *vm)
{
    static const uint8_t magic[] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };
    if (sl_view_eq(vm->op.shown, sl_view_of(magic, sizeof magic))) {
        vm->magic = true;
    }
    uint64_t value = 0;
    bool negative = vm->op.shown.n != 0 && vm->op.shown.p[vm->op.shown.n - 1] >= 0x80;
    for (size_t i = 0; i < 5 && i < vm->op.shown.n; i++) {
        value |= (uint64_t)vm->op.shown.p[i] << (8 * i);
    }
    value = vm->op.n > 5 ? INT_MOST : value;
    return push(vm, negative ? sl_pv(SL_PV_DATA, 0, 0) : sl_pv(SL_PV_INT, 0, value));
}

/* ---- frames and protocol ---- */

static sl_res op_proto(sl_pickle *vm)
{
    if (vm->op.at != vm->stream_at) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_PROTO, "a protocol in the middle of the stream");
    }
    if (vm->op.number > 5) {
        return broken(vm, "a protocol that does not exist");
    }
    vm->proto = (unsigned)vm->op.number;
    return SL_DONE;
}

static sl_res op_frame(sl_pickle *vm)
{
    if (vm->frame_end != 0) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_FRAME, "a frame inside a frame");
    }
    if (vm->op.number > vm->reader.end - vm->reader.at) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_FRAME, "a frame beyond the end");
        vm->frame_end = 0;
        return SL_DONE;
    }
    vm->frame_end = vm->reader.at + vm->op.number;
    return SL_DONE;
}

static void check_frame(sl_pickle *vm)
{
    if (vm->op.at >= vm->frame_end) {
        vm->frame_end = 0;
    } else if (vm->reader.at > vm->frame_end) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_FRAME, "an opcode across the end of a frame");
        vm->frame_end = 0;
    }
}

/* ---- names, calls, state ---- */

static sl_res op_global(sl_pickle *vm)
{
    sl_pvalue made = 0;
    SL_TRY(sl_pickle_name(vm, vm->op.shown, vm->op.second, &made));
    return push(vm, made);
}

static sl_res op_stack_global(sl_pickle *vm)
{
    if (!has(vm, 2)) {
        return broken(vm, "stack underflow");
    }
    sl_view module = { 0 };
    sl_view name = { 0 };
    bool readable[2] = { false };
    sl_pvalue made = sl_pv(SL_PV_UNKNOWN, 0, 0);
    const sl_pvalue *top = vm->stack + vm->depth - 2;
    bool strings = sl_pv_kind(top[0]) == SL_PV_STR && sl_pv_kind(top[1]) == SL_PV_STR;
    if (strings) {
        SL_TRY(sl_pickle_text(vm, top[0], 0, &module, &readable[0]));
        SL_TRY(sl_pickle_text(vm, top[1], 1, &name, &readable[1]));
    }
    vm->depth -= 2;
    if (readable[0] && readable[1]) {
        SL_TRY(sl_pickle_name(vm, module, name, &made));
    } else {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_GLOBAL_COMPUTED, "a name that is no constant");
    }
    return push(vm, made);
}

static sl_res op_call(sl_pickle *vm, size_t n, sl_pcall how)
{
    if (!has(vm, n)) {
        return broken(vm, "stack underflow");
    }
    sl_pvalue made = 0;
    const sl_pvalue *top = vm->stack + vm->depth - n;
    sl_pvalue arguments = top[1];
    if (n == 3 && tainted(vm, top[2])) { /* NEWOBJ_EX: keywords too */
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_CALLABLE_ARGUMENT, "in keyword arguments");
    }
    SL_TRY(sl_pickle_call(vm, top[0], arguments, how, &made));
    vm->depth -= n;
    return push(vm, made);
}

/* INST and OBJ: the class, then everything above the mark. */
static sl_res op_call_marked(sl_pickle *vm, bool named)
{
    size_t from = 0;
    sl_pvalue callee = sl_pv(SL_PV_UNKNOWN, 0, 0);
    sl_pvalue made = 0;
    if (named) {
        SL_TRY(sl_pickle_name(vm, vm->op.shown, vm->op.second, &callee));
    }
    if (!pop_mark(vm, &from) || (!named && vm->depth == from)) {
        return broken(vm, "no mark, or no class above it");
    }
    if (!named) {
        callee = vm->stack[from];
        memmove(vm->stack + from, vm->stack + from + 1, (vm->depth - from - 1) * sizeof *vm->stack);
        vm->depth--;
    }
    SL_TRY(make_tuple(vm, vm->depth - from));
    SL_TRY(sl_pickle_call(vm, callee, vm->stack[vm->depth - 1], SL_CALL_FUNCTION, &made));
    vm->stack[vm->depth - 1] = made;
    return SL_DONE;
}

static sl_res op_build(sl_pickle *vm)
{
    if (!has(vm, 2)) {
        return broken(vm, "stack underflow");
    }
    sl_pvalue state = vm->stack[--vm->depth];
    return sl_pickle_build(vm, vm->stack[vm->depth - 1], state);
}

static sl_res op_persistent(sl_pickle *vm)
{
    if (vm->op.code == 'P') {
        sl_pickle_tell(vm, SL_RULE_PICKLE_PERSISTENT, vm->op.shown);
        return push(vm, sl_pv(SL_PV_PERSISTENT, 0, 0));
    }
    if (!has(vm, 1)) {
        return broken(vm, "stack underflow");
    }
    return sl_pickle_persistent(vm, vm->stack[vm->depth - 1], &vm->stack[vm->depth - 1]);
}

/* ---- moving values ---- */

static sl_res op_pop(sl_pickle *vm)
{
    const sl_pcontext *c = &vm->context[vm->contexts];
    if (vm->mark_count > c->marks_from && vm->marks[vm->mark_count - 1] == vm->depth) {
        vm->mark_count--;
        return SL_DONE;
    }
    if (!has(vm, 1)) {
        return broken(vm, "stack underflow");
    }
    vm->depth--;
    return SL_DONE;
}

static sl_res op_dup(sl_pickle *vm)
{
    if (!has(vm, 1)) {
        return broken(vm, "stack underflow");
    }
    if (++vm->dups == 1000) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_EXPANSION, "a thousand copies of stack values");
    }
    return push(vm, vm->stack[vm->depth - 1]);
}

static sl_res op_tuple(sl_pickle *vm, size_t n)
{
    return has(vm, n) ? make_tuple(vm, n) : broken(vm, "stack underflow");
}

static sl_res op_stop(sl_pickle *vm)
{
    sl_pcontext *c = &vm->context[vm->contexts];
    size_t left = vm->depth - c->stack_from;
    if (left == 0) {
        return broken(vm, "STOP without a value");
    }
    if (left > 1 || vm->mark_count > c->marks_from) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_LEFTOVER, "values under the result");
    }
    if (vm->attributes != 0) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_GLOBAL_DENIED, "builtins.getattr or builtins.type");
    }
    sl_pvalue top = vm->stack[vm->depth - 1];
    vm->first_int = sl_pv_kind(top) == SL_PV_INT ? sl_pv_payload(top) : UINT64_MAX;
    vm->depth = c->stack_from;
    vm->mark_count = c->marks_from;
    vm->frame_end = 0;
    if (vm->contexts == 0) {
        vm->stopped = true;
        return SL_DONE;
    }
    free(c->memo); /* back to the stream around it */
    *c = (sl_pcontext){ 0 };
    vm->contexts--;
    return SL_DONE;
}

/* PUT and GET: the index as a line of text. */
static sl_res op_memo_line(sl_pickle *vm)
{
    uint64_t index = 0;
    SL_TRY(memo_line(vm, &index));
    return vm->op.code == 'p' ? memo_put(vm, index) : memo_get(vm, index);
}

static sl_res op_four_bytes(sl_pickle *vm)
{
    bool negative = (vm->op.number & 0x80000000U) != 0;
    return push(vm, negative ? sl_pv(SL_PV_DATA, 0, 0) : sl_pv(SL_PV_INT, 0, vm->op.number));
}

static sl_res op_outside(sl_pickle *vm)
{
    if (vm->op.code == 0x97) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_BUFFER, "a buffer that is not in the file");
        return push(vm, sl_pv(SL_PV_DATA, 0, 0));
    }
    if (vm->op.code == 0x98) {
        return SL_DONE; /* READONLY_BUFFER */
    }
    sl_pickle_tell_str(vm, SL_RULE_PICKLE_EXTENSION, "a name by number of a registry");
    return push(vm, sl_pv(SL_PV_UNKNOWN, 0, 0));
}

/* Opcodes with effects, and those that are rare. */
static sl_res step_effect(sl_pickle *vm)
{
    size_t from = 0;
    switch (vm->op.code) {
    case 'c':
        return op_global(vm);
    case 0x93:
        return op_stack_global(vm);
    case 'R':
        return op_call(vm, 2, SL_CALL_FUNCTION);
    case 0x81:
        return op_call(vm, 2, SL_CALL_NEW);
    case 0x92:
        return op_call(vm, 3, SL_CALL_NEW);
    case 'i':
        return op_call_marked(vm, true);
    case 'o':
        return op_call_marked(vm, false);
    case 'b':
        return op_build(vm);
    case 'P':
    case 'Q':
        return op_persistent(vm);
    case 0x82:
    case 0x83:
    case 0x84:
    case 0x97:
    case 0x98:
        return op_outside(vm);
    case '1':
        if (!pop_mark(vm, &from)) {
            return broken(vm, "no mark");
        }
        vm->depth = from;
        return SL_DONE;
    case '2':
        return op_dup(vm);
    case 0x80:
        return op_proto(vm);
    case 0x95:
        return op_frame(vm);
    default:
        return broken(vm, "no opcode");
    }
}

static sl_res step_constant(sl_pickle *vm)
{
    switch (vm->op.code) {
    case 'p':
    case 'g':
        return op_memo_line(vm);
    case 'J':
        return op_four_bytes(vm);
    case 'I':
    case 'L':
        return op_integer(vm);
    case 'F':
        return op_float(vm);
    case 'S':
        return op_quoted(vm);
    case 'V':
        return op_unicode_line(vm);
    case 'T':
    case 'U':
        return op_text(vm, true);
    case 0x8c:
    case 'X':
    case 0x8d:
        return op_text(vm, false);
    case 'B':
    case 'C':
    case 0x8e:
    case 0x96:
        return op_bytes(vm);
    case 0x8a:
    case 0x8b:
        return op_long(vm);
    default:
        return step_effect(vm);
    }
}

static sl_res step(sl_pickle *vm)
{
    switch (vm->op.code) {
    case 'K':
    case 'M':
        return push(vm, sl_pv(SL_PV_INT, 0, vm->op.number));
    case 'N':
    case 'G':
    case 0x88:
    case 0x89:
        return push(vm, sl_pv(SL_PV_DATA, 0, 0));
    case 0x94:
        return memo_put(vm, vm->context[vm->contexts].memo_count);
    case 'h':
    case 'j':
        return memo_get(vm, vm->op.number);
    case 'q':
    case 'r':
        return memo_put(vm, vm->op.number);
    case '(':
        return push_mark(vm);
    case '.':
        return op_stop(vm);
    case '0':
        return op_pop(vm);
    case ')':
        return make_tuple(vm, 0);
    case ']':
        return push(vm, sl_pv(SL_PV_LIST, 1, 0));
    case '}':
        return push(vm, sl_pv(SL_PV_DICT, 1, 0));
    case 0x8f:
        return push(vm, sl_pv(SL_PV_SET, 1, 0));
    case 0x85:
    case 0x86:
    case 0x87:
        return op_tuple(vm, (size_t)vm->op.code - 0x84);
    case 't':
        return op_gather(vm, SL_PV_TUPLE);
    case 'l':
        return op_gather(vm, SL_PV_LIST);
    case 'd':
        return op_gather(vm, SL_PV_DICT);
    case 0x91:
        return op_gather(vm, SL_PV_SET);
    case 'a':
        return op_add_one(vm, 1, SL_PV_LIST);
    case 's':
        return op_add_one(vm, 2, SL_PV_DICT);
    case 'e':
        return op_add_all(vm, SL_PV_LIST);
    case 'u':
        return op_add_all(vm, SL_PV_DICT);
    case 0x90:
        return op_add_all(vm, SL_PV_SET);
    default:
        return step_constant(vm);
    }
}

/* ---- the common opcodes in a row ---- */

#define COMMON_BYTES_MAX ((size_t)24) /* more than the longest of them */
#define COMMON_TEXT_MAX 16U           /* longer text may hold an artefact: op_text looks */
#define SPEND_EVERY ((uint64_t)4096)

/* The value that the opcode at `p`, which stands at `at`, pushes; how many bytes it takes, 0: it is no such
 * opcode. */
static inline size_t common_value(const sl_pickle *vm, const uint8_t *p, uint64_t at,
                                  sl_pvalue *ret_value)
{
    const sl_pcontext *c = &vm->context[vm->contexts];
    switch (p[0]) {
    case 'K':
        *ret_value = sl_pv(SL_PV_INT, 0, p[1]);
        return 2;
    case 'M':
        *ret_value = sl_pv(SL_PV_INT, 0, sl_get_le16(p + 1));
        return 3;
    case 'J':
        *ret_value =
            p[4] < 0x80 ? sl_pv(SL_PV_INT, 0, sl_get_le32(p + 1)) : sl_pv(SL_PV_DATA, 0, 0);
        return 5;
    case 'N':
    case 0x88:
    case 0x89:
        *ret_value = sl_pv(SL_PV_DATA, 0, 0);
        return 1;
    case 'G':
        *ret_value = sl_pv(SL_PV_DATA, 0, 0);
        return 9;
    case ']':
        *ret_value = sl_pv(SL_PV_LIST, 1, 0);
        return 1;
    case '}':
        *ret_value = sl_pv(SL_PV_DICT, 1, 0);
        return 1;
    case 'h':
    case 'j': {
        uint64_t index = p[0] == 'h' ? p[1] : sl_get_le32(p + 1);
        if (index >= c->memo_high || c->memo[index] == MEMO_FREE) {
            return 0;
        }
        *ret_value = c->memo[index];
        return p[0] == 'h' ? 2 : 5;
    }
    case 0x8c:
        *ret_value = sl_pv(SL_PV_STR, p[1], at + 2);
        return p[1] < COMMON_TEXT_MAX && !vm->keep_strings ? 2 + (size_t)p[1] : 0;
    default:
        return 0;
    }
}

/* MEMOIZE, BINPUT, LONG_BINPUT and MARK, where there is room; bytes taken as above. */
static inline size_t common_store(sl_pickle *vm, const uint8_t *p)
{
    sl_pcontext *c = &vm->context[vm->contexts];
    if (p[0] == '(') {
        if (vm->mark_count == vm->mark_room) {
            return 0;
        }
        vm->marks[vm->mark_count++] = (uint32_t)vm->depth;
        return 1;
    }
    uint64_t index = p[0] == 0x94  ? c->memo_count
                     : p[0] == 'q' ? p[1]
                     : p[0] == 'r' ? sl_get_le32(p + 1)
                                   : UINT64_MAX;
    if (index >= c->memo_room || index > c->memo_high || !has(vm, 1)) {
        return 0;
    }
    memo_store(c, &vm->stack[vm->depth - 1], (size_t)index);
    return p[0] == 0x94 ? 1 : p[0] == 'q' ? 2 : 5;
}

/* Where the row ends: before the end of the window, of the frame, or the next account of opcodes. */
static const uint8_t *common_last(const sl_pickle *vm)
{
    const sl_pickle_reader *r = &vm->reader;
    uint64_t end = r->base + r->window.n;
    if (vm->frame_end != 0 && vm->frame_end < end) {
        end = vm->frame_end;
    }
    bool room = r->window.n != 0 && r->at >= r->base && end >= r->at + COMMON_BYTES_MAX;
    return room ? r->window.p + (size_t)(end - COMMON_BYTES_MAX - r->base) : NULL;
}

/* Opcodes that move plain values go from the window straight to the stack: nearly all of a dense stream. What
 * has rules of its own is left to step(). */
static void run_common(sl_pickle *vm)
{
    sl_pickle_reader *r = &vm->reader;
    const uint8_t *last = common_last(vm);
    if (last == NULL) {
        return;
    }
    const uint8_t *from = r->window.p + (size_t)(r->at - r->base);
    const uint8_t *p = from;
    uint64_t left = SPEND_EVERY - 1 - (vm->ops & (SPEND_EVERY - 1));
    for (; p <= last && left != 0 && vm->depth < vm->stack_room; left--) {
        sl_pvalue v = 0;
        size_t n = common_value(vm, p, r->at + (size_t)(p - from), &v);
        if (n != 0) {
            vm->stack[vm->depth++] = v;
        } else {
            n = common_store(vm, p);
        }
        if (n == 0) {
            break;
        }
        p += n;
        vm->ops++;
    }
    r->at += (size_t)(p - from);
}

/* ---- running ---- */

static sl_res unreadable(sl_pickle *vm, sl_res failed)
{
    const sl_detail *detail = sl_detail_get();
    vm->op.at = vm->reader.at;
    if (sl_is(failed, SL_E_SYNTAX)) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_BROKEN, "no opcode");
    } else if (sl_is(failed, SL_E_TRUNCATED)) {
        bool length = detail->field != NULL && strcmp(detail->field, "length") == 0;
        sl_pickle_tell_str(vm, length ? SL_RULE_PICKLE_LENGTH : SL_RULE_PICKLE_TRUNCATED,
                           detail->field == NULL ? "" : detail->field);
    }
    return failed;
}

static sl_res spend(sl_pickle *vm)
{
    if (vm->scan == NULL) {
        return vm->ops < TRIAL_OPCODES_MAX ? SL_DONE : sl_fail_at(SL_E_LIMIT, "trial", vm->op.at);
    }
    return sl_scan_spend(vm->scan, SL_SPEND_OPCODES, SPEND_EVERY);
}

static void rewind_machine(sl_pickle *vm, uint64_t at)
{
    for (size_t i = 0; i < SL_PCONTEXTS_MAX; i++) {
        sl_pvalue *memo = i == 0 ? vm->context[0].memo : NULL;
        size_t memo_room = i == 0 ? vm->context[0].memo_room : 0;
        if (i != 0) {
            free(vm->context[i].memo);
        }
        vm->context[i] = (sl_pcontext){ .memo = memo, .memo_room = memo_room };
    }
    vm->contexts = 0;
    vm->depth = 0;
    vm->mark_count = 0;
    vm->frame_end = 0;
    vm->proto = 0;
    vm->attributes = 0;
    vm->stopped = false;
    vm->magic = false;
    vm->stream_at = at;
    vm->reader = sl_pickle_read_from(vm->source, at);
}

sl_res sl_pickle_run(sl_pickle *vm, uint64_t at)
{
    rewind_machine(vm, at);
    while (!vm->stopped) {
        run_common(vm);
        if (!sl_pickle_at_hand(&vm->reader, &vm->op)) {
            sl_res r = sl_pickle_next(&vm->reader, &vm->op);
            if (!sl_ok(r)) {
                return unreadable(vm, r);
            }
        }
        if (vm->frame_end != 0) {
            check_frame(vm);
        }
        SL_TRY(step(vm));
        if ((++vm->ops & (SPEND_EVERY - 1)) == 0) {
            SL_TRY(spend(vm));
        }
    }
    return SL_DONE;
}

sl_res sl_pickle_start(sl_pickle *vm, sl_scan *scan, const sl_allow *allow,
                       const sl_scan_budget *budget, sl_source *source)
{
    *vm = (sl_pickle){ .scan = scan, .allow = allow, .budget = budget, .source = source };
    vm->arena.max = (size_t)16 << 20;
    vm->scratch = malloc(2048);
    return vm->scratch == NULL ? sl_fail(SL_E_MEMORY) : SL_DONE;
}

void sl_pickle_free(sl_pickle *vm)
{
    for (size_t i = 0; i < SL_PCONTEXTS_MAX; i++) {
        free(vm->context[i].memo);
    }
    free(vm->stack);
    free(vm->marks);
    free(vm->ring);
    free(vm->names);
    free(vm->name_slots);
    free(vm->scratch);
    free(vm->storages);
    free(vm->keys);
    sl_arena_free(&vm->arena);
    *vm = (sl_pickle){ 0 };
}
