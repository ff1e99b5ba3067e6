/* Notes by seed (notes.h). Frames hold places: %x is drawn from the list x, everything else stands. */
#include "notes.h"

/* Sentences made by a frame; the others are dictated. */
#define FRAMED_PERCENT 30U

typedef struct {
    char place;
    const char *words; /* divided by bars */
} word_list;

static const word_list LISTS[] = {
    { 'p', "the patient|she|he|this patient|the subject|the participant|our patient" },
    { 'v',
      "reports|describes|mentions|notes|denies|recalls|complains of|admits to|volunteers|noticed|"
      "endorses|continues to have|has developed|presented with|woke with|struggles with|"
      "tolerates|worries about|was troubled by|experienced|has had|first felt" },
    { 'q', "mild|moderate|severe|intermittent|constant|dull|sharp|burning|stabbing|throbbing|"
           "worsening|improving|new|longstanding|occasional|nocturnal|exertional|fluctuating|"
           "unexplained|recurrent|brief|sudden|gradual|crampy|diffuse|localised|migratory|"
           "positional|pleuritic|postprandial|seasonal|bilateral" },
    { 's',
      "chest pain|breathlessness|fatigue|nausea|dizziness|headache|back pain|fever|cough|"
      "palpitations|a rash|joint stiffness|night sweats|ankle swelling|itching|tingling|"
      "numbness|blurred vision|hoarseness|heartburn|constipation|loose stools|poor sleep|"
      "low mood|muscle cramps|dry mouth|hot flushes|bruising|nosebleeds|hair thinning|"
      "mouth ulcers|a metallic taste|difficulty swallowing|urinary urgency|tremor|ringing ears" },
    { 'b',
      "left knee|right shoulder|lower back|neck|both hands|right calf|left hip|abdomen|"
      "upper arms|forehead|left foot|scalp|right elbow|jaw|groin|left wrist|both ankles|"
      "sternum|right flank|fingertips|left ear|tongue|thighs|umbilicus|right heel|left temple" },
    { 't', "since early spring|for two weeks|over the weekend|every other morning|after meals|"
           "at bedtime|since the last infusion|during the night|on most evenings|in cold weather|"
           "shortly after dosing|before breakfast|around noon|for several months|since childhood|"
           "while travelling|after long walks|in hot weather|during the holidays|last Thursday|"
           "without any pattern|since changing jobs|at the end of each cycle|after gardening" },
    { 'a', "climbing stairs|gardening|carrying groceries|lying flat|driving long distances|reading|"
           "walking the dog|kneeling|swimming|typing|lifting a grandchild|mowing the lawn|cycling|"
           "cooking|standing in queues|dancing|turning over in bed|bending forward|singing|"
           "hanging laundry|painting the fence|playing cards|running for a bus|opening jars" },
    { 'r', "her daughter|his son|a neighbour|the spouse|an older sister|a colleague|his mother|"
           "a cousin|the landlord|her brother|a friend from church|the carer|his aunt|a nephew|"
           "the school nurse|her partner|a flatmate|the grandson" },
    { 'd', "metformin|lisinopril|atorvastatin|warfarin|apixaban|pembrolizumab|cisplatin|paclitaxel|"
           "prednisone|amlodipine|omeprazole|levothyroxine|insulin glargine|gabapentin|sertraline|"
           "furosemide|tacrolimus|rituximab|adalimumab|ramipril|bisoprolol|doxycycline|allopurinol|"
           "methotrexate|salbutamol|montelukast|naproxen|tramadol|ondansetron|letrozole|imatinib" },
    { 'm',
      "was tapered|was continued unchanged|was stopped by the family doctor|had been forgotten|"
      "was restarted cautiously|seems to help|made no difference|was taken with food|"
      "had to be halved|ran out before the holiday|was switched to the evening|"
      "was refused at first|caused some drowsiness|is well tolerated|was never collected|"
      "will be reviewed|was doubled without advice|gave only partial relief" },
    { 'f', "clear breath sounds|a soft systolic murmur|tenderness on palpation|reduced power|"
           "brisk reflexes|pitting oedema|a healed scar|scattered wheeze|dry mucous membranes|"
           "a palpable node|full range of movement|mild scleral icterus|an antalgic gait|"
           "diminished sensation|a small effusion|warm extremities|faint crackles|poor dentition|"
           "a tense calf|livid discolouration|nail pitting|a bounding pulse|guarding|clubbing" },
    { 'i',
      "chest radiograph|echocardiogram|abdominal ultrasound|brain imaging|bone scan|lung function|"
      "exercise test|endoscopy|nerve conduction study|sleep study|skin biopsy|bone densitometry|"
      "eye examination|hearing test|coronary angiogram|urine cytology|stool culture|spirometry" },
    { 'o',
      "unremarkable|slightly abnormal|inconclusive|better than before|worse than expected|"
      "still awaited|unchanged from last year|difficult to interpret|reassuring|to be repeated|"
      "reported as normal|borderline|suggestive of inflammation|limited by movement|"
      "lost in transit|discussed with the radiologist" },
    { 'j', "works as a baker|drives a school bus|teaches geography|keeps bees|repairs watches|"
           "runs a small farm|retired from the railway|plays the cello|cleans offices at night|"
           "studies architecture|looks after two grandchildren|volunteers at the library|"
           "sells antique maps|paints icons|breeds spaniels|restores old boats|coaches rowing|"
           "edits crossword puzzles|tunes pianos|manages a hotel|translates novels|grows orchids" },
    { 'l',
      "at a lakeside cottage|in a shared flat|near the harbour|with three cats|on the fourth floor|"
      "above the bakery|beside the station|on a steep hill|at the edge of town|in a mobile home|"
      "across from the stadium|in an old mill|with an elderly parent|behind the market hall|"
      "next to the fire brigade|in a converted barn|down by the canal|under the flight path" },
    { 'e',
      "plans to travel to Norway|hopes to return to rowing|asked about alternative diets|"
      "prefers written instructions|would rather avoid injections|is anxious about driving|"
      "lost a close friend in autumn|keeps a detailed diary|forgot the pill box twice|"
      "wants a second opinion|declined the flu vaccine|brought a list of questions|"
      "missed one appointment because of snow|sleeps with two pillows|gave up smoking in March|"
      "drinks herbal tea instead of coffee|started a choir|moved house in November|"
      "has been eating less meat|walks to the clinic|is writing a family history|"
      "adopted a rescue greyhound|finds the stockings uncomfortable|cancelled the gym" },
    { 'c',
      "although|because|and|but|while|whereas|so that|even though|after which|until|unless|since" },
    { 'w', "cardiology|dermatology|physiotherapy|the pain clinic|neurology|ophthalmology|dietetics|"
           "rheumatology|the memory clinic|haematology|occupational therapy|urology|podiatry|"
           "speech therapy|the sleep laboratory|endocrinology|palliative care|the dental school" },
    { 'x',
      "quite|rather|remarkably|only|barely|often|rarely|usually|always|suddenly|slowly|clearly|"
      "possibly|apparently|definitely|hardly|mostly|somewhat|increasingly|never" },
    { 'y',
      "bearable|tiring|frightening|manageable|puzzling|embarrassing|unpredictable|worse|better|"
      "tolerable|annoying|exhausting|reassuring|unpleasant|harmless|disabling|distracting" },
    { 'z',
      "rest|heat|cold packs|stretching|massage|fresh air|distraction|a hot bath|peppermint oil|"
      "breathing exercises|an extra pillow|loose clothing|ginger tea|elevation|sitting upright|"
      "a dark room|compression|prayer|quiet music|an early night|sips of water|humid air" },
};

static const char *const FRAMES[] = {
    "%p %v %q %N in the %b and %q %A %s %t %c it is %x %y when %a",
    "%A %N affecting the %b %x improves with %z and %N returns %t near %n",
    "%p %j in %n and lives %l %c %r from %n helps with %N and %a",
    "%d %m %t %c %A %N was %x %y and %n %x relieved the %q %s",
    "on examination there was %A %f of the %b and %N near the %b %c %p seemed %x %y",
    "the %i showed %A %N %c the %i from %n was %o and %w will comment on %N",
    "%r from %n says that %p %e and %x %v %A %N while %a",
    "%p %e %c %d %m and %z made %N %x %y",
    "%t %p %v %q %N spreading to the %b %c %z and %n made it %x %y",
    "we discussed that %d %m and that %w in %n may offer %N for the %q %A %s",
    "%a has become %x %y %c the %b shows %N and %A %f %t",
    "%p %x %v %N %t but %a remains %y %c %r drives to %n now",
    "previously %w at %n found %A %N in the %b %c the %i was %o",
    "%p %j %c %x finds %a %y because of %q %A %N %t",
    "after %d %m there was %q %N of the %b that %n and %z did not relieve",
    "%r noticed %q %A %N %t %c %p %e and %x avoids %n and %a",
};

static const char *const TEMPLATES[] = {
    "Patient denies fever, chills, rigors, or unintentional weight loss.",
    "Alert and oriented to person, place and time, in no acute distress.",
    "Lungs clear to auscultation bilaterally without wheezes, rales or rhonchi.",
    "Regular rate and rhythm, no murmurs, rubs or gallops appreciated today.",
    "Abdomen soft, non-tender, non-distended, bowel sounds present in all four quadrants.",
    "Extremities without clubbing, cyanosis or oedema, peripheral pulses intact.",
    "Informed consent was obtained prior to any study procedures being performed.",
    "No serious adverse events were reported since the last scheduled study visit.",
    "Concomitant medications were reviewed and updated in the source document by the coordinator.",
    "The subject was reminded to bring all unused study drug to the next visit.",
};

uint32_t note_draw(note_maker *maker, uint32_t n)
{
    maker->state += 0x9E3779B97F4A7C15U;
    uint64_t z = maker->state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    return (uint32_t)((z >> 32) * n >> 32);
}

/* A word of an unending vocabulary, few of them often and most of them rarely, as places, brands and
 * people's words are: the k-th about 1/k times. */
static sl_res add_rare(note_maker *maker, sl_buf *out)
{
    static const char *const PARTS[] = { "bel", "cor", "dan", "eth", "fal", "gor", "hil",  "ism",
                                         "jor", "kel", "lum", "mar", "nev", "oss", "pren", "rud" };
    uint32_t bits = note_draw(maker, 20);
    uint32_t word = ((uint32_t)1 << bits) + note_draw(maker, (uint32_t)1 << bits);
    for (; word != 0; word >>= 4) {
        SL_TRY(sl_buf_add_str(out, PARTS[word & 15]));
    }
    return SL_DONE;
}

/* A medical term of parts: what is said about an organ. */
static sl_res add_term(note_maker *maker, bool adjective, sl_buf *out)
{
    static const char *const ORGANS[] = {
        "cardi",  "gastr",    "neur",  "dermat",  "oste",     "my",       "nephr",   "hepat",
        "arthr",  "bronch",   "col",   "cyst",    "encephal", "enter",    "angi",    "lymph",
        "mening", "pancreat", "phleb", "pneum",   "rhin",     "splen",    "spondyl", "tend",
        "thyr",   "vascul",   "adren", "blephar", "chondr",   "cholangi", "gloss",   "laryng",
    };
    static const char *const NOUNS[] = { "itis",   "opathy",   "algia",     "omegaly", "osis",
                                         "oma",    "oscopy",   "ectomy",    "oplasty", "ography",
                                         "ospasm", "orrhagia", "ostenosis", "otomy",   "ometry" };
    static const char *const ADJECTIVES[] = { "ic", "ous", "otoxic", "ogenic", "otropic", "al" };
    SL_TRY(sl_buf_add_str(out, ORGANS[note_draw(maker, SL_COUNT_OF(ORGANS))]));
    return sl_buf_add_str(out, adjective ? ADJECTIVES[note_draw(maker, SL_COUNT_OF(ADJECTIVES))]
                                         : NOUNS[note_draw(maker, SL_COUNT_OF(NOUNS))]);
}

/* One of the words between bars. */
static sl_view choose(note_maker *maker, const char *words)
{
    sl_view all = sl_view_str(words);
    uint32_t count = 1;
    for (size_t i = 0; i < all.n; i++) {
        count += all.p[i] == '|';
    }
    uint32_t wanted = note_draw(maker, count);
    sl_view head = { 0 };
    for (uint32_t i = 0; i <= wanted; i++) {
        (void)sl_view_cut(all, '|', &head, &all);
    }
    return head;
}

static const char *list_of(char place)
{
    for (size_t i = 0; i < SL_COUNT_OF(LISTS); i++) {
        if (LISTS[i].place == place) {
            return LISTS[i].words;
        }
    }
    return "";
}

sl_res note_add_word(note_maker *maker, sl_buf *out)
{
    const char *words = LISTS[note_draw(maker, SL_COUNT_OF(LISTS))].words;
    sl_view head = { 0 };
    sl_view rest = { 0 };
    (void)sl_view_cut(choose(maker, words), ' ', &head, &rest);
    return sl_buf_add(out, head);
}

static const char *choose_tail(note_maker *maker)
{
    static const char *const TAILS[] = { " near ",         " with ",
                                         " after seeing ", ", which is new for ",
                                         " and uses ",     " at ",
                                         " unlike ",       ", as in ",
                                         " before ",       " despite " };
    return TAILS[note_draw(maker, SL_COUNT_OF(TAILS))];
}

/* As notes are dictated: words of all kinds in no order that a frame would foresee. */
static sl_res add_dictated(note_maker *maker, sl_buf *out)
{
    static const char *const SMALL =
        "with|of|after|in|and|on|for|to|no|at|by|from|without|before|since|under|as|then|still|not";
    static const char *const VERBS =
        "showed|resolved|persisted|required|followed|excluded|suggested|improved|began|stopped|"
        "recurred|remained|needed|revealed|caused|preceded|mimicked|masked|worsened|settled|healed|"
        "spread|limited|prompted|delayed|involved|spared|complicated|received|underwent|declined|"
        "tolerated|completed|missed|resumed|described|attributed|considered|ordered|repeated";
    static const char KINDS[] = "NNNNAAAvvvvfffffnnqxdbszay";
    uint32_t words = 8 + note_draw(maker, 10);
    for (uint32_t i = 0; i < words; i++) {
        char kind = KINDS[note_draw(maker, sizeof KINDS - 1)];
        if (i > 0) {
            SL_TRY(sl_buf_add_byte(out, ' '));
        }
        if (kind == 'N' || kind == 'A') {
            SL_TRY(add_term(maker, kind == 'A', out));
        } else if (kind == 'n') {
            SL_TRY(add_rare(maker, out));
        } else if (kind == 'f' || kind == 'v') {
            SL_TRY(sl_buf_add(out, choose(maker, kind == 'f' ? SMALL : VERBS)));
        } else {
            SL_TRY(sl_buf_add(out, choose(maker, list_of(kind))));
        }
    }
    return SL_DONE;
}

static sl_res add_framed(note_maker *maker, sl_buf *out)
{
    const char *frame = FRAMES[note_draw(maker, SL_COUNT_OF(FRAMES))];
    for (const char *c = frame; *c != 0; c++) {
        if (*c == '%' && (c[1] == 'n' || c[1] == 'N' || c[1] == 'A')) {
            c++;
            SL_TRY(*c == 'n' ? add_rare(maker, out) : add_term(maker, *c == 'A', out));
        } else if (*c == '%') {
            c++;
            SL_TRY(sl_buf_add(out, choose(maker, list_of(*c))));
        } else {
            SL_TRY(sl_buf_add_byte(out, (uint8_t)*c));
        }
    }
    return SL_DONE;
}

static sl_res add_sentence(note_maker *maker, sl_buf *out)
{
    size_t at = out->n;
    SL_TRY(note_draw(maker, 100) < FRAMED_PERCENT ? add_framed(maker, out)
                                                  : add_dictated(maker, out));
    if (out->p[at] >= 'a' && out->p[at] <= 'z') {
        out->p[at] = (uint8_t)(out->p[at] - 32);
    }
    if (note_draw(maker, 2) == 0) {
        SL_TRY(sl_buf_add_str(out, choose_tail(maker)));
        SL_TRY(add_rare(maker, out));
    }
    return sl_buf_add_str(out, note_draw(maker, 5) == 0 ? ".\n" : ". ");
}

static sl_res add_syllables(note_maker *maker, uint32_t kinds, uint32_t n, sl_buf *out)
{
    static const char *const SYLLABLES[] = {
        "ka",  "lo",  "mi",  "ren", "sto", "bar", "del", "vin", "gar", "ta",  "no",  "sch",
        "wil", "har", "ber", "man", "son", "ova", "ski", "ed",  "fer", "tra", "qui", "pol"
    };
    size_t at = out->n;
    for (uint32_t i = 0; i < n; i++) {
        SL_TRY(sl_buf_add_str(out, SYLLABLES[note_draw(maker, kinds)]));
    }
    out->p[at] = (uint8_t)(out->p[at] - 32);
    return SL_DONE;
}

sl_res note_add_name(note_maker *maker, sl_buf *out)
{
    return add_syllables(maker, 16, 3, out); /* 4,096 family names */
}

static sl_res add_narrative(note_maker *maker, uint32_t sentences, sl_buf *out)
{
    for (uint32_t i = 0; i < sentences; i++) {
        SL_TRY(add_sentence(maker, out));
    }
    return SL_DONE;
}

static sl_res add_header(note_maker *m, sl_view name, uint32_t age, sl_buf *out)
{
    SL_TRY(sl_buf_addf(
        out, "PATIENT: %.*s  MRN: %08u  DOB: %u-%02u-%02u  SITE: %03u  SUBJECT: %04u-%03u\n",
        SL_FMT(name), note_draw(m, 100000000), 2024 - age, 1 + note_draw(m, 12),
        1 + note_draw(m, 28), note_draw(m, 400), 1000 + note_draw(m, 9000), note_draw(m, 1000)));
    SL_TRY(sl_buf_addf(out, "Visit %u on %02u/%02u/2023. %.*s is a %u-year-old %s presenting with ",
                       note_draw(m, 20), 1 + note_draw(m, 28), 1 + note_draw(m, 12), SL_FMT(name),
                       age, note_draw(m, 2) != 0 ? "woman" : "man"));
    SL_TRY(sl_buf_add(out, choose(m, list_of('s'))));
    SL_TRY(sl_buf_add_str(out, " and "));
    SL_TRY(sl_buf_add(out, choose(m, list_of('s'))));
    return sl_buf_addf(out, " for %u days.\n", 1 + note_draw(m, 30));
}

static sl_res add_values(note_maker *m, sl_buf *out)
{
    SL_TRY(sl_buf_addf(out, "BP %u/%u mmHg, HR %u bpm, Temp %u.%u C, SpO2 %u%%, weight %u.%u kg.\n",
                       95 + note_draw(m, 80), 55 + note_draw(m, 50), 50 + note_draw(m, 70),
                       36 + note_draw(m, 3), note_draw(m, 10), 88 + note_draw(m, 12),
                       45 + note_draw(m, 80), note_draw(m, 10)));
    for (int i = 0; i < 3; i++) {
        SL_TRY(sl_buf_addf(out, "%s ", TEMPLATES[note_draw(m, SL_COUNT_OF(TEMPLATES))]));
    }
    return sl_buf_add_byte(out, '\n');
}

static sl_res add_laboratory(note_maker *m, sl_buf *out)
{
    return sl_buf_addf(out,
                       "LABS: WBC %u.%u, Hgb %u.%u, Plt %u, Na %u, K %u.%u, Cr %u.%02u, ALT %u, "
                       "AST %u, CRP %u.%u, HbA1c %u.%u\n",
                       2 + note_draw(m, 15), note_draw(m, 10), 7 + note_draw(m, 9),
                       note_draw(m, 10), 60 + note_draw(m, 400), 128 + note_draw(m, 20),
                       3 + note_draw(m, 3), note_draw(m, 10), note_draw(m, 3), note_draw(m, 100),
                       8 + note_draw(m, 200), 8 + note_draw(m, 200), note_draw(m, 120),
                       note_draw(m, 10), 4 + note_draw(m, 8), note_draw(m, 10));
}

static sl_res add_plan(note_maker *m, sl_view name, sl_buf *out)
{
    for (int i = 0; i < 2; i++) {
        SL_TRY(sl_buf_add_str(out, i == 0 ? "Current therapy: " : ", "));
        SL_TRY(sl_buf_add(out, choose(m, list_of('d'))));
        SL_TRY(sl_buf_addf(out, " %u mg daily", 5 * (1 + note_draw(m, 100))));
    }
    SL_TRY(sl_buf_add_str(out, ". "));
    SL_TRY(add_narrative(m, 2 + note_draw(m, 3), out));
    return sl_buf_addf(out, "Plan discussed with %.*s, who will return in %u weeks.\n",
                       SL_FMT(name), 1 + note_draw(m, 12));
}

sl_res note_add(note_maker *maker, sl_buf *out)
{
    SL_OWN(sl_buf, name, sl_buf_free) = { .max = 256 };
    uint32_t age = 18 + note_draw(maker, 75);
    SL_TRY(add_syllables(maker, 24, 2, &name)); /* 576 given names */
    SL_TRY(sl_buf_add_byte(&name, ' '));
    SL_TRY(note_add_name(maker, &name));
    SL_TRY(add_header(maker, sl_buf_view(&name), age, out));
    SL_TRY(add_values(maker, out));
    SL_TRY(add_narrative(maker, 10 + note_draw(maker, 10), out));
    SL_TRY(add_laboratory(maker, out));
    return add_plan(maker, sl_buf_view(&name), out);
}
