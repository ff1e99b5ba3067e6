/* Texts by the grammar as they are met: an attack alone, behind something harmless, split over turns,
 * disguised, mistyped, or inside a document; harmless texts likewise (model.h). */
#include "base/limits.h"
#include "model.h"

#define SECTIONS_MAX 256
#define TEXT_MAX ((size_t)256 << 10)

typedef struct {
    rows *all;
    const grammar *g;
    grammar_lines lines;
    sl_prng prng;
    uint8_t parts; /* of the families drawn from since the text began */
    size_t real_n; /* documents of data files that may carry an attack */
    const row **real;
} composer;

static uint64_t dice(composer *c, uint64_t sides)
{
    return sl_prng_below(&c->prng, sides);
}

unsigned family_part(sl_view family)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < family.n; i++) {
        h = (h ^ family.p[i]) * 16777619U;
    }
    bool plain = sl_view_starts(family, SL_LIT("carrier.")) ||
                 sl_view_starts(family, SL_LIT("benign.ordinary"));
    return plain ? FAMILY_PARTS : (h >> 9) % FAMILY_PARTS;
}

static sl_res family(composer *c, const grammar_language *l, const char *name, grammar_lines lines,
                     sl_buf *out, sl_view *ret_family)
{
    size_t sections[SECTIONS_MAX];
    size_t n = grammar_family(l, name, sections, SECTIONS_MAX);
    if (n == 0 && strncmp(name, "benign.", 7) == 0) {
        n = grammar_family(l, "benign.", sections, SECTIONS_MAX);
    }
    if (n == 0) {
        l = grammar_find(c->g, "en");
        n = l == NULL ? 0 : grammar_family(l, name, sections, SECTIONS_MAX);
    }
    SL_NEED(n > 0, SL_E_NOT_FOUND);
    size_t section = sections[dice(c, n)];
    c->parts |= (uint8_t)(1U << family_part(l->sections[section].name));
    if (ret_family != NULL) {
        *ret_family = l->sections[section].name;
    }
    return grammar_make(c->g, l, section, lines, &c->prng, out);
}

/* English speaks as often as all others together do half. */
static const grammar_language *language(composer *c)
{
    const grammar_language *en = grammar_find(c->g, "en");
    return en != NULL && dice(c, 100) < 40 ? en : &c->g->languages[dice(c, c->g->n)];
}

static sl_res replace(sl_buf *text, sl_buf *with)
{
    sl_buf_clear(text);
    SL_TRY(sl_buf_add(text, sl_buf_view(with)));
    sl_buf_clear(with);
    return SL_DONE;
}

/* How people type, and what attackers do to be overlooked. */
static sl_res wear(composer *c, bool may_disguise, sl_buf *text)
{
    SL_OWN(sl_buf, other, sl_buf_free) = { .max = TEXT_MAX * 12 };
    text->max = other.max;
    if (dice(c, 10) == 0) {
        SL_TRY(disguise_typos(sl_buf_view(text), &c->prng, &other));
        SL_TRY(replace(text, &other));
    }
    uint64_t form = dice(c, 100);
    if (form < 14 || form >= 96) {
        SL_TRY(DISGUISES[form < 14 ? 0 : 1].apply(sl_buf_view(text), &c->prng, &other));
        SL_TRY(replace(text, &other));
    }
    if (may_disguise && dice(c, 100) < 9) {
        size_t which = 2 + (size_t)dice(c, DISGUISE_COUNT - 3);
        SL_TRY(DISGUISES[which].apply(sl_buf_view(text), &c->prng, &other));
        SL_TRY(replace(text, &other));
    }
    return SL_DONE;
}

static const char *gap(composer *c)
{
    static const char *const GAPS[] = { "\n\n", "\n", " ", "\n---\n", ". ", "\n\n\n\n" };
    return GAPS[dice(c, SL_COUNT_OF(GAPS))];
}

/* Plain text to stand around an attack, so that what is around it speaks for nothing by itself. */
static sl_res filling(composer *c, const grammar_language *l, sl_buf *out)
{
    for (size_t i = 1 + (size_t)dice(c, 5); i > 0; i--) {
        SL_TRY(family(c, l, dice(c, 3) == 0 ? "carrier." : "benign.ordinary", c->lines, out, NULL));
        SL_TRY(sl_buf_add_str(out, gap(c)));
    }
    return SL_DONE;
}

static sl_res user_attack(composer *c, const grammar_language *l, sl_buf *out, sl_view *ret_family)
{
    SL_OWN(sl_buf, part, sl_buf_free) = { .max = TEXT_MAX };
    uint64_t shape = dice(c, 100);
    bool among = shape >= 30 && shape < 55;
    if (among) {
        SL_TRY(filling(c, l, out));
    }
    if (shape < 14) {
        SL_TRY(family(c, l, "benign.", c->lines, out, NULL));
        SL_TRY(sl_buf_add_str(out, gap(c)));
    }
    SL_TRY(family(c, l, "attack.", c->lines, &part, ret_family));
    if (shape >= 90) {
        SL_TRY(disguise_split(sl_buf_view(&part), &c->prng, out));
    } else {
        SL_TRY(sl_buf_add(out, sl_buf_view(&part)));
    }
    if (shape >= 14 && shape < 30) {
        SL_TRY(sl_buf_add_str(out, gap(c)));
        SL_TRY(family(c, l, shape < 22 ? "benign." : "attack.", c->lines, out, NULL));
    }
    if (among) {
        SL_TRY(sl_buf_add_str(out, gap(c)));
        SL_TRY(filling(c, l, out));
    }
    return wear(c, true, out);
}

static sl_res document(composer *c, const grammar_language *l, sl_buf *out);

static sl_res user_benign(composer *c, const grammar_language *l, sl_buf *out, sl_view *ret_family)
{
    uint64_t shape = dice(c, 100);
    size_t parts = shape < 76 ? 1 : (shape < 92 ? 2 : 4);
    for (size_t i = 0; i < parts; i++) {
        SL_TRY(i == 0 ? SL_DONE : sl_buf_add_str(out, gap(c)));
        SL_TRY(family(c, l, dice(c, 3) == 0 ? "benign.ordinary" : "benign.", c->lines, out,
                      ret_family));
    }
    if (dice(c, 6) == 0) {
        SL_TRY(sl_buf_add_str(out, gap(c)));
        SL_TRY(document(c, l, out));
        *ret_family = (sl_view){ 0 };
        return SL_DONE;
    }
    return wear(c, true, out);
}

/* A document: one of a data file, or one by the grammar. */
static sl_res document(composer *c, const grammar_language *l, sl_buf *out)
{
    bool english = strcmp(l->name, "en") == 0;
    if (c->real_n > 0 && dice(c, 100) < (english ? 45U : 10U)) {
        return sl_buf_add(out, c->real[dice(c, c->real_n)]->text);
    }
    SL_TRY(family(c, l, "carrier.", LINES_ALL, out, NULL));
    for (size_t i = (size_t)dice(c, 3); i > 0; i--) {
        SL_TRY(sl_buf_add_str(out, gap(c)));
        SL_TRY(family(c, l, dice(c, 2) == 0 ? "benign.o" : "carrier.", LINES_ALL, out, NULL));
    }
    return SL_DONE;
}

/* Puts `part` at a break between sentences or lines, at the beginning or at the end. */
static sl_res insert(composer *c, sl_view doc, sl_view part, sl_buf *out)
{
    uint64_t where = dice(c, 4);
    size_t at = where == 0 ? 0 : (where == 1 ? doc.n : (size_t)dice(c, doc.n + 1));
    while (at > 0 && at < doc.n && doc.p[at - 1] != '\n' && doc.p[at - 1] != '.') {
        at++;
    }
    SL_TRY(sl_buf_add(out, sl_view_sub(doc, 0, at)));
    SL_TRY(sl_buf_add_str(out, at == 0 ? "" : gap(c)));
    SL_TRY(sl_buf_add(out, part));
    SL_TRY(sl_buf_add_str(out, gap(c)));
    return sl_buf_add(out, sl_view_sub(doc, at, doc.n));
}

static sl_res data_text(composer *c, const grammar_language *l, bool attack, sl_buf *out,
                        sl_view *ret_family)
{
    SL_OWN(sl_buf, doc, sl_buf_free) = { .max = TEXT_MAX };
    SL_OWN(sl_buf, part, sl_buf_free) = { .max = TEXT_MAX * 12 };
    SL_TRY(document(c, l, &doc));
    if (attack) {
        SL_TRY(
            family(c, l, dice(c, 3) == 0 ? "attack." : "indirect.", c->lines, &part, ret_family));
    } else if (dice(c, 2) == 0) {
        static const char *const LIKE[] = {
            "benign.office", "benign.clinical",  "benign.security", "benign.mail",  "benign.manual",
            "benign.readme", "benign.guideline", "benign.ticket",   "benign.aitalk"
        };
        const char *like = dice(c, 2) == 0 ? "benign.doc" : LIKE[dice(c, SL_COUNT_OF(LIKE))];
        SL_TRY(family(c, l, like, c->lines, &part, ret_family));
    } else {
        return sl_buf_add(out, sl_buf_view(&doc));
    }
    SL_TRY(wear(c, true, &part));
    out->max = part.max + doc.max;
    return insert(c, sl_buf_view(&doc), sl_buf_view(&part), out);
}

static sl_res compose(composer *c, sl_inject_channel channel, bool attack)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = TEXT_MAX };
    const grammar_language *l = language(c);
    sl_view section = { 0 };
    c->parts = 0;
    if (channel == SL_INJECT_DATA) {
        SL_TRY(data_text(c, l, attack, &out, &section));
    } else {
        SL_TRY(attack ? user_attack(c, l, &out, &section) : user_benign(c, l, &out, &section));
    }
    bool ordinary = section.n == 0 || sl_view_starts(section, SL_LIT("benign.ordinary"));
    row one = { .source = "grammar",
                .language = l->name,
                .family = "-",
                .label = attack,
                .lines = c->lines,
                .parts = c->parts,
                .kind = attack ? KIND_ATTACK : (ordinary ? KIND_BENIGN : KIND_HARD),
                .ships = true };
    if (section.n != 0) {
        sl_view name;
        SL_TRY(sl_arena_dup(&c->all->arena, section, &name));
        one.family = (const char *)name.p;
    }
    SL_TRY(sl_arena_dup(&c->all->arena, sl_buf_view(&out), &one.text));
    return rows_add(c->all, one);
}

sl_res rows_generate(rows *all, const grammar *g, sl_inject_channel channel, grammar_lines lines,
                     size_t attacks, size_t benign, uint64_t seed)
{
    composer c = { .all = all, .g = g, .lines = lines };
    size_t from = all->n;
    sl_prng_seed(&c.prng, seed);
    c.real = calloc(from + 1, sizeof *c.real);
    SL_NEED(c.real != NULL, SL_E_MEMORY);
    /* `all` may move while it grows, so what carries attacks is copied. */
    row *copies = calloc(from + 1, sizeof *copies);
    SL_NEED(copies != NULL, SL_E_MEMORY);
    for (size_t i = 0; i < from; i++) {
        const row *r = &all->items[i];
        bool fits =
            r->ships && r->label == 0 && r->text.n > 200 && strcmp(r->source, "grammar") != 0;
        if (fits) {
            copies[c.real_n] = *r;
            c.real[c.real_n] = &copies[c.real_n];
            c.real_n++;
        }
    }
    sl_res r = SL_DONE;
    for (size_t i = 0; i < attacks + benign && sl_ok(r); i++) {
        r = compose(&c, channel, i < attacks);
    }
    free(copies);
    free(c.real);
    return r;
}

/* What people type stands alone; in the data channel it stands in a document. */
static sl_res look(composer *c, const grammar_language *l, size_t section, bool alone, sl_buf *out)
{
    SL_OWN(sl_buf, doc, sl_buf_free) = { .max = TEXT_MAX };
    SL_OWN(sl_buf, part, sl_buf_free) = { .max = TEXT_MAX };
    if (alone) {
        return grammar_make(c->g, l, section, LINES_ALL, &c->prng, out);
    }
    SL_TRY(document(c, l, &doc));
    SL_TRY(grammar_make(c->g, l, section, LINES_ALL, &c->prng, &part));
    return insert(c, sl_buf_view(&doc), sl_buf_view(&part), out);
}

sl_res rows_look(rows *all, const grammar *g, sl_inject_channel channel, size_t count,
                 uint64_t seed)
{
    composer c = { .all = all, .g = g };
    const char *family_name = channel == SL_INJECT_USER ? "look.mixed" : "look.doc";
    sl_prng_seed(&c.prng, seed);
    for (size_t i = 0; i < count;) {
        SL_OWN(sl_buf, out, sl_buf_free) = { .max = TEXT_MAX };
        bool english = i < count / 2;
        const grammar_language *l = english ? grammar_find(g, "en") : &g->languages[dice(&c, g->n)];
        size_t section = 0;
        SL_NEED(l != NULL, SL_E_NOT_FOUND);
        bool fits = english == (strcmp(l->name, "en") == 0);
        if (!fits || grammar_family(l, family_name, &section, 1) == 0) {
            continue;
        }
        row one = { .source = english ? "look_en" : "look_other",
                    .language = l->name,
                    .family = "look",
                    .kind = KIND_HARD };
        SL_TRY(look(&c, l, section, channel == SL_INJECT_USER, &out));
        SL_TRY(sl_arena_dup(&all->arena, sl_buf_view(&out), &one.text));
        SL_TRY(rows_add(all, one));
        i++;
    }
    return SL_DONE;
}
