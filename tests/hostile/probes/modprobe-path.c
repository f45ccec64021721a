#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "names the program that the kernel runs to load modules",
	.must = "not writable",
};

void probe_run(void)
{
	no_open("/proc/sys/kernel/modprobe", O_WRONLY);
}
