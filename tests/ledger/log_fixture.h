/* A ledger in a temporary directory for the tests of the log: a fixed key, leaves by number. */
#ifndef SL_TESTS_LEDGER_LOG_FIXTURE_H
#define SL_TESTS_LEDGER_LOG_FIXTURE_H

#include "ledger/log.h"

/* Leaf number `i`; its length depends on the number. */
static inline sl_buf leaf_of(uint64_t i)
{
    sl_buf b = { .max = 4096 };

    if (!sl_ok(sl_buf_addf(&b, "{\"number\":%llu,\"text\":\"", (unsigned long long)i))) {
        abort();
    }
    for (uint64_t j = 0; j < i % 97; j++) {
        if (!sl_ok(sl_buf_add_byte(&b, (uint8_t)('a' + (i + j) % 26)))) {
            abort();
        }
    }
    if (!sl_ok(sl_buf_add_str(&b, "\"}"))) {
        abort();
    }
    return b;
}

static inline sl_sign_key log_key(uint8_t fill)
{
    uint8_t seed[SL_SEED_BYTES];
    sl_sign_key key = { 0 };

    memset(seed, fill, sizeof seed);
    if (!sl_ok(sl_sign_key_from_seed(seed, &key))) {
        abort();
    }
    return key;
}

/* Adds leaves [from, to) and commits every `batch` of them and at the end. */
static inline sl_res log_fill(sl_tlog *log, uint64_t from, uint64_t to, uint64_t batch)
{
    for (uint64_t i = from; i < to; i++) {
        SL_OWN(sl_buf, leaf, sl_buf_free) = leaf_of(i);
        uint64_t index = 0;
        sl_res r = sl_tlog_add_leaf(log, sl_buf_view(&leaf), false, &index);
        if (sl_is(r, SL_E_AGAIN)) {
            SL_TRY(sl_tlog_commit(log));
            r = sl_tlog_add_leaf(log, sl_buf_view(&leaf), false, &index);
        }
        SL_TRY(r);
        SL_NEED(index == i, SL_E_BUG);
        if ((i + 1) % batch == 0) {
            SL_TRY(sl_tlog_commit(log));
        }
    }
    return sl_tlog_commit(log);
}

#endif
