/* config.yml of a site: what a person may set, with its defaults. Read strictly (yaml.h): an unknown
 * key is an error with its line. It holds no secret and grants nothing: who may do what stands in the
 * ledger. Every process gets the same text and reads it with this. */
#ifndef SL_BASE_SITE_CONFIG_H
#define SL_BASE_SITE_CONFIG_H

#include "base/yaml.h"

#define SL_UPSTREAMS_MAX ((size_t)32)
#define SL_UPSTREAM_COMPARTMENTS_MAX ((size_t)8)
#define SL_CONFIG_WITNESSES_MAX ((size_t)16)
#define SL_CONFIG_REGIMES_MAX ((size_t)16)

typedef struct {
    sl_view name;       /* [a-z0-9-]{1,32} */
    sl_view url;        /* https://HOST[:PORT][/PATH], http://..., unix:PATH, scgi:PATH */
    sl_view credential; /* path of a file with the header line, for the egress alone; or empty */
    sl_yaml_texts compartments; /* that its models draw on; none: all */
    sl_yaml_texts models;       /* names served there; none: any */
} sl_config_upstream;

typedef struct {
    sl_view key; /* its verifier key */
    sl_view url; /* https://HOST[:PORT][/PATH], http://..., unix:PATH; empty: asked by hand alone */
} sl_config_witness;

typedef struct {
    sl_view name;      /* of a rule that asks for a notice: "gdpr" */
    int64_t within_ms; /* of an incident */
} sl_config_regime;

typedef struct {
    struct {
        sl_view listen; /* ADDRESS:PORT */
        sl_view certificate;
        sl_view key;
        int64_t body_bytes_max;
        int64_t connections_max;
        int64_t per_source_max;
    } front;
    struct {
        sl_view ca_file; /* upstream certificates are verified against it */
        int64_t silence_ms_max;
        size_t upstream_count;
        sl_config_upstream upstreams[SL_UPSTREAMS_MAX];
    } egress;
    struct {
        sl_view kms;      /* "file" or "pkcs11" */
        sl_view key_file; /* file: where the root key is, below the site */
        sl_view module;   /* pkcs11 */
        sl_view token;
        bool passphrase; /* file: sealed with one, given by `stoplog unlock` */
    } keeper;
    struct {
        size_t witness_count;
        sl_config_witness witnesses[SL_CONFIG_WITNESSES_MAX];
        int64_t witness_ms_min; /* between two questions to the same witness */
        sl_view origin;
    } ledger;
    struct {
        int64_t max_records;      /* a principal may reach in a day; -1: no limit was set */
        int64_t max_compartments; /* of one principal; -1: no limit was set */
        int64_t retain_from;      /* oldest leaf that must still be readable; 0: all of them */
        sl_yaml_texts purposes;   /* for which jobs may run; none: nobody said */
        const sl_yaml_node *regime_list; /* as written; read into the two below */
        size_t regime_count;             /* rules that ask for a notice of an incident */
        sl_config_regime regimes[SL_CONFIG_REGIMES_MAX];
    } assure;
    struct {
        int64_t uid_base; /* as root: first of the range of users; 0 keeps root */
    } host;
} sl_site_config;

/* Reads and checks. Texts live in the arena. On failure sl_yaml_explain tells a person where. */
SL_MUST sl_res sl_site_config_read(sl_arena *arena, sl_view text, sl_site_config *ret);

#endif
