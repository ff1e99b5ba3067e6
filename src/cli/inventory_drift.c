/* `stoplog inventory check --register`: is an artefact on the disk still what the vendor register says: its
 * bytes, who signed it, its chat template? */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "cli/inventory.h"
#include "cli/site_register.h"
#include "cli/supply_print.h"
#include "ledger/events.gen.h"
#include "respond/admin.h"
#include "supply/template.h"
#include "supply/verify.h"

#define USAGE                                                                                      \
    "inventory check --register PATH [--as VENDOR/NAME] [--key PUBLIC.pem] [--signature FILE]\n"   \
    "                                  [--quiet] [--json]"

enum { DRIFTS_MAX = 4 };

typedef struct {
    sl_cli *cli;
    const char *path;
    const char *as;
    const char *key;
    const char *signature; /* NULL: PATH.sig */
    bool quiet;            /* no leaf */
    sl_site_register site;
    const sl_register_item *item; /* NULL: nobody registered it */
    sl_digest digest;
    bool signature_ok;
    const char *drifts[DRIFTS_MAX]; /* words for what is not as registered */
    size_t drift_count;
} check;

static void close_check(check *c)
{
    sl_site_register_close(&c->site);
}

static bool given(const sl_digest *d)
{
    static const sl_digest none = { 0 };
    return !sl_digest_eq(d, &none);
}

static void drifted(check *c, const char *word)
{
    if (c->drift_count < DRIFTS_MAX) {
        c->drifts[c->drift_count++] = word;
    }
}

/* ---- chat template ---- */

static sl_res read_in(const char *directory, const char *name, sl_buf *out)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 16384 };
    SL_TRY(sl_buf_addf(&path, "%s/%s", directory, name));
    const char *text = sl_buf_cstr(&path);
    SL_NEED(text != NULL, SL_E_MEMORY);
    return sl_file_read(AT_FDCWD, text, out);
}

/* A template of its own goes before the tokenizer's, as with the libraries that load them. */
sl_res sl_inventory_template(const char *path, bool *ret_found, sl_digest *ret)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 32 * SL_MIB };
    sl_res r = read_in(path, "chat_template.jinja", &text);
    if (sl_ok(r)) {
        *ret = sl_sha256(sl_buf_view(&text));
        *ret_found = true;
        return SL_DONE;
    }
    sl_buf_clear(&text);
    r = read_in(path, "tokenizer_config.json", &text);
    *ret_found = false;
    return sl_ok(r) ? sl_template_digest(sl_buf_view(&text), ret_found, ret) : SL_DONE;
}

static sl_res check_template(check *c)
{
    bool found = false;
    sl_digest now = { 0 };
    const sl_register_item *item =
        sl_register_item_find(&c->site.vendors, sl_view_str(c->item->vendor), SL_ITEM_TEMPLATE,
                              sl_view_str(c->item->item));
    if (item == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_inventory_template(c->path, &found, &now));
    if (!found || !sl_digest_eq(&now, &item->hash)) {
        drifted(c, found ? "template changed" : "template gone");
    }
    return SL_DONE;
}

/* ---- signature ---- */

static sl_res verify_with(const check *c, sl_view bundle_text, const sl_supply_paths *paths,
                          sl_verified *ret_who, bool *ret_whole)
{
    static sl_signers signers; /* large */
    SL_OWN(sl_buf, pem, sl_buf_free) = { .max = 64 * SL_KIB };
    SL_OWN(sl_oms_bundle, bundle, sl_oms_bundle_free) = { 0 };
    SL_OWN(sl_oms_statement, statement, sl_oms_statement_free) = { 0 };
    SL_OWN(sl_manifest, tree, sl_manifest_free) = { 0 };
    const sl_certs none = { 0 };
    size_t problems = 0;
    sl_tree_options options = { .skip = paths->skip, .skip_count = paths->skip_count };
    sl_verify_trust trust = { .signers = &signers,
                              .roots = &none,
                              .timestamp_roots = &none,
                              .now_s = sl_clock_wall_ms() / 1000 };
    SL_TRY(sl_cli_read(c->key, &pem));
    SL_TRY(sl_signers_add_key(&signers, c->key, sl_buf_view(&pem)));
    SL_TRY(sl_oms_bundle_read(bundle_text, &bundle));
    sl_res r = sl_verify_bundle(&bundle, &trust, ret_who);
    sl_signers_free(&signers);
    SL_TRY(r);
    SL_TRY(sl_oms_statement_read(sl_buf_view(&bundle.payload), &statement));
    SL_TRY(sl_tree_read(c->path, &options, &tree, &problems));
    *ret_whole = problems == 0 && sl_oms_compare(&statement.files, &tree, NULL, NULL) == 0;
    return SL_DONE;
}

/* The key that is given decides who signed: what a bundle hints at is its maker's word. */
static sl_res check_signature(check *c)
{
    SL_OWN(sl_supply_paths, paths, sl_supply_paths_free) = { 0 };
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_OMS_BUNDLE_BYTES_MAX };
    sl_verified who = { 0 };
    bool whole = false;
    bool pinned = c->item != NULL && given(&c->item->signer);
    SL_TRY(sl_supply_paths_make(c->path, c->signature, false, &paths));
    sl_res r = sl_file_read(AT_FDCWD, paths.signature, &text);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        if (pinned || c->item == NULL) {
            drifted(c, "unsigned");
        }
        return SL_DONE;
    }
    SL_TRY(r);
    if (c->key == NULL) {
        if (!c->cli->json) {
            (void)fprintf(stderr, "its signature was not checked: give the signer's key (--key)\n");
        }
        return SL_DONE;
    }
    r = verify_with(c, sl_buf_view(&text), &paths, &who, &whole);
    if (sl_is(r, SL_E_SIGNER) || sl_is(r, SL_E_SIGNATURE)) {
        drifted(c, sl_is(r, SL_E_SIGNER) ? "signed by another" : "signature wrong");
        return SL_DONE;
    }
    SL_TRY(r);
    bool same = !pinned || sl_digest_eq(&who.id, &c->item->signer);
    if (!same) {
        drifted(c, "signer changed");
    }
    c->signature_ok = whole && same;
    return SL_DONE;
}

/* ---- the whole ---- */

static sl_view last_part(const char *path)
{
    sl_view rest = sl_view_str(path);
    sl_view part;
    while (rest.n > 1 && rest.p[rest.n - 1] == '/') {
        rest.n--;
    }
    while (sl_view_cut(rest, '/', &part, &rest)) {}
    return part;
}

static sl_res find_item(check *c)
{
    sl_view vendor;
    sl_view name;
    if (c->as == NULL) {
        c->item = sl_register_item_any(&c->site.vendors, SL_ITEM_ARTEFACT, last_part(c->path));
        c->item = c->item != NULL ? c->item : sl_register_artefact(&c->site.vendors, &c->digest);
        return SL_DONE;
    }
    if (sl_view_cut(sl_view_str(c->as), '/', &vendor, &name)) {
        c->item = sl_register_item_find(&c->site.vendors, vendor, SL_ITEM_ARTEFACT, name);
    }
    return c->item != NULL ? SL_DONE : sl_fail_at(SL_E_NOT_FOUND, "--as VENDOR/NAME", SL_NOWHERE);
}

static sl_res look(check *c)
{
    SL_TRY(sl_site_register_open(c->cli, &c->site));
    SL_TRY(sl_inventory_digest(c->path, &c->digest));
    SL_TRY(find_item(c));
    if (c->item == NULL) {
        drifted(c, "not registered");
    } else {
        if (!sl_digest_eq(&c->digest, &c->item->hash)) {
            drifted(c, "bytes changed");
        }
        SL_TRY(check_template(c));
    }
    return check_signature(c);
}

/* "VENDOR/NAME"; of what nobody registered the first digits of its digest. */
static void name_of(const check *c, char *ret, size_t room)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&c->digest, hex);
    if (c->item != NULL) {
        (void)snprintf(ret, room, "%s/%s", c->item->vendor, c->item->item);
    } else {
        (void)snprintf(ret, room, "%.16s", hex);
    }
}

static sl_res tell(const check *c, const char *name)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 256 };
    sl_event_head head = { 0 };
    sl_event_vendor_checked fields = { .artefact = sl_view_str(name),
                                       .pinned = c->item != NULL,
                                       .signature_ok = c->signature_ok,
                                       .drift = c->drift_count > 0 };
    SL_TRY(sl_emit_vendor_checked(&head, &fields, &event));
    return sl_warden_ask(c->cli->site, SL_ADMIN_TELL, sl_buf_view(&event), &reply);
}

static sl_res print(const check *c, const char *name)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 8192 };
    if (!c->cli->json) {
        (void)printf("%s: %s\n", name, c->drift_count == 0 ? "as registered" : "drift");
        for (size_t i = 0; i < c->drift_count; i++) {
            (void)printf("  %s\n", c->drifts[i]);
        }
        (void)printf("  %s\n", c->signature_ok ? "signed by the registered signer"
                                               : "no signature that could be checked");
        return SL_DONE;
    }
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_key(&w, "summary");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "artefact", name);
    sl_json_put_bool(&w, "pinned", c->item != NULL);
    sl_json_put_bool(&w, "signature_ok", c->signature_ok);
    sl_json_key(&w, "drift");
    sl_json_array_begin(&w);
    for (size_t i = 0; i < c->drift_count; i++) {
        sl_json_string(&w, sl_view_str(c->drifts[i]));
    }
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static bool read_options(check *c, int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "register", required_argument, NULL, 'r' },
        { "as", required_argument, NULL, 'a' },
        { "key", required_argument, NULL, 'k' },
        { "quiet", no_argument, NULL, 'q' },
        { "signature", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { 0 },
    };
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (o) {
        case 'r':
            c->path = optarg;
            break;
        case 'a':
            c->as = optarg;
            break;
        case 'k':
            c->key = optarg;
            break;
        case 's':
            c->signature = optarg;
            break;
        case 'q':
            c->quiet = true;
            break;
        case 'j':
            c->cli->json = true;
            break;
        default:
            return false;
        }
    }
    return c->path != NULL && optind == argc;
}

int sl_inventory_drift(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(check, c, close_check) = { .cli = cli };
    char name[2 * sizeof(sl_name)];
    if (!read_options(&c, argc, argv)) {
        return sl_cli_usage(cli, USAGE);
    }
    sl_res r = look(&c);
    if (sl_ok(r)) {
        name_of(&c, name, sizeof name);
        r = print(&c, name);
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "inventory check", r);
    }
    if (!c.quiet && !sl_ok(tell(&c, name)) && !cli->json) {
        (void)fputs("the site is not up: this comparison is in no leaf\n", stderr);
    }
    return c.drift_count > 0 ? 1 : 0;
}
