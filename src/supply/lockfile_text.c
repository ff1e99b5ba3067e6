/* pip's requirements and conda's files, line by line (lockfile.h). Source: pip's requirements file format,
 * PEP 508, conda's match specifications. */
#include "supply/lockfile_impl.h"

/* The next line without its end and without a comment that stands alone or behind a blank; lines ended by
 * a backslash are joined, in `joined`. */
static sl_res next_line(sl_view *rest, size_t *line, sl_buf *joined, bool *ret_more)
{
    joined->n = 0;
    *ret_more = rest->n > 0;
    for (bool more = rest->n > 0; more;) {
        sl_view text;
        more = sl_view_cut(*rest, '\n', &text, rest);
        (*line)++;
        if (text.n > 0 && text.p[text.n - 1] == '\r') {
            text.n--;
        }
        size_t hash = sl_view_find_byte(text, '#', 0);
        while (hash != SIZE_MAX && hash > 0 && text.p[hash - 1] != ' ' &&
               text.p[hash - 1] != '\t') {
            hash = sl_view_find_byte(text, '#', hash + 1);
        }
        text = sl_view_sub(text, 0, hash == SIZE_MAX ? text.n : hash);
        more = more && text.n > 0 && text.p[text.n - 1] == '\\';
        text.n -= more;
        SL_TRY(sl_buf_add(joined, text));
        SL_TRY(sl_buf_add_byte(joined, ' '));
    }
    return SL_DONE;
}

static bool ends_name(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '[' || c == '=' || c == '<' || c == '>' || c == '!' ||
           c == '~' || c == ';' || c == '@' || c == '(' || c == ',';
}

static bool is_address(sl_view text)
{
    return sl_view_find(text, SL_LIT("://"), 0) != SIZE_MAX ||
           sl_view_starts(text, SL_LIT("git+")) || sl_view_starts(text, SL_LIT("./")) ||
           sl_view_starts(text, SL_LIT("../")) || sl_view_starts(text, SL_LIT("/"));
}

/* "==1.0" alone fixes a version; "==1.*" and anything beside it do not. */
static sl_view pinned(sl_view specifier)
{
    sl_view text = sl_view_trim(specifier);
    if (text.n > 1 && text.p[0] == '(' && text.p[text.n - 1] == ')') {
        text = sl_view_trim(sl_view_sub(text, 1, text.n - 1));
    }
    size_t equal = sl_view_starts(text, SL_LIT("==="))  ? 3
                   : sl_view_starts(text, SL_LIT("==")) ? 2
                                                        : 0;
    sl_view version = sl_view_trim(sl_view_sub(text, equal, text.n));
    bool exact = equal > 0 && version.n > 0 && sl_view_find_byte(version, ',', 0) == SIZE_MAX &&
                 sl_view_find_byte(version, '*', 0) == SIZE_MAX &&
                 sl_view_find_byte(version, ' ', 0) == SIZE_MAX;
    return exact ? version : (sl_view){ 0 };
}

sl_res sl_lockfile_requirement(sl_view text, size_t line, const sl_lockfile_sink *sink)
{
    sl_package package = { .ecosystem = SL_ECOSYSTEM_PYPI, .line = line };
    bool hashed = sl_view_find(text, SL_LIT("--hash="), 0) != SIZE_MAX;
    size_t options = sl_view_find(text, SL_LIT(" --"), 0);
    sl_view body = sl_view_trim(sl_view_sub(text, 0, options));
    size_t n = 0;
    while (n < body.n && !ends_name(body.p[n])) {
        n++;
    }
    package.name = sl_view_sub(body, 0, n);
    sl_view rest = sl_view_trim(sl_view_sub(body, n, body.n));
    if (rest.n > 0 && rest.p[0] == '[') {
        size_t close = sl_view_find_byte(rest, ']', 0);
        rest = sl_view_trim(sl_view_sub(rest, close == SIZE_MAX ? rest.n : close + 1, rest.n));
    }
    if ((rest.n > 0 && rest.p[0] == '@') || is_address(body)) {
        package.flags |= SL_PACKAGE_DIRECT_URL;
        if (is_address(body) && !(rest.n > 0 && rest.p[0] == '@')) {
            sl_lockfile_say(sink, SL_LOCKFILE_UNREAD, body, line); /* an address names no package */
            return SL_DONE;
        }
    } else {
        sl_view specifier;
        sl_view marker;
        (void)sl_view_cut(rest, ';', &specifier, &marker);
        package.version = pinned(specifier);
        package.flags |= package.version.n == 0 ? SL_PACKAGE_UNPINNED : 0;
    }
    package.flags |= hashed ? 0 : SL_PACKAGE_NO_HASH;
    sl_res r = sl_packages_add(sink->packages, &package);
    if (sl_is(r, SL_E_SYNTAX)) {
        sl_lockfile_say(sink, SL_LOCKFILE_UNREAD, body, line);
        return SL_DONE;
    }
    return r;
}

/* "-r file", "--requirement=file", "--index-url https://..." */
static void option(sl_view text, size_t line, const sl_lockfile_sink *sink)
{
    static const char *const FILES[] = { "-r", "--requirement", "-c", "--constraint", NULL };
    static const char *const INDEXES[] = { "-i", "--index-url",  "--extra-index-url",
                                           "-f", "--find-links", NULL };
    static const char *const ADDRESSES[] = { "-e", "--editable", NULL };
    static const struct {
        const char *const *words;
        sl_lockfile_note note;
    } KINDS[] = { { FILES, SL_LOCKFILE_INCLUDES },
                  { INDEXES, SL_LOCKFILE_OTHER_INDEX },
                  { ADDRESSES, SL_LOCKFILE_UNREAD } };
    size_t n = 0;
    while (n < text.n && text.p[n] != ' ' && text.p[n] != '\t' && text.p[n] != '=') {
        n++;
    }
    sl_view word = sl_view_sub(text, 0, n);
    sl_view value = sl_view_trim(sl_view_sub(text, n + 1, text.n));
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        for (size_t j = 0; KINDS[i].words[j] != NULL; j++) {
            if (sl_view_eq_str(word, KINDS[i].words[j])) {
                sl_lockfile_say(sink, KINDS[i].note, value, line);
            }
        }
    }
}

sl_res sl_lockfile_requirements(sl_view content, const sl_lockfile_sink *sink)
{
    SL_OWN(sl_buf, joined, sl_buf_free) = { .max = SL_LOCKFILE_BYTES_MAX + 16 };
    sl_view rest = content;
    size_t line = 0;
    for (;;) {
        bool more = false;
        size_t first = line + 1;
        SL_TRY(next_line(&rest, &line, &joined, &more));
        if (!more) {
            return SL_DONE;
        }
        sl_view text = sl_view_trim(sl_buf_view(&joined));
        if (text.n > 0 && text.p[0] == '-') {
            option(text, first, sink);
        } else if (text.n > 0) {
            SL_TRY(sl_lockfile_requirement(text, first, sink));
        }
    }
}

/* conda: "channel::name=version=build", or an address ".../name-version-build.conda#hash". */
static sl_res conda_spec(sl_view text, size_t line, const sl_lockfile_sink *sink)
{
    sl_package package = { .ecosystem = SL_ECOSYSTEM_CONDA, .line = line };
    size_t channel = sl_view_find(text, SL_LIT("::"), 0);
    sl_view body = channel == SIZE_MAX ? text : sl_view_sub(text, channel + 2, text.n);
    size_t n = 0;
    while (n < body.n && !ends_name(body.p[n])) {
        n++;
    }
    package.name = sl_view_sub(body, 0, n);
    sl_view rest = sl_view_trim(sl_view_sub(body, n, body.n));
    if (sl_view_starts(rest, SL_LIT("=="))) {
        package.version = pinned(rest);
    } else if (rest.n > 1 && rest.p[0] == '=') {
        sl_view build;
        /* "=1.2" means 1.2.*: only with a build is it one version */
        bool exact = sl_view_cut(sl_view_sub(rest, 1, rest.n), '=', &package.version, &build);
        package.flags |= exact ? 0 : SL_PACKAGE_UNPINNED;
    }
    package.flags |= SL_PACKAGE_NO_HASH | (package.version.n == 0 ? SL_PACKAGE_UNPINNED : 0);
    sl_res r = sl_packages_add(sink->packages, &package);
    if (sl_is(r, SL_E_SYNTAX)) {
        sl_lockfile_say(sink, SL_LOCKFILE_UNREAD, body, line);
        return SL_DONE;
    }
    return r;
}

static size_t last_of(sl_view v, uint8_t byte)
{
    size_t at = v.n;
    while (at > 0 && v.p[at - 1] != byte) {
        at--;
    }
    return at == 0 ? SIZE_MAX : at - 1;
}

static sl_res conda_address(sl_view text, size_t line, const sl_lockfile_sink *sink)
{
    sl_view address;
    sl_view hash;
    sl_package package = { .ecosystem = SL_ECOSYSTEM_CONDA, .line = line };
    bool hashed = sl_view_cut(text, '#', &address, &hash);
    size_t slash = last_of(address, '/');
    sl_view file = sl_view_sub(address, slash + 1, address.n);
    size_t build = last_of(file, '-');
    sl_view head = sl_view_sub(file, 0, build == SIZE_MAX ? 0 : build);
    size_t version = last_of(head, '-');
    if (version == SIZE_MAX) {
        sl_lockfile_say(sink, SL_LOCKFILE_UNREAD, text, line);
        return SL_DONE;
    }
    package.name = sl_view_sub(head, 0, version);
    package.version = sl_view_sub(head, version + 1, head.n);
    package.flags = hashed && hash.n > 0 ? 0 : SL_PACKAGE_NO_HASH;
    return sl_packages_add(sink->packages, &package);
}

static sl_res conda_explicit(sl_view content, const sl_lockfile_sink *sink)
{
    sl_view rest = content;
    size_t line = 0;
    for (bool more = true; more;) {
        sl_view text;
        more = sl_view_cut(rest, '\n', &text, &rest);
        line++;
        text = sl_view_trim(text);
        if (text.n > 0 && text.p[text.n - 1] == '\r') {
            text.n--;
        }
        if (sl_view_starts(text, SL_LIT("http"))) {
            SL_TRY(conda_address(text, line, sink));
        }
    }
    return SL_DONE;
}

/* An environment's list: items under "dependencies:", and pip's own under "- pip:". The few lines of YAML
 * that conda writes are read as lines, since its versions would be numbers to a YAML reader. */
sl_res sl_lockfile_conda(sl_view content, const sl_lockfile_sink *sink)
{
    if (sl_view_find(content, SL_LIT("@EXPLICIT"), 0) != SIZE_MAX) {
        return conda_explicit(content, sink);
    }
    SL_OWN(sl_buf, joined, sl_buf_free) = { .max = SL_LOCKFILE_BYTES_MAX + 16 };
    sl_view rest = content;
    size_t line = 0;
    size_t pip_indent = SIZE_MAX;
    bool inside = false;
    for (;;) {
        bool more = false;
        SL_TRY(next_line(&rest, &line, &joined, &more));
        if (!more) {
            return SL_DONE;
        }
        sl_view whole = sl_buf_view(&joined);
        sl_view text = sl_view_trim(whole);
        size_t indent = text.n > 0 ? (size_t)(text.p - whole.p) : 0;
        if (text.n == 0) {
            continue;
        }
        if (text.p[0] != '-') {
            inside = sl_view_starts(text, SL_LIT("dependencies:"));
            continue;
        }
        sl_view item = sl_view_trim(sl_view_sub(text, 1, text.n));
        if (item.n > 1 && (item.p[0] == '"' || item.p[0] == '\'')) {
            item = sl_view_sub(item, 1, item.n - 1);
        }
        if (inside && sl_view_eq_str(item, "pip:")) {
            pip_indent = indent;
        } else if (inside && pip_indent != SIZE_MAX && indent > pip_indent) {
            SL_TRY(sl_lockfile_requirement(item, line, sink));
        } else if (inside) {
            pip_indent = SIZE_MAX;
            SL_TRY(conda_spec(item, line, sink));
        }
    }
}
