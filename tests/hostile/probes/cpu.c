#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "computes longer than its share",
	.must = "ended by the signal for it",
	.end = "signal",
	.limits = "{\"cpu\":1}",
	.timeout_s = 30,
};

void probe_run(void)
{
	for (volatile unsigned i = 0;; i++)
		continue;
}
