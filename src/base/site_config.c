/* Reading config.yml (see site_config.h). */
#include "base/site_config.h"

#include <stddef.h>

#include "base/limits.h"

#define IN(section, member)                                                                        \
    (offsetof(sl_site_config, section.member) - offsetof(sl_site_config, section))

static const sl_yaml_field front_fields[] = {
    { .key = "listen", .type = SL_YAML_AS_TEXT, .offset = IN(front, listen) },
    { .key = "certificate", .type = SL_YAML_AS_TEXT, .offset = IN(front, certificate) },
    { .key = "key", .type = SL_YAML_AS_TEXT, .offset = IN(front, key) },
    { .key = "body_max",
      .type = SL_YAML_AS_SIZE,
      .offset = IN(front, body_bytes_max),
      .min = 1024,
      .max = 16 * 1024 * 1024 },
    { .key = "connections_max",
      .type = SL_YAML_AS_INT,
      .offset = IN(front, connections_max),
      .min = 16,
      .max = 65536 },
    { .key = "per_source_max",
      .type = SL_YAML_AS_INT,
      .offset = IN(front, per_source_max),
      .min = 0,
      .max = 65536 },
    { .key = NULL },
};

/* The list of upstreams is read on by itself, into a place of its own. */
typedef struct {
    sl_view ca_file;
    int64_t silence_ms_max;
    const sl_yaml_node *upstreams;
} egress_section;

static const sl_yaml_field egress_fields[] = {
    { .key = "ca_file", .type = SL_YAML_AS_TEXT, .offset = offsetof(egress_section, ca_file) },
    { .key = "silence_max",
      .type = SL_YAML_AS_DURATION,
      .offset = offsetof(egress_section, silence_ms_max),
      .min = 1000,
      .max = 86400000 },
    { .key = "upstreams", .type = SL_YAML_AS_LIST, .offset = offsetof(egress_section, upstreams) },
    { .key = NULL },
};

static const sl_yaml_field upstream_fields[] = {
    { .key = "name",
      .type = SL_YAML_AS_TEXT,
      .required = true,
      .offset = offsetof(sl_config_upstream, name) },
    { .key = "url",
      .type = SL_YAML_AS_TEXT,
      .required = true,
      .offset = offsetof(sl_config_upstream, url) },
    { .key = "credential",
      .type = SL_YAML_AS_TEXT,
      .offset = offsetof(sl_config_upstream, credential) },
    { .key = "compartments",
      .type = SL_YAML_AS_TEXTS,
      .offset = offsetof(sl_config_upstream, compartments) },
    { .key = "models", .type = SL_YAML_AS_TEXTS, .offset = offsetof(sl_config_upstream, models) },
    { .key = NULL },
};

static const sl_yaml_field keeper_fields[] = {
    { .key = "kms", .type = SL_YAML_AS_TEXT, .offset = IN(keeper, kms) },
    { .key = "key_file", .type = SL_YAML_AS_TEXT, .offset = IN(keeper, key_file) },
    { .key = "module", .type = SL_YAML_AS_TEXT, .offset = IN(keeper, module) },
    { .key = "token", .type = SL_YAML_AS_TEXT, .offset = IN(keeper, token) },
    { .key = "passphrase", .type = SL_YAML_AS_BOOL, .offset = IN(keeper, passphrase) },
    { .key = NULL },
};

/* The list of witnesses is read on by itself, as the upstreams are. */
typedef struct {
    sl_view origin;
    int64_t witness_ms_min;
    const sl_yaml_node *witnesses;
} ledger_section;

static const sl_yaml_field ledger_fields[] = {
    { .key = "origin", .type = SL_YAML_AS_TEXT, .offset = offsetof(ledger_section, origin) },
    { .key = "witness_every",
      .type = SL_YAML_AS_DURATION,
      .offset = offsetof(ledger_section, witness_ms_min),
      .min = 1000,
      .max = 1800000 },
    { .key = "witnesses", .type = SL_YAML_AS_LIST, .offset = offsetof(ledger_section, witnesses) },
    { .key = NULL },
};

static const sl_yaml_field witness_fields[] = {
    { .key = "key",
      .type = SL_YAML_AS_TEXT,
      .required = true,
      .offset = offsetof(sl_config_witness, key) },
    { .key = "url",
      .type = SL_YAML_AS_TEXT,
      .required = true,
      .offset = offsetof(sl_config_witness, url) },
    { .key = NULL },
};

/* Limits that checks compare with: what was not set leaves its check unknown. */
static const sl_yaml_field assure_fields[] = {
    { .key = "max_records",
      .type = SL_YAML_AS_INT,
      .offset = IN(assure, max_records),
      .min = 0,
      .max = 1000000000000 },
    { .key = "max_compartments",
      .type = SL_YAML_AS_INT,
      .offset = IN(assure, max_compartments),
      .min = 0,
      .max = 1000000 },
    { .key = "retain_from",
      .type = SL_YAML_AS_INT,
      .offset = IN(assure, retain_from),
      .min = 0,
      .max = INT64_C(9007199254740991) },
    { .key = "purposes", .type = SL_YAML_AS_TEXTS, .offset = IN(assure, purposes) },
    { .key = "regimes", .type = SL_YAML_AS_LIST, .offset = IN(assure, regime_list) },
    { .key = NULL },
};

static const sl_yaml_field regime_fields[] = {
    { .key = "name",
      .type = SL_YAML_AS_TEXT,
      .required = true,
      .offset = offsetof(sl_config_regime, name) },
    { .key = "within",
      .type = SL_YAML_AS_DURATION,
      .required = true,
      .offset = offsetof(sl_config_regime, within_ms),
      .min = 60000,
      .max = INT64_C(31536000000) },
    { .key = NULL },
};

static const sl_yaml_field host_fields[] = {
    { .key = "uid_base",
      .type = SL_YAML_AS_INT,
      .offset = IN(host, uid_base),
      .min = 0,
      .max = 2000000000 },
    { .key = NULL },
};

typedef struct {
    const sl_yaml_node *front;
    const sl_yaml_node *egress;
    const sl_yaml_node *keeper;
    const sl_yaml_node *ledger;
    const sl_yaml_node *host;
    const sl_yaml_node *assure;
    const sl_yaml_node *ask; /* read by the door itself (doors/ask/config.h) */
} sections;

static const sl_yaml_field section_fields[] = {
    { .key = "front", .type = SL_YAML_AS_MAP, .offset = offsetof(sections, front) },
    { .key = "egress", .type = SL_YAML_AS_MAP, .offset = offsetof(sections, egress) },
    { .key = "keeper", .type = SL_YAML_AS_MAP, .offset = offsetof(sections, keeper) },
    { .key = "ledger", .type = SL_YAML_AS_MAP, .offset = offsetof(sections, ledger) },
    { .key = "host", .type = SL_YAML_AS_MAP, .offset = offsetof(sections, host) },
    { .key = "assure", .type = SL_YAML_AS_MAP, .offset = offsetof(sections, assure) },
    { .key = "ask", .type = SL_YAML_AS_MAP, .offset = offsetof(sections, ask) },
    { .key = NULL },
};

static sl_site_config defaults(void)
{
    sl_site_config c = { 0 };
    c.front.listen = SL_LIT("127.0.0.1:8443");
    c.front.body_bytes_max = (int64_t)(4 * SL_MIB);
    c.front.connections_max = 1024;
    c.front.per_source_max = 0;
    c.egress.ca_file = SL_LIT("/etc/ssl/certs/ca-certificates.crt");
    c.egress.silence_ms_max = 120000;
    c.keeper.kms = SL_LIT("file");
    c.keeper.key_file = SL_LIT("state/keeper/root.key");
    c.ledger.witness_ms_min = 60000;
    c.assure.max_records = -1;
    c.assure.max_compartments = -1;
    c.host.uid_base = 458752; /* outside what distributions give to people and services */
    return c;
}

static bool name_ok(sl_view name)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return false;
        }
    }
    return name.n >= 1 && name.n <= 32;
}

static bool url_ok(sl_view url)
{
    return sl_view_starts(url, SL_LIT("https://")) || sl_view_starts(url, SL_LIT("http://")) ||
           sl_view_starts(url, SL_LIT("unix:/")) || sl_view_starts(url, SL_LIT("scgi:/"));
}

static sl_res read_upstreams(sl_arena *arena, const sl_yaml_node *list, sl_site_config *c)
{
    const sl_yaml_node *node = list == NULL ? NULL : list->first;
    for (; node != NULL; node = node->next) {
        if (c->egress.upstream_count == SL_UPSTREAMS_MAX) {
            return sl_fail_at(SL_E_LIMIT, "upstreams", node->line);
        }
        sl_config_upstream *u = &c->egress.upstreams[c->egress.upstream_count];
        *u = (sl_config_upstream){ 0 };
        SL_TRY(sl_yaml_read(arena, node, upstream_fields, u));
        if (!name_ok(u->name)) {
            return sl_fail_at(SL_E_SYNTAX, "name", node->line);
        }
        if (!url_ok(u->url)) {
            return sl_fail_at(SL_E_SYNTAX, "url", node->line);
        }
        for (size_t i = 0; i < c->egress.upstream_count; i++) {
            if (sl_view_eq(c->egress.upstreams[i].name, u->name)) {
                return sl_fail_at(SL_E_DUPLICATE, "name", node->line);
            }
        }
        c->egress.upstream_count++;
    }
    return SL_DONE;
}

/* Each is a key alone, asked by hand, or a key with the place where the site asks it. */
static sl_res read_witnesses(sl_arena *arena, const sl_yaml_node *list, sl_site_config *c)
{
    const sl_yaml_node *node = list == NULL ? NULL : list->first;
    for (; node != NULL; node = node->next) {
        if (c->ledger.witness_count == SL_CONFIG_WITNESSES_MAX) {
            return sl_fail_at(SL_E_LIMIT, "witnesses", node->line);
        }
        sl_config_witness w = { 0 };
        if (node->kind == SL_YAML_SCALAR) {
            SL_TRY(sl_yaml_text(node, "witnesses", &w.key));
        } else {
            SL_TRY(sl_yaml_read(arena, node, witness_fields, &w));
            if (!url_ok(w.url) || sl_view_starts(w.url, SL_LIT("scgi:"))) {
                return sl_fail_at(SL_E_SYNTAX, "url", node->line);
            }
        }
        for (size_t i = 0; i < c->ledger.witness_count; i++) {
            if (sl_view_eq(c->ledger.witnesses[i].key, w.key)) {
                return sl_fail_at(SL_E_DUPLICATE, "key", node->line);
            }
        }
        c->ledger.witnesses[c->ledger.witness_count++] = w;
    }
    return SL_DONE;
}

static sl_res read_regimes(sl_arena *arena, sl_site_config *c)
{
    const sl_yaml_node *node = c->assure.regime_list == NULL ? NULL : c->assure.regime_list->first;
    for (; node != NULL; node = node->next) {
        if (c->assure.regime_count == SL_CONFIG_REGIMES_MAX) {
            return sl_fail_at(SL_E_LIMIT, "regimes", node->line);
        }
        sl_config_regime one = { 0 };
        SL_TRY(sl_yaml_read(arena, node, regime_fields, &one));
        if (!name_ok(one.name)) {
            return sl_fail_at(SL_E_SYNTAX, "name", node->line);
        }
        for (size_t i = 0; i < c->assure.regime_count; i++) {
            if (sl_view_eq(c->assure.regimes[i].name, one.name)) {
                return sl_fail_at(SL_E_DUPLICATE, "name", node->line);
            }
        }
        c->assure.regimes[c->assure.regime_count++] = one;
    }
    return SL_DONE;
}

static sl_res read_section(sl_arena *arena, const sl_yaml_node *map, const sl_yaml_field *fields,
                           void *into)
{
    return map == NULL ? SL_DONE : sl_yaml_read(arena, map, fields, into);
}

sl_res sl_site_config_read(sl_arena *arena, sl_view text, sl_site_config *ret)
{
    const sl_yaml_node *root = NULL;
    SL_TRY(sl_yaml_parse(arena, text, &root));
    sections s = { 0 };
    SL_TRY(sl_yaml_read(arena, root, section_fields, &s));
    sl_site_config c = defaults();
    SL_TRY(read_section(arena, s.front, front_fields, &c.front));
    SL_TRY(read_section(arena, s.keeper, keeper_fields, &c.keeper));
    ledger_section ledger = { .witness_ms_min = c.ledger.witness_ms_min };
    SL_TRY(read_section(arena, s.ledger, ledger_fields, &ledger));
    c.ledger.origin = ledger.origin;
    c.ledger.witness_ms_min = ledger.witness_ms_min;
    SL_TRY(read_witnesses(arena, ledger.witnesses, &c));
    SL_TRY(read_section(arena, s.host, host_fields, &c.host));
    SL_TRY(read_section(arena, s.assure, assure_fields, &c.assure));
    SL_TRY(read_regimes(arena, &c));
    egress_section egress = { .ca_file = c.egress.ca_file,
                              .silence_ms_max = c.egress.silence_ms_max };
    SL_TRY(read_section(arena, s.egress, egress_fields, &egress));
    c.egress.ca_file = egress.ca_file;
    c.egress.silence_ms_max = egress.silence_ms_max;
    SL_TRY(read_upstreams(arena, egress.upstreams, &c));
    if ((c.front.certificate.n == 0) != (c.front.key.n == 0)) {
        return sl_fail_at(SL_E_MISSING_FIELD, c.front.key.n == 0 ? "key" : "certificate",
                          s.front->line);
    }
    *ret = c;
    return SL_DONE;
}
