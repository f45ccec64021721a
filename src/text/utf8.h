/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF. Any thread. */
#ifndef SLIPWAY_TEXT_UTF8_H
#define SLIPWAY_TEXT_UTF8_H

#include <stddef.h>

/* Bytes (1 to 4) of the character that starts at `bytes`, of which `n` may be read; 0 if there is no valid one. */
size_t utf8_length(const void *bytes, size_t n);
/* The longest length ≤ `limit` at which the valid text of `n` bytes can be cut without splitting a character. */
size_t utf8_cut(const char *text, size_t n, size_t limit);

#endif
