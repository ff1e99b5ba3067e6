/* Invented clinical notes by seed: a header, templates that every note shares, narrative sentences put
 * together from word lists, vitals, laboratory values, a plan. Nobody in them exists. Meant for
 * measuring: sentences have about the surprise of real notes (three to four bits a word), templates
 * have none. Pure. */
#ifndef ECHO_TRIALS_NOTES_H
#define ECHO_TRIALS_NOTES_H

#include "base/bytes.h"

typedef struct {
    uint64_t state;
} note_maker;

uint32_t note_draw(note_maker *maker, uint32_t n);
/* Appends one note of about 2 KiB. */
SL_MUST sl_res note_add(note_maker *maker, sl_buf *out);
/* A word of a person's name; of the narrative. */
SL_MUST sl_res note_add_name(note_maker *maker, sl_buf *out);
SL_MUST sl_res note_add_word(note_maker *maker, sl_buf *out);

#endif
