/* HL7 v2 messages and C-CDA documents read in place: a copy of the same length in which delimiters,
 * tags and codes are blank, so that every offset of the copy is one of the file, and the fields that
 * identify somebody by what they are (PID-5, <family>). Pure, linear; nothing is expanded: entities
 * stay as they are written, a DOCTYPE stays as text. Sources: HL7 v2.5.1 chapter 2 and 3; HL7 CDA R2. */
#ifndef SL_ARTEFACT_CLINICAL_H
#define SL_ARTEFACT_CLINICAL_H

#include "base/bytes.h"
#include "detect/finding.h"

typedef enum { SL_CLINICAL_NONE, SL_CLINICAL_HL7, SL_CLINICAL_XML } sl_clinical;

/* "hl7", "xml"; a static string. */
const char *sl_clinical_name(sl_clinical kind);
/* By the first bytes: MSH with its delimiters; an XML declaration or a tag. */
sl_clinical sl_clinical_detect(sl_view head);

/* Takes a field that identifies by what it is: [start, end) of the file, not empty. */
typedef struct {
    void *ctx;
    sl_res (*field)(void *ctx, sl_class kind, size_t start, size_t end);
} sl_clinical_sink;

/* Appends as many bytes to `out` as `bytes` has. Never fails on content. */
SL_MUST sl_res sl_clinical_read(sl_clinical kind, sl_view bytes, sl_clinical_sink sink,
                                sl_buf *out);

#endif
