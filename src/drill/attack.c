/* Attacks (attack.h): libcurl for the door, plain file calls for the rest. */
#include "drill/attack.h"

#include <curl/curl.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

enum { ANSWER_BYTES_MAX = 4 * 1024 * 1024, PATH_BYTES = 4096 };

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    return sl_ok(sl_buf_add(context, sl_view_of(bytes, size * count))) ? size * count : 0;
}

/* The id that the door gives the request; of several the last counts, as for any client. */
static size_t take_head(char *bytes, size_t size, size_t count, void *context)
{
    sl_attack_reply *reply = context;
    sl_view line = sl_view_of(bytes, size * count);
    sl_view name;
    sl_view value;
    bool whole = sl_view_cut(line, ':', &name, &value);
    while (value.n != 0 && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == '\n')) {
        value.n--;
    }
    value = sl_view_trim(value);
    if (whole && sl_view_eq_nocase(name, SL_LIT("x-request-id")) && value.n <= SL_ATTACK_ID_MAX) {
        memcpy(reply->id, value.p, value.n);
        reply->id[value.n] = '\0';
    }
    return size * count;
}

static sl_res write_request(const sl_attack_target *target, const char *prompt, sl_buf *body)
{
    sl_json_writer w;
    sl_json_writer_init(&w, body);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "model", target->model);
    sl_json_put_bool(&w, "stream", true);
    sl_json_key(&w, "messages");
    sl_json_array_begin(&w);
    sl_json_object_begin(&w);
    sl_json_put_str(&w, "role", "user");
    sl_json_put_str(&w, "content", prompt);
    sl_json_object_end(&w);
    sl_json_array_end(&w);
    sl_json_object_end(&w);
    return sl_json_finish(&w);
}

/* The content of one event of the stream; anything else adds nothing. */
static sl_res add_content(sl_view event, sl_buf *answer)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    if (!sl_ok(sl_json_parse(event, &doc))) {
        return SL_DONE;
    }
    sl_json_iter it = { 0 };
    const sl_json_node *choices = sl_json_get(&doc, sl_json_root(&doc), "choices");
    while (sl_json_each(&doc, choices, &it)) {
        const sl_json_node *delta = sl_json_get(&doc, it.value, "delta");
        const sl_json_node *text = sl_json_get_kind(&doc, delta, "content", SL_JSON_STRING);
        if (text != NULL) {
            SL_TRY(sl_json_add_text(text, answer));
        }
    }
    return SL_DONE;
}

static sl_res read_answer(sl_view body, sl_buf *answer)
{
    while (body.n > 0) {
        sl_view line;
        (void)sl_view_cut(body, '\n', &line, &body);
        if (sl_view_starts(line, SL_LIT("data: "))) {
            SL_TRY(add_content(sl_view_sub(line, 6, line.n), answer));
        }
    }
    return SL_DONE;
}

static sl_res perform(CURL *curl, const sl_attack_target *target, sl_buf *request, sl_buf *body,
                      sl_attack_reply *reply)
{
    char url[PATH_BYTES];
    char key[512];
    (void)snprintf(url, sizeof url, "%s/v1/chat/completions", target->url);
    (void)snprintf(key, sizeof key, "Authorization: Bearer %s", target->key);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, key);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)request->p);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->n);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_head);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, reply);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_perform(curl); /* a stream that was cut is an answer all the same */
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_slist_free_all(headers);
    return reply->status == 0 ? sl_fail_at(SL_E_UNAVAILABLE, "front", SL_NOWHERE) : SL_DONE;
}

sl_res sl_attack_chat(const sl_attack_target *target, const char *prompt, sl_buf *answer,
                      sl_attack_reply *ret_reply)
{
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = 1 * SL_MIB };
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = ANSWER_BYTES_MAX };
    SL_TRY(write_request(target, prompt, &request));
    CURL *curl = curl_easy_init();
    SL_NEED(curl != NULL, SL_E_MEMORY);
    sl_attack_reply reply = { 0 };
    sl_res r = perform(curl, target, &request, &body, &reply);
    curl_easy_cleanup(curl);
    SL_TRY(r);
    SL_TRY(read_answer(sl_buf_view(&body), answer));
    *ret_reply = reply;
    return SL_DONE;
}

/* The next letter or digit in lower case from `*at` on, or -1. Bytes beyond ASCII count as they are. */
static int next_sign(sl_view v, size_t *at)
{
    while (*at < v.n) {
        uint8_t c = v.p[(*at)++];
        if (c >= 'A' && c <= 'Z') {
            return c + 32;
        }
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80) {
            return c;
        }
    }
    return -1;
}

bool sl_attack_holds(sl_view text, sl_view value)
{
    size_t first = 0;
    if (next_sign(value, &first) < 0) {
        return false; /* nothing in it that could be recognised */
    }
    for (size_t start = 0; start < text.n; start++) {
        size_t t = start;
        size_t v = 0;
        int want = next_sign(value, &v);
        while (want >= 0 && next_sign(text, &t) == want) {
            want = next_sign(value, &v);
        }
        if (want < 0) {
            return true;
        }
    }
    return false;
}

sl_res sl_attack_flip(const char *path, uint64_t offset)
{
    SL_OWN(int, fd, sl_fd_close) = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return sl_fail_os(SL_E_NOT_FOUND, "file");
    }
    uint8_t byte = 0;
    SL_TRY(sl_fd_pread_all(fd, &byte, 1, offset));
    byte ^= 1;
    return sl_fd_pwrite_all(fd, sl_view_of(&byte, 1), offset);
}

static sl_res copy_file(const char *from, const char *to)
{
    SL_OWN(sl_buf, bytes, sl_buf_free) = { .max = 64 * SL_MIB };
    SL_TRY(sl_file_read(AT_FDCWD, from, &bytes));
    return sl_file_create(AT_FDCWD, to, sl_buf_view(&bytes), 0600);
}

/* Takes the last folder off the list of those still to be copied: lines of paths below the tree. */
static bool take_folder(sl_buf *folders, char ret_folder[PATH_BYTES])
{
    if (folders->n == 0) {
        return false;
    }
    size_t from = folders->n - 1; /* of the newline that ends it */
    while (from > 0 && folders->p[from - 1] != '\n') {
        from--;
    }
    size_t n = folders->n - 1 - from;
    memcpy(ret_folder, folders->p + from, n);
    ret_folder[n] = 0;
    folders->n = from;
    return true;
}

static bool join(char out[PATH_BYTES], const char *a, const char *b, const char *c)
{
    int n = snprintf(out, PATH_BYTES, "%s%s%s%s%s", a, b[0] == 0 ? "" : "/", b,
                     c[0] == 0 ? "" : "/", c);
    return n > 0 && n < PATH_BYTES;
}

/* One name of a folder: a file is copied, a folder put on the list, anything else left out. */
static sl_res copy_entry(const char *from, const char *to, const char *folder, const char *name,
                         sl_buf *folders)
{
    char source[PATH_BYTES];
    char target[PATH_BYTES];
    struct stat st;
    SL_NEED(join(source, from, folder, name) && join(target, to, folder, name), SL_E_LIMIT);
    if (lstat(source, &st) != 0) {
        return SL_DONE; /* it went away meanwhile */
    }
    if (S_ISREG(st.st_mode)) {
        return copy_file(source, target);
    }
    if (!S_ISDIR(st.st_mode)) {
        return SL_DONE;
    }
    SL_TRY(folder[0] == 0 ? SL_DONE : sl_buf_addf(folders, "%s/", folder));
    return sl_buf_addf(folders, "%s\n", name);
}

static sl_res copy_folder(const char *from, const char *to, const char *folder, sl_buf *folders)
{
    char source[PATH_BYTES];
    char target[PATH_BYTES];
    SL_NEED(join(source, from, folder, "") && join(target, to, folder, ""), SL_E_LIMIT);
    SL_TRY(sl_dir_make(AT_FDCWD, target, 0700));
    DIR *dir = opendir(source);
    if (dir == NULL) {
        return sl_fail_os(SL_E_NOT_FOUND, "directory");
    }
    sl_res r = SL_DONE;
    for (struct dirent *e = readdir(dir); e != NULL && sl_ok(r); e = readdir(dir)) {
        if (e->d_name[0] != '.') {
            r = copy_entry(from, to, folder, e->d_name, folders);
        }
    }
    (void)closedir(dir);
    return r;
}

sl_res sl_attack_copy_tree(const char *from, const char *to)
{
    struct stat st;
    SL_NEED(lstat(to, &st) != 0, SL_E_EXISTS);
    SL_OWN(sl_buf, folders, sl_buf_free) = { .max = 1 * SL_MIB };
    char folder[PATH_BYTES];
    SL_TRY(sl_buf_add_byte(&folders, '\n')); /* the tree itself */
    while (take_folder(&folders, folder)) {
        SL_TRY(copy_folder(from, to, folder, &folders));
    }
    return SL_DONE;
}
