/* Replays recorded crossings against the door's core with real detection: what it forwards, what the
 * client gets and what the leaves say must be, byte for byte, what the transcript says, however the
 * model server's bytes are cut. The transcripts and how to add one: golden/README.md.
 *
 *   test_ask_golden                 replays all transcripts
 *   test_ask_golden --write FILE... writes what the door does now into transcripts, to be read and
 *                                   committed like code */
#include "rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"

#define FOLDER SL_SOURCE_ROOT "/tests/doors/ask/golden"

typedef struct {
    sl_buf text; /* of the file */
    sl_json_doc doc;
    sl_buf upstream;
} transcript;

typedef struct {
    const char *name;
    const sl_buf *is;
} outcome;

static void transcript_free(transcript *t)
{
    sl_json_doc_free(&t->doc);
    sl_buf_free(&t->text);
    sl_buf_free(&t->upstream);
}

static const sl_json_node *member(const transcript *t, const char *name)
{
    return sl_json_get(&t->doc, sl_json_root(&t->doc), name);
}

/* The lines of an array, each but the last followed by a line feed. */
static void join_lines(const transcript *t, const char *name, sl_buf *out)
{
    const sl_json_node *list = member(t, name);
    sl_json_iter it = { 0 };
    bool more = false;
    while (list != NULL && sl_json_each(&t->doc, list, &it)) {
        assert_done(more ? sl_buf_add_byte(out, '\n') : SL_DONE);
        assert_done(sl_json_add_text(it.value, out));
        more = true;
    }
}

static void open_transcript(const char *path, transcript *t)
{
    *t = (transcript){ .text = { .max = 1 << 20 }, .upstream = { .max = 1 << 20 } };
    assert_done(sl_file_read(AT_FDCWD, path, &t->text));
    sl_res r = sl_json_parse(sl_buf_view(&t->text), &t->doc);
    if (!sl_ok(r)) {
        print_error("%s does not parse at byte %zu\n", path, (size_t)sl_detail_get()->offset);
    }
    assert_done(r);
    join_lines(t, "upstream", &t->upstream);
}

static void play(real_rig *all, const transcript *t, size_t step)
{
    SL_OWN(sl_buf, body, sl_buf_free) = { .max = 1 << 20 };
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 256 };
    rig *r = &all->r;
    r->next_index = 100;
    assert_done(sl_json_add_text(member(t, "path"), &path));
    assert_done(sl_buf_add(&body, sl_json_source(&t->doc, member(t, "request"))));
    rig_post(r, sl_buf_cstr(&path), sl_buf_cstr(&body));
    if (r->connects != 0) {
        rig_upstream(r, sl_buf_view(&t->upstream), step);
        if (!sl_ask_door_over(r->door)) {
            rig_upstream_closes(r);
        }
    }
    assert_true(sl_ask_door_over(r->door));
}

static void compare(const transcript *t, const char *path, const outcome *o)
{
    SL_OWN(sl_buf, want, sl_buf_free) = { .max = 1 << 20 };
    join_lines(t, o->name, &want);
    if (!sl_view_eq(sl_buf_view(&want), sl_buf_view(o->is))) {
        print_error("%s: %s is not as recorded\n--- recorded\n%.*s\n--- now\n%.*s\n", path, o->name,
                    SL_FMT(sl_buf_view(&want)), SL_FMT(sl_buf_view(o->is)));
        fail();
    }
}

static void replay(real_rig *all, const char *path)
{
    static const size_t steps[] = { 1 << 20, 1, 7, 50 };
    transcript t;
    open_transcript(path, &t);
    for (size_t i = 0; i < SL_COUNT_OF(steps); i++) {
        play(all, &t, steps[i]);
        outcome now[] = { { "forward", &all->r.upstream },
                          { "client", &all->r.client },
                          { "leaves", &all->r.leaves } };
        for (size_t k = 0; k < SL_COUNT_OF(now); k++) {
            compare(&t, path, &now[k]);
        }
    }
    transcript_free(&t);
}

static void every_transcript_is_as_recorded(void **state)
{
    real_rig all;
    size_t n = 0;
    DIR *dir = opendir(FOLDER);
    assert_non_null(dir);
    real_rig_init(&all);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (sl_view_ends(sl_view_str(e->d_name), SL_LIT(".json"))) {
            char path[4096];
            (void)snprintf(path, sizeof path, "%s/%s", FOLDER, e->d_name);
            replay(&all, path);
            n++;
        }
    }
    assert_true(n >= 10);
    (void)closedir(dir);
    real_rig_free(&all);
}

/* ---- recording ---- */

static void put_lines(sl_buf *out, const char *name, sl_view text)
{
    assert_done(sl_buf_addf(out, ",\n  \"%s\": [", name));
    for (bool more = false; text.n != 0; more = true) {
        sl_view line;
        bool ends = sl_view_cut(text, '\n', &line, &text);
        sl_json_writer w;
        assert_done(sl_buf_add_str(out, more ? ",\n    " : "\n    "));
        sl_json_writer_init(&w, out);
        sl_json_string(&w, line.n == 0 ? SL_LIT("") : line);
        assert_done(sl_json_finish(&w));
        if (ends && text.n == 0) {
            assert_done(sl_buf_add_str(out, ",\n    \"\""));
        }
    }
    assert_done(sl_buf_add_str(out, "\n  ]"));
}

static void record(real_rig *all, const char *path)
{
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 1 << 20 };
    transcript t;
    open_transcript(path, &t);
    play(all, &t, 50);
    static const char *const kept[] = { "about", "path", "request" };
    for (size_t i = 0; i < SL_COUNT_OF(kept); i++) {
        assert_done(sl_buf_addf(&out, "%s\n  \"%s\": ", i == 0 ? "{" : ",", kept[i]));
        assert_done(sl_buf_add(&out, sl_json_source(&t.doc, member(&t, kept[i]))));
    }
    put_lines(&out, "upstream", sl_buf_view(&t.upstream));
    put_lines(&out, "forward", sl_buf_view(&all->r.upstream));
    put_lines(&out, "client", sl_buf_view(&all->r.client));
    put_lines(&out, "leaves", sl_buf_view(&all->r.leaves));
    assert_done(sl_buf_add_str(&out, "\n}\n"));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(out.p, 1, out.n, file), out.n);
    assert_int_equal(fclose(file), 0);
    transcript_free(&t);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_transcript_is_as_recorded) };
    if (argc < 2 || strcmp(argv[1], "--write") != 0) {
        return cmocka_run_group_tests(tests, NULL, NULL);
    }
    real_rig all;
    real_rig_init(&all);
    for (int i = 2; i < argc; i++) {
        record(&all, argv[i]);
    }
    real_rig_free(&all);
    return 0;
}
