/* `stoplog inventory bom|check|update`: what a model and its surroundings are made of, and which
 * advisories speak of it. Stands alone, without a site and without a network. */
#include <fcntl.h>
#include <fts.h>
#include <getopt.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"
#include "cli/inventory.h"
#include "cli/supply_print.h"
#include "ledger/events.gen.h"
#include "respond/admin.h"
#include "supply/bom.h"
#include "supply/cvss.h"
#include "supply/feed.h"
#include "supply/lockfile.h"
#include "supply/tree.h"

static const char USAGE[] =
    "inventory bom MODEL [--name NAME] [-o FILE] [--feed FILE]\n"
    "       stoplog inventory check PATH... [--feed FILE] [--record NAME --exploited FILE] [--json]\n"
    "       stoplog inventory check --register PATH [--as VENDOR/NAME] [--key PUBLIC.pem]\n"
    "       stoplog inventory update --from DIR [--feed FILE]\n"
    "       stoplog inventory vendor ... (see 'inventory vendor --help')\n"
    "       stoplog inventory list | held | diff\n"
    "       stoplog inventory admit DIGEST COMPARTMENT --until T [--reason WORD] [--key FILE]...\n"
    "       stoplog inventory withdraw DIGEST COMPARTMENT [--key FILE]...\n"
    "\n"
    "bom     writes a bill of materials of a model directory (CycloneDX 1.6, with a model card)\n"
    "check   reads files of dependencies and bills of materials (requirements, poetry, uv, pdm, Pipenv,\n"
    "        npm, conda, renv, CycloneDX; a directory is searched) and names known vulnerabilities and\n"
    "        what is not pinned; exit status 1 when there is a vulnerability\n"
    "        With --record: the answer about NAME becomes a leaf, for the check vendor.vulns; --exploited is\n"
    "        CISA's list of exploited vulnerabilities (JSON), carried in\n"
    "        With --register: is this artefact still what the vendor register says (bytes, signer, chat\n"
    "        template)? Exit status 1 when it is not; the answer becomes a leaf when the site is up\n"
    "update  makes the feed of advisories from OSV files that were carried in\n"
    "vendor  suppliers: what they supply, what speaks for them, and until when\n"
    "list    artefacts that came to the ingest door: digest, format, what the scan said, whose they are\n"
    "held    those that wait for a person; admit lets these bytes into one compartment for a time (at\n"
    "        most 30 days; operators sign, as many as the site's quorum), withdraw takes that back\n"
    "diff    what was seen at the doors (artefacts, models, servers, tools) and is in no vendor's\n"
    "        register: the shadow list; exit status 1 when there is something\n"
    "  --feed FILE  the feed, instead of advisories.jsonl in the site's directory\n"
    "  --from DIR   OSV records: *.json, or *.jsonl with one a line\n"
    "  --name NAME  of the model, instead of its directory's\n"
    "  -o FILE      instead of standard output\n";

#define DAY_MS ((int64_t)86400000)
#define FEED_OLD_DAYS 7

typedef struct {
    sl_cli *cli;
    const char *feed; /* as given, or NULL */
    const char *from;
    const char *name;
    const char *output;
    const char *record;    /* name of the component that a leaf is written about, or NULL */
    const char *exploited; /* CISA's list of exploited flaws */
    sl_json_doc exploited_doc;
    sl_buf exploited_text;
    size_t open_exploited;
    size_t open_critical;
    int64_t oldest_days; /* of what is critical or exploited */
    sl_buf feed_path;
    sl_packages packages;
    sl_buf vulnerabilities; /* CycloneDX's form, comma between */
    size_t files;
    size_t incomplete; /* files that could not be read to their end */
    size_t affected;
    size_t unknown;
    size_t loose; /* packages with flags */
} inventory;

static sl_res feed_path(inventory *in, const char **ret)
{
    in->feed_path.max = 8192;
    in->feed_path.n = 0;
    SL_TRY(in->feed != NULL ? sl_buf_add_str(&in->feed_path, in->feed)
                            : sl_buf_addf(&in->feed_path, "%s/advisories.jsonl", in->cli->site));
    *ret = sl_buf_cstr(&in->feed_path);
    return *ret != NULL ? SL_DONE : sl_fail(SL_E_MEMORY);
}

/* A text from a file, for people; NULL when memory is out. The buffer keeps it. */
static const char *clean(sl_buf *buf, sl_view text)
{
    buf->n = 0;
    return sl_ok(sl_supply_add_name(buf, text)) ? sl_buf_cstr(buf) : NULL;
}

typedef struct {
    inventory *in;
    const char *path;
} source;

static void note(void *context, sl_lockfile_note kind, sl_view text, size_t line)
{
    const source *s = context;
    static const char *const WORDS[] = { "names another file; check it too:",
                                         "takes packages from another index:",
                                         "cannot be told apart as a package:" };
    SL_OWN(sl_buf, buf, sl_buf_free) = { .max = 64 * SL_KIB };
    const char *shown = clean(&buf, sl_view_sub(text, 0, 200));
    if (!s->in->cli->json) {
        fprintf(stderr, "%s:%zu: %s %s\n", s->path, line, WORDS[kind], shown != NULL ? shown : "?");
    }
}

static sl_res read_dependencies(inventory *in, const char *path, bool named)
{
    SL_OWN(sl_buf, content, sl_buf_free) = { .max = SL_LOCKFILE_BYTES_MAX };
    const char *slash = strrchr(path, '/');
    sl_view name = sl_view_str(slash != NULL ? slash + 1 : path);
    source s = { in, path };
    bool candidate = named || sl_lockfile_detect(name, (sl_view){ 0 }) != SL_LOCKFILE_NONE ||
                     sl_view_ends(name, SL_LIT(".txt"));
    if (!candidate) {
        return SL_DONE;
    }
    sl_res r = sl_cli_read(path, &content);
    sl_lockfile_kind kind = sl_lockfile_detect(name, sl_buf_view(&content));
    if (sl_ok(r) && kind == SL_LOCKFILE_NONE && !named) {
        return SL_DONE;
    }
    in->files++;
    r = sl_ok(r) ? sl_lockfile_read(kind, sl_buf_view(&content), &in->packages, note, &s) : r;
    if (!sl_ok(r)) {
        in->incomplete++;
        fprintf(stderr, "%s: ", path);
        (void)sl_cli_fail(&(sl_cli){ .command = in->cli->command }, "not read to its end", r);
    }
    return SL_DONE;
}

/* A file by its own name, or every file of a directory whose name tells what it is. */
static sl_res gather(inventory *in, const char *path)
{
    char *copy = strdup(path);
    SL_NEED(copy != NULL, SL_E_MEMORY);
    char *const roots[] = { copy, NULL };
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    sl_res r = tree != NULL ? SL_DONE : sl_fail_os(SL_E_IO, "path");
    for (FTSENT *e; sl_ok(r) && tree != NULL && (e = fts_read(tree)) != NULL;) {
        if (e->fts_info == FTS_F) {
            r = read_dependencies(in, e->fts_path, e->fts_level == FTS_ROOTLEVEL);
        } else if (e->fts_info == FTS_NS || e->fts_info == FTS_DNR) {
            r = e->fts_level == FTS_ROOTLEVEL ? sl_fail_at(SL_E_NOT_FOUND, "path", SL_NOWHERE) : r;
            in->incomplete++;
            fprintf(stderr, "%s: cannot be read\n", e->fts_path);
        }
    }
    if (tree != NULL) {
        (void)fts_close(tree);
    }
    free(copy);
    return r;
}

static sl_res put_finding(const sl_package *p, const sl_advisory *a)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = SL_MIB };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "ecosystem", sl_ecosystem_name(p->ecosystem));
    sl_json_put_string(&w, "package", p->name);
    sl_json_put_string(&w, "version", p->version);
    sl_json_put_string(&w, "advisory", a->id);
    sl_json_put_string(&w, "alias", a->alias);
    sl_json_put_string(&w, "severity", a->severity);
    sl_json_put_string(&w, "fixed", a->fixed);
    sl_json_put_bool(&w, "unknown", a->unknown);
    sl_json_put_string(&w, "summary", a->summary);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static void say_finding(const sl_package *p, const sl_advisory *a)
{
    SL_OWN(sl_buf, buf, sl_buf_free) = { .max = 64 * SL_KIB };
    printf("%.*s %.*s  %.*s%s%.*s  ", SL_FMT(p->name), p->version.n > 0 ? (int)p->version.n : 12,
           p->version.n > 0 ? (const char *)p->version.p : "(not pinned)", SL_FMT(a->id),
           a->alias.n > 0 ? ", " : "", SL_FMT(a->alias));
    if (a->unknown) {
        printf("may be affected: its version cannot be compared\n");
    } else if (a->fixed.n > 0) {
        printf("fixed in %.*s\n", SL_FMT(a->fixed));
    } else {
        printf("no fixed version is named\n");
    }
    const char *summary = clean(&buf, sl_view_sub(a->summary, 0, 160));
    if (summary != NULL && summary[0] != 0) {
        printf("    %s\n", summary);
    }
}

/* Days since a time of the form of RFC 3339; what does not tell its time is taken for a year old. */
static int64_t days_since(sl_view time)
{
    char text[40] = "";
    struct tm t = { 0 };
    if (time.n != 0 && time.n < sizeof text) {
        memcpy(text, time.p, time.n);
    }
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &t);
    return end == NULL ? 365 : (sl_clock_wall_ms() - (int64_t)timegm(&t) * 1000) / DAY_MS;
}

static bool is_exploited(const inventory *in, const sl_advisory *a)
{
    if (in->exploited == NULL) {
        return false;
    }
    sl_json_iter it = { 0 };
    const sl_json_node *list =
        sl_json_get(&in->exploited_doc, sl_json_root(&in->exploited_doc), "vulnerabilities");
    while (sl_json_each(&in->exploited_doc, list, &it)) {
        const sl_json_node *id =
            sl_json_get_kind(&in->exploited_doc, it.value, "cveID", SL_JSON_STRING);
        if (id != NULL && (sl_view_eq(id->raw, a->alias) || sl_view_eq(id->raw, a->id))) {
            return true;
        }
    }
    return false;
}

/* What the leaf counts. A flaw whose severity nobody tells in a form that we read counts as critical, and
 * one that may apply as one that does: unknown is not green. */
static void weigh(inventory *in, const sl_advisory *a)
{
    int tenths = sl_severity_tenths(a->severity);
    bool exploited = is_exploited(in, a);
    bool critical = tenths < 0 || tenths >= 90;
    in->open_exploited += exploited;
    in->open_critical += critical;
    if (exploited || critical) {
        int64_t days = days_since(a->published);
        in->oldest_days = days > in->oldest_days ? days : in->oldest_days;
    }
}

static sl_res found(void *context, const sl_package *p, const sl_advisory *a)
{
    inventory *in = context;
    weigh(in, a);
    in->affected += !a->unknown;
    in->unknown += a->unknown;
    if (in->cli->json) {
        return put_finding(p, a);
    }
    say_finding(p, a);
    return SL_DONE;
}

static void say_loose(inventory *in)
{
    SL_OWN(sl_buf, flags, sl_buf_free) = { .max = 1024 };
    for (size_t i = 0; i < in->packages.n; i++) {
        const sl_package *p = &in->packages.items[i];
        uint32_t open =
            p->flags & (SL_PACKAGE_UNPINNED | SL_PACKAGE_DIRECT_URL | SL_PACKAGE_OTHER_INDEX);
        in->loose += open != 0;
        flags.n = 0;
        if (open != 0 && !in->cli->json && sl_ok(sl_package_flags_add(&flags, open))) {
            const char *text = sl_buf_cstr(&flags);
            printf("%.*s %.*s  %s\n", SL_FMT(p->name), SL_FMT(p->version),
                   text != NULL ? text : "");
        }
    }
}

static sl_res say_summary(const inventory *in, const sl_feed_state *feed, int64_t age_days)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    if (!in->cli->json) {
        printf(
            "%zu packages of %zu files: %zu advisories apply, %zu may, %zu packages are not fixed\n",
            in->packages.n, in->files, in->affected, in->unknown, in->loose);
        printf("feed: %llu advisories, the newest %lld days old%s\n",
               (unsigned long long)feed->records, (long long)age_days,
               age_days > FEED_OLD_DAYS ? ": carry in a newer one ('inventory update')" : "");
        return SL_DONE;
    }
    SL_TRY(sl_buf_addf(&line,
                       "{\"summary\":{\"packages\":%zu,\"files\":%zu,\"incomplete\":%zu,"
                       "\"affected\":%zu,\"unknown\":%zu,\"loose\":%zu,\"feed_records\":%llu,"
                       "\"feed_newest\":\"%s\",\"feed_age_days\":%lld}}",
                       in->packages.n, in->files, in->incomplete, in->affected, in->unknown,
                       in->loose, (unsigned long long)feed->records, feed->newest,
                       (long long)age_days));
    return sl_cli_line(sl_buf_view(&line));
}

/* How old the newest record is, or the feed itself where no record says when it changed: a feed made
 * today of old records is old. */
static int64_t feed_age_days(const sl_feed_state *feed)
{
    struct tm t = { 0 };
    const char *end = strptime(feed->newest, "%Y-%m-%dT%H:%M:%S", &t);
    int64_t since_ms = end != NULL ? (int64_t)timegm(&t) * 1000 : feed->made_ms;
    return (sl_clock_wall_ms() - since_ms) / DAY_MS;
}

static sl_res read_exploited(inventory *in)
{
    in->exploited_text.max = 64 * SL_MIB;
    if (in->exploited == NULL) {
        return in->record == NULL
                   ? SL_DONE
                   : sl_fail_at(SL_E_MISSING_FIELD, "--exploited FILE (CISA's list, carried in)",
                                SL_NOWHERE);
    }
    SL_TRY(sl_cli_read(in->exploited, &in->exploited_text));
    SL_TRY(sl_json_parse(sl_buf_view(&in->exploited_text), &in->exploited_doc));
    const sl_json_node *list = sl_json_get_kind(
        &in->exploited_doc, sl_json_root(&in->exploited_doc), "vulnerabilities", SL_JSON_ARRAY);
    return list != NULL ? SL_DONE : sl_fail_at(SL_E_MISSING_FIELD, "vulnerabilities", SL_NOWHERE);
}

/* The leaf that the check vendor.vulns asks for. A feed that is old, or files that could not be read, show
 * nothing: then there is none. */
static sl_res tell_scanned(const inventory *in, int64_t age_days)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 256 };
    sl_event_head head = { 0 };
    sl_event_bom_scanned fields = { .component = sl_view_str(in->record),
                                    .open_kev = in->open_exploited,
                                    .open_critical = in->open_critical,
                                    .oldest_days = (uint64_t)in->oldest_days };
    if (in->record == NULL) {
        return SL_DONE;
    }
    if (age_days > FEED_OLD_DAYS || in->incomplete > 0) {
        return sl_fail_at(SL_E_REFUSED,
                          age_days > FEED_OLD_DAYS ? "feed: too old for a leaf" : "files",
                          SL_NOWHERE);
    }
    SL_TRY(sl_emit_bom_scanned(&head, &fields, &event));
    return sl_warden_ask(in->cli->site, SL_ADMIN_TELL, sl_buf_view(&event), &reply);
}

static sl_res check(inventory *in, int argc, char **argv)
{
    const char *path = NULL;
    sl_feed_state feed = { 0 };
    SL_TRY(read_exploited(in));
    SL_TRY(feed_path(in, &path));
    for (int i = 0; i < argc; i++) {
        SL_TRY(gather(in, argv[i]));
    }
    sl_packages_sort(&in->packages);
    SL_TRY(sl_feed_match(path, &in->packages, found, in, &feed));
    say_loose(in);
    SL_TRY(say_summary(in, &feed, feed_age_days(&feed)));
    if (in->files == 0) {
        return sl_fail_at(SL_E_NOT_FOUND, "files of dependencies (names: stoplog inventory --help)",
                          SL_NOWHERE);
    }
    return tell_scanned(in, feed_age_days(&feed));
}

static void left_out(void *context, const char *path, size_t line)
{
    (void)context;
    fprintf(stderr, "%s:%zu: no OSV record; left out\n", path, line);
}

static sl_res update(inventory *in)
{
    const char *path = NULL;
    sl_feed_state feed = { 0 };
    SL_TRY(feed_path(in, &path));
    SL_TRY(sl_feed_update(in->from, path, sl_clock_wall_ms(), left_out, NULL, &feed));
    printf("%s: %llu advisories, the newest of %s\n", path, (unsigned long long)feed.records,
           feed.newest);
    return SL_DONE;
}

/* Bills of materials */

/* In a bill of materials an advisory is a vulnerability of CycloneDX's kind. */
static sl_res found_for_bom(void *context, const sl_package *p, const sl_advisory *a)
{
    inventory *in = context;
    SL_OWN(sl_buf, purl, sl_buf_free) = { .max = 4096 };
    sl_json_writer w;
    SL_TRY(sl_purl_add(&purl, p));
    SL_TRY(in->vulnerabilities.n > 0 ? sl_buf_add_byte(&in->vulnerabilities, ',') : SL_DONE);
    sl_json_writer_init(&w, &in->vulnerabilities);
    sl_json_object_begin(&w);
    sl_json_put_string(&w, "id", a->id);
    sl_json_put_string(&w, "description", a->summary);
    sl_json_key(&w, "analysis");
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "state", a->unknown ? "in_triage" : "exploitable");
    sl_json_object_end(&w);
    sl_json_key(&w, "affects");
    sl_json_array_begin(&w);
    sl_json_object_begin(&w);
    sl_json_put_string(&w, "ref", sl_buf_view(&purl));
    sl_json_object_end(&w);
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    in->affected += !a->unknown;
    return sl_json_finish(&w);
}

/* The first `max` bytes of a file of the model. */
static sl_res head_of(const char *model, sl_view path, size_t max, sl_buf *out)
{
    SL_OWN(sl_buf, whole, sl_buf_free) = { .max = 16384 };
    SL_TRY(sl_view_eq_str(path, ".") ? sl_buf_add_str(&whole, model)
                                     : sl_buf_addf(&whole, "%s/%.*s", model, SL_FMT(path)));
    const char *name = sl_buf_cstr(&whole);
    SL_NEED(name != NULL, SL_E_MEMORY);
    SL_OWN(int, fd, sl_fd_close) = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return sl_fail_os(SL_E_IO, "file of the model");
    }
    out->max = max;
    while (out->n < max) {
        size_t want = max - out->n < SL_MIB ? max - out->n : SL_MIB;
        SL_TRY(sl_buf_reserve(out, want));
        ssize_t n = read(fd, out->p + out->n, want);
        if (n <= 0) {
            return n == 0 ? SL_DONE : sl_fail_os(SL_E_IO, "file of the model");
        }
        out->n += (size_t)n;
    }
    return SL_DONE;
}

static sl_res read_card(const char *model, const sl_manifest *files, sl_card *card)
{
    for (size_t i = 0; i < files->n; i++) {
        sl_view path = files->files[i].path;
        SL_OWN(sl_buf, head, sl_buf_free) = { 0 };
        bool tensors =
            sl_view_ends(path, SL_LIT(".safetensors")) ||
            (sl_view_eq_str(path, ".") && sl_view_ends(sl_view_str(model), SL_LIT(".safetensors")));
        bool config = sl_view_eq_str(path, "config.json");
        bool readme = sl_view_eq_str(path, "README.md");
        if (tensors || config || readme) {
            SL_TRY(head_of(model, path, tensors ? 32 * SL_MIB : 4 * SL_MIB, &head));
        }
        if (tensors) {
            SL_TRY(sl_card_add_safetensors(card, sl_buf_view(&head)));
        } else if (config) {
            SL_TRY(sl_card_add_config(card, sl_buf_view(&head)));
        } else if (readme) {
            SL_TRY(sl_card_add_readme(card, sl_buf_view(&head)));
        }
    }
    return SL_DONE;
}

/* A UUID of version 4 (RFC 9562). */
static sl_res make_serial(char ret[37])
{
    uint8_t b[16];
    SL_TRY(sl_random_bytes(b, sizeof b));
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    (void)snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                   b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                   b[13], b[14], b[15]);
    return SL_DONE;
}

static sl_res write_out(const inventory *in, sl_view json)
{
    if (in->output == NULL) {
        return sl_cli_line(json);
    }
    SL_TRY(sl_file_replace(AT_FDCWD, in->output, json, 0644));
    printf("%s: %zu packages, %zu advisories apply\n", in->output, in->packages.n, in->affected);
    return SL_DONE;
}

static sl_res bom(inventory *in, const char *model)
{
    SL_OWN(sl_supply_paths, paths, sl_supply_paths_free) = { 0 };
    SL_OWN(sl_manifest, files, sl_manifest_free) = { 0 };
    SL_OWN(sl_card, card, sl_card_free) = { 0 };
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 512 * SL_MIB };
    sl_tree_options options = { .report = sl_supply_print_problem };
    sl_feed_state feed;
    const char *path = NULL;
    char serial[37];
    char now[SL_CLOCK_TEXT_BYTES];
    size_t problems = 0;
    in->vulnerabilities.max = 64 * SL_MIB;
    SL_TRY(sl_supply_paths_make(model, NULL, false, &paths));
    SL_TRY(sl_tree_read(paths.directory, &options, &files, &problems));
    SL_TRY(read_card(paths.directory, &files, &card));
    SL_TRY(gather(in, paths.directory));
    sl_packages_sort(&in->packages);
    SL_TRY(feed_path(in, &path));
    if (in->feed != NULL || sl_path_exists(AT_FDCWD, path)) {
        SL_TRY(sl_feed_match(path, &in->packages, found_for_bom, in, &feed));
    }
    SL_TRY(make_serial(serial));
    sl_clock_text(sl_clock_wall_ms(), now);
    sl_bom what = { .name = in->name != NULL ? sl_view_str(in->name) : paths.model_name,
                    .timestamp = sl_view_str(now),
                    .serial = sl_view_str(serial),
                    .tool_version = SL_VERSION,
                    .files = &files,
                    .card = &card,
                    .packages = &in->packages,
                    .vulnerabilities = sl_buf_view(&in->vulnerabilities) };
    SL_TRY(sl_bom_write(&what, &json));
    SL_TRY(write_out(in, sl_buf_view(&json)));
    in->incomplete += problems;
    return SL_DONE;
}

static bool read_options(inventory *in, int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "feed", required_argument, NULL, 'f' },
        { "from", required_argument, NULL, 'F' },
        { "record", required_argument, NULL, 'r' },
        { "exploited", required_argument, NULL, 'e' },
        { "name", required_argument, NULL, 'n' },
        { "json", no_argument, NULL, 'j' },
        { 0 },
    };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "o:", OPTIONS, NULL)) != -1;) {
        switch (c) {
        case 'f':
            in->feed = optarg;
            break;
        case 'F':
            in->from = optarg;
            break;
        case 'r':
            in->record = optarg;
            break;
        case 'e':
            in->exploited = optarg;
            break;
        case 'n':
            in->name = optarg;
            break;
        case 'o':
            in->output = optarg;
            break;
        case 'j':
            in->cli->json = true;
            break;
        default:
            return false;
        }
    }
    return true;
}

static void finish(inventory *in)
{
    sl_buf_free(&in->feed_path);
    sl_json_doc_free(&in->exploited_doc);
    sl_buf_free(&in->exploited_text);
    sl_buf_free(&in->vulnerabilities);
    sl_packages_free(&in->packages);
}

static const struct {
    const char *name;
    sl_cli_call call;
} VERBS[] = {
    { "vendor", sl_inventory_vendor }, { "list", sl_inventory_list },
    { "held", sl_inventory_list },     { "diff", sl_inventory_list },
    { "admit", sl_inventory_admit },   { "withdraw", sl_inventory_admit },
};

int sl_cmd_inventory(sl_cli *cli, int argc, char **argv)
{
    inventory in = { .cli = cli };
    const char *verb = argc > 1 ? argv[1] : "";
    sl_res r = SL_DONE;
    for (size_t i = 0; i < SL_COUNT_OF(VERBS); i++) {
        if (strcmp(verb, VERBS[i].name) == 0) {
            return VERBS[i].call(cli, argc - 1, argv + 1);
        }
    }
    for (int i = 2; i < argc && strcmp(verb, "check") == 0; i++) {
        if (strcmp(argv[i], "--register") == 0) {
            return sl_inventory_drift(cli, argc - 1, argv + 1);
        }
    }
    if (argc < 2 || !read_options(&in, argc - 1, argv + 1)) {
        return sl_cli_usage(cli, USAGE);
    }
    int left = argc - 1 - optind;
    char **rest = argv + 1 + optind;
    if (strcmp(verb, "bom") == 0 && left == 1) {
        r = bom(&in, rest[0]);
    } else if (strcmp(verb, "check") == 0 && left > 0) {
        r = check(&in, left, rest);
    } else if (strcmp(verb, "update") == 0 && left == 0 && in.from != NULL) {
        r = update(&in);
    } else {
        finish(&in);
        return sl_cli_usage(cli, USAGE);
    }
    finish(&in);
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "inventory", r);
    }
    if (in.incomplete > 0) {
        return 3; /* what could not be read was named above; the rest is in the answer */
    }
    return strcmp(verb, "check") == 0 && in.affected > 0 ? 1 : 0;
}
