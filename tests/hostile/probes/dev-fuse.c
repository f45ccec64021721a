#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "serves a file system of its own",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/dev/fuse", O_RDWR);
	no_open("/dev/cuse", O_RDWR);
}
