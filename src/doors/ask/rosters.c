/* Loading rosters for the ask door (rosters.h). A set is never changed once given out: a new index
 * makes a new set from all indexes, and the old sets are kept for the streams that run on them. */
#include "doors/ask/rosters.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/secret.h"
#include "detect/echo.h"
#include "detect/embedded.h"
#include "detect/roster.h"
#include "doors/protection.h"
#include "ledger/event.h"

#define INDEX_BYTES_MAX (64 * SL_MIB)

typedef struct {
    sl_name compartment;
    struct stat seen; /* of the file that was loaded */
    uint8_t key[32];
    sl_buf index;
    struct stat echo_seen; /* of the index of records, which stands beside it */
    uint8_t echo_key[32];
    sl_buf echo;
    uint64_t echo_records;
} loaded;

/* What the ledger says that a compartment has. */
typedef struct {
    sl_uid id;
    bool roster;
    uint64_t echo_records; /* of its index of records; 0: none was told */
} told;

struct sl_ask_rosters {
    const sl_detect *base;
    int dir_fd;
    loaded *items;
    size_t count;
    told *told;
    size_t told_count;
    sl_detect **sets; /* all that were given out; the last is in force */
    size_t set_count;
};

sl_res sl_ask_rosters_new(const sl_detect *base, int dir_fd, sl_ask_rosters **ret)
{
    sl_ask_rosters *r = calloc(1, sizeof *r);
    SL_NEED(r != NULL, SL_E_MEMORY);
    r->base = base;
    r->dir_fd = dir_fd;
    *ret = r;
    return SL_DONE;
}

void sl_ask_rosters_free(sl_ask_rosters *rosters)
{
    if (rosters == NULL) {
        return;
    }
    for (size_t i = 0; i < rosters->count; i++) {
        sl_wipe(rosters->items[i].key, sizeof rosters->items[i].key);
        sl_buf_free(&rosters->items[i].index);
        sl_wipe(rosters->items[i].echo_key, sizeof rosters->items[i].echo_key);
        sl_buf_free(&rosters->items[i].echo);
    }
    for (size_t i = 0; i < rosters->set_count; i++) {
        sl_detect_free(rosters->sets[i]);
    }
    free(rosters->items);
    free(rosters->told);
    free(rosters->sets);
    free(rosters);
}

/* The item of a compartment, made on sight. */
static sl_res item_of(sl_ask_rosters *r, const char *compartment, loaded **ret)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->items[i].compartment, compartment) == 0) {
            *ret = &r->items[i];
            return SL_DONE;
        }
    }
    loaded *items = reallocarray(r->items, r->count + 1, sizeof *items);
    SL_NEED(items != NULL, SL_E_MEMORY);
    r->items = items;
    items[r->count] =
        (loaded){ .index = { .max = INDEX_BYTES_MAX }, .echo = { .max = SL_ECHO_INDEX_BYTES_MAX } };
    memcpy(items[r->count].compartment, compartment, strlen(compartment) + 1);
    *ret = &items[r->count++];
    return SL_DONE;
}

static const told *told_of(const sl_ask_rosters *r, sl_view compartment)
{
    static const told NOTHING;
    for (size_t i = 0; i < r->told_count; i++) {
        if (sl_view_eq_str(compartment, r->told[i].id)) {
            return &r->told[i];
        }
    }
    return &NOTHING;
}

/* The compartment's own, made on sight. */
static sl_res tell_of(sl_ask_rosters *r, sl_view compartment, told **ret)
{
    const told *known = told_of(r, compartment);
    if (known->id[0] != 0) {
        *ret = &r->told[known - r->told];
        return SL_DONE;
    }
    told *more = reallocarray(r->told, r->told_count + 1, sizeof *more);
    SL_NEED(more != NULL, SL_E_MEMORY);
    r->told = more;
    *ret = &more[r->told_count++];
    **ret = (told){ 0 };
    memcpy((*ret)->id, compartment.p, SL_UID_CHARS);
    return SL_DONE;
}

sl_res sl_ask_rosters_leaf(sl_ask_rosters *r, sl_view text)
{
    SL_OWN(sl_leaf, leaf, sl_leaf_free) = { 0 };
    bool roster = sl_view_find(text, SL_LIT("\"roster.built\""), 0) != SIZE_MAX;
    bool echo = sl_view_find(text, SL_LIT("\"echo.built\""), 0) != SIZE_MAX ||
                sl_view_find(text, SL_LIT("\"echo.rebuilt\""), 0) != SIZE_MAX;
    if ((!roster && !echo) || !sl_ok(sl_leaf_read(text, &leaf)) ||
        !sl_view_eq_str(leaf.by, "ingest") || leaf.compartment.n != SL_UID_CHARS) {
        return SL_DONE;
    }
    told *one = NULL;
    uint64_t records = 0;
    if (sl_leaf_is(&leaf, "roster.built")) {
        SL_TRY(tell_of(r, leaf.compartment, &one));
        one->roster = true;
    } else if ((sl_leaf_is(&leaf, "echo.built") || sl_leaf_is(&leaf, "echo.rebuilt")) &&
               sl_leaf_count(&leaf, "records", &records)) {
        SL_TRY(tell_of(r, leaf.compartment, &one));
        one->echo_records = records;
    }
    return SL_DONE;
}

/* Whoever reads this at night must find what to do in it. */
static const char DAMAGED[] = "state/roster: a file is damaged, or of another site; make it anew: "
                              "stoplog object rebuild COMPARTMENT";

static const char OLDER[] =
    "state/roster: an index of records is older than the ledger; make it anew: "
    "stoplog object rebuild COMPARTMENT";

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Reads the compartment's index if it is another than the one in force. */
static sl_res load(sl_ask_rosters *r, const char *compartment, const char *id, sl_ask_lease lease,
                   void *context, bool *ret_changed)
{
    struct stat st;
    loaded *item = NULL;
    if (fstatat(r->dir_fd, compartment, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        /* Nothing has entered this compartment, or what protects its people was lost. */
        return told_of(r, sl_view_str(id))->roster ? sl_protection_missing() : SL_DONE;
    }
    SL_TRY(item_of(r, compartment, &item));
    if (same_file(&st, &item->seen)) {
        return SL_DONE;
    }
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = INDEX_BYTES_MAX };
    SL_TRY(sl_file_read(r->dir_fd, compartment, &index));
    SL_TRY(lease(context, compartment, "roster", item->key));
    sl_roster *proof = NULL;
    sl_res opened = sl_roster_open(sl_buf_view(&index), item->key, &proof);
    if (sl_is(opened, SL_E_MEMORY)) {
        return opened;
    }
    if (!sl_ok(opened)) {
        return sl_fail_at((sl_code)opened.code, DAMAGED, SL_NOWHERE);
    }
    sl_roster_free(proof);
    sl_buf_free(&item->index);
    item->index = sl_buf_take(&index);
    item->seen = st;
    *ret_changed = true;
    return SL_DONE;
}

static sl_res read_echo(sl_ask_rosters *r, const char *name, sl_ask_lease lease, void *context,
                        loaded *item)
{
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = SL_ECHO_INDEX_BYTES_MAX };
    SL_TRY(sl_file_read(r->dir_fd, name, &index));
    SL_TRY(lease(context, item->compartment, "echo", item->echo_key));
    sl_echo_index *proof = NULL;
    sl_echo_stats stats;
    sl_res opened = sl_echo_open(sl_buf_view(&index), item->echo_key, &proof);
    if (!sl_ok(opened) && !sl_is(opened, SL_E_MEMORY)) {
        return sl_fail_at((sl_code)opened.code, DAMAGED, SL_NOWHERE);
    }
    SL_TRY(opened);
    sl_echo_index_stats(proof, &stats);
    sl_echo_index_free(proof);
    sl_buf_free(&item->echo);
    item->echo = sl_buf_take(&index);
    item->echo_records = stats.records;
    return SL_DONE;
}

/* Likewise the index of the compartment's records. */
static sl_res load_echo(sl_ask_rosters *r, const char *compartment, const char *id,
                        sl_ask_lease lease, void *context, bool *ret_changed)
{
    struct stat st;
    loaded *item = NULL;
    char name[SL_ECHO_FILE_BYTES];
    uint64_t records = told_of(r, sl_view_str(id))->echo_records;
    sl_echo_file_name(compartment, name);
    if (fstatat(r->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return records != 0 ? sl_protection_missing() : SL_DONE;
    }
    SL_TRY(item_of(r, compartment, &item));
    if (!same_file(&st, &item->echo_seen)) {
        SL_TRY(read_echo(r, name, lease, context, item));
        item->echo_seen = st;
        *ret_changed = true;
    }
    return item->echo_records >= records ? SL_DONE : sl_fail_at(SL_E_INTEGRITY, OLDER, SL_NOWHERE);
}

static sl_res add_all(const sl_ask_rosters *r, sl_detect *set)
{
    for (size_t i = 0; i < r->count; i++) {
        const loaded *item = &r->items[i];
        if (item->index.n != 0) {
            SL_TRY(sl_detect_add_roster(set, sl_buf_view(&item->index), item->key));
        }
        if (item->echo.n != 0) {
            SL_TRY(sl_detect_add_echo(set, sl_view_str(item->compartment), sl_buf_view(&item->echo),
                                      item->echo_key));
        }
    }
    return SL_DONE;
}

static sl_res make_set(sl_ask_rosters *r)
{
    sl_detect **sets = reallocarray(r->sets, r->set_count + 1, sizeof *sets);
    SL_NEED(sets != NULL, SL_E_MEMORY);
    r->sets = sets;
    sl_detect *set = NULL;
    SL_TRY(sl_detect_derive(r->base, &set));
    sl_res added = add_all(r, set);
    if (!sl_ok(added)) {
        sl_detect_free(set);
        return added;
    }
    r->sets[r->set_count++] = set;
    return SL_DONE;
}

sl_res sl_ask_rosters_refresh(sl_ask_rosters *rosters, const sl_roll *roll, sl_ask_lease lease,
                              void *context, const sl_detect **ret_detect)
{
    bool changed = false;
    size_t count = 0;
    const sl_compartment *list = sl_roll_compartments(roll, &count);
    for (size_t i = 0; i < count; i++) {
        if (list[i].state == SL_COMPARTMENT_OPEN) {
            SL_TRY(load(rosters, list[i].name, list[i].id, lease, context, &changed));
            SL_TRY(load_echo(rosters, list[i].name, list[i].id, lease, context, &changed));
        }
    }
    if (changed) {
        SL_TRY(make_set(rosters));
    }
    *ret_detect = rosters->set_count == 0 ? rosters->base : rosters->sets[rosters->set_count - 1];
    return SL_DONE;
}

/* One part: its name and the digest of its content, so that no two lists of parts read alike. */
static void add_part(sl_hasher *all, sl_view name, sl_view content)
{
    sl_digest digest = sl_sha256(content);
    sl_hasher_add(all, name);
    sl_hasher_add(all, sl_view_of("", 1));
    sl_hasher_add(all, sl_view_of(digest.b, sizeof digest.b));
}

sl_digest sl_ask_snapshot_digest(const sl_ask_rosters *rosters, sl_view config, sl_view policy,
                                 sl_view flow)
{
    SL_OWN(sl_hasher, all, sl_hasher_free) = { 0 };
    sl_hasher_start(&all);
    add_part(&all, SL_LIT("config.yml"), config);
    add_part(&all, SL_LIT("policy/ask.yml"), policy);
    add_part(&all, SL_LIT("policy/flow.yml"), flow);
    for (size_t i = 0; i < sl_embedded_count; i++) {
        add_part(&all, sl_view_str(sl_embedded[i].name),
                 sl_view_of(sl_embedded[i].bytes, sl_embedded[i].n));
    }
    for (size_t i = 0; i < rosters->count; i++) {
        add_part(&all, sl_view_str(rosters->items[i].compartment),
                 sl_buf_view(&rosters->items[i].index));
        add_part(&all, SL_LIT("echo"), sl_buf_view(&rosters->items[i].echo));
    }
    return sl_hasher_end(&all);
}

size_t sl_ask_rosters_count(const sl_ask_rosters *rosters)
{
    size_t values = 0;
    for (size_t i = 0; i < rosters->count; i++) {
        sl_view index = sl_buf_view(&rosters->items[i].index);
        values += index.n >= 20 ? sl_get_le32(index.p + 16) : 0;
    }
    return values;
}
