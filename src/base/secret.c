/* Guarded memory (secret.h). */
#include "base/secret.h"

#include <sys/mman.h>
#include <unistd.h>

sl_res sl_secret_alloc(size_t n, sl_secret *ret_secret)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    SL_NEED(n > 0 && n <= SIZE_MAX / 2 - 3 * page, SL_E_LIMIT);
    size_t inner = (n + page - 1) / page * page;
    size_t mapped = inner + 2 * page;
    uint8_t *base = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return sl_fail_os(SL_E_MEMORY, "secret pages");
    }
    if (mprotect(base + page, inner, PROT_READ | PROT_WRITE) != 0) {
        (void)munmap(base, mapped);
        return sl_fail_os(SL_E_MEMORY, "secret pages");
    }
    bool locked = mlock(base + page, inner) == 0;
    (void)madvise(base + page, inner, MADV_DONTDUMP);
    (void)madvise(base + page, inner, MADV_WIPEONFORK);
    /* The content ends where the guard page begins, so that reading past it faults. */
    *ret_secret =
        (sl_secret){ .p = base + page + (inner - n), .n = n, .mapped = mapped, .locked = locked };
    return SL_DONE;
}

void sl_secret_free(sl_secret *secret)
{
    if (secret->p != NULL) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        sl_wipe(secret->p, secret->n);
        uint8_t *base = secret->p + secret->n + page - secret->mapped;
        (void)munmap(base, secret->mapped);
    }
    *secret = (sl_secret){ 0 };
}

void sl_wipe(void *p, size_t n)
{
    if (n != 0) {
        explicit_bzero(p, n);
    }
}

bool sl_equal_constant_time(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        differ = (uint8_t)(differ | (x[i] ^ y[i]));
    }
    return differ == 0;
}
