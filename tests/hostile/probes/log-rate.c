#include <stdio.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "floods the log faster than it may",
	.must = "held back to its rate, until its time is up",
	.end = "timeout",
	.timeout_s = 1,
	.limits = "{\"log_rate\":65536}",
	.as = AS_ROOT,
};

void probe_run(void)
{
	for (int i = 0; i < 300000; i++)
		puts("one line more");
}
