/* What the supervisor tells the warden about the machine and the processes (facts.h): one JSON object a line. It looks
 * and tells; what becomes of it is written by the warden and judged by `assure`. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/site_config.h"
#include "crypto/hash.h"
#include "host/facts.h"
#include "host/supervisor.h"

static const sl_fact_roots roots = { "/proc", "/sys" };

static sl_res put_fact(sl_buf *out, const char *name, sl_host_fact fact)
{
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "fact", name);
    sl_json_put_str(&w, "known", sl_known_name(fact.known));
    sl_json_put_str(&w, "reason", fact.reason);
    sl_json_put_uint(&w, "count", fact.count);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(out, '\n');
}

/* ---- files with keys ---- */

#define KEY_FILES_MAX (8 + SL_UPSTREAMS_MAX + 1)

typedef struct {
    const char *paths[KEY_FILES_MAX];
    size_t count;
    sl_arena arena;
} key_files;

static void key_files_drop(key_files *k)
{
    sl_arena_free(&k->arena);
}

static sl_res add_configured(key_files *k, sl_view path)
{
    if (path.n == 0) {
        return SL_DONE;
    }
    char *copy = sl_arena_array(&k->arena, path.n + 1, 1);
    SL_NEED(copy != NULL, SL_E_MEMORY);
    memcpy(copy, path.p, path.n);
    copy[path.n] = '\0';
    k->paths[k->count++] = copy;
    return SL_DONE;
}

static sl_res find_key_files(const sl_supervisor *host, key_files *k)
{
    static const char *const ours[] = { ".",
                                        "state",
                                        "state/ledgerd",
                                        "state/ledgerd/ledger.key",
                                        "state/keeper",
                                        "state/keeper/key",
                                        "state/keeper/keystore.db",
                                        "state/keeper/kms" };
    static sl_site_config config; /* large */
    for (size_t i = 0; i < SL_COUNT_OF(ours); i++) {
        k->paths[k->count++] = ours[i];
    }
    SL_TRY(sl_site_config_read(&k->arena, host->options->config, &config));
    SL_TRY(add_configured(k, config.front.key));
    for (size_t i = 0; i < config.egress.upstream_count; i++) {
        SL_TRY(add_configured(k, config.egress.upstreams[i].credential));
    }
    return SL_DONE;
}

static sl_host_fact key_files_fact(const sl_supervisor *host)
{
    SL_OWN(key_files, k, key_files_drop) = { .arena = { .max = 8 * SL_MIB } };
    sl_res found = find_key_files(host, &k);
    return sl_ok(found) ? sl_fact_key_files(host->site_fd, k.paths, k.count)
                        : (sl_host_fact){ SL_KNOWN_NOT, "config_not_read", 0 };
}

/* ---- processes ---- */

/* What the program declares of a process, as one digest: who approved the program approved this. */
static sl_res profile_digest(const sl_confine_profile *p, sl_digest *ret)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_KIB };
    SL_TRY(sl_buf_addf(&text, "%s may=%x memory=%zu files=%u\n", p->name, p->may,
                       p->memory_bytes_max, p->files_max));
    for (size_t i = 0; i < p->path_count; i++) {
        const sl_confine_path *path = &p->paths[i];
        SL_TRY(sl_buf_addf(&text, "%s at=%s may=%x\n", path->from == NULL ? "-" : path->from,
                           path->at, path->may));
    }
    *ret = sl_sha256(sl_buf_view(&text));
    return SL_DONE;
}

static sl_res put_process(const sl_instance *instance, sl_buf *out)
{
    sl_process_seen seen = { 0 };
    sl_digest profile;
    uint32_t all = ((uint32_t)1 << SL_LAYER_COUNT) - 1;
    uint32_t expected = all & ~sl_host_not_expected(instance);
    uint32_t said = instance->holds | SL_LAYER_BIT(SL_LAYER_CGROUP);
    if ((instance->missing & SL_LAYER_BIT(SL_LAYER_CGROUP)) != 0) {
        said &= ~SL_LAYER_BIT(SL_LAYER_CGROUP);
    }
    sl_res looked = sl_fact_process(&roots, instance->pid, instance->uid, &seen);
    if (sl_is(looked, SL_E_NOT_FOUND)) {
        return SL_DONE; /* it has just died; the next look finds its successor */
    }
    SL_TRY(looked);
    if ((instance->decl->profile->may & SL_MAY_NET) != 0) {
        seen.hidden |= SL_LAYER_BIT(SL_LAYER_NET_NS); /* the network is its work */
        seen.interfaces = 0;
    }
    SL_TRY(profile_digest(instance->decl->profile, &profile));
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "process", instance->name);
    sl_digest_put(&w, "profile", &profile);
    sl_json_put_uint(&w, "expected", expected);
    sl_json_put_uint(&w, "holds", (said & seen.hidden) | seen.holds);
    sl_json_put_uint(&w, "said", said);
    sl_json_put_uint(&w, "interfaces", seen.interfaces);
    sl_json_put_bool(&w, "core", seen.core);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(out, '\n');
}

/* ---- the whole ---- */

static sl_res put_clock(sl_buf *out)
{
    sl_clock_fact clock = sl_fact_clock();
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_json_put_bool(&w, "synced", clock.synced);
    sl_json_put_int(&w, "offset_ms", clock.offset_ms);
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(out, '\n');
}

/* The configuration that every process was given, and the one that lies in the file now. */
static sl_res put_config(const sl_supervisor *host, sl_buf *out)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_CONFIG_BYTES_MAX };
    sl_digest running = sl_sha256(host->options->config);
    sl_json_writer w;
    sl_json_writer_init(&w, out);
    sl_json_object_begin(&w);
    sl_digest_put(&w, "running", &running);
    if (sl_ok(sl_file_read(host->site_fd, "config.yml", &text))) {
        sl_digest stored = sl_sha256(sl_buf_view(&text));
        sl_digest_put(&w, "stored", &stored);
    }
    sl_json_object_end(&w);
    SL_TRY(sl_json_finish(&w));
    return sl_buf_add_byte(out, '\n');
}

sl_res sl_host_attest(const sl_supervisor *host, sl_buf *out)
{
    struct stat st;
    sl_host_fact disk = { SL_KNOWN_NOT, "device_not_visible", 0 };
    if (fstatat(host->site_fd, "state", &st, 0) == 0) {
        disk = sl_fact_disk(&roots, st.st_dev);
    }
    SL_TRY(put_fact(out, "disk", disk));
    SL_TRY(put_fact(out, "swap", sl_fact_swap(&roots)));
    SL_TRY(put_fact(out, "key_files", key_files_fact(host)));
    SL_TRY(put_clock(out));
    SL_TRY(put_config(host, out));
    for (size_t i = 0; i < host->instance_count && !host->options->unconfined; i++) {
        const sl_instance *instance = &host->instances[i];
        if (instance->state == SL_INSTANCE_SERVING && instance->judged && instance->pid > 1) {
            SL_TRY(put_process(instance, out));
        }
    }
    return SL_DONE;
}
