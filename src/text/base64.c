#include "text/base64.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t n, struct buf *out)
{
	const unsigned char *in = bytes;
	char *to = buf_reserve(out, (n + 2) / 3 * 4);
	if (!to)
		return;
	for (size_t i = 0; i < n; i += 3, to += 4) {
		size_t left = n - i;
		unsigned long v = (unsigned long)in[i] << 16;
		v |= left > 1 ? (unsigned long)in[i + 1] << 8 : 0;
		v |= left > 2 ? in[i + 2] : 0;
		to[0] = digits[v >> 18];
		to[1] = digits[v >> 12 & 63];
		to[2] = left > 1 ? digits[v >> 6 & 63] : '=';
		to[3] = left > 2 ? digits[v & 63] : '=';
	}
	out->len += (n + 2) / 3 * 4;
	out->data[out->len] = '\0';
}

static int value_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* One group of four characters → up to three bytes; gives how many, or -1. */
static int decode_group(const char *text, unsigned char out[3])
{
	int v[4], pad = 0;
	for (int i = 0; i < 4; i++) {
		if (text[i] == '=' && i >= 2)
			pad++;
		else if (pad)
			return -1;
		v[i] = text[i] == '=' ? 0 : value_of(text[i]);
		if (v[i] < 0 || (text[i] == '=' && i < 2))
			return -1;
	}
	/* Bits that the padding says are not there must be zero. */
	if ((pad == 1 && (v[2] & 3)) || (pad == 2 && (v[1] & 15)))
		return -1;
	out[0] = (unsigned char)(v[0] << 2 | v[1] >> 4);
	out[1] = (unsigned char)(v[1] << 4 | v[2] >> 2);
	out[2] = (unsigned char)(v[2] << 6 | v[3]);
	return 3 - pad;
}

void *base64_decode(const char *text, size_t *len)
{
	size_t n = strlen(text);
	if (n % 4)
		return NULL;
	unsigned char *out = malloc(n / 4 * 3 + 1);
	if (!out)
		return NULL;
	*len = 0;
	for (size_t i = 0; i < n; i += 4) {
		unsigned char group[3];
		int got = decode_group(text + i, group);
		if (got < 0 || (got < 3 && i + 4 != n)) {
			free(out);
			return NULL;
		}
		memcpy(out + *len, group, (size_t)got);
		*len += (size_t)got;
	}
	out[*len] = '\0';
	return out;
}
