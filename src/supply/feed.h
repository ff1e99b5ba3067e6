/* A site's own copy of advisories: one file of OSV records, a line each, made from files that somebody
 * carried in, and read without a network.
 *
 * The first line is ours: {"stoplog_feed":1,"made_ms":...,"records":N,"newest":"2026-11-01T..."}.
 */
#ifndef SL_SUPPLY_FEED_H
#define SL_SUPPLY_FEED_H

#include "supply/advisory.h"

#define SL_FEED_BYTES_MAX ((size_t)2 << 30)

typedef struct {
    int64_t made_ms; /* when `update` wrote it */
    uint64_t records;
    char newest[32]; /* the latest "modified" of any record (RFC 3339) */
} sl_feed_state;

/* Told of a file or line that is no record: it is left out. `line` 0: the whole file. */
typedef void (*sl_feed_report)(void *context, const char *path, size_t line);

/* Reads every *.json and *.jsonl file of the directory `from` and those below it (or the one file
 * `from`) and replaces the feed at `path`. The old feed stays when nothing was found.
 * Errors: SL_E_NOT_FOUND, SL_E_LIMIT, SL_E_IO. */
SL_MUST sl_res sl_feed_update(const char *from, const char *path, int64_t now_ms,
                              sl_feed_report report, void *context, sl_feed_state *ret);

/* Matches every record of the feed. Errors: SL_E_NOT_FOUND (no feed yet), SL_E_VERSION, SL_E_INTEGRITY when
 * it holds fewer records than its first line says, and what `found` returns. */
SL_MUST sl_res sl_feed_match(const char *path, const sl_packages *packages, sl_advisory_found found,
                             void *context, sl_feed_state *ret);

#endif
