/* Making up what happened to a subject: see story.h. */
#include "story.h"

const site_kind site_kinds[STORY_SITES] = {
    { "011", "Harborside Clinical Research, Boston", COUNTRY_US },
    { "012", "Lakeshore Rheumatology Associates, Cleveland", COUNTRY_US },
    { "021", "Aire Valley Infirmary, Leeds", COUNTRY_GB },
    { "031", "Rheumazentrum Pleisse, Leipzig", COUNTRY_DE },
    { "041", "Hospital de la Vega Alta, Sevilla", COUNTRY_ES },
    { "051", "Clinique des Trois Rives, Nantes", COUNTRY_FR },
};

const char *const visit_names[STORY_VISITS] = { "SCREENING", "BASELINE", "WEEK 2",
                                                "WEEK 4",    "WEEK 8",   "WEEK 12" };
static const int visit_days[STORY_VISITS] = { -14, 0, 14, 28, 56, 84 };

const lab_kind lab_kinds[STORY_LABS] = {
    { "ALT", "Alanine Aminotransferase", "U/L", 7, 45 },
    { "AST", "Aspartate Aminotransferase", "U/L", 8, 40 },
    { "BILI", "Bilirubin", "umol/L", 3, 21 },
    { "CREAT", "Creatinine", "umol/L", 45, 105 },
    { "CRP", "C Reactive Protein", "mg/L", 1, 10 },
    { "HGB", "Hemoglobin", "g/L", 118, 165 },
    { "PLAT", "Platelets", "10^9/L", 150, 400 },
    { "WBC", "Leukocytes", "10^9/L", 4, 11 },
};

const event_kind event_kinds[STORY_EVENT_KINDS] = {
    { "HEADACHE",
      "10019211",
      "Nervous system disorders",
      { "headache", "headache", "Kopfschmerzen", "cefalea",
        "c\xC3\xA9phal\xC3\xA9"
        "es" },
      -1 },
    { "NAUSEA",
      "10028813",
      "Gastrointestinal disorders",
      { "nausea", "nausea",
        "\xC3\x9C"
        "belkeit",
        "n\xC3\xA1useas",
        "naus\xC3\xA9"
        "es" },
      -1 },
    { "ALANINE AMINOTRANSFERASE INCREASED",
      "10001551",
      "Investigations",
      { "raised liver enzymes", "raised liver enzymes", "erh\xC3\xB6hte Leberwerte",
        "transaminasas elevadas", "\xC3\xA9l\xC3\xA9vation des transaminases" },
      0 },
    { "UPPER RESPIRATORY TRACT INFECTION",
      "10046306",
      "Infections and infestations",
      { "a chest cold", "a chesty cold", "Infekt der oberen Atemwege",
        "infecci\xC3\xB3n respiratoria", "infection respiratoire" },
      7 },
    { "DIZZINESS",
      "10013573",
      "Nervous system disorders",
      { "dizziness", "light-headedness", "Schwindel", "mareo", "vertiges" },
      -1 },
    { "RASH",
      "10037844",
      "Skin and subcutaneous tissue disorders",
      { "an itchy rash", "an itchy rash", "juckender Hautausschlag",
        "erupci\xC3\xB3n cut\xC3\xA1nea",
        "\xC3\xA9ruption cutan\xC3\xA9"
        "e" },
      -1 },
    { "HERPES ZOSTER",
      "10019974",
      "Infections and infestations",
      { "shingles", "shingles", "G\xC3\xBCrtelrose", "herpes z\xC3\xB3ster", "zona" },
      -1 },
    { "DIARRHOEA",
      "10012735",
      "Gastrointestinal disorders",
      { "diarrhea", "diarrhoea", "Durchfall", "diarrea",
        "diarrh\xC3\xA9"
        "e" },
      -1 },
    { "HYPERTENSION",
      "10020772",
      "Vascular disorders",
      { "high blood pressure", "raised blood pressure", "Bluthochdruck", "hipertensi\xC3\xB3n",
        "hypertension" },
      -1 },
    { "FATIGUE",
      "10016256",
      "General disorders and administration site conditions",
      { "fatigue", "tiredness",
        "M\xC3\xBC"
        "digkeit",
        "cansancio", "fatigue" },
      -1 },
};

static const story_drug drug_kinds[] = {
    { "METHOTREXATE", "15 mg weekly", "RHEUMATOID ARTHRITIS", 0 },
    { "FOLIC ACID", "5 mg weekly", "PROPHYLAXIS", 0 },
    { "PREDNISOLONE", "5 mg daily", "RHEUMATOID ARTHRITIS", 0 },
    { "LISINOPRIL", "10 mg daily", "HYPERTENSION", 0 },
    { "METFORMIN", "850 mg twice daily", "TYPE 2 DIABETES", 0 },
    { "ATORVASTATIN", "20 mg daily", "HYPERCHOLESTEROLAEMIA", 0 },
    { "LEVOTHYROXINE", "75 ug daily", "HYPOTHYROIDISM", 0 },
    { "PARACETAMOL", "500 mg as needed", "PAIN", 0 },
};

static int around(sl_prng *prng, int middle, int spread)
{
    int low = (int)sl_prng_below(prng, (uint64_t)spread + 1);
    int high = (int)sl_prng_below(prng, (uint64_t)spread + 1);
    return middle + low - high;
}

static double tenth(double value)
{
    return (double)(int64_t)(value * 10 + 0.5) / 10;
}

static void make_event(sl_prng *prng, story *s)
{
    if (s->event_count == STORY_EVENTS_MAX || s->visit_count < 3) {
        return;
    }
    story_event *e = &s->events[s->event_count++];
    e->kind = sl_prng_below(prng, STORY_EVENT_KINDS);
    e->visit = 2 + sl_prng_below(prng, s->visit_count - 2);
    e->start = s->visits[e->visit].day - 1 - (int64_t)sl_prng_below(prng, 9);
    unsigned dice = (unsigned)sl_prng_below(prng, 10);
    e->severity = dice < 6 ? 0 : dice < 9 ? 1 : 2;
    e->serious = e->severity == 2;
    e->related = s->arm != 0 && sl_prng_below(prng, 2) == 0;
    bool last = e->visit + 1 == s->visit_count;
    e->end = last ? 0 : e->start + 3 + (int64_t)sl_prng_below(prng, 18);
    story_visit *v = &s->visits[e->visit];
    int lab = event_kinds[e->kind].lab;
    if (lab >= 0) { /* what the event says, the laboratory shows */
        v->labs[lab] = tenth(lab_kinds[lab].high * (1.3 + 0.9 * e->severity + sl_prng_unit(prng)));
    }
    if (strcmp(event_kinds[e->kind].term, "HYPERTENSION") == 0) {
        v->systolic += 24 + (int)e->severity * 8;
        v->diastolic += 12;
    }
    for (size_t i = e->visit; e->serious && e->related && i < s->visit_count; i++) {
        s->visits[i].dose_mg = 50; /* reduced from then on */
    }
}

static void make_visits(sl_prng *prng, story *s)
{
    int systolic = around(prng, 128, 18);
    int diastolic = around(prng, 79, 9);
    int pulse = around(prng, 74, 10);
    double weight = 52 + 48 * sl_prng_unit(prng) + (s->who.female ? 0 : 9);
    double levels[STORY_LABS];
    for (size_t i = 0; i < STORY_LABS; i++) {
        const lab_kind *k = &lab_kinds[i];
        levels[i] = k->low + (k->high - k->low) * (0.2 + 0.6 * sl_prng_unit(prng));
    }
    levels[4] =
        12 + 30 * sl_prng_unit(prng); /* active disease: CRP is high, and falls on the drug */
    static const unsigned doses[] = { 0, 50, 100 };
    for (size_t i = 0; i < s->visit_count; i++) {
        story_visit *v = &s->visits[i];
        v->day = s->first_dose + visit_days[i] + (i > 1 ? around(prng, 0, 3) : 0);
        v->systolic = around(prng, systolic, 6);
        v->diastolic = around(prng, diastolic, 4);
        v->pulse = around(prng, pulse, 5);
        v->temperature = tenth(36.2 + 0.9 * sl_prng_unit(prng));
        v->weight = tenth(weight + sl_prng_unit(prng) - 0.5);
        for (size_t k = 0; k < STORY_LABS; k++) {
            v->labs[k] = tenth(levels[k] * (0.93 + 0.14 * sl_prng_unit(prng)));
        }
        double relief = s->arm == 0 ? 0.04 : s->arm == 1 ? 0.10 : 0.14;
        v->labs[4] = tenth(v->labs[4] * (1 - relief * (double)i));
        v->dose_mg = i == 0 ? 0 : doses[s->arm];
    }
}

void story_make(sl_prng *prng, size_t number, story *ret_story)
{
    story s = { .site = number % STORY_SITES };
    country where = site_kinds[s.site].country;
    person_make(prng, where, &s.who);
    doctor_make(prng, where, s.doctor, sizeof s.doctor);
    snprintf(s.id, sizeof s.id, STORY_STUDY "-%s-%04zu", site_kinds[s.site].number,
             1001 + number / STORY_SITES);
    s.arm = (unsigned)sl_prng_below(prng, 3);
    s.first_dose = days_of_date((date){ 2025, 2, 3 }) + (int64_t)sl_prng_below(prng, 200);
    s.age = (unsigned)((double)(s.first_dose - days_of_date(s.who.born)) / 365.2425);
    bool leaves = sl_prng_below(prng, 8) == 0;
    s.visit_count = leaves ? 3 + sl_prng_below(prng, 3) : STORY_VISITS;
    make_visits(prng, &s);
    size_t events = sl_prng_below(prng, s.arm == 0 ? 3 : 4);
    for (size_t i = 0; i < events; i++) {
        make_event(prng, &s);
    }
    s.drug_count = 1 + sl_prng_below(prng, STORY_DRUGS_MAX);
    size_t first = sl_prng_below(prng, SL_COUNT_OF(drug_kinds));
    for (size_t i = 0; i < s.drug_count; i++) {
        s.drugs[i] = drug_kinds[(first + i * 3) % SL_COUNT_OF(drug_kinds)];
        s.drugs[i].start = s.first_dose - 90 - (int64_t)sl_prng_below(prng, 1500);
    }
    *ret_story = s;
}

SL_MUST sl_res story_day(table *t, sl_arena *arena, int64_t day)
{
    date d = date_of_days(day);
    return table_text(t, arena, "%04d-%02d-%02d", d.year, d.month, d.day);
}
