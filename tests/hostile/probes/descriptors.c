#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "opens files until it may not",
	.must = "its own limit stops it",
	.is_controlled = true,
	.limits = "{\"files\":128}",
};

void probe_run(void)
{
	int n = 0;
	while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		if (++n > 256)
			broken("%d files are open", n);
}
