#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "writes into the kernel's log",
	.must = "refused, or not there",
	.is_controlled = true,
};

void probe_run(void)
{
	no_open("/dev/kmsg", O_WRONLY);
}
