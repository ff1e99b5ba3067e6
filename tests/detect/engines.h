/* The engine set of detection tests: built once a program, with a small roster. */
#ifndef SL_TESTS_DETECT_ENGINES_H
#define SL_TESTS_DETECT_ENGINES_H

#include "test.h"

#include "detect/inspect.h"
#include "detect/roster.h"

typedef struct {
    sl_detect *detect;
    sl_scratch *scratch;
    sl_buf saved;
} engines;

static const uint8_t ENGINES_KEY[32] = {
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
};

/* The default tables with a roster: two people, a subject, a canary. */
static inline engines engines_new(void)
{
    engines e = { .saved = { .max = (size_t)1 << 28 } };
    sl_roster_builder *b = NULL;
    SL_OWN(sl_buf, index, sl_buf_free) = { .max = (size_t)1 << 20 };
    bool added = false;
    assert_done(sl_roster_builder_new(ENGINES_KEY, &b));
    assert_done(sl_roster_add(b, SL_CLASS_NAME, SL_LIT("Anneliese Quirinsdottir"), 7, 0, &added));
    assert_true(added);
    assert_done(sl_roster_add(b, SL_CLASS_NAME, SL_LIT("O'Brien, Tadhg"), 8, 0, &added));
    assert_done(sl_roster_add(b, SL_CLASS_SUBJECT, SL_LIT("ZX7-310-0042"), 7, 0, &added));
    assert_done(sl_roster_add(b, SL_CLASS_CANARY, SL_LIT("violet heron 88213"), 9, SL_ROSTER_CANARY,
                              &added));
    assert_done(sl_roster_finish(b, &index));
    sl_roster_builder_free(b);

    sl_detect *plain = NULL;
    assert_done(sl_detect_build_default(&plain));
    /* Through its saved form, as a door gets it, with the roster's section put in. */
    assert_done(sl_detect_save(plain, &e.saved));
    sl_detect_free(plain);
    uint8_t head[12];
    sl_put_le32(head, 3);
    sl_put_le64(head + 4, index.n);
    assert_done(sl_buf_add(&e.saved, sl_view_of(head, 12)));
    assert_done(sl_buf_add(&e.saved, sl_buf_view(&index)));
    assert_done(sl_detect_open(sl_buf_view(&e.saved), ENGINES_KEY, &e.detect));
    assert_done(sl_scratch_new(e.detect, &e.scratch));
    return e;
}

static inline void engines_free(engines *e)
{
    sl_scratch_free(e->scratch);
    sl_detect_free(e->detect);
    sl_buf_free(&e->saved);
}

#endif
