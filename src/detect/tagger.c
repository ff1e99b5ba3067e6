/* Tagging (tagger.h): a pack opened, a text scanned. Words of a list are found by hash; a chance hit costs
 * a feature. Between texts it keeps sums of words and nothing that a finding depends on (tagger_words.h). */
#include "detect/tagger.h"

#include "detect/embedded.h"
#include "detect/tagger_path.h"
#include "detect/tagger_report.h"

#define HEADER_BYTES ((size_t)32)
#define TRANSITIONS_AT HEADER_BYTES
#define WEIGHTS_AT (HEADER_BYTES + (size_t)(SL_TAG_LANES + 1) * SL_TAG_LANES * 2)
#define VERSION 5
#define KINDS_MAX ((uint32_t)4096)
#define TEXT_BYTES_MAX ((size_t)1 << 26)

struct sl_tagger {
    size_t owners; /* beyond the first */
    sl_tag_model model;
    const sl_tag_kernel *kernel;
};

struct sl_tagger_work {
    sl_tag_words words;
    sl_tag_tokens tokens;
    sl_tag_path path;
};

static void put_word(sl_tag_model *t, uint32_t hash, uint32_t lists)
{
    uint32_t at = hash & t->slot_mask;
    while (t->hashes[at] != 0 && t->hashes[at] != hash) {
        at = (at + 1) & t->slot_mask;
    }
    t->hashes[at] = hash;
    t->lists[at] |= lists;
}

/* `kinds`: each combination of lists once. `words`: steps between hashes and an index into kinds. */
static sl_res fill_words(sl_tag_model *t, sl_view kinds, sl_view words, uint32_t count)
{
    uint32_t slots = 1024;
    while (slots < count * 2) {
        slots *= 2;
    }
    t->slot_mask = slots - 1;
    t->hashes = calloc(slots, sizeof *t->hashes);
    t->lists = calloc(slots, sizeof *t->lists);
    SL_NEED(t->hashes != NULL && t->lists != NULL, SL_E_MEMORY);
    uint64_t hash = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t step = 0;
        for (unsigned shift = 0; shift < 35; shift += 7) {
            SL_NEED(at < words.n, SL_E_TRUNCATED);
            step |= (uint64_t)(words.p[at] & 0x7F) << shift;
            if ((words.p[at++] & 0x80) == 0) {
                break;
            }
        }
        hash += step;
        SL_NEED(words.n - at >= 2, SL_E_TRUNCATED);
        size_t kind = (size_t)sl_get_le16(words.p + at) * 4;
        at += 2;
        SL_NEED(step != 0 && hash <= UINT32_MAX && kind < kinds.n, SL_E_RANGE);
        uint32_t lists = sl_get_le32(kinds.p + kind);
        SL_NEED(lists >> SL_TAG_SENSE_SHIFT < SL_SENSE_COUNT, SL_E_RANGE);
        put_word(t, (uint32_t)hash, lists);
    }
    SL_NEED(at == words.n, SL_E_TRAILING);
    return SL_DONE;
}

static sl_res fill(sl_tag_model *t, sl_view pack)
{
    SL_NEED(pack.n >= WEIGHTS_AT + 8, SL_E_TRUNCATED);
    SL_NEED(memcmp(pack.p, "SLTAGGR1", 8) == 0, SL_E_VERSION);
    SL_NEED(sl_get_le32(pack.p + 8) == VERSION, SL_E_VERSION);
    uint32_t buckets = sl_get_le32(pack.p + 12);
    uint32_t words = sl_get_le32(pack.p + 16);
    uint32_t kinds = sl_get_le32(pack.p + 24);
    bool power = buckets >= 256 && buckets <= (1U << 24) && (buckets & (buckets - 1)) == 0;
    SL_NEED(power && words <= (1U << 22) && kinds <= KINDS_MAX, SL_E_RANGE);
    size_t kinds_at = WEIGHTS_AT + (size_t)buckets * SL_TAG_LANES;
    size_t words_at = kinds_at + (size_t)kinds * 4;
    SL_NEED(pack.n >= words_at + 8 && pack.n >= sl_get_le32(pack.p + 28), SL_E_TRUNCATED);
    SL_NEED(sl_get_le64(pack.p + pack.n - 8) == sl_tag_pack_check(sl_view_sub(pack, 0, pack.n - 8)),
            SL_E_INTEGRITY);
    t->mask = buckets - 1;
    t->bias = (int32_t)sl_get_le32(pack.p + 20);
    SL_NEED(t->bias > -100000 && t->bias < 100000, SL_E_RANGE);
    t->check = sl_get_le64(pack.p + pack.n - 8);
    for (unsigned i = 0; i <= SL_TAG_LANES; i++) {
        for (unsigned k = 0; k < SL_TAG_LANES; k++) {
            bool may = sl_tag_may_follow(i == SL_TAG_BEGIN ? SL_TAG_OUTSIDE : i, k);
            const uint8_t *at = pack.p + TRANSITIONS_AT + ((size_t)i * SL_TAG_LANES + k) * 2;
            t->transitions[i][k] = may ? (int16_t)sl_get_le16(at) : SL_TAG_IMPOSSIBLE;
        }
    }
    t->weights = (const int8_t *)(pack.p + WEIGHTS_AT);
    return fill_words(t, sl_view_sub(pack, kinds_at, words_at),
                      sl_view_sub(pack, words_at, pack.n - 8), words);
}

sl_res sl_tagger_open(sl_view pack, sl_tagger **ret_tagger)
{
    sl_tagger *t = calloc(1, sizeof *t);
    SL_NEED(t != NULL, SL_E_MEMORY);
    sl_res r = fill(&t->model, pack);
    t->kernel = sl_tag_kernel_x86() != NULL ? sl_tag_kernel_x86() : &SL_TAG_KERNEL_PORTABLE;
    if (!sl_ok(r)) {
        sl_tagger_free(t);
        return r;
    }
    *ret_tagger = t;
    return SL_DONE;
}

sl_res sl_tagger_open_default(sl_tagger **ret_tagger)
{
    for (size_t i = 0; i < sl_embedded_count; i++) {
        if (strcmp(sl_embedded[i].name, "names.pack") == 0) {
            return sl_tagger_open(sl_view_of(sl_embedded[i].bytes, sl_embedded[i].n), ret_tagger);
        }
    }
    return sl_fail(SL_E_BUG);
}

const sl_tag_model *sl_tagger_model(const sl_tagger *tagger)
{
    return &tagger->model;
}

sl_tagger *sl_tagger_share(sl_tagger *tagger)
{
    tagger->owners++;
    return tagger;
}

void sl_tagger_free(sl_tagger *tagger)
{
    if (tagger == NULL) {
        return;
    }
    if (tagger->owners > 0) {
        tagger->owners--;
        return;
    }
    free(tagger->model.hashes);
    free(tagger->model.lists);
    free(tagger);
}

sl_res sl_tagger_work_new(sl_tagger_work **ret_work)
{
    *ret_work = calloc(1, sizeof **ret_work);
    return *ret_work == NULL ? sl_fail(SL_E_MEMORY) : SL_DONE;
}

void sl_tagger_work_free(sl_tagger_work *work)
{
    if (work != NULL) {
        sl_tag_words_free(&work->words);
        sl_tag_path_free(&work->path);
        free(work->tokens.items);
        free(work);
    }
}

sl_res sl_tagger_scan(const sl_tagger *tagger, sl_tagger_work *work, sl_view folded,
                      sl_findings *findings)
{
    SL_NEED(folded.n <= TEXT_BYTES_MAX, SL_E_LIMIT);
    SL_TRY(sl_tag_words_begin(&work->words, &tagger->model));
    SL_TRY(sl_tag_tokenise_known(&work->words, folded, &work->tokens));
    SL_TRY(sl_tag_path_find(tagger->kernel, &work->words, &work->tokens, &work->path));
    return sl_tag_report(&work->tokens, findings);
}
