#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "looks through the folder that its pid 1 is in",
	.must = "shows nothing of the host",
};

void probe_run(void)
{
	int fd = open("/proc/1/cwd/../../..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	no_host_below("/proc/1/cwd/../../..", fd);
}
