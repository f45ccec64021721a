/* SHA-256 by GnuTLS: the address of a blob. One thread per hash. */
#ifndef SLIPWAY_BASE_HASH_H
#define SLIPWAY_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct hash;

#define HASH_HEX_BYTES 65 /* 64 digits and a NUL */

struct hash *hash_new(void); /* NULL: out of memory */
void hash_add(struct hash *h, const void *bytes, size_t n);
/* Ends and frees the hash. */
void hash_finish(struct hash *h, char hex[HASH_HEX_BYTES]);
void hash_free(struct hash *h);
void hash_bytes(const void *bytes, size_t n, char hex[HASH_HEX_BYTES]);
/* From the descriptor's start to its end by pread; *size_bytes says how many bytes that were. */
int hash_fd(int fd, char hex[HASH_HEX_BYTES], int64_t *size_bytes, struct err *e);
/* 64 lower-case hexadecimal digits and nothing else. */
bool hash_is_hex(const char *text);

#endif
