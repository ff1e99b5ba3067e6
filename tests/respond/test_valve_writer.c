/* Valves: what the warden writes is what readers see; readers cannot write, nor map a way to; epochs
 * only rise; silence and absence mean closed. */
#include "respond/valve_writer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int fd = -1;
static sl_valve_memory *memory;
static const sl_valve *valve;

static int set_up(void **state)
{
    assert_true(sl_ok(sl_valve_memory_make(&fd, &memory)));
    assert_true(sl_ok(sl_valve_writer_take(memory)));
    assert_true(sl_ok(sl_valve_map(fd, &valve)));
    return 0;
}

static int tear_down(void **state)
{
    sl_valve_unmap(valve);
    sl_valve_unmap(memory);
    return close(fd);
}

static sl_valve_id id_of(uint8_t n)
{
    return (sl_valve_id){ { n, 1 } };
}

static void all_is_closed_at_first(void **state)
{
    sl_valve_ticket ticket;
    assert_int_equal(sl_valve_take(valve, 5, SL_DOOR_ASK, 0, NULL, 0, &ticket), SL_VALVE_SITE);
    assert_false(sl_valve_fresh(valve, 5));
    assert_int_equal(sl_valve_find_compartment(valve, id_of(1)), SL_VALVE_NO_SLOT);
    assert_int_equal(sl_valve_compartment_epoch(valve, SL_VALVE_NO_SLOT), 0);
}

/* Opens everything for one compartment and one principal. */
static void open_all(sl_valve_slot *c, sl_valve_slot *p)
{
    assert_true(sl_ok(sl_valve_add_compartment(memory, id_of(1), c)));
    assert_true(sl_ok(sl_valve_add_principal(memory, id_of(2), p)));
    (void)sl_valve_open(memory, SL_VALVE_OF_SITE, 0);
    (void)sl_valve_open(memory, SL_VALVE_OF_DOOR, SL_DOOR_ASK);
    (void)sl_valve_open(memory, SL_VALVE_OF_COMPARTMENT, *c);
    (void)sl_valve_open(memory, SL_VALVE_OF_PRINCIPAL, *p);
    sl_valve_beat(memory, 1000);
}

static void each_valve_closes_a_ticket_and_reopening_does_not_revive_it(void **state)
{
    static const struct {
        sl_valve_kind kind;
        sl_valve_state state;
    } cases[] = {
        { SL_VALVE_OF_SITE, SL_VALVE_SITE },
        { SL_VALVE_OF_DOOR, SL_VALVE_DOOR },
        { SL_VALVE_OF_COMPARTMENT, SL_VALVE_COMPARTMENT },
        { SL_VALVE_OF_PRINCIPAL, SL_VALVE_PRINCIPAL },
    };
    sl_valve_slot c;
    sl_valve_slot p;
    open_all(&c, &p);
    assert_int_equal(sl_valve_find_compartment(valve, id_of(1)), c);
    assert_int_equal(sl_valve_find_principal(valve, id_of(2)), p);
    for (size_t i = 0; i < SL_COUNT_OF(cases); i++) {
        sl_valve_slot slot = cases[i].kind == SL_VALVE_OF_DOOR          ? SL_DOOR_ASK
                             : cases[i].kind == SL_VALVE_OF_COMPARTMENT ? c
                                                                        : p;
        sl_valve_ticket ticket;
        assert_int_equal(sl_valve_take(valve, 1000, SL_DOOR_ASK, p, &c, 1, &ticket), SL_VALVE_OPEN);
        assert_int_equal(sl_valve_holds(valve, 1000, &ticket), SL_VALVE_OPEN);
        uint64_t before = sl_valve_epoch(memory, cases[i].kind, slot);
        uint64_t closed = sl_valve_close(memory, cases[i].kind, slot);
        assert_true(closed > before && (closed & 1) == 0);
        assert_int_equal(sl_valve_close(memory, cases[i].kind, slot), closed);
        assert_int_equal(sl_valve_holds(valve, 1000, &ticket), cases[i].state);
        assert_int_equal(sl_valve_take(valve, 1000, SL_DOOR_ASK, p, &c, 1, &ticket),
                         cases[i].state);
        assert_true(sl_valve_open(memory, cases[i].kind, slot) > closed);
        assert_int_equal(sl_valve_holds(valve, 1000, &ticket), cases[i].state);
    }
}

static void renew_ends_tickets_and_keeps_the_state(void **state)
{
    sl_valve_slot c;
    sl_valve_slot p;
    open_all(&c, &p);
    sl_valve_ticket ticket;
    assert_int_equal(sl_valve_take(valve, 1000, SL_DOOR_ASK, p, &c, 1, &ticket), SL_VALVE_OPEN);
    assert_true(sl_epoch_open(sl_valve_renew(memory, SL_VALVE_OF_PRINCIPAL, p)));
    assert_int_equal(sl_valve_holds(valve, 1000, &ticket), SL_VALVE_PRINCIPAL);
    (void)sl_valve_close(memory, SL_VALVE_OF_PRINCIPAL, p);
    assert_false(sl_epoch_open(sl_valve_renew(memory, SL_VALVE_OF_PRINCIPAL, p)));
}

static void a_silent_warden_closes_everything(void **state)
{
    sl_valve_slot c;
    sl_valve_slot p;
    open_all(&c, &p);
    sl_valve_ticket ticket;
    assert_int_equal(sl_valve_take(valve, 1000 + SL_VALVE_STALE_MS, SL_DOOR_ASK, p, &c, 1, &ticket),
                     SL_VALVE_OPEN);
    assert_int_equal(sl_valve_holds(valve, 1001 + SL_VALVE_STALE_MS, &ticket), SL_VALVE_STALE);
    assert_int_equal(sl_valve_holds(valve, 990, &ticket), SL_VALVE_OPEN);
}

static void a_raise_is_closed_and_never_lowers(void **state)
{
    sl_valve_raise(memory, SL_VALVE_OF_SITE, 0, 101);
    assert_int_equal(sl_valve_site_epoch(valve), 102);
    sl_valve_raise(memory, SL_VALVE_OF_SITE, 0, 50);
    assert_int_equal(sl_valve_site_epoch(valve), 102);
}

static void a_full_table_says_so(void **state)
{
    sl_valve_slot slot;
    for (size_t i = 0; i < SL_VALVE_COMPARTMENTS_MAX; i++) {
        sl_valve_id id = { { (uint8_t)i, (uint8_t)(i >> 8), 9 } };
        assert_true(sl_ok(sl_valve_add_compartment(memory, id, &slot)));
    }
    assert_int_equal(sl_valve_add_compartment(memory, (sl_valve_id){ { 0, 0, 10 } }, &slot).code,
                     SL_E_LIMIT);
    assert_true(sl_ok(sl_valve_add_compartment(memory, (sl_valve_id){ { 3, 0, 9 } }, &slot)));
    assert_int_equal(slot, 3);
}

/* The control: the same store through the writer's mapping succeeds, so a refusal below is the
 * seal's doing. */
static void a_reader_has_no_way_to_write(void **state)
{
    size_t n = sl_valve_bytes();
    (void)sl_valve_open(memory, SL_VALVE_OF_SITE, 0);
    assert_true(sl_epoch_open(sl_valve_site_epoch(valve)));
    assert_ptr_equal(mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_int_equal(errno, EPERM);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    union {
        const sl_valve *from;
        void *to;
    } mapping = { .from = valve };
    assert_int_equal(mprotect(mapping.to, n, PROT_READ | PROT_WRITE), -1);
    assert_int_equal(errno, EACCES);
}

static void memory_that_is_not_sealed_is_refused(void **state)
{
    int loose = memfd_create("loose", MFD_ALLOW_SEALING);
    assert_true(loose >= 0);
    const sl_valve *other;
    assert_int_equal(sl_valve_map(loose, &other).code, SL_E_VERSION);
    assert_int_equal(ftruncate(loose, (off_t)sl_valve_bytes()), 0);
    assert_int_equal(sl_valve_map(loose, &other).code, SL_E_INTEGRITY);
    assert_int_equal(close(loose), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_is_closed_at_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_valve_closes_a_ticket_and_reopening_does_not_revive_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(renew_ends_tickets_and_keeps_the_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_warden_closes_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_raise_is_closed_and_never_lowers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_table_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_has_no_way_to_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_that_is_not_sealed_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
