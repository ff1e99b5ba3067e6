/* The table of attestations (attestation.h). A kind is here when a check asks for it, or an incident or a signal waits
 * for it. */
#include "vault/attestation.h"

static const char *const decisions[] = { "keep", "remove", NULL };
static const char *const outcomes[] = { "true", "false", "benign", NULL };
static const char *const reviews[] = { "accepted", "rejected", NULL };
static const char *const scopes[] = { "program", "configuration", "policy", NULL };

const sl_attestation sl_attestations[] = {
    { "board.signed", "report", NULL, NULL, NULL, "report_digest", "signer", false, false,
      "an executive signed the report with this digest" },
    { "breakglass.reviewed", "use", "decision", reviews, NULL, NULL, "reviewer", false, false,
      "an emergency access was reviewed" },
    { "config.changed", "scope", NULL, scopes, NULL, "digest", NULL, false, true,
      "this digest of the program, configuration or policy is the approved one" },
    { "exercise.held", "exercise", NULL, NULL, "participants", NULL, NULL, false, false,
      "an exercise with people was held" },
    { "finding.closed", "finding", "change", NULL, NULL, NULL, NULL, false, false,
      "a weakness was mended by this change" },
    { "grant.reviewed", "grant", "decision", decisions, NULL, NULL, "reviewer", false, false,
      "the data owner looked at a grant" },
    { "incident.closed", "incident", "cause", NULL, NULL, NULL, NULL, false, false,
      "a case is over, and this was its cause" },
    { "incident.notified", "incident", "regime", NULL, NULL, NULL, NULL, false, false,
      "the notice that this regime asks for has left" },
    { "leaver.notified", "leaver", NULL, NULL, "grants", NULL, NULL, false, false,
      "a principal leaves; its grants have to end" },
    { "trail.reviewed", "scope", NULL, NULL, "findings", NULL, "reviewer", false, false,
      "a person read the audit trail of a study" },
    { "waiver.granted", "waiver", "control", NULL, NULL, NULL, "operator", true, true,
      "a control is waived for a time" },
    { "watch.triaged", "signal", "outcome", outcomes, NULL, NULL, NULL, false, false,
      "a person looked at a signal" },
};
const size_t sl_attestations_count = SL_COUNT_OF(sl_attestations);

const sl_attestation *sl_attestation_find(sl_view kind)
{
    for (size_t i = 0; i < sl_attestations_count; i++) {
        if (sl_view_eq_str(kind, sl_attestations[i].kind)) {
            return &sl_attestations[i];
        }
    }
    return NULL;
}

static sl_res both_or_none(const char *field, bool asked, bool given)
{
    if (asked && !given) {
        return sl_fail_at(SL_E_MISSING_FIELD, field, SL_NOWHERE);
    }
    return asked || !given ? SL_DONE : sl_fail_at(SL_E_UNKNOWN_FIELD, field, SL_NOWHERE);
}

static bool one_of(const char *const *words, const char *word)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

sl_res sl_attestation_check(const sl_statement *s)
{
    static const sl_digest none;
    const sl_attestation *a = sl_attestation_find(sl_view_str(s->kind));
    if (a == NULL) {
        return sl_fail_at(SL_E_NOT_FOUND, "kind", SL_NOWHERE);
    }
    SL_TRY(both_or_none("says", a->says != NULL, s->says[0] != '\0'));
    SL_TRY(both_or_none("hash", a->digest != NULL, !sl_digest_eq(&s->hash, &none)));
    SL_TRY(both_or_none("until_ms", a->until, s->until_ms != 0));
    if (a->count == NULL && s->count != 0) { /* 0 is a count too: nothing was found */
        return sl_fail_at(SL_E_UNKNOWN_FIELD, "count", SL_NOWHERE);
    }
    if (a->words != NULL && !one_of(a->words, a->says != NULL ? s->says : s->about)) {
        return sl_fail_at(SL_E_RANGE, a->says != NULL ? "says" : "about", SL_NOWHERE);
    }
    return SL_DONE;
}
