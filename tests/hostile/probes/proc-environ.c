#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "reads the environment of its pid 1",
	.must = "refused, or not there",
	.is_controlled = true,
};

void probe_run(void)
{
	no_open("/proc/1/environ", O_RDONLY);
}
