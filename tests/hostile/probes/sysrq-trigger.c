#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "writes orders to the kernel",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/proc/sysrq-trigger", O_WRONLY);
}
