/* OSCAL 1.2.1 assessment results of a posture (posture.h). Our own checks are the objectives that are assessed; how
 * they bear on controls of frameworks stands in data/checks and is no claim of compliance. An observation
 * is written where a leaf shows something, and expires with it. */
#include <inttypes.h>

#include "assure/posture.h"
#include "base/clock.h"

static const char NAMESPACE[] = "https://stoplog.example/ns";

/* OSCAL takes UUIDs of version 4 or 5 alone. Ours are drawn from a hash of what they name, so that the same
 * thing has the same id in every document of a site. */
static void uuid(const sl_posture *p, const char *kind, sl_view name, char ret[37])
{
    SL_OWN(sl_hasher, h, sl_hasher_free) = { 0 };
    sl_hasher_start(&h);
    sl_hasher_add(&h, p->origin);
    sl_hasher_add(&h, SL_LIT("\n"));
    sl_hasher_add(&h, sl_view_str(kind));
    sl_hasher_add(&h, SL_LIT("\n"));
    sl_hasher_add(&h, name);
    sl_digest d = sl_hasher_end(&h);
    d.b[6] = (uint8_t)((d.b[6] & 0x0f) | 0x40);
    d.b[8] = (uint8_t)((d.b[8] & 0x3f) | 0x80);
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&d, hex);
    (void)snprintf(ret, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
}

static void put_uuid(sl_json_writer *w, const char *field, const sl_posture *p, const char *kind,
                     sl_view name)
{
    char id[37];
    uuid(p, kind, name, id);
    sl_json_put_str(w, field, id);
}

static void put_time(sl_json_writer *w, const char *field, int64_t ms)
{
    char text[SL_CLOCK_TEXT_BYTES];
    sl_clock_text(ms, text);
    sl_json_put_str(w, field, text);
}

static void put_prop(sl_json_writer *w, const char *name, sl_view value)
{
    sl_json_object_begin(w);
    sl_json_put_str(w, "name", name);
    sl_json_put_str(w, "ns", NAMESPACE);
    sl_json_put_string(w, "value", value);
    sl_json_object_end(w);
}

static void put_prop_count(sl_json_writer *w, const char *name, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    put_prop(w, name, sl_view_str(text));
}

static void put_metadata(sl_json_writer *w, const sl_posture *p)
{
    sl_json_key(w, "metadata");
    sl_json_object_begin(w);
    sl_json_put_str(w, "title", "Stoplog assurance: what the ledger shows");
    put_time(w, "last-modified", p->now_ms);
    sl_json_put_str(w, "version", "1");
    sl_json_put_str(w, "oscal-version", "1.2.1");
    sl_json_key(w, "props");
    sl_json_array_begin(w);
    put_prop(w, "ledger", p->origin);
    sl_json_array_end(w);
    sl_json_object_end(w);
}

static void put_tool(sl_json_writer *w, const sl_posture *p)
{
    sl_json_key(w, "local-definitions");
    sl_json_object_begin(w);
    sl_json_key(w, "assessment-assets");
    sl_json_object_begin(w);
    sl_json_key(w, "components");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    put_uuid(w, "uuid", p, "component", SL_LIT("assure"));
    sl_json_put_str(w, "type", "software");
    sl_json_put_str(w, "title", "stoplog assure");
    sl_json_put_str(w, "description", "Asks the checks of a verified ledger");
    sl_json_key(w, "status");
    sl_json_object_begin(w);
    sl_json_put_str(w, "state", "operational");
    sl_json_object_end(w);
    sl_json_object_end(w);
    sl_json_array_end(w);
    sl_json_key(w, "assessment-platforms");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    put_uuid(w, "uuid", p, "platform", SL_LIT("ledger"));
    sl_json_put_str(w, "title", "ledger verifier");
    sl_json_object_end(w);
    sl_json_array_end(w);
    sl_json_object_end(w);
    sl_json_key(w, "inventory-items");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    put_uuid(w, "uuid", p, "item", SL_LIT("site"));
    sl_json_put_str(w, "description", "The site whose ledger was asked");
    sl_json_object_end(w);
    sl_json_array_end(w);
    sl_json_object_end(w);
}

static void put_reviewed(sl_json_writer *w, const sl_posture *p)
{
    sl_json_key(w, "reviewed-controls");
    sl_json_object_begin(w);
    sl_json_key(w, "control-selections");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    sl_json_key(w, "include-controls");
    sl_json_array_begin(w);
    for (size_t i = 0; i < sl_catalogue_count(p->catalogue); i++) {
        sl_json_object_begin(w);
        sl_json_put_string(w, "control-id", sl_catalogue_check(p->catalogue, i)->id);
        sl_json_object_end(w);
    }
    sl_json_array_end(w);
    sl_json_object_end(w);
    sl_json_array_end(w);
    sl_json_object_end(w);
}

static bool observed(const sl_posture *p, size_t at)
{
    return p->answers[at].evidence_count != 0 && p->answers[at].fresh_until_ms != 0;
}

static void put_evidence(sl_json_writer *w, const sl_posture *p, const sl_answer *a, uint64_t leaf)
{
    char href[SL_NAME_BYTES_MAX + 512];
    char root[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&p->root, root);
    (void)snprintf(href, sizeof href, "urn:stoplog:leaf:%.*s:%" PRIu64, SL_FMT(p->origin), leaf);
    sl_json_object_begin(w);
    sl_json_put_str(w, "href", href);
    sl_json_put_str(w, "description",
                    "A leaf of the ledger; stoplog ledger prove gives its receipt");
    sl_json_key(w, "props");
    sl_json_array_begin(w);
    put_prop_count(w, "leaf", leaf);
    put_prop_count(w, "tree-size", p->size);
    put_prop(w, "root-sha256", sl_view_str(root));
    put_prop_count(w, "population", a->population);
    put_prop(w, "result", sl_view_str(sl_state_name(a->state)));
    sl_json_array_end(w);
    sl_json_object_end(w);
}

static void put_observation(sl_json_writer *w, const sl_posture *p, size_t at)
{
    const sl_check *check = sl_catalogue_check(p->catalogue, at);
    const sl_answer *a = &p->answers[at];
    sl_json_object_begin(w);
    put_uuid(w, "uuid", p, "observation", check->id);
    sl_json_put_string(w, "title", check->id);
    sl_json_put_str(w, "description", a->why);
    sl_json_key(w, "methods");
    sl_json_array_begin(w);
    sl_json_string(w, check->attested ? SL_LIT("EXAMINE") : SL_LIT("TEST"));
    sl_json_array_end(w);
    sl_json_key(w, "types");
    sl_json_array_begin(w);
    sl_json_string(w, SL_LIT("control-objective"));
    sl_json_array_end(w);
    sl_json_key(w, "subjects");
    sl_json_array_begin(w);
    sl_json_object_begin(w);
    put_uuid(w, "subject-uuid", p, "item", SL_LIT("site"));
    sl_json_put_str(w, "type", "inventory-item");
    sl_json_object_end(w);
    sl_json_array_end(w);
    sl_json_key(w, "relevant-evidence");
    sl_json_array_begin(w);
    for (size_t i = 0; i < a->evidence_count; i++) {
        put_evidence(w, p, a, a->evidence[i]);
    }
    sl_json_array_end(w);
    put_time(w, "collected", a->fresh_until_ms - check->asked.ttl_ms);
    put_time(w, "expires", a->fresh_until_ms);
    sl_json_object_end(w);
}

static void put_finding(sl_json_writer *w, const sl_posture *p, size_t at)
{
    static const char *const reasons[] = { "pass", "fail", "other", "other" };
    const sl_check *check = sl_catalogue_check(p->catalogue, at);
    const sl_answer *a = &p->answers[at];
    sl_json_object_begin(w);
    put_uuid(w, "uuid", p, "finding", check->id);
    sl_json_put_string(w, "title", check->id);
    sl_json_put_string(w, "description", check->states);
    sl_json_key(w, "target");
    sl_json_object_begin(w);
    sl_json_put_str(w, "type", "objective-id");
    sl_json_put_string(w, "target-id", check->id);
    sl_json_key(w, "status");
    sl_json_object_begin(w);
    sl_json_put_str(w, "state", a->state == SL_STATE_PASS ? "satisfied" : "not-satisfied");
    sl_json_put_str(w, "reason", reasons[a->state]);
    sl_json_put_str(w, "remarks", a->why);
    sl_json_object_end(w);
    sl_json_object_end(w);
    if (observed(p, at)) {
        sl_json_key(w, "related-observations");
        sl_json_array_begin(w);
        sl_json_object_begin(w);
        put_uuid(w, "observation-uuid", p, "observation", check->id);
        sl_json_object_end(w);
        sl_json_array_end(w);
    }
    sl_json_put_string(w, "remarks", check->remedy);
    sl_json_object_end(w);
}

/* OSCAL allows no empty list: one without observations is left out. */
static void put_observations(sl_json_writer *w, const sl_posture *p)
{
    bool any = false;
    for (size_t i = 0; i < sl_catalogue_count(p->catalogue); i++) {
        any = any || observed(p, i);
    }
    if (!any) {
        return;
    }
    sl_json_key(w, "observations");
    sl_json_array_begin(w);
    for (size_t i = 0; i < sl_catalogue_count(p->catalogue); i++) {
        if (observed(p, i)) {
            put_observation(w, p, i);
        }
    }
    sl_json_array_end(w);
}

/* What is outside is not assessed: nothing there could be satisfied or not. */
static void put_findings(sl_json_writer *w, const sl_posture *p)
{
    size_t totals[4];
    sl_posture_totals(p, totals);
    if (totals[SL_STATE_OUTSIDE] == sl_catalogue_count(p->catalogue)) {
        return;
    }
    sl_json_key(w, "findings");
    sl_json_array_begin(w);
    for (size_t i = 0; i < sl_catalogue_count(p->catalogue); i++) {
        if (p->answers[i].state != SL_STATE_OUTSIDE) {
            put_finding(w, p, i);
        }
    }
    sl_json_array_end(w);
}

sl_res sl_posture_oscal(const sl_posture *p, sl_buf *out)
{
    char at[64];
    (void)snprintf(at, sizeof at, "%" PRIu64 " %" PRId64, p->size, p->now_ms);
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_key(&w, "assessment-results");
    sl_json_object_begin(&w);
    put_uuid(&w, "uuid", p, "assessment-results", sl_view_str(at));
    put_metadata(&w, p);
    sl_json_key(&w, "import-ap");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "href", "urn:stoplog:assessment-plan:catalogue");
    sl_json_object_end(&w);
    sl_json_key(&w, "results");
    sl_json_array_begin(&w);
    sl_json_object_begin(&w);
    put_uuid(&w, "uuid", p, "result", sl_view_str(at));
    sl_json_put_str(&w, "title", "What the ledger shows now");
    sl_json_put_str(&w, "description",
                    "Every check of the catalogue, asked of every leaf of a verified ledger");
    put_time(&w, "start", p->now_ms);
    put_time(&w, "end", p->now_ms);
    put_tool(&w, p);
    put_reviewed(&w, p);
    put_observations(&w, p);
    put_findings(&w, p);
    sl_json_object_end(&w);
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}
