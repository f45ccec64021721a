#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "computes for ever",
	.must = "ended for its time",
	.end = "timeout",
	.timeout_s = 1,
};

void probe_run(void)
{
	for (volatile unsigned i = 0;; i++)
		continue;
}
