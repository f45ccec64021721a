#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "names the program that the kernel runs for new devices",
	.must = "not writable",
};

void probe_run(void)
{
	no_open("/proc/sys/kernel/hotplug", O_WRONLY);
	no_open("/sys/kernel/uevent_helper", O_WRONLY);
}
