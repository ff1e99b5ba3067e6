/* The portable form of the echo engine's inner loops (echo_kernel.h), and the key schedule of all
 * forms. It defines what the fast forms must compute, bit for bit. */
#include "detect/echo_kernel.h"

#include "base/secret.h"

/* ---- AES in the manner of the AESENC instruction ------------------------------------------------ */

static uint8_t times_two(uint8_t x)
{
    return (uint8_t)((x << 1) ^ ((x & 0x80) != 0 ? 0x1B : 0));
}

static uint8_t rotate8(uint8_t x, unsigned by)
{
    return (uint8_t)(x << by | x >> (8 - by));
}

/* FIPS 197: the inverse in GF(2^8), then an affine map. `p` runs over all non-zero elements by
 * multiplying with 3 while `q` divides by 3, so that q is the inverse of p. */
static void make_table(uint32_t table[256])
{
    uint8_t p = 1;
    uint8_t q = 1;
    do {
        p = (uint8_t)(p ^ times_two(p));
        q ^= (uint8_t)(q << 1);
        q ^= (uint8_t)(q << 2);
        q ^= (uint8_t)(q << 4);
        q ^= (q & 0x80) != 0 ? 0x09 : 0;
        uint8_t s =
            (uint8_t)(q ^ rotate8(q, 1) ^ rotate8(q, 2) ^ rotate8(q, 3) ^ rotate8(q, 4) ^ 0x63);
        uint32_t two = times_two(s);
        table[p] = two | (uint32_t)s << 8 | (uint32_t)s << 16 | (two ^ s) << 24;
    } while (p != 1);
    table[0] = 0xA56363C6U;
}

static uint32_t rotate32(uint32_t x, unsigned by)
{
    return by == 0 ? x : x << by | x >> (32 - by);
}

static uint8_t substitute(const sl_echo_key *key, uint8_t x)
{
    return (uint8_t)(key->table[x] >> 8);
}

static void aes_round(const sl_echo_key *key, uint8_t state[16], const uint8_t round[16])
{
    uint32_t out[4];
    for (size_t c = 0; c < 4; c++) {
        out[c] = sl_get_le32(round + 4 * c);
        for (size_t r = 0; r < 4; r++) {
            out[c] ^= rotate32(key->table[state[(4 * (c + r) + r) % 16]], (unsigned)(8 * r));
        }
    }
    for (size_t c = 0; c < 4; c++) {
        sl_put_le32(state + 4 * c, out[c]);
    }
}

static void aes_last(const sl_echo_key *key, uint8_t state[16], const uint8_t round[16])
{
    uint8_t out[16];
    for (size_t c = 0; c < 4; c++) {
        for (size_t r = 0; r < 4; r++) {
            out[4 * c + r] = substitute(key, state[(4 * (c + r) + r) % 16]) ^ round[4 * c + r];
        }
    }
    memcpy(state, out, sizeof out);
}

static void add16(uint8_t state[16], const uint8_t other[16])
{
    for (size_t i = 0; i < 16; i++) {
        state[i] ^= other[i];
    }
}

static void aes_block(const sl_echo_key *key, uint8_t state[16])
{
    add16(state, key->round[0]);
    for (size_t i = 1; i < 10; i++) {
        aes_round(key, state, key->round[i]);
    }
    aes_last(key, state, key->round[10]);
}

static void expand(sl_echo_key *key, const uint8_t secret[16])
{
    uint8_t constant = 1;
    memcpy(key->round[0], secret, 16);
    for (size_t i = 1; i < 11; i++) {
        const uint8_t *before = key->round[i - 1];
        uint8_t *now = key->round[i];
        for (size_t b = 0; b < 4; b++) {
            now[b] = before[b] ^ substitute(key, before[12 + (b + 1) % 4]);
        }
        now[0] ^= constant;
        constant = times_two(constant);
        for (size_t b = 4; b < 16; b++) {
            now[b] = before[b] ^ now[b - 4];
        }
    }
}

/* One 16-byte block of the stream that all other secrets are drawn from. */
static void draw(const sl_echo_key *key, const uint8_t tweak[16], uint64_t number, uint8_t out[16])
{
    sl_put_le64(out, number);
    memcpy(out + 8, "SLECHO1", 8);
    add16(out, tweak);
    aes_block(key, out);
}

void sl_echo_key_init(sl_echo_key *key, const uint8_t match_key[32])
{
    uint8_t block[16];
    const uint8_t *tweak = match_key + 16;
    make_table(key->table);
    expand(key, match_key);
    draw(key, tweak, 0, key->word[0]);
    draw(key, tweak, 1, key->word[1]);
    draw(key, tweak, 2, key->check);
    draw(key, tweak, 3, block);
    key->number = sl_get_le64(block);
    for (size_t i = 0; i < SL_ECHO_SHINGLE_MAX; i++) {
        draw(key, tweak, 4 + i, block);
        key->low[i] = sl_get_le64(block) | 1;
        key->high[i] = sl_get_le64(block + 8) | 1;
    }
    draw(key, tweak, 4 + SL_ECHO_SHINGLE_MAX, key->mac);
    draw(key, tweak, 5 + SL_ECHO_SHINGLE_MAX, key->mac + 16);
    sl_wipe(block, sizeof block);
}

void sl_echo_key_wipe(sl_echo_key *key)
{
    sl_wipe(key, sizeof *key);
}

/* ---- the loops ---------------------------------------------------------------------------------- */

static size_t lower_portable(const uint8_t *in, size_t n, uint8_t *out)
{
    size_t i = 0;
    for (; i < n && in[i] < 0x80; i++) {
        out[i] = (uint8_t)(in[i] >= 'A' && in[i] <= 'Z' ? in[i] + 32 : in[i]);
    }
    return i;
}

static bool is_word_byte(uint8_t b)
{
    return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || b >= 0x80;
}

static size_t edges_portable(const uint8_t *text, size_t n, uint32_t *edges)
{
    size_t count = 0;
    bool inside = false;
    for (size_t i = 0; i < n; i++) {
        if (is_word_byte(text[i]) != inside) {
            inside = !inside;
            edges[count++] = (uint32_t)i;
        }
    }
    return count;
}

static uint64_t hash_word(const sl_echo_key *key, const uint8_t *word, size_t n)
{
    uint8_t state[16] = { 0 };
    memcpy(state, word, n < 16 ? n : 16);
    state[0] ^= (uint8_t)n;
    aes_round(key, state, key->word[0]);
    aes_round(key, state, key->word[1]);
    for (size_t at = 16; at < n; at += 16) {
        uint8_t more[16] = { 0 };
        memcpy(more, word + at, n - at < 16 ? n - at : 16);
        add16(state, more);
        aes_round(key, state, key->word[0]);
        aes_round(key, state, key->word[1]);
    }
    return sl_get_le64(state);
}

/* A number begins with a digit or has two of them in its first sixteen bytes. */
static bool is_number(const uint8_t *word, size_t n)
{
    size_t digits = 0;
    for (size_t i = 0; i < n && i < 16; i++) {
        digits += word[i] >= '0' && word[i] <= '9';
    }
    return digits >= 2 || (word[0] >= '0' && word[0] <= '9');
}

static void words_portable(const sl_echo_key *key, const uint8_t *text, const uint32_t *edges,
                           size_t pairs, sl_echo_tokens *out)
{
    for (size_t i = 0; i < pairs; i++) {
        uint32_t at = edges[2 * i];
        while (at < edges[2 * i + 1]) {
            size_t n = edges[2 * i + 1] - at;
            n = n < SL_ECHO_TOKEN_BYTES ? n : SL_ECHO_TOKEN_BYTES;
            sl_echo_push(out, key->number, hash_word(key, text + at, n), at,
                         is_number(text + at, n));
            at += (uint32_t)n;
        }
    }
}

static void shingles_portable(const sl_echo_key *key, const uint64_t *hash, size_t count, size_t k,
                              uint64_t *tag, uint64_t *check)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t low = 0;
        uint64_t high = 0;
        for (size_t j = 0; j < k; j++) {
            low += hash[i + j] * key->low[j];
            high += (hash[i + j] >> 32) * key->high[j];
        }
        uint8_t block[16];
        sl_put_le64(block, low);
        sl_put_le64(block + 8, high);
        aes_block(key, block);
        tag[i] = sl_get_le64(block);
        check[i] = sl_get_le64(block + 8);
    }
}

static size_t probe_portable(const uint8_t *filter, uint32_t words, const uint64_t *tag,
                             size_t count, uint32_t *ret_positions)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = sl_echo_filter_bits(tag[i]);
        uint64_t word = sl_get_le64(filter + 8 * (size_t)sl_echo_filter_at(tag[i], words));
        ret_positions[found] = (uint32_t)i;
        found += (word & bits) == bits;
    }
    return found;
}

static const sl_echo_kernel PORTABLE = { "portable",     lower_portable,    edges_portable,
                                         words_portable, shingles_portable, probe_portable };

const sl_echo_kernel *sl_echo_kernel_get(sl_echo_speed speed)
{
    return speed == SL_ECHO_PORTABLE ? &PORTABLE : sl_echo_kernel_x86(speed);
}

/* Asking a processor what it can do takes a microsecond in a virtual machine: it is asked once. */
const sl_echo_kernel *sl_echo_kernel_best(void)
{
    static _Atomic(const sl_echo_kernel *) best;
    const sl_echo_kernel *known = best;
    if (known != NULL) {
        return known;
    }
    best = &PORTABLE;
    for (int speed = SL_ECHO_SPEED_COUNT - 1; speed > SL_ECHO_PORTABLE; speed--) {
        const sl_echo_kernel *k = sl_echo_kernel_get((sl_echo_speed)speed);
        if (k != NULL) {
            best = k;
            break;
        }
    }
    return best;
}
