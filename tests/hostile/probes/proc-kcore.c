#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "reads the kernel's memory by /proc/kcore",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/proc/kcore", O_RDONLY);
}
