/* Writing objects (object.h): everything goes into a hidden folder, is made durable there, and comes
 * into sight by one rename that refuses to replace. Whatever fails, the folder goes away. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "vault/object_internal.h"

/* "COMPARTMENT/OBJECT" or "COMPARTMENT/.incoming" */
#define SL_OBJECT_ABOVE_BYTES_MAX (2 * SL_NAME_BYTES_MAX + 16)

struct sl_draft {
    int vault_fd; /* borrowed */
    int dir_fd;   /* the hidden folder */
    int data_fd;  /* the part being written */
    char hidden[SL_OBJECT_PATH_BYTES_MAX];
    uint8_t key[SL_SEAL_KEY_BYTES];
    sl_manifest manifest;
    bool writing;
    bool settled;
    bool committed;
    sl_object_part part;
    sl_seal seal;
    sl_hasher hasher;
    sl_buf sealed; /* ciphertext on its way to the file */
    sl_buf leaves; /* hashes of the part's chunks */
};

static sl_res fail_disk(const char *what)
{
    return sl_fail_os(errno == ENOSPC || errno == EDQUOT ? SL_E_DISK_FULL : SL_E_IO, what);
}

static sl_res make_folder(int vault_fd, const char *path)
{
    if (mkdirat(vault_fd, path, 0755) != 0 && errno != EEXIST) {
        return fail_disk("folder");
    }
    return SL_DONE;
}

static sl_res make_hidden(sl_draft *draft)
{
    const sl_object_ref *ref = &draft->manifest.ref;
    char above[SL_OBJECT_ABOVE_BYTES_MAX];
    SL_TRY(make_folder(draft->vault_fd, ref->compartment));
    (void)snprintf(above, sizeof above, "%s/.incoming", ref->compartment);
    SL_TRY(make_folder(draft->vault_fd, above));
    (void)snprintf(draft->hidden, sizeof draft->hidden, "%s/%s.%llu", above, ref->uid,
                   (unsigned long long)ref->version);
    if (mkdirat(draft->vault_fd, draft->hidden, 0755) != 0) {
        sl_res failed = errno == EEXIST ? sl_fail_os(SL_E_EXISTS, "draft") : fail_disk("draft");
        draft->hidden[0] = 0; /* not ours to remove */
        return failed;
    }
    return sl_dir_open(draft->vault_fd, draft->hidden, &draft->dir_fd);
}

sl_res sl_draft_begin(int vault_fd, const sl_object_ref *ref, const uint8_t key[SL_SEAL_KEY_BYTES],
                      sl_draft **ret_draft)
{
    char path[SL_OBJECT_PATH_BYTES_MAX];
    SL_TRY(sl_object_ref_check(ref));
    SL_TRY(sl_object_path(ref, path));
    if (sl_path_exists(vault_fd, path)) {
        return sl_fail_at(SL_E_EXISTS, "version", ref->version);
    }
    SL_OWN(sl_draft *, draft, sl_draft_free) = calloc(1, sizeof *draft);
    SL_NEED(draft != NULL, SL_E_MEMORY);
    draft->vault_fd = vault_fd;
    draft->dir_fd = -1;
    draft->data_fd = -1;
    draft->manifest.ref = *ref;
    draft->sealed.max = 2 * SL_READER_PIECE_BYTES;
    draft->leaves.max = sl_sealed_chunks(SL_OBJECT_BYTES_MAX) * SL_DIGEST_BYTES;
    memcpy(draft->key, key, sizeof draft->key);
    SL_TRY(make_hidden(draft));
    *ret_draft = draft;
    draft = NULL;
    return SL_DONE;
}

static sl_res create(sl_draft *draft, const char *name, int *ret_fd)
{
    int fd =
        openat(draft->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
    if (fd < 0) {
        return fail_disk("part");
    }
    *ret_fd = fd;
    return SL_DONE;
}

static sl_res write_out(int fd, sl_view bytes)
{
    return sl_ok(sl_fd_write_all(fd, bytes)) ? SL_DONE : fail_disk("part");
}

sl_res sl_draft_part(sl_draft *draft, sl_object_part part, const uint8_t salt[SL_SEAL_SALT_BYTES])
{
    char name[32];
    SL_OWN(sl_buf, context, sl_buf_free) = { .max = SL_SEAL_CONTEXT_BYTES_MAX };
    assert(!draft->writing && !draft->settled && !draft->manifest.parts[part].present);
    SL_TRY(sl_object_context(&draft->manifest.ref, part, &context));
    sl_object_file_name(part, false, name);
    SL_TRY(create(draft, name, &draft->data_fd));
    sl_buf_clear(&draft->sealed);
    sl_buf_clear(&draft->leaves);
    SL_TRY(sl_seal_begin(&draft->seal, draft->key, salt, sl_buf_view(&context), &draft->sealed));
    SL_TRY(write_out(draft->data_fd, sl_buf_view(&draft->sealed)));
    sl_buf_clear(&draft->sealed);
    draft->part = part;
    draft->writing = true;
    return SL_DONE;
}

/* Writes the sealed chunks at hand and keeps their hashes. */
static sl_res flush(sl_draft *draft)
{
    sl_view sealed = sl_buf_view(&draft->sealed);
    for (size_t at = 0; at < sealed.n; at += SL_SEAL_SEALED_CHUNK_BYTES) {
        sl_view chunk = sl_view_sub(sealed, at, at + SL_SEAL_SEALED_CHUNK_BYTES);
        sl_digest leaf = sl_merkle_leaf(&draft->hasher, chunk);
        SL_TRY(sl_buf_add(&draft->leaves, sl_digest_view(&leaf)));
    }
    SL_TRY(write_out(draft->data_fd, sealed));
    sl_buf_clear(&draft->sealed);
    return SL_DONE;
}

sl_res sl_draft_add(sl_draft *draft, sl_view plain)
{
    sl_part_facts *facts = &draft->manifest.parts[draft->part];
    assert(draft->writing);
    if (plain.n > SL_OBJECT_BYTES_MAX - facts->plain_bytes) {
        return sl_fail_at(SL_E_LIMIT, "object", SL_OBJECT_BYTES_MAX);
    }
    for (size_t at = 0; at < plain.n; at += SL_READER_PIECE_BYTES) {
        sl_view piece = sl_view_sub(plain, at, at + SL_READER_PIECE_BYTES);
        SL_TRY(sl_seal_add(&draft->seal, piece, &draft->sealed));
        SL_TRY(flush(draft));
        facts->plain_bytes += piece.n;
    }
    return SL_DONE;
}

static sl_res sync_file(int fd)
{
    return fsync(fd) == 0 ? SL_DONE : fail_disk("sync");
}

static sl_res write_file(sl_draft *draft, const char *name, sl_view content)
{
    SL_OWN(int, fd, sl_fd_close) = -1;
    SL_TRY(create(draft, name, &fd));
    SL_TRY(write_out(fd, content));
    return sync_file(fd);
}

sl_res sl_draft_end_part(sl_draft *draft)
{
    char name[32];
    sl_part_facts *facts = &draft->manifest.parts[draft->part];
    assert(draft->writing);
    SL_TRY(sl_seal_end(&draft->seal, &draft->sealed));
    SL_TRY(flush(draft));
    SL_TRY(sync_file(draft->data_fd));
    sl_fd_close(&draft->data_fd);
    facts->chunks = draft->leaves.n / SL_DIGEST_BYTES;
    assert(facts->chunks == sl_sealed_chunks(facts->plain_bytes));
    facts->root = sl_object_root(&draft->hasher, sl_buf_view(&draft->leaves));
    sl_object_file_name(draft->part, true, name);
    SL_TRY(write_file(draft, name, sl_buf_view(&draft->leaves)));
    sl_seal_free(&draft->seal);
    facts->present = true;
    draft->writing = false;
    return SL_DONE;
}

sl_res sl_draft_add_file(sl_draft *draft, int fd, uint64_t bytes,
                         const uint8_t salt[SL_SEAL_SALT_BYTES], const sl_digest *expected)
{
    SL_OWN(sl_buf, piece, sl_buf_free) = { .max = SL_READER_PIECE_BYTES };
    SL_OWN(sl_hasher, hasher, sl_hasher_free) = { 0 };
    SL_TRY(sl_buf_reserve(&piece, SL_READER_PIECE_BYTES));
    SL_TRY(sl_draft_part(draft, SL_PART_DATA, salt));
    sl_hasher_start(&hasher);
    for (uint64_t at = 0; at < bytes; at += piece.n) {
        piece.n = bytes - at < SL_READER_PIECE_BYTES ? (size_t)(bytes - at) : SL_READER_PIECE_BYTES;
        SL_TRY(sl_fd_pread_all(fd, piece.p, piece.n, at));
        sl_hasher_add(&hasher, sl_buf_view(&piece));
        SL_TRY(sl_draft_add(draft, sl_buf_view(&piece)));
    }
    sl_digest digest = sl_hasher_end(&hasher);
    if (!sl_digest_eq(&digest, expected)) {
        return sl_fail_at(SL_E_AGAIN, "file", SL_NOWHERE);
    }
    return sl_draft_end_part(draft);
}

sl_res sl_draft_settle(sl_draft *draft, sl_manifest *ret_manifest)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = SL_MANIFEST_BYTES_MAX };
    assert(!draft->writing && draft->manifest.parts[SL_PART_DATA].present);
    sl_wipe(draft->key, sizeof draft->key);
    SL_TRY(sl_manifest_write(&draft->manifest, &text));
    draft->manifest.digest = sl_sha256(sl_buf_view(&text));
    SL_TRY(write_file(draft, "manifest", sl_buf_view(&text)));
    SL_TRY(sync_file(draft->dir_fd));
    draft->settled = true;
    *ret_manifest = draft->manifest;
    return SL_DONE;
}

sl_res sl_draft_commit(sl_draft *draft)
{
    char path[SL_OBJECT_PATH_BYTES_MAX];
    char above[SL_OBJECT_ABOVE_BYTES_MAX];
    const sl_object_ref *ref = &draft->manifest.ref;
    assert(draft->settled && !draft->committed);
    SL_TRY(sl_object_path(ref, path));
    (void)snprintf(above, sizeof above, "%s/%s", ref->compartment, ref->object);
    SL_TRY(make_folder(draft->vault_fd, above));
    /* The names above must be durable before what stands below them counts. */
    SL_TRY(sl_dir_sync(draft->vault_fd, ref->compartment));
    SL_TRY(sl_dir_sync(draft->vault_fd, "."));
    if (renameat2(draft->vault_fd, draft->hidden, draft->vault_fd, path, RENAME_NOREPLACE) != 0) {
        return errno == EEXIST ? sl_fail_os(SL_E_EXISTS, "version") : fail_disk("rename");
    }
    if (!sl_ok(sl_dir_sync(draft->vault_fd, above))) {
        /* In sight but perhaps not durable: take it back, so that failure means absence. */
        sl_res failed = fail_disk("sync");
        (void)renameat2(draft->vault_fd, path, draft->vault_fd, draft->hidden, RENAME_NOREPLACE);
        return failed;
    }
    draft->committed = true;
    return SL_DONE;
}

void sl_draft_retract(sl_draft *draft)
{
    char path[SL_OBJECT_PATH_BYTES_MAX];
    if (draft == NULL || !draft->committed || !sl_ok(sl_object_path(&draft->manifest.ref, path))) {
        return;
    }
    int moved = renameat2(draft->vault_fd, path, draft->vault_fd, draft->hidden, RENAME_NOREPLACE);
    draft->committed = moved != 0;
}

static void remove_folder(int at_fd, const char *path)
{
    static const char *const others[] = { "manifest" };
    SL_OWN(int, dir_fd, sl_fd_close) = -1;
    if (!sl_ok(sl_dir_open(at_fd, path, &dir_fd))) {
        return;
    }
    for (size_t i = 0; i < SL_PART_COUNT; i++) {
        char name[32];
        sl_object_file_name((sl_object_part)i, false, name);
        (void)unlinkat(dir_fd, name, 0);
        sl_object_file_name((sl_object_part)i, true, name);
        (void)unlinkat(dir_fd, name, 0);
    }
    for (size_t i = 0; i < SL_COUNT_OF(others); i++) {
        (void)unlinkat(dir_fd, others[i], 0);
    }
    (void)unlinkat(at_fd, path, AT_REMOVEDIR);
}

/* An object's folder without versions says nothing and would only confuse a listing. */
static void remove_empty_object(int vault_fd, const sl_object_ref *ref)
{
    char above[SL_OBJECT_ABOVE_BYTES_MAX];
    (void)snprintf(above, sizeof above, "%s/%s", ref->compartment, ref->object);
    (void)unlinkat(vault_fd, above, AT_REMOVEDIR);
}

sl_res sl_object_remove(int vault_fd, const sl_object_ref *ref)
{
    char path[SL_OBJECT_PATH_BYTES_MAX];
    char above[SL_OBJECT_ABOVE_BYTES_MAX];
    SL_TRY(sl_object_ref_check(ref));
    SL_TRY(sl_object_path(ref, path));
    remove_folder(vault_fd, path);
    if (sl_path_exists(vault_fd, path)) {
        return fail_disk("version");
    }
    (void)snprintf(above, sizeof above, "%s/%s", ref->compartment, ref->object);
    sl_res synced = sl_dir_sync(vault_fd, above);
    remove_empty_object(vault_fd, ref);
    return sl_is(synced, SL_E_NOT_FOUND) ? SL_DONE : synced;
}

void sl_draft_free(sl_draft **draft_at)
{
    sl_draft *draft = *draft_at;
    if (draft == NULL) {
        return;
    }
    sl_fd_close(&draft->data_fd);
    sl_fd_close(&draft->dir_fd);
    if (!draft->committed && draft->hidden[0] != 0) {
        remove_folder(draft->vault_fd, draft->hidden);
        remove_empty_object(draft->vault_fd, &draft->manifest.ref);
    }
    sl_seal_free(&draft->seal);
    sl_hasher_free(&draft->hasher);
    sl_buf_free(&draft->sealed);
    sl_buf_free(&draft->leaves);
    sl_wipe(draft->key, sizeof draft->key);
    free(draft);
    *draft_at = NULL;
}

sl_res sl_drafts_sweep(int vault_fd, const char *compartment, size_t *ret_removed)
{
    char path[SL_OBJECT_PATH_BYTES_MAX];
    int fd = -1;
    SL_NEED(sl_object_name_ok(sl_view_str(compartment)), SL_E_SYNTAX);
    (void)snprintf(path, sizeof path, "%s/.incoming", compartment);
    *ret_removed = 0;
    sl_res opened = sl_dir_open(vault_fd, path, &fd);
    if (!sl_ok(opened)) {
        return sl_is(opened, SL_E_NOT_FOUND) ? SL_DONE : opened;
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        sl_fd_close(&fd);
        return sl_fail_os(SL_E_IO, "drafts");
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            remove_folder(dirfd(dir), entry->d_name);
            (*ret_removed)++;
        }
    }
    (void)closedir(dir);
    return SL_DONE;
}
