/* The engine set: compiled once, read-only afterwards, shared by every crossing.
 * It takes bytes and gives findings; it does no I/O, reads no clock, draws no randomness and never
 * decides (policy.h does). Cost is linear in the text. Design: src/detect/README.md. */
#ifndef SL_DETECT_INSPECT_H
#define SL_DETECT_INSPECT_H

#include "detect/echo.h"
#include "detect/inject.h"

typedef struct sl_detect sl_detect;   /* compiled engines */
typedef struct sl_scratch sl_scratch; /* working memory of one thread */

/* What engines are built from: all texts are borrowed during the build only. */
typedef struct {
    const sl_view *pattern_tables; /* data/patterns tables (patterns.h) */
    size_t pattern_table_count;
    sl_view allowed_hosts; /* one host a line; "*.example.org" for subdomains; '#' comments */
    sl_view roster;        /* sealed index of roster.h, or empty */
    uint8_t match_key[32]; /* opens the roster; zero when there is none */
} sl_detect_source;

/* The engines from their sources; compiles the patterns (about 1 s). SL_E_SYNTAX at the line. */
SL_MUST sl_res sl_detect_build(const sl_detect_source *source, sl_detect **ret_detect);
/* With the tables and the names tagger that the program carries: what the doors use. */
SL_MUST sl_res sl_detect_build_default(sl_detect **ret_detect);
/* Its patterns were compiled when the program was built; with a table more they are compiled now (1 s).
 * Without the names tagger, with one more table of patterns (may be empty), and other hosts if
 * `own_hosts`. */
SL_MUST sl_res sl_detect_build_with(sl_view extra_patterns, bool own_hosts, sl_view allowed_hosts,
                                    sl_detect **ret_detect);
/* Adds the names tagger: the pack that the program carries (data/models/names.pack), so that names
 * and places of people nobody listed are found too. Costs about ten times what patterns cost. */
SL_MUST sl_res sl_detect_add_names(sl_detect *detect);
/* The same with a pack of your own, which is borrowed for the set's life. SL_E_VERSION, SL_E_TRUNCATED,
 * SL_E_INTEGRITY: nothing is added. SL_E_DUPLICATE: there is one. */
SL_MUST sl_res sl_detect_add_names_of(sl_detect *detect, sl_view pack);
/* Adds the two injection packs that the program carries: findings of class instruction in whole
 * strings of channels that bring requests or data (inject.h). */
SL_MUST sl_res sl_detect_add_inject(sl_detect *detect);
/* The packs of this set: NULL where they were not added. */
const sl_inject *sl_detect_inject(const sl_detect *detect, sl_inject_channel channel);
/* An engine set with the patterns and hosts of `detect` but no roster. Cheap: the compiled patterns
 * are shared and live as long as one set does. A door that gets new rosters makes a new set and lets
 * running streams keep the old one; scratch of one serves the other. Not thread-safe against
 * sl_detect_free. */
SL_MUST sl_res sl_detect_derive(const sl_detect *detect, sl_detect **ret_detect);
/* Adds the roster or canary index of one object under its own match key (copied). At most
 * SL_DETECT_ROSTERS_MAX. Not while the set is in use. Errors as sl_roster_open, SL_E_LIMIT. */
#define SL_DETECT_ROSTERS_MAX ((size_t)1024)
SL_MUST sl_res sl_detect_add_roster(sl_detect *detect, sl_view index, const uint8_t match_key[32]);
/* Adds the echo index of a compartment under its match key (echo.h; copied): records that are recited
 * in what a model says, or in documents, become findings. `name` (at most SL_NAME_BYTES_MAX, copied) is what
 * questions about its matches call it. At most SL_DETECT_ECHOES_MAX. Not while the set is in use; not part of
 * a snapshot. Errors as sl_echo_open, SL_E_LIMIT. */
#define SL_DETECT_ECHOES_MAX ((size_t)256)
SL_MUST sl_res sl_detect_add_echo(sl_detect *detect, sl_view name, sl_view index,
                                  const uint8_t match_key[32]);
/* As a snapshot section for other processes (patterns already compiled) and back. Opening copies
 * what it keeps. A snapshot of another version or another processor is refused: SL_E_VERSION. */
SL_MUST sl_res sl_detect_save(const sl_detect *detect, sl_buf *out);
SL_MUST sl_res sl_detect_open(sl_view saved, const uint8_t match_key[32], sl_detect **ret_detect);
void sl_detect_free(sl_detect *detect);

/* Working memory for one thread; usable with this `detect` only. */
SL_MUST sl_res sl_scratch_new(const sl_detect *detect, sl_scratch **ret_scratch);
void sl_scratch_free(sl_scratch *scratch);
/* From now on whole strings that were inspected before are not inspected again (recall.h). `key` is secret and
 * random; at most `bytes_max` bytes of findings are kept. */
SL_MUST sl_res sl_scratch_remember(sl_scratch *scratch, const uint8_t key[32], size_t bytes_max);
/* Whose strings come next: what one has sent is not remembered for another. */
void sl_scratch_scope(sl_scratch *scratch, sl_view who);
/* sl_inject_scan, remembered likewise. */
SL_MUST sl_res sl_scratch_inject(sl_scratch *scratch, const sl_inject *inject, sl_inject_work *work,
                                 sl_view text, sl_findings *findings);
/* From now on echo matches in what leaves are confirmed or refuted by `ask` (echo.h): a match that it knows for
 * the record's own scores 1000, one that it refutes is no finding. Without it the match alone decides. */
void sl_scratch_confirm(sl_scratch *scratch, sl_echo_ask ask, void *context);

/* All findings of a whole string, appended to `findings` in order of start. Any bytes are accepted:
 * malformed UTF-8 is read as single bytes, never skipped. Findings of one engine do not lie inside
 * one another. */
SL_MUST sl_res sl_detect_inspect(const sl_detect *detect, sl_scratch *scratch, sl_view text,
                                 sl_channel channel, sl_findings *findings);

/* The name of the pattern that a finding's `rule` names: a static string of the engine set; of
 * patterns only, not of rosters. */
const char *sl_detect_rule_name(const sl_detect *detect, uint16_t rule);

/* Is this value, or a part of it between word boundaries, in the roster? Used to redraw surrogates
 * that would by chance name a protected person. */
bool sl_detect_in_roster(const sl_detect *detect, sl_view value);

#endif
