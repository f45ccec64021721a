#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "climbs out by ..",
	.must = "shows nothing of the host",
	.is_controlled = true,
};

void probe_run(void)
{
	int fd = open("/../../../../..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	no_host_below("/../../../../..", fd);
}
