/* The explanation of a pickle (pickle_explain.h). The stack holds texts: short expressions that are cut
 * where they grow long. Only what acts becomes a line of its own. */
#include "artefact/pickle_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "artefact/pickle_read.h"

#define TEXT_MAX 160U
#define DEPTH_MAX 4096U
#define MEMO_MAX 65536U
#define MARK '\1'

typedef struct {
    char text[TEXT_MAX];
} value;

typedef struct {
    sl_pickle_reader reader;
    sl_pickle_op op;
    sl_buf *out;
    value *stack;
    size_t depth;
    value *memo;
    size_t memo_count;
    unsigned results;
    bool done;
} explainer;

static void set(value *v, const char *text)
{
    (void)snprintf(v->text, sizeof v->text, "%s", text);
}

/* Appends, and ends in dots where there is no more room. */
static void append(value *v, const char *text)
{
    size_t n = strlen(v->text);
    size_t more = strlen(text);
    if (n + more < sizeof v->text - 4) {
        memcpy(v->text + n, text, more + 1);
    } else if (n < 3 || memcmp(v->text + n - 3, "...", 3) != 0) {
        memcpy(v->text + (n < sizeof v->text - 4 ? n : sizeof v->text - 4), "...", 4);
    }
}

/* `inside`: a quote ends the text, so that it is escaped. */
static void quote_as(value *v, sl_view bytes, const char *prefix, bool inside)
{
    static const char hex[] = "0123456789abcdef";
    (void)snprintf(v->text, sizeof v->text, "%s'", prefix);
    size_t n = strlen(v->text);
    for (size_t i = 0; i < bytes.n && n < 72; i++) {
        uint8_t c = bytes.p[i];
        if (c >= 0x20 && c < 0x7f && (c != '\'' || !inside) && c != '\\') {
            v->text[n++] = (char)c;
        } else {
            v->text[n++] = '\\';
            v->text[n++] = 'x';
            v->text[n++] = hex[c >> 4];
            v->text[n++] = hex[c & 15];
        }
    }
    v->text[n] = 0;
    append(v, n >= 72 ? "...'" : "'");
}

static void quote(value *v, sl_view bytes, const char *prefix)
{
    quote_as(v, bytes, prefix, true);
}

static void bare(value *v, sl_view line)
{
    quote_as(v, line, "", false);
    size_t n = strlen(v->text); /* without the quotes: a number, a name */
    memmove(v->text, v->text + 1, n);
    v->text[n - 2] = 0;
}

static value *push(explainer *x)
{
    static value spare;
    if (x->depth == DEPTH_MAX) {
        return &spare; /* deeper is not shown */
    }
    x->stack[x->depth].text[0] = 0;
    return &x->stack[x->depth++];
}

static value *top(explainer *x)
{
    static value none;
    set(&none, "<nothing>");
    return x->depth == 0 ? &none : &x->stack[x->depth - 1];
}

static value pop(explainer *x)
{
    value v = *top(x);
    x->depth -= x->depth != 0;
    return v;
}

/* The four parts, one behind the other. */
static sl_res line(explainer *x, const char *a, const char *b, const char *c, const char *d)
{
    char text[4 * TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s%s%s%s", a, b, c, d);
    for (char *t = text; *t != 0; t++) { /* a mark taken for a value */
        *t = *t < 0x20 || *t > 0x7e ? '?' : *t;
    }
    if (x->out->n + sizeof text + 64 > x->out->max) {
        x->done = true;
        return sl_buf_add_str(x->out, "... and more\n");
    }
    return sl_buf_addf(x->out, "%8llu  %s\n", (unsigned long long)x->op.at, text);
}

/* The values above the mark, with commas, and the mark itself. */
static value gather(explainer *x, const char *open, const char *close, bool pairs)
{
    value v = { 0 };
    size_t from = x->depth;
    while (from > 0 && x->stack[from - 1].text[0] != MARK) {
        from--;
    }
    set(&v, open);
    for (size_t i = from; i < x->depth; i++) {
        append(&v, i == from ? "" : pairs && (i - from) % 2 == 1 ? ": " : ", ");
        append(&v, x->stack[i].text);
    }
    append(&v, close);
    x->depth = from == 0 ? 0 : from - 1;
    return v;
}

static sl_res named(explainer *x, const char *module, const char *name)
{
    value v = { 0 };
    set(&v, module);
    append(&v, ".");
    append(&v, name);
    *push(x) = v;
    return line(x, "import ", v.text, "", "");
}

static sl_res result(explainer *x, const char *what, const char *arguments)
{
    char name[24];
    (void)snprintf(name, sizeof name, "r%u", ++x->results);
    set(push(x), name);
    return line(x, name, " = ", what, arguments);
}

static sl_res call(explainer *x, bool new, bool keywords)
{
    value extra = { 0 };
    if (keywords) {
        extra = pop(x);
    }
    value arguments = pop(x);
    value callee = pop(x);
    if (new) {
        append(&callee, ".__new__");
    }
    if (keywords) {
        append(&arguments, " **");
        append(&arguments, extra.text);
    }
    bool tuple = arguments.text[0] == '(';
    value shown = { 0 };
    append(&shown, tuple ? "" : "(*");
    append(&shown, arguments.text);
    append(&shown, tuple ? "" : ")");
    return result(x, callee.text, shown.text);
}

static sl_res fill(explainer *x, const char *how, value items)
{
    const char *target = top(x)->text;
    bool plain = target[0] == '[' || target[0] == '{' || strncmp(target, "set", 3) == 0;
    if (plain) { /* a container of the stream's own: it just grows */
        value *v = top(x);
        size_t n = strlen(v->text);
        bool empty = n == 2;
        v->text[n - (n != 0)] = 0;
        append(v, empty ? "" : ", ");
        append(v, items.text);
        append(v, v->text[0] == '[' ? "]" : "}");
        return SL_DONE;
    }
    append(&items, ")");
    return line(x, target, how, "(", items.text);
}

static sl_res memo(explainer *x, uint64_t index, bool put)
{
    if (index >= MEMO_MAX) {
        if (!put) {
            set(push(x), "<memo>");
        }
        return SL_DONE;
    }
    if (put) {
        x->memo[index] = *top(x);
        x->memo_count = index + 1 > x->memo_count ? (size_t)index + 1 : x->memo_count;
    } else {
        *push(x) = x->memo[index];
    }
    return SL_DONE;
}

static uint64_t index_of(explainer *x)
{
    uint64_t index = x->op.number;
    if (x->op.code == 'p' || x->op.code == 'g') {
        return sl_ok(sl_parse_u64(x->op.shown, UINT32_MAX, &index)) ? index : MEMO_MAX;
    }
    return index;
}

static sl_res tuple(explainer *x, size_t n)
{
    value v = { 0 };
    size_t from = x->depth < n ? 0 : x->depth - n;
    set(&v, "(");
    for (size_t i = from; i < x->depth; i++) {
        append(&v, i == from ? "" : ", ");
        append(&v, x->stack[i].text);
    }
    append(&v, n == 1 ? ",)" : ")");
    x->depth = from;
    *push(x) = v;
    return SL_DONE;
}

/* A constant string is shown as the name that it is; anything else as what computes it. */
static value unquoted(value v)
{
    size_t n = strlen(v.text);
    if (n >= 2 && v.text[0] == '\'' && v.text[n - 1] == '\'') {
        v.text[n - 1] = 0;
        memmove(v.text, v.text + 1, n - 1);
        return v;
    }
    value computed = { 0 };
    set(&computed, "<");
    append(&computed, v.text);
    append(&computed, ">");
    return computed;
}

static sl_res effect(explainer *x)
{
    value a = { 0 };
    value b = { 0 };
    switch (x->op.code) {
    case 'c':
        bare(&a, x->op.shown);
        bare(&b, x->op.second);
        return named(x, a.text, b.text);
    case 0x93:
        b = unquoted(pop(x));
        a = unquoted(pop(x));
        return named(x, a.text, b.text);
    case 'R':
        return call(x, false, false);
    case 0x81:
        return call(x, true, false);
    case 0x92:
        return call(x, true, true);
    case 'i':
        bare(&a, x->op.shown);
        bare(&b, x->op.second);
        append(&a, ".");
        append(&a, b.text);
        b = gather(x, "(", ")", false);
        return result(x, a.text, b.text);
    case 'o':
        b = gather(x, "", "", false);
        return result(x, "call of the first of ", b.text);
    case 'b':
        a = pop(x);
        append(&a, ")");
        return line(x, top(x)->text, ".__setstate__", "(", a.text);
    case 'P':
        bare(&a, x->op.shown);
        return result(x, "persistent_load ", a.text);
    case 'Q':
        a = pop(x);
        return result(x, "persistent_load ", a.text);
    default:
        return line(x, sl_pickle_op_name(x->op.code), "", "", "");
    }
}

static sl_res container(explainer *x)
{
    value items = { 0 };
    switch (x->op.code) {
    case 't':
        items = gather(x, "(", ")", false);
        break;
    case 'l':
        items = gather(x, "[", "]", false);
        break;
    case 'd':
        items = gather(x, "{", "}", true);
        break;
    case 0x91:
        items = gather(x, "frozenset(", ")", false);
        break;
    case 'e':
    case 0x90:
        return fill(x, ".extend", gather(x, "", "", false));
    case 'u':
        return fill(x, ".update", gather(x, "", "", true));
    case 'a':
        return fill(x, ".append", pop(x));
    case 's':
        items = pop(x);
        value key = pop(x);
        append(&key, ": ");
        append(&key, items.text);
        return fill(x, ".update", key);
    default:
        return effect(x);
    }
    *push(x) = items;
    return SL_DONE;
}

static sl_res constant(explainer *x)
{
    char text[32];
    switch (x->op.code) {
    case 'K':
    case 'M':
    case 'J':
        (void)snprintf(text, sizeof text, "%lld",
                       x->op.code == 'J' ? (long long)(int32_t)x->op.number
                                         : (long long)x->op.number);
        set(push(x), text);
        return SL_DONE;
    case 'I':
    case 'L':
    case 'F':
    case 'S':
        bare(push(x), x->op.shown);
        return SL_DONE;
    case 'V':
    case 'U':
    case 'T':
    case 'X':
    case 0x8c:
    case 0x8d:
        quote(push(x), x->op.shown, "");
        return SL_DONE;
    case 'B':
    case 'C':
    case 0x8e:
    case 0x96:
        quote(push(x), x->op.shown, "b");
        return SL_DONE;
    case 0x8a:
    case 0x8b:
    case 'G':
        set(push(x), "<number>");
        return SL_DONE;
    case 'N':
        set(push(x), "None");
        return SL_DONE;
    case 0x88:
    case 0x89:
        set(push(x), x->op.code == 0x88 ? "True" : "False");
        return SL_DONE;
    default:
        return container(x);
    }
}

static sl_res step(explainer *x)
{
    const char mark[] = { MARK, 0 };
    switch (x->op.code) {
    case 0x80:
    case 0x95:
        return SL_DONE;
    case '(':
        set(push(x), mark);
        return SL_DONE;
    case '0':
        (void)pop(x);
        return SL_DONE;
    case '1':
        (void)gather(x, "", "", false);
        return SL_DONE;
    case '2':
        *push(x) = x->depth == 0 ? (value){ "<nothing>" } : x->stack[x->depth - 1];
        return SL_DONE;
    case ')':
        set(push(x), "()");
        return SL_DONE;
    case ']':
        set(push(x), "[]");
        return SL_DONE;
    case '}':
    case 0x8f:
        set(push(x), "{}");
        return SL_DONE;
    case 0x85:
    case 0x86:
    case 0x87:
        return tuple(x, (size_t)x->op.code - 0x84);
    case 'p':
    case 'q':
    case 'r':
        return memo(x, index_of(x), true);
    case 0x94:
        return memo(x, x->memo_count, true);
    case 'g':
    case 'h':
    case 'j':
        return memo(x, index_of(x), false);
    case '.':
        SL_TRY(line(x, "return ", top(x)->text, "", ""));
        x->depth = 0;
        x->memo_count = 0;
        x->done = x->done || x->reader.at == x->reader.end;
        return SL_DONE;
    default:
        return constant(x);
    }
}

static sl_res run(explainer *x)
{
    while (!x->done) {
        sl_res r = sl_pickle_next(&x->reader, &x->op);
        if (sl_is(r, SL_E_SYNTAX) || sl_is(r, SL_E_TRUNCATED)) {
            return sl_buf_addf(x->out, "%8llu  what follows is no pickle: %s\n",
                               (unsigned long long)x->reader.at, sl_res_text(r));
        }
        SL_TRY(r);
        SL_TRY(step(x));
    }
    return SL_DONE;
}

sl_res sl_pickle_explain(sl_source *source, sl_buf *out)
{
    explainer x = { .reader = sl_pickle_read_from(source, 0), .out = out };
    x.stack = calloc(DEPTH_MAX, sizeof *x.stack);
    x.memo = calloc(MEMO_MAX, sizeof *x.memo);
    sl_res r = x.stack == NULL || x.memo == NULL ? sl_fail(SL_E_MEMORY) : run(&x);
    free(x.stack);
    free(x.memo);
    return r;
}
