/* From labelled tokens to findings. Internal to src/detect. */
#ifndef SL_DETECT_TAGGER_REPORT_H
#define SL_DETECT_TAGGER_REPORT_H

#include "detect/tagger.h"

/* Appends names, places and numbers of persons by the tokens' labels. */
SL_MUST sl_res sl_tag_report(const sl_tag_tokens *tokens, sl_findings *findings);

#endif
