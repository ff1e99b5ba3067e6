/* Fetching a ledger's files from a directory or over HTTP (reader.h). */
#include <curl/curl.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/reader.h"

enum { TIMEOUT_S = 30, URL_BYTES_MAX = 2048 };

typedef struct {
    sl_source source;
    int dir_fd;
} dir_source;

static sl_res fetch_file(sl_source *source, const char *path, sl_buf *out)
{
    return sl_file_read(((dir_source *)(void *)source)->dir_fd, path, out);
}

static void close_dir(sl_source *source)
{
    close(((dir_source *)(void *)source)->dir_fd);
    free(source);
}

static sl_res open_dir(const char *place, sl_source **ret)
{
    dir_source *s = calloc(1, sizeof *s);

    SL_NEED(s != NULL, SL_E_MEMORY);
    s->source = (sl_source){ fetch_file, close_dir };
    sl_res r = sl_dir_open(AT_FDCWD, place, &s->dir_fd);
    if (!sl_ok(r)) {
        free(s);
        return r;
    }
    *ret = &s->source;
    return SL_DONE;
}

typedef struct {
    sl_source source;
    CURL *curl;
    char prefix[URL_BYTES_MAX];
} url_source;

/* What a transfer fills; the buffer's ceiling ends a body that does not. */
typedef struct {
    sl_buf *out;
    sl_res result;
} transfer;

static size_t take(char *data, size_t size, size_t n, void *context)
{
    transfer *t = context;

    t->result = sl_buf_add(t->out, sl_view_of(data, size * n));
    return sl_ok(t->result) ? size * n : 0;
}

static sl_res fetch_url(sl_source *source, const char *path, sl_buf *out)
{
    url_source *s = (url_source *)(void *)source;
    transfer t = { out, SL_DONE };
    char url[URL_BYTES_MAX + SL_TILE_PATH_BYTES];
    size_t before = out->n;
    long status = 0;

    (void)snprintf(url, sizeof url, "%s/%s", s->prefix, path);
    curl_easy_setopt(s->curl, CURLOPT_URL, url);
    curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(s->curl, CURLOPT_WRITEDATA, &t);
    CURLcode done = curl_easy_perform(s->curl);
    curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
    if (done == CURLE_OK && status == 200) {
        return SL_DONE;
    }
    out->n = before;
    SL_TRY(t.result);
    if (done == CURLE_OK && status == 404) {
        return sl_fail_at(SL_E_NOT_FOUND, "ledger URL", SL_NOWHERE);
    }
    return sl_fail_at(SL_E_UNAVAILABLE, "ledger URL, HTTP status", (uint64_t)status);
}

static void close_url(sl_source *source)
{
    curl_easy_cleanup(((url_source *)(void *)source)->curl);
    free(source);
}

static sl_res open_url(const char *place, sl_source **ret)
{
    size_t n = strlen(place);
    url_source *s = calloc(1, sizeof *s);

    SL_NEED(s != NULL, SL_E_MEMORY);
    while (n > 0 && place[n - 1] == '/') {
        n--;
    }
    s->curl = n < sizeof s->prefix ? curl_easy_init() : NULL;
    if (s->curl == NULL) {
        free(s);
        return sl_fail(SL_E_LIMIT);
    }
    memcpy(s->prefix, place, n);
    s->source = (sl_source){ fetch_url, close_url };
    curl_easy_setopt(s->curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(s->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(s->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(s->curl, CURLOPT_USERAGENT, "stoplog");
    *ret = &s->source;
    return SL_DONE;
}

sl_res sl_source_open(const char *place, sl_source **ret)
{
    bool url = strncmp(place, "http://", 7) == 0 || strncmp(place, "https://", 8) == 0;

    return url ? open_url(place, ret) : open_dir(place, ret);
}

void sl_source_close(sl_source **source)
{
    if (*source != NULL) {
        (*source)->close(*source);
        *source = NULL;
    }
}
