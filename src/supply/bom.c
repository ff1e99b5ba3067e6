/* CycloneDX 1.6 of a model (bom.h). */
#include "supply/bom.h"

#include "base/limits.h"

#define MODEL_REF "model"

/* SPDX's spelling of what model cards write in lower case; others stay names. */
static const char *spdx_id(sl_view licence)
{
    static const char *const IDS[] = {
        "Apache-2.0",   "MIT",           "BSD-2-Clause",  "BSD-3-Clause",    "GPL-2.0-only",
        "GPL-3.0-only", "LGPL-3.0-only", "AGPL-3.0-only", "MPL-2.0",         "CC0-1.0",
        "CC-BY-4.0",    "CC-BY-SA-4.0",  "CC-BY-NC-4.0",  "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0",
        "CC-BY-3.0",    "CC-BY-SA-3.0",  "AFL-3.0",       "Artistic-2.0",    "BSL-1.0",
        "ECL-2.0",      "EPL-2.0",       "EUPL-1.1",      "EUPL-1.2",        "ISC",
        "MS-PL",        "NCSA",          "OFL-1.1",       "OSL-3.0",         "PostgreSQL",
        "Unlicense",    "WTFPL",         "Zlib",          "ODbL-1.0",        "PDDL-1.0",
    };
    for (size_t i = 0; i < sizeof IDS / sizeof IDS[0]; i++) {
        if (sl_view_eq_nocase(licence, sl_view_str(IDS[i]))) {
            return IDS[i];
        }
    }
    return NULL;
}

/* Everything but letters, digits and "-._~" is escaped, as package URLs ask. */
static sl_res add_escaped(sl_buf *out, sl_view text, const char *also)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != 0 && strchr("-._~", c) != NULL) || (c != 0 && strchr(also, c) != NULL);
        SL_TRY(plain ? sl_buf_add_byte(out, c) : sl_buf_addf(out, "%%%02X", c));
    }
    return SL_DONE;
}

sl_res sl_purl_add(sl_buf *out, const sl_package *package)
{
    SL_TRY(sl_buf_addf(out, "pkg:%s/%s", sl_ecosystem_purl(package->ecosystem),
                       package->ecosystem == SL_ECOSYSTEM_DEBIAN ? "debian/" : ""));
    SL_TRY(add_escaped(out, package->name, "/"));
    if (package->version.n == 0) {
        return SL_DONE;
    }
    SL_TRY(sl_buf_add_byte(out, '@'));
    return add_escaped(out, package->version, ":");
}

static void put_view(sl_json_writer *w, const char *name, sl_view text)
{
    if (text.n > 0) {
        sl_json_put_string(w, name, text);
    }
}

/* "PREFIX:name"; the text lives until the next call's buffer is freed. */
static void put_ref(sl_json_writer *w, const char *key, const char *prefix, sl_view name)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_KIB };
    sl_res r = sl_buf_addf(&text, "%s:", prefix);
    r = sl_ok(r) ? sl_buf_add(&text, name) : r;
    if (!sl_ok(r)) {
        w->failed = sl_ok(w->failed) ? r : w->failed;
        return;
    }
    if (key != NULL) {
        sl_json_put_string(w, key, sl_buf_view(&text));
    } else {
        sl_json_string(w, sl_buf_view(&text));
    }
}

static void put_hash(sl_json_writer *w, const sl_digest *digest)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(digest, hex);
    sl_json_key(w, "hashes");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    sl_json_put_str(w, "alg", "SHA-256");
    sl_json_put_str(w, "content", hex);
    sl_json_object_end(w);
    sl_json_array_end(w);
}

static void put_property(sl_json_writer *w, const char *name, sl_view value)
{
    if (value.n > 0) {
        sl_json_object_begin(w);
        sl_json_put_str(w, "name", name);
        sl_json_put_string(w, "value", value);
        sl_json_object_end(w);
    }
}

static void put_licences(sl_json_writer *w, const sl_card *card)
{
    if (card->licences_n == 0) {
        return;
    }
    sl_json_key(w, "licenses");
    sl_json_array_begin(w);
    for (size_t i = 0; i < card->licences_n; i++) {
        const char *id = spdx_id(card->licences[i]);
        sl_json_object_begin(w);
        sl_json_key(w, "license");
        sl_json_object_begin(w);
        if (id != NULL) {
            sl_json_put_str(w, "id", id);
        } else {
            sl_json_put_string(w, "name", card->licences[i]);
        }
        sl_json_object_end(w);
        sl_json_object_end(w);
    }
    sl_json_array_end(w);
}

static void put_parameters(sl_json_writer *w, const sl_card *card)
{
    sl_json_key(w, "modelParameters");
    sl_json_object_begin(w);
    put_view(w, "task", card->task);
    put_view(w, "architectureFamily", card->family);
    put_view(w, "modelArchitecture", card->architecture);
    if (card->datasets_n > 0) {
        sl_json_key(w, "datasets");
        sl_json_array_begin(w);
        for (size_t i = 0; i < card->datasets_n; i++) {
            sl_json_object_begin(w);
            put_ref(w, "ref", "dataset", card->datasets[i]);
            sl_json_object_end(w);
        }
        sl_json_array_end(w);
    }
    sl_json_object_end(w);
}

static void put_card(sl_json_writer *w, const sl_card *card)
{
    char number[24];
    sl_json_key(w, "modelCard");
    sl_json_object_begin(w);
    put_parameters(w, card);
    sl_json_key(w, "properties");
    sl_json_array_begin(w);
    if (card->parameters > 0) {
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)card->parameters);
        put_property(w, "stoplog:parameters", sl_view_str(number));
    }
    put_property(w, "stoplog:quantisation", card->quantisation);
    sl_json_array_end(w);
    sl_json_object_end(w);
}

static void put_ancestors(sl_json_writer *w, const sl_card *card)
{
    if (card->bases_n == 0) {
        return;
    }
    sl_json_key(w, "pedigree");
    sl_json_object_begin(w);
    sl_json_key(w, "ancestors");
    sl_json_array_begin(w);
    for (size_t i = 0; i < card->bases_n; i++) {
        sl_json_object_begin(w);
        sl_json_put_str(w, "type", "machine-learning-model");
        put_ref(w, "bom-ref", "base", card->bases[i]);
        sl_json_put_string(w, "name", card->bases[i]);
        sl_json_object_end(w);
    }
    sl_json_array_end(w);
    sl_json_object_end(w);
}

/* The digest is that of a model signature (oms.h), so that both documents name the same thing. */
static void put_model(sl_json_writer *w, const sl_bom *bom)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest root = sl_manifest_root(bom->files);
    sl_digest_hex(&root, hex);
    sl_json_key(w, "component");
    sl_json_object_begin(w);
    sl_json_put_str(w, "type", "machine-learning-model");
    sl_json_put_str(w, "bom-ref", MODEL_REF);
    sl_json_put_string(w, "name", bom->name);
    put_view(w, "version", bom->card->version);
    put_view(w, "description", bom->card->description);
    put_licences(w, bom->card);
    put_ancestors(w, bom->card);
    put_card(w, bom->card);
    sl_json_key(w, "properties");
    sl_json_array_begin(w);
    put_property(w, "stoplog:model-signing-digest:sha256", sl_view_str(hex));
    sl_json_array_end(w);
    sl_json_object_end(w);
}

static void put_metadata(sl_json_writer *w, const sl_bom *bom)
{
    sl_json_key(w, "metadata");
    sl_json_object_begin(w);
    sl_json_put_string(w, "timestamp", bom->timestamp);
    sl_json_key(w, "tools");
    sl_json_object_begin(w);
    sl_json_key(w, "components");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    sl_json_put_str(w, "type", "application");
    sl_json_put_str(w, "name", "stoplog");
    sl_json_put_str(w, "version", bom->tool_version);
    sl_json_object_end(w);
    sl_json_array_end(w);
    sl_json_object_end(w);
    put_model(w, bom);
    sl_json_object_end(w);
}

static void put_package(sl_json_writer *w, const sl_package *p)
{
    SL_OWN(sl_buf, purl, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, flags, sl_buf_free) = { .max = 1024 };
    sl_res r = sl_purl_add(&purl, p);
    r = sl_ok(r) ? sl_package_flags_add(&flags, p->flags) : r;
    if (!sl_ok(r)) {
        w->failed = sl_ok(w->failed) ? r : w->failed;
        return;
    }
    sl_json_object_begin(w);
    sl_json_put_str(w, "type", "library");
    sl_json_put_string(w, "bom-ref", sl_buf_view(&purl));
    sl_json_put_string(w, "name", p->name);
    put_view(w, "version", p->version);
    sl_json_put_string(w, "purl", sl_buf_view(&purl));
    if (flags.n > 0) {
        sl_json_key(w, "properties");
        sl_json_array_begin(w);
        put_property(w, "stoplog:pinning", sl_buf_view(&flags));
        sl_json_array_end(w);
    }
    sl_json_object_end(w);
}

/* The same package may be named by several files; a bom-ref must be unique. Sorted by name, so that
 * equal ones with the same version are found among the neighbours. */
static bool seen_before(const sl_packages *packages, size_t i)
{
    const sl_package *p = &packages->items[i];
    for (size_t j = i; j > 0; j--) {
        const sl_package *q = &packages->items[j - 1];
        if (!sl_view_eq(p->name, q->name)) {
            return false;
        }
        if (p->ecosystem == q->ecosystem && sl_view_eq(p->version, q->version)) {
            return true;
        }
    }
    return false;
}

static void put_components(sl_json_writer *w, const sl_bom *bom)
{
    sl_json_key(w, "components");
    sl_json_array_begin(w);
    for (size_t i = 0; i < bom->files->n; i++) {
        sl_json_object_begin(w);
        sl_json_put_str(w, "type", "file");
        put_ref(w, "bom-ref", "file", bom->files->files[i].path);
        sl_json_put_string(w, "name", bom->files->files[i].path);
        put_hash(w, &bom->files->files[i].digest);
        sl_json_object_end(w);
    }
    for (size_t i = 0; i < bom->card->datasets_n; i++) {
        sl_json_object_begin(w);
        sl_json_put_str(w, "type", "data");
        put_ref(w, "bom-ref", "dataset", bom->card->datasets[i]);
        sl_json_put_string(w, "name", bom->card->datasets[i]);
        sl_json_key(w, "data");
        sl_json_array_begin(w);
        sl_json_object_begin(w);
        sl_json_put_str(w, "type", "dataset");
        sl_json_put_string(w, "name", bom->card->datasets[i]);
        sl_json_object_end(w);
        sl_json_array_end(w);
        sl_json_object_end(w);
    }
    for (size_t i = 0; i < bom->packages->n; i++) {
        if (!seen_before(bom->packages, i)) {
            put_package(w, &bom->packages->items[i]);
        }
    }
    sl_json_array_end(w);
}

static void put_dependencies(sl_json_writer *w, const sl_bom *bom)
{
    sl_json_key(w, "dependencies");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    sl_json_put_str(w, "ref", MODEL_REF);
    sl_json_key(w, "dependsOn");
    sl_json_array_begin(w);
    for (size_t i = 0; i < bom->files->n; i++) {
        put_ref(w, NULL, "file", bom->files->files[i].path);
    }
    for (size_t i = 0; i < bom->card->datasets_n; i++) {
        put_ref(w, NULL, "dataset", bom->card->datasets[i]);
    }
    sl_json_array_end(w);
    sl_json_object_end(w);
    sl_json_array_end(w);
}

sl_res sl_bom_write(const sl_bom *bom, sl_buf *out)
{
    SL_OWN(sl_buf, serial, sl_buf_free) = { .max = 128 };
    SL_TRY(sl_buf_addf(&serial, "urn:uuid:%.*s", SL_FMT(bom->serial)));
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json");
    sl_json_put_str(&w, "bomFormat", "CycloneDX");
    sl_json_put_str(&w, "specVersion", "1.6");
    sl_json_put_string(&w, "serialNumber", sl_buf_view(&serial));
    sl_json_put_int(&w, "version", 1);
    put_metadata(&w, bom);
    put_components(&w, bom);
    put_dependencies(&w, bom);
    if (bom->vulnerabilities.n > 0) {
        sl_json_key(&w, "vulnerabilities");
        sl_json_array_begin(&w);
        sl_json_raw(&w, bom->vulnerabilities);
        sl_json_array_end(&w);
    }
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}
