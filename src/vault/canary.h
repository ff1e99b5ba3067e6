/* Canaries: records of people who do not exist, drawn from a key, that nobody may ever see again.
 * A canary in an answer proves that protected records are being recited. It is a function of the
 * compartment's canary key, the object's id and its number: with the key it can be made again, without
 * it nobody can tell it from the others. They are kept in an object's part of their own and never
 * inserted into the original. Pure. Must never be written to a leaf or a log. */
#ifndef SL_VAULT_CANARY_H
#define SL_VAULT_CANARY_H

#include "base/bytes.h"

#define SL_CANARIES_MAX ((uint64_t)64)

/* Texts end in NUL. */
typedef struct {
    char name[48];     /* "Torvenda Malikorsa" */
    char mrn[16];      /* eight digits */
    char compound[24]; /* "SLX-48213-QT" */
} sl_canary;

/* `uid`: the object's id; `number` from 0. */
void sl_canary_make(const uint8_t key[32], const char *uid, uint64_t number, sl_canary *ret);

/* One line of JSON: number, the record behind which views insert it, the values, and a sentence that
 * holds them. */
SL_MUST sl_res sl_canary_write(const sl_canary *canary, uint64_t number, uint64_t after_record,
                               sl_buf *out);

#endif
