#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes a loop device",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/dev/loop-control", O_RDWR);
	no_open("/dev/loop0", O_RDWR);
}
