#include <signal.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "stops itself",
	.must = "ended for its time",
	.end = "timeout",
	.timeout_s = 1,
	.is_long = true,
};

void probe_run(void)
{
	raise(SIGSTOP);
	raise(SIGSTOP);
}
