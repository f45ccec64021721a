/* For every cmocka test: includes cmocka with what it wants included before it, and SKIP(), which says why. */
#ifndef SLIPWAY_TESTS_TEST_H
#define SLIPWAY_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
/* cmocka 1.1.5 reads the compiler's version by macros that -Wundef does not like. */
#include <cmocka.h>

/* Leave the test; the reason is shown by the summary of `make check`. */
#define SKIP(...)                                 \
	do {                                      \
		printf("# skip: %s: ", __func__); \
		printf(__VA_ARGS__);              \
		putchar('\n');                    \
		fflush(stdout);                   \
		skip();                           \
	} while (0)

#endif
