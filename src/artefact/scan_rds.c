/* R's serialised objects (RDS, RData): a walk over their items that evaluates nothing. A promise inside runs
 * its code the moment somebody looks at it (CVE-2024-27322); functions, byte code and native pointers are
 * told for a person to judge; calls are data until something evaluates them, so only calls of functions that
 * start programs or fetch files are named.
 * Source: R Internals, "Serialization Formats"; serialize.c of R 4.4. */
#include <stdlib.h>
#include <string.h>

#include "artefact/format_parts.h"

#define DEPTH_MAX ((size_t)100000)
#define REFERENCES_MAX ((size_t)1 << 20)
#define LINE_BYTES_MAX ((size_t)4096)

enum {
    NIL = 0,
    SYMBOL = 1,
    LIST = 2,
    CLOSURE = 3,
    ENVIRONMENT = 4,
    PROMISE = 5,
    CALL = 6,
    SPECIAL = 7,
    BUILTIN = 8,
    CHARS = 9,
    LOGICAL = 10,
    INTEGER = 13,
    REAL = 14,
    COMPLEX = 15,
    STRINGS = 16,
    DOTS = 17,
    VECTOR = 19,
    EXPRESSION = 20,
    BYTECODE = 21,
    POINTER = 22,
    WEAKREF = 23,
    RAW = 24,
    S4 = 25,
    ALTREP = 238,
    EMPTY_ENV = 242,
    PACKAGE = 247,
    PERSISTENT = 248,
    NAMESPACE = 249,
    REFERENCE = 255,
};

#define HAS_ATTRIBUTES 0x200u
#define HAS_TAG 0x400u

typedef enum { BIG, LITTLE, ASCII } encoding;

/* Items still to come at one level. */
typedef struct {
    uint64_t left;
    bool call; /* the next item but `before` is what a call calls */
    uint8_t before;
} frame;

typedef struct {
    sl_scan *scan;
    sl_cursor at;
    encoding encoding;
    frame *stack;
    size_t depth;
    size_t room;
    uint8_t *risky; /* of each reference: a symbol that names something to be told of */
    size_t references;
    size_t reference_room;
} reader;

/* Functions that reach out of R. */
static const char risky_names[] =
    " system system2 shell shell.exec pipe source sys.source dyn.load library.dynam download.file"
    " socketConnection unlink file.remove file.rename Sys.setenv install.packages ";

sl_identity sl_identify_rds(const sl_probe *probe)
{
    sl_view h = probe->head;
    static const char *const saved[] = {
        "RDX2\n", "RDX3\n", "RDA2\n", "RDA3\n", "RDB2\n", "RDB3\n"
    };
    for (size_t i = 0; i < SL_COUNT_OF(saved); i++) {
        if (sl_view_starts(h, sl_view_str(saved[i]))) {
            return SL_IDENTIFY_YES;
        }
    }
    if (h.n < 14) {
        return SL_IDENTIFY_NO;
    }
    bool big = sl_view_starts(h, SL_LIT("X\n\0\0\0")) && h.p[5] >= 1 && h.p[5] <= 3;
    bool little = sl_view_starts(h, SL_LIT("B\n")) && h.p[2] >= 1 && h.p[2] <= 3 && h.p[3] == 0 &&
                  h.p[4] == 0 && h.p[5] == 0;
    bool ascii = sl_view_starts(h, SL_LIT("A\n")) && h.p[2] >= '1' && h.p[2] <= '3' &&
                 h.p[3] == '\n' && h.p[4] >= '1' && h.p[4] <= '9';
    return big || little || ascii ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

/* ---- numbers and bytes ---- */

static sl_res read_line(reader *r, char *out, size_t room, size_t *ret_n)
{
    size_t n = 0;
    for (;;) {
        uint8_t c = 0;
        SL_TRY(sl_cursor_u8(&r->at, &c));
        if (c == '\n') {
            *ret_n = n;
            return SL_DONE;
        }
        if (n == room) {
            return sl_fail_at(SL_E_LIMIT, "rds line", r->at.at);
        }
        out[n++] = (char)c;
    }
}

static sl_res read_int(reader *r, int32_t *ret_value)
{
    uint32_t value = 0;
    if (r->encoding == ASCII) {
        char line[32];
        size_t n = 0;
        int64_t parsed = INT32_MIN; /* "NA" */
        SL_TRY(read_line(r, line, sizeof(line), &n));
        if (!(n == 2 && memcmp(line, "NA", 2) == 0)) {
            SL_TRY(sl_parse_i64(sl_view_of(line, n), &parsed));
        }
        if (parsed < INT32_MIN || parsed > INT32_MAX) {
            return sl_fail_at(SL_E_RANGE, "rds number", r->at.at);
        }
        *ret_value = (int32_t)parsed;
        return SL_DONE;
    }
    SL_TRY(r->encoding == BIG ? sl_cursor_u32be(&r->at, &value) : sl_cursor_u32le(&r->at, &value));
    *ret_value = (int32_t)value;
    return SL_DONE;
}

static sl_res read_length(reader *r, uint64_t *ret_length)
{
    int32_t low = 0;
    int32_t high = 0;
    SL_TRY(read_int(r, &low));
    if (low >= 0) {
        *ret_length = (uint64_t)low;
        return SL_DONE;
    }
    if (low != -1) {
        return sl_fail_at(SL_E_RANGE, "rds length", r->at.at);
    }
    SL_TRY(read_int(r, &high));
    SL_TRY(read_int(r, &low));
    *ret_length = ((uint64_t)(uint32_t)high << 32) | (uint32_t)low;
    return SL_DONE;
}

/* `count` numbers of a vector. */
static sl_res skip_numbers(reader *r, uint64_t count, unsigned bytes)
{
    uint64_t all = 0;
    if (r->encoding != ASCII) {
        if (__builtin_mul_overflow(count, (uint64_t)bytes, &all)) {
            return sl_fail_at(SL_E_RANGE, "rds length", r->at.at);
        }
        return sl_cursor_skip(&r->at, all);
    }
    SL_TRY(sl_scan_spend(r->scan, SL_SPEND_NODES, count));
    char line[128];
    size_t n = 0;
    uint64_t lines = bytes == 1 ? count : bytes == 16 ? 2 * count : count;
    if (lines > sl_cursor_left(&r->at)) {
        return sl_fail_at(SL_E_TRUNCATED, "rds length", r->at.at);
    }
    for (uint64_t i = 0; i < lines; i++) {
        SL_TRY(read_line(r, line, sizeof(line), &n));
    }
    return SL_DONE;
}

/* The bytes of a name or text; `*ret_text` is good until the next read. In text form escapes stay. */
static sl_res read_text(reader *r, int32_t length, sl_view *ret_text)
{
    *ret_text = (sl_view){ 0 };
    if (length < 0) {
        return length == -1 ? SL_DONE : sl_fail_at(SL_E_RANGE, "rds text", r->at.at);
    }
    if (r->encoding == ASCII) { /* each byte is itself or an escape; the line ends it */
        char line[LINE_BYTES_MAX];
        size_t n = 0;
        return read_line(r, line, sizeof(line), &n);
    }
    if ((uint64_t)length > SL_SOURCE_WINDOW_MAX) {
        return sl_cursor_skip(&r->at, (uint64_t)length);
    }
    return sl_cursor_take(&r->at, (uint64_t)length, ret_text);
}

/* ---- levels and references ---- */

static sl_res push(reader *r, uint64_t items, bool call, uint8_t before)
{
    if (items == 0) {
        return SL_DONE;
    }
    if (r->depth == r->room) {
        size_t room = r->room == 0 ? 256 : 2 * r->room;
        frame *grown = r->depth >= DEPTH_MAX ? NULL : reallocarray(r->stack, room, sizeof(*grown));
        if (grown == NULL) {
            return sl_fail_at(SL_E_DEPTH, "rds depth", r->at.at);
        }
        r->stack = grown;
        r->room = room;
    }
    r->stack[r->depth++] = (frame){ .left = items, .call = call, .before = before };
    return SL_DONE;
}

static sl_res add_reference(reader *r, bool risky)
{
    if (r->references == r->reference_room) {
        size_t room = r->reference_room == 0 ? 1024 : 2 * r->reference_room;
        uint8_t *grown = room > REFERENCES_MAX ? NULL : reallocarray(r->risky, room, 1);
        if (grown == NULL) {
            return sl_fail_at(SL_E_LIMIT, "rds references", r->at.at);
        }
        r->risky = grown;
        r->reference_room = room;
    }
    r->risky[r->references++] = risky ? 1 : 0;
    return SL_DONE;
}

/* ---- items ---- */

/* A symbol: one item of characters follows at once. */
static sl_res read_symbol(reader *r, bool called)
{
    int32_t flags = 0;
    int32_t length = 0;
    sl_view name = { 0 };
    uint64_t at = r->at.at;
    SL_TRY(read_int(r, &flags));
    if ((flags & 0xFF) != CHARS) {
        return sl_fail_at(SL_E_SYNTAX, "rds symbol", at);
    }
    SL_TRY(read_int(r, &length));
    SL_TRY(read_text(r, length, &name));
    bool risky = sl_word_listed(risky_names, name);
    if (called && risky) {
        sl_scan_report(r->scan, SL_RULE_RDS_CALL, at, name);
    }
    return add_reference(r, risky);
}

static sl_res read_reference(reader *r, uint32_t flags, bool called)
{
    int32_t index = (int32_t)(flags >> 8);
    if (index == 0) {
        SL_TRY(read_int(r, &index));
    }
    if (index < 1 || (size_t)index > r->references) {
        return sl_fail_at(SL_E_RANGE, "rds reference", r->at.at);
    }
    if (called && r->risky[index - 1] != 0) {
        sl_scan_report_str(r->scan, SL_RULE_RDS_CALL, r->at.at, "a function named before");
    }
    return SL_DONE;
}

/* Pairs: attributes and a tag if they have them, the head, and the rest, which is an item itself. */
static sl_res read_pairs(reader *r, unsigned type, uint32_t flags, uint64_t at)
{
    uint8_t before =
        (uint8_t)(((flags & HAS_ATTRIBUTES) != 0 ? 1 : 0) + ((flags & HAS_TAG) != 0 ? 1 : 0));
    if (type == PROMISE) {
        sl_scan_report_str(r->scan, SL_RULE_RDS_PROMISE, at, "a promise");
    } else if (type == CLOSURE) {
        sl_scan_report_str(r->scan, SL_RULE_RDS_FUNCTION, at, "a function");
    }
    return push(r, 2u + before, type == CALL, before);
}

static sl_res read_names(reader *r)
{
    int32_t zero = 0;
    int32_t count = 0;
    SL_TRY(read_int(r, &zero));
    SL_TRY(read_int(r, &count));
    if (zero != 0 || count < 0) {
        return sl_fail_at(SL_E_SYNTAX, "rds names", r->at.at);
    }
    SL_TRY(add_reference(r, false));
    return push(r, (uint64_t)count, false, 0);
}

static sl_res read_vector(reader *r, unsigned type, uint32_t flags)
{
    static const uint8_t widths[] = {
        [LOGICAL] = 4, [INTEGER] = 4, [REAL] = 8, [COMPLEX] = 16, [RAW] = 1
    };
    uint64_t length = 0;
    SL_TRY(read_length(r, &length));
    SL_TRY(push(r, (flags & HAS_ATTRIBUTES) != 0 ? 1 : 0, false, 0));
    if (type == STRINGS || type == VECTOR || type == EXPRESSION) {
        if (length > sl_cursor_left(&r->at)) {
            return sl_fail_at(SL_E_TRUNCATED, "rds length", r->at.at);
        }
        return push(r, length, false, 0);
    }
    return skip_numbers(r, length, widths[type]);
}

static sl_res read_builtin(reader *r)
{
    int32_t length = 0;
    sl_view name = { 0 };
    uint64_t at = r->at.at;
    SL_TRY(read_int(r, &length));
    SL_TRY(read_text(r, length, &name));
    if (sl_word_listed(risky_names, name)) {
        sl_scan_report(r->scan, SL_RULE_RDS_CALL, at, name);
    }
    return SL_DONE;
}

static sl_res read_chars(reader *r, uint32_t flags)
{
    int32_t length = 0;
    sl_view text = { 0 };
    SL_TRY(read_int(r, &length));
    SL_TRY(read_text(r, length, &text));
    return push(r, (flags & HAS_ATTRIBUTES) != 0 ? 1 : 0, false, 0);
}

/* Things with a place in memory: each can be referred to later on. */
static sl_res read_placed(reader *r, unsigned type, uint32_t flags, uint64_t at)
{
    uint64_t attributes = (flags & HAS_ATTRIBUTES) != 0 ? 1 : 0;
    int32_t locked = 0;
    SL_TRY(add_reference(r, false));
    if (type == ENVIRONMENT) {
        SL_TRY(read_int(r, &locked));
        return push(r, 4, false, 0);
    }
    sl_scan_report_str(r->scan, SL_RULE_RDS_NATIVE, at,
                       type == POINTER ? "an external pointer" : "a weak reference");
    return push(r, (type == POINTER ? 2 : 0) + attributes, false, 0);
}

static sl_res read_kind(reader *r, unsigned type, uint32_t flags, bool called, uint64_t at)
{
    switch (type) {
    case SYMBOL:
        return read_symbol(r, called);
    case REFERENCE:
        return read_reference(r, flags, called);
    case LIST:
    case CLOSURE:
    case PROMISE:
    case CALL:
    case DOTS:
        return read_pairs(r, type, flags, at);
    case ENVIRONMENT:
    case POINTER:
    case WEAKREF:
        return read_placed(r, type, flags, at);
    case SPECIAL:
    case BUILTIN:
        return read_builtin(r);
    case CHARS:
        return read_chars(r, flags);
    case LOGICAL:
    case INTEGER:
    case REAL:
    case COMPLEX:
    case STRINGS:
    case VECTOR:
    case EXPRESSION:
    case RAW:
        return read_vector(r, type, flags);
    case S4:
        return push(r, (flags & HAS_ATTRIBUTES) != 0 ? 1 : 0, false, 0);
    case ALTREP:
        return push(r, 3, false, 0);
    case PACKAGE:
    case PERSISTENT:
    case NAMESPACE:
        return read_names(r);
    case NIL:
        return SL_DONE;
    default:
        break;
    }
    if ((type >= 241 && type <= 242) || (type >= 250 && type <= 254)) {
        return SL_DONE; /* the empty and base environments and their like */
    }
    return sl_fail_at(SL_E_SYNTAX, "rds item", at);
}

static sl_res read_items(reader *r, bool *ret_bytecode)
{
    *ret_bytecode = false;
    while (r->depth > 0) {
        frame *top = &r->stack[r->depth - 1];
        bool called = top->call && top->before == 0;
        top->call = top->call && top->before > 0;
        top->before = top->before > 0 ? (uint8_t)(top->before - 1) : 0;
        if (--top->left == 0) {
            r->depth--; /* the last item takes its level's place, so that long lists stay flat */
        }
        int32_t flags = 0;
        uint64_t at = r->at.at;
        SL_TRY(read_int(r, &flags));
        SL_TRY(sl_scan_spend(r->scan, SL_SPEND_NODES, 1));
        unsigned type = (uint32_t)flags & 0xFF;
        if (type == BYTECODE) {
            sl_scan_report_str(r->scan, SL_RULE_RDS_BYTECODE, at, "what follows it was not read");
            *ret_bytecode = true;
            return SL_DONE;
        }
        SL_TRY(read_kind(r, type, (uint32_t)flags, called, at));
    }
    return SL_DONE;
}

static sl_res read_header(reader *r)
{
    sl_view magic = { 0 };
    int32_t version = 0;
    int32_t writer = 0;
    int32_t least = 0;
    int32_t length = 0;
    SL_TRY(sl_source_need(r->at.source, 0, 5, &magic));
    SL_TRY(sl_cursor_skip(&r->at, magic.p[0] == 'R' ? 5 : 0));
    SL_TRY(sl_cursor_take(&r->at, 2, &magic));
    r->encoding = magic.p[0] == 'X' ? BIG : magic.p[0] == 'B' ? LITTLE : ASCII;
    if (magic.p[1] != '\n' || memchr("XBA", magic.p[0], 3) == NULL) {
        return sl_fail_at(SL_E_SYNTAX, "rds encoding", r->at.at);
    }
    SL_TRY(read_int(r, &version));
    SL_TRY(read_int(r, &writer));
    SL_TRY(read_int(r, &least));
    if (version != 2 && version != 3) {
        return sl_fail_at(SL_E_VERSION, "rds version", r->at.at);
    }
    if (version == 3) {
        SL_TRY(read_int(r, &length));
        SL_TRY(length >= 0 && length <= 64 ? read_text(r, length, &magic)
                                           : sl_fail_at(SL_E_RANGE, "rds encoding", r->at.at));
    }
    return push(r, 1, false, 0);
}

sl_res sl_scan_rds(sl_scan *scan, sl_source *source)
{
    reader r = { .scan = scan, .at = sl_cursor_over(source) };
    bool bytecode = false;
    sl_res done = read_header(&r);
    if (sl_ok(done)) {
        done = read_items(&r, &bytecode);
    }
    if (sl_ok(done) && !bytecode && sl_cursor_left(&r.at) > 0) {
        sl_scan_reportf(scan, SL_RULE_RDS_TRAILING, r.at.at, "%llu bytes",
                        (unsigned long long)sl_cursor_left(&r.at));
    }
    free(r.stack);
    free(r.risky);
    return done;
}
