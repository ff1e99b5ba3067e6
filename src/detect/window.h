/* One look at one window of text by all engines: what whole-string inspection and streams share.
 * An engine sees the folded window, its decoded views, and says what it found and from where on it
 * is still undecided. New engines (a sequence tagger, an injection model, an echo index) join in
 * window.c and need nothing else. Internal to src/detect. */
#ifndef SL_DETECT_WINDOW_H
#define SL_DETECT_WINDOW_H

#include "base/limits.h"
#include "detect/cipher.h"
#include "detect/echo.h"
#include "detect/exfil.h"
#include "detect/fold.h"
#include "detect/inject.h"
#include "detect/inspect.h"
#include "detect/patterns.h"
#include "detect/recall.h"
#include "detect/roster.h"
#include "detect/tagger.h"
#include "detect/views.h"

typedef struct {
    sl_roster *roster;
    sl_buf bytes;
} sl_detect_roster;

typedef struct {
    sl_echo_index *index;
    sl_buf bytes;
    uint8_t name[SL_NAME_BYTES_MAX];
    size_t name_n;
} sl_detect_echo;

struct sl_detect {
    uint64_t number;       /* of this set as it is: no other set of the process has it */
    sl_patterns *patterns; /* shared by engine sets that were made of one another */
    sl_tagger *tagger;     /* likewise; or NULL */
    sl_inject *inject[SL_INJECT_CHANNELS]; /* likewise; over whole strings, not windows */
    sl_detect_roster *rosters;
    size_t roster_count;
    sl_detect_echo *echoes; /* over streams and whole strings, not windows */
    size_t echo_count;
    sl_buf allowed_hosts;
};

/* Depth of views: text, decoded, decoded once more. */
#define SL_VIEW_LEVELS 3

struct sl_scratch {
    sl_pattern_work *patterns;
    sl_tagger_work *tagger;
    sl_inject_work *inject;
    sl_echo_scratch *echo; /* made when it is first needed */
    sl_echo_ask ask;       /* or NULL */
    void *ask_context;
    sl_fold_work plain[SL_VIEW_LEVELS];
    sl_fold_work unescaped;
    sl_views views[SL_VIEW_LEVELS];
    sl_ciphers ciphers[2]; /* of the window, of what was decoded from it */
    sl_findings raw;       /* of one view, offsets of that view */
    sl_findings found;     /* of a window, before it is taken over */
    sl_recall *recall;     /* of whole strings; or NULL */
};

/* Appends to `findings` what all engines find in `window`; offsets count from `base`. `*ret_open` is
 * where (in the window) the first run begins that reaches its end and may go on. */
SL_MUST sl_res sl_window_inspect(const sl_detect *detect, sl_scratch *scratch, sl_view window,
                                 sl_channel channel, sl_findings *findings, size_t *ret_open);

/* Where the open token begins: after the last blank, bracket, quote or ideograph of the window. */
size_t sl_window_token(sl_view window);

#endif
