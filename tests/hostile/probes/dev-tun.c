#include <fcntl.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes a network interface",
	.must = "refused, or not there",
};

void probe_run(void)
{
	no_open("/dev/net/tun", O_RDWR);
}
