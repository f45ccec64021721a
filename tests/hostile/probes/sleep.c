#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "does nothing for ever",
	.must = "ended for its silence",
	.end = "silence",
	.silence_s = 1,
};

void probe_run(void)
{
	pause();
}
