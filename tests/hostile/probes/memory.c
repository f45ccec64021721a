#include <stdlib.h>
#include <string.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "takes memory for ever",
	.must = "ended for its memory",
	.end = "memory",
	.limits = "{\"memory\":33554432}",
	.timeout_s = 60,
};

void probe_run(void)
{
	for (;;) {
		char *p = malloc(1 << 20);
		if (p)
			memset(p, 1, 1 << 20);
	}
}
