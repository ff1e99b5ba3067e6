/* Runs of structure characters (echo_structure.h). One byte at a time and never back: what a run may still be
 * is a set that only shrinks, and a run that may be nothing any more ends. */
#include "detect/echo_structure.h"

enum { MAY_SMILES = 1, MAY_INCHI = 2, MAY_KEY = 4 };

/* Brackets, bonds and digits that a SMILES must show before it counts. */
#define PROOF_LEAST 3U
/* An atom in brackets is at most so long: [235U@TH26+10:9999] */
#define BRACKET_MAX 20U
#define SKELETON_CHARS 14U

/* How a byte may stand in a SMILES: as an atom outside of brackets, as a sign (bond, branch, ring, dot). */
enum {
    ATOM = 1,
    SIGN = 2,
    PROOF = 4,
    LETTER = 8,
    CAPITAL = 16,
    DIGIT = 32,
    INCHI = 64,
    BRACKETED = 128 /* only inside of brackets */
};

static const uint8_t KINDS[256] = {
#define ATOM_CAPITAL (ATOM | LETTER | CAPITAL | INCHI)
#define ATOM_SMALL (ATOM | LETTER | INCHI)
#define OTHER_CAPITAL (LETTER | CAPITAL | INCHI)
#define OTHER_SMALL (LETTER | INCHI)
    ['A'] = OTHER_CAPITAL,
    ['B'] = ATOM_CAPITAL,
    ['C'] = ATOM_CAPITAL,
    ['D' ... 'E'] = OTHER_CAPITAL,
    ['F'] = ATOM_CAPITAL,
    ['G' ... 'H'] = OTHER_CAPITAL,
    ['I'] = ATOM_CAPITAL,
    ['J' ... 'M'] = OTHER_CAPITAL,
    ['N' ... 'P'] = ATOM_CAPITAL,
    ['Q' ... 'R'] = OTHER_CAPITAL,
    ['S'] = ATOM_CAPITAL,
    ['T' ... 'Z'] = OTHER_CAPITAL,
    ['a'] = OTHER_SMALL,
    ['b' ... 'c'] = ATOM_SMALL,
    ['d' ... 'm'] = OTHER_SMALL,
    ['n' ... 'p'] = ATOM_SMALL,
    ['q' ... 'r'] = OTHER_SMALL,
    ['s'] = ATOM_SMALL,
    ['t' ... 'z'] = OTHER_SMALL,
    ['0' ... '9'] = SIGN | PROOF | DIGIT | INCHI,
    ['('] = SIGN | PROOF | INCHI,
    [')'] = SIGN | PROOF | INCHI,
    ['='] = SIGN | PROOF,
    ['#'] = SIGN | PROOF,
    ['$'] = SIGN,
    ['%'] = SIGN | PROOF,
    ['*'] = SIGN | INCHI,
    ['/'] = SIGN | INCHI,
    ['\\'] = SIGN,
    ['-'] = SIGN | INCHI,
    ['.'] = SIGN | INCHI,
    ['~'] = SIGN,
    ['['] = PROOF,
    [']'] = PROOF,
    ['+'] = INCHI | BRACKETED,
    ['@'] = BRACKETED,
    [':'] = BRACKETED,
    [','] = INCHI,
    [';'] = INCHI,
    ['?'] = INCHI,
    ['!'] = INCHI,
};

static bool is_alphanumeric(uint8_t b)
{
    return (KINDS[b] & (LETTER | DIGIT)) != 0;
}

/* ---- what a run may be --------------------------------------------------------------------------- */

static bool smiles_goes_on(sl_echo_structure_cursor *c, uint8_t b)
{
    uint8_t kind = KINDS[b];
    if (c->bracket != 0) {
        c->bracket = b == ']' ? 0 : (uint8_t)(c->bracket + 1);
        return b == ']' || (c->bracket <= BRACKET_MAX &&
                            ((kind & (LETTER | DIGIT | BRACKETED)) != 0 || b == '-' || b == '*'));
    }
    if (b == '[') {
        c->bracket = 1;
        return true;
    }
    return (kind & (ATOM | SIGN)) != 0 || (b == 'l' && c->before == 'C') ||
           (b == 'r' && c->before == 'B');
}

static bool inchi_goes_on(const sl_echo_structure_cursor *c, uint8_t b)
{
    static const uint8_t PREFIX[7] = { 'I', 'n', 'C', 'h', 'I', '=', '1' };
    return c->n < sizeof PREFIX ? b == PREFIX[c->n] : (KINDS[b] & INCHI) != 0;
}

static bool key_goes_on(const sl_echo_structure_cursor *c, uint8_t b)
{
    bool hyphen = c->n == SKELETON_CHARS || c->n == SL_ECHO_KEY_CHARS - 2;
    return c->n < SL_ECHO_KEY_CHARS && (hyphen ? b == '-' : (KINDS[b] & CAPITAL) != 0);
}

static uint8_t goes_on_as(sl_echo_structure_cursor *c, uint8_t b)
{
    uint8_t may = 0;
    if ((c->may & MAY_SMILES) != 0 && smiles_goes_on(c, b)) {
        may |= MAY_SMILES;
    }
    if ((c->may & MAY_INCHI) != 0 && inchi_goes_on(c, b)) {
        may |= MAY_INCHI;
    }
    if ((c->may & MAY_KEY) != 0 && key_goes_on(c, b)) {
        may |= MAY_KEY;
    }
    return may;
}

/* ---- what it gives ------------------------------------------------------------------------------- */

/* Keyed as all shingles are: a secret sum, then AES. */
static void set_tag(const sl_echo_key *key, const uint64_t content[2], sl_echo_structure *s)
{
    uint64_t words[4 + SL_ECHO_SHINGLE_MAX] = { content[0], content[1], content[0] << 32,
                                                content[1] << 32 | (uint64_t)s->kind << 16 |
                                                    (s->n < 65535 ? s->n : 65535) };
    uint64_t tag[SL_ECHO_SHINGLE_MAX];
    uint64_t check[SL_ECHO_SHINGLE_MAX];
    sl_echo_kernel_best()->shingles(key, words, 1, 4, tag, check);
    s->tag = tag[0];
    s->check = check[0];
}

static void add_to_hash(uint64_t hash[2], uint8_t b)
{
    hash[0] = (hash[0] ^ b) * 0x9E3779B97F4A7C15U;
    hash[0] ^= hash[0] >> 29;
    hash[1] = (hash[1] + b + 1) * 0xC2B2AE3D27D4EB4FU;
    hash[1] ^= hash[1] >> 31;
}

static bool counts(const sl_echo_structure_cursor *c)
{
    return c->n >= SL_ECHO_STRUCTURE_CHARS &&
           ((c->may & MAY_INCHI) != 0 || ((c->may & MAY_SMILES) != 0 && c->proof >= PROOF_LEAST));
}

/* The sixteen characters that end here. */
static sl_res give_part(const sl_echo_structure_cursor *c, const sl_echo_key *key,
                        sl_echo_structure_sink sink, void *context)
{
    uint8_t chars[SL_ECHO_STRUCTURE_CHARS];
    for (uint32_t i = 0; i < SL_ECHO_STRUCTURE_CHARS; i++) {
        chars[i] = c->last[(c->n + i) % SL_ECHO_STRUCTURE_CHARS];
    }
    uint64_t content[2] = { sl_get_le64(chars), sl_get_le64(chars + 8) };
    sl_echo_structure s = { .kind = SL_ECHO_PART,
                            .inchi = (c->may & MAY_INCHI) != 0,
                            .at = c->n - SL_ECHO_STRUCTURE_CHARS,
                            .n = SL_ECHO_STRUCTURE_CHARS,
                            .run = c->run };
    set_tag(key, content, &s);
    return sink(context, &s);
}

static sl_res give_end(const sl_echo_structure_cursor *c, const sl_echo_key *key,
                       sl_echo_structure_kind kind, uint32_t n, const uint64_t hash[2],
                       sl_echo_structure_sink sink, void *context)
{
    sl_echo_structure s = {
        .kind = kind, .inchi = (c->may & MAY_INCHI) != 0, .n = n, .run = c->run
    };
    set_tag(key, hash, &s);
    return sink(context, &s);
}

static sl_res end_run(sl_echo_structure_cursor *c, const sl_echo_key *key, bool beside_letter,
                      sl_echo_structure_sink sink, void *context)
{
    sl_res r = SL_DONE;
    if ((c->may & MAY_KEY) != 0 && c->n == SL_ECHO_KEY_CHARS && !beside_letter) {
        r = give_end(c, key, SL_ECHO_SKELETON, SKELETON_CHARS, c->skeleton, sink, context);
        r = sl_ok(r) ? give_end(c, key, SL_ECHO_INCHIKEY, c->n, c->hash, sink, context) : r;
    } else if (counts(c) && c->end_n >= SL_ECHO_STRUCTURE_CHARS) {
        r = give_end(c, key, SL_ECHO_WHOLE, c->end_n, c->end_hash, sink, context);
    }
    c->n = 0;
    c->may = 0;
    return r;
}

/* ---- the stream ---------------------------------------------------------------------------------- */

static void begin_run(sl_echo_structure_cursor *c, uint64_t at)
{
    *c = (sl_echo_structure_cursor){ .seen = c->seen,
                                     .run = at,
                                     .may = MAY_SMILES | MAY_INCHI | MAY_KEY };
}

/* Branches, and whether a structure may end here. */
static void note_end(sl_echo_structure_cursor *c, uint8_t b)
{
    c->torn = c->torn || (b == ')' && c->depth == 0);
    c->depth = (uint16_t)(c->depth + (b == '(' && c->bracket == 0) -
                          (b == ')' && c->depth != 0 && c->bracket == 0));
    bool closes = is_alphanumeric(b) || b == ')' || b == ']' || b == '*';
    if (closes && c->bracket == 0 && c->depth == 0 && !c->torn) {
        c->end_n = c->n;
        memcpy(c->end_hash, c->hash, sizeof c->end_hash);
    }
}

static void add_char(sl_echo_structure_cursor *c, uint8_t b)
{
    c->last[c->n % SL_ECHO_STRUCTURE_CHARS] = b;
    c->n++;
    c->before = b;
    c->proof = (uint8_t)(c->proof + ((KINDS[b] & PROOF) != 0 && c->proof < PROOF_LEAST));
    add_to_hash(c->hash, b);
    note_end(c, b);
    if (c->n == SKELETON_CHARS) {
        memcpy(c->skeleton, c->hash, sizeof c->skeleton);
    }
}

/* May a run begin with this byte? Branches and ring numbers stand behind an atom; a text that begins in the
 * middle of a structure is taken from its next atom on. */
static bool begins(uint8_t b)
{
    return (KINDS[b] & ATOM) != 0 || (KINDS[b] & CAPITAL) != 0 || b == '[';
}

/* Leaves a run that `b` does not belong to; `b` itself is looked at anew. */
static sl_res leave_run(sl_echo_structure_cursor *c, const sl_echo_key *key, uint8_t b,
                        sl_echo_structure_sink sink, void *context)
{
    SL_TRY(end_run(c, key, is_alphanumeric(b), sink, context));
    c->inside = is_alphanumeric(b);
    return SL_DONE;
}

static sl_res take_byte(sl_echo_structure_cursor *c, const sl_echo_key *key, uint8_t b, uint64_t at,
                        sl_echo_structure_sink sink, void *context)
{
    if (c->n != 0) {
        uint8_t may = c->n < SL_ECHO_STRUCTURE_RUN_MAX ? goes_on_as(c, b) : 0;
        if (may != 0) {
            /* A key is told from a SMILES of capitals by its hyphens. */
            c->may = may;
            add_char(c, b);
            return counts(c) ? give_part(c, key, sink, context) : SL_DONE;
        }
        SL_TRY(leave_run(c, key, b, sink, context));
    }
    if (!c->inside && begins(b)) {
        begin_run(c, at);
        c->may = goes_on_as(c, b);
        if (c->may != 0) {
            add_char(c, b);
            return SL_DONE;
        }
    }
    c->inside = is_alphanumeric(b);
    return SL_DONE;
}

/* How many of eight bytes there are up to the last one that is a space, a control character or beyond ASCII. */
static size_t last_gap(const uint8_t *p)
{
    uint64_t x = sl_get_le64(p);
    uint64_t above =
        (x & 0x7F7F7F7F7F7F7F7FU) + 0x5F5F5F5F5F5F5F5FU; /* top bit: more than a space */
    uint64_t gaps = (~above | x) & 0x8080808080808080U;
    return gaps == 0 ? 0 : 8 - (size_t)__builtin_clzll(gaps) / 8;
}

/* Most of any text is words that are no structure. Where there is a gap in the next sixteen bytes, nothing that
 * begins before it counts: on behind the last one. */
static size_t skip(sl_echo_structure_cursor *c, sl_view piece, size_t at)
{
    while (c->n == 0 && piece.n - at >= SL_ECHO_STRUCTURE_CHARS) {
        size_t high = last_gap(piece.p + at + 8);
        size_t n = high != 0 ? 8 + high : last_gap(piece.p + at);
        if (n == 0) {
            break;
        }
        c->inside = false;
        at += n;
    }
    while (c->n == 0 && c->inside && at < piece.n && is_alphanumeric(piece.p[at])) {
        at++;
    }
    return at;
}

sl_res sl_echo_structures_take(sl_echo_structure_cursor *cursor, const sl_echo_key *key,
                               sl_view piece, bool last, sl_echo_structure_sink sink, void *context)
{
    for (size_t at = 0; at < piece.n; at++) {
        at = skip(cursor, piece, at);
        if (at < piece.n) {
            SL_TRY(take_byte(cursor, key, piece.p[at], cursor->seen + at, sink, context));
        }
    }
    cursor->seen += piece.n;
    if (last) {
        SL_TRY(end_run(cursor, key, false, sink, context));
        *cursor = (sl_echo_structure_cursor){ 0 };
    }
    return SL_DONE;
}
