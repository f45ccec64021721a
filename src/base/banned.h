/* Functions that may not be used, each with the reason. The build includes this file before everything else (see
 * meson.build), so that a call stops the compiler. Not to be included by hand. */
#ifndef SLIPWAY_BASE_BANNED_H
#define SLIPWAY_BASE_BANNED_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BANNED(fn, instead) sorry_##fn##_is_banned_use_##instead

/* Write past their target. */
#undef strcpy
#define strcpy(...) BANNED(strcpy, buf_adds)
#undef stpcpy
#define stpcpy(...) BANNED(stpcpy, buf_adds)
#undef strcat
#define strcat(...) BANNED(strcat, buf_adds)
#undef sprintf
#define sprintf(...) BANNED(sprintf, snprintf_or_buf_addf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf, vsnprintf)
#undef alloca
#define alloca(...) BANNED(alloca, arena_alloc)

/* Forget the NUL, or pad with thousands of them. */
#undef strncpy
#define strncpy(...) BANNED(strncpy, memcpy)
#undef strncat
#define strncat(...) BANNED(strncat, buf_add)

/* Hide errors: 0 for a text that is no number. */
#undef atoi
#define atoi(...) BANNED(atoi, parse_int)
#undef atol
#define atol(...) BANNED(atol, parse_int)
#undef atoll
#define atoll(...) BANNED(atoll, parse_int)
#undef atof
#define atof(...) BANNED(atof, strtod)

/* Keep their state in one place for all threads. */
#undef strtok
#define strtok(...) BANNED(strtok, strcspn)
#undef strerror
#define strerror(...) BANNED(strerror, err_sys)
#undef gmtime
#define gmtime(...) BANNED(gmtime, gmtime_r)
#undef localtime
#define localtime(...) BANNED(localtime, localtime_r)
#undef ctime
#define ctime(...) BANNED(ctime, clock_format)
#undef asctime
#define asctime(...) BANNED(asctime, clock_format)
#undef rand
#define rand(...) BANNED(rand, random_bytes)
#undef srand
#define srand(...) BANNED(srand, random_bytes)
#undef random
#define random(...) BANNED(random, random_bytes)

/* A shell in between. */
#undef system
#define system(...) BANNED(system, the_spawner)
#undef popen
#define popen(...) BANNED(popen, the_spawner)

/* Names that others can guess, opened twice. */
#undef mktemp
#define mktemp(...) BANNED(mktemp, mkostemp)
#undef tmpnam
#define tmpnam(...) BANNED(tmpnam, mkostemp)
#undef tempnam
#define tempnam(...) BANNED(tempnam, mkostemp)

/* Its meaning differs from system to system. */
#undef signal
#define signal(...) BANNED(signal, sigaction)

#endif
