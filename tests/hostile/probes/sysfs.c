#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "changes devices by /sys",
	.must = "/sys is not there",
	.is_controlled = true,
};

void probe_run(void)
{
	no_open("/sys/power/state", O_RDONLY);
	no_open("/sys/kernel/uevent_seqnum", O_RDONLY);
	no_open("/sys/devices", O_RDONLY);
}
