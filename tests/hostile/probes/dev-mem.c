#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "opens the machine's memory",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/dev/mem", O_RDWR);
	no_open("/dev/kmem", O_RDWR);
	no_open("/dev/port", O_RDWR);
}
