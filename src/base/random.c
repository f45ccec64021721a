#include "base/random.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/clock.h"
#include "base/err.h"

int random_bytes(void *out, size_t n, struct err *e)
{
	int got = gnutls_rnd(GNUTLS_RND_KEY, out, n);
	return got < 0 ? err_set(e, ERR_SYSTEM, "no random bytes: %s", gnutls_strerror(got)) : 0;
}

int random_hex(char *out, size_t n, struct err *e)
{
	static const char digits[] = "0123456789abcdef";
	/* The bytes go into the rear half and are spread from the front: the write never overtakes the read. */
	unsigned char *raw = (unsigned char *)out + n;
	if (random_bytes(raw, n, e) < 0) {
		out[0] = '\0';
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char byte = raw[i];
		out[2 * i] = digits[byte >> 4];
		out[2 * i + 1] = digits[byte & 15];
	}
	out[2 * n] = '\0';
	return 0;
}

uint64_t random_below(uint64_t below)
{
	uint64_t value = 0;
	if (below == 0)
		return 0;
	if (gnutls_rnd(GNUTLS_RND_NONCE, &value, sizeof value) < 0)
		value = (uint64_t)clock_boot_ns() * UINT64_C(0x9e3779b97f4a7c15) >> 16;
	return value % below;
}
