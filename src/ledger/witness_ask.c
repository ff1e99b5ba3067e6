/* Asking a witness for its cosignature over HTTP (witness.h). */
#include <curl/curl.h>

#include "ledger/witness.h"

typedef struct {
    sl_buf body;
    long status;
} answer;

static size_t take(char *data, size_t size, size_t n, void *context)
{
    return sl_ok(sl_buf_add(context, sl_view_of(data, size * n))) ? size * n : 0;
}

static void drop_curl(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

/* "http://..." as it is; "unix:PATH" through that socket. */
static sl_res post(const char *url, sl_view body, answer *ret)
{
    SL_OWN(CURL *, curl, drop_curl) = curl_easy_init();
    char whole[2048];

    SL_NEED(curl != NULL, SL_E_MEMORY);
    SL_NEED(strlen(url) < sizeof whole - 64, SL_E_LIMIT);
    if (strncmp(url, "unix:", 5) == 0) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, url + 5);
        (void)snprintf(whole, sizeof whole, "http://localhost/add-checkpoint");
    } else {
        size_t n = strlen(url);
        (void)snprintf(whole, sizeof whole, "%.*s/add-checkpoint",
                       (int)(n > 0 && url[n - 1] == '/' ? n - 1 : n), url);
    }
    curl_easy_setopt(curl, CURLOPT_URL, whole);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "stoplog");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)body.p);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body.n);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &ret->body);
    sl_buf_clear(&ret->body);
    if (curl_easy_perform(curl) != CURLE_OK) {
        return sl_fail_at(SL_E_UNAVAILABLE, "witness", SL_NOWHERE);
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret->status);
    return SL_DONE;
}

static void drop_answer(answer *a)
{
    sl_buf_free(&a->body);
}

static sl_res ask_from(sl_reader *r, const char *url, uint64_t old_size, answer *ret)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = SL_WITNESS_REQUEST_BYTES_MAX };
    sl_proof proof;

    SL_TRY(sl_reader_growth(r, old_size, &proof));
    SL_TRY(sl_witness_request(old_size, &proof, sl_buf_view(&r->note), &body));
    return post(url, sl_buf_view(&body), ret);
}

/* The log's note with the witness's lines behind it, checked under both keys. */
static sl_res accept_cosignature(sl_reader *r, const sl_vkey *key, sl_view lines, sl_buf *ret_note,
                                 uint64_t *ret_time_s)
{
    SL_OWN(sl_buf, note, sl_buf_free) = { .max = 2 * SL_CHECKPOINT_BYTES_MAX };
    sl_vkey keys[2] = { r->key, *key };
    sl_note opened;

    SL_TRY(sl_buf_add(&note, sl_buf_view(&r->note)));
    SL_TRY(sl_buf_add(&note, lines));
    SL_TRY(sl_note_open(sl_buf_view(&note), keys, 2, &opened));
    SL_NEED(opened.verified == 3, SL_E_SIGNATURE);
    *ret_time_s = opened.time_s[1];
    return sl_buf_add(ret_note, sl_buf_view(&note));
}

/* Without what the witness last saw, the first question tells it: 409 and its size. */
static sl_res seen_by(const answer *a, const sl_reader *r, uint64_t *ret_seen)
{
    sl_view text = sl_buf_view(&a->body);

    if (text.n != 0 && text.p[text.n - 1] == '\n') {
        text.n--;
    }
    SL_TRY(sl_parse_u64(text, SL_TREE_SIZE_MAX, ret_seen));
    if (*ret_seen > r->checkpoint.size) {
        return sl_fail_at(SL_E_ROLLBACK, "size that the witness has seen", *ret_seen);
    }
    return SL_DONE;
}

sl_res sl_witness_ask(sl_reader *r, const char *url, const sl_vkey *key, sl_buf *ret_note,
                      uint64_t *ret_seen, uint64_t *ret_time_s)
{
    SL_OWN(answer, a, drop_answer) = { .body = { .max = SL_CHECKPOINT_BYTES_MAX } };

    *ret_seen = 0;
    SL_TRY(ask_from(r, url, 0, &a));
    if (a.status == 409) {
        SL_TRY(seen_by(&a, r, ret_seen));
        SL_TRY(ask_from(r, url, *ret_seen, &a));
    }
    if (a.status == 409) {
        /* It knows this very size under another root, or somebody else asked it meanwhile. */
        uint64_t again = 0;
        SL_TRY(seen_by(&a, r, &again));
        a.status = again == *ret_seen ? 422 : 503;
    }
    if (a.status == 422) {
        return sl_fail_at(SL_E_INTEGRITY, "history, which is another than the witness saw",
                          *ret_seen);
    }
    if (a.status == 404 || a.status == 403) {
        return sl_fail_at(SL_E_DENIED, "witness, which does not know this log", (uint64_t)a.status);
    }
    if (a.status != 200) {
        return sl_fail_at(SL_E_UNAVAILABLE, "witness, HTTP status", (uint64_t)a.status);
    }
    return accept_cosignature(r, key, sl_buf_view(&a.body), ret_note, ret_time_s);
}
