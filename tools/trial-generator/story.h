/* What happened to one subject: everything that tables and texts tell. */
#ifndef TRIAL_STORY_H
#define TRIAL_STORY_H

#include "trial.h"

#define STORY_VISITS 6
#define STORY_LABS 8
#define STORY_EVENTS_MAX 4
#define STORY_DRUGS_MAX 3

typedef struct {
    int64_t day; /* since 1970 */
    int systolic, diastolic, pulse;
    double temperature, weight;
    double labs[STORY_LABS];
    unsigned dose_mg;
} story_visit;

typedef struct {
    size_t kind;        /* of event_kinds */
    int64_t start, end; /* days; end 0: going on */
    unsigned severity;  /* 0 mild, 1 moderate, 2 severe */
    bool serious, related;
    size_t visit; /* at which it was told */
} story_event;

typedef struct {
    const char *drug, *dose, *indication;
    int64_t start;
} story_drug;

typedef struct {
    char id[48]; /* USUBJID */
    size_t site;
    person who;
    char doctor[80];
    unsigned age, arm; /* arm 0: placebo */
    int64_t first_dose;
    size_t visit_count;
    story_visit visits[STORY_VISITS];
    size_t event_count;
    story_event events[STORY_EVENTS_MAX];
    size_t drug_count;
    story_drug drugs[STORY_DRUGS_MAX];
} story;

typedef struct {
    const char *term, *code, *body_system;
    const char *words[COUNTRY_COUNT]; /* as the note's language says it */
    int lab;                          /* the laboratory value that rises with it, or -1 */
} event_kind;

typedef struct {
    const char *code, *name, *unit;
    double low, high; /* normal range */
} lab_kind;

typedef struct {
    const char *number, *name;
    country country;
} site_kind;

#define STORY_STUDY "STP-301"
#define STORY_DRUG "STP-4127"
#define STORY_SITES 6
#define STORY_EVENT_KINDS 10

extern const event_kind event_kinds[STORY_EVENT_KINDS];
extern const lab_kind lab_kinds[STORY_LABS];
extern const site_kind site_kinds[STORY_SITES];
extern const char *const visit_names[STORY_VISITS];

void story_make(sl_prng *prng, size_t number, story *ret_story);
/* Adds a day as ISO 8601 text. */
SL_MUST sl_res story_day(table *t, sl_arena *arena, int64_t day);

/* The note of one visit and the narrative of one event, as text. */
SL_MUST sl_res story_note(sl_prng *prng, const story *s, size_t visit, sl_buf *out);
SL_MUST sl_res story_narrative(sl_prng *prng, const story *s, size_t event, sl_buf *out);

#endif
