/* Sizes as people read them. Any thread. */
#ifndef SLIPWAY_TEXT_SIZE_H
#define SLIPWAY_TEXT_SIZE_H

#include <stdint.h>

enum { SIZE_TEXT_BYTES = 48 };

/* "512", "12.3K", "4.0M". Gives `out`. */
const char *size_format(int64_t bytes, char out[SIZE_TEXT_BYTES]);

#endif
