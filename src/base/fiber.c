/* Fibers on ucontext (POSIX.1-2001, kept by glibc). What they are for is told in fiber.h. */
#include "base/fiber.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(WATCHED)
#include <sanitizer/common_interface_defs.h>
#define LEAVE(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define ARRIVE(saved, bottom, size) __sanitizer_finish_switch_fiber(saved, bottom, size)
#else
#define LEAVE(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#define ARRIVE(saved, bottom, size) ((void)(saved), (void)(bottom), (void)(size))
#endif

struct sl_fiber {
    ucontext_t here;
    ucontext_t back;
    uint8_t *pages; /* the first is the guard */
    size_t pages_bytes;
    size_t guard_bytes;
    void (*work)(void *context);
    void *context;
    bool begun; /* its stack is laid out */
    bool busy;  /* its work has not returned */
    sl_fiber *outer;
    /* For the address sanitizer: what it keeps of either stack. */
    void *kept_here;
    void *kept_back;
    const void *back_bottom;
    size_t back_bytes;
};

static _Thread_local sl_fiber *current;

sl_res sl_fiber_new(size_t stack_bytes, sl_fiber **ret_fiber)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    sl_fiber *f = calloc(1, sizeof *f);
    SL_NEED(f != NULL, SL_E_MEMORY);
    f->guard_bytes = page;
    f->pages_bytes = (stack_bytes + page - 1) / page * page + page;
    void *pages = mmap(NULL, f->pages_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages, page, PROT_NONE) != 0) {
        if (pages != MAP_FAILED) {
            (void)munmap(pages, f->pages_bytes);
        }
        free(f);
        return sl_fail(SL_E_MEMORY);
    }
    f->pages = pages;
    *ret_fiber = f;
    return SL_DONE;
}

void sl_fiber_free(sl_fiber *fiber)
{
    if (fiber != NULL) {
        assert(!fiber->busy);
        (void)munmap(fiber->pages, fiber->pages_bytes);
        free(fiber);
    }
}

static void hand_back(sl_fiber *f)
{
    LEAVE(&f->kept_here, f->back_bottom, f->back_bytes);
    int swapped = swapcontext(&f->here, &f->back);
    assert(swapped == 0);
    ARRIVE(f->kept_here, &f->back_bottom, &f->back_bytes);
}

/* The bottom of every fiber's stack: one work after another. */
static void serve(void)
{
    ARRIVE(NULL, &current->back_bottom, &current->back_bytes);
    for (;;) {
        current->work(current->context);
        current->busy = false;
        hand_back(current);
    }
}

static bool enter(sl_fiber *f)
{
    f->outer = current;
    current = f;
    LEAVE(&f->kept_back, f->pages + f->guard_bytes, f->pages_bytes - f->guard_bytes);
    int swapped = swapcontext(&f->back, &f->here);
    assert(swapped == 0);
    const void *bottom = NULL;
    size_t bytes = 0;
    ARRIVE(f->kept_back, &bottom, &bytes);
    current = f->outer;
    return !f->busy;
}

bool sl_fiber_run(sl_fiber *fiber, void (*work)(void *context), void *context)
{
    assert(!fiber->busy);
    if (!fiber->begun) {
        int got = getcontext(&fiber->here);
        assert(got == 0);
        fiber->here.uc_stack.ss_sp = fiber->pages + fiber->guard_bytes;
        fiber->here.uc_stack.ss_size = fiber->pages_bytes - fiber->guard_bytes;
        fiber->here.uc_link = NULL;
        makecontext(&fiber->here, serve, 0);
        fiber->begun = true;
    }
    fiber->work = work;
    fiber->context = context;
    fiber->busy = true;
    return enter(fiber);
}

bool sl_fiber_resume(sl_fiber *fiber)
{
    assert(fiber->busy && fiber != current);
    return enter(fiber);
}

sl_fiber *sl_fiber_current(void)
{
    return current;
}

void sl_fiber_pause(void)
{
    assert(current != NULL && current->busy);
    hand_back(current);
}
