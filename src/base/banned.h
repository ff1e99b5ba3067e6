/* Functions that do not compile in this project (included into every file by the build).
 * Each has a bounded replacement: sl_buf_* for text, sl_parse_* for numbers. */
#ifndef SL_BASE_BANNED_H
#define SL_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* macros of the C library under some compilers */
#undef alloca
#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef stpcpy
#pragma GCC poison strcpy strcat strncpy strncat stpcpy sprintf vsprintf gets
#pragma GCC poison atoi atol atoll atof strtok strtok_r alloca gmtime localtime asctime ctime
#pragma GCC poison tmpnam tempnam mktemp system popen scanf sscanf fscanf

#endif
