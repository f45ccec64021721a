#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "opens disks",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/dev/sda", O_RDONLY);
	no_open("/dev/vda", O_RDONLY);
	no_open("/dev/nvme0n1", O_RDONLY);
	no_open("/dev/vdb", O_RDONLY);
}
