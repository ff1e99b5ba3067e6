/* The check language: any bytes parse or are refused, and what parses can be asked. */
#include "assure/evaluate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sl_view text = sl_view_of(data, size);
    SL_OWN(sl_arena, arena, sl_arena_free) = { .max = 1 * SL_MIB };
    sl_query query;
    if (!sl_ok(sl_query_parse(text, &arena, &query))) {
        return 0;
    }
    sl_evaluator *evaluator = NULL;
    sl_asked asked = { .ttl_ms = 3600000 };
    if (!sl_ok(sl_evaluator_new(&query, &asked, NULL, NULL, &evaluator))) {
        return 0;
    }
    static const char leaf_text[] =
        "{\"by\":\"ask\",\"event\":{\"fields\":{\"a\":1,\"b\":\"x\",\"count\":2,\"ok\":true},"
        "\"type\":\"t.a\"},\"time\":1000000,\"v\":1}";
    sl_json_doc doc = { 0 };
    if (sl_ok(sl_json_parse(sl_view_str(leaf_text), &doc))) {
        sl_evidence leaf = { query.first.type, 1000000, 1, &doc };
        sl_res r = sl_evaluator_feed(evaluator, &leaf);
        (void)r.code;
    }
    sl_subject subject = { SL_LIT("x"), SL_LIT("live"), SL_LIT("") };
    (void)sl_evaluator_answer(evaluator, 1000001, &subject, 1, true);
    sl_json_doc_free(&doc);
    sl_evaluator_free(evaluator);
    return 0;
}
