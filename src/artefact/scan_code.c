/* Source code and YAML beside weights. Code is never clean, because loading a model with it runs it: a person
 * reads it. Only shapes that nobody writes in good faith are told as dangerous: running what was decoded or
 * fetched a moment before. YAML is data until a tag or a target makes it call.
 * Source: PyYAML's python tags, hydra instantiate, MLflow's MLmodel. */
#include <string.h>

#include "artefact/format_parts.h"

#define TEXT_BYTES_MAX (8 * ((size_t)1 << 20))

static bool is_text(sl_view head)
{
    return head.n > 0 && sl_view_find_byte(head, 0, 0) == SIZE_MAX && (head.p[0] & 0x80) == 0 &&
           (head.p[0] >= ' ' || head.p[0] == '\n' || head.p[0] == '\r' || head.p[0] == '\t');
}

static bool named(sl_view name, const char *const *ends, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sl_view_ends(name, sl_view_str(ends[i]))) {
            return true;
        }
    }
    return false;
}

/* ---- code ---- */

static bool active(sl_view page)
{
    static const char *const marks[] = { "<script",  "<SCRIPT",   "javascript:", "<iframe",
                                         " onload=", " onerror=", "<object",     "<embed" };
    for (size_t i = 0; i < SL_COUNT_OF(marks); i++) {
        if (sl_view_find(page, sl_view_str(marks[i]), 0) != SIZE_MAX) {
            return true;
        }
    }
    return false;
}

sl_identity sl_identify_code(const sl_probe *probe)
{
    static const char *const ends[] = {
        ".py",      ".pyw",       ".pyx",          ".pxd",        ".ipy",
        ".sh",      ".bash",      ".zsh",          ".fish",       ".ksh",
        ".ps1",     ".psm1",      ".bat",          ".cmd",        ".vbs",
        ".vbe",     ".wsf",       ".jse",          ".hta",        ".R",
        ".r",       ".Rmd",       ".qmd",          ".Rprofile",   ".jl",
        ".m",       ".lua",       ".js",           ".mjs",        ".cjs",
        ".rb",      ".pl",        ".pm",           ".php",        ".c",
        ".h",       ".cc",        ".cpp",          ".cxx",        ".hpp",
        ".cu",      ".cuh",       ".cl",           ".metal",      ".mm",
        ".swift",   ".rs",        ".go",           ".java",       ".kt",
        ".scala",   ".groovy",    ".gradle",       ".sas",        ".desktop",
        ".url",     ".reg",       ".inf",          ".mk",         ".cmake",
        "Makefile", "Dockerfile", "Containerfile", "Jenkinsfile", "CMakeLists.txt",
        ".html",    ".htm",       ".xhtml"
    };
    /* A .pth file of text is no weights: Python runs its lines that begin so, at every start. */
    bool path_file = sl_view_ends(probe->name, SL_LIT(".pth")) &&
                     (sl_view_starts(probe->head, SL_LIT("import ")) ||
                      sl_view_find(probe->head, SL_LIT("\nimport "), 0) != SIZE_MAX);
    bool script = sl_view_starts(probe->head, SL_LIT("#!"));
    bool page =
        sl_view_ends(probe->name, SL_LIT("html")) || sl_view_ends(probe->name, SL_LIT(".htm"));
    bool code = is_text(probe->head) &&
                (script || path_file ||
                 (named(probe->name, ends, SL_COUNT_OF(ends)) && (!page || active(probe->head))));
    return code ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

static bool holds_any(sl_view text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sl_view_find(text, sl_view_str(list[i]), 0) != SIZE_MAX) {
            return true;
        }
    }
    return false;
}

/* Both on one line: something that runs code, and something that makes it from data or the net. */
static void check_line(sl_scan *scan, sl_view line, uint64_t offset)
{
    static const char *const runs[] = { "exec(",
                                        "eval(",
                                        "os.system(",
                                        "subprocess.",
                                        "| sh",
                                        "|sh",
                                        "| bash",
                                        "|bash",
                                        "marshal.loads(",
                                        "pickle.loads(",
                                        "__import__(",
                                        "iex ",
                                        "Invoke-Expression",
                                        "os.popen(" };
    static const char *const makes[] = {
        "b64decode(",     "base64 -d",      "base64.",   "fromhex(", "zlib.decompress(",
        "urlopen(",       "requests.get(",  "curl ",     "wget ",    "decode('rot",
        "codecs.decode(", "DownloadString", "/dev/tcp/", "'\\x",     "\"\\x"
    };
    static const char *const always[] = { "pty.spawn(",
                                          "os.dup2(",
                                          "/dev/tcp/",
                                          "socket.socket(socket.AF_INET",
                                          "ctypes.CDLL(",
                                          "getattr(__builtins__",
                                          "__builtins__.__dict__" };
    if (line.n > 0 && (holds_any(line, always, SL_COUNT_OF(always)) ||
                       (holds_any(line, runs, SL_COUNT_OF(runs)) &&
                        holds_any(line, makes, SL_COUNT_OF(makes))))) {
        sl_scan_report(scan, SL_RULE_CODE_HOSTILE, offset, line);
    }
}

sl_res sl_scan_code(sl_scan *scan, sl_source *source)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { 0 };
    sl_scan_report(scan, SL_RULE_CODE_SOURCE, 0, sl_scan_name(scan));
    SL_TRY(sl_scan_load(source, TEXT_BYTES_MAX, &text));
    sl_view rest = sl_buf_view(&text);
    uint64_t offset = 0;
    if (!sl_view_starts(rest, SL_LIT("#!")) || sl_view_find(rest, SL_LIT("python"), 0) < 64) {
        sl_scan_code_shapes(scan, rest, true, 0);
    }
    while (rest.n > 0) {
        sl_view line = { 0 };
        (void)sl_view_cut(rest, '\n', &line, &rest);
        check_line(scan, sl_view_trim(line), offset);
        offset += line.n + 1;
    }
    return SL_DONE;
}

/* ---- YAML ---- */

sl_identity sl_identify_yaml(const sl_probe *probe)
{
    static const char *const ends[] = { ".yaml", ".yml", "MLmodel", ".mlmodel.txt" };
    return is_text(probe->head) && named(probe->name, ends, SL_COUNT_OF(ends)) ? SL_IDENTIFY_YES
                                                                               : SL_IDENTIFY_NO;
}

/* The value behind "key:" if the line has this key, without quotes. */
static bool value_of(sl_view line, const char *key, sl_view *ret_value)
{
    sl_view k = sl_view_str(key);
    sl_view t = sl_view_trim(line);
    while (t.n > 0 &&
           (t.p[0] == '-' || t.p[0] == ' ' || t.p[0] == '{' || t.p[0] == '"' || t.p[0] == '\'')) {
        t = sl_view_sub(t, 1, t.n);
    }
    if (!sl_view_starts(t, k)) {
        return false;
    }
    t = sl_view_sub(t, k.n, t.n);
    while (t.n > 0 && (t.p[0] == '"' || t.p[0] == '\'' || t.p[0] == ' ')) {
        t = sl_view_sub(t, 1, t.n);
    }
    if (t.n == 0 || t.p[0] != ':') {
        return false;
    }
    t = sl_view_sub(t, 1, t.n);
    while (t.n > 0 && (t.p[0] == '"' || t.p[0] == '\'' || t.p[0] == ' ')) {
        t = sl_view_sub(t, 1, t.n);
    }
    *ret_value = t;
    return true;
}

static bool known_target(sl_view value, const char *const *known, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sl_view_starts(value, sl_view_str(known[i])) &&
            sl_view_find(value, SL_LIT("__"), 0) == SIZE_MAX) {
            return true;
        }
    }
    return false;
}

static void check_yaml_line(sl_scan *scan, sl_view line, uint64_t offset)
{
    static const char *const tags[] = { "!!python/",
                                        "!python/",
                                        "yaml.org,2002:python/",
                                        "!!javax.",
                                        "!!java.",
                                        "!!com.",
                                        "!!org.",
                                        "!ruby/",
                                        "!!js/function",
                                        "!!js/regexp",
                                        "!<tag:yaml.org,2002:py" };
    static const char *const targets[] = {
        "nemo.",      "torch.nn.",          "torch.optim.", "transformers.", "monai.",
        "lightning.", "pytorch_lightning.", "torchvision.", "torchmetrics.", "megatron.",
        "diffusers.", "fairseq2.",          "torchtune.",   "sgm.",          "ldm.",
        "modulus."
    };
    static const char *const loaders[] = { "mlflow." };
    sl_view value = { 0 };
    if (holds_any(line, tags, SL_COUNT_OF(tags))) {
        sl_scan_report(scan, SL_RULE_CONFIG_TAG, offset, line);
    }
    if (value_of(line, "_target_", &value) && value.n > 0 &&
        !known_target(value, targets, SL_COUNT_OF(targets))) {
        sl_scan_report(scan, SL_RULE_CONFIG_TARGET, offset, value);
    } else if (value_of(line, "loader_module", &value) && value.n > 0 &&
               !known_target(value, loaders, SL_COUNT_OF(loaders))) {
        sl_scan_report(scan, SL_RULE_CONFIG_REMOTE_CODE, offset, value);
    } else if (value_of(line, "trust_remote_code", &value) &&
               (sl_view_starts(value, SL_LIT("true")) || sl_view_starts(value, SL_LIT("True")))) {
        sl_scan_report(scan, SL_RULE_CONFIG_TRUST, offset, line);
    }
}

sl_res sl_scan_yaml(sl_scan *scan, sl_source *source)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { 0 };
    SL_TRY(sl_scan_load(source, TEXT_BYTES_MAX, &text));
    sl_view rest = sl_buf_view(&text);
    uint64_t offset = 0;
    while (rest.n > 0) {
        sl_view line = { 0 };
        (void)sl_view_cut(rest, '\n', &line, &rest);
        line.n -= sl_view_ends(line, SL_LIT("\r")) ? 1 : 0;
        check_yaml_line(scan, line, offset);
        offset += line.n + 1;
    }
    return SL_DONE;
}
