/* `stoplog verify --loaded`: is what a model server holds what the ledger knows? The files of a process are
 * read through the process's own references (supply/loaded.h) and compared with two kinds of digests:
 * artefacts that the ingest door admitted, and artefacts pinned in the vendor register. */
#include <getopt.h>
#include <string.h>

#include "cli/inventory.h"
#include "cli/site_register.h"
#include "cli/supply_print.h"
#include "ledger/events.gen.h"
#include "respond/admin.h"
#include "supply/loaded.h"
#include "supply/seen.h"

#define USAGE "verify --loaded PID|PATH [--artefact NAME|LEAF|DIGEST] [--all] [--record] [--json]"

/* What is said of one file; the order is from good to bad. */
typedef enum { SAME, NOT_WANTED, NOT_IN_LEDGER, UNREADABLE, DIFFERS, RESULT_COUNT } result;
static const char *const RESULTS[RESULT_COUNT] = { "same", "another artefact", "not in ledger",
                                                   "unreadable", "differs" };

typedef struct {
    sl_cli *cli;
    const char *what;     /* PID or path */
    const char *artefact; /* as given, or NULL */
    bool all;
    bool record;
    sl_site_register site;
    sl_seen_list seen;
    sl_digest wanted;    /* of `artefact` */
    sl_name wanted_name; /* last part of its name, if it has one */
    size_t counts[RESULT_COUNT];
    size_t untold; /* leaves that could not be written */
} check;

static void close_check(check *c)
{
    sl_site_register_close(&c->site);
    sl_seen_free(&c->seen);
}

static sl_res each_leaf(void *context, uint64_t index, sl_view leaf)
{
    return sl_seen_leaf(&((check *)context)->seen, index, leaf);
}

/* ---- which artefact ---- */

static bool is_hex(const char *text)
{
    size_t n = strlen(text);
    return n >= 8 && n <= (size_t)2 * SL_DIGEST_BYTES && strspn(text, "0123456789abcdef") == n;
}

static sl_res want_item(check *c, const sl_register_item *item)
{
    const char *slash = strrchr(item->item, '/');
    c->wanted = item->hash;
    return sl_item_set(c->wanted_name, sl_view_str(slash == NULL ? item->item : slash + 1));
}

/* "VENDOR/NAME", "NAME", a leaf's index, a digest's first digits. A name is tried first. */
static sl_res find_wanted(check *c)
{
    sl_view text = sl_view_str(c->artefact);
    sl_view vendor;
    sl_view name;
    uint64_t leaf = UINT64_MAX;
    const sl_seen *seen = NULL;
    const sl_register_item *item = sl_register_item_any(&c->site.vendors, SL_ITEM_ARTEFACT, text);
    if (item == NULL && sl_view_cut(text, '/', &vendor, &name)) {
        item = sl_register_item_find(&c->site.vendors, vendor, SL_ITEM_ARTEFACT, name);
    }
    bool index = sl_ok(sl_parse_u64(text, INT64_MAX, &leaf)) && text.n < 16;
    for (size_t i = 0; index && item == NULL && i < c->site.vendors.item_count; i++) {
        const sl_register_item *one = &c->site.vendors.items[i];
        item = one->kind == SL_ITEM_ARTEFACT && one->leaf_index == leaf ? one : NULL;
    }
    if (item != NULL) {
        return want_item(c, item);
    }
    for (size_t i = 0; index && i < c->seen.count; i++) {
        const sl_seen *one = &c->seen.items[i];
        bool its =
            one->kind == SL_ITEM_ARTEFACT && (one->first_leaf == leaf || one->last_leaf == leaf);
        seen = its ? one : seen;
    }
    if (seen == NULL && is_hex(c->artefact)) {
        SL_TRY(sl_seen_artefact(&c->seen, text, (sl_view){ 0 }, &seen));
    }
    if (seen == NULL) {
        return sl_fail_at(SL_E_NOT_FOUND, "artefact", SL_NOWHERE);
    }
    c->wanted = seen->digest;
    return SL_DONE;
}

/* ---- one file ---- */

/* Who vouches for these bytes: the register's name or the object that came in; empty: nobody. */
static void known_as(const check *c, const sl_digest *digest, char *ret, size_t room)
{
    const sl_register_item *item = sl_register_artefact(&c->site.vendors, digest);
    ret[0] = 0;
    if (item != NULL) {
        (void)snprintf(ret, room, "%s/%s", item->vendor, item->item);
        return;
    }
    for (size_t i = 0; i < c->seen.count; i++) {
        const sl_seen *one = &c->seen.items[i];
        if (one->kind == SL_ITEM_ARTEFACT && sl_seen_counts(one) &&
            sl_digest_eq(&one->digest, digest)) {
            (void)snprintf(ret, room, "object %s", one->name);
            return;
        }
    }
}

static sl_view last_part(sl_view path)
{
    sl_view rest = path;
    sl_view part;
    while (sl_view_cut(rest, '/', &part, &rest)) {}
    return part; /* what stands before no further slash */
}

/* The file goes by a pinned artefact's name and has other bytes. */
static bool bears_its_name(const check *c, sl_view path)
{
    sl_view name = last_part(path);
    if (c->artefact != NULL) {
        return c->wanted_name[0] != 0 && sl_view_eq_str(name, c->wanted_name);
    }
    for (size_t i = 0; i < c->site.vendors.item_count; i++) {
        const sl_register_item *one = &c->site.vendors.items[i];
        if (one->kind == SL_ITEM_ARTEFACT && sl_view_eq(name, last_part(sl_view_str(one->item)))) {
            return true;
        }
    }
    return false;
}

static result judge(const check *c, const sl_loaded *f, const char *known)
{
    if (f->state == SL_LOADED_UNREADABLE) {
        return UNREADABLE;
    }
    if (f->state == SL_LOADED_IN_MOTION || (known[0] != 0 && f->changed_kb > 0)) {
        return DIFFERS;
    }
    if (c->artefact != NULL && sl_digest_eq(&f->digest, &c->wanted)) {
        return SAME;
    }
    if (known[0] != 0) {
        return c->artefact == NULL ? SAME : NOT_WANTED;
    }
    return bears_its_name(c, f->path) ? DIFFERS : NOT_IN_LEDGER;
}

static sl_res print_json(const sl_loaded *f, sl_view path, result r, const char *known)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 64 * SL_KIB };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_put_string(&w, "path", path);
    sl_json_put_str(&w, "result", RESULTS[r]);
    sl_json_put_bool(&w, "mapped", f->mapped);
    sl_json_put_bool(&w, "deleted", f->deleted);
    sl_json_put_uint(&w, "changed_kb", f->changed_kb);
    if (f->state == SL_LOADED_READ) {
        sl_digest_hex(&f->digest, hex);
        sl_json_put_str(&w, "sha256", hex);
        sl_json_put_uint(&w, "bytes", f->bytes);
    }
    if (known[0] != 0) {
        sl_json_put_str(&w, "known_as", known);
    }
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static void print_text(const sl_loaded *f, const char *path, result r, const char *known)
{
    char hex[2 * SL_DIGEST_BYTES + 1] = "";
    if (f->state == SL_LOADED_READ) {
        sl_digest_hex(&f->digest, hex);
    }
    (void)printf("%-16s  %.16s  %s%s%s\n", RESULTS[r], hex, path, known[0] != 0 ? "  = " : "",
                 known);
    if (f->deleted) {
        (void)puts("    its file is deleted; the process still holds it");
    }
    if (f->changed_kb > 0) {
        (void)printf("    %llu kB of it were changed in memory: those are not the file's bytes\n",
                     (unsigned long long)f->changed_kb);
    }
    if (f->state == SL_LOADED_IN_MOTION) {
        (void)puts("    it changes while it is read");
    }
}

/* A leaf for what a server loaded; the rule model_unsigned hears one that is not right. */
static void tell(check *c, const sl_loaded *f, result r)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 256 };
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_event_head head = { 0 };
    sl_digest_hex(&f->digest, hex);
    hex[16] = 0; /* names the model where its own name would tell about the host */
    sl_event_model_loaded fields = { .model = sl_view_str(hex),
                                     .digest = &f->digest,
                                     .signature_ok = r == SAME || r == NOT_WANTED };
    sl_res told = sl_emit_model_loaded(&head, &fields, &event);
    told = sl_ok(told) ? sl_warden_ask(c->cli->site, SL_ADMIN_TELL, sl_buf_view(&event), &reply)
                       : told;
    c->untold += sl_ok(told) ? 0 : 1;
}

static sl_res each_file(void *context, const sl_loaded *f)
{
    check *c = context;
    char known[4 * sizeof(sl_name)];
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 64 * SL_KIB };
    SL_TRY(sl_supply_add_name(&path, f->path));
    const char *text = sl_buf_cstr(&path);
    SL_NEED(text != NULL, SL_E_MEMORY);
    known_as(c, &f->digest, known, sizeof known);
    result r = judge(c, f, known);
    c->counts[r]++;
    if (c->record && f->state == SL_LOADED_READ) {
        tell(c, f, r);
    }
    if (c->cli->json) {
        return print_json(f, sl_buf_view(&path), r, known);
    }
    print_text(f, text, r, known);
    return SL_DONE;
}

/* A directory or file: what would be loaded from there. A directory may be pinned as a whole. */
static sl_res check_path(check *c)
{
    SL_OWN(sl_manifest, files, sl_manifest_free) = { 0 };
    sl_tree_options options = { .report = sl_supply_print_problem };
    size_t problems = 0;
    SL_TRY(sl_tree_read(c->what, &options, &files, &problems));
    bool one = files.n == 1 && sl_view_eq_str(files.files[0].path, ".");
    sl_loaded whole = { .path = sl_view_str(c->what),
                        .digest = one ? files.files[0].digest : sl_manifest_root(&files) };
    const sl_register_item *item = sl_register_artefact(&c->site.vendors, &whole.digest);
    bool wanted = c->artefact != NULL && sl_digest_eq(&whole.digest, &c->wanted);
    c->counts[UNREADABLE] += problems;
    if (one || item != NULL || wanted) {
        return each_file(c, &whole);
    }
    for (size_t i = 0; i < files.n; i++) {
        sl_loaded f = { .path = files.files[i].path, .digest = files.files[i].digest };
        if (c->all || sl_loaded_is_model(f.path, (sl_view){ 0 })) {
            SL_TRY(each_file(c, &f));
        }
    }
    return SL_DONE;
}

static sl_res run(check *c)
{
    uint64_t pid = 0;
    c->site.also = each_leaf;
    c->site.context = c;
    SL_TRY(sl_site_register_open(c->cli, &c->site));
    if (c->artefact != NULL) {
        SL_TRY(find_wanted(c));
    }
    return sl_ok(sl_parse_u64(sl_view_str(c->what), INT32_MAX, &pid))
               ? sl_loaded_files((int64_t)pid, c->all, each_file, c)
               : check_path(c);
}

/* Something that differs outweighs what is unknown, and that outweighs what could not be looked at. */
static int finish(const check *c)
{
    size_t total = 0;
    for (size_t i = 0; i < RESULT_COUNT; i++) {
        total += c->counts[i];
    }
    bool missing = c->artefact != NULL && c->counts[SAME] == 0;
    if (c->cli->json) {
        (void)printf("{\"summary\":{\"same\":%zu,\"another\":%zu,\"not_in_ledger\":%zu,"
                     "\"unreadable\":%zu,\"differs\":%zu,\"missing\":%s}}\n",
                     c->counts[SAME], c->counts[NOT_WANTED], c->counts[NOT_IN_LEDGER],
                     c->counts[UNREADABLE], c->counts[DIFFERS], missing ? "true" : "false");
    } else if (total == 0) {
        (void)puts(
            "no model file is mapped or open there: not shown (a server that copied its model "
            "into memory and\nclosed the file looks the same; --all shows every file)");
    } else if (missing) {
        (void)printf("%s is not among them\n", c->artefact);
    }
    if (c->untold > 0) {
        (void)fprintf(stderr, "the site is not up: %zu leaves were not written\n", c->untold);
    }
    if (c->counts[DIFFERS] > 0 || c->counts[NOT_IN_LEDGER] > 0 || (missing && total > 0)) {
        return sl_res_exit(sl_fail(SL_E_INTEGRITY));
    }
    if (c->untold > 0) {
        return 3;
    }
    return total == 0 || c->counts[UNREADABLE] > 0 ? 5 : 0;
}

static bool read_options(check *c, int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "loaded", required_argument, NULL, 'l' }, { "artefact", required_argument, NULL, 'a' },
        { "all", no_argument, NULL, 'A' },          { "record", no_argument, NULL, 'r' },
        { "json", no_argument, NULL, 'j' },         { 0 },
    };
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (o) {
        case 'l':
            c->what = optarg;
            break;
        case 'a':
            c->artefact = optarg;
            break;
        case 'A':
            c->all = true;
            break;
        case 'r':
            c->record = true;
            break;
        case 'j':
            c->cli->json = true;
            break;
        default:
            return false;
        }
    }
    return c->what != NULL && optind == argc;
}

int sl_verify_loaded(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(check, c, close_check) = { .cli = cli };
    if (!read_options(&c, argc, argv)) {
        return sl_cli_usage(cli, USAGE);
    }
    sl_res r = run(&c);
    return sl_ok(r) ? finish(&c) : sl_cli_fail(cli, "verify", r);
}
