/* Chemical structures in running text: the third view of the echo engine. Words fold case and know no
 * brackets, so that a SMILES is nothing to them; here runs of structure characters are found and cut into
 * keyed shingles of characters as they stand.
 *
 * A run begins behind a byte that is no letter or digit and is one of
 *   SMILES    atoms of the organic subset, bracket atoms, bonds, branches, rings; at least sixteen
 *             characters, of which three are brackets, bonds or digits
 *   InChI     "InChI=1" and what may follow it, at least sixteen characters
 *   InChIKey  fourteen, ten and one capital letters with hyphens between, and no letter beside them
 * A full stop, a comma or a closing parenthesis of the sentence around it is no part of its whole.
 * What a run says depends on its bytes alone, however the text was split; no run is kept but its last
 * characters. Two spellings of one molecule are two texts: nothing here computes chemistry.
 * Sources: Weininger 1988 and the OpenSMILES specification 1.0; the InChI Technical Manual 1.06.
 * Internal to src/detect. */
#ifndef SL_DETECT_ECHO_STRUCTURE_H
#define SL_DETECT_ECHO_STRUCTURE_H

#include "detect/echo_kernel.h"

/* Characters of a shingle; a shorter run is none. */
#define SL_ECHO_STRUCTURE_CHARS 16U
#define SL_ECHO_KEY_CHARS 27U
/* A longer run is looked at in several. */
#define SL_ECHO_STRUCTURE_RUN_MAX 4096U
/* An index keeps one shingle of so many of a run, beside the run as a whole; of an InChI, which is longer and says
 * less, one of twice as many. */
#define SL_ECHO_STRUCTURE_STRIDE 16U

typedef enum {
    SL_ECHO_PART,     /* sixteen characters of a SMILES or InChI */
    SL_ECHO_WHOLE,    /* a SMILES or InChI from its begin to its end */
    SL_ECHO_SKELETON, /* the first block of an InChIKey: the same atoms in the same bonds */
    SL_ECHO_INCHIKEY, /* all of it */
} sl_echo_structure_kind;

/* What a run gives. Parts come as they are read, the others at its end. */
typedef struct {
    sl_echo_structure_kind kind;
    bool inchi;   /* says less for each character than a SMILES */
    uint32_t at;  /* number of the first character in its run */
    uint32_t n;   /* characters */
    uint64_t run; /* where the run begins, bytes of the text */
    uint64_t tag; /* keyed */
    uint64_t check;
} sl_echo_structure;

/* Where a stream of text stands: small, one for each stream. Begin with zeros. */
typedef struct {
    uint64_t seen; /* bytes */
    uint64_t run;
    uint64_t hash[2];
    uint8_t last[SL_ECHO_STRUCTURE_CHARS];
    uint32_t n;  /* characters of the run; 0: none is open */
    uint8_t may; /* what it may still be */
    uint8_t before;
    bool inside; /* a run or a word goes on that is none: until a byte that is no letter or digit */
    uint8_t bracket; /* characters inside the bracket that is open, its own counted; 0: none */
    uint8_t proof;   /* brackets, bonds, digits */
    uint16_t depth;  /* of branches */
    bool torn;       /* a branch ended that never began */
    /* Up to the last character that a structure may end with: what follows may be the sentence's. */
    uint32_t end_n;
    uint64_t end_hash[2];
    uint64_t skeleton[2];
} sl_echo_structure_cursor;

/* The run that is open, or UINT64_MAX. */
static inline uint64_t sl_echo_structure_open(const sl_echo_structure_cursor *cursor)
{
    return cursor->n != 0 ? cursor->run : UINT64_MAX;
}

typedef sl_res (*sl_echo_structure_sink)(void *context, const sl_echo_structure *structure);

/* Takes the next piece of a text; `last`: the text ends with it. */
SL_MUST sl_res sl_echo_structures_take(sl_echo_structure_cursor *cursor, const sl_echo_key *key,
                                       sl_view piece, bool last, sl_echo_structure_sink sink,
                                       void *context);

/* Bits that so many characters say, about: counted from public collections of compounds, where a character of a
 * SMILES behind the four before it is a choice of four, and one of an InChI of less than three. */
static inline uint32_t sl_echo_structure_bits(uint32_t characters, bool inchi)
{
    return inchi ? characters * 3 / 2 : characters * 2;
}
/* A key's blocks are hashes: fourteen letters of the first are as good as random. */
#define SL_ECHO_KEY_BITS 64U

/* ---- two texts ----------------------------------------------------------------------------------- */

/* The most telling structure characters that two texts have in common, in one stretch. */
typedef struct {
    uint32_t bits; /* 0: none */
    uint32_t characters;
    size_t text_start; /* bytes */
    size_t text_end;
    size_t record_start;
    size_t record_end;
} sl_echo_structure_match;

/* A whole structure, an InChIKey, or at least sixteen characters in a row that stand in both. */
SL_MUST sl_res sl_echo_structures_compare(const sl_echo_key *key, sl_view text, sl_view record,
                                          sl_echo_structure_match *ret);

#endif
