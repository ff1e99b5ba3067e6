/* Rows for training and evaluation: data files, texts by the grammar, their features (model.h). */
#include <dirent.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "model.h"

sl_res rows_add(rows *all, row one)
{
    if (all->n == all->cap) {
        all->cap = all->cap == 0 ? 4096 : all->cap * 2;
        row *more = realloc(all->items, all->cap * sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        all->items = more;
    }
    all->items[all->n++] = one;
    return SL_DONE;
}

/* ---- the word list ------------------------------------------------------------------------- */

static const char *const CONCEPTS[SL_INJECT_CONCEPTS] = {
    "override", "earlier", "instruction", "reveal", "system",  "you",      "role", "limit",
    "model",    "secret",  "now",         "act",    "mention", "clinical", "mark", "all"
};

static sl_res add_words(rows *all, sl_view rest, uint16_t concepts)
{
    sl_fold_work work = { 0 };
    while (rest.n != 0) {
        sl_view one;
        sl_folded folded;
        (void)sl_view_cut(rest, ' ', &one, &rest);
        bool prefix = sl_view_ends(one, SL_LIT("*"));
        one = sl_view_sub(one, 0, one.n - prefix);
        if (one.n == 0) {
            continue;
        }
        SL_TRY(sl_fold(one, false, &work, &folded, NULL));
        sl_res r =
            sl_inject_words_add(&all->words, folded.text,
                                prefix ? SL_INJECT_FORM_PREFIX : SL_INJECT_FORM_WORD, concepts);
        if (!sl_ok(r)) {
            fprintf(stderr, "word list: %.*s\n", SL_FMT(one));
            return r;
        }
    }
    sl_fold_work_free(&work);
    return SL_DONE;
}

sl_res rows_words(rows *all, const char *path)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    SL_TRY(sl_file_read(AT_FDCWD, path, &text));
    SL_TRY(sl_inject_words_init(&all->words, 16384));
    sl_view rest = sl_buf_view(&text);
    while (rest.n != 0) {
        sl_view line;
        sl_view name;
        sl_view entries;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (line.n == 0 || line.p[0] == '#' || !sl_view_cut(line, ':', &name, &entries)) {
            continue;
        }
        size_t concept = 0;
        while (concept < SL_INJECT_CONCEPTS && !sl_view_eq_str(name, CONCEPTS[concept])) {
            concept ++;
        }
        SL_NEED(concept < SL_INJECT_CONCEPTS, SL_E_UNKNOWN_FIELD);
        SL_TRY(add_words(all, entries, (uint16_t)(1U << concept)));
    }
    return SL_DONE;
}

/* ---- features ------------------------------------------------------------------------------ */

typedef struct {
    rows *all;
    row *r;
} caching;

static sl_res take(void *context, const sl_inject_text *text)
{
    caching *c = context;
    rows *all = c->all;
    SL_TRY(sl_inject_tokenise(&all->words, text->folded, &all->tokens));
    cached *one = calloc(1, sizeof *one);
    SL_NEED(one != NULL, SL_E_MEMORY);
    size_t n = all->tokens.n;
    size_t room = 0;
    one->tokens = (uint32_t)n;
    one->decoded = sl_inject_is_decoded(text->view);
    one->ends = calloc(n + 1, sizeof *one->ends);
    SL_NEED(one->ends != NULL, SL_E_MEMORY);
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t features[SL_INJECT_FEATURES_MAX];
        size_t k = sl_inject_features(&all->tokens, i, features);
        if (count + k > room) {
            room = (room + k) * 2;
            uint32_t *more = realloc(one->features, room * sizeof *more);
            SL_NEED(more != NULL, SL_E_MEMORY);
            one->features = more;
        }
        for (size_t f = 0; f < k; f++) {
            one->features[count++] = features[f] * UINT32_C(0x9E3779B1) >> (32 - BITS);
        }
        one->ends[i] = count;
    }
    one->next = c->r->texts;
    c->r->texts = one;
    return SL_DONE;
}

sl_res rows_cache(rows *all, row *r)
{
    caching c = { all, r };
    return r->texts != NULL ? SL_DONE : sl_inject_each_text(&all->texts, r->text, take, &c);
}

/* ---- data files ---------------------------------------------------------------------------- */

/* Files of bare strings that are attacks only because of where they stand serve tests of flow rules. */
static bool in_channel(sl_view source, sl_inject_channel channel)
{
    static const char *const DATA[] = { "bipia_doc_train", "bipia_doc_test",
                                        "llmail_level_emails" };
    static const char *const BOTH[] = { "medquad", "pubmedqa", "salesforce_promptleakage_docs" };
    static const char *const NONE[] = { "asb_attack_instr", "bipia_attackstr_train",
                                        "bipia_attackstr_test" };
    for (size_t i = 0; i < SL_COUNT_OF(DATA); i++) {
        if (sl_view_eq_str(source, DATA[i])) {
            return channel == SL_INJECT_DATA;
        }
    }
    for (size_t i = 0; i < SL_COUNT_OF(BOTH); i++) {
        if (sl_view_eq_str(source, BOTH[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < SL_COUNT_OF(NONE); i++) {
        if (sl_view_eq_str(source, NONE[i])) {
            return false;
        }
    }
    return channel == SL_INJECT_USER;
}

static row_kind kind_of(const sl_json_node *kind, uint64_t label)
{
    if (label == 1) {
        return KIND_ATTACK;
    }
    return sl_json_text_is(kind, "hard-benign")
               ? KIND_HARD
               : (sl_json_text_is(kind, "benign") ? KIND_BENIGN : KIND_OTHER);
}

static sl_res load_line(rows *all, sl_view line, const char *source, bool dev)
{
    sl_json_doc doc = { 0 };
    SL_TRY(sl_json_parse(line, &doc));
    const sl_json_node *root = sl_json_root(&doc);
    row one = { .source = source, .language = "-", .family = "-", .dev = dev };
    uint64_t label = 0;
    uint64_t ships = 0;
    sl_view text;
    SL_TRY(sl_json_text(sl_json_get(&doc, root, "text"), &all->arena, &text));
    SL_TRY(sl_arena_dup(&all->arena, text, &one.text));
    SL_TRY(sl_json_u64(sl_json_get(&doc, root, "label"), &label));
    SL_TRY(sl_json_u64(sl_json_get(&doc, root, "ship_ok"), &ships));
    one.label = label == 1;
    one.ships = ships == 1 && !dev;
    one.kind = kind_of(sl_json_get(&doc, root, "kind"), label);
    sl_json_doc_free(&doc);
    return rows_add(all, one);
}

static sl_res load_file(rows *all, const char *folder, const char *name, bool dev)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 256 * SL_MIB };
    SL_TRY(sl_buf_addf(&path, "%s/%s", folder, name));
    SL_TRY(sl_file_read(AT_FDCWD, sl_buf_cstr(&path), &text));
    sl_view source;
    SL_TRY(sl_arena_dup(&all->arena, sl_view_sub(sl_view_str(name), 0, strlen(name) - 6), &source));
    sl_view rest = sl_buf_view(&text);
    while (rest.n != 0) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (line.n != 0) {
            SL_TRY(load_line(all, line, (const char *)source.p, dev));
        }
    }
    return SL_DONE;
}

static sl_res load_folder(rows *all, const char *folder, sl_inject_channel channel, bool dev)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, NULL, alphasort);
    sl_res r = count < 0 ? sl_fail_os(SL_E_IO, "data folder") : SL_DONE;
    for (int i = 0; i < count; i++) {
        sl_view name = sl_view_str(names[i]->d_name);
        bool taken = sl_view_ends(name, SL_LIT(".jsonl")) &&
                     in_channel(sl_view_sub(name, 0, name.n - 6), channel);
        if (sl_ok(r) && taken) {
            r = load_file(all, folder, names[i]->d_name, dev);
        }
        free(names[i]);
    }
    free(names);
    return r;
}

/* Texts about people, without labels of ours: harmless in both channels. Every third row is plenty. */
static sl_res load_plain(rows *all, const char *folder, const char *name)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 256 * SL_MIB };
    SL_TRY(sl_buf_addf(&path, "%s/../phi/train/%s.jsonl", folder, name));
    sl_res r = sl_file_read(AT_FDCWD, sl_buf_cstr(&path), &text);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        fprintf(stderr, "without %s, which is not there\n", name);
        return SL_DONE;
    }
    SL_TRY(r);
    sl_view rest = sl_buf_view(&text);
    for (size_t i = 0; rest.n != 0; i++) {
        sl_view line;
        sl_view body;
        sl_json_doc doc = { 0 };
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (line.n == 0 || i % 3 != 0) {
            continue;
        }
        row one = { .source = name, .language = "-", .family = "-", .ships = true };
        SL_TRY(sl_json_parse(line, &doc));
        SL_TRY(sl_json_text(sl_json_get(&doc, sl_json_root(&doc), "text"), &all->arena, &body));
        SL_TRY(sl_arena_dup(&all->arena, sl_view_sub(body, 0, 4000), &one.text));
        sl_json_doc_free(&doc);
        SL_TRY(rows_add(all, one));
    }
    return SL_DONE;
}

/* ---- clinical texts that people paste ------------------------------------------------------- */

static void cut_out(sl_buf *text, size_t from, size_t to, sl_view instead)
{
    size_t n = instead.n < to - from ? instead.n : to - from;
    memcpy(text->p + from, instead.p, n);
    memmove(text->p + from + n, text->p + to, text->n - to);
    text->n -= to - from - n;
}

/* The innermost choice gives way to the one of its parts that `pick` says; false: there is none. */
static bool choose(sl_buf *text, uint32_t pick)
{
    sl_view all = sl_buf_view(text);
    size_t close = sl_view_find(all, SL_LIT("]]"), 0);
    size_t open = SIZE_MAX;
    for (size_t at = sl_view_find(all, SL_LIT("[["), 0); close != SIZE_MAX && at < close;
         at = sl_view_find(all, SL_LIT("[["), at + 1)) {
        open = at;
    }
    if (close == SIZE_MAX || open == SIZE_MAX) {
        return false;
    }
    size_t parts = 1;
    for (size_t at = open + 2; at < close; at++) {
        parts += text->p[at] == '|';
    }
    sl_view one = { 0 };
    sl_view rest = sl_view_sub(all, open + 2, close);
    for (size_t i = 0; i <= pick % parts; i++) {
        (void)sl_view_cut(rest, '|', &one, &rest);
    }
    cut_out(text, open, close + 2, one);
    return true;
}

/* A template of tools/notes-generator with one of each choice and a word or a number for what it fills in. */
static void fill_template(sl_buf *text, uint32_t pick)
{
    while (choose(text, pick)) {
        pick = pick * 1664525U + 1013904223U;
        pick ^= pick >> 16;
    }
    for (size_t at = 0; at < text->n; at++) {
        size_t close = sl_view_find(sl_buf_view(text), SL_LIT("}"), at);
        if (text->p[at] == '{' && close != SIZE_MAX) {
            bool number = close - at < 5;
            cut_out(text, at, close + 1, number ? SL_LIT("12") : SL_LIT("Soto"));
        } else if (text->p[at] == '\\' && at + 1 < text->n && text->p[at + 1] == 'n') {
            cut_out(text, at, at + 2, SL_LIT("\n"));
        }
    }
}

/* Notes, mails and prompts of hospitals: whoever asks an assistant pastes them, and nothing in them instructs a model. */
static sl_res load_voice(rows *all, const char *folder, const char *name)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MIB };
    SL_OWN(sl_buf, one, sl_buf_free) = { .max = SL_MIB };
    SL_TRY(sl_buf_addf(&path, "%s/%s", folder, name));
    SL_TRY(sl_file_read(AT_FDCWD, sl_buf_cstr(&path), &text));
    sl_view rest = sl_buf_view(&text);
    for (uint32_t i = 0; rest.n != 0; i++) {
        sl_view line;
        (void)sl_view_cut(rest, '\n', &line, &rest);
        if (line.n < 8 || line.p[0] == '#') {
            continue;
        }
        row r = { .source = "notes-generator", .language = "-", .family = "-", .ships = true };
        sl_buf_clear(&one);
        SL_TRY(sl_buf_add(&one, line));
        fill_template(&one, i * 2654435761U);
        SL_TRY(sl_arena_dup(&all->arena, sl_view_sub(sl_buf_view(&one), 0, 4000), &r.text));
        SL_TRY(rows_add(all, r));
    }
    return SL_DONE;
}

sl_res rows_voices(rows *all, const char *folder)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, NULL, alphasort);
    sl_res r = count < 0 ? sl_fail_os(SL_E_IO, "folder of voices") : SL_DONE;
    for (int i = 0; i < count; i++) {
        if (sl_ok(r) && sl_view_ends(sl_view_str(names[i]->d_name), SL_LIT(".txt"))) {
            r = load_voice(all, folder, names[i]->d_name);
        }
        free(names[i]);
    }
    free(names);
    return r;
}

sl_res rows_load(rows *all, const char *folder, sl_inject_channel channel)
{
    static const char *const PLAIN[] = { "presidio_research", "wikigold", "wnut17", "btc",
                                         "meddocan_es",       "gen_notes" };
    for (size_t i = 0; i < SL_COUNT_OF(PLAIN); i++) {
        SL_TRY(load_plain(all, folder, PLAIN[i]));
    }
    static const char *const PARTS[] = { "train", "dev" };
    for (size_t i = 0; i < SL_COUNT_OF(PARTS); i++) {
        SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
        SL_TRY(sl_buf_addf(&path, "%s/%s", folder, PARTS[i]));
        SL_TRY(load_folder(all, sl_buf_cstr(&path), channel, i == 1));
    }
    return SL_DONE;
}
