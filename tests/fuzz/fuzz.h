/* Fuzz targets: each file defines LLVMFuzzerTestOneInput() for one reader of what others wrote. tests/fuzz/run builds
 * them with clang's fuzzer; tests/unit/kind/test_fuzz.c runs them all over the seeds, and over seeds it has damaged,
 * within `make check`. A target aborts where a promise is broken, and leaves memory errors to the sanitizers. */
#ifndef SLIPWAY_TESTS_FUZZ_H
#define SLIPWAY_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MUST(what)               \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
