/* Telling the stories as tables and documents: see trial.h. */
#include "trial.h"

#include <math.h>

#include "story.h"

#define KEY                                                                                        \
    { "STUDYID", "Study Identifier", false }, { "DOMAIN", "Domain Abbreviation", false },          \
    {                                                                                              \
        "USUBJID", "Unique Subject Identifier", false                                              \
    }

static const table_column dm_columns[] = {
    KEY,
    { "SUBJID", "Subject Identifier for the Study", false },
    { "RFSTDTC", "Subject Reference Start Date/Time", false },
    { "SITEID", "Study Site Identifier", false },
    { "BRTHDTC", "Date/Time of Birth", false },
    { "AGE", "Age", true },
    { "AGEU", "Age Units", false },
    { "SEX", "Sex", false },
    { "ARMCD", "Planned Arm Code", false },
    { "ARM", "Description of Planned Arm", false },
    { "COUNTRY", "Country", false },
};
static const table_column ae_columns[] = {
    KEY,
    { "AESEQ", "Sequence Number", true },
    { "AETERM", "Reported Term for the Adverse Event", false },
    { "AEPTCD", "Preferred Term Code", false },
    { "AEBODSYS", "Body System or Organ Class", false },
    { "AESEV", "Severity/Intensity", false },
    { "AESER", "Serious Event", false },
    { "AEREL", "Causality", false },
    { "AESTDTC", "Start Date/Time of Adverse Event", false },
    { "AEENDTC", "End Date/Time of Adverse Event", false },
};
static const table_column lb_columns[] = {
    KEY,
    { "LBSEQ", "Sequence Number", true },
    { "LBTESTCD", "Lab Test or Examination Short Name", false },
    { "LBTEST", "Lab Test or Examination Name", false },
    { "LBSTRESN", "Numeric Result/Finding in Std Units", true },
    { "LBSTRESU", "Standard Units", false },
    { "LBSTNRLO", "Reference Range Lower Limit-Std Units", true },
    { "LBSTNRHI", "Reference Range Upper Limit-Std Units", true },
    { "LBNRIND", "Reference Range Indicator", false },
    { "VISIT", "Visit Name", false },
    { "LBDTC", "Date/Time of Specimen Collection", false },
};
static const table_column vs_columns[] = {
    KEY,
    { "VSSEQ", "Sequence Number", true },
    { "VSTESTCD", "Vital Signs Test Short Name", false },
    { "VSSTRESN", "Numeric Result/Finding in Std Units", true },
    { "VSSTRESU", "Standard Units", false },
    { "VISIT", "Visit Name", false },
    { "VSDTC", "Date/Time of Measurements", false },
};
static const table_column cm_columns[] = {
    KEY,
    { "CMSEQ", "Sequence Number", true },
    { "CMTRT", "Reported Name of Drug, Med, or Therapy", false },
    { "CMDOSTXT", "Dose Description", false },
    { "CMINDC", "Indication", false },
    { "CMSTDTC", "Start Date/Time of Medication", false },
};
static const table_column ex_columns[] = {
    KEY,
    { "EXSEQ", "Sequence Number", true },
    { "EXTRT", "Name of Treatment", false },
    { "EXDOSE", "Dose", true },
    { "EXDOSU", "Dose Units", false },
    { "EXSTDTC", "Start Date/Time of Treatment", false },
    { "EXENDTC", "End Date/Time of Treatment", false },
};
static const table_column contact_columns[] = {
    { "USUBJID", "Unique Subject Identifier", false },
    { "FIRSTNAME", "First name", false },
    { "LASTNAME", "Last name", false },
    { "SEX", "Sex", false },
    { "BIRTHDATE", "Date of birth", false },
    { "STREET", "Street", false },
    { "POSTCODE", "Postal code", false },
    { "CITY", "City", false },
    { "COUNTRY", "Country", false },
    { "PHONE", "Telephone", false },
    { "EMAIL", "Mail address", false },
    { "NATIONALID", "National or insurance number", false },
    { "MRN", "Hospital record number", false },
    { "INVESTIGATOR", "Investigator", false },
};

static table new_table(const char *name, const char *label, const table_column *columns, size_t n)
{
    return (table){ .name = name, .label = label, .columns = columns, .column_count = n };
}

static SL_MUST sl_res key(table *t, trial *all, const story *s)
{
    SL_TRY(table_row(t));
    SL_TRY(table_text(t, &all->arena, STORY_STUDY));
    SL_TRY(table_text(t, &all->arena, "%s", t->name));
    return table_text(t, &all->arena, "%s", s->id);
}

static SL_MUST sl_res tell_subject(trial *t, const story *s)
{
    static const char *const codes[] = { "PBO", "LOW", "HIGH" };
    static const char *const arms[] = { "Placebo", STORY_DRUG " 50 mg", STORY_DRUG " 100 mg" };
    sl_arena *a = &t->arena;
    SL_TRY(key(&t->dm, t, s));
    SL_TRY(table_text(&t->dm, a, "%s", s->id + strlen(STORY_STUDY) + 1));
    SL_TRY(story_day(&t->dm, a, s->first_dose));
    SL_TRY(table_text(&t->dm, a, "%s", site_kinds[s->site].number));
    SL_TRY(story_day(&t->dm, a, days_of_date(s->who.born)));
    table_number(&t->dm, s->age);
    SL_TRY(table_text(&t->dm, a, "YEARS"));
    SL_TRY(table_text(&t->dm, a, "%s", s->who.female ? "F" : "M"));
    SL_TRY(table_text(&t->dm, a, "%s", codes[s->arm]));
    SL_TRY(table_text(&t->dm, a, "%s", arms[s->arm]));
    return table_text(&t->dm, a, "%s", country_code(s->who.country));
}

static SL_MUST sl_res tell_contact(trial *t, const story *s)
{
    const person *p = &s->who;
    const char *words[] = { p->street, p->postcode, p->city,     country_code(p->country),
                            p->phone,  p->email,    p->national, p->record,
                            s->doctor };
    sl_arena *a = &t->arena;
    SL_TRY(table_row(&t->contacts));
    SL_TRY(table_text(&t->contacts, a, "%s", s->id));
    SL_TRY(table_text(&t->contacts, a, "%s", p->first));
    SL_TRY(table_text(&t->contacts, a, "%s", p->last));
    SL_TRY(table_text(&t->contacts, a, "%s", p->female ? "F" : "M"));
    SL_TRY(story_day(&t->contacts, a, days_of_date(p->born)));
    for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
        SL_TRY(table_text(&t->contacts, a, "%s", words[i]));
    }
    return SL_DONE;
}

static SL_MUST sl_res tell_events(trial *t, const story *s)
{
    static const char *const severities[] = { "MILD", "MODERATE", "SEVERE" };
    for (size_t i = 0; i < s->event_count; i++) {
        const story_event *e = &s->events[i];
        SL_TRY(key(&t->ae, t, s));
        table_number(&t->ae, (double)i + 1);
        SL_TRY(table_text(&t->ae, &t->arena, "%s", event_kinds[e->kind].term));
        SL_TRY(table_text(&t->ae, &t->arena, "%s", event_kinds[e->kind].code));
        SL_TRY(table_text(&t->ae, &t->arena, "%s", event_kinds[e->kind].body_system));
        SL_TRY(table_text(&t->ae, &t->arena, "%s", severities[e->severity]));
        SL_TRY(table_text(&t->ae, &t->arena, "%s", e->serious ? "Y" : "N"));
        SL_TRY(table_text(&t->ae, &t->arena, "%s", e->related ? "RELATED" : "NOT RELATED"));
        SL_TRY(story_day(&t->ae, &t->arena, e->start));
        if (e->end != 0) {
            SL_TRY(story_day(&t->ae, &t->arena, e->end));
        }
    }
    return SL_DONE;
}

static SL_MUST sl_res tell_labs(trial *t, const story *s, size_t visit)
{
    for (size_t i = 0; i < STORY_LABS; i++) {
        const lab_kind *k = &lab_kinds[i];
        double value = s->visits[visit].labs[i];
        SL_TRY(key(&t->lb, t, s));
        table_number(&t->lb, (double)(visit * STORY_LABS + i + 1));
        SL_TRY(table_text(&t->lb, &t->arena, "%s", k->code));
        SL_TRY(table_text(&t->lb, &t->arena, "%s", k->name));
        table_number(&t->lb, value);
        SL_TRY(table_text(&t->lb, &t->arena, "%s", k->unit));
        table_number(&t->lb, k->low);
        table_number(&t->lb, k->high);
        const char *range = value < k->low ? "LOW" : value > k->high ? "HIGH" : "NORMAL";
        SL_TRY(table_text(&t->lb, &t->arena, "%s", range));
        SL_TRY(table_text(&t->lb, &t->arena, "%s", visit_names[visit]));
        SL_TRY(story_day(&t->lb, &t->arena, s->visits[visit].day));
    }
    return SL_DONE;
}

static SL_MUST sl_res tell_vitals(trial *t, const story *s, size_t visit)
{
    const story_visit *v = &s->visits[visit];
    const struct {
        const char *code, *unit;
        double value;
    } signs[] = {
        { "SYSBP", "mmHg", v->systolic },   { "DIABP", "mmHg", v->diastolic },
        { "PULSE", "beats/min", v->pulse }, { "TEMP", "C", v->temperature },
        { "WEIGHT", "kg", v->weight },
    };
    for (size_t i = 0; i < SL_COUNT_OF(signs); i++) {
        SL_TRY(key(&t->vs, t, s));
        table_number(&t->vs, (double)(visit * SL_COUNT_OF(signs) + i + 1));
        SL_TRY(table_text(&t->vs, &t->arena, "%s", signs[i].code));
        table_number(&t->vs, signs[i].value);
        SL_TRY(table_text(&t->vs, &t->arena, "%s", signs[i].unit));
        SL_TRY(table_text(&t->vs, &t->arena, "%s", visit_names[visit]));
        SL_TRY(story_day(&t->vs, &t->arena, v->day));
    }
    return SL_DONE;
}

static SL_MUST sl_res tell_treatment(trial *t, const story *s)
{
    for (size_t i = 0; i < s->drug_count; i++) {
        SL_TRY(key(&t->cm, t, s));
        table_number(&t->cm, (double)i + 1);
        SL_TRY(table_text(&t->cm, &t->arena, "%s", s->drugs[i].drug));
        SL_TRY(table_text(&t->cm, &t->arena, "%s", s->drugs[i].dose));
        SL_TRY(table_text(&t->cm, &t->arena, "%s", s->drugs[i].indication));
        SL_TRY(story_day(&t->cm, &t->arena, s->drugs[i].start));
    }
    for (size_t i = 1; i + 1 < s->visit_count;
         i++) { /* from one visit to the day before the next */
        SL_TRY(key(&t->ex, t, s));
        table_number(&t->ex, (double)i);
        SL_TRY(table_text(&t->ex, &t->arena, "%s", s->arm == 0 ? "PLACEBO" : STORY_DRUG));
        table_number(&t->ex, s->visits[i].dose_mg);
        SL_TRY(table_text(&t->ex, &t->arena, "mg"));
        SL_TRY(story_day(&t->ex, &t->arena, s->visits[i].day));
        SL_TRY(story_day(&t->ex, &t->arena, s->visits[i + 1].day - 1));
    }
    return SL_DONE;
}

static SL_MUST sl_res keep_document(trial *t, sl_view path, sl_view text)
{
    if (t->document_count == t->document_capacity) {
        size_t capacity = t->document_capacity == 0 ? 256 : t->document_capacity * 2;
        trial_document *documents = reallocarray(t->documents, capacity, sizeof *documents);
        SL_NEED(documents != NULL, SL_E_MEMORY);
        t->documents = documents;
        t->document_capacity = capacity;
    }
    trial_document d;
    SL_TRY(sl_arena_dup(&t->arena, path, &d.path));
    SL_TRY(sl_arena_dup(&t->arena, text, &d.text));
    t->documents[t->document_count++] = d;
    return SL_DONE;
}

static SL_MUST sl_res tell_documents(trial *t, sl_prng *prng, const story *s)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_KIB };
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 256 };
    for (size_t i = 0; i < s->visit_count; i++) {
        sl_buf_clear(&text);
        sl_buf_clear(&path);
        SL_TRY(story_note(prng, s, i, &text));
        SL_TRY(sl_buf_addf(&path, "notes/%s-V%zu.txt", s->id, i + 1));
        SL_TRY(keep_document(t, sl_buf_view(&path), sl_buf_view(&text)));
    }
    for (size_t i = 0; i < s->event_count; i++) {
        sl_buf_clear(&text);
        sl_buf_clear(&path);
        SL_TRY(story_narrative(prng, s, i, &text));
        SL_TRY(sl_buf_addf(&path, "narratives/%s-AE%zu.txt", s->id, i + 1));
        SL_TRY(keep_document(t, sl_buf_view(&path), sl_buf_view(&text)));
    }
    return SL_DONE;
}

static SL_MUST sl_res tell(trial *t, sl_prng *prng, const story *s)
{
    SL_TRY(tell_subject(t, s));
    SL_TRY(tell_contact(t, s));
    SL_TRY(tell_events(t, s));
    for (size_t i = 0; i < s->visit_count; i++) {
        SL_TRY(tell_labs(t, s, i));
        SL_TRY(tell_vitals(t, s, i));
    }
    SL_TRY(tell_treatment(t, s));
    return tell_documents(t, prng, s);
}

SL_MUST sl_res trial_make(trial *t, size_t subjects, uint64_t seed)
{
    SL_NEED(subjects >= 1 && subjects <= TRIAL_SUBJECTS_MAX, SL_E_RANGE);
    *t = (trial){ .arena = { .max = 1024 * SL_MIB } };
    t->dm = new_table("DM", "Demographics", dm_columns, SL_COUNT_OF(dm_columns));
    t->ae = new_table("AE", "Adverse Events", ae_columns, SL_COUNT_OF(ae_columns));
    t->lb = new_table("LB", "Laboratory Test Results", lb_columns, SL_COUNT_OF(lb_columns));
    t->vs = new_table("VS", "Vital Signs", vs_columns, SL_COUNT_OF(vs_columns));
    t->cm = new_table("CM", "Concomitant Medications", cm_columns, SL_COUNT_OF(cm_columns));
    t->ex = new_table("EX", "Exposure", ex_columns, SL_COUNT_OF(ex_columns));
    t->contacts =
        new_table("CONTACT", "Enrolment log", contact_columns, SL_COUNT_OF(contact_columns));
    for (size_t i = 0; i < subjects; i++) {
        /* Each subject has its own seed: more subjects leave the first ones as they were. */
        sl_prng prng;
        sl_prng_seed(&prng, seed * 1000003 + i);
        story s;
        story_make(&prng, i, &s);
        SL_TRY(tell(t, &prng, &s));
    }
    sl_prng prng;
    sl_prng_seed(&prng, seed ^ 0x5EED);
    return trial_make_compounds(t, &prng, TRIAL_COMPOUNDS);
}

void trial_free(trial *t)
{
    table *tables[] = {
        &t->dm, &t->ae, &t->lb, &t->vs, &t->cm, &t->ex, &t->contacts, &t->compounds
    };
    for (size_t i = 0; i < SL_COUNT_OF(tables); i++) {
        table_free(tables[i]);
    }
    free(t->documents);
    sl_arena_free(&t->arena);
    *t = (trial){ .document_count = 0 };
}
