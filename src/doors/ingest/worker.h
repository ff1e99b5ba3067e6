/* The worker: a child process for one file, in which all parsing of an ingest happens.
 * It holds the file's descriptor and a pipe to the door, nothing else: no key, no other descriptor,
 * no network, no file system, and a filter that leaves it reading, writing and memory. What comes out
 * of the pipe is taken as a stranger's word: frames of bounded size, checked one by one. */
#ifndef SL_DOORS_INGEST_WORKER_H
#define SL_DOORS_INGEST_WORKER_H

#include "base/limits.h"
#include "doors/ingest/inspect.h"

/* The report of the survey at most: wide JSON has thousands of columns. */
#define SL_REPORT_BYTES_MAX (4 * SL_MIB)
/* A file that takes longer than this is refused (SL_E_TIMEOUT). */
#define SL_INSPECT_SECONDS_MAX 600

/* As sl_ingest_inspect, but in a child. SL_E_CLOSED: it ended without a result (a crash, a forbidden
 * call). `confined` false only in tests and sanitizer builds. */
SL_MUST sl_res sl_ingest_worker(int fd, sl_view name, sl_view record_id, bool confined,
                                sl_ingest_taker taker, sl_inspection *ret_inspection,
                                sl_buf *report);

/* The pure part: takes whole frames from the front of `pending` and drops them; the end of the
 * inspection sets `*ret_done`. Errors: SL_E_SYNTAX (no frame of ours), and the worker's own error,
 * which comes back as its code. For the fuzzer. */
typedef struct {
    sl_ingest_taker taker;
    sl_inspection inspection;
    sl_buf *report;
    int give_fd;  /* where bytes go that it asks for; it never waits */
    bool keeping; /* the second time of the texts has begun */
    bool done;
} sl_worker_frames;
SL_MUST sl_res sl_worker_take(sl_worker_frames *frames, sl_buf *pending);

#endif
