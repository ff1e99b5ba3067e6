/* The witness's core (witness.h): a request in, a response out, state durable in between. */
#include "ledger/witness.h"

#include <inttypes.h>

static const char TEXT[] = "text/plain; charset=utf-8";
static const char SIZE_TYPE[] = "text/x.tlog.size";

static sl_res respond(sl_witness_response *ret, int status, const char *text)
{
    ret->status = status;
    ret->content_type = TEXT;
    return sl_buf_add_str(&ret->body, text);
}

static void state_path(const char *origin, char ret[80])
{
    sl_digest d = sl_sha256(sl_view_str(origin));
    char hex[2 * SL_DIGEST_BYTES + 1];

    sl_digest_hex(&d, hex);
    (void)snprintf(ret, 80, "log/%s", hex);
}

/* The last cosigned checkpoint of this origin; size 0 if there is none. */
static sl_res load_state(sl_witness *w, const char *origin, sl_checkpoint *ret, sl_buf *ret_note)
{
    char path[80];
    sl_note note;

    *ret = (sl_checkpoint){ .root = sl_tree_empty_root() };
    state_path(origin, path);
    sl_res r = w->disk->read(w->disk, path, ret_note);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        return SL_DONE;
    }
    SL_TRY(r);
    SL_TRY(sl_note_split(sl_buf_view(ret_note), &note));
    return sl_checkpoint_parse(note.text, ret);
}

typedef struct {
    uint64_t old_size;
    sl_proof proof;
    sl_view note;
    sl_checkpoint checkpoint;
    const sl_vkey *log;
} add_request;

static sl_res parse_add(sl_view body, add_request *ret)
{
    sl_view line;
    sl_note note;

    SL_NEED(sl_view_cut(body, '\n', &line, &body), SL_E_SYNTAX);
    SL_NEED(sl_view_starts(line, SL_LIT("old ")), SL_E_SYNTAX);
    SL_TRY(sl_parse_u64(sl_view_sub(line, 4, line.n), SL_TREE_SIZE_MAX, &ret->old_size));
    SL_TRY(sl_proof_parse_lines(&body, &ret->proof));
    ret->note = body;
    SL_TRY(sl_note_split(body, &note));
    return sl_checkpoint_parse(note.text, &ret->checkpoint);
}

static const sl_vkey *find_log(const sl_witness *w, const char *origin)
{
    for (size_t i = 0; i < w->logs_n; i++) {
        if (strcmp(w->logs[i].name, origin) == 0) {
            return &w->logs[i];
        }
    }
    return NULL;
}

/* Does the submitted tree begin with the one that was cosigned? */
static sl_res check_growth(const add_request *a, const sl_checkpoint *last)
{
    if (a->checkpoint.size == 0) {
        sl_digest empty = sl_tree_empty_root();
        SL_NEED(sl_digest_eq(&a->checkpoint.root, &empty), SL_E_INTEGRITY);
    }
    return sl_tree_check_growth(last->size, &last->root, a->checkpoint.size, &a->checkpoint.root,
                                &a->proof);
}

/* Persists the checkpoint with the log's signature and ours, then answers with ours. */
static sl_res cosign(sl_witness *w, const add_request *a, uint64_t now_s, sl_witness_response *ret)
{
    SL_OWN(sl_buf, kept, sl_buf_free) = { .max = 2 * SL_CHECKPOINT_BYTES_MAX };
    SL_OWN(sl_buf, line, sl_buf_free) = { .max = 4096 };
    char path[80];
    sl_note note;
    sl_note_line signature;

    SL_TRY(sl_note_split(a->note, &note));
    SL_TRY(sl_note_cosign_line(&line, note.text, sl_view_str(w->name), w->key, now_s));
    SL_TRY(sl_buf_add(&kept, note.text));
    SL_TRY(sl_buf_add_byte(&kept, '\n'));
    sl_view lines = note.signature_lines;
    for (bool more = true;;) {
        SL_TRY(sl_note_next_line(&lines, &more, &signature));
        if (!more) {
            break;
        }
        if (signature.id == a->log->id && sl_view_eq_str(signature.name, a->log->name)) {
            SL_TRY(sl_buf_add(&kept, signature.line));
        }
    }
    SL_TRY(sl_buf_add(&kept, sl_buf_view(&line)));
    state_path(a->checkpoint.origin, path);
    SL_TRY(w->disk->replace(w->disk, path, sl_buf_view(&kept), true));
    ret->status = 200;
    ret->content_type = TEXT;
    return sl_buf_add(&ret->body, sl_buf_view(&line));
}

static sl_res add_checkpoint(sl_witness *w, sl_view body, uint64_t now_s, sl_witness_response *ret)
{
    SL_OWN(sl_buf, last_note, sl_buf_free) = { .max = 2 * SL_CHECKPOINT_BYTES_MAX };
    add_request a = { 0 };
    sl_checkpoint last;
    sl_checkpoint opened;

    if (!sl_ok(parse_add(body, &a))) {
        return respond(ret, 400, "the request is malformed\n");
    }
    a.log = find_log(w, a.checkpoint.origin);
    if (a.log == NULL) {
        return respond(ret, 404, "this log is not known here\n");
    }
    if (!sl_ok(sl_checkpoint_open(a.note, a.log, &opened))) {
        return respond(ret, 403, "no good signature of the log\n");
    }
    if (a.old_size > a.checkpoint.size) {
        return respond(ret, 400, "the old size is larger than the new\n");
    }
    SL_TRY(load_state(w, a.checkpoint.origin, &last, &last_note));
    if (a.old_size != last.size) {
        ret->status = 409;
        ret->content_type = SIZE_TYPE;
        return sl_buf_addf(&ret->body, "%" PRIu64 "\n", last.size);
    }
    if (!sl_ok(check_growth(&a, &last))) {
        return respond(ret, 422, "the proof does not hold\n");
    }
    return cosign(w, &a, now_s, ret);
}

/* GET /<sha-256 of the origin>/checkpoint, for monitors. */
static sl_res monitor(sl_witness *w, sl_view path, sl_witness_response *ret)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = 2 * SL_CHECKPOINT_BYTES_MAX };
    sl_digest ignored;
    char name[80];

    bool fits = path.n == 1 + 64 + 11 && path.p[0] == '/' &&
                sl_ok(sl_digest_parse(sl_view_sub(path, 1, 65), &ignored)) &&
                sl_view_ends(path, SL_LIT("/checkpoint"));
    if (!fits) {
        return respond(ret, 404, "there is no such page\n");
    }
    (void)snprintf(name, sizeof name, "log/%.64s", (const char *)path.p + 1);
    sl_res r = w->disk->read(w->disk, name, &note);
    if (sl_is(r, SL_E_NOT_FOUND)) {
        return respond(ret, 404, "nothing was cosigned for this log\n");
    }
    SL_TRY(r);
    ret->status = 200;
    ret->content_type = TEXT;
    return sl_buf_add(&ret->body, sl_buf_view(&note));
}

sl_res sl_witness_answer(sl_witness *w, sl_view method, sl_view path, sl_view body, uint64_t now_s,
                         sl_witness_response *ret)
{
    ret->body.max = 2 * SL_CHECKPOINT_BYTES_MAX;
    sl_buf_clear(&ret->body);
    if (sl_view_eq_str(method, "POST") && sl_view_eq_str(path, "/add-checkpoint")) {
        return add_checkpoint(w, body, now_s, ret);
    }
    if (sl_view_eq_str(method, "GET")) {
        return monitor(w, path, ret);
    }
    return respond(ret, 404, "there is no such page\n");
}

sl_res sl_witness_request(uint64_t old_size, const sl_proof *proof, sl_view checkpoint, sl_buf *out)
{
    SL_TRY(sl_buf_addf(out, "old %" PRIu64 "\n", old_size));
    SL_TRY(sl_proof_add_lines(proof, out));
    SL_TRY(sl_buf_add_byte(out, '\n'));
    return sl_buf_add(out, checkpoint);
}
