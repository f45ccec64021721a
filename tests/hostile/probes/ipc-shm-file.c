#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "finds a shared-memory file of the host by its name",
	.must = "not there",
	.is_controlled = true,
};

void probe_run(void)
{
	no_open(bait("/dev/shm/"), O_RDONLY);
}
