/* What the kernel's text says of disks, swap, files with keys and processes; trees of files stand for /proc and /sys,
 * and one process is this one. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "host/facts.h"

static char place[] = "/tmp/stoplog-facts-XXXXXX";
static char proc[64];
static char sys[64];
static sl_fact_roots roots;

static int begin(void **state)
{
    (void)state;
    if (mkdtemp(place) == NULL) {
        return -1;
    }
    (void)snprintf(proc, sizeof proc, "%s/proc", place);
    (void)snprintf(sys, sizeof sys, "%s/sys", place);
    roots = (sl_fact_roots){ proc, sys };
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int end(void **state)
{
    (void)state;
    return nftw(place, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* "dir/dir/file" below the place, with this text. */
static void put(const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", place, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_done(sl_dir_make(AT_FDCWD, path, 0755));
    *slash = '/';
    SL_OWN(int, fd, sl_fd_close) = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_done(sl_fd_write_all(fd, sl_view_str(text)));
}

static void expect(sl_host_fact found, sl_known known, const char *reason, uint64_t count)
{
    assert_string_equal(found.reason, reason);
    assert_int_equal(found.known, known);
    assert_int_equal(found.count, count);
}

static void a_plain_disk_is_named_so(void **state)
{
    (void)state;
    put("sys/dev/block/8:1/size", "1\n");
    expect(sl_fact_disk(&roots, makedev(8, 1)), SL_KNOWN_BAD, "plain_disk", 1);
}

static void encryption_below_a_volume_is_found(void **state)
{
    (void)state;
    put("sys/dev/block/253:1/dm/uuid", "LVM-x\n");
    put("sys/dev/block/253:1/slaves/dm-0/dev", "253:0\n");
    put("sys/dev/block/253:0/dm/uuid", "CRYPT-LUKS2-abc\n");
    expect(sl_fact_disk(&roots, makedev(253, 1)), SL_KNOWN_GOOD, "dm_crypt", 0);
}

static void one_plain_disk_among_many_is_enough(void **state)
{
    (void)state;
    put("sys/dev/block/9:0/slaves/dm-5/dev", "253:5\n");
    put("sys/dev/block/9:0/slaves/sdb1/dev", "8:17\n");
    put("sys/dev/block/253:5/dm/uuid", "CRYPT-PLAIN-x\n");
    put("sys/dev/block/8:17/size", "1\n");
    expect(sl_fact_disk(&roots, makedev(9, 0)), SL_KNOWN_BAD, "plain_disk", 1);
}

static void what_cannot_be_seen_is_not_known(void **state)
{
    (void)state;
    expect(sl_fact_disk(&roots, makedev(77, 7)), SL_KNOWN_NOT, "device_not_visible", 0);
    put("sys/dev/block/9:1/slaves/sdz/other", "x\n");
    expect(sl_fact_disk(&roots, makedev(9, 1)), SL_KNOWN_NOT, "device_not_visible", 0);
    put("proc/self/mountinfo",
        "22 27 0:44 / /state rw - tmpfs tmpfs rw\n23 27 0:45 / /x rw - nfs host:/x rw\n");
    expect(sl_fact_disk(&roots, makedev(0, 44)), SL_KNOWN_NOT, "no_block_device", 0);
    expect(sl_fact_disk(&roots, makedev(0, 45)), SL_KNOWN_NOT, "no_block_device", 0);
    expect(sl_fact_disk(&roots, makedev(0, 46)), SL_KNOWN_NOT, "no_block_device", 0);
}

/* A ring of devices, which no kernel makes, must not hold the supervisor up. */
static void a_ring_of_devices_ends(void **state)
{
    (void)state;
    put("sys/dev/block/253:8/slaves/dm-9/dev", "253:9\n");
    put("sys/dev/block/253:9/slaves/dm-8/dev", "253:8\n");
    expect(sl_fact_disk(&roots, makedev(253, 8)), SL_KNOWN_NOT, "device_not_visible", 0);
}

static void more_devices_than_fit_are_not_known(void **state)
{
    (void)state;
    for (int i = 0; i < 70; i++) {
        char name[96];
        char text[32];
        (void)snprintf(name, sizeof name, "sys/dev/block/9:9/slaves/s%d/dev", i);
        (void)snprintf(text, sizeof text, "300:%d\n", i);
        put(name, text);
        (void)snprintf(name, sizeof name, "sys/dev/block/300:%d/dm/uuid", i);
        put(name, "CRYPT-x\n");
    }
    expect(sl_fact_disk(&roots, makedev(9, 9)), SL_KNOWN_NOT, "too_many_devices", 0);
}

#define SWAP_HEAD "Filename\t\t\tType\t\tSize\tUsed\tPriority\n"

static void swap_is_none_in_memory_or_on_a_disk(void **state)
{
    (void)state;
    put("proc/swaps", SWAP_HEAD);
    expect(sl_fact_swap(&roots), SL_KNOWN_GOOD, "no_swap", 0);
    put("proc/swaps", SWAP_HEAD "/dev/zram99 partition 1 0 100\n");
    put("sys/block/zram99/backing_dev", "none\n");
    expect(sl_fact_swap(&roots), SL_KNOWN_GOOD, "only_memory", 0);
    put("sys/block/zram99/backing_dev", "/dev/sda9\n");
    assert_int_not_equal(sl_fact_swap(&roots).known, SL_KNOWN_GOOD);
    put("proc/swaps", SWAP_HEAD "/no/such/file file 1 0 -2\n");
    expect(sl_fact_swap(&roots), SL_KNOWN_NOT, "swap_not_visible", 0);
    struct stat st;
    char line[256];
    char device[128];
    (void)snprintf(line, sizeof line, "%s/swapfile", place);
    put("swapfile", "x");
    assert_int_equal(stat(line, &st), 0);
    (void)snprintf(device, sizeof device, "sys/dev/block/%u:%u/size", major(st.st_dev),
                   minor(st.st_dev));
    if (major(st.st_dev) != 0) {
        put(device, "1\n");
        (void)snprintf(line, sizeof line, SWAP_HEAD "%s/swapfile file 1 0 -2\n", place);
        put("proc/swaps", line);
        expect(sl_fact_swap(&roots), SL_KNOWN_BAD, "plain_swap", 1);
    }
}

static void a_key_that_others_may_read_is_counted(void **state)
{
    (void)state;
    SL_OWN(int, fd, sl_fd_close) = -1;
    static const char *const paths[] = { "k/one", "k/two", "k/none" };
    put("k/one", "1");
    put("k/two", "2");
    assert_done(sl_dir_open(AT_FDCWD, place, &fd));
    assert_int_equal(fchmodat(fd, "k/one", 0600, 0), 0);
    assert_int_equal(fchmodat(fd, "k/two", 0640, 0), 0);
    expect(sl_fact_key_files(fd, paths, 3), SL_KNOWN_BAD, "others_may", 1);
    assert_int_equal(fchmodat(fd, "k/two", 0400, 0), 0);
    expect(sl_fact_key_files(fd, paths, 3), SL_KNOWN_GOOD, "owner_only", 0);
    assert_int_equal(unlinkat(fd, "k/two", 0), 0);
    assert_int_equal(symlinkat("one", fd, "k/two"), 0);
    expect(sl_fact_key_files(fd, paths, 3), SL_KNOWN_BAD, "not_a_file", 1);
}

static const char CONFINED[] =
    "Name:\texe\nUid:\t4000\t4000\t4000\t4000\nCapInh:\t0000000000000000\n"
    "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
    "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
static const char LIMITS[] = "Limit Soft Hard Units\nMax core file size         %s  %s  bytes\n";

static uint32_t layers_of(const char *status, const char *soft, const char *hard)
{
    char text[256];
    sl_process_seen seen;
    (void)snprintf(text, sizeof text, LIMITS, soft, hard);
    put("proc/77/status", status);
    put("proc/77/limits", text);
    put("proc/77/net/dev", "Inter-|\n face |\n    lo: 0 0\n  eth0: 1 1\n");
    assert_done(sl_fact_process(&roots, 77, 4000, &seen));
    assert_int_equal(seen.interfaces, 1);
    return seen.holds;
}

static void each_layer_of_a_process_is_seen_or_not(void **state)
{
    (void)state;
    uint32_t all = SL_LAYER_BIT(SL_LAYER_UID) | SL_LAYER_BIT(SL_LAYER_NO_NEW_PRIVS) |
                   SL_LAYER_BIT(SL_LAYER_CAPABILITIES) | SL_LAYER_BIT(SL_LAYER_SECCOMP) |
                   SL_LAYER_BIT(SL_LAYER_RLIMITS);
    uint32_t mask = all;
    static const struct {
        sl_layer layer;
        const char *from;
        const char *to;
    } cases[] = {
        { SL_LAYER_SECCOMP, "Seccomp:\t2", "Seccomp:\t0" },
        { SL_LAYER_NO_NEW_PRIVS, "NoNewPrivs:\t1", "NoNewPrivs:\t0" },
        { SL_LAYER_CAPABILITIES, "CapEff:\t00000000", "CapEff:\t00000001" },
        { SL_LAYER_UID, "Uid:\t4000\t4000\t4000", "Uid:\t4000\t4000\t4001" },
    };
    assert_int_equal(layers_of(CONFINED, "0", "0") & mask, all);
    assert_int_equal(layers_of(CONFINED, "0", "unlimited") & mask,
                     all & ~SL_LAYER_BIT(SL_LAYER_RLIMITS));
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        char text[sizeof CONFINED];
        memcpy(text, CONFINED, sizeof CONFINED);
        char *at = strstr(text, cases[i].from);
        assert_non_null(at);
        memcpy(at, cases[i].to, strlen(cases[i].to));
        assert_int_equal(layers_of(text, "0", "0") & mask, all & ~SL_LAYER_BIT(cases[i].layer));
    }
}

/* This process is confined by nothing: the real /proc must say so. */
static void an_ordinary_process_shows_no_layer_of_ours(void **state)
{
    (void)state;
    static const sl_fact_roots real = { "/proc", "/sys" };
    sl_process_seen seen;
    assert_done(sl_fact_process(&real, getpid(), getuid(), &seen));
    uint32_t namespaces = SL_LAYER_BIT(SL_LAYER_USER_NS) | SL_LAYER_BIT(SL_LAYER_NET_NS) |
                          SL_LAYER_BIT(SL_LAYER_PID_NS) | SL_LAYER_BIT(SL_LAYER_ROOT);
    assert_int_equal(seen.holds & namespaces, 0);
    assert_int_equal(seen.holds & SL_LAYER_BIT(SL_LAYER_UID), 0);
    assert_code(sl_fact_process(&real, 0x7ffffff0, 0, &seen), SL_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_disk_is_named_so),
        cmocka_unit_test(encryption_below_a_volume_is_found),
        cmocka_unit_test(one_plain_disk_among_many_is_enough),
        cmocka_unit_test(what_cannot_be_seen_is_not_known),
        cmocka_unit_test(a_ring_of_devices_ends),
        cmocka_unit_test(more_devices_than_fit_are_not_known),
        cmocka_unit_test(swap_is_none_in_memory_or_on_a_disk),
        cmocka_unit_test(a_key_that_others_may_read_is_counted),
        cmocka_unit_test(each_layer_of_a_process_is_seen_or_not),
        cmocka_unit_test(an_ordinary_process_shows_no_layer_of_ours),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
