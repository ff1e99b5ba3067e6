/* Answers of a hostile model server against the whole door. The first byte chooses the dialect,
 * whether the request asked for a stream, and whether a right HTTP head stands in front; the second
 * how the bytes are cut into reads. Whatever comes: the crossing ends, and the client gets the same
 * bytes however they were cut (P1). */
#include "ask_fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Compiling the patterns takes longer than one input may. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return fuzz_site() == NULL;
}

static const char *request_for(const sl_ask_dialect *dialect, bool stream)
{
    if (dialect == &sl_ask_openai_completions) {
        return stream ? "{\"model\":\"m\",\"prompt\":\"x\",\"n\":2,\"stream\":true}"
                      : "{\"model\":\"m\",\"prompt\":\"x\",\"n\":2}";
    }
    if (dialect == &sl_ask_openai_embeddings) {
        return "{\"model\":\"m\",\"input\":[\"x\"]}";
    }
    if (dialect == &sl_ask_openai_responses) {
        return stream ? "{\"model\":\"m\",\"input\":\"x\",\"stream\":true,\"tools\":[{\"type\":"
                        "\"function\",\"name\":\"find\"}]}"
                      : "{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"function\","
                        "\"name\":\"find\"}]}";
    }
    if (dialect == &sl_ask_anthropic_messages) {
        return stream
                   ? "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[],\"stream\":true,\"tools\":"
                     "[{\"name\":\"find\",\"input_schema\":{}}]}"
                   : "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[],\"tools\":[{\"name\":"
                     "\"find\",\"input_schema\":{}}]}";
    }
    return stream ? "{\"model\":\"m\",\"messages\":[],\"n\":2,\"stream\":true,\"tools\":[{\"type\":"
                    "\"function\",\"function\":{\"name\":\"find\"}}]}"
                  : "{\"model\":\"m\",\"messages\":[],\"n\":2,\"tools\":[{\"type\":\"function\","
                    "\"function\":{\"name\":\"find\"}}]}";
}

static void cross(const sl_ask_dialect *dialect, bool stream, bool head, sl_view answer,
                  size_t step, fuzz_run *r)
{
    static const char events[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    static const char json[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
    SL_OWN(sl_buf, request, sl_buf_free) = { .max = 65536 };
    fuzz_begin(r);
    fuzz_wrap(&request, dialect->path, sl_view_str(request_for(dialect, stream)));
    fuzz_client(r, sl_buf_view(&request), request.n);
    assert(r->connected);
    if (head) {
        sl_ask_door_upstream_bytes(r->door, sl_view_str(stream ? events : json), FUZZ_NOW);
        fuzz_pump(r);
    }
    for (size_t at = 0; at < answer.n; at += step) {
        sl_ask_door_upstream_bytes(r->door, sl_view_sub(answer, at, at + step), FUZZ_NOW);
        fuzz_pump(r);
    }
    sl_ask_door_upstream_gone(r->door, FUZZ_NOW);
    fuzz_pump(r);
    assert(sl_ask_door_over(r->door));
    assert(r->leaves == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 32768) {
        return 0;
    }
    size_t count = 0;
    const sl_ask_dialect *const *dialects = sl_ask_dialects(&count);
    const sl_ask_dialect *dialect = dialects[(data[0] >> 2) % count];
    bool stream = (data[0] & 1) != 0 && dialect != &sl_ask_openai_embeddings;
    bool head = (data[0] & 2) != 0;
    sl_view answer = sl_view_of(data + 2, size - 2);
    fuzz_run whole;
    fuzz_run cut;
    cross(dialect, stream, head, answer, answer.n, &whole);
    cross(dialect, stream, head, answer, 1 + (size_t)data[1] % 97, &cut);
    assert(sl_view_eq(sl_buf_view(&whole.client), sl_buf_view(&cut.client)));
    fuzz_end(&whole);
    fuzz_end(&cut);
    return 0;
}
