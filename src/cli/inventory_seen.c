/* `stoplog inventory list|held|diff` and `admit|withdraw`: what came by the doors as the ledger tells it,
 * what of it nobody vouches for, and letting in what the scan could not clear. */
#include <string.h>

#include "base/clock.h"
#include "cli/admin.h"
#include "cli/inventory.h"
#include "cli/site_register.h"
#include "ledger/events.gen.h"
#include "respond/admin.h"
#include "supply/seen.h"

#define LIST_USAGE "inventory list | held | diff"
#define ADMIT_USAGE                                                                                \
    "inventory admit DIGEST COMPARTMENT --until T [--reason WORD] [--key FILE]...\n"               \
    "       stoplog inventory withdraw DIGEST COMPARTMENT [--key FILE]..."

typedef struct {
    sl_cli *cli;
    sl_site_register site;
    sl_seen_list seen;
    int64_t now_ms;
    size_t printed;
} view;

static void close_view(view *v)
{
    sl_site_register_close(&v->site);
    sl_seen_free(&v->seen);
}

static sl_res each(void *context, uint64_t index, sl_view leaf)
{
    return sl_seen_leaf(&((view *)context)->seen, index, leaf);
}

static sl_res open_view(sl_cli *cli, view *v)
{
    v->cli = cli;
    v->now_ms = sl_clock_wall_ms();
    v->site.also = each;
    v->site.context = v;
    SL_TRY(sl_site_register_open(cli, &v->site));
    if (v->seen.lost > 0) {
        (void)fprintf(stderr, "%llu more entries than this list can hold: it is not whole\n",
                      (unsigned long long)v->seen.lost);
    }
    return SL_DONE;
}

static const char *compartment_name(const view *v, const sl_seen *one)
{
    const sl_compartment *c =
        sl_roll_compartment_by_id(v->site.roll, sl_view_str(one->compartment_id));
    return c == NULL ? "?" : c->name;
}

static const sl_register_admission *permission(const view *v, const sl_seen *one)
{
    return sl_register_admitted(&v->site.vendors, sl_view_str(compartment_name(v, one)),
                                &one->digest, v->now_ms);
}

/* ---- printing ---- */

static void put_artefact(sl_json_writer *w, const view *v, const sl_seen *one)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    sl_digest_hex(&one->digest, hex);
    sl_json_put_str(w, "digest", hex);
    sl_json_put_str(w, "object", one->name);
    sl_json_put_str(w, "compartment", compartment_name(v, one));
    sl_json_put_str(w, "format", one->format);
    sl_json_put_str(w, "class", one->class);
    sl_json_put_str(w, "rules", one->rules);
    sl_json_put_str(w, "state", sl_seen_state_name(one->state));
    const sl_register_admission *may = permission(v, one);
    if (may != NULL) {
        sl_json_put_int(w, "may_enter_until_s", may->until_ms / 1000);
    }
}

static sl_res print_json(const view *v, const sl_seen *one, const sl_register_item *item)
{
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 16 * SL_KIB };
    sl_json_writer w;
    sl_json_writer_init(&w, &line);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "kind", sl_item_kind_name(one->kind));
    if (one->kind == SL_ITEM_ARTEFACT) {
        put_artefact(&w, v, one);
    } else {
        sl_json_put_str(&w, "name", one->name);
    }
    if (item != NULL) {
        sl_json_put_str(&w, "vendor", item->vendor);
        sl_json_put_str(&w, "registered_as", item->item);
    }
    sl_json_put_uint(&w, "times", one->times);
    sl_json_put_uint(&w, "first_leaf", one->first_leaf);
    sl_json_put_uint(&w, "last_leaf", one->last_leaf);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_cli_line(sl_buf_view(&line));
}

static void print_text(const view *v, const sl_seen *one, const sl_register_item *item)
{
    char hex[2 * SL_DIGEST_BYTES + 1];
    char time[SL_CLOCK_TEXT_BYTES];
    if (one->kind != SL_ITEM_ARTEFACT) {
        (void)printf("%-9s %-32s %s  %llu times, last in leaf %llu\n", sl_item_kind_name(one->kind),
                     one->name, item == NULL ? "nobody's" : item->vendor,
                     (unsigned long long)one->times, (unsigned long long)one->last_leaf);
        return;
    }
    sl_digest_hex(&one->digest, hex);
    (void)printf("%-9s %.16s  %-12s %-12s %-9s %-9s leaf %llu  %s%s%s\n",
                 sl_item_kind_name(one->kind), hex, compartment_name(v, one), one->format,
                 one->class, sl_seen_state_name(one->state), (unsigned long long)one->last_leaf,
                 item == NULL ? "nobody's" : item->vendor, item == NULL ? "" : "/",
                 item == NULL ? "" : item->item);
    if (one->rules[0] != 0) {
        (void)printf("          %s\n", one->rules);
    }
    const sl_register_admission *may = permission(v, one);
    if (may != NULL) {
        sl_clock_text(may->until_ms, time);
        (void)printf("          may enter until %s (leaf %llu)\n", time,
                     (unsigned long long)may->leaf_index);
    }
}

static sl_res print_one(view *v, const sl_seen *one)
{
    const sl_register_item *item = sl_seen_registered(&v->site.vendors, one);
    v->printed++;
    if (v->cli->json) {
        return print_json(v, one, item);
    }
    print_text(v, one, item);
    return SL_DONE;
}

/* ---- the three lists ---- */

static sl_res print_artefacts(view *v, bool held)
{
    for (size_t i = 0; i < v->seen.count; i++) {
        const sl_seen *one = &v->seen.items[i];
        if (one->kind == SL_ITEM_ARTEFACT && (!held || one->state == SL_SEEN_HELD)) {
            SL_TRY(print_one(v, one));
        }
    }
    if (v->cli->json) {
        (void)printf("{\"summary\":{\"artefacts\":%zu}}\n", v->printed);
    } else if (v->printed == 0) {
        (void)puts(held ? "nothing is held" : "no artefact came to the ingest door");
    }
    return SL_DONE;
}

static bool is_operator(const view *v, const char *name)
{
    size_t count = 0;
    const sl_operator *list = sl_roll_operators(v->site.roll, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].person, name) == 0) {
            return true;
        }
    }
    return false;
}

/* An exception whose owner is gone is nobody's. */
static sl_res print_ownerless(view *v, size_t *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < v->site.vendors.item_count; i++) {
        const sl_register_item *item = &v->site.vendors.items[i];
        if (item->kind != SL_ITEM_EXCEPTION || is_operator(v, item->owner)) {
            continue;
        }
        *ret_count += 1;
        if (v->cli->json) {
            (void)printf(
                "{\"kind\":\"exception\",\"vendor\":\"%s\",\"name\":\"%s\",\"owner\":\"%s\"}\n",
                item->vendor, item->item, item->owner);
        } else {
            (void)printf("exception %s/%s: its owner %s is no operator of this site\n",
                         item->vendor, item->item, item->owner);
        }
    }
    return SL_DONE;
}

/* The comparison as a leaf, for the check gov.inventory; a site that is not up only prints it. */
static void tell_compared(const view *v, const sl_event_inventory_compared *fields)
{
    SL_OWN(sl_buf, event, sl_buf_free) = { .max = SL_EVENT_BYTES_MAX };
    SL_OWN(sl_buf, reply, sl_buf_free) = { .max = 256 };
    sl_event_head head = { 0 };
    sl_res r = sl_emit_inventory_compared(&head, fields, &event);
    r = sl_ok(r) ? sl_warden_ask(v->cli->site, SL_ADMIN_TELL, sl_buf_view(&event), &reply) : r;
    if (!sl_ok(r) && !v->cli->json) {
        (void)fputs("the site is not up: this comparison is in no leaf\n", stderr);
    }
}

static sl_res print_shadow(view *v, bool *ret_any)
{
    sl_event_inventory_compared told = { 0 };
    size_t ownerless = 0;
    for (size_t i = 0; i < v->seen.count; i++) {
        const sl_seen *one = &v->seen.items[i];
        if (!sl_seen_counts(one)) {
            continue;
        }
        told.seen++;
        if (sl_seen_registered(&v->site.vendors, one) != NULL) {
            told.registered++;
        } else {
            SL_TRY(print_one(v, one));
        }
    }
    SL_TRY(print_ownerless(v, &ownerless));
    told.shadow = told.seen - told.registered;
    told.ownerless = ownerless;
    *ret_any = told.shadow + told.ownerless + v->seen.lost > 0;
    (void)printf(v->cli->json ? "{\"summary\":{\"seen\":%llu,\"registered\":%llu,\"shadow\":%llu,"
                                "\"ownerless\":%llu}}\n"
                              : "%llu seen at the doors, %llu registered, %llu in the shadow, "
                                "%llu exceptions without an owner\n",
                 (unsigned long long)told.seen, (unsigned long long)told.registered,
                 (unsigned long long)told.shadow, (unsigned long long)told.ownerless);
    tell_compared(v, &told);
    return SL_DONE;
}

int sl_inventory_list(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(view, v, close_view) = { 0 };
    bool any = false;
    if (argc == 2 && strcmp(argv[1], "--json") == 0) {
        cli->json = true;
    } else if (argc != 1) {
        return sl_cli_usage(cli, LIST_USAGE);
    }
    sl_res r = open_view(cli, &v);
    if (sl_ok(r)) {
        r = strcmp(argv[0], "diff") == 0 ? print_shadow(&v, &any)
                                         : print_artefacts(&v, strcmp(argv[0], "held") == 0);
    }
    if (!sl_ok(r)) {
        return sl_cli_fail(cli, "inventory", r);
    }
    return any ? 1 : 0;
}

/* ---- letting in ---- */

/* What is about to be let in, before it is signed: who signs must see what. */
static sl_res show_held(sl_cli *cli, const char *digits, sl_statement *s)
{
    SL_OWN(view, v, close_view) = { 0 };
    const sl_seen *found = NULL;
    SL_TRY(open_view(cli, &v));
    const sl_compartment *c = sl_roll_compartment(v.site.roll, sl_view_str(s->compartment));
    sl_view id = c == NULL ? (sl_view){ 0 } : sl_view_str(c->id);
    sl_res r = sl_seen_artefact(&v.seen, sl_view_str(digits), id, &found);
    if (!sl_ok(r)) {
        return sl_fail_at((sl_code)r.code, "digest (inventory held)", SL_NOWHERE);
    }
    if (s->action == SL_ACTION_ARTEFACT_ADMIT && found->state == SL_SEEN_REFUSED) {
        return sl_fail_at(SL_E_ARTEFACT, "digest", SL_NOWHERE);
    }
    s->hash = found->digest;
    if (!cli->json) {
        print_text(&v, found, sl_seen_registered(&v.site.vendors, found));
    }
    return SL_DONE;
}

static sl_res read_admission(int argc, char **argv, sl_admin *admin, sl_statement *s,
                             const char **ret_digits)
{
    sl_res r = SL_DONE;
    for (int i = 1; i < argc; i++) {
        if (sl_admin_key_option(admin, argc, argv, &i, &r)) {
            SL_TRY(r);
        } else if (strcmp(argv[i], "--until") == 0 && i + 1 < argc) {
            SL_TRY(sl_until_parse(argv[++i], sl_clock_wall_ms(), &s->until_ms));
        } else if (strcmp(argv[i], "--reason") == 0 && i + 1 < argc) {
            SL_TRY(sl_name_set(s->purpose, sl_view_str(argv[++i])));
        } else if (argv[i][0] != '-' && *ret_digits == NULL) {
            *ret_digits = argv[i];
        } else if (argv[i][0] != '-' && s->compartment[0] == 0) {
            SL_TRY(sl_name_set(s->compartment, sl_view_str(argv[i])));
        } else {
            return sl_fail(SL_E_USAGE);
        }
    }
    bool admits = s->action == SL_ACTION_ARTEFACT_ADMIT;
    bool whole = *ret_digits != NULL && s->compartment[0] != 0 && admits == (s->until_ms != 0) &&
                 (admits || s->purpose[0] == 0);
    return whole ? SL_DONE : sl_fail(SL_E_USAGE);
}

int sl_inventory_admit(sl_cli *cli, int argc, char **argv)
{
    SL_OWN(sl_admin, admin, sl_admin_close) = { 0 };
    sl_statement s = { .action = strcmp(argv[0], "admit") == 0 ? SL_ACTION_ARTEFACT_ADMIT
                                                               : SL_ACTION_ARTEFACT_WITHDRAW };
    const char *digits = NULL;
    sl_res r = read_admission(argc, argv, &admin, &s, &digits);
    if (sl_is(r, SL_E_USAGE)) {
        return sl_cli_usage(cli, ADMIT_USAGE);
    }
    if (sl_ok(r) && s.until_ms > sl_clock_wall_ms() + SL_ARTEFACT_ADMIT_MS_MAX) {
        r = sl_fail_at(SL_E_RANGE, "--until: 30 days at most", SL_NOWHERE);
    }
    r = sl_ok(r) ? show_held(cli, digits, &s) : r;
    return sl_ok(r) ? sl_admin_act(cli, &admin, &s) : sl_cli_fail(cli, "inventory", r);
}
