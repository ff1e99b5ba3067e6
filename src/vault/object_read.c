/* Reading objects (object.h): at random, each chunk first against the ledgered root, then by its
 * tag; verifying without a key; listing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "vault/object_internal.h"

struct sl_object {
    int fd;
    uint64_t bytes;
    uint64_t chunks;
    sl_buf leaves; /* verified against the root when opened */
    sl_seal seal;
    sl_hasher hasher;
    uint64_t cached; /* number of the chunk in `plain`, UINT64_MAX: none */
    size_t plain_n;
    uint8_t plain[SL_SEAL_CHUNK_BYTES];
    uint8_t sealed[SL_SEAL_SEALED_CHUNK_BYTES];
};

sl_res sl_manifest_read(int vault_fd, const char *compartment, const char *object, uint64_t version,
                        sl_manifest *ret_manifest)
{
    char path[SL_OBJECT_PATH_BYTES_MAX];
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MANIFEST_BYTES_MAX };
    SL_NEED(sl_object_name_ok(sl_view_str(compartment)), SL_E_SYNTAX);
    SL_NEED(sl_object_name_ok(sl_view_str(object)), SL_E_SYNTAX);
    (void)snprintf(path, sizeof path, "%s/%s/%llu/manifest", compartment, object,
                   (unsigned long long)version);
    SL_TRY(sl_file_read(vault_fd, path, &text));
    sl_manifest manifest;
    SL_TRY(sl_manifest_parse(sl_buf_view(&text), &manifest));
    bool same = sl_view_eq_str(sl_view_str(manifest.ref.compartment), compartment) &&
                sl_view_eq_str(sl_view_str(manifest.ref.object), object) &&
                manifest.ref.version == version;
    if (!same) {
        return sl_fail_at(SL_E_INTEGRITY, "manifest", SL_NOWHERE);
    }
    *ret_manifest = manifest;
    return SL_DONE;
}

/* Reads the tree file and checks it against the root. */
static sl_res read_tree(int dir_fd, sl_object_part part, uint64_t chunks, const sl_digest *root,
                        sl_hasher *hasher, sl_buf *ret_leaves)
{
    char name[32];
    sl_object_file_name(part, true, name);
    ret_leaves->max = chunks * SL_DIGEST_BYTES;
    sl_res read = sl_file_read(dir_fd, name, ret_leaves);
    if (sl_is(read, SL_E_LIMIT) || sl_is(read, SL_E_NOT_FOUND) ||
        (sl_ok(read) && ret_leaves->n != chunks * SL_DIGEST_BYTES)) {
        return sl_fail_at(SL_E_INTEGRITY, "tree", chunks);
    }
    SL_TRY(read);
    sl_digest found = sl_object_root(hasher, sl_buf_view(ret_leaves));
    return sl_digest_eq(&found, root) ? SL_DONE : sl_fail_at(SL_E_INTEGRITY, "tree", chunks);
}

static sl_res open_part(int dir_fd, sl_object_part part, const sl_part_facts *facts, int *ret_fd)
{
    char name[32];
    struct stat st;
    sl_object_file_name(part, false, name);
    SL_OWN(int, fd, sl_fd_close) = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? sl_fail_os(SL_E_INTEGRITY, "part") : sl_fail_os(SL_E_IO, "part");
    }
    if (fstat(fd, &st) != 0) {
        return sl_fail_os(SL_E_IO, "part");
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != sl_sealed_bytes(facts->plain_bytes)) {
        return sl_fail_at(SL_E_INTEGRITY, "length", (uint64_t)st.st_size);
    }
    *ret_fd = fd;
    fd = -1;
    return SL_DONE;
}

static sl_res open_seal(sl_object *object, const sl_object_ref *ref, sl_object_part part,
                        const uint8_t key[SL_SEAL_KEY_BYTES])
{
    uint8_t header[SL_SEAL_HEADER_BYTES];
    SL_OWN(sl_buf, context, sl_buf_free) = { .max = SL_SEAL_CONTEXT_BYTES_MAX };
    SL_TRY(sl_object_context(ref, part, &context));
    SL_TRY(sl_fd_pread_all(object->fd, header, sizeof header, 0));
    return sl_open_begin(&object->seal, key, sl_buf_view(&context),
                         sl_view_of(header, sizeof header));
}

sl_res sl_object_open(int vault_fd, const sl_manifest *manifest, sl_object_part part,
                      const uint8_t key[SL_SEAL_KEY_BYTES], const sl_digest *root,
                      sl_object **ret_object)
{
    const sl_part_facts *facts = &manifest->parts[part];
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    SL_NEED(facts->present, SL_E_NOT_FOUND);
    SL_TRY(sl_object_dir(vault_fd, &manifest->ref, &dir_fd));
    SL_OWN(sl_object *, object, sl_object_close) = calloc(1, sizeof *object);
    SL_NEED(object != NULL, SL_E_MEMORY);
    object->fd = -1;
    object->cached = UINT64_MAX;
    object->bytes = facts->plain_bytes;
    object->chunks = facts->chunks;
    SL_TRY(read_tree(dir_fd, part, facts->chunks, root, &object->hasher, &object->leaves));
    SL_TRY(open_part(dir_fd, part, facts, &object->fd));
    SL_TRY(open_seal(object, &manifest->ref, part, key));
    *ret_object = object;
    object = NULL;
    return SL_DONE;
}

void sl_object_close(sl_object **object_at)
{
    sl_object *object = *object_at;
    if (object == NULL) {
        return;
    }
    sl_fd_close(&object->fd);
    sl_buf_free(&object->leaves);
    sl_seal_free(&object->seal);
    sl_hasher_free(&object->hasher);
    sl_wipe(object->plain, sizeof object->plain);
    free(object);
    *object_at = NULL;
}

uint64_t sl_object_bytes(const sl_object *object)
{
    return object->bytes;
}

static size_t sealed_length(uint64_t bytes, uint64_t chunk)
{
    uint64_t left = bytes - chunk * SL_SEAL_CHUNK_BYTES;
    uint64_t plain = left < SL_SEAL_CHUNK_BYTES ? left : SL_SEAL_CHUNK_BYTES;
    return (size_t)plain + SL_SEAL_TAG_BYTES;
}

/* Reads a chunk's ciphertext and compares it with its leaf. */
static sl_res read_chunk(int fd, uint64_t bytes, uint64_t chunk, sl_view leaves, sl_hasher *hasher,
                         uint8_t *ret_sealed, size_t *ret_n)
{
    size_t n = sealed_length(bytes, chunk);
    sl_res read = sl_fd_pread_all(fd, ret_sealed, n, sl_sealed_chunk_offset(chunk));
    if (sl_is(read, SL_E_TRUNCATED)) {
        return sl_fail_at(SL_E_INTEGRITY, "chunk", chunk);
    }
    SL_TRY(read);
    sl_digest leaf = sl_merkle_leaf(hasher, sl_view_of(ret_sealed, n));
    if (!sl_equal_constant_time(leaf.b, leaves.p + chunk * SL_DIGEST_BYTES, SL_DIGEST_BYTES)) {
        return sl_fail_at(SL_E_INTEGRITY, "chunk", chunk);
    }
    *ret_n = n;
    return SL_DONE;
}

static sl_res load_chunk(sl_object *object, uint64_t chunk)
{
    size_t n = 0;
    size_t plain_n = 0;
    if (object->cached == chunk) {
        return SL_DONE;
    }
    object->cached = UINT64_MAX;
    SL_TRY(read_chunk(object->fd, object->bytes, chunk, sl_buf_view(&object->leaves),
                      &object->hasher, object->sealed, &n));
    sl_res opened =
        sl_open_chunk(&object->seal, chunk, sl_view_of(object->sealed, n), object->plain, &plain_n);
    if (!sl_ok(opened) || plain_n + SL_SEAL_TAG_BYTES != n) {
        return sl_fail_at(SL_E_INTEGRITY, "chunk", chunk);
    }
    object->plain_n = plain_n;
    object->cached = chunk;
    return SL_DONE;
}

sl_res sl_object_read(sl_object *object, uint64_t offset, uint8_t *p, size_t n, size_t *ret_n)
{
    size_t done = 0;
    while (done < n && offset < object->bytes) {
        size_t from = (size_t)(offset % SL_SEAL_CHUNK_BYTES);
        sl_res loaded = load_chunk(object, offset / SL_SEAL_CHUNK_BYTES);
        if (!sl_ok(loaded)) {
            sl_wipe(p, done);
            return loaded;
        }
        size_t take = object->plain_n - from;
        take = take < n - done ? take : n - done;
        memcpy(p + done, object->plain + from, take);
        done += take;
        offset += take;
    }
    *ret_n = done;
    return SL_DONE;
}

sl_res sl_object_verify(int vault_fd, const sl_manifest *manifest, sl_object_part part,
                        const sl_digest *root)
{
    const sl_part_facts *facts = &manifest->parts[part];
    uint8_t sealed[SL_SEAL_SEALED_CHUNK_BYTES];
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    SL_OWN(int, fd, sl_fd_close) = -1;
    SL_OWN(sl_buf, leaves, sl_buf_free) = { 0 };
    SL_OWN(sl_hasher, hasher, sl_hasher_free) = { 0 };
    SL_NEED(facts->present, SL_E_NOT_FOUND);
    SL_TRY(sl_object_dir(vault_fd, &manifest->ref, &dir_fd));
    SL_TRY(read_tree(dir_fd, part, facts->chunks, root, &hasher, &leaves));
    SL_TRY(open_part(dir_fd, part, facts, &fd));
    for (uint64_t chunk = 0; chunk < facts->chunks; chunk++) {
        size_t n = 0;
        SL_TRY(
            read_chunk(fd, facts->plain_bytes, chunk, sl_buf_view(&leaves), &hasher, sealed, &n));
    }
    return SL_DONE;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

static sl_res collect(DIR *dir, char ***ret_names, size_t *ret_count)
{
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (!sl_object_name_ok(sl_view_str(entry->d_name))) {
            continue;
        }
        char **more = reallocarray(*ret_names, *ret_count + 1, sizeof **ret_names);
        SL_NEED(more != NULL, SL_E_MEMORY);
        *ret_names = more;
        (*ret_names)[*ret_count] = strdup(entry->d_name);
        SL_NEED((*ret_names)[*ret_count] != NULL, SL_E_MEMORY);
        (*ret_count)++;
    }
    return SL_DONE;
}

sl_res sl_vault_list(int vault_fd, const char *compartment, const char *object,
                     sl_res (*each)(void *ctx, const char *name), void *ctx)
{
    char path[SL_OBJECT_PATH_BYTES_MAX];
    int fd = -1;
    (void)snprintf(path, sizeof path, "%s%s%s", compartment == NULL ? "." : compartment,
                   object == NULL ? "" : "/", object == NULL ? "" : object);
    SL_TRY(sl_dir_open(vault_fd, path, &fd));
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        sl_fd_close(&fd);
        return sl_fail_os(SL_E_IO, "list");
    }
    char **names = NULL;
    size_t count = 0;
    sl_res r = collect(dir, &names, &count);
    (void)closedir(dir);
    if (sl_ok(r) && count != 0) {
        qsort(names, count, sizeof *names, by_bytes);
    }
    for (size_t i = 0; i < count && sl_ok(r); i++) {
        r = each(ctx, names[i]);
    }
    free_names(names, count);
    return r;
}

typedef struct {
    int vault_fd;
    const char *compartment;
    const char *object;
    sl_res (*each)(void *ctx, const char *compartment, const char *object, uint64_t version);
    void *ctx;
} walk;

static sl_res walk_version(void *ctx, const char *name)
{
    const walk *w = ctx;
    uint64_t version = 0;
    bool is_version = sl_ok(sl_parse_u64(sl_view_str(name), INT64_MAX, &version));
    return is_version ? w->each(w->ctx, w->compartment, w->object, version) : SL_DONE;
}

static sl_res walk_object(void *ctx, const char *name)
{
    walk *w = ctx;
    w->object = name;
    return sl_vault_list(w->vault_fd, w->compartment, name, walk_version, w);
}

static sl_res walk_compartment(void *ctx, const char *name)
{
    walk *w = ctx;
    w->compartment = name;
    return sl_vault_list(w->vault_fd, name, NULL, walk_object, w);
}

sl_res sl_vault_each(int vault_fd, const char *compartment,
                     sl_res (*each)(void *ctx, const char *compartment, const char *object,
                                    uint64_t version),
                     void *ctx)
{
    walk w = { .vault_fd = vault_fd, .each = each, .ctx = ctx };
    return compartment == NULL ? sl_vault_list(vault_fd, NULL, NULL, walk_compartment, &w)
                               : walk_compartment(&w, compartment);
}

static sl_res keep_newest(void *ctx, const char *name)
{
    uint64_t version = 0;
    uint64_t *newest = ctx;
    if (sl_ok(sl_parse_u64(sl_view_str(name), INT64_MAX, &version)) && version > *newest) {
        *newest = version;
    }
    return SL_DONE;
}

sl_res sl_object_newest(int vault_fd, const char *compartment, const char *object,
                        uint64_t *ret_version)
{
    *ret_version = 0;
    SL_NEED(sl_object_name_ok(sl_view_str(compartment)), SL_E_SYNTAX);
    SL_NEED(sl_object_name_ok(sl_view_str(object)), SL_E_SYNTAX);
    sl_res listed = sl_vault_list(vault_fd, compartment, object, keep_newest, ret_version);
    return sl_is(listed, SL_E_NOT_FOUND) ? SL_DONE : listed;
}
