/* Scanning a model, data set or archive from a program of your own: what loading these bytes would do, found out
 * without loading them. Nothing is opened, started or sent. A scanner may be used by many threads at once.
 *
 *   stoplog_scanner *scanner = stoplog_scanner_new(NULL);
 *   stoplog_scan *s = stoplog_scan_bytes(scanner, bytes, length, "model.pkl");
 *   if (s == NULL || strcmp(stoplog_scan_class(s), "clean") != 0) { ... do not load it ... }
 *   for (size_t k = 0; k < stoplog_scan_finding_count(s); k++) { ... stoplog_scan_finding_get(s, k) ... }
 *   stoplog_scan_free(s);
 *   stoplog_scanner_free(scanner);
 *
 * The bytes are hostile and the parsers, though fuzzed, run in your process: `stoplog scan` runs each file in a confined
 * process that may die, follows what a file names outside of itself, and watches whether it changes meanwhile. Prefer
 * it, or call this from a process that you can lose. Rules and answers: docs/scan.md. */
#ifndef STOPLOG_SCAN_H
#define STOPLOG_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stoplog_scanner stoplog_scanner;
typedef struct stoplog_scan stoplog_scan;

/* `offset` of a finding about the whole of a file or member. */
#define STOPLOG_SCAN_WHOLE UINT64_MAX

/* One finding. Texts are UTF-8 without control characters, NUL-ended, and live as long as the scan. */
typedef struct {
    const char *rule;     /* "pickle.call_denied": stable */
    const char *severity; /* "info", "low", "medium", "high", "critical" */
    const char
        *verdict; /* the class that it alone makes: "clean", "unknown", "malformed", "dangerous" */
    const char *member;   /* path inside the artefact, "" for the file itself */
    const char *evidence; /* a few printable bytes of it, or "" */
    const char *title;
    const char *remedy;
    const char *refs; /* space-separated CVE, GHSA and ATLAS ids, or "" */
    uint64_t offset;  /* bytes into the file or member; STOPLOG_SCAN_WHOLE: the whole of it */
} stoplog_scan_finding;

/* With the list of reviewed names that the library carries. NULL on failure (that list does not verify, no memory, no
 * randomness); then `*ret_why` (if given) is a static text. */
stoplog_scanner *stoplog_scanner_new(const char **ret_why);
void stoplog_scanner_free(stoplog_scanner *scanner);

/* Scans `length` bytes, which are borrowed until it returns. `name` is the file's own name without folders ("" if it
 * has none): it matters only where it promises something else than the content is. NULL: out of memory. That is no
 * answer: treat it as refused. */
stoplog_scan *stoplog_scan_bytes(const stoplog_scanner *scanner, const void *bytes, size_t length,
                                 const char *name);
void stoplog_scan_free(stoplog_scan *scan);

/* "clean", "unknown" (a person should look), "malformed" or "dangerous". */
const char *stoplog_scan_class(const stoplog_scan *scan);
/* False when a limit or damage kept it from reading everything: then it is never clean. */
bool stoplog_scan_complete(const stoplog_scan *scan);
/* The kind of artefact by its content: "pickle", "safetensors" ... */
const char *stoplog_scan_kind(const stoplog_scan *scan);
/* Does it name files outside of itself, as ONNX external data does? They were not scanned: scan them too. */
bool stoplog_scan_names_others(const stoplog_scan *scan);
size_t stoplog_scan_finding_count(const stoplog_scan *scan);
/* `index` below the count; else an all-zero finding. */
stoplog_scan_finding stoplog_scan_finding_get(const stoplog_scan *scan, size_t index);

#ifdef __cplusplus
}
#endif

#endif
