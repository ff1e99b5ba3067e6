/* XML and PMML: text that parsers expand and fetch for. Any document type or entity is told, since no model
 * needs one and old parsers follow them; so are includes, style sheets, scripts, and encodings in which a
 * check and a parser would read different text. Tags must match. The text itself is not judged.
 * Source: XML 1.0, OWASP on external entities; PMML 4.4, element Extension. */
#include <string.h>

#include "artefact/format_parts.h"

#define DEPTH_MAX ((size_t)256)
/* A tag, comment or section held whole. */
#define PIECE_BYTES_MAX (4 * ((size_t)1 << 20))

typedef struct {
    sl_scan *scan;
    sl_buf text;     /* what was read and is not yet done with */
    uint64_t offset; /* of its first byte */
    uint64_t names[DEPTH_MAX];
    size_t depth;
    bool extension; /* inside of an Extension */
    size_t extension_depth;
    bool rooted;
} reader;

sl_identity sl_identify_xml(const sl_probe *probe)
{
    sl_view h = probe->head;
    size_t at = sl_view_starts(h, SL_LIT("\xEF\xBB\xBF")) ? 3 : 0;
    while (at < h.n && (h.p[at] == ' ' || h.p[at] == '\n' || h.p[at] == '\r' || h.p[at] == '\t')) {
        at++;
    }
    sl_view text = sl_view_sub(h, at, h.n);
    bool wide = sl_view_starts(h, SL_LIT("\xFF\xFE<\0")) ||
                sl_view_starts(h, SL_LIT("\xFE\xFF\0<")) || sl_view_starts(h, SL_LIT("<\0?\0")) ||
                sl_view_starts(h, SL_LIT("\0<\0?"));
    bool plain = sl_view_starts(text, SL_LIT("<?xml")) || sl_view_starts(text, SL_LIT("<PMML")) ||
                 sl_view_starts(text, SL_LIT("<svg"));
    bool type = sl_view_starts(text, SL_LIT("<!DOCTYPE")) &&
                !sl_text_holds(sl_view_sub(text, 0, 64), "html");
    /* Without a declaration an element's name could begin anything, so the file's name must help. */
    bool named =
        text.n > 1 && text.p[0] == '<' && ((text.p[1] | 32) >= 'a' && (text.p[1] | 32) <= 'z') &&
        (sl_view_ends(probe->name, SL_LIT(".xml")) || sl_view_ends(probe->name, SL_LIT(".pmml")));
    return wide || plain || type || named ? SL_IDENTIFY_YES : SL_IDENTIFY_NO;
}

static void tell(const reader *r, sl_rule rule, size_t at, sl_view evidence)
{
    sl_scan_report(r->scan, rule, r->offset + at, sl_view_sub(evidence, 0, 120));
}

static uint64_t name_hash(sl_view name)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < name.n; i++) {
        hash = (hash ^ name.p[i]) * 1099511628211u;
    }
    return hash;
}

static sl_view name_of(sl_view tag)
{
    size_t n = 0;
    while (n < tag.n && tag.p[n] > ' ' && tag.p[n] != '/' && tag.p[n] != '>') {
        n++;
    }
    return sl_view_sub(tag, 0, n);
}

/* Without its prefix. */
static sl_view local_of(sl_view name)
{
    size_t colon = sl_view_find_byte(name, ':', 0);
    return colon == SIZE_MAX ? name : sl_view_sub(name, colon + 1, name.n);
}

static void check_element(reader *r, size_t at, sl_view tag, sl_view local)
{
    if (sl_view_eq_nocase(local, SL_LIT("script"))) {
        tell(r, SL_RULE_XML_SCRIPT, at, tag);
    } else if (sl_view_eq_nocase(local, SL_LIT("extension"))) {
        r->extension = true;
        r->extension_depth = r->depth;
        if (sl_text_holds(tag, "script") || sl_text_holds(tag, "python") ||
            sl_text_holds(tag, "exec")) {
            tell(r, SL_RULE_XML_SCRIPT, at, tag);
        }
    } else if (sl_view_eq_nocase(local, SL_LIT("include")) && sl_text_holds(tag, "href")) {
        tell(r, SL_RULE_XML_INCLUDE, at, tag);
    } else if (r->extension && (sl_view_eq_nocase(local, SL_LIT("eval")) ||
                                sl_view_eq_nocase(local, SL_LIT("code")))) {
        tell(r, SL_RULE_XML_SCRIPT, at, tag);
    }
}

/* `tag` stands between the angles. */
static sl_res read_tag(reader *r, size_t at, sl_view tag)
{
    if (tag.n > 0 && tag.p[0] == '/') {
        sl_view name = name_of(sl_view_sub(tag, 1, tag.n));
        if (r->depth == 0 || r->names[r->depth - 1] != name_hash(name)) {
            return sl_fail_at(SL_E_SYNTAX, "xml end tag", r->offset + at);
        }
        r->depth--;
        r->extension = r->extension && r->depth > r->extension_depth;
        return SL_DONE;
    }
    sl_view name = name_of(tag);
    if (name.n == 0 || (r->rooted && r->depth == 0)) {
        return sl_fail_at(SL_E_SYNTAX, "xml element", r->offset + at);
    }
    check_element(r, at, tag, local_of(name));
    r->rooted = true;
    if (tag.p[tag.n - 1] == '/') {
        return SL_DONE;
    }
    if (r->depth == DEPTH_MAX) {
        return sl_fail_at(SL_E_DEPTH, "xml depth", r->offset + at);
    }
    r->names[r->depth++] = name_hash(name);
    return SL_DONE;
}

/* An instruction for a processor; the first of all is the declaration. */
static void read_instruction(reader *r, size_t at, sl_view text)
{
    if (sl_view_starts(text, SL_LIT("xml-stylesheet"))) {
        tell(r, SL_RULE_XML_STYLE, at,
             text); /* clinical documents carry one; data readers ignore it */
        return;
    }
    size_t encoding = sl_view_find(text, SL_LIT("encoding"), 0);
    if (!sl_view_starts(text, SL_LIT("xml ")) || encoding == SIZE_MAX) {
        return;
    }
    sl_view rest = sl_view_sub(text, encoding, encoding + 40);
    if (!sl_text_holds(rest, "utf-8") && !sl_text_holds(rest, "ascii") &&
        !sl_text_holds(rest, "8859-1") && !sl_text_holds(rest, "windows-1252")) {
        tell(r, SL_RULE_XML_ENCODING, at, text);
    }
}

/* The end of the tag that begins at `at`; quotes may hold angles. */
static size_t tag_end(sl_view text, size_t at)
{
    uint8_t quote = 0;
    for (size_t i = at; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>') {
            return i;
        }
    }
    return SIZE_MAX;
}

/* One piece of markup at `at` (an angle). `*ret_next` is behind it, SIZE_MAX if more text is needed. */
static sl_res read_markup(reader *r, size_t at, size_t *ret_next)
{
    static const struct {
        const char *begin;
        const char *end;
    } spans[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };
    sl_view text = sl_buf_view(&r->text);
    sl_view rest = sl_view_sub(text, at, text.n);
    for (size_t i = 0; i < SL_COUNT_OF(spans); i++) {
        sl_view begin = sl_view_str(spans[i].begin);
        if (!sl_view_starts(rest, begin)) {
            continue;
        }
        size_t end = sl_view_find(text, sl_view_str(spans[i].end), at + begin.n);
        if (end != SIZE_MAX && i == 2) {
            read_instruction(r, at, sl_view_sub(text, at + 2, end));
        }
        *ret_next = end == SIZE_MAX ? SIZE_MAX : end + strlen(spans[i].end);
        return SL_DONE;
    }
    if (rest.n < 9 && rest.n > 1 && rest.p[1] == '!') {
        *ret_next = SIZE_MAX;
        return SL_DONE;
    }
    size_t end = tag_end(text, at + 1);
    if (sl_view_starts(rest, SL_LIT("<!"))) {
        tell(r, SL_RULE_XML_DOCTYPE, at, rest);
        /* What it declares is not read further: the file is condemned already. */
        return sl_fail_at(SL_E_SYNTAX, "xml document type", r->offset + at);
    }
    *ret_next = end == SIZE_MAX ? SIZE_MAX : end + 1;
    return end == SIZE_MAX ? SL_DONE : read_tag(r, at, sl_view_sub(text, at + 1, end));
}

/* Reads what is whole of the text held, and drops it. */
static sl_res read_text(reader *r, bool last)
{
    size_t at = 0;
    while (at < r->text.n) {
        const uint8_t *angle = memchr(r->text.p + at, '<', r->text.n - at);
        if (angle == NULL) {
            at = r->text.n;
            break;
        }
        size_t from = (size_t)(angle - r->text.p);
        size_t next = SIZE_MAX;
        SL_TRY(sl_scan_spend(r->scan, SL_SPEND_NODES, 1));
        SL_TRY(read_markup(r, from, &next));
        if (next == SIZE_MAX) {
            if (last) {
                return sl_fail_at(SL_E_TRUNCATED, "xml markup", r->offset + from);
            }
            at = from;
            break;
        }
        at = next;
    }
    sl_buf_drop_front(&r->text, at);
    r->offset += at;
    return SL_DONE;
}

static sl_res read_file(reader *r, sl_source *source)
{
    uint64_t size = sl_source_size(source);
    for (uint64_t at = 0; at < size;) {
        sl_view piece = { 0 };
        SL_TRY(sl_source_at(source, at, SL_SOURCE_WINDOW_MAX, &piece));
        if (sl_view_find_byte(piece, 0, 0) != SIZE_MAX) {
            sl_scan_report_str(r->scan, SL_RULE_XML_ENCODING, at, "zero bytes: a wide encoding");
            return SL_DONE;
        }
        at += piece.n;
        SL_TRY(sl_buf_add(&r->text, piece));
        SL_TRY(read_text(r, at >= size));
    }
    if (r->depth > 0 || !r->rooted) {
        return sl_fail_at(SL_E_TRUNCATED, "xml element", size);
    }
    return SL_DONE;
}

sl_res sl_scan_xml(sl_scan *scan, sl_source *source)
{
    reader r = { .scan = scan, .text = { .max = PIECE_BYTES_MAX } };
    sl_res done = read_file(&r, source);
    sl_buf_free(&r.text);
    return done;
}
