/* Shapes of Python that nobody writes in good faith beside weights. The text is cut into calls: strings and
 * comments are passed over, so that words of a documentation decide nothing. Told are running what was
 * decoded or fetched, in however many lines, reaching a module that runs programs by its name as text, and
 * programs started while the file is merely imported. It is no interpreter: what passes is unread code, not
 * good code. Design: docs/scan.md, section "Code". */
#include <string.h>

#include "artefact/format_parts.h"

typedef struct {
    sl_view text;
    size_t at;
    size_t line_at;  /* where the present line begins */
    bool statement;  /* something other than a definition begins this line at its margin */
    bool definition; /* within a definition's or condition's body */
    bool runs;       /* exec, eval and their like were called */
    uint64_t runs_at;
    bool executes; /* of these, what takes whole programs */
    bool decodes;
    bool fetches;
} shape;

static bool letter(uint8_t c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c >= 0x80;
}

static bool word_byte(uint8_t c)
{
    return letter(c) || (c >= '0' && c <= '9');
}

/* Passes over a string that begins at `at` with its quote; one that never closes ends the text. */
static size_t string_end(sl_view t, size_t at)
{
    uint8_t quote = t.p[at];
    bool three = at + 2 < t.n && t.p[at + 1] == quote && t.p[at + 2] == quote;
    size_t i = at + (three ? 3 : 1);
    for (; i < t.n; i++) {
        if (t.p[i] == '\\') {
            i++;
        } else if (!three && t.p[i] == '\n') {
            return i;
        } else if (t.p[i] == quote &&
                   (!three || (i + 2 < t.n && t.p[i + 1] == quote && t.p[i + 2] == quote))) {
            return i + (three ? 3 : 1);
        }
    }
    return t.n;
}

/* A dotted name: "os.system". Blanks around dots are Python too, and rare enough to be left to people. */
static sl_view take_name(shape *s)
{
    size_t from = s->at;
    while (s->at < s->text.n && (word_byte(s->text.p[s->at]) || s->text.p[s->at] == '.')) {
        s->at++;
    }
    return sl_view_sub(s->text, from, s->at);
}

static bool ends_listed(sl_view name, const char *list)
{
    size_t from = name.n;
    while (from > 0 && name.p[from - 1] != '.') {
        from--;
    }
    return sl_word_listed(list, sl_view_sub(name, from, name.n));
}

/* __import__("os"): the module's name as text is a way around those who look for "import os". */
static bool imports_by_text(const shape *s)
{
    static const char *const bad[] = { "os",      "subprocess", "posix", "pty",    "socket",
                                       "marshal", "ctypes",     "nt",    "base64", "builtins" };
    size_t at = s->at + 1;
    if (at >= s->text.n || (s->text.p[at] != '"' && s->text.p[at] != '\'')) {
        return false;
    }
    sl_view inner = sl_view_sub(s->text, at + 1, string_end(s->text, at) - 1);
    for (size_t i = 0; i < SL_COUNT_OF(bad); i++) {
        if (sl_view_eq_str(inner, bad[i])) {
            return true;
        }
    }
    return false;
}

static bool starts_program(sl_view name)
{
    static const char *const modules[] = { "subprocess.",    "os.exec", "os.spawn",
                                           "os.posix_spawn", "pty.",    "commands." };
    for (size_t i = 0; i < SL_COUNT_OF(modules); i++) {
        if (sl_view_starts(name, sl_view_str(modules[i]))) {
            return true;
        }
    }
    return sl_word_listed(" os.system os.popen ", name);
}

/* eval(requests.get(...).text): what is fetched stands in the very call. */
static bool fetches_inside(const shape *s)
{
    static const char *const words[] = { "requests.get(", "requests.post(", "urlopen(",
                                         "httpx.get(",    "urlretrieve(",   "session.get(",
                                         ".recv(" };
    size_t end = sl_view_find_byte(s->text, '\n', s->at);
    sl_view rest = sl_view_sub(s->text, s->at, end == SIZE_MAX ? s->text.n : end);
    for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
        if (sl_view_find(rest, sl_view_str(words[i]), 0) != SIZE_MAX) {
            return true;
        }
    }
    return false;
}

static void judge_call(sl_scan *scan, shape *s, sl_view name, bool imported, uint64_t offset)
{
    const uint64_t here = offset + s->at - name.n;
    bool plain = sl_view_find_byte(name, '.', 0) == SIZE_MAX;
    bool executes = (plain && sl_word_listed(" exec ", name)) ||
                    sl_word_listed(" builtins.exec marshal.loads types.FunctionType ", name);
    bool runs = executes || (plain && sl_word_listed(" eval __import__ ", name)) ||
                sl_word_listed(" builtins.eval pickle.loads cloudpickle.loads dill.loads ", name);
    if (runs && !s->runs) {
        s->runs = true;
        s->runs_at = here;
    }
    s->executes = s->executes || executes || (runs && fetches_inside(s));
    s->fetches = s->fetches || (runs && fetches_inside(s));
    s->decodes =
        s->decodes ||
        ends_listed(
            name, " b64decode b32decode b16decode a85decode b85decode decodebytes"
                  " urlsafe_b64decode standard_b64decode unhexlify a2b_base64 a2b_hex fromhex ") ||
        sl_word_listed(
            " zlib.decompress lzma.decompress bz2.decompress codecs.decode marshal.loads ", name);
    s->fetches = s->fetches ||
                 ends_listed(name, " urlopen urlretrieve HTTPConnection HTTPSConnection ") ||
                 sl_word_listed(" requests.get requests.post httpx.get socket.socket"
                                " socket.create_connection ",
                                name);
    if (plain && sl_word_listed(" __import__ ", name) && imports_by_text(s)) {
        sl_scan_report(scan, SL_RULE_CODE_HOSTILE, here,
                       sl_view_sub(s->text, s->at - name.n, s->at + 32));
    } else if (imported && s->statement && starts_program(name)) {
        sl_scan_report(scan, SL_RULE_CODE_HOSTILE, here, name);
    }
}

/* At the margin of a new line: does a definition, a condition or a statement begin? */
static void begin_line(shape *s)
{
    static const char blocks[] =
        " def class if elif else async for while try except finally with match case return raise ";
    sl_view rest = sl_view_sub(s->text, s->at, s->text.n);
    size_t n = 0;
    while (n < rest.n && word_byte(rest.p[n])) {
        n++;
    }
    bool margin = n != 0;
    bool block = margin && sl_word_listed(blocks, sl_view_sub(rest, 0, n));
    if (margin) {
        s->definition = block;
    }
    s->statement = margin ? !block : (s->statement && !s->definition);
}

void sl_scan_code_shapes(sl_scan *scan, sl_view text, bool imported, uint64_t offset)
{
    shape s = { .text = text };
    begin_line(&s);
    while (s.at < text.n) {
        uint8_t c = text.p[s.at];
        if (c == '#') {
            size_t end = sl_view_find_byte(text, '\n', s.at);
            s.at = end == SIZE_MAX ? text.n : end;
        } else if (c == '"' || c == '\'') {
            s.at = string_end(text, s.at);
        } else if (c == '\n') {
            s.at++;
            begin_line(&s);
        } else if (letter(c)) {
            sl_view name = take_name(&s);
            if (s.at < text.n && text.p[s.at] == '(') {
                judge_call(scan, &s, name, imported, offset);
            }
        } else {
            s.at++;
        }
    }
    if (s.runs && (s.decodes || (s.executes && s.fetches))) {
        sl_scan_report_str(scan, SL_RULE_CODE_HOSTILE, offset + s.runs_at,
                           s.decodes ? "it runs what it decodes" : "it runs what it fetches");
    }
}
