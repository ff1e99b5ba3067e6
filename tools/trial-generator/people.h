/* Invented people: names, addresses and identifiers by country, from lists of ours. Telephone numbers
 * come from ranges that regulators keep for fiction where there are such ranges, mail addresses from
 * example.org; identifiers have right check digits so that detectors meet what they meet in life, and
 * belong to nobody by intent. Pure. */
#ifndef TRIAL_PEOPLE_H
#define TRIAL_PEOPLE_H

#include "base/bytes.h"
#include "base/random.h"

typedef enum { COUNTRY_US, COUNTRY_GB, COUNTRY_DE, COUNTRY_ES, COUNTRY_FR, COUNTRY_COUNT } country;

typedef struct {
    int year, month, day;
} date;

/* Days since 1970-01-01 of a date, and back (proleptic Gregorian calendar). */
int64_t days_of_date(date d);
date date_of_days(int64_t days);

typedef struct {
    country country;
    bool female;
    date born;
    char first[32], last[40], street[64], city[32], postcode[16];
    char phone[24], email[96], national[24], record[16];
    const char *national_kind; /* how the note calls it */
} person;

void person_make(sl_prng *prng, country where, person *ret_person);
/* "Dr. Name" of somebody who works at a site of the country. */
void doctor_make(sl_prng *prng, country where, char *ret_name, size_t size);
const char *country_code(country where);

#endif
