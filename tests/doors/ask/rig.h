/* Drives the ask door's core in tests, as the process does in life: gives it bytes, acknowledges its
 * leaves, plays the model server, and keeps all that came out. */
#ifndef SL_TESTS_ASK_RIG_H
#define SL_TESTS_ASK_RIG_H

#include "test.h"

#include "doors/ask/door.h"

#define RIG_KEY "slg_test"
#define RIG_COMMITMENT_KEY                                                                         \
    {                                                                                              \
        0xC0, 1                                                                                    \
    }
#define RIG_PSEUDONYM_KEY                                                                          \
    {                                                                                              \
        0x9A, 2                                                                                    \
    }
#define RIG_ORIGIN "example.org/log"

typedef struct {
    sl_ask_site site;
    sl_ask_roll roll;
    sl_ask_valves valves;
    sl_ask_keys keys;
    sl_ask_identity who; /* what the key's holder is given */
    sl_ask_route route;
    sl_valve_state state; /* what every valve says */
    sl_ask_door *door;
    sl_ask_now now;
    bool ledger_up; /* acknowledge leaves as they come */
    uint64_t next_index;
    sl_buf client;   /* all bytes for the client so far */
    sl_buf upstream; /* all bytes for the model server so far */
    sl_buf leaves;   /* events, one a line */
    unsigned connects;
    unsigned upstream_closes;
    unsigned knocks;
} rig;

/* Real detection with everything that a door has: patterns, a roster that holds Zebulon Quixworth (a
 * name) and the canary CNRY-7F3A-91D2-KX, the program's own policy. */
typedef struct {
    rig r;
    sl_detect *detect;
    sl_scratch *scratch;
    sl_policy *policy;
    sl_ask_inject inject;
    sl_flow_rules *flow_rules;
} real_rig;
#define RIG_PERSON "Zebulon Quixworth"
#define RIG_CANARY "CNRY-7F3A-91D2-KX"
void real_rig_init(real_rig *all);
void real_rig_free(real_rig *all);

void rig_init(rig *r);
void rig_free(rig *r);
/* A fresh crossing, outputs emptied. */
void rig_begin(rig *r);
/* An SCGI request around a body; `more` is "NAME\0VALUE\0..." with `more_n` bytes, or NULL. */
void rig_scgi(sl_buf *out, const char *path, const char *key, sl_view body, const char *more,
              size_t more_n);
/* Send a chat request whose body is `json`. */
void rig_chat(rig *r, const char *json);
/* The same for any path. */
void rig_post(rig *r, const char *path, const char *json);
void rig_client(rig *r, sl_view bytes);
/* Play the model server: `bytes` in pieces of `step`. */
void rig_upstream(rig *r, sl_view bytes, size_t step);
void rig_upstream_closes(rig *r);
void rig_tick(rig *r, uint64_t ms);
/* Take what the door put out; acknowledge while the ledger is up. */
void rig_pump(rig *r);
/* The ledger's link has taken the leaf; it is not durable yet. */
void rig_hand_over(rig *r);
/* Acknowledge the leaf taken last. */
void rig_acknowledge(rig *r);

bool rig_saw(const sl_buf *where, const char *needle);
/* The texts of all `"content":"..."` in the client's bytes, joined. */
void rig_content(const rig *r, sl_buf *out);

/* "data: ...\n\n" events around chat deltas as a chunked HTTP answer. */
void rig_sse_head(sl_buf *out);
void rig_sse_event(sl_buf *out, const char *data);
void rig_sse_named(sl_buf *out, const char *name, const char *data);
void rig_sse_delta(sl_buf *out, const char *text);
void rig_sse_finish(sl_buf *out);
void rig_json_answer(sl_buf *out, const char *json);

#endif
