/* stoplog init: makes a site and prints what an auditor writes down. Arguments and printing only. */
#include <string.h>

#include "base/file.h"
#include "cli/admin.h"
#include "host/init.h"

#define USAGE                                                                                      \
    "init [DIR] --operator [NAME=]PUBKEY... [--quorum N] [--delay SECONDS] [--origin TEXT] "       \
    "[--passphrase-file FILE] "                                                                    \
    "[--kms pkcs11 --pkcs11-module FILE --pkcs11-token LABEL --pin-file FILE]"

/* A key as text, or the file that holds it. */
static sl_res parse_key(sl_view text, sl_public_key *ret)
{
    sl_res parsed = sl_public_key_parse(text, ret);
    if (sl_ok(parsed)) {
        return parsed;
    }
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 4096 };
    SL_OWN(sl_buf, content, sl_buf_free) = { .max = 16384 };
    SL_TRY(sl_buf_add(&path, text));
    const char *name = sl_buf_cstr(&path);
    SL_NEED(name != NULL, SL_E_MEMORY);
    if (!sl_ok(sl_file_read(-100, name, &content))) {
        return sl_fail_at(SL_E_SYNTAX, "operator's public key", SL_NOWHERE);
    }
    return sl_public_key_parse(sl_buf_view(&content), ret);
}

static sl_res add_operator(sl_genesis_roll *genesis, const char *argument)
{
    SL_NEED(genesis->operators_count < SL_ROLL_OPERATORS_MAX, SL_E_LIMIT);
    sl_operator *op = &genesis->operators[genesis->operators_count];
    *op = (sl_operator){ .roles = SL_ROLE_ALL };
    sl_view name;
    sl_view key;
    sl_view all = sl_view_str(argument);
    /* Base64 may end in "=", so a name is what stands before one and is a name. */
    if (sl_view_cut(all, '=', &name, &key) && key.n > 1 && sl_name_ok(name)) {
        SL_TRY(sl_name_set(op->person, name));
    } else {
        key = all;
        (void)snprintf(op->person, sizeof op->person, "operator-%zu", genesis->operators_count + 1);
    }
    SL_TRY(parse_key(key, &op->key));
    genesis->operators_count++;
    return SL_DONE;
}

static sl_res parse_number(const char *text, uint64_t max, int64_t *ret)
{
    uint64_t value = 0;
    SL_TRY(sl_parse_u64(sl_view_str(text), max, &value));
    *ret = (int64_t)value;
    return SL_DONE;
}

static sl_res parse(int argc, char **argv, sl_init_options *o, sl_buf *passphrase, sl_buf *pin,
                    bool *ret_usage)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--operator") == 0 && more) {
            SL_TRY(add_operator(&o->genesis, argv[++i]));
        } else if (strcmp(argv[i], "--quorum") == 0 && more) {
            SL_TRY(parse_number(argv[++i], SL_ROLL_OPERATORS_MAX, &o->genesis.quorum));
        } else if (strcmp(argv[i], "--delay") == 0 && more) {
            SL_TRY(parse_number(argv[++i], 366 * 86400, &o->genesis.delay_ms));
            o->genesis.delay_ms *= 1000;
        } else if (strcmp(argv[i], "--origin") == 0 && more) {
            o->origin = argv[++i];
        } else if (strcmp(argv[i], "--kms") == 0 && more) {
            o->kms = argv[++i];
        } else if (strcmp(argv[i], "--passphrase-file") == 0 && more) {
            SL_TRY(sl_passphrase_read(argv[++i], passphrase));
            o->passphrase = sl_buf_view(passphrase);
        } else if (strcmp(argv[i], "--pin-file") == 0 && more) {
            SL_TRY(sl_passphrase_read(argv[++i], pin));
            o->pin = sl_buf_view(pin);
        } else if (strcmp(argv[i], "--pkcs11-module") == 0 && more) {
            o->module = argv[++i];
        } else if (strcmp(argv[i], "--pkcs11-token") == 0 && more) {
            o->token = argv[++i];
        } else if (argv[i][0] != '-') {
            o->directory = argv[i];
        } else {
            *ret_usage = true;
            return SL_DONE;
        }
    }
    return SL_DONE;
}

static sl_res print(const sl_cli *cli, const sl_init_options *o, const sl_init_report *r)
{
    char hash[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&r->genesis, hash);
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 8192 };
    if (!cli->json) {
        SL_TRY(sl_buf_addf(&line,
                           "site      %s\ndirectory %s\noperators %zu (quorum %lld)\n"
                           "ledger    %s\ngenesis   %s\n"
                           "Write the last line down somewhere else: it proves later that this "
                           "ledger is the one begun today.",
                           r->site, o->directory, o->genesis.operators_count,
                           (long long)o->genesis.quorum, r->vkey, hash));
        return sl_cli_line(sl_buf_view(&line));
    }
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_key(&w, "summary");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "site", r->site);
    sl_json_put_str(&w, "directory", o->directory);
    sl_json_put_str(&w, "origin", r->origin);
    sl_json_put_str(&w, "vkey", r->vkey);
    sl_json_put_str(&w, "genesis", hash);
    sl_json_put_uint(&w, "operators", o->genesis.operators_count);
    sl_json_put_int(&w, "quorum", o->genesis.quorum);
    sl_json_object_end(&w);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

int sl_cmd_init(sl_cli *cli, int argc, char **argv)
{
    static sl_init_options o; /* large */
    o = (sl_init_options){ .directory = cli->site, .kms = "file" };
    o.genesis.delay_ms = INT64_C(86400000);
    bool usage = false;
    SL_OWN(sl_buf, passphrase, sl_passphrase_free) = { .max = SL_UNLOCK_BYTES_MAX };
    SL_OWN(sl_buf, pin, sl_passphrase_free) = { .max = 256 };
    sl_res done = parse(argc, argv, &o, &passphrase, &pin, &usage);
    if (usage || (sl_ok(done) && o.genesis.operators_count == 0)) {
        return sl_cli_usage(cli, USAGE);
    }
    if (o.genesis.quorum == 0) {
        o.genesis.quorum = o.genesis.operators_count > 1 ? 2 : 1;
    }
    static sl_init_report report;
    if (sl_ok(done)) {
        done = sl_site_init(&o, &report);
    }
    if (sl_ok(done)) {
        done = print(cli, &o, &report);
    }
    if (sl_ok(done) && o.passphrase.n == 0) {
        (void)fprintf(stderr, "The vault opens by a key file on the same disk (state/keeper/key): "
                              "fit for a demo, not for\npatients' data. Give --passphrase-file "
                              "for a vault that only its passphrase opens.\n");
    }
    return sl_ok(done) ? 0 : sl_cli_fail(cli, "cannot make the site", done);
}
