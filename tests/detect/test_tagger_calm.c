/* Which tokens nobody asks about: running text alone, never what could belong to a name beside it. */
#include "test.h"

#include "base/limits.h"
#include "detect/tagger_calm.h"
#include "detect/tagger_words.h"

/* The text with each token that is asked about marked by a '|' before it. */
static void mark_asked(sl_view text, sl_buf *out)
{
    sl_tagger *tagger = NULL;
    sl_tag_tokens tokens = { 0 };
    size_t at = 0;
    assert_done(sl_tagger_open_default(&tagger));
    assert_done(sl_tag_tokenise(text, &tokens));
    for (size_t i = 0; i < tokens.n; i++) {
        sl_tag_token *t = &tokens.items[i];
        t->lists = sl_tag_lists_of(sl_tagger_model(tagger), t->lower);
        t->calm = sl_tag_calm(t, sl_view_sub(text, t->start, t->end));
    }
    for (size_t i = 0; i < tokens.n; i++) {
        assert_done(sl_buf_add(out, sl_view_sub(text, at, tokens.items[i].start)));
        at = tokens.items[i].start;
        assert_done(sl_tag_is_plain(&tokens, i) ? SL_DONE : sl_buf_add_byte(out, '|'));
    }
    assert_done(sl_buf_add(out, sl_view_sub(text, at, text.n)));
    free(tokens.items);
    sl_tagger_free(tagger);
}

static void names_and_their_neighbours_are_asked_about(void **state)
{
    static const struct {
        const char *text;
        const char *marked;
    } CASES[] = {
        /* Running text, and the beginning of a sentence; Pain is a surname too. */
        { "The pain was worse with exercise. She had been sleeping, and then it stopped again.",
          "|The |pain was worse with exercise. She had been sleeping, and then it stopped again|." },
        /* A name and what touches it; what a title or a relation announces. */
        { "The pain was worse when Kowalczyk examined him on the ward.",
          "|The |pain was worse |when |Kowalczyk |examined him on the |ward|." },
        { "The pain was seen by dr. stone and by her daughter grace then.",
          "|The |pain was |seen by |dr|. |stone and by her |daughter |grace |then|." },
        /* Initials, numbers, signs that join. */
        { "The pain of patient a. f. was noted in 2019 and a-b was not.",
          "|The |pain |of |patient |a|. |f|. was noted |in |2019 |and |a|-|b was not|." },
        /* A text without case has nothing that is calm. */
        { "the pain was worse with exercise", "|the |pain |was |worse |with |exercise" },
    };
    for (size_t i = 0; i < SL_COUNT_OF(CASES); i++) {
        SL_OWN(sl_buf, marked, sl_buf_free) = { .max = SL_MIB };
        mark_asked(sl_view_str(CASES[i].text), &marked);
        assert_string_equal(sl_buf_cstr(&marked), CASES[i].marked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_their_neighbours_are_asked_about),
    };
    return cmocka_run_group_tests_name("tagger calm", tests, NULL, NULL);
}
