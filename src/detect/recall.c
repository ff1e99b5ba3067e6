/* The memory of inspected texts (recall.h): a table of fixed size, four places for each tag, the one that
 * was not asked for longest gives way. It must never answer for a text that differs in a single byte. */
#include "detect/recall.h"

#include "base/secret.h"
#include "detect/siphash.h"

#define SETS ((size_t)2048)
#define WAYS ((size_t)4)
#define TEXT_BYTES_MIN ((size_t)32)
#define FINDINGS_MAX ((size_t)4096) /* of one text */

typedef struct {
    sl_recall_key key;
    uint64_t used; /* 0: empty */
    sl_finding *items;
    size_t n;
} entry;

struct sl_recall {
    uint8_t key[16];       /* of texts, in this scope */
    uint8_t scope_key[16]; /* of scopes */
    entry entries[SETS][WAYS];
    uint64_t clock;
    size_t bytes;
    size_t bytes_max;
    sl_recall_counts counts;
};

sl_res sl_recall_new(const uint8_t key[32], size_t bytes_max, sl_recall **ret_recall)
{
    sl_recall *r = calloc(1, sizeof *r);
    SL_NEED(r != NULL, SL_E_MEMORY);
    memcpy(r->key, key, sizeof r->key);
    memcpy(r->scope_key, key + sizeof r->key, sizeof r->scope_key);
    r->bytes_max = bytes_max;
    *ret_recall = r;
    return SL_DONE;
}

static void forget(sl_recall *r, entry *e)
{
    free(e->items);
    r->bytes -= e->n * sizeof *e->items;
    *e = (entry){ 0 };
}

static void forget_all(sl_recall *r)
{
    for (size_t i = 0; i < SETS; i++) {
        for (size_t k = 0; k < WAYS; k++) {
            forget(r, &r->entries[i][k]);
        }
    }
}

void sl_recall_free(sl_recall *recall)
{
    if (recall != NULL) {
        forget_all(recall);
        sl_wipe(recall->key, sizeof recall->key);
        sl_wipe(recall->scope_key, sizeof recall->scope_key);
        free(recall);
    }
}

void sl_recall_scope(sl_recall *recall, sl_view who)
{
    uint64_t tag[2];
    sl_siphash128(recall->scope_key, who, tag);
    sl_put_le64(recall->key, tag[0]);
    sl_put_le64(recall->key + 8, tag[1]);
}

bool sl_recall_key_of(const sl_recall *recall, uint64_t engines, uint32_t kind, sl_view text,
                      sl_recall_key *ret_key)
{
    if (text.n < TEXT_BYTES_MIN || text.n > UINT32_MAX) {
        return false;
    }
    *ret_key = (sl_recall_key){ .engines = engines, .kind = kind, .length = (uint32_t)text.n };
    sl_siphash128(recall->key, text, ret_key->tag);
    return true;
}

static bool is_same(const sl_recall_key *a, const sl_recall_key *b)
{
    return a->tag[0] == b->tag[0] && a->tag[1] == b->tag[1] && a->engines == b->engines &&
           a->kind == b->kind && a->length == b->length;
}

static entry *set_of(sl_recall *r, const sl_recall_key *key)
{
    return r->entries[(key->tag[0] ^ key->kind) % SETS];
}

sl_res sl_recall_find(sl_recall *recall, const sl_recall_key *key, sl_findings *findings,
                      bool *ret_known)
{
    entry *set = set_of(recall, key);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].used != 0 && is_same(&set[i].key, key)) {
            for (size_t k = 0; k < set[i].n; k++) {
                SL_TRY(sl_findings_add(findings, set[i].items[k]));
            }
            set[i].used = ++recall->clock;
            recall->counts.known++;
            *ret_known = true;
            return SL_DONE;
        }
    }
    recall->counts.fresh++;
    *ret_known = false;
    return SL_DONE;
}

void sl_recall_keep(sl_recall *recall, const sl_recall_key *key, const sl_finding *items, size_t n)
{
    entry *set = set_of(recall, key);
    entry *oldest = &set[0];
    for (size_t i = 1; i < WAYS; i++) {
        oldest = set[i].used < oldest->used ? &set[i] : oldest;
    }
    size_t bytes = n * sizeof *items;
    if (n > FINDINGS_MAX || bytes > recall->bytes_max) {
        return;
    }
    forget(recall, oldest);
    if (recall->bytes_max - recall->bytes < bytes) {
        forget_all(recall);
    }
    sl_finding *copy = NULL;
    if (n != 0) {
        copy = malloc(bytes);
        if (copy == NULL) {
            return; /* it will be inspected again */
        }
        memcpy(copy, items, bytes);
    }
    *oldest = (entry){ .key = *key, .used = ++recall->clock, .items = copy, .n = n };
    recall->bytes += bytes;
}

sl_recall_counts sl_recall_count(const sl_recall *recall)
{
    return recall->counts;
}
