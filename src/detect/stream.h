/* Inspection of text that arrives in pieces: what may be released, rewritten how, or cut.
 *
 * One stream is one channel of one answer (content, reasoning, the arguments of one tool call...).
 * The release frontier is a function of the bytes seen so far, never of time or of how they were
 * split: the stream decides at fixed byte positions of the text, and at each it holds the open
 * token, the last 256 folded characters, and every finding or decoded run that is still growing.
 * More than 16 KiB so held is cut as `overlong`.
 *
 * P2: the same text in any split gives the same released text, verdict and cut offset. */
#ifndef SL_DETECT_STREAM_H
#define SL_DETECT_STREAM_H

#include "detect/flow.h"
#include "detect/policy.h"
#include "detect/transform.h"

typedef struct sl_stream sl_stream;

typedef struct {
    const sl_detect *detect;
    sl_scratch *scratch; /* may be shared by all streams of a thread */
    const sl_policy *policy;
    sl_policy_context context; /* its purpose is borrowed for the stream's life */
    sl_pseudonyms *pseudonyms; /* restored in the released text when `restore`; or NULL */
    bool
        restore; /* false: surrogates stay (tool arguments of tools that the grant does not name) */
    size_t bytes_max;    /* of text in all; more is cut as overlong; 0: no limit */
    const sl_flow *flow; /* judges links and images by where they come from; or NULL */
} sl_stream_options;

typedef struct {
    sl_verdict verdict;  /* allow, transform or cut so far; final after finish */
    uint64_t cut_offset; /* bytes of channel text before the cut; UINT64_MAX if not cut */
    sl_finding cause;    /* the finding that cut (offsets as in the channel text) */
    uint64_t bytes_seen;
    uint64_t bytes_released; /* of channel text, before rewriting */
    uint64_t
        rewritten_at; /* where the first rewriting began, also a restoration; UINT64_MAX: none */
    uint64_t bytes_too_late; /* bytes of findings that turned out after their release */
    uint32_t transforms;     /* spans rewritten (restorations apart) */
    uint32_t restored;
    uint32_t by_class[SL_CLASS_COUNT]; /* findings of each class, allowed ones too */
} sl_stream_report;

SL_MUST sl_res sl_stream_new(const sl_stream_options *options, sl_stream **ret_stream);
void sl_stream_free(sl_stream *stream);

/* Takes the next piece and appends to `released` what may now be sent, already rewritten. After a
 * cut (see the report) it accepts and drops everything. A failure is final: the door cuts. */
SL_MUST sl_res sl_stream_feed(sl_stream *stream, sl_view piece, sl_buf *released);
/* A finding known from elsewhere (what this text and its neighbours hold together), with offsets in
 * the channel's text; it is judged and acted on like the stream's own. */
SL_MUST sl_res sl_stream_note(sl_stream *stream, sl_finding finding);
/* The end of the text given so far, as far back as the stream still knows it; `*ret_base` is its
 * offset in the channel's text. Borrowed until the next call. */
sl_view sl_stream_tail(const sl_stream *stream, uint64_t *ret_base);
/* The text has ended: decides all that was held. */
SL_MUST sl_res sl_stream_finish(sl_stream *stream, sl_buf *released);
const sl_stream_report *sl_stream_report_get(const sl_stream *stream);
static inline bool sl_stream_is_cut(const sl_stream *stream)
{
    return sl_stream_report_get(stream)->verdict == SL_VERDICT_CUT;
}

#endif
