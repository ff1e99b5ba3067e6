/* Invented people: see people.h. */
#include "people.h"

typedef struct {
    const char *code;
    const char *women[16], *men[16], *families[28], *streets[12];
    const char *cities[6], *postcodes[6]; /* by the same index */
} nation;

static const nation nations[COUNTRY_COUNT] = {
    [COUNTRY_US] = { "USA",
                     { "Eleanor", "Denise", "Marcia", "Tamika", "Priya", "Heather", "Rosalind",
                       "Joyce", "Yolanda", "Beth", "Carmen", "Lorraine", "Grace", "Naomi", "Tessa",
                       "Wanda" },
                     { "Harold", "Curtis", "Dwayne", "Milton", "Raymond", "Terrence", "Victor",
                       "Wendell", "Brian", "Leroy", "Oscar", "Philip", "Quentin", "Stuart",
                       "Travis", "Glenn" },
                     { "Abernathy",   "Brubaker",   "Castellano", "Dunleavy",   "Eastman",
                       "Fairbanks",   "Gunderson",  "Hollister",  "Ingram",     "Jankowski",
                       "Kirkpatrick", "Lindqvist",  "Montgomery", "Nakamura",   "Okafor",
                       "Pemberton",   "Quigley",    "Rasmussen",  "Sandoval",   "Thibodeaux",
                       "Underhill",   "Vandenberg", "Whitaker",   "Yarborough", "Zielinski",
                       "Bergstrom",   "Calloway",   "Delacruz" },
                     { "Maple Hollow Road", "Orchard Terrace", "Quarry Lane", "Larkspur Drive",
                       "Depot Street", "Old Mill Road", "Cedar Bluff Avenue", "Harbor View Court",
                       "Prospect Hill", "Elm Fork", "Granite Way", "Meadowlark Circle" },
                     { "Boston", "Quincy", "Cleveland", "Lakewood", "Worcester", "Parma" },
                     { "02118", "02169", "44106", "44107", "01608", "44129" } },
    [COUNTRY_GB] = { "GBR",
                     { "Fiona", "Gillian", "Hazel", "Imogen", "Bronwen", "Shazia", "Moira",
                       "Pauline", "Ruth", "Sheila", "Tabitha", "Una", "Winifred", "Zara", "Alison",
                       "Beatrice" },
                     { "Alistair", "Barnaby", "Clive", "Derek", "Ewan", "Gareth", "Hamish", "Imran",
                       "Keith", "Lionel", "Nigel", "Owen", "Rhys", "Simon", "Tariq", "Trevor" },
                     { "Ackroyd",       "Birtwistle",   "Cholmondeley",  "Drinkwater",  "Entwistle",
                       "Farnsworth",    "Greenhalgh",   "Hathersage",    "Illingworth", "Jessop",
                       "Kershaw",       "Lockwood",     "Micklethwaite", "Netherwood",  "Oldroyd",
                       "Postlethwaite", "Ravenscroft",  "Sidebottom",    "Thackeray",   "Uttley",
                       "Venables",      "Wolstenholme", "Yardley",       "Anwar",       "Bhatti",
                       "Cadwallader",   "Dewhurst",     "Earnshaw" },
                     { "Harrogate Road", "Mill Lane", "Chapel Street", "Beckett Close",
                       "Station Road", "Victoria Terrace", "Wharfe View", "Moorland Avenue",
                       "Abbey Walk", "Foundry Row", "Park Rise", "Canal Street" },
                     { "Leeds", "Bradford", "Harrogate", "Wakefield", "Halifax", "Otley" },
                     { "LS9 7TF", "BD5 0NA", "HG2 7SX", "WF1 4DG", "HX1 5NF", "LS21 3AB" } },
    [COUNTRY_DE] = { "DEU",
                     { "Anneliese", "Birgit", "Cornelia", "Dagmar", "Edeltraud", "Friederike",
                       "Gisela", "Heike", "Ilse", "Jutta", "Karin", "Liselotte", "Monika", "Renate",
                       "Sabine", "Waltraud" },
                     { "Albrecht", "Bernd", "Detlef", "Eberhard", "Friedrich", "Gerhard", "Hartmut",
                       "Ingo", "J\xC3\xBCrgen", "Klaus", "Lothar", "Manfred", "Norbert", "Reinhard",
                       "Siegfried", "Uwe" },
                     { "Achterberg",
                       "Brinkmann",
                       "Diekmann",
                       "Eichhorn",
                       "Fr\xC3\xB6hlich",
                       "Gottschalk",
                       "H\xC3\xB6lzer",
                       "Immendorf",
                       "J\xC3\xA4ger",
                       "Kirchhoff",
                       "L\xC3\xBC"
                       "ders",
                       "Meinhardt",
                       "Nussbaum",
                       "Oberl\xC3\xA4nder",
                       "Petersen",
                       "Quandt",
                       "Rosenthal",
                       "Sch\xC3\xA4"
                       "fer",
                       "Trautmann",
                       "Uhlig",
                       "Vogelsang",
                       "Wei\xC3\x9Fgerber",
                       "Zimmer",
                       "Ackermann",
                       "Baumg\xC3\xA4rtner",
                       "Clausnitzer",
                       "Dornberger",
                       "Engelke" },
                     { "Lindenstra\xC3\x9F"
                       "e",
                       "Am Alten Markt", "Goetheweg",
                       "Bahnhofstra\xC3\x9F"
                       "e",
                       "Kirchgasse", "Birkenallee", "Schillerplatz", "M\xC3\xBChlweg",
                       "Gartenstra\xC3\x9F"
                       "e",
                       "Ringstra\xC3\x9F"
                       "e",
                       "Feldweg", "Rosenthalgasse" },
                     { "Leipzig", "Halle", "Markkleeberg", "Delitzsch", "Grimma", "Borna" },
                     { "04103", "06108", "04416", "04509", "04668", "04552" } },
    [COUNTRY_ES] = { "ESP",
                     { "Asunci\xC3\xB3n",
                       "Bego\xC3\xB1"
                       "a",
                       "Concepci\xC3\xB3n", "Dolores", "Encarna", "Fuensanta", "Guadalupe",
                       "Inmaculada", "Jimena",
                       "Luc\xC3\xAD"
                       "a",
                       "Macarena", "Nuria", "Pilar", "Roc\xC3\xADo", "Soledad", "Virtudes" },
                     { "Agust\xC3\xADn", "Baldomero", "Cayetano", "Demetrio", "Eladio", "Fermin",
                       "Gonzalo", "Hilario", "Ignacio", "Joaqu\xC3\xADn", "Leandro",
                       "Mart\xC3\xADn", "Nicol\xC3\xA1s", "Ram\xC3\xB3n", "Sebasti\xC3\xA1n",
                       "Tom\xC3\xA1s" },
                     { "Alc\xC3\xA1ntara",
                       "Barrag\xC3\xA1n",
                       "C\xC3\xA1rdenas",
                       "Dom\xC3\xADnguez",
                       "Escalona",
                       "Figueroa",
                       "Gallardo",
                       "Hinojosa",
                       "Izquierdo",
                       "Jaramillo",
                       "Lozano",
                       "Marchena",
                       "Nogales",
                       "Ordo\xC3\xB1"
                       "ez",
                       "Palomares",
                       "Quintanilla",
                       "Rebollo",
                       "Santaella",
                       "Tejada",
                       "Urbina",
                       "Valderrama",
                       "Zamorano",
                       "Arroyo",
                       "Bermejo",
                       "Carrasco",
                       "Duarte",
                       "Espejo",
                       "Fontaneda" },
                     { "Calle Real", "Avenida de la Constituci\xC3\xB3n", "Calle San Jacinto",
                       "Plaza Nueva", "Calle Feria", "Ronda de los Tejares", "Calle Betis",
                       "Calle Ancha", "Paseo de las Delicias", "Calle Sierpes", "Calle Arrabal",
                       "Camino Viejo" },
                     { "Sevilla", "Dos Hermanas", "Utrera", "Carmona",
                       "\xC3\x89"
                       "cija",
                       "Lebrija" },
                     { "41001", "41700", "41710", "41410", "41400", "41740" } },
    [COUNTRY_FR] = { "FRA",
                     { "Ad\xC3\xA8le", "Bernadette", "Clotilde", "Delphine", "\xC3\x89lodie",
                       "Fabienne", "Ghislaine", "H\xC3\xA9l\xC3\xA8ne", "Isabelle", "Josiane",
                       "Laurence", "Mireille", "No\xC3\xA9mie", "Odile", "Solange",
                       "V\xC3\xA9ronique" },
                     { "Anatole", "Bertrand", "Cyprien", "Didier", "\xC3\x89tienne", "Fabrice",
                       "Gauthier", "Herv\xC3\xA9", "Jean-Marc",
                       "Lo\xC3\xAF"
                       "c",
                       "Maxence", "Ol\xC3\xA9gaire", "Patrice", "R\xC3\xA9mi", "Sylvain",
                       "Thierry" },
                     { "Aubertin", "Beaumanoir",    "Charpentier",      "Desrosiers", "Escoffier",
                       "Fontenay", "Guillemot",     "Hautec\xC5\x93ur", "Jacquemin",  "Kerguelen",
                       "Lemoine",  "Marchand",      "Navarre",          "Ollivier",   "Pellerin",
                       "Quemener", "Rousselot",     "Saint-Aubin",      "Tremblay",   "Vasseur",
                       "Wattelet", "Yvonnet",       "Bizeul",           "Cadiou",     "Drouet",
                       "Evenou",   "Fouch\xC3\xA9", "Grandjean" },
                     { "rue des Carmes", "quai de la Fosse",
                       "rue Cr\xC3\xA9"
                       "billon",
                       "avenue des Tilleuls", "impasse du Lavoir", "place Viarme", "rue du Moulin",
                       "chemin de l'\xC3\x89tang",
                       "boulevard des Oc\xC3\xA9"
                       "ans",
                       "rue de la Gare",
                       "all\xC3\xA9"
                       "e Duquesne",
                       "rue Paul-Bert" },
                     { "Nantes", "Saint-Herblain", "Rez\xC3\xA9", "Orvault", "Vertou", "Clisson" },
                     { "44000", "44800", "44400", "44700", "44120", "44190" } },
};

const char *country_code(country where)
{
    return nations[where].code;
}

int64_t days_of_date(date d)
{
    int64_t y = d.month <= 2 ? d.year - 1 : d.year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
    int64_t day = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return era * 146097 + day - 719468;
}

date date_of_days(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day = z - era * 146097;
    int64_t of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    int month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    int64_t year = of_era + era * 400 + (month <= 2 ? 1 : 0);
    return (date){ (int)year, month, (int)(of_year - (153 * shifted + 2) / 5 + 1) };
}

static const char *pick(sl_prng *prng, const char *const *list, size_t n)
{
    return list[sl_prng_below(prng, n)];
}

static unsigned below(sl_prng *prng, unsigned bound)
{
    return (unsigned)sl_prng_below(prng, bound);
}

/* Lower-case ASCII of a name: accents fall off, the rest that is no letter becomes a hyphen. */
static void plain_name(const char *name, char *out, size_t size)
{
    static const char latin[] = "aaaaaaaceeeeiiiidnooooo-ouuuuypy";
    size_t n = 0;
    const uint8_t *p = (const uint8_t *)name;
    for (size_t i = 0; p[i] != 0 && n + 1 < size; i++) {
        uint8_t c = p[i];
        if (c == 0xC3 && p[i + 1] != 0) {
            c = p[++i] == 0x9F ? 's' : (uint8_t)latin[p[i] & 0x1F];
        } else if (c >= 0xC0) {
            i += p[i + 1] != 0;
            c = 'o';
        } else if (c >= 'A' && c <= 'Z') {
            c = (uint8_t)(c + 32);
        } else if (c < 'a' || c > 'z') {
            c = '-';
        }
        out[n++] = (char)c;
    }
    out[n] = 0;
}

static void national_gb(sl_prng *prng, person *p)
{
    for (;;) {
        unsigned digits[9] = { 9, 9, 9 }; /* the range kept for tests */
        unsigned sum = 0;
        for (unsigned i = 0; i < 9; i++) {
            digits[i] = i < 3 ? 9 : below(prng, 10);
            sum += digits[i] * (10 - i);
        }
        unsigned check = (11 - sum % 11) % 11;
        if (check != 10) {
            snprintf(p->national, sizeof p->national, "999 %u%u%u %u%u%u%u", digits[3], digits[4],
                     digits[5], digits[6], digits[7], digits[8], check);
            p->national_kind = "NHS number";
            return;
        }
    }
}

static void national_de(sl_prng *prng, person *p)
{
    unsigned letter = below(prng, 26);
    unsigned number = below(prng, 100000000);
    unsigned digits[10] = { (letter + 1) / 10, (letter + 1) % 10 };
    unsigned rest = number;
    for (unsigned i = 9; i >= 2; i--) {
        digits[i] = rest % 10;
        rest /= 10;
    }
    unsigned sum = 0;
    for (unsigned i = 0; i < 10; i++) {
        unsigned product = digits[i] * (i % 2 == 0 ? 1 : 2);
        sum += product / 10 + product % 10;
    }
    snprintf(p->national, sizeof p->national, "%c%08u%u", (char)('A' + letter), number, sum % 10);
    p->national_kind = "Versichertennummer";
}

static void national_es(sl_prng *prng, person *p)
{
    unsigned number = below(prng, 90000000) + 10000000;
    snprintf(p->national, sizeof p->national, "%08u%c", number,
             "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]);
    p->national_kind = "DNI";
}

static void national_fr(sl_prng *prng, person *p)
{
    unsigned commune = 1 + below(prng, 220);
    unsigned order = 1 + below(prng, 900);
    unsigned sex = p->female ? 2 : 1;
    unsigned year = (unsigned)p->born.year % 100;
    unsigned month = (unsigned)p->born.month;
    uint64_t whole = sex;
    whole = whole * 100 + year;
    whole = whole * 100 + month;
    whole = whole * 100 + 44;
    whole = whole * 1000 + commune;
    whole = whole * 1000 + order;
    snprintf(p->national, sizeof p->national, "%u %02u %02u 44 %03u %03u %02u", sex, year, month,
             commune, order, (unsigned)(97 - whole % 97));
    p->national_kind = "NIR";
}

static void contact(sl_prng *prng, person *p)
{
    unsigned n = below(prng, 1000);
    switch (p->country) {
    case COUNTRY_US:
        snprintf(p->phone, sizeof p->phone, "(%s) 555-01%02u", n % 2 == 0 ? "617" : "216", n % 100);
        snprintf(p->national, sizeof p->national, "MBR-%07u", below(prng, 10000000));
        p->national_kind = "insurance member ID";
        break;
    case COUNTRY_GB:
        snprintf(p->phone, sizeof p->phone, "07700 900%03u", n);
        national_gb(prng, p);
        break;
    case COUNTRY_DE:
        snprintf(p->phone, sizeof p->phone, "030 23125 %03u", n);
        national_de(prng, p);
        break;
    case COUNTRY_ES:
        snprintf(p->phone, sizeof p->phone, "+34 600 000 %03u", n);
        national_es(prng, p);
        break;
    case COUNTRY_FR:
        snprintf(p->phone, sizeof p->phone, "06 39 98 %02u %02u", n / 100 + 10, n % 100);
        national_fr(prng, p);
        break;
    case COUNTRY_COUNT:
        break;
    }
}

void person_make(sl_prng *prng, country where, person *ret_person)
{
    const nation *n = &nations[where];
    person p = { .country = where, .female = below(prng, 100) < 58 };
    p.born = date_of_days(days_of_date((date){ 1946, 1, 1 }) + below(prng, 50 * 365));
    const char *first = pick(prng, p.female ? n->women : n->men, 16);
    const char *last = pick(prng, n->families, SL_COUNT_OF(n->families));
    snprintf(p.first, sizeof p.first, "%s", first);
    if (where == COUNTRY_ES) { /* two family names */
        snprintf(p.last, sizeof p.last, "%s %s", last,
                 pick(prng, n->families, SL_COUNT_OF(n->families)));
    } else {
        snprintf(p.last, sizeof p.last, "%s", last);
    }
    unsigned city = below(prng, 6);
    unsigned house = 1 + below(prng, 180);
    const char *street = pick(prng, n->streets, SL_COUNT_OF(n->streets));
    if (where == COUNTRY_DE || where == COUNTRY_ES) {
        snprintf(p.street, sizeof p.street, "%s %u", street, house);
    } else {
        snprintf(p.street, sizeof p.street, "%u %s", house, street);
    }
    snprintf(p.city, sizeof p.city, "%s", n->cities[city]);
    snprintf(p.postcode, sizeof p.postcode, "%s", n->postcodes[city]);
    contact(prng, &p);
    char plain_first[32];
    char plain_last[40];
    plain_name(p.first, plain_first, sizeof plain_first);
    plain_name(last, plain_last, sizeof plain_last);
    snprintf(p.email, sizeof p.email, "%s.%s%02u@example.org", plain_first, plain_last,
             (unsigned)p.born.year % 100);
    snprintf(p.record, sizeof p.record, "%08u", 10000000 + below(prng, 89999999));
    *ret_person = p;
}

void doctor_make(sl_prng *prng, country where, char *ret_name, size_t size)
{
    const nation *n = &nations[where];
    const char *first = pick(prng, below(prng, 2) == 0 ? n->women : n->men, 16);
    snprintf(ret_name, size, "Dr. %s %s", first, pick(prng, n->families, SL_COUNT_OF(n->families)));
}
