/* `stoplog attest KIND ABOUT`: what only a person can say, signed and recorded as evidence for the checks. Which kinds
 * there are and what each may say stands in src/vault/attestation.c. */
#include <fcntl.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "vault/attestation.h"

static const char USAGE[] =
    "attest list\n"
    "       stoplog attest KIND ABOUT [--says WORD] [--count N] [--digest HEX | --file PATH]\n"
    "                                 [--until TIME] [--key FILE]...";

static sl_res file_digest(const char *path, sl_digest *ret)
{
    SL_OWN(sl_hasher, hasher, sl_hasher_free) = { 0 };
    SL_OWN(int, fd, sl_fd_close) = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "file");
    }
    uint8_t part[16384];
    size_t got = sizeof part;
    uint64_t at = 0;
    for (sl_hasher_start(&hasher); got == sizeof part; at += got) {
        SL_TRY(sl_fd_pread(fd, part, sizeof part, at, &got));
        sl_hasher_add(&hasher, sl_view_of(part, got));
    }
    *ret = sl_hasher_end(&hasher);
    return SL_DONE;
}

/* Takes one option with its value; SL_E_USAGE for what is none. */
static sl_res take(sl_statement *s, const char *option, const char *value)
{
    if (strcmp(option, "--says") == 0) {
        return sl_name_set(s->says, sl_view_str(value));
    }
    if (strcmp(option, "--count") == 0) {
        SL_TRY(sl_parse_i64(sl_view_str(value), &s->count));
        SL_NEED(s->count >= 0, SL_E_RANGE);
        return SL_DONE;
    }
    if (strcmp(option, "--digest") == 0) {
        return sl_digest_parse(sl_view_str(value), &s->hash);
    }
    if (strcmp(option, "--file") == 0) {
        return file_digest(value, &s->hash);
    }
    if (strcmp(option, "--until") == 0) {
        return sl_until_parse(value, sl_clock_wall_ms(), &s->until_ms);
    }
    return sl_fail(SL_E_USAGE);
}

static sl_res list_one(const sl_cli *cli, const sl_attestation *a)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    if (cli->json) {
        sl_json_writer w;
        sl_json_writer_init(&w, &line);
        sl_json_object_begin(&w);
        sl_json_put_str(&w, "kind", a->kind);
        sl_json_put_str(&w, "about", a->about);
        sl_json_put_bool(&w, "quorum", a->quorum);
        sl_json_put_str(&w, "meaning", a->meaning);
        sl_json_object_end(&w);
        SL_TRY(sl_json_finish(&w));
        return sl_cli_line(sl_buf_view(&line));
    }
    SL_TRY(sl_buf_addf(&line, "%-19s %-10s", a->kind, a->about));
    if (a->says != NULL) {
        SL_TRY(sl_buf_addf(&line, " --says %s", a->words == NULL ? "NAME" : ""));
        for (size_t i = 0; a->words != NULL && a->words[i] != NULL; i++) {
            SL_TRY(sl_buf_addf(&line, "%s%s", i == 0 ? "" : "|", a->words[i]));
        }
    }
    SL_TRY(sl_buf_add_str(&line, a->count != NULL ? " [--count N]" : ""));
    SL_TRY(sl_buf_add_str(&line, a->digest != NULL ? " --digest HEX" : ""));
    SL_TRY(sl_buf_add_str(&line, a->until ? " --until TIME" : ""));
    SL_TRY(sl_buf_addf(&line, "\n    %s%s", a->meaning, a->quorum ? " (takes the quorum)" : ""));
    return sl_cli_line(sl_buf_view(&line));
}

static int list(const sl_cli *cli)
{
    sl_res r = SL_DONE;
    for (size_t i = 0; i < sl_attestations_count && sl_ok(r); i++) {
        r = list_one(cli, &sl_attestations[i]);
    }
    return sl_ok(r) ? 0 : sl_cli_fail(cli, "attest list", r);
}

int sl_cmd_attest(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_statement s = { .action = SL_ACTION_ATTEST };
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return list(cli);
    }
    if (argc < 3 || argv[1][0] == '-' || argv[2][0] == '-') {
        return sl_cli_usage(cli, USAGE);
    }
    sl_res r = sl_name_set(s.kind, sl_view_str(argv[1]));
    r = sl_ok(r) ? sl_name_set(s.about, sl_view_str(argv[2])) : r;
    for (int i = 3; i < argc && sl_ok(r); i++) {
        if (sl_admin_key_option(&admin, argc, argv, &i, &r)) {
            continue;
        }
        if (i + 1 == argc) {
            return sl_cli_usage(cli, USAGE);
        }
        r = take(&s, argv[i], argv[i + 1]);
        i++;
        if (sl_is(r, SL_E_USAGE)) {
            return sl_cli_usage(cli, USAGE);
        }
    }
    r = sl_ok(r) ? sl_attestation_check(&s) : r;
    return sl_ok(r) ? sl_admin_act(cli, &admin, &s) : sl_cli_fail(cli, "attest", r);
}
