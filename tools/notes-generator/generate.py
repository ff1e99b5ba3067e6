#!/usr/bin/env python3
"""Synthetic clinical texts with identifiers marked, for training and testing detection.

usage: generate.py GAZETTEERS OUT_FOLDER COUNT SEED [VOICE...]

Every file of voices/ is one author: a line is a template, filled COUNT times and written to
OUT_FOLDER/VOICE.jsonl as {id, src, text, spans:[{start,end,label,raw}]}, offsets in UTF-8 bytes.
[[a|b]] picks one, {slot} fills in, \\n is a line's end, \\t a tab. Slots with a label are identifiers; titles
belong to the name. held/ is for testing alone: 1,500 texts an author, 3,000 of those who name no one. Same arguments, same texts. GAZETTEERS holds the word lists named in the model card;
lists/ here holds our own."""
import json
import random
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MONTHS = ("January February March April May June July August September October November December").split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS_OF = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(),
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre".split(),
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro".split(),
    "nl": "januari februari maart april mei juni juli augustus september oktober november december".split(),
}
COUNTRY_OF = {"de": ("Germany", "Austria", "Switzerland"), "fr": ("France", "Belgium"),
              "es": ("Spain", "Mexico", "Argentina", "Colombia", "Chile"),
              "it": ("Italy",), "pt": ("Portugal", "Brazil"), "nl": ("Netherlands",)}
ORIGIN_OF = {"de": "german", "fr": "french", "es": "hispanic", "it": "italian", "pt": "portuguese", "nl": "dutch"}
# Towns as those who live there write them, where the list has the English name.
TOWN_OF = {"de": {"Munich": "München", "Nuremberg": "Nürnberg", "Vienna": "Wien", "Geneva": "Genf"},
           "fr": {"Brussels": "Bruxelles", "Antwerp": "Anvers", "Ghent": "Gand", "Bruges": "Bruges"}, "es": {"Mexico City": "Ciudad de México"},
           "it": {"Rome": "Roma", "Milan": "Milano", "Turin": "Torino", "Naples": "Napoli", "Florence": "Firenze", "Venice": "Venezia", "Genoa": "Genova", "Padua": "Padova"},
           "pt": {"Lisbon": "Lisboa"}, "nl": {"The Hague": "Den Haag"}}
STATES = dict(zip(
    "Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Georgia Hawaii Idaho "
    "Illinois Indiana Iowa Kansas Kentucky Louisiana Maine Maryland Massachusetts Michigan Minnesota Mississippi "
    "Missouri Montana Nebraska Nevada New_Hampshire New_Jersey New_Mexico New_York North_Carolina North_Dakota "
    "Ohio Oklahoma Oregon Pennsylvania Rhode_Island South_Carolina South_Dakota Tennessee Texas Utah Vermont "
    "Virginia Washington West_Virginia Wisconsin Wyoming".replace("_", "~").split(),
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH "
    "OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY".split()))
STATES = {name.replace("~", " "): short for name, short in STATES.items()}

DAYS_OF = {"de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag".split(), "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche".split(),
           "es": "lunes martes miércoles jueves viernes sábado domingo".split(),
           "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica".split(), "pt": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo".split(),
           "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag".split()}
# How a man, a woman and a doctor are called.
TITLES_OF = {"it": (["Sig.", "Signor", "Sig.", "il Sig."], ["Sig.ra", "Signora", "Sig.ra", "Sig.na"], ["Dr.", "Dott.", "Dott.ssa", "Prof.", "Dottor", "Dr.ssa"]),
             "pt": (["Sr.", "Senhor", "Sr.", "Seu"], ["Sra.", "D.", "Dona", "Senhora"], ["Dr.", "Dra.", "Dr.", "Doutora", "Prof. Dr.", "Doutor"]),
             "nl": (["dhr.", "de heer", "meneer", "Dhr.", "hr."], ["mw.", "mevrouw", "mevr.", "Mw."], ["dr.", "dokter", "Dr.", "drs.", "prof. dr.", "huisarts"])}
NURSES_OF = {"de": ["Schwester ", "Pfleger ", "Sr. ", "Pflegefachfrau "], "fr": ["IDE ", "Infirmière ", "Aide-soignante "], "es": ["Enf. ", "Enfermera ", "DUE "],
             "it": ["Inf. ", "infermiera ", "OSS "], "pt": ["Enf. ", "Enfermeira ", "Enf.ª "], "nl": ["zuster ", "verpleegkundige ", "broeder "]}
STREETS_OF = {"it": (["via", "Via", "viale", "corso", "piazza", "V.le", "largo", "vicolo"], "street_stem_it", "{way} {stem}, {n}"),
              "pt": (["Rua", "R.", "Avenida", "Av.", "Travessa", "Praça", "Largo", "Estrada"], "street_stem_pt", "{way} {stem}, {n}"),
              "nl": (["straat", "laan", "weg", "plein", "gracht", "kade", "hof", "singel"], "street_stem_nl", "{stem}{way} {n}")}
HOSPITALS_OF = {"it": ["Ospedale di {c}", "Policlinico {c}", "Ospedale San {first}", "Clinica Villa {last}", "ASL {c}", "Ospedale Civile di {c}", "RSA San {first}", "AOU {c}", "Poliambulatorio {last}", "Casa di Cura {last}"],
                "pt": ["Hospital de {c}", "Hospital São {first}", "Santa Casa de {c}", "Centro de Saúde de {c}", "USF {c}", "Clínica {last}", "Hospital Municipal {last}", "UPA {c}", "Hospital Distrital de {c}", "Lar Santa {first}"],
                "nl": ["Ziekenhuis {c}", "{last} Ziekenhuis", "Sint {first} Ziekenhuis", "Huisartsenpraktijk {last}", "Verpleeghuis {c}", "UMC {c}", "Zorgcentrum De {last}hof", "GGZ {c}", "Apotheek {last}", "Gezondheidscentrum {c}"]}


def lines(path):
    return [l.rstrip("\n") for l in open(path, encoding="utf-8") if l.strip() and not l.startswith("#")]


def words(path):
    """Lists of ours: `name: a, b, c` on each line."""
    out = {}
    for line in lines(path):
        name, _, rest = line.partition(":")
        out.setdefault(name.strip(), []).extend(w.strip() for w in rest.split(",") if w.strip())
    return out


class Lists:
    def __init__(self, folder):
        folder = Path(folder)
        first = [l.split("\t") for l in lines(folder / "first_names_ssa.tsv")]
        self.first = [f[0] for f in first]
        self.first_weight = [int(f[1]) ** 0.5 for f in first]
        self.first_world = [w.title() for w in lines(folder / "first_names_world.txt")]
        self.last = lines(folder / "surnames_us.txt")
        self.last_world = [w.title() for w in lines(folder / "surnames_world.txt")]
        cities = [l.split("\t") for l in lines(folder / "cities.tsv")]
        self.cities = {}
        for c in cities:
            self.cities.setdefault(c[2], []).append(c)
        self.abroad = [c for c in cities if c[2] != "United States"]
        self.hospitals = [l.split("\t")[0] for l in lines(folder / "hospitals_us.tsv")]
        self.eponyms = [w.title() for w in lines(folder / "eponyms.txt")]
        self.names = words(HERE / "lists" / "names.txt")
        self.words = words(HERE / "lists" / "words.txt")
        self.origins = sorted({k.split(".")[0] for k in self.names})


class Person:
    def __init__(self, r, lists, lang):
        x = r.random()
        self.male = r.random() < 0.5
        if lang != "en" and x < 0.7:
            group = ORIGIN_OF[lang]
        elif x < (0.45 if lang == "en" else 0.85):
            group = r.choice(lists.origins)
        else:
            group = None
        if group is not None:
            self.first = r.choice(lists.names[group + ".first"])
            self.last = r.choice(lists.names[group + ".last"])
        else:
            self.first = r.choices(lists.first, lists.first_weight)[0] if r.random() < 0.85 else r.choice(lists.first_world)
            self.last = r.choice(lists.last if r.random() < 0.7 else lists.last_world)
        y = r.random()
        if y < 0.04:
            self.last += "-" + r.choice(lists.last)
        elif y < 0.06:
            self.last = (r.choice(["O'", "Mc", "Mac", "D'"]) if lang == "en" else "") + self.last
        elif y < 0.08:
            self.last = r.choice(["van der ", "de la ", "von ", "De ", "Van ", "Al-", "bin "]) + self.last
        elif y < 0.13 and lang == "es" or y < 0.02:
            self.last += " " + r.choice(lists.names["hispanic.last"])
        self.middle = r.choice("ABCDEFGHJKLMNPRSTW")
        if group is not None and group == ORIGIN_OF.get(lang) and r.random() < 0.3:
            self.double(r, lists, lang)
        if lang == "nl" and r.random() < 0.25:
            self.last = r.choice(["van ", "de ", "van de ", "van den ", "ter ", "van der "]) + self.last

    def double(self, r, lists, lang):
        """Two given names or two family names, as the country has them."""
        other, wed = r.choice(lists.names[ORIGIN_OF[lang] + ".first"]), r.choice(lists.names[ORIGIN_OF[lang] + ".last"])
        if lang == "es":
            self.last = f"{self.last} {wed}" if r.random() < 0.8 else f"{self.last} y {wed}" if r.random() < 0.2 else self.last
            if r.random() < 0.5:
                self.first = r.choice([f"{self.first} {other}", f"María {other}", f"José {other}", "María del Carmen", "María de los Ángeles",
                                       "Mª Ángeles", "M.ª Dolores", "Fco. Javier", "José Luis", "Juan Carlos", "Ana Belén", "Mª José"])
        elif lang == "pt":
            self.last = f"{self.last} {wed}" if r.random() < 0.6 else f"{r.choice(['da', 'dos', 'de'])} {self.last}"
            self.first = f"{self.first} {other}" if r.random() < 0.3 else self.first
        elif lang == "it":
            self.first = f"{self.first} {other}" if r.random() < 0.6 else self.first
            self.last = f"{r.choice(['De', 'Di', 'Lo', 'La'])} {self.last}" if r.random() < 0.4 else self.last
        elif r.random() < 0.4 or lang == "nl":
            self.last = f"{self.last}-{wed}"
        else:
            self.first = r.choice([f"{self.first} {other}", f"{self.first}-{other}", f"{self.first}-{other}"] if lang == "de" else
                                  [f"Jean-{other}", f"Marie-{other}", f"{self.first}-{other}", f"Anne-{other}"])


class Text:
    """What is being written: pieces of (text, label, kind)."""

    def __init__(self, r, lists, lang):
        self.r, self.lists, self.lang = r, lists, lang
        self.pieces = []
        self.people = {}

    def person(self, key):
        if key not in self.people:
            self.people[key] = Person(self.r, self.lists, self.lang)
        return self.people[key]

    def add(self, text, label=None, kind=None):
        if text:
            self.pieces.append((text, label, kind))

    # -- people
    def mr(self, p):
        if self.lang == "de":
            short = self.r.random() < 0.12
            return ("Hr." if short else "Herr") if p.male else "Fr." if short else "Frau"
        if self.lang == "fr":
            return self.r.choice(["M.", "M.", "Monsieur", "Mr"]) if p.male else self.r.choice(["Mme", "Madame", "Mme", "Mlle"])
        if self.lang == "es":
            return self.r.choice(["Sr.", "D.", "Don", "Sr"]) if p.male else self.r.choice(["Sra.", "Dña.", "Doña", "Sra", "Srta.", "D.ª"])
        if self.lang in TITLES_OF:
            return self.r.choice(TITLES_OF[self.lang][0 if p.male else 1])
        dot = "" if self.r.random() < 0.12 else "."
        return "Mr" + dot if p.male else self.r.choice(["Mrs" + dot, "Ms" + dot, "Ms" + dot, "Miss"])

    def doctor_title(self):
        r = self.r
        if self.lang == "de":
            return r.choice(["Dr.", "Dr.", "Dr. med.", "Prof. Dr.", "PD Dr.", "OA Dr.", "Prof.", "Dr.in", "Dr", "CA Dr.", "Univ.-Prof. Dr."])
        if self.lang == "fr":
            return r.choice(["Dr", "Docteur", "Pr", "Professeur", "le Dr"]).replace("le ", "")
        if self.lang == "es":
            return r.choice(["Dr.", "Dra.", "Dr.", "Dra.", "Dr", "Dra", "Prof.", "Dr. D."])
        if self.lang in TITLES_OF:
            return r.choice(TITLES_OF[self.lang][2])
        return r.choice(["Dr.", "Dr.", "Dr.", "Dr.", "Dr", "Doctor", "Prof."])

    def name(self, who, form):
        p, r = self.person(who), self.r
        full = f"{p.first} {p.last}"
        if form == "":
            x = r.random()
            full = full if x < 0.8 else f"{p.first} {p.middle}. {p.last}" if x < 0.92 else f"{p.first} {p.middle} {p.last}"
        elif form == "f":
            full = p.first
        elif form == "l":
            full = p.last
        elif form == "mr":
            full = f"{self.mr(p)} {p.last}"
        elif form == "mrfull":
            full = f"{self.mr(p)} {p.first} {p.last}"
        elif form == "lf":
            full = f"{p.last}, {p.first}" + (f" {p.middle}." if r.random() < 0.3 else "")
        elif form == "caps":
            full = f"{p.last.upper()}, {p.first.upper()}" if r.random() < 0.6 else full.upper()
        elif form == "il":
            full = f"{p.first[0]}. {p.last}"
        elif form == "low":
            full = r.choice([full, full, p.first, p.last]).lower()
        elif form == "fi":
            full = f"{p.first} {p.last[0]}" + r.choice([".", ".", ""])
        elif form == "init":
            full = r.choice([f"{p.first[0]}{p.last[0]}", f"{p.first[0]}.{p.last[0]}.", f"{p.first[0]}. {p.last[0]}.",
                             f"{p.first[0]}{p.middle}{p.last[0]}", f"{p.first[0]}.{p.middle}.{p.last[0]}."])
        elif form == "ml":
            full = f"{self.mr(p)} {p.last[0]}" + r.choice([".", ""])
        elif form == "nick":
            full = r.choice(self.lists.names[f"{ORIGIN_OF.get(self.lang, 'plain')}.nick"]) + (f" {p.last}" if r.random() < 0.4 else "")
        elif form == "any":
            return self.name(who, r.choice(["", "", "mr", "mr", "l", "f", "lf"]))
        elif form == "dr":
            full = f"{self.doctor_title()} {p.last}" if r.random() < 0.6 else f"{self.doctor_title()} {p.first} {p.last}"
        elif form == "nurse":
            titles = NURSES_OF.get(self.lang, ["Nurse ", "Sister ", "RN ", "Nurse "])
            full = r.choice(titles) + (p.first if r.random() < 0.3 else p.last)
        elif form == "up":
            full = r.choice([f"{p.last.upper()} {p.first}", f"{p.first} {p.last.upper()}", p.last.upper()])
        elif form == "sign":
            self.add(full, "NAME", "DOCTOR")
            self.add(r.choice([", MD", ", M.D.", " MD", ", DO", ", NP", ", RN", ", PA-C", ", PhD", ", FNP-BC", ", PharmD", ", LCSW"]))
            return None
        elif form == "poss":
            self.add(r.choice([p.first, p.last, full]), "NAME", who)
            self.add("s" if self.lang == "de" else "" if self.lang != "en" else r.choice(["'s", "'s", "’s"]))
            return None
        self.add(full, "NAME", who)
        return None

    # -- places
    def city(self):
        if self.lang != "en":
            c = self.r.choice(self.lists.cities[self.r.choice(COUNTRY_OF[self.lang][:1] * 4 + COUNTRY_OF[self.lang])])
            return [TOWN_OF[self.lang].get(c[0], c[0])] + c[1:]
        return self.r.choice(self.lists.cities["United States"] if self.r.random() < 0.75 else self.lists.abroad)

    def place(self):
        c = self.city()
        if c[2] == "United States" and self.r.random() < 0.55:
            return f"{c[0]}, {self.r.choice([STATES.get(c[1], 'CA'), c[1]])}"
        return c[0] if self.r.random() < 0.8 or self.lang != "en" else f"{c[0]}, {c[2]}"

    def street(self):
        r = self.r
        n = r.randint(1, 9999 if r.random() < 0.6 else 250)
        stem = r.choice([r.choice(self.lists.last), r.choice(self.lists.words["street_stem"])])
        if self.lang != "en":
            return self.street_of(n % 200 + 1)
        return (f"{n} {r.choice(['', '', '', 'N. ', 'S ', 'West ', 'E. '])}{stem} "
                f"{r.choice(['Street', 'St', 'St.', 'Ave', 'Avenue', 'Road', 'Rd', 'Drive', 'Dr', 'Lane', 'Ln', 'Blvd', 'Court', 'Way', 'Place', 'Terrace'])}"
                + r.choice(["", "", "", f", Apt {r.randint(1, 40)}{r.choice('ABCD')}", f" #{r.randint(1, 400)}", f", Unit {r.randint(1, 60)}"]))

    def street_of(self, n):
        """A street and its number as the country of the language writes them."""
        r, w, names = self.r, self.lists.words, self.lists.names
        if self.lang in STREETS_OF:
            ways, stems, form = STREETS_OF[self.lang]
            home = names[ORIGIN_OF[self.lang] + ".last"]
            stem = r.choice(w[stems]) if r.random() < 0.6 else r.choice(home)
            return form.format(way=r.choice(ways), stem=stem, n=n) + r.choice(["", "", "", "A", "/b", "-2"])
        if self.lang == "de":
            stem = r.choice([r.choice(names["german.last"]), r.choice(w["street_stem_de"]), f"{r.choice(names['german.first'])}-{r.choice(names['german.last'])}-"])
            end = r.choice(["straße", "str.", "weg", "platz", "allee", "gasse", "ring", "strasse", "ufer"])
            street = f"{stem}{end.title() if stem.endswith('-') else end}" if r.random() < 0.85 else r.choice(w["street_de"])
            return f"{street} {n}" + r.choice(["", "", "", "", "a", "b", f"/{n % 9 + 1}", f", {n % 5 + 1}. OG", f" - {n + 2}"])
        if self.lang == "fr":
            way = r.choice(["rue", "avenue", "boulevard", "place", "chemin", "allée", "impasse", "quai", "bd", "av.", "route", "cours"])
            stem = r.choice(w["street_stem_fr"]) if r.random() < 0.6 else f"{r.choice(names['french.first'])} {r.choice(names['french.last'])}"
            return r.choice(["", "", "", "", f"Résidence {r.choice(w['street_stem_fr']).split()[-1]}, "]) + f"{n}{r.choice(['', '', '', ' bis', ' ter', ','])} {way} {stem}"
        way = r.choice(["Calle", "Avda.", "C/", "Plaza", "Paseo", "c/", "Avenida", "Pza.", "Ronda", "Camino", "Carrer", "Travesía", "Av."])
        stem = r.choice(w["street_stem_es"]) if r.random() < 0.6 else f"{r.choice(names['hispanic.first'])} {r.choice(names['hispanic.last'])}"
        return f"{way} {stem}{r.choice([', ', ' ', ' nº ', ', nº '])}{n}" + r.choice(["", "", "", f", {n % 9 + 1}º {r.choice('ABCD')}", f", {n % 7 + 1}º izq.", f", bajo {r.choice('AB')}", f" - {n % 9 + 1}ª {n % 4 + 1}ª"])

    def address_abroad(self):
        """Street, flat, town, country and code in whatever order a form asks for them."""
        r, names = self.r, self.lists.names
        c = r.choice(self.lists.abroad)
        stem = r.choice(names[r.choice(self.lists.origins) + ".last"]) if r.random() < 0.5 else r.choice(self.lists.last_world)
        street = r.choice([f"{stem}{r.choice(['strasse', 'gatan', 'vägen', 'veien', 'vej', 'gade', 'straat', 'laan', 'weg', 'katu', 'utca'])} {r.randint(1, 250)}",
                           f"{r.choice(['Via', 'Rue', 'Rua', 'Calle', 'Avenida', 'Ulica', 'ul.', 'Jalan', 'Via dei', 'Rue de la', 'Piazza', 'Praça'])} {stem} {r.randint(1, 250)}",
                           f"{r.randint(1, 250)} {stem} {r.choice(['Street', 'Road', 'Close', 'Crescent', 'Avenue', 'Parade', 'Grove', 'Mews'])}", f"{stem} {r.randint(1, 250)}"])
        parts = [street] + r.choice([[], [], [f"{r.choice(['Apt.', 'Suite', 'Flat', 'Apt'])} {r.randint(1, 999)}"]])
        parts.append(r.choice([c[0], c[0].upper(), f"{self.digits(5)} {c[0]}", f"{c[0]} {self.digits(4)}"]))
        parts += r.choice([[], [c[2]], [f"{c[2]} {self.digits(5)}"]])
        return r.choice(["\n", "\n", ", ", "\n "]).join(parts)

    def hospital(self):
        r, w = self.r, self.lists.words
        c = self.city()[0]
        if self.lang != "en":
            return self.hospital_of(c)
        x = r.random()
        if x < 0.35:
            return r.choice(self.lists.hospitals)
        if x < 0.6:
            return f"{c} {r.choice(w['facility'])}"
        if x < 0.72:
            return f"{r.choice(['St.', 'Saint', 'St', 'Mount', 'Our Lady of'])} {r.choice(w['saint'])}{r.choice(['', chr(39) + 's', ''])} {r.choice(w['facility'])}"
        if x < 0.84:
            return f"{r.choice(self.lists.last)} {r.choice(w['facility'])}"
        if x < 0.92:
            return f"{r.choice(w['facility_stem'])} {r.choice(w['facility'])}"
        return f"University of {r.choice(list(STATES))} {r.choice(['Hospital', 'Medical Center', 'Health', 'Hospitals and Clinics'])}"

    def hospital_of(self, c):
        r, names = self.r, self.lists.names
        if self.lang in HOSPITALS_OF:
            home = ORIGIN_OF[self.lang]
            return r.choice(HOSPITALS_OF[self.lang]).format(c=c, first=r.choice(names[home + ".first"]), last=r.choice(names[home + ".last"]))
        if self.lang == "de":
            saint = f"{r.choice(['St.', 'Sankt', 'St.-', 'St.'])} {r.choice(['Marien', 'Josef', 'Elisabeth', 'Vinzenz', 'Anna', 'Bernward', 'Hedwig', 'Franziskus', 'Barbara'])}".replace("- ", "-")
            return r.choice([f"Klinikum {c}", f"Universitätsklinikum {c}", f"Krankenhaus {c}", f"{saint}-{r.choice(['Hospital', 'Krankenhaus', 'Stift', 'Klinik'])}", f"{r.choice(['Asklepios', 'Helios', 'Sana', 'Schön', 'Vivantes', 'Ameos'])} {r.choice(['Klinik', 'Klinikum'])} {c}",
                             f"Praxis am {r.choice(['Markt', 'Park', 'Bahnhof'])}", f"Städtisches Klinikum {c}", f"Kreiskrankenhaus {c}", f"Uniklinik {c}", f"UKL {c}", f"Diakonissenkrankenhaus {c}", f"Landeskrankenhaus {c}", f"Kantonsspital {c}", f"MVZ {c}",
                             f"Reha-Klinik {c}", f"Praxis Dr. {r.choice(names['german.last'])}", f"{r.choice(names['german.last'])}-Klinik", f"Seniorenzentrum {r.choice(['Abendsonne', 'Lindenhof', 'Haus Birke', 'Am Schlosspark'])}", f"Dialysezentrum {c}", f"Gemeinschaftspraxis {r.choice(names['german.last'])}"])
        if self.lang == "fr":
            last = r.choice(names["french.last"])
            return r.choice([f"CHU de {c}", f"Hôpital {last}", f"Clinique {r.choice(['Saint-Jean', 'des Cèdres', 'du Parc', 'Pasteur', 'Sainte-Anne', 'des Tilleuls', 'du Pont'])}", f"Centre Hospitalier de {c}", f"Hôpital Saint-{r.choice(names['french.first'])}", f"Maison de santé de {c}",
                             f"CH {c}", f"hôpital de {c}", f"CHRU {c}", f"Polyclinique de {c}", f"EHPAD {r.choice(['Les Jardins', 'Les Mimosas', 'Sainte-Marthe', 'La Roseraie', 'Le Clos'])}", f"Hôpital {r.choice(names['french.first'])} {last}", f"cabinet du Dr {last}", f"Laboratoire {last}", f"SSR de {c}"])
        last = r.choice(names["hispanic.last"])
        return r.choice([f"Hospital Universitario de {c}", f"Hospital {r.choice(['Clínico', 'General', 'Comarcal', 'Provincial'])} de {c}", f"Hospital {r.choice(['Virgen del Rocío', 'La Paz', 'Santa María', 'San Juan', 'Doce de Octubre', 'Virgen de la Luz', 'San Rafael', 'Reina Isabel'])}", f"Clínica {last}", f"Centro de Salud {c}",
                         f"C.S. {c}", f"Hospital de {c}", f"HU {c}", f"Clínica San {r.choice(names['hispanic.first'])}", f"Residencia {r.choice(['Los Olivos', 'Santa Ana', 'El Pinar', 'La Encina'])}", f"Hospital Dr. {last}", f"Complejo Hospitalario de {c}", f"Sanatorio {last}", f"CAP {c}", f"Policlínica {last}"])

    # -- times and numbers
    def date(self, form):
        r = self.r
        y, m, d = r.randint(2015, 2026), r.randint(1, 12), r.randint(1, 28)
        if form == "dob":
            y = r.randint(1932, 2022)
        if self.lang != "en":
            return self.date_of(form, y, m, d)
        name = MONTHS[m - 1]
        full = [f"{m}/{d}/{y}", f"{m:02}/{d:02}/{y}", f"{m:02}-{d:02}-{y}", f"{y}-{m:02}-{d:02}", f"{name} {d}, {y}", f"{d} {name} {y}",
                f"{d:02}-{name[:3].upper()}-{y}", f"{name[:3]} {d}, {y}", f"{d:02}/{m:02}/{y}" if d > 12 else f"{m}/{d}/{y}", f"{m}/{d}/{y % 100:02}", f"{d}{name[:3].upper()}{y}", f"{name} {d}th, {y}" if 3 < d < 21 else f"{name} {d}, {y}"]
        part = [f"{m}/{d}", f"{name} {d}", f"{name[:3]} {d}", f"{name} {y}", f"{m}/{y}", f"{d} {name}", f"{name[:3]} {y}"]
        if form in ("full", "dob"):
            return r.choice(full)
        if form == "my":
            return r.choice([f"{name} {y}", f"{m:02}/{y}", f"{name[:3]} {y}", f"{name} of {y}", f"{name[:3]} '{y % 100:02}"])
        if form == "odd":
            day, th = r.choice(DAYS), {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(d, "th")
            return r.choice([f"{day[:3].lower()} {m}/{d}", f"{day} {m}/{d}", f"{day}, {name} {d}", f"{m}/{d}", f"{m}-{d}-{y % 100:02}",
                             f"{m}.{d}.{y % 100:02}", f"{name} {d}{th}", f"{name[:3]} {d}{th}", f"the {d}{th} of {name}", f"{d}{th} {name}",
                             f"{name.lower()} {d}", f"{name[:3].lower()} {d}", f"{name[:3]}. {d}", f"{name[:3]} {d} {y}", f"{m:02}/{d:02}",
                             f"{d} {name[:3]} '{y % 100:02}", f"{y}{m:02}{d:02}", f"{y}/{m:02}/{d:02}", f"{d}-{name[:3].lower()}-{y % 100:02}"])
        return r.choice(part if form == "part" else full + part[:4])

    def date_of(self, form, y, m, d):
        """Dates as German, French and Spanish hands write them: the day first."""
        r, name, year = self.r, MONTHS_OF[self.lang][m - 1], y % 100
        if self.lang == "de":
            full = [f"{d:02}.{m:02}.{y}", f"{d:02}.{m:02}.{y}", f"{d}. {name} {y}", f"{d}.{m}.{y}", f"{d:02}.{m:02}.{year:02}"]
            part = [f"{d}.{m}.", f"{d:02}.{m:02}.", f"{d}. {name}", f"{d}.{m}.{year:02}", f"{d}. {m}.", f"{d}./{d + 1}.{m}.", f"{d}. {name[:3]}."]
            odd = [f"{r.choice(DAYS_OF['de'])}, {d}.{m}.", f"{r.choice(DAYS_OF['de'])[:2]} {d}.{m}.", f"{r.choice(DAYS_OF['de'])}, den {d}. {name} {y}", f"{y}-{m:02}-{d:02}",
                   f"{d}.{name[:3]} {year:02}", f"{d}/{m}/{year:02}", f"{d}. {name.lower()}", f"{d:02}{m:02}{y}", f"{d:02}.{m:02}.{y}, {d % 24:02}:{m + 10} Uhr", f"{d}.{m}.'{year:02}"]
            month = [f"{name} {y}", f"{m:02}/{y}", f"{m}/{year:02}", f"{name} {year:02}", f"{name[:3]}. {y}", f"{m:02}.{y}"]
        else:
            of = "de " if self.lang in ("es", "pt") else ""
            day = r.choice(DAYS_OF[self.lang])
            first = "1er" if self.lang == "fr" and d == 1 else d
            full = [f"{d:02}/{m:02}/{y}", f"{d:02}/{m:02}/{y}", f"{d:02}-{m:02}-{y}", f"{first} {of}{name} {of}{y}", f"{d}/{m}/{year:02}", f"{d:02}.{m:02}.{y}"]
            part = [f"{d}/{m}", f"{d:02}/{m:02}", f"{first} {of}{name}", f"{d}-{m}", f"{d}/{m}/{year:02}"]
            odd = [f"{day} {d}/{m}", f"{day} {first} {of}{name}", f"{day}{',' if of else ''} {first} {of}{name} {of}{y}", f"{y}-{m:02}-{d:02}", f"{d}-{name[:3]}-{year:02}", f"{d}.{m}.{year:02}",
                   f"{d} {name[:4]}. {y}", f"{d:02}/{m:02}/{y} {d % 24:02}:{m + 10}" + r.choice(["", " h"]), f"{d:02}{m:02}{year:02}", f"{d} {name[:3].upper()} {y}"]
            month = [f"{name} {of}{y}", f"{m:02}/{y}", f"{m}/{year:02}", f"{name} {y}", f"{name} {'del ' if self.lang == 'es' else ''}{y}"]
        forms = {"full": full, "dob": full, "my": month, "odd": odd, "part": part}
        return r.choice(forms[form] if form in forms else full * 3 + part)

    def digits(self, n):
        return "".join(self.r.choice("0123456789") for _ in range(n))

    def letters(self, n):
        return "".join(self.r.choice("ABCDEFGHJKLMNPRSTUVWXY") for _ in range(n))

    def phone(self):
        r = self.r
        if self.lang == "de":
            area, cell = r.randint(30, 899), r.randint(151, 179)
            return r.choice([f"0{area} {self.digits(6)}", f"+49 {cell} {self.digits(8)}", f"0{cell}/{self.digits(7)}", f"0{area}/{self.digits(2)} {self.digits(2)} {self.digits(2)}", f"0{area}-{self.digits(5)}-{self.digits(2)}",
                             f"(0{area}) {self.digits(6)}", f"+49 (0){area} {self.digits(6)}", f"0{cell}{self.digits(8)}", f"0043 {r.randint(650, 699)} {self.digits(7)}", f"+41 7{self.digits(1)} {self.digits(3)} {self.digits(2)} {self.digits(2)}"])
        if self.lang == "fr":
            pairs, one = [self.digits(2) for _ in range(4)], r.randint(1, 9)
            return r.choice([f"0{one} " + " ".join(pairs)] * 3 + [f"0{one}." + ".".join(pairs), f"+33 {one} " + " ".join(pairs), f"0{one}" + "".join(pairs), f"0{one}-" + "-".join(pairs), f"+33(0){one} " + " ".join(pairs), f"0032 4{self.digits(2)} " + " ".join(pairs[:3])])
        if self.lang == "es":
            a, pairs = r.randint(600, 999), [self.digits(2) for _ in range(3)]
            return r.choice([f"+34 {a} {self.digits(3)} {self.digits(3)}", f"{a} " + " ".join(pairs), f"{a}{''.join(pairs)}", f"{a}-{self.digits(3)}-{self.digits(3)}", f"{a} {self.digits(3)} {self.digits(3)}", f"(9{self.digits(1)}) {self.digits(3)} {self.digits(4)}",
                             f"+52 55 {self.digits(4)} {self.digits(4)}", f"+54 9 11 {self.digits(4)}-{self.digits(4)}", f"+57 3{self.digits(2)} {self.digits(7)}", f"{a}.{'.'.join(pairs)}"])
        if self.lang in TITLES_OF:
            return self.phone_more()
        a, b, c = r.randint(201, 989), r.randint(200, 999), self.digits(4)
        return r.choice([f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"{a}.{b}.{c}", f"{a} {b} {c}", f"+1 {a} {b} {c}", f"+1-{a}-{b}-{c}", f"({a}){b}-{c}", f"+44 7{self.digits(3)} {self.digits(6)}"])

    def phone_more(self):
        r, d = self.r, self.digits
        return r.choice({"it": [f"3{d(2)} {d(7)}", f"+39 3{d(2)} {d(3)} {d(4)}", f"0{d(2)}/{d(6)}", f"3{d(9)}", f"06 {d(8)}"],
                         "pt": [f"9{d(2)} {d(3)} {d(3)}", f"+351 9{d(8)}", f"(11) 9{d(4)}-{d(4)}", f"+55 21 9{d(4)}-{d(4)}", f"2{d(8)}"],
                         "nl": [f"06-{d(8)}", f"06 {d(2)} {d(2)} {d(2)} {d(2)}", f"+31 6 {d(8)}", f"0{d(2)}-{d(7)}", f"0{d(3)} {d(6)}"]}[self.lang])

    def identifier(self, kind):
        r, d, l = self.r, self.digits, self.letters
        forms = {
            "mrn": [d(6), d(7), d(8), f"{l(1)}{d(7)}", f"MR{d(6)}", f"{d(3)}-{d(2)}-{d(3)}", f"{d(2)}-{d(5)}", f"{l(3)}-{d(6)}", f"{l(2)}{d(4)}-{d(3)}"],
            "ssn": [f"{r.randint(100, 772):03}-{r.randint(10, 99)}-{r.randint(1000, 9999)}"] * 4 + [f"{r.randint(100, 772):03} {r.randint(10, 99)} {r.randint(1000, 9999)}"],
            "plan": [f"{l(3)}{d(9)}", f"{d(9)}{l(1)}", f"{l(1)}{d(8)}", f"{l(2)}-{d(7)}-{d(2)}", f"{l(3)}-{d(4)}-{d(4)}", f"{d(10)}-{d(2)}"],
            "acct": [d(9), d(10), f"{l(2)}{d(8)}", f"{d(4)}-{d(6)}", f"A-{d(7)}"],
            "case": [f"{l(2)}-{d(5)}", f"S{d(2)}-{d(5)}", f"{l(1)}{d(8)}", f"{r.randint(2018, 2026)}-{d(5)}"],
            "licence": [f"{l(1)}{d(7)}", f"{l(2)}{d(6)}", f"{l(1)}{d(3)}-{d(4)}-{d(4)}"],
            "serial": [f"{l(2)}{d(7)}", f"{l(3)}-{d(5)}-{l(1)}{d(2)}", f"SN{d(8)}", f"{l(1)}{d(5)}{l(2)}{d(3)}"],
            "subject": [f"{d(2)}-{d(3)}-{d(4)}", f"{l(3)}{d(2)}-{d(3)}-{d(4)}", f"{d(3)}-{d(3)}", f"{d(4)}-{d(4)}", f"{l(4)}-{d(3)}-{d(3)}", f"{d(2)}{l(1)}-{d(4)}"],
            "kit": [d(5), d(6), f"K{d(5)}", f"{l(1)}-{d(5)}"],
        }
        return r.choice(forms[kind])

    def national(self):
        """A number of the health or tax office with its check digit, as the country has it."""
        r, d = self.r, self.digits
        y, m, day = r.randint(30, 99), r.randint(1, 12), r.randint(1, 28)
        if self.lang == "de":
            letter, eight = r.choice("ABCDEFGHJKLMNPRSTUVWXYZ"), d(8)
            number = f"{ord(letter) - 64:02}{eight}"
            card = f"{letter}{eight}{sum(sum(divmod(int(c) * (1 + i % 2), 10)) for i, c in enumerate(number)) % 10}"
            swiss = "756" + d(9)
            swiss += str(-sum(int(c) * (1 + 2 * (i % 2)) for i, c in enumerate(swiss)) % 10)
            pension = f"{r.randint(10, 89)}{day:02}{m:02}{y}", letter, d(2)
            weighed = pension[0] + f"{ord(letter) - 64:02}" + pension[2]
            check = sum(sum(divmod(int(c) * k, 10)) for c, k in zip(weighed, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1))) % 10
            return r.choice([card, card, f"{weighed[:2]} {pension[0][2:]} {letter} {pension[2]}{check}", "".join(pension) + str(check),
                             f"{swiss[:3]}.{swiss[3:7]}.{swiss[7:11]}.{swiss[11:]}", self.austrian(f"{day:02}{m:02}{y}")])
        if self.lang == "fr":
            body = f"{r.randint(1, 2)}{y}{m:02}{r.randint(1, 95):02}{d(3)}{d(3)}"
            key = f"{97 - int(body) % 97:02}"
            return r.choice([body + key, f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:]} {key}", f"{body} {key}"])
        if self.lang == "es":
            eight, letter = d(8), "TRWAGMYFPDXBNJZSQVHLCKE"
            foreign = r.randint(0, 2)
            nie = d(7)
            area = f"{r.randint(1, 50):02}{d(8)}"
            dni = eight + letter[int(eight) % 23]
            return r.choice([dni, dni, f"{eight}-{dni[-1]}", f"{eight[:2]}.{eight[2:5]}.{eight[5:]}-{dni[-1]}", f"{'XYZ'[foreign]}{nie}{letter[int(str(foreign) + nie) % 23]}",
                             f"{area[:2]} {area[2:]} {int(area) % 97:02}", f"{area[:2]}/{area[2:]}/{int(area) % 97:02}"])
        if self.lang == "pt":
            nine = d(9)
            one = sum(int(c) * k for c, k in zip(nine, range(10, 1, -1))) * 10 % 11 % 10
            two = sum(int(c) * k for c, k in zip(nine + str(one), range(11, 1, -1))) * 10 % 11 % 10
            nif = r.choice("12") + d(7)
            check = 11 - sum(int(c) * k for c, k in zip(nif, range(9, 1, -1))) % 11
            return r.choice([f"{nine[:3]}.{nine[3:6]}.{nine[6:]}-{one}{two}", f"{nine}{one}{two}", f"{nif}{check if check < 10 else 0}"])
        if self.lang == "nl":
            return self.dutch()
        if self.lang == "it":
            return self.italian(y, m, day)
        return self.identifier("ssn")

    def italian(self, y, m, day):
        """The tax code: six letters, birth, place, and a letter that is summed from odd and even places."""
        l, d = self.letters, self.digits
        code = l(6) + f"{y}{'ABCDEHLMPRST'[m - 1]}{day + self.r.choice([0, 40]):02}{l(1)}{d(3)}"
        odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
        rank = [int(c) if c.isdigit() else ord(c) - 65 for c in code]
        return code + chr(65 + sum(odd[v] if i % 2 == 0 else v for i, v in enumerate(rank)) % 26)

    def dutch(self):
        """Nine digits whose sum, weighed nine to two and minus one, eleven divides."""
        while True:
            eight = self.r.choice("12345678") + self.digits(7)
            last = sum(int(c) * k for c, k in zip(eight, range(9, 1, -1))) % 11
            if last < 10:
                return eight + str(last)

    def austrian(self, born):
        """Three digits, a check digit, the day of birth; a number whose check would be ten is not given out."""
        while True:
            three = str(self.r.randint(100, 999))
            check = sum(int(c) * k for c, k in zip(three + born, (3, 7, 9, 5, 8, 4, 2, 1, 6))) % 11
            if check < 10:
                return f"{three}{check} {born}"

    def iban(self):
        country, n = {"de": ("DE", 18), "fr": ("FR", 23), "es": ("ES", 20), "it": ("IT", 22), "pt": ("PT", 21), "nl": ("NL", 10)}.get(self.lang, ("GB", 14))
        bank = {"it": self.letters(1), "nl": self.letters(4)}.get(self.lang, "" if self.lang != "en" else self.letters(4))
        body = bank + self.digits(n)
        whole = "".join(str(ord(c) - 55) if c.isalpha() else c for c in body) + "".join(str(ord(c) - 55) for c in country) + "00"
        full = f"{country}{98 - int(whole) % 97:02}{body}"
        return full if self.r.random() < 0.4 else " ".join(full[i:i + 4] for i in range(0, len(full), 4))

    def plate(self):
        d, l = self.digits, self.letters
        return {"de": f"{l(self.r.randint(1, 3))}-{l(2)} {d(self.r.randint(2, 4))}", "fr": f"{l(2)}-{d(3)}-{l(2)}", "es": f"{d(4)} {l(3)}", "it": f"{l(2)} {d(3)} {l(2)}", "pt": f"{l(2)}-{d(2)}-{l(2)}", "nl": f"{l(2)}-{d(3)}-{l(1)}"}.get(self.lang, f"{l(3)} {d(4)}")

    def npi(self):
        body = "1" + self.digits(8)
        digits = [int(c) for c in "80840" + body]
        total = sum(sum(divmod(2 * v, 10)) if i % 2 == 0 else v for i, v in enumerate(reversed(digits)))
        return body + str(-total % 10)

    def mail(self, p):
        r = self.r
        ascii_of = lambda s: re.sub(r"[^a-z]", "", s.lower()) or "x"
        user = r.choice([f"{ascii_of(p.first)}.{ascii_of(p.last)}", f"{ascii_of(p.first)[:1]}{ascii_of(p.last)}", f"{ascii_of(p.last)}{self.digits(2)}", f"{ascii_of(p.first)}_{ascii_of(p.last)}"])
        return f"{user}@{r.choice(['gmail.com', 'yahoo.com', 'outlook.com', 'icloud.com', 'example.org', 'hospital.org', 'stmarys-clinic.org', 'gmx.de', 'orange.fr'])}"

    def slot(self, name):
        r, w = self.r, self.lists.words
        base, _, form = name.partition(".")
        if base in ("pt", "pt2", "rel", "rel2", "who", "who2"):
            return self.name(base, form)
        if base in ("dr", "dr2", "dr3"):
            return self.name(base, form or "dr")
        if base in ("he", "his", "him", "man", "He", "His"):
            male = self.person("pt").male
            two = {"he": ("he", "she"), "his": ("his", "her"), "him": ("him", "her"), "man": ("man", "woman"), "He": ("He", "She"), "His": ("His", "Her")}[base]
            return self.add(two[0] if male else two[1])
        if base == "city":
            return self.add(self.city()[0], "LOCATION", "CITY")
        if base == "place":
            return self.add(self.place(), "LOCATION", "CITY")
        if base == "street":
            return self.add(self.street(), "LOCATION", "STREET")
        if base == "zip":
            code = {"pt": f"{self.digits(4)}-{self.digits(3)}", "nl": f"{self.digits(4)} {self.letters(2)}"}.get(self.lang, self.digits(5))
            return self.add(code, "LOCATION", "ZIP")
        if base == "address" and form == "intl" and r.random() < 0.7:
            return self.add(self.address_abroad(), "LOCATION", "ADDRESS")
        if base == "address":
            c = self.city() if self.lang != "en" else r.choice(self.lists.cities["United States"])
            if self.lang == "en":
                tail = f"{c[0]}, {r.choice([STATES.get(c[1], 'CA'), c[1]])} {self.digits(5)}"
            else:
                code = {"pt": f"{self.digits(4)}-{self.digits(3)}", "nl": f"{self.digits(4)} {self.letters(2)}"}.get(self.lang, self.digits(5))
                tail = f"{code} {c[0]}"
            return self.add(self.street() + r.choice([", ", ", ", "\n", " "]) + tail, "LOCATION", "ADDRESS")
        if base == "hosp":
            return self.add(self.hospital(), "LOCATION", "HOSPITAL")
        if base == "fhosp":
            return self.add(r.choice(w["famous"]), "LOCATION", "HOSPITAL")
        if base == "npi":
            return self.add(self.npi(), "ID", "NPI")
        if base in ("national", "iban", "plate"):
            return self.add(getattr(self, base)(), "ID", base.upper())
        if base == "handle":
            p = self.person(form or "pt")
            user = re.sub(r"[^a-z]", "", (p.first[:1] + p.last).lower())
            return self.add(r.choice(["@" + user, user + self.digits(2), f"@{user}_{self.digits(2)}", user]), "CONTACT", "USER")
        if base == "hospcity":
            return self.add(self.hospital() + {"en": r.choice([" in ", ", ", " in ", " at "]), "de": " in ", "fr": " à ", "es": " de ", "it": " di ", "pt": " de ", "nl": " in "}[self.lang] + self.place(), "LOCATION", "HOSPITAL")
        if base == "date":
            return self.add(self.date(form), "DATE", "DATE")
        if base == "dob":
            return self.add(self.date("dob"), "DATE", "DOB")
        if base == "phone":
            return self.add(self.phone(), "CONTACT", "PHONE")
        if base == "email":
            return self.add(self.mail(self.person(form or "pt")), "CONTACT", "EMAIL")
        if base == "url":
            return self.add(f"https://{r.choice(['portal', 'my', 'patient'])}.{re.sub('[^a-z]', '', self.person('x').last.lower()) or 'care'}health.org/{r.choice(['p', 'chart', 'u'])}/{self.digits(6)}", "CONTACT", "URL")
        if base == "ip":
            return self.add(".".join(str(r.randint(1, 254)) for _ in range(4)), "CONTACT", "IP")
        if base in ("mrn", "ssn", "plan", "acct", "case", "licence", "serial", "subject", "kit"):
            return self.add(self.identifier(base), "ID", base.upper())
        if base == "age90":
            return self.add(str(r.randint(90, 103)), "AGE", "AGE90")
        return self.plain(base, w)

    def eponym(self):
        """Known ones, and one in five that nobody knows: the word behind it tells."""
        r, x = self.r, self.r.random()
        if x < 0.4:
            return r.choice(self.lists.eponyms)
        if x < 0.8:
            return r.choice(self.lists.words["eponym"])
        name = r.choice(self.lists.last)
        if r.random() < 0.35:
            name += "-" + r.choice(self.lists.last)
        elif r.random() < 0.25:
            name += "'s"
        return f"{name} {r.choice(self.lists.words['eponym_noun'])}"

    def invented_brand(self):
        r = self.r
        parts = ["ab", "al", "am", "ar", "be", "bo", "ca", "cel", "ci", "da", "do", "el", "em", "en", "fa", "fi", "ga", "gli", "ha",
                 "in", "ja", "ka", "ke", "la", "lev", "lu", "ma", "mi", "mo", "na", "ne", "no", "ol", "or", "ra", "re", "ri", "ro",
                 "sa", "si", "so", "ta", "tri", "ul", "va", "ve", "vi", "vo", "xa", "xe", "ya", "ze", "zo", "zy"]
        ends = ["dra", "fen", "lix", "mab", "nex", "pro", "qua", "ra", "rix", "sta", "tan", "tiva", "tra", "va", "vant", "vy", "xa",
                "xia", "zia", "zor", "zyme", "bri", "cet", "dex", "gard", "kast", "lin", "mune", "nia", "pril", "ta", "vo"]
        return (r.choice(parts) + r.choice(["", r.choice(parts)]) + r.choice(ends)).capitalize()

    def plain(self, base, w):
        """What is not an identifier, and must not be taken for one."""
        r = self.r
        if base == "age":
            return self.add(str(r.randint(1, 89)))
        if base == "year":
            return self.add(str(r.randint(1975, 2026)))
        if base == "n":
            return self.add(str(r.randint(2, 14)))
        if base == "big":
            return self.add(str(r.randint(15, 480)))
        if base == "dec":
            return self.add(f"{r.randint(0, 14)}.{r.randint(0, 9)}")
        if base == "bp":
            return self.add(f"{r.randint(92, 188)}/{r.randint(48, 112)}")
        if base == "state":
            return self.add(r.choice(list(STATES)))
        if base == "eponym":
            return self.add(self.eponym())
        if base == "brand" or base == "drug" and r.random() < 0.5:
            return self.add(r.choice(w["brand"]) if r.random() < 0.85 else self.invented_brand())
        if base == "drug":
            return self.add(r.choice(w["generic"]))
        if base == "vitals":
            return self.add(f"BP {r.randint(92, 188)}/{r.randint(48, 112)}, HR {r.randint(48, 130)}, RR {r.randint(10, 28)}, SpO2 {r.randint(85, 100)}% RA, T {r.randint(970, 1030) / 10}")
        if base not in w:
            raise SystemExit(f"unknown slot {{{base}}}")
        return self.add(r.choice(w[base]))


PICK = re.compile(r"\[\[((?:(?!\[\[|\]\]).)*)\]\]")
SLOT = re.compile(r"\{([a-zA-Z0-9_.]+)\}")
JOINS = [". ", ". ", ", ", ", ", "\n", " - ", "; ", " ", " / ", "\n\n", ": ", "? ", " (", "... "]
NOISE = {"l": "1", "O": "0", "rn": "m", "m": "rn", "S": "5", "cl": "d", "e": "c"}


def render(template, r, lists, lang):
    while True:
        one = PICK.search(template)
        if one is None:
            break
        template = template[:one.start()] + r.choice(one.group(1).split("|")) + template[one.end():]
    t = Text(r, lists, lang)
    t.person("pt")
    at = 0
    template = template.replace("\\n", "\n").replace("\\t", "\t")
    for m in SLOT.finditer(template):
        t.add(template[at:m.start()])
        t.slot(m.group(1))
        at = m.end()
    t.add(template[at:])
    return t.pieces


def spoil(pieces, r):
    """Hasty typing and scanning: letters lost, doubled, misread; blanks and full stops dropped."""
    out = []
    for text, label, kind in pieces:
        chars = []
        for c in text:
            x = r.random()
            if x < 0.006 and c.isalpha():
                continue
            if x < 0.012 and c.isalpha():
                chars.append(c)
            if x < 0.02 and c in NOISE and label is None:
                c = NOISE[c]
            if x < 0.1 and c in ".," and label is None:
                continue
            chars.append(c)
        out.append(("".join(chars), label, kind))
    return out


def restyle(pieces, r):
    """Names and places without capitals, or in capitals alone, in a text that has both."""
    x = r.random()
    if x > 0.13:
        return pieces
    how = str.lower if x < 0.1 else str.upper
    return [(how(t) if l in ("NAME", "LOCATION") else t, l, k) for t, l, k in pieces]


def small(pieces, r, share):
    """Whole texts without capitals: who types so in German shows which words are no names."""
    return [(t.lower(), l, k) for t, l, k in pieces] if r.random() < share else pieces


def mosaic(r, named, plain):
    """A template put together from pieces: what stands next to a name is never twice the same."""
    count = r.choice([1, 1, 2, 2, 3, 3, 4, 5, 7])
    share = r.choice([0.0, 0.0, 0.3, 0.6, 0.8, 1.0])
    parts = [r.choice(named if r.random() < share else plain) for _ in range(count)]
    if r.random() < 0.4:
        parts = [p[:1].upper() + p[1:] for p in parts]
    join = r.choice(JOINS)
    text = parts[0]
    for part in parts[1:]:
        text += (join if r.random() < 0.6 else r.choice(JOINS)) + part
    return text + r.choice(["", "", ".", "?", "??", "\n"])


def document(pieces, name, voice):
    text, spans, at = [], [], 0
    for piece, label, kind in pieces:
        n = len(piece.encode())
        if label is not None and n != 0:
            spans.append({"start": at, "end": at + n, "label": label, "raw": kind})
        text.append(piece)
        at += n
    return {"id": name, "src": voice, "text": "".join(text), "spans": spans}


def write_mosaic(lists, out, count, seed):
    r = random.Random(f"{seed}:mosaic")
    named, plain = lines(HERE / "mosaic" / "pieces.txt"), lines(HERE / "mosaic" / "pieces_clean.txt")
    with open(out / "mosaic.jsonl", "w", encoding="utf-8") as f:
        for i in range(count):
            pieces = restyle(render(mosaic(r, named, plain), r, lists, "en"), r)
            pieces = spoil(pieces, r) if r.random() < 0.06 else pieces
            f.write(json.dumps(document(pieces, f"mosaic:{seed}:{i}", "mosaic"), ensure_ascii=False) + "\n")


def main():
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    lists = Lists(sys.argv[1])
    out, count, seed = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted((HERE / "voices").glob("*.txt")) + sorted((HERE / "held").glob("*.txt")):
        voice = path.stem
        if len(sys.argv) > 5 and voice not in sys.argv[5:]:
            continue
        r = random.Random(f"{seed}:{voice}")
        lang = voice[-2:] if voice[-3:-2] == "_" and voice[-2:] in ORIGIN_OF else "en"
        templates = lines(path)
        with open(out / f"{voice}.jsonl", "w", encoding="utf-8") as f:
            tests = 3000 if "clean" in voice else 1500
            for i in range(tests if path.parent.name == "held" else count * len(templates)):
                template = templates[i % len(templates)] if i < len(templates) else r.choice(templates)
                pieces = render(template, r, lists, lang)
                if path.parent.name == "voices" and lang == "en":
                    pieces = restyle(pieces, r)
                if lang != "en":
                    pieces = small(pieces, r, (0.25 if "clean" in voice else 0.1) if lang == "de" else 0.06)
                if r.random() < 0.06:
                    pieces = spoil(pieces, r)
                f.write(json.dumps(document(pieces, f"{voice}:{seed}:{i}", voice), ensure_ascii=False) + "\n")
    if len(sys.argv) <= 5 or "mosaic" in sys.argv[5:]:
        write_mosaic(lists, out, count * 400, seed)


if __name__ == "__main__":
    main()
