#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "overwrites the program of its pid 1, which is the runner's",
	.must = "refused",
};

void probe_run(void)
{
	no_open("/proc/1/exe", O_WRONLY);
}
