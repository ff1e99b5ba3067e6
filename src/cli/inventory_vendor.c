/* `stoplog inventory vendor`: suppliers, what they supply, and what speaks for them. Each line of the
 * register is a statement that operators sign; reading it needs the ledger alone. */
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "cli/admin.h"
#include "cli/inventory.h"
#include "cli/site_register.h"
#include "cli/supply_print.h"
#include "crypto/ecdsa.h"

static const char USAGE[] =
    "inventory vendor add VENDOR --tier critical|high|medium|low\n"
    "                 --data none|public|internal|confidential|personal\n"
    "       stoplog inventory vendor artefact VENDOR NAME PATH [--signer KEY.pem] [--files]\n"
    "       stoplog inventory vendor template VENDOR NAME DIRECTORY\n"
    "       stoplog inventory vendor model|upstream|tool VENDOR NAME\n"
    "       stoplog inventory vendor data VENDOR COMPARTMENT\n"
    "       stoplog inventory vendor evidence VENDOR NAME --until T [--file DOCUMENT]\n"
    "       stoplog inventory vendor exception VENDOR NAME --owner OPERATOR --until T\n"
    "       stoplog inventory vendor review VENDOR keep|conditions|end\n"
    "       stoplog inventory vendor remove VENDOR [KIND NAME]\n"
    "       stoplog inventory vendor list | show VENDOR\n"
    "\n"
    "Changes are signed by operators ([--key FILE]..., or $STOPLOG_OPERATOR_KEY) and need the site to be\n"
    "up; list and show read the ledger and exit with 1 if something is past its end. NAME is what you\n"
    "call it (letters, digits and . _ - : / @); saying the same name again replaces what was said.\n"
    "--files pins every file of a directory too, as NAME/FILE, so that the ingest door and 'verify --loaded'\n"
    "know them one by one. KEY.pem: the signer's public key, or its SHA-256 in hex.\n"
    "T: 90d, 2027-03-31, 2027-03-31T12:00:00Z.\n";

enum { FILES_MAX = 256 };

typedef struct {
    sl_cli *cli;
    sl_admin admin;
    sl_statement s;
    const char *file; /* whose digest is told */
    bool files;       /* each file of a directory too */
    const char *words[4];
    int count;
} change;

static void close_change(change *c)
{
    sl_admin_close(&c->admin);
}

sl_res sl_inventory_digest(const char *path, sl_digest *ret)
{
    SL_OWN(sl_manifest, files, sl_manifest_free) = { 0 };
    sl_tree_options options = { .report = sl_supply_print_problem };
    size_t problems = 0;
    SL_TRY(sl_tree_read(path, &options, &files, &problems));
    if (problems > 0) {
        return sl_fail_at(SL_E_INTEGRITY, "files (named above)", problems);
    }
    bool one = files.n == 1 && sl_view_eq_str(files.files[0].path, ".");
    *ret = one ? files.files[0].digest : sl_manifest_root(&files);
    return SL_DONE;
}

/* As signatures hint at keys: SHA-256 of the PEM, from the key's file or in hex. */
static sl_res signer_of(const char *path, sl_digest *ret)
{
    if (strlen(path) == (size_t)2 * SL_DIGEST_BYTES &&
        sl_ok(sl_digest_parse(sl_view_str(path), ret))) {
        return SL_DONE;
    }
    SL_OWN(sl_buf, pem, sl_buf_free) = { .max = 64 * SL_KIB };
    SL_OWN(sl_ecdsa_key, key, sl_ecdsa_key_free) = { 0 };
    SL_TRY(sl_cli_read(path, &pem));
    SL_TRY(sl_ecdsa_public_parse(sl_buf_view(&pem), &key));
    return sl_ecdsa_hint(&key, ret);
}

/* ---- reading ---- */

static int print_register(sl_cli *cli, const char *vendor)
{
    SL_OWN(sl_site_register, site, sl_site_register_close) = { 0 };
    SL_OWN(sl_buf, lines, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_OWN(sl_buf, yaml, sl_buf_free) = { .max = 64 * SL_MIB };
    sl_view name = vendor == NULL ? (sl_view){ 0 } : sl_view_str(vendor);
    int64_t now_ms = sl_clock_wall_ms();
    size_t ended = 0;
    sl_res r = sl_site_register_open(cli, &site);
    if (sl_ok(r) && vendor != NULL && sl_register_vendor_find(&site.vendors, name) == NULL) {
        r = sl_fail_at(SL_E_NOT_FOUND, "vendor", SL_NOWHERE);
    }
    r = sl_ok(r) ? sl_register_write_json(&site.vendors, name, now_ms, &lines, &ended) : r;
    r = sl_ok(r) ? sl_register_write(&site.vendors, name, now_ms, &yaml) : r;
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "inventory vendor", r);
    }
    sl_view text = sl_buf_view(cli->json ? &lines : &yaml);
    (void)fwrite(text.p, 1, text.n, stdout);
    if (cli->json) {
        (void)printf("{\"summary\":{\"vendors\":%zu,\"items\":%zu,\"ended\":%zu}}\n",
                     site.vendors.vendor_count, site.vendors.item_count, ended);
    } else if (ended > 0) {
        (void)fprintf(stderr, "%zu past their end: renew them or strike them off\n", ended);
    }
    return ended > 0 ? 1 : 0;
}

/* ---- changing ---- */

static sl_res option(change *c, const char *name, const char *value)
{
    if (strcmp(name, "--tier") == 0) {
        return sl_name_set(c->s.tier, sl_view_str(value));
    }
    if (strcmp(name, "--data") == 0) {
        return sl_name_set(c->s.data_cap, sl_view_str(value));
    }
    if (strcmp(name, "--until") == 0) {
        return sl_until_parse(value, sl_clock_wall_ms(), &c->s.until_ms);
    }
    if (strcmp(name, "--owner") == 0) {
        return sl_name_set(c->s.operator_name, sl_view_str(value));
    }
    if (strcmp(name, "--signer") == 0) {
        return signer_of(value, &c->s.signer);
    }
    if (strcmp(name, "--file") == 0) {
        c->file = value;
        return SL_DONE;
    }
    return sl_fail_at(SL_E_USAGE, "option", SL_NOWHERE);
}

static sl_res read_words(change *c, int argc, char **argv)
{
    sl_res r = SL_DONE;
    for (int i = 2; i < argc; i++) {
        if (sl_admin_key_option(&c->admin, argc, argv, &i, &r)) {
            SL_TRY(r);
        } else if (strcmp(argv[i], "--files") == 0) {
            c->files = true;
        } else if (argv[i][0] == '-') {
            SL_NEED(i + 1 < argc, SL_E_USAGE);
            SL_TRY(option(c, argv[i], argv[i + 1]));
            i++;
        } else {
            SL_NEED(c->count < (int)SL_COUNT_OF(c->words), SL_E_USAGE);
            c->words[c->count++] = argv[i];
        }
    }
    return SL_DONE;
}

/* VENDOR NAME [PATH]: what the words mean depends on the kind. */
static sl_res fill_item(change *c, sl_item_kind kind)
{
    bool path = kind == SL_ITEM_ARTEFACT || kind == SL_ITEM_TEMPLATE;
    SL_NEED(c->count == (path ? 3 : 2) && (!c->files || kind == SL_ITEM_ARTEFACT), SL_E_USAGE);
    SL_TRY(sl_name_set(c->s.kind, sl_view_str(sl_item_kind_name(kind))));
    sl_res named = sl_item_set(c->s.item, sl_view_str(c->words[1]));
    if (!sl_ok(named)) {
        return sl_fail_at((sl_code)named.code, "name", SL_NOWHERE);
    }
    if (kind == SL_ITEM_DATA) {
        SL_TRY(sl_name_set(c->s.compartment, sl_view_str(c->words[1])));
    }
    if (kind == SL_ITEM_TEMPLATE) {
        bool found = false;
        SL_TRY(sl_inventory_template(c->words[2], &found, &c->s.hash));
        return found ? SL_DONE
                     : sl_fail_at(SL_E_NOT_FOUND,
                                  "chat template (chat_template.jinja, tokenizer_config.json)",
                                  SL_NOWHERE);
    }
    const char *file = path ? c->words[2] : c->file;
    return file == NULL ? SL_DONE : sl_inventory_digest(file, &c->s.hash);
}

static sl_res fill(change *c, const char *verb)
{
    SL_NEED(c->count > 0, SL_E_USAGE);
    SL_TRY(sl_name_set(c->s.vendor, sl_view_str(c->words[0])));
    sl_item_kind kind = sl_item_kind_by_name(sl_view_str(verb));
    if (strcmp(verb, "add") == 0) {
        SL_NEED(c->count == 1 && c->s.tier[0] != 0 && c->s.data_cap[0] != 0, SL_E_USAGE);
        c->s.action = SL_ACTION_VENDOR_ADD;
    } else if (strcmp(verb, "remove") == 0) {
        SL_NEED(c->count == 1 || c->count == 3, SL_E_USAGE);
        c->s.action = SL_ACTION_VENDOR_DROP;
        if (c->count == 3) {
            SL_TRY(sl_name_set(c->s.kind, sl_view_str(c->words[1])));
            SL_TRY(sl_item_set(c->s.item, sl_view_str(c->words[2])));
        }
    } else {
        SL_NEED(kind != SL_ITEM_KIND_COUNT, SL_E_USAGE);
        c->s.action = SL_ACTION_VENDOR_ITEM;
        SL_TRY(fill_item(c, kind));
    }
    return sl_register_check(&c->s);
}

/* Before a vendor goes, what was said of it goes piece by piece: each has checks of its own, which would
 * ask for it for ever. */
static int remove_items(change *c)
{
    SL_OWN(sl_site_register, site, sl_site_register_close) = { 0 };
    sl_res r = sl_site_register_open(c->cli, &site);
    if (!sl_ok(r)) {
        return sl_cli_fail(c->cli, "inventory vendor", r);
    }
    for (size_t i = 0; i < site.vendors.item_count; i++) {
        const sl_register_item *item = &site.vendors.items[i];
        if (strcmp(item->vendor, c->s.vendor) != 0) {
            continue;
        }
        sl_statement s = { .action = SL_ACTION_VENDOR_DROP };
        memcpy(s.vendor, c->s.vendor, sizeof s.vendor);
        memcpy(s.item, item->item, sizeof s.item);
        r = sl_name_set(s.kind, sl_view_str(sl_item_kind_name(item->kind)));
        int status = sl_ok(r) ? sl_admin_act(c->cli, &c->admin, &s)
                              : sl_cli_fail(c->cli, "inventory vendor", r);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

/* The files of a directory as artefacts of their own, VENDOR NAME/PATH: the ingest door and a running process
 * show files one by one. */
static int pin_files(change *c)
{
    SL_OWN(sl_manifest, files, sl_manifest_free) = { 0 };
    sl_tree_options options = { .report = sl_supply_print_problem };
    size_t problems = 0;
    sl_res r = sl_tree_read(c->words[2], &options, &files, &problems);
    if (sl_ok(r) && files.n > FILES_MAX) {
        r = sl_fail_at(SL_E_LIMIT, "--files", FILES_MAX);
    }
    bool single = files.n == 1 && sl_view_eq_str(files.files[0].path, "."); /* pinned already */
    for (size_t i = single ? 1 : 0; sl_ok(r) && i < files.n; i++) {
        SL_OWN(sl_buf, name, sl_buf_free) = { .max = 8192 };
        sl_statement s = c->s;
        s.hash = files.files[i].digest;
        r = sl_buf_addf(&name, "%s/%.*s", c->words[1], SL_FMT(files.files[i].path));
        r = sl_ok(r) ? sl_item_set(s.item, sl_buf_view(&name)) : r;
        r = sl_ok(r) ? sl_register_check(&s) : r;
        if (!sl_ok(r)) {
            (void)fprintf(stderr,
                          "%.*s: its name does not fit the register; give it one by itself\n",
                          SL_FMT(files.files[i].path));
            r = sl_is(r, SL_E_MEMORY) ? r : SL_DONE;
            continue;
        }
        int status = sl_admin_act(c->cli, &c->admin, &s);
        if (status != 0) {
            return status;
        }
    }
    return sl_ok(r) ? 0 : sl_cli_fail(c->cli, "inventory vendor", r);
}

static int run_change(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(change, c, close_change) = { .cli = cli };
    sl_res r = read_words(&c, argc, argv);
    r = sl_ok(r) ? fill(&c, argv[1]) : r;
    if (sl_is(r, SL_E_USAGE)) {
        return sl_cli_usage(cli, USAGE);
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "inventory vendor", r);
    }
    if (c.s.action == SL_ACTION_VENDOR_DROP && c.s.kind[0] == 0) {
        int status = remove_items(&c);
        if (status != 0) {
            return status;
        }
    }
    int status = sl_admin_act(cli, &c.admin, &c.s);
    return status == 0 && c.files ? pin_files(&c) : status;
}

int sl_inventory_vendor(sl_cli *cli, int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (argc > 2 && strcmp(argv[argc - 1], "--json") == 0) {
        cli->json = true;
        argc--;
    }
    if (strcmp(verb, "list") == 0 && argc == 2) {
        return print_register(cli, NULL);
    }
    if (strcmp(verb, "show") == 0 && argc == 3) {
        return print_register(cli, argv[2]);
    }
    return argc > 2 ? run_change(cli, argc, argv) : sl_cli_usage(cli, USAGE);
}
