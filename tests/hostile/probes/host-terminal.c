#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "opens the terminals of the host",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/dev/pts/0", O_RDWR);
	no_open("/dev/pts/1", O_RDWR);
	no_open("/dev/tty", O_RDWR);
}
