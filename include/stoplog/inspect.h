/* Inspecting text from a program of your own: identifiers, secrets, hidden text and links, judged by a
 * policy, without a site. Thread-safe per inspector: use one inspector in one thread at a time.
 *
 *   stoplog_inspector *i = stoplog_inspector_new(NULL, 0, NULL);
 *   stoplog_inspection *r = stoplog_inspect(i, text, length);
 *   for (size_t k = 0; k < stoplog_finding_count(r); k++) { ... stoplog_finding_get(r, k) ... }
 *   stoplog_inspection_free(r);
 *   stoplog_inspector_free(i);
 */
#ifndef STOPLOG_INSPECT_H
#define STOPLOG_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stoplog_inspector stoplog_inspector;
typedef struct stoplog_inspection stoplog_inspection;

/* One finding. Offsets are bytes of the inspected text, half open, on UTF-8 boundaries. All strings
 * are static or live as long as the inspector. */
typedef struct {
    const char *detector; /* "phi", "secret", "exfil", "fold" ... */
    const char *kind;     /* the class: "ssn", "date", "jwt" ... */
    const char *view;     /* the form it was found in: "plain", "base64" ... */
    const char *verdict;  /* "allow", "transform", "hold", "refuse", "cut" */
    const char *rule;     /* of the policy that decided */
    const char *why;
    size_t start;
    size_t end;
    unsigned score_permille;
} stoplog_finding;

/* With the built-in patterns and weights. `policy_yaml` of `length` bytes, or NULL for the
 * built-in policy. NULL on failure; then `*ret_why` (if given) is a static text. */
stoplog_inspector *stoplog_inspector_new(const char *policy_yaml, size_t length,
                                         const char **ret_why);
void stoplog_inspector_free(stoplog_inspector *inspector);

/* Inspects any bytes. NULL when out of memory or above the limits. */
stoplog_inspection *stoplog_inspect(stoplog_inspector *inspector, const void *text, size_t length);
void stoplog_inspection_free(stoplog_inspection *inspection);

/* The strongest verdict of all findings: "allow" when there is none. */
const char *stoplog_verdict(const stoplog_inspection *inspection);
size_t stoplog_finding_count(const stoplog_inspection *inspection);
/* `index` below the count; else an all-zero finding. */
stoplog_finding stoplog_finding_get(const stoplog_inspection *inspection, size_t index);

/* The text with every finding that is not allowed replaced by its class, e.g. "[DATE]"; NUL-ended,
 * to be freed with free(). `*ret_length` may be NULL. NULL when out of memory. */
char *stoplog_redact(stoplog_inspector *inspector, const void *text, size_t length,
                     size_t *ret_length);

#ifdef __cplusplus
}
#endif

#endif
