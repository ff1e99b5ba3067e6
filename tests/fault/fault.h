/* Fault injection: makes the n-th allocation or system call of an attempt fail, for n = 1, 2, 3, ...
 * until the attempt succeeds without meeting the fault, and checks that every failure is a typed one
 * that leaks nothing. A test that links dep_fault gets malloc and the calls below replaced for the
 * whole program, so failures inside libraries are reached too.
 *
 *     static sl_res attempt(void *context) { ... }
 *     assert_true(sl_fault_sweep(SL_FAULT_MALLOC, attempt, undo, context));
 *
 * Not in sanitizer builds, which own malloc: there the tests skip (sl_fault_available).
 */
#ifndef SL_TESTS_FAULT_H
#define SL_TESTS_FAULT_H

#include "base/res.h"

typedef enum {
    SL_FAULT_MALLOC = 1,   /* malloc, calloc, realloc: ENOMEM */
    SL_FAULT_WRITE = 2,    /* write, pwrite, writev, ftruncate, fallocate: ENOSPC */
    SL_FAULT_SYNC = 4,     /* fsync, fdatasync: EIO */
    SL_FAULT_RENAME = 8,   /* rename, renameat, renameat2, linkat: EIO */
    SL_FAULT_OPEN = 16,    /* open, openat: EMFILE */
    SL_FAULT_CONNECT = 32, /* connect: ECONNREFUSED */
} sl_fault_kind;

bool sl_fault_available(void);

/* The countdown by hand: the n-th call of these kinds (or of any, or'ed) from now on fails, once.
 * 0 disarms. sl_fault_met says whether it was reached. */
void sl_fault_arm(unsigned kinds, uint64_t nth);
bool sl_fault_met(void);
/* Blocks of memory handed out and not freed. */
int64_t sl_fault_blocks_live(void);
/* Open descriptors of the process. */
int sl_fault_descriptors_open(void);

/* One try of the work. It frees what it got, whatever happens. */
typedef sl_res sl_fault_attempt(void *context);
/* Called after every attempt, with its result: checks that what must hold holds (a file is the old or
 * the new one), and puts things back for the next attempt. May be NULL. Returns false to fail. */
typedef bool sl_fault_after(sl_res result, void *context);

/* Sweeps n. False, with a message, if an attempt that met the fault leaked memory or descriptors, if
 * `after` said so, or if the attempt without a fault failed. `ret_points`, if not NULL, gets how many
 * points of failure there were: a test should know that it is not 0. */
bool sl_fault_sweep(unsigned kinds, sl_fault_attempt *attempt, sl_fault_after *after, void *context,
                    uint64_t *ret_points);

#endif
