/* Base64 (RFC 4648, with padding). Any thread. */
#ifndef SLIPWAY_TEXT_BASE64_H
#define SLIPWAY_TEXT_BASE64_H

#include <stddef.h>

struct buf;

void base64_encode(const void *bytes, size_t n, struct buf *out);
/* NULL on bad input or no memory. free() the result. Padding is required and must be canonical. */
void *base64_decode(const char *text, size_t *len);

#endif
