#include "text/size.h"

#include <stdio.h>

const char *size_format(int64_t bytes, char out[SIZE_TEXT_BYTES])
{
	static const char units[] = "KMGTP";
	if (bytes < 1024) {
		snprintf(out, SIZE_TEXT_BYTES, "%lld", (long long)bytes);
		return out;
	}
	double n = (double)bytes / 1024;
	size_t u = 0;
	while (n >= 999.95 && u + 2 < sizeof units) {
		n /= 1024;
		u++;
	}
	snprintf(out, SIZE_TEXT_BYTES, n < 99.95 ? "%.1f%c" : "%.0f%c", n, units[u]);
	return out;
}
