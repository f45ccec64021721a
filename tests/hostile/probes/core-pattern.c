#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "names the program that the kernel runs as root when one crashes",
	.must = "not writable",
	.is_controlled = true,
};

void probe_run(void)
{
	no_open("/proc/sys/kernel/core_pattern", O_WRONLY);
}
