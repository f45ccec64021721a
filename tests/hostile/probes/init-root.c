#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "looks through the root of its pid 1",
	.must = "shows nothing of the host",
	.is_controlled = true,
};

void probe_run(void)
{
	int fd = open("/proc/1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	no_host_below("/proc/1/root", fd);
}
