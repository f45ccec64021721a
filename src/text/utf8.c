#include "text/utf8.h"

static int is_tail(unsigned char c)
{
	return (c & 0xC0) == 0x80;
}

/* The second byte's range carries all of the special cases (Unicode 15, table 3-7). */
size_t utf8_length(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xC2 && p[0] <= 0xDF)
		return n >= 2 && is_tail(p[1]) ? 2 : 0;
	if ((p[0] & 0xF0) == 0xE0) {
		unsigned char low = p[0] == 0xE0 ? 0xA0 : 0x80, high = p[0] == 0xED ? 0x9F : 0xBF;
		return n >= 3 && p[1] >= low && p[1] <= high && is_tail(p[2]) ? 3 : 0;
	}
	if (p[0] >= 0xF0 && p[0] <= 0xF4) {
		unsigned char low = p[0] == 0xF0 ? 0x90 : 0x80, high = p[0] == 0xF4 ? 0x8F : 0xBF;
		return n >= 4 && p[1] >= low && p[1] <= high && is_tail(p[2]) && is_tail(p[3]) ? 4 : 0;
	}
	return 0;
}

size_t utf8_cut(const char *text, size_t n, size_t limit)
{
	if (n <= limit)
		return n;
	while (limit > 0 && is_tail((unsigned char)text[limit]))
		limit--;
	return limit;
}
