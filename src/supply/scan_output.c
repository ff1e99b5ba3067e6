/* Output forms of a scan (scan_output.h). */
#include "supply/scan_output.h"

#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

/* ---- paths ---- */

static sl_res put_escaped(sl_buf *out, sl_view path, bool uri)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    bool text = sl_utf8_check(path) == path.n;
    for (size_t i = 0; i < path.n; i++) {
        uint8_t c = path.p[i];
        bool keep = uri ? memchr(plain, c, sizeof plain - 1) != NULL
                        : (c >= 0x20 && c != 0x7f && (c < 0x80 || text));
        if (keep) {
            SL_TRY(sl_buf_add_byte(out, c));
        } else {
            const char code[] = { '%', hex[c >> 4], hex[c & 15], 0 };
            SL_TRY(sl_buf_add_str(out, code));
        }
    }
    return SL_DONE;
}

static sl_res put_path(sl_json_writer *w, const char *name, sl_view path, bool uri)
{
    SL_OWN(sl_buf, clean, sl_buf_free) = { .max = (size_t)1 << 20 };
    SL_TRY(put_escaped(&clean, path, uri));
    sl_json_put_string(w, name, sl_buf_view(&clean));
    return SL_DONE;
}

/* "a b c" as ["a","b","c"]. */
static void put_words(sl_json_writer *w, const char *name, const char *words)
{
    sl_view rest = sl_view_str(words);
    sl_json_key(w, name);
    sl_json_array_begin(w);
    while (rest.n != 0) {
        sl_view one = { 0 };
        (void)sl_view_cut(rest, ' ', &one, &rest);
        sl_json_string(w, one);
    }
    sl_json_array_end(w);
}

/* ---- JSON lines ---- */

static void put_finding(sl_json_writer *w, const sl_scan_finding *f)
{
    const sl_rule_info *rule = sl_rule_get(f->rule);
    sl_json_object_begin(w);
    sl_json_put_str(w, "rule", rule->name);
    sl_json_put_str(w, "severity", sl_severity_name(rule->severity));
    sl_json_put_str(w, "class", sl_scan_class_name(rule->class));
    if (f->offset != SL_NOWHERE) {
        sl_json_put_uint(w, "offset", f->offset);
        sl_json_put_str(w, "unit", "bytes");
    }
    sl_json_put_string(w, "member", f->member);
    sl_json_put_string(w, "evidence", f->evidence);
    sl_json_put_str(w, "title", rule->title);
    sl_json_put_str(w, "remedy", rule->remedy);
    put_words(w, "refs", rule->refs);
    sl_json_object_end(w);
}

sl_res sl_scan_json_line(sl_view path, const sl_scan_result *result, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    SL_TRY(put_path(&w, "path", path, false));
    sl_json_put_str(&w, "class", sl_scan_class_name(result->class));
    sl_json_put_bool(&w, "complete", result->complete);
    sl_json_put_str(&w, "kind", sl_kind_name(result->kind));
    if (result->hashed) {
        sl_digest_put(&w, "sha256", &result->sha256);
    } else {
        sl_json_key(&w, "sha256");
        sl_json_null(&w);
    }
    sl_json_put_uint(&w, "bytes", result->bytes);
    sl_json_put_uint(&w, "members", result->members);
    sl_json_key(&w, "findings");
    sl_json_array_begin(&w);
    for (size_t i = 0; i < result->finding_count; i++) {
        put_finding(&w, &result->findings[i]);
    }
    sl_json_array_end(&w);
    if (result->suppressed != 0) {
        sl_json_put_uint(&w, "more", result->suppressed);
    }
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

void sl_scan_total(sl_scan_totals *totals, const sl_scan_result *result)
{
    totals->files++;
    totals->bytes += result->bytes;
    totals->incomplete += !result->complete;
    totals->classes[result->class]++;
}

static void put_allow(sl_json_writer *w, const sl_allow *allow)
{
    sl_json_key(w, "allow");
    sl_json_object_begin(w);
    sl_json_put_string(w, "pack", sl_allow_version(allow));
    sl_digest_put(w, "sha256", sl_allow_digest(allow));
    sl_json_object_end(w);
}

static void put_counts(sl_json_writer *w, const sl_scan_totals *totals)
{
    sl_json_put_uint(w, "files", totals->files);
    sl_json_put_uint(w, "bytes", totals->bytes);
    sl_json_put_uint(w, "incomplete", totals->incomplete);
    for (unsigned c = 0; c < SL_SCAN_CLASS_COUNT; c++) {
        sl_json_put_uint(w, sl_scan_class_name((sl_scan_class)c), totals->classes[c]);
    }
}

sl_res sl_scan_json_summary(const sl_scan_totals *totals, const sl_allow *allow, sl_buf *out)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_key(&w, "summary");
    sl_json_object_begin(&w);
    put_counts(&w, totals);
    put_allow(&w, allow);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

/* ---- SARIF ---- */

static const char *level_of(const sl_rule_info *rule)
{
    return rule->severity >= SL_SEVERITY_HIGH     ? "error"
           : rule->severity == SL_SEVERITY_MEDIUM ? "warning"
                                                  : "note";
}

static void put_text(sl_json_writer *w, const char *name, const char *text)
{
    sl_json_key(w, name);
    sl_json_object_begin(w);
    sl_json_put_str(w, "text", text);
    sl_json_object_end(w);
}

/* What code-scanning front ends sort by; the figures are CVSS's lower bounds of each word. */
static const char *score_of(sl_severity severity)
{
    static const char *const scores[] = { "0.0", "2.0", "4.0", "7.0", "9.0" };
    return scores[severity];
}

static void put_rule(sl_json_writer *w, const sl_rule_info *rule)
{
    sl_json_object_begin(w);
    sl_json_put_str(w, "id", rule->name);
    put_text(w, "shortDescription", rule->title);
    put_text(w, "help", rule->remedy);
    sl_json_key(w, "defaultConfiguration");
    sl_json_object_begin(w);
    sl_json_put_str(w, "level", level_of(rule));
    sl_json_object_end(w);
    sl_json_key(w, "properties");
    sl_json_object_begin(w);
    sl_json_put_str(w, "security-severity", score_of(rule->severity));
    put_words(w, "tags", rule->refs);
    sl_json_object_end(w);
    sl_json_object_end(w);
}

sl_res sl_scan_sarif_begin(sl_buf *out, const char *version)
{
    SL_TRY(sl_buf_add_str(out, "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\","
                               "\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":"));
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "name", "stoplog scan");
    sl_json_put_str(&w, "version", version);
    sl_json_key(&w, "rules");
    sl_json_array_begin(&w);
    for (unsigned r = 0; r < SL_RULE_COUNT; r++) {
        put_rule(&w, sl_rule_get((sl_rule)r));
    }
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_str(out, "},\"columnKind\":\"unicodeCodePoints\",\"results\":[");
}

static sl_res put_location(sl_json_writer *w, sl_view path, const sl_scan_finding *f)
{
    sl_json_key(w, "locations");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    sl_json_key(w, "physicalLocation");
    sl_json_object_begin(w);
    sl_json_key(w, "artifactLocation");
    sl_json_object_begin(w);
    SL_TRY(put_path(w, "uri", path, true));
    sl_json_object_end(w);
    /* An offset inside of a member is no offset of the file. */
    if (f->offset <= INT64_MAX && f->member.n == 0) {
        sl_json_key(w, "region");
        sl_json_object_begin(w);
        sl_json_put_uint(w, "byteOffset", f->offset);
        sl_json_put_uint(w, "byteLength", 0);
        sl_json_object_end(w);
    }
    sl_json_object_end(w);
    if (f->member.n != 0) {
        sl_json_key(w, "logicalLocations");
        sl_json_array_begin(w);
        sl_json_object_begin(w);
        sl_json_put_string(w, "fullyQualifiedName", f->member);
        sl_json_put_str(w, "kind", "member");
        sl_json_object_end(w);
        sl_json_array_end(w);
    }
    sl_json_object_end(w);
    sl_json_array_end(w);
    return SL_DONE;
}

static sl_res put_result(sl_view path, const sl_scan_result *result, const sl_scan_finding *f,
                         sl_buf *out)
{
    const sl_rule_info *rule = sl_rule_get(f->rule);
    SL_OWN(sl_buf, message, sl_buf_free) = { .max = 65536 };
    SL_TRY(sl_buf_addf(&message, "%s%s%.*s", rule->title, f->evidence.n == 0 ? "" : ": ",
                       SL_FMT(f->evidence)));
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "ruleId", rule->name);
    sl_json_put_uint(&w, "ruleIndex", (uint64_t)f->rule);
    sl_json_put_str(&w, "level", level_of(rule));
    sl_json_key(&w, "message");
    sl_json_object_begin(&w);
    sl_json_put_string(&w, "text", sl_buf_view(&message));
    sl_json_object_end(&w);
    SL_TRY(put_location(&w, path, f));
    sl_json_key(&w, "properties");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "class", sl_scan_class_name(result->class));
    if (result->hashed) {
        sl_digest_put(&w, "sha256", &result->sha256);
    }
    if (f->member.n != 0 && f->offset != SL_NOWHERE) {
        sl_json_put_uint(&w, "memberOffset", f->offset);
    }
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

sl_res sl_scan_sarif_add(sl_view path, const sl_scan_result *result, bool *first, sl_buf *out)
{
    for (size_t i = 0; i < result->finding_count; i++) {
        if (!*first) {
            SL_TRY(sl_buf_add_byte(out, ','));
        }
        *first = false;
        SL_TRY(put_result(path, result, &result->findings[i], out));
    }
    return SL_DONE;
}

sl_res sl_scan_sarif_end(const sl_allow *allow, bool all_read, sl_buf *out)
{
    SL_TRY(sl_buf_add_str(out, "],\"invocations\":[{\"executionSuccessful\":"));
    SL_TRY(sl_buf_add_str(out, all_read ? "true}],\"properties\":" : "false}],\"properties\":"));
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    put_allow(&w, allow);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_str(out, "}]}");
}

/* ---- in-toto ---- */

sl_res sl_scan_svr_begin(sl_buf *out)
{
    return sl_buf_add_str(out, "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[");
}

sl_res sl_scan_svr_add(sl_view path, const sl_scan_result *result, bool *first, sl_buf *out)
{
    if (!result->hashed) {
        return SL_DONE; /* a subject without a digest says nothing about anything */
    }
    if (!*first) {
        SL_TRY(sl_buf_add_byte(out, ','));
    }
    *first = false;
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    SL_TRY(put_path(&w, "name", path, false));
    sl_json_key(&w, "digest");
    sl_json_object_begin(&w);
    sl_digest_put(&w, "sha256", &result->sha256);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

/* Properties are facts that hold for every subject. */
static void put_properties(sl_json_writer *w, const sl_scan_totals *t)
{
    sl_json_key(w, "properties");
    sl_json_array_begin(w);
    sl_json_string(w, SL_LIT("STOPLOG_SCANNED"));
    if (t->incomplete == 0) {
        sl_json_string(w, SL_LIT("STOPLOG_SCAN_COMPLETE"));
    }
    if (t->classes[SL_SCAN_DANGEROUS] == 0 && t->classes[SL_SCAN_MALFORMED] == 0) {
        sl_json_string(w, SL_LIT("STOPLOG_NOTHING_DANGEROUS"));
    }
    if (t->classes[SL_SCAN_CLEAN] == t->files && t->incomplete == 0) {
        sl_json_string(w, SL_LIT("STOPLOG_CLEAN"));
    }
    sl_json_array_end(w);
}

sl_res sl_scan_svr_end(const sl_scan_totals *totals, const sl_allow *allow, const char *version,
                       const char *time, sl_buf *out)
{
    SL_TRY(sl_buf_add_str(out, "],\"predicateType\":\"https://in-toto.io/attestation/svr/v0.2\","
                               "\"predicate\":"));
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_key(&w, "verifier");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "id", "https://stoplog.invalid/scan");
    sl_json_key(&w, "version");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "stoplog", version);
    sl_json_put_string(&w, "allow", sl_allow_version(allow));
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    sl_json_put_str(&w, "timeCreated", time);
    put_properties(&w, totals);
    sl_json_key(&w, "stoplog");
    sl_json_object_begin(&w);
    put_counts(&w, totals);
    put_allow(&w, allow);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(out, '}');
}
