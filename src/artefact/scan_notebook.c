/* Jupyter notebooks: cells that a person will run, and outputs that a browser shows before anyone ran
 * anything. Reported are commands of the shell, installs from places of the notebook's choosing, active
 * content in outputs, and secrets left behind. Code itself is not judged: it is code. */
#include <string.h>

#include "artefact/format_parts.h"

#define LINE_BYTES_MAX ((size_t)4096)

typedef struct {
    sl_scan *scan;
    const sl_json_doc *doc;
    sl_buf text; /* one cell's source or one output */
    uint64_t offset;
    bool shell_cell; /* the cell is handed to a shell as a whole */
    bool fetched;    /* the cell has downloaded something */
} walk;

static bool holds_any(sl_view text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sl_text_holds(text, list[i])) {
            return true;
        }
    }
    return false;
}

static void tell(const walk *w, sl_rule rule, sl_view evidence)
{
    sl_scan_report(w->scan, rule, w->offset, evidence);
}

/* An install names a package; where it comes from is for the reader's configuration to say. */
static void check_install(const walk *w, sl_view line)
{
    static const char *const places[] = {
        "--index-url", "--extra-index-url", " -i ", "--trusted-host", "http://", "https://",
        "git+",        "--find-links",      " -f ", "ssh://",         "file:",   "--channel"
    };
    if (holds_any(line, places, SL_COUNT_OF(places))) {
        tell(w, SL_RULE_NOTEBOOK_INSTALL, line);
    } else {
        tell(w, SL_RULE_NOTEBOOK_PACKAGE, line);
    }
}

/* Commands that look around or move files of the notebook's own folder. */
static bool ordinary(sl_view line)
{
    static const char first[] =
        " ls ll pwd cd mkdir cat head tail echo nvidia-smi nvcc free df du lscpu uname date which tree wc unzip"
        " tar gunzip gzip cp mv touch tensorboard jupyter sort uniq grep find python3 python pip conda ";
    static const char *const beyond[] = { "|",      ";",    "&",   "`",    "$",    ">",
                                          "<",      "/etc", "~",   ".ssh", ".aws", "id_rsa",
                                          "passwd", "../",  "://", "-exec" };
    while (line.n != 0 && (line.p[0] == '!' || line.p[0] == ' ')) {
        line = sl_view_sub(line, 1, line.n);
    }
    size_t n = 0;
    while (n < line.n && line.p[n] > ' ') {
        n++;
    }
    sl_view word = sl_view_sub(line, 0, n);
    bool starts = sl_view_starts(word, SL_LIT("python")) || sl_word_listed(" pip conda ", word);
    bool asks = sl_view_find(line, SL_LIT("--version"), 0) != SIZE_MAX ||
                sl_view_find(line, SL_LIT(" list"), 0) != SIZE_MAX ||
                sl_view_find(line, SL_LIT(" show "), 0) != SIZE_MAX;
    return sl_word_listed(first, word) && (!starts || asks) &&
           !holds_any(line, beyond, SL_COUNT_OF(beyond));
}

static bool fetches(sl_view line)
{
    static const char *const words[] = { "curl", "wget", "http://", "https://", "ftp://" };
    return holds_any(line, words, SL_COUNT_OF(words));
}

/* Runs a file of the folder: harmless alone, and not behind a download in the same cell. */
static bool starts_file(sl_view line)
{
    static const char *const words[] = { "bash ", "sh ", "./", "python ", "python3 ", "perl " };
    return holds_any(line, words, SL_COUNT_OF(words));
}

static void check_shell(walk *w, sl_view line, bool strict)
{
    static const char *const hostile[] = {
        "| sh",   "|sh",        "| bash",   "|bash",   "| python",  "|python",         "| sudo",
        "-O- ",   "-O -",       "bash -c",  "sh -c",   "base64",    "/dev/tcp",        "nc ",
        "ncat",   "chmod",      "eval",     "rm -rf",  "python -c", "python3 -c",      "perl -e",
        "ssh ",   "scp ",       "crontab",  ">> ~/",   "> ~/",      "> /etc",          "nohup",
        "mkfifo", "powershell", "certutil", "docker ", "sudo",      "authorized_keys", "printenv",
        "env |",  "$(",         "`",
    };
    static const char *const installs[] = { "pip install",   "pip3 install", "conda install",
                                            "mamba install", "npm install",  "uv pip",
                                            "uv add",        "apt install",  "apt-get install" };
    if (holds_any(line, installs, SL_COUNT_OF(installs)) && !sl_text_holds(line, "|")) {
        check_install(w, line);
        return;
    }
    bool fetch = fetches(line);
    bool bad = holds_any(line, hostile, SL_COUNT_OF(hostile)) || (fetch && strict) ||
               (w->fetched && starts_file(line));
    w->fetched = w->fetched || fetch;
    if (bad) {
        tell(w, SL_RULE_NOTEBOOK_SHELL, line);
    } else if (!ordinary(line)) {
        tell(w, SL_RULE_NOTEBOOK_COMMAND, line);
    }
}

/* A magic: `rest` begins behind its percent signs. */
static void check_magic(walk *w, sl_view line, sl_view rest)
{
    size_t n = 0;
    while (n < rest.n && rest.p[n] > ' ') {
        n++;
    }
    sl_view name = sl_view_sub(rest, 0, n);
    static const char installs[] = " pip conda mamba uv micromamba ";
    static const char *const places[] = { "~", " /", "..", " ." }; /* outside, or hidden */
    static const char shells[] = " bash sh script system sx cmd perl ruby zsh powershell ! ";
    if (sl_word_listed(installs, name)) {
        if (sl_text_holds(rest, "install") || sl_text_holds(rest, "add")) {
            check_install(w, line);
        }
    } else if (sl_word_listed(shells, name)) {
        w->shell_cell = line.n > 1 && line.p[1] == '%'; /* every line below it is the shell's */
        check_shell(w, line, false);
    } else if (sl_word_listed(" javascript js html svg ", name)) {
        tell(w, SL_RULE_NOTEBOOK_ACTIVE, line);
    } else if (sl_word_listed(" writefile file ", name) &&
               holds_any(rest, places, SL_COUNT_OF(places))) {
        tell(w, SL_RULE_NOTEBOOK_SHELL, line);
    } else if (sl_word_listed(" load run loadpy load_ext ", name) &&
               (sl_text_holds(rest, "http:") || sl_text_holds(rest, "https:"))) {
        tell(w, SL_RULE_NOTEBOOK_INSTALL, line);
    }
}

static void check_line(walk *w, sl_view line)
{
    static const char *const calls[] = { "os.system(",
                                         "subprocess.",
                                         "get_ipython().system",
                                         "get_ipython().getoutput",
                                         "run_line_magic",
                                         "pty.spawn",
                                         "os.popen(",
                                         "os.exec",
                                         "os.spawn",
                                         "shell=True" };
    /* A module that starts programs under another name, or its functions without it: the call that follows
     * is not recognised. */
    static const char *const renamed[] = { "import subprocess as ", "from subprocess import ",
                                           "import os as ",         "from os import system",
                                           "from os import popen",  "from os import exec",
                                           "from pty import ",      "import pty as " };
    sl_view t = sl_view_trim(line);
    if (t.n == 0 || t.n > LINE_BYTES_MAX) {
        return;
    }
    /* `x = !ls` and `x = %sx ls` run as well. */
    size_t sign = sl_view_find(t, SL_LIT("= !"), 0);
    if (t.p[0] == '!' || w->shell_cell) {
        check_shell(w, t, false);
    } else if (t.p[0] == '%') {
        size_t n = t.n > 1 && t.p[1] == '%' ? 2 : 1;
        check_magic(w, t, sl_view_sub(t, n, t.n));
    } else if (sign != SIZE_MAX) {
        check_shell(w, sl_view_sub(t, sign + 2, t.n), false);
    } else if (holds_any(t, calls, SL_COUNT_OF(calls))) {
        check_shell(w, t, true);
    } else if (holds_any(t, renamed, SL_COUNT_OF(renamed))) {
        tell(w, SL_RULE_NOTEBOOK_COMMAND, t);
    }
}

/* Keys and tokens by their makers' prefixes. The evidence is the place alone. */
static void check_secrets(const walk *w, sl_view text)
{
    static const struct {
        const char *prefix;
        size_t more; /* letters and digits that must follow */
    } secrets[] = { { "AKIA", 16 },  { "ASIA", 16 },        { "hf_", 30 },  { "ghp_", 36 },
                    { "gho_", 36 },  { "github_pat_", 22 }, { "sk-", 32 },  { "sk-ant-", 24 },
                    { "xoxb-", 20 }, { "glpat-", 20 },      { "AIza", 35 }, { "npm_", 36 },
                    { "pypi-", 40 } };
    for (size_t k = 0; k < SL_COUNT_OF(secrets); k++) {
        sl_view prefix = sl_view_str(secrets[k].prefix);
        for (size_t at = sl_view_find(text, prefix, 0); at != SIZE_MAX;
             at = sl_view_find(text, prefix, at + 1)) {
            size_t n = at + prefix.n;
            while (n < text.n && (((text.p[n] | 32) >= 'a' && (text.p[n] | 32) <= 'z') ||
                                  (text.p[n] >= '0' && text.p[n] <= '9') || text.p[n] == '_' ||
                                  text.p[n] == '-')) {
                n++;
            }
            if (n - at - prefix.n >= secrets[k].more) {
                tell(w, SL_RULE_NOTEBOOK_SECRET, prefix);
                break;
            }
        }
    }
    if (sl_view_find(text, SL_LIT("PRIVATE KEY-----"), 0) != SIZE_MAX) {
        tell(w, SL_RULE_NOTEBOOK_SECRET, SL_LIT("PRIVATE KEY"));
    }
}

/* A string, or a list of strings, joined. */
static sl_res gather(walk *w, const sl_json_node *node)
{
    sl_buf_clear(&w->text);
    w->offset = node == NULL ? 0 : node->offset;
    if (sl_json_is(node, SL_JSON_STRING)) {
        return sl_json_add_text(node, &w->text);
    }
    sl_json_iter it = { 0 };
    while (sl_json_is(node, SL_JSON_ARRAY) && sl_json_each(w->doc, node, &it)) {
        if (it.value->kind == SL_JSON_STRING) {
            SL_TRY(sl_json_add_text(it.value, &w->text));
        }
    }
    return SL_DONE;
}

static sl_res check_source(walk *w, const sl_json_node *cell)
{
    const sl_json_node *source = sl_json_get(w->doc, cell, "source");
    SL_TRY(gather(w, source == NULL ? sl_json_get(w->doc, cell, "input") : source));
    sl_view rest = sl_buf_view(&w->text);
    check_secrets(w, rest);
    w->shell_cell = false;
    w->fetched = false;
    sl_scan_code_shapes(w->scan, rest, false, w->offset);
    while (rest.n > 0) {
        sl_view line = { 0 };
        (void)sl_view_cut(rest, '\n', &line, &rest);
        check_line(w, line);
    }
    return SL_DONE;
}

/* Shown by a browser without anyone running the cell. */
static bool active_html(sl_view html)
{
    static const char *const marks[] = {
        "<script", "javascript:", "<iframe",      "<object",    "<embed",  "onerror=",
        "onload=", "onclick=",    "onmouseover=", "onfocus=",   "srcdoc=", "<meta http-equiv",
        "<form",   "ontoggle=",   "onbegin=",     "onanimation"
    };
    return holds_any(html, marks, SL_COUNT_OF(marks));
}

static sl_res check_bundle(walk *w, const sl_json_node *data)
{
    sl_json_iter it = { 0 };
    while (sl_json_each(w->doc, data, &it)) {
        SL_TRY(gather(w, it.value));
        sl_view text = sl_buf_view(&w->text);
        bool script = sl_json_text_is(it.key, "application/javascript") ||
                      sl_json_text_is(it.key, "text/javascript") ||
                      sl_json_text_is(it.key, "application/x-javascript");
        bool markup = sl_json_text_is(it.key, "text/html") ||
                      sl_json_text_is(it.key, "image/svg+xml") ||
                      sl_json_text_is(it.key, "text/markdown") || sl_json_text_is(it.key, "html");
        if (script || (markup && active_html(text))) {
            tell(w, SL_RULE_NOTEBOOK_ACTIVE, text);
        }
        check_secrets(w, text);
    }
    return SL_DONE;
}

static sl_res check_cell(walk *w, const sl_json_node *cell)
{
    const sl_json_node *type = sl_json_get_kind(w->doc, cell, "cell_type", SL_JSON_STRING);
    bool code = type == NULL || sl_json_text_is(type, "code");
    if (code) {
        SL_TRY(check_source(w, cell));
    } else {
        SL_TRY(gather(w, sl_json_get(w->doc, cell, "source")));
        if (active_html(sl_buf_view(&w->text))) {
            tell(w, SL_RULE_NOTEBOOK_ACTIVE, sl_buf_view(&w->text));
        }
        check_secrets(w, sl_buf_view(&w->text));
    }
    const sl_json_node *outputs = sl_json_get(w->doc, cell, "outputs");
    sl_json_iter it = { 0 };
    while (sl_json_is(outputs, SL_JSON_ARRAY) && sl_json_each(w->doc, outputs, &it)) {
        SL_TRY(check_bundle(w, sl_json_get(w->doc, it.value, "data")));
        SL_TRY(check_bundle(w, it.value->kind == SL_JSON_OBJECT ? it.value : NULL));
    }
    const sl_json_node *attached = sl_json_get(w->doc, cell, "attachments");
    sl_json_iter file = { 0 };
    while (sl_json_is(attached, SL_JSON_OBJECT) && sl_json_each(w->doc, attached, &file)) {
        SL_TRY(check_bundle(w, file.value));
    }
    return SL_DONE;
}

static const sl_json_node *cells_of(const sl_json_doc *doc)
{
    const sl_json_node *root = sl_json_root(doc);
    const sl_json_node *cells = sl_json_get_kind(doc, root, "cells", SL_JSON_ARRAY);
    if (cells != NULL) {
        return cells;
    }
    /* Version 3 kept them one level further down. */
    sl_json_iter it = { 0 };
    const sl_json_node *sheets = sl_json_get_kind(doc, root, "worksheets", SL_JSON_ARRAY);
    return sheets != NULL && sl_json_each(doc, sheets, &it)
               ? sl_json_get_kind(doc, it.value, "cells", SL_JSON_ARRAY)
               : NULL;
}

bool sl_scan_is_notebook(const sl_json_doc *doc)
{
    return sl_json_get(doc, sl_json_root(doc), "nbformat") != NULL && cells_of(doc) != NULL;
}

sl_res sl_scan_notebook_tree(sl_scan *scan, const sl_json_doc *doc)
{
    walk w = { .scan = scan, .doc = doc, .text = { .max = doc->text.n + 1 } };
    sl_json_iter it = { 0 };
    sl_res r = SL_DONE;
    while (sl_ok(r) && sl_json_each(doc, cells_of(doc), &it)) {
        r = check_cell(&w, it.value);
    }
    sl_buf_free(&w.text);
    return r;
}
