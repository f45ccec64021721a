#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "writes to the machine's console",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/dev/tty0", O_RDWR);
	no_open("/dev/tty1", O_RDWR);
	no_open("/dev/vcs", O_RDWR);
	no_open("/dev/ttyS0", O_RDWR);
}
