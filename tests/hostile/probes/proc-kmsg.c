#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "reads the kernel's log by /proc/kmsg",
	.must = "refused, or not there",
	.is_controlled = true,
};

void probe_run(void)
{
	no_open("/proc/kmsg", O_RDONLY);
}
