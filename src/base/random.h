/* Random bytes for tokens, ids and seeds, by GnuTLS. Any thread. */
#ifndef SLIPWAY_BASE_RANDOM_H
#define SLIPWAY_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct err;

/* 0, or -1: the machine gives no randomness. Never go on with what `out` then holds. */
int random_bytes(void *out, size_t n, struct err *e);
/* `n` random bytes as 2n lower-case digits and a NUL: `out` holds 2n+1. A token takes n = RANDOM_TOKEN_BYTES. */
#define RANDOM_TOKEN_BYTES 32
#define RANDOM_HEX_BYTES(n) (2 * (n) + 1)
int random_hex(char *out, size_t n, struct err *e);
/* 0 … below-1, for spreading load only; no secret comes out of it. 0 if below is 0. Cannot fail. */
uint64_t random_below(uint64_t below);

#endif
