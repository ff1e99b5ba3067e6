/* Visit notes and narratives. Texts are templates with named places in braces, one set a language;
 * a place that no template may use is a mistake of ours (SL_E_BUG), never left standing. */
#include "story.h"

static const char *const headers[COUNTRY_COUNT] = {
    "{site}\nVISIT NOTE - {study} - {visit}\nPatient: {name}   DOB: {born}   MRN: {record}\n"
    "Subject: {id}   {national_kind}: {national}\nAddress: {street}, {city} {postcode}   "
    "Phone: {phone}\nDate of visit: {date}\n\n",
    "{site}\nCLINIC NOTE - {study} - {visit}\nPatient: {name}   Date of birth: {born}\n"
    "{national_kind}: {national}   Hospital number: {record}   Subject: {id}\n"
    "{street}, {city}, {postcode}   Tel: {phone}\nSeen on: {date}\n\n",
    "{site}\nVISITENBERICHT - {study} - {visit}\nPatient/in: {name}   geb. {born}\n"
    "{national_kind}: {national}   Fallnummer: {record}   Studienteilnehmer: {id}\n"
    "{street}, {postcode} {city}   Tel. {phone}\nVisite am {date}\n\n",
    "{site}\nNOTA DE VISITA - {study} - {visit}\nPaciente: {name}   Fecha de nacimiento: {born}\n"
    "{national_kind}: {national}   Historia cl\xC3\xADnica: {record}   Sujeto: {id}\n"
    "{street}, {postcode} {city}   Tel\xC3\xA9"
    "fono: {phone}\nFecha de la visita: {date}\n\n",
    "{site}\nCOMPTE RENDU DE VISITE - {study} - {visit}\nPatient : {name}   N\xC3\xA9(e) le : {born}\n"
    "{national_kind} : {national}   Dossier : {record}   Sujet : {id}\n"
    "{street}, {postcode} {city}   T\xC3\xA9l. : {phone}\nVisite du {date}\n\n",
};

static const char *const openings[COUNTRY_COUNT][3] = {
    { "{last} came in for the {visit} visit and feels well overall. ",
      "Seen today for {visit}. {name}, age {age}, arrived with a relative. ",
      "{first} {last} was seen for the scheduled {visit} assessment. " },
    { "{name} attended the {visit} clinic and has been keeping well. ",
      "Reviewed at {visit}. {name}, aged {age}, came alone by bus. ",
      "I saw {name} for the planned {visit} review. " },
    { "Vorstellung von {name}, {age} Jahre, zur Visite {visit}. Allgemeinzustand gut. ",
      "{name} kam zur geplanten Visite {visit} und f\xC3\xBChlt sich insgesamt wohl. ",
      "Heute Visite {visit} bei {name}. " },
    { "{name}, {age} a\xC3\xB1os, acude a la visita {visit} y refiere encontrarse bien. ",
      "Se atiende a {name} en la visita {visit} seg\xC3\xBAn calendario. ",
      "Acude {name} a consulta para la visita {visit}. " },
    { "{name}, {age} ans, est venu(e) pour la visite {visit} et se sent bien. ",
      "Vu(e) ce jour pour la visite {visit} : {name}. ",
      "{name} se pr\xC3\xA9sente \xC3\xA0 la visite {visit} comme pr\xC3\xA9vu. " },
};

static const char *const vitals[COUNTRY_COUNT][2] = {
    { "BP {systolic}/{diastolic} mmHg, pulse {pulse}, temperature {temperature} C, weight {weight} kg. ",
      "Vitals: blood pressure {systolic}/{diastolic}, heart rate {pulse}, weight {weight} kg. " },
    { "Blood pressure {systolic}/{diastolic} mmHg, pulse {pulse} regular, weight {weight} kg. ",
      "Obs: BP {systolic}/{diastolic}, HR {pulse}, temp {temperature}. " },
    { "RR {systolic}/{diastolic} mmHg, Puls {pulse}/min, Gewicht {weight} kg. ",
      "Blutdruck {systolic}/{diastolic} mmHg, Herzfrequenz {pulse}, Temperatur {temperature} Grad. " },
    { "TA {systolic}/{diastolic} mmHg, FC {pulse} lpm, peso {weight} kg. ",
      "Tensi\xC3\xB3n {systolic}/{diastolic}, pulso {pulse}, temperatura {temperature} grados. " },
    { "TA {systolic}/{diastolic} mmHg, pouls {pulse}/min, poids {weight} kg. ",
      "Tension {systolic}/{diastolic}, fr\xC3\xA9quence {pulse}, temp\xC3\xA9rature {temperature}. " },
};

static const char *const laboratory[COUNTRY_COUNT] = {
    "Labs: ALT {alt} U/L, CRP {crp} mg/L, hemoglobin {hgb} g/L. ",
    "Bloods: ALT {alt} U/L, CRP {crp} mg/L, haemoglobin {hgb} g/L. ",
    "Labor: ALT {alt} U/l, CRP {crp} mg/l, Hb {hgb} g/l. ",
    "Anal\xC3\xADtica: ALT {alt} U/L, PCR {crp} mg/L, Hb {hgb} g/L. ",
    "Biologie : ALAT {alt} U/L, CRP {crp} mg/L, Hb {hgb} g/L. ",
};

static const char *const told[COUNTRY_COUNT] = {
    "Reports {event} since {event_day}. ",
    "Mentions {event} from {event_day} onwards. ",
    "Berichtet \303\274ber {event} seit dem {event_day}. ",
    "Refiere {event} desde el {event_day}. ",
    "Signale {event} depuis le {event_day}. ",
};

static const char *const taking[COUNTRY_COUNT] = {
    "Continues {drug} {drug_dose}. ",          "Remains on {drug} {drug_dose}. ",
    "Begleitmedikation: {drug} {drug_dose}. ", "Sigue con {drug} {drug_dose}. ",
    "Poursuit {drug} {drug_dose}. ",
};

static const char *const endings[COUNTRY_COUNT][2] = {
    { "Study drug continued as assigned. Reminder sent to {email}.\n\nSigned: {doctor}\n",
      "Next visit booked; call {phone} to confirm.\n\nSigned: {doctor}\n" },
    { "Study medication continues. Letter to GP; copy to {email}.\n\n{doctor}\n",
      "Appointment made; to ring {phone} beforehand.\n\n{doctor}\n" },
    { "Pr\xC3\xBC"
      "fmedikation unver\xC3\xA4ndert. Terminbest\xC3\xA4tigung an {email}.\n\n{doctor}\n",
      "N\xC3\xA4"
      "chster Termin vereinbart, R\xC3\xBC"
      "ckruf unter {phone}.\n\n{doctor}\n" },
    { "Contin\xC3\xBA"
      "a con la medicaci\xC3\xB3n del estudio. Aviso enviado a {email}.\n\n{doctor}\n",
      "Se cita para la pr\xC3\xB3xima visita; confirmar en el {phone}.\n\n{doctor}\n" },
    { "Traitement de l'\xC3\xA9tude inchang\xC3\xA9. Confirmation envoy\xC3\xA9"
      "e \xC3\xA0 {email}.\n\n{doctor}\n",
      "Prochain rendez-vous fix\xC3\xA9 ; rappeler au {phone}.\n\n{doctor}\n" },
};

static const char narrative[] =
    "SAFETY NARRATIVE - {study} - subject {id}\n\n"
    "{name}, a {age}-year-old participant (date of birth {born}, hospital number {record}) at "
    "{site}, received {dose} mg of the study drug daily from {first_dose}. On {event_day} the "
    "participant developed {event} ({term}, {severity}). At the visit of {date} blood pressure was "
    "{systolic}/{diastolic} mmHg and ALT {alt} U/L. Concomitant treatment was {drug} {drug_dose}. "
    "{outcome} The investigator, {doctor}, judged the event {related} to the study drug. The "
    "participant was contacted at {phone} for follow-up.\n";

typedef struct {
    const story *s;
    const story_visit *visit;
    const story_event *event; /* or NULL */
    const story_drug *drug;
    const char *visit_name;
} scene;

static SL_MUST sl_res add_day(sl_buf *out, country where, date d)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    switch (where) {
    case COUNTRY_US:
        return sl_buf_addf(out, "%02d/%02d/%04d", d.month, d.day, d.year);
    case COUNTRY_GB:
        return sl_buf_addf(out, "%d %s %04d", d.day, months[d.month - 1], d.year);
    case COUNTRY_DE:
        return sl_buf_addf(out, "%02d.%02d.%04d", d.day, d.month, d.year);
    case COUNTRY_ES:
    case COUNTRY_FR:
    case COUNTRY_COUNT:
        break;
    }
    return sl_buf_addf(out, "%02d/%02d/%04d", d.day, d.month, d.year);
}

static SL_MUST sl_res fill_number(const scene *c, sl_view place, sl_buf *out, bool *ret_known)
{
    const struct {
        const char *place;
        double value;
        int decimals;
    } numbers[] = {
        { "systolic", c->visit->systolic, 0 },
        { "diastolic", c->visit->diastolic, 0 },
        { "pulse", c->visit->pulse, 0 },
        { "temperature", c->visit->temperature, 1 },
        { "weight", c->visit->weight, 1 },
        { "alt", c->visit->labs[0], 0 },
        { "crp", c->visit->labs[4], 1 },
        { "hgb", c->visit->labs[5], 0 },
        { "age", c->s->age, 0 },
        { "dose", c->visit->dose_mg, 0 },
    };
    for (size_t i = 0; i < SL_COUNT_OF(numbers); i++) {
        if (sl_view_eq_str(place, numbers[i].place)) {
            *ret_known = true;
            return sl_buf_addf(out, "%.*f", numbers[i].decimals, numbers[i].value);
        }
    }
    return SL_DONE;
}

static SL_MUST sl_res fill_day(const scene *c, sl_view place, sl_buf *out, bool *ret_known)
{
    const struct {
        const char *place;
        date value;
    } days[] = {
        { "born", c->s->who.born },
        { "date", date_of_days(c->visit->day) },
        { "event_day", date_of_days(c->event == NULL ? 0 : c->event->start) },
        { "first_dose", date_of_days(c->s->first_dose) },
    };
    for (size_t i = 0; i < SL_COUNT_OF(days); i++) {
        if (sl_view_eq_str(place, days[i].place)) {
            *ret_known = true;
            return add_day(out, c->s->who.country, days[i].value);
        }
    }
    return SL_DONE;
}

static SL_MUST sl_res fill_word(const scene *c, sl_view place, sl_buf *out)
{
    static const char *const severities[] = { "mild", "moderate", "severe" };
    const person *p = &c->s->who;
    const story_event *e = c->event;
    const struct {
        const char *place, *value;
    } words[] = {
        { "site", site_kinds[c->s->site].name },
        { "study", STORY_STUDY },
        { "visit", c->visit_name },
        { "id", c->s->id },
        { "first", p->first },
        { "last", p->last },
        { "street", p->street },
        { "city", p->city },
        { "postcode", p->postcode },
        { "phone", p->phone },
        { "email", p->email },
        { "national", p->national },
        { "national_kind", p->national_kind },
        { "record", p->record },
        { "doctor", c->s->doctor },
        { "drug", c->drug->drug },
        { "drug_dose", c->drug->dose },
        { "event", e == NULL ? "" : event_kinds[e->kind].words[p->country] },
        { "term", e == NULL ? "" : event_kinds[e->kind].term },
        { "severity", e == NULL ? "" : severities[e->severity] },
        { "related", e != NULL && e->related ? "related" : "not related" },
        { "outcome", e != NULL && e->end == 0 ? "The event was going on at the last contact."
                                              : "The event resolved without sequelae." },
    };
    for (size_t i = 0; i < SL_COUNT_OF(words); i++) {
        if (sl_view_eq_str(place, words[i].place)) {
            return sl_buf_add_str(out, words[i].value);
        }
    }
    return sl_fail_at(SL_E_BUG, "template", place.n);
}

static SL_MUST sl_res fill(const scene *c, const char *template, sl_buf *out)
{
    sl_view rest = sl_view_str(template);
    sl_view part;
    while (sl_view_cut(rest, '{', &part, &rest)) {
        SL_TRY(sl_buf_add(out, part));
        sl_view place;
        SL_NEED(sl_view_cut(rest, '}', &place, &rest), SL_E_BUG);
        if (sl_view_eq_str(place, "name")) {
            SL_TRY(sl_buf_addf(out, "%s %s", c->s->who.first, c->s->who.last));
            continue;
        }
        bool known = false;
        SL_TRY(fill_number(c, place, out, &known));
        if (!known) {
            SL_TRY(fill_day(c, place, out, &known));
        }
        if (!known) {
            SL_TRY(fill_word(c, place, out));
        }
    }
    return sl_buf_add(out, part);
}

SL_MUST sl_res story_note(sl_prng *prng, const story *s, size_t visit, sl_buf *out)
{
    scene c = { .s = s,
                .visit = &s->visits[visit],
                .drug = &s->drugs[sl_prng_below(prng, s->drug_count)],
                .visit_name = visit_names[visit] };
    country where = s->who.country;
    SL_TRY(fill(&c, headers[where], out));
    SL_TRY(fill(&c, openings[where][sl_prng_below(prng, 3)], out));
    SL_TRY(fill(&c, vitals[where][sl_prng_below(prng, 2)], out));
    SL_TRY(fill(&c, laboratory[where], out));
    for (size_t i = 0; i < s->event_count; i++) {
        if (s->events[i].visit == visit) {
            c.event = &s->events[i];
            SL_TRY(fill(&c, told[where], out));
        }
    }
    SL_TRY(fill(&c, taking[where], out));
    return fill(&c, endings[where][sl_prng_below(prng, 2)], out);
}

SL_MUST sl_res story_narrative(sl_prng *prng, const story *s, size_t event, sl_buf *out)
{
    scene c = { .s = s,
                .visit = &s->visits[s->events[event].visit],
                .event = &s->events[event],
                .drug = &s->drugs[sl_prng_below(prng, s->drug_count)],
                .visit_name = visit_names[s->events[event].visit] };
    return fill(&c, narrative, out);
}
