/* What the vault's tests share: operators with fixed keys, statements, signing. */
#ifndef SL_TESTS_VAULT_HELP_H
#define SL_TESTS_VAULT_HELP_H

#include <string.h>

#include "test.h"
#include "vault/roll.h"

#define SITE "00112233445566778899aabbccddeeff"
#define PRINCIPAL "0123456789abcdef0123456789abcdef"
#define NOW_MS INT64_C(1800000000000)
#define HOUR_MS INT64_C(3600000)

/* Key number `n`: the same in every run. */
static inline sl_sign_key help_key(uint8_t n)
{
    uint8_t seed[SL_SEED_BYTES];
    memset(seed, n, sizeof seed);
    sl_sign_key key = { 0 };
    assert_done(sl_sign_key_from_seed(seed, &key));
    return key;
}

static inline sl_operator help_operator(const char *person, uint8_t n, int64_t roles)
{
    sl_operator o = { .roles = roles };
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key(n);
    assert_done(sl_name_set(o.person, sl_view_str(person)));
    o.key = key.public_key;
    return o;
}

static inline sl_statement help_statement(sl_action action)
{
    sl_statement s = { .action = action, .site = SITE };
    return s;
}

static inline void help_name(sl_name to, const char *name)
{
    assert_done(sl_name_set(to, sl_view_str(name)));
}

static inline sl_buf help_text(const sl_statement *s)
{
    sl_buf text = { .max = SL_STATEMENT_BYTES_MAX };
    assert_done(sl_statement_encode(s, &text));
    return text;
}

static uint8_t help_nonce_next;

/* An approval by key number `n`, with a nonce of its own. */
static inline sl_approval help_approve(sl_view text, uint64_t epoch, uint8_t n)
{
    sl_approval a = { .action = sl_statement_digest(text),
                      .epoch = epoch,
                      .expiry_ms = NOW_MS + HOUR_MS,
                      .role = SL_ROLE_OPERATOR,
                      .site = SITE };
    a.nonce[0] = ++help_nonce_next;
    SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key(n);
    assert_done(sl_approval_sign(&a, &key));
    return a;
}

/* A roll whose operators are p1, p2, ... with key numbers 1, 2, ... */
static inline sl_roll *help_roll(size_t persons, int64_t quorum, int64_t delay_ms)
{
    sl_roll *roll = NULL;
    assert_done(sl_roll_new(&roll));
    sl_genesis_roll g = { .site = SITE, .quorum = quorum, .delay_ms = delay_ms };
    for (size_t i = 0; i < persons; i++) {
        char person[8] = { 'p', (char)('1' + i), 0 };
        g.operators[g.operators_count++] =
            help_operator(person, (uint8_t)(i + 1), SL_ROLE_OPERATOR);
    }
    assert_done(sl_roll_begin(roll, &g));
    return roll;
}

/* Signs with keys 1..signers at the epoch that is needed now, admits and applies. */
static inline sl_res help_do(sl_roll *roll, const sl_statement *s, size_t signers, int64_t time_ms)
{
    SL_OWN(sl_buf, text, sl_buf_free) = help_text(s);
    sl_approval_need need = { 0 };
    SL_TRY(sl_roll_need(roll, s, &need));
    sl_approval list[SL_APPROVALS_MAX];
    for (size_t i = 0; i < signers; i++) {
        list[i] = help_approve(sl_buf_view(&text), need.epoch, (uint8_t)(i + 1));
        list[i].expiry_ms = time_ms + HOUR_MS;
        SL_OWN(sl_sign_key, key, sl_sign_key_free) = help_key((uint8_t)(i + 1));
        SL_TRY(sl_approval_sign(&list[i], &key));
    }
    sl_statement admitted;
    SL_TRY(sl_roll_admit(roll, sl_buf_view(&text), list, signers, time_ms, &admitted));
    return sl_roll_apply(roll, &admitted, list, signers, 1, time_ms);
}

static inline sl_statement help_create(const char *name)
{
    sl_statement s = help_statement(SL_ACTION_COMPARTMENT_CREATE);
    help_name(s.compartment, name);
    memcpy(s.compartment_id, "aaaaaaaabbbbbbbbccccccccdddddddd", sizeof s.compartment_id);
    s.compartment_id[0] = name[0] == 'd' ? 'd' : 'a'; /* two compartments, two ids */
    return s;
}

static inline sl_statement help_on(sl_action action, const char *compartment)
{
    sl_statement s = help_statement(action);
    help_name(s.compartment, compartment);
    return s;
}

static inline sl_statement help_grant(const char *id, const char *compartment, int64_t doors,
                                      int64_t until_ms)
{
    sl_statement s = help_on(SL_ACTION_GRANT_ISSUE, compartment);
    memcpy(s.grant, id, sizeof s.grant);
    memcpy(s.principal, PRINCIPAL, sizeof s.principal);
    help_name(s.purpose, "study");
    s.doors = doors;
    s.until_ms = until_ms;
    s.requests_h = 100;
    return s;
}

#endif
