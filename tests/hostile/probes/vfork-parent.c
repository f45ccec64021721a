#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "waits in vfork, where no signal but KILL reaches it",
	.must = "ended for its time",
	.end = "timeout",
	.timeout_s = 1,
	.is_long = true,
};

void probe_run(void)
{
	if (vfork() == 0)
		for (;;)
			pause();
}
