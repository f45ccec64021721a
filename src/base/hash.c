#include "base/hash.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

enum { SHA256_BYTES = 32, READ_BYTES = 64 * 1024 };

struct hash {
	gnutls_hash_hd_t handle;
};

static void to_hex(const unsigned char digest[SHA256_BYTES], char hex[HASH_HEX_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	for (int i = 0; i < SHA256_BYTES; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[2 * SHA256_BYTES] = '\0';
}

struct hash *hash_new(void)
{
	struct hash *h = calloc(1, sizeof *h);
	if (h && gnutls_hash_init(&h->handle, GNUTLS_DIG_SHA256) < 0) {
		free(h);
		h = NULL;
	}
	return h;
}

void hash_add(struct hash *h, const void *bytes, size_t n)
{
	gnutls_hash(h->handle, bytes, n);
}

void hash_finish(struct hash *h, char hex[HASH_HEX_BYTES])
{
	unsigned char digest[SHA256_BYTES];
	gnutls_hash_deinit(h->handle, digest);
	free(h);
	to_hex(digest, hex);
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	gnutls_hash_deinit(h->handle, NULL);
	free(h);
}

void hash_bytes(const void *bytes, size_t n, char hex[HASH_HEX_BYTES])
{
	unsigned char digest[SHA256_BYTES] = { 0 };
	gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, n, digest);
	to_hex(digest, hex);
}

int hash_fd(int fd, char hex[HASH_HEX_BYTES], int64_t *size_bytes, struct err *e)
{
	struct hash *h = hash_new();
	char *chunk = malloc(READ_BYTES);
	int64_t at = 0;
	if (!h || !chunk) {
		err_set(e, ERR_NOMEM, "out of memory");
		goto fail;
	}
	for (;;) {
		ssize_t n = pread(fd, chunk, READ_BYTES, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(e, "read to hash");
			goto fail;
		}
		if (n == 0)
			break;
		hash_add(h, chunk, (size_t)n);
		at += n;
	}
	free(chunk);
	hash_finish(h, hex);
	if (size_bytes)
		*size_bytes = at;
	return 0;
fail:
	free(chunk);
	hash_free(h);
	return -1;
}

bool hash_is_hex(const char *text)
{
	size_t n = strspn(text, "0123456789abcdef");
	return n == HASH_HEX_BYTES - 1 && text[n] == '\0';
}
