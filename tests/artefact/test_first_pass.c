/* A file that changes while it is read: parsers that come back to a place must see what was hashed, or the
 * verdict is about bytes that nobody will load. */
#include "artefact/format_case.h"

#include "crypto/hash.h"

/* A file with a writer behind the reader's back: after `calm` reads, the byte at `place` is another. */
typedef struct {
    uint8_t *bytes;
    size_t n;
    size_t reads;
    size_t calm;
    size_t place;
    bool shrinks; /* or it ends there */
} moving;

static sl_res read_moving(void *ctx, uint64_t offset, void *to, size_t n, size_t *ret_got)
{
    moving *m = ctx;
    sl_view all = { m->bytes, m->n };
    m->reads++;
    if (m->reads > m->calm && m->shrinks) {
        all.n = m->place;
    }
    sl_view part =
        offset > all.n ? (sl_view){ 0 } : sl_view_sub(all, (size_t)offset, (size_t)offset + n);
    if (part.n != 0) {
        memcpy(to, part.p, part.n);
    }
    if (m->reads > m->calm && !m->shrinks && m->place >= offset && m->place < offset + part.n) {
        ((uint8_t *)to)[m->place - offset] ^= 1;
    }
    *ret_got = part.n;
    return SL_DONE;
}

/* A stored zip of one member, large enough to take several reads: its directory stands at the end. */
static sl_buf make_zip(size_t bytes)
{
    const sl_view local = SL_LIT("PK\3\4\x14\0\0\0\0\0\0\0\0\0");
    const sl_view central = SL_LIT("PK\1\2\x14\0\x14\0\0\0\0\0\0\0\0\0");
    const sl_view middle = SL_LIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"); /* to the name */
    const sl_view end = SL_LIT("PK\5\6\0\0\0\0\1\0\1\0");
    sl_buf out = { .max = bytes + 4096 };
    uint8_t number[4];
    uint32_t crc = 0;
    sl_buf content = { .max = bytes + 16 };
    assert_done(sl_buf_add(&content, SL_LIT("\x80\4\x8e")));
    uint8_t length[8] = { 0 };
    sl_put_le32(length, (uint32_t)bytes);
    assert_done(sl_buf_add(&content, sl_view_of(length, 8)));
    for (size_t i = 0; i < bytes; i++) {
        assert_done(sl_buf_add_byte(&content, 0));
    }
    assert_done(sl_buf_add(&content, SL_LIT(".")));
    for (size_t i = 0; i < content.n; i++) { /* CRC-32, bit by bit */
        crc = i == 0 ? 0xffffffffU : crc;
        crc ^= content.p[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1)));
        }
    }
    crc = ~crc;
    for (unsigned view = 0; view < 2; view++) {
        size_t at = out.n;
        assert_done(sl_buf_add(&out, view == 0 ? local : central));
        sl_put_le32(number, crc);
        assert_done(sl_buf_add(&out, sl_view_of(number, 4)));
        sl_put_le32(number, (uint32_t)content.n);
        assert_done(sl_buf_add(&out, sl_view_of(number, 4)));
        assert_done(sl_buf_add(&out, sl_view_of(number, 4)));
        assert_done(sl_buf_add(&out, SL_LIT("\5\0")));
        assert_done(sl_buf_add(&out, view == 0 ? SL_LIT("\0\0") : middle));
        assert_done(sl_buf_add(&out, SL_LIT("a.pkl")));
        if (view == 0) {
            assert_done(sl_buf_add(&out, sl_buf_view(&content)));
            continue;
        }
        size_t directory = out.n - at;
        assert_done(sl_buf_add(&out, end));
        sl_put_le32(number, (uint32_t)directory);
        assert_done(sl_buf_add(&out, sl_view_of(number, 4)));
        sl_put_le32(number, (uint32_t)at);
        assert_done(sl_buf_add(&out, sl_view_of(number, 4)));
        assert_done(sl_buf_add(&out, SL_LIT("\0\0")));
    }
    sl_buf_free(&content);
    return out;
}

static sl_scan_result scan_moving(moving *m)
{
    sl_scan_result result = { 0 };
    const sl_scan_input input = {
        .read = read_moving, .ctx = m, .size = m->n, .name = SL_LIT("a.zip"), .key = { 1, 2 }
    };
    assert_done(sl_scan_run(&input, &result));
    return result;
}

/* Whenever the byte changes, the answer is about what was hashed: clean with the digest of the bytes as
 * they were, or as they became if nobody had read them before; or not clean. */
static void a_change_between_reads_is_never_clean_unseen(void **state)
{
    sl_buf zip = make_zip((size_t)3 << 20);
    moving still = { .bytes = zip.p, .n = zip.n, .calm = SIZE_MAX };
    sl_scan_result result = scan_moving(&still);
    assert_int_equal(result.class, SL_SCAN_CLEAN);
    sl_scan_result_free(&result);
    assert_true(still.reads > 3);
    size_t told = 0;
    static const size_t places[] = { 40, 1000, (size_t)1 << 20, ((size_t)2 << 20) + 7 };
    for (size_t i = 0; i < SL_COUNT_OF(places); i++) {
        for (size_t calm = 0; calm < still.reads; calm++) {
            moving m = { .bytes = zip.p, .n = zip.n, .calm = calm, .place = places[i] };
            result = scan_moving(&m);
            sl_digest as_was = sl_sha256(sl_buf_view(&zip));
            bool same = memcmp(&result.sha256, &as_was, sizeof as_was) == 0;
            bool changed = format_found(&result, SL_RULE_SCAN_CHANGED);
            told += changed;
            assert_true(result.class != SL_SCAN_CLEAN || same);
            assert_true(!changed || (result.class != SL_SCAN_CLEAN && !result.complete));
            sl_scan_result_free(&result);
        }
    }
    assert_true(told != 0);
    sl_buf_free(&zip);
}

static void a_file_that_shrinks_is_not_clean(void **state)
{
    sl_buf zip = make_zip((size_t)3 << 20);
    moving still = { .bytes = zip.p, .n = zip.n, .calm = SIZE_MAX };
    sl_scan_result result = scan_moving(&still);
    sl_scan_result_free(&result);
    for (size_t calm = 0; calm + 1 < still.reads; calm++) {
        moving m = { .bytes = zip.p, .n = zip.n, .calm = calm, .place = 100, .shrinks = true };
        result = scan_moving(&m);
        assert_true(result.class != SL_SCAN_CLEAN && !result.complete);
        sl_scan_result_free(&result);
    }
    sl_buf_free(&zip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_between_reads_is_never_clean_unseen),
        cmocka_unit_test(a_file_that_shrinks_is_not_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
